"""Memory that is used again.

A fresh array of tens of MB costs more than filling it: the system has to find, clear and map
every page of it. An `Arena` keeps memory and lends it out again. What it lent comes back by
itself when the last array that uses it is gone, never sooner, so an array that somebody still
holds is never overwritten. Activations and gradients come from there. What a strip needs only
while it is computed is `Scratch`: the same few arrays again and again, for each thread its own.
"""

import mmap
import os
from bisect import insort
from collections import deque
from math import prod
from threading import Lock, local

import numpy as np

ALIGNMENT = 64  # bytes: a line of the cache
PAGE = 2**21  # bytes: a huge page, where the system has them
# One lock for all arenas, and no process is forked while it is held: so the child's arenas are
# whole, and its lock is free.
LOCK = Lock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=LOCK.acquire, after_in_parent=LOCK.release, after_in_child=LOCK.release
    )


def _block(size: int) -> mmap.mmap:
    """Get at least so many bytes from the system, in huge pages where it has them."""
    # Windows has no such flags, and needs none.
    private = {"flags": mmap.MAP_PRIVATE} if hasattr(mmap, "MAP_PRIVATE") else {}
    block = mmap.mmap(-1, size + -size % PAGE, **private)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        block.madvise(mmap.MADV_HUGEPAGE)
    return block


class _Loan:
    """Memory seen as an array; goes back to its arena when no array uses it any more."""

    def __init__(self, arena: "Arena", piece: tuple[int, int], shape: tuple[int, ...], dtype):
        self._arena, self._piece = arena, piece
        self.__array_interface__ = {
            "data": (piece[0], False),
            "shape": shape,
            "typestr": np.dtype(dtype).str,
            "version": 3,
        }

    def __del__(self):
        self._arena._returned.append(self._piece)


class Arena:
    """Memory that is used again.

    It is a few blocks from the system. A new array is cut from the smallest free piece that is
    large enough, and joined with its free neighbours when it comes back. Where no piece is large
    enough, blocks that are wholly free go back to the system before a larger one is asked for.
    """

    def __init__(self):
        self._blocks: dict[int, mmap.mmap] = {}  # by address
        self._free: list[tuple[int, int]] = []  # pieces (address, size), by address
        self._returned: deque[tuple[int, int]] = deque()  # not yet in _free

    def empty(self, shape: tuple[int, ...], dtype) -> np.ndarray:
        """Return an array with arbitrary values, in memory used before where there is some."""
        size = max(1, prod(shape)) * np.dtype(dtype).itemsize
        size += -size % ALIGNMENT
        with LOCK:
            piece = self._cut(size)
        return np.asarray(_Loan(self, piece, tuple(shape), dtype))

    @property
    def size(self) -> int:
        """Bytes got from the system."""
        return sum(map(len, self._blocks.values()))

    def _cut(self, size: int) -> tuple[int, int]:
        """Cut so many bytes from the smallest free piece that is large enough."""
        self._join()
        enough = [(length, address) for address, length in self._free if length >= size]
        if not enough:
            self._release()
            enough = [self._ask(size)]
        length, address = min(enough)
        self._free.remove((address, length))
        if length > size:
            insort(self._free, (address + size, length - size))
        return address, size

    def _join(self) -> None:
        """Take in what was returned, joined with its free neighbours in the same block."""
        if not self._returned:
            return
        while self._returned:
            insort(self._free, self._returned.popleft())
        joined: list[tuple[int, int]] = []
        for address, length in self._free:
            if joined and sum(joined[-1]) == address and address not in self._blocks:
                joined[-1] = (joined[-1][0], joined[-1][1] + length)
            else:
                joined.append((address, length))
        self._free = joined

    def _release(self) -> None:
        for address, length in list(self._free):
            if len(self._blocks.get(address, b"")) == length:
                self._free.remove((address, length))
                del self._blocks[address]

    def _ask(self, size: int) -> tuple[int, int]:
        """Ask the system for a block; return its size and its address."""
        block = _block(size)
        address = np.frombuffer(block, np.uint8).ctypes.data
        self._blocks[address] = block
        insort(self._free, (address, len(block)))
        return len(block), address


class Scratch(local):
    """Memory for a moment, for each thread its own.

    Cutting an array from an `Arena` takes several µs, in which no other thread can run Python; a
    strip needs four of them. Here they are made once.
    """

    def __init__(self):
        self._blocks: dict[str, np.ndarray] = {}  # by slot
        self._arrays: dict[tuple, np.ndarray] = {}

    def empty(self, slot: str, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """Return an array with arbitrary values, good until this thread asks for the same slot."""
        array = self._arrays.get((slot, shape, dtype))
        if array is None:
            array = self._arrays[slot, shape, dtype] = self._view(slot, shape, dtype)
        return array

    def zeros(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """Return zeros, to be read only."""
        array = self.empty("zeros", shape, dtype)  # the system's memory is zero until written to
        array.flags.writeable = False
        return array

    def _view(self, slot: str, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """Return the beginning of the slot's block; get a larger block if it is too small."""
        size = prod(shape) * dtype.itemsize
        if slot not in self._blocks or len(self._blocks[slot]) < size:
            self._arrays = {key: a for key, a in self._arrays.items() if key[0] != slot}
            self._blocks.pop(slot, None)
            # Small arrays share the system's pages with others.
            large = size >= PAGE // 2
            block = np.frombuffer(_block(size), np.uint8) if large else np.zeros(size, np.uint8)
            self._blocks[slot] = block
        return self._blocks[slot][:size].view(dtype).reshape(shape)
