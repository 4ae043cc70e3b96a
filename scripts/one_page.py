"""Neural style transfer on one page: VGG-16, every derivative by hand, descent on the pixels.

    python scripts/one_page.py [CONTENT STYLE]      saves outputs/one_page.png in about a minute

C is the content image, S the style image, G the image that is made (Gatys, Ecker & Bethge 2015):

    J(G) = ½ Σ_ijk (a_G − a_C)² / (H W C)                                at relu4_2
         + 1e-3 Σ_l 0.2 / (4 C²) Σ_kk′ (Gram_kk′(G) − Gram_kk′(S))²      at five layers l

a_ijk is the activation at row i, column j, channel k; Gram_kk′ = Σ_ij a_ijk a_ijk′ / (H W) says how
much channels k and k′ fire together. (C in a size counts channels; as an index, it is the image.)
dthing is ∂J/∂thing. Each function also returns what the one below it needs to go back.
"""

import sys
from pathlib import Path

import h5py
import numpy as np
from PIL import Image

HERE = Path(__file__).resolve().parent
SIZE, STEPS = 160, 100  # px of the long side; steps of the descent
STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
LAYERS = """
    conv1_1 relu1_1 conv1_2 relu1_2 pool1 conv2_1 relu2_1 conv2_2 relu2_2 pool2
    conv3_1 relu3_1 conv3_2 relu3_2 conv3_3 relu3_3 pool3
    conv4_1 relu4_1 conv4_2 relu4_2 conv4_3 relu4_3 pool4 conv5_1 relu5_1
""".split()  # as deep as J looks
CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))  # (u, v) of a 2×2 window


def convolution(x, kernel, bias):
    # y_ijk′ = b_k′ + Σ_uvk x[i + u − 1, j + v − 1, k] w_uvkk′: a product, Y = X Ω + b, in which
    # row ij of X holds the 3×3 patch around position ij (im2col)
    H, W, C = x.shape
    padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    X = np.concatenate([padded[u : u + H, v : v + W] for u, v in np.ndindex(3, 3)], axis=2)
    Y = X.reshape(H * W, 9 * C) @ kernel.reshape(9 * C, -1) + bias
    return Y.reshape(H, W, -1), kernel


def convolution_back(dy, kernel):
    # dX = dY Ωᵀ; a pixel was copied into nine patches, and adds up what comes back (col2im)
    H, W, C_out = dy.shape
    dX = (dy.reshape(H * W, C_out) @ kernel.reshape(-1, C_out).T).reshape(H, W, 3, 3, -1)
    padded = np.zeros((H + 2, W + 2, dX.shape[4]))
    for u, v in np.ndindex(3, 3):
        padded[u : u + H, v : v + W] += dX[:, :, u, v]
    return padded[1:-1, 1:-1]


def relu(x):
    # y = max(x, 0)
    return np.maximum(x, 0), x > 0


def relu_back(dy, mask):
    # dx = dy · 1[x > 0]
    return dy * mask


def pool(x):
    # y_ijk = max over u, v of x[2i + u, 2j + v, k]; an odd last row or column stands twice
    H, W, _ = x.shape
    even = np.pad(x, ((0, H % 2), (0, W % 2), (0, 0)), "edge")
    corners = np.stack([even[u::2, v::2] for u, v in CORNERS])
    return corners.max(axis=0), (corners.argmax(axis=0), x.shape)


def pool_back(dy, cache):
    # dx[2i + u, 2j + v, k] = dy_ijk where (u, v) won the window, and 0 elsewhere
    winner, (H, W, C) = cache
    dx = np.zeros((H + H % 2, W + W % 2, C))
    for n, (u, v) in enumerate(CORNERS):
        dx[u::2, v::2] = dy * (winner == n)
    return dx[:H, :W]  # of equals the first wins: never the one that stands there again


def forward(image, weights):
    # a⁽ˡ⁾ = f_l(a⁽ˡ⁻¹⁾); VGG was trained on BGR minus the mean colour
    a = image[..., ::-1] - [103.939, 116.779, 123.68]
    activations, caches = {}, {}
    for name in LAYERS:
        if name in weights:
            a, caches[name] = convolution(a, *weights[name])
        else:
            a, caches[name] = relu(a) if name.startswith("relu") else pool(a)
        activations[name] = a
    return activations, caches


def backward(gradients, caches):
    # ∂J/∂a⁽ˡ⁾ = J's own gradient at layer l + what comes down from the layer above
    back, da = {"conv": convolution_back, "relu": relu_back, "pool": pool_back}, 0
    for name in reversed(LAYERS):
        da = back[name[:4]](da + gradients.get(name, 0), caches[name])
    return da[..., ::-1]


def gram(a):
    # Gram_kk′ = Σ_ij a_ijk a_ijk′ / (H W)
    A = a.reshape(-1, a.shape[2])
    return A.T @ A / len(A)


def cost(G, a_C, gram_S, weights):
    """Return J(G) and ∂J/∂G."""
    a, caches = forward(G, weights)
    d = a["relu4_2"] - a_C
    J, gradients = 0.5 * np.sum(d**2) / d.size, {"relu4_2": d / d.size}
    for layer in STYLE_LAYERS:
        H, W, C = a[layer].shape
        weight, D = 1e-3 * 0.2 / (4 * C**2), gram(a[layer]) - gram_S[layer]
        J += weight * np.sum(D**2)
        # a_ijk is in row k and in column k of Gram, and D is squared: 2 · 2 · Σ_k′ D_kk′ a_ijk′
        gradients[layer] = weight * 4 * (a[layer] @ D) / (H * W)
    return J, backward(gradients, caches)


def read(path):
    image = Image.open(path).convert("RGB")
    image.thumbnail((SIZE, SIZE))
    return np.asarray(image, np.float64)


def main(content=HERE / "images/pagoda.jpg", style=HERE / "images/starry_night.jpg"):
    with h5py.File(HERE.parent / "weights/vgg16.h5") as file:
        names = [name for name in LAYERS if name.startswith("conv")]
        weights = {n: [np.float64(file[n][part]) for part in ("kernel", "bias")] for n in names}
    C, S = read(content), read(style)
    a_C, a_S = forward(C, weights)[0]["relu4_2"], forward(S, weights)[0]
    gram_S = {layer: gram(a_S[layer]) for layer in STYLE_LAYERS}
    G, velocity = 0.8 * C + 0.2 * np.random.default_rng(0).uniform(0, 255, C.shape), 0
    for t in range(STEPS):
        J, dG = cost(G, a_C, gram_S, weights)
        print(f"\rstep {t + 1} of {STEPS}, J = {J:.3g} ", end="", flush=True)
        # G ← G − η ∂J/∂G, with η such that pixels move 3 grey levels, less and less, and momentum
        velocity = 0.9 * velocity - 3 * (1 - t / STEPS) * dG / np.sqrt(np.mean(dG**2))
        G = np.clip(G + velocity, 0, 255)
    Path("outputs").mkdir(exist_ok=True)
    Image.fromarray(np.uint8(np.rint(G))).save("outputs/one_page.png")
    print("\nsaved outputs/one_page.png")


if __name__ == "__main__":
    main(*sys.argv[1:])
