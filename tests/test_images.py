"""Pictures: what a viewer would see is what is read, and nothing is half-written."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps, features

from scratchnet import load_image, save_image
from scratchnet.files import decoding
from scratchnet.files.arrays import as_picture_array
from scratchnet.files.decoding import decode_image
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


@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize("ending", ["png", "jpg", "tiff", "webp"])
def test_exif_orientation_is_applied(tmp_path, rng, monkeypatch, orientation, ending):
    """All eight, and two that are none, as Pillow's own function turns a whole picture."""
    monkeypatch.setattr(decoding, "STRIP_PIXELS", 20)  # several strips
    pixels = rng.integers(0, 256, (7, 6, 3)).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"turned.{ending}"
    Image.fromarray(pixels).save(path, exif=exif)
    with Image.open(path) as picture:
        expected = np.asarray(ImageOps.exif_transpose(picture))
    assert np.array_equal(load_image(path), expected)


def test_exif_orientation_6_is_turned_clockwise(tmp_path):
    picture = Image.fromarray(np.array([[[255, 0, 0], [0, 0, 255]]], np.uint8))  # red, blue
    exif = Image.Exif()
    exif[0x0112] = 6
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
    way_out = r"make it smaller, or raise max_pixels \(--max-pixels\)"
    with pytest.raises(
        ValueError, match=rf"picture\.png: 40×30 is over the limit of 1,000 pixels; {way_out}"
    ):
        load_image(path, max_pixels=1000)
    assert load_image(path, max_pixels=1200).shape == (30, 40, 3)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)  # Pillow refuses twice that
    with pytest.raises(ValueError, match=rf"is over twice the limit of 400 pixels; {way_out}"):
        load_image(path, max_pixels=400)
    monkeypatch.undo()
    Image.new("1", (5001, 5000)).save(path)
    with pytest.raises(ValueError, match="over the limit of 25,000,000 pixels"):
        load_image(path)


def test_max_pixels_is_the_only_limit(path, monkeypatch, recwarn):
    Image.new("L", (40, 30)).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)  # Pillow refuses twice that
    monkeypatch.setattr(decoding, "STRIP_PIXELS", 400)
    assert load_image(path).shape == (30, 40, 3) and not recwarn.list
    assert Image.MAX_IMAGE_PIXELS == 500


@pytest.mark.parametrize("limit", [None, "9", 1e6, True, np.ones(2)])
def test_a_limit_that_is_no_number(path, limit):
    Image.new("L", (40, 30)).save(path)
    with pytest.raises(TypeError, match=r"max_pixels: got .*, wanted a whole number"):
        load_image(path, max_pixels=limit)


def test_a_background_that_is_no_colour(path):
    Image.new("LA", (4, 3)).save(path)
    with pytest.raises(ValueError, match=r"background: got \(1, 2\), wanted \(red, green, blue\)"):
        load_image(path, background=(1, 2))


def test_files_that_are_no_pictures(tmp_path, path):
    with pytest.raises(FileNotFoundError, match=r"none\.png: no such picture"):
        load_image(tmp_path / "none.png")
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


# ---------------------------------------------------------------- sixteen bits, and what is none


def tiff(pixels: np.ndarray, *, photometric=1, bits=None, data=None) -> bytes:
    """Make an uncompressed TIFF, little-endian, of one strip (TIFF 6.0, section 3)."""
    height, width, samples = (*pixels.shape, 1)[:3]
    kind = {"u": 1, "i": 2, "f": 3}[pixels.dtype.kind]
    bits, data = bits or 8 * pixels.dtype.itemsize, data or pixels.tobytes()
    entries = [(256, 4, width), (257, 4, height), (258, 3, bits), (259, 3, 1),
               (262, 3, photometric), (273, 4, 8), (277, 3, samples), (278, 4, height),
               (279, 4, len(data)), (339, 3, kind)]  # fmt: skip
    after = 8 + len(data) + 2 + 12 * len(entries) + 4
    directory = struct.pack("<H", len(entries))
    for tag, size, value in entries:
        if samples == 3 and tag in (258, 339):  # one value a channel: they stand at the end
            value = after if tag == 258 else after + 6
            directory += struct.pack("<HHII", tag, size, 3, value)
        else:
            directory += struct.pack("<HHII", tag, size, 1, value)
    more = struct.pack("<6H", *[bits] * 3, *[kind] * 3)
    return struct.pack("<2sHI", b"II", 42, 8 + len(data)) + data + directory + bytes(4) + more


