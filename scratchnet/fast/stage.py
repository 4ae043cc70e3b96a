"""A convolution with the ReLU and the pool behind it, in one pass over strips, both ways.

By themselves, the three layers write and read three maps. Here a convolution's rows are rectified
and pooled while they are in a core's cache, and the only maps written are those that somebody
wants: the last one, and the ReLU's if J looks at it. With z the convolution's output, ::

    a = max(z, 0),  y = pool(a)                     forward
    dz = (g + unpool(dy)) · 1[z > 0]                backward

and dz is made for the rows that the convolution asks for, and nowhere else. g is the gradient of
J's own terms at a, or 0; without a pool, unpool(dy) is dy itself. With a max pool and no g the mask
need not be unpacked: only winners get a gradient, and a winner has z > 0 exactly where y > 0. The
other windows are marked as stopped (`pooling`).

The caches are those of the three fast layers, so that they can be walked back one by one as well.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np

from scratchnet.fast.pooling import FastAveragePool, FastMaxPool
from scratchnet.fast.relu import FastReLU, gate, rectify, room_for_mask
from scratchnet.fast.strips import Into, StripConvolution, padded_rows
from scratchnet.network.layer import Shape

Pool = FastMaxPool | FastAveragePool


@dataclass(frozen=True)
class Stage:
    """A convolution, its ReLU and perhaps a pool.

    Parameters
    ----------
    convolution : StripConvolution
    relu : FastReLU
    pool : FastMaxPool or FastAveragePool, optional
    """

    convolution: StripConvolution
    relu: FastReLU
    pool: Pool | None = None

    def forward(self, x: np.ndarray, keep: bool) -> tuple[np.ndarray, np.ndarray | None, list]:
        """Run all of its layers.

        Parameters
        ----------
        x : ndarray, (H, W, C_in)
        keep : bool
            Whether the ReLU's map is wanted.

        Returns
        -------
        y : ndarray
            Of the last layer.
        a : ndarray or None
            Of the ReLU, if it is wanted or the last.
        caches : list
            Of all layers.
        """
        x = np.ascontiguousarray(x)
        shape, maps = self.convolution.output_shape(x.shape), self.relu.workspace.maps
        a = maps.empty(shape, x.dtype) if keep or not self.pool else None
        bits = room_for_mask(shape)
        y = memory = None
        if self.pool:
            y = maps.empty(self.pool.output_shape(shape), x.dtype)
            memory = self.pool.new_memory(shape)
        outlet = _Onwards(self, shape, x.dtype, a, bits, y, memory)
        self.convolution.forward_strips(partial(padded_rows, x), x.shape, x.dtype, outlet)
        if not self.pool:
            return a, a, [x.shape, bits]
        return y, a, [x.shape, bits, self.pool.cache(memory, shape)]

    def backward(self, dy: np.ndarray, g: np.ndarray | None, caches: list) -> np.ndarray:
        """Return ∂J/∂x.

        Parameters
        ----------
        dy : ndarray
            ∂J/∂y of the last layer.
        g : ndarray or None
            What J's own terms add at the ReLU.
        caches : list
            From `forward`.
        """
        shape = caches[0]
        rows = _GradientRows(self, dy, g, self.convolution.output_shape(shape), caches[1:])
        outlet = Into(lambda: self.relu.workspace.maps.empty(shape, dy.dtype))
        self.convolution.backward_strips(rows, shape, dy.dtype, outlet)
        return outlet.y


@dataclass(frozen=True)
class _Onwards:
    """Where a convolution's rows go: through the ReLU and the pool."""

    stage: Stage
    shape: Shape  # of the convolution's output
    dtype: np.dtype
    a: np.ndarray | None
    bits: np.ndarray
    y: np.ndarray | None
    memory: np.ndarray | None

    def place(self, rows: slice) -> np.ndarray:
        """Return rows of the ReLU's map, or room for a moment if nobody wants that."""
        if self.a is not None:
            return self.a[rows]
        shape = (rows.stop - rows.start, *self.shape[1:])
        return self.stage.relu.workspace.scratch.empty("edge", shape, self.dtype)

    def done(self, rows: slice, z: np.ndarray) -> None:
        """Rectify the rows where they are, and pool them."""
        # a = max(z, 0)
        self.bits[rows] = rectify(z, z, self.stage.relu.workspace.scratch)
        if self.stage.pool:
            self.stage.pool.pool_rows(z, rows, self.y, self.memory)
            if self.memory is not None:
                self.stage.pool.mark_stopped(rows, self.y, self.memory)


@dataclass(frozen=True)
class _GradientRows:
    """The rows of dz, made as they are asked for."""

    stage: Stage
    dy: np.ndarray
    g: np.ndarray | None
    shape: Shape  # of the convolution's output
    caches: list  # the ReLU's, and the pool's

    def __call__(self, first: int, stop: int) -> np.ndarray:
        """Return the rows first … stop − 1, zeros where there are none."""
        H, W, C = self.shape
        inside = slice(max(first, 0), min(stop, H))
        rows = inside
        if self.stage.pool:  # whole windows, or up to the map's end
            rows = slice(inside.start // 2 * 2, min(-(-inside.stop // 2) * 2, H))
        scratch = self.stage.relu.workspace.scratch
        before = max(0, first - rows.start)  # a row of the first window that nobody asked for
        room = scratch.empty("edge", (before + stop - first + 1, W, C), self.dy.dtype)
        d = room[before:][: stop - first]
        d[: inside.start - first] = 0
        d[inside.stop - first :] = 0
        part = room[before + rows.start - first :][: rows.stop - rows.start]
        # dz = (g + unpool(dy)) · 1[z > 0]
        if isinstance(self.stage.pool, FastMaxPool) and self.g is None:
            self.stage.pool.unpool_rows(self.dy, self.caches[1], rows, part, stop=True)
        else:
            gate(self._join(rows, part), self.caches[0][rows], part, scratch)
        return d

    def _join(self, rows: slice, room: np.ndarray) -> np.ndarray:
        """Return g + unpool(dy), in ``room`` if it is not there already."""
        if self.stage.pool:
            self.stage.pool.unpool_rows(self.dy, self.caches[1], rows, room)
            if self.g is not None:
                room += self.g[rows]
            return room
        return self.dy[rows] if self.g is None else np.add(self.dy[rows], self.g[rows], out=room)
