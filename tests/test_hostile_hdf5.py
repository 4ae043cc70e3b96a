"""HDF5 files that were damaged, or made to do harm: one line that names the file, and nothing else.

Each of the crafted ones has the right hash, so that HDF5 itself gets to see it.
"""

import os
import signal
import subprocess
import sys
import tracemalloc
from ast import literal_eval

import h5py
import numpy as np
import pytest
from conftest import ROOT, lying, seal

from scratchnet.files.hdf5 import HEADER, new_hdf5, open_hdf5, read_attribute, read_dataset
from scratchnet.files.names import printable
from scratchnet.files.saving import replacing
from scratchnet.files.weights import embedded_weights, load_weights
from scratchnet.units.receptive_field import ReceptiveField
from scratchnet.units.scan.patches import TopPatches
from scratchnet.units.scan.settings import ScanSettings
from scratchnet.units.strongest import Strongest

MUTANTS = 1000
SEED = int(os.environ.get("SCRATCHNET_SEED", 0))


def small(path, data=None, **options):
    """Write a file of ours with one dataset, a/b, made with these options."""
    with new_hdf5(path, "test") as file:
        group = file.create_group("a")
        group.create_dataset("b", data=np.arange(6.0) if data is None else data, **options)
    return path


def read(path, types=("float64",), shape=(6,)):
    with open_hdf5(path, "test", "test file") as file:
        return read_dataset(file, "a", "b", shape, types)


def test_what_is_written_is_read(tmp_path):
    assert read(small(tmp_path / "x.h5")).tolist() == [0, 1, 2, 3, 4, 5]


def test_one_byte_changed_anywhere_is_noticed(tmp_path):
    path = small(tmp_path / "x.h5")
    whole = path.read_bytes()
    for place in [*range(0, 120, 7), *range(HEADER, len(whole), 97), len(whole) - 1]:
        damaged = bytearray(whole)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"x\.h5: "):
            read(path)
    for other in (whole[:-1], whole + b"\0", whole[:HEADER], whole[: HEADER - 1], b""):
        path.write_bytes(other)
        with pytest.raises(ValueError, match=r"x\.h5: "):
            read(path)


@pytest.mark.parametrize(
    ("data", "options"),
    [
        (np.arange(6.0), {"chunks": (2,)}),
        (np.arange(6.0), {"chunks": (6,), "fletcher32": True}),
        (np.zeros(6), {"chunks": (6,), "compression": "gzip"}),
        (np.arange(6.0), {"chunks": (6,), "shuffle": True}),
    ],
)
def test_only_datasets_in_one_piece_are_read(tmp_path, data, options):
    with pytest.raises(ValueError, match="a/b: wanted a plain dataset: in one piece"):
        read(small(tmp_path / "x.h5", data, **options))


def test_a_short_chunk_behind_a_checksum_does_not_crash(tmp_path):
    path = tmp_path / "x.h5"
    with new_hdf5(path, "test") as file:
        group = file.create_group("a")
        options = {"shape": (6,), "dtype": "f8", "chunks": (6,), "fletcher32": True}
        group.create_dataset("b", **options).id.write_direct_chunk((0,), b"ab")
    with pytest.raises(ValueError, match="wanted a plain dataset"):
        read(path)


@pytest.mark.parametrize("dtype", [">f8", "i8", "c16", "f4", "S8", h5py.string_dtype(), "bool"])
def test_only_the_very_type_is_read(tmp_path, dtype):
    data = ["text"] * 6 if isinstance(dtype, np.dtype) else np.zeros(6, dtype)
    with pytest.raises(ValueError, match="wanted float64"):
        read(small(tmp_path / "x.h5", data, dtype=dtype))


def test_a_bomb_of_references_to_one_text_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "x.h5"
    with new_hdf5(path, "test") as file:
        file.attrs["bomb"] = np.array(["x" * 2**20] * 30, dtype=object)
    tracemalloc.start()
    with (
        pytest.raises(ValueError, match="its attribute 'bomb' is missing or not of type str"),
        open_hdf5(path, "test", "test file") as file,
    ):
        read_attribute(file, "bomb")
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()


