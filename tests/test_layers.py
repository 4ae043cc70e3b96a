"""Layers: worked examples, a ladder of shapes, adjointness, and SciPy as a referee.

Their gradients are in test_derivatives.py.
"""

from functools import partial

import numpy as np
import pytest

from scratchnet.checks.numerical import adjoint_error
from scratchnet.fast.fastest import FastConvolution
from scratchnet.fast.gram import FastGram
from scratchnet.fast.planes import PlaneConvolution
from scratchnet.fast.pooling import FastAveragePool, FastMaxPool
from scratchnet.fast.relu import FastReLU
from scratchnet.fast.strips import WholeConvolution
from scratchnet.fast.winograd import WinogradConvolution
from scratchnet.fast.workspace import Workspace
from scratchnet.network.convolution import (
    Convolution,
    col2im,
    convolution_by_definition,
    im2col,
)
from scratchnet.network.gram import Gram
from scratchnet.network.pooling import AveragePool, MaxPool
from scratchnet.network.preprocessing import Preprocess, check_mean
from scratchnet.network.relu import ReLU
from scratchnet.units.occlusion import mean_colour

SHAPES = [(1, 1, 1), (3, 3, 1), (2, 2, 3), (5, 4, 2), (7, 6, 3)]


def column(*values):
    """Return the values as a picture of one row and one channel, (1, W, 1)."""
    return np.array(values, float).reshape(1, -1, 1)


# ---------------------------------------------------------------- convolution


def test_convolution_by_hand():
    # x = [1 2 3], kernel (1×3) = [10 100 1000], padded by one zero left and right:
    # y0 = 10·0 + 100·1 + 1000·2 = 2100, y1 = 10·1 + 100·2 + 1000·3 = 3210, y2 = 10·2 + 100·3 = 320
    kernel = np.array([10.0, 100.0, 1000.0]).reshape(1, 3, 1, 1)
    layer = Convolution(kernel, np.zeros(1), padding=1)
    x = column(1, 2, 3)
    y, cache = layer.forward(x)
    assert y.shape == (3, 3, 1)  # padding adds a row above and below, too
    assert y[1].ravel().tolist() == [2100, 3210, 320]
    # dy = [1 0 0]: y0 used x0 with 100 and x1 with 1000
    dy = np.zeros((3, 3, 1))
    dy[1, 0] = 1
    assert layer.backward(dy, cache).ravel().tolist() == [100, 1000, 0]


def test_convolution_adds_channels_and_bias():
    # 1×1 kernel: y = 2·x0 + 3·x1 + 0.5 = 2·1 + 3·10 + 0.5
    layer = Convolution(np.array([2.0, 3.0]).reshape(1, 1, 2, 1), np.array([0.5]), padding=0)
    y, _ = layer.forward(np.array([1.0, 10.0]).reshape(1, 1, 2))
    assert y.item() == 32.5


@pytest.mark.parametrize("padding", [0, 1, 2])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("size", [(1, 1), (3, 3), (2, 3), (5, 4)])
def test_convolution_equals_scipy(rng, size, stride, padding):
    from scipy.signal import correlate2d  # half a second, which only who runs this waits for

    x = rng.standard_normal((9, 8, 3))
    kernel, bias = rng.standard_normal((*size, 3, 4)), rng.standard_normal(4)
    y, _ = Convolution(kernel, bias, stride, padding).forward(x)
    padded = np.pad(x, ((padding, padding), (padding, padding), (0, 0)))
    for k_out in range(4):
        expected = bias[k_out] + sum(
            correlate2d(padded[:, :, k], kernel[:, :, k, k_out], mode="valid") for k in range(3)
        )
        expected = expected[::stride, ::stride]
        assert np.abs(y[:, :, k_out] - expected).max() <= 1e-12 * np.abs(expected).max()


