"""The Gram matrix: which channels fire together (Gatys et al. 2015, eq. 3).

Forward. With a_ijk the activation at row i, column j, channel k ::

    Gram_kk′ = Σ_ij a_ijk a_ijk′

The sum over i and j forgets where something is, and keeps what occurs together with what: texture
and colour, not shape. Shuffle the positions, and the matrix stays the same; shuffle each channel by
itself, and it does not (``scripts/explain_style.py --shuffle`` shows both). Why comparing two such
matrices compares styles is derived in `style.losses`, at `style_loss`.

With A the activations as a matrix of M = H·W rows (positions) and C columns (channels) it is a
product::

    Gram = AᵀA                           (C × M) · (M × C)

Backward. Let dGram_kk′ = ∂J/∂Gram_kk′, and δ be 1 where its two indices are equal, 0 elsewhere.
a_ijc is in Gram_kk′ both as its first factor (k = c) and as its second (k′ = c)::

    ∂Gram_kk′/∂a_ijc = δ_kc a_ijk′ + a_ijk δ_k′c

    ∂J/∂a_ijc = Σ_kk′ dGram_kk′ (δ_kc a_ijk′ + a_ijk δ_k′c)
              = Σ_k′ dGram_ck′ a_ijk′ + Σ_k dGram_kc a_ijk

The second sum is entry (ij, c) of the product A dGram; the first, of A dGramᵀ. So ::

    dA = A (dGram + dGramᵀ)              for a symmetric dGram, 2 A dGram
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np


@dataclass(frozen=True)
class Gram:
    """A map (H, W, C) → its Gram matrix (C, C), symmetric."""

    name: str = "gram"
    window: ClassVar[None] = None  # every entry sees all positions

    def forward(self, a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the Gram matrix of ``a``; the cache is ``a`` itself.

        Examples
        --------
        Two positions, two channels. The channels never fire together, so their entry is 0:

        >>> gram, cache = Gram().forward(np.array([[[2, 0], [0, 3]]]))
        >>> gram
        array([[4, 0],
               [0, 9]])
        """
        A = a.reshape(-1, a.shape[-1])  # (M, C)
        # Gram_kk′ = Σ_ij a_ijk a_ijk′
        return A.T @ A, a

    def backward(self, dgram: np.ndarray, cache: np.ndarray) -> np.ndarray:
        """Carry a gradient from the Gram matrix, (C, C), back to the activations, (H, W, C).

        Examples
        --------
        One position, two channels, J = Gram_01 = a_0 a_1, so ∂J/∂a_0 = a_1 and ∂J/∂a_1 = a_0:

        >>> Gram().backward(np.array([[0, 1], [0, 0]]), np.array([[[2, 3]]]))
        array([[[3, 2]]])
        """
        A = cache.reshape(-1, cache.shape[-1])  # (M, C)
        # dA = A (dGram + dGramᵀ)
        dA = A @ (dgram + dgram.T)  # (M, C)
        return dA.reshape(cache.shape)

    def output_shape(self, shape: tuple[int, int, int]) -> tuple[int, int]:
        """Return (C, C)."""
        return shape[-1], shape[-1]
