"""What explain_style.py draws, a panel after the other, and its tables."""

from math import ceil
from pathlib import Path

import numpy as np
from layout import OffsetBox, Panel, beside, under
from places import table
from scanning import Pictures

from scratchnet import gram_matrix
from scratchnet.pages.figures import enlarge, side_near, to_side, unit_sheet
from scratchnet.units.correlation import Pair, loudest_in_pairs, together
from scratchnet.units.display import SHOWN, large, spotlight
from scratchnet.units.scan.patches import TopPatches

SIDE = 100  # px: of a patch, at most, if its own side is not more
LISTED = 20  # rows of a table
LOUDEST, MAPS, ENTRY = 32, 4, 7  # channels and maps of --shuffle; px of a Gram matrix's entry
CAPTIONS = {
    "pairs": (
        "The strongest patches of either channel; where it fires in the picture; where both do. "
        "Say one channel looks for upright strokes and the other for an orange tint. If they are "
        "a strong pair, upright strokes tend to be orange in this picture; if a weak one, a stroke "
        "says nothing about its colour. The Gram matrix holds that for all pairs at once, and "
        "nothing about where in the picture it is. Brown: does not fire, or outside a picture. (A "
        "channel is drawn in one pair only, and not at all if it fires at less than 5 % of the "
        "positions, or looks at the borders of pictures.)"
    ),
    "loss": (
        "What adds most to the style loss. The strongest patches of either channel; where both "
        "fire in the content picture; where in the style picture, on one scale. A descent on the "
        "style loss adds what there is too little of, and takes away what there is too much of. (A "
        "channel is drawn once only, and not at all if it looks at the borders of pictures; the "
        "table has all.)"
    ),
    "shuffled": (
        "Left: where four channels fire. Right: the Gram matrix of 32 that fire most, each beside "
        "a partner; the brighter, the more two fire together. One permutation of all positions "
        "destroys the picture, but the matrix adds up the same products. If each channel has its "
        "own, all fire as before, but no longer together: what stays is the diagonal, and chance."
    ),
}


class Channels:
    """The sheets of patches by which channels are known."""

    def __init__(self, top: TopPatches, layer: str, pictures: Pictures):
        self.top, self.layer, self.pictures = top, layer, pictures

    def sheet(self, channel: int) -> OffsetBox:
        """Return a channel's patches, under its number."""
        patches = [
            to_side(self.pictures.cut(patch), SIDE)
            for patch in self.top.patches(self.layer, channel)
        ]
        side = side_near(self.top.fields[self.layer].size, SIDE)
        return under(f"channel {channel}", unit_sheet(patches, self.top.settings.k, side))


def named(pair: Pair) -> str:
    """Name a pair in words."""
    if pair.k == pair.k_:
        return f"channel {pair.k} by itself"
    return f"channels {pair.k} and {pair.k_}"


def shown(label: str, picture: np.ndarray, light: np.ndarray, full: float) -> OffsetBox:
    """Show where channels fire in a picture."""
    return under(label, spotlight(picture, light, full))


def brightest(*lights: np.ndarray) -> float:
    """Return the light that shows a picture as it is: few activations are larger."""
    return large(np.concatenate([light.ravel() for light in lights]), SHOWN)


def pair_panels(pairs: list[Pair], channels: Channels, style, a: np.ndarray) -> list[Panel]:
    """Return a panel for each pair that fires together."""
    panels = []
    for pair in pairs:
        one, other = a[:, :, pair.k], a[:, :, pair.k_]
        # √(a_ijk a_ijk′): their product, in the unit of an activation
        both = np.sqrt(together(a, pair.k, pair.k_))
        lights = {f"{pair.k} fires": one, f"{pair.k_} fires": other, "both fire": both}
        boxes = [channels.sheet(pair.k), channels.sheet(pair.k_)]
        boxes += [shown(label, style, x, brightest(x)) for label, x in lights.items()]
        panels.append(Panel(named(pair), [f"strength {pair.value:.2f}"], beside(boxes)))
    return panels


