"""A real browser, headless, and someone who reads a page in it."""

import io
import shutil

import numpy as np
import pytest
from PIL import Image

FLAGS = """--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run
    --disable-background-networking --disable-component-update --disable-sync""".split()

# For every element with text of its own: [text, its WCAG contrast with what is behind it].
CONTRASTS = r"""
const parse = (colour) => colour.match(/[\d.]+/g).map(Number);
function luminance([r, g, b]) {
  const [R, G, B] = [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
  return 0.2126 * R + 0.7152 * G + 0.0722 * B;
}
function behind(element) {
  for (; element; element = element.parentElement) {
    const colour = parse(getComputedStyle(element).backgroundColor);
    if (colour.length < 4 || colour[3] === 1) return colour;
  }
  return [255, 255, 255];
}
return [...document.body.querySelectorAll("*")]
  .filter((e) => !e.closest("script, noscript") && e.checkVisibility())
  .filter((e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
  .map((e) => {
    const [light, dark] = [luminance(parse(getComputedStyle(e).color)), luminance(behind(e))]
      .sort((a, b) => b - a);
    return [e.textContent.slice(0, 40), (light + 0.05) / (dark + 0.05)];
  });
"""


class Reader:
    """Someone at a browser: what the tests do, in few words."""

    def __init__(self, driver, url):
        self.driver, self.url = driver, url

    def open(self, address="", *, width=1440, scheme="light"):
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        self.driver.get("about:blank")  # from the page itself, a new hash would not load it
        self.driver.get(self.url + address)

    def js(self, code, *arguments):
        return self.driver.execute_script(code, *arguments)

    def find(self, css):
        return self.driver.find_element("css selector", css)

    def all(self, css):
        return self.driver.find_elements("css selector", css)

    def until(self, condition):
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.driver, 10).until(lambda _: condition())

    def press(self, *keys):
        from selenium.webdriver import ActionChains, Keys

        for key in keys:
            ActionChains(self.driver).send_keys(getattr(Keys, key, key)).perform()

    def focused(self):
        return self.driver.switch_to.active_element.accessible_name

    def hash(self):
        return self.js("return location.hash")

    def colours(self, css):
        """Return the pixels of an element as they are on the screen."""
        shot = Image.open(io.BytesIO(self.find(css).screenshot_as_png))
        return np.asarray(shot.convert("RGB"), float)


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    webdriver = pytest.importorskip(
        "selenium.webdriver", reason="selenium is not installed (extra 'browser')"
    )
    programs = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    missing = [name for name, path in programs.items() if path is None]
    if missing:
        pytest.skip(f"not on PATH: {', '.join(missing)}")
    options = webdriver.ChromeOptions()
    for flag in [*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"]:
        options.add_argument(flag)
    options.binary_location = programs["chromium"]
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(programs["chromedriver"])
    driver = webdriver.Chrome(options, service)
    yield driver
    driver.quit()
