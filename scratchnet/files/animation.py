"""Animated pictures: GIF and WebP, no larger in bytes than they may be.

A GIF has 256 colours. Here they are chosen once, for all of its pictures together: with a palette
for each, flat parts would flicker. What is too large in bytes is made smaller in pixels. An
animation's bytes go about as its pixels do, so where b bytes are too many ::

    scale ← scale · √(limit / b), and a little less
"""

import io
from collections.abc import Sequence
from math import ceil, sqrt
from pathlib import Path
from typing import NamedTuple

import numpy as np

from scratchnet.files.images import resize_image
from scratchnet.files.names import printable

KINDS = {".gif": "GIF", ".webp": "WEBP"}
LIMIT = 5_000_000  # bytes
WEBP_QUALITY = 80
SAMPLED, SAMPLE = 16, 96  # of a GIF: so many pictures, of that side in px, choose the palette
LESS = 0.96  # the little less
LEAST = 32  # px of the long side: smaller ones show nothing


class Animation(NamedTuple):
    """A file's bytes, and the (height, width) of its pictures."""

    data: bytes
    size: tuple[int, int]


def animation_kind(path: Path) -> str:
    """Return the format that a file's ending names; raises ValueError if it names none.

    Examples
    --------
    >>> animation_kind(Path("run.webp"))
    'WEBP'
    """
    if (kind := KINDS.get(path.suffix.lower())) is None:
        raise ValueError(f"{printable(path)}: wanted a name that ends in {' or '.join(KINDS)}")
    return kind


def animate(
    images: Sequence[np.ndarray],
    kind: str,
    *,
    milliseconds: int = 120,
    hold: int = 2000,
    limit: int = LIMIT,
) -> Animation:
    """Return pictures one after the other, again and again, as one file.

    Parameters
    ----------
    images : sequence of ndarray, (H, W, 3)
        RGB in 0–255, all of one size.
    kind : ``"GIF"`` or ``"WEBP"``
    milliseconds, hold : int
        How long a picture is shown, and the last one.
    limit : int, default 5 million
        Bytes that the file may have.

    Raises
    ------
    ValueError
        If there is no picture, they differ in size, or the file is over the limit however small
        they are.
    """
    shapes = {image.shape for image in images}
    if len(shapes) != 1:
        raise ValueError(f"got pictures of {len(shapes)} sizes, wanted some of one size")
    ((height, width, _),) = shapes
    durations = [milliseconds] * (len(images) - 1) + [hold]
    scale = 1.0
    while True:
        size = ceil(height * scale), ceil(width * scale)
        data = _encode([_pixels(image, size) for image in images], kind, durations)
        if len(data) <= limit:
            return Animation(data, size)
        if max(size) <= LEAST:
            raise ValueError(f"{len(images)} pictures have {len(data):,} bytes, over {limit:,}")
        # scale ← scale · √(limit / b), and a little less
        scale *= LESS * sqrt(limit / len(data))


def _pixels(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.clip(np.rint(resize_image(image, size)), 0, 255).astype(np.uint8)


def _encode(pictures: list[np.ndarray], kind: str, durations: list[int]) -> bytes:
    """Return the file."""
    from PIL import Image

    first, *others = [Image.fromarray(picture) for picture in pictures]
    options = {"quality": WEBP_QUALITY}
    if kind == "GIF":
        palette = _palette(pictures)
        first, *others = [image.quantize(palette=palette) for image in (first, *others)]
        # Given by name as well: otherwise Pillow writes it once for each picture.
        options = {"optimize": False, "palette": bytes(palette.getpalette())}
    file = io.BytesIO()
    first.save(
        file, kind, save_all=True, append_images=others, duration=durations, loop=0, **options
    )
    return file.getvalue()


def _palette(pictures: list[np.ndarray]):
    """Return a picture of 256 colours, those that suit all pictures best."""
    from PIL import Image

    chosen = pictures[:: ceil(len(pictures) / SAMPLED)]
    height, width, _ = pictures[0].shape
    size = min(height, SAMPLE), min(width, SAMPLE)
    # The last is what the others come to: it counts as much as half of them.
    chosen += [pictures[-1]] * (len(chosen) // 2)
    sample = np.concatenate([_pixels(picture, size) for picture in chosen])
    return Image.fromarray(sample).quantize(256)
