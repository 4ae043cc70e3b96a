"""What a unit sees: against the published table, and pixel by pixel on the real network."""

import numpy as np
import pytest

from scratchnet import VGG, Gram, Network, ReceptiveField, receptive_field

TABLE = """
conv1_1 3/1/-1 conv1_2 5/1/-2 pool1 6/2/-2 conv2_1 10/2/-4 conv2_2 14/2/-6 pool2 16/4/-6
conv3_1 24/4/-10 conv3_2 32/4/-14 conv3_3 40/4/-18 pool3 44/8/-18 conv4_1 60/8/-26
conv4_2 76/8/-34 conv4_3 92/8/-42 pool4 100/16/-42 conv5_1 132/16/-58 conv5_2 164/16/-74
conv5_3 196/16/-90 pool5 212/32/-90
""".split()


@pytest.mark.parametrize(("layer", "field"), list(zip(TABLE[::2], TABLE[1::2], strict=True)))
def test_vgg16(fast32, layer, field):
    expected = ReceptiveField(*map(int, field.split("/")))
    assert receptive_field(fast32, layer) == expected
    if layer.startswith("conv"):  # a ReLU sees what its convolution sees
        assert receptive_field(fast32, layer.replace("conv", "relu")) == expected


def test_box_is_half_open_and_not_clipped():
    assert ReceptiveField(10, 2, -4).box(0, 3) == (-4, 2, 6, 12)


def test_an_unknown_layer_is_refused(fast32):
    with pytest.raises(ValueError, match="unknown layer 'relu9_1'"):
        receptive_field(fast32, "relu9_1")


def value(network, image, layer, unit):
    return network.forward(image, [layer])[0][layer][unit]


@pytest.fixture(scope="module")
def plain():
    return VGG.load(fast=False)


UNITS = [
    ("conv1_1", (0, 0)), ("conv1_2", (30, 20)), ("pool1", (10, 17)), ("conv2_2", (0, 17)),
    ("conv3_1", (9, 7)), ("conv3_3", (5, 8)), ("conv4_1", (5, 4)), ("pool3", (4, 4)),
]  # fmt: skip


@pytest.mark.parametrize(("layer", "position"), UNITS)
def test_nothing_outside_the_box_matters(plain, fast32, rng, layer, position):
    """Bit for bit with the plain convolution; the fast one's tiles share rounding errors."""
    image, other = rng.uniform(0, 255, (2, 71, 83, 3)).astype(np.float32)
    top, left, bottom, right = np.maximum(receptive_field(plain, layer).box(*position), 0)
    other[top:bottom, left:right] = image[top:bottom, left:right]
    for network, tolerance in ((plain, 0), (fast32, 1e-5)):
        before, after = (value(network, x, layer, position) for x in (image, other))
        assert np.abs(after - before).max() <= tolerance * np.abs(before).max()


def test_the_deepest_field_too(plain, rng):
    """196 px, whole inside a larger picture: no gradient outside it, some at all its sides."""
    image = rng.uniform(0, 255, (210, 210, 3)).astype(np.float32)
    top, left, bottom, right = receptive_field(plain, "conv5_3").box(6, 6)
    assert min(top, left) > 0 and max(bottom, right) < 210
    a, caches = plain.forward(image, ["conv5_3"])
    da = np.zeros_like(a["conv5_3"])
    da[6, 6] = rng.standard_normal(da.shape[2])
    dx = plain.backward({"conv5_3": da}, caches)
    for side in (np.s_[top], np.s_[bottom - 1], np.s_[:, left], np.s_[:, right - 1]):
        assert dx[side].any()
    dx[top:bottom, left:right] = 0
    assert not dx.any()


@pytest.mark.parametrize(("layer", "position"), UNITS)
def test_some_pixel_just_inside_each_side_matters(plain, rng, layer, position):
    image = rng.uniform(0, 255, (71, 83, 3)).astype(np.float32)
    top, left, bottom, right = receptive_field(plain, layer).box(*position)
    before = value(plain, image, layer, position)
    sides = {"top": np.s_[top, :], "bottom": np.s_[bottom - 1, :]}
    sides |= {"left": np.s_[:, left], "right": np.s_[:, right - 1]}
    for line, side in zip((top, bottom - 1, left, right - 1), sides.values(), strict=True):
        limit = image.shape[0] if side[1] == slice(None) else image.shape[1]
        if 0 <= line < limit:
            changed = image.copy()
            changed[side] = 255 - changed[side]
            assert (value(plain, changed, layer, position) != before).any()


def test_a_layer_that_sees_everything_has_no_field():
    with pytest.raises(ValueError, match="gram sees all positions"):
        receptive_field(Network([Gram()]), "gram")
