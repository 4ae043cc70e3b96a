"""Pictures in and out: files ↔ float32 arrays, (H, W, 3), RGB in 0–255.

`decoding` reads, Pillow resamples and writes. A picture is turned into floating point a few rows
at a time where a smaller one is wanted: of 25 megapixels, floats alone take 300 MB.
"""

import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from scratchnet.files.arrays import as_picture_array
from scratchnet.files.colours import srgb_profile
from scratchnet.files.decoding import (
    FORMATS,
    MAX_PIXELS,
    WHITE,
    Picture,
    decode_image,
)
from scratchnet.files.names import expanded, printable
from scratchnet.files.saving import replacing

WRITTEN = set(FORMATS) - {"GIF"}
TRANSPARENT = ("PNG", "WEBP")  # written with an alpha channel
GREY_ENDINGS = (".pbm", ".pgm", ".pfm")  # of the PPM family, for pictures without colour


def find_pictures(
    folder: str | os.PathLike, unreadable: Callable[[str], None] | None = None
) -> list[str]:
    """Return the paths within a folder of all pictures in it, at any depth, sorted.

    What counts as a picture is decided by the file's ending. Hidden files are left out, and links
    to folders are not followed.

    Parameters
    ----------
    folder : path
    unreadable : callable, optional
        Called with a line for each folder that can't be read and each name that can't be printed,
        and so not be stored; they are left out. Without it, the first of them raises.

    Raises
    ------
    ValueError
        If there is no such folder, no picture in it, or, without ``unreadable``, what is said
        there.
    """
    from PIL import Image

    def report(problem: str | OSError) -> None:
        if isinstance(problem, OSError):
            problem = f"{printable(problem.filename)}: can't be read ({problem.strerror})"
        if unreadable is None:
            raise ValueError(problem)
        unreadable(problem)

    name, folder = printable(folder), expanded(folder)
    if not folder.is_dir():
        raise ValueError(f"{name}: no such folder of pictures")
    known = {end for end, name in Image.registered_extensions().items() if name in FORMATS}
    found = []
    for parent, folders, files in os.walk(folder, onerror=report):
        folders[:] = [name for name in folders if name[0] != "."]
        paths = [Path(parent, name) for name in files if name[0] != "."]
        for path in paths:
            within = path.relative_to(folder).as_posix()
            if path.suffix.lower() not in known:
                continue
            if within.isprintable():
                found.append(within)
            else:
                report(f"{printable(path)}: a name that can't be printed; rename it")
    if not found:
        raise ValueError(f"{name}: holds no picture ({', '.join(sorted(known))})")
    return sorted(found)


def load_image(
    path: str | os.PathLike,
    *,
    background: tuple[int, int, int] = WHITE,
    max_pixels: int = MAX_PIXELS,
    size: tuple[int, int] | None = None,
) -> np.ndarray:
    """Read a picture as it is meant to be seen.

    The camera's orientation (EXIF) is applied; transparent pixels show the background; colours are
    converted to sRGB by the profile in the file, unless it is broken; 16-bit grey keeps its depth,
    its profile is left aside. Other pictures become RGB of 8 bits, 16-bit colour as well. An
    animation gives its first picture, a TIFF its first page.

    Parameters
    ----------
    path : path
        A PNG, JPEG, WebP, TIFF, BMP, GIF or PPM file, or AVIF where Pillow has it. ``~`` is your
        own folder.
    background : (red, green, blue), default white
        What shows through transparent pixels.
    max_pixels : int, default 25 million
        A larger picture is refused.
    size : (height, width), optional
        What `resize_image` is to make of it; takes less memory than resizing afterwards.

    Returns
    -------
    image : ndarray of float32, (H, W, 3)
        RGB in 0–255.

    Raises
    ------
    FileNotFoundError, PermissionError
        If there is no such file, or it may not be read.
    ValueError
        If it is no picture in one of these formats, is damaged, too large, or has pixels whose
        white is not stated: floating point, and in TIFF whole numbers that are signed or of 32
        bits.
    """
    picture = decode_image(path, background=background, max_pixels=max_pixels)
    return resize_image(picture, picture.shape[:2] if size is None else size)


