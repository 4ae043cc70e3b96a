"""The rectified linear unit.

Forward::

    y_ijk = max(x_ijk, 0)

Backward, by the chain rule with ∂y/∂x = 1 where x > 0 and 0 elsewhere::

    dx_ijk = dy_ijk · 1[x_ijk > 0]

At x = 0 itself the function has a kink and no derivative; we take 0 there, as everyone does.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np


@dataclass(frozen=True)
class ReLU:
    """y = max(x, 0), entry by entry."""

    name: str = "relu"
    in_place: ClassVar[bool] = True
    window: ClassVar[tuple[int, int, int]] = (1, 1, 0)  # size, stride, padding

    def forward(
        self, x: np.ndarray, out: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rectify ``x``.

        Parameters
        ----------
        x : ndarray, (H, W, C)
        out : ndarray, (H, W, C), optional
            Where to write y; ``x`` itself will do.

        Returns
        -------
        y : ndarray, (H, W, C)
        cache : ndarray of uint8, (⌈HWC/8⌉,)
            The mask 1[x > 0]: one bit an entry is all the derivative needs.
        """
        mask = np.packbits(x > 0)
        return np.maximum(x, 0, out=out), mask

    def backward(
        self, dy: np.ndarray, cache: np.ndarray, out: np.ndarray | None = None
    ) -> np.ndarray:
        """Let the gradient through where the input was positive: dx = dy · 1[x > 0]."""
        mask = np.unpackbits(cache, count=dy.size).reshape(dy.shape)
        return np.multiply(dy, mask, out=out)

    def output_shape(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """Return (H, W, C) unchanged."""
        return shape
