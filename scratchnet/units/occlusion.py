"""Which pixels matter to a unit, measured: cover them and look (Zeiler & Fergus 2013, §4.2).

`deconvnet` draws a unit's pixels by rules of its own making; this check needs no rule and no
derivative. The unit's field is cut into cells of step × step pixels. For each cell (u, v), cover a
square around it with the mean colour, which `Preprocess` turns to 0, and compute the unit again.
Its activation was a and is now a_covered ::

    response_uv = |a − a_covered|

Squares may be larger than cells (square ≥ step): a large one hides whole parts of things, where a
few pixels would not be missed. The cell is in the middle of its square.

The *effective field* is where the responses are. Let response₁ ≥ response₂ ≥ … ≥ response_N be all
of them in falling order. The cells that hold a part q of their sum are the n largest, with ::

    n = min{n : Σ_{m ≤ n} response_m ≥ q · Σ_{m ≤ N} response_m}

and take up the share n / N of the field. The theoretical field (`receptive_field`) is all that can
have any influence on the unit; this measures what had influence, on this unit in this picture. It
is a much smaller area, most of it near the middle: q = 0.9 took 0.21 to 0.28 of the field for five
units of VGG-16's third to fifth blocks. Another picture gives another area.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from scratchnet.network.network import Network
from scratchnet.network.preprocessing import Preprocess
from scratchnet.units.deconvnet import check_unit
from scratchnet.units.receptive_field import receptive_field
from scratchnet.units.unit_part import unit_part

SQUARES_ACROSS = 8  # so many squares would fit beside each other in a field


@dataclass(frozen=True)
class OcclusionMap:
    """How much a unit changed when squares of the picture were covered.

    Attributes
    ----------
    response : ndarray, (cells, cells)
        Of each cell; 0 where its square is outside the picture.
    activation : float
        a, with nothing covered.
    starts : ndarray of int, (cells,)
        First row of each square, and first column as well, counted from the first of the unit's
        field; negative for the first squares if they are larger than cells.
    square, step : int
        Side of a square and of a cell, in pixels: cell (u, v) begins at row u·step of the field.
    """

    response: np.ndarray
    activation: float
    starts: np.ndarray
    square: int
    step: int


def square_and_step(size: int) -> tuple[int, int]:
    """Return the sides of square and cell that suit a field: an eighth of it, and half of that.

    Both are at least 1. The half is rounded up, so that a field of VGG takes 300 passes at most.

    Examples
    --------
    >>> square_and_step(92), square_and_step(5)
    ((11, 6), (1, 1))
    """
    square = max(1, size // SQUARES_ACROSS)
    return square, -(-square // 2)


def occlusion_map(
    network: Network,
    image: np.ndarray,
    layer: str,
    position: tuple[int, int],
    channel: int,
    *,
    square: int,
    step: int,
    callback: Callable[[], None] = lambda: None,
) -> OcclusionMap:
    """Cover one square of a unit's field after the other and see how much the unit changes.

    It takes a forward pass for each cell, through what the unit depends on (`unit_part`).

    Parameters
    ----------
    network, image, layer, position, channel
        As in `deconvnet.explain`.
    square, step : int
        Sides of a square and of a cell, in pixels; `square_and_step` suggests them.
    callback : function
        Called after each cell.

    Returns
    -------
    map : OcclusionMap

    Raises
    ------
    ValueError
        For an unknown layer, a unit outside the map, no picture, or not 1 ≤ step ≤ square.
    """
    if not 1 <= step <= square:
        raise ValueError(f"got square {square} and step {step}, wanted 1 ≤ step ≤ square")
    check_unit(network, image, layer, position, channel)
    field = receptive_field(network, layer)
    part, place = unit_part(network, layer, position, image.shape[:2])
    # A copy, in the network's precision, in which the mean colour minus the mean is exactly 0.
    image = np.array(image, network.dtype)

    def a() -> float:
        return float(part.forward(image, [layer])[0][layer][(*place, channel)])

    # The cell is in the middle of its square, or half a pixel before it.
    starts = np.arange(0, field.size, step) - (square - step) // 2
    top, left, _, _ = field.box(*position)
    rows = [_within(start + top, square) for start in starts]
    cols = [_within(start + left, square) for start in starts]
    response = np.zeros((len(starts), len(starts)))
    activation = a()
    for u, v in np.ndindex(response.shape):
        covered = image[rows[u], cols[v]]
        if covered.size:  # else the square is outside the picture
            before = covered.copy()
            covered[:] = mean_colour(network.layers)
            # response_uv = |a − a_covered|
            response[u, v] = abs(activation - a())
            covered[:] = before
        callback()
    return OcclusionMap(response, activation, starts, square, step)


def _within(start: int, length: int) -> slice:
    """Return ``length`` indices from ``start`` on, without the negative ones."""
    return slice(max(start, 0), max(start + length, 0))


def share_of_field(response: np.ndarray, part: float = 0.9) -> float:
    """Return the smallest share of the field's area that holds a part of all responses.

    This measures the effective field. Where a field leaves the picture, what is outside counts as
    area without any response.

    Parameters
    ----------
    response : ndarray
        Of cells of equal area (those that the field's end cuts count as whole).
    part : float, default 0.9
        q, of the sum of all responses.

    Returns
    -------
    share : float
        n / N in 0–1; 0 if there is no response at all.

    Raises
    ------
    ValueError
        If ``part`` is not in 0–1.

    Examples
    --------
    The responses add up to 10, and 5 + 3 + 1 are nine tenths of that: three cells of five.

    >>> share_of_field(np.array([1, 5, 0, 3, 1]))
    0.6
    """
    if not 0 <= part <= 1:
        raise ValueError(f"got part {part}, wanted a number in 0–1")
    falling = np.sort(response, axis=None)[::-1]
    sums = np.concatenate([[0], np.cumsum(falling)])  # of the n largest, n = 0, 1, …
    # n = min{n : Σ_{m ≤ n} response_m ≥ q · Σ_{m ≤ N} response_m}
    n = np.searchsorted(sums, part * sums[-1])
    return float(n / response.size)


def mean_colour(layers: Iterable[object]) -> tuple[float, float, float]:
    """Return the colour, (red, green, blue), of which a network's first kernel sees zeros."""
    return next(layer.mean for layer in layers if isinstance(layer, Preprocess))[::-1]
