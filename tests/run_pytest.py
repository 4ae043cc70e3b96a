"""Run pytest on another copy of the package, in a process that has the heavy imports already.

`test_planted_bugs` forks a process for each bug from one that has imported what is below; nothing
here may import scratchnet, since each bug has a copy of its own.
"""

import os
import sys

import numpy  # noqa: F401
import pytest
import scipy.fft
import scipy.signal  # noqa: F401


def run(package: str, test: str, folder: str) -> tuple[int, str]:
    """Return pytest's exit code and output for one test file, with the package found there."""
    assert "scratchnet" not in sys.modules
    output = os.path.join(folder, "output.txt")
    file = os.open(output, os.O_WRONLY | os.O_CREAT)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.chdir(folder)
    sys.path.insert(0, package)
    os.environ["PYTHONPATH"] = package  # for what the tests start
    os.environ["PYTEST_ADDOPTS"] = (
        ""  # such as a demand for coverage, which would look like a catch
    )
    sys.dont_write_bytecode = True
    options = ["-q", "-x", "-p", "no:cacheprovider", "--rootdir", folder, "-c", os.devnull]
    code = int(pytest.main([*options, test]))
    sys.stdout.flush()
    with open(output, encoding="utf-8", errors="replace") as text:
        return code, text.read()
