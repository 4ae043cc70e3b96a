"""The test suite must be able to fail: every planted mistake has to be caught by it."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import ROOT, load_script

pytestmark = pytest.mark.slow
bugs = load_script("planted_bugs")
HARMLESS = [  # edits that change nothing: without them, a copy that can't run would count as caught
    bugs.Bug(f"none-{test}", "nothing", bugs.RELU, "dy * cache", "dy * cache", test)
    for test in sorted({bug.test for bug in bugs.BUGS})
]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Run, for each bug, the test file that should catch it, on a copy that has the bug."""

    def run(bug, folder):
        environment = {
            **os.environ,
            "PYTHONPATH": str(bugs.plant(bug, folder)),
            "PYTHONDONTWRITEBYTECODE": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "PYTEST_ADDOPTS": "",  # such as a demand for coverage, which would look like a catch
        }
        command = [
            sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider",
            "--rootdir", str(folder), "-c", os.devnull, str(ROOT / "tests" / bug.test),
        ]  # fmt: skip
        return subprocess.run(
            command, env=environment, cwd=folder, capture_output=True, text=True, check=False
        )

    everything = bugs.BUGS + HARMLESS
    folders = [tmp_path_factory.mktemp(bug.name) for bug in everything]  # not in two threads
    with ThreadPoolExecutor(2) as pool:
        results = pool.map(run, everything, folders)
        return {bug.name: result for bug, result in zip(everything, results, strict=True)}


def test_there_are_at_least_thirty():
    assert len({bug.name for bug in bugs.BUGS}) >= 30


@pytest.mark.parametrize("name", [bug.name for bug in bugs.BUGS])
def test_planted_bug_is_caught(name, runs):
    # 1: tests ran and one failed. Anything else (0: none failed, 2 to 5: none ran) is no catch.
    assert runs[name].returncode == 1, runs[name].stdout[-2000:] + runs[name].stderr[-500:]


@pytest.mark.parametrize("name", [bug.name for bug in HARMLESS])
def test_an_unchanged_copy_passes(name, runs):
    assert runs[name].returncode == 0, runs[name].stdout[-2000:] + runs[name].stderr[-500:]


def test_a_bug_that_no_longer_fits_the_source_is_refused(tmp_path):
    stale = bugs.Bug("stale", "nothing", bugs.RELU, "no such text", "")
    with pytest.raises(ValueError, match=r"stale: network/relu.py holds 'no such text' 0 times"):
        bugs.plant(stale, tmp_path)
