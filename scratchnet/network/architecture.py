"""The one table that both VGG networks come from (Simonyan & Zisserman 2015, table 1, D and E).

A VGG network is five blocks. A block is a few 3×3 convolutions, each followed by a ReLU, and a
2×2 pooling at its end. The networks differ only in the number of convolutions in a block.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from scratchnet.network.convolution import Convolution
from scratchnet.network.layer import Layer
from scratchnet.network.pooling import AveragePool, MaxPool
from scratchnet.network.preprocessing import MEAN_BGR, Preprocess
from scratchnet.network.relu import ReLU

Parameters = Mapping[str, tuple[np.ndarray, np.ndarray]]  # name → (kernel, bias)
POOLS = {"max": MaxPool, "average": AveragePool}

CONVOLUTIONS_PER_BLOCK = {
    "vgg16": (2, 2, 3, 3, 3),
    "vgg19": (2, 2, 4, 4, 4),
}
CHANNELS_PER_BLOCK = (64, 128, 256, 512, 512)


def blocks(architecture: str) -> Iterator[tuple[int, list[tuple[str, tuple[int, int, int, int]]]]]:
    """Yield each block's number and its convolutions, as (name, kernel shape) pairs.

    Parameters
    ----------
    architecture : str
        ``"vgg16"`` or ``"vgg19"``.

    Raises
    ------
    ValueError
        For any other name.

    Examples
    --------
    >>> next(blocks("vgg16"))
    (1, [('conv1_1', (3, 3, 3, 64)), ('conv1_2', (3, 3, 64, 64))])
    """
    if architecture not in CONVOLUTIONS_PER_BLOCK:
        known = ", ".join(CONVOLUTIONS_PER_BLOCK)
        raise ValueError(f"unknown architecture {architecture!r}; known are {known}")
    C_in = 3
    counts = CONVOLUTIONS_PER_BLOCK[architecture]
    for block, (count, C_out) in enumerate(zip(counts, CHANNELS_PER_BLOCK, strict=True), start=1):
        convolutions = []
        for n in range(1, count + 1):
            convolutions.append((f"conv{block}_{n}", (3, 3, C_in, C_out)))
            C_in = C_out
        yield block, convolutions


def kernel_shapes(architecture: str) -> dict[str, tuple[int, int, int, int]]:
    """Return the kernel shape (kh, kw, C_in, C_out) of each convolution, in order, by name."""
    return {name: shape for _, convolutions in blocks(architecture) for name, shape in convolutions}


def vgg_layers(
    parameters: Parameters,
    architecture: str,
    dtype: str = "float32",
    pool: str = "max",
    partial_windows: bool = False,
    mean: tuple[float, float, float] = MEAN_BGR,
) -> list[Layer]:
    """Return the layers of a VGG network, from the picture to the last pool.

    They are called ``preprocess``, ``conv1_1``, ``relu1_1``, ``conv1_2``, …, ``pool5``.

    Parameters
    ----------
    parameters : mapping
        Convolution name → (kernel, bias).
    architecture : ``"vgg16"`` or ``"vgg19"``
    dtype : str
    pool : ``"max"`` or ``"average"``
    partial_windows : bool
        Of the pools: see `pooling`.
    mean : tuple of three floats
        Of `Preprocess`.

    Raises
    ------
    ValueError
        For an unknown architecture or pool.
    """
    if pool not in POOLS:
        raise ValueError(f"got pool {pool!r}, wanted one of {', '.join(map(repr, POOLS))}")
    layers: list[Layer] = [Preprocess("preprocess", mean)]
    for block, convolutions in blocks(architecture):
        for name, _ in convolutions:
            kernel, bias = (np.asarray(part, dtype) for part in parameters[name])
            layers.append(Convolution(kernel, bias, name=name))
            layers.append(ReLU(name.replace("conv", "relu")))
        layers.append(POOLS[pool](f"pool{block}", partial_windows))
    return layers
