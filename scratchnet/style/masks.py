"""Masks: where in the picture a style goes, and from which part of the style picture it is taken.

A mask is a map (H, W) of weights: 1 where the style counts, 0 where it does not. With t_ij those of
a layer's positions, the means that the style loss compares become weighted ones (Gatys et al. 2017,
Controlling Perceptual Factors in Neural Style Transfer, eq. 4)::

    Gram_kk′/M  →  Σ_ij t_ij² a_ijk a_ijk′ / Σ_ij t_ij²

That is Gram/M of another map, b: the activations times their weights, which are first scaled so
that the sum of their squares is M, as that of ones is. So nothing but b is new ::

    t_ij   ← t_ij √(M / Σ_ij t_ij²)
    b_ijk  = t_ij a_ijk
    da_ijk = t_ij db_ijk                    each a_ijk is in one b_ijk only

and from Gram to b `network.gram` goes back. With T = diag(t_ij) that is B = T A and dA = T dB: for
a symmetric dGram, dA = 2 T² A dGram. Where t_ij is 0, the style asks for nothing.

**From the picture to a layer.** A unit of relu5_1 sees 132 px: if the mean of a mask over all that
were its weight, styles would overlap widely; if all of that had to be inside, small masks would
have no units left. But what a unit stands for is in the middle of its field. Let neighbouring
units' fields be ``jump`` pixels apart; then unit u has ``jump`` pixels in the middle of its field
to itself, from pixel p + u·jump on. Beginning with p = 0 and jump = 1, at a layer with windows of
size n, stride s and padding q ::

    p    ← p + ⌊((n − s)/2 − q)·jump⌋
    jump ← jump·s

(In VGG, p stays 0.) Its weight is the least that the mask has in these pixels ::

    first = p + u·jump
    last  = p + (u + 1)·jump − 1
    t_u   = min(mask from first to last)    along the rows, then along the columns

So t is 0 wherever one of these pixels is outside, and where the mask is narrower than jump, deep
layers have no say; where one has no unit at all (`vanishing`), the layer is left out. How many more
pixels are to be inside is a choice: at 192 px, of the squared gradient of a style for the sky of
`leuven_street.jpg`, from the photograph, 14 % is outside of the sky. With half of jump more on each
side it is 4 %, but then there is a grey rim at the roofs that no style has painted.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from scratchnet.files.images import resize_image
from scratchnet.network.gram import Gram
from scratchnet.network.network import Network
from scratchnet.style.layers import Size


@dataclass(frozen=True, eq=False)
class MaskedGram(Gram):
    """A map (H, W, C) → the Gram matrix of b = t·a, with t scaled so that Σ t² = M.

    Parameters
    ----------
    t : ndarray, (H, W)
        Weights of the positions, not all of them 0.
    gram : Gram
        What makes the Gram matrix of b: a network's own.
    """

    name: str = "masked gram"
    t: np.ndarray = field(kw_only=True)
    gram: Gram = field(default_factory=Gram, kw_only=True)

    def __post_init__(self):
        M, squares = self.t.size, float(np.sum(self.t**2, dtype=np.float64))
        # t_ij ← t_ij √(M / Σ_ij t_ij²)
        object.__setattr__(self, "t", self.t * self.t.dtype.type(np.sqrt(M / squares)))

    def forward(self, a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the Gram matrix of b; the cache is that of b's.

        Examples
        --------
        Two positions of one channel, of which only the second counts, and so twice:

        >>> gram, _ = MaskedGram(t=np.array([[0.0, 1.0]])).forward(np.array([[[3.0], [5.0]]]))
        >>> gram.round(12).tolist()
        [[50.0]]
        """
        # b_ijk = t_ij a_ijk
        b = self.t[:, :, None] * a
        return self.gram.forward(b)

    def backward(self, dgram: np.ndarray, cache: np.ndarray) -> np.ndarray:
        """Carry a gradient from the Gram matrix, (C, C), back to the activations, (H, W, C)."""
        db = self.gram.backward(dgram, cache)
        # da_ijk = t_ij db_ijk
        return np.multiply(self.t[:, :, None], db, out=db)


def squared_weights(gram: Gram) -> np.ndarray | None:
    """Return t_ij², (H, W, 1), by which a Gram matrix counts positions; None if all count alike."""
    return gram.t[:, :, None] ** 2 if isinstance(gram, MaskedGram) else None


def masked_grams(
    network: Network, mask: np.ndarray | None, size: Size, layers: Iterable[str]
) -> dict[str, Gram]:
    """Return, layer by layer, what makes Gram matrices of a picture of that size under a mask.

    Without a mask it is the network's own; layers that have no unit in the mask are left out.
    """
    if mask is None:
        return dict.fromkeys(layers, network.gram)
    weights = layer_weights(network, mask, size, layers)
    return {layer: MaskedGram(t=t, gram=network.gram) for layer, t in weights.items() if t.any()}


def vanishing(network: Network, mask: np.ndarray, size: Size, layers: Iterable[str]) -> list[str]:
    """Return the layers, of those named, in which no unit is in the mask."""
    weights = layer_weights(network, mask, size, layers)
    return [layer for layer, t in weights.items() if not t.any()]


