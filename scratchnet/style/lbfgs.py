"""L-BFGS: a descent that learns the curvature of J as it goes (Nocedal 1980).

(H, s, y and ρ are this method's own letters: H is a matrix here, not a picture's height.)

Newton's method would step to where the gradient vanishes, if J were a parabola ::

    G ← G − H g           g = ∂J/∂G,   H the inverse of J's matrix of second derivatives

That matrix has a row for each pixel. L-BFGS never forms it. A step s that changed the gradient by
y says H y = s, and the last m of those pairs,

    s_i = G_{i+1} − G_i        y_i = g_{i+1} − g_i        ρ_i = 1/(y_iᵀ s_i)

are built into H one after the other, from a first guess H⁰ ::

    H ← (1 − ρ s yᵀ) H (1 − ρ y sᵀ) + ρ s sᵀ              (so that H y = s)

Multiplied by g from the right, this unrolls into two loops over the pairs ::

    q = g
    i = newest … oldest:    α_i = ρ_i s_iᵀ q,     q ← q − α_i y_i
    q ← H⁰ q
    i = oldest … newest:    β_i = ρ_i y_iᵀ q,     q ← q + (α_i − β_i) s_i

and q is H g. Usually H⁰ is a multiple of 1. Ours is what `optimizers` found out about J: steep
along fine detail, flat along broad shapes. With γ so large that H⁰ fits the newest pair best ::

    H⁰ q = γ DCT⁻¹(DCT(q) / √f)        γ = (s y) / (yᵀ DCT⁻¹(DCT(y) / √f))

Each evaluation of J is a step. Where the picture overshot, so that J rises along s as steeply as
it fell before, the step is taken back to where the slope g ᵀs, a straight line between its two
values, is 0.
"""

from dataclasses import dataclass

import numpy as np

from scratchnet.style.optimizers import State, in_pixels, smooth

OVERSHOT = 0.9  # · the slope at the start of the step


def two_loops(g: np.ndarray, pairs: list[tuple[np.ndarray, np.ndarray]], first_guess) -> np.ndarray:
    """Return H g.

    Parameters
    ----------
    g : ndarray
    pairs : list of (s, y)
        Arrays like ``g``, the newest last, each with yᵀ s > 0.
    first_guess : callable
        H⁰: takes an array and returns one.

    Examples
    --------
    A pair is remembered: H y = s.

    >>> s, y = np.array([1.0, 2.0]), np.array([3.0, 1.0])
    >>> two_loops(y, [(s, y)], lambda q: q).round(12).tolist()
    [1.0, 2.0]
    """
    q, alphas = g, []
    for s, y in reversed(pairs):
        # α_i = ρ_i s_iᵀ q,  q ← q − α_i y_i
        alphas.append(_dot(s, q) / _dot(y, s))
        q = q - alphas[-1] * y
    # q ← H⁰ q
    q = first_guess(q)
    for (s, y), alpha in zip(pairs, reversed(alphas), strict=True):
        # β_i = ρ_i y_iᵀ q,  q ← q + (α_i − β_i) s_i
        beta = _dot(y, q) / _dot(y, s)
        q = q + (alpha - beta) * s
    return q


def _dot(a: np.ndarray, b: np.ndarray) -> float:
    """Return aᵀ b, over all entries."""
    return float(np.sum(a * b))  # not BLAS's, whose sum depends on its threads


@dataclass(frozen=True)
class LBFGS:
    """L-BFGS on the pixels of G, clipped to colours.

    Gets down in fewer evaluations of J than `PixelDescent`, and need not know their number; its
    memory holds 2m pictures.

    Parameters
    ----------
    pairs : int
        m: how many steps are remembered.
    learning_rate : float
        The root mean square of the first step, in pixel values (0–255).
    longest : float
        No step has a larger root mean square.
    smoothing : float
        The exponent of f in H⁰, as in `optimizers.smooth`.
    """

    pairs: int = 10
    learning_rate: float = 3.0
    longest: float = 30.0
    smoothing: float = 0.5

    def start(self, image: np.ndarray, iterations: int) -> State:
        """Return the state before the first step: no pair is known.

        Later it holds the last ``image`` and ``gradient``, and the ``count`` pairs s0, y0, s1, y1,
        …, the oldest first.
        """
        return {"count": 0, "shortened": False, "scale": 0.0}

    def step(
        self, image: np.ndarray, gradient: np.ndarray, state: State
    ) -> tuple[np.ndarray, State]:
        """Return the picture after one step, and the new state.

        Parameters
        ----------
        image, gradient : ndarray, (H, W, 3)
            G and ∂J/∂G.
        state : dict
            From `start` or from the step before; it is not changed.
        """
        # A factor before J changes no step; this one keeps a float32 gradient's squares finite.
        scale = float(state["scale"]) or float(np.abs(gradient).max()) or 1.0
        gradient = gradient / scale
        pairs = [(state[f"s{n}"], state[f"y{n}"]) for n in range(int(state["count"]))]
        if "image" in state:
            s, y = image - state["image"], gradient - state["gradient"]
            before, now = _dot(state["gradient"], s), _dot(gradient, s)
            if now > OVERSHOT * -before > 0 and not state["shortened"]:
                # the slope's zero, on the line from (0, before) to (1, now)
                share = before / (before - now)
                return state["image"] + share * s, {**state, "shortened": True}
            # Where clipping has turned a step uphill, the pairs are of no use any more.
            pairs = pairs if before < 0 else []
            if _dot(s, y) > 0:
                pairs = [*pairs, (s, y)][-self.pairs :]
        # A pixel at its bound that J would push further takes no part: P H P g, P its projection.
        held = ((image <= 0) & (gradient > 0)) | ((image >= 255) & (gradient < 0))
        direction = self._direction(np.where(held, 0, gradient), pairs)
        # G ← clip(G − H g, 0, 255)
        moved = np.clip(image - np.where(held, 0, direction), 0, 255)
        known = {"count": len(pairs), "shortened": False, "scale": scale}
        for n, (s, y) in enumerate(pairs):
            known |= {f"s{n}": s, f"y{n}": y}
        return moved, {**known, "image": image, "gradient": gradient}

    def _direction(self, gradient: np.ndarray, pairs: list) -> np.ndarray:
        """Return H g, or what the first step is to be."""
        if not pairs:
            return self.learning_rate * in_pixels(smooth(gradient, self.smoothing))
        s, y = pairs[-1]
        # γ = (s y) / (yᵀ DCT⁻¹(DCT(y) / √f))
        gamma = _dot(s, y) / _dot(y, smooth(y, self.smoothing))
        # H⁰ q = γ DCT⁻¹(DCT(q) / √f)
        direction = two_loops(gradient, pairs, lambda q: gamma * smooth(q, self.smoothing))
        rms = np.sqrt(np.mean(np.square(direction)))
        return direction * min(1.0, self.longest / rms) if rms > 0 else direction
