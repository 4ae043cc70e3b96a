"""The contract that every layer keeps, written once.

A layer is a function y = f(x) with its derivative beside it. J is whatever is to be made smaller.
All that a layer is told of it is dy = ∂J/∂y, and it returns dx = ∂J/∂x, by the chain rule (m and n
count the entries of x and y) ::

    ∂J/∂x_m = Σ_n ∂J/∂y_n · ∂y_n/∂x_m

``cache`` is what the derivative needs to know of the forward pass, and nothing more: it shows what
the derivative depends on. A layer itself never changes during a pass, so one layer can serve any
number of pictures.
"""

from typing import Any, Protocol

import numpy as np

Shape = tuple[int, int, int]  # (H, W, C)


class Layer(Protocol):
    """What `Network` asks of a layer.

    Attributes
    ----------
    name : str
        Unique in its network.
    window : (size, stride, padding) or None
        What one entry of y sees of x: ``size`` rows, of which the first is row i·stride − padding
        for row i of y; along columns likewise (for a kernel that is not square, the larger side).
        None for a layer that sees all positions. It is there for `units`; forward and backward do
        not use it.
    """

    name: str
    window: tuple[int, int, int] | None

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, Any]:
        """Return y = f(x), and the cache; x, (H, W, C), is left as it is."""

    def backward(self, dy: np.ndarray, cache: Any) -> np.ndarray:
        """Return dx = ∂J/∂x, shaped like x, for dy = ∂J/∂y, which is left as it is."""

    def output_shape(self, shape: Shape) -> tuple[int, ...]:
        """Return the shape of y for an x of that shape, without computing it."""
