"""Which pixels make a unit fire: one walk back through the layers, under three rules.

A unit is one entry a_ijk of a layer's map. The *signal* g begins as that unit's own activation at
its place and 0 elsewhere (Zeiler & Fergus 2013, §2.1), and goes down layer by layer, through each
by its own backward pass: a convolution applies its kernels rotated and no bias, a pool puts every
entry back where its switch says. Only at a ReLU, y = max(x, 0), is there a choice ::

    gradient     g ← g · 1[x > 0]               Simonyan et al. 2014
    deconvnet    g ← max(g, 0)                  Zeiler & Fergus 2013
    guided       g ← max(g, 0) · 1[x > 0]       Springenberg et al. 2015

The rules differ in nothing else. At the picture there is no ReLU, so what arrives there has both
signs: where it is positive, a brighter pixel speaks for the unit; where negative, a darker one.

The first rule is backpropagation, and what it gives is true, if only for small changes of the
pixels: a_ijk · ∂a_ijk/∂image, the derivative of ½ a_ijk². The other two are no derivative of
anything. They drop the signals that speak against the unit, and so draw clearer pictures.

What those pictures can't show. Part of what is seen in them comes from the picture and not from
what the network has learned: switches and masks sit on the picture's edges whatever the kernels
are, and a signal that is kept positive can't cancel away from them. Nie et al. (2018) show that
both rules then partly restore the picture itself; Adebayo et al. (2018), that guided pictures
hardly change if upper layers' kernels are replaced by random ones. So a sharp outline is no
evidence that the unit looks for it. The control is the same picture in a network that has learned
nothing, ``VGG(random_parameters())``: its guided pictures follow the photograph's fine detail as
closely (a correlation of 0.74 to 0.90) as VGG-16's do (0.75 to 0.88); the gradients of neither do
(−0.28 to 0.23). The other check is `occlusion`, which uses no rule.

A unit depends on its receptive field only, so a crop of the picture that holds the field will do
(`explain_patch`), if pools cut it as they cut the whole. Let unit u see the pixels
u·jump − p … u·jump − p + r − 1 (`receptive_field`), let H be the picture's height, and crop rows ::

    top = max(0, ⌊(u·jump − p) / jump⌋ · jump)   …   bottom = min(u·jump − p + r, H)

The jumps of all layers below divide the unit's. So top is a multiple of each of them, and the
crop's maps are the whole's maps from row top / jump on: same pairs of rows in every pool, unit u
now called u − top / jump. Every entry that the unit depends on has its own field inside the
unit's, so the crop has it, too. Where such a field leaves the crop, it leaves the picture as well,
and both see zeros. Entries whose zeros are only the crop's are none of these.
"""

import numpy as np

from scratchnet.network.convolution import Convolution
from scratchnet.network.network import Network
from scratchnet.network.relu import ReLU
from scratchnet.units.receptive_field import ReceptiveField, receptive_field

Box = tuple[int, int, int, int]
SHOWN = 0.99  # of a signal's magnitudes lie below the scale of its picture
ROUNDING = 1e-5  # of the largest magnitude: what is smaller is no signal

# What becomes of a signal g at a ReLU; the cache is its mask 1[x > 0].
RULES = {
    "gradient": lambda relu, g, cache: relu.backward(g, cache),
    "deconvnet": lambda relu, g, cache: np.maximum(g, 0),
    "guided": lambda relu, g, cache: relu.backward(np.maximum(g, 0), cache),
}


def project_back(
    network: Network, signal: np.ndarray, layer: str, caches: list, rule: str
) -> np.ndarray:
    """Carry a signal from a layer down to the picture.

    Parameters
    ----------
    network : Network
    signal : ndarray, (H_l, W_l, C_l)
        Shaped like the layer's activation.
    layer : str
    caches : list
        From the forward pass of the picture; at least as deep as the layer.
    rule : str
        ``"gradient"``, ``"deconvnet"`` or ``"guided"``: what happens at the ReLUs.

    Returns
    -------
    signal : ndarray, (H, W, 3)
        In RGB.

    Raises
    ------
    ValueError
        For an unknown rule or layer, a layer that the forward pass did not reach, or a signal of
        another shape.
    """
    if rule not in RULES:
        raise ValueError(f"unknown rule {rule!r}; the rules are {', '.join(RULES)}")
    depth = network.depth([layer])
    if depth > len(caches):
        raise ValueError(f"signal at {layer}, but the forward pass ended before it")
    g = np.asarray(signal, network.dtype)
    wanted = _map_shape(network.layers[:depth], caches)
    if wanted and g.shape != wanted:
        raise ValueError(f"got a signal of shape {g.shape}, but {layer}'s map is {wanted}")
    for passed, cache in zip(network.layers[depth - 1 :: -1], caches[depth - 1 :: -1], strict=True):
        is_relu = isinstance(passed, ReLU)
        g = RULES[rule](passed, g, cache) if is_relu else passed.backward(g, cache)
    return g


def explain(
    network: Network,
    image: np.ndarray,
    layer: str,
    position: tuple[int, int],
    channel: int,
    rule: str = "deconvnet",
) -> np.ndarray:
    """Show which pixels of a picture make one unit fire.

    Parameters
    ----------
    network : Network
    image : ndarray, (H, W, 3)
        RGB in 0–255.
    layer : str
    position : (row, column)
        The unit's place in the layer's map.
    channel : int
    rule : str, default ``"deconvnet"``
        Or ``"gradient"``, ``"guided"``.

    Returns
    -------
    signal : ndarray, (H, W, 3)
        In RGB, of both signs; 0 outside the unit's field, and everywhere if its activation is 0.
        (Fast convolutions leave rounding outside the field: 1e-6 of the largest value, 3e-6 where
        maps are so large that tiles of 6×6 are used.)

    Raises
    ------
    ValueError
        For an unknown layer or rule, a unit outside the map, or no picture.
    """
    check_unit(network, image, layer, position, channel)
    activations, caches = network.forward(image, [layer])
    unit = (*position, channel)
    g = np.zeros_like(activations[layer])
    g[unit] = activations[layer][unit]
    return project_back(network, g, layer, caches, rule)


