"""The atlas: what the file holds, and what a reader finds who opens it in a browser."""

import base64
import io
import json
import re

import numpy as np
import pytest
from browser import CONTRASTS, Reader
from PIL import Image

from scratchnet import ReceptiveField
from scratchnet.network.preprocessing import MEAN_BGR
from scratchnet.pages.atlas import QUALITIES, AtlasLayer, AtlasPatch, AtlasUnit, atlas_html
from scratchnet.pages.page import data_uri, save_page
from scratchnet.pages.sheets import EXACT, QUALITY, Sheet, encoded, join
from scratchnet.units.strongest import crop

AWKWARD = 'a"<b>&</script><!--.jpg'
GREY, RED, BLUE = (128, 128, 128), (200, 30, 30), (30, 60, 200)
MEAN = MEAN_BGR[::-1]
RED_BOX = (40, 60, 80, 100)  # top, left, bottom, right, in squares.png
LEAVING_BOX = (-58, -98, 138, 98)
FIELDS = {
    "relu1_2": ReceptiveField(5, 1, -2),
    "relu3_3": ReceptiveField(40, 4, -18),
    "relu5_3": ReceptiveField(196, 16, -90),
}


def picture(shape=(120, 160), colour=GREY):
    image = np.empty((*shape, 3), np.float32)
    image[:] = colour
    return image


def make_pictures():
    """Return a blue one of a bad name, one that no patch comes from, and a red square on grey."""
    squares = picture()
    squares[40:80, 60:100] = RED
    return [(AWKWARD, picture((90, 70), BLUE)), ("unused.jpg", picture()), ("squares.png", squares)]


def sheet(squares, side, quality):
    pixels, cells = join(squares, side, quality)
    return Sheet(data_uri(encoded(pixels, quality)[0]), *pixels.shape[:2], cells)


def make_unit(channel, field, boxes, **more):
    """Return a unit; its n-th lit photograph is grey level 20·(n + 1), its guided view 255 − that.

    Of a field larger than 48 px there are three of each.
    """
    pictures, small = make_pictures(), field.size <= EXACT
    patches = [AtlasPatch(90.0 - n, number, box) for n, (number, box) in enumerate(boxes)]
    cut = [crop(pictures[number][1], box) for number, box in boxes]
    greys = [20.0 * (n + 1) for n in range(len(boxes) if small else min(3, len(boxes)))]
    shape = (field.size, field.size, 3)
    views = {
        "lit": [np.full(shape, grey) for grey in greys],
        "guided": [np.full(shape, 255 - grey) for grey in greys],
    }
    quality = None if small else QUALITY
    sheets = [sheet({"patches": cut}, 96, quality), sheet(views, 160, quality)]
    return AtlasUnit(channel, patches, sheets, **more)


def make_layers():
    small, middle, large = FIELDS.values()
    nine = [(2, RED_BOX)] + [(0, middle.box(4 + n, 5)) for n in range(8)]
    units = {
        "relu1_2": [make_unit(k, small, [(2, small.box(40, 59))]) for k in range(64)],
        "relu3_3": [
            make_unit(7, middle, nine),
            make_unit(45, middle, nine[3:6]),
            AtlasUnit(100, [], []),
        ],
        "relu5_3": [make_unit(300, large, [(2, LEAVING_BOX)])],
    }
    channels = {"relu1_2": 64, "relu3_3": 256, "relu5_3": 512}
    return [AtlasLayer(name, FIELDS[name], channels[name], units[name]) for name in FIELDS]


def record(page):
    return json.loads(re.search(r'id="atlas-data">(.*?)</script>', page, re.DOTALL)[1])


def decode(address):
    kind, data = re.fullmatch(r"data:image/(jpeg|webp);base64,(.*)", address).groups()
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    assert image.format.lower() == kind
    return np.asarray(image, float)


def decode_file(path):
    return np.asarray(Image.open(path).convert("RGB"), float)


@pytest.fixture(scope="module")
def page():
    return atlas_html(make_layers(), make_pictures(), title='Units & "friends" {{data}}')


# ------------------------------------------------------------------- the file


