"""What differs between weight files once their numbers are read, and how it becomes ours.

=============  ==========================  ======  =================  ==================
who            calls the first kernel      axes    its pictures       its kernels
=============  ==========================  ======  =================  ==================
scratchnet     ``conv1_1/kernel``          HWIO    BGR − mean         as they are
Keras          ``block1_conv1/…``          HWIO    BGR − mean         as they are
Keras, Theano  ``block1_conv1/…``          OIHW    BGR − mean         turned by 180°
MatConvNet     ``conv1_1`` …               HWIO    RGB − mean         as they are
Caffe's, in    ``features.0.weight``       OIHW    BGR − mean         as they are
PyTorch
torchvision    ``features.0.weight``       OIHW    RGB in 0–1 minus   as they are
                                                   mean, by deviation
=============  ==========================  ======  =================  ==================

(H, W: a kernel's rows and columns; I, O: channels in and out. Caffe's are the ones of the paper.)

A network of that kind becomes one of ours exactly. With its channels k in its own order, and a
picture x in 0–255, its first convolution sees ::

    z_ijk = (x_ijk − m_k) / s_k

and ours sees y = x − m; for RGB, the kernel's input channels are reversed first. So the deviations
go into the kernel, and only m remains to be told (`Preprocess`; why m may not go into the bias is
said there) ::

    w_uvkk′ ← w_uvkk′ / s_k

Axes are told from the shapes. Whether kernels are turned and in which order the colours come is
*not* in the numbers of a file in general. It is known if the file says so, or MatConvNet's mean; if
exactly one of the four ways (colours reversed or not, turned or not) is within 25 % of the embedded
first kernel, the others beyond 50 %; if it is a published file (`known`); or by Keras's names. Else
an error says which flag to add: nothing is guessed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np

from scratchnet.files.weights.known import hashes, published
from scratchnet.files.weights.layers import arranged, is_mean
from scratchnet.files.weights.own import Weights, embedded_weights, load
from scratchnet.network.preprocessing import MEAN_BGR, check_mean

CLOSE, FAR = 0.25, 0.5  # relative distances: of a fine-tuned kernel; of one in another order
# Formats of frameworks whose convolution, as ours, does not turn its kernel.
UNTURNED = ("PyTorch", "safetensors", "ONNX")


class UntoldError(ValueError):
    """A file does not tell what has to be known.

    Attributes
    ----------
    flag : ``"preprocessing"`` or ``"flipped"``
        The parameter of `load_weights` to say it with.
    """

    def __init__(self, message: str, flag: str):
        super().__init__(message)
        self.flag = flag


class Preprocessing(NamedTuple):
    """How a network's pictures were prepared, channels in its own order: z = (x − mean) / scale."""

    colours: str  # "bgr" or "rgb"
    mean: tuple[float, float, float]
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def __str__(self) -> str:
        """Return it in words."""
        mean = ", ".join(f"{m:g}" for m in self.mean)
        by = "" if self.scale == (1, 1, 1) else f", by {', '.join(f'{s:g}' for s in self.scale)}"
        return f"{self.colours.upper()} in 0–255 minus ({mean}){by}"


# What can be asked for by name.
PREPROCESSING = {
    "bgr": Preprocessing("bgr", MEAN_BGR),
    "rgb": Preprocessing("rgb", MEAN_BGR[::-1]),
    # torchvision's documentation: mean 0.485, 0.456, 0.406; deviation 0.229, 0.224, 0.225
    "torchvision": Preprocessing(
        "rgb", (123.675, 116.28, 103.53), (255 * 0.229, 255 * 0.224, 255 * 0.225)
    ),
}


@dataclass(frozen=True)
class Understood:
    """What a weight file came to.

    Attributes
    ----------
    weights : Weights
    facts : dict
        What was found out of it, and from what, in words.
    notes : list of str
        What a user should know besides.
    """

    weights: Weights
    facts: dict[str, str]
    notes: list[str]


def understand(
    tensors: Mapping[str, np.ndarray],
    form: str,
    path,
    preprocessing: str | None = None,
    flipped: bool | None = None,
) -> Understood:
    """Make a network's weights of a file's tensors.

    Parameters
    ----------
    tensors : mapping
        Name → array as in the file.
    form : str
        The format's name.
    path : path
        The file, for its hash.
    preprocessing : str, optional
        One of `PREPROCESSING`: what a user says.
    flipped : bool, optional
        Whether its kernels are turned by 180°, as Theano's are: what a user says.

    Raises
    ------
    UntoldError
        If something is not in the file and has to be said, and is not.
    ValueError
        If it is no whole VGG, has entries that are not finite, or tells itself what a user says.
    """
    architecture, parameters, axes, others = arranged(tensors)
    for name, pair in parameters.items():
        if not all(np.isfinite(part).all() for part in pair):
            raise ValueError(f"{name}: has entries that are not finite")
    notes = [f"no part of VGG, left out: {', '.join(others)}"] if others else []
    near = nearest(parameters["conv1_1"][0])
    turned, turned_why = _turned(flipped, near, axes, form)
    how, how_why = _prepared(preprocessing, tensors, near, path, form)
    if near and near != (how.colours, turned):
        notes.append(
            f"doubtful: its first kernel is close to the embedded network's as {near.colours}, "
            f"{_in_words(near.turned)}"
        )
    parameters = {name: (_native(k), _native(b)) for name, (k, b) in parameters.items()}
    weights = Weights(architecture, *as_ours(parameters, how, turned))
    facts = {
        "architecture": architecture,
        "axes": f"{axes} (from the shapes)",
        "kernels": f"{_in_words(turned)} ({turned_why})",
        "pictures": f"{how} ({how_why})",
    }
    return Understood(weights, facts, notes)


