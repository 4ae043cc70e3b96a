"""Optimizers: each idea by hand, and against SciPy's L-BFGS-B on a known bowl."""

import os
import subprocess
import sys
from itertools import product

import numpy as np
import pytest
from conftest import ROOT
from scipy.optimize import LbfgsInvHessProduct

from scratchnet.style.adam import Adam
from scratchnet.style.lbfgs import LBFGS, band_squares, octaves, picture, two_loops, waves
from scratchnet.style.optimizers import (
    GradientDescent,
    PixelDescent,
    in_pixels,
    linear_decay,
    smooth,
)


def descend(optimizer, x, gradient, iterations):
    state = optimizer.start(x, iterations)
    for _ in range(iterations):
        x, state = optimizer.step(x, gradient(x), state)
    return x


def test_gradient_descent_is_the_notes_update_to_the_letter():
    G, dG = np.array([[[10.0, 20.0, 30.0]]]), np.array([[[1.0, -2.0, 300.0]]])
    optimizer = GradientDescent(learning_rate=0.5)
    stepped, _ = optimizer.step(G, dG, optimizer.start(G, 1))
    assert stepped.tolist() == [[[9.5, 21, -120]]]  # G − ½ dG, not clipped


def test_in_pixels_has_root_mean_square_one(rng):
    for scale in (1e-30, 1, 1e30):
        g = (scale * rng.standard_normal((4, 5, 3))).astype(np.float32)
        step = in_pixels(g)
        assert step.dtype == np.float32
        assert np.isclose(np.sqrt(np.mean(step**2)), 1, rtol=1e-5)
        assert np.allclose(step * np.abs(g).max(), g * np.abs(step).max(), rtol=1e-4)
    assert not in_pixels(np.zeros((2, 2, 3))).any()


def test_smoothing_divides_a_frequency_by_its_square_root():
    # cos(π u (i + ½) / H) is the u-th basis function of the cosine transform: f = u/H.
    H, W = 16, 12
    waves = [np.cos(np.pi * u * (np.arange(H) + 0.5) / H) for u in (2, 8)]
    slow, fast = (wave[:, None, None] * np.ones((H, W, 3)) for wave in waves)
    smoothed = smooth(slow + fast, 0.5)
    assert np.allclose(smoothed, slow / np.sqrt(2 / H) + fast / np.sqrt(8 / H), atol=1e-12)
    assert np.allclose(smooth(slow + fast, 0), slow + fast, atol=1e-12)
    assert smooth(slow.astype(np.float32), 0.5).dtype == np.float32


def test_smoothing_still_goes_downhill(rng):
    """A preconditioner must be positive: its step never has an uphill part."""
    for _ in range(20):
        g = rng.standard_normal((7, 9, 3))
        assert np.sum(g * smooth(g, 0.5)) > 0


def test_linear_decay():
    assert [linear_decay(t, 4) for t in range(5)] == [1, 0.75, 0.5, 0.25, 0]


def test_pixel_descent_by_hand():
    # One pixel, so that ĝ = ±1. N = 2, η = 8, μ = ½, and gradients +, +.
    # t=0: η_0 = 8: v = −8,             G = 100 + ½·(−8) − 8 = 88
    # t=1: η_1 = 4: v = ½·(−8) − 4 = −8, G = 88 + ½·(−8) − 4 = 80
    optimizer = PixelDescent(learning_rate=8, momentum=0.5)
    G = np.full((1, 1, 1), 100.0)
    state = optimizer.start(G, 2)
    G, state = optimizer.step(G, np.full_like(G, 3e9), state)
    assert G.item() == 88 and state["velocity"].item() == -8
    G, state = optimizer.step(G, np.full_like(G, 1e-9), state)
    assert G.item() == 80 and state["velocity"].item() == -8


def test_pixel_descent_does_not_depend_on_the_scale_of_j(rng):
    G, dG = rng.uniform(50, 200, (2, 4, 4, 3))
    optimizer = PixelDescent()
    steps = [optimizer.step(G, scale * dG, optimizer.start(G, 9))[0] for scale in (1e-6, 1, 1e6)]
    assert np.allclose(steps[0], steps[1]) and np.allclose(steps[2], steps[1])


