"""Paint a photograph in the manner of a painting.

Without arguments: a street of old houses in the manner of The Starry Night, from white noise,
256 px. Saves the picture and, beside it, a strip content | style | result (…_strip.png) and the
curve of the loss (…_loss.png). No file is replaced unasked. Ctrl-C, or another request to end,
stops early and saves the best picture so far.

Exit codes: 0 all is well; 1 saved, but not all in its place; 2 something to mend on the command
line; 3 the descent failed (the best picture is saved); 128 + n after signal n, 130 after Ctrl-C.
"""

# ruff: noqa: E402 (signals are seen to before the imports, which take a second)

from interrupts import Interrupts

INTERRUPTS = Interrupts("transfer")
if __name__ == "__main__":
    INTERRUPTS.install()

import argparse
import sys
import time
import warnings

import numpy as np
from command_line import Parser, finished
from transfer_flags import OPTIMIZERS, options
from transfer_memory import checked_memory, working_sizes
from transfer_saving import Progress, check_extra, checked_output, save_all, say

from scratchnet import LBFGS, VGG, PixelDescent, style_transfer
from scratchnet.files.decoding import decode_image
from scratchnet.files.images import image_format, resize_image
from scratchnet.files.names import expanded
from scratchnet.style.course import TransferInterrupted, TransferResult
from scratchnet.style.layers import CONTENT_LAYERS
from scratchnet.style.levels import coarse_to_fine_sizes, steps_of
from scratchnet.style.objective import LayerGradients


def parse_arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    for name, kind, default, metavar, text in options():
        parser.add_argument(f"--{name}", type=kind, default=default, metavar=metavar, help=text)
    parser.add_argument("--pooling", choices=("max", "average"), default="max", help="of VGG")
    parser.add_argument(
        "--optimizer", choices=OPTIMIZERS, default="lbfgs",
        help="lbfgs: fewer steps; descent: the notes' update with five ideas around it (give it "
        "--iterations 120), less memory",
    )  # fmt: skip
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")
    parser.add_argument("--enlarge", action="store_true", help="enlarge pictures that are smaller")
    arguments = parser.parse_args(argv)
    if arguments.save_every and not arguments.checkpoint:
        parser.error("--save-every: wants a --checkpoint FILE to save to")
    if not (arguments.content_weight or arguments.style_weight or arguments.tv_weight):
        parser.error("--content-weight, --style-weight and --tv-weight are all 0")
    return arguments


def equal_layers(flag: str, names: str) -> dict[str, float]:
    """Turn "a,b" to layers that share a weight of 1 equally."""
    layers = [name.strip() for name in names.split(",") if name.strip()]
    if not layers:
        raise ValueError(f"{flag}: got no layer in {names!r}, wanted names like relu4_2,relu5_1")
    if twice := {name for name in layers if layers.count(name) > 1}:
        raise ValueError(f"{flag} {names}: {min(twice)} is there twice")
    return {name: 1 / len(layers) for name in layers}


def seconds_of_a_pass(network: VGG, image: np.ndarray, layers: list[str]) -> float:
    """Measure both passes through the network."""
    for _ in range(2):  # the first one is slower: its memory has to be got from the system
        start = time.perf_counter()
        activations, caches = network.forward(image, layers)
        losses = {"time": dict.fromkeys(layers, lambda a: (0.0, a))}
        network.backward(LayerGradients(losses, activations), caches)
        seconds = time.perf_counter() - start
    return seconds


def announce(
    network: VGG, content: np.ndarray, style: np.ndarray, layers: list, memory: int, arguments
) -> None:
    """Say what is going to happen: sizes, memory, and time (from one pass at full size)."""
    height, width = content.shape[:2]
    sizes = [(height, width)]
    if arguments.init == "random":
        sizes = coarse_to_fine_sizes(content.shape)
    seconds = seconds_of_a_pass(network, content, layers)
    steps = steps_of(sizes, arguments.iterations)
    pixels = sum((n + 1) * h * w for n, (h, w) in zip(steps, sizes, strict=True))
    print(f"content  {arguments.content}")
    print(f"style    {arguments.style} at {style.shape[1]}×{style.shape[0]} px")
    levels = ", ".join(f"{w}×{h} px {n}" for (h, w), n in zip(sizes, steps, strict=True))
    print(f"steps    {levels}")
    workspace = network.workspace
    if workspace.granted < workspace.threads:
        print(f"threads  {workspace.granted}, not {workspace.threads}: the system grants no more")
    minutes = seconds * pixels / (height * width) / 60
    print(f"expected {minutes:.1f} minutes, {memory / 1e9:.1f} GB of memory")


