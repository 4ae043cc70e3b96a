"""scratchnet: VGG from scratch in NumPy, every derivative by hand.

The letters that all modules share:

=========  =====================================================================
H, W       rows and columns of a picture or of a layer's map
C          channels of a layer
M = H·W    positions of a layer
i, j, k    row, column, channel; a_ijk is an activation at one of them
a          activations, an array (H, W, C); a⁽ˡ⁾ those of layer l
G          in `losses`, a Gram matrix (C, C); elsewhere, the generated image
S          the style image; as an index, what belongs to it
kernel     (kh, kw, C_in, C_out)
J          the cost that is minimised
dthing     ∂J/∂thing, shaped like thing
=========  =====================================================================

Data flows one way round::

    image → network.forward → activations → losses → gradients → network.backward → dimage
      ↑                                                                                │
      └───────────────────────────────── optimizer ────────────────────────────────────┘

Read the modules in that order: `layers`, `network`, `losses`, `objective`, `optimizers`,
`transfer`. Then `gradient_check`, which proves the derivatives.
"""

from scratchnet.gradient_check import direction_check, gradient_check
from scratchnet.images import load_image, save_image
from scratchnet.losses import content_loss, gram_matrix, style_loss, style_target, total_variation
from scratchnet.network import VGG, Network
from scratchnet.objective import StyleTransferObjective
from scratchnet.optimizers import GradientDescent, PixelDescent
from scratchnet.transfer import style_transfer

__version__ = "0.1.0"

__all__ = [
    "VGG",
    "GradientDescent",
    "Network",
    "PixelDescent",
    "StyleTransferObjective",
    "content_loss",
    "direction_check",
    "gradient_check",
    "gram_matrix",
    "load_image",
    "save_image",
    "style_loss",
    "style_target",
    "style_transfer",
    "total_variation",
]
