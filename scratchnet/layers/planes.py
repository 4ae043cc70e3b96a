"""A 3×3 convolution of few channels, one plane at a time: VGG's first layer.

`im2col` copies, and `col2im` adds, runs of C_in numbers. With the three colours of a picture that
is a call for every three numbers. With the channels first, x_kij, the runs are whole rows ::

    X_(uvk)(ij) = x[k, i + u − 1, j + v − 1]        y_ijk′ = Σ_uvk X_(uvk)(ij) w_uvkk′ + b_k′
    P_(uvk)(ij) = Σ_k′ w_uvkk′ dy_ijk′              dx[k, i + u − 1, j + v − 1] = Σ_uv P_(uvk)(ij)

which is Y = Xᵀ Ω + b and P = Ω dYᵀ: `convolution`'s products with X transposed.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from scratchnet.layers.convolution import Convolution
from scratchnet.workspace import Workspace, padded_rows, strips

STRIP_POSITIONS = 4096


@dataclass(frozen=True, eq=False)
class PlaneConvolution(Convolution):
    """`Convolution` for a 3×3 kernel with stride 1 and padding 1 that has few input channels."""

    workspace: Workspace = field(default_factory=Workspace)

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, tuple[int, int, int]]:
        """Convolve ``x`` with the kernel and add the bias: Y = Xᵀ Ω + b."""
        H, W, C_out = self.output_shape(x.shape)
        y = self.workspace.maps.empty((H, W, C_out), x.dtype)

        def strip(rows: slice):
            planes = np.zeros((x.shape[2], rows.stop - rows.start + 2, W + 2), x.dtype)
            planes[:, :, 1:-1] = padded_rows(x, rows.start - 1, rows.stop + 1).transpose(2, 0, 1)
            X = sliding_window_view(planes, (3, 3), axis=(1, 2)).transpose(3, 4, 0, 1, 2)
            X = X.reshape(len(self.omega), -1)  # (9·C_in, positions)
            # Y = Xᵀ Ω + b
            Y = np.matmul(X.T, self.omega, out=y[rows].reshape(-1, C_out))
            Y += self.bias

        self.workspace.map(strip, self._strips(H, W))
        return y, x.shape

    def backward(self, dy: np.ndarray, cache: tuple[int, int, int]) -> np.ndarray:
        """Return the gradient by the input: P = Ω dYᵀ, and its shifted planes added up."""
        H, W, C_in = cache
        dx = self.workspace.maps.empty(cache, dy.dtype)

        def strip(rows: slice):
            n = rows.stop - rows.start
            dY = padded_rows(dy, rows.start - 1, rows.stop + 1).reshape((n + 2) * W, -1)
            # P = Ω dYᵀ
            P = (self.omega @ dY.T).reshape(3, 3, C_in, n + 2, W)
            planes = np.zeros((C_in, n, W + 2), dy.dtype)
            for u in range(3):
                for v in range(3):
                    planes[:, :, v : v + W] += P[u, v, :, 2 - u : 2 - u + n]
            dx[rows] = planes[:, :, 1:-1].transpose(1, 2, 0)

        self.workspace.map(strip, self._strips(H, W))
        return dx

    def memory(self, shape: tuple[int, int, int]) -> tuple[int, int]:
        """Return 0 and the patches of the strips that are computed at a time, in entries."""
        H, W, _ = shape
        positions = min(H * W, self.workspace.threads * STRIP_POSITIONS)
        return 0, 2 * positions * len(self.omega)

    def _strips(self, H: int, W: int) -> list[slice]:
        return strips(H, -(-STRIP_POSITIONS // W))
