"""How signals are shown: smoothed as SciPy does, one scale, and light only where they are."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from scratchnet.network.preprocessing import MEAN_BGR
from scratchnet.units import display
from scratchnet.units.display import as_picture, blur, lit, lit_cells, signal_view, spotlight

MEAN, RED = np.array(MEAN_BGR[::-1]), (255, 0, 0)


def patch(colour, side=20):
    return np.full((side, side, 3), colour, np.float32)


@pytest.mark.parametrize("shape", [(9, 30, 3), (30, 9), (1, 1, 3)])
@pytest.mark.parametrize("sigma", [0.01, 0.3, 0.65, 3])
def test_smoothing_equals_scipy_s(rng, shape, sigma):
    signal = rng.standard_normal(shape)
    expected = gaussian_filter(signal, sigma, axes=(0, 1), mode="constant")
    assert np.allclose(blur(signal, sigma), expected, rtol=0, atol=1e-12)


def test_smoothing_keeps_the_sum_and_the_kind_of_number(rng):
    signal = np.zeros((41, 41, 3), np.float32)
    signal[20, 20] = rng.standard_normal(3)
    smoothed = blur(signal, 2)
    assert smoothed.dtype == np.float32
    assert np.allclose(smoothed.sum(axis=(0, 1)), signal[20, 20], rtol=1e-5)


def test_as_picture_is_grey_at_0_and_has_one_scale():
    """Magnitudes 0 … 100, beside as many zeros: all but the largest stay below 99."""
    signal = np.zeros((101, 2, 3))
    signal[:, 0, 1] = np.arange(101) * np.where(np.arange(101) % 2, 1, -1)
    signal[:, 1, 0] = 1e-4  # rounding
    picture = as_picture(signal)
    scale = np.quantile(np.arange(1, 101), 0.99)  # 99.01
    assert np.allclose(picture[:100, 0, 1], 127.5 + 127.5 * signal[:100, 0, 1] / scale)
    assert picture[100, 0, 1] == 0 and as_picture(-signal)[100, 0, 1] == 255
    assert (picture[:, :, 2] == 127.5).all()
    assert (as_picture(np.zeros((2, 2, 3))) == 127.5).all()
    assert as_picture(signal.astype(np.float32)).dtype == np.float32


def test_neighbours_of_opposite_sign_go_away_and_what_agrees_stays(rng):
    """A chequered signal is as large as a disc beside it; smoothed by 0.65 px it is gone."""
    rows, columns = np.indices((196, 196))
    signal = np.where((rows + columns) % 2, 1.0, -1.0) * (columns < 98)
    signal += (rows - 98) ** 2 + (columns - 150) ** 2 < 30**2
    signal = np.repeat(signal[:, :, None], 3, axis=2)
    before, after = as_picture(signal) - 127.5, signal_view(signal) - 127.5
    assert np.abs(before[98, 40]).min() == np.abs(before[98, 150]).min() == 127.5
    assert np.abs(after[98, 40]).max() < 10 and after[98, 150].min() > 127
    assert np.allclose(signal_view(3 * signal), signal_view(signal))


def test_a_lit_patch_is_the_photograph_where_the_signal_is_and_the_mean_colour_elsewhere(rng):
    photograph, signal = rng.uniform(0, 255, (64, 64, 3)), np.zeros((64, 64, 3))
    signal[20:30, 40:50, 2] = rng.choice([-1, 1], (10, 10))  # of either sign
    shown = lit(photograph, signal)
    inside, outside = (slice(22, 28), slice(42, 48)), (slice(0, 64), slice(0, 30))
    assert np.allclose(shown[inside], photograph[inside], atol=0.01 * 255)
    assert np.allclose(shown[outside], MEAN, atol=1e-3)
    assert np.allclose(lit(photograph, 1e-3 * signal), shown)
    assert np.allclose(lit(photograph, 0 * signal), MEAN)
    with pytest.raises(ValueError, match=r"got a patch \(64, 64, 3\) and a signal \(9, 9, 3\)"):
        lit(photograph, signal[:9, :9])


def test_the_light_is_full_for_the_strongest_twentieth():
    signal = np.zeros((64, 64, 3))
    signal[:, :, 0] = np.linspace(0.5, 1, 64)  # columns; smoothed by a pixel, hardly another
    share = (lit(patch(RED, 64), signal) - MEAN)[32, :, 0] / (255 - MEAN[0])
    assert share[61] == pytest.approx(1, abs=0.01) and share[10] == pytest.approx(
        (0.5 + 0.5 * 10 / 63) / np.quantile(signal[:, 2:-2, 0], 0.95), rel=0.03
    )


def test_a_spotlight_shows_only_the_lit_place():
    light = np.array([[0.0, 0.0], [0.0, 5.0]])
    shown = spotlight(patch(RED), light, 5)
    assert np.allclose(shown[0, 0], MEAN, atol=3) and np.allclose(shown[-1, -1], RED, atol=3)
    assert np.allclose(spotlight(patch(RED), 0 * light, 0), MEAN)
    half = spotlight(patch(RED), light + 5, full=10)
    assert np.allclose(half[0, 0], np.add(RED, MEAN) / 2, atol=9)
    assert np.allclose(spotlight(patch(RED), light + 9, full=1), RED)
    faint = spotlight(patch(RED), 0 * light, 1, least=0.25)
    assert np.allclose(faint, 0.75 * MEAN + 0.25 * np.array(RED))


def test_cells_are_lit_where_covering_them_counts_and_the_rest_is_dimmed():
    """Of 5 × 5 cells of 8 px, cut to 36 px, the second of the fourth row; soft by 4 px."""
    response = np.zeros((5, 5))
    response[3, 1] = 7
    shown = lit_cells(patch(RED, 36), response, 8)
    dimmed = (2 * MEAN + np.array(RED)) / 3
    assert shown.shape == (36, 36, 3)
    assert np.allclose(shown[:8], dimmed, atol=0.5) and np.allclose(shown[:, 30:], dimmed, atol=0.5)
    assert np.allclose(shown[27:29, 11:13], RED, atol=3)
    soft = gaussian_filter(np.kron(response, np.ones((8, 8)))[:36, :36], 4, mode="constant")
    light = soft / np.quantile(soft[soft > 1e-5 * soft.max()], 0.95)
    share = (shown[:, :, 0] - dimmed[0]) / (255 - dimmed[0])
    assert np.allclose(share, np.minimum(light, 1), atol=0.01)
    assert np.allclose(lit_cells(patch(RED, 36), 0 * response, 8), dimmed)


def test_what_is_said_of_sigma_is_so():
    assert display.FINE * 196 == pytest.approx(0.65, abs=0.01)
