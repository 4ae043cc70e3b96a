"""Weight files that were damaged, or made to do harm, read in a process of its own.

There, the processor's time for each file is limited by a signal, the memory that it takes is
measured, and what Python opens, imports or starts is listed by an audit hook.
"""

import codecs
import importlib
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, amount
from test_hostile_pictures import mutated

TESTS = Path(__file__).parent
SECONDS, MEGABYTES, LONGEST = 5, 300, 200
MUTANTS = amount("MUTANTS", 1000)
SEED = amount("SEED", 0)
HARM = ("exec", "compile", "import", "os.", "subprocess.", "pickle.", "socket.", "shutil.")
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def everything(name, shape):
    return True


def assert_harmless(form: str, hostile: dict[str, tuple[bytes, str]], good: bytes, folder: Path):
    """Assert that each file is refused in the words that stand beside it, and does nothing else.

    Those that are not refused, as there is nothing in them, are to be ``""``.
    """
    (folder / "files").mkdir()
    for n, (data, _) in enumerate([(good, ""), *hostile.values()]):
        (folder / "files" / f"{n:03}").write_bytes(data)
    outcomes = call("read_all", form, str(folder / "files"), cwd=folder)
    assert len(outcomes) == len(hostile)
    for (name, (_, words)), (message, megabytes, events) in zip(
        hostile.items(), outcomes, strict=True
    ):
        assert words in message and bool(words) == bool(message), (name, message)
        assert message.isprintable() and len(message) <= LONGEST, (name, message)
        assert megabytes <= MEGABYTES and not events, (name, megabytes, events)
    assert sorted(path.name for path in folder.iterdir()) == ["files"]


def call(function: str, *arguments, cwd: Path):
    """Call a function of this file in a process of its own."""
    code = f"import hostile_weights as this; this.{function}(*{arguments!r})"
    environment = os.environ | {"PYTHONPATH": f"{TESTS}{os.pathsep}{ROOT}"}
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=cwd, timeout=600,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, (run.returncode, run.stderr[-2000:])
    return json.loads(run.stdout)


def read_all(form: str, folder: str) -> None:
    """Read all files of a folder but the first, a good one; print what came of each."""
    reader = importlib.import_module(f"scratchnet.files.weights.{form}")
    first, *paths = sorted(Path(folder).iterdir())
    assert reader.read(first, everything)  # all is now imported
    for name in ("ascii", "cp437", "latin1", "raw-unicode-escape", "utf-16", "utf-8"):
        codecs.lookup(name)
    events, outcomes = [], []
    sys.addaudithook(lambda event, arguments: note(events, event, arguments, path))
    for path in paths:
        print(path, file=sys.stderr, flush=True)
        outcome = measured(reader, path)[1:]
        outcomes.append([*outcome, list(events)])
        events.clear()
    print(json.dumps(outcomes))


def note(events: list, event: str, arguments: tuple, path: Path) -> None:
    """Note an event of Python's that no reader of numbers should cause."""
    if event == "open" and str(arguments[0]) not in (str(path), *PROC):
        events.append(f"open {arguments[0]}")
    elif event.startswith(HARM):
        events.append(event)


PROC = ("/proc/self/status", "/proc/self/clear_refs")


def measured(reader, path: Path) -> tuple[dict, str, int]:
    """Read a file; return what is in it, the refusal, and the megabytes that it took."""
    signal.setitimer(signal.ITIMER_PROF, SECONDS)  # the signal ends the process
    before, tensors, message = peak(), {}, ""
    head = path.read_bytes()[:512]
    assert reader.recognises(head, path) in (True, False)
    before = peak()
    try:
        tensors = reader.read(path, everything)
        held = sum(array.nbytes for array in tensors.values()) // 2**20
    except ValueError as error:
        message, held = str(error), 0
    signal.setitimer(signal.ITIMER_PROF, 0)
    return tensors, message, peak() - before - held


def peak() -> int:
    """Return the most memory that was held since the last call, in megabytes; Linux only."""
    status = Path(PROC[0]).read_text()
    Path(PROC[1]).write_text("5")
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


# ---------------------------------------------------------------- mutants


def assert_mutants_do_no_harm(form: str, originals: list[bytes], changes: str, folder: Path):
    """Assert that `MUTANTS` mutants are read or refused in one line.

    Parameters
    ----------
    changes : ``"MODULE.FUNCTION"``
        Makes a mutant: of the originals' number, an original and a generator.
    """
    for n, data in enumerate(originals):
        (folder / f"{n:03}").write_bytes(data)
    outcomes = call("read_mutants", form, str(folder), changes, len(originals), cwd=folder)
    print(form, outcomes)
    assert outcomes["read"] + outcomes["refused"] == MUTANTS and outcomes["read"] > MUTANTS / 100
    assert outcomes["MB"] <= MEGABYTES


def read_mutants(form: str, folder: str, changes: str, count: int) -> None:
    """Read mutants of a folder's files, and print how many were read, and how much they took."""
    resource.setrlimit(resource.RLIMIT_AS, (2**33, 2**33))  # for the machine's sake
    reader = importlib.import_module(f"scratchnet.files.weights.{form}")
    module, function = changes.split(".")
    change = getattr(importlib.import_module(module), function)
    originals = [Path(folder, f"{n:03}") for n in range(count)]
    right = [reader.read(path, everything) for path in originals]
    path = Path(folder, "mutant")
    outcomes = {"read": 0, "refused": 0, "other": 0, "MB": 0}
    for n in range(MUTANTS):
        print(n, file=sys.stderr, flush=True)
        rng = np.random.default_rng([SEED, n])
        mutant, is_sealed = change(n % count, originals[n % count].read_bytes(), rng)
        path.write_bytes(mutant)
        tensors, message, megabytes = measured(reader, path)
        assert message.isprintable() and len(message) <= LONGEST, message
        is_right = same(tensors, right[n % count])
        assert message or is_right or not is_sealed, "other numbers than were written"
        outcomes["refused" if message else "read"] += 1
        outcomes["other"] += not message and not is_right
        outcomes["MB"] = max(outcomes["MB"], megabytes)
    print(json.dumps(outcomes))


def slightly(data: bytes, rng: np.random.Generator) -> bytes:
    """Change one byte, or as `mutated` does; what is changed a lot is all refused alike."""
    if rng.random() < 0.5:
        return mutated(data, rng)
    place = int(rng.integers(len(data)))
    return data[:place] + rng.bytes(1) + data[place + 1 :]


def same(these: dict, those: dict) -> bool:
    return these.keys() == those.keys() and all(
        np.array_equal(array, those[name]) for name, array in these.items()
    )
