"""Every border of a picture counts: J's gradient is as strong at its end as at its beginning."""

import numpy as np
import pytest
from conftest import IMAGES, amount

from scratchnet import VGG, StyleTransferObjective, gatys_terms, load_image
from scratchnet.files import resize_image

PAIRS = [
    ("leuven_street", "starry_night"), ("pagoda", "flow_strokes"), ("mountains", "ink_wash"),
    ("dog", "mosaic"), ("dahlia", "stained_glass"), ("cat", "woodcut"), ("fruits", "harvest"),
    ("squirrel", "bricks"), ("butterfly", "night_cafe"), ("palace", "road_to_tarascon"),
]  # fmt: skip
SIZES = [  # 15 and 1 more than a multiple of 16, and between
    (79, 95), (65, 113), (90, 75), (101, 127), (127, 177), (111, 175), (171, 64), (64, 171),
    (191, 143), (150, 187),
]  # fmt: skip
BORDER = 15  # rows or columns


@pytest.fixture(scope="module")
def network():
    return VGG.load(partial_windows=True)


def strengths(network, pair, size):
    """Return, for rows and for columns, the mean of |∂J/∂G| in each, at noise."""
    content, style = (resize_image(load_image(IMAGES / f"{name}.jpg"), size) for name in pair)
    terms = gatys_terms(content, style)
    G = np.random.default_rng(0).uniform(0, 255, content.shape).astype(network.dtype)
    gradient = np.abs(StyleTransferObjective(network, terms, size)(G)[1])
    return gradient.mean(axis=(1, 2)), gradient.mean(axis=(0, 2))


def last_over_first(strength, border=BORDER):
    return strength[-border:].mean() / strength[:border].mean()


def check(network, pair, size):
    found = [last_over_first(strength) for strength in strengths(network, pair, size)]
    assert 0.7 <= min(found) and max(found) <= 1.4, (pair, size, found)


@pytest.mark.parametrize(("pair", "size"), list(zip(PAIRS[:4], SIZES[:4], strict=True)))
def test_the_last_rows_and_columns_hear_of_J_as_the_first_do(network, pair, size):  # noqa: N802
    check(network, pair, size)


@pytest.mark.slow
@pytest.mark.parametrize("n", range(10))
def test_they_do_at_all_sizes(network, n):
    for size in (SIZES[n:] + SIZES[:n])[: amount("SIZES", 10)]:
        check(network, PAIRS[n], size)


def test_a_network_that_drops_them_fails():
    """With VGG's own rule the last row hears a quarter of what the first does."""
    for strength in strengths(VGG.load(), PAIRS[0], (79, 79)):
        assert last_over_first(strength, 1) <= 0.3
