"""Find the image patches that excite each channel of a network most, and draw them.

Without arguments: the photographs that come with scratchnet, layers 1 to 5. Saves the patches
(--patches, an HDF5 file), the figure of nine units a layer with their nine patches (….png), and
what one unit of each layer sees of a picture (…_fields.png). A scan that was stopped goes on
where it was when the same command is given again; a finished one is only drawn anew, into figures
with a number where there are some already.
"""

# ruff: noqa: E402 (signals are seen to before the imports, which take a second)

from interrupts import Interrupts

INTERRUPTS = Interrupts("top_patches")
if __name__ == "__main__":
    INTERRUPTS.install()

import argparse
import re
from pathlib import Path

from command_line import Parser, leave
from layout import Panel, growing_panels, keyed, label_rows
from places import save_and_say
from scanning import (
    Pictures,
    add_scan_flags,
    chosen_units,
    figure_places,
    parse_with_units,
    reported,
    run_scan,
)

from scratchnet import save_image
from scratchnet.pages.figures import fields_on_picture, unit_panel
from scratchnet.units.choice import strongest_channels
from scratchnet.units.scan.patches import TopPatches

CAPTION = (
    "Each unit's strongest patches, one pixel of a picture a pixel of the figure. A patch is the "
    "unit's theoretical receptive field: no pixel outside it has any influence. Brown: outside the "
    "picture, where each layer sees zeros: for the first one that is this mean colour, for deeper "
    "ones nothing that a picture could show. Light grey: no further patch."
)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    add_scan_flags(parser)
    return parse_with_units(parser)


def titled(layer: str) -> str:
    """Return "layer 3: relu3_3" for "relu3_3": what the paper calls a layer is VGG's block."""
    block = re.search(r"\d+", layer)
    return f"layer {block[0]}: {layer}" if block else layer


def panel(top: TopPatches, title: str, layer: str, channels: list[int], pictures) -> Panel:
    """Return the panel of some channels of a layer."""
    side, k = top.fields[layer].size, top.settings.k
    units = [[pictures.cut(patch) for patch in top.patches(layer, channel)] for channel in channels]
    labels = [
        f"{channel}" if patches else f"{channel} (never fires)"
        for channel, patches in zip(channels, units, strict=True)
    ]
    lines = [f"sees {side} px", *label_rows(labels)]
    return Panel(title, lines, unit_panel(units, k, side))


def draw_units(
    top: TopPatches, arguments: argparse.Namespace, pictures: Pictures, place: Path
) -> bool:
    """Draw the panels of all layers."""
    panels = [
        panel(top, titled(layer), layer, channels, pictures)
        for layer, channels in chosen_units(top, arguments).items()
        if channels
    ]
    if not panels:
        return True
    figure = growing_panels(panels, CAPTION)
    return save_and_say(place, lambda path: save_image(path, figure), arguments.overwrite)


def draw_fields(
    top: TopPatches, arguments: argparse.Namespace, pictures: Pictures, place: Path
) -> bool:
    """Draw what a unit of each layer sees, on the strongest patch of the deepest."""
    layers = list(chosen_units(top, arguments))[::-1]
    strongest = strongest_channels(top, layers[0], 1)
    if not strongest:
        return True
    patch = top.patches(layers[0], strongest[0])[0]
    middle = [top.fields[layers[0]].middle(part) for part in patch.position]
    fields = {layer: top.fields[layer] for layer in layers}
    lines = [f"{layer}: {field.size} px" for layer, field in fields.items()]
    figure = keyed(fields_on_picture(pictures(patch), fields, middle), lines)
    return save_and_say(place, lambda path: save_image(path, figure), arguments.overwrite)


def summary(top: TopPatches) -> str:
    """Return a table of the layers: size of the field, channels, and how many never fire."""
    lines = ["layer     sees (theoretical receptive field)   a unit every   channels   never fire"]
    for layer, field in sorted(top.fields.items(), key=lambda of: of[1].size):
        value = top.strongest[layer].value
        lines.append(
            f"{layer:<9} {f'{field.size}×{field.size} px':<36} {f'{field.jump} px':<14} "
            f"{len(value):<10} {(value[:, 0] == 0).sum()}"
        )
    return "\n".join(lines)


def run(arguments: argparse.Namespace) -> bool:
    """Scan and draw."""
    units, fields = figure_places(arguments, ".png", "_fields.png")
    top = run_scan(arguments, INTERRUPTS)
    print(f"patches  {arguments.patches}, from {len(top.names) - len(top.unreadable)} pictures")
    if top.unreadable:
        print(f"skipped  {len(top.unreadable)} that could not be read or used")
    print(summary(top))
    pictures = Pictures(top, arguments.images, arguments.max_pixels)
    drawn = draw_units(top, arguments, pictures, units)
    return draw_fields(top, arguments, pictures, fields) and drawn


def main() -> int:
    """Run."""
    return reported(run, parse_arguments(), INTERRUPTS)


if __name__ == "__main__":
    leave(main(), INTERRUPTS)
