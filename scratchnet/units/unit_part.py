"""The part of a network that one unit depends on: nothing else is computed.

`receptive_field` asks, layer by layer up from the picture, how much of it a unit sees. This goes
down from one unit: which rows of each map does it take? Let it be in row i of its layer's map, and
begin with first = i, stop = i + 1. If rows first … stop − 1 of a layer's map are wanted, and the
layer has windows of size n, stride s and padding q, it must have of its input, of H rows ::

    first ← ⌊max(first·s − q, 0) / s⌋ · s
    stop ← min((stop − 1)·s − q + n, H)

and columns likewise. (Outside 0 … H − 1 there is nothing but padding. first is a multiple of s, so
that windows stay where they are in the whole map.) In front of the first layer, and of each that
sees more than one position, a `Crop` leaves out the rest ::

    y = x[rows, columns]                        forward
    dx = 0 but for dx[rows, columns] = dy       backward

So a unit of VGG-16's conv4_3 takes 3×3 positions of conv4_2's map, 5×5 of conv4_1's, 7×7 of
pool3's, 14×14 of conv3_3's, and 92×92 pixels: a cone whose base is the receptive field. In the
deepest layers, where most channels are, least is left to compute.

**Why that is exact.** Beside a crop's edge a convolution sees zeros where the whole map has
neighbours, so what it computes there is wrong. But what is wanted of it comes from windows inside
the crop, or from windows that reach over the whole map's border, where zeros are right; and the
next crop leaves the rest out. On the way back, what was left out gets the gradient 0: the unit does
not depend on it.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from scratchnet.network.layer import Layer, Shape
from scratchnet.network.network import Network

SEES_ALL = 1, 1, 0  # the window of a layer without one: it takes whole maps, and nothing moves


@dataclass(frozen=True)
class Crop:
    """A layer that leaves out all of a map (H, W, C) but some rows and columns.

    Parameters
    ----------
    rows, columns : slice
        Start and stop, within the map.
    size : (H, W)
        Of the map.
    name : str
    """

    rows: slice
    columns: slice
    size: tuple[int, int]
    name: str = "crop"
    window: ClassVar = None  # which entry sees what depends on where the crop is

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, Shape]:
        """Return x[rows, columns], and the shape of x."""
        self.output_shape(x.shape)  # raises for another size
        # y = x[rows, columns]
        return x[self.rows, self.columns], x.shape

    def backward(self, dy: np.ndarray, cache: Shape) -> np.ndarray:
        """Return dx, with zeros where x was left out."""
        dx = np.zeros(cache, dy.dtype)
        # dx = 0 but for dx[rows, columns] = dy
        dx[self.rows, self.columns] = dy
        return dx

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape of y; raise ValueError for a map of another size."""
        if shape[:2] != self.size:
            raise ValueError(f"{self.name}: got a map of shape {shape}, wanted one of {self.size}")
        return (self.rows.stop - self.rows.start, self.columns.stop - self.columns.start, shape[2])


def unit_part(
    network: Network, layer: str, position: tuple[int, int], size: tuple[int, int]
) -> tuple[Network, tuple[int, int]]:
    """Return a network that computes one position of a layer's map, and where it is in that map.

    Parameters
    ----------
    network : Network
        Its layers are used, not copied.
    layer : str
        The last layer of what is returned.
    position : (row, column)
        In the layer's map.
    size : (H, W)
        Of the pictures that it will be given.

    Raises
    ------
    ValueError
        For an unknown layer.

    Examples
    --------
    The unit in row 5 and column 0 of pool2's map, for a picture of 40×40 pixels:

    >>> from scratchnet import VGG
    >>> part, place = unit_part(VGG.load(), "pool2", (5, 0), (40, 40))
    >>> place, part.output_shapes(40, 40)["pool2"]
    ((0, 0), (1, 1, 128))
    >>> for layer in part.layers:
    ...     if isinstance(layer, Crop):
    ...         print(layer.name, layer.rows, layer.columns)
    crop before preprocess slice(14, 30, None) slice(0, 10, None)
    crop before conv1_2 slice(1, 15, None) slice(0, 9, None)
    crop before pool1 slice(1, 13, None) slice(0, 8, None)
    crop before conv2_2 slice(1, 5, None) slice(0, 3, None)
    crop before pool2 slice(1, 3, None) slice(0, 2, None)
    """
    layers, shapes = network.layers[: network.depth([layer])], [(*size, 3)]
    for passed in layers:
        shapes.append(passed.output_shape(shapes[-1]))
    wanted, taken = [range(n, n + 1) for n in position], []
    for passed, shape in zip(reversed(layers), reversed(shapes[:-1]), strict=True):
        wanted = [_taken(axis, passed, H) for axis, H in zip(wanted, shape, strict=False)]
        taken.append(wanted)
    part, there = [], [range(H) for H in size]  # rows and columns of the whole map that there are
    for passed, wanted, (_, _, C) in zip(layers, reversed(taken), shapes[:-1], strict=True):
        n, s, _ = passed.window or SEES_ALL
        if (n > 1 or not part) and wanted != there:
            part.append(_crop(there, wanted, f"crop before {passed.name}"))
            there = wanted
        part.append(passed)
        left = passed.output_shape((*map(len, there), C))
        there = [
            range(axis.start // s, axis.start // s + H)
            for axis, H in zip(there, left, strict=False)
        ]
    place = tuple(n - axis.start for n, axis in zip(position, there, strict=True))
    return network.with_layers(part), place


def middle_part(network: Network, layer: str, side: int) -> Network:
    """Return a network that computes the middle of a layer's map, for pictures (side, side, 3)."""
    H, W, _ = network.output_shapes(side, side)[layer]
    return unit_part(network, layer, (H // 2, W // 2), (side, side))[0]


def _taken(wanted: range, layer: Layer, H: int) -> range:
    """Return which of its input's H rows, or columns, a layer takes for those wanted of it."""
    if layer.window is None:  # it sees all positions
        return range(H)
    n, s, q = layer.window
    # first ← ⌊max(first·s − q, 0) / s⌋ · s
    first = max(wanted.start * s - q, 0) // s * s
    # stop ← min((stop − 1)·s − q + n, H)
    return range(first, min((wanted.stop - 1) * s - q + n, H))


def _crop(there: list[range], wanted: list[range], name: str) -> Crop:
    """Return the layer that leaves what is wanted of what there is."""
    rows, columns = (
        slice(take.start - have.start, take.stop - have.start)
        for take, have in zip(wanted, there, strict=True)
    )
    return Crop(rows, columns, tuple(map(len, there)), name)
