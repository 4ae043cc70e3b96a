"""See what "correlated channels" means, and what a style transfer is about to change.

For a style picture and a layer: the pairs of channels that fire together most, measured against
how much each fires by itself; and which channels and pairs make up most of the style loss between
--content and --style. Every channel is shown by its strongest patches (--images, scanned if need
be) and by where it fires. Saves two figures (…_pairs.png, …_loss.png) and the tables (….md). Both
pictures are looked at in the size of the scan; scripts/transfer.py weighs five layers.

--shuffle shows, in seconds, why the Gram matrix is style: one figure (…_shuffled.png) of the style
picture's channels and their Gram matrix, before and after all positions have been shuffled.
"""

# ruff: noqa: E402 (signals are seen to before the imports, which take a second)

from interrupts import Interrupts

INTERRUPTS = Interrupts("explain_style")
if __name__ == "__main__":
    INTERRUPTS.install()

import argparse
from math import ceil
from pathlib import Path

import numpy as np
from command_line import Parser, leave, positive
from places import checked_place, outputs_beside, save_and_say, save_text
from scanning import (
    IMAGES,
    Pictures,
    add_scan_flags,
    patches_of,
    read_files,
    reported,
    run_scan,
)

from scratchnet import VGG, gram_matrix, save_image, style_target
from scratchnet.files.images import resize_image
from scratchnet.files.names import expanded
from scratchnet.pages.figures import (
    Panel,
    enlarge,
    own_scale_panels,
    row,
    side_near,
    to_side,
    unit_sheet,
)
from scratchnet.units.choice import within
from scratchnet.units.correlation import (
    Pair,
    contribution_pairs,
    firing_share,
    largest_pairs,
    pair_strength,
    style_contributions,
    style_difference,
    together,
    without_repeats,
)
from scratchnet.units.display import spotlight
from scratchnet.units.scan import settings

SIDE, GAP = 144, 16  # px: of a patch; between pictures
LISTED = 20  # rows of a table
OFTEN = 0.05  # of the positions: a channel that fires at fewer is in no pair of the first table
LOUDEST, MAPS, ENTRY = 32, 4, 7  # channels and maps of --shuffle; px of a Gram matrix's entry
CAPTIONS = {
    "pairs": (
        "The strongest patches of either channel; where it fires in the picture; where both do. "
        "Say one channel looks for upright strokes and the other for an orange tint. If they are "
        "a strong pair, upright strokes tend to be orange in this picture; if a weak one, a stroke "
        "says nothing about its colour. The Gram matrix holds that for all pairs at once, and "
        "nothing about where in the picture it is. Brown: does not fire, or outside a picture. (A "
        "channel is drawn in one pair only, and not at all if it fires at less than 5 % of the "
        "positions.)"
    ),
    "loss": (
        "What adds most to the style loss. The strongest patches of either channel; where both "
        "fire in the content picture; where in the style picture, on one scale. A descent on the "
        "style loss adds what there is too little of, and takes away what there is too much of. (A "
        "channel is drawn once only; the table has all.)"
    ),
    "shuffled": (
        "Left: where four channels fire. Right: the Gram matrix of 32 that fire most, each beside "
        "a partner; the brighter, the more two fire together. One permutation of all positions "
        "destroys the picture, but the matrix adds up the same products. If each channel has its "
        "own, all fire as before, but no longer together: what stays is the diagonal, and chance."
    ),
}


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    # fmt: off
    add = parser.add_argument
    add("--style", type=expanded, default=IMAGES / "starry_night.jpg", metavar="FILE",
        help="the style picture")
    add("--content", type=expanded, default=IMAGES / "leuven_street.jpg", metavar="FILE",
        help="the picture whose style loss against it is taken apart")
    add("--layer", default="relu3_1", metavar="NAME", help="a ReLU, such as relu2_1")
    add("--pairs", type=positive, default=6, metavar="N", help="how many pairs to draw")
    add("--shuffle", action="store_true",
        help="only draw what shuffling all positions does to the Gram matrix; needs no scan")
    add("--output", type=expanded, metavar="FILE",
        help="the tables; figures go beside them; None: outputs/CONTENT_STYLE_LAYER.md")
    add_scan_flags(parser, "top_patches_LAYER", without=("layers",))
    # fmt: on
    arguments = parser.parse_args()
    if not arguments.layer.startswith("relu"):
        parser.error(f"--layer {arguments.layer}: wanted a ReLU, after which nothing is negative")
    layer = arguments.layer
    arguments.layers = (layer,)
    arguments.patches = patches_of(arguments, f"top_patches_{layer}")
    return arguments


class Channels:
    """The sheets of patches by which channels are known."""

    def __init__(self, top, layer: str, pictures: Pictures):
        self.top, self.layer, self.pictures = top, layer, pictures

    def sheet(self, channel: int) -> np.ndarray:
        """Return a channel's patches."""
        patches = [
            to_side(self.pictures.cut(patch), SIDE)
            for patch in self.top.patches(self.layer, channel)
        ]
        side = side_near(self.top.fields[self.layer].size, SIDE)
        return unit_sheet(patches, self.top.settings.k, side)


