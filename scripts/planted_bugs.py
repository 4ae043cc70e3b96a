"""The classic mistakes of hand-written backpropagation, as edits of this package's source.

Each `Bug` replaces one piece of text in one module. `plant` copies the package, makes the edit
there and leaves the original alone; ``check_gradients.py --bug NAME`` and the test suite then
show that the copy is caught.
"""

import os
import shutil
from pathlib import Path
from typing import NamedTuple

import scratchnet

PACKAGE = Path(scratchnet.__file__).parent


class Bug(NamedTuple):
    """One mistake: what it is, the edit that makes it, and the test file that catches it.

    ``by_gradients`` is False where the derivative stays right, but of a wrong function, or only
    the choice on a kink changes: no gradient check can see that, and a worked example must.
    """

    name: str
    mistake: str
    module: str
    right: str
    wrong: str
    test: str = "test_derivatives.py"
    by_gradients: bool = True


LAYER_TEST = {"test": "test_layers.py", "by_gradients": False}
LOSS_TEST = {"test": "test_losses.py", "by_gradients": False}
NETWORK_TEST = {"test": "test_fast_network.py", "by_gradients": False}


CONVOLUTION, POOLING = "network/convolution.py", "network/pooling.py"
RELU, PREPROCESSING = "network/relu.py", "network/preprocessing.py"
GRAM, NETWORK = "network/gram.py", "network/network.py"
LOSSES, TERMS, OBJECTIVE = "style/losses.py", "style/terms.py", "style/objective.py"
TRANSFORMS, WINOGRAD, PLANES = "fast/transforms.py", "fast/winograd.py", "fast/planes.py"
FAST_RELU, FAST_POOLING = "fast/relu.py", "fast/pooling.py"
FAST_GRAM, STAGE, FAST_NETWORK = "fast/gram.py", "fast/stage.py", "fast/network.py"
UNITS, FIELDS, CORRELATION = (
    "units/strongest.py", "units/receptive_field.py", "units/correlation.py",
)  # fmt: skip
DECONVNET, OCCLUSION = "units/deconvnet.py", "units/occlusion.py"

