"""Is a derivative that was worked out by hand the right one?

A derivative along a direction d can be measured without knowing it. A central difference serves
any function. By Taylor, f(x ± h·d) = f ± h f′ + ½ h² f″ ± h³ f‴/6 …, so it is good to about h², and
exact for quadratics; rounding adds about ε/h, and both together are least at h ≈ ε^⅓ ::

    f′(x; d) ≈ (f(x + h·d) − f(x − h·d)) / 2h

A complex step (Squire & Trapp 1998; i is √−1 here) serves analytic functions: sums, products, exp
and the like of complex numbers, but no absolute value, maximum or conjugate. f(x + i·h·d) is f(x)
+ i·h·f′(x; d) − …, so no difference is needed that would lose digits: h can be tiny, and the
result is exact up to rounding ::

    f′(x; d) ≈ Im f(x + i·h·d) / h

The derivative by hand must agree: f′(x; d) = Σ gradient · d. With one entry of d 1 and the others
0, that checks one entry of a gradient; with a random d, a whole chain at once. It agrees if this is
small, where typical is the root mean square of all entries of the gradient: a difference's rounding
error is as large for a small entry as for a large one ::

    error = |analytic − numeric| / max(|analytic|, |numeric|, typical)

**Kinks.** A ReLU at 0 or a tie in max pooling has no derivative, and a difference taken across such
a point measures nothing. So a function under check also returns its *pattern*: whatever tells
on which side of its kinks it is (a mask, the switches). A difference counts only if the pattern at
both its ends is the pattern at x. Otherwise the step is made smaller, and if that does not help (x
lies on the kink), the difference is taken on one side, the one that the pattern at x names, with
s = h or −h. This one, too, is exact for quadratics ::

    f′(x; d) ≈ (4·f(x + s·d) − f(x + 2s·d) − 3·f(x)) / 2s

How often that was needed is in the report; where even that is impossible, the check fails.

**Linear maps.** The backward pass of x ↦ Ax is its adjoint Aᵀ, which ⟨Ax, y⟩ = ⟨x, Aᵀy⟩ for all x
and y defines (⟨·, ·⟩ is the sum of products). It needs no difference to check that ::

    error = |⟨Ax, y⟩ − ⟨x, Aᵀy⟩| / (‖Ax‖ ‖y‖)
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

# x ↦ (value, pattern); the pattern of a smooth function is None
Function = Callable[[np.ndarray], tuple[Any, Any]]


@dataclass(frozen=True)
class GradientReport:
    """The worst entry of one gradient check.

    ``analytic`` is the derivative by hand, ``numeric`` the measured one, and ``kinks`` counts the
    one-sided differences among all entries.
    """

    operation: str
    argument: str
    error: float
    bound: float
    where: str
    analytic: float
    numeric: float
    kinks: int = 0

    @property
    def passed(self) -> bool:
        """Whether the error is within the bound (a NaN is not)."""
        return bool(self.error <= self.bound)

    def __str__(self) -> str:
        return (
            f"{self.operation}: {self.where}: by hand {self.analytic:.12g}, "
            f"measured {self.numeric:.12g}; relative error {self.error:.1e}, "
            f"bound {self.bound:.0e}, {'passed' if self.passed else 'FAILED'}"
        )


def same_pattern(a: Any, b: Any) -> bool:
    """Tell whether two patterns (arrays, or nested lists and tuples of them) are equal."""
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same_pattern, a, b))
    return np.array_equal(a, b)


def central_difference(
    function: Function, x: np.ndarray, direction: np.ndarray, step: float = 1e-4
) -> tuple[float, bool]:
    """Measure f′(x; direction) by a central difference.

    Returns
    -------
    derivative : float
        NaN if no step was found that stays on x's side of all kinks.
    at_kink : bool
        Whether x is so close to a kink that a one-sided difference had to be taken.
    """
    value, pattern = function(x)

    def at(t: float) -> float:
        """f(x + t·direction), or NaN beyond a kink."""
        moved, moved_pattern = function(x + t * direction)
        return moved if same_pattern(moved_pattern, pattern) else np.nan

    for h in (step, step / 16, step / 256):
        # f′(x; d) ≈ (f(x + h·d) − f(x − h·d)) / 2h
        derivative = (at(h) - at(-h)) / (2 * h)
        if not np.isnan(derivative):
            return derivative, False
    for h in (step, step / 16, step / 256):
        for s in (h, -h):
            # f′(x; d) ≈ (4·f(x + s·d) − f(x + 2s·d) − 3·f(x)) / 2s
            derivative = (4 * at(s) - at(2 * s) - 3 * value) / (2 * s)
            if not np.isnan(derivative):
                return derivative, True
    return np.nan, True


def complex_step(
    function: Function, x: np.ndarray, direction: np.ndarray, step: float = 1e-30
) -> tuple[float, bool]:
    """Measure f′(x; direction) by a complex step; the function must be smooth."""
    value, _ = function(x + 1j * step * direction)
    # f′(x; d) ≈ Im f(x + i·h·d) / h
    return value.imag / step, False


def numerical_gradient(
    function: Function, x: np.ndarray, derivative: Callable = central_difference
) -> tuple[np.ndarray, int]:
    """Measure ∂value/∂x entry by entry; return it, and how often x was at a kink."""
    numeric, kinks = np.empty_like(x), 0
    for position in np.ndindex(x.shape):
        direction = np.zeros_like(x)
        direction[position] = 1
        numeric[position], at_kink = derivative(function, x, direction)
        kinks += at_kink
    return numeric, kinks


def gradient_check(
    function: Function,
    x: np.ndarray,
    gradient: np.ndarray,
    *,
    operation: str,
    argument: str = "x",
    bound: float = 1e-7,
    derivative: Callable = central_difference,
) -> GradientReport:
    """Compare a gradient with a numerical one, entry by entry.

    Parameters
    ----------
    function : callable
        x ↦ (value, pattern), a scalar and the side of its kinks that x is on (or None).
    x : ndarray of float64
        Where to check.
    gradient : ndarray
        ∂value/∂x as worked out by hand, shaped like ``x``.
    operation, argument : str
        What is checked, for the message.
    bound : float
        Largest relative error that passes.
    derivative : callable
        `central_difference` or `complex_step`.

    Returns
    -------
    report : GradientReport
        Of the worst entry. Write ``assert report.passed, report``.

    Raises
    ------
    ValueError
        If ``x`` is not float64 (the differences would drown) or the shapes differ.

    Examples
    --------
    >>> x = np.array([1.0, 2.0])
    >>> report = gradient_check(lambda x: (np.sum(x**2), None), x, 2 * x, operation="square")
    >>> report.passed
    True
    >>> wrong = gradient_check(lambda x: (np.sum(x**2), None), x, 2.01 * x, operation="square")
    >>> wrong.passed
    False
    """
    _require_float64(x, gradient)
    numeric, kinks = numerical_gradient(function, x, derivative)
    error = relative_error(gradient, numeric)
    worst = np.unravel_index(np.argmax(error), error.shape)
    where = f"∂/∂{argument} at {tuple(map(int, worst))}"
    analytic, numeric = float(gradient[worst]), float(numeric[worst])
    error = float(error[worst])
    return GradientReport(operation, argument, error, bound, where, analytic, numeric, kinks)


def direction_check(
    function: Function,
    x: np.ndarray,
    gradient: np.ndarray,
    *,
    operation: str,
    argument: str = "x",
    bound: float = 1e-6,
    step: float = 1e-4,
    directions: int = 3,
    seed: int = 0,
) -> GradientReport:
    """Compare a gradient with a numerical one along random directions.

    For chains with too many entries to go through one by one: an error anywhere shows in
    almost every direction. Half of each direction is random, half of it follows the gradient,
    so that the derivative is not a small difference of large numbers; and so the error needs no
    typical entry. Parameters are those of `gradient_check`, and ``step``, the first h tried;
    returns the report of the worst direction.
    """
    _require_float64(x, gradient)
    rng = np.random.default_rng(seed)
    reports, kinks = [], 0
    for _ in range(directions):
        direction = rng.standard_normal(x.shape)
        direction /= np.linalg.norm(direction)
        direction += gradient / (np.linalg.norm(gradient) or 1)
        numeric, at_kink = central_difference(function, x, direction, step)
        kinks += at_kink
        analytic = np.sum(gradient * direction)
        error = relative_error(analytic, numeric, typical=0.0)
        reports.append((float(error), float(analytic), float(numeric)))
    error, analytic, numeric = max(reports, key=lambda report: report[0])
    where = f"∂/∂{argument} along a random direction"
    return GradientReport(operation, argument, error, bound, where, analytic, numeric, kinks)


def as_scalar(layer, dy: np.ndarray, *, smooth: bool = False) -> Function:
    """Turn a layer into a scalar function to check: x ↦ (Σ y·dy, the layer's cache).

    By the chain rule, the gradient of that with respect to x is layer.backward(dy, cache), where dy
    is what would come down from the layers above. A random dy, in which no entry is like another,
    checks them all at once. A layer's cache holds its masks and switches, and so serves as the
    pattern; a ``smooth`` layer, whose cache may hold values, needs none.
    """

    def function(x):
        y, cache = layer.forward(x)
        return np.sum(y * dy), None if smooth else cache

    return function


def as_function(objective, pattern: Callable | None = None) -> Function:
    """Turn a `StyleTransferObjective` into a function to check: G ↦ (J, on which side of kinks).

    The network's kinks are in its caches. If terms have kinks of their own, ``pattern`` says of a
    picture on which side of them it is (`numerical`).
    """

    def function(image):
        _, caches = objective.network.forward(image, objective.layers)
        value, _ = objective(image)
        return value, [caches, pattern(image) if pattern else None]

    return function


def adjoint_error(Ax: np.ndarray, y: np.ndarray, x: np.ndarray, Aty: np.ndarray) -> float:
    """Return |⟨Ax, y⟩ − ⟨x, Aᵀy⟩| / (‖Ax‖ ‖y‖): 0, but for rounding, if Aᵀ is A's adjoint.

    The sums are taken in float64 whatever the arrays' dtype.
    """
    Ax, y, x, Aty = (np.asarray(part, np.float64).ravel() for part in (Ax, y, x, Aty))
    scale = np.linalg.norm(Ax) * np.linalg.norm(y)
    # error = |⟨Ax, y⟩ − ⟨x, Aᵀy⟩| / (‖Ax‖ ‖y‖)
    return abs(Ax @ y - x @ Aty) / (scale or 1)


def relative_error(
    analytic: np.ndarray, numeric: np.ndarray, typical: float | None = None
) -> np.ndarray:
    """Return each entry's error, infinite where it is a NaN; see the module's docstring."""
    analytic, numeric = np.asarray(analytic, float), np.asarray(numeric, float)
    if typical is None:
        typical = np.sqrt(np.mean(np.square(analytic)))
    scale = np.maximum(np.maximum(np.abs(analytic), np.abs(numeric)), typical)
    # error = |analytic − numeric| / max(|analytic|, |numeric|, typical)
    error = np.abs(analytic - numeric) / np.where(scale == 0, 1, scale)
    return np.where(np.isfinite(error), error, np.inf)


def _require_float64(x: np.ndarray, gradient: np.ndarray) -> None:
    if x.dtype != np.float64:
        raise ValueError(
            f"got x in {x.dtype}, wanted float64: a difference would drown in rounding"
        )
    if gradient.shape != x.shape:
        raise ValueError(f"got a gradient of shape {gradient.shape} for an x of {x.shape}")
