"""The atlas as a folder: what the script leaves, and what a reader finds in it."""

import argparse
import functools
import http.server
import json
import re
import threading
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
from browser import CONTRASTS, Reader
from conftest import files, load_script, scan_in_a_thread
from test_atlas import AWKWARD, FIELDS, decode_file, make_pictures, record

from scratchnet import VGG, receptive_field, save_image
from scratchnet.pages.atlas import AtlasLayer, AtlasPatch, AtlasUnit, atlas_page
from scratchnet.pages.atlas_folder import check_folder
from scratchnet.pages.atlas_units import (
    ACROSS,
    LAYER,
    PICTURE,
    STEP,
    Source,
    Task,
    pass_work,
    work_of,
)
from scratchnet.pages.page import save_page
from scratchnet.pages.sheets import Sheet
from scratchnet.units.scan.patches import TopPatches
from scratchnet.units.scan.settings import ScanSettings
from scratchnet.units.unit_part import middle_part

pytest.importorskip("tqdm", reason="tqdm is not installed (extra 'viz')")

NAME = 'b"<b>&.png'
FLAGS = ["--images", "mine", "--workers", 1, "--size", 48, "--k", 4, "--all",
         "--layers", "relu1_1,relu1_2", "--maximise", "--steps", 1, "--occlusion"]  # fmt: skip


@pytest.fixture(scope="module")
def atlas(tmp_path_factory):
    """Return where the script has made a folder of two layers, from three pictures."""
    place = tmp_path_factory.mktemp("place")
    (place / "mine").mkdir()
    rng = np.random.default_rng(3)
    for name in ("a.png", NAME, "c.png"):
        save_image(place / "mine" / name, rng.uniform(0, 255, (50, 60, 3)))
    patch = pytest.MonkeyPatch()
    patch.chdir(place)
    scan_in_a_thread(patch)
    patch.setattr("sys.argv", ["atlas.py", *map(str, FLAGS), "--title", "Units & <i>all</i>"])
    assert load_script("atlas").main() == 0
    yield place / "outputs" / "atlas"
    patch.undo()


def test_a_page_for_each_layer_and_files_for_each_unit(atlas):
    pages = sorted(path.name for path in atlas.glob("*.html"))
    assert pages == ["index.html", "relu1_1.html", "relu1_2.html"]
    data = record((atlas / "relu1_2.html").read_text(encoding="utf-8"))
    assert [layer["name"] for layer in data["layers"]] == ["relu1_1", "relu1_2"]
    (units,) = [layer["units"] for layer in data["layers"] if "units" in layer]
    assert [unit["channel"] for unit in units] == list(range(64))
    top = TopPatches.load(atlas.parent / "top_patches_mine.h5")
    for unit in units:
        kinds = {kind for sheet in unit["sheets"] for kind in sheet["cells"]}
        firing = bool(top.patches("relu1_2", unit["channel"]))
        assert kinds == ({"patches", "lit", "guided", "covered", "made"} if firing else set())
        assert all((atlas / sheet["image"]).is_file() for sheet in unit["sheets"])
        assert len(unit["inputs"]) == 8
    assert all((atlas / picture["image"]).is_file() for picture in data["pictures"])
    assert {picture["name"] for picture in data["pictures"]} <= {"a.png", NAME, "c.png"}


def test_patches_are_exact(atlas):
    top = TopPatches.load(atlas.parent / "top_patches_mine.h5")
    data = record((atlas / "relu1_2.html").read_text(encoding="utf-8"))
    images = [np.rint(top.picture(atlas.parents[1] / "mine", n)) for n in range(len(top.names))]
    checked = 0
    for unit in data["layers"][1]["units"]:
        stored = decode_file(atlas / unit["sheets"][0]["image"]) if unit["sheets"] else None
        for patch, (row, col, side) in zip(
            top.patches("relu1_2", unit["channel"]),
            unit["sheets"][0]["cells"]["patches"] if unit["sheets"] else [],
            strict=True,
        ):
            if not top.is_whole(patch):
                continue
            image = images[patch.picture]
            y, x, bottom, right = patch.box
            assert np.array_equal(
                stored[row : row + side, col : col + side], image[y:bottom, x:right]
            )
            checked += 1
    assert checked > 100


