"""Every derivative of chapters 1 to 3, and how it is checked. (Chapter 4's: `fast.proofs`.)

`check_operations` goes through the layers and losses on small random arrays in float64, entry
by entry. `check_chain` takes a whole network and a real picture, and checks ∂J/∂G, through
every layer, along random directions. Both yield a `GradientReport` for each check and raise
nothing, so that a table can be shown.

Bounds of the relative errors (`numerical`): 1e-7 for smooth operations, 1e-6 for those with kinks
(ReLU, max pooling), 1e-12 where a complex step applies, 1e-13 for ⟨Ax, y⟩ = ⟨x, Aᵀy⟩.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from scratchnet.checks.gaussians import check_wasserstein
from scratchnet.checks.numerical import (
    GradientReport,
    adjoint_error,
    as_function,
    as_scalar,
    complex_step,
    direction_check,
    gradient_check,
)
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
from scratchnet.network.preprocessing import Preprocess
from scratchnet.network.relu import ReLU
from scratchnet.style.losses import content_loss, style_loss, total_variation
from scratchnet.style.masks import MaskedGram
from scratchnet.style.objective import StyleTransferObjective
from scratchnet.style.terms import (
    Content,
    Style,
    Term,
    TotalVariation,
    gatys_terms,
    style_target,
)
from scratchnet.training import cross_entropy
from scratchnet.units.goals import channel_goal, likeness, unit_goal
from scratchnet.units.sampling import Sampling
from scratchnet.units.unit_part import Crop

SMOOTH, KINKED, COMPLEX, ADJOINT = 1e-7, 1e-6, 1e-12, 1e-13


def check_operations(seed: int = 0) -> Iterator[GradientReport]:
    """Check every layer and every loss, entry by entry, on small random arrays."""
    rng = np.random.default_rng(seed)
    for layer, shape in [
        (Preprocess(mean=(103.53, 116.28, 123.675)), (4, 5, 3)),
        (AveragePool(), (5, 6, 2)),
        (AveragePool(partial_windows=True), (5, 7, 2)),
        (random_convolution(rng, (3, 3, 2, 4)), (5, 6, 2)),
        (random_convolution(rng, (2, 3, 3, 2), stride=2, padding=2), (6, 5, 3)),
        (random_convolution(rng, (1, 1, 3, 2), padding=0), (3, 4, 3)),
        (Sampling((5, 6), 4, (0.7, -0.4), 1.1, 8.0), (5, 6, 3)),
        (Crop(slice(1, 4), slice(2, 4), (5, 6)), (5, 6, 2)),
    ]:
        yield from check_linear(layer, shape, rng)
    yield from check_im2col(rng)
    yield from check_kinked(ReLU(), (4, 5, 3), rng)
    yield from check_kinked(MaxPool(), (5, 6, 3), rng)
    yield from check_kinked(MaxPool(partial_windows=True), (5, 7, 3), rng)
    yield from check_gram(Gram(), rng)
    yield from check_gram(MaskedGram(t=rng.integers(0, 3, (3, 4)) / 2), rng)
    yield from check_definition(rng)
    yield from check_losses(rng)
    yield from check_wasserstein(rng, SMOOTH)


def check_linear(layer: Layer, shape: Shape, rng: np.random.Generator) -> Iterator[GradientReport]:
    """Check a layer without kinks: differences, complex step, and that backward is the adjoint."""
    operation = describe(layer)
    x = rng.standard_normal(shape)
    y, cache = layer.forward(x)
    dy = rng.standard_normal(layer.output_shape(shape))
    dx = layer.backward(dy, cache)
    function = as_scalar(layer, dy)
    yield gradient_check(function, x, dx, operation=operation, bound=SMOOTH)
    yield gradient_check(
        function, x, dx, operation=f"{operation}, complex step", bound=COMPLEX,
        derivative=complex_step,
    )  # fmt: skip
    Ax = y - layer.forward(np.zeros_like(x))[0]  # without the bias: the linear part
    yield _adjoint_report(operation, Ax, dy, x, dx)


def check_im2col(rng: np.random.Generator) -> Iterator[GradientReport]:
    """Check that col2im is im2col's adjoint."""
    x = rng.standard_normal((6, 5, 2))
    columns = im2col(x, (3, 2), 2, 1)
    y = rng.standard_normal(columns.shape)
    yield _adjoint_report("im2col, col2im", columns, y, x, col2im(y, x.shape, (3, 2), 2, 1))


