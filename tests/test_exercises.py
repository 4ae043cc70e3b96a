"""The exercises: what the reader gets, what he is told, and that his code can do no harm."""

import ast
import inspect
import re
import time
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from conftest import files

from scratchnet.exercises import EXERCISES, run_check, sheet, solution
from scratchnet.exercises.checking import check
from scratchnet.exercises.diagnosis import as_module, planted
from scratchnet.exercises.exercise import Trial
from scratchnet.exercises.mistakes import MISTAKES
from scratchnet.exercises.patterns import PATTERNS, Wrong

pytestmark = pytest.mark.usefixtures("known_mistakes_run_once")
EACH = pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)


def asked_in(text, exercise):
    """Return the syntax tree of what is asked for, in the reader's file."""
    name, _, method = exercise.asked.partition(".")
    node = next(n for n in ast.parse(text).body if getattr(n, "name", "") == name)
    return next(n for n in node.body if getattr(n, "name", "") == method) if method else node


# ------------------------------------------------------------------ what the reader gets


def test_there_are_at_least_fourteen():
    assert len(EXERCISES) >= 14 and set(MISTAKES) == set(EXERCISES)


@EACH
def test_signature_and_docstring_are_the_real_ones(exercise):
    real = import_module(exercise.module)
    for part in exercise.asked.split("."):
        real = getattr(real, part)
    given = asked_in(sheet(exercise), exercise)
    assert ast.get_docstring(given) == inspect.getdoc(real)
    assert [a.arg for a in given.args.args] == list(inspect.signature(real).parameters)


@EACH
def test_the_file_runs_and_lacks_only_what_is_asked_for(exercise):
    text = sheet(exercise)
    module = as_module(text)
    with pytest.raises(NotImplementedError, match=f"write {exercise.asked.split('.')[-1]}"):
        check(exercise, module)
    asked = asked_in(text, exercise)
    assert isinstance(asked.body[-1], ast.Raise)
    assert text.count("# Hint:") == 1 and text.count("# Second hint:") == 1
    # nothing of the solution is left
    whole = asked_in(sheet(exercise, solved=True), exercise)
    assert len(asked.body) <= len(whole.body)
    assert ast.unparse(whole.body[-1]) not in text
    assert not any(isinstance(n, ast.Return) and n.value for n in asked.body[1:])


def test_a_hint_has_no_minus_sign_that_python_refuses_where_it_is_code():
    for exercise in EXERCISES.values():
        for line in exercise.hints[1].splitlines():
            if "[" in line and "=" in line:
                assert "−" not in line or "2−k" in line.replace(" ", ""), (exercise.name, line)


@EACH
def test_the_solution_is_the_source(exercise):
    shown = solution(exercise)
    source = inspect.getsource(import_module(exercise.module))
    assert all(line.strip() in source for line in shown.splitlines())
    assert f"def {exercise.asked.split('.')[-1]}(" in shown


# ------------------------------------------------------------------ what he is told


@EACH
def test_the_real_code_is_right(exercise):
    verdict = check(exercise, planted(exercise, ()))
    assert verdict.passed and f"{exercise.name}: right" in verdict.message


@pytest.mark.parametrize(
    ("name", "mistake"), [(name, m) for name, some in MISTAKES.items() for m in some],
    ids=lambda part: getattr(part, "name", part),
)  # fmt: skip
def test_a_known_mistake_is_called_by_its_name(name, mistake):
    exercise = EXERCISES[name]
    module = planted(exercise, [mistake])
    assert module is not None, "the source has changed, and the mistake must follow it"
    verdict = check(exercise, module)
    assert not verdict.passed
    assert f"({mistake.name})" in verdict.message and mistake.what in verdict.message


def test_two_mistakes_at_once_are_both_named():
    known = {m.name: m for m in MISTAKES["col2im"]}
    both = known["kernel-not-rotated"], known["padding-kept"]
    verdict = check(EXERCISES["col2im"], planted(EXERCISES["col2im"], both))
    assert "kernel-not-rotated and padding-kept" in verdict.message


def test_the_worst_entry_is_named_with_both_numbers():
    text = sheet(EXERCISES["preprocess"], solved=True)
    changed = text.replace(
        "return dy[..., ::-1]", "dx = dy[..., ::-1].copy(); dx[1, 2, 0] = 7; return dx"
    )
    message = check(EXERCISES["preprocess"], as_module(changed)).message
    assert "1 of 60 entries of ∂J/∂x are wrong" in message
    assert "at row 1, column 2, channel 0: yours 7, measured " in message


def wrong(right, answer, **options):
    return Wrong(Trial("", None, {"x": right}, **options), "x", np.asarray(answer, float))


R = np.random.default_rng(0).standard_normal((6, 7, 3))
BORDER = R.copy()
BORDER[0] += 1
BORDER[:, -1] += 2
SHIFTED = np.roll(R, (1, 0), (0, 1))
MASKED = np.where(R > 0, R, 0.0)


