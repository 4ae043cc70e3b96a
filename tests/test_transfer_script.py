"""What transfer.py offers beside one photograph and one painting."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import IMAGES, files, load_script

from scratchnet import VGG, load_image, save_image
from scratchnet.files.decoding import decode_image
from scratchnet.style.course import Step

pytestmark = pytest.mark.usefixtures("quick_transfers")
SMALL = ["--image-size", 32, "--iterations", 4, "--threads", 1]


def pixels(path):
    return np.asarray(load_image(path))


def test_layers_with_weights_are_shares():
    parse = load_script("transfer").parse_arguments
    arguments = parse(["--style-layers", "relu1_1:4, relu2_1:1", "--content-layers", "relu3_1"])
    assert arguments.style_layers == {"relu1_1": 0.8, "relu2_1": 0.2}
    assert arguments.content_layers == {"relu3_1": 1.0}
    assert sum(parse([]).style_layers.values()) == pytest.approx(1)


def test_one_style_twice_paints_as_once(run, tmp_path):
    style = IMAGES / "woodcut.jpg"
    assert run("transfer", *SMALL, "--style", style, "--output", "once.png")[0] == 0
    code, out, _ = run("transfer", *SMALL, "--style", style, style, "--output", "twice.png")
    assert code == 0 and out.count("woodcut.jpg at") == 2
    difference = pixels("once.png") - pixels("twice.png")
    assert np.abs(difference).max() <= 1  # of 255: rounding, in float32
    blend = ["--style", style, IMAGES / "mosaic.jpg", "--style-blend-weights", 1, 3]
    assert run("transfer", *SMALL, *blend)[0] == 0
    assert "outputs/leuven_street_woodcut_mosaic.png" in files(tmp_path)


def test_original_colors(run, tmp_path):
    grey = np.repeat(np.random.default_rng(0).uniform(0, 255, (32, 32, 1)), 3, axis=2)
    save_image(tmp_path / "grey.png", grey)
    flags = [*SMALL, "--content", "grey.png", "--original-colors"]
    assert run("transfer", *flags, "luminance", "--output", "a.png")[0] == 0
    assert not np.ptp(pixels("a.png"), axis=2).any()
    assert run("transfer", *flags, "match", "--output", "b.png")[0] == 0
    assert run("transfer", *flags[:-1], "--output", "c.png")[0] == 0
    chroma = [np.ptp(pixels(name), axis=2).mean() for name in ("b.png", "c.png")]
    assert chroma[0] < chroma[1]


def test_pictures_on_the_way(run, tmp_path):
    save_image(tmp_path / "flat.jpg", load_image(IMAGES / "leuven_street.jpg")[50:322])
    flags = [*SMALL, "--image-size", 128, "--content", "flat.jpg", "--save-every", 3]
    code, _, error = run("transfer", *flags, "--output", "a.png")
    # 3 evaluations at 64 px, then 5 at 128
    assert code == 0, error
    made = ["a.png", "a_0003.png", "a_0006.png", "a_loss.png", "a_strip.png", "flat.jpg"]
    assert files(tmp_path) == made
    assert pixels("a_0003.png").shape == pixels("a.png").shape
    (tmp_path / "c_0003.png").write_bytes(b"mine")
    code, _, error = run("transfer", *flags, "--output", "c.png")
    assert code == 2 and "c_0003.png: is there already; --overwrite replaces it" in error


def test_a_picture_on_the_way_is_named_by_its_iteration(tmp_path):
    """Also by a run that goes on from a checkpoint, and so begins in the middle."""
    load_script("transfer")
    from transfer_saving import Frames

    finish = SimpleNamespace(colored=lambda image: image, opacity=lambda image: None)
    frames = Frames({3: tmp_path / "a_0003.png", 6: tmp_path / "a_0006.png"}, finish)
    for iteration in (5, 6, 7):
        frames(Step(iteration, np.full((4, 4, 3), 90.0), 1.0, {}, 0.5))
    assert files(tmp_path) == ["a_0006.png"]


def test_pictures_on_the_way_look_as_the_result_will_also_where_they_are_smaller(run, tmp_path):
    """At 128 px the first size is 64."""
    alpha = np.zeros((96, 128))
    alpha[:, :64] = 1
    save_image(tmp_path / "c.png", np.full((96, 128, 3), 100.0), alpha=alpha)
    code, _, error = run(
        "transfer", "--image-size", 128, "--iterations", 2, "--content", "c.png", "--save-every", 1,
        "--keep-transparent", "--original-colors", "luminance", "--output", "a.png", "--animate",
    )  # fmt: skip
    assert code == 0, error
    first, last = decode_image("a_0001.png"), decode_image("a.png")
    assert first.shape[:2] == (48, 64) and last.shape[:2] == (96, 128)
    for picture in (first, last):
        opacity = picture.opacity().array()[:, :, 0]
        assert (opacity[:, : opacity.shape[1] // 2 - 4] == 255).all() and opacity[0, -1] == 0
    assert np.ptp(pixels("a_0001.png")[:, :28], axis=2).max() <= 1  # the photograph is grey


def test_a_folder_of_pictures(run, tmp_path):
    (tmp_path / "in" / "sub").mkdir(parents=True)
    (tmp_path / "out").mkdir()
    for name in ("a.png", "sub/a.png"):
        save_image(tmp_path / "in" / name, np.random.default_rng(0).uniform(0, 255, (32, 40, 3)))
    (tmp_path / "in" / "bad.jpg").write_bytes((IMAGES / "cat.jpg").read_bytes()[:2000])
    code, out, error = run("transfer", *SMALL, "--content", "in", "--output", "out")
    assert code == 1 and "painted  2 of 3 pictures" in out
    assert re.search(r"in/bad\.jpg: damaged or cut off .*; skipped", error)
    made = [name for name in files(tmp_path) if name.startswith("out/")]
    ends = ("", "_loss", "_strip")
    assert made == sorted(
        f"out/{stem}_starry_night{end}.png" for stem in ("a", "sub_a") for end in ends
    )
    code, _, error = run("transfer", *SMALL, "--content", "in", "--resume", "x")
    assert code == 2 and "--resume: is for one picture, not for a folder of them" in error
    code, _, error = run("transfer", *SMALL, "--content", "in", "--output", "x.png")
    assert code == 2 and "--output x.png: is no folder" in error


def test_progress_where_there_is_no_terminal(run, monkeypatch):
    load_script("transfer")
    _, _, error = run("transfer", *SMALL, "--output", "a.png")
    assert "\r" not in error and error.count("\n") == 1  # the end, and nothing within 10 seconds
    assert re.match(r"100% step 4: J \S+ \(tv \S+, style \S+, content \S+\), 0 s left\n", error)
    monkeypatch.setattr("transfer_progress.SECONDS", 0)
    _, _, error = run("transfer", *SMALL, "--output", "b.png")
    assert error.count("\n") == 5
    _, _, error = run("transfer", *SMALL, "--output", "c.png", "--quiet")
    assert error == ""


def test_a_start_of_another_size_is_said(run, tmp_path):
    save_image(tmp_path / "start.png", np.full((20, 30, 3), 90))
    code, out, _ = run("transfer", *SMALL, "--init", "start.png", "--output", "a.png")
    assert code == 0 and "start    start.png, 30×20 px, scaled to 32×24 px" in out


@pytest.mark.parametrize("optimizer", ["adam", "descent", "lbfgs"])
def test_all_optimizers_paint(run, optimizer):
    code, out, error = run("transfer", *SMALL, "--optimizer", optimizer)
    assert code == 0, error
    assert "J        " in out


# ---------------------------------------------------------------- masks


def save_half(path, height=24, width=32, left=255, right=0):
    """Save a mask whose left half has one grey and whose right half another."""
    mask = np.full((height, width, 3), float(right))
    mask[:, : width // 2] = left
    save_image(path, mask)


TWO = ["--style", IMAGES / "woodcut.jpg", IMAGES / "mosaic.jpg"]


def test_two_styles_with_masks(run, tmp_path):
    save_half(tmp_path / "l.png")
    save_half(tmp_path / "r.png", left=0, right=255)
    masks = ["--style-mask", "l.png", "r.png"]
    code, out, error = run("transfer", *SMALL, *TWO, *masks, "--output", "a.png")
    assert code == 0, error
    assert "mask     l.png 50.0%, r.png 50.0%; overlap 0.0%, without a style 0.0%" in out
    run("transfer", *SMALL, *TWO, "--output", "b.png")
    assert (pixels("a.png") != pixels("b.png")).any()
    code, _, error = run("transfer", *SMALL, *TWO, *masks, "--output", "l.png", "--overwrite")
    assert code == 2 and "--output l.png: is what --style-mask (1) reads" in error


def test_a_mask_that_vanishes_only_where_the_transfer_begins():
    """A unit of relu5_1 has 16 px: two are within the mask's 40 to 88; at 64 px, 20 to 44, none."""
    from transfer_masks import Masks, announced

    mask = np.zeros((128, 128), np.float32)
    mask[40:88, 40:88] = 1
    network, sizes = VGG.load(threads=1), [(128, 128), (64, 64)]
    flags = ["--style-mask", "m.png", "--style", "s.png"]
    small = mask.copy()
    small[:50] = small[70:] = 0
    for start, of, expected in (
        ("random", mask, "m.png is too small for relu5_1 where the transfer begins, at 64×64 px"),
        ("content", mask, "m.png 14.1%; overlap 0.0%, without a style 85.9%"),
        ("content", small, "m.png is too small for relu5_1, which is left out there"),
    ):
        arguments = load_script("transfer").parse_arguments([*flags, "--init", start])
        *_, last = announced(Masks([of], None, None), network, sizes, arguments)
        assert last == expected