def test_only_pictures_of_some_patch_are_embedded(page):
    data = record(page)
    assert [p["name"] for p in data["pictures"]] == [AWKWARD, "squares.png"]
    for shown, (_, image) in zip(data["pictures"], make_pictures()[::2], strict=True):
        assert (shown["height"], shown["width"]) == image.shape[:2]
        assert np.abs(decode(shown["image"]) - image).mean() < 1
    assert {p["picture"] for p in data["layers"][0]["units"][0]["patches"]} == {1}


def test_patches_keep_value_and_box(page):
    unit = record(page)["layers"][1]["units"][0]
    assert unit["channel"] == 7 and len(unit["patches"]) == 9
    assert unit["patches"][0] == {"value": 90.0, "picture": 1, "box": list(RED_BOX)}
    assert record(page)["layers"][1]["units"][2]["sheets"] == []


@pytest.mark.parametrize("quality", [None, QUALITY])
@pytest.mark.parametrize("size", [5, 14, 16, 40, 92, 196])
def test_squares_stand_in_their_cells(rng, size, quality):
    """Each has a colour of its own, so that a neighbour's would be seen; at most 96 px."""
    colours = rng.integers(0, 256, (9, 3))
    squares = [np.full((size, size, 3), colour, float) for colour in colours]
    pixels, cells = join({"a": squares[:6], "b": squares[6:]}, 96, quality)
    shown = decode(data_uri(encoded(pixels, quality)[0]))
    assert shown.shape == pixels.shape and set(cells) == {"a", "b"}
    for (top, left, side), colour in zip(cells["a"] + cells["b"], colours, strict=True):
        assert side == min(size, 96)
        error = np.abs(shown[top : top + side, left : left + side] - colour)
        # a decoder of JPEG may mix colours across one line of pixels
        assert error.max() == 0 if quality is None else error[1:-1, 1:-1].max() <= 8


def test_a_sheet_is_of_squares():
    with pytest.raises(ValueError, match="no picture"):
        join({"lit": []}, 96, None)
    with pytest.raises(
        ValueError, match=r"lit: got a picture of shape \(5, 4, 3\), wanted a square"
    ):
        join({"lit": [np.zeros((5, 4, 3))]}, 96, None)


@pytest.mark.parametrize("name", ["relu1_2", "relu3_3"])
def test_patches_of_small_fields_are_exact_however_many_pictures_there_are(rng, name):
    """Where the pictures do not fit, they shrink, and the page says so; the patches do not."""
    field, shape = FIELDS[name], (112, 150, 3)
    pictures = [(f"{n}.png", rng.uniform(0, 255, shape).round()) for n in range(60)]
    boxes = [[(9 * k + n) % 60 for n in range(9)] for k in range(7)]
    cut = [[crop(pictures[n][1], field.box(6, 7)) for n in numbers] for numbers in boxes]
    units = [
        AtlasUnit(
            k,
            [AtlasPatch(9.0 - rank, n, field.box(6, 7)) for rank, n in enumerate(numbers)],
            [sheet({"patches": patches}, 96, None)],
        )
        for k, (numbers, patches) in enumerate(zip(boxes, cut, strict=True))
    ]
    layers = [AtlasLayer(name, field, 64, units)]
    data = record(atlas_html(layers, pictures, limit=700_000))
    assert data["smaller"] > 1
    assert decode(data["pictures"][0]["image"]).shape[0] <= 112 // 2
    for unit, patches in zip(data["layers"][0]["units"], cut, strict=True):
        (stored,) = unit["sheets"]
        cells, stored = stored["cells"]["patches"], decode(stored["image"])
        for (top, left, side), patch in zip(cells, patches, strict=True):
            assert side == field.size
            assert np.array_equal(stored[top : top + side, left : left + side], patch)


