"""The ReLU a strip at a time, with a bit for each entry of its mask.

`network.relu` has the equations. Its mask takes a byte for each entry. In a transfer, masks are
most of what a forward pass has to remember; so here each row of the map is packed, (H, ⌈WC/8⌉).
"""

from dataclasses import dataclass, field

import numpy as np

from scratchnet.fast.memory import Scratch
from scratchnet.fast.workspace import Workspace, map_strips
from scratchnet.network.relu import ReLU

BOOL = np.dtype(bool)


def room_for_mask(shape: tuple[int, int, int]) -> np.ndarray:
    """Return room for the packed mask of a map (H, W, C)."""
    H, W, C = shape
    return np.empty((H, -(-W * C // 8)), np.uint8)


def rectify(x: np.ndarray, out: np.ndarray, scratch: Scratch) -> np.ndarray:
    """Write max(x, 0) to ``out``, which may be ``x``; return the packed mask 1[x > 0].

    Examples
    --------
    >>> x = np.array([[[-1.0, 2.0], [3.0, 0.0]]])
    >>> rectify(x, x, Scratch()).tolist(), x.tolist()  # 0110 0000
    ([[96]], [[[0.0, 2.0], [3.0, 0.0]]])
    """
    mask = np.greater(x, 0, out=scratch.empty("mask", x.shape, BOOL))
    # An array of zeros is a faster partner than the number 0.
    np.maximum(x, scratch.zeros(x.shape, x.dtype), out=out)
    return np.packbits(mask.reshape(len(x), -1), axis=1)


def gate(dy: np.ndarray, bits: np.ndarray, out: np.ndarray, scratch: Scratch) -> None:
    """Write dy · 1[x > 0] to ``out``, which may be ``dy``; ``bits`` is what `rectify` returned."""
    mask = np.unpackbits(bits, axis=1, count=dy[0].size).reshape(dy.shape)
    factor = scratch.empty("V or factor", dy.shape, dy.dtype)
    factor[:] = mask  # converting first is faster than a product of two types
    np.multiply(dy, factor, out=out)


@dataclass(frozen=True)
class FastReLU(ReLU):
    """`ReLU` with the memory and the threads of a workspace; its cache is the packed mask."""

    workspace: Workspace = field(default_factory=Workspace)

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rectify ``x``, as `ReLU.forward` does."""
        y = self.workspace.maps.empty(x.shape, x.dtype)
        bits = room_for_mask(x.shape)

        def strip(rows: slice):
            bits[rows] = rectify(x[rows], y[rows], self.workspace.scratch)

        map_strips(self.workspace, strip, x.shape)
        return y, bits

    def backward(self, dy: np.ndarray, cache: np.ndarray) -> np.ndarray:
        """Let the gradient through, as `ReLU.backward` does."""
        dx = self.workspace.maps.empty(dy.shape, dy.dtype)

        def strip(rows: slice):
            gate(dy[rows], cache[rows], dx[rows], self.workspace.scratch)

        map_strips(self.workspace, strip, dy.shape)
        return dx
