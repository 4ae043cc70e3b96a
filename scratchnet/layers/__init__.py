"""The layers of VGG, each with its forward and its backward pass side by side.

Every layer keeps one contract::

    y, cache = layer.forward(x)      # x, y: (H, W, C), one picture at a time
    dx = layer.backward(dy, cache)   # dy = ∂J/∂y in, dx = ∂J/∂x out, shaped like y and x
    layer.output_shape(x.shape)      # the shape of y, without computing it

``cache`` is exactly what the derivative needs and nothing more. A layer itself never
changes during a pass, so one layer can serve any number of pictures. ReLUs and pools also take
``out=``, as NumPy's functions do: an array to write the result to.

Read them in this order: `ReLU` (the smallest), `MaxPool` and `AveragePool`,
`Preprocess`, `Convolution`. That is all there is to VGG.

An optional second chapter, for speed: the same numbers by `WinogradConvolution`, which needs a
quarter of the multiplications; `PlaneConvolution`, for the first layer; `FastestConvolution`,
which chooses; and `InStrips`, which lends threads to the plain ReLU and pools.
"""

from scratchnet.layers.convolution import Convolution, col2im, im2col
from scratchnet.layers.fastest import FastestConvolution
from scratchnet.layers.planes import PlaneConvolution
from scratchnet.layers.pooling import AveragePool, MaxPool
from scratchnet.layers.preprocessing import MEAN_BGR, Preprocess
from scratchnet.layers.relu import ReLU
from scratchnet.layers.strips import InStrips
from scratchnet.layers.winograd import WinogradConvolution

__all__ = [
    "MEAN_BGR",
    "AveragePool",
    "Convolution",
    "FastestConvolution",
    "InStrips",
    "MaxPool",
    "PlaneConvolution",
    "Preprocess",
    "ReLU",
    "WinogradConvolution",
    "col2im",
    "im2col",
]
