"""SmoothGrad and integrated gradients: by hand, by their axioms, and in the unit's field."""

import numpy as np
import pytest
from conftest import IMAGES, make_tiny_network
from test_deconvnet import one_pixel_network, strongest_channel

from scratchnet import load_image
from scratchnet.files.images import resize_image
from scratchnet.network.preprocessing import MEAN_BGR
from scratchnet.units.attribution import integrated_gradients, smoothgrad, unit_gradient
from scratchnet.units.deconvnet import explain, in_field

MEAN = np.array(MEAN_BGR[::-1])


def unit_of(network, image, layer, unit):
    return float(network.forward(image, [layer])[0][layer][unit])


def test_the_gradient_of_a_unit_is_the_rule_that_is_a_derivative(rng):
    """`explain` starts with a_ijk; `test_deconvnet` holds its rule against differences."""
    network, image = make_tiny_network(), rng.uniform(0, 255, (12, 12, 3))
    a = network.forward(image, ["relu2_2"])[0]["relu2_2"]
    unit = tuple(map(int, np.unravel_index(a.argmax(), a.shape)))
    value, gradient = unit_gradient(network, image, "relu2_2", unit[:2], unit[2])
    assert value == pytest.approx(a[unit], rel=1e-13) and value > 0
    explained = explain(network, image, "relu2_2", unit[:2], unit[2], "gradient")
    np.testing.assert_allclose(value * gradient, explained, rtol=1e-12, atol=1e-12)


# a = 5h₀ − h₁ + 4h₂ − 2h₃ + 1 with h = max((R, G, −R, −B), 0). On the way from (−1, 0, −9) to
# (3, 2, 7), t = ¼ = ½² is where red gets above 0, and t = 9/16 = ¾² where blue does. Before, −R
# fires with −4 a unit of red, and −B with +2 a unit of blue; after, red counts 5 and blue nothing;
# green counts −1 always. The shares: red 4 · (¼ · −4 + ¾ · 5), green 2 · −1, blue 16 · 9/16 · 2.
def test_integrated_gradients_by_hand():
    image, baseline = (np.array(x, float).reshape(1, 1, 3) for x in ((3, 2, 7), (-1, 0, -9)))
    found = integrated_gradients(
        one_pixel_network(), image, "a", (0, 0), 0, steps=64, baseline=baseline
    )
    np.testing.assert_allclose(found.ravel(), [11, -2, 18], rtol=1e-12)
    there, here = (unit_of(one_pixel_network(), x, "a", (0, 0, 0)) for x in (image, baseline))
    assert found.sum() == pytest.approx(there - here, rel=1e-12)


def test_smoothgrad_by_hand():
    # far from all kinks the gradient is (5, −1, 0) wherever the noise leads; blue −B is silent
    image = np.array([200.0, 100, 150]).reshape(1, 1, 3)
    found = smoothgrad(one_pixel_network(), image, "a", (0, 0), 0, samples=5)
    np.testing.assert_allclose(found.ravel(), [5, -1, 0])
    # at red 0 it is 5 with one half of the noise and −4 with the other
    image[..., 0] = 0
    found = smoothgrad(one_pixel_network(), image, "a", (0, 0), 0, samples=1500)
    assert found[0, 0, 0] == pytest.approx(0.5, abs=0.3)


def test_the_same_seed_gives_the_same_smoothgrad(rng):
    network, image = make_tiny_network(), rng.uniform(0, 255, (12, 12, 3))
    k = strongest_channel(network, image, "relu2_2", (3, 3))
    first, same, other = (
        smoothgrad(network, image, "relu2_2", (3, 3), k, samples=3, seed=seed) for seed in (0, 0, 1)
    )
    assert np.array_equal(first, same) and not np.array_equal(first, other)


@pytest.fixture(scope="module")
def dog():
    return resize_image(load_image(IMAGES / "dog.jpg"), (32, 32))


@pytest.mark.parametrize(
    "layer", ["relu2_2", "relu3_3", pytest.param("relu4_3", marks=pytest.mark.slow)]
)
def test_integrated_gradients_add_up_to_what_there_is_to_explain(layer, fast32, dog):
    """The axiom of completeness, within 1 %, in VGG-16."""
    rows, cols, _ = fast32.output_shapes(*dog.shape[:2])[layer]
    position = rows // 2, cols // 2
    k = strongest_channel(fast32, dog, layer, position)
    A = integrated_gradients(fast32, dog, layer, position, k)
    nothing = np.broadcast_to(MEAN, dog.shape)
    there, here = (unit_of(fast32, x, layer, (*position, k)) for x in (dog, nothing))
    assert A.sum(dtype=float) == pytest.approx(there - here, rel=0.01)


def whole_gradient(network, image, unit):
    """Return a unit's gradient at relu2_2 through all of the network."""
    activations, caches = network.forward(image, ["relu2_2"])
    da = np.zeros_like(activations["relu2_2"])
    da[unit] = 1
    return network.backward({"relu2_2": da}, caches)


def test_smoothgrad_is_the_mean_of_whole_gradients(rng):
    network, image, unit = make_tiny_network(), rng.uniform(0, 255, (16, 17, 3)), (2, 5, 1)
    found = smoothgrad(network, image, "relu2_2", unit[:2], unit[2], samples=3, noise=0.1, seed=7)
    noise, deviation = np.random.default_rng(7), 0.1 * np.ptp(image)
    pictures = [image + noise.normal(0, deviation, image.shape) for _ in range(3)]
    expected = np.mean([whole_gradient(network, picture, unit) for picture in pictures], axis=0)
    assert expected.any()
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12 * np.abs(expected).max())


def test_in_its_field_a_unit_has_the_same_integrated_gradients(fast32, dog):
    position, k, steps = (2, 3), 5, 4
    s = (np.arange(1, steps + 1) - 0.5) / steps
    gradients = [whole_gradient(fast32, MEAN + t**2 * (dog - MEAN), (*position, k)) for t in s]
    whole = (dog - MEAN) * np.mean(2 * s[:, None, None, None] * gradients, axis=0)
    patch = in_field(integrated_gradients, fast32, dog, "relu2_2", position, k, steps=4)
    (top, left), size = (2 * 2 - 5, 3 * 2 - 5), len(patch)
    assert size == 14
    rows, cols = slice(max(top, 0), top + size), slice(max(left, 0), left + size)
    inside = patch[rows.start - top :, cols.start - left :]
    np.testing.assert_allclose(inside, whole[rows, cols], atol=2e-5 * np.abs(whole).max())
