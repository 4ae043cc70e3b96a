"""The atlas of a network's units: pages to leaf through, without a network.

A layer has a card for each of some of its channels k. A card holds the image patches with the
largest a_ijk (`units.strongest`) and what in them makes the unit fire (`atlas_units` draws it).
A click on a card's name opens all there is about the unit, one on a patch the picture that it is
from. The page (``atlas.html`` beside this module) builds this from a record, JSON in the page
itself ::

    pictures   those that some patch comes from, for the dialog: each with the name of its file
    layers     of each unit its channel, its patches (value, picture, box) and its `sheets`

There are two forms. `atlas_html` is one file, with everything in it, and has a limit in bytes:
until the page fits, the pictures are stored at lower quality, and at last in fewer pixels than they
are shown with, which the page then says. Patches are not cut from them, and never shrink.
`atlas_page` is a layer's page in a folder, with the pictures beside it as files.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from scratchnet.files.images import resize_image
from scratchnet.network.preprocessing import MEAN_BGR
from scratchnet.pages.page import data_uri, encode, fill_template
from scratchnet.pages.sheets import EXACT, Sheet
from scratchnet.units.receptive_field import ReceptiveField

# Of the pictures in one file: JPEG quality, and how many times smaller; the first that fits.
QUALITIES = ((80, 1), (60, 1), (70, 2), (50, 2), (50, 3), (50, 4))
GRID = 3  # a card has GRID × GRID patches


class AtlasPatch(NamedTuple):
    """One place where a unit fires strongly.

    Attributes
    ----------
    value : float
        a_ijk.
    picture : int
        Which of the pictures.
    box : (top, left, bottom, right)
        The receptive field in that picture; half-open, may leave the picture.
    """

    value: float
    picture: int
    box: tuple[int, int, int, int]


class AtlasUnit(NamedTuple):
    """A card: a channel, its up to nine strongest patches, and their pictures.

    Attributes
    ----------
    channel : int
    patches : list of AtlasPatch
        Empty if it never fires.
    sheets : list of Sheet
        With the cells ``patches``, one for each of them, and any of ``lit``, ``guided``,
        ``covered`` and ``made``.
    partners : list of (channel, r)
        Channels of its layer that fire with it.
    inputs : list of (channel, strength, kernel)
        Channels of the layer below that it reads most, and with which 9 numbers.
    """

    channel: int
    patches: list[AtlasPatch]
    sheets: list[Sheet]
    partners: Sequence[tuple[int, float]] = ()
    inputs: Sequence[tuple[int, float, Sequence[float]]] = ()


class AtlasLayer(NamedTuple):
    """A layer, what its units see, how many channels it has, and the cards to show.

    ``below`` is the ReLU whose map its kernels read; None for the first layer. The page links to
    its units where they are shown.
    """

    name: str
    field: ReceptiveField
    channels: int
    units: list[AtlasUnit]
    below: str | None = None


def atlas_html(
    layers: Sequence[AtlasLayer],
    pictures: Sequence[tuple[str, np.ndarray]],
    *,
    title: str = "An atlas of units",
    limit: int = 10_000_000,
) -> str:
    """Return the atlas as one HTML page.

    Parameters
    ----------
    layers : sequence of AtlasLayer
        In the order of the page's tabs; the addresses of their sheets are data URIs.
    pictures : sequence of (name, image)
        An image is an ndarray, (H, W, 3), RGB in 0–255. They are taken one by one, and those that
        no patch comes from never.
    title : str
    limit : int, default 10 million
        Bytes that the file may have.

    Raises
    ------
    ValueError
        If there is no layer; if a channel has more than nine patches, or not a cell for each; if
        the page is over the limit even with its pictures as small as they get.
    """
    if not layers:
        raise ValueError("an atlas needs at least one layer")
    used = used_pictures(layers)
    place = {picture: n for n, picture in enumerate(used)}
    records = [layer_record(layer, place) for layer in layers]
    bare = len(_page(title, [], records, 1).encode())
    for quality, smaller in QUALITIES:
        shown, size = [], bare
        for picture in used:
            record = _picture_record(*pictures[picture], quality, smaller)
            shown.append(record)
            size += len(record["image"])
            if size > limit:
                break
        else:
            page = _page(title, shown, records, smaller)
            size = len(page.encode())
            if size <= limit:
                return page
    raise ValueError(
        f"the atlas has {size:,} bytes or more with its pictures as small as they get, over the "
        f"limit of {limit:,}; take fewer units or layers, or make a folder (--all)"
    )


def atlas_page(
    layer: AtlasLayer,
    others: Sequence[AtlasLayer],
    pictures: Sequence[dict],
    *,
    title: str = "An atlas of units",
) -> str:
    """Return a layer's page of an atlas in a folder.

    Parameters
    ----------
    layer : AtlasLayer
        The addresses of its sheets are paths within the folder.
    others : sequence of AtlasLayer
        All layers, in the order of the pages; their units do not matter.
    pictures : sequence of dict
        Of each its ``name``, ``height``, ``width`` and, as ``image``, its path within the folder.
    title : str

    Raises
    ------
    ValueError
        If a channel has more than nine patches, or not a cell for each.
    """
    used = used_pictures([layer])
    place = {picture: n for n, picture in enumerate(used)}
    records = [
        layer_record(other if other.name != layer.name else layer, place) | {"page": page_of(other)}
        for other in others
    ]
    for record in records:
        if record["name"] != layer.name:
            del record["units"]
    return _page(title, [pictures[n] for n in used], records, 1, "data: file: 'self'")


def page_of(layer: AtlasLayer) -> str:
    """Return the name of a layer's page in a folder."""
    return f"{layer.name}.html"


