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

where n runs over the five points and N_i = Π_{n≠i} (p_i − p_n), which G has taken over. So
s = B [(G g) ⊙ (A a)], ⊙ entry by entry. Now fix g. The map a → s is linear, and our convolution
d → y is its transpose: g_u joins a_j with s_{j+u} there, and d_{j+u} with y_j here. Transposing a
product of matrices turns their order round ::

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

Backward. ∂J/∂d_m = Σ_u g_u ∂J/∂y_{m−u}: a convolution of dy with the kernel turned round, and with
input and output channels exchanged; padding 1 stays padding 1. In one dimension, g′_u = g_{2−u} is
turned round; as a polynomial, g′(x) = x² g(1/x), so g′(1/p) = g(p)/p². At the points 1/p_i (0
becomes ∞, and ∞ 0), with A′, G′ and B′ made for these, the values of g′ are those of g at the p_i,
up to factors f_i that p_i² and the two N_i make. So U serves both ways. For dY, a tile of dy with
its border, and dX, a tile of dx ::

    G′ g′ = f ⊙ (G g)        dX = A′ᵀ [U ⊙ (f fᵀ ⊙ (B′ᵀ dY B′))] A′        (U_bak′k for U_bakk′)

Rounding. Powers of the points and of their inverses occur, so they should be near 1 in size. With
0, ±1, 2, −½ and ∞, relative errors (Euclidean norm) are 1e-6 to 2e-6 in float32 and 2e-15 to 3e-15
in float64, for 64 to 512 channels; with −2 instead of −½ half as large again, with im2col 2e-7 and
4e-16.

Small tiles. A map of 16×16 has so few tiles that U, 36 numbers for 9 of the kernel, takes longer
to read than to use. With tiles of 2×2 it is 16 numbers for 9, and there are 4 multiplications an
output instead of 2¼: still fewer than 9.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from math import inf

import numpy as np

from scratchnet.layers.convolution import Convolution
from scratchnet.workspace import Workspace, padded_rows, strips

POINTS = {2: (0, 1, -1, inf), 4: (0, 1, -1, 2, -1 / 2, inf)}  # by rows and columns of a tile
TAPS = 3  # rows and columns of the kernel
KEPT_KERNEL = 2**20  # entries of g: U is kept, whatever the map
KEPT_MAP = 40 * 40  # positions: U is kept, whatever the kernel
FAR_MATRIX = 2**17  # entries: of U's matrices, larger ones are rarely still in a core's cache
LINE = 16  # entries of a line of the cache
KERNEL_STRIP = 2**14  # pairs of channels, of which U is made at a time
TILES_PER_STRIP = 128  # with fewer, products are slower; with more, a strip leaves the cache


