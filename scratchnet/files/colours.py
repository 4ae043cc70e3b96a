"""Colour profiles: what a picture's numbers mean, and how they become sRGB.

The same three numbers are a stronger green in Adobe RGB than in sRGB, which the network was trained
on and which screens show. LittleCMS, through Pillow, converts by the profile in the file.
"""

import io
from collections.abc import Callable
from functools import lru_cache

import numpy as np

MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}  # a profile's colour space → Pillow's mode
GREY = ("1", "L", "LA", "La")
CREATED = slice(24, 36)  # bytes of a profile: when it was made


def to_srgb(picture) -> Callable:
    """Return a function that turns a part of a Pillow picture into sRGB, mode RGB.

    A profile that is broken, or of another kind than the picture, is left aside. So is one that
    changes no colour by more than 1/255, sRGB itself: converting would only round.
    """
    try:
        from PIL import ImageCms

        profile = ImageCms.ImageCmsProfile(io.BytesIO(picture.info["icc_profile"]))
        mode = MODES[profile.profile.xcolor_space.strip()]
        fits = {"CMYK": picture.mode == "CMYK", "L": picture.mode in GREY}
        if not fits.get(mode, picture.mode != "CMYK"):
            return _plain
        target = ImageCms.createProfile("sRGB")
        transform = ImageCms.buildTransform(profile, target, mode, "RGB")
        colours = _some_colours(mode)
        converted = ImageCms.applyTransform(colours, transform)
        difference = np.asarray(converted, np.int16) - np.asarray(_plain(colours), np.int16)
        if np.abs(difference).max() <= 1:
            return _plain
    except Exception:  # none, or broken: the picture is as good as without it
        return _plain
    return lambda part: ImageCms.applyTransform(part.convert(mode), transform)


def _plain(part):
    """Return a part of a picture as mode RGB, its numbers taken for sRGB."""
    return part.convert("RGB")


def _some_colours(mode: str):
    """Return a Pillow picture of 9 steps of each channel, all combinations."""
    from PIL import Image

    channels = len(mode)
    steps = np.linspace(0, 255, 9).astype(np.uint8)
    grid = np.stack(np.meshgrid(*[steps] * channels), axis=-1).reshape(9, -1, channels)
    return Image.frombytes(mode, grid.shape[1::-1], grid.tobytes())


@lru_cache(maxsize=1)
def srgb_profile() -> bytes | None:
    """Return the profile that a picture is tagged with; None if Pillow lacks LittleCMS."""
    try:
        from PIL import ImageCms

        profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    except ImportError:
        return None
    # The time would make the bytes of equal pictures differ.
    profile[CREATED] = bytes.fromhex("07d0 0001 0001 0000 0000 0000")  # 2000-01-01
    return bytes(profile)
