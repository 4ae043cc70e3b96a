r"""NumPy's ``.npz``: a zip archive of arrays, each behind a line that says what it is.

An entry ``NAME.npy`` ::

    \x93NUMPY, version, length, {'descr': '<f4', 'fortran_order': False, 'shape': (64,), }, numbers

NumPy reads that line as a Python expression, and arrays of objects by executing what they ask for.
Here the line has to match a pattern, in which there are numbers only.
"""

import io
import math
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from typing import BinaryIO

import numpy as np

from scratchnet.files.names import printable
from scratchnet.files.saving import replacing
from scratchnet.files.weights.bounded import MOST_DIMENSIONS

FORMAT = "npz"
LARGEST_DIRECTORY = 2**20  # bytes: some ten thousand entries
END = struct.Struct("<4s4H2LH")  # a zip archive's last record
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # what NumPy writes
HEADER = re.compile(
    rb"\{'descr': '([<>|=]?\w+)', 'fortran_order': (True|False), "
    rb"'shape': \(((?:\d{1,18}(?:, ?\d{1,18})*,?)?)\),? ?\}\s*"
)
DAMAGED = (
    zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OverflowError,
    struct.error, UnicodeError, OSError,
)  # fmt: skip


def recognises(head: bytes, path: str | os.PathLike) -> bool:
    """Tell whether a file begins as an archive whose first entry is an array."""
    length = int.from_bytes(head[26:28], "little")
    return head.startswith(b"PK\3\4") and head[30 : 30 + length].endswith(b".npy")


def read(
    path: str | os.PathLike, wanted: Callable[[str, tuple[int, ...]], bool]
) -> dict[str, np.ndarray]:
    """Read the arrays of floats that are wanted.

    Raises
    ------
    ValueError
        If the archive is damaged, or what it says of its entries does not hold.
    """
    tensors = {}
    try:
        count = checked_directory(path)
        with zipfile.ZipFile(path) as archive:
            if len(archive.infolist()) != count:
                raise ValueError(f"damaged: its table of contents has not {count} entries")
            for entry in archive.infolist():
                name = entry.filename.removesuffix(".npy")
                if name in tensors:
                    raise ValueError(f"{printable(name, 60)}: is there twice")
                if not entry.filename.endswith(".npy"):
                    raise ValueError(f"{printable(name, 60)}: an entry that is no array")
                if entry.compress_type not in METHODS:
                    raise ValueError(f"{printable(name, 60)}: not compressed as NumPy does")
                with archive.open(entry) as file:
                    values = _read_array(file, entry.file_size, name, wanted)
                tensors |= {} if values is None else {name: values}
    except DAMAGED as error:
        raise ValueError(f"damaged, or no npz archive ({printable(error, 120)})") from None
    return tensors


def checked_directory(path: str | os.PathLike) -> int:
    """Return how many entries an archive says to have.

    Raises ValueError unless its table of contents is short, and where it belongs: zipfile reads the
    whole of it before anything can be asked.
    """
    with open(path, "rb") as file:
        size = file.seek(0, io.SEEK_END)
        file.seek(max(0, size - END.size))
        last = file.read().rjust(END.size, b"\0")
        file.seek(max(0, size - END.size - 20))
        before = file.read(4)
    signature, _, _, _, count, length, begin, comment = END.unpack(last)
    if signature != b"PK\5\6" or comment or before == b"PK\6\7":
        raise ValueError("damaged: it does not end as a zip archive does")
    if length > LARGEST_DIRECTORY or begin + length + END.size != size:
        raise ValueError(f"damaged: a table of contents of {length} bytes, at {begin} of {size}")
    return count


def write(path: str | os.PathLike, tensors: Mapping[str, np.ndarray]) -> None:
    """Write arrays, not compressed; equal ones give equal bytes."""
    with replacing(path) as partial, open(partial, "wb") as file:
        np.savez(file, **tensors)


def _read_array(file: BinaryIO, size: int, name: str, wanted: Callable) -> np.ndarray | None:
    """Return the array in an entry of ``size`` bytes, or None if it is not of floats or wanted."""
    magic = file.read(8)
    wide = magic[6:7] > b"\1"  # versions 2 and 3 have room for longer lines
    if magic[:6] != b"\x93NUMPY" or magic[6:7] not in (b"\1", b"\2", b"\3"):
        raise ValueError(f"{printable(name, 60)}: no array of NumPy's")
    length = int.from_bytes(file.read(4 if wide else 2), "little")
    match = HEADER.fullmatch(file.read(min(length, 10_000)))
    if match is None:
        raise ValueError(f"{printable(name, 60)}: not an array of numbers")
    kind = match[1].decode()
    shape = tuple(int(n) for n in re.findall(rb"\d+", match[3]))
    begin = (12 if wide else 10) + length
    is_float = re.fullmatch("[<>]f[248]", kind) is not None
    if not is_float or len(shape) > MOST_DIMENSIONS or not wanted(name, shape):
        return None
    dtype, count = np.dtype(kind), math.prod(shape)
    if size != begin + count * dtype.itemsize:
        raise ValueError(f"{printable(name, 60)}: {size - begin} bytes do not hold shape {shape}")
    data = bytearray(file.read(count * dtype.itemsize))
    if len(data) != count * dtype.itemsize or file.read(1):  # which checks the sum of the entry
        raise ValueError(f"{printable(name, 60)}: another length than it says")
    values = np.frombuffer(data, dtype)
    return values.reshape(shape, order="F" if match[2] == b"True" else "C")
