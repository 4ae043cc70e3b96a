"""What transfer.py shows while it works."""

import contextlib
import sys
import time

from interrupts import Interrupts

from scratchnet.pages.curves import TOP, sums_by_term
from scratchnet.style.checkpoint import Record
from scratchnet.style.course import Step

SECONDS = 10  # between two lines, where the output is no terminal


def say(text: str, stream=None) -> None:
    """Print a line, even if nobody reads any more."""
    with contextlib.suppress(OSError, ValueError):
        print(text, file=stream or sys.stdout, flush=True)


class Progress:
    """The callback: shows J by term and the time left; a step is something to save.

    On a terminal that is one bar; elsewhere, such as in a log file, a line now and then.
    """

    def __init__(self, interrupts: Interrupts, quiet: bool = False):
        self.last: Step | None = None
        self.best: Step | None = None  # of those of the last size
        self.history: list[Record] = []
        self.interrupts, self.quiet = interrupts, quiet
        self.start = self.said = time.monotonic()
        self.bar = None

    def __call__(self, step: Step) -> None:
        """Show one step."""
        self.last = step
        before = self.best
        if before is None or step.image.shape != before.image.shape or step.loss < before.loss:
            self.best = step
        self.history.append(Record(step.iteration, step.loss, step.terms, step.image.shape[:2]))
        if step.progress >= 1:
            self.interrupts.hold()
        else:
            self.interrupts.begin()
        if not self.quiet:
            with contextlib.suppress(OSError):  # the terminal may be gone
                self._show(step, f"step {step.iteration}: J {step.loss:.4g} ({by_term(step)})")

    def _show(self, step: Step, text: str) -> None:
        if sys.stderr.isatty():
            self.bar = self._begin() if self.bar is None else self.bar
            self.bar.set_postfix_str(text, False)
            self.bar.update(step.progress - self.bar.n)
            return
        now = time.monotonic()
        if now - self.said >= SECONDS or step.progress >= 1:
            left = (now - self.start) * (1 / step.progress - 1)
            say(f"{step.progress:4.0%} {text}, {left:.0f} s left", sys.stderr)
            self.said = now

    @staticmethod
    def _begin():
        """Show the bar: not before the first step, for what is wrong is one line alone."""
        from tqdm import tqdm

        form = "{percentage:3.0f}% |{bar:20}| {elapsed}, {remaining} left{postfix}"
        tqdm.monitor_interval = 0  # its thread would map 0.1 GB of addresses
        return tqdm(total=1.0, bar_format=form)

    def close(self) -> None:
        """End the bar's line."""
        with contextlib.suppress(OSError):
            if self.bar is not None:
                self.bar.close()


def by_term(step: Step) -> str:
    """Return J's terms with their values, layers summed up."""
    sums = sums_by_term(step)
    return ", ".join(f"{name} {sums[name]:.3g}" for name in sums if name != TOP)
