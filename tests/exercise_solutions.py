"""What learners write into the holes of the exercises: right solutions and wrong ones.

Written from the exercise sheets alone, so independent of the mistakes that the checker knows. A
body is the text that replaces the hint and ``raise NotImplementedError(...)``, not indented.

RIGHT : exercise → bodies
WRONG : exercise → (what the learner did wrong, what a teacher's answer would match, body)
"""

from textwrap import dedent

SIGN = r"\bsign\b|uphill"
NOTHING = r"zero|everywhere|nothing|all 0\b|filled|written"
IN_PLACE = r"in place|changes|changed|modif|overw|copy"
TURNED = r"turn|revers|180|flip|rotat"
TWICE = r"factor|2 times|twice|double"
HALF = r"factor|half|halve|½|0\.5|twice|2 times"

RIGHT = {}
WRONG = {}

# ------------------------------------------------------------------ relu

RIGHT["relu"] = [
    "return np.where(cache, dy, 0)",
    """
    dx = dy.copy()
    dx[~cache] = 0
    return dx
    """,
    """
    H, W, C = dy.shape
    dx = np.zeros((H, W, C))
    for i in range(H):
        for j in range(W):
            for k in range(C):
                if cache[i, j, k]:
                    dx[i, j, k] = dy[i, j, k]
    return dx
    """,
]
WRONG["relu"] = [
    ("the mask from dy", r"sign of dy|mask.*dy|dy.*mask", "return dy * (dy > 0)"),
    (
        "the mask the wrong way round",
        r"mask|wrong side|other side|x ≤ 0|x <= 0|x < 0",
        "return np.where(cache, 0, dy)",
    ),
    ("no mask at all", r"mask|x ≤ 0|x <= 0|x < 0|negative", "return dy"),
    (
        "negative gradients dropped too",
        r"sign of dy|negative|dy < 0|guided|max\(dy",
        "return np.maximum(dy, 0) * cache",
    ),
    (
        "the derivative without dy",
        r"chain rule|multipl|times dy|· dy|without dy|dy is missing",
        "return cache.astype(float)",
    ),
    (
        "a leaky slope left in",
        r"mask|zero|x ≤ 0|x <= 0|x < 0|must be 0\b|wanted 0\b|negative",
        "return np.where(cache, dy, 0.01 * dy)",
    ),
    ("the wrong sign", SIGN, "return -dy * cache"),
    ("a factor too much", TWICE, "return 2 * dy * cache"),
    (
        "a loop that ends early",
        r"last row|border|edge|loop|missing|left out",
        """
        dx = np.zeros_like(dy)
        for i in range(dy.shape[0] - 1):
            dx[i] = dy[i] * cache[i]
        return dx
        """,
    ),
    ("only the entries that pass", r"shape", "return dy[cache]"),
    ("nothing returned", r"None|return", "dx = dy * cache"),
    (
        "one channel's mask for all",
        r"channels|each channel|same channel|mask",
        "return dy * cache[..., :1]",
    ),
]

# ------------------------------------------------------------------ average-pool

RIGHT["average-pool"] = [
    """
    H, W, C = cache
    dx = np.zeros(cache, dy.dtype)
    dx[: H // 2 * 2, : W // 2 * 2] = dy.repeat(2, axis=0).repeat(2, axis=1) / 4
    return dx
    """,
    """
    dx = np.zeros(cache)
    rows, cols, channels = dy.shape
    for i in range(rows):
        for j in range(cols):
            for k in range(channels):
                share = 0.25 * dy[i, j, k]
                dx[2 * i, 2 * j, k] = share
                dx[2 * i, 2 * j + 1, k] = share
                dx[2 * i + 1, 2 * j, k] = share
                dx[2 * i + 1, 2 * j + 1, k] = share
    return dx
    """,
]
WRONG["average-pool"] = [
    (
        "the quarter forgotten",
        r"factor|4 times|¼|1/4|quarter",
        """
        dx = np.zeros(cache)
        for u, v in CORNERS:
            corner(dx, u, v)[:] = dy
        return dx
        """,
    ),
    (
        "a half for a quarter",
        r"factor|2 times|twice|¼|1/4|quarter",
        """
        dx = np.zeros(cache)
        for i in range(dy.shape[0]):
            for j in range(dy.shape[1]):
                dx[2 * i : 2 * i + 2, 2 * j : 2 * j + 2] = dy[i, j] / 2
        return dx
        """,
    ),
    (
        "only the first corner",
        r"corner|four",
        """
        dx = np.zeros(cache)
        corner(dx, 0, 0)[:] = dy / 4
        return dx
        """,
    ),
    (
        "only the diagonal, by zip",
        r"corner|four",
        """
        dx = np.zeros(cache)
        for u, v in zip(range(2), range(2)):
            corner(dx, u, v)[:] = dy / 4
        return dx
        """,
    ),
    (
        "tile in place of repeat",
        r"wrong place|wrong window|other place|position|moved|shift|order|right numbers",
        """
        H, W, C = cache
        dx = np.zeros(cache)
        dx[: H // 2 * 2, : W // 2 * 2] = np.tile(dy / 4, (2, 2, 1))
        return dx
        """,
    ),
    ("the odd row left out", r"shape", "return dy.repeat(2, axis=0).repeat(2, axis=1) / 4"),
    (
        "the odd row filled up",
        r"odd|no window|dropped|last row|border|edge",
        """
        H, W, C = cache
        dx = np.zeros(cache)
        for i, j in np.ndindex(H, W):
            dx[i, j] = dy[min(i // 2, H // 2 - 1), min(j // 2, W // 2 - 1)] / 4
        return dx
        """,
    ),
    (
        "a name bound anew, nothing written",
        NOTHING,
        """
        dx = np.zeros(cache)
        for u, v in CORNERS:
            part = corner(dx, u, v)
            part = dy / 4
        return dx
        """,
    ),
    (
        "uphill",
        SIGN,
        """
        dx = np.zeros(cache)
        for u, v in CORNERS:
            corner(dx, u, v)[:] -= dy / 4
        return dx
        """,
    ),
    ("shaped like dy", r"shape", "return dy / 4"),
    (
        "wrong sign and no quarter",
        r"\bsign\b|uphill|factor|4 times|¼",
        """
        dx = np.zeros(cache)
        for u, v in CORNERS:
            corner(dx, u, v)[:] = -dy
        return dx
        """,
    ),
]

# ------------------------------------------------------------------ max-pool

RIGHT["max-pool"] = [
    """
    switches, shape = cache
    dx = np.zeros(shape, dy.dtype)
    i, j, k = np.indices(dy.shape)
    dx[2 * i + switches // 2, 2 * j + switches % 2, k] = dy
    return dx
    """,
    """
    switches, shape = cache
    dx = np.zeros(shape)
    for i in range(dy.shape[0]):
        for j in range(dy.shape[1]):
            for k in range(dy.shape[2]):
                u, v = CORNERS[switches[i, j, k]]
                dx[2 * i + u, 2 * j + v, k] += dy[i, j, k]
    return dx
    """,
]
WRONG["max-pool"] = [
    (
        "u and v exchanged",
        r"u and v|exchang|swap|transpos|reading order|wrong corner",
        """
        switches, shape = cache
        dx = np.zeros(shape)
        i, j, k = np.indices(dy.shape)
        dx[2 * i + switches % 2, 2 * j + switches // 2, k] = dy
        return dx
        """,
    ),
    (
        "every corner gets dy",
        r"winner|all four|every corner|switch|only one",
        """
        switches, shape = cache
        dx = np.zeros(shape)
        for u, v in CORNERS:
            corner(dx, u, v)[:] = dy
        return dx
        """,
    ),
    (
        "shared out as in average pooling",
        r"winner|average|share|all four|switch",
        """
        dx = np.zeros(cache[1])
        for u, v in CORNERS:
            corner(dx, u, v)[:] = dy / 4
        return dx
        """,
    ),
    (
        "one channel's winner for all",
        r"channels|each channel|winner",
        """
        switches, shape = cache
        dx = np.zeros(shape)
        for n, (u, v) in enumerate(CORNERS):
            corner(dx, u, v)[:] = dy * (switches[..., :1] == n)
        return dx
        """,
    ),
    (
        "corners counted from the end",
        r"order|revers|wrong corner|corner",
        """
        switches, shape = cache
        dx = np.zeros(shape)
        for n, (u, v) in enumerate(reversed(CORNERS)):
            corner(dx, u, v)[:] = dy * (switches == n)
        return dx
        """,
    ),
    (
        "corners counted from one",
        r"order|count|from 0|off by one|wrong corner|winner|shift",
        """
        switches, shape = cache
        dx = np.zeros(shape)
        for n, (u, v) in enumerate(CORNERS, 1):
            corner(dx, u, v)[:] = dy * (switches == n)
        return dx
        """,
    ),
    (
        "corners before the winner too",
        r"winner|switch|only one|more than one|corner",
        """
        switches, shape = cache
        dx = np.zeros(shape)
        for n, (u, v) in enumerate(CORNERS):
            corner(dx, u, v)[:] = dy * (switches >= n)
        return dx
        """,
    ),
    (
        "the switch used as a factor",
        r"switch|mask|winner|factor",
        """
        switches, shape = cache
        dx = np.zeros(shape)
        for u, v in CORNERS:
            corner(dx, u, v)[:] = dy * switches
        return dx
        """,
    ),
    (
        "always the first corner",
        r"winner|switch|corner",
        """
        switches, shape = cache
        dx = np.zeros(shape)
        corner(dx, 0, 0)[:] = dy
        return dx
        """,
    ),
    (
        "return forgotten",
        r"None|return",
        """
        switches, shape = cache
        dx = np.zeros(shape)
        for n, (u, v) in enumerate(CORNERS):
            corner(dx, u, v)[switches == n] = dy[switches == n]
        """,
    ),
    (
        "added, but not stored",
        NOTHING,
        """
        switches, shape = cache
        dx = np.zeros(shape)
        for n, (u, v) in enumerate(CORNERS):
            corner(dx, u, v) + dy * (switches == n)
        return dx
        """,
    ),
    (
        "a loop without the last row",
        r"last row|border|edge|loop|missing",
        """
        switches, shape = cache
        dx = np.zeros(shape)
        for i in range(dy.shape[0] - 1):
            for j in range(dy.shape[1]):
                for k in range(dy.shape[2]):
                    u, v = CORNERS[switches[i, j, k]]
                    dx[2 * i + u, 2 * j + v, k] = dy[i, j, k]
        return dx
        """,
    ),
    (
        "sign and factor wrong",
        r"\bsign\b|uphill|factor|−2|-2",
        """
        switches, shape = cache
        dx = np.zeros(shape)
        for n, (u, v) in enumerate(CORNERS):
            corner(dx, u, v)[:] = -2 * dy * (switches == n)
        return dx
        """,
    ),
]

