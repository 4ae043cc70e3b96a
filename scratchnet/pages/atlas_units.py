"""What a worker does for the atlas: the pictures of one unit, as files that are kept.

A `Task` is one unit and one of three kinds of pictures, and any executor may carry it out, on any
machine that finds the same folders. In the atlas's folder it leaves ::

    LAYER/CHANNEL_KIND.json        what is shown, and the task's key: written last
    LAYER/CHANNEL_….webp, .jpg     its sheets

- ``seen``: the strongest patches, and for some of them the photograph lit by the guided signal and
  the signal itself (`units.display`). Of units that see little, all nine are explained, at their
  own size; of others the strongest three, larger.
- ``covered``: a patch where covering it changes the unit (`units.occlusion`).
- ``made``: the picture that gradient ascent makes for it (`units.maximise`).

The key is a hash of all that the pictures depend on: a task whose key is there already is done, so
an atlas that was stopped goes on, and one of a scan that has grown redraws what has changed.
"""

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from scratchnet.files.images import MAX_PIXELS
from scratchnet.files.saving import replacing
from scratchnet.network.network import Network
from scratchnet.pages.sheets import EXACT, PIXELS, QUALITY, Sheet, encoded, join
from scratchnet.units.deconvnet import explain_patch
from scratchnet.units.display import lit, lit_cells, signal_view
from scratchnet.units.goals import unit_goal
from scratchnet.units.maximise import BORDER, maximise, suited
from scratchnet.units.occlusion import occlusion_map
from scratchnet.units.receptive_field import receptive_field
from scratchnet.units.scan.settings import scanned_picture
from scratchnet.units.scan.worker import same_network
from scratchnet.units.strongest import crop
from scratchnet.units.unit_part import middle_part

FORMAT = 1  # of the files: part of the key
FEW, LARGE = 3, 160  # patches of units that see much are explained, and at how many pixels
ACROSS = 8  # cells of an occlusion map along a side: coarse, in a quarter of the time
RULE = "guided"
# Multiplications in the time that it takes to read a picture, to convolve however small a map, and
# for a pixel of a step of `maximise`, beside the passes.
PICTURE, LAYER, STEP = 1e8, 2e7, 4e4


class Source(NamedTuple):
    """A patch, and where its picture is: name and SHA-256 within the folder of pictures."""

    name: str
    hash: bytes
    scale: float
    position: tuple[int, int]
    box: tuple[int, int, int, int]
    whole: bool


class Task(NamedTuple):
    """A unit to draw.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    layer : str
    channel : int
    sources : tuple of Source
        Its patches, the strongest first.
    pictures, size, max_pixels
        The folder of pictures; short side of one at scale 1, and how large a file may be.
    weights, network
        A weight file (None: the embedded one), and the SHA-256 of what must be in it.
    folder : str
        The atlas's own.
    side : int
        At how many pixels a patch is stored at most.
    steps : int
        Of the gradient ascent.
    """

    kind: str
    layer: str
    channel: int
    sources: tuple[Source, ...]
    pictures: str
    size: int
    weights: str | None
    network: str
    folder: str
    side: int
    steps: int = 64
    max_pixels: int = MAX_PIXELS

    def key(self) -> str:
        """Return a hash of all that the pictures depend on."""
        made = self.kind == "made"
        patches = [(s.hash.hex(), s.scale, s.position) for s in self.sources]
        depends = [self.steps] if made else [patches, self.size, self.side]
        text = repr([FORMAT, self.kind, self.layer, self.channel, self.network, depends])
        return hashlib.sha256(text.encode()).hexdigest()

    def record_file(self) -> Path:
        """Return where its record is."""
        return Path(self.folder, self.layer, f"{self.channel}_{self.kind}.json")


def sheets_of(task: Task) -> list[Sheet] | None:
    """Return what a task has left in the atlas's folder; None if it is still to be done."""
    try:
        record = json.loads(task.record_file().read_text(encoding="utf-8"))
        sheets = [Sheet(**sheet) for sheet in record["sheets"]]
        there = all(Path(task.folder, sheet.image).is_file() for sheet in sheets)
        return sheets if there and record["key"] == task.key() else None
    except (OSError, ValueError, LookupError, TypeError):
        return None


def draw(task: Task) -> tuple[str, int]:
    """Draw a unit, leave the files, and return its layer and channel.

    Raises
    ------
    FileNotFoundError, ValueError
        If a picture is gone or another one, or the worker has other weights.
    """
    network = same_network(task.weights, task.network)
    task.record_file().parent.mkdir(parents=True, exist_ok=True)
    sheets = [_save(task, name, *given) for name, given in KINDS[task.kind](network, task).items()]
    record = {"key": task.key(), "sheets": [sheet._asdict() for sheet in sheets]}
    with replacing(task.record_file()) as partial:
        partial.write_text(json.dumps(record), encoding="utf-8")
    return task.layer, task.channel


