"""What transfer.py keeps of a run for --report and --animate, and what it saves."""

import hashlib
import json
import re
import shlex
import signal
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import IMAGES, files, load_script, make_objective
from PIL import Image

from scratchnet import load_image, save_image
from scratchnet.style.course import Step

pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra 'viz')")
pytest.importorskip("tqdm", reason="tqdm is not installed (extra 'viz')")
load_script("transfer")

from term_gradients import by_term_and_layer  # noqa: E402
from transfer_timeline import FRAMES, Timeline, spaced  # noqa: E402

pytestmark = pytest.mark.usefixtures("quick_transfers")
SMALL = ["--image-size", 32, "--iterations", 4, "--threads", 1, "--quiet"]


def record(path):
    page = path.read_text(encoding="utf-8")
    return json.loads(re.search(r'id="report-data">(.*?)</script>', page, re.DOTALL)[1])


def step(n, image):
    return Step(n, image, 1.0, {}, 0.5)


# ------------------------------------------------------------- what is kept


@pytest.mark.parametrize("steps", [1, 5, 40, 1000])
def test_frames_are_few_and_closer_at_the_start(steps):
    at = spaced(steps, 12)
    assert at[0] == 0 and at[-1] == steps and len(at) <= 12
    if steps == 1000:
        gaps = np.diff(at)
        assert np.all(np.diff(gaps) >= -1) and gaps[-1] > 15 * gaps[0]


AS_IT_IS = SimpleNamespace(shown=lambda image: image)  # the finish of most transfers


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_no_more_is_kept_for_more_steps(count):
    levels = [((8 + n, 8), 500) for n in range(count)]
    timeline = Timeline(levels, AS_IT_IS, gradients=True)
    for n in range(sum(steps + 1 for _, steps in levels)):
        timeline(step(n, np.full((8, 8, 3), 9.0)))
    chosen = timeline.finish()
    assert len(timeline.frames) <= FRAMES and len(chosen) == 4
    iterations = [frame.iteration for frame in timeline.frames]
    # the first and the last of each size
    for n in range(count):
        assert {501 * n, 501 * n + 500} <= set(iterations)
    assert [s.iteration - 501 * (count - 1) for s in chosen] == [0, 56, 222, 500]


@pytest.mark.parametrize("seen", [(0, 1, 6), (30, 31, 34)])
def test_what_was_seen_last_is_kept_wherever_the_run_ends(seen):
    # The second goes on from a checkpoint, and ends before any frame is due.
    timeline = Timeline([((8, 8), 500)], AS_IT_IS, gradients=False)
    assert seen[-1] not in timeline.at
    for n in seen:
        timeline(step(n, np.full((8, 8, 3), 9.0)))
    assert [s.iteration for s in timeline.finish()] == [seen[-1]]
    assert timeline.frames[-1].iteration == seen[-1]


def test_the_summands_share_the_terms_losses_and_add_up(fast64, pictures):
    content, style = pictures
    J = make_objective(fast64, content, style)
    alone = by_term_and_layer(J)
    G = np.random.default_rng(0).uniform(0, 255, content.shape)
    names = [name for name in alone if name.startswith("style")]
    assert names == [f"style relu{n}_1" for n in range(1, 6)] and "tv" in alone
    np.testing.assert_allclose(
        sum(of(G)[1] for of in alone.values()), J(G)[1], rtol=1e-9, atol=1e-9
    )


# ------------------------------------------------------------- what is saved


