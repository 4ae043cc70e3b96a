"""A scan: equal to a brute-force sort, whoever does it, in any order, and after it was killed."""

import os
import signal
import tracemalloc
from concurrent.futures import (
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from multiprocessing import get_context

import numpy as np
import pytest
from conftest import IMAGES, SMALL_SCAN
from PIL import Image
from test_units import listed

import scratchnet.units.scan.work
from scratchnet import save_image
from scratchnet.files.images import find_pictures
from scratchnet.units.scan.patches import TopPatches
from scratchnet.units.scan.run import scan
from scratchnet.units.scan.settings import ScanSettings, file_hash, working_picture

SETTINGS = SMALL_SCAN


def processes(count):
    return ProcessPoolExecutor(count, get_context("spawn"))


# ------------------------------------------------------------------- what is found


def test_equals_a_brute_force_sort_of_all_activations(folder, fast32, serial, tmp_path):
    """Every channel of four layers, 50 pictures: sort everything, then take by the rule."""
    (tmp_path / "p.h5").write_bytes(serial)
    top = TopPatches.load(tmp_path / "p.h5")
    maps = [
        fast32.forward(working_picture(folder / name, SETTINGS.size), SETTINGS.layers)[0]
        for name in top.names
    ]
    for layer, field in top.fields.items():
        place = [
            (n, i, j)
            for n, activations in enumerate(maps)
            for i, j in np.ndindex(activations[layer].shape[:2])
        ]
        values = np.concatenate([a[layer].reshape(-1, a[layer].shape[2]) for a in maps])
        for channel in range(values.shape[1]):
            taken = []
            for entry in np.argsort(-values[:, channel], kind="stable"):
                value, (n, i, j) = values[entry, channel], place[entry]
                if value <= 0 or len(taken) == SETTINGS.k:
                    break
                same = [(r, c) for _, m, _, r, c in taken if m == n]
                far = all(
                    max(abs(i - r), abs(j - c)) * field.jump >= field.size / 2 for r, c in same
                )
                if far and len(same) < SETTINGS.per_picture:
                    taken.append((value, n, 1.0, i, j))
            assert listed(top.strongest[layer], channel) == taken, (layer, channel)


def test_any_number_of_workers_and_order_gives_the_same_bytes(folder, serial, tmp_path):
    """Of two, and of the one that `serial` had."""
    names = find_pictures(folder)
    shuffled = [names[n] for n in np.random.default_rng(3).permutation(len(names))]
    with processes(2) as executor:
        scan(folder, shuffled, SETTINGS, tmp_path / "p.h5", executor=executor, ahead=4)
    assert (tmp_path / "p.h5").read_bytes() == serial
    assert [path.name for path in tmp_path.iterdir()] == ["p.h5"]


def test_two_scales(folder, fast32, tmp_path):
    """Each patch's value is what the network gives at its scale and place."""
    names = find_pictures(folder)[:6]
    settings = ScanSettings(layers=("relu3_1",), size=33, scales=(1.5, 0.7))
    top = scan(folder, names, settings, tmp_path / "p.h5")
    assert top.settings.scales == (0.7, 1.5)
    seen = set()
    for channel in range(0, 256, 32):
        for patch in top.patches("relu3_1", channel):
            image = top.picture(folder, patch.picture, patch.scale)
            assert min(image.shape[:2]) == round(33 * patch.scale)
            a = fast32.forward(image, ["relu3_1"])[0]["relu3_1"]
            assert a[patch.position][channel] == patch.value
            seen.add(patch.scale)
    assert seen == {0.7, 1.5}


# ------------------------------------------------------------------- stopped and gone on


def test_a_scan_whose_worker_is_killed_goes_on_where_it_was(folder, serial, tmp_path):
    output, seen = tmp_path / "p.h5", []

    def kill(progress):
        seen.append(progress.done)
        if len(seen) == 4:
            os.kill(executor.submit(os.getpid).result(), signal.SIGKILL)

    with processes(2) as executor, pytest.raises(BrokenExecutor):
        scan(folder, find_pictures(folder), SETTINGS, output, executor=executor, callback=kill)
    assert not output.exists()
    before = TopPatches.load(tmp_path / "p.h5.partial")
    assert 0 < before.scanned.sum() < 50
    scan(folder, find_pictures(folder), SETTINGS, output, callback=lambda p: seen.append(p.done))
    assert before.scanned.sum() in seen  # it did not begin anew
    assert output.read_bytes() == serial
    assert [path.name for path in tmp_path.iterdir()] == ["p.h5"]


def test_ctrl_c_keeps_what_was_found(folder, serial, tmp_path):
    def interrupt(progress):
        if progress.done >= 20:
            raise KeyboardInterrupt

    for _ in range(2):  # the second time too
        with pytest.raises(KeyboardInterrupt):
            scan(folder, find_pictures(folder), SETTINGS, tmp_path / "p.h5", callback=interrupt)
    assert TopPatches.load(tmp_path / "p.h5.partial").scanned.sum() >= 20
    scan(folder, find_pictures(folder), SETTINGS, tmp_path / "p.h5")
    assert (tmp_path / "p.h5").read_bytes() == serial


def test_ctrl_c_between_two_lines_counts_nothing_twice(folder, serial, tmp_path, monkeypatch):
    """Interrupted when the patches are in, but their pictures not yet marked as looked at."""
    apply, calls = scratchnet.units.scan.work._apply, []

    def interrupted(top, change):
        calls.append(change)
        if len(calls) == 3:
            top.strongest.update(change.strongest)
            raise KeyboardInterrupt
        apply(top, change)

    monkeypatch.setattr("scratchnet.units.scan.work._apply", interrupted)
    with pytest.raises(KeyboardInterrupt):
        scan(folder, find_pictures(folder), SETTINGS, tmp_path / "p.h5")
    assert TopPatches.load(tmp_path / "p.h5.partial").scanned.sum() == 12
    scan(folder, find_pictures(folder), SETTINGS, tmp_path / "p.h5")
    assert (tmp_path / "p.h5").read_bytes() == serial


def test_progress_is_saved_on_the_way(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("scratchnet.units.scan.work.SAVE_EVERY", 0)
    counts = []

    def look(progress):
        partial = tmp_path / "p.h5.partial"
        counts.append(TopPatches.load(partial).scanned.sum() if partial.exists() else 0)

    scan(folder, find_pictures(folder)[:12], SETTINGS, tmp_path / "p.h5", callback=look)
    assert counts == [0, 0, 4, 8]  # what was saved after the task before


def test_a_finished_scan_is_not_done_again_and_another_one_is_not_overwritten(folder, tmp_path):
    output, names, seen = tmp_path / "p.h5", find_pictures(folder)[:5], []
    scan(folder, names, SETTINGS, output)
    before = output.read_bytes()
    scan(folder, names, SETTINGS, output, callback=seen.append)
    assert [progress.done for progress in seen] == [5]
    with pytest.raises(ValueError, match=r"p\.h5: holds another scan: its k is 9, not 3; give"):
        scan(folder, names, ScanSettings(size=32, per_picture=2, k=3), output)
    with pytest.raises(ValueError, match="holds another scan: it is of other pictures"):
        scan(folder, names[:4], SETTINGS, output)
    other = tmp_path / "other"  # a folder with the same names
    (other / "below").mkdir(parents=True)
    for name in names:
        (other / name).write_bytes((IMAGES / "cat.jpg").read_bytes())
    with pytest.raises(ValueError, match="holds another scan: it is of other pictures"):
        scan(other, names, SETTINGS, output)
    assert output.read_bytes() == before


# ------------------------------------------------------------------- pictures that are none


def test_a_worker_that_does_not_see_the_folder_stops_the_scan(folder, tmp_path):
    """On a machine where it is not mounted, every picture would be missing."""

    class Elsewhere(ThreadPoolExecutor):
        def submit(self, function, task):
            pictures = [(n, path.replace(str(folder), "/nowhere")) for n, path in task.pictures]
            return super().submit(function, task._replace(pictures=pictures))

    names = find_pictures(folder)[:5]
    with Elsewhere(1) as executor, pytest.raises(ValueError, match="a worker does not find it"):
        scan(folder, names, SETTINGS, tmp_path / "p.h5", executor=executor)
    assert not list(tmp_path.iterdir())


def test_a_scan_with_other_weights_in_a_worker_is_refused(folder, tmp_path):
    class Other(ThreadPoolExecutor):
        def submit(self, function, task):
            return super().submit(function, task._replace(network="0" * 64))

    with Other(1) as executor, pytest.raises(ValueError, match="a worker has other weights"):
        scan(folder, ["00.png"], SETTINGS, tmp_path / "p.h5", executor=executor)


def test_unreadable_pictures_are_reported_and_skipped(folder, tmp_path):
    for name in ("a.png", "c.png"):
        (tmp_path / name).write_bytes((folder / "00.png").read_bytes())
    (tmp_path / "b.png").write_text("no picture")
    (tmp_path / "d.png").write_bytes((folder / "00.png").read_bytes()[:500])
    save_image(tmp_path / "e.png", np.zeros((5, 41, 3)))
    names, skipped = find_pictures(tmp_path), []
    (tmp_path / "c.png").unlink()
    top = scan(tmp_path, names, SETTINGS, tmp_path / "p.h5",
               callback=lambda progress: skipped.extend(progress.skipped))  # fmt: skip
    assert top.unreadable == ["b.png", "c.png", "d.png", "e.png"]
    reasons = ("not a picture", "no such picture", "damaged", "5×41 is more than 8 times as long")
    assert all(reason in text for reason, text in zip(reasons, sorted(skipped), strict=True))
    assert set(np.unique(top.strongest["relu1_2"].picture)) == {-1, 0}
    assert TopPatches.load(tmp_path / "p.h5").unreadable == top.unreadable
    with pytest.raises(ValueError, match=r"b\.png: not a picture"):
        scan(tmp_path, names, SETTINGS, tmp_path / "strict.h5", strict=True)
    assert not (tmp_path / "strict.h5").exists()


def test_results_that_come_together_are_taken_in_the_order_of_the_tasks(tmp_path):
    """So of many bad pictures it is always the first that ends a strict scan."""

    class AllAtOnce(Executor):
        def submit(self, function, task):
            future = Future()
            future.set_result(function(task))
            return future

    for n in range(32):  # eight tasks, all done before the first is looked at
        (tmp_path / f"{n:02}.png").write_text(f"no picture {n}")
    seen = []
    names = find_pictures(tmp_path)
    scan(tmp_path, names, SETTINGS, tmp_path / "p.h5", executor=AllAtOnce(), ahead=8,
         callback=lambda progress: seen.extend(progress.skipped))  # fmt: skip
    assert [text.split(":")[0] for text in seen] == [str(tmp_path / name) for name in names]
    with pytest.raises(ValueError, match=r"00\.png: not a picture"):
        scan(tmp_path, names, SETTINGS, tmp_path / "strict.h5", executor=AllAtOnce(), strict=True)


def test_copies_of_a_picture_count_once(tmp_path, rng):
    """Three copies would fill the places of a unit with one patch."""
    pictures = rng.uniform(0, 255, (3, 40, 40, 3))
    for where in ("alone", "copied"):
        (tmp_path / where).mkdir()
        for n, picture in enumerate(pictures):
            save_image(tmp_path / where / f"{n}.png", picture)
    for name in ("x.png", "y.png"):
        save_image(tmp_path / "copied" / name, pictures[0])
    seen, tops = [], []
    for where in ("alone", "copied"):
        folder = tmp_path / where
        tops.append(
            scan(folder, find_pictures(folder), SETTINGS, tmp_path / f"{where}.h5",
                 callback=lambda progress: seen.extend(progress.skipped))
        )  # fmt: skip
    assert [text.split("copied/")[1] for text in seen] == [
        "x.png: is 0.png once more", "y.png: is 0.png once more",
    ]  # fmt: skip
    assert tops[1].unreadable == ["x.png", "y.png"]
    for layer, strongest in tops[0].strongest.items():
        np.testing.assert_array_equal(strongest.value, tops[1].strongest[layer].value)
        np.testing.assert_array_equal(strongest.picture, tops[1].strongest[layer].picture)


def test_finding_pictures(tmp_path):
    (tmp_path / "b" / "c").mkdir(parents=True)
    (tmp_path / ".hidden").mkdir()
    for name in ("z.PNG", "b/c/y.jpeg", "b/x.webp", ".hidden/w.png", "readme.txt", ".v.png"):
        (tmp_path / name).touch()
    assert find_pictures(tmp_path) == ["b/c/y.jpeg", "b/x.webp", "z.PNG"]
    with pytest.raises(ValueError, match="holds no picture"):
        find_pictures(IMAGES.parents[1] / "weights")
    with pytest.raises(ValueError, match="no such folder of pictures"):
        find_pictures(tmp_path / "none")


def test_working_size(tmp_path):
    """Short side as asked, nothing cut off; a picture of that size is left as it is."""
    image = np.arange(40 * 60 * 3, dtype=np.uint8).reshape(40, 60, 3)
    Image.fromarray(image).save(tmp_path / "a.png")
    assert np.array_equal(working_picture(tmp_path / "a.png", 40), image)
    assert working_picture(tmp_path / "a.png", 20).shape == (20, 30, 3)
    assert working_picture(tmp_path / "a.png", 40, 2.0).shape == (80, 120, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layers": ("relu9_9",)}, "unknown layer 'relu9_9'"),
        ({"size": 8}, "a picture of 8×8 is too small for relu5_3"),
        ({"scales": (1, 0.25)}, "a picture of 8×8 is too small"),
        ({"k": 0}, "k: got 0, wanted at least 1"),
        ({"per_picture": 0}, "per_picture: got 0"),
        ({"spacing": -1}, "spacing: got -1"),
        ({"layers": ()}, r"layers: got \(\), wanted at least one"),
        ({"layers": ("relu1_1", "relu1_1")}, "none twice"),
        ({"scales": tuple(np.linspace(1, 2, 101))}, "scales: got 101, wanted at most 100"),
        ({"scales": (1, 100)}, "wanted numbers from 0.1 to 10"),
    ],
)
def test_settings_that_make_no_sense(folder, tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        scan(folder, ["00.png"], ScanSettings(**{"size": 32, **change}), tmp_path / "p.h5")
    assert not list(tmp_path.iterdir())


def test_a_scan_of_an_older_version_is_told_and_left_alone(folder, tmp_path):
    old = b"\x89HDF\r\n\x1a\n" + bytes(1000)  # how version 1 began
    for name in ("p.h5", "p.h5.partial"):
        (tmp_path / name).write_bytes(old)
        with pytest.raises(ValueError, match=r"of an older version, .*; delete it and scan again$"):
            scan(folder, ["00.png"], SETTINGS, tmp_path / "p.h5")
        assert (tmp_path / name).read_bytes() == old
        (tmp_path / name).unlink()


def test_the_longest_names_and_most_scales_are_read_again(tmp_path, serial):
    (tmp_path / "p.h5").write_bytes(serial)
    top = TopPatches.load(tmp_path / "p.h5")
    top.names[-1] = "/".join(["x" * 255] * 15) + "\n\x1b.png"  # Linux's longest path has 4096
    top.settings = ScanSettings(**{**vars(top.settings), "scales": tuple(np.linspace(1, 2, 100))})
    top.save(tmp_path / "long.h5")
    assert TopPatches.load(tmp_path / "long.h5").same_scan(top) is None


def test_a_large_file_is_hashed_a_little_at_a_time(tmp_path):
    with open(tmp_path / "large.png", "wb") as file:
        file.truncate(64 * 2**20)
    tracemalloc.start()
    got = file_hash(tmp_path / "large.png")
    assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    tracemalloc.stop()
    # head -c 64M /dev/zero | sha256sum
    assert got.hex() == "3b6a07d0d404fab4e23b6d34bc6696a6a312dd92821332385e5af7c01c421351"


def test_no_picture_and_no_folder_for_the_output(folder, tmp_path):
    with pytest.raises(ValueError, match="got no picture to scan"):
        scan(folder, [], SETTINGS, tmp_path / "p.h5")
    with pytest.raises(ValueError, match="there is no folder"):
        scan(folder, ["00.png"], SETTINGS, tmp_path / "none" / "p.h5")
