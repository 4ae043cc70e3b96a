"""Make pictures that excite units of a network as much as can be, from noise, by gradient ascent.

Without arguments: six channels of each of four layers of VGG-16. A layer of early blocks is shown
by a whole channel, a later one by one unit; both before the ReLU, so relu4_3 and conv4_3 are the
same here. Saves a sheet of pictures, each with its channel and the value that its unit or its
strongest unit reached. With --parts, the figure of what each part of the recipe does, and what the
same recipe makes of a network that has learned nothing.
"""

# ruff: noqa: E402 (signals are seen to before the imports, which take a second)

from interrupts import Interrupts

INTERRUPTS = Interrupts("maximise")
if __name__ == "__main__":
    INTERRUPTS.install()

import argparse
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

from command_line import Parser, leave, positive, whole
from maximise_sheets import PARTS, Drawing, Starts, figure, part_drawings
from places import checked_place, save_and_say
from scanning import SCRIPTS, tqdm, unit_choice

from scratchnet import VGG, Network, save_image
from scratchnet.files.names import expanded
from scratchnet.files.weights import digest, load_weights, random_parameters
from scratchnet.units.goals import channel_goal, unit_goal
from scratchnet.units.maximise import LARGEST, SMALLEST, check_channel, maximise, suited
from scratchnet.units.receptive_field import receptive_field

UNITS = {
    "relu2_2": [3, 14, 32, 61, 77, 100],
    "relu3_3": [20, 32, 118, 171, 129, 200],
    "relu4_3": [177, 77, 359, 426, 17, 447],
    "relu5_3": [481, 13, 501, 299, 476, 126],
}
PARTS_UNITS = {"relu4_3": [77]}
MOST = 1000  # px: side of a picture
COLUMNS = 6
GOALS = {"unit": unit_goal, "channel": channel_goal}
NAMES = {goal: name for name, goal in GOALS.items()}
STEPS = inspect.signature(maximise).parameters["steps"].default
SEED = inspect.signature(maximise).parameters["seed"].default


def parse_arguments() -> argparse.Namespace:
    """Read the command line; ``units`` is then layer → channels."""
    parser = Parser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    # fmt: off
    add = parser.add_argument
    add("--units", type=unit_choice, nargs="+", action="extend", metavar="LAYER:N,N",
        help="which channels, such as relu4_3:17,300; None: 24 of four layers")
    add("--size", type=positive, metavar="PX",
        help=f"side of a picture; None: what a unit of the layer sees, {SMALLEST} to {LARGEST}")
    add("--steps", type=positive, default=STEPS, metavar="N", help="40 for a sketch")
    add("--seed", type=whole, default=SEED, metavar="N",
        help="the same seed gives the same pictures")
    add("--goal", choices=GOALS,
        help="one unit, or a channel; None: a channel where a unit sees half a picture at most")
    add("--least", action="store_true", help="make what excites least: the most negative value")
    add("--diverse", type=positive, default=1, metavar="N",
        help="pictures of a channel, each unlike those before it")
    add("--from-patch", type=expanded, metavar="FILE",
        help="start from this picture (its middle square) instead of noise; or, given a file of "
        "patches that top_patches.py made (.h5), from each channel's strongest patch")
    add("--images", type=expanded, default=SCRIPTS, metavar="FOLDER",
        help="the pictures of that file of patches")
    add("--parts", action="store_true",
        help="show what each part of the recipe does; for one channel, unless --units names others")
    add("--weights", type=expanded, metavar="FILE",
        help="a weight file; None: the embedded VGG-16")
    add("--random-weights", action="store_true",
        help="of a network that has learned nothing: the control")
    add("--threads", type=positive, metavar="N",
        help="how many compute; None: one per core; the pictures do not depend on it")
    add("--output", type=expanded, metavar="FILE",
        help="None: outputs/maximise.png or outputs/maximise_parts.png, or with a number")
    add("--overwrite", action="store_true", help="replace a file that is there")
    # fmt: on
    arguments = parser.parse_args()
    if arguments.parts and arguments.diverse > 1:
        parser.error("--parts shows one picture of a channel, --diverse several: leave one out")
    units: dict[str, list[int]] = {}
    default = PARTS_UNITS if arguments.parts else UNITS
    for layer, channels in arguments.units or default.items():
        units[layer] = list(dict.fromkeys([*units.get(layer, []), *channels]))
    arguments.units = units
    return arguments


