"""Patterns of errors: what wrong numbers, beside the right ones, say about themselves.

All of them are a constant factor too large; they are the right ones with two axes exchanged; they
are right inside and wrong at the border. Each pattern is a function that looks at one wrong answer
and says what it sees, or None.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import combinations, permutations
from typing import NamedTuple

import numpy as np

from scratchnet.exercises.exercise import Trial

SAME = 1e-6  # of the largest entry
THROUGHOUT = 0.9  # of the entries of a part
MAP = ("row", "column", "channel")


class Wrong(NamedTuple):
    """A wrong answer: to which trial, to which of its questions, and what was answered."""

    trial: Trial
    what: str
    answer: np.ndarray

    @property
    def right(self) -> np.ndarray:
        """The right answer."""
        return np.asarray(self.trial.right[self.what], float)

    @property
    def bad(self) -> np.ndarray:
        """Which entries are wrong."""
        return np.abs(self.answer - self.right) > SAME * np.abs(self.right).max()

    @property
    def axes(self) -> tuple[str, ...]:
        """What the axes are called."""
        return self.trial.axes.get(self.what, MAP)


def as_numbers(answer: object) -> np.ndarray:
    """Return an answer as an array; an array of NaN if it is none, which equals nothing."""
    try:
        return np.asarray(answer, float)
    except (TypeError, ValueError):
        return np.array(np.nan)


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """Tell whether two arrays are equal but for rounding."""
    if a.shape != b.shape or not (np.isfinite(a).all() and np.isfinite(b).all()):
        return False
    return bool(np.abs(a - b).max(initial=0) <= SAME * max(np.abs(b).max(initial=0), 1e-12))


def zeros(wrong: Wrong) -> str | None:
    """Nothing was filled in."""
    if not wrong.answer.any() and wrong.right.any():
        return "everything is 0: is the result ever filled in, and is that what is returned?"
    return None


def factor(answer: np.ndarray, right: np.ndarray) -> float | None:
    """Return c if answer = c · right."""
    if answer.shape != right.shape or not right.any():
        return None
    c = float(np.sum(answer * right) / np.sum(right * right))
    return c if c and same(answer, c * right) else None


def rearranged(wrong: Wrong) -> str | None:
    """The right numbers, up to a factor, in their places or in others."""
    for how, right in _arrangements(wrong):
        if (c := factor(wrong.answer, right)) is not None:
            parts = [how, named_factor(c, wrong.trial.factors)]
            return "; and ".join(part for part in parts if part)
    return None


def _arrangements(wrong: Wrong) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the right answer as it is, with axes reversed, and with axes exchanged."""
    right, axes = wrong.right, wrong.axes
    yield "", right
    for count in (1, 2):
        for chosen in combinations(range(right.ndim), count):
            names = " and ".join(axes[n] for n in chosen)
            note = ""
            if names == "channel":
                note = ": BGR not turned back to RGB?"
            elif names in ("u and v", "row and column"):
                note = ": turned by 180°"
            yield f"the right numbers, with {names} in reverse order{note}", np.flip(right, chosen)
    for order in permutations(range(right.ndim)):
        moved = right.transpose(order)
        if order != tuple(range(right.ndim)):
            names = " and ".join(axes[n] for n, m in enumerate(order) if n != m)
            yield f"the right numbers, with {names} exchanged (a transpose)", moved
            if moved.shape != right.shape and moved.size == right.size:
                yield (
                    f"the right numbers, with {names} exchanged and then reshaped",
                    moved.reshape(right.shape),
                )


def named_factor(c: float, factors: Mapping[str, float]) -> str:
    """Say what a factor is."""
    if abs(c - 1) < SAME:
        return ""
    if abs(c + 1) < SAME:
        return "the sign is wrong everywhere: a descent would go uphill"
    sign = "of the wrong sign, and " if c < 0 else ""
    known = {name: value for name, value in factors.items() if value not in (0, 1)}
    known |= {"2": 2, "4": 4, "8": 8, "255": 255}
    known |= {f"{n} · {name}": n * value for n in (2, 4) for name, value in factors.items()}
    for name, value in known.items():
        number = name if name == f"{value:g}" else f"{value:g} ({name})"
        if abs(abs(c) / value - 1) < SAME:
            return f"everything is {sign}too large by the factor {number}"
        if abs(abs(c) * value - 1) < SAME:
            return f"everything is {sign}too small by the factor {number}"
    return f"everything is {sign}{abs(c):.6g} times what it should be"


def offset(wrong: Wrong) -> str | None:
    """The same number is added everywhere."""
    if wrong.answer.shape != wrong.right.shape or wrong.right.size < 2:
        return None
    d = wrong.answer - wrong.right
    if same(d, np.full_like(d, d.flat[0])):
        return f"{d.flat[0]:.4g} is added everywhere"
    return None