@pytest.mark.parametrize("padding", [0, 1, 2])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("size", [(1, 1), (3, 3), (2, 3)])
def test_convolution_equals_its_definition(rng, size, stride, padding):
    x = rng.standard_normal((6, 5, 2))
    kernel, bias = rng.standard_normal((*size, 2, 3)), rng.standard_normal(3)
    y, _ = Convolution(kernel, bias, stride, padding).forward(x)
    expected = convolution_by_definition(x, kernel, bias, stride, padding)
    assert y.shape == expected.shape
    assert np.abs(y - expected).max() <= 1e-13 * np.abs(expected).max()


@pytest.mark.parametrize("padding", [0, 1, 2])
def test_going_back_is_a_convolution_with_the_kernel_turned_and_its_channels_exchanged(
    rng, padding
):
    kernel = rng.standard_normal((3, 3, 2, 4))
    layer = Convolution(kernel, np.zeros(4), padding=padding)
    y, cache = layer.forward(rng.standard_normal((6, 5, 2)))
    dy = rng.standard_normal(y.shape)
    turned = kernel[::-1, ::-1].transpose(0, 1, 3, 2)
    expected = convolution_by_definition(dy, turned, np.zeros(2), padding=3 - 1 - padding)
    dx = layer.backward(dy, cache)
    assert np.abs(dx - expected).max() <= 1e-13 * np.abs(expected).max()
    # and, entry by entry, dx_mnk = Σ_uvk′ dy[m + p − u, n + p − v, k′] · w_uvkk′
    H, W, _ = dy.shape
    for m, n, k in np.ndindex(dx.shape):
        total = 0
        for u, v, k_ in np.ndindex(3, 3, 4):
            i, j = m + padding - u, n + padding - v
            if 0 <= i < H and 0 <= j < W:
                total += dy[i, j, k_] * kernel[u, v, k, k_]
        assert abs(dx[m, n, k] - total) <= 1e-12


@pytest.mark.parametrize(("dtype", "bound"), [(np.float64, 1e-13), (np.float32, 1e-6)])
def test_convolution_backward_is_the_adjoint_on_200_random_shapes(dtype, bound):
    rng = np.random.default_rng(1)
    for _ in range(200):
        kh, kw, C_in, C_out, stride = rng.integers(1, 5, 5)
        padding = rng.integers(0, 4)
        H, W = rng.integers(max(kh, kw), 14, 2)
        kernel = rng.standard_normal((kh, kw, C_in, C_out)).astype(dtype)
        layer = Convolution(kernel, np.zeros(C_out, dtype), int(stride), int(padding))
        x = rng.standard_normal((H, W, C_in)).astype(dtype)
        Ax, cache = layer.forward(x)
        y = rng.standard_normal(Ax.shape).astype(dtype)
        Aty = layer.backward(y, cache)
        assert Aty.shape == x.shape and Aty.dtype == dtype
        assert adjoint_error(Ax, y, x, Aty) <= bound, (H, W, kernel.shape, stride, padding)


@pytest.mark.parametrize(("dtype", "bound"), [(np.float64, 1e-13), (np.float32, 1e-6)])
def test_col2im_is_the_adjoint_of_im2col_on_200_random_shapes(dtype, bound):
    rng = np.random.default_rng(2)
    for _ in range(200):
        kh, kw, C, stride = map(int, rng.integers(1, 5, 4))
        padding = int(rng.integers(0, 3))
        H, W = map(int, rng.integers(max(kh, kw), 12, 2))
        x = rng.standard_normal((H, W, C)).astype(dtype)
        Ax = im2col(x, (kh, kw), stride, padding)
        y = rng.standard_normal(Ax.shape).astype(dtype)
        Aty = col2im(y, x.shape, (kh, kw), stride, padding)
        assert adjoint_error(Ax, y, x, Aty) <= bound


def test_convolution_keeps_no_values_of_its_input(rng):
    layer = Convolution(rng.standard_normal((3, 3, 2, 2)), np.zeros(2))
    _, cache = layer.forward(rng.standard_normal((4, 5, 2)))
    assert cache == (4, 5, 2)


