"""Which of the algorithms is the fastest for a map of some shape.

Measured on two cores with VGG's kernels, in float32:

- `planes` for few input channels, such as a picture's three: Winograd's transforms would cost as
  much as all the products.
- im2col on all rows at once for maps of up to 6×6, where the transformed kernel takes longer to
  read than to use; and for all kernels but 3×3 with stride 1 and padding 1.
- `winograd` with tiles of 2×2 for maps of up to 18×18, where the transformed kernel of tiles of 4×4
  takes longer to read than to use.
- `winograd` with tiles of 6×6 for large maps of no more than 256² pairs of channels, if that saves
  a tenth of the multiplications.
- `winograd` with tiles of 4×4 for all others.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from scratchnet.fast.planes import PlaneConvolution
from scratchnet.fast.strips import Outlet, Read, Room, StripConvolution, WholeConvolution
from scratchnet.fast.transforms import POINTS
from scratchnet.fast.winograd import WinogradConvolution
from scratchnet.network.layer import Shape

FEW_CHANNELS = 8
TINY_MAP, SMALL_MAP = 6 * 6, 18 * 18  # positions
LARGE_MAP = 2**19  # entries of x
FEW_PAIRS = 256 * 256  # of channels: with more, U of tiles of 6×6 takes too much memory
WORTH = 0.9  # · the multiplications of tiles of 4×4


def multiplications(tile: int, H: int, W: int) -> int:
    """Return how many multiplications a pair of channels takes on a map.

    Examples
    --------
    On 24×24, 16 tiles of 64 or 36 tiles of 36:

    >>> multiplications(6, 24, 24), multiplications(4, 24, 24)
    (1024, 1296)
    """
    return len(POINTS[tile]) ** 2 * -(-H // tile) * -(-W // tile)


@dataclass(frozen=True, eq=False)
class FastConvolution(StripConvolution):
    """A `Convolution` that is computed by the fastest algorithm for the map it is given."""

    def algorithm(self, shape: Shape) -> StripConvolution:
        """Return the layer that does the work for an input of that shape (H, W, C_in)."""
        H, W, C_in = shape
        if (*self.kernel.shape[:2], self.stride, self.padding) != (3, 3, 1, 1):
            return self._whole
        if C_in < FEW_CHANNELS:
            return self._planes
        if H * W <= TINY_MAP:
            return self._whole
        return self._winograd[self._tile(H, W)]

    def _tile(self, H: int, W: int) -> int:
        """Return the size of tiles that suits the map."""
        if H * W <= SMALL_MAP:
            return 2
        _, _, C_in, C_out = self.kernel.shape
        saved = multiplications(6, H, W) <= WORTH * multiplications(4, H, W)
        return 6 if saved and H * W * C_in >= LARGE_MAP and C_in * C_out <= FEW_PAIRS else 4

    def _at_work(self, shape: Shape) -> StripConvolution:
        """Return the algorithm for ``shape``; others let go of their transformed kernels."""
        chosen = self.algorithm(shape)
        for other in vars(self).get("_winograd", {}).values():
            if other is not chosen:
                other.forget()
        return chosen

    def forward_strips(self, read: Read, shape: Shape, dtype: np.dtype, outlet: Outlet) -> None:
        """Convolve, by the fastest algorithm."""
        self._at_work(shape).forward_strips(read, shape, dtype, outlet)

    def backward_strips(self, read: Read, shape: Shape, dtype: np.dtype, outlet: Outlet) -> None:
        """Hand out dx, by the fastest algorithm."""
        self._at_work(shape).backward_strips(read, shape, dtype, outlet)

    def memory(self, shape: Shape) -> Room:
        """Return what the algorithm for ``shape`` takes."""
        return self.algorithm(shape).memory(shape)

    def _by(self, kind: type[StripConvolution], **options) -> StripConvolution:
        return kind(
            self.kernel, self.bias, self.stride, self.padding, self.name, self.workspace, **options
        )

    @cached_property
    def _whole(self) -> StripConvolution:
        return self._by(WholeConvolution)

    @cached_property
    def _planes(self) -> StripConvolution:
        return self._by(PlaneConvolution)

    @cached_property
    def _winograd(self) -> dict[int, WinogradConvolution]:
        return {tile: self._by(WinogradConvolution, tile=tile) for tile in POINTS}
