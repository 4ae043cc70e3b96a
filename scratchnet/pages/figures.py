"""Figures of units and what they see, drawn pixel by pixel.

A patch is shown as the network saw it: at one pixel a pixel, or enlarged by a whole number, so
that nothing is smoothed or stretched. Everything is an array (H, W, 3), RGB in 0–255.
"""

from collections.abc import Mapping, Sequence
from math import ceil, sqrt
from textwrap import wrap
from typing import NamedTuple

import numpy as np

from scratchnet.files.images import resize_image
from scratchnet.units.display import as_picture
from scratchnet.units.receptive_field import ReceptiveField
from scratchnet.units.strongest import crop

WHITE, INK, EMPTY = (255, 255, 255), (30, 30, 30), (232, 232, 232)
COLOURS = (
    (230, 25, 75), (245, 130, 49), (255, 225, 25), (60, 180, 75), (0, 130, 200),
    (145, 30, 180), (70, 240, 240), (240, 50, 230), (128, 0, 0), (0, 0, 128),
)  # fmt: skip
GAP = 2  # px between patches; channels are farther apart
TITLE, TEXT, MARGIN = 34, 24, 40  # px
WIDTH = 120  # characters of a caption's line
TIMES, LINE = 3, 3  # enlargement of a picture that fields are drawn on; their outlines in px


class Panel(NamedTuple):
    """A picture with a title and some lines of text."""

    title: str
    lines: list[str]
    picture: np.ndarray


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
    (80, 96)
    """
    return size * (side // size) if size <= side else side


def to_side(image: np.ndarray, side: int) -> np.ndarray:
    """Bring a square picture near ``side`` pixels: enlarged by a whole number, or reduced to it."""
    near = side_near(len(image), side)
    if near < len(image):
        return resize_image(image, (near, near))
    return enlarge(image, near // len(image))


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
    return sheet(pictures, _columns(len(pictures)), gap)


def _columns(count: int) -> int:
    return max(1, ceil(sqrt(count)))


def row(pictures: Sequence[np.ndarray], gap: int = MARGIN) -> np.ndarray:
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


def label_rows(labels: Sequence[str]) -> list[str]:
    """Return the channels' labels, in lines like the rows of a `square`.

    Examples
    --------
    >>> label_rows(["7", "9", "12"])
    ['channels 7, 9', 'channels 12']
    """
    columns = _columns(len(labels))
    rows = [labels[n : n + columns] for n in range(0, len(labels), columns)]
    return [f"channels {', '.join(row)}" for row in rows]


def growing_panels(panels: Sequence[Panel], caption: str) -> np.ndarray:
    """Put panels side by side at one scale; below the small ones, the same again enlarged.

    Parameters
    ----------
    panels : sequence of Panel
        In growing order: one pixel of theirs is one pixel of the figure.
    caption : str

    Returns
    -------
    figure : ndarray, (H, W, 3)
    """
    *smaller, largest = (_column(panel) for panel in panels)
    if smaller:
        # Their enlarged copies go into the room under the smaller panels.
        upper = row(smaller)
        room = len(largest) - len(upper) - 3 * TITLE
        copies = [
            _column(
                Panel(f"{panel.title}, enlarged {times} times", [], enlarge(panel.picture, times))
            )
            for panel in panels[:-1]
            if (times := room // len(panel.picture)) >= 2
        ]
        left = _stack([upper, row(copies)]) if copies else upper
        largest = row([left, largest])
    return _framed(_stack([largest, text_lines(wrap(caption, WIDTH), TEXT)]))


def own_scale_panels(panels: Sequence[Panel], caption: str) -> np.ndarray:
    """Put panels below each other, each at a scale of its own; returns an ndarray (H, W, 3)."""
    return _framed(_stack([*map(_column, panels), text_lines(wrap(caption, WIDTH), TEXT)]))


def view(signal: np.ndarray, side: int) -> np.ndarray:
    """Show a square signal (`deconvnet`) near ``side`` pixels.

    Where neighbouring pixels have opposite signs, reducing the picture takes the contrast out of
    it; so `as_picture` is applied once more afterwards.
    """
    return as_picture(to_side(as_picture(signal), side) - 127.5)


def fields_on_picture(
    image: np.ndarray, fields: Mapping[str, ReceptiveField], middle: tuple[float, float]
) -> np.ndarray:
    """Draw the receptive field of one unit of each layer on a picture, and a key beside it.

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
    key = []
    for n, (layer, box) in enumerate(boxes.items()):
        colour = COLOURS[n % len(COLOURS)]
        # top and bottom from the frame's top, left and right from its left
        _rectangle(canvas, [TIMES * (side - frame[n % 2]) for n, side in enumerate(box)], colour)
        text = text_lines([f"{layer}: {fields[layer].size} px"], TEXT)
        key.append(row([np.full((len(text), TEXT, 3), colour, np.float32), text]))
    return _framed(row([canvas, _stack(key)]))


def _rectangle(canvas: np.ndarray, box: Sequence[int], colour: tuple[int, int, int]) -> None:
    """Draw the outline of a box, inside its sides."""
    top, left, bottom, right = box
    inside = canvas[top:bottom, left:right]
    for side in (inside[:LINE], inside[-LINE:], inside[:, :LINE], inside[:, -LINE:]):
        side[:] = colour


def text_lines(lines: Sequence[str], size: int) -> np.ndarray:
    """Draw lines of text, dark on white: ndarray (H, W, 3)."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(size)
    text = "\n".join(lines)
    draw = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    width = ceil(draw.multiline_textbbox((0, 0), text, font=font)[2]) + 1
    canvas = Image.new("RGB", (width, ceil(1.4 * size * len(lines))), WHITE)
    ImageDraw.Draw(canvas).multiline_text((0, 0), text, INK, font, spacing=0.3 * size)
    return np.asarray(canvas, np.float32)


def _column(panel: Panel) -> np.ndarray:
    """Put a panel's title and lines above its picture."""
    lines = [text_lines(panel.lines, TEXT)] if panel.lines else []
    return _stack([text_lines([panel.title], TITLE), *lines, panel.picture])


def _stack(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Put pictures below each other, their left sides in line."""
    width = max(picture.shape[1] for picture in pictures)
    padded = [_white(picture, TEXT // 2, width - picture.shape[1]) for picture in pictures]
    return np.concatenate(padded)[: -(TEXT // 2)]


def _framed(picture: np.ndarray) -> np.ndarray:
    """Put white all around."""
    return np.pad(picture, ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), constant_values=255)


def _white(picture: np.ndarray, below: int, right: int) -> np.ndarray:
    """Put white below and to the right."""
    return np.pad(picture, ((0, below), (0, right), (0, 0)), constant_values=255)
