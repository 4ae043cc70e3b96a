"""Paint a photograph in the manner of a painting.

Without arguments: a street of old houses in the manner of The Starry Night, from white noise,
256 px. Saves the picture and, beside it, a strip content | style | result (…_strip.png) and the
curve of the loss (…_loss.png). Ctrl-C stops early and saves the picture as it is then.
"""

import argparse
import inspect
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
from command_line import Parser, positive
from transfer_memory import checked_memory, working_sizes

from scratchnet import LBFGS, VGG, PixelDescent, save_image, style_transfer
from scratchnet.files.decoding import decode_image
from scratchnet.files.images import MAX_PIXELS, image_format, resize_image, side_by_side
from scratchnet.style.objective import LayerGradients
from scratchnet.style.terms import CONTENT_LAYERS, STYLE_LAYERS
from scratchnet.style.transfer import Record, Step, coarse_to_fine_sizes, steps_of

try:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from tqdm import tqdm
except ImportError as error:
    print(f"transfer: {error}; install the extra: pip install '.[viz]'", file=sys.stderr)
    sys.exit(2)

IMAGES = Path(__file__).parent / "images"
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
        ("content", Path, content, "FILE", "the picture that says what is seen"),
        ("style", Path, style, "FILE", "the picture that says how it is painted"),
        ("output", Path, None, "FILE", "where to save; None: outputs/CONTENT_STYLE.png"),
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
        ("content-layers", str, ",".join(CONTENT_LAYERS), "A,B", "layers compared for content"),
        ("style-layers", str, ",".join(STYLE_LAYERS), "A,B", "layers compared for style"),
        ("learning-rate", weight, None, "PX",
         f"size of a step at the start, in pixel values; None: {rates}"),
        ("momentum", fraction, PixelDescent.momentum, "X",
         "of descent: how much of a step is left in the next one"),
        ("seed", int, default["seed"], "N", "of the noise: the same seed, the same picture"),
        ("weights", Path, None, "FILE", "a weight file; None: the embedded VGG-16"),
        ("threads", positive, None, "N", "how many compute; None: one for each core"),
        ("max-pixels", positive, MAX_PIXELS, "N", "larger picture files are refused"),
    ]
    # fmt: on


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
    parser.add_argument("--enlarge", action="store_true", help="enlarge pictures that are smaller")
    return parser.parse_args(argv)


def checked_output(output: Path | None, content: Path, style: Path) -> Path:
    """Return where the result goes, after checking that it can go there."""
    if output is None:
        return Path("outputs") / f"{content.stem}_{style.stem}.png"
    image_format(output)
    if not output.parent.is_dir():
        raise ValueError(f"--output {output}: there is no folder {output.parent}")
    return output


def equal_layers(flag: str, names: str) -> dict[str, float]:
    """Turn "a,b" to layers that share a weight of 1 equally."""
    layers = [name.strip() for name in names.split(",") if name.strip()]
    if not layers:
        raise ValueError(f"{flag}: got no layer in {names!r}, wanted names like relu4_2,relu5_1")
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


class Progress:
    """The callback: shows a bar with the loss by term, and keeps what a plot or Ctrl-C needs."""

    def __init__(self):
        self.last: Step | None = None
        self.history: list[Record] = []
        form = "{percentage:3.0f}% |{bar:20}| {elapsed}, {remaining} left{postfix}"
        tqdm.monitor_interval = 0  # its thread would map 0.1 GB of addresses
        self.bar = tqdm(total=1.0, bar_format=form)

    def __call__(self, step: Step) -> None:
        """Show one step."""
        self.last = step
        self.history.append(Record(step.iteration, step.loss, step.terms, step.image.shape[:2]))
        sums = dict.fromkeys(("content", "style", "tv"), 0.0)
        for name, term in step.terms.items():
            sums[name.split()[0]] += term
        terms = ", ".join(f"{name} {value:.3g}" for name, value in sums.items())
        self.bar.set_postfix_str(f"step {step.iteration}: J {step.loss:.4g} ({terms})", False)
        self.bar.update(step.progress - self.bar.n)


