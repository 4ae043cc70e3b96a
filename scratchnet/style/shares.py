"""How much each of several styles counts.

Each style r has a weight of its own, w_r, and covers a part c_r of the picture (1 without a mask);
all of them together cover U of it. They share style_weight by weight and by area ::

    share_r = U · w_r c_r / Σ_r w_r c_r

So the shares add up to U, what is covered at all. With equal weights and masks that do not overlap,
a position counts as much as if its style were everywhere. (Without masks, U and all c_r are 1.)
"""

from collections.abc import Mapping, Sequence
from numbers import Real

import numpy as np

from scratchnet.style.masks import coverage


def blend_shares(
    count: int,
    weights: Sequence[float] | None = None,
    masks: Sequence[np.ndarray | None] | None = None,
) -> list[float]:
    """Return the share of each of several styles; without masks, their sum is 1.

    Raises ValueError unless there is a weight for each, at least 0, and not all of them are.

    Examples
    --------
    >>> blend_shares(2, [3, 1]), blend_shares(2)
    ([0.75, 0.25], [0.5, 0.5])
    >>> blend_shares(2, masks=[np.array([[1, 0, 0, 0]]), np.array([[0, 1, 1, 0]])])
    [0.25, 0.5]
    """
    weights = [1.0] * count if weights is None else list(weights)
    if len(weights) != count:
        raise ValueError(f"blend_weights: got {len(weights)}, wanted one for each style, {count}")
    check_weights({f"blend_weights[{n}]": weight for n, weight in enumerate(weights)})
    covered, U, _ = coverage([None] * count if masks is None else masks)
    counted = [weight * c for weight, c in zip(weights, covered, strict=True)]
    if not (total := sum(counted)):
        raise ValueError("blend_weights: all are 0")
    # share_r = U · w_r c_r / Σ_r w_r c_r
    return [U * (weight / total) for weight in counted]


def check_weights(weights: Mapping[str, float]) -> None:
    """Raise ValueError unless all weights are finite and at least 0."""
    for name, weight in weights.items():
        if not (isinstance(weight, Real) and 0 <= weight < np.inf):
            raise ValueError(f"{name}: got a weight of {weight!r}, wanted a number of at least 0")
