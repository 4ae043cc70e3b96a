"""ONNX: the initialisers of a model's graph.

A file is a message of Protocol Buffers: fields, each a key (what it is, times 8, plus how it is
written) and then a whole number in groups of 7 bits, or 8 or 4 bytes, or a length and so many
bytes, which may be a message again. Of the hundred fields that ONNX has, these lead to a tensor ::

    model: graph 7;  graph: initializer 5;  tensor: dims 1, data_type 2, float_data 4,
    int32_data 5, name 8, raw_data 9, double_data 10, data_location 14

All others are passed over. So neither the graph nor a tensor that is not wanted is ever in memory,
as they would be with ONNX's own library, and that library need not be installed.
"""

import io
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np

from scratchnet.files.names import printable
from scratchnet.files.weights.bounded import (
    BLOCK,
    MOST_DIMENSIONS,
    counted,
    read_exactly,
    read_numbers,
    widened,
)

FORMAT = "ONNX"
GRAPH, INITIALIZER = 7, 5
DIMS, TYPE, FLOAT_DATA, INT32_DATA, NAME, RAW_DATA, DOUBLE_DATA, LOCATION = 1, 2, 4, 5, 8, 9, 10, 14
DATA = (FLOAT_DATA, INT32_DATA, RAW_DATA, DOUBLE_DATA)
TYPES = {1: "float32", 10: "float16", 11: "float64", 16: "bfloat16"}
GROUPS, EIGHT, LENGTH, FOUR = 0, 1, 2, 5  # how a field is written
EXTERNAL = 1
MOST_FIELDS = 200_000
LONGEST = 4096  # bytes of a name, or of dimensions
# A model's version (field 1) comes first, and then one of fields 2–8; 5 is a number.
SECOND = {n << 3 | (GROUPS if n == 5 else LENGTH) for n in range(2, 9)}


@dataclass
class Tensor:
    """What is known of a tensor before its numbers are read; ``data``: field → (start, stop)."""

    name: str = ""
    dtype: str | None = None
    shape: list[int] = field(default_factory=list)
    data: dict[int, tuple[int, int]] = field(default_factory=dict)
    is_external: bool = False


def recognises(head: bytes, path: str | os.PathLike) -> bool:
    """Tell whether a file begins as a model does.

    Parameters
    ----------
    head : bytes
        The first 512.
    path : path
    """
    return len(head) > 2 and head[0] == 1 << 3 and 0 < head[1] < 128 and head[2] in SECOND


def read(path: str | os.PathLike, wanted: Callable[[str, tuple], bool]) -> dict[str, np.ndarray]:
    """Read the initialisers that are tensors of floats.

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
        If the file is damaged, or a tensor's numbers are in another file: one line, without the
        file's name.
    """
    tensors: dict[str, np.ndarray] = {}
    with open(path, "rb") as file:
        for tensor in _initialisers(_Fields(file)):
            shape = tuple(tensor.shape)
            if tensor.dtype is None or len(shape) > MOST_DIMENSIONS:
                continue
            if tensor.name in tensors:
                raise ValueError(f"has two tensors called {printable(tensor.name, 60)!r}")
            count = counted(shape, printable(tensor.name, 60))
            if wanted(tensor.name, shape):
                tensors[tensor.name] = _values(file, tensor, count).reshape(shape)
    return tensors


class _Fields:
    """The fields of a file's messages, of which there may be only so many."""

    def __init__(self, file: BinaryIO):
        self.file, self.left = file, MOST_FIELDS

    def of(self, start: int, stop: int) -> Iterator[tuple[int, int, int | tuple[int, int]]]:
        """Yield what each field of a message is, how it is written, and its value.

        That is a whole number, or where its bytes start and stop.
        """
        while start < stop:
            self.left -= 1
            if self.left < 0:
                raise ValueError(f"has more than {MOST_FIELDS:,} fields")
            self.file.seek(start)
            what, how = divmod(_number(self.file), 8)
            if how == GROUPS:
                value: int | tuple[int, int] = _number(self.file)
                start = self.file.tell()
            elif how in (EIGHT, LENGTH, FOUR):
                length = _number(self.file) if how == LENGTH else {EIGHT: 8, FOUR: 4}[how]
                value = self.file.tell(), self.file.tell() + length
                start = value[1]
            else:
                raise ValueError(f"damaged: a field is written in way {how}, which there is not")
            if start > stop:
                raise ValueError("damaged or cut off: a field ends behind what it is in")
            yield what, how, value

    def short(self, span: tuple[int, int]) -> bytes:
        """Return the bytes of a name, or of dimensions."""
        if span[1] - span[0] > LONGEST:
            raise ValueError(f"damaged: has a name of more than {LONGEST} bytes")
        self.file.seek(span[0])
        return read_exactly(self.file, span[1] - span[0])


