"""What would a unit like to see most? Gradient ascent on a picture (Erhan et al. 2009).

`strongest` finds what excites a unit among pictures that there are; here one is made. It starts as
faint noise x, and is changed so that a goal φ grows (`goals`): the unit in the middle of a layer's
map, or a whole channel; or so that it falls, which is as telling. The layer is a convolution,
before its ReLU: after it, a unit that is silent has no gradient at all, and noise silences most.

The bare ascent makes specks that no photograph has, because the network was never taught what to
think of them. Four ideas around it lead to what one can recognise. Each iteration::

    y = B x                                1. looks: shifted, turned, scaled at random (`sampling`)
    g = ĝ(Bᵀ ∂φ/∂y) − τ ∂J_TV/∂(x/255)     2. total variation: against speckle
    g ← g Σ                                3. colours that occur together change together
    x ← PixelDescent(x, −g)                4. steps along broad shapes, with momentum

1. What is seen from one place only, at one size, is an accident of the pixels. (x is a border
larger than y on each side, and y's middle is what is returned.) 2. ĝ has root mean square 1
(`style.optimizers.in_pixels`), so that τ means the same for every unit; J_TV is that of the style
chapter. 4. is its descent, given −g to climb: frequencies f of g divided by √f, steps in pixels.

3. and 4. are changes of variables. Let x = L z. By the chain rule ∂φ/∂z = Lᵀ ∂φ/∂x, so a step
η ∂φ/∂z moves x by η L Lᵀ ∂φ/∂x: a symmetric matrix in front of the gradient, uphill like the
gradient itself. For colours (a row of three each) let L Lᵀ be Σ, the covariance of red, green and
blue in photographs; the three parts of z then vary by themselves, as decorrelated colours. For √f,
let L be the waves of a cosine transform, each divided by f^¼: natural pictures have more of what is
broad.

**Different pictures for one channel.** With weight ω, x is also driven away from the textures of
pictures that were made before; c is the `likeness` of its own to theirs ::

    g ← g − ω ĝ(Bᵀ ∂c/∂y)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from scratchnet.blas import one_blas_thread
from scratchnet.network.network import Network
from scratchnet.style.losses import total_variation
from scratchnet.style.optimizers import PixelDescent, in_pixels, smooth
from scratchnet.units.goals import Goal, channel_goal, likeness, unit_goal
from scratchnet.units.receptive_field import receptive_field
from scratchnet.units.sampling import Sampling
from scratchnet.units.unit_part import middle_part

# Covariance of red, green and blue in the 17 photographs of scripts/images, over its mean diagonal
# entry (only its proportions count): tests/test_maximise.py measures it again.
COLOURS = ((1.110, 0.760, 0.546), (0.760, 0.895, 0.763), (0.546, 0.763, 0.994))
BORDER = 12  # px around what is shown
SMALLEST, LARGEST = 80, 160  # px: sides of pictures, unless another one is asked for
CONTRAST = 5.0  # standard deviation of the noise at the beginning, in 0–255

DESCENT = PixelDescent(learning_rate=3.0, momentum=0.9, smoothing=0.5)


@dataclass(frozen=True)
class Recipe:
    """How the picture is made; what each part does: ``scripts/maximise.py --parts``.

    Parameters
    ----------
    shift, scale, turn : float
        The largest shift of a look as a share of what a unit sees (an edge that is moved by its
        own length is another edge), change of its scale (0.1: from 0.9 to 1.1) and turn in degrees.
    tv : float
        τ.
    colours : array_like, (3, 3)
        Σ.
    apart : float
        ω.
    optimizer : PixelDescent
        Its ``smoothing`` is the exponent of a frequency f.
    """

    shift: float = 0.05
    scale: float = 0.1
    turn: float = 8.0
    tv: float = 4.0
    colours: tuple = COLOURS
    apart: float = 0.5
    optimizer: PixelDescent = DESCENT


class Step(NamedTuple):
    """What a callback gets after each iteration.

    Attributes
    ----------
    iteration : int
        1, 2, …
    value : float
        φ, of the look that was taken.
    image : ndarray, (size, size, 3)
        The picture so far.
    """

    iteration: int
    value: float
    image: np.ndarray


@one_blas_thread
def maximise(
    network: Network,
    layer: str,
    channel: int,
    *,
    size: int,
    steps: int = 64,
    seed: int = 0,
    goal: Goal = unit_goal,
    least: bool = False,
    start: np.ndarray | None = None,
    others: Sequence[np.ndarray] = (),
    recipe: Recipe = Recipe(),
    callback: Callable[[Step], None] | None = None,
) -> np.ndarray:
    """Make the picture that excites a unit or a channel most.

    Parameters
    ----------
    network : Network
    layer : str
        A convolution.
    channel : int
    size : int
        Side of the picture.
    steps, seed : int
        The same seed gives the same picture.
    goal : callable
        `unit_goal` or `channel_goal`.
    least : bool
        Whether to make the picture that excites it least (−).
    start : ndarray, (size + 24, size + 24, 3), optional
        Where to begin, `BORDER` included; without it, noise.
    others : sequence of ndarray, (C, C)
        `texture` of pictures that this one shall be unlike.
    recipe : Recipe
    callback : callable, optional

    Returns
    -------
    image : ndarray, (size, size, 3)
        RGB in 0–255.

    Raises
    ------
    ValueError
        For an unknown layer or channel, a size too small for the layer, or a start of another size.
    """
    check_channel(network, layer, channel, size)
    canvas = (size + 2 * BORDER,) * 2
    rng = np.random.default_rng(seed)
    x = np.asarray(noise(canvas, rng) if start is None else start, network.dtype)
    if x.shape != (*canvas, 3):
        raise ValueError(f"got a start of shape {x.shape}, wanted {(*canvas, 3)}")
    sign, below = (-1 if least else 1), layer_below(network, layer)
    colours, field = np.array(recipe.colours, x.dtype), receptive_field(network, layer).size
    state = recipe.optimizer.start(x, steps)
    if goal is unit_goal and not others:  # then what the unit does not see need not be computed
        network = middle_part(network, layer, size)
    for t in range(steps):
        look = random_look(canvas, size, field, recipe, rng)
        # y = B x
        y, cache = look.forward(x)
        a, caches = network.forward(y, [below, layer] if others else [layer])
        value, da = goal(a[layer], channel, sign)
        dphi = look.backward(network.backward({layer: da}, caches), cache)
        # g = ĝ(Bᵀ ∂φ/∂y) − τ ∂J_TV/∂(x/255)
        g = in_pixels(dphi) - recipe.tv * total_variation(x / 255)[1]
        if others:
            gram, gram_cache = network.gram.forward(a[below])
            da = network.gram.backward(likeness(gram, others)[1], gram_cache)
            dc = look.backward(network.backward({below: da}, caches), cache)
            # g ← g − ω ĝ(Bᵀ ∂c/∂y)
            g -= recipe.apart * in_pixels(dc)
        # g ← g Σ
        g = g @ colours
        # x ← PixelDescent(x, −g)
        x, state = recipe.optimizer.step(x, -g, state)
        if callback:
            callback(Step(t + 1, value, middle(x)))
    return middle(x)


def suited(network: Network, layer: str, size: int | None = None) -> tuple[int, Goal]:
    """Return the side of pictures that suits a layer, and whether to ask a unit or a channel.

    The side, if it is not given, is what a unit sees, in steps of 16 px, 80 at least and 160 at
    most. Where a unit sees half of it at most, one unit would fill the middle only.
    """
    field = receptive_field(network, layer).size
    size = size or min(max(-(-field // 16) * 16, SMALLEST), LARGEST)
    return size, channel_goal if 2 * field <= size else unit_goal


def check_channel(network: Network, layer: str, channel: int, size: int) -> None:
    """Raise ValueError unless a layer of a network has a channel in a picture of that side."""
    network.check_image((size, size, 3), [layer])
    *_, C = network.output_shapes(size, size)[layer]
    if not 0 <= channel < C:
        raise ValueError(f"got channel {channel} of {layer}, which has the channels 0 to {C - 1}")


def noise(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Return faint noise around grey whose waves are as strong as they are broad: (H, W, 3)."""
    x = smooth(rng.standard_normal((*shape, 3)), 1.0)
    return 127.5 + CONTRAST * in_pixels(x - x.mean(axis=(0, 1)))


def random_look(
    shape: tuple[int, int], side: int, field: int, recipe: Recipe, rng: np.random.Generator
) -> Sampling:
    """Draw a look at a picture of that shape, for a unit that sees ``field`` pixels."""
    shift = field * rng.uniform(-recipe.shift, recipe.shift, 2)
    scale = 1 + rng.uniform(-recipe.scale, recipe.scale)
    turn = rng.uniform(-recipe.turn, recipe.turn)
    return Sampling(shape, side, shift, scale, turn)


def middle(x: np.ndarray) -> np.ndarray:
    """Return what is shown of x: all but its border."""
    return x[BORDER:-BORDER, BORDER:-BORDER].copy()


def layer_below(network: Network, layer: str) -> str:
    """Return the name of the layer whose map a layer reads."""
    return network.layers[max(network.depth([layer]) - 2, 0)].name


@one_blas_thread
def texture(network: Network, image: np.ndarray, layer: str) -> np.ndarray:
    """Return a picture's Gram matrix, (C, C), of the layer below: what `maximise` calls others."""
    below = layer_below(network, layer)
    return network.gram.forward(network.forward(image, [below])[0][below])[0]
