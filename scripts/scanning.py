"""What the scripts about units share: the flags of a scan, its pictures, and what is said."""

import argparse
import sys
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, CancelledError
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from command_line import positive
from draw_styles import STYLES
from interrupts import Interrupts
from places import check_ending, check_output, default_stem, make_outputs, outputs_beside
from scan_workers import TLS, affordable_workers, tls_files, workers

from scratchnet.files.images import MAX_PIXELS, find_pictures
from scratchnet.files.names import expanded, printable
from scratchnet.units.choice import CHOICES, chosen_channels
from scratchnet.units.scan.patches import Patch, TopPatches, load_settings
from scratchnet.units.scan.run import saved_scan, scan
from scratchnet.units.scan.settings import ScanSettings
from scratchnet.units.scan.work import ScanProgress
from scratchnet.units.scan.worker import load_network
from scratchnet.units.strongest import crop

try:
    from tqdm import tqdm
except ImportError as error:
    print(f"{Path(sys.argv[0]).stem}: {error}; install the extra: pip install '.[viz]'",
          file=sys.stderr)  # fmt: skip
    sys.exit(2)

SCRIPTS = Path(__file__).resolve().parent
IMAGES = SCRIPTS / "images"
EMBEDDED = ("images", "photographs")  # folders there
PAINTINGS = {
    "cafe_terrace", "church_at_auvers", "harvest", "night_cafe", "road_to_tarascon", "starry_night",
}  # fmt: skip
NOT_PHOTOGRAPHS = {*STYLES, *PAINTINGS}  # among the images
DEFAULT = ScanSettings()
UNITS_PER_LAYER = 9


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
    parser: argparse.ArgumentParser, default: str = "top_patches", *, without: tuple = ()
) -> None:
    """Add the flags of a scan to a command line.

    ``default`` is the name of the file of patches in outputs/, without its ending; ``without``
    names settings that have no flag here.
    """
    # fmt: off
    add = parser.add_argument
    add("--images", type=expanded, default=SCRIPTS, metavar="FOLDER",
        help="pictures, at any depth; of the embedded ones, only photographs are used")
    for name, (kind, metavar, text) in SETTINGS.items():
        if name not in without:
            value = getattr(DEFAULT, name)
            shown = ",".join(map(str, value)) if isinstance(value, tuple) else value
            # left out if it is not given: a file of patches has settings of its own
            add(f"--{name.replace('_', '-')}", type=kind, default=argparse.SUPPRESS,
                metavar=metavar, help=f"{text} (default: as in the file of patches, or {shown})")
    add("--weights", type=expanded, default=None, metavar="FILE",
        help="a weight file; None: the embedded VGG-16")
    add("--workers", type=positive, default=affordable_workers(), metavar="N",
        help="processes, of one thread and about 0.7 GB each")
    add("--scheduler", metavar="ADDRESS",
        help="of a Dask cluster that does the work instead, such as tls://HOST:8786: who reaches "
        "it runs code there; encrypted with the following three, as for Dask's own commands")
    for name, text in TLS.items():
        add(f"--{name}", type=expanded, metavar="FILE", help=f"{text} (PEM)")
    add("--max-pixels", type=positive, default=MAX_PIXELS, metavar="N",
        help="larger picture files are skipped")
    add("--strict", action="store_true", help="stop at a picture that can't be read")
    add("--patches", type=expanded, metavar="FILE",
        help="the file of patches (HDF5): made if it is not there; pictures and layers that it "
        f"lacks are added; None: outputs/{default}.h5, or {default}_FOLDER.h5 of other --images")
    add("--choose", choices=CHOICES, default=CHOICES[0],
        help="which units to show. varied: strong ones, not at borders, each of something else; "
        "strength: the strongest")
    add("--overwrite", action="store_true",
        help="replace figures that are there; otherwise new ones get a number")
    # fmt: on


def patches_of(arguments: argparse.Namespace, default: str = "top_patches") -> Path:
    """Return the file of patches that was given, or the default: named after the pictures."""
    if arguments.images.resolve() != SCRIPTS:
        default = default_stem(default, arguments.images.resolve().name)
    return arguments.patches or Path("outputs", f"{default}.h5")


def scan_settings(arguments: argparse.Namespace) -> ScanSettings:
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
        help="which channels to draw, such as relu4_3:17,300; of other layers, some are chosen",
    )  # fmt: skip
    arguments = parser.parse_args()
    units: dict[str, list[int]] = {}
    for layer, channels in getattr(arguments, "units", []):
        units[layer] = list(dict.fromkeys([*units.get(layer, []), *channels]))
    arguments.units = units
    arguments.patches = patches_of(arguments)
    return arguments


def chosen_units(
    top: TopPatches, arguments: argparse.Namespace, count: int = UNITS_PER_LAYER
) -> dict[str, list[int]]:
    """Return the channels to draw, by layer, those that see least first; ``count`` of a layer."""
    return {
        layer: arguments.units.get(layer) or chosen_channels(top, layer, count, arguments.choose)
        for layer in sorted(top.fields, key=lambda layer: top.fields[layer].size)
        if layer in getattr(arguments, "layers", top.fields)
    }