def _save(task: Task, name: str, pictures: dict, side: int, quality: int | None) -> Sheet:
    """Write a sheet's file."""
    pixels, cells = join(pictures, side, quality)
    image, ending = encoded(pixels, quality)
    path = f"{task.layer}/{task.channel}_{name}{ending}"
    with replacing(Path(task.folder, path)) as partial:
        partial.write_bytes(image)
    return Sheet(path, *pixels.shape[:2], cells)


def _seen(network: Network, task: Task) -> dict[str, tuple[dict, int, int | None]]:
    """Return pictures of patches, and of what in them excites the unit; sides and qualities."""
    size = receptive_field(network, task.layer).size
    images = [_picture(task, source) for source in task.sources]
    patches = [crop(im, s.box) for im, s in zip(images, task.sources, strict=True)]
    views: dict[str, list] = {"lit": [], "guided": []}
    few = FEW if size > EXACT else len(patches)
    for image, source, patch in list(zip(images, task.sources, patches, strict=True))[:few]:
        signal = explain_patch(network, image, task.layer, source.position, task.channel, RULE)
        views["lit"].append(lit(patch, signal))
        views["guided"].append(signal_view(signal))
    sides = min(size, task.side), min(size, LARGE)
    return {
        "patches": ({"patches": patches}, sides[0], None if size <= EXACT else QUALITY),
        # where single pixels can be seen, so can JPEG's errors
        "views": (views, sides[1], None if size <= PIXELS else QUALITY),
    }


def _covered(network: Network, task: Task) -> dict[str, tuple[dict, int, int]]:
    """Return a patch where covering it changes the unit; one that is whole, if there is one."""
    source = next((source for source in task.sources if source.whole), task.sources[0])
    image = _picture(task, source)
    patch = crop(image, source.box)
    step = -(-len(patch) // ACROSS)
    response = occlusion_map(
        network, image, task.layer, source.position, task.channel,
        square=min(2 * step, len(patch)), step=step,
    ).response  # fmt: skip
    shown = lit_cells(patch, response, step)
    return {"covered": ({"covered": [shown]}, min(len(patch), LARGE), QUALITY)}


def _made(network: Network, task: Task) -> dict[str, tuple[dict, int, int]]:
    """Return the picture made for the unit, its side and quality."""
    layer = task.layer.replace("relu", "conv")
    size, goal = suited(network, layer)
    image = maximise(network, layer, task.channel, size=size, goal=goal, steps=task.steps)
    return {"made": ({"made": [image]}, size, QUALITY)}


@lru_cache(maxsize=32)
def _read(folder: str, name: str, sha256: bytes, size: int, scale: float, most: int) -> np.ndarray:
    return scanned_picture(folder, name, sha256, size, scale, most)


def _picture(task: Task, source: Source) -> np.ndarray:
    """Return the picture that a patch is from; the last few are kept."""
    return _read(task.pictures, source.name, source.hash, task.size, source.scale, task.max_pixels)


KINDS = {"seen": _seen, "covered": _covered, "made": _made}


def work_of(network: Network, task: Task) -> float:
    """Return about how many multiplications a task takes, to predict its time."""
    size = receptive_field(network, task.layer).size
    part = middle_part(network, task.layer, 2 * size)
    one_pass = pass_work(part, task.layer, 2 * size)
    one_pass += LAYER * sum(layer.name.startswith("conv") for layer in part.layers)
    if task.kind == "seen":
        few = FEW if size > EXACT else len(task.sources)
        return 3 * few * one_pass + PICTURE * len(task.sources)  # the way back is two passes
    if task.kind == "covered":
        return (ACROSS**2 + 1) * one_pass + PICTURE
    side, goal = suited(network, task.layer.replace("relu", "conv"))
    looked_at = middle_part(network, task.layer, side) if goal is unit_goal else network
    step = 3 * pass_work(looked_at, task.layer, side) + STEP * (side + 2 * BORDER) ** 2
    return task.steps * step


def pass_work(network: Network, layer: str, side: int) -> float:
    """Return how many multiplications the convolutions take of a forward pass up to a layer."""
    shapes = network.output_shapes(side, side)
    work, below = 0.0, 3
    for passed in network.layers[: network.depth([layer])]:
        H, W, C = shapes[passed.name]
        if passed.name.startswith("conv"):
            work += 9.0 * H * W * C * below
        below = C
    return work
