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


def corner(x: np.ndarray, u: int, v: int) -> np.ndarray:
    """View corner (u, v) of every window: (H, W, C) → (H//2, W//2, C)."""
    H, W, _ = x.shape
    return x[u : H // 2 * 2 : 2, v : W // 2 * 2 : 2]


@dataclass(frozen=True)
class Pool:
    """What both kinds share: their window, and the shape of y."""

    name: str = "pool"
    window: ClassVar[tuple[int, int, int]] = (2, 2, 0)  # size, stride, padding

    def output_shape(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """Return (H//2, W//2, C)."""
        H, W, C = shape
        return H // 2, W // 2, C


@dataclass(frozen=True)
class MaxPool(Pool):
    """The largest entry of each 2×2 window.

    Where entries tie for the largest, the first of them in reading order (row by row) is the
    winner and receives the whole gradient.
    """

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, tuple]:
        """Keep the largest entry of each window.

        Parameters
        ----------
        x : ndarray, (H, W, C)

        Returns
        -------
        y : ndarray, (H//2, W//2, C)
        cache : (switches, shape)
            ``switches``, integers (H//2, W//2, C): which corner won, 0 to 3 in reading order;
            ``shape``: (H, W, C) of ``x``.
        """
        corners = np.stack([corner(x, u, v) for u, v in CORNERS])  # (4, H//2, W//2, C)
        # y_ijk = max over u, v of x[2i+u, 2j+v, k]; argmax takes the first of equals
        return corners.max(axis=0), (corners.argmax(axis=0), x.shape)

    def backward(self, dy: np.ndarray, cache: tuple) -> np.ndarray:
        """Send each window's gradient to its winner."""
        switches, shape = cache
        dx = np.zeros(shape, dy.dtype)
        for n, (u, v) in enumerate(CORNERS):
            # dx[2i+u, 2j+v, k] = dy_ijk where (u, v) won the window, and 0 elsewhere
            corner(dx, u, v)[:] = dy * (switches == n)
        return dx


@dataclass(frozen=True)
class AveragePool(Pool):
    """The mean of each 2×2 window."""

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, tuple[int, int, int]]:
        """Average each window: (H, W, C) → (H//2, W//2, C); the cache is the shape of ``x``."""
        # y_ijk = ¼ Σ_uv x[2i+u, 2j+v, k]
        return sum(corner(x, u, v) for u, v in CORNERS) / 4, x.shape

    def backward(self, dy: np.ndarray, cache: tuple[int, int, int]) -> np.ndarray:
        """Share each window's gradient equally."""
        dx = np.zeros(cache, dy.dtype)
        for u, v in CORNERS:
            # dx[2i+u, 2j+v, k] = ¼ dy_ijk
            corner(dx, u, v)[:] = dy / 4
        return dx