def explain_patch(
    network: Network,
    image: np.ndarray,
    layer: str,
    position: tuple[int, int],
    channel: int,
    rule: str = "deconvnet",
) -> np.ndarray:
    """Return what `explain` does in the unit's field, computed on little more than the field.

    Parameters and errors are those of `explain`.

    Returns
    -------
    signal : ndarray, (r, r, 3)
        The field's box, cut out of the whole picture's signal; 0 where it leaves the picture.
    """
    check_unit(network, image, layer, position, channel)
    field = receptive_field(network, layer)
    (top, left, bottom, right), place = aligned_box(field, position, image.shape[:2])
    g = explain(network, image[top:bottom, left:right], layer, place, channel, rule)
    field_top, field_left, _, _ = field.box(*position)
    # The crop may begin before the field, and begins after it where the field leaves the picture.
    g = g[max(field_top - top, 0) :, max(field_left - left, 0) :]
    row, col = max(top - field_top, 0), max(left - field_left, 0)
    patch = np.zeros((field.size, field.size, 3), g.dtype)
    patch[row : row + g.shape[0], col : col + g.shape[1]] = g
    return patch


def aligned_box(
    field: ReceptiveField, position: tuple[int, int], shape: tuple[int, int]
) -> tuple[Box, tuple[int, int]]:
    """Return the part of a picture that is enough for a unit, and the unit's place there.

    It holds the unit's field, as far as that is in the picture, and begins at a multiple of the
    jump, so that pools cut it as they cut the whole: the module's docstring says why that is
    enough for both passes.

    Parameters
    ----------
    field : ReceptiveField
        Of the unit's layer.
    position : (row, column)
        The unit's place in the whole picture's map.
    shape : (H, W)
        Of the picture.

    Returns
    -------
    box : (top, left, bottom, right)
        Half-open, within the picture.
    place : (row, column)
        The unit's place in the map of that part alone.

    Examples
    --------
    At jump 4, unit 5 sees the rows 20 − 10 = 10 … 33. The last multiple of 4 before is 8 = 2 · 4,
    and so the unit is number 5 − 2 = 3 in the crop. Unit 0 sees columns from −10 on:

    >>> aligned_box(ReceptiveField(24, 4, -10), (5, 0), (100, 100))
    ((8, 0, 34, 14), (3, 0))
    """
    top, left, bottom, right = field.box(*position)
    j, (H, W) = field.jump, shape
    # top ← max(0, ⌊top / j⌋ · j), bottom ← min(bottom, H)
    top, left = max(0, top // j * j), max(0, left // j * j)
    place = position[0] - top // j, position[1] - left // j
    return (top, left, min(bottom, H), min(right, W)), place


def as_picture(signal: np.ndarray) -> np.ndarray:
    """Turn a signal into a picture: grey where it is 0, all colours on one scale.

    A deep unit's signal has a few entries far above all others, beside which the rest would be
    grey. So the scale is the magnitude that 99 % of the entries stay below, those left out that
    are 0 or rounding; what is larger is cut off.

    Parameters
    ----------
    signal : ndarray, (H, W, 3)

    Returns
    -------
    picture : ndarray, (H, W, 3)
        RGB in 0–255: 127.5 + 127.5 · signal / scale.

    Examples
    --------
    >>> as_picture(np.array([[[-1.0, 0.0, 1.0]]])).tolist()
    [[[0.0, 127.5, 255.0]]]
    """
    magnitude = np.abs(signal)
    counted = magnitude[magnitude > ROUNDING * magnitude.max()]
    if not counted.size:  # a unit that doesn't fire
        return np.full_like(signal, 127.5)
    scale = np.quantile(counted, SHOWN).astype(signal.dtype)
    return np.clip(127.5 + 127.5 * (signal / scale), 0, 255)


def check_unit(
    network: Network, image: np.ndarray, layer: str, position: tuple[int, int], channel: int
) -> None:
    """Raise ValueError unless the layer exists and the unit is in its map of that picture."""
    network.depth([layer])
    if image.ndim != 3:
        raise ValueError(f"got an image of shape {image.shape}, wanted (height, width, 3)")
    shape = network.output_shapes(*image.shape[:2])[layer]
    unit = (*position, channel)
    if not all(0 <= n < size for n, size in zip(unit, shape, strict=True)):
        rows, cols, channels = shape
        raise ValueError(
            f"got row {unit[0]}, column {unit[1]}, channel {unit[2]}, but {layer}'s map has "
            f"{rows} rows, {cols} columns and {channels} channels, counted from 0"
        )


def _map_shape(layers: tuple, caches: list) -> tuple[int, int, int] | None:
    """Return the shape of the last layer's output; None before the first convolution.

    Of all caches, a convolution's is the one that is its input's shape.
    """
    shape = None
    for layer, cache in zip(layers, caches, strict=False):
        if isinstance(layer, Convolution):
            shape = layer.output_shape(cache)
        elif shape:
            shape = layer.output_shape(shape)
    return shape
