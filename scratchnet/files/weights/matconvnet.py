"""MatConvNet's ``.mat``: the layers of a network as a file of MATLAB's versions 5 to 7.

Layers are a cell array of structs, each with its ``name`` and its ``weights``, in older files its
``filters`` and ``biases``; they stand alone, or in a struct ``net``. ``normalization``, in newer
files in ``meta``, holds the ``averageImage`` that is taken from a picture.

What the file's elements are, `matlab` knows.
"""

import os
from collections.abc import Callable, Iterator

import numpy as np

from scratchnet.files.names import printable
from scratchnet.files.weights import matlab
from scratchnet.files.weights.bounded import MOST_DIMENSIONS

FORMAT = "MatConvNet"
VARIABLES = ("layers", "normalization", "meta", "net")


def recognises(head: bytes, path: str | os.PathLike) -> bool:
    """Tell whether a file is MATLAB's, from version 5 on.

    Parameters
    ----------
    head : bytes
        The first 512.
    path : path
    """
    return head.startswith((b"MATLAB 5.0 MAT-file", b"MATLAB 7.3 MAT-file"))


def read(path: str | os.PathLike, wanted: Callable[[str, tuple], bool]) -> dict[str, np.ndarray]:
    """Read the layers' weights, and the mean picture.

    Parameters
    ----------
    path : path
    wanted : function
        Asked for each with its name and its shape, before its numbers are read.

    Returns
    -------
    tensors : dict
        ``"LAYER/weights0"`` (a kernel), ``"LAYER/weights1"`` (a bias), and ``"averageImage"`` if
        there is one → array of at most 4 dimensions, in the file's own precision.

    Raises
    ------
    ValueError
        If the file is damaged, of another version, holds what is not looked into, or no layers:
        one line, without the file's name.
    """
    with open(path, "rb") as file:
        if file.read(10) == b"MATLAB 7.3":
            raise ValueError("of MATLAB 7.3 (HDF5), not read; save it with -v7: save(file, '-v7')")
        found: dict[str, matlab.Numbers] = {}
        for name, value in _named(matlab.read_variables(file, VARIABLES)):
            if isinstance(value, matlab.Numbers) and len(value.shape) <= MOST_DIMENSIONS:
                if name in found:
                    raise ValueError(f"has two arrays called {printable(name, 60)!r}")
                found[name] = value
        names = [name for name, value in found.items() if wanted(name, value.shape)]
        arrays = matlab.read_numbers(file, [found[name] for name in names])
    return dict(zip(names, arrays, strict=True))


def _named(variables: dict) -> Iterator[tuple[str, object]]:
    """Yield name and value of all weights, and of the mean picture."""
    net = _struct(variables, "net")
    layers = variables.get("layers", net.get("layers"))
    if not isinstance(layers, list):
        raise ValueError("has no cell array 'layers': not a network of MatConvNet")
    for layer in layers:
        if isinstance(layer, dict) and isinstance(layer.get("name"), str):
            weights = layer.get("weights", [layer.get("filters"), layer.get("biases")])
            for n, value in enumerate(weights if isinstance(weights, list) else []):
                yield f"{layer['name']}/weights{n}", value
    for holder in (variables, _struct(variables, "meta"), net, _struct(net, "meta")):
        yield "averageImage", _struct(holder, "normalization").get("averageImage")


def _struct(holder: dict, name: str) -> dict:
    """Return a variable, or a field, that is a struct; else an empty one."""
    value = holder.get(name)
    return value if isinstance(value, dict) else {}
