"""The fast twin of a plain network: the same numbers, layer by layer, both ways."""

import numpy as np
import pytest
from conftest import IMAGES, make_objective

from scratchnet import VGG, FastNetwork, Network, load_image
from scratchnet.files.images import resize_image
from scratchnet.network.convolution import Convolution
from scratchnet.network.pooling import AveragePool, MaxPool
from scratchnet.network.relu import ReLU
from scratchnet.style.objective import LayerGradients
from scratchnet.style.terms import IMAGE


def relative(a, b):
    """Return the Euclidean distance of two arrays, relative to the second's norm."""
    return np.linalg.norm(np.asarray(a, float) - b) / np.linalg.norm(b)


@pytest.fixture(scope="module")
def street():
    """Return a picture of odd sides, so that windows and tiles are cut.

    Its maps get every algorithm but tiles of 6×6, which `test_layers` has.
    """
    return resize_image(load_image(IMAGES / "leuven_street.jpg"), (41, 53)).astype(float)


@pytest.fixture(scope="module", params=["max", "average"])
def pool(request):
    return request.param


@pytest.fixture(scope="module", params=[False, True])
def partial_windows(request):
    return request.param


@pytest.fixture(scope="module")
def plain_and_fast(pool, partial_windows):
    """Return the plain network and its fast twin, in float64."""
    plain = VGG.load(dtype="float64", pool=pool, partial_windows=partial_windows, fast=False)
    return plain, FastNetwork(plain)


@pytest.fixture(scope="module")
def plainly(plain_and_fast, street):
    """Return the plain network's activations at all layers, and its caches."""
    plain, _ = plain_and_fast
    return plain.forward(street, [layer.name for layer in plain.layers])


@pytest.fixture(scope="module")
def caches_to_relu5_1(plain_and_fast, street):
    """Return the fast network's caches of a pass that knew of no other layer."""
    return plain_and_fast[1].forward(street, ["relu5_1"])[1]


def test_the_fast_network_equals_the_plain_one_layer_by_layer(plain_and_fast, plainly, street):
    _, fast = plain_and_fast
    expected, _ = plainly
    for wanted in (list(expected), ["relu1_2", "pool2", "conv3_2", "relu5_1"], ["pool4"]):
        found, _ = fast.forward(street, wanted)
        assert list(found) == wanted
        for name, a in found.items():
            assert relative(a, expected[name]) <= 1e-12, name


@pytest.mark.parametrize(
    "names",
    [
        ["relu1_2"],  # before a pool
        ["pool1"],
        ["relu1_2", "pool1"],
        ["conv2_1"],  # a convolution by itself
        ["conv1_2", "relu1_2", "pool1", "conv2_1", "relu2_1", "pool4"],
        ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu4_2", "relu5_1"],
    ],
)
def test_gradients_anywhere_come_back_as_in_the_plain_network(
    plain_and_fast, plainly, caches_to_relu5_1, names, street, rng
):
    (plain, fast), (a, caches) = plain_and_fast, plainly
    gradients = {name: rng.standard_normal(a[name].shape) for name in names}
    expected = plain.backward(gradients, caches)
    # the forward pass need not have known where gradients would come from
    for fast_caches in (fast.forward(street, names)[1], caches_to_relu5_1):
        assert relative(fast.backward(gradients, fast_caches), expected) <= 1e-12


def test_the_caches_of_a_stage_are_those_of_its_layers(fast64, street, rng):
    """One layer back after the other gives what whole stages give."""
    a, caches = fast64.forward(street, ["pool3"])
    g = dy = rng.standard_normal(a["pool3"].shape)
    for layer, cache in zip(fast64.layers[len(caches) - 1 :: -1], reversed(caches), strict=True):
        g = layer.backward(g, cache)
    assert relative(g, fast64.backward({"pool3": dy}, caches)) <= 1e-13


def test_a_fast_network_of_other_layers(rng):
    """Kernels, channels and orders that VGG has not."""

    def convolution(*shape, **options):
        return Convolution(rng.standard_normal(shape) / 4, rng.standard_normal(shape[3]), **options)

    plain = Network(
        [
            convolution(5, 3, 3, 9, name="a"), convolution(3, 3, 9, 7, name="b"), ReLU("c"),
            ReLU("d"), MaxPool("e"), MaxPool("f"), convolution(2, 2, 7, 5, stride=2, name="g"),
            AveragePool("h"),
        ],
        dtype="float64",
    )  # fmt: skip
    fast, image = FastNetwork(plain, threads=2), rng.uniform(-1, 1, (41, 37, 3))
    names = [layer.name for layer in plain.layers]
    expected, caches = plain.forward(image, names)
    found, fast_caches = fast.forward(image, names)
    assert all(relative(found[name], expected[name]) <= 1e-12 for name in names)
    g = {name: rng.standard_normal(a.shape) for name, a in expected.items()}
    assert relative(fast.backward(g, fast_caches), plain.backward(g, caches)) <= 1e-12


def test_a_layer_that_is_derived_from_a_known_one_stays_as_it_is(rng):
    class Leaky(ReLU):
        def forward(self, x):
            return np.where(x > 0, x, x / 10), x > 0

        def backward(self, dy, cache):
            return np.where(cache, dy, dy / 10)

    kernel, bias = rng.standard_normal((3, 3, 3, 8)), rng.standard_normal(8)
    plain = Network([Convolution(kernel, bias, name="a"), Leaky("b")], dtype="float64")
    fast, image = FastNetwork(plain, threads=2), rng.uniform(-1, 1, (9, 11, 3))
    (a, caches), (b, fast_caches) = (network.forward(image, ["b"]) for network in (plain, fast))
    assert relative(b["b"], a["b"]) <= 1e-12
    assert relative(fast.backward(a, fast_caches), plain.backward(a, caches)) <= 1e-12
    assert type(FastNetwork(fast).layers[0]) is type(fast.layers[0])


def test_an_error_in_a_gradient_is_not_taken_for_a_missing_one(street):
    class Broken(dict):
        def __getitem__(self, name):
            if name == "relu1_1":
                raise KeyError("a mistake in somebody's loss")
            return super().__getitem__(name)

    fast = VGG.load(threads=1)
    a, caches = fast.forward(street, ["relu1_1", "relu2_1"])
    with pytest.raises(KeyError, match="a mistake"):
        fast.backward(Broken(a), caches)


def test_fast_float32_against_plain_float64(fast32, fast64, vgg64):
    """Activations and the way back agree; ∂J/∂G differs by flipped switches and nothing else."""
    content = resize_image(load_image(IMAGES / "leuven_street.jpg"), (48, 64)).astype(float)
    style = resize_image(load_image(IMAGES / "starry_night.jpg"), (48, 56)).astype(float)
    image = content[:, ::-1].copy()
    J_fast, J_double, J_plain = (
        make_objective(network, content, style) for network in (fast32, fast64, vgg64)
    )
    single, caches = fast32.forward(image, J_fast.layers)
    exact, _ = vgg64.forward(image, J_plain.layers)
    for name in J_fast.layers:
        assert relative(single[name], exact[name]) <= 2e-5, name
    found, expected, same = J_fast(image)[1], J_plain(image)[1], J_double(image)[1]
    assert relative(same, expected) <= 1e-9
    assert relative(found, expected) <= 5e-3
    # float64's gradients, walked back by float64 through the switches that float32 saw
    gradients = dict(LayerGradients(J_plain.losses, exact))
    _, dtv = J_plain.losses["tv"][IMAGE](image)
    assert relative(found, fast64.backward(gradients, caches) + dtv) <= 2e-5
