"""Slips in the exercises on convolution: see `slips`."""

from scratchnet.exercises.exercise import Slip

_PAD = "padded = np.pad(x, ((padding, padding), (padding, padding), (0, 0)))\n"
_CONVOLVE = """
y = np.zeros((rows, cols, C_out)) + bias
for i, j, u, v in np.ndindex(rows, cols, kh, kw):
    y[i, j] += padded[stride * i + u, stride * j + v] @ kernel[u, v]
return y
"""
_PATCHES = """
kh, kw = kernel_size
{}
columns = []
for i in range(0, padded.shape[0] - kh + 1, stride):
    for j in range(0, padded.shape[1] - kw + 1, stride):
        columns.append({}.reshape(-1))
return np.array(columns)
"""
_WINDOW = "padded[i : i + kh, j : j + kw]"
_SCATTER = """
p = padding
x = np.zeros((H + 2 * p, W + 2 * p, C))
for n, (i, j) in enumerate(np.ndindex(rows, cols)):
    {}
return x[p : p + H, p : p + W]
"""
_PLACE = "x[stride * i : stride * i + kh, stride * j : stride * j + kw]"
_BACK = """
dX = {}
return col2im({}, cache, self.kernel.shape[:2], self.stride, self.padding)
"""
_DX = "dy.reshape(-1, dy.shape[-1]) @ self.omega.T"
_TAPS = """
kh, kw, C_in, C_out = self.kernel.shape
dX = (dy.reshape(-1, C_out) @ self.omega.T).reshape(-1, kh, kw, C_in)
{}
return col2im(dX.reshape(-1, kh * kw * C_in), cache, (kh, kw), self.stride, self.padding)
"""
_KERNEL = """
kh, kw, C_in, C_out = self.kernel.shape
X, dY = self.patches(x), dy.reshape(-1, C_out)
{}
return (X.T @ dY).reshape(self.kernel.shape)
"""

