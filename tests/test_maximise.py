"""Pictures made for a unit: each part by hand, the whole way to the pixels, and the script."""

import hashlib
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import IMAGES, ROOT, amount, files

from scratchnet import load_image, save_image
from scratchnet.checks.numerical import direction_check
from scratchnet.files.weights import load_weights
from scratchnet.style.losses import total_variation
from scratchnet.style.optimizers import PixelDescent, in_pixels
from scratchnet.units.goals import channel_goal, likeness, unit_goal
from scratchnet.units.maximise import (
    BORDER,
    COLOURS,
    Recipe,
    layer_below,
    maximise,
    middle,
    noise,
    random_look,
    suited,
    texture,
)
from scratchnet.units.sampling import Sampling, bilinear
from scratchnet.units.scan.patches import TopPatches
from scratchnet.units.scan.run import scan
from scratchnet.units.scan.settings import ScanSettings
from scratchnet.units.strongest import crop

SMALL = {"size": 16, "steps": 5}
STILL = Recipe(shift=0, scale=0, turn=0)


# ------------------------------------------------------------------------ looks


def look(x, side, *place):
    return Sampling(x.shape[:2], side, *place).forward(x)[0]


def test_a_look_straight_at_the_middle_is_the_middle(rng):
    x = rng.standard_normal((9, 7, 3))
    assert np.array_equal(look(x, 5), x[2:7, 1:6])


def test_a_shift_of_whole_pixels_moves_and_of_half_a_pixel_averages(rng):
    x = rng.standard_normal((9, 7, 3))
    assert np.allclose(look(x, 3, (2, -1)), x[5:8, 1:4])
    assert np.allclose(look(x, 3, (0.5, 0)), (x[3:6, 2:5] + x[4:7, 2:5]) / 2)


def test_a_turn_by_a_quarter_and_a_scale_of_two(rng):
    x = rng.standard_normal((9, 9, 3))
    # the pixel to the right of the look's middle shows what is above the picture's, R (0, 1)
    assert np.allclose(look(x, 5, (0, 0), 1.0, 90.0), np.rot90(x, -1)[2:7, 2:7])
    assert np.allclose(look(x, 3, (0, 0), 2.0), x[2:7:2, 2:7:2])


def test_outside_its_border_is_seen(rng):
    x = rng.standard_normal((5, 5, 3))
    seen = look(x, 5, (0, 2))
    assert np.allclose(seen[:, :3], x[:, 2:])
    assert np.allclose(seen[:, 3:], x[:, 4:])


def test_weights_of_a_pixel_sum_up_to_one_and_four_at_most_count(rng):
    q = rng.uniform(0, (6, 8), (50, 2))
    B = bilinear(np.concatenate([q, [[6, 8], [0, 0], [6, 0]]]), (7, 9)).toarray()
    assert np.allclose(B.sum(axis=1), 1)
    assert np.count_nonzero(B, axis=1).max() == 4 and B[-3, -1] == 1
    rows, columns = np.divmod(np.arange(63), 9)
    assert np.allclose(B[:50] @ np.stack([rows, columns], axis=1), q)  # linear ones are kept


# ------------------------------------------------------------------------ goals


def test_the_unit_is_the_one_in_the_middle():
    a = np.arange(5 * 4 * 2.0).reshape(5, 4, 2)
    value, da = unit_goal(a, 1)
    assert value == a[2, 2, 1] and da[2, 2, 1] == 1 and da.sum() == 1
    assert unit_goal(a, 1, -1)[0] == -value


def test_a_silent_channel_has_a_gradient_and_a_firing_one_is_led_by_squares(rng):
    a = -rng.uniform(1, 2, (3, 4, 2))
    assert (channel_goal(a, 1)[1][:, :, 1] == 1 / 12).all()
    a[1, 1, 1] = 1e4
    da = channel_goal(a, 1)[1][:, :, 1]
    assert da[1, 1] > 1e4 * da[0, 0] > 0


def test_likeness_is_a_mean_cosine(rng):
    a, b, gram = (m.T @ m for m in rng.standard_normal((3, 6, 4)))
    assert likeness(gram, [gram, 3 * gram])[0] == pytest.approx(1)
    assert np.allclose(likeness(gram, [2 * gram])[1], 0)
    cosines = [np.sum(gram * o) / np.sqrt(np.sum(gram**2) * np.sum(o**2)) for o in (a, b)]
    assert likeness(gram, [a, b])[0] == pytest.approx(np.mean(cosines))


# ------------------------------------------------------------------- the whole way


