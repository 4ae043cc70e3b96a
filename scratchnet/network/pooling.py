"""Pooling: each 2×2 window of a channel becomes one number, so the map halves.

The four corners of window (i, j) of channel k are ``x[2i+u, 2j+v, k]`` with u, v in {0, 1}.
An odd last row or column fills no window and is dropped: ⌊H/2⌋ × ⌊W/2⌋ windows (at the 224 px that
VGG was trained on there is none). With ``partial_windows`` it has windows of its own, of one or two
corners, so that a picture counts up to its border: ⌈H/2⌉ × ⌈W/2⌉ windows. The missing corners are
copies of those beside them, since then the largest of four is the largest of what is there, and the
mean of four is the mean of what is there ::

    x[H, j, k] = x[H−1, j, k]  for an odd H
    x[i, W, k] = x[i, W−1, k]  for an odd W

On the way back, what a copy receives is its original's: dx[H−1, j, k] += dx[H, j, k], and likewise
for columns. (A copy never wins, since of equals the first does.)

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

from scratchnet.network.layer import Shape

CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))  # (u, v) in reading order


def corner(x: np.ndarray, u: int, v: int) -> np.ndarray:
    """View corner (u, v) of every whole window: (H, W, C) → (H//2, W//2, C)."""
    H, W, _ = x.shape
    return x[u : H // 2 * 2 : 2, v : W // 2 * 2 : 2]


@dataclass(frozen=True)
class Pool:
    """What both kinds share: their windows, and the shape of y.

    Parameters
    ----------
    name : str
    partial_windows : bool
        Whether an odd last row or column has windows of its own, or is dropped.
    """

    name: str = "pool"
    partial_windows: bool = False
    window: ClassVar[tuple[int, int, int]] = (2, 2, 0)  # size, stride, padding

    def output_shape(self, shape: Shape) -> Shape:
        """Return (H′, W′, C): H′ = ⌊H/2⌋ or, with partial windows, ⌈H/2⌉; W′ likewise."""
        H, W, C = shape
        more = int(self.partial_windows)
        return (H + more) // 2, (W + more) // 2, C

    def with_copies(self, x: np.ndarray) -> np.ndarray:
        """Return x with an odd last row and column twice, if windows can be partial."""
        if not self.partial_windows:
            return x
        H, W, _ = x.shape
        # x[H, j, k] = x[H−1, j, k]  for an odd H
        # x[i, W, k] = x[i, W−1, k]  for an odd W
        return np.pad(x, ((0, H % 2), (0, W % 2), (0, 0)), "edge")

    def without_copies(self, dx: np.ndarray, shape: Shape) -> np.ndarray:
        """Give each original what its copies received; ``shape`` is that of x without them."""
        H, W, _ = shape
        if len(dx) > H:
            # dx[H−1, j, k] += dx[H, j, k]
            dx[H - 1] += dx[H]
        if dx.shape[1] > W:
            dx[:, W - 1] += dx[:, W]
        return dx[:H, :W]


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
        y : ndarray, (H′, W′, C), as `output_shape` has it
        cache : (switches, shape)
            ``switches``, integers (H′, W′, C): which corner won, 0 to 3 in reading order;
            ``shape``: (H, W, C) of ``x``.
        """
        whole = self.with_copies(x)
        corners = np.stack([corner(whole, u, v) for u, v in CORNERS])  # (4, H′, W′, C)
        # y_ijk = max over u, v of x[2i+u, 2j+v, k]; argmax takes the first of equals
        return corners.max(axis=0), (corners.argmax(axis=0), x.shape)

    def backward(self, dy: np.ndarray, cache: tuple) -> np.ndarray:
        """Send each window's gradient to its winner."""
        switches, shape = cache
        dx = self.with_copies(np.zeros(shape, dy.dtype))
        for n, (u, v) in enumerate(CORNERS):
            # dx[2i+u, 2j+v, k] = dy_ijk where (u, v) won the window, and 0 elsewhere
            corner(dx, u, v)[:] = dy * (switches == n)
        return self.without_copies(dx, shape)


@dataclass(frozen=True)
class AveragePool(Pool):
    """The mean of each 2×2 window."""

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, Shape]:
        """Average each window: (H, W, C) → (H′, W′, C); the cache is the shape of ``x``."""
        whole = self.with_copies(x)
        # y_ijk = ¼ Σ_uv x[2i+u, 2j+v, k]
        return sum(corner(whole, u, v) for u, v in CORNERS) / 4, x.shape

    def backward(self, dy: np.ndarray, cache: Shape) -> np.ndarray:
        """Share each window's gradient equally."""
        dx = self.with_copies(np.zeros(cache, dy.dtype))
        for u, v in CORNERS:
            # dx[2i+u, 2j+v, k] = ¼ dy_ijk
            corner(dx, u, v)[:] = dy / 4
        return self.without_copies(dx, cache)