# ------------------------------------------------------------------ preprocess

RIGHT["preprocess"] = [
    "return np.stack([dy[..., 2], dy[..., 1], dy[..., 0]], axis=2)",
    """
    dx = np.zeros(dy.shape)
    for i in range(dy.shape[0]):
        for j in range(dy.shape[1]):
            for k in range(3):
                dx[i, j, 2 - k] = dy[i, j, k]
    return dx
    """,
]
WRONG["preprocess"] = [
    ("BGR not undone", r"BGR|RGB|channels", "return dy"),
    (
        "rows reversed, not channels",
        r"rows|upside|axis|axes|last axis|channels|BGR|RGB",
        "return dy[::-1]",
    ),
    ("the mean subtracted again", r"constant|mean", "return dy[..., ::-1] - np.asarray(MEAN_BGR)"),
    ("the mean added back", r"constant|mean", "return (dy + np.asarray(MEAN_BGR))[..., ::-1]"),
    ("channels rolled, not reversed", r"BGR|RGB|channels", "return np.roll(dy, 1, axis=2)"),
    ("all axes reversed", r"rows|upside|axis|axes|position|turn|revers", "return np.flip(dy)"),
    ("the wrong sign", SIGN, "return -dy[..., ::-1]"),
    (
        "a swap that overwrites",
        r"channels|overw|copy|blue|\bred\b",
        """
        dx = dy.copy()
        dx[..., 0] = dx[..., 2]
        dx[..., 2] = dx[..., 0]
        return dx
        """,
    ),
    (
        "an alias taken for a copy",
        r"channels|overw|copy|in place|changes|changed",
        """
        dx = dy
        for k in range(3):
            dx[..., k] = dy[..., 2 - k]
        return dx
        """,
    ),
    ("divided by 255", r"factor|255|scale|times", "return dy[..., ::-1] / 255"),
    ("grey in place of colour", r"shape", "return dy.mean(axis=2, keepdims=True)"),
    (
        "sign and mean wrong",
        r"\bsign\b|uphill|constant|mean",
        "return np.asarray(MEAN_BGR) - dy[..., ::-1]",
    ),
    (
        "rows and columns exchanged",
        r"shape|transpos|exchang|swap",
        "return dy.transpose(1, 0, 2)[..., ::-1]",
    ),
]

# ------------------------------------------------------------------ convolution

RIGHT["convolution"] = [
    """
    y = np.zeros((rows, cols, C_out))
    for i in range(rows):
        for j in range(cols):
            for k_ in range(C_out):
                total = bias[k_]
                for u in range(kh):
                    for v in range(kw):
                        m, n = stride * i + u - padding, stride * j + v - padding
                        if 0 <= m < H and 0 <= n < W:
                            for k in range(C_in):
                                total += x[m, n, k] * kernel[u, v, k, k_]
                y[i, j, k_] = total
    return y
    """,
    """
    padded = np.pad(x, ((padding, padding), (padding, padding), (0, 0)))
    y = np.zeros((rows, cols, C_out)) + bias
    for u in range(kh):
        for v in range(kw):
            seen = padded[u : u + stride * rows : stride, v : v + stride * cols : stride]
            y += seen @ kernel[u, v]
    return y
    """,
    """
    padded = np.pad(x, ((padding, padding), (padding, padding), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (kh, kw), axis=(0, 1))
    return np.einsum("ijkuv,uvkc->ijc", windows[::stride, ::stride], kernel) + bias
    """,
]
WRONG["convolution"] = [
    (
        "no bias",
        r"bias|b_k",
        """
        padded = np.pad(x, ((padding, padding), (padding, padding), (0, 0)))
        y = np.zeros((rows, cols, C_out))
        for i, j, k_ in np.ndindex(y.shape):
            patch = padded[stride * i : stride * i + kh, stride * j : stride * j + kw]
            y[i, j, k_] = np.sum(patch * kernel[..., k_])
        return y
        """,
    ),
    (
        "the bias once for every tap",
        r"bias|b_k",
        """
        padded = np.pad(x, ((padding, padding), (padding, padding), (0, 0)))
        y = np.zeros((rows, cols, C_out))
        for i, j, u, v in np.ndindex(rows, cols, kh, kw):
            y[i, j] += padded[stride * i + u, stride * j + v] @ kernel[u, v] + bias
        return y
        """,
    ),
    (
        "the kernel turned round",
        TURNED,
        """
        padded = np.pad(x, ((padding, padding), (padding, padding), (0, 0)))
        y = np.zeros((rows, cols, C_out)) + bias
        for i, j, u, v in np.ndindex(rows, cols, kh, kw):
            pixel = padded[stride * i + u, stride * j + v]
            y[i, j] += pixel @ kernel[kh - 1 - u, kw - 1 - v]
        return y
        """,
    ),
    (
        "the stride ignored",
        r"the stride|stride (is|was)|without the stride|s·i|steps",
        """
        padded = np.pad(x, ((padding, padding), (padding, padding), (0, 0)))
        y = np.zeros((rows, cols, C_out)) + bias
        for i, j, u, v in np.ndindex(rows, cols, kh, kw):
            y[i, j] += padded[i + u, j + v] @ kernel[u, v]
        return y
        """,
    ),
    (
        "padded below and right only",
        r"border|shift|moved|each side|every side|both sides|off by",
        """
        padded = np.pad(x, ((0, 2 * padding), (0, 2 * padding), (0, 0)))
        y = np.zeros((rows, cols, C_out)) + bias
        for i, j, u, v in np.ndindex(rows, cols, kh, kw):
            y[i, j] += padded[stride * i + u, stride * j + v] @ kernel[u, v]
        return y
        """,
    ),
    (
        "padded with the border's pixels",
        r"border|edge|zeros|the padding",
        """
        padded = np.pad(x, ((padding, padding), (padding, padding), (0, 0)), mode="edge")
        y = np.zeros((rows, cols, C_out)) + bias
        for i, j, u, v in np.ndindex(rows, cols, kh, kw):
            y[i, j] += padded[stride * i + u, stride * j + v] @ kernel[u, v]
        return y
        """,
    ),
    (
        "u and v exchanged",
        r"u and v|exchang|swap|transpos|index",
        """
        padded = np.pad(x, ((padding, padding), (padding, padding), (0, 0)))
        y = np.zeros((rows, cols, C_out)) + bias
        for i, j, u, v in np.ndindex(rows, cols, kh, kw):
            y[i, j] += padded[stride * i + v, stride * j + u] @ kernel[u, v]
        return y
        """,
    ),
    (
        "channels in and out exchanged",
        r"channels|exchang|swap|transpos|index|C_in",
        """
        padded = np.pad(x, ((padding, padding), (padding, padding), (0, 0)))
        y = np.zeros((rows, cols, C_out)) + bias
        for i, j, k_ in np.ndindex(y.shape):
            for u, v, k in np.ndindex(kh, kw, C_in):
                y[i, j, k_] += padded[stride * i + u, stride * j + v, k] * kernel[u, v, k_, k]
        return y
        """,
    ),
    (
        "the last product in place of a sum",
        r"\+=|sum|last|overw|added|only one",
        """
        padded = np.pad(x, ((padding, padding), (padding, padding), (0, 0)))
        y = np.zeros((rows, cols, C_out))
        for i, j, k_ in np.ndindex(y.shape):
            for u, v, k in np.ndindex(kh, kw, C_in):
                product = padded[stride * i + u, stride * j + v, k] * kernel[u, v, k, k_]
                y[i, j, k_] = bias[k_] + product
        return y
        """,
    ),
    (
        "the kernel's last row left out",
        r"tap|row of the kernel|part of the kernel|kernel's|missing|left out|u =",
        """
        padded = np.pad(x, ((padding, padding), (padding, padding), (0, 0)))
        y = np.zeros((rows, cols, C_out)) + bias
        for i, j, u, v in np.ndindex(rows, cols, kh - 1, kw):
            y[i, j] += padded[stride * i + u, stride * j + v] @ kernel[u, v]
        return y
        """,
    ),
    (
        "channels padded as well",
        r"channels|axis|axes|third",
        """
        padded = np.pad(x, padding)
        y = np.zeros((rows, cols, C_out)) + bias
        for i, j, k_ in np.ndindex(y.shape):
            for u, v, k in np.ndindex(kh, kw, C_in):
                y[i, j, k_] += padded[stride * i + u, stride * j + v, k] * kernel[u, v, k, k_]
        return y
        """,
    ),
    (
        "an array of integers",
        r"integer|\bint|dtype|round|truncat|whole number",
        """
        padded = np.pad(x, ((padding, padding), (padding, padding), (0, 0)))
        y = np.zeros((rows, cols, C_out), int)
        for i, j in np.ndindex(rows, cols):
            patch = padded[stride * i : stride * i + kh, stride * j : stride * j + kw]
            y[i, j] = np.tensordot(patch, kernel, 3) + bias
        return y
        """,
    ),
    (
        "negative indices wrap round",
        r"border|wrap|negative|other side|other end|edge",
        """
        y = np.zeros((rows, cols, C_out)) + bias
        for i, j, u, v in np.ndindex(rows, cols, kh, kw):
            m, n = stride * i + u - padding, stride * j + v - padding
            if m < H and n < W:
                y[i, j] += x[m, n] @ kernel[u, v]
        return y
        """,
    ),
    (
        "the padding forgotten",
        r"index|border|the padding|out of bounds|shift",
        """
        y = np.zeros((rows, cols, C_out)) + bias
        for i, j, u, v in np.ndindex(rows, cols, kh, kw):
            y[i, j] += x[stride * i + u, stride * j + v] @ kernel[u, v]
        return y
        """,
    ),
    (
        "turned, and no bias",
        r"bias|b_k|" + TURNED,
        """
        padded = np.pad(x, ((padding, padding), (padding, padding), (0, 0)))
        y = np.zeros((rows, cols, C_out))
        for i, j, u, v in np.ndindex(rows, cols, kh, kw):
            y[i, j] += padded[stride * i + u, stride * j + v] @ kernel[::-1, ::-1][u, v]
        return y
        """,
    ),
]

