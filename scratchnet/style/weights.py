"""How much each part of J counts: weights that can be meant, and shares of several styles.

With w_n the weight of style n ::

    share_n = w_n / Σ_n w_n
"""

from collections.abc import Mapping, Sequence
from numbers import Real

import numpy as np


def blend_shares(count: int, weights: Sequence[float] | None = None) -> list[float]:
    """Return the share of each of several styles: weights scaled so that their sum is 1.

    Raises ValueError unless there is a weight for each, at least 0, and not all of them are.

    Examples
    --------
    >>> blend_shares(2, [3, 1]), blend_shares(2)
    ([0.75, 0.25], [0.5, 0.5])
    """
    weights = [1.0] * count if weights is None else list(weights)
    if len(weights) != count:
        raise ValueError(f"blend_weights: got {len(weights)}, wanted one for each style, {count}")
    check_weights({f"blend_weights[{n}]": weight for n, weight in enumerate(weights)})
    if not (total := sum(weights)):
        raise ValueError("blend_weights: all are 0")
    # share_n = w_n / Σ_n w_n
    return [weight / total for weight in weights]


def check_weights(weights: Mapping[str, float]) -> None:
    """Raise ValueError unless all weights are finite and at least 0."""
    for name, weight in weights.items():
        if not (isinstance(weight, Real) and 0 <= weight < np.inf):
            raise ValueError(f"{name}: got a weight of {weight!r}, wanted a number of at least 0")
