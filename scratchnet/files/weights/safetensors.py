"""Safetensors: a length, a header in JSON, and bytes.

The format ::

    8 bytes              N, the header's length, little-endian
    N bytes              {"name": {"dtype": "F32", "shape": [64, 3], "data_offsets": [0, 768]}, …}
    the rest             the numbers, C order, little-endian

Offsets count from the header's end. The specification wants the tensors to fill the rest without
holes or overlaps, no name twice, and a header that begins with ``{``; a file that does not keep to
it is refused. ``__metadata__`` holds texts.

Specification: https://github.com/huggingface/safetensors (README, "Format").
"""

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from scratchnet.files.names import printable
from scratchnet.files.saving import replacing
from scratchnet.files.weights.bounded import MOST_DIMENSIONS, read_numbers

FORMAT = "safetensors"
LONGEST_HEADER = 2**20  # bytes; a VGG's has 4 thousand
BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "I16": 16, "U16": 16,
    "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "I64": 64, "U64": 64, "F64": 64,
    "C64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip
TYPES = {"F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64"}
NAMES = {np.dtype(f"<f{BITS[name] // 8}"): name for name in ("F16", "F32", "F64")}


def recognises(head: bytes, path: str | os.PathLike) -> bool:
    """Tell whether a file begins with a length that fits it, and a ``{``."""
    if len(head) < 10 or head[8:9] != b"{":
        return False
    try:
        size = os.path.getsize(path)
    except OSError:
        return False
    return 8 + int.from_bytes(head[:8], "little") <= size


def read(
    path: str | os.PathLike, wanted: Callable[[str, tuple[int, ...]], bool]
) -> dict[str, np.ndarray]:
    """Read the tensors of floats that are wanted; bfloat16 as float32.

    Raises
    ------
    ValueError
        If the file is not as the specification has it.
    """
    tensors = {}
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(8), "little")
        if length > LONGEST_HEADER:
            raise ValueError(f"a header of {length} bytes, wanted at most {LONGEST_HEADER}")
        if 8 + length > size:
            raise ValueError(f"a header of {length} bytes, and the file has {size}")
        entries = list(_entries(file.read(length)))
        _check_places(entries, size - 8 - length)
        for name, dtype, shape, begin, _ in entries:
            if dtype in TYPES and len(shape) <= MOST_DIMENSIONS and wanted(name, shape):
                place, count = 8 + length + begin, math.prod(shape)
                tensors[name] = read_numbers(file, place, count, TYPES[dtype]).reshape(shape)
    return tensors


def write(
    path: str | os.PathLike, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]
) -> None:
    """Write tensors and texts; equal ones give equal bytes.

    Raises
    ------
    ValueError
        For a tensor that is not of float16, float32 or float64, little-endian.
    """
    header, place = {"__metadata__": dict(metadata)}, 0
    for name, values in tensors.items():
        if values.dtype not in NAMES:
            raise ValueError(f"{name}: got {values.dtype}, wanted float16, float32 or float64")
        header[name] = {
            "dtype": NAMES[values.dtype],
            "shape": list(values.shape),
            "data_offsets": [place, place := place + values.nbytes],
        }
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # so that the numbers are aligned
    with replacing(path) as partial, open(partial, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for values in tensors.values():
            file.write(np.ascontiguousarray(values))


def _entries(header: bytes) -> Iterator[tuple[str, str, tuple[int, ...], int, int]]:
    """Yield name, dtype, shape, begin and end of each tensor in a header."""
    try:
        entries = json.loads(
            header.decode(), object_pairs_hook=_without_twins, parse_int=_short_number
        )
    except UnicodeDecodeError:
        raise ValueError("its header is not UTF-8") from None
    except RecursionError:
        raise ValueError("its header is nested too deep") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"its header is not JSON ({error.msg})") from None
    if not header.startswith(b"{"):
        raise ValueError("its header does not begin with {")
    for name, entry in entries.items():
        if name == "__metadata__":
            continue
        if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
            raise ValueError(f"{printable(name, 60)}: wanted dtype, shape and data_offsets alone")
        dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        if not isinstance(dtype, str) or dtype not in BITS:
            raise ValueError(f"{printable(name, 60)}: of the unknown type {printable(dtype, 20)}")
        if not _are_lengths(shape) or not _are_lengths(offsets) or len(offsets) != 2:
            raise ValueError(f"{printable(name, 60)}: its shape or place is no list of numbers")
        begin, end = offsets
        if 8 * (end - begin) != math.prod(shape) * BITS[dtype]:
            raise ValueError(f"{printable(name, 60)}: {end - begin} bytes do not hold its shape")
        yield name, dtype, tuple(shape), begin, end


def _without_twins(pairs: list) -> dict:
    names = dict(pairs)
    if len(names) != len(pairs):
        raise ValueError("its header has a name twice")
    return names


def _short_number(digits: str) -> int:
    """Read a whole number that a file's length can be; of a million digits it would take long."""
    if len(digits) > 19:
        raise ValueError(f"its header has a number of {len(digits)} digits")
    return int(digits)


def _are_lengths(numbers: object) -> bool:
    """Say whether this is a short list of whole numbers that a file's length can be."""
    return (
        isinstance(numbers, list)
        and len(numbers) <= 16
        and all(type(n) is int and 0 <= n < 2**63 for n in numbers)
    )


def _check_places(entries: list, size: int) -> None:
    """Raise ValueError unless the tensors fill ``size`` bytes, one behind the other."""
    at = 0
    for name, _, _, begin, end in sorted(entries, key=lambda entry: entry[3:]):
        if begin != at:
            what = "overlaps another" if begin < at else f"leaves a hole of {begin - at} bytes"
            raise ValueError(f"{printable(name, 60)}: begins at {begin}, and {what}")
        at = end
    if at != size:
        what = "damaged or cut off: " if at > size else ""
        raise ValueError(f"{what}its tensors end at {at} of {size} bytes")
