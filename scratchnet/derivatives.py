"""Every derivative of the package, and how it is proved.

`check_operations` goes through the layers and losses on small random arrays in float64, entry
by entry. `check_chain` takes a whole network and a real picture, and checks ∂J/∂G, through
every layer, along random directions. Each yields one `GradientReport` a check; nothing is
raised, so that a table can be shown.

Bounds: 1e-7 for smooth operations, 1e-6 for those with kinks (ReLU, max pooling), 1e-12 where a
complex step applies, 1e-13 for ⟨Ax, y⟩ = ⟨x, Aᵀy⟩, which linear operations must satisfy.
"""

from collections.abc import Iterator

import numpy as np

from scratchnet.gradient_check import (
    GradientReport,
    adjoint_error,
    as_scalar,
    complex_step,
    direction_check,
    gradient_check,
)
from scratchnet.layers import (
    AveragePool,
    Convolution,
    MaxPool,
    PlaneConvolution,
    Preprocess,
    ReLU,
    WinogradConvolution,
    col2im,
    im2col,
)
from scratchnet.losses import (
    content_loss,
    gram_matrix,
    gram_matrix_backward,
    style_loss,
    style_target,
    total_variation,
)
from scratchnet.network import Network
from scratchnet.objective import StyleTransferObjective

SMOOTH, KINKED, COMPLEX, ADJOINT = 1e-7, 1e-6, 1e-12, 1e-13


def check_operations(seed: int = 0) -> Iterator[GradientReport]:
    """Check every layer and every loss, entry by entry, on small random arrays."""
    rng = np.random.default_rng(seed)
    yield from check_linear_layers(rng)
    yield from check_kinked_layers(rng)
    yield from check_parameters(rng)
    yield from check_losses(rng)


def check_linear_layers(rng: np.random.Generator) -> Iterator[GradientReport]:
    """Check layers without kinks: differences, complex step, and that backward is the adjoint."""
    for layer, shape in [
        (Preprocess(), (4, 5, 3)),
        (AveragePool(), (5, 6, 2)),
        (random_convolution(rng, (3, 3, 2, 4)), (5, 6, 2)),
        (random_convolution(rng, (3, 3, 2, 4), kind=WinogradConvolution), (5, 6, 2)),
        (random_convolution(rng, (3, 3, 2, 4), kind=PlaneConvolution), (5, 6, 2)),
        (random_convolution(rng, (2, 3, 3, 2), stride=2, padding=2), (6, 5, 3)),
        (random_convolution(rng, (1, 1, 3, 2), padding=0), (3, 4, 3)),
    ]:
        operation = describe(layer)
        x = rng.standard_normal(shape)
        y, cache = layer.forward(x)
        dy = rng.standard_normal(y.shape)
        dx = layer.backward(dy, cache)
        function = as_scalar(layer, dy)
        yield gradient_check(function, x, dx, operation=operation, bound=SMOOTH)
        yield gradient_check(
            function, x, dx, operation=f"{operation}, complex step", bound=COMPLEX,
            derivative=complex_step,
        )  # fmt: skip
        Ax = y - layer.forward(np.zeros_like(x))[0]  # without the bias: the linear part
        yield _adjoint_report(operation, Ax, dy, x, dx)
    x = rng.standard_normal((6, 5, 2))
    columns = im2col(x, (3, 2), 2, 1)
    y = rng.standard_normal(columns.shape)
    yield _adjoint_report("im2col, col2im", columns, y, x, col2im(y, x.shape, (3, 2), 2, 1))


def check_kinked_layers(rng: np.random.Generator) -> Iterator[GradientReport]:
    """Check ReLU and max pooling, away from their kinks and exactly on them."""
    for layer, shape in [(ReLU(), (4, 5, 3)), (MaxPool(), (5, 6, 3))]:
        x = rng.standard_normal(shape)
        # Small whole numbers: many exact zeros for the ReLU, many ties for the pool.
        on_kinks = rng.integers(-1, 2, shape).astype(float)
        name = describe(layer)
        for operation, values in [(name, x), (f"{name} on its kinks", on_kinks)]:
            y, cache = layer.forward(values)
            dy = rng.standard_normal(y.shape)
            dx = layer.backward(dy, cache)
            function = as_scalar(layer, dy)
            yield gradient_check(function, values, dx, operation=operation, bound=KINKED)


