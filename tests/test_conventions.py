"""Other programs' J, each written out as its source has it, against this one's with our weights.

The sources are named in `scratchnet.style.conventions`. Pictures differ in size where the source
says what to do with that.
"""

import numpy as np
import pytest
from conftest import IMAGES

from scratchnet import Content, Gram, Style, gatys_terms, load_image, style_target
from scratchnet.style.conventions import CONVENTIONS, ours

SHAPES = {"relu1_1": (6, 7, 3), "relu2_1": (3, 4, 5), "relu3_1": (2, 3, 8)}
STYLE_SHAPES = {"relu1_1": (5, 9, 3), "relu2_1": (2, 4, 5), "relu3_1": (2, 2, 8)}
CONTENT = ("relu2_1", "relu3_1")
ONE_SIZE = {"gatys", "ng"}  # they have one M for both pictures


def matrix(a):
    """Return F of the papers: channels × positions."""
    return a.reshape(-1, a.shape[2]).T


def mse(x, y):
    return np.mean((x - y) ** 2)


# Each returns (content, style) of one layer, the style with the layer's own weight.


def gatys(g, c, s):
    # eq. 1: ½ Σ (F − P)²; eq. 4 and 5: w_l E_l with E_l = 1/(4 N² M²) Σ (G − A)² and w_l = 1/5
    F, P, S = matrix(g), matrix(c), matrix(s)
    N, M = F.shape
    E = np.sum((F @ F.T - S @ S.T) ** 2) / (4 * N**2 * M**2)
    return 0.5 * np.sum((F - P) ** 2), 0.2 * E


def gatys_notebook(g, c, s):
    # nn.MSELoss of activations, and of Gram matrices divided by h·w, times 1/n²
    n, hw = matrix(g).shape
    gram, target = matrix(g) @ matrix(g).T / hw, matrix(s) @ matrix(s).T / matrix(s).shape[1]
    return mse(g, c), mse(gram, target) / n**2


def neural_style(g, c, s):
    # nn.MSECriterion of activations, and of Gram matrices divided by input:nElement()
    return mse(g, c), mse(matrix(g) @ matrix(g).T / g.size, matrix(s) @ matrix(s).T / s.size)


def athalye(g, c, s):
    # 2·l2_loss / size, where l2_loss is Σ/2; the same of Gram matrices divided by size; 1/5 each
    gram, target = matrix(g) @ matrix(g).T / g.size, matrix(s) @ matrix(s).T / s.size
    half = np.sum((gram - target) ** 2) / 2
    return 2 * (np.sum((g - c) ** 2) / 2) / c.size, 2 * half / target.size / 5


def d2l(g, c, s):
    # square().mean(), of gram(X) = X Xᵀ / (num_channels · n)
    def gram(X):
        num_channels, n = X.shape
        return X @ X.T / (num_channels * n)

    return np.square(g - c).mean(), np.square(gram(matrix(g)) - gram(matrix(s))).mean()


def ng(g, c, s):
    # 1/(4 n_H n_W n_C) Σ (a_C − a_G)²; 1/(2 n_C n_H n_W)² Σ (G_S − G_G)², times 0.2
    n_H, n_W, n_C = g.shape
    style = np.sum((matrix(s) @ matrix(s).T - matrix(g) @ matrix(g).T) ** 2)
    return np.sum((c - g) ** 2) / (4 * n_H * n_W * n_C), 0.2 * style / (2 * n_C * n_H * n_W) ** 2


SOURCES = {
    "gatys": (gatys, 1, 1e3),
    "gatys-notebook": (gatys_notebook, 1, 1e3),
    "neural-style": (neural_style, 5, 1e2),
    "athalye": (athalye, 5, 5e2),
    "d2l": (d2l, 1, 1e4),
    "ng": (ng, 10, 40),
}  # fmt: skip


@pytest.fixture
def maps(rng):
    """Return a maker of a map of each layer."""
    return lambda shapes: {layer: rng.random(shape) for layer, shape in shapes.items()}


def our_content(weights, g, c):
    return sum(
        Content.loss(g[layer], c[layer], weights.content_weight * w)[0]
        for layer, w in weights.content_layers.items()
    )


def our_style(weights, g, s):
    return sum(
        Style.loss(g[layer], style_target(s[layer]), weights.style_weight * lam, Gram())[0]
        for layer, lam in weights.style_layers.items()
    )


@pytest.mark.parametrize("weights", [(), (0.7, 13.0)], ids=["defaults", "others"])
@pytest.mark.parametrize("name", SOURCES)
def test_our_weights_make_our_j_theirs(name, weights, maps):
    source, *defaults = SOURCES[name]
    alpha, beta = weights or defaults
    g, c = maps(SHAPES), maps(SHAPES)
    s = maps(SHAPES if name in ONE_SIZE else STYLE_SHAPES)
    J = [source(g[layer], c[layer], s[layer]) for layer in SHAPES]
    content = alpha * sum(J[n][0] for n, layer in enumerate(SHAPES) if layer in CONTENT)
    style = beta * sum(value for _, value in J)
    w = ours(name, SHAPES, *weights, content=CONTENT, style=SHAPES)
    assert our_content(w, g, c) == pytest.approx(content, rel=1e-12)
    assert our_style(w, g, s) == pytest.approx(style, rel=1e-12)


def test_every_convention_is_written_out_here():
    assert CONVENTIONS.keys() == {"scratchnet", *SOURCES}


def test_our_own_are_what_they_were(vgg32):
    w = ours("scratchnet", vgg32.output_shapes(64, 64))
    assert (w.content_weight, w.content_layers) == (Content.weight, {"relu4_2": 1})
    assert w.style_weight == pytest.approx(Style.weight, rel=1e-15)
    assert w.style_layers == pytest.approx({f"relu{n}_1": 0.2 for n in range(1, 6)}, rel=1e-15)


def test_the_sizes_that_the_introductions_name(vgg32):
    w = ours("gatys", vgg32.output_shapes(256, 256))
    assert w.content_weight == 32 * 32 * 512  # "half a million"
    assert round(w.ratio, 4) == 0.0019  # `style.terms`: 1 : 1.9e-3


def test_they_are_the_weights_that_gatys_terms_takes():
    picture = load_image(IMAGES / "cat.jpg")
    w = ours("neural-style", SHAPES, content=CONTENT, style=SHAPES)
    content, style, _ = gatys_terms(picture, picture, **w._asdict())
    assert (content.weight, style.layers) == (w.content_weight, w.style_layers)


def test_weights_of_zero_stay_zero():
    w = ours("neural-style", SHAPES, style_weight=0, content=CONTENT, style=SHAPES)
    assert w.style_weight == 0 == w.ratio and set(w.style_layers.values()) == {0}


def test_what_is_unknown_is_named():
    with pytest.raises(ValueError, match="unknown convention 'keras'; there are scratchnet, gatys"):
        ours("keras", SHAPES)
    with pytest.raises(ValueError, match="no shape is given for relu4_1, relu4_2, relu5_1"):
        ours("ng", SHAPES)
