"""What J is made of: three losses, each with its derivative worked out by hand.

With a_ijk the activation at row i, column j, channel k of one layer, C its channels and
M = H·W its positions, and with the indices G, C and S for the generated, the content and the
style image ::

    content_loss      J = ½ Σ_ijk (a_G,ijk − a_C,ijk)²
    style_loss        J = 1/(4C²) Σ_kk′ (Gram_kk′(G)/M_G − Gram_kk′(S)/M_S)²
    total_variation   J = ½ Σ (differences between neighbouring pixels)²

The first and the last are sums over positions, which grow with the picture; the style loss compares
means over positions, Gram/M, and does not. `terms` divides the two sums, and gives all three their
layers and weights. Every loss returns ``(value, gradient)``, the gradient shaped like its first
argument.
"""

import numpy as np

from scratchnet.blas import one_blas_thread
from scratchnet.network.gram import Gram


def content_loss(a_G: np.ndarray, a_C: np.ndarray) -> tuple[float, np.ndarray]:
    """How far G's content is from that of C: a sum over positions (Gatys et al. 2015, eq. 1).

    The paper's derivative, eq. 2, is 0 where a_G < 0: that is the ReLU's, which has its own layer.

    Parameters
    ----------
    a_G, a_C : ndarray, (H, W, C)
        Activations at one layer.

    Raises
    ------
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> value, da = content_loss(np.array([[[3.0, 1.0]]]), np.array([[[1.0, 1.0]]]))
    >>> float(value), da.tolist()
    (2.0, [[[2.0, 0.0]]])
    """
    if a_G.shape != a_C.shape:
        raise ValueError(f"activations of different shapes: {a_G.shape} and {a_C.shape}")
    d = a_G - a_C
    # J = ½ Σ_ijk (a_G,ijk − a_C,ijk)²
    value = 0.5 * np.sum(d**2)
    # ∂J/∂a_G = a_G − a_C: each entry is in one summand only, where the 2 of the square meets the ½
    return value, d


def style_loss(gram: np.ndarray, target: np.ndarray) -> tuple[float, np.ndarray]:
    """How differently channels fire together in two pictures (Gatys et al. 2015, eq. 4).

    Both arguments are means over positions: Gram matrices divided by M. Written small, gram_kk′ is
    Gram_kk′/M ::

        J = 1/(4C²) Σ_kk′ D_kk′²,    D_kk′ = gram_kk′ − target_kk′

    Departure from the paper: Gatys' 1/(4C²M²) Σ (Gram_kk′(G) − Gram_kk′(S))² is the same number
    where both pictures have the same size; dividing each Gram matrix by its own positions makes
    it right where they have not.

    Parameters
    ----------
    gram : ndarray, (C, C)
        Of the generated image: Gram/M.
    target : ndarray, (C, C)
        Of the style image.

    Raises
    ------
    ValueError
        If the shapes differ.

    Notes
    -----
    Why that is style: it asks whether activations are distributed alike in G and in S, wherever
    they are. Let x and x′ be the C activations at some position of G, as vectors, y and y′ those at
    some position of S, *mean* the mean over all positions, or pairs of them, and κ(x, y) = (xᵀy)² a
    measure (a kernel) of how alike two vectors are. With Gram/M = mean x xᵀ for either picture::

        D = mean x xᵀ − mean y yᵀ
        Σ_kk′ (x xᵀ)_kk′ (y yᵀ)_kk′ = Σ_kk′ x_k x_k′ y_k y_k′ = (Σ_k x_k y_k)² = κ(x, y)
        Σ_kk′ D_kk′² = mean κ(x, x′) − 2 mean κ(x, y) + mean κ(y, y′)

    That is the squared *maximum mean discrepancy* between the two sets of vectors under κ (Li et
    al. 2017, Demystifying Neural Style Transfer): 0 exactly if all products x_k x_k′ have the same
    means. (The distributions may still differ: one channel that is always 1, or 0 and √2 in turn.)

    Examples
    --------
    One channel, D = 5 − 3 = 2, J = 2²/4 = 1 and ∂J/∂gram = 2/2:

    >>> value, dgram = style_loss(np.array([[5.0]]), np.array([[3.0]]))
    >>> float(value), dgram.tolist()
    (1.0, [[1.0]])
    """
    if gram.shape != target.shape:
        raise ValueError(f"got a Gram matrix of {gram.shape} and a style target of {target.shape}")
    C = len(gram)
    # D_kk′ = gram_kk′ − target_kk′
    D = gram - target
    # J = 1/(4C²) Σ_kk′ D_kk′²
    value = np.sum(D**2) / (4 * C**2)
    # ∂J/∂gram_kk′ = D_kk′ / (2C²); gram_k′k is another variable, and `Gram.backward` adds both
    return value, D / (2 * C**2)


@one_blas_thread
def style_target(a: np.ndarray, gram: Gram | None = None) -> np.ndarray:
    """Return Gram/M, (C, C), of an activation (H, W, C): what `style_loss` compares."""
    total, _ = (gram or Gram()).forward(a)
    return total / (a.shape[0] * a.shape[1])


def total_variation(image: np.ndarray) -> tuple[float, np.ndarray]:
    """Half the squared differences between neighbouring pixels, summed: large for speckle.

    ::

        J = ½ Σ_ijk (x_{i+1,jk} − x_ijk)² + ½ Σ_ijk (x_{i,j+1,k} − x_ijk)²

    The sums run over all pairs of neighbours in the picture. A summand ½d² with d = x_{i+1} − x_i
    has ∂/∂x_{i+1} = +d and ∂/∂x_i = −d; a pixel adds up what its (up to four) differences send it.

    Departure from the usual Σ |d| (Rudin, Osher & Fatemi 1992): squares are smooth, so that
    gradient descent does not rattle around their kink at 0.

    Parameters
    ----------
    image : ndarray, (H, W, C)

    Examples
    --------
    >>> value, dimage = total_variation(np.array([0.0, 1.0, 3.0]).reshape(1, 3, 1))
    >>> float(value), dimage.ravel().tolist()  # ½·1² + ½·2²
    (2.5, [-1.0, -1.0, 2.0])
    """
    down = image[1:] - image[:-1]  # (H−1, W, C)
    right = image[:, 1:] - image[:, :-1]  # (H, W−1, C)
    # J = ½ Σ_ijk (x_{i+1,jk} − x_ijk)² + ½ Σ_ijk (x_{i,j+1,k} − x_ijk)²
    value = 0.5 * (np.sum(down**2) + np.sum(right**2))
    # ∂J/∂x_{i+1} = +d, ∂J/∂x_i = −d, summed
    dimage = np.zeros_like(image)
    dimage[1:] += down
    dimage[:-1] -= down
    dimage[:, 1:] += right
    dimage[:, :-1] -= right
    return value, dimage