def as_ours(parameters: dict, how: Preprocessing, turned: bool) -> tuple[dict, tuple]:
    """Return the parameters of the same network for BGR minus a mean, and that mean."""
    if turned:
        parameters = {
            name: (np.ascontiguousarray(kernel[::-1, ::-1]), bias)
            for name, (kernel, bias) in parameters.items()
        }
    kernel, bias = parameters["conv1_1"]
    _, mean, scale = how
    if scale != (1, 1, 1):
        # w_uvkk′ ← w_uvkk′ / s_k; in float64, so that nothing of float32 is lost
        kernel = kernel / np.asarray(scale)[:, None]
    if how.colours == "rgb":
        kernel, mean = np.ascontiguousarray(kernel[:, :, ::-1]), mean[::-1]
    return {**parameters, "conv1_1": (kernel, bias)}, mean


class Near(NamedTuple):
    """In which way a first kernel is close to the embedded network's."""

    colours: str
    turned: bool


def nearest(kernel: np.ndarray) -> Near | None:
    """Return how a first kernel, (3, 3, 3, C), is the embedded one, or None if it is another."""
    own = _first_kernel()
    ways = {}
    for colours, theirs in (("bgr", kernel), ("rgb", kernel[:, :, ::-1])):
        for turned, seen in ((False, theirs), (True, theirs[::-1, ::-1])):
            distance = np.linalg.norm(seen.astype(np.float64) - own) / np.linalg.norm(own)
            ways[Near(colours, turned)] = distance
    best, second = sorted(ways, key=ways.get)[:2]
    return best if ways[best] < CLOSE and ways[second] > FAR else None


@cache
def _first_kernel() -> np.ndarray:
    return load(embedded_weights()).parameters["conv1_1"][0].astype(np.float64)


def _turned(said: bool | None, near: Near | None, axes: str, form: str) -> tuple[bool, str]:
    """Tell whether kernels are turned, and from what."""
    if said is not None:
        return said, "as you say"
    if near:
        return near.turned, "the first is close to the embedded network's"
    if form in UNTURNED:
        return False, f"{form} does not turn kernels"
    if axes == "HWIO":
        return False, "frameworks with the axes HWIO do not turn kernels"
    raise UntoldError(
        f"nothing in it says whether its kernels, {axes}, are turned by 180°, as Theano's are: "
        "say flipped yes or no (scripts/convert_weights.py --flipped)",
        "flipped",
    )


def _prepared(
    said: str | None, tensors: Mapping, near: Near | None, path, form: str
) -> tuple[Preprocessing, str]:
    """Tell how the network's pictures were prepared, and from what."""
    if said is not None and said not in PREPROCESSING:
        known = ", ".join(PREPROCESSING)
        raise ValueError(f"got preprocessing {said!r}, wanted one of {known}")
    for name, values in tensors.items():
        if is_mean(name):
            if said is not None:
                raise ValueError(f"tells the mean itself, as {name[-40:]}; leave out preprocessing")
            mean = _colour(values)
            if name.endswith("mean_bgr"):
                return Preprocessing("bgr", mean), "the file says so"
            return Preprocessing("rgb", mean), "MatConvNet's averageImage"
    if said is not None:
        return PREPROCESSING[said], "as you say"
    if near:
        return PREPROCESSING[near.colours], "the first kernel is close to the embedded network's"
    if file := published(hashes(path)):
        return PREPROCESSING[file.preprocessing], f"it is {file.name}"
    if form == "Keras" and all(re.search(r"block\d_conv\d", name) for name in tensors):
        return PREPROCESSING["bgr"], "Keras's names: its VGGs take them so"
    raise UntoldError(
        "nothing in it says how its pictures were prepared: say preprocessing bgr or rgb (minus "
        "the mean) or torchvision (scripts/convert_weights.py --preprocessing)",
        "preprocessing",
    )


def _colour(mean: np.ndarray) -> tuple[float, float, float]:
    """Return a mean colour; raise ValueError for none, or a picture of more colours than one."""
    if mean.size % 3 or not mean.size or (mean.ndim > 1 and mean.shape[-1] != 3):
        raise ValueError(f"its mean has shape {mean.shape}, wanted (…, 3)")
    colours = mean.reshape(-1, 3).astype(np.float64)
    check_mean(colours[0].tolist())
    if not np.allclose(colours, colours[0], rtol=0, atol=1e-3):
        raise ValueError("its mean is a picture, wanted one colour")
    for exact in (MEAN_BGR, MEAN_BGR[::-1]):
        if np.allclose(colours[0], exact, rtol=0, atol=1e-4):  # in float32
            return exact
    return tuple(colours[0].tolist())


def _native(values: np.ndarray) -> np.ndarray:
    """Return numbers in this machine's byte order."""
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _in_words(turned: bool) -> str:
    return "turned by 180°" if turned else "as they are"
