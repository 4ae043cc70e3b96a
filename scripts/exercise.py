"""Write the backward passes yourself, and have them checked.

Without a name, lists the exercises. With one, writes a file with the real signature, docstring and
forward pass, and a hole for you to fill; then

    python scripts/exercise.py NAME --check

holds what you wrote against numerical derivatives, and says what is wrong, if anything is. Exit
code 0 if it is right, 1 if not yet.
"""

from interrupts import Interrupts

if __name__ == "__main__":
    Interrupts("exercise").install()

import argparse
import sys
from pathlib import Path

from command_line import Parser

from scratchnet.exercises import EXERCISES, run_check, sheet, solution
from scratchnet.files.saving import replacing

FOLDER = Path("outputs", "exercises")


def own_file(name: str) -> Path:
    """Return where the reader's file is, unless he says otherwise."""
    return FOLDER / f"{name}.py"


def show_list() -> int:
    """Print all exercises."""
    for exercise in EXERCISES.values():
        print(f"{exercise.name:<20} {exercise.task:<44} {exercise.asked}")
    print("\nBegin with: python scripts/exercise.py relu")
    return 0


def show_progress(seconds: float) -> int:
    """Check all files that there are; return 1 if something is left to do."""
    done = 0
    for name in EXERCISES:
        state = "not begun"
        if own_file(name).exists():
            print(f"{name:<20} …", end="\r", flush=True)
            right = run_check(name, own_file(name), seconds).passed
            done += right
            state = "done" if right else "not yet right"
        print(f"{name:<20} {state}")
    print(f"\n{done} of {len(EXERCISES)} done")
    return int(done < len(EXERCISES))


def write(parser: Parser, name: str, output: Path, force: bool) -> int:
    """Write the reader's file."""
    if output.exists() and not force:
        parser.error(f"{output} exists and may hold your work; --force replaces it")
    output.parent.mkdir(parents=True, exist_ok=True)
    with replacing(output) as path:
        path.write_text(sheet(EXERCISES[name]), encoding="utf-8")
    print(f"wrote {output}: write {EXERCISES[name].asked} in it, and then")
    flag = "" if output == own_file(name) else f" {output}"
    print(f"python scripts/exercise.py {name} --check{flag}")
    return 0


def main() -> int:
    """Read the command line and do what it says."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", metavar="NAME", help="an exercise; without it, the list")
    parser.add_argument(
        "--check", nargs="?", const="", metavar="FILE",
        help=f"check a file (default {own_file('NAME')})",
    )  # fmt: skip
    parser.add_argument("--solution", action="store_true", help="show the real code")
    parser.add_argument("--progress", action="store_true", help="the list, with what is done")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help=f"what to write (default {own_file('NAME')})"
    )
    parser.add_argument("--force", action="store_true", help="replace a file that exists")
    parser.add_argument(
        "--seconds", type=float, default=60, metavar="S", help="a check may take (default 60)"
    )
    args = parser.parse_args()
    if args.progress:
        return show_progress(args.seconds)
    if args.name is None:
        if args.check is not None or args.solution or args.output:
            parser.error("which exercise? Give its NAME")
        return show_list()
    if args.name not in EXERCISES:
        parser.error(f"there is no exercise {args.name!r}; there are {', '.join(EXERCISES)}")
    if args.solution:
        print(solution(EXERCISES[args.name]))
        return 0
    if args.check is None:
        return write(parser, args.name, args.output or own_file(args.name), args.force)
    file = Path(args.check or own_file(args.name))
    if not file.is_file():
        parser.error(f"{file}: there is no such file; python scripts/exercise.py {args.name}")
    verdict = run_check(args.name, file, args.seconds)
    print(verdict.message)
    return 0 if verdict.passed else 1


if __name__ == "__main__":
    sys.exit(main())
