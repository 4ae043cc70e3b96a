"""Keeping the photograph's colours (Gatys, Bethge, Hertzmann & Shechtman 2016).

**Before the run: matching.** The style image's colours get the mean and the covariance of the
content's, by one affine map of each pixel; strokes then have the photograph's colours. With s a
pixel (its three colours) of the style image, μ_S, μ_C the means and Σ_S, Σ_C the covariances ::

    s′ = T (s − μ_S) + μ_C

    T = Σ_S^−½ (Σ_S^½ Σ_C Σ_S^½)^½ Σ_S^−½

The covariance of s′ is T Σ_S Tᵀ. T is symmetric, and Σ_S^−½ Σ_S Σ_S^−½ = 1, so that is
Σ_S^−½ (Σ_S^½ Σ_C Σ_S^½) Σ_S^−½ = Σ_C. Many matrices do that; T is the one that moves colours least
(the optimal transport between two normal distributions). ^½ is the symmetric square root, by the
eigenvectors: M^½ = V √Λ Vᵀ. Along a direction in which the style has no colours at all (a grey
picture has one direction only) Λ is 0; there is nothing to be moved, and Λ^−½ stands for 0.

**After the run: luminance.** Only lightness is taken from the painting; with Y the luminance and
I, Q the two colour differences of YIQ (the television standard that the paper uses) ::

    Y = 0.299 R + 0.587 G + 0.114 B

    result = photograph + (Y(painting) − Y(photograph)) · (1, 1, 1)

For I and Q are differences of colours, in which (1, 1, 1) is 0: adding the same to R, G and B
changes Y by just that, since its three numbers sum up to 1, and leaves I and Q alone.
"""

import numpy as np

LUMINANCE = (0.299, 0.587, 0.114)  # of R, G, B (ITU-R BT.601)
NONE = 1e-10  # of the largest eigenvalue: less is no colour, but rounding


def match_colors(style: np.ndarray, content: np.ndarray) -> np.ndarray:
    """Return the style image with the mean and covariance of the content image's colours.

    Up to the last step, clipping to 0–255, they are equal; where the style has fewer directions of
    colour than the content, as far as it has them.

    Parameters
    ----------
    style, content : ndarray, (H_S, W_S, 3) and (H, W, 3)
        RGB in 0–255.

    Returns
    -------
    matched : ndarray, (H_S, W_S, 3)
        In the style's dtype.
    """
    return np.clip(matched_colors(style, content), 0, 255).astype(style.dtype)


def matched_colors(style: np.ndarray, content: np.ndarray) -> np.ndarray:
    """Return `match_colors` in float64, before it is clipped."""
    mu_S, sigma_S = _mean_and_covariance(style)
    mu_C, sigma_C = _mean_and_covariance(content)
    root, inverse = _power(sigma_S, 0.5), _power(sigma_S, -0.5)
    # T = Σ_S^−½ (Σ_S^½ Σ_C Σ_S^½)^½ Σ_S^−½
    T = inverse @ _power(root @ sigma_C @ root, 0.5) @ inverse
    # s′ = T (s − μ_S) + μ_C; T is symmetric, so that pixels may stand in rows
    return (style.astype(np.float64) - mu_S) @ T + mu_C


def _mean_and_covariance(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    pixels = image.reshape(-1, 3).astype(np.float64)
    mean = pixels.mean(axis=0)
    return mean, (pixels - mean).T @ (pixels - mean) / len(pixels)


def _power(M: np.ndarray, exponent: float) -> np.ndarray:
    """Return M^exponent of a symmetric matrix without negative eigenvalues; 0 stays 0."""
    eigenvalues, V = np.linalg.eigh(M)
    there = eigenvalues > NONE * max(eigenvalues[-1], 1.0)
    powers = np.where(there, np.where(there, eigenvalues, 1.0) ** exponent, 0.0)
    return V * powers @ V.T


def luminance(image: np.ndarray) -> np.ndarray:
    """Return Y, (H, W), of a picture (H, W, 3)."""
    # Y = 0.299 R + 0.587 G + 0.114 B
    return sum(weight * image[:, :, k] for k, weight in enumerate(LUMINANCE))


def keep_colors(painting: np.ndarray, photograph: np.ndarray) -> np.ndarray:
    """Return the photograph with the luminance of the painting.

    A grey photograph gives a grey result, exactly. Where a colour would leave 0–255 it is clipped.

    Parameters
    ----------
    painting, photograph : ndarray, (H, W, 3)
        RGB in 0–255.

    Returns
    -------
    result : ndarray, (H, W, 3)
        In the painting's dtype.

    Raises
    ------
    ValueError
        If they have not one shape.

    Examples
    --------
    >>> keep_colors(np.full((1, 1, 3), 90.0), np.array([[[40.0, 60.0, 50.0]]])).round(2).tolist()
    [[[77.12, 97.12, 87.12]]]
    """
    if painting.shape != photograph.shape:
        raise ValueError(
            f"got pictures of {painting.shape} and {photograph.shape}, wanted one shape"
        )
    difference = luminance(painting) - luminance(photograph)
    # result = photograph + (Y(painting) − Y(photograph)) · (1, 1, 1)
    result = photograph + difference[:, :, None]
    return np.clip(result, 0, 255).astype(painting.dtype)
