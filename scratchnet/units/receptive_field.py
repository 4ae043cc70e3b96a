"""How much of the picture a unit sees.

A unit is one entry a_ijk of a layer's map. Its *receptive field* is the square of pixels that its
value depends on. Along one axis, let unit u of a layer see the r pixels

    u·jump − p  …  u·jump − p + r − 1

and let the next layer have windows of size n, stride s and padding q: its unit u sees the units
u·s − q … u·s − q + n − 1 below. The first of those begins at pixel (u·s − q)·jump − p, and the
last begins (n − 1)·jump pixels later. So, beginning with the picture, in which a "unit" is a pixel
(r = 1, jump = 1, p = 0), and layer by layer ::

    p ← p + q·jump
    r ← r + (n − 1)·jump
    jump ← jump·s

Deeper units see more because r grows by (n − 1)·jump, and the jump doubles at every pool. This is
the *theoretical* field: no pixel outside it has any influence. Pixels near its middle have the
most, since more paths through the network lead from them to the unit.
"""

from dataclasses import dataclass

import numpy as np

from scratchnet.network.network import Network


@dataclass(frozen=True)
class ReceptiveField:
    """What the units of one layer see.

    Attributes
    ----------
    size : int
        r: side of the square, in pixels.
    jump : int
        Pixels between the fields of neighbouring units.
    start : int
        −p: first pixel that unit 0 sees; negative, as the field begins in the padding.
    """

    size: int
    jump: int
    start: int

    def box(self, row: int, col: int) -> tuple[int, int, int, int]:
        """Return (top, left, bottom, right) of the unit at (row, col), in pixels.

        Half-open: rows top … bottom − 1. Not clipped: near a border it leaves the picture.
        """
        top, left = row * self.jump + self.start, col * self.jump + self.start
        return top, left, top + self.size, left + self.size

    def middle(self, position: np.ndarray | float) -> np.ndarray | float:
        """Return where the fields of units at these rows (or columns) have their middle, in px."""
        return position * self.jump + self.start + self.size / 2

    def position(self, middle: np.ndarray | float) -> np.ndarray | float:
        """Undo `middle`; between two units, the result is a fraction."""
        return (middle - self.start - self.size / 2) / self.jump


def receptive_field(network: Network, layer: str) -> ReceptiveField:
    """Return the receptive field of a layer's units.

    Parameters
    ----------
    network : Network
        Its layers' ``window`` is (size, stride, padding).
    layer : str

    Raises
    ------
    ValueError
        For an unknown layer.

    Examples
    --------
    >>> from scratchnet import VGG
    >>> receptive_field(VGG.load(), "conv5_3")
    ReceptiveField(size=196, jump=16, start=-90)
    """
    r, jump, p = 1, 1, 0
    for passed in network.layers[: network.depth([layer])]:
        if passed.window is None:
            raise ValueError(f"{passed.name} sees all positions, whatever the picture's size")
        n, s, q = passed.window
        # p ← p + q·jump
        p += q * jump
        # r ← r + (n − 1)·jump
        r += (n - 1) * jump
        # jump ← jump·s
        jump *= s
    return ReceptiveField(r, jump, -p)
