"""The README can't drift: its commands are run by .ci/run, and here compared with the code."""

import ast
import configparser
import re
import subprocess
import sys

import pytest
from conftest import ROOT, load_script

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_it_opens_with_the_two_commands():
    assert "scripts/transfer.py" in BLOCKS[0] and "pip install" in BLOCKS[0]
    assert "pytest" in BLOCKS[1] and "pip install" in BLOCKS[1]
    for block in BLOCKS[:2]:
        assert len(block.strip().splitlines()) == 1


def test_ci_runs_those_very_commands():
    """Extract them as .ci/run does."""
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    awk = re.search(r"awk -v n=\"\$1\" '(.*?)' README\.md", script, re.DOTALL).group(1)
    for n in (1, 2):
        command = ["awk", "-v", f"n={n}", awk, "README.md"]
        got = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        assert got == BLOCKS[n - 1]
        assert f"readme_command {n} | tee" in script


def test_every_extra_named_exists():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    for names in re.findall(r"pip install \"\.\[([\w,]+)\]\"", README):
        for name in names.split(","):
            assert name in setup["options.extras_require"]


def test_core_dependencies_are_exactly_four():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    required = setup["options"]["install_requires"].split()
    assert [re.match(r"\w+", name).group() for name in required] == [
        "numpy", "scipy", "pillow", "h5py",
    ]  # fmt: skip


PYTHON = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("code", PYTHON, ids=range(len(PYTHON)))
def test_the_python_in_it_runs(code, tmp_path, monkeypatch, capsys):
    """As it stands there, but for fewer steps on smaller pictures."""
    (tmp_path / "scripts").symlink_to(ROOT / "scripts")
    monkeypatch.chdir(tmp_path)
    for large, small in [
        ("fit(x.shape, 256)", "(40, 48)"),
        ("(171, 256)", "(48, 64)"),
        ("=60", "=2"),
        ("callback=", "iterations=2, callback="),
        ("k=4)", "k=4, size=32)"),
    ]:
        code = code.replace(large, small)
    exec(compile(code, "README.md", "exec"), {})
    if "check_term" in code:
        assert "passed" in capsys.readouterr().out


def test_a_term_of_ones_own_takes_less_than_twenty_lines():
    code = next(code for code in PYTHON if "class Palette" in code)
    lines = code[code.index("class Palette") : code.index("palette =")].strip().splitlines()
    assert len([line for line in lines if line.strip()]) < 20


def test_every_file_named_exists():
    for path in re.findall(r"(?:scripts|tests|weights|scratchnet)/[\w/.-]*\w", README):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("script", sorted(set(re.findall(r"python scripts/(\w+)\.py", README))))
def test_every_flag_named_is_known(script, run):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra 'viz')")
    code, help_text, _ = run(script, "--help")
    assert code == 0
    for command in re.findall(rf"scripts/{script}\.py(.*)", "".join(BLOCKS)):
        for flag in re.findall(r"--[\w-]+", command):
            assert flag in help_text, flag


def definition(path, name):
    """Return the syntax tree of a function, class or method in a file."""
    node = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    for part in name.split("."):
        node = next(n for n in node.body if getattr(n, "name", "") == part)
    return node


def lines_of(text):
    """Return the rows of the tables in a part of the README, cell by cell."""
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]


def test_the_reading_path_has_seven_stops_of_a_few_lines():
    path = README.split("Then seven stops")[1].split("\n\n")[1]
    stops = lines_of(path)[1:]
    assert [stop[0] for stop in stops] == list("1234567")
    for _, read, question, answer in stops:
        name, file = re.search(r"\[`([\w.]+)`\]\((\S+)\)", read).groups()
        node = definition(file, name)
        assert 15 <= node.end_lineno - node.lineno + 1 <= 50, name
        assert question.endswith("?") and answer.startswith("`python scripts/")


def test_every_equation_has_its_line_and_its_proof():
    part = README.split("### Every equation")[1].split("### Are they right")[0]
    rows = [row for row in lines_of(part) if row[0] != "equation"]
    assert len(rows) >= 25
    for equation, where, proof, seen in rows:
        file, name = where.strip("`").split(":")
        test, test_name = proof.strip("`").split("::")
        assert definition(file, name) and definition(test, test_name), equation
        assert seen.startswith("`python scripts/"), equation


def test_every_command_in_the_tables_is_known():
    """Scripts, their flags, and the names that they take."""
    commands = re.findall(r"`python scripts/(\w+)\.py([^`]*)`", README)
    assert len(commands) > 20
    exercises = load_script("exercise").EXERCISES
    for script, arguments in set(commands):
        path = ROOT / "scripts" / f"{script}.py"
        assert path.exists(), script
        source = path.read_text(encoding="utf-8")
        for flag in re.findall(r"--[\w-]+", arguments):
            assert f'"{flag}"' in source, (script, flag)
        if script == "exercise" and arguments.strip() and "--" not in arguments:
            assert arguments.strip() in exercises


def test_the_number_of_exercises_is_the_right_one():
    words = re.search(r"lists (\w+) exercises", README).group(1)
    assert int(words) == len(load_script("exercise").EXERCISES)


def test_bugs_named_are_planted():
    names = {bug.name for bug in load_script("planted_bugs").BUGS}
    named = set(re.findall(r"--bug ([\w-]+)", README)) - {"list", "NAME"}
    assert named and named <= names


def test_importing_the_package_loads_neither_scipy_nor_h5py_nor_pillow():
    code = (
        "import sys, scratchnet; "
        "print([m for m in ('scipy', 'h5py', 'PIL', 'matplotlib', 'torch') if m in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"