def pictures_in(folder: Path, strict: bool = False) -> list[str]:
    """Return what to scan in a folder: of the embedded pictures, the photographs.

    What can't be read in it is reported; with ``strict``, it is an error.
    """
    found = find_pictures(folder, None if strict else partial(print, file=sys.stderr))
    if folder.resolve() == SCRIPTS:
        found = [name for name in found if Path(name).parts[0] in EMBEDDED]
    if folder.resolve() in (SCRIPTS, IMAGES):
        found = [name for name in found if Path(name).stem not in NOT_PHOTOGRAPHS]
    return found


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

    def __init__(self, interrupts: Interrupts):
        self.bar, self.layers, self.interrupts = None, (), interrupts

    def __call__(self, progress: ScanProgress) -> None:
        """Show how far the scan is, and what was skipped; raise what got lost on its way."""
        self.interrupts.begin()
        if self.layers != progress.layers:
            self.layers = progress.layers
            self.bar = tqdm(total=progress.total, initial=progress.done, unit="picture")
        self.bar.update(progress.done - self.bar.n)
        for reason in progress.skipped:
            self.bar.write(f"skipped {reason}", file=sys.stderr)
        if progress.done == progress.total:
            self.bar.close()


def read_files(arguments: argparse.Namespace) -> dict[str, Path]:
    """Return the files that a scan reads besides its pictures, by the flags that name them."""
    files = {f"--{name}": file for name, file in tls_files(arguments).items()}
    files["--weights"] = arguments.weights
    return {flag: file for flag, file in files.items() if file is not None}


def is_among_pictures(place: Path, folder: Path) -> bool:
    """Tell whether a scan of a folder would take a picture at a place for one of its own."""
    folder = folder.resolve()
    folders = [folder / name for name in EMBEDDED] if folder == SCRIPTS else [folder]
    return any(place.resolve().is_relative_to(folder) for folder in folders)


def check_patches(arguments: argparse.Namespace) -> None:
    """Raise ValueError unless the file of patches can be where it should."""
    patches = arguments.patches
    check_ending("file of patches", patches, ".h5", ".hdf5")
    if is_among_pictures(patches, arguments.images):
        raise ValueError(
            f"{patches}: lies in the folder of pictures, and a figure beside it would be "
            "taken for one more; choose another place"
        )
    make_outputs(patches)
    check_output("file of patches", patches, read_files(arguments), overwrite=True)


def figure_places(arguments: argparse.Namespace, *ends: str) -> list[Path]:
    """Return where figures go, beside the file of patches: numbered if one of them is there.

    Those of units that were asked for have these in their names.
    """
    check_patches(arguments)
    units = ["-".join([layer, *map(str, channels)]) for layer, channels in arguments.units.items()]
    patches = arguments.patches
    place = patches.with_stem(default_stem(patches.stem, *units)) if units else patches
    return outputs_beside(place, ends, read_files(arguments), arguments.overwrite)


def check_folder(arguments: argparse.Namespace, found: list[str]) -> None:
    """Raise ValueError unless the pictures of a scan that is there are among those found."""
    saved = saved_scan(arguments.patches)
    gone = sorted(set(TopPatches.load(saved).names) - set(found)) if saved else []
    if gone:
        raise ValueError(
            f"{saved}: holds {len(gone)} pictures that are not in {arguments.images} "
            f"({printable(gone[0])}): give their folder as --images, or another --patches"
        )


def run_scan(arguments: argparse.Namespace, interrupts: Interrupts) -> TopPatches:
    """Scan as the flags say, or go on with such a scan, or just read it if it is complete."""
    check_patches(arguments)
    found = pictures_in(arguments.images, arguments.strict)
    settings = scan_settings(arguments)
    check_folder(arguments, found)
    weights = None if arguments.weights is None else str(arguments.weights.absolute())
    check_units(getattr(arguments, "units", {}), settings, weights)
    with workers(arguments) as (executor, count):
        top = scan(
            arguments.images, found, settings, arguments.patches, executor=executor,
            ahead=2 * count, weights=weights, max_pixels=arguments.max_pixels,
            strict=arguments.strict, callback=Bar(interrupts),
        )  # fmt: skip
    if len(top.unreadable) == len(top.names):
        raise ValueError(f"{arguments.images}: none of its pictures can be read or used")
    return top


def reported(
    run: Callable[[argparse.Namespace], bool], arguments: argparse.Namespace, interrupts: Interrupts
) -> int:
    """Run, and return the exit code; ``run`` says whether all is where it was wanted.

    A mistake gives one line, and what was scanned is not lost.
    """
    name = interrupts.name
    try:
        interrupts.begin()
        return 0 if run(arguments) else 1
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
        return 128 + (interrupts.received or 2)