def test_the_same_command_draws_only_what_is_missing(atlas, run, monkeypatch):
    monkeypatch.chdir(atlas.parents[1])

    def times():
        kept = (path for path in atlas.rglob("*.*") if path.suffix != ".html")
        return {path: path.stat().st_mtime_ns for path in kept}

    before = times()
    contents = (atlas / "relu1_2.html").read_bytes()
    lost = next(atlas.glob("relu1_2/*_views.webp"))
    lost.unlink()
    flags = [*FLAGS, "--title", "Units & <i>all</i>"]
    code, _, error = run("atlas", *flags)
    assert code == 0 and "1 units to draw, " in error and "0 units to draw, " in error
    after = times()
    channel = lost.name.split("_")[0]
    redrawn = {path for path in before if after[path] != before[path]}
    assert {path.name.split("_")[0] for path in redrawn} == {channel}
    assert not any("made" in path.name or "covered" in path.name for path in redrawn)
    assert (atlas / "relu1_2.html").read_bytes() == contents


def test_what_is_no_atlas_is_left_alone(run, tmp_path):
    (tmp_path / "mine").mkdir()
    save_image(tmp_path / "mine" / "a.png", np.zeros((50, 60, 3)))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for output, message in [
        ("full", "full: holds something else than an atlas"),
        ("file", "file: is a file, wanted a folder"),
        ("mine/atlas", "mine/atlas: lies in the folder of pictures"),
    ]:
        code, _, error = run("atlas", *FLAGS, "--output", output)
        assert code == 2 and message in error and error.count("\n") == 1
    assert files(tmp_path) == ["file", "full/x", "mine/a.png"]


def test_without_layers_a_page_shows_the_usual_five(fast32):
    """Also of a file of patches that has grown to thirteen."""
    work = load_script("atlas_work")
    thirteen = load_script("atlas").THIRTEEN
    assert len(thirteen) == 13
    nothing, asked = argparse.Namespace(), argparse.Namespace(layers=("relu3_1", "relu1_1"))
    fields = {name: receptive_field(fast32, name) for name in reversed(thirteen)}
    grown = SimpleNamespace(fields=fields)
    assert work.layers_of(grown, nothing) == list(ScanSettings().layers)
    assert work.layers_of(grown, asked) == ["relu1_1", "relu3_1"]
    few = SimpleNamespace(fields={name: fields[name] for name in ("relu3_1", "relu1_2")})
    assert work.layers_of(few, nothing) == ["relu1_2", "relu3_1"]


def test_the_work_predicted_is_that_of_the_convolutions():
    """conv1_1: 27 multiplications for each of 64 channels; conv1_2: 576; conv2_1 on a quarter."""
    network = VGG.load()
    first, second = 27 * 64, 576 * 64
    assert pass_work(network, "relu1_1", 8) == 64 * first
    assert pass_work(network, "relu2_1", 8) == 64 * (first + second) + 16 * 576 * 128


def test_the_work_predicted_for_a_unit_is_that_of_its_part():
    """relu1_2: 5×5 positions of conv1_1, 3×3 of conv1_2; nine patches, there and (twice) back."""
    network, source = VGG.load(), Source("a", b"", 1.0, (0, 0), (0, 0, 5, 5), True)
    one_pass = 25 * 27 * 64 + 9 * 576 * 64 + 2 * LAYER
    task = Task("seen", "relu1_2", 3, (source,) * 9, "", 224, None, "", "", 160)
    assert work_of(network, task) == 9 * (3 * one_pass + PICTURE)
    assert work_of(network, task._replace(kind="covered")) == (ACROSS**2 + 1) * one_pass + PICTURE
    # a picture of 80 px for a whole channel; one of 144 for a unit
    whole, part = (task._replace(kind="made", layer=name) for name in ("relu1_2", "relu5_1"))
    step = 3 * pass_work(network, "relu1_2", 80) + STEP * 104**2
    assert work_of(network, whole) == whole.steps * step
    less = middle_part(network, "relu5_1", 144)
    step = 3 * pass_work(less, "relu5_1", 144) + STEP * 168**2
    assert work_of(network, part) == part.steps * step
    assert pass_work(less, "relu5_1", 144) < 0.9 * pass_work(network, "relu5_1", 144)


