"""The flags of transfer.py."""

import argparse
import inspect
from pathlib import Path

import numpy as np
from command_line import positive, whole

from scratchnet import LBFGS, PixelDescent, style_transfer
from scratchnet.files.images import MAX_PIXELS
from scratchnet.files.names import expanded
from scratchnet.style.layers import STYLE_LAYERS

IMAGES = Path(__file__).resolve().parent / "images"
OPTIMIZERS = {"lbfgs": LBFGS, "descent": PixelDescent}


def weight(text: str) -> float:
    """Read a number of at least 0 that leaves room in float32."""
    if not 0 <= (number := float(text)) <= 1e20:
        raise argparse.ArgumentTypeError(f"{text} is not a number of at least 0 and at most 1e20")
    return number


def scale(text: str) -> float:
    """Read a finite number above 0."""
    if not 0 < (number := float(text)) < np.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return number


def fraction(text: str) -> float:
    """Read a number of at least 0 and below 1."""
    if not 0 <= (number := float(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number of at least 0 and below 1")
    return number


def options() -> list[tuple]:
    """List the flags: name, type, default, metavar, help. Defaults are the package's own."""
    signature = inspect.signature(style_transfer).parameters
    default = {name: parameter.default for name, parameter in signature.items()}
    content = IMAGES / "leuven_street.jpg"
    style = IMAGES / "starry_night.jpg"
    rates = ", ".join(f"{name} {kind.learning_rate}" for name, kind in OPTIMIZERS.items())
    # fmt: off
    return [
        ("content", expanded, content, "FILE", "the picture that says what is seen"),
        ("style", expanded, style, "FILE", "the picture that says how it is painted"),
        ("output", expanded, None, "FILE",
         "where to save; None: outputs/CONTENT_STYLE.png, with a number if that is there"),
        ("image-size", positive, 256, "PX", "long side of the result; smaller pictures stay so"),
        ("style-scale", scale, 1.0, "X", "style's long side, in image sizes (at most its own)"),
        ("iterations", positive, default["iterations"], "N",
         "steps at full size; half as many at each smaller one"),
        ("init", str, default["init"], "WHAT", "the start: random, content or a FILE"),
        ("content-weight", weight, default["content_weight"], "X", "how much the content counts"),
        ("style-weight", weight, default["style_weight"], "X",
         "how much the style counts: 1e-4 tints, 1e-2 swallows the content"),
        ("tv-weight", weight, default["tv_weight"], "X",
         "how much smoothness counts: 0 leaves speckle, 1000 makes a wash"),
        ("content-layers", str, None, "A,B",
         "layers compared for content; None: relu4_2, and below 256 px more and more relu3_3"),
        ("style-layers", str, ",".join(STYLE_LAYERS), "A,B", "layers compared for style"),
        ("learning-rate", scale, None, "PX",
         f"size of a step at the start, in pixel values; None: {rates}"),
        ("momentum", fraction, PixelDescent.momentum, "X",
         "of descent: how much of a step is left in the next one"),
        ("seed", whole, default["seed"], "N", "of the noise: the same seed, the same picture"),
        ("weights", expanded, None, "FILE", "a weight file; None: the embedded VGG-16"),
        ("threads", positive, None, "N", "how many compute; None: one for each core"),
        ("max-pixels", positive, MAX_PIXELS, "N", "larger picture files are refused"),
        ("checkpoint", expanded, None, "FILE", "where to save all that --resume needs"),
        ("save-every", positive, None, "N",
         f"steps between checkpoints; None: {default['save_every']}"),
        ("resume", expanded, None, "FILE",
         "go on from a checkpoint; all other flags as they were. It is left as it is, unless it is "
         "the --checkpoint as well"),
    ]
    # fmt: on
