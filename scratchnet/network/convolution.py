"""Convolution: its definition, and the same sums as one matrix product.

Definition. With an input x of shape (H, W, C_in), padded by p zeros on every side, a kernel w of
shape (kh, kw, C_in, C_out), a bias b and a stride s, the output has the rows and columns ::

    H′ = ⌊(H + 2p − kh) / s⌋ + 1        W′ = ⌊(W + 2p − kw) / s⌋ + 1

and its entry at row i, column j, channel k′ is ::

    y_ijk′ = b_k′ + Σ_uvk x[s·i + u − p, s·j + v − p, k] · w_uvkk′

`convolution_by_definition` is this formula as loops. (Networks do not turn the kernel round, so
strictly this is a cross-correlation.)

The same sums in another order. `im2col` writes the patch under each output position as one row of
a matrix X. With w seen as a matrix Ω of kh·kw·C_in rows and C_out columns, the sum over u, v and k
is a product::

    Y = X Ω + b                          (H′W′ × kh·kw·C_in) · (kh·kw·C_in × C_out)

Backward. With r a row of X, an output position, and q a column of X, a (u, v, k), one entry of the
product is ::

    Y_rk′ = Σ_q X_rq Ω_qk′ + b_k′

so that, given dY = ∂J/∂Y and summing over every entry of Y that an X_rq (or Ω_qk′, b_k′) is in::

    ∂J/∂X_rq  = Σ_k′ dY_rk′ Ω_qk′        dX = dY Ωᵀ
    ∂J/∂Ω_qk′ = Σ_r X_rq dY_rk′          dΩ = Xᵀ dY
    ∂J/∂b_k′  = Σ_r dY_rk′               db_k′ = Σ_r dY_rk′

X holds a pixel of x once for every patch that it is in, and ∂J/∂pixel is the sum of the
∂J/∂copy: that is what `col2im` adds up::

    dx = col2im(dX)

For one entry, at stride 1: the pixel x_mnk is entry (u, v, k) of the patch of output (i, j) where
m = i + u − p and n = j + v − p. So that patch is the one at i = m + p − u, j = n + p − v, and its
copy's gradient is dX there, Σ_k′ dy_ijk′ w_uvkk′. All copies together::

    dx_mnk = Σ_uvk′ dy[m + p − u, n + p − v, k′] · w_uvkk′          (dy = 0 outside its map)

Beside the definition, this is *the same kind of convolution, of dy, with the kernel turned by 180°
and its channels exchanged*: u and v are subtracted now, not added, and the sum runs over k′, not k.
(Counted from the other end, u′ = kh − 1 − u, the row is m + u′ − (kh − 1 − p): the padding is
kh − 1 − p; for VGG's 3×3 kernels with p = 1 it is 1 again.) The turning is in col2im's shifted
``+=``: what belongs to tap u is added u rows further down. The exchange is in Ωᵀ.

In one dimension, with the taps w = (1, 2, 3), no padding and five pixels, y has three entries. Let
dy = (10, 100, 1000). Each row of dX is dy_i · (1, 2, 3), and col2im adds it from pixel i on::

      10   20   30
          100  200  300
              1000 2000 3000
    ------------------------
      10  120 1230 2300 3000

>>> omega = np.array([[1], [2], [3]])
>>> dX = np.array([[10], [100], [1000]]) @ omega.T
>>> col2im(dX, (1, 5, 1), (1, 3)).ravel().tolist()
[10, 120, 1230, 2300, 3000]

The other way: pad dy by 3 − 1 = 2 zeros, and convolve it with (3, 2, 1). The middle entry is
3·10 + 2·100 + 1·1000 = 1230:

>>> padded = np.array([0, 0, 10, 100, 1000, 0, 0]).reshape(1, 7, 1)
>>> (im2col(padded, (1, 3)) @ omega[::-1]).ravel().tolist()
[10, 120, 1230, 2300, 3000]

None of the values of x appear in dx: a convolution is linear, and its cache is a shape. dΩ needs
them; but only training needs dΩ and db, a style transfer does not. `im2col` and `col2im` are each
other's *adjoint*: ⟨im2col(x), Y⟩ = ⟨x, col2im(Y)⟩ for all x and Y, with ⟨·,·⟩ the sum of products.
The backward pass of any linear map is its adjoint.
"""

