"""Slips in the exercises on ReLU, pools and preprocessing: see `slips`."""

from scratchnet.exercises.exercise import Slip

_POOL = """
switches, shape = cache
dx = np.zeros(shape, dy.dtype)
for n, (u, v) in enumerate(CORNERS):
    corner(dx, u, v)[:] = {}
return dx
"""

SLIPS = {
    "relu": (
        Slip("channel 0's mask is used for all channels: each has its own",
             "return dy * cache[..., :1]"),
        Slip("negative gradients are dropped, too: that is guided backpropagation's rule",
             "return np.maximum(dy, 0) * cache"),
        Slip("dy is missing: the chain rule multiplies the mask by it", "return cache * 1.0"),
        Slip("what is stopped becomes −dy, not 0", "return np.where(cache, dy, -dy)"),
        Slip("the mask is added, not multiplied by", "return dy + cache"),
    ),
    "average-pool": (
        Slip("window (i, j) is taken to begin at (i, j): it begins at (2i, 2j)",
             "dx = np.zeros(cache)\nfor i, j in np.ndindex(*dy.shape[:2]):\n"
             "    dx[i : i + 2, j : j + 2] += dy[i, j] / 4\nreturn dx"),
        Slip("only the corners on the diagonal get a gradient, not all four",
             "dx = np.zeros(cache)\nfor u in (0, 1):\n    corner(dx, u, u)[:] = dy / 4\nreturn dx"),
        Slip("gradients arrive in the wrong windows: entries are repeated as a whole map (tile), "
             "not one by one (repeat)",
             "dx = np.zeros(cache)\nH, W, _ = dy.shape\n"
             "dx[: 2 * H, : 2 * W] = np.tile(dy / 4, (2, 2, 1))\nreturn dx"),
        Slip("an odd last row or column gets a gradient, but no window holds it",
             "big = np.repeat(np.repeat(dy / 4, 2, 0), 2, 1)\nH, W, _ = cache\n"
             "h, w, _ = big.shape\nreturn np.pad(big, ((0, H - h), (0, W - w), (0, 0)), 'edge')"),
        Slip("all four corners together get the gradient of one: divided by 4 twice",
             "dx = np.zeros(cache)\nfor u, v in CORNERS:\n    corner(dx, u, v)[:] = dy / 16\n"
             "return dx"),
    ),
    "max-pool": (
        *(
            Slip("window (i, j) is taken to begin at (i, j): it begins at (2i, 2j)",
                 "switches, shape = cache\ndx = np.zeros(shape)\n"
                 "for i, j, k in np.ndindex(*dy.shape):\n"
                 "    u, v = CORNERS[switches[i, j, k]]\n"
                 f"    dx[i + u, j + v, k] {add} dy[i, j, k]\nreturn dx")
            for add in ("=", "+=")
        ),
        Slip("the last corner is left out", _POOL.format("dy * (switches == n) * (n < 3)")),
        Slip("the first corner is left out", _POOL.format("dy * (switches == n) * (n > 0)")),
        Slip("the winner of another channel is taken: each channel has its own",
             _POOL.format("dy * (switches[..., :1] == n)")),
        Slip("corners are counted in reverse order: the opposite corner gets the winner's gradient",
             _POOL.format("dy * (switches == 3 - n)")),
        Slip("corners are counted from 1, switches from 0: the wrong corner wins",
             _POOL.format("dy * (switches == n + 1)")),
        Slip("corners before the winner get its gradient, too: only one wins",
             _POOL.format("dy * (switches >= n)")),
        Slip("corners after the winner get its gradient, too: only one wins",
             _POOL.format("dy * (switches <= n)")),
        Slip("the switch is used as a factor, not to find the winner",
             _POOL.format("dy * switches")),
        Slip("the first corner always gets the gradient, whoever was the winner",
             _POOL.format("dy * (n == 0)")),
        Slip("the gradient is shared as in average pooling: only the winner may get it",
             _POOL.format("dy / 4")),
        Slip("u and v of a corner are exchanged: 2u + v, not u + 2v",
             _POOL.format("dy * (switches == u + 2 * v)")),
    ),
    "preprocess": (
        Slip("channels 1 and 2 are exchanged, and 0 stays: channel k becomes 2 − k",
             "return dy[..., [0, 2, 1]]"),
        Slip("channels 0 and 1 are exchanged, and 2 stays: channel k becomes 2 − k",
             "return dy[..., [1, 0, 2]]"),
        Slip("rows are reversed, not channels", "return dy[::-1]"),
        Slip("columns are reversed, not channels", "return dy[:, ::-1]"),
        Slip("all axes are reversed, not the channels alone", "return dy[::-1, ::-1, ::-1]"),
        Slip("the mean is subtracted again: a constant has no part in a derivative",
             "return dy[..., ::-1] - np.asarray(MEAN_BGR)"),
        Slip("the mean is added back: a constant has no part in a derivative",
             "return (dy + np.asarray(MEAN_BGR))[..., ::-1]"),
        Slip("the mean is added back: a constant has no part in a derivative",
             "return dy[..., ::-1] + np.asarray(MEAN_BGR)"),
        Slip("channels are moved round, not reversed: BGR is not RGB rolled",
             "return np.roll(dy, 1, axis=2)"),
        Slip("channels are moved round, not reversed: BGR is not RGB rolled",
             "return np.roll(dy, -1, axis=2)"),
        Slip("red is overwritten before it is copied: a swap needs a copy of the channels",
             "return dy[..., [2, 1, 2]]"),
        Slip("blue is overwritten before it is copied: a swap needs a copy of the channels",
             "return dy[..., [0, 1, 0]]"),
        Slip("the sign is wrong, and the mean has no part in a derivative",
             "return np.asarray(MEAN_BGR) - dy[..., ::-1]"),
    ),
}  # fmt: skip
