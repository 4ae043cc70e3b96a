"""Convert a file of VGG-16 or VGG-19 weights of any format, or say what it is.

Formats: scratchnet's own, Keras's .h5 and .weights.h5, .npz, .safetensors, PyTorch's .pth,
MatConvNet's .mat, ONNX. They are recognised by what is in them. What a file does not tell has to
be said: how its pictures were prepared (--preprocessing), and, in an old file of Theano's, whether
kernels are turned by 180° (--flipped).

  python scripts/convert_weights.py vgg19.pth --preprocessing torchvision
  python scripts/convert_weights.py --inspect vgg19.pth

Every format can be used as it is, too (--weights of the other scripts), if it tells all that.
"""

from interrupts import Interrupts

if __name__ == "__main__":
    Interrupts("convert_weights").install()

import argparse
import sys
from functools import partial
from pathlib import Path

from command_line import Parser, in_one_line
from places import checked_place, save_and_say
from weights_inspected import inspection

from scratchnet.files.names import expanded, printable
from scratchnet.files.weights import PREPROCESSING, WRITERS, examine, save_as
from scratchnet.files.weights.known import hashes


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    # fmt: off
    add("file", type=expanded, help="the file to read")
    add("--inspect", action="store_true",
        help="say what it is, with its mean activations on a photograph, and write nothing")
    add("--output", type=expanded, metavar="FILE",
        help=f"where to write, in the format it ends in: {', '.join(WRITERS)} "
        "(default: outputs/NAME.h5)")
    add("--overwrite", action="store_true", help="replace the output if it is there")
    add("--preprocessing", choices=PREPROCESSING,
        help="how its pictures were prepared, if it does not tell: BGR or RGB minus the mean, "
        "or as torchvision's")
    add("--flipped", choices=("yes", "no"),
        help="whether its kernels are turned by 180°, if it does not tell")
    # fmt: on
    arguments = parser.parse_args()
    if arguments.inspect and arguments.output:
        parser.error("--inspect writes nothing: leave out --output")
    return arguments


def run(arguments: argparse.Namespace) -> None:
    """Convert or inspect, and say what was found."""
    said = {
        "preprocessing": arguments.preprocessing,
        "flipped": arguments.flipped and arguments.flipped == "yes",
    }
    if arguments.inspect:
        for line in inspection(arguments.file, said):
            print(line)
        return
    default = Path("outputs") / f"{arguments.file.stem}.h5"
    inputs = {"the conversion": arguments.file}
    place = checked_place(
        "--output", arguments.output, default, WRITERS, inputs, arguments.overwrite
    )
    found = examine(arguments.file, **said)
    for fact, value in found.facts.items():
        print(f"{fact:<13} {value}")
    for note in found.notes:
        print(f"{'note':<13} {note}")
    attributes = {
        "source": printable(arguments.file.name),
        "source_sha256": hashes(arguments.file)["sha256"],
    }
    save = partial(save_as, weights=found.weights, attributes=attributes)
    if not save_and_say(place, save, arguments.overwrite):
        raise ValueError(f"{place}: not saved in its place")


def main() -> int:
    """Run the script; exit codes: 0, 2 for what a user can mend."""
    return in_one_line("convert_weights", run, parse_arguments())


if __name__ == "__main__":
    sys.exit(main())
