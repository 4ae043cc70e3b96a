"""Files that are never half-written, and HDF5 files that are checked before they are read.

A file may come from anywhere, and HDF5 can point at other files and declare sizes that it does not
hold. So every dataset is checked to lie in the file itself, with the expected shape and type,
before one number of it is read.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a path to write to; what is written there is then renamed to ``path``.

    It lies in the same folder, so that renaming is one step: a failure before it leaves an old file
    whole and nothing behind. (A process that is killed leaves a folder ``.saving-…``.)
    """
    path = Path(path)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".saving-") as folder:
        partial = Path(folder) / path.name
        yield partial
        with open(partial, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)


@contextmanager
def new_hdf5(path: str | os.PathLike) -> Iterator:
    """Yield an HDF5 file to fill; equal contents give equal bytes."""
    import h5py

    with replacing(path) as partial, h5py.File(partial, "w", libver=("earliest", "v110")) as file:
        yield file


def write_dataset(group, name: str, data: np.ndarray) -> None:
    """Store an array in a group of a file from `new_hdf5`."""
    # A time of creation in the file would make its bytes different each time.
    group.create_dataset(name, data=data, track_times=False)


@contextmanager
def open_hdf5(path: str | os.PathLike, what: str) -> Iterator:
    """Open an HDF5 file for reading.

    Parameters
    ----------
    path : path
    what : str
        What kind of file it should be, for the message if there is none.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not HDF5.
    """
    import h5py

    if not os.path.isfile(path):
        raise FileNotFoundError(f"{path}: no such {what}")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise ValueError(f"{path}: not a readable HDF5 file ({error})") from None
    with file:
        yield file


def read_attribute(node, name: str, kind: type = str):
    """Return an attribute of a file or a group.

    Raises ValueError if it is missing or of another type.
    """
    value = node.attrs.get(name)
    wanted = {str: str, int: np.integer, float: np.floating}[kind]
    if not isinstance(value, wanted):
        place = "" if node.name == "/" else f"{node.name[1:]}: "
        raise ValueError(
            f"{node.file.filename}: {place}not a file of this kind: its attribute {name!r} is "
            f"missing or not of type {kind.__name__}"
        )
    return kind(value)


def read_dataset(
    file, group: str, name: str, shape: tuple[int | None, ...], types: tuple[str, ...]
) -> np.ndarray:
    """Read the dataset ``group``/``name`` after checking that it is what it should be.

    Parameters
    ----------
    file : h5py.File
    group, name : str
    shape : tuple
        None stands for any length.
    types : tuple of str
        The dtypes that will do, by name; ``"bytes"`` for text of any fixed length.

    Raises
    ------
    ValueError
        If it is missing, outside the file, of another shape or type, larger than the file, or
        has entries that are not finite.
    """
    import h5py

    def refuse(what: str):
        raise ValueError(f"{file.filename}: {group}/{name}: {what}")

    # One component at a time: get(path) would follow an external link on the way.
    node = file
    for component in (group, name):
        if not isinstance(node, h5py.Group) or component not in node:
            refuse(f"missing; wanted a dataset of shape {shape}")
        if not isinstance(node.get(component, getlink=True), h5py.HardLink):
            refuse("is a link out of its place; wanted a dataset stored in this file")
        node = node[component]
    if not isinstance(node, h5py.Dataset) or node.external or node.is_virtual:
        refuse("wanted a dataset stored in this file")
    fits = node.shape is not None and len(node.shape) == len(shape)
    fits = fits and all(n in (m, None) for n, m in zip(shape, node.shape, strict=True))
    kind = "bytes" if node.dtype.kind == "S" else node.dtype.name
    if not fits or kind not in types:
        refuse(f"got {node.dtype} {node.shape}, wanted {' or '.join(types)} {shape}")
    if None in shape and node.size * node.dtype.itemsize > os.path.getsize(file.filename):
        refuse(f"declares {node.size} entries, more than the file holds")
    values = node[()]
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        refuse("has entries that are not finite")
    return values
