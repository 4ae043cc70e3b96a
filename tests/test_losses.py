"""Losses: worked examples, a double loop as a referee, and Andrew Ng's published numbers."""

import numpy as np
import pytest

from scratchnet import (
    Content,
    Gram,
    Network,
    Style,
    StyleTransferObjective,
    gatys_terms,
    gram_matrix,
    style_target,
)
from scratchnet.network.relu import ReLU
from scratchnet.style.losses import content_loss, style_loss, total_variation


def test_content_loss_by_hand():
    # ½·((3−1)² + (1−4)²) = ½·(4 + 9); gradient a_G − a_C
    value, gradient = content_loss(np.array([[[3.0, 1.0]]]), np.array([[[1.0, 4.0]]]))
    assert value == 6.5
    assert gradient.tolist() == [[[2, -3]]]


def test_gram_matrix_equals_the_sum_in_the_notes(rng):
    a = rng.standard_normal((3, 4, 5))
    expected = np.zeros((5, 5))
    for i in range(3):
        for j in range(4):
            for k in range(5):
                for k2 in range(5):
                    expected[k, k2] += a[i, j, k] * a[i, j, k2]
    assert np.allclose(gram_matrix(a), expected, rtol=1e-13)
    assert np.array_equal(gram_matrix(a), gram_matrix(a).T)


def test_style_loss_by_hand():
    # one channel, Gram/M = 5, target 3: J = (5 − 3)²/4 = 1, ∂J/∂(Gram/M) = (5 − 3)/2 = 1
    value, gradient = style_loss(np.array([[5.0]]), np.array([[3.0]]))
    assert value == 1
    assert gradient.tolist() == [[1]]


def test_style_term_by_hand():
    # two positions, one channel, a = (1, 3): Gram/M = (1² + 3²)/2 = 5; target 3; weight 10
    # ∂J/∂Gram = 10·1/M = 5, da = 2 a ∂J/∂Gram = 10 a
    a, gram = np.array([[[1.0], [3.0]]]), Gram()
    value, gradient = Style.loss(a, target=np.array([[3.0]]), weight=10.0, gram=gram)
    assert value == 10
    assert gradient.tolist() == [[[10], [30]]]


def test_content_term_is_a_mean():
    # ½·((3−1)² + (1−4)²) / 2 entries; gradient (a_G − a_C) / 2
    a_G, a_C = np.array([[[3.0, 1.0]]]), np.array([[[1.0, 4.0]]])
    value, gradient = Content.loss(a_G, a_C, weight=1.0)
    assert value == 3.25
    assert gradient.tolist() == [[[1, -1.5]]]


def test_style_target_by_hand():
    assert style_target(np.array([[[1.0], [3.0]]])).tolist() == [[5]]  # (1² + 3²) / 2 positions


def test_style_loss_is_gatys_formula_for_pictures_of_one_size(rng):
    a_G, a_S = rng.standard_normal((2, 4, 5, 3))
    M, C = 20, 3
    gatys = np.sum((gram_matrix(a_G) - gram_matrix(a_S)) ** 2) / (4 * C**2 * M**2)
    assert np.isclose(style_loss(style_target(a_G), style_target(a_S))[0], gatys, rtol=1e-13)


def test_style_loss_does_not_depend_on_where_or_how_often_things_are(rng):
    a = rng.standard_normal((4, 5, 3))
    tiled = np.tile(a, (2, 3, 1))
    assert style_loss(style_target(tiled), style_target(a))[0] <= 1e-25
    shuffled = rng.permutation(a.reshape(-1, 3)).reshape(a.shape)
    assert style_loss(style_target(shuffled), style_target(a))[0] <= 1e-25


def test_total_variation_by_hand():
    # 2×2: rows differ by 3 and 3, columns by 1 and 1: ½·(9 + 9 + 1 + 1) = 10
    image = np.array([[0.0, 1.0], [3.0, 4.0]])[:, :, None]
    value, gradient = total_variation(image)
    assert value == 10
    assert gradient[:, :, 0].tolist() == [[-4, -2], [2, 4]]


def test_total_variation_of_one_pixel_and_of_a_flat_picture_is_zero():
    for image in (np.ones((1, 1, 3)), np.ones((4, 5, 3))):
        value, gradient = total_variation(image)
        assert value == 0 and not gradient.any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_losses_keep_the_precision(dtype, rng):
    a, b = rng.standard_normal((2, 3, 4, 5)).astype(dtype)
    for value, gradient in [
        content_loss(a, b),
        Style.loss(a, style_target(b), 1.0, Gram()),
        total_variation(a),
    ]:
        assert value.dtype == dtype and gradient.dtype == dtype and gradient.shape == a.shape


