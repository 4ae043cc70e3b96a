"""From coarse to fine: the sizes that a transfer goes through, and the way from one to the next.

A picture that starts as white noise at its full size keeps some of it: the deeper layers see large
shapes through pooled maps, so noise within a shape changes J little and goes away slowly. So the
descent runs at a small size first, where a shape is a few pixels, with half the steps. Each further
size, twice as large, starts from the enlarged result of the one before, plus the detail of the
content image C that the smaller size could not show. With ↑ enlarging to the new size and ↓
shrinking to the old one::

    G ← clip(↑G + C − ↑↓C, 0, 255)

The sizes before the last together cost a sixth of the last (half of ¼ + 1/16 + …).
"""

from collections.abc import Iterable

import numpy as np

from scratchnet.files.images import resize_image
from scratchnet.style.layers import Size

SMALLEST_SIDE = 64  # px: below it the deeper layers see little but their own padding
SMALLEST_STYLE = 32  # px: short side that a scaled style image keeps, for the deepest layers


def coarse_to_fine_sizes(shape: tuple[int, ...], smallest: int = SMALLEST_SIDE) -> list[Size]:
    """Return the levels' sizes (height, width), from the coarsest to ``shape`` itself.

    Each is half the next; none has a long side under ``smallest`` or a short one under half of
    that, unless the picture itself has.

    Examples
    --------
    >>> coarse_to_fine_sizes((192, 256, 3))
    [(48, 64), (96, 128), (192, 256)]
    >>> coarse_to_fine_sizes((40, 50))
    [(40, 50)]
    """
    height, width = shape[:2]
    sizes = [(height, width)]
    while max(height, width) >= 2 * smallest and min(height, width) >= smallest:
        height, width = round(height / 2), round(width / 2)
        sizes.insert(0, (height, width))
    return sizes


def levels_of(
    shape: tuple[int, ...], iterations: int, coarse_to_fine: bool
) -> list[tuple[Size, int]]:
    """Return the levels' sizes and their numbers of steps: ``iterations`` at the last, or half.

    Examples
    --------
    >>> levels_of((192, 256, 3), 76, coarse_to_fine=True)
    [((48, 64), 38), ((96, 128), 38), ((192, 256), 76)]
    >>> levels_of((192, 256, 3), 76, coarse_to_fine=False)
    [((192, 256), 76)]
    """
    *coarse, last = coarse_to_fine_sizes(shape) if coarse_to_fine else [tuple(shape[:2])]
    return [(size, -(-iterations // 2)) for size in coarse] + [(last, iterations)]


def enlarged(G: np.ndarray, content: np.ndarray) -> np.ndarray:
    """Return G at the size of the content image, with its detail; G itself if it has that size."""
    if G.shape == content.shape:
        return G
    broad = resize_image(resize_image(content, G.shape[:2]), content.shape[:2])
    # G ← clip(↑G + C − ↑↓C, 0, 255)
    return np.clip(resize_image(G, content.shape[:2]) + content - broad, 0, 255)


def scaled_style(shape: Iterable[int], scale: float) -> Size:
    """Return a style image's (height, width) times ``scale``, rounded.

    It stays large enough for the deepest layers, and is not enlarged.

    Examples
    --------
    >>> scaled_style((300, 200, 3), 0.5), scaled_style((300, 200, 3), 0.01)
    ((150, 100), (48, 32))
    """
    height, width, *_ = shape
    scale = min(1.0, max(scale, SMALLEST_STYLE / min(height, width)))
    return round(height * scale), round(width * scale)
