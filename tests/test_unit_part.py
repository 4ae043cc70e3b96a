"""What a unit depends on, and no more: the same values and gradients as in the whole network."""

import numpy as np
import pytest
from conftest import make_tiny_network

from scratchnet import VGG, Network, receptive_field
from scratchnet.network.convolution import Convolution
from scratchnet.network.pooling import AveragePool, MaxPool
from scratchnet.units.unit_part import Crop, middle_part, unit_part


def values_and_gradients(network, image, layer, position, rng):
    """Return a position's activations and where they come from, in the whole and in the part."""
    part, place = unit_part(network, layer, position, image.shape[:2])
    dunit, found = None, []
    for net, where in ((network, position), (part, place)):
        activations, caches = net.forward(image, [layer])
        unit = activations[layer][where]
        dunit = rng.standard_normal(unit.shape) if dunit is None else dunit
        da = np.zeros_like(activations[layer])
        da[where] = dunit
        found.append((unit, net.backward({layer: da}, caches)))
    return found


def check_the_same(whole, part, tolerance):
    for expected, got in zip(whole, part, strict=True):
        assert expected.shape == got.shape
        assert np.abs(got - expected).max() <= tolerance * (np.abs(expected).max() or 1)


@pytest.mark.parametrize("pool", [MaxPool, AveragePool])
@pytest.mark.parametrize("partial_windows", [False, True])
@pytest.mark.parametrize("layer", ["conv1_1", "relu1_2", "pool1", "conv2_1", "relu2_2", "pool2"])
def test_the_same_as_in_the_whole_at_every_position(rng, layer, pool, partial_windows):
    network = make_tiny_network(pool, partial_windows=partial_windows)
    image = rng.uniform(0, 255, (23, 18, 3))
    rows, cols, _ = network.output_shapes(23, 18)[layer]
    for position in np.ndindex(rows, cols):
        check_the_same(*values_and_gradients(network, image, layer, position, rng), 1e-13)


@pytest.mark.parametrize(
    ("stride", "padding", "size"), [(2, 1, 3), (3, 2, 4), (2, 0, 3), (1, 2, 5)]
)
def test_the_same_with_other_strides_and_paddings(rng, stride, padding, size):
    """Where a crop begins within a stride, all windows behind it would lie elsewhere."""
    layers = [
        Convolution(rng.standard_normal((size, size, C, 4)), np.ones(4), stride, padding, name)
        for name, C in (("a", 3), ("b", 4))
    ]
    network, image = Network(layers, dtype="float64"), rng.uniform(0, 1, (31, 26, 3))
    rows, cols, _ = network.output_shapes(31, 26)["b"]
    for position in np.ndindex(rows, cols):
        check_the_same(*values_and_gradients(network, image, "b", position, rng), 1e-13)


def test_a_kernel_of_one_pixel_with_a_stride(rng):
    layers = [
        Convolution(rng.standard_normal((3, 3, 3, 4)), np.ones(4), 1, 1, "a"),
        Convolution(rng.standard_normal((1, 1, 4, 4)), np.ones(4), 2, 0, "b"),
    ]
    network, image = Network(layers, dtype="float64"), rng.uniform(0, 1, (12, 11, 3))
    for position in np.ndindex(6, 6):
        check_the_same(*values_and_gradients(network, image, "b", position, rng), 1e-13)


def test_windows_in_the_padding_alone(rng):
    layers = [
        Convolution(rng.standard_normal((2, 2, C, 4)), np.ones(4), 1, 2, name)
        for name, C in (("a", 3), ("b", 4))
    ]
    network, image = Network(layers, dtype="float64"), rng.uniform(0, 1, (4, 5, 3))
    rows, cols, _ = network.output_shapes(4, 5)["b"]
    for position in np.ndindex(rows, cols):
        check_the_same(*values_and_gradients(network, image, "b", position, rng), 1e-13)


