"""How low does each descent get, given the same number of evaluations of J?

For pairs of embedded pictures, from the content image and from noise: SciPy's L-BFGS-B (pixels
boxed to 0-255), and gradient descent as the notes have it, then with one idea after the other
added. An evaluation at a coarse size counts by its share of the pixels. Numbers are the lowest J
reached, divided by L-BFGS-B's.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from command_line import Parser
from scipy.optimize import minimize

from scratchnet import (
    LBFGS,
    VGG,
    GradientDescent,
    PixelDescent,
    StyleTransferObjective,
    gatys_terms,
    load_image,
    style_transfer,
)
from scratchnet.files.images import fit, resize_image
from scratchnet.style.transfer import coarse_to_fine_sizes

try:
    from tqdm import tqdm
except ImportError as error:
    print(f"compare_optimizers: {error}; install the extra: pip install '.[viz]'", file=sys.stderr)
    sys.exit(2)

IMAGES = Path(__file__).parent / "images"
PAIRS = ["leuven_street+starry_night", "pagoda+flow_strokes", "cat+woodcut", "dog+stained_glass"]
DESCENTS = {
    "step in pixels, decay": PixelDescent(momentum=0, smoothing=0),
    "+ momentum": PixelDescent(smoothing=0),
    "+ smoothing": PixelDescent(),
}


class EnoughEvaluationsError(Exception):
    """Raised to stop L-BFGS-B when its evaluations are used up."""


def lbfgs(objective: StyleTransferObjective, start: np.ndarray, evaluations: int) -> float:
    """Return the lowest J that SciPy's L-BFGS-B sees."""
    losses = []

    def function(x):
        if len(losses) == evaluations:
            raise EnoughEvaluationsError
        loss, gradient = objective(x.reshape(start.shape))
        losses.append(loss)
        return loss, gradient.ravel().astype(np.float64)

    options = {"maxiter": evaluations, "maxfun": 10 * evaluations, "ftol": 0, "gtol": 0}
    try:
        box = [(0, 255)] * start.size
        x = start.ravel().astype(np.float64)
        minimize(function, x, jac=True, method="L-BFGS-B", bounds=box, options=options)
    except EnoughEvaluationsError:
        pass
    return min(losses)


def best_learning_rate(objective: StyleTransferObjective, start: np.ndarray) -> float:
    """Return the η, of powers of 2, whose first ten plain steps get lowest: the notes' η, tuned."""
    _, gradient = objective(start)
    rates = 4.0 / np.abs(gradient).max() * 2.0 ** np.arange(-2, 7)

    def after(rate):
        G = start
        with np.errstate(all="ignore"):
            for _ in range(10):
                G = G - rate * objective(G)[1]
            return objective(G)[0]

    losses = [after(rate) for rate in rates]
    return float(rates[np.nanargmin(losses)])


def compare(network: VGG, pair: str, init: str, size: int, evaluations: int, ideas: bool) -> None:
    """Print one pair's rows."""
    content, style = (load_image(IMAGES / f"{name}.jpg") for name in pair.split("+"))
    content, style = (resize_image(image, fit(image.shape, size)) for image in (content, style))
    objective = StyleTransferObjective(network, gatys_terms(content, style), content.shape[:2])
    start = content
    if init == "random":
        start = np.random.default_rng(0).uniform(0, 255, content.shape).astype(np.float32)
    reference = lbfgs(objective, start, evaluations)
    print(f"{pair}, {init}, {size} px: L-BFGS-B {reference:.6g}", flush=True)

    def run(name, optimizer, iterations, coarse):
        with tqdm(total=1.0, desc=name, leave=False) as bar:
            result = style_transfer(
                content, style, network=network, init=init, optimizer=optimizer,
                iterations=iterations, coarse_to_fine=coarse,
                callback=lambda step: bar.update(step.progress - bar.n),
            )  # fmt: skip
        full = [r.loss for r in result.history if r.size == content.shape[:2]]
        print(f"  {name:<42} {min(full) / reference:8.3f}", flush=True)

    if ideas:
        rate = best_learning_rate(objective, start)
        run(f"G ← G − η ∂J/∂G, η = {rate:.2g}", GradientDescent(rate), evaluations - 1, False)
    for name, optimizer in DESCENTS.items():
        if ideas or name == list(DESCENTS)[-1]:
            run(name, optimizer, evaluations - 1, False)
    if init == "random":
        # At the sizes before the last there are half as many steps.
        shares = [h * w / (content.shape[0] * content.shape[1]) for h, w in
                  coarse_to_fine_sizes(content.shape)]  # fmt: skip
        last = int(evaluations / (1 + sum(shares[:-1]) / 2))
        run(f"+ coarse to fine, {last} at full size", PixelDescent(), last - 1, True)
        run(f"L-BFGS (default), {last} at full size", LBFGS(), last - 1, True)


def main() -> int:
    """Compare on every pair asked for."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--size", type=int, default=160, metavar="PX", help="long side (default: 160)")
    add("--evaluations", type=int, default=200, metavar="N", help="of J, each (default: 200)")
    add("--pairs", nargs="+", default=PAIRS, metavar="A+B", help=f"default: {' '.join(PAIRS)}")
    add("--init", nargs="+", default=["content", "random"], choices=["content", "random"],
        help="what to start from (default: both)")  # fmt: skip
    add("--ideas", action="store_true", help="show each idea of the default, not only all of them")
    arguments = parser.parse_args()
    network = VGG.load()
    try:
        for pair in arguments.pairs:
            for init in arguments.init:
                size, evaluations = arguments.size, arguments.evaluations
                compare(network, pair, init, size, evaluations, arguments.ideas)
    except (OSError, ValueError) as error:
        print(f"compare_optimizers: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
