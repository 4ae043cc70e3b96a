"""Show what in its strongest patches excites a unit, and how far such pictures can be trusted.

Starts from the patches that top_patches.py finds (and finds them, if they are not there). Saves
beside them: panels of units, each patch beside its deconvnet view (…_deconvnet.png); for a patch
of each layer the three rules, and the same in a network with random weights (…_control.png); which
part of a patch matters, by covering one square after the other (…_occlusion.png), and the table of
that, theoretical and effective field by layer (…_occlusion.md).
"""

# ruff: noqa: E402 (signals are seen to before the imports, which take a second)

from interrupts import Interrupts

INTERRUPTS = Interrupts("explain_units")
if __name__ == "__main__":
    INTERRUPTS.install()

import argparse
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from command_line import Parser, leave, positive
from places import save_and_say, save_text
from scanning import (
    Pictures,
    add_scan_flags,
    chosen_units,
    figure_places,
    parse_with_units,
    reported,
    run_scan,
    tqdm,
)

from scratchnet import VGG, save_image
from scratchnet.files.weights import load_weights, random_parameters
from scratchnet.pages.figures import (
    Panel,
    enlarge,
    label_rows,
    own_scale_panels,
    sheet,
    side_near,
    square,
    to_side,
    unit_sheet,
    view,
)
from scratchnet.units.choice import chosen_channels
from scratchnet.units.deconvnet import RULES, explain_patch
from scratchnet.units.display import spotlight
from scratchnet.units.occlusion import occlusion_map, share_of_field, square_and_step
from scratchnet.units.scan.patches import Patch, TopPatches

SIDE, LARGE = 96, 200  # px: of a patch in the figures
GAP = 12
PART = 0.9  # of the responses, that the effective field holds
CAPTIONS = {
    "deconvnet": (
        "At the left of each pair a unit's strongest patches, at the right what in them excites "
        "it, by a deconvnet, grey where nothing does. Such a picture follows the patch's own edges "
        "in part, whatever the weights."
    ),
    "control": (
        "A patch; then gradient, deconvnet and guided backpropagation in the trained network; then "
        "the same three in a network with random weights, for its strongest channel there."
    ),
    "occlusion": (
        "Patches, and of each what changes the unit most if a square around it is covered."
    ),
}


class Example(NamedTuple):
    """A channel and one of its patches."""

    layer: str
    channel: int
    patch: Patch


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    add_scan_flags(parser)
    parser.add_argument("--occluded", type=positive, default=5, metavar="N",
                        help="units of a layer whose effective field is measured")  # fmt: skip
    return parse_with_units(parser)


