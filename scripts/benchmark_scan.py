"""How fast is a scan for top patches, beside PyTorch doing its forward passes and nothing else?

Both are given the same pictures at the same sizes, to the deepest layer. The scan reads the files,
keeps the strongest positions of every channel and saves them; PyTorch is handed the arrays. They
take turns. Then: which part of the scan's time are forward passes; and, with --memory, the peak of
a worker for 100 and for 1,000 pictures (files are used again under other names).
"""

from interrupts import Interrupts

if __name__ == "__main__":
    Interrupts("benchmark_scan").install()

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from command_line import Parser, peak_memory

IMAGES = Path(__file__).resolve().parent / "images"


def scan_here(folder: Path, names: list[str]) -> None:
    """Scan in this process, with one thread, and forget the result."""
    from scratchnet.units.scan.run import scan
    from scratchnet.units.scan.settings import ScanSettings

    with tempfile.TemporaryDirectory() as place:
        scan(folder, names, ScanSettings(), Path(place, "patches.h5"))


def forward_share(folder: Path, names: list[str]) -> tuple[float, int]:
    """Return which part of a scan's time is spent in forward passes, and the peak of memory."""
    from scratchnet.network.network import Network

    scan_here(folder, names[:2])  # memory has to be got, and caches filled
    inside, forward = [], Network.forward

    def timed(self, *arguments):
        start = time.perf_counter()
        try:
            return forward(self, *arguments)
        finally:
            inside.append(time.perf_counter() - start)

    Network.forward = timed
    start = time.perf_counter()
    scan_here(folder, names)
    return sum(inside) / (time.perf_counter() - start), peak_memory()


def pytorch_seconds(folder: Path, names: list[str]) -> float:
    """Return how long PyTorch's forward passes take, on all cores."""
    import torch
    from pytorch_peer import PyTorchVGG, to_torch

    from scratchnet.units.scan.settings import LAYERS, ScanSettings, working_picture

    network, size = PyTorchVGG(), ScanSettings().size
    pictures = [to_torch(working_picture(folder / name, size)) for name in names]
    with torch.no_grad():
        network.activations(pictures[0], LAYERS)
        start = time.perf_counter()
        for picture in pictures:
            network.activations(picture, LAYERS)
        return time.perf_counter() - start


def our_seconds(folder: Path, names: list[str], processes: int, threads: int) -> float:
    """Return how long a whole scan takes, once the workers are there."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    from scratchnet.units.scan.run import scan
    from scratchnet.units.scan.settings import ScanSettings

    with (
        ProcessPoolExecutor(processes, get_context("spawn")) as workers,
        tempfile.TemporaryDirectory() as place,
    ):
        for n, some in enumerate((names[: 8 * processes], names)):
            start = time.perf_counter()
            scan(folder, some, ScanSettings(), Path(place, f"{n}.h5"), executor=workers,
                 ahead=2 * processes, threads=threads)  # fmt: skip
            seconds = time.perf_counter() - start
    return seconds


def measure(what: str, folder: Path, count: int, *options: str) -> list[float]:
    """Run one measurement in a process of its own."""
    # fmt: off
    command = [sys.executable, __file__, "--images", str(folder), "--count", str(count),
               "--measure", what, *options]
    # fmt: on
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return [float(number) for number in run.stdout.split()]


def pictures(folder: Path, count: int) -> tuple[Path, list[str]]:
    """Return a folder with so many pictures: the first ones, or those over and over.

    What follows a picture's end makes each file another one: copies would count once.
    """
    from scratchnet.files.images import find_pictures

    found = find_pictures(folder)
    if count <= len(found):
        return folder, found[:count]
    many = Path(tempfile.mkdtemp(prefix="scan-"))
    for n in range(count):
        source = folder / found[n % len(found)]
        (many / f"{n:06}{source.suffix}").write_bytes(source.read_bytes() + b"%d" % n)
    return many, find_pictures(many)


def work(arguments: argparse.Namespace) -> None:
    """Do one measurement and print its numbers."""
    import shutil

    folder, names = pictures(arguments.images, arguments.count)
    what = arguments.measure[0]
    try:
        if what == "pytorch":
            print(pytorch_seconds(folder, names))
        elif what == "scan":
            print(our_seconds(folder, names, *map(int, arguments.measure[1:])))
        else:
            print(*forward_share(folder, names))
    finally:
        if folder != arguments.images:
            shutil.rmtree(folder)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--images", type=Path, default=IMAGES, metavar="FOLDER")
    parser.add_argument("--count", type=int, default=100, metavar="N", help="pictures in a round")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="turns of each program")
    parser.add_argument("--memory", action="store_true", help="also 100 against 1,000 pictures")
    parser.add_argument("--measure", nargs="+", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    """Measure and print."""
    arguments = parse_arguments()
    if arguments.measure:
        work(arguments)
        return 0
    try:
        import torch
        from tqdm import tqdm
    except ImportError as error:
        print(f"benchmark_scan: {error}; install: pip install '.[bench,viz]'", file=sys.stderr)
        return 2
    folder, count = arguments.images, arguments.count
    kinds = {
        "PyTorch, forward passes only": ("pytorch",),
        "scratchnet, scan, 2 workers of 1 thread": ("scan", "2", "1"),
        "scratchnet, scan, 1 worker of 2 threads": ("scan", "1", "2"),
    }
    seconds = {kind: [] for kind in kinds}
    for _ in tqdm(range(arguments.rounds)):
        for kind, (what, *options) in kinds.items():
            seconds[kind] += measure(what, folder, count, *options)
    print(f"PyTorch {torch.__version__}, NumPy {np.__version__}, {os.cpu_count()} cores\n")
    print(f"| {count} pictures | a second (best, median) | ÷ PyTorch's (best, median) |")
    print("|---|---|---|")
    theirs = np.array(seconds["PyTorch, forward passes only"])
    for kind, times in seconds.items():
        times = np.array(times)
        print(
            f"| {kind} | {count / times.min():.2f}, {count / np.median(times):.2f} "
            f"| {theirs.min() / times.min():.2f}, {np.median(theirs) / np.median(times):.2f} |"
        )
    share, memory = measure("share", folder, count)
    print(f"\nForward passes take {100 * share:.1f} % of a scan's time with one thread.")
    if arguments.memory:
        peaks = [measure("share", folder, n)[1] / 1e6 for n in (100, 1000)]
        print(
            "Peak memory of a worker: {:.0f} MB for 100 pictures, {:.0f} MB for 1,000.".format(
                *peaks
            )
        )
    else:
        print(f"Peak memory of a worker: {memory / 1e6:.0f} MB.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
