"""L-BFGS: a descent that learns the curvature of J as it goes (Nocedal 1980).

(H, K, P, m, q, r, s, y, γ, ρ, τ, φ, α_i and β_i are this method's own letters: H is a matrix here,
not a picture's height, and α and β are no weights.)

Newton's method would step to where the gradient vanishes, if J were a parabola ::

    G ← G − H g           g = ∂J/∂G,   H the inverse of J's matrix of second derivatives

For near G, the gradient at G + d is g + J″ d, with J″ that matrix, and 0 for d = −J″⁻¹ g. It has a
row for each colour of each pixel, and L-BFGS never forms it. A step s that changed the gradient by
y says y ≈ J″ s, so that H y should be s. The last m of those pairs,

    s_i = G_{i+1} − G_i        y_i = g_{i+1} − g_i        ρ_i = 1/(y_iᵀ s_i)

are built into H one after the other, the oldest first, from a first guess H⁰, by the least change
that keeps H symmetric (older pairs are then kept about, not exactly) ::

    H ← (1 − ρ s yᵀ) H (1 − ρ y sᵀ) + ρ s sᵀ

Then the new H has H y = s, for (1 − ρ y sᵀ) y = y − y (ρ sᵀ y) = 0 and ρ s sᵀ y = s. Now apply it
to g, from the right to the left, with H_old the matrix before the update:

    (1 − ρ y sᵀ) g = g − α y = q              α = ρ sᵀ g
    H_old q        = r                        the same again, with the pair before
    (1 − ρ s yᵀ) r = r − β s                  β = ρ yᵀ r
    ρ s sᵀ g       = α s
    H g            = r − β s + α s = r + (α − β) s

The second line contains all five for the pair before, and so on down to H⁰. So the first lines of
all pairs come first, from the newest to the oldest, and the last lines follow on the way back:
two loops ::

    q = g
    i = newest … oldest:    α_i = ρ_i s_iᵀ q,     q ← q − α_i y_i
    r = H⁰ q
    i = oldest … newest:    β_i = ρ_i y_iᵀ r,     r ← r + (α_i − β_i) s_i

and r is H g. Only pairs with yᵀ s > 0 are used: then gᵀ H g stays above 0, and −H g leads
downhill. Usually H⁰ is a multiple of 1: J is taken to be equally curved in all directions. It is
not. It is curved along fine waves and flat along broad ones (`optimizers.smooth`), and more curved
in brightness than in hue. The pairs tell how much. Write a picture as cosine waves of three
colours that do not correlate (`waves`), and let a *band* b be the waves of one colour and one
octave of frequencies f. Within a band, J's second derivative is about |y_b| / |s_b| and its
inverse, which H⁰ should be, |s_b| / |y_b|, with lengths over all pairs ::

    |x_b|² = Σ_{waves of b} x²

Part of y_b comes from other bands of s, though. So K, the first guess for a band, is the geometric
mean of that inverse and of f^−¼, a compromise: the measured inverse falls about like f^−½ in
brightness, and hardly at all in hue ::

    K = √(|s_b| / |y_b| · f^−¼)
    H⁰ q = γ waves⁻¹(K waves(q))

As H⁰ y should be s, yᵀ H⁰ y = γ yᵀ waves⁻¹(K waves(y)) should be yᵀ s; γ makes it so for the newest
pair. And `waves` is a rotation, aᵀ waves⁻¹(b) = waves(a)ᵀ b. So ::

    γ = sᵀy / Σ K waves(y)²

A pixel that is 0 or 255 already, and that J would push further, takes no part. Let P set such
pixels to 0 ::

    G ← clip(G − P H P g, 0, 255)        with H g shortened to a root mean square of `longest`

Each evaluation of J is a step. J's slope along it is φ_0 = g_oldᵀ s at its start and φ_1 = gᵀ s at
its end. Where it overshot, so that J rises at the end nearly as steeply as it fell at the start, it
is taken back to where the slope, a straight line φ_0 + τ (φ_1 − φ_0) between the two, is 0; the
pair is learned from there ::

    φ_1 > −0.9 φ_0 > 0:    G ← G_old + τ s        τ = φ_0 / (φ_0 − φ_1)
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from scratchnet.style.optimizers import State, check_numbers, frequencies, in_pixels, smooth

OVERSHOT = 0.9  # · the slope at the start of the step
TINY = 1e-15  # added to lengths, so that a band without waves gives 1 instead of 0/0


def waves(x: np.ndarray) -> np.ndarray:
    """Write a picture (H, W, 3) as cosine waves of three colours; a rotation: lengths stay.

    The colours are light, red against blue, and green against both: about those in which
    photographs do not correlate.
    """
    from scipy.fft import dctn

    red, green, blue = np.moveaxis(x, 2, 0)
    colours = [
        (red + green + blue) / 3**0.5,
        (red - blue) / 2**0.5,
        (red - 2 * green + blue) / 6**0.5,
    ]
    return dctn(np.stack(colours, axis=2), axes=(0, 1), norm="ortho")


def picture(x: np.ndarray) -> np.ndarray:
    """Undo `waves`, of which ``x`` is what it returned.

    Examples
    --------
    >>> x = np.arange(12.0).reshape(2, 2, 3)
    >>> np.allclose(picture(waves(x)), x)
    True
    """
    from scipy.fft import idctn

    light, red_blue, green = np.moveaxis(idctn(x, axes=(0, 1), norm="ortho"), 2, 0)
    light, red_blue, green = light / 3**0.5, red_blue / 2**0.5, green / 6**0.5
    return np.stack([light + red_blue + green, light - 2 * green, light - red_blue + green], axis=2)


@lru_cache(maxsize=4)
def octaves(H: int, W: int) -> np.ndarray:
    """Return each wave's octave, counted from the broadest on, (H, W)."""
    # log₂ f, rounded
    octave = np.rint(np.log2(frequencies(H, W))).astype(int)
    return octave - octave.min()


