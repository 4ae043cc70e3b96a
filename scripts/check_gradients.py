"""Prove every derivative: a table of operations, their largest error, and the bound.

Small random arrays first, entry by entry; then the whole chain from J to the pixels on the
embedded network and a real picture, in float64. Exit code 1 if one fails.

With --bug NAME a classic mistake is planted in a copy of the package, and the table shows how
it is caught. --bug list names them all.

With --step-plot, why numerical derivatives take the step h that they take: the error against h,
of a central difference and of a complex step, in float32 and float64, as a table and a figure.
"""

from interrupts import Interrupts

if __name__ == "__main__":
    Interrupts("check_gradients").install()

import argparse
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from command_line import Parser
from places import checked_place
from planted_bugs import BUGS, plant

from scratchnet import VGG, load_image
from scratchnet.checks.catalogue import check_chain, check_operations
from scratchnet.checks.numerical import central_difference, complex_step, numerical_gradient
from scratchnet.fast.proofs import check_fast_operations
from scratchnet.files.images import resize_image
from scratchnet.files.saving import replacing
from scratchnet.network import AveragePool, Convolution, Gram
from scratchnet.style import Style, style_target

IMAGES = Path(__file__).resolve().parent / "images"
STEP_PLOT = Path("outputs/step_plot.png")
STEPS = [float(f"{10 ** (-n / 3):.3g}") for n in range(46)]  # h from 1 to 1e-15, three a decade
CURVES = {
    (central_difference, np.float32): "C1", (central_difference, np.float64): "C3",
    (complex_step, np.float32): "C9", (complex_step, np.float64): "C0",
}  # fmt: skip
WHY_NOT = """
The derivative stays right, if of another function; or it is a choice on a kink, where the slopes of
both sides are derivatives, and the check measures on the side that the layer's own mask or switch
names. What the function should be, and which side to take, a worked example has to say."""
WHY = """
A central difference has two errors: truncation, about h²·f‴/6, and rounding, about ε·f/h, where
ε is 1e-7 in float32 and 2e-16 in float64. With all factors 1 their sum is least at h ≈ ε^⅓, where
it is about ε^⅔. Here f is of degree 4. Most of what the project checks is of degree 1 or 2 and has
no truncation error: hence its h = 1e-4, larger than the best one here. In float32 no h comes near
the bound of 1e-7. A complex step subtracts nothing, so nothing cancels: once its truncation error
is below ε, any h will do, in float32 as well."""


def check() -> int:
    """Print the table; return 1 if a check failed."""
    content = resize_image(load_image(IMAGES / "leuven_street.jpg"), (29, 39)).astype(np.float64)
    style = resize_image(load_image(IMAGES / "starry_night.jpg"), (32, 36)).astype(np.float64)
    failed = []
    print(f"{'operation':<58} {'∂/∂':<7} {'error':>8}  {'bound':>6}  kinks")
    # the lines that one reads, and windows as in a transfer
    network = VGG.load(dtype="float64", partial_windows=True, fast=False)
    for stage in (
        check_operations(), check_fast_operations(), check_chain(network, content, style),
    ):  # fmt: skip
        for report in stage:
            mark = "" if report.passed else "  FAILED"
            print(
                f"{report.operation:<58} {report.argument:<7} {report.error:>8.1e}  "
                f"{report.bound:>6.0e}  {report.kinks or '':>5}{mark}",
                flush=True,
            )
            if not report.passed:
                failed.append(report)
    print("kinks: how often a one-sided difference was taken, on a ReLU's 0 or a pool's tie\n")
    for report in failed:
        print(report)
    print(f"{len(failed)} failed" if failed else "all derivatives agree")
    return 1 if failed else 0


