"""What excites a unit: the image patches where its channel is largest (Zeiler & Fergus 2013, §4).

For a channel k of a layer, look over all pictures and all positions (i, j) for the largest a_ijk,
and cut out of that picture what the unit there sees (`receptive_field`). Next to a strong position
there are others nearly as strong, of the same thing. So the largest is taken first, and from then
on a position of that picture counts only if it is far enough from each one taken ::

    max(|Δi|, |Δj|) · jump ≥ spacing · size          (spacing = ½: at least half a field apart)

and only if the unit fires there, a_ijk > 0. Of equal values the first one wins, by picture, scale,
row and column. Of one picture no more than a few positions are kept, so that it can't fill all
places by itself.

A picture may be looked at in several sizes, its *scales*. A field's middle and size are then
counted in pixels of scale 1, which are those of the scaled picture divided by the scale, and of
two fields of different size the larger one sets the distance.

Each picture gives a few candidates by itself (`strongest_positions`), and the K best of two sets of
pictures are the K best of the K best of each (`Strongest.merge`). So memory does not grow with the
number of pictures, and the result depends neither on their order nor on who looked at which.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scratchnet.network.preprocessing import MEAN_BGR
from scratchnet.units.receptive_field import ReceptiveField

NONE = -1  # the picture of a place that is empty
HAIR = 1e-6  # px: a distance equal to the spacing is far enough, in spite of rounding


@dataclass
class Strongest:
    """The strongest positions of each channel of a layer, in falling order.

    Attributes
    ----------
    value : ndarray of float32, (C, K)
        a_ijk; 0 where there is none.
    picture : ndarray of int32, (C, K)
        Which picture; −1 where there is none.
    scale : ndarray of float64, (C, K)
        In which of the picture's scales.
    position : ndarray of int32, (C, K, 2)
        Row i and column j in the layer's map.
    """

    value: np.ndarray
    picture: np.ndarray
    scale: np.ndarray
    position: np.ndarray

    @classmethod
    def empty(cls, channels: int, places: int) -> "Strongest":
        """Return a table without any position yet."""
        return cls(
            np.zeros((channels, places), np.float32),
            np.full((channels, places), NONE, np.int32),
            np.zeros((channels, places)),
            np.zeros((channels, places, 2), np.int32),
        )

    def merge(self, other: "Strongest") -> "Strongest":
        """Return the strongest of both, as many as this one holds."""
        value, picture, scale, position = (
            np.concatenate([getattr(self, name), getattr(other, name)], axis=1)
            for name in ("value", "picture", "scale", "position")
        )
        # the last key counts first; places that are empty have value 0 and so come last
        keys = (position[..., 1], position[..., 0], scale, picture, -value)
        order = np.lexsort(keys, axis=1)[:, : self.value.shape[1]]
        return Strongest(
            *(np.take_along_axis(part, order, 1) for part in (value, picture, scale)),
            np.take_along_axis(position, order[..., None], 1),
        )

    def boxes(self, field: ReceptiveField) -> np.ndarray:
        """Return (C, K, 4): top, left, bottom, right of each patch, not clipped.

        In pixels of the picture at that scale; 0 where there is none.
        """
        boxes = np.stack(field.box(self.position[..., 0], self.position[..., 1]), axis=-1)
        return np.where(self.picture[..., None] == NONE, 0, boxes).astype(np.int32)


def strongest_positions(
    maps: Sequence[np.ndarray],
    field: ReceptiveField,
    *,
    scales: Sequence[float] = (1.0,),
    picture: int = 0,
    count: int = 3,
    spacing: float = 0.5,
    at_least: np.ndarray | float = 0.0,
) -> Strongest:
    """Return the strongest positions of each channel in one picture.

    Parameters
    ----------
    maps : sequence of ndarray, (H, W, C)
        The picture's activations at a layer, for each scale.
    field : ReceptiveField
        Of that layer.
    scales : sequence of float
        Of the maps, in rising order.
    picture : int
        The picture's number.
    count : int
        How many positions at most.
    spacing : float
        How far apart, in sizes of the field.
    at_least : ndarray, (C,), or float
        A channel is searched only if it reaches this. If K positions are known already, pass the
        weakest one's value: what is below it can't win. (An equal one can, by its picture.)

    Returns
    -------
    found : Strongest
        With ``count`` places.

    Examples
    --------
    4 is next to 5, and 3 is far enough away:

    >>> a = np.array([5.0, 4.0, 0.0, 3.0]).reshape(1, 4, 1)
    >>> strongest_positions([a], ReceptiveField(4, 1, 0), count=2).position.tolist()
    [[[0, 0], [0, 3]]]
    """
    found = Strongest.empty(maps[0].shape[2], count)
    of_rows = [a.max(axis=1) for a in maps]  # (H, C) each: the largest of each row
    largest = np.max([of_row.max(axis=0) for of_row in of_rows], axis=0)
    searched = np.flatnonzero((largest > 0) & (largest >= at_least))
    # copies, with these channels alone: what has been taken will be struck out in them
    maps = [np.take(a, searched, axis=2) for a in maps]
    of_rows = [of_row[:, searched] for of_row in of_rows]
    scales = np.asarray(scales, float)
    for place in range(count):
        value, scale, position = _largest(maps, of_rows, scales)
        fires = value > 0
        k = searched[fires]
        found.value[k, place], found.picture[k, place] = value[fires], picture
        found.scale[k, place], found.position[k, place] = scale[fires], position[fires]
        if place + 1 < count:
            middle = field.middle(position) / scale[:, None]  # (C, 2), in px of scale 1
            for a, of_row, its_scale in zip(maps, of_rows, scales, strict=True):
                # max(|Δi|, |Δj|) · jump ≥ spacing · size; what is nearer is struck out
                reach = spacing * field.size / np.minimum(scale, its_scale) - HAIR
                reach = np.maximum(reach, HAIR) * its_scale  # at spacing 0, the position itself
                _strike_out(a, of_row, middle * its_scale, reach, field)
    return found


def _largest(
    maps: Sequence[np.ndarray], of_rows: Sequence[np.ndarray], scales: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return each channel's largest value, (C,), its scale, (C,), and its position, (C, 2).

    ``of_rows`` are the largest values of each row, (H, C). argmax takes the first of equals.
    """
    winner = np.argmax([of_row.max(axis=0) for of_row in of_rows], axis=0)  # which of the maps
    value, position = np.zeros(len(winner), np.float32), np.zeros((len(winner), 2), np.int32)
    for n, (a, of_row) in enumerate(zip(maps, of_rows, strict=True)):
        k = np.flatnonzero(winner == n)
        row = of_row[:, k].argmax(axis=0)
        value[k] = of_row[row, k]
        position[k] = np.stack([row, a[row, :, k].argmax(axis=1)], axis=1)
    return value, scales[winner], position