def check_kinked(layer: Layer, shape: Shape, rng: np.random.Generator) -> Iterator[GradientReport]:
    """Check a layer with kinks, away from them and exactly on them."""
    x = rng.standard_normal(shape)
    # Small whole numbers: many exact zeros for the ReLU, many ties for the pool.
    on_kinks = rng.integers(-1, 2, shape).astype(float)
    name = describe(layer)
    for operation, values in [(name, x), (f"{name} on its kinks", on_kinks)]:
        _, cache = layer.forward(values)
        dy = rng.standard_normal(layer.output_shape(shape))
        dx = layer.backward(dy, cache)
        function = as_scalar(layer, dy)
        yield gradient_check(function, values, dx, operation=operation, bound=KINKED)


def check_gram(layer: Layer, rng: np.random.Generator) -> Iterator[GradientReport]:
    """Check the Gram matrix, which is quadratic in the activations."""
    a = rng.standard_normal((3, 4, 5))
    dgram = rng.standard_normal(layer.output_shape(a.shape))  # not symmetric: the general case
    da = layer.backward(dgram, layer.forward(a)[1])
    function, operation = as_scalar(layer, dgram, smooth=True), describe(layer)
    yield gradient_check(function, a, da, operation=operation, argument="a", bound=SMOOTH)
    yield gradient_check(
        function, a, da, operation=f"{operation}, complex step", argument="a", bound=COMPLEX,
        derivative=complex_step,
    )  # fmt: skip


def check_definition(rng: np.random.Generator) -> Iterator[GradientReport]:
    """Check a convolution's three derivatives against its definition, the loops."""
    layer = random_convolution(rng, (3, 2, 2, 3), stride=2)
    x = rng.standard_normal((6, 5, 2))
    dy = rng.standard_normal(layer.output_shape(x.shape))
    kernel, bias = layer.kernel, layer.bias
    dkernel, dbias = layer.parameter_gradients(dy, x)

    def by_definition(x=x, kernel=kernel, bias=bias):
        return np.sum(convolution_by_definition(x, kernel, bias, stride=2) * dy), None

    for argument, function, values, gradient in [
        ("x", lambda x: by_definition(x=x), x, layer.backward(dy, x.shape)),
        ("kernel", lambda kernel: by_definition(kernel=kernel), kernel, dkernel),
        ("bias", lambda bias: by_definition(bias=bias), bias, dbias),
    ]:
        yield gradient_check(
            function, values, gradient, operation="convolution_by_definition",
            argument=argument, bound=SMOOTH,
        )  # fmt: skip


def check_losses(rng: np.random.Generator) -> Iterator[GradientReport]:
    """Check every loss by differences and by a complex step."""
    a, a_C, a_S = (rng.standard_normal(shape) for shape in [(3, 4, 5), (3, 4, 5), (4, 2, 5)])
    gram, target = style_target(a), style_target(a_S)
    image = rng.standard_normal((4, 5, 3))
    scores = rng.standard_normal(5)
    for operation, loss, x, gradient in [
        ("content_loss", lambda x: content_loss(x, a_C)[0], a, content_loss(a, a_C)[1]),
        ("style_loss", lambda x: style_loss(x, target)[0], gram, style_loss(gram, target)[1]),
        ("Content", lambda x: Content.loss(x, a_C, 2.0)[0], a, Content.loss(a, a_C, 2.0)[1]),
        ("Style", lambda x: Style.loss(x, target, 2.0, Gram())[0], a,
         Style.loss(a, target, 2.0, Gram())[1]),
        ("total_variation", lambda x: total_variation(x)[0], image, total_variation(image)[1]),
        ("TotalVariation", lambda x: TotalVariation().loss(x)[0], image,
         TotalVariation().loss(image)[1]),
        ("cross_entropy", lambda x: cross_entropy(x, 2)[0], scores, cross_entropy(scores, 2)[1]),
        ("likeness", lambda x: likeness(x, [target])[0], gram, likeness(gram, [target])[1]),
        ("unit_goal", lambda x: unit_goal(x, 2)[0], a, unit_goal(a, 2)[1]),
        ("unit_goal, least", lambda x: unit_goal(x, 2, -1)[0], a, unit_goal(a, 2, -1)[1]),
        ("channel_goal", lambda x: channel_goal(x, 2)[0], a, channel_goal(a, 2)[1]),
        ("channel_goal, least", lambda x: channel_goal(x, 2, -1)[0], a, channel_goal(a, 2, -1)[1]),
    ]:  # fmt: skip
        names = [(gram, "gram"), (image, "image"), (scores, "scores"), (a, "a")]
        argument = next(name for array, name in names if x is array)
        yield gradient_check(
            _smooth(loss), x, gradient, operation=operation, argument=argument, bound=SMOOTH
        )
        yield gradient_check(
            _smooth(loss), x, gradient, operation=f"{operation}, complex step", argument=argument,
            bound=COMPLEX, derivative=complex_step,
        )  # fmt: skip