def layer_weights(
    network: Network, mask: np.ndarray, size: Size, layers: Iterable[str]
) -> dict[str, np.ndarray]:
    """Return layer name → t, (H_l, W_l), in the network's dtype, for a picture of that size.

    Parameters
    ----------
    network : Network
    mask : ndarray, (any height, any width)
        In 0–1; resized to the picture's size.
    size : (height, width)
        Of the picture.
    layers : iterable of str
    """
    mask = resized_mask(mask, size)
    shapes = network.output_shapes(*size)
    weights = {}
    for layer in layers:
        p, jump = places(network, layer)
        t = mask
        for axis, count in enumerate(shapes[layer][:2]):
            t = least(t, axis, p, jump, count)
        weights[layer] = t.astype(network.dtype)
    return weights


def places(network: Network, layer: str) -> tuple[int, int]:
    """Return p and jump: where the pixels that unit 0 has to itself begin, and how many they are.

    Examples
    --------
    >>> from scratchnet import VGG
    >>> places(VGG.load(), "relu5_1")
    (0, 16)
    """
    p, jump = 0, 1
    for passed in network.layers[: network.depth([layer])]:
        if passed.window is None:
            raise ValueError(f"{passed.name} sees all positions, and so has none in a mask")
        n, s, q = passed.window
        # p ← p + ⌊((n − s)/2 − q)·jump⌋
        p += int(np.floor(((n - s) / 2 - q) * jump))
        # jump ← jump·s
        jump *= s
    return p, jump


def least(mask: np.ndarray, axis: int, p: int, jump: int, count: int) -> np.ndarray:
    """Return the least of a mask in the pixels of each of ``count`` units, along one axis.

    Examples
    --------
    >>> least(np.array([[1, 1, 1, 1, 1, 1, 0, 1]]), 1, 0, 2, 4).tolist()
    [[1, 1, 1, 0]]
    """
    found, end = [], mask.shape[axis] - 1
    for u in range(count):
        # first = p + u·jump
        first = min(max(p + u * jump, 0), end)
        # last = p + (u + 1)·jump − 1
        last = min(max(p + (u + 1) * jump - 1, first), end)
        # t_u = min(mask from first to last)
        found.append(mask.take(range(first, last + 1), axis).min(axis))
    return np.stack(found, axis)


def resized_mask(mask: np.ndarray, size: Size) -> np.ndarray:
    """Return a mask at another size, in whole steps of 1/255: 0 and 1 stay exactly that."""
    if mask.shape == tuple(size):
        return mask
    picture = resize_image(mask[:, :, None].astype(np.float32) * 255, size)
    return np.rint(picture[:, :, 0]) / 255


def check_mask(name: str, mask: np.ndarray, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Return a mask as floating point, (H, W), in 0–1.

    Raises ValueError, beginning with ``name``, for another array, one of another size than the
    picture's ``shape``, and one that is 0 everywhere.
    """
    mask = np.asarray(mask)
    if mask.ndim != 2 or mask.size == 0 or mask.dtype.kind not in "biuf":
        raise ValueError(
            f"{name}: got an array of {mask.dtype}, shape {mask.shape}, wanted numbers "
            "(height, width)"
        )
    if shape is not None and mask.shape != tuple(shape[:2]):
        raise ValueError(f"{name}: got a mask of {mask.shape}, wanted the picture's {shape[:2]}")
    if not (mask.min() >= 0 and mask.max() <= 1):
        raise ValueError(f"{name}: got weights from {mask.min()} to {mask.max()}, wanted 0 to 1")
    if not mask.any():
        raise ValueError(f"{name}: the mask is 0 everywhere, and so takes in no pixel")
    return mask if mask.dtype.kind == "f" else mask.astype(np.float32)


def check_masks(
    name: str, masks: Sequence[np.ndarray | None] | None, pictures: Sequence[np.ndarray]
) -> list[np.ndarray | None]:
    """Return a mask, or None, for each picture; raises as `check_mask`, and for another number."""
    masks = [None] * len(pictures) if masks is None else list(masks)
    if len(masks) != len(pictures):
        raise ValueError(f"{name}: got {len(masks)}, wanted one for each style, {len(pictures)}")
    return [
        None if mask is None else check_mask(f"{name}[{n}]", mask, picture.shape)
        for n, (mask, picture) in enumerate(zip(masks, pictures, strict=True))
    ]


def coverage(masks: Sequence[np.ndarray | None]) -> tuple[list[float], float, float]:
    """Return the share of the picture that each mask covers, any of them, and two or more.

    Examples
    --------
    >>> coverage([np.array([[1, 1, 0, 0]]), np.array([[0, 1, 0, 0]])])
    ([0.5, 0.25], 0.5, 0.25)
    """
    if all(mask is None for mask in masks):
        return [1.0] * len(masks), 1.0, float(len(masks) > 1)
    shape = next(mask.shape for mask in masks if mask is not None)
    whole = np.sort([np.ones(shape) if mask is None else mask for mask in masks], axis=0)
    each = [1.0 if mask is None else float(np.mean(mask)) for mask in masks]
    twice = float(np.mean(whole[-2])) if len(masks) > 1 else 0.0
    return each, float(np.mean(whole[-1])), twice