@pytest.mark.parametrize(
    ("right", "answer", "options", "said"),
    [
        (R, 0 * R, {}, "everything is 0"),
        (R, -R, {}, "the sign is wrong"),
        (R, 2 * R, {}, "too large by the factor 2"),
        (R, R / 2, {}, "too small by the factor 2"),
        (R, R / 42, {"factors": {"M": 42}}, r"too small by the factor 42 \(M\)"),
        (R, -50 * R, {"factors": {"C²": 25}}, r"of the wrong sign.*factor 50 \(2 · C²\)"),
        (R, 1.7 * R, {}, "1.7 times what it should be"),
        (R, R[..., ::-1], {}, "channel in reverse order: BGR"),
        (R, R[::-1, ::-1], {}, "row and column in reverse order: turned by 180°"),
        (R[:, :6], R[:, :6].transpose(1, 0, 2), {}, "row and column exchanged"),
        (R[:, :6], 2 * R[:, :6].transpose(1, 0, 2), {}, "exchanged.*and.*factor 2"),
        (R, R + 3, {}, "3 is added everywhere"),
        (R, SHIFTED, {}, r"1 row\(s\) down"),
        (R, BORDER, {"border": 1}, "right inside, wrong at the border"),
        (MASKED, R, {}, "should be 0 and are not: is a mask missing"),
        (R, MASKED, {}, "are 0 and should not be"),
        (MASKED, R - MASKED, {}, "mask from the wrong side"),
    ],
)  # fmt: skip
def test_patterns(right, answer, options, said):
    seen = [text for look in PATTERNS if (text := look(wrong(right, answer, **options)))]
    assert seen and re.search(said, seen[0]), seen


def test_no_pattern_is_seen_in_noise():
    noise = np.random.default_rng(1).standard_normal(R.shape)
    assert not any(look(wrong(R, noise)) for look in PATTERNS)


# ------------------------------------------------------------------ his code, in its own process

RELU = EXERCISES["relu"]
HOLE = 'raise NotImplementedError("write backward")'


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return dy * maks", "NameError: name 'maks' .*\n  {path}, line {line}, in backward"),
        ("return dy *", "SyntaxError: .*\n  {path}, line {line}\n    return dy \\*"),
        ("while True: pass", "stopped after 2 seconds: is there a loop without an end?"),
        ("import os; os._exit(3)", r"the process ended without an answer \(3\)"),
        ("import sys; sys.exit()", "SystemExit"),
        ("return self.backward(dy, cache)", "RecursionError"),
        (HOLE, "not yet written: write backward\n  {path}, line {line}"),
    ],
)  # fmt: skip
def test_what_goes_wrong_in_his_code_is_said(body, said, tmp_path):
    text = sheet(RELU)
    path = tmp_path / "own.py"
    path.write_text(text.replace(HOLE, body), encoding="utf-8")
    line = text[: text.index(HOLE)].count("\n") + 1
    verdict = run_check("relu", path, seconds=2 if "while" in body else 60)
    assert not verdict.passed
    assert re.search(said.format(path=re.escape(str(path)), line=line), verdict.message), verdict
    assert files(tmp_path) == ["own.py"]  # no __pycache__ beside it


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return None", "∂J/∂x is None: is there a return"),
        ("return 'dy'", "∂J/∂x is no array of numbers, but str"),
        ("return dy[0]", "∂J/∂x has the shape (6, 3), and should have (5, 6, 3)"),
    ],
)
def test_what_is_no_answer_is_said(body, said):
    verdict = check(RELU, as_module(sheet(RELU).replace(HOLE, body)))
    assert not verdict.passed and said in verdict.message


def test_what_it_started_ends_with_it(tmp_path):
    body = (
        "import subprocess; child = subprocess.Popen(['sleep', '300']); "
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(child.pid)); child.wait()"
    )
    (tmp_path / "own.py").write_text(sheet(RELU).replace(HOLE, body), encoding="utf-8")
    verdict = run_check("relu", tmp_path / "own.py", seconds=4)
    assert "stopped after 4 seconds" in verdict.message
    status = Path("/proc", (tmp_path / "pid").read_text(), "status")
    for _ in range(100):
        if not status.exists() or "State:\tZ" in status.read_text():
            return
        time.sleep(0.1)
    pytest.fail("what his code started still runs")


# ------------------------------------------------------------------ the script


def test_the_script_from_the_list_to_the_last_check(run, tmp_path):
    code, out, _ = run("exercise")
    assert code == 0 and all(name in out for name in EXERCISES)
    code, out, _ = run("exercise", "relu")
    assert code == 0 and "--check" in out and files(tmp_path) == ["outputs/exercises/relu.py"]
    code, out, _ = run("exercise", "relu", "--check")
    assert code == 1 and "not yet written" in out
    own = tmp_path / "outputs" / "exercises" / "relu.py"
    own.write_text(own.read_text(encoding="utf-8").replace(HOLE, "return dy"), encoding="utf-8")
    code, out, _ = run("exercise", "relu", "--check")
    assert code == 1 and "relu-mask-forgotten" in out
    code, _, error = run("exercise", "relu")  # would lose what he wrote
    assert code == 2 and "relu.py exists" in error and "return dy" in own.read_text("utf-8")
    text = own.read_text(encoding="utf-8").replace("return dy", "return dy * cache")
    (tmp_path / "mine.py").write_text(text, encoding="utf-8")
    code, out, _ = run("exercise", "relu", "--check", "mine.py")
    assert code == 0 and "relu: right" in out
    code, out, _ = run("exercise", "--progress")
    assert code == 1 and "not yet right" in out and f"0 of {len(EXERCISES)} done" in out
    code, out, _ = run("exercise", "relu", "--force")
    assert code == 0 and HOLE in own.read_text(encoding="utf-8")
    code, out, _ = run("exercise", "--solution", "relu")
    assert code == 0 and "return dy * cache" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rule"], "there is no exercise 'rule'; there are relu, "),
        (["--check"], "which exercise?"),
        (["relu", "--check", "none.py"], "none.py: there is no such file"),
        (["relu", "--check"], "relu.py: there is no such file"),
    ],
)
def test_the_script_says_what_it_wants(run, arguments, said):
    code, _, error = run("exercise", *arguments)
    assert code == 2 and said in error and error.count("\n") == 1
