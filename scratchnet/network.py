"""A network is a list of layers; VGG is one such list.

Forward: each layer's output is the next one's input ::

    a⁽⁰⁾ = image,    a⁽ˡ⁾ = f_l(a⁽ˡ⁻¹⁾)

Backward: let g_l be the gradient that J's own terms have at layer l (zero where J does not
look at that layer). The whole gradient there is that, plus what comes down from above::

    ∂J/∂a⁽ˡ⁾ = g_l + (∂a⁽ˡ⁺¹⁾/∂a⁽ˡ⁾)ᵀ ∂J/∂a⁽ˡ⁺¹⁾

so one walk from the deepest layer down to the picture adds each g_l where it meets it. The
matrix of derivatives ∂a⁽ˡ⁺¹⁾/∂a⁽ˡ⁾ would be enormous and is never formed: its transpose times a
gradient is what ``layer.backward`` returns.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from math import prod

import numpy as np

from scratchnet.architecture import blocks
from scratchnet.layers import AveragePool, Convolution, MaxPool, Preprocess, ReLU
from scratchnet.weights import Parameters, load_weights

Shape = tuple[int, int, int]
POOLS = {"max": MaxPool, "average": AveragePool}


class Network:
    """An ordered list of named layers.

    Parameters
    ----------
    layers : sequence
        Layers with unique names, each with ``forward``, ``backward`` and ``output_shape``.
    dtype : str or dtype
        Precision of all activations and gradients: ``"float32"`` or ``"float64"``.
    """

    def __init__(self, layers: Sequence, *, dtype: str = "float32"):
        self.layers = tuple(layers)
        self.dtype = np.dtype(dtype)
        self._index = {layer.name: n for n, layer in enumerate(self.layers)}
        if len(self._index) != len(self.layers):
            raise ValueError("two layers have the same name")

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
        depth = self._depth(wanted)
        a = np.asarray(image, self.dtype)
        self._check_image(a.shape, depth)
        activations, caches = {}, []
        for layer in self.layers[:depth]:
            a, cache = layer.forward(a)
            caches.append(cache)
            if layer.name in wanted:
                activations[layer.name] = a
        return activations, caches

    def backward(self, gradients: Mapping[str, np.ndarray], caches: list) -> np.ndarray:
        """Carry gradients at any layers down to the picture, summed where they meet.

        Parameters
        ----------
        gradients : mapping
            Name → ∂J/∂a of that layer alone, shaped like its activation.
        caches : list
            From the `forward` pass; at least as deep as the deepest gradient.

        Returns
        -------
        dimage : ndarray, (H, W, 3)
            ∂J/∂image, in RGB.

        Raises
        ------
        ValueError
            For an unknown name, a layer that the forward pass did not reach, or no gradient.
        """
        depth = self._depth(gradients)
        if depth == 0:
            raise ValueError("got no gradient to carry back")
        if depth > len(caches):
            deepest = self.layers[depth - 1].name
            raise ValueError(f"gradient at {deepest}, but the forward pass ended before it")
        da = None
        for layer, cache in zip(self.layers[depth - 1 :: -1], caches[depth - 1 :: -1], strict=True):
            if layer.name in gradients:
                g = gradients[layer.name]
                da = g if da is None else da + g
            da = layer.backward(da, cache)
        return da

    def output_shapes(self, height: int, width: int) -> dict[str, Shape]:
        """Return the shape (H_l, W_l, C_l) of every layer for a picture of that size."""
        shape, shapes = (height, width, 3), {}
        for layer in self.layers:
            shape = layer.output_shape(shape)
            shapes[layer.name] = shape
        return shapes

    def memory(self, height: int, width: int, layers: Iterable[str]) -> int:
        """Estimate the peak in bytes of a forward and a backward pass with gradients at ``layers``.

        What is held all the while: the parameters, an activation and a gradient at each layer
        named, and a byte for every entry that a ReLU or a pool passed (mask or switch). On top of
        it, for the largest convolution: its matrix of patches, and its output about three times.
        """
        layers = set(layers)
        shapes = self.output_shapes(height, width)
        held = sum(2 * prod(shapes[name]) for name in layers)
        masks = work = 0
        for layer in self.layers[: self._depth(layers)]:
            size = prod(shapes[layer.name])
            if isinstance(layer, Convolution):
                held += layer.kernel.size + layer.bias.size
                patches = size // layer.kernel.shape[3] * prod(layer.kernel.shape[:3])
                work = max(work, patches + 3 * size)
            else:
                masks += size
        return (held + work) * self.dtype.itemsize + masks

    def _depth(self, names: Iterable[str]) -> int:
        """Return how many layers it takes to pass the deepest of the names."""
        names = list(names)
        unknown = [name for name in names if name not in self._index]
        if unknown:
            raise ValueError(
                f"unknown layer {unknown[0]!r}; the layers are {', '.join(self._index)}"
            )
        return max((self._index[name] + 1 for name in names), default=0)

    def _check_image(self, shape: tuple[int, ...], depth: int) -> None:
        """Raise unless the shape is (H, W, 3) and large enough for the first ``depth`` layers."""
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
            kernel, parameters = "", ""
            if isinstance(layer, Convolution):
                kernel = "×".join(map(str, layer.kernel.shape))
                parameters = prod(layer.kernel.shape) + layer.bias.size
                total += parameters
            output = " × ".join(map(str, shape))
            lines.append(f"{name:<11} {kernel:<16} {parameters:>10}  {output}")
        return "\n".join([*lines, f"{'all':<11} {'':<16} {total:>10}"])


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

    Raises
    ------
    ValueError
        For an unknown architecture, dtype or pool.
    """

    def __init__(
        self,
        parameters: Parameters,
        *,
        architecture: str = "vgg16",
        dtype: str = "float32",
        pool: str = "max",
    ):
        if np.dtype(dtype) not in (np.float32, np.float64):
            raise ValueError(f"got dtype {dtype!r}, wanted 'float32' or 'float64'")
        if pool not in POOLS:
            raise ValueError(f"got pool {pool!r}, wanted one of {', '.join(map(repr, POOLS))}")
        layers: list = [Preprocess("preprocess")]
        for block, convolutions in blocks(architecture):
            for name, _ in convolutions:
                kernel, bias = (np.asarray(part, dtype) for part in parameters[name])
                layers.append(Convolution(kernel, bias, stride=1, padding=1, name=name))
                layers.append(ReLU(name.replace("conv", "relu")))
            layers.append(POOLS[pool](f"pool{block}"))
        super().__init__(layers, dtype=dtype)

    @classmethod
    def load(
        cls, path: str | os.PathLike | None = None, *, dtype: str = "float32", pool: str = "max"
    ) -> "VGG":
        """Load a network from a weight file; without a path, the embedded VGG-16.

        Raises FileNotFoundError and ValueError as `load_weights` and `VGG` do.
        """
        architecture, parameters = load_weights(path)
        return cls(parameters, architecture=architecture, dtype=dtype, pool=pool)
