"""Train a small network, to see where the weights of a VGG come from.

It is shown patches, 32×32 pixels, of eight of the shipped pictures, and learns to tell which
picture a patch was cut out of. Each patch's mean colour and contrast are taken away, so that they
can't give the answer. It learns from the left three quarters of the pictures; how well it does is
measured on the right quarters, which it never sees.

Prints how many of those patches it gets right, and saves one figure: how the loss falls and the
accuracy rises, the kernels of the first layer before and after, and patches with its answers.
"""

from interrupts import Interrupts

if __name__ == "__main__":
    Interrupts("train_small").install()

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from command_line import Parser, in_one_line, positive
from places import FIGURES, checked_place

from scratchnet import Network, load_image
from scratchnet.files.names import expanded
from scratchnet.files.saving import replacing
from scratchnet.training import evaluate, predict, small_network, split, tiles, train

try:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from tqdm import tqdm
except ImportError as error:
    print(f"train_small: {error}; install the extra: pip install '.[viz]'", file=sys.stderr)
    sys.exit(2)

IMAGES = Path(__file__).resolve().parent / "images"
# Textures that fill their pictures from edge to edge: both parts of a picture have them.
CLASSES = (
    "bricks", "brook", "flow_strokes", "ink_wash",
    "mosaic", "stained_glass", "starry_night", "woodcut",
)  # fmt: skip
OUTPUT = Path("outputs/train_small.png")
SIZE = 32  # pixels of a patch's side
EVALUATIONS = 30
BLUE, RED, GREY = "#2471a3", "#c0392b", "#aab7b8"


class Curves(NamedTuple):
    """J of each mini-batch; and step, J and accuracy of each evaluation on held-out patches."""

    batch_loss: list[float]
    evaluations: list[tuple[int, float, float]]


class HeldOut(NamedTuple):
    """Patches (number, SIZE, SIZE, 3) that training never sees, and their classes' numbers."""

    patches: np.ndarray
    labels: np.ndarray


