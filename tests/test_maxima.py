"""How large channels usually get, which ones get large together, and what a channel reads."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from scratchnet import save_image
from scratchnet.units.incoming import strongest_inputs
from scratchnet.units.maxima import excess, firing_together, partners, usual
from scratchnet.units.scan.maxima import (
    load_maxima,
    pictures_taken,
    save_maxima,
    scan_hash,
    scan_maxima,
)
from scratchnet.units.scan.run import scan
from scratchnet.units.scan.settings import ScanSettings, working_picture

SETTINGS = ScanSettings(layers=("relu1_2", "relu2_1"), k=2, size=32, scales=(0.5, 1.0))


@pytest.fixture
def scanned(rng, tmp_path):
    """Return a scan of five pictures, their folder, and where it is."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for n in range(5):
        save_image(folder / f"{n}.png", rng.uniform(0, 255, (40, 44 + n, 3)))
    (folder / "broken.png").write_text("no picture")
    names = sorted(path.name for path in folder.iterdir())
    return scan(folder, names, SETTINGS, tmp_path / "p.h5"), folder, tmp_path


def test_they_are_the_largest_at_any_scale(scanned, fast32):
    top, folder, _ = scanned
    with ThreadPoolExecutor(2) as executor:
        found = scan_maxima(top, folder, executor)
    for layer in SETTINGS.layers:
        expected = [
            np.max(
                [
                    fast32.forward(working_picture(folder / f"{n}.png", 32, scale), [layer])[0][
                        layer
                    ].max(axis=(0, 1))
                    for scale in SETTINGS.scales
                ],
                axis=0,
            )
            for n in range(5)
        ]
        assert np.allclose(found[layer], expected, rtol=1e-5)
        # the strongest patch of all is the largest maximum
        assert np.allclose(found[layer].max(axis=0), top.of(layer).value[:, 0], rtol=1e-5)


def test_the_file_is_of_one_scan(scanned, tmp_path):
    top, folder, place = scanned
    with ThreadPoolExecutor(1) as executor:
        found = scan_maxima(top, folder, executor)
    assert load_maxima(place / "m.h5", top) is None
    save_maxima(place / "m.h5", top, found)
    for layer, m in load_maxima(place / "m.h5", top).items():
        assert np.array_equal(m, found[layer])
    top.hashes[0] = 0  # as of another picture
    assert load_maxima(place / "m.h5", top) is None
    (place / "m.h5").write_text("no HDF5")
    with pytest.raises(ValueError, match=r"m\.h5: not a file of maxima"):
        load_maxima(place / "m.h5", top)


def test_of_many_pictures_a_thousand_are_taken(scanned):
    top, *_ = scanned
    assert pictures_taken(top) == [0, 1, 2, 3, 4]  # not the broken one
    top.sizes = np.full((2500, 2), 32, np.int32)
    taken = pictures_taken(top)
    assert len(set(taken)) == 1000 and (taken[0], taken[-1]) == (0, 2499)


def test_a_scan_of_other_weights_is_another(scanned):
    top, *_ = scanned
    before = scan_hash(top)
    top.network = "0" * 64
    assert scan_hash(top) != before


def test_correlation_is_numpys(rng):
    m = rng.uniform(0, 9, (30, 5)) ** 2
    assert np.allclose(firing_together(m), np.corrcoef(m.T))


def test_a_channel_that_is_always_the_same_fires_with_none(rng):
    m = rng.uniform(0, 9, (30, 3))
    m[:, 1] = 4
    r = firing_together(m)
    assert np.array_equal(r[1], [0, 0, 0]) and partners(r, 1, 5) == []
    assert np.array_equal(excess(m, usual(m))[:, 1], np.zeros(30))


def test_what_is_usual_has_mean_0_and_deviation_1(rng):
    z = excess(m := rng.uniform(0, 9, (40, 3)), usual(m))
    assert np.allclose(z.mean(axis=0), 0) and np.allclose(z.std(axis=0), 1)


def test_strongest_inputs_by_hand():
    """Channel 1 of two reads 3 + 4 (5) of the last channel below, −2 of the first, 0 between."""
    kernel = np.zeros((3, 3, 3, 2))
    kernel[..., 0] = 7  # another channel's
    kernel[0, 0, 2, 1], kernel[2, 1, 2, 1], kernel[1, 1, 0, 1] = 3, 4, -2
    first, second = strongest_inputs(kernel, 1, 2)
    assert (first.channel, first.strength, second.channel, second.strength) == (2, 5, 0, 2)
    assert first.kernel[2, 1] == 4 and first.kernel.sum() == 7 and second.kernel.min() == -2
