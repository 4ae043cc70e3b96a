"""Which of a file's tensors are VGG's convolutions: by their names and shapes.

A tensor's name is its layer's and its part's, ``features.0.weight`` or
``block1_conv1/block1_conv1_W_1:0``. A layer says its place in the network itself
(``conv1_1``, ``block1_conv1``, ``block1/layers/conv2d_1``) or only that it comes before one with a
higher number (``features.0``, ``features.2``); then the shapes say which network it is. What sort
of tensor it is, its shape says ::

    kernel    (3, 3, C_in, C_out), called HWIO, or (C_out, C_in, 3, 3), called OIHW
    bias      one axis longer than 1
"""

import math
import re
from collections.abc import Iterable, Mapping

import numpy as np

from scratchnet.files.names import printable
from scratchnet.files.weights.bounded import MOST_DIMENSIONS
from scratchnet.network.architecture import (
    CHANNELS_PER_BLOCK,
    CONVOLUTIONS_PER_BLOCK,
    kernel_shapes,
)

MOST = 25_000_000  # numbers: VGG-19 has 20 million
MOST_LEFT = 10_000  # names
WIDEST = 512  # channels
MEAN_NAMES = ("mean_bgr", "averageImage")  # ours, and MatConvNet's
LARGEST_MEAN = 3 * 512 * 512  # numbers: the mean picture is one colour in VGG's files

PART = re.compile(
    r"[./_](?:weight|bias|kernel|filters|biases|weights[01]|vars/[01]|param_[01]|[Wb]|"
    r"convolution/ReadVariableOp|Squeeze)(?:_\d)?(?::0)?$"
)
PLACED = re.compile(r"(?<![A-Za-z])(?:conv|block(?=\d_conv))(\d)_(?:conv)?(\d)(?!\d)")
IN_BLOCK = re.compile(r"block(\d)/layers/conv2d(?:_(\d+))?(?:/|$)")
NORMALISED = re.compile(r"running_(?:mean|var)|moving_(?:mean|variance)|batch_?norm", re.IGNORECASE)


class Choice:
    """Says of each tensor whether it may be VGG's, and keeps in mind which were not.

    Attributes
    ----------
    left : dict
        Name → shape of what was left unread.
    """

    def __init__(self):
        self.left: dict[str, tuple[int, ...]] = {}
        self.size = 0
        self.normalised: set[int] = set()  # widths of layers that normalise

    def __call__(self, name: str, shape: tuple[int, ...]) -> bool:
        """Tell whether to read a tensor; raise ValueError for what no VGG has, or for too many."""
        size = math.prod(shape)
        # Batch norm in all four widths means a VGG with batch normalisation; a classifier alone may
        # have it.
        if NORMALISED.search(name):
            self.normalised.add(size)
            if self.normalised.issuperset(CHANNELS_PER_BLOCK):
                raise ValueError(f"{printable(name, 60)}: normalises batches; wanted a plain VGG")
        fits = axes_of(shape) or is_bias(shape) or (is_mean(name) and size <= LARGEST_MEAN)
        # An optimizer keeps arrays like the kernels.
        if fits and "optimizer" not in name and not NORMALISED.search(name):
            self.size += size
            if self.size > MOST:
                raise ValueError(
                    f"over {MOST:,} numbers in 3×3 kernels and biases; VGG-19 has 20 million"
                )
            return True
        if len(self.left) == MOST_LEFT:
            raise ValueError(f"more than {MOST_LEFT:,} tensors, and no VGG among them")
        self.left[name] = tuple(shape)
        return False

    def notes(self) -> list[str]:
        """Return what to tell of what was left unread."""
        layers = list(dict.fromkeys(show(layer_of(name)) for name in self.left))
        if not layers:
            return []
        more = f" and {len(layers) - 6} more" if len(layers) > 6 else ""
        return [f"not part of VGG's convolutions, left unread: {', '.join(layers[:6])}{more}"]


def axes_of(shape: tuple[int, ...]) -> str:
    """Return a kernel's axes by its shape, ``""`` for what is no kernel of a VGG.

    Examples
    --------
    >>> axes_of((3, 3, 3, 64)), axes_of((64, 3, 3, 3)), axes_of((64,))
    ('HWIO', 'OIHW', '')
    """
    if len(shape) == 4:
        H, W, C_in, C_out = shape
        if H == W == 3 and 3 <= C_in <= WIDEST and 3 < C_out <= WIDEST:
            return "HWIO"
        C_out, C_in, H, W = shape
        if H == W == 3 and 3 <= C_in <= WIDEST and 3 < C_out <= WIDEST:
            return "OIHW"
    return ""


def is_bias(shape: tuple[int, ...]) -> bool:
    """Tell whether a tensor has the shape of a bias: one axis, and others of length 1."""
    return 0 < len(shape) <= MOST_DIMENSIONS and 3 < math.prod(shape) == max(shape) <= WIDEST


def is_mean(name: str) -> bool:
    """Tell whether a tensor is called as the mean of the pictures is."""
    return re.split("[./]", name)[-1] in MEAN_NAMES


