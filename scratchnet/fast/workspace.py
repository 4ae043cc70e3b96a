"""Threads that share a network's work, and the memory that they do it in.

NumPy lets other threads run while it computes. A fast layer cuts its map into strips of rows,
small enough to stay in a core's cache, and `Workspace.map` shares them out among threads. Every
strip is computed in the same way by whichever thread, so results do not depend on their number.
For that, BLAS must keep to one thread of its own (`scratchnet.blas` sees to that).

Every network has a workspace of its own.

**The first product.** OpenBLAS copies the factors of a product to a buffer before it multiplies,
one buffer for each thread that multiplies at that moment, and its kernels fetch ahead of what they
need. Where nothing was ever copied to, the system has put no page of memory behind the addresses
yet, and each fetch from there is a walk through its tables that finds none. On a processor without
AVX-512, products with 256 channels ran at 10 GFLOP/s instead of 34, for as long as there had been
no larger one. So there is one at first, with as many channels as VGG has at most, in as many
threads at once as will compute (`fill_buffers`).
"""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from numbers import Integral

import numpy as np

from scratchnet.blas import one_blas_thread
from scratchnet.fast.memory import Arena, Scratch

STRIP_ENTRIES = 2**17  # of a map: half a MB in float32
FIRST_PRODUCT = 512  # rows and columns of its factors: VGG's largest number of channels
MOST_THREADS = 256  # each takes memory of its own, and no machine has been seen to gain from more


def available_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Helpers:
    """The other threads, of one process; they start when they are needed."""

    def __init__(self, count: int):
        self.process = os.getpid()
        self._allow(count)

    def _allow(self, count: int) -> None:
        self.count = count
        self._executor = ThreadPoolExecutor(count) if count else None

    def share(self, work: Callable, count: int) -> list[Future]:
        """Let so many of them work, or as many as there are."""
        others: list[Future] = []
        for _ in range(min(count, self.count)):
            try:
                others.append(self._executor.submit(work))
            except RuntimeError:  # can't start new thread
                # Those that did start do all the work, once. An executor that went on would keep
                # what it has no thread for, and try again each time.
                self._executor.shutdown(cancel_futures=True)
                self._allow(len(others))
                break
        return others


class Workspace:
    """Memory that is used again, and threads.

    Parameters
    ----------
    threads : int, optional
        How many strips are computed at a time, at most 256; without it, one for each available
        core. Where the system grants fewer threads, fewer compute.

    Attributes
    ----------
    maps : Arena
        For activations and gradients.
    scratch : Scratch
        For what a strip needs while it is computed.

    Raises
    ------
    TypeError, ValueError
        For a number of threads that is no whole number, or not from 1 to 256.
    """

    def __init__(self, threads: int | None = None):
        if threads is None:
            threads = min(available_cores(), MOST_THREADS)
        if not isinstance(threads, Integral):
            raise TypeError(f"got {threads!r} threads, wanted a whole number")
        self.threads = int(threads)
        if not 1 <= self.threads <= MOST_THREADS:
            raise ValueError(f"got {threads} threads, wanted 1 to {MOST_THREADS}")
        self.maps, self.scratch = Arena(), Scratch()
        self._helpers = _Helpers(self.threads - 1)

    @property
    def granted(self) -> int:
        """How many threads there are: fewer than ``threads`` where the system grants no more."""
        return self._helpers.count + 1

    def map(self, function: Callable, items: Iterable) -> list:
        """Return [function(item) for item in items], several of them computed at a time."""
        items = list(items)
        results = [None] * len(items)
        remaining = iter(range(len(items)))  # shared: each number goes to one thread

        def work():
            for n in remaining:
                results[n] = function(items[n])

        # A process that was forked has its parent's executor, but none of its threads.
        if self._helpers.process != os.getpid():
            self._helpers = _Helpers(self.threads - 1)
        others = self._helpers.share(work, len(items) - 1)
        try:
            work()
        finally:
            # waits for them
            errors = [other.exception() for other in others if not other.cancelled()]
        for error in filter(None, errors):
            raise error
        return results

    def __reduce__(self):
        """Copy and pickle as a new workspace: neither memory nor threads are shared."""
        return Workspace, (self.threads,)


@cache
@one_blas_thread
def fill_buffers(threads: int) -> None:
    """Let so many threads multiply at the same time, the first time that it is asked for."""
    square = np.ones((FIRST_PRODUCT, FIRST_PRODUCT), np.float32)
    # Twice as many products: when the last thread has started, the first is still at its own.
    Workspace(threads).map(lambda _: square @ square, range(2 * threads))


def cut(rows: int, height: int) -> list[slice]:
    """Cut so many rows into strips of that height; the last may be lower.

    Examples
    --------
    >>> cut(5, 2)
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    return [slice(start, min(start + height, rows)) for start in range(0, rows, height)]


def evenly(rows: int, height: int) -> list[slice]:
    """Cut like `cut`, but into an even number of strips, so that two threads end together.

    Where that number is odd, the last strip of full height is halved.

    Examples
    --------
    >>> [s.stop - s.start for s in evenly(12, 4)], [s.stop - s.start for s in evenly(15, 4)]
    ([4, 4, 2, 2], [4, 4, 4, 3])
    """
    strips = cut(rows, height)
    if len(strips) % 2 == 0 or height == 1:
        return strips
    last = next(n for n in reversed(range(len(strips))) if strips[n].stop - strips[n].start > 1)
    start, stop = strips[last].start, strips[last].stop
    middle = (start + stop + 1) // 2
    return [*strips[:last], slice(start, middle), slice(middle, stop), *strips[last + 1 :]]


def map_strips(
    workspace: Workspace, strip: Callable, shape: tuple[int, int, int], multiple: int = 1
) -> None:
    """Call ``strip(rows)`` for strips of a map (H, W, C), of a multiple of so many rows each."""
    H, W, C = shape
    height = max(1, STRIP_ENTRIES // (W * C) // multiple) * multiple
    workspace.map(strip, cut(H, height))
