"""The claims about layers: what content keeps, what style holds, and how α and β trade them."""

import numpy as np
from claims import (
    CONTENT_AT,
    LITTLE_TV,
    PAINTING,
    PHOTO,
    STYLE_AT,
    Bench,
    Row,
    grain_length,
    layer_distances,
    likeness,
    lowest,
    pixel_distance,
    relative_content,
    relative_style,
    style_distances,
)
from claims_sheet import Cell, Sheet

from scratchnet import Style, TotalVariation, receptive_field
from scratchnet.style.layers import STYLE_LAYERS

MIDDLE = "relu4_2"
STYLE_WEIGHTS = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
CONTENT_THREE = ("relu2_2", "relu3_2", "relu4_2")


def content(bench: Bench) -> tuple[Sheet, list[Row]]:
    """Rebuild a photograph from one layer alone, and paint it with each as the content layer."""
    network, C, S = bench.network, bench.picture(PHOTO), bench.picture(PAINTING)
    rows, rebuilt, painted = [], [Cell(C, "the photograph")], [Cell(S, "the painting")]
    for layer in CONTENT_AT:
        terms = [relative_content(network, C, layer), LITTLE_TV]
        result = bench.descend(f"from {layer} alone", terms, bench.noise(C), 100, C)
        row = measured("rebuilt", layer, bench, result, C, S)
        rows.append(row)
        rebuilt.append(
            Cell(result.image, f"rms {row['rms, grey levels']:.0f}, alike {row['likeness']:.2f}")
        )
    for layer in CONTENT_AT:
        terms = transfer_terms(bench, C, S, layer, Style.weight)
        result = bench.descend(f"painted, content {layer}", terms, "content", 50, C)
        row = measured("painted", layer, bench, result, C, S)
        rows.append(row)
        painted.append(
            Cell(result.image, f"alike {row['likeness']:.2f}, style {row['style distance']:.2f}")
        )
    caption = (
        "Above: noise is changed until one layer alone has the photograph's activations (and a "
        "little total variation against speckle). rms: distance in grey levels; alike: correlation "
        "of lightness. Below: the same layers as the content layer of a style transfer from the "
        "photograph, weighed so that a relative change of each counts as much. style: relative "
        "distance of Gram matrices to the painting's, mean of five layers. Shallow: all of the "
        "photograph; deep: the drawing is free to move; the style comes nearest in the middle."
    )
    return Sheet(
        "Content by layer: deeper keeps less",
        caption,
        ["", *CONTENT_AT],
        {"rebuilt from\none layer": rebuilt, "painted, with it\nas content layer": painted},
    ), rows


def measured(kind: str, layer: str, bench: Bench, result, C: np.ndarray, S: np.ndarray) -> Row:
    """Return how far a picture is from the photograph, in pixels and in each layer."""
    G, network = result.image, bench.network
    return {
        "picture": kind,
        "layer": layer,
        "sees, px": receptive_field(network, layer).size,
        "J": lowest(result),
        "rms, grey levels": pixel_distance(G, C),
        "likeness": likeness(G, C),
        **{f"distance {at}": d for at, d in layer_distances(network, G, C).items()},
        "style distance": float(np.mean(list(style_distances(network, G, S).values()))),
    }


def transfer_terms(bench: Bench, C: np.ndarray, S: np.ndarray, layer: str, weight: float) -> list:
    """Return the terms of a transfer whose content layer counts as much as relu4_2 does.

    A content layer's weight is divided by its mean square activation, and multiplied by that of
    relu4_2: for relu4_2 this is J as it is from 256 px on.
    """
    a, _ = bench.network.forward(C, [MIDDLE])
    unit = float(np.mean(np.square(a[MIDDLE], dtype=np.float64)))
    return [
        relative_content(bench.network, C, layer, unit),
        Style(S, STYLE_LAYERS, weight),
        TotalVariation(),
    ]


