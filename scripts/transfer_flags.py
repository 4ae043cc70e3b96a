"""The flags of transfer.py."""

import argparse
import inspect
from pathlib import Path

import numpy as np
from command_line import Parser, positive, whole
from transfer_masks import check_mask_files

from scratchnet import LBFGS, Adam, PixelDescent, style_transfer
from scratchnet.files.images import MAX_PIXELS
from scratchnet.files.names import expanded
from scratchnet.style.layers import STYLE_LAYERS
from scratchnet.style.shares import blend_shares
from scratchnet.style.terms import STYLES

IMAGES = Path(__file__).resolve().parent / "images"
OPTIMIZERS = {"lbfgs": LBFGS, "adam": Adam, "descent": PixelDescent}


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


def start(text: str) -> str | Path:
    """Read the name of a start, or of a file."""
    return text if text in ("random", "content") else expanded(text)


def layers(text: str) -> dict[str, float]:
    """Read "a,b" or "a:4,b:1" as layers with weights, and scale these so that their sum is 1."""
    weights = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = part.partition(":")
        if name in weights:
            raise argparse.ArgumentTypeError(f"{name} is there twice in {text}")
        try:
            weights[name] = weight(number or "1")
        except ValueError:
            raise argparse.ArgumentTypeError(f"{part!r} is not like relu1_1:4") from None
    if not (total := sum(weights.values())):
        raise argparse.ArgumentTypeError(f"no layer in {text!r}; names are like relu4_2,relu5_1")
    return {name: number / total for name, number in weights.items()}


def parse_arguments(
    argv: list[str] | None = None, description: str | None = None
) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    add_pictures(parser.add_argument_group("pictures"))
    add_objective(parser.add_argument_group("J, the cost that the picture minimises"))
    add_descent(parser.add_argument_group("the descent"))
    add_results(parser.add_argument_group("what is kept"))
    arguments = parser.parse_args(argv)
    if not (arguments.content_weight or arguments.style_weight or arguments.tv_weight):
        parser.error("--content-weight, --style-weight and --tv-weight are all 0")
    try:
        blend_shares(len(arguments.style), arguments.style_blend_weights)
    except ValueError as error:
        parser.error(str(error).replace("blend_weights", "--style-blend-weights"))
    try:
        check_mask_files(arguments)
    except ValueError as error:
        parser.error(str(error))
    for flag in ("checkpoint", "resume", "report", "animate"):
        if arguments.content.is_dir() and isinstance(getattr(arguments, flag), Path):
            parser.error(f"--{flag}: is for one picture, not for a folder of them")
    if arguments.animate_curves and not arguments.animate:
        parser.error("--animate-curves: is for --animate, which is not there")
    return arguments


def defaults() -> dict[str, object]:
    """Return the package's own defaults."""
    signature = inspect.signature(style_transfer).parameters
    return {name: parameter.default for name, parameter in signature.items()}


# fmt: off
def add_pictures(group) -> None:
    """Add the flags that name pictures, and say how they are used."""
    add = group.add_argument
    add("--content", type=expanded, default=IMAGES / "leuven_street.jpg", metavar="FILE",
        help="the picture that says what is seen; or a folder: all of its pictures, one by one")
    add("--style", type=expanded, nargs="+", default=[IMAGES / "starry_night.jpg"],
        metavar="FILE", help="the pictures that say how it is painted")
    add("--style-blend-weights", type=weight, nargs="+", metavar="X",
        help="how much each of several styles counts; None: equally")
    add("--style-mask", type=expanded, nargs="+", metavar="FILE",
        help="for each style, a picture that says where in the content picture it goes: where it "
        "is white or, if anything in it is transparent, where it is opaque; None: everywhere")
    add("--style-image-mask", type=expanded, nargs="+", metavar="FILE",
        help="for each style, likewise, where in the style picture it is taken from; None: "
        "everywhere")
    add("--keep-transparent", action="store_true",
        help="what is transparent in the content picture takes no style and is so in the result, "
        "a .png or .webp")
    add("--original-colors", choices=("luminance", "match"),
        help="keep the content's colours. luminance: after the run, only lightness is taken from "
        "the painting; exact for grey pictures. match: before it, the style's colours are set to "
        "the content's mean and covariance")
    add("--image-size", type=positive, default=256, metavar="PX",
        help="long side of the result; smaller pictures stay so")
    add("--style-scale", type=scale, default=1.0, metavar="X",
        help="style's long side, in image sizes (at most its own)")
    add("--enlarge", action="store_true", help="enlarge pictures that are smaller")
    add("--init", type=start, default=defaults()["init"], metavar="WHAT",
        help="the start: random, content or a FILE, which is scaled to the size of the result")
    add("--max-pixels", type=positive, default=MAX_PIXELS, metavar="N",
        help="larger picture files are refused")


