"""All exercises, in the order in which data flows."""

from scratchnet.exercises import trials
from scratchnet.exercises.exercise import Exercise

NETWORK, STYLE = "scratchnet.network.", "scratchnet.style."
CONVOLUTION = NETWORK + "convolution"
_FORWARD = ("forward", "output_shape")

EXERCISES = {
    exercise.name: exercise
    for exercise in [
        Exercise(
            "relu", "the backward pass of the ReLU", NETWORK + "relu", "ReLU.backward",
            (
                "y = max(x, 0) is x on one side and 0 on the other. What is ∂y/∂x on each? The "
                "chain rule multiplies it by dy. Look at what forward put into the cache.",
                "the mask 1[x > 0] decides, not the sign of dy:\n\ndx_ijk = dy_ijk · 1[x_ijk > 0]",
            ),
            trials.relu, _FORWARD,
        ),
        Exercise(
            "average-pool", "the backward pass of average pooling", NETWORK + "pooling",
            "AveragePool.backward",
            (
                "Each corner of a window has the same share in y. An odd last row or column has "
                "no window. `corner(dx, u, v)` is a view: what is written to it is in dx.",
                "for all four corners:\n\ndx[2i+u, 2j+v, k] = ¼ dy_ijk",
            ),
            trials.average_pool, ("forward",),
        ),
        Exercise(
            "max-pool", "the backward pass of max pooling", NETWORK + "pooling",
            "MaxPool.backward",
            (
                "Only the winner of a window has any influence on y (as long as the change is "
                "small). Who won is in the cache. `corner(dx, u, v)` is a view of dx.",
                "corner number n = 2u + v gets dy where the switch is n, and 0 elsewhere:\n\n"
                "dx[2i+u, 2j+v, k] = dy_ijk · 1[switches_ijk = n]",
            ),
            trials.max_pool, ("forward",),
        ),
        Exercise(
            "preprocess", "the backward pass of the preprocessing", NETWORK + "preprocessing",
            "Preprocess.backward",
            (
                "Which entry of y is made of which entry of x? What does a constant that is "
                "subtracted do to a derivative?",
                "channel k of y is channel 2 − k of x, so\n\ndx_ij,2−k = dy_ijk",
            ),
            trials.preprocess, _FORWARD,
        ),
        Exercise(
            "convolution", "convolution by its definition, forward", CONVOLUTION,
            "convolution_by_definition",
            (
                "Loops over i, j, k′ for the outputs, and over u, v, k for the sum. Pad x with "
                "zeros first; row m of x is then row m + p.",
                "with `padded` the padded x and s the stride:\n\n"
                "y_ijk′ = b_k′ + Σ_uvk padded[s·i + u, s·j + v, k] · w_uvkk′",
            ),
            trials.convolution_definition, after="padded =",
        ),
        Exercise(
            "im2col", "patches as rows of a matrix", CONVOLUTION, "im2col",
            (
                "Pad x. For each output position (i, j) the patch begins at row s·i and column "
                "s·j of the padded x. `reshape(-1)` lays an array out with its last axis running "
                "fastest. Loops will do.",
                "row i·W′ + j is\n\n"
                "padded[s·i : s·i + kh, s·j : s·j + kw].reshape(-1)",
            ),
            trials.patches,
        ),
        Exercise(
            "col2im", "the backward pass of im2col", CONVOLUTION, "col2im",
            (
                "im2col copies a pixel into every patch that holds it; ∂J/∂pixel is the sum over "
                "its copies. Add every row back to where it was cut out, in an array with the "
                "padding; cut the padding off at the end.",
                "for each (i, j), with row i·W′ + j reshaped to (kh, kw, C):\n\n"
                "padded[s·i : s·i + kh, s·j : s·j + kw] += patch\n"
                "x = padded[p : p + H, p : p + W]",
            ),
            trials.patches_back, after="patches =",
        ),
        Exercise(
            "convolution-input", "a convolution's ∂J/∂x", CONVOLUTION, "Convolution.backward",
            (
                "Y = X Ω + b, and Y_rk′ = Σ_q X_rq Ω_qk′ + b_k′. In which entries of Y is X_rq, "
                "and with which factor? That gives dX; col2im makes dx of it.",
                "see the shapes: dY is (H′W′, C_out), Ω is (kh·kw·C_in, C_out), and\n\n"
                "dX = dY Ωᵀ\ndx = col2im(dX)",
            ),
            trials.convolution_input, ("omega", "patches", *_FORWARD),
        ),
        Exercise(
            "convolution-kernel", "a convolution's ∂J/∂kernel", CONVOLUTION,
            "Convolution.kernel_gradient",
            (
                "In which entries of Y_rk′ = Σ_q X_rq Ω_qk′ + b_k′ is Ω_qk′, and with which "
                "factor? Sum over them. The result is shaped like the kernel.",
                "see the shapes: X is (H′W′, kh·kw·C_in), dY is (H′W′, C_out), and\n\ndΩ = Xᵀ dY",
            ),
            trials.convolution_kernel, ("omega", "patches", *_FORWARD),
        ),
        Exercise(
            "convolution-bias", "a convolution's ∂J/∂bias", CONVOLUTION,
            "Convolution.bias_gradient",
            (
                "b_k′ is added at every position. So how many summands has its derivative?",
                "a sum over all positions r, not a mean:\n\ndb_k′ = Σ_r dY_rk′",
            ),
            trials.convolution_bias, ("omega", "patches", *_FORWARD),
        ),
        Exercise(
            "gram", "the backward pass of the Gram matrix", NETWORK + "gram", "Gram.backward",
            (
                "a_ijc is in Gram_kk′ = Σ_ij a_ijk a_ijk′ twice: as the first factor where k = c, "
                "and as the second where k′ = c. dGram need not be symmetric.",
                "the two sums are entries of two products:\n\ndA = A dGramᵀ + A dGram",
            ),
            trials.gram, _FORWARD,
        ),
        Exercise(
            "content-loss", "the gradient of the content loss", STYLE + "losses", "content_loss",
            (
                "Each a_G,ijk is in one summand only. What is the derivative of ½ d²? Return "
                "(value, gradient).",
                "the ½ and the 2 of the square cancel:\n\n∂J/∂a_G = a_G − a_C",
            ),
            trials.content, after="# ∂J/∂",
        ),
        Exercise(
            "style-loss", "the gradient of the style loss", STYLE + "losses", "style_loss",
            (
                "Each D_kk′ is in one summand only, D_kk′² / (4C²). Return (value, gradient).",
                "2 / 4 = ½, so\n\n∂J/∂gram_kk′ = D_kk′ / (2C²)",
            ),
            trials.style, after="# ∂J/∂",
        ),
        Exercise(
            "total-variation", "the gradient of the total variation", STYLE + "losses",
            "total_variation",
            (
                "A summand ½d² with d = x_{i+1} − x_i hands +d to the one pixel and −d to the "
                "other. A pixel inside the picture is in four such differences. Return (value, "
                "gradient).",
                "begin with zeros, and for `down` add to the lower pixel and subtract from the "
                "upper; for `right` likewise:\n\n"
                "dimage[1:] += down\ndimage[:-1] -= down",
            ),
            trials.tv, after="# ∂J/∂",
        ),
        Exercise(
            "momentum", "gradient descent with momentum", STYLE + "optimizers",
            "PixelDescent.step",
            (
                "The velocity v keeps the share μ of itself and gains the step −η_t ĝ. Nesterov's "
                "picture moves on by μ v and the step once more, and stays within 0–255. Return "
                "the picture and the new state: t one larger, and the velocity.",
                "with μ = self.momentum, η_t = eta and ĝ = g:\n\n"
                "v ← μ v − η_t ĝ\nG ← clip(G + μ v − η_t ĝ, 0, 255)\n"
                "return G, {**state, \"t\": t + 1, \"velocity\": v}",
            ),
            trials.momentum, ("start",), after="# v ←",
        ),
        Exercise(
            "deconvnet", "the deconvnet's rule at a ReLU", "scratchnet.units.deconvnet",
            "deconvnet_rule",
            (
                "Zeiler and Fergus send the signal itself through a ReLU: it does not matter where "
                "the input x was positive.",
                "what speaks against the unit is dropped:\n\ng ← max(g, 0)",
            ),
            trials.deconvnet,
        ),
        Exercise(
            "guided", "guided backpropagation's rule at a ReLU", "scratchnet.units.deconvnet",
            "guided_rule",
            (
                "Both at once: the gradient's rule (the mask of the forward pass) and the "
                "deconvnet's. `relu.backward(g, cache)` applies the mask.",
                "a signal gets through where it is positive and x was:\n\n"
                "g ← max(g, 0) · 1[x > 0]",
            ),
            trials.guided,
        ),
    ]
}  # fmt: skip