def png(width: int, height: int, colour: int, rows: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """Make a PNG of 16 bits a channel (colour 0: grey, 2: RGB); rows begin with a filter's 0."""
    header = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts
    )


def test_sixteen_bit_grey_keeps_its_transparency(path):
    rows = b"\0" + struct.pack(">HHH", 0, 257, 65535)
    path.write_bytes(png(3, 1, 0, rows, (b"tRNS", struct.pack(">H", 257))))
    assert load_image(path)[0, :, 0].tolist() == [0, 255, 255]
    assert load_image(path, background=(9, 8, 7))[0, 1].tolist() == [9, 8, 7]


def test_sixteen_bit_colour_is_read_as_eight(path):
    rows = b"\0" + struct.pack(">6H", 0x1234, 0xFFFF, 0x00FF, 0x0A00, 0x0B00, 0x0C00)
    path.write_bytes(png(2, 1, 2, rows))
    assert load_image(path).tolist() == [[[0x12, 0xFF, 0], [10, 11, 12]]]
    hidden = (b"tRNS", struct.pack(">HHH", 0x0A00, 0x0B00, 0x0C00))
    path.write_bytes(png(2, 1, 2, rows, hidden))
    assert load_image(path).tolist() == [[[0x12, 0xFF, 0], [255, 255, 255]]]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(("photometric", "expected"), [(0, [255, 254, 0]), (1, [0, 1, 255])])
def test_where_the_lowest_number_is_white(tmp_path, dtype, photometric, expected):
    unit = np.iinfo(dtype).max // 255
    pixels = np.array([[0, unit, 255 * unit]], dtype)
    (tmp_path / "a.tiff").write_bytes(tiff(pixels, photometric=photometric))
    assert load_image(tmp_path / "a.tiff")[0, :, 0].tolist() == expected


def test_twelve_bit_grey(tmp_path):
    pixels = np.zeros((1, 2), np.uint16)  # of 12 bits: 0x000, 0xFFF
    (tmp_path / "a.tiff").write_bytes(tiff(pixels, bits=12, data=b"\x00\x0f\xff"))
    assert load_image(tmp_path / "a.tiff")[0, :, 0].tolist() == [0, 255]


@pytest.mark.parametrize(
    ("dtype", "samples", "message"),
    [
        (np.float32, 1, "floating-point pixels have no stated white"),
        (np.int32, 1, "signed or 32-bit pixels have no stated white"),
        (np.uint32, 1, "signed or 32-bit pixels have no stated white"),
        (np.int16, 1, "signed or 32-bit pixels have no stated white"),
        (np.float32, 3, "of a kind that can't be read"),
    ],
)
def test_numbers_without_a_white_are_refused(tmp_path, dtype, samples, message):
    pixels = np.ones((2, 2, samples) if samples > 1 else (2, 2), dtype)
    photometric = 2 if samples > 1 else 1
    (tmp_path / "a.tiff").write_bytes(tiff(pixels, photometric=photometric))
    with pytest.raises(ValueError, match=rf"a\.tiff: .*{message}"):
        load_image(tmp_path / "a.tiff")


def test_colour_of_eight_bits_in_the_same_file_format(tmp_path):
    """The TIFFs above are refused for their numbers, not for how they are made."""
    pixels = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    (tmp_path / "a.tiff").write_bytes(tiff(pixels, photometric=2))
    assert np.array_equal(load_image(tmp_path / "a.tiff"), pixels)


def test_portable_float_maps_are_refused(tmp_path):
    (tmp_path / "a.pfm").write_bytes(b"Pf\n2 1\n-1.0\n" + np.ones(2, "<f4").tobytes())
    with pytest.raises(ValueError, match=r"a\.pfm: (floating-point|not a picture)"):
        load_image(tmp_path / "a.pfm")


@pytest.mark.parametrize("ending", ["tiff", "gif", "webp", "png"])
def test_the_first_of_several_pictures(tmp_path, ending):
    pages = [Image.new("RGB", (4, 3), colour) for colour in ((200, 0, 0), (0, 200, 0))]
    path = tmp_path / f"a.{ending}"
    options = {} if ending in ("tiff", "gif") else {"lossless": True}
    pages[0].save(path, save_all=True, append_images=pages[1:], **options)
    assert load_image(path).tolist() == np.full((3, 4, 3), [200, 0, 0]).tolist()


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
def test_avif(tmp_path):
    save_image(tmp_path / "a.avif", np.full((16, 16, 3), [200.0, 100, 50]))
    assert np.abs(load_image(tmp_path / "a.avif") - [200, 100, 50]).max() < 4


