"""scratchnet: VGG from scratch in NumPy, every derivative by hand.

The formulas of *the notes* (Andrew Ng's course on convolutional networks, week 4) that all of this
implements: G, the generated image, shall have the content of C and the style of S ::

    J(G)    = α J_C(C, G) + β J_S(S, G)
    J_C     = ½ ‖a(C) − a(G)‖²
    J_S     = Σ_l λ_l / norm_l · Σ_kk′ (Gram_kk′(S) − Gram_kk′(G))²
    Gram_kk′ = Σ_ij a_ijk a_ijk′

and G ← G − η ∂J/∂G. (norm is 4C²M² of the layer; the code's J_C and J_S are means, see
`style.terms`.) The letters that all modules share:

=========  =====================================================================
H, W       rows and columns of a picture or of a layer's map
C          channels of a layer; as an index (a_C), the content image
G, S       the generated and the style image; as an index, what belongs to them
M = H·W    positions of a layer
i, j, k    row, column, channel; k′ is another channel
l          layer; a⁽ˡ⁾ are its activations, an array (H, W, C), a_ijk one of them
Gram       Gram matrix of a layer, (C, C)
kernel     (kh, kw, C_in, C_out); w_uvkk′ one of its entries
J          the cost that is minimised; α, β, w_l, λ_l weigh its terms
η, μ, t, N learning rate, momentum, iteration, number of iterations
dthing     ∂J/∂thing, shaped like thing
=========  =====================================================================

Data flows one way round::

    image → network.forward → activations → terms → gradients → network.backward → dimage
      ↑                                                                               │
      └────────────────────────────────── optimizer ──────────────────────────────────┘

Read the folders in this order; each one's introduction says in which order to read its modules:

1. `network`: the layers, each with its forward and its backward pass, and their chain.
2. `style`: losses, terms, J, optimizers, the loop. Then `checks`: every derivative, held against a
   measured one. And `training`: where weights come from, in small.
3. `units`: what the network has learned.
4. `fast`: the same numbers up to rounding, faster. No other chapter imports it, but through `vgg`.

`exercises` asks you to write the backward passes yourself, and checks them. `files` reads and
writes pictures and weights, `pages` makes figures and pages; `vgg` joins the network, its
trained weights and, unless told otherwise, chapter 4; `blas` holds NumPy's matrix products to one
thread, so that the bytes do not depend on how many there are.
"""

from scratchnet.checks import check_term, direction_check, gradient_check
from scratchnet.fast import FastNetwork, Workspace
from scratchnet.files import load_image, save_image
from scratchnet.network import Gram, Network
from scratchnet.style import (
    LBFGS,
    Adam,
    Content,
    GradientDescent,
    PixelDescent,
    Style,
    StyleTransferObjective,
    Term,
    TotalVariation,
    WassersteinStyle,
    content_loss,
    gatys_terms,
    style_loss,
    style_target,
    style_transfer,
    total_variation,
)
from scratchnet.units import ReceptiveField, gram_matrix, receptive_field
from scratchnet.vgg import VGG

__version__ = "0.1.0"

__all__ = [
    "LBFGS",
    "VGG",
    "Adam",
    "Content",
    "FastNetwork",
    "GradientDescent",
    "Gram",
    "Network",
    "PixelDescent",
    "ReceptiveField",
    "Style",
    "StyleTransferObjective",
    "Term",
    "TotalVariation",
    "WassersteinStyle",
    "Workspace",
    "check_term",
    "content_loss",
    "direction_check",
    "gatys_terms",
    "gradient_check",
    "gram_matrix",
    "load_image",
    "receptive_field",
    "save_image",
    "style_loss",
    "style_target",
    "style_transfer",
    "total_variation",
]
