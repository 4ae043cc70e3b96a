"""Keeping the photograph's colours: matched before the run, or put back after it."""

import numpy as np
import pytest
from conftest import IMAGES

from scratchnet.files.images import load_image
from scratchnet.style.colors import keep_colors, luminance, match_colors, matched_colors


def statistics(image):
    pixels = np.asarray(image, np.float64).reshape(-1, 3)
    return pixels.mean(axis=0), np.cov(pixels.T, bias=True)


@pytest.mark.parametrize("names", [("starry_night", "leuven_street"), ("woodcut", "dahlia")])
def test_mean_and_covariance_are_the_contents(names):
    style, content = (load_image(IMAGES / f"{name}.jpg") for name in names)
    for ours, theirs in zip(
        statistics(matched_colors(style, content)), statistics(content), strict=True
    ):
        assert np.abs(ours - theirs).max() <= 1e-6 * np.abs(theirs).max()
    matched = match_colors(style, content)
    assert matched.dtype == style.dtype and 0 <= matched.min() and matched.max() <= 255


def test_a_picture_matched_to_itself_stays(rng):
    image = rng.uniform(0, 255, (20, 30, 3))
    assert np.abs(match_colors(image, image) - image).max() < 1e-9


def test_the_map_moves_colours_least(rng):
    """T is symmetric and positive; with a turn that keeps the covariance it would move more."""
    style, content = rng.uniform(60, 180, (2, 30, 40, 3)) * [1.0, 0.7, 0.3]
    moved = np.mean((matched_colors(style, content) - style) ** 2)
    mean, covariance = statistics(content)
    root = np.linalg.cholesky(covariance)
    own_mean, own = statistics(style)
    other = (style - own_mean) @ np.linalg.inv(np.linalg.cholesky(own)).T @ root.T + mean
    assert np.allclose(statistics(other)[1], covariance)
    assert moved < np.mean((other - style) ** 2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_colour_and_grey_pictures_have_no_nan(rng, dtype):
    colour = rng.uniform(0, 255, (12, 14, 3)).astype(dtype)
    grey = np.repeat(rng.uniform(0, 255, (12, 14, 1)), 3, axis=2).astype(dtype)
    plain = np.full((12, 14, 3), [200, 30, 90], dtype)
    for style in (colour, grey, plain):
        for content in (colour, grey, plain):
            matched = matched_colors(style, content)
            assert np.isfinite(matched).all()
            assert np.allclose(statistics(matched)[0], statistics(content)[0], atol=1e-3)
    assert np.ptp(matched_colors(colour, grey), axis=2).max() < 1e-3  # grey
    assert np.abs(matched_colors(plain, colour) - statistics(colour)[0]).max() < 1e-3


def test_luminance_is_the_paintings_and_colours_the_photographs(rng):
    painting, photograph = rng.uniform(100, 150, (2, 12, 14, 3))
    result = keep_colors(painting, photograph)
    assert np.allclose(luminance(result), luminance(painting))
    for k in (0, 1):  # differences of colours
        assert np.allclose(np.diff(result)[..., k], np.diff(photograph)[..., k])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_grey_photograph_gives_a_grey_result_exactly(rng, dtype):
    grey = np.repeat(rng.uniform(0, 255, (12, 14, 1)), 3, axis=2).astype(dtype)
    result = keep_colors(rng.uniform(0, 255, (12, 14, 3)).astype(dtype), grey)
    assert result.dtype == dtype and not np.ptp(result, axis=2).any()


def test_two_shapes_are_refused():
    with pytest.raises(ValueError, match=r"\(2, 3, 3\) and \(3, 2, 3\), wanted one shape"):
        keep_colors(np.zeros((2, 3, 3)), np.zeros((3, 2, 3)))
