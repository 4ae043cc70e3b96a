"""Keras's HDF5 files: ``.h5`` in its old and newer layout, and Keras 3's ``.weights.h5``.

HDF5 is a C library that damaged files can crash, and a file of Keras's has no hash that could be
checked first (`files.hdf5`). So it does not see the file: what Keras writes is little of HDF5, and
is read here. That is a tree of groups, and arrays of floats in one piece (addresses and sizes of 8
bytes, little-endian) ::

    superblock       signature, versions 0, sizes 8 8, …, at 56 the root's entry
    entry            offset of its name, address of its header, 24 bytes that are not needed
    object header    version 1, number of messages, …, at 16 messages: type, size, flags, content
    group            a message 17: address of a B-tree of its entries and of a heap with their names
    B-tree node      TREE, 0, level, number of children, …, at 24 key, child, key, child, …, key
    its leaves       SNOD, 1, number of entries, entries
    heap             HEAP, 0, size, …, address of names that end with 0
    dataset          messages 1: its shape, 3: its type, 8: address and size of its numbers

Everything else (newer layouts, chunks, filters, files outside, links) is refused where it would be
read, and left alone elsewhere. What is read is bounded, whatever the file says.

Specification: https://docs.hdfgroup.org/hdf5/develop/_f_m_t11.html (HDF5 File Format, version 1.1).
"""

import math
import os
import struct
from collections.abc import Callable, Iterator
from typing import BinaryIO

import numpy as np

from scratchnet.files.names import printable
from scratchnet.files.weights.bounded import MOST_DIMENSIONS

FORMAT = "Keras"
SIGNATURE = b"\x89HDF\r\n\x1a\n"
DEEPEST = 16  # groups in groups
MOST_READ = 2**24  # bytes of all but numbers, each reading counted as 64 more
LONGEST_NAME = 512
DATASPACE, DATATYPE, EXTERNAL, LAYOUT, FILTERS, CONTINUATION, GROUP = 1, 3, 7, 8, 11, 16, 17
NEWER_GROUP = (2, 6)  # messages of groups that are stored otherwise, with links out of the file
NOWHERE = 2**64 - 1


def _float_type(size: int, exponent: int, mantissa: int, order: int) -> bytes:
    """Return how HDF5 describes an IEEE number of ``size`` bytes."""
    flags = bytes([0x11, 0x20 | order, 8 * size - 1, 0])  # class 1, version 1; order; sign's place
    bias = 2 ** (exponent - 1) - 1
    return flags + struct.pack(
        "<LHHBBBBL", size, 0, 8 * size, mantissa, exponent, 0, mantissa, bias
    )


TYPES = {
    _float_type(size, exponent, mantissa, order): f"{sign}f{size}"
    for size, exponent, mantissa in ((2, 5, 10), (4, 8, 23), (8, 11, 52))
    for order, sign in enumerate("<>")
}


def recognises(head: bytes, path: str | os.PathLike) -> bool:
    """Tell by its first bytes whether a file is HDF5."""
    return head.startswith(SIGNATURE)


def read(
    path: str | os.PathLike, wanted: Callable[[str, tuple[int, ...]], bool]
) -> dict[str, np.ndarray]:
    """Read the datasets of floats that are wanted; names are paths, ``group/group/dataset``.

    Raises
    ------
    ValueError
        If the file is damaged, or has what Keras does not write.
    """
    tensors = {}
    with open(path, "rb") as file:
        tree = _Tree(file)
        for name, messages in tree.datasets():
            kinds = [kind for kind, _ in messages]
            # Every dataset has one shape and one type: without them `wanted` has nothing to judge
            # by, and the file is damaged, whatever the dataset is. So `_one` raises first.
            shape = _shape(_one(messages, DATASPACE, name))
            dtype = TYPES.get(_one(messages, DATATYPE, name)[:20])
            if dtype is None or shape is None or len(shape) > MOST_DIMENSIONS:
                continue
            if not wanted(name, shape):
                continue
            if FILTERS in kinds or EXTERNAL in kinds:
                raise ValueError(f"{printable(name, 60)}: compressed or in another file")
            size = math.prod(shape) * np.dtype(dtype).itemsize
            address = _place(_one(messages, LAYOUT, name), size, name)
            tree.check(address, size)
            file.seek(address)
            tensors[name] = np.fromfile(file, dtype, math.prod(shape)).reshape(shape)
    return tensors


def _shape(content: bytes) -> tuple[int, ...] | None:
    """Return the shape that a dataspace message has; None for another kind of space."""
    version, rank = content[:2].ljust(2, b"\0")
    begin = {1: 8, 2: 4}.get(version, len(content))
    lengths = content[begin : begin + 8 * rank]
    return struct.unpack(f"<{rank}Q", lengths) if rank and len(lengths) == 8 * rank else None


def _place(content: bytes, size: int, name: str) -> int:
    """Return where a layout message says the numbers are, all in one piece."""
    if content[:2] != b"\3\1" or len(content) < 18:
        raise ValueError(f"{printable(name, 60)}: in chunks, wanted in one piece")
    address, stored = struct.unpack("<QQ", content[2:18])
    if address == NOWHERE or stored != size:
        raise ValueError(f"{printable(name, 60)}: {stored} bytes do not hold its shape")
    return address


def _one(messages: list[tuple[int, bytes]], kind: int, name: str) -> bytes:
    """Return the content of the only message of a kind."""
    found = [content for message, content in messages if message == kind]
    if len(found) != 1:
        raise ValueError(f"{printable(name, 60)}: damaged: {len(found)} messages of kind {kind}")
    return found[0]