def add_objective(group) -> None:
    """Add the flags of J."""
    add, default = group.add_argument, defaults()
    add("--content-weight", type=weight, default=default["content_weight"], metavar="X",
        help="how much the content counts")
    add("--style-weight", type=weight, default=default["style_weight"], metavar="X",
        help="how much the style counts: 1e-4 tints, 1e-2 swallows the content")
    add("--tv-weight", type=weight, default=default["tv_weight"], metavar="X",
        help="how much smoothness counts: 0 leaves speckle, 1000 makes a wash")
    add("--content-layers", type=layers, metavar="A,B",
        help="layers compared for content, or A:4,B:1, in shares; None: relu4_2, and below 256 px "
        "more and more relu3_3")
    add("--style-layers", type=layers, default=",".join(STYLE_LAYERS), metavar="A,B",
        help="layers compared for style, or A:4,B:1, in shares")
    add("--style-distance", choices=STYLES, default=default["style_distance"],
        help="how styles are compared. gram: Gram matrices; wasserstein: means and covariances, as "
        "Gaussians; each layer and each style, however strong, counts alike; slower")
    add("--pooling", choices=("max", "average"), default="max", help="of VGG")
    add("--weights", type=expanded, metavar="FILE",
        help="a weight file; None: the embedded VGG-16")


def add_descent(group) -> None:
    """Add the flags of the descent."""
    add, default = group.add_argument, defaults()
    rates = ", ".join(f"{name} {kind.learning_rate}" for name, kind in OPTIMIZERS.items())
    add("--optimizer", choices=OPTIMIZERS, default="lbfgs",
        help="lbfgs: fewer steps; adam, and descent, the notes' update with five ideas around it "
        "(give it --iterations 120, adam more), less memory")
    add("--iterations", type=positive, default=default["iterations"], metavar="N",
        help="steps at full size; half as many at each smaller one")
    add("--learning-rate", type=scale, metavar="PX",
        help=f"about the size of the first steps, in pixel values; None: {rates}")
    add("--momentum", type=fraction, default=PixelDescent.momentum, metavar="X",
        help="of descent: how much of a step is left in the next one")
    add("--seed", type=whole, default=default["seed"], metavar="N",
        help="of the noise: the same seed, the same picture")
    add("--threads", type=positive, metavar="N", help="how many compute; None: one for each core")


def add_results(group) -> None:
    """Add the flags that say what is saved and shown."""
    add, default = group.add_argument, defaults()
    add("--output", type=expanded, metavar="FILE",
        help="where to save; a folder, for a folder of pictures. None: outputs/CONTENT_STYLE.png, "
        "with a number if that is there")
    add("--overwrite", action="store_true", help="replace files that are there")
    add("--save-every", type=positive, metavar="N",
        help="save the picture so far every N steps (…_0010.png), and the checkpoint, if there is "
        f"one; None: no picture, and the checkpoint every {default['save_every']}")
    add("--checkpoint", type=expanded, metavar="FILE", help="where to save all that --resume needs")
    add("--resume", type=expanded, metavar="FILE",
        help="go on from a checkpoint; all other flags as they were. It is left as it is, unless "
        "it is the --checkpoint as well")
    add("--report", type=expanded, nargs="?", const=True, metavar="FILE",
        help="make a page of the run (.html): frames, curves, what each term of J wants, how to "
        "make it again. Without a name: …_report.html")
    add("--animate", type=expanded, nargs="?", const=True, metavar="FILE",
        help="make an animated picture of the run, .gif or .webp, of 5 MB at most. Without a name: "
        "…_animated.gif")
    add("--animate-curves", action="store_true", help="draw J and its terms beside it")
    add("--quiet", action="store_true", help="show no progress")
# fmt: on
