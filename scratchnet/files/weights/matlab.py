"""MATLAB's files of versions 5 to 7.

A file is 128 bytes of header, and elements: a type, a length, and so many bytes, filled up to a
multiple of 8. An array is an element that holds others ::

    flags (its class), sides, name, and then
    numbers, text    the numbers (and the imaginary parts)
    cell             as many arrays as the sides say
    struct           the length of a field's name, the names, and each field's array

and, since version 7, a variable may be an element that is compressed.

`scipy.io.loadmat` believes all of that: a few bytes may unpack to gigabytes, or claim a cell of
billions, and there are types that crash it. So files are read here, in two passes over the bytes.
`read_variables` goes over every element and keeps texts, but of numbers only where they are; that
takes little memory, and what follows can trust it. `read_numbers` gets those that are wanted.

Source: *MAT-File Format*, The MathWorks.
"""

import math
import struct
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from scratchnet.files.names import printable
from scratchnet.files.weights.bounded import Bytes, inflated, read_exactly, room, stored

HEADER = 128  # bytes; the last two say in which order bytes are
ORDERS = {b"IM": "<", b"MI": ">"}
# Types of elements, and what they hold.
INT8, INT32, UINT32, MATRIX, COMPRESSED = 1, 5, 6, 14, 15
STORED = {
    1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8",
}  # fmt: skip
LETTERS = {2: "latin1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
# Classes of arrays, and the flag of complex ones.
CELL, STRUCT, TEXT, NUMBERS, COMPLEX = 1, 2, 4, range(6, 16), 0x800
FLOATS = {6: "float64", 7: "float32"}
OTHERS = {3: "an object", 5: "a sparse array", 16: "a function handle", 17: "an object"}
MOST_ARRAYS, MOST_VARIABLES, MOST_SIDES, DEEPEST = 50_000, 100, 32, 16
LONGEST = 2**16  # bytes of a name, or of a text


@dataclass(frozen=True)
class Numbers:
    """Where floats are: of which variable, from which of its bytes on, stored as what."""

    variable: "_Variable"
    place: int
    stored: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class _Variable:
    """Where a variable is in the file, and whether it is compressed."""

    start: int
    length: int
    is_packed: bool

    def blocks(self, file: BinaryIO) -> Iterator[bytes]:
        """Yield its bytes, a few at a time, from the first array's flags on."""
        file.seek(self.start)
        return (inflated if self.is_packed else stored)(file, self.length)


def read_variables(file: BinaryIO, names: Collection[str]) -> dict[str, object]:
    """Read all but the numbers of a file's variables of these names.

    Parameters
    ----------
    file : binary file, open for reading
    names : names of variables
        Others are passed over.

    Returns
    -------
    variables : dict
        Name → `Numbers`; text, if it is one row; list, of a cell, column by column; dict, of a
        struct, or a list of them, of an array of structs; or None, for whole numbers and others.

    Raises
    ------
    ValueError
        If an element is damaged, holds more than weights can, or is of another class: one line.
    """
    file.seek(0)
    order = ORDERS.get(read_exactly(file, HEADER)[-2:])
    if order is None:
        raise ValueError("damaged: its header does not say in which order bytes are")
    elements, variables, at, end = _Elements(order, room(file)), {}, HEADER, file.seek(0, 2)
    for _ in range(MOST_VARIABLES):
        if at == end:
            return variables
        file.seek(at)
        kind, length = struct.unpack(f"{order}2I", read_exactly(file, 8))
        if kind not in (MATRIX, COMPRESSED) or not 0 < length <= end - at - 8:
            raise ValueError(f"damaged or cut off: no whole variable at byte {at}")
        variable = _Variable(at + 8, length, kind == COMPRESSED)
        name, value = elements.variable(file, variable, names)
        if name in variables:
            raise ValueError(f"has two variables {printable(name, 60)!r}")
        if name in names:
            variables[name] = value
        at += 8 + length
    raise ValueError(f"has more than {MOST_VARIABLES} variables")


def read_numbers(file: BinaryIO, wanted: Sequence[Numbers]) -> list[np.ndarray]:
    """Return arrays of a file, as `read_variables` found them, column by column in memory."""
    arrays: dict[int, np.ndarray] = {}
    elements, variable = _Elements("", room(file)), None
    for n in sorted(range(len(wanted)), key=lambda n: (wanted[n].variable.start, wanted[n].place)):
        numbers = wanted[n]
        if numbers.variable != variable:
            variable = numbers.variable
            elements.start(variable.blocks(file))
        dtype = np.dtype(numbers.stored)
        elements.skip(numbers.place - elements.at)
        data = elements.take(math.prod(numbers.shape) * dtype.itemsize)
        values = np.frombuffer(data, dtype).astype(numbers.dtype, copy=False)
        arrays[n] = values.reshape(numbers.shape, order="F")
    return [arrays[n] for n in range(len(wanted))]


class _Elements(Bytes):
    """Elements, taken one after the other.

    Parameters
    ----------
    order : ``"<"`` or ``">"``
        Of the bytes of a number.
    room : int
        How many bytes all of them may have, and may take as arrays.
    """

    def __init__(self, order: str, room: int):
        # What a file can make us do is bounded. At most ``room`` bytes may be unpacked
        # (``unpacked``; a variable that is left out is not counted any more), and at most ``room``
        # may all arrays of floats take once they are loaded (``loaded``: their type may be wider
        # than the stored one). Cells and structs may hold `MOST_ARRAYS` (``arrays``).
        super().__init__(room)
        self.order, self.loaded, self.arrays = order, 0, 0
        self.origin: _Variable | None = None

    def variable(self, file: BinaryIO, variable: _Variable, names: Collection[str]) -> tuple:
        """Return a variable's name and, if it is one of the names, its value."""
        self.origin, unpacked, length = variable, self.unpacked, variable.length
        self.start(variable.blocks(file))
        if variable.is_packed:
            length = self.tag(MATRIX)
        end = self.at + length
        flags, sides, name = self.header()
        if name not in names:
            self.unpacked = unpacked
            return name, None
        value = self.body(flags, sides, 0)
        if self.at != end or self.place < len(self.block) or any(self.blocks):
            raise ValueError(f"damaged: {printable(name, 60)!r} is not as long as it says")
        return name, value

    def header(self) -> tuple[int, tuple[int, ...], str]:
        """Take an array's flags, sides and name."""
        flags = self.numbers(UINT32, most=8)
        sides = self.numbers(INT32, most=4 * MOST_SIDES)
        name = self.element(INT8, LONGEST).decode("latin1")
        if len(flags) != 2 or not sides or min(sides) < 0:
            raise ValueError("damaged: an array's flags or sides are none")
        return flags[0], sides, name

    def body(self, flags: int, sides: tuple[int, ...], depth: int):
        """Take what follows an array's header, and return its value."""
        kind, count = flags & 255, math.prod(sides)
        if kind in OTHERS:
            raise ValueError(f"holds {OTHERS[kind]}, which no network of MatConvNet does")
        if depth == DEEPEST:
            raise ValueError(f"has arrays in arrays, more than {DEEPEST} deep")
        if kind in (CELL, STRUCT):
            fields = self.fields() if kind == STRUCT else [""]
            if count * len(fields) > MOST_ARRAYS:
                raise ValueError(f"has more than {MOST_ARRAYS:,} arrays")
            values = [{name: self.array(depth + 1) for name in fields} for _ in range(count)]
            if kind == CELL:
                return [value[""] for value in values]
            return values[0] if count == 1 else values
        if kind == TEXT:
            return self.text(sides)
        if kind not in NUMBERS:
            raise ValueError(f"damaged: has an array of class {kind}, which there is not")
        value = self.entries(kind, sides)
        return (value, self.entries(kind, sides))[0] if flags & COMPLEX else value

    def array(self, depth: int):
        """Take an array in a cell or a struct, and return its value; one of no bytes is empty."""
        self.arrays += 1
        if self.arrays > MOST_ARRAYS:
            raise ValueError(f"has more than {MOST_ARRAYS:,} arrays")
        length, value = self.tag(MATRIX), None
        end = self.at + length
        if length:
            flags, sides, _ = self.header()
            value = self.body(flags, sides, depth)
        if self.at != end:
            raise ValueError("damaged: an array is not as long as it says")
        return value

    def fields(self) -> list[str]:
        """Take the names of a struct's fields, all of one length and filled up with zeros."""
        length, names = self.numbers(INT32, most=4), self.element(INT8, LONGEST)
        if len(length) != 1 or length[0] < 1 or len(names) % length[0]:
            raise ValueError("damaged: a struct's fields have no names")
        cut = [names[at : at + length[0]] for at in range(0, len(names), length[0])]
        fields = [name.split(b"\0")[0].decode("latin1") for name in cut]
        if len(set(fields)) != len(fields):
            raise ValueError("damaged: a struct has two fields of one name")
        return fields

    def text(self, sides: tuple[int, ...]) -> str | None:
        """Take letters, and return them if they are one row."""
        kind, length, is_short = self.begin()
        if kind not in LETTERS or length > LONGEST:
            raise ValueError(f"damaged: has a text of type {kind}, {length} bytes")
        data = self.take(4 if is_short else length + -length % 8)[:length]
        order = {"<": "-le", ">": "-be"}[self.order] if LETTERS[kind][-2:] in ("16", "32") else ""
        return data.decode(LETTERS[kind] + order, "replace") if sides[:-1] == (1,) else None

    def entries(self, kind: int, sides: tuple[int, ...]) -> Numbers | None:
        """Pass over an array's numbers, and return where they are, if they are floats."""
        type_, length, is_short = self.begin()
        count, place = math.prod(sides), self.at
        if type_ not in STORED or length != count * np.dtype(STORED[type_]).itemsize:
            raise ValueError("damaged: an array has other numbers than its sides say")
        self.skip(4 if is_short else length + -length % 8)
        if kind not in FLOATS:
            return None
        self.loaded += count * np.dtype(FLOATS[kind]).itemsize
        if self.loaded > self.room:
            raise ValueError("has arrays of far more numbers than the file")
        return Numbers(self.origin, place, self.order + STORED[type_], FLOATS[kind], sides)

    def numbers(self, kind: int, most: int) -> tuple[int, ...]:
        """Take an element of whole numbers, of at most so many bytes."""
        data = self.element(kind, most)
        if len(data) % 4:
            raise ValueError("damaged: a number is cut off")
        return struct.unpack(f"{self.order}{len(data) // 4}{'i' if kind == INT32 else 'I'}", data)

    def element(self, kind: int, most: int) -> bytes:
        """Take an element of a type, of at most so many bytes."""
        got, length, is_short = self.begin()
        if got != kind or length > most:
            raise ValueError(f"damaged: an element of type {got}, {length} bytes, wanted {kind}")
        return self.take(4 if is_short else length + -length % 8)[:length]

    def tag(self, kind: int) -> int:
        """Take the beginning of an element of a type, and return its length."""
        got, length, is_short = self.begin()
        if got != kind or is_short:
            raise ValueError(f"damaged: an element of type {got}, wanted {kind}")
        return length

    def begin(self) -> tuple[int, int, bool]:
        """Take an element's type and length; a short one has both in 4 bytes, then 4 of data."""
        (word,) = struct.unpack(f"{self.order}I", self.take(4))
        if word >> 16:
            if word >> 16 > 4:
                raise ValueError("damaged: a short element of more than 4 bytes")
            return word & 0xFFFF, word >> 16, True
        return word, struct.unpack(f"{self.order}I", self.take(4))[0], False
