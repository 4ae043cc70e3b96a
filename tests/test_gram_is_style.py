"""Why the Gram matrix is style: it forgets where, and comparing it compares distributions.

The second is Li et al. 2017, Demystifying Neural Style Transfer; derived at `style_loss`.
"""

import re

import numpy as np
import pytest
from conftest import files

from scratchnet import gram_matrix, load_image, style_loss, style_target


def shuffled(a, rng):
    """Give all positions of a map one new order."""
    return rng.permutation(a.reshape(-1, a.shape[2])).reshape(a.shape)


def test_shuffling_all_positions_leaves_the_gram_matrix_as_it_is(rng):
    a = rng.random((9, 11, 6))
    moved = shuffled(a, rng)
    assert not np.allclose(moved, a)
    # the same products, summed in another order: rounding
    assert np.allclose(gram_matrix(moved), gram_matrix(a), rtol=1e-13, atol=0)


def test_shuffling_each_channel_by_itself_leaves_only_the_diagonal(rng):
    # two channels that fire at the same positions, and no others
    a = np.zeros((20, 20, 2))
    a[:5] = 1 + rng.random((5, 20, 1))
    own = np.stack([shuffled(a[:, :, k : k + 1], rng)[:, :, 0] for k in range(2)], axis=2)
    before, after = gram_matrix(a), gram_matrix(own)
    assert np.allclose(after.diagonal(), before.diagonal(), rtol=1e-13)
    # a quarter of the positions fire, so of those a quarter coincide by chance; 0.5: far above that
    assert after[0, 1] < 0.5 * before[0, 1]


@pytest.mark.parametrize(
    "shapes", [((2, 3, 4), (2, 3, 4)), ((3, 5, 2), (4, 2, 2)), ((1, 1, 3),) * 2]
)
def test_the_style_loss_is_the_squared_maximum_mean_discrepancy(shapes, rng):
    a_G, a_S = (rng.standard_normal(shape) for shape in shapes)
    C = a_G.shape[2]
    X, Y = a_G.reshape(-1, C), a_S.reshape(-1, C)

    def mean_kernel(P, Q):
        """Return the mean of κ(x, y) = (Σ_k x_k y_k)² over all pairs, written out."""
        total = 0.0
        for x in P:
            for y in Q:
                total += sum(x[k] * y[k] for k in range(C)) ** 2
        return total / (len(P) * len(Q))

    mmd2 = mean_kernel(X, X) - 2 * mean_kernel(X, Y) + mean_kernel(Y, Y)
    value, _ = style_loss(style_target(a_G), style_target(a_S))
    assert value == pytest.approx(mmd2 / (4 * C**2), rel=1e-12)


def test_the_script_shows_both_shuffles_in_one_figure(run, tmp_path):
    pytest.importorskip("tqdm", reason="tqdm is not installed (extra 'viz')")
    code, out, error = run("explain_style", "--shuffle", "--size", 32, "--layer", "relu2_1")
    assert code == 0, error
    assert files(tmp_path) == ["outputs/starry_night_relu2_1_shuffled.png"]
    assert load_image(tmp_path / files(tmp_path)[0]).shape[2] == 3
    alike, by_itself = map(float, re.findall(r"changes by (\S+) of its largest entry", out))
    assert alike < 1e-14 < 0.01 < by_itself
