"""Weights in every form: found out, made ours exactly, and asked for where a file does not tell."""

import json
import os
import re
import subprocess
import sys

import h5py
import numpy as np
import pytest
from conftest import ROOT

from scratchnet import VGG
from scratchnet.files.weights import (
    UntoldError,
    digest,
    embedded_weights,
    examine,
    load_weights,
    own,
    random_parameters,
    save_as,
)
from scratchnet.files.weights import known as known_files
from scratchnet.files.weights.convention import PREPROCESSING, nearest
from scratchnet.files.weights.layers import Choice, arranged, in_order, layer_of
from scratchnet.network.architecture import kernel_shapes
from scratchnet.network.convolution import Convolution
from scratchnet.network.preprocessing import MEAN_BGR

TORCHVISION_MEAN = (103.53, 116.28, 123.675)


@pytest.fixture(scope="module")
def embedded():
    return load_weights()


@pytest.fixture(scope="module")
def random19():
    """Return VGG-19 with random kernels and biases, in float16."""
    rng = np.random.default_rng(5)
    return {
        name: (kernel.astype(np.float16), rng.standard_normal(bias.shape).astype(np.float16))
        for name, (kernel, bias) in random_parameters("vgg19", 1).items()
    }


def as_oihw(kernel):
    return np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))


def numbered(parameters):
    """Return the tensors as a PyTorch state dict of torchvision's has them."""
    tensors, number = {}, 0
    for name, (kernel, bias) in parameters.items():
        number += name.endswith("_1") and name != "conv1_1"  # a pool
        tensors[f"features.{number}.weight"] = as_oihw(kernel)
        tensors[f"features.{number}.bias"] = bias
        number += 2
    return tensors


def keras_old(path, parameters, **options):
    """Write as Keras 1 did; a pool is a group without weights."""
    with h5py.File(path, "w") as file:
        for name, (kernel, bias) in parameters.items():
            layer = name.replace("conv", "block").replace("_", "_conv")
            group = file.create_group(layer)
            group.create_dataset(f"{layer}_W_1:0", data=kernel, **options)
            group.create_dataset(f"{layer}_b_1:0", data=bias)
            file.require_group(f"{layer[:6]}_pool")
        file.attrs["layer_names"] = [name.encode() for name in file]


def keras_new(path, parameters):
    with h5py.File(path, "w") as file:
        for name, (kernel, bias) in parameters.items():
            layer = name.replace("conv", "block").replace("_", "_conv")
            file[f"{layer}/{layer}/kernel:0"] = kernel
            file[f"{layer}/{layer}/bias:0"] = bias


def keras_3(path, parameters):
    with h5py.File(path, "w") as file:
        for number, (kernel, bias) in enumerate(parameters.values()):
            layer = f"layers/conv2d_{number}" if number else "layers/conv2d"
            file[f"{layer}/vars/0"], file[f"{layer}/vars/1"] = kernel, bias


def npz(path, parameters):
    np.savez(path, **numbered(parameters))


def safetensors(path, parameters):
    library = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")
    library.save_file(numbered(parameters), path)


def float32(parameters):
    return {
        name: tuple(part.astype(np.float32) for part in pair) for name, pair in parameters.items()
    }


FILES = {
    "own.h5": lambda path, p: save_as(path, load_weights()._replace(parameters=p)),
    "own.npz": lambda path, p: save_as(path, load_weights()._replace(parameters=p)),
    "own.safetensors": lambda path, p: save_as(path, load_weights()._replace(parameters=p)),
    "keras_old.h5": keras_old,
    "keras_new.h5": keras_new,
    "keras_3.weights.h5": keras_3,
    "dumped.npz": npz,
    "library.safetensors": safetensors,
}


# --------------------------------------------------------- there and back


