"""The test suite must be able to fail: every planted mistake has to be caught by it."""

import multiprocessing
import os
import subprocess
import sys

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
    import run_pytest  # and so SciPy's signals, which the plain tests need not wait for

    everything = bugs.BUGS + HARMLESS
    folders = [tmp_path_factory.mktemp(bug.name) for bug in everything]
    jobs = [
        (str(bugs.plant(bug, folder)), str(ROOT / "tests" / bug.test), str(folder))
        for bug, folder in zip(everything, folders, strict=True)
    ]
    # Each run is a process forked from one that has NumPy, SciPy and pytest: they start in no time.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["run_pytest"])
    with context.Pool(2, maxtasksperchild=1) as pool:
        results = pool.starmap(run_pytest.run, jobs, chunksize=1)
    return {bug.name: result for bug, result in zip(everything, results, strict=True)}


def test_there_are_at_least_thirty():
    assert len({bug.name for bug in bugs.BUGS}) >= 30


@pytest.mark.parametrize("name", [bug.name for bug in bugs.BUGS])
def test_planted_bug_is_caught(name, runs):
    # 1: tests ran and one failed. Anything else (0: none failed, 2 to 5: none ran) is no catch.
    code, output = runs[name]
    assert code == 1, output[-2000:]


@pytest.mark.parametrize("name", [bug.name for bug in HARMLESS])
def test_an_unchanged_copy_passes(name, runs):
    code, output = runs[name]
    assert code == 0, output[-2000:]


def test_a_bug_that_no_longer_fits_the_source_is_refused(tmp_path):
    stale = bugs.Bug("stale", "nothing", bugs.RELU, "no such text", "")
    with pytest.raises(ValueError, match=r"stale: network/relu.py holds 'no such text' 0 times"):
        bugs.plant(stale, tmp_path)


@pytest.mark.parametrize(
    "bug", [bug for bug in bugs.BUGS if bug.module in (bugs.NETWORK, bugs.OBJECTIVE)],
    ids=lambda bug: bug.name,
)  # fmt: skip
def test_the_table_that_readers_see_catches_it(bug, tmp_path):
    command = [sys.executable, str(ROOT / "scripts" / "check_gradients.py"), "--bug", bug.name]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode in (1, 2) and "The mistake was caught" in run.stdout, run.stdout[-1000:]
