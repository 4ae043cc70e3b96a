"""Find the image patches that excite each channel of a network most, and draw them.

Without arguments: the photographs that come with scratchnet, layers 1 to 5. Saves the patches
(--output, an HDF5 file), the figure of nine units a layer with their nine patches (….png), and
what one unit of each layer sees of a picture (…_fields.png). A scan that was stopped goes on
where it was when the same command is given again; a finished one is only drawn anew.
"""

import argparse
import sys
from concurrent.futures import BrokenExecutor

from command_line import Parser  # first: it holds BLAS to one thread
from scanning import add_scan_flags, run_scan

from scratchnet import save_image
from scratchnet.figures import Panel, fields_on_picture, growing_panels, unit_panel
from scratchnet.top_patches import TopPatches
from scratchnet.units import crop

UNITS_PER_LAYER = 9
CAPTION = (
    "Each unit's strongest patches, one pixel of a picture a pixel of the figure. A patch is the "
    "unit's theoretical receptive field: no pixel outside it has any influence."
)


def unit_choice(text: str) -> tuple[str, list[int]]:
    """Read "relu4_2:17,300"."""
    layer, _, channels = text.partition(":")
    try:
        return layer, [int(channel) for channel in channels.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not like relu4_2:17,300") from None


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    add_scan_flags(parser, "outputs/top_patches.h5")
    parser.add_argument(
        "--units", type=unit_choice, nargs="+", default=[], metavar="LAYER:N,N",
        help="which channels to draw, such as relu4_3:17,300; of other layers, the strongest nine",
    )  # fmt: skip
    arguments = parser.parse_args()
    for layer, _ in arguments.units:
        if layer not in arguments.layers:
            parser.error(f"--units {layer}: not among --layers {','.join(arguments.layers)}")
    return arguments


def panel(top: TopPatches, number: int, layer: str, channels: list[int], pictures) -> Panel:
    """Return the panel of some channels of a layer."""
    field, k = top.fields[layer], top.settings.k
    units = [
        [crop(pictures(patch), patch.box) for patch in top.patches(layer, channel)]
        for channel in channels
    ]
    labels = [
        f"{channel}" if patches else f"{channel} never fires"
        for channel, patches in zip(channels, units, strict=True)
    ]
    rows = [f"units {', '.join(labels[n : n + 3])}" for n in range(0, len(labels), 3)]
    title = f"layer {number}: {layer}"
    return Panel(title, [f"sees {field.size} px", *rows], unit_panel(units, k, field.size))


def draw(top: TopPatches, arguments: argparse.Namespace) -> None:
    """Draw both figures beside the file of patches, and print the table of fields."""
    loaded = {}

    def pictures(patch):
        """Return the picture of a patch, at its scale."""
        key = patch.picture, patch.scale
        if key not in loaded:
            loaded[key] = top.picture(arguments.images, *key)
        return loaded[key]

    chosen = dict(arguments.units)
    panels, layers = [], sorted(top.fields, key=lambda layer: top.fields[layer].size)
    for number, layer in enumerate(layers, start=1):
        channels = chosen.get(layer) or top.strongest_channels(layer, UNITS_PER_LAYER)
        if channels:
            panels.append(panel(top, number, layer, channels, pictures))
    if panels:
        figure = arguments.output.with_suffix(".png")
        save_image(figure, growing_panels(panels, CAPTION))
        print(f"saved    {figure}")
    deepest = layers[-1]
    for channel in top.strongest_channels(deepest, 1):
        patch = top.patches(deepest, channel)[0]
        fields = {layer: top.fields[layer] for layer in reversed(layers)}
        middle = [top.fields[deepest].middle(part) for part in patch.position]
        figure = arguments.output.with_name(f"{arguments.output.stem}_fields.png")
        save_image(figure, fields_on_picture(pictures(patch), fields, middle))
        print(f"saved    {figure}")


def summary(top: TopPatches) -> str:
    """Return a table of the layers: size of the field, channels, and how many never fire."""
    lines = ["layer     sees (theoretical receptive field)   a unit every   channels   never fire"]
    for layer, field in top.fields.items():
        value = top.strongest[layer].value
        lines.append(
            f"{layer:<9} {f'{field.size}×{field.size} px':<36} {f'{field.jump} px':<14} "
            f"{len(value):<10} {(value[:, 0] == 0).sum()}"
        )
    return "\n".join(lines)


def run(arguments: argparse.Namespace) -> int:
    """Scan and draw."""
    top = run_scan(arguments)
    print(f"patches  {arguments.output}, from {len(top.names) - len(top.unreadable)} pictures")
    if top.unreadable:
        print(f"skipped  {len(top.unreadable)} that could not be read")
    print(summary(top))
    draw(top, arguments)
    return 0


def main() -> int:
    """Run; a mistake gives one line and exit code 2."""
    arguments = parse_arguments()
    try:
        return run(arguments)
    except (OSError, ValueError) as error:
        print(f"top_patches: {error}", file=sys.stderr)
        return 2
    except BrokenExecutor:
        message = "a worker died (out of memory?); the same command goes on where it was"
    except KeyboardInterrupt:
        message = "interrupted; the same command goes on where it was"
    print(f"\ntop_patches: {message}", file=sys.stderr)
    return 130 if message.startswith("interrupted") else 1


if __name__ == "__main__":
    sys.exit(main())
