"""Make an atlas of a network's units, to leaf through in a browser, without a network.

Starts from the patches that top_patches.py finds (and finds them, if they are not there). One HTML
file with some units of each layer, or with --all a folder of pages, one a layer, of all channels:
of each its strongest patches, photographs lit where the unit looks, and all there is about it at a
click. Each unit's pictures are files that are kept until all are there: an atlas that was stopped
goes on where it was when the same command is given again.
"""

# ruff: noqa: E402 (signals are seen to before the imports, which take a second)

from interrupts import Interrupts

INTERRUPTS = Interrupts("atlas")
if __name__ == "__main__":
    INTERRUPTS.install()

import argparse
from collections.abc import Iterable
from concurrent.futures import Executor
from contextlib import suppress
from pathlib import Path

from atlas_work import Sources, draw_all, layer_of, layers_of, maxima_beside, tasks_of
from command_line import Parser, leave, positive
from places import checked_place, save_and_say
from scan_workers import workers
from scanning import (
    Pictures,
    add_scan_flags,
    is_among_pictures,
    patches_of,
    read_files,
    reported,
    run_scan,
)

from scratchnet.files.names import expanded
from scratchnet.files.weights import load_weights
from scratchnet.pages.atlas import GRID, AtlasLayer, atlas_html
from scratchnet.pages.atlas_folder import check_folder, save_folder
from scratchnet.pages.atlas_units import Task, sheets_of
from scratchnet.pages.page import data_uri, save_page
from scratchnet.units.choice import chosen_channels
from scratchnet.units.scan.patches import TopPatches

THIRTEEN = tuple(
    f"relu{block}_{n}"
    for block, count in enumerate((2, 2, 3, 3, 3), 1)
    for n in range(1, count + 1)
)
IN_FILE, IN_FOLDER = 96, 160  # px: at how many a patch is stored at most
LIMIT, MORE = 10_000_000, 1_500_000  # bytes of one file, and for each further kind of picture


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    # fmt: off
    add = parser.add_argument
    add("--output", type=expanded, metavar="PLACE",
        help="the page; None: outputs/atlas.html, with a number if that is there; with --all the "
        "folder, None: outputs/atlas")
    add("--all", action="store_true",
        help="a folder of pages, of all channels of thirteen layers, or of --layers")
    add("--units-per-layer", type=positive, default=64, metavar="N", help="at most; not with --all")
    add("--maximise", action="store_true",
        help="the picture that gradient ascent makes for each channel, too: half a minute each of "
        "a deep layer")
    add("--steps", type=positive, default=64, metavar="N", help="of it; 40 for a sketch")
    add("--occlusion", action="store_true",
        help="what matters in a patch, by covering it piece by piece, too: as long")
    add("--title", default="An atlas of units", metavar="TEXT", help="of the pages")
    add_scan_flags(parser)
    # fmt: on
    arguments = parser.parse_args()
    arguments.patches = patches_of(arguments)
    if arguments.all and not hasattr(arguments, "layers"):
        arguments.layers = THIRTEEN
    return arguments


def output_of(arguments: argparse.Namespace) -> Path:
    """Return where the atlas goes, checked."""
    default = Path("outputs/atlas" if arguments.all else "outputs/atlas.html")
    output = arguments.output or default
    if is_among_pictures(output, arguments.images):
        raise ValueError(
            f"--output {output}: lies in the folder of pictures, and the atlas's own would be "
            "taken for more of them; choose another place"
        )
    if arguments.all:
        check_folder(output)
        return output
    inputs = read_files(arguments) | {"--patches": arguments.patches}
    return checked_place(
        "--output", arguments.output, default, (".html", ".htm"), inputs, arguments.overwrite
    )


def run(arguments: argparse.Namespace) -> bool:
    """Scan if need be, draw what is missing, and write the pages."""
    output = output_of(arguments)
    top = run_scan(arguments, INTERRUPTS)
    if top.settings.k > GRID**2:
        raise ValueError(f"k {top.settings.k}: a card of the atlas has room for {GRID**2} patches")
    chosen = {
        layer: list(range(len(top.of(layer).value)))
        if arguments.all
        else sorted(chosen_channels(top, layer, arguments.units_per_layer, arguments.choose))
        for layer in layers_of(top, arguments)
    }
    with workers(arguments) as (executor, count):
        return draw(arguments, top, chosen, output, executor, count)


def draw(
    arguments: argparse.Namespace, top: TopPatches, chosen: dict[str, list[int]], output: Path,
    executor: Executor, count: int,
) -> bool:  # fmt: skip
    """Draw one kind of pictures after the other; a folder has its pages after each."""
    weights = None if arguments.weights is None else str(arguments.weights.absolute())
    parts = output if arguments.all else output.with_name(f"{output.name}.parts")
    options = {
        "pictures": str(arguments.images.absolute()), "weights": weights,
        "folder": str(parts.absolute()), "side": IN_FOLDER if arguments.all else IN_FILE,
        "steps": arguments.steps, "max_pixels": arguments.max_pixels,
    }  # fmt: skip
    maxima = maxima_beside(top, arguments, executor, count, weights)
    kinds = ["seen"]
    kinds += ["made"] if arguments.maximise else []
    kinds += ["covered"] if arguments.occlusion else []
    parameters = load_weights(arguments.weights).parameters
    pictures = Pictures(top, arguments.images, arguments.max_pixels)
    for n, kind in enumerate(kinds, 1):
        draw_all(tasks_of(top, chosen, kind, **options), executor, count, INTERRUPTS)

        def layers(sources: Sources, done=tuple(kinds[:n])):
            for layer, channels in chosen.items():
                tasks = (
                    task
                    for kind in done
                    for task in tasks_of(top, {layer: channels}, kind, **options)
                )
                yield layer_of(top, layer, tasks, sources, maxima[layer], parameters, channels)

        if arguments.all:
            index = save_folder(
                output, list(chosen), layers, Sources(top, pictures), arguments.title
            )
            print(f"saved    {index}")
    if arguments.all:
        return True
    sources = Sources(top, pictures)
    embedded = [embed(layer, parts) for layer in layers(sources)]
    limit = LIMIT + MORE * (len(kinds) - 1)
    page = atlas_html(embedded, sources, title=arguments.title, limit=limit)
    print(f"page     {len(page.encode()) / 1e6:.1f} MB")
    saved = save_and_say(output, lambda path: save_page(path, page), arguments.overwrite)
    if saved:
        remove(parts, (task for kind in kinds for task in tasks_of(top, chosen, kind, **options)))
    return saved


def remove(parts: Path, tasks: Iterable[Task]) -> None:
    """Delete what is in the page now, and folders that are empty then."""
    for task in tasks:
        for sheet in sheets_of(task) or []:
            (parts / sheet.image).unlink(missing_ok=True)
        task.record_file().unlink(missing_ok=True)
    for folder in (*parts.glob("*"), parts):
        with suppress(OSError):  # a folder of somebody else's files stays
            folder.rmdir()


def embed(layer: AtlasLayer, parts: Path) -> AtlasLayer:
    """Return a layer with its sheets themselves in the place of their files' names."""
    units = [
        unit._replace(
            sheets=[
                sheet._replace(image=data_uri((parts / sheet.image).read_bytes()))
                for sheet in unit.sheets
            ]
        )
        for unit in layer.units
    ]
    return layer._replace(units=units)


def main() -> int:
    """Run."""
    return reported(run, parse_arguments(), INTERRUPTS)


if __name__ == "__main__":
    leave(main(), INTERRUPTS)
