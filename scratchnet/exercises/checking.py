"""Is the reader's code right? If not, what is wrong with it, said as a teacher would.

First come missing answers and shapes, then the worst entry, then what the errors look like, and the
likeliest mistake.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from types import ModuleType
from typing import NamedTuple

import numpy as np

from scratchnet.checks.catalogue import KINKED
from scratchnet.checks.numerical import relative_error
from scratchnet.exercises.diagnosis import likeliest, planted, seen_in_numbers
from scratchnet.exercises.exercise import Exercise, Trial
from scratchnet.exercises.patterns import Wrong, as_numbers, same
from scratchnet.exercises.scaling import not_linear
from scratchnet.exercises.trials import AFTERWARDS

BOUND = KINKED  # the largest relative error that passes


class Verdict(NamedTuple):
    """Whether an exercise is right, and what there is to say."""

    passed: bool
    message: str


def check(exercise: Exercise, module: ModuleType, seed: int = 0) -> Verdict:
    """Try the reader's code on all cases.

    Parameters
    ----------
    exercise : Exercise
    module : module
        The reader's.
    seed : int
        Of the random numbers in the cases.

    Returns
    -------
    verdict : Verdict

    Raises
    ------
    Exception
        Whatever the reader's code raises on the first case; its ``on_case`` says which.
    """
    trials = cases(exercise, seed)
    answers, first_error = [], None
    for trial in trials:
        try:
            answers.append(trial.answer(module))
        except Exception as error:
            answers.append(None)
            if first_error is None:
                first_error, error.on_case = error, trial.case
    if first_error and (answers[0] is None or isinstance(first_error, NotImplementedError)):
        raise first_error
    tried = [(t, given) for t, given in zip(trials, answers, strict=True) if given is not None]
    for trial, given in tried:
        for what in trial.right:
            if trouble := _trouble(trial, what, given.get(what)):
                says = [trouble, *_likely(exercise, trials, answers), *_right_in(tried)]
                return Verdict(False, _lines(exercise, trial, says))
    wrong = [Wrong(t, what, as_numbers(given[what])) for t, given in tried for what in t.right]
    errors = [float(_error(one).max(initial=0)) for one in wrong]
    wrong = [one for one, error in zip(wrong, errors, strict=True) if error > BOUND]
    if wrong:
        return Verdict(False, _what_is_wrong(exercise, module, trials, answers, wrong))
    if first_error:
        raise first_error
    entries = sum(right.size for trial in trials for right in trial.right.values())
    with_what = "measured ones" if trials[0].measured else "those of the package"
    return Verdict(
        True,
        f"{exercise.name}: right. All {entries} numbers agree with {with_what}: "
        f"largest error {max(errors):.0e}, bound {BOUND:.0e}.",
    )


@cache
def cases(exercise: Exercise, seed: int) -> list[Trial]:
    """Return the cases, with what was measured on them."""
    return list(exercise.trials(np.random.default_rng(seed)))


def _error(one: Wrong) -> np.ndarray:
    typical = np.sqrt(np.mean(np.square(one.right)))
    return relative_error(one.answer, one.right, typical)


def _trouble(trial: Trial, what: str, answer: object) -> str | None:
    """Say what is wrong with an answer before one looks at its numbers."""
    right = np.asarray(trial.right[what])
    if answer is None:
        return f"{what} is None: is there a return?"
    try:
        answer = np.asarray(answer, float)
    except (TypeError, ValueError):
        return f"{what} is no array of numbers, but {type(answer).__name__}"
    if answer.shape == right.shape:
        return None
    trouble = f"{what} has the shape {answer.shape}, and should have {right.shape}"
    if sorted(answer.shape) == sorted(right.shape):
        return trouble + ": the same axes in another order (a transpose?)"
    if answer.size == right.size:
        return trouble + ": as many entries, but they need a reshape"
    return trouble


def _what_is_wrong(
    exercise: Exercise,
    module: ModuleType,
    trials: Sequence[Trial],
    answers: Sequence[Mapping[str, np.ndarray] | None],
    wrong: list[Wrong],
) -> str:
    """Describe the worst entry, the pattern and the likeliest mistake."""
    first = wrong[0]
    if first.what.endswith(AFTERWARDS):
        name = first.what.removesuffix(AFTERWARDS)
        says = [f"{name} was changed in place, but it belongs to the caller: work on a copy"]
        return _lines(exercise, first.trial, says)
    error = _error(first)
    position = np.unravel_index(np.argmax(error), error.shape)
    place = ", ".join(f"{axis} {n}" for axis, n in zip(first.axes, position, strict=False))
    given = first.what in first.trial.given
    source = "measured" if first.trial.measured and not given else "should be"
    says = [
        f"{(error > BOUND).sum()} of {error.size} entries of {first.what} are wrong; "
        f"the worst{f', at {place}' if place else ''}: "
        f"yours {float(first.answer[position]):.6g}, {source} {float(first.right[position]):.6g}"
    ]
    if given:
        says.append(f"{first.what} is computed by the part that you were given: was it changed?")
    seen = seen_in_numbers([one for one in wrong if one.what == first.what])
    says += [f"pattern: {seen}"] if seen else []
    if not given and (scaled := not_linear(first.trial, module, planted(exercise, ()))):
        says.append(f"pattern: {scaled}")
    says += _likely(exercise, trials, answers, factors=not seen or "factor" not in seen)
    tried = [(t, given) for t, given in zip(trials, answers, strict=True) if given is not None]
    return _lines(exercise, first.trial, [*says, *_right_in(tried)])


def _right_in(tried: list[tuple[Trial, Mapping[str, np.ndarray]]]) -> list[str]:
    """Return a line that names the cases without any mistake."""
    right = [
        trial.case
        for trial, given in tried
        if all(same(as_numbers(given.get(what)), as_numbers(r)) for what, r in trial.right.items())
    ]
    return [f"right for {'; '.join(right)}"] if right else []


def _likely(
    exercise: Exercise,
    trials: Sequence[Trial],
    answers: Sequence[Mapping[str, np.ndarray] | None],
    *,
    factors: bool = True,
) -> list[str]:
    """Return a line with the likeliest mistake, if one is recognised."""
    found = likeliest(exercise, trials, answers)
    if found is None or (found.factor and not factors):
        return []
    what = "; and ".join(filter(None, [found.what, found.factor]))
    return [f"likely: {what}{f' ({found.name})' if found.name else ''}"]


def _lines(exercise: Exercise, trial: Trial, says: list[str]) -> str:
    return "\n".join([f"{exercise.name}: not yet. On {trial.case}:", *(f"  {s}" for s in says)])
