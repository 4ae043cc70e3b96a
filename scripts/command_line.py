"""What the scripts share.

A mistake on the command line gives one line, not a page; how much memory there is, and how much
was taken.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

from interrupts import Interrupts

PROCESS = 180_000_000  # bytes that Python, its libraries and a network take


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, with exit code 2.

    A terminal that lacks a letter of what a script says gets a question mark instead.
    """

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="replace")

    def error(self, message: str):
        """Say what was wrong, and where the help is."""
        self.exit(2, f"{self.prog.removesuffix('.py')}: {message} (see --help)\n")


def positive(text: str) -> int:
    """Read a whole number of at least 1."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number of at least 1")
    return number


def whole(text: str) -> int:
    """Read a whole number of at least 0."""
    if (number := int(text)) < 0:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number of at least 0")
    return number


def in_one_line(
    name: str, run: Callable[[argparse.Namespace], bool | None], arguments: argparse.Namespace
) -> int:
    """Run a script, and turn what a user can mend into one line; return the exit code.

    0; 2 for what a user can mend; 1 if ``run`` returns False: it has said what was not saved in its
    place.
    """
    try:
        whole = run(arguments)
    except (OSError, ValueError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    return 1 if whole is False else 0


def leave(code: int, interrupts: Interrupts) -> NoReturn:
    """End the script, and see to it that Python does not fail in its last breath.

    What nobody reads any more (a terminal that is gone, a closed pipe) is thrown away, and signals
    that come now are ignored.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    interrupts.end()
    sys.exit(code)


def available_memory() -> float:
    """Return how many more bytes of memory this process may take.

    What the machine has free, or what each of the process's Linux control groups (its container)
    still grants, whichever is the least; infinity where the system does not say.
    """
    return min([_free_memory(), *_left_in_groups()])


def available_addresses() -> float:
    """Return how many more bytes may be mapped, with or without memory (``ulimit -v``, ``-d``)."""
    try:
        import resource

        kinds = resource.RLIMIT_AS, resource.RLIMIT_DATA
        limits = [resource.getrlimit(kind)[0] for kind in kinds]
        infinity = resource.RLIM_INFINITY
    except ImportError:  # not on Windows
        return float("inf")
    pages = _text("/proc/self/statm").split() or [0] * 6  # in use: all, …, all that is data
    in_use = [int(pages[n]) * resource.getpagesize() for n in (0, 5)]
    left = [limit - used for limit, used in zip(limits, in_use, strict=True) if limit != infinity]
    return min(left, default=float("inf"))


def _free_memory() -> float:
    """Return what the machine has free: on Linux with what it would take back from its caches."""
    words = _text("/proc/meminfo").split()
    if "MemAvailable:" in words:
        return 1024 * int(words[words.index("MemAvailable:") + 1])
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return float("inf")


# of a version of control groups: limit, what is in use, and the part that is a cache of files
GROUP_FILES = (
    ("memory.max", "memory.current", "inactive_file", "active_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file", "total_active_file"),
)


def _left_in_groups(
    process: Path = Path("/proc/self"), mount: Path = Path("/sys/fs/cgroup")
) -> Iterator[int]:
    """Yield what each control group still grants: the process's own, and those around it."""
    for line in _text(process / "cgroup").splitlines():
        _, kinds, path = line.split(":", 2)
        if kinds and "memory" not in kinds.split(","):
            continue
        places = [mount / "memory"] if kinds else [mount, mount / "unified"]
        limit, usage, *caches = GROUP_FILES[1 if kinds else 0]
        for root in places:
            own = root if ".." in path else root / path.strip("/")  # "..": not to be seen from here
            for group in [own, *own.parents]:
                most, used = _text(group / limit).strip(), _text(group / usage)
                if used and most not in ("", "max"):
                    stat = _text(group / "memory.stat").split()
                    cached = [int(stat[stat.index(name) + 1]) for name in caches if name in stat]
                    yield int(most) - int(used) + sum(cached)
                if group == root:
                    break


def _text(path: str | Path) -> str:
    """Return what a file of the system says; nothing if it is not there."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


def memory_in_use() -> int:
    """Return how many bytes of memory this process has now; about, where there is no Linux."""
    return _status("VmRSS:")


def peak_memory() -> int:
    """Return the most bytes that this process has had; about, where there is no Linux."""
    return _status("VmHWM:")


def _status(field: str) -> int:
    _, found, rest = _text("/proc/self/status").partition(field)
    return 1024 * int(rest.split()[0]) if found else PROCESS
