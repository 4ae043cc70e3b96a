"""Weight files: what is read is what was written, and files that lie are refused."""

import hashlib

import h5py
import numpy as np
import pytest
from conftest import ROOT, lying, seal

from scratchnet import VGG
from scratchnet.files.hdf5 import write_attribute
from scratchnet.files.weights import digest, embedded_weights, load_weights, save_weights
from scratchnet.network.architecture import kernel_shapes
from scratchnet.network.preprocessing import MEAN_BGR


@pytest.fixture(scope="module")
def parameters():
    rng = np.random.default_rng(0)
    return {
        name: (
            rng.standard_normal(shape, np.float32).astype(np.float16),
            rng.standard_normal(shape[3], np.float32).astype(np.float16),
        )
        for name, shape in kernel_shapes("vgg16").items()
    }


@pytest.fixture(scope="module")
def saved(parameters, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "weights.h5"
    save_weights(path, "vgg16", parameters, {"licence": "none"})
    return path.read_bytes()


@pytest.fixture
def file(saved, tmp_path):
    """Return a file of the parameters, which a test may change."""
    path = tmp_path / "weights.h5"
    path.write_bytes(saved)
    return path


def test_what_is_read_is_what_was_written(file, parameters):
    architecture, read, mean = load_weights(file)
    assert mean == MEAN_BGR and architecture == "vgg16" and list(read) == list(parameters)
    for name, (kernel, bias) in parameters.items():
        assert np.array_equal(read[name][0], kernel) and np.array_equal(read[name][1], bias)


def test_equal_weights_give_equal_bytes(file, parameters, tmp_path):
    other = tmp_path / "other.h5"
    save_weights(other, "vgg16", dict(reversed(parameters.items())), {"licence": "none"})
    assert other.read_bytes() == file.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.h5", "weights.h5"]


def test_vgg19_files_work(tmp_path):
    rng = np.random.default_rng(1)
    parameters = {
        name: (rng.standard_normal(shape, np.float32).astype(np.float16), np.zeros(shape[3], "f2"))
        for name, shape in kernel_shapes("vgg19").items()
    }
    save_weights(tmp_path / "vgg19.h5", "vgg19", parameters)
    network = VGG.load(tmp_path / "vgg19.h5")
    assert network.layers[-2].name == "relu5_4"


def test_embedded_weights_are_the_published_ones(vgg32):
    # Oxford's values, as Keras publishes them, rounded to float16 (relative error 2⁻¹¹).
    kernel = [0.42947057, 0.11727387, 0.03401296, 0.35422093, -0.0865837, 0.22968295]
    bias = [0.73429835, 0.09340367, 0.06775674, 0.8862966, 0.25994542]
    assert np.allclose(vgg32.layers[1].kernel[0, 0, 0, :6], kernel, rtol=2**-11, atol=0)
    assert np.allclose(vgg32.layers[1].bias[:5], bias, rtol=2**-11, atol=0)


def test_embedded_file_says_where_it_comes_from():
    with h5py.File(embedded_weights(), "r") as file:
        facts = {name: value.decode() for name, value in file.attrs.items()}
        assert all(part.dtype == np.float16 for group in file.values() for part in group.values())
    assert facts["licence"] == "CC BY 4.0" and "Simonyan" in facts["authors"]
    readme = (ROOT / "weights" / "README.md").read_text(encoding="utf-8")
    assert facts["source_sha256"] in readme
    assert hashlib.sha256(embedded_weights().read_bytes()).hexdigest() in readme


def test_incomplete_weights_are_not_saved(parameters, tmp_path):
    fewer = {name: parameters[name] for name in list(parameters)[:-1]}
    with pytest.raises(ValueError, match=r"conv5_3: got shapes \(\), wanted"):
        save_weights(tmp_path / "w.h5", "vgg16", fewer)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "bias", [np.zeros(512, "i4"), np.zeros(512, ">f4"), np.full(512, np.nan, "f4")]
)
def test_what_could_not_be_read_is_not_written(parameters, tmp_path, bias):
    odd = {**parameters, "conv5_3": (parameters["conv5_3"][0], bias)}
    with pytest.raises(ValueError, match=f"conv5_3: got {bias.dtype}, wanted finite float16 or"):
        save_weights(tmp_path / "w.h5", "vgg16", odd)
    assert not list(tmp_path.iterdir())


