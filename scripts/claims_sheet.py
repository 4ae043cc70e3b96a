"""How the figures of scripts/figures.py are drawn and saved: sheets, curves, a moving picture."""

import csv
from math import ceil
from pathlib import Path
from textwrap import fill
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from scratchnet.files.saving import replacing

WIDTH = 2.0  # inches of a picture
LINE = 0.17  # inches of a line of text
DPI = 110
COLOURS = ("#2471a3", "#c0392b", "#1e8449", "#b9770e", "#6c3483", "#566573")


class Cell(NamedTuple):
    """A picture (H, W, 3), RGB in 0–255, and the lines below it."""

    picture: np.ndarray
    below: str = ""


class Curves(NamedTuple):
    """Lines on logarithmic height: label → (x, y)."""

    title: str
    xlabel: str
    ylabel: str
    lines: dict[str, tuple[list[float], list[float]]]


class Sheet(NamedTuple):
    """Rows of pictures, all at one scale; curves below them; the claim above, the reading below.

    Attributes
    ----------
    title, caption : str
    columns : list of str
        Titles above the first row; none where each picture says what it is.
    rows : dict
        What stands left of a row → its cells; None leaves a place empty.
    curves : list of Curves
    """

    title: str
    caption: str
    columns: list[str]
    rows: dict[str, list[Cell | None]]
    curves: list[Curves] = []  # noqa: RUF012 (a default of a NamedTuple; nothing writes to it)

    def save(self, path: Path) -> None:
        """Draw, as matplotlib's format by the ending."""
        count = max(map(len, self.rows.values()))
        cells = [cell for row in self.rows.values() for cell in row if cell is not None]
        height, width = np.max([cell.picture.shape[:2] for cell in cells], axis=0)
        lines = max(cell.below.count("\n") + 1 for cell in cells)
        inches = WIDTH * height / width + LINE * lines
        across = (WIDTH + 0.05) * count + 0.9
        caption = fill(self.caption, round(across * 13.5))
        parts = [LINE * 2.2, inches * len(self.rows) + LINE * 2]
        if self.curves:
            parts.append(2.8 * ceil(len(self.curves) / 2))
        parts.append(LINE * (caption.count("\n") + 2))
        figure = Figure((across, sum(parts)), layout="constrained", dpi=DPI)
        figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.01, hspace=0.01)
        top, grid, *drawn, bottom = figure.subfigures(len(parts), 1, height_ratios=parts)
        top.text(0.01, 0.5, self.title, fontsize=13, weight="bold", va="center")
        self._draw_grid(grid.subplots(len(self.rows), count, squeeze=False), height, width)
        for part in drawn:
            panels = part.subplots(ceil(len(self.curves) / 2), 2, squeeze=False)
            for axes, curves in zip(panels.flat, self.curves, strict=True):
                draw_curves(axes, curves)
        bottom.text(0.01, 0.95, caption, fontsize=9.5, va="top", linespacing=1.25)
        with replacing(path) as partial:
            figure.savefig(partial)

    def _draw_grid(self, grid: np.ndarray, height: int, width: int) -> None:
        for axes in grid.flat:
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        for axes, title in zip(grid[0], self.columns, strict=False):
            axes.set_title(title, fontsize=10)
        for line, (label, cells) in zip(grid, self.rows.items(), strict=True):
            line[0].set_ylabel(label, fontsize=10, linespacing=1.3)
            for axes, cell in zip(line, cells, strict=False):
                if cell is not None:
                    axes.imshow(pixels(cell.picture), interpolation="nearest")
                    # one scale for all: a smaller picture has white beside and above it
                    h, w, _ = cell.picture.shape
                    axes.set_xlim((w - width - 1) / 2, (w + width - 1) / 2)
                    axes.set_ylim(h - 0.5, h - 0.5 - height)
                    axes.set_xlabel(cell.below, fontsize=9, labelpad=2)


class Film(NamedTuple):
    """A moving picture: frames, each a title, a picture (H, W, 3) and the last evaluation shown."""

    frames: list[tuple[str, np.ndarray, int]]
    curves: Curves
    milliseconds: int = 120

    def save(self, path: Path) -> None:
        """Draw the picture of each frame beside the curves until then, in a GIF that repeats."""
        drawn = [self._draw(*frame) for frame in self.frames]
        # One palette for all frames: with one for each, colours flicker.
        some = np.concatenate([np.asarray(frame) for frame in drawn[::8]] + [np.asarray(drawn[-1])])
        palette = Image.fromarray(some).quantize(255)
        first, *others = (frame.quantize(palette=palette, dither=0) for frame in drawn)
        times = [self.milliseconds] * len(others) + [3000]
        with replacing(path) as partial:
            first.save(partial, save_all=True, append_images=others, duration=times, loop=0)

    def _draw(self, title: str, picture: np.ndarray, last: int) -> Image.Image:
        figure = Figure((7.6, 2.9), layout="constrained", dpi=100)
        left, right = figure.subplots(1, 2, width_ratios=(1, 1))
        left.imshow(pixels(picture), interpolation="nearest")
        left.set(xticks=[], yticks=[], title=title)
        left.spines[:].set_visible(False)
        until = {name: (x[: last + 1], y[: last + 1]) for name, (x, y) in self.curves.lines.items()}
        draw_curves(right, self.curves._replace(lines=until))
        values = [y for _, ys in self.curves.lines.values() for y in ys if y > 0]
        right.set_xlim(0, max(len(x) for x, _ in self.curves.lines.values()))
        right.set_ylim(min(values) / 1.3, max(values) * 1.3)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        return Image.fromarray(np.asarray(canvas.buffer_rgba())[:, :, :3])


def draw_curves(axes: Axes, curves: Curves) -> None:
    """Draw lines on logarithmic height, with a legend."""
    for (label, (x, y)), colour in zip(curves.lines.items(), COLOURS, strict=False):
        axes.semilogy(x, y, color=colour, lw=1.6, label=label)
    axes.set(title=curves.title, xlabel=curves.xlabel, ylabel=curves.ylabel)
    axes.title.set_fontsize(10)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9, loc="upper right")


def pixels(picture: np.ndarray) -> np.ndarray:
    """Return a picture as bytes."""
    return np.rint(np.clip(picture, 0, 255)).astype(np.uint8)


def save_rows(path: Path, rows: list[dict[str, str | float]]) -> None:
    """Write rows as a table of comma-separated values, numbers in five digits."""
    with replacing(path) as partial, open(partial, "w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        for row in rows:
            table.writerow({name: _short(value) for name, value in row.items()})


def _short(value: str | float) -> str | float:
    return f"{value:.5g}" if isinstance(value, float) else value
