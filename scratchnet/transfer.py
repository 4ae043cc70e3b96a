"""The loop of a style transfer: evaluate J, step, repeat; and from coarse to fine.

One iteration is four calls: `network.forward`, the losses, `network.backward` (these three are
`objective.evaluate`) and `optimizer.step`.

Coarse to fine. A picture that starts as white noise at its full size keeps some of it: the
deeper layers see large shapes through pooled maps, so noise within a shape changes J little and
goes away slowly. So the descent runs at a small size first, where a shape is a few pixels, and
each further size, twice as large, starts from the enlarged result of the one before and only
has to add detail. The sizes before the last together cost a third of it (¼ + 1/16 + … of its
pixels).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from scratchnet.images import resize_image
from scratchnet.network import Network
from scratchnet.objective import (
    CONTENT_LAYERS,
    STYLE_LAYERS,
    Evaluation,
    StyleTransferObjective,
)
from scratchnet.optimizers import Optimizer, PixelDescent
from scratchnet.vgg import VGG

SMALLEST_SIDE = 64  # px: below it the deeper layers see little but their own padding


class Step(NamedTuple):
    """What a callback sees: one evaluation of J, and the picture it was evaluated at.

    ``iteration`` counts evaluations from 0 (the start) through all sizes; ``progress`` is the
    share of the whole work that is done with it, up to 1.
    """

    iteration: int
    image: np.ndarray
    loss: float
    terms: dict[str, float]
    progress: float


class Record(NamedTuple):
    """A `Step` without its picture, but with its size (height, width), for plots."""

    iteration: int
    loss: float
    terms: dict[str, float]
    size: tuple[int, int]


class TransferResult(NamedTuple):
    """The picture of the lowest J, the course of J, and why it stopped early (or None)."""

    image: np.ndarray
    history: list[Record]
    stopped: str | None


def coarse_to_fine_sizes(
    shape: tuple[int, ...], smallest: int = SMALLEST_SIDE
) -> list[tuple[int, int]]:
    """Return the levels' sizes (height, width), from the coarsest to ``shape`` itself.

    Each is half the next; none has a long side under ``smallest`` or a short one under half of
    that, unless the picture itself has.

    Examples
    --------
    >>> coarse_to_fine_sizes((192, 256, 3))
    [(48, 64), (96, 128), (192, 256)]
    >>> coarse_to_fine_sizes((40, 50))
    [(40, 50)]
    """
    height, width = shape[:2]
    sizes = [(height, width)]
    while max(height, width) >= 2 * smallest and min(height, width) >= smallest:
        height, width = round(height / 2), round(width / 2)
        sizes.insert(0, (height, width))
    return sizes


def descend(
    objective: StyleTransferObjective, G: np.ndarray, optimizer: Optimizer, iterations: int
) -> Iterator[tuple[np.ndarray, Evaluation]]:
    """Minimise J from G, one size: yield (G, J at G) at the start and after each step."""
    state = optimizer.start(G, iterations)
    for t in range(iterations + 1):
        evaluation = objective.evaluate(G)
        yield G, evaluation
        if t < iterations:
            G, state = optimizer.step(G, evaluation.gradient, state)


def style_transfer(
    content: np.ndarray,
    style: np.ndarray,
    *,
    network: Network | None = None,
    init: str | np.ndarray = "random",
    iterations: int = 100,
    content_weight: float = 1.0,
    style_weight: float = 1e-3,
    tv_weight: float = 10.0,
    content_layers: Mapping[str, float] = CONTENT_LAYERS,
    style_layers: Mapping[str, float] = STYLE_LAYERS,
    optimizer: Optimizer | None = None,
    coarse_to_fine: bool | None = None,
    seed: int = 0,
    callback: Callable[[Step], None] | None = None,
) -> TransferResult:
    """Paint the content image in the manner of the style image (Gatys, Ecker & Bethge 2015).

    Parameters
    ----------
    content, style : ndarray, (H, W, 3) and (H_S, W_S, 3)
        RGB in 0–255. The result has the shape of the content image.
    network : Network, optional
        Without one, the embedded VGG-16 with max pooling in float32.
    init : ``"random"``, ``"content"`` or ndarray (H, W, 3)
        What G starts as: uniform noise (the notes' first step), the content image, or a picture.
    iterations : int
        Steps at each size.
    content_weight, style_weight, tv_weight, content_layers, style_layers
        The terms of J, as `StyleTransferObjective` has them.
    optimizer : optional
        Without one, `PixelDescent()`.
    coarse_to_fine : bool, optional
        Whether to start at a small size and double it; without it, only from noise.
    seed : int
        Of the noise. The same seed gives the same picture, byte for byte, on the same machine.
    callback : callable, optional
        Called with a `Step` at each evaluation of J: iterations + 1 times at each size.

    Returns
    -------
    result : TransferResult
        Its ``image`` is the picture, in the network's dtype, with the lowest J at full size. If J
        ceases to be finite, the descent stops and ``stopped`` says where.

    Raises
    ------
    ValueError
        For a picture that is not (H, W, 3) or not finite, an unknown ``init``, fewer than 1
        iteration, or as `StyleTransferObjective` does.
    """
    network = VGG.load() if network is None else network
    content = _checked("content", content, network.dtype)
    style = _checked("style", style, network.dtype)
    optimizer = PixelDescent() if optimizer is None else optimizer
    if iterations < 1:
        raise ValueError(f"got {iterations} iterations, wanted at least 1")
    if coarse_to_fine is None:
        coarse_to_fine = isinstance(init, str) and init == "random"
    sizes = coarse_to_fine_sizes(content.shape) if coarse_to_fine else [content.shape[:2]]
    G = _initial_image(init, content, sizes[0], seed).astype(network.dtype)
    work = (iterations + 1) * sum(height * width for height, width in sizes)
    done, history, stopped = 0, [], None
    for height, width in sizes:
        G = best = resize_image(G, (height, width))
        lowest = np.inf
        network.forget()
        objective = StyleTransferObjective(
            network,
            resize_image(content, (height, width)),
            resize_image(style, _scaled(style.shape, height / content.shape[0])),
            content_layers=content_layers,
            style_layers=style_layers,
            content_weight=content_weight,
            style_weight=style_weight,
            tv_weight=tv_weight,
        )
        for G_t, (loss, gradient, terms) in descend(objective, G, optimizer, iterations):
            iteration = len(history)
            if not (np.isfinite(loss) and np.isfinite(gradient).all()):
                stopped = f"J is not finite at iteration {iteration}"
                break
            if loss < lowest:
                best, lowest = G_t, loss
            done += height * width
            history.append(Record(iteration, loss, terms, (height, width)))
            if callback is not None:
                callback(Step(iteration, G_t, loss, terms, done / work))
        G = best
        if stopped:
            break
    return TransferResult(resize_image(G, content.shape[:2]), history, stopped)


def _initial_image(
    init: str | np.ndarray, content: np.ndarray, size: tuple[int, int], seed: int
) -> np.ndarray:
    """Return what G starts as, at the first level's size."""
    if not isinstance(init, str):
        init = _checked("init", init, content.dtype)
        if init.shape != content.shape:
            raise ValueError(f"init: got a picture of {init.shape}, wanted {content.shape}")
        return resize_image(init, size)
    if init == "content":
        return resize_image(content, size)
    if init == "random":
        return np.random.default_rng(seed).uniform(0, 255, (*size, 3))
    raise ValueError(f"got init {init!r}, wanted 'random', 'content' or an array")


def _checked(name: str, image: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return a picture in the network's precision; raises ValueError if it is none."""
    image = np.asarray(image, dtype)
    if image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"{name}: got an array of shape {image.shape}, wanted (height, width, 3)")
    if not np.isfinite(image).all():
        raise ValueError(f"{name}: the picture has entries that are not finite")
    return image


def _scaled(shape: tuple[int, ...], factor: float) -> tuple[int, int]:
    """Return the style image's (height, width) times ``factor``, rounded.

    A style image much smaller than the content image stays large enough for the deepest layers.
    """
    factor = min(1.0, max(factor, SMALLEST_SIDE / 2 / min(shape[:2])))
    return round(shape[0] * factor), round(shape[1] * factor)
