"""A transfer as it happens: the picture so far, and beside it how far down J has come.

The axis of J is logarithmic. Each term is the sum over its layers; what is still to come is drawn
pale. Everything is an array (H, W, 3), RGB in 0–255.
"""

from collections.abc import Sequence
from math import ceil, floor, log10

import numpy as np

from scratchnet.pages.figures import COLOURS, INK, WHITE, row
from scratchnet.style.checkpoint import Record
from scratchnet.style.course import Step

LEAST = 192  # px: height of the curves, if the picture's is less
TEXT, GAP = 12, 8  # px
PALE, GRID = (222, 222, 222), (240, 240, 240)
TOP = "J"


def sums_by_term(record: Record | Step) -> dict[str, float]:
    """Return J and its terms, each summed over its layers.

    Examples
    --------
    >>> terms = {"content relu4_2": 2.0, "style relu1_1": 3.0, "style relu2_1": 4.0, "tv": 1.0}
    >>> sums_by_term(Record(0, 10.0, terms, (8, 8)))
    {'J': 10.0, 'content': 2.0, 'style': 7.0, 'tv': 1.0}
    """
    sums = {TOP: record.loss}
    for name, value in record.terms.items():
        term = name.rpartition(" ")[0] or name
        sums[term] = sums.get(term, 0.0) + value
    return sums


def beside_curves(image: np.ndarray, history: Sequence[Record], iteration: int) -> np.ndarray:
    """Return a picture with the curves of J and its terms at its right.

    Parameters
    ----------
    image : ndarray, (H, W, 3)
    history : sequence of Record
        Of the whole transfer: all pictures of one transfer get the same axes.
    iteration : int
        The one that the picture belongs to.

    Returns
    -------
    both : ndarray, (*shape_beside(image.shape), 3)
    """
    height, width = shape_beside(image.shape)
    size = width - GAP - image.shape[1], height
    return row([image, _curves(history, iteration, size)], GAP)


def shape_beside(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the (height, width) of a picture with curves beside it: these are 4:3.

    Examples
    --------
    >>> shape_beside((300, 200, 3))
    (300, 608)
    """
    height = max(shape[0], LEAST)
    return height, shape[1] + GAP + round(height * 4 / 3)


def _curves(history: Sequence[Record], iteration: int, size: tuple[int, int]) -> np.ndarray:
    """Draw the curves: pale as a whole, in colour until the iteration."""
    from PIL import Image, ImageDraw, ImageFont

    canvas, height = Image.new("RGB", size, WHITE), size[1]
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(TEXT)
    sums = {record.iteration: sums_by_term(record) for record in history}
    names = sorted({name for of in sums.values() for name in of} - {TOP})
    positive = [value for of in sums.values() for value in of.values() if value > 0] or [1.0]
    low, high = floor(log10(min(positive))), ceil(log10(max(positive)))
    # What is far below J at its end would squeeze the curves that matter.
    low = max(low, floor(log10(max(history[-1].loss, min(positive)))) - 3)
    left, bottom = 4 * TEXT, height - 2 * TEXT
    across, last = canvas.width - left - GAP, max(*sums, 1)

    def place(n: int, value: float) -> tuple[float, float]:
        share = (high - log10(max(value, 10.0**low))) / max(high - low, 1)
        return left + across * n / last, TEXT + share * (bottom - TEXT)

    for power in range(low, high + 1):
        _, y = place(0, 10.0**power)
        draw.line([(left, y), (left + across, y)], GRID)
        draw.text((left - 4, y), f"1e{power}", INK, font, anchor="rm")
    for pale in (True, False):
        for n, name in enumerate([*names, TOP]):
            points = [place(m, of[name]) for m, of in sums.items() if of.get(name, 0) > 0]
            points = points if pale else [p for p in points if p[0] <= place(iteration, 1)[0]]
            colour = PALE if pale else INK if name == TOP else _colour(n)
            if len(points) > 1:
                draw.line(points, colour, 2, joint="curve")
    draw.text((left + across, bottom + 5), f"evaluation {iteration}", INK, font, anchor="ra")
    for n, name in enumerate([TOP, *names]):
        colour = INK if name == TOP else _colour(n - 1)
        draw.text((left + across, TEXT * (1 + 1.3 * n)), name, colour, font, anchor="ra")
    return np.asarray(canvas, np.float32)


def _colour(n: int) -> tuple[int, int, int]:
    return COLOURS[(4, 0, 3, 5, 8, 9)[n % 6]]  # those that are dark enough for a line on white
