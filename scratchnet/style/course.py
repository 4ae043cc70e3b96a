"""What a transfer has seen so far: the best picture, the course of J, and whether to go on.

A descent can fail, and then says so in `TransferResult.stopped`, with the picture that was the best
until then. J_0 is J at the start of a size ::

    J or ∂J/∂G is not finite                    stops at once
    J > 100 J_0, ten times one after another    stops: it won't come back
    J never below J_0 > 0 at full size          is said at the end

(Once is not enough for the second. From the content image J_0 may be tiny, and the first step has
a fixed length.)
"""

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from math import inf, isfinite, prod
from typing import NamedTuple

import numpy as np

from scratchnet.files.images import resize_image
from scratchnet.style.checkpoint import Checkpoint, Record, save_checkpoint
from scratchnet.style.layers import Size
from scratchnet.style.objective import Evaluation
from scratchnet.style.optimizers import State

RUNAWAY, PATIENCE = 100, 10


class Step(NamedTuple):
    """What a callback sees: one evaluation of J, and the picture it was evaluated at.

    The picture can't be written to. ``terms`` are the terms' values, by term and layer;
    ``iteration`` counts evaluations from 0 (the start) through all sizes; ``progress`` is the share
    of the whole work that is done with it, up to 1.
    """

    iteration: int
    image: np.ndarray
    loss: float
    terms: dict[str, float]
    progress: float


class TransferResult(NamedTuple):
    """The picture with the lowest J, the course of J, and what went wrong (or None)."""

    image: np.ndarray
    history: list[Record]
    stopped: str | None


class TransferInterrupted(KeyboardInterrupt):
    """A KeyboardInterrupt that holds the transfer's ``result`` so far."""

    def __init__(self, result: TransferResult):
        super().__init__(f"{result.stopped}; the picture so far is this exception's result.image")
        self.result = result


class Position(NamedTuple):
    """Where a descent stands: about to evaluate J at G, after t steps."""

    t: int
    G: np.ndarray
    state: State


class Course:
    """What a transfer has seen so far, through all sizes.

    Parameters
    ----------
    levels : sequence of (size, steps)
    callback : callable, optional
        Called with a `Step` at each evaluation.

    Attributes
    ----------
    history : list of Record
    best : ndarray or None
        The picture of the lowest J at the present level; before its first evaluation, at the level
        before.
    stopped : str or None
        Why the transfer is to end.
    """

    def __init__(self, levels: Sequence[tuple[Size, int]], callback: Callable | None):
        self.levels, self.callback = levels, callback
        self.work = sum((n + 1) * prod(size) for size, n in levels)  # evaluations times pixels
        self.done, self.level = 0, 0
        self.history: list[Record] = []
        self.best: np.ndarray | None = None
        self.stopped: str | None = None
        self._last: tuple | None = None
        self._begin()

    def _begin(self) -> None:
        """Forget J's course at the level before."""
        self._start, self._lowest, self._high = inf, inf, 0

    def resume(self, saved: Checkpoint) -> Position:
        """Take over what a checkpoint has seen, and return where to go on."""
        self.level, self.history, self.best = saved.level, list(saved.history), saved.best
        self.done = sum(prod(record.size) for record in self.history)
        for record in self.history[len(self.history) - saved.t :]:
            self._judge(record.loss)
        position = Position(saved.t, saved.G, saved.state)
        self._last = position, self.best, len(self.history), self.level
        return position

    def see(self, level: int, position: Position, evaluation: Evaluation) -> None:
        """Note J at a position, keep the best picture, and say if there is no use in going on."""
        (t, G, _), (loss, _, terms) = position, evaluation
        self.level = level
        if t == 0:
            self._begin()
            self.best = G
        iteration = len(self.history)
        if broken := _not_finite(evaluation):
            self.stopped = f"{broken} is not finite at iteration {iteration}"
            return
        self._last = position, self.best, iteration, level
        if self._judge(loss):
            self.best = G
        size = G.shape[:2]
        self.done += prod(size)
        self.history.append(Record(iteration, loss, terms, size))
        if self.callback is not None:
            shown = G.view()
            shown.flags.writeable = False
            self.callback(Step(iteration, shown, loss, terms, self.done / self.work))
        if self._high == PATIENCE:
            most = max(terms, key=terms.get)
            self.stopped = (
                f"J was over {RUNAWAY} times its start for {PATIENCE} iterations, until "
                f"{iteration}, most of it {most}"
            )

    def _judge(self, loss: float) -> bool:
        """Compare J with its course at this level, and return whether it is the lowest."""
        self._start = loss if self._start == inf else self._start
        self._high = self._high + 1 if loss > RUNAWAY * self._start else 0
        lowest = loss < self._lowest
        self._lowest = min(self._lowest, loss)
        return lowest

    def finish(self) -> None:
        """Say so if J has not fallen at full size."""
        first = self.history[-1 - self.levels[-1][1]]
        if self._lowest >= self._start > 0:
            most = max(first.terms, key=first.terms.get)
            self.stopped = (
                f"J never fell below {first.loss:.4g}, its start at iteration {first.iteration}, "
                f"most of it {most}"
            )

    def result(self) -> TransferResult:
        """Return the best picture, at full size, and all else."""
        size, _ = self.levels[-1]
        return TransferResult(resize_image(self.best, size), self.history, self.stopped)

    def checkpoint(self, settings: dict[str, str]) -> Checkpoint | None:
        """Return where the transfer stands, if it has begun.

        The last evaluation is left out: its gradient is not saved, and it is made again.
        """
        if self._last is None:
            return None
        (t, G, state), best, count, level = self._last
        return Checkpoint(settings, level, t, G, state, best, self.history[:count])

    @contextmanager
    def kept(self, saver: "Saver") -> Iterator["Saver"]:
        """Save a checkpoint in the end, however it comes; an interrupt carries the result."""
        try:
            yield saver
            saver.save(self)
        except KeyboardInterrupt as interrupt:
            if self.best is None:
                raise
            self.stopped = f"interrupted at iteration {len(self.history)}"
            # A second one may end the saving of the checkpoint, but not lose the picture.
            with suppress(KeyboardInterrupt):
                saver.save(self)
            raise TransferInterrupted(self.result()) from interrupt
        except BaseException:
            saver.save(self)
            raise


class Saver:
    """Writes a checkpoint to a file every so many steps; without a file, nothing."""

    def __init__(self, path: str | os.PathLike | None, every: int, settings: dict | None):
        self.path, self.every, self.settings = path, every, settings

    def after_step(self, course: Course) -> None:
        """Save if it is time."""
        if len(course.history) % self.every == 0:
            self.save(course)

    def save(self, course: Course) -> None:
        """Save; a place that can't be written to is a warning: the transfer itself goes on."""
        checkpoint = None if self.path is None else course.checkpoint(self.settings)
        if checkpoint is not None:
            try:
                save_checkpoint(self.path, checkpoint)
            except OSError as error:
                warnings.warn(f"the checkpoint is not saved: {error}", stacklevel=2)


def _not_finite(evaluation: Evaluation) -> str | None:
    """Return what is not finite in an evaluation: the term, or the gradient."""
    loss, gradient, terms = evaluation
    if not isfinite(loss):
        broken = [name for name, value in terms.items() if not isfinite(value)]
        return f"J, in {broken[0]}," if broken else "J, the sum of its terms,"
    if not np.isfinite(gradient).all():
        return f"∂J/∂G, with {max(terms, key=terms.get)} the largest term,"
    return None
