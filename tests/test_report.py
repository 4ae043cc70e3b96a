"""The report: what the page holds, and what a reader finds who opens it in a browser."""

import json
import re

import numpy as np
import pytest
from browser import CONTRASTS, Reader
from test_atlas import AWKWARD, decode

from scratchnet.pages.page import save_page
from scratchnet.pages.report import (
    Frame,
    Gradients,
    Panel,
    Report,
    Shown,
    jpeg,
    report_html,
)
from scratchnet.style.checkpoint import Record

RED, BLUE, GREEN = (200, 30, 30), (30, 60, 200), (20, 160, 60)
TITLE = 'dog & "cat" {{data}}'
COMMAND = "python transfer.py --content 'a<b>&.jpg' --style-weight 1e-3"


def plain(colour, shape=(60, 80)):
    image = np.empty((*shape, 3), np.float32)
    image[:] = colour
    return image


def make_report(**changes):
    """Return two sizes, six evaluations, and four frames whose grey level is 40·(n + 1)."""
    sizes = [(30, 40)] * 2 + [(60, 80)] * 4
    terms = [{"content relu3_3": 10.0, "tv": 0.0}] * 2 + [{"content relu4_2": 5.0, "tv": 1.0}] * 4
    history = [
        Record(n, 1000.0 / 10**n, of, size)
        for n, (of, size) in enumerate(zip(terms, sizes, strict=True))
    ]
    frames = [
        Frame(at, jpeg(plain((40 * (n + 1),) * 3, sizes[at]))) for n, at in enumerate((0, 2, 3, 5))
    ]
    panels = [Panel(name, plain((128,) * 3), 0.0123, -0.5) for name in ("content", AWKWARD)]
    whole = {
        "title": TITLE,
        "inputs": [Shown("photograph", AWKWARD, plain(RED)), Shown("style", "s.png", plain(GREEN))],
        "result": plain(BLUE),
        "history": history,
        "frames": frames,
        "gradients": [Gradients(2, 10.0, plain(BLUE), panels)],
        "settings": {"--content": AWKWARD, "--seed": "0"},
        "command": COMMAND,
        "hashes": [("--content", AWKWARD, "ab" * 32)],
    }
    return Report(**whole | changes)


def record(page):
    return json.loads(re.search(r'id="report-data">(.*?)</script>', page, re.DOTALL)[1])


@pytest.fixture(scope="module")
def page():
    return report_html(make_report(stopped="J, in <b>tv</b>, is not finite at iteration 6"))


# ------------------------------------------------------------------- the file


def test_pictures_frames_and_panels_are_in_the_page(page):
    data = record(page)
    roles = [(shown["role"], shown["size"]) for shown in data["pictures"]]
    assert roles == [(role, [80, 60]) for role in ("photograph", "style", "result")]
    for shown, colour in zip(data["pictures"], (RED, GREEN, BLUE), strict=True):
        assert np.abs(decode(shown["image"]) - colour).max() < 4
    assert [frame["iteration"] for frame in data["frames"]] == [0, 2, 3, 5]
    for n, frame in enumerate(data["frames"]):
        assert np.abs(decode(frame["image"]) - 40 * (n + 1)).max() < 3
    (step,) = data["gradients"]
    assert [panel["name"] for panel in step["panels"]] == ["content", AWKWARD]
    assert (step["panels"][0]["rms"], step["panels"][0]["cosine"]) == (0.012, -0.5)


def test_curves_have_a_gap_where_a_term_is_not_there(page):
    curves = record(page)["curves"]
    columns = dict(curves["columns"])
    assert list(columns) == ["J", "content relu3_3", "content relu4_2", "tv"]
    assert columns["content relu3_3"] == [10, 10, None, None, None, None]
    assert columns["J"] == [1000, 100, 10, 1, 0.1, 0.01]
    assert curves["sizes"] == [[0, 40, 30], [2, 80, 60]]


def test_names_are_escaped_and_nothing_is_outside(page):
    assert AWKWARD not in page and "<b>" not in page and "<!--" not in page
    assert page.count("</script>") == 2
    assert page.count("<h1>dog &amp; &quot;cat&quot; {{data}}</h1>") == 1
    assert "default-src 'none'" in page
    code = re.sub(r"data:image/\w+;base64,[\w+/=]*", "data:", page)
    code = code.replace("http://www.w3.org/2000/svg", "")  # a name, not an address
    assert not re.findall(r"https?:|//[\w-]+\.\w|@import|\bsrc=|<link", code)


