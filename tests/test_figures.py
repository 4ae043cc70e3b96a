"""Figures: every pixel where it belongs, nothing smoothed."""

import numpy as np
import pytest

from scratchnet import ReceptiveField
from scratchnet.pages import figures
from scratchnet.pages.figures import (
    EMPTY,
    GAP,
    INK,
    WHITE,
    fields_on_picture,
    side_near,
    to_side,
    unit_sheet,
    views_sheet,
)

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def patch(colour, side=5):
    return np.full((side, side, 3), colour, np.float32)


def count(figure, colour):
    return int((figure == colour).all(axis=2).sum())


def test_a_sheet_in_reading_order_with_empty_places():
    sheet = unit_sheet([patch(RED), patch(GREEN), patch(BLUE)], k=4, side=5)
    assert sheet.shape == (10 + GAP, 10 + GAP, 3)
    for colour, (row, col) in zip(
        (RED, GREEN, BLUE, EMPTY), ((0, 0), (0, 1), (1, 0), (1, 1)), strict=True
    ):
        top, left = row * (5 + GAP), col * (5 + GAP)
        assert (sheet[top : top + 5, left : left + 5] == colour).all()
    assert count(sheet, WHITE) == sheet.shape[0] ** 2 - 100


def test_a_dead_unit_is_crossed_out():
    sheet = unit_sheet([], k=9, side=5)
    n = 15 + 2 * GAP
    assert (sheet[range(n), range(n)] == INK).all() and (
        sheet[range(n), range(n)[::-1]] == INK
    ).all()
    assert count(sheet, INK) + count(sheet, EMPTY) == n**2


def test_views_stand_below_their_patches():
    """A row for each kind, a column for each patch, and grey where there is no third patch."""
    sheet = views_sheet([[patch(RED), patch(GREEN)], [patch(BLUE), patch(INK)]], 3, side=5)
    assert sheet.shape == (10 + GAP, 15 + 2 * GAP, 3)
    colours = [[RED, GREEN, EMPTY], [BLUE, INK, EMPTY]]
    for row, col in np.ndindex(2, 3):
        top, left = row * (5 + GAP), col * (5 + GAP)
        assert (sheet[top : top + 5, left : left + 5] == colours[row][col]).all()
    dead = views_sheet([[], [], []], 3, side=5)
    assert dead.shape == (15 + 2 * GAP,) * 2 + (3,) and (dead[0, 0] == INK).all()
    assert count(dead, INK) + count(dead, EMPTY) == len(dead) ** 2


def test_to_side_enlarges_by_whole_numbers_and_reduces_nothing():
    ramp = np.arange(12.0).reshape(2, 2, 3)
    assert np.array_equal(to_side(ramp, 5), ramp.repeat(2, 0).repeat(2, 1))
    assert len(to_side(ramp, 5)) == side_near(2, 5)
    assert np.array_equal(to_side(ramp, 1), ramp)


@pytest.mark.parametrize(
    ("middle", "top_left"),
    [
        # The shallow unit u sees u − 2 … u + 3, so its middle is u + 1: 19 for 20, and 29 for 30.
        ((20, 30), (17, 27)),
        # In the corner: unit 0 begins at −2; the deep one, from −9, is 7 more to the upper left.
        ((0, 0), (7, 7)),
    ],
)
def test_rectangles_lie_on_the_field_s_outline(middle, top_left, monkeypatch):
    """An outline is a square ring of the field's side, three times enlarged."""
    image = np.full((40, 60, 3), WHITE, np.float32)
    fields = {"deep": ReceptiveField(22, 4, -9), "shallow": ReceptiveField(6, 1, -2)}
    monkeypatch.setattr(figures, "COLOURS", (RED, BLUE))
    figure = fields_on_picture(image, fields, middle)
    for colour, field in zip((RED, BLUE), fields.values(), strict=True):
        side = figures.TIMES * field.size
        assert count(figure, colour) == side**2 - (side - 2 * figures.LINE) ** 2
    first, last = (figures.TIMES * np.add(top_left, n) for n in (0, 6))
    blue = (figure == BLUE).all(axis=2)
    assert [(n.min(), n.max() + 1) for n in np.nonzero(blue)] == list(zip(first, last, strict=True))
