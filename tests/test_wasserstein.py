"""The Wasserstein distance of styles: by hand, against SciPy's sqrtm, and without an inverse."""

import os
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT, load_script, make_tiny_network
from scipy.linalg import sqrtm
from transfer_memory import gaussians

from scratchnet import (
    VGG,
    Gram,
    StyleTransferObjective,
    WassersteinStyle,
    gatys_terms,
    load_image,
    style_transfer,
)
from scratchnet.checks.catalogue import check_term
from scratchnet.checks.numerical import gradient_check
from scratchnet.style.checkpoint import settings_of
from scratchnet.style.lbfgs import LBFGS
from scratchnet.style.masks import MaskedGram
from scratchnet.style.wasserstein import (
    BALANCE,
    EPSILON,
    StyleGaussian,
    gaussian_target,
    mean_and_covariance,
    wasserstein_loss,
    wasserstein_style_loss,
)

LAYERS = {"relu1_1": 0.5, "relu2_1": 0.5}


def distance(a_G, a_S):
    return wasserstein_style_loss(a_G, gaussian_target(a_S), 1 / BALANCE, Gram())[0]


def test_mean_and_covariance_are_numpys(rng):
    a = rng.standard_normal((3, 4, 5)) + 2
    (mean, covariance), _ = mean_and_covariance(a, 0.25)
    assert np.allclose(mean, a.reshape(12, 5).mean(axis=0), rtol=1e-13)
    expected = np.cov(a.reshape(12, 5), rowvar=False, bias=True) + 0.25 * np.eye(5)
    assert np.allclose(covariance, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("C", [1, 2, 5, 16])
def test_it_is_the_formula_with_scipys_square_root(C, rng):
    a_G, a_S = rng.standard_normal((6, 7, C)) * 2 + 1, rng.standard_normal((5, 6, C))
    s = np.sum(a_S**2) / 30
    epsilon = EPSILON * s / C
    (m, Q), (m_S, Q_S) = (mean_and_covariance(a, epsilon)[0] for a in (a_G, a_S))
    R = sqrtm(Q_S)
    W2 = np.sum((m - m_S) ** 2) + np.trace(Q + Q_S - 2 * sqrtm(R @ Q @ R))
    assert distance(a_G, a_S) == pytest.approx(W2 / s, rel=1e-11)


def test_of_one_channel_it_compares_means_and_deviations():
    # G is 1 or 3: mean 2, deviation 1. S is 0 or 10: 5 and 5, and s = (0² + 10²)/2 = 50.
    a_G, a_S = np.array([[[1.0], [3.0]]]), np.array([[[0.0], [10.0]]])
    by_hand = ((5 - 2) ** 2 + (5 - 1) ** 2) / 50
    assert distance(a_G, a_S) == pytest.approx(by_hand, rel=1e-3)  # ε is 1e-4 of s
    # ∂J/∂a = 2 (μ − μ_S)/(s M) + 2 (σ − σ_S) (a − μ)/(s σ M): −6/100 ∓ (−8)/100
    _, da = wasserstein_style_loss(a_G, gaussian_target(a_S), 1 / BALANCE, Gram())
    assert np.allclose(da.ravel(), [0.02, -0.14], atol=1e-3)


def test_of_channels_that_do_not_fire_together_it_is_a_sum_over_them():
    # A diagonal covariance has the deviations as its root: (1 − 2)² + (3 − 5)² = 5
    target = StyleGaussian(np.zeros(2), np.diag([2.0, 5.0]), 1.0, 0.0)
    assert wasserstein_loss(np.zeros(2), np.diag([1.0, 9.0]), target)[0] == pytest.approx(5)


def test_of_equal_pictures_it_is_zero_and_has_no_slope(rng):
    a = np.maximum(rng.standard_normal((8, 9, 6)), 0)
    value, da = wasserstein_style_loss(a, gaussian_target(a), 1 / BALANCE, Gram())
    assert abs(value) < 1e-12 and np.abs(da).max() < 1e-12


def test_of_a_map_of_zeros_it_is_one(rng):
    a_S = np.maximum(rng.standard_normal((8, 9, 6)), 0)
    for scale in (1e-3, 1.0, 1e4):  # however strong the style is
        assert distance(np.zeros((4, 5, 6)), scale * a_S) == pytest.approx(1, abs=0.02)


def test_it_does_not_see_where_something_is(rng):
    a_G, a_S = rng.standard_normal((2, 6, 6, 5))
    shuffled = rng.permutation(a_G.reshape(36, 5)).reshape(4, 9, 5)
    assert distance(shuffled, a_S) == pytest.approx(distance(a_G, a_S), rel=1e-12)
    apart = rng.permuted(a_G.reshape(36, 5), axis=0).reshape(6, 6, 5)  # each channel by itself
    assert abs(distance(apart, a_S) - distance(a_G, a_S)) > 1e-3


def test_it_tells_apart_what_gram_matrices_do_not():
    # 1 always, or 0 and √2 in turn: the same mean square.
    always, in_turn = np.ones((1, 2, 1)), np.array([[[0.0], [np.sqrt(2)]]])
    assert np.isclose(Gram().forward(always)[0], Gram().forward(in_turn)[0])
    assert distance(always, in_turn) > 0.5


def few_positions(rng):
    return rng.standard_normal((2, 2, 9)), rng.standard_normal((2, 3, 9))


def dead_in_style(rng):
    a_G, a_S = rng.standard_normal((2, 4, 5, 6))
    a_S[:, :, :3] = 0
    return a_G, a_S


def one_position(rng):
    return rng.standard_normal((1, 1, 4)), rng.standard_normal((1, 1, 4))


def silent_style(rng):
    return rng.standard_normal((3, 3, 4)), np.zeros((3, 3, 4))


def dead_in_both(rng):
    a_G, a_S = rng.standard_normal((2, 4, 5, 6))
    a_G[:, :, 2] = a_S[:, :, 2] = 0
    return a_G, a_S


def dead_in_picture(rng):
    a_G, a_S = rng.standard_normal((2, 4, 5, 6))
    a_G[:, :, 2] = 0
    return a_G, a_S


DEFICIENT = [
    few_positions, dead_in_style, one_position, silent_style, dead_in_both, dead_in_picture,
]  # fmt: skip


@pytest.mark.parametrize("pictures_of", DEFICIENT)
def test_without_an_inverse_the_derivative_is_right(pictures_of, rng):
    a_G, a_S = pictures_of(rng)
    target = gaussian_target(a_S)
    value, da = wasserstein_style_loss(a_G, target, 1 / BALANCE, Gram())
    assert np.isfinite(value) and np.isfinite(da).all()
    report = gradient_check(
        lambda a: (wasserstein_style_loss(a, target, 1 / BALANCE, Gram())[0], None),
        a_G, da, operation=pictures_of.__name__, bound=1e-6,
    )  # fmt: skip
    assert report.passed, report


@pytest.mark.parametrize("pictures_of", [few_positions, dead_in_style, dead_in_picture])
def test_float32_agrees_with_float64(pictures_of, rng):
    a_G, a_S = pictures_of(rng)
    a_G, a_S = a_G.astype(np.float32), a_S.astype(np.float32)
    value, da = wasserstein_style_loss(a_G, gaussian_target(a_S), 1 / BALANCE, Gram())
    a_G, a_S = a_G.astype(float), a_S.astype(float)
    exact, exact_da = wasserstein_style_loss(a_G, gaussian_target(a_S), 1 / BALANCE, Gram())
    assert da.dtype == np.float32 and exact_da.dtype == np.float64
    assert value == pytest.approx(exact, rel=1e-4)
    assert np.linalg.norm(da - exact_da) < 1e-3 * np.linalg.norm(exact_da)


def test_a_far_stronger_picture_in_float32_has_no_root_of_a_negative_number(rng):
    a_G, a_S = (a.astype(np.float32) for a in few_positions(rng))
    a_G *= 1000  # its Gram matrix is rounded by more than the style's ε
    value, da = wasserstein_style_loss(a_G, gaussian_target(a_S), 1 / BALANCE, Gram())
    assert value == pytest.approx(distance(a_G.astype(float), a_S.astype(float)), rel=1e-4)
    assert np.isfinite(da).all()


def test_the_mean_of_many_positions_is_exact_in_float32(rng):
    a = rng.uniform(500, 1000, (300, 400, 2)).astype(np.float32)
    (mean, _), _ = mean_and_covariance(a)
    assert np.allclose(mean, a.astype(float).mean(axis=(0, 1)), rtol=1e-12)


def test_under_a_mask_only_its_positions_count(rng):
    a = rng.standard_normal((6, 5, 4))
    t = np.zeros((6, 5))
    t[1:4, 2:] = 1
    whole, _ = mean_and_covariance(a, 0.1, MaskedGram(t=t))
    part, _ = mean_and_covariance(a[1:4, 2:], 0.1)
    for found, expected in zip(whole, part, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-14)


def test_shapes_that_do_not_fit_are_named():
    target = gaussian_target(np.ones((2, 2, 3)))
    with pytest.raises(ValueError, match=r"covariance of \(2, 2\) and a style target of \(3, 3\)"):
        wasserstein_loss(np.zeros(2), np.eye(2), target)


# ---------------------------------------------------------------- as a term of J


def test_from_the_term_to_the_pixels(rng):
    style, image = rng.uniform(0, 255, (2, 12, 14, 3))
    report = check_term(WassersteinStyle(style, LAYERS, 1.0), make_tiny_network(), image)
    assert report.passed, report


def test_each_style_is_a_term_with_its_share(rng):
    content, one, other = rng.uniform(0, 255, (3, 16, 20, 3))
    options = {"content_layers": {"relu2_1": 1.0}, "style_layers": LAYERS}
    options |= {"style_distance": "wasserstein", "blend_weights": [3, 1], "style_weight": 2.0}
    terms = gatys_terms(content, [one, other], **options)
    assert [(type(t), t.weight) for t in terms[1:3]] == [
        (WassersteinStyle, 1.5),
        (WassersteinStyle, 0.5),
    ]
    seen = StyleTransferObjective(make_tiny_network(), terms, (16, 20)).evaluate(one).terms
    assert abs(seen["style 1 relu2_1"]) < 1e-6 * seen["style 2 relu2_1"]


def test_an_unknown_distance_is_refused(rng):
    picture = rng.uniform(0, 255, (16, 20, 3))
    with pytest.raises(ValueError, match="got 'emd', wanted gram or wasserstein"):
        gatys_terms(picture, picture, style_distance="emd")


def test_a_checkpoint_tells_the_two_apart(rng):
    picture = rng.uniform(0, 255, (16, 20, 3))
    gram, wasserstein = (
        settings_of(make_tiny_network(), gatys_terms(picture, picture, style_distance=d), LBFGS())
        for d in ("gram", "wasserstein")
    )
    assert {name for name in gram if gram[name] != wasserstein[name]} == {"style"}


def test_a_transfer_lowers_j_and_comes_near_the_style(rng):
    content, style = rng.uniform(0, 255, (2, 24, 28, 3))
    style[:, :, 2] *= 0.2  # little blue
    result = style_transfer(
        content, style, network=make_tiny_network(), style_distance="wasserstein", init="content",
        content_layers={"relu2_1": 1.0}, style_layers=LAYERS, content_weight=0.0, tv_weight=0.0,
        iterations=30,
    )  # fmt: skip
    losses = [record.loss for record in result.history]
    assert min(losses) < 0.1 * losses[0]


CHILD = """
import hashlib, sys
import numpy as np
from scratchnet import VGG, StyleTransferObjective, gatys_terms
rng = np.random.default_rng(0)
content, style = rng.uniform(0, 255, (2, 48, 40, 3)).astype("f")
layers = {"relu1_1": 0.5, "relu3_1": 0.5}
terms = gatys_terms(content, style, style_distance="wasserstein", style_layers=layers)
for threads in (1, 2, 3):
    objective = StyleTransferObjective(VGG.load(threads=threads), terms, (48, 40))
    value, gradient = objective(content)
    print(hashlib.sha256(np.float64(value).tobytes() + gradient.tobytes()).hexdigest())
"""


def test_the_same_bytes_from_any_number_of_threads():
    found = set()
    for blas_threads in ("1", "5"):
        run = subprocess.run(
            [sys.executable, "-c", CHILD], capture_output=True, text=True, check=True,
            env={**os.environ, "OPENBLAS_NUM_THREADS": blas_threads, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        found |= set(run.stdout.split())
    assert len(found) == 1


# ---------------------------------------------------------------- on the command line

SMALL = ["--image-size", 32, "--iterations", 2]
FEW = [*SMALL, "--threads", 1, "--style-layers", "relu1_1,relu2_1"]


@pytest.mark.usefixtures("quick_transfers")
def test_transfer_takes_the_distance_and_its_checkpoint_knows_it(run):
    kept = ["--style-distance", "wasserstein", "--checkpoint", "c.npz"]
    assert run("transfer", *FEW, "--output", "gram.png")[0] == 0
    assert run("transfer", *FEW, "--output", "wasserstein.png", *kept)[0] == 0
    assert np.abs(load_image("gram.png") - load_image("wasserstein.png")).max() > 5
    code, _, error = run("transfer", *FEW, "--output", "on.png", "--resume", "c.npz")
    assert code == 2 and "style is WassersteinStyle there, Style here" in error
    assert run("transfer", *FEW, "--output", "on.png", "--resume", "c.npz", *kept[:2])[0] == 0


def test_another_distance_is_refused_in_one_line(run):
    code, _, error = run("transfer", *FEW, "--style-distance", "emd")
    assert code == 2 and "--style-distance" in error and "wasserstein" in error


def test_the_matrices_are_in_the_memory_announced():
    parse = load_script("transfer").parse_arguments
    network = VGG.load()
    gram, one, two = (
        gaussians(network, parse(["--style-distance", distance, "--style", *["a.jpg"] * styles]))
        for distance, styles in [("gram", 1), ("wasserstein", 1), ("wasserstein", 2)]
    )
    # R of 64, 128, 256, 512 and 512 channels, for each style
    assert gram == 0 and two - one == 8 * (64**2 + 128**2 + 256**2 + 2 * 512**2)


def test_compare_distances_saves_a_row_for_each_pair(run):
    given = [*SMALL, "--pairs", "dog/mosaic", "--output", "x.png"]
    code, out, error = run("compare_distances", *given)
    assert code == 0, error
    assert out.count("dog/mosaic, gram") == out.count("dog/mosaic, wasserstein") == 1
    height, width, _ = load_image("x.png").shape
    assert max(height, (width - 18) // 4) == 32
    code, _, error = run("compare_distances", *given)
    assert code == 2 and error.count("\n") == 1 and "is there already" in error
    code, _, error = run("compare_distances", "--pairs", "dog/nothing")
    assert code == 2 and "dog/nothing is not like dog/mosaic" in error