@pytest.mark.parametrize(
    "value", ["variable", np.array([b"a", b"b"]), np.bytes_(b"x" * 3000), 1.0, np.array([1, 2])]
)
def test_attributes_are_one_text_of_fixed_length(tmp_path, value):
    path = tmp_path / "x.h5"
    with new_hdf5(path, "test") as file:
        file.attrs["fact"] = value
    with (
        pytest.raises(ValueError, match="its attribute 'fact' is missing or not of type str"),
        open_hdf5(path, "test", "test file") as file,
    ):
        read_attribute(file, "fact")


def test_another_kind_and_another_version(tmp_path):
    path = small(tmp_path / "x.h5")
    with pytest.raises(ValueError, match=r"x\.h5: not a weight file$"):
        load_weights(path)
    path.write_bytes(path.read_bytes().replace(b"test 2 ", b"test 1 ", 1))
    with pytest.raises(ValueError, match="a test file of version 1, wanted 2"):
        read(path)


def test_what_hdf5_says_is_one_line_of_bounded_length(tmp_path):
    path = tmp_path / "x.h5"
    seal(path, "test", b"\x89HDF\r\n\x1a\n" + bytes(range(256)) * 9)
    with pytest.raises(ValueError, match=r"x\.h5: damaged, or no test file") as caught:
        read(path)
    assert "\n" not in str(caught.value) and len(str(caught.value)) <= 200


def test_names_are_printable():
    assert printable("a\x1b[2J\nb\u202e.png") == "a?[2J b?.png"
    assert len(printable("x" * 60_000)) <= 200


# ------------------------------------------------------------- writing


def test_an_old_file_keeps_its_mode_and_a_link_stays_a_link(tmp_path):
    target, link = tmp_path / "target.txt", tmp_path / "link.txt"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    with replacing(link) as partial:
        partial.write_text("new")
    assert link.is_symlink() and target.read_text() == "new"
    assert target.stat().st_mode & 0o777 == 0o640
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link.txt", "target.txt"]


def test_what_a_dead_process_left_goes_and_a_living_one_s_stays(tmp_path):
    code = (
        "import os, sys; from scratchnet.files.saving import replacing\n"
        "with replacing('x.txt') as partial:\n"
        "    partial.write_text('half'); print(partial, flush=True); sys.stdin.read()"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def start():
        process = subprocess.Popen(
            [sys.executable, "-c", code], cwd=tmp_path, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        return process, tmp_path / process.stdout.readline().strip()

    (killed, left), (living, right) = start(), start()
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert left.exists() and right.exists()
    with replacing(tmp_path / "x.txt") as partial:
        partial.write_text("whole")
    assert not left.exists() and right.exists()
    living.communicate("")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.txt"]


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files as Linux does")
def test_a_full_disk_is_one_error_with_the_name_and_the_old_file_stays(tmp_path):
    path = small(tmp_path / "x.h5")
    before = path.read_bytes()
    code = (
        "import resource, signal, sys; sys.path.insert(0, sys.argv[1])\n"
        "import numpy as np; from scratchnet.files.hdf5 import new_hdf5\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try:\n"
        "    with new_hdf5('x.h5', 'test') as file:\n"
        "        file['x'] = np.zeros(10**6)\n"
        "except OSError as error:\n"
        "    print(error.filename)\n"
    )
    command = [sys.executable, "-c", code, str(ROOT)]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert run.stdout == "x.h5\n"
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


@pytest.mark.slow
def test_twenty_kills_while_saving_leave_a_whole_file_and_then_nothing(tmp_path):
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import numpy as np; from scratchnet.files.hdf5 import new_hdf5\n"
        "print('ready', flush=True)\n"
        "for n in range(10**6):\n"
        "    with new_hdf5('x.h5', 'test') as file:\n"
        "        file.create_group('a')['b'] = np.full(300_000, 1.0 * n)\n"
    )
    rng = np.random.default_rng(SEED)
    for _ in range(20):
        command = [sys.executable, "-c", code, str(ROOT)]
        process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE)
        process.stdout.readline()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(rng.uniform(0.05, 0.4))
        process.kill()
        process.wait()
        if (tmp_path / "x.h5").exists():
            values = read(tmp_path / "x.h5", shape=(300_000,))
            assert (values == values[0]).all()
    small(tmp_path / "x.h5")
    assert [p.name for p in tmp_path.iterdir()] == ["x.h5"]


