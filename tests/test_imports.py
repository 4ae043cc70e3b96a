"""Who may know whom: imports run one way through the chapters, and in no circle."""

import ast
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from conftest import ROOT

PACKAGE = ROOT / "scratchnet"
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
}


def imported(path: Path) -> set[str]:
    """Return the modules of the package, and the names of others, that a file imports anywhere."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= names & set(MODULES) or {node.module}
    return found


@cache  # and not at import, where all workers would wait for it
def all_imports() -> dict[str, set[str]]:
    """Return what each module imports."""
    return {name: imported(path) for name, path in MODULES.items()}


def chapter(module: str) -> str:
    """Return the folder that a module is in, or its own name: scratchnet.network.relu → network."""
    return [*module.split("."), ""][1]


def known(folder: str) -> set[str]:
    """Return the other chapters that a chapter's modules import."""
    found = set()
    for name, imports in all_imports().items():
        if chapter(name) == folder:
            found |= {chapter(other) for other in imports if other.startswith("scratchnet")}
    return found - {folder}


def test_there_is_something_to_read():
    assert len(MODULES) > 30
    assert "scratchnet.blas" in all_imports()["scratchnet.network.network"]


@pytest.mark.parametrize(
    ("folder", "allowed"),
    [
        ("blas", set()),
        ("network", {"blas"}),
        ("files", {"network"}),
        ("fast", {"blas", "network", "checks"}),  # checks: for `fast.proofs` alone, see below
        ("style", {"blas", "network", "files", "vgg"}),
        ("training", {"blas", "network"}),
        ("checks", {"network", "style", "training", "units"}),
        ("vgg", {"network", "files", "fast"}),
        ("units", {"blas", "network", "files", "style", "vgg"}),
        ("pages", {"network", "files", "units", "style"}),
        ("exercises", {"network", "style", "checks", "units"}),
    ],
)
def test_chapters_know_no_others(folder, allowed):
    assert known(folder) <= allowed


def test_every_chapter_is_in_the_list():
    listed = "blas network files fast style training checks vgg units pages exercises".split()
    assert {chapter(name) for name in MODULES} == {"", *listed}


def test_only_the_join_knows_both_the_book_and_the_engine():
    both = [
        name
        for name, imports in all_imports().items()
        if any(chapter(other) == "fast" for other in imports) and chapter(name) != "fast"
    ]
    assert sorted(both) == ["scratchnet", "scratchnet.vgg"]  # the first only hands names on


def test_the_engine_needs_checks_for_its_proofs_only():
    needs = [
        name
        for name, imports in all_imports().items()
        if chapter(name) == "fast" and any(chapter(other) == "checks" for other in imports)
    ]
    assert needs == ["scratchnet.fast.proofs"]


def test_no_module_imports_itself_in_a_circle():
    # A chapter's introduction imports its modules; they import each other, never the introduction.
    graph = {}
    for name, imports in all_imports().items():
        within = {other for other in imports if other in MODULES}
        graph[name] = within
    TopologicalSorter(graph).prepare()  # raises CycleError


def test_nothing_imports_scripts_and_only_the_four_packages():
    scripts = {path.stem for path in (ROOT / "scripts").glob("*.py")}
    import sys

    for name, imports in all_imports().items():
        for other in imports:
            top = other.split(".")[0]
            allowed = {"numpy", "scipy", "PIL", "h5py", "scratchnet", *sys.stdlib_module_names}
            if name == "scratchnet.blas":
                allowed.add("threadpoolctl")  # where it happens to be installed
            assert top in allowed and top not in scripts - {"atlas"}, (name, other)


@pytest.mark.parametrize("path", sorted(MODULES.values()), ids=lambda path: path.stem)
def test_modules_and_functions_are_small(path):
    """At most 300 lines a module, and 50 a function without its docstring."""
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 300
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            docstring = ast.get_docstring(node, clean=False)
            lines = node.end_lineno - node.lineno + 1
            assert lines - (docstring.count("\n") + 1 if docstring else 0) <= 50, node.name