def deconvnet_panels(top, network, units, pictures) -> Iterator[Panel]:
    """Yield a layer's panel: each unit's patches beside their deconvnet views."""
    k = top.settings.k
    with tqdm(total=sum(map(len, units.values())), unit="unit", desc="deconvnet") as bar:
        for layer, channels in units.items():
            pairs = []
            for channel in channels:
                patches, views = [], []
                for patch in top.patches(layer, channel):
                    image = pictures(patch)
                    signal = explain_patch(network, image, layer, patch.position, channel)
                    patches.append(to_side(pictures.cut(patch), SIDE))
                    views.append(view(signal, SIDE))
                side = side_near(top.fields[layer].size, SIDE)
                sheets = [unit_sheet(shown, k, side) for shown in (patches, views)]
                pairs.append(sheet(sheets, 2, GAP // 2))
                bar.update()
            if pairs:
                lines = [f"sees {top.fields[layer].size} px", *label_rows(list(map(str, channels)))]
                yield Panel(layer, lines, square(pairs, 2 * GAP))


def control_panels(network, control, units: list[Example], pictures) -> Iterator[Panel]:
    """Yield for a patch of each layer what each rule shows, trained and with random weights."""
    for layer, channel, patch in tqdm(units, unit="layer", desc="control"):
        image = pictures(patch)
        shown = [to_side(pictures.cut(patch), LARGE)]
        there = control.forward(image, [layer])[0][layer][patch.position]
        for vgg, k in ((network, channel), (control, int(there.argmax()))):
            for rule in RULES:
                signal = explain_patch(vgg, image, layer, patch.position, k, rule)
                shown.append(view(signal, LARGE))
        yield Panel(f"{layer}, unit {channel}", [], sheet(shown, len(shown), GAP))


def whole_patches(
    top: TopPatches, layer: str, asked: list[int] | None, count: int, choose: str
) -> list[Example]:
    """Return the first channels of a layer that have a patch wholly inside its picture.

    Of those asked for; without any, of all, in the order in which ``choose`` takes them.
    """
    examples = []
    channels = asked or chosen_channels(top, layer, len(top.of(layer).value), choose)
    for channel in channels:
        whole = [patch for patch in top.patches(layer, channel) if top.is_whole(patch)]
        if whole and len(examples) < count:
            examples.append(Example(layer, channel, whole[0]))
    return examples


def lit(piece: np.ndarray, response: np.ndarray, step: int) -> np.ndarray:
    """Show a patch where its responses are; each is for a cell of step × step pixels."""
    size = len(piece)
    light = enlarge(response[:, :, None], step)[:size, :size, 0]
    return spotlight(piece, light, light.max())


def occlusion_panels(
    top, network, pictures, arguments: argparse.Namespace
) -> Iterator[tuple[Panel, str]]:
    """Yield a layer's panel and its row of the table."""
    asked, count, choose = arguments.units, arguments.occluded, arguments.choose
    units = {
        layer: whole_patches(top, layer, asked.get(layer), count, choose) for layer in top.fields
    }
    with tqdm(total=sum(map(len, units.values())), unit="unit", desc="occlusion") as bar:
        for layer, whole in units.items():
            size, shown, shares = top.fields[layer].size, [], []
            square, step = square_and_step(size)
            for _, channel, patch in whole:
                image = pictures(patch)
                response = occlusion_map(
                    network, image, layer, patch.position, channel, square=square, step=step
                ).response
                shares.append(share_of_field(response, PART))
                piece = pictures.cut(patch)
                shown += [to_side(piece, LARGE), to_side(lit(piece, response, step), LARGE)]
                bar.update()
            if not whole:
                continue
            mean = np.mean(shares)
            effective = f"{100 * mean:.0f} %"
            spread = f"{100 * min(shares):.0f}–{100 * max(shares):.0f} %"
            row = (
                f"| {layer} | {size} px | {len(whole)} | {square} px, every {step} "
                f"| {effective} ({spread}) | {size * mean**0.5:.0f} px |"
            )
            numbers = ", ".join(str(example.channel) for example in whole)
            line = f"units {numbers}: of {size} by {size} px, {effective} hold 90 % of the response"
            yield Panel(layer, [line], sheet(shown, len(shown), GAP)), row


def run(arguments: argparse.Namespace) -> bool:
    """Scan if need be, and draw."""
    *figures, table_place = figure_places(arguments, *(f"_{kind}.png" for kind in CAPTIONS),
                                          "_occlusion.md")  # fmt: skip
    places = dict(zip(CAPTIONS, figures, strict=True))
    top = run_scan(arguments, INTERRUPTS)
    architecture, learned, mean = load_weights(arguments.weights)
    network, control = (
        VGG.build(parameters, architecture=architecture, mean=mean)
        for parameters in (learned, random_parameters(architecture))
    )
    pictures = Pictures(top, arguments.images, arguments.max_pixels)
    units = chosen_units(top, arguments)

    def save(kind: str, panels: list[Panel]) -> bool:
        if not panels:  # no unit fires at all, or none has a patch wholly inside its picture
            return True
        figure = own_scale_panels(panels, CAPTIONS[kind])
        place = places[kind]
        return save_and_say(place, lambda path: save_image(path, figure), arguments.overwrite)

    whole = save("deconvnet", list(deconvnet_panels(top, network, units, pictures)))
    first = [
        Example(layer, channels[0], top.patches(layer, channels[0])[0])
        for layer, channels in units.items()
        if channels and top.patches(layer, channels[0])
    ]
    whole &= save("control", list(control_panels(network, control, first, pictures)))
    measured = list(occlusion_panels(top, network, pictures, arguments))
    whole &= save("occlusion", [panel for panel, _ in measured])
    table = "\n".join(
        [
            "| layer | theoretical field | units | covered | 90 % of the response lie in (range) "
            "| a square of that area |",
            "|---|---|---|---|---|---|",
            *(row for _, row in measured),
        ]
    )
    whole &= save_and_say(table_place, lambda path: save_text(path, table), arguments.overwrite)
    print(table)
    return whole


def main() -> int:
    """Run."""
    return reported(run, parse_arguments(), INTERRUPTS)


if __name__ == "__main__":
    leave(main(), INTERRUPTS)
