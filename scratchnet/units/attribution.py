"""Which pixels make a unit fire: two answers that ask for its gradient at many pictures, not one.

The gradient of a deep unit looks like noise (`deconvnet`): it tells what the next small change of a
pixel does, and a unit that fires strongly often answers to none. Let x be the picture, a(x) = a_ijk
one unit's activation, and ∂a/∂x its gradient (the rule "gradient" of `deconvnet`, with a signal of
1 at the unit).

**SmoothGrad** (Smilkov et al. 2017) takes the mean of the gradients of many pictures that are x
with noise. What has another sign in each of them goes away ::

    S = 1/n Σ_m ∂a/∂x (x + ε_m)                     ε_m from a normal distribution, (H, W, 3)

**Integrated gradients** (Sundararajan, Taly & Yan 2017) walk in a straight line from a picture x′
that shows nothing, here the mean colour, to x, and ask at each step what the next one adds. Next
to x′ all maps are small, and biases decide who fires: there the gradient changes fastest. So steps
are shorter there, t = s² ::

    A = (x − x′) · ∫₀¹ ∂a/∂x (x′ + t (x − x′)) dt
    A ≈ (x − x′) · 1/n Σ_m 2 s_m ∂a/∂x (x′ + s_m² (x − x′)),       s_m = (m − ½) / n

By the chain rule the integrand, summed over all entries of x, is da/dt. So the entries of A add up
to what there is to explain, and none is counted twice ::

    Σ A = a(x) − a(x′)

That is the axiom of completeness. The sum on n steps keeps it up to the error of the midpoint rule,
which the test measures.

**What they can't show.** S has no scale of its own: more noise, another picture. A depends on x′:
it says that what has the colour of x′ does not count, whatever it shows. And A has the factor
x − x′, so it shows the photograph a little, also of a network that has learned nothing: look at the
control (``scripts/explain_units.py``).
"""

import numpy as np

from scratchnet.network.network import Network
from scratchnet.units.deconvnet import project_back, run_unit
from scratchnet.units.occlusion import mean_colour

NOISE = 0.15  # of the picture's range of values: the middle of what the paper recommends, 10–20 %


def unit_gradient(
    network: Network, image: np.ndarray, layer: str, position: tuple[int, int], channel: int
) -> tuple[float, np.ndarray]:
    """Return a unit's activation a(x) and its gradient ∂a/∂x, (H, W, 3).

    Parameters and errors are those of `deconvnet.explain`.
    """
    part, caches, a, at_unit = run_unit(network, image, layer, position, channel)
    return float(a), project_back(part, at_unit, layer, caches, "gradient")


def smoothgrad(
    network: Network,
    image: np.ndarray,
    layer: str,
    position: tuple[int, int],
    channel: int,
    *,
    samples: int = 32,
    noise: float = NOISE,
    seed: int = 0,
) -> np.ndarray:
    """Return S, (H, W, 3), in the unit's activation per grey level.

    Parameters
    ----------
    network : Network
    image : ndarray, (H, W, 3)
        x, RGB in 0–255.
    layer, position, channel
        As for `deconvnet.explain`.
    samples : int
        n.
    noise : float
        Standard deviation of ε, in ranges of the picture's values (largest minus smallest).
    seed : int
        Of the noise.

    Raises
    ------
    ValueError
        For fewer samples than 1, and as `deconvnet.explain` does.
    """
    if samples < 1:
        raise ValueError(f"got {samples} samples, wanted at least 1")
    rng = np.random.default_rng(seed)
    deviation = noise * float(np.ptp(image))
    total = np.zeros(image.shape)
    for _ in range(samples):
        noisy = image + rng.normal(0, deviation, image.shape)
        total += unit_gradient(network, noisy, layer, position, channel)[1]
    # S = 1/n Σ_m ∂a/∂x (x + ε_m)
    return (total / samples).astype(network.dtype)


def integrated_gradients(
    network: Network,
    image: np.ndarray,
    layer: str,
    position: tuple[int, int],
    channel: int,
    *,
    steps: int = 64,
    baseline: np.ndarray | None = None,
) -> np.ndarray:
    """Return A, (H, W, 3): which part of the unit's activation each entry of the picture makes.

    Parameters
    ----------
    network : Network
    image : ndarray, (H, W, 3)
        x, RGB in 0–255.
    layer, position, channel
        As for `deconvnet.explain`.
    steps : int
        n.
    baseline : ndarray, (H, W, 3), optional
        x′; without it, the mean colour, of which the first layer sees zeros.

    Raises
    ------
    ValueError
        For fewer steps than 1, and as `deconvnet.explain` does.
    """
    if steps < 1:
        raise ValueError(f"got {steps} steps, wanted at least 1")
    image = np.asarray(image, float)
    difference = image - (mean_colour(network.layers) if baseline is None else baseline)
    total = np.zeros(image.shape)
    for m in range(1, steps + 1):
        # s_m = (m − ½) / n
        s = (m - 0.5) / steps
        between = image - (1 - s**2) * difference  # x′ + s² (x − x′)
        total += 2 * s * unit_gradient(network, between, layer, position, channel)[1]
    # A ≈ (x − x′) · 1/n Σ_m 2 s_m ∂a/∂x (x′ + s_m² (x − x′))
    return (difference * (total / steps)).astype(network.dtype)
