"""The same network, fast: stages in strips, threads, memory used again.

`FastNetwork` takes a plain `network.Network` and computes what that computes, up to rounding, with
the same names, one cache per layer, and the same errors. But where a convolution, its ReLU and
perhaps a pool follow one another, both passes take them in one go, as a `stage`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from scratchnet.blas import one_blas_thread
from scratchnet.fast.fastest import FastConvolution
from scratchnet.fast.gram import FastGram
from scratchnet.fast.pooling import FastAveragePool, FastMaxPool
from scratchnet.fast.relu import FastReLU
from scratchnet.fast.stage import Stage
from scratchnet.fast.workspace import Workspace, available_cores, fill_buffers
from scratchnet.network.convolution import Convolution
from scratchnet.network.layer import Layer
from scratchnet.network.network import Network
from scratchnet.network.pooling import AveragePool, MaxPool
from scratchnet.network.relu import ReLU


class FastNetwork(Network):
    """A network's fast twin.

    Parameters
    ----------
    network : Network
        The layers, plain or fast; those of other kinds than VGG's stay as they are.
    threads : int, optional
        How many compute; without it, one for each available core. Results do not depend on it.

    Attributes
    ----------
    workspace : Workspace
        The memory and the threads that the layers share.

    Raises
    ------
    TypeError, ValueError
        For what is no network, and as `Workspace` does for its threads.
    """

    def __init__(self, network: Network, threads: int | None = None):
        if not isinstance(network, Network):
            raise TypeError(f"got {network!r} for a network, wanted a Network such as VGG.load()")
        self.workspace = Workspace(threads)
        fill_buffers(min(self.workspace.threads, available_cores()))
        layers = [fast_layer(layer, self.workspace) for layer in network.layers]
        super().__init__(layers, dtype=network.dtype)
        self.gram = FastGram(workspace=self.workspace)

    @one_blas_thread
    def forward(
        self, image: np.ndarray, layers: Iterable[str]
    ) -> tuple[dict[str, np.ndarray], list]:
        """Compute the activations at the layers named, as `Network.forward` does."""
        a, wanted = self.checked(image, layers)
        activations, caches = {}, []
        for run in runs(self.layers[: self.depth(wanted)], wanted):
            if len(run) == 1:
                (layer,) = run
                a, cache = layer.forward(a)
                caches.append(cache)
            else:
                a, of_relu, of_run = Stage(*run).forward(a, run[1].name in wanted)
                caches += of_run
                if run[1].name in wanted:
                    activations[run[1].name] = of_relu
                del of_relu
            if run[-1].name in wanted:
                activations[run[-1].name] = a
        return activations, caches

    @one_blas_thread
    def backward(self, gradients: Mapping[str, np.ndarray], caches: list) -> np.ndarray:
        """Carry gradients at any layers down to the picture, as `Network.backward` does."""
        depth = self.check_gradients(gradients, caches)
        da = None

        def own(layer: Layer) -> np.ndarray | None:  # g_l
            return gradients[layer.name] if layer.name in gradients else None

        for run in reversed(list(runs(self.layers[:depth], gradients))):
            of_run = caches[depth - len(run) : depth]
            depth -= len(run)
            if len(run) == 1:
                da = run[0].backward(_sum(da, own(run[0])), of_run[0])
                continue
            g = own(run[1])
            if len(run) == 3:
                da = _sum(da, own(run[2]))
            if da is None:  # J looks at this ReLU and at nothing deeper
                da, g = g, None
            da = Stage(*run).backward(da, g, of_run)
        return da


def fast_layer(layer: Layer, workspace: Workspace) -> Layer:
    """Return a layer's fast twin, if it has one."""
    if type(layer) in (Convolution, FastConvolution):
        return FastConvolution(
            layer.kernel, layer.bias, layer.stride, layer.padding, layer.name, workspace
        )
    if type(layer) in (ReLU, FastReLU):  # a subclass may compute something else
        return FastReLU(layer.name, workspace)
    for plain, fast in ((MaxPool, FastMaxPool), (AveragePool, FastAveragePool)):
        if type(layer) in (plain, fast):
            return fast(layer.name, layer.partial_windows, workspace)
    return layer


def runs(layers: Sequence[Layer], apart: Iterable[str]) -> Iterator[tuple[Layer, ...]]:
    """Cut a list of layers into stages of a convolution, a ReLU and perhaps a pool, and others.

    Parameters
    ----------
    layers : sequence of Layer
    apart : collection of str
        Layers whose map or gradient is wanted: convolutions among them stay by themselves.
    """
    n = 0
    while n < len(layers):
        length = 1
        if isinstance(layers[n], FastConvolution) and layers[n].name not in apart:
            kinds = [FastReLU, FastMaxPool | FastAveragePool]
            for layer, kind in zip(layers[n + 1 :], kinds, strict=False):
                if not isinstance(layer, kind):
                    break
                length += 1
        yield tuple(layers[n : n + length])
        n += length


def _sum(da: np.ndarray | None, g: np.ndarray | None) -> np.ndarray | None:
    """Return da + g, where either may be missing."""
    if da is None or g is None:
        return g if da is None else da
    return da + g
