"""Pooling: each 2×2 window of a channel becomes one number, so the map halves.

The four corners of window (i, j) of channel k are ``x[2i+u, 2j+v, k]`` with u, v in {0, 1}.
An odd last row or column has no window of its own and is dropped (at the 224 px that VGG was
trained on there is none).

Max pooling; the *switches* are what it remembers, which (u, v) won each window::

    y_ijk = max over u, v of x[2i+u, 2j+v, k]
    dx[2i+u, 2j+v, k] = dy_ijk where (u, v) won the window, and 0 elsewhere

Average pooling (Gatys et al. 2015 found its pictures a little smoother)::

    y_ijk = ¼ Σ_uv x[2i+u, 2j+v, k]
    dx[2i+u, 2j+v, k] = ¼ dy_ijk
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))  # (u, v) in reading order


def _corner(x: np.ndarray, u: int, v: int) -> np.ndarray:
    """View corner (u, v) of every window: (H, W, C) → (H//2, W//2, C)."""
    H, W, _ = x.shape
    return x[u : H // 2 * 2 : 2, v : W // 2 * 2 : 2]


def _halved(shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return the shape after pooling: (H, W, C) → (H//2, W//2, C)."""
    H, W, C = shape
    return H // 2, W // 2, C


def _zero_remainder(dx: np.ndarray) -> np.ndarray:
    """Set an odd last row and column to zero: no window holds them."""
    H, W, _ = dx.shape
    dx[H // 2 * 2 :] = 0
    dx[:, W // 2 * 2 :] = 0
    return dx


@dataclass(frozen=True)
class MaxPool:
    """The largest entry of each 2×2 window.

    Where entries tie for the largest, the first of them in reading order (row by row) is the
    winner and receives the whole gradient.
    """

    name: str = "pool"
    window: ClassVar[tuple[int, int, int]] = (2, 2, 0)  # size, stride, padding

    def forward(self, x: np.ndarray, out: np.ndarray | None = None) -> tuple[np.ndarray, tuple]:
        """Keep the largest entry of each window.

        Parameters
        ----------
        x : ndarray, (H, W, C)
        out : ndarray, (H//2, W//2, C), optional
            Where to write y.

        Returns
        -------
        y : ndarray, (H//2, W//2, C)
        cache : (switches, shape)
            ``switches``, uint8 (H//2, W//2, C): which corner won, 0 to 3 in reading order;
            ``shape``: (H, W, C) of ``x``.
        """
        a, b, c, d = (_corner(x, u, v) for u, v in CORNERS)
        # Two semifinals and a final; ">", not "≥": the first of equals stays the winner.
        upper, lower = np.maximum(a, b, out=out), np.maximum(c, d)
        winner_above, winner_below = (b > a).view(np.uint8), 2 + (d > c).view(np.uint8)
        # winner_below is the larger number, and 0 where its row has not won
        switches = np.maximum(winner_above, winner_below * (lower > upper))
        return np.maximum(upper, lower, out=upper), (switches, x.shape)

    def backward(self, dy: np.ndarray, cache: tuple, out: np.ndarray | None = None) -> np.ndarray:
        """Send each window's gradient to its winner: dx = dy there, 0 elsewhere."""
        switches, shape = cache
        dx = np.empty(shape, dy.dtype) if out is None else out
        for n, (u, v) in enumerate(CORNERS):
            np.multiply(dy, switches == n, out=_corner(dx, u, v))
        return _zero_remainder(dx)

    def output_shape(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """Return (H//2, W//2, C)."""
        return _halved(shape)


@dataclass(frozen=True)
class AveragePool:
    """The mean of each 2×2 window."""

    name: str = "pool"
    window: ClassVar[tuple[int, int, int]] = (2, 2, 0)  # size, stride, padding

    def forward(
        self, x: np.ndarray, out: np.ndarray | None = None
    ) -> tuple[np.ndarray, tuple[int, int, int]]:
        """Average each window: (H, W, C) → (H//2, W//2, C); the cache is the shape of ``x``."""
        a, b, c, d = (_corner(x, u, v) for u, v in CORNERS)
        return np.multiply(a + b + c + d, 1 / 4, out=out), x.shape

    def backward(
        self, dy: np.ndarray, cache: tuple[int, int, int], out: np.ndarray | None = None
    ) -> np.ndarray:
        """Share each window's gradient equally: dx = ¼ dy at all four corners."""
        dx = np.empty(cache, dy.dtype) if out is None else out
        for u, v in CORNERS:
            np.multiply(dy, 1 / 4, out=_corner(dx, u, v))
        return _zero_remainder(dx)

    def output_shape(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """Return (H//2, W//2, C)."""
        return _halved(shape)
