"""What went wrong? The likeliest mistake.

Known mistakes (`mistakes` and `slips`) are run on the same cases. If one gives what the reader's
code gave, that is what he did; if none does, perhaps two together do, or one and a factor. Whatever
the mistake was, `patterns` says what can be seen in the numbers.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import combinations
from types import ModuleType
from typing import NamedTuple

import numpy as np

from scratchnet.exercises.exercise import Exercise, Mistake, Trial
from scratchnet.exercises.mistakes import MISTAKES
from scratchnet.exercises.patterns import PATTERNS, Wrong, as_numbers, factor, named_factor, same
from scratchnet.exercises.sheet import filled, sheet
from scratchnet.exercises.slips import SLIPS

Answers = Mapping[str, np.ndarray]


class Diagnosis(NamedTuple):
    """What gives the reader's answers: the mistake, its name ("" for a slip), and a factor."""

    what: str
    name: str
    factor: str = ""


def seen_in_numbers(wrong: Sequence[Wrong]) -> str | None:
    """Return the first pattern that all wrong answers show, or else the first that one does."""
    for answers in (wrong, wrong[:1]):
        for look in PATTERNS:
            seen = [look(one) for one in answers]
            if all(seen):
                return seen[0]
    return None


def likeliest(
    exercise: Exercise, trials: Sequence[Trial], answers: Sequence[Answers | None]
) -> Diagnosis | None:
    """Return the mistake that gives the reader's answers: one, or two, or one and a factor.

    ``answers`` holds None for a trial on which his code raised an error.
    """
    theirs = [(mistake, list(_answers(module, trials))) for mistake, module in modules(exercise)]
    for compare in (_nothing_else, _a_factor):
        found = [
            mistake._replace(factor=said)
            for mistake, given in theirs
            if (said := compare(trials, answers, given)) is not None
        ]
        if found:  # a factor with a name is likelier than one without
            return min(found, key=lambda one: "times what" in one.factor)
    return None


@cache
def modules(exercise: Exercise) -> list[tuple[Diagnosis, ModuleType]]:
    """Return what is known to go wrong, the likeliest first, and code that does."""
    return [(what, module) for what, module in _all_mistakes(exercise) if module is not None]


def _all_mistakes(exercise: Exercise) -> Iterator[tuple[Diagnosis, ModuleType | None]]:
    known = MISTAKES[exercise.name]
    for mistake in known:
        yield Diagnosis(mistake.what, mistake.name), planted(exercise, [mistake])
    for slip in SLIPS[exercise.name]:
        yield Diagnosis(slip.what, ""), as_module(filled(exercise, slip.body))
    for two in combinations(known, 2):
        what = "; and ".join(mistake.what for mistake in two)
        yield Diagnosis(what, " and ".join(m.name for m in two)), planted(exercise, two)


def planted(exercise: Exercise, mistakes: Iterable[Mistake]) -> ModuleType | None:
    """Return the real code with mistakes in it; None if they do not go together."""
    text = sheet(exercise, solved=True)
    for mistake in mistakes:
        if text.count(mistake.right) != 1:
            return None
        text = text.replace(mistake.right, mistake.wrong)
    return as_module(text)


def as_module(text: str) -> ModuleType:
    """Run a text as a module."""
    module = ModuleType("planted")
    exec(compile(text, "planted", "exec"), vars(module))
    return module


def _answers(module: ModuleType, trials: Iterable[Trial]) -> Iterator[Answers | None]:
    for trial in trials:
        try:
            with np.errstate(all="ignore"):
                yield trial.answer(module)
        except Exception:
            yield None


def _nothing_else(trials, answers, theirs) -> str | None:
    """Return "" if all answers are the same; an error is the same as another error."""
    for one, other in zip(answers, theirs, strict=True):
        if one is None or other is None:
            if one is not other:
                return None
        elif not all(_equal(one.get(what), other[what]) for what in other):
            return None
    return ""


def _a_factor(trials, answers, theirs) -> str | None:
    """Return the factor by which all of the reader's derivatives are larger, if there is one."""
    said = set()
    for trial, one, other in zip(trials, answers, theirs, strict=True):
        if one is None or other is None:
            return None
        for what, right in trial.right.items():
            if _equal(one.get(what), other[what]) and _equal(other[what], as_numbers(right)):
                continue  # what was given, or a case that the mistake does not touch
            c = factor(as_numbers(one.get(what)), as_numbers(other[what]))
            if c is None:
                return None
            said.add(named_factor(c, trial.factors))
    named = {
        re.sub(r"[\d.]+ \((.*)\)", r"\1", text) for text in said
    }  # M is another number each time
    return min(said) if len(named) == 1 else None


def _equal(a: object, b: object) -> bool:
    return same(as_numbers(a), as_numbers(b))