def used_pictures(layers: Sequence[AtlasLayer]) -> list[int]:
    """Return the numbers of the pictures that some patch comes from."""
    return sorted({p.picture for layer in layers for unit in layer.units for p in unit.patches})


def _page(title: str, pictures: list, layers: list, smaller: int, sources: str = "data:") -> str:
    """Fill the template; ``sources`` says where the page may take pictures from."""
    record = {"pictures": pictures, "layers": layers, "smaller": smaller, "exact": EXACT}
    mean = "rgb({2:.0f} {1:.0f} {0:.0f})".format(*MEAN_BGR)
    return fill_template("atlas.html", title, record, mean=mean, sources=sources)


def _picture_record(name: str, image: np.ndarray, quality: int, smaller: int) -> dict:
    """Return a picture for the page, which shows it in the size given, whatever is stored."""
    height, width = image.shape[:2]
    stored = resize_image(image, (max(1, height // smaller), max(1, width // smaller)))
    return {
        "name": name,
        "height": height,
        "width": width,
        "image": data_uri(encode(stored, quality)),
    }


def layer_record(layer: AtlasLayer, place: dict[int, int]) -> dict:
    """Return a layer for the page; ``place`` renumbers the pictures."""
    return {
        "name": layer.name,
        "size": layer.field.size,
        "jump": layer.field.jump,
        "channels": layer.channels,
        "below": layer.below,
        "units": [_unit_record(layer.name, unit, place) for unit in layer.units],
    }


def _unit_record(layer: str, unit: AtlasUnit, place: dict[int, int]) -> dict:
    """Return a card for the page."""
    cells = sum(len(sheet.cells.get("patches", [])) for sheet in unit.sheets)
    if len(unit.patches) > GRID**2 or cells != len(unit.patches):
        raise ValueError(
            f"{layer}, channel {unit.channel}: got {len(unit.patches)} patches and {cells} "
            f"pictures of them; wanted at most {GRID**2}, and as many"
        )
    return {
        "channel": int(unit.channel),
        "patches": [
            {
                "value": float(f"{patch.value:.5g}"),
                "picture": place[patch.picture],
                "box": [int(side) for side in patch.box],
            }
            for patch in unit.patches
        ],
        "sheets": [sheet._asdict() for sheet in unit.sheets],
        "partners": unit.partners,
        "inputs": unit.inputs,
    }
