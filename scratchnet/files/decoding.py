"""Decoding a picture file, whatever is in it: a `Picture`, or one line that says why not.

Pillow decodes. What is added here is that nothing is lost or guessed on the way: orientation,
transparency, colour profile and the depth of 16-bit grey are kept; that a picture too large for
the memory is refused before it is decoded; and that whatever a decoder raises on a damaged file
becomes one ValueError that names it.
"""

import errno
import os
import re
import stat
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import BinaryIO

import numpy as np

from scratchnet.files.colours import to_srgb
from scratchnet.files.names import expanded, printable

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "AVIF")
MAX_PIXELS = 25_000_000
MAX_SIDE = 1_000_000  # px: a strip holds at least one whole row
STRIP_PIXELS = 2**18
WHITE = (255, 255, 255)
ORIENTATION, BITS, PHOTOMETRIC, MIN_IS_WHITE = 0x0112, 258, 262, 0  # EXIF's and TIFF's tags
HEIC = re.compile(rb"....ftyp(hei[cmsx]|hev[cmx]|mif1|msf1)", re.DOTALL)
PPM_HEADER, PPM_TEXT = 4096, 16_000_000  # bytes: of a header with its comments; of a file of text
_pillows_limit = threading.Lock()  # it is global


class Picture:
    """A decoded picture in 8 or 16 bits a channel: as floats, it takes three times the memory.

    Attributes
    ----------
    shape : (H, W, 3) or (H, W, 1)
        As it is to be seen, turned upright: in RGB, or of one channel.
    """

    def __init__(self, decoded, orientation: int, convert: Callable, channels: int = 3):
        self._decoded, self._orientation, self._convert = decoded, orientation, convert
        width, height = decoded.size if orientation < 5 else decoded.size[::-1]
        self.shape = height, width, channels

    def opacity(self) -> "Picture":
        """Return its opacity, of one channel: 255 where it is opaque, 0 where transparent."""
        return Picture(self._decoded, self._orientation, _opacity, channels=1)

    def grey(self) -> "Picture":
        """Return the mean of its red, green and blue, of one channel."""
        return Picture(
            self._decoded, self._orientation, channels=1,
            convert=lambda part: self._convert(part).mean(axis=2, keepdims=True),
        )  # fmt: skip

    def strips(self) -> Iterator[np.ndarray]:
        """Yield all rows from the top, a few at a time: float32 (n, W, channels), in 0–255."""
        height, width, _ = self.shape
        rows = max(1, STRIP_PIXELS // width)
        for top in range(0, height, rows):
            yield self._rows(top, min(top + rows, height))

    def array(self) -> np.ndarray:
        """Return the whole picture, float32 (H, W, channels), in 0–255."""
        image, top = np.empty(self.shape, np.float32), 0
        for strip in self.strips():
            image[top : top + len(strip)] = strip
            top += len(strip)
        return image

    def _rows(self, top: int, bottom: int) -> np.ndarray:
        """Return the rows top to bottom of the upright picture."""
        # EXIF's orientations: 2, 4 are mirrored, 3 is turned by 180°; 5–8 are 1–4 with rows and
        # columns exchanged (5 at the diagonal, 6 turned clockwise, 7 at the other one, 8 back).
        n, (height, width, _) = self._orientation, self.shape
        if n in (3, 4, 7, 8):
            top, bottom = height - bottom, height - top
        box = (0, top, width, bottom) if n < 5 else (top, 0, bottom, width)
        rows = self._convert(self._decoded.crop(box))
        rows = rows if n < 5 else rows.transpose(1, 0, 2)
        rows = rows[::-1] if n in (3, 4, 7, 8) else rows
        return rows[:, ::-1] if n in (2, 3, 6, 7) else rows


def decode_image(
    path: str | os.PathLike,
    *,
    background: tuple[int, int, int] = WHITE,
    max_pixels: int = MAX_PIXELS,
) -> Picture:
    """Decode a picture file; `load_image` says what is kept and what is raised."""
    from PIL import Image, features

    if isinstance(max_pixels, bool) or not isinstance(max_pixels, int | np.integer):
        raise TypeError(f"max_pixels: got {max_pixels!r}, wanted a whole number")
    colour = np.array(background, np.float32)
    if colour.shape != (3,):
        raise ValueError(f"background: got {background!r}, wanted (red, green, blue)")
    name = printable(path)
    with open_file(path) as file:
        _check_start(name, file)
        with _decoding(name, max_pixels, file):
            formats = FORMATS if features.check("avif") else FORMATS[:-1]
            picture = Image.open(file, formats=formats)
        _check_size(name, picture, max_pixels)
        with _decoding(name, max_pixels, file):
            conversion = _conversion(picture, colour)
            picture.load()
            orientation = picture.getexif().get(ORIENTATION)
            orientation = orientation if orientation in range(1, 9) else 1
            decoded = Picture(picture, orientation, conversion)
            decoded._rows(0, 1)  # if a mode can't be converted, this says so
    return decoded


def open_file(path: str | os.PathLike) -> BinaryIO:
    """Open a file for reading.

    Raises OSError, of the kind that fits, and ValueError if it is a folder, a pipe or a device.
    """
    name, path = printable(path), expanded(path)
    try:
        mode = os.stat(path).st_mode  # opening a pipe would wait for ever
        if stat.S_ISREG(mode):
            return open(path, "rb")
    except PermissionError:
        raise PermissionError(f"{name}: no permission to read it") from None
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a null character
        raise FileNotFoundError(f"{name}: no such picture") from None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENAMETOOLONG):
            raise FileNotFoundError(f"{name}: no such picture ({error.strerror})") from None
        raise OSError(f"{name}: {error.strerror}") from None
    raise ValueError(f"{name}: {'a folder' if stat.S_ISDIR(mode) else 'not a file'}, no picture")


