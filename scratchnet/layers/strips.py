"""Local layers by several threads, a strip of rows at a time.

A ReLU needs one row of its input for a row of its output, a pooling two. So either can be
computed strip by strip, in a core's cache, and the strips be shared out among threads:
`InStrips` does that for the plain layers, and computes the same, bit for bit.
"""

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from scratchnet.workspace import Workspace, strips

STRIP_ENTRIES = 2**17  # entries of x: half a MB in float32


@dataclass(frozen=True)
class InStrips:
    """A `ReLU`, `MaxPool` or `AveragePool` with the memory and the threads of a workspace.

    Parameters
    ----------
    layer : ReLU, MaxPool or AveragePool
    workspace : Workspace
    """

    layer: Any
    workspace: Workspace

    @property
    def name(self) -> str:
        """The layer's own name."""
        return self.layer.name

    @property
    def window(self) -> tuple[int, int, int]:
        """The layer's own window."""
        return self.layer.window

    @property
    def in_place(self) -> bool:
        """Whether y may be written over x, as the layer says."""
        return getattr(self.layer, "in_place", False)

    def forward(self, x: np.ndarray, out: np.ndarray | None = None) -> tuple[np.ndarray, tuple]:
        """Run the layer's forward pass strip by strip; the cache is one of each strip."""
        y = self.workspace.maps.empty(self.output_shape(x.shape), x.dtype) if out is None else out

        def strip(parts: tuple[slice, slice]):
            of_x, of_y = parts
            return self.layer.forward(x[of_x], out=y[of_y])[1]

        return y, (self.workspace.map(strip, self._parts(x.shape)), x.shape)

    def backward(self, dy: np.ndarray, cache: tuple, out: np.ndarray | None = None) -> np.ndarray:
        """Run the layer's backward pass strip by strip."""
        caches, shape = cache
        dx = self.workspace.maps.empty(shape, dy.dtype) if out is None else out

        def strip(part: tuple):
            (of_x, of_y), strip_cache = part
            self.layer.backward(dy[of_y], strip_cache, out=dx[of_x])

        self.workspace.map(strip, zip(self._parts(shape), caches, strict=True))
        return dx

    def _parts(self, shape: tuple[int, int, int]) -> list[tuple[slice, slice]]:
        """Return the strips' rows in x and in y."""
        _, rows, _ = self.window  # of x for each row of y
        height = max(1, STRIP_ENTRIES // prod(shape[1:]) // rows) * rows
        return [(s, slice(s.start // rows, s.stop // rows)) for s in strips(shape[0], height)]

    def output_shape(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """Return the layer's own output shape."""
        return self.layer.output_shape(shape)
