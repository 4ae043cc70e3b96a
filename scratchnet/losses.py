"""The terms of J(G) as functions of activations, each with its gradient derived by hand.

With a_ijk the activation at row i, column j, channel k of one layer, C its channels and
M = H·W its positions, and with the indices G, C and S for the generated, the content and the
style image ::

    content_loss      J = ½ Σ_ijk (a_G,ijk − a_C,ijk)²
    gram_matrix       Gram_kk′ = Σ_ij a_ijk a_ijk′
    style_loss        J = 1/(4C²) Σ_kk′ (Gram_kk′(G)/M_G − Gram_kk′(S)/M_S)²
    total_variation   TV = ½ Σ (differences between neighbouring pixels)²

Every loss returns ``(value, gradient)``, the gradient shaped like its first argument; its
derivation is in its docstring. A loss sees one layer; `objective` sums over layers. δ is 1
where its two indices are equal and 0 elsewhere.
"""

import numpy as np

from scratchnet.workspace import Workspace, strips

STRIP_ENTRIES = 2**17  # entries of a: half a MB in float32


def content_loss(
    a_G: np.ndarray, a_C: np.ndarray, *, weight: float = 1.0, out: np.ndarray | None = None
) -> tuple[float, np.ndarray]:
    """Half the squared distance between two activations (Gatys et al. 2015, eq. 1).

    ::

        J = ½ ‖a_C − a_G‖² = ½ Σ_ijk (a_G,ijk − a_C,ijk)²

    Each a_G,ijk is in one summand only, whose derivative is ½ · 2 · (a_G,ijk − a_C,ijk)::

        ∂J/∂a_G = a_G − a_C

    (Gatys et al., eq. 2, set it to 0 where a_G < 0; that is the derivative of the ReLU, and
    here the ReLU layer takes care of it.)

    Parameters
    ----------
    a_G, a_C : ndarray, (H, W, C)
        Activations of the generated and of the content image at one layer.
    weight : float
        Multiplies J and its gradient.
    out : ndarray, (H, W, C), optional
        Where to write the gradient; ``a_G`` itself will do, if it is not needed afterwards.

    Returns
    -------
    value : float
    gradient : ndarray, (H, W, C)
        ∂J/∂a_G.

    Raises
    ------
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> value, gradient = content_loss(np.array([[[3.0, 1.0]]]), np.array([[[1.0, 1.0]]]))
    >>> float(value), gradient.tolist()
    (2.0, [[[2.0, 0.0]]])
    """
    if a_G.shape != a_C.shape:
        raise ValueError(f"activations of different shapes: {a_G.shape} and {a_C.shape}")
    # ∂J/∂a_G = a_G − a_C
    da = np.subtract(a_G, a_C, out=out)
    # J = ½ Σ (a_G − a_C)²
    value = 0.5 * np.sum(da**2)
    da *= weight
    return weight * value, da


def gram_matrix(a: np.ndarray, workspace: Workspace | None = None) -> np.ndarray:
    """Which channels fire together (Gatys et al. 2015, eq. 3).

    ::

        Gram_kk′ = Σ_ij a_ijk a_ijk′

    The sum over i and j forgets where something is, and keeps what occurs together with what:
    texture and colour, not shape. With A the activations as a matrix of M = H·W rows
    (positions) and C columns (channels), Gram = AᵀA.

    Parameters
    ----------
    a : ndarray, (H, W, C)
    workspace : Workspace, optional
        With one, its threads share the positions: the sum over them may be cut anywhere.

    Returns
    -------
    gram : ndarray, (C, C)
        Symmetric.

    Examples
    --------
    Two positions, two channels. The channels never fire together, so they do not correlate:

    >>> gram_matrix(np.array([[[2, 0], [0, 3]]]))
    array([[4, 0],
           [0, 9]])
    """
    A = a.reshape(-1, a.shape[-1])  # (M, C)
    if workspace is None:
        # Gram_kk′ = Σ_ij a_ijk a_ijk′
        return A.T @ A
    return sum(workspace.map(lambda s: A[s].T @ A[s], _position_strips(A)))


