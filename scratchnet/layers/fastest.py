"""Which of the convolutions is the fastest for a map of some shape.

Measured on two cores with VGG's kernels, in float32:

- `planes` for few input channels, such as a picture's three: Winograd's transforms would cost as
  much as all the products.
- `im2col` for maps of up to 6×6: the transformed kernel takes longer to read than to use.
- `winograd` with tiles of 2×2 for maps of up to 18×18, where that holds for tiles of 4×4.
- `winograd` with tiles of 4×4 for all others with a 3×3 kernel, stride 1 and padding 1.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from scratchnet.layers.convolution import Convolution
from scratchnet.layers.planes import PlaneConvolution
from scratchnet.layers.winograd import WinogradConvolution
from scratchnet.workspace import Workspace

FEW_CHANNELS = 8
TINY_MAP, SMALL_MAP = 6 * 6, 18 * 18  # positions


@dataclass(frozen=True, eq=False)
class FastestConvolution(Convolution):
    """A `Convolution` that is computed by the fastest algorithm for the map it is given."""

    workspace: Workspace = field(default_factory=Workspace)

    def algorithm(self, shape: tuple[int, int, int]) -> Convolution:
        """Return the layer that does the work for an input of that shape (H, W, C_in)."""
        H, W, C_in = shape
        if (*self.kernel.shape[:2], self.stride, self.padding) != (3, 3, 1, 1):
            return self._im2col
        if C_in < FEW_CHANNELS:
            return self._planes
        if H * W <= TINY_MAP:
            return self._im2col
        return self._small_tiles if H * W <= SMALL_MAP else self._large_tiles

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, tuple[int, int, int]]:
        """Convolve, as `Convolution.forward` does."""
        self.output_shape(x.shape)
        return self.algorithm(x.shape).forward(x)

    def backward(self, dy: np.ndarray, cache: tuple[int, int, int]) -> np.ndarray:
        """Return the gradient by the input, as `Convolution.backward` does."""
        return self.algorithm(cache).backward(dy, cache)

    def memory(self, shape: tuple[int, int, int]) -> tuple[int, int]:
        """Return what the algorithm for ``shape`` needs, as `Convolution.memory` does."""
        return self.algorithm(shape).memory(shape)

    def forget(self) -> None:
        """Let go of what the algorithms keep."""
        for name in ("_small_tiles", "_large_tiles"):
            vars(self).pop(name, None)

    @cached_property
    def _im2col(self) -> Convolution:
        return Convolution(self.kernel, self.bias, self.stride, self.padding, self.name)

    @cached_property
    def _planes(self) -> Convolution:
        return PlaneConvolution(self.kernel, self.bias, 1, 1, self.name, self.workspace)

    @cached_property
    def _small_tiles(self) -> Convolution:
        return WinogradConvolution(self.kernel, self.bias, 1, 1, self.name, self.workspace, 2)

    @cached_property
    def _large_tiles(self) -> Convolution:
        return WinogradConvolution(self.kernel, self.bias, 1, 1, self.name, self.workspace, 4)
