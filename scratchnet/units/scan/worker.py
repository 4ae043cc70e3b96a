"""What a worker of a scan does: look at a few pictures, and keep the few strongest positions.

A worker is any process, on this machine or another. It gets a `Task`, loads the network once for
all of them, and returns what it `Found`: small, whatever the size of the pictures.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from scratchnet.files.images import MAX_PIXELS, resize_image
from scratchnet.files.weights import digest, load_weights
from scratchnet.network.network import Network
from scratchnet.units.receptive_field import ReceptiveField, receptive_field
from scratchnet.units.scan.settings import ScanSettings, file_hash, read_picture, working_size
from scratchnet.units.strongest import Strongest, strongest_positions
from scratchnet.vgg import VGG


class Task(NamedTuple):
    """A few pictures (number, path) for a worker, and how to look at them.

    ``at_least`` is for each layer and channel the K-th strongest value so far, (C,): what is below
    it can't win. A picture of more than ``max_pixels`` is skipped.
    """

    pictures: list[tuple[int, str]]
    settings: ScanSettings
    at_least: dict[str, np.ndarray]
    weights: str | None
    network: str
    threads: int
    max_pixels: int = MAX_PIXELS


@dataclass
class Found:
    """What a worker found, and, by the pictures' numbers, their sizes and hashes.

    ``skipped`` says why it could not read some; ``missing`` are those of which it finds no file.
    """

    strongest: dict[str, Strongest]
    sizes: dict[int, tuple[int, int]] = field(default_factory=dict)
    hashes: dict[int, bytes] = field(default_factory=dict)
    skipped: dict[int, str] = field(default_factory=dict)
    missing: list[int] = field(default_factory=list)


@lru_cache(maxsize=1)
def load_network(weights: str | None, threads: int) -> tuple[Network, str]:
    """Return the network and its hash: a worker loads it once for all its tasks.

    Its pools drop an odd last row or column, as VGG's own do: what is shown is what VGG sees.
    """
    architecture, parameters, mean = load_weights(weights)
    network = VGG.build(parameters, architecture=architecture, mean=mean, threads=threads)
    return network, digest(parameters, mean)


def same_network(weights: str | None, sha256: str, threads: int = 1) -> Network:
    """Return the network of a file of weights, if it is the one with that hash.

    Raises
    ------
    ValueError
        If it is another one: the worker's file is not that with which the work began.
    """
    network, found = load_network(weights, threads)
    if found != sha256:
        raise ValueError(f"{weights}: a worker has other weights there than the scan")
    return network


def scan_pictures(task: Task) -> Found:
    """Find the strongest positions in a few pictures: what a worker does.

    Raises
    ------
    ValueError
        If the worker's weight file is another than the one that the scan began with.
    """
    network = same_network(task.weights, task.network, task.threads)
    settings = task.settings
    found = Found(nothing_found(network, settings))
    fields = fields_of(network, settings)
    for number, path in task.pictures:
        try:
            picture = read_picture(path, task.max_pixels)
            found.hashes[number] = file_hash(path)
        except (OSError, ValueError) as error:
            found.skipped[number] = str(error)
            found.missing += [number] if isinstance(error, FileNotFoundError) else []
            continue
        found.sizes[number] = working_size(picture.shape, settings.size)
        maps = [
            network.forward(resize_image(picture, shape), settings.layers)[0]
            for scale in settings.scales
            for shape in [working_size(picture.shape, settings.size, scale)]
        ]
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


def fields_of(network: Network, settings: ScanSettings) -> dict[str, ReceptiveField]:
    """Return the layers' receptive fields."""
    return {layer: receptive_field(network, layer) for layer in settings.layers}


def nothing_found(network: Network, settings: ScanSettings) -> dict[str, Strongest]:
    """Return for each layer what has been found before the first picture."""
    shapes = network.output_shapes(settings.size, settings.size)
    return {layer: Strongest.empty(shapes[layer][2], settings.k) for layer in settings.layers}
