"""What the scripts about units share: the flags of a scan, and who carries it out."""

import argparse
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache, partial
from multiprocessing import connection
from pathlib import Path

import numpy as np
from command_line import available_memory, positive
from draw_styles import STYLES

from scratchnet.fast.workspace import available_cores
from scratchnet.files.images import MAX_PIXELS, find_pictures
from scratchnet.units.scan.patches import Patch, TopPatches, load_settings
from scratchnet.units.scan.run import ScanProgress, saved_scan, scan
from scratchnet.units.scan.settings import ScanSettings
from scratchnet.units.scan.worker import load_network
from scratchnet.units.strongest import crop

try:
    from tqdm import tqdm
except ImportError as error:
    print(f"{Path(sys.argv[0]).stem}: {error}; install the extra: pip install '.[viz]'",
          file=sys.stderr)  # fmt: skip
    sys.exit(2)

IMAGES = Path(__file__).parent / "images"
PAINTINGS = {
    "cafe_terrace", "church_at_auvers", "harvest", "night_cafe", "road_to_tarascon", "starry_night",
}  # fmt: skip
NOT_PHOTOGRAPHS = {*STYLES, *PAINTINGS}  # among them
DEFAULT = ScanSettings()
UNITS_PER_LAYER = 9
WORKER = 7e8  # bytes that a worker takes
MOST_WORKERS = 256
TLS = {
    "tls-ca-file": "certificate of who signed the cluster's certificates",
    "tls-cert": "certificate that this program shows to the cluster",
    "tls-key": "its private key",
}