def test_a_page_and_an_animation_beside_the_picture(run, tmp_path):
    code, out, error = run("transfer", *SMALL, "--output", "a.png", "--report", "--animate")
    assert code == 0, error
    made = ["a.png", "a_animated.gif", "a_loss.png", "a_report.html", "a_strip.png"]
    assert files(tmp_path) == made
    assert "saved    a_report.html" in out and "saved    a_animated.gif" in out
    assert "animated 5 frames, 32×24 px, 0.0 MB" in out
    with Image.open("a_animated.gif") as image:
        assert image.size == (32, 24) and image.n_frames == 5
    data = record(tmp_path / "a_report.html")
    assert [frame["iteration"] for frame in data["frames"]] == [0, 1, 2, 3, 4]
    assert [len(step["panels"]) for step in data["gradients"]] == [8, 8, 8, 8]
    for step in data["gradients"]:
        assert step["panels"][-1]["name"] == "sum" and step["panels"][-1]["cosine"] == 1
    settings = dict(data["settings"])
    assert settings["--iterations"] == "4" and settings["--content"] == "leuven_street.jpg"
    assert settings["sizes and steps"] == "32×24 px 4"
    hashes = {what: sha for what, _, sha in data["hashes"]}
    photograph = hashlib.sha256((IMAGES / "leuven_street.jpg").read_bytes()).hexdigest()
    assert hashes["--content"] == photograph and set(hashes) == {
        "--content",
        "--style",
        "--weights",
    }
    assert data["stopped"] is None


def test_without_the_flags_the_picture_is_the_same_and_nothing_is_imported(run, tmp_path):
    assert run("transfer", *SMALL, "--output", "a.png")[0] == 0
    assert run("transfer", *SMALL, "--output", "b.png", "--report")[0] == 0
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_the_command_in_it_makes_the_same_picture(run, tmp_path):
    save_image(tmp_path / "a b.png", load_image(IMAGES / "cat.jpg")[:64, :80])
    flags = ["--content", "a b.png", "--style-layers", "relu1_1:1,relu2_1:1,relu3_1:5", "--seed", 3]
    code, _, error = run(
        "transfer", *SMALL, *flags, "--report", "r.html", "--save-every", 2, "--output=x.png",
        "--checkpoint", "c.npz",
    )  # fmt: skip
    assert code == 0, error
    command = record(tmp_path / "r.html")["command"]
    assert command.startswith("python transfer.py --content 'a b.png' --image-size 32")
    assert not re.search("checkpoint|report|output|save-every|quiet", command)
    code, out, _ = run("transfer", *shlex.split(command)[2:])
    made = tmp_path / re.search(r"saved    ([^,]+),", out)[1]
    assert made.read_bytes() == (tmp_path / "x.png").read_bytes()


def test_of_a_folder_each_picture_has_its_own(run, tmp_path):
    (tmp_path / "in").mkdir()
    for name in "ab":
        save_image(tmp_path / "in" / f"{name}.png", load_image(IMAGES / "cat.jpg")[:64, :80])
    code, _, error = run("transfer", *SMALL, "--content", "in", "--report", "--animate")
    assert code == 0, error
    for name in "ab":
        data = record(tmp_path / "outputs" / f"{name}_starry_night_report.html")
        assert f"--content in/{name}.png" in data["command"]
    for flag, end in [("--report", "html"), ("--animate", "gif")]:
        code, _, error = run("transfer", *SMALL, "--content", "in", flag, f"x.{end}")
        assert code == 2 and f"{flag}: is for one picture, not for a folder" in error


