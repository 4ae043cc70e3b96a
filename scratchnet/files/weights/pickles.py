"""The pickles in PyTorch's files, read without running them.

A pickle is a program for a machine with a stack, and Python's own machine imports and calls
whatever the program names: to load a pickle is to run what its author wrote. The machine below
knows the instructions that a dict of tensors is written with, and those only. It imports nothing
and calls nothing. A name is no more than a text for it, and has to be in a list; a tensor is where
its numbers are said to lie, and that is checked against the size of what they lie in.
"""

import pickletools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from scratchnet.files.names import printable

MOST_INSTRUCTIONS = 200_000  # VGG-19 takes about 2,000
TYPES = {
    "Half": "float16", "Float": "float32", "Double": "float64", "BFloat16": "bfloat16",
    "Bool": "bool", "Byte": "uint8", "Char": "int8", "Short": "int16", "Int": "int32",
    "Long": "int64",
}  # fmt: skip
STORAGES = {
    f"{module} {kind}Storage": dtype
    for module in ("torch", "torch.cuda")
    for kind, dtype in TYPES.items()
}
DICT = "collections OrderedDict"
TENSORS = ("torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_tensor")
PARAMETER = "torch._utils _rebuild_parameter"
NAMES = {DICT, *TENSORS, PARAMETER, *STORAGES}

IGNORED = {"PROTO", "FRAME", "STOP"}
VALUES = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
ARGUMENTS = {
    "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE",
    "BINSTRING", "SHORT_BINSTRING",
}  # fmt: skip
TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
PUTS, GETS = {"BINPUT", "LONG_BINPUT"}, {"BINGET", "LONG_BINGET"}


@dataclass(frozen=True, eq=False)
class Name:
    """A module and what is in it, with a space between; one of `NAMES`."""

    text: str


@dataclass(frozen=True)
class Storage:
    """Numbers that lie elsewhere in the file, under a key."""

    key: str
    dtype: str
    count: int


