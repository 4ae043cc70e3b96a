"""The same network and the same J in PyTorch, whose autograd derives what we derived by hand.

As a script it writes tests/data/vgg16_reference.npz, so that the comparison runs where there is
no PyTorch: ``pip install ".[bench]"`` and ``python tests/pytorch_reference.py``.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as functional

from scratchnet.files.images import load_image, resize_image
from scratchnet.files.weights import load_weights
from scratchnet.network.preprocessing import MEAN_BGR
from scratchnet.style.layers import CONTENT_LAYERS, STYLE_LAYERS

REFERENCE = Path(__file__).parent / "data" / "vgg16_reference.npz"
IMAGES = Path(__file__).parents[1] / "scripts" / "images"
SAMPLES = 40  # entries of each activation that go into the file


def to_torch(image, dtype):
    """(H, W, 3) RGB → (1, 3, H, W)."""
    return torch.tensor(np.ascontiguousarray(image.transpose(2, 0, 1)[None]), dtype=dtype)


def activations(image, dtype):
    """Return every ReLU's output by name, (1, C, H, W), max pooling between the blocks."""
    parameters = load_weights().parameters
    a = image.flip(1) - torch.tensor(MEAN_BGR, dtype=dtype).view(1, 3, 1, 1)
    result, previous = {}, "1"
    for name, (kernel, bias) in parameters.items():
        block = name[4]
        if block != previous:
            a, previous = functional.max_pool2d(a, 2), block
        kernel = torch.tensor(kernel.astype(np.float64).transpose(3, 2, 0, 1), dtype=dtype)
        a = functional.relu(
            functional.conv2d(a, kernel, torch.tensor(bias, dtype=dtype), padding=1)
        )
        result[name.replace("conv", "relu")] = a
    return result


def linear_chain(image, caches, dtype):
    """Return the deepest activation with ReLUs and pools replaced by *given* masks and switches.

    ``caches`` are those of the plain layers (``fast=False``). Without decisions of its
    own the chain is linear in the image, so its derivative can differ from ours by rounding only.
    """
    parameters = load_weights().parameters
    layers = iter(parameters.values())
    a = image.flip(1) - torch.tensor(MEAN_BGR, dtype=dtype).view(1, 3, 1, 1)
    for cache in caches[1:]:
        if isinstance(cache, np.ndarray):  # a ReLU's mask
            a = a * torch.tensor(cache.transpose(2, 0, 1)[None])
        elif isinstance(cache[0], np.ndarray):  # a pool's switches: which of four corners
            H, W = cache[0].shape[:2]
            a = a[:, :, : 2 * H, : 2 * W]
            corners = torch.stack([a[:, :, u::2, v::2] for u in (0, 1) for v in (0, 1)])
            switches = torch.tensor(cache[0].transpose(2, 0, 1)[None, None].astype(np.int64))
            a = corners.gather(0, switches)[0]
        else:
            kernel, bias = next(layers)
            kernel = torch.tensor(kernel.astype(np.float64).transpose(3, 2, 0, 1), dtype=dtype)
            a = functional.conv2d(a, kernel, torch.tensor(bias, dtype=dtype), padding=1)
    return a


def gram(a):
    """Return the Gram matrix over positions, (C, C), divided by their number."""
    features = a[0].flatten(1)
    return features @ features.T / features.shape[1]


def objective(image, content, style, dtype, *, style_weight=1e-3, tv_weight=10.0):
    """Return J and ∂J/∂image, (H, W, 3), by autograd."""
    x = to_torch(image, dtype).requires_grad_(True)
    a_G = activations(x, dtype)
    with torch.no_grad():
        a_C = activations(to_torch(content, dtype), dtype)
        a_S = activations(to_torch(style, dtype), dtype)
    J = sum(w * 0.5 * ((a_G[n] - a_C[n]) ** 2).mean() for n, w in CONTENT_LAYERS.items())
    for name, weight in STYLE_LAYERS.items():
        D = gram(a_G[name]) - gram(a_S[name])
        J = J + style_weight * weight * (D**2).sum() / (4 * D.shape[0] ** 2)
    tv = 0.5 * ((x.diff(dim=2) ** 2).sum() + (x.diff(dim=3) ** 2).sum())
    H, W, _ = image.shape
    J = J + tv_weight * (max(H, W) / 256) ** 0.5 * tv / (H * W)
    J.backward()
    return J.item(), x.grad[0].permute(1, 2, 0).numpy()


def small_pictures():
    """Return an image to evaluate at, a content and a style picture, in whole numbers."""
    content = np.rint(resize_image(load_image(IMAGES / "leuven_street.jpg"), (24, 32)))
    style = np.rint(resize_image(load_image(IMAGES / "starry_night.jpg"), (30, 20)))
    noise = np.random.default_rng(0).integers(-40, 41, content.shape)
    return (
        np.clip(content + noise, 0, 255).astype(float),
        content.astype(float),
        style.astype(float),
    )


def main():
    """Write the references, in float64."""
    image, content, style = small_pictures()
    arrays = {"image": image, "content": content, "style": style}
    rng = np.random.default_rng(1)
    for name, a in activations(to_torch(image, torch.float64), torch.float64).items():
        a = a[0].permute(1, 2, 0).numpy()
        where = rng.choice(a.size, min(SAMPLES, a.size), replace=False)
        arrays[f"{name}/where"], arrays[f"{name}/value"] = where, a.ravel()[where]
        arrays[f"{name}/norm"] = np.linalg.norm(a)
    arrays["loss"], arrays["gradient"] = objective(image, content, style, torch.float64)
    arrays["torch"] = torch.__version__
    np.savez_compressed(REFERENCE, **arrays)


if __name__ == "__main__":
    main()
