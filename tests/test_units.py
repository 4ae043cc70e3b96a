"""The strongest patches: equal to a plain sort, in any order; and crops in the right place."""

from itertools import product

import numpy as np
import pytest

from scratchnet import ReceptiveField, receptive_field
from scratchnet.network.preprocessing import MEAN_BGR
from scratchnet.units.strongest import Strongest, crop, strongest_positions


def brute_force(pictures, field, k, count, spacing, scales=(1.0,)):
    """Sort all entries of a channel over all pictures; take them one by one by the rule.

    ``pictures`` holds for each picture its maps, one a scale.
    """
    chosen = []
    for channel in range(pictures[0][0].shape[2]):
        entries = [
            (-a[i, j, channel], n, scale, i, j)
            for n, maps in enumerate(pictures)
            for a, scale in zip(maps, scales, strict=True)
            for i, j in np.argwhere(a[:, :, channel] > 0)
        ]
        taken = []
        for value, n, scale, i, j in sorted(entries):
            same = [other for other in taken if other[1] == n]
            if len(same) < count and all(
                apart((scale, i, j), other[2:], field, spacing) for other in same
            ):
                taken.append((-value, n, scale, int(i), int(j)))
        chosen.append(taken[:k])
    return chosen


def apart(one, other, field, spacing):
    """The rule, for two (scale, row, column): in pixels of scale 1, the larger field counts."""
    (s, i, j), (t, r, c) = one, other
    if s == t:
        return max(abs(i - r), abs(j - c)) * field.jump >= spacing * field.size
    first = field.start + field.size / 2
    distance = [abs((x * field.jump + first) / s - (y * field.jump + first) / t)
                for x, y in ((i, r), (j, c))]  # fmt: skip
    return max(distance) >= spacing * field.size / min(s, t)


def scan(pictures, field, k, count, spacing, order, scales=(1.0,)):
    """Merge picture after picture, each time without what has no chance any more."""
    total = Strongest.empty(pictures[0][0].shape[2], k)
    for n in order:
        one = strongest_positions(
            pictures[n], field,
            scales=scales, picture=n, count=count, spacing=spacing, at_least=total.value[:, -1],
        )  # fmt: skip
        total = total.merge(one)
    return total


def listed(found, channel):
    """Return a channel's entries as `brute_force` does."""
    parts = (found.value, found.picture, found.scale, found.position)
    rows = zip(*(part[channel] for part in parts), strict=True)
    return [(v, n, s, *p) for v, n, s, p in rows if n >= 0]


@pytest.mark.parametrize("field", [ReceptiveField(5, 1, -2), ReceptiveField(40, 8, -18)])
@pytest.mark.parametrize(("k", "count", "spacing"), [(9, 3, 0.5), (4, 1, 0.5), (6, 5, 1.0)])
def test_equals_a_plain_sort_in_any_order(rng, field, k, count, spacing):
    """Whole numbers, so that many tie; one channel never fires."""
    pictures = [
        [np.maximum(rng.integers(-6, 7, (h, w, 4)), 0).astype(np.float32)]
        for h, w in rng.integers(4, 15, (12, 2))
    ]
    for maps in pictures:
        maps[0][:, :, 3] = 0
    expected = brute_force(pictures, field, k, count, spacing)
    for order in (range(12), reversed(range(12)), rng.permutation(12)):
        found = scan(pictures, field, k, count, spacing, list(order))
        for channel, taken in enumerate(expected):
            assert listed(found, channel) == taken
    assert (found.picture[3] == -1).all() and not found.value[3].any()


@pytest.mark.parametrize("scales", [(0.5, 1.0), (0.75, 1.0, 2.0)])
@pytest.mark.parametrize("spacing", [0.0, 0.5, 1.3])
def test_scales_share_the_places_of_a_picture(rng, scales, spacing):
    """No field of one scale next to one of another; the smallest map has but one unit."""
    field = ReceptiveField(10, 2, -4)
    pictures = [
        [
            rng.integers(0, 5, (max(1, round(n * s)), round(9 * s), 3)).astype(np.float32)
            for s in scales
        ]
        for n in range(1, 9)
    ]
    found = scan(pictures, field, 12, 3, spacing, range(8), scales)
    for channel, taken in enumerate(brute_force(pictures, field, 12, 3, spacing, scales)):
        assert listed(found, channel) == taken
    assert len(np.unique(found.scale[found.picture >= 0])) > 1


def test_what_has_no_chance_is_left_out_and_a_tie_is_not(rng):
    a = np.array([3.0, 2.0, 5.0]).reshape(1, 1, 3)
    found = strongest_positions([a], ReceptiveField(3, 1, -1), at_least=np.array([4.0, 2.0, 1.0]))
    assert found.value[:, 0].tolist() == [0, 2, 5]


def test_merging_halves_is_merging_one_by_one(rng):
    field = ReceptiveField(3, 1, -1)
    parts = [
        strongest_positions([a], field, picture=n)
        for n, a in enumerate(rng.integers(0, 4, (6, 5, 5, 2)).astype(np.float32))
    ]
    one_by_one, left, right = (Strongest.empty(2, 5) for _ in range(3))
    for n, part in enumerate(parts):
        one_by_one = one_by_one.merge(part)
        left, right = (left.merge(part), right) if n % 2 else (left, right.merge(part))
    both = right.merge(left)
    for name in ("value", "picture", "scale", "position"):
        assert np.array_equal(getattr(both, name), getattr(one_by_one, name))


@pytest.mark.parametrize("size", [(213, 231), (224, 298)])
def test_the_marked_pixel_is_where_it_belongs(fast32, size):
    """A picture that holds its own coordinates: corners, edges, centre, every layer of VGG."""
    image = np.zeros((*size, 3))
    image[..., 0], image[..., 1] = np.arange(size[0])[:, None] + 1, np.arange(size[1]) + 1
    for layer, (rows, cols, _) in fast32.output_shapes(*size).items():
        field = receptive_field(fast32, layer)
        for row, col in product((0, rows // 2, rows - 1), (0, cols // 2, cols - 1)):
            top, left, bottom, right = field.box(row, col)
            patch = crop(image, (top, left, bottom, right))
            assert patch.shape == (field.size, field.size, 3)
            marks = 0, field.size // 2, field.size - 1
            for y, x in product(marks, marks):
                inside = 0 <= top + y < size[0] and 0 <= left + x < size[1]
                expected = (top + y + 1, left + x + 1, 0) if inside else MEAN_BGR[::-1]
                assert tuple(patch[y, x]) == expected, (layer, row, col)


def test_a_box_outside_the_picture_is_all_mean_colour():
    for box in ((-5, -5, -1, -1), (9, 9, 12, 12), (-3, 9, -1, 11)):
        assert (crop(np.zeros((4, 4, 3)), box) == MEAN_BGR[::-1]).all()
