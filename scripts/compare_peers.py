"""Paint the same pictures by this project's defaults and by PyTorch, side by side.

PyTorch's side is the textbook: from noise at full size, its own L-BFGS on the same J (that of
`pytorch_peer`, by autograd). Each side starts from noise of its own, so the pictures differ as
those of two seeds do. Saves one picture, a row for each pair: the photograph, the style, ours,
PyTorch's; and prints J at the end of both, by the same code, and how long each took.
"""

from interrupts import Interrupts

if __name__ == "__main__":
    Interrupts("compare_peers").install()

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from command_line import Parser, in_one_line, positive
from compare_distances import below_each_other, one_row, pair
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

PAIRS = [
    "leuven_street/starry_night",
    "mountains/ink_wash",
    "pagoda/flow_strokes",
    "dog/mosaic",
    "palace/church_at_auvers",
]
OUTPUT = Path("outputs/peers.jpg")


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    add = parser.add_argument
    # fmt: off
    add("--pairs", type=pair, nargs="+", default=[pair(text) for text in PAIRS], metavar="C/S",
        help="pictures in scripts/images, as dog/mosaic")
    add("--image-size", type=positive, default=384, metavar="PX", help="long side of the results")
    add("--evaluations", type=positive, default=300, metavar="N", help="of J, by PyTorch")
    add("--output", type=expanded, metavar="FILE",
        help=f"where to save, .jpg or .png; None: {OUTPUT}, with a number if that is there")
    add("--overwrite", action="store_true", help="replace a file that is there")
    # fmt: on
    return parser.parse_args()


def by_pytorch(content: np.ndarray, style: np.ndarray, evaluations: int, seed: int) -> np.ndarray:
    """Return the picture that PyTorch's L-BFGS makes of noise; pixels are clipped at its end."""
    import torch
    from pytorch_peer import PyTorchObjective

    J = PyTorchObjective(content, style)
    noise = np.random.default_rng(seed).uniform(0, 255, content.shape)
    x = torch.nn.Parameter(torch.from_numpy(noise.astype(np.float32)))
    # As neural-style sets it: no line search, 100 pairs, and no end before the last evaluation.
    optimizer = torch.optim.LBFGS(
        [x], lr=1, max_iter=evaluations, max_eval=evaluations, history_size=100,
        tolerance_grad=-1, tolerance_change=-1,
    )  # fmt: skip

    def closure():
        value, gradient = J(x.detach().numpy())
        x.grad = torch.from_numpy(gradient.copy())
        return torch.tensor(value)

    optimizer.step(closure)
    return np.clip(x.detach().numpy(), 0, 255)


def run(arguments: argparse.Namespace) -> None:
    """Paint, print and save."""
    import pytorch_peer  # noqa: F401 (if it is missing, that is said before the work)

    files = [path for paths in arguments.pairs for path in paths]
    inputs = {f"--pairs {path.stem}": path for path in files}
    output = checked_place(
        "--output", arguments.output, OUTPUT, (".jpg", ".png"), inputs, arguments.overwrite
    )
    network, shown = VGG.load(partial_windows=True), []
    print(f"{'':36}{'J, ours':>10}{'PyTorch':>10}{'ours ÷':>8}{'s, ours':>9}{'PyTorch':>9}")
    for n, paths in enumerate(arguments.pairs):
        content, style = (
            resize_image(image, fit(image.shape, min(arguments.image_size, max(image.shape))))
            for image in map(load_image, paths)
        )
        start = time.perf_counter()
        ours = style_transfer(content, style, network=network).image
        middle = time.perf_counter()
        theirs = by_pytorch(content, style, arguments.evaluations, seed=n)
        end = time.perf_counter()
        J = StyleTransferObjective(network, gatys_terms(content, style), content.shape[:2])
        J_ours, J_theirs = (J.evaluate(image).loss for image in (ours, theirs))
        print(
            f"{'/'.join(path.stem for path in paths):<36}{J_ours:>10.0f}{J_theirs:>10.0f}"
            f"{J_ours / J_theirs:>8.3f}{middle - start:>9.1f}{end - middle:>9.1f}",
            flush=True,
        )
        shown.append(one_row([content, style, ours, theirs]))
        save_image(output, below_each_other(shown))  # each time: a pair takes many minutes
    print(f"saved {output}")


def main() -> int:
    """Run, and turn what a user can mend into one line and exit code 2."""
    try:
        return in_one_line("compare_peers", run, parse_arguments())
    except ImportError as error:
        print(f"compare_peers: {error}; install: pip install '.[bench]'", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
