"""Correlated channels: equal to plain double loops; contributions add up to the loss."""

import numpy as np
import pytest
from conftest import IMAGES

from scratchnet import gram_matrix, load_image, style_loss, style_target
from scratchnet.files.images import fit, resize_image
from scratchnet.units.correlation import (
    contribution_pairs,
    largest_pairs,
    pair_strength,
    style_contributions,
    style_difference,
    together,
)


@pytest.fixture(scope="module", params=["float32", "float64"])
def activations(request, fast32, fast64):
    """Return relu3_1 of a photograph and of a painting of another shape."""
    network = fast32 if request.param == "float32" else fast64
    pictures = (load_image(IMAGES / name) for name in ("leuven_street.jpg", "starry_night.jpg"))
    sides = (64, 72)
    pictures = (resize_image(x, fit(x.shape, n)) for x, n in zip(pictures, sides, strict=True))
    return [network.forward(x, ["relu3_1"])[0]["relu3_1"].copy() for x in pictures]


def test_strength_equals_a_plain_double_loop(activations):
    """Every eighth row of the table, which is symmetric."""
    _, a = activations
    strength = pair_strength(gram_matrix(a))
    channels = a.reshape(-1, a.shape[2]).T.astype(float)
    for k, one in list(enumerate(channels))[::8]:
        for k_, other in enumerate(channels):
            both, alone = sum(one * other), (one @ one) * (other @ other)
            expected = both / alone**0.5 if alone else 0
            assert abs(strength[k, k_] - expected) <= 1e-6
    assert np.array_equal(strength, strength.T)
    assert strength.min() >= 0 and strength.max() <= 1
    fires = a.any(axis=(0, 1))
    assert np.allclose(np.diag(strength), fires)


def test_strength_is_not_pearson_s_correlation():
    """Both fire everywhere, and one falls as the other rises: nearly 1, where Pearson's is −1."""
    a = np.array([[[10.0, 11.0], [11.0, 10.0]]])
    assert pair_strength(gram_matrix(a))[0, 1] == pytest.approx(220 / 221)
    assert np.corrcoef(a.reshape(-1, 2).T)[0, 1] == pytest.approx(-1)


def test_strength_does_not_depend_on_how_strong_a_channel_is(rng):
    a = rng.uniform(0, 1, (4, 5, 3))
    scaled = a * [1, 100, 0.01]
    assert np.allclose(pair_strength(gram_matrix(a)), pair_strength(gram_matrix(scaled)))


def test_where_they_fire_together_sums_to_the_gram_matrix(activations):
    a, _ = activations
    gram = gram_matrix(a.astype(float))
    for k, k_ in ((0, 0), (3, 200), (255, 17)):
        assert together(a.astype(float), k, k_).sum() == pytest.approx(gram[k, k_], rel=1e-12)


def test_contributions_add_up_to_the_style_loss(activations):
    a_G, a_S = activations
    target = style_target(a_S)
    loss, _ = style_loss(style_target(a_G), target)
    contributions = style_contributions(style_difference(a_G, target))
    assert contributions.sum() == pytest.approx(loss, rel=1e-6)
    assert contributions.sum(axis=1).sum() == pytest.approx(loss, rel=1e-6)
    pairs = contribution_pairs(contributions, 256 * 257 // 2)
    assert sum(pair.value for pair in pairs) == pytest.approx(1, rel=1e-6)
    assert [p.value for p in pairs] == sorted((p.value for p in pairs), reverse=True)


def test_contributions_equal_a_double_loop(activations):
    a_G, a_S = (a[:, :, :20].astype(float) for a in activations)
    contributions = style_contributions(style_difference(a_G, style_target(a_S)))
    for k in range(20):
        for k_ in range(20):
            D = (a_G[..., k] * a_G[..., k_]).mean() - (a_S[..., k] * a_S[..., k_]).mean()
            assert contributions[k, k_] == pytest.approx(D**2 / (4 * 20**2), rel=1e-9)


def test_equal_pictures_have_no_contributions(activations):
    a, _ = activations
    contributions = style_contributions(style_difference(a, style_target(a)))
    assert not contributions.any() and contribution_pairs(contributions, 5) == []


def test_largest_pairs_equal_a_plain_sort(rng):
    table = rng.integers(0, 9, (7, 7))
    table = table + table.T
    expected = sorted((-table[k, m], k, m) for k in range(7) for m in range(k + 1, 7))
    got = [(-pair.value, pair.k, pair.k_) for pair in largest_pairs(table, 21, with_itself=False)]
    assert got == [entry for entry in expected if entry[0] < 0]