def shifted(wrong: Wrong) -> str | None:
    """The right map, some rows or columns away."""
    a, b = wrong.answer, wrong.right
    if wrong.axes != MAP or a.ndim != 3 or a.shape != b.shape:
        return None
    H, W, _ = a.shape
    for down, along in sorted(np.ndindex(5, 5), key=lambda n: abs(n[0] - 2) + abs(n[1] - 2)):
        i, j = down - 2, along - 2
        there = a[max(i, 0) : H + min(i, 0), max(j, 0) : W + min(j, 0)]
        here = b[max(-i, 0) : H + min(-i, 0), max(-j, 0) : W + min(-j, 0)]
        if (i or j) and there.size and here.any() and same(there, here):
            where = [f"{abs(i)} row(s) {'down' if i > 0 else 'up'}"] * bool(i)
            where += [f"{abs(j)} column(s) to the {'right' if j > 0 else 'left'}"] * bool(j)
            return f"the right numbers, {' and '.join(where)}: is the padding cut off?"
    return None


def whole_numbers(wrong: Wrong) -> str | None:
    """Nothing after the point."""
    a, b = wrong.answer, wrong.right
    if not a.any() or not np.array_equal(a, np.rint(a)) or np.array_equal(b, np.rint(b)):
        return None
    if set(np.unique(a)) <= {0, 1}:
        return "all are 0 or 1: a mask; the chain rule multiplies it by what comes down"
    return "all are whole numbers: is an array of integers filled, or // used?"


def by_channel(wrong: Wrong) -> str | None:
    """A number of its own is added to each channel."""
    a, b = wrong.answer, wrong.right
    if a.shape != b.shape or a.ndim != 3 or a[..., 0].size < 2:
        return None
    for sign, also in ((1, ""), (-1, "the sign is wrong, and ")):
        d = a - sign * b
        if same(d, np.broadcast_to(d[0, 0], d.shape)):
            return f"{also}a constant is added to each channel: {d[0, 0].round(3).tolist()}"
    return None


def where(bad: np.ndarray, right: np.ndarray, axes: tuple[str, ...]) -> str:
    """Say which rows, columns or channels are wrong throughout, if nothing else is; or ""."""
    found, inside = [], np.ones_like(bad)
    for axis, name in enumerate(axes[: bad.ndim]):
        others = tuple(n for n in range(bad.ndim) if n != axis)
        some = bad.any(axis=others)
        n, size = np.flatnonzero(some), len(some)
        inside &= np.expand_dims(some, others)
        if len(n) == 1 and size > 1:
            end = {0: "first ", size - 1: "last "}.get(int(n[0]), "")
            found.append(f"the {end}{name} ({n[0]})")
        elif len(n) < size:
            found.append(f"the {name}s {', '.join(map(str, n))}")
    throughout = (bad | (right == 0))[inside].mean() > THROUGHOUT if inside.any() else False
    return " and ".join(found) if throughout else ""


def region(wrong: Wrong) -> str | None:
    """Wrong in some rows, columns or channels only; on or off the diagonal."""
    a, b = wrong.answer, wrong.right
    if a.shape != b.shape:
        return None
    bad = wrong.bad
    what = "0, and only there" if not a[bad].any() else "wrong, and only there"
    if place := where(bad, b, wrong.axes):
        return f"in {place} answers are {what}"
    if a.ndim == 2 and a.shape[0] == a.shape[1]:
        on = np.eye(len(a), dtype=bool)
        for place, inside in [("on", on), ("off", ~on), ("below", np.tril(~on)),
                              ("above", np.triu(~on))]:  # fmt: skip
            if not bad[~inside].any():
                return f"{place} the diagonal everything is {what}"
    return None


def sides(bad: np.ndarray, border: int) -> str:
    """Say at which sides of a map the True entries are."""
    inner = slice(border, -border)
    parts = {
        "top": bad[:border, inner], "bottom": bad[-border:, inner],
        "left": bad[inner, :border], "right": bad[inner, -border:],
    }  # fmt: skip
    return " and ".join(name for name, part in parts.items() if part.any())


def border(wrong: Wrong) -> str | None:
    """Right inside, wrong at the border."""
    a, b, width = wrong.answer, wrong.right, wrong.trial.border
    if a.shape != b.shape or not width or wrong.axes != MAP:
        return None
    bad = wrong.bad
    inner = bad[width:-width, width:-width]
    if not inner.size or inner.any():
        return None
    side = f" ({sides(bad, width)})" if sides(bad, width) else ""
    return f"right inside, wrong at the border{side}: look at the padding, and at where indices end"


def places(wrong: Wrong) -> str | None:
    """Wrong in some places only, which say why."""
    a, b = wrong.answer, wrong.right
    if a.shape != b.shape:
        return None
    bad = wrong.bad
    extra, lost = bad & (b == 0), bad & (a == 0)
    if not (bad & ~extra & ~lost).any():
        if not lost.any():
            return f"{extra.sum()} entries should be 0 and are not: is a mask missing?"
        if not extra.any():
            return f"{lost.sum()} entries are 0 and should not be: the rest is right"
        return "what should be 0 is not, and the other way round: a mask from the wrong side?"
    if 0 < bad.mean() <= 0.5 and wrong.axes == MAP:
        return f"right in {1 - bad.mean():.0%} of the places, wrong in the rest"
    return None


PATTERNS: tuple[Callable[[Wrong], str | None], ...] = (
    zeros, rearranged, offset, by_channel, shifted, whole_numbers, border, region, places,
)  # fmt: skip
