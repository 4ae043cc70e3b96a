"""Training: every gradient that it needs, by hand and measured, and that it learns."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import files, load_script

from scratchnet import Network, gradient_check, load_image
from scratchnet.network.convolution import Convolution
from scratchnet.training import (
    MomentumDescent,
    batch_gradients,
    cross_entropy,
    evaluate,
    he_convolution,
    normalise,
    patch_gradients,
    predict,
    random_patches,
    small_network,
    split,
    tiles,
    train,
)


def convolutions(network):
    """Return the layers with weights, by name."""
    return {layer.name: layer for layer in network.layers if isinstance(layer, Convolution)}


def parameter_bytes(network):
    return b"".join(c.kernel.tobytes() + c.bias.tobytes() for c in convolutions(network).values())


@pytest.fixture
def stripes(rng):
    """Return two pictures that differ in nothing but the direction of their stripes, and noise."""
    wave = 60 * np.sin(np.arange(48) * 2 * np.pi / 6)
    noise = rng.normal(0, 5, (2, 48, 48, 3))
    across, down = np.broadcast_to(wave[:, None, None], (48, 48, 3)), wave[None, :, None]
    return list((128 + noise + np.stack([across, across * 0 + down])).astype(np.float32))


# ------------------------------------------------------------------------------- the loss


def test_cross_entropy_by_hand():
    # exp(s) = 1, 2, 5, which adds up to 8: p = 1/8, 2/8, 5/8. The right class is the second, so
    # J = −log(2/8) = log 4, and ∂J/∂s = (1/8, 2/8 − 1, 5/8).
    J, dscores = cross_entropy(np.log([1.0, 2.0, 5.0]), 1)
    assert J == pytest.approx(np.log(4), rel=1e-14)
    assert dscores == pytest.approx(np.array([1, -6, 5]) / 8, rel=1e-14)


def test_cross_entropy_takes_scores_that_exp_does_not():
    # p = 1, exp(−2000), exp(−1000), the last two of which are 0 in float64.
    for label, J, dscores in [(0, 0, [0, 0, 0]), (1, 2000, [1, -1, 0])]:
        loss, gradient = cross_entropy(np.array([1000.0, -1000.0, 0.0]), label)
        assert loss == J and gradient.tolist() == dscores


# -------------------------------------------------------------------------- the gradients


@pytest.mark.parametrize("part", ["kernel", "bias"])
@pytest.mark.parametrize("name", ["conv1", "conv2", "conv3", "scores"])
def test_gradients_with_respect_to_every_kernel_and_bias(name, part, rng):
    # From the weights of one layer to J, through all layers above it, entry by entry.
    network = small_network(4, rng, channels=(2, 2, 2), dtype="float64")
    patches, labels = rng.standard_normal((2, 16, 16, 3)), [1, 3]
    layer = convolutions(network)[name]
    _, gradients = batch_gradients(network, patches, labels)

    def function(weights):
        changed = Network(
            [replace(one, **{part: weights}) if one is layer else one for one in network.layers],
            dtype="float64",
        )
        kinks = [changed.forward(patch, ["scores"])[1] for patch in patches]
        return batch_gradients(changed, patches, labels)[0], kinks

    report = gradient_check(
        function, getattr(layer, part), gradients[name][part == "bias"],
        operation=name, argument=part, bound=1e-6,
    )  # fmt: skip
    assert report.passed, report


def test_a_batch_is_the_mean_of_its_patches(rng):
    network = small_network(3, rng, channels=(4,), dtype="float64")
    patches, labels = rng.standard_normal((3, 6, 6, 3)), [0, 2, 1]
    J, gradients = batch_gradients(network, patches, labels)
    single = [patch_gradients(network, *pair) for pair in zip(patches, labels, strict=True)]
    assert J == pytest.approx(np.mean([loss for loss, _ in single]))
    for name in ("conv1", "scores"):
        for part in (0, 1):
            mean = np.mean([g[name][part] for _, g in single], axis=0)
            assert np.allclose(gradients[name][part], mean, rtol=1e-12)


# ----------------------------------------------------------------------- start and step


def test_he_start_keeps_activations_equally_large(rng):
    # ½ n Var w = 1 promises the mean of y² of the layer above a ReLU: that of the layer below.
    x = rng.standard_normal((24, 24, 64))
    layer = he_convolution("one", (3, 3, 64, 256), rng, "float64")
    above = he_convolution("two", (3, 3, 256, 256), rng, "float64")
    y, _ = layer.forward(x)
    z, _ = above.forward(np.maximum(y, 0))
    inside = (slice(2, -2), slice(2, -2))  # the border sees padding
    assert np.mean(z[inside] ** 2) == pytest.approx(np.mean(y[inside] ** 2), rel=0.1)
    assert not layer.bias.any()


def test_two_steps_by_hand():
    # η = 0.5, μ = 0.5, λ = 0.1, N = 2; w = 2, b = 2, both with the gradient 1.
    # t = 0, η_t = 0.5:  v_w = −0.5 · (1 + 0.2) = −0.6, w = 1.4;   v_b = −0.5 · 1 = −0.5, b = 1.5.
    # t = 1, η_t = 0.25: v_w = 0.5 · −0.6 − 0.25 · (1 + 0.14) = −0.585, w = 0.815;
    #                    v_b = 0.5 · −0.5 − 0.25 · 1 = −0.5, b = 1.
    start = Convolution(np.full((1, 1, 1, 1), 2.0), np.full(1, 2.0), padding=0, name="scores")
    network, descent = Network([start], dtype="float64"), MomentumDescent(0.5, 0.5, 0.1)
    state = descent.start(network, 2)
    gradients = {"scores": (np.ones((1, 1, 1, 1)), np.ones(1))}
    for w, b in [(1.4, 1.5), (0.815, 1.0)]:
        network, state = descent.step(network, gradients, state)
        assert network.layers[0].kernel.item() == pytest.approx(w)
        assert network.layers[0].bias.item() == pytest.approx(b)
    assert start.kernel.item() == 2 and start.bias.item() == 2  # the old network stays


# ---------------------------------------------------------------------------- the patches


def test_normalised_patches_have_no_mean_colour_and_one_contrast(rng):
    patches = rng.uniform(0, 255, (2, 8, 8, 3))
    x = normalise(patches)
    assert np.allclose(x.mean(axis=(1, 2)), 0)
    assert np.sqrt(np.mean(x**2, axis=(1, 2, 3))) == pytest.approx(1, rel=0.02)  # of 70 + 1 levels
    # Light of another colour makes no difference, and a patch of one colour no NaN.
    assert np.allclose(normalise(patches + np.array([10, -20, 30])), x)
    assert not normalise(np.full((8, 8, 3), 77.0)).any()


def test_training_never_sees_a_held_out_pixel(rng):
    # Each pixel's value is its column, so that a patch says where it was cut.
    picture = np.broadcast_to(np.arange(103.0)[None, :, None], (40, 103, 3))
    seen, unseen = split(picture)
    patches, labels = random_patches([seen, seen], 200, 32, rng)
    assert patches.shape == (200, 32, 32, 3) and set(labels) == {0, 1}
    assert patches.min() == 0 and patches.max() == 76  # to the last column of ⌊¾ 103⌋
    assert unseen.min() == 77 and unseen.max() == 102


def test_tiles_lie_side_by_side():
    picture = np.arange(5 * 4).reshape(5, 4, 1)
    patches, labels = tiles([picture, picture + 100], 2)
    assert patches[:, 0, 0, 0].tolist() == [0, 2, 8, 10, 100, 102, 108, 110]
    assert labels.tolist() == [0] * 4 + [1] * 4


# ------------------------------------------------------------------------------- learning


def trained(stripes, seed, steps=40):
    rng = np.random.default_rng(seed)
    steps = train(small_network(2, rng, channels=(4, 4)), stripes, steps, rng, size=12, batch=8)
    losses, networks = zip(*steps, strict=True)
    return networks[-1], losses


def test_it_learns_to_tell_stripes_apart(stripes):
    network, losses = trained(stripes, 0)
    patches, labels = tiles(stripes, 12)
    J, accuracy = evaluate(network, patches, labels)
    assert np.mean(losses[-5:]) < np.mean(losses[:5]) / 4
    assert accuracy == 1 and J < 0.1
    # Turned by a quarter, each is the other one: it is the direction that the network goes by.
    turned = predict(network, patches.transpose(0, 2, 1, 3)).argmax(axis=1)
    assert np.array_equal(turned, 1 - labels)


def test_same_seed_same_bytes(stripes):
    (a, losses), (b, again), (c, _) = (trained(stripes, seed, 9) for seed in (0, 0, 1))
    assert losses == again
    assert parameter_bytes(a) == parameter_bytes(b) != parameter_bytes(c)
    assert convolutions(a)["conv1"].kernel.dtype == np.float32


# ------------------------------------------------------------------------------ the script


def test_script_prints_accuracies_and_saves_one_figure(run, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra 'viz')")
    pytest.importorskip("tqdm", reason="tqdm is not installed (extra 'viz')")
    script = load_script("train_small")
    monkeypatch.setattr(script, "CLASSES", script.CLASSES[-4:])
    monkeypatch.setattr("conftest.load_script", lambda name: script)
    code, out, _ = run("train_small", "--iterations", 1)
    assert code == 0
    assert files(tmp_path) == ["outputs/train_small.png"]
    assert load_image("outputs/train_small.png").std() > 10
    for part in ("stained_glass", "chance", "25.0%", "before training", "pixels shuffled"):
        assert part in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--iterations", "0"], "0 is not a whole number of at least 1"),
        (["--seed", "-1"], "--seed -1: wanted 0 or more"),
        (["--output", "figure.txt"], "wanted a name that ends in .png or .jpg or .pdf"),
        (["--output", "nowhere/figure.png"], "there is no folder nowhere"),
    ],
)
def test_script_mistakes_give_one_line(run, tmp_path, arguments, message):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra 'viz')")
    pytest.importorskip("tqdm", reason="tqdm is not installed (extra 'viz')")
    code, out, error = run("train_small", *arguments)
    assert code == 2 and out == ""
    assert message in error and error.count("\n") == 1
    assert files(tmp_path) == []
