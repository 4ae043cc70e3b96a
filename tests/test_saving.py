"""Saving: what others left, and a disk that is full at every kind of file."""

import os
import subprocess
import sys
import time

import pytest
from conftest import ROOT, files

from scratchnet import load_image
from scratchnet.files import saving
from scratchnet.files.saving import LONG, replacing
from scratchnet.style.checkpoint import load_checkpoint

linux = pytest.mark.skipif(sys.platform != "linux", reason="limits files as Linux does")
PICTURES = ["a.png", "a.jpg", "a.webp", "a.tiff", "a.bmp", "a.ppm"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "scripts")])}


# ---------------------------------------------------------------- what others left


@pytest.fixture
def dead():
    """Return the number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def left_by(process, machine, path, monkeypatch, *, age=0):
    """Leave what a process on some machine leaves if it is killed while it saves."""
    with monkeypatch.context() as there:
        there.setattr(saving, "_machine", lambda: machine)
        there.setattr(os, "getpid", lambda: process)
        with pytest.raises(KeyError), replacing(path) as partial:
            raise KeyError
    partial.write_text("half")
    written = time.time() - age
    os.utime(partial, (written, written))
    return partial


@pytest.mark.parametrize(
    ("is_here", "lives", "age", "stays"),
    [
        (True, False, 0, False),
        (True, True, 0, True),
        (True, True, LONG + 60, False),  # another process has its number by now
        (False, False, 0, True),  # alive or not can't be seen from here
        (False, True, LONG - 60, True),
        (False, False, LONG + 60, False),
    ],
)
def test_only_what_nobody_writes_to_is_removed(
    tmp_path, monkeypatch, dead, is_here, lives, age, stays
):
    machine = saving._machine() if is_here else "another"
    process = os.getppid() if lives else dead
    left = left_by(process, machine, tmp_path / "a.txt", monkeypatch, age=age)
    of_other = left_by(dead, saving._machine(), tmp_path / "b.txt", monkeypatch)
    with replacing(tmp_path / "a.txt") as partial:
        partial.write_text("whole")
    assert left.exists() == stays and of_other.exists()  # that one is the next b.txt's to remove
    assert (tmp_path / "a.txt").read_text() == "whole"


def test_machines_and_groups_of_processes_are_told_apart(monkeypatch):
    names = {saving._machine.__wrapped__()}
    monkeypatch.setattr("platform.node", lambda: "another.example")
    names.add(saving._machine.__wrapped__())
    if os.path.exists("/proc/self/ns/pid"):
        monkeypatch.setattr(os, "readlink", lambda path: "pid:[1]")
        names.add(saving._machine.__wrapped__())
        assert len(names) == 3
    assert len(names) >= 2 and all(name.isalnum() for name in names)


def test_names_that_nobody_gave_are_no_obstacle(tmp_path, monkeypatch):
    begin = left_by(1, "x", tmp_path / "a.txt", monkeypatch).name.partition("x-")[0]
    odd = [f"{begin}{saving._machine()}-{'9' * 60}-0", f"{begin}{saving._machine()}-²-0", begin]
    for name in odd:
        (tmp_path / name).write_text("")
    (tmp_path / f"{begin}folder").mkdir()
    with replacing(tmp_path / "a.txt") as partial:
        partial.write_text("whole")
    assert (tmp_path / "a.txt").read_text() == "whole"
    assert not (tmp_path / odd[0]).exists()  # there is no such process


# ---------------------------------------------------------------- a full disk

FULL = """
import logging, resource, sys
import numpy as np
import transfer_saving
from scratchnet import save_image
from scratchnet.files.hdf5 import new_hdf5
from scratchnet.pages.page import save_page
from scratchnet.style.checkpoint import Checkpoint, Record, save_checkpoint

