"""Where a network's fast layers get their memory and their threads.

Memory. A fresh array of tens of MB costs more than filling it: the system has to find, clear and
map every page of it. A `Pool` keeps memory and lends it out again. What it lent comes back by
itself when the last array that uses it is gone, never sooner, so an array that somebody still
holds is never overwritten. Activations and gradients come from there. What a strip needs only
while it is computed is `Scratch`: the same few arrays again and again, for each thread its own.

Threads. NumPy lets other threads run while it computes. A layer cuts its map into strips of rows
small enough to stay in a core's cache, and `Workspace.map` shares them out among threads. Every
strip is computed in the same way by whichever thread, so results do not depend on their number.
For that, BLAS, which does NumPy's matrix products, must keep to one thread of its own;
otherwise its threads and ours take turns on the same cores: correct, but slower. Set
``OPENBLAS_NUM_THREADS=1`` (for other builds of NumPy also ``MKL_NUM_THREADS``) before NumPy is
imported, as our scripts do; a program that has imported it already can use
``threadpoolctl.threadpool_limits(1, "blas")``.

Every network has a workspace of its own.
"""

import mmap
import os
from bisect import insort
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cached_property
from math import prod
from threading import Lock, local

import numpy as np

ALIGNMENT = 64  # bytes: a line of the cache
PAGE = 2**21  # bytes: a huge page, where the system has them


def available_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _block(size: int) -> mmap.mmap:
    """Get at least so many bytes from the system, in huge pages where it has them."""
    # Windows has no such flags, and needs none.
    private = {"flags": mmap.MAP_PRIVATE} if hasattr(mmap, "MAP_PRIVATE") else {}
    block = mmap.mmap(-1, size + -size % PAGE, **private)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        block.madvise(mmap.MADV_HUGEPAGE)
    return block


class _Loan:
    """Memory seen as an array; goes back to its pool when no array uses it any more."""

    def __init__(self, pool: "Pool", piece: tuple[int, int], shape: tuple[int, ...], dtype):
        self._pool, self._piece = pool, piece
        self.__array_interface__ = {
            "data": (piece[0], False),
            "shape": shape,
            "typestr": np.dtype(dtype).str,
            "version": 3,
        }

    def __del__(self):
        self._pool._returned.append(self._piece)


class Pool:
    """Memory that is used again.

    It is a few blocks from the system. A new array is cut from the smallest free piece that is
    large enough, and joined with its free neighbours when it comes back. Where no piece is large
    enough, blocks that are wholly free go back to the system before a larger one is asked for.
    """

    def __init__(self):
        self._blocks: dict[int, mmap.mmap] = {}  # by address
        self._free: list[tuple[int, int]] = []  # pieces (address, size), by address
        self._returned: deque[tuple[int, int]] = deque()  # not yet in _free
        self._lock = Lock()

    def empty(self, shape: tuple[int, ...], dtype) -> np.ndarray:
        """Return an array with arbitrary values, in memory used before where there is some."""
        size = max(1, prod(shape)) * np.dtype(dtype).itemsize
        size += -size % ALIGNMENT
        with self._lock:
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

    def release(self) -> None:
        """Give the blocks that are wholly free back to the system."""
        with self._lock:
            self._join()
            self._release()

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

    Cutting an array from a `Pool` takes several µs, in which no other thread can run Python; a
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

    def _view(self, slot: str, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """Return the beginning of the slot's block; get a larger block if it is too small."""
        size = prod(shape) * dtype.itemsize
        if slot not in self._blocks or len(self._blocks[slot]) < size:
            self._arrays = {key: a for key, a in self._arrays.items() if key[0] != slot}
            self._blocks.pop(slot, None)
            self._blocks[slot] = np.frombuffer(_block(size), np.uint8)
        return self._blocks[slot][:size].view(dtype).reshape(shape)


class Workspace:
    """Memory that is used again, and threads.

    Parameters
    ----------
    threads : int, optional
        How many strips are computed at a time; without it, one for each available core.

    Attributes
    ----------
    maps : Pool
        For activations and gradients.
    scratch : Scratch
        For what a strip needs while it is computed.

    Raises
    ------
    ValueError
        For fewer than one thread.
    """

    def __init__(self, threads: int | None = None):
        self.threads = available_cores() if threads is None else threads
        if self.threads < 1:
            raise ValueError(f"got {threads} threads, wanted at least 1")
        self.maps, self.scratch = Pool(), Scratch()

    def map(self, function: Callable, items: Iterable) -> list:
        """Return [function(item) for item in items], several of them computed at a time."""
        items = list(items)
        results = [None] * len(items)
        remaining = iter(range(len(items)))  # shared: each number goes to one thread

        def work():
            for n in remaining:
                results[n] = function(items[n])

        helpers = min(self.threads, len(items)) - 1
        others = [self._pool.submit(work) for _ in range(helpers)]
        try:
            work()
        finally:
            wait(others)
        for other in others:
            other.result()  # raises what was raised there
        return results

    def forget(self) -> None:
        """Give memory that nobody uses back to the system."""
        self.maps.release()
        self.scratch = Scratch()

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.threads - 1)

    def __reduce__(self):
        """Copy and pickle as a new workspace: neither memory nor threads are shared."""
        return Workspace, (self.threads,)


def strips(rows: int, height: int) -> list[slice]:
    """Cut so many rows into strips of that height; the last may be lower.

    Examples
    --------
    >>> strips(5, 2)
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    return [slice(start, min(start + height, rows)) for start in range(0, rows, height)]


def padded_rows(x: np.ndarray, first: int, stop: int) -> np.ndarray:
    """Return the rows first … stop − 1 of x, a view where they exist, with zeros elsewhere.

    Examples
    --------
    >>> padded_rows(np.array([[1, 2], [3, 4]]), -1, 1)
    array([[0, 0],
           [1, 2]])
    """
    H = len(x)
    if first >= 0 and stop <= H:
        return x[first:stop]
    rows = np.zeros((stop - first, *x.shape[1:]), x.dtype)
    inside = slice(max(first, 0), min(stop, H))
    rows[inside.start - first : inside.stop - first] = x[inside]
    return rows