def test_losses_say_what_does_not_fit(rng):
    with pytest.raises(ValueError, match="different shapes"):
        content_loss(np.zeros((2, 2, 3)), np.zeros((2, 3, 3)))
    with pytest.raises(ValueError, match=r"Gram matrix of \(3, 3\) and a style target of \(2, 2\)"):
        style_loss(np.zeros((3, 3)), np.zeros((2, 2)))


# ----------------------------------------------- Andrew Ng's course, week 4 exercise
#
# Its published numbers belong to TensorFlow's random_normal(mean=1, stddev=4) with graph seed 1:
# Philox4x32-10 with the key [1, 0] and the counter [i, 0, op seed, 0], and Box–Muller.


def philox(counter, key):
    """Philox4x32-10 (Salmon et al. 2011): four 32-bit words from a counter and a key."""
    c, k = list(counter), list(key)
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [p1 >> 32 ^ c[1] ^ k[0], p1 & 0xFFFFFFFF, p0 >> 32 ^ c[3] ^ k[1], p0 & 0xFFFFFFFF]
        k = [k[0] + 0x9E3779B9 & 0xFFFFFFFF, k[1] + 0xBB67AE85 & 0xFFFFFFFF]
    return c


def test_philox_against_its_authors_known_answer():
    # From the test vectors published with Random123: counter and key all zero.
    assert philox([0, 0, 0, 0], [0, 0]) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]


def random_normal(shape, op_seed):
    """Return what the exercise's random_normal(shape, mean=1, stddev=4) gives, in float64."""
    numbers = []
    for i in range(-(-int(np.prod(shape)) // 4)):
        words = np.array(philox([i, 0, op_seed, 0], [1, 0]), np.uint32)
        u = (words & np.uint32(0x7FFFFF) | np.uint32(127 << 23)).view(np.float32) - np.float32(1)
        for u1, u2 in (u[:2].astype(float), u[2:].astype(float)):
            r = np.sqrt(-2 * np.log(max(u1, 1e-7)))
            numbers += [r * np.sin(2 * np.pi * u2), r * np.cos(2 * np.pi * u2)]
    return 4 * np.array(numbers[: np.prod(shape)]).reshape(shape) + 1


@pytest.fixture
def exercise():
    """Return a_C (which is also a_S) and a_G of the exercise, without its batch axis."""
    return random_normal((1, 4, 4, 3), 3)[0], random_normal((1, 4, 4, 3), 9)[0]


def test_published_content_cost(exercise):
    a_C, a_G = exercise
    # The course divides Σ(a_C − a_G)² by 4·H·W·C; ours is ½Σ: factor 1/(2·4·4·3).
    assert abs(content_loss(a_G, a_C)[0] / (2 * 4 * 4 * 3) - 6.76559) < 1e-5


def test_published_content_cost_of_the_later_edition():
    a_C, a_G = random_normal((1, 4, 4, 3), 577090037)[0], random_normal((1, 4, 4, 3), 271041745)[0]
    assert abs(content_loss(a_G, a_C)[0] / (2 * 4 * 4 * 3) - 7.0568767) < 1e-6


def test_published_gram_matrix():
    A = random_normal((3, 2), 3)  # channels × positions
    G = gram_matrix(A.T.reshape(1, 2, 3))
    # Published from float32: the numbers hold seven digits.
    assert np.abs(G[0] - [6.42230511, -4.42912197, -2.09668207]).max() < 5e-6


def test_published_style_cost(exercise):
    a_S, a_G = exercise
    # Σ(G_S − G_G)²/(2·C·H·W)² is Gatys' formula, and so ours: the sizes are the same.
    assert abs(style_loss(style_target(a_G), style_target(a_S))[0] - 9.19028) < 1e-5


def test_published_total_cost():
    # α = 10, β = 40, J_content = 0.2 and J_style = 0.8 make 34. For these costs, one pixel and a
    # network that passes it on: J_content = ½·1.2 / 3 entries, J_style = (√28.8)² / (4·3²).
    G, C, S = (np.sqrt([[[square, 0, 0]]]) for square in (1.2, 0, 1.2 + 28.8**0.5))
    layers = {"content_layers": {"relu": 1.0}, "style_layers": {"relu": 1.0}}
    terms = gatys_terms(C, S, **layers, content_weight=10, style_weight=40, tv_weight=0)
    objective = StyleTransferObjective(Network([ReLU("relu")], dtype="float64"), terms, (1, 1))
    assert objective.evaluate(G).loss == pytest.approx(34, rel=1e-14)
