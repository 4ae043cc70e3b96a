"""The walk back: each rule by hand, by its definition, in its field, and against a control."""

import numpy as np
import pytest
from conftest import IMAGES, make_tiny_network
from scipy.ndimage import convolve, gaussian_filter

from scratchnet import VGG, Network, load_image, receptive_field
from scratchnet.checks.numerical import direction_check
from scratchnet.fast.pooling import FastMaxPool
from scratchnet.fast.workspace import Workspace
from scratchnet.files.images import resize_image
from scratchnet.files.weights import random_parameters
from scratchnet.network.architecture import kernel_shapes
from scratchnet.network.convolution import Convolution
from scratchnet.network.pooling import AveragePool, MaxPool
from scratchnet.network.preprocessing import Preprocess
from scratchnet.network.relu import ReLU
from scratchnet.units.deconvnet import (
    RULES,
    energy_where_off,
    explain,
    explain_patch,
    project_back,
)


@pytest.fixture(scope="module")
def plain():
    return VGG.load(fast=False)


@pytest.fixture(scope="module")
def dog():
    return resize_image(load_image(IMAGES / "dog.jpg"), (96, 96))


def strongest_channel(network, image, layer, position):
    return int(network.forward(image, [layer])[0][layer][position].argmax())


def corners_edges_centre(rows, cols):
    return [(row, col) for row in {0, rows // 2, rows - 1} for col in {0, cols // 2, cols - 1}]


# ------------------------------------------------------------------ the rules by hand


def one_pixel_network():
    """Return four hidden units x = (R, G, −R, −B) of one pixel; a = 5h₀ − h₁ + 4h₂ − 2h₃ + 1."""
    first = np.array([[1.0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, -1]]).reshape(1, 1, 3, 4)
    second = np.array([5.0, -1, 4, -2]).reshape(1, 1, 4, 1)
    return Network(
        [
            Convolution(first, np.zeros(4), padding=0, name="hidden"),
            ReLU("relu"),
            Convolution(second, np.ones(1), padding=0, name="a"),
        ],
        dtype="float64",
    )


# The pixel is (1, 2, 3), so x = (1, 2, −1, −3), h = (1, 2, 0, 0), and a = 5·1 − 2 + 1 = 4. Below
# the last convolution the signal is 4 · (5, −1, 4, −2) = (20, −4, 16, −8); its bias plays no part.
# gradient: 1[x > 0] leaves (20, −4, 0, 0), so red 20, green −4, blue 0.
# deconvnet: max(g, 0) leaves (20, 0, 16, 0), so red 20 − 16 = 4.
# guided: both leave (20, 0, 0, 0), so red 20.
@pytest.mark.parametrize(
    ("rule", "expected"),
    [("gradient", [20, -4, 0]), ("deconvnet", [4, 0, 0]), ("guided", [20, 0, 0])],
)
def test_each_rule_by_hand(rule, expected):
    image = np.array([1.0, 2.0, 3.0]).reshape(1, 1, 3)
    found = explain(one_pixel_network(), image, "a", (0, 0), 0, rule)
    assert found.tolist() == [[expected]]


def by_definition(network, image, layer, unit, rule):
    """Walk one unit's activation back with loops, SciPy and the rules as the papers state them."""
    inputs, x = [], image
    for passed in network.layers[: network.depth([layer])]:
        inputs.append((passed, x))
        x, _ = passed.forward(x)
    g = np.zeros_like(x)
    g[unit] = x[unit]
    for passed, x in reversed(inputs):
        if isinstance(passed, Convolution):
            below = np.zeros_like(x)
            for k, k_out in np.ndindex(passed.kernel.shape[2:]):
                # SciPy's convolution is the one that rotates the kernel
                kernel = passed.kernel[..., k, k_out]
                below[..., k] += convolve(g[..., k_out], kernel, mode="constant")
            g = below
        elif isinstance(passed, ReLU):
            positive_signal, positive_input = np.where(g > 0, g, 0), np.where(x > 0, 1, 0)
            g = {
                "gradient": g * positive_input,
                "deconvnet": positive_signal,
                "guided": positive_signal * positive_input,
            }[rule]
        elif isinstance(passed, MaxPool):
            below = np.zeros_like(x)
            for i, j, k in np.ndindex(g.shape):
                window = x[2 * i : 2 * i + 2, 2 * j : 2 * j + 2, k]
                u, v = np.unravel_index(window.argmax(), (2, 2))
                below[2 * i + u, 2 * j + v, k] = g[i, j, k]
            g = below
        else:
            g = g[..., ::-1]
    return g


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("layer", ["conv1_1", "relu1_2", "pool1", "conv2_2", "relu2_2", "pool2"])
def test_equals_the_definition(rng, layer, rule):
    network = make_tiny_network()
    image = rng.uniform(0, 255, (11, 14, 3))
    rows, cols, channels = network.output_shapes(11, 14)[layer]
    for position in corners_edges_centre(rows, cols):
        for channel in (0, channels - 1):
            found = explain(network, image, layer, position, channel, rule)
            expected = by_definition(network, image, layer, (*position, channel), rule)
            assert np.abs(found - expected).max() <= 1e-12 * (np.abs(expected).max() or 1)


@pytest.mark.parametrize("shape", [(2, 2, 1), (4, 6, 3), (5, 7, 2), (9, 8, 5)])
@pytest.mark.parametrize("pool", [MaxPool(), FastMaxPool(workspace=Workspace(threads=2))])
def test_unpooling_at_switches_is_the_adjoint_of_pooling_at_those_switches(rng, pool, shape):
    """⟨unpool(y), x⟩ = ⟨y, x at the switches⟩ for any x, not only the one that set them."""
    ties = rng.integers(0, 2, shape).astype(float)
    y, cache = pool.forward(ties)
    y, x = rng.standard_normal(y.shape), rng.standard_normal(shape)
    at_switches = np.zeros_like(y)
    for i, j, k in np.ndindex(y.shape):
        window = ties[2 * i : 2 * i + 2, 2 * j : 2 * j + 2, k]
        u, v = np.unravel_index(window.argmax(), (2, 2))  # the first of equals
        at_switches[i, j, k] = x[2 * i + u, 2 * j + v, k]
    left, right = np.sum(pool.backward(y, cache) * x), np.sum(y * at_switches)
    assert abs(left - right) <= 1e-13 * np.linalg.norm(y) * np.linalg.norm(at_switches)


def test_energy_where_relus_were_off_by_hand():
    """Of the hidden signal (20, −4, 16, −8), deconvnet keeps 20 and 16; the unit of 16 was off."""
    image = np.array([1.0, 2.0, 3.0]).reshape(1, 1, 3)
    found = energy_where_off(one_pixel_network(), image, "a", (0, 0), 0)
    assert found == {"relu": pytest.approx(16**2 / (20**2 + 16**2))}


def test_energy_where_relus_were_off_is_what_guided_leaves_out(fast32, dog):
    """At the last ReLU on the way down: from there, deconvnet's signal and the rest of it."""
    channel = strongest_channel(fast32, dog, "relu2_1", (20, 20))
    found = energy_where_off(fast32, dog, "relu2_1", (20, 20), channel)
    assert list(found) == ["relu2_1", "relu1_2", "relu1_1"] and found["relu2_1"] == 0
    activations, caches = fast32.forward(dog, ["relu2_1"])
    g = np.zeros_like(activations["relu2_1"])
    g[20, 20, channel] = activations["relu2_1"][20, 20, channel]
    depth = fast32.depth(["relu1_2"])
    below = list(zip(fast32.layers, caches, strict=False))[depth : fast32.depth(["relu2_1"])]
    for layer, cache in below[::-1]:
        g = np.maximum(g, 0) if isinstance(layer, ReLU) else layer.backward(g, cache)
    g = np.maximum(g, 0)
    on = fast32.forward(dog, ["relu1_2"])[0]["relu1_2"] > 0
    assert found["relu1_2"] == pytest.approx((g[~on] ** 2).sum() / (g**2).sum(), abs=1e-4)
    assert 0 < found["relu1_2"] < 0.9
    dead = int(np.flatnonzero(activations["relu2_1"][20, 20] == 0)[0])
    found = energy_where_off(fast32, dog, "relu2_1", (20, 20), dead)
    assert found == {"relu2_1": 0, "relu1_2": 0, "relu1_1": 0}


# --------------------------------------------------------------------- the real network


def test_the_first_rule_is_backpropagation(fast32, dog):
    activations, caches = fast32.forward(dog, ["relu4_2"])
    signal = project_back(fast32, activations["relu4_2"], "relu4_2", caches, "gradient")
    gradient = fast32.backward({"relu4_2": activations["relu4_2"]}, caches)
    # Stages cut their products otherwise than single layers, and some kernels round by that.
    np.testing.assert_allclose(signal, gradient, rtol=0, atol=1e-5 * np.abs(gradient).max())


@pytest.mark.parametrize(
    "layer",
    [
        "relu1_2",
        "relu2_2",
        "relu3_3",
        pytest.param("relu4_3", marks=pytest.mark.slow),
        pytest.param("relu5_3", marks=pytest.mark.slow),
    ],
)
def test_gradient_rule_against_central_differences(fast64, pictures, layer):
    """It is the derivative of ½ a² by the picture; four units that fire, far from each other."""
    image, _ = pictures
    a = fast64.forward(image, [layer])[0][layer]
    strongest = np.argsort(a.max(axis=(0, 1)))[-4:]  # channels
    for channel in map(int, strongest):
        position = np.unravel_index(a[..., channel].argmax(), a.shape[:2])
        unit = (*position, channel)
        assert a[unit] > 0

        def half_square(x, unit=unit):
            activations, caches = fast64.forward(x, [layer])
            return activations[layer][unit] ** 2 / 2, caches

        report = direction_check(
            half_square, image, explain(fast64, image, layer, position, channel, "gradient"),
            operation=f"{layer} {unit}", bound=1e-6, step=1e-3, directions=1,
        )  # fmt: skip
        assert report.passed, report


def through_the_whole(network, image, layer, position, channel, rule):
    """Return `explain`'s signal, led back through all of the network, and not the unit's part."""
    activations, caches = network.forward(image, [layer])
    g, unit = np.zeros_like(activations[layer]), (*position, channel)
    g[unit] = activations[layer][unit]
    return project_back(network, g, layer, caches, rule)


UNITS = [
    ("conv1_1", (0, 0)), ("relu1_2", (30, 20)), ("pool1", (22, 24)), ("relu2_2", (0, 17)),
    ("conv3_1", (10, 0)), ("relu3_3", (8, 10)), ("relu4_1", (4, 1)), ("pool3", (0, 0)),
]  # fmt: skip


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("layer", "position"), UNITS)
def test_nothing_outside_the_field(plain, fast32, rng, layer, position, rule):
    """Exactly 0; in the whole fast network, tiles reach beyond and leave rounding.

    A bias on the way back, or a kernel shifted by a pixel, would show there.
    """
    image = rng.uniform(0, 255, (47, 51, 3)).astype(np.float32)
    channel = strongest_channel(plain, image, layer, position)
    top, left, bottom, right = np.maximum(receptive_field(plain, layer).box(*position), 0)
    assert bottom - top < 47 or right - left < 51
    for network, tolerance, way in (
        (plain, 0, explain), (fast32, 0, explain),
        (plain, 0, through_the_whole), (fast32, 1e-6, through_the_whole),
    ):  # fmt: skip
        signal = np.abs(way(network, image, layer, position, channel, rule))
        peak = signal.max()
        assert peak > 0
        signal[top:bottom, left:right] = 0
        assert signal.max() <= tolerance * peak


@pytest.mark.parametrize("rule", RULES)
def test_twice_the_signal_gives_twice_the_picture(fast32, dog, rule):
    activations, caches = fast32.forward(dog, ["relu3_3"])
    a = activations["relu3_3"]

    def back(signal):
        return project_back(fast32, signal, "relu3_3", caches, rule)

    once = back(a)
    assert np.abs(once).max() > 0
    assert np.array_equal(back(2 * a), 2 * once)  # a power of two is exact
    assert np.abs(back(3 * a) - 3 * once).max() <= 1e-5 * np.abs(3 * once).max()
    assert not back(0 * a).any()


def test_a_unit_that_does_not_fire_has_no_picture(fast32, dog):
    a = fast32.forward(dog, ["relu4_3"])[0]["relu4_3"]
    row, col, channel = map(int, np.argwhere(a == 0)[0])
    for rule in RULES:
        assert not explain(fast32, dog, "relu4_3", (row, col), channel, rule).any()


@pytest.mark.parametrize("layer", ["relu3_3", "relu5_3"])
def test_the_rules_differ(fast32, dog, layer):
    rows, cols, _ = fast32.output_shapes(96, 96)[layer]
    position = rows // 2, cols // 2
    channel = strongest_channel(fast32, dog, layer, position)
    signals = [explain(fast32, dog, layer, position, channel, rule).ravel() for rule in RULES]
    signals = np.array([signal / np.linalg.norm(signal) for signal in signals])
    cosines = signals @ signals.T
    assert (cosines[np.triu_indices(3, 1)] < 0.9).all(), cosines


def test_with_positive_kernels_the_rules_agree_where_units_fire(rng):
    """All signals are positive, so max(g, 0) = g; where all units fire, 1[x > 0] = 1, too."""
    layers = [
        Convolution(abs(layer.kernel), layer.bias, name=layer.name)
        if isinstance(layer, Convolution)
        else layer
        for layer in make_tiny_network().layers
    ]
    network = Network(layers, dtype="float64")

    def signals(image):
        return [explain(network, image, "relu2_2", (2, 3), 1, rule) for rule in RULES]

    gradient, deconvnet, guided = signals(rng.uniform(0, 255, (12, 14, 3)))
    assert np.array_equal(guided, gradient) and gradient.any()
    assert not np.array_equal(deconvnet, gradient)
    gradient, deconvnet, guided = signals(np.full((12, 14, 3), 255.0))
    assert np.array_equal(guided, gradient) and np.array_equal(deconvnet, gradient)


# --------------------------------------------------------------- in the unit's field alone


def cut_out(signal, box):
    """Cut the box out of a picture's signal, with zeros where it leaves the picture."""
    margin = 100
    padded = np.pad(signal, ((margin, margin), (margin, margin), (0, 0)))
    top, left, bottom, right = (side + margin for side in box)
    return padded[top:bottom, left:right]


def patch_and_whole(network, image, layer, position, channel, rule):
    whole = through_the_whole(network, image, layer, position, channel, rule)
    box = receptive_field(network, layer).box(*position)
    return explain_patch(network, image, layer, position, channel, rule), cut_out(whole, box)


@pytest.mark.parametrize("size", [(20, 18), (27, 6)])
@pytest.mark.parametrize("layer", ["conv1_1", "relu1_2", "pool1", "conv2_1", "pool2"])
def test_the_patch_is_cut_out_of_the_whole_at_every_position(rng, layer, size):
    network = make_tiny_network()
    image = rng.uniform(0, 255, (*size, 3))
    rows, cols, channels = network.output_shapes(*size)[layer]
    for n, position in enumerate(np.ndindex(rows, cols)):
        channel, rule = n % channels, list(RULES)[n % 3]
        patch, expected = patch_and_whole(network, image, layer, position, channel, rule)
        assert patch.shape == expected.shape
        assert np.abs(patch - expected).max() <= 1e-12 * (np.abs(expected).max() or 1), position


@pytest.mark.parametrize(
    ("layer", "rule"),
    [
        pytest.param("relu2_2", "gradient", marks=pytest.mark.slow),
        ("pool3", "guided"),
        pytest.param("conv4_1", "deconvnet", marks=pytest.mark.slow),
        pytest.param("relu4_2", "guided", marks=pytest.mark.slow),
    ],
)
def test_the_patch_is_cut_out_of_the_whole_on_the_real_network(fast64, vgg64, rng, layer, rule):
    """In float64, where rounding is too small to flip a switch, even the fast layers agree."""
    image = rng.uniform(0, 255, (45, 99, 3))
    rows, cols, _ = fast64.output_shapes(45, 99)[layer]
    for position in ((0, 0), (rows // 2, cols // 2), (rows - 1, cols - 1), (rows // 2, 1)):
        channel = strongest_channel(fast64, image, layer, position)
        for network, tolerance in ((vgg64, 1e-12), (fast64, 1e-11)):
            patch, expected = patch_and_whole(network, image, layer, position, channel, rule)
            assert np.abs(expected).max() > 0
            assert np.abs(patch - expected).max() <= tolerance * np.abs(expected).max()


@pytest.mark.parametrize("layer", ["relu1_2", "relu2_2", "relu3_3", "relu4_3"])
def test_the_patch_is_cut_out_of_the_whole_in_float32(fast32, rng, layer):
    """To 1e-5 where no switch flips; one that does moves a single entry."""
    image = rng.uniform(0, 255, (71, 99, 3)).astype(np.float32)
    rows, cols, _ = fast32.output_shapes(71, 99)[layer]
    for position in ((0, 0), (rows // 2, cols // 2), (rows - 1, cols - 1)):
        channel = strongest_channel(fast32, image, layer, position)
        patch, expected = patch_and_whole(fast32, image, layer, position, channel, "deconvnet")
        assert patch.dtype == np.float32
        wrong = np.abs(patch - expected) > 1e-5 * np.abs(expected).max()
        assert wrong.mean() < 1e-2
        assert np.linalg.norm(patch - expected) <= 1e-2 * np.linalg.norm(expected)


@pytest.mark.parametrize(
    ("pool", "partial_windows"), [(AveragePool, False), (AveragePool, True), (MaxPool, True)]
)
def test_other_pools_are_cut_as_well(pool, partial_windows, rng):
    network = make_tiny_network(pool, partial_windows=partial_windows)
    image = rng.uniform(0, 255, (23, 29, 3))
    rows, cols, _ = network.output_shapes(23, 29)["pool2"]
    for position in ((0, 0), (2, 3), (4, 6), (rows - 1, cols - 1)):
        patch, expected = patch_and_whole(network, image, "pool2", position, 2, "guided")
        assert np.abs(patch - expected).max() <= 1e-12 * (np.abs(expected).max() or 1)


# ------------------------------------------------------------------------ the control


def test_random_parameters_are_he_normal():
    parameters = random_parameters("vgg19", seed=3)
    assert {name: kernel.shape for name, (kernel, _) in parameters.items()} == kernel_shapes(
        "vgg19"
    )
    for name, (kernel, bias) in parameters.items():
        assert kernel.dtype == bias.dtype == np.float32
        assert bias.shape == kernel.shape[3:] and not bias.any()
        # The deviation of n values is itself uncertain by 1/√(2n), of their mean by 1/√n.
        expected, n = np.sqrt(2 / (9 * kernel.shape[2])), kernel.size
        assert abs(kernel.std() / expected - 1) < 5 / np.sqrt(2 * n), name
        assert abs(kernel.mean()) < 5 * expected / np.sqrt(n), name


def test_random_parameters_follow_from_the_seed():
    first, again, other = (random_parameters(seed=seed)["conv2_1"][0] for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.isclose(first, other).any()
    with pytest.raises(ValueError, match="unknown architecture 'vgg11'"):
        random_parameters("vgg11")


def detail(picture):
    """Return the fine detail of the brightness: what a blur of 2 pixels takes away."""
    grey = picture.mean(axis=2)
    return grey - gaussian_filter(grey, 2)


def likeness(signal, image):
    """Return the cosine between the details of both, the picture's dimmed as the signal fades."""
    a = detail(signal)
    b = detail(image) * gaussian_filter(np.abs(a), 4)
    return np.sum(a * b) / np.sqrt(np.sum(a * a) * np.sum(b * b))


def test_guided_pictures_show_the_picture_whatever_the_network_has_learned(fast32, dog):
    """The control: of a random network's unit, the gradient is noise, and the guided is the dog.

    Over four pictures, three seeds and eight units of relu3_3 and relu4_3, guided pictures had a
    likeness of 0.74 to 0.90 with random kernels and 0.75 to 0.88 with learned ones; gradients had
    between −0.03 and 0.17 with random ones.
    """
    control = VGG.build(random_parameters(seed=0))
    for network, layer in ((control, "relu3_3"), (control, "relu4_3"), (fast32, "relu4_3")):
        rows, cols, _ = network.output_shapes(96, 96)[layer]
        position = rows // 2, cols // 2
        channel = strongest_channel(network, dog, layer, position)
        signals = {rule: explain(network, dog, layer, position, channel, rule) for rule in RULES}
        assert all(np.isfinite(signal).all() for signal in signals.values())
        assert likeness(signals["guided"], dog) > 0.6
        assert abs(likeness(signals["gradient"], dog)) < 0.35


# ------------------------------------------------------------------------- pictures, errors


def test_preprocess_alone_brings_a_signal_back_to_rgb():
    signal = np.array([1.0, 2.0, 3.0]).reshape(1, 1, 3)
    network = Network([Preprocess("preprocess")], dtype="float64")
    assert project_back(network, signal, "preprocess", [None], "guided").tolist() == [[[3, 2, 1]]]


def test_unknown_rules_and_layers_are_named_and_the_valid_ones_listed(rng):
    network, image = make_tiny_network(), rng.uniform(0, 255, (8, 8, 3))
    for function in (explain, explain_patch):
        with pytest.raises(
            ValueError, match="unknown rule 'relu'; the rules are gradient, deconvnet, guided"
        ):
            function(network, image, "relu2_1", (0, 0), 0, "relu")
        with pytest.raises(ValueError, match="unknown layer 'relu9'; the layers are preprocess, c"):
            function(network, image, "relu9", (0, 0), 0)


@pytest.mark.parametrize("unit", [(4, 0, 0), (0, 5, 0), (0, 0, 4), (-1, 0, 0), (0, 0, -1)])
def test_a_unit_outside_the_map_is_refused(unit):
    network, image = make_tiny_network(), np.zeros((9, 11, 3))
    message = (
        f"got row {unit[0]}, column {unit[1]}, channel {unit[2]}, but pool1's map has "
        "4 rows, 5 columns and 4 channels"
    )
    for function in (explain, explain_patch):
        with pytest.raises(ValueError, match=message):
            function(network, image, "pool1", unit[:2], unit[2])


def test_other_shapes_than_a_picture_are_refused():
    for function in (explain, explain_patch):
        for shape in ((8, 8), (8, 8, 4)):
            with pytest.raises(ValueError, match=r"wanted \(height, width, 3\)"):
                function(make_tiny_network(), np.zeros(shape), "relu1_1", (0, 0), 0)


@pytest.mark.parametrize("fast", [False, True])
def test_a_signal_of_another_shape_or_layer_is_refused(rng, fast):
    network = VGG.build(random_parameters(), fast=fast)
    activations, caches = network.forward(rng.uniform(0, 255, (9, 11, 3)), ["pool1"])
    a = activations["pool1"]
    with pytest.raises(ValueError, match=r"shape \(4, 4, 64\), but pool1's map is \(4, 5, 64\)"):
        project_back(network, a[:, 1:], "pool1", caches, "guided")
    with pytest.raises(ValueError, match=r"shape \(4, 5, 64\), but relu1_2's map is \(9, 11, 64\)"):
        project_back(network, a, "relu1_2", caches, "guided")
    with pytest.raises(ValueError, match="signal at relu2_1, but the forward pass ended before"):
        project_back(network, a, "relu2_1", caches, "guided")