def test_white_masks_of_any_size_are_none(run, tmp_path):
    save_half(tmp_path / "w.png", 50, 90, right=255)
    white = ["--style-mask", "w.png", "w.png", "--style-image-mask", "w.png", "w.png"]
    code, out, error = run("transfer", *SMALL, *TWO, *white, "--output", "a.png")
    assert code == 0, error
    assert "mask     w.png, 90×50 px, is stretched to fit 512×384 px" in out
    assert "overlap 100.0%, without a style 0.0%" in out
    run("transfer", *SMALL, *TWO, "--output", "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_masks_that_can_not_be_meant(run, tmp_path):
    save_half(tmp_path / "l.png")
    save_half(tmp_path / "black.png", left=0)
    (tmp_path / "in").mkdir()
    save_half(tmp_path / "in" / "a.png")
    for flags, message in [
        (["--style-mask", "l.png"], "--style-mask: got 1, wanted one for each --style, 2"),
        (["--style-image-mask", *["l.png"] * 3], "--style-image-mask: got 3, wanted one for each"),
        (["--style-mask", "l.png", "black.png"], "--style-mask black.png: the mask is 0 every"),
        (["--style-image-mask", "black.png", "l.png"], "--style-image-mask black.png: the mask"),
        (["--style-mask", "l.png", "none.png"], "none.png: no such picture"),
        (["--style-mask", "l.png", "l.png", "--content", "in"], "--style-mask: is for one picture"),
        (["--keep-transparent", "--output", "a.jpg"], "--keep-transparent, --output a.jpg: wanted"),
    ]:
        code, _, error = run("transfer", *SMALL, *TWO, *flags)
        assert code == 2 and message in error and error.count("\n") == 1, error
    assert files(tmp_path) == ["black.png", "in/a.png", "l.png"]


def test_what_is_transparent_stays_so(run, tmp_path):
    alpha = np.zeros((24, 32))
    alpha[:, :20] = 1
    alpha[:, 20:22] = 0.4
    picture = np.random.default_rng(0).uniform(0, 255, (24, 32, 3))
    save_image(tmp_path / "c.png", picture, alpha=alpha)
    flags = [*SMALL, "--content", "c.png", "--keep-transparent", "--save-every", 2]
    code, out, error = run("transfer", *flags, "--output", "a.png")
    assert code == 0, error
    assert "mask     opaque 65.0%; overlap 0.0%, without a style 35.0%" in out
    for name in ("a.png", "a_0002.png"):
        assert np.array_equal(decode_image(name).opacity().array()[:, :, 0], np.rint(alpha * 255))
    assert (pixels("a_strip.png")[:, -9:] == 255).all()  # in front of white
    save_image(tmp_path / "none.png", picture, alpha=0 * alpha)
    code, _, error = run("transfer", *flags, "--content", "none.png")
    assert code == 2 and "--keep-transparent: none.png: the mask is 0 everywhere" in error
    save_half(tmp_path / "r.png", left=0, right=255)
    save_image(tmp_path / "c.png", picture, alpha=alpha[:, ::-1])
    code, out, error = run("transfer", *flags, "--style-mask", "r.png", "--output", "b.png")
    assert code == 0 and "mask     r.png 50.0%" in out