@pytest.mark.parametrize("name", FILES)
def test_the_embedded_network_comes_back_bit_for_bit(name, tmp_path, embedded, vgg32, pictures):
    FILES[name](tmp_path / name, float32(embedded.parameters))
    network = VGG.load(tmp_path / name, fast=False)
    picture = pictures[0].astype(np.float32)
    got, expected = (n.forward(picture, ["relu1_1", "relu5_3"])[0] for n in (network, vgg32))
    for layer in expected:
        assert np.array_equal(got[layer], expected[layer]), layer


@pytest.mark.parametrize("order", ["bgr", "rgb", "turned", "rgb turned"])
def test_the_embedded_network_is_known_in_any_order(order, tmp_path, embedded):
    """As MatConvNet's colours or Theano's kernels would have it: told by the first kernel."""
    parameters = {name: (as_oihw(k), b) for name, (k, b) in embedded.parameters.items()}
    kernel, bias = parameters["conv1_1"]
    if "rgb" in order:
        parameters["conv1_1"] = kernel[:, ::-1], bias
    if "turned" in order:
        parameters = {name: (k[:, :, ::-1, ::-1], b) for name, (k, b) in parameters.items()}
    keras_old(tmp_path / "w.h5", parameters)
    found = examine(tmp_path / "w.h5")
    assert digest(found.weights.parameters) == digest(embedded.parameters)
    assert ("turned by 180°" in found.facts["kernels"]) == ("turned" in order)
    assert found.facts["pictures"].startswith(order[:3].upper().replace("TUR", "BGR"))
    assert found.weights.mean == MEAN_BGR and not found.notes


@pytest.mark.parametrize("kind", [".h5", ".npz", ".safetensors"])
def test_a_mean_is_saved_with_the_weights_it_belongs_to(kind, tmp_path, random19):
    weights = load_weights()._replace(
        architecture="vgg19", parameters=random19, mean=TORCHVISION_MEAN
    )
    path, again = tmp_path / f"a{kind}", tmp_path / f"b{kind}"
    save_as(path, weights)
    got = load_weights(path)
    assert got.mean == TORCHVISION_MEAN and got.architecture == "vgg19"
    assert digest(got.parameters) == digest(random19)
    assert digest(got.parameters, got.mean) != digest(got.parameters)
    save_as(again, got)
    assert again.read_bytes() == path.read_bytes()


def test_float16_and_bfloat16(tmp_path, random19):
    library = pytest.importorskip("safetensors.torch", reason="safetensors is not installed")
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra 'bench')")
    for dtype, read_as in ((torch.float16, np.float16), (torch.bfloat16, np.float32)):
        tensors = {n: torch.tensor(v).to(dtype) for n, v in numbered(random19).items()}
        library.save_file(tensors, tmp_path / "w.safetensors")
        kernel, _ = load_weights(tmp_path / "w.safetensors", preprocessing="rgb").parameters[
            "conv4_2"
        ]
        number = next(n for n, v in tensors.items() if v.shape[:2] == (512, 512))
        assert kernel.dtype == read_as
        expected = tensors[number].float().numpy().transpose(2, 3, 1, 0)
        assert np.array_equal(kernel, load_kernel(tmp_path, "conv4_2"))
        assert np.array_equal(load_kernel(tmp_path, "conv4_2"), expected)


def load_kernel(folder, name):
    return load_weights(folder / "w.safetensors", preprocessing="rgb").parameters[name][0]


# --------------------------------------------------------- preprocessing