def test_pixels_stay_colours_that_can_be_shown(rng):
    optimizer = PixelDescent(learning_rate=500)
    G = rng.uniform(0, 255, (4, 4, 3))
    state = optimizer.start(G, 9)
    for _ in range(9):
        G, state = optimizer.step(G, rng.standard_normal(G.shape), state)
        assert G.min() >= 0 and G.max() <= 255


OPTIMIZERS = [GradientDescent(1e-4), PixelDescent(), Adam(), LBFGS(pairs=3)]
GO_ON = """
import sys
import numpy as np
from scratchnet.style.adam import Adam
from scratchnet.style.lbfgs import LBFGS
from scratchnet.style.optimizers import GradientDescent, PixelDescent

for line in sys.stdin:
    steps, path, optimizer = line.split(maxsplit=2)
    optimizer = eval(optimizer)
    with np.load(path) as saved:  # without pickle
        state = {name: saved[name] for name in saved.files}
    image, A, floor = (state.pop(name) for name in ("image_now", "A", "floor"))
    for _ in range(int(steps)):
        image, state = optimizer.step(image, A * (image - floor), state)
    np.savez(path, image_now=image, **state)
"""


def test_state_is_saved_without_pickle_and_gone_on_with_in_a_new_process(rng, tmp_path):
    """Stopped in the middle of a level and at its end, and before its first step: same bytes."""
    N, jobs, expected = 12, [], {}
    for n, (optimizer, dtype) in enumerate(product(OPTIMIZERS, (np.float32, np.float64))):
        A, floor = rng.uniform(0.1, 50, (6, 5, 3)).astype(dtype), rng.uniform(-50, 300, (6, 5, 3))
        floor, start = floor.astype(dtype), rng.uniform(0, 255, (6, 5, 3)).astype(dtype)
        images, states = [start], [optimizer.start(start, N)]
        for _ in range(N):
            image, state = optimizer.step(images[-1], A * (images[-1] - floor), states[-1])
            images.append(image)
            states.append(state)
        for state in states:
            assert all(isinstance(v, int | float | np.ndarray) for v in state.values())
        for done in (0, 7, N):
            path = tmp_path / f"{n}_{done}.npz"
            np.savez(path, image_now=images[done], A=A, floor=floor, **states[done])
            jobs.append(f"{N - done} {path} {optimizer!r}")
            expected[path] = images[N], states[N], optimizer
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", GO_ON]
    subprocess.run(command, input="\n".join(jobs), text=True, check=True, env=environment)
    for path, (image, state, optimizer) in expected.items():
        with np.load(path) as gone_on:
            assert gone_on["image_now"].tobytes() == image.tobytes(), (optimizer, path.name)
            assert gone_on["image_now"].dtype == image.dtype
            for name, value in state.items():
                assert np.array_equal(gone_on[name], value), (optimizer, path.name, name)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: type(o).__name__)
def test_a_step_changes_neither_picture_nor_gradient_nor_state(optimizer, rng):
    G, dG = rng.uniform(0, 255, (2, 2, 3, 3))
    state = optimizer.start(G, 5)
    _, state = optimizer.step(G, dG, state)
    before = [G.copy(), dG.copy(), {k: np.copy(v) for k, v in state.items()}]
    optimizer.step(G, dG, state)
    assert np.array_equal(G, before[0]) and np.array_equal(dG, before[1])
    assert all(np.array_equal(state[k], v) for k, v in before[2].items())


def test_both_find_the_bottom_of_a_bowl(rng):
    target = rng.uniform(20, 235, (6, 5, 3))
    stiffness = rng.uniform(0.1, 1, target.shape)

    def gradient(x):
        return stiffness * (x - target)

    start = rng.uniform(0, 255, target.shape)
    assert np.abs(descend(GradientDescent(1.0), start, gradient, 400) - target).max() < 1e-6
    assert np.abs(descend(PixelDescent(), start, gradient, 400) - target).max() < 1
    assert np.abs(descend(Adam(), start, gradient, 400) - target).max() < 1


