"""The network's weights, in every form people have them.

`own` is our format, and says what weights are here: `Weights`. Others are read by one small module
each (`npz`, `safetensors`, `keras`, `pytorch`, `matconvnet`, `onnx`), which knows its container and
nothing of networks, and needs no other package ::

    FORMAT                        its name, as it is shown
    recognises(head, path)        tells by a file's first 512 bytes, and looks further where it must
    read(path, wanted)            name → array as stored, of floats, at most 4 axes

``wanted(name, shape)`` is asked before a tensor's numbers are read, so that a classifier of 500 MB
is left alone. `layers` finds VGG's convolutions among the tensors, `convention` says what else
differs between the formats (axes, colours, means), `known` are hashes of files that were published,
and `load` joins them all. Files are not believed: whatever is wrong with one is a ValueError of one
line, nothing is executed, and nothing is opened that the user did not name.
"""

from scratchnet.files.weights.convention import PREPROCESSING, UntoldError
from scratchnet.files.weights.load import examine, load_weights
from scratchnet.files.weights.own import (
    Weights,
    digest,
    embedded_weights,
    random_parameters,
    save_weights,
)
from scratchnet.files.weights.save import WRITERS, save_as

__all__ = [
    "PREPROCESSING",
    "WRITERS",
    "UntoldError",
    "Weights",
    "digest",
    "embedded_weights",
    "examine",
    "load_weights",
    "random_parameters",
    "save_as",
    "save_weights",
]
