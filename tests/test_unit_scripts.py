"""The scripts about units from the user's seat."""

import json
import re
import signal
from itertools import product

import numpy as np
import pytest
from conftest import IMAGES, ROOT, files, load_script

from scratchnet import load_image, save_image
from scratchnet.pages.figures import to_side
from scratchnet.units.choice import varied_channels
from scratchnet.units.deconvnet import explain_patch
from scratchnet.units.display import lit, signal_view
from scratchnet.units.scan.patches import TopPatches

pytest.importorskip("tqdm", reason="tqdm is not installed (extra 'viz')")

pytestmark = pytest.mark.usefixtures("no_processes")  # `test_killed_scans` has them
NO_SIZE = ["--images", IMAGES, "--workers", "1"]
SMALL = [*NO_SIZE, "--size", "32"]


# ---------------------------------------------------------------- top_patches.py


def test_the_embedded_photographs_are_those_of_two_folders_without_the_paintings():
    scanning = load_script("scanning")
    found = scanning.pictures_in(ROOT / "scripts")
    assert len(found) == 270 and {"images/cat.jpg", "photographs/kitten.jpg"} < set(found)
    assert not {"images/starry_night.jpg", "images/woodcut.jpg"} & set(found)


def test_top_patches_saves_patches_and_both_figures(run, tmp_path):
    """Without arguments, that is, but for the size and the folder: five layers."""
    code, out, error = run("top_patches", *SMALL)
    assert code == 0, error
    stem = "outputs/top_patches_images"
    assert files(tmp_path) == [f"{stem}.h5", f"{stem}.png", f"{stem}_fields.png"]
    assert "from 17 pictures" in out and "100%" in error
    assert re.search(r"relu5_3 +196×196 px +16 px +512 ", out)
    names = TopPatches.load(f"{stem}.h5").names
    assert "cat.jpg" in names and not {"starry_night.jpg", "woodcut.jpg"} & set(names)
    # nine units of nine patches of 196 px must fit in
    assert min(load_image(f"{stem}.png").shape[:2]) > 9 * 196


def test_top_patches_draws_the_units_asked_for(run, tmp_path):
    flags = [*SMALL, "--layers", "relu1_1,relu2_1", "--k", 4, "--patches", "p.h5"]
    assert run("top_patches", *flags, "--units", "relu2_1:3,5", "relu1_1:7")[0] == 0
    name = "p_relu2_1-3-5_relu1_1-7.png"  # of the file of patches and the units
    before = load_image(name)
    stamp = (tmp_path / "p.h5").stat().st_mtime_ns
    # without the flags: the file has its settings
    code, _, error = run("top_patches", *NO_SIZE, "--patches", "p.h5", "--units", "relu2_1:3")
    assert code == 0 and "17/17" in error
    assert (tmp_path / "p.h5").stat().st_mtime_ns == stamp  # drawn anew, not scanned anew
    # the old figures are kept, unless asked otherwise
    again = ["--patches", "p.h5", "--units", "relu2_1:3"]
    assert load_image(name).shape == before.shape != load_image("p_relu2_1-3.png").shape
    assert run("top_patches", *NO_SIZE, *again)[0] == 0
    assert load_image("p_relu2_1-3-2.png").shape == load_image("p_relu2_1-3.png").shape
    count = len(files(tmp_path))
    assert run("top_patches", *NO_SIZE, *again, "--overwrite")[0] == 0
    assert len(files(tmp_path)) == count
    code, _, error = run("top_patches", *NO_SIZE[2:], *again)  # a forgotten --images
    assert code == 2 and re.search(
        r"p\.h5: holds 17 pictures that are not in .*scripts .*: give their folder as --images",
        error,
    )
    code, _, error = run("top_patches", *flags, "--k", 5)
    assert code == 2 and "p.h5: holds another scan: its k is 4, not 5" in error