def transform_matrices(points: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return A (6, 4), G (6, 3) and B (6, 6) for six points; for four (4, 2), (4, 3) and (4, 4).

    Examples
    --------
    Four outputs of the kernel (1, 2, 3) over the inputs 1, 0, 2, 0, 0, 1. The first is
    1·1 + 2·0 + 3·2 = 7:

    >>> A, G, B = transform_matrices((0, 1, -1, 2, -2, inf))
    >>> g, d = np.array([1, 2, 3]), np.array([1, 0, 2, 0, 0, 1])
    >>> (A.T @ ((G @ g) * (B.T @ d))).round(12).tolist()
    [7.0, 4.0, 2.0, 3.0]
    """
    inputs, tile = len(points), len(points) - TAPS + 1
    A, G, B = np.zeros((inputs, tile)), np.zeros((inputs, TAPS)), np.zeros((inputs, inputs))
    for i, p in enumerate(points):
        others = np.array([q for q in points if q not in (p, inf)])
        product = np.poly(others)[::-1]  # Π (x − p_n), constant first
        B[: len(product), i] = product
        if p == inf:
            A[i, -1] = G[i, -1] = 1
        else:
            A[i] = p ** np.arange(tile)
            G[i] = p ** np.arange(TAPS) / np.prod(p - others)
    return A, G, B


def turned_matrices(points: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return A′ and B′ diag(f): with U of the kernel, they convolve with the kernel turned round.

    Examples
    --------
    >>> _, G, _ = transform_matrices((0, 1, -1, inf))
    >>> A, B = turned_matrices((0, 1, -1, inf))
    >>> g, d = np.array([1, 2, 3]), np.array([1, 0, 2, 0])  # turned round, (3, 2, 1)
    >>> (A.T @ ((G @ g) * (B.T @ d))).tolist()
    [5.0, 4.0]
    """
    _, G, _ = transform_matrices(points)
    A, G_turned, B = transform_matrices(tuple(1 / p if p else inf for p in points))
    # G′ g′ = f ⊙ (G g) for every g; on the left, columns are turned round instead of g. Rows of
    # both are parallel, but may hold zeros: so f_i is a ratio of whole rows.
    f = (G_turned[:, ::-1] * G).sum(axis=1) / (G * G).sum(axis=1)
    return A, B * f


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
    tile : 2 or 4
        Rows and columns of outputs computed together.

    Raises
    ------
    ValueError
        For another kernel size, stride, padding or tile, or a kernel of integers.
    """

    workspace: Workspace = field(default_factory=Workspace)
    tile: int = 4

    def __post_init__(self):
        if (*self.kernel.shape[:2], self.stride, self.padding) != (TAPS, TAPS, 1, 1):
            raise ValueError(f"{self.name}: wanted a 3×3 kernel with stride 1 and padding 1")
        if self.tile not in POINTS:
            raise ValueError(f"{self.name}: got a tile of {self.tile}, wanted 2 or 4")
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
        """The transformed kernel, (36, C_in, C_out) for tiles of 4×4, (16, …) for 2×2."""
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
        shares = strips(g.shape[1], KERNEL_STRIP)
        self.workspace.map(lambda s: np.matmul(GG, g[:, s], out=U[:, s]), shares)
        return U.reshape(len(U), *self.kernel.shape[2:])

    def _kernel_for(self, H: int, W: int) -> np.ndarray:
        """Return U; kept from pass to pass where that costs little memory or saves much time."""
        if self._keeps_kernel(H, W):
            return self.U
        return self._transform_kernel(partial(self.workspace.scratch.empty, "U"))

    def _keeps_kernel(self, H: int, W: int) -> bool:
        return self._small or H * W <= KEPT_MAP or "U" in vars(self)

    @property
    def _small(self) -> bool:
        return self.kernel.size <= KEPT_KERNEL

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, tuple[int, int, int]]:
        """Convolve ``x`` with the kernel and add the bias: Y = Aᵀ [U ⊙ (Bᵀ d B)] A + b.

        Parameters, returned values and errors are those of `Convolution.forward`.
        """
        H, W, _ = self.output_shape(x.shape)
        A, _, B = self.matrices
        return self._convolve(x, self._kernel_for(H, W), A, B, self.bias), x.shape

    def backward(self, dy: np.ndarray, cache: tuple[int, int, int]) -> np.ndarray:
        """Return the gradient by the input: dX = A′ᵀ [U ⊙ (f fᵀ ⊙ (B′ᵀ dY B′))] A′."""
        H, W, _ = cache
        U = self.U_transposed if self._small else self._kernel_for(H, W).transpose(0, 2, 1)
        return self._convolve(dy, U, *self.turned)

    def memory(self, shape: tuple[int, int, int]) -> tuple[int, int]:
        """Return the size of what is kept of U, and what the strips computed at a time need."""
        H, W, C_in = shape
        C_out = self.bias.size
        entries = len(POINTS[self.tile]) ** 2
        tile_rows, tile_cols, height = self._grid(H, W)
        tiles = min(tile_rows, self.workspace.threads * height) * tile_cols
        # V, M, and what is between the two axes of a transform
        work = tiles * (entries * (C_in + C_out) + 24 * max(C_in, C_out))
        U = entries * C_in * C_out
        if self._small:
            return 2 * U, work
        return (U, work) if self._keeps_kernel(H, W) else (0, U + work)

    def forget(self) -> None:
        """Let go of U."""
        vars(self).pop("U", None)
        vars(self).pop("U_transposed", None)

    def _grid(self, H: int, W: int) -> tuple[int, int, int]:
        """Return the rows and columns of tiles in a map, and how many of the rows make a strip."""
        tile_rows, tile_cols = -(-H // self.tile), -(-W // self.tile)
        return tile_rows, tile_cols, -(-TILES_PER_STRIP // tile_cols)

    def _convolve(self, x, U, A, B, bias=0) -> np.ndarray:
        """Return Y = Aᵀ [Σ_k U ⊙ (Bᵀ d B)] A + b for all tiles d of ``x``."""
        H, W, C = x.shape
        _, _, C_out = U.shape
        x = np.ascontiguousarray(x)
        y = self.workspace.maps.empty((H, W, C_out), x.dtype)
        tile_rows, tile_cols, height = self._grid(H, W)
        work = self.workspace

        def batk(rows: int, channels: int) -> tuple[int, ...]:  # t over rows and columns
            return len(B), len(B), rows, tile_cols, channels

        def strip(rows: slice):
            n = rows.stop - rows.start
            V = work.scratch.empty("V", batk(n, C), x.dtype)
            M = work.scratch.empty("M", batk(n, C_out), x.dtype)
            self._transform_input(x, rows, B, V)
            _products(V, U, M)
            self._transform_output(M, bias, A, rows, y)

        if tile_rows > height:
            work.map(strip, strips(tile_rows, height))
            return y
        # A small map and, mostly, a large U: each of its matrices should be read once, for all
        # tiles, by one thread.
        V = work.maps.empty(batk(tile_rows, C), x.dtype)
        M = work.maps.empty(batk(tile_rows, C_out), x.dtype)
        parts = strips(tile_rows, -(-tile_rows // 4))
        work.map(lambda rows: self._transform_input(x, rows, B, V[:, :, rows]), parts)
        work.map(lambda ba: _products(V, U, M, ba), strips(len(U), len(B)))
        work.map(lambda rows: self._transform_output(M[:, :, rows], bias, A, rows, y), parts)
        return y

    def _transform_input(self, x, rows: slice, B: np.ndarray, V: np.ndarray) -> None:
        """Set V = Bᵀ d B for some rows of tiles."""
        _, W, C = x.shape
        n, cols = V.shape[2:4]
        d = padded_rows(x, self.tile * rows.start - 1, self.tile * rows.stop + 1)
        s = d.strides
        d = np.ndarray((n, len(B), W * C), d.dtype, d, 0, (self.tile * s[0], s[0], d.itemsize))
        # Bᵀ d, along the rows' axis, before the tiles' columns are cut out
        R = self.workspace.scratch.empty("rows", (n, len(B), cols * self.tile + 2, C), x.dtype)
        R[:, :, 0] = 0
        R[:, :, W + 1 :] = 0
        np.matmul(B.T, d, out=R[:, :, 1 : W + 1].reshape(n, len(B), W * C))
        # (Bᵀ d) B, along the columns' axis: a product for each row a of each tile, (b, k)
        s = R.strides
        tiles = n, len(B), cols, len(B), C
        R = np.ndarray(tiles, R.dtype, R, 0, (*s[:2], self.tile * s[2], *s[2:]))
        np.matmul(B.T, R, out=V.transpose(2, 1, 3, 0, 4))

    def _transform_output(self, M, bias, A: np.ndarray, rows: slice, y: np.ndarray) -> None:
        """Set Y = Aᵀ M A + b for some rows of tiles."""
        H, W, C = y.shape
        n, cols = M.shape[2:4]
        # At the point 1 every power is 1: what is added there is added to all outputs of a tile.
        one = POINTS[self.tile].index(1)
        M[one, one] += bias
        # M A, along the columns' axis: a product for each row a of each tile, (b, k)
        S = self.workspace.scratch.empty("rows", (n, len(A), cols, self.tile, C), M.dtype)
        np.matmul(A.T, M.transpose(2, 1, 3, 0, 4), out=S)
        # Aᵀ (M A), along the rows' axis
        S = S.reshape(n, len(A), -1)[:, :, : W * C]
        if self.tile * rows.stop <= H:
            y = y[self.tile * rows.start : self.tile * rows.stop].reshape(n, self.tile, W * C)
            np.matmul(A.T, S, out=y)
        else:
            y = y[self.tile * rows.start :]
            y[:] = np.matmul(A.T, S).reshape(-1, W, C)[: len(y)]


def _products(V: np.ndarray, U: np.ndarray, M: np.ndarray, ba: slice = np.s_[:]) -> None:
    """Set M_batk′ = Σ_k V_batk U_bakk′, or some of these products."""
    V, M = (part.reshape(len(U), -1, part.shape[-1])[ba] for part in (V, M))
    U = U[ba]
    if U[0].size < FAR_MATRIX:
        np.matmul(V, U, out=M)
        return
    for V_ba, U_ba, M_ba in zip(V, U, M, strict=True):
        # A product reads a few numbers of each row at a time. In the order in which they lie, one
        # number a line of the cache, is a faster way to get them out of memory.
        U_ba.ravel("K")[::LINE].max()
        np.matmul(V_ba, U_ba, out=M_ba)
