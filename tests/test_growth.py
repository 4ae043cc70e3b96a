"""A scan that grows is the one that a scan of everything at once would have been."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import SMALL_SCAN

from scratchnet import save_image
from scratchnet.files.images import find_pictures
from scratchnet.units.scan.patches import TopPatches
from scratchnet.units.scan.run import scan

SOME = replace(SMALL_SCAN, layers=("relu3_1", "relu1_2"))


def test_more_pictures_give_the_bytes_of_a_scan_of_all(folder, serial, tmp_path):
    names, seen = find_pictures(folder), []
    for some in (names[1::3], names[::2] + names[1::3], names):
        scan(folder, some, SMALL_SCAN, tmp_path / "p.h5", callback=lambda p: seen.append(p.done))
    assert (tmp_path / "p.h5").read_bytes() == serial
    # 17, then 17 … 34 (8 are in both), then 34 … 50
    fewer = [n for n in range(1, len(seen)) if seen[n] == seen[n - 1]]
    assert seen[0] == 0 and [seen[n] for n in fewer] == [17, 34]


def test_more_layers_give_the_bytes_of_a_scan_of_all(folder, serial, tmp_path):
    names, seen = find_pictures(folder), []
    scan(folder, names, SOME, tmp_path / "p.h5")
    scan(folder, names, SMALL_SCAN, tmp_path / "p.h5", callback=seen.append)
    assert (tmp_path / "p.h5").read_bytes() == serial
    assert [path.name for path in tmp_path.iterdir()] == ["p.h5"]
    layers = [progress.layers for progress in seen if progress.done < 50]
    assert set(layers) == {("relu2_1", "relu2_2")}
    # what is asked for is there, and stays
    top = scan(folder, names, SOME, tmp_path / "p.h5")
    assert top.settings.layers == SMALL_SCAN.layers
    assert (tmp_path / "p.h5").read_bytes() == serial


def test_both_at_once_and_stopped_on_the_way(folder, serial, tmp_path):
    names, seen = find_pictures(folder), []

    def stop(progress):
        seen.append((progress.layers, progress.done))
        if progress.done >= stop_at and progress.done < 50:
            raise KeyboardInterrupt

    scan(folder, names[:9], SOME, tmp_path / "p.h5")
    stop_at = 20
    with pytest.raises(KeyboardInterrupt):  # among the further pictures
        scan(folder, names, SMALL_SCAN, tmp_path / "p.h5", callback=stop)
    assert len(TopPatches.load(tmp_path / "p.h5").names) == 9
    stop_at = 30
    with pytest.raises(KeyboardInterrupt):
        scan(folder, names, SMALL_SCAN, tmp_path / "p.h5", callback=stop)
    assert seen[-1] == (SOME.layers, 33)
    stop_at = 50
    scan(folder, names, SOME, tmp_path / "p.h5", callback=stop)
    stop_at = 10
    with pytest.raises(KeyboardInterrupt):  # among the further layers
        scan(folder, names, SMALL_SCAN, tmp_path / "p.h5", callback=stop)
    # other further layers: what was begun is finished first
    only = replace(SMALL_SCAN, layers=("relu2_2",))
    stop_at, begun = 50, len(seen)
    scan(folder, names, only, tmp_path / "p.h5", callback=stop)
    assert seen[begun + 1] == (("relu2_1", "relu2_2"), 12)
    assert (tmp_path / "p.h5").read_bytes() == serial
    assert [path.name for path in tmp_path.iterdir()] == ["p.h5"]


def test_a_copy_with_an_earlier_name_is_the_copy(folder, tmp_path, rng):
    pictures, settings = tmp_path / "pictures", replace(SMALL_SCAN, layers=("relu1_1",))
    pictures.mkdir()
    save_image(pictures / "m.png", rng.uniform(0, 255, (40, 40, 3)))
    before = scan(pictures, ["m.png"], settings, tmp_path / "p.h5").strongest["relu1_1"]
    (pictures / "a.png").write_bytes((pictures / "m.png").read_bytes())
    save_image(pictures / "n.png", np.full((40, 40, 3), 7.0))
    top = scan(pictures, find_pictures(pictures), settings, tmp_path / "p.h5")
    assert top.unreadable == ["a.png"]
    from_m = top.strongest["relu1_1"].picture == top.names.index("m.png")
    np.testing.assert_array_equal(
        top.strongest["relu1_1"].value[from_m], before.value[before.value > 0][: from_m.sum()]
    )


def test_pictures_that_are_gone_or_changed_are_told(folder, tmp_path, rng):
    pictures, settings = tmp_path / "pictures", replace(SMALL_SCAN, layers=("relu1_1",))
    pictures.mkdir()
    for name in ("a.png", "b.png"):
        save_image(pictures / name, rng.uniform(0, 255, (40, 40, 3)))
    scan(pictures, ["a.png", "b.png"], settings, tmp_path / "p.h5")
    before = (tmp_path / "p.h5").read_bytes()
    with pytest.raises(ValueError, match=r"it is of other pictures \(b\.png is not in both\)"):
        scan(pictures, ["a.png"], settings, tmp_path / "p.h5")
    save_image(pictures / "b.png", rng.uniform(0, 255, (50, 40, 3)))
    more = replace(settings, layers=("relu2_1",))
    with pytest.raises(ValueError, match=r"b\.png has changed since other layers were scanned"):
        scan(pictures, ["a.png", "b.png"], more, tmp_path / "p.h5")
    assert (tmp_path / "p.h5").read_bytes() == before
