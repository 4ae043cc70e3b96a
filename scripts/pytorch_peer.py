"""The peer that `benchmark` measures against: the same network and the same J in PyTorch.

At its best on a CPU: its own threads on all cores, memory in channels_last order, weights that
need no gradient, targets computed once, ReLUs in place.
"""

import time

import numpy as np
import torch
import torch.nn.functional as functional

from scratchnet.fast.workspace import available_cores
from scratchnet.files.weights import load_weights
from scratchnet.network.preprocessing import MEAN_BGR
from scratchnet.style.layers import STYLE_LAYERS, content_layers_at
from scratchnet.style.terms import TV_SIDE

torch.set_num_threads(available_cores())


def to_torch(a: np.ndarray) -> torch.Tensor:
    """Turn (H, W, C) to (1, C, H, W) in channels_last order."""
    a = torch.from_numpy(np.ascontiguousarray(a.transpose(2, 0, 1)[None], dtype=np.float32))
    return a.contiguous(memory_format=torch.channels_last)


def convolutions() -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Return each convolution's kernel and bias by name."""
    return {
        name: (
            torch.from_numpy(kernel.astype(np.float32).transpose(3, 2, 0, 1).copy()).contiguous(
                memory_format=torch.channels_last
            ),
            torch.from_numpy(bias.astype(np.float32)),
        )
        for name, (kernel, bias) in load_weights()[1].items()
    }


class PyTorchVGG:
    """VGG-16, forward; the pools' windows partial at the border, or not, as in `VGG`."""

    def __init__(self, *, partial_windows: bool = False):
        self.partial_windows = partial_windows
        self.convolutions = convolutions()
        self.mean = torch.tensor(MEAN_BGR, dtype=torch.float32).view(1, 3, 1, 1)

    def activations(self, image: torch.Tensor, layers) -> dict[str, torch.Tensor]:
        """Return the activations at the layers named, and compute no deeper."""
        a, found, block = image.flip(1) - self.mean, {}, "1"
        for name, (kernel, bias) in self.convolutions.items():
            if name[4] != block:
                a, block = functional.max_pool2d(a, 2, ceil_mode=self.partial_windows), name[4]
            a = functional.relu(functional.conv2d(a, kernel, bias, padding=1), inplace=True)
            relu = name.replace("conv", "relu")
            if relu in layers:
                found[relu] = a
            if len(found) == len(layers):
                break
        return found


class PyTorchObjective:
    """J and ∂J/∂G with `StyleTransferObjective`'s defaults, by autograd."""

    def __init__(self, content: np.ndarray, style: np.ndarray):
        self.content_weight, self.style_weight, self.tv_weight = 1.0, 1e-3, 10.0
        self.network = PyTorchVGG(partial_windows=True)
        self.content_layers = content_layers_at(content.shape[:2])
        with torch.no_grad():
            a_C = self.network.activations(to_torch(content), self.content_layers)
            self.content_targets = {name: a.clone() for name, a in a_C.items()}
            a_S = self.network.activations(to_torch(style), STYLE_LAYERS)
            self.style_targets = {name: self._gram(a) for name, a in a_S.items()}

    def __call__(self, image: np.ndarray) -> tuple[float, np.ndarray]:
        """Return (J, ∂J/∂G) at ``image``, (H, W, 3)."""
        x = to_torch(image).requires_grad_(True)
        a_G = self.network.activations(x, self.content_layers | STYLE_LAYERS)
        J = 0
        for name, weight in self.content_layers.items():
            squares = (a_G[name] - self.content_targets[name]).square()
            J = J + self.content_weight * weight * 0.5 * squares.mean()
        for name, weight in STYLE_LAYERS.items():
            D = self._gram(a_G[name]) - self.style_targets[name]
            J = J + self.style_weight * weight * D.square().sum() / (4 * len(D) ** 2)
        differences = x.diff(dim=2).square().sum() + x.diff(dim=3).square().sum()
        H, W, _ = image.shape
        J = J + self.tv_weight * (max(H, W) / TV_SIDE) ** 0.5 * 0.5 * differences / (H * W)
        J.backward()
        return J.item(), x.grad[0].permute(1, 2, 0).numpy()

    @staticmethod
    def _gram(a: torch.Tensor) -> torch.Tensor:
        """Return the Gram matrix over positions, (C, C), divided by their number."""
        A = a.permute(0, 2, 3, 1).reshape(-1, a.shape[1])
        return A.T @ A / len(A)


def layer_times(shapes: dict[str, tuple[int, int, int]], rounds: int) -> dict[str, list[float]]:
    """Return each convolution's forward and backward seconds, by the input alone; least of all."""
    times = {}
    rng = np.random.default_rng(0)
    parameters = convolutions()
    for name, shape in shapes.items():
        kernel, bias = parameters[name]
        least = [np.inf, np.inf]
        x = to_torch(rng.standard_normal(shape, np.float32)).requires_grad_(True)
        dy = to_torch(rng.standard_normal((*shape[:2], len(bias)), np.float32))
        for _ in range(rounds):
            start = time.perf_counter()
            y = functional.conv2d(x, kernel, bias, padding=1)
            middle = time.perf_counter()
            torch.autograd.grad(y, x, dy)
            seconds = (middle - start, time.perf_counter() - middle)
            least = [min(pair) for pair in zip(least, seconds, strict=True)]
        times[name] = least
    return times
