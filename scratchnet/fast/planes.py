"""A 3×3 convolution of few channels, one plane at a time: VGG's first layer.

`im2col` copies, and `col2im` adds, runs of C_in numbers. With the three colours of a picture that
is a call for every three numbers. With the channels first, x_kij, the runs are whole rows ::

    X_(uvk)(ij) = x[k, i + u − 1, j + v − 1]        y_ijk′ = Σ_uvk X_(uvk)(ij) w_uvkk′ + b_k′
    P_(uvk)(ij) = Σ_k′ w_uvkk′ dy_ijk′              dx[k, i, j] = Σ_uv P_(uvk)(i−u+1, j−v+1)

which is Y = Xᵀ Ω + b and P = Ω dYᵀ: `network.convolution`'s products with X transposed. (Columns
are filled up to a multiple of 16, which makes the second one faster.)
"""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from scratchnet.fast.products import multiply
from scratchnet.fast.strips import BEHIND, Outlet, Read, Room, StripConvolution
from scratchnet.fast.workspace import cut
from scratchnet.network.layer import Shape

STRIP_POSITIONS = 8192


@dataclass(frozen=True, eq=False)
class PlaneConvolution(StripConvolution):
    """`Convolution` for a 3×3 kernel with stride 1 and padding 1 that has few input channels."""

    def forward_strips(self, read: Read, shape: Shape, dtype: np.dtype, outlet: Outlet) -> None:
        """Convolve: Y = Xᵀ Ω + b."""
        H, W, C_in = shape
        _, _, C_out = self.output_shape(shape)
        omega_b = np.concatenate([self.omega, self.bias[None]])

        def strip(rows: slice):
            n = rows.stop - rows.start
            planes = np.zeros((C_in, n + 2, W + 2), dtype)
            planes[:, :, 1:-1] = read(rows.start - 1, rows.stop + 1).transpose(2, 0, 1)
            X = np.ones((len(omega_b), n, W), dtype)  # (9·C_in + 1, rows, W): the last is 1
            windows = sliding_window_view(planes, (3, 3), axis=(1, 2)).transpose(3, 4, 0, 1, 2)
            X[:-1].reshape(windows.shape)[:] = windows
            y = outlet.place(rows)
            # Y = Xᵀ Ω + b, with b as one more row of Ω
            multiply(X.reshape(len(X), -1).T, omega_b, y.reshape(-1, C_out))
            outlet.done(rows, y)

        self.workspace.map(strip, self._strips(H, W))

    def backward_strips(self, read: Read, shape: Shape, dtype: np.dtype, outlet: Outlet) -> None:
        """Hand out dx: P = Ω dYᵀ, and its shifted planes added up."""
        H, W, C_in = shape
        omega_t = np.pad(self.omega, ((0, -len(self.omega) % 16), (0, 0))).T

        def strip(rows: slice):
            n = rows.stop - rows.start
            dY = read(rows.start - 1, rows.stop + 1).reshape((n + 2) * W, -1)
            # Pᵀ = dY Ωᵀ
            P = (dY @ omega_t).reshape(n + 2, W, -1).transpose(2, 0, 1)
            planes = np.zeros((C_in, n, W + 2), dtype)
            for u in range(3):
                for v in range(3):
                    # dx[k, i, j] = Σ_uv P_(uvk)(i−u+1, j−v+1)
                    first = (3 * u + v) * C_in
                    planes[:, :, v : v + W] += P[first : first + C_in, 2 - u : 2 - u + n]
            dx = outlet.place(rows)
            dx[:] = planes[:, :, 1:-1].transpose(1, 2, 0)
            outlet.done(rows, dx)

        self.workspace.map(strip, self._strips(H, W))

    def memory(self, shape: Shape) -> Room:
        """Return the patches of a strip, twice, and its rows."""
        H, W, _ = shape
        positions = min(H * W, STRIP_POSITIONS)
        return Room(strip=positions * (2 * len(self.omega) + round(BEHIND * self.bias.size)))

    def _strips(self, H: int, W: int) -> list[slice]:
        # an even number of rows, so that a pool's windows are not cut
        return cut(H, -(-STRIP_POSITIONS // W // 2) * 2)
