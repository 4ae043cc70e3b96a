"""What a picture is to be changed for: a unit, a channel, or to be unlike other pictures.

a is a layer's map (H, W, C), M its positions, k a channel. The sign is + for the picture that
excites most, − for the one that excites least ::

    φ = ±a_ijk                                      `unit_goal`, i and j in the map's middle
    φ = 1/M Σ_ij (max(±a_ijk, 0)² + (±a_ijk))       `channel_goal`

    ∂φ/∂a_ijk = ±(2 max(±a_ijk, 0) + 1) / M

Pictures are unlike each other if their textures are: the Gram matrices of a layer (Olah et al.
2017, Feature Visualization). Let o be one of N others, and ⟨·, ·⟩ the sum of products of all
entries. The likeness is the mean of the cosines between Gram and each o ::

    c = 1/N Σ_o ⟨Gram, o⟩ / (‖Gram‖ ‖o‖)

Gram is in it twice: in the product, and in its own length, with ∂‖Gram‖/∂Gram = Gram/‖Gram‖. So ::

    ∂c/∂Gram = (1/N Σ_o o/‖o‖ − c Gram/‖Gram‖) / ‖Gram‖

which is what the others have and Gram has not yet. (Departure from Olah et al., who take all pairs
of pictures that are made together: here each is unlike those before it, and the first is free.)
"""

from collections.abc import Callable, Sequence

import numpy as np

Goal = Callable[[np.ndarray, int, int], tuple[float, np.ndarray]]


def unit_goal(a: np.ndarray, channel: int, sign: int = 1) -> tuple[float, np.ndarray]:
    """Return φ and ∂φ/∂a for the unit in the middle of a map (H, W, C); sign is 1 or −1.

    Examples
    --------
    >>> phi, da = unit_goal(np.array([[[3.0, -2.0]]]), 1, -1)
    >>> float(phi), da.tolist()
    (2.0, [[[0.0, -1.0]]])
    """
    unit = (a.shape[0] // 2, a.shape[1] // 2, channel)
    da = np.zeros_like(a)
    da[unit] = sign
    # φ = ±a_ijk
    return sign * a[unit], da


def channel_goal(a: np.ndarray, channel: int, sign: int = 1) -> tuple[float, np.ndarray]:
    """Return φ and ∂φ/∂a for all units of a channel.

    Squares favour the places where it fires already; a plain mean would rather make a channel that
    fires seldom a little less silent everywhere, which is grey. The second summand is next to
    nothing where the channel fires, and leads it out of silence where it does not fire at all.

    Parameters
    ----------
    a : ndarray, (H, W, C)
    channel : int
    sign : 1 or −1

    Examples
    --------
    >>> phi, da = channel_goal(np.array([[[3.0], [-2.0]]]), 0)
    >>> float(phi), da.tolist()  # (9 + 3 − 2)/2; (6 + 1)/2 and ½
    (5.0, [[[3.5], [0.5]]])
    """
    signed = sign * a[:, :, channel]
    firing, M = np.maximum(signed, 0), signed.size
    da = np.zeros_like(a)
    # ∂φ/∂a_ijk = ±(2 max(±a_ijk, 0) + 1) / M
    da[:, :, channel] = sign * (2 * firing + 1) / M
    # φ = 1/M Σ_ij (max(±a_ijk, 0)² + (±a_ijk))
    return np.sum(firing**2 + signed) / M, da


def likeness(gram: np.ndarray, others: Sequence[np.ndarray]) -> tuple[float, np.ndarray]:
    """Return the mean cosine c between a Gram matrix and others, and ∂c/∂Gram; all are (C, C).

    Examples
    --------
    >>> c, dgram = likeness(np.array([[3.0, 0], [0, 4.0]]), [np.array([[2.0, 0], [0, 0]])])
    >>> float(c), dgram.round(3).tolist()  # (1 − 0.6·⅗)/5 and (0 − 0.6·⅘)/5
    (0.6, [[0.128, 0.0], [0.0, -0.096]])
    """
    size = np.sqrt(np.sum(gram * gram))
    towards = sum(o / np.linalg.norm(o) for o in others) / len(others)
    # c = 1/N Σ_o ⟨Gram, o⟩ / (‖Gram‖ ‖o‖)
    c = np.sum(gram * towards) / size
    # ∂c/∂Gram = (1/N Σ_o o/‖o‖ − c Gram/‖Gram‖) / ‖Gram‖
    return c, (towards - c * gram / size) / size