# ------------------------------------------------------------------- in a browser


@contextmanager
def served(folder):
    """Serve a folder's files; yield its address and the list of what is asked for."""
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

        def do_GET(self):
            asked.append(self.path)
            if self.path.endswith("favicon.ico"):
                self.send_response(204)
                self.end_headers()
            else:
                super().do_GET()

    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


@pytest.fixture(scope="module", params=["disk", "server"])
def place(atlas, request):
    """Return the folder's address: on the disk, and from a server of files."""
    if request.param == "disk":
        yield atlas.as_uri()
    else:
        with served(atlas) as (url, _):
            yield url


@pytest.fixture
def reader(driver, place):
    """Return someone in the folder; at the end the console must be empty."""
    reader = Reader(driver, f"{place}/")
    driver.get_log("browser")
    yield reader
    assert driver.get_log("browser") == []


def page_of(reader):
    return reader.js("return location.pathname").rpartition("/")[2] + reader.hash()


def test_an_address_leads_to_a_unit(reader):
    reader.open("index.html#relu1_2:17")
    reader.until(lambda: page_of(reader) == "relu1_2.html#relu1_2:17")
    assert reader.find("#unit-title").text == "relu1_2 channel 17"
    assert not reader.find("#units").is_displayed()
    reader.open("relu1_1.html#relu1_2:3")  # of another page
    reader.until(lambda: page_of(reader) == "relu1_2.html#relu1_2:3")
    reader.open("index.html")
    assert [link.text.split("\n")[0] for link in reader.all("#layers a")] == ["relu1_1", "relu1_2"]
    reader.find("#unit").send_keys("relu9_9:1")
    reader.press("ENTER")
    assert "no such unit" in reader.find("#hint").text
    reader.find("#unit").clear()
    reader.find("#unit").send_keys("relu1_1:5")
    reader.press("ENTER")
    reader.until(lambda: page_of(reader) == "relu1_1.html#relu1_1:5")
    reader.open("relu1_2.html#relu1_2:64")
    assert "does not show channel 64 of relu1_2" in reader.find("#status").text


def test_next_and_previous_by_keyboard_and_by_click(reader):
    reader.open("relu1_2.html#relu1_2:0")
    assert reader.focused() == "relu1_2 channel 0" and not reader.all("#unit-previous")
    for key, channel in [("ARROW_RIGHT", 1), ("ARROW_RIGHT", 2), ("ARROW_LEFT", 1)]:
        reader.press(key)
        reader.until(lambda channel=channel: reader.hash() == f"#relu1_2:{channel}")
        reader.until(lambda channel=channel: reader.focused() == f"relu1_2 channel {channel}")
    reader.find("#unit-next").click()
    reader.until(lambda: reader.hash() == "#relu1_2:2")
    reader.press("ESCAPE")
    reader.until(lambda: reader.find("#units").is_displayed())
    assert reader.focused() == "channel 2"
    reader.find("#search").send_keys("5 9 30-31")
    reader.all(".unit a")[1].click()  # the neighbours are those of the search
    for channel in (30, 31):
        reader.press("ARROW_RIGHT")
        reader.until(lambda channel=channel: reader.hash() == f"#relu1_2:{channel}")
    assert not reader.all("#unit-next")


