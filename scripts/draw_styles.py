"""Draw five style pictures, the same bytes each time.

A Gram style remembers which textures, edges and colours occur together, so each picture is one
idea repeated everywhere, at several sizes and in few colours:

flow_strokes   thick curved brush strokes along a flow; their relief is lit from the upper left
stained_glass  panes of coloured glass (a Voronoi diagram) between dark lead lines
woodcut        black lines on cream that swell where the picture is dark; one red sun
mosaic         small square stones laid along curves, light grout between them
ink_wash       hills in diluted ink that fade into mist, grass in dry strokes, a red seal
"""

from interrupts import Interrupts

if __name__ == "__main__":
    Interrupts("draw_styles").install()

import argparse
import sys
from pathlib import Path

import numpy as np
from command_line import Parser
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from scratchnet.files.saving import replacing

SIZE = 512
Y, X = np.mgrid[:SIZE, :SIZE] / SIZE


def palette(*colours: str) -> np.ndarray:
    """Turn "rrggbb" strings to an array (n, 3) of RGB in 0–255."""
    return np.array([list(bytes.fromhex(colour)) for colour in colours], float)


def noise(rng: np.random.Generator, scale: float, shape: tuple = (SIZE, SIZE)) -> np.ndarray:
    """Return smooth noise of mean 0 and deviation 1, with features of about ``scale`` px."""
    field = gaussian_filter(rng.standard_normal(shape), scale, mode="wrap")
    return (field - field.mean()) / field.std()