# ------------------------------------------------------------------ im2col

RIGHT["im2col"] = [
    """
    kh, kw = kernel_size
    H, W, C = x.shape
    padded = np.zeros((H + 2 * padding, W + 2 * padding, C), x.dtype)
    padded[padding : padding + H, padding : padding + W] = x
    columns = []
    for i in range(0, H + 2 * padding - kh + 1, stride):
        for j in range(0, W + 2 * padding - kw + 1, stride):
            columns.append(padded[i : i + kh, j : j + kw].reshape(-1))
    return np.array(columns)
    """,
    """
    kh, kw = kernel_size
    H, W, C = x.shape
    rows = (H + 2 * padding - kh) // stride + 1
    cols = (W + 2 * padding - kw) // stride + 1
    columns = np.zeros((rows * cols, kh * kw * C), x.dtype)
    for i in range(rows):
        for j in range(cols):
            for u in range(kh):
                for v in range(kw):
                    for k in range(C):
                        m, n = stride * i + u - padding, stride * j + v - padding
                        if 0 <= m < H and 0 <= n < W:
                            columns[i * cols + j, (u * kw + v) * C + k] = x[m, n, k]
    return columns
    """,
    """
    kh, kw = kernel_size
    padded = np.pad(x, ((padding, padding), (padding, padding), (0, 0)))
    rows = (padded.shape[0] - kh) // stride + 1
    cols = (padded.shape[1] - kw) // stride + 1
    taps = [
        padded[u : u + stride * rows : stride, v : v + stride * cols : stride]
        for u in range(kh)
        for v in range(kw)
    ]
    return np.stack(taps, axis=2).reshape(rows * cols, -1)
    """,
]
PATCHES = """
    kh, kw = kernel_size
    padded = np.pad(x, ((padding, padding), (padding, padding), (0, 0)))
    rows = (padded.shape[0] - kh) // stride + 1
    cols = (padded.shape[1] - kw) // stride + 1
"""
WRONG["im2col"] = [
    (
        "channels before rows and columns",
        r"order|axis|axes|fastest|channels",
        PATCHES
        + """
    columns = np.zeros((rows * cols, kh * kw * x.shape[2]))
    for n, (i, j) in enumerate(np.ndindex(rows, cols)):
        patch = padded[stride * i : stride * i + kh, stride * j : stride * j + kw]
        columns[n] = patch.transpose(2, 0, 1).reshape(-1)
    return columns
        """,
    ),
    (
        "patches as columns",
        r"shape|transpos",
        PATCHES
        + """
    columns = []
    for i, j in np.ndindex(rows, cols):
        patch = padded[stride * i : stride * i + kh, stride * j : stride * j + kw]
        columns.append(patch.reshape(-1))
    return np.array(columns).T
        """,
    ),
    (
        "the stride counted, not taken",
        r"the stride|stride (is|was)|without the stride|s·i|steps",
        PATCHES
        + """
    columns = []
    for i, j in np.ndindex(rows, cols):
        columns.append(padded[i : i + kh, j : j + kw].reshape(-1))
    return np.array(columns)
        """,
    ),
    (
        "padded with the border's pixels",
        r"border|edge|zeros|the padding",
        """
        kh, kw = kernel_size
        padded = np.pad(x, ((padding, padding), (padding, padding), (0, 0)), mode="edge")
        columns = []
        for i in range(0, padded.shape[0] - kh + 1, stride):
            for j in range(0, padded.shape[1] - kw + 1, stride):
                columns.append(padded[i : i + kh, j : j + kw].reshape(-1))
        return np.array(columns)
        """,
    ),
    (
        "positions column by column",
        r"order|transpos|exchang|swap|i·W|row by row|column by column",
        PATCHES
        + """
    columns = []
    for j in range(cols):
        for i in range(rows):
            patch = padded[stride * i : stride * i + kh, stride * j : stride * j + kw]
            columns.append(patch.reshape(-1))
    return np.array(columns)
        """,
    ),
    (
        "patches turned round",
        TURNED,
        PATCHES
        + """
    columns = []
    for i, j in np.ndindex(rows, cols):
        patch = padded[stride * i : stride * i + kh, stride * j : stride * j + kw]
        columns.append(patch[::-1, ::-1].reshape(-1))
    return np.array(columns)
        """,
    ),
    (
        "padded below and right only",
        r"border|shift|moved|each side|every side|both sides|off by",
        """
        kh, kw = kernel_size
        padded = np.pad(x, ((0, 2 * padding), (0, 2 * padding), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (kh, kw), axis=(0, 1))
        windows = windows[::stride, ::stride].transpose(0, 1, 3, 4, 2)
        return windows.reshape(windows.shape[0] * windows.shape[1], -1)
        """,
    ),
    (
        "the last position left out",
        r"shape|last|too few",
        """
        kh, kw = kernel_size
        padded = np.pad(x, ((padding, padding), (padding, padding), (0, 0)))
        columns = []
        for i in range(0, padded.shape[0] - kh, stride):
            for j in range(0, padded.shape[1] - kw, stride):
                columns.append(padded[i : i + kh, j : j + kw].reshape(-1))
        return np.array(columns)
        """,
    ),
    (
        "u and v exchanged in a patch",
        r"u and v|transpos|exchang|swap|order",
        PATCHES
        + """
    columns = []
    for i, j in np.ndindex(rows, cols):
        patch = padded[stride * i : stride * i + kh, stride * j : stride * j + kw]
        columns.append(patch.transpose(1, 0, 2).reshape(-1))
    return np.array(columns)
        """,
    ),
    (
        "rows counted by H′",
        r"order|index|W′|position|overw|out of bounds",
        PATCHES
        + """
    columns = np.zeros((rows * cols, kh * kw * x.shape[2]))
    for i, j in np.ndindex(rows, cols):
        patch = padded[stride * i : stride * i + kh, stride * j : stride * j + kw]
        columns[i * rows + j] = patch.reshape(-1)
    return columns
        """,
    ),
    (
        "no flattening",
        r"shape|dimension",
        PATCHES
        + """
    columns = np.zeros((rows, cols, kh, kw, x.shape[2]))
    for i, j in np.ndindex(rows, cols):
        columns[i, j] = padded[stride * i : stride * i + kh, stride * j : stride * j + kw]
    return columns
        """,
    ),
    (
        "reshape taken for a transposition",
        r"order|reshape|axis|axes|transpos",
        PATCHES
        + """
    taps = []
    for u, v in np.ndindex(kh, kw):
        taps.append(padded[u : u + stride * rows : stride, v : v + stride * cols : stride])
    return np.array(taps).reshape(rows * cols, -1)
        """,
    ),
    (
        "a row bound anew, nothing written",
        NOTHING,
        PATCHES
        + """
    columns = np.zeros((rows * cols, kh * kw * x.shape[2]))
    for row, (i, j) in zip(columns, np.ndindex(rows, cols)):
        row = padded[stride * i : stride * i + kh, stride * j : stride * j + kw].reshape(-1)
    return columns
        """,
    ),
    (
        "channels padded as well",
        r"shape|channels",
        """
        kh, kw = kernel_size
        padded = np.pad(x, padding)
        columns = []
        for i in range(0, padded.shape[0] - kh + 1, stride):
            for j in range(0, padded.shape[1] - kw + 1, stride):
                columns.append(padded[i : i + kh, j : j + kw].reshape(-1))
        return np.array(columns)
        """,
    ),
]