def check_parameters(rng: np.random.Generator) -> Iterator[GradientReport]:
    """Check a convolution's gradients by its kernel and its bias."""
    layer = random_convolution(rng, (3, 2, 2, 3), stride=2)
    x = rng.standard_normal((6, 5, 2))
    dy = rng.standard_normal(layer.output_shape(x.shape))
    dkernel, dbias = layer.parameter_gradients(dy, x)

    def by_kernel(kernel):
        return np.sum(Convolution(kernel, layer.bias, 2, 1).forward(x)[0] * dy), None

    def by_bias(bias):
        return np.sum(Convolution(layer.kernel, bias, 2, 1).forward(x)[0] * dy), None

    for argument, function, values, gradient in [
        ("kernel", by_kernel, layer.kernel, dkernel),
        ("bias", by_bias, layer.bias, dbias),
    ]:
        yield gradient_check(
            function, values, gradient, operation=describe(layer), argument=argument, bound=SMOOTH
        )


def check_losses(rng: np.random.Generator) -> Iterator[GradientReport]:
    """Check every loss by differences and by a complex step."""
    a, a_C, a_S = (rng.standard_normal(shape) for shape in [(3, 4, 5), (3, 4, 5), (4, 2, 5)])
    target = style_target(a_S)
    dG = rng.standard_normal((5, 5))  # not symmetric: a general upstream gradient
    image = rng.standard_normal((4, 5, 3))
    for operation, loss, x, gradient in [
        ("content_loss", lambda x: content_loss(x, a_C)[0], a, content_loss(a, a_C)[1]),
        ("gram_matrix", lambda x: np.sum(gram_matrix(x) * dG), a, gram_matrix_backward(dG, a)),
        ("style_loss", lambda x: style_loss(x, target)[0], a, style_loss(a, target)[1]),
        ("total_variation", lambda x: total_variation(x)[0], image, total_variation(image)[1]),
    ]:
        function = _smooth(loss)
        yield gradient_check(function, x, gradient, operation=operation, argument="a", bound=SMOOTH)
        yield gradient_check(
            function, x, gradient, operation=f"{operation}, complex step", argument="a",
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
    objective = StyleTransferObjective(network, content, style)
    image = 0.7 * content + 0.3 * np.random.default_rng(0).uniform(0, 255, content.shape)

    def function(x):
        activations, caches = network.forward(x, objective.layers)
        terms, _ = objective.layer_terms(activations)
        return sum(terms.values()) + objective.tv_term(x)[0], caches

    loss, gradient = objective(image)
    # J must also be the sum that this check takes apart, or it would check something else.
    value, _ = function(image)
    yield GradientReport("J and its terms", "", abs(value - loss) / loss, 1e-12, "J", loss, value)
    yield direction_check(
        function, image, gradient, operation="J(G), whole network", argument="G",
        bound=bound, step=1e-3,
    )  # fmt: skip
    upstream = np.random.default_rng(1)
    deepest = network.layers[-1].name
    y, caches = network.forward(image, [deepest])
    dy = upstream.standard_normal(y[deepest].shape)

    def projection(x):
        activations, caches = network.forward(x, [deepest])
        return np.sum(activations[deepest] * dy), caches

    yield direction_check(
        projection, image, network.backward({deepest: dy}, caches),
        operation=f"{deepest}, random upstream gradient", argument="G", bound=bound, step=1e-3,
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
        return type(layer).__name__
    kernel = "×".join(map(str, layer.kernel.shape))
    return f"{type(layer).__name__} {kernel}, stride {layer.stride}, padding {layer.padding}"


def _smooth(loss):
    return lambda x: (loss(x), None)


def _adjoint_report(operation: str, Ax, y, x, Aty) -> GradientReport:
    left, right = float(np.sum(Ax * y)), float(np.sum(x * Aty))
    error = adjoint_error(Ax, y, x, Aty)
    return GradientReport(
        f"{operation}, adjoint", "x", error, ADJOINT, "⟨Ax, y⟩ and ⟨x, Aᵀy⟩", left, right
    )