def blend(colours: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Look a value in 0–1 up on a scale of colours: (...) → (..., 3)."""
    position = np.clip(value, 0, 1) * (len(colours) - 1)
    return np.stack(
        [np.interp(position, np.arange(len(colours)), colours[:, k]) for k in range(3)], axis=-1
    )


def lit(height: np.ndarray, strength: float) -> np.ndarray:
    """Shade a relief by a light from the upper left: (H, W) → (H, W, 1), 1 where it is flat."""
    down, right = np.gradient(height)
    return np.clip(1 - strength * (down + right), 0.35, 1.9)[:, :, None]


def flow_strokes(rng: np.random.Generator) -> np.ndarray:
    """Draw brush strokes from broad to fine along a swirling flow."""
    angle = 1.1 * noise(rng, 60) + 0.5 * noise(rng, 22) + 3 * (Y - 0.5)
    tone = 0.5 + 0.2 * noise(rng, 50) + 0.13 * noise(rng, 14) + 0.5 * (0.55 - Y)
    scale = palette("1d2340", "7c1f2d", "c2562b", "1f6f78", "d9a441", "4fa3a0", "f1e4c3")
    colours = Image.new("RGB", (SIZE, SIZE), "#1d2340")
    heights = Image.new("L", (SIZE, SIZE), 60)
    paint, relief = ImageDraw.Draw(colours), ImageDraw.Draw(heights)
    for width, length, count in [(22, 90, 900), (13, 64, 2200), (8, 44, 3600), (5, 26, 2600)]:
        for start in rng.uniform(-10, SIZE + 10, (count, 2)):
            path = follow(angle, start, length)
            y, x = np.clip(start.astype(int), 0, SIZE - 1)
            shade = tone[y, x] + rng.normal(0, 0.07)
            bristles(rng, paint, relief, path, width, blend(scale, shade))
    surface = gaussian_filter(np.asarray(heights, float), 0.7)
    return np.asarray(colours, float) * lit(surface, 0.011)


def follow(angle: np.ndarray, start: np.ndarray, length: float) -> np.ndarray:
    """Walk along a field of angles from ``start`` (y, x): points (n, 2), 4 px apart."""
    points = [start]
    for _ in range(int(length / 4)):
        y, x = np.clip(points[-1].astype(int), 0, SIZE - 1)
        points.append(points[-1] + 4 * np.array([np.sin(angle[y, x]), np.cos(angle[y, x])]))
    return np.array(points)


def bristles(rng, paint, relief, path: np.ndarray, width: float, colour: np.ndarray) -> None:
    """Draw one stroke: parallel thin lines, each with its own lightness and thickness of paint."""
    tangent = np.gradient(path, axis=0)
    normal = tangent[:, ::-1] * [1, -1] / np.linalg.norm(tangent, axis=1, keepdims=True)
    lift = rng.uniform(100, 190)
    for offset in np.arange(-width / 2, width / 2, 1.6):
        first, last = rng.integers(0, 3), len(path) - rng.integers(0, 4)
        line = (path + offset * normal)[first:last, ::-1]  # (x, y), as Pillow wants it
        shaded = np.clip(colour * rng.normal(1, 0.09), 0, 255).astype(int)
        height = int(np.clip(lift - 2 * abs(offset) + rng.normal(0, 28), 0, 255))
        paint.line(list(map(tuple, line)), tuple(shaded), 2)
        relief.line(list(map(tuple, line)), height, 2)


def stained_glass(rng: np.random.Generator) -> np.ndarray:
    """Colour the cells of a Voronoi diagram and put lead between them."""
    seeds = relaxed_seeds(rng, 330)
    warped = np.stack([Y * SIZE + 5 * noise(rng, 18), X * SIZE + 5 * noise(rng, 18)], axis=-1)
    distance, nearest = cKDTree(seeds).query(warped, k=2)
    lead = distance[..., 1] - distance[..., 0]
    y, x = seeds.T / SIZE
    sun = np.hypot(y - 0.3, x - 0.62)
    value = np.where(
        y > 0.66 + 0.07 * np.sin(7 * x), 0.06 + 0.4 * rng.random(len(y)), 1.1 - 1.15 * sun
    )
    scale = palette("14532d", "1f9d6b", "123c8c", "1c6fd1", "6a1b9a", "c2183c", "f08a1d", "ffd94a")
    panes = blend(scale, value + rng.normal(0, 0.09, len(y)))[nearest[..., 0]]
    light = (
        1
        + 0.10 * noise(rng, 5)
        + 0.06 * noise(rng, 1.2)
        + 0.25 * np.exp(-distance[..., :1][..., 0] / 9)
    )
    wall = np.clip((lead - 3.5) / 2.5, 0, 1)[..., None]
    bead = np.clip(70 - 14 * lead, 18, 70)[..., None] * np.array([0.9, 0.95, 1.1])
    return wall * panes * light[..., None] + (1 - wall) * bead


def relaxed_seeds(rng: np.random.Generator, count: int) -> np.ndarray:
    """Return points (count, 2) spread evenly but irregularly (two steps of Lloyd's method)."""
    seeds = rng.uniform(0, SIZE, (count, 2))
    grid = np.stack([Y, X], axis=-1).reshape(-1, 2) * SIZE
    for _ in range(2):
        seeds = centres(grid, cKDTree(seeds).query(grid)[1], seeds)
    return seeds


def centres(points: np.ndarray, owner: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """Return the mean of the points that each seed owns; a seed that owns none stays."""
    count = np.bincount(owner, minlength=len(seeds))[:, None]
    sums = np.stack([np.bincount(owner, points[:, k], len(seeds)) for k in range(2)], axis=1)
    return np.where(count > 0, sums / np.maximum(count, 1), seeds)


def woodcut(rng: np.random.Generator) -> np.ndarray:
    """Engrave a landscape: lines across each form, as thick as the form is dark."""
    warp = noise(rng, 45)
    far = 0.56 + 0.05 * np.sin(9 * X + 1) + 0.03 * noise(rng, 40)[256]
    near = 0.74 + 0.07 * np.sin(5 * X - 1) + 0.02 * noise(rng, 22)[256]
    sun = np.hypot(Y - 0.27, X - 0.66)
    sky = 46 * (Y + 0.035 * warp + 0.02 * np.sin(14 * X + 5 * Y))
    hill = 40 * (0.8 * X + 0.55 * (Y - far) + 0.03 * warp)
    field = 34 * (0.5 * X - 1.1 * (Y - near) * (1 + Y) + 0.04 * warp)
    halo = 60 * sun
    phase = np.select([Y > near, Y > far, sun < 0.24], [field, hill, halo], sky)
    tone = np.select(
        [Y > near, Y > far, sun < 0.24],
        [0.66 - 0.5 * (Y - near), 0.78 - 1.9 * (Y - far), 0.15 + 1.2 * sun],
        0.62 - 0.5 * Y,
    ) + 0.11 * noise(rng, 26)
    wave = 0.5 + 0.5 * np.cos(2 * np.pi * phase)
    rough = 0.10 * noise(rng, 1.0) + 0.05 * noise(rng, 3)
    ink = 1 / (1 + np.exp(-(tone - wave + rough) * 16))
    for ridge in (far, near):
        ink = np.maximum(ink, np.clip(1.6 - abs(Y - ridge) * SIZE / 2.4, 0, 1))
    paper = palette("f0e4c8")[0] * (1 + 0.015 * noise(rng, 1.5))[..., None]
    red = np.clip((0.105 - sun) * 150, 0, 1)[..., None]
    paper = red * palette("c23b22")[0] + (1 - red) * paper
    ink = (ink * (1 - 0.9 * red[..., 0]))[..., None]
    return (1 - ink) * paper + ink * palette("1b1718")[0]


def mosaic(rng: np.random.Generator) -> np.ndarray:
    """Lay square stones along the level curves of a field (Hausner 2001)."""
    field = np.hypot(Y - 0.4, X - 0.45) + 0.055 * noise(rng, 55) + 0.02 * np.sin(16 * X) * Y
    down, right = np.gradient(gaussian_filter(field, 3))
    angle = np.arctan2(down, right)
    grid = np.stack([Y, X], axis=-1).reshape(-1, 2) * SIZE
    seeds = rng.uniform(0, SIZE, (2300, 2))
    for _ in range(9):
        owner, _ = square_cells(grid, seeds, angle)
        seeds = centres(grid, owner, seeds)
    owner, gap = square_cells(grid, seeds, angle)
    y, x = np.clip(seeds.astype(int), 0, SIZE - 1).T
    scale = palette("f3e9d2", "e0a83e", "b5482a", "173f5f", "2f7f86", "a9c7b0", "173f5f", "20283d")
    rings = 0.5 - 0.5 * np.cos(2 * np.pi * 2.6 * field[y, x])
    value = 0.55 * rings + 0.65 * field[y, x] + rng.normal(0, 0.05, len(seeds))
    stones = blend(scale, value) * rng.normal(1, 0.11, (len(seeds), 1))
    bevel = gaussian_filter(np.minimum(gap, 4).reshape(SIZE, SIZE), 0.8)
    grout = np.clip((bevel - 0.9) / 0.8, 0, 1)[..., None]
    picture = stones[owner].reshape(SIZE, SIZE, 3) * lit(bevel, 0.16)
    picture *= (1 + 0.05 * noise(rng, 1.3))[..., None]
    return grout * picture + (1 - grout) * palette("b9ab95")[0]


def square_cells(grid: np.ndarray, seeds: np.ndarray, angle: np.ndarray) -> tuple:
    """Give each pixel to the seed nearest in a square metric turned by the seed's angle.

    Returns the owner of each pixel and by how many px the second nearest seed is farther.
    """
    _, near = cKDTree(seeds).query(grid, k=7)
    y, x = np.clip(seeds.astype(int), 0, SIZE - 1).T
    cos, sin = np.cos(angle[y, x])[near], np.sin(angle[y, x])[near]
    dy, dx = np.moveaxis(grid[:, None] - seeds[near], -1, 0)
    distance = np.maximum(abs(cos * dx + sin * dy), abs(cos * dy - sin * dx))
    order = np.argsort(distance, axis=1)[:, :2]
    first, second = np.take_along_axis(distance, order, axis=1).T
    return near[np.arange(len(near)), order[:, 0]], second - first


def ink_wash(rng: np.random.Generator) -> np.ndarray:
    """Lay washes of hills over each other, each fading into mist, then dry strokes of grass."""
    fibres = gaussian_filter(rng.standard_normal((SIZE, SIZE)), (0.6, 4)) * 4
    paper = 1 + 0.018 * noise(rng, 1.2) + 0.012 * fibres
    ink = 0.05 * np.clip(noise(rng, 60), 0, None)
    for n, base in enumerate([0.28, 0.42, 0.57, 0.74]):
        rows = noise(rng, 30)[200] * 0.07 + noise(rng, 9)[200] * 0.022 + noise(rng, 3)[200] * 0.006
        depth = Y - (base + rows)
        edge = 1 / (1 + np.exp(-depth * SIZE / 1.5))
        fade = np.exp(-np.clip(depth, 0, None) * (9 - n))
        grain = 1 + 0.28 * noise(rng, 6) + 0.22 * noise(rng, 2) + 0.12 * noise(rng, 0.8)
        rim = 0.3 * np.exp(-((depth * SIZE / 3) ** 2))
        ink = ink * (1 - 0.55 * edge * fade) + edge * (fade + rim) * (0.24 + 0.19 * n) * grain
    ink = np.maximum(ink, grass(rng) * (0.75 + 0.3 * noise(rng, 0.9)))
    picture = palette("f1eadb")[0] * paper[..., None]
    picture = picture * np.exp(-2.3 * np.clip(ink, 0, 1.4))[..., None] ** [1.0, 0.97, 0.90]
    y, x = (Y * SIZE - 60) / 19, (X * SIZE - 440) / 15
    seal = (np.maximum(abs(y), abs(x)) < 1) & (noise(rng, 2.2) > -0.75)
    return np.where(seal[..., None], palette("b23a2a")[0], picture)


def grass(rng: np.random.Generator) -> np.ndarray:
    """Draw tapering, bent blades from the lower edge: (H, W) in 0–1."""
    layer = Image.new("L", (2 * SIZE, 2 * SIZE), 0)
    draw = ImageDraw.Draw(layer)
    for _ in range(150):
        foot, height, bend = rng.normal(0.33, 0.2), rng.uniform(0.06, 0.34), rng.normal(0.05, 0.1)
        t = np.linspace(0, 1, 24)
        xs, ys = (foot + bend * t**2) * 2 * SIZE, (1.01 - height * t) * 2 * SIZE
        width, shade = rng.uniform(2, 9), int(rng.uniform(120, 255))
        for n in range(23):
            stroke = max(1, round(width * (1 - t[n]) ** 0.7))
            draw.line([xs[n], ys[n], xs[n + 1], ys[n + 1]], shade, stroke)
    return np.asarray(layer.resize((SIZE, SIZE), Image.Resampling.LANCZOS), float) / 255


STYLES = {  # name: (how it is drawn, its seed)
    "flow_strokes": (flow_strokes, 3),
    "stained_glass": (stained_glass, 5),
    "woodcut": (woodcut, 8),
    "mosaic": (mosaic, 2),
    "ink_wash": (ink_wash, 4),
}


def save(picture: np.ndarray, path: Path) -> None:
    """Write a JPEG."""
    pixels = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    with replacing(path) as partial:
        Image.fromarray(pixels).save(partial, quality=86, optimize=True)


def main() -> int:
    """Draw the styles asked for."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    here = Path(__file__).resolve().parent / "images"
    add = parser.add_argument
    add("--output", type=Path, default=here, metavar="FOLDER", help="default: images/ beside this")
    add("--only", nargs="+", choices=list(STYLES), default=list(STYLES), metavar="NAME",
        help="which to draw (default: all)")  # fmt: skip
    arguments = parser.parse_args()
    if not arguments.output.is_dir():
        print(f"draw_styles: --output {arguments.output}: no such folder", file=sys.stderr)
        return 2
    for name in arguments.only:
        draw, seed = STYLES[name]
        save(draw(np.random.default_rng(seed)), arguments.output / f"{name}.jpg")
        print(arguments.output / f"{name}.jpg")
    return 0


if __name__ == "__main__":
    sys.exit(main())