def test_convolution_says_what_does_not_fit(rng):
    layer = Convolution(rng.standard_normal((5, 5, 2, 2)), np.zeros(2), padding=0, name="conv9")
    with pytest.raises(ValueError, match="conv9: got 3 channels, but its kernel takes 2"):
        layer.forward(np.zeros((6, 6, 3)))
    with pytest.raises(ValueError, match="a kernel of 5×5 with padding 0 does not fit into 4×6"):
        layer.forward(np.zeros((4, 6, 2)))


# ---------------------------------------------------------------------- ReLU


def test_relu_by_hand():
    # negative → 0, zero → 0 with no gradient, positive → itself
    y, mask = ReLU().forward(column(-2, 0, 3))
    assert y.ravel().tolist() == [0, 0, 3]
    assert mask.ravel().tolist() == [False, False, True]
    assert ReLU().backward(column(5, 6, 7), mask).ravel().tolist() == [0, 0, 7]


def test_relu_passes_nan_on():
    # A NaN must show in J, not vanish in a comparison.
    assert np.isnan(ReLU().forward(column(np.nan))[0]).all()


# ------------------------------------------------------------------- pooling


def picture(rows):
    return np.array(rows, float)[:, :, None]


def test_max_pool_by_hand():
    x = picture([[1, 5, 2, 0], [3, 4, 8, 7]])
    y, (switches, shape) = MaxPool().forward(x)
    assert y.ravel().tolist() == [5, 8]
    assert switches.ravel().tolist() == [1, 2]
    assert shape == (2, 4, 1)
    dx = MaxPool().backward(picture([[10, 20]]), (switches, shape))
    assert dx[:, :, 0].tolist() == [[0, 10, 0, 0], [0, 0, 20, 0]]


@pytest.mark.parametrize(
    ("window", "winner"),
    [
        ([[1, 1], [1, 1]], 0),
        ([[0, 1], [1, 1]], 1),
        ([[0, 0], [1, 1]], 2),
        ([[0, 0], [0, 1]], 3),
        ([[-1, -1], [-2, -1]], 0),
    ],
)
def test_max_pool_gives_ties_to_the_first(window, winner):
    _, cache = MaxPool().forward(picture(window))
    dx = MaxPool().backward(picture([[7]]), cache)
    assert np.flatnonzero(dx).tolist() == [winner]


def test_max_pool_passes_nan_on():
    for corner in range(4):
        window = np.zeros(4)
        window[corner] = np.nan
        assert np.isnan(MaxPool().forward(window.reshape(2, 2, 1))[0]).all()


def test_average_pool_by_hand():
    x = picture([[1, 5], [3, 7]])
    y, cache = AveragePool().forward(x)
    assert y.item() == 4  # (1 + 5 + 3 + 7) / 4
    assert AveragePool().backward(picture([[8]]), cache)[:, :, 0].tolist() == [[2, 2], [2, 2]]


def test_a_partial_window_is_the_largest_or_the_mean_of_what_is_there():
    x = picture([[1, 5, 2], [3, 7, 8], [6, 4, 9]])
    # windows: [1 5; 3 7], [2; 8], [6 4], [9]
    largest, mean = MaxPool(partial_windows=True), AveragePool(partial_windows=True)
    y, cache = largest.forward(x)
    assert y[:, :, 0].tolist() == [[7, 8], [6, 9]]
    dx = largest.backward(picture([[10, 20], [30, 40]]), cache)
    assert dx[:, :, 0].tolist() == [[0, 0, 0], [0, 10, 20], [30, 0, 40]]
    y, cache = mean.forward(x)
    assert y[:, :, 0].tolist() == [[4, 5], [5, 9]]  # 16/4, 10/2; 10/2, 9/1
    dx = mean.backward(picture([[8, 20], [30, 40]]), cache)
    assert dx[:, :, 0].tolist() == [[2, 2, 10], [2, 2, 10], [15, 15, 40]]


