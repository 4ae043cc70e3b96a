"""The claims about the way down: where G starts, how the network pools, which optimizer."""

import time
from itertools import combinations

import numpy as np
from claims import (
    PAINTING,
    PHOTO,
    Bench,
    Row,
    layer_distances,
    likeness,
    lowest,
    pixel_distance,
    style_distances,
)
from claims_sheet import Cell, Curves, Film, Sheet
from compare_optimizers import best_learning_rate

from scratchnet import (
    LBFGS,
    VGG,
    Adam,
    GradientDescent,
    PixelDescent,
    StyleTransferObjective,
    gatys_terms,
    total_variation,
)
from scratchnet.files.images import resize_image
from scratchnet.pages.curves import sums_by_term

START_WEIGHTS = (1e-5, 1e-3, 1e-1)
POOLED = ((PHOTO, PAINTING), ("pagoda", "flow_strokes"))
FRAMES = 40


def starts(bench: Bench) -> tuple[Sheet, list[Row]]:
    """Start from noise of two seeds, from the photograph and from the painting."""
    C, S = bench.picture(PHOTO), bench.picture(PAINTING)
    begin = {
        "noise, seed 0": bench.noise(C, 0),
        "noise, seed 1": bench.noise(C, 1),
        "noise, coarse to fine": "random",
        "content": "content",
        "style": resize_image(S, C.shape[:2]),
    }
    rows, cells = [], {}
    for weight in START_WEIGHTS:
        terms = gatys_terms(C, S, style_weight=weight)
        results = {
            name: bench.descend(f"{name}, {weight:g}", terms, start, 60, C)
            for name, start in begin.items()
        }
        best = min(map(lowest, results.values()))
        images = [result.image for result in results.values()]
        apart = float(np.mean([pixel_distance(*two) for two in combinations(images, 2)]))
        line = cells[f"style_weight {weight:g}\n{apart:.0f} levels apart"] = []
        for name, result in results.items():
            J = lowest(result)
            rows.append(
                {
                    "style_weight": weight,
                    "start": name,
                    "J": J,
                    "J / lowest": J / best,
                    "rms to the one from content": pixel_distance(
                        result.image, results["content"].image
                    ),
                    "likeness to the photograph": likeness(result.image, C),
                    "mean rms between results": apart,
                }
            )
            line.append(Cell(result.image, f"J {J:.4g}: {J / best:.2f} of the lowest"))
    caption = (
        "One J for each row, five starts. Noise works as a start; but the content image gets lower "
        "in as many steps, and where content hardly counts, the painting itself does. How much the "
        "pictures agree (mean rms distance between two of a row, in grey levels) depends on how "
        "much content counts: Gram matrices do not say where anything is, so that each start "
        "finds an arrangement of its own."
    )
    title = "Noise works as a start; the pictures agree where content counts"
    return Sheet(title, caption, list(begin), cells), rows


def pooling(bench: Bench) -> tuple[Sheet, list[Row]]:
    """Paint with max and with average pooling."""
    rows, cells = [], {}
    for names in POOLED:
        C, S = map(bench.picture, names)
        line = cells[", ".join(names).replace("_", " ").replace(", ", ",\n")] = [Cell(C), Cell(S)]
        for pool in ("max", "average"):
            network = VGG.load(pool=pool, partial_windows=True)
            terms, label = gatys_terms(C, S), f"{names[0]}, {pool}"
            G = bench.descend(label, terms, "random", 100, C, network=network).image
            distances = layer_distances(bench.network, G, C, ["relu4_2"])
            row = {
                "content": names[0],
                "style": names[1],
                "pooling": pool,
                "roughness": total_variation(G)[0] / G[:, :, 0].size,
                "likeness": likeness(G, C),
                "distance relu4_2": distances["relu4_2"],
                "style distance": float(
                    np.mean(list(style_distances(bench.network, G, S).values()))
                ),
            }
            rows.append(row)
            below = f"roughness {row['roughness']:.0f}, alike {row['likeness']:.2f}"
            line.append(Cell(G, below))
    caption = (
        "The same J, with the maximum or the mean of four in the network's pools. roughness: total "
        "variation for each pixel; alike: correlation of lightness with the photograph. (Distances "
        "in the table are measured with max pooling for both.)"
    )
    columns = ["content", "style", "max pooling", "average pooling"]
    return Sheet("Max pooling against average pooling", caption, columns, cells), rows


def optimizers(bench: Bench) -> tuple[Sheet, list[Row]]:
    """Go down the same J with four optimizers, from the photograph and from noise."""
    C, S = bench.picture(PHOTO), bench.picture(PAINTING)
    terms = gatys_terms(C, S)
    objective = StyleTransferObjective(bench.network, terms, C.shape[:2])
    rows, cells, curves = [], {}, []
    for name, start in {"from the content image": C, "from noise": bench.noise(C)}.items():
        eta = best_learning_rate(objective, start)
        ways = {
            "the notes' descent": GradientDescent(eta),
            "Adam": Adam(),
            "PixelDescent": PixelDescent(),
            "LBFGS": LBFGS(),
        }
        line, by_evaluation, by_second = [], {}, {}
        for way, optimizer in ways.items():
            seconds, begin = [], time.perf_counter()
            result = bench.descend(
                f"{way}, {name}", terms, start, 100, C, optimizer=optimizer,
                callback=lambda _, to=seconds, t0=begin: to.append(time.perf_counter() - t0),
            )  # fmt: skip
            J = [record.loss for record in result.history]
            by_evaluation[way], by_second[way] = (list(range(len(J))), J), (seconds, J)
            for n, (second, loss) in enumerate(zip(seconds, J, strict=True)):
                rows.append(
                    {"start": name, "optimizer": way, "evaluation": n, "second": second, "J": loss}
                )
            at = f" (η = {eta:.1e})" if way == "the notes' descent" else ""
            line.append(Cell(result.image, f"{way}{at}\nlowest J {min(J):.4g}"))
        cells[name.replace("the content", "the\ncontent")] = line
        curves += [
            Curves(name, "evaluation of J", "J", by_evaluation),
            Curves(name, "second", "J", by_second),
        ]
    caption = (
        "One J, 100 steps each. The notes' descent, G ← G − η ∂J/∂G, has one rate for broad shapes "
        "and for fine detail, and the largest that does not explode is too small for most of them. "
        "(Its η is tuned: of nine, each twice the one before, that which gets lowest in ten steps.)"
    )
    return Sheet("Four ways down the same J", caption, [], cells, curves), rows


def film(bench: Bench) -> tuple[Film, list[Row]]:
    """Follow one transfer from noise, coarse to fine: the picture, and J and its terms."""
    C, S = bench.picture(PHOTO), bench.picture(PAINTING)
    frames, history = [], []

    def follow(step):
        sums = sums_by_term(step)
        history.append({"evaluation": step.iteration, "long side": max(step.image.shape), **sums})
        # most of what can be seen happens early
        if step.progress >= (len(frames) / FRAMES) ** 2:
            whole = resize_image(np.array(step.image), C.shape[:2])
            height, width, _ = step.image.shape
            title = f"evaluation {step.iteration}, {width}×{height} px"
            frames.append((title, whole, step.iteration))

    bench.descend("a transfer", gatys_terms(C, S), "random", 76, C, callback=follow)
    numbers = [row["evaluation"] for row in history]
    lines = {
        name: (numbers, [row[name] for row in history]) for name in ("J", "content", "style", "tv")
    }
    curves = Curves("J and its terms", "evaluation", "weighted", lines)
    return Film(frames, curves), history
