"""The pools a strip at a time; `network.pooling` has the equations.

A strip is an even number of rows of x, and half as many of y. Max pooling has one byte of switches
for each window. Its last two bits are the winner's number. A `stage` sets the next bit, STOPPED,
where the largest entry is 0: the ReLU in front of the pool then stops the window's gradient.

Partial windows need no copies here: windows are taken together if they have the same corners
(`alike`), and where a corner is missing, the one beside it is read twice.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from scratchnet.fast.memory import Scratch
from scratchnet.fast.relu import BOOL
from scratchnet.fast.workspace import Workspace, map_strips
from scratchnet.network.layer import Shape
from scratchnet.network.pooling import AveragePool, MaxPool

Corners = dict[int, np.ndarray]  # number 2u + v → that corner of some windows, a view of x


def alike(x: np.ndarray, partial_windows: bool) -> Iterator[tuple[tuple[slice, slice], Corners]]:
    """Yield windows that have the same corners: where they are in y, and their corners in x.

    Examples
    --------
    A map of 3×2: one whole window, and below it one of two corners.

    >>> x = np.arange(6).reshape(3, 2, 1)
    >>> for place, corners in alike(x, True):
    ...     print(place[0], {n: a.ravel().tolist() for n, a in corners.items()})
    slice(0, 1, None) {0: [0], 1: [1], 2: [2], 3: [3]}
    slice(1, 2, None) {0: [4], 1: [5]}
    """
    H, W, _ = x.shape

    def groups(n):  # first and last window, and how many of their rows (or columns) there are
        whole = [(0, n // 2, 2)]
        return whole + [(n // 2, n // 2 + 1, 1)] * (n % 2 and partial_windows)

    for top, bottom, us in groups(H):
        for left, right, vs in groups(W):
            corners = {
                2 * u + v: x[2 * top + u : 2 * bottom : 2, 2 * left + v : 2 * right : 2]
                for u in range(us)
                for v in range(vs)
            }
            yield (slice(top, bottom), slice(left, right)), corners


def all_four(corners: Corners) -> list[np.ndarray]:
    """Return four corners; instead of one that is missing, the one beside it."""
    a = corners[0]
    b, c = corners.get(1, a), corners.get(2, a)
    return [a, b, c, corners.get(3, c if 1 not in corners else b)]


def pool_max(corners: Corners, y: np.ndarray, switches: np.ndarray, scratch: Scratch) -> None:
    """Set y to the largest corner of each window, and ``switches``, uint8, to its number.

    Examples
    --------
    >>> x = np.array([[1, 5, 2, 2], [5, 0, 2, 3]]).reshape(2, 4, 1)
    >>> y, switches = np.zeros((1, 2, 1), int), np.zeros((1, 2, 1), np.uint8)
    >>> for place, corners in alike(x, False):
    ...     pool_max(corners, y[place], switches[place], Scratch())
    >>> y.ravel().tolist(), switches.ravel().tolist()  # the first of the fives
    ([5, 3], [1, 3])
    """
    a, b, c, d = all_four(corners)
    above = scratch.empty("mask", y.shape, BOOL)
    below = scratch.empty("below", y.shape, BOOL)
    lower = scratch.empty("V or factor", y.shape, y.dtype)
    # Two semifinals and a final; ">", not "≥": the first of equals stays the winner.
    np.greater(b, a, out=above)
    np.greater(d, c, out=below)
    np.maximum(a, b, out=y)
    np.maximum(c, d, out=lower)
    # 0 or 1 if the upper row wins, else 2 or 3: the larger of the two numbers, if the lower row's
    # counts only where it has won
    number = np.add(below.view(np.uint8), 2, out=below.view(np.uint8))
    number *= np.greater(lower, y)
    np.maximum(above.view(np.uint8), number, out=switches)
    np.maximum(y, lower, out=y)


def unpool_max(dy: np.ndarray, switches: np.ndarray, corners: Corners, scratch: Scratch) -> None:
    """Send each window's gradient to its winner, among corners of dx."""
    won = scratch.empty("mask", dy.shape, BOOL)
    factor = scratch.empty("V or factor", dy.shape, dy.dtype)
    for n, dx in corners.items():
        np.equal(switches, n, out=won)
        factor[:] = won  # converting first is faster than a product of two types
        np.multiply(dy, factor, out=dx)


def pool_average(corners: Corners, y: np.ndarray) -> None:
    """Set y to the mean of each window."""
    a, b, c, d = all_four(corners)
    np.add(a, b, out=y)
    y += c
    y += d
    y /= 4


