"""Show what in its strongest patches excites a unit, and how far such pictures can be trusted.

Starts from the patches that top_patches.py finds (and finds them, if they are not there). Saves
beside them: of some units of each layer the three strongest patches, what in them excites the unit
by guided backpropagation, and the patches lit by it (…_views.png); for a patch of each layer five
such methods, and the same in a network with random weights (…_control.png); which part of a patch
matters, by covering one square after the other (…_occlusion.png), and the table of that,
theoretical and effective field by layer (…_occlusion.md).
"""

# ruff: noqa: E402 (signals are seen to before the imports, which take a second)

from interrupts import Interrupts

INTERRUPTS = Interrupts("explain_units")
if __name__ == "__main__":
    INTERRUPTS.install()

import argparse

from command_line import Parser, leave, positive
from layout import Panel, own_scale_panels
from places import save_and_say, save_text, table
from scanning import (
    Pictures,
    add_scan_flags,
    chosen_units,
    figure_places,
    parse_with_units,
    reported,
    run_scan,
)
from timed_bar import TimedBar
from unit_panels import PART, Example, UnitPanels, passes

from scratchnet import VGG, save_image
from scratchnet.files.weights import load_weights, random_parameters
from scratchnet.units.choice import chosen_channels, whole_patches
from scratchnet.units.scan.patches import TopPatches

VIEWS = (
    "Above: a unit's strongest patches. Middle: what in them excites it, by guided "
    "backpropagation: grey where nothing does; smoothed by a 300th of its side, each on a scale of "
    "its own. Such a picture follows the patch's own edges in part, whatever the weights (see the "
    "control). Below: the patch lit by the energy of that signal, which is smoothed by a 64th of "
    "the side; the mean colour elsewhere. All that is seen in it is the photograph; where, is the "
    "unit."
)
CONTROL = (
    "A patch; what gradient, deconvnet and guided backpropagation show, the patch lit by the "
    "third, SmoothGrad, and integrated gradients: above in the trained network, below in one with "
    "random weights, for its strongest channel there. All are smoothed and scaled alike."
)
OCCLUSION = (
    "Patches, and below each what changes the unit if a square around it is covered, smoothed by "
    "half a step; the rest is dimmed."
)
HEAD = [
    "layer", "theoretical field", "units", "covered",
    f"{100 * PART:.0f} % of the response lie in (range)", "a square of that area",
]  # fmt: skip


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = Parser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    add_scan_flags(parser)
    # fmt: off
    parser.add_argument("--shown", type=positive, default=4, metavar="N",
                        help="units of a layer whose views are drawn, where --units names none")
    parser.add_argument("--occluded", type=positive, default=5, metavar="N",
                        help="units of a layer whose effective field is measured")
    # fmt: on
    return parse_with_units(parser)


def chosen(
    top: TopPatches, arguments: argparse.Namespace
) -> tuple[dict[str, list[int]], list[Example], dict[str, list[Example]]]:
    """Return which units' views are drawn, what the control is shown of, and what is covered."""
    views, controls, covered = chosen_units(top, arguments, arguments.shown), [], {}
    for layer, channels in views.items():
        fire = [channel for channel in channels if top.patches(layer, channel)]
        controls += [Example(layer, k, top.patches(layer, k)[0]) for k in fire[:1]]
        candidates = arguments.units.get(layer) or chosen_channels(
            top, layer, len(top.of(layer).value), arguments.choose
        )
        whole = whole_patches(top, layer, candidates, arguments.occluded)
        covered[layer] = [Example(layer, channel, patch) for channel, patch in whole]
    return views, controls, covered


def said_of_speckle(layer: str, shares: dict[str, float]) -> str:
    """Say how much of deconvnet's signal has nothing to do with the picture."""
    half = sum(share > 0.5 for share in shares.values())
    if not half:
        return ""
    most = max(shares, key=shares.get)
    return (
        f" Deconvnet speckles, for its signal also goes where a ReLU was off: below {layer}, more "
        f"than half of its energy lies there at {half} of {len(shares)} ReLUs, "
        f"{100 * shares[most]:.0f} % at {most}."
    )


def run(arguments: argparse.Namespace) -> bool:
    """Scan if need be, and draw."""
    ends = ("_views.png", "_control.png", "_occlusion.png", "_occlusion.md")
    views_place, control_place, occlusion_place, table_place = figure_places(arguments, *ends)
    top = run_scan(arguments, INTERRUPTS)
    architecture, learned, mean = load_weights(arguments.weights)
    network, control = (
        VGG.build(parameters, architecture=architecture, mean=mean)
        for parameters in (learned, random_parameters(architecture))
    )
    pictures = Pictures(top, arguments.images, arguments.max_pixels)
    views, controls, covered = chosen(top, arguments)

    def save(place, panels: list[Panel], caption: str) -> bool:
        if not panels:
            print(f"not saved {place}: no unit fires, or none has a patch inside its picture")
            return True
        figure = own_scale_panels(panels, caption)
        return save_and_say(place, lambda path: save_image(path, figure), arguments.overwrite)

    with TimedBar("explain_units", network, passes(top, views, controls, covered)) as work:
        drawn = UnitPanels(top, pictures, network, control, work)
        saved = [save(views_place, list(drawn.views(views)), VIEWS)]
        deepest = list(views)[-1]
        shares = drawn.speckle(deepest, views[deepest])
        panels = list(drawn.controls(controls))
        saved.append(save(control_place, panels, CONTROL + said_of_speckle(deepest, shares)))
        measured = list(drawn.occlusions(covered))
    saved.append(save(occlusion_place, [panel for panel, _ in measured], OCCLUSION))
    rows = table(HEAD, [row for _, row in measured])
    saved.append(save_and_say(table_place, lambda p: save_text(p, rows), arguments.overwrite))
    print(rows)
    if shares:
        off = ", ".join(f"{name} {100 * share:.0f} %" for name, share in shares.items())
        print(f"deconvnet's energy below {deepest} where the ReLU was off: {off}")
    return all(saved)


def main() -> int:
    """Run."""
    return reported(run, parse_arguments(), INTERRUPTS)


if __name__ == "__main__":
    leave(main(), INTERRUPTS)
