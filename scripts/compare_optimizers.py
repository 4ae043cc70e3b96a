"""How low does each descent get, given the same number of evaluations of J?

For pairs of embedded pictures, from the content image and from noise: SciPy's L-BFGS-B (pixels
boxed to 0-255), PixelDescent and LBFGS. An evaluation at a coarse size counts by its share of the
pixels. Numbers are the lowest J reached, divided by L-BFGS-B's.

With --ideas: gradient descent as the notes have it, then with one idea of PixelDescent after the
other added, and then with each of its three numbers varied by itself.

With --spectrum: no table, but a figure that shows why smoothing helps. How strong are the broad and
the fine waves of ∂J/∂G, of the smoothed gradient, and of the step that would be right, from the
start to the picture of the lowest J?
"""

from interrupts import Interrupts

if __name__ == "__main__":
    Interrupts("compare_optimizers").install()

import argparse
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
from command_line import Parser, positive
from places import checked_place
from scipy.fft import dctn
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
from scratchnet.files.saving import replacing
from scratchnet.style.course import TransferResult
from scratchnet.style.levels import coarse_to_fine_sizes
from scratchnet.style.optimizers import frequencies, in_pixels, smooth

try:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from tqdm import tqdm
except ImportError as error:
    print(f"compare_optimizers: {error}; install the extra: pip install '.[viz]'", file=sys.stderr)
    sys.exit(2)

IMAGES = Path(__file__).resolve().parent / "images"
PAIRS = ["leuven_street+starry_night", "pagoda+flow_strokes", "cat+woodcut", "dog+stained_glass"]
DESCENTS = {
    "+ step in pixels, decay, clipping": PixelDescent(momentum=0, smoothing=0),
    "+ momentum": PixelDescent(smoothing=0),
    "+ smoothing": PixelDescent(),
}
AROUND = {  # values beside the default's; "+ momentum" above is smoothing 0
    "learning_rate": (0.75, 3.0),
    "momentum": (0.9, 0.98),
    "smoothing": (0.25, 1.0),
}
OUTPUT = Path("outputs/spectrum.png")
STARTS = {"content": "from the content image", "random": "from noise"}


class EnoughEvaluationsError(Exception):
    """Raised to stop L-BFGS-B when its evaluations are used up."""


def lbfgs(objective: StyleTransferObjective, start: np.ndarray, evaluations: int) -> float:
    """Return the lowest J that SciPy's L-BFGS-B sees."""
    losses, bar = [], tqdm(total=evaluations, desc="L-BFGS-B", leave=False)

    def function(x):
        if len(losses) == evaluations:
            raise EnoughEvaluationsError
        loss, gradient = objective(x.reshape(start.shape))
        losses.append(loss)
        bar.update()
        return loss, gradient.ravel().astype(np.float64)

    options = {"maxiter": evaluations, "maxfun": 10 * evaluations, "ftol": 0, "gtol": 0}
    try:
        box = [(0, 255)] * start.size
        x = start.ravel().astype(np.float64)
        minimize(function, x, jac=True, method="L-BFGS-B", bounds=box, options=options)
    except EnoughEvaluationsError:
        pass
    bar.close()
    return min(losses)


def best_learning_rate(objective: StyleTransferObjective, start: np.ndarray) -> float:
    """Return the η, of nine, whose first ten plain steps get lowest: the notes' η, tuned."""
    _, gradient = objective(start)
    rates = 4.0 / np.abs(gradient).max() * 2.0 ** np.arange(-2, 7)

    def after(rate):
        G = start
        with warnings.catch_warnings():  # np.errstate would not reach the network's threads
            warnings.simplefilter("ignore", RuntimeWarning)
            for _ in range(10):
                G = G - rate * objective(G)[1]
            return objective(G)[0]

    return float(
        rates[
            np.nanargmin([after(rate) for rate in tqdm(rates, desc="η", leave=False, disable=None)])
        ]
    )


def prepare(network: VGG, pair: str, init: str, size: int) -> tuple:
    """Return content, style, J, and what G starts as if there is one size."""
    names = pair.split("+")
    if len(names) != 2:
        raise ValueError(f"got the pair {pair!r}, wanted two pictures, such as {PAIRS[0]}")
    content, style = (load_image(IMAGES / f"{name}.jpg") for name in names)
    content, style = (resize_image(image, fit(image.shape, size)) for image in (content, style))
    objective = StyleTransferObjective(network, gatys_terms(content, style), content.shape[:2])
    if init == "content":
        return content, style, objective, content
    noise = np.random.default_rng(0).uniform(0, 255, content.shape)
    return content, style, objective, noise.astype(np.float32)


def transfer(name: str, content: np.ndarray, style: np.ndarray, **options) -> TransferResult:
    """Run a transfer with a progress bar."""
    with tqdm(total=1.0, desc=name, leave=False, bar_format="{l_bar}{bar}| {elapsed}") as bar:
        return style_transfer(
            content, style, callback=lambda step: bar.update(step.progress - bar.n), **options
        )