@dataclass(frozen=True, eq=False)
class Tensor:
    """Numbers of a storage, from ``offset`` on: one step along axis n is ``strides[n]`` numbers."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def window(self) -> tuple[int, int]:
        """Return the first of its numbers in the storage, and the one after its last."""
        if 0 in self.shape:
            return self.offset, self.offset
        steps = sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True))
        return self.offset, self.offset + steps + 1


@dataclass
class Machine:
    """What a pickle's instructions work on.

    Attributes
    ----------
    storages : dict
        All that the program speaks of, by key.
    """

    stack: list = field(default_factory=list)
    marks: list = field(default_factory=list)
    memo: dict = field(default_factory=dict)
    storages: dict = field(default_factory=dict)

    def step(self, name: str, argument) -> None:
        """Do an instruction that makes a value; `change` has those that change one."""
        if name in ARGUMENTS:
            self.stack.append(argument)
        elif name in VALUES:
            self.stack.append(VALUES[name])
        elif name in TUPLES:
            self.stack.append(tuple(self.pop() for _ in range(TUPLES[name]))[::-1])
        elif name == "TUPLE":
            self.stack.append(tuple(self.since_mark()))
        elif name == "EMPTY_DICT":
            self.stack.append({})
        elif name == "EMPTY_LIST":
            self.stack.append([])
        elif name == "MARK":
            self.marks.append(len(self.stack))
        elif name in PUTS:
            self.memo[argument] = self.stack[-1]
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = self.stack[-1]
        elif name in GETS:
            self.stack.append(self.memo[argument])
        elif name == "GLOBAL":
            self.stack.append(named(argument))
        elif name == "STACK_GLOBAL":
            what, module = self.pop(), self.pop()
            self.stack.append(
                named(f"{module} {what}" if type(what) is type(module) is str else "")
            )
        elif name not in IGNORED:
            self.change(name)

    def change(self, name: str) -> None:
        """Do an instruction that fills a list or a dict, or makes a dict, a storage or a tensor."""
        if name == "APPEND":
            self.append([self.pop()])
        elif name == "APPENDS":
            self.append(self.since_mark())
        elif name == "SETITEM":
            self.fill([self.pop(), self.pop()][::-1])
        elif name == "SETITEMS":
            self.fill(self.since_mark())
        elif name == "BINPERSID":
            self.stack.append(self.storage(self.pop()))
        elif name == "REDUCE":
            arguments, maker = self.pop(), self.pop()
            self.stack.append(made(maker, arguments))
        elif name == "BUILD":  # attributes: a state dict's _metadata, which are of no use here
            if not type(self.pop()) is type(self.stack[-1]) is dict:
                raise ValueError("would give attributes to something that is no dict")
        else:
            raise ValueError(f"damaged, or no dict of tensors: its pickle has a {name}")

    def pop(self):
        """Take the uppermost value, which must be above the last mark."""
        if self.marks and self.marks[-1] == len(self.stack):
            raise IndexError
        return self.stack.pop()

    def since_mark(self) -> list:
        """Take all values above the last mark, and the mark."""
        start = self.marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def append(self, values: list) -> None:
        """Put values into the list that is uppermost."""
        if type(self.stack[-1]) is not list:
            raise ValueError("would fill something that is no list")
        self.stack[-1].extend(values)

    def fill(self, values: list) -> None:
        """Put keys and values, one after the other, into the dict that is uppermost."""
        if type(self.stack[-1]) is not dict or len(values) % 2:
            raise ValueError("would fill something that is no dict")
        fill(self.stack[-1], zip(values[::2], values[1::2], strict=True))

    def storage(self, place) -> Storage:
        """Return the storage that a persistent id means."""
        match place:
            case ("storage", Name(text=kind), str(key), str(), int(count), *view) if (
                kind in STORAGES and count >= 0 and view in ([], [None])
            ):
                storage = Storage(key, STORAGES[kind], count)
                if self.storages.setdefault(key, storage) != storage:
                    raise ValueError(f"damaged: two storages are called {printable(key, 40)!r}")
                return storage
        raise ValueError("its numbers are not in a storage as PyTorch writes them")


def fill(target: dict, pairs) -> None:
    """Put pairs into a dict. Keys are texts or whole numbers: to hash a tuple can take ages."""
    for key, value in pairs:
        if type(key) not in (str, int) or key in target:
            raise ValueError("has a dict with a key that is there twice, or is no text")
        target[key] = value


def named(text: str) -> Name:
    """Return a name that is in the list.

    Raises
    ------
    ValueError
        For any other. It is shown in ASCII, so that letters that look alike do not.
    """
    if text not in NAMES:
        shown = printable(ascii(text).replace(" ", "."), 80)
        raise ValueError(
            f"holds {shown}, which Python would have to run; nothing was run; save "
            "model.state_dict() instead"
        )
    return Name(text)


def made(maker, arguments) -> dict | Tensor:
    """Return what PyTorch's own functions would make, for the arguments that it writes."""
    match (maker, arguments):
        case (Name(text=text), ()) if text == DICT:
            return {}
        case (Name(text=text), (list(pairs),)) if text == DICT:  # as Python 2 wrote it
            if all(type(pair) in (list, tuple) and len(pair) == 2 for pair in pairs):
                result: dict = {}
                fill(result, pairs)
                return result
        case (Name(text=text), (Tensor() as tensor, *_)) if text == PARAMETER:
            return tensor
        case (
            Name(text=text),
            (Storage() as storage, int(offset), tuple(shape), tuple(strides), *_),
        ) if text in TENSORS:
            return checked(Tensor(storage, offset, shape, strides))
    what = maker.text.replace(" ", ".") if isinstance(maker, Name) else "something"
    raise ValueError(f"would call {what} as PyTorch does not; nothing was run")


def checked(tensor: Tensor) -> Tensor:
    """Return a tensor all of whose numbers are inside its storage."""
    numbers = (tensor.offset, *tensor.shape, *tensor.strides)
    if len(tensor.shape) != len(tensor.strides) or any(type(n) is not int for n in numbers):
        raise ValueError("damaged: a tensor's shape or strides are no whole numbers")
    if min(numbers) < 0 or tensor.window()[1] > tensor.storage.count:
        raise ValueError("damaged: a tensor's numbers are outside its storage")
    return tensor


def instructions(file: BinaryIO) -> Iterator[tuple[str, object]]:
    """Yield the next pickle's instructions, each with what stands behind it."""
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(file)):
            if count == MOST_INSTRUCTIONS:
                raise ValueError(f"more than {MOST_INSTRUCTIONS:,} instructions")
            yield opcode.name, argument
    except ValueError as error:
        raise ValueError(f"damaged: its pickle can't be read ({printable(error, 80)})") from None


def read_pickle(file: BinaryIO) -> tuple[object, dict[str, Storage]]:
    """Read the next pickle of a file, without running it.

    Parameters
    ----------
    file : binary file
        Of bounded length: an instruction may claim to be as long as the rest of it.

    Returns
    -------
    value : dict, list, tuple, text, number, None, `Name`, `Storage` or `Tensor`
    storages : dict
        All storages that it speaks of, by key.

    Raises
    ------
    ValueError
        If it is damaged or too long, or has an instruction or a name that a dict of tensors does
        not need: one line that says which.
    """
    machine = Machine()
    try:
        for name, argument in instructions(file):
            machine.step(name, argument)
        return machine.pop(), machine.storages
    except LookupError:
        raise ValueError("damaged: its pickle takes values that it never made") from None
