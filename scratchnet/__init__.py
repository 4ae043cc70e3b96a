"""scratchnet: VGG from scratch in NumPy, every derivative by hand.

The letters that all modules share:

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

    image → network.forward → activations → losses → gradients → network.backward → dimage
      ↑                                                                                │
      └───────────────────────────────── optimizer ────────────────────────────────────┘

Read the modules in this order: `layers`, `network`, `architecture` and `vgg` (which layers VGG
has), `losses`, `objective`, `optimizers`, `lbfgs`, `transfer`. Then `gradient_check` and
`derivatives`, which prove every derivative ("prove" meaning: it agrees with a measured one to 7 to
13 digits). `weights`, `images` and `files` read and write files. `workspace` has the memory and the
threads of the fast layers, the second chapter of `layers`.

A third chapter, what the network has learned: `receptive_field`, `units`, `scan_settings`,
`top_patches`, `scan_worker` and `scan` find the patches that excite a unit; `deconvnet` and
`occlusion` say what in them does; `correlation` says which channels fire together; `figures` and
`atlas` draw it. There a *unit* is one entry a_ijk. The units of a channel share one kernel and
differ only in where they look, so "unit k" means any of channel k.
"""

from scratchnet.gradient_check import direction_check, gradient_check
from scratchnet.images import load_image, save_image
from scratchnet.lbfgs import LBFGS
from scratchnet.losses import content_loss, gram_matrix, style_loss, style_target, total_variation
from scratchnet.network import Network
from scratchnet.objective import StyleTransferObjective
from scratchnet.optimizers import GradientDescent, PixelDescent
from scratchnet.receptive_field import ReceptiveField, receptive_field
from scratchnet.transfer import style_transfer
from scratchnet.vgg import VGG
from scratchnet.workspace import Workspace

__version__ = "0.1.0"

__all__ = [
    "LBFGS",
    "VGG",
    "GradientDescent",
    "Network",
    "PixelDescent",
    "ReceptiveField",
    "StyleTransferObjective",
    "Workspace",
    "content_loss",
    "direction_check",
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