def drawings(
    arguments: argparse.Namespace, network: Network, starts: Starts | None
) -> Iterator[Drawing]:
    """Yield what is to be made; raise ValueError for a channel that is not there."""
    number = 0
    if (arguments.size or 0) > MOST:
        raise ValueError(f"--size {arguments.size}: wanted at most {MOST} px")
    for asked, channels in arguments.units.items():
        network.depth([asked])  # raises for an unknown one
        layer = asked.replace("relu", "conv")
        size, goal = suited(network, layer, arguments.size)
        goal = GOALS[arguments.goal] if arguments.goal else goal
        options = {
            "size": size, "steps": arguments.steps, "goal": goal, "least": arguments.least,
        }  # fmt: skip
        field, one = receptive_field(network, layer).size, NAMES[goal]
        title = f"{asked}: a unit sees {field} px, the pictures have {size} px, for one {one}"
        for channel in channels:
            try:
                check_channel(network, layer, channel, size)
            except ValueError as error:
                raise ValueError(f"--units {asked}:{channel}: {error}") from None
            if starts:
                options = {**options, "start": starts(layer, channel, size)}
            for n in range(arguments.diverse):
                yield Drawing(
                    title, f"{channel}", network, layer, channel,
                    {**options, "seed": arguments.seed + n}, list(range(number - n, number)),
                )  # fmt: skip
                number += 1


def make(wanted: list[Drawing]) -> list[Drawing]:
    """Make all; after Ctrl-C, return those that are begun."""
    total = sum(drawing.options["steps"] for drawing in wanted)

    def progress(step):
        INTERRUPTS.begin()
        bar.update()

    with tqdm(total=total, unit="step") as bar:
        try:
            for drawing in wanted:
                bar.set_description(f"{drawing.layer} {drawing.channel}")
                drawing.make([wanted[n] for n in drawing.unlike], progress)
        except KeyboardInterrupt:
            pass
        INTERRUPTS.hold()
    return [drawing for drawing in wanted if drawing.image is not None]


def caption_of(arguments: argparse.Namespace) -> str:
    """Say in a few sentences what the sheet shows."""
    start = "From noise"
    if arguments.from_patch:
        start = f"From {arguments.from_patch.name} (left of each picture: where it begins)"
    goal, which = ("least", "smallest") if arguments.least else ("most", "largest")
    learned = "random weights" if arguments.random_weights else "the trained network"
    label = "what is left out" if arguments.parts else "its channel"
    return (
        f"{start}, {arguments.steps} steps towards what excites a unit or a channel {goal}, "
        f"{learned}, seed {arguments.seed}. Below each picture: {label}, and the {which} value of "
        "that channel in it, before the ReLU."
    )


def run(arguments: argparse.Namespace) -> int:
    """Make the pictures and save the sheet."""
    default = Path("outputs") / ("maximise_parts.png" if arguments.parts else "maximise.png")
    inputs = {"--weights": arguments.weights, "--from-patch": arguments.from_patch}
    inputs = {flag: file for flag, file in inputs.items() if file is not None}
    endings = (".png", ".jpg", ".jpeg")
    place = checked_place(
        "--output", arguments.output, default, endings, inputs, arguments.overwrite
    )
    architecture, learned, mean = load_weights(arguments.weights)

    def built(parameters):
        return VGG.build(
            parameters, architecture=architecture, mean=mean, threads=arguments.threads
        )

    network = built(random_parameters(architecture) if arguments.random_weights else learned)
    starts = None
    if arguments.from_patch:
        starts = Starts(arguments.from_patch, arguments.images, digest(learned, mean))
    wanted, columns = list(drawings(arguments, network, starts)), arguments.diverse
    if arguments.parts:
        control = built(random_parameters(architecture))
        wanted = [part for drawing in wanted for part in part_drawings(drawing, control)]
        columns = len(PARTS)
    made = make(wanted)
    columns = columns if columns > 1 else COLUMNS // 2 if arguments.from_patch else COLUMNS
    sheet = figure(made, columns, caption_of(arguments))
    saved = save_and_say(place, lambda path: save_image(path, sheet), arguments.overwrite)
    if INTERRUPTS.received:
        print("maximise: interrupted; saved the pictures until then", file=sys.stderr)
        return 128 + INTERRUPTS.received
    return 0 if saved else 1


def main() -> int:
    """Run, and turn what a user can mend into one line and exit code 2."""
    try:
        return run(parse_arguments())
    except MemoryError:
        print("maximise: memory ran out; use a smaller --size", file=sys.stderr)
        return 2
    except (OSError, ValueError) as error:
        print(f"maximise: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    leave(main(), INTERRUPTS)
