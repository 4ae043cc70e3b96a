"""From today's source to the reader's file: the real code, with a hole where he writes his own.

Signatures, docstrings, forward passes and solutions are cut out of the package's own modules, so
none of them can differ from what the package does.
"""

import ast
import importlib
import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from scratchnet.exercises.exercise import Exercise

FAR_BELOW = 24  # empty lines before the second hint
WIDTH = 88  # of a hint

HEADER = '''"""Exercise {name}: {task}.

Write what is missing in {asked}, and have it checked:

    python scripts/exercise.py {name} --check

All else here is the real code of {path}. How you write your part is
up to you: loops are fine. A second hint is at the end of the file.
"""
'''


def sheet(exercise: Exercise, *, solved: bool = False) -> str:
    """Return the text of the reader's file; ``solved``, with the real code in it."""
    source = Source.of(exercise)
    hint = comment(f"Hint: {exercise.hints[0]}")
    hole = f'{hint}\nraise NotImplementedError("write {source.asked.name}")'
    code = source.code() if solved else source.code_with(hole)
    header = HEADER.format(
        name=exercise.name,
        task=exercise.task,
        asked=exercise.asked,
        path=exercise.module.replace(".", "/") + ".py",
    )
    text = f"{header}\n{source.imports()}\n\n\n{code}\n"
    if not solved:
        text += "\n" * FAR_BELOW + comment(f"Second hint: {exercise.hints[1]}") + "\n"
    return text


def filled(exercise: Exercise, body: str) -> str:
    """Return the reader's file with code in the hole."""
    source = Source.of(exercise)
    return f"{source.imports()}\n\n{source.code_with(body)}\n"


def solution(exercise: Exercise) -> str:
    """Return the real code of what is asked for."""
    source = Source.of(exercise)
    return textwrap.dedent("\n".join(source.lines[n] for n in extent(source.asked)))


def comment(text: str) -> str:
    """Return a text as comment lines; what follows an empty line stays as it is."""
    prose, _, formulas = text.partition("\n\n")
    lines = textwrap.wrap(prose, WIDTH) + ([""] if formulas else []) + formulas.splitlines()
    return "\n".join(f"# {line}".rstrip() for line in lines)


def extent(node: ast.stmt) -> range:
    """Return the lines of a definition, counted from 0, with its decorators."""
    first = min(part.lineno for part in [node, *getattr(node, "decorator_list", [])])
    return range(first - 1, node.end_lineno)


@dataclass(frozen=True)
class Source:
    """The part of a module that an exercise is about.

    Attributes
    ----------
    module : str
    lines : list of str
        All of it.
    tree : ast.Module
    definition : ast.ClassDef or ast.FunctionDef
        The class or function that the reader gets.
    members : list of ast.stmt
        What of it: the docstring, fields and some methods of a class.
    asked : ast.FunctionDef
        What the reader is to write.
    hole : range
        The lines that are left out.
    """

    module: str
    lines: list[str]
    tree: ast.Module
    definition: ast.stmt
    members: list[ast.stmt]
    asked: ast.FunctionDef
    hole: range

    @classmethod
    def of(cls, exercise: Exercise) -> "Source":
        """Read the exercise's module."""
        text = inspect.getsource(importlib.import_module(exercise.module))
        lines, tree = text.splitlines(), ast.parse(text)
        name, _, method = exercise.asked.partition(".")
        definition = next(node for node in tree.body if getattr(node, "name", "") == name)
        members, asked = definition.body, definition
        if method:
            wanted = (*exercise.keep, method)
            members = [n for n in definition.body if getattr(n, "name", method) in wanted]
            asked = next(n for n in members if getattr(n, "name", "") == method)
        first = asked.body[0].end_lineno  # the line after the docstring
        while not lines[first].strip().startswith(exercise.after):
            first += 1
        return cls(
            exercise.module, lines, tree, definition, members, asked, range(first, asked.end_lineno)
        )

    def code(self) -> str:
        """Return the lines of the definition and its members."""
        return "\n".join(self.lines[n] if n >= 0 else "" for n in self._numbers())

    def code_with(self, body: str) -> str:
        """Return the same with another text in place of what is asked for."""
        text = []
        for n in self._numbers():
            if n not in self.hole:
                text.append(self.lines[n] if n >= 0 else "")
            elif n == self.hole.start:
                text.append(textwrap.indent(body, " " * self.asked.body[0].col_offset))
        return "\n".join(text)

    def _numbers(self) -> Iterator[int]:
        """Yield the lines' numbers in order; −1 for an empty line before a method."""
        if self.definition is self.asked:
            yield from extent(self.definition)
            return
        yield from range(extent(self.definition).start, self.members[0].lineno - 1)
        before = self.members[0]
        for member in self.members:
            fields = isinstance(before, ast.AnnAssign) and isinstance(member, ast.AnnAssign)
            if member is not before and not fields:
                yield -1
            yield from extent(member)
            before = member

    def imports(self) -> str:
        """Return the import statements for every name of the module that the code uses."""
        nodes = [self.definition] if self.definition is self.asked else list(self.members)
        nodes += getattr(self.definition, "bases", []) + self.definition.decorator_list
        used = {
            name.id for node in nodes for name in ast.walk(node) if isinstance(name, ast.Name)
        } - {self.definition.name}
        plain, by_module = set(), {}
        for node in self.tree.body:
            if isinstance(node, ast.Import):
                plain |= {ast.unparse(node) for alias in node.names if _known_as(alias) in used}
            elif isinstance(node, ast.ImportFrom):
                names = {ast.unparse(alias) for alias in node.names if _known_as(alias) in used}
                by_module.setdefault(node.module, set()).update(names)
            else:
                names = set(_defined(node)) & used
                by_module.setdefault(self.module, set()).update(names)
        lines = [f"from {m} import {', '.join(sorted(n))}" for m, n in by_module.items() if n]
        groups = groupby(sorted(plain | set(lines), key=_order), key=lambda line: _order(line)[:2])
        return "\n\n".join("\n".join(group) for _, group in groups)


def _known_as(alias: ast.alias) -> str:
    return alias.asname or alias.name


def _defined(node: ast.stmt) -> list[str]:
    """Return the names that a statement of a module defines."""
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    return [node.name] if hasattr(node, "name") else []


def _order(line: str) -> tuple:
    """Sort imports as ruff does: the standard library, NumPy, this package."""
    module = line.split()[1]
    return module.startswith("scratchnet"), module.startswith("numpy"), line
