"""The network: names, depths, shapes, and agreement with PyTorch."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import ROOT, make_objective, make_tiny_network

from scratchnet import VGG, Network
from scratchnet.files.images import resize_image
from scratchnet.network.architecture import kernel_shapes
from scratchnet.network.convolution import Convolution
from scratchnet.network.pooling import AveragePool, MaxPool
from scratchnet.network.relu import ReLU
from scratchnet.style.layers import CONTENT_LAYERS


def relative(a, b):
    """Return the Euclidean distance of two arrays, relative to the second's norm."""
    return np.linalg.norm(np.asarray(a, float) - b) / np.linalg.norm(b)


# -------------------------------------------------------------------- structure


def random_vgg(architecture, rng, **options):
    parameters = {
        name: (rng.standard_normal(shape, np.float32) / 50, np.zeros(shape[3], np.float32))
        for name, shape in kernel_shapes(architecture).items()
    }
    return VGG(parameters, architecture=architecture, **options)


def test_vgg16_layers_in_order(vgg32):
    names = [layer.name for layer in vgg32.layers]
    assert names[:6] == ["preprocess", "conv1_1", "relu1_1", "conv1_2", "relu1_2", "pool1"]
    assert names[-3:] == ["conv5_3", "relu5_3", "pool5"]
    assert len(names) == 1 + 2 * 13 + 5
    assert vgg32.layers[1].kernel.shape == (3, 3, 3, 64)
    assert vgg32.layers[1].bias.shape == (64,)


@pytest.mark.parametrize(
    ("architecture", "convolutions", "parameters"),
    # Parameters of the convolutions alone: Simonyan & Zisserman's networks D and E.
    [("vgg16", 13, 14_714_688), ("vgg19", 16, 20_024_384)],
)
def test_both_networks_from_one_table(architecture, convolutions, parameters):
    shapes = kernel_shapes(architecture)
    assert len(shapes) == convolutions
    assert sum(np.prod(shape) + shape[3] for shape in shapes.values()) == parameters


def test_vgg19_runs(rng):
    network = random_vgg("vgg19", rng)
    activations, _ = network.forward(rng.uniform(0, 255, (32, 40, 3)), ["relu5_4", "pool5"])
    assert activations["relu5_4"].shape == (2, 2, 512)
    assert activations["pool5"].shape == (1, 1, 512)


def test_print_is_a_table(vgg32):
    table = str(vgg32)
    assert "conv1_2     3×3×64×64             36928  224 × 224 × 64" in table
    assert "pool5                                    7 × 7 × 512" in table
    assert table.endswith("14714688")


def test_windows_are_partial_where_that_is_asked_for(rng):
    sides = {}
    for partial_windows in (False, True):
        network = random_vgg("vgg16", rng, partial_windows=partial_windows)
        activations, _ = network.forward(rng.uniform(0, 255, (35, 49, 3)), ["pool5"])
        assert activations["pool5"].shape == network.output_shapes(35, 49)["pool5"]
        sides[partial_windows] = activations["pool5"].shape[:2]
    assert sides == {False: (1, 1), True: (2, 2)}  # 49 24 12 6 3 1; 35 18 9 5 3 2


def test_pools_are_chosen_by_name(rng):
    for pool, kind in [("max", MaxPool), ("average", AveragePool)]:
        assert isinstance(random_vgg("vgg16", rng, pool=pool).layers[5], kind)
    with pytest.raises(ValueError, match="got pool 'median', wanted one of 'max', 'average'"):
        random_vgg("vgg16", rng, pool="median")


def test_wrong_dtype_and_architecture(rng):
    with pytest.raises(ValueError, match="got dtype 'float16', wanted 'float32' or 'float64'"):
        random_vgg("vgg16", rng, dtype="float16")
    with pytest.raises(ValueError, match="unknown architecture 'vgg11'; known are vgg16, vgg19"):
        kernel_shapes("vgg11")


def test_layer_names_are_unique():
    with pytest.raises(ValueError, match="two layers have the same name"):
        Network([ReLU("a"), ReLU("a")])


# --------------------------------------------------------------- forward, backward


