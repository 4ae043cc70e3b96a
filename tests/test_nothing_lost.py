"""Nothing is lost in a transfer: not by a bad place, not by a signal, not by a J that breaks."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import IMAGES, ROOT, amount, files, load_script, make_tiny_network

from scratchnet import (
    LBFGS,
    GradientDescent,
    PixelDescent,
    TotalVariation,
    load_image,
    save_image,
    style_transfer,
)
from scratchnet.style.checkpoint import load_checkpoint
from scratchnet.style.course import PATIENCE, TransferInterrupted

pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra 'viz')")
pytest.importorskip("tqdm", reason="tqdm is not installed (extra 'viz')")

pytestmark = pytest.mark.usefixtures("quick_transfers")
SMALL = ["--image-size", 32, "--iterations", 1, "--threads", 1]
LAYERS = {"content_layers": {"relu2_1": 1.0}, "style_layers": {"relu1_1": 0.5, "relu2_1": 0.5}}
PICTURES = np.random.default_rng(5).uniform(0, 255, (2, 26, 17, 3))
NAMES = ["a.png", "a_loss.png", "a_strip.png"]


def transfer(**options):
    options = {"network": make_tiny_network(), "iterations": 6, **LAYERS, **options}
    return style_transfer(*PICTURES, **options)


# ------------------------------------------------------------- where outputs go


@pytest.fixture
def photo(tmp_path):
    """Return the bytes of a.png, a photograph in the folder in which scripts are run."""
    save_image(tmp_path / "a.png", load_image(IMAGES / "cat.jpg")[:64, :80])
    return (tmp_path / "a.png").read_bytes()


def refused(run, *arguments):
    """Run transfer.py in vain, and return its one line."""
    code, _, error = run("transfer", *SMALL, *arguments)
    assert code == 2 and error.count("\n") == 1, error
    return error


@pytest.mark.parametrize(
    ("flag", "link"),
    [("--content", None), ("--content", os.symlink), ("--style", os.link), ("--init", None)],
)
def test_no_output_is_an_input(run, photo, tmp_path, flag, link):
    if link is not None:
        link(tmp_path / "a.png", tmp_path / "b.png")
    output = "b.png" if link else "a.png"
    error = refused(run, flag, "a.png", "--output", output, "--overwrite")
    assert f"--output {output}: is what {flag} reads" in error
    assert (tmp_path / "a.png").read_bytes() == photo


def test_what_lies_beside_the_output_is_no_input_either(run, photo, tmp_path):
    os.rename(tmp_path / "a.png", tmp_path / "x_strip.png")
    error = refused(run, "--style", "x_strip.png", "--output", "x.png", "--overwrite")
    assert "x_strip.png: is what --style reads" in error
    error = refused(run, "--style", "x_strip.png", "--output", "y.png", "--checkpoint",
                    "x_strip.png", "--overwrite")  # fmt: skip
    assert "--checkpoint x_strip.png: is what --style reads" in error
    error = refused(run, "--output", "y.png", "--checkpoint", "y_loss.png")
    assert "--checkpoint y_loss.png: is an output as well" in error
    assert (tmp_path / "x_strip.png").read_bytes() == photo


def test_no_file_is_replaced_unasked(run, photo, tmp_path):
    assert "a.png: is there already; --overwrite" in refused(run, "--output", "a.png")
    os.rename(tmp_path / "a.png", tmp_path / "b_loss.png")
    assert "b_loss.png: is there already; --overwrite" in refused(run, "--output", "b.png")
    assert (tmp_path / "b_loss.png").read_bytes() == photo
    assert run("transfer", *SMALL, "--output", "b.png", "--overwrite")[0] == 0
    assert (tmp_path / "b_loss.png").read_bytes() != photo


def test_without_output_the_next_number_is_taken(run, tmp_path):
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs" / "leuven_street_starry_night_loss.png").write_bytes(b"mine")
    for number in (2, 3):
        code, out, _ = run("transfer", *SMALL)
        assert code == 0 and f"saved    outputs/leuven_street_starry_night-{number}.png" in out
    assert len(files(tmp_path)) == 7
    assert (tmp_path / "outputs" / "leuven_street_starry_night_loss.png").read_bytes() == b"mine"


def test_places_are_looked_at_before_the_work(run, tmp_path, monkeypatch):
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "locked").mkdir()

    def failing(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    assert "folder.png: is a folder" in refused(run, "--output", "folder.png")
    assert "there is no folder file" in refused(run, "--output", "file/x.png")
    assert "can't be written (File name too long)" in refused(run, "--output", f"{'x' * 252}.png")
    assert "there is no folder none" in refused(run, "--checkpoint", "none/c.npz")
    (tmp_path / "outputs").write_bytes(b"")
    assert "outputs: is a file, wanted a folder" in refused(run)
    monkeypatch.setattr("places.replacing", failing)  # as in a folder that is read-only
    assert "x.png: can't be written (Permission denied)" in refused(run, "--output", "x.png")
    assert files(tmp_path) == ["file", "outputs"]


def test_long_names_of_pictures_are_shortened_in_the_outputs_name(run, photo, tmp_path):
    os.rename(tmp_path / "a.png", tmp_path / f"{'ä' * 120}.png")
    assert run("transfer", *SMALL, "--content", f"{'ä' * 120}.png")[0] == 0
    assert f"outputs/{'ä' * 40}_starry_night.png" in files(tmp_path)


def test_a_failure_at_the_end_saves_elsewhere_and_says_where(run, tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    import transfer_saving

    whole = transfer_saving.save_image

    def failing(path, image, **options):
        if path.parent.name == "sub":
            raise OSError(28, "No space left on device")
        whole(path, image, **options)

    monkeypatch.setattr("transfer_saving.save_image", failing)
    code, _, error = run("transfer", *SMALL, "--output", "sub/a.png")
    assert code == 1 and load_image("a.png").shape == (24, 32, 3)
    assert f"sub/a.png: not saved (No space left on device); saved {tmp_path / 'a.png'}" in error
    assert files(tmp_path) == ["a.png", "a_strip.png", "sub/a_loss.png"]


def test_the_strip_has_a_bound():
    load_script("transfer")
    from transfer_saving import WIDEST, strip

    pictures = [np.zeros((9, 400, 3)), np.full((5, 900, 3), 9.0), np.full((200, 40, 3), 7.0)]
    image = strip(pictures)
    assert image.shape == (200, 2 * WIDEST * 200 + 40 + 8, 3)
    assert image[0, 0].tolist() == [255] * 3 and image[100, 0].tolist() == [0] * 3
    usual = [np.zeros((20, 40, 3)), np.zeros((30, 20, 3)), np.zeros((20, 40, 3))]
    assert strip(usual).shape == (20, 40 + 13 + 40 + 8, 3)


# -------------------------------------------------------------- a J that breaks


def test_a_gradient_that_is_not_finite_is_named():
    class Breaks(TotalVariation):
        def loss(self, image):
            value, gradient = super().loss(image)
            gradient[0, 0, 0] = np.nan
            return value, gradient

    result = transfer(terms=[Breaks()])
    assert result.stopped == "∂J/∂G, with tv the largest term, is not finite at iteration 0"
    assert np.isfinite(result.image).all()


def test_a_j_that_is_not_finite_names_its_term():
    with np.errstate(all="ignore"):
        result = transfer(network=make_tiny_network(dtype="float32"), style_weight=1e36)
    assert re.fullmatch(r"J, in style relu\d_1, is not finite at iteration 0", result.stopped)


def test_a_j_that_runs_away_stops():
    with np.errstate(all="ignore"):
        result = transfer(init="content", optimizer=GradientDescent(1e6), iterations=60)
    assert re.search("not finite|was over 100 times its start for 10", result.stopped)
    clipped = transfer(init="content", optimizer=PixelDescent(1e9), style_weight=1e-12,
                       tv_weight=0, iterations=60)  # fmt: skip
    assert f"J was over 100 times its start for {PATIENCE} iterations, until 10" in clipped.stopped
    assert np.array_equal(clipped.image, PICTURES[0]) and len(clipped.history) == 11


def test_a_j_that_comes_back_is_not_stopped():
    # The first step is 3 px long, far too much for a J that begins near 0.
    result = transfer(init="content", style_weight=1e-9, tv_weight=0, iterations=40)
    losses = [record.loss for record in result.history]
    assert losses[1] > 100 * losses[0] > 100 * min(losses) and result.stopped is None


def test_a_j_that_never_falls_says_so():
    result = transfer(optimizer=GradientDescent(1e-300))
    assert re.search("never fell below .*, its start at iteration 0, most of it", result.stopped)
    assert transfer(init="content", style_weight=0, tv_weight=0).stopped is None  # J is 0


def test_the_script_says_so_too_with_exit_code_3(run, tmp_path):
    flags = "--init", "content", "--optimizer", "descent", "--learning-rate", 1e9
    code, _, error = run("transfer", *SMALL, *flags, "--output", "a.png")
    assert code == 3 and "J never fell below" in error and files(tmp_path) == NAMES
    assert run("transfer", *SMALL, "--weights", "none")[0] == 2


# ------------------------------------------------------------------ an interrupt


def test_an_interrupt_carries_the_best_picture():
    seen = []

    def callback(step):
        seen.append(step)
        if len(seen) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        transfer(callback=callback)
    assert isinstance(caught.value, TransferInterrupted)
    result = caught.value.result
    best = min(seen, key=lambda step: step.loss)
    assert np.array_equal(result.image, best.image) and len(result.history) == 5
    assert result.stopped == "interrupted at iteration 5"


def test_an_interrupt_before_the_first_evaluation_is_an_ordinary_one(monkeypatch):
    class Early(TotalVariation):
        def loss(self, image):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        transfer(terms=[Early()])
    assert type(caught.value) is KeyboardInterrupt


def test_a_second_interrupt_while_the_checkpoint_is_saved_loses_no_picture(tmp_path, monkeypatch):
    def again(*arguments):
        raise KeyboardInterrupt

    def callback(step):
        if step.iteration == 2:
            monkeypatch.setattr("scratchnet.style.course.save_checkpoint", again)
            raise KeyboardInterrupt

    with pytest.raises(TransferInterrupted) as caught:
        transfer(callback=callback, checkpoint=tmp_path / "c.npz")
    assert len(caught.value.result.history) == 3


def test_the_picture_in_a_callback_can_not_be_written_to():
    def callback(step):
        step.image.fill(0)

    with pytest.raises(ValueError, match="read-only"):
        transfer(callback=callback)


def test_the_script_saves_what_there_is_when_memory_runs_out(run, tmp_path, monkeypatch):
    count = []

    whole = LBFGS.step

    def step(self, *arguments):
        count.append(0)
        if len(count) == 2:
            raise MemoryError
        return whole(self, *arguments)

    monkeypatch.setattr(LBFGS, "step", step)
    flags = "--image-size", 32, "--iterations", 4, "--output", "a.png"
    code, _, error = run("transfer", *flags)
    assert code == 1 and "memory ran out, at iteration 1" in error
    assert files(tmp_path) == NAMES


# ---------------------------------------------------------- what a user mistypes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--learning-rate", "0"], "argument --learning-rate: 0 is not a number above 0"),
        (["--content-weight", 0, "--style-weight", 0, "--tv-weight", 0], "--tv-weight are all 0"),
        (["--style-layers", "relu1_1,relu2_1,relu1_1"], "argument --style-layers: relu1_1 is there "
         "twice in relu1_1,relu2_1,relu1_1"),
        (["--content-layers", "relu1_1:2,relu1_1"], "argument --content-layers: relu1_1 is there"),
        (["--style-layers", "relu1_1:many"], "argument --style-layers: 'relu1_1:many' is not like"),
        (["--style-blend-weights", "1", "2"], "--style-blend-weights: got 2, wanted one for each"),
        (["--style-blend-weights", "0"], "--style-blend-weights: all are 0"),
        (["--seed", "-1"], "argument --seed: -1 is not a whole number of at least 0"),
        (["--save-every", "0"], "argument --save-every: 0 is not a whole number of at least 1"),
        (["--resume", "none.npz"], "none.npz: no such checkpoint"),
    ],
)  # fmt: skip
def test_it_is_refused_in_one_line(run, tmp_path, arguments, message):
    assert message in refused(run, *arguments)
    assert not files(tmp_path)


def test_no_picture_is_too_thin(run, tmp_path):
    save_image(tmp_path / "thin.png", np.full((3, 30, 3), 99.0))
    assert run("transfer", *SMALL, "--content", "thin.png", "--style", "thin.png")[0] == 0


def test_from_python_too():
    for kind in (GradientDescent, PixelDescent, lambda rate: LBFGS(learning_rate=rate)):
        for rate in (0, -1, np.inf, np.nan):
            with pytest.raises(ValueError, match=r"learning_rate: got .*, wanted a number above 0"):
                kind(rate)
    with pytest.raises(ValueError, match="content_weight, style_weight and tv_weight are 0"):
        transfer(content_weight=0, style_weight=0, tv_weight=0)
    with pytest.raises(ValueError, match="seed: got -1, wanted a whole number of at least 0"):
        transfer(seed=-1)
    with pytest.raises(ValueError, match=r"iterations: got 2\.5, wanted a whole number"):
        transfer(iterations=2.5)
    with pytest.raises(ValueError, match="style: a picture of 17×1 is too small for relu2_1"):
        style_transfer(PICTURES[0], PICTURES[1][:1], network=make_tiny_network(), **LAYERS)


@pytest.mark.parametrize("kind", [GradientDescent, PixelDescent, LBFGS])
def test_numpy_scalars_leave_float32_as_it_is(kind):
    def result(number, whole):
        layers = {name: {k: number(v) for k, v in of.items()} for name, of in LAYERS.items()}
        return transfer(
            network=make_tiny_network(dtype="float32"), iterations=whole(3), seed=whole(1),
            optimizer=kind(learning_rate=number(1e-3)), content_weight=number(1),
            style_weight=number(1e-3), tv_weight=number(10), **layers,
        )  # fmt: skip

    def transfer(**options):
        return style_transfer(*PICTURES, **options)

    of_numpy, of_python = result(np.float64, np.int64), result(float, int)
    assert of_numpy.image.dtype == np.float32
    assert of_numpy.image.tobytes() == of_python.image.tobytes()


# ---------------------------------------------------------- signals to a process


def start(folder, *arguments, **options):
    """Start transfer.py in a process of its own."""
    return subprocess.Popen(
        [sys.executable, ROOT / "scripts" / "transfer.py", *map(str, arguments)],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, **options,
    )  # fmt: skip


def wait_for_step(process, checkpoint):
    """Wait until there is another checkpoint than now: ten steps are done."""

    def written():
        return checkpoint.stat().st_mtime_ns if checkpoint.exists() else None

    before = written()
    while written() == before:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


LONG = ["--image-size", 32, "--iterations", 100_000, "--output", "a.png", "--threads", 1]


def test_a_hangup_saves_picture_and_checkpoint_though_nobody_reads(tmp_path):
    process = start(tmp_path, *LONG, "--checkpoint", "c.npz")
    wait_for_step(process, tmp_path / "c.npz")
    process.stderr.close()  # as when a terminal is closed
    process.stdout.close()
    process.send_signal(signal.SIGHUP)
    assert process.wait(timeout=60) == 129
    assert files(tmp_path) == [*NAMES, "c.npz"]
    assert load_image(tmp_path / "a.png").shape == (24, 32, 3)


def test_help_on_a_latin_1_terminal_through_a_link_without_the_extra(tmp_path):
    os.symlink(ROOT / "scripts" / "transfer.py", tmp_path / "paint.py")
    for name in ("tqdm", "matplotlib"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('not here')")
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONIOENCODING": "latin-1"}

    def paint(*arguments):
        command = [sys.executable, tmp_path / "paint.py", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True)

    shown = paint("--help")
    assert shown.returncode == 0 and b"--image-size PX" in shown.stdout, shown.stderr
    assert str(IMAGES / "starry_night.jpg").encode() in b"".join(shown.stdout.split())
    run = paint()
    assert run.returncode == 2 and run.stderr.count(b"\n") == 1
    assert b"not here; install the extra: pip install '.[viz]'" in run.stderr


KILLS = amount("KILLS", 50)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGQUIT"])
def test_a_request_to_end_at_any_time_loses_nothing(tmp_path, name):
    """At so many moments, half of them after ten steps, and three more signals soon after."""
    number, count = getattr(signal, name), KILLS
    rng, ends = np.random.default_rng(number), {"early": 0, "saved": 0, "done": 0}
    for n in range(count):
        folder = tmp_path / str(n)
        folder.mkdir()
        iterations = 12 if n % 2 else 60  # so that some signals come at the end, and after it
        process = start(folder, "--image-size", 64, "--iterations", iterations, "--output", "a.png",
                        "--threads", 1, "--checkpoint", "c.npz")  # fmt: skip
        if n % 2:
            wait_for_step(process, folder / "c.npz")
            time.sleep(rng.uniform(0, 1.5))
        else:
            time.sleep(0.1 + 3 * n / count)
        for _ in range(4):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)
            time.sleep(rng.uniform(0, 0.05))
        _, error = process.communicate(timeout=60)
        assert "Traceback" not in error, error
        if process.returncode == 0:
            ends["done"] += 1
        elif process.returncode == -number:  # Python itself was not there yet
            assert files(folder) == []
            ends["early"] += 1
            continue
        else:
            assert process.returncode == 128 + number, error
            if "nothing was to be saved yet" in error:
                assert files(folder) == []
                ends["early"] += 1
                continue
            ends["saved"] += 1
        assert files(folder) == [*NAMES, "c.npz"]
        assert load_image(folder / "a.png").shape == (48, 64, 3)
    print(name, ends)
    assert ends["early"] and ends["saved"]


@pytest.mark.slow
def test_killed_many_times_the_picture_is_the_same(tmp_path):
    """Each time the same command goes on from the last checkpoint, as after a power cut."""
    flags = ["--image-size", 64, "--iterations", 80 * KILLS, "--threads", 1, "--init", "content",
             "--style-layers", "relu1_1", "--content-layers", "relu1_2"]  # fmt: skip
    whole = start(tmp_path, *flags, "--output", "whole.png")
    whole.communicate(timeout=900)
    assert whole.returncode == 0
    rng = np.random.default_rng(3)
    flags += ["--checkpoint", "c.npz", "--output", "a.png", "--overwrite"]
    for _ in range(KILLS):
        resume = ["--resume", "c.npz"] if (tmp_path / "c.npz").exists() else []
        process = start(tmp_path, *flags, *resume)
        wait_for_step(process, tmp_path / "c.npz")
        if resume:  # the first one is of where it goes on
            wait_for_step(process, tmp_path / "c.npz")
        time.sleep(rng.uniform(0, 0.3))
        process.kill()
        process.communicate()
    steps = len(load_checkpoint(tmp_path / "c.npz", 64 * 48).history)
    assert steps > 9 * KILLS
    print(f"SIGKILL: {KILLS} times on the way to step {steps} of {80 * KILLS}")
    process = start(tmp_path, *flags, "--resume", "c.npz")
    process.communicate(timeout=900)
    assert process.returncode == 0
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "whole.png").read_bytes()
    left = [name for name in files(tmp_path) if name.startswith(".")]
    assert left == []


def wait_for_hidden_files(process, folder, count):
    """Wait until a process has begun to write so many files, or ends."""
    seen = set(os.listdir(folder))
    while count and process.poll() is None:
        new = set(os.listdir(folder)) - seen
        seen |= new
        count -= min(count, len(new))


@pytest.mark.slow
def test_kills_leave_old_files_whole_and_the_next_run_tidies_up(tmp_path):
    """At any time of a run that replaces all its files, every second time while it writes one."""
    flags = ["--image-size", 32, "--iterations", 40, "--threads", 1, "--overwrite",
             "--output", "a.png", "--checkpoint", "c.npz"]  # fmt: skip
    begin = time.monotonic()
    assert start(tmp_path, *flags).wait(timeout=60) == 0
    seconds = time.monotonic() - begin
    whole = {name: (tmp_path / name).read_bytes() for name in files(tmp_path)}
    assert [*whole] == [*NAMES, "c.npz"]
    rng, left = np.random.default_rng(4), 0
    for n in range(KILLS):
        process = start(tmp_path, *flags)
        if n % 2:
            time.sleep(rng.uniform(0, seconds))
        else:
            wait_for_hidden_files(process, tmp_path, rng.integers(1, 13))  # it makes 12
        process.kill()
        process.communicate()
        for name in NAMES:
            assert (tmp_path / name).read_bytes() == whole[name]
        load_checkpoint(tmp_path / "c.npz", 32 * 24)  # of whatever step
        left += len(files(tmp_path)) > len(whole)
    print(f"SIGKILL: {KILLS}, after {left} of them a half-written file lay about")
    assert start(tmp_path, *flags).wait(timeout=60) == 0
    assert {name: (tmp_path / name).read_bytes() for name in files(tmp_path)} == whole
