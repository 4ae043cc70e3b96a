"""What `convert_weights.py --inspect` shows: a user sees at once whether a file is VGG."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from scratchnet import VGG, load_image
from scratchnet.files.images import fit, resize_image
from scratchnet.files.names import printable
from scratchnet.files.weights import PREPROCESSING, UntoldError, Weights, examine, load_weights
from scratchnet.files.weights.convention import Understood
from scratchnet.files.weights.known import hashes, published

PHOTOGRAPH = Path(__file__).resolve().parent / "images" / "leuven_street.jpg"
SIZE = 160  # px, long side
POSSIBLE = {"preprocessing": PREPROCESSING, "flipped": (False, True)}


def inspection(path: Path, said: dict) -> Iterator[str]:
    """Yield lines: file, hashes, what is in it, mean activations beside the embedded network's.

    Parameters
    ----------
    path : Path
    said : dict
        ``preprocessing`` and ``flipped`` of `load_weights`.

    Raises
    ------
    OSError, ValueError
        As `load_weights` does, but for what a file does not tell: then each possibility has a
        column.
    """
    found = possibilities(path, said)
    first = next(iter(found.values()))
    sums = hashes(path)
    known = published(sums)
    facts = {
        "file": f"{printable(path)}, {path.stat().st_size:,} bytes",
        **sums,
        "published": known.name if known else "none of the files whose hashes are known here",
        **first.facts,
    }
    if len(found) > 1:
        asked = sorted({flag for settings in found for flag, _ in settings})
        facts |= {"not told": f"say {' and '.join(f'--{flag}' for flag in asked)}"}
        for flag in asked:  # what was only tried is no fact
            facts.pop({"preprocessing": "pictures", "flipped": "kernels"}[flag])
    for fact, value in facts.items():
        yield f"{fact:<13} {value}"
    for note in first.notes:
        yield f"{'note':<13} {note}"
    yield ""
    yield from table(found)


def possibilities(path: Path, said: dict) -> dict[tuple, Understood]:
    """Return what the file comes to, by what would have to be said: nothing, if it tells all."""
    try:
        return {(): examine(path, **said)}
    except UntoldError as error:
        flag = error.flag
    return {
        ((flag, value), *settings): understood
        for value in POSSIBLE[flag]
        for settings, understood in possibilities(path, {**said, flag: value}).items()
    }


def table(found: dict[tuple, Understood]) -> Iterator[str]:
    """Yield a line for each convolution: its shape and type, and mean activations after its ReLU.

    The embedded network's come first, then those of each possibility.
    """
    names = [", ".join(_in_words(value) for _, value in settings) for settings in found]
    columns = ["embedded", *(name or "this file" for name in names)]
    yield f"{'mean activation of':<20}{'kernel':<16}{'type':<9}" + "".join(
        f"{column:>26}" for column in columns
    )
    own = means(load_weights())
    theirs = [means(understood.weights) for understood in found.values()]
    for name, (kernel, _) in next(iter(found.values())).weights.parameters.items():
        layer = name.replace("conv", "relu")
        numbers = [values.get(layer) for values in (own, *theirs)]
        shape = "×".join(map(str, kernel.shape))
        yield f"{layer:<20}{shape:<16}{kernel.dtype!s:<9}" + "".join(
            f"{'–' if number is None else f'{number:.4g}':>26}" for number in numbers
        )


def _in_words(value: str | bool) -> str:
    """Return one of `POSSIBLE`, for a column's head."""
    return value if isinstance(value, str) else "flipped" if value else "not flipped"


def means(weights: Weights) -> dict[str, float]:
    """Return the mean activation of each ReLU on the photograph."""
    photograph = load_image(PHOTOGRAPH)
    image = resize_image(photograph, fit(photograph.shape, SIZE))
    architecture, parameters, mean = weights
    network = VGG.build(parameters, architecture=architecture, mean=mean)
    layers = [layer.name for layer in network.layers if layer.name.startswith("relu")]
    activations, _ = network.forward(image, layers)
    return {name: float(np.mean(a, dtype=np.float64)) for name, a in activations.items()}
