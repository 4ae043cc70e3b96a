"""Show what each term of J wants to change in G, as pictures.

Without arguments: a street of old houses and The Starry Night, from the content image, 192 px, with
content at relu4_2, as it is from 256 px on. One figure is saved. Its rows are G at the start, after
10 and after 50 steps. Its columns are G, then −∂J_term/∂G of the content term, of the style term at
each layer and of the total variation, and their sum, which is what the optimizer is given. Grey
means no change; where a panel is lighter than grey, or red, G is to become lighter, or redder. All
panels of a row have one scale, so that they show which terms are strong.

Under each panel: the gradient's root mean square (rms), in J per grey level, and its cosine with
the sum: 1 where a term pulls the way that the sum does, below 0 where it is outvoted. The printed
table has the cosine with the content term as well.
"""

from interrupts import Interrupts

if __name__ == "__main__":
    Interrupts("show_gradient").install()

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from command_line import Parser, in_one_line, positive, whole
from places import FIGURES, checked_place
from term_gradients import by_term_and_layer, cosine, panel, rms

from scratchnet import LBFGS, VGG, StyleTransferObjective, Term, gatys_terms, load_image
from scratchnet.files.images import fit, resize_image
from scratchnet.files.names import expanded
from scratchnet.files.saving import replacing
from scratchnet.style.layers import CONTENT_LAYERS
from scratchnet.style.transfer import descend

try:
    from matplotlib.figure import Figure
    from tqdm import tqdm
except ImportError as error:
    print(f"show_gradient: {error}; install the extra: pip install '.[viz]'", file=sys.stderr)
    sys.exit(2)

IMAGES = Path(__file__).resolve().parent / "images"
OUTPUT = Path("outputs/gradient_terms.png")
PANEL = 1.6  # inches
DPI = 120
SUM = "sum"


class Row(NamedTuple):
    """G after some steps, J, and the gradient of each term, (H, W, 3), and of their sum."""

    step: int
    G: np.ndarray
    J: float
    gradients: dict[str, np.ndarray]


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    add = parser.add_argument
    # fmt: off
    add("--content", type=expanded, default=IMAGES / "leuven_street.jpg", metavar="FILE",
        help="the picture that says what is seen")
    add("--style", type=expanded, default=IMAGES / "starry_night.jpg", metavar="FILE",
        help="the picture that says how it is painted")
    add("--init", choices=("content", "random"), default="content",
        help="what G starts as: the content image, or noise")
    add("--steps", type=whole, nargs="+", default=[0, 10, 50], metavar="N",
        help="a row after each of these numbers of steps")
    add("--image-size", type=positive, default=192, metavar="PX",
        help="long side of both pictures; smaller ones stay so")
    add("--each-scale", action="store_true",
        help="scale each panel by itself: shows the weak terms, too")
    add("--output", type=expanded, metavar="FILE",
        help=f"the figure: .png, .jpg or .pdf; None: {OUTPUT}, with a number if that is there")
    add("--overwrite", action="store_true", help="replace a file that is there")
    # fmt: on
    return parser.parse_args()


def measure(terms: list[Term], G: np.ndarray, steps: set[int]) -> list[Row]:
    """Descend from G, and return each term's gradient after each of the numbers of steps."""
    network, size, rows = VGG.load(partial_windows=True), G.shape[:2], []
    objective = StyleTransferObjective(network, terms, size)
    alone = by_term_and_layer(objective)
    descent = descend(objective, G, LBFGS(), max(steps))
    bar = tqdm(descent, "evaluations of J", max(steps) + 1, leave=False)
    for step, (G, (J, gradient, _)) in enumerate(bar):
        if step in steps:
            gradients = {name: of_one(G)[1] for name, of_one in alone.items()}
            rows.append(Row(step, G, J, {**gradients, SUM: gradient}))
    return rows


def print_table(rows: list[Row]) -> None:
    """Print each gradient's root mean square, and its cosines with two others."""
    print(
        "∂J_term/∂G: root mean square in J per grey level, cosine with the sum and with the content"
    )
    print(f"{'':<15}" + "".join(f"{f'step {row.step}':>12}    sum  cont." for row in rows))
    for name in rows[0].gradients:
        line = f"{name:<15}"
        for _, _, _, gradients in rows:
            gradient = gradients[name]
            with_sum, with_content = (cosine(gradient, gradients[of]) for of in (SUM, "content"))
            line += f"{rms(gradient):12.1e} {with_sum:6.2f} {with_content:6.2f}"
        print(line)


def draw(rows: list[Row], each_scale: bool, path: Path) -> None:
    """Save the grid of pictures."""
    columns = ["G", *rows[0].gradients]
    height, width, _ = rows[0].G.shape
    size = PANEL * len(columns), (PANEL * height / width + 0.36) * len(rows) + 0.75
    figure = Figure(size, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.04, wspace=0.01, hspace=0.01)
    scales = "each panel has its own scale" if each_scale else "one scale for each row"
    figure.suptitle(
        f"What each term wants to change: −∂J_term/∂G; grey is no change, {scales}", fontsize=12
    )
    grid = figure.subplots(len(rows), len(columns), squeeze=False)
    for axes, name in zip(grid[0], columns, strict=True):
        axes.set_title(name.replace(" ", "\n"), fontsize=10)
    for line, row in zip(grid, rows, strict=True):
        line[0].imshow(np.rint(row.G).astype(np.uint8))
        line[0].set_ylabel(f"step {row.step}", fontsize=10)
        line[0].set_xlabel(f"J = {row.J:.3g}", fontsize=9)
        strongest = max(map(rms, row.gradients.values()))
        for axes, gradient in zip(line[1:], row.gradients.values(), strict=True):
            own = rms(gradient)
            axes.imshow(panel(gradient, own if each_scale else strongest))
            towards = f"\ncos {cosine(gradient, row.gradients[SUM]):.2f}" if own else ""
            axes.set_xlabel(f"rms {own:.2g}{towards}", fontsize=9)
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    with replacing(path) as partial:
        figure.savefig(partial, dpi=DPI)


def run(arguments: argparse.Namespace) -> None:
    """Load, measure, print and draw."""
    inputs = {"--content": arguments.content, "--style": arguments.style}
    output = checked_place(
        "--output", arguments.output, OUTPUT, FIGURES, inputs, arguments.overwrite
    )
    content, style = (
        resize_image(image, fit(image.shape, min(arguments.image_size, max(image.shape))))
        for image in map(load_image, (arguments.content, arguments.style))
    )
    G = content
    if arguments.init == "random":
        G = np.random.default_rng(0).uniform(0, 255, content.shape).astype(content.dtype)
    terms = gatys_terms(content, style, content_layers=CONTENT_LAYERS)
    rows = measure(terms, G, set(arguments.steps))
    print_table(rows)
    draw(rows, arguments.each_scale, output)
    print(f"saved {output}")


def main() -> int:
    """Run, and turn what a user can mend into one line and exit code 2."""
    return in_one_line("show_gradient", run, parse_arguments())


if __name__ == "__main__":
    sys.exit(main())
