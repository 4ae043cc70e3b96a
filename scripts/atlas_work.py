"""What the scripts of the atlas share: a network's units drawn over an executor, and kept."""

import argparse
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor

import numpy as np
from scanning import DEFAULT, Pictures, tqdm
from timed_bar import said, seconds_left

from scratchnet.pages.atlas import AtlasLayer, AtlasPatch, AtlasUnit
from scratchnet.pages.atlas_units import Source, Task, draw, pass_work, sheets_of, work_of
from scratchnet.units.incoming import strongest_inputs
from scratchnet.units.maxima import firing_together, partners
from scratchnet.units.scan.maxima import load_maxima, save_maxima, scan_maxima
from scratchnet.units.scan.patches import Patch, TopPatches
from scratchnet.units.scan.work import completed
from scratchnet.units.scan.worker import load_network

PARTNERS, INPUTS = 6, 8  # of a unit are named
TRIAL, TRIALS = 160, 4  # px: of the picture that the first prediction is measured on; how often


class Sources:
    """The pictures that patches come from, numbered as they are met; each is read when needed."""

    def __init__(self, top: TopPatches, pictures: Pictures):
        self.top, self.pictures = top, pictures
        self.numbers: dict[tuple[int, float], int] = {}
        self.patches: list[Patch] = []

    def number(self, patch: Patch) -> int:
        """Return the number of a patch's picture, at its scale."""
        key = patch.picture, patch.scale
        if key not in self.numbers:
            self.numbers[key] = len(self.patches)
            self.patches.append(patch)
        return self.numbers[key]

    def __getitem__(self, number: int) -> tuple[str, np.ndarray]:
        patch = self.patches[number]
        return self.top.names[patch.picture], self.pictures(patch)


def layers_of(top: TopPatches, arguments: argparse.Namespace) -> list[str]:
    """Return the layers to show, those that see least first.

    Those asked for; otherwise the usual five or, if the file of patches lacks one, all it has: of
    thirteen, one page would be too large.
    """
    usual = DEFAULT.layers if set(DEFAULT.layers) <= set(top.fields) else top.fields
    asked = getattr(arguments, "layers", usual)
    return sorted(asked, key=lambda layer: (top.fields[layer].size, layer))


def tasks_of(top: TopPatches, chosen: dict[str, list[int]], kind: str, **options) -> Iterator[Task]:
    """Yield the tasks that draw one kind of pictures of the channels chosen, those that fire."""
    for layer, channels in chosen.items():
        for channel in channels:
            sources = tuple(
                Source(
                    top.names[patch.picture], top.hashes[patch.picture].tobytes(), patch.scale,
                    patch.position, patch.box, top.is_whole(patch),
                )
                for patch in top.patches(layer, channel)
            )  # fmt: skip
            if sources:
                yield Task(
                    kind, layer, channel, sources, size=top.settings.size, network=top.network,
                    **options,
                )  # fmt: skip


def draw_all(tasks: Iterable[Task], executor: Executor, workers: int, interrupts) -> None:
    """Draw what is not there yet, and show how far it is and how long it will take."""
    tasks = list(tasks)
    missing = [task for task in tasks if sheets_of(task) is None]
    if not tasks:
        return
    network, _ = load_network(tasks[0].weights, 1)
    pace = seconds_per_work(network, missing)
    seconds = {(task.layer, task.channel): pace * work_of(network, task) for task in missing}
    total, kind = sum(seconds.values()), tasks[0].kind
    print(
        f"{kind:<8} {len(missing)} units to draw, {len(tasks) - len(missing)} are there; about "
        f"{said(total / workers)}",
        file=sys.stderr,
    )
    shape = "{desc} {percentage:3.0f}%|{bar}| {elapsed}{postfix}"
    with tqdm(total=total, desc=kind, bar_format=shape) as bar:
        for n, unit in enumerate(completed(executor, draw, missing, 2 * workers), 1):
            interrupts.begin()
            done = bar.n + seconds[unit]
            left = seconds_left(total, done, workers * bar.format_dict["elapsed"]) / workers
            bar.set_postfix_str(f"{n}/{len(missing)} units, {said(left)} left", refresh=False)
            bar.update(seconds[unit])


def seconds_per_work(network, tasks: list[Task]) -> float:
    """Return how long a multiplication takes here, measured on a pass to the deepest layer."""
    if not tasks:
        return 0.0
    layer = max({task.layer for task in tasks}, key=lambda layer: network.depth([layer]))
    image, times = np.full((TRIAL, TRIAL, 3), 128, np.float32), []
    for _ in range(TRIALS):  # the first one is slower, and so may be others
        begun = time.perf_counter()
        network.forward(image, [layer])
        times.append(time.perf_counter() - begun)
    return min(times) / pass_work(network, layer, TRIAL)


def maxima_beside(
    top: TopPatches, arguments, executor: Executor, workers: int, weights: str | None
) -> dict[str, np.ndarray]:
    """Return the maxima of a scan, (N, C) by layer, from the file beside that of patches.

    If it is not there, or of another scan, it is made.
    """
    path = arguments.patches.with_name(f"{arguments.patches.stem}_maxima.h5")
    if (maxima := load_maxima(path, top)) is not None:
        return maxima
    with tqdm(total=1, desc="maxima", unit="picture") as bar:

        def callback(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        maxima = scan_maxima(
            top, arguments.images, executor, ahead=2 * workers, weights=weights,
            max_pixels=arguments.max_pixels, callback=callback,
        )  # fmt: skip
    save_maxima(path, top, maxima)
    print(f"saved    {path}")
    return maxima


def layer_of(
    top: TopPatches, layer: str, tasks: Iterable[Task], sources: Sources, maxima: np.ndarray,
    parameters: dict, channels: list[int],
) -> AtlasLayer:  # fmt: skip
    """Return a layer for the atlas, with what its tasks have left."""
    convolution = layer.replace("relu", "conv")
    kernel, _ = parameters.get(convolution, (None, None))
    sheets: dict[int, list] = {channel: [] for channel in channels}
    for task in tasks:
        sheets[task.channel] += sheets_of(task) or []
    r = firing_together(maxima)
    units = []
    for channel in channels:
        patches = [
            AtlasPatch(patch.value, sources.number(patch), patch.box)
            for patch in top.patches(layer, channel)
        ]
        found = [] if kernel is None else strongest_inputs(kernel, channel, INPUTS)
        inputs = [
            (each.channel, round(each.strength, 4), [round(float(w), 4) for w in each.kernel.flat])
            for each in found
        ]
        together = [(k, round(value, 3)) for k, value in partners(r, channel, PARTNERS)]
        units.append(AtlasUnit(channel, patches, sheets[channel], together, inputs))
    before = layer_before(layer, parameters)
    return AtlasLayer(layer, top.fields[layer], len(maxima[0]), units, before)


def layer_before(layer: str, names: Iterable[str]) -> str | None:
    """Return the ReLU whose map the convolution of a ReLU reads, through a pool or not.

    >>> layer_before("relu4_1", ["conv3_3", "conv4_1"]), layer_before("relu1_1", ["conv1_1"])
    ('relu3_3', None)
    """
    names, convolution = list(names), layer.replace("relu", "conv")
    at = names.index(convolution) if convolution in names else 0
    return names[at - 1].replace("conv", "relu") if at else None
