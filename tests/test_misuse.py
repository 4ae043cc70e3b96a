"""What people pass by mistake gets one sentence: what came, and what was wanted."""

import os

import numpy as np
import pytest

from scratchnet import VGG, Content, FastNetwork, Style, Workspace, save_image, style_transfer
from scratchnet.fast import predicted_memory

NAMES = r"got the layers {}, wanted a list of names, such as \['relu4_2'\]"


@pytest.mark.parametrize("which", ["vgg32", "fast32"])
@pytest.mark.parametrize(
    ("image", "layers", "error", "message"),
    [
        (np.ones((9, 9, 3)), "relu1_1", TypeError, NAMES.format("'relu1_1'")),
        (np.ones((9, 9, 3)), None, TypeError, NAMES.format("None")),
        (np.ones((9, 9, 3)), ["relu1_1", 3], ValueError, "unknown layer 3; the layers are prep"),
        (np.ones((0, 9, 3)), ["relu1_1"], ValueError, r"got an image of shape \(0, 9, 3\), wanted"),
        ([], ["relu1_1"], ValueError, r"got an image of shape \(0,\), wanted \(height, width, 3\)"),
        (np.ones((3, 9, 9)), ["relu1_1"], ValueError, r"shape \(3, 9, 9\), wanted"),
        (None, ["relu1_1"], TypeError, "of type NoneType, dtype object, wanted an array of num"),
        ("cat.jpg", ["relu1_1"], TypeError, "got a picture of type str, .*, wanted an array"),
        (np.ones((9, 9, 3)) * 1j, ["relu1_1"], TypeError, "dtype complex128, wanted an array"),
    ],
)
def test_forward(which, image, layers, error, message, request):
    with pytest.raises(error, match=message):
        request.getfixturevalue(which).forward(image, layers)


@pytest.mark.parametrize("term", [Content, Style])
@pytest.mark.parametrize("layers", [["relu1_1"], "relu1_1", 4])
def test_layers_without_weights(term, layers):
    with pytest.raises(TypeError, match=r"_layers: got .*, wanted names with weights, as {'re"):
        term(np.ones((9, 9, 3)), layers)


@pytest.mark.parametrize("weight", ["1", None, np.ones(2), float("nan")])
def test_weights_that_are_no_numbers(weight):
    with pytest.raises(
        ValueError, match=r"relu1_1: got a weight of .*, wanted a number of at leas"
    ):
        Content(np.ones((9, 9, 3)), {"relu1_1": weight})


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Workspace("2"), TypeError, "got '2' threads, wanted a whole number"),
        (lambda: Workspace(2.5), TypeError, "got 2.5 threads, wanted a whole number"),
        (lambda: Workspace(100_000), ValueError, "got 100000 threads, wanted 1 to 256"),
        (lambda: FastNetwork("vgg16"), TypeError, "got 'vgg16' for a network, wanted a Network"),
        (lambda: VGG.load(dtype="foo"), ValueError, "got dtype 'foo', wanted 'float32' or 'flo"),
        (lambda: VGG.load(dtype=None), ValueError, "got dtype None, wanted 'float32' or 'float"),
    ],
)
def test_making_a_network(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_predicting_the_memory_of_a_plain_network(vgg32):
    with pytest.raises(TypeError, match=r"got a VGG, wanted a FastNetwork such as VGG\.load"):
        predicted_memory(vgg32, 64, 64, ["relu1_1"])


def test_numpys_whole_numbers_are_numbers():
    assert Workspace(np.int64(2)).threads == 2


# ---------------------------------------------------------------- command lines


def test_too_many_threads(run):
    code, _, error = run("transfer", "--threads", 100_000, "--image-size", 64)
    assert (code, error) == (2, "transfer: got 100000 threads, wanted 1 to 256\n")


def test_fewer_threads_than_asked_for_are_announced(run, monkeypatch):
    def no_more(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("concurrent.futures.thread.threading.Thread.start", no_more)
    flags = ["--image-size", 64, "--iterations", 1, "--init", "content", "--threads", 3]
    code, out, error = run("transfer", *flags)
    assert code == 0, error
    assert "threads  1, not 3: the system grants no more\n" in out


@pytest.fixture
def photos(tmp_path):
    """Return a folder with one picture of 40×50 px and one damaged file."""
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(1)
    save_image(folder / "a.png", rng.uniform(0, 255, (40, 50, 3)))
    (folder / "b.png").write_bytes(b"no picture")
    return folder


SMALL = ["--size", 32, "--layers", "relu1_1", "--workers", 1, "--patches", "p.h5"]


def test_no_process_is_granted(run, photos, monkeypatch):
    def no_more(self):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("multiprocessing.context.SpawnProcess.start", no_more)
    code, _, error = run("top_patches", "--images", photos, *SMALL)
    assert code == 1 and "Traceback" not in error
    assert "no more processes are granted: [Errno 11]" in error and "fewer --workers" in error


@pytest.mark.usefixtures("no_processes")
def test_a_scan_that_can_read_nothing_fails(run, photos):
    code, _, error = run("top_patches", "--images", photos, *SMALL, "--max-pixels", 1999)
    assert code == 2
    assert f"top_patches: {photos}: none of its pictures can be read or used\n" in error
    assert "a.png: 50×40 is over the limit of 1,999 pixels" in error
    assert not os.path.exists("p.png")
    # The same command with a higher limit goes on.
    code, out, error = run("top_patches", "--images", photos, *SMALL, "--max-pixels", 2000)
    assert code == 0, error
    assert "from 1 pictures" in out and os.path.exists("p.png")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--workers", 257], "--workers: got 257, wanted 1 to 256"),
        (["--tls-key", "key.pem"], "--tls-…: wanted a --scheduler as well"),
        (["--scheduler", "tls://127.0.0.1:9", "--tls-key", "key.pem"],
         "wanted all of --tls-ca-file, --tls-cert, --tls-key, got no --tls-ca-file"),
    ],
)  # fmt: skip
def test_workers_that_are_not_to_be_had(run, photos, flags, message):
    if "--scheduler" in flags:
        pytest.importorskip("distributed", reason="distributed is not installed (extra 'cluster')")
    code, _, error = run("top_patches", "--images", photos, *SMALL, *flags)
    assert (code, error) == (2, f"top_patches: {message}\n")


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"network": "vgg16"}, "network: got 'vgg16', wanted a Network, such as VGG.load"),
        ({"optimizer": "lbfgs"}, "optimizer: got 'lbfgs', wanted an optimizer, such as LBFGS"),
        ({"terms": ["content"]}, r"terms: got \['content'\], wanted a list of terms"),
        ({"callback": 3}, "callback: got 3, wanted a function"),
    ],
)
def test_a_name_where_an_object_is_wanted(argument, message):
    picture = np.full((32, 32, 3), 90.0)
    with pytest.raises(TypeError, match=message):
        style_transfer(picture, picture, **argument)
