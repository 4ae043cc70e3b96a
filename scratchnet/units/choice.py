"""Which units to show: strong ones, whose patches are whole, and each of something else.

By strength alone one gets relatives: of nine units of a deep layer, five show dogs. And some units
are strong at a picture's border only, where the network sees zeros that no picture has within. So
the channels are looked at from the strongest on, by the mean of their K patches' values, and a
channel is left out if two of its patches or more lie too far outside their pictures, or if one
overlaps a patch of a channel that was taken before, in the same picture ::

    outside = 1 − |field ∩ picture| / (min(size, H) · min(size, W)),     too far: above ¼
    overlap = max(|Δi|, |Δj|) · scale ≤ ½ size

(H × W is the picture; where it is smaller than the field, not all of the field could be inside. Δ
is between the middles of two patches, in px of scale 1; scale is that of the larger field, which is
the smaller of two scales.)

The second rule needs no network and no activations: that two channels fire at the same places says
that they look for the same things. Where too few channels pass, the strongest of the others follow.
"""

from collections.abc import Sequence

import numpy as np

from scratchnet.units.scan.patches import Patch, TopPatches
from scratchnet.units.strongest import NONE

AT_BORDER = 1  # of a channel's patches may lie more than OUTSIDE of their area outside
OUTSIDE = 0.25
CHOICES = ("varied", "strength")


def chosen_channels(top: TopPatches, layer: str, count: int, choose: str = "varied") -> list[int]:
    """Return channels to show of a layer, by one of the two `CHOICES`; ValueError for another."""
    if choose not in CHOICES:
        raise ValueError(f"got {choose!r} to choose by, wanted one of {', '.join(CHOICES)}")
    choice = varied_channels if choose == "varied" else strongest_channels
    return choice(top, layer, count)


def strongest_channels(top: TopPatches, layer: str, count: int) -> list[int]:
    """Return the channels whose patches are the strongest, by the mean of their values.

    Those that never fire are left out. Raises ValueError for a layer that was not scanned.
    """
    strength = top.of(layer).value.mean(axis=1)
    order = np.argsort(-strength, kind="stable")[:count]
    return [int(channel) for channel in order if strength[channel] > 0]


def varied_channels(top: TopPatches, layer: str, count: int) -> list[int]:
    """Return channels to show of a layer, as many as ``count`` of those that fire.

    Parameters
    ----------
    top : TopPatches
    layer : str
    count : int

    Returns
    -------
    channels : list of int
        Those that the rules take, from the strongest on, and then the strongest of the others.

    Raises
    ------
    ValueError
        For a layer that was not scanned.
    """
    by_strength = strongest_channels(top, layer, len(top.of(layer).value))
    found, field = top.of(layer), top.fields[layer]
    whole = within(top, layer)
    # Of a patch: its picture, and its middle in pixels of scale 1.
    middle = field.middle(found.position) / np.where(found.scale > 0, found.scale, 1)[..., None]
    taken: list[int] = []
    for channel in filter(lambda channel: whole[channel], by_strength):
        if len(taken) == count:
            break
        same_picture = found.picture[channel][:, None, None] == found.picture[taken]  # (K, n, K)
        same_picture &= found.picture[taken] != NONE
        distance = np.abs(middle[channel][:, None, None] - middle[taken]).max(axis=-1)
        scale = np.minimum(found.scale[channel][:, None, None], found.scale[taken])
        # overlap = max(|Δi|, |Δj|) · scale ≤ ½ size
        overlap = distance * scale <= field.size / 2
        if not (same_picture & overlap).any():
            taken.append(channel)
    others = [channel for channel in by_strength if channel not in set(taken)]
    return (taken + others)[:count]


def whole_patches(
    top: TopPatches, layer: str, channels: Sequence[int], count: int
) -> list[tuple[int, Patch]]:
    """Return the first channels with a patch wholly inside its picture, and their strongest such.

    Parameters
    ----------
    top : TopPatches
    layer : str
    channels : sequence of int
        In the order in which they are wanted.
    count : int
        So many at most.

    Returns
    -------
    found : list of (channel, Patch)
    """
    found: list[tuple[int, Patch]] = []
    for channel in channels:
        if len(found) == count:
            break
        whole = [patch for patch in top.patches(layer, channel) if top.is_whole(patch)]
        found += [(channel, patch) for patch in whole[:1]]
    return found


def within(top: TopPatches, layer: str) -> np.ndarray:
    """Return which channels of a layer do not look at borders, bool (C,)."""
    return (outside(top, layer) > OUTSIDE).sum(axis=1) <= AT_BORDER


def outside(top: TopPatches, layer: str) -> np.ndarray:
    """Return which part of each patch's field lies outside its picture, (C, K); 0 where none is."""
    found, field = top.of(layer), top.fields[layer]
    boxes = found.boxes(field).astype(float)  # (C, K, 4)
    sizes = top.sizes[found.picture] * found.scale[..., None]  # (C, K, 2): height, width
    start, end = np.maximum(boxes[..., :2], 0), np.minimum(boxes[..., 2:], sizes)
    inside = np.maximum(end - start, 0).prod(axis=-1)
    possible = np.minimum(sizes, field.size).prod(axis=-1)
    # outside = 1 − |field ∩ picture| / (min(size, H) · min(size, W))
    share = np.divide(inside, possible, out=np.ones_like(inside), where=found.picture != NONE)
    return 1 - share
