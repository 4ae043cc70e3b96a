"""How fast is scratchnet, and how much memory does it take, beside PyTorch?

Both compute the same J and ∂J/∂G: forward to conv5_1, five Gram losses, content at relu4_2, total
variation, backward to the pixels. Each program runs in a process of its own; they take turns, so
that a busy machine slows both. Saves the tables and a plot in the folder --output.
"""

from interrupts import Interrupts

if __name__ == "__main__":
    Interrupts("benchmark").install()

import argparse
import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from command_line import Parser, peak_memory

CHECKOUT = Path(__file__).resolve().parents[1]
IMAGES = Path(__file__).resolve().parent / "images"
PROGRAMS = ("PyTorch", "scratchnet")
# Both programs are to use all cores: these would keep PyTorch, or SciPy beside it, from that.
THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")
ENOUGH = 1.05  # · L*
EVALUATIONS = 300  # of J, in the descent that sets L*


# ------------------------------------------------------------ in a process of its own


def pictures(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the default content and style picture, stretched to a square."""
    from scratchnet import load_image
    from scratchnet.files.images import resize_image

    names = ("leuven_street.jpg", "starry_night.jpg")
    return tuple(resize_image(load_image(IMAGES / name), (size, size)) for name in names)


def objective(program: str, content: np.ndarray, style: np.ndarray):
    """Return J by either program, ready to be called."""
    if program == "PyTorch":
        from pytorch_peer import PyTorchObjective

        return PyTorchObjective(content, style)
    from scratchnet import VGG, StyleTransferObjective, gatys_terms

    network, terms = VGG.load(partial_windows=True), gatys_terms(content, style)
    return StyleTransferObjective(network, terms, content.shape[:2])


def our_layer_times(shapes: dict, rounds: int) -> dict[str, list[float]]:
    """Return each convolution's forward and backward seconds, the least of all rounds."""
    from scratchnet import VGG

    network, times = VGG.load(), {}
    layers = {layer.name: layer for layer in network.layers}
    rng = np.random.default_rng(0)
    for name, shape in shapes.items():
        layer, least = layers[name], [np.inf, np.inf]
        x = rng.standard_normal(shape, np.float32)
        dy = rng.standard_normal((*shape[:2], layer.bias.size), np.float32)
        for _ in range(rounds):
            start = time.perf_counter()
            _, cache = layer.forward(x)
            middle = time.perf_counter()
            layer.backward(dy, cache)
            seconds = (middle - start, time.perf_counter() - middle)
            least = [min(pair) for pair in zip(least, seconds, strict=True)]
        times[name] = least
    return times


def product_rate() -> float:
    """Return the operations a second of float32 matrix products on all cores (sgemm)."""
    from scratchnet.blas import one_blas_thread
    from scratchnet.fast.workspace import Workspace

    n, workspace = 1024, Workspace()
    factors = np.random.default_rng(0).standard_normal((2 * workspace.threads, n, n), np.float32)
    least = np.inf
    for _ in range(10):
        start = time.perf_counter()
        with one_blas_thread:
            workspace.map(lambda A: A @ A, factors)
        least = min(least, time.perf_counter() - start)
    return len(factors) * 2 * n**3 / least


def lbfgs(J, start: np.ndarray) -> list[tuple[float, float]]:
    """Run SciPy's L-BFGS-B from a picture; return (seconds, lowest J so far) by evaluation."""
    from scipy.optimize import minimize

    course, began = [], time.perf_counter()

    def function(x):
        loss, gradient = J(x.reshape(start.shape).astype(np.float32))
        lowest = min(loss, course[-1][1]) if course else loss
        course.append((time.perf_counter() - began, lowest))
        if len(course) == EVALUATIONS:
            raise StopIteration
        return loss, gradient.ravel().astype(np.float64)

    options = {"maxiter": EVALUATIONS, "maxfun": 2 * EVALUATIONS, "ftol": 0, "gtol": 0}
    try:
        x, box = start.ravel().astype(np.float64), [(0, 255)] * start.size
        minimize(function, x, jac=True, method="L-BFGS-B", bounds=box, options=options)
    except StopIteration:
        pass
    return course


def our_descent(J, start: np.ndarray) -> list[tuple[float, float]]:
    """Run our L-BFGS from a picture; return (seconds, lowest J so far) by evaluation."""
    from scratchnet import LBFGS
    from scratchnet.style.transfer import descend

    course, began, lowest = [], time.perf_counter(), np.inf
    for _, evaluation in descend(J, start, LBFGS(), EVALUATIONS - 1):
        lowest = min(lowest, evaluation.loss)
        course.append((time.perf_counter() - began, lowest))
    return course


def work(program: str, size: int) -> None:
    """Answer requests, a line each, until there are no more."""
    content, style = pictures(size)
    J = objective(program, content, style)
    for request in sys.stdin:
        what, _, argument = request.strip().partition(" ")
        start = time.perf_counter()
        if what == "evaluate":
            J(content)
            answer = time.perf_counter() - start
        elif what == "memory":
            answer = peak_memory()
        elif what == "descend":
            answer = (lbfgs if program == "PyTorch" else our_descent)(J, content)
        elif what == "rate":
            answer = product_rate()
        else:
            from pytorch_peer import layer_times

            shapes = {name: tuple(shape) for name, shape in json.loads(argument).items()}
            measure = layer_times if program == "PyTorch" else our_layer_times
            answer = measure(shapes, 5)
        print(json.dumps(answer), flush=True)


# ------------------------------------------------------------------- the process that asks


class Worker:
    """One program at one size, in a process of its own."""

    def __init__(self, program: str, size: int, checkout: Path = CHECKOUT, told: bool = False):
        script = checkout / "scripts" / "benchmark.py"
        command = [sys.executable, str(script), "--worker", program, "--sizes", str(size)]
        environment = {key: value for key, value in os.environ.items() if key not in THREADS}
        environment["PYTHONPATH"] = str(checkout)
        if told:  # what README asked of every program up to 0.1.0
            environment["OPENBLAS_NUM_THREADS"] = "1"
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, text=True, env=environment
        )

    def ask(self, request: str):
        """Send a request and wait for the answer."""
        self.process.stdin.write(request + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise ChildProcessError("a program under test has ended; its message is above")
        return json.loads(answer)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.stdin.close()
        self.process.wait()


def compare(size: int, rounds: int, bar) -> dict[str, np.ndarray]:
    """Let both programs evaluate J in turns; return each one's seconds, and its peak memory."""
    with Worker("PyTorch", size) as theirs, Worker("scratchnet", size) as ours:
        workers = {"PyTorch": theirs, "scratchnet": ours}
        for worker in workers.values():
            for _ in range(2):  # memory has to be got, and caches filled
                worker.ask("evaluate")
        seconds = {program: [] for program in workers}
        for _ in range(rounds):
            for program, worker in workers.items():
                seconds[program].append(worker.ask("evaluate"))
            bar.update()
        result = {program: np.array(times) for program, times in seconds.items()}
        memory = {f"{program} memory": worker.ask("memory") for program, worker in workers.items()}
    return result | memory


def change_table(before: Path, sizes: list[int], rounds: int, bar) -> str:
    """Return the table of this checkout beside another one, in turns, in Markdown."""
    lines = [
        "| px | before, ms (min, median) | now | now / before "
        "| not told OPENBLAS_NUM_THREADS=1 / told | memory: now / before |",
        "|---|---|---|---|---|---|",
    ]
    for size in sizes:
        kinds = [(before.absolute(), True), (CHECKOUT, True), (CHECKOUT, False)]
        with ExitStack() as stack:
            workers = [stack.enter_context(Worker("scratchnet", size, *kind)) for kind in kinds]
            for worker in workers:
                for _ in range(2):
                    worker.ask("evaluate")
            times = []
            for _ in range(rounds):
                times.append([worker.ask("evaluate") for worker in workers])
                bar.update()
            memory = [worker.ask("memory") for worker in workers]
        low, middle = np.min(times, axis=0), np.median(times, axis=0)
        ms = [f"{1e3 * a:.0f}, {1e3 * b:.0f}" for a, b in zip(low, middle, strict=True)]
        change, told = (f"{low[n] / low[m]:.3f}, {middle[n] / middle[m]:.3f}" for n, m in
                        ((1, 0), (2, 1)))  # fmt: skip
        lines.append(
            f"| {size}² | {ms[0]} | {ms[1]} | **{change}** | {told} | {memory[1] / memory[0]:.3f} |"
        )
    return "\n".join(lines)


def iteration_table(results: dict[int, dict]) -> str:
    """Return the table of whole iterations and memory, in Markdown."""
    lines = [
        "| px | PyTorch, s (min, median) | scratchnet, s | PyTorch / ours (min, median) "
        "| µs a pixel | memory, GB: PyTorch | ours | ours / PyTorch |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for size, result in results.items():
        theirs, ours = (result[program] for program in PROGRAMS)
        low, middle = theirs.min() / ours.min(), np.median(theirs) / np.median(ours)
        memory = [result[f"{program} memory"] / 1e9 for program in PROGRAMS]
        lines.append(
            f"| {size}² | {theirs.min():.3f}, {np.median(theirs):.3f} "
            f"| {ours.min():.3f}, {np.median(ours):.3f} | **{low:.2f}, {middle:.2f}** "
            f"| {1e6 * np.median(ours) / size**2:.2f} "
            f"| {memory[0]:.2f} | {memory[1]:.2f} | **{memory[1] / memory[0]:.2f}** |"
        )
    return "\n".join(lines)


def layer_table(size: int) -> str:
    """Return the table of each convolution's times, in Markdown."""
    from scratchnet import VGG

    network, shape, shapes = VGG.load(), (size, size, 3), {}
    counts = {}
    for layer in network.layers:
        if layer.name.startswith("conv"):
            shapes[layer.name] = shape
            H, W, _ = shape
            counts[layer.name] = 2 * H * W * layer.kernel.size
        shape = layer.output_shape(shape)
        if layer.name == "conv5_1":
            break
    request = "layers " + json.dumps(shapes)
    times = {}
    for program in PROGRAMS:
        with Worker(program, 32) as worker:
            times[program] = worker.ask(request)
            rate = worker.ask("rate") if program == "scratchnet" else 0
    lines = [
        f"Matrix products: {rate / 1e9:.0f} GFLOP/s. Bound: the definition's 2·9·H·W·C_in·C_out "
        f"operations at that rate, each way. Times in ms, forward + backward, at {size}².\n",
        "| layer | input | PyTorch | ours | PyTorch / ours | bound |",
        "|---|---|---|---|---|---|",
    ]
    for name, (H, W, C) in shapes.items():
        (fa, ba), (fb, bb) = (times[program][name] for program in PROGRAMS)
        lines.append(
            f"| {name} | {H}×{W}×{C} | {1e3 * fa:.1f} + {1e3 * ba:.1f} "
            f"| {1e3 * fb:.1f} + {1e3 * bb:.1f} | {(fa + ba) / (fb + bb):.2f} "
            f"| {1e3 * counts[name] / rate:.1f} + {1e3 * counts[name] / rate:.1f} |"
        )
    return "\n".join(lines)


def quality_table(size: int) -> str:
    """Return how long either takes to J ≤ 1.05 L*, in Markdown."""
    courses = {}
    for program in PROGRAMS:
        with Worker(program, size) as worker:
            worker.ask("evaluate")
            courses[program] = worker.ask("descend")
    lowest = courses["PyTorch"][-1][1]
    reached = {}
    for program, course in courses.items():
        there = [n for n, (_, loss) in enumerate(course) if loss <= ENOUGH * lowest]
        reached[program] = (course[there[0]][0], there[0] + 1) if there else (np.inf, len(course))
    (theirs, their_count), (ours, our_count) = (reached[program] for program in PROGRAMS)
    return (
        f"At {size}², from the content image, until J ≤ {ENOUGH} L* = {ENOUGH * lowest:.6g} (L*: "
        f"PyTorch with SciPy's L-BFGS-B, {EVALUATIONS} evaluations):\n\n"
        "| | evaluations | seconds | PyTorch / ours |\n|---|---|---|---|\n"
        f"| PyTorch, L-BFGS-B | {their_count} | {theirs:.1f} | |\n"
        f"| scratchnet, LBFGS | {our_count} | {ours:.1f} "
        f"| **{theirs / ours:.2f}** |"
    )


def plot(results: dict[int, dict], path: Path) -> None:
    """Draw time and memory over size."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
    for program, colour in zip(PROGRAMS, ("C1", "C0"), strict=True):
        sizes = list(results)
        times = np.array([result[program] for result in results.values()])
        low, high = times.min(axis=1), np.median(times, axis=1)
        left.loglog(sizes, high, "o-", color=colour, label=program)
        left.fill_between(sizes, low, high, color=colour, alpha=0.3)
        memory = [result[f"{program} memory"] / 1e9 for result in results.values()]
        right.loglog(sizes, memory, "o-", color=colour, label=program)
    left.set(title="one iteration, s (minimum to median)", xlabel="side, px")
    right.set(title="peak memory, GB", xlabel="side, px")
    for axes in (left, right):
        axes.set_xticks(sizes, labels=map(str, sizes), minor=False)
        axes.minorticks_off()
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=110)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 256, 512, 1024], metavar="PX")
    parser.add_argument("--rounds", type=int, default=10, metavar="N", help="turns of each program")
    parser.add_argument("--only", choices=("iterations", "layers", "quality"), help="one table")
    parser.add_argument(
        "--before", type=Path, metavar="CHECKOUT", help="compare with another checkout instead"
    )
    parser.add_argument("--output", type=Path, default=Path("outputs/benchmark"), metavar="DIR")
    parser.add_argument("--worker", choices=PROGRAMS, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    """Measure, print, save."""
    arguments = parse_arguments()
    if arguments.worker:
        work(arguments.worker, arguments.sizes[0])
        return 0
    if arguments.before:
        from tqdm import tqdm

        with tqdm(total=len(arguments.sizes) * arguments.rounds) as bar:
            print(change_table(arguments.before, arguments.sizes, arguments.rounds, bar))
        return 0
    try:
        import torch
        from tqdm import tqdm
    except ImportError as error:
        print(f"benchmark: {error}; install: pip install '.[bench,viz]'", file=sys.stderr)
        return 2
    arguments.output.mkdir(parents=True, exist_ok=True)
    tables, only = [], arguments.only
    head = f"PyTorch {torch.__version__}, NumPy {np.__version__}, {os.cpu_count()} cores"
    if only in (None, "iterations"):
        with tqdm(total=len(arguments.sizes) * arguments.rounds) as bar:
            results = {size: compare(size, arguments.rounds, bar) for size in arguments.sizes}
        tables.append(iteration_table(results))
        plot(results, arguments.output / "benchmark.png")
    if only in (None, "layers"):
        tables.append(layer_table(256))
    if only in (None, "quality"):
        tables.append(quality_table(256))
    text = "\n\n".join([head, *tables]) + "\n"
    (arguments.output / "benchmark.md").write_text(text, encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
