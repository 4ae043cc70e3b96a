"""How much memory a forward and a backward pass will take, before they are run.

The parameters, what the fast layers made of them, and the caches are held all the while; a cache is
a bit for every entry of a ReLU, or a byte for every window of a pool. Maps take the most memory on
the way back. At a stage with input x and output y there are ::

    dy + dx + g        g the gradient of J's own terms at x, made as soon as dx is there

and the activations that J looks at, at x and below.
"""

from collections.abc import Iterable
from math import prod

from scratchnet.fast.fastest import FastConvolution
from scratchnet.fast.network import FastNetwork, runs

GAPS = 1.08  # memory taken from the system / memory in arrays
STRIP = 5 * 2**17  # entries: what ReLUs and pools need for the strip that a thread is at
LIBRARIES = 15_000_000  # bytes: what Pillow, SciPy and threads take when first used


def predicted_memory(network: FastNetwork, height: int, width: int, layers: Iterable[str]) -> int:
    """Predict the peak in bytes of the passes that make J and ∂J/∂G.

    Parameters
    ----------
    network : FastNetwork
    height, width : int
        Of the picture.
    layers : iterable of str
        Those that J looks at.

    Raises
    ------
    ValueError
        For an unknown layer.
    """
    layers = set(layers)
    shapes = network.output_shapes(height, width)
    convolutions = [layer for layer in network.layers if isinstance(layer, FastConvolution)]
    held = sum(layer.kernel.size + layer.bias.size for layer in convolutions)
    caches = below = maps = work = 0
    x, x_wanted = (height, width, 3), False
    for run in runs(network.layers[: network.depth(layers)], layers):
        y = shapes[run[-1].name]
        if isinstance(run[0], FastConvolution):
            kept, needed = run[0].memory(x)
            held, work = held + kept, max(work, needed)
            caches += prod(shapes[run[0].name]) // 8
        maps = max(maps, below + prod(x) * (2 if x_wanted else 1) + prod(y))
        caches += prod(y) if len(run) == 3 else 0
        for layer in run:
            below += prod(shapes[layer.name]) if layer.name in layers else 0
        x, x_wanted = y, run[-1].name in layers
    maps = max(maps, below + prod(x))
    work += STRIP * network.workspace.threads
    return LIBRARIES + round(GAPS * ((held + maps + work) * network.dtype.itemsize + caches))
