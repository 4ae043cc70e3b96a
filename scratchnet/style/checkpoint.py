"""Checkpoints: a transfer that was stopped goes on as if it had never been.

All that the next step depends on is in one file: where the descent stands, the optimizer's state,
the best picture, and the course of J. (There is no random state: chance makes the first picture
only.) The file is NumPy's ``.npz``, uncompressed and without pickled objects:

==============  ==================================================================
format          1
settings        JSON in UTF-8: what the transfer was called with, name → text
place           level, and the steps made at it
G               the picture at which J is evaluated next, in its full precision
best            the picture of the lowest J so far at this level
state NAME      each entry of the optimizer's state
losses          J and its terms, a row an evaluation before G
terms           JSON in UTF-8: the names of the terms
sizes           (height, width), a row an evaluation
==============  ==================================================================

Pictures and weights are in the settings as hashes: a checkpoint fits one transfer only, and says
what differs in another. A file may come from anywhere. So nothing in it is run or unpacked, and a
size is checked against the file's own before an array is made of it.
"""

import hashlib
import io
import json
import math
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from numbers import Real
from typing import NamedTuple

import numpy as np

from scratchnet.files.names import printable
from scratchnet.files.saving import replacing
from scratchnet.network.network import Network
from scratchnet.network.preprocessing import MEAN_BGR
from scratchnet.style.layers import Size
from scratchnet.style.optimizers import Optimizer, State
from scratchnet.style.terms import Term

FORMAT = 1
STATE = "state "
NAMES = {"format", "settings", "place", "G", "best", "losses", "terms", "sizes"}
LARGEST = 2**26  # bytes of one array, or those of the picture in float64 if they are more


class Record(NamedTuple):
    """A `course.Step` without its picture, but with the picture's size, for plots."""

    iteration: int
    loss: float
    terms: dict[str, float]
    size: Size


class Checkpoint(NamedTuple):
    """Where a transfer stands: about to evaluate J at G, after t steps at a level."""

    settings: dict[str, str]
    level: int
    t: int
    G: np.ndarray
    state: State
    best: np.ndarray
    history: list[Record]


def settings_of(
    network: Network, terms: Sequence[Term], optimizer: Optimizer, **others
) -> dict[str, str]:
    """Return what makes one transfer differ from another, name → text.

    Of a term or an optimizer that is no dataclass only the type is known.
    """
    parts = ("partial_windows", "kernel", "bias")
    layers = [
        [type(layer).__name__, layer.name, *(vars(layer).get(part) for part in parts)]
        for layer in network.layers
    ]
    # as in `files.weights.digest`, a mean colour counts where it is another than VGG's own
    means = [getattr(layer, "mean", MEAN_BGR) for layer in network.layers]
    layers += [mean for mean in means if mean != MEAN_BGR]
    settings = {"network": f"{type(network).__name__} {network.dtype} {_hash(layers)}"}
    for thing, name in [*((term, term.name) for term in terms), (optimizer, "optimizer")]:
        settings[name] = type(thing).__name__
        if is_dataclass(thing):
            for field in fields(thing):
                settings[f"{name} {field.name}"] = _describe(getattr(thing, field.name))
    return settings | {name: _describe(value) for name, value in others.items()}


def _describe(value) -> str:
    """Return a value as text; an array as its size and hash."""
    if isinstance(value, np.ndarray):
        return f"{'×'.join(map(str, value.shape[1::-1]))} {_hash(value)}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_describe(entry)}" for key, entry in value.items())
    return f"{value:.17g}" if isinstance(value, Real) else str(value)


def _hash(value) -> str:
    """Return the beginning of a SHA-256 of arrays, numbers and texts in lists."""
    sha = hashlib.sha256()

    def add(value):
        if isinstance(value, list | tuple):
            for entry in value:
                add(entry)
        elif isinstance(value, np.ndarray):
            sha.update(f"{value.dtype.str}{value.shape}".encode())
            sha.update(np.ascontiguousarray(value))
        elif isinstance(value, Real | str):
            sha.update(f"{value!r};".encode())

    add(value)
    return sha.hexdigest()[:16]


def check_fits(path, saved: Mapping[str, str], settings: Mapping[str, str]) -> None:
    """Raise ValueError, naming what differs, unless a checkpoint has these settings."""
    differs = [name for name in {**settings, **saved} if saved.get(name) != settings.get(name)]
    if differs:
        first, *others = differs
        there, here = (of.get(first, "missing") for of in (saved, settings))
        what = f"a checkpoint of another transfer: {first} is {there} there, {here} here"
        what += f"; {', '.join(others)} differ too" if others else ""
        raise ValueError(f"{printable(path)}: {printable(what)}")


