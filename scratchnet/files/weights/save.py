"""A network's weights to a file of ours, or of a format that others read.

In ``.npz`` and ``.safetensors`` the tensors are called as in our own files, ``conv1_1/kernel``
(3, 3, C_in, C_out) and ``conv1_1/bias`` (C_out,), and the mean that belongs to them is one, too:
``mean_bgr`` (3,).
"""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from scratchnet.files.weights import npz, own, safetensors
from scratchnet.files.weights.own import Weights
from scratchnet.network.preprocessing import check_mean

WRITERS = (".h5", ".npz", ".safetensors")


def save_as(
    path: str | os.PathLike, weights: Weights, attributes: Mapping[str, str] | None = None
) -> None:
    """Write weights in the format that the file's name ends in, one of `WRITERS`.

    Parameters
    ----------
    path : path
        A failure half-way leaves an old file whole.
    weights : Weights
        Stored in the precision they have.
    attributes : mapping of str, optional
        Further facts to record, as `own.attributes` reads them; ``.npz`` has no place for them.

    Raises
    ------
    ValueError
        For another ending, or weights that `load_weights` would refuse.
    """
    architecture, parameters, mean = weights
    ending = Path(path).suffix.lower()
    if ending not in WRITERS:
        raise ValueError(f"{path}: wanted a name that ends in {', '.join(WRITERS)}")
    if ending == ".h5":
        own.save_weights(path, architecture, parameters, attributes, mean=mean)
        return
    tensors = {"mean_bgr": np.array(check_mean(mean))}
    for name, (kernel, bias) in own.checked(architecture, parameters).items():
        tensors |= {f"{name}/kernel": kernel, f"{name}/bias": bias}
    if ending == ".npz":
        npz.write(path, tensors)
    else:
        safetensors.write(path, tensors, {"architecture": architecture, **(attributes or {})})