def test_top_patches_says_what_it_skipped(run, tmp_path):
    (tmp_path / "mine").mkdir()
    save_image(tmp_path / "mine" / "a.png", load_image(IMAGES / "cat.jpg"))
    (tmp_path / "mine" / "b.png").write_text("nothing")
    flags = [*SMALL, "--images", "mine", "--layers", "relu1_1", "--patches", "p.h5"]
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
        (["--scales", "1,big"], "argument --scales: '1,big' is not like 1,0.5"),
        (["--scales", "99"], "scales: got (99.0,), wanted numbers from 0.1 to 10"),
        (["--workers", "0"], "argument --workers: 0 is not a whole number"),
        (["--weights", "none.h5"], "none.h5: no such weight file"),
        (["--patches", "none/p.h5"], "none/p.h5: there is no folder none"),
        (["--patches", "text.h5"], "text.h5: not a file of patches"),
        (["--patches", "p.png"], "file of patches p.png: wanted a name that ends in .h5 or .hdf5"),
        (["--patches", "empty.h5"], "empty.h5: is a folder, wanted a file"),
        (["--images", ".", "--patches", "p.h5"], "p.h5: lies in the folder of pictures"),
        (["--size", "5000"], "size: got 5000 at scale 1.0, wanted at most 4000 px"),
        (["--k", "1000000000"], "k: got 1000000000, wanted at most 1000"),
        (["--units", "relu1_2"], "argument --units: 'relu1_2' is not like relu4_2:17,300"),
        (["--units", "relu4_2:1"], "--units relu4_2:1: the layers scanned are relu1_2,relu2_2"),
        (["--units", "relu2_2:5,128"], "--units relu2_2:128: relu2_2 has the channels 0 to 127"),
    ],
)
def test_top_patches_says_in_one_line_what_is_wrong(run, tmp_path, arguments, message):
    (tmp_path / "text.h5").write_text("no HDF5")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.h5").mkdir()
    code, _, error = run("top_patches", *SMALL, *arguments)
    assert code == 2
    assert message in error and error.count("\n") == 1
    assert files(tmp_path) == ["text.h5"]


def test_beside_the_embedded_pictures_there_is_room():
    from scanning import SCRIPTS, is_among_pictures

    assert is_among_pictures(SCRIPTS / "images" / "p.h5", SCRIPTS)
    assert not is_among_pictures(SCRIPTS / "outputs" / "p.h5", SCRIPTS)
    assert is_among_pictures(IMAGES / "more" / "p.h5", IMAGES)


def test_a_request_to_end_that_got_lost_ends_the_scan_at_its_next_picture():
    """Python drops what a handler raises while it tidies up: the scan would run to its end."""
    scanning = load_script("scanning")
    interrupts = load_script("interrupts").Interrupts("top_patches")
    interrupts.begin()
    bar = scanning.Bar(interrupts)
    progress = scanning.ScanProgress(1, 9, [], ("relu1_1",))
    bar(progress)
    with pytest.raises(KeyboardInterrupt):  # raised, and dropped
        interrupts._handle(signal.SIGTERM, None)
    with pytest.raises(KeyboardInterrupt):
        bar(progress)
    bar.bar.close()


def test_a_picture_that_was_mended_is_looked_at_again(run, tmp_path):
    (tmp_path / "mine").mkdir()
    for name, end in (("a.jpg", 3000), ("b.jpg", 3001)):
        (tmp_path / "mine" / name).write_bytes((IMAGES / "cat.jpg").read_bytes()[:end])
    save_image(tmp_path / "mine" / "c.png", load_image(IMAGES / "dog.jpg"))
    flags = [*SMALL, "--images", "mine", "--layers", "relu1_1", "--patches", "p.h5"]
    assert "from 1 pictures" in run("top_patches", *flags)[1]
    code, _, error = run("top_patches", *flags, "--strict")
    assert code == 2 and "a.jpg: damaged or cut off" in error
    (tmp_path / "mine" / "a.jpg").write_bytes((IMAGES / "cat.jpg").read_bytes())
    code, out, _ = run("top_patches", *flags)
    assert code == 0 and "from 2 pictures" in out and "skipped  1 that" in out


# ------------------------------------------------------------------- explain_units.py

FEW = [*SMALL, "--layers", "relu1_1,relu2_1"]