def plot_history(history: list[Record], path: Path) -> None:
    """Draw J and its terms over the iterations."""
    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    iterations = [record.iteration for record in history]
    axes.semilogy(iterations, [record.loss for record in history], "k", label="J", linewidth=2)
    for name in history[0].terms:
        axes.semilogy(iterations, [record.terms[name] for record in history], label=name)
    for before, after in pairwise(history):
        if before.size != after.size:
            axes.axvline(after.iteration, color="0.8", zorder=0)
    axes.set(
        xlabel="evaluation of J (grey: the next size begins)", ylabel="J and its weighted terms"
    )
    axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    figure.savefig(path, dpi=110)
    plt.close(figure)


def save_all(output: Path, pictures: list[np.ndarray], history: list[Record]) -> None:
    """Save the last of the pictures, the strip of all, and the curve."""
    output.parent.mkdir(exist_ok=True)
    save_image(output, pictures[-1])
    strip = output.with_name(f"{output.stem}_strip.png")
    save_image(strip, side_by_side(pictures))
    curve = output.with_name(f"{output.stem}_loss.png")
    plot_history(history, curve)
    print(f"saved    {output}, {strip.name}, {curve.name}")


def run(arguments: argparse.Namespace) -> int:
    """Do what the command line asks for."""
    pictures = [
        decode_image(path, max_pixels=arguments.max_pixels)
        for path in (arguments.content, arguments.style)
    ]
    init = arguments.init
    if init not in ("random", "content"):
        init = decode_image(init, max_pixels=arguments.max_pixels)
    output = checked_output(arguments.output, arguments.content, arguments.style)
    layers = {
        "content_layers": equal_layers("--content-layers", arguments.content_layers),
        "style_layers": equal_layers("--style-layers", arguments.style_layers),
    }
    weights = {
        name: getattr(arguments, name) for name in ("content_weight", "style_weight", "tv_weight")
    }
    kind = OPTIMIZERS[arguments.optimizer]
    rate = kind.learning_rate if arguments.learning_rate is None else arguments.learning_rate
    optimizer = (
        LBFGS(learning_rate=rate) if kind is LBFGS else PixelDescent(rate, arguments.momentum)
    )
    network = VGG.load(arguments.weights, pool=arguments.pooling, threads=arguments.threads)
    names = [name for group in layers.values() for name in group]
    shapes = [picture.shape for picture in pictures]
    memory = checked_memory(network, shapes, names, arguments)
    sizes = working_sizes(shapes, arguments.image_size, arguments)
    content, style = map(resize_image, pictures, sizes)
    del pictures
    if not isinstance(init, str):
        init = resize_image(init, content.shape[:2])
    announce(network, content, style, names, memory, arguments)

    start, progress = time.perf_counter(), Progress()
    try:
        result = style_transfer(
            content, style, network=network, init=init, iterations=arguments.iterations,
            optimizer=optimizer, seed=arguments.seed, callback=progress, **layers, **weights,
        )  # fmt: skip
        image, stopped, code = result.image, result.stopped, 1
    except KeyboardInterrupt:
        if progress.last is None:
            raise
        image = resize_image(progress.last.image, content.shape[:2])
        stopped, code = f"interrupted at step {progress.last.iteration}", 130
    finally:
        progress.bar.close()
    if not progress.history:
        print(f"transfer: {stopped}: use smaller weights; nothing to save", file=sys.stderr)
        return code
    save_all(output, [content, style, image], progress.history)
    if stopped:
        print(f"transfer: {stopped}; saved the picture as it was before", file=sys.stderr)
        return code
    lowest = min(record.loss for record in progress.history if record.size == image.shape[:2])
    print(f"J        {lowest:.6g} after {(time.perf_counter() - start) / 60:.1f} minutes")
    return 0


def main() -> int:
    """Run, and turn what a user can mend into one line and exit code 2."""
    arguments = parse_arguments()
    try:
        return run(arguments)
    except KeyboardInterrupt:
        print("transfer: interrupted while nothing was to be saved", file=sys.stderr)
        return 130
    except MemoryError:
        print(
            "transfer: memory ran out; use a smaller --image-size, or smaller pictures",
            file=sys.stderr,
        )
        return 2
    except (OSError, ValueError) as error:
        print(f"transfer: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