def _number(file: BinaryIO) -> int:
    """Read a whole number: groups of 7 bits, the lowest first, 128 more in all but the last."""
    value = 0
    for shift in range(0, 70, 7):
        (byte,) = read_exactly(file, 1)
        value |= (byte & 127) << shift
        if byte < 128:
            return value
    raise ValueError("damaged: a number of more than 10 bytes")


def _initialisers(fields: _Fields) -> Iterator[Tensor]:
    """Yield what each of a model's tensors is."""
    size = os.fstat(fields.file.fileno()).st_size
    graphs = [value for what, how, value in fields.of(0, size) if (what, how) == (GRAPH, LENGTH)]
    if len(graphs) != 1:
        raise ValueError(f"damaged: has {len(graphs)} graphs, wanted one")
    for what, how, value in fields.of(*graphs[0]):
        if (what, how) == (INITIALIZER, LENGTH):
            yield _tensor(fields, value)


def _tensor(fields: _Fields, span: tuple[int, int]) -> Tensor:
    """Return what a tensor is, and where its numbers are."""
    tensor = Tensor()
    for what, how, value in fields.of(*span):
        if (what, how) == (DIMS, GROUPS):
            tensor.shape.append(value)
        elif (what, how) == (DIMS, LENGTH):  # all of them in one field
            dims = io.BytesIO(fields.short(value))
            while dims.tell() < value[1] - value[0]:
                tensor.shape.append(_number(dims))
        elif (what, how) == (TYPE, GROUPS):
            tensor.dtype = TYPES.get(value)
        elif (what, how) == (NAME, LENGTH):
            tensor.name = fields.short(value).decode()
        elif (what, how) == (LOCATION, GROUPS):
            tensor.is_external = value == EXTERNAL
        elif what in DATA:
            if how != LENGTH or what in tensor.data:
                raise ValueError("has a tensor whose numbers are not in one piece")
            tensor.data[what] = value
    return tensor


def _values(file: BinaryIO, tensor: Tensor, count: int) -> np.ndarray:
    """Return a tensor's numbers, in a row."""
    name = printable(tensor.name, 60)
    if tensor.is_external:
        raise ValueError(
            f"{name!r} is in another file, which is not opened: save the model in one "
            "(onnx.save_model(model, path), with save_as_external_data left out)"
        )
    typed = {"float32": FLOAT_DATA, "float64": DOUBLE_DATA}.get(tensor.dtype, INT32_DATA)
    found = {what: span for what, span in tensor.data.items() if span[0] < span[1]}
    if found.keys() - {RAW_DATA, typed} or len(found) > 1:
        raise ValueError(f"damaged: {name!r} has numbers of several types")
    (what, (start, stop)), *_ = [*found.items(), (RAW_DATA, (0, 0))]
    if what == INT32_DATA:
        halves = _halves(file, start, stop, count)
        return widened(halves) if tensor.dtype == "bfloat16" else halves.view(np.float16)
    size = 2 if tensor.dtype == "bfloat16" else np.dtype(tensor.dtype).itemsize
    if stop - start != count * size:
        raise ValueError(f"damaged: {name!r} has {stop - start} bytes, wanted {count * size}")
    return read_numbers(file, start, count, tensor.dtype)


def _halves(file: BinaryIO, start: int, stop: int, count: int) -> np.ndarray:
    """Return the uint16 of a field of whole numbers, of 1 to 3 bytes each, as `_number`."""
    if not count <= stop - start <= 3 * count:
        raise ValueError("damaged: a tensor has other numbers than its shape has places")
    halves, done, rest = np.empty(count, np.uint16), 0, b""
    file.seek(start)
    for at in range(start, stop, BLOCK):
        data = np.frombuffer(rest + read_exactly(file, min(BLOCK, stop - at)), np.uint8)
        last = np.flatnonzero(data < 128)
        first = np.append(0, last + 1)[:-1]
        rest = data[last[-1] + 1 :].tobytes() if len(last) else data.tobytes()
        value, length = np.zeros(len(last), np.uint32), last - first + 1
        for n in range(3):
            there = length > n
            value[there] |= (data[first[there] + n] & np.uint32(127)) << np.uint32(7 * n)
        if (length > 3).any() or (value >= 2**16).any() or done + len(last) > count:
            raise ValueError("damaged: a tensor has numbers that are no 16 bits")
        halves[done : done + len(last)] = value
        done += len(last)
    if rest or done != count:
        raise ValueError("damaged: a tensor has other numbers than its shape has places")
    return halves
