"""The cases on which an exercise is tried, and the right answers.

A backward pass is held against the numerical derivative of J = Σ y·dy (`checks.numerical`), y being
what the package's own forward pass returns for x, and dy random. So the reader's forward pass,
which he was given, is compared, too. Other functions are held against the package's own.
"""

import inspect
from collections.abc import Callable, Iterator
from functools import partial
from types import ModuleType

import numpy as np

from scratchnet.checks.numerical import as_scalar, numerical_gradient
from scratchnet.exercises.exercise import Trial
from scratchnet.network.convolution import Convolution, convolution_by_definition, im2col
from scratchnet.network.gram import Gram
from scratchnet.network.pooling import AveragePool, MaxPool
from scratchnet.network.preprocessing import Preprocess
from scratchnet.network.relu import ReLU
from scratchnet.style.losses import content_loss, style_loss, total_variation
from scratchnet.style.optimizers import PixelDescent
from scratchnet.units.deconvnet import deconvnet_rule, guided_rule

KERNEL_AXES = ("u", "v", "k", "k′")
AFTERWARDS = " afterwards"
# kernel (kh, kw, C_in, C_out), stride, padding
CONVOLUTIONS = [((3, 3, 3, 5), 1, 1), ((2, 3, 3, 5), 2, 2), ((3, 3, 5, 3), 1, 0)]


def backward_trial(
    case: str, layer, x: np.ndarray, dy: np.ndarray, *, argument: str = "x", **options
) -> Trial:
    """Return a trial of a layer's backward pass; the reader's class is made with its fields."""
    y, _ = layer.forward(x)
    smooth, what = isinstance(layer, Gram), f"∂J/∂{argument}"
    measured, _ = numerical_gradient(as_scalar(layer, dy, smooth=smooth), x)

    def answer(module: ModuleType, times: float = 1) -> dict[str, np.ndarray]:
        own = getattr(module, type(layer).__name__)(**vars(layer))
        y, cache = own.forward(x.copy())
        scaled = times * dy
        return {"y": y, what: own.backward(scaled, cache), **left_alone(dy=scaled)}

    options = {"given": ("y",), "linear": "dy", **options}
    right = {"y": y, what: measured, **left_alone(True, dy=dy)}
    return Trial(case, answer, right, **options)


def left_alone(right: bool = False, **arguments: np.ndarray) -> dict[str, np.ndarray]:
    """Return what is to be compared to see that a function did not change its arguments."""
    return {
        name + AFTERWARDS: array.copy() if right else array for name, array in arguments.items()
    }


def pair(answer: object, wanted: str) -> tuple:
    """Return a pair as it is; raise TypeError for anything else."""
    if not isinstance(answer, tuple) or len(answer) != 2:
        raise TypeError(f"it returned {type(answer).__name__}, wanted a pair {wanted}")
    return answer


def kinked(kind: type, rng: np.random.Generator) -> Iterator[Trial]:
    """Try a ReLU or a max pool away from its kinks, and on them."""
    layer = kind()
    for case, x in [
        ("a map of random numbers", rng.standard_normal((5, 6, 3))),
        ("a map of −1, 0 and 1: many zeros and ties", rng.integers(-1, 2, (9, 8, 3)) + 0.0),
    ]:
        dy = rng.standard_normal(layer.output_shape(x.shape))
        yield backward_trial(case, layer, x, dy)


relu, max_pool = partial(kinked, ReLU), partial(kinked, MaxPool)


def average_pool(rng: np.random.Generator) -> Iterator[Trial]:
    """Try an even map and an odd one."""
    for case, shape in [("a map of 4×6", (4, 6, 2)), ("a map of 5×7", (5, 7, 2))]:
        layer = AveragePool()
        dy = rng.standard_normal(layer.output_shape(shape))
        yield backward_trial(case, layer, rng.standard_normal(shape), dy)


def preprocess(rng: np.random.Generator) -> Iterator[Trial]:
    """Try a picture."""
    x, dy = rng.uniform(0, 255, (4, 5, 3)), rng.standard_normal((4, 5, 3))
    yield backward_trial("a picture of 4×5", Preprocess(), x, dy)


def convolutions(rng: np.random.Generator) -> Iterator[tuple[str, Convolution, np.ndarray, dict]]:
    """Yield what is special about each, the layer, x, and a trial's options."""
    for (kh, kw, C_in, C_out), stride, padding in CONVOLUTIONS:
        kernel = rng.standard_normal((kh, kw, C_in, C_out))
        layer = Convolution(kernel, rng.standard_normal(C_out), stride, padding)
        case = f"a kernel of {kh}×{kw}×{C_in}×{C_out}, stride {stride}, padding {padding}"
        options = {
            "factors": {"stride": stride, "C_in": C_in, "C_out": C_out},
            "border": padding and max(kh, kw) - 1,
        }
        yield case, layer, rng.standard_normal((6, 5, C_in)), options


