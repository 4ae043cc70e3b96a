"""Show what the network sees in a picture of yours: one page.

For each layer the channels that the picture excites most, compared to what is usual for each (of
the stronger half of the layer, without those that look at borders); where they fire in it, and
beside that the patches that excite them most in the pictures of a scan (that of top_patches.py,
which is made if it is not there).
"""

# ruff: noqa: E402 (signals are seen to before the imports, which take a second)

from interrupts import Interrupts

INTERRUPTS = Interrupts("look")
if __name__ == "__main__":
    INTERRUPTS.install()

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from atlas_work import layers_of, maxima_beside
from command_line import Parser, leave, positive
from places import checked_place, default_stem, save_and_say
from scan_workers import workers
from scanning import Pictures, add_scan_flags, patches_of, read_files, reported, run_scan, tqdm

from scratchnet import VGG
from scratchnet.files.images import resize_image
from scratchnet.files.names import expanded, printable
from scratchnet.pages.look import Seen, look_html, seen
from scratchnet.pages.page import save_page
from scratchnet.units.choice import within
from scratchnet.units.maxima import excess, firing_together, standing_out, usual
from scratchnet.units.scan.maxima import maxima_of_picture
from scratchnet.units.scan.patches import TopPatches
from scratchnet.units.scan.settings import read_picture, working_size


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("picture", type=expanded, metavar="PICTURE", help="a picture file")
    parser.add_argument("--output", type=expanded, metavar="FILE",
                        help="the page; None: outputs/look_PICTURE.html, with a number if that is "
                        "there")  # fmt: skip
    parser.add_argument("--channels", type=positive, default=4, metavar="N", help="of a layer")
    add_scan_flags(parser)
    arguments = parser.parse_args()
    arguments.patches = patches_of(arguments)
    return arguments


def look(arguments, picture, image, top: TopPatches, maxima: dict) -> Iterator[Seen]:
    """Yield what each layer's channels see in a picture; ``image``: as large as others were."""
    network, layers = VGG.load(arguments.weights), layers_of(top, arguments)
    pictures = Pictures(top, arguments.images, arguments.max_pixels)
    maps = network.forward(image, layers)[0]
    # as what is usual was taken: at all scales of the scan
    own = maxima_of_picture(network, picture, top.settings)
    with tqdm(total=len(layers) * arguments.channels, unit="channel") as bar:
        for layer in layers:
            a, m, common = maps.pop(layer), own[layer], usual(maxima[layer])
            strength = top.of(layer).value.mean(axis=1)
            candidates = (strength >= np.median(strength)) & within(top, layer)
            r = firing_together(maxima[layer])
            channels = standing_out(m, common, candidates, r, arguments.channels)
            if not channels:
                bar.write(f"{layer}: no channel exceeds what is usual", file=sys.stderr)
            for channel in channels:
                patches = [pictures.cut(patch) for patch in top.patches(layer, channel)]
                above = float(excess(m, common)[channel])
                yield seen(network, image, a, layer, channel, above, patches)
                bar.update()
        bar.total = bar.n  # of some layers there may be fewer


def run(arguments: argparse.Namespace) -> bool:
    """Scan if need be, look, and save the page."""
    path = arguments.picture
    default = Path("outputs", f"{default_stem('look', path.stem)}.html")
    inputs = {**read_files(arguments), "--patches": arguments.patches, "PICTURE": path}
    output = checked_place(
        "--output", arguments.output, default, (".html", ".htm"), inputs, arguments.overwrite
    )
    picture = read_picture(path, arguments.max_pixels)  # what is wrong is told at once
    top = run_scan(arguments, INTERRUPTS)
    image = resize_image(picture, working_size(picture.shape, top.settings.size))
    weights = None if arguments.weights is None else str(arguments.weights.absolute())
    with workers(arguments) as (executor, count):
        maxima = maxima_beside(top, arguments, executor, count, weights)
    found = list(look(arguments, picture, image, top, maxima))
    name = printable(path.name)
    page = look_html(name, image, found, f"What the network sees in {name}")
    return save_and_say(output, lambda place: save_page(place, page), arguments.overwrite)


def main() -> int:
    """Run."""
    return reported(run, parse_arguments(), INTERRUPTS)


if __name__ == "__main__":
    leave(main(), INTERRUPTS)