def test_colours_that_are_kept_are_kept_in_all_frames(run, tmp_path):
    save_image(tmp_path / "grey.png", np.repeat(load_image(IMAGES / "cat.jpg")[:64, :80, :1], 3, 2))
    flags = [*SMALL, "--content", "grey.png", "--original-colors", "luminance"]
    assert run("transfer", *flags, "--animate", "a.webp", "--animate-curves")[0] == 0
    assert run("transfer", *flags, "--animate", "b.webp")[0] == 0
    with Image.open("a.webp") as curves, Image.open("b.webp") as image:
        assert curves.size == (32 + 8 + 256, 192) and image.size == (32, 26)
        for n in range(image.n_frames):
            image.seek(n)
            assert np.ptp(np.asarray(image.convert("RGB"), float), axis=2).max() < 12


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--report", "r.pdf"], "--report r.pdf: wanted a name that ends in .html or .htm"),
        (["--animate", "r.png"], "--animate r.png: wanted a name that ends in .gif or .webp"),
        (["--report", "none/r.html"], "there is no folder none"),
        (["--report", "old.html"], "--report old.html: is there already; --overwrite replaces it"),
        (["--report", "--output", "old.png"], "old_report.html: is there already"),
        (["--animate", "s.gif", "--style", "s.gif", "--overwrite"], "is what --style reads"),
        (["--animate", "a.gif", "--checkpoint", "a.gif"], "--checkpoint a.gif: is an output as"),
        (["--animate-curves"], "--animate-curves: is for --animate, which is not there"),
    ],
)
def test_places_are_looked_at_before_the_work(run, tmp_path, arguments, message):
    for name in ("old.html", "old_report.html"):
        (tmp_path / name).write_text("old")
    Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(tmp_path / "s.gif")
    before = files(tmp_path)
    code, _, error = run("transfer", *SMALL, *arguments)
    assert code == 2 and message in error and error.count("\n") == 1
    assert [name for name in files(tmp_path)] == before


def test_default_names_get_a_number(run, tmp_path):
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs" / "leuven_street_starry_night_report.html").write_text("mine")
    code, out, _ = run("transfer", *SMALL, "--report")
    assert code == 0 and "saved    outputs/leuven_street_starry_night-2_report.html" in out
    assert "leuven_street_starry_night-2.png" in out


def test_an_interrupted_run_has_its_report(run, tmp_path, monkeypatch):
    whole = Timeline.__call__

    def interrupted(self, step):
        whole(self, step)
        if step.iteration == 2:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Timeline, "__call__", interrupted)
    flags = ["--report", "--animate", "--output", "a.png", "--iterations", 30]
    code, _, error = run("transfer", *SMALL, *flags)
    assert code == 130, error
    data = record(tmp_path / "a_report.html")
    assert data["stopped"] == "interrupted at iteration 3"
    assert [frame["iteration"] for frame in data["frames"]] == [0, 1, 2]
    assert [step["iteration"] for step in data["gradients"]] == [0, 2]
    assert (tmp_path / "a_animated.gif").exists()


def test_a_run_that_fails_has_its_report(run, tmp_path):
    flags = ["--optimizer", "descent", "--learning-rate", 1e30, "--init", "content"]
    flags += ["--iterations", 30, "--report", "--output", "a.png"]
    code, _, error = run("transfer", *SMALL, *flags)
    assert code == 3, error
    assert record(tmp_path / "a_report.html")["stopped"]


def test_a_full_disk_loses_neither(run, tmp_path, monkeypatch):
    import transfer_report

    (tmp_path / "sub").mkdir()
    whole = transfer_report.save_page

    def failing(path, page):
        if path.parent.name == "sub":
            raise OSError(28, "No space left on device")
        whole(path, page)

    monkeypatch.setattr("transfer_report.save_page", failing)
    code, _, error = run("transfer", *SMALL, "--output", "sub/a.png", "--report", "--animate")
    assert code == 1 and "sub/a_report.html: not saved (No space left on device)" in error
    assert "saved" in error and (tmp_path / "a_report.html").exists()
    assert (tmp_path / "sub" / "a.png").exists() and (tmp_path / "sub" / "a_animated.gif").exists()


def test_memory_that_runs_out_for_the_page_costs_nothing_else(run, tmp_path, monkeypatch):
    def no_memory(*_, **__):
        raise MemoryError

    monkeypatch.setattr("transfer_report.report_html", no_memory)
    code, _, error = run("transfer", *SMALL, "--output", "a.png", "--report", "--animate")
    assert code == 1 and error == "transfer: a_report.html: not saved (memory ran out)\n"
    assert files(tmp_path) == ["a.png", "a_animated.gif", "a_loss.png", "a_strip.png"]