noise = np.random.default_rng(0).uniform(0, 255, (60, 80, 3))
history = [Record(n, 9.0 - n, {"content": 1.0, "style": 2.0}, (60, 80)) for n in range(5)]
state = {f"s{n}": noise for n in range(20)}
logging.disable()
transfer_saving.plot_history(history, "loss.png")  # Matplotlib keeps a list of fonts
with open("loss.png", "w") as file:
    file.write("old loss.png")
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))


def patches(path):
    with new_hdf5(path, "patches") as file:
        file["x"] = noise


ways = dict.fromkeys(sys.argv[1:], lambda path: save_image(path, noise)) | {
    "strip.png": lambda path: save_image(path, transfer_saving.strip([noise] * 3)),
    "loss.png": lambda path: transfer_saving.plot_history(history, path),
    "c.npz": lambda path: save_checkpoint(
        path, Checkpoint({}, 0, 5, noise, state, noise, history)
    ),
    "p.h5": patches,
    "atlas.html": lambda path: save_page(path, "x" * 9999),
}
for name, save in ways.items():
    try:
        save(name)
    except OSError as error:
        print(name, error)
"""


@linux
def test_a_full_disk_is_one_line_with_the_name_and_all_old_files_stay(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra 'viz')")
    names = [*PICTURES, "strip.png", "loss.png", "c.npz", "p.h5", "atlas.html"]
    for name in names:
        (tmp_path / name).write_text(f"old {name}")
    command = [sys.executable, "-W", "error", "-c", FULL, *PICTURES]
    run = subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True)
    assert run.returncode == 0 and run.stderr == "", run
    lines = [f"{name} [Errno 27] File too large: '{name}'" for name in names]
    assert run.stdout.splitlines() == lines
    assert files(tmp_path) == sorted(names)
    assert all((tmp_path / name).read_text() == f"old {name}" for name in names)


@pytest.fixture
def disk(tmp_path):
    """Return a function that makes a disk of so many kB; only root can."""
    mounted = []

    def make(kilobytes):
        folder = tmp_path / f"disk{kilobytes}"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", folder]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("no disk can be mounted here")
        mounted.append(folder)
        return folder

    yield make
    for folder in mounted:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("kilobytes", [20, 24, 32, 48, 64, 128, 2048])
def test_a_transfer_to_a_full_disk_loses_nothing(run, disk, tmp_path, recwarn, kilobytes):
    """Four files of 4 kB are there already; with 2 MB all fits."""
    pytest.importorskip("tqdm", reason="tqdm is not installed (extra 'viz')")
    names, folder = ["a.png", "a_loss.png", "a_strip.png", "c.npz"], disk(kilobytes)
    for name in names:
        (folder / name).write_text("old")
    (tmp_path / "work").mkdir()
    os.chdir(tmp_path / "work")
    code, _, error = run(
        "transfer", "--image-size", 64, "--iterations", 12, "--threads", 1, "--overwrite",
        "--output", folder / "a.png", "--checkpoint", folder / "c.npz",
    )  # fmt: skip
    lines = [line for line in error.splitlines() if line.startswith("transfer: ")]
    assert "Traceback" not in error and len(lines) == error.count("transfer: ")
    assert files(folder) == names  # and nothing hidden
    old = [name for name in names if (folder / name).read_bytes() == b"old"]
    said = [*lines, *(str(warning.message) for warning in recwarn)]
    told = [name for name in names if any(f"{folder / name}" in line for line in said)]
    print(f"{kilobytes} kB: exit {code}, as they were: {', '.join(old) or 'none'}")
    if code == 2:  # refused before the work
        assert old == names and len(lines) == 1 and not files(tmp_path / "work")
        return
    # A later checkpoint may be too large where an earlier one was not.
    assert set(old) <= set(told) <= {*old, "c.npz"}
    assert code == (1 if set(old) - {"c.npz"} else 0)
    if "c.npz" not in old:
        assert load_checkpoint(folder / "c.npz", 64 * 48).G.shape[2] == 3  # it is whole
    for name in names[:3]:
        assert load_image((tmp_path / "work" if name in old else folder) / name).ndim == 3
    assert code == 0 or kilobytes < 2048
