"""Gradient descent on the pixels of G.

The notes' update, with a learning rate η::

    G ← G − η ∂J/∂G                                              (`GradientDescent`)

It works, but a good η depends on the pictures, the weights and the size, and the largest η
that does not explode is far too small for most of the picture. Four ideas around it, each one
line of `PixelDescent`, make a descent that needs no tuning. With ĝ the gradient, v a velocity
and t = 0, 1, …, N − 1 the iteration ::

    ĝ = ∂J/∂G / √(mean (∂J/∂G)²)     1. a step measured in pixels: ĝ has root mean square 1
    η_t = η (1 − t/N)                2. decay: large steps find the valley, small ones its floor
    v ← μ v − η_t ĝ                  3. momentum: steps that agree add up (Polyak 1964), with
    G ← G + μ v − η_t ĝ                 Nesterov's look ahead (1983), which brakes earlier
    G ← clip(G, 0, 255)              4. clipping: a pixel stays a colour that can be shown

An optimizer holds its parameters and nothing else. What changes during a descent is its state,
a plain dict of numbers and arrays that can be saved and put back::

    state = optimizer.start(image, iterations)
    image, state = optimizer.step(image, gradient, state)
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

State = dict


class Optimizer(Protocol):
    """What the loop of a transfer asks of an optimizer."""

    def start(self, image: np.ndarray, iterations: int) -> State:
        """Return the state before the first of ``iterations`` steps."""

    def step(
        self, image: np.ndarray, gradient: np.ndarray, state: State
    ) -> tuple[np.ndarray, State]:
        """Return the picture (H, W, 3) after one step, and the new state."""


@dataclass(frozen=True)
class GradientDescent:
    """The notes' update to the letter: G ← G − η ∂J/∂G.

    Parameters
    ----------
    learning_rate : float
        η. Too large a one explodes; see `PixelDescent` for a descent that needs no tuning.
    """

    learning_rate: float

    def start(self, image: np.ndarray, iterations: int) -> State:
        """Return the state before the first step: there is nothing to remember."""
        return {}

    def step(
        self, image: np.ndarray, gradient: np.ndarray, state: State
    ) -> tuple[np.ndarray, State]:
        """Return the picture after one step, and the state."""
        # G ← G − η ∂J/∂G
        return image - self.learning_rate * gradient, state


def in_pixels(gradient: np.ndarray) -> np.ndarray:
    """Divide a gradient by its root mean square, so that it has the size of one pixel value.

    ĝ = g / √(mean g²): a step of η ĝ then moves pixels by η in the root mean square, whatever
    the weights in J, the size of the picture and the network. A gradient of zeros stays zeros.

    Examples
    --------
    >>> in_pixels(np.array([3e9, -4e9])).round(2).tolist()
    [0.85, -1.13]
    """
    largest = np.abs(gradient).max()
    if largest == 0:
        return np.zeros_like(gradient)
    gradient = (
        gradient / largest
    )  # so that squares of a float32 gradient neither over- nor underflow
    return gradient / np.sqrt(np.mean(gradient**2))


def linear_decay(t: int, iterations: int) -> float:
    """Return 1 − t/N: from 1 at the first of N steps towards 0 after the last."""
    return max(0.0, 1 - t / iterations)


@dataclass(frozen=True)
class PixelDescent:
    """Gradient descent with a step in pixels, momentum, decay and clipping: the default.

    Parameters
    ----------
    learning_rate : float
        η, the root mean square of the first step, in pixel values (0–255).
    momentum : float
        μ: how much of a velocity is left after one iteration. Gradients that agree move a pixel
        up to 1/(1 − μ) times as far as one step.
    """

    learning_rate: float = 1.5
    momentum: float = 0.95

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
        # ĝ = ∂J/∂G / √(mean (∂J/∂G)²)
        g = in_pixels(gradient)
        # η_t = η (1 − t/N)
        eta = self.learning_rate * linear_decay(state["t"], state["iterations"])
        # v ← μ v − η_t ĝ
        v = self.momentum * state["velocity"] - eta * g
        # G ← clip(G + μ v − η_t ĝ, 0, 255)
        moved = np.clip(image + self.momentum * v - eta * g, 0, 255)
        return moved, {**state, "t": state["t"] + 1, "velocity": v}
