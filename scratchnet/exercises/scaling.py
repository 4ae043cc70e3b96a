"""A derivative is linear in what comes down to it: another way to see what is wrong.

With f(c) the reader's answer for c·dy, the right code has ::

    f(0) = 0        f(2) = 2 f(1)        f(−1) = −f(1)

The last does not hold for the deconvnet's rules; so only what holds for the right code is asked of
the reader's. (For a loss, all of its arguments are multiplied by c.)
"""

from types import ModuleType

import numpy as np

from scratchnet.exercises.exercise import Trial
from scratchnet.exercises.patterns import as_numbers, same


def not_linear(trial: Trial, module: ModuleType, right: ModuleType) -> str | None:
    """Return which of the three the reader's module breaks, and right code does not."""
    asked = [what for what in trial.right if what not in trial.given]
    if not trial.linear:
        return None
    # The first question; what follows are the arguments, which are to be left alone.
    try:
        (f_0, f_1, f_2, f_minus), (r_0, r_1, r_2, r_minus) = (
            [as_numbers(trial.answer(code, c)[asked[0]]) for c in (0.0, 1.0, 2.0, -1.0)]
            for code in (module, right)
        )
    except Exception:  # the reader's code may raise anything on these, and need not be told
        return None
    dy = trial.linear
    if not r_0.any() and np.any(f_0):
        if same(f_0, f_1):
            return f"it does not depend on {dy} at all: the chain rule multiplies by it"
        return f"it is not 0 where {dy} is 0: something is added that is no part of the derivative"
    if same(r_2, 2 * r_1) and not same(f_2, 2 * f_1):
        if same(f_2, f_1):
            return f"it does not grow with {dy}: only the sign counts, not the size"
        if same(f_2, 4 * f_1):
            return f"it grows with the square of {dy}: a derivative is linear in it"
        return f"it does not double where {dy} doubles: a derivative is linear in it"
    if same(r_minus, -r_1) and not same(f_minus, -f_1):
        if same(f_minus, f_1):
            return f"it does not change its sign with {dy}: are absolute values taken?"
        return f"negative entries of {dy} are not treated like positive ones: is its sign a mask?"
    return None
