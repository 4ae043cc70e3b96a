"""A 3×3 convolution with a quarter of the multiplications (Lavin & Gray 2016).

`network.convolution` has the definition; this computes the same numbers, up to rounding, faster.
A, B and G are the matrices of `transforms`, which derives the one-dimensional algorithm
y = Aᵀ [(G g) ⊙ (Bᵀ d)] for a kernel g, ⊙ entry by entry. G is no picture here, and M no number of
positions, but what the products make.

Two dimensions. The same along rows and along columns: 4×4 outputs from a 6×6 tile d of the input,
with 36 multiplications instead of 144 ::

    Y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A

Rows can be transformed before the overlapping tiles are cut out of them; so that is what the code
does.

Many channels. The sum over input channels can be taken before Aᵀ … A, as that is linear. With
V the transformed tiles and U = G g Gᵀ the transformed kernel, for each of the 36 positions (b, a)
within a tile (a along the rows' axis, b along the columns'), t over tiles ::

    M_batk′ = Σ_k V_batk U_bakk′            36 matrix products (tiles × C_in) · (C_in × C_out)

Backward. A convolution of dy with the kernel turned round, its channels exchanged. With the
matrices A′ and B′ of the turned kernel and the factors f (`transforms`), the same U serves. For dY,
a tile of dy with its border, and dX, a tile of dx ::

    dX = A′ᵀ [U ⊙ (f fᵀ ⊙ (B′ᵀ dY B′))] A′        (U_bak′k for U_bakk′)

Tiles of other sizes. 6×6 outputs take 64 multiplications, 1.78 an output instead of 2.25; but
rounding is three times as large, and where 6 does not divide the map's sides, more of the last
tiles is wasted. A map of 16×16 has so few tiles that U, 36 numbers for 9 of the kernel, takes
longer to read than to use: with tiles of 2×2 it is 16 numbers for 9, and there are 4
multiplications an output, still fewer than 9. `fastest` chooses. (What is 6 and 36 here is then
8 and 64, or 4 and 16. X and Y are tiles here, not patches; a is a row of a tile.)
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from scratchnet.fast.products import column_pieces
from scratchnet.fast.strips import Outlet, Read, StripConvolution
from scratchnet.fast.transforms import POINTS, TAPS, transform_matrices, turned_matrices
from scratchnet.fast.workspace import cut, evenly
from scratchnet.network.layer import Shape

KEPT_KERNEL = 2**20  # entries of g: U is kept, whatever the map
KEPT_TWICE = 2**18  # entries of g: U is kept with its channels exchanged, too
KEPT_MAP = 40 * 40  # positions: U is kept, whatever the kernel
LARGE_MATRIX, FEW_TILES = 2**15, 256  # entries of U's matrices; tiles: together in one strip
FAR_MATRIX = 2**16  # entries: of U's matrices, larger ones are rarely still in a core's cache
LINE = 16  # entries of a line of the cache
ALL = slice(None)
KERNEL_STRIP = 2**14  # pairs of channels, of which U is made at a time
# Tiles in a strip, by their size: with fewer, products are slower; with more, a strip leaves the
# cache. No number here depends on how many threads there are: some processors round a product's
# rows by how many there are.
TILES_PER_STRIP = {2: 128, 4: 128, 6: 43}
FEW_PAIRS = 64 * 64  # of channels: twice as many tiles of 6×6


@dataclass(frozen=True, eq=False)
class WinogradConvolution(StripConvolution):
    """`Convolution` for 3×3 kernels with stride 1 and padding 1, by Winograd's algorithm.

    Parameters
    ----------
    kernel, bias, stride, padding, name, workspace
        As for `StripConvolution`.
    tile : 2, 4 or 6
        Rows and columns of outputs computed together.

    Raises
    ------
    ValueError
        For another kernel size, stride, padding or tile, or a kernel of integers.
    """

    tile: int = 4

    def __post_init__(self):
        if (*self.kernel.shape[:2], self.stride, self.padding) != (TAPS, TAPS, 1, 1):
            raise ValueError(f"{self.name}: wanted a 3×3 kernel with stride 1 and padding 1")
        if self.tile not in POINTS:
            raise ValueError(f"{self.name}: got a tile of {self.tile}, wanted 2, 4 or 6")
        if self.kernel.dtype.kind != "f":
            raise ValueError(f"{self.name}: wanted a kernel of floating-point numbers")

    @cached_property
    def matrices(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A, G and B in the kernel's precision."""
        return tuple(m.astype(self.kernel.dtype) for m in transform_matrices(POINTS[self.tile]))

    @cached_property
    def turned(self) -> tuple[np.ndarray, np.ndarray]:
        """A′ and B′ diag(f) in the kernel's precision."""
        return tuple(m.astype(self.kernel.dtype) for m in turned_matrices(POINTS[self.tile]))

    @cached_property
    def U(self) -> np.ndarray:  # noqa: N802
        """The transformed kernel: (36, C_in, C_out) for tiles of 4×4; 16 for 2×2, 64 for 6×6."""
        return self._transform_kernel(np.empty)

    @cached_property
    def U_transposed(self) -> np.ndarray:  # noqa: N802
        """U with its channels exchanged, in memory too: that makes the products faster."""
        return np.ascontiguousarray(self.U.transpose(0, 2, 1))

    def _transform_kernel(self, empty: Callable) -> np.ndarray:
        """Return U = G g Gᵀ for every pair of channels, in memory from ``empty(shape, dtype)``."""
        _, G, _ = self.matrices
        g = self.kernel.reshape(TAPS**2, -1)  # (9, C_in·C_out): rows u, then columns v
        U = empty((len(G) ** 2, g.shape[1]), g.dtype)
        # U_ba = Σ_uv G_bv G_au g_uv
        GG = np.einsum("bv,au->bauv", G, G).reshape(len(U), TAPS**2)
        parts = cut(g.shape[1], KERNEL_STRIP)
        self.workspace.map(lambda s: np.matmul(GG, g[:, s], out=U[:, s]), parts)
        return U.reshape(len(U), *self.kernel.shape[2:])

    def _kernel_for(self, H: int, W: int) -> np.ndarray:
        """Return U; kept from pass to pass where that costs little memory or saves much time."""
        if self._keeps_kernel(H, W):
            return self.U
        self.forget()
        return self._transform_kernel(partial(self.workspace.scratch.empty, "U"))

    def _keeps_kernel(self, H: int, W: int) -> bool:
        return self.kernel.size <= KEPT_KERNEL or H * W <= KEPT_MAP

    def forget(self) -> None:
        """Let go of U."""
        vars(self).pop("U", None)
        vars(self).pop("U_transposed", None)

    def forward_strips(self, read: Read, shape: Shape, dtype: np.dtype, outlet: Outlet) -> None:
        """Convolve: Y = Aᵀ [U ⊙ (Bᵀ d B)] A + b."""
        H, W, _ = self.output_shape(shape)
        A, _, B = self.matrices
        self._convolve(read, (H, W), dtype, self._kernel_for(H, W), A, B, self.bias, outlet)

    def backward_strips(self, read: Read, shape: Shape, dtype: np.dtype, outlet: Outlet) -> None:
        """Hand out dx: dX = A′ᵀ [U ⊙ (f fᵀ ⊙ (B′ᵀ dY B′))] A′."""
        H, W, _ = shape
        U = self._kernel_for(H, W).transpose(0, 2, 1)
        if self.kernel.size <= KEPT_TWICE:
            U = self.U_transposed
        self._convolve(read, (H, W), dtype, U, *self.turned, 0, outlet)

    def memory(self, shape: Shape) -> tuple[int, int]:
        """Return the size of what is kept of U, and what the strips computed at a time need."""
        H, W, C_in = shape
        C_out = self.bias.size
        points = len(POINTS[self.tile])
        entries = points**2
        tile_rows, tile_cols, height = self._grid(H, W)
        tiles = min(tile_rows, self.workspace.threads * height) * tile_cols
        # V, M, and what is between the two axes of a transform
        work = tiles * (entries * (C_in + C_out) + points * self.tile * max(C_in, C_out))
        U = entries * C_in * C_out
        if not self._keeps_kernel(H, W):
            return 0, U + work
        return (2 * U if self.kernel.size <= KEPT_TWICE else U), work

    def _grid(self, H: int, W: int) -> tuple[int, int, int]:
        """Return the rows and columns of tiles in a map, and how many of the rows make a strip."""
        tile_rows, tile_cols = -(-H // self.tile), -(-W // self.tile)
        tiles, pairs = TILES_PER_STRIP[self.tile], self.kernel[0, 0].size
        if pairs <= FEW_PAIRS and self.tile == 6:
            tiles *= 2
        if pairs >= LARGE_MATRIX and tile_rows * tile_cols <= FEW_TILES:
            tiles = FEW_TILES
        return tile_rows, tile_cols, -(-tiles // tile_cols)

    def _convolve(self, read, size, dtype, U, A, B, bias, outlet) -> None:
        """Hand out Y = Aᵀ [Σ_k U ⊙ (Bᵀ d B)] A + b for all tiles d of what is read."""
        _, C, C_out = U.shape
        tile_rows, tile_cols, height = self._grid(*size)
        work = self.workspace

        def batk(rows: int, channels: int) -> tuple[int, ...]:  # t over rows and columns
            return len(B), len(B), rows, tile_cols, channels

        def strip(rows: slice):
            n = rows.stop - rows.start
            # V lies where the factors of a ReLU or a pool were: nobody needs both.
            V = work.scratch.empty("V or factor", batk(n, C), dtype)
            M = work.scratch.empty("M", batk(n, C_out), dtype)
            self._transform_input(read, size[1], rows, B, V)
            self._products(V, U, M)
            self._transform_output(M, bias, A, rows, size, outlet)

        if tile_rows > height:
            work.map(strip, evenly(tile_rows, height))
            return
        # A small map and, mostly, a large U: each of its matrices should be read once, for all
        # tiles, by one thread.
        V = work.maps.empty(batk(tile_rows, C), dtype)
        M = work.maps.empty(batk(tile_rows, C_out), dtype)
        parts = cut(tile_rows, -(-tile_rows // 4))
        work.map(lambda rows: self._transform_input(read, size[1], rows, B, V[:, :, rows]), parts)
        work.map(lambda ba: self._products(V, U, M, ba), cut(len(U), len(B)))
        work.map(
            lambda rows: self._transform_output(M[:, :, rows], bias, A, rows, size, outlet), parts
        )

    def _transform_input(self, read, W: int, rows: slice, B: np.ndarray, V: np.ndarray) -> None:
        """Set V = Bᵀ d B for some rows of tiles."""
        n, cols, C = V.shape[2:]
        d = read(self.tile * rows.start - 1, self.tile * rows.stop + 1)
        k = column_pieces(W, len(B) * len(B) * C)
        rows_of_tiles, s = (n, k, len(B), W * C // k), d.strides
        strides = self.tile * s[0], s[0] // k, s[0], d.itemsize
        d = np.ndarray(rows_of_tiles, d.dtype, d, 0, strides)
        # Bᵀ d, along the rows' axis, before the tiles' columns are cut out
        R = self.workspace.scratch.empty("rows", (n, len(B), cols * self.tile + 2, C), V.dtype)
        R[:, :, 0] = 0
        R[:, :, W + 1 :] = 0
        np.matmul(B.T, d, out=R[:, :, 1 : W + 1].reshape(n, len(B), k, -1).transpose(0, 2, 1, 3))
        # (Bᵀ d) B, along the columns' axis: a product for each row a of each tile, (b, k)
        s = R.strides
        tiles = n, len(B), cols, len(B), C
        R = np.ndarray(tiles, R.dtype, R, 0, (*s[:2], self.tile * s[2], *s[2:]))
        np.matmul(B.T, R, out=V.transpose(2, 1, 3, 0, 4))

    def _transform_output(self, M, bias, A, rows: slice, size, outlet: Outlet) -> None:
        """Hand out Y = Aᵀ M A + b for some rows of tiles."""
        H, W = size
        n, cols, C = M.shape[2:]
        # At the point 1 every power is 1: what is added there is added to all outputs of a tile.
        one = POINTS[self.tile].index(1)
        M[one, one] += bias
        # M A, along the columns' axis: a product for each row a of each tile, (b, k)
        S = self.workspace.scratch.empty("rows", (n, len(A), cols, self.tile, C), M.dtype)
        np.matmul(A.T, M.transpose(2, 1, 3, 0, 4), out=S)
        # Aᵀ (M A), along the rows' axis
        k = column_pieces(W, len(A) * self.tile * C)
        S = S.reshape(n, len(A), -1)[:, :, : W * C].reshape(n, len(A), k, -1).transpose(0, 2, 1, 3)
        rows = slice(self.tile * rows.start, min(self.tile * rows.stop, H))
        y = outlet.place(rows)
        if len(y) == n * self.tile:
            np.matmul(A.T, S, out=y.reshape(n, self.tile, k, -1).transpose(0, 2, 1, 3))
        else:  # the last tiles reach over the map's end
            whole = np.matmul(A.T, S).transpose(0, 2, 1, 3)
            y[:] = whole.reshape(-1, W, C)[: len(y)]
        outlet.done(rows, y)

    def _products(self, V: np.ndarray, U: np.ndarray, M: np.ndarray, ba: slice = ALL) -> None:
        """Set M_batk′ = Σ_k V_batk U_bakk′, or some of these products."""
        V, M = (part.reshape(len(U), -1, part.shape[-1])[ba] for part in (V, M))
        U = U[ba]
        if U[0].size < FAR_MATRIX:
            np.matmul(V, U, out=M)
            return
        turned_over = U.strides[1] < U.strides[2]
        for V_ba, U_ba, M_ba in zip(V, U, M, strict=True):
            # A product reads a few numbers of each row at a time. In the order in which they lie,
            # one number a line of the cache, is a faster way to get them out of memory.
            U_ba.ravel("K")[::LINE].max()
            if turned_over:  # (V U)ᵀ = Uᵀ Vᵀ, where Uᵀ lies in memory as it is read
                room = self.workspace.scratch.empty("turned", M_ba.T.shape, M_ba.dtype)
                M_ba[:] = np.matmul(U_ba.T, V_ba.T, out=room).T
            else:
                np.matmul(V_ba, U_ba, out=M_ba)
