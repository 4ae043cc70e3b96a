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
from conftest import ROOT, amount, lying, seal

import scratchnet.files.weights.own
from scratchnet.files.hdf5 import (
    HEADER,
    new_hdf5,
    open_hdf5,
    read_attribute,
    read_dataset,
    write_attribute,
)
from scratchnet.files.names import printable
from scratchnet.files.saving import replacing
from scratchnet.files.weights import embedded_weights, load_weights, save_weights
from scratchnet.network.architecture import kernel_shapes
from scratchnet.units.receptive_field import ReceptiveField
from scratchnet.units.scan.patches import TopPatches
from scratchnet.units.scan.settings import ScanSettings
from scratchnet.units.strongest import Strongest

MUTANTS = amount("MUTANTS", 1000)
SEED = amount("SEED", 0)


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
    "value", ["variable", np.array([b"a", b"b"]), np.bytes_(b"x" * 5000), 1.0, np.array([1, 2])]
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


def test_many_names_for_one_array_are_refused(tmp_path):
    path = tmp_path / "x.h5"
    with new_hdf5(path, "test") as file:
        group = file.create_group("a")
        group["b"] = np.arange(6.0)
        group["c"] = group["b"]
    with pytest.raises(ValueError, match="a/b: has more than one name in this file"):
        read(path)


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


def test_every_refusal_is_one_printable_line_of_bounded_length(tmp_path):
    folder = tmp_path / ("long" * 50) / "a\n\x1b[2J"
    folder.mkdir(parents=True)
    path = folder / "x.h5"
    with pytest.raises(FileNotFoundError) as missing:
        read(path)
    small(path)
    refusals = [missing]
    for change in (
        lambda: None,
        lambda: seal(path, "weights", path.read_bytes()[HEADER:]),
        lambda: write_architecture(path, "\n\x1b[2J" * 500),
        lambda: path.write_bytes(path.read_bytes()[:-1]),
        lambda: path.write_bytes(path.read_bytes()[HEADER:]),
    ):
        change()
        with pytest.raises(ValueError) as caught:
            load_weights(path)
        refusals.append(caught)
    for caught in refusals:
        line = str(caught.value)
        assert line.isprintable() and "x.h5: " in line and 30 < len(line) <= 200, line
    assert len({str(caught.value) for caught in refusals}) == 6


def write_architecture(path, name):
    with lying(path, "weights") as file:
        write_attribute(file, "architecture", name)


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


def test_what_is_no_ordinary_file_is_not_replaced(tmp_path):
    """Not even by root, who could make a file of /dev/null."""
    (tmp_path / "folder.txt").mkdir()
    os.mkfifo(tmp_path / "pipe.txt")
    for path in (tmp_path / "folder.txt", tmp_path / "pipe.txt"):
        before = path.stat().st_mode
        with pytest.raises(OSError, match=path.name), replacing(path) as partial:
            partial.write_text("new")
        assert path.stat().st_mode == before
    assert len(list(tmp_path.iterdir())) == 2


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
    """Return the folder of a file of patches, and one of weights of 2 channels."""
    folder = tmp_path_factory.mktemp("originals")
    path = folder / "patches.h5"
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
    shapes = dict.fromkeys(kernel_shapes("vgg16"), (3, 3, 2, 2))
    parameters = {name: (np.ones(shape, "f2"), np.ones(2, "f2")) for name, shape in shapes.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scratchnet.files.weights.own, "kernel_shapes", lambda architecture: shapes)
        save_weights(folder / "weights.h5", "vgg16", parameters, {"licence": "none"})
    return folder


CHILD = """
import resource, sys, time; sys.path.insert(0, sys.argv[1])
from collections import Counter
from pathlib import Path
import numpy as np
import scratchnet.files.weights.own as weights
from scratchnet.files.hdf5 import HEADER, header
from scratchnet.units.scan.patches import TopPatches

kind, source, seed, count, sealed = sys.argv[2], sys.argv[3], *map(int, sys.argv[4:])
shapes = dict.fromkeys(weights.kernel_shapes("vgg16"), (3, 3, 2, 2))
weights.kernel_shapes = lambda architecture: shapes
whole = np.frombuffer(Path(source, f"{kind}.h5").read_bytes(), np.uint8)
path = Path("mutant.h5")
outcomes, slowest = Counter(), 0
for n in range(count):
    rng = np.random.default_rng([seed, n])
    mutant = whole.copy()
    for place in rng.integers(len(whole), size=rng.integers(1, 4)):
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
        if kind == "patches":
            TopPatches.load(path)
        else:  # what is read is what was written
            parameters = weights.load(path).parameters
            assert all((part == 1).all() for pair in parameters.values() for part in pair)
        outcomes["read"] += 1
    except ValueError as error:
        line = str(error)
        assert line.startswith("mutant.h5: ") and line.isprintable() and len(line) <= 200, line
        outcomes["refused"] += 1
    slowest = max(slowest, time.monotonic() - start)
    if n == 0:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
outcomes["slowest, ms"] = round(1e3 * slowest)
outcomes["grown, MB"] = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
print(dict(outcomes))
"""


@pytest.mark.slow
@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize("kind", ["patches", "weights"])
def test_mutants_are_refused_in_one_line(kind, sealed, originals, tmp_path):
    """One whose hash is right, sealed, may be read, but does no harm."""
    command = [sys.executable, "-c", CHILD, str(ROOT), kind, str(originals)]
    run = subprocess.run(
        [*command, str(SEED), str(MUTANTS), str(int(sealed))],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-300:] + run.stderr[-2000:]
    outcomes = literal_eval(run.stdout.splitlines()[-1])
    print(kind, "sealed" if sealed else "", outcomes)
    assert outcomes["slowest, ms"] < 5000 and outcomes["grown, MB"] < 300
    assert outcomes["refused"] + outcomes.get("read", 0) == MUTANTS
    # An unsealed one is read only if it equals the original by chance.
    assert sealed or outcomes["refused"] >= 0.97 * MUTANTS


def test_a_weight_file_with_another_type_is_refused(tmp_path):
    path = tmp_path / "weights.h5"
    path.write_bytes(embedded_weights().read_bytes())
    with lying(path, "weights") as file:
        kernel = file["conv1_1/kernel"][()]
        del file["conv1_1/kernel"]
        file["conv1_1"].create_dataset("kernel", data=kernel.view(">f2"))
    with pytest.raises(ValueError, match="conv1_1/kernel: got >f2"):
        load_weights(path)
