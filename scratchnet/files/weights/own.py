"""Our own weight files, and what every other format becomes: `Weights`.

A file is HDF5 with one group for each convolution, named as in `architecture`, holding
``kernel`` (3, 3, C_in, C_out) and ``bias`` (C_out,), for an input in BGR minus a mean. The
file's attributes name its ``architecture``, the ``mean_bgr`` if it is not `MEAN_BGR`, and the
``sha256`` of all this.

A weight file may come from anywhere, so it is checked as `hdf5` does, and its numbers must be
those whose hash it records.
"""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from scratchnet.files.hdf5 import (
    new_hdf5,
    open_hdf5,
    read_attribute,
    read_dataset,
    write_attribute,
    write_dataset,
)
from scratchnet.network.architecture import Parameters, kernel_shapes
from scratchnet.network.preprocessing import MEAN_BGR, check_mean

FORMAT = "scratchnet"
FLOATS = ("float16", "float32", "float64")
OWN_ATTRIBUTES = ("architecture", "mean_bgr", "sha256")


class Weights(NamedTuple):
    """A network's weights, as `VGG.build` takes them.

    Attributes
    ----------
    architecture : ``"vgg16"`` or ``"vgg19"``
    parameters : dict
        Convolution name → (kernel, bias), in the file's own precision.
    mean : tuple of three floats
        Of the pictures that it was trained on, (blue, green, red) in 0–255: see `Preprocess`.
    """

    architecture: str
    parameters: Parameters
    mean: tuple[float, float, float] = MEAN_BGR


def embedded_weights() -> Path:
    """Return where the VGG-16 that comes with the package lies.

    Installed, it is inside the package; in a checkout, in ``weights/`` beside it.
    """
    package = Path(__file__).parents[2]
    installed = package / "pretrained" / "vgg16.h5"
    return installed if installed.exists() else package.parent / "weights" / "vgg16.h5"


def digest(parameters: Parameters, mean: tuple[float, float, float] = MEAN_BGR) -> str:
    """Return the SHA-256 of all kernels and biases: names, types, shapes, and numbers as stored.

    The mean belongs to it where it is another than VGG's own.
    """
    sha = hashlib.sha256()
    if mean != MEAN_BGR:
        sha.update(f"mean_bgr {_as_text(mean)}\n".encode())
    for name, pair in parameters.items():
        for part in pair:
            part = np.ascontiguousarray(part)
            sha.update(f"{name} {part.dtype.str} {part.shape}\n".encode())
            sha.update(part)
    return sha.hexdigest()


def random_parameters(architecture: str = "vgg16", seed: int = 0) -> Parameters:
    """Return the parameters of a network that has learned nothing, to compare with.

    Kernels are normal with variance 2 / (9 C_in), which keeps the size of activations about the
    same from layer to layer (He et al. 2015); biases are 0.

    Parameters
    ----------
    architecture : ``"vgg16"`` or ``"vgg19"``
    seed : int

    Returns
    -------
    parameters : dict
        Convolution name → (kernel, bias), float32, as `VGG` takes them.

    Raises
    ------
    ValueError
        For any other architecture.
    """
    rng = np.random.default_rng(seed)
    parameters = {}
    for name, (kh, kw, C_in, C_out) in kernel_shapes(architecture).items():
        kernel = rng.standard_normal((kh, kw, C_in, C_out), np.float32)
        kernel *= np.float32(np.sqrt(2 / (kh * kw * C_in)))
        parameters[name] = kernel, np.zeros(C_out, np.float32)
    return parameters


def recognises(head: bytes, path: str | os.PathLike) -> bool:
    """Tell by a file's first bytes whether it is one of ours, of weights or another."""
    return head.startswith(b"scratchnet ")


def load(path: str | os.PathLike) -> Weights:
    """Read a weight file of ours.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not a weight file, or a weight is missing, of another shape or type, outside
        the file, or not finite, or the numbers are not those whose hash is recorded.
    """
    anew = "get it anew (weights/README.md), or write it with save_weights"
    with open_hdf5(path, "weights", "weight file", anew) as file:
        architecture, mean = read_attribute(file, "architecture"), MEAN_BGR
        if "mean_bgr" in file.attrs:
            mean = check_mean(read_attribute(file, "mean_bgr").split(" "))
        parameters = {
            name: (
                read_dataset(file, name, "kernel", shape, FLOATS),
                read_dataset(file, name, "bias", shape[3:], FLOATS),
            )
            for name, shape in kernel_shapes(architecture).items()
        }
        recorded = read_attribute(file, "sha256")
        if digest(parameters, mean) != recorded:
            raise ValueError("the weights are not those the file was written with: get it anew")
    return Weights(architecture, parameters, mean)


def attributes(path: str | os.PathLike) -> dict[str, str]:
    """Return the further facts that a weight file of ours records: source, authors, licence.

    Raises
    ------
    FileNotFoundError, ValueError
        As `load` does; ValueError, too, for one that is no text.
    """
    with open_hdf5(path, "weights", "weight file") as file:
        names = [name for name in file.attrs if name not in OWN_ATTRIBUTES]
        return {name: read_attribute(file, name) for name in names}


def save_weights(
    path: str | os.PathLike,
    architecture: str,
    parameters: Parameters,
    attributes: Mapping[str, str] | None = None,
    *,
    mean: tuple[float, float, float] = MEAN_BGR,
) -> None:
    """Write a weight file; equal parameters and attributes give equal bytes.

    Parameters
    ----------
    path : path
        A failure half-way leaves an old file whole.
    architecture : str
        ``"vgg16"`` or ``"vgg19"``.
    parameters : mapping
        Name → (kernel, bias), stored in the precision they have.
    attributes : mapping of str, optional
        Further facts to record: source, authors, licence.
    mean : tuple of three floats, optional
        Of `Weights`.

    Raises
    ------
    ValueError
        If a weight is missing, has another shape than the architecture says, or is one that
        `load_weights` would refuse.
    """
    ordered, mean = checked(architecture, parameters), check_mean(mean)
    facts = {"architecture": architecture, "sha256": digest(ordered, mean), **(attributes or {})}
    if mean != MEAN_BGR:
        facts["mean_bgr"] = _as_text(mean)
    with new_hdf5(path, "weights") as file:
        for fact, value in facts.items():
            write_attribute(file, fact, value)
        for name, (kernel, bias) in ordered.items():
            group = file.create_group(name)
            write_dataset(group, "kernel", kernel)
            write_dataset(group, "bias", bias)


def checked(architecture: str, parameters: Parameters) -> Parameters:
    """Return all weights in the architecture's order, or raise as `save_weights` does."""
    for name, shape in kernel_shapes(architecture).items():
        got = tuple(part.shape for part in parameters.get(name, ()))
        if got != (shape, shape[3:]):
            raise ValueError(f"{name}: got shapes {got}, wanted {(shape, shape[3:])}")
        for part in parameters[name]:
            if part.dtype not in FLOATS or not np.isfinite(part).all():
                raise ValueError(f"{name}: got {part.dtype}, wanted finite {' or '.join(FLOATS)}")
    return {name: parameters[name] for name in kernel_shapes(architecture)}


def _as_text(mean: tuple[float, float, float]) -> str:
    return " ".join(map(repr, mean))