@contextmanager
def _decoding(name: str, max_pixels: int, file: BinaryIO) -> Iterator[None]:
    """Turn whatever a decoder raises into one ValueError, and make ``max_pixels`` the only limit.

    Pillow refuses twice its own limit, and warns above it, whatever is asked for.
    """
    from PIL import Image, UnidentifiedImageError

    with _pillows_limit, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = max(max_pixels, before or 0)  # smaller ones: see _check_size
        try:
            yield
        except UnidentifiedImageError:
            raise ValueError(f"{name}: {_unidentified(file)}") from None
        except Image.DecompressionBombError:
            raise ValueError(_too_large(name, "is over twice", max_pixels)) from None
        except MemoryError:
            raise ValueError(f"{name}: takes more memory than there is; scale it first") from None
        except Exception as error:
            reason = printable(error, most=80) or type(error).__name__
            raise ValueError(f"{name}: damaged or cut off ({reason})") from None
        finally:
            Image.MAX_IMAGE_PIXELS = before


def _unidentified(file: BinaryIO) -> str:
    """Say why Pillow does not know a file."""
    file.seek(0)
    start = file.read(16)
    if HEIC.match(start):
        return "HEIC, which Pillow can't read; convert it: heif-convert photo.heic photo.jpg"
    if start[:4] in (b"II*\0", b"MM\0*"):
        return "a damaged TIFF, or of a kind that can't be read (floating point?); use 8 bits"
    return f"not a picture that can be read ({', '.join(FORMATS)})"


def _too_large(name: str, what: str, max_pixels: int) -> str:
    return (
        f"{name}: {what} the limit of {max_pixels:,} pixels; make it smaller, or raise "
        "max_pixels (--max-pixels)"
    )


def _check_start(name: str, file: BinaryIO) -> None:
    """Refuse a PPM whose comments, or whose numbers as text, would take Pillow many seconds."""
    start = file.read(PPM_HEADER)
    length = file.seek(0, os.SEEK_END)
    file.seek(0)
    if re.match(rb"P[0-6fy]", start) and length > PPM_HEADER:
        tokens = re.sub(rb"#[^\r\n]*", b"", start).split()
        if len(tokens) < 4:
            raise ValueError(f"{name}: damaged (a header of over {PPM_HEADER} bytes)")
        if start[1:2] in b"123" and (length > PPM_TEXT or b"#" in start):
            raise ValueError(f"{name}: a large PPM written as text; convert it to PNG")


def _check_size(name: str, picture, max_pixels: int) -> None:
    """Refuse a picture that is too large, or whose numbers have no stated white."""
    width, height = picture.size
    if width * height > max_pixels:
        raise ValueError(_too_large(name, f"{width}×{height} is over", max_pixels))
    if max(width, height) > MAX_SIDE:
        raise ValueError(f"{name}: {width}×{height} has a side of over {MAX_SIDE:,} pixels")
    if picture.mode == "F":
        raise ValueError(f"{name}: floating-point pixels have no stated white; use 8 or 16 bits")
    if picture.mode == "I" and picture.format == "TIFF":
        raise ValueError(f"{name}: signed or 32-bit pixels have no stated white; use 8 or 16 bits")


def _conversion(picture, background: np.ndarray) -> Callable:
    """Return a function from a part of a Pillow picture to float32 (h, w, 3), RGB in 0–255."""
    hidden = picture.info.get("transparency")  # a grey value or a colour that is not to be seen
    if picture.mode == "I" or picture.mode.startswith("I;16"):
        tags = getattr(picture, "tag_v2", {})  # TIFF's
        white = 2 ** tags.get(BITS, (16,))[0] - 1
        is_inverted = tags.get(PHOTOMETRIC) == MIN_IS_WHITE
        return partial(
            _deep_grey, white=white, is_inverted=is_inverted, hidden=hidden, background=background
        )
    if isinstance(hidden, tuple) and picture.tile[0][3] == "RGB;16B":
        picture.info["transparency"] = tuple(value >> 8 for value in hidden)
    return partial(_eight_bits, srgb=to_srgb(picture), background=background)


def _deep_grey(
    part, *, white: int, is_inverted: bool, hidden: int | None, background: np.ndarray
) -> np.ndarray:
    """Convert grey of more than 8 bits."""
    value = np.asarray(part).astype(np.float32)
    grey = (white - value if is_inverted else value) * 255 / white
    rgb = np.repeat(grey[:, :, None], 3, axis=2)
    if hidden is not None:
        rgb[value == hidden] = background
    return rgb


def _eight_bits(part, *, srgb: Callable, background: np.ndarray) -> np.ndarray:
    """Convert a part of 8 bits a channel, or fewer, in front of the background."""
    if not part.has_transparency_data:
        return np.asarray(srgb(part), np.float32)
    part = part.convert("RGBA")
    alpha = np.asarray(part.getchannel("A"), np.float32)[:, :, None] / 255
    return alpha * np.asarray(srgb(part), np.float32) + (1 - alpha) * background


def _opacity(part) -> np.ndarray:
    """Return how opaque a part of a Pillow picture is, float32 (h, w, 1), in 0–255."""
    if part.mode == "I" or part.mode.startswith("I;16"):
        hidden = part.info.get("transparency")  # a grey value, as in `_deep_grey`
        alpha = np.where(np.asarray(part) == hidden, 0, 255)
    elif part.has_transparency_data:
        alpha = np.asarray(part.convert("RGBA").getchannel("A"))
    else:
        alpha = np.full(part.size[::-1], 255)
    return alpha.astype(np.float32)[:, :, None]
