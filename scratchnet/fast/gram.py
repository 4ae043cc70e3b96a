"""The Gram matrix by several threads, and its way back.

`network.gram` has the equations. The sum over positions may be cut anywhere, so threads share them.
"""

from dataclasses import dataclass, field

import numpy as np

from scratchnet.fast.products import multiply
from scratchnet.fast.workspace import Workspace, cut
from scratchnet.network.gram import Gram

# Entries of two strips of A. NumPy sees that AᵀA is symmetric and computes half of it, but its
# copying of the other half is slow: so there are few strips where C is large, but at least two.
ENTRIES = 2**20


@dataclass(frozen=True)
class FastGram(Gram):
    """`Gram` with the memory and the threads of a workspace."""

    workspace: Workspace = field(default_factory=Workspace)

    def forward(self, a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the Gram matrix, as `Gram.forward` does."""
        A = a.reshape(-1, a.shape[-1])  # (M, C)
        # Gram_kk′ = Σ_ij a_ijk a_ijk′
        return sum(self.workspace.map(lambda s: A[s].T @ A[s], self._strips(A))), a

    def backward(self, dgram: np.ndarray, cache: np.ndarray) -> np.ndarray:
        """Carry a gradient back to the activations, as `Gram.backward` does."""
        A = cache.reshape(-1, cache.shape[-1])  # (M, C)
        da = self.workspace.maps.empty(cache.shape, np.result_type(cache, dgram))
        dA = da.reshape(A.shape)
        both = np.empty_like(dgram)
        parts = cut(len(both), -(-len(both) // 2))
        self.workspace.map(lambda s: np.add(dgram[s], dgram.T[s], out=both[s]), parts)
        # dA = A (dGram + dGramᵀ)
        self.workspace.map(lambda s: multiply(A[s], both, dA[s]), self._strips(A))
        return da

    @staticmethod
    def _strips(A: np.ndarray) -> list[slice]:
        count = 2 * max(1, A.size // ENTRIES)
        return cut(len(A), -(-len(A) // count))
