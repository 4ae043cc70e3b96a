"""A 3×3 convolution with a quarter of the multiplications (Winograd 1980; Lavin & Gray 2016).

An optional second chapter: `convolution` has the definition, and this computes the same numbers,
up to rounding, faster.

One dimension. Four outputs of a kernel g with three taps need six inputs d::

    y_j = Σ_u g_u d_{j+u}        j = 0 … 3,  u = 0 … 2         12 multiplications

It can be done with 6. Take the product of two polynomials, s(x) = g(x) a(x), with coefficients
g_0 … g_2 and a_0 … a_3: s has six coefficients, s_m = Σ_{j+u=m} g_u a_j, and six numbers fix it:
its values at five points p and its leading coefficient (its "value at ∞"). Each value is *one*
multiplication, s(p) = g(p) a(p). So: evaluate both, multiply, interpolate ::

    g(p_i) = Σ_u p_i^u g_u           G[i, u] = p_i^u / N_i       (∞: picks g_2)
    a(p_i) = Σ_j p_i^j a_j           A[i, j] = p_i^j             (∞: picks a_3)
    s(x)   = Σ_i s(p_i) Π_{n≠i} (x − p_n) / N_i  +  s(∞) Π_n (x − p_n)
                                     B[m, i] = coefficient of x^m in the product of column i

with N_i = Π_{n≠i} (p_i − p_n), which G has taken over. So s = B [(G g) ⊙ (A a)], ⊙ entry by entry.
Now fix g. The map a → s is linear, and our convolution d → y is its transpose: the number g_u
joins a_j with s_{j+u} there, and d_{j+u} with y_j here. Transposing a product of matrices turns
their order round ::

    s = B diag(G g) A a      ⇒      y = Aᵀ diag(G g) Bᵀ d  =  Aᵀ [(G g) ⊙ (Bᵀ d)]

Two dimensions. The same along rows and along columns: 4×4 outputs from a 6×6 tile d of the input,
with 36 multiplications instead of 144 ::

    Y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A

Written as one matrix, d → Bᵀ d B is the Kronecker product: vec(Bᵀ d B) = (Bᵀ ⊗ Bᵀ) vec(d), 36×36.
Applied along one axis after the other it takes a third of the work, and rows can be transformed
before the overlapping tiles are cut out of them; so that is what the code does.

Many channels. The sum over input channels can be taken before Aᵀ … A, as that is linear. With
V the transformed tiles and U = G g Gᵀ the transformed kernel, for each of the 36 positions (b, a)
within a tile (a along the rows' axis, b along the columns'), t over tiles ::

    M_batk′ = Σ_k V_batk U_bakk′            36 matrix products (tiles × C_in) · (C_in × C_out)

Backward. Each step is linear in d, so ∂J/∂d takes the transposed steps in reverse order, with the
same transformed kernel::

    dM = A dY Aᵀ         dV_batk = Σ_k′ dM_batk′ U_bakk′         dd = B dV Bᵀ

and where tiles overlap, their dd add up.

Rounding. The points must be small, since p⁵ occurs; 0, ±1, ±2 and ∞ are the best six for this
size. The largest entry of Bᵀ⊗Bᵀ is 25 and sums cancel, so an output is right to about 5e-7 of the
largest one in float32 (im2col: 2e-7), and 1e-15 in float64.
"""

from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock

import numpy as np

from scratchnet.layers.convolution import Convolution
from scratchnet.workspace import Workspace, padded_rows, strips

POINTS = (0, 1, -1, 2, -2)  # and ∞
TILE = 4  # rows and columns of outputs a tile
TAPS = 3  # rows and columns of the kernel
INPUTS = TILE + TAPS - 1  # rows and columns of inputs a tile
KEPT_KERNEL = 2**20  # entries of g: U is kept, whatever the map
KEPT_MAP = 40 * 40  # positions: U is kept, whatever the kernel
TILES_PER_STRIP = 128  # enough for efficient products, few enough to stay in a core's cache


