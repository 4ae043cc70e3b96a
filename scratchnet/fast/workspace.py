"""Threads that share a network's work, and the memory that they do it in.

NumPy lets other threads run while it computes. A fast layer cuts its map into strips of rows,
small enough to stay in a core's cache, and `Workspace.map` shares them out among threads. Every
strip is computed in the same way by whichever thread, so results do not depend on their number.
For that, BLAS must keep to one thread of its own (`scratchnet.blas` sees to that).

Every network has a workspace of its own.
"""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

from scratchnet.fast.memory import Arena, Scratch

STRIP_ENTRIES = 2**17  # of a map: half a MB in float32


def available_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Workspace:
    """Memory that is used again, and threads.

    Parameters
    ----------
    threads : int, optional
        How many strips are computed at a time; without it, one for each available core.

    Attributes
    ----------
    maps : Arena
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
        self.maps, self.scratch = Arena(), Scratch()

    def map(self, function: Callable, items: Iterable) -> list:
        """Return [function(item) for item in items], several of them computed at a time."""
        items = list(items)
        results = [None] * len(items)
        remaining = iter(range(len(items)))  # shared: each number goes to one thread

        def work():
            for n in remaining:
                results[n] = function(items[n])

        needed = min(self.threads, len(items)) - 1
        others = [self._helpers.submit(work) for _ in range(needed)]
        try:
            work()
        finally:
            errors = [other.exception() for other in others]  # waits for them
        for error in filter(None, errors):
            raise error
        return results

    @cached_property
    def _helpers(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.threads - 1)

    def __reduce__(self):
        """Copy and pickle as a new workspace: neither memory nor threads are shared."""
        return Workspace, (self.threads,)


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