def test_heic_says_how_to_convert(tmp_path):
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(200))
    with pytest.raises(ValueError, match=r"a\.heic: HEIC, .* heif-convert photo\.heic photo\.jpg"):
        load_image(tmp_path / "a.heic")


# ---------------------------------------------------------------- colour profiles

# From CIE xy of the primaries and white (Adobe RGB (1998), section 4.3.1; SMPTE EG 432-1): the
# columns are the primaries' XYZ, adapted to D50 by Bradford's matrix (brucelindbloom.com).
ADOBE = np.array([[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322],
                  [0.01947, 0.06087, 0.74457]])  # fmt: skip
DISPLAY_P3 = np.array([[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657],
                       [-0.00105, 0.04189, 0.78407]])  # fmt: skip
SRGB = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061],
                 [0.01392, 0.09708, 0.71410]])  # fmt: skip


def matrix_profile(primaries: np.ndarray, gamma: float) -> bytes:
    """Make an ICC profile of three primaries and one gamma (ICC.1:2001-04, 6.3.1.2)."""

    def xyz(values):
        return b"XYZ \0\0\0\0" + np.rint(np.multiply(values, 65536)).astype(">i4").tobytes()

    curve = b"curv\0\0\0\0" + struct.pack(">IHH", 1, round(gamma * 256), 0)
    tags = {b"wtpt": xyz([0.9642, 1, 0.8249])}
    for n, colour in enumerate((b"r", b"g", b"b")):
        tags |= {colour + b"XYZ": xyz(primaries[:, n]), colour + b"TRC": curve}
    start = 128 + 4 + 12 * len(tags)
    table, data = struct.pack(">I", len(tags)), b""
    for name, tag in tags.items():
        table += struct.pack(">4sII", name, start + len(data), len(tag))
        data += tag
    header = struct.pack(">I4sI4s4s4s12s4s", start + len(data), b"", 0x02400000, b"mntr", b"RGB ",
                         b"XYZ ", b"", b"acsp")  # fmt: skip
    return header.ljust(128, b"\0") + table + data


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
@pytest.mark.parametrize("primaries", [ADOBE, DISPLAY_P3])
def test_colours_are_converted_to_srgb(path, primaries, mode):
    colour = np.array([130, 170, 90])
    # The profile's definition, by hand: linear light → XYZ → sRGB's linear light → sRGB's curve.
    linear = np.linalg.solve(SRGB, primaries @ (colour / 255) ** 2.2)
    expected = 255 * (1.055 * linear ** (1 / 2.4) - 0.055)
    assert np.abs(expected - colour).max() > 5  # a conversion is needed
    picture = Image.new("RGB", (5, 4), tuple(colour))
    picture = picture.quantize(2) if mode == "P" else picture.convert(mode)
    picture.save(path, icc_profile=matrix_profile(primaries, 2.2))
    assert np.abs(load_image(path) - expected).max() < 1.5


@pytest.mark.parametrize("mode", ["L", "LA"])
def test_grey_with_a_profile(path, mode):
    """A grey picture takes a colour profile's curve; gamma 1 makes it lighter."""
    Image.new(mode, (2, 2), 100 if mode == "L" else (100, 255)).save(
        path, icc_profile=matrix_profile(SRGB, 1.0)
    )
    expected = 255 * (1.055 * (100 / 255) ** (1 / 2.4) - 0.055)
    assert np.abs(load_image(path) - expected).max() < 1.5


def test_a_profile_that_is_srgb_itself_changes_nothing(path, rng):
    pixels = rng.integers(0, 256, (30, 40, 3)).astype(np.uint8)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(pixels).save(path, icc_profile=profile)
    assert np.array_equal(load_image(path), pixels)