def transform_matrices() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return A (6, 4), G (6, 3) and B (6, 6) from the interpolation points.

    Examples
    --------
    Four outputs of the kernel (1, 2, 3) over the inputs 1, 0, 2, 0, 0, 1. The first is
    1·1 + 2·0 + 3·2 = 7:

    >>> A, G, B = transform_matrices()
    >>> g, d = np.array([1, 2, 3]), np.array([1, 0, 2, 0, 0, 1])
    >>> (A.T @ ((G @ g) * (B.T @ d))).round(12).tolist()
    [7.0, 4.0, 2.0, 3.0]
    """
    A, G, B = np.zeros((INPUTS, TILE)), np.zeros((INPUTS, TAPS)), np.zeros((INPUTS, INPUTS))
    for i, p in enumerate(POINTS):
        others = np.array([q for q in POINTS if q != p])
        A[i] = p ** np.arange(TILE)
        G[i] = p ** np.arange(TAPS) / np.prod(p - others)
        B[:-1, i] = np.poly(others)[::-1]  # Π (x − p_n), constant first
    A[-1, -1] = G[-1, -1] = 1  # ∞
    B[:, -1] = np.poly(POINTS)[::-1]
    return A, G, B


@dataclass(frozen=True, eq=False)
class WinogradConvolution(Convolution):
    """`Convolution` for 3×3 kernels with stride 1 and padding 1, by Winograd's algorithm.

    Parameters
    ----------
    kernel, bias, stride, padding, name
        As for `Convolution`.
    workspace : Workspace
        Where memory and threads come from. What `forward` and `backward` return is the caller's
        for as long as he holds it.

    Raises
    ------
    ValueError
        For another kernel size, stride or padding.
    """

    workspace: Workspace = field(default_factory=Workspace)

    def __post_init__(self):
        if (*self.kernel.shape[:2], self.stride, self.padding) != (TAPS, TAPS, 1, 1):
            raise ValueError(f"{self.name}: wanted a 3×3 kernel with stride 1 and padding 1")

    @cached_property
    def matrices(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A, G and B in the kernel's precision."""
        return tuple(matrix.astype(self.kernel.dtype) for matrix in transform_matrices())

    @cached_property
    def U(self) -> np.ndarray:  # noqa: N802
        """The transformed kernel, (36, C_in, C_out): four times the kernel's size."""
        return self._transform_kernel(np.empty(self._shape_of_U, self.kernel.dtype))

    @property
    def _shape_of_U(self) -> tuple[int, int, int]:  # noqa: N802
        return INPUTS**2, *self.kernel.shape[2:]

    def _transform_kernel(self, U: np.ndarray) -> np.ndarray:
        """Set U = G g Gᵀ, for every pair of channels, and return it."""
        _, G, _ = self.matrices
        g = self.kernel.transpose(1, 0, 2, 3).reshape(TAPS**2, -1)  # (9, C_in·C_out), columns first
        rows = U.reshape(INPUTS**2, -1)
        # vec(G g Gᵀ) = (G ⊗ G) vec(g)
        GG = np.kron(G, G)
        shares = strips(g.shape[1], -(-g.shape[1] // self.workspace.threads))
        self.workspace.map(lambda s: np.matmul(GG, g[:, s], out=rows[:, s]), shares)
        return U

    def _kernel_for(self, H: int, W: int) -> np.ndarray:
        """Return U; kept from pass to pass where that costs little memory or saves much time."""
        if self._keeps_kernel(H, W):
            return self.U
        scratch = self.workspace.scratch
        return self._transform_kernel(scratch.empty("U", self._shape_of_U, self.kernel.dtype))

    def _keeps_kernel(self, H: int, W: int) -> bool:
        return self.kernel.size <= KEPT_KERNEL or H * W <= KEPT_MAP

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, tuple[int, int, int]]:
        """Convolve ``x`` with the kernel and add the bias: Y = Aᵀ [U ⊙ (Bᵀ d B)] A + b.

        Parameters, returned values and errors are those of `Convolution.forward`.
        """
        H, W, C_out = self.output_shape(x.shape)
        x = np.ascontiguousarray(x)
        y = self.workspace.maps.empty((H, W, C_out), x.dtype)
        self._in_strips(
            (H, W),
            y.dtype,
            lambda rows, V: self._transform_input(x, rows, V),
            self._kernel_for(H, W),
            lambda rows, M: self._transform_output(M, rows, y),
        )
        return y, x.shape

    def backward(self, dy: np.ndarray, cache: tuple[int, int, int]) -> np.ndarray:
        """Return the gradient by the input: dM = A dY Aᵀ, dV = dM Uᵀ, dd = B dV Bᵀ, added up."""
        H, W, C_in = cache
        dy = np.ascontiguousarray(dy)
        tile_rows = -(-H // TILE)
        shared = Lock()  # of the rows of dx that two strips add to
        # One row of padding above; below, up to a whole tile of it.
        dx = self.workspace.maps.empty((tile_rows * TILE + TAPS - 1, W, C_in), dy.dtype)
        for row in range(0, len(dx), TILE):
            dx[row : row + 2] = 0
        self._in_strips(
            (H, W),
            dx.dtype,
            lambda rows, dM: self._transform_output_backward(dy, rows, dM),
            self._kernel_for(H, W).transpose(0, 2, 1),
            lambda rows, dV: self._transform_input_backward(dV, rows, dx, shared),
        )
        return dx[1 : H + 1]

    def memory(self, shape: tuple[int, int, int]) -> tuple[int, int]:
        """Return the size of U if it is kept, and what the strips computed at a time need.

        A tile has 36 entries of V for each channel, as many of M, and about 60 between the two
        axes of a transform.
        """
        H, W, C_in = shape
        C_out = self.bias.size
        tiles = -(-H // TILE) * -(-W // TILE)
        work = min(tiles, self.workspace.threads * 2 * TILES_PER_STRIP) * (
            36 * (C_in + C_out) + 60 * max(C_in, C_out)
        )
        U = INPUTS**2 * C_in * C_out
        return (U, work) if self._keeps_kernel(H, W) else (0, U + work)

    def _in_strips(self, size, dtype, enter, kernel, leave) -> None:
        """Run ``enter``, the 36 products with ``kernel`` and ``leave`` over all tiles.

        ``enter(rows, V)`` fills V for some rows of tiles; ``leave(rows, M)`` takes M for them.
        M's memory is free while a strip enters, V's while it leaves: both use it.
        """
        tile_rows, tile_cols = (-(-n // TILE) for n in size)
        height = -(-TILES_PER_STRIP // tile_cols)
        _, C, C_ = kernel.shape
        work = self.workspace

        def strip(rows: slice):
            tiles = (rows.stop - rows.start) * tile_cols
            V = work.scratch.empty("V", (INPUTS, INPUTS, tiles, C), dtype)
            M = work.scratch.empty("M", (INPUTS, INPUTS, tiles, C_), dtype)
            enter(rows, V)
            np.matmul(V.reshape(len(kernel), -1, C), kernel, out=M.reshape(len(kernel), -1, C_))
            leave(rows, M)

        if tile_rows > height:
            work.map(strip, strips(tile_rows, height))
            return
        # A small map: the kernel is the largest array, so that each of its 36 matrices should
        # be read once, for all tiles, by one thread.
        V = work.maps.empty((INPUTS, INPUTS, tile_rows * tile_cols, C), dtype)
        M = work.maps.empty((INPUTS, INPUTS, tile_rows * tile_cols, C_), dtype)
        parts = strips(tile_rows, -(-tile_rows // 4))

        def tiles(rows: slice) -> tuple[slice, slice, slice]:
            return np.s_[:, :, rows.start * tile_cols : rows.stop * tile_cols]

        work.map(lambda rows: enter(rows, V[tiles(rows)]), parts)
        V_, M_ = V.reshape(len(kernel), -1, C), M.reshape(len(kernel), -1, C_)
        work.map(lambda s: np.matmul(V_[s], kernel[s], out=M_[s]), strips(len(kernel), 6))
        work.map(lambda rows: leave(rows, M[tiles(rows)]), parts)

    def _transform_input(self, x: np.ndarray, rows: slice, V: np.ndarray) -> None:
        """Set V = Bᵀ d B for some rows of tiles: V is (6, 6, tiles, C_in)."""
        _, _, B = self.matrices
        _, W, C = x.shape
        n, cols = rows.stop - rows.start, -(-W // TILE)
        d = padded_rows(x, TILE * rows.start - 1, TILE * rows.stop + 1)  # (4n + 2, W, C)
        s = d.strides
        d = np.ndarray((n, INPUTS, W * C), d.dtype, d, 0, (TILE * s[0], s[0], d.itemsize))
        # Bᵀ d, along the rows' axis, before the tiles' columns are cut out
        R = self.workspace.scratch.empty("rows", (n, INPUTS, cols * TILE + 2, C), x.dtype)
        R[:, :, 0] = 0
        R[:, :, W + 1 :] = 0
        np.matmul(B.T, d, out=R[:, :, 1 : W + 1].reshape(n, INPUTS, W * C))
        # (Bᵀ d) B, along the columns' axis
        s = R.strides
        columns = np.ndarray(
            (INPUTS, INPUTS, n, cols, C), R.dtype, R, 0, (s[2], s[1], s[0], TILE * s[2], s[3])
        )
        D = self.workspace.scratch.empty("M", (INPUTS, INPUTS, n * cols * C), x.dtype)
        D.reshape(columns.shape)[:] = columns
        _along_first(B.T, D, V)

    def _transform_input_backward(
        self, dV: np.ndarray, rows: slice, dx: np.ndarray, shared: Lock
    ) -> None:
        """Set dd = B dV Bᵀ, added up where tiles overlap, into the padded ``dx``.

        A strip sets its own rows, except that it adds to its first two and to the first two of
        the next strip, where both have a share: 0 + a + b, which does not depend on their order.
        """
        _, _, B = self.matrices
        _, W, C = dx.shape
        n, cols = rows.stop - rows.start, -(-W // TILE)
        # dV Bᵀ, along the columns' axis; the last two columns of a tile are on the next one
        D = self.workspace.scratch.empty("V", (INPUTS, INPUTS, n, cols, C), dx.dtype)
        _along_first(B, dV, D)
        R = self.workspace.scratch.empty("rows", (n, INPUTS, cols * TILE + 2, C), dx.dtype)
        R[:, :, -2:] = 0
        R[:, :, :-2].reshape(n, INPUTS, cols, TILE, C)[:] = D[:TILE].transpose(2, 1, 3, 0, 4)
        s = R.strides
        overlap = np.ndarray(
            (n, INPUTS, cols, 2, C), R.dtype, R, TILE * s[2], (s[0], s[1], TILE * s[2], *s[2:])
        )
        overlap += D[TILE:].transpose(2, 1, 3, 0, 4)
        # B (dV Bᵀ), along the rows' axis; the last two rows of a tile are on the next one
        R = R[:, :, 1 : W + 1].reshape(n, INPUTS, W * C)
        start, stop = TILE * rows.start, TILE * rows.stop
        own = dx[start:stop].reshape(n, TILE, W * C)
        first = np.matmul(B[:2], R[0])
        np.matmul(B[2:TILE], R[0], out=own[0, 2:])
        np.matmul(B[:TILE], R[1:], out=own[1:])
        overhang = self.workspace.scratch.empty("M", (n, 2, W * C), dx.dtype)
        np.matmul(B[TILE:], R, out=overhang)
        own[1:, :2] += overhang[:-1]
        with shared:
            own[0, :2] += first
            dx[stop : stop + 2] += overhang[-1].reshape(2, W, C)

    def _transform_output(self, M: np.ndarray, rows: slice, y: np.ndarray) -> None:
        """Set Y = Aᵀ M A + b for some rows of tiles: M is (6, 6, tiles, C_out)."""
        A, _, _ = self.matrices
        H, W, C = y.shape
        n, cols = rows.stop - rows.start, -(-W // TILE)
        # At the point 1 every power is 1: what is added there is added to all 16 outputs.
        one = POINTS.index(1)
        M[one, one] += self.bias
        # M A, along the columns' axis
        Z = self.workspace.scratch.empty("V", (TILE, INPUTS, n, cols, C), M.dtype)
        _along_first(A.T, M, Z)
        S = self.workspace.scratch.empty("rows", (n, INPUTS, cols, TILE, C), M.dtype)
        S[:] = Z.transpose(2, 1, 3, 0, 4)
        # Aᵀ (M A), along the rows' axis
        S = S.reshape(n, INPUTS, -1)[:, :, : W * C]
        if TILE * rows.stop <= H:
            y = y[TILE * rows.start : TILE * rows.stop].reshape(n, TILE, W * C)
            np.matmul(A.T, S, out=y)
        else:
            y = y[TILE * rows.start :]
            y[:] = np.matmul(A.T, S).reshape(-1, W, C)[: len(y)]

    def _transform_output_backward(self, dy: np.ndarray, rows: slice, dM: np.ndarray) -> None:
        """Set dM = A dY Aᵀ for some rows of tiles."""
        A, _, _ = self.matrices
        _, W, C = dy.shape
        n, cols = rows.stop - rows.start, -(-W // TILE)
        # A dY, along the rows' axis
        dY = padded_rows(dy, TILE * rows.start, TILE * rows.stop).reshape(n, TILE, W * C)
        S = self.workspace.scratch.empty("rows", (n, INPUTS, cols * TILE, C), dy.dtype)
        S[:, :, W:] = 0
        np.matmul(A, dY, out=S[:, :, :W].reshape(n, INPUTS, W * C))
        # (A dY) Aᵀ, along the columns' axis
        Z = self.workspace.scratch.empty("M", (TILE, INPUTS, n, cols, C), dy.dtype)
        Z[:] = S.reshape(n, INPUTS, cols, TILE, C).transpose(3, 1, 0, 2, 4)
        _along_first(A, Z, dM)


def _along_first(matrix: np.ndarray, source: np.ndarray, target: np.ndarray) -> None:
    """target[p, q, …] = Σ_r matrix[p, r] source[r, q, …], as one product for each q."""
    source, target = (part.reshape(*part.shape[:2], -1).swapaxes(0, 1) for part in (source, target))
    np.matmul(matrix, source, out=target)
