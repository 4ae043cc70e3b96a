"""The report and the animated picture of a transfer: where they go, and what memory they take."""

import argparse
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path

from places import beside, check_ending, check_output, make_outputs, same_file

from scratchnet.files.images import fit
from scratchnet.style.layers import Size

# By flag: how the output's name goes on unless a name is given, and how one may end.
EXTRAS = {
    "--report": ("_report.html", (".html", ".htm")),
    "--animate": ("_animated.gif", (".gif", ".webp")),
}

# Of a report and an animated picture, in bytes a pixel of all frames: what is kept while the
# transfer runs, and what making the files takes at its end.
ENCODED, MADE = 1.5, 12
GRADIENTS = 14  # pictures: a term's gradient each, their sum, and what draws them


def extra_ends(arguments: argparse.Namespace) -> dict[str, str]:
    """Return flag → how the output's name goes on, for those asked for without a name."""
    return {flag: end for flag, (end, _) in EXTRAS.items() if _given(arguments, flag) is True}


def extra_places(
    arguments: argparse.Namespace,
    output: Path,
    files: Sequence[Path],
    inputs: Mapping[str, Path],
) -> dict[str, Path]:
    """Return flag → file for those asked for, after checking the names that were given.

    Parameters
    ----------
    arguments : Namespace
    output : Path
        What the others are beside.
    files : sequence of Path
        All other files that are to be written.
    inputs : mapping
        Flag → a file that is read.
    """
    ends = extra_ends(arguments)
    places = dict(zip(ends, beside(output, ends.values()), strict=True))
    for flag, (_, endings) in EXTRAS.items():
        if isinstance(path := _given(arguments, flag), Path):
            check_ending(flag, path, *endings)
            if any(same_file(path, other) for other in (*files, *places.values())):
                raise ValueError(f"{flag} {path}: is another output as well")
            make_outputs(path)
            check_output(flag, path, inputs, arguments.overwrite)
            places[flag] = path
    return places


def extra_memory(size: Size, arguments, picture: int) -> tuple[int, int]:
    """Return what --report and --animate keep, and take at the end; ``picture`` is one's bytes."""
    if not (arguments.report or arguments.animate):
        return 0, 0
    from transfer_timeline import CHOSEN, FRAMES

    from scratchnet.pages.curves import shape_beside
    from scratchnet.pages.report import FRAME

    shape = fit(size, min(FRAME, max(size)))
    kept, made = FRAMES * prod(shape), FRAMES * prod(shape)
    if arguments.animate_curves:
        made = FRAMES * prod(shape_beside(shape))
    chosen, gradients = (CHOSEN, GRADIENTS) if arguments.report else (0, 0)
    return round(ENCODED * kept) + chosen * picture, max(MADE * made, gradients * picture)


def _given(arguments: argparse.Namespace, flag: str) -> Path | bool | None:
    return getattr(arguments, flag.removeprefix("--"))
