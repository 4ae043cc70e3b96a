"""What the readers share: no size that a file claims is believed before it is seen to be there."""

import math
import os
import zlib
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np

from scratchnet.files.names import printable

BLOCK = 2**20  # bytes read at a time
SPARE, TIMES = 2**26, 4  # 64 MiB, for small files, and 4 times what the file has: see `room`
MOST_DIMENSIONS = 4  # of a tensor that can be a kernel, a bias or a mean
FLOATS = ("float16", "float32", "float64", "bfloat16")


def room(file: BinaryIO) -> int:
    """Return how many bytes may be made of a file: more than weights ever are, and no bomb.

    Numbers that were learned hardly compress, and are rarely stored once for several tensors.
    """
    return SPARE + TIMES * os.fstat(file.fileno()).st_size


def go_to(file: BinaryIO, place: int) -> None:
    """Go to a place in a file; ValueError if it is outside: a file itself may go there."""
    size = os.fstat(file.fileno()).st_size
    if not 0 <= place <= size:
        raise ValueError(f"damaged or cut off: goes on at byte {place}, and has {size}")
    file.seek(place)


def read_exactly(file: BinaryIO, count: int) -> bytes:
    """Return the next bytes of a file.

    Raises
    ------
    ValueError
        If there are not so many.
    """
    if count > BLOCK:  # of which there may be too little memory
        place = file.tell()
        go_to(file, place + count)
        file.seek(place)
    data = file.read(count)
    if len(data) != count:
        raise ValueError("damaged or cut off: it ends too early")
    return data


def read_numbers(file: BinaryIO, start: int, count: int, dtype: str) -> np.ndarray:
    """Return numbers that lie in a file one after the other.

    Parameters
    ----------
    file : binary file, open for reading
    start : int
        Where the first one is, in bytes.
    count : int
    dtype : one of `FLOATS`
        As stored, the lowest byte first.

    Returns
    -------
    numbers : (count,)
        bfloat16 as float32, which holds it exactly.

    Raises
    ------
    ValueError
        If they are not all inside the file.
    """
    stored = np.dtype("<u2") if dtype == "bfloat16" else np.dtype(dtype).newbyteorder("<")
    go_to(file, start + count * stored.itemsize)  # before there is an array of so many
    numbers = np.empty(count, stored)
    go_to(file, start)
    if file.readinto(numbers.view(np.uint8)) != numbers.nbytes:
        raise ValueError("damaged or cut off: it ends too early")
    return widened(numbers) if dtype == "bfloat16" else numbers


def widened(halves: np.ndarray) -> np.ndarray:
    """Return float32 numbers from bfloat16: they are their upper 16 bits.

    Examples
    --------
    >>> widened(np.array([0x3F80, 0xC000], np.uint16))
    array([ 1., -2.], dtype=float32)
    """
    wide = halves.astype(np.uint32)
    wide <<= np.uint32(16)
    return wide.view(np.float32)


def counted(shape: Sequence[int], name: str) -> int:
    """Return how many numbers a tensor of a shape has.

    Raises
    ------
    ValueError
        If a dimension is negative, or larger than any array's could be.
    """
    if any(not 0 <= n < 2**31 for n in shape):
        raise ValueError(f"damaged: {name!r} would be of shape {tuple(shape)}")
    return math.prod(shape)


def stored(file: BinaryIO, length: int) -> Iterator[bytes]:
    """Yield the next bytes of a file, a few at a time."""
    for at in range(0, length, BLOCK):
        yield read_exactly(file, min(BLOCK, length - at))


def inflated(file: BinaryIO, length: int) -> Iterator[bytes]:
    """Yield what so many bytes unpack to, a few at a time; at the end, their checksum is right."""
    inflate, blocks = zlib.decompressobj(), stored(file, length)
    while not inflate.eof:
        packed = inflate.unconsumed_tail or next(blocks, b"")
        if not packed:
            raise ValueError("damaged: a compressed variable is cut off")
        try:
            yield inflate.decompress(packed, BLOCK)
        except zlib.error as error:
            raise ValueError(f"damaged: {printable(error, 80)}") from None


class Bytes:
    """Bytes, taken one after the other from blocks of them.

    Parameters
    ----------
    room : int
        How many there may be.
    """

    def __init__(self, room: int):
        self.room, self.unpacked = room, 0

    def start(self, blocks: Iterator[bytes]) -> None:
        """Begin at the first of these bytes."""
        self.blocks, self.block, self.place, self.at = blocks, b"", 0, 0

    def take(self, count: int) -> bytearray:
        """Take bytes."""
        taken = bytearray()
        while True:
            part = self.block[self.place : self.place + count - len(taken)]
            taken += part
            self.skip(len(part))
            if len(taken) == count:
                return taken
            self.next_block()

    def skip(self, count: int) -> None:
        """Pass over bytes."""
        self.at += count
        while count > len(self.block) - self.place:
            count -= len(self.block) - self.place
            self.next_block()
        self.place += count

    def next_block(self) -> None:
        """Go on to the bytes that come next, of which there may not be too many."""
        self.block, self.place = next(self.blocks, None), 0
        if self.block is None:
            raise ValueError("damaged: a variable ends within an array")
        self.unpacked += len(self.block)
        if self.unpacked > self.room:
            raise ValueError("unpacks to far more than weights do")
