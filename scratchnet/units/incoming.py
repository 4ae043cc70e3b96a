"""What a channel is made of: the channels of the layer below that its kernel weighs most.

A unit of channel k′ of a convolution adds up windows of all channels k below, each with a kernel of
its own, w_uvkk′. How strongly it reads channel k, whatever the sign and the place ::

    strength_k = √Σ_uv w_uvkk′²

A positive entry means that the unit fires more where k fires at that place, a negative one less.
(How strongly k itself fires in pictures is not in it.)
"""

from typing import NamedTuple

import numpy as np


class Incoming(NamedTuple):
    """A channel below, how strongly it is read, and by which kernel, (kh, kw)."""

    channel: int
    strength: float
    kernel: np.ndarray


def strongest_inputs(kernel: np.ndarray, channel: int, count: int) -> list[Incoming]:
    """Return the channels below that a channel reads most, the strongest first.

    Parameters
    ----------
    kernel : ndarray, (kh, kw, C_in, C_out)
        Of the convolution.
    channel : int
        k′, one of C_out.
    count : int
        How many at most.

    Examples
    --------
    Two channels below, one pixel each, for one channel: 3 and −4.

    >>> [found.channel for found in strongest_inputs(np.array([[[[3.0], [-4.0]]]]), 0, 2)]
    [1, 0]
    """
    w = kernel[:, :, :, channel].astype(float)  # (kh, kw, C_in)
    # strength_k = √Σ_uv w_uvkk′²
    strength = np.sqrt((w**2).sum(axis=(0, 1)))
    order = np.argsort(-strength, kind="stable")[:count]
    return [Incoming(int(k), float(strength[k]), w[:, :, k]) for k in order]