def compare(network: VGG, pair: str, init: str, size: int, evaluations: int, ideas: bool) -> None:
    """Print one pair's rows."""
    content, style, objective, start = prepare(network, pair, init, size)
    reference = lbfgs(objective, start, evaluations)
    print(f"{pair}, {init}, {size} px: L-BFGS-B {reference:.6g}", flush=True)

    def run(name, optimizer, evaluations=evaluations, coarse=False):
        result = transfer(
            name, content, style, network=network, init=init, optimizer=optimizer,
            iterations=evaluations - 1, coarse_to_fine=coarse,
        )  # fmt: skip
        full = [r.loss for r in result.history if r.size == content.shape[:2]]
        print(f"  {name:<42} {min(full) / reference:8.3f}", flush=True)

    if ideas:
        rate = best_learning_rate(objective, start)
        run(f"G ← G − η ∂J/∂G, η = {rate:.2g}", GradientDescent(rate))
        for name, optimizer in DESCENTS.items():
            run(name, optimizer)
        for name, values in AROUND.items():
            for value in values:
                run(f"  {name} {value}", replace(PixelDescent(), **{name: value}))
    else:
        run("PixelDescent", PixelDescent())
    run("LBFGS", LBFGS())
    if init == "random":
        # At the sizes before the last there are half as many steps.
        shares = [h * w / (content.shape[0] * content.shape[1]) for h, w in
                  coarse_to_fine_sizes(content.shape)]  # fmt: skip
        last = int(evaluations / (1 + sum(shares[:-1]) / 2))
        run(f"PixelDescent, coarse to fine, {last} at full size", PixelDescent(), last, True)
        run(f"LBFGS, coarse to fine, {last} at full size", LBFGS(), last, True)


def spectrum(x: np.ndarray, an_octave: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return wavelengths in pixels, and how strong a picture's waves of each are.

    The strength is the root mean square of their coefficients, with that of all coefficients
    scaled to 1. ``an_octave`` is the number of wavelengths for each factor of 2.
    """
    band = np.rint(np.log2(frequencies(*x.shape[:2])) * an_octave)
    squares = np.mean(dctn(in_pixels(x), axes=(0, 1), norm="ortho") ** 2, axis=2)
    bands = np.unique(band)
    return 2 / 2 ** (bands / an_octave), np.sqrt([squares[band == b].mean() for b in bands])


def compare_spectra(network: VGG, pair: str, inits: list[str], size: int, steps: int) -> None:
    """Print and draw the spectra of the gradient, the smoothed gradient and the right step."""
    output = checked_place("--spectrum", None, OUTPUT, (".png",), {}, overwrite=False)
    shape = {"figsize": (1 + 4.2 * len(inits), 4), "layout": "constrained"}
    figure, panels = plt.subplots(1, len(inits), sharey=True, squeeze=False, **shape)
    for panel, init in zip(panels[0], inits, strict=True):
        content, style, objective, start = prepare(network, pair, init, size)
        _, gradient = objective(start)
        best = transfer(
            f"{pair}, {STARTS[init]}", content, style, network=network, init=init,
            iterations=steps, coarse_to_fine=False,
        ).image  # fmt: skip
        shown = [gradient, smooth(gradient, PixelDescent.smoothing), best - start]
        lengths, g, smoothed, right = spectrum(gradient)[0], *(spectrum(x)[1] for x in shown)
        slope, _ = np.polyfit(np.log(lengths), np.log(right / g), 1)
        print(f"{pair}, {STARTS[init]}, {size} px: right step / gradient ≈ f^{-slope:.2f}")
        print("  wavelength, px      ∂J/∂G   smoothed  right step")
        for row in zip(lengths, g, smoothed, right, strict=True):
            print("  {:14.0f} {:10.2f} {:10.2f} {:11.2f}".format(*row))
        draw_spectra(panel, shown, STARTS[init])
    figure.suptitle(pair.replace("+", ", "), fontsize="medium")
    panels[0, 0].set_ylabel("strength of the waves (root mean square)")
    panels[0, -1].legend(frameon=False)
    with replacing(output) as partial:
        figure.savefig(partial, dpi=120)
    print(f"saved {output}")


def draw_spectra(panel, shown: list[np.ndarray], title: str) -> None:
    """Draw a curve for each of the gradient, the smoothed gradient and the right step."""
    lines = [
        (r"$\partial J/\partial G$", "-", "#c0392b"),
        (r"smoothed: times $f^{\,-1/2}$", "-", "#2471a3"),
        ("the right step: best G − first G", "--", "black"),
    ]
    for x, (label, line, colour) in zip(shown, lines, strict=True):
        panel.loglog(*spectrum(x, 2), line, color=colour, label=label, base=2)
    panel.set_yscale("log")
    panel.set(title=title, xlabel="wavelength in pixels: broad → fine", ylim=(0.02, 100))
    panel.invert_xaxis()
    panel.xaxis.set_major_formatter("{x:.0f}")
    panel.grid(alpha=0.3)
    panel.spines[["top", "right"]].set_visible(False)


def main() -> int:
    """Compare on every pair asked for."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--size", type=positive, default=160, metavar="PX", help="long side (default: 160)")
    add("--evaluations", type=positive, default=200, metavar="N", help="of J, each (default: 200)")
    add("--pairs", nargs="+", default=PAIRS, metavar="A+B", help=f"default: {' '.join(PAIRS)}")
    add("--init", nargs="+", default=list(STARTS), choices=STARTS,
        help="what to start from (default: both)")  # fmt: skip
    add("--ideas", action="store_true", help="show each idea of PixelDescent and vary its numbers")
    add("--spectrum", action="store_true", help=f"draw spectra of the first pair to {OUTPUT}")
    arguments = parser.parse_args()
    network = VGG.load(partial_windows=True)
    size, evaluations = arguments.size, arguments.evaluations
    try:
        if arguments.spectrum:
            compare_spectra(network, arguments.pairs[0], arguments.init, size, evaluations)
            return 0
        for pair in arguments.pairs:
            for init in arguments.init:
                compare(network, pair, init, size, evaluations, arguments.ideas)
    except (OSError, ValueError) as error:
        print(f"compare_optimizers: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
