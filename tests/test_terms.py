"""Terms of J: ours, and such as somebody writes outside the package."""

from dataclasses import dataclass

import numpy as np
import pytest
from conftest import make_tiny_network

from scratchnet import (
    Content,
    Network,
    Style,
    StyleTransferObjective,
    check_term,
    gatys_terms,
    style_target,
    style_transfer,
)
from scratchnet.style.layers import content_layers_at
from scratchnet.style.levels import scaled_style


@dataclass
class Vignette:
    """½ · weight · Σ t x² / (H W), with t rising from the middle to the corners: darker there."""

    weight: float = 1.0
    wrong: float = 1.0  # by which factor the gradient is
    name = "vignette"

    def prepare(self, network, size, scale):
        rows, cols = (np.linspace(-1, 1, n) ** 2 for n in size)
        t = self.weight * (rows[:, None, None] + cols[:, None]) / (size[0] * size[1])
        return {"image": lambda x: (0.5 * np.sum(t * x**2), self.wrong * t * x)}


@dataclass
class Nearest:
    """½ · mean (x − nearest multiple of 50)²: with a kink wherever another one becomes nearest."""

    name = "nearest"

    def prepare(self, network, size, scale):
        return {"image": self.loss}

    @staticmethod
    def which(image):
        return np.rint(image / 50)

    def loss(self, image):
        d = image - 50 * self.which(image)
        return 0.5 * np.mean(d**2), d / d.size


@dataclass
class Excite:
    """−a_ijk of one unit: its activation, to be made as large as can be."""

    layer: str
    unit: tuple
    name = "excite"

    def prepare(self, network, size, scale):
        def loss(a):
            da = np.zeros_like(a)
            da[self.unit] = -1
            return -a[self.unit], da

        return {self.layer: loss}


@pytest.fixture
def image(rng):
    return rng.uniform(0, 255, (12, 14, 3))


def test_a_term_outside_the_package_is_checked_with_one_call(image):
    network = make_tiny_network()
    for term in (Vignette(), Excite("relu2_1", (1, 2, 3)), Excite("pool1", (0, 0, 1))):
        report = check_term(term, network, image)
        assert report.passed, report
    for wrong in (-1.0, 0.5, 1.001):
        assert not check_term(Vignette(wrong=wrong), network, image).passed


def test_a_check_in_float32_is_refused(image):
    with pytest.raises(ValueError, match="got a network in float32, wanted"):
        check_term(Vignette(), make_tiny_network(dtype="float32"), image)


def test_kinks_of_a_term_are_kept_away_from(image):
    on_kinks = image.copy()
    on_kinks[3, 4, 1] = 25  # halfway between 0 and 50
    term, network = Nearest(), make_tiny_network()
    assert check_term(term, network, image, pattern=term.which).passed
    report = check_term(term, network, on_kinks, pattern=term.which)
    assert report.passed and report.kinks > 0
    assert not check_term(term, network, on_kinks).passed  # a difference across the kink


def test_j_is_the_sum_of_any_terms(image, rng):
    network, other = make_tiny_network(), rng.uniform(0, 255, (9, 9, 3))
    layers = {"relu1_1": 1.0, "relu2_1": 0.5}
    terms = [Vignette(), Style(other, layers), Excite("relu2_1", (1, 2, 3))]
    whole = StyleTransferObjective(network, terms, (12, 14)).evaluate(image)
    parts = [StyleTransferObjective(network, [t], (12, 14)).evaluate(image) for t in terms]
    assert whole.loss == pytest.approx(sum(part.loss for part in parts), rel=1e-12)
    expected = sum(part.gradient for part in parts)
    assert np.abs(whole.gradient - expected).max() <= 1e-12 * np.abs(expected).max()
    assert set(whole.terms) == {"vignette", "style relu1_1", "style relu2_1", "excite relu2_1"}


def test_no_term_is_no_cost(image):
    loss, gradient, terms = StyleTransferObjective(make_tiny_network(), [], (12, 14)).evaluate(
        image
    )
    assert loss == 0 and terms == {} and gradient.shape == image.shape and not gradient.any()


def test_several_styles_need_no_new_code(image, rng):
    """One style twice, at half the weight each, is that style."""
    network, other = make_tiny_network(), rng.uniform(0, 255, (9, 9, 3))
    layers = {"relu1_1": 1.0, "relu2_1": 0.5}
    once = [Style(other, layers, 1.0)]
    twice = [Style(other, layers, 0.5, name=name) for name in ("one", "two")]
    one, two = (StyleTransferObjective(network, t, (12, 14))(image) for t in (once, twice))
    assert one[0] == pytest.approx(two[0], rel=1e-12)
    assert np.allclose(one[1], two[1], rtol=1e-12)


