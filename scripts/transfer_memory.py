"""How much memory a transfer will take, and the largest size that fits.

Predicted before any picture is resampled: what the process has now, and what is added to it by the
network's passes over all sizes of the pictures, by the optimizer, and by saving.
"""

import argparse
from bisect import bisect_left
from collections.abc import Callable, Iterator
from math import prod

from command_line import available_addresses, available_memory, memory_in_use, peak_memory
from transfer_extras import extra_memory

from scratchnet import LBFGS, FastNetwork
from scratchnet.fast.prediction import Memory, passes_memory, peak_of
from scratchnet.files.images import fit
from scratchnet.style.layers import Size, content_layers_at
from scratchnet.style.levels import levels_of, scaled_style

# Measured on Linux, in bytes, with some room to spare:
LIBRARIES = 20_000_000  # what they take when first used, and the plot
HOLES = 1.07  # times what the passes take: what comes and goes in many sizes leaves holes
STEP = 8  # pictures that a step takes beside the pairs of L-BFGS
AT_PICTURE = 5  # pictures that the term of the picture itself takes
MATRICES = 10  # of C×C in float64 at once, of the widest layer, where Gaussians are compared
SAVING = 3.25  # times the strip content | style | result
# Addresses are mapped ahead of memory: for a thread's stack, its heap, and by BLAS.
ADDRESSES, THREAD_ADDRESSES = 40_000_000, 115_000_000  # for the first thread, and for another
SPARE = 4_000_000  # what a process has now and the next one may not have
WIDEST = 2  # of a picture in the strip, in long sides of the result
SMALLEST = 32  # px: smaller pictures take as much


def working_size(shape: tuple[int, ...], long_side: float, enlarge: bool) -> Size:
    """Return the height and width at which a picture is used: enlarged only if asked to."""
    if max(shape[:2]) <= long_side and not enlarge:
        return tuple(shape[:2])
    return fit(shape, max(1, round(long_side)))


def working_sizes(shapes: list[tuple], image_size: int, arguments) -> list[Size]:
    """Return the sizes at which the content and the style images are used."""
    long_sides = [image_size] + [image_size * arguments.style_scale] * (len(shapes) - 1)
    return [
        working_size(shape, long_side, arguments.enlarge)
        for shape, long_side in zip(shapes, long_sides, strict=True)
    ]


def of_content(arguments, size: Size) -> list[str]:
    """Return the layers at which a picture of that size is compared with the content image."""
    return list(arguments.content_layers or content_layers_at(size))


