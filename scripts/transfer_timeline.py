"""What --report and --animate keep of a transfer while it runs.

At most 40 pictures as JPEG files, closer together where the picture changes fast, at the start of
each size; and for the gradients at most four pictures as they are. So it takes no more memory for
more steps (`transfer_memory` counts it).
"""

from collections.abc import Sequence

from transfer_finish import Finish

from scratchnet.pages.report import Frame, jpeg
from scratchnet.style.course import Step
from scratchnet.style.layers import Size

FRAMES, CHOSEN = 40, 4


def spaced(steps: int, most: int) -> list[int]:
    """Return at most so many of 0, …, steps: both ends, and closer together at the start.

    Examples
    --------
    >>> spaced(76, 6), spaced(2, 6)
    ([0, 3, 12, 27, 49, 76], [0, 1, 2])
    """
    # n_k = steps · (k / (most − 1))², but none twice while there are others
    at = (max(k, round(steps * (k / (most - 1)) ** 2)) for k in range(most))
    return sorted({min(n, steps) for n in at})


class Timeline:
    """A callback that keeps some pictures of a run.

    Parameters
    ----------
    levels : sequence of (size, steps)
    finish : Finish
        What is done to a picture before it is shown.
    gradients : bool
        Whether pictures are kept for gradients.

    Attributes
    ----------
    frames : list of Frame
    """

    def __init__(
        self,
        levels: Sequence[tuple[Size, int]],
        finish: Finish,
        gradients: bool,
    ):
        first, at, chosen = 0, [], []
        for _, steps in levels:
            at += [first + n for n in spaced(steps, max(2, FRAMES // len(levels)))]
            chosen = [first + n for n in spaced(steps, CHOSEN)][:-1]  # the last step is kept anyway
            first += steps + 1
        self.at, self.chosen = set(at), set(chosen if gradients else [])
        self.look = finish
        self.frames: list[Frame] = []
        self.steps: dict[int, Step] = {}
        self.last: Step | None = None

    def __call__(self, step: Step) -> None:
        """Keep the picture, if it is one of those."""
        self.last = step
        if step.iteration in self.at:
            self._keep(step)
        if step.iteration in self.chosen:
            self.steps[step.iteration] = step

    def _keep(self, step: Step) -> None:
        self.frames.append(Frame(step.iteration, jpeg(self.look.shown(step.image))))

    def finish(self) -> list[Step]:
        """Keep the last picture that was seen too, and return the steps for the gradients."""
        if not self.frames or self.frames[-1].iteration < self.last.iteration:
            self._keep(self.last)
        return list((self.steps | {self.last.iteration: self.last}).values())
