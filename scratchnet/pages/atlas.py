"""The atlas of a network's units: one page to leaf through, in one file that needs no network.

A layer has a card for each of some of its channels k. A card holds the image patches with the
largest a_ijk (`units.strongest`) and beside each its deconvnet view: what in the patch made that
unit fire. The page (``atlas.html`` beside this module) builds the cards from a record, JSON in
the page itself, in which every image stands once ::

    pictures   those that some patch comes from, each a JPEG; a patch is only a window on one:
               its box, and the mean colour where the box leaves the picture
    views      one image a card, n×n cells like the card; a cell's sides are multiples of 8

JPEG codes blocks of 8×8 pixels, so no view bleeds into its neighbour. The file has a limit: until
the page fits, the pictures are stored at lower and lower quality, and at last in fewer pixels than
they are shown with.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from scratchnet.files.images import resize_image
from scratchnet.network.preprocessing import MEAN_BGR
from scratchnet.pages.page import data_uri, encode, fill_template
from scratchnet.units.receptive_field import ReceptiveField

# Of the pictures: JPEG quality, and how many times smaller; the first that fits.
QUALITIES = ((92, 1), (80, 1), (65, 1), (50, 1), (50, 2), (50, 4))
VIEW_QUALITY = 88
VIEW_SIDE = 96  # pixels; a card shows 48, twice that on a dense screen
BLOCK = 8  # pixels: side of JPEG's blocks
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
    view : ndarray, (size, size, 3)
        RGB in 0–255: the deconvnet view of the same box, in the box's size or already smaller;
        one size for all patches of a channel.
    """

    value: float
    picture: int
    box: tuple[int, int, int, int]
    view: np.ndarray


class AtlasUnit(NamedTuple):
    """A card: a channel and its up to nine strongest patches; none if it never fires."""

    channel: int
    patches: list[AtlasPatch]


class AtlasLayer(NamedTuple):
    """A layer, what its units see, how many channels it has, and the cards to show."""

    name: str
    field: ReceptiveField
    channels: int
    units: list[AtlasUnit]


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
        In the order of the page's tabs.
    pictures : sequence of (name, image)
        An image is an ndarray, (H, W, 3), RGB in 0–255. Those that no patch comes from are left
        out.
    title : str
    limit : int, default 10 million
        Bytes that the file may have.

    Raises
    ------
    ValueError
        If there is no layer; if a channel has more than nine patches, or views of several shapes;
        if the page is over the limit even with its pictures at the lowest quality.
    """
    if not layers:
        raise ValueError("an atlas needs at least one layer")
    used = sorted({p.picture for layer in layers for unit in layer.units for p in unit.patches})
    place = {picture: n for n, picture in enumerate(used)}
    records = [_layer_record(layer, place) for layer in layers]
    mean = "rgb({2:.0f} {1:.0f} {0:.0f})".format(*MEAN_BGR)
    for quality, smaller in QUALITIES:
        shown = [_picture_record(*pictures[picture], quality, smaller) for picture in used]
        page = fill_template("atlas.html", title, {"pictures": shown, "layers": records}, mean=mean)
        size = len(page.encode())
        if size <= limit:
            return page
    raise ValueError(
        f"the atlas has {size:,} bytes with its pictures as small as they get, over the limit of "
        f"{limit:,}; take fewer units or layers"
    )


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


def _layer_record(layer: AtlasLayer, place: dict[int, int]) -> dict:
    """Return a layer for the page; ``place`` renumbers the pictures."""
    return {
        "name": layer.name,
        "size": layer.field.size,
        "jump": layer.field.jump,
        "channels": layer.channels,
        "units": [_unit_record(layer.name, unit, place) for unit in layer.units],
    }


def _unit_record(layer: str, unit: AtlasUnit, place: dict[int, int]) -> dict:
    """Return a card for the page."""
    _check_unit(layer, unit)
    patches = [
        {
            "value": float(f"{patch.value:.5g}"),
            "picture": place[patch.picture],
            "box": [int(side) for side in patch.box],
        }
        for patch in unit.patches
    ]
    record = {"channel": int(unit.channel), "patches": patches}
    if patches:
        record["views"] = _views_record([patch.view for patch in unit.patches])
    return record


def _check_unit(layer: str, unit: AtlasUnit) -> None:
    """Raise ValueError if a card can't show the channel's patches."""
    shapes = {patch.view.shape for patch in unit.patches}
    square = all(shape == (shape[0], shape[0], 3) for shape in shapes)
    if len(unit.patches) > GRID**2 or len(shapes) > 1 or not square:
        raise ValueError(
            f"{layer}, channel {unit.channel}: got {len(unit.patches)} patches with views of "
            f"shape {', '.join(map(str, sorted(shapes)))}; wanted at most {GRID**2}, and one "
            "shape (size, size, 3)"
        )


def _views_record(views: list[np.ndarray]) -> dict:
    """Join the views of a card in one image; ``cell`` is their distance in it."""
    side = min(VIEW_SIDE, len(views[0]))
    cell = -(-side // BLOCK) * BLOCK
    sheet = np.zeros((GRID * cell, GRID * cell, 3), np.float32)
    for n, view in enumerate(views):
        top, left = n // GRID * cell, n % GRID * cell
        # Up to the block's end, its last pixels are repeated: that costs JPEG least, and shows no
        # seam where the page scales the view.
        margin = (0, cell - side)
        small = resize_image(view, (side, side))
        sheet[top : top + cell, left : left + cell] = np.pad(
            small, (margin, margin, (0, 0)), mode="edge"
        )
    # Where single pixels can be seen, so can JPEG's errors.
    quality = VIEW_QUALITY if side > 2 * BLOCK else None
    return {
        "side": side,
        "cell": cell,
        "sheet": GRID * cell,
        "image": data_uri(encode(sheet, quality)),
    }