def named(pair: Pair) -> str:
    """Name a pair in words."""
    if pair.k == pair.k_:
        return f"channel {pair.k} by itself"
    return f"channels {pair.k} and {pair.k_}"


def lit(picture: np.ndarray, light: np.ndarray, full: float) -> np.ndarray:
    """Show where channels fire in a picture, twice enlarged."""
    return enlarge(spotlight(picture, light, full), 2)


def brightest(*lights: np.ndarray) -> float:
    """Return the light that shows a picture as it is: few activations are larger."""
    fires = np.concatenate([light[light > 0] for light in lights])
    return float(np.quantile(fires, 0.99)) if fires.size else 0.0


def pair_panels(pairs: list[Pair], channels: Channels, style, a) -> list[Panel]:
    """Return a panel for each pair that fires together."""
    panels = []
    for pair in pairs:
        one, other = a[:, :, pair.k], a[:, :, pair.k_]
        # √(a_ijk a_ijk′): their product, in the unit of an activation
        lights = one, other, np.sqrt(together(a, pair.k, pair.k_))
        shown = [channels.sheet(pair.k), channels.sheet(pair.k_)]
        shown += [lit(style, light, brightest(light)) for light in lights]
        panels.append(Panel(named(pair), [f"strength {pair.value:.2f}"], row(shown, GAP)))
    return panels


def loss_panels(pairs: list[Pair], channels: Channels, pictures, maps, D) -> list[Panel]:
    """Return a panel for each pair that adds most to the style loss."""
    panels = []
    for pair in pairs:
        lights = [np.sqrt(together(a, pair.k, pair.k_)) for a in maps]
        full = brightest(*lights)
        # a channel by itself is shown once
        shown = [channels.sheet(k) for k in sorted({pair.k, pair.k_})]
        shown += [lit(*both, full) for both in zip(pictures, lights, strict=True)]
        line = f"{100 * pair.value:.1f} % of the loss: too {much(D, pair)} in the content picture"
        panels.append(Panel(named(pair), [line], row(shown, GAP)))
    return panels


def much(D: np.ndarray, pair: Pair) -> str:
    """Return whether the content picture has too much or too little of a pair."""
    return "little" if D[pair.k, pair.k_] < 0 else "much"


def grey(numbers: np.ndarray, full: float, times: int) -> np.ndarray:
    """Show a table of numbers from black, 0, to white, ``full``."""
    light = np.float32(255) * np.minimum(numbers / (full or 1), 1)
    return enlarge(np.repeat(light[:, :, None], 3, axis=2), times)


def shuffled_panels(a: np.ndarray) -> list[Panel]:
    """Return maps and their Gram matrix: as they are, shuffled alike, and shuffled one by one."""
    gram, A, rng = gram_matrix(a), a.reshape(-1, a.shape[2]), np.random.default_rng(0)
    loudest = np.argsort(-gram.diagonal(), kind="stable")[:LOUDEST]
    strength = pair_strength(gram)[np.ix_(loudest, loudest)]
    pairs = without_repeats(largest_pairs(strength, LOUDEST**2, with_itself=False))
    order = [loudest[k] for pair in pairs for k in (pair.k, pair.k_)]
    full = gram[np.ix_(order, order)][np.triu_indices(len(order), 1)].max()
    panels = []
    for title, version in [
        ("As painted", A),
        ("The positions of all channels shuffled alike", rng.permutation(A)),
        ("Each channel shuffled by itself", rng.permuted(A, axis=0)),
    ]:
        maps = version.reshape(a.shape)
        times = ceil(LOUDEST * ENTRY / len(maps))
        shown = [grey(maps[:, :, k], brightest(a[:, :, k]), times) for k in order[:MAPS]]
        shown.append(grey(gram_matrix(maps)[np.ix_(order, order)], full, ENTRY))
        change = np.abs(gram_matrix(maps) - gram).max() / gram.max()
        line = f"The Gram matrix changes by {change:.1g} of its largest entry at most."
        panels.append(Panel(title, [line] if version is not A else [], row(shown, GAP)))
    return panels


