"""A transfer that was stopped goes on as if it had never been; what does not fit says so."""

import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from conftest import make_tiny_network

import scratchnet
from scratchnet import LBFGS, FastNetwork, GradientDescent, Network, PixelDescent, style_transfer
from scratchnet.style.checkpoint import load_checkpoint
from scratchnet.style.course import TransferInterrupted

LAYERS = {"content_layers": {"relu2_1": 1.0}, "style_layers": {"relu1_1": 0.5, "relu2_1": 0.5}}
OPTIONS = {GradientDescent: {"learning_rate": 1e-5}, LBFGS: {"pairs": 3}}
OPTIMIZERS = [  # all that there are
    kind(**OPTIONS.get(kind, {}))
    for kind in vars(scratchnet).values()
    if isinstance(kind, type) and hasattr(kind, "step")
]
PICTURES = np.random.default_rng(5).uniform(0, 255, (2, 130, 66, 3))
SMALL = PICTURES[:, ::5, ::4]


def transfer(pictures=SMALL, **options):
    options = {"network": make_tiny_network(), "iterations": 6, **LAYERS, **options}
    return style_transfer(*pictures, **options)


def stopping_at(iteration):
    """Return a callback that is interrupted at one evaluation."""

    def callback(step):
        if step.iteration == iteration:
            raise KeyboardInterrupt

    return callback


def interrupted(file, at, **options):
    """Interrupt a transfer, and return what the interrupt carries."""
    with pytest.raises(TransferInterrupted) as caught:
        transfer(checkpoint=file, callback=stopping_at(at), **options)
    return caught.value.result


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: type(o).__name__)
@pytest.mark.parametrize(
    ("pictures", "init", "dtype", "evaluations", "stops"),
    [
        (SMALL, "content", "float64", 7, (0, 3, 6)),
        (SMALL, "random", "float32", 7, (1, 5)),
        (PICTURES, "content", "float32", 7, (2, 4)),
        (PICTURES, "random", "float64", 11, (2, 3, 4, 7)),  # 4 at 65×33, the first level, then 7
    ],
    ids=["small, content", "small, noise", "large, content", "large, noise"],
)
def test_a_resumed_transfer_gives_the_same_bytes(
    tmp_path, optimizer, pictures, init, dtype, evaluations, stops
):
    options = {"optimizer": optimizer, "init": init, "network": make_tiny_network(dtype=dtype)}
    whole = transfer(pictures, **options)
    assert len(whole.history) == evaluations
    for stop in stops:
        file = tmp_path / f"{stop}.npz"
        interrupted(file, stop, pictures=pictures, **options)
        assert len(load_checkpoint(file, 10**4).history) == stop
        resumed = transfer(pictures, resume=file, **options)
        assert resumed.image.tobytes() == whole.image.tobytes()
        assert resumed.history == whole.history and resumed.stopped == whole.stopped


def test_resuming_again_and_again_with_other_threads_gives_the_same_bytes(tmp_path):
    file, network = tmp_path / "c.npz", make_tiny_network(dtype="float32")
    whole = transfer(PICTURES, network=FastNetwork(network, 1))
    interrupted(file, 2, pictures=PICTURES, network=FastNetwork(network, 2))
    for stop in (5, 8):
        options = {"network": FastNetwork(network, stop - 4), "resume": file}
        interrupted(file, stop, pictures=PICTURES, **options)
    resumed = transfer(PICTURES, network=FastNetwork(network, 3), resume=file)
    assert resumed.image.tobytes() == whole.image.tobytes()
    assert resumed.history == whole.history


def test_it_is_saved_every_so_many_steps_and_at_the_end(tmp_path):
    file, seen = tmp_path / "c.npz", []

    def look(step):
        seen.append(len(load_checkpoint(file, 10**4).history) if file.exists() else None)

    result = transfer(init="content", checkpoint=file, save_every=2, callback=look)
    # Before the save after evaluations 2, 4 and 6, each of which is made again.
    assert seen == [None, None, 1, 1, 3, 3, 5]
    again = transfer(init="content", resume=file)  # of a finished one
    assert again.image.tobytes() == result.image.tobytes() and again.history == result.history
    transfer(init="content", checkpoint=tmp_path / "b.npz", save_every=2)
    assert (tmp_path / "b.npz").read_bytes() == file.read_bytes()


def test_any_exception_leaves_a_checkpoint(tmp_path):
    def callback(step):
        if step.iteration == 3:
            raise MemoryError

    with pytest.raises(MemoryError):
        transfer(checkpoint=tmp_path / "c.npz", callback=callback)
    assert len(load_checkpoint(tmp_path / "c.npz", 10**4).history) == 3


def test_a_place_that_can_not_be_written_to_does_not_end_the_transfer(tmp_path):
    with pytest.warns(UserWarning, match="the checkpoint is not saved"):
        result = transfer(checkpoint=tmp_path / "none" / "c.npz")
    assert result.image.tobytes() == transfer().image.tobytes()


@pytest.fixture
def saved(tmp_path):
    interrupted(tmp_path / "c.npz", 4, init="content")
    return tmp_path / "c.npz"


def of_another_mean():
    """Return the network with another mean colour."""
    first, *others = make_tiny_network().layers
    return Network([replace(first, mean=(100.0, 110.0, 120.0)), *others])


