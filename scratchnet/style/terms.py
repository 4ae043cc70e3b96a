"""J is a sum of terms, and a term is a loss with its target, layers and weight.

From the notes, J(G) = α J_C(C, G) + β J_S(S, G). Here, with l running over layers, (H_l, W_l, C_l)
the shape of an activation, M_G and M_S the positions of a_G and a_S, and L the long side of G ::

    J(G) = content_weight · Σ_l w_l · content_loss(a_G, a_C) / (H_l W_l C_l)     `Content`
         + style_weight   · Σ_l λ_l · style_loss(Gram(a_G)/M_G, Gram(a_S)/M_S)   `Style`
         + tv_weight      · √(L/256) · total_variation(G) / (H W)                `TotalVariation`

**A term of one's own** is any object with a ``name`` and a method ``prepare``, which is told for
which size of G and returns, layer by layer, the function that makes of an activation the term's
value and gradient: see `Term`. The layer called ``"image"`` is the picture itself.

Departures from Gatys et al., and why: the total variation is not in their J (it keeps speckle
away), and the content term is a mean over entries, theirs a sum. Terms are taken after the ReLU,
where "fires" means "is not zero". The notes' and the paper's α is content_weight / (H W C) of
the content layer, and their β is style_weight: a ratio α/β of 1e-3 is, at relu4_2 of a 256-px
picture with half a million entries, 1 : 1.9e-3 here. `conventions` has that for other programs too.

**Size.** The content and the style term are means over positions, so their balance stays the same
at 128 px and at 512 px. (With one style image, strokes keep their size in pixels; and below
256 px the content layer is another one: `content_layers_at`.) Total variation does not: neighbours
in a smaller picture are further apart. With each halving its mean grows fourfold in a smooth
picture, and 1.4-fold (a geometric mean, from 64 to 512 px) in our photographs, as 1/√L does.
√(L/256) takes that back, so that coarse levels of a transfer are not smoothed more than its last.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Protocol

import numpy as np

from scratchnet.files.images import resize_image
from scratchnet.network.gram import Gram
from scratchnet.network.network import Network
from scratchnet.style.layers import STYLE_LAYERS, Size, check_layers, content_layers_at
from scratchnet.style.levels import scaled_style
from scratchnet.style.losses import content_loss, style_loss, style_target, total_variation
from scratchnet.style.masks import check_mask, check_masks, masked_grams
from scratchnet.style.shares import blend_shares, check_weights
from scratchnet.style.wasserstein import gaussian_target, wasserstein_style_loss

IMAGE = "image"  # the name under which a term asks for the picture itself
TV_SIDE = 256  # px: the long side for which tv_weight is meant

Loss = Callable[[np.ndarray], tuple[float, np.ndarray]]  # a → (value, ∂value/∂a)


class Term(Protocol):
    """A summand of J.

    Attributes
    ----------
    name : str
        What its values are called; unique in J.
    """

    name: str

    def prepare(self, network: Network, size: Size, scale: float) -> Mapping[str, Loss]:
        """Return what the term does at each layer that it looks at, for pictures of one size.

        Parameters
        ----------
        network : Network
            To compute targets with.
        size : (height, width)
            Of G.
        scale : float
            The size of G divided by its final size: below 1 on the coarse levels of a transfer.

        Returns
        -------
        losses : mapping
            Layer name, or ``"image"`` → function a → (value, ∂value/∂a), weights included. ``a``
            is shared with other terms, and must be left as it is.
        """


@dataclass(frozen=True, eq=False)
class Content:
    """content_weight · Σ_l w_l · content_loss / (H_l W_l C_l).

    Parameters
    ----------
    image : ndarray, (H, W, 3)
        C, in RGB, 0–255.
    layers : mapping, optional
        Layer name → w_l; without it, `content_layers_at` each size.
    weight : float
        content_weight.

    Raises
    ------
    ValueError
        For a weight that is negative or not finite.
    """

    image: np.ndarray
    layers: Mapping[str, float] | None = None
    weight: float = 1.0
    name: str = "content"

    def __post_init__(self):
        if self.layers is not None:
            check_layers("content_layers", self.layers)
        check_weights({"content_weight": self.weight, **(self.layers or {})})

    def prepare(self, network: Network, size: Size, scale: float) -> dict[str, Loss]:
        """Compute a_C at each layer."""
        layers = content_layers_at(size) if self.layers is None else self.layers
        a_C, _ = network.forward(resize_image(self.image, size), layers)
        # Copies: they are kept for the whole descent, and a network may use its own memory again.
        return {
            layer: partial(self.loss, a_C=a_C[layer].copy(), weight=float(self.weight * w))
            for layer, w in layers.items()
        }

    @staticmethod
    def loss(a_G: np.ndarray, a_C: np.ndarray, weight: float) -> tuple[float, np.ndarray]:
        """Return weight · content_loss / (H W C), and its gradient."""
        value, da = content_loss(a_G, a_C)
        da *= weight / a_G.size
        return weight / a_G.size * value, da


@dataclass(frozen=True, eq=False)
class Style:
    """style_weight · Σ_l λ_l · style_loss.

    The derivative goes back the way that the value came, a → Gram → Gram/M → style_loss::

        ∂J/∂Gram = ∂J/∂(Gram/M) / M,        and da from there by `network.gram`

    Parameters
    ----------
    image : ndarray, (H, W, 3)
        S, in RGB, 0–255, of any size. On the coarse levels of a transfer it shrinks with G.
    layers : mapping
        Layer name → λ_l.
    weight : float
        style_weight.
    mask, image_mask : ndarray (H, W), optional
        Where in G the style goes, and where in S it is taken from: weights in 0–1, see `masks`.
        The first is resized with G; the second has the size of S.

    Raises
    ------
    ValueError
        For a weight that is negative or not finite, or as `masks.check_mask`.
    """

    image: np.ndarray
    layers: Mapping[str, float]
    weight: float = 1e-3
    name: str = "style"
    mask: np.ndarray | None = None
    image_mask: np.ndarray | None = None
    target: ClassVar[Callable] = staticmethod(style_target)

    def __post_init__(self):
        check_layers("style_layers", self.layers)
        check_weights({"style_weight": self.weight, **self.layers})
        for what, shape in [("mask", None), ("image_mask", np.shape(self.image))]:
            if (mask := getattr(self, what)) is not None:
                check_mask(f"{self.name}, {what}", mask, shape)

    def prepare(self, network: Network, size: Size, scale: float) -> dict[str, Loss]:
        """Compute the target, such as Gram/M of a_S, where both masks have units."""
        size_S = scaled_style(self.image.shape, scale)
        a_S, _ = network.forward(resize_image(self.image, size_S), self.layers)
        of_S = masked_grams(network, self.image_mask, size_S, self.layers)
        of_G = masked_grams(network, self.mask, size, self.layers)
        return {
            layer: partial(
                self.loss, target=self.target(a_S.pop(layer), of_S[layer]),
                weight=float(self.weight * lam), gram=of_G[layer],
            )
            for layer, lam in self.layers.items()
            if layer in of_S and layer in of_G
        }  # fmt: skip

    @staticmethod
    def loss(
        a_G: np.ndarray, target: np.ndarray, weight: float, gram: Gram
    ) -> tuple[float, np.ndarray]:
        """Return weight · style_loss(Gram(a_G)/M, target), and its gradient with respect to a_G."""
        M = a_G.shape[0] * a_G.shape[1]
        total, cache = gram.forward(a_G)
        value, dgram = style_loss(total / M, target)
        # ∂J/∂Gram = ∂J/∂(Gram/M) / M; the weight joins here, where the numbers are few
        return weight * value, gram.backward(weight / M * dgram, cache)


@dataclass(frozen=True, eq=False)
class WassersteinStyle(Style):
    """style_weight · Σ_l λ_l · BALANCE · W²/s: `Style` with the distance of `style.wasserstein`."""

    target: ClassVar[Callable] = staticmethod(gaussian_target)
    loss: ClassVar[Callable] = staticmethod(wasserstein_style_loss)


STYLES = {"gram": Style, "wasserstein": WassersteinStyle}  # by the name of the distance


@dataclass(frozen=True)
class TotalVariation:
    """tv_weight · √(L/256) · total_variation / (H W).

    Parameters
    ----------
    weight : float
        tv_weight.

    Raises
    ------
    ValueError
        For a weight that is negative or not finite.
    """

    weight: float = 10.0
    name: str = "tv"

    def __post_init__(self):
        check_weights({"tv_weight": self.weight})

    def prepare(self, network: Network, size: Size, scale: float) -> dict[str, Loss]:
        """Return the loss: there is no target."""
        return {IMAGE: self.loss}

    def loss(self, image: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the weighted total variation of the picture, and its gradient."""
        H, W, _ = image.shape
        weight = float(self.weight) * float(np.sqrt(max(H, W) / TV_SIDE)) / (H * W)
        value, dimage = total_variation(image)
        return weight * value, weight * dimage


