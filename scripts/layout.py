"""How figures are laid out: matplotlib's boxes, and in them pictures, pixel for pixel.

A figure is a tree of boxes: below each other, beside each other, and at its ends lines of text and
pictures. A picture's pixels are the figure's own, none is resampled: it is drawn as it is, at a
place that is a whole number.
"""

import sys
from collections.abc import Iterable, Sequence
from math import ceil
from pathlib import Path
from textwrap import wrap
from typing import NamedTuple

import numpy as np

from scratchnet.pages.figures import COLOURS, INK, columns_of, enlarge

try:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.offsetbox import HPacker, OffsetBox, TextArea, VPacker
    from matplotlib.transforms import Bbox
except ImportError as error:
    print(f"{Path(sys.argv[0]).stem}: {error}; install the extra: pip install '.[viz]'",
          file=sys.stderr)  # fmt: skip
    sys.exit(2)

DPI = 72  # a point, in which matplotlib counts, is then a pixel
TITLE, TEXT, LABEL, MARGIN = 30, 20, 16, 32  # px
GAP = 12  # px between pictures
LETTER = 0.52  # of its height, that a letter is wide, about
NARROW, PAGE = 700, 1200  # px: a caption is at least so wide; of a wider panel, letters grow


class Pixels(OffsetBox):
    """A picture, ndarray (H, W, 3), RGB in 0–255, each of its pixels one of the figure's."""

    def __init__(self, picture: np.ndarray):
        super().__init__()
        self.picture = np.rint(np.clip(picture, 0, 255)).astype(np.uint8)

    def get_bbox(self, renderer) -> Bbox:
        """Return what it takes up, (0, 0) its lower left corner."""
        height, width, _ = self.picture.shape
        return Bbox.from_bounds(0, 0, width, height)

    def draw(self, renderer) -> None:
        """Draw it where the box around it has put it."""
        left, bottom = map(round, self.get_offset(self.get_bbox(renderer), renderer))
        opaque = np.full((*self.picture.shape[:2], 1), 255, np.uint8)
        # matplotlib's renderer wants the lowest row first
        rows = np.ascontiguousarray(np.concatenate([self.picture, opaque], axis=2)[::-1])
        renderer.draw_image(renderer.new_gc(), left, bottom, rows)


def text(lines: Iterable[str], size: float = TEXT) -> OffsetBox:
    """Return lines of text."""
    colour = "#{:02x}{:02x}{:02x}".format(*INK)
    style = {"fontsize": size, "color": colour, "linespacing": 1.25}
    return TextArea("\n".join(lines), textprops=style)


def below(boxes: Sequence[OffsetBox], gap: float = GAP) -> OffsetBox:
    """Put boxes below each other, their left sides in line."""
    return VPacker(children=list(boxes), align="left", pad=0, sep=gap)


def beside(boxes: Sequence[OffsetBox], gap: float = GAP) -> OffsetBox:
    """Put boxes beside each other, their tops in line."""
    return HPacker(children=list(boxes), align="top", pad=0, sep=gap)


def grid(boxes: Sequence[OffsetBox], columns: int, gap: float = GAP) -> OffsetBox:
    """Put boxes of one size in rows of so many."""
    starts = range(0, len(boxes), columns)
    return below([beside(boxes[n : n + columns], gap) for n in starts], gap)


def under(label: str, *pictures: np.ndarray) -> OffsetBox:
    """Put pictures below each other, under a label."""
    return below([text([label], LABEL), *map(Pixels, pictures)], GAP / 3)


