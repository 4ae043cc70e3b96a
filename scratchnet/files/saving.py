"""Files that are never half-written: the old one stays whole until the new one is complete."""

import errno
import hashlib
import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

COUNTER = itertools.count()  # two threads may save to the same place


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a path to write to, which takes the place of ``path`` once all is written.

    It is a hidden file in the same folder, with the same ending, so that taking its place is one
    step: a failure on the way leaves an old file whole and nothing behind. What a process that was
    killed left there goes with the next save to the same place. An old file's mode is kept, and a
    symbolic link stays one: what it points to is replaced.

    Raises
    ------
    OSError
        With the name of ``path``, if it can't be written, or is there and no ordinary file: a
        folder, or a device, which must not become a file.
    """
    path = Path(path)
    target = Path(os.path.realpath(path))
    begin = f".saving-{hashlib.sha256(os.fsencode(target.name)).hexdigest()[:12]}-"
    partial = target.with_name(f"{begin}{os.getpid()}-{next(COUNTER)}{target.suffix}")
    try:
        if target.exists() and not target.is_file():
            reason = errno.EISDIR if target.is_dir() else errno.EINVAL
            raise OSError(reason, os.strerror(reason), str(path))
        _clean_up(target.parent, begin)
        yield partial
        with open(partial, "rb+") as file:
            os.fsync(file.fileno())
        if target.exists():
            partial.chmod(target.stat().st_mode)
        os.replace(partial, target)
    except OSError as error:
        # A full disk is told without a name, another one with the hidden file's.
        named = error.filename is not None and Path(error.filename) != partial
        if error.errno is not None and not named:
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise
    finally:
        partial.unlink(missing_ok=True)


def _clean_up(folder: Path, begin: str) -> None:
    """Remove what dead processes left."""
    for left in folder.glob(f"{begin}*"):
        owner = left.name.removeprefix(begin).split("-")[0]
        if owner.isdigit() and not _is_alive(int(owner)):
            left.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return True