# ------------------------------------------------------------------ col2im

RIGHT["col2im"] = [
    """
    padded = np.zeros((H + 2 * padding, W + 2 * padding, C), columns.dtype)
    for i in range(rows):
        for j in range(cols):
            patch = columns[i * cols + j].reshape(kh, kw, C)
            top, left = stride * i, stride * j
            padded[top : top + kh, left : left + kw] += patch
    return padded[padding : padding + H, padding : padding + W]
    """,
    """
    x = np.zeros(shape)
    for i in range(rows):
        for j in range(cols):
            for u in range(kh):
                for v in range(kw):
                    m, n = stride * i + u - padding, stride * j + v - padding
                    if 0 <= m < H and 0 <= n < W:
                        start = (u * kw + v) * C
                        x[m, n] += columns[i * cols + j, start : start + C]
    return x
    """,
    """
    i, j, u, v, k = np.indices((rows, cols, kh, kw, C))
    padded = np.zeros((H + 2 * padding, W + 2 * padding, C), columns.dtype)
    np.add.at(padded, (stride * i + u, stride * j + v, k), columns.reshape(i.shape))
    return padded[padding : padding + H, padding : padding + W]
    """,
]
WRONG["col2im"] = [
    (
        "the last patch wins",
        r"overlap|\+=|last patch|overw",
        """
        padded = np.zeros((H + 2 * padding, W + 2 * padding, C))
        for n, (i, j) in enumerate(np.ndindex(rows, cols)):
            patch = columns[n].reshape(kh, kw, C)
            padded[stride * i : stride * i + kh, stride * j : stride * j + kw] = patch
        return padded[padding : padding + H, padding : padding + W]
        """,
    ),
    (
        "the padding not cut off",
        r"shape",
        """
        padded = np.zeros((H + 2 * padding, W + 2 * padding, C))
        for n, (i, j) in enumerate(np.ndindex(rows, cols)):
            patch = columns[n].reshape(kh, kw, C)
            padded[stride * i : stride * i + kh, stride * j : stride * j + kw] += patch
        return padded
        """,
    ),
    (
        "cut off on one side",
        r"shift|moved|cut|each side|every side|both sides|off by|the padding",
        """
        padded = np.zeros((H + 2 * padding, W + 2 * padding, C))
        for n, (i, j) in enumerate(np.ndindex(rows, cols)):
            patch = columns[n].reshape(kh, kw, C)
            padded[stride * i : stride * i + kh, stride * j : stride * j + kw] += patch
        return padded[:H, :W]
        """,
    ),
    (
        "a mean over the copies",
        r"mean\b|average|divid|sum over|number of (copies|patches)",
        """
        padded = np.zeros((H + 2 * padding, W + 2 * padding, C))
        count = np.zeros((H + 2 * padding, W + 2 * padding, 1))
        for n, (i, j) in enumerate(np.ndindex(rows, cols)):
            window = slice(stride * i, stride * i + kh), slice(stride * j, stride * j + kw)
            padded[window] += columns[n].reshape(kh, kw, C)
            count[window] += 1
        padded /= np.maximum(count, 1)
        return padded[padding : padding + H, padding : padding + W]
        """,
    ),
    (
        "the stride ignored",
        r"the stride|stride (is|was)|without the stride|s·i|steps",
        """
        padded = np.zeros((H + 2 * padding, W + 2 * padding, C))
        for n, (i, j) in enumerate(np.ndindex(rows, cols)):
            padded[i : i + kh, j : j + kw] += columns[n].reshape(kh, kw, C)
        return padded[padding : padding + H, padding : padding + W]
        """,
    ),
    (
        "one row of taps missing",
        r"tap|row of the (kernel|patch|window)|part of the|missing|left out|u =",
        """
        patches = columns.reshape(rows, cols, kh, kw, C)
        x = np.zeros((H + 2 * padding, W + 2 * padding, C))
        for u in range(1, kh):
            for v in range(kw):
                part = x[u : u + stride * rows : stride, v : v + stride * cols : stride]
                part += patches[:, :, u, v]
        return x[padding : padding + H, padding : padding + W]
        """,
    ),
    (
        "channels before the taps",
        r"order|axis|axes|reshape|channels",
        """
        patches = columns.reshape(rows, cols, C, kh, kw)
        x = np.zeros((H + 2 * padding, W + 2 * padding, C))
        for u in range(kh):
            for v in range(kw):
                part = x[u : u + stride * rows : stride, v : v + stride * cols : stride]
                part += patches[..., u, v]
        return x[padding : padding + H, padding : padding + W]
        """,
    ),
    (
        "positions column by column",
        r"order|transpos|exchang|swap|i·W|row by row|column by column|reshape",
        """
        x = np.zeros((H + 2 * padding, W + 2 * padding, C))
        for j in range(cols):
            for i in range(rows):
                patch = columns[j * rows + i].reshape(kh, kw, C)
                x[stride * i : stride * i + kh, stride * j : stride * j + kw] += patch
        return x[padding : padding + H, padding : padding + W]
        """,
    ),
    (
        "the taps turned round",
        TURNED,
        """
        x = np.zeros((H + 2 * padding, W + 2 * padding, C))
        for n, (i, j) in enumerate(np.ndindex(rows, cols)):
            patch = columns[n].reshape(kh, kw, C)[::-1, ::-1]
            x[stride * i : stride * i + kh, stride * j : stride * j + kw] += patch
        return x[padding : padding + H, padding : padding + W]
        """,
    ),
    (
        "the last row of patches lost",
        r"last row|last patch|border|edge|missing|left out|loop",
        """
        x = np.zeros((H + 2 * padding, W + 2 * padding, C))
        for i in range(rows - 1):
            for j in range(cols):
                patch = columns[i * cols + j].reshape(kh, kw, C)
                x[stride * i : stride * i + kh, stride * j : stride * j + kw] += patch
        return x[padding : padding + H, padding : padding + W]
        """,
    ),
    (
        "+= with repeated indices",
        r"overlap|last patch|add\.at|overw|only one|\+=",
        """
        i, j, u, v, k = np.indices((rows, cols, kh, kw, C))
        x = np.zeros((H + 2 * padding, W + 2 * padding, C))
        x[stride * i + u, stride * j + v, k] += columns.reshape(rows, cols, kh, kw, C)
        return x[padding : padding + H, padding : padding + W]
        """,
    ),
    (
        "added to a copy",
        NOTHING,
        """
        x = np.zeros((H + 2 * padding, W + 2 * padding, C))
        for n, (i, j) in enumerate(np.ndindex(rows, cols)):
            window = x[stride * i : stride * i + kh, stride * j : stride * j + kw]
            window = window + columns[n].reshape(kh, kw, C)
        return x[padding : padding + H, padding : padding + W]
        """,
    ),
    (
        "the padding's copies wrap round",
        r"border|wrap|negative|other side|other end|edge",
        """
        x = np.zeros(shape)
        patches = columns.reshape(rows, cols, kh, kw, C)
        for i, j, u, v in np.ndindex(rows, cols, kh, kw):
            m, n = stride * i + u - padding, stride * j + v - padding
            if m < H and n < W:
                x[m, n] += patches[i, j, u, v]
        return x
        """,
    ),
    (
        "a slice to −0",
        r"shape|empty",
        """
        x = np.zeros((H + 2 * padding, W + 2 * padding, C))
        for n, (i, j) in enumerate(np.ndindex(rows, cols)):
            patch = columns[n].reshape(kh, kw, C)
            x[stride * i : stride * i + kh, stride * j : stride * j + kw] += patch
        return x[padding:-padding, padding:-padding]
        """,
    ),
]

# ------------------------------------------------------------------ convolution-input