def check_sizes(network: VGG, sizes: list, layers: dict, arguments: argparse.Namespace) -> None:
    """Raise ValueError for a picture that is too small for its layers, naming what helps."""
    flags = ("content", "--enlarge or a larger --image-size"), ("style", "--enlarge")
    content_layers = layers.get("content_layers", CONTENT_LAYERS)
    names = [*content_layers, *layers["style_layers"]], layers["style_layers"]
    for (flag, remedy), size, wanted in zip(flags, sizes, names, strict=True):
        network.depth(wanted)  # raises for an unknown layer, whatever the picture
        try:
            network.check_image((*size, 3), wanted)
        except ValueError as error:
            path = getattr(arguments, flag)
            raise ValueError(f"--{flag} {path}: {error}; what helps is {remedy}") from None


def paint(content, style, progress: Progress, **options) -> tuple[TransferResult, int]:
    """Return what a transfer gives, also if it is interrupted or fails, and the exit code."""
    try:
        result = style_transfer(content, style, callback=progress, **options)
        INTERRUPTS.hold()
        return result, 3 if result.stopped else 0
    except TransferInterrupted as interrupt:
        INTERRUPTS.hold()
        return interrupt.result, 130
    except (OSError, ValueError, MemoryError) as error:
        INTERRUPTS.hold()
        if progress.last is None:
            raise
        image = resize_image(progress.last.image, content.shape[:2])
        why = f"{str(error) or 'memory ran out'}, at iteration {progress.last.iteration}"
        return TransferResult(image, progress.history, why), 1
    finally:
        progress.close()


def run(arguments: argparse.Namespace) -> int:
    """Do what the command line asks for."""
    pictures = [
        decode_image(path, max_pixels=arguments.max_pixels)
        for path in (arguments.content, arguments.style)
    ]
    init = arguments.init
    if init not in ("random", "content"):
        init = decode_image(expanded(init), max_pixels=arguments.max_pixels)
    if arguments.output is not None:
        image_format(arguments.output)
    layers = {"style_layers": equal_layers("--style-layers", arguments.style_layers)}
    if arguments.content_layers is not None:
        layers["content_layers"] = equal_layers("--content-layers", arguments.content_layers)
    names = "iterations seed checkpoint save_every resume content_weight style_weight tv_weight"
    given = {name: getattr(arguments, name) for name in names.split()}
    given = {name: value for name, value in given.items() if value is not None}
    kind = OPTIMIZERS[arguments.optimizer]
    rate = kind.learning_rate if arguments.learning_rate is None else arguments.learning_rate
    optimizer = (
        LBFGS(learning_rate=rate) if kind is LBFGS else PixelDescent(rate, arguments.momentum)
    )
    network = VGG.load(arguments.weights, pool=arguments.pooling, threads=arguments.threads)
    names = [*layers.get("content_layers", CONTENT_LAYERS), *layers["style_layers"]]
    shapes = [picture.shape for picture in pictures]
    sizes = working_sizes(shapes, arguments.image_size, arguments)
    check_sizes(network, sizes, layers, arguments)
    memory = checked_memory(network, shapes, names, arguments)
    output = checked_output(arguments)
    content, style = map(resize_image, pictures, sizes)
    del pictures
    if not isinstance(init, str):
        init = resize_image(init, content.shape[:2])
    announce(network, content, style, names, memory, arguments)

    start, progress = time.perf_counter(), Progress(INTERRUPTS)
    result, code = paint(
        content,
        style,
        progress,
        network=network,
        init=init,
        optimizer=optimizer,
        **given,
        **layers,
    )
    if not result.history:
        say(f"transfer: {result.stopped}: use smaller weights; nothing to save", sys.stderr)
        return code
    whole = save_all(output, [content, style, result.image], result.history, arguments.overwrite)
    if result.stopped:
        say(f"transfer: {result.stopped}; saved the best picture until then", sys.stderr)
    else:
        size = result.image.shape[:2]
        lowest = min(record.loss for record in result.history if record.size == size)
        say(f"J        {lowest:.6g} after {(time.perf_counter() - start) / 60:.1f} minutes")
    if INTERRUPTS.received:
        return 128 + INTERRUPTS.received
    return code or (0 if whole else 1)


def main() -> int:
    """Run, and turn what a user can mend into one line and exit code 2."""
    arguments = parse_arguments()
    warnings.formatwarning = lambda message, *_: f"transfer: {message}\n"
    try:
        check_extra()
        return run(arguments)
    except KeyboardInterrupt:
        say("transfer: interrupted while nothing was to be saved", sys.stderr)
        return 130
    except MemoryError:
        say("transfer: memory ran out; use a smaller --image-size, or smaller pictures", sys.stderr)
        return 2
    except (OSError, ValueError) as error:
        say(f"transfer: {error}", sys.stderr)
        return 2


if __name__ == "__main__":
    code = finished(main())
    INTERRUPTS.end()
    sys.exit(code)
