"""Scans and atlases that are killed at any moment: nothing is lost, and nothing is left behind.

SCRATCHNET_KILLS says how many times (50), SCRATCHNET_SEED at which moments (0).
"""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import ROOT, amount, files

from scratchnet import save_image

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