def test_the_page_says_that_pictures_are_smaller(reader, tmp_path):
    rng = np.random.default_rng(0)
    noise = [(name, rng.uniform(0, 255, im.shape)) for name, im in make_pictures()]
    assert "1/" not in reader.find("#stored").text
    full = atlas_html(make_layers(), noise)
    small = atlas_html(make_layers(), noise, limit=len(full) - 40_000)
    save_page(tmp_path / "small.html", small)
    reader.driver.get((tmp_path / "small.html").as_uri() + "#relu3_3")
    smaller = record(small)["smaller"]
    assert smaller > 1
    assert f"stored at 1/{smaller} of their size" in reader.find("#stored").text
    reader.all(".grid button")[0].click()
    assert f"at 1/{smaller} of its size" in reader.facts()["stored"]


def test_names_and_title_are_escaped(page):
    assert page.count(AWKWARD) == 0 and page.count("<b>") == 0
    assert page.count("</script>") == 2 and page.count("<!--") == 0
    assert page.count("<h1>Units &amp; &quot;friends&quot; {{data}}</h1>") == 1


def test_a_name_that_is_no_unicode_can_be_saved(tmp_path):
    """Linux gives undecodable bytes of a file name as lone surrogates."""
    pictures = [("caf\udce9.jpg", image) for _, image in make_pictures()]
    save_page(tmp_path / "atlas.html", atlas_html(make_layers(), pictures))


def test_the_page_refers_to_nothing_outside_itself(page):
    assert "default-src 'none'" in page
    code = re.sub(r"data:image/\w+;base64,[\w+/=]*", "data:", page)
    assert not re.findall(r"https?:|//[\w-]+\.\w|@import|\bsrc=|<link", code)


def test_the_limit_lowers_the_quality_of_the_pictures(rng):
    pictures = [(name, rng.uniform(0, 255, image.shape)) for name, image in make_pictures()]
    sizes = [len(atlas_html(make_layers(), pictures).encode())]
    for _ in QUALITIES[1:]:
        page = atlas_html(make_layers(), pictures, limit=sizes[-1] - 1)
        sizes.append(len(page.encode()))
        assert sizes[-1] < sizes[-2]
    message = rf"has [\d,]+ bytes or more .* limit of {sizes[-1] - 1:,}; take fewer units or layers"
    with pytest.raises(ValueError, match=message):
        atlas_html(make_layers(), pictures, limit=sizes[-1] - 1)


def test_pictures_are_taken_one_by_one():
    """So that an atlas of many needs no more memory than one of few."""

    class Lazy(list):
        taken = 0

        def __getitem__(self, n):
            Lazy.taken += 1
            return make_pictures()[n]

    page = atlas_html(make_layers(), Lazy())
    assert Lazy.taken == 2 and len(record(page)["pictures"]) == 2


def test_what_cannot_be_shown_is_refused():
    with pytest.raises(ValueError, match="at least one layer"):
        atlas_html([], [])
    field = FIELDS["relu1_2"]
    ten = make_unit(3, field, [(0, field.box(0, 0))] * 10)
    one = make_unit(3, field, [(0, field.box(0, 0))])
    for unit in (ten, one._replace(sheets=[])):
        with pytest.raises(ValueError, match=r"relu1_2, channel 3: got .* wanted at most 9"):
            atlas_html([AtlasLayer("relu1_2", field, 64, [unit])], make_pictures())


def test_saving_is_all_or_nothing(tmp_path, monkeypatch):
    path = tmp_path / "atlas.html"
    save_page(path, "old")

    def fail(*arguments):
        raise OSError("no space left on device")

    monkeypatch.setattr("scratchnet.files.hdf5.os.fsync", fail)
    with pytest.raises(OSError, match="no space"):
        save_page(path, "new")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


# ------------------------------------------------------------------- in a browser

# How many in each card can be reached by Tab.
TAB_STOPS = """
return [...document.querySelectorAll(".unit")]
  .map((unit) => [...unit.querySelectorAll("*")].filter((e) => e.tabIndex >= 0).length);
"""


class AtlasReader(Reader):
    """What the tests of an atlas do in it."""

    def search(self, text):
        self.find("#search").clear()
        self.find("#search").send_keys(text)
        return self.find("#status").text

    def layer(self):
        return self.find("[role=tab][aria-selected=true]").text.split()[0]

    def dialog_is_open(self):
        return self.find("dialog").is_displayed()

    def facts(self):
        terms, facts = self.all("dialog dt"), self.all("dialog dd")
        return {t.text: d.text for t, d in zip(terms, facts, strict=True)}