@pytest.mark.parametrize("kind", [MaxPool, AveragePool])
@pytest.mark.parametrize("shape", SHAPES)
def test_partial_windows_leave_no_entry_out(kind, shape, rng):
    layer, whole = kind(partial_windows=True), kind()
    x = rng.standard_normal(shape)
    y, cache = layer.forward(x)
    H, W, C = shape
    assert y.shape == ((H + 1) // 2, (W + 1) // 2, C) == layer.output_shape(shape)
    dy = rng.standard_normal(y.shape)
    dx = layer.backward(dy, cache)
    assert dx.shape == x.shape and np.isclose(dx.sum(), dy.sum())
    expected, cache = whole.forward(x)
    inside = dy[: H // 2, : W // 2]
    assert np.array_equal(y[: H // 2, : W // 2], expected)
    even = np.s_[: H // 2 * 2, : W // 2 * 2]
    assert np.array_equal(dx[even], whole.backward(inside, cache)[even])


@pytest.mark.parametrize("layer", [MaxPool(), AveragePool()])
@pytest.mark.parametrize("shape", SHAPES)
def test_pools_halve_and_drop_an_odd_last_row_or_column(layer, shape, rng):
    x = rng.standard_normal(shape)
    y, cache = layer.forward(x)
    H, W, C = shape
    assert y.shape == (H // 2, W // 2, C) == layer.output_shape(shape)
    dx = layer.backward(np.ones_like(y), cache)
    assert dx.shape == x.shape
    assert np.isclose(dx.sum(), y.size)
    assert not dx[H // 2 * 2 :].any() and not dx[:, W // 2 * 2 :].any()


def test_max_pool_unpooling_is_the_adjoint_for_fixed_switches(rng):
    x, y = rng.standard_normal((6, 8, 3)), rng.standard_normal((3, 4, 3))
    Ax, cache = MaxPool().forward(x)
    # ⟨Ax, y⟩ = ⟨x, Aᵀy⟩, since the pool is linear where its switches do not change
    assert adjoint_error(Ax, y, x, MaxPool().backward(y, cache)) <= 1e-13


# ------------------------------------------------------------- preprocessing


def test_preprocess_by_hand():
    red, green, blue = 123.68 + 1, 116.779 + 2, 103.939 + 3
    y, cache = Preprocess().forward(np.array([[[red, green, blue]]]))
    assert np.allclose(y, [[[3, 2, 1]]], atol=1e-12)  # blue first
    dx = Preprocess().backward(np.array([[[30.0, 20.0, 10.0]]]), cache)
    assert dx.tolist() == [[[10, 20, 30]]]  # red first again


def test_preprocess_with_another_mean_by_hand():
    layer = Preprocess(mean=(1.0, 2.0, 3.0))  # blue, green, red
    assert layer.forward(np.array([[[13.0, 22.0, 31.0]]]))[0].tolist() == [[[30, 20, 10]]]
    assert mean_colour([ReLU(), layer]) == (3, 2, 1)
    assert not layer.forward(np.array([[mean_colour([layer])]]))[0].any()


@pytest.mark.parametrize("mean", [(1, 2), (1, 2, 256), (1, 2, float("nan")), "abc", None])
def test_a_mean_that_is_no_colour_is_refused(mean):
    with pytest.raises(ValueError, match="wanted three numbers in 0–255"):
        check_mean(mean)


# ----------------------------------------------------------------- all layers


def all_layers(rng, dtype):
    kernel = rng.standard_normal((3, 3, 3, 2)).astype(dtype)
    convolution = Convolution(kernel, np.ones(2, dtype))
    return [Preprocess(), convolution, ReLU(), MaxPool(), AveragePool()]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_layer_keeps_its_precision_and_its_input(dtype, rng):
    for layer in all_layers(rng, dtype):
        x = rng.standard_normal((5, 6, 3)).astype(dtype)
        before = x.copy()
        y, cache = layer.forward(x)
        assert y.dtype == dtype and y.shape == layer.output_shape(x.shape)
        dy = rng.standard_normal(y.shape).astype(dtype)
        dy_before = dy.copy()
        dx = layer.backward(dy, cache)
        assert dx.dtype == dtype and dx.shape == x.shape
        assert np.array_equal(x, before) and np.array_equal(dy, dy_before)


# ------------------------------------------- the fast layers: the same numbers, another way

FAST = [
    *(pytest.param(partial(WinogradConvolution, tile=n), id=f"tiles of {n}") for n in (2, 4, 6)),
    WholeConvolution,
    PlaneConvolution,
    FastConvolution,
]
# one pixel; one tile; parts of tiles; a strip; strips with a rest; rows wider than a strip
MAPS = [(1, 1), (4, 4), (3, 5), (9, 14), (32, 64), (70, 61), (6, 600)]


def same(a, b, bound):
    """Tell whether two arrays agree within ``bound`` of the second one's largest entry."""
    return a.shape == b.shape and np.abs(a - b).max() <= bound * np.abs(b).max()


@pytest.mark.parametrize("kind", FAST)
@pytest.mark.parametrize("size", MAPS)
@pytest.mark.parametrize(("dtype", "bound"), [(np.float64, 1e-13), (np.float32, 1e-5)])
def test_fast_convolution_equals_the_plain_one(kind, size, dtype, bound, rng):
    kernel, bias = rng.standard_normal((3, 3, 9, 6)), rng.standard_normal(6)
    x, dy = rng.standard_normal((*size, 9)), rng.standard_normal((*size, 6))
    plain = Convolution(kernel, bias)
    y, cache = plain.forward(x)
    layer = kind(kernel.astype(dtype), bias.astype(dtype), workspace=Workspace(2))
    fast, fast_cache = layer.forward(x.astype(dtype))
    assert fast.dtype == dtype and same(fast, y, bound) and fast_cache == cache
    dx = layer.backward(dy.astype(dtype), fast_cache)
    assert dx.dtype == dtype and same(dx, plain.backward(dy, cache), bound)


@pytest.mark.parametrize("kind", FAST)
def test_fast_convolution_equals_the_definition(kind, rng):
    kernel, bias = rng.standard_normal((3, 3, 3, 4)), rng.standard_normal(4)
    x = rng.standard_normal((7, 6, 3))
    assert same(kind(kernel, bias).forward(x)[0], convolution_by_definition(x, kernel, bias), 1e-13)


@pytest.mark.parametrize("kind", FAST)
@pytest.mark.parametrize(("dtype", "bound"), [(np.float64, 1e-13), (np.float32, 1e-6)])
def test_fast_convolution_backward_is_the_adjoint_on_40_random_shapes(kind, dtype, bound):
    rng = np.random.default_rng(3)
    for _ in range(40):
        H, W, C_in, C_out = rng.integers(1, 24, 4)
        kernel = rng.standard_normal((3, 3, C_in, C_out)).astype(dtype)
        layer = kind(kernel, np.zeros(C_out, dtype))
        x = rng.standard_normal((H, W, C_in)).astype(dtype)
        Ax, cache = layer.forward(x)
        y = rng.standard_normal(Ax.shape).astype(dtype)
        assert adjoint_error(Ax, y, x, layer.backward(y, cache)) <= bound, x.shape


def test_winograd_refuses_other_kernels(rng):
    with pytest.raises(ValueError, match="wanted a 3×3 kernel with stride 1 and padding 1"):
        WinogradConvolution(rng.standard_normal((5, 5, 2, 2)), np.zeros(2), padding=2)
    with pytest.raises(ValueError, match="got a tile of 3, wanted 2, 4 or 6"):
        WinogradConvolution(rng.standard_normal((3, 3, 2, 2)), np.zeros(2), tile=3)
    with pytest.raises(ValueError, match="wanted a kernel of floating-point numbers"):
        WinogradConvolution(np.ones((3, 3, 2, 2), int), np.zeros(2, int))


def test_the_fastest_convolution_takes_any_kernel(rng):
    kernel = rng.standard_normal((2, 3, 3, 2))
    x = rng.standard_normal((7, 6, 3))
    y, cache = Convolution(kernel, np.ones(2), 2, 1).forward(x)
    layer = FastConvolution(kernel, np.ones(2), 2, 1)
    assert np.array_equal(layer.forward(x)[0], y)
    assert np.array_equal(
        layer.backward(y, cache), Convolution(kernel, np.ones(2), 2, 1).backward(y, cache)
    )


def test_the_fastest_convolution_chooses_by_shape():
    def kind(C_in, C_out, *size):
        layer = FastConvolution(np.zeros((3, 3, C_in, C_out)), np.zeros(C_out))
        algorithm = layer.algorithm((*size, C_in))
        return getattr(algorithm, "tile", type(algorithm))

    assert kind(3, 64, 64, 64) is PlaneConvolution
    assert kind(64, 64, 6, 6) is WholeConvolution
    assert kind(64, 64, 14, 20) == 2
    assert kind(64, 64, 64, 64) == 4
    assert kind(64, 64, 128, 128) == 6
    assert kind(256, 256, 64, 64) == 6
    assert kind(512, 512, 128, 128) == 4


def test_only_one_transformed_kernel_is_kept(rng):
    layer = FastConvolution(rng.standard_normal((3, 3, 9, 9)), np.zeros(9))
    for size in (250, 14, 32):
        layer.forward(rng.standard_normal((size, size, 9)))
        kept = [name for other in layer._winograd.values() for name in vars(other) if name == "U"]
        assert len(kept) == 1
        layer.memory((99, 99, 9))  # asking changes nothing
        assert sum("U" in vars(other) for other in layer._winograd.values()) == 1


@pytest.mark.parametrize(
    ("plain", "fast", "options"),
    [
        (ReLU, FastReLU, {}),
        (MaxPool, FastMaxPool, {}),
        (AveragePool, FastAveragePool, {}),
        (MaxPool, FastMaxPool, {"partial_windows": True}),
        (AveragePool, FastAveragePool, {"partial_windows": True}),
    ],
)
@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (5, 7, 3), (65, 40, 64), (64, 41, 64), (301, 511, 3), (300, 512, 3)]
)
def test_strips_equal_the_whole(plain, fast, options, shape, rng):
    layer, in_strips = plain(**options), fast(workspace=Workspace(2), **options)
    ties = rng.integers(-2, 3, shape).astype(float)
    for x in (rng.standard_normal(shape), ties):
        y, cache = layer.forward(x)
        fast_y, fast_cache = in_strips.forward(x)
        assert np.array_equal(fast_y, y)
        dy = rng.standard_normal(y.shape)
        assert np.array_equal(in_strips.backward(dy, fast_cache), layer.backward(dy, cache))


def test_a_relu_remembers_a_bit_an_entry(rng):
    _, cache = FastReLU().forward(rng.standard_normal((5, 6, 12)))
    assert cache.dtype == np.uint8 and cache.shape == (5, 6 * 12 // 8)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 4, 5), (90, 70, 64)])
def test_the_gram_matrix_in_strips_equals_the_whole(shape, rng):
    a = rng.standard_normal(shape)
    gram, cache = Gram().forward(a)
    fast_gram, fast_cache = FastGram(workspace=Workspace(2)).forward(a)
    assert same(fast_gram, gram, 1e-13) and np.array_equal(fast_gram, fast_gram.T)
    dgram = rng.standard_normal(gram.shape)
    da = FastGram(workspace=Workspace(2)).backward(dgram, fast_cache)
    assert same(da, Gram().backward(dgram, cache), 1e-13)


@pytest.mark.parametrize("kind", FAST)
def test_results_do_not_depend_on_threads_and_are_never_overwritten(kind, rng):
    kernel = rng.standard_normal((3, 3, 9, 6))
    xs = rng.standard_normal((3, 70, 61, 9))
    results = []
    for threads in (1, 2, 5):
        layer = kind(kernel, np.zeros(6), workspace=Workspace(threads))
        ys = [layer.forward(x)[0] for x in xs]
        results.append([*ys, *(layer.backward(y, xs[0].shape) for y in ys)])
    for other in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(results[0], other, strict=True))
