"""Looking for the strongest patches in a folder of pictures, ten or a million of them.

One pass over the pictures serves all channels of all layers at once. The pictures are handed out
in small tasks to any ``concurrent.futures.Executor``: a thread, processes on one machine, or a
cluster's. A worker runs the network forward, keeps the few strongest positions of each channel
(`units.strongest_positions`) and forgets the rest, so a task's result is small, and the results
are merged as they come in (`Strongest.merge`), in whatever order.

What has been found so far is saved beside the output as ``OUTPUT.partial``, twice a minute and
when the scan is stopped. The same scan begun again goes on from there.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from scratchnet.network import Network
from scratchnet.receptive_field import ReceptiveField, receptive_field
from scratchnet.top_patches import (
    NOT_YET,
    UNREADABLE,
    ScanSettings,
    TopPatches,
    file_hash,
    working_picture,
)
from scratchnet.units import Strongest, strongest_positions
from scratchnet.vgg import VGG
from scratchnet.weights import digest, load_weights

PICTURES_PER_TASK = 4
SAVE_EVERY = 30  # seconds


class ScanProgress(NamedTuple):
    """What a callback sees: how many pictures are done, of how many, and what was skipped now.

    ``skipped`` are the reasons why pictures were not readable, each naming its file.
    """

    done: int
    total: int
    skipped: list[str]


class Task(NamedTuple):
    """A few pictures (number, path) for a worker, and how to look at them.

    ``at_least`` is for each layer and channel the k-th strongest value so far, (C,): what is below
    it has no chance.
    """

    pictures: list[tuple[int, str]]
    settings: ScanSettings
    at_least: dict[str, np.ndarray]
    weights: str | None
    network: str
    threads: int


@dataclass
class Found:
    """What a worker found; sizes and hashes by the pictures' numbers."""

    strongest: dict[str, Strongest]
    sizes: dict[int, tuple[int, int]] = field(default_factory=dict)
    hashes: dict[int, bytes] = field(default_factory=dict)
    skipped: dict[int, str] = field(default_factory=dict)


@lru_cache(maxsize=1)
def _network(weights: str | None, threads: int) -> tuple[Network, str]:
    """Return the network and its hash: a worker loads it once for all its tasks."""
    architecture, parameters = load_weights(weights)
    return VGG(parameters, architecture=architecture, threads=threads), digest(parameters)


def scan_pictures(task: Task) -> Found:
    """Find the strongest positions in a few pictures: what a worker does.

    Raises
    ------
    ValueError
        If the worker's weight file is another than the one that the scan began with.
    """
    network, sha256 = _network(task.weights, task.threads)
    if sha256 != task.network:
        raise ValueError(f"{task.weights}: a worker has other weights there than the scan")
    settings = task.settings
    found = Found(_nothing(network, settings))
    fields = _fields(network, settings)
    for number, path in task.pictures:
        try:
            images = [working_picture(path, settings.size, scale) for scale in settings.scales]
            found.hashes[number] = file_hash(path)
        except (OSError, ValueError) as error:
            found.skipped[number] = str(error)
            continue
        found.sizes[number] = images[0].shape[:2]
        maps = [network.forward(image, settings.layers)[0] for image in images]
        for layer in settings.layers:
            here = strongest_positions(
                [activations.pop(layer) for activations in maps],
                fields[layer],
                scales=settings.scales,
                picture=number,
                count=settings.per_picture,
                spacing=settings.spacing,
                at_least=task.at_least[layer],
            )
            found.strongest[layer] = found.strongest[layer].merge(here)
    return found


def _fields(network: Network, settings: ScanSettings) -> dict[str, ReceptiveField]:
    return {layer: receptive_field(network, layer) for layer in settings.layers}


def _nothing(network: Network, settings: ScanSettings) -> dict[str, Strongest]:
    """Return for each layer what has been found before the first picture."""
    shapes = network.output_shapes(settings.size, settings.size)
    return {layer: Strongest.empty(shapes[layer][2], settings.k) for layer in settings.layers}


def _begin(names: Sequence[str], settings: ScanSettings, weights, threads: int) -> TopPatches:
    """Return the scan before its first picture."""
    network, sha256 = _network(weights, threads)
    side = max(1, round(settings.size * settings.scales[0]))
    network.check_image((side, side, 3), settings.layers)
    names = sorted(set(names))
    return TopPatches(
        settings,
        sha256,
        names,
        np.zeros((len(names), 32), np.uint8),
        np.full((len(names), 2), NOT_YET, np.int32),
        _fields(network, settings),
        _nothing(network, settings),
    )


def _go_on(begun: TopPatches, output: Path, partial: Path) -> TopPatches:
    """Return how far the same scan got before; raises ValueError where another one was saved."""
    for path in (output, partial):
        if path.exists():
            saved = TopPatches.load(path)
            if difference := saved.same_scan(begun):
                raise ValueError(
                    f"{path}: holds another scan: {difference}; choose another output, or delete it"
                )
            return saved
    return begun


def _tasks(
    folder: str | os.PathLike, top: TopPatches, weights: str | None, threads: int
) -> Iterator[Task]:
    """Yield the pictures that have not been looked at, a few at a time."""
    folder = Path(folder).absolute()  # a worker may have been started elsewhere
    numbers = np.flatnonzero(~top.scanned)
    for start in range(0, len(numbers), PICTURES_PER_TASK):
        few = numbers[start : start + PICTURES_PER_TASK]
        pictures = [(int(n), str(folder / top.names[n])) for n in few]
        at_least = {layer: found.value[:, -1] for layer, found in top.strongest.items()}
        yield Task(pictures, top.settings, at_least, weights, top.network, threads)


def _completed(executor: Executor, tasks: Iterator[Task], ahead: int) -> Iterator[Found]:
    """Yield results as they come, with no more than ``ahead`` tasks under way."""
    waiting: set[Future] = set()
    try:
        while True:
            for task in islice(tasks, ahead - len(waiting)):
                waiting.add(executor.submit(scan_pictures, task))
            if not waiting:
                return
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
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
    """Change the scan. To do it twice is the same as once, so Ctrl-C in the middle does no harm."""
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
    strict: bool = False,
    callback: Callable[[ScanProgress], None] | None = None,
) -> TopPatches:
    """Find the strongest patches of every channel, and save them.

    Parameters
    ----------
    folder : path
    names : sequence of str
        The pictures' paths within it, in any order: `find_pictures`, or some of them.
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
        For an unknown layer, a size too small for it, a weight file or a saved scan that can't
        be read or is another one; with ``strict``, for a picture.
    """
    output = Path(output)
    partial = output.with_name(output.name + ".partial")
    top = _go_on(_begin(names, settings, weights, threads), output, partial)
    callback = callback or (lambda progress: None)
    callback(ScanProgress(int(top.scanned.sum()), len(top.names), []))
    if output.exists() and top.scanned.all():
        return top
    saved, change = time.monotonic(), None
    with nullcontext(executor) if executor else ThreadPoolExecutor(1) as workers:
        try:
            for found in _completed(workers, _tasks(folder, top, weights, threads), ahead):
                skipped = list(found.skipped.values())
                if strict and skipped:
                    raise ValueError(skipped[0])
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