def convolution_definition(rng: np.random.Generator) -> Iterator[Trial]:
    """Compare the reader's loops with the package's."""
    for case, layer, x, options in convolutions(rng):
        arguments = layer.kernel, layer.bias, layer.stride, layer.padding
        right = {"y": convolution_by_definition(x, *arguments), **left_alone(True, x=x)}

        def answer(module, times=1, x=x, arguments=arguments):
            x = x.copy()
            return {"y": module.convolution_by_definition(x, *arguments), **left_alone(x=x)}

        yield Trial(case, answer, right, measured=False, **options)


def patches(rng: np.random.Generator) -> Iterator[Trial]:
    """Compare the reader's im2col with the package's."""
    for case, layer, x, options in convolutions(rng):
        arguments = layer.kernel.shape[:2], layer.stride, layer.padding
        right = {"columns": im2col(x, *arguments), **left_alone(True, x=x)}

        def answer(module, times=1, x=x, arguments=arguments):
            x = times * x
            return {"columns": module.im2col(x, *arguments), **left_alone(x=x)}

        axes = {"columns": ("row of X", "column of X")}
        options = {**options, "border": 0, "linear": "x", "measured": False}
        yield Trial(case, answer, right, axes, **options)


def patches_back(rng: np.random.Generator) -> Iterator[Trial]:
    """Try col2im as the backward pass of im2col: J = Σ im2col(x)·Y."""
    for case, layer, x, options in convolutions(rng):
        arguments = layer.kernel.shape[:2], layer.stride, layer.padding
        Y = rng.standard_normal(im2col(x, *arguments).shape)

        def J(x, Y=Y, arguments=arguments):  # noqa: N802
            return np.sum(im2col(x, *arguments) * Y), None

        def answer(module, times=1, x=x, Y=Y, arguments=arguments):
            columns = times * Y
            dx = module.col2im(columns, x.shape, *arguments)
            return {"∂J/∂x": dx, **left_alone(columns=columns)}

        right = {"∂J/∂x": numerical_gradient(J, x)[0], **left_alone(True, columns=Y)}
        yield Trial(case, answer, right, linear="columns", **options)


def convolution_input(rng: np.random.Generator) -> Iterator[Trial]:
    """Try ∂J/∂x of a convolution."""
    for case, layer, x, options in convolutions(rng):
        dy = rng.standard_normal(layer.output_shape(x.shape))
        yield backward_trial(case, layer, x, dy, **options)


def convolution_parameters(what: str, ask: Callable, rng: np.random.Generator) -> Iterator[Trial]:
    """Try ∂J/∂kernel or ∂J/∂bias; ``ask`` calls the reader's method."""
    for case, layer, x, options in convolutions(rng):
        dy = rng.standard_normal(layer.output_shape(x.shape))
        start = {"kernel": layer.kernel, "bias": layer.bias}

        def J(value, layer=layer, x=x, dy=dy, start=start):  # noqa: N802
            changed = Convolution(**{**start, what: value}, **_steps(layer))
            return np.sum(changed.forward(x)[0] * dy), None

        def answer(module, times=1, layer=layer, x=x, dy=dy, start=start):
            own = module.Convolution(**start, **_steps(layer))
            return {f"∂J/∂{what}": ask(own, times * dy, x.copy())}

        positions = dy.shape[0] * dy.shape[1]
        factors = {**options["factors"], "H′W′, the number of positions": positions}
        yield Trial(
            case, answer, {f"∂J/∂{what}": numerical_gradient(J, start[what])[0]},
            {f"∂J/∂{what}": KERNEL_AXES if what == "kernel" else ("k′",)}, factors, linear="dy",
        )  # fmt: skip


def _steps(layer: Convolution) -> dict[str, int]:
    return {"stride": layer.stride, "padding": layer.padding}


convolution_kernel = partial(
    convolution_parameters, "kernel", lambda own, dy, x: own.kernel_gradient(dy, x)
)
convolution_bias = partial(convolution_parameters, "bias", lambda own, dy, x: own.bias_gradient(dy))


