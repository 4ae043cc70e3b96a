"""Animated pictures, and the curves that can be drawn beside them."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scratchnet.files.animation import animate, animation_kind
from scratchnet.pages.curves import beside_curves, shape_beside
from scratchnet.style.checkpoint import Record

KINDS = ["GIF", "WEBP"]


def opened(animation):
    return Image.open(io.BytesIO(animation.data))


def pictures(image):
    """Return all pictures of an animation, and how long each is shown."""
    found, durations = [], []
    for n in range(image.n_frames):
        image.seek(n)
        found.append(np.asarray(image.convert("RGB"), float))
        durations.append(image.info["duration"])
    return found, durations


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_come_one_after_the_other_and_the_last_stays(kind):
    images = [np.full((20, 30, 3), (level, 100, 50), float) for level in (0, 120, 250)]
    made = animate(images, kind, milliseconds=100, hold=1500)
    image = opened(made)
    assert (image.format, made.size, image.info.get("loop")) == (kind, (20, 30), 0)
    found, durations = pictures(image)
    assert durations == [100, 100, 1500]
    for shown, wanted in zip(found, images, strict=True):
        assert np.abs(shown - wanted).max() < 8


def own_palettes(data):
    """Return for each picture of a GIF whether it has a palette of its own.

    The file's own stands after its first 13 bytes; a picture begins with a comma, an extension with
    an exclamation mark; what follows them is in pieces, each after its length, 0 at the end.
    """
    found, at = [], 13 + 3 * 2 ** (1 + (data[10] & 7))
    while data[at : at + 1] in (b",", b"!"):
        if data[at : at + 1] == b",":
            own = data[at + 9]
            found.append(bool(own & 0x80))
            at += 11 + (3 * 2 ** (1 + (own & 7)) if own & 0x80 else 0)
        else:
            at += 2
        while data[at]:
            at += 1 + data[at]
        at += 1
    assert data[at:] == b";"
    return found


def test_the_pictures_of_a_gif_share_a_palette(rng):
    """A flat part keeps its colour, whatever changes around it."""
    images = [rng.uniform(0, 255, (40, 40, 3)) for _ in range(5)]
    for image in images:
        image[:10] = (90, 140, 200)
    made = animate(images, "GIF")
    found, _ = pictures(opened(made))
    assert all(np.array_equal(shown[:10], found[0][:10]) for shown in found)
    assert own_palettes(made.data) == [False] * 5


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_too_large_gets_smaller(kind, rng):
    images = [rng.uniform(0, 255, (96, 128, 3)) for _ in range(6)]
    whole = animate(images, kind)
    limit = len(whole.data) // 3
    small = animate(images, kind, limit=limit)
    assert limit / 3 < len(small.data) <= limit
    assert small.size[0] < whole.size[0] and opened(small).n_frames == 6
    assert small.size[1] / small.size[0] == pytest.approx(128 / 96, rel=0.05)
    with pytest.raises(ValueError, match=r"6 pictures have [\d,]+ bytes, over 300"):
        animate(images, kind, limit=300)


def test_what_is_no_animation_is_refused():
    with pytest.raises(ValueError, match="pictures of 0 sizes"):
        animate([], "GIF")
    with pytest.raises(ValueError, match="pictures of 2 sizes"):
        animate([np.zeros((4, 4, 3)), np.zeros((4, 5, 3))], "GIF")
    assert animation_kind(Path("a.GIF")) == "GIF"
    with pytest.raises(ValueError, match=r"a\.png: wanted a name that ends in \.gif or \.webp"):
        animation_kind(Path("a.png"))


HISTORY = [
    Record(n, 10.0**-n + 1, {"content relu4_2": 1.0, "style relu1_1": 10.0**-n}, (30, 40))
    for n in range(9)
]


def test_curves_stand_beside_the_picture_and_grow():
    picture = np.full((200, 60, 3), 77.0)
    both = [beside_curves(picture, HISTORY, n) for n in (0, 4, 8)]
    coloured = []
    for image in both:
        assert image.shape == (*shape_beside(picture.shape), 3)
        assert np.array_equal(image[:, :60], picture)
        # between the numbers of the axis and the names
        plane = image[:, 68 + 50 : 68 + 200]
        coloured.append(int((np.ptp(plane, axis=2) > 60).sum()))
    assert coloured[0] == 0 < coloured[1] < coloured[2]


@pytest.mark.parametrize("history", [HISTORY[:1], [Record(0, 0.0, {"tv": 0.0}, (8, 8))] * 2])
def test_a_short_or_a_silent_course_can_be_drawn(history):
    image = beside_curves(np.zeros((30, 40, 3)), history, 0)
    assert image.shape == (192, 40 + 8 + 256, 3) and np.isfinite(image).all()