BUGS = [
    Bug("kernel-not-rotated", "going back, the kernel is applied in the wrong order",
        CONVOLUTION, "+= patches[:, :, u, v]", "+= patches[:, :, kh - 1 - u, kw - 1 - v]"),
    Bug("channel-axes-not-swapped", "the kernel's matrix goes back untransposed",
        CONVOLUTION, "@ self.omega.T", "@ self.omega.reshape(self.omega.T.shape)"),
    Bug("overlap-not-added", "a pixel in several patches keeps only the last patch's gradient",
        CONVOLUTION, "+= patches[:, :, u, v]", "= patches[:, :, u, v]"),
    Bug("padding-kept", "the padding is cut off at the wrong side",
        CONVOLUTION, "x[padding : padding + H, padding : padding + W]", "x[:H, :W]"),
    Bug("patch-transposed", "rows and columns of a patch change places",
        CONVOLUTION, ".transpose(0, 1, 3, 4, 2)", ".transpose(0, 1, 4, 3, 2)"),
    Bug("channels-before-taps", "patches are laid out channel by channel, the kernel is not",
        CONVOLUTION, ".transpose(0, 1, 3, 4, 2)", ".transpose(0, 1, 2, 3, 4)"),
    Bug("bias-forgotten", "the bias is not added",
        CONVOLUTION, "@ self.omega + self.bias", "@ self.omega"),
    Bug("stride-forgotten-back", "col2im steps by one pixel whatever the stride",
        CONVOLUTION, "x[u : u + stride * rows : stride, v : v + stride * cols : stride]",
        "x[u : u + rows, v : v + cols]"),
    Bug("output-size", "the output is one row and column short",
        CONVOLUTION, "// stride + 1", "// stride"),
    Bug("bias-gradient-mean", "the bias's gradient is a mean instead of a sum",
        CONVOLUTION, "dY.sum(axis=0)", "dY.mean(axis=0)"),
    Bug("kernel-gradient-transposed", "the kernel's gradient is dYᵀX with its axes never swapped",
        CONVOLUTION, "self.patches(x).T @ dY", "dY.T @ self.patches(x)"),
    Bug("winograd-kernel-not-transposed", "Winograd's products go back with the kernel as it is",
        WINOGRAD, "U = self.U_transposed", "U = self.U.reshape(U.shape)"),
    Bug("winograd-kernel-not-turned", "Winograd goes back with the matrices of the way forward",
        WINOGRAD, "dtype, U, *self.turned, 0", "dtype, U, *self.matrices[::2], 0"),
    Bug("winograd-factor-forgotten", "the values of the turned kernel are taken for the kernel's",
        TRANSFORMS, "return A, B * f", "return A, B"),
    Bug("winograd-tiles-shifted", "tiles begin at the map's edge, not in its padding",
        WINOGRAD, "read(self.tile * rows.start - 1, self.tile * rows.stop + 1)",
        "read(self.tile * rows.start, self.tile * rows.stop + 2)", **LAYER_TEST),
    Bug("winograd-kernel-axes", "rows and columns of the kernel change places",
        WINOGRAD, '"bv,au->bauv"', '"bu,av->bauv"', **LAYER_TEST),
    Bug("winograd-bias-point", "the bias is added at the point −1, where odd powers are −1",
        WINOGRAD, "one = POINTS[self.tile].index(1)", "one = POINTS[self.tile].index(-1)",
        **LAYER_TEST),
    Bug("planes-tap-reversed", "in the first layer, taps of the kernel go back in the wrong order",
        PLANES, "P[first : first + C_in, 2 - u : 2 - u + n]",
        "P[first : first + C_in, u : u + n]"),
    Bug("relu-mask-wrong-side", "the ReLU lets gradients through where its input was negative",
        RELU, "np.maximum(x, 0), x > 0", "np.maximum(x, 0), x < 0"),
    Bug("relu-mask-at-zero", "the ReLU has a gradient at 0, where it claims none",
        RELU, "np.maximum(x, 0), x > 0", "np.maximum(x, 0), x >= 0", **LAYER_TEST),
    Bug("relu-mask-forgotten", "the ReLU passes every gradient on",
        RELU, "return dy * cache", "return dy"),
    Bug("relu-mask-of-gradient", "the mask is taken from the gradient, not from the input",
        RELU, "return dy * cache", "return dy * (dy > 0)"),
    Bug("pool-wrong-winner", "max pooling sends its gradient to the corner after the winner",
        POOLING, "switches == n", "switches == (n + 1) % 4"),
    Bug("pool-all-winners", "max pooling sends its gradient to all four corners",
        POOLING, "switches == n", "switches < 4"),
    Bug("pool-last-of-ties", "of equals in max pooling the last wins, not the first",
        POOLING, "(corners.argmax(axis=0), x.shape)",
        "(3 - corners[::-1].argmax(axis=0), x.shape)", **LAYER_TEST),
    Bug("pool-corners-swapped", "rows and columns of the corners change places going back",
        POOLING, "corner(dx, u, v)[:] = dy * (switches == n)",
        "corner(dx, v, u)[:] = dy * (switches == n)"),
    Bug("average-not-divided", "average pooling hands the whole gradient to each corner",
        POOLING, "corner(dx, u, v)[:] = dy / 4", "corner(dx, u, v)[:] = dy"),
    Bug("average-of-two", "average pooling divides by 2",
        POOLING, "for u, v in CORNERS) / 4", "for u, v in CORNERS) / 2"),
    Bug("bgr-not-undone", "the gradient arrives in BGR, not in RGB",
        PREPROCESSING, "return dy[..., ::-1]", "return dy"),
    Bug("bgr-forgotten", "the network is fed RGB",
        PREPROCESSING, "x[..., ::-1] -", "x -"),
    Bug("mean-in-rgb-order", "the mean is subtracted in RGB order",
        PREPROCESSING, "MEAN_BGR, x.dtype)", "MEAN_BGR[::-1], x.dtype)", **LAYER_TEST),
    Bug("gram-factor-2", "the Gram matrix's factor of 2 is forgotten",
        GRAM, "A @ (dgram + dgram.T)", "A @ dgram"),
    Bug("gram-one-side", "only the first factor of the Gram matrix is differentiated",
        GRAM, "A @ (dgram + dgram.T)", "A @ (dgram + dgram)"),
    Bug("gram-transposed", "which positions look alike, not which channels fire together",
        GRAM, "return A.T @ A, a", "return A @ A.T, a"),
    Bug("gram-reshape-order", "channels and positions are mixed by a reshape",
        GRAM, "A = a.reshape(-1, a.shape[-1])", "A = a.reshape(a.shape[-1], -1).T"),
    Bug("content-sign", "the content gradient points away from the content",
        LOSSES, "da = a_G - a_C", "da = a_C - a_G"),
    Bug("content-half", "the ½ of the content loss is forgotten",
        LOSSES, "return 0.5 * np.sum(da**2), da", "return np.sum(da**2), da"),
    Bug("style-positions", "the style gradient is not divided by the positions",
        TERMS, "weight / M * dgram", "weight * dgram"),
    Bug("style-normalisation", "the style loss is divided by 2C² instead of 4C²",
        LOSSES, "np.sum(D**2) / (4 * C**2)", "np.sum(D**2) / (2 * C**2)"),
    Bug("style-target-raw", "the style image's Gram matrix is not divided by its positions",
        TERMS, "return total / (a.shape[0] * a.shape[1])", "return total", **LOSS_TEST),
    Bug("tv-one-sided", "a difference's gradient reaches only one of its two pixels",
        LOSSES, "    dimage[:-1] -= down\n", ""),
    Bug("tv-wrapped", "horizontal differences act on rows",
        LOSSES, "dimage[:, 1:] += right", "dimage[:, :-1] += right"),
    Bug("gradients-not-summed", "where two gradients meet, the one from above is lost",
        NETWORK, "da = gradients[layer.name] + da", "da = gradients[layer.name]"),
    Bug("own-gradient-lost", "where two gradients meet, the layer's own one is lost",
        NETWORK, "da = gradients[layer.name] + da",
        "da = da if isinstance(da, np.ndarray) else gradients[layer.name]"),
    Bug("gradient-before-layer", "a gradient is added below its layer instead of above it",
        NETWORK, "            da = layer.backward(da, cache)\n",
        "            if layer.name not in gradients:\n"
        "                da = layer.backward(da, cache)\n"),
    Bug("weight-on-value-only", "the content weight scales J, but not its gradient",
        TERMS, "da *= weight / a_G.size", "da *= 1 / a_G.size"),
    Bug("content-style-overwritten", "a layer in both lists keeps only its style gradient",
        OBJECTIVE, "g = da if g is None else g + da", "g = da"),
    Bug("tv-gradient-forgotten", "the total variation has a value, but no gradient",
        TERMS, "weight * dimage", "0 * dimage"),
    Bug("fast-relu-mask-shifted", "in the fast ReLU, a row is gated by the mask of the row above",
        STAGE, "self.caches[0][rows]", "np.roll(self.caches[0], 1, axis=0)[rows]", **NETWORK_TEST),
    Bug("fast-pool-window-cut", "a strip that begins inside a pool's window loses its first row",
        STAGE, "before = max(0, first - rows.start)", "before = 0", **NETWORK_TEST),
    Bug("fast-stopped-windows-open", "windows whose winner the ReLU stopped let gradients through",
        FAST_POOLING, "memory[to] += STOPPED * (y[to] == 0).view(np.uint8)", "pass",
        **NETWORK_TEST),
    Bug("fast-own-gradient-lost", "the gradient of J's own terms at a ReLU before a pool is lost",
        STAGE, "                room += self.g[rows]\n", "                pass\n", **NETWORK_TEST),
    Bug("fast-pool-last-of-ties", "of equals in the fast max pooling the last wins, not the first",
        FAST_POOLING, "np.greater(b, a, out=above)", "np.greater_equal(b, a, out=above)",
        **LAYER_TEST),
    Bug("fast-gram-factor-2", "the fast Gram matrix's factor of 2 is forgotten",
        FAST_GRAM, "np.add(dgram[s], dgram.T[s], out=both[s])",
        "np.copyto(both[s], dgram[s])"),
    Bug("field-padding-in-units", "padding is counted in units of its layer, not in pixels",
        FIELDS, "p += q * jump", "p += q", "test_receptive_field.py", by_gradients=False),
    Bug("field-jump-too-early", "a pool's own window is counted with the jump that comes after it",
        FIELDS, "        r += (n - 1) * jump\n        jump *= s\n",
        "        jump *= s\n        r += (n - 1) * jump\n", "test_receptive_field.py",
        by_gradients=False),
    Bug("patches-overlap", "of one picture, only the very same position is struck out",
        UNITS, "np.maximum(reach, HAIR) * its_scale", "HAIR * its_scale", "test_units.py",
        by_gradients=False),
    Bug("weakest-kept", "merging keeps the weakest patches",
        UNITS, "picture, -value)", "picture, value)", "test_units.py", by_gradients=False),
    Bug("crop-corner-swapped", "at a border, the cut-out piece is put into the wrong corner",
        UNITS, "start = rows.start - top, cols.start - left",
        "start = cols.start - left, rows.start - top", "test_units.py", by_gradients=False),
    Bug("deconvnet-masked", "the deconvnet's rule is guided backpropagation's",
        DECONVNET, '"deconvnet": lambda relu, g, cache: np.maximum(g, 0)',
        '"deconvnet": lambda relu, g, cache: relu.backward(np.maximum(g, 0), cache)',
        "test_deconvnet.py", by_gradients=False),
    Bug("deconvnet-crop-unaligned", "a crop begins where the field does, and pools cut other pairs",
        DECONVNET, "max(0, top // j * j), max(0, left // j * j)", "max(0, top), max(0, left)",
        "test_deconvnet.py", by_gradients=False),
    Bug("occlusion-not-taken-back", "a covered square stays covered",
        OCCLUSION, "covered = part.copy()", "covered = part", "test_occlusion.py",
        by_gradients=False),
    Bug("strength-unnormalised", "a pair is strong if its channels are",
        CORRELATION, "np.divide(gram, lengths, out", "np.divide(gram, lengths.max(), out",
        "test_correlation.py", by_gradients=False),
    Bug("contribution-halved", "k, k′ and k′, k count as two pairs",
        CORRELATION, "both = contributions + contributions.T", "both = 1 * contributions",
        "test_correlation.py", by_gradients=False),
]  # fmt: skip


def plant(bug: Bug, folder: Path) -> Path:
    """Copy the package to ``folder`` and make the edit there; returns what to import it from.

    Raises ValueError if the text to replace is not in the module exactly once: the source has
    changed, and the bug must follow it.
    """
    copy = folder / "scratchnet"
    shutil.copytree(
        PACKAGE,
        copy,
        ignore=shutil.ignore_patterns("pretrained", "__pycache__"),
        dirs_exist_ok=True,
    )
    weights = folder / "weights" / "vgg16.h5"
    weights.parent.mkdir(exist_ok=True)
    if not weights.exists():
        from scratchnet.files.weights import embedded_weights

        os.symlink(embedded_weights(), weights)
    module = copy / bug.module
    source = module.read_text(encoding="utf-8")
    if (times := source.count(bug.right)) != 1:
        raise ValueError(f"{bug.name}: {bug.module} holds {bug.right!r} {times} times, not once")
    module.write_text(source.replace(bug.right, bug.wrong), encoding="utf-8")
    return folder