def gram_matrix_backward(
    dgram: np.ndarray,
    a: np.ndarray,
    workspace: Workspace | None = None,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Carry a gradient by the Gram matrix back to the activations.

    Let dGram_kk′ = ∂J/∂Gram_kk′. By the chain rule, and because a_ijc is in Gram_kk′ both as its
    first factor (k = c) and as its second (k′ = c)::

        ∂Gram_kk′/∂a_ijc = δ_kc a_ijk′ + a_ijk δ_k′c

        ∂J/∂a_ijc = Σ_kk′ dGram_kk′ (δ_kc a_ijk′ + a_ijk δ_k′c)
                  = Σ_k′ dGram_ck′ a_ijk′ + Σ_k dGram_kc a_ijk

    or, with A as in `gram_matrix`, dA = A (dGram + dGramᵀ): for a symmetric dGram, 2 A dGram.

    Parameters
    ----------
    dgram : ndarray, (C, C)
    a : ndarray, (H, W, C)
    workspace : Workspace, optional
        With one, its threads share the positions.
    out : ndarray, (H, W, C), optional
        Where to write da; ``a`` itself will do.

    Returns
    -------
    da : ndarray, (H, W, C)

    Examples
    --------
    One position, two channels, J = Gram_01 = a_0 a_1, so ∂J/∂a_0 = a_1 and ∂J/∂a_1 = a_0:

    >>> dgram = np.array([[0, 1], [0, 0]])
    >>> gram_matrix_backward(dgram, np.array([[[2, 3]]]))
    array([[[3, 2]]])
    """
    A = a.reshape(-1, a.shape[-1])  # (M, C)
    da = np.empty(a.shape, np.result_type(a, dgram)) if out is None else out
    dA = da.reshape(A.shape)
    both = dgram + dgram.T
    if workspace is None:
        # dA = A (dGram + dGramᵀ)
        np.matmul(A, both, out=dA)
    else:
        workspace.map(lambda s: np.matmul(A[s], both, out=dA[s]), _position_strips(A))
    return da


def _position_strips(A: np.ndarray) -> list[slice]:
    """Cut the positions, the rows of A, into strips that a core's cache can hold."""
    M, C = A.shape
    return strips(M, max(1, STRIP_ENTRIES // C))


def style_target(a_S: np.ndarray, workspace: Workspace | None = None) -> np.ndarray:
    """Return what `style_loss` compares with: gram_matrix(a_S) / M_S, (C, C)."""
    return gram_matrix(a_S, workspace) / (a_S.shape[0] * a_S.shape[1])


def style_loss(
    a_G: np.ndarray,
    target: np.ndarray,
    *,
    weight: float = 1.0,
    workspace: Workspace | None = None,
    out: np.ndarray | None = None,
) -> tuple[float, np.ndarray]:
    """How differently channels fire together in two pictures (Gatys et al. 2015, eq. 4).

    With Gram the Gram matrix of a_G, M its positions, and the target the style image's Gram
    matrix divided by *its* positions::

        J = 1/(4C²) Σ_kk′ D_kk′²,    D_kk′ = Gram_kk′/M − target_kk′

    Departure from the paper: Gatys' 1/(4C²M²) Σ (Gram_kk′(G) − Gram_kk′(S))² is the same number
    where both pictures have the same size; dividing each Gram matrix by its own positions makes
    it right where they have not.

    Derivative. First by the Gram matrix, then through it (`gram_matrix_backward`)::

        ∂J/∂Gram_kk′ = 1/(4C²) · 2 D_kk′ · 1/M = D_kk′ / (2C²M)

    D is symmetric, so dA = 2 A dGram, and the two factors of 2 meet in dA = A D / (C²M).

    Parameters
    ----------
    a_G : ndarray, (H, W, C)
        Activations of the generated image at one layer.
    target : ndarray, (C, C)
        `style_target` of the style image's activations at that layer.
    weight : float
        Multiplies J and its gradient: here, on C × C numbers, that is cheaper than afterwards.
    workspace : Workspace, optional
        With one, its threads share the work on the Gram matrices.
    out : ndarray, (H, W, C), optional
        Where to write the gradient; ``a_G`` itself will do, if it is not needed afterwards.

    Returns
    -------
    value : float
    gradient : ndarray, (H, W, C)
        ∂J/∂a_G.

    Raises
    ------
    ValueError
        If the target is not (C, C).

    Examples
    --------
    Two positions, one channel: Gram = 1² + 3² = 10, D = 10/2 − 3 = 2, J = 2²/4 = 1,
    dGram = 2/(2·1·2) = ½ and da = 2 a dGram = a:

    >>> value, gradient = style_loss(np.array([[[1.0], [3.0]]]), np.array([[3.0]]))
    >>> float(value), gradient.ravel().tolist()
    (1.0, [1.0, 3.0])
    """
    H, W, C = a_G.shape
    M = H * W
    if target.shape != (C, C):
        raise ValueError(f"got a style target of shape {target.shape}, wanted {(C, C)}")
    # D_kk′ = Gram_kk′/M − target_kk′
    D = gram_matrix(a_G, workspace) / M - target
    # J = 1/(4C²) Σ_kk′ D_kk′²
    value = np.sum(D**2) / (4 * C**2)
    # ∂J/∂Gram_kk′ = D_kk′ / (2C²M)
    dgram = D / (2 * C**2 * M)
    return weight * value, gram_matrix_backward(weight * dgram, a_G, workspace, out)


def total_variation(image: np.ndarray) -> tuple[float, np.ndarray]:
    """Half the squared differences between neighbouring pixels: large for speckle.

    ::

        TV = ½ Σ_ijk (x_{i+1,jk} − x_ijk)² + ½ Σ_ijk (x_{i,j+1,k} − x_ijk)²

    The sums run over all pairs of neighbours in the picture. A summand ½d² with d = x_{i+1} − x_i
    has the derivative +d by x_{i+1} and −d by x_i; a pixel adds up what its (up to four)
    differences send it.

    Departure from the usual Σ |d| (Rudin, Osher & Fatemi 1992): squares are smooth, so that
    gradient descent does not rattle around their kink at 0.

    Parameters
    ----------
    image : ndarray, (H, W, C)

    Returns
    -------
    value : float
    gradient : ndarray, (H, W, C)

    Examples
    --------
    >>> value, gradient = total_variation(np.array([0.0, 1.0, 3.0]).reshape(1, 3, 1))
    >>> float(value), gradient.ravel().tolist()  # ½·1² + ½·2²
    (2.5, [-1.0, -1.0, 2.0])
    """
    down = image[1:] - image[:-1]  # (H−1, W, C)
    right = image[:, 1:] - image[:, :-1]  # (H, W−1, C)
    value = 0.5 * (np.sum(down**2) + np.sum(right**2))
    gradient = np.zeros_like(image)
    gradient[1:] += down
    gradient[:-1] -= down
    gradient[:, 1:] += right
    gradient[:, :-1] -= right
    return value, gradient