@pytest.mark.parametrize(
    ("mode", "profile"),
    [
        ("RGB", b"broken"),
        ("RGB", matrix_profile(ADOBE, 2.2)[:200]),
        ("CMYK", matrix_profile(ADOBE, 2.2)),
        ("RGB", matrix_profile(ADOBE, 2.2).replace(b"RGB ", b"GRAY")),
        ("RGB", matrix_profile(ADOBE, 2.2).replace(b"RGB ", b"CMYK")),
        ("RGB", matrix_profile(ADOBE, 2.2).replace(b"RGB ", b"ABCD")),
    ],
)
def test_a_profile_that_is_broken_or_does_not_fit_is_left_aside(tmp_path, mode, profile):
    picture = Image.new(mode, (2, 2), (150, 180, 140, 20)[: len(mode)])
    picture.save(tmp_path / "a.tiff", icc_profile=profile)
    assert np.array_equal(load_image(tmp_path / "a.tiff"), np.asarray(picture.convert("RGB")))


def test_cmyk_is_converted_by_its_profile(tmp_path, monkeypatch):
    """LittleCMS makes no CMYK profile: another transform stands in for the one it would make."""
    profile = matrix_profile(ADOBE, 2.2).replace(b"RGB ", b"CMYK")
    Image.new("CMYK", (3, 2), (10, 20, 30, 40)).save(tmp_path / "a.tiff", icc_profile=profile)
    asked = []
    monkeypatch.setattr(ImageCms, "buildTransform", lambda *modes: asked.append(modes[2:]))
    monkeypatch.setattr(
        ImageCms, "applyTransform", lambda part, _: Image.merge("RGB", part.split()[1:])
    )
    assert load_image(tmp_path / "a.tiff").tolist() == np.full((2, 3, 3), [20, 30, 40]).tolist()
    assert asked == [("CMYK", "RGB")]


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "tiff"])
def test_what_is_saved_is_tagged_as_srgb(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    save_image(path, np.full((8, 8, 3), 77.0))
    with Image.open(path) as picture:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(picture.info["icc_profile"]))
    assert "sRGB" in ImageCms.getProfileDescription(profile)
    assert np.abs(load_image(path) - 77).max() <= 1
    first = path.read_bytes()
    save_image(path, np.full((8, 8, 3), 77.0))
    assert path.read_bytes() == first


# ---------------------------------------------------------------- saving


@pytest.mark.parametrize(
    ("name", "image", "message"),
    [
        ("a.xyz", np.zeros((2, 2, 3)), "'.xyz' names no format"),
        ("a", np.zeros((2, 2, 3)), "'' names no format"),
        ("a.png", np.zeros((2, 2)), r"shape \(2, 2\), wanted \(height, width, 3\)"),
        ("a.png", np.full((2, 2, 3), np.nan), "not finite"),
        ("a.png", np.full((2, 2, 3), 0.5), r"from 0.5 to 0.5, wanted 0–255"),
        ("a.pgm", np.zeros((2, 2, 3)), "'.pgm' names no format for a picture in colour"),
        ("a.pbm", np.zeros((2, 2, 3)), "'.pbm' names no format"),
        ("a.PFM", np.zeros((2, 2, 3)), "'.pfm' names no format"),
        ("a.gif", np.zeros((2, 2, 3)), "'.gif' names no format"),
    ],
)
def test_what_cannot_be_saved_leaves_nothing_behind(tmp_path, name, image, message):
    with pytest.raises(ValueError, match=message):
        save_image(tmp_path / name, image)
    assert not list(tmp_path.iterdir())


