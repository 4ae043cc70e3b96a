"""The pictures that transfer.py works on: read, checked, and brought to size."""

import argparse
import time
from typing import NamedTuple

import numpy as np
from transfer_masks import Masks, announced, masks_at_size, read_masks
from transfer_memory import SMALLEST

from scratchnet import VGG
from scratchnet.blas import one_blas_thread
from scratchnet.files.decoding import decode_image
from scratchnet.files.images import resize_image
from scratchnet.files.names import expanded
from scratchnet.style.colors import match_colors
from scratchnet.style.layers import CONTENT_LAYERS, Size
from scratchnet.style.levels import levels_of
from scratchnet.style.objective import LayerGradients
from scratchnet.style.wasserstein import gaussian_target, mean_and_covariance, wasserstein_loss


class Pictures(NamedTuple):
    """What is painted, in the manner of what, and the start: a picture, or its name."""

    content: np.ndarray
    styles: list[np.ndarray]
    init: str | np.ndarray
    masks: Masks

    @property
    def shapes(self) -> list[tuple]:
        """Of the content and the style pictures."""
        return [self.content.shape, *(style.shape for style in self.styles)]


def read_pictures(arguments: argparse.Namespace) -> Pictures:
    """Read the picture files, as they are in them."""
    content, *styles = (
        decode_image(path, max_pixels=arguments.max_pixels)
        for path in (arguments.content, *arguments.style)
    )
    init = arguments.init
    if init not in ("random", "content"):
        init = decode_image(expanded(init), max_pixels=arguments.max_pixels)
    return Pictures(content, styles, init, read_masks(arguments, content))


def at_size(pictures: Pictures, sizes: list[Size], arguments: argparse.Namespace) -> Pictures:
    """Return the pictures at the sizes at which they are used, with the colours asked for."""
    content, *styles = (
        resize_image(picture, size)
        for picture, size in zip([pictures.content, *pictures.styles], sizes, strict=True)
    )
    if arguments.original_colors == "match":
        styles = [match_colors(style, content) for style in styles]
    init = pictures.init
    if not isinstance(init, str):
        init = resize_image(init, content.shape[:2])
    return Pictures(content, styles, init, masks_at_size(pictures.masks, sizes, arguments))


def looked_at(arguments: argparse.Namespace) -> list[str]:
    """Return the layers that J looks at from 256 px on; below, content is compared at shallower."""
    return list({**(arguments.content_layers or CONTENT_LAYERS), **arguments.style_layers})


def levels_at(size: Size, arguments: argparse.Namespace) -> list[tuple[Size, int]]:
    """Return the sizes that the transfer goes through, and the steps at each."""
    return levels_of(size, arguments.iterations, arguments.init == "random")


def seconds_of_a_pass(network: VGG, image: np.ndarray, layers: list[str]) -> float:
    """Measure both passes through the network."""
    for _ in range(2):  # the first one is slower: its memory has to be got from the system
        start = time.perf_counter()
        activations, caches = network.forward(image, layers)
        losses = {"time": dict.fromkeys(layers, lambda a: (0.0, a))}
        network.backward(LayerGradients(losses, activations), caches)
        seconds = time.perf_counter() - start
    return seconds


def seconds_of_distances(network: VGG, arguments: argparse.Namespace) -> float:
    """Measure what a step takes, whatever its size, to compare styles beside their Gram matrices.

    That is for Wasserstein's eigenvectors alone.
    """
    if arguments.style_distance == "gram":
        return 0.0
    shapes, seconds = network.output_shapes(SMALLEST, SMALLEST), 0.0
    with one_blas_thread:
        for C in (shapes[layer][-1] for layer in arguments.style_layers):
            a = np.random.default_rng(0).standard_normal((1, 2 * C, C))
            target = gaussian_target(a)
            gaussian, _ = mean_and_covariance(a, target.epsilon)
            start = time.perf_counter()
            wasserstein_loss(*gaussian, target)
            seconds += time.perf_counter() - start
    return seconds * len(arguments.style)


def announce(
    network: VGG, pictures: Pictures, start: tuple, memory: int, arguments: argparse.Namespace
) -> None:
    """Say what is going to happen: sizes, memory, and time (from one pass at full size).

    ``start`` is the shape of the --init as it was read, if it is a picture.
    """
    height, width = size = pictures.content.shape[:2]
    levels = levels_at(size, arguments)
    seconds = seconds_of_a_pass(network, pictures.content, looked_at(arguments))
    evaluations = sum(n + 1 for _, n in levels)
    pixels = sum((n + 1) * h * w for (h, w), n in levels)
    print(f"content  {arguments.content}")
    for path, style in zip(arguments.style, pictures.styles, strict=True):
        print(f"style    {path} at {style.shape[1]}×{style.shape[0]} px")
    sizes = [size, *(style.shape[:2] for style in pictures.styles)]
    for line in announced(pictures.masks, network, sizes, arguments):
        print(f"mask     {line}")
    if start and start[:2] != size:
        print(f"start    {arguments.init}, {start[1]}×{start[0]} px, scaled to {width}×{height} px")
    print(f"steps    {', '.join(f'{w}×{h} px {n}' for (h, w), n in levels)}")
    workspace = network.workspace
    if workspace.granted < workspace.threads:
        print(f"threads  {workspace.granted}, not {workspace.threads}: the system grants no more")
    seconds *= pixels / (height * width)
    minutes = (seconds + evaluations * seconds_of_distances(network, arguments)) / 60
    print(f"expected {minutes:.1f} minutes, {memory / 1e9:.1f} GB of memory")
