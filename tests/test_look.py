"""One's own picture: what the page holds, and what a reader finds in it."""

import json
import re

import numpy as np
import pytest
from browser import CONTRASTS, Reader
from conftest import files, load_script, scan_in_a_thread
from test_atlas import decode

from scratchnet import save_image
from scratchnet.units.maxima import Usual, standing_out
from scratchnet.units.scan.maxima import load_maxima
from scratchnet.units.scan.patches import TopPatches
from scratchnet.units.scan.settings import working_picture

pytest.importorskip("tqdm", reason="tqdm is not installed (extra 'viz')")

AWKWARD = 'my<b>"&.png'
FLAGS = ["--images", "mine", "--workers", 1, "--size", 48, "--layers", "relu2_1,relu1_2"]


@pytest.fixture(scope="module")
def looked(tmp_path_factory):
    """Return the folder of a run: five pictures of noise, and one with a bright edge in it."""
    place, rng = tmp_path_factory.mktemp("looked"), np.random.default_rng(7)
    (place / "mine").mkdir()
    for n in range(5):
        save_image(place / "mine" / f"{n}.png", rng.uniform(90, 160, (50, 60, 3)))
    image = np.full((50, 70, 3), 20.0)
    image[:, 35:] = 250
    save_image(place / AWKWARD, image)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        scan_in_a_thread(patch)
        patch.setattr("sys.argv", ["look.py", AWKWARD, *map(str, FLAGS)])
        assert load_script("look").main() == 0
    return place


def record_of(path):
    text = path.read_text(encoding="utf-8")
    return json.loads(re.search(r'id="look-data">(.*?)</script>', text, re.DOTALL)[1])


def test_the_channels_exceed_what_is_usual_for_them(looked, fast32):
    page = looked / "outputs" / 'look_my<b>"&.html'
    assert page.is_file() and len(files(looked / "outputs")) == 3
    data = record_of(page)
    top = TopPatches.load(looked / "outputs" / "top_patches_mine.h5")
    maxima = load_maxima(looked / "outputs" / "top_patches_mine_maxima.h5", top)
    image = working_picture(looked / AWKWARD, 48)
    maps = fast32.forward(image, ["relu1_2", "relu2_1"])[0]
    assert {unit["layer"] for unit in data["units"]} == {"relu1_2", "relu2_1"}
    for unit in data["units"]:
        a, m = maps[unit["layer"]][:, :, unit["channel"]], maxima[unit["layer"]]
        usual = m[:, unit["channel"]]
        above = (a.max() - usual.mean()) / usual.std()
        assert unit["value"] == pytest.approx(a.max(), rel=1e-3)
        assert unit["excess"] == pytest.approx(above, abs=0.1) and above > 0
        row, col = np.unravel_index(a.argmax(), a.shape)
        assert unit["box"] == list(top.fields[unit["layer"]].box(int(row), int(col)))
        assert decode(unit["where"]).shape == image.shape
        assert len(unit["others"]["cells"]) == 9
    by_layer = [unit["excess"] for unit in data["units"] if unit["layer"] == "relu1_2"]
    assert by_layer == sorted(by_layer, reverse=True) and 1 <= len(by_layer) <= 4


def test_it_is_not_raw_strength_that_counts():
    """Channel 0 is stronger, but always so."""
    m, common = np.array([100.0, 9.0]), Usual(np.array([99.0, 1.0]), np.array([5.0, 2.0]))
    assert standing_out(m, common, np.ones(2, bool), np.eye(2), 1) == [1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.png"], "none.png: no such picture"),
        (["text.png"], "text.png: not a picture that can be read"),
        (["a.png", "--output", "a.png"], "--output a.png: is what PICTURE reads"),
        (["a.png", "--output", "b.txt"], "wanted a name that ends in .html or .htm"),
        (["a.png", "--layers", "relu9_9"], "unknown layer 'relu9_9'"),
        ([], "the following arguments are required: PICTURE"),
    ],
)
@pytest.mark.usefixtures("no_processes")
def test_what_is_wrong_is_said_in_one_line(run, tmp_path, arguments, message):
    (tmp_path / "mine").mkdir()
    save_image(tmp_path / "mine" / "a.png", np.zeros((50, 60, 3)))
    save_image(tmp_path / "a.png", np.zeros((50, 60, 3)))
    (tmp_path / "text.png").write_text("no picture")
    flags = [flag for flag in FLAGS if "--layers" not in arguments or flag not in FLAGS[-2:]]
    code, _, error = run("look", *arguments, *flags)
    assert code == 2 and message in error and error.count("\n") == 1
    assert not (tmp_path / "outputs" / "look_a.html").exists()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_a_browser(looked, driver, scheme):
    path = next((looked / "outputs").glob("look_*.html"))
    reader = Reader(driver, path.as_uri())
    driver.get_log("browser")
    for width in (375, 1440):
        reader.open(scheme=scheme, width=width)
        assert reader.find("h1").text == f"What the network sees in {AWKWARD}"
        assert not reader.all("h1 b")
        assert [found for found in reader.js(CONTRASTS) if found[1] < 4.5] == []
        root = "document.documentElement"
        assert reader.js(f"return {root}.scrollWidth - {root}.clientWidth") == 0
        inside = (
            "return [...document.querySelectorAll('.seen')].map(e => e.scrollWidth - e.clientWidth)"
        )
        assert set(reader.js(inside)) == {0}
        names = [e.accessible_name for e in reader.all("main [role=img], main img")]
        assert all(names) and AWKWARD in names
        assert [link.text for link in reader.all("#layers a")] == ["relu1_2", "relu2_1"]
    assert driver.get_log("browser") == []
