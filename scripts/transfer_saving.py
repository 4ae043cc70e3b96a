"""What transfer.py saves, and where."""

import argparse
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from places import (
    beside,
    check_ending,
    check_output,
    default_stem,
    numbered,
    same_file,
    save_somewhere,
)
from transfer_extras import extra_ends, extra_places
from transfer_finish import Finish
from transfer_inputs import Pictures
from transfer_masks import mask_files
from transfer_memory import WIDEST
from transfer_progress import say

from scratchnet import save_image
from scratchnet.files.images import image_format, resize_image, side_by_side
from scratchnet.files.names import expanded
from scratchnet.files.saving import replacing
from scratchnet.files.weights import embedded_weights
from scratchnet.style.checkpoint import Record
from scratchnet.style.course import Step, TransferResult

STRIP, CURVE = ENDS = ("_strip.png", "_loss.png")


def check_extra() -> None:
    """Import what only this needs, now; raise ValueError if it is not installed."""
    try:
        import matplotlib.backends.backend_agg
        import matplotlib.figure  # noqa: F401
        import tqdm  # noqa: F401
    except ImportError as error:
        raise ValueError(f"{error}; install the extra: pip install '.[viz]'") from None


def plot_history(history: list[Record], path: Path) -> None:
    """Draw J and its terms over the iterations."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    iterations = [record.iteration for record in history]
    axes.semilogy(iterations, [record.loss for record in history], "k", label="J", linewidth=2)
    # the layers that are compared, and so the terms, may change with the size
    for name in dict.fromkeys(name for record in history for name in record.terms):
        values = [record.terms.get(name, np.nan) for record in history]
        axes.semilogy(iterations, values, label=name)
    for before, after in pairwise(history):
        if before.size != after.size:
            axes.axvline(after.iteration, color="0.8", zorder=0)
    axes.set(
        xlabel="evaluation of J (grey: the next size begins)", ylabel="J and its weighted terms"
    )
    axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    with replacing(path) as partial:
        figure.savefig(partial, dpi=110, format="png")


def strip(pictures: list[np.ndarray]) -> np.ndarray:
    """Put pictures in a row; a very long one is made smaller, with white above and below."""
    height, width = pictures[-1].shape[:2]
    widest = WIDEST * max(height, width)
    row = []
    for image in pictures:
        h, w = image.shape[:2]
        if w * height > widest * h:
            small = resize_image(image, (max(1, round(h * widest / w)), widest))
            image = np.full((height, widest, 3), 255, np.float32)
            top = (height - small.shape[0]) // 2
            image[top : top + small.shape[0]] = small
        row.append(image)
    return side_by_side(row)


class Places(NamedTuple):
    """Where everything goes that is saved at the end, and every so many steps."""

    output: Path
    strip: Path
    curve: Path
    frames: dict[int, Path]  # by iteration
    extras: dict[str, Path]  # by flag: --report, --animate


def read_files(arguments: argparse.Namespace) -> dict[str, Path]:
    """Return all files that are read, by the flag that names them."""
    named = {
        "--content": [arguments.content],
        "--style": arguments.style,
        "--weights": [arguments.weights or embedded_weights()],
        **{flag: paths or [] for flag, paths in mask_files(arguments).items()},
        "--resume": [arguments.resume] if arguments.resume else [],
        "--init": [] if arguments.init in ("random", "content") else [expanded(arguments.init)],
    }
    return {
        flag if len(paths) == 1 else f"{flag} ({n})": path
        for flag, paths in named.items()
        for n, path in enumerate(paths, start=1)
    }


def default_output(arguments: argparse.Namespace, ends: list[str]) -> Path:
    """Return outputs/CONTENT_STYLE.png, or the first such name with a number that is free."""
    stem = default_stem(arguments.content.stem, *(path.stem for path in arguments.style))
    output = Path("outputs", f"{stem}.png")
    if os.path.lexists("outputs") and not Path("outputs").is_dir():
        raise ValueError("outputs: is a file, wanted a folder; --output names another place")
    return output if arguments.overwrite else numbered(output, ends)


def checked_places(arguments: argparse.Namespace, evaluations: int) -> Places:
    """Return where the results go, after checking that all files can go there.

    ``evaluations`` says how many pictures there will be on the way.
    """
    every = arguments.save_every or evaluations
    saved_at = range(every, evaluations, every)
    ends = [*ENDS, *(f"_{n:04}.png" for n in saved_at)]
    output = arguments.output or default_output(arguments, [*ends, *extra_ends(arguments).values()])
    image_format(output)
    if arguments.keep_transparent:
        check_ending("--keep-transparent, --output", output, ".png", ".webp")
    strip, curve, *frames = beside(output, ends)
    files, inputs = [output, strip, curve, *frames], read_files(arguments)
    extras = extra_places(arguments, output, files, inputs)
    files += [extras[flag] for flag in extra_ends(arguments)]
    if (checkpoint := arguments.checkpoint) is not None:
        if any(same_file(checkpoint, path) for path in [*files, *extras.values()]):
            raise ValueError(f"--checkpoint {checkpoint}: is an output as well")
        goes_on = arguments.resume is not None and same_file(checkpoint, arguments.resume)
        others = {name: path for name, path in inputs.items() if name != "--resume" or not goes_on}
        check_output("--checkpoint", checkpoint, others, goes_on or arguments.overwrite)
    if arguments.output is None:
        output.parent.mkdir(exist_ok=True)
    for path in files:
        check_output("--output", path, inputs, arguments.overwrite)
    return Places(output, strip, curve, dict(zip(saved_at, frames, strict=True)), extras)


class Frames:
    """A callback that saves the picture so far at some iterations."""

    def __init__(self, places: Mapping[int, Path], finish: Finish):
        self.places, self.finish = dict(places), finish

    def __call__(self, step: Step) -> None:
        """Save if it is time; what can't be saved is said once, and the transfer goes on."""
        if place := self.places.get(step.iteration):
            try:
                image, opacity = self.finish.colored(step.image), self.finish.opacity(step.image)
                save_image(place, image, alpha=opacity)
            except OSError as error:
                self.places.clear()
                warnings.warn(f"{place}: not saved ({error.strerror or error})", stacklevel=2)


def save_all(
    result: TransferResult, pictures: Pictures, places: Places, arguments: argparse.Namespace
) -> bool:
    """Save the picture, the strip of all, and the curve of J; say where.

    Returns whether all three are where they were wanted.
    """
    finish = Finish(arguments, pictures)
    image, opacity = finish.colored(result.image), finish.opacity(result.image)
    row = [pictures.content, *pictures.styles, finish.shown(result.image)]
    return save_these(
        [
            (places.output, lambda place: save_image(place, image, alpha=opacity)),
            (places.strip, lambda place: save_image(place, strip(row))),
            (places.curve, lambda place: plot_history(result.history, place)),
        ],
        arguments.overwrite,
    )


def save_these(saves: Iterable[tuple[Path, Callable[[Path], None]]], overwrite: bool) -> bool:
    """Save some files, and say where; return whether all are where they were wanted."""
    saved, whole = [], True
    for path, save in saves:
        place, trouble = save_somewhere(path, save, overwrite)
        if trouble:
            whole = False
            say(f"transfer: {trouble}" + (f"; saved {place} instead" if place else ""), sys.stderr)
        elif place is not None:
            saved.append(str(place if not saved else place.name))
    if saved:
        say(f"saved    {', '.join(saved)}")
    return whole
