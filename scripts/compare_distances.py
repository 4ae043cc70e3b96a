"""Paint the same pictures by either distance of styles: Gram matrices, and Wasserstein's.

Without arguments: three pairs, 256 px, from noise. One picture is saved, a row for each pair: the
photograph, the style, the result by Gram matrices, the result by Wasserstein's distance. The table
says how far each result is from the photograph (the content term), and from the style by either
distance: the weighted mean over layers of the style loss, and of W²/s; and how long it took.
"""

from interrupts import Interrupts

if __name__ == "__main__":
    Interrupts("compare_distances").install()

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from command_line import Parser, in_one_line, positive
from places import checked_place

from scratchnet import (
    VGG,
    StyleTransferObjective,
    gatys_terms,
    load_image,
    save_image,
    style_transfer,
)
from scratchnet.files.images import fit, resize_image
from scratchnet.files.names import expanded
from scratchnet.style.terms import STYLES
from scratchnet.style.wasserstein import BALANCE

IMAGES = Path(__file__).resolve().parent / "images"
PAIRS = ["leuven_street/starry_night", "pagoda/flow_strokes", "dahlia/stained_glass"]
OUTPUT = Path("outputs/distances.jpg")
GAP = 6  # px


def pair(text: str) -> tuple[Path, Path]:
    """Read "content/style" as two of the pictures that ship."""
    names = text.split("/")
    paths = [IMAGES / f"{name}.jpg" for name in names]
    if len(names) != 2 or not all(path.is_file() for path in paths):
        raise argparse.ArgumentTypeError(f"{text} is not like dog/mosaic, of names in {IMAGES}")
    return paths[0], paths[1]


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    add = parser.add_argument
    # fmt: off
    add("--pairs", type=pair, nargs="+", default=[pair(text) for text in PAIRS], metavar="C/S",
        help="pictures in scripts/images, as dog/mosaic")
    add("--image-size", type=positive, default=256, metavar="PX", help="long side of the results")
    add("--iterations", type=positive, default=76, metavar="N",
        help="steps at full size; half as many at each smaller one")
    add("--output", type=expanded, metavar="FILE",
        help=f"where to save, .jpg or .png; None: {OUTPUT}, with a number if that is there")
    add("--overwrite", action="store_true", help="replace a file that is there")
    # fmt: on
    return parser.parse_args()


def paint(
    network: VGG, content: np.ndarray, style: np.ndarray, iterations: int
) -> tuple[list[np.ndarray], list[tuple]]:
    """Return the results by each distance, and what the table says of them."""
    size, results, rows = content.shape[:2], [], []
    measures = {
        distance: StyleTransferObjective(
            network, gatys_terms(content, style, style_weight=weight, style_distance=distance), size
        )
        for distance, weight in {"gram": 1.0, "wasserstein": 1 / BALANCE}.items()
    }
    for distance in STYLES:
        start = time.perf_counter()
        result = style_transfer(
            content, style, network=network, style_distance=distance, iterations=iterations
        )
        seconds, row = time.perf_counter() - start, []
        for measure in measures.values():
            terms = measure.evaluate(result.image).terms
            row.append(sum(v for name, v in terms.items() if name.startswith("style")))
        of_content = sum(v for name, v in terms.items() if name.startswith("content"))
        results.append(result.image)
        rows.append((distance, of_content, *row, seconds))
    return results, rows


def one_row(pictures: list[np.ndarray]) -> np.ndarray:
    """Return pictures side by side, each as high and as wide as the first, and a gap under them."""
    height, width, _ = pictures[0].shape
    shown = np.full((height + GAP, len(pictures) * (width + GAP) - GAP, 3), 255.0, np.float32)
    for n, picture in enumerate(pictures):
        x = n * (width + GAP)
        shown[:height, x : x + width] = resize_image(picture, (height, width))
    return shown


def below_each_other(rows: list[np.ndarray]) -> np.ndarray:
    """Return rows of pictures as one picture, the shorter ones filled up with white."""
    width = max(row.shape[1] for row in rows)
    filled = [
        np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0)), constant_values=255)
        for row in rows
    ]
    return np.concatenate(filled)[:-GAP]


def run(arguments: argparse.Namespace) -> None:
    """Paint, print and save."""
    files = [path for paths in arguments.pairs for path in paths]
    inputs = {f"--pairs {path.stem}": path for path in files}
    endings = (".jpg", ".png")
    output = checked_place(
        "--output", arguments.output, OUTPUT, endings, inputs, arguments.overwrite
    )
    network, shown = VGG.load(partial_windows=True), []
    print(f"{'':36}{'content':>9}{'Gram':>12}{'W²/s':>8}{'s':>7}")
    for paths in arguments.pairs:
        content, style = (
            resize_image(image, fit(image.shape, min(arguments.image_size, max(image.shape))))
            for image in map(load_image, paths)
        )
        results, rows = paint(network, content, style, arguments.iterations)
        name = "/".join(path.stem for path in paths)
        for distance, of_content, gram, wasserstein, seconds in rows:
            print(
                f"{name}, {distance}".ljust(36)
                + f"{of_content:9.0f}{gram:12.4g}{wasserstein:8.3f}{seconds:7.1f}",
                flush=True,
            )
        shown.append(one_row([content, style, *results]))
    save_image(output, below_each_other(shown))
    print(f"saved {output}")


def main() -> int:
    """Run, and turn what a user can mend into one line and exit code 2."""
    return in_one_line("compare_distances", run, parse_arguments())


if __name__ == "__main__":
    sys.exit(main())
