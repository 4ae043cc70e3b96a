"""Which units are shown: strong ones, not at borders, each of something else."""

import numpy as np
import pytest

from scratchnet.units.choice import (
    chosen_channels,
    outside,
    strongest_channels,
    varied_channels,
    whole_patches,
    within,
)
from scratchnet.units.receptive_field import ReceptiveField
from scratchnet.units.scan.patches import TopPatches
from scratchnet.units.scan.settings import ScanSettings
from scratchnet.units.strongest import NONE, Strongest

FIELD = ReceptiveField(10, 2, -4)  # a unit in row u sees the rows 2u − 4 … 2u + 5
SIZE = (100, 120)


def patches(*channels, scale=1.0, sizes=(SIZE, SIZE)) -> TopPatches:
    """Return patches of one layer; a channel is a list of (value, picture, row, column)."""
    K = max(map(len, channels))
    strongest = Strongest.empty(len(channels), K)
    for channel, places in enumerate(channels):
        for n, (value, picture, *position) in enumerate(places):
            strongest.value[channel, n], strongest.picture[channel, n] = value, picture
            strongest.scale[channel, n], strongest.position[channel, n] = scale, position
    return TopPatches(
        ScanSettings(layers=("relu2_1",), k=K), "0" * 64, ["a.png", "b.png"],
        np.zeros((2, 32), np.uint8), np.array(sizes, np.int32), {"relu2_1": FIELD},
        {"relu2_1": strongest},
    )  # fmt: skip


def test_the_strongest_are_those_of_the_largest_mean_without_the_dead():
    top = patches([(5, 0, 9, 9), (3, 0, 20, 20)], [], [(9, 1, 9, 9)])  # means 4, 0, 4.5
    assert strongest_channels(top, "relu2_1", 3) == [2, 0]
    assert strongest_channels(top, "relu2_1", 1) == [2]


def test_what_is_outside_is_a_part_of_the_area():
    # rows −4 … 5: 6 of 10 inside; then a corner, 6 · 6 of 100; then at the far end of 100 rows
    top = patches([(5, 0, 0, 20), (4, 0, 0, 0), (3, 0, 48, 20)], [(1, 0, 20, 20)])
    expected = [[0.4, 0.64, 0.2], [0, 0, 0]]  # rows 92 … 101
    np.testing.assert_allclose(outside(top, "relu2_1"), expected)
    # at half its size the picture has 50 rows and 60 columns
    top = patches([(5, 0, 23, 20)], scale=0.5)  # rows 42 … 51
    np.testing.assert_allclose(outside(top, "relu2_1"), [[0.2]])


def test_in_a_picture_smaller_than_the_field_what_could_be_inside_counts():
    # all 8 rows are in rows −2 … 7, but of rows −4 … 5 only 6 of the 8 that could be
    top = patches([(5, 0, 1, 20), (4, 0, 0, 20)], sizes=((8, 120), SIZE))
    np.testing.assert_allclose(outside(top, "relu2_1"), [[0, 0.25]])


def test_of_a_channel_the_strongest_patch_that_is_wholly_inside():
    corner, inside = (9, 0, 0, 0), (5, 1, 20, 20)
    top = patches([corner], [corner, inside, (4, 0, 9, 9)], [inside], [])
    found = whole_patches(top, "relu2_1", [3, 2, 0, 1], 2)
    assert [(channel, patch.value, patch.picture) for channel, patch in found] == [
        (2, 5, 1), (1, 5, 1),
    ]  # fmt: skip
    assert [channel for channel, _ in whole_patches(top, "relu2_1", [1, 2], 1)] == [1]


def test_one_patch_at_a_border_may_be_and_not_two():
    one = [(5, 0, 0, 20), (4, 0, 20, 20)]
    two = [(9, 0, 0, 40), (9, 1, 0, 40)]
    top = patches(two, one)
    assert within(top, "relu2_1").tolist() == [False, True]
    assert varied_channels(top, "relu2_1", 1) == [1]
    assert varied_channels(top, "relu2_1", 2) == [1, 0]  # the others follow


def test_what_overlaps_a_patch_of_a_unit_taken_waits():
    first = [(9, 0, 20, 20), (9, 1, 20, 20)]
    near = [(8, 0, 22, 20)]  # 4 px away: by more than half a field they are the same
    far = [(7, 0, 23, 20), (7, 1, 40, 40)]  # 6 px away: by less than half
    elsewhere = [(6, 1, 30, 20)]
    top = patches(first, near, far, elsewhere)
    assert strongest_channels(top, "relu2_1", 4)[:1] == [0]
    assert varied_channels(top, "relu2_1", 3) == [0, 2, 3]
    assert varied_channels(top, "relu2_1", 4) == [0, 2, 3, 1]


def test_of_two_scales_the_larger_field_overlaps():
    # rows 9 of scale ½ and 25 of scale 1 are 7 px of scale 1 apart, which are 3.5 of scale ½
    half, whole = (0, 4, 4), (0, 12, 8)
    for places, scales in (((half, whole), (0.5, 1)), ((whole, half), (1, 0.5))):
        top = patches([(9, *places[0])], [(8, *places[1])], [(7, 1, 20, 20)])
        top.of("relu2_1").scale[:2, 0] = scales
        assert varied_channels(top, "relu2_1", 2) == [0, 2], scales


def test_places_that_are_empty_overlap_nothing():
    # a place without a patch has picture −1 and position 0, 0
    top = patches([(9, 0, 20, 20), (9, 1, 9, 9)], [(8, 0, 2, 2)], [(7, 1, 2, 2)])
    assert (top.of("relu2_1").picture == NONE).sum() == 2
    assert varied_channels(top, "relu2_1", 3) == [0, 1, 2]


def test_the_choice_has_a_name():
    top = patches([(9, 0, 20, 20)], [(8, 0, 20, 20)], [(7, 1, 9, 9)])
    assert chosen_channels(top, "relu2_1", 2) == [0, 2]
    assert chosen_channels(top, "relu2_1", 2, "strength") == [0, 1]
    with pytest.raises(ValueError, match="got 'best' to choose by, wanted one of varied, strength"):
        chosen_channels(top, "relu2_1", 2, "best")
    with pytest.raises(ValueError, match="'relu9' was not scanned"):
        chosen_channels(top, "relu9", 2)
