"""Convert a file of VGG-16 or VGG-19 weights of any format, or say what it is.

Formats: scratchnet's own, Keras's .h5 and .weights.h5, .npz, .safetensors, PyTorch's .pth,
MatConvNet's .mat, ONNX. They are recognised by what is in them. What a file does not tell has to
be said: how its pictures were prepared (--preprocessing), and, in an old file of Theano's, whether
kernels are turned by 180° (--flipped).

A kernel's axes are called H, W (rows, columns), I and O (channels in, channels out): HWIO, as
scratchnet, Keras and MatConvNet store them, or OIHW, as PyTorch, ONNX and Theano do.

  python scripts/convert_weights.py vgg19.pth --preprocessing torchvision
  python scripts/convert_weights.py --inspect vgg19.pth

Every format can be used as it is, too (--weights of the other scripts), if it tells all that.
"""

# ruff: noqa: E402 (signals are seen to before the imports, which take a second)

from interrupts import Interrupts

INTERRUPTS = Interrupts("convert_weights")
if __name__ == "__main__":
    INTERRUPTS.install()

import argparse
from contextlib import suppress
from functools import partial
from pathlib import Path

from command_line import Parser, in_one_line, leave
from places import checked_place, save_and_say
from weights_inspected import inspection

from scratchnet.files.names import expanded, printable
from scratchnet.files.weights import PREPROCESSING, WRITERS, examine, own, save_as
from scratchnet.files.weights.known import hashes


def file_name(text: str) -> Path:
    """Read a file's name, which pathlib would take for the current folder if it were empty."""
    if not text:
        raise argparse.ArgumentTypeError("the file's name is empty")
    return expanded(text)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    # fmt: off
    add("file", type=file_name, help="the file to read")
    add("--inspect", action="store_true",
        help="say what it is, with its mean activations on a photograph, and write nothing")
    add("--output", type=file_name, metavar="FILE",
        help=f"where to write, in the format it ends in: {', '.join(WRITERS)} "
        "(default: outputs/NAME.h5)")
    add("--overwrite", action="store_true", help="replace the output if it is there")
    add("--preprocessing", choices=PREPROCESSING,
        help="how its pictures were prepared, if it does not tell: BGR or RGB minus the mean, "
        "or as torchvision's")
    add("--flipped", choices=("yes", "no"),
        help="whether its kernels are turned by 180°, if it does not tell: a file with the axes "
        "OIHW may be Theano's")
    # fmt: on
    arguments = parser.parse_args()
    if arguments.inspect and (arguments.output or arguments.overwrite):
        flag = "--output" if arguments.output else "--overwrite"
        parser.error(f"--inspect writes nothing: leave out {flag}")
    return arguments


def run(arguments: argparse.Namespace) -> bool:
    """Convert or inspect, say what was found, and return whether all is where it was wanted."""
    said = {
        "preprocessing": arguments.preprocessing,
        "flipped": arguments.flipped and arguments.flipped == "yes",
    }
    if arguments.inspect:
        with suppress(BrokenPipeError):  # nobody reads on
            for line in inspection(arguments.file, said):
                print(line)
        return True
    found = examine(arguments.file, **said)  # before the output is looked at, which makes a folder
    recorded = own.attributes(arguments.file) if found.facts["format"] == own.FORMAT else {}
    default = Path("outputs") / f"{arguments.file.stem}.h5"
    inputs = {"the conversion": arguments.file}
    place = checked_place(
        "--output", arguments.output, default, WRITERS, inputs, arguments.overwrite
    )
    for fact, value in found.facts.items():
        print(f"{fact:<13} {value}")
    for note in found.notes:
        print(f"{'note':<13} {note}")
    attributes = recorded or {
        "source": printable(arguments.file.name),
        "source_sha256": hashes(arguments.file)["sha256"],
    }
    save = partial(save_as, weights=found.weights, attributes=attributes)
    return save_and_say(place, save, arguments.overwrite)


def main() -> int:
    """Run the script; exit codes: 0, 1 if not saved in its place, 2 for what a user can mend."""
    return in_one_line("convert_weights", run, parse_arguments())


if __name__ == "__main__":
    leave(main(), INTERRUPTS)
