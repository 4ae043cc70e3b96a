"""How much memory a forward and a backward pass will take, before they are run.

The parameters, what the fast layers made of them, and the caches are held all the while; a cache is
a bit for every entry of a ReLU, or a byte for every window of a pool. Maps take the most memory on
the way back. At a stage with input x and output y there are ::

    a + dy + g         g the gradient of J's own terms at y, made of a, which is freed then
    dy + g + dx        while the stage computes

and the activations that J looks at below. Each thread has work arrays of its own.
"""

from collections.abc import Iterable
from math import prod
from typing import NamedTuple

from scratchnet.fast.fastest import FastConvolution
from scratchnet.fast.memory import PAGE
from scratchnet.fast.network import FastNetwork, runs
from scratchnet.fast.strips import Room
from scratchnet.network.network import name_list

PICTURES = 8  # of the content image's activations, the gradient, and J's terms at the picture
PAGES = 3 * PAGE  # bytes: the ends of blocks that nothing fits into
LIBRARIES = 42_000_000  # bytes: what Pillow, SciPy, BLAS and reading the weights take
THREAD = 7_000_000  # bytes: what BLAS and the system take for a thread


class Memory(NamedTuple):
    """What the passes over a picture take, in bytes.

    ``maps`` and ``work`` are used again for the next picture, of whatever size; ``kept``,
    transformed kernels and caches, is replaced.
    """

    kept: int
    maps: int
    work: int


def passes_memory(
    network: FastNetwork, height: int, width: int, layers: Iterable[str], *, back: bool = True
) -> Memory:
    """Predict what the passes that make J and ∂J/∂G take, or without ``back`` the first of them.

    Parameters are those of `predicted_memory`.
    """
    layers, threads = set(name_list(layers)), network.workspace.threads
    shapes = network.output_shapes(height, width)
    looked_at = {name: prod(shape) for name, shape in shapes.items() if name in layers}
    caches = below = maps = 0
    x, x_kept, rooms = (height, width, 3), False, [Room()]
    for run in runs(network.layers[: network.depth(layers)], layers):
        y = shapes[run[-1].name]
        if isinstance(run[0], FastConvolution):
            rooms.append(run[0].memory(x))
            caches += prod(shapes[run[0].name]) // 8
        caches += prod(y) if len(run) == 3 else 0
        a = sum(looked_at.get(layer.name, 0) for layer in run)
        if back:  # a + dy + g, then dy + g + dx
            at_once = prod(y) + a + max(a, prod(x) + rooms[-1].map)
        else:  # x + a + y, where x or y may be an a
            at_once = a + rooms[-1].map
            at_once += 0 if x_kept else prod(x)
            at_once += 0 if run[-1].name in layers else prod(y)
        maps, below = max(maps, below + at_once), below + a
        x, x_kept = y, run[-1].name in layers
    itemsize = network.dtype.itemsize
    kept = sum(room.kept for room in rooms) * itemsize + caches
    work = max(room.kernel for room in rooms) + threads * max(room.strip for room in rooms)
    return Memory(kept, maps * itemsize + PAGES, work * itemsize + threads * THREAD)


def peak_of(pictures: Iterable[Memory]) -> int:
    """Return the peak in bytes of passes over one picture after the other, in that order."""
    maps = work = peak = 0
    for memory in pictures:
        maps, work = max(maps, memory.maps), max(work, memory.work)
        peak = max(peak, memory.kept + maps + work)
    return peak


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
    TypeError, ValueError
        For a network that is not fast, or an unknown layer.
    """
    if not isinstance(network, FastNetwork):
        raise TypeError(f"got a {type(network).__name__}, wanted a FastNetwork such as VGG.load()")
    convolutions = [layer for layer in network.layers if isinstance(layer, FastConvolution)]
    held = sum(layer.kernel.size + layer.bias.size for layer in convolutions)
    held += PICTURES * 3 * height * width
    passes = passes_memory(network, height, width, layers)
    return LIBRARIES + held * network.dtype.itemsize + sum(passes)