# ------------------------------------------------------------- mutants


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """Return a file of patches, and the embedded weights."""
    path = tmp_path_factory.mktemp("originals") / "patches.h5"
    strongest = Strongest(
        np.array([[2, 1], [3, 0]], np.float32), np.array([[0, 1], [1, -1]], np.int32),
        np.array([[1.0, 1.0], [1.0, 0.0]]), np.zeros((2, 2, 2), np.int32),
    )  # fmt: skip
    top = TopPatches(
        ScanSettings(layers=("relu1_1",), k=2), "ab" * 32, ["a.png", "b/c.png"],
        np.zeros((2, 32), np.uint8), np.full((2, 2), 224, np.int32),
        {"relu1_1": ReceptiveField(3, 1, -1)}, {"relu1_1": strongest},
    )  # fmt: skip
    top.save(path)
    TopPatches.load(path)
    return {"patches": path, "weights": embedded_weights()}


CHILD = """
import sys, time; sys.path.insert(0, sys.argv[1])
from collections import Counter
from pathlib import Path
import resource
import numpy as np
from scratchnet.files.hdf5 import HEADER, header
from scratchnet.files.weights import load_weights
from scratchnet.units.scan.patches import TopPatches
kind, source, seed, first, stop, sealed = sys.argv[2], Path(sys.argv[3]), *map(int, sys.argv[4:])
whole = np.frombuffer(source.read_bytes(), np.uint8)
places = np.arange(len(whole))
if kind == "weights":  # where HDF5's own data are
    places = np.r_[0:20_000, len(whole) - 20_000 : len(whole)]
path = Path(f"mutant-{first}.h5")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
outcomes = Counter()
for n in range(first, stop):
    rng = np.random.default_rng([seed, n])
    mutant = whole.copy()
    for place in rng.choice(places, rng.integers(1, 4)):
        mutant[place] = rng.integers(256)
    data = mutant.tobytes()
    if rng.random() < 0.1:
        data = data[: rng.integers(len(data))]
    if sealed:  # a mutant whose hash is right: HDF5 itself sees it
        data = header(kind, data[HEADER:]) + data[HEADER:]
    path.write_bytes(data)
    print(n, flush=True)
    start = time.monotonic()
    try:
        load_weights(path) if kind == "weights" else TopPatches.load(path)
        outcomes["read"] += 1
    except ValueError as error:
        assert path.name in str(error) and "\\n" not in str(error), error
        outcomes["refused"] += 1
    assert time.monotonic() - start < 5
path.unlink()
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
assert grown < 3e8 + 4 * len(whole), grown
print(dict(outcomes))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "sealed"), [("patches", 0), ("patches", 1), ("weights", 0)])
def test_mutants_are_refused_in_one_line(kind, sealed, originals, tmp_path):
    """One whose hash is right, sealed, may be read, but does no harm."""
    mutants = MUTANTS if kind == "patches" else MUTANTS // 4
    command = [sys.executable, "-c", CHILD, str(ROOT), kind, str(originals[kind]), str(SEED), "0"]
    run = subprocess.run(
        [*command, str(mutants), str(sealed)], cwd=tmp_path, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-300:] + run.stderr[-2000:]
    outcomes = literal_eval(run.stdout.splitlines()[-1])
    assert sum(outcomes.values()) == mutants
    # An unsealed one is read only if it equals the original by chance.
    assert sealed or outcomes["refused"] >= 0.97 * mutants, outcomes


def test_a_weight_file_with_another_type_is_refused(tmp_path):
    path = tmp_path / "weights.h5"
    path.write_bytes(embedded_weights().read_bytes())
    with lying(path, "weights") as file:
        kernel = file["conv1_1/kernel"][()]
        del file["conv1_1/kernel"]
        file["conv1_1"].create_dataset("kernel", data=kernel.view(">f2"))
    with pytest.raises(ValueError, match="conv1_1/kernel: got >f2"):
        load_weights(path)
