"""From a picture to what VGG was trained on.

VGG saw pictures with their channels in the order blue, green, red, minus the mean colour of
its training set. With c = 2 − k, channel k counted from the other end::

    y_ijk = x_ijc − mean_k
    dx_ijc = dy_ijk

so that reversing the channels once more brings the gradient back to RGB pixels.

Weights that were trained otherwise become such ones exactly (`files.weights.convention`). If their
channels were red, green, blue, those of the first kernel are reversed. If pictures were divided by
deviations s_k, the kernel is, too, since (y_k / s_k) w_k = y_k (w_k / s_k). But another mean
remains another mean. It can't go into the bias, for where the kernel looks out of the picture it
sees 0, and that is the mean colour.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

# Mean of the ImageNet training pictures (blue, green, red), on the scale of 0–255: the values
# published with the network (Simonyan & Zisserman 2015, Oxford VGG release).
MEAN_BGR = (103.939, 116.779, 123.68)


def check_mean(values: Sequence[float | str]) -> tuple[float, float, float]:
    """Return a mean colour as three floats; raise ValueError unless each is in 0–255."""
    try:
        mean = tuple(float(value) for value in values)
        if len(mean) == 3 and all(0 <= m <= 255 for m in mean):
            return mean
    except (TypeError, ValueError):
        pass
    raise ValueError(f"got the mean colour {str(values)[:60]}, wanted three numbers in 0–255")


@dataclass(frozen=True)
class Preprocess:
    """RGB in 0–255 → BGR minus the mean colour.

    Parameters
    ----------
    name : str
    mean : tuple of three floats
        (blue, green, red): of the pictures that the weights were trained on.
    """

    name: str = "preprocess"
    mean: tuple[float, float, float] = MEAN_BGR
    window: ClassVar[tuple[int, int, int]] = (1, 1, 0)  # size, stride, padding

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, None]:
        """Turn an RGB picture, (H, W, 3) in 0–255, into BGR minus the mean; nothing to cache."""
        # y_ijk = x_ijc − mean_k; the mean takes the picture's dtype so that float32 stays float32.
        return x[..., ::-1] - np.asarray(self.mean, x.dtype), None

    def backward(self, dy: np.ndarray, cache: None) -> np.ndarray:
        """Bring the gradient back to RGB, J per grey level of 0–255."""
        # dx_ijc = dy_ijk
        return dy[..., ::-1]

    def output_shape(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """Return (H, W, 3) unchanged."""
        return shape