def save_checkpoint(path: str | os.PathLike, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, by `replacing`; equal contents give equal bytes.

    Raises
    ------
    OSError
        If the file can't be written.
    ValueError
        If the optimizer's state is not one of numbers and arrays.
    """
    history = checkpoint.history
    terms = list(dict.fromkeys(name for record in history for name in record.terms))
    losses = [
        [record.loss, *(record.terms.get(name, np.nan) for name in terms)] for record in history
    ]
    arrays = {
        "format": np.int64(FORMAT),
        "settings": _bytes(checkpoint.settings),
        "place": np.array([checkpoint.level, checkpoint.t], np.int64),
        "G": checkpoint.G,
        "best": checkpoint.best,
        "losses": np.array(losses, np.float64).reshape(-1, 1 + len(terms)),
        "terms": _bytes(terms),
        "sizes": np.array([record.size for record in history], np.int64).reshape(-1, 2),
    }
    for name, value in checkpoint.state.items():
        arrays[STATE + name] = value = np.asarray(value)
        if value.dtype.kind not in "biuf":
            raise ValueError(f"{path}: the optimizer's {name!r} is not a number or an array")
    with replacing(path) as partial, open(partial, "wb") as file:
        np.savez(file, **arrays)


def _bytes(value) -> np.ndarray:
    """Return a value as JSON, an array of bytes."""
    return np.frombuffer(json.dumps(value).encode(), np.uint8)


def load_fitting(
    path: str | os.PathLike,
    settings: Mapping[str, str],
    levels: Sequence[tuple[Size, int]],
    optimizer: Optimizer,
    dtype: np.dtype,
) -> Checkpoint:
    """Read a checkpoint as `load_checkpoint` does; for another transfer's, raise ValueError."""
    (height, width), _ = levels[-1]
    saved = load_checkpoint(path, height * width)
    check_fits(path, saved.settings, settings)
    check_place(path, saved, levels, optimizer, dtype)
    return saved


def load_checkpoint(path: str | os.PathLike, pixels: int) -> Checkpoint:
    """Read a checkpoint.

    Parameters
    ----------
    path : path
    pixels : int
        Of the final picture, H·W.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    OSError
        If it can't be opened.
    ValueError
        If it is damaged or no checkpoint.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f"{path}: no such checkpoint")
    with open(path, "rb") as file:
        try:
            arrays = _read_arrays(file, max(LARGEST, 3 * 8 * pixels))
            return _checkpoint(arrays)
        # zipfile, NumPy and json raise many kinds, and new ones now and then
        except Exception as error:
            why = printable(f"damaged, or not a checkpoint ({type(error).__name__}: {error})")
            raise ValueError(f"{printable(path)}: {why}") from None


def _read_arrays(file, largest: int) -> dict[str, np.ndarray]:
    """Return the arrays of an ``.npz`` file, none of which has more bytes than ``largest``."""
    arrays = {}
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        if sum(entry.file_size for entry in entries) > os.fstat(file.fileno()).st_size:
            raise ValueError("declares more than it holds")
        for entry in entries:
            name = entry.filename.removesuffix(".npy")
            if name in arrays or entry.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"{name} is there twice, or compressed")
            if entry.file_size > largest:
                raise ValueError(f"{name} is larger than it can be")
            arrays[name] = _array(archive.read(entry))
    return arrays


def _array(data: bytes) -> np.ndarray:
    """Return the array in the bytes of an ``.npy`` file, as `np.load` would."""
    stream = io.BytesIO(data)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError("not in version 1.0 of the npy format")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    size = len(data) - stream.tell()
    if dtype.kind not in "biuf" or min(shape, default=0) < 0:
        raise ValueError(f"got an array of {dtype} {shape}")
    if math.prod(shape) * dtype.itemsize != size:
        raise ValueError(f"declares {dtype} {shape} in {size} bytes")
    flat = np.frombuffer(data, dtype, offset=stream.tell())
    return flat.reshape(shape, order="F" if fortran else "C").copy(order="K")


def _checkpoint(arrays: dict[str, np.ndarray]) -> Checkpoint:
    """Return what the arrays of a file say, after checking that they can."""
    state = {name: arrays.pop(name) for name in list(arrays) if name.startswith(STATE)}
    if arrays.keys() != NAMES:
        raise ValueError(f"lacks or adds {', '.join(sorted(arrays.keys() ^ NAMES))}")
    if int(arrays["format"]) != FORMAT:
        raise ValueError(f"format {int(arrays['format'])}, wanted {FORMAT}")
    settings, terms = (json.loads(arrays[name].tobytes()) for name in ("settings", "terms"))
    level, t = arrays["place"].tolist()
    losses, sizes = arrays["losses"], arrays["sizes"]
    fits = sizes.shape == (len(losses), 2) and losses.shape[1:] == (1 + len(terms),)
    if not fits or not np.isfinite(losses[:, 0]).all():
        raise ValueError("its course of J is not one")
    history = [
        Record(
            n, row[0], {k: v for k, v in zip(terms, row[1:], strict=True) if v == v}, tuple(size)
        )
        for n, (row, size) in enumerate(zip(losses.tolist(), sizes.tolist(), strict=True))
    ]
    known = {
        name.removeprefix(STATE): value if value.ndim else value.item()
        for name, value in state.items()
    }
    return Checkpoint(dict(settings), level, t, arrays["G"], known, arrays["best"], history)


def check_place(
    path, saved: Checkpoint, levels: Sequence[tuple[Size, int]], optimizer: Optimizer, dtype
) -> None:
    """Raise ValueError unless a checkpoint with the right settings can be gone on from.

    ``levels`` are (size, steps), and ``dtype`` is that of G.
    """
    try:
        size, steps = levels[saved.level] if saved.level >= 0 else ((), 0)
        before = [shape for shape, n in levels[: saved.level] for _ in range(n + 1)]
        sizes = [record.size for record in saved.history]
        fits = 0 <= saved.t <= steps and sizes == before + [size] * saved.t
        for image in (saved.G, saved.best):
            fits = fits and image.shape == (*size, 3) and image.dtype == dtype
            fits = fits and bool(np.isfinite(image).all())
        # A step that is thrown away, to see that the state is one of this optimizer's.
        moved, _ = optimizer.step(saved.G, np.zeros_like(saved.G), saved.state)
        fits = fits and moved.shape == saved.G.shape
    except (LookupError, TypeError, ValueError, ArithmeticError):
        fits = False
    if not fits:
        raise ValueError(printable(f"{path}: not a checkpoint that this transfer can have made"))