RIGHT["convolution-input"] = [
    """
    H, W, C = cache
    kh, kw, _, C_out = self.kernel.shape
    s, p = self.stride, self.padding
    padded = np.zeros((H + 2 * p, W + 2 * p, C))
    for i in range(dy.shape[0]):
        for j in range(dy.shape[1]):
            for k_ in range(C_out):
                part = dy[i, j, k_] * self.kernel[:, :, :, k_]
                padded[s * i : s * i + kh, s * j : s * j + kw] += part
    return padded[p : p + H, p : p + W]
    """,
    """
    kh, kw, C_in, C_out = self.kernel.shape
    dx = np.zeros(cache)
    for m, n, k in np.ndindex(cache):
        for u in range(kh):
            for v in range(kw):
                i, row_left = divmod(m + self.padding - u, self.stride)
                j, col_left = divmod(n + self.padding - v, self.stride)
                fits = 0 <= i < dy.shape[0] and 0 <= j < dy.shape[1]
                if fits and row_left == 0 and col_left == 0:
                    dx[m, n, k] += dy[i, j] @ self.kernel[u, v, k]
    return dx
    """,
    """
    dX = np.einsum("ijc,uvkc->ijuvk", dy, self.kernel)
    dX = dX.reshape(dy.shape[0] * dy.shape[1], -1)
    return col2im(dX, cache, self.kernel.shape[:2], self.stride, self.padding)
    """,
]
SCATTER = """
    H, W, C = cache
    kh, kw, C_in, C_out = self.kernel.shape
    s, p = self.stride, self.padding
    padded = np.zeros((H + 2 * p, W + 2 * p, C))
"""
WRONG["convolution-input"] = [
    (
        "dy convolved, kernel not turned",
        TURNED,
        """
        H, W, C = cache
        kh, kw, C_in, C_out = self.kernel.shape
        s, p = self.stride, self.padding
        apart = np.zeros((H + 2 * p + kh - 1, W + 2 * p + kw - 1, C_out))
        for i, j in np.ndindex(dy.shape[:2]):
            apart[s * i + kh - 1, s * j + kw - 1] = dy[i, j]
        dx = np.zeros(cache)
        for m, n, u, v in np.ndindex(H, W, kh, kw):
            dx[m, n] += self.kernel[u, v] @ apart[m + p + u, n + p + v]
        return dx
        """,
    ),
    (
        "reshape taken for a transposition",
        r"transpos|reshape|order|axes|axis",
        """
        dY = dy.reshape(-1, dy.shape[-1])
        dX = dY @ self.kernel.reshape(dy.shape[-1], -1)
        return col2im(dX, cache, self.kernel.shape[:2], self.stride, self.padding)
        """,
    ),
    (
        "the stride not handed on",
        r"the stride|stride (is|was)|without the stride|reshape",
        """
        dY = dy.reshape(-1, dy.shape[-1])
        return col2im(dY @ self.omega.T, cache, self.kernel.shape[:2], padding=self.padding)
        """,
    ),
    (
        "the padding not handed on",
        r"the padding|reshape|border|shift",
        """
        dY = dy.reshape(-1, dy.shape[-1])
        return col2im(dY @ self.omega.T, cache, self.kernel.shape[:2], self.stride)
        """,
    ),
    (
        "the last patch wins",
        r"overlap|\+=|last patch|overw",
        SCATTER
        + """
    for i, j in np.ndindex(dy.shape[:2]):
        padded[s * i : s * i + kh, s * j : s * j + kw] = self.kernel @ dy[i, j]
    return padded[p : p + H, p : p + W]
        """,
    ),
    (
        "the wrong sign",
        SIGN,
        """
        dX = -(dy.reshape(-1, dy.shape[-1]) @ self.omega.T)
        return col2im(dX, cache, self.kernel.shape[:2], self.stride, self.padding)
        """,
    ),
    (
        "the bias taken off first",
        r"bias|constant",
        """
        dX = (dy.reshape(-1, dy.shape[-1]) - self.bias) @ self.omega.T
        return col2im(dX, cache, self.kernel.shape[:2], self.stride, self.padding)
        """,
    ),
    (
        "twice as much",
        TWICE,
        SCATTER
        + """
    for i, j in np.ndindex(dy.shape[:2]):
        padded[s * i : s * i + kh, s * j : s * j + kw] += 2 * self.kernel @ dy[i, j]
    return padded[p : p + H, p : p + W]
        """,
    ),
    (
        "the padding left on",
        r"shape",
        SCATTER
        + """
    for i, j in np.ndindex(dy.shape[:2]):
        padded[s * i : s * i + kh, s * j : s * j + kw] += self.kernel @ dy[i, j]
    return padded
        """,
    ),
    (
        "only the middle tap",
        r"tap|shape|overlap|only one|part of the kernel|other entries|missing|middle",
        SCATTER
        + """
    u, v = kh // 2, kw // 2
    for i, j in np.ndindex(dy.shape[:2]):
        padded[s * i + u, s * j + v] += self.kernel[u, v] @ dy[i, j]
    return padded[p : p + H, p : p + W]
        """,
    ),
    (
        "a mean over the channels",
        r"factor|mean\b|C_out|divid|times",
        SCATTER
        + """
    for i, j, k_ in np.ndindex(dy.shape):
        part = dy[i, j, k_] * self.kernel[..., k_] / C_out
        padded[s * i : s * i + kh, s * j : s * j + kw] += part
    return padded[p : p + H, p : p + W]
        """,
    ),
    (
        "u and v exchanged",
        r"u and v|transpos|exchang|swap|order",
        """
        omega = self.kernel.transpose(1, 0, 2, 3).reshape(-1, dy.shape[-1])
        dX = dy.reshape(-1, dy.shape[-1]) @ omega.T
        return col2im(dX, cache, self.kernel.shape[:2], self.stride, self.padding)
        """,
    ),
    ("dX for dx", r"shape|col2im", "return dy.reshape(-1, dy.shape[-1]) @ self.omega.T"),
    (
        "only the first output channel",
        r"channels|k′|only one|sum over|other",
        SCATTER
        + """
    for i, j in np.ndindex(dy.shape[:2]):
        part = dy[i, j, 0] * self.kernel[..., 0]
        padded[s * i : s * i + kh, s * j : s * j + kw] += part
    return padded[p : p + H, p : p + W]
        """,
    ),
    (
        "the border's outputs left out",
        r"border|edge|padding",
        SCATTER
        + """
    for i in range(1, dy.shape[0] - 1):
        for j in range(1, dy.shape[1] - 1):
            padded[s * i : s * i + kh, s * j : s * j + kw] += self.kernel @ dy[i, j]
    return padded[p : p + H, p : p + W]
        """,
    ),
]

# ------------------------------------------------------------------ convolution-kernel

RIGHT["convolution-kernel"] = [
    """
    kh, kw, C_in, C_out = self.kernel.shape
    H, W, _ = x.shape
    dkernel = np.zeros(self.kernel.shape)
    for i, j, k_ in np.ndindex(dy.shape):
        for u, v, k in np.ndindex(kh, kw, C_in):
            m, n = self.stride * i + u - self.padding, self.stride * j + v - self.padding
            if 0 <= m < H and 0 <= n < W:
                dkernel[u, v, k, k_] += x[m, n, k] * dy[i, j, k_]
    return dkernel
    """,
    """
    p, s = self.padding, self.stride
    padded = np.pad(x, ((p, p), (p, p), (0, 0)))
    dkernel = np.empty_like(self.kernel)
    rows, cols, _ = dy.shape
    for u, v in np.ndindex(self.kernel.shape[:2]):
        seen = padded[u : u + s * rows : s, v : v + s * cols : s]
        dkernel[u, v] = np.einsum("ijk,ijc->kc", seen, dy)
    return dkernel
    """,
]
GATHER = """
    p, s = self.padding, self.stride
    kh, kw, C_in, C_out = self.kernel.shape
    padded = np.pad(x, ((p, p), (p, p), (0, 0)))
    dkernel = np.zeros(self.kernel.shape)
"""
WRONG["convolution-kernel"] = [
    (
        "the first row of x skipped",
        r"border|edge|padding|first row|off by one",
        """
        kh, kw, C_in, C_out = self.kernel.shape
        dkernel = np.zeros(self.kernel.shape)
        for i, j, u, v in np.ndindex(*dy.shape[:2], kh, kw):
            m, n = self.stride * i + u - self.padding, self.stride * j + v - self.padding
            if 0 < m < x.shape[0] and 0 < n < x.shape[1]:
                dkernel[u, v] += np.outer(x[m, n], dy[i, j])
        return dkernel
        """,
    ),
    (
        "a mean over the positions",
        r"mean\b|factor|positions|divid",
        """
        dY = dy.reshape(-1, dy.shape[-1])
        return (self.patches(x).T @ dY / len(dY)).reshape(self.kernel.shape)
        """,
    ),
    (
        "reshaped without transposing",
        r"transpos|order|reshape|axes|axis",
        """
        dY = dy.reshape(-1, dy.shape[-1])
        return (dY.T @ self.patches(x)).reshape(self.kernel.shape)
        """,
    ),
    (
        "the kernel turned round",
        TURNED,
        """
        dY = dy.reshape(-1, dy.shape[-1])
        return (self.patches(x).T @ dY).reshape(self.kernel.shape)[::-1, ::-1]
        """,
    ),
    (
        "the stride ignored",
        r"the stride|stride (is|was)|without the stride|s·i|steps",
        GATHER
        + """
    for i, j in np.ndindex(dy.shape[:2]):
        dkernel += padded[i : i + kh, j : j + kw, :, None] * dy[i, j]
    return dkernel
        """,
    ),
    (
        "the last position only",
        r"\+=|sum|last|positions|overw|only one",
        GATHER
        + """
    for i, j in np.ndindex(dy.shape[:2]):
        dkernel = padded[s * i : s * i + kh, s * j : s * j + kw, :, None] * dy[i, j]
    return dkernel
        """,
    ),
    (
        "still a matrix",
        r"shape",
        """
        dY = dy.reshape(-1, dy.shape[-1])
        return self.patches(x).T @ dY
        """,
    ),
    (
        "the step of a descent",
        SIGN,
        """
        dY = dy.reshape(-1, dy.shape[-1])
        return -(self.patches(x).T @ dY).reshape(self.kernel.shape)
        """,
    ),
    (
        "the kernel added",
        r"kernel (is |was )?(added|itself)|plus the kernel|does not depend|weight decay|too much"
        r"|values of the kernel|constant",
        """
        dY = dy.reshape(-1, dy.shape[-1])
        return self.kernel + (self.patches(x).T @ dY).reshape(self.kernel.shape)
        """,
    ),
    (
        "input channels mixed up",
        r"channels|each channel|same for all",
        GATHER
        + """
    for i, j in np.ndindex(dy.shape[:2]):
        patch = padded[s * i : s * i + kh, s * j : s * j + kw].sum(axis=2)
        dkernel += patch[:, :, None, None] * dy[i, j]
    return dkernel
        """,
    ),
    (
        "u and v exchanged",
        r"u and v|transpos|exchang|swap|order",
        """
        kh, kw, C_in, C_out = self.kernel.shape
        domega = self.patches(x).T @ dy.reshape(-1, C_out)
        return domega.reshape(kw, kh, C_in, C_out).transpose(1, 0, 2, 3)
        """,
    ),
    (
        "twice as much",
        TWICE,
        GATHER
        + """
    for i, j, k_ in np.ndindex(dy.shape):
        patch = padded[s * i : s * i + kh, s * j : s * j + kw]
        dkernel[..., k_] += 2 * dy[i, j, k_] * patch
    return dkernel
        """,
    ),
    (
        "padded below and right only",
        r"border|shift|moved|each side|every side|both sides|off by|the padding",
        """
        p = self.padding
        padded = np.pad(x, ((0, 2 * p), (0, 2 * p), (0, 0)))
        X = im2col(padded, self.kernel.shape[:2], self.stride)
        return (X.T @ dy.reshape(-1, dy.shape[-1])).reshape(self.kernel.shape)
        """,
    ),
    (
        "the last row of outputs lost",
        r"last row|border|edge|missing|left out|positions",
        GATHER
        + """
    for i in range(dy.shape[0] - 1):
        for j in range(dy.shape[1]):
            dkernel += padded[s * i : s * i + kh, s * j : s * j + kw, :, None] * dy[i, j]
    return dkernel
        """,
    ),
    (
        "a matrix product too narrow",
        r"matmul|mismatch|shape|dimension",
        "return (self.patches(x) @ dy.reshape(-1, dy.shape[-1])).reshape(self.kernel.shape)",
    ),
]