def table(head: list[str], rows: list[list]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def tables(arguments, strong: list[Pair], share, adding: list[Pair], contributions, D) -> str:
    """Return the tables of pairs and of channels."""
    J, of_channel = contributions.sum(), contributions.sum(axis=1)
    most = np.argsort(-of_channel, kind="stable")[:LISTED]
    shares = [[k, f"{100 * of_channel[k] / J:.1f} %"] for k in map(int, most)] if J else []
    content, style = arguments.content.stem, arguments.style.stem
    return "\n\n".join(
        [
            f"# {content}, {style}, {arguments.layer}",
            f"Channels that fire together most in {style} (strength = "
            f"Gram_kk′ / √(Gram_kk Gram_k′k′); of those that fire at {100 * OFTEN:.0f} % of the "
            "positions at least):",
            table(
                ["k", "k′", "strength", "k fires at", "k′ fires at"],
                [
                    [p.k, p.k_, f"{p.value:.3f}", *(f"{100 * share[k]:.0f} %" for k in (p.k, p.k_))]
                    for p in strong
                ],
            ),
            f"The style loss of {content} at this layer is J = {J:.6g}. Pairs that add most to it, "
            f"and whether {content} has too much or too little of them:",
            table(
                ["k", "k′", "share of J", "too"],
                [[p.k, p.k_, f"{100 * p.value:.1f} %", much(D, p)] for p in adding],
            ),
            "Channels that add most, in all their pairs:",
            table(["k", "share of J"], shares),
        ]
    )


def places(arguments: argparse.Namespace, kinds: tuple[str, ...]) -> tuple[Path, dict[str, Path]]:
    """Return where the tables and the figures beside them go, checked."""
    content = "" if arguments.shuffle else f"{arguments.content.stem}_"
    stem = f"outputs/{content}{arguments.style.stem}_{arguments.layer}"
    inputs = read_files(arguments) | {"--patches": arguments.patches, "--style": arguments.style}
    if not arguments.shuffle:
        inputs["--content"] = arguments.content
    given, overwrite = arguments.output, arguments.overwrite
    tables = checked_place("--output", given, Path(f"{stem}.md"), (".md",), inputs, overwrite)
    figures = outputs_beside(tables, [f"_{kind}.png" for kind in kinds], inputs, overwrite)
    return tables, dict(zip(kinds, figures, strict=True))


def save_figure(place: Path, kind: str, panels: list[Panel], overwrite: bool) -> bool:
    """Save a figure, and return whether it is where it was wanted."""
    figure = own_scale_panels(panels, CAPTIONS[kind])
    return save_and_say(place, lambda path: save_image(path, figure), overwrite)


def run_shuffle(arguments: argparse.Namespace) -> bool:
    """Draw the figure of --shuffle."""
    _, figures = places(arguments, ("shuffled",))
    size = getattr(arguments, "size", settings.ScanSettings.size)
    style = settings.working_picture(arguments.style, size, max_pixels=arguments.max_pixels)
    network = VGG.load(arguments.weights, partial_windows=True)  # as in a transfer
    a, _ = network.forward(style, [arguments.layer])
    panels = shuffled_panels(a[arguments.layer].astype(np.float64))
    whole = save_figure(figures["shuffled"], "shuffled", panels, arguments.overwrite)
    print(*(f"{panel.title}. {panel.lines[0]}" for panel in panels[1:]), sep="\n")
    return whole


def run(arguments: argparse.Namespace) -> bool:
    """Scan if need be, measure and draw."""
    if arguments.shuffle:
        return run_shuffle(arguments)
    tables_place, figures = places(arguments, ("pairs", "loss"))
    content, style = (
        settings.read_picture(path, arguments.max_pixels)
        for path in (arguments.content, arguments.style)
    )
    top = run_scan(arguments, INTERRUPTS)
    content, style = (
        resize_image(image, settings.working_size(image.shape, top.settings.size))
        for image in (content, style)
    )
    # as in a transfer; the scan keeps the network's own rule
    network, layer = VGG.load(arguments.weights, partial_windows=True), arguments.layer
    # sums of many squares: in float64
    a_C, a_S = (
        network.forward(image, [layer])[0][layer].astype(np.float64) for image in (content, style)
    )
    D = style_difference(a_C, style_target(a_S))
    contributions = style_contributions(D)
    strength, share = pair_strength(gram_matrix(a_S)), firing_share(a_S)
    # Two channels that fire once, at the same place, have strength 1, and by chance; and what fires
    # at borders only fires together.
    often = (share >= OFTEN) & within(top, layer)
    strong = largest_pairs(strength * np.outer(often, often), len(D) ** 2, with_itself=False)
    adding = contribution_pairs(contributions, len(D) ** 2)

    channels = Channels(top, layer, Pictures(top, arguments.images, arguments.max_pixels))
    drawn, most = (without_repeats(pairs)[: arguments.pairs] for pairs in (strong, adding))
    whole = Panel(arguments.style.stem, [], style)
    panels = {"pairs": [whole, *pair_panels(drawn, channels, style, a_S)]}
    if most:
        panels["loss"] = loss_panels(most, channels, (content, style), (a_C, a_S), D)
    overwrite = arguments.overwrite
    saved = [save_figure(figures[kind], kind, panels[kind], overwrite) for kind in panels]
    text = tables(arguments, strong[:LISTED], share, adding[:LISTED], contributions, D)
    saved.append(save_and_say(tables_place, lambda path: save_text(path, text), overwrite))
    print(f"\n{text}")
    return all(saved)


def main() -> int:
    """Run."""
    return reported(run, parse_arguments(), INTERRUPTS)


if __name__ == "__main__":
    leave(main(), INTERRUPTS)
