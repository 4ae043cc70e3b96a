"""Convolution as one matrix product.

Forward. With an input x of shape (H, W, C_in), padded by p zeros on every side, a kernel w of
shape (kh, kw, C_in, C_out), a bias b and a stride s, the output has the rows and columns ::

    H′ = ⌊(H + 2p − kh) / s⌋ + 1        W′ = ⌊(W + 2p − kw) / s⌋ + 1

and its entry at row i, column j, channel k′ is (networks do not flip the kernel, so strictly
this is a cross-correlation) ::

    y_ijk′ = b_k′ + Σ_uvk x[s·i + u − p, s·j + v − p, k] · w_uvkk′

`im2col` writes the patch under each output position as one row of a matrix X. With w seen as a
matrix Ω of kh·kw·C_in rows and C_out columns, the sum is a product::

    Y = X Ω + b                          (H′W′ × kh·kw·C_in) · (kh·kw·C_in × C_out)

Backward. With rows r and columns m of X, one entry of the product is ::

    Y_rk′ = Σ_m X_rm Ω_mk′ + b_k′

so that, given dY = ∂J/∂Y and summing over every entry of Y that an X_rm (or Ω_mk′, b_k′) is in::

    ∂J/∂X_rm  = Σ_k′ dY_rk′ Ω_mk′        dX = dY Ωᵀ
    ∂J/∂Ω_mk′ = Σ_r X_rm dY_rk′          dΩ = Xᵀ dY
    ∂J/∂b_k′  = Σ_r dY_rk′

X holds a pixel of x once for every patch that it is in, and ∂J/∂pixel is the
sum of the ∂J/∂copy: that is what `col2im` adds up, dx = col2im(dX).

`im2col` and `col2im` are each other's *adjoint*: ⟨im2col(x), Y⟩ = ⟨x, col2im(Y)⟩ for all x and
Y, with ⟨·,·⟩ the sum of products. The backward pass of any linear map is its adjoint.

None of the values of x appear in dx: a convolution is linear, and its cache is a shape. (dΩ
and db are for training; a style transfer does not need them.)
"""

from dataclasses import dataclass

import numpy as np


def _output_size(size: int, kernel: int, stride: int, padding: int) -> int:
    """Return how many steps a kernel takes along one axis: ⌊(size + 2p − kernel) / s⌋ + 1."""
    return (size + 2 * padding - kernel) // stride + 1


def im2col(
    x: np.ndarray, kernel_size: tuple[int, int], stride: int = 1, padding: int = 0
) -> np.ndarray:
    """Write the patch under each output position as one row of a matrix.

    Parameters
    ----------
    x : ndarray, (H, W, C)
    kernel_size : (kh, kw)
    stride, padding : int
        Steps between patches, and rows and columns of zeros added on every side.

    Returns
    -------
    columns : ndarray, (H′·W′, kh·kw·C)
        Row i·W′ + j is the patch of output position (i, j), read row by row.

    Examples
    --------
    A 3×3 picture with one channel has four 2×2 patches:

    >>> x = np.array([[1, 2, 3],
    ...               [4, 5, 6],
    ...               [7, 8, 9]]).reshape(3, 3, 1)
    >>> im2col(x, (2, 2))
    array([[1, 2, 4, 5],
           [2, 3, 5, 6],
           [4, 5, 7, 8],
           [5, 6, 8, 9]])

    Multiplied by the kernel [[1, 0], [0, 1]] as a column, each row gives the sum of a patch's
    diagonal: 1 + 5, 2 + 6, 4 + 8, 5 + 9.

    >>> im2col(x, (2, 2)) @ np.array([1, 0, 0, 1])
    array([ 6,  8, 12, 14])
    """
    kh, kw = kernel_size
    padded = np.pad(x, ((padding, padding), (padding, padding), (0, 0)))
    patches = np.lib.stride_tricks.sliding_window_view(padded, (kh, kw), axis=(0, 1))
    patches = patches[::stride, ::stride].transpose(0, 1, 3, 4, 2)  # (H′, W′, kh, kw, C)
    return patches.reshape(patches.shape[0] * patches.shape[1], -1)  # (H′·W′, kh·kw·C)


