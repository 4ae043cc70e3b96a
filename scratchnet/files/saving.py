"""Files that are never half-written: the old one stays whole until the new one is complete."""

import errno
import hashlib
import itertools
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

COUNTER = itertools.count()  # two threads may save to the same place
LONG = 24 * 3600  # seconds: no saving takes that long


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a path to write to, which takes the place of ``path`` once all is written.

    It is a hidden file in the same folder, with the same ending, so that taking its place is one
    step: a failure on the way leaves an old file whole and nothing behind. What a process that was
    killed left there goes with the next save to the same place (on another machine: after a day).
    An old file's mode is kept, and a symbolic link stays one: what it points to is replaced.

    Raises
    ------
    OSError
        With the name of ``path``, if it can't be written, or is there and no ordinary file: a
        folder, or a device, which must not become a file.
    """
    path = Path(path)
    target = Path(os.path.realpath(path))
    begin = f".saving-{_short(target.name)}-"
    unique = f"{_machine()}-{os.getpid()}-{next(COUNTER)}"
    partial = target.with_name(f"{begin}{unique}{target.suffix}")
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


def _short(name: str) -> str:
    """Return 12 letters that stand for a name."""
    return hashlib.sha256(os.fsencode(name)).hexdigest()[:12]


@cache
def _machine() -> str:
    """Return what stands for where a process's number means this process.

    Several machines may share a folder, and so may the containers of one.
    """
    numbers = Path("/proc/self/ns/pid")  # Linux: which processes are numbered together
    return _short(f"{platform.node()} {os.readlink(numbers) if numbers.exists() else ''}")


def _clean_up(folder: Path, begin: str) -> None:
    """Remove what dead processes left."""
    for left in folder.glob(f"{begin}*"):
        machine, process, *_ = *left.name.removeprefix(begin).split("-"), ""
        is_here = machine == _machine() and process.isdecimal()
        with suppress(OSError):  # gone by now, or another user's
            is_old = time.time() - left.stat().st_mtime > LONG
            if is_old or (is_here and not _is_alive(int(process))):
                left.unlink()


def _is_alive(process: int) -> bool:
    if os.name != "posix":  # os.kill would end it
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # another user's
        return True
    return True
