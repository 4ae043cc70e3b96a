"""The part of a network that one unit depends on: nothing else is computed.

`receptive_field` asks, layer by layer up from the picture, how much of it a unit sees. This goes
down from one unit: which rows of each map does it need? Let it be in row i of its layer's map, and
begin with first = i, stop = i + 1. If rows first … stop − 1 of a layer's map are needed, and the
layer has windows of size n, stride s and padding q, then of its input, H rows, these are ::

    first ← ⌊max(first·s − q, 0) / s⌋ · s
    stop ← min((stop − 1)·s − q + n, H)

and columns likewise. (Rows before 0 and after H − 1 are padding. first is a multiple of s, so that
windows lie where they lie in the whole map.) In front of a layer, a `Crop` leaves out the rest, and
row i of the whole map is from then on row i − first; behind the layer, row i of its own whole map
is row i − first/s ::

    y = x[rows, columns]                        forward
    dx = 0 but for dx[rows, columns] = dy       backward

A layer that computes each position from that position alone, such as a ReLU, needs no crop: the one
before did it. So a unit of VGG-16's conv4_3 takes 3×3 positions of conv4_2's map, 5×5 of conv4_1's,
7×7 of pool3's, 14×14 of conv3_3's, and 92×92 pixels: a cone whose base is the receptive field. In
the deepest layers, where most channels are, least is left to compute.

**Why that is exact** (but for rounding). Beside a crop's edge a convolution sees zeros where the
whole map has neighbours, so what it computes there is wrong. But what is needed of it comes from
windows inside the crop, or from windows that reach over the whole map's border, where zeros are
right; and the next crop leaves the rest out. A pool's windows are whole in the crop unless they are
not in the map. On the way back, what was left out gets the gradient 0: the unit does not depend on
it.
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
        Start and stop, within the map that it is given.
    size : (H, W)
        Of that map.
    name : str
    """

    rows: slice
    columns: slice
    size: tuple[int, int]
    name: str = "crop"
    window: ClassVar = None  # as it has its own place in the map, no rule is the same everywhere

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
    """Return a network whose last map is right at one place, and that place.

    Parameters
    ----------
    network : Network
        Its layers are used, not copied.
    layer : str
        The last layer of what is returned.
    position : (row, column)
        In the layer's map, of what is wanted.
    size : (H, W)
        Of the pictures that it will be given.

    Returns
    -------
    part : Network
        From the picture to ``layer``, with a `Crop` in front of some layers.
    place : (row, column)
        In the last map of ``part``, which may have other entries, too: they are wrong.

    Raises
    ------
    ValueError
        For an unknown layer, a position outside its map, or a network that is a part already.

    Examples
    --------
    The unit in row 5 and column 0 of pool2's map, for a picture of 40×40 pixels. It sees the rows
    14 … 29, and the columns −6 … 9, of which six are outside:

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
    if any(isinstance(passed, Crop) for passed in layers):
        raise ValueError("got a network that is one unit's part already")
    for passed in layers:
        shapes.append(passed.output_shape(shapes[-1]))
    if not all(0 <= at < length for at, length in zip(position, shapes[-1], strict=False)):
        raise ValueError(
            f"got position {position}, but {layer}'s map has the size {shapes[-1][:2]}"
        )
    axes, needed = [range(at, at + 1) for at in position], []
    for passed, shape in zip(reversed(layers), reversed(shapes[:-1]), strict=True):
        axes = [_needed(axis, passed, length) for axis, length in zip(axes, shape, strict=False)]
        needed.append(axes)
    part, there = [], [range(length) for length in size]  # of the whole map, what is computed
    for passed, axes, (_, _, C) in zip(layers, reversed(needed), shapes[:-1], strict=True):
        n, s, _ = passed.window or SEES_ALL
        if ((n, s) != (1, 1) or not part) and axes != there:
            part.append(_crop(there, axes, f"crop before {passed.name}"))
            there = axes
        part.append(passed)
        lengths = passed.output_shape((*map(len, there), C))
        there = [
            range(axis.start // s, axis.start // s + length)
            for axis, length in zip(there, lengths, strict=False)
        ]
    place = tuple(at - axis.start for at, axis in zip(position, there, strict=True))
    return network.with_layers(part), place


def middle_part(network: Network, layer: str, side: int) -> Network:
    """Return a network that computes the middle unit of a layer, for pictures (side, side, 3).

    That unit is in the middle of its last map, too. Where no part has it there, as with kernels
    that are not square, it is the whole network.
    """
    H, W, _ = network.output_shapes(side, side)[layer]
    part, place = unit_part(network, layer, (H // 2, W // 2), (side, side))
    H, W, _ = part.output_shapes(side, side)[layer]
    return part if place == (H // 2, W // 2) else network


def _needed(axis: range, layer: Layer, H: int) -> range:
    """Return which of its input's H rows, or columns, a layer needs for those of its output."""
    if layer.window is None:  # it sees all positions
        return range(H)
    n, s, q = layer.window
    # first ← ⌊max(first·s − q, 0) / s⌋ · s
    first = max(axis.start * s - q, 0) // s * s
    # stop ← min((stop − 1)·s − q + n, H)
    stop = min((axis.stop - 1) * s - q + n, H)
    first = min(first, (H - 1) // s * s)  # where windows lie in the padding alone, one row is left
    return range(first, max(stop, first + 1))


def _crop(there: list[range], needed: list[range], name: str) -> Crop:
    """Return the layer that leaves what is needed of what there is."""
    rows, columns = (
        slice(need.start - have.start, need.stop - have.start)
        for need, have in zip(needed, there, strict=True)
    )
    return Crop(rows, columns, tuple(map(len, there)), name)
