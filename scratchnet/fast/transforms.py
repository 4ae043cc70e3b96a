"""Winograd's minimal filtering: the matrices, and where they come from (Winograd 1980).

`winograd` uses them. A, B and G are Winograd's letters here; G is no picture, and B no bias.

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
