"""Covering squares: by hand, by brute force on the whole picture, and what follows from it."""

import numpy as np
import pytest
from conftest import IMAGES, make_tiny_network

from scratchnet import Network, load_image, receptive_field
from scratchnet.files.images import resize_image
from scratchnet.network.convolution import Convolution
from scratchnet.network.preprocessing import MEAN_BGR, Preprocess
from scratchnet.units.occlusion import occlusion_map, share_of_field, square_and_step

MEAN_RGB = np.array(MEAN_BGR[::-1])


def one_convolution(dtype="float64", mean=MEAN_BGR):
    """Return the kernel 1 … 9, row by row, on the red channel, with a bias of 100."""
    kernel = np.zeros((3, 3, 3, 1), dtype)
    kernel[:, :, 2, 0] = np.arange(1, 10).reshape(3, 3)  # BGR: red is the last
    layers = [Preprocess(mean=mean), Convolution(kernel, np.full(1, 100, dtype), name="conv")]
    return Network(layers, dtype=dtype)


def test_pixel_by_pixel_by_hand():
    # Every pixel is the mean colour plus 1 of red, so x = 1 and a = 1 + 2 + … + 9 + 100 = 145.
    # Without one pixel, a is less by that pixel's weight.
    image = np.zeros((5, 6, 3)) + MEAN_RGB + (1, 0, 0)
    found = occlusion_map(one_convolution(), image, "conv", (2, 3), 0, square=1, step=1)
    assert found.activation == pytest.approx(145, abs=1e-9)
    assert found.starts.tolist() == [0, 1, 2]
    assert found.response == pytest.approx(np.arange(1, 10).reshape(3, 3), abs=1e-9)


def test_at_a_corner_by_hand():
    # Unit (0, 0): the first row and column of its field are outside the picture.
    image = np.zeros((5, 6, 3)) + MEAN_RGB + (1, 0, 0)
    found = occlusion_map(one_convolution(), image, "conv", (0, 0), 0, square=1, step=1)
    assert found.response == pytest.approx(np.array([[0, 0, 0], [0, 5, 6], [0, 8, 9]]), abs=1e-9)


def test_squares_larger_than_cells_by_hand():
    # A 3×3 square around each pixel of the field: the upper left one covers weights 1, 2, 4, 5,
    # the middle one all of them. It begins a pixel before its cell.
    image = np.zeros((7, 7, 3)) + MEAN_RGB + (1, 0, 0)
    found = occlusion_map(one_convolution(), image, "conv", (3, 3), 0, square=3, step=1)
    assert found.starts.tolist() == [-1, 0, 1]
    expected = np.array([[12, 21, 16], [27, 45, 33], [24, 39, 28]])
    assert found.response == pytest.approx(expected, abs=1e-9)


