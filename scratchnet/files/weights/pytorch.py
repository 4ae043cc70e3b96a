"""PyTorch's ``.pth``: a dict of tensors that `torch.save` wrote, in its zip or its older layout.

Since PyTorch 1.6 a file is a zip archive of uncompressed entries: ``NAME/data.pkl``, a pickle that
says which tensor lies where, and ``NAME/data/KEY``, the numbers. Before, it was five pickles (a
magic number, a version, a system, the tensors, the keys) and then, key by key, how many numbers
there are, and the numbers. In neither is a pickle ever run: see `pickles`.

Of a dict in the dict, tensors are called ``outer.inner``: one level of nesting is followed; deeper
dicts and lists are skipped.
"""

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from scratchnet.files.names import printable
from scratchnet.files.weights.bounded import (
    BLOCK,
    FLOATS,
    MOST_DIMENSIONS,
    counted,
    go_to,
    read_exactly,
    read_numbers,
    room,
)
from scratchnet.files.weights.pickles import MOST_INSTRUCTIONS, Storage, Tensor, read_pickle

FORMAT = "PyTorch"
MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001
PICKLES = 2**22  # bytes: of VGG-19's, about 7,000
MOST_ENTRIES = 10_000
ENCRYPTED, UTF8 = 1, 0x800  # bits of an entry's flags


@dataclass(frozen=True)
class Place:
    """Where in the file bytes lie, and their checksum, if there is one."""

    start: int
    size: int
    crc: int | None = None


def recognises(head: bytes, path: str | os.PathLike) -> bool:
    """Tell whether a file is PyTorch's, or another pickle or tar, none of which is ever run.

    Parameters
    ----------
    head : bytes
        The first 512.
    path : path
    """
    is_zip = head.startswith(b"PK\3\4") and b"/data.pkl" in head
    is_pickle = head[:1] == b"\x80" and head[1:2] in (b"\2", b"\3", b"\4", b"\5")
    return is_zip or is_pickle or head[257:262] == b"ustar"


def read(path: str | os.PathLike, wanted: Callable[[str, tuple], bool]) -> dict[str, np.ndarray]:
    """Read the tensors of floats.

    Parameters
    ----------
    path : path
    wanted : function
        Asked for each with its name and its shape, before its numbers are read.

    Returns
    -------
    tensors : dict
        Name → array of at most 4 dimensions, in the file's own precision; bfloat16 as float32.

    Raises
    ------
    ValueError
        If the file is damaged, or holds anything else than tensors, dicts, lists, numbers and
        texts: one line, without the file's name. Nothing in the file was run.
    """
    with open(path, "rb") as file:
        head = file.read(512)
        if head[257:262] == b"ustar":
            raise ValueError(
                "a tar archive, as PyTorch's first releases wrote: save it anew with PyTorch"
            )
        layout = _zip_layout if head.startswith(b"PK") else _older_layout
        state, places = layout(file)
        tensors, left, sound = {}, room(file), set()
        for name, tensor in _tensors(state):
            if tensor.storage.dtype not in FLOATS or len(tensor.shape) > MOST_DIMENSIONS:
                continue
            if name in tensors:
                raise ValueError(f"has two tensors called {printable(name, 60)!r}")
            if wanted(name, tensor.shape):
                first, stop = tensor.window()
                left -= (stop - first) * max(4, _size(tensor.storage.dtype))
                if left < 0:
                    raise ValueError("has tensors of far more numbers than the file")
                place = _place(places, tensor.storage)
                if place not in sound:
                    _check(file, place)
                    sound.add(place)
                tensors[name] = _values(file, place, tensor)
    return tensors


def _tensors(state: object) -> Iterator[tuple[str, Tensor]]:
    """Yield name and tensor of all in a dict, and in the dicts in it."""
    if type(state) is not dict:
        raise ValueError("holds no dict of tensors; save model.state_dict()")
    count = 0
    for key, value in state.items():
        inner = value.items() if type(value) is dict else [(None, value)]
        for below, tensor in inner:
            count += 1
            if count > MOST_INSTRUCTIONS:  # one dict may be there under many names
                raise ValueError("has the same tensors under too many names")
            if isinstance(tensor, Tensor):
                yield (f"{key}" if below is None else f"{key}.{below}"), tensor


def _place(places: dict[str, Place], storage: Storage) -> Place:
    """Return where a storage's bytes are."""
    place, size = places.get(storage.key), storage.count * _size(storage.dtype)
    if place is None or place.size != size:
        key = printable(storage.key, 40)
        raise ValueError(f"damaged: storage {key!r} of {size} bytes is not in the file")
    return place


def _size(dtype: str) -> int:
    """Return how many bytes a number takes."""
    return 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize


def _values(file: BinaryIO, place: Place, tensor: Tensor) -> np.ndarray:
    """Return a tensor's numbers, in its shape."""
    (first, stop), dtype = tensor.window(), tensor.storage.dtype
    if counted(tensor.shape, "a tensor") > stop - first:
        raise ValueError("has a tensor that repeats its numbers, as weights never do")
    numbers = read_numbers(file, place.start + first * _size(dtype), stop - first, dtype)
    strides = [numbers.itemsize * stride for stride in tensor.strides]
    # All of it is inside the window: `pickles.checked` saw to that.
    values = np.lib.stride_tricks.as_strided(numbers, tensor.shape, strides)
    return np.ascontiguousarray(values).reshape(tensor.shape)  # of one number, it makes a row