@pytest.mark.parametrize("how", PREPROCESSING)
def test_the_first_convolution_sees_what_its_network_saw(how, tmp_path, random19, rng):
    """z = (x − m) / s in the network's own order, then its kernel, with zeros around z.

    At the border, too: a mean that went into the bias would be wrong there, and nowhere else.
    """
    first = tuple(part.astype(np.float64) for part in random19["conv1_1"])
    npz(tmp_path / "w.npz", random19 | {"conv1_1": first})
    network = VGG.load(
        tmp_path / "w.npz", preprocessing=how, flipped=False, dtype="float64", fast=False
    )
    x = rng.uniform(0, 255, (6, 7, 3))
    if how == "torchvision":  # as its documentation has it
        z = (x / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    else:
        z = x - [123.68, 116.779, 103.939]
        z = z[..., ::-1] if how == "bgr" else z
    convolution = Convolution(*first, name="conv1_1")
    expected, cache = convolution.forward(z)
    activations, caches = network.forward(x, ["conv1_1"])
    assert np.abs(activations["conv1_1"] - expected).max() < 1e-12 * np.abs(expected).max()
    dy = rng.standard_normal(expected.shape)
    dz = convolution.backward(dy, cache)
    dx = {
        "bgr": dz[..., ::-1],
        "rgb": dz,
        "torchvision": dz / (255 * np.array([0.229, 0.224, 0.225])),
    }[how]
    got = network.backward({"conv1_1": dy}, caches)
    assert np.abs(got - dx).max() < 1e-12 * np.abs(dx).max()


def test_turned_kernels_are_turned_back(tmp_path, random19):
    npz(tmp_path / "w.npz", random19)
    turned = load_weights(tmp_path / "w.npz", preprocessing="bgr", flipped=True).parameters
    for name, (kernel, bias) in random19.items():
        assert np.array_equal(turned[name][0], kernel[::-1, ::-1])
        assert np.array_equal(turned[name][1], bias)


def test_what_a_file_does_not_tell_is_asked_for(tmp_path, random19):
    npz(tmp_path / "w.npz", random19)
    with pytest.raises(UntoldError, match=r"w\.npz: .* turned by 180°.* --flipped") as caught:
        load_weights(tmp_path / "w.npz")
    assert caught.value.flag == "flipped"
    with pytest.raises(UntoldError, match=r"w\.npz: .* prepared.* --preprocessing") as caught:
        VGG.load(tmp_path / "w.npz", flipped=False)
    assert caught.value.flag == "preprocessing"
    with pytest.raises(ValueError, match="got preprocessing 'caffe', wanted one of bgr, rgb, torc"):
        load_weights(tmp_path / "w.npz", flipped=False, preprocessing="caffe")
    with pytest.raises(ValueError, match=r"vgg16\.h5: tells all itself; leave out preprocessing"):
        load_weights(embedded_weights(), preprocessing="rgb")
    # Keras's names tell both, for Keras's own order of axes
    keras_new(tmp_path / "w.h5", random19)
    assert "Keras's names" in examine(tmp_path / "w.h5").facts["pictures"]
    keras_3(tmp_path / "w.weights.h5", random19)
    with pytest.raises(UntoldError, match="--preprocessing"):
        load_weights(tmp_path / "w.weights.h5")


def test_what_is_said_against_the_first_kernel_is_doubted(tmp_path, embedded):
    npz(tmp_path / "w.npz", embedded.parameters)
    assert not examine(tmp_path / "w.npz").notes
    (note,) = examine(tmp_path / "w.npz", preprocessing="rgb").notes
    assert note.startswith("doubtful: its first kernel is close") and "as bgr" in note
    (note,) = examine(tmp_path / "w.npz", flipped=True).notes
    assert "as they are" in note


def test_a_published_file_is_known_by_its_hash(tmp_path, random19, monkeypatch):
    npz(tmp_path / "w.npz", random19)
    assert (
        known_files.published(known_files.hashes(embedded_weights())).name
        == "the embedded vgg16.h5"
    )
    begin = known_files.hashes(tmp_path / "w.npz")["sha256"][:8]
    file = known_files.Published("someone's VGG-19", "torchvision")
    monkeypatch.setitem(known_files.KNOWN, ("sha256", begin), file)
    found = examine(tmp_path / "w.npz", flipped=False)
    assert found.weights.mean == TORCHVISION_MEAN
    assert found.facts["pictures"].endswith("(it is someone's VGG-19)")


def test_only_one_way_to_see_the_embedded_kernel_is_close(embedded, rng):
    kernel = embedded.parameters["conv1_1"][0]
    assert nearest(kernel) == ("bgr", False)
    assert nearest(kernel + rng.normal(0, 0.02, kernel.shape)) == ("bgr", False)  # tuned
    assert nearest(rng.permutation(kernel, axis=3)) is None
    assert nearest(random_parameters()["conv1_1"][0]) is None
    assert nearest((kernel + kernel[:, :, ::-1]) / 2) is None  # it can't tell the colours


@pytest.mark.parametrize("kind", [".h5", ".npz", ".safetensors"])
def test_a_mean_that_would_be_refused_is_not_saved(kind, tmp_path, embedded):
    with pytest.raises(ValueError, match=r"got the mean colour .*nan"):
        save_as(tmp_path / f"w{kind}", embedded._replace(mean=(np.nan, 1.0, 2.0)))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0, 256.0])
