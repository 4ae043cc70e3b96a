"""Winograd's minimal filtering: the matrices, and where they come from (Winograd 1980).

`winograd` uses them. A, B and G are Winograd's letters here; G is no picture, and B no bias.

One dimension. Four outputs of a kernel g with three taps need six inputs d::

    y_j = Σ_u g_u d_{j+u}        j = 0 … 3,  u = 0 … 2         12 multiplications

6 are enough. Take the product of two polynomials, s(x) = g(x) a(x), with coefficients
g_0 … g_2 and a_0 … a_3: s has six coefficients, s_m = Σ_{j+u=m} g_u a_j, and six numbers fix it:
its values at five points p and its leading coefficient (its "value at ∞"). Each value is *one*
multiplication, s(p) = g(p) a(p). So: evaluate both, multiply, interpolate ::

    g(p_i) = Σ_u p_i^u g_u           G[i, u] = p_i^u / N_i       (∞: picks g_2)
    a(p_i) = Σ_j p_i^j a_j           A[i, j] = p_i^j             (∞: picks a_3)
    s(x)   = Σ_i s(p_i) Π_{n≠i} (x − p_n) / N_i  +  s(∞) Π_n (x − p_n)
                                     B[m, i] = coefficient of x^m in product i

where n runs over the five points and N_i = Π_{n≠i} (p_i − p_n). (The sum has the right value at
each point, and degree 4 at most; the last product is 0 at all of them, and sets the leading
coefficient.) G holds the division by N_i, so s = B [(G g) ⊙ (A a)], ⊙ entry by entry.

Now fix g. The map from a to s is a matrix T, T_mj = g_{m−j}, and our convolution is its transpose,
y_j = Σ_u g_u d_{j+u} = Σ_m T_mj d_m. Transposing a product of matrices turns their order round ::

    T = B diag(G g) A      ⇒      y = Tᵀ d = Aᵀ diag(G g) Bᵀ d = Aᵀ [(G g) ⊙ (Bᵀ d)]

Two dimensions. Along the rows' axis, this turns the convolution of a 6×6 tile d into six along the
columns' axis, of row i of Bᵀ d with row i of G g. Each of them takes six multiplications in turn:
36 instead of 144 for 4×4 outputs ::

    Y = Aᵀ [U ⊙ (Bᵀ d B)] A          U = G g Gᵀ

Backward. ∂J/∂d_m = Σ_u g_u ∂J/∂y_{m−u}: a convolution of dy with the kernel turned round, and with
input and output channels exchanged; padding 1 stays padding 1. U serves that, too. In one
dimension, the turned kernel is g′_u = g_{2−u}; as a polynomial ::

    g′(x) = Σ_u g_{2−u} x^u = x² Σ_u g_u x^{−u} = x² g(1/x)          g′(1/p) = g(p)/p²

So at the points 1/p_i, its values are those of g at the p_i, up to factors. 0 becomes ∞, and ∞ 0.
With A′, G′, B′ and N′_i made of the points 1/p_i ::

    (G g)_i   = g(p_i)/N_i
    (G′ g′)_i = g′(1/p_i)/N′_i = g(p_i)/(p_i² N′_i)
    f_i       = (G′ g′)_i / (G g)_i = N_i/(p_i² N′_i)

    p_i = 0:    (G g)_i = g_0/N_i    (G′ g′)_i = g′_2 = g_0                f_i = N_i
    p_i = ∞:    (G g)_i = g_2        (G′ g′)_i = g′(0)/N′_i = g_2/N′_i     f_i = 1/N′_i

In two dimensions G′ g′ G′ᵀ = f fᵀ ⊙ U. For dY, a tile of dy with its border, and dX, a tile of dx,
the factors go to the tile, where they can be part of B′ ::

    dX = A′ᵀ [U ⊙ (f fᵀ ⊙ (B′ᵀ dY B′))] A′ = A′ᵀ [U ⊙ (diag(f) B′ᵀ dY B′ diag(f))] A′

Rounding. Powers of the points and of their inverses occur, so they should be near 1 in size. With
0, ±1, 2, −½ and ∞, relative errors (Euclidean norm) are 1e-6 to 2e-6 in float32 and 2e-15 to 3e-15
in float64, for 64 to 512 channels. With −2 instead of −½ they are half as large again. Those of
im2col are 2e-7 and 4e-16.
"""

from math import inf

import numpy as np

TAPS = 3  # rows and columns of the kernel
POINTS = {  # by rows and columns of a tile
    2: (0, 1, -1, inf),
    4: (0, 1, -1, 2, -1 / 2, inf),
    6: (0, 1, -1, 2, -1 / 2, -2, 1 / 2, inf),
}


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
        # B[m, i]: the coefficient of x^m in Π_{n≠i} (x − p_n)
        product = np.poly(others)[::-1]
        B[: len(product), i] = product
        if p == inf:
            A[i, -1] = G[i, -1] = 1
        else:
            # A[i, j] = p_i^j
            A[i] = p ** np.arange(tile)
            # G[i, u] = p_i^u / N_i,  N_i = Π_{n≠i} (p_i − p_n)
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

    The factors, by the formulas above. The points 0, 2, 3 and ∞ become ∞, ½, ⅓ and 0:

    >>> at_0 = (0 - 2) * (0 - 3)  # N
    >>> at_2 = (2 - 0) * (2 - 3) / (2**2 * (1/2 - 1/3) * (1/2 - 0))  # N / (p² N′)
    >>> at_3 = (3 - 0) * (3 - 2) / (3**2 * (1/3 - 1/2) * (1/3 - 0))
    >>> at_inf = 1 / ((0 - 1/2) * (0 - 1/3))  # 1 / N′
    >>> _, _, B = transform_matrices((inf, 1/2, 1/3, 0))
    >>> np.allclose(turned_matrices((0, 2, 3, inf))[1], B * [at_0, at_2, at_3, at_inf])
    True
    """
    _, G, _ = transform_matrices(points)
    A, G_turned, B = transform_matrices(tuple(1 / p if p else inf for p in points))
    # f_i = (G′ g′)_i / (G g)_i for every g. G′ with its columns turned round takes g instead of
    # g′: its rows are f_i times those of G, which may hold zeros, so f_i is a ratio of whole rows.
    f = (G_turned[:, ::-1] * G).sum(axis=1) / (G * G).sum(axis=1)
    return A, B * f
