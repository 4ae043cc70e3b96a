"""The loop: it descends, repeats itself exactly, and keeps what was good when J breaks."""

import re

import numpy as np
import pytest
from conftest import make_objective, make_tiny_network

from scratchnet import VGG, GradientDescent, PixelDescent, style_transfer
from scratchnet.files import resize_image
from scratchnet.style.levels import coarse_to_fine_sizes, enlarged

LAYERS = {"content_layers": {"relu2_1": 1.0}, "style_layers": {"relu1_1": 0.5, "relu2_1": 0.5}}


@pytest.fixture
def images(rng):
    return rng.uniform(0, 255, (24, 20, 3)), rng.uniform(0, 255, (18, 30, 3))


def transfer(images, **options):
    options = {"network": make_tiny_network(), "iterations": 8, **LAYERS, **options}
    return style_transfer(*images, **options)


@pytest.mark.parametrize("init", ["random", "content"])
def test_it_descends_and_returns_the_lowest(images, init):
    result = transfer(images, init=init, iterations=40)
    losses = [record.loss for record in result.history]
    assert len(losses) == 41 and result.stopped is None
    assert min(losses) < 0.5 * losses[0]
    objective = make_objective(make_tiny_network(), *images, **LAYERS)
    assert objective(result.image)[0] == min(losses)
    assert result.image.shape == images[0].shape
    assert result.image.min() >= 0 and result.image.max() <= 255


def test_the_embedded_network_makes_a_picture(pictures, fast32):
    content, style = pictures
    result = style_transfer(content, style, network=fast32, iterations=6)
    assert result.image.dtype == np.float32 and result.image.shape == content.shape
    assert result.history[-1].loss < 0.5 * result.history[0].loss


def test_without_a_network_the_embedded_one_is_used_up_to_the_border(pictures):
    whole = VGG.load(partial_windows=True)
    given = style_transfer(*pictures, network=whole, iterations=1, init="content")
    loaded = style_transfer(*pictures, iterations=1, init="content")
    assert np.array_equal(given.image, loaded.image)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(images):
    first, second, other = (transfer(images, seed=seed).image for seed in (3, 3, 4))
    assert first.tobytes() == second.tobytes()
    assert not np.array_equal(first, other)


def test_gradient_descent_runs_to_the_letter(images):
    """The loop with the notes' optimizer is G ← G − η ∂J/∂G and nothing else."""
    network, eta = make_tiny_network(), 1e-4
    seen = []
    transfer(
        images, network=network, init="content", iterations=3, optimizer=GradientDescent(eta),
        callback=seen.append,
    )  # fmt: skip
    objective, G = make_objective(network, *images, **LAYERS), images[0]
    for step in seen:
        assert np.allclose(step.image, G, rtol=1e-12)
        G = G - eta * objective(G)[1]


def test_callback_sees_every_step(images):
    seen = []
    result = transfer(images, callback=seen.append)
    assert [step.iteration for step in seen] == list(range(9))
    assert [step.loss for step in seen] == [record.loss for record in result.history]
    assert all(step.loss == pytest.approx(sum(step.terms.values())) for step in seen)
    assert [step.progress for step in seen] == pytest.approx([(n + 1) / 9 for n in range(9)])
    assert len({step.image.tobytes() for step in seen}) == 9  # none is overwritten by the next


def test_whole_numbers_are_taken_as_they_are(rng):
    images = rng.integers(0, 256, (2, 130, 130, 3), np.uint8)
    results = [transfer(pictures, iterations=1) for pictures in (images, images.astype(float))]
    assert np.array_equal(results[0].image, results[1].image)


def test_a_given_start_is_used(images):
    start, seen = np.full((24, 20, 3), 99.0), []
    transfer(images, init=start, callback=seen.append, iterations=1)
    assert np.array_equal(seen[0].image, start)


