"""A folder of pictures, painted one by one."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from interrupts import Interrupts
from places import default_stem
from transfer_progress import say

from scratchnet.files.images import find_pictures


def run_folder(
    arguments: argparse.Namespace, run: Callable[[argparse.Namespace], int], interrupts: Interrupts
) -> int:
    """Paint each picture of a folder; what can't be is reported and skipped.

    Returns 0 if all are painted and saved, 128 + n after a signal n, otherwise 1.
    """
    folder, output = arguments.content, arguments.output
    names = find_pictures(folder, lambda reason: say(reason, sys.stderr))
    if output is not None and not output.is_dir():
        raise ValueError(f"--output {output}: is no folder, wanted one for a folder of pictures")
    failed = []
    for n, name in enumerate(names, start=1):
        say(f"picture  {n} of {len(names)}")
        one = argparse.Namespace(**vars(arguments) | {"content": folder / name})
        if output is not None:
            stem = "_".join(Path(name).with_suffix("").parts)  # with the folders on the way
            one.output = output / f"{default_stem(stem, *(s.stem for s in arguments.style))}.png"
        try:
            code = run(one)
        except (OSError, ValueError, MemoryError) as error:
            say(f"transfer: {str(error) or 'memory ran out'}; skipped", sys.stderr)
            code = 2
        if interrupts.received:
            return 128 + interrupts.received
        interrupts.rest()
        if code:
            failed.append(name)
    say(f"painted  {len(names) - len(failed)} of {len(names)} pictures")
    return 1 if failed else 0