def style(bench: Bench) -> tuple[Sheet, list[Row]]:
    """Make textures of a painting's Gram matrices: of one layer, and of all up to a layer."""
    network, S = bench.network, bench.picture(PAINTING)
    noise, rows, cells = bench.noise(S), [], {}
    alone = [(layer,) for layer in STYLE_AT]
    upto = [STYLE_AT[:n] for n in range(2, len(STYLE_AT) + 1)]
    for layers in [*alone, *upto]:
        terms = [relative_style(network, S, layers), LITTLE_TV]
        label = f"{layers[0]} … {layers[-1]}" if len(layers) > 1 else layers[0]
        result = bench.descend(f"texture of {label}", terms, noise, 80, S)
        row = texture_row(label, layers[-1], bench, result.image, S) | {"J": lowest(result)}
        rows.append(row)
        grain, far = row["grain, px"], row["mean style distance"]
        cells[layers] = Cell(result.image, f"grain {grain:.1f} px, distance {far:.2f}")
    rows.append(texture_row("the painting", "", bench, S, S) | {"J": 0.0})
    first = Cell(S, f"the painting: grain {rows[-1]['grain, px']:.1f} px")
    sees = [receptive_field(network, layer).size for layer in STYLE_AT]
    caption = (
        "Noise is changed until its Gram matrices at some layers are the painting's, each layer "
        "counting alike; nothing says what is where. grain: the distance at which lightness has "
        "lost half of its correlation with itself. distance: of the Gram matrices to the "
        "painting's, relative, mean of all five layers, also of those that were not asked for. "
        "Colours and dots from relu1_1; strokes, then swirls, as units see more."
    )
    return Sheet(
        "Style by layer: several beat one, and structures grow with what a unit sees",
        caption,
        ["", *(f"{at}: sees {n} px" for at, n in zip(STYLE_AT, sees, strict=True))],
        {
            "one layer\nalone": [first, *(cells[layers] for layers in alone)],
            "all layers\nup to it": [None, *(cells[layers] for layers in [alone[0], *upto])],
        },
    ), rows


def texture_row(label: str, deepest: str, bench: Bench, G: np.ndarray, S: np.ndarray) -> Row:
    """Return how coarse a texture is, and how far its Gram matrices are from the painting's."""
    distances = style_distances(bench.network, G, S)
    return {
        "layers": label,
        "sees, px": receptive_field(bench.network, deepest).size if deepest else "",
        "grain, px": grain_length(G),
        **{f"style distance {layer}": d for layer, d in distances.items()},
        "mean style distance": float(np.mean(list(distances.values()))),
    }


def weights(bench: Bench) -> tuple[Sheet, list[Row]]:
    """Paint with four decades of α/β, at three content layers."""
    network, C, S = bench.network, bench.picture(PHOTO), bench.picture(PAINTING)
    rows, cells = [], {}
    shapes = network.output_shapes(*C.shape[:2])
    for layer in CONTENT_THREE:
        line = cells[layer] = []
        for weight in STYLE_WEIGHTS:
            terms = transfer_terms(bench, C, S, layer, weight)
            result = bench.descend(f"{layer}, {weight:g}", terms, "random", 40, C)
            content_weight = terms[0].layers[layer]
            row = {
                "content layer": layer,
                "style_weight": weight,
                "α/β": content_weight / float(np.prod(shapes[layer])) / weight,
                "J": lowest(result),
                "content distance": layer_distances(network, result.image, C, [layer])[layer],
                "style distance": float(
                    np.mean(list(style_distances(network, result.image, S).values()))
                ),
                "likeness": likeness(result.image, C),
            }
            rows.append(row)
            below = f"content {row['content distance']:.2f}, style {row['style distance']:.2f}"
            line.append(Cell(result.image, f"α/β {row['α/β']:.0e}\n{below}"))
    caption = (
        "From left to right β grows tenfold at each step; from top to bottom "
        "the content layer goes deeper. content: relative distance of its activations to the "
        "photograph's; style: of the Gram matrices to the painting's, mean of five layers. Style "
        "gains while content loses, up to 1e-2. From noise, coarse to fine. α/β is that of the "
        "notes' sums."
    )
    columns = [f"style_weight {weight:.0e}" for weight in STYLE_WEIGHTS]
    return Sheet("α and β trade content for style", caption, columns, cells), rows
