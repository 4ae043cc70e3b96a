"""How much memory a forward and a backward pass will take, before they are run.

The parameters, what the fast layers made of them, and the caches are held all the while; a cache is
a bit for every entry of a ReLU, or a byte for every window of a pool. Maps take the most memory on
the way back. At a stage with input x and output y there are ::

    a + dy + g         g the gradient of J's own terms at y, made of a, which is freed then
    dy + g + dx        while the stage computes

and the activations that J looks at below. Each thread has work arrays of its own.
"""

from collections.abc import Iterable, Iterator
from math import prod
from typing import NamedTuple

from scratchnet.fast.fastest import FastConvolution
from scratchnet.fast.memory import PAGE
from scratchnet.fast.network import FastNetwork, runs
from scratchnet.fast.pooling import FastMaxPool
from scratchnet.fast.strips import Room
from scratchnet.network.network import name_list

PICTURES = 8  # of the content image's activations, the gradient, and J's terms at the picture
PAGES = 3 * PAGE  # bytes: the ends of blocks that nothing fits into
LIBRARIES = 42_000_000  # bytes: what Pillow, SciPy, BLAS and reading the weights take
THREAD = 7_000_000  # bytes: what BLAS and the system take for a thread


class Memory(NamedTuple):
    """What a pass takes at a moment, in bytes.

    ``maps`` and ``work`` are used again from then on, for the next picture, of whatever size, too;
    ``kept``, transformed kernels and caches, is replaced.
    """

    kept: int
    maps: int
    work: int


def passes_memory(
    network: FastNetwork,
    height: int,
    width: int,
    layers: Iterable[str],
    *,
    back: bool = True,
    kernels: dict[str, int] | None = None,
) -> Iterator[Memory]:
    """Predict what the passes that make J and ∂J/∂G take: at each stage, and on the way back.

    Parameters
    ----------
    network, height, width, layers
        Those of `predicted_memory`.
    back : bool
        Whether there is a way back.
    kernels : dict, optional
        Layer name → bytes of its transformed kernel, from passes before. A kernel transformed for
        another size is let go of when a pass comes to its layer, and this is brought up to date.
    """
    layers, threads = set(name_list(layers)), network.workspace.threads
    kernels, itemsize = {} if kernels is None else kernels, network.dtype.itemsize
    shapes = network.output_shapes(height, width)
    looked_at = {name: prod(shape) for name, shape in shapes.items() if name in layers}
    caches = below = on_the_way_back = kernel = strip = 0

    def memory(maps: int) -> Memory:
        work = (kernel + threads * strip) * itemsize + threads * THREAD
        return Memory(sum(kernels.values()) + caches, maps * itemsize + PAGES, work)

    x, x_kept = (height, width, 3), False
    for run in runs(network.layers[: network.depth(layers)], layers):
        y, room = shapes[run[-1].name], Room()
        if isinstance(run[0], FastConvolution):
            room = run[0].memory(x)
            kernels[run[0].name] = room.kept * itemsize
            caches += prod(shapes[run[0].name]) // 8
        caches += prod(y) if isinstance(run[-1], FastMaxPool) else 0
        kernel, strip = max(kernel, room.kernel), max(strip, room.strip)
        a, y_kept = sum(looked_at.get(layer.name, 0) for layer in run), run[-1].name in layers
        # x + a + y, where x or y may be an a
        forward = (0 if x_kept else prod(x)) + room.map + a + (0 if y_kept else prod(y))
        yield memory(below + forward)
        # a + dy + g, then dy + g + dx
        backward = prod(y) + a + max(a, prod(x) + room.map)
        on_the_way_back, below = max(on_the_way_back, below + backward), below + a
        x, x_kept = y, y_kept
    if back:
        yield memory(on_the_way_back)


def peak_of(moments: Iterable[Memory]) -> int:
    """Return the peak in bytes of passes over one picture after the other, in that order."""
    maps = work = peak = 0
    for memory in moments:
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
    peak = peak_of(passes_memory(network, height, width, layers))
    return LIBRARIES + held * network.dtype.itemsize + peak
