"""Chapter 1: the network. A few kinds of layers, each with its forward and its backward pass.

Every layer keeps the contract of `layer` (the Gram matrix's y is (C, C))::

    y, cache = layer.forward(x)      # x, y: (H, W, C), one picture at a time
    dx = layer.backward(dy, cache)   # dy = ∂J/∂y in, dx = ∂J/∂x out, shaped like y and x

and these are all there are, and their chain, in the order to read them:

=================  ====================================  ======================================
module             forward                               backward
=================  ====================================  ======================================
`relu`             y = max(x, 0)                         dx = dy · 1[x > 0]
`pooling`          y_ijk = max over u, v of              dx = dy where the corner won, else 0
                   x[2i+u, 2j+v, k]
`preprocessing`    y = x in BGR − mean                   dx = dy in RGB
`convolution`      y_ijk′ = b_k′ + Σ_uvk                 dX = dY Ωᵀ, dx = col2im(dX)
                   x[i+u−p, j+v−p, k] w_uvkk′
`gram`             Gram_kk′ = Σ_ij a_ijk a_ijk′          dA = A (dGram + dGramᵀ)
`network`          a⁽ˡ⁾ = f_l(a⁽ˡ⁻¹⁾)                    ∂J/∂a⁽ˡ⁾ = g_l + what comes from above
=================  ====================================  ======================================

Last, `architecture`: which of them VGG is made of. Nothing here knows of losses, files or speed.
``VGG.load(fast=False)`` computes with these lines and no others (but for `blas`, which holds the
matrix products to one thread).
"""

from scratchnet.network.architecture import Parameters, kernel_shapes, vgg_layers
from scratchnet.network.convolution import (
    Convolution,
    col2im,
    convolution_by_definition,
    im2col,
)
from scratchnet.network.gram import Gram
from scratchnet.network.layer import Layer, Shape
from scratchnet.network.network import Network
from scratchnet.network.pooling import AveragePool, MaxPool
from scratchnet.network.preprocessing import MEAN_BGR, Preprocess
from scratchnet.network.relu import ReLU

__all__ = [
    "MEAN_BGR",
    "AveragePool",
    "Convolution",
    "Gram",
    "Layer",
    "MaxPool",
    "Network",
    "Parameters",
    "Preprocess",
    "ReLU",
    "Shape",
    "col2im",
    "convolution_by_definition",
    "im2col",
    "kernel_shapes",
    "vgg_layers",
]
