"""Whose J is whose: the weights of other programs, turned into this one's.

All of them compare the same two things at a layer of M positions and C channels, and multiply
them by constants of their own:

===  ===================================================================
E    Σ_ijk (a_G,ijk − a_C,ijk)², the content
F    Σ_kk′ (Gram_kk′(G)/M_G − Gram_kk′(S)/M_S)², the style
===  ===================================================================

`CONVENTIONS` has the constants as each source writes them. A term of J stays the same with ::

    our weight = their weight · their constant / our constant

The paper's content is a sum, the others' a mean: a factor of M·C, which at relu4_2 of a 256-px
picture is half a million. Programs that divide the Gram matrix by M·C instead of M divide F by C²
once more, and their deep, wide layers count for less. Others see pixels in 0–1: where activations
are s times as large, E is s² and F s⁴ times as large.

J and c·J have the same minimum, so only the weights' ratio matters. The factors are exact; the
picture is another one all the same where the network or its input differs (`Convention.differs`).
Total variation is left out: everybody means something else by it.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from scratchnet.network.layer import Shape
from scratchnet.style.layers import CONTENT_LAYERS, STYLE_LAYERS
from scratchnet.style.terms import Content, Style


class Convention(NamedTuple):
    """A program's J = Σ_l content_weight · content · E + Σ_l style_weight · layer · style · F.

    ``content`` and ``style`` are the constants, of (M, C) and of C; the weights are its defaults;
    ``layer`` is the weight, of C, of each of its five style layers. ``differs`` says what but J is
    not as here (VGG-16 after the ReLU, pixels in 0–255 less the mean); all others have VGG-19.
    """

    content: Callable[[int, int], float]
    style: Callable[[int], float]
    content_weight: float
    style_weight: float
    layer: Callable[[int], float]
    differs: str
    source: str


CONVENTIONS = {
    "scratchnet": Convention(
        lambda M, C: 1 / (2 * M * C), lambda C: 1 / (4 * C**2), Content.weight, Style.weight,
        lambda C: 1 / 5, "nothing", "`style.terms`"),
    "gatys": Convention(
        lambda M, C: 1 / 2, lambda C: 1 / (4 * C**2), 1, 1e3, lambda C: 1 / 5,
        "average pooling; in 2016, kernels scaled until each channel's mean activation is 1",
        "Gatys, Ecker & Bethge 2015 and 2016 (α/β of 1e-4 to 5e-3; here that of 2016, Fig. 3 B)"),
    "gatys-notebook": Convention(
        lambda M, C: 1 / (M * C), lambda C: 1 / C**2, 1, 1e3, lambda C: 1 / C**2,
        "nothing else", "leongatys/PytorchNeuralStyleTransfer, NeuralStyleTransfer.ipynb"),
    "neural-style": Convention(
        lambda M, C: 1 / (M * C), lambda C: 1 / C**4, 5, 100, lambda C: 1,
        "pixels up to 256, not 255",
        "jcjohnson/neural-style, neural_style.lua, with -normalize_gradients 0 as by default"),
    "athalye": Convention(
        lambda M, C: 1 / (M * C), lambda C: 1 / C**4, 5, 500, lambda C: 1 / 5,
        "nothing else", "anishathalye/neural-style, stylize.py and neural_style.py"),
    "d2l": Convention(
        lambda M, C: 1 / (M * C), lambda C: 1 / C**4, 1, 1e4, lambda C: 1,
        "torchvision's kernels, for pixels of mean 0 and deviation 1; before the ReLU; content at "
        "conv4_4",
        "Dive into Deep Learning, neural-style.md (earlier editions: 1e3)"),
    "ng": Convention(
        lambda M, C: 1 / (4 * M * C), lambda C: 1 / (4 * C**2), 10, 40, lambda C: 1 / 5,
        "average pooling; in the later edition pixels in 0–1, and content at block5_conv4",
        "Andrew Ng's course 4, week 4, the exercise (style: 1/(2CM)² of the Gram matrices' sums)"),
}  # fmt: skip


class Weights(NamedTuple):
    """Weights of this project, named as `gatys_terms` takes them; those of layers add up to 1."""

    content_weight: float
    content_layers: dict[str, float]
    style_weight: float
    style_layers: dict[str, float]

    @property
    def ratio(self) -> float:
        """style_weight / content_weight: what the minimum of J depends on, with the layers."""
        return self.style_weight / self.content_weight


def ours(
    name: str,
    shapes: Mapping[str, Shape],
    content_weight: float | None = None,
    style_weight: float | None = None,
    *,
    content: Iterable[str] = CONTENT_LAYERS,
    style: Iterable[str] = STYLE_LAYERS,
) -> Weights:
    """Return the weights with which this project's J is another program's.

    Parameters
    ----------
    name : str
        One of `CONVENTIONS`.
    shapes : mapping
        Layer → its shape (H, W, C): `Network.output_shapes`.
    content_weight, style_weight : float, optional
        Theirs; without them, their defaults.
    content, style : iterable of str
        The layers compared.

    Raises
    ------
    ValueError
        For an unknown name or layer.

    Examples
    --------
    >>> shapes = {"relu4_2": (32, 32, 512), "relu4_1": (32, 32, 512)}
    >>> weights = ours("ng", shapes, content_weight=10, style_weight=40, style=["relu4_1"])
    >>> weights.content_weight, weights.style_weight
    (5.0, 8.0)
    """
    if name not in CONVENTIONS:
        raise ValueError(f"unknown convention {name!r}; there are {', '.join(CONVENTIONS)}")
    content, style = list(content), list(style)
    if unknown := set(content + style) - set(shapes):
        raise ValueError(f"no shape is given for {', '.join(sorted(unknown))}")
    here, theirs = CONVENTIONS["scratchnet"], CONVENTIONS[name]
    content_weight = theirs.content_weight if content_weight is None else content_weight
    style_weight = theirs.style_weight if style_weight is None else style_weight
    w, lam = {}, {}
    # our weight = their weight · their constant / our constant
    for layer in content:
        H, W, C = shapes[layer]
        w[layer] = content_weight * theirs.content(H * W, C) / here.content(H * W, C)
    for layer in style:
        C = shapes[layer][2]
        lam[layer] = style_weight * theirs.layer(C) * theirs.style(C) / here.style(C)
    return Weights(*_shares(w), *_shares(lam))


def _shares(weights: dict[str, float]) -> tuple[float, dict[str, float]]:
    """Return the sum, and the share that each has in it."""
    total = sum(weights.values())
    return total, {layer: weight / (total or 1) for layer, weight in weights.items()}