def check_chain(
    network: Network, content: np.ndarray, style: np.ndarray, *, bound: float = KINKED
) -> Iterator[GradientReport]:
    """Check ∂J/∂G, from the losses through all layers to the pixels, on real pictures.

    Parameters
    ----------
    network : Network
        In float64.
    content, style : ndarray of float64, (H, W, 3)
        Small ones: the check takes a few passes through the network for each direction.
    """
    objective = StyleTransferObjective(network, gatys_terms(content, style), content.shape[:2])
    image = 0.7 * content + 0.3 * np.random.default_rng(0).uniform(0, 255, content.shape)

    one_layer = {"relu4_1": 1.0}
    together = gatys_terms(content, style, content_layers=one_layer, style_layers=one_layer)
    for what, J in [
        ("J(G), whole network", objective),
        ("J(G), content and style at one layer",
         StyleTransferObjective(network, together, content.shape[:2])),
    ]:  # fmt: skip
        yield direction_check(
            as_function(J), image, J(image)[1], operation=what, argument="G", bound=bound, step=1e-3
        )
    rng = np.random.default_rng(1)
    deepest = network.layers[-1].name
    y, caches = network.forward(image, [deepest])
    dy = rng.standard_normal(y[deepest].shape)

    def projection(x):
        activations, caches = network.forward(x, [deepest])
        return np.sum(activations[deepest] * dy), caches

    yield direction_check(
        projection, image, network.backward({deepest: dy}, caches),
        operation=f"{deepest}, random upstream gradient", argument="G", bound=bound, step=1e-3,
    )  # fmt: skip


def check_term(
    term: Term,
    network: Network,
    image: np.ndarray,
    *,
    pattern: Callable[[np.ndarray], Any] | None = None,
    bound: float = KINKED,
) -> GradientReport:
    """Check a term of J, yours or ours, from its value to the pixels, along random directions.

    Parameters
    ----------
    term : Term
    network : Network
        In float64.
    image : ndarray of float64, (H, W, 3)
        A small one, in 0–255.
    pattern : callable, optional
        For a term with kinks of its own: picture → on which side of them it is (any array). A
        difference across a kink measures nothing, and does not count.
    bound : float
        Largest relative error that passes.

    Returns
    -------
    report : GradientReport
        Of the worst direction. Write ``assert report.passed, report``.

    Raises
    ------
    ValueError
        If the network is not in float64: in float32 a difference drowns in rounding.
    """
    if network.dtype != np.float64:
        raise ValueError(f"got a network in {network.dtype}, wanted VGG.load(dtype='float64')")
    objective = StyleTransferObjective(network, [term], image.shape[:2])
    return direction_check(
        as_function(objective, pattern), image, objective(image)[1], operation=term.name,
        argument="G", bound=bound, step=1e-3,
    )  # fmt: skip


def random_convolution(
    rng: np.random.Generator,
    shape: tuple[int, int, int, int],
    kind: type[Convolution] = Convolution,
    **options,
) -> Convolution:
    """Return a convolution with a random float64 kernel of that shape and a random bias."""
    return kind(rng.standard_normal(shape), rng.standard_normal(shape[3]), **options)


def describe(layer) -> str:
    """Name a layer and, for a convolution, its kernel, stride and padding."""
    if not isinstance(layer, Convolution):
        partial = getattr(layer, "partial_windows", False)
        return f"{type(layer).__name__}{', partial windows' if partial else ''}"
    kernel, (_, stride, padding) = "×".join(map(str, layer.kernel.shape)), layer.window
    tiles = f", tiles of {layer.tile}" if hasattr(layer, "tile") else ""
    return f"{type(layer).__name__} {kernel}, stride {stride}, padding {padding}{tiles}"


def _smooth(loss):
    return lambda x: (loss(x), None)


def _adjoint_report(operation: str, Ax, y, x, Aty) -> GradientReport:
    left, right = float(np.sum(Ax * y)), float(np.sum(x * Aty))
    error, sides = adjoint_error(Ax, y, x, Aty), "⟨Ax, y⟩ and ⟨x, Aᵀy⟩"
    return GradientReport(f"{operation}, adjoint", "x", error, ADJOINT, sides, left, right)
