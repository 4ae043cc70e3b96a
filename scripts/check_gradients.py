"""Prove every derivative: a table of operations, their largest error, and the bound.

Small random arrays first, entry by entry; then the whole chain from J to the pixels on the
embedded network and a real picture, in float64. Exit code 1 if one fails.

With --bug NAME a classic mistake is planted in a copy of the package, and the table shows how
it is caught. --bug list names them all.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from command_line import Parser
from planted_bugs import BUGS, plant

from scratchnet import VGG, load_image
from scratchnet.checks.catalogue import check_chain, check_operations
from scratchnet.fast.proofs import check_fast_operations
from scratchnet.files.images import resize_image

IMAGES = Path(__file__).resolve().parent / "images"


def check() -> int:
    """Print the table; return 1 if a check failed."""
    content = resize_image(load_image(IMAGES / "leuven_street.jpg"), (48, 64)).astype(np.float64)
    style = resize_image(load_image(IMAGES / "starry_night.jpg"), (48, 60)).astype(np.float64)
    failed = []
    print(f"{'operation':<58} {'by':<7} {'error':>8}  {'bound':>6}  kinks")
    network = VGG.load(dtype="float64")
    for stage in (
        check_operations(), check_fast_operations(), check_chain(network, content, style),
    ):  # fmt: skip
        for report in stage:
            mark = "" if report.passed else "  FAILED"
            print(
                f"{report.operation:<58} {report.argument:<7} {report.error:>8.1e}  "
                f"{report.bound:>6.0e}  {report.kinks or '':>5}{mark}",
                flush=True,
            )
            if not report.passed:
                failed.append(report)
    print("kinks: how often a one-sided difference was taken, on a ReLU's 0 or a pool's tie\n")
    for report in failed:
        print(report)
    print(f"{len(failed)} failed" if failed else "all derivatives agree")
    return 1 if failed else 0


def check_with_bug(name: str) -> int:
    """Run this script on a copy of the package that has the mistake in it."""
    bugs = {bug.name: bug for bug in BUGS}
    if name not in bugs:
        for bug in BUGS:
            print(
                f"{bug.name:<28} {bug.mistake}", file=sys.stdout if name == "list" else sys.stderr
            )
        if name == "list":
            return 0
        print(f"check_gradients: --bug {name}: no such bug; they are above", file=sys.stderr)
        return 2
    bug = bugs[name]
    print(f"Planted in {bug.module}: {bug.mistake}\n- {bug.right}\n+ {bug.wrong}\n", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PYTHONPATH": str(plant(bug, Path(folder)))}
        code = subprocess.run([sys.executable, __file__], env=environment).returncode
    if code == 1:
        print("The mistake was caught.")
    elif code:
        print("The mistake was caught: with it, the checks could not even run.")
    elif not bug.by_gradients:
        print(f"This table can't see it; tests/{bug.test} does.")
    else:
        print("The mistake was NOT caught.")
    return code


def main() -> int:
    """Check the package, or a copy with a mistake in it."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bug", metavar="NAME", help="plant this mistake first; 'list' names all")
    arguments = parser.parse_args()
    try:
        return check_with_bug(arguments.bug) if arguments.bug else check()
    except (OSError, ValueError) as error:
        print(f"check_gradients: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
