"""Draw the claims of the notes as figures, each with its numbers in a table beside it.

    content      deeper keeps less: a photograph rebuilt from one layer; transfers with each layer
    style        a painting's texture from one style layer, and from all up to a layer
    weights      α/β over four decades, at three content layers
    starts       from noise, from the photograph, from the painting: where J and the pictures end
    pooling      max against average pooling
    optimizers   J by evaluation and by second, the notes' plain descent among them
    film         a transfer as it happens, the curves drawn beside it (a GIF)

    python scripts/figures.py content
    python scripts/figures.py all --size 96

Each saves outputs/claim_NAME.png (film: .gif) and outputs/claim_NAME.csv, from the pictures in
scripts/images. --size 64 --iterations 10 is a quick look.
"""

# ruff: noqa: E402 (signals are seen to before the imports, which take a second)

from interrupts import Interrupts

INTERRUPTS = Interrupts("figures")
if __name__ == "__main__":
    INTERRUPTS.install()

import argparse
import sys
import time
from pathlib import Path

from command_line import Parser, leave, positive
from places import check_output, make_outputs, numbered, save_and_say

from scratchnet.files.names import expanded

try:
    from claims import Bench
    from claims_descent import film, optimizers, pooling, starts
    from claims_layers import content, style, weights
    from claims_sheet import save_rows
except ImportError as error:
    print(f"figures: {error}; install the extra: pip install '.[viz]'", file=sys.stderr)
    sys.exit(2)

FIGURES = {
    figure.__name__: figure
    for figure in (content, style, weights, starts, pooling, optimizers, film)
}
ENDINGS = {"film": ".gif"}  # of all others: .png


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("names", nargs="+", choices=[*FIGURES, "all"], metavar="NAME",
        help=f"{', '.join(FIGURES)}, or all")  # fmt: skip
    add("--size", type=positive, default=128, metavar="PX",
        help="long side of the pictures (default: 128); time grows with its square")  # fmt: skip
    add("--iterations", type=positive, metavar="N",
        help="steps of each descent (default: what each figure needs, 40 to 100)")  # fmt: skip
    add("--folder", type=expanded, default=Path("outputs"), metavar="FOLDER",
        help="where the files go (default: outputs)")  # fmt: skip
    add("--overwrite", action="store_true",
        help="replace files that are there; without it, new ones get a number")  # fmt: skip
    return parser.parse_args()


def places_of(name: str, arguments: argparse.Namespace) -> tuple[Path, Path]:
    """Return where a figure and its numbers go, checked."""
    figure = arguments.folder / f"claim_{name}{ENDINGS.get(name, '.png')}"
    if not arguments.overwrite:
        figure = numbered(figure, [".csv"])
    make_outputs(figure)
    pair = figure, figure.with_suffix(".csv")
    for path in pair:
        check_output("--folder", path, {}, arguments.overwrite)
    return pair


def run(arguments: argparse.Namespace) -> int:
    """Draw one figure after the other."""
    names = list(FIGURES) if "all" in arguments.names else list(dict.fromkeys(arguments.names))
    places = {name: places_of(name, arguments) for name in names}
    bench, whole = Bench(arguments.size, arguments.iterations), True
    for name in names:
        print(f"{name:<8} {FIGURES[name].__doc__.splitlines()[0]}", flush=True)
        begin = time.perf_counter()
        drawn, rows = FIGURES[name](bench)
        INTERRUPTS.hold()
        figure, table = places[name]
        for path, save in ((figure, drawn.save), (table, lambda path, r=rows: save_rows(path, r))):
            whole &= save_and_say(path, save, arguments.overwrite)
        print(f"took     {time.perf_counter() - begin:.0f} s", flush=True)
        if INTERRUPTS.received:
            return 128 + INTERRUPTS.received
        INTERRUPTS.rest()
    return 0 if whole else 1


def main() -> int:
    """Run, and turn what a user can mend into one line and exit code 2."""
    arguments = parse_arguments()
    try:
        return run(arguments)
    except MemoryError:
        print("figures: memory ran out; use a smaller --size", file=sys.stderr)
        return 2
    except (OSError, ValueError) as error:
        print(f"figures: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    leave(main(), INTERRUPTS)
