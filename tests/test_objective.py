"""J(G): its terms, its weights, and what it refuses."""

import numpy as np
import pytest
from conftest import IMAGES, load_script, make_objective, make_tiny_network

from scratchnet import Network, StyleTransferObjective, TotalVariation, style_target
from scratchnet.files.images import fit, load_image, resize_image
from scratchnet.style.losses import content_loss, style_loss, total_variation

LAYERS = {
    "content_layers": {"relu2_1": 2.0},
    "style_layers": {"relu1_1": 0.5, "relu2_1": 0.25},
}


@pytest.fixture
def images(rng):
    return rng.uniform(0, 255, (12, 10, 3)), rng.uniform(0, 255, (8, 14, 3))


def test_j_is_the_formula_in_its_docstring(images, rng):
    network = make_tiny_network()
    content, style = images
    image = rng.uniform(0, 255, content.shape)
    weights = {"content_weight": 3.0, "style_weight": 0.7, "tv_weight": 5.0}
    objective = make_objective(network, content, style, **LAYERS, **weights)
    loss, _, terms = objective.evaluate(image)

    names = ["relu1_1", "relu2_1"]
    a_G, a_C, a_S = (network.forward(picture, names)[0] for picture in (image, content, style))
    H, W, C = a_G["relu2_1"].shape
    expected = {
        "content relu2_1": 3.0 * 2 * content_loss(a_G["relu2_1"], a_C["relu2_1"])[0] / (H * W * C),
        "style relu1_1": 0.7
        * 0.5
        * style_loss(style_target(a_G["relu1_1"]), style_target(a_S["relu1_1"]))[0],
        "style relu2_1": 0.7
        * 0.25
        * style_loss(style_target(a_G["relu2_1"]), style_target(a_S["relu2_1"]))[0],
        "tv": 5.0 * np.sqrt(12 / 256) * total_variation(image)[0] / (12 * 10),
    }
    assert terms == pytest.approx(expected, rel=1e-12)
    assert loss == pytest.approx(sum(expected.values()), rel=1e-12)
    assert objective(image)[0] == loss


def test_the_content_image_costs_no_content_and_the_style_image_no_style(images):
    content, _ = images
    objective = make_objective(make_tiny_network(), content, content, **LAYERS, tv_weight=0)
    loss, gradient = objective(content)
    assert loss == 0 and not gradient.any()


def test_a_weight_of_zero_removes_its_term_and_its_gradient(images, rng):
    content, style = images
    image = rng.uniform(0, 255, content.shape)

    def gradient(content_weight, style_weight, tv_weight):
        objective = make_objective(
            make_tiny_network(), content, style, **LAYERS, content_weight=content_weight,
            style_weight=style_weight, tv_weight=tv_weight,
        )  # fmt: skip
        return objective(image)[1]

    parts = gradient(1, 0, 0) + gradient(0, 1, 0) + gradient(0, 0, 1)
    assert np.allclose(parts, gradient(1, 1, 1), rtol=1e-12)
    with pytest.raises(ValueError, match="are 0, and so is J"):
        gradient(0, 0, 0)


def test_content_and_style_do_not_depend_on_the_size(rng):
    """The same pictures tiled cost the same: these terms are means over positions."""
    network = make_tiny_network()
    content, style, image = rng.uniform(0, 255, (3, 16, 16, 3))
    losses = []
    for n in (4, 8):
        tiled = [np.tile(picture, (n, n, 1)) for picture in (content, style, image)]
        objective = make_objective(network, tiled[0], tiled[1], **LAYERS)
        losses.append(objective.evaluate(tiled[2]).terms)
    del losses[0]["tv"]
    for name, value in losses[0].items():
        # Borders matter a little; a mean forgotten would be a factor of 4 or 16.
        assert losses[1][name] == pytest.approx(value, rel=0.3), name


def test_total_variation_does_not_depend_on_the_size_of_a_photograph():
    """Measured on the photographs that come with the project, not on tiles or noise."""
    not_photographs = load_script("scanning").NOT_PHOTOGRAPHS
    photographs = [p for p in sorted(IMAGES.glob("*.jpg")) if p.stem not in not_photographs]
    values = []
    for image in map(load_image, photographs):
        sizes = [fit(image.shape, side) for side in (64, 128, 256, 512)]
        values.append([TotalVariation().loss(resize_image(image, size))[0] for size in sizes])
    coarse, fine = np.log(values)[:, :-1], np.log(values)[:, 1:]
    assert len(photographs) > 10 and 0.8 < np.exp(np.mean(coarse - fine)) < 1.25


def test_only_total_variation_needs_no_network(images):
    content, style = images
    objective = make_objective(
        make_tiny_network(), content, style, content_layers={}, style_layers={}, tv_weight=1
    )
    loss, gradient, terms = objective.evaluate(content)
    assert list(terms) == ["tv"] and loss == terms["tv"] > 0 and gradient.any()


def test_objective_says_what_is_wrong(images):
    content, style = images
    network = make_tiny_network()
    for weight in (-1, np.nan, np.inf):
        with pytest.raises(ValueError, match=r"style_weight: got a weight of .* at least 0"):
            make_objective(network, content, style, **LAYERS, style_weight=weight)
        with pytest.raises(ValueError, match=r"tv_weight: got a weight of .* at least 0"):
            make_objective(network, content, style, **LAYERS, tv_weight=weight)
    with pytest.raises(ValueError, match="two terms are called 'tv'"):
        StyleTransferObjective(network, 2 * [TotalVariation()], (8, 8))
    with pytest.raises(ValueError, match="relu2_1: got a weight of -1"):
        make_objective(network, content, style, **{**LAYERS, "content_layers": {"relu2_1": -1}})
    with pytest.raises(ValueError, match="unknown layer 'relu3_3'"):
        make_objective(network, content, style)
    objective = make_objective(network, content, style, **LAYERS)
    with pytest.raises(ValueError, match=r"shape \(8, 14, 3\), wanted \(12, 10, 3\)"):
        objective(style)


def test_a_gradient_that_the_walk_back_loses_is_an_error(images, rng):
    class Forgets(Network):
        def backward(self, gradients, caches):
            deepest = max(gradients, key=lambda name: self.depth([name]))
            return super().backward({deepest: gradients[deepest]}, caches)

    whole = make_tiny_network()
    objective = make_objective(Forgets(whole.layers, dtype="float64"), *images, **LAYERS)
    with pytest.raises(RuntimeError, match="the walk back did not ask for the gradients at relu"):
        objective(rng.uniform(0, 255, images[0].shape))
