"""Style as a Gaussian: the mean and covariance of a map, and how far one is from another.

With the activations a_ijk of a map of M = H·W positions, δ_kk′ = 1 where k is k′ and else 0, and
t_ij = 1, or the weights of a mask, whose squares add up to M (`masks`) ::

    μ_k     = Σ_ij t_ij² a_ijk / M
    Cov_kk′ = Gram_kk′/M − μ_k μ_k′ + ε δ_kk′

The distance between two Gaussians is what it costs to turn one into the other, if moving a share p
of all vectors by d costs p·|d|² (2-Wasserstein, squared; Dowson & Landau 1982). With μ_S and Cov_S
those of the style image, and Q^½ the matrix whose square is a positive Q ::

    R  = Cov_S^½
    X  = R Cov R
    W² = ‖μ − μ_S‖² + tr(Cov) + tr(Cov_S) − 2 tr(X^½)

For one channel, of deviations σ and σ_S, the last three are σ² + σ_S² − 2 σ σ_S = (σ − σ_S)²: the
Gram matrix compares squares of activations, this compares activations. J is W² divided by its value
for a map of zeros if ε were 0, so that layers and styles, however strong, are of one measure. That
is s = Σ_k Gram_kk(S)/M_S, the mean squared length of the vectors of S, and here ::

    s = Σ_k (μ_S,k² + Cov_S,kk − ε)
    J = W² / s

Backward. Let Δ be a small change. Of Y = X^½, where Y Y = X, and tr(AB) = tr(BA)::

    ΔX          = ΔY Y + Y ΔY
    tr(X^−½ ΔX) = tr(Y⁻¹ ΔY Y) + tr(ΔY)
                = 2 tr(ΔY)

So −2 tr(X^½) changes by −tr(X^−½ ΔX) = −tr(X^−½ R ΔCov R) = −tr(R X^−½ R ΔCov), and ::

    ∂J/∂μ   = 2 (μ − μ_S) / s
    ∂J/∂Cov = (I − R X^−½ R) / s

Cov has μ in it, twice, and Gram has a in it, which is `network.gram`'s to go back through. With
dCov for ∂J/∂Cov, symmetric, and dμ for ∂J/∂μ ::

    ∂J/∂Gram  = dCov / M
    ∂J/∂a_ijk = (`Gram.backward`)_ijk + t_ij² (dμ_k − 2 Σ_k′ dCov_kk′ μ_k′) / M

**Why ε.** A map with fewer positions than channels, or with a channel that never fires, has a
covariance without inverse, where X^½ has no derivative. With ε added, as if each activation were
blurred by noise of that variance, Cov ≥ ε, Cov_S ≥ ε and so X ≥ ε² in every direction. ε is a small
part of a channel's mean square in the style image, EPSILON·s/C. (crowsonkb/style-transfer-pytorch
adds 1e-4 of its own units, and divides by C where s stands here.)

**BALANCE** makes a style_weight mean about what it means with Gram matrices. It is a round number
near those at which the content term ended where it did with them: 1.0e8, 1.9e8 and 2.3e8
(mountains and ink_wash, leuven_street and starry_night, pagoda and flow_strokes; 256 px).
"""

from typing import NamedTuple

import numpy as np

from scratchnet.network.gram import Gram
from scratchnet.style.masks import squared_weights

EPSILON = 1e-4
BALANCE = 1.5e8


class StyleGaussian(NamedTuple):
    """What a style image is compared by at a layer: μ_S, (C,), R = Cov_S^½, (C, C), s and ε."""

    mean: np.ndarray
    root: np.ndarray
    scale: float
    epsilon: float


def mean_and_covariance(
    a: np.ndarray, epsilon: float = 0.0, gram: Gram | None = None
) -> tuple[tuple[np.ndarray, np.ndarray], tuple]:
    """Return μ, (C,), and Cov, (C, C), of an activation (H, W, C), in float64; and a cache.

    Examples
    --------
    >>> (mean, covariance), _ = mean_and_covariance(np.array([[[1.0, 0.0], [3.0, 0.0]]]))
    >>> mean.tolist(), covariance.tolist()
    ([2.0, 0.0], [[1.0, 0.0], [0.0, 0.0]])
    """
    gram, M = gram or Gram(), a.shape[0] * a.shape[1]
    total, of_gram = gram.forward(a)
    t2 = squared_weights(gram)
    # μ_k = Σ_ij t_ij² a_ijk / M
    mean = (a if t2 is None else t2 * a).sum(axis=(0, 1), dtype=np.float64) / M
    # Cov_kk′ = Gram_kk′/M − μ_k μ_k′ + ε δ_kk′
    covariance = total.astype(np.float64) / M - np.outer(mean, mean) + epsilon * np.eye(len(mean))
    return (mean, covariance), (mean, M, gram, of_gram)