SLIPS = {
    "convolution": (
        Slip("only the last product is kept, and no bias is added: a sum needs +=",
             _PAD + _CONVOLVE.replace("+= padded", "= padded")),
        Slip("only the last single product is kept, of one channel: a sum needs +=",
             _PAD + _CONVOLVE.replace("+= padded", "= bias + padded").replace(
                 "] @ kernel[u, v]", ", -1] * kernel[u, v, -1]")),
        Slip("only the last single product is kept, and no bias: a sum needs +=",
             _PAD + _CONVOLVE.replace("+= padded", "= padded").replace(
                 "] @ kernel[u, v]", ", -1] * kernel[u, v, -1]")),
        Slip("the kernel's last row and column of taps are left out",
             _PAD + _CONVOLVE.replace("(rows, cols, kh, kw)", "(rows, cols, kh - 1, kw - 1)")),
        Slip("the bias is added once for every tap, not once",
             _PAD + _CONVOLVE.replace("+ bias", "").replace("kernel[u, v]", "kernel[u, v] + bias")),
        Slip("padding is added below and on the right only: it belongs on every side",
             "padded = np.pad(x, ((0, 2 * padding), (0, 2 * padding), (0, 0)))\n" + _CONVOLVE),
        Slip("padding is added above and on the left only: it belongs on every side",
             "padded = np.pad(x, ((2 * padding, 0), (2 * padding, 0), (0, 0)))\n" + _CONVOLVE),
        Slip("only the last product is kept: a sum needs +=",
             _PAD + _CONVOLVE.replace("+= padded", "= bias + padded")),
        Slip("the kernel's last row of taps is left out",
             _PAD + _CONVOLVE.replace("(rows, cols, kh, kw)", "(rows, cols, kh - 1, kw)")),
        Slip("the kernel's last column of taps is left out",
             _PAD + _CONVOLVE.replace("(rows, cols, kh, kw)", "(rows, cols, kh, kw - 1)")),
        Slip("channels are padded, too: only rows and columns are",
             "padded = np.pad(x, padding)[:, :, : x.shape[2]]\n" + _CONVOLVE),
        Slip("the array is one of integers (dtype int), so results are cut off",
             _PAD + "y = np.zeros((rows, cols, C_out), int)\nfor i, j in np.ndindex(rows, cols):\n"
             "    a, b = stride * i, stride * j\n"
             "    y[i, j] = np.tensordot(padded[a : a + kh, b : b + kw], kernel, 3) + bias\n"
             "return y"),
        Slip("the picture is padded with its border, not with zeros",
             _PAD.replace("(0, 0)))", "(0, 0)), 'edge')") + _CONVOLVE),
        Slip("only the first input channel is summed",
             _PAD + _CONVOLVE.replace("] @ kernel[u, v]", ", 0] * kernel[u, v, 0]")),
    ),
    "im2col": (
        Slip("kh and kw are exchanged: kernel_size is (kh, kw)",
             _PATCHES.format(_PAD, _WINDOW).replace("kh, kw = kernel", "kw, kh = kernel")),
        Slip("a patch is laid out in the order k, v, u (order F): it should be u, v, k",
             _PATCHES.format(_PAD, _WINDOW).replace("reshape(-1)", "ravel(order='F')")),
        Slip("the stride is ignored: patches lie one step apart",
             "kh, kw = kernel_size\n" + _PAD +
             "rows = (padded.shape[0] - kh) // stride + 1\n"
             "cols = (padded.shape[1] - kw) // stride + 1\n"
             "return np.array([padded[i : i + kh, j : j + kw].reshape(-1)"
             " for i, j in np.ndindex(rows, cols)])"),
        Slip("the picture is padded with its border, not with zeros",
             _PATCHES.format(_PAD.replace("(0, 0)))", "(0, 0)), 'edge')"), _WINDOW)),
        Slip("patches are turned by 180°: only the way back turns the kernel",
             _PATCHES.format(_PAD, _WINDOW + "[::-1, ::-1]")),
        Slip("padding is added below and on the right only: it belongs on every side",
             _PATCHES.format(
                 "padded = np.pad(x, ((0, 2 * padding), (0, 2 * padding), (0, 0)))", _WINDOW)),
        Slip("padding is added above and on the left only: it belongs on every side",
             _PATCHES.format(
                 "padded = np.pad(x, ((2 * padding, 0), (2 * padding, 0), (0, 0)))", _WINDOW)),
        Slip("taps come before positions: a reshape does not exchange axes, a transpose does",
             "kh, kw = kernel_size\n" + _PAD +
             "rows = (padded.shape[0] - kh) // stride + 1\n"
             "cols = (padded.shape[1] - kw) // stride + 1\n"
             "taps = [padded[u : u + stride * rows : stride, v : v + stride * cols : stride]"
             " for u, v in np.ndindex(kh, kw)]\n"
             "return np.array(taps).reshape(rows * cols, -1)"),
        Slip("x is not padded where there is room: the first patch begins in the padding",
             _PATCHES.format("padded = np.pad(x, ((0, 0), (0, 0), (0, 0)))", _WINDOW)),
    ),
    "col2im": (
        Slip("the last patch wins where patches overlap: add with +=, do not overwrite",
             _SCATTER.format(_PLACE + " = columns[n].reshape(kh, kw, C)")),
        Slip("with repeated indices += counts only the last: patches overlap (np.add.at would do)",
             "i, j, u, v, k = np.indices((rows, cols, kh, kw, C))\np = padding\n"
             "x = np.zeros((H + 2 * p, W + 2 * p, C))\n"
             "x[stride * i + u, stride * j + v, k] += columns.reshape(rows, cols, kh, kw, C)\n"
             "return x[p : p + H, p : p + W]"),
        Slip("the mean over a pixel's copies is taken, not their sum",
             "p = padding\nx, count = np.zeros((2, H + 2 * p, W + 2 * p, C))\n"
             "for n, (i, j) in enumerate(np.ndindex(rows, cols)):\n"
             "    a, b = stride * i, stride * j\n"
             "    x[a : a + kh, b : b + kw] += columns[n].reshape(kh, kw, C)\n"
             "    count[a : a + kh, b : b + kw] += 1\n"
             "return (x / np.maximum(count, 1))[p : p + H, p : p + W]"),
        *(
            Slip(f"the {which} of taps (u, v) of every patch is left out",
                 _SCATTER.format(f"patch = columns[n].reshape(kh, kw, C).copy()\n"
                                 f"    patch{taps} = 0\n    {_PLACE} += patch"))
            for which, taps in [("first row", "[0]"), ("last row", "[-1]"),
                                ("first column", "[:, 0]"), ("last column", "[:, -1]")]
        ),
        Slip("channels come before the taps in the reshape: the order of a row is u, v, k",
             _SCATTER.format(
                 _PLACE + " += columns[n].reshape(C, kh, kw).transpose(1, 2, 0)")),
        Slip("positions are counted column by column: row i·W′ + j is position (i, j)",
             _SCATTER.format(_PLACE + " += columns[j * rows + i].reshape(kh, kw, C)")),
        Slip("the last row of positions is left out",
             _SCATTER.format(_PLACE + " += columns[n].reshape(kh, kw, C) * (i < rows - 1)")),
        Slip("the last column of positions is left out",
             _SCATTER.format(_PLACE + " += columns[n].reshape(kh, kw, C) * (j < cols - 1)")),
    ),
    "convolution-input": (
        Slip("all taps land on the same pixel: tap (u, v) belongs u rows and v columns further on",
             "H, W, C = cache\n"
             f"return ({_DX}).reshape(H, W, -1, C).sum(axis=2)"),
        Slip("the taps are in reverse order: the kernel is turned by 180° once too often, or not "
             "at all (col2im's shift turns it)",
             _TAPS.format("dX = dX[:, ::-1, ::-1]")),
        Slip("rows and columns of the kernel, u and v, are exchanged",
             _BACK.format("dy.reshape(-1, dy.shape[-1]) @ "
                          "self.kernel.transpose(1, 0, 2, 3).reshape(self.omega.shape).T", "dX")),
        Slip("only the middle tap of the kernel is used: the other taps are missing",
             _TAPS.format("keep = np.zeros((1, kh, kw, 1))\nkeep[0, kh // 2, kw // 2] = 1\n"
                          "dX = dX * keep")),
        Slip("only the first output channel is used: sum over all k′",
             _BACK.format("dy[..., :1].reshape(-1, 1) @ self.omega.T[:1]", "dX")),
        Slip("where patches overlap the last one wins: add up, do not overwrite",
             _TAPS.format("""s, p, (H, W, C) = self.stride, self.padding, cache
out = np.zeros((H + 2 * p, W + 2 * p, C))
for n, (i, j) in enumerate(np.ndindex(*dy.shape[:2])):
    out[s * i : s * i + kh, s * j : s * j + kw] = dX[n]
return out[p : p + H, p : p + W]""")),
        Slip("the last row of positions is left out",
             _BACK.format(_DX, "dX * (np.arange(len(dX)) < len(dX) - dy.shape[1])[:, None]")),
        Slip("the last column of positions is left out",
             _BACK.format("dy * (np.arange(dy.shape[1]) < dy.shape[1] - 1)[:, None]",
                          "dX.reshape(-1, dy.shape[-1]) @ self.omega.T")),
    ),
    "convolution-kernel": (
        Slip("x is rectified first: negative entries count, too",
             _KERNEL.replace("patches(x)", "patches(np.maximum(x, 0))").format("")),
        Slip("the first row and column of x are skipped: look at where the padding ends",
             _KERNEL.replace("self.patches(x)", "self.patches(inner)").replace(
                 "X, dY", "inner = x.copy()\ninner[0] = inner[:, 0] = 0\nX, dY").format("")),
        Slip("the stride is ignored: patches lie one step apart",
             "p, (kh, kw) = self.padding, self.kernel.shape[:2]\n"
             "padded = np.pad(x, ((p, p), (p, p), (0, 0)))\ndkernel = np.zeros(self.kernel.shape)\n"
             "for i, j in np.ndindex(dy.shape[:2]):\n"
             "    dkernel += padded[i : i + kh, j : j + kw, :, None] * dy[i, j]\nreturn dkernel"),
        Slip("only the last position is used: sum over all of them with +=",
             _KERNEL.format("X, dY = X[-1:], dY[-1:]")),
        Slip("only the first position is used: sum over all of them",
             _KERNEL.format("X, dY = X[:1], dY[:1]")),
        Slip("the kernel itself is added: its derivative does not depend on its values",
             _KERNEL.replace("return (X.T", "return self.kernel + (X.T").format("")),
        Slip("input channels are summed: each channel has its own taps",
             _KERNEL.format("X = X.reshape(len(X), kh * kw, C_in).sum(2).repeat(C_in, 1)")),
        Slip("padding is added below and on the right only: it belongs on every side",
             "p, dY = self.padding, dy.reshape(-1, dy.shape[-1])\n"
             "X = im2col(np.pad(x, ((0, 2 * p), (0, 2 * p), (0, 0))), self.kernel.shape[:2],"
             " self.stride)\nreturn (X.T @ dY).reshape(self.kernel.shape)"),
        Slip("the last row of positions is left out",
             _KERNEL.format("X, dY = X[: -dy.shape[1]], dY[: -dy.shape[1]]")),
        Slip("the first row of positions is left out",
             _KERNEL.format("X, dY = X[dy.shape[1] :], dY[dy.shape[1] :]")),
        Slip("the gradient is turned by 180°: only ∂J/∂x needs a turned kernel",
             _KERNEL.replace("return (", "return ((").replace(
                 "(self.kernel.shape)", "(self.kernel.shape))[::-1, ::-1]").format("")),
    ),
    "convolution-bias": (
        Slip("the last row and column of positions are left out",
             "return dy[:-1, :-1].sum(axis=(0, 1))"),
        Slip("absolute values are summed: the sign of dy counts",
             "return np.abs(dy).sum(axis=(0, 1))"),
        Slip("the last row of positions is left out", "return dy[:-1].sum(axis=(0, 1))"),
        Slip("the first row of positions is left out", "return dy[1:].sum(axis=(0, 1))"),
        Slip("the last column of positions is left out", "return dy[:, :-1].sum(axis=(0, 1))"),
        Slip("only the last position is used: sum over all of them with +=", "return dy[-1, -1]"),
        Slip("only the last row is summed", "return dy[-1].sum(axis=0)"),
        Slip("the sum is multiplied by the bias: it does not depend on the bias itself",
             "return self.bias * dy.sum(axis=(0, 1))"),
        Slip("the bias itself is added: its derivative does not depend on its value",
             "return self.bias + dy.sum(axis=(0, 1))"),
        Slip("positions and channels are mixed by a reshape in the wrong order of axes",
             "return dy.reshape(dy.shape[2], -1).sum(axis=1)"),
        Slip("positions are counted, without dy: the chain rule multiplies by it",
             "return np.full(dy.shape[2], 1.0 * dy.shape[0] * dy.shape[1])"),
        Slip("the largest entry is taken, not the sum", "return dy.max(axis=(0, 1))"),
    ),
}  # fmt: skip