def save_image(
    path: str | os.PathLike, image: np.ndarray, *, alpha: np.ndarray | None = None
) -> None:
    """Write a picture; the file's ending names the format.

    It is written by `replacing`: a failure half-way leaves nothing behind and an old file whole.
    But for BMP and PPM, which can't hold it, it is tagged as sRGB.

    Parameters
    ----------
    path : path
        Ending in .png, .jpg, .webp, .tiff, .bmp or .ppm, or .avif where Pillow has it.
    image : ndarray, (H, W, 3)
        RGB in 0–255; rounded and clipped to whole numbers.
    alpha : ndarray, (H, W), optional
        Opacity in 0–1, for .png and .webp only.

    Raises
    ------
    TypeError, ValueError
        As `as_picture_array` does; if the ending names no such format, or it can't hold a picture
        of that size, or ``alpha``.
    OSError
        If the file can't be written.
    """
    from PIL import Image

    file_format, name = image_format(path), printable(path)
    image = as_picture_array(name, image)
    pixels = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    if alpha is not None:
        if file_format not in TRANSPARENT:
            raise ValueError(f"{name}: {file_format} is not written with transparency here")
        alpha = np.clip(np.rint(alpha * 255), 0, 255).astype(np.uint8)
        pixels = np.concatenate([pixels, alpha[:, :, None]], axis=2)
    options = {} if file_format in ("BMP", "PPM") else {"icc_profile": srgb_profile()}
    if file_format in ("JPEG", "WEBP", "AVIF"):
        options["quality"] = 95
    encoded = io.BytesIO()
    try:
        Image.fromarray(pixels).save(encoded, file_format, **options)
    except (OSError, ValueError, RuntimeError) as error:
        size = f"{image.shape[1]}×{image.shape[0]}"
        raise ValueError(f"{name}: {size} px as {file_format}: {printable(error, 80)}") from None
    with replacing(expanded(path)) as partial:
        partial.write_bytes(encoded.getbuffer())


def image_format(path: str | os.PathLike) -> str:
    """Return the format that a file's ending names; raises ValueError if it names none.

    Examples
    --------
    >>> image_format("street.jpg")
    'JPEG'
    """
    from PIL import Image

    ending = Path(path).suffix.lower()
    known = {
        end: name
        for end, name in sorted(Image.registered_extensions().items())
        if name in WRITTEN and end not in GREY_ENDINGS
    }
    if ending not in known:
        raise ValueError(
            f"{printable(path)}: the ending {printable(ending, 20)!r} names no format for a "
            f"picture in colour; known are {', '.join(known)}"
        )
    return known[ending]


def resize_image(image: np.ndarray | Picture, shape: tuple[int, int]) -> np.ndarray:
    """Resample a picture to (height, width), without aliasing.

    Bicubic (Pillow's, whose filter widens when it shrinks), in floating point, clipped to
    0–255, where the filter overshoots at edges.

    Parameters
    ----------
    image : ndarray, (H, W, 3), or Picture
    shape : (height, width)

    Returns
    -------
    resized : ndarray, (height, width, 3)
        In the image's dtype (float32 of a `Picture`), whole numbers rounded; an array itself if the
        size is the same.
    """
    is_array = isinstance(image, np.ndarray)
    if image.shape[:2] == tuple(shape):
        return image if is_array else image.array()
    height, width = shape
    # The filter is separable: first along the rows, which can be had a few at a time.
    narrow, top = np.empty((image.shape[0], width, image.shape[2]), np.float32), 0
    for strip in [image] if is_array else image.strips():
        narrow[top : top + len(strip)] = _resampled(strip, (len(strip), width))
        top += len(strip)
    resized = np.clip(_resampled(narrow, (height, width)), 0, 255)
    if not is_array:
        return resized
    if np.issubdtype(image.dtype, np.integer):
        resized = np.rint(resized)
    return resized.astype(image.dtype)


def _resampled(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Resample each channel in float32, without clipping."""
    from PIL import Image

    height, width = shape
    channels = [
        Image.fromarray(np.ascontiguousarray(image[:, :, k], np.float32)).resize(
            (width, height), Image.Resampling.BICUBIC
        )
        for k in range(image.shape[2])
    ]
    return np.stack([np.asarray(channel) for channel in channels], axis=2)


def fit(shape: tuple[int, ...], long_side: int) -> tuple[int, int]:
    """Return (height, width) scaled so that the longer one is ``long_side``.

    Examples
    --------
    >>> fit((480, 640, 3), 256)
    (192, 256)
    """
    return _scaled(shape, long_side / max(shape[:2]))


def fit_short_side(shape: tuple[int, ...], short_side: int) -> tuple[int, int]:
    """Return (height, width) scaled so that the shorter one is ``short_side``.

    Examples
    --------
    >>> fit_short_side((480, 640, 3), 224)
    (224, 299)
    """
    return _scaled(shape, short_side / min(shape[:2]))


def _scaled(shape: tuple[int, ...], scale: float) -> tuple[int, int]:
    """Return (height, width) times ``scale``, in whole pixels and at least 1."""
    height, width = shape[:2]
    return max(1, round(height * scale)), max(1, round(width * scale))


def side_by_side(images: list[np.ndarray], *, gap: int = 4) -> np.ndarray:
    """Put pictures in a row, scaled to the height of the last, with white gaps of ``gap`` px."""
    height = images[-1].shape[0]
    row = []
    for image in images:
        width = max(1, round(image.shape[1] * height / image.shape[0]))
        row.append(resize_image(image, (height, width)).astype(np.float32))
        row.append(np.full((height, gap, 3), 255, np.float32))
    return np.concatenate(row[:-1], axis=1)