def test_a_response_has_no_sign():
    image = np.zeros((5, 6, 3)) + MEAN_RGB - (1, 0, 0)
    found = occlusion_map(one_convolution(), image, "conv", (2, 3), 0, square=1, step=1)
    assert found.response == pytest.approx(np.arange(1, 10).reshape(3, 3), abs=1e-9)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("of_image", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("mean", [MEAN_BGR, (103.53, 116.28, 123.675)])
def test_what_is_covered_is_exactly_0_to_the_network(rng, dtype, of_image, mean):
    """With the whole field covered, the bias is left, to the last digit; the picture stays."""
    image = rng.integers(0, 256, (6, 6, 3)).astype(of_image)
    before = image.copy()
    network = one_convolution(dtype, mean)
    found = occlusion_map(network, image, "conv", (2, 2), 0, square=3, step=3)
    assert found.response.shape == (1, 1)
    assert found.response[0, 0] == abs(found.activation - 100)
    assert np.array_equal(image, before)


def brute_force(network, image, layer, unit, tops, lefts, square):
    """Cover each square on the whole picture."""
    before = network.forward(image, [layer])[0][layer][unit]
    response = np.zeros((len(tops), len(lefts)))
    for m, n in np.ndindex(response.shape):
        rows, cols = (slice(max(s, 0), max(s + square, 0)) for s in (tops[m], lefts[n]))
        other = image.copy()
        other[rows, cols] = MEAN_RGB
        response[m, n] = abs(before - network.forward(other, [layer])[0][layer][unit])
    return response


@pytest.mark.parametrize(("square", "step"), [(1, 1), (3, 1), (4, 3), (5, 5)])
@pytest.mark.parametrize("position", [(0, 0), (3, 4), (5, 7), (2, 0)])
def test_equals_brute_force_on_the_whole_picture(rng, position, square, step):
    """On a picture of odd size; and squares beside the field change nothing there."""
    network, layer = make_tiny_network(), "relu2_1"
    image = rng.uniform(0, 255, (13, 17, 3))
    channel = int(network.forward(image, [layer])[0][layer][position].argmax())
    found = occlusion_map(network, image, layer, position, channel, square=square, step=step)
    assert found.activation > 0 and found.response.any()
    top, left, bottom, right = receptive_field(network, layer).box(*position)
    unit = (*position, channel)
    tops, lefts = top + found.starts, left + found.starts
    expected = brute_force(network, image, layer, unit, tops, lefts, square)
    assert np.abs(found.response - expected).max() <= 1e-12 * found.activation
    above_below, beside = [top - square, bottom], [left - square, right]
    assert not brute_force(network, image, layer, unit, above_below, lefts, square).any()
    assert not brute_force(network, image, layer, unit, tops, beside, square).any()


def test_equals_brute_force_on_the_real_network(fast64, pictures):
    image, _ = pictures
    layer, position = "relu3_1", (0, 8)
    channel = int(fast64.forward(image, [layer])[0][layer][position].argmax())
    found = occlusion_map(fast64, image, layer, position, channel, square=8, step=6)
    top, left, _, _ = receptive_field(fast64, layer).box(*position)
    tops, lefts = top + found.starts, left + found.starts
    expected = brute_force(fast64, image, layer, (*position, channel), tops, lefts, 8)
    assert found.response.any()
    assert np.abs(found.response - expected).max() <= 1e-11 * found.activation


def test_each_cell_is_in_the_middle_of_its_square(rng):
    network, image = make_tiny_network(), rng.uniform(0, 255, (20, 20, 3))
    size = receptive_field(network, "pool2").size
    for square, step in ((1, 1), (4, 4), (5, 3), (6, 3), square_and_step(size)):
        found = occlusion_map(network, image, "pool2", (2, 2), 0, square=square, step=step)
        cells = np.arange(0, size, step)
        assert found.response.shape == (len(cells), len(cells))
        before, after = cells - found.starts, found.starts + square - (cells + step)
        assert (before >= 0).all() and (after - before == (square - step) % 2).all()
        assert (found.square, found.step) == (square, step)


def test_the_effective_field_is_the_smaller_one(fast32):
    """If all pixels of a field mattered alike, 0.9 of it would hold 0.9 of the responses."""
    image, layer = resize_image(load_image(IMAGES / "dog.jpg"), (56, 56)), "relu3_3"
    a = fast32.forward(image, [layer])[0][layer]
    for channel in np.argsort(a[7, 7])[-1:]:
        found = occlusion_map(fast32, image, layer, (7, 7), int(channel), square=5, step=5)
        assert 0 < share_of_field(found.response) < 0.75
        middle = found.response[2:6, 2:6]  # a quarter of the area
        assert middle.sum() > 0.5 * found.response.sum()


@pytest.mark.parametrize("size", [3, 5, 14, 24, 40, 92, 196, 212])
def test_square_and_step_suit_the_field(size):
    square, step = square_and_step(size)
    assert 1 <= step <= square <= size
    assert (-(-size // step)) ** 2 <= 300  # passes


# --------------------------------------------------------------------- the share of a field


def test_share_by_hand():
    # Sum 16; in falling order 8, 4, 2, 1, 1, 0 with sums 8, 12, 14, 15, 16, 16. Half of 16 is 8:
    # one cell of six. 0.9 · 16 = 14.4: four cells (15). All of it: five cells, not the empty one.
    response = np.array([[1, 8, 2], [0, 4, 1]])
    for part, cells in [(0, 0), (0.5, 1), (0.51, 2), (0.75, 2), (0.9, 4), (1, 5)]:
        assert share_of_field(response, part) == cells / 6


def test_share_of_equal_responses_is_the_part_itself():
    assert share_of_field(np.ones((10, 10)), 0.9) == 0.9
    assert share_of_field(np.ones((3, 3)), 0.9) == 1  # 8 of 9 are too few


def test_share_of_no_response_is_0():
    assert share_of_field(np.zeros((4, 4))) == 0


def test_share_does_not_depend_on_scale_or_order(rng):
    response = rng.uniform(0, 1, (7, 7))
    shuffled = rng.permutation(response.ravel()).reshape(7, 7)
    assert share_of_field(response) == share_of_field(4 * shuffled)


# --------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(("square", "step"), [(2, 3), (0, 0), (3, 0), (-1, -1)])
def test_squares_that_leave_gaps_are_refused(square, step):
    with pytest.raises(ValueError, match=f"got square {square} and step {step}, wanted 1 ≤ step"):
        occlusion_map(
            one_convolution(), np.zeros((5, 5, 3)), "conv", (0, 0), 0, square=square, step=step
        )


def test_unknown_layers_and_units_outside_the_map_are_refused():
    network, image = one_convolution(), np.zeros((5, 6, 3))
    with pytest.raises(ValueError, match="unknown layer 'relu'; the layers are preprocess, conv"):
        occlusion_map(network, image, "relu", (0, 0), 0, square=1, step=1)
    with pytest.raises(ValueError, match="row 5, column 0, channel 0, but conv's map has 5 rows"):
        occlusion_map(network, image, "conv", (5, 0), 0, square=1, step=1)


@pytest.mark.parametrize("part", [-0.1, 1.1, np.nan])
def test_a_part_that_is_none_is_refused(part):
    with pytest.raises(ValueError, match="wanted a number in 0–1"):
        share_of_field(np.ones((2, 2)), part)
