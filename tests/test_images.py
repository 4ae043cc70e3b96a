"""Pictures: what a viewer would see is what is read, and nothing is half-written."""

import numpy as np
import pytest
from PIL import Image

from scratchnet import load_image, save_image
from scratchnet.files.images import fit, resize_image, side_by_side


@pytest.fixture
def path(tmp_path):
    return tmp_path / "picture.png"


def test_round_trip(path, rng):
    pixels = rng.integers(0, 256, (5, 7, 3)).astype(np.float32)
    save_image(path, pixels)
    loaded = load_image(path)
    assert loaded.dtype == np.float32 and np.array_equal(loaded, pixels)


def test_saving_rounds_and_clips(path):
    save_image(path, np.array([[[-3.0, 100.4, 100.6], [254.6, 300.0, 0.5]]]))
    assert load_image(path).tolist() == [[[0, 100, 101], [255, 255, 0]]]


def test_exif_orientation_is_applied(tmp_path):
    picture = Image.fromarray(np.array([[[255, 0, 0], [0, 0, 255]]], np.uint8))  # red, blue
    exif = Image.Exif()
    exif[0x0112] = 6  # turn 90° clockwise to show
    picture.save(tmp_path / "turned.png", exif=exif)
    assert load_image(tmp_path / "turned.png").tolist() == [[[255, 0, 0]], [[0, 0, 255]]]


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_shows_the_background(path, mode):
    picture = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    picture.putpixel((1, 0), (90, 90, 90, 255))
    (picture.quantize() if mode == "P" else picture.convert(mode)).save(path)
    assert load_image(path).tolist() == [[[255, 255, 255], [90, 90, 90]]]
    green = load_image(path, background=(0, 200, 0))
    assert green.tolist() == [[[0, 200, 0], [90, 90, 90]]]


def test_half_transparent_pixels_are_mixed(path):
    Image.new("RGBA", (1, 1), (200, 0, 100, 51)).save(path)  # 51/255 = 0.2
    assert np.allclose(load_image(path, background=(100, 100, 0)), [[[120, 80, 20]]], atol=1e-4)


def test_sixteen_bit_grey_keeps_its_depth(path):
    Image.fromarray(np.array([[0, 1, 32896, 65535]], np.uint16)).save(path)
    expected = np.array([0, 1 / 257, 128, 255])
    assert np.allclose(load_image(path), expected[None, :, None].repeat(3, 2), atol=1e-4)


@pytest.mark.parametrize(
    ("mode", "colour", "ending", "expected"),
    [
        ("L", 77, ".png", [77, 77, 77]),
        ("1", 255, ".png", [255, 255, 255]),
        ("CMYK", (0, 255, 255, 0), ".tiff", [255, 0, 0]),
        ("RGB", (1, 2, 3), ".ppm", [1, 2, 3]),
        ("RGB", (1, 2, 3), ".bmp", [1, 2, 3]),
        ("L", 9, ".gif", [9, 9, 9]),
    ],
)
def test_other_modes_and_formats(tmp_path, mode, colour, ending, expected):
    path = tmp_path / f"picture{ending}"
    Image.new(mode, (2, 3), colour).save(path)
    loaded = load_image(path)
    assert loaded.shape == (3, 2, 3) and loaded[0, 0].tolist() == expected


def test_cmyk_jpeg_is_not_inverted(tmp_path):
    Image.new("CMYK", (16, 16), (0, 0, 0, 0)).save(tmp_path / "paper.jpg")
    assert load_image(tmp_path / "paper.jpg").min() > 250


