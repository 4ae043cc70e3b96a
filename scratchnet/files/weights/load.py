"""From a file of any format to a network's weights."""

import os
from pathlib import Path

from scratchnet.files.names import MOST, printable
from scratchnet.files.weights import keras, matconvnet, npz, onnx, own, pytorch, safetensors
from scratchnet.files.weights.convention import (
    Preprocessing,
    Understood,
    UntoldError,
    understand,
)
from scratchnet.files.weights.layers import Choice
from scratchnet.files.weights.own import Weights, embedded_weights

READERS = (npz, safetensors, keras, pytorch, matconvnet, onnx)
HEAD = 512  # bytes that a format is recognised by


def load_weights(
    path: str | os.PathLike | None = None,
    *,
    preprocessing: str | None = None,
    flipped: bool | None = None,
) -> Weights:
    """Read a weight file of any format.

    Parameters
    ----------
    path : path, optional
        The file; without it, the embedded VGG-16.
    preprocessing : ``"bgr"``, ``"rgb"`` or ``"torchvision"``, optional
        How its pictures were prepared, where the file does not tell.
    flipped : bool, optional
        Whether its kernels are turned by 180°, as Theano's are, where the file does not tell.

    Returns
    -------
    weights : Weights
        architecture, parameters (name → (kernel, bias), in the file's own precision), mean.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    UntoldError
        If it does not tell what has to be known: a ValueError that names the parameter.
    ValueError
        If it is not a weight file, or damaged, or no whole VGG-16 or VGG-19, or tells itself how
        its pictures were prepared and ``preprocessing`` is given, too; one line that begins with
        the file's name.
    """
    path = embedded_weights() if path is None else path
    return examine(path, preprocessing=preprocessing, flipped=flipped).weights


def examine(
    path: str | os.PathLike, *, preprocessing: str | None = None, flipped: bool | None = None
) -> Understood:
    """Read a weight file as `load_weights` does, and tell what was found out of it, and how."""
    path, shown = Path(path), printable(path, MOST // 2)
    if not path.exists():
        raise FileNotFoundError(f"{shown}: no such weight file")
    if not path.is_file():  # a device or a pipe may never end
        what = "a folder" if path.is_dir() else "no regular file"
        raise ValueError(f"{shown}: is {what}, wanted a weight file")
    try:
        with open(path, "rb") as file:
            head = file.read(HEAD)
        if own.recognises(head, path):
            if preprocessing is not None or flipped is not None:
                raise ValueError("tells all itself; leave out preprocessing and flipped")
            return _examine_own(path)
        reader = next((reader for reader in READERS if reader.recognises(head, path)), None)
        if reader is None:
            formats = ", ".join(reader.FORMAT for reader in (own, *READERS))
            raise ValueError(f"not a weight file: none of {formats}")
        choice = Choice()
        tensors = reader.read(path, choice)
        understood = understand(tensors, reader.FORMAT, path, preprocessing, flipped)
    except UntoldError as error:
        raise UntoldError(f"{shown}: {error}", error.flag) from None
    except PermissionError:
        problem = "no permission to read this weight file"
    except (OSError, ValueError) as error:
        problem = str(error).removeprefix(f"{shown}: ")
    else:
        facts = {"format": reader.FORMAT, **understood.facts}
        return Understood(understood.weights, facts, [*understood.notes, *choice.notes()])
    raise ValueError(f"{shown}: {printable(problem, MOST)}")


def _examine_own(path: Path) -> Understood:
    weights = own.load(path)
    facts = {
        "format": own.FORMAT,
        "architecture": weights.architecture,
        "pictures": str(Preprocessing("bgr", weights.mean)),
    }
    return Understood(weights, facts, [])
