"""Small square pictures in one image: what the atlas keeps of a unit.

A sheet lays squares of one side out in rows of three. Its file is exact (WebP) or a JPEG. JPEG
codes blocks of 16×16 pixels together, so the squares begin at multiples of 16, and none bleeds into
its neighbour; in an exact one each has a line of its own last pixels around it. Where each square
stands is kept with the sheet, by what it shows ::

    {"lit": [(0, 0, 92), (0, 96, 92), …], "guided": [(96, 0, 92), …]}      (top, left, side)
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from scratchnet.files.images import resize_image
from scratchnet.pages.page import encode

BLOCK = 16  # pixels: side of JPEG's blocks, where colours have half as many pixels as brightness
COLUMNS = 3
EXACT, PIXELS = 48, 16  # px: patches, and views, up to this side are stored exactly
QUALITY = 75  # of the others


class Sheet(NamedTuple):
    """An image that holds squares.

    Attributes
    ----------
    image : str
        Its address: a data URI, or a path within the atlas's folder.
    height, width : int
    cells : dict
        What is shown → [(top, left, side), …].
    """

    image: str
    height: int
    width: int
    cells: dict[str, list[tuple[int, int, int]]]


def join(
    squares: Mapping[str, Sequence[np.ndarray]], side: int, quality: int | None
) -> tuple[np.ndarray, dict]:
    """Lay squares out.

    Parameters
    ----------
    squares : mapping
        What is shown → pictures, (side′, side′, 3) in 0–255. Larger ones are reduced to ``side``.
    side : int
        Of a square in the sheet, at most.
    quality : int or None
        None if the sheet is stored exactly.

    Returns
    -------
    pixels : ndarray, (H, W, 3)
    cells : dict
        As in `Sheet`.

    Raises
    ------
    ValueError
        If there is no picture, or one is no square.
    """
    flat = [(kind, picture) for kind, pictures in squares.items() for picture in pictures]
    for kind, picture in flat:
        if picture.ndim != 3 or picture.shape != (len(picture), len(picture), 3):
            raise ValueError(f"{kind}: got a picture of shape {picture.shape}, wanted a square")
    if not flat:
        raise ValueError("got no picture for a sheet")
    sides = [min(side, len(picture)) for _, picture in flat]  # none is enlarged
    before = 1 if quality is None else 0  # px of margin above and to the left
    cell = max(sides) + 2 if quality is None else -(-max(sides) // BLOCK) * BLOCK
    pixels = np.zeros((-(-len(flat) // COLUMNS) * cell, min(len(flat), COLUMNS) * cell, 3))
    cells = {kind: [] for kind in squares}
    for n, ((kind, picture), its_side) in enumerate(zip(flat, sides, strict=True)):
        top, left = n // COLUMNS * cell, n % COLUMNS * cell
        # Around it its last pixels are repeated: that costs JPEG least, and shows no seam where a
        # page scales the square.
        margin, size = (before, cell - its_side - before), (its_side, its_side)
        reduced = picture if len(picture) == its_side else resize_image(picture, size)
        pixels[top : top + cell, left : left + cell] = np.pad(
            reduced, (margin, margin, (0, 0)), mode="edge"
        )
        cells[kind].append((top + before, left + before, its_side))
    return pixels, cells


def encoded(pixels: np.ndarray, quality: int | None) -> tuple[bytes, str]:
    """Return a sheet's file, and how its name ends."""
    return encode(pixels, quality, 2), ".webp" if quality is None else ".jpg"