def unpool_average(dy: np.ndarray, corners: Corners) -> None:
    """Share each window's gradient equally among corners of dx."""
    share = dy / len(corners)
    for dx in corners.values():
        dx[:] = share


def zero_remainder(dx: np.ndarray) -> None:
    """Set an odd last row and column to zero, if no window holds them."""
    H, W, _ = dx.shape
    dx[H // 2 * 2 :] = 0
    dx[:, W // 2 * 2 :] = 0


STOPPED = 4


class _InStrips:
    """Both passes of a pool: what they share is how strips are cut."""

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, tuple]:
        """Pool, as the plain layer does; the cache may be of a smaller integer type."""
        y = self.workspace.maps.empty(self.output_shape(x.shape), x.dtype)
        memory = self.new_memory(x.shape)
        map_strips(
            self.workspace, lambda rows: self.pool_rows(x[rows], rows, y, memory), x.shape, 2
        )
        return y, self.cache(memory, x.shape)

    def backward(self, dy: np.ndarray, cache: tuple) -> np.ndarray:
        """Carry a gradient back, as the plain layer does."""
        dx = self.workspace.maps.empty(self.input_shape(cache), dy.dtype)
        map_strips(
            self.workspace, lambda rows: self.unpool_rows(dy, cache, rows, dx[rows]), dx.shape, 2
        )
        return dx


def _windows(rows: slice) -> slice:
    """Return the rows of y that a strip's rows of x belong to."""
    return slice(rows.start // 2, -(-rows.stop // 2))


@dataclass(frozen=True)
class FastMaxPool(_InStrips, MaxPool):
    """`MaxPool` with the memory and the threads of a workspace; its switches are uint8."""

    workspace: Workspace = field(default_factory=Workspace)

    def new_memory(self, shape: Shape) -> np.ndarray:
        """Return room for the switches of a map of that shape."""
        return np.empty(self.output_shape(shape), np.uint8)

    def cache(self, memory: np.ndarray, shape: Shape) -> tuple:
        """Return the cache: like that of `MaxPool`, with marks."""
        return memory, shape

    def input_shape(self, cache: tuple) -> Shape:
        """Return the shape of x."""
        return cache[1]

    def pool_rows(self, x: np.ndarray, rows: slice, y: np.ndarray, memory: np.ndarray) -> None:
        """Pool some rows of a map: ``x`` are these, y and memory those of the whole map."""
        y, switches = y[_windows(rows)], memory[_windows(rows)]
        for place, corners in alike(x, self.partial_windows):
            pool_max(corners, y[place], switches[place], self.workspace.scratch)

    def mark_stopped(self, rows: slice, y: np.ndarray, memory: np.ndarray) -> None:
        """Mark the windows of some rows of x whose largest entry is 0."""
        to = _windows(rows)
        memory[to] += STOPPED * (y[to] == 0).view(np.uint8)

    def unpool_rows(
        self, dy: np.ndarray, cache: tuple, rows: slice, dx: np.ndarray, *, stop: bool = False
    ) -> None:
        """Set ``dx``, some rows of the map, from dy and the cache of all.

        With ``stop``, nothing comes back through the windows that are marked.
        """
        of = _windows(rows)
        dy, switches = dy[of], cache[0][of]
        if not stop:
            switches = switches % STOPPED
        for place, corners in alike(dx, self.partial_windows):
            unpool_max(dy[place], switches[place], corners, self.workspace.scratch)
        if not self.partial_windows:
            zero_remainder(dx)


@dataclass(frozen=True)
class FastAveragePool(_InStrips, AveragePool):
    """`AveragePool` with the memory and the threads of a workspace."""

    workspace: Workspace = field(default_factory=Workspace)

    def new_memory(self, shape: Shape) -> None:
        """Return nothing: there is nothing to remember."""

    def cache(self, memory: None, shape: Shape) -> Shape:
        """Return the cache, that of `AveragePool`."""
        return shape

    def input_shape(self, cache: Shape) -> Shape:
        """Return the shape of x."""
        return cache

    def pool_rows(self, x: np.ndarray, rows: slice, y: np.ndarray, memory: None) -> None:
        """Pool some rows of a map: ``x`` are these, y is the whole map's."""
        y = y[_windows(rows)]
        for place, corners in alike(x, self.partial_windows):
            pool_average(corners, y[place])

    def unpool_rows(self, dy: np.ndarray, cache: tuple, rows: slice, dx: np.ndarray) -> None:
        """Set ``dx``, some rows of the map, from dy of all."""
        dy = dy[_windows(rows)]
        for place, corners in alike(dx, self.partial_windows):
            unpool_average(dy[place], corners)
        if not self.partial_windows:
            zero_remainder(dx)
