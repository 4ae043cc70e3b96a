"""What "correlated channels" means: which channels fire together, and which the style loss sees.

From the notes (`scratchnet`): two channels are highly correlated if, wherever the filter of one
finds its pattern, the filter of the other finds its own. The Gram matrix measures that, but also
how strongly each channel fires by itself. Taking that out leaves the pair's *strength* ::

    strength_kk′ = Gram_kk′ / √(Gram_kk Gram_k′k′),        Gram_kk′ = Σ_ij a_ijk a_ijk′

With channel k seen as a vector of its M activations, Gram_kk′ is the product of two such vectors
and strength the cosine of the angle between them: 1 where they are multiples of each other. After
a ReLU no activation is negative, so neither is the strength, and 0 means that the two never fire
at the same position.

It is not Pearson's correlation, which subtracts each channel's mean first: the notes' Gram matrix
does not. Two channels that both fire everywhere have strength near 1, whether or not they vary
together; Pearson's would tell. But it is the Gram matrix that a style transfer compares.

How much each pair adds to the style loss between a picture G and a style (`style.losses`)::

    contribution_kk′ = D_kk′² / (4C²),        D_kk′ = Gram_kk′(G)/M_G − Gram_kk′(S)/M_S
    J = Σ_kk′ contribution_kk′

Where D_kk′ < 0, G has too little of what the style has, and a descent on J will add it.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from scratchnet.blas import one_blas_thread
from scratchnet.network.gram import Gram


class Pair(NamedTuple):
    """Two channels, k < k′, or one with itself, k = k′; and a number that belongs to them."""

    k: int
    k_: int
    value: float


@one_blas_thread
def gram_matrix(a: np.ndarray) -> np.ndarray:
    """Return the Gram matrix, (C, C), of activations (H, W, C): see `network.gram`."""
    # Gram_kk′ = Σ_ij a_ijk a_ijk′
    gram, _ = Gram().forward(a)
    return gram


def pair_strength(gram: np.ndarray) -> np.ndarray:
    """Return how much each two channels fire together, whatever the strength of each.

    Parameters
    ----------
    gram : ndarray, (C, C)
        `gram_matrix` of activations after a ReLU, or that divided by the positions.

    Returns
    -------
    strength : ndarray, (C, C)
        Symmetric, in [0, 1]; 0 for a channel that never fires, even with itself.

    Examples
    --------
    Channel 0 fires at both positions, 1 only at the second, 2 nowhere. Gram_00 = 3² + 4²,
    Gram_01 = 4·2, Gram_11 = 2², so strength_01 = 8 / (5·2):

    >>> a = np.array([[[3.0, 0.0, 0.0], [4.0, 2.0, 0.0]]])
    >>> pair_strength(gram_matrix(a)).tolist()
    [[1.0, 0.8, 0.0], [0.8, 1.0, 0.0], [0.0, 0.0, 0.0]]
    """
    # √Gram_kk: the length of channel k
    length = np.sqrt(np.diag(gram))
    lengths = np.outer(length, length)
    # strength_kk′ = Gram_kk′ / √(Gram_kk Gram_k′k′)
    strength = np.divide(gram, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    return np.minimum(strength, 1)  # a cosine may round to more


def firing_share(a: np.ndarray) -> np.ndarray:
    """Return at which share of the positions each channel fires, (C,).

    Examples
    --------
    >>> firing_share(np.array([[[3, 0], [4, 2]]])).tolist()
    [1.0, 0.5]
    """
    return (a > 0).mean(axis=(0, 1))


def largest_pairs(table: np.ndarray, count: int, *, with_itself: bool) -> list[Pair]:
    """Return the pairs with the largest entries of a symmetric table, the largest first.

    Parameters
    ----------
    table : ndarray, (C, C)
    count : int
        How many at most; pairs whose entry is 0 are left out.
    with_itself : bool
        Whether k = k′ counts as a pair.

    Examples
    --------
    >>> largest_pairs(np.array([[9, 1, 5], [1, 9, 0], [5, 0, 9]]), 3, with_itself=False)
    [Pair(k=0, k_=2, value=5.0), Pair(k=0, k_=1, value=1.0)]
    """
    k, k_ = np.triu_indices(len(table), 0 if with_itself else 1)
    values = table[k, k_]
    order = np.argsort(-values, kind="stable")[:count]
    return [Pair(int(k[n]), int(k_[n]), float(values[n])) for n in order if values[n] > 0]


def without_repeats(pairs: Iterable[Pair]) -> list[Pair]:
    """Keep a pair only if neither of its channels is in a pair kept before.

    Examples
    --------
    >>> without_repeats([Pair(0, 1, 0.9), Pair(1, 2, 0.8), Pair(2, 3, 0.7)])
    [Pair(k=0, k_=1, value=0.9), Pair(k=2, k_=3, value=0.7)]
    """
    kept, taken = [], set()
    for pair in pairs:
        if not taken & {pair.k, pair.k_}:
            kept.append(pair)
            taken |= {pair.k, pair.k_}
    return kept


def together(a: np.ndarray, k: int, k_: int) -> np.ndarray:
    """Return where two channels fire together, (H, W): a_ijk a_ijk′, which sums to Gram_kk′.

    Examples
    --------
    >>> together(np.array([[[3, 0], [4, 2]]]), 0, 1).tolist()
    [[0, 8]]
    """
    return a[:, :, k] * a[:, :, k_]


def style_difference(a_G: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return D_kk′, (C, C): what `style_loss` squares.

    Parameters
    ----------
    a_G : ndarray, (H, W, C)
    target : ndarray, (C, C)
        `style_target` of the style image's activations.
    """
    H, W, _ = a_G.shape
    # D_kk′ = Gram_kk′(G)/M_G − Gram_kk′(S)/M_S; the target is the second of them
    return gram_matrix(a_G) / (H * W) - target


