"""Weight files that were published, by their hashes.

torchvision and the Caffe weights converted for PyTorch have the beginning of their SHA-256 in their
names; Keras's source has MD5s. An entry says what such a file is and how its pictures are prepared
(`convention`).
"""

import hashlib
import os
from collections.abc import Mapping
from typing import NamedTuple

from scratchnet.files.hdf5 import BLOCK


class Published(NamedTuple):
    """A file that someone published."""

    name: str
    preprocessing: str  # of `convention.PREPROCESSING`


# algorithm, beginning of the hash → file
KNOWN = {
    ("sha256", "d21eb91719f5f4c135c208eb055d8529e38514604183ab5b6afdae68ba1cbe32"): Published(
        "the embedded vgg16.h5", "bgr"
    ),
    # torchvision.models.vgg, the addresses of its weights
    ("sha256", "397923af"): Published("torchvision's vgg16-397923af.pth", "torchvision"),
    ("sha256", "dcbb9e9d"): Published("torchvision's vgg19-dcbb9e9d.pth", "torchvision"),
    # Caffe's, converted for PyTorch by J. Johnson; neural-style-pt takes them
    ("sha256", "00b39a1b"): Published("J. Johnson's vgg16-00b39a1b.pth", "bgr"),
    ("sha256", "d01eb7cb"): Published("J. Johnson's vgg19-d01eb7cb.pth", "bgr"),
    # keras.applications.vgg16 and vgg19
    ("md5", "64373286793e3c8b2b4e3219cbf3544b"): Published("Keras's VGG-16", "bgr"),
    ("md5", "6d6bbae143d832006294945121d1f1fc"): Published("Keras's VGG-16, notop", "bgr"),
    ("md5", "cbe5617147190e668d6c5d5026f83318"): Published("Keras's VGG-19", "bgr"),
    ("md5", "253f8cb515780f3b799900260a226db6"): Published("Keras's VGG-19, notop", "bgr"),
}


def hashes(path: str | os.PathLike) -> dict[str, str]:
    """Return a file's SHA-256 and MD5 in hex, reading it once."""
    algorithms = {name: hashlib.new(name, usedforsecurity=False) for name in ("sha256", "md5")}
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            for algorithm in algorithms.values():
                algorithm.update(block)
    return {name: algorithm.hexdigest() for name, algorithm in algorithms.items()}


def published(found: Mapping[str, str]) -> Published | None:
    """Return which published file has these `hashes`, if it is one of those known."""
    return next(
        (file for (name, begin), file in KNOWN.items() if found[name].startswith(begin)), None
    )
