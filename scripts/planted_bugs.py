"""The classic mistakes of hand-written backpropagation, as edits of this package's source.

Those that can be made in an exercise are in `scratchnet.exercises.mistakes`, the others here. Each
`Bug` replaces one piece of text in one module. `plant` copies the package, makes the edit there and
leaves the original alone; ``check_gradients.py --bug NAME`` and the test suite then show that the
copy is caught.
"""

import os
import shutil
from pathlib import Path
from typing import NamedTuple

import scratchnet
from scratchnet.exercises.catalogue import EXERCISES
from scratchnet.exercises.mistakes import MISTAKES

PACKAGE = Path(scratchnet.__file__).parent


def module_file(exercise: str) -> str:
    """Return where the code of an exercise is, within the package."""
    return "/".join(EXERCISES[exercise].module.split(".")[1:]) + ".py"


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
OPTIMIZER_TEST = {"test": "test_optimizers.py", "by_gradients": False}
UNIT_TEST = {"test": "test_deconvnet.py", "by_gradients": False}

CONVOLUTION, RELU, NETWORK = "network/convolution.py", "network/relu.py", "network/network.py"
WASSERSTEIN, MASKS = "style/wasserstein.py", "style/masks.py"
TERMS, OBJECTIVE, LOSSES = "style/terms.py", "style/objective.py", "style/losses.py"
TRANSFORMS, WINOGRAD, PLANES = "fast/transforms.py", "fast/winograd.py", "fast/planes.py"
POOLING, FAST_POOLING = "network/pooling.py", "fast/pooling.py"
FAST_GRAM, STAGE = "fast/gram.py", "fast/stage.py"
UNITS, FIELDS, CORRELATION = (
    "units/strongest.py", "units/receptive_field.py", "units/correlation.py",
)  # fmt: skip
PART, OCCLUSION = "units/unit_part.py", "units/occlusion.py"

# Mistakes of the exercises that no gradient check can see, and the test files that do.
SEEN_BY = {
    "relu-mask-at-zero": LAYER_TEST,
    "pool-last-of-ties": LAYER_TEST,
    "mean-in-rgb-order": LAYER_TEST,
    "bias-forgotten": LAYER_TEST,
    **dict.fromkeys((m.name for m in MISTAKES["momentum"]), OPTIMIZER_TEST),
    **dict.fromkeys((m.name for n in ("deconvnet", "guided") for m in MISTAKES[n]), UNIT_TEST),
}
BUGS = [
    *(
        Bug(m.name, m.what, module_file(exercise), m.right, m.wrong, **SEEN_BY.get(m.name, {}))
        for exercise, mistakes in MISTAKES.items() for m in mistakes
    ),
    Bug("output-size", "the output is one row and column short",
        CONVOLUTION, "// stride + 1", "// stride"),
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
    Bug("style-positions", "the style gradient is not divided by the positions",
        TERMS, "weight / M * dgram", "weight * dgram"),
    Bug("style-target-raw", "the style image's Gram matrix is not divided by its positions",
        LOSSES, "return total / (a.shape[0] * a.shape[1])", "return total", **LOSS_TEST),
    Bug("mask-not-led-back", "what a mask weighs on the way up is not weighed on the way back",
        MASKS, "np.multiply(self.t[:, :, None], db, out=db)", "db"),
    Bug("covariance-mean-forgotten", "a covariance is led back as if its mean were fixed at 0",
        WASSERSTEIN, "dmean - 2 * dcovariance @ mean", "dmean"),
    Bug("inverse-root-forgotten", "the derivative of tr X^½ is taken for R R, without X^−½",
        WASSERSTEIN, "(RV / np.sqrt(values)) @ RV.T", "RV @ RV.T"),
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
    Bug("copies-not-added", "of a partial window, what a copied row receives is lost",
        POOLING, "dx[H - 1] += dx[H]", "pass"),
    Bug("copies-of-zeros", "a partial window is filled up with zeros, which win over what is below",
        POOLING, '(0, 0)), "edge")', "(0, 0)))", **LAYER_TEST),
    Bug("fast-partial-quarters", "the fast partial windows share by four, however few corners",
        FAST_POOLING, "share = dy / len(corners)", "share = dy / 4"),
    Bug("fast-gram-factor-2", "the fast Gram matrix's factor of 2 is forgotten",
        FAST_GRAM, "np.add(dgram[s], dgram.T[s], out=both[s])",
        "np.copyto(both[s], dgram[s])"),
    Bug("field-padding-in-units", "padding is counted in units of its layer, not in pixels",
        FIELDS, "p += q * jump", "p += q", "test_receptive_field.py", by_gradients=False),
    Bug("field-jump-too-early", "a pool's own window is counted with the jump that comes after it",
        FIELDS, "        r += (n - 1) * jump\n        # jump ← jump·s\n        jump *= s\n",
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
    Bug("part-unaligned", "a crop begins in the midst of a stride, and windows lie elsewhere",
        PART, "max(axis.start * s - q, 0) // s * s", "max(axis.start * s - q, 0)",
        "test_unit_part.py", by_gradients=False),
    Bug("part-too-small", "a crop ends a row and a column too early",
        PART, "min((axis.stop - 1) * s - q + n, H)", "min((axis.stop - 1) * s - q + n - 1, H)",
        "test_unit_part.py", by_gradients=False),
    Bug("crop-back-to-the-corner", "what comes back from a crop is put where the map begins",
        PART, "dx[self.rows, self.columns] = dy", "dx[: dy.shape[0], : dy.shape[1]] = dy",
        "test_unit_part.py"),
    Bug("occlusion-not-taken-back", "a covered square stays covered",
        OCCLUSION, "covered[:] = before", "pass", "test_occlusion.py", by_gradients=False),
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