@pytest.mark.parametrize("goal", [unit_goal, channel_goal])
def test_the_gradient_from_the_unit_to_the_canvas(vgg64, rng, goal):
    x = rng.uniform(0, 255, (40, 40, 3))
    sample = random_look((40, 40), 24, 24, Recipe(), rng)

    def function(x):
        a, caches = vgg64.forward(sample.forward(x)[0], ["conv3_2"])
        return goal(a["conv3_2"], 7)[0], caches

    y, cache = sample.forward(x)
    a, caches = vgg64.forward(y, ["conv3_2"])
    dx = sample.backward(vgg64.backward({"conv3_2": goal(a["conv3_2"], 7)[1]}, caches), cache)
    report = direction_check(function, x, dx, operation=goal.__name__, argument="x", step=1e-3)
    assert report.passed, report


def test_one_step_is_the_formula(tiny_network):
    recipe = Recipe(shift=0, scale=0, turn=0, tv=0.7)
    x = noise((40, 40), np.random.default_rng(3))
    a, caches = tiny_network.forward(middle(x), ["conv2_2"])
    dy = tiny_network.backward({"conv2_2": unit_goal(a["conv2_2"], 4)[1]}, caches)
    df = np.zeros_like(x)
    df[BORDER:-BORDER, BORDER:-BORDER] = dy
    g = (in_pixels(df) - 0.7 * total_variation(x / 255)[1]) @ np.array(COLOURS)
    optimizer = recipe.optimizer
    expected, _ = optimizer.step(x, -g, optimizer.start(x, 1))
    got = maximise(tiny_network, "conv2_2", 4, size=16, steps=1, seed=3, recipe=recipe)
    assert np.allclose(got, middle(expected), rtol=1e-12)


def value(network, image, layer, channel):
    return unit_goal(network.forward(image, [layer])[0][layer], channel)[0]


def made(network, layer="conv2_2", channel=0, **options):
    return maximise(network, layer, channel, **{**SMALL, **options})


@pytest.mark.parametrize("goal", [unit_goal, channel_goal])
@pytest.mark.parametrize("least", [False, True])
def test_units_rise_and_fall(fast32, goal, least):
    start = middle(noise((48, 48), np.random.default_rng(0)))
    for channel in (3, 14, 77):

        def reached(image, channel=channel):
            a = fast32.forward(image, ["conv2_2"])[0]["conv2_2"]
            return goal(a, channel, -1 if least else 1)[0]

        image = maximise(fast32, "conv2_2", channel, size=24, steps=15, goal=goal, least=least)
        assert reached(image) > max(10 * reached(start), 1000)
        assert image.min() >= 0 and image.max() <= 255


def test_a_silent_unit_rises_before_its_relu_and_not_after_it(fast32):
    start = middle(noise((48, 48), np.random.default_rng(0)))
    a = fast32.forward(start, ["conv3_2"])[0]["conv3_2"]
    channel = int(a[3, 3].argmin())  # the most silent of all
    assert value(fast32, start, "conv3_2", channel) < 0
    options = {"size": 24, "steps": 40, "recipe": STILL}
    after = maximise(fast32, "relu3_2", channel, **options)
    before = maximise(fast32, "conv3_2", channel, **options)
    assert value(fast32, after, "relu3_2", channel) == 0
    assert value(fast32, before, "relu3_2", channel) > 0


def test_each_part_of_the_recipe_changes_the_picture(tiny_network):
    whole = made(tiny_network)
    for recipe in (
        Recipe(shift=0), Recipe(scale=0), Recipe(turn=0), Recipe(tv=0),
        Recipe(colours=tuple(np.eye(3).tolist())), Recipe(optimizer=PixelDescent(3.0, 0.9, 0.0)),
    ):  # fmt: skip
        assert not np.allclose(whole, made(tiny_network, recipe=recipe), atol=0.1)
    smooth = made(tiny_network, recipe=Recipe(tv=50))
    assert total_variation(smooth)[0] < total_variation(whole)[0]


def test_another_picture_for_the_same_channel_has_another_texture(tiny_network):
    first = texture(tiny_network, made(tiny_network), "conv2_2")
    options = {"channel": 0, "seed": 1, "steps": 10}
    free, apart = (made(tiny_network, **options, others=o) for o in ((), [first]))
    alike = [likeness(texture(tiny_network, x, "conv2_2"), [first])[0] for x in (apart, free)]
    assert alike[0] < alike[1]
    # and it is still one of that channel
    assert value(tiny_network, apart, "conv2_2", 0) > value(tiny_network, free, "conv2_2", 0) / 2
    assert layer_below(tiny_network, "conv2_2") == "relu2_1"


