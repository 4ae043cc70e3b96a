"""A look at a picture that is shifted, turned and scaled a little: bilinear sampling.

Pixel m of the look y is at p_m, measured from the look's middle (row, column), and shows what is at
q_m of the picture x. With c the picture's middle, δ the shift, s the scale and θ the angle ::

    q_m = c + δ + s R p_m,      R = [[cos θ, −sin θ], [sin θ, cos θ]]

q_m lies between four pixels. A pixel n at (i_n, j_n) counts the more the nearer it is, along rows
and along columns, and those that are a pixel or more away count nothing ::

    B_mn = max(1 − |q_m0 − i_n|, 0) · max(1 − |q_m1 − j_n|, 0)

Outside the picture its border is seen: q_m is clipped to the picture. Forward and backward, for
each colour by itself; B is sparse, four numbers a row ::

    y = B x
    dx = Bᵀ dy

So the way back hands each pixel of y out to the four that it was made of, with the same weights.
"""

from typing import ClassVar

import numpy as np


class Sampling:
    """A picture (H, W, C) → a look at its middle, (side, side, C).

    Parameters
    ----------
    shape : (H, W)
        Of the picture, at least 2 pixels each.
    side : int
        Of the look.
    shift : (rows, columns)
        δ, in pixels.
    scale : float
        s, pixels of the picture for one of the look: 1.1 sees more, smaller.
    turn : float
        θ, in degrees.

    Attributes
    ----------
    matrix : sparse matrix, (side², H·W)
        B.
    """

    name = "sampling"
    window: ClassVar[None] = None

    def __init__(
        self,
        shape: tuple[int, int],
        side: int,
        shift: tuple[float, float] = (0.0, 0.0),
        scale: float = 1.0,
        turn: float = 0.0,
    ):
        self.shape, self.side = shape, side
        along = np.arange(side) - (side - 1) / 2
        p = np.stack(np.meshgrid(along, along, indexing="ij"), axis=-1).reshape(-1, 2)
        last = np.subtract(shape, 1)
        cos, sin = np.cos(np.deg2rad(turn)), np.sin(np.deg2rad(turn))
        # R = [[cos θ, −sin θ], [sin θ, cos θ]]
        R = np.array([[cos, -sin], [sin, cos]])
        # q_m = c + δ + s R p_m; each is a row here, and so R stands on the right, transposed
        q = last / 2 + np.array(shift) + scale * p @ R.T
        self.matrix = bilinear(np.clip(q, 0, last), shape)

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, None]:
        """Return the look, (side, side, C), in the picture's dtype; nothing to cache."""
        # y = B x
        y = self.matrix.astype(x.dtype) @ x.reshape(-1, x.shape[-1])  # (side², C)
        return y.reshape(self.side, self.side, -1), None

    def backward(self, dy: np.ndarray, cache: None) -> np.ndarray:
        """Hand a gradient out to the picture's pixels, (H, W, C)."""
        # dx = Bᵀ dy
        dx = self.matrix.T.astype(dy.dtype) @ dy.reshape(-1, dy.shape[-1])  # (H·W, C)
        return dx.reshape(*self.shape, -1)

    def output_shape(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """Return (side, side, C)."""
        return self.side, self.side, shape[-1]


def bilinear(q: np.ndarray, shape: tuple[int, int]):
    """Return B for positions in a picture.

    Parameters
    ----------
    q : ndarray, (M, 2)
        Rows and columns, within the picture.
    shape : (H, W)

    Returns
    -------
    B : sparse matrix, (M, H·W)

    Examples
    --------
    A quarter of the way from the first of two columns to the second, on the first row:

    >>> bilinear(np.array([[0, 0.25]]), (2, 2)).toarray()
    array([[0.75, 0.25, 0.  , 0.  ]])
    """
    from scipy.sparse import csr_matrix

    H, W = shape
    # Along each axis the two pixels around q, (M, axes, 2); at the end, the last two
    n = np.minimum(q.astype(int), (H - 2, W - 2))[:, :, None] + (0, 1)
    near = np.maximum(1 - np.abs(q[:, :, None] - n), 0)
    # B_mn = max(1 − |q_m0 − i_n|, 0) · max(1 − |q_m1 − j_n|, 0)
    B = near[:, 0, :, None] * near[:, 1, None]  # (M, 2, 2)
    columns = n[:, 0, :, None] * W + n[:, 1, None]  # of B: pixels counted row by row
    begins = np.arange(0, columns.size + 1, 4)  # of each row of B
    return csr_matrix((B.ravel(), columns.ravel(), begins), shape=(len(q), H * W))
