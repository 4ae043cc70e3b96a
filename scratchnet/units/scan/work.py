"""Looking at the pictures of a scan that are left, by whoever there is to do it.

They are handed out a few at a time; what the workers find is merged as it comes.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from scratchnet.files.images import MAX_PIXELS
from scratchnet.units.scan.patches import UNREADABLE, TopPatches
from scratchnet.units.scan.settings import file_hash
from scratchnet.units.scan.worker import Found, Task, scan_pictures
from scratchnet.units.strongest import Strongest

PICTURES_PER_TASK = 4
SAVE_EVERY = 30  # seconds


class ScanProgress(NamedTuple):
    """What a callback sees: how many pictures are done, of how many, and what was skipped now.

    ``skipped`` says which pictures were not readable, or are copies, and why; ``layers`` are those
    looked for. After one scan may come another, of further layers.
    """

    done: int
    total: int
    skipped: list[str]
    layers: tuple[str, ...]


@dataclass(frozen=True)
class Work:
    """How a scan is done.

    Attributes
    ----------
    folder : Path
        Of the pictures.
    weights : str or None
    threads : int
        As for `scan`.
    executor : Executor, optional
        Who does the work; without one, a thread of this process. Equal machines give equal bytes,
        however many they are.
    ahead : int
        How many tasks of 4 pictures are under way at once: twice the number of workers keeps
        all of them busy.
    max_pixels : int
        A picture of more can't be read, as far as the scan is concerned.
    strict : bool
        Whether a picture that can't be read ends the scan; otherwise it is skipped.
    callback : function, optional
        Called with a `ScanProgress` at the start and after each task.
    """

    folder: Path
    weights: str | None = None
    threads: int = 1
    executor: Executor | None = None
    ahead: int = 8
    max_pixels: int = MAX_PIXELS
    strict: bool = False
    callback: Callable[[ScanProgress], None] = lambda progress: None

    def finish(self, top: TopPatches, partial: Path) -> bool:
        """Look at the pictures that are left, and return whether there were any.

        What was found is in ``top`` and, if something stops it, saved in ``partial``.
        """

        def tell(skipped: list[str]) -> None:
            done = int(top.scanned.sum())
            self.callback(ScanProgress(done, len(top.names), skipped, top.settings.layers))

        tell(_leave_out_copies(top, self.folder))
        if top.scanned.all():
            return False
        tasks = _tasks(self.folder, top, self.weights, self.threads, self.max_pixels)
        saved, change = time.monotonic(), None
        with nullcontext(self.executor) if self.executor else ThreadPoolExecutor(1) as workers:
            try:
                for found in completed(workers, scan_pictures, tasks, self.ahead):
                    self._check(top, found)
                    change = _change(top, found)
                    _apply(top, change)
                    tell(list(found.skipped.values()))
                    if time.monotonic() - saved > SAVE_EVERY:
                        top.save(partial)
                        saved = time.monotonic()
            except BaseException:
                # whatever stops it: Ctrl-C, a worker that died, a full disk
                if change is not None:  # perhaps it is in by half
                    _apply(top, change)
                    top.save(partial)
                raise
        return True

    def _check(self, top: TopPatches, found: Found) -> None:
        """Raise ValueError for pictures that should have been read."""
        if self.strict and found.skipped:
            raise ValueError(next(iter(found.skipped.values())))
        for path in (self.folder / top.names[number] for number in found.missing):
            if path.is_file():
                raise ValueError(f"{path}: a worker does not find it: is it there for all?")


def copies(folder: Path, names: Sequence[str]) -> dict[str, str]:
    """Return the pictures whose file is there once more, byte for byte: copy → the first in order.

    Only files of equal size are read.
    """
    by_size: dict[int, list[str]] = {}
    for name in names:
        with suppress(OSError):
            if (folder / name).is_file():
                by_size.setdefault((folder / name).stat().st_size, []).append(name)
    found, originals = {}, {}
    for alike in (group for group in by_size.values() if len(group) > 1):
        for name in alike:
            with suppress(OSError):  # what can't be read is said when its turn comes
                first = originals.setdefault(file_hash(folder / name), name)
                if first != name:
                    found[name] = first
    return found


def _leave_out_copies(top: TopPatches, folder: Path) -> list[str]:
    """Mark all copies as not to be used, and return what to say about them.

    The one that was looked at before is the original; otherwise it is the first by name.
    """
    read = top.sizes[:, 0] > 0
    order = sorted(range(len(top.names)), key=lambda n: (not read[n], top.names[n]))
    same = copies(folder, [top.names[n] for n in order])
    top.sizes[[name in same for name in top.names]] = UNREADABLE
    return [f"{folder / name}: is {first} once more" for name, first in sorted(same.items())]


def _tasks(
    folder: Path, top: TopPatches, weights: str | None, threads: int, max_pixels: int
) -> Iterator[Task]:
    """Yield the pictures that have not been looked at, a few at a time."""
    numbers = np.flatnonzero(~top.scanned)
    for start in range(0, len(numbers), PICTURES_PER_TASK):
        few = numbers[start : start + PICTURES_PER_TASK]
        pictures = [(int(n), str(folder / top.names[n])) for n in few]
        at_least = {layer: found.value[:, -1] for layer, found in top.strongest.items()}
        yield Task(pictures, top.settings, at_least, weights, top.network, threads, max_pixels)


def completed(executor: Executor, function: Callable, tasks: Iterable, ahead: int) -> Iterator:
    """Yield the results of function(task) as they come, with no more than ``ahead`` under way."""
    tasks = iter(tasks)
    waiting: list[Future] = []
    try:
        while True:
            for task in islice(tasks, ahead - len(waiting)):
                waiting.append(executor.submit(function, task))
            if not waiting:
                return
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            # in the order of the tasks: one worker then reports the first bad picture first
            ready = [future for future in waiting if future in done]
            waiting = [future for future in waiting if future not in done]
            for future in ready:
                yield future.result()
    finally:
        for future in waiting:
            future.cancel()


class Change(NamedTuple):
    """What a worker's finds make of the scan: each layer's strongest, and what was looked at."""

    strongest: dict[str, Strongest]
    found: Found


def _change(top: TopPatches, found: Found) -> Change:
    """Merge what a worker found with the scan, which stays as it is."""
    merged = {layer: top.strongest[layer].merge(other) for layer, other in found.strongest.items()}
    return Change(merged, found)


def _apply(top: TopPatches, change: Change) -> None:
    """Change the scan. Doing it twice is the same as once, so Ctrl-C in the middle does no harm."""
    top.strongest.update(change.strongest)
    for number, size in change.found.sizes.items():
        top.sizes[number] = size
        top.hashes[number] = np.frombuffer(change.found.hashes[number], np.uint8)
    for number in change.found.skipped:
        top.sizes[number] = UNREADABLE