def arranged(tensors: Mapping[str, np.ndarray]) -> tuple[str, dict, str, list[str]]:
    """Find VGG's convolutions among tensors.

    Returns
    -------
    architecture : ``"vgg16"`` or ``"vgg19"``
    parameters : dict
        Name → (kernel (3, 3, C_in, C_out), bias (C_out,)), otherwise as they are in the file.
    axes : ``"HWIO"`` or ``"OIHW"``
        As they were in the file.
    others : list of str
        Layers that are no part of VGG.

    Raises
    ------
    ValueError
        If a convolution is missing or has another shape.
    """
    kernels, biases = {}, {}
    for name, values in tensors.items():
        kind = kernels if axes_of(values.shape) else biases
        layer = layer_of(name)
        if is_mean(name):
            continue
        if layer in kind:
            raise ValueError(f"{printable(name, 60)}: the second of its kind in {show(layer)}")
        kind[layer] = values
    layers = in_order(kernels)
    if not layers:
        raise ValueError("no 3×3 kernel in it, as VGG's are")
    axes = axes_of(kernels[layers[0]].shape)
    stored = {layer: in_our_axes(kernels[layer], axes_of(kernels[layer].shape)) for layer in layers}
    architecture, places = places_of(stored)
    parameters = {}
    for name, shape in kernel_shapes(architecture).items():
        layer = places[name]
        kernel, bias = stored[layer], biases.get(layer)
        if axes_of(kernels[layer].shape) != axes or kernel.shape != shape:
            got = kernels[layer].shape
            raise ValueError(f"{show(layer)}: got a kernel {got}, wanted {shape} for {name}")
        if bias is None or bias.size != shape[3]:
            got = "none" if bias is None else bias.shape
            raise ValueError(f"{show(layer)}: got the bias {got}, wanted {shape[3:]} for {name}")
        parameters[name] = kernel, bias.reshape(-1)
    others = [show(layer) for layer in layers if layer not in places.values()]
    return architecture, parameters, axes, others


def layer_of(name: str) -> str | tuple[int, int]:
    """Return a tensor's layer: (block, number in it) if its name says so, or else its name.

    Examples
    --------
    >>> layer_of("block1_conv2/block1_conv2_W_1:0"), layer_of("features.0.weight")
    ((1, 2), 'features.0')
    >>> layer_of("block2/layers/conv2d_1/vars/0")
    (2, 2)
    """
    if match := IN_BLOCK.search(name):
        return int(match[1]), int(match[2] or 0) + 1
    if match := PLACED.search(name):
        return int(match[1]), int(match[2])
    return PART.sub("", name)


def in_order(layers: Iterable[str | tuple[int, int]]) -> list:
    """Sort layers, those that say their place first, and numbers in names as numbers."""

    def key(layer):
        if isinstance(layer, tuple):
            return 0, [("", n) for n in layer]
        return 1, [("", int(part)) if part.isdecimal() else (part, 0) for part in split(layer)]

    def split(layer):
        return [part[:18] for part in re.split(r"([0-9]+)", layer)]

    return sorted(layers, key=key)


def in_our_axes(kernel: np.ndarray, axes: str) -> np.ndarray:
    """Return a kernel as (3, 3, C_in, C_out)."""
    return np.ascontiguousarray(kernel.transpose(2, 3, 1, 0)) if axes == "OIHW" else kernel


def places_of(kernels: Mapping[str | tuple[int, int], np.ndarray]) -> tuple[str, dict]:
    """Return which VGG the layers are, and for each of its convolutions the layer that it is.

    ``kernels`` are in order. Raises ValueError if it is neither VGG-16 nor VGG-19.
    """
    placed = [layer for layer in kernels if isinstance(layer, tuple) and 1 <= layer[0] <= 5]
    if placed:
        deep = any(number == 4 for block, number in placed)
        architecture = "vgg19" if deep else "vgg16"
        counts = CONVOLUTIONS_PER_BLOCK[architecture]
        wanted = {
            f"conv{block}_{n}": (block, n)
            for block, count in enumerate(counts, start=1)
            for n in range(1, count + 1)
        }
        missing = [name for name, layer in wanted.items() if layer not in placed]
        if missing:
            raise ValueError(f"{', '.join(missing[:5])} missing, for a {architecture}")
        if more := [layer for layer in placed if layer not in wanted.values()]:
            raise ValueError(f"{show(more[0])}: neither VGG-16 nor VGG-19 has it")
        return architecture, wanted
    for architecture in reversed(CONVOLUTIONS_PER_BLOCK):
        shapes = kernel_shapes(architecture)
        pairs = list(zip(shapes, kernels, strict=False))
        if len(pairs) == len(shapes) and all(kernels[b].shape == shapes[a] for a, b in pairs):
            return architecture, dict(pairs)
    found = ", ".join(f"{k.shape[2]}→{k.shape[3]}" for k in list(kernels.values())[:6])
    raise ValueError(
        f"{len(kernels)} kernels of 3×3 ({found}, …), neither VGG-16's 13 nor VGG-19's 16"
    )


def show(layer: str | tuple[int, int]) -> str:
    """Return a layer's name for a message."""
    return f"conv{layer[0]}_{layer[1]}" if isinstance(layer, tuple) else printable(layer, 40)