def unit_choice(text: str) -> tuple[str, list[int]]:
    """Read "relu4_2:17,300"."""
    layer, _, channels = text.partition(":")
    try:
        return layer, [int(channel) for channel in channels.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not like relu4_2:17,300") from None


def names(text: str) -> tuple[str, ...]:
    """Read "a,b"."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def numbers(text: str) -> tuple[float, ...]:
    """Read "1,0.5"."""
    try:
        return tuple(map(float, names(text)))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not like 1,0.5") from None


# name: how it is read, metavar, help; the defaults are those of ScanSettings
SETTINGS = {
    "layers": (names, "A,B", "layers to look at"),
    "k": (positive, "N", "patches of a channel"),
    "per_picture": (positive, "N", "of them from one picture, at most"),
    "spacing": (float, "X", "their least distance in a picture, in sizes of the receptive field"),
    "size": (positive, "PX", "short side of a picture; smaller ones are enlarged"),
    "scales": (numbers, "A,B", "look at every picture in several sizes, such as 1,0.5"),
}


def add_scan_flags(
    parser: argparse.ArgumentParser, flag: str, default: str | None, *, without: tuple = ()
) -> None:
    """Add the flags of a scan to a command line.

    ``flag`` and its default name the file of patches; ``without`` names settings that have no flag
    here.
    """
    # fmt: off
    add = parser.add_argument
    add("--images", type=Path, default=IMAGES, metavar="FOLDER",
        help="pictures, at any depth; of the embedded folder only its photographs are used")
    for name, (kind, metavar, text) in SETTINGS.items():
        if name not in without:
            value = getattr(DEFAULT, name)
            shown = ",".join(map(str, value)) if isinstance(value, tuple) else value
            # left out if it is not given: a file of patches has settings of its own
            add(f"--{name.replace('_', '-')}", type=kind, default=argparse.SUPPRESS,
                metavar=metavar, help=f"{text} (default: as in the file of patches, or {shown})")
    add("--weights", type=Path, default=None, metavar="FILE",
        help="a weight file; None: the embedded VGG-16")
    add("--workers", type=positive, default=affordable_workers(), metavar="N",
        help="processes, of one thread and about 0.7 GB each")
    add("--scheduler", metavar="ADDRESS",
        help="of a Dask cluster that does the work instead, such as tls://HOST:8786: who reaches "
        "it runs code there; encrypted with the following three, as for Dask's own commands")
    for name, text in TLS.items():
        add(f"--{name}", type=Path, metavar="FILE", help=f"{text} (PEM)")
    add("--max-pixels", type=positive, default=MAX_PIXELS, metavar="N",
        help="larger picture files are skipped")
    add("--strict", action="store_true", help="stop at a picture that can't be read")
    add(flag, dest="patches", type=Path, default=default, metavar="FILE",
        help="the file of patches (HDF5): read if it is there, and otherwise made")
    # fmt: on


def affordable_workers() -> int:
    """Return one worker a core, or as many as there is memory for."""
    return max(1, int(min(available_cores(), MOST_WORKERS, available_memory() // WORKER)))


def settings_of(arguments: argparse.Namespace) -> ScanSettings:
    """Return the settings given; the others are those of a file that is there, or the defaults."""
    saved = saved_scan(arguments.patches)
    settings = load_settings(saved) if saved else DEFAULT
    given = {name: getattr(arguments, name) for name in SETTINGS if hasattr(arguments, name)}
    return replace(settings, **given)


def check_units(units: dict[str, list[int]], settings: ScanSettings, weights: str | None) -> None:
    """Raise ValueError for a unit that is not there: better now than after a long scan."""
    network, _ = load_network(weights, 1)  # the scan's own
    shapes = network.output_shapes(DEFAULT.size, DEFAULT.size)
    for layer, channels in units.items():
        if layer not in settings.layers:
            flag = f"--units {layer}:{','.join(map(str, channels))}"
            raise ValueError(f"{flag}: the layers scanned are {','.join(settings.layers)}")
        if layer in shapes:  # otherwise the scan says what the layers are
            *_, count = shapes[layer]
            for channel in channels:
                if not 0 <= channel < count:
                    raise ValueError(
                        f"--units {layer}:{channel}: {layer} has the channels 0 to {count - 1}"
                    )


def parse_with_units(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Add the flag --units and read the command line; ``units`` is then layer → channels."""
    parser.add_argument(
        "--units", type=unit_choice, nargs="+", action="extend", default=argparse.SUPPRESS,
        metavar="LAYER:N,N",
        help="which channels to draw, such as relu4_3:17,300; of other layers, the strongest nine",
    )  # fmt: skip
    arguments = parser.parse_args()
    units: dict[str, list[int]] = {}
    for layer, channels in getattr(arguments, "units", []):
        units[layer] = list(dict.fromkeys([*units.get(layer, []), *channels]))
    arguments.units = units
    return arguments


def chosen_units(top: TopPatches, arguments: argparse.Namespace) -> dict[str, list[int]]:
    """Return the channels to draw, by layer, those that see least first."""
    return {
        layer: arguments.units.get(layer) or top.strongest_channels(layer, UNITS_PER_LAYER)
        for layer in sorted(top.fields, key=lambda layer: top.fields[layer].size)
    }


def pictures_in(folder: Path, strict: bool = False) -> list[str]:
    """Return what to scan in a folder: of the embedded pictures, the photographs.

    What can't be read in it is reported; with ``strict``, it is an error.
    """
    found = find_pictures(folder, None if strict else partial(print, file=sys.stderr))
    if folder.resolve() == IMAGES.resolve():
        found = [name for name in found if Path(name).stem not in NOT_PHOTOGRAPHS]
    return found


@contextmanager
def workers(arguments: argparse.Namespace) -> Iterator[tuple[Executor, int]]:
    """Yield the executor asked for, and how many workers it has."""
    if arguments.scheduler:
        try:
            from distributed import Client, KilledWorker
        except ImportError as error:
            raise ValueError(f"--scheduler: {error}; install: pip install '.[cluster]'") from None
        encrypted = security(arguments)
        try:
            client = Client(arguments.scheduler, timeout="20s", security=encrypted)
        except TypeError:  # neither flags nor Dask's own settings name certificates
            raise ValueError(
                f"--scheduler {arguments.scheduler}: wanted --{', --'.join(TLS)} as well"
            ) from None
        except (OSError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise ValueError(f"--scheduler {arguments.scheduler}: {reason}") from None
        with client:
            try:
                # enough for workers that come later, too
                yield client.get_executor(), max(32, sum(client.ncores().values()))
            except KilledWorker as error:
                raise BrokenExecutor(str(error)) from None
        return
    if any(tls_files(arguments).values()):
        raise ValueError("--tls-…: wanted a --scheduler as well")
    if arguments.workers > MOST_WORKERS:
        raise ValueError(f"--workers: got {arguments.workers}, wanted 1 to {MOST_WORKERS}")
    pool = Processes(arguments.workers)
    try:
        yield pool, arguments.workers
    finally:
        # A second Ctrl-C must not interrupt this, or it would never end.
        with ctrl_c_ignored():
            pool.shutdown(cancel_futures=True)


def tls_files(arguments: argparse.Namespace) -> dict[str, Path | None]:
    """Return the files of certificates, by their flags' names."""
    return {name: getattr(arguments, name.replace("-", "_")) for name in TLS}


def security(arguments: argparse.Namespace):
    """Return Dask's settings for an encrypted connection; None leaves them to Dask's own files."""
    from distributed.security import Security

    files = tls_files(arguments)
    if not any(files.values()):
        return None
    for name, file in files.items():
        if file is None:
            raise ValueError(f"wanted all of --{', --'.join(TLS)}, got no --{name}")
        if not file.is_file():
            raise ValueError(f"--{name} {file}: no such file")
    ca, cert, key = map(str, files.values())
    return Security(
        tls_ca_file=ca, tls_client_cert=cert, tls_client_key=key, require_encryption=True
    )


class Processes(ProcessPoolExecutor):
    """Processes that leave Ctrl-C to the one that saves; each is started when there is a task."""

    def __init__(self, count: int):
        super().__init__(count, multiprocessing.get_context("spawn"), start_worker)
        self.not_started = count

    def submit(self, *task):
        """Hand out a task; the first ones start a process each.

        Before it comes to `start_worker`, a process ignores Ctrl-C if its parent did.
        """
        if not self.not_started:
            return super().submit(*task)
        self.not_started -= 1
        try:
            with ctrl_c_ignored():
                return super().submit(*task)
        except BrokenExecutor:
            raise
        except (OSError, RuntimeError) as error:
            raise BrokenExecutor(f"no more processes are granted: {error}") from None


@contextmanager
def ctrl_c_ignored() -> Iterator[None]:
    """Ignore Ctrl-C for a moment."""
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


def start_worker() -> None:
    """Leave Ctrl-C to the process that started this one, and end when it is gone, whatever way."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch():
        connection.wait([multiprocessing.parent_process().sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class Pictures:
    """The pictures of a scan; those used last are kept."""

    def __init__(self, top: TopPatches, folder: Path, max_pixels: int = MAX_PIXELS):
        read = partial(top.picture, folder, max_pixels=max_pixels)
        self.read = lru_cache(maxsize=64)(read)

    def __call__(self, patch: Patch) -> np.ndarray:
        """Return the picture that a patch comes from, at its scale."""
        return self.read(patch.picture, patch.scale)

    def cut(self, patch: Patch) -> np.ndarray:
        """Return the patch itself."""
        return crop(self(patch), patch.box)


class Bar:
    """The callback of a scan: a bar with pictures a second and the time left."""

    def __init__(self):
        self.bar = None

    def __call__(self, progress: ScanProgress) -> None:
        """Show how far the scan is, and what was skipped."""
        if self.bar is None:
            self.bar = tqdm(total=progress.total, initial=progress.done, unit="picture")
        self.bar.update(progress.done - self.bar.n)
        for reason in progress.skipped:
            self.bar.write(f"skipped {reason}", file=sys.stderr)
        if progress.done == progress.total:
            self.bar.close()


def make_room(output: Path) -> None:
    """Make the folder outputs/ if that is where a file goes; any other must be there."""
    if output.parent == Path("outputs"):
        output.parent.mkdir(exist_ok=True)
    elif not output.parent.is_dir():
        raise ValueError(f"{output}: there is no folder {output.parent}")
    if output.is_dir():
        raise ValueError(f"{output}: is a folder; wanted the name of a file")
    if not os.access(output.parent, os.W_OK):
        raise ValueError(f"{output}: the folder {output.parent} can't be written to")


def check_ending(flag: str, output: Path, *endings: str) -> None:
    """Raise ValueError unless a file to write has one of the endings: it may replace another."""
    if output.suffix.lower() not in endings:
        raise ValueError(f"{flag} {output}: wanted a name that ends in {' or '.join(endings)}")


def run_scan(arguments: argparse.Namespace) -> TopPatches:
    """Scan as the flags say, or go on with such a scan, or just read it if it is complete."""
    check_ending("file of patches", arguments.patches, ".h5", ".hdf5")
    if arguments.patches.absolute().is_relative_to(arguments.images.absolute()):
        raise ValueError(
            f"{arguments.patches}: lies in the folder of pictures, and a figure beside it would be "
            "taken for one more; choose another place"
        )
    found = pictures_in(arguments.images, arguments.strict)
    make_room(arguments.patches)
    settings = settings_of(arguments)
    weights = None if arguments.weights is None else str(arguments.weights.absolute())
    check_units(getattr(arguments, "units", {}), settings, weights)
    with workers(arguments) as (executor, count):
        top = scan(
            arguments.images, found, settings, arguments.patches, executor=executor,
            ahead=2 * count, weights=weights, max_pixels=arguments.max_pixels,
            strict=arguments.strict, callback=Bar(),
        )  # fmt: skip
    if len(top.unreadable) == len(top.names):
        raise ValueError(f"{arguments.images}: none of its pictures can be read or used")
    return top


def reported(run: Callable[[argparse.Namespace], None], arguments: argparse.Namespace) -> int:
    """Run; a mistake gives one line and exit code 2, and what was scanned is not lost."""
    name = Path(sys.argv[0]).stem
    # SIGTERM is treated like Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        run(arguments)
    except (OSError, ValueError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    except (BrokenExecutor, CancelledError, MemoryError) as error:
        print(
            f"\n{name}: a worker died, or memory ran out ({type(error).__name__} {error}); the "
            "same command goes on where it was: perhaps with fewer --workers",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print(f"\n{name}: interrupted; the same command goes on where it was", file=sys.stderr)
        return 130
    return 0