def added_memory(
    network: FastNetwork, shapes: list[tuple], layers: list[str], arguments, image_size: int
) -> int:
    """Return how many bytes a transfer adds, once there are a network and decoded pictures.

    Writing a checkpoint takes less than a step does: an array at a time.
    """
    content, *styles = working_sizes(shapes, image_size, arguments)
    levels = levels_of(content, arguments.iterations, arguments.init == "random")
    of_style = list(arguments.style_layers)
    # First the pass whose time is measured, where the gradients are no new arrays; then what makes
    # the targets, and the steps, of each level.
    passes = [(content, layers, False)]
    for level, _ in levels:
        passes += [(scaled_style(s, level[0] / content[0]), of_style, False) for s in styles]
        passes.append((level, of_content(arguments, level) + of_style, True))

    def pictures(count: float, size: Size) -> int:
        return round(count * 3 * prod(size)) * network.dtype.itemsize

    def resampling(source: Size, to: Size) -> int:  # first along the rows, then the columns
        return pictures(2, (source[0], to[1])) + pictures(3, to)

    pairs = 2 * LBFGS.pairs if arguments.optimizer == "lbfgs" else 0
    kept = 1 + (arguments.init not in ("random", "content"))  # beside G: the content image, a start
    if arguments.resume is not None:
        kept += pairs + 4  # what the checkpoint holds
    # In the strip a style image has the content's height, and is not much wider.
    parts = [
        (content[0], max(1, min(s[1] * content[0] // s[0], WIDEST * max(content)))) for s in styles
    ]
    strip = content[0], 2 * content[1] + sum(width for _, width in parts)
    shrinking = [pictures(1, s) + resampling(s, to) for s, to in zip(styles, parts, strict=True)]
    saving = max(pictures(SAVING, strip), pictures(1, strip) + max(shrinking))
    frames, at_end = extra_memory(content, arguments, pictures(1, content))
    saving = max(saving, at_end)
    peak = peak_of(one_after_the_other(network, passes))
    work = LIBRARIES + round(HOLES * peak) + contents(network, content, arguments)
    work += gaussians(network, arguments)
    work += max(pictures(pairs + STEP, content), saving)
    work += masks(network, content, styles, arguments)
    work += beside_a(network, content, styles, arguments)
    # The decoded pictures are let go of, at least a byte a pixel.
    work -= sum(prod(shape[:2]) for shape in shapes)
    return work + frames + pictures(kept, content) + sum(pictures(1, style) for style in styles)


def one_after_the_other(
    network: FastNetwork, passes: list[tuple[Size, list[str], bool]]
) -> Iterator[Memory]:
    """Yield what passes take: size, layers, back?"""
    kernels: dict[str, int] = {}
    for (height, width), names, back in passes:
        sides = max(height, SMALLEST), max(width, SMALLEST)
        yield from passes_memory(network, *sides, names, back=back, kernels=kernels)


def contents(network: FastNetwork, size: Size, arguments) -> int:
    """Return how many bytes the content's activations take, and what compares G's with them."""
    shapes = network.output_shapes(*size)
    counts = [prod(shapes[name]) for name in of_content(arguments, size)]
    picture = 3 * prod(size)
    # a_C; then a_G − a_C and its square
    return (sum(counts) + max(AT_PICTURE * picture, 2 * max(counts))) * network.dtype.itemsize


def masks(network: FastNetwork, content: Size, styles: list[Size], arguments) -> int:
    """Return how many bytes masks take, with their weights at layers."""
    masked = [content] * len(styles) if arguments.style_mask or arguments.keep_transparent else []
    masked += styles if arguments.style_image_mask else []
    kept = sum(map(prod, masked))
    for size in masked:
        shapes = network.output_shapes(*size)
        kept += sum(prod(shapes[name][:2]) for name in arguments.style_layers)
    return kept * network.dtype.itemsize


def beside_a(network: FastNetwork, content: Size, styles: list[Size], arguments) -> int:
    """Return how many bytes a layer takes to be compared with several styles, or under masks.

    Under a mask, b is there beside a. Of several styles, the gradient of those before is there,
    and b or the sum with the next one.
    """
    masked = arguments.style_mask or arguments.keep_transparent
    several = len(styles) > 1
    sizes = [content] if masked or several else []
    sizes += styles if arguments.style_image_mask else []
    shapes = [network.output_shapes(*size) for size in sizes]
    most = max((prod(of[name]) for of in shapes for name in arguments.style_layers), default=0)
    return (2 if several else 1) * most * network.dtype.itemsize


def gaussians(network: FastNetwork, arguments) -> int:
    """Return how many bytes the matrices take by which Wasserstein's distance compares styles."""
    if arguments.style_distance == "gram":
        return 0
    shapes = network.output_shapes(SMALLEST, SMALLEST)
    matrices = [8 * shapes[layer][-1] ** 2 for layer in arguments.style_layers]
    return len(arguments.style) * sum(matrices) + MATRICES * max(matrices)


def checked_memory(
    network: FastNetwork, shapes: list[tuple], layers: list[str], arguments: argparse.Namespace
) -> int:
    """Return the peak in bytes; raise if it is more than there is, naming a size that fits.

    Parameters
    ----------
    network : FastNetwork
        Loaded.
    shapes : list of tuple
        Of the content and the style images as they are in their files; all are decoded.
    layers : list of str
        Those that the pass goes through whose time is measured.
    arguments : Namespace
        The command line.

    Raises
    ------
    ValueError
        With one line, if there is not enough memory.
    """
    import scipy.fft  # noqa: F401 (each optimizer needs it: so it takes its memory now)

    memory, addresses = available_memory(), available_addresses()
    mapped = ADDRESSES + (network.workspace.threads - 1) * THREAD_ADDRESSES

    def balance(image_size: int) -> tuple[float, int, float]:
        """Return what is left, what is needed, and what there is, of what is scarcer."""
        added = added_memory(network, shapes, layers, arguments, image_size)
        needs = [(added, memory), (added + mapped, addresses)]
        return min((there - needed, needed, there) for needed, there in needs)

    left, needed, there = balance(arguments.image_size)
    if left < 0:
        long_side = max(working_sizes(shapes, arguments.image_size, arguments)[0])
        fits = largest(SMALLEST, long_side, lambda side: balance(side)[0] >= SPARE)
        advice = f"the largest that fits is {fits}" if fits else "no size fits"
        if not fits and network.workspace.threads > 1:
            advice += ", but perhaps with --threads 1"
        raise ValueError(
            f"--image-size {long_side}: needs {needed / 1e9:.2f} GB of memory, but "
            f"{there / 1e9:.2f} GB are available; {advice}"
        )
    added = added_memory(network, shapes, layers, arguments, arguments.image_size)
    return max(peak_memory(), memory_in_use() + added)


def largest(least: int, most: int, fits: Callable[[int], bool]) -> int | None:
    """Return the largest whole number below ``most`` that fits, or None.

    Memory grows with the size, but for small steps back, where another algorithm is chosen and
    where sides are rounded: so a few more are tried.
    """
    first = least + bisect_left(range(least, most), True, key=lambda side: not fits(side))
    return max(filter(fits, range(max(first - 1, least), min(first + 16, most))), default=None)
