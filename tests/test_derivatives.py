"""Every derivative of the package against a numerical one, and the checker itself checked."""

import numpy as np
import pytest
from conftest import make_objective, make_tiny_network

from scratchnet.checks.catalogue import check_chain, check_operations
from scratchnet.checks.numerical import (
    as_scalar,
    central_difference,
    complex_step,
    direction_check,
    gradient_check,
    same_pattern,
)
from scratchnet.fast.proofs import check_fast_operations
from scratchnet.network.pooling import AveragePool, MaxPool
from scratchnet.network.relu import ReLU


@pytest.mark.parametrize("seed", range(2))
def test_every_operation_entry_by_entry(seed):
    reports = list(check_operations(seed))
    assert len(reports) >= 36
    for report in reports:
        assert report.passed, report


def test_every_fast_operation_entry_by_entry():
    reports = list(check_fast_operations())
    assert len(reports) >= 21
    for report in reports:
        assert report.passed, report


def test_whole_chain_on_the_embedded_network(vgg64, pictures):
    content, style = pictures
    reports = list(check_chain(vgg64, content[:35, :38], style[:20, :20]))  # some maps are odd
    assert len(reports) == 3
    for report in reports:
        assert report.passed, report


@pytest.mark.parametrize("partial_windows", [False, True])
@pytest.mark.parametrize("pool", [MaxPool, AveragePool])
def test_objective_pixel_by_pixel_on_a_tiny_network(pool, partial_windows, rng):
    # Content and style meet at relu2_1, so that gradients are summed there.
    network = make_tiny_network(pool, partial_windows=partial_windows)
    content, style = rng.uniform(0, 255, (4, 5, 3)), rng.uniform(0, 255, (5, 8, 3))
    objective = make_objective(
        network, content, style, content_layers={"relu2_1": 1.0, "conv1_2": 0.5},
        style_layers={"relu1_1": 0.3, "relu2_1": 0.7, "pool2": 0.1}, style_weight=0.1,
    )  # fmt: skip
    image = rng.uniform(0, 255, (4, 5, 3))

    def function(x):
        return objective(x)[0], network.forward(x, ["pool2"])[1]

    report = gradient_check(
        function, image, objective(image)[1], operation="J", argument="G", bound=1e-6,
        derivative=lambda *args: central_difference(*args, step=1e-3),
    )  # fmt: skip
    assert report.passed, report


def test_gradients_given_at_any_layers_are_summed(tiny_network, rng):
    image = rng.uniform(0, 255, (8, 9, 3))
    names = ["preprocess", "conv1_1", "relu1_2", "pool1", "relu2_2"]
    activations, caches = tiny_network.forward(image, names)
    upstream = {name: rng.standard_normal(a.shape) for name, a in activations.items()}

    def function(x):
        activations, caches = tiny_network.forward(x, names)
        return sum(np.sum(activations[name] * upstream[name]) for name in names), caches

    gradient = tiny_network.backward(upstream, caches)
    report = direction_check(function, image, gradient, operation="network", argument="image")
    assert report.passed, report
    # The same walk for one gradient at a time must add up to it.
    parts = [tiny_network.backward({name: g}, caches) for name, g in upstream.items()]
    assert np.allclose(sum(parts), gradient, rtol=1e-12)


# ------------------------------------------------------------ the checker checked


def cube(x):
    return np.sum(x**3), None


@pytest.mark.parametrize("derivative", [central_difference, complex_step])
def test_checker_passes_the_right_and_fails_what_is_wrong_by_a_thousandth(derivative, rng):
    x = rng.uniform(1, 2, (3, 4))
    options = {"operation": "cube", "bound": 1e-7, "derivative": derivative}
    assert gradient_check(cube, x, 3 * x**2, **options).passed
    assert not gradient_check(cube, x, 3.003 * x**2, **options).passed


def test_checker_finds_one_wrong_entry_and_names_it(rng):
    x = rng.uniform(1, 2, (3, 4))
    gradient = 3 * x**2
    gradient[1, 2] *= 1.001
    report = gradient_check(cube, x, gradient, operation="cube", argument="thing")
    assert not report.passed
    message = str(report)
    for part in ("cube", "thing", "(1, 2)", f"{gradient[1, 2]:.12g}", "FAILED"):
        assert part in message
    assert f"{report.numeric:.12g}" in message


def test_direction_check_fails_what_is_wrong_by_a_thousandth(rng):
    x = rng.uniform(1, 2, (30, 40))
    assert direction_check(cube, x, 3 * x**2, operation="cube").passed
    wrong = direction_check(cube, x, 3.003 * x**2, operation="cube")
    assert not wrong.passed and "random direction" in str(wrong)


def test_checker_does_not_pass_nan(rng):
    x = rng.uniform(1, 2, (2, 2))
    assert not gradient_check(cube, x, np.full_like(x, np.nan), operation="cube").passed
    assert not gradient_check(lambda x: (np.nan, None), x, x, operation="nan").passed


def test_checker_wants_float64_and_equal_shapes():
    with pytest.raises(ValueError, match="wanted float64"):
        gradient_check(cube, np.ones(2, np.float32), np.ones(2), operation="cube")
    with pytest.raises(ValueError, match=r"gradient of shape \(3,\)"):
        gradient_check(cube, np.ones(2), np.ones(3), operation="cube")


def test_kinks_are_counted_and_the_side_that_x_belongs_to_is_measured():
    # At 0 our ReLU belongs to the left side: its derivative there is 0, not ½ or 1.
    x = np.array([[[0.0, 1.0, -1.0]]])
    function = as_scalar(ReLU(), np.ones_like(x))
    report = gradient_check(function, x, np.array([[[0.0, 1.0, 0.0]]]), operation="relu")
    assert report.passed and report.kinks == 1
    for claimed in (0.5, 1.0):
        wrong = gradient_check(function, x, np.array([[[claimed, 1.0, 0.0]]]), operation="relu")
        assert not wrong.passed and "at (0, 0, 0)" in wrong.where


def test_a_kink_nearby_makes_the_step_smaller():
    x = np.array([[[3e-5]]])  # closer than the first step, 1e-4, but not than a sixteenth of it
    report = gradient_check(
        as_scalar(ReLU(), np.ones_like(x)), x, np.ones_like(x), operation="relu"
    )
    assert report.passed and report.kinks == 0


def test_a_point_on_kinks_from_both_sides_fails():
    # |x| with the pattern sign(x): at 0, x is on neither side.
    report = gradient_check(
        lambda x: (np.abs(x).sum(), np.sign(x)), np.zeros(1), np.zeros(1), operation="abs"
    )
    assert not report.passed and report.kinks == 1


def test_same_pattern():
    a = [np.array([1, 0]), (np.array([2]), (3, 4)), None]
    assert same_pattern(a, [np.array([1, 0]), (np.array([2]), (3, 4)), None])
    assert not same_pattern(a, [np.array([1, 1]), (np.array([2]), (3, 4)), None])
    assert not same_pattern(a, a[:2])