def check_with_bug(name: str) -> int:
    """Run this script on a copy of the package that has the mistake in it."""
    bugs = {bug.name: bug for bug in BUGS}
    if name not in bugs:
        for bug in BUGS:
            print(
                f"{bug.name:<28} {bug.mistake}", file=sys.stdout if name == "list" else sys.stderr
            )
        if name == "list":
            return 0
        print(f"check_gradients: --bug {name}: no such bug; they are above", file=sys.stderr)
        return 2
    bug = bugs[name]
    print(f"Planted in {bug.module}: {bug.mistake}\n- {bug.right}\n+ {bug.wrong}\n", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PYTHONPATH": str(plant(bug, Path(folder)))}
        code = subprocess.run([sys.executable, __file__], env=environment).returncode
    if code == 1:
        print("The mistake was caught.")
    elif code:
        print("The mistake was caught: with it, the checks could not even run.")
    elif not bug.by_gradients:
        print(f"This table can't see it; tests/{bug.test} does. {WHY_NOT}")
    else:
        print("The mistake was NOT caught.")
    return code


def smooth_chain(dtype: type) -> tuple:
    """Return x ↦ (J, ∂J/∂x) and an x; convolution, average pool, Gram and style loss: no kinks."""
    rng = np.random.default_rng(0)
    x, kernel, bias, a_S = (
        rng.standard_normal(shape, np.float32).astype(dtype)
        for shape in [(4, 4, 2), (3, 3, 2, 4), (4,), (4, 4, 4)]
    )
    convolution, pool, target = Convolution(kernel, bias), AveragePool(), style_target(a_S)

    def function(x):
        y, x_shape = convolution.forward(x)
        a, y_shape = pool.forward(y)
        J, da = Style.loss(a, target, 1.0, Gram())
        return J, convolution.backward(pool.backward(da, y_shape), x_shape)

    return function, x


def step_errors(method, dtype: type) -> list[float]:
    """Return ‖measured − by hand‖ / ‖by hand‖ of ∂J/∂x for each of STEPS."""
    from tqdm import tqdm

    function, x = smooth_chain(np.float64)
    _, by_hand = function(x)
    function, x = smooth_chain(dtype)
    errors = []
    for h in tqdm(STEPS, desc=f"{method.__name__}, {dtype.__name__}", leave=False):
        measured, _ = numerical_gradient(
            lambda x: (function(x)[0], None), x, partial(method, step=h)
        )
        errors.append(float(np.linalg.norm(measured - by_hand) / np.linalg.norm(by_hand)))
    return errors


def step_plot(path: Path) -> None:
    """Print and draw the error of each method against its step."""
    from matplotlib.figure import Figure

    endings = ".png", ".svg", ".pdf"
    if path.suffix not in endings:
        raise ValueError(f"--step-plot {path}: wanted a name that ends in .png, .svg or .pdf")
    given = None if path == STEP_PLOT else path
    path = checked_place("--step-plot", given, STEP_PLOT, endings, {}, overwrite=False)
    figure = Figure(figsize=(7.5, 4.8), layout="constrained")
    axes, grey = figure.subplots(), {"color": "0.5", "linestyle": ":", "linewidth": 1}
    print(f"{'':<29} {'best h':>6} {'error':>8}   {'theory: h':>11} {'error':>8}   at h = 1e-4")
    for (method, dtype), style in CURVES.items():
        errors, epsilon = step_errors(method, dtype), float(np.finfo(dtype).eps)
        name, best = f"{method.__name__}, {dtype.__name__}", int(np.argmin(errors))
        theory = f"{epsilon ** (1 / 3):11.0e} {epsilon ** (2 / 3):8.0e}"
        if method is complex_step:
            theory = f"{f'≤ {epsilon**0.5:.0e}':>11} {epsilon:8.0e}"
        at = errors[STEPS.index(1e-4)]
        print(f"{name:<29} {STEPS[best]:6.0e} {errors[best]:8.0e}   {theory}   {at:11.0e}")
        axes.loglog(STEPS, errors, style, label=name.replace("_", " "))
        if method is central_difference:
            axes.loglog(STEPS[best], errors[best], style, marker="o", zorder=3)
            axes.loglog(STEPS, [epsilon / h for h in STEPS], **grey)
    axes.loglog(STEPS, [h**2 for h in STEPS], **grey, label="in theory, factors 1: h² and ε/h")
    axes.axvline(1e-4, color="0.8", zorder=0)
    axes.text(1.2e-4, 3, "h = 1e-4, the default", color="0.4")
    axes.set(ylim=(1e-17, 100), xlabel="step h", ylabel="relative error of the gradient")
    axes.legend(frameon=False, fontsize="small", loc="upper left", bbox_to_anchor=(0, 0.48))
    axes.spines[["top", "right"]].set_visible(False)
    with replacing(path) as partial_file:
        figure.savefig(partial_file, dpi=100)
    print(f"{WHY}\nsaved {path}")


def main() -> int:
    """Check the package, or a copy with a mistake in it."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--bug", metavar="NAME", help="plant this mistake first; 'list' names all")
    group.add_argument(
        "--step-plot", nargs="?", type=Path, const=STEP_PLOT, metavar="FILE",
        help=f"only compare steps h, and draw the errors to a picture file (default: {STEP_PLOT}, "
        "with a number if it is there)",
    )  # fmt: skip
    arguments = parser.parse_args()
    try:
        if arguments.step_plot:
            step_plot(arguments.step_plot)
            return 0
        return check_with_bug(arguments.bug) if arguments.bug else check()
    except (OSError, ValueError) as error:
        print(f"check_gradients: {error}", file=sys.stderr)
        return 2
    except ImportError as error:
        print(f"check_gradients: {error}; install the extra: pip install '.[viz]'", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
