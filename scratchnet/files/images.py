"""Pictures in and out: files ↔ float32 arrays, (H, W, 3), RGB in 0–255.

Pillow reads and resamples. What is added here is that nothing is lost or guessed on the way:
orientation, transparency and the depth of 16-bit grey are kept, and a picture too large for the
memory is refused before it is decoded.
"""

import os
import struct
import zlib
from pathlib import Path

import numpy as np

from scratchnet.files.saving import replacing

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM")
MAX_PIXELS = 25_000_000
WHITE = (255, 255, 255)
# What Pillow's decoders raise on damaged files.
DAMAGED = (
    OSError, SyntaxError, EOFError, LookupError, TypeError, OverflowError, struct.error, zlib.error
)  # fmt: skip


def find_pictures(folder: str | os.PathLike) -> list[str]:
    """Return the paths within a folder of all pictures in it, at any depth, sorted.

    What counts as a picture is decided by the file's ending. Hidden files are left out, and links
    to folders are not followed.

    Raises
    ------
    ValueError
        If there is no such folder, or no picture in it.
    """
    from PIL import Image

    if not os.path.isdir(folder):
        raise ValueError(f"{folder}: no such folder of pictures")
    known = {end for end, name in Image.registered_extensions().items() if name in FORMATS}
    names = []
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name[0] != "."]
        within = Path(parent).relative_to(folder)
        names += [
            (within / name).as_posix()
            for name in files
            if name[0] != "." and Path(name).suffix.lower() in known
        ]
    if not names:
        raise ValueError(f"{folder}: holds no picture ({', '.join(sorted(known))})")
    return sorted(names)


def load_image(
    path: str | os.PathLike,
    *,
    background: tuple[int, int, int] = WHITE,
    max_pixels: int = MAX_PIXELS,
) -> np.ndarray:
    """Read a picture as it is meant to be seen.

    The camera's orientation (EXIF) is applied; transparent pixels show the background; 16-bit
    grey keeps its depth; grey, palette and CMYK pictures become RGB. An animation gives its first
    picture.

    Parameters
    ----------
    path : path
        A PNG, JPEG, WebP, TIFF, BMP, GIF or PPM file.
    background : (red, green, blue), default white
        What shows through transparent pixels.
    max_pixels : int, default 25 million
        A larger picture is refused.

    Returns
    -------
    image : ndarray of float32, (H, W, 3)
        RGB in 0–255.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no picture in one of these formats, is damaged, or is too large.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    if not os.path.isfile(path):
        raise FileNotFoundError(f"{path}: no such picture")
    try:
        with Image.open(path, formats=FORMATS) as picture:
            width, height = picture.size
            if width * height > max_pixels:
                raise ValueError(
                    f"{path}: {width}×{height} is over the limit of {max_pixels:,} pixels; "
                    "make it smaller, or raise max_pixels"
                )
            if picture.mode == "F":
                raise ValueError(f"{path}: floating-point pixels have no stated white; use PNG")
            return _to_rgb(ImageOps.exif_transpose(picture), background)
    except UnidentifiedImageError:
        formats = ", ".join(FORMATS)
        raise ValueError(f"{path}: not a picture that can be read ({formats})") from None
    except Image.DecompressionBombError:
        raise ValueError(
            f"{path}: larger than Pillow opens at all (a decompression bomb?)"
        ) from None
    except DAMAGED as error:
        raise ValueError(f"{path}: damaged or cut off ({error})") from None


def _to_rgb(picture, background: tuple[int, int, int]) -> np.ndarray:
    """Turn a Pillow picture of any mode into a float32 array (H, W, 3) in 0–255."""
    if picture.mode == "I" or picture.mode.startswith("I;16"):  # 16-bit grey: 65535 is white
        grey = np.asarray(picture, np.float32) / 257
        return np.repeat(grey[:, :, None], 3, axis=2)
    if picture.has_transparency_data:
        rgba = np.asarray(picture.convert("RGBA"), np.float32)
        alpha = rgba[:, :, 3:] / 255
        return alpha * rgba[:, :, :3] + (1 - alpha) * np.array(background, np.float32)
    return np.array(picture.convert("RGB"), np.float32)


def save_image(path: str | os.PathLike, image: np.ndarray) -> None:
    """Write a picture; the file's ending names the format.

    It is written by `replacing`: a failure half-way leaves nothing behind and an old file whole.

    Parameters
    ----------
    path : path
        Ending in .png, .jpg, .webp, .tiff, .bmp or .ppm.
    image : ndarray, (H, W, 3)
        RGB in 0–255; rounded and clipped to whole numbers.

    Raises
    ------
    ValueError
        If the ending names no such format, or the picture has another shape or entries that are
        not finite.
    OSError
        If the file can't be written.
    """
    from PIL import Image

    path = Path(path)
    file_format = image_format(path)
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(f"{path}: got an array of shape {image.shape}, wanted (height, width, 3)")
    if not np.isfinite(image).all():
        raise ValueError(f"{path}: the picture has entries that are not finite")
    pixels = np.clip(np.rint(image), 0, 255).astype(np.uint8)
    options = {"quality": 95} if file_format in ("JPEG", "WEBP") else {}
    with replacing(path) as partial:
        Image.fromarray(pixels).save(partial, file_format, **options)


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
        if name in FORMATS and name != "GIF"
    }
    if ending not in known:
        raise ValueError(
            f"{path}: the ending {ending!r} names no format for a picture; "
            f"known are {', '.join(known)}"
        )
    return known[ending]


def resize_image(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Resample a picture to (height, width), without aliasing.

    Bicubic (Pillow's, whose filter widens when it shrinks), in floating point, clipped to
    0–255, where the filter overshoots at edges.

    Parameters
    ----------
    image : ndarray, (H, W, 3)
    shape : (height, width)

    Returns
    -------
    resized : ndarray, (height, width, 3)
        In the image's dtype, whole numbers rounded; the image itself if the size is the same.
    """
    from PIL import Image

    height, width = shape
    if image.shape[:2] == (height, width):
        return image
    channels = [
        Image.fromarray(np.ascontiguousarray(image[:, :, k], np.float32)).resize(
            (width, height), Image.Resampling.BICUBIC
        )
        for k in range(image.shape[2])
    ]
    resized = np.clip(np.stack([np.asarray(channel) for channel in channels], axis=2), 0, 255)
    if np.issubdtype(image.dtype, np.integer):
        resized = np.rint(resized)
    return resized.astype(image.dtype)


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