@pytest.mark.parametrize("pool", ["max", "average"])
def test_the_same_with_all_pools_of_a_fast_network(rng, pool):
    network = VGG.load(dtype="float64", pool=pool, partial_windows=True)
    image = rng.uniform(0, 255, (47, 53, 3))
    rows, cols, _ = network.output_shapes(47, 53)["conv4_1"]
    for position in ((0, 0), (rows // 2, cols // 2), (rows - 1, cols - 1)):
        check_the_same(*values_and_gradients(network, image, "conv4_1", position, rng), 1e-12)


@pytest.mark.parametrize("layer", ["relu2_2", "conv3_3", "pool3", "conv4_2"])
def test_the_same_on_the_real_network(fast64, vgg64, rng, layer):
    image = rng.uniform(0, 255, (53, 75, 3))
    rows, cols, _ = fast64.output_shapes(53, 75)[layer]
    for position in ((0, 0), (rows // 2, cols // 2), (rows - 1, cols - 1), (rows // 2, 1)):
        for network, tolerance in ((vgg64, 1e-13), (fast64, 1e-12)):
            check_the_same(*values_and_gradients(network, image, layer, position, rng), tolerance)


def test_how_much_a_unit_of_conv4_3_takes(fast32):
    """1 ← 3 ← 5 ← 7; pool3: 14; ← 16 ← 18 ← 20; pool2: 40; ← 42 ← 44; pool1: 88; ← 90 ← 92."""
    layers = middle_part(fast32, "conv4_3", 300).layers
    crops = {layer.name: layer.output_shape((*layer.size, 1))[:2] for layer in layers
             if isinstance(layer, Crop)}  # fmt: skip
    sides = {
        "conv4_3": 3, "conv4_2": 5, "pool3": 14, "conv3_3": 16, "conv3_2": 18, "pool2": 40,
        "conv2_2": 42, "pool1": 88, "conv1_2": 90, "preprocess": 92,
    }  # fmt: skip
    assert crops == {f"crop before {name}": (side, side) for name, side in sides.items()}


@pytest.mark.parametrize("layer", ["conv1_2", "pool1", "conv3_3", "pool4", "conv5_3"])
def test_of_the_picture_it_takes_the_receptive_field(fast32, layer):
    field, (H, W) = receptive_field(fast32, layer), (217, 330)
    rows, cols, _ = fast32.output_shapes(H, W)[layer]
    for row, col in ((0, 0), (rows // 2, cols // 2), (rows - 1, 1)):
        part, _ = unit_part(fast32, layer, (row, col), (H, W))
        crop = next(one for one in part.layers if isinstance(one, Crop))
        top, left, bottom, right = field.box(row, col)
        assert crop.rows == slice(max(top, 0), min(bottom, H))
        assert crop.columns == slice(max(left, 0), min(right, W))


def test_the_middle_of_a_map_is_the_middle_of_its_part(fast32):
    for layer in fast32.layers[1:]:
        for side in (32, 47, 96, 161):
            H, W, _ = fast32.output_shapes(side, side)[layer.name]
            part, place = unit_part(fast32, layer.name, (H // 2, W // 2), (side, side))
            H, W, _ = part.output_shapes(side, side)[layer.name]
            assert place == (H // 2, W // 2)
            assert middle_part(fast32, layer.name, side).layers == part.layers


def test_where_the_middle_is_elsewhere_it_is_the_whole_network(rng):
    kernel = rng.standard_normal((1, 3, 3, 4))
    network = Network([Convolution(kernel, np.ones(4), 1, 1, "a")], dtype="float64")
    assert middle_part(network, "a", 9) is network
    image = rng.uniform(0, 1, (9, 9, 3))
    for position in np.ndindex(*network.output_shapes(9, 9)["a"][:2]):
        check_the_same(*values_and_gradients(network, image, "a", position, rng), 1e-13)


def test_layers_are_used_and_not_copied(fast32):
    part = middle_part(fast32, "conv3_1", 64)
    assert type(part) is type(fast32) and part.workspace is fast32.workspace
    own = [layer for layer in part.layers if not isinstance(layer, Crop)]
    assert all(a is b for a, b in zip(own, fast32.layers, strict=False))
    assert fast32.layers[0].name == "preprocess" and len(fast32.layers) == 32


def test_a_layer_that_sees_everything_gets_everything(rng):
    class Mean:
        name, window = "mean", None

        def forward(self, x):
            return np.broadcast_to(x.mean(axis=(0, 1)), x.shape), x.shape

        def backward(self, dy, cache):
            return np.broadcast_to(dy.mean(axis=(0, 1)), cache)

        def output_shape(self, shape):
            return shape

    tiny = make_tiny_network()
    network, image = tiny.with_layers([*tiny.layers, Mean()]), rng.uniform(0, 255, (12, 12, 3))
    check_the_same(*values_and_gradients(network, image, "mean", (1, 2), rng), 1e-13)


def test_another_picture_than_it_was_made_for_is_refused(fast32):
    part = middle_part(fast32, "conv2_1", 40)
    with pytest.raises(
        ValueError, match=r"crop before preprocess: got a map of shape \(40, 41, 3\)"
    ):
        part.forward(np.zeros((40, 41, 3)), ["conv2_1"])


def test_an_unknown_layer_is_refused():
    with pytest.raises(ValueError, match="unknown layer 'relu9'"):
        unit_part(VGG.load(), "relu9", (0, 0), (32, 32))


@pytest.mark.parametrize("position", [(-1, 3), (12, 3), (3, 12)])
def test_a_position_outside_the_map_is_refused(fast32, position):
    with pytest.raises(ValueError, match=r"but relu2_2's map has the size \(12, 12\)"):
        unit_part(fast32, "relu2_2", position, (24, 24))


def test_a_part_has_no_parts(fast32):
    with pytest.raises(ValueError, match="one unit's part already"):
        middle_part(middle_part(fast32, "relu3_1", 64), "relu2_1", 64)