@pytest.mark.parametrize(
    ("options", "differs"),
    [
        ({"pictures": SMALL[::-1]}, "content is 17×26.*; content image, style image differ"),
        ({"pictures": (SMALL[0], SMALL[1] + 1)}, "style image is 17×26"),
        ({"network": make_tiny_network(seed=1)}, "network is Network float64"),
        ({"network": make_tiny_network(dtype="float32")}, "network is Network float64"),
        ({"network": make_tiny_network(partial_windows=True)}, "network is Network float64"),
        ({"network": of_another_mean()}, "network is Network float64"),
        ({"iterations": 7}, r"steps by size is .* 6\)\] there, .* 7\)\] here"),
        ({"style_weight": 0.1}, "style weight is 0.001.* there, 0.1.* here"),
        ({"content_layers": {"relu1_2": 1.0}}, "content layers is relu2_1 1 there, relu1_2 1 here"),
        ({"optimizer": PixelDescent()}, "optimizer is LBFGS there, PixelDescent here"),
        ({"optimizer": LBFGS(pairs=4)}, "optimizer pairs is 10 there, 4 here"),
        ({"init": "random"}, "init is content there, random here"),
        ({"seed": 9}, "seed is 0 there, 9 here"),
    ],
)
def test_a_checkpoint_of_another_transfer_says_what_differs(saved, options, differs):
    before = saved.read_bytes()
    with pytest.raises(ValueError, match=differs) as caught:
        transfer(**{"init": "content", **options}, resume=saved, checkpoint=saved)
    assert "c.npz" in str(caught.value) and "\n" not in str(caught.value)
    assert saved.read_bytes() == before


def rewritten(file, compress=False, **changed):
    """Write a checkpoint anew with other arrays."""
    with np.load(file) as old:
        arrays = {**old, **changed}
    arrays = {name: value for name, value in arrays.items() if value is not None}
    (np.savez_compressed if compress else np.savez)(file, **arrays)


@pytest.mark.parametrize(
    "change",
    [
        {"G": None},
        {"extra": np.zeros(3)},
        {"format": np.int64(2)},
        {"place": np.array([0, 10**9])},
        {"place": np.array([-1, 4])},
        {"place": np.zeros(0, int)},
        {"G": np.full((26, 17, 3), np.nan)},
        {"best": np.zeros((1, 1, 3))},
        {"G": np.zeros((26, 17, 3), "float32")},
        {"losses": np.full((4, 1), np.inf)},
        {"sizes": np.zeros((4, 2), int)},
        {"settings": np.frombuffer(b"[" * 100_000, np.uint8)},
        {"settings": np.array("{}")},
        {"state count": np.int64(3_000_000)},
        {"state count": np.zeros((2, 2))},
        {"state s0": np.zeros((5, 5))},
        {"state image": np.array([{}], object)},
        {"compress": True},
    ],
    ids=lambda change: " ".join(change),
)
def test_a_crafted_checkpoint_is_refused_in_one_line(saved, change):
    rewritten(saved, **change)
    with pytest.raises(ValueError, match=r"c\.npz") as caught:
        transfer(init="content", resume=saved)
    assert str(caught.value).isprintable() and len(str(caught.value)) <= 300


def test_sizes_are_checked_before_memory_is_taken(saved, tmp_path):
    header = np.lib.format.header_data_from_array_1_0(np.zeros(0))
    with open(tmp_path / "G.npy", "wb") as file:
        np.lib.format.write_array_header_1_0(file, {**header, "shape": (10**13,)})
    with zipfile.ZipFile(saved, "w") as archive:
        archive.write(tmp_path / "G.npy", "G.npy")
    with pytest.raises(ValueError, match=r"declares float64 \(10{13},\) in 0 bytes"):
        load_checkpoint(saved, 100)
    with zipfile.ZipFile(saved, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("G.npy", bytes(10**8))
    with pytest.raises(ValueError, match="declares more than it holds"):
        load_checkpoint(saved, 100)


def test_damaged_checkpoints_are_refused_or_give_the_same(saved):
    """With the fixed seed: each of 150 files with one byte changed, and 20 cut short."""
    data, rng = saved.read_bytes(), np.random.default_rng(11)
    whole, refused = load_checkpoint(saved, 10**4), 0
    for n in range(170):
        broken, at = bytearray(data), int(rng.integers(len(data)))
        broken[at] ^= int(rng.integers(1, 256))
        saved.write_bytes(bytes(broken) if n < 150 else data[:at])
        try:
            got = load_checkpoint(saved, 10**4)
        except ValueError as error:
            assert "c.npz" in str(error) and "\n" not in str(error)
            refused += 1
        else:  # what changed is no number: a time, or a bit that nobody reads
            assert got.G.tobytes() == whole.G.tobytes() and got.history == whole.history
            assert got.settings == whole.settings
    assert refused > 150


def test_there_is_no_such_checkpoint(tmp_path):
    for path in (tmp_path / "none.npz", tmp_path):
        with pytest.raises(FileNotFoundError, match="no such checkpoint"):
            transfer(resume=path)


def test_it_holds_no_pickle_and_reads_without_this_package(saved):
    with np.load(saved, allow_pickle=False) as arrays:
        assert arrays["best"].shape == (26, 17, 3)
        settings = json.loads(arrays["settings"].tobytes())
    assert settings["optimizer"] == "LBFGS" and settings["seed"] == "0"
