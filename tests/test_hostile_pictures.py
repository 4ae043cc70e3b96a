"""Pictures that are damaged, or made to do harm: one line that names the file, and little memory.

SCRATCHNET_MUTANTS says how many mutants there are of each format (1,000), SCRATCHNET_SEED which
ones (0).
"""

import contextlib
import io
import json
import os
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from conftest import amount
from PIL import Image, ImageFile, features

from scratchnet import load_image, save_image
from scratchnet.files import decoding
from scratchnet.files.colours import srgb_profile
from scratchnet.files.decoding import MAX_SIDE
from scratchnet.files.images import find_pictures
from scratchnet.units.scan.run import scan
from scratchnet.units.scan.settings import ScanSettings

TESTS = Path(__file__).parent
LONG = 300  # characters of a message: of a name at most 200
OPENED = "(header accepted, decoded)"
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def refusal(path, **options) -> str:
    """Return the one line with which a file is refused."""
    with pytest.raises((ValueError, OSError)) as caught:
        load_image(path, **options)
    assert type(caught.value) in (ValueError, FileNotFoundError, PermissionError)
    message = str(caught.value)
    assert message.isprintable() and len(message) <= LONG
    return message


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "a.png"
    save_image(path, np.full((2, 3, 3), 9))
    return path


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    "name",
    ["with space.png", "it's \"so\".png", "Bäume 樹.png", "a\nb.png", "\x1b[31mred.png",
     "b\udcffyte.png", "-rf.png", "%s{0}.png", "x" * 251 + ".png", "ends in png"],
)  # fmt: skip
def test_any_name_is_read_and_printed_on_one_line(tmp_path, picture, name):
    whole, broken = tmp_path / name, tmp_path / "below" / name
    broken.parent.mkdir()
    try:
        whole.write_bytes(picture.read_bytes())
        broken.write_bytes(b"none")
    except (OSError, ValueError):
        pytest.skip("this system has no such names")
    assert load_image(whole).shape == (2, 3, 3)
    assert "not a picture that can be read" in refusal(broken)


def test_what_is_no_file(tmp_path):
    (tmp_path / "x.jpg").mkdir()
    assert refusal(tmp_path / "x.jpg").endswith("x.jpg: a folder, no picture")
    assert "no such picture" in refusal(tmp_path / "x.jpg" / "y.jpg")
    (tmp_path / "file").touch()
    assert "no such picture" in refusal(tmp_path / "file" / "y.jpg")
    assert "no such picture" in refusal(tmp_path / ("x" * 300 + ".png"))
    assert "no such picture" in refusal(tmp_path / "a\0b.png")
    assert "not a picture that can be read" in refusal(tmp_path / "file")


@pytest.mark.skipif(os.name == "nt", reason="no pipes, and links for few")
def test_pipes_devices_and_links(tmp_path, picture):
    os.mkfifo(tmp_path / "pipe.png")  # opening it would wait for ever
    assert refusal(tmp_path / "pipe.png").endswith("pipe.png: not a file, no picture")
    assert refusal("/dev/zero") == "/dev/zero: not a file, no picture"
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    assert "loop.png: no such picture (" in refusal(tmp_path / "loop.png")
    (tmp_path / "dangling.png").symlink_to(tmp_path / "none.png")
    assert refusal(tmp_path / "dangling.png").endswith("dangling.png: no such picture")
    (tmp_path / "link.png").symlink_to(picture)
    assert load_image(tmp_path / "link.png").shape == (2, 3, 3)


def test_when_no_file_can_be_opened(picture, monkeypatch):
    def fail(*args):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("builtins.open", fail)
    with pytest.raises(OSError, match=r"a\.png: Too many open files$"):
        load_image(picture)


@pytest.mark.parametrize("path", [None, 3, ["a.png"]])
def test_what_is_no_path(path):
    with pytest.raises(TypeError, match=r"expected str, bytes or os\.PathLike object, not"):
        load_image(path)