def test_a_units_page_has_everything(reader):
    reader.open("relu1_2.html#relu1_2:17")
    titles = [title.text for title in reader.all(".part h3")]
    assert titles == [
        "Strongest patches", "Lit photographs", "Guided views", "Picture made for the channel",
        "What matters if it is covered", "Fires with", "Reads most",
    ]  # fmt: skip
    assert len(reader.all("#unit .patches button")) == 4
    assert all(e.accessible_name for e in reader.all("#unit [role=img], #unit button, #unit a"))
    link = reader.all(".kernels a")[0]
    below = re.match(r"relu1_1 channel (\d+), ", link.text)[1]
    link.click()
    reader.until(lambda: page_of(reader) == f"relu1_1.html#relu1_1:{below}")
    kernels = [item.text for item in reader.all(".kernels li")]
    assert {kernel.split(",")[0] for kernel in kernels} == {"red", "green", "blue"}
    assert not reader.all("h1 i, main b")
    reader.all("#unit .patches button")[2].click()
    assert reader.find("dialog").is_displayed()
    reader.press("ARROW_RIGHT", "ESCAPE")
    assert reader.focused().startswith(f"relu1_1 channel {below}, patch 4 of")


def test_filter_by_strength_and_order(reader):
    reader.open("relu1_2.html")
    data = json.loads(reader.find("#atlas-data").get_attribute("textContent"))
    units = data["layers"][1]["units"]
    falling = sorted(units, key=lambda unit: -sum(p["value"] for p in unit["patches"]))
    set_range = "const s = document.getElementById('strongest'); s.value = 10;"
    reader.js(set_range + "s.dispatchEvent(new Event('input'))")
    assert reader.find("#status").text == "7 units shown." and reader.find("#share").text == "10 %"
    strong = [unit["channel"] for unit in falling[:7]]

    def shown():
        return [int(link.text.split()[1]) for link in reader.all(".unit a")]

    assert shown() == sorted(strong)
    reader.find("#order").send_keys("s")
    assert shown() == strong


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("address", ["index.html", "relu1_2.html", "relu1_2.html#relu1_2:17"])
@pytest.mark.parametrize("width", [375, 1440])
def test_pages_are_legible_and_fit(driver, atlas, scheme, address, width):
    reader = Reader(driver, f"{atlas.as_uri()}/")
    reader.open(address, scheme=scheme, width=width)
    assert [found for found in reader.js(CONTRASTS) if found[1] < 4.5] == []
    root = "document.documentElement"
    assert reader.js(f"return {root}.scrollWidth - {root}.clientWidth") == 0


def test_a_layer_of_512_channels_opens_at_once_and_loads_what_is_seen(driver, tmp_path):
    """Each unit has files of its own; only those near the screen are asked for."""
    field, (_, _, (_, image)) = FIELDS["relu5_3"], make_pictures()
    save_image(tmp_path / "sheet.png", image)
    cells = [(0, 0, 40), (0, 40, 40), (0, 80, 40)]
    units = [
        AtlasUnit(
            k,
            [AtlasPatch(9.0 - n, 0, (0, 0, 196, 196)) for n in range(3)],
            [
                Sheet(f"sheet.png?{k}{kind}", 120, 160, {kind: cells})
                for kind in ("patches", "lit", "guided")
            ],
            [(k - 1, 0.5)],
            [(1, 0.5, [0.1] * 9)] * 8,
        )
        for k in range(512)
    ]
    layer = AtlasLayer("relu5_3", field, 512, units)
    pictures = [{"name": AWKWARD, "height": 120, "width": 160, "image": "sheet.png"}]
    save_page(tmp_path / "relu5_3.html", atlas_page(layer, [layer], pictures))
    with served(tmp_path) as (url, asked):
        reader = Reader(driver, f"{url}/relu5_3.html")
        reader.open()
        assert len(reader.all(".unit")) == 512
        last = ".unit:last-child .patches button"
        assert not reader.all(last)
        assert 2 <= len([path for path in asked if "sheet.png" in path]) < 150
        reader.js("scrollTo(0, document.body.scrollHeight)")
        reader.until(lambda: len(reader.all(last)) == 3)
        assert len([path for path in asked if "sheet.png" in path]) < 300
        timing = "performance.getEntriesByType('navigation')[0].loadEventEnd"
        print(f"opened in {reader.js(f'return {timing}'):.0f} ms")


def test_a_folder_that_is_new_becomes_an_atlas(tmp_path):
    check_folder(tmp_path / "a" / "b")
    check_folder(tmp_path / "a" / "b")  # once begun, it can be gone on with
    assert files(tmp_path) == ["a/b/index.html"]