class _Tree:
    """The groups and datasets of a file, of which no more than `MOST_READ` is read."""

    def __init__(self, file: BinaryIO):
        self.file = file
        self.size = os.fstat(file.fileno()).st_size
        self.left = MOST_READ
        self.seen: set[int] = set()

    def datasets(self) -> Iterator[tuple[str, list[tuple[int, bytes]]]]:
        """Yield name and messages of each dataset.

        Raises ValueError where the tree is no tree, or is not of the layout above.
        """
        superblock = self.bytes(0, 96)
        # versions of superblock, free space and root; of shared messages; sizes; base address 0
        if superblock[8:11] != bytes(3) or superblock[12:15] != b"\0\x08\x08":
            raise ValueError("of a newer layout of HDF5 than Keras writes")
        if superblock[24:32] != bytes(8):
            raise ValueError("damaged: HDF5 that does not begin at the file's beginning")
        yield from self.below(superblock[56:96], "", 0)

    def below(
        self, entry: bytes, name: str, depth: int
    ) -> Iterator[tuple[str, list[tuple[int, bytes]]]]:
        """Yield the datasets below an entry of a group, or the one that it is."""
        address, kind = struct.unpack("<QL", entry[8:20])
        if kind > 1 or depth > DEEPEST:
            raise ValueError(f"{printable(name, 60)}: a link, or groups too deep")
        self.once(address, name)
        messages = self.messages(address, name)
        if any(kind == GROUP for kind, _ in messages):
            content = _one(messages, GROUP, name)
            tree, heap = struct.unpack("<QQ", content[:16].ljust(16, b"\xff"))
            names = self.heap(heap)
            for child in self.entries(tree, name, 0):
                own = self.name(names, child)
                yield from self.below(child, f"{name}/{own}" if name else own, depth + 1)
        elif any(kind in NEWER_GROUP for kind, _ in messages):
            raise ValueError(f"{printable(name, 60)}: of a newer layout of HDF5 than Keras writes")
        elif any(kind == LAYOUT for kind, _ in messages):
            yield name, messages

    def messages(self, address: int, name: str) -> list[tuple[int, bytes]]:
        """Return kind and content of each message in an object's header."""
        version, _, count, _, size = struct.unpack("<BBHLL", self.bytes(address, 12))
        if version != 1:
            raise ValueError(f"{printable(name, 60)}: of a newer layout of HDF5 than Keras writes")
        blocks, found = [(address + 16, size)], []
        while blocks:
            block = self.bytes(*blocks.pop(0))
            while len(block) >= 8 and len(found) < count:
                kind, size, flags = struct.unpack("<HHB", block[:5])
                content, block = block[8 : 8 + size], block[8 + size :]
                if kind in (DATASPACE, DATATYPE, LAYOUT) and flags & 2:
                    raise ValueError(f"{printable(name, 60)}: a type or shape kept elsewhere")
                found.append((kind, content))
                if kind == CONTINUATION:
                    blocks.append(struct.unpack("<QQ", content[:16].ljust(16, b"\xff")))
        return found

    def entries(self, address: int, name: str, depth: int) -> Iterator[bytes]:
        """Yield the entries of a group, 40 bytes each, from its B-tree."""
        self.once(address, name)
        signature, kind, level, count = struct.unpack("<4sBBH", self.bytes(address, 8))
        if signature != b"TREE" or kind != 0 or level + depth > DEEPEST:
            raise ValueError(f"{printable(name, 60)}: damaged: its entries' tree is none")
        pairs = self.bytes(address + 24, 16 * count)
        for _, child in struct.iter_unpack("<QQ", pairs):
            if level:
                yield from self.entries(child, name, depth + 1)
                continue
            self.once(child, name)
            signature, version, number = struct.unpack("<4sBxH", self.bytes(child, 8))
            if signature != b"SNOD" or version != 1:
                raise ValueError(f"{printable(name, 60)}: damaged: its entries are none")
            block = self.bytes(child + 8, 40 * number)
            yield from (block[n : n + 40] for n in range(0, len(block), 40))

    def heap(self, address: int) -> tuple[int, int]:
        """Return address and size of a group's names."""
        signature, size, place = struct.unpack("<4s4xQ8xQ", self.bytes(address, 32))
        if signature != b"HEAP":
            raise ValueError("damaged: a group's names are missing")
        self.check(place, size)
        return place, size

    def name(self, names: tuple[int, int], entry: bytes) -> str:
        """Return the name of an entry."""
        place, size = names
        offset = int.from_bytes(entry[:8], "little")
        text, end, _ = self.bytes(
            place + offset, max(0, min(LONGEST_NAME, size - offset))
        ).partition(b"\0")
        if not text or not end:
            raise ValueError("damaged: a name without an end")
        return text.decode(errors="replace")

    def once(self, address: int, name: str) -> None:
        """Raise ValueError if the tree comes to a place again: it would be no tree."""
        if address in self.seen:
            raise ValueError(f"{printable(name, 60)}: has more than one name in this file")
        self.seen.add(address)

    def bytes(self, address: int, size: int) -> bytes:
        """Return bytes of the file; raise ValueError outside it, or if too many were read."""
        self.check(address, size)
        self.left -= size + 64
        if self.left < 0:
            raise ValueError("too many groups, wanted a network's")
        self.file.seek(address)
        return self.file.read(size)

    def check(self, address: int, size: int) -> None:
        """Raise ValueError unless the file has all these bytes."""
        if address + size > self.size:
            raise ValueError(f"damaged: {size} bytes at {address}, of {self.size} in the file")
