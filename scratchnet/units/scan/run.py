"""Looking for the strongest patches in a folder of pictures, ten or a million of them.

One pass over the pictures serves all channels of all layers at once. The pictures are handed out
in small tasks to any ``concurrent.futures.Executor``: a thread, processes on one machine, or a
cluster's. A worker runs the network forward, keeps the few strongest positions of each channel
(`strongest.strongest_positions`) and forgets the rest, so a task's result is small, and the results
are merged as they come in (`Strongest.merge`), in whatever order.

What has been found so far is saved beside the output as ``OUTPUT.partial``, twice a minute and
when the scan is stopped. The same scan begun again goes on from there. A finished one grows: of
more pictures or more layers, only those are looked at that are new (`growth`).
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from scratchnet.units.scan.growth import joined, with_pictures
from scratchnet.units.scan.patches import NOT_YET, UNREADABLE, TopPatches, load_settings
from scratchnet.units.scan.settings import ScanSettings, file_hash, working_size
from scratchnet.units.scan.work import Work
from scratchnet.units.scan.worker import fields_of, load_network, nothing_found


def scan(
    folder: str | os.PathLike,
    names: Sequence[str],
    settings: ScanSettings,
    output: str | os.PathLike,
    *,
    weights: str | None = None,
    threads: int = 1,
    **options,
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
        ``OUTPUT.partial`` holds part of it, only the rest is. If it lacks some of the pictures or
        layers, only these are looked at. It may hold further layers, also ones that a stopped scan
        was to look for; these are finished first. Pictures that could not be read are tried again.
    weights : str, optional
        A weight file, as each worker finds it; without it, the embedded VGG-16.
    threads : int
        Of the network, in each worker.
    **options
        Those of `Work`: who does it, what is skipped, and what is told of it.

    Returns
    -------
    top : TopPatches
        All that is in the file.

    Raises
    ------
    FileNotFoundError, ValueError
        For an unknown layer, a size too small for it, no picture or no folder for the output, a
        weight file or a saved scan that can't be read or is another one; for a picture that is
        there, but not where a worker looks; with ``strict``, for any that can't be read.
    """
    # A worker may have been started in another folder.
    folder, output = Path(folder).absolute(), Path(output)
    work = Work(folder, weights, threads, **options)
    if not output.parent.is_dir():
        raise ValueError(f"{output}: there is no folder {output.parent}")

    def begin(layers: Iterable[str]) -> TopPatches:
        return _begin(names, replace(settings, layers=tuple(layers)), weights, threads)

    begin(settings.layers)  # a layer that there is not is told before the work
    saved = saved_scan(output)
    first = load_settings(saved).layers if saved else settings.layers
    partial, of_layers = partial_file(output), further_layers_file(output)
    top = _go_on(begin(first), folder, [partial, output])
    was_there = output.exists() and TopPatches.load(output).names == top.names
    if work.finish(top, partial) or not was_there:
        top.save(output)
    partial.unlink(missing_ok=True)
    while further := set(settings.layers) - set(top.settings.layers):
        begun = load_settings(of_layers).layers if of_layers.exists() else ()
        if begun and not set(begun) & set(top.settings.layers):
            further = begun  # another scan was stopped there
        other = _go_on(begin(further), folder, [of_layers])
        work.finish(other, of_layers)
        top = joined(top, other)
        top.save(output)
        of_layers.unlink(missing_ok=True)
    return top


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


def _go_on(begun: TopPatches, folder: Path, saved: Sequence[Path]) -> TopPatches:
    """Return how far the same scan got before, in the first of these files that is of its layers.

    It may have been of fewer pictures. Raises ValueError where another scan was saved.
    """
    for path in filter(Path.exists, saved):
        top = TopPatches.load(path)
        if top.settings.layers != begun.settings.layers:
            continue
        if set(top.names) < set(begun.names):
            top = with_pictures(top, begun.names)
        difference = top.same_scan(begun)
        read = np.flatnonzero(top.sizes[:, 0] > 0)
        if not difference and len(read):
            # A folder of the same names must not be taken for the one that was scanned.
            first = folder / top.names[read[0]]
            if not first.is_file() or file_hash(first) != top.hashes[read[0]].tobytes():
                difference = "it is of other pictures"
        if difference:
            raise ValueError(
                f"{path}: holds another scan: {difference}; give the same flags and pictures "
                "again, or another name"
            )
        # What could not be read may have been mended.
        top.sizes[top.sizes[:, 0] == UNREADABLE] = NOT_YET
        return top
    return begun


def saved_scan(output: str | os.PathLike) -> Path | None:
    """Return where a scan is saved, finished or not; None if there is nothing."""
    for path in (Path(output), partial_file(output)):
        if path.exists():
            return path
    return None


def partial_file(output: str | os.PathLike) -> Path:
    """Return where a scan that is under way is saved."""
    return Path(output).with_name(Path(output).name + ".partial")


def further_layers_file(output: str | os.PathLike) -> Path:
    """Return where a scan of further layers is saved until it is joined with the first."""
    return Path(output).with_name(Path(output).name + ".layers.partial")
