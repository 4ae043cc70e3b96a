"""Where the report and the animated picture of a transfer go: files for which a flag asks."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from places import beside, check_ending, check_output, make_outputs, same_file

# By flag: how the output's name goes on unless a name is given, and how one may end.
EXTRAS = {
    "--report": ("_report.html", (".html", ".htm")),
    "--animate": ("_animated.gif", (".gif", ".webp")),
}


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


def _given(arguments: argparse.Namespace, flag: str) -> Path | bool | None:
    return getattr(arguments, flag.removeprefix("--"))