@pytest.fixture
def closed():
    """Return a folder with two pictures, one of them in a folder that may not be read."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        save_image(folder / "a.png", np.full((2, 3, 3), 9))
        save_image(folder / "secret.png", np.full((2, 3, 3), 9))
        (folder / "closed").mkdir()
        save_image(folder / "closed" / "b.png", np.full((2, 3, 3), 9))
        folder.chmod(0o755)
        (folder / "secret.png").chmod(0)
        (folder / "closed").chmod(0)
        is_root = hasattr(os, "geteuid") and os.geteuid() == 0
        if is_root:  # who may read everything
            os.seteuid(65534)
        yield folder
        if is_root:
            os.seteuid(0)
        (folder / "closed").chmod(0o755)


@pytest.mark.skipif(os.name == "nt", reason="other permissions")
def test_a_missing_permission_is_called_that(closed):
    assert load_image(closed / "a.png").shape == (2, 3, 3)
    for name in ("secret.png", "closed/b.png"):
        with pytest.raises(PermissionError, match=rf"{name}: no permission to read it$"):
            load_image(closed / name)


@pytest.mark.skipif(os.name == "nt", reason="other permissions")
def test_a_folder_that_cannot_be_read_is_reported(closed):
    with pytest.raises(ValueError, match=r"closed: can't be read \(Permission denied\)"):
        find_pictures(closed)
    lines = []
    assert find_pictures(closed, lines.append) == ["a.png", "secret.png"]
    assert lines == [f"{closed / 'closed'}: can't be read (Permission denied)"]


@pytest.mark.skipif(os.name == "nt", reason="no such names")
def test_a_name_that_cannot_be_printed_is_reported(tmp_path, picture):
    for name in ("a\nb.png", "\x1b[31m.png", "c\nd.txt"):
        (tmp_path / name).write_bytes(picture.read_bytes())
    lines = []
    assert find_pictures(tmp_path, lines.append) == ["a.png"]
    assert len(lines) == 2 and all(line.isprintable() for line in lines)
    assert all(line.endswith(": a name that can't be printed; rename it") for line in lines)


# ---------------------------------------------------------------- damage


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (AttributeError("'NoneType' has no 'x'"), "damaged or cut off ('NoneType' has no 'x')"),
        (ValueError("no\nfile's \x1b name"), "damaged or cut off (no file's ? name)"),
        (struct.error("unpack"), "damaged or cut off (unpack)"),
        (RecursionError("too deep"), "damaged or cut off (too deep)"),
        (KeyError(305), "damaged or cut off (305)"),
        (AssertionError(), "damaged or cut off (AssertionError)"),
        (OSError(5, "Input/output error"), "damaged or cut off ([Errno 5] Input/output error)"),
        (MemoryError(), "takes more memory than there is; scale it first"),
        (
            Image.DecompressionBombError(),
            "is over twice the limit of 25,000,000 pixels; make",
        ),
    ],
)
@pytest.mark.parametrize(
    "where",
    ["Image.open", "ImageFile.ImageFile.load", "Image.Image.getexif", "Image.Image.convert"],
)
def test_whatever_a_decoder_raises(picture, monkeypatch, where, error, reason):
    def fail(*args, **options):
        raise error

    monkeypatch.setattr(f"PIL.{where}", fail)
    assert f"a.png: {reason}" in refusal(picture)


@pytest.mark.parametrize("ending", ["png", "webp"])
def test_damaged_exif(tmp_path, ending):
    exif = b"Exif\0\0XX*\0\x08\0\0\0"  # wanted II or MM
    Image.new("RGB", (40, 40)).save(tmp_path / f"b.{ending}", exif=exif)
    assert f"b.{ending}: damaged or cut off (not a TIFF file" in refusal(tmp_path / f"b.{ending}")


def test_a_scan_skips_what_a_decoder_fails_at(tmp_path, monkeypatch):
    for name in "abc":
        save_image(tmp_path / f"{name}.png", np.full((40, 40 + ord(name), 3), 9))
    load = ImageFile.ImageFile.load

    def fail(picture):
        if picture.width == 40 + ord("b"):
            raise AttributeError("'NoneType' object has no attribute 'x'")
        return load(picture)

    monkeypatch.setattr(ImageFile.ImageFile, "load", fail)
    skipped = []
    settings = ScanSettings(("relu1_1",), size=32)
    top = scan(tmp_path, find_pictures(tmp_path), settings, tmp_path / "p.h5",
               callback=lambda progress: skipped.extend(progress.skipped))  # fmt: skip
    assert top.unreadable == ["b.png"] and "b.png: damaged or cut off ('NoneType'" in skipped[0]


@pytest.mark.parametrize("start", [b"P6 3 2 255\n", b"P3\n", b"P1 ", b"Pf\n"])
def test_a_ppm_of_comments(tmp_path, start):
    (tmp_path / "a.ppm").write_bytes(start[:3] + b"#" + b"x" * 2_000_000 + b"\n" + start[3:])
    assert "a.ppm: damaged (a header of over 4096 bytes)" in refusal(tmp_path / "a.ppm")
    (tmp_path / "a.ppm").write_bytes(start[:3] + b"#\n" * 1_000_000 + start[3:])
    assert "a.ppm: damaged (a header of over 4096 bytes)" in refusal(tmp_path / "a.ppm")


def test_a_ppm_with_a_few_comments_is_read(tmp_path):
    pixels = np.arange(3 * 2000, dtype=np.uint8).tobytes()
    (tmp_path / "a.ppm").write_bytes(b"P6 # made\n# by\n2000 1\n255\n" + pixels)
    assert load_image(tmp_path / "a.ppm").shape == (1, 2000, 3)
    (tmp_path / "b.ppm").write_bytes(b"P3 2 1 # two\n9 1 2 3 4 5 9")
    assert np.allclose(load_image(tmp_path / "b.ppm")[0, 1], [113, 142, 255])  # of nine


def test_a_ppm_of_text_with_many_comments(tmp_path):
    (tmp_path / "a.ppm").write_bytes(b"P3 900 900 255\n" + b"0 " * 2000 + b"#\n" * 500_000)
    assert "a.ppm: a large PPM written as text; convert it to PNG" in refusal(tmp_path / "a.ppm")


def test_a_side_of_millions(tmp_path):
    Image.new("1", (MAX_SIDE + 1, 1)).save(tmp_path / "a.png")
    assert "a.png: 1000001×1 has a side of over 1,000,000 pixels" in refusal(tmp_path / "a.png")


def test_a_size_that_is_not_there(tmp_path):
    """A PNG that says it has 65,000×65,000 pixels, and has none."""
    parts = b"\x89PNG\r\n\x1a\n"
    for data in (b"IHDR" + struct.pack(">IIBBBBB", 65_000, 65_000, 8, 6, 0, 0, 0), b"IDAT"):
        parts += struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))
    (tmp_path / "a.png").write_bytes(parts)
    assert "a.png: is over twice the limit of 25,000,000 pixels" in refusal(tmp_path / "a.png")
    message = refusal(tmp_path / "a.png", max_pixels=3_000_000_000)
    assert "a.png: 65000×65000 is over the limit of 3,000,000,000 pixels" in message


def last_peak() -> int:
    """Return the most bytes of memory since the last call; Linux only."""
    status = Path("/proc/self/status").read_text()
    Path("/proc/self/clear_refs").write_text("5")
    return 1024 * int(status.split("VmHWM:")[1].split()[0])


def small_bombs(folder: str) -> None:
    """Print how much memory each large picture in a folder takes to be read small."""
    paths = sorted(Path(folder).iterdir())
    load_image(paths[0], size=(8, 8))  # imports
    last_peak()
    before = last_peak()
    for path in paths:
        assert load_image(path, size=(64, 64)).shape == (64, 64, 3)
        print(path.name, last_peak() - before)


def call(function: str, *arguments, seconds: float) -> subprocess.CompletedProcess:
    """Call a function of this file in a process of its own."""
    code = f"import test_hostile_pictures as this; this.{function}(*{arguments!r})"
    environment = os.environ | {"PYTHONPATH": f"{TESTS}{os.pathsep}{TESTS.parent}"}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, timeout=seconds,
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@linux
@pytest.mark.slow
def test_a_large_picture_read_small_takes_little_memory(tmp_path):
    """9 megapixels: as floats alone they would be 108 MB."""
    shape = 3000, 3000
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("L", (9, 9)).save(tmp_path / "0.png")
    Image.new("RGBA", shape, (3, 4, 5, 100)).save(tmp_path / "a.png", compress_level=1)
    Image.new("RGB", shape).save(tmp_path / "b.jpg", exif=exif)
    Image.new("P", shape).save(tmp_path / "c.gif", save_all=True, transparency=0,
                               append_images=[Image.new("P", shape, 1)])  # fmt: skip
    Image.fromarray(np.zeros(shape, np.uint16)).save(tmp_path / "d.png")
    child = call("small_bombs", str(tmp_path), seconds=60)
    assert child.returncode == 0, child.stderr
    for line in child.stdout.splitlines():
        name, peak = line.split()
        decoded = 36e6 if name[0] in "ab" else 18e6  # Pillow keeps RGB in 4 bytes
        assert int(peak) < decoded + 40e6, line


# ---------------------------------------------------------------- mutants


def sources() -> dict[str, list[bytes]]:
    """Make small pictures of every format in several of its kinds."""
    rng = np.random.default_rng(0)
    smooth = np.clip(np.cumsum(rng.normal(0, 9, (30, 40, 3)), axis=1) + 128, 0, 255)
    rgb = Image.fromarray(smooth.astype(np.uint8))
    rgba = rgb.copy()
    rgba.putalpha(rgb.convert("L"))
    deep = Image.fromarray((smooth[:, :, 0] * 257).astype(np.uint16))
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x8769] = 6, "maker", {0x9003: "2020:01:01 00:00:00"}
    meta = {"exif": exif.tobytes(), "icc_profile": srgb_profile()}
    pages = {"save_all": True, "append_images": [rgb.rotate(90), rgb.rotate(180)]}

    def made(name: str, *variants) -> list[bytes]:
        result = []
        for picture, options in variants:
            file = io.BytesIO()
            picture.save(file, name, **options)
            result.append(file.getvalue())
        return result

    found = {
        "PNG": made("PNG", (rgb, meta), (rgba, {}), (rgb.quantize(20), {"transparency": 3}),
                    (deep, {"transparency": 999}), (rgb.convert("1"), {})),
        "JPEG": made("JPEG", (rgb, meta), (rgb, {"progressive": True, "subsampling": 0}),
                     (rgb.convert("CMYK"), {}), (rgb.convert("L"), {"exif": exif})),
        "TIFF": made("TIFF", (rgb, {"icc_profile": srgb_profile()}), (deep, {}),
                     (rgba, {"compression": "tiff_lzw"}),
                     (rgb, {"compression": "tiff_adobe_deflate"}), (rgb, pages),
                     (rgb, {"compression": "jpeg"}), (rgb.convert("CMYK"), {})),
        "WEBP": made("WEBP", (rgb, meta), (rgba, {"lossless": True}), (rgb, pages)),
        "GIF": made("GIF", (rgb, pages), (rgb.quantize(9), {"transparency": 3})),
        "BMP": made("BMP", (rgb, {}), (rgb.quantize(9), {}), (rgb.convert("1"), {})),
        "PPM": [*made("PPM", (rgb, {}), (rgb.convert("L"), {}), (rgb.convert("1"), {}), (deep, {})),
                b"P6 40 30 99\n" + bytes(3600), b"P3 9 9 255\n" + b"17 " * 243],
    }  # fmt: skip
    if features.check("avif"):
        found["AVIF"] = made("AVIF", (rgb, meta), (rgba, {}))
    return found


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """Change a file: bytes and bits anywhere, most often near its start, cut, double, insert."""
    data = bytearray(data)
    for _ in range(rng.integers(1, 9)):
        if not data:
            break
        most = len(data) if rng.random() < 0.5 else min(len(data), 200)
        at = int(rng.integers(most))
        count = int(rng.integers(1, 20))
        kind = rng.integers(7)
        if kind == 0:
            data[at] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            data[at] = int(rng.integers(256))
        elif kind == 2:
            data[at : at + 4] = bytes([rng.choice([0, 1, 127, 128, 255])]) * 4
        elif kind == 3:
            data[at : at + count] = b""
        elif kind == 4:
            data[at:at] = data[at : at + 10 * count]
        elif kind == 5:
            data[at:at] = rng.bytes(count)
        elif rng.random() < 0.3:
            data = data[: at + 8]
    return bytes(data)


def png_mutated_within(data: bytes, rng: np.random.Generator) -> bytes:
    """Change what is in a PNG's chunks; with wrong checksums it would not be decoded."""
    chunks, at = [], 8
    while at < len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        chunks.append((data[at + 4 : at + 8], data[at + 8 : end]))
        at = end + 4
    for _ in range(rng.integers(1, 3)):
        pixels = [n for n, (kind, _) in enumerate(chunks) if kind == b"IDAT"]
        anywhere = not pixels or rng.random() < 0.4
        n = int(rng.integers(len(chunks)) if anywhere else rng.choice(pixels))
        kind, inside = chunks.pop(n)
        way = rng.integers(7)
        if way == 0:
            continue  # one is missing
        if way == 1:
            chunks.insert(n, (kind, inside))  # one is there twice
        elif way < 4 and kind == b"IDAT":
            with contextlib.suppress(zlib.error):  # changed before
                inside = zlib.compress(mutated(zlib.decompress(inside), rng))
        elif inside:
            inside = mutated(inside, rng)
        chunks.insert(n, (kind, inside))
    parts = []
    for kind, inside in chunks:
        checksum = struct.pack(">I", zlib.crc32(kind + inside))
        parts += [struct.pack(">I", len(inside)), kind, inside, checksum]
    return data[:8] + b"".join(parts)