def test_names_that_are_no_unicode_can_be_saved(tmp_path):
    odd = "caf\udce9.jpg"
    report = make_report(
        title=odd, inputs=[Shown("photograph", odd, plain(RED))], command=odd,
        settings={"--content": odd}, hashes=[("--content", odd, "ab")], stopped=odd,
    )  # fmt: skip
    save_page(tmp_path / "r.html", report_html(report))


def test_the_limit_lowers_the_quality(rng):
    noise = rng.uniform(0, 255, (300, 400, 3))
    frames = [Frame(n, jpeg(noise)) for n in range(4)]
    report = make_report(frames=frames, result=noise)
    sizes = [len(report_html(report, limit=10**8).encode())]
    for _ in range(5):
        page = report_html(report, limit=sizes[-1] - 1)
        sizes.append(len(page.encode()))
        assert sizes[-1] < sizes[-2]
    with pytest.raises(ValueError, match=f"has {sizes[-1]:,} bytes .* limit of {sizes[-1] - 1:,}"):
        report_html(report, limit=sizes[-1] - 1)


@pytest.mark.slow
def test_a_page_at_512_px_has_less_than_5_mb(rng):
    """With all that a run from noise keeps; noise is what JPEG stores worst."""
    noise = rng.uniform(0, 255, (384, 512, 3))
    stored, panels = jpeg(noise), [Panel(f"style relu{n}", noise, 1.0, 0.5) for n in range(9)]
    report = make_report(
        inputs=[Shown("photograph", "a", noise), Shown("style", "b", noise)], result=noise,
        frames=[Frame(n % 6, stored) for n in range(40)],
        gradients=[Gradients(2, 1.0, noise, panels)] * 4,
    )  # fmt: skip
    assert len(report_html(report).encode()) <= 5_000_000


@pytest.mark.parametrize("missing", ["history", "frames"])
def test_a_report_of_nothing_is_refused(missing):
    with pytest.raises(ValueError, match="at least one record of J and one frame"):
        report_html(make_report(**{missing: []}))


# ------------------------------------------------------------------- in a browser


