"""An atlas as a folder: a page for each layer, and the pictures beside them as files.

It works from the disk and from any server of files ::

    index.html                     the layers; index.html#relu4_3:17 leads to a unit
    LAYER.html                     its channels
    LAYER/CHANNEL_….webp, .jpg     their pictures (`atlas_units`)
    pictures/HASH_SCALE.jpg        the whole pictures that patches are from

A file that is there already is kept: it has the same contents.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from scratchnet.files.saving import replacing
from scratchnet.pages.atlas import AtlasLayer, atlas_page, page_of
from scratchnet.pages.page import encode, fill_template, save_page
from scratchnet.units.scan.patches import Patch, TopPatches

INDEX, PICTURES = "index.html", "pictures"
QUALITY = 85  # of a whole picture


class Numbered(Protocol):
    """The pictures that patches come from, numbered as they are met."""

    top: TopPatches
    patches: list[Patch]

    def __getitem__(self, number: int) -> tuple[str, np.ndarray]:
        """Return a picture's name and pixels."""


def check_folder(folder: Path) -> None:
    """Raise ValueError unless a folder is an atlas already, or empty, or can be made."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder}: is a file, wanted a folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / INDEX).is_file():
        raise ValueError(f"{folder}: holds something else than an atlas; choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / INDEX).exists():
        # From now on the folder is an atlas's, and can be gone on with.
        save_page(folder / INDEX, "")


def save_folder(
    folder: Path,
    names: Sequence[str],
    layers: Callable[[Numbered], Iterator[AtlasLayer]],
    sources: Numbered,
    title: str,
) -> Path:
    """Write all pages and the pictures that they open; return where the first page is.

    Parameters
    ----------
    folder : Path
    names : sequence of str
        The layers, in the order of the pages.
    layers : function
        Yields them, one by one, so that not all are in memory at once.
    sources : Numbered
    title : str
    """
    top = sources.top
    known = [AtlasLayer(name, top.fields[name], len(top.of(name).value), []) for name in names]
    (folder / PICTURES).mkdir(exist_ok=True)
    pictures: list[dict] = []
    for layer in layers(sources):
        pictures += [
            _saved_picture(folder, sources, n) for n in range(len(pictures), len(sources.patches))
        ]
        save_page(folder / page_of(layer), atlas_page(layer, known, pictures, title=title))
    record = {
        "layers": [
            {"name": layer.name, "size": layer.field.size, "channels": layer.channels,
             "page": page_of(layer)}
            for layer in known
        ]
    }  # fmt: skip
    save_page(folder / INDEX, fill_template("atlas_index.html", title, record))
    return folder / INDEX


def _saved_picture(folder: Path, sources: Numbered, number: int) -> dict:
    """Write a whole picture, unless it is there, and return what a page says of it."""
    patch, top = sources.patches[number], sources.top
    sha256 = top.hashes[patch.picture].tobytes().hex()
    path = f"{PICTURES}/{sha256[:16]}_{patch.scale:g}.jpg"
    height, width = np.round(top.sizes[patch.picture] * patch.scale)
    if not (folder / path).is_file():
        _, image = sources[number]
        with replacing(folder / path) as partial:
            partial.write_bytes(encode(image, QUALITY, 2))
    name = os.fsencode(top.names[patch.picture]).decode(errors="replace")
    return {"name": name, "height": int(height), "width": int(width), "image": path}
