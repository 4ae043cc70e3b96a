"""The exercises, solved as learners solve them: right code passes; wrong code is told why."""

import re
from functools import cache

import pytest
from exercise_solutions import RIGHT, WRONG

from scratchnet.exercises.catalogue import EXERCISES
from scratchnet.exercises.checking import Verdict, check
from scratchnet.exercises.diagnosis import as_module
from scratchnet.exercises.sheet import filled

pytestmark = pytest.mark.usefixtures("known_mistakes_run_once")
FITTING = 0.9  # the least share of wrong solutions that are told what a teacher would say

# Lines of a message that say where, not why; words in them must not count as a diagnosis.
WHERE = re.compile(r"not yet\. On |; the worst, at |^ *right for |part that you were given")

RIGHT_CASES = [
    pytest.param(name, body, id=f"{name}-{n}")
    for name, bodies in RIGHT.items()
    for n, body in enumerate(bodies)
]
WRONG_CASES = [
    pytest.param(name, body, id=f"{name}: {what}")
    for name, cases in WRONG.items()
    for what, _, body in cases
]


@cache  # two tests ask for the same verdict
def verdict(name, body):
    """Return what the checker says; an exception's text, if the body raises one."""
    try:
        return check(EXERCISES[name], as_module(filled(EXERCISES[name], body)))
    except Exception as error:
        return Verdict(False, f"{type(error).__name__}: {error}")


def reasons(message):
    """Return the lines that say what the mistake is."""
    return "\n".join(line for line in message.splitlines() if not WHERE.search(line))


def test_every_exercise_has_solutions():
    assert set(RIGHT) == set(WRONG) == set(EXERCISES)
    assert min(map(len, RIGHT.values())) >= 2 and min(map(len, WRONG.values())) >= 6


@pytest.mark.parametrize(("name", "body"), RIGHT_CASES)
def test_right_solution_passes(name, body):
    passed, message = verdict(name, body)
    assert passed, message


@pytest.mark.parametrize(("name", "body"), WRONG_CASES)
def test_wrong_solution_does_not_pass(name, body):
    passed, message = verdict(name, body)
    assert not passed, message


def test_most_wrong_solutions_are_told_why():
    fitting, others = 0, []
    for name, cases in WRONG.items():
        for what, expected, body in cases:
            passed, message = verdict(name, body)
            if not passed and re.search(expected, reasons(message), re.IGNORECASE):
                fitting += 1
            else:
                others.append(f"{name}: {what}\n  wanted {expected}\n  got {message}\n")
    print(*others, sep="\n")
    assert fitting >= FITTING * (fitting + len(others))
