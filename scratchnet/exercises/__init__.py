"""Exercises: write the backward passes yourself, and have them checked.

``python scripts/exercise.py`` is how to use them. An exercise is a piece of this package with a
hole in it (`sheet`): signature, docstring and forward pass are today's real code. What the reader
writes into the hole is held against numerical derivatives (`trials`, `checking`), in a process of
its own (`child`). Where it is wrong, the errors say why (`patterns`, `mistakes`, `diagnosis`).
`catalogue` lists them all.
"""

from scratchnet.exercises.catalogue import EXERCISES
from scratchnet.exercises.checking import Verdict
from scratchnet.exercises.child import run_check
from scratchnet.exercises.exercise import Exercise
from scratchnet.exercises.sheet import sheet, solution

__all__ = ["EXERCISES", "Exercise", "Verdict", "run_check", "sheet", "solution"]