def mutated_after(marker: bytes, data: bytes, rng: np.random.Generator) -> bytes:
    """Change the compressed pixels behind a marker, and nothing of what is before them."""
    start = data.index(marker) + len(marker)
    inside = mutated(data[start:], rng)
    return data[:start] + inside[: len(data) - start].ljust(len(data) - start, b"\0")


# Of the others, enough mutants get to the decoder as they are.
WITHIN = {
    "PNG": png_mutated_within,
    "AVIF": partial(mutated_after, b"mdat"),
}


def read_mutants(name: str, first: int, count: int, seed: int, folder: str) -> None:
    """Read mutants of a format; print each one's number before, and what came out at the end."""
    outcomes, slowest, largest = Counter(), 0.0, 0
    convert = decoding._conversion

    def opened(*arguments):
        outcomes[OPENED] += 1
        return convert(*arguments)

    decoding._conversion = opened
    originals = sources()[name]
    path = Path(folder, f"{name}-{first}.bin")
    for original in originals:  # whole ones are read, and all is imported
        path.write_bytes(original)
        load_image(path, size=(16, 16))
    outcomes.clear()
    last_peak()
    before = last_peak()
    for n in range(first, first + count):
        print(n, file=sys.stderr, flush=True)
        rng = np.random.default_rng([seed, n])
        change = WITHIN[name] if name in WITHIN and rng.random() < 0.75 else mutated
        path.write_bytes(change(originals[n % len(originals)], rng))
        start = time.process_time()
        try:
            load_image(path, size=(16, 16))
            outcome = "read"
        except ValueError as error:
            message = str(error)
            assert message.startswith(f"{path}: ") and message.isprintable(), message
            assert len(message) <= len(str(path)) + 160, message
            outcome = message.removeprefix(f"{path}: ")
            outcome = " ".join("N×N" if "×" in word else word for word in outcome.split()[:4])
        outcomes[outcome] += 1
        slowest = max(slowest, time.process_time() - start)
        largest = max(largest, last_peak() - before)
    path.unlink()
    print(json.dumps([outcomes, slowest, largest]))


