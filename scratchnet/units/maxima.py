"""How large a channel usually gets in a picture, and which channels get large in the same ones.

The largest activation of a channel k in picture n, m_nk, says whether the picture has anywhere what
the channel looks for. Over N pictures it has a mean and a deviation ::

    m_nk = max_ij a_ijk
    μ_k = 1/N Σ_n m_nk
    σ_k = √(1/N Σ_n (m_nk − μ_k)²)

Raw activations of two channels do not compare: one fires at 10 at most, another at 1000 everywhere.
How far a picture's m_k exceeds what is usual for the channel does compare ::

    excess_k = (m_k − μ_k) / σ_k

Two channels fire together, in this sense, if their maxima go up and down together, picture by
picture. That is Pearson's correlation ::

    r_kk′ = 1/N Σ_n (m_nk − μ_k) (m_nk′ − μ_k′) / (σ_k σ_k′)

It asks for the same pictures, not for the same places in them: that is what the Gram matrix asks
(`correlation`).
"""

from typing import NamedTuple

import numpy as np

from scratchnet.blas import one_blas_thread

ALIKE = 0.5  # r of two channels that look for much the same


class Usual(NamedTuple):
    """What is usual for the channels of a layer: μ, (C,), and σ, (C,)."""

    mean: np.ndarray
    deviation: np.ndarray


def picture_maxima(a: np.ndarray) -> np.ndarray:
    """Return each channel's largest activation in a picture, (C,), from its map (H, W, C)."""
    # m_nk = max_ij a_ijk
    return a.max(axis=(0, 1))


def usual(m: np.ndarray) -> Usual:
    """Return mean and deviation of the channels' maxima m, (N, C), over the pictures.

    Examples
    --------
    >>> usual(np.array([[1.0], [3.0]]))
    Usual(mean=array([2.]), deviation=array([1.]))
    """
    # μ_k = 1/N Σ_n m_nk
    mu = m.mean(axis=0, dtype=float)
    # σ_k = √(1/N Σ_n (m_nk − μ_k)²)
    sigma = np.sqrt(((m - mu) ** 2).mean(axis=0))
    return Usual(mu, sigma)


def excess(m: np.ndarray, common: Usual) -> np.ndarray:
    """Return how far maxima m, (C,) or (N, C), exceed what is usual; 0 where σ = 0.

    Examples
    --------
    >>> excess(np.array([4.0, 5.0]), Usual(np.array([2.0, 5.0]), np.array([1.0, 0.0])))
    array([2., 0.])
    """
    mu, sigma = common
    difference = m - mu
    # excess_k = (m_k − μ_k) / σ_k
    return np.divide(difference, sigma, out=np.zeros_like(difference), where=sigma > 0)


@one_blas_thread
def firing_together(m: np.ndarray) -> np.ndarray:
    """Return the correlation r of all channels with each other, (C, C), from maxima m, (N, C).

    Examples
    --------
    Channel 1 goes up when 0 does, 2 goes down:

    >>> firing_together(np.array([[1.0, 5.0, 2.0], [3.0, 6.0, 0.0]])).round(3).tolist()
    [[1.0, 1.0, -1.0], [1.0, 1.0, -1.0], [-1.0, -1.0, 1.0]]
    """
    z = excess(m, usual(m))
    # r_kk′ = 1/N Σ_n (m_nk − μ_k) (m_nk′ − μ_k′) / (σ_k σ_k′)
    return z.T @ z / len(m)


def partners(r: np.ndarray, channel: int, count: int) -> list[tuple[int, float]]:
    """Return the channels that fire with one, and r, the largest first; those above 0 only.

    Examples
    --------
    >>> partners(np.array([[1.0, 0.2, 0.7], [0.2, 1.0, 0.0], [0.7, 0.0, 1.0]]), 0, 5)
    [(2, 0.7), (1, 0.2)]
    """
    others = [int(k) for k in np.argsort(-r[channel], kind="stable") if k != channel]
    return [(k, float(r[channel, k])) for k in others[:count] if r[channel, k] > 0]


def standing_out(
    m: np.ndarray, common: Usual, candidates: np.ndarray, r: np.ndarray, count: int
) -> list[int]:
    """Return the channels that a picture excites most, compared to what is usual for each.

    Of channels that always fire together the first stands for the others.

    Parameters
    ----------
    m : ndarray, (C,)
        The picture's maxima.
    common : Usual
    candidates : ndarray of bool, (C,)
        Which channels count: not those that are weak everywhere, where a little is much.
    r : ndarray, (C, C)
        `firing_together`: none that correlates above `ALIKE` with one taken is taken.
    count : int
        How many at most; each exceeds what is usual.

    Examples
    --------
    Channel 0 exceeds most, 1 is like it, 3 is none of the candidates:

    >>> m, common = np.array([9.0, 8.0, 5.0, 7.0]), Usual(np.zeros(4), np.ones(4))
    >>> r = np.eye(4)
    >>> r[0, 1] = r[1, 0] = 0.9
    >>> standing_out(m, common, np.array([True, True, True, False]), r, 3)
    [0, 2]
    """
    z = excess(m, common)
    taken: list[int] = []
    for channel in np.argsort(-z, kind="stable"):
        if len(taken) == count or z[channel] <= 0:
            break
        if candidates[channel] and not (r[channel, taken] > ALIKE).any():
            taken.append(int(channel))
    return taken
