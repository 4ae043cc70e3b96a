"""A network is a list of layers; VGG is one such list (`architecture`).

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
from copy import copy
from itertools import count

import numpy as np

from scratchnet.blas import one_blas_thread
from scratchnet.network.convolution import Convolution
from scratchnet.network.gram import Gram
from scratchnet.network.layer import Layer, Shape


def name_list(layers: Iterable[str]) -> list[str]:
    """Return names of layers as a list; raise TypeError for one alone, and for what is no list.

    Examples
    --------
    >>> name_list({"relu1_1": 0.5})
    ['relu1_1']
    """
    if isinstance(layers, str) or not isinstance(layers, Iterable):
        raise TypeError(f"got the layers {layers!r}, wanted a list of names, such as ['relu4_2']")
    return list(layers)


class Network:
    """An ordered list of named layers.

    Parameters
    ----------
    layers : sequence of Layer
        With unique names.
    dtype : str or dtype
        Precision of all activations and gradients: ``"float32"`` or ``"float64"``.

    Attributes
    ----------
    gram : Gram
        The layer that makes a Gram matrix of any of its activations (`FastNetwork` has its own).
    """

    def __init__(self, layers: Sequence[Layer], *, dtype: str = "float32"):
        self.dtype = np.dtype(dtype)
        self.gram = Gram()
        self._take(layers)

    def _take(self, layers: Sequence[Layer]) -> None:
        self.layers = tuple(layers)
        self._index = {layer.name: n for n, layer in enumerate(self.layers)}
        if len(self._index) != len(self.layers):
            raise ValueError("two layers have the same name")

    def with_layers(self, layers: Sequence[Layer]) -> "Network":
        """Return a network of some of these layers, and others, that computes as this one does.

        Its precision, its Gram layer and, if it is fast, its threads and memory are this one's.
        """
        other = copy(self)
        other._take(layers)
        return other

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
        TypeError, ValueError
            For an unknown name, names that are no list, or a picture that is no array of numbers,
            not (H, W, 3) or too small.
        """
        # a⁽⁰⁾ = image
        a, wanted = self.checked(image, layers)
        activations, caches = {}, []
        for layer in self.layers[: self.depth(wanted)]:
            # a⁽ˡ⁾ = f_l(a⁽ˡ⁻¹⁾)
            a, cache = layer.forward(a)
            caches.append(cache)
            if layer.name in wanted:
                activations[layer.name] = a
        return activations, caches

    @one_blas_thread
    def backward(self, gradients: Mapping[str, np.ndarray], caches: list) -> np.ndarray:
        """Carry gradients at any layers down to the picture, summed where they meet.

        Parameters
        ----------
        gradients : mapping
            Name → g_l, ∂J/∂a of that layer's own terms alone, shaped like its activation.
        caches : list
            From the `forward` pass; at least as deep as the deepest gradient.

        Returns
        -------
        dimage : ndarray, (H, W, 3)
            ∂J/∂image: J per grey level of 0–255, in RGB.

        Raises
        ------
        ValueError
            For an unknown name, a layer that the forward pass did not reach, or no gradient.
        """
        depth = self.check_gradients(gradients, caches)
        da = 0
        for layer, cache in zip(self.layers[depth - 1 :: -1], caches[depth - 1 :: -1], strict=True):
            if layer.name in gradients:
                # ∂J/∂a⁽ˡ⁾ = g_l + (∂a⁽ˡ⁺¹⁾/∂a⁽ˡ⁾)ᵀ ∂J/∂a⁽ˡ⁺¹⁾
                da = gradients[layer.name] + da
            # (∂a⁽ˡ⁾/∂a⁽ˡ⁻¹⁾)ᵀ ∂J/∂a⁽ˡ⁾
            da = layer.backward(da, cache)
        return da

    def output_shapes(self, height: int, width: int) -> dict[str, Shape]:
        """Return the shape (H_l, W_l, C_l) of every layer for a picture of that size."""
        shape, shapes = (height, width, 3), {}
        for layer in self.layers:
            shape = layer.output_shape(shape)
            shapes[layer.name] = shape
        return shapes

    def checked(self, image: np.ndarray, layers: Iterable[str]) -> tuple[np.ndarray, set[str]]:
        """Return a picture in the network's precision and names as a set; raise as `forward`."""
        wanted = set(name_list(layers))
        given = np.asarray(image)
        if given.dtype.kind not in "biuf":
            raise TypeError(
                f"got a picture of type {type(image).__name__}, dtype {given.dtype}, "
                "wanted an array of numbers (height, width, 3)"
            )
        self.check_image(given.shape, wanted)
        return np.asarray(given, self.dtype), wanted

    def depth(self, names: Iterable[str]) -> int:
        """Return how many layers it takes to pass the deepest of the names."""
        names = name_list(names)
        unknown = [name for name in names if name not in self._index]
        if unknown:
            raise ValueError(
                f"unknown layer {unknown[0]!r}; the layers are {', '.join(self._index)}"
            )
        return max((self._index[name] + 1 for name in names), default=0)

    def check_image(self, shape: tuple[int, ...], layers: Iterable[str]) -> None:
        """Raise ValueError unless the shape is (H, W, 3) and large enough for all the layers."""
        depth = self.depth(layers)
        if len(shape) != 3 or shape[2] != 3 or 0 in shape:
            raise ValueError(f"got an image of shape {shape}, wanted (height, width, 3)")

        def fits(height, width):
            shapes = self.output_shapes(height, width)
            return min(shapes[self.layers[depth - 1].name][:2]) > 0

        if depth and not fits(*shape[:2]):
            smallest = next(n for n in count(1) if fits(n, n))
            raise ValueError(
                f"a picture of {shape[1]}×{shape[0]} is too small for "
                f"{self.layers[depth - 1].name}, which needs at least {smallest}×{smallest}"
            )

    def check_gradients(self, gradients: Mapping[str, np.ndarray], caches: list) -> int:
        """Return the depth of the deepest gradient; raise ValueError unless caches reach it."""
        depth = self.depth(gradients)
        if depth == 0:
            raise ValueError("got no gradient to carry back")
        if depth > len(caches):
            deepest = self.layers[depth - 1].name
            raise ValueError(f"gradient at {deepest}, but the forward pass ended before it")
        return depth

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
                parameters = layer.kernel.size + layer.bias.size
                total += parameters
            output = " × ".join(map(str, shape))
            lines.append(f"{name:<11} {kernel:<16} {parameters:>10}  {output}")
        return "\n".join([*lines, f"{'all':<11} {'':<16} {total:>10}"])
