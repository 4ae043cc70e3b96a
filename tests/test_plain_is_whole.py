"""What is read in chapters 1 to 3 is what a plain network runs: all of chapter 1, none of 4."""

import ast
import sys

import pytest
from conftest import ROOT

from scratchnet import VGG, style_transfer
from scratchnet.checks import check_operations
from scratchnet.units import explain

PACKAGE = ROOT / "scratchnet"


class Executed:
    """A context that collects (file, line) of all lines of the package run inside."""

    def __enter__(self):
        self.lines, self.before = set(), sys.gettrace()
        sys.settrace(self._enter)
        return self

    def __exit__(self, *error):
        sys.settrace(self.before)

    def _enter(self, frame, event, argument):
        return self._line if frame.f_code.co_filename.startswith(str(PACKAGE)) else None

    def _line(self, frame, event, argument):
        if event == "line":
            self.lines.add((frame.f_code.co_filename, frame.f_lineno))
        return self._line

    def of(self, folder):
        return {place for place in self.lines if place[0].startswith(str(PACKAGE / folder))}


def code_lines(path):
    """Yield the line of every statement in a function, but for docstrings and errors."""
    for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(function, ast.FunctionDef):
            yield from _statements(function.body)


def _statements(block):
    if isinstance(block[-1], ast.Raise):  # what is done only to say what was wrong
        return
    for statement in block:
        docstring = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        if docstring or isinstance(statement, ast.FunctionDef):
            continue
        yield statement.lineno
        for name in ("body", "orelse", "finalbody"):
            if inner := getattr(statement, name, None):
                yield from _statements(inner)


@pytest.fixture(scope="module")
def executed(pictures):
    content, style = (picture[:32, :32] for picture in pictures)
    with Executed() as executed:
        network = VGG.load(dtype="float64", fast=False)
        style_transfer(content, style, network=network, iterations=1)
        explain(network, content, "relu2_1", (8, 8), 0)
        assert all(report.passed for report in check_operations())
        print(network)
    return executed


def test_no_line_of_the_engine_is_run(executed):
    assert executed.of("style") and executed.of("network")
    assert not executed.of("fast")


def test_the_tracer_would_see_the_engine(pictures):
    with Executed() as executed:
        VGG.load(threads=1).forward(pictures[0], ["relu1_1"])
    assert executed.of("fast")


@pytest.mark.parametrize("path", sorted((PACKAGE / "network").glob("*.py")), ids=lambda p: p.stem)
def test_every_line_of_the_first_chapter_is_run(path, executed):
    run = {line for file, line in executed.lines if file == str(path)}
    missed = sorted(set(code_lines(path)) - run)
    assert not missed, f"{path.name}: lines {missed}"


def test_statements_are_found():
    lines = list(code_lines(PACKAGE / "network" / "relu.py"))
    assert len(lines) == 3  # the returns of forward, backward, output_shape
