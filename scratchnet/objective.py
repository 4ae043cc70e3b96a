"""J(G) and ∂J/∂G: where the network and the losses meet.

From the notes, with C the content and S the style image: J(G) = α J_C(C, G) + β J_S(S, G).
Here, with l running over layers and (H_l, W_l, C_l) the shape of an activation ::

    J(G) = content_weight · Σ_l w_l · content_loss_l / (H_l W_l C_l)
         + style_weight   · Σ_l λ_l · style_loss_l
         + tv_weight      · total_variation(G) / (H W)

    ∂J/∂G = network.backward({l: g_l}) + tv_weight · ∂TV/∂G / (H W)

with g_l the gradient of layer l's own terms by its activation, as in `network`.

Departures from Gatys et al., and why: the total variation is not in their J (it keeps speckle
away); the terms are taken after the ReLU, where "fires" means "is not zero". Their α/β of 1e-3
or 1e-4 does not compare with content_weight/style_weight, since their content term is a sum
over entries and ours a mean: for relu4_2 of a 256-px picture, H W C is half a million.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from scratchnet.blas import one_blas_thread
from scratchnet.losses import content_loss, style_loss, style_target, total_variation
from scratchnet.network import Network

CONTENT_LAYERS = {"relu4_2": 1.0}
STYLE_LAYERS = {"relu1_1": 0.2, "relu2_1": 0.2, "relu3_1": 0.2, "relu4_1": 0.2, "relu5_1": 0.2}


class Evaluation(NamedTuple):
    """J at one picture: the sum, its gradient (H, W, 3), and each term by name."""

    loss: float
    gradient: np.ndarray
    terms: dict[str, float]


class StyleTransferObjective:
    """The cost that a style transfer minimises over the pixels of G.

    The notes' α is content_weight / (H W C) of the content layer and their β style_weight: every
    term is a mean over positions, so the same weights keep the same balance, and give the same
    picture, at 128 px and at 512 px. (Strokes keep their size in pixels, that of the style image.)

    Parameters
    ----------
    network : Network
    content, style : ndarray, (H, W, 3) and (H_S, W_S, 3)
        RGB in 0–255. G has the shape of the content image; the style image may have any.
    content_layers, style_layers : mapping
        Layer name → its weight w_l or λ_l.
    content_weight, style_weight, tv_weight : float
        At least 0.

    Raises
    ------
    ValueError
        For a negative or not finite weight, an unknown layer or a picture too small.
    """

    @one_blas_thread
    def __init__(
        self,
        network: Network,
        content: np.ndarray,
        style: np.ndarray,
        *,
        content_layers: Mapping[str, float] = CONTENT_LAYERS,
        style_layers: Mapping[str, float] = STYLE_LAYERS,
        content_weight: float = 1.0,
        style_weight: float = 1e-3,
        tv_weight: float = 10.0,
    ):
        named = [
            ("content_weight", content_weight),
            ("style_weight", style_weight),
            ("tv_weight", tv_weight),
            *content_layers.items(),
            *style_layers.items(),
        ]
        for name, weight in named:
            if not 0 <= weight < np.inf:
                raise ValueError(f"{name}: got a weight of {weight}, wanted a number of at least 0")
        self.network = network
        self.content_layers, self.style_layers = dict(content_layers), dict(style_layers)
        self.content_weight, self.style_weight = content_weight, style_weight
        self.tv_weight = tv_weight
        self.shape = content.shape
        a_C, _ = network.forward(content, content_layers)
        # Kept for the whole descent, so not in the memory that the network uses again and again.
        self.content_targets = {name: a.copy() for name, a in a_C.items()}
        del a_C
        a_S, _ = network.forward(style, style_layers)
        self.style_targets = {name: style_target(a, network.workspace) for name, a in a_S.items()}

    def __call__(self, image: np.ndarray) -> tuple[float, np.ndarray]:
        """Return (J, ∂J/∂G) at ``image``, (H, W, 3)."""
        loss, gradient, _ = self.evaluate(image)
        return loss, gradient

    @one_blas_thread
    def evaluate(self, image: np.ndarray) -> Evaluation:
        """Return J, its gradient by the pixels, and each weighted term by name.

        Parameters
        ----------
        image : ndarray, (H, W, 3)
            RGB in 0–255, shaped like the content image.

        Raises
        ------
        ValueError
            If the shape is another.
        """
        image = np.asarray(image, self.network.dtype)
        if image.shape != self.shape:
            raise ValueError(f"got an image of shape {image.shape}, wanted {self.shape}")
        activations, caches = self.network.forward(image, self.layers)
        terms, gradients = self.layer_terms(activations)
        terms["tv"], dimage = self.tv_term(image)
        if gradients:
            dimage = dimage + self.network.backward(gradients, caches, consume=True)
        terms = {name: float(term) for name, term in terms.items()}
        return Evaluation(sum(terms.values()), dimage, terms)

    @property
    def layers(self) -> list[str]:
        """The names of all layers that J looks at."""
        return list(self.content_layers | self.style_layers)

    def layer_terms(
        self, activations: dict[str, np.ndarray]
    ) -> tuple[dict[str, float], dict[str, np.ndarray]]:
        """Return each layer's weighted terms, and their sum's gradient by its activation.

        Takes the activations out of the dict and writes the gradients over them: on the way back
        no values are needed, and their memory is.
        """
        terms, gradients = {}, {}
        for name in self.layers:
            a_G = activations.pop(name)
            if name in self.content_layers:
                terms[f"content {name}"], gradients[name] = content_loss(
                    a_G,
                    self.content_targets[name],
                    weight=self.content_weight * self.content_layers[name] / a_G.size,
                    out=None if name in self.style_layers else a_G,
                )
            if name in self.style_layers:
                terms[f"style {name}"], da = style_loss(
                    a_G,
                    self.style_targets[name],
                    weight=self.style_weight * self.style_layers[name],
                    workspace=self.network.workspace,
                    out=a_G,
                )
                gradients[name] = gradients[name] + da if name in gradients else da
        return terms, gradients

    def tv_term(self, image: np.ndarray) -> tuple[float, np.ndarray]:
        """Return tv_weight · TV/(H W) and its gradient by the image."""
        H, W, _ = image.shape
        value, gradient = total_variation(image)
        return self.tv_weight / (H * W) * value, self.tv_weight / (H * W) * gradient