def test_a_start_is_where_it_begins(tiny_network, rng):
    start = rng.uniform(0, 255, (40, 40, 3))
    little = Recipe(optimizer=PixelDescent(1e-3, 0.0, 0.5))
    assert np.allclose(made(tiny_network, start=start, recipe=little), middle(start), atol=0.1)


@pytest.mark.parametrize(
    ("layer", "channel", "options", "message"),
    [
        ("conv9_9", 0, {}, "unknown layer 'conv9_9'"),
        ("conv2_2", 5, {}, "got channel 5 of conv2_2, which has the channels 0 to 4"),
        ("conv2_2", -1, {}, "got channel -1"),
        ("conv2_2", 0, {"size": 1}, "too small for conv2_2"),
        ("conv2_2", 0, {"start": np.zeros((16, 16, 3))}, r"\(16, 16, 3\), wanted \(40, 40, 3\)"),
    ],
)
def test_what_is_wrong_is_said(tiny_network, layer, channel, options, message):
    with pytest.raises(ValueError, match=message):
        made(tiny_network, layer, channel, **options)


def test_colours_are_those_of_the_photographs():
    from scanning import pictures_in

    names = pictures_in(IMAGES)
    assert len(names) == 17
    pixels = np.concatenate([load_image(IMAGES / name).reshape(-1, 3) for name in names])
    covariance = np.cov(pixels.T.astype(float))
    assert np.allclose(covariance / (np.trace(covariance) / 3), COLOURS, atol=6e-4)


CHILD = """
import hashlib, sys
from scratchnet import VGG
from scratchnet.units.maximise import maximise, texture
network = VGG.load(threads=int(sys.argv[1]))
image = maximise(network, "conv3_1", 5, size=40, steps=3)
others = [texture(network, image, "conv3_1")]
image = maximise(network, "conv3_1", 5, size=40, steps=3, others=others)
print(hashlib.sha256(image.tobytes()).hexdigest())
"""


def test_same_seed_same_bytes_whatever_the_threads():
    def child(threads):
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": threads, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", CHILD, threads]
        return subprocess.run(command, env=environment, capture_output=True, check=True).stdout

    assert child("1") == child("2")