def _strike_out(
    a: np.ndarray, of_row: np.ndarray, middle: np.ndarray, reach: np.ndarray, field: ReceptiveField
) -> None:
    """Set to −∞ all positions whose middle is nearer to ``middle`` (C, 2) than ``reach`` (C,)."""
    reach = reach[:, None]
    first = np.floor(field.position(middle - reach)).astype(int) + 1
    last = np.ceil(field.position(middle + reach)).astype(int) - 1
    first, last = np.maximum(first, 0), np.minimum(last, np.subtract(a.shape[:2], 1))
    c = np.flatnonzero((first <= last).all(axis=1))
    if len(c):
        # Windows differ in length; clipped to a shorter one, an index repeats its last entry.
        longest = (last - first)[c].max() + 1
        index = np.minimum(first[c, :, None] + np.arange(longest), last[c, :, None])
        rows, cols, c = index[:, 0], index[:, 1], c[:, None]
        a[rows[:, :, None], cols[:, None, :], c[:, :, None]] = -np.inf
        of_row[rows, c] = a[rows, :, c].max(axis=-1)


def crop(image: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    """Cut a box out of a picture; where it leaves the picture, VGG's mean colour is shown.

    The first convolution sees just that: its padding is 0, and so is the mean colour, once
    `Preprocess` has taken the mean away. Deeper layers see activations of 0 outside the picture,
    which no picture there would give them. Nothing is stretched.

    Parameters
    ----------
    image : ndarray, (H, W, 3)
    box : (top, left, bottom, right)
        Half-open; may leave the picture.

    Returns
    -------
    patch : ndarray, (bottom − top, right − left, 3)

    Examples
    --------
    >>> crop(np.zeros((2, 2, 3)), (-1, 1, 1, 2)).round().tolist()
    [[[124.0, 117.0, 104.0]], [[0.0, 0.0, 0.0]]]
    """
    top, left, bottom, right = (int(side) for side in box)
    patch = np.empty((bottom - top, right - left, 3), image.dtype)
    patch[:] = MEAN_BGR[::-1]
    rows = slice(max(top, 0), max(0, min(bottom, image.shape[0])))
    cols = slice(max(left, 0), max(0, min(right, image.shape[1])))
    inside = image[rows, cols]
    start = rows.start - top, cols.start - left
    patch[start[0] : start[0] + len(inside), start[1] : start[1] + inside.shape[1]] = inside
    return patch
