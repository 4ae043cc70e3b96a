"""Pictures of units and what they see, drawn pixel by pixel.

A patch is shown as the network saw it: at one pixel a pixel, or enlarged by a whole number, so
that nothing is smoothed or stretched. Everything is an array (H, W, 3), RGB in 0–255; titles,
captions and what goes where on a page are the scripts' business (``scripts/layout.py``).
"""

from collections.abc import Mapping, Sequence
from math import ceil, sqrt

import numpy as np

from scratchnet.units.receptive_field import ReceptiveField
from scratchnet.units.strongest import crop

WHITE, INK, EMPTY = (255, 255, 255), (30, 30, 30), (232, 232, 232)
COLOURS = (
    (230, 25, 75), (245, 130, 49), (255, 225, 25), (60, 180, 75), (0, 130, 200),
    (145, 30, 180), (70, 240, 240), (240, 50, 230), (128, 0, 0), (0, 0, 128),
)  # fmt: skip
GAP = 2  # px between patches; channels are farther apart
TIMES, LINE = 3, 3  # enlargement of a picture that fields are drawn on; their outlines in px


def enlarge(image: np.ndarray, times: int) -> np.ndarray:
    """Show every pixel as a square of ``times`` pixels.

    Examples
    --------
    >>> enlarge(np.array([[[1], [2]]]), 2)[:, :, 0]
    array([[1, 1, 2, 2],
           [1, 1, 2, 2]])
    """
    return image.repeat(times, axis=0).repeat(times, axis=1)


def side_near(size: int, side: int) -> int:
    """Return at which size `to_side` shows ``size`` pixels.

    Examples
    --------
    >>> side_near(40, 96), side_near(196, 96)
    (80, 196)
    """
    return size * max(1, side // size)


def to_side(image: np.ndarray, side: int) -> np.ndarray:
    """Enlarge a square picture by a whole number, to ``side`` pixels at most; none is reduced."""
    return enlarge(image, side_near(len(image), side) // len(image))


def sheet(pictures: Sequence[np.ndarray], columns: int, gap: int) -> np.ndarray:
    """Lay pictures of one shape out in rows of so many columns; the last may be shorter."""
    height, width, _ = pictures[0].shape
    rows = ceil(len(pictures) / columns)
    canvas = np.empty((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), np.float32)
    canvas[:] = WHITE
    for n, picture in enumerate(pictures):
        top, left = n // columns * (height + gap), n % columns * (width + gap)
        canvas[top : top + height, left : left + width] = picture
    return canvas


def square(pictures: Sequence[np.ndarray], gap: int) -> np.ndarray:
    """Lay pictures of one shape out in as many columns as rows, or one more."""
    return sheet(pictures, columns_of(len(pictures)), gap)


def columns_of(count: int) -> int:
    """Return how many columns a `square` of so many has."""
    return max(1, ceil(sqrt(count)))


def row(pictures: Sequence[np.ndarray], gap: int) -> np.ndarray:
    """Put pictures of any size side by side on white, their tops in line."""
    height = max(map(len, pictures))
    padded = [_white(picture, height - len(picture), gap) for picture in pictures]
    return np.concatenate(padded, axis=1)[:, :-gap]


def unit_sheet(patches: Sequence[np.ndarray], k: int, side: int) -> np.ndarray:
    """Lay a channel's patches out in a square of K places; empty places are grey.

    A channel without any, which never fires, is a grey square that is crossed out.

    Parameters
    ----------
    patches : sequence of ndarray, (side, side, 3)
    k : int
        K.
    side : int
    """
    blank = np.full((side, side, 3), EMPTY, np.float32)
    whole = square([*patches, *[blank] * (k - len(patches))], GAP)
    if not len(patches):
        whole[:] = EMPTY
        n = min(whole.shape[:2])
        whole[range(n), range(n)] = whole[range(n), range(n - 1, -1, -1)] = INK
    return whole


def unit_panel(units: Sequence[Sequence[np.ndarray]], k: int, side: int) -> np.ndarray:
    """Lay the sheets of several channels out in a square, at one scale."""
    sheets = [unit_sheet(patches, k, side) for patches in units]
    return square(sheets, max(3 * GAP, side // 8))


def views_sheet(kinds: Sequence[Sequence[np.ndarray]], count: int, side: int) -> np.ndarray:
    """Lay out what is shown of a channel's patches: a row for each kind, a column for each patch.

    Where there are fewer patches than ``count``, places are grey; a channel without any, which
    never fires, is a grey square that is crossed out.
    """
    if not len(kinds[0]):
        return unit_sheet([], count * len(kinds), side)
    blank = np.full((side, side, 3), EMPTY, np.float32)
    cells = [cell for shown in kinds for cell in [*shown, *[blank] * (count - len(shown))]]
    return sheet(cells, count, GAP)


def fields_on_picture(
    image: np.ndarray, fields: Mapping[str, ReceptiveField], middle: tuple[float, float]
) -> np.ndarray:
    """Draw the receptive field of one unit of each layer on a picture.

    The colours are those of `COLOURS`, in the order of the layers.

    Parameters
    ----------
    image : ndarray, (H, W, 3)
    fields : mapping
        Layer → its receptive field.
    middle : (row, column)
        In pixels of the picture; each layer's unit is the one whose field has its middle nearest.

    Returns
    -------
    figure : ndarray, (H′, W′, 3)
        The picture at three times its size, with the mean colour where a field leaves it.
    """
    boxes = {}
    for layer, field in fields.items():
        i, j = (max(0, round(field.position(part))) for part in middle)
        boxes[layer] = field.box(i, j)
    corners = np.array([*boxes.values(), (0, 0, *image.shape[:2])])
    frame = (*corners[:, :2].min(axis=0), *corners[:, 2:].max(axis=0))
    canvas = enlarge(crop(image, frame), TIMES).astype(np.float32)
    for n, box in enumerate(boxes.values()):
        colour = COLOURS[n % len(COLOURS)]
        # top and bottom from the frame's top, left and right from its left
        _rectangle(canvas, [TIMES * (side - frame[n % 2]) for n, side in enumerate(box)], colour)
    return canvas


def _rectangle(canvas: np.ndarray, box: Sequence[int], colour: tuple[int, int, int]) -> None:
    """Draw the outline of a box, inside its sides."""
    top, left, bottom, right = box
    inside = canvas[top:bottom, left:right]
    for side in (inside[:LINE], inside[-LINE:], inside[:, :LINE], inside[:, -LINE:]):
        side[:] = colour


def _white(picture: np.ndarray, below: int, right: int) -> np.ndarray:
    """Put white below and to the right."""
    return np.pad(picture, ((0, below), (0, right), (0, 0)), constant_values=255)
