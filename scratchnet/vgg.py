"""VGG: which layers it has, and which of the algorithms compute them."""

import os

import numpy as np

from scratchnet.architecture import blocks
from scratchnet.layers import (
    AveragePool,
    Convolution,
    FastestConvolution,
    InStrips,
    MaxPool,
    Preprocess,
    ReLU,
    WinogradConvolution,
)
from scratchnet.network import Network
from scratchnet.weights import Parameters, load_weights
from scratchnet.workspace import Workspace

POOLS = {"max": MaxPool, "average": AveragePool}
CONVOLUTIONS = {
    "fastest": FastestConvolution,
    "im2col": Convolution,
    "winograd": WinogradConvolution,
}


class VGG(Network):
    """VGG-16 or VGG-19 without its fully connected layers.

    Layers are called ``preprocess``, ``conv1_1``, ``relu1_1``, ``conv1_2``, …, ``pool5``.

    Parameters
    ----------
    parameters : mapping
        Convolution name → (kernel, bias).
    architecture : ``"vgg16"`` or ``"vgg19"``
    dtype : ``"float32"`` or ``"float64"``
    pool : ``"max"`` or ``"average"``
        VGG was trained with max pooling; Gatys et al. also used average pooling.
    convolution : ``"fastest"``, ``"im2col"`` or ``"winograd"``
        ``"fastest"`` chooses for each map (`layers.fastest`); ``"im2col"`` uses none but the
        plain layers, as one reads them; ``"winograd"`` uses it for every map.
    threads : int, optional
        How many threads the fast layers use (`workspace` says what BLAS must be told); without
        it, one for each available core. Results do not depend on it.

    Raises
    ------
    ValueError
        For an unknown architecture, dtype, pool or convolution, or fewer than one thread.
    """

    def __init__(
        self,
        parameters: Parameters,
        *,
        architecture: str = "vgg16",
        dtype: str = "float32",
        pool: str = "max",
        convolution: str = "fastest",
        threads: int | None = None,
    ):
        if np.dtype(dtype) not in (np.float32, np.float64):
            raise ValueError(f"got dtype {dtype!r}, wanted 'float32' or 'float64'")
        if pool not in POOLS:
            raise ValueError(f"got pool {pool!r}, wanted one of {', '.join(map(repr, POOLS))}")
        if convolution not in CONVOLUTIONS:
            known = ", ".join(map(repr, CONVOLUTIONS))
            raise ValueError(f"got convolution {convolution!r}, wanted one of {known}")
        workspace = Workspace(threads)
        plain = convolution == "im2col"

        def fast(layer):
            return layer if plain else InStrips(layer, workspace)

        of_workspace = {} if plain else {"workspace": workspace}
        layers: list = [Preprocess("preprocess")]
        for block, convolutions in blocks(architecture):
            for name, _ in convolutions:
                kernel, bias = (np.asarray(part, dtype) for part in parameters[name])
                layers.append(CONVOLUTIONS[convolution](kernel, bias, name=name, **of_workspace))
                layers.append(fast(ReLU(name.replace("conv", "relu"))))
            layers.append(fast(POOLS[pool](f"pool{block}")))
        super().__init__(layers, dtype=dtype, workspace=workspace)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike | None = None,
        *,
        dtype: str = "float32",
        pool: str = "max",
        convolution: str = "fastest",
        threads: int | None = None,
    ) -> "VGG":
        """Load a network from a weight file; without a path, the embedded VGG-16.

        Raises FileNotFoundError and ValueError as `load_weights` and `VGG` do.
        """
        architecture, parameters = load_weights(path)
        return cls(
            parameters,
            architecture=architecture,
            dtype=dtype,
            pool=pool,
            convolution=convolution,
            threads=threads,
        )
