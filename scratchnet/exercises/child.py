"""The reader's file runs in a process of its own, which may take so long and no longer.

`run_check` starts it. There, `main` loads the file, checks it, and writes what there is to say into
another file; all that the reader's code prints goes to the terminal.
"""

import importlib.util
import json
import linecache
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from types import ModuleType

from scratchnet.exercises.catalogue import EXERCISES
from scratchnet.exercises.checking import Verdict, check

SECONDS = 60.0
MEMORY = 4 * 2**30  # bytes of address space, beside what is in use


def run_check(name: str, path: str | os.PathLike, seconds: float = SECONDS) -> Verdict:
    """Check the reader's file in a process of its own.

    Parameters
    ----------
    name : str
        Of the exercise.
    path : path
        The reader's file.
    seconds : float
        How long it may take.

    Returns
    -------
    verdict : Verdict
    """
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder, "verdict.json")
        start = f"import sys; from {__name__} import main; main(*sys.argv[1:])"
        command = [sys.executable, "-c", start, name, os.fspath(path), os.fspath(answer)]
        package = str(Path(__file__).resolve().parents[2])
        paths = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
        # a group of its own, so that what it started ends with it
        group = {"start_new_session": True} if os.name == "posix" else {}
        # no __pycache__ among the reader's files
        environment = {**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
        process = subprocess.Popen(command, env=environment, **group)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            return Verdict(
                False,
                f"{name}: stopped after {seconds:g} seconds: is there a loop without an end?",
            )
        finally:
            _end(process)
        if answer.exists():
            return Verdict(*json.loads(answer.read_text(encoding="utf-8")))
    return Verdict(False, f"{name}: the process ended without an answer ({process.returncode})")


def _end(process: subprocess.Popen) -> None:
    """End a process and all that it started."""
    try:
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    except ProcessLookupError:
        pass
    process.wait()


def load(path: str) -> ModuleType:
    """Import the reader's file."""
    spec = importlib.util.spec_from_file_location("exercise", os.path.abspath(path))
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def verdict_on(name: str, path: str) -> Verdict:
    """Load and check; an exception in the reader's code is part of the verdict."""
    try:
        return check(EXERCISES[name], load(path))
    except BaseException as error:
        return Verdict(False, f"{name}: {describe(error, path)}")


def describe(error: BaseException, path: str) -> str:
    """Say which line of the reader's file raised an exception."""
    file = os.path.abspath(path)
    if isinstance(error, SyntaxError) and error.filename == file:
        place, line = f"{path}, line {error.lineno}", error.text or ""
    else:
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if frame.filename == file]
        if not own:
            return f"it stopped with {type(error).__name__}: {error}"
        place = f"{path}, line {own[-1].lineno}, in {own[-1].name}"
        line = linecache.getline(file, own[-1].lineno)
    kind = type(error).__name__
    if isinstance(error, NotImplementedError):
        kind = "not yet written"
    message = f"{kind}: {error.msg if isinstance(error, SyntaxError) else error}"
    case = getattr(error, "on_case", "")
    case = f"\n  on {case}" if case and kind != "not yet written" else ""
    return f"{message}\n  {place}\n    {line.strip()}{case}"


def limit_memory() -> None:
    """Let a list that grows without an end end this process, not the machine."""
    try:
        import resource

        used = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        most = used * resource.getpagesize() + MEMORY
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        if hard == resource.RLIM_INFINITY or most < hard:
            resource.setrlimit(resource.RLIMIT_AS, (most, hard))
    except (ImportError, OSError, ValueError):  # not on this system
        pass


def main(name: str, path: str, answer: str) -> None:
    """Check, and leave the verdict in a file."""
    limit_memory()
    verdict = verdict_on(name, path)
    Path(answer).write_text(json.dumps(verdict), encoding="utf-8")
