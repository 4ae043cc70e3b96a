"""A network is a list of layers; VGG (`vgg`) is one such list.

Forward: each layer's output is the next one's input ::

    a⁽⁰⁾ = image,    a⁽ˡ⁾ = f_l(a⁽ˡ⁻¹⁾)

Backward: let g_l be the gradient that J's own terms have at layer l (zero where J does not
look at that layer). The whole gradient there is that, plus what comes down from above::

    ∂J/∂a⁽ˡ⁾ = g_l + (∂a⁽ˡ⁺¹⁾/∂a⁽ˡ⁾)ᵀ ∂J/∂a⁽ˡ⁺¹⁾

so one walk from the deepest layer down to the picture adds each g_l where it meets it. The
matrix of derivatives ∂a⁽ˡ⁺¹⁾/∂a⁽ˡ⁾ would be enormous and is never formed: its transpose times a
gradient is what ``layer.backward`` returns.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from math import prod

import numpy as np

from scratchnet.blas import one_blas_thread
from scratchnet.layers import Convolution
from scratchnet.workspace import Workspace, strips

Shape = tuple[int, int, int]
GAPS = 1.08  # memory taken from the system / memory in arrays


class Network:
    """An ordered list of named layers.

    Parameters
    ----------
    layers : sequence
        Layers with unique names, each with ``forward``, ``backward`` and ``output_shape``.
    dtype : str or dtype
        Precision of all activations and gradients: ``"float32"`` or ``"float64"``.
    workspace : Workspace, optional
        The memory and the threads that its fast layers share, if it has any.
    """

    def __init__(
        self, layers: Sequence, *, dtype: str = "float32", workspace: Workspace | None = None
    ):
        self.layers = tuple(layers)
        self.dtype = np.dtype(dtype)
        self.workspace = Workspace(threads=1) if workspace is None else workspace
        self._index = {layer.name: n for n, layer in enumerate(self.layers)}
        if len(self._index) != len(self.layers):
            raise ValueError("two layers have the same name")

    @one_blas_thread
    def forward(
        self, image: np.ndarray, layers: Iterable[str]
    ) -> tuple[dict[str, np.ndarray], list]:
        """Compute the activations at the layers named, and no deeper than the deepest.

        Parameters
        ----------
        image : ndarray, (H, W, 3)
            RGB in 0–255.
        layers : iterable of str
            Layer names, in any order.

        Returns
        -------
        activations : dict
            Name → ndarray (H_l, W_l, C_l), for the layers named.
        caches : list
            What `backward` needs: one cache for each layer passed.

        Raises
        ------
        ValueError
            For an unknown name, or a picture that is not (H, W, 3) or too small.
        """
        wanted = set(layers)
        depth = self.depth(wanted)
        a = np.asarray(image, self.dtype)
        self.check_image(a.shape, wanted)
        activations, caches = {}, []
        ours = False  # whether ``a`` is nobody else's, so that a ReLU may write over it
        for layer in self.layers[:depth]:
            a, cache = layer.forward(a, **self._over(a, layer, ours))
            caches.append(cache)
            ours = layer.name not in wanted
            if not ours:
                activations[layer.name] = a
        return activations, caches

    @one_blas_thread
    def backward(
        self, gradients: Mapping[str, np.ndarray], caches: list, *, consume: bool = False
    ) -> np.ndarray:
        """Carry gradients at any layers down to the picture, summed where they meet.

        Parameters
        ----------
        gradients : mapping
            Name → ∂J/∂a of that layer alone, shaped like its activation.
        caches : list
            From the `forward` pass; at least as deep as the deepest gradient.
        consume : bool
            Whether the caller gives the gradients up: then they are taken out of the mapping as
            they are used, and their memory with them.

        Returns
        -------
        dimage : ndarray, (H, W, 3)
            ∂J/∂image, in RGB.

        Raises
        ------
        ValueError
            For an unknown name, a layer that the forward pass did not reach, or no gradient.
        """
        depth = self.depth(gradients)
        if depth == 0:
            raise ValueError("got no gradient to carry back")
        if depth > len(caches):
            deepest = self.layers[depth - 1].name
            raise ValueError(f"gradient at {deepest}, but the forward pass ended before it")
        da, ours = None, False
        take = gradients.pop if consume else gradients.get
        for layer, cache in zip(self.layers[depth - 1 :: -1], caches[depth - 1 :: -1], strict=True):
            if layer.name in gradients:
                g = take(layer.name)
                da = g if da is None else self._add(da, g)
                del g
            da = layer.backward(da, cache, **self._over(da, layer, ours))
            ours = True
        return da

    def forget(self) -> None:
        """Let go of what is kept from pass to pass: memory, and such as transformed kernels.

        For pictures of another size other things may be kept, and memory would hold both.
        """
        self.workspace.forget()
        for layer in self.layers:
            if isinstance(layer, Convolution):
                layer.forget()

    @staticmethod
    def _over(array: np.ndarray, layer, ours: bool) -> dict[str, np.ndarray]:
        """Return ``out=array`` if the array is ours and the layer may write over it."""
        return {"out": array} if ours and getattr(layer, "in_place", False) else {}

    def _add(self, da: np.ndarray, g: np.ndarray) -> np.ndarray:
        """Return da + g, written over da."""
        rows = strips(len(da), -(-len(da) // self.workspace.threads))
        self.workspace.map(lambda s: np.add(da[s], g[s], out=da[s]), rows)
        return da

    def output_shapes(self, height: int, width: int) -> dict[str, Shape]:
        """Return the shape (H_l, W_l, C_l) of every layer for a picture of that size."""
        shape, shapes = (height, width, 3), {}
        for layer in self.layers:
            shape = layer.output_shape(shape)
            shapes[layer.name] = shape
        return shapes

    def memory(self, height: int, width: int, layers: Iterable[str]) -> int:
        """Predict the peak in bytes of a forward and a backward pass with gradients at ``layers``.

        Held all the while are the parameters, with what the fast layers made of them, and the
        caches: a bit for every entry that a ReLU passed, a byte for every entry that a pool did.
        On the way back through a layer there are its dy and dx, and an activation or gradient for
        every named layer below it; of that, and of a layer's own work arrays, the largest counts.
        Measured on a whole network, the process takes about 8 % more, in gaps between arrays.
        """
        layers = set(layers)
        depth, shapes = self.depth(layers), self.output_shapes(height, width)
        held = sum(parameters(layer) for layer in self.layers)
        caches = named = maps = work = 0
        x = (height, width, 3)
        for layer in self.layers[:depth]:
            y = shapes[layer.name]
            maps = max(maps, named + prod(x) + prod(y))
            if isinstance(layer, Convolution):
                kept, needed = layer.memory(x)
                held, work = held + kept, max(work, needed)
            else:
                caches += prod(x) // 8 if x == y else prod(y)
            named += prod(y) if layer.name in layers else 0
            x = y
        return round(GAPS * ((held + max(maps, named) + work) * self.dtype.itemsize + caches))

    def depth(self, names: Iterable[str]) -> int:
        """Return how many layers it takes to pass the deepest of the names."""
        names = list(names)
        unknown = [name for name in names if name not in self._index]
        if unknown:
            raise ValueError(
                f"unknown layer {unknown[0]!r}; the layers are {', '.join(self._index)}"
            )
        return max((self._index[name] + 1 for name in names), default=0)

    def check_image(self, shape: tuple[int, ...], layers: Iterable[str]) -> None:
        """Raise ValueError unless the shape is (H, W, 3) and large enough for all the layers."""
        depth = self.depth(layers)
        if len(shape) != 3 or shape[2] != 3:
            raise ValueError(f"got an image of shape {shape}, wanted (height, width, 3)")

        def fits(height, width):
            shapes = self.output_shapes(height, width)
            return min(shapes[self.layers[depth - 1].name][:2]) > 0

        if depth and not fits(*shape[:2]):
            smallest = next(n for n in count(1) if fits(n, n))
            raise ValueError(
                f"a picture of {shape[0]}×{shape[1]} is too small for "
                f"{self.layers[depth - 1].name}, which needs at least {smallest}×{smallest}"
            )

    def __str__(self) -> str:
        """Return a table of the layers: name, kernel, parameters, output for a 224-px input."""
        lines = [f"{'layer':<11} {'kernel':<16} {'parameters':>10}  output for 224×224"]
        total = 0
        for layer, (name, shape) in zip(
            self.layers, self.output_shapes(224, 224).items(), strict=True
        ):
            kernel, count = "", ""
            if isinstance(layer, Convolution):
                kernel = "×".join(map(str, layer.kernel.shape))
                count = parameters(layer)
                total += count
            output = " × ".join(map(str, shape))
            lines.append(f"{name:<11} {kernel:<16} {count:>10}  {output}")
        return "\n".join([*lines, f"{'all':<11} {'':<16} {total:>10}"])


def parameters(layer) -> int:
    """Return how many parameters a layer has."""
    return layer.kernel.size + layer.bias.size if isinstance(layer, Convolution) else 0