def test_a_mean_that_is_no_colour_is_refused_as_that(value, tmp_path, embedded):
    np.savez(tmp_path / "w.npz", **numbered(embedded.parameters), mean_bgr=np.full(3, value))
    with pytest.raises(ValueError, match=r"w\.npz: got the mean colour .* in 0–255"):
        load_weights(tmp_path / "w.npz")


@pytest.mark.parametrize("name", ["mean_bgr", "averageImage"])
def test_what_is_said_against_a_mean_in_the_file_is_refused(name, tmp_path, random19):
    np.savez(tmp_path / "w.npz", **numbered(random19), **{name: np.array([90.0, 100.0, 110.0])})
    mean = load_weights(tmp_path / "w.npz", flipped=False).mean
    assert mean == ((90, 100, 110) if name == "mean_bgr" else (110, 100, 90))
    with pytest.raises(ValueError, match=f"w.npz: tells the mean itself, as {name}; leave out pre"):
        load_weights(tmp_path / "w.npz", flipped=False, preprocessing="torchvision")


# --------------------------------------------------------- names and shapes


def tensors16():
    shapes = kernel_shapes("vgg16")
    return numbered({name: (np.zeros(s, "f2"), np.zeros(s[3], "f2")) for name, s in shapes.items()})


def test_layers_by_name():
    assert layer_of("functional_1/block3_conv2_1/convolution/ReadVariableOp:0") == (3, 2)
    assert layer_of("functional_1/block3_conv2_1/Squeeze:0") == (3, 2)
    assert layer_of("conv5_4/weights1") == (5, 4)
    assert layer_of("decoder.deconv1_1.weight") == "decoder.deconv1_1"
    assert layer_of("layers/conv2d/vars/1") == "layers/conv2d"
    assert layer_of("layer_3/param_0") == "layer_3"
    names = ["layers/conv2d_10", "layers/conv2d_2", "layers/conv2d", "layers/conv2d_1"]
    assert in_order(names) == [names[2], names[3], names[1], names[0]]


def test_a_classifier_is_left_unread_and_named():
    choice = Choice()
    assert not choice("classifier.0.weight", (4096, 25088))
    assert not choice("classifier.0.bias", (4096,))
    assert not choice("fc6/weights0", (7, 7, 512, 4096))
    assert choice("features.0.weight", (64, 3, 3, 3)) and choice("features.0.bias", (64,))
    assert not choice("optimizer/conv1_1/kernel", (3, 3, 3, 64))
    assert choice.notes() == [
        "not part of VGG's convolutions, left unread: classifier.0, fc6, conv1_1"
    ]


