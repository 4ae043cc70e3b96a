"""Scans and atlases that are killed at any moment: nothing is lost, and nothing is left behind.

SCRATCHNET_KILLS says how many times (50), SCRATCHNET_SEED at which moments (0).
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import IMAGES, ROOT, amount, files

from scratchnet import load_image, save_image
from scratchnet.units.scan.patches import TopPatches

pytest.importorskip("tqdm", reason="tqdm is not installed (extra 'viz')")

KILLS, SEED = amount("KILLS", 50), amount("SEED", 0)
FLAGS = "--images mine --layers relu1_2,relu2_1 --size 32 --k 4 --workers 1".split()
SCRIPTS = {"top_patches": "--patches p.h5", "atlas": "--patches p.h5 --output a.html"}


def contents(folder):
    return {name: (folder / name).read_bytes() for name in files(folder)}


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_killed_run_loses_nothing(tmp_path, script, number):
    """Whatever is there after a kill is whole, and the next run ends with the usual bytes."""
    rng = np.random.default_rng(SEED)
    (tmp_path / "mine").mkdir()
    for n in range(8):
        save_image(tmp_path / "mine" / f"{n}.png", rng.uniform(0, 255, (40, 44, 3)))
    given = contents(tmp_path)
    command = [sys.executable, ROOT / "scripts" / f"{script}.py", *FLAGS, *SCRIPTS[script].split()]
    options = {
        "cwd": tmp_path,
        "env": {**os.environ, "PYTHONPATH": str(ROOT)},
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "text": True,
    }

    start = time.perf_counter()
    subprocess.run(command, check=True, **options)
    duration = time.perf_counter() - start
    expected = contents(tmp_path)
    codes = []
    for n in range(KILLS):
        for name in set(expected) - set(given):
            (tmp_path / name).unlink()
        process = subprocess.Popen(command, **options)
        time.sleep(rng.uniform(0.1, 0.9) * duration)
        process.send_signal(number)
        _, error = process.communicate(timeout=60)
        codes.append(process.returncode)
        # what it had finished is whole; before the handlers are there, SIGTERM is the system's
        assert process.returncode in (0, -number, 128 + number), error
        assert "Traceback" not in error, error
        for name, bytes_now in contents(tmp_path).items():
            if name in expected:
                assert bytes_now == expected[name], (n, name)
        subprocess.run([*command, "--overwrite"], check=True, **options)
        assert contents(tmp_path) == expected, n
    print(f"{script} {number.name}: exit codes { ({c: codes.count(c) for c in set(codes)}) }")
    assert set(codes) != {0}


# ----------------------------------------------------------- stopped in the middle


@pytest.fixture
def long_scan(run, tmp_path):
    """Return a function that starts a scan and waits for its middle, and one that finishes it."""
    (tmp_path / "mine").mkdir()
    save_image(tmp_path / "cat.jpg", load_image(IMAGES / "cat.jpg")[:96, :128])
    cat = (tmp_path / "cat.jpg").read_bytes()
    for n in range(80):  # what follows the picture's end makes each file another one
        (tmp_path / "mine" / f"{n:03}.jpg").write_bytes(cat + b"%d" % n)
    flags = [
        "--images", "mine",
        "--size", "48", "--layers", "relu1_1", "--patches", "p.h5", "--workers", "1",
    ]  # fmt: skip
    command = [sys.executable, str(ROOT / "scripts" / "top_patches.py"), *flags]
    options = {"cwd": tmp_path, "env": {**os.environ, "PYTHONPATH": str(ROOT)}, "text": True}

    def start():
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(command, start_new_session=True, **pipes, **options)
        seen = ""
        while not re.search(r"[1-9]\d*/80", seen):
            more = process.stderr.read(20)
            assert more, seen
            seen += more
        return process

    def finish():
        return run("top_patches", *flags)

    return start, finish


@pytest.mark.parametrize(
    "how",
    [
        pytest.param("Ctrl-C", marks=pytest.mark.slow),
        "Ctrl-C twice",
        pytest.param("SIGTERM", marks=pytest.mark.slow),
    ],
)
def test_what_was_found_is_kept_and_the_same_command_goes_on(long_scan, tmp_path, how):
    start, finish = long_scan
    process = start()
    if how == "SIGTERM":
        process.terminate()
    else:
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all processes
    if how == "Ctrl-C twice":
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == (143 if how == "SIGTERM" else 130)
    assert "interrupted; the same command goes on where it was" in error
    assert "Traceback" not in error and not (tmp_path / "p.h5").exists()
    done = TopPatches.load(tmp_path / "p.h5.partial").scanned.sum()
    assert 0 < done < 80
    _, out, error = finish()
    assert f"{done}/80" in error and "from 80 pictures" in out
    assert not (tmp_path / "p.h5.partial").exists()


def test_workers_end_with_the_process_that_started_them(long_scan):
    """Even if that is killed: its pipes are closed only when the last worker is gone."""
    start, _ = long_scan
    process = start()
    process.kill()
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