def loss_panels(pairs: list[Pair], channels: Channels, pictures, maps, D) -> list[Panel]:
    """Return a panel for each pair that adds most to the style loss."""
    panels = []
    for pair in pairs:
        lights = [np.sqrt(together(a, pair.k, pair.k_)) for a in maps]
        full = brightest(*lights)
        # a channel by itself is shown once
        boxes = [channels.sheet(k) for k in sorted({pair.k, pair.k_})]
        for where, picture, light in zip(("content", "style"), pictures, lights, strict=True):
            boxes.append(shown(f"where, in the {where} picture", picture, light, full))
        line = f"{100 * pair.value:.1f} % of the loss: too {much(D, pair)} in the content picture"
        panels.append(Panel(named(pair), [line], beside(boxes)))
    return panels


def much(D: np.ndarray, pair: Pair) -> str:
    """Return whether the content picture has too much or too little of a pair."""
    return "little" if D[pair.k, pair.k_] < 0 else "much"


def grey(label: str, numbers: np.ndarray, full: float, times: int) -> OffsetBox:
    """Show a table of numbers from black, 0, to white, ``full``."""
    light = np.float32(255) * np.minimum(numbers / (full or 1), 1)
    return under(label, enlarge(np.repeat(light[:, :, None], 3, axis=2), times))


def shuffled_panels(a: np.ndarray) -> list[Panel]:
    """Return maps and their Gram matrix: as they are, shuffled alike, and shuffled one by one."""
    gram, A, rng = gram_matrix(a), a.reshape(-1, a.shape[2]), np.random.default_rng(0)
    order = loudest_in_pairs(gram, LOUDEST)
    full = gram[np.ix_(order, order)][np.triu_indices(len(order), 1)].max()
    panels = []
    for title, version in [
        ("As painted", A),
        ("The positions of all channels shuffled alike", rng.permutation(A)),
        ("Each channel shuffled by itself", rng.permuted(A, axis=0)),
    ]:
        maps = version.reshape(a.shape)
        times = ceil(LOUDEST * ENTRY / len(maps))
        boxes = [
            grey(f"channel {k}", maps[:, :, k], brightest(a[:, :, k]), times) for k in order[:MAPS]
        ]
        boxes.append(grey("Gram matrix", gram_matrix(maps)[np.ix_(order, order)], full, ENTRY))
        change = np.abs(gram_matrix(maps) - gram).max() / gram.max()
        line = f"The Gram matrix changes by {change:.1g} of its largest entry at most."
        panels.append(Panel(title, [line] if version is not A else [], beside(boxes)))
    return panels


def tables(
    content: Path, style: Path, layer: str, often: float, strong: list[Pair], share: np.ndarray,
    adding: list[Pair], contributions: np.ndarray, D: np.ndarray,
) -> str:  # fmt: skip
    """Return the tables of pairs and of channels; ``often`` is the least share of positions."""
    J, of_channel = contributions.sum(), contributions.sum(axis=1)
    most = np.argsort(-of_channel, kind="stable")[:LISTED]
    shares = [[k, f"{100 * of_channel[k] / J:.1f} %"] for k in map(int, most)] if J else []
    return "\n\n".join(
        [
            f"# {content.stem}, {style.stem}, {layer}",
            f"Channels that fire together most in {style.stem} (strength = "
            f"Gram_kk′ / √(Gram_kk Gram_k′k′); of those that fire at {100 * often:.0f} % of the "
            "positions at least):",
            table(
                ["k", "k′", "strength", "k fires at", "k′ fires at"],
                [
                    [p.k, p.k_, f"{p.value:.3f}", *(f"{100 * share[k]:.0f} %" for k in (p.k, p.k_))]
                    for p in strong[:LISTED]
                ],
            ),
            f"The style loss of {content.stem} at this layer is J = {J:.6g}. Pairs that add most "
            f"to it, and whether {content.stem} has too much or too little of them:",
            table(
                ["k", "k′", "share of J", "too"],
                [[p.k, p.k_, f"{100 * p.value:.1f} %", much(D, p)] for p in adding[:LISTED]],
            ),
            "Channels that add most, in all their pairs:",
            table(["k", "share of J"], shares),
        ]
    )
