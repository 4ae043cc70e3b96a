"""What each term of J wants to change in G: ∂J_term/∂G, as numbers and as a picture."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from scratchnet import StyleTransferObjective
from scratchnet.style.terms import Loss

GREY = 127.5
REACH = 3  # root mean squares of a row's strongest gradient from grey to white


class Summand(NamedTuple):
    """A term whose losses are made already: one of J's terms, at one layer."""

    name: str
    losses: Mapping[str, Loss]

    def prepare(self, network, size, scale) -> Mapping[str, Loss]:
        """Return the losses."""
        return self.losses


def by_term_and_layer(objective: StyleTransferObjective) -> dict[str, StyleTransferObjective]:
    """Return J's summands, each as an objective of its own, which shares J's targets.

    A term that looks at one layer only keeps its name; of another, it is "style relu1_1".
    """
    alone = {}
    for term, losses in objective.losses.items():
        for layer, loss in losses.items():
            name = term if len(losses) == 1 else f"{term} {layer}"
            summand = Summand(name, {layer: loss})
            alone[name] = StyleTransferObjective(objective.network, [summand], objective.size)
    return alone


def rms(x: np.ndarray) -> float:
    """Return the root mean square."""
    return float(np.sqrt(np.mean(np.square(x, dtype=np.float64))))


def cosine(x: np.ndarray, y: np.ndarray) -> float:
    """Return the cosine of the angle between two arrays; 0 if one of them is 0."""
    # cos = Σ x y / (‖x‖ ‖y‖)
    cosine = float(np.mean(np.multiply(x, y, dtype=np.float64)) / (rms(x) * rms(y) or 1))
    return round(cosine, 2) + 0.0  # no −0.00


def panel(gradient: np.ndarray, scale: float) -> np.ndarray:
    """Draw −gradient as a picture: 0 is grey, −REACH · scale is white, +REACH · scale is black."""
    picture = GREY - gradient * (GREY / (REACH * scale or 1))
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)