def mean_and_covariance_backward(
    dmean: np.ndarray, dcovariance: np.ndarray, cache: tuple
) -> np.ndarray:
    """Carry gradients from μ, (C,), and Cov, (C, C) and symmetric, back to a, (H, W, C)."""
    mean, M, gram, of_gram = cache
    # ∂J/∂Gram = dCov / M
    da = gram.backward((dcovariance / M).astype(of_gram.dtype), of_gram)
    of_mean = ((dmean - 2 * dcovariance @ mean) / M).astype(da.dtype)
    t2 = squared_weights(gram)
    # ∂J/∂a_ijk = (`Gram.backward`)_ijk + t_ij² (dμ_k − 2 Σ_k′ dCov_kk′ μ_k′) / M
    da += of_mean if t2 is None else t2 * of_mean
    return da


def gaussian_target(a: np.ndarray, gram: Gram | None = None) -> StyleGaussian:
    """Return what `wasserstein_loss` compares with, of a style image's activation (H, W, C).

    A map of zeros has no measure of its own: s is 1 there.
    """
    (mean, covariance), _ = mean_and_covariance(a, 0.0, gram)
    # s = Σ_k (μ_S,k² + Cov_S,kk − ε)
    scale = float(np.sum(mean**2) + np.trace(covariance)) or 1.0
    epsilon = EPSILON * scale / len(mean)
    values, V = np.linalg.eigh(covariance)
    # R = Cov_S^½; no variance is below 0, but for rounding
    root = (V * np.sqrt(np.maximum(values, 0) + epsilon)) @ V.T
    return StyleGaussian(mean, root, scale, epsilon)


def wasserstein_loss(
    mean: np.ndarray, covariance: np.ndarray, target: StyleGaussian
) -> tuple[float, np.ndarray, np.ndarray]:
    """Return J = W²/s of μ, (C,), and Cov, (C, C), and its gradients by both.

    Raises
    ------
    ValueError
        If the shapes differ.

    Examples
    --------
    One channel that is 1 or 3 in G, 0 or 10 in S: means 2 and 5, deviations 1 and 5, and
    s = (0² + 10²)/2:

    >>> S = StyleGaussian(np.array([5.0]), np.array([[5.0]]), scale=50.0, epsilon=0.0)
    >>> J, _, _ = wasserstein_loss(np.array([2.0]), np.array([[1.0]]), S)
    >>> round(J * 50, 12)  # (5 − 2)² + (5 − 1)²
    25.0
    """
    if covariance.shape != target.root.shape:
        raise ValueError(
            f"got a covariance of {covariance.shape} and a style target of {target.root.shape}"
        )
    R, difference = target.root, mean - target.mean
    # X = R Cov R
    X = R @ covariance @ R
    values, V = np.linalg.eigh(X)
    values = np.maximum(values, target.epsilon**2)  # which they are, but for rounding
    # W² = ‖μ − μ_S‖² + tr(Cov) + tr(Cov_S) − 2 tr(X^½); the trace of Cov_S = R R is Σ R_kk′²
    W2 = difference @ difference + np.trace(covariance) + np.sum(R**2) - 2 * np.sum(np.sqrt(values))
    # ∂J/∂Cov = (I − R X^−½ R) / s; with X = V diag(values) Vᵀ
    RV = R @ V
    dcovariance = (np.eye(len(R)) - (RV / np.sqrt(values)) @ RV.T) / target.scale
    # ∂J/∂μ = 2 (μ − μ_S) / s
    dmean = 2 * difference / target.scale
    # J = W² / s
    return float(W2 / target.scale), dmean, dcovariance


def wasserstein_style_loss(
    a_G: np.ndarray, target: StyleGaussian, weight: float, gram: Gram
) -> tuple[float, np.ndarray]:
    """Return weight · BALANCE · J, and its gradient with respect to a_G, (H, W, C)."""
    weight = BALANCE * weight
    (mean, covariance), cache = mean_and_covariance(a_G, target.epsilon, gram)
    value, dmean, dcovariance = wasserstein_loss(mean, covariance, target)
    da = mean_and_covariance_backward(weight * dmean, weight * dcovariance, cache)
    return weight * value, da
