"""The loop of a style transfer: evaluate J, step, repeat; and from coarse to fine.

One iteration is four calls: `network.forward`, the terms, `network.backward` (these three are
`objective.evaluate`, in which the walk back asks each term when it reaches its layer) and
`optimizer.step`.

Coarse to fine. A picture that starts as white noise at its full size keeps some of it: the
deeper layers see large shapes through pooled maps, so noise within a shape changes J little and
goes away slowly. So the descent runs at a small size first, where a shape is a few pixels, with
half the steps. Each further size, twice as large, starts from the enlarged result of the one
before, plus the detail of the content image C that the smaller size could not show. With ↑
enlarging to the new size and ↓ shrinking to the old one::

    G ← clip(↑G + C − ↑↓C, 0, 255)

The sizes before the last together cost a sixth of the last (half of ¼ + 1/16 + …).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import prod
from typing import NamedTuple

import numpy as np

from scratchnet.files.images import resize_image
from scratchnet.network.network import Network
from scratchnet.style.lbfgs import LBFGS
from scratchnet.style.objective import Evaluation, StyleTransferObjective
from scratchnet.style.optimizers import Optimizer
from scratchnet.style.terms import (
    CONTENT_LAYERS,
    STYLE_LAYERS,
    Content,
    Style,
    Term,
    TotalVariation,
    gatys_terms,
)
from scratchnet.vgg import VGG

SMALLEST_SIDE = 64  # px: below it the deeper layers see little but their own padding


class Step(NamedTuple):
    """What a callback sees: one evaluation of J, and the picture it was evaluated at.

    ``terms`` are the terms' values, by term and layer; ``iteration`` counts evaluations from 0 (the
    start) through all sizes; ``progress`` is the share of the whole work that is done with it, up
    to 1.
    """

    iteration: int
    image: np.ndarray
    loss: float
    terms: dict[str, float]
    progress: float


class Record(NamedTuple):
    """A `Step` without its picture, but with the picture's size, (height, width), for plots."""

    iteration: int
    loss: float
    terms: dict[str, float]
    size: tuple[int, int]


class TransferResult(NamedTuple):
    """The picture with the lowest J, the course of J, and why it stopped early (or None)."""

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


def steps_of(sizes: Sequence[tuple[int, int]], iterations: int) -> list[int]:
    """Return the number of steps at each size: ``iterations`` at the last, half at the others.

    Examples
    --------
    >>> steps_of([(48, 64), (96, 128), (192, 256)], 76)
    [38, 38, 76]
    """
    return [-(-iterations // 2)] * (len(sizes) - 1) + [iterations]


def enlarged(G: np.ndarray, content: np.ndarray) -> np.ndarray:
    """Return G at the size of the content image, with its detail; G itself if it has that size."""
    if G.shape == content.shape:
        return G
    broad = resize_image(resize_image(content, G.shape[:2]), content.shape[:2])
    # G ← clip(↑G + C − ↑↓C, 0, 255)
    return np.clip(resize_image(G, content.shape[:2]) + content - broad, 0, 255)


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
    style: np.ndarray | None = None,
    *,
    terms: Sequence[Term] | None = None,
    network: Network | None = None,
    init: str | np.ndarray = "random",
    iterations: int = 76,
    content_weight: float = Content.weight,
    style_weight: float = Style.weight,
    tv_weight: float = TotalVariation.weight,
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
        RGB in 0–255. The result has the shape of the content image, and begins each larger size
        with its detail, whatever the terms.
    terms : sequence of Term, optional
        What J is the sum of. Without it, `terms.gatys_terms` of the two pictures and of the weights
        and layers below; with it, these and the style image are not used.
    network : Network, optional
        Without one, the embedded VGG-16 with max pooling in float32.
    init : ``"random"``, ``"content"`` or ndarray (H, W, 3)
        What G starts as: uniform noise (the notes' first step), the content image, or a picture.
    iterations : int
        Steps at full size; half as many at each smaller one.
    content_weight, style_weight, tv_weight, content_layers, style_layers
        As `terms.gatys_terms` has them.
    optimizer : optional
        Without one, `LBFGS()`.
    coarse_to_fine : bool, optional
        Whether to start at a small size and double it; without it, only from noise.
    seed : int
        Of the noise. The same seed gives the same picture, byte for byte, on machines with the same
        processor and packages, whatever the number of threads.
    callback : callable, optional
        Called with a `Step` at each evaluation of J: before the first step and after each one.

    Returns
    -------
    result : TransferResult
        Its ``image`` is the picture, in the network's dtype, with the lowest J at full size. If J
        ceases to be finite, the descent stops and ``stopped`` says where.

    Raises
    ------
    ValueError
        For a picture that is not (H, W, 3) or not finite, neither a style nor terms, an unknown
        ``init``, fewer than 1 iteration, or as the terms and `StyleTransferObjective` do.
    """
    network = VGG.load() if network is None else network
    content = _checked("content", content, network.dtype)
    if terms is None:
        if style is None:
            raise ValueError("got neither a style image nor terms")
        terms = gatys_terms(
            content,
            _checked("style", style, network.dtype),
            content_layers=content_layers,
            style_layers=style_layers,
            content_weight=content_weight,
            style_weight=style_weight,
            tv_weight=tv_weight,
        )
    optimizer = LBFGS() if optimizer is None else optimizer
    if iterations < 1:
        raise ValueError(f"got {iterations} iterations, wanted at least 1")
    if coarse_to_fine is None:
        coarse_to_fine = isinstance(init, str) and init == "random"
    sizes = coarse_to_fine_sizes(content.shape) if coarse_to_fine else [content.shape[:2]]
    G = _initial_image(init, content, sizes[0], seed).astype(network.dtype)
    steps = steps_of(sizes, iterations)
    work = sum((n + 1) * prod(size) for n, size in zip(steps, sizes, strict=True))
    course = _Course(work, callback)
    for n, size in zip(steps, sizes, strict=True):
        G = enlarged(G, resize_image(content, size))
        objective = StyleTransferObjective(network, terms, size, size[0] / content.shape[0])
        G = course.level(descend(objective, G, optimizer, n))
        if course.stopped:
            break
    return TransferResult(resize_image(G, content.shape[:2]), course.history, course.stopped)


class _Course:
    """What a transfer has seen so far, through all sizes."""

    def __init__(self, work: int, callback: Callable[[Step], None] | None):
        self.work, self.done, self.callback = work, 0, callback  # evaluations times pixels
        self.history: list[Record] = []
        self.stopped: str | None = None

    def level(self, descent: Iterator[tuple[np.ndarray, Evaluation]]) -> np.ndarray:
        """Watch the descent at one size, and return its picture of the lowest J."""
        best, lowest = None, np.inf
        for G, (loss, gradient, terms) in descent:
            best = G if best is None else best
            iteration = len(self.history)
            if not (np.isfinite(loss) and np.isfinite(gradient).all()):
                self.stopped = f"J is not finite at iteration {iteration}"
                break
            if loss < lowest:
                best, lowest = G, loss
            self.done += prod(G.shape[:2])
            self.history.append(Record(iteration, loss, terms, G.shape[:2]))
            if self.callback is not None:
                self.callback(Step(iteration, G, loss, terms, self.done / self.work))
        return best


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
