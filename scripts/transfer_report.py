"""What --report and --animate make of a transfer at its end, whatever the end was."""

import argparse
import sys
from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import NamedTuple

import numpy as np
from term_gradients import by_term_and_layer, cosine, panel, rms
from transfer_finish import Finish
from transfer_inputs import Pictures, levels_at
from transfer_progress import say
from transfer_saving import read_files, save_these
from transfer_settings import command_of, hashes_of, shown_settings
from transfer_timeline import Timeline

from scratchnet import StyleTransferObjective, gatys_terms
from scratchnet.files.animation import animate, animation_kind
from scratchnet.files.images import resize_image
from scratchnet.files.saving import replacing
from scratchnet.network.network import Network
from scratchnet.pages.curves import beside_curves
from scratchnet.pages.page import decode, save_page
from scratchnet.pages.report import (
    FRAME,
    PANEL,
    Gradients,
    Panel,
    Report,
    Shown,
    report_html,
    within,
)
from scratchnet.style.course import Step, TransferResult
from scratchnet.style.optimizers import Optimizer

SUM = "sum"


class Run(NamedTuple):
    """A transfer that is about to begin."""

    arguments: argparse.Namespace
    pictures: Pictures
    network: Network
    optimizer: Optimizer
    options: dict[str, object]  # of style_transfer

    def term_gradients(self, steps: list[Step]) -> list[Gradients]:
        """Return ∂J/∂G of each term, at these steps."""
        known = signature(gatys_terms).parameters
        options = {name: value for name, value in self.options.items() if name in known}
        content = self.pictures.content
        terms = gatys_terms(content, self.pictures.styles, **options)
        found, alone, size = [], {}, None
        for step in steps:
            if step.image.shape[:2] != size:
                alone.clear()  # before the next targets take their place
                size = step.image.shape[:2]
                scale = size[0] / content.shape[0]
                J = StyleTransferObjective(self.network, terms, size, scale)
                alone = by_term_and_layer(J)
            found.append(_gradients(step, alone))
        return found


def _gradients(step: Step, alone: dict[str, StyleTransferObjective]) -> Gradients:
    """Return the panels of one step."""
    gradients = {name: of_one(step.image)[1] for name, of_one in alone.items()}
    gradients[SUM] = sum(gradients.values())
    small = {name: _shrunk(gradient) for name, gradient in gradients.items()}
    strongest = max(map(rms, small.values()))
    panels = [
        Panel(
            name,
            panel(small[name], strongest),
            rms(gradient),
            cosine(gradient, gradients[SUM]),
        )
        for name, gradient in gradients.items()
    ]
    return Gradients(step.iteration, step.loss, within(step.image, PANEL), panels)


def _shrunk(gradient: np.ndarray) -> np.ndarray:
    """Return a gradient at a panel's size; what cancels out within a pixel is gone."""
    most = float(np.abs(gradient).max()) or 1.0
    return (within(127.5 + gradient * (127.5 / most), PANEL) - 127.5) * (most / 127.5)


class Recorder:
    """Keeps what a report and an animated picture need, and saves them.

    Parameters
    ----------
    run : Run
    places : dict
        Flag → file: ``--report``, ``--animate``, or both.
    """

    def __init__(self, run: Run, places: dict[str, Path]):
        self.run, self.places = run, places
        arguments, pictures = run.arguments, run.pictures
        self.finish = Finish(arguments, pictures)
        levels = levels_at(pictures.content.shape[:2], arguments)
        self.timeline = Timeline(levels, self.finish, gradients="--report" in places)
        # Now, for the files may be others at the end.
        self.hashes = hashes_of(read_files(arguments)) if "--report" in places else []
        self.settings = shown_settings(arguments, run.network, run.optimizer, levels)

    def save(self, result: TransferResult) -> bool:
        """Save what was asked for, and say where; return whether all is where it was wanted."""
        steps = self.timeline.finish()
        result = result._replace(image=self.finish.shown(result.image))
        whole = True
        if (path := self.places.get("--report")) is not None:
            whole &= self._save(path, lambda: self._report(result, steps), save_page)
        if (path := self.places.get("--animate")) is not None:
            whole &= self._save(path, lambda: self._animation(result, path), _save_bytes)
        return whole

    def _save(self, path: Path, make: Callable, save: Callable) -> bool:
        """Make a file's contents and save them; if they can't be made, the picture is there."""
        try:
            made = make()
        except (MemoryError, ValueError) as error:
            say(f"transfer: {path}: not saved ({str(error) or 'memory ran out'})", sys.stderr)
            return False
        return save_these([(path, lambda place: save(place, made))], self.run.arguments.overwrite)

    def _report(self, result: TransferResult, steps: list[Step]) -> str:
        arguments, pictures = self.run.arguments, self.run.pictures
        names = [path.name for path in (arguments.content, *arguments.style)]
        roles = ["photograph", *(["style"] * len(pictures.styles))]
        images = [pictures.content, *pictures.styles]
        stems = [path.stem for path in arguments.style]
        report = Report(
            f"{arguments.content.stem} in the manner of {' and '.join(stems)}",
            [Shown(*shown) for shown in zip(roles, names, images, strict=True)],
            result.image,
            result.history,
            self.timeline.frames,
            self.run.term_gradients(steps),
            self.settings,
            command_of(arguments),
            self.hashes,
            result.stopped,
        )
        return report_html(report)

    def _animation(self, result: TransferResult, path: Path) -> bytes:
        """Return the frames, all at the size of the result, and the result as the last."""
        last = np.clip(np.rint(within(result.image, FRAME)), 0, 255).astype(np.uint8)
        at = [frame.iteration for frame in self.timeline.frames]
        images = [
            resize_image(decode(frame.data), last.shape[:2]) for frame in self.timeline.frames
        ]
        images[-1] = last
        if self.run.arguments.animate_curves:
            images = [
                beside_curves(image, result.history, iteration).astype(np.uint8)
                for image, iteration in zip(images, at, strict=True)
            ]
        made = animate(images, animation_kind(path))
        height, width = made.size
        say(f"animated {len(images)} frames, {width}×{height} px, {len(made.data) / 1e6:.1f} MB")
        return made.data


def _save_bytes(path: Path, data: bytes) -> None:
    with replacing(path) as partial:
        partial.write_bytes(data)
