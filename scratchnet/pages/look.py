"""What the network sees in one picture: a page, in one file that needs no network.

For each layer the channels that the picture excites most, compared to what is usual for each
(`units.maxima`). Beside each other: the photograph lit where the channel fires; the patch that
excites it most, and in it what does (`units.display`); and the channel's strongest patches in the
pictures of a scan. The script of ``look.html`` builds the page from a record (`page`).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from scratchnet.network.network import Network
from scratchnet.pages.page import data_uri, encode, fill_template
from scratchnet.pages.sheets import EXACT, QUALITY, encoded, join
from scratchnet.units.deconvnet import explain_patch
from scratchnet.units.display import DIMMED, lit, spotlight
from scratchnet.units.receptive_field import ReceptiveField, receptive_field
from scratchnet.units.strongest import crop

SIDE = 160  # px: of a patch, at most
PICTURE = 85  # JPEG quality of the photograph


class Seen(NamedTuple):
    """What a channel sees in a picture.

    Attributes
    ----------
    layer : str
    channel : int
    value, excess : float
        Its largest activation here, and how far that exceeds what is usual for it, in deviations.
    position : (row, column)
        Where, in the layer's map.
    field : ReceptiveField
    where : ndarray, (H, W, 3)
        The picture, lit where the channel fires.
    patch, lit : ndarray, (size, size, 3)
        What the unit there sees, and where in it the signal is.
    others : list of ndarray, (size, size, 3)
        The channel's strongest patches elsewhere.
    """

    layer: str
    channel: int
    value: float
    excess: float
    position: tuple[int, int]
    field: ReceptiveField
    where: np.ndarray
    patch: np.ndarray
    lit: np.ndarray
    others: list[np.ndarray]


def seen(
    network: Network, image: np.ndarray, a: np.ndarray, layer: str, channel: int, excess: float,
    others: list[np.ndarray],
) -> Seen:  # fmt: skip
    """Return what a channel sees in a picture.

    Parameters
    ----------
    network : Network
    image : ndarray, (H, W, 3)
    a : ndarray, (H_l, W_l, C)
        The layer's map of it.
    layer, channel, excess, others
        As in `Seen`.
    """
    fires, field = a[:, :, channel], receptive_field(network, layer)
    position = tuple(int(n) for n in np.unravel_index(fires.argmax(), fires.shape))
    patch = crop(image, field.box(*position))
    signal = explain_patch(network, image, layer, position, channel, "guided")
    where = spotlight(image, fires, float(fires.max()), DIMMED)
    return Seen(
        layer, channel, float(fires.max()), excess, position, field, where, patch,
        lit(patch, signal), others,
    )  # fmt: skip


def look_html(name: str, image: np.ndarray, found: Sequence[Seen], title: str) -> str:
    """Return the page.

    Parameters
    ----------
    name : str
        Of the picture.
    image : ndarray, (H, W, 3)
        RGB in 0–255, as the network saw it.
    found : sequence of Seen
        Layer by layer.
    title : str
    """
    height, width = image.shape[:2]
    record = {
        "name": name,
        "height": height,
        "width": width,
        "image": data_uri(encode(image, PICTURE)),
        "units": [_record(each) for each in found],
    }
    return fill_template("look.html", title, record)


def _record(each: Seen) -> dict:
    """Return a channel for the page."""
    quality = None if each.field.size <= EXACT else QUALITY
    return {
        "layer": each.layer,
        "size": each.field.size,
        "channel": each.channel,
        "value": float(f"{each.value:.5g}"),
        "excess": round(each.excess, 1),
        "box": [int(side) for side in each.field.box(*each.position)],
        "where": data_uri(encode(each.where, QUALITY, 2)),
        "here": _sheet([each.patch, each.lit], quality),
        "others": _sheet(each.others, quality),
    }


def _sheet(pictures: list[np.ndarray], quality: int | None) -> dict | None:
    """Return pictures in one image, and where they stand; None of none."""
    if not pictures:
        return None
    pixels, cells = join({"all": pictures}, SIDE, quality)
    image, _ = encoded(pixels, quality)
    return {
        "image": data_uri(image), "height": pixels.shape[0], "width": pixels.shape[1],
        "cells": cells["all"],
    }  # fmt: skip