@linux
@pytest.mark.slow
@pytest.mark.parametrize("name", ["PNG", "JPEG", "TIFF", "WEBP", "GIF", "BMP", "PPM", "AVIF"])
def test_mutants_are_read_or_refused_in_one_line(tmp_path, name):
    """Of each format: no other error, no signal, at most 5 s and 0.4 GB.

    (25 megapixels, which a mutant may claim to have, are 0.1 GB before they are made small.)
    """
    if name == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    mutants, seed, total = amount("MUTANTS", 1000), amount("SEED", 0), Counter()
    for first in range(0, mutants, 250):
        count = min(250, mutants - first)
        child = call("read_mutants", name, first, count, seed, str(tmp_path), seconds=600)
        assert child.returncode == 0, f"{name} {child.stderr[-900:]}"
        outcomes, slowest, largest = json.loads(child.stdout)
        assert slowest <= 5 and largest <= 4e8
        total.update(outcomes)
        total["MB"] = max(total["MB"], largest // 10**6)
        total["ms"] = max(total["ms"], round(1000 * slowest))
    print(name, dict(total))
    assert 0.01 * mutants < total["read"] < 0.99 * mutants and total[OPENED] >= 0.2 * mutants
    assert total[OPENED] >= 0.5 * mutants or name not in WITHIN