@pytest.fixture(scope="module")
def url(page, tmp_path_factory):
    path = tmp_path_factory.mktemp("atlas") / "atlas.html"
    save_page(path, page)
    return path.as_uri()


@pytest.fixture
def reader(driver, url):
    """Return someone with the page open; at the end the console must be empty."""
    reader = AtlasReader(driver, url)
    reader.open()
    yield reader
    reader.js("localStorage.clear()")
    assert driver.get_log("browser") == []


def test_opens_on_the_first_layer_and_builds_only_that(reader):
    assert reader.driver.title == 'Units & "friends" {{data}}'
    assert [tab.text for tab in reader.all("[role=tab]")] == [
        "relu1_2 · field 5 px", "relu3_3 · field 40 px", "relu5_3 · field 196 px",
    ]  # fmt: skip
    assert reader.layer() == "relu1_2" and len(reader.all(".unit")) == 64
    rows = [row.text for row in reader.all("tbody tr")]
    assert rows[1] == "relu3_3 40 px 4 px 3 of 256"


def test_tabs_by_click_and_by_keyboard(reader):
    reader.all("[role=tab]")[1].click()
    assert reader.layer() == "relu3_3" and len(reader.all(".unit")) == 3
    for key, layer in [
        ("ARROW_RIGHT", "relu5_3"), ("ARROW_RIGHT", "relu1_2"), ("ARROW_LEFT", "relu5_3"),
        ("HOME", "relu1_2"), ("END", "relu5_3"),
    ]:  # fmt: skip
        reader.press(key)
        assert reader.layer() == layer == reader.focused().split()[0]
        assert reader.hash() == f"#{layer}"
    assert [tab.get_attribute("tabindex") for tab in reader.all("[role=tab]")] == ["-1", "-1", "0"]


@pytest.mark.parametrize(
    ("text", "shown", "message"),
    [
        ("45", [45], "1 unit shown."),
        ("7, 100", [7, 100], "2 units shown."),
        ("50-0 100", [7, 45, 100], "3 units shown."),
        ("8", [], "0 units shown. relu3_3 has channel 8, but this atlas does not show it."),
        ("256", [], "0 units shown. No channel 256 in the layer: relu3_3 has channels 0–255."),
        ("45 cat", [45], "1 unit shown. Write channels as numbers or ranges, such as 7, 10-20."),
        ("", [7, 45, 100], "3 units shown."),
    ],
)
def test_search(reader, text, shown, message):
    reader.open("#relu3_3")
    assert reader.search(text) == message
    captions = [re.search(r"channel (\d+)", unit.text)[1] for unit in reader.all(".unit")]
    assert captions == [str(channel) for channel in shown]


def test_an_address_leads_to_a_unit_and_follows_use(reader):
    reader.open("#relu3_3/45")
    assert reader.layer() == "relu3_3" and len(reader.all(".unit")) == 1
    assert reader.find("#search").get_attribute("value") == "45"
    reader.search("7 40–50")
    assert reader.hash() == "#relu3_3/7,40-50"
    reader.js("location.hash = '#relu5_3/300'")
    reader.until(lambda: reader.layer() == "relu5_3")
    assert "1 unit shown" in reader.find("#status").text
    reader.open("#relu9_9")
    assert reader.layer() == "relu1_2"
    assert "not in this atlas" in reader.find("#status").text


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_themes_are_legible(reader, scheme):
    """WCAG 2.2 asks for 4.5:1; in the dialog too."""
    reader.open("#relu3_3", scheme=scheme)
    seen = []
    for _ in range(2):
        assert len(reader.js(CONTRASTS)) > 25
        assert [found for found in reader.js(CONTRASTS) if found[1] < 4.5] == []
        reader.all(".grid button")[0].click()
        assert [found for found in reader.js(CONTRASTS) if found[1] < 4.5] == []
        reader.press("ESCAPE")
        seen.append(reader.js("return getComputedStyle(document.body).backgroundColor"))
        reader.find("#theme").click()
    dark = [sum(map(int, re.findall(r"\d+", colour))) < 300 for colour in seen]
    assert dark == ([False, True] if scheme == "light" else [True, False])