def test_adam_by_hand():
    """Two steps of one pixel of 100, η = 4, β₁ = ½, β₂ = ¾, N = 2, gradients 2 and −1.

    1: m = 1, v = 1; m̂ = 1/½ = 2, v̂ = 1/¼ = 4; 100 − 4 · 2/2 = 96.
    2: m = ½ − ½ = 0, v = ¾ + ¼ = 1; m̂ = 0: it stays.
    """
    optimizer, x = Adam(4.0, beta1=0.5, beta2=0.75), np.full((1, 1, 3), 100.0)
    state = optimizer.start(x, 2)
    x, state = optimizer.step(x, np.full_like(x, 2.0), state)
    assert x == pytest.approx(96) and state["m"] == pytest.approx(1)
    x, state = optimizer.step(x, np.full_like(x, -1.0), state)
    assert x == pytest.approx(96) and state["v"] == pytest.approx(1)


def test_adam_is_pytorchs(rng):
    """With the step's fall done by its scheduler, and away from the borders 0 and 255."""
    torch = pytest.importorskip("torch", reason="wants the extra bench")
    A, start = rng.uniform(0.1, 5, (4, 3, 3)), rng.uniform(100, 150, (4, 3, 3))
    ours = descend(Adam(2.0), start, lambda x: A * (x - 120), 20)
    x = torch.tensor(start, requires_grad=True)
    optimizer = torch.optim.Adam([x], lr=2.0)
    fall = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 1 - t / 20)
    for _ in range(20):
        x.grad = torch.tensor(A) * (x.detach() - 120)
        optimizer.step()
        fall.step()
    assert np.abs(ours - x.detach().numpy()).max() <= 1e-10


@pytest.mark.parametrize("beta", [-0.1, 1.0])
def test_adam_says_what_is_wrong(beta):
    with pytest.raises(ValueError, match=r"beta1: got .*, wanted at least 0 and below 1"):
        Adam(beta1=beta)


def test_decay_beats_a_constant_step(rng):
    """Without decay a step of fixed length in pixels can't settle."""
    target, start = rng.uniform(20, 235, (2, 6, 5, 3))
    optimizer, x = PixelDescent(momentum=0.5), start
    state = optimizer.start(x, 10**9)  # so long a schedule hardly decays
    for _ in range(300):
        x, state = optimizer.step(x, x - target, state)
    decayed = descend(optimizer, start, lambda x: x - target, 300)
    assert np.abs(decayed - target).max() < 0.1 * np.abs(x - target).max()


# ---------------------------------------------------------------- L-BFGS


def bowl(rng, n=6):
    """A positive matrix A: J = ½ xᵀ A x has the gradient A x and its minimum at 0."""
    A = rng.standard_normal((n, n))
    return A @ A.T + 0.1 * np.eye(n)


def test_two_loops_are_scipys_inverse(rng):
    """One and the same H as SciPy's, applied to a gradient."""
    for m in (1, 3, 8):
        steps = rng.standard_normal((m, 6))
        changes = steps @ bowl(rng)
        expected = LbfgsInvHessProduct(steps, changes) @ (g := rng.standard_normal(6))
        found = two_loops(g, list(zip(steps, changes, strict=True)), lambda q: q)
        assert np.abs(found - expected).max() <= 1e-12 * np.abs(expected).max()


@pytest.mark.parametrize("m", [1, 2, 5])
def test_two_loops_are_the_update_of_a_dense_matrix(m, rng):
    """H g, and H y = s, with the update as the module's docstring has it."""
    A, H, one = bowl(rng), np.diag(rng.uniform(0.5, 2, 6)), np.eye(6)
    steps = rng.standard_normal((m, 6))
    pairs = [(s, A @ s) for s in steps]
    first_guess = H.copy()
    for s, y in pairs:
        rho = 1 / (y @ s)
        left, right = one - rho * np.outer(s, y), one - rho * np.outer(y, s)
        H = left @ H @ right + rho * np.outer(s, s)
    x = rng.standard_normal(6)
    for g, expected in [(x, H @ x), (y, s)]:
        found = two_loops(g, pairs, lambda q: first_guess @ q)
        assert np.abs(found - expected).max() <= 1e-10 * np.abs(expected).max()


def test_two_loops_start_from_the_first_guess(rng):
    g = rng.standard_normal((4, 5, 3))
    assert np.array_equal(two_loops(g, [], lambda q: smooth(q, 0.5)), smooth(g, 0.5))


