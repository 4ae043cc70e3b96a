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
    window: ClassVar[tuple[int, int, int]] = (1, 1, 0)  # size, stride, padding

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rectify ``x``, (H, W, C); the cache is the mask 1[x > 0], of the same shape."""
        # y_ijk = max(x_ijk, 0)
        return np.maximum(x, 0), x > 0

    def backward(self, dy: np.ndarray, cache: np.ndarray) -> np.ndarray:
        """Let the gradient through where the input was positive."""
        # dx_ijk = dy_ijk · 1[x_ijk > 0]
        return dy * cache

    def output_shape(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """Return (H, W, C) unchanged."""
        return shape