def test_a_transfer_runs_with_any_terms_from_coarse_to_fine(rng):
    """Every level prepares every term anew, for its size."""
    seen = []

    class Watched(Vignette):
        def prepare(self, network, size, scale):
            seen.append((size, scale))
            return super().prepare(network, size, scale)

    content = rng.uniform(0, 255, (130, 140, 3))
    network, terms = make_tiny_network(), [Watched(weight=1e3)]
    result = style_transfer(content, terms=terms, network=network, iterations=10)
    assert seen == [((65, 70), 0.5), ((130, 140), 1.0)]
    assert result.image[:20, :20].mean() < 0.7 * result.image[55:75, 60:80].mean()
    assert list(result.history[0].terms) == ["vignette"]


def test_neither_a_style_nor_terms_is_refused(image):
    with pytest.raises(ValueError, match="got neither a style image nor terms"):
        style_transfer(image, network=make_tiny_network())


def test_a_term_at_a_layer_that_is_not_there_is_refused(image):
    with pytest.raises(ValueError, match="unknown layer 'relu9_9'"):
        StyleTransferObjective(make_tiny_network(), [Excite("relu9_9", (0, 0, 0))], (12, 14))


def test_the_style_shrinks_with_the_picture_but_not_away():
    assert scaled_style((300, 200), 1.0) == (300, 200)
    assert scaled_style((300, 200), 0.25) == (75, 50)
    assert scaled_style((40, 64), 0.25) == (32, 51)
    assert scaled_style((20, 30), 0.25) == (20, 30)  # never enlarged


def test_style_target_is_a_mean_over_positions(rng):
    a = rng.standard_normal((3, 4, 5))
    assert np.allclose(style_target(np.tile(a, (2, 2, 1))), style_target(a))


def test_below_256_pixels_the_content_layer_goes_down():
    assert content_layers_at((170, 256)) == content_layers_at((600, 900)) == {"relu4_2": 1}
    assert content_layers_at((64, 60)) == {"relu3_3": 0.5}
    between = content_layers_at((100, round(256 / 2**0.5)))
    assert between == pytest.approx({"relu4_2": 0.5, "relu3_3": 0.25}, rel=1e-2)


@pytest.mark.parametrize("layers", [None, {"relu2_1": 1.0}])
def test_content_without_layers_takes_those_of_its_size(rng, layers):
    class Named(Network):
        """Says which layers it was asked for."""

        def forward(self, image, layers):
            self.asked = dict(layers)
            return {name: image for name in layers}, []

    network = Named(make_tiny_network().layers)
    losses = Content(rng.uniform(0, 255, (32, 40, 3)), layers).prepare(network, (16, 20), 0.5)
    assert set(losses) == set(network.asked) == ({"relu3_3"} if layers is None else {"relu2_1"})


def test_one_style_twice_is_that_style(rng):
    network, options = make_tiny_network(), {"style_layers": {"relu1_1": 0.5, "relu2_1": 0.5}}
    options["content_layers"] = {"relu2_1": 1.0}
    content, style, G = rng.uniform(0, 255, (3, 16, 20, 3))
    once, twice = (
        StyleTransferObjective(network, gatys_terms(content, given, **options), (16, 20))
        for given in (style, [style, style])
    )
    (J, gradient), (J2, gradient2) = once(G), twice(G)
    assert J2 == pytest.approx(J, rel=1e-12)
    assert np.abs(gradient2 - gradient).max() <= 1e-12 * np.abs(gradient).max()


def test_styles_share_the_weight_by_their_blend_weights(rng):
    content, one, other = rng.uniform(0, 255, (3, 16, 20, 3))
    terms = gatys_terms(content, [one, other], blend_weights=[3, 1], style_weight=2.0)
    assert [term.name for term in terms] == ["content", "style 1", "style 2", "tv"]
    assert [term.weight for term in terms[1:3]] == [1.5, 0.5]
    changed = gatys_terms(content, [other, one], blend_weights=[1, 3], style_weight=2.0)
    network, size = make_tiny_network(), (16, 20)
    for given in (terms, changed):
        for term in given[:3]:
            object.__setattr__(term, "layers", {"relu2_1": 1.0})
    values = [StyleTransferObjective(network, given, size)(one)[0] for given in (terms, changed)]
    assert values[0] == pytest.approx(values[1], rel=1e-12)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1], "blend_weights: got 1, wanted one for each style, 2"),
        ([1, -1], r"blend_weights\[1\]: got a weight of -1"),
        ([0, 0], "blend_weights: all are 0"),
    ],
)
def test_blend_weights_that_are_wrong(rng, weights, message):
    picture = rng.uniform(0, 255, (16, 20, 3))
    with pytest.raises(ValueError, match=message):
        gatys_terms(picture, [picture, picture], blend_weights=weights)
