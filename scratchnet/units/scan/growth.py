"""Scans that grow: more pictures or more layers, without looking at the rest again.

More pictures: the old ones keep what was found in them, and only their numbers change, for pictures
are numbered by name. As that order is also the one in which equal values win, what a grown scan
finds is what a scan of all pictures finds, byte for byte. (But for a new copy of an old picture
with an earlier name: the one that was looked at stays the original.)

More layers: they are scanned by themselves, and the two are joined.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from scratchnet.files.names import printable
from scratchnet.units.scan.patches import NOT_YET, TopPatches
from scratchnet.units.strongest import NONE


def with_pictures(top: TopPatches, names: Sequence[str]) -> TopPatches:
    """Return a scan that has further pictures to look at.

    Parameters
    ----------
    top : TopPatches
    names : sequence of str
        All pictures, sorted; those of ``top`` are among them.

    Returns
    -------
    grown : TopPatches
        With new arrays; ``top`` stays as it is.
    """
    number = {name: n for n, name in enumerate(names)}
    moved = np.array([number[name] for name in top.names], np.int32)
    hashes = np.zeros((len(names), 32), np.uint8)
    sizes = np.full((len(names), 2), NOT_YET, np.int32)
    hashes[moved], sizes[moved] = top.hashes, top.sizes
    strongest = {
        layer: replace(
            found, picture=np.where(found.picture == NONE, np.int32(NONE), moved[found.picture])
        )
        for layer, found in top.strongest.items()
    }
    return replace(top, names=list(names), hashes=hashes, sizes=sizes, strongest=strongest)


def joined(top: TopPatches, other: TopPatches) -> TopPatches:
    """Return two scans of the same pictures as one, of the layers of both.

    Raises
    ------
    ValueError
        If a picture has changed between the two.
    """
    differ = (top.hashes != other.hashes).any(axis=1) | (top.sizes != other.sizes).any(axis=1)
    if differ.any():
        name = printable(top.names[np.flatnonzero(differ)[0]])
        raise ValueError(f"{name} has changed since other layers were scanned; scan all again")
    layers = tuple(sorted(top.strongest | other.strongest))
    return replace(
        top,
        settings=replace(top.settings, layers=layers),
        fields={layer: (top.fields | other.fields)[layer] for layer in layers},
        strongest={layer: (top.strongest | other.strongest)[layer] for layer in layers},
    )
