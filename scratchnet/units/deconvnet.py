"""Which pixels make a unit fire: one walk back through the layers, under three rules.

The *signal* g begins as the unit's own activation a_ijk at its place and 0 elsewhere (Zeiler &
Fergus 2013, §2.1). It goes down layer by layer, through each by that layer's own backward pass: a
convolution applies its kernels turned by 180° and no bias, a pool puts every entry back where its
switch says. Only at a ReLU, y = max(x, 0), is there a choice ::

    gradient     g ← g · 1[x > 0]               Simonyan et al. 2014
    deconvnet    g ← max(g, 0)                  Zeiler & Fergus 2013
    guided       g ← max(g, 0) · 1[x > 0]       Springenberg et al. 2015

The rules differ in nothing else. There is no ReLU at the picture, so what arrives there has both
signs: where it is positive, a brighter pixel speaks for the unit; where negative, a darker one.

The first rule is backpropagation. What it gives is a derivative, and so tells what small changes
of the pixels do: a_ijk · ∂a_ijk/∂image, which is the derivative of ½ a_ijk². The other two are no
derivative of anything. They drop the signals that speak against the unit, and so draw clearer
pictures.

**What those pictures can't show.** Part of what is seen in them comes from the picture and not from
what the network has learned: switches and masks sit on the picture's edges whatever the kernels
are, and a signal that is kept positive can't cancel away from them. Nie et al. (2018) show that
both rules then partly restore the picture itself; Adebayo et al. (2018), that guided pictures
hardly change if upper layers' kernels are replaced by random ones. So a sharp outline is no
evidence that the unit looks for it. The control is the same picture in a network that has learned
nothing, ``VGG(random_parameters())``: its guided pictures follow the photograph's fine detail as
closely (a correlation of 0.74 to 0.90) as VGG-16's do (0.75 to 0.88); the gradients of neither do
(−0.28 to 0.23). The other check is `occlusion`, which uses no rule.

**Why deconvnet speckles.** Its rule lets a signal through where the ReLU was off, where the picture
has nothing that the unit could have seen. Of the signal's energy at a ReLU, so much lies there ::

    off = 1 − Σ (g · 1[x > 0])² / Σ g²          (g after its max(g, 0))

The paper's network had five ReLUs, VGG-16 has thirteen. For relu5_3, 53 to 81 % of the energy lies
there from relu5_2 down to relu3_1 (`energy_where_off`). Guided backpropagation leaves it out.

Only what the unit depends on is computed (`unit_part`), however large the picture is.
"""

from collections.abc import Callable

import numpy as np

from scratchnet.blas import one_blas_thread
from scratchnet.network.convolution import Convolution
from scratchnet.network.network import Network
from scratchnet.network.relu import ReLU
from scratchnet.units.receptive_field import receptive_field
from scratchnet.units.unit_part import unit_part


def gradient_rule(relu: ReLU, g: np.ndarray, cache: np.ndarray) -> np.ndarray:
    """Let through what the ReLU let through on the way up: its cache is the mask 1[x > 0]."""
    # g ← g · 1[x > 0]
    return relu.backward(g, cache)


def deconvnet_rule(relu: ReLU, g: np.ndarray, cache: np.ndarray) -> np.ndarray:
    """Let through what speaks for the unit, whatever the ReLU let through."""
    # g ← max(g, 0)
    return np.maximum(g, 0)


def guided_rule(relu: ReLU, g: np.ndarray, cache: np.ndarray) -> np.ndarray:
    """Let through what both other rules do."""
    # g ← max(g, 0) · 1[x > 0]
    return relu.backward(np.maximum(g, 0), cache)


RULES = {"gradient": gradient_rule, "deconvnet": deconvnet_rule, "guided": guided_rule}


@one_blas_thread
def project_back(
    network: Network, signal: np.ndarray, layer: str, caches: list, rule: str
) -> np.ndarray:
    """Carry a signal from a layer down to the picture.

    Parameters
    ----------
    network : Network
    signal : ndarray, (H_l, W_l, C_l)
        g at the layer.
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

    Raises
    ------
    ValueError
        For an unknown layer or rule, a unit outside the map, or no picture.
    """
    part, caches, a, at_unit = run_unit(network, image, layer, position, channel)
    return project_back(part, a * at_unit, layer, caches, rule)


def explain_patch(
    network: Network,
    image: np.ndarray,
    layer: str,
    position: tuple[int, int],
    channel: int,
    rule: str = "deconvnet",
) -> np.ndarray:
    """Return `explain`'s signal in the unit's field, (r, r, 3).

    It is 0 where the field leaves the picture. Parameters and errors are those of `explain`.
    """
    return in_field(explain, network, image, layer, position, channel, rule=rule)


@one_blas_thread
def energy_where_off(
    network: Network, image: np.ndarray, layer: str, position: tuple[int, int], channel: int
) -> dict[str, float]:
    """Return which share of deconvnet's signal lies where ReLUs were off, by ReLU, the last first.

    Parameters and errors are those of `explain`; a share is 0 where no signal is left.
    """
    part, caches, a, at_unit = run_unit(network, image, layer, position, channel)
    g, shares = a * at_unit, {}
    for passed, cache in zip(reversed(part.layers), reversed(caches), strict=True):
        if isinstance(passed, ReLU):
            g = deconvnet_rule(passed, g, cache)
            on, energy = passed.backward(g, cache), np.sum(g**2)  # g · 1[x > 0], Σ g²
            # off = 1 − Σ (g · 1[x > 0])² / Σ g²
            shares[passed.name] = float(1 - np.sum(on**2) / energy) if energy else 0.0
        else:
            g = passed.backward(g, cache)
    return shares


def in_field(
    method: Callable[..., np.ndarray],
    network: Network,
    image: np.ndarray,
    layer: str,
    position: tuple[int, int],
    channel: int,
    **options,
) -> np.ndarray:
    """Return what `explain`, or another such function, says in the unit's field, (r, r, 3)."""
    field = receptive_field(network, layer)
    top, left, bottom, right = field.box(*position)
    g = method(network, image, layer, position, channel, **options)
    inside = g[max(top, 0) : bottom, max(left, 0) : right]
    row, col = max(-top, 0), max(-left, 0)  # where the picture begins in the field
    patch = np.zeros((field.size, field.size, 3), g.dtype)
    patch[row : row + inside.shape[0], col : col + inside.shape[1]] = inside
    return patch


def run_unit(
    network: Network, image: np.ndarray, layer: str, position: tuple[int, int], channel: int
) -> tuple[Network, list, np.floating, np.ndarray]:
    """Compute one unit, to walk back from it.

    Parameters and errors are those of `explain`.

    Returns
    -------
    part : Network
        What the unit depends on.
    caches : list
        Of its forward pass.
    a : float
        a_ijk.
    at_unit : ndarray
        A map of the part's last layer: 1 at the unit, and 0 elsewhere.
    """
    check_unit(network, image, layer, position, channel)
    part, place = unit_part(network, layer, position, image.shape[:2])
    activations, caches = part.forward(image, [layer])
    unit, at_unit = (*place, channel), np.zeros_like(activations[layer])
    at_unit[unit] = 1
    return part, caches, activations[layer][unit], at_unit


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

    It follows from the convolutions' caches, each the shape of its input.
    """
    shape = None
    for layer, cache in zip(layers, caches, strict=False):
        if isinstance(layer, Convolution):
            shape = layer.output_shape(cache)
        elif shape:
            shape = layer.output_shape(shape)
    return shape
