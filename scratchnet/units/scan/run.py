"""Looking for the strongest patches in a folder of pictures, ten or a million of them.

One pass over the pictures serves all channels of all layers at once. The pictures are handed out
in small tasks to any ``concurrent.futures.Executor``: a thread, processes on one machine, or a
cluster's. A worker runs the network forward, keeps the few strongest positions of each channel
(`strongest.strongest_positions`) and forgets the rest, so a task's result is small, and the results
are merged as they come in (`Strongest.merge`), in whatever order.

What has been found so far is saved beside the output as ``OUTPUT.partial``, twice a minute and
when the scan is stopped. The same scan begun again goes on from there.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import nullcontext, suppress
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from scratchnet.files.images import MAX_PIXELS
from scratchnet.units.scan.patches import NOT_YET, UNREADABLE, TopPatches
from scratchnet.units.scan.settings import ScanSettings, file_hash, working_size
from scratchnet.units.scan.worker import (
    Found,
    Task,
    fields_of,
    load_network,
    nothing_found,
    scan_pictures,
)
from scratchnet.units.strongest import Strongest

PICTURES_PER_TASK = 4
SAVE_EVERY = 30  # seconds


class ScanProgress(NamedTuple):
    """What a callback sees: how many pictures are done, of how many, and what was skipped now.

    ``skipped`` says which pictures were not readable, or are copies, and why.
    """

    done: int
    total: int
    skipped: list[str]


def copies(folder: Path, names: Sequence[str]) -> dict[str, str]:
    """Return the pictures whose file is there once more, byte for byte: copy → the first by name.

    Only files of equal size are read.
    """
    by_size: dict[int, list[str]] = {}
    for name in sorted(set(names)):
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


def _begin(
    names: Sequence[str], settings: ScanSettings, weights: str | None, threads: int
) -> TopPatches:
    """Return the scan before its first picture."""
    if not names:
        raise ValueError("got no picture to scan")
    network, sha256 = load_network(weights, threads)
    smallest = working_size((1, 1), settings.size, settings.scales[0])
    network.check_image((*smallest, 3), settings.layers)
    names = sorted(set(names))
    return TopPatches(
        settings,
        sha256,
        names,
        np.zeros((len(names), 32), np.uint8),
        np.full((len(names), 2), NOT_YET, np.int32),
        fields_of(network, settings),
        nothing_found(network, settings),
    )


def _go_on(begun: TopPatches, folder: Path, output: Path) -> TopPatches:
    """Return how far the same scan got before; raises ValueError where another one was saved."""
    if (path := saved_scan(output)) is None:
        return begun
    saved = TopPatches.load(path)
    difference = saved.same_scan(begun)
    read = np.flatnonzero(saved.sizes[:, 0] > 0)
    if not difference and len(read):
        # A folder of the same names must not be taken for the one that was scanned.
        first = folder / saved.names[read[0]]
        if not first.is_file() or file_hash(first) != saved.hashes[read[0]].tobytes():
            difference = "it is of other pictures"
    # What could not be read may have been mended.
    saved.sizes[saved.sizes[:, 0] == UNREADABLE] = NOT_YET
    if difference:
        raise ValueError(
            f"{output}: holds another scan: {difference}; give the same flags and pictures again, "
            "or another name"
        )
    return saved


def saved_scan(output: str | os.PathLike) -> Path | None:
    """Return where a scan is saved, finished or not; None if there is nothing."""
    for path in (Path(output), partial_file(output)):
        if path.exists():
            return path
    return None


def partial_file(output: str | os.PathLike) -> Path:
    """Return where a scan that is under way is saved."""
    return Path(output).with_name(Path(output).name + ".partial")


def _leave_out_copies(top: TopPatches, folder: Path) -> list[str]:
    """Mark all copies as not to be used, and return what to say about them."""
    same = copies(folder, top.names)
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


def _completed(executor: Executor, tasks: Iterator[Task], ahead: int) -> Iterator[Found]:
    """Yield results as they come, with no more than ``ahead`` tasks under way."""
    waiting: list[Future] = []
    try:
        while True:
            for task in islice(tasks, ahead - len(waiting)):
                waiting.append(executor.submit(scan_pictures, task))
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


def scan(
    folder: str | os.PathLike,
    names: Sequence[str],
    settings: ScanSettings,
    output: str | os.PathLike,
    *,
    executor: Executor | None = None,
    ahead: int = 8,
    weights: str | None = None,
    threads: int = 1,
    max_pixels: int = MAX_PIXELS,
    strict: bool = False,
    callback: Callable[[ScanProgress], None] | None = None,
) -> TopPatches:
    """Find the strongest patches of every channel, and save them.

    Parameters
    ----------
    folder : path
    names : sequence of str
        The pictures' paths within it, in any order: `find_pictures`, or some of them. A file that
        is there several times counts once, so that copies don't fill a unit's places.
    settings : ScanSettings
    output : path
        The file to write. If it holds this very scan already, nothing is left to do; if
        ``OUTPUT.partial`` holds part of it, only the rest is.
    executor : Executor, optional
        Who does the work; without one, a thread of this process. Equal machines give equal bytes,
        however many they are.
    ahead : int
        How many tasks of 4 pictures are under way at once: twice the number of workers keeps
        all of them busy.
    weights : str, optional
        A weight file, as each worker finds it; without it, the embedded VGG-16.
    threads : int
        Of the network, in each worker.
    max_pixels : int
        A picture of more can't be read, as far as the scan is concerned.
    strict : bool
        Whether a picture that can't be read ends the scan; otherwise it is skipped.
    callback : function, optional
        Called with a `ScanProgress` at the start and after each task.

    Returns
    -------
    top : TopPatches

    Raises
    ------
    FileNotFoundError, ValueError
        For an unknown layer, a size too small for it, no picture or no folder for the output, a
        weight file or a saved scan that can't be read or is another one; for a picture that is
        there, but not where a worker looks; with ``strict``, for any that can't be read.
    """
    # A worker may have been started in another folder.
    folder, output, partial = Path(folder).absolute(), Path(output), partial_file(output)
    if not output.parent.is_dir():
        raise ValueError(f"{output}: there is no folder {output.parent}")
    top = _go_on(_begin(names, settings, weights, threads), folder, output)
    callback = callback or (lambda progress: None)
    callback(ScanProgress(int(top.scanned.sum()), len(top.names), _leave_out_copies(top, folder)))
    if output.exists() and top.scanned.all():
        partial.unlink(missing_ok=True)
        return top
    tasks = _tasks(folder, top, weights, threads, max_pixels)
    saved, change = time.monotonic(), None
    with nullcontext(executor) if executor else ThreadPoolExecutor(1) as workers:
        try:
            for found in _completed(workers, tasks, ahead):
                skipped = list(found.skipped.values())
                if strict and skipped:
                    raise ValueError(skipped[0])
                for path in (folder / top.names[number] for number in found.missing):
                    if path.is_file():
                        raise ValueError(f"{path}: a worker does not find it: is it there for all?")
                change = _change(top, found)
                _apply(top, change)
                callback(ScanProgress(int(top.scanned.sum()), len(top.names), skipped))
                if time.monotonic() - saved > SAVE_EVERY:
                    top.save(partial)
                    saved = time.monotonic()
        except BaseException:
            # whatever stops it: Ctrl-C, a worker that died, a full disk
            if change is not None:
                _apply(top, change)
                top.save(partial)
            raise
    top.save(output)
    partial.unlink(missing_ok=True)
    return top
