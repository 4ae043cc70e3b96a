"""Training in small: where the weights of a network come from.

A style transfer keeps the weights and changes the picture. Training keeps the pictures and changes
the weights, by the same chain rule. The task here: which picture was this little patch cut out of?

Forward. The last layer's map a has one channel a class; its means over the M positions are the
*scores* s, and softmax turns them into probabilities p. J, the *cross-entropy*, says how little the
network expected the right class c::

    s_k = 1/M Σ_ij a_ijk
    p_k = exp(s_k) / Σ_k′ exp(s_k′)
    J   = −log p_c = log Σ_k exp(s_k) − s_c

Backward. The derivative of the logarithm with respect to s_k is exp(s_k) / Σ_k′ exp(s_k′), which is
p_k again; that of s_c is 1 for k = c; and a_ijk is in one score only, with the factor 1/M::

    ∂J/∂s_k   = p_k − 1[k = c]
    ∂J/∂a_ijk = 1/M ∂J/∂s_k

From there the gradient goes down through the layers. It reaches a convolution as dY = ∂J/∂Y, and if
X, which came into that layer, was kept, it gives two more things, which a style transfer has no use
for (`network.convolution`)::

    dΩ = Xᵀ dY        db_k′ = Σ_r dY_rk′

Step. J is the mean over a *mini-batch* of B patches, drawn anew for each step. Its gradient is that
of all patches there are, plus noise: hence *stochastic* gradient descent. There is momentum and
weight decay, as in VGG's training (Simonyan & Zisserman 2015, section 3.1). For every kernel w ::

    η_t = η (1 − t/N)
    v ← μ v − η_t (∂J/∂w + λ w)
    w ← w + v

and for a bias the same without λ w, which is the derivative of ½ λ ‖w‖². It shrinks a kernel in
every direction in which no gradient holds against it: the noise that training starts from fades.

Start. Biases are 0. Kernels are random. Each y is a sum of n products, so Var y = n · Var w · mean
x²; and mean x² is half of Var y of the layer before, since the ReLU sets half of all y to 0. So
activations stay equally large from layer to layer if (He et al. 2015, equation 10; it does not
count pools) ::

    ½ n Var w = 1,    n = kh·kw·C_in
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scratchnet.blas import one_blas_thread
from scratchnet.network.convolution import Convolution
from scratchnet.network.layer import Layer
from scratchnet.network.network import Network
from scratchnet.network.pooling import MaxPool
from scratchnet.network.relu import ReLU

Gradients = dict[str, tuple[np.ndarray, np.ndarray]]  # convolution → (∂J/∂kernel, ∂J/∂bias)


def he_convolution(
    name: str, shape: tuple[int, int, int, int], rng: np.random.Generator, dtype: str
) -> Convolution:
    """Return an untrained convolution that keeps H and W; ``shape`` is (kh, kw, C_in, C_out)."""
    kh, kw, C_in, C_out = shape
    # ½ n Var w = 1, n = kh·kw·C_in
    kernel = rng.standard_normal(shape) * np.sqrt(2 / (kh * kw * C_in))
    return Convolution(kernel.astype(dtype), np.zeros(C_out, dtype), padding=kh // 2, name=name)


def small_network(
    classes: int,
    rng: np.random.Generator,
    *,
    channels: Sequence[int] = (16, 24, 32),
    dtype: str = "float32",
) -> Network:
    """Return an untrained network after VGG's pattern.

    A block is a 3×3 convolution, a ReLU and a 2×2 pooling; each of ``channels`` makes one. Then a
    1×1 convolution, ``scores``, weighs the last block's channels for each class.
    """
    layers: list[Layer] = []
    C_in = 3
    for n, C_out in enumerate(channels, start=1):
        convolution = he_convolution(f"conv{n}", (3, 3, C_in, C_out), rng, dtype)
        layers += [convolution, ReLU(f"relu{n}"), MaxPool(f"pool{n}")]
        C_in = C_out
    layers.append(he_convolution("scores", (1, 1, C_in, classes), rng, dtype))
    return Network(layers, dtype=dtype)


def cross_entropy(scores: np.ndarray, label: int) -> tuple[float, np.ndarray]:
    """Return J = −log p_c and ∂J/∂scores, for the scores s of one patch and its class c.

    Examples
    --------
    Four classes, none preferred: each p is ¼, and J = log 4.

    >>> J, dscores = cross_entropy(np.zeros(4), label=1)
    >>> float(np.exp(J)), dscores.tolist()
    (4.0, [0.25, -0.75, 0.25, 0.25])
    """
    # The same number added to all scores changes nothing; with 0 the largest, no exp overflows.
    s = scores - scores.max()
    total = np.exp(s).sum()
    # J = −log p_c = log Σ_k exp(s_k) − s_c
    J = np.log(total) - s[label]
    # p_k = exp(s_k) / Σ_k′ exp(s_k′)
    p = np.exp(s) / total
    # ∂J/∂s_k = p_k − 1[k = c]
    return J, p - (np.arange(len(s)) == label)


@one_blas_thread
def patch_gradients(network: Network, patch: np.ndarray, label: int) -> tuple[float, Gradients]:
    """Return J of one patch, (H, W, 3), and ∂J/∂kernel and ∂J/∂bias of every convolution."""
    names = [layer.name for layer in network.layers]
    # Forward: every activation is kept, for it is the next layer's x.
    activations, caches = network.forward(patch, names)
    inputs = [patch, *(activations[name] for name in names[:-1])]
    a = activations[names[-1]]
    # s_k = 1/M Σ_ij a_ijk
    J, dscores = cross_entropy(a.mean(axis=(0, 1)), label)

    M = a.shape[0] * a.shape[1]
    # ∂J/∂a_ijk = 1/M ∂J/∂s_k
    da = np.broadcast_to(dscores.astype(a.dtype) / M, a.shape)
    gradients = {}
    for layer, x, cache in zip(network.layers[::-1], inputs[::-1], caches[::-1], strict=True):
        if isinstance(layer, Convolution):
            # dΩ = Xᵀ dY, db_k′ = Σ_r dY_rk′
            gradients[layer.name] = layer.parameter_gradients(da, x)
        # (∂a⁽ˡ⁾/∂a⁽ˡ⁻¹⁾)ᵀ ∂J/∂a⁽ˡ⁾
        da = layer.backward(da, cache)
    return J, gradients


def batch_gradients(
    network: Network, patches: np.ndarray, labels: Sequence[int]
) -> tuple[float, Gradients]:
    """Return J and its gradients, each the mean over a mini-batch of B patches, (B, H, W, 3)."""
    results = [patch_gradients(network, *pair) for pair in zip(patches, labels, strict=True)]
    B = len(results)
    gradients = {
        name: tuple(sum(g[name][part] for _, g in results) / B for part in (0, 1))
        for name in results[0][1]
    }
    return sum(J for J, _ in results) / B, gradients


@dataclass(frozen=True)
class MomentumDescent:
    """Stochastic gradient descent with momentum μ and weight decay λ.

    VGG had η = 0.01 (cut to a tenth three times), μ = 0.9, λ = 0.0005 and N = 370,000. Departure:
    our N is some 2,000, and only with a larger λ do kernels forget their start in so few steps.
    """

    learning_rate: float = 0.03
    momentum: float = 0.9
    weight_decay: float = 0.015

    def start(self, network: Network, iterations: int) -> dict[str, Any]:
        """Return the state before the first of ``iterations`` steps: at rest."""
        at_rest = {
            layer.name: (np.zeros_like(layer.kernel), np.zeros_like(layer.bias))
            for layer in network.layers
            if isinstance(layer, Convolution)
        }
        return {"t": 0, "iterations": iterations, "velocities": at_rest}

    def step(
        self, network: Network, gradients: Gradients, state: dict[str, Any]
    ) -> tuple[Network, dict[str, Any]]:
        """Return a network of new kernels and biases, and the new state; both old ones stay."""
        # η_t = η (1 − t/N)
        eta = self.learning_rate * (1 - state["t"] / state["iterations"])
        mu, decay = self.momentum, self.weight_decay
        layers, velocities = [], {}
        for layer in network.layers:
            if layer.name in gradients:
                dkernel, dbias = gradients[layer.name]
                v_kernel, v_bias = state["velocities"][layer.name]
                # v ← μ v − η_t (∂J/∂w + λ w)
                v_kernel = mu * v_kernel - eta * (dkernel + decay * layer.kernel)
                v_bias = mu * v_bias - eta * dbias
                velocities[layer.name] = v_kernel, v_bias
                # w ← w + v
                layer = replace(layer, kernel=layer.kernel + v_kernel, bias=layer.bias + v_bias)
            layers.append(layer)
        state = {**state, "t": state["t"] + 1, "velocities": velocities}
        return Network(layers, dtype=network.dtype), state


def normalise(patches: np.ndarray) -> np.ndarray:
    """Take away each patch's mean colour and contrast, so that neither gives its picture away.

    Parameters
    ----------
    patches : ndarray, (…, H, W, 3)
        RGB in 0–255. One grey level is added to the contrast, for patches that have none.
    """
    centred = patches - patches.mean(axis=(-3, -2), keepdims=True)
    contrast = np.sqrt(np.mean(centred**2, axis=(-3, -2, -1), keepdims=True))
    return centred / (contrast + 1)


def split(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the left three quarters of a picture, to train on, and the right one, to test on."""
    column = picture.shape[1] * 3 // 4
    return picture[:, :column], picture[:, column:]