def test_forward_goes_no_deeper_than_asked(tiny_network, rng):
    image = rng.uniform(0, 255, (8, 8, 3))
    activations, caches = tiny_network.forward(image, ["relu1_2", "conv1_1"])
    assert set(activations) == {"relu1_2", "conv1_1"}
    assert len(caches) == 5  # preprocess, conv1_1, relu1_1, conv1_2, relu1_2
    assert tiny_network.forward(image, []) == ({}, [])


def test_forward_takes_whole_numbers_and_leaves_the_picture_alone(tiny_network, rng):
    image = rng.integers(0, 256, (8, 8, 3), np.uint8)
    before = image.copy()
    a, _ = tiny_network.forward(image, ["relu2_2"])
    b, _ = tiny_network.forward(image.astype(float), ["relu2_2"])
    assert np.array_equal(a["relu2_2"], b["relu2_2"]) and np.array_equal(image, before)


def test_returned_arrays_are_not_overwritten_by_the_next_pass(tiny_network, rng):
    activations, _ = tiny_network.forward(rng.uniform(0, 255, (8, 8, 3)), ["relu1_1", "pool2"])
    before = {name: a.copy() for name, a in activations.items()}
    tiny_network.forward(rng.uniform(0, 255, (8, 8, 3)), ["relu1_1", "pool2"])
    for name, a in activations.items():
        assert np.array_equal(a, before[name])


def test_unknown_layers_are_named_and_the_valid_ones_listed(tiny_network):
    image = np.zeros((8, 8, 3))
    with pytest.raises(ValueError, match="unknown layer 'relu9_1'; the layers are preprocess, con"):
        tiny_network.forward(image, ["relu1_1", "relu9_1"])
    _, caches = tiny_network.forward(image, ["pool2"])
    with pytest.raises(ValueError, match="unknown layer 'conv9'"):
        tiny_network.backward({"conv9": image}, caches)


def test_backward_says_what_is_missing(tiny_network):
    activations, caches = tiny_network.forward(np.zeros((8, 8, 3)), ["relu1_1"])
    with pytest.raises(ValueError, match="no gradient"):
        tiny_network.backward({}, caches)
    with pytest.raises(ValueError, match="gradient at pool2, but the forward pass ended before"):
        tiny_network.backward({"pool2": activations["relu1_1"]}, caches)


def test_too_small_a_picture_is_refused_with_the_smallest_that_fits(vgg32):
    with pytest.raises(ValueError, match=r"15×40 is too small for relu5_1, .* at least 16×16"):
        vgg32.forward(np.zeros((40, 15, 3)), ["relu1_1", "relu5_1"])
    with pytest.raises(ValueError, match=r"31×31 is too small for pool5, .* at least 32×32"):
        vgg32.forward(np.zeros((31, 31, 3)), ["pool5"])
    vgg32.forward(np.zeros((16, 16, 3)), ["relu5_1"])


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 1), (8, 8, 4), (1, 8, 8, 3)])
def test_other_shapes_than_a_picture_are_refused(tiny_network, shape):
    with pytest.raises(ValueError, match=r"wanted \(height, width, 3\)"):
        tiny_network.forward(np.zeros(shape), ["relu1_1"])


def test_what_is_kept_for_one_size_does_not_change_another(pictures):
    content, _ = pictures
    network, layers = VGG.load(), ["relu3_1", "relu5_1"]
    before, caches = network.forward(content, layers)
    slope = network.backward(dict(before), caches)
    network.forward(resize_image(content, (200, 220)), layers)
    after, caches = network.forward(content, layers)
    assert all(np.array_equal(after[name], before[name]) for name in layers)
    assert np.array_equal(network.backward(dict(after), caches), slope)


# ---------------------------------------------------------------- against PyTorch


def test_activations_and_gradient_against_the_dumped_reference(vgg64):
    # Made by tests/pytorch_reference.py with PyTorch in float64.
    reference = np.load(ROOT / "tests" / "data" / "vgg16_reference.npz")
    relus = [layer.name for layer in vgg64.layers if layer.name.startswith("relu")]
    activations, _ = vgg64.forward(reference["image"], relus)
    for name, a in activations.items():
        values = a.ravel()[reference[f"{name}/where"]]
        scale = reference[f"{name}/norm"]
        assert np.abs(values - reference[f"{name}/value"]).max() <= 1e-11 * scale, name
        assert abs(np.linalg.norm(a) - scale) <= 1e-11 * scale, name
    layers = {"content_layers": CONTENT_LAYERS}
    objective = make_objective(vgg64, reference["content"], reference["style"], **layers)
    loss, gradient = objective(reference["image"])
    assert abs(loss - reference["loss"]) <= 1e-11 * loss
    assert relative(gradient, reference["gradient"]) <= 1e-11


