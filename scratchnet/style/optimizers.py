"""Gradient descent on the pixels of G.

The notes' update, with a learning rate η::

    G ← G − η ∂J/∂G                                              (`GradientDescent`)

It works, but a good η depends on the pictures, the weights and the size, and the largest η
that does not explode is far too small for most of the picture. Five ideas around it, each one
line of `PixelDescent`, make a descent that does without tuning. With g the gradient, v a velocity
and t = 0, 1, …, N − 1 the iteration ::

    g ← DCT⁻¹(DCT(∂J/∂G) / √f)       1. smoothing: J is curved along fine detail, flat along
                                        broad shapes; dividing by √frequency evens them out
    ĝ = g / √(mean g²)               2. a step measured in pixels: ĝ has root mean square 1
    η_t = η (1 − t/N)                3. decay: large steps find the valley, small ones its floor
    v ← μ v − η_t ĝ                  4. momentum: steps that agree add up
    G ← G + μ v − η_t ĝ
    G ← clip(G, 0, 255)              5. clipping: a pixel stays a colour that can be shown

The momentum is Nesterov's (1983). Polyak's (1964) would be θ ← θ + v, with the gradient taken
at θ. Nesterov takes it where the velocity is about to carry θ, at G = θ + μ v, and so sees a
rise in J one step earlier and brakes. Written for G instead of θ that is the line above:
G_new = θ + v + μ v = (G − μ v_old) + (μ v_old − η_t ĝ) + μ v = G + μ v − η_t ĝ.

Where η = 1.5, μ = 0.95 and √f come from: with 150 evaluations at 128 px, momentum gains by far the
most; μ = 0.95 gets lower than 0.9 and 0.98, and η = 1.5 to within 1 % of the best of 0.75, 1.5 and
3; √f is about right for *The Starry Night*, and too much for a woodcut, whose hard edges are fine
detail (``scripts/compare_optimizers.py --ideas``).

An optimizer holds its parameters and nothing else. What changes during a descent is its state,
a flat dict of numbers and arrays, so that ``np.savez(file, **state)`` saves it, and a descent that
goes on from what ``np.load`` reads gives the same bytes as one that was never stopped::

    state = optimizer.start(image, iterations)
    image, state = optimizer.step(image, gradient, state)
"""

from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np

State = dict[str, float | np.ndarray]


class Optimizer(Protocol):
    """What the loop of a transfer asks of an optimizer."""

    def start(self, image: np.ndarray, iterations: int) -> State:
        """Return the state before the first of ``iterations`` steps."""

    def step(
        self, image: np.ndarray, gradient: np.ndarray, state: State
    ) -> tuple[np.ndarray, State]:
        """Return the picture (H, W, 3) after one step, and the new state."""


def check_numbers(optimizer) -> None:
    """Turn an optimizer's NumPy scalars into Python's numbers, which leave float32 arrays float32.

    Raises ValueError unless its learning rate is a finite number above 0.
    """
    for field in fields(optimizer):
        value = getattr(optimizer, field.name)
        if isinstance(value, np.generic):
            object.__setattr__(optimizer, field.name, value.item())
    rate = optimizer.learning_rate
    if not 0 < rate < np.inf:
        raise ValueError(f"learning_rate: got {rate}, wanted a number above 0")


@dataclass(frozen=True)
class GradientDescent:
    """The notes' update to the letter: G ← G − η ∂J/∂G.

    Parameters
    ----------
    learning_rate : float
        η. Too large a one explodes; see `PixelDescent` for a descent that needs no tuning.
    """

    learning_rate: float

    def __post_init__(self):
        check_numbers(self)

    def start(self, image: np.ndarray, iterations: int) -> State:
        """Return the state before the first step: there is nothing to remember."""
        return {}

    def step(
        self, image: np.ndarray, gradient: np.ndarray, state: State
    ) -> tuple[np.ndarray, State]:
        """Return the picture after one step, and the state."""
        # G ← G − η ∂J/∂G
        return image - self.learning_rate * gradient, state


