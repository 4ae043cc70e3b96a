"""J(G) and ∂J/∂G: where the network and the terms meet.

J is the sum of its terms' values, each term's over the layers that it looks at. The derivatives of
these values with respect to the activations of layer l add up to g_l, and `network.backward`
carries all g_l to the picture. Terms that look at the picture itself, such as total variation, add
g_image there ::

    J(G)    = Σ_terms Σ_l value
    g_l     = Σ_terms ∂value/∂a⁽ˡ⁾
    ∂J/∂G   = network.backward({l: g_l}) + g_image
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from scratchnet.blas import one_blas_thread
from scratchnet.network.network import Network
from scratchnet.style.layers import Size
from scratchnet.style.terms import IMAGE, Loss, Term


class Evaluation(NamedTuple):
    """J at one picture, ∂J/∂G, (H, W, 3), and each term's weighted value, by term and layer."""

    loss: float
    gradient: np.ndarray
    terms: dict[str, float]


class StyleTransferObjective:
    """The cost that a style transfer minimises over the pixels of G.

    Parameters
    ----------
    network : Network
    terms : sequence of Term
        With unique names; `terms.gatys_terms` makes the usual ones.
    size : (height, width)
        Of G.
    scale : float
        The size of G divided by its final size: 1 at the last level.

    Attributes
    ----------
    losses : dict
        Term name → layer name → function a → (value, gradient).

    Raises
    ------
    ValueError
        For an unknown layer, a picture too small, or two terms of one name.
    """

    @one_blas_thread
    def __init__(
        self, network: Network, terms: Sequence[Term], size: Size, scale: float = 1.0
    ) -> None:
        self.network, self.size = network, tuple(size)
        self.losses: dict[str, dict[str, Loss]] = {}
        for term in terms:
            if term.name in self.losses:
                raise ValueError(f"two terms are called {term.name!r}")
            self.losses[term.name] = dict(term.prepare(network, self.size, scale))
        network.check_image((*self.size, 3), self.layers)

    @property
    def layers(self) -> list[str]:
        """The names of all layers of the network that J looks at, in the order of the walk back."""
        names = {layer for losses in self.losses.values() for layer in losses} - {IMAGE}
        return sorted(names, key=lambda name: self.network.depth([name]), reverse=True)

    def __call__(self, image: np.ndarray) -> tuple[float, np.ndarray]:
        """Return (J, ∂J/∂G) at ``image``, (H, W, 3)."""
        loss, gradient, _ = self.evaluate(image)
        return loss, gradient

    @one_blas_thread
    def evaluate(self, image: np.ndarray) -> Evaluation:
        """Return J, ∂J/∂G (J per grey level of 0–255, in RGB), and each term's value.

        Parameters
        ----------
        image : ndarray, (H, W, 3)
            RGB in 0–255.

        Raises
        ------
        ValueError
            If it has another size.
        """
        image = np.asarray(image, self.network.dtype)
        if image.shape != (*self.size, 3):
            raise ValueError(f"got an image of shape {image.shape}, wanted {(*self.size, 3)}")
        activations, caches = self.network.forward(image, self.layers)
        at_image = LayerGradients(self.losses, {IMAGE: image})
        at_layers = LayerGradients(self.losses, activations)
        # ∂J/∂G = network.backward({l: g_l}) + g_image; each g_l is made when the walk back asks
        gradient = np.zeros_like(image)
        for g in at_image.values():
            gradient += g
        if at_layers:
            gradient += self.network.backward(at_layers, caches)
        if at_layers.activations:
            lost = ", ".join(at_layers.activations)
            raise RuntimeError(f"the walk back did not ask for the gradients at {lost}")
        # J(G) = Σ_terms Σ_l value
        terms = at_image.terms | at_layers.terms
        return Evaluation(sum(terms.values()), gradient, terms)


class LayerGradients(Mapping):
    """Layer name → g_l, made when it is asked for.

    Maps are large. So g_l is made only when the walk back reaches layer l, and the activation is
    freed then: each g_l can be asked for once.

    Parameters
    ----------
    losses : dict
        As `StyleTransferObjective` has them.
    activations : dict
        Layer name → a; each is taken out when its g_l is made.

    Attributes
    ----------
    terms : dict
        The value of each term at the layers asked for so far.
    """

    def __init__(self, losses: dict[str, dict[str, Loss]], activations: dict[str, np.ndarray]):
        self.losses, self.activations = losses, activations
        self.layers = [name for name in activations if any(name in of for of in losses.values())]
        self.terms: dict[str, float] = {}

    def __getitem__(self, layer: str) -> np.ndarray:
        """Return g_l, and note the values of the terms."""
        a = self.activations.pop(layer)
        g = None
        for name, losses in self.losses.items():
            if layer in losses:
                value, da = losses[layer](a)
                self.terms[name if layer == IMAGE else f"{name} {layer}"] = float(value)
                # g_l = Σ_terms ∂value/∂a⁽ˡ⁾
                g = da if g is None else g + da
        return g

    def __contains__(self, layer: object) -> bool:
        return layer in self.layers

    def __iter__(self) -> Iterator[str]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)
