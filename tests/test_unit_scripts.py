"""The scripts about units from the user's seat."""

import os
import re
import signal
import subprocess
import sys

import pytest
from conftest import IMAGES, ROOT

from scratchnet import load_image, save_image
from scratchnet.top_patches import TopPatches

pytest.importorskip("tqdm", reason="tqdm is not installed (extra 'viz')")

SMALL = ["--size", "32", "--workers", "1"]


def files(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


# ---------------------------------------------------------------- top_patches.py


def test_top_patches_saves_patches_and_both_figures(run, tmp_path):
    """Without arguments, that is, but for the size: the embedded photographs, five layers."""
    code, out, error = run("top_patches", *SMALL)
    assert code == 0, error
    stem = "outputs/top_patches"
    assert files(tmp_path) == [f"{stem}.h5", f"{stem}.png", f"{stem}_fields.png"]
    assert "from 17 pictures" in out and "100%" in error
    assert re.search(r"relu5_3 +196×196 px +16 px +512 ", out)
    names = TopPatches.load(f"{stem}.h5").names
    assert "cat.jpg" in names and not {"starry_night.jpg", "woodcut.jpg"} & set(names)
    # nine units of nine patches of 196 px must fit in
    assert min(load_image(f"{stem}.png").shape[:2]) > 9 * 196


def test_top_patches_draws_the_units_asked_for(run, tmp_path):
    flags = [*SMALL, "--layers", "relu1_1,relu2_1", "--k", 4, "--output", "p.h5"]
    assert run("top_patches", *flags, "--units", "relu2_1:3,5", "relu1_1:7")[0] == 0
    before = load_image("p.png")
    stamp = (tmp_path / "p.h5").stat().st_mtime_ns
    code, _, error = run("top_patches", *flags, "--units", "relu2_1:3")
    assert code == 0 and "17/17" in error
    assert (tmp_path / "p.h5").stat().st_mtime_ns == stamp  # drawn anew, not scanned anew
    assert load_image("p.png").shape != before.shape


def test_top_patches_says_what_it_skipped(run, tmp_path):
    (tmp_path / "mine").mkdir()
    save_image(tmp_path / "mine" / "a.png", load_image(IMAGES / "cat.jpg"))
    (tmp_path / "mine" / "b.png").write_text("nothing")
    flags = [*SMALL, "--images", "mine", "--layers", "relu1_1", "--output", "p.h5"]
    code, _, error = run("top_patches", *flags, "--strict")
    assert code == 2 and "b.png: not a picture that can be read" in error
    code, out, error = run("top_patches", *flags)
    assert code == 0 and "from 1 pictures" in out and "skipped  1 that" in out
    assert re.search(r"skipped .*b\.png: not a picture that can be read", error)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--images", "none"], "none: no such folder of pictures"),
        (["--images", "empty"], "empty: holds no picture"),
        (["--layers", "relu9_9"], "unknown layer 'relu9_9'; the layers are preprocess,"),
        (["--layers", ""], "layers: got (), wanted at least one"),
        (["--size", "4"], "a picture of 4×4 is too small for relu5_3"),
        (["--k", "0"], "argument --k: 0 is not a whole number of at least 1"),
        (["--spacing", "-1"], "spacing: got -1.0, wanted a number of at least 0"),
        (["--scales", "1,big"], "argument --scales: invalid numbers value: '1,big'"),
        (["--scales", "99"], "scales: got (99.0,), wanted numbers from 0.1 to 10"),
        (["--workers", "0"], "argument --workers: 0 is not a whole number"),
        (["--weights", "none.h5"], "none.h5: no such weight file"),
        (["--output", "none/p.h5"], "--output none/p.h5: there is no such folder"),
        (["--output", "setup.cfg"], "setup.cfg: not a readable HDF5 file"),
        (["--units", "relu1_2"], "argument --units: 'relu1_2' is not like relu4_2:17,300"),
        (["--units", "relu4_2:1"], "--units relu4_2: not among --layers relu1_2,relu2_2,relu3_3"),
    ],
)
def test_top_patches_says_in_one_line_what_is_wrong(run, tmp_path, arguments, message):
    (tmp_path / "setup.cfg").write_text("[metadata]")
    (tmp_path / "empty").mkdir()
    code, _, error = run("top_patches", *SMALL, *arguments)
    assert code == 2
    assert message in error and error.count("\n") == 1
    assert files(tmp_path) == ["setup.cfg"]


def test_ctrl_c_keeps_what_was_found_and_the_same_command_goes_on(tmp_path):
    (tmp_path / "mine").mkdir()
    for n in range(400):
        (tmp_path / "mine" / f"{n:03}.jpg").symlink_to(IMAGES / "cat.jpg")
    command = [
        sys.executable, str(ROOT / "scripts" / "top_patches.py"), "--images", "mine",
        "--size", "64", "--layers", "relu1_1", "--output", "p.h5", "--workers", "2",
    ]  # fmt: skip
    options = {"cwd": tmp_path, "env": {**os.environ, "PYTHONPATH": str(ROOT)}, "text": True}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, **options
    )
    seen = ""
    while not re.search(r"[1-9]\d*/400", seen):
        more = process.stderr.read(20)
        assert more, seen
        seen += more
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all processes
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; the same command goes on where it was" in error
    assert "Traceback" not in error
    done = TopPatches.load(tmp_path / "p.h5.partial").scanned.sum()
    assert 0 < done < 400 and not (tmp_path / "p.h5").exists()
    again = subprocess.run(command, capture_output=True, check=True, **options)
    assert f"{done}/400" in again.stderr and "from 400 pictures" in again.stdout
    assert not (tmp_path / "p.h5.partial").exists()