def test_the_theme_is_remembered(reader):
    assert reader.find("#theme").text == "Dark theme"
    reader.find("#theme").click()
    reader.open()
    assert reader.find("#theme").text == "Light theme"


def test_a_dead_unit_is_labelled(reader):
    reader.open("#relu3_3/100")
    card = reader.find(".unit")
    assert "dead" in card.text and "fires in none of the pictures" in card.text
    assert not reader.all(".unit button, .unit [role=img]")


def test_every_patch_and_view_has_a_name(reader):
    reader.open("#relu3_3/7,45")
    names = [button.accessible_name for button in reader.all(".grid button")]
    assert len(names) == len(set(names)) == 12
    assert names[0] == "relu3_3 channel 7, patch 1 of 9: squares.png, activation 90"
    assert names[11] == f"relu3_3 channel 45, patch 3 of 3: {AWKWARD}, activation 88"
    views = [view.accessible_name for view in reader.all(".grid [role=img]")]
    assert views[9] == "relu3_3 channel 45, guided view of patch 1"
    assert not reader.all("main b")


def test_a_patch_opens_its_picture(reader):
    reader.open("#relu3_3/7")
    patch = reader.all(".grid button")[0]
    patch.click()
    assert reader.dialog_is_open()
    assert reader.facts() == {
        "layer": "relu3_3, field 40 px", "channel": "7", "rank": "1 of 9", "activation": "90",
        "picture": "squares.png", "rows": "40 to 79, of 0 to 119 px",
        "columns": "60 to 99, of 0 to 159 px",
    }  # fmt: skip
    reader.press("ESCAPE")
    assert not reader.dialog_is_open()
    assert reader.driver.switch_to.active_element == patch


@pytest.mark.parametrize(("address", "box"), [("relu3_3/7", RED_BOX), ("relu5_3", LEAVING_BOX)])
def test_the_field_is_marked_where_it_is(reader, address, box):
    """In pixels of the picture, from where picture and mark stand on the screen."""
    reader.open(f"#{address}")
    reader.all(".grid button")[0].click()
    image, mark = (
        reader.js("return document.querySelector(arguments[0]).getBoundingClientRect()", css)
        for css in ("#whole image", "#whole .field")
    )
    scale = 160 / image["width"]
    sides = [("top", "top"), ("left", "left"), ("bottom", "top"), ("right", "left")]
    measured = [(mark[side] - image[origin]) * scale for side, origin in sides]
    assert measured == pytest.approx(box, abs=0.5)