@pytest.mark.parametrize("scale", [1e-20, 1, 1e20])
def test_lbfgs_finds_a_bowl_s_floor_in_few_steps(rng, scale):
    curvature = rng.uniform(0.1, 10, (4, 5, 3)).astype(np.float32)
    floor = rng.uniform(50, 200, (4, 5, 3)).astype(np.float32)
    start = np.full_like(floor, 128)
    x = descend(LBFGS(), start, lambda x: scale * curvature * (x - floor), 40)
    assert x.dtype == np.float32 and np.abs(x - floor).max() < 0.1


def test_lbfgs_keeps_colours_and_forgets_the_oldest_pairs(rng):
    floor = rng.uniform(-300, 500, (4, 5, 3))
    optimizer, x = LBFGS(pairs=4), np.full_like(floor, 128)
    state = optimizer.start(x, 60)
    for _ in range(60):
        x, state = optimizer.step(x, x - floor, state)
        assert 0 <= x.min() and x.max() <= 255 and state["count"] <= 4
    assert np.abs(x - np.clip(floor, 0, 255)).max() < 1


def test_lbfgs_goes_back_where_it_overshot():
    """From 100 the first step is 3; there the slope has turned from −1 to +2: back to a third."""
    optimizer, x = LBFGS(learning_rate=3), np.full((1, 1, 3), 100.0)
    state = optimizer.start(x, 5)
    x, state = optimizer.step(x, np.full_like(x, -1.0), state)
    assert np.allclose(x, 103)
    x, state = optimizer.step(x, np.full_like(x, 2.0), state)
    assert np.allclose(x, 101) and state["shortened"]
    # what comes next starts there, and goes no further back
    x, state = optimizer.step(x, np.full_like(x, 1.0), state)
    assert (x < 101).all() and not state["shortened"] and state["count"] == 1


def test_waves_are_a_rotation(rng):
    x, y = rng.standard_normal((2, 7, 10, 3))
    assert np.allclose(np.sum(waves(x) * waves(y)), np.sum(x * y))
    assert np.allclose(picture(waves(x)), x, atol=1e-12)
    grey = np.repeat(rng.standard_normal((7, 10, 1)), 3, axis=2)
    assert np.allclose(waves(grey)[:, :, 1:], 0, atol=1e-12)
    assert waves(x.astype(np.float32)).dtype == picture(x.astype(np.float32)).dtype == np.float32


def test_bands_hold_all_waves_once(rng):
    x = rng.standard_normal((12, 20, 3))
    squares = band_squares(waves(x))
    assert squares.shape == (octaves(12, 20).max() + 1, 3)
    assert np.allclose(squares.sum(axis=0), np.sum(waves(x) ** 2, axis=(0, 1)))
    # frequencies from 1/20 to √(½ + …): the octaves around 1/16, 1/8, 1/4, 1/2 and 1
    assert octaves(12, 20).max() == 4


def test_lbfgs_learns_which_bands_are_steep(rng):
    """A bowl a hundred times as steep in one colour: H⁰ knows after a step or two."""
    floor, start = rng.uniform(50, 200, (2, 16, 16, 3))
    steep = np.array([100.0, 1, 1])

    def gradient(x):
        return picture(steep * waves(x - floor))

    x = descend(LBFGS(), start, gradient, 15)
    assert np.abs(x - floor).max() < 1


def test_lbfgs_stays_where_the_gradient_is_zero():
    x = np.full((4, 4, 3), 7.0)
    assert np.array_equal(descend(LBFGS(), x, np.zeros_like, 3), x)


def test_lbfgs_steps_are_no_longer_than_asked(rng):
    """A gradient that hardly changes promises a floor far away."""
    slope = rng.standard_normal((4, 4, 3))
    optimizer, x = LBFGS(longest=5), np.full_like(slope, 128)
    state = optimizer.start(x, 9)
    for n in range(3):
        before = x
        x, state = optimizer.step(x, slope * (1 - 1e-6 * n), state)
        assert np.sqrt(np.mean((x - before) ** 2)) <= 5 * (1 + 1e-9)