def test_against_pytorch_itself(vgg64, pictures):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra 'bench')")
    import pytorch_reference as reference

    content, style = pictures
    image = content[::-1].copy()
    relus = [layer.name for layer in vgg64.layers if layer.name.startswith("relu")]
    ours, _ = vgg64.forward(image, relus)
    theirs = reference.activations(reference.to_torch(image, torch.float64), torch.float64)
    for name, a in ours.items():
        assert relative(a, theirs[name][0].permute(1, 2, 0).numpy()) <= 1e-11, name
    loss, gradient = make_objective(vgg64, content, style)(image)
    their_loss, their_gradient = reference.objective(image, content, style, torch.float64)
    assert abs(loss - their_loss) <= 1e-11 * loss
    assert relative(gradient, their_gradient) <= 1e-11


def test_float32_against_pytorch_in_float32(vgg32, pictures):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (extra 'bench')")
    import pytorch_reference as reference

    content, style = pictures
    image = content[::-1].copy()
    relus = [layer.name for layer in vgg32.layers if layer.name.startswith("relu")]
    ours, _ = vgg32.forward(image, relus)
    x = reference.to_torch(image, torch.float32).requires_grad_(True)
    theirs = reference.activations(x.detach(), torch.float32)
    for name, a in ours.items():
        assert relative(a, theirs[name][0].permute(1, 2, 0).numpy()) <= 1e-5, name
    loss, _ = make_objective(vgg32, content, style)(image)
    their_loss, _ = reference.objective(image, content, style, torch.float32)
    assert abs(loss - their_loss) <= 1e-5 * loss
    # The way back, given our masks and switches.
    dy = ours["relu5_3"]
    plain = VGG.load(fast=False)
    _, caches = plain.forward(image, relus)
    deepest = reference.linear_chain(x, caches, torch.float32)
    deepest.backward(torch.tensor(dy.transpose(2, 0, 1)[None]))
    their_gradient = x.grad[0].permute(1, 2, 0).numpy()
    assert relative(plain.backward({"relu5_3": dy}, caches), their_gradient) <= 1e-5


def test_float32_against_float64(vgg32, vgg64, pictures):
    """Activations, J, and the way back *given the same masks and switches* agree to 1e-5."""
    content, style = pictures
    layers = ["relu1_1", "relu3_1", "relu4_2", "relu5_1"]
    single, caches = vgg32.forward(content, layers)
    double, _ = vgg64.forward(content, layers)
    for name in layers:
        assert single[name].dtype == np.float32
        assert relative(single[name], double[name]) <= 1e-5, name
    image = content[:, ::-1].copy()
    losses = [make_objective(n, content, style)(image)[0] for n in (vgg32, vgg64)]
    assert abs(losses[0] - losses[1]) <= 1e-5 * losses[1]
    # float64's backward pass with float32's masks and switches: only rounding is left
    gradients = {"relu4_2": double["relu4_2"], "relu5_1": double["relu5_1"]}
    da = {name: g.astype(np.float32) for name, g in gradients.items()}
    back = vgg32.backward(da, caches)
    assert back.dtype == np.float32
    assert relative(back, vgg64.backward(gradients, caches)) <= 1e-5


def test_float32_objective_differs_only_where_switches_do():
    """∂J/∂G in float32 on a network whose masks all agree is right to 1e-5."""
    single = make_tiny_network(dtype="float32")
    layers = [
        replace(layer, kernel=layer.kernel.astype(float), bias=layer.bias.astype(float))
        if isinstance(layer, Convolution)
        else layer
        for layer in single.layers
    ]
    double = Network(layers, dtype="float64")
    rng = np.random.default_rng(3)
    content, style, image = rng.uniform(0, 255, (3, 12, 16, 3))
    options = {"content_layers": {"relu2_1": 1.0}, "style_layers": {"relu1_1": 1.0, "relu2_2": 1.0}}
    results = [make_objective(n, content, style, **options)(image) for n in (single, double)]
    assert relative(results[0][1], results[1][1]) <= 1e-5