def style_contributions(D: np.ndarray) -> np.ndarray:
    """Return how much each k, k′ adds to the style loss, (C, C).

    Examples
    --------
    >>> style_contributions(np.array([[2.0, -4.0], [-4.0, 0.0]])).tolist()
    [[0.25, 1.0], [1.0, 0.0]]
    """
    # contribution_kk′ = D_kk′² / (4C²)
    return D**2 / (4 * len(D) ** 2)


def contribution_pairs(contributions: np.ndarray, count: int) -> list[Pair]:
    """Return the pairs that add most to the style loss, as shares of it.

    k, k′ and k′, k are one pair and count together; a channel with itself counts once.

    Examples
    --------
    Of 0.25 + 1 + 1, the pair (0, 1) has 2:

    >>> contribution_pairs(np.array([[0.25, 1.0], [1.0, 0.0]]), 5)  # doctest: +ELLIPSIS
    [Pair(k=0, k_=1, value=0.888...), Pair(k=0, k_=0, value=0.111...)]
    """
    both = contributions + contributions.T
    both[np.diag_indices(len(both))] /= 2
    # J = Σ_kk′ contribution_kk′
    J = contributions.sum()
    return largest_pairs(both / J if J > 0 else both, count, with_itself=True)


def loudest_in_pairs(gram: np.ndarray, count: int) -> list[int]:
    """Return the channels that fire most, each beside the one that it fires with most.

    Parameters
    ----------
    gram : ndarray, (C, C)
    count : int
        How many; an odd one, and a channel that fires with no other, is left out.

    Examples
    --------
    Channels 2 and 0 fire most, and together; 1 is the next, and has no partner left:

    >>> loudest_in_pairs(np.array([[4, 0, 5], [0, 3, 1], [5, 1, 9]]), 3)
    [2, 0]
    """
    loudest = np.argsort(-gram.diagonal(), kind="stable")[:count]
    strength = pair_strength(gram)[np.ix_(loudest, loudest)]
    pairs = without_repeats(largest_pairs(strength, count**2, with_itself=False))
    return [int(loudest[k]) for pair in pairs for k in (pair.k, pair.k_)]