from dataclasses import dataclass

import numpy as np


def output_size(size: int, kernel: int, stride: int, padding: int) -> int:
    """Return how many steps a kernel takes along one axis."""
    # H′ = ⌊(H + 2p − kh) / s⌋ + 1, and W′ likewise
    return (size + 2 * padding - kernel) // stride + 1


def convolution_by_definition(
    x: np.ndarray, kernel: np.ndarray, bias: np.ndarray, stride: int = 1, padding: int = 1
) -> np.ndarray:
    """Convolve, one product after the other: slow, and as the formula says.

    Parameters
    ----------
    x : ndarray, (H, W, C_in)
    kernel : ndarray, (kh, kw, C_in, C_out)
    bias : ndarray, (C_out,)
    stride, padding : int

    Returns
    -------
    y : ndarray, (H′, W′, C_out)
    """
    H, W, _ = x.shape
    kh, kw, C_in, C_out = kernel.shape
    rows = output_size(H, kh, stride, padding)
    cols = output_size(W, kw, stride, padding)
    padded = np.pad(x, ((padding, padding), (padding, padding), (0, 0)))  # x_mnk at m + p, n + p
    y = np.zeros((rows, cols, C_out), x.dtype)
    for i, j, k_ in np.ndindex(rows, cols, C_out):
        # y_ijk′ = b_k′ + Σ_uvk x[s·i + u − p, s·j + v − p, k] · w_uvkk′
        y[i, j, k_] = bias[k_]
        for u, v, k in np.ndindex(kh, kw, C_in):
            y[i, j, k_] += padded[stride * i + u, stride * j + v, k] * kernel[u, v, k, k_]
    return y


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
        Row i·W′ + j is the patch of output position (i, j). A row runs over u, v and k, the last
        the fastest, as a kernel (kh, kw, C_in, C_out) does: entry (u·kw + v)·C + k is pixel
        (u, v), channel k of the patch.

    Examples
    --------
    A 4×4 picture with two channels. Each entry says where it is: 13 in channel 0 and 113 in
    channel 1 are row 1, column 3. Its 2×2 patches, two steps apart:

    >>> i, j, k = np.indices((4, 4, 2))
    >>> x = 100 * k + 10 * i + j
    >>> im2col(x, (2, 2), stride=2)
    array([[  0, 100,   1, 101,  10, 110,  11, 111],
           [  2, 102,   3, 103,  12, 112,  13, 113],
           [ 20, 120,  21, 121,  30, 130,  31, 131],
           [ 22, 122,  23, 123,  32, 132,  33, 133]])
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
    rows = output_size(H, kh, stride, padding)
    cols = output_size(W, kw, stride, padding)
    patches = columns.reshape(rows, cols, kh, kw, C)
    x = np.zeros((H + 2 * padding, W + 2 * padding, C), columns.dtype)
    for u in range(kh):
        for v in range(kw):
            # x[s·i + u − p, s·j + v − p, k] += columns_ij,uvk for all i, j, k at once
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

    def kernel_gradient(self, dy: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return ∂J/∂kernel, shaped like the kernel: dΩ = Xᵀ dY.

        Unlike ∂J/∂x it needs the values of ``x``; so the caller, who wants to train, hands them in.
        """
        dY = dy.reshape(-1, dy.shape[-1])  # (H′·W′, C_out)
        # dΩ = Xᵀ dY
        domega = self.patches(x).T @ dY  # (kh·kw·C_in, C_out)
        return domega.reshape(self.kernel.shape)

    def bias_gradient(self, dy: np.ndarray) -> np.ndarray:
        """Return ∂J/∂bias, (C_out,)."""
        dY = dy.reshape(-1, dy.shape[-1])  # (H′·W′, C_out)
        # db_k′ = Σ_r dY_rk′
        return dY.sum(axis=0)

    def parameter_gradients(self, dy: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (∂J/∂kernel, ∂J/∂bias): what training needs."""
        return self.kernel_gradient(dy, x), self.bias_gradient(dy)

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
        rows = output_size(H, kh, self.stride, self.padding)
        cols = output_size(W, kw, self.stride, self.padding)
        return rows, cols, C_out