def learn(
    network: Network, pictures: list, held_out: HeldOut, iterations: int, rng: np.random.Generator
) -> tuple[Network, Curves]:
    """Train with a progress bar, and stop now and then to see how it does."""
    curves = Curves([], [(0, *evaluate(network, *held_out))])
    every = -(-iterations // EVALUATIONS)
    with tqdm(total=iterations, desc="training", unit="step", leave=False) as bar:
        steps = train(network, pictures, iterations, rng)
        for step, (J, network) in enumerate(steps, start=1):
            curves.batch_loss.append(J)
            if step % every == 0 or step == iterations:
                curves.evaluations.append((step, *evaluate(network, *held_out)))
                bar.set_postfix_str(f"held-out accuracy {curves.evaluations[-1][-1]:.1%}")
            bar.update()
    return network, curves


def print_accuracies(
    network: Network,
    curves: Curves,
    held_out: HeldOut,
    scores: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Print the accuracy on held-out patches, class by class, and what to compare it with."""
    patches, labels = held_out
    right = scores.argmax(axis=1) == labels
    print(f"{'held-out patches of':<20} number    right")
    for c, name in enumerate(CLASSES):
        print(f"{name:<20} {np.sum(labels == c):>6} {right[labels == c].mean():>8.1%}")
    # Each patch keeps its colours; the pixels change places, the same way in every patch.
    places = rng.permutation(SIZE * SIZE)
    shuffled = patches.reshape(len(patches), -1, 3)[:, places].reshape(patches.shape)
    print(f"\nall of them, after training         {right.mean():>6.1%}")
    print(f"the same network before training    {curves.evaluations[0][-1]:>6.1%}")
    print(f"after training, pixels shuffled     {evaluate(network, shuffled, labels)[1]:>6.1%}")
    print(f"chance                              {1 / len(CLASSES):>6.1%}")


def draw(
    curves: Curves, kernels: list[np.ndarray], held_out: HeldOut, scores: np.ndarray, output: Path
) -> None:
    """Save the figure: curves, first kernels before and after, and patches with answers."""
    figure = Figure((11, 10), layout="constrained")
    figure.get_layout_engine().set(hspace=0.06)
    top, middle, bottom = figure.subfigures(3, 1, height_ratios=(3.4, 2.1, 4.2))
    draw_curves(top, curves)
    middle.suptitle("The 3×3 kernels of the first layer: grey is 0, each has its own scale")
    for axes, kernel, when in zip(middle.subplots(2, 1), kernels, ("before", "after"), strict=True):
        axes.imshow(montage(kernel), interpolation="nearest")
        label(axes, left=f"{when}\ntraining")
    draw_answers(bottom, held_out, scores)
    with replacing(output) as partial:
        figure.savefig(partial, dpi=120)


def label(axes: Axes, left: str = "", below: str = "", colour: str = "black") -> None:
    """Write beside and below a picture, and take its frame away."""
    axes.set(xticks=[], yticks=[])
    axes.set_ylabel(left, fontsize=10, rotation=0, ha="right", va="center")
    axes.set_xlabel(below, fontsize=9, color=colour)
    axes.spines[:].set_visible(False)


def draw_curves(figure: SubFigure, curves: Curves) -> None:
    """Draw the loss and the accuracy over the steps."""
    loss, accuracy = figure.subplots(1, 2)
    steps, held_out_loss, share = zip(*curves.evaluations, strict=True)
    loss.semilogy(curves.batch_loss, color=GREY, lw=0.6, label="mini-batch, before its step")
    loss.semilogy(steps, held_out_loss, color=BLUE, lw=2, label="held-out patches")
    loss.axhline(np.log(len(CLASSES)), color="black", ls=":", lw=1, label="chance, log 8")
    loss.set(title="Loss (cross-entropy)", xlabel="step")
    loss.yaxis.set(major_formatter="{x:g}", minor_formatter="")
    loss.legend(frameon=False, fontsize=9)
    accuracy.plot(steps, 100 * np.array(share), color=BLUE, lw=2)
    accuracy.axhline(100 / len(CLASSES), color="black", ls=":", lw=1)
    accuracy.text(steps[-1], 100 / len(CLASSES) + 2, "chance", ha="right", fontsize=9)
    accuracy.annotate(
        f"{share[-1]:.1%}", (steps[-1], 100 * share[-1]), (0, -22), textcoords="offset points",
        ha="right", color=BLUE, weight="bold",
    )  # fmt: skip
    accuracy.set(title="Accuracy on held-out patches, %", xlabel="step", ylim=(0, 102))
    for axes in (loss, accuracy):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)


def montage(kernel: np.ndarray) -> np.ndarray:
    """Put the C_out parts of a kernel (3, 3, 3, C_out) in a row, as pictures in 0–1."""
    shown = 0.5 + 0.5 * kernel / np.abs(kernel).max(axis=(0, 1, 2))
    framed = np.ones((28, 28, 3, kernel.shape[3]))  # 8 pixels for each weight, and 2 of white
    framed[2:-2, 2:-2] = shown.repeat(8, axis=0).repeat(8, axis=1)
    return np.concatenate(np.moveaxis(framed, 3, 0), axis=1)


def draw_answers(figure: SubFigure, held_out: HeldOut, scores: np.ndarray) -> None:
    """Draw one patch of each picture, and the mistakes that the network was most sure of."""
    figure.suptitle(
        "Held-out patches and what the network says: "
        "one of each picture; the mistakes that it is most sure of"
    )
    p = np.exp(scores - scores.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    answers, sure = p.argmax(axis=1), p.max(axis=1)
    patches, labels = held_out
    of_each = [np.flatnonzero(labels == c) for c in range(len(CLASSES))]
    examples = [numbers[len(numbers) // 2] for numbers in of_each]  # from half-way down
    wrong = np.flatnonzero(answers != labels)
    mistakes = wrong[np.argsort(-sure[wrong])][: len(CLASSES)]
    grid = figure.subplots(2, len(CLASSES))
    for axes in grid.flat:
        label(axes)
    for line, chosen in zip(grid, (examples, mistakes), strict=True):
        for axes, n in zip(line, chosen, strict=False):  # there may be fewer mistakes
            axes.imshow(np.rint(patches[n]).astype(np.uint8))
            below = f"{CLASSES[answers[n]]} {sure[n]:.0%}"
            if answers[n] == labels[n]:
                label(axes, below=below)
            else:
                label(axes, below=f"{below}\nis {CLASSES[labels[n]]}", colour=RED)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--iterations", type=positive, default=2000, metavar="N",
        help="steps of training, with 16 patches each (default: 2000, about a minute)")  # fmt: skip
    add("--seed", type=int, default=0, metavar="N",
        help="of the first kernels and of the patches drawn (default: 0)")  # fmt: skip
    add("--output", type=expanded, metavar="FILE",
        help=f"the figure: .png, .jpg or .pdf (default: {OUTPUT}, with a number if it is "
        "there)")  # fmt: skip
    add("--overwrite", action="store_true", help="replace a file that is there")
    return parser.parse_args()


def run(arguments: argparse.Namespace) -> None:
    """Train, print and draw."""
    output = checked_place("--output", arguments.output, OUTPUT, FIGURES, {}, arguments.overwrite)
    if arguments.seed < 0:
        raise ValueError(f"--seed {arguments.seed}: wanted 0 or more")
    rng = np.random.default_rng(arguments.seed)
    parts = [split(load_image(IMAGES / f"{name}.jpg")) for name in CLASSES]
    pictures, unseen = zip(*parts, strict=True)
    held_out = HeldOut(*tiles(unseen, SIZE))
    untrained = small_network(len(CLASSES), rng)
    network, curves = learn(untrained, pictures, held_out, arguments.iterations, rng)
    scores = predict(network, held_out.patches)
    print_accuracies(network, curves, held_out, scores, rng)
    kernels = [one.layers[0].kernel for one in (untrained, network)]
    draw(curves, kernels, held_out, scores, output)
    print(f"saved {output}")


def main() -> int:
    """Run, and turn what a user can mend into one line and exit code 2."""
    return in_one_line("train_small", run, parse_arguments())


if __name__ == "__main__":
    sys.exit(main())
