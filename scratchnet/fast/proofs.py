"""The derivatives of the fast layers, proved by the same checks as the plain ones."""

from collections.abc import Iterator

import numpy as np

from scratchnet.checks.catalogue import (
    check_gram,
    check_kinked,
    check_linear,
    random_convolution,
)
from scratchnet.checks.numerical import GradientReport
from scratchnet.fast.gram import FastGram
from scratchnet.fast.planes import PlaneConvolution
from scratchnet.fast.pooling import FastAveragePool, FastMaxPool
from scratchnet.fast.relu import FastReLU
from scratchnet.fast.transforms import POINTS
from scratchnet.fast.winograd import WinogradConvolution


def check_fast_operations(seed: int = 0) -> Iterator[GradientReport]:
    """Check every fast layer, entry by entry, on small random arrays."""
    rng = np.random.default_rng(seed)
    yield from check_linear(FastAveragePool(), (5, 6, 2), rng)
    yield from check_linear(FastAveragePool(partial_windows=True), (5, 7, 2), rng)
    for tile in POINTS:
        convolution = random_convolution(rng, (3, 3, 2, 4), kind=WinogradConvolution, tile=tile)
        yield from check_linear(convolution, (5, 6, 2), rng)
    planes = random_convolution(rng, (3, 3, 2, 4), kind=PlaneConvolution)
    yield from check_linear(planes, (5, 6, 2), rng)
    yield from check_kinked(FastReLU(), (4, 5, 3), rng)
    yield from check_kinked(FastMaxPool(), (5, 6, 3), rng)
    yield from check_kinked(FastMaxPool(partial_windows=True), (5, 7, 3), rng)
    yield from check_gram(FastGram(), rng)
