"""What an exercise is: a piece of this package with a hole in it, and cases to try it on."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np


class Mistake(NamedTuple):
    """A classic mistake, as an edit of the source: ``right`` occurs once, and becomes ``wrong``."""

    name: str
    what: str
    right: str
    wrong: str


class Slip(NamedTuple):
    """A wrong way to write it: what is wrong, and code for the hole."""

    what: str
    body: str


@dataclass(frozen=True, eq=False)
class Trial:
    """One case on which an exercise is tried.

    Attributes
    ----------
    case : str
        What is special about it.
    answer : callable
        The reader's module and a number → his answers, by what they are: ``{"∂J/∂x": array}``. What
        the answer is linear in, such as dy, is multiplied by the number.
    right : mapping
        The right answers: measured, or from the definition.
    axes : mapping
        What the axes of an answer are called; without an entry, row, column, channel.
    factors : mapping
        Numbers that a wrong answer may be too large by, by what they are: ``{"C²": 25}``.
    given : tuple of str
        Which answers come from code that the reader was given.
    linear : str
        What the answers that are not given are linear in; "" where there is no such thing.
    border : int
        How many entries next to the edge a mistake in the padding can reach.
    measured : bool
        Whether ∂J/∂… in ``right`` is measured; otherwise it comes from the project's own code.
    """

    case: str
    answer: Callable[..., Mapping[str, np.ndarray]]
    right: Mapping[str, np.ndarray]
    axes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    factors: Mapping[str, float] = field(default_factory=dict)
    given: tuple[str, ...] = ()
    linear: str = ""
    border: int = 0
    measured: bool = True


@dataclass(frozen=True, eq=False)
class Exercise:
    """A function or method to be written.

    Attributes
    ----------
    name, task : str
    module : str
        Where the real code is, ``"scratchnet.network.relu"``.
    asked : str
        What is to be written: a function, or ``"Class.method"``.
    hints : (str, str)
        The idea; then, nearly, the formula.
    trials : callable
        A random number generator → the cases.
    keep : tuple of str
        For a method: the other methods of its class that the reader gets.
    after : str
        Where the hole begins: the line that starts with this; without it, after the docstring.
    """

    name: str
    task: str
    module: str
    asked: str
    hints: tuple[str, str]
    trials: Callable[[np.random.Generator], Iterator[Trial]]
    keep: tuple[str, ...] = ()
    after: str = ""
