"""What several test files share."""

import importlib.util
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import h5py
import numpy as np
import pytest
from browser import driver  # noqa: F401 (a fixture)

from scratchnet import (
    VGG,
    Network,
    StyleTransferObjective,
    gatys_terms,
    load_image,
    save_image,
)
from scratchnet.exercises import diagnosis
from scratchnet.files.hdf5 import HEADER, header
from scratchnet.files.images import find_pictures, resize_image
from scratchnet.files.weights import load_weights
from scratchnet.network.convolution import Convolution
from scratchnet.network.pooling import AveragePool, MaxPool
from scratchnet.network.preprocessing import Preprocess
from scratchnet.network.relu import ReLU
from scratchnet.units.scan.run import scan
from scratchnet.units.scan.settings import ScanSettings

collect_ignore = ["pytorch_reference.py"]  # it needs PyTorch; test_network imports it

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "scripts" / "images"
SMALL_SCAN = ScanSettings(
    layers=("relu1_2", "relu2_1", "relu2_2", "relu3_1"), size=32, per_picture=2
)


def amount(name: str, usual: int) -> int:
    """Return how often a slow test tries: the usual number, or what SCRATCHNET_<name> says."""
    return int(os.environ.get(f"SCRATCHNET_{name}", usual))


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture(scope="session")
def vgg64():
    """Return the plain network, the reference."""
    return VGG.load(dtype="float64", fast=False)


@pytest.fixture(scope="session")
def vgg32():
    return VGG.load(fast=False)


@pytest.fixture(scope="session")
def fast64():
    return VGG.load(dtype="float64")


@pytest.fixture(scope="session")
def fast32():
    return VGG.load()


def make_objective(network, content, style, **options):
    """Return J with the usual three terms, for pictures of the content's size."""
    return StyleTransferObjective(
        network, gatys_terms(content, style, **options), content.shape[:2]
    )


@pytest.fixture(scope="session")
def pictures():
    """Return a small content and a small style picture of another shape, in float64."""
    content = resize_image(load_image(IMAGES / "leuven_street.jpg"), (36, 48))
    style = resize_image(load_image(IMAGES / "starry_night.jpg"), (40, 32))
    return content.astype(float), style.astype(float)


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Return a folder of 50 small pictures of many shapes, cut out of the embedded ones."""
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "below").mkdir()
    rng = np.random.default_rng(3)
    sources = [load_image(path) for path in sorted(IMAGES.glob("*.jpg"))]
    for n in range(50):
        image = sources[n % len(sources)]
        height, width = rng.integers(32, 60, 2)
        top, left = (rng.integers(0, m - 60) for m in image.shape[:2])
        name = f"below/{n:02}.png" if n % 2 else f"{n:02}.png"
        save_image(folder / name, image[top : top + height, left : left + width])
    return folder


@pytest.fixture(scope="session")
def serial(folder, tmp_path_factory):
    """Return the bytes that a serial scan of the folder gives."""
    output = tmp_path_factory.mktemp("serial") / "patches.h5"
    scan(folder, find_pictures(folder), SMALL_SCAN, output)
    return output.read_bytes()


@contextmanager
def lying(path, kind):
    """Open an HDF5 file of ours to change it; its hash is then right again."""
    with h5py.File(path, "r+") as file:
        yield file
    seal(path, kind, path.read_bytes()[HEADER:])


def seal(path, kind, image):
    """Write an HDF5 file with our first line before it."""
    path.write_bytes(header(kind, image) + image)


def make_tiny_network(pool=MaxPool, dtype="float64", seed=0, partial_windows=False) -> Network:
    """Return a network shaped like VGG's first two blocks, with few channels."""
    rng = np.random.default_rng(seed)
    layers, C_in = [Preprocess("preprocess")], 3
    for block, C_out in enumerate((4, 5), start=1):
        for n in (1, 2):
            kernel = (rng.standard_normal((3, 3, C_in, C_out)) / 4).astype(dtype)
            bias = rng.standard_normal(C_out).astype(dtype)
            layers += [Convolution(kernel, bias, name=f"conv{block}_{n}"), ReLU(f"relu{block}_{n}")]
            C_in = C_out
        layers.append(pool(f"pool{block}", partial_windows))
    return Network(layers, dtype=dtype)


@pytest.fixture(params=[MaxPool, AveragePool])
def tiny_network(request):
    return make_tiny_network(request.param)


sys.path.insert(0, str(ROOT / "scripts"))  # as Python does for a script


def load_script(name: str):
    """Import a file of scripts/ as a module."""
    spec = importlib.util.spec_from_file_location(
        f"scripts_{name}", ROOT / "scripts" / f"{name}.py"
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@cache
def embedded_in_float32():
    weights = load_weights()
    parameters = {
        name: tuple(part.astype(np.float32) for part in pair)
        for name, pair in weights.parameters.items()
    }
    return weights._replace(parameters=parameters)


def weights_read_once(path=None, **told):
    """Load weights as `load_weights` does, but the embedded ones only once for all tests."""
    if path is None and set(told.values()) <= {None}:
        return embedded_in_float32()
    return load_weights(path, **told)


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    """Call a script's main() in an empty folder; returns (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    for module in ("scratchnet.vgg", "scratchnet.files.weights"):
        monkeypatch.setattr(f"{module}.load_weights", weights_read_once)

    def call(name, *arguments):
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *map(str, arguments)])
        try:
            code = load_script(name).main()
        except SystemExit as stop:
            code = stop.code
        return code, *capsys.readouterr()

    return call


def scan_in_a_thread(monkeypatch):
    """Let a script's scans run in one thread, since each process takes a second to begin."""
    monkeypatch.setattr("scan_workers.Processes", lambda count: ThreadPoolExecutor(1))


@pytest.fixture
def no_processes(monkeypatch):
    scan_in_a_thread(monkeypatch)


@pytest.fixture
def quick_transfers(monkeypatch):
    """Let transfer.py save a white square for the curve of J, and take no time to predict time.

    Both take longer than all the rest of a small transfer; `test_scripts` does without this.
    """
    load_script("transfer")
    white = np.full((8, 8, 3), 255.0)
    monkeypatch.setattr("transfer_saving.plot_history", lambda _, path: save_image(path, white))
    monkeypatch.setattr("transfer_inputs.seconds_of_a_pass", lambda *_: 0.01)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Give a worker whole files, unless --dist says otherwise: what a file's tests share is
    made once."""
    from xdist.scheduler import LoadFileScheduling

    return LoadFileScheduling(config, log) if config.option.dist == "load" else None


@pytest.fixture(scope="module")
def known_mistakes_run_once():
    """Run each known mistake once on its exercise's cases, and not for each wrong solution."""
    run, found = diagnosis._answers, {}

    def answers(module, trials):
        key = module, id(trials)  # both are kept, by `modules` and `cases`
        if key not in found:
            found[key] = list(run(module, trials))
        return found[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(diagnosis, "_answers", answers)
        yield


def files(folder):
    """Return the paths of all files below a folder, sorted."""
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