class ReportReader(Reader):
    """What the tests of a report do in it."""

    def frame(self):
        """Return the grey level of the frame that is shown, as 40·(n + 1)."""
        pixels = self.colours("#frame")
        return round(float(pixels[len(pixels) // 2, pixels.shape[1] // 2].mean()) / 40) - 1

    def cut(self):
        """Return where the photograph ends, in shares of the width, by its pixels."""
        row = self.colours("#compare")[20]
        return float(np.mean(np.abs(row - RED).max(axis=1) < 40))

    def at(self, css, share):
        """Press the mouse at a share of an element's width."""
        from selenium.webdriver import ActionChains

        element = self.find(css)
        offset = round((share - 0.5) * element.size["width"])
        ActionChains(self.driver).move_to_element_with_offset(element, offset, 0).click().perform()

    def focus(self, css):
        self.js("document.querySelector(arguments[0]).focus()", css)


@pytest.fixture(scope="module")
def url(page, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    save_page(path, page)
    return path.as_uri()


@pytest.fixture
def reader(driver, url):
    """Return someone with the page open; at the end the console must be empty."""
    reader = ReportReader(driver, url)
    reader.open()
    yield reader
    reader.js("localStorage.clear()")
    assert driver.get_log("browser") == []


def test_it_opens_with_the_result_and_says_why_it_ended(reader):
    assert reader.driver.title == TITLE == reader.find("h1").text
    assert "80×60 px, 6 evaluations of J" in reader.find("#summary").text
    stopped = "The transfer ended early: J, in <b>tv</b>, is not finite at iteration 6."
    assert reader.find("#stopped").text == stopped
    assert reader.find("#command").text == COMMAND
    assert reader.find("#settings tbody").text.startswith(f"--content {AWKWARD}")
    assert "ab" * 32 in reader.find("#hashes").text
    assert not reader.all("main b")


def test_the_slider_by_mouse_and_by_keyboard(reader):
    assert reader.cut() == pytest.approx(0.5, abs=0.02)
    for share in (0.2, 0.9):
        reader.at("#cut", share)
        assert reader.cut() == pytest.approx(share, abs=0.03)  # the line is 2 %
        value = int(reader.find("#cut").get_attribute("value"))
        assert value == pytest.approx(100 * share, abs=1)
    reader.press("HOME")
    assert reader.cut() < 0.02
    reader.press("ARROW_RIGHT", "ARROW_RIGHT", "ARROW_RIGHT")
    assert reader.find("#cut").get_attribute("aria-valuetext") == "3 % photograph"
    assert (
        reader.js("return getComputedStyle(document.querySelector('#compare')).outlineStyle")
        == "solid"
    )
    reader.press("END")
    assert reader.cut() > 0.9  # but for the labels
    assert reader.focused() == "Where the photograph ends and the result begins"


def test_the_timeline_by_keyboard(reader):
    assert reader.frame() == 3
    reader.focus("#time")
    for key, n, iteration in [
        ("ARROW_LEFT", 2, 3),
        ("HOME", 0, 0),
        ("ARROW_RIGHT", 1, 2),
        ("END", 3, 5),
    ]:
        reader.press(key)
        assert reader.frame() == n
        assert reader.find("#moment").text.startswith(f"Evaluation {iteration} of 5, ")
        assert reader.find("#legend-caption").text == f"At evaluation {iteration}"
    reader.press("HOME")
    assert (
        reader.find("#time").get_attribute("aria-valuetext")
        == "evaluation 0 of 5, 40×30 px, J 1000"
    )
    rows = [row.text for row in reader.all("#legend tbody tr")]
    assert rows == ["J 1000", "content relu3_3 10", "content relu4_2 –", "tv 0"]


def test_the_timeline_by_mouse(reader):
    reader.at("#time", 0.01)
    assert reader.frame() == 0
    reader.at("#time", 0.66)
    assert reader.frame() == 2
    left = reader.js("return plot.x(2)")
    reader.at("#curves", (left + 2) / reader.find("#curves").size["width"])
    assert reader.frame() == 1
    reader.find("#play").click()
    reader.until(lambda: reader.find("#time").get_attribute("value") == "3")
    assert reader.find("#play").text == "Play" and reader.frame() == 3
    # In one go: four frames may be over before a second click comes from here.
    twice = "const b = arguments[0]; return [1, 2].map(() => { b.click(); return b.textContent; })"
    assert reader.js(twice, reader.find("#play")) == ["Pause", "Play"]


def test_coarse_frames_have_the_results_size(reader):
    reader.focus("#time")
    sizes = []
    for key in ("END", "HOME"):
        reader.press(key)
        sizes.append(reader.find("#frame").size)
    assert sizes[0] == sizes[1]


def test_curves_have_words_and_numbers(reader):
    assert reader.find("#curves").accessible_name.startswith("J and its terms over the evaluations")
    text = reader.js("return document.querySelector('#curves desc').textContent")
    assert "J goes from 1000 to 0.01 in 6 evaluations" in text
    assert len(reader.all("#curves path")) == 4
    assert [row.text for row in reader.all("#numbers tr")] == []
    reader.find("#numbers summary").click()
    rows = [row.text for row in reader.all("#numbers tr")]
    assert rows[0] == "evaluation J content relu3_3 content relu4_2 tv"
    assert rows[1:3] == ["0 1000 10 – 0", "1 100 10 – 0"] and len(rows) == 7


def test_panels_say_what_they_are(reader):
    texts = [caption.text.split("\n") for caption in reader.all(".panels figcaption")]
    assert texts == [
        ["G", "80×60 px"],
        ["content", "rms 0.012 cos −0.50"],
        [AWKWARD, "rms 0.012 cos −0.50"],
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_themes_are_legible(reader, scheme):
    """WCAG 2.2 asks for 4.5:1."""
    reader.open(scheme=scheme)
    reader.find("#numbers summary").click()
    seen = []
    for _ in range(2):
        assert len(reader.js(CONTRASTS)) > 60
        assert [found for found in reader.js(CONTRASTS) if found[1] < 4.5] == []
        seen.append(reader.js("return getComputedStyle(document.body).backgroundColor"))
        reader.find("#theme").click()
    assert seen[0] != seen[1]


@pytest.mark.parametrize("width", [320, 375, 1440])
def test_nothing_sticks_out_sideways(reader, width):
    reader.open(width=width)
    reader.find("#numbers summary").click()
    assert reader.js("return innerWidth") == width
    sideways = "const e = document.documentElement; return e.scrollWidth - e.clientWidth"
    assert reader.js(sideways) == 0


def test_all_by_tab(reader):
    for name in ("Skip to the result", "Dark theme"):
        reader.press("TAB")
        assert reader.focused() == name
    found = []
    for _ in range(5):
        reader.press("TAB")
        found.append(reader.focused())
    cut = "Where the photograph ends and the result begins"
    assert found == [cut, "Play", "Timeline", "All numbers", "Command"]


def test_without_gradients_nothing_is_said_of_them(driver, tmp_path):
    save_page(tmp_path / "r.html", report_html(make_report(gradients=[])))
    reader = ReportReader(driver, (tmp_path / "r.html").as_uri())
    reader.open()
    assert not reader.find("#gradients").is_displayed()
    assert not reader.find("#stopped").is_displayed()
    assert driver.get_log("browser") == []