def test_other_layers_are_noted():
    tensors = tensors16() | {"features.30.weight": np.zeros((512, 512, 3, 3), "f2")}
    assert arranged(tensors)[3] == ["features.30"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("features.28.weight"), r"12 kernels of 3×3 \(3→64, .*neither VGG-16's"),
        (lambda t: t.pop("features.28.bias"), "features.28: got the bias none, wanted"),
        (lambda t: t.update({"features.5.bias": np.zeros(64)}), r"the bias \(64,\), wanted \(128,"),
        (lambda t: t.update({"features.5.weight": np.zeros((128, 65, 3, 3))}), "65→128"),
        (dict.clear, "no 3×3 kernel"),
        (lambda t: t.update({"features.0/kernel": np.zeros((64, 3, 3, 3))}), "the second of its k"),
        (
            lambda t: t.update({"features.5.weight": np.zeros((3, 3, 64, 128))}),
            r"features\.5: got a kernel \(3, 3, 64, 128\)",
        ),
    ],
)
def test_what_is_missing_or_misshapen_is_named(change, message):
    tensors = tensors16()
    change(tensors)
    with pytest.raises(ValueError, match=message):
        arranged(tensors)


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        (["conv5_3"], "conv5_3 missing, for a vgg16"),
        (["conv4_4"], "conv4_4 missing, for a vgg19"),
        (["conv3_4", "conv4_4", "conv5_4", "conv2_1"], "conv2_1 missing, for a vgg16"),
    ],
)
def test_missing_layers_are_named(missing, message):
    architecture = "vgg16" if missing == ["conv5_3"] else "vgg19"
    tensors = {
        f"{name}.{part}": np.zeros(shape if part == "weight" else shape[3], "f2")
        for name, shape in kernel_shapes(architecture).items()
        for part in ("weight", "bias")
        if name not in missing
    }
    with pytest.raises(ValueError, match=message):
        arranged(tensors)


def test_batch_normalisation_and_larger_networks_are_refused():
    choice = Choice()
    for n, width in enumerate((64, 64, 128, 128, 256)):
        assert not choice(f"features.{n}.running_mean", (width,))  # a classifier's may have these
    with pytest.raises(ValueError, match=r"features\.9\.running_mean: normalises batches"):
        choice("features.9.running_mean", (512,))
    choice = Choice()
    with pytest.raises(ValueError, match="over 25,000,000 numbers in 3×3 kernels and biases; V"):
        for n in range(20):
            choice(f"layer{n}.weight", (512, 512, 3, 3))


def test_a_mean_picture_of_many_colours_is_refused(tmp_path, embedded):
    tensors = numbered(embedded.parameters) | {"averageImage": np.arange(12.0).reshape(2, 2, 3)}
    np.savez(tmp_path / "w.npz", **tensors)
    with pytest.raises(ValueError, match=r"w\.npz: its mean is a picture, wanted one colour"):
        load_weights(tmp_path / "w.npz")


def test_entries_that_are_not_finite_are_refused(tmp_path, embedded):
    tensors = numbered(embedded.parameters)
    tensors["features.10.bias"] = np.full(256, np.inf, np.float32)
    np.savez(tmp_path / "w.npz", **tensors)
    with pytest.raises(ValueError, match=r"w\.npz: conv3_1: has entries that are not finite"):
        load_weights(tmp_path / "w.npz")


# --------------------------------------------------------- the scripts


@pytest.fixture
def small_photograph(monkeypatch):
    """Let the photograph be small on which ``--inspect`` measures mean activations."""
    monkeypatch.setattr("weights_inspected.SIZE", 32)


@pytest.mark.usefixtures("small_photograph")
def test_convert_and_inspect(run, tmp_path, embedded, random19):
    keras_old(tmp_path / "vgg.h5", embedded.parameters)
    code, out, error = run("convert_weights", "vgg.h5", "--output", "vgg.safetensors")
    assert (code, error) == (0, "") and "saved    vgg.safetensors" in out
    assert digest(load_weights("vgg.safetensors").parameters) == digest(embedded.parameters)
    code, out, _ = run("convert_weights", "vgg.safetensors")
    assert code == 0 and load_weights("outputs/vgg.h5").mean == MEAN_BGR
    code, out, _ = run("convert_weights", "--inspect", "vgg.safetensors")
    line = next(line for line in out.splitlines() if line.startswith("relu5_3")).split()
    assert code == 0 and line[1] == "3×3×512×512" and line[3] == line[4]
    keras_3(tmp_path / "w.h5", float32(random19))
    code, out, _ = run("convert_weights", "--inspect", "w.h5")
    heads = next(line for line in out.splitlines() if "embedded" in line and "type" in line)
    assert code == 0 and heads.split()[-4:] == ["embedded", "bgr", "rgb", "torchvision"]
    assert "not told      say --preprocessing" in out


