"""What is done to a painting before anybody sees it: the photograph's colours, its opacity."""

import argparse

import numpy as np
from transfer_inputs import Pictures

from scratchnet.files.images import resize_image
from scratchnet.style.colors import keep_colors
from scratchnet.style.masks import resized_mask


class Finish:
    """The finish that --original-colors luminance and --keep-transparent ask for.

    It is the same for the result, for pictures on the way, of smaller sizes too, and for a report.
    """

    def __init__(self, arguments: argparse.Namespace, pictures: Pictures):
        self.luminance = arguments.original_colors == "luminance"
        self.content, self.whole_opacity = pictures.content, pictures.masks.alpha

    def colored(self, image: np.ndarray) -> np.ndarray:
        """Return the picture in the colours that are asked for."""
        if not self.luminance:
            return image
        return keep_colors(image, resize_image(self.content, image.shape[:2]))

    def opacity(self, image: np.ndarray) -> np.ndarray | None:
        """Return the opacity of the picture, (H, W), in 0–1; None if all of it is opaque."""
        if self.whole_opacity is None:
            return None
        return resized_mask(self.whole_opacity, image.shape[:2])

    def shown(self, image: np.ndarray) -> np.ndarray:
        """Return the picture as it is seen in front of white."""
        image, opacity = self.colored(image), self.opacity(image)
        if opacity is None:
            return image
        return opacity[:, :, None] * image + (1 - opacity[:, :, None]) * 255