def gram(rng: np.random.Generator) -> Iterator[Trial]:
    """Try a dGram that is symmetric, as that of the style loss, and one that is not."""
    a = rng.standard_normal((3, 4, 5))
    dgram = rng.standard_normal((5, 5))
    factors = {"M, the number of positions": 12, "C": 5, "C²": 25}
    for case, dy in [
        ("a dGram that is not symmetric", dgram), ("a dGram that is symmetric", dgram + dgram.T),
    ]:  # fmt: skip
        yield backward_trial(case, Gram(), a, dy, argument="a", factors=factors, linear="dGram")


def loss_trial(
    case: str, name: str, loss: Callable, x: np.ndarray, *others: np.ndarray, **options
) -> Trial:
    """Return a trial of a loss, which returns its value and its gradient with respect to x."""
    measured, _ = numerical_gradient(lambda x: (loss(x, *others)[0], None), x)
    names = inspect.getfullargspec(loss).args
    arguments = dict(zip(names, (x, *others), strict=True))
    right = {"J": np.array(loss(x, *others)[0]), f"∂J/∂{name}": measured}

    def answer(module: ModuleType, times: float = 1) -> dict[str, np.ndarray]:
        copies = {name: times * array for name, array in arguments.items()}
        value, gradient = pair(getattr(module, loss.__name__)(**copies), "(value, gradient)")
        return {"J": value, f"∂J/∂{name}": gradient, **left_alone(**copies)}

    right |= left_alone(True, **arguments)
    options = {"given": ("J",), "linear": " and ".join(names), **options}
    return Trial(case, answer, right, **options)


def content(rng: np.random.Generator) -> Iterator[Trial]:
    """Try two random activations."""
    a_G, a_C = rng.standard_normal((2, 3, 4, 5))
    factors = {"the number of entries": a_G.size}
    yield loss_trial("two maps of 3×4×5", "a_G", content_loss, a_G, a_C, factors=factors)


def style(rng: np.random.Generator) -> Iterator[Trial]:
    """Try two random Gram matrices, symmetric as they are."""
    gram, target = ((A := rng.standard_normal((6, 5))).T @ A for _ in range(2))
    yield loss_trial(
        "two Gram matrices of 5×5", "gram", style_loss, gram, target,
        axes={"∂J/∂gram": ("k", "k′")}, factors={"C": 5, "C²": 25},
    )  # fmt: skip


def tv(rng: np.random.Generator) -> Iterator[Trial]:
    """Try a picture that is neither square nor grey."""
    x = rng.uniform(0, 255, (4, 6, 3))
    yield loss_trial("a picture of 4×6", "image", total_variation, x, border=1)


def momentum(rng: np.random.Generator) -> Iterator[Trial]:
    """Take four steps of ten from the middle, and two that leave the colours."""
    for case, steps, size in [("four small steps", 4, 1.0), ("two steps out of 0–255", 2, 300.0)]:
        start, gradients = rng.uniform(0, 255, (4, 5, 3)), rng.standard_normal((steps, 4, 5, 3))
        walk = partial(_walk, start, gradients, size)
        right = walk(PixelDescent)

        def answer(module, times=1, walk=walk):
            return walk(module.PixelDescent)

        factors = {"μ": 0.95, "η": 1.5 * size}
        yield Trial(case, answer, right, factors=factors, measured=False)


def _walk(start: np.ndarray, gradients: np.ndarray, size: float, kind: type) -> dict:
    """Return the picture and the velocity after a few steps of ten."""
    optimizer = kind(learning_rate=1.5 * size)
    image, state = start.copy(), optimizer.start(start, 10)
    for gradient in gradients:
        old, kept = state, {name: np.copy(value) for name, value in state.items()}
        image, state = pair(optimizer.step(image, gradient.copy(), state), "(image, state)")
    changed = any(not np.array_equal(old[name], kept[name]) for name in kept)
    return {
        "velocity": state["velocity"],
        "G": image,
        "state" + AFTERWARDS: np.array(1.0 * changed),
    }


def rule(name: str, right: Callable, rng: np.random.Generator) -> Iterator[Trial]:
    """Try a rule of the walk back on a random signal."""
    x, g = rng.standard_normal((2, 4, 5, 3))
    _, mask = ReLU().forward(x)

    def answer(module: ModuleType, times: float = 1) -> dict[str, np.ndarray]:
        scaled = times * g
        return {
            "g": getattr(module, name)(ReLU(), scaled, mask.copy()),
            **left_alone(signal=scaled),
        }

    expected = {"g": right(ReLU(), g, mask), **left_alone(True, signal=g)}
    yield Trial("a random signal", answer, expected, linear="g", measured=False)


deconvnet = partial(rule, "deconvnet_rule", deconvnet_rule)
guided = partial(rule, "guided_rule", guided_rule)
