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


@dataclass(frozen=True)
class MaxPool:
    """The largest entry of each 2×2 window.

    Where entries tie for the largest, the first of them in reading order (row by row) is the
    winner and receives the whole gradient.
    """

    name: str = "pool"

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, tuple]:
        """Keep the largest entry of each window.

        Parameters
        ----------
        x : ndarray, (H, W, C)

        Returns
        -------
        y : ndarray, (H//2, W//2, C)
        cache : (switches, shape)
            ``switches``, uint8 (H//2, W//2, C): which corner won, 0 to 3 in reading order;
            ``shape``: (H, W, C) of ``x``.
        """
        y = _corner(x, *CORNERS[0]).copy()
        switches = np.zeros(y.shape, np.uint8)
        for n, (u, v) in enumerate(CORNERS[1:], start=1):
            corner = _corner(x, u, v)
            switches[corner > y] = n  # ">", not "≥": the first of equals stays the winner
            np.maximum(y, corner, out=y)
        return y, (switches, x.shape)

    def backward(self, dy: np.ndarray, cache: tuple) -> np.ndarray:
        """Send each window's gradient to its winner: dx = dy there, 0 elsewhere."""
        switches, shape = cache
        dx = np.zeros(shape, dy.dtype)
        for n, (u, v) in enumerate(CORNERS):
            _corner(dx, u, v)[:] = dy * (switches == n)
        return dx

    def output_shape(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """Return (H//2, W//2, C)."""
        return _halved(shape)


@dataclass(frozen=True)
class AveragePool:
    """The mean of each 2×2 window."""

    name: str = "pool"

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, tuple[int, int, int]]:
        """Average each window: (H, W, C) → (H//2, W//2, C); the cache is the shape of ``x``."""
        return sum(_corner(x, u, v) for u, v in CORNERS) / 4, x.shape

    def backward(self, dy: np.ndarray, cache: tuple[int, int, int]) -> np.ndarray:
        """Share each window's gradient equally: dx = ¼ dy at all four corners."""
        dx = np.zeros(cache, dy.dtype)
        for u, v in CORNERS:
            _corner(dx, u, v)[:] = dy / 4
        return dx

    def output_shape(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """Return (H//2, W//2, C)."""
        return _halved(shape)