def gatys_terms(
    content: np.ndarray,
    style: np.ndarray | Sequence[np.ndarray],
    *,
    blend_weights: Sequence[float] | None = None,
    content_layers: Mapping[str, float] | None = None,
    style_layers: Mapping[str, float] = STYLE_LAYERS,
    content_weight: float = Content.weight,
    style_weight: float = Style.weight,
    tv_weight: float = TotalVariation.weight,
    style_distance: str = "gram",
    masks: Sequence[np.ndarray | None] | None = None,
    style_image_masks: Sequence[np.ndarray | None] | None = None,
) -> list[Term]:
    """Return the terms above, as `style_transfer` uses them: one `Style` for each style image.

    Parameters
    ----------
    content : ndarray, (H, W, 3)
        RGB in 0–255.
    style : ndarray, (H_S, W_S, 3), or a list of such
        Of several, each is a term of its own ("style 1", …), and they share style_weight.
    blend_weights : sequence of float, optional
        How much each style counts, in shares; without it, equally.
    content_layers, style_layers : mapping
        Layer name → its weight w_l or λ_l. Without content layers, `content_layers_at` each size.
    content_weight, style_weight, tv_weight : float
        At least 0.
    style_distance : ``"gram"`` or ``"wasserstein"``
        By what styles are compared: `Style`, or `WassersteinStyle`.
    masks, style_image_masks : sequence of ndarray (H, W) or None, optional
        For each style, where in the content image it goes, and where in the style image it is
        taken from: 1 there, 0 elsewhere; None: everywhere. As large as their pictures.

    Raises
    ------
    ValueError
        For a weight that is negative or not finite, weights that are all 0, an unknown distance, or
        as `blend_shares` and `masks.check_mask`.
    """
    if style_distance not in STYLES:
        raise ValueError(f"style_distance: got {style_distance!r}, wanted {' or '.join(STYLES)}")
    if not (content_weight or style_weight or tv_weight):
        raise ValueError("content_weight, style_weight and tv_weight are 0, and so is J")
    styles = [style] if isinstance(style, np.ndarray) else list(style)
    masks = check_masks("masks", masks, [content] * len(styles))
    style_image_masks = check_masks("style_image_masks", style_image_masks, styles)
    shares = blend_shares(len(styles), blend_weights, masks)
    names = ["style"] if len(styles) == 1 else [f"style {n}" for n in range(1, len(styles) + 1)]
    return [
        Content(content, content_layers, content_weight),
        *(
            STYLES[style_distance](image, style_layers, style_weight * share, name, *own)
            for image, share, name, *own in zip(
                styles, shares, names, masks, style_image_masks, strict=True
            )
        ),
        TotalVariation(tv_weight),
    ]