class Sheet:
    """What boxes are measured and drawn on; those measured on one are drawn on the same."""

    def __init__(self):
        self.figure = Figure(dpi=DPI)
        self.canvas = FigureCanvasAgg(self.figure)

    def bounds(self, box: OffsetBox) -> Bbox:
        """Return what a box takes up, in px from a corner of its own."""
        box.set_figure(self.figure)
        return box.get_bbox(self.canvas.get_renderer())

    def drawn(self, box: OffsetBox) -> np.ndarray:
        """Return a box with white all around, ndarray (H, W, 3) of bytes."""
        bounds = self.bounds(box)
        width, height = (ceil(size) + 2 * MARGIN for size in bounds.size)
        self.figure.set_size_inches(width / DPI, height / DPI)
        box.set_offset((MARGIN - bounds.x0, height - MARGIN - bounds.y1))
        self.figure.add_artist(box)
        self.canvas.draw()
        return np.asarray(self.canvas.buffer_rgba())[:, :, :3].copy()

    def with_caption(self, box: OffsetBox, caption: str, times: float = 1) -> np.ndarray:
        """Draw a box with a caption below it, about as wide, in so many times larger letters."""
        size = times * TEXT
        letters = max(self.bounds(box).width, NARROW) / (LETTER * size)
        return self.drawn(below([box, text(wrap(caption, int(letters)), size)], 2 * GAP))


class Panel(NamedTuple):
    """A picture, or a box of them, with a title and some lines of text above it."""

    title: str
    lines: list[str]
    picture: np.ndarray | OffsetBox

    def box(self, times: float = 1) -> OffsetBox:
        """Return its box, with letters so many times larger."""
        inside = self.picture
        inside = inside if isinstance(inside, OffsetBox) else Pixels(inside)
        lines = [text(self.lines, times * TEXT)] if self.lines else []
        return below([text([self.title], times * TITLE), *lines, inside])


def own_scale_panels(panels: Iterable[Panel], caption: str) -> np.ndarray:
    """Put panels below each other, each at a scale of its own; returns an ndarray (H, W, 3)."""
    return Sheet().with_caption(below([panel.box() for panel in panels], 2 * GAP), caption)


def growing_panels(panels: Sequence[Panel], caption: str) -> np.ndarray:
    """Put panels side by side at one scale; below the small ones, the same again enlarged.

    Parameters
    ----------
    panels : sequence of Panel
        Of arrays, in growing order: one pixel of theirs is one pixel of the figure.
    caption : str

    Returns
    -------
    figure : ndarray, (H, W, 3)
    """
    times = max(1, panels[-1].picture.shape[1] / PAGE)
    sheet, (*smaller, largest) = Sheet(), (panel.box(times) for panel in panels)
    whole = largest
    if smaller:
        # Their enlarged copies go into the room under the smaller panels.
        upper = beside(smaller, MARGIN)
        room = sheet.bounds(largest).height - sheet.bounds(upper).height - 3 * times * TITLE
        copies = [
            Panel(f"{panel.title}, {n} times", [], enlarge(panel.picture, n)).box(times)
            for panel in panels[:-1]
            if (n := int(room // len(panel.picture))) >= 2
        ]
        left = below([upper, beside(copies, MARGIN)], 2 * GAP) if copies else upper
        whole = beside([left, largest], MARGIN)
    return sheet.with_caption(whole, caption, times)


def label_rows(labels: Sequence[str]) -> list[str]:
    """Return the channels' labels, in lines like the rows of a `figures.square`.

    Examples
    --------
    >>> label_rows(["7", "9", "12"])
    ['channels 7, 9', 'channels 12']
    """
    columns = columns_of(len(labels))
    rows = [labels[n : n + columns] for n in range(0, len(labels), columns)]
    return [f"channels {', '.join(row)}" for row in rows]


def keyed(canvas: np.ndarray, lines: Sequence[str]) -> np.ndarray:
    """Draw a picture and, beside it, lines that say what its colours are."""
    swatches = (np.full((TEXT, TEXT, 3), COLOURS[n % len(COLOURS)]) for n in range(len(lines)))
    key = [beside([Pixels(s), text([line])]) for s, line in zip(swatches, lines, strict=True)]
    return Sheet().drawn(beside([Pixels(canvas), below(key)], MARGIN))
