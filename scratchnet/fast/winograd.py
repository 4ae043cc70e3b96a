"""A 3×3 convolution with a quarter of the multiplications (Lavin & Gray 2016).

`network.convolution` has the definition; this computes the same numbers, up to rounding, faster.
`transforms` derives the algorithm for one channel and a tile of 4×4 outputs, both ways ::

    Y  = Aᵀ [U ⊙ (Bᵀ d B)] A          U = G g Gᵀ
    dX = A′ᵀ [U ⊙ (f fᵀ ⊙ (B′ᵀ dY B′))] A′

(G is no picture here, M no number of positions, and X and Y are tiles, not patches.)

Many channels. The sum over input channels can be taken before Aᵀ … A, as that is linear. With V the
transformed tiles, for each of the 36 pairs of points, a along the rows' axis and b along the
columns', and t over tiles ::

    M_batk′ = Σ_k V_batk U_bakk′            36 matrix products (tiles × C_in) · (C_in × C_out)

Backward, the channels change places: U_bak′k for U_bakk′.

Two axes. Each transform is two matrix products. With t = (r, c) the tile in row r and column c of
tiles, i and j row and column within it, and x with its border of zeros ::

    R_rajk    = Σ_i B_ia x_{4r+i, j, k}             Bᵀ d: j over whole rows of x, not yet cut
    V_barck   = Σ_j B_jb R_{r, a, 4c+j, k}          (Bᵀ d) B
    S_racjk′  = Σ_b M_barck′ A_bj                   M A
    y_{4r+i, 4c+j, k′} = Σ_a A_ai S_racjk′          Aᵀ (M A)

Neighbours share two of their six columns. R is made once for both, before columns are cut.

Tiles of other sizes. 6×6 outputs take 64 multiplications, 1.78 an output instead of 2.25, but
rounding errors are three times as large, and where 6 does not divide the map's sides, more of the
last tiles is wasted. A map of 16×16 has so few tiles that U, 36 numbers for 9 of the kernel, takes
longer to read than to use. With tiles of 2×2 it is 16 numbers for 9, and 4 multiplications an
output, still fewer than 9. `fastest` chooses. (What is 4, 6 and 36 above is then 6, 8 and 64, or 2,
4 and 16.)
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from scratchnet.fast.products import column_pieces
from scratchnet.fast.strips import BEHIND, Outlet, Read, Room, StripConvolution
from scratchnet.fast.transforms import POINTS, TAPS, transform_matrices, turned_matrices
from scratchnet.fast.workspace import cut, evenly
from scratchnet.network.layer import Shape

KEPT_KERNEL = 2**20  # up to so many entries of g, U is kept whatever the map
KEPT_TWICE = 2**18  # up to so many entries of g, U_bak′k is kept as well
KEPT_MAP = 40 * 40  # up to so many positions, U is kept whatever the kernel
LARGE_MATRIX = 2**15  # with so many entries in each of U's matrices, …
FEW_TILES = 256  # … up to so many tiles are one strip
FAR_MATRIX = 2**16  # a matrix of U with so many entries has rarely stayed in a core's cache
LINE = 16  # entries in a line of the cache
ALL = slice(None)
KERNEL_STRIP = 2**14  # U is made for so many pairs of channels at a time
# Tiles in a strip, by their size. With fewer, products are slower; with more, a strip leaves the
# cache. None of these depends on the number of threads: how some processors round a product depends
# on how many rows it has.
TILES_PER_STRIP = {2: 128, 4: 128, 6: 43}
FEW_PAIRS = 64 * 64  # up to so many pairs of channels, a strip holds twice as many tiles of 6×6


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
        """The transformed kernel, (36, C_in, C_out) for tiles of 4×4."""
        return self._transform_kernel(np.empty)

    @cached_property
    def U_transposed(self) -> np.ndarray:  # noqa: N802
        """U_bak′k, exchanged in memory as well, which makes the products faster."""
        return np.ascontiguousarray(self.U.transpose(0, 2, 1))

    def _transform_kernel(self, empty: Callable) -> np.ndarray:
        """Return U = G g Gᵀ of every pair of channels, in memory from ``empty(shape, dtype)``."""
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
        """Convolve: Y = Aᵀ [Σ_k U ⊙ (Bᵀ d B)] A + bias."""
        H, W, _ = self.output_shape(shape)
        A, _, B = self.matrices
        self._convolve(read, (H, W), dtype, self._kernel_for(H, W), A, B, self.bias, outlet)

    def backward_strips(self, read: Read, shape: Shape, dtype: np.dtype, outlet: Outlet) -> None:
        """Hand out dx: dX = A′ᵀ [Σ_k′ U ⊙ (f fᵀ ⊙ (B′ᵀ dY B′))] A′."""
        H, W, _ = shape
        U = self._kernel_for(H, W).transpose(0, 2, 1)
        if self.kernel.size <= KEPT_TWICE:
            U = self.U_transposed
        self._convolve(read, (H, W), dtype, U, *self.turned, 0, outlet)

    def memory(self, shape: Shape) -> Room:
        """Return U, kept or not, and V, M and what is between the two axes of a transform."""
        H, W, C_in = shape
        C, points = max(C_in, self.bias.size), len(POINTS[self.tile])
        tile_rows, tile_cols, height = self._grid(H, W)
        U = points**2 * C_in * self.bias.size
        both = min(tile_rows, height) * tile_cols * points**2 * 2 * C
        rows = min(tile_rows, height) * tile_cols * self.tile * C * (points + BEHIND * self.tile)
        kept = (2 if self.kernel.size <= KEPT_TWICE else 1) * U if self._keeps_kernel(H, W) else 0
        kernel = 0 if kept else U
        if tile_rows > height:
            return Room(kept, kernel, strip=both + round(rows))
        return Room(kept, kernel, map=both, strip=-(-round(rows) // 4))

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
        """Hand out Y = Aᵀ [Σ_k U ⊙ (Bᵀ d B)] A + bias for all tiles d of what is read."""
        _, C, C_out = U.shape
        tile_rows, tile_cols, height = self._grid(*size)
        work = self.workspace

        def barck(rows: int, channels: int) -> tuple[int, ...]:
            return len(B), len(B), rows, tile_cols, channels

        def strip(rows: slice):
            n = rows.stop - rows.start
            # V lies where the factors of a ReLU or a pool were: they are not needed together.
            V = work.scratch.empty("V or factor", barck(n, C), dtype)
            M = work.scratch.empty("M", barck(n, C_out), dtype)
            self._transform_input(read, size[1], rows, B, V)
            self._products(V, U, M)
            self._transform_output(M, bias, A, rows, size, outlet)

        if tile_rows > height:
            work.map(strip, evenly(tile_rows, height))
            return
        # A small map and, mostly, a large U: each of its matrices should be read once, for all
        # tiles, by one thread.
        V = work.maps.empty(barck(tile_rows, C), dtype)
        M = work.maps.empty(barck(tile_rows, C_out), dtype)
        parts = cut(tile_rows, -(-tile_rows // 4))
        work.map(lambda rows: self._transform_input(read, size[1], rows, B, V[:, :, rows]), parts)
        work.map(lambda ba: self._products(V, U, M, ba), cut(len(U), len(B)))
        work.map(
            lambda rows: self._transform_output(M[:, :, rows], bias, A, rows, size, outlet), parts
        )

    def _transform_input(self, read, W: int, rows: slice, B: np.ndarray, V: np.ndarray) -> None:
        """Set V = Bᵀ d B for some rows of tiles."""
        points, _, n, cols, C = V.shape  # (b, a, r, c, k)
        x = read(self.tile * rows.start - 1, self.tile * rows.stop + 1)  # (4n + 2, W, C)
        # (r, piece, i, jk): r goes 4 rows of x on and i one, so that tiles overlap; jk, the numbers
        # of a row, is cut into equal pieces.
        pieces, s = column_pieces(W, points * points * C), x.strides
        shape = n, pieces, points, W * C // pieces
        x = np.ndarray(shape, x.dtype, x, 0, (self.tile * s[0], s[0] // pieces, s[0], x.itemsize))
        # (r, a, j, k), with a column of zeros on the left, and zeros up to the last tile's end
        R = self.workspace.scratch.empty("rows", (n, points, cols * self.tile + 2, C), V.dtype)
        R[:, :, 0] = 0
        R[:, :, W + 1 :] = 0
        inside = R[:, :, 1 : W + 1].reshape(n, points, pieces, -1)  # (r, a, piece, jk)
        # R_rajk = Σ_i B_ia x_{4r+i, j, k}
        np.matmul(B.T, x, out=inside.transpose(0, 2, 1, 3))
        # (r, a, c, j, k): c goes 4 columns of R on and j one.
        s = R.strides
        shape = n, points, cols, points, C
        R = np.ndarray(shape, R.dtype, R, 0, (s[0], s[1], self.tile * s[2], s[2], s[3]))
        # V_barck = Σ_j B_jb R_{r, a, 4c+j, k}: a product (b, j) · (j, k) for each r, a, c
        np.matmul(B.T, R, out=V.transpose(2, 1, 3, 0, 4))

    def _transform_output(self, M, bias, A, rows: slice, size, outlet: Outlet) -> None:
        """Hand out Y = Aᵀ M A + bias for some rows of tiles."""
        H, W = size
        points, _, n, cols, C = M.shape  # (b, a, r, c, k′)
        # At the point 1 every power is 1: what is added there is added to all outputs of a tile.
        one = POINTS[self.tile].index(1)
        M[one, one] += bias
        S = self.workspace.scratch.empty("rows", (n, points, cols, self.tile, C), M.dtype)
        # S_racjk′ = Σ_b M_barck′ A_bj: a product (j, b) · (b, k′) for each r, a, c
        np.matmul(A.T, M.transpose(2, 1, 3, 0, 4), out=S)
        # (r, piece, a, cjk′), without the columns beyond the map's end
        pieces = column_pieces(W, points * self.tile * C)
        S = S.reshape(n, points, -1)[:, :, : W * C]
        S = S.reshape(n, points, pieces, -1).transpose(0, 2, 1, 3)
        rows = slice(self.tile * rows.start, min(self.tile * rows.stop, H))
        y = outlet.place(rows)  # (4n, W, C), or fewer rows
        # y_{4r+i, 4c+j, k′} = Σ_a A_ai S_racjk′
        if len(y) == n * self.tile:
            np.matmul(A.T, S, out=y.reshape(n, self.tile, pieces, -1).transpose(0, 2, 1, 3))
        else:  # the last tiles reach over the map's end
            whole = np.matmul(A.T, S).transpose(0, 2, 1, 3)  # (r, i, piece, cjk′)
            y[:] = whole.reshape(-1, W, C)[: len(y)]
        outlet.done(rows, y)

    def _products(self, V: np.ndarray, U: np.ndarray, M: np.ndarray, ba: slice = ALL) -> None:
        """Set M_batk′ = Σ_k V_batk U_bakk′, or some of these products."""
        V, M = (part.reshape(len(U), -1, part.shape[-1])[ba] for part in (V, M))  # (ba, rc, k)
        U = U[ba]
        if U[0].size < FAR_MATRIX:
            np.matmul(V, U, out=M)
            return
        turned_over = U.strides[1] < U.strides[2]
        for V_ba, U_ba, M_ba in zip(V, U, M, strict=True):
            # A product reads a few numbers of each row at a time, which is a slow way to get a
            # matrix out of memory. So one number of each line is read first, in their order there.
            U_ba.ravel("K")[::LINE].max()
            if turned_over:  # (V U)ᵀ = Uᵀ Vᵀ, where Uᵀ lies in memory as it is read
                room = self.workspace.scratch.empty("turned", M_ba.T.shape, M_ba.dtype)
                M_ba[:] = np.matmul(U_ba.T, V_ba.T, out=room).T
            else:
                np.matmul(V_ba, U_ba, out=M_ba)