@pytest.mark.slow
@pytest.mark.parametrize(("layer", "times"), [("relu4_3", 1.5), ("relu5_3", 3.0)])
def test_it_finds_more_than_photographs_have(layer, times, fast32, tmp_path):
    """Beside the strongest patch of some channels in the photographs of scripts/images.

    SCRATCHNET_CHANNELS says of how many (4): a picture takes half a minute of CPU time.
    """
    from scanning import pictures_in

    settings = ScanSettings(layers=(layer,), k=1)
    top = scan(IMAGES, pictures_in(IMAGES), settings, tmp_path / "patches.h5")
    conv = layer.replace("relu", "conv")
    ratios = []
    count = amount("CHANNELS", 4)
    for channel in range(0, 512, 512 // count):
        image = maximise(fast32, conv, channel, size=suited(fast32, conv)[0])
        in_photographs = top.strongest[layer].value[channel, 0]
        ratios.append(float(value(fast32, image, conv, channel) / in_photographs))
        print(f"{layer} {channel}: {ratios[-1]:.2f} times {in_photographs:.0f}")
    assert np.mean(np.array(ratios) >= times) >= 0.9


# ----------------------------------------------------------------------- the script

FLAGS = ["--size", 24, "--steps", 2, "--threads", 1]


def test_the_script_saves_a_sheet(run, tmp_path):
    pytest.importorskip("tqdm", reason="tqdm is not installed (extra 'viz')")
    units = ["--units", "relu1_2:3,5", "relu2_2:7", "relu1_2:3"]
    code, out, error = run("maximise", *FLAGS, *units)
    assert code == 0 and "6/6" in error and "saved    outputs/maximise.png" in out, error
    assert run("maximise", *FLAGS, *units)[0] == 0
    assert files(tmp_path) == ["outputs/maximise-2.png", "outputs/maximise.png"]
    first, second = ((tmp_path / name).read_bytes() for name in files(tmp_path))
    assert first == second


def test_each_flag_makes_another_sheet(run, tmp_path):
    unit = ["--units", "relu2_1:3"]
    save_image(tmp_path / "cat.png", load_image(IMAGES / "cat.jpg")[:60, :50])
    sheets = set()
    for flags in (
        [], ["--seed", 1], ["--least"], ["--from-patch", "cat.png"], ["--random-weights"],
        ["--goal", "unit"], ["--diverse", 2], ["--parts"],
    ):  # fmt: skip
        code, _, error = run("maximise", *FLAGS, *unit, *flags, "--output", "a.png", "--overwrite")
        assert code == 0, error
        sheets.add(hashlib.sha256((tmp_path / "a.png").read_bytes()).hexdigest())
    assert len(sheets) == 8


def test_it_starts_from_each_channels_strongest_patch(run, folder, serial, tmp_path, monkeypatch):
    from maximise_sheets import Starts

    monkeypatch.setattr("scratchnet.files.weights.load_weights", load_weights)  # as they are stored
    (tmp_path / "patches.h5").write_bytes(serial)
    top = TopPatches.load(tmp_path / "patches.h5")
    starts = Starts(tmp_path / "patches.h5", folder, top.network)
    layer = max(top.fields, key=lambda layer: top.fields[layer].size)
    fires = [c for c in range(len(top.of(layer).value)) if top.patches(layer, c)][:2]
    for channel in fires:
        patch = top.patches(layer, channel)[0]
        cut = crop(top.picture(folder, patch.picture, patch.scale), patch.box)
        more = 24 + 2 * BORDER - len(cut)  # on both sides together
        begun = starts(layer.replace("relu", "conv"), channel, 24)
        before = -(-more // 2)
        if more >= 0:
            begun = begun[before : before + len(cut), before : before + len(cut)]
        else:
            cut = cut[-before : len(begun) - before, -before : len(begun) - before]
        assert np.array_equal(begun, cut)

    units = ["--units", f"{layer}:{fires[0]},{fires[1]}", "--from-patch", "patches.h5"]
    code, out, error = run("maximise", *FLAGS, *units, "--images", folder)
    assert code == 0 and "saved" in out, error
    code, _, error = run("maximise", *FLAGS, "--units", "relu5_1:3", *units[2:])
    assert code == 2 and "--from-patch patches.h5: layer 'relu5_1' was not scanned" in error
    code, _, error = run("maximise", *FLAGS, *units, "--images", tmp_path)
    assert code == 2 and error.count("\n") == 1, error
    with pytest.raises(ValueError, match="its patches are of other weights"):
        Starts(tmp_path / "patches.h5", folder, "0" * 64)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--units", "relu9_9:1"], "unknown layer 'relu9_9'; the layers are preprocess,"),
        (["--units", "relu1_1:64"], "--units relu1_1:64: got channel 64 of conv1_1"),
        (["--units", "relu1_1"], "argument --units: 'relu1_1' is not like relu4_2:17,300"),
        (["--units", "relu5_3:1", "--size", 4], "a picture of 4×4 is too small for conv5_3"),
        (["--size", 5000], "--size 5000: wanted at most 1000 px"),
        (["--steps", 0], "argument --steps: 0 is not a whole number of at least 1"),
        (["--seed", -1], "argument --seed: -1 is not a whole number of at least 0"),
        (["--goal", "all"], "argument --goal: invalid choice: 'all'"),
        (["--parts", "--diverse", 2], "--parts shows one picture of a channel, --diverse several"),
        (["--from-patch", "none.jpg"], "none.jpg: no such picture"),
        (["--from-patch", "none.h5"], "none.h5: no such file"),
        (["--weights", "none.h5"], "none.h5: no such weight file"),
        (["--output", "none/a.png"], "--output none/a.png: there is no folder none"),
        (["--output", "a.gif"], "--output a.gif: wanted a name that ends in .png or .jpg"),
        (["--from-patch", "a.png", "--output", "a.png"], "is what --from-patch reads"),
    ],
)
def test_the_script_says_in_one_line_what_is_wrong(run, tmp_path, arguments, message):
    save_image(tmp_path / "a.png", np.zeros((30, 30, 3)))
    code, _, error = run("maximise", *arguments)
    assert code == 2 and message in error and error.count("\n") == 1, error
    assert files(tmp_path) == ["a.png"]


def test_ctrl_c_saves_the_pictures_so_far(tmp_path):
    command = [
        sys.executable, str(ROOT / "scripts" / "maximise.py"), "--units", "relu1_1:1,2,3",
        "--size", "32", "--steps", "2000", "--threads", "1", "--output", "a.png",
    ]  # fmt: skip
    options = {"cwd": tmp_path, "env": {**os.environ, "PYTHONPATH": str(ROOT)}, "text": True}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, **options)
    seen = ""
    while not re.search(r" [1-9]\d*/6000", seen):
        more = process.stderr.read(20)
        assert more, seen
        seen += more
    process.send_signal(signal.SIGINT)
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)  # only noted
    out, error = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in error
    assert "interrupted; saved the pictures until then" in error and "saved    a.png" in out
    assert files(tmp_path) == ["a.png"]