def test_keyboard_alone(reader):
    reader.open("#relu3_3")
    assert reader.js(TAB_STOPS) == [2, 2, 1]  # its name, and its patches
    reader.press("TAB")
    assert reader.focused() == "Skip to the units"
    reader.press("ENTER", "TAB")
    assert reader.focused() == "Channels"
    for keys, channel, rank in [
        (["TAB"] * 5, 7, "1 of 9"), (["ARROW_LEFT"], 7, "1 of 9"), (["ARROW_RIGHT"], 7, "2 of 9"),
        (["ARROW_DOWN"], 7, "5 of 9"), (["END"], 7, "9 of 9"), (["ARROW_UP"], 7, "6 of 9"),
        (["TAB"] * 2, 45, "1 of 3"), (["ARROW_DOWN"], 45, "1 of 3"),
    ]:  # fmt: skip
        reader.press(*keys)
        assert reader.focused().startswith(f"relu3_3 channel {channel}, patch {rank}")
    twins = [twin.accessible_name.split(", ")[1] for twin in reader.all(".twin")]
    assert twins == ["patch 1 of 3: " + AWKWARD, "guided view of patch 1"]
    assert reader.js("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
    reader.press("ENTER")
    assert reader.dialog_is_open() and reader.focused() == "Close"
    for key, rank in [("ARROW_RIGHT", 2), ("ARROW_LEFT", 1), ("ARROW_LEFT", 3)]:
        reader.press(key)
        assert reader.facts()["rank"] == f"{rank} of 3"
    reader.press("ENTER")  # on Close
    assert not reader.dialog_is_open()
    assert reader.focused().startswith("relu3_3 channel 45, patch 3 of 3")
    assert reader.js(TAB_STOPS) == [2, 2, 1]  # its name, and its patches


def test_previous_and_next_by_button(reader):
    reader.open("#relu3_3/45")
    reader.all(".grid [role=img]")[1].click()  # a view opens the same as its patch
    for button, rank in [("#next", 3), ("#next", 1), ("#previous", 3)]:
        reader.find(button).click()
        assert reader.facts()["rank"] == f"{rank} of 3"
    reader.find("#close").click()
    assert not reader.dialog_is_open()


@pytest.mark.parametrize("layer", ["relu1_2", "relu3_3", "relu5_3"])
def test_nothing_sticks_out_sideways(reader, layer):
    for width in (320, 375, 1440):
        reader.open(f"#{layer}", width=width)
        assert reader.js("return innerWidth") == width
        reader.search("1-400, 256, word")
        for _ in range(2):  # once more with the dialog open
            widths = "return [document.documentElement, document.querySelector('dialog')]"
            widths += ".map(e => e.scrollWidth - e.clientWidth)"
            assert reader.js(widths) == [0, 0]
            if not reader.dialog_is_open():
                reader.all(".grid button")[0].click()


def middle(pixels):
    return pixels[pixels.shape[0] // 2, pixels.shape[1] // 2]


def test_patches_show_the_right_pixels(reader):
    """The red square fills its patch to the edges; five pixels across its border are squares."""
    reader.open("#relu3_3/7")
    pixels = reader.colours(".grid button")
    assert np.abs(pixels[2:-2, 2:-2] - RED).max() < 12
    for n in (0, 4, 8):
        view = reader.colours(f".views [role=img]:nth-child({n + 1})")
        assert np.abs(middle(view) - (255 - 20 * (n + 1))).max() < 4
    reader.open("#relu1_2/0")  # rows 38–42, columns 57–61: red from row 40 and column 60
    pixels = reader.colours(".grid button")
    expected = crop(make_pictures()[2][1], FIELDS["relu1_2"].box(40, 59))
    step = len(pixels) / 5
    for row in range(5):
        for col in range(5):
            for part in (0.15, 0.5, 0.85):  # the same all over: not smoothed
                shown = pixels[int((row + part) * step), int((col + part) * step)]
                assert np.abs(shown - expected[row, col]).max() < 25


def test_outside_the_picture_is_the_mean_colour_and_nothing_is_stretched(reader):
    reader.open("#relu5_3")
    expected = crop(make_pictures()[2][1], LEAVING_BOX)
    for opened, css in [(False, ".grid button"), (True, "#large-patch .window")]:
        if opened:
            reader.find(".grid button").click()
        pixels = reader.colours(css)
        scale = 196 / len(pixels)
        for row, col in [(20, 20), (30, 150), (150, 30), (70, 110), (190, 190), (110, 170)]:
            shown = pixels[int(row / scale), int(col / scale)]
            assert np.abs(shown - expected[row, col]).max() < 12
    assert np.abs(expected[20, 20] - MEAN).max() < 1


def test_noise_fits_in_the_page():
    """Pillow's buffer for JPEG does not hold noise, if it is to hold the whole file."""
    noise = np.random.default_rng(0).uniform(0, 255, (288, 288, 3))
    field = ReceptiveField(196, 16, -90)
    patch = AtlasPatch(1.0, 0, (0, 0, 196, 196))
    squares = sheet({"patches": [noise[:196, :196]] * 9}, 160, QUALITY)
    layers = [AtlasLayer("relu5_3", field, 64, [AtlasUnit(0, [patch] * 9, [squares])])]
    assert len(atlas_html(layers, [("noise.png", noise)])) > 150_000
