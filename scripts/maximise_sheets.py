"""What maximise.py draws, one picture after the other, and the sheet it puts them on."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from layout import LABEL, OffsetBox, Panel, Pixels, below, grid, own_scale_panels, text
from scanning import Pictures

from scratchnet import Network, load_image
from scratchnet.files.images import resize_image
from scratchnet.units.maximise import BORDER, Recipe, maximise, middle, texture
from scratchnet.units.scan.patches import Patch, TopPatches
from scratchnet.units.strongest import crop

SIDE = 200  # px: of a picture on the sheet
DESCENT = Recipe().optimizer


@dataclass
class Drawing:
    """A picture that is to be made.

    Attributes
    ----------
    title, label : str
        Of its part of the sheet, and its own.
    network : Network
    layer : str
    channel : int
    unlike : list of int
        The numbers of the drawings before it that it shall be unlike.
    options : dict
        Of `maximise`.
    image : ndarray or None
        The picture, as far as it is made.
    """

    title: str
    label: str
    network: Network
    layer: str
    channel: int
    options: dict
    unlike: list[int] = field(default_factory=list)
    image: np.ndarray | None = None

    def make(self, others: list["Drawing"], progress: Callable) -> None:
        """Make the picture; ``progress`` is called after each step."""

        def callback(step):
            self.image = step.image
            progress(step)

        textures = [texture(self.network, other.image, self.layer) for other in others]
        self.image = maximise(
            self.network, self.layer, self.channel, others=textures, callback=callback,
            **self.options,
        )  # fmt: skip

    def shown(self) -> list[np.ndarray]:
        """Return the picture, and before it the one it began with, if that was not noise."""
        start = self.options.get("start")
        return [self.image] if start is None else [middle(start), self.image]

    def value(self, image: np.ndarray) -> float:
        """Return the channel's value at its strongest unit; if the least is asked for, weakest."""
        a = self.network.forward(image, [self.layer])[0][self.layer][:, :, self.channel]
        return float(a.min() if self.options.get("least") else a.max())


class Starts:
    """Where pictures begin if not from noise: a picture, or each channel's strongest patch.

    Parameters
    ----------
    file : Path
        A picture, or a file of patches (.h5).
    images : Path
        The folder of that file's pictures.
    weights : str
        `digest` of those that it shall be of.

    Raises
    ------
    OSError, ValueError
        If the file can't be read, or its patches are of other weights.
    """

    def __init__(self, file: Path, images: Path, weights: str):
        self.file, self.top = file, None
        if file.suffix in (".h5", ".hdf5"):
            self.top = TopPatches.load(file)
            self.pictures = Pictures(self.top, images)
            if self.top.network != weights:
                raise ValueError(f"--from-patch {file}: its patches are of other weights")
        else:
            self.image = load_image(file)

    def __call__(self, layer: str, channel: int, size: int) -> np.ndarray:
        """Return where a convolution's channel begins: ``size`` px, and `maximise`'s border.

        That is the middle square of the picture, made as large; or what is around the middle of the
        channel's strongest patch, as large as the unit saw it. Raises ValueError for a channel that
        has no patch.
        """
        side = size + 2 * BORDER
        if self.top is not None:
            patch = self.patch(layer.replace("conv", "relu"), channel)
            top, left, bottom, right = patch.box
            top, left = (top + bottom - side) // 2, (left + right - side) // 2
            return crop(self.pictures(patch), (top, left, top + side, left + side))
        square = min(self.image.shape[:2])
        top, left = ((n - square) // 2 for n in self.image.shape[:2])
        return resize_image(self.image[top : top + square, left : left + square], (side, side))

    def patch(self, layer: str, channel: int) -> Patch:
        """Return the channel's strongest patch."""
        try:
            patches = self.top.patches(layer, channel)
        except ValueError as error:
            raise ValueError(f"--from-patch {self.file}: {error}") from None
        if not patches:
            raise ValueError(f"--from-patch {self.file}: {layer} {channel} fires in none of it")
        return patches[0]


# The recipe without one of its parts; in the last two, all are there.
PARTS = {
    "the whole recipe": Recipe(),
    "no random looks": Recipe(shift=0, scale=0, turn=0),
    "no total variation": Recipe(tv=0),
    "colours by themselves": Recipe(colours=((1, 0, 0), (0, 1, 0), (0, 0, 1))),
    "all frequencies alike": Recipe(optimizer=replace(DESCENT, smoothing=0.0)),
    "after the ReLU": Recipe(),
    "random weights": Recipe(),
}


def part_drawings(drawing: Drawing, control: Network) -> Iterator[Drawing]:
    """Yield a drawing once with the whole recipe, and then without each of its parts."""
    title = f"{drawing.layer}, channel {drawing.channel}"
    for part, recipe in PARTS.items():
        layer = drawing.layer.replace("conv", "relu") if part == "after the ReLU" else drawing.layer
        network = control if part == "random weights" else drawing.network
        options = {**drawing.options, "recipe": recipe}
        yield replace(
            drawing, title=title, label=part, layer=layer, network=network, options=options
        )


def labelled(drawing: Drawing) -> OffsetBox:
    """Return a picture, after the one it began with, with its label and its value below it."""
    shown = drawing.shown()
    pictures = np.concatenate([resize_image(image, (SIDE, SIDE)) for image in shown], axis=1)
    values = " → ".join(f"{drawing.value(image):,.0f}" for image in shown)
    return below([Pixels(pictures), text([drawing.label, values], LABEL)], 4)


def figure(drawings: list[Drawing], columns: int, caption: str) -> np.ndarray:
    """Lay drawings out under their titles; returns an ndarray (H, W, 3)."""
    titles = list(dict.fromkeys(drawing.title for drawing in drawings))
    panels = []
    for title in titles:
        cells = [labelled(drawing) for drawing in drawings if drawing.title == title]
        panels.append(Panel(title, [], grid(cells, columns)))
    return own_scale_panels(panels, caption)