# ------------------------------------------------------------------ convolution-bias

RIGHT["convolution-bias"] = [
    "return dy.sum(axis=(0, 1))",
    """
    db = [0.0] * dy.shape[2]
    for row in dy:
        for pixel in row:
            for k_, value in enumerate(pixel):
                db[k_] += value
    return np.array(db)
    """,
    "return np.einsum('ijk->k', dy)",
]
WRONG["convolution-bias"] = [
    ("a mean for a sum", r"mean\b|factor|positions|a sum", "return dy.mean(axis=(0, 1))"),
    ("one number for all channels", r"shape|number|scalar", "return dy.sum()"),
    ("summed over rows only", r"shape|axis|axes", "return dy.sum(axis=0)"),
    ("summed over channels", r"shape|axis|axes", "return dy.sum(axis=2)"),
    ("the wrong sign", SIGN, "return -dy.sum(axis=(0, 1))"),
    (
        "absolute values summed",
        r"absolute|abs\(|\|dy\||\bsign\b|negative",
        "return np.abs(dy).sum(axis=(0, 1))",
    ),
    (
        "the last row left out",
        r"last row|missing|left out|positions|border|edge|loop",
        """
        db = np.zeros(dy.shape[2])
        for i in range(dy.shape[0] - 1):
            for j in range(dy.shape[1]):
                db += dy[i, j]
        return db
        """,
    ),
    (
        "the last position only",
        r"\+=|sum|last|positions|overw|only one",
        """
        db = np.zeros(dy.shape[2])
        for i in range(dy.shape[0]):
            for j in range(dy.shape[1]):
                db = dy[i, j]
        return db
        """,
    ),
    ("axes kept", r"shape", "return dy.sum(axis=(0, 1), keepdims=True)"),
    (
        "times the bias",
        r"bias (itself|is|does|has)|times the bias|value of (b|the bias)|multipl|depend",
        "return self.bias * dy.sum(axis=(0, 1))",
    ),
    (
        "nothing added up",
        NOTHING,
        """
        db = np.zeros(dy.shape[2])
        for pixel in dy.reshape(-1, dy.shape[2]):
            db + pixel
        return db
        """,
    ),
    (
        "reshaped the wrong way round",
        r"reshape|order|axis|axes|mixed|channels",
        "return dy.reshape(dy.shape[2], -1).sum(axis=1)",
    ),
    (
        "the positions counted",
        r"chain rule|multipl|times dy|without dy|dy is missing|does not depend|dy_|· dy",
        "return np.full(dy.shape[2], float(dy.shape[0] * dy.shape[1]))",
    ),
]

# ------------------------------------------------------------------ gram

RIGHT["gram"] = [
    """
    return np.einsum("ijk,ck->ijc", cache, dgram) + np.einsum("ijk,kc->ijc", cache, dgram)
    """,
    """
    H, W, C = cache.shape
    da = np.zeros((H, W, C))
    for i in range(H):
        for j in range(W):
            for k in range(C):
                for k_ in range(C):
                    da[i, j, k] += dgram[k, k_] * cache[i, j, k_]
                    da[i, j, k_] += dgram[k, k_] * cache[i, j, k]
    return da
    """,
]
WRONG["gram"] = [
    (
        "half of the product rule",
        r"product rule|half|both|symmetr|dGramᵀ|second|twice|other",
        "return cache @ dgram",
    ),
    ("dGram taken to be symmetric", r"symmetr|dGramᵀ|transpos", "return 2 * cache @ dgram"),
    (
        "minus in the product rule",
        r"\bsign\b|minus|subtract|A dGramᵀ|dGramᵀ",
        "return cache @ (dgram - dgram.T)",
    ),
    ("a half too many", HALF, "return cache @ (dgram + dgram.T) / 2"),
    (
        "transposed back by reshape",
        r"transpos|order|reshape|axis|axes",
        """
        A = cache.reshape(-1, cache.shape[-1])
        return ((dgram + dgram.T) @ A.T).reshape(cache.shape)
        """,
    ),
    ("still a matrix", r"shape", "return cache.reshape(-1, cache.shape[-1]) @ (dgram + dgram.T)"),
    (
        "divided by the positions",
        r"factor|positions|mean\b|\bM\b|divid",
        """
        M = cache.shape[0] * cache.shape[1]
        return cache @ (dgram + dgram.T) / M
        """,
    ),
    (
        "only the diagonal",
        r"diagonal|other channels|sum over|k′",
        "return cache * 2 * np.diag(dgram)",
    ),
    (
        "a product for a sum",
        r"dGramᵀ|linear|product|both|added|sum",
        "return cache @ (dgram * dgram.T)",
    ),
    (
        "only pairs with k ≤ k′",
        r"triang|half|symmetr|pairs|dGramᵀ|k′|transpos",
        """
        C = cache.shape[2]
        da = np.zeros_like(cache)
        for k in range(C):
            for k_ in range(k, C):
                da[..., k] += dgram[k, k_] * cache[..., k_]
                da[..., k_] += dgram[k, k_] * cache[..., k]
        return da
        """,
    ),
    (
        "the diagonal left out",
        r"diagonal|k = k′|k == k|same channel|with itself|square",
        """
        C = cache.shape[2]
        da = np.zeros_like(cache)
        for k in range(C):
            for k_ in range(C):
                if k != k_:
                    da[..., k] += (dgram[k, k_] + dgram[k_, k]) * cache[..., k_]
        return da
        """,
    ),
    ("uphill", SIGN, "return -cache @ (dgram + dgram.T)"),
    (
        "the mean activation taken off",
        r"mean\b|centr|center|subtract|constant",
        "return (cache - cache.mean(axis=(0, 1))) @ (dgram + dgram.T)",
    ),
    (
        "half a rule, and by M",
        r"product rule|half|both|symmetr|dGramᵀ|factor|positions|\bM\b",
        "return cache @ dgram / (cache.shape[0] * cache.shape[1])",
    ),
    ("the derivative of the Gram matrix", r"shape|dgram|chain rule", "return 2 * cache"),
]

# ------------------------------------------------------------------ content-loss

RIGHT["content-loss"] = [
    "return value, 0.5 * 2 * d",
    """
    gradient = np.zeros(a_G.shape)
    for i in range(a_G.shape[0]):
        for j in range(a_G.shape[1]):
            for k in range(a_G.shape[2]):
                gradient[i, j, k] = a_G[i, j, k] - a_C[i, j, k]
    return value, gradient
    """,
]
WRONG["content-loss"] = [
    ("the half forgotten", TWICE, "return value, 2 * d"),
    ("the two forgotten", HALF, "return value, d / 2"),
    ("uphill", SIGN, "return value, a_C - a_G"),
    (
        "the paper's mask kept",
        r"mask|ReLU|a_G <|a_G ≤|negative|where a_G",
        "return value, d * (a_G > 0)",
    ),
    (
        "a mean for a sum",
        r"mean\b|factor|divid|number of entries|positions",
        "return value, d / d.size",
    ),
    ("only the gradient", r"value|pair|two|tuple|unpack", "return d"),
    (
        "value and gradient exchanged",
        r"order|exchang|swap|\(value, gradient\)|first|shape",
        "return d, value",
    ),
    ("absolute differences", r"\bsign\b|absolute|abs\(|\|d|negative", "return value, np.abs(d)"),
    (
        "only the signs",
        r"magnitude|size of|only the sign|absolute|\|d|\bsign\b",
        "return value, np.sign(d)",
    ),
    ("the square itself", r"square|d²|linear|derivative of", "return value, d**2"),
    ("the target forgotten", r"a_C|content|target", "return value, a_G"),
    ("summed over the channels", r"shape", "return value, d.sum(axis=2)"),
    (
        "the first row left out",
        r"first row|missing|left out|border|edge|loop",
        """
        gradient = np.zeros_like(d)
        for i in range(1, len(d)):
            gradient[i] = d[i]
        return value, gradient
        """,
    ),
    ("sign and factor wrong", r"\bsign\b|uphill|factor|−2|-2", "return value, 2 * (a_C - a_G)"),
    (
        "a_G overwritten",
        IN_PLACE,
        """
        a_G -= a_C
        return value, a_G
        """,
    ),
]

