"""The one table that both VGG networks come from (Simonyan & Zisserman 2015, table 1, D and E).

A VGG network is five blocks. A block is a few 3×3 convolutions, each followed by a ReLU, and a
2×2 pooling at its end. The networks differ only in the number of convolutions in a block.
"""

from collections.abc import Iterator

CONVOLUTIONS_PER_BLOCK = {
    "vgg16": (2, 2, 3, 3, 3),
    "vgg19": (2, 2, 4, 4, 4),
}
CHANNELS_PER_BLOCK = (64, 128, 256, 512, 512)


def blocks(architecture: str) -> Iterator[tuple[int, list[tuple[str, tuple[int, int, int, int]]]]]:
    """Yield each block's number and its convolutions, as (name, kernel shape) pairs.

    Parameters
    ----------
    architecture : str
        ``"vgg16"`` or ``"vgg19"``.

    Raises
    ------
    ValueError
        For any other name.

    Examples
    --------
    >>> next(blocks("vgg16"))
    (1, [('conv1_1', (3, 3, 3, 64)), ('conv1_2', (3, 3, 64, 64))])
    """
    if architecture not in CONVOLUTIONS_PER_BLOCK:
        known = ", ".join(CONVOLUTIONS_PER_BLOCK)
        raise ValueError(f"unknown architecture {architecture!r}; known are {known}")
    C_in = 3
    counts = CONVOLUTIONS_PER_BLOCK[architecture]
    for block, (count, C_out) in enumerate(zip(counts, CHANNELS_PER_BLOCK, strict=True), start=1):
        convolutions = []
        for n in range(1, count + 1):
            convolutions.append((f"conv{block}_{n}", (3, 3, C_in, C_out)))
            C_in = C_out
        yield block, convolutions


def kernel_shapes(architecture: str) -> dict[str, tuple[int, int, int, int]]:
    """Return the kernel shape (kh, kw, C_in, C_out) of each convolution, in order, by name."""
    return {name: shape for _, convolutions in blocks(architecture) for name, shape in convolutions}
