"""Rows in, rows out: how a convolution is computed a strip at a time.

A strip is a few rows of a map, small enough to stay in a core's cache. A fast convolution asks for
the rows of its input as it needs them, ``read(first, stop)``, and hands its output's rows on as
they come, to an `Outlet`. So what lies before or behind it (a ReLU, a pool, a sum of gradients) is
done on rows that are in the cache anyway, and a map that nobody asked for is never written
(`stage` does that). Alone, a convolution reads from an array and writes to another.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import NamedTuple, Protocol

import numpy as np

from scratchnet.fast.workspace import Workspace
from scratchnet.network.convolution import Convolution
from scratchnet.network.layer import Shape

BEHIND = 2.5  # · a strip of y: its rows, and what a ReLU and a pool take for their masks and zeros
Read = Callable[[int, int], np.ndarray]  # (first, stop) → rows, zeros where there are none


class Outlet(Protocol):
    """Where rows go."""

    def place(self, rows: slice) -> np.ndarray:
        """Return where to write these rows of the output, (rows, W, C)."""

    def done(self, rows: slice, y: np.ndarray) -> None:
        """Take the rows written to what `place` returned."""


class Into:
    """An outlet that is an array, made when the first rows come.

    By then the convolution has its own work arrays: memory is filled with the larger ones first.
    """

    def __init__(self, empty: Callable[[], np.ndarray]):
        self._empty, self._lock, self._y = empty, Lock(), None

    @property
    def y(self) -> np.ndarray:
        """The array."""
        with self._lock:
            if self._y is None:
                self._y = self._empty()
        return self._y

    def place(self, rows: slice) -> np.ndarray:
        """Return a view of these rows."""
        return self.y[rows]

    def done(self, rows: slice, y: np.ndarray) -> None:
        """Do nothing: the rows are where they belong."""


def padded_rows(x: np.ndarray, first: int, stop: int) -> np.ndarray:
    """Return the rows first … stop − 1 of x, a view where they exist, with zeros elsewhere.

    Examples
    --------
    >>> padded_rows(np.array([[1, 2], [3, 4]]), -1, 1)
    array([[0, 0],
           [1, 2]])
    """
    H = len(x)
    if first >= 0 and stop <= H:
        return x[first:stop]
    rows = np.zeros((stop - first, *x.shape[1:]), x.dtype)
    inside = slice(max(first, 0), min(stop, H))
    rows[inside.start - first : inside.stop - first] = x[inside]
    return rows


class Room(NamedTuple):
    """How many entries a convolution takes at most beside its kernel, x and y, in either pass.

    ``kept`` for good, ``kernel`` and ``map`` while it computes, and ``strip`` for each thread,
    with what a ReLU and a pool behind it take.
    """

    kept: int = 0
    kernel: int = 0
    map: int = 0
    strip: int = 0


@dataclass(frozen=True, eq=False)
class StripConvolution(Convolution):
    """A `Convolution` that can be computed in strips; the algorithm is a subclass's.

    Parameters
    ----------
    kernel, bias, stride, padding, name
        As for `Convolution`.
    workspace : Workspace
        Where memory and threads come from. What `forward` and `backward` return is the caller's
        for as long as he holds it.
    """

    workspace: Workspace = field(default_factory=Workspace)

    def forward_strips(self, read: Read, shape: Shape, dtype: np.dtype, outlet: Outlet) -> None:
        """Convolve an input of that shape, (H, W, C_in), and dtype; ``read`` gives its rows."""
        raise NotImplementedError

    def backward_strips(self, read: Read, shape: Shape, dtype: np.dtype, outlet: Outlet) -> None:
        """Hand out dx, of that shape; ``read`` gives the rows of dy."""
        raise NotImplementedError

    def memory(self, shape: Shape) -> Room:
        """Return what an input of that shape (H, W, C_in) takes."""
        raise NotImplementedError

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, Shape]:
        """Convolve, as `Convolution.forward` does."""
        x = np.ascontiguousarray(x)
        shape = self.output_shape(x.shape)
        outlet = Into(lambda: self.workspace.maps.empty(shape, x.dtype))
        self.forward_strips(partial(padded_rows, x), x.shape, x.dtype, outlet)
        return outlet.y, x.shape

    def backward(self, dy: np.ndarray, cache: Shape) -> np.ndarray:
        """Return ∂J/∂x, as `Convolution.backward` does."""
        dy = np.ascontiguousarray(dy)
        outlet = Into(lambda: self.workspace.maps.empty(cache, dy.dtype))
        self.backward_strips(partial(padded_rows, dy), cache, dy.dtype, outlet)
        return outlet.y


@dataclass(frozen=True, eq=False)
class WholeConvolution(StripConvolution):
    """The plain convolution with the whole map as its strip, for maps that are hardly larger."""

    def forward_strips(self, read: Read, shape: Shape, dtype: np.dtype, outlet: Outlet) -> None:
        """Convolve the whole map by im2col."""
        y, _ = Convolution.forward(self, read(0, shape[0]))
        self._hand_out(y, outlet)

    def backward_strips(self, read: Read, shape: Shape, dtype: np.dtype, outlet: Outlet) -> None:
        """Hand out dx, by col2im."""
        H, _, _ = self.output_shape(shape)
        self._hand_out(Convolution.backward(self, read(0, H), shape), outlet)

    @staticmethod
    def _hand_out(y: np.ndarray, outlet: Outlet) -> None:
        rows = slice(0, len(y))
        place = outlet.place(rows)
        place[:] = y
        outlet.done(rows, place)

    def memory(self, shape: Shape) -> Room:
        """Return the patches with a second y."""
        H, W, C_out = self.output_shape(shape)
        return Room(map=H * W * (len(self.omega) + C_out))
