"""What transfer.py shows while it works, and what it saves in the end."""

import argparse
import contextlib
import os
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
from interrupts import Interrupts
from places import beside, check_output, default_stem, numbered, same_file, save_somewhere

from scratchnet import save_image
from scratchnet.files.images import resize_image, side_by_side
from scratchnet.files.names import expanded
from scratchnet.files.saving import replacing
from scratchnet.files.weights import embedded_weights
from scratchnet.style.checkpoint import Record
from scratchnet.style.course import Step

STRIP, CURVE = ENDS = ("_strip.png", "_loss.png")
WIDEST = 2  # of a picture in the strip, in long sides of the result


def check_extra() -> None:
    """Import what only this needs, now; raise ValueError if it is not installed."""
    try:
        import matplotlib.backends.backend_agg
        import matplotlib.figure  # noqa: F401
        import tqdm  # noqa: F401
    except ImportError as error:
        raise ValueError(f"{error}; install the extra: pip install '.[viz]'") from None


class Progress:
    """The callback: shows a bar with the loss by term; a step is something to save."""

    def __init__(self, interrupts: Interrupts):
        self.last: Step | None = None
        self.history: list[Record] = []
        self.interrupts = interrupts
        self.bar = None

    def _begin(self):
        """Show the bar: not before the first step, for what is wrong is one line alone."""
        from tqdm import tqdm

        form = "{percentage:3.0f}% |{bar:20}| {elapsed}, {remaining} left{postfix}"
        tqdm.monitor_interval = 0  # its thread would map 0.1 GB of addresses
        return tqdm(total=1.0, bar_format=form)

    def __call__(self, step: Step) -> None:
        """Show one step."""
        self.last = step
        self.history.append(Record(step.iteration, step.loss, step.terms, step.image.shape[:2]))
        if step.progress >= 1:
            self.interrupts.hold()
        else:
            self.interrupts.begin()
        sums = dict.fromkeys(("content", "style", "tv"), 0.0)
        for name, term in step.terms.items():
            sums[name.split()[0]] += term
        terms = ", ".join(f"{name} {value:.3g}" for name, value in sums.items())
        with contextlib.suppress(OSError):  # the terminal may be gone
            self.bar = self._begin() if self.bar is None else self.bar
            self.bar.set_postfix_str(f"step {step.iteration}: J {step.loss:.4g} ({terms})", False)
            self.bar.update(step.progress - self.bar.n)

    def close(self) -> None:
        """End the bar's line."""
        with contextlib.suppress(OSError):
            if self.bar is not None:
                self.bar.close()


def say(text: str, stream=None) -> None:
    """Print a line, even if nobody reads any more."""
    with contextlib.suppress(OSError, ValueError):
        print(text, file=stream or sys.stdout, flush=True)


def plot_history(history: list[Record], path: Path) -> None:
    """Draw J and its terms over the iterations."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    iterations = [record.iteration for record in history]
    axes.semilogy(iterations, [record.loss for record in history], "k", label="J", linewidth=2)
    for name in history[0].terms:
        axes.semilogy(iterations, [record.terms[name] for record in history], label=name)
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


def checked_output(arguments: argparse.Namespace) -> Path:
    """Return where the result goes, after checking that all files can go there."""
    inputs = {name: getattr(arguments, name) for name in ("content", "style", "weights", "resume")}
    inputs["weights"] = inputs["weights"] or embedded_weights()
    if arguments.init not in ("random", "content"):
        inputs["init"] = expanded(arguments.init)
    inputs = {f"--{name}": path for name, path in inputs.items() if path}
    output, checkpoint = arguments.output, arguments.checkpoint
    if output is None:
        stem = default_stem(arguments.content.stem, arguments.style.stem)
        output = Path("outputs", f"{stem}.png")
        if os.path.lexists("outputs") and not Path("outputs").is_dir():
            raise ValueError("outputs: is a file, wanted a folder; --output names another place")
        output = output if arguments.overwrite else numbered(output, ENDS)
    files = [output, *beside(output, ENDS)]
    if checkpoint is not None:
        if any(same_file(checkpoint, path) for path in files):
            raise ValueError(f"--checkpoint {checkpoint}: is an output as well")
        goes_on = arguments.resume is not None and same_file(checkpoint, arguments.resume)
        others = {name: path for name, path in inputs.items() if name != "--resume" or not goes_on}
        check_output("--checkpoint", checkpoint, others, goes_on or arguments.overwrite)
    if arguments.output is None:
        output.parent.mkdir(exist_ok=True)
    for path in files:
        check_output("--output", path, inputs, arguments.overwrite)
    return output


def save_all(
    output: Path, pictures: list[np.ndarray], history: list[Record], overwrite: bool
) -> bool:
    """Save the last of the pictures, the strip of all, and the curve; say where.

    Returns whether all three are where they were wanted.
    """
    names = beside(output, ENDS)
    saved, whole = [], True
    for path, save in [
        (output, lambda place: save_image(place, pictures[-1])),
        (names[0], lambda place: save_image(place, strip(pictures))),
        (names[1], lambda place: plot_history(history, place)),
    ]:
        place, trouble = save_somewhere(path, save, overwrite)
        if trouble:
            whole = False
            say(f"transfer: {trouble}" + (f"; saved {place} instead" if place else ""), sys.stderr)
        elif place is not None:
            saved.append(str(place if not saved else place.name))
    if saved:
        say(f"saved    {', '.join(saved)}")
    return whole
