"""Pictures that a caller passes as arrays: what they have to be, and the usual mistakes."""

import os

import numpy as np


def as_picture_array(name: str, image: np.ndarray, dtype: str | None = None) -> np.ndarray:
    """Return a picture (H, W, 3), RGB in 0–255, as an array, in ``dtype`` if it is given.

    Raises
    ------
    TypeError
        If it does not consist of real numbers.
    ValueError
        If it is empty, of another shape, not finite, or looks like one in 0–1: no value is over 1,
        and it is neither black nor of 8-bit whole numbers. The message begins with ``name``.
    """
    if isinstance(image, str | os.PathLike):
        raise TypeError(f"{name}: got a path, wanted an array; load_image reads a file")
    try:
        image = np.asarray(image)
    except ValueError:
        raise TypeError(f"{name}: got rows of several lengths, wanted an array") from None
    if image.dtype.kind not in "biuf":
        raise TypeError(f"{name}: got an array of {image.dtype}, wanted one of real numbers")
    if image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(
            f"{name}: got an array of shape {image.shape}, wanted (height, width, 3)"
            f"{_remedy(image.shape)}"
        )
    with np.errstate(over="ignore"):
        converted = image.astype(dtype or image.dtype, copy=False)
    if not np.isfinite(converted).all():
        raise ValueError(f"{name}: the picture has entries that are not finite")
    if image.dtype != np.uint8 and image.max() <= 1 and image.any():
        raise ValueError(
            f"{name}: got values from {float(image.min()):.3g} to {float(image.max()):.3g}, "
            "wanted 0–255; multiply a picture in 0–1 by 255"
        )
    return converted


def _remedy(shape: tuple[int, ...]) -> str:
    """Return what makes a picture out of an array of the shapes that others use."""
    if 0 in shape:
        return ""
    match shape:
        case (_, _):
            return "; of grey: np.stack([image] * 3, axis=2)"
        case (_, _, 1):
            return "; of grey: np.repeat(image, 3, axis=2)"
        case (_, _, 4):
            return "; without transparency: image[:, :, :3]"
        case (3, _, _):
            return "; with channels last: image.transpose(1, 2, 0)"
        case (1, _, _, 3):
            return "; out of a batch of one: image[0]"
    return ""
