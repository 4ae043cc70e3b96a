"""How much memory a transfer will take, and the largest size that fits.

Predicted before any picture is resampled: what the process has now, and what is added to it by the
network's passes over all sizes of the pictures, by the optimizer, and by saving.
"""

import argparse
from bisect import bisect_left
from collections.abc import Callable
from math import prod

from command_line import available_addresses, available_memory, memory_in_use, peak_memory

from scratchnet import LBFGS, FastNetwork
from scratchnet.fast.prediction import PICTURES, passes_memory, peak_of
from scratchnet.files.images import fit
from scratchnet.style.terms import scaled_style
from scratchnet.style.transfer import coarse_to_fine_sizes

Size = tuple[int, int]

# Measured on Linux, in bytes, with some room to spare:
LIBRARIES = 36_000_000  # what they take when first used, and the plot
STEP = 8  # pictures that a step takes beside the pairs of L-BFGS
SAVING = 3.5  # times the strip content | style | result
# Addresses are mapped ahead of memory: for a thread's stack, its heap, and by BLAS.
ADDRESSES, THREAD_ADDRESSES = 40_000_000, 115_000_000  # for the first thread, and for another
SPARE = 4_000_000  # what a process has now and the next one may not have
SMALLEST = 32  # px: smaller pictures take as much


def working_size(shape: tuple[int, ...], long_side: float, enlarge: bool) -> Size:
    """Return the height and width at which a picture is used: enlarged only if asked to."""
    if max(shape[:2]) <= long_side and not enlarge:
        return tuple(shape[:2])
    return fit(shape, max(1, round(long_side)))


def working_sizes(shapes: list[tuple], image_size: int, arguments) -> tuple[Size, Size]:
    """Return the sizes at which the content and the style image are used."""
    long_sides = image_size, image_size * arguments.style_scale
    return tuple(
        working_size(shape, long_side, arguments.enlarge)
        for shape, long_side in zip(shapes, long_sides, strict=True)
    )


def added_memory(
    network: FastNetwork, shapes: list[tuple], layers: list[str], arguments, image_size: int
) -> int:
    """Return how many bytes a transfer adds, once there are a network and decoded pictures."""
    content, style = working_sizes(shapes, image_size, arguments)
    levels = coarse_to_fine_sizes(content) if arguments.init == "random" else [content]
    order = [(content, False)]  # for the time that a pass takes: its gradients are no new arrays
    for level in levels:
        order += [(scaled_style(style, level[0] / content[0]), False), (level, True)]
    passes = [
        passes_memory(network, *(max(side, SMALLEST) for side in size), layers, back=back)
        for size, back in order
    ]

    def pictures(count: float, size: Size) -> int:
        return round(count * 3 * prod(size)) * network.dtype.itemsize

    pairs = 2 * LBFGS.pairs if arguments.optimizer == "lbfgs" else 0
    strip = content[0], 2 * content[1] + style[1] * content[0] // style[0]
    work = LIBRARIES + peak_of(passes) + pictures(PICTURES, content)
    work += max(pictures(pairs + STEP, content), pictures(SAVING, strip))
    # A picture that is resampled is let go of afterwards, 3 bytes a pixel.
    resampled = [s[:2] for s, to in zip(shapes, (content, style), strict=True) if s[:2] != to]
    work -= 3 * sum(map(prod, resampled))
    return work + pictures(1, content) + pictures(1, style)


def checked_memory(
    network: FastNetwork, shapes: list[tuple], layers: list[str], arguments: argparse.Namespace
) -> int:
    """Return the peak in bytes; raise if it is more than there is, naming a size that fits.

    Parameters
    ----------
    network : FastNetwork
        Loaded.
    shapes : list of tuple
        Of the content and the style image as they are in their files; both are decoded.
    layers : list of str
        Those that J looks at.
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
