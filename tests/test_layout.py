"""What the figures' layout does to pictures: nothing; and where it puts them and their text."""

import numpy as np
import pytest
from conftest import load_script

from scratchnet import load_image, save_image

pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra 'viz')")
pytest.importorskip("tqdm", reason="tqdm is not installed (extra 'viz')")

layout = load_script("layout")
WHITE = 255


@pytest.fixture
def noise(rng):
    """Return a function that makes a picture of which each pixel is another."""
    return lambda height, width: rng.integers(0, 256, (height, width, 3))


def places(figure, picture):
    """Return the (row, column) of each exact copy of a picture in a figure."""
    height, width, _ = picture.shape
    corners = figure[: len(figure) - height + 1, : figure.shape[1] - width + 1] == picture[0, 0]
    return [
        (int(row), int(column))
        for row, column in zip(*np.nonzero(corners.all(axis=2)), strict=True)
        if np.array_equal(figure[row : row + height, column : column + width], picture)
    ]


@pytest.mark.parametrize("sizes", [[(5, 5), (92, 92), (196, 196)], [(33, 50), (64, 7), (3, 101)]])
def test_a_patch_s_pixels_are_in_the_saved_figure_unchanged(noise, tmp_path, sizes):
    pictures = [noise(*size) for size in sizes]
    panels = [
        layout.Panel(f"panel {n}", ["a line, gpqy"], picture) for n, picture in enumerate(pictures)
    ]
    panels.append(
        layout.Panel("a box", [], layout.grid([layout.under("two", *pictures[:2])] * 1, 2))
    )
    save_image(tmp_path / "figure.png", layout.own_scale_panels(panels, "A caption. " * 20))
    figure = load_image(tmp_path / "figure.png")
    assert [len(places(figure, picture)) for picture in pictures] == [2, 2, 1]


def test_pictures_stand_where_their_boxes_are(noise):
    a, b, c = noise(10, 20), noise(30, 5), noise(7, 7)
    sheet = layout.Sheet()
    upper = layout.beside([layout.Pixels(a), layout.Pixels(b)], 4)
    figure = sheet.drawn(layout.below([upper, layout.Pixels(c)], 6))
    m = layout.MARGIN
    assert figure.shape == (2 * m + 30 + 6 + 7, 2 * m + 20 + 4 + 5, 3)
    assert [places(figure, x) for x in (a, b, c)] == [
        [(m, m)], [(m, m + 24)], [(m + 36, m)],
    ]  # fmt: skip
    assert (figure == WHITE).all(axis=2).sum() == figure.shape[0] * figure.shape[1] - 399


def test_text_lies_outside_of_all_pictures_and_inside_the_figure(noise):
    picture = np.zeros((50, 80, 3))
    panels = [layout.Panel(f"{n}: {'title ' * 3}", ["line", "another"], picture) for n in range(2)]
    figure = layout.own_scale_panels(panels, "many words " * 60)
    m = layout.MARGIN // 2
    inside = figure[m:-m, m:-m]
    outside = figure.astype(int).sum() - inside.astype(int).sum()
    assert outside == WHITE * 3 * (figure.shape[0] * figure.shape[1] - inside[..., 0].size)
    black = np.all(figure == 0, axis=2)
    assert black.sum() == 2 * 50 * 80


def test_panels_of_all_layers_share_a_scale_and_small_ones_come_again_enlarged(noise):
    small, large = noise(3, 3), noise(90, 90)
    panels = [layout.Panel("small", [], small), layout.Panel("large", ["sees 90 px"], large)]
    figure = layout.growing_panels(panels, "caption")
    assert len(places(figure, large)) == len(places(figure, small)) == 1
    copies = {times: places(figure, layout.enlarge(small, times)) for times in range(2, 40)}
    assert sum(map(len, copies.values())) == 1
    assert places(layout.growing_panels(panels[1:], "caption"), large)


def test_colours_stand_beside_what_they_mean(noise):
    canvas = noise(60, 90)
    figure = layout.keyed(canvas, ["relu1_2: 5 px", "relu2_2: 14 px"])
    for colour in layout.COLOURS[:2]:
        assert len(places(figure, np.full((layout.TEXT, layout.TEXT, 3), colour))) == 1
    assert len(places(figure, canvas)) == 1


# ------------------------------------------------------------------ timed_bar.py


def test_the_time_is_said_before_and_all_work_is_counted(fast32, capsys):
    timed_bar = load_script("timed_bar")
    passes = [timed_bar.Passes("relu1_1", 3), timed_bar.Passes("relu2_1", 2)]
    with timed_bar.TimedBar(
        "explain_units", fast32, [*passes, timed_bar.Passes("relu5_3", 0)]
    ) as work:
        assert "explain_units: about " in capsys.readouterr().err
        assert set(work.seconds) == {"relu1_1", "relu2_1"}
        work.done("relu1_1", 3)
        for _ in range(2):
            work.done("relu2_1")
        assert work.bar.n == pytest.approx(work.bar.total)
    said = capsys.readouterr().err
    assert "relu2_1" in said and "100%" in said and "| 00:00, 1 seconds left" in said
    # the prediction counts at first, and what has been seen more and more
    assert timed_bar.seconds_left(100, 0, 0) == 100 and timed_bar.seconds_left(100, 50, 50) == 50
    assert timed_bar.seconds_left(100, 1, 10) == 99 * 15 / 6  # 10 times as slow, 2.5 times as long
    with timed_bar.TimedBar("explain_units", fast32, []) as work:
        assert not work.bar.n