def test_explain_units_saves_three_figures_and_the_table(run, tmp_path, fast32):
    """Patches are shown pixel for pixel, and so is what is in them."""
    code, out, error = run("explain_units", *FEW, "--units", "relu2_1:3,5", "--occluded", 2)
    assert code == 0, error
    stem = "outputs/top_patches_images_relu2_1-3-5"
    kinds = ("_control.png", "_occlusion.md", "_occlusion.png", "_views.png")
    found = [*(stem + kind for kind in kinds), "outputs/top_patches_images.h5"]
    assert files(tmp_path) == sorted(found)
    table = (tmp_path / f"{stem}_occlusion.md").read_text(encoding="utf-8")
    assert re.search(
        r"^\| relu2_1 \| 10 px \| 2 \| 1 px, every 1 \| \d+ % \(\d+–\d+ %\) ", table, re.M
    )
    assert table in out
    # what is to come is said before, with what there is to wait for
    assert re.search(r"explain_units: about \d+ (seconds|minutes)\n", error) and " left" in error
    assert re.search(r"deconvnet's energy below relu2_1 where the ReLU was off: relu1_2 \d+ %", out)
    top = TopPatches.load("outputs/top_patches_images.h5")
    pictures = load_script("scanning").Pictures(top, IMAGES)
    figures = {
        kind: load_image(f"outputs/top_patches_images_relu2_1-3-5_{kind}.png")
        for kind in ("views", "control")
    }
    for channel in (3, 5):
        for patch in top.patches("relu2_1", channel)[:3]:
            piece = pictures.cut(patch)
            signal = explain_patch(
                fast32, pictures(patch), "relu2_1", patch.position, channel, "guided"
            )
            for shown in (piece, signal_view(signal), lit(piece, signal)):
                large = to_side(shown, 196)  # 10 px, each 19 px wide
                assert large.shape == (190, 190, 3)
                assert close_places(figures["views"], np.rint(large)) == 1
    # of the first one, the control has the same
    patch = top.patches("relu2_1", 3)[0]
    assert close_places(figures["control"], np.rint(to_side(pictures.cut(patch), 196))) == 1


def test_explain_units_says_that_no_patch_is_wholly_inside(run, tmp_path):
    flags = ["--layers", "relu3_3", "--size", 32, "--shown", 1, "--occluded", 1]
    code, out, error = run("explain_units", *SMALL, *flags)
    assert code == 0, error
    said = "not saved outputs/top_patches_images_occlusion.png: no unit fires, or none has a patch"
    assert said in out
    assert "outputs/top_patches_images_occlusion.png" not in files(tmp_path)


def close_places(figure, picture):
    """Return how often a picture is in a figure, but for a grey level that threads may round."""
    height, width, _ = picture.shape
    rows, columns = (n - side + 1 for n, side in zip(figure.shape, (height, width), strict=False))
    places = np.argwhere(np.abs(figure[:rows, :columns, 0] - picture[0, 0, 0]) <= 1)
    for row, column in product(range(0, height, 19), range(0, width, 19)):
        y, x = places.T
        difference = np.abs(figure[y + row, x + column] - picture[row, column])
        places = places[difference.max(axis=1) <= 1]
    return sum(
        np.abs(figure[row : row + height, column : column + width] - picture).max() <= 1
        for row, column in places
    )


def test_a_unit_that_never_fires_is_labelled_and_not_explained(run, tmp_path):
    (tmp_path / "grey").mkdir()
    save_image(tmp_path / "grey" / "a.png", np.full((40, 40, 3), 120))
    flags = ["--images", "grey", "--size", 40, "--layers", "relu5_1", "--workers", 1]
    code, out, error = run("top_patches", *flags, "--patches", "p.h5")
    assert code == 0, error
    strongest = TopPatches.load("p.h5").strongest["relu5_1"]
    dead = np.flatnonzero(strongest.picture[:, 0] == -1)
    assert 0 < len(dead) < 512 and re.search(rf"relu5_1 .* 512 +{len(dead)}$", out, re.M)
    units = ["--units", f"relu5_1:{dead[0]}"]
    for script in ("top_patches", "explain_units"):
        code, _, error = run(script, *flags, "--patches", "p.h5", *units, "--overwrite")
        assert code == 0, error
    figures = [f"p_relu5_1-{dead[0]}{end}.png" for end in ("", "_views")]
    assert {"grey/a.png", "p.h5", "p.png", "p_fields.png", *figures} < set(files(tmp_path))
    # the unit is a crossed-out grey square in either figure, and nothing else has colours
    for name in figures:
        colours = np.ptp(load_image(name), axis=2)
        assert not colours.any()


# ------------------------------------------------------------------- explain_style.py