def test_a_failure_half_way_keeps_the_old_file(path, monkeypatch):
    save_image(path, np.full((2, 2, 3), 7.0))
    before = path.read_bytes()

    def fail(self, data):
        with open(self, "wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError(28, "disk full")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OSError, match="disk full"):
        save_image(path, np.zeros((2, 2, 3)))
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["picture.png"]


@pytest.mark.parametrize(("ending", "width"), [("webp", 16_384), ("jpg", 65_536)])
def test_too_wide_for_a_format(tmp_path, ending, width):
    with pytest.raises(ValueError, match=rf"^.*a\.{ending}: {width}×1 px as (WEBP|JPEG): \w+"):
        save_image(tmp_path / f"a.{ending}", np.zeros((1, width, 3)))
    assert not list(tmp_path.iterdir())


def test_saving_at_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    save_image("~/a.png", np.full((2, 2, 3), 7))
    assert (tmp_path / "a.png").is_file() and load_image("~/a.png").max() == 7


# ---------------------------------------------------------------- arrays


@pytest.mark.parametrize(
    "image",
    [
        np.full((4, 5, 3), 200, np.uint8),
        np.ones((4, 5, 3), np.uint8),
        np.zeros((4, 5, 3)),
        np.full((4, 5, 3), 1.5, np.float16),
        np.full((4, 5, 3), 200)[::-1, ::2],
        np.broadcast_to(np.float32(9), (4, 5, 3)),  # read-only
        [[[1, 2, 3]]],
        Image.new("RGB", (5, 4), (9, 9, 9)),
    ],
)
def test_arrays_that_are_pictures(image):
    picture = as_picture_array("content", image, "float32")
    assert picture.dtype == np.float32 and np.array_equal(picture, np.asarray(image))


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        (np.full((4, 5, 3), 0.5), ValueError, "got values from 0.5 to 0.5, wanted 0–255; multiply"),
        (np.linspace(-1, 1, 60).reshape(4, 5, 3), ValueError, "got values from -1 to 1, wanted"),
        (np.ones((4, 5, 3), bool), ValueError, "got values from 1 to 1, wanted 0–255"),
        (np.ones((4, 5, 3), int), ValueError, "got values from 1 to 1, wanted 0–255"),
        (np.ones((3, 4, 5)), ValueError, r"\(3, 4, 5\), .* last: image\.transpose\(1, 2, 0\)"),
        (np.ones((1, 4, 5, 3)), ValueError, r"\(1, 4, 5, 3\), .* a batch of one: image\[0\]"),
        (np.ones((4, 5)), ValueError, r"\(4, 5\), .* of grey: np\.stack\(\[image\] \* 3, axis=2"),
        (np.ones((4, 5, 1)), ValueError, r"\(4, 5, 1\), .* of grey: np\.repeat\(image, 3, axis=2"),
        (np.ones((4, 5, 4)), ValueError, r"\(4, 5, 4\), .* transparency: image\[:, :, :3\]"),
        (np.ones((2, 4, 5, 3)), ValueError, r"shape \(2, 4, 5, 3\), wanted \(height, width, 3\)$"),
        (np.ones((0, 5, 3)), ValueError, r"shape \(0, 5, 3\), wanted \(height, width, 3\)$"),
        ([], ValueError, r"shape \(0,\), wanted"),
        (np.full((4, 5, 3), np.nan), ValueError, "entries that are not finite"),
        (np.full((4, 5, 3), 1e300), ValueError, "entries that are not finite"),  # in float32
        ("cat.jpg", TypeError, "got a path, wanted an array; load_image reads a file"),
        (None, TypeError, "got an array of object, wanted one of real numbers"),
        ([[1, 2], [3]], TypeError, "got rows of several lengths"),
        (np.ones((4, 5, 3)) * 1j, TypeError, "got an array of complex128"),
    ],
)
def test_arrays_that_are_none(image, error, message):
    with pytest.raises(error, match=f"^content: .*{message}"):
        as_picture_array("content", image, "float32")


# ---------------------------------------------------------------- sizes


def test_resize_keeps_constants_dtype_and_range(rng):
    for dtype in (np.float32, np.float64, np.uint8):
        resized = resize_image(np.full((9, 7, 3), 42, dtype), (4, 13))
        assert resized.shape == (4, 13, 3) and resized.dtype == dtype
        assert np.allclose(resized, 42, atol=1e-4)
    checkers = np.indices((16, 16)).sum(axis=0)[:, :, None].repeat(3, 2) // 4 % 2 * 255.0
    enlarged = resize_image(checkers, (50, 50))
    assert enlarged.min() >= 0 and enlarged.max() <= 255
    assert resize_image(checkers, (16, 16)) is checkers


@pytest.mark.parametrize("shape", [(5, 9), (37, 20), (11, 30), (80, 90), (37, 30)])
def test_resizing_while_reading_gives_the_same_numbers(tmp_path, rng, monkeypatch, shape):
    path = tmp_path / "a.png"
    Image.fromarray(rng.integers(0, 256, (37, 30, 4)).astype(np.uint8)).save(path)
    whole = resize_image(load_image(path), shape)
    # A few rows at a time, and each channel at once, by Pillow alone.
    monkeypatch.setattr(decoding, "STRIP_PIXELS", 100)
    assert np.array_equal(load_image(path, size=shape), whole)
    picture = decode_image(path)
    assert picture.shape == (37, 30, 3)
    for k, channel in enumerate(np.moveaxis(picture.array(), 2, 0)):
        resized = Image.fromarray(channel.copy()).resize(shape[::-1], Image.Resampling.BICUBIC)
        assert np.array_equal(np.clip(resized, 0, 255), whole[:, :, k])


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
