"""The derivatives of the Wasserstein distance of styles, and how they are checked.

A part of `catalogue`.
"""

from collections.abc import Iterator

import numpy as np

from scratchnet.checks.numerical import GradientReport, gradient_check
from scratchnet.network.gram import Gram
from scratchnet.style.masks import MaskedGram
from scratchnet.style.terms import WassersteinStyle
from scratchnet.style.wasserstein import (
    gaussian_target,
    mean_and_covariance,
    mean_and_covariance_backward,
    wasserstein_loss,
)


def check_wasserstein(rng: np.random.Generator, bound: float) -> Iterator[GradientReport]:
    """Check the distance of Gaussians by differences: eigenvectors allow no complex step."""
    a, a_S, gram = rng.standard_normal((6, 5, 4)), rng.standard_normal((4, 7, 4)), Gram()
    masked = MaskedGram(t=rng.uniform(0, 1, (6, 5)))
    target = gaussian_target(a_S)
    (mean, covariance), cache = mean_and_covariance(a, target.epsilon)
    _, dmean, dcovariance = wasserstein_loss(mean, covariance, target)
    dcov = rng.standard_normal((4, 4))
    dcov, dmu = dcov + dcov.T, rng.standard_normal(4)

    def projected(a):
        (mean, covariance), _ = mean_and_covariance(a)
        return np.sum(dmu * mean) + np.sum(dcov * covariance)

    for operation, argument, function, x, gradient in [
        ("mean_and_covariance", "a", projected, a,
         mean_and_covariance_backward(dmu, dcov, cache)),
        ("wasserstein_loss", "mean", lambda x: wasserstein_loss(x, covariance, target)[0], mean,
         dmean),
        ("wasserstein_loss", "covariance", lambda x: wasserstein_loss(mean, (x + x.T) / 2,
         target)[0], covariance, dcovariance),
        ("WassersteinStyle", "a", lambda x: WassersteinStyle.loss(x, target, 1.0, gram)[0], a,
         WassersteinStyle.loss(a, target, 1.0, gram)[1]),
        ("WassersteinStyle, masked", "a", lambda x: WassersteinStyle.loss(x, target, 1.0,
         masked)[0], a, WassersteinStyle.loss(a, target, 1.0, masked)[1]),
    ]:  # fmt: skip
        yield gradient_check(
            lambda x, f=function: (f(x), None), x, gradient,
            operation=operation, argument=argument, bound=bound,
        )  # fmt: skip
