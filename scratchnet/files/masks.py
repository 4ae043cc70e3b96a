"""Masks in: a picture file → a map of weights.

A mask is drawn in any program that makes pictures: in grey, white where something counts; or by
erasing, so that it counts where the picture is opaque.
"""

import os

import numpy as np

from scratchnet.files.decoding import MAX_PIXELS, Picture, decode_image
from scratchnet.files.images import resize_image


def decode_mask(path: str | os.PathLike, *, max_pixels: int = MAX_PIXELS) -> Picture:
    """Decode a mask, as a picture of one channel, raising as `load_image` does.

    It is the opacity of a picture that is not all opaque; of another one the brightness, the mean
    of red, green and blue.
    """
    picture = decode_image(path, max_pixels=max_pixels)
    opacity = picture.opacity()
    return picture.grey() if is_opaque(opacity) else opacity


def is_opaque(opacity: Picture) -> bool:
    """Say whether an opacity is 255 everywhere."""
    return all((strip == 255).all() for strip in opacity.strips())


def mask_array(mask: Picture, size: tuple[int, int]) -> np.ndarray:
    """Return a decoded mask as an array of a size (H, W), in 0–1.

    It is in whole steps of 1/255, so that 0 and 1 stay exactly that.
    """
    return np.rint(resize_image(mask, size)[:, :, 0]) / np.float32(255)


def load_mask(
    path: str | os.PathLike,
    *,
    max_pixels: int = MAX_PIXELS,
    size: tuple[int, int] | None = None,
) -> np.ndarray:
    """Read a mask, float32 (H, W), in 0–1; at another ``size`` (height, width), if given.

    Raises as `load_image` does.
    """
    mask = decode_mask(path, max_pixels=max_pixels)
    return mask_array(mask, mask.shape[:2] if size is None else size)
