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
from pathlib import Path

import numpy as np
from command_line import Parser, leave, positive
from layout import Panel, own_scale_panels
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
from style_panels import CAPTIONS, Channels, loss_panels, pair_panels, shuffled_panels, tables

from scratchnet import VGG, gram_matrix, save_image, style_target
from scratchnet.files.images import resize_image
from scratchnet.files.names import expanded
from scratchnet.units.choice import within
from scratchnet.units.correlation import (
    contribution_pairs,
    firing_share,
    largest_pairs,
    pair_strength,
    style_contributions,
    style_difference,
    without_repeats,
)
from scratchnet.units.scan import settings

OFTEN = 0.05  # of the positions: a channel that fires at fewer is in no pair of the first table


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
    whole = within(top, layer)
    often = (share >= OFTEN) & whole
    strong = largest_pairs(strength * np.outer(often, often), len(D) ** 2, with_itself=False)
    adding = contribution_pairs(contributions, len(D) ** 2)

    channels = Channels(top, layer, Pictures(top, arguments.images, arguments.max_pixels))
    inside = [pair for pair in adding if whole[[pair.k, pair.k_]].all()]
    drawn, most = (without_repeats(pairs)[: arguments.pairs] for pairs in (strong, inside))
    painting = Panel(arguments.style.stem, [], style)
    panels = {"pairs": [painting, *pair_panels(drawn, channels, style, a_S)]}
    if most:
        panels["loss"] = loss_panels(most, channels, (content, style), (a_C, a_S), D)
    overwrite = arguments.overwrite
    saved = [save_figure(figures[kind], kind, panels[kind], overwrite) for kind in panels]
    text = tables(
        arguments.content, arguments.style, layer, OFTEN, strong, share, adding, contributions, D
    )
    saved.append(save_and_say(tables_place, lambda path: save_text(path, text), overwrite))
    print(f"\n{text}")
    return all(saved)


def main() -> int:
    """Run."""
    return reported(run, parse_arguments(), INTERRUPTS)


if __name__ == "__main__":
    leave(main(), INTERRUPTS)