# ------------------------------------------------------------- files that lie


def replace_dataset(path, name, **options):
    with lying(path, "weights") as file:
        del file[name]
        file.create_dataset(name, **options)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.h5: no such weight file"):
        load_weights(tmp_path / "none.h5")


def test_not_hdf5(tmp_path):
    path = tmp_path / "text.h5"
    path.write_text("hello")
    with pytest.raises(ValueError, match=r"text\.h5: not a weight file"):
        load_weights(path)


def test_another_hdf5_file(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(ValueError, match=r"other\.h5: no 3×3 kernel in it"):
        load_weights(tmp_path / "other.h5")
    seal(tmp_path / "other.h5", "weights", (tmp_path / "other.h5").read_bytes())
    with pytest.raises(ValueError, match="its attribute 'architecture' is missing"):
        load_weights(tmp_path / "other.h5")


def test_unknown_architecture(file):
    with lying(file, "weights") as opened:
        write_attribute(opened, "architecture", "vgg11")
    with pytest.raises(ValueError, match=r"weights\.h5: unknown architecture 'vgg11'"):
        load_weights(file)


def test_missing_layer(file):
    with lying(file, "weights") as opened:
        del opened["conv3_2"]
    with pytest.raises(ValueError, match="conv3_2/kernel: missing"):
        load_weights(file)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data": np.zeros((3, 3, 64, 3), "f2")}, r"got float16 \(3, 3, 64, 3\), wanted .*3, 3, 3"),
        ({"data": np.zeros((3, 3, 3, 64), "i4")}, "got int32"),
        ({"data": np.full((3, 3, 3, 64), np.nan, "f2")}, "not finite"),
        ({"shape": (10**9, 100), "dtype": "f4"}, r"got float32 \(1000000000, 100\)"),
    ],
)
def test_wrong_shape_type_and_values(file, options, message):
    replace_dataset(file, "conv1_1/kernel", **options)
    with pytest.raises(ValueError, match=message):
        load_weights(file)


def test_changed_numbers_do_not_match_the_hash(file):
    with lying(file, "weights") as opened:
        opened["conv1_1/bias"][0] += 1
    with pytest.raises(ValueError, match="not those the file was written with"):
        load_weights(file)


@pytest.mark.parametrize("place", ["conv1_1", "conv1_1/kernel"])
def test_links_out_of_the_file_are_refused(file, parameters, tmp_path, place):
    save_weights(tmp_path / "other.h5", "vgg16", parameters)
    with lying(file, "weights") as opened:
        del opened[place]
        opened[place] = h5py.ExternalLink("other.h5", place)
    with pytest.raises(ValueError, match="conv1_1/kernel: is a link out of its place"):
        load_weights(file)


def test_virtual_and_external_storage_are_refused(file, tmp_path):
    shape = (3, 3, 3, 64)
    raw = tmp_path / "raw.bin"
    raw.write_bytes(bytes(2 * 3 * 3 * 3 * 64))
    replace_dataset(
        file, "conv1_1/kernel", shape=shape, dtype="f2", external=[(str(raw), 0, 2 * 1728)]
    )
    with pytest.raises(ValueError, match="wanted a plain dataset: in one piece, in this file"):
        load_weights(file)
    layout = h5py.VirtualLayout(shape, "f2")
    layout[:] = h5py.VirtualSource("other.h5", "conv1_1/kernel", shape)
    with lying(file, "weights") as opened:
        del opened["conv1_1/kernel"]
        opened.create_virtual_dataset("conv1_1/kernel", layout)
    with pytest.raises(ValueError, match="wanted a plain dataset: in one piece, in this file"):
        load_weights(file)


def test_digest_depends_on_every_part(parameters):
    before = digest(parameters)
    name = "conv4_2"
    kernel, bias = parameters[name]
    assert digest({**parameters, name: (kernel, bias + np.float16(1))}) != before
    assert digest({**parameters, name: (-kernel, bias)}) != before
    swapped = kernel.view(kernel.dtype.newbyteorder())  # the same bytes, other numbers
    assert digest({**parameters, name: (swapped, bias)}) != before
    reshaped = kernel.reshape(3, 3, 1, -1)
    assert digest({**parameters, name: (reshaped, bias)}) != before
