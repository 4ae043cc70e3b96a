"""Adam (Kingma & Ba 2015, algorithm 1), on the pixels of G.

Each entry of G has a step of its own, from two running means: m of the gradient g, and v of its
square. With t = 1, 2, …, N the iteration ::

    m ← β₁ m + (1 − β₁) g
    v ← β₂ v + (1 − β₂) g²
    m̂ = m / (1 − β₁^t)
    v̂ = v / (1 − β₂^t)
    G ← clip(G − η_t m̂ / (√v̂ + ε), 0, 255),        η_t = η (1 − (t − 1)/N)

m and v begin at 0, and so are too small at first: after one iteration m is (1 − β₁) g. The third
and fourth line take that back, for the weights of all g so far sum up to 1 − β₁^t.

m̂/√v̂ seldom leaves −1…1, however large J is (at most (1 − β₁)/√(1 − β₂), here 3.2, where a gradient
comes after many zeros): η is about the longest step of a pixel, in pixel values. Where gradients
agree a step is η; where they change sign it is small. That is a scale for
each pixel, not, as in `optimizers.smooth`, one for each frequency.

Departures from the paper: η falls linearly, as in `optimizers.PixelDescent`, and G is clipped.
"""

from dataclasses import dataclass

import numpy as np

from scratchnet.style.optimizers import State, check_numbers, linear_decay


@dataclass(frozen=True)
class Adam:
    """Adam, with a step that falls linearly.

    Parameters
    ----------
    learning_rate : float
        η, in pixel values (0–255). From noise, 20 ended lower than 4, 8 and 12 (the street in the
        manner of *The Starry Night*, 128 px, 76 and 150 steps).
    beta1, beta2 : float
        How much of m and of v is left after an iteration; at least 0, below 1.
    epsilon : float
        Keeps pixels that have no gradient where they are; in J per grey level.

    Raises
    ------
    ValueError
        For a learning rate that is not above 0, or a β that is not at least 0 and below 1.
    """

    learning_rate: float = 20.0
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def __post_init__(self):
        check_numbers(self)
        for name in ("beta1", "beta2"):
            if not 0 <= getattr(self, name) < 1:
                value = getattr(self, name)
                raise ValueError(f"{name}: got {value}, wanted at least 0 and below 1")

    def start(self, image: np.ndarray, iterations: int) -> State:
        """Return the state before the first of ``iterations`` steps."""
        zeros = np.zeros_like(image)
        return {"t": 0, "iterations": iterations, "m": zeros, "v": zeros}

    def step(
        self, image: np.ndarray, gradient: np.ndarray, state: State
    ) -> tuple[np.ndarray, State]:
        """Return the picture (H, W, 3) after one step, and the new state.

        Examples
        --------
        The first step is η against the sign of each entry, whatever its size:

        >>> G, state = np.full((1, 1, 3), 100.0), Adam(4.0).start(np.zeros((1, 1, 3)), 10)
        >>> Adam(4.0).step(G, np.array([[[1e-3, -5.0, 2e6]]]), state)[0].round(3).tolist()
        [[[96.0, 104.0, 96.0]]]
        """
        t = int(state["t"]) + 1
        # m ← β₁ m + (1 − β₁) g
        m = self.beta1 * state["m"] + (1 - self.beta1) * gradient
        # v ← β₂ v + (1 − β₂) g²
        v = self.beta2 * state["v"] + (1 - self.beta2) * gradient**2
        # m̂ = m / (1 − β₁^t)
        m_hat = m / (1 - self.beta1**t)
        # v̂ = v / (1 − β₂^t)
        v_hat = v / (1 - self.beta2**t)
        # G ← clip(G − η_t m̂ / (√v̂ + ε), 0, 255),  η_t = η (1 − (t − 1)/N)
        eta = self.learning_rate * linear_decay(t - 1, int(state["iterations"]))
        moved = np.clip(image - eta * m_hat / (np.sqrt(v_hat) + self.epsilon), 0, 255)
        return moved, {**state, "t": t, "m": m, "v": v}