def test_convert_says_what_is_wrong_in_one_line(run, tmp_path, random19):
    (tmp_path / "text.h5").write_text("hello" * 200)
    keras_3(tmp_path / "w.h5", random19)
    told = ["w.h5", "--preprocessing", "bgr"]
    (tmp_path / "folder").mkdir()
    for arguments, message in [
        (["none.h5"], "none.h5: no such weight file"),
        (["text.h5"], "text.h5: not a weight file"),
        (["w.h5"], "w.h5: nothing in it says how its pictures were prepared"),
        ([*told, "--output", "w.h5", "--overwrite"], "is what the conversion reads"),
        ([*told, "--output", "w.pth"], "wanted a name that ends in .h5"),
        (["w.h5", "--preprocessing", "x"], "choose from"),
        (["w.h5", "--inspect", "--output", "x.h5"], "--inspect writes nothing"),
        (["w.h5", "--inspect", "--overwrite"], "--inspect writes nothing: leave out --overwrite"),
        (["--inspect", "text.h5"], "text.h5: not a weight file"),
        (["folder"], "folder: is a folder, wanted a weight file"),
        ([os.devnull], "is no regular file, wanted a weight file"),
        ([""], "argument file: the file's name is empty"),
        ([*told, "--output", ""], "argument --output: the file's name is empty"),
    ]:
        code, out, error = run("convert_weights", *arguments)
        assert code == 2 and not out and error.count("\n") == 1 and message in error, error
        assert error.startswith("convert_weights: "), error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "text.h5", "w.h5"]


@pytest.mark.usefixtures("small_photograph")
def test_inspect_has_a_column_for_all_that_is_not_told(run, tmp_path, random19):
    npz(tmp_path / "w.npz", random19)
    code, out, error = run("convert_weights", "--inspect", "w.npz")
    facts, table = out.split("\n\n")
    assert (code, error) == (0, "") and "not told      say --flipped and --preprocessing" in facts
    assert "\nkernels " not in facts and "\npictures " not in facts
    expected = ["embedded"] + [
        f"{turned}, {how}"
        for turned in ("not flipped", "flipped")
        for how in ("bgr", "rgb", "torchvision")
    ]
    assert re.split(" {2,}", table.splitlines()[0])[3:] == expected


@pytest.mark.skipif(os.name == "nt", reason="pipes end otherwise there")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_inspect_into_a_pipe_that_nobody_reads_on(unbuffered):
    script = ROOT / "scripts" / "convert_weights.py"
    with subprocess.Popen(
        [sys.executable, script, "--inspect", embedded_weights()],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
    ) as process:
        process.stdout.close()
        assert (process.stderr.read(), process.wait()) == (b"", 0)


@pytest.mark.parametrize("kind", [".h5", ".safetensors"])
def test_authors_and_licence_go_on_into_what_is_converted(kind, run, tmp_path):
    recorded = own.attributes(embedded_weights())
    assert recorded["licence"] == "CC BY 4.0" and {"authors", "paper", "changes"} < recorded.keys()
    code, *_ = run("convert_weights", embedded_weights(), "--output", f"w{kind}")
    if kind == ".h5":
        assert own.attributes("w.h5") == recorded
    else:
        data = (tmp_path / "w.safetensors").read_bytes()
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        assert header["__metadata__"] == {"architecture": "vgg16", **recorded}
    assert code == 0


def test_what_is_not_saved_in_its_place_is_said_in_one_line(run, tmp_path, monkeypatch):
    def fails(place, **_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("scratchnet.files.weights.save_as", fails)
    code, _, error = run("convert_weights", embedded_weights(), "--output", "w.h5")
    assert code == 1 and error == "w.h5: not saved (No space left on device)\n"


def test_the_readme_names_every_format():
    from scratchnet.files.weights.load import READERS

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = readme.split("## The network's weights")[1].split("\n## ")[0]
    for reader in READERS:
        assert reader.FORMAT in table, reader.FORMAT