# ------------------------------------------------------------------ style-loss

RIGHT["style-loss"] = [
    "return value, 2 * D / (4 * C**2)",
    """
    gradient = np.zeros((C, C))
    for k in range(C):
        for k_ in range(C):
            gradient[k, k_] = (gram[k, k_] - target[k, k_]) / C / C / 2
    return value, gradient
    """,
]
WRONG["style-loss"] = [
    ("the two forgotten", HALF, "return value, D / (4 * C**2)"),
    ("the quarter forgotten", r"factor|2 times|twice|double|4 times", "return value, D / C**2"),
    ("C for C²", r"factor|C²|C times|square", "return value, D / (2 * C)"),
    ("C² forgotten", r"factor|C²", "return value, D / 2"),
    (
        "the target minus the Gram matrix",
        SIGN,
        """
        gradient = np.zeros((C, C))
        for k, k_ in np.ndindex(C, C):
            gradient[k, k_] = (target[k, k_] - gram[k, k_]) / (2 * C**2)
        return value, gradient
        """,
    ),
    (
        "added to its transpose",
        r"factor|2 times|twice|double|symmetr|transpos",
        "return value, (D + D.T) / (2 * C**2)",
    ),
    ("the square itself", r"square|D²|linear|derivative of", "return value, D**2 / (2 * C**2)"),
    ("no gradient", r"None|gradient (is )?missing|no gradient", "return value, None"),
    ("only the diagonal", r"diagonal", "return value, np.diag(np.diag(D)) / (2 * C**2)"),
    (
        "only above the diagonal",
        r"diagonal|triang|half|symmetr|k′",
        """
        gradient = np.zeros((C, C))
        for k in range(C):
            for k_ in range(k, C):
                gradient[k, k_] = D[k, k_] / (2 * C**2)
        return value, gradient
        """,
    ),
    ("summed to a number", r"shape|number|scalar", "return value, np.sum(D) / (2 * C**2)"),
    ("divided by C² twice", r"factor|C²|C⁴", "return value, D / (2 * C**2) / gram.size"),
    ("whole-number division", r"//|integer|round|floor|whole", "return value, D // (2 * C**2)"),
    ("sign and two wrong", r"\bsign\b|uphill|factor|−½|half", "return value, -D / (4 * C**2)"),
    (
        "the Gram matrix for the difference",
        r"target|\bD\b|difference|subtract",
        "return value, gram / (2 * C**2)",
    ),
]

# ------------------------------------------------------------------ total-variation

RIGHT["total-variation"] = [
    """
    padded = np.pad(image, ((1, 1), (1, 1), (0, 0)), mode="edge")
    around = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
    return value, 4 * image - around
    """,
    """
    H, W, C = image.shape
    gradient = np.zeros((H, W, C))
    for i in range(H):
        for j in range(W):
            if i > 0:
                gradient[i, j] += image[i, j] - image[i - 1, j]
            if i < H - 1:
                gradient[i, j] -= image[i + 1, j] - image[i, j]
            if j > 0:
                gradient[i, j] += image[i, j] - image[i, j - 1]
            if j < W - 1:
                gradient[i, j] -= image[i, j + 1] - image[i, j]
    return value, gradient
    """,
]
WRONG["total-variation"] = [
    (
        "differences downwards only",
        r"`?right`?.*(missing|left out|forgot)|`right`|horizontal|along (a|the) row|neighbours",
        """
        dimage = np.zeros_like(image)
        dimage[1:] += down
        dimage[:-1] -= down
        return value, dimage
        """,
    ),
    (
        "only one pixel of each pair",
        r"other pixel|both|upper|−d|-d|subtract|half of",
        """
        dimage = np.zeros_like(image)
        dimage[1:] += down
        dimage[:, 1:] += right
        return value, dimage
        """,
    ),
    (
        "uphill",
        SIGN,
        """
        dimage = np.zeros_like(image)
        dimage[1:] -= down
        dimage[:-1] += down
        dimage[:, 1:] -= right
        dimage[:, :-1] += right
        return value, dimage
        """,
    ),
    (
        "zeros outside the picture",
        r"border|edge",
        """
        padded = np.pad(image, ((1, 1), (1, 1), (0, 0)))
        around = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
        return value, 4 * image - around
        """,
    ),
    (
        "neighbours round the other side",
        r"border|edge|wrap|other side",
        """
        dimage = 4 * image
        for axis in (0, 1):
            for shift in (-1, 1):
                dimage = dimage - np.roll(image, shift, axis)
        return value, dimage
        """,
    ),
    (
        "the half forgotten",
        TWICE,
        """
        dimage = np.zeros_like(image)
        dimage[1:] += 2 * down
        dimage[:-1] -= 2 * down
        dimage[:, 1:] += 2 * right
        dimage[:, :-1] -= 2 * right
        return value, dimage
        """,
    ),
    (
        "a half too many",
        HALF,
        """
        padded = np.pad(image, ((1, 1), (1, 1), (0, 0)), mode="edge")
        around = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
        return value, 0.5 * (4 * image - around)
        """,
    ),
    (
        "overwritten, not added",
        r"\+=|overw|added|add up|sum",
        """
        dimage = np.zeros_like(image)
        dimage[1:] = down
        dimage[:-1] = -down
        dimage[:, 1:] = right
        dimage[:, :-1] = -right
        return value, dimage
        """,
    ),
    (
        "the border left at zero",
        r"border|edge",
        """
        dimage = np.zeros_like(image)
        for i in range(1, image.shape[0] - 1):
            for j in range(1, image.shape[1] - 1):
                around = image[i - 1, j] + image[i + 1, j] + image[i, j - 1] + image[i, j + 1]
                dimage[i, j] = 4 * image[i, j] - around
        return value, dimage
        """,
    ),
    (
        "the sign wrong for one axis",
        r"\bsign\b|`?down`?.*(wrong|other)|upper|vertical",
        """
        dimage = np.zeros_like(image)
        dimage[1:] -= down
        dimage[:-1] += down
        dimage[:, 1:] += right
        dimage[:, :-1] -= right
        return value, dimage
        """,
    ),
    ("differences added as they are", r"shape|broadcast", "return value, down + right"),
    (
        "only the signs, as for |d|",
        r"\|d\||absolute|only the sign|magnitude|size of|square|sign\(",
        """
        dimage = np.zeros_like(image)
        dimage[1:] += np.sign(down)
        dimage[:-1] -= np.sign(down)
        dimage[:, 1:] += np.sign(right)
        dimage[:, :-1] -= np.sign(right)
        return value, dimage
        """,
    ),
    (
        "added to copies",
        NOTHING,
        """
        dimage = np.zeros_like(image)
        lower, upper = dimage[1:].copy(), dimage[:-1].copy()
        lower += down
        upper -= down
        return value, dimage
        """,
    ),
    (
        "begun with the picture",
        r"zeros|image itself|picture itself|begin|start|too much|added",
        """
        dimage = image.copy()
        dimage[1:] += down
        dimage[:-1] -= down
        dimage[:, 1:] += right
        dimage[:, :-1] -= right
        return value, dimage
        """,
    ),
    (
        "the last pair left out",
        r"last row|border|edge|missing|left out|last pair|loop",
        """
        H, W, C = image.shape
        dimage = np.zeros_like(image)
        for i in range(H - 2):
            dimage[i + 1] += image[i + 1] - image[i]
            dimage[i] -= image[i + 1] - image[i]
        for j in range(W - 1):
            dimage[:, j + 1] += image[:, j + 1] - image[:, j]
            dimage[:, j] -= image[:, j + 1] - image[:, j]
        return value, dimage
        """,
    ),
]

# ------------------------------------------------------------------ momentum

