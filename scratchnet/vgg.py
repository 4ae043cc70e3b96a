"""VGG: the layers of chapter 1, trained weights and, unless told otherwise, chapter 4's speed."""

import os

import numpy as np

from scratchnet.fast.network import FastNetwork
from scratchnet.files.weights import load_weights
from scratchnet.network.architecture import Parameters, vgg_layers
from scratchnet.network.network import Network
from scratchnet.network.preprocessing import MEAN_BGR, check_mean


class VGG(Network):
    """VGG-16 or VGG-19 without its fully connected layers, plain.

    Layers are called ``preprocess``, ``conv1_1``, ``relu1_1``, ``conv1_2``, …, ``pool5``.

    Parameters
    ----------
    parameters : mapping
        Convolution name → (kernel, bias).
    architecture : ``"vgg16"`` or ``"vgg19"``
    dtype : ``"float32"`` or ``"float64"``
    pool : ``"max"`` or ``"average"``
        VGG was trained with max pooling; Gatys et al. also used average pooling.
    partial_windows : bool
        Whether the pools see an odd last row or column. VGG's do not; for a transfer they should,
        or the picture's lower and right border hardly hears of the deep layers.
    mean : tuple of three floats
        Mean colour (blue, green, red) of the pictures that the weights were trained on.

    Raises
    ------
    ValueError
        For an unknown architecture, dtype or pool, or a mean that is no colour.
    """

    def __init__(
        self,
        parameters: Parameters,
        *,
        architecture: str = "vgg16",
        dtype: str = "float32",
        pool: str = "max",
        partial_windows: bool = False,
        mean: tuple[float, float, float] = MEAN_BGR,
    ):
        if dtype not in ("float32", "float64", np.float32, np.float64):
            raise ValueError(f"got dtype {dtype!r}, wanted 'float32' or 'float64'")
        mean = check_mean(mean)
        layers = vgg_layers(parameters, architecture, dtype, pool, partial_windows, mean)
        super().__init__(layers, dtype=dtype)

    @classmethod
    def build(
        cls, parameters: Parameters, *, fast: bool = True, threads: int | None = None, **options
    ) -> Network:
        """Make a network of parameters: `VGG`, or its fast twin.

        Parameters
        ----------
        parameters : mapping
            Convolution name → (kernel, bias).
        fast : bool
            Whether chapter 4 computes it; otherwise chapter 1 does, line for line as one reads it.
        threads : int, optional
            How many compute if it is fast; without it, one for each available core.
        **options
            ``architecture``, ``dtype``, ``pool``, ``partial_windows`` and ``mean``, as for `VGG`.

        Returns
        -------
        network : VGG or FastNetwork

        Raises
        ------
        ValueError
            As `VGG` and `FastNetwork` do.
        """
        plain = cls(parameters, **options)
        return FastNetwork(plain, threads) if fast else plain

    @classmethod
    def load(
        cls,
        path: str | os.PathLike | None = None,
        *,
        preprocessing: str | None = None,
        flipped: bool | None = None,
        dtype: str = "float32",
        pool: str = "max",
        partial_windows: bool = False,
        fast: bool = True,
        threads: int | None = None,
    ) -> Network:
        """Load a network from a weight file of any format; without a path, the embedded VGG-16.

        Parameters are those of `load_weights`, `build` and `VGG`. Raises FileNotFoundError
        and ValueError, as these do.
        """
        architecture, parameters, mean = load_weights(
            path, preprocessing=preprocessing, flipped=flipped
        )
        return cls.build(
            parameters,
            architecture=architecture,
            dtype=dtype,
            pool=pool,
            partial_windows=partial_windows,
            mean=mean,
            fast=fast,
            threads=threads,
        )