def test_explain_style_saves_figures_and_tables_that_add_up(run, tmp_path):
    flags = [*SMALL, "--layer", "relu1_1", "--pairs", 2]
    code, out, error = run("explain_style", *flags)
    assert code == 0, error
    stem = "outputs/leuven_street_starry_night_relu1_1"
    assert files(tmp_path) == [
        f"{stem}.md", f"{stem}_loss.png", f"{stem}_pairs.png",
        "outputs/top_patches_relu1_1_images.h5",
    ]  # fmt: skip
    text = (tmp_path / f"{stem}.md").read_text(encoding="utf-8")
    assert text in out
    strengths = [float(x) for x in re.findall(r"^\| \d+ \| \d+ \| (\d\.\d+) \|", text, re.M)]
    assert len(strengths) == 20 and strengths == sorted(strengths, reverse=True)
    assert 0.9 < strengths[0] <= 1
    often = re.findall(r"^\| \d+ \| \d+ \| \d\.\d+ \| (\d+) % \| (\d+) % \|$", text, re.M)
    assert len(often) == 20 and min(int(share) for pair in often for share in pair) >= 5
    shares = [float(x) for x in re.findall(r"^\| \d+ \| (\d+\.\d) % \|$", text, re.M)]
    assert len(shares) == 20 and 40 < sum(shares) <= 100


def test_explain_style_of_a_picture_against_itself_has_no_loss(run, tmp_path):
    picture = IMAGES / "mosaic.jpg"
    flags = [*SMALL, "--layer", "relu1_1", "--content", picture, "--style", picture]
    code, out, error = run("explain_style", *flags)
    assert code == 0, error
    assert "is J = 0." in out
    assert not (tmp_path / "outputs" / "mosaic_mosaic_relu1_1_loss.png").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--layer", "conv2_1"], "--layer conv2_1: wanted a ReLU, after which nothing is negative"),
        (["--layer", "relu9_9"], "unknown layer 'relu9_9'"),
        (["--style", "none.jpg"], "none.jpg: no such picture"),
        (["--content", "none.jpg"], "none.jpg: no such picture"),
        (["--output", "none/x.md"], "none/x.md: there is no folder none"),
        (["--output", "cat.jpg"], "--output cat.jpg: wanted a name that ends in .md"),
        (["--pairs", "0"], "argument --pairs: 0 is not a whole number of at least 1"),
    ],
)
def test_explain_style_says_in_one_line_what_is_wrong(run, arguments, message):
    code, _, error = run("explain_style", *SMALL, *arguments)
    assert code == 2 and message in error and error.count("\n") == 1


# ------------------------------------------------------------------- atlas.py


def test_atlas_is_one_file_with_the_units_asked_for(run, tmp_path):
    mine = tmp_path / "outputs" / "atlas.html.parts" / "relu1_1" / "mine.txt"
    mine.parent.mkdir(parents=True)
    mine.touch()
    code, out, error = run("atlas", *FEW, "--units-per-layer", 3, "--title", "Units & fields")
    assert code == 0, error
    stem = "outputs/top_patches_images"
    there = ["outputs/atlas.html", f"{stem}.h5", f"{stem}_maxima.h5"]
    assert files(tmp_path) == sorted([*there, str(mine.relative_to(tmp_path))])
    page = (tmp_path / "outputs" / "atlas.html").read_text(encoding="utf-8")
    record = json.loads(
        re.search(r'<script type="application/json"[^>]*>(.*?)</script>', page, re.S)[1]
    )
    top = TopPatches.load("outputs/top_patches_images.h5")
    for layer in record["layers"]:
        shown = [unit["channel"] for unit in layer["units"]]
        assert shown == sorted(varied_channels(top, layer["name"], 3))
        for unit in layer["units"]:
            expected = top.patches(layer["name"], unit["channel"])
            assert [tuple(patch["box"]) for patch in unit["patches"]] == [p.box for p in expected]
            names = [record["pictures"][patch["picture"]]["name"] for patch in unit["patches"]]
            assert names == [top.names[patch.picture] for patch in expected]
    assert "<title>Units &amp; fields</title>" in page and "MB" in out
    code, _, error = run("atlas", *FEW, "--k", 10, "--patches", "ten.h5")
    assert code == 2 and "a card of the atlas has room for 9 patches" in error
    code, _, error = run("atlas", *FEW, "--output", "outputs/top_patches_images.h5")
    assert code == 2 and "is what --patches reads, and would be lost" in error
    code, _, error = run("atlas", *FEW, "--output", "outputs/atlas.png")
    assert code == 2 and "wanted a name that ends in .html or .htm" in error
    code, _, error = run("atlas", *FEW, "--output", "outputs/atlas.html")
    assert code == 2 and "is there already; --overwrite replaces it" in error
