"""Gradients made visible: the error against the step h, and what each term of J wants."""

import numpy as np
import pytest
from conftest import IMAGES, files, load_script

from scratchnet import load_image
from scratchnet.checks.numerical import central_difference, complex_step

pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra 'viz')")
pytest.importorskip("tqdm", reason="tqdm is not installed (extra 'viz')")

# --------------------------------------------------- check_gradients.py --step-plot


@pytest.fixture
def errors(monkeypatch):
    """Return a function: method, dtype, steps → errors."""
    script = load_script("check_gradients")

    def at(method, dtype, *steps):
        monkeypatch.setattr(script, "STEPS", list(steps))
        return script.step_errors(method, dtype)

    return at


def test_the_chain_has_the_same_numbers_in_both_dtypes():
    script = load_script("check_gradients")
    (single, x), (double, x64) = map(script.smooth_chain, (np.float32, np.float64))
    assert x.dtype == np.float32 and np.array_equal(x, x64)
    (J, dx), (J64, dx64) = single(x), double(x64)
    assert J.dtype == dx.dtype == np.float32
    np.testing.assert_allclose(J, J64, rtol=1e-5)
    np.testing.assert_allclose(dx, dx64, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", [central_difference, complex_step])
def test_truncation_goes_with_the_square_of_the_step(errors, method):
    large, small = errors(method, np.float64, 1e-1, 1e-2)
    assert large / small == pytest.approx(100, rel=0.02)


@pytest.mark.parametrize(("dtype", "large", "small"), [("float32", -3, -5), ("float64", -7, -9)])
def test_rounding_goes_with_one_over_the_step(errors, dtype, large, small):
    # Rounding is random, so that 100 is met only roughly.
    at_large, at_small = errors(central_difference, np.dtype(dtype).type, 10.0**large, 10.0**small)
    assert 30 < at_small / at_large < 300


def test_a_difference_is_best_near_the_cube_root_of_epsilon(errors):
    for dtype in (np.float32, np.float64):
        epsilon = float(np.finfo(dtype).eps)
        steps = [epsilon ** (1 / 3) * factor for factor in (1e-2, 1, 10, 1000)]
        far_below, *near, far_above = errors(central_difference, dtype, *steps)
        assert min(near) < 10 * epsilon ** (2 / 3) < min(far_below, far_above)


def test_a_complex_step_loses_no_digits(errors):
    for dtype in (np.float32, np.float64):
        assert max(errors(complex_step, dtype, 1e-9, 1e-20, 1e-30)) < 5 * np.finfo(dtype).eps


def test_step_plot_saves_a_figure_and_says_why(run, tmp_path, monkeypatch):
    script = load_script("check_gradients")
    script.STEPS = script.STEPS[::4]  # 1e-4 among them
    monkeypatch.setattr("conftest.load_script", lambda name: script)
    code, out, _ = run("check_gradients", "--step-plot")
    assert code == 0 and files(tmp_path) == ["outputs/step_plot.png"]
    assert np.ptp(load_image("outputs/step_plot.png")) > 100
    for method in ("central_difference", "complex_step"):
        for dtype in ("float32", "float64"):
            assert f"{method}, {dtype}" in out
    assert "h = 1e-4" in out and "saved outputs/step_plot.png" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--step-plot", "none/x.png"], "--step-plot none/x.png: there is no folder none"),
        (["--step-plot", "x.doc"], "--step-plot x.doc: wanted a name that ends in .png, .svg or"),
        (["--step-plot", "--bug", "list"], "not allowed with argument --step-plot"),
    ],
)
def test_step_plot_says_in_one_line_what_is_wrong(run, tmp_path, arguments, message):
    code, _, error = run("check_gradients", *arguments)
    assert code == 2 and message in error and error.count("\n") == 1
    assert files(tmp_path) == []


# --------------------------------------------------------------- show_gradient.py

SMALL = ["--image-size", 32, "--steps", 0, 2]