def test_too_large_a_picture_is_refused_unless_asked_for(path, monkeypatch):
    Image.new("L", (40, 30)).save(path)
    with pytest.raises(ValueError, match=r"picture\.png: 40×30 is over the limit of 1,000 pixels"):
        load_image(path, max_pixels=1000)
    assert load_image(path, max_pixels=1200).shape == (30, 40, 3)
    Image.new("1", (5001, 5000)).save(path)
    with pytest.raises(ValueError, match="over the limit of 25,000,000 pixels"):
        load_image(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # Pillow's own guard, at twice that
    with pytest.raises(ValueError, match=r"picture\.png: larger than Pillow opens"):
        load_image(path)


def test_files_that_are_no_pictures(tmp_path, path):
    with pytest.raises(FileNotFoundError, match=r"none\.png: no such picture"):
        load_image(tmp_path / "none.png")
    with pytest.raises(FileNotFoundError, match="no such picture"):
        load_image(tmp_path)
    path.write_bytes(b"hello")
    with pytest.raises(ValueError, match=r"picture\.png: not a picture that can be read \(PNG, "):
        load_image(path)


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_a_picture_cut_off(tmp_path, rng, ending):
    whole, cut = tmp_path / f"whole.{ending}", tmp_path / f"cut.{ending}"
    save_image(whole, rng.uniform(0, 255, (40, 40, 3)))
    cut.write_bytes(whole.read_bytes()[:-900])
    with pytest.raises(ValueError, match=rf"cut\.{ending}: damaged or cut off"):
        load_image(cut)


def test_floating_point_pictures_are_refused(tmp_path):
    Image.fromarray(np.ones((2, 2), np.float32)).save(tmp_path / "float.tiff")
    with pytest.raises(ValueError, match=r"float\.tiff: .*floating-point"):
        load_image(tmp_path / "float.tiff")


@pytest.mark.parametrize(
    ("name", "image", "message"),
    [
        ("a.xyz", np.zeros((2, 2, 3)), "'.xyz' names no format"),
        ("a", np.zeros((2, 2, 3)), "'' names no format"),
        ("a.png", np.zeros((2, 2)), r"shape \(2, 2\), wanted \(height, width, 3\)"),
        ("a.png", np.full((2, 2, 3), np.nan), "not finite"),
    ],
)
def test_what_cannot_be_saved_leaves_nothing_behind(tmp_path, name, image, message):
    with pytest.raises(ValueError, match=message):
        save_image(tmp_path / name, image)
    assert not list(tmp_path.iterdir())


def test_a_failure_half_way_keeps_the_old_file(path, monkeypatch):
    save_image(path, np.full((2, 2, 3), 7.0))
    before = path.read_bytes()

    def fail(self, file, *args, **options):
        file.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        save_image(path, np.zeros((2, 2, 3)))
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["picture.png"]


def test_resize_keeps_constants_dtype_and_range(rng):
    for dtype in (np.float32, np.float64, np.uint8):
        resized = resize_image(np.full((9, 7, 3), 42, dtype), (4, 13))
        assert resized.shape == (4, 13, 3) and resized.dtype == dtype
        assert np.allclose(resized, 42, atol=1e-4)
    checkers = np.indices((16, 16)).sum(axis=0)[:, :, None].repeat(3, 2) // 4 % 2 * 255.0
    enlarged = resize_image(checkers, (50, 50))
    assert enlarged.min() >= 0 and enlarged.max() <= 255
    assert resize_image(checkers, (16, 16)) is checkers


def test_shrinking_does_not_alias():
    stripes = np.tile(np.array([0.0, 255.0]), (32, 16))[:, :, None].repeat(3, 2)
    assert np.abs(resize_image(stripes, (8, 8)) - 127.5).max() < 12


def test_fit():
    assert fit((480, 640), 256) == (192, 256)
    assert fit((640, 480, 3), 256) == (256, 192)
    assert fit((1, 1000), 10) == (1, 10)


def test_side_by_side():
    strip = side_by_side([np.zeros((4, 8, 3)), np.full((2, 2, 3), 100.0)], gap=1)
    assert strip.shape == (2, 4 + 1 + 2, 3)
    assert strip[0, :, 0].tolist() == [0, 0, 0, 0, 255, 100, 100]
