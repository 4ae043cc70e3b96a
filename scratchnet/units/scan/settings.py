"""What a scan looks for, and how it looks at a picture.

Every picture that a scan, a figure or the atlas shows is read here, in one way.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scratchnet.files.decoding import MAX_PIXELS, Picture, decode_image
from scratchnet.files.hdf5 import sha256
from scratchnet.files.images import fit_short_side, resize_image
from scratchnet.files.names import printable

LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")
MOST, LARGEST = 1000, 4000  # patches of a channel; px of a short side at the largest scale
MOST_VALUES = 100  # layers, or scales
LONGEST = 8  # of a picture: long side / short side


@dataclass(frozen=True)
class ScanSettings:
    """What is looked for.

    Attributes
    ----------
    layers : tuple of str
        A set: they are kept in alphabetical order.
    k : int
        K: how many patches for each channel.
    per_picture : int
        How many of them from one picture at most.
    spacing : float
        How far apart patches of one picture are at least, in sizes of the field.
    size : int
        Short side of a picture at scale 1, in pixels.
    scales : tuple of float
        Every picture is looked at in these sizes, as multiples of ``size``.

    Raises
    ------
    ValueError
        For a number that is out of range, no layer or scale, or one that is named twice.
    """

    layers: tuple[str, ...] = LAYERS
    k: int = 9
    per_picture: int = 3
    spacing: float = 0.5
    size: int = 224
    scales: tuple[float, ...] = (1.0,)

    def __post_init__(self):
        for name in ("k", "per_picture", "size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: got {getattr(self, name)}, wanted at least 1")
        if self.k > MOST:
            raise ValueError(f"k: got {self.k}, wanted at most {MOST}")
        if not 0 <= self.spacing < np.inf:
            raise ValueError(f"spacing: got {self.spacing}, wanted a number of at least 0")
        for name in ("layers", "scales"):
            values = getattr(self, name)
            if not values or len(set(values)) < len(values):
                raise ValueError(f"{name}: got {values}, wanted at least one, and none twice")
            if len(values) > MOST_VALUES:
                raise ValueError(f"{name}: got {len(values)}, wanted at most {MOST_VALUES}")
        if not all(0.1 <= scale <= 10 for scale in self.scales):
            raise ValueError(f"scales: got {self.scales}, wanted numbers from 0.1 to 10")
        if self.size * max(self.scales) > LARGEST:
            raise ValueError(
                f"size: got {self.size} at scale {max(self.scales)}, wanted at most {LARGEST} px"
            )
        object.__setattr__(self, "layers", tuple(sorted(self.layers)))
        object.__setattr__(self, "scales", tuple(sorted(map(float, self.scales))))
        object.__setattr__(self, "spacing", float(self.spacing))


def file_hash(path: str | os.PathLike) -> bytes:
    """Return the SHA-256 of a file."""
    with open(path, "rb") as file:
        return sha256(file)


def read_picture(path: str | os.PathLike, max_pixels: int = MAX_PIXELS) -> Picture:
    """Decode a picture of any size; `resize_image` takes it as it is.

    Raises FileNotFoundError and ValueError as `load_image` does, and ValueError for a picture that
    is more than 8 times as long as it is wide.
    """
    picture = decode_image(path, max_pixels=max_pixels)
    height, width = picture.shape[:2]
    if max(height, width) > LONGEST * min(height, width):
        raise ValueError(
            f"{printable(path)}: {height}×{width} is more than {LONGEST} times as long as wide"
        )
    return picture


def working_size(shape: tuple[int, ...], size: int, scale: float = 1.0) -> tuple[int, int]:
    """Return the height and width at which the network is to see a picture.

    The short side is ``size`` · ``scale`` pixels, and nothing is cut off.

    Examples
    --------
    >>> working_size((480, 640, 3), 224), working_size((480, 640, 3), 224, 0.5)
    ((224, 299), (112, 149))
    """
    return fit_short_side(shape, max(1, round(size * scale)))


def working_picture(
    path: str | os.PathLike, size: int, scale: float = 1.0, max_pixels: int = MAX_PIXELS
) -> np.ndarray:
    """Read a picture as the network is to see it.

    A picture that has its `working_size` already is left as it is; others are resampled, small
    ones enlarged. Raises as `read_picture` does.
    """
    picture = read_picture(path, max_pixels)
    return resize_image(picture, working_size(picture.shape, size, scale))


def scanned_picture(
    folder: str | os.PathLike,
    name: str,
    sha256: bytes,
    size: int,
    scale: float = 1.0,
    max_pixels: int = MAX_PIXELS,
) -> np.ndarray:
    """Read a picture again as it was scanned.

    Raises
    ------
    FileNotFoundError, ValueError
        If the file is gone, or is not the one with that hash.
    """
    path = Path(folder, name)
    if not path.is_file():
        raise FileNotFoundError(
            f"{printable(path)}: no such picture; is {printable(folder)} the folder scanned?"
        )
    if file_hash(path) != sha256:
        raise ValueError(
            f"{printable(path)}: is not the picture that was scanned; delete the file of "
            "patches and scan again"
        )
    return working_picture(path, size, scale, max_pixels)
