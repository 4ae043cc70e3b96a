"""What the figures of scripts/figures.py share: pictures, descents, and how far two are apart.

pixel_distance     √(mean (G − C)²), in grey levels
layer_distances    ‖a(G) − a(C)‖ / ‖a(C)‖, layer by layer: 0 the same, 1 as far as an empty map
style_distances    ‖Gram(G)/M − Gram(S)/M‖ / ‖Gram(S)/M‖, layer by layer
likeness           correlation of the lightness of G and C: 1 the same drawing, 0 none of it
grain_length       pixels after which lightness has lost half of its correlation with itself
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from scipy.fft import irfft2, rfft2
from tqdm import tqdm

from scratchnet import VGG, Content, Style, Term, TotalVariation, load_image, style_transfer
from scratchnet.files.images import fit, resize_image
from scratchnet.network.network import Network
from scratchnet.style.colors import LUMINANCE
from scratchnet.style.course import TransferResult
from scratchnet.style.layers import STYLE_LAYERS
from scratchnet.style.terms import style_target

IMAGES = Path(__file__).resolve().parent / "images"
PHOTO, PAINTING = "leuven_street", "starry_night"
CONTENT_AT = ("relu1_2", "relu2_2", "relu3_2", "relu4_2", "relu5_2")
STYLE_AT = tuple(STYLE_LAYERS)
LITTLE_TV = TotalVariation(1e-6)  # beside terms that are relative, and so at most about 1
LIGHTNESS = np.array(LUMINANCE)

Row = dict[str, str | float]


class Bench:
    """Where the figures are made: the network, the size of pictures, the number of steps.

    Parameters
    ----------
    size : int
        Long side of all pictures.
    iterations : int, optional
        Of every descent; without it, each figure's own number.
    """

    def __init__(self, size: int, iterations: int | None = None):
        self.size, self.iterations = size, iterations
        self.network = VGG.load(partial_windows=True)

    def picture(self, name: str) -> np.ndarray:
        """Return one of the embedded pictures, at the size."""
        image = load_image(IMAGES / f"{name}.jpg")
        return resize_image(image, fit(image.shape, self.size))

    def noise(self, like: np.ndarray, seed: int = 0) -> np.ndarray:
        """Return white noise in the shape of a picture."""
        return np.random.default_rng(seed).uniform(0, 255, like.shape).astype(like.dtype)

    def descend(
        self,
        label: str,
        terms: list[Term],
        start: np.ndarray | str,
        iterations: int,
        like: np.ndarray,
        **options,
    ) -> TransferResult:
        """Go down J, with a bar; a start that is a picture keeps to one size.

        ``like`` has the shape of G; from ``"random"``, G is also given its detail on the way from
        coarse to fine. ``options`` are those of `style_transfer`.
        """
        callback = options.pop("callback", None)
        options = {"network": self.network} | options
        shape = "{l_bar}{bar}| {elapsed}"
        with tqdm(total=1.0, desc=label, leave=False, disable=None, bar_format=shape) as bar:

            def seen(step):
                bar.update(step.progress - bar.n)
                if callback is not None:
                    callback(step)

            result = style_transfer(
                like, terms=terms, init=start, iterations=self.iterations or iterations,
                callback=seen, **options,
            )  # fmt: skip
        print(f"         {label}: J {lowest(result):.4g}", flush=True)
        return result


def lowest(result: TransferResult) -> float:
    """Return the J of a transfer's picture: the lowest at full size."""
    return min(r.loss for r in result.history if r.size == result.history[-1].size)


def relative_content(network: Network, C: np.ndarray, layer: str, weight: float = 1.0) -> Content:
    """Return the content term of one layer, in the unit of its own activations.

    J_C = ½ weight · ‖a(G) − a(C)‖² / ‖a(C)‖²: activations of relu1_2 are twenty times as large as
    those of relu5_2, and a layer would count by its size otherwise.
    """
    a, _ = network.forward(C, [layer])
    return Content(C, {layer: weight / float(np.mean(np.square(a[layer], dtype=np.float64)))})


def relative_style(network: Network, S: np.ndarray, layers: Iterable[str]) -> Style:
    """Return a style term in which each layer counts as much as another.

    J_S = mean over layers of ½ ‖Gram(G)/M − Gram(S)/M‖² / ‖Gram(S)/M‖², where 1/(4C²) is in the
    loss already.
    """
    a, _ = network.forward(S, layers)
    count = len(a)
    lam = {
        layer: 2 * map_.shape[2] ** 2 / (count * float(np.sum(style_target(map_) ** 2.0)))
        for layer, map_ in a.items()
    }
    return Style(S, lam, weight=1.0)


def pixel_distance(G: np.ndarray, C: np.ndarray) -> float:
    """Return √(mean (G − C)²), in grey levels of 0–255."""
    return float(np.sqrt(np.mean(np.square(G - C, dtype=np.float64))))


def layer_distances(
    network: Network, G: np.ndarray, C: np.ndarray, layers: Iterable[str] = CONTENT_AT
) -> dict[str, float]:
    """Return ‖a(G) − a(C)‖ / ‖a(C)‖ for each layer."""
    a_G, a_C = maps_of(network, G, layers), maps_of(network, C, layers)
    return {layer: _relative(a_G[layer], a_C[layer]) for layer in a_C}


def style_distances(
    network: Network, G: np.ndarray, S: np.ndarray, layers: Iterable[str] = STYLE_AT
) -> dict[str, float]:
    """Return ‖Gram(G)/M − Gram(S)/M‖ / ‖Gram(S)/M‖ for each layer."""
    a_G, a_S = maps_of(network, G, layers), maps_of(network, S, layers)
    return {layer: _relative(style_target(a_G[layer]), style_target(a_S[layer])) for layer in a_S}


def maps_of(network: Network, G: np.ndarray, layers: Iterable[str]) -> Mapping[str, np.ndarray]:
    """Return a picture's activations, in float64: they are squared and summed."""
    a, _ = network.forward(G, layers)
    return {layer: map_.astype(np.float64) for layer, map_ in a.items()}


def _relative(x: np.ndarray, target: np.ndarray) -> float:
    return float(np.linalg.norm(x - target) / np.linalg.norm(target))


def likeness(G: np.ndarray, C: np.ndarray) -> float:
    """Return the correlation of two pictures' lightness."""
    return float(np.corrcoef((G @ LIGHTNESS).ravel(), (C @ LIGHTNESS).ravel())[0, 1])


def grain_length(G: np.ndarray) -> float:
    """Return how many pixels away lightness has half its correlation with itself.

    r(d) is the mean over all pairs of pixels d apart, along rows and along columns.
    """
    x = G.astype(np.float64) @ LIGHTNESS
    x -= x.mean()
    H, W = x.shape
    shape = (2 * H, 2 * W)  # zeros around, so that the two ends do not meet
    sums, pairs = (irfft2(np.abs(rfft2(y, shape)) ** 2, shape) for y in (x, np.ones_like(x)))
    r = sums / np.maximum(pairs, 1) / np.mean(x**2)
    n = min(H, W) // 2
    r = (r[:n, 0] + r[0, :n]) / 2
    below = np.flatnonzero(r < 0.5)
    if not below.size:
        return float(n)
    # between the last pixel above ½ and the first below it, along a straight line
    d = below[0]
    return float(d - 1 + (r[d - 1] - 0.5) / (r[d - 1] - r[d]))
