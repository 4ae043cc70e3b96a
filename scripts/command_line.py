"""What the scripts share.

A mistake on the command line gives one line, not a page; how much memory there is, and how much
was taken.
"""

import argparse
import os
from pathlib import Path


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, with exit code 2."""

    def error(self, message: str):
        """Say what was wrong, and where the help is."""
        self.exit(2, f"{self.prog}: {message} (see --help)\n")


def positive(text: str) -> int:
    """Read a whole number of at least 1."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number of at least 1")
    return number


def available_memory() -> float:
    """Return how many bytes this process may take; infinity where the system does not say.

    The machine's memory, or what its container (a Linux control group) grants, or the process's
    own limit (``ulimit -v``), whichever is the least.
    """
    limits = []
    try:
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        pass
    for path in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            limits.append(int(Path("/sys/fs/cgroup", path).read_text(encoding="ascii")))
        except (OSError, ValueError):  # no such file, or the word "max"
            continue
    try:
        import resource

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        limits += [limit] if limit != resource.RLIM_INFINITY else []
    except ImportError:  # not on Windows
        pass
    return min(limits, default=float("inf"))


def peak_memory() -> int:
    """Return the most bytes that this process has had in memory (Linux only)."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return 1024 * int(status.split("VmHWM:")[1].split()[0])