def col2im(
    columns: np.ndarray,
    shape: tuple[int, int, int],
    kernel_size: tuple[int, int],
    stride: int = 1,
    padding: int = 0,
) -> np.ndarray:
    """Add each row of ``columns`` back to the patch it came from: the adjoint of `im2col`.

    `im2col` copies a pixel into every patch that holds it; so the gradient of that pixel is
    the sum over all its copies. Copies that fell on the padding are dropped.

    Parameters
    ----------
    columns : ndarray, (H′·W′, kh·kw·C)
    shape : (H, W, C)
        Of the picture that `im2col` was given; the other arguments are as there.

    Returns
    -------
    x : ndarray, (H, W, C)

    Examples
    --------
    With ones in every row, each pixel of a 3×3 picture counts the 2×2 patches that hold it:

    >>> col2im(np.ones((4, 4), int), (3, 3, 1), (2, 2)).reshape(3, 3)
    array([[1, 2, 1],
           [2, 4, 2],
           [1, 2, 1]])
    """
    H, W, C = shape
    kh, kw = kernel_size
    rows = _output_size(H, kh, stride, padding)
    cols = _output_size(W, kw, stride, padding)
    patches = columns.reshape(rows, cols, kh, kw, C)
    x = np.zeros((H + 2 * padding, W + 2 * padding, C), columns.dtype)
    for u in range(kh):
        for v in range(kw):
            x[u : u + stride * rows : stride, v : v + stride * cols : stride] += patches[:, :, u, v]
    return x[padding : padding + H, padding : padding + W]


@dataclass(frozen=True, eq=False)
class Convolution:
    """A convolution with a bias.

    Parameters
    ----------
    kernel : ndarray, (kh, kw, C_in, C_out)
    bias : ndarray, (C_out,)
    stride, padding : int
        VGG, and so the default, uses stride 1 and padding 1: with a 3×3 kernel that keeps H and W.
    name : str
    """

    kernel: np.ndarray
    bias: np.ndarray
    stride: int = 1
    padding: int = 1
    name: str = "conv"

    @property
    def omega(self) -> np.ndarray:
        """The kernel seen as the matrix Ω, (kh·kw·C_in, C_out)."""
        return self.kernel.reshape(-1, self.kernel.shape[-1])

    def patches(self, x: np.ndarray) -> np.ndarray:
        """Return X, (H′·W′, kh·kw·C_in): `im2col` of ``x`` for this kernel."""
        return im2col(x, self.kernel.shape[:2], self.stride, self.padding)

    def forward(self, x: np.ndarray) -> tuple[np.ndarray, tuple[int, int, int]]:
        """Convolve ``x`` with the kernel and add the bias: Y = X Ω + b.

        Parameters
        ----------
        x : ndarray, (H, W, C_in)

        Returns
        -------
        y : ndarray, (H′, W′, C_out)
        cache : (H, W, C_in)
            The shape of ``x``; a linear layer's derivative needs none of its values.

        Raises
        ------
        ValueError
            If ``x`` has other channels than the kernel, or the kernel does not fit into it.
        """
        shape = self.output_shape(x.shape)
        if min(shape) < 1:
            raise ValueError(
                f"{self.name}: a kernel of {self.kernel.shape[0]}×{self.kernel.shape[1]} with "
                f"padding {self.padding} does not fit into {x.shape[0]}×{x.shape[1]}"
            )
        # Y = X Ω + b
        Y = self.patches(x) @ self.omega + self.bias  # (H′·W′, C_out)
        return Y.reshape(shape), x.shape

    def backward(self, dy: np.ndarray, cache: tuple[int, int, int]) -> np.ndarray:
        """Return ∂J/∂x: dX = dY Ωᵀ, dx = col2im(dX)."""
        dY = dy.reshape(-1, dy.shape[-1])  # (H′·W′, C_out)
        # dX = dY Ωᵀ
        dX = dY @ self.omega.T  # (H′·W′, kh·kw·C_in)
        # dx = col2im(dX)
        return col2im(dX, cache, self.kernel.shape[:2], self.stride, self.padding)

    def parameter_gradients(self, dy: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return ∂J/∂kernel and ∂J/∂bias: dΩ = Xᵀ dY and db_k′ = Σ_r dY_rk′.

        Unlike ∂J/∂x these need the values of ``x``, so the caller, who
        wants to train, hands them in.
        """
        dY = dy.reshape(-1, dy.shape[-1])  # (H′·W′, C_out)
        # dΩ = Xᵀ dY
        domega = self.patches(x).T @ dY  # (kh·kw·C_in, C_out)
        # db_k′ = Σ_r dY_rk′
        return domega.reshape(self.kernel.shape), dY.sum(axis=0)

    @property
    def window(self) -> tuple[int, int, int]:
        """Size, stride and padding of what one output sees of the input."""
        return max(self.kernel.shape[:2]), self.stride, self.padding

    def output_shape(self, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """Return (H′, W′, C_out); raises ValueError where the channels do not fit."""
        H, W, C = shape
        kh, kw, C_in, C_out = self.kernel.shape
        if C != C_in:
            raise ValueError(f"{self.name}: got {C} channels, but its kernel takes {C_in}")
        rows = _output_size(H, kh, self.stride, self.padding)
        cols = _output_size(W, kw, self.stride, self.padding)
        return rows, cols, C_out
