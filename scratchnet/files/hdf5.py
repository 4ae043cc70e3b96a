"""HDF5 files of our own, which are not believed.

A file begins with a line of text, in 512 bytes that HDF5 leaves to its user ::

    scratchnet KIND VERSION sha256 HASH bytes SIZE

HASH and SIZE are those of all that follows. They are checked before HDF5, a C library that damaged
files can crash, sees the file at all. A hash is no proof, though: a file may have been made to do
harm. HDF5 can follow links to other files, unpack a few bytes to gigabytes, and declare sizes it
does not hold. So what we do not write ourselves is refused before one number of it is read: only
plain arrays are, stored in one piece, of exactly the expected shape and type, and texts of fixed
length.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import numpy as np

from scratchnet.files.names import MOST, printable
from scratchnet.files.saving import replacing

VERSION = 2
HEADER = 512  # bytes
LONGEST_TEXT = 4096  # bytes of an attribute or of a name: Linux has no longer path
MOST_ATTRIBUTES = 64
BLOCK = 2**20  # bytes read at a time
PATTERN = re.compile(rb"scratchnet (\w+) (\d+) sha256 ([0-9a-f]{64}) bytes (\d+)\n\0+")
# What HDF5 and h5py raise on damaged files, besides ValueError.
DAMAGED = (
    OSError,
    RuntimeError,
    LookupError,
    TypeError,
    AttributeError,
    OverflowError,
)


@contextmanager
def new_hdf5(path: str | os.PathLike, kind: str) -> Iterator:
    """Yield an HDF5 file to fill; equal contents give equal bytes.

    It is made in memory and then written as any other file: on a full disk HDF5 itself can crash.
    """
    import h5py

    options = {"driver": "core", "backing_store": False, "libver": ("earliest", "v110")}
    with h5py.File("in memory", "w", **options) as file:
        yield file
        file.flush()
        image = file.id.get_file_image()
    with replacing(path) as partial, open(partial, "wb") as output:
        output.write(header(kind, image))
        output.write(image)


def header(kind: str, image: bytes) -> bytes:
    """Return what a file of ours begins with, where ``image`` is the rest of it."""
    digest = hashlib.sha256(image).hexdigest()
    line = f"scratchnet {kind} {VERSION} sha256 {digest} bytes {len(image)}\n"
    return line.encode().ljust(HEADER, b"\0")


def write_dataset(group, name: str, data: np.ndarray) -> None:
    """Store an array in a group of a file from `new_hdf5`."""
    # Times would make each file another one.
    group.create_dataset(name, data=data, track_times=False)


def write_attribute(node, name: str, value: str | int | float) -> None:
    """Store a text, of fixed length, or a number with a file or a group from `new_hdf5`."""
    import h5py

    if isinstance(value, str):
        text = value.encode()
        node.attrs.create(name, text, dtype=h5py.string_dtype("utf-8", max(1, len(text))))
    else:
        node.attrs.create(name, value, dtype=np.int64 if isinstance(value, int) else np.float64)


@contextmanager
def open_hdf5(
    path: str | os.PathLike, kind: str, what: str, anew: str = "make it anew"
) -> Iterator:
    """Open a file from `new_hdf5` for reading.

    Parameters
    ----------
    path : path
    kind, what : str
        What the file should be: as its first line has it, and in words.
    anew : str
        What to do about a file of an older version.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is another kind of file, or damaged. Whatever is raised while the file is read
        becomes one line of at most 200 characters that begins with the file's name.
    """
    import h5py

    shown = printable(path, MOST // 2)
    if not os.path.isfile(path):
        raise FileNotFoundError(f"{shown}: no such {what}")
    try:
        _check_header(path, kind, what, anew)
        with h5py.File(path, "r") as file:
            yield file
        return
    except PermissionError:
        problem = f"no permission to read this {what}"
    except ValueError as error:
        problem = str(error)
    except DAMAGED as error:
        problem = f"damaged, or no {what} ({error})"
    raise ValueError(f"{shown}: {printable(problem, MOST - len(shown) - 2)}")


def _check_header(path: str | os.PathLike, kind: str, what: str, anew: str) -> None:
    """Raise ValueError unless the first line is right about the rest of the file."""
    with open(path, "rb") as file:
        head = file.read(HEADER)
        match = PATTERN.fullmatch(head)
        if match is None and head.startswith(b"\x89HDF"):
            raise ValueError(f"HDF5, but a {what} of an older version, or another's file; {anew}")
        if match is None or match[1].decode() != kind:
            raise ValueError(f"not a {what}")
        if int(match[2]) != VERSION:
            raise ValueError(f"a {what} of version {int(match[2])}, wanted {VERSION}; {anew}")
        if (size := os.fstat(file.fileno()).st_size - HEADER) != int(match[4]):
            raise ValueError(f"damaged: {size} bytes, and should be {int(match[4])}")
        if sha256(file).hex() != match[3].decode():
            raise ValueError("damaged: its SHA-256 is not the one that it begins with")


def sha256(file: BinaryIO) -> bytes:
    """Return the SHA-256 of the rest of an open file, of which little is in memory at a time."""
    sha = hashlib.sha256()
    while block := file.read(BLOCK):
        sha.update(block)
    return sha.digest()


def read_attribute(node, name: str, kind: type = str) -> str | int | float:
    """Return an attribute of a file or a group.

    Raises ValueError if it is missing, or not one value of that type.
    """
    from h5py import h5a, h5t

    def refuse():
        place = "" if node.name == "/" else f"{node.name[1:]}: "
        raise ValueError(f"{place}its attribute {name!r} is missing or not of type {kind.__name__}")

    if h5a.get_num_attrs(node.id) > MOST_ATTRIBUTES or not h5a.exists(node.id, name.encode()):
        refuse()
    attribute = h5a.open(node.id, name.encode())
    stored = attribute.get_type()
    if attribute.shape != ():
        refuse()
    if kind is str:
        is_text = isinstance(stored, h5t.TypeStringID) and not stored.is_variable_str()
        if not is_text or stored.get_size() > LONGEST_TEXT:
            refuse()
        value = np.empty((), f"S{stored.get_size()}")
        attribute.read(value, stored)
        return value[()].decode()
    if not stored.equal(h5t.STD_I64LE if kind is int else h5t.IEEE_F64LE):
        refuse()
    value = np.empty((), "<i8" if kind is int else "<f8")
    attribute.read(value)
    return kind(value[()])


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
        If it is missing, not a plain array in this file, of another shape or type, larger than the
        file, or has entries that are not finite.
    """
    import h5py
    from h5py import h5o

    def refuse(what: str):
        raise ValueError(f"{group}/{name}: {what}")

    # One component at a time: get(path) would follow an external link on the way.
    node = file
    for component in (group, name):
        if not isinstance(node, h5py.Group) or component not in node:
            refuse(f"missing; wanted a dataset of shape {shape}")
        if not isinstance(node.get(component, getlink=True), h5py.HardLink):
            refuse("is a link out of its place; wanted a dataset stored in this file")
        node = node[component]
        if h5o.get_info(node.id).rc != 1:  # many names for one array would be a bomb
            refuse("has more than one name in this file")
    if not isinstance(node, h5py.Dataset) or not _is_plain(node):
        refuse("wanted a plain dataset: in one piece, in this file, and not compressed")
    fits = node.shape is not None and len(node.shape) == len(shape)
    fits = fits and all(n in (m, None) for n, m in zip(shape, node.shape, strict=True))
    if not fits or _type_name(node) not in types:
        refuse(f"got {node.dtype} {node.shape}, wanted {' or '.join(types)} {shape}")
    size = node.size * node.dtype.itemsize
    if size > os.path.getsize(file.filename) or node.id.get_storage_size() != size:
        refuse(f"declares {node.size} entries, more than the file holds")
    values = node[()]
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        refuse("has entries that are not finite")
    return values


def _is_plain(node) -> bool:
    """Tell whether a dataset is stored in one piece in its own file, as we store all of them."""
    from h5py import h5d

    how = node.id.get_create_plist()
    in_one_piece = how.get_layout() in (h5d.CONTIGUOUS, h5d.COMPACT)
    return in_one_piece and not how.get_nfilters() and not how.get_external_count()


def _type_name(node) -> str:
    """Return a dataset's type by name, ``"bytes"`` for text; "" for any that we do not write."""
    from h5py import h5t

    stored = node.id.get_type()
    if isinstance(stored, h5t.TypeStringID):
        fixed = not stored.is_variable_str() and stored.get_size() <= LONGEST_TEXT
        return "bytes" if fixed else ""
    ours = {
        "float16": h5t.IEEE_F16LE, "float32": h5t.IEEE_F32LE, "float64": h5t.IEEE_F64LE,
        "uint8": h5t.STD_U8LE, "int32": h5t.STD_I32LE,
    }  # fmt: skip
    return next((name for name, own in ours.items() if stored.equal(own)), "")
