"""The largest activation of every channel in every picture of a scan (`units.maxima`), in a file.

A scan keeps the strongest patches and forgets the rest. What is usual for a channel, and which
channels fire together, takes its largest value in ordinary pictures, too: another forward pass
each, through any executor. Of many pictures, 1,000 evenly spaced ones are taken, so that the table
stays small. It is one HDF5 file:

=================== ================ ==========================================================
attributes          str              ``scan``: hash of the scan that it belongs to
``LAYER/maxima``    float32, (N, C)  m_nk
=================== ================ ==========================================================
"""

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path

import numpy as np

from scratchnet.files.decoding import MAX_PIXELS, Picture
from scratchnet.files.hdf5 import (
    new_hdf5,
    open_hdf5,
    read_attribute,
    read_dataset,
    write_attribute,
    write_dataset,
)
from scratchnet.files.images import resize_image
from scratchnet.network.network import Network
from scratchnet.units.maxima import picture_maxima
from scratchnet.units.scan.patches import TopPatches
from scratchnet.units.scan.settings import ScanSettings, read_picture, working_size
from scratchnet.units.scan.work import PICTURES_PER_TASK, completed
from scratchnet.units.scan.worker import Task, same_network

MOST = 1000  # pictures
KIND = ("maxima", "file of maxima", "delete it, and it is made again")


def maxima_of_picture(
    network: Network, picture: Picture, settings: ScanSettings
) -> dict[str, np.ndarray]:
    """Return each layer's maxima, (C,), in a picture, at whichever of the scan's scales."""
    of_scales = []
    for scale in settings.scales:
        image = resize_image(picture, working_size(picture.shape, settings.size, scale))
        maps = network.forward(image, settings.layers)[0]
        of_scales.append({layer: picture_maxima(maps[layer]) for layer in settings.layers})
    return {
        layer: np.max([maxima[layer] for maxima in of_scales], axis=0) for layer in settings.layers
    }


def maxima_of_pictures(task: Task) -> dict[int, dict[str, np.ndarray]]:
    """Return each layer's maxima, (C,), in a few pictures, by their number: what a worker does.

    Raises as `read_picture` does, and ValueError for other weights.
    """
    network = same_network(task.weights, task.network, task.threads)
    return {
        number: maxima_of_picture(network, read_picture(path, task.max_pixels), task.settings)
        for number, path in task.pictures
    }


def scan_maxima(
    top: TopPatches,
    folder: str | os.PathLike,
    executor: Executor,
    *,
    ahead: int = 8,
    weights: str | None = None,
    max_pixels: int = MAX_PIXELS,
    callback: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, np.ndarray]:
    """Return each layer's maxima, (N, C), in the pictures of a scan.

    Parameters
    ----------
    top : TopPatches
    folder : path
        Of the pictures.
    executor, ahead, weights, max_pixels
        As for `run.scan`.
    callback : function
        Called with the number of pictures done, and of all.
    """
    folder, numbers = Path(folder).absolute(), pictures_taken(top)
    few = [numbers[n : n + PICTURES_PER_TASK] for n in range(0, len(numbers), PICTURES_PER_TASK)]
    tasks = (
        Task([(n, str(folder / top.names[n])) for n in part], top.settings, {}, weights,
             top.network, 1, max_pixels)
        for part in few
    )  # fmt: skip
    found: dict[int, dict[str, np.ndarray]] = {}
    callback(0, len(numbers))
    for part in completed(executor, maxima_of_pictures, tasks, ahead):
        found |= part
        callback(len(found), len(numbers))
    return {
        layer: np.array([found[n][layer] for n in numbers], np.float32)
        for layer in top.settings.layers
    }


def pictures_taken(top: TopPatches) -> list[int]:
    """Return the numbers of the pictures of a scan whose maxima are taken."""
    readable = np.flatnonzero(top.sizes[:, 0] > 0)
    count = min(len(readable), MOST)
    return readable[np.linspace(0, len(readable) - 1, count).round().astype(int)].tolist()


def scan_hash(top: TopPatches) -> str:
    """Return a hash of the pictures, settings and weights of a scan."""
    of = hashlib.sha256(repr([top.settings, top.network]).encode())
    of.update(np.ascontiguousarray(top.hashes[pictures_taken(top)]).tobytes())
    return of.hexdigest()


def save_maxima(path: str | os.PathLike, top: TopPatches, maxima: dict[str, np.ndarray]) -> None:
    """Write the file described above."""
    with new_hdf5(path, KIND[0]) as file:
        write_attribute(file, "scan", scan_hash(top))
        for layer, m in maxima.items():
            write_dataset(file.create_group(layer), "maxima", m)


def load_maxima(path: str | os.PathLike, top: TopPatches) -> dict[str, np.ndarray] | None:
    """Read a file that `save_maxima` wrote; None if it is not there, or of another scan.

    Raises ValueError if it is damaged.
    """
    if not Path(path).exists():
        return None
    with open_hdf5(path, *KIND) as file:
        if read_attribute(file, "scan") != scan_hash(top):
            return None
        shapes = {layer: (None, len(top.of(layer).value)) for layer in top.settings.layers}
        return {
            layer: read_dataset(file, layer, "maxima", shape, ("float32",))
            for layer, shape in shapes.items()
        }