def random_patches(
    pictures: Sequence[np.ndarray], count: int, size: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Cut patches at random: (count, size, size, 3), and each one's label, its picture's number."""
    labels = rng.integers(len(pictures), size=count)
    patches = []
    for label in labels:
        H, W, _ = pictures[label].shape
        i, j = rng.integers(H - size + 1), rng.integers(W - size + 1)
        patches.append(pictures[label][i : i + size, j : j + size])
    return np.stack(patches), labels


def tiles(pictures: Sequence[np.ndarray], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut pictures into all their patches side by side, labelled as in `random_patches`."""
    cut = [
        (picture[i : i + size, j : j + size], label)
        for label, picture in enumerate(pictures)
        for i in range(0, picture.shape[0] - size + 1, size)
        for j in range(0, picture.shape[1] - size + 1, size)
    ]
    return np.stack([patch for patch, _ in cut]), np.array([label for _, label in cut])


def train(
    network: Network,
    pictures: Sequence[np.ndarray],
    iterations: int,
    rng: np.random.Generator,
    *,
    size: int = 32,
    batch: int = 16,
    descent: MomentumDescent = MomentumDescent(),
) -> Iterator[tuple[float, Network]]:
    """Train on random patches of pictures, a class each; after each step, yield J and the network.

    J is that of the step's mini-batch before the step.
    """
    state = descent.start(network, iterations)
    for _ in range(iterations):
        patches, labels = random_patches(pictures, batch, size, rng)
        J, gradients = batch_gradients(network, normalise(patches), labels)
        network, state = descent.step(network, gradients, state)
        yield J, network


def predict(network: Network, patches: np.ndarray) -> np.ndarray:
    """Return the scores, (number, classes), of patches in 0–255; the largest is the answer."""
    last = network.layers[-1].name
    maps = (network.forward(patch, [last])[0][last] for patch in normalise(patches))
    # s_k = 1/M Σ_ij a_ijk
    return np.stack([a.mean(axis=(0, 1)) for a in maps])


def evaluate(network: Network, patches: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Return J, the mean over patches in 0–255, and the share of them that is answered rightly."""
    scores = predict(network, patches)
    J = np.mean([cross_entropy(s, c)[0] for s, c in zip(scores, labels, strict=True)])
    return float(J), float(np.mean(scores.argmax(axis=1) == labels))
