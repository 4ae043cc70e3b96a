"""The loop of a style transfer: evaluate J, step, repeat.

One iteration is four calls: `network.forward`, the terms, `network.backward` (these three are
`objective.evaluate`, in which the walk back asks each term when it reaches its layer) and
`optimizer.step`. A transfer from noise goes through several sizes: see `levels`.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import index

import numpy as np

from scratchnet.files.arrays import as_picture_array
from scratchnet.files.images import resize_image
from scratchnet.network.network import Network
from scratchnet.style.checkpoint import load_fitting, settings_of
from scratchnet.style.course import Course, Position, Saver, Step, TransferResult
from scratchnet.style.layers import CONTENT_LAYERS, STYLE_LAYERS, Size
from scratchnet.style.lbfgs import LBFGS
from scratchnet.style.levels import enlarged, levels_of
from scratchnet.style.objective import Evaluation, StyleTransferObjective
from scratchnet.style.optimizers import Optimizer
from scratchnet.style.terms import (
    Content,
    Style,
    Term,
    TotalVariation,
    gatys_terms,
)
from scratchnet.vgg import VGG


def descend(
    objective: StyleTransferObjective, G: np.ndarray, optimizer: Optimizer, iterations: int
) -> Iterator[tuple[np.ndarray, Evaluation]]:
    """Minimise J from G, one size: yield (G, J at G) at the start and after each step."""
    start = Position(0, G, optimizer.start(G, iterations))
    for position, evaluation in descend_from(start, objective, optimizer, iterations):
        yield position.G, evaluation


def descend_from(
    position: Position, objective: StyleTransferObjective, optimizer: Optimizer, iterations: int
) -> Iterator[tuple[Position, Evaluation]]:
    """Go on with a descent from a position: yield each position, and J there."""
    while True:
        t, G, state = position
        evaluation = objective.evaluate(G)
        yield position, evaluation
        if t == iterations:
            break
        G, state = optimizer.step(G, evaluation.gradient, state)
        position = Position(t + 1, G, state)


def style_transfer(
    content: np.ndarray,
    style: np.ndarray | Sequence[np.ndarray] | None = None,
    *,
    blend_weights: Sequence[float] | None = None,
    terms: Sequence[Term] | None = None,
    network: Network | None = None,
    init: str | np.ndarray = "random",
    iterations: int = 76,
    content_weight: float = Content.weight,
    style_weight: float = Style.weight,
    tv_weight: float = TotalVariation.weight,
    content_layers: Mapping[str, float] | None = None,
    style_layers: Mapping[str, float] = STYLE_LAYERS,
    style_distance: str = "gram",
    masks: Sequence[np.ndarray | None] | None = None,
    style_image_masks: Sequence[np.ndarray | None] | None = None,
    optimizer: Optimizer | None = None,
    coarse_to_fine: bool | None = None,
    seed: int = 0,
    callback: Callable[[Step], None] | None = None,
    checkpoint: str | os.PathLike | None = None,
    save_every: int = 10,
    resume: str | os.PathLike | None = None,
) -> TransferResult:
    """Paint the content image in the manner of the style image (Gatys, Ecker & Bethge 2015).

    Parameters
    ----------
    content : ndarray, (H, W, 3)
        RGB in 0–255. The result has the shape of the content image, and begins each larger size
        with its detail, whatever the terms.
    style : ndarray, (H_S, W_S, 3), or a list of such
        RGB in 0–255. Several are blended, by ``blend_weights`` or equally.
    terms : sequence of Term, optional
        What J is the sum of. Without it, `terms.gatys_terms` of the two pictures and of the weights
        and layers below; with it, these and the style image are not used.
    network : Network, optional
        Without one, the embedded VGG-16 with max pooling in float32, its windows partial at the
        border (`network.pooling`), so that the picture counts up to its last row and column.
    init : ``"random"``, ``"content"`` or ndarray (H, W, 3)
        What G starts as: uniform noise (the notes' first step), the content image, or a picture.
    iterations : int
        Steps at full size; half as many at each smaller one.
    content_weight, style_weight, tv_weight, content_layers, style_layers
        As `terms.gatys_terms` has them.
    style_distance, masks, style_image_masks
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
    checkpoint : path, optional
        A file that is replaced with a new `checkpoint` every ``save_every`` steps and when the
        transfer ends, however it ends. If it can't be written, a warning says so.
    save_every : int
    resume : path, optional
        A checkpoint of the same transfer to go on from, with the same bytes in the end. All other
        arguments are to be as they were; the number of threads and the callback need not.

    Returns
    -------
    result : TransferResult
        Its ``image`` is the picture, in the network's dtype, with the lowest J at full size. If
        the descent fails (`course` says when), ``stopped`` says where and why.

    Raises
    ------
    TransferInterrupted
        At Ctrl-C: a KeyboardInterrupt whose ``result`` holds the best picture so far. (Before
        there is one, a KeyboardInterrupt.)
    TypeError
        For a name where an object is wanted, such as ``network="vgg16"``.
    ValueError
        For a picture that is not (H, W, 3), not finite or too small, neither a style nor terms, an
        unknown ``init``, fewer than 1 iteration, weights that are all 0, a checkpoint that is
        damaged or of another transfer, or as the terms and `StyleTransferObjective` do.
    """
    _check_kinds(network=network, optimizer=optimizer, style=style, terms=terms, callback=callback)
    network = VGG.load(partial_windows=True) if network is None else network
    own = (CONTENT_LAYERS if content_layers is None else content_layers) if terms is None else ()
    content = _checked("content", content, network, own)
    if terms is None:
        terms = gatys_terms(
            content, _styles(style, network, style_layers), blend_weights=blend_weights,
            masks=masks, style_image_masks=style_image_masks, style_distance=style_distance,
            content_layers=content_layers, style_layers=style_layers, tv_weight=tv_weight,
            content_weight=content_weight, style_weight=style_weight,
        )  # fmt: skip
    optimizer = LBFGS() if optimizer is None else optimizer
    small_first = _is_noise(init) if coarse_to_fine is None else coarse_to_fine
    levels = levels_of(content.shape, _whole("iterations", iterations), small_first)
    course = Course(levels, callback)
    about = {"content": content, "init": init, "seed": seed, "steps by size": levels}
    settings = settings_of(network, terms, optimizer, **about) if checkpoint or resume else None
    if resume is not None:
        position = course.resume(load_fitting(resume, settings, levels, optimizer, network.dtype))
    else:
        G = _initial_image(init, content, levels[0][0], seed, network)
        position = Position(0, G, optimizer.start(G, levels[0][1]))
    with course.kept(Saver(checkpoint, _whole("save_every", save_every), settings)) as saver:
        _descend(course, position, content, network, terms, optimizer, saver)
        return course.result()


def _is_noise(init: str | np.ndarray) -> bool:
    return isinstance(init, str) and init == "random"


def _descend(
    course: Course,
    position: Position,
    content: np.ndarray,
    network: Network,
    terms: Sequence[Term],
    optimizer: Optimizer,
    saver: Saver,
) -> None:
    """Go down J through all sizes that are left, from a position at the first of them."""
    first = course.level  # which `see` moves on
    for level in range(first, len(course.levels)):
        size, n = course.levels[level]
        objective = StyleTransferObjective(network, terms, size, size[0] / content.shape[0])
        if level > first:
            G = enlarged(course.best, resize_image(content, size))
            position = Position(0, G, optimizer.start(G, n))
        for place, evaluation in descend_from(position, objective, optimizer, n):
            course.see(level, place, evaluation)
            if course.stopped:
                return
            saver.after_step(course)
    course.finish()


def _initial_image(
    init: str | np.ndarray, content: np.ndarray, size: Size, seed: int, network: Network
) -> np.ndarray:
    """Return what G starts as, at the first level's size."""
    if not isinstance(init, str):
        init = _checked("init", init, network)
        if init.shape != content.shape:
            raise ValueError(f"init: got a picture of {init.shape}, wanted {content.shape}")
        return resize_image(init, size)
    if init == "content":
        return resize_image(content, size)
    if init == "random":
        rng = np.random.default_rng(_whole("seed", seed, least=0))
        return rng.uniform(0, 255, (*size, 3)).astype(network.dtype)
    raise ValueError(f"got init {init!r}, wanted 'random', 'content' or an array")


def _checked(
    name: str, image: np.ndarray, network: Network, layers: Iterable[str] = ()
) -> np.ndarray:
    """Return a picture in the network's precision; raises ValueError if it is none.

    It must be large enough for the layers.
    """
    image = as_picture_array(name, image, network.dtype)
    network.depth(layers)  # raises for an unknown layer, whatever the picture
    try:
        network.check_image(image.shape, layers)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    return image


def _styles(
    style: np.ndarray | Sequence[np.ndarray], network: Network, layers: Iterable[str]
) -> list[np.ndarray]:
    """Return the style images, one or several, as `_checked` does."""
    styles = style if isinstance(style, list | tuple) else [style]
    return [_checked("style", image, network, layers) for image in styles]


def _check_kinds(**given) -> None:
    """Raise TypeError for an argument of the wrong kind, such as a name instead of an object.

    And ValueError where there is nothing to go by.
    """
    if given["style"] is None and given["terms"] is None:
        raise ValueError("got neither a style image nor terms")
    for name, wanted, right in [
        ("network", "a Network, such as VGG.load()", lambda x: isinstance(x, Network)),
        ("optimizer", "an optimizer, such as LBFGS()", lambda x: hasattr(x, "step")),
        ("terms", "a list of terms", lambda x: all(hasattr(term, "prepare") for term in x)),
        ("callback", "a function", callable),
    ]:
        if given[name] is not None and not right(given[name]):
            raise TypeError(f"{name}: got {given[name]!r}, wanted {wanted}")


def _whole(name: str, number: int, least: int = 1) -> int:
    """Return a whole number of at least ``least`` as Python's; raises ValueError for another."""
    try:
        whole = index(number)
    except TypeError:
        whole = least - 1
    if whole < least:
        raise ValueError(f"{name}: got {number}, wanted a whole number of at least {least}")
    return whole
