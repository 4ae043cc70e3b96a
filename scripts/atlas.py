"""Make an atlas of a network's units: one HTML file to leaf through, without a network.

Starts from the patches that top_patches.py finds (and finds them, if they are not there). For the
strongest units of each layer it shows their patches, each beside its deconvnet view; a click on a
patch shows the unit's receptive field on the picture.
"""

# ruff: noqa: E402 (signals are seen to before the imports, which take a second)

from interrupts import Interrupts

INTERRUPTS = Interrupts("atlas")
if __name__ == "__main__":
    INTERRUPTS.install()

import argparse
from pathlib import Path

import numpy as np
from command_line import Parser, leave, positive
from places import checked_place, save_and_say
from scanning import (
    Pictures,
    add_scan_flags,
    patches_of,
    read_files,
    reported,
    run_scan,
    tqdm,
)

from scratchnet import VGG
from scratchnet.files.names import expanded
from scratchnet.pages.atlas import (
    GRID,
    AtlasLayer,
    AtlasPatch,
    AtlasUnit,
    atlas_html,
)
from scratchnet.pages.page import save_page
from scratchnet.units.choice import chosen_channels
from scratchnet.units.deconvnet import explain_patch
from scratchnet.units.display import signal_view
from scratchnet.units.scan.patches import Patch, TopPatches


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    add = parser.add_argument
    add(
        "--output",
        type=expanded,
        metavar="FILE",
        help="the page; None: outputs/atlas.html, with a number if that is there",
    )
    add("--units-per-layer", type=positive, default=64, metavar="N", help="at most")
    add("--title", default="An atlas of units", metavar="TEXT", help="of the page")
    add_scan_flags(parser)
    arguments = parser.parse_args()
    arguments.patches = patches_of(arguments)
    return arguments


class Sources:
    """The pictures that patches come from, numbered as they are met."""

    def __init__(self, top: TopPatches, pictures: Pictures):
        self.top, self.pictures = top, pictures
        self.numbers: dict[tuple[int, float], int] = {}
        self.named: list[tuple[str, np.ndarray]] = []

    def number(self, patch: Patch) -> int:
        """Return the number of a patch's picture, at its scale."""
        key = patch.picture, patch.scale
        if key not in self.numbers:
            self.numbers[key] = len(self.named)
            image = np.rint(self.pictures(patch)).astype(np.uint8)
            self.named.append((self.top.names[patch.picture], image))
        return self.numbers[key]


def atlas_patch(network, layer: str, channel: int, patch: Patch, sources: Sources) -> AtlasPatch:
    """Return a patch with its deconvnet view."""
    signal = explain_patch(network, sources.pictures(patch), layer, patch.position, channel)
    return AtlasPatch(patch.value, sources.number(patch), patch.box, signal_view(signal))


def run(arguments: argparse.Namespace) -> bool:
    """Scan if need be, and make the page."""
    default, overwrite = Path("outputs/atlas.html"), arguments.overwrite
    inputs = read_files(arguments) | {"--patches": arguments.patches}
    output = checked_place(
        "--output", arguments.output, default, (".html", ".htm"), inputs, overwrite
    )
    top = run_scan(arguments, INTERRUPTS)
    if top.settings.k > GRID**2:
        raise ValueError(f"k {top.settings.k}: a card of the atlas has room for {GRID**2} patches")
    pictures = Pictures(top, arguments.images, arguments.max_pixels)
    network, sources = VGG.load(arguments.weights), Sources(top, pictures)
    chosen = {
        layer: sorted(chosen_channels(top, layer, arguments.units_per_layer, arguments.choose))
        for layer in top.fields
    }
    layers = []
    with tqdm(total=sum(map(len, chosen.values())), unit="unit") as bar:
        for layer, channels in chosen.items():
            units = []
            for channel in channels:
                patches = top.patches(layer, channel)
                units.append(
                    AtlasUnit(
                        channel,
                        [atlas_patch(network, layer, channel, p, sources) for p in patches],
                    )
                )
                bar.update()
            count = len(top.strongest[layer].value)
            layers.append(AtlasLayer(layer, top.fields[layer], count, units))
    page = atlas_html(layers, sources.named, title=arguments.title)
    print(f"page     {len(page.encode()) / 1e6:.1f} MB")
    return save_and_say(output, lambda path: save_page(path, page), overwrite)


def main() -> int:
    """Run."""
    return reported(run, parse_arguments(), INTERRUPTS)


if __name__ == "__main__":
    leave(main(), INTERRUPTS)
