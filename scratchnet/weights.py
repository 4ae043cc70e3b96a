"""Reading and writing the network's weights.

A weight file is HDF5 with one group for each convolution, named as in `architecture`, holding
``kernel`` (3, 3, C_in, C_out) and ``bias`` (C_out,), for an input in BGR minus the mean. The
file's attributes name its ``architecture`` and the ``sha256`` of all its numbers.

HDF5 can point at other files and declare sizes it does not hold, and a weight file may come
from anywhere: every dataset is checked to lie in the file itself, with the expected shape and a
floating type, before one number of it is read.
"""

import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from scratchnet.architecture import kernel_shapes

Parameters = Mapping[str, tuple[np.ndarray, np.ndarray]]  # name → (kernel, bias)


def embedded_weights() -> Path:
    """Return where the VGG-16 that comes with the package lies.

    Installed, it is inside the package; in a checkout, in ``weights/`` beside it.
    """
    package = Path(__file__).parent
    installed = package / "pretrained" / "vgg16.h5"
    return installed if installed.exists() else package.parent / "weights" / "vgg16.h5"


def digest(parameters: Parameters) -> str:
    """Return the SHA-256 of all kernels and biases, in the order given, as they are stored."""
    sha = hashlib.sha256()
    for kernel, bias in parameters.values():
        sha.update(np.ascontiguousarray(kernel).tobytes())
        sha.update(np.ascontiguousarray(bias).tobytes())
    return sha.hexdigest()


def load_weights(path: str | os.PathLike | None = None) -> tuple[str, dict]:
    """Read a weight file.

    Parameters
    ----------
    path : path, optional
        The file; without it, the embedded VGG-16.

    Returns
    -------
    architecture : str
        ``"vgg16"`` or ``"vgg19"``.
    parameters : dict
        Name → (kernel, bias), in the file's own precision.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not a weight file, or a weight is missing, of another shape or type, outside
        the file, or not finite, or the numbers are not those whose hash is recorded.
    """
    import h5py

    path = Path(embedded_weights() if path is None else path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such weight file")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise ValueError(f"{path}: not a readable HDF5 file ({error})") from None
    with file:
        architecture = _attribute(file, "architecture")
        try:
            shapes = kernel_shapes(architecture)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
        parameters = {
            name: (_read(file, name, "kernel", shape), _read(file, name, "bias", shape[3:]))
            for name, shape in shapes.items()
        }
        recorded = _attribute(file, "sha256")
    if digest(parameters) != recorded:
        raise ValueError(
            f"{path}: the weights are not those the file was written with "
            f"(SHA-256 {digest(parameters)[:12]}…, recorded {recorded[:12]}…); get the file anew"
        )
    return architecture, parameters


def save_weights(
    path: str | os.PathLike,
    architecture: str,
    parameters: Parameters,
    attributes: Mapping[str, str] | None = None,
) -> None:
    """Write a weight file; equal parameters and attributes give equal bytes.

    Parameters
    ----------
    path : path
        Written beside first and then renamed, so that a failure leaves an old file whole.
    architecture : str
        ``"vgg16"`` or ``"vgg19"``.
    parameters : mapping
        Name → (kernel, bias), stored in the precision they have.
    attributes : mapping of str, optional
        Further facts to record: source, authors, licence.

    Raises
    ------
    ValueError
        If a weight is missing or has another shape than the architecture says.
    """
    import h5py

    for name, shape in kernel_shapes(architecture).items():
        got = tuple(part.shape for part in parameters.get(name, ()))
        if got != (shape, shape[3:]):
            raise ValueError(f"{name}: got shapes {got}, wanted {(shape, shape[3:])}")
    ordered = {name: parameters[name] for name in kernel_shapes(architecture)}
    path = Path(path)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".weights-") as folder:
        partial = Path(folder) / path.name
        with h5py.File(partial, "w", libver=("earliest", "v110")) as file:
            file.attrs["architecture"] = architecture
            file.attrs["sha256"] = digest(ordered)
            file.attrs.update(attributes or {})
            for name, (kernel, bias) in ordered.items():
                # Times would make each file another one.
                file.create_dataset(f"{name}/kernel", data=kernel, track_times=False)
                file.create_dataset(f"{name}/bias", data=bias, track_times=False)
        os.replace(partial, path)


def _attribute(file, name: str) -> str:
    value = file.attrs.get(name)
    if not isinstance(value, str):
        raise ValueError(
            f"{file.filename}: not a scratchnet weight file: its attribute {name!r} is missing"
        )
    return value


def _read(file, layer: str, part: str, shape: tuple[int, ...]) -> np.ndarray:
    """Read one dataset after checking that it is what it should be."""
    import h5py

    def refuse(what: str):
        raise ValueError(f"{file.filename}: {layer}/{part}: {what}")

    # One component at a time: get(path) would follow an external link on the way.
    node = file
    for component in (layer, part):
        if not isinstance(node, h5py.Group) or component not in node:
            refuse(f"missing; wanted a dataset of shape {shape}")
        if not isinstance(node.get(component, getlink=True), h5py.HardLink):
            refuse("is a link out of its place; wanted a dataset stored in this file")
        node = node[component]
    if not isinstance(node, h5py.Dataset) or node.external or node.is_virtual:
        refuse("wanted a dataset stored in this file")
    if node.shape != shape or node.dtype not in (np.float16, np.float32, np.float64):
        refuse(f"got {node.dtype} {node.shape}, wanted float16, float32 or float64 {shape}")
    values = node[()]
    if not np.isfinite(values).all():
        refuse("has entries that are not finite")
    return values
