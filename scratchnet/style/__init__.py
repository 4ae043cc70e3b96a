"""Chapter 2: style transfer. What J is, and how the pixels of G go down it.

From the notes, with C the content, S the style and G the generated image::

    J(G) = α J_C(C, G) + β J_S(S, G)
    J_C  = ½ ‖a(C) − a(G)‖²                                    at a middle layer
    J_S  = Σ_l λ_l · (1/norm) · Σ_kk′ (Gram_kk′(S) − Gram_kk′(G))²
    G    ← G − η ∂J/∂G

Read, in this order: `losses` (the formulas and their derivatives; why the Gram matrix is style),
`wasserstein` (another distance of styles), `layers` (which layers they look at), `terms` (J's
summands; and how to add a term of one's own), `objective` (their sum, and ∂J/∂G through the
network), `optimizers`, `adam` and `lbfgs` (how G is changed), `levels` (from coarse to fine),
`transfer` (the loop), `course` (what it has seen, when it stops), `checkpoint` (how it goes on
after it was stopped), `masks` and `shares` (where which style goes, how much it counts, and which
numbers can be weights), `colors` (how the photograph's colours are kept). Whoever brings weights
from another program reads `conventions`.
"""

from scratchnet.style.adam import Adam
from scratchnet.style.course import Step, TransferInterrupted, TransferResult
from scratchnet.style.lbfgs import LBFGS
from scratchnet.style.losses import content_loss, style_loss, total_variation
from scratchnet.style.objective import Evaluation, StyleTransferObjective
from scratchnet.style.optimizers import GradientDescent, Optimizer, PixelDescent
from scratchnet.style.terms import (
    IMAGE,
    Content,
    Style,
    Term,
    TotalVariation,
    WassersteinStyle,
    gatys_terms,
    style_target,
)
from scratchnet.style.transfer import style_transfer

__all__ = [
    "IMAGE",
    "LBFGS",
    "Adam",
    "Content",
    "Evaluation",
    "GradientDescent",
    "Optimizer",
    "PixelDescent",
    "Step",
    "Style",
    "StyleTransferObjective",
    "Term",
    "TotalVariation",
    "TransferInterrupted",
    "TransferResult",
    "WassersteinStyle",
    "content_loss",
    "gatys_terms",
    "style_loss",
    "style_target",
    "style_transfer",
    "total_variation",
]
