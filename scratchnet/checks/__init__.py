"""The checks: every derivative worked out by hand agrees with one that was measured.

A derivative can be measured without knowing it, by a central difference or a complex step::

    f′(x; d) ≈ (f(x + h·d) − f(x − h·d)) / 2h        f′(x; d) ≈ Im f(x + i·h·d) / h

`numerical` does that, at kinks too; `catalogue` lists every derivative and checks it. Where this
project says that a derivative is *proved*, it means that both agree to 6 to 13 digits.
"""

from scratchnet.checks.catalogue import check_chain, check_operations, check_term
from scratchnet.checks.numerical import (
    GradientReport,
    as_function,
    as_scalar,
    direction_check,
    gradient_check,
)

__all__ = [
    "GradientReport",
    "as_function",
    "as_scalar",
    "check_chain",
    "check_operations",
    "check_term",
    "direction_check",
    "gradient_check",
]