def _check(file: BinaryIO, place: Place) -> None:
    """Raise ValueError if bytes are not those whose checksum is recorded."""
    if place.crc is not None:
        go_to(file, place.start)
        crc = 0
        for done in range(0, place.size, BLOCK):
            crc = zlib.crc32(read_exactly(file, min(BLOCK, place.size - done)), crc)
        if crc != place.crc:
            raise ValueError("damaged: the numbers are not those whose checksum is recorded")


# ---------------------------------------------------------------- the two layouts


def _older_layout(file: BinaryIO) -> tuple[object, dict[str, Place]]:
    """Return what the file's pickle holds, and where its storages are."""
    file.seek(0)
    pickles = io.BytesIO(file.read(PICKLES))
    magic, version = (read_pickle(pickles)[0] for _ in range(2))
    if (magic, version) != (MAGIC, VERSION):
        raise ValueError("a pickle, but not of torch.save; nothing in it was run")
    system = read_pickle(pickles)[0]
    if type(system) is not dict or system.get("little_endian") is not True:
        raise ValueError("of a machine with the highest byte first, or damaged; save it anew")
    state, storages = read_pickle(pickles)
    keys, places = read_pickle(pickles)[0], {}
    if type(keys) is not list or set(map(type, keys)) - {str} or sorted(keys) != sorted(storages):
        raise ValueError("damaged: its keys are not those of its storages")
    file.seek(pickles.tell())
    for key in keys:
        (count,) = struct.unpack("<q", read_exactly(file, 8))
        if count != storages[key].count:
            raise ValueError("damaged: a storage is not as long as it should be")
        places[key] = Place(file.tell(), count * _size(storages[key].dtype))
        go_to(file, file.tell() + places[key].size)
    return state, places


def _zip_layout(file: BinaryIO) -> tuple[object, dict[str, Place]]:
    """Return what the archive's pickle holds, and where its storages are."""
    entries = _entries(file)
    names = [name for name in entries if name.endswith("/data.pkl") and name.count("/") == 1]
    if len(names) != 1:
        raise ValueError(f"a zip archive with {len(names)} entries NAME/data.pkl, wanted one")
    folder = names[0].removesuffix("data.pkl")
    order = entries.get(f"{folder}byteorder")
    if order is not None and _small(file, order) != b"little":
        raise ValueError("of a machine with the highest byte first; save it anew")
    state, _ = read_pickle(io.BytesIO(_small(file, entries[names[0]])))
    data = f"{folder}data/"
    return state, {n.removeprefix(data): e for n, e in entries.items() if n.startswith(data)}


def _small(file: BinaryIO, place: Place) -> bytes:
    """Return the bytes of a small entry."""
    if place.size > PICKLES:
        raise ValueError(f"its pickle has {place.size} bytes, and may have {PICKLES}")
    _check(file, place)
    go_to(file, place.start)
    return read_exactly(file, place.size)


class _Directory:
    """A file of which little is read at once: `zipfile` reads a directory whole."""

    def __init__(self, file: BinaryIO):
        self.file, self.seek, self.tell = file, file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        """Read as a file does, but for sizes that no directory of ours has."""
        left = os.fstat(self.file.fileno()).st_size - self.tell()
        if (left if size < 0 else min(size, left)) > PICKLES:
            raise ValueError("a directory of too many entries")
        return self.file.read(size)


def _entries(file: BinaryIO) -> dict[str, Place]:
    """Return where each entry of a zip archive lies, one after the other and none in another.

    Only the directory is `zipfile`'s: the entries are not compressed, and nothing is unpacked.
    """
    try:
        with zipfile.ZipFile(_Directory(file)) as archive:
            listed, end = archive.infolist(), archive.start_dir
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error, OSError) as error:
        raise ValueError(f"damaged or cut off: {printable(error, 80)}") from None
    if len(listed) > MOST_ENTRIES:
        raise ValueError(f"has {len(listed)} entries, and may have {MOST_ENTRIES}")
    entries: dict[str, Place] = {}
    for entry in sorted(listed, key=lambda entry: entry.header_offset, reverse=True):
        if entry.filename in entries:
            raise ValueError(f"has two entries {printable(entry.filename, 60)!r}")
        entries[entry.filename] = place = _entry(file, entry)
        if place.start + place.size > end:
            raise ValueError(f"damaged: entry {printable(entry.filename, 60)!r} is in the next one")
        end = entry.header_offset
    return entries


def _entry(file: BinaryIO, entry: zipfile.ZipInfo) -> Place:
    """Return where an entry's bytes are: behind a header that says the same as the directory."""
    name, shown = entry.filename, printable(entry.orig_filename, 60)
    if name != entry.orig_filename or "\\" in name or {"", ".."} & set(name.split("/")):
        raise ValueError(f"has an entry {shown!r}, as no archive of torch.save")
    if entry.compress_type or entry.compress_size != entry.file_size:
        raise ValueError(f"has a compressed entry {shown!r}, as no archive of torch.save")
    go_to(file, entry.header_offset)
    signature, flags, length, extra = struct.unpack("<4s2xH18xHH", read_exactly(file, 30))
    stored = read_exactly(file, length)
    expected = name.encode("utf-8" if entry.flag_bits & UTF8 else "cp437")
    if (
        entry.header_offset < 0
        or signature != b"PK\3\4"
        or (flags | entry.flag_bits) & ENCRYPTED
        or stored != expected
    ):
        raise ValueError(f"damaged: entry {shown!r} is not where the directory says")
    return Place(entry.header_offset + 30 + length + extra, entry.file_size, entry.CRC)