def band_squares(x: np.ndarray) -> np.ndarray:
    """Return |x_b|², (octaves, 3): the sum of squares in each band of ``x``, waves (H, W, 3)."""
    octave = octaves(*x.shape[:2]).ravel()
    # |x_b|² = Σ_{waves of b} x²
    squares = np.square(x, dtype=np.float64).reshape(-1, 3)
    return np.stack([np.bincount(octave, squares[:, k]) for k in range(3)], axis=1)


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
    # q = g
    q, alphas = g, []
    for s, y in reversed(pairs):
        # α_i = ρ_i s_iᵀ q,  q ← q − α_i y_i
        alphas.append(_dot(s, q) / _dot(y, s))
        q = q - alphas[-1] * y
    # r = H⁰ q
    r = first_guess(q)
    for (s, y), alpha in zip(pairs, reversed(alphas), strict=True):
        # β_i = ρ_i y_iᵀ r,  r ← r + (α_i − β_i) s_i
        beta = _dot(y, r) / _dot(y, s)
        r = r + (alpha - beta) * s
    return r


def _dot(a: np.ndarray, b: np.ndarray) -> float:
    """Return aᵀ b, with pictures as long columns."""
    # aᵀ b = Σ_ijk a_ijk b_ijk; not by BLAS, whose sum depends on its threads
    return float(np.sum(a * b))


@dataclass(frozen=True)
class LBFGS:
    """L-BFGS on the pixels of G, clipped to colours.

    It needs fewer evaluations of J than `PixelDescent`, and need not know their number in advance;
    its state holds 2m pictures.

    Parameters
    ----------
    pairs : int
        m: how many steps are remembered.
    learning_rate : float
        The root mean square of the first step, in pixel values (0–255).
    longest : float
        No step has a larger root mean square.
    smoothing : float
        The exponent of f in the first step, as in `optimizers.smooth`, and in K².
    """

    pairs: int = 10
    learning_rate: float = 3.0
    longest: float = 30.0
    smoothing: float = 0.25

    def __post_init__(self):
        check_numbers(self)

    def start(self, image: np.ndarray, iterations: int) -> State:
        """Return the state before the first step: no pair is known.

        Later it holds the last ``image`` and ``gradient``, and the ``count`` pairs s0, y0, s1, y1,
        …, the oldest first, with the squares of their bands S0, Y0, …
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
        pairs = [[state[f"{x}{n}"] for x in "sySY"] for n in range(int(state["count"]))]
        if "image" in state:
            # s = G − G_old,  y = g − g_old
            s, y = image - state["image"], gradient - state["gradient"]
            # φ_0 = g_oldᵀ s,  φ_1 = gᵀ s
            before, now = _dot(state["gradient"], s), _dot(gradient, s)
            # φ_1 > −0.9 φ_0 > 0
            if now > OVERSHOT * -before > 0 and not state["shortened"]:
                # G ← G_old + τ s,  τ = φ_0 / (φ_0 − φ_1)
                tau = before / (before - now)
                return state["image"] + tau * s, {**state, "shortened": True}
            # Where clipping has turned a step uphill, the pairs are of no use any more.
            pairs = pairs if before < 0 else []
            if _dot(s, y) > 0:
                squares = [band_squares(waves(x)) for x in (s, y)]
                pairs = [*pairs, [s, y, *squares]][-self.pairs :]
        held = ((image <= 0) & (gradient > 0)) | ((image >= 255) & (gradient < 0))
        direction = self._direction(np.where(held, 0, gradient), pairs)
        # G ← clip(G − P H P g, 0, 255)
        moved = np.clip(image - np.where(held, 0, direction), 0, 255)
        known = {"count": len(pairs), "shortened": False, "scale": scale}
        for n, pair in enumerate(pairs):
            known |= {f"{x}{n}": part for x, part in zip("sySY", pair, strict=True)}
        return moved, {**known, "image": image, "gradient": gradient}

    def _direction(self, gradient: np.ndarray, pairs: list) -> np.ndarray:
        """Return H g, or what the first step is to be."""
        if not pairs:
            return self.learning_rate * in_pixels(smooth(gradient, self.smoothing))
        s, y, *_ = pairs[-1]
        # |s_b|, |y_b|
        s_b, y_b = (np.sqrt(sum(pair[n] for pair in pairs)) + TINY for n in (2, 3))
        size = gradient.shape[:2]
        # K = √(|s_b| / |y_b| · f^−¼)
        K = np.sqrt((s_b / y_b)[octaves(*size)] * frequencies(*size)[..., None] ** -self.smoothing)
        K = K.astype(gradient.dtype)
        # γ = sᵀy / Σ K waves(y)²
        gamma = _dot(s, y) / float(np.sum(K * waves(y) ** 2))
        # H⁰ q = γ waves⁻¹(K waves(q))
        known = [(s, y) for s, y, *_ in pairs]
        direction = two_loops(gradient, known, lambda q: gamma * picture(K * waves(q)))
        # H g · min(1, longest / √(mean (H g)²))
        rms = np.sqrt(np.mean(np.square(direction)))
        return direction * min(1.0, self.longest / rms) if rms > 0 else direction