def frequencies(H: int, W: int) -> np.ndarray:
    """Return the frequency of each wave of the discrete cosine transform of a picture, (H, W).

    ::

        f_uv = √((u/H)² + (v/W)²)

    in half waves a pixel, for the wave with u half waves over the height and v over the width.
    The constant, f = 0, is given the lowest frequency that occurs, 1/max(H, W).
    """
    # f_uv = √((u/H)² + (v/W)²)
    f = np.hypot(np.arange(H)[:, None] / H, np.arange(W) / W)
    return np.maximum(f, 1 / max(H, W))


def smooth(gradient: np.ndarray, exponent: float) -> np.ndarray:
    """Divide each spatial frequency f of a gradient by f^exponent.

    J is strongly curved along fine detail and hardly along broad shapes: a step that is right for
    the one is too large or too small for the other. The discrete cosine transform (DCT) writes the
    gradient as a sum of cosine waves, from broad to fine; dividing each by a power of its frequency
    lets both move at their own pace. (Such a change of scales, preconditioning, still goes
    downhill, because every wave keeps its sign.) An exponent of 0 changes nothing.

    Which power? On the way from a photograph to its lowest J in the manner of *The Starry Night*,
    waves of 128 px are 50 times as strong as waves of 4 px; in the gradient, twice; in the gradient
    divided by √f, 11 times. Step over gradient goes about like f^−0.73 there and f^−0.55 from
    noise; for a woodcut, like f^−0.45 and f^−0.25 (``scripts/compare_optimizers.py --spectrum``).

    Parameters
    ----------
    gradient : ndarray, (H, W, 3)
    exponent : float

    Returns
    -------
    smoothed : ndarray, (H, W, 3)
    """
    from scipy.fft import dctn, idctn

    f = frequencies(*gradient.shape[:2]).astype(gradient.dtype)
    # DCT⁻¹(DCT(∂J/∂G) / f^exponent)
    spectrum = dctn(gradient, axes=(0, 1), norm="ortho")
    return idctn(spectrum / f[:, :, None] ** exponent, axes=(0, 1), norm="ortho")


def in_pixels(gradient: np.ndarray) -> np.ndarray:
    """Divide a gradient by its root mean square, so that it has the size of one pixel value.

    ĝ = g / √(mean g²): a step of η ĝ moves pixels by η in the root mean square, whatever
    the weights in J, the size of the picture and the network. A gradient of zeros stays zeros.

    Examples
    --------
    >>> in_pixels(np.array([3e9, -4e9])).round(2).tolist()
    [0.85, -1.13]
    """
    largest = np.abs(gradient).max()
    if largest == 0:
        return np.zeros_like(gradient)
    # so that squares of a float32 gradient neither over- nor underflow
    gradient = gradient / largest
    # ĝ = g / √(mean g²)
    return gradient / np.sqrt(np.mean(gradient**2))


def linear_decay(t: int, iterations: int) -> float:
    """Return 1 − t/N: 1 at the first of N steps, 0 after the last."""
    return 1 - t / iterations


@dataclass(frozen=True)
class PixelDescent:
    """Gradient descent with smoothing, steps in pixels, decay, momentum, clipping.

    Parameters
    ----------
    learning_rate : float
        η, the root mean square of η ĝ at the start, in pixel values (0–255).
    momentum : float
        μ: how much of a velocity is left after one iteration. Gradients that agree move a pixel
        up to 1 + μ + μ² + … = 1/(1 − μ) times as far as one η ĝ.
    smoothing : float
        The exponent of f in `smooth`.
    """

    learning_rate: float = 1.5
    momentum: float = 0.95
    smoothing: float = 0.5

    def __post_init__(self):
        check_numbers(self)

    def start(self, image: np.ndarray, iterations: int) -> State:
        """Return the state before the first of ``iterations`` steps: at rest."""
        return {"t": 0, "iterations": iterations, "velocity": np.zeros_like(image)}

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
        # g ← DCT⁻¹(DCT(∂J/∂G) / √f)
        g = smooth(gradient, self.smoothing)
        # ĝ = g / √(mean g²)
        g = in_pixels(g)
        # η_t = η (1 − t/N)
        t = int(state["t"])
        eta = self.learning_rate * linear_decay(t, int(state["iterations"]))
        # v ← μ v − η_t ĝ
        v = self.momentum * state["velocity"] - eta * g
        # G ← clip(G + μ v − η_t ĝ, 0, 255)
        moved = np.clip(image + self.momentum * v - eta * g, 0, 255)
        return moved, {**state, "t": t + 1, "velocity": v}