RIGHT["momentum"] = [
    """
    step = eta * g
    velocity = self.momentum * state["velocity"] - step
    moved = np.minimum(np.maximum(image + self.momentum * velocity - step, 0), 255)
    return moved, {"t": t + 1, "iterations": state["iterations"], "velocity": velocity}
    """,
    """
    moved, velocity = image.copy(), state["velocity"].copy()
    for entry in np.ndindex(image.shape):
        velocity[entry] = self.momentum * velocity[entry] - eta * g[entry]
        moved[entry] += self.momentum * velocity[entry] - eta * g[entry]
        moved[entry] = min(max(moved[entry], 0), 255)
    new = dict(state)
    new["t"] += 1
    new["velocity"] = velocity
    return moved, new
    """,
]
WRONG["momentum"] = [
    (
        "momentum without Nesterov",
        r"nesterov|μ v|once more|look",
        """
        v = self.momentum * state["velocity"] - eta * g
        return np.clip(image + v, 0, 255), {**state, "t": t + 1, "velocity": v}
        """,
    ),
    (
        "the momentum's sign wrong",
        r"\bsign\b|\+ ?μ|opposite|− ?μ|-μ",
        """
        v = -self.momentum * state["velocity"] - eta * g
        moved = np.clip(image + self.momentum * v - eta * g, 0, 255)
        return moved, {**state, "t": t + 1, "velocity": v}
        """,
    ),
    (
        "uphill",
        SIGN,
        """
        v = self.momentum * state["velocity"] + eta * g
        moved = np.clip(image + self.momentum * v + eta * g, 0, 255)
        return moved, {**state, "t": t + 1, "velocity": v}
        """,
    ),
    (
        "no clipping",
        r"clip|0–255|0-255|255",
        """
        v = self.momentum * state["velocity"] - eta * g
        return image + self.momentum * v - eta * g, {**state, "t": t + 1, "velocity": v}
        """,
    ),
    (
        "clipped to 0–1",
        r"clip|0–255|0-255|255",
        """
        v = self.momentum * state["velocity"] - eta * g
        moved = np.clip(image + self.momentum * v - eta * g, 0, 1)
        return moved, {**state, "t": t + 1, "velocity": v}
        """,
    ),
    (
        "the velocity not stored",
        r"velocity.*(stored|kept|old|state|forgot|return)|state.*velocity",
        """
        v = self.momentum * state["velocity"] - eta * g
        moved = np.clip(image + self.momentum * v - eta * g, 0, 255)
        return moved, {**state, "t": t + 1}
        """,
    ),
    (
        "the count not raised",
        r"\bt\b.*(one|larger|1|count|rais)|decay|t \+ 1",
        """
        v = self.momentum * state["velocity"] - eta * g
        moved = np.clip(image + self.momentum * v - eta * g, 0, 255)
        return moved, {**state, "velocity": v}
        """,
    ),
    (
        "the old state changed",
        IN_PLACE,
        """
        state["velocity"] = self.momentum * state["velocity"] - eta * g
        state["t"] = t + 1
        moved = np.clip(image + self.momentum * state["velocity"] - eta * g, 0, 255)
        return moved, state
        """,
    ),
    (
        "the old velocity's array changed",
        IN_PLACE,
        """
        v = state["velocity"]
        v *= self.momentum
        v -= eta * g
        moved = np.clip(image + self.momentum * v - eta * g, 0, 255)
        return moved, {**state, "t": t + 1, "velocity": v}
        """,
    ),
    (
        "only the picture returned",
        r"state|tuple|two|pair|unpack",
        """
        v = self.momentum * state["velocity"] - eta * g
        return np.clip(image + self.momentum * v - eta * g, 0, 255)
        """,
    ),
    (
        "the step shrunk by μ",
        r"factor|μ.*(step|η|only)|only.*μ|gains the",
        """
        v = self.momentum * (state["velocity"] - eta * g)
        moved = np.clip(image + self.momentum * v - eta * g, 0, 255)
        return moved, {**state, "t": t + 1, "velocity": v}
        """,
    ),
    (
        "a running mean for a velocity",
        r"1 − μ|1 - μ|factor|mean\b|gains the|whole step",
        """
        v = self.momentum * state["velocity"] - (1 - self.momentum) * eta * g
        moved = np.clip(image + self.momentum * v - eta * g, 0, 255)
        return moved, {**state, "t": t + 1, "velocity": v}
        """,
    ),
    (
        "the raw gradient",
        r"ĝ|raw|smooth|`?g`? (is|and) not|not `?gradient|∂J/∂G",
        """
        v = self.momentum * state["velocity"] - eta * gradient
        moved = np.clip(image + self.momentum * v - eta * gradient, 0, 255)
        return moved, {**state, "t": t + 1, "velocity": v}
        """,
    ),
    (
        "how far it moved, as velocity",
        r"velocity",
        """
        v = self.momentum * state["velocity"] - eta * g
        moved = np.clip(image + self.momentum * v - eta * g, 0, 255)
        return moved, {**state, "t": t + 1, "velocity": moved - image}
        """,
    ),
    (
        "the learning rate without decay",
        r"decay|η|eta\b|learning rate|factor",
        """
        step = self.learning_rate * g
        v = self.momentum * state["velocity"] - step
        moved = np.clip(image + self.momentum * v - step, 0, 255)
        return moved, {**state, "t": t + 1, "velocity": v}
        """,
    ),
    (
        "rounded to bytes",
        r"round|uint8|dtype|integer|whole|bytes",
        """
        v = self.momentum * state["velocity"] - eta * g
        moved = np.clip(image + self.momentum * v - eta * g, 0, 255).astype(np.uint8)
        return moved, {**state, "t": t + 1, "velocity": v}
        """,
    ),
    (
        "no clipping, velocity not stored",
        r"clip|255|velocity",
        """
        v = self.momentum * state["velocity"] - eta * g
        return image + self.momentum * v - eta * g, {**state, "t": t + 1}
        """,
    ),
]

# ------------------------------------------------------------------ deconvnet

RIGHT["deconvnet"] = [
    "return np.where(g > 0, g, 0)",
    "return relu.forward(g)[0]",
    """
    passed = np.zeros(g.shape)
    for i in range(g.shape[0]):
        for j in range(g.shape[1]):
            for k in range(g.shape[2]):
                passed[i, j, k] = max(g[i, j, k], 0)
    return passed
    """,
]
WRONG["deconvnet"] = [
    (
        "the gradient's rule",
        r"mask|gradient's|where x|x was|cache|sign of g",
        "return relu.backward(g, cache)",
    ),
    (
        "guided backpropagation",
        r"mask|guided|where x|x was|cache",
        "return relu.backward(np.maximum(g, 0), cache)",
    ),
    ("everything let through", r"negative|g < 0|dropped|against|max\(g", "return g"),
    (
        "the wrong half kept",
        r"negative|wrong side|other side|against|\bsign\b|min",
        "return np.minimum(g, 0)",
    ),
    ("absolute values", r"absolute|abs\(|\|g\||negative|dropped|\bsign\b", "return np.abs(g)"),
    ("the whole pair of forward", r"tuple|shape|pair|two", "return relu.forward(g)"),
    (
        "the mask of g alone",
        r"signal itself|multipl|times g|· g|only the mask|mask|bool",
        "return (g > 0).astype(g.dtype)",
    ),
    ("the wrong sign", SIGN, "return -np.maximum(g, 0)"),
    (
        "negatives kept where x fired",
        r"mask|negative|g < 0|dropped|against|cache|where x",
        "return np.where(cache, g, np.maximum(g, 0))",
    ),
    ("the largest of all", r"shape|number|scalar", "return max(g.max(), 0)"),
    (
        "only above the mean",
        r"mean\b|threshold|too much|small|positive",
        "return np.where(g > g.mean(), g, 0)",
    ),
    (
        "the last row forgotten",
        r"last row|border|edge|missing|left out|loop",
        """
        passed = np.zeros_like(g)
        for i in range(g.shape[0] - 1):
            passed[i] = np.maximum(g[i], 0)
        return passed
        """,
    ),
    ("nothing returned", r"None|return", "g = np.maximum(g, 0)"),
]

# ------------------------------------------------------------------ guided

RIGHT["guided"] = [
    "return np.where((g > 0) & cache, g, 0)",
    """
    passed = np.zeros(g.shape)
    for i in range(g.shape[0]):
        for j in range(g.shape[1]):
            for k in range(g.shape[2]):
                if cache[i, j, k] and g[i, j, k] > 0:
                    passed[i, j, k] = g[i, j, k]
    return passed
    """,
]
WRONG["guided"] = [
    (
        "the deconvnet's rule alone",
        r"mask|where x|x was|x >|cache|deconvnet",
        "return np.maximum(g, 0)",
    ),
    (
        "the gradient's rule alone",
        r"negative|g < 0|max\(g|against|gradient's",
        "return relu.backward(g, cache)",
    ),
    ("or in place of and", r"\bor\b|both|mask|negative", "return np.where((g > 0) | cache, g, 0)"),
    (
        "the mask the wrong way round",
        r"mask|wrong side|other side|x ≤ 0|where x|invert",
        "return np.maximum(g, 0) * ~cache",
    ),
    (
        "the negative half kept",
        r"negative|\bsign\b|wrong side|other side|against|min",
        "return np.minimum(g, 0) * cache",
    ),
    (
        "absolute values",
        r"absolute|abs\(|\|g\||negative|dropped|\bsign\b",
        "return relu.backward(np.abs(g), cache)",
    ),
    (
        "the masks without the signal",
        r"signal itself|multipl|times g|· g|only the mask|mask|bool",
        "return ((g > 0) & cache).astype(float)",
    ),
    ("the wrong sign", SIGN, "return -np.maximum(g, 0) * cache"),
    ("g compared with the mask", r"mask|cache|negative|compar", "return np.where(g > cache, g, 0)"),
    (
        "both rules added",
        r"twice|2 times|added|sum|both at once|product|once",
        "return relu.backward(g, cache) + np.maximum(g, 0)",
    ),
    (
        "a position's mask for all channels",
        r"channels|mask|each channel|where x",
        "return np.maximum(g, 0) * cache.any(axis=2, keepdims=True)",
    ),
    ("return forgotten", r"None|return", "relu.backward(np.maximum(g, 0), cache)"),
    (
        "the whole pair of forward",
        r"tuple|shape|pair|two|bool|multipl",
        "return relu.forward(relu.backward(g, cache))",
    ),
]

RIGHT = {name: [dedent(body).strip() for body in bodies] for name, bodies in RIGHT.items()}
WRONG = {
    name: [(what, expected, dedent(body).strip()) for what, expected, body in cases]
    for name, cases in WRONG.items()
}