@pytest.fixture(scope="module")
def small():
    """Return the script and the rows of a small descent, from the content image."""
    script = load_script("show_gradient")
    content, style = (
        script.resize_image(load_image(IMAGES / f"{name}.jpg"), (32, 40))
        for name in ("leuven_street", "starry_night")
    )
    terms = script.gatys_terms(content, style, content_layers=script.CONTENT_LAYERS)
    return script, script.measure(terms, content, {0, 2})


def test_the_terms_gradients_add_up_to_the_sum(small):
    _, rows = small
    assert [row.step for row in rows] == [0, 2]
    for row in rows:
        *terms, total = row.gradients.values()
        assert len(terms) == 7
        # of float32: to 4 digits of what was added up
        scale = max(np.abs(term).max() for term in terms)
        np.testing.assert_allclose(sum(terms), total, atol=1e-4 * scale)
    assert rows[1].J < rows[0].J


def test_the_content_term_is_silent_at_the_content_image(small):
    _, (start, later) = small
    assert not start.gradients["content"].any() and later.gradients["content"].any()


def test_a_panel_shows_the_way_down():
    script = load_script("show_gradient")
    # scale 1: REACH = 3 of it from grey, 127.5, to white; so 1 is 42.5
    picture = script.panel(np.array([0.0, -1.0, 1.0, -3.0, -9.0, 9.0]), 1.0)
    assert picture.tolist() == [128, 170, 85, 255, 255, 0]
    assert script.panel(np.zeros(2), 0.0).tolist() == [128, 128]


def test_cosine():
    script = load_script("show_gradient")
    x = np.array([3.0, 4.0])
    assert script.cosine(x, 2 * x) == pytest.approx(1)
    assert script.cosine(x, -x) == pytest.approx(-1)
    assert script.cosine(x, np.array([-4.0, 3.0])) == pytest.approx(0, abs=1e-12)
    assert script.cosine(x, 0 * x) == 0


def test_show_gradient_saves_one_figure_and_prints_the_table(run, tmp_path):
    code, out, error = run("show_gradient", *SMALL)
    assert code == 0, error
    assert files(tmp_path) == ["outputs/gradient_terms.png"]
    lines = out.splitlines()
    assert lines[1].split() == ["step", "0", "sum", "cont.", "step", "2", "sum", "cont."]
    names = [" ".join(line.split()[:-6]) for line in lines[2:-1]]
    layers = [f"style relu{n}_1" for n in range(1, 6)]
    assert names == ["content", *layers, "tv", "sum"]
    assert lines[-2].split()[2::3] == ["1.00", "1.00"]  # the sum's cosine with itself
    assert lines[2].split()[3::3] == ["0.00", "1.00"]  # the content's: at first there is none

    assert run("show_gradient", *SMALL, "--each-scale", "--output", "each.png")[0] == 0
    assert run("show_gradient", *SMALL, "--init", "random", "--output", "noise.png")[0] == 0
    pictures = [load_image(name) for name in files(tmp_path)]
    assert len(pictures) == 3
    for n in (0, 1):
        assert pictures[n].shape != pictures[2].shape or np.any(pictures[n] != pictures[2])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--content", "none.png"], "none.png: no such picture"),
        (["--steps", "-1"], "argument --steps: -1 is not a whole number of at least 0"),
        (["--steps", "two"], "argument --steps: invalid"),
        (["--init", "noise"], "argument --init: invalid choice: 'noise'"),
        (["--output", "x.doc"], "--output x.doc: wanted a name that ends in .png"),
        (["--output", "none/x.png"], "none/x.png: there is no folder none"),
    ],
)
def test_show_gradient_says_in_one_line_what_is_wrong(run, tmp_path, arguments, message):
    code, _, error = run("show_gradient", *SMALL, *arguments)
    assert code == 2 and message in error and error.count("\n") == 1
    assert [name for name in files(tmp_path) if name.endswith(".png")] == []