def test_coarse_to_fine_doubles_the_size(rng):
    images, seen = (rng.uniform(0, 255, (140, 130, 3)), rng.uniform(0, 255, (150, 20, 3))), []
    result = transfer(images, iterations=2, callback=seen.append)
    sizes = [step.image.shape[:2] for step in seen]
    assert sizes == 2 * [(70, 65)] + 3 * [(140, 130)]  # half the steps at the smaller size
    assert [record.size for record in result.history] == sizes
    assert [step.progress for step in seen] == pytest.approx(
        [1 / 14, 2 / 14, 6 / 14, 10 / 14, 1]  # a coarse step is a quarter of a fine one
    )
    # From the content image there is nothing to find at a coarse size.
    assert len(transfer(images, iterations=2, init="content").history) == 3
    assert len(transfer(images, iterations=2, coarse_to_fine=False).history) == 3


def test_a_larger_size_begins_with_the_detail_of_the_content_image(rng):
    content = np.repeat(np.repeat(rng.uniform(50, 200, (8, 9, 3)), 4, 0), 4, 1)
    content[::2] += 20  # stripes that half the size can't show
    small = resize_image(content, (16, 18))
    assert np.abs(enlarged(small, content) - content).max() < 1e-4  # ↑↓C + C − ↑↓C
    grey = np.full_like(small, 128)
    detail = content - resize_image(small, content.shape[:2])
    assert np.abs(enlarged(grey, content) - (128 + detail)).max() < 1e-4
    assert enlarged(content, content) is content
    white = enlarged(np.full_like(small, 255), content)
    assert white.min() >= 0 and white.max() == 255


def test_sizes_stop_where_the_network_would_see_nothing():
    assert coarse_to_fine_sizes((512, 512)) == [(64, 64), (128, 128), (256, 256), (512, 512)]
    assert coarse_to_fine_sizes((127, 127)) == [(127, 127)]
    assert coarse_to_fine_sizes((60, 600)) == [(60, 600)]


class Breaks(PixelDescent):
    """Steps to NaN after a few good steps."""

    def step(self, image, gradient, state):
        image, state = super().step(image, gradient, state)
        return (image if state["t"] < 5 else np.full_like(image, np.nan)), state


def test_a_diverging_descent_stops_and_keeps_the_best_finite_picture(images):
    result = transfer(images, optimizer=Breaks(), iterations=50)
    assert re.fullmatch("J, .* is not finite at iteration 5", result.stopped)
    assert len(result.history) == 5 and np.isfinite(result.image).all()
    objective = make_objective(make_tiny_network(), *images, **LAYERS)
    assert objective(result.image)[0] == min(record.loss for record in result.history)


def test_gradient_descent_that_explodes_returns_where_it_started_from(images):
    with np.errstate(all="ignore"):
        result = transfer(images, optimizer=GradientDescent(1e6), init="content", iterations=60)
    assert result.stopped is not None
    assert np.isfinite(result.image).all()


def test_a_stop_at_a_coarse_size_still_gives_a_full_sized_picture(rng):
    images = rng.uniform(0, 255, (2, 130, 130, 3))
    result = transfer(images, optimizer=Breaks(), iterations=50)
    assert result.stopped and result.image.shape == (130, 130, 3)


def test_it_says_what_is_wrong(images):
    with pytest.raises(ValueError, match="iterations: got 0, wanted a whole number of at least 1"):
        transfer(images, iterations=0)
    with pytest.raises(ValueError, match="got init 'noise', wanted 'random', 'content' or an arr"):
        transfer(images, init="noise")
    with pytest.raises(ValueError, match=r"init: got a picture of \(3, 3, 3\), wanted"):
        transfer(images, init=np.zeros((3, 3, 3)))
    for bad in (np.zeros((24, 20)), np.zeros((24, 20, 1)), np.full((24, 20, 3), np.nan)):
        with pytest.raises(ValueError, match="content: "):
            transfer((bad, images[1]))
    with pytest.raises(ValueError, match="init: the picture has entries that are not finite"):
        transfer(images, init=np.full(images[0].shape, np.nan))
    with pytest.raises(ValueError, match="unknown layer 'relu7_1'"):
        transfer(images, content_layers={"relu7_1": 1.0})
