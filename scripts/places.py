"""Where a script's files go: looked at before the work, and nothing lost after it.

No output is an input, no file is replaced unasked, and what can't be saved in its place is saved in
another one.
"""

import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from itertools import count
from pathlib import Path

from scratchnet.files.names import printable
from scratchnet.files.saving import replacing

FIGURES = (".png", ".jpg", ".pdf")  # how matplotlib's may end


class _NoneYet(Exception):  # noqa: N818 (it is no error)
    """Ends a trial of `replacing` before anything is replaced."""


def beside(path: Path, ends: Iterable[str]) -> list[Path]:
    """Return the names of the files that belong to a path: a.png, "_strip.png" → a_strip.png."""
    return [path.with_name(path.stem + end) for end in ends]


def default_stem(*names: str) -> str:
    """Join names to one, each shortened so that file systems take the whole."""
    return "_".join(name.encode()[:80].decode(errors="ignore") for name in names)


def numbered(path: Path, ends: Iterable[str] = ()) -> Path:
    """Return the path or, if it or a file beside it is there, the first free of a-2.png, …."""
    names = (path.with_stem(f"{path.stem}-{n}") if n > 1 else path for n in count(1))
    return next(
        name for name in names if not any(map(os.path.lexists, (name, *beside(name, ends))))
    )


def same_file(a: Path, b: Path) -> bool:
    """Say whether two paths, of files that may not be there yet, are one file."""
    return os.path.realpath(a) == os.path.realpath(b) or (
        a.exists() and b.exists() and os.path.samefile(a, b)
    )


def make_outputs(path: Path) -> None:
    """Make the folder outputs/, if that is where a file goes."""
    if path.parent == Path("outputs"):
        if os.path.lexists("outputs") and not Path("outputs").is_dir():
            raise ValueError("outputs: is a file, wanted a folder; name another place")
        path.parent.mkdir(exist_ok=True)


def check_ending(flag: str, path: Path, *endings: str) -> None:
    """Raise ValueError unless a file to write has one of the endings."""
    if path.suffix.lower() not in endings:
        raise ValueError(f"{flag} {path}: wanted a name that ends in {' or '.join(endings)}")


def check_output(flag: str, path: Path, inputs: Mapping[str, Path], overwrite: bool) -> None:
    """Raise ValueError unless a file can be saved under this name.

    Parameters
    ----------
    flag : str
        What the path was given by, for the message.
    path : Path
    inputs : mapping
        Flag → a file that is read, and must stay as it is.
    overwrite : bool
        Whether a file that is there may be replaced.
    """
    shown = printable(f"{flag} {path}")
    try:
        for name, other in inputs.items():
            if same_file(path, other):
                raise ValueError(f"{shown}: is what {name} reads, and would be lost")
        if path.is_dir():
            raise ValueError(f"{shown}: is a folder, wanted a file")
        if not path.parent.is_dir():
            raise ValueError(f"{shown}: there is no folder {printable(path.parent)}")
        if os.path.lexists(path) and not overwrite:
            raise ValueError(f"{shown}: is there already; --overwrite replaces it")
        with replacing(path) as partial:
            partial.write_bytes(b"0")
            raise _NoneYet
    except _NoneYet:
        pass
    except OSError as error:
        raise ValueError(f"{shown}: can't be written ({error.strerror or error})") from None


def checked_place(
    flag: str,
    given: Path | None,
    default: Path,
    endings: Iterable[str],
    inputs: Mapping[str, Path],
    overwrite: bool,
) -> Path:
    """Return where a result goes, checked: where it was asked for, or by default, numbered."""
    path = given or (default if overwrite else numbered(default))
    make_outputs(path)
    check_output(flag, path, inputs, overwrite)
    check_ending(flag, path, *endings)
    return path


def outputs_beside(
    path: Path, ends: Iterable[str], inputs: Mapping[str, Path], overwrite: bool
) -> list[Path]:
    """Return the files that are to go beside another, checked; numbered if one is there already.

    For a.h5 and "_x.png" that is a_x.png, or a-2_x.png, …; with ``overwrite``, a_x.png anyway.
    """
    ends = list(ends)
    for n in count(1):
        stem = f"{path.stem}-{n}" if n > 1 else path.stem
        files = [path.with_name(stem + end) for end in ends]
        if overwrite or not any(map(os.path.lexists, files)):
            break
    for file in files:
        check_output("output", file, inputs, overwrite)
    return files


def save_and_say(path: Path, save: Callable[[Path], None], overwrite: bool) -> bool:
    """Save as `save_somewhere` does, and say where; return whether it is where it was wanted."""
    place, trouble = save_somewhere(path, save, overwrite)
    if trouble:
        print(trouble + (f"; saved {place} instead" if place else ""), file=sys.stderr)
    else:
        print(f"saved    {place}")
    return not trouble


def save_somewhere(
    path: Path, save: Callable[[Path], None], overwrite: bool
) -> tuple[Path | None, str]:
    """Save at a path or, if that fails, in the current or the temporary folder.

    A file that has appeared there meanwhile is not replaced, unless asked for.

    Returns
    -------
    saved : Path or None
        Where; None if nowhere.
    trouble : str
        Why it is not where it was wanted.
    """
    trouble = ""
    for folder in (path.parent, Path.cwd(), Path(tempfile.gettempdir())):
        try:
            wanted = folder / path.name
            place = wanted if overwrite and folder == path.parent else numbered(wanted)
            save(place)
            return place, trouble
        except (OSError, MemoryError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error or type(error).__name__
            trouble = trouble or printable(f"{path}: not saved ({reason})")
    return None, trouble


def save_text(path: Path, text: str) -> None:
    """Write a text and a last line's end; an old file stays whole if that fails."""
    with replacing(path) as partial:
        partial.write_text(text + "\n", encoding="utf-8")


def table(head: list[str], rows: Iterable[Iterable]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
