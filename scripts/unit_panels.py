"""What explain_units.py draws: a panel after the other, of the strongest patches of units."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from layout import LABEL, OffsetBox, Panel, below, beside, grid, text, under
from scanning import Pictures
from timed_bar import Passes, TimedBar

from scratchnet import Network
from scratchnet.pages.figures import side_near, to_side, views_sheet
from scratchnet.units.attribution import integrated_gradients, smoothgrad
from scratchnet.units.deconvnet import RULES, energy_where_off, explain, in_field
from scratchnet.units.display import lit, lit_cells, signal_view
from scratchnet.units.occlusion import occlusion_map, share_of_field, square_and_step
from scratchnet.units.scan.patches import Patch, TopPatches

SIDE = 196  # px: of a patch in the figures, at most, if its own side is not more
STRONGEST, ACROSS, SHOWN = 3, 2, 5  # patches of a unit; units, and occluded patches, in a row
SAMPLES, STEPS = 16, 32  # of SmoothGrad, of integrated gradients: half of what is the default
PART = 0.9  # of the responses, that the effective field holds
METHODS: dict[str, Callable] = {
    **{rule: partial(explain, rule=rule) for rule in RULES},
    "SmoothGrad": partial(smoothgrad, samples=SAMPLES),
    "integrated gradients": partial(integrated_gradients, steps=STEPS),
}
CONTROL_PASSES = 2 * 2 * (len(RULES) + SAMPLES + STEPS)  # there and back, in two networks


class Example(NamedTuple):
    """A channel and one of its patches."""

    layer: str
    channel: int
    patch: Patch


@dataclass
class UnitPanels:
    """What all panels are drawn from.

    Attributes
    ----------
    top : TopPatches
    pictures : Pictures
    network, control : Network
        That which is explained, and one with random weights.
    work : TimedBar
    """

    top: TopPatches
    pictures: Pictures
    network: Network
    control: Network
    work: TimedBar

    def views(self, units: dict[str, list[int]]) -> Iterator[Panel]:
        """Yield a layer's panel: units' patches, their guided views, and the patches lit."""
        for layer, channels in units.items():
            cells = [self._views(layer, channel) for channel in channels]
            if cells:
                yield Panel(layer, [f"sees {self.top.fields[layer].size} px"], grid(cells, ACROSS))

    def _views(self, layer: str, channel: int) -> OffsetBox:
        patches, views, lights = [], [], []
        for patch in self.top.patches(layer, channel)[:STRONGEST]:
            piece = self.pictures.cut(patch)
            signal = self._signal(METHODS["guided"], self.network, Example(layer, channel, patch))
            self.work.done(layer, 2)
            patches.append(to_side(piece, SIDE))
            views.append(to_side(signal_view(signal), SIDE))
            lights.append(to_side(lit(piece, signal), SIDE))
        side = side_near(self.top.fields[layer].size, SIDE)
        label = f"unit {channel}" if patches else f"unit {channel} (never fires)"
        return under(label, views_sheet([patches, views, lights], STRONGEST, side))

    def _signal(self, method: Callable, network: Network, example: Example) -> np.ndarray:
        layer, channel, patch = example
        image = self.pictures(patch)
        return in_field(method, network, image, layer, patch.position, channel)

    def controls(self, examples: list[Example]) -> Iterator[Panel]:
        """Yield for a patch of each layer what each method shows, trained and with random weights.

        The second is for the channel that is strongest there.
        """
        for example in examples:
            layer, channel, patch = example
            piece = self.pictures.cut(patch)
            there = self.control.forward(self.pictures(patch), [layer])[0][layer][patch.position]
            other = example._replace(channel=int(there.argmax()))
            shown: dict[str, list[np.ndarray]] = {}
            for network, one in ((self.network, example), (self.control, other)):
                for name, method in METHODS.items():
                    signal = self._signal(method, network, one)
                    shown.setdefault(name, []).append(signal_view(signal))
                    if name == "guided":
                        shown.setdefault("lit by guided", []).append(lit(piece, signal))
            self.work.done(layer, CONTROL_PASSES)
            words = text(["above: trained", "below: random weights"], LABEL)
            first = below([under("patch", to_side(piece, SIDE)), words])
            others = [
                under(name, *(to_side(picture, SIDE) for picture in pair))
                for name, pair in shown.items()
            ]
            yield Panel(f"{layer}, unit {channel}", [], beside([first, *others]))

    def speckle(self, layer: str, channels: list[int]) -> dict[str, float]:
        """Return the mean share of deconvnet's energy where ReLUs were off, by those between.

        Of some channels' strongest patches; the layer's own ReLU is on.
        """
        shares = []
        for channel in channels:
            for patch in self.top.patches(layer, channel)[:STRONGEST]:
                image = self.pictures(patch)
                of = energy_where_off(self.network, image, layer, patch.position, channel)
                shares.append(of)
                self.work.done(layer, 2)
        names = [name for name in (shares[0] if shares else ()) if name != layer]
        return {name: float(np.mean([of[name] for of in shares])) for name in names}

    def occlusions(self, examples: dict[str, list[Example]]) -> Iterator[tuple[Panel, list[str]]]:
        """Yield a layer's panel, and its row of the table."""
        for layer, of_layer in examples.items():
            size, shown, shares = self.top.fields[layer].size, [], []
            square, step = square_and_step(size)
            for _, channel, patch in of_layer:
                response = occlusion_map(
                    self.network, self.pictures(patch), layer, patch.position, channel,
                    square=square, step=step, callback=partial(self.work.done, layer),
                ).response  # fmt: skip
                shares.append(share_of_field(response, PART))
                piece = self.pictures.cut(patch)
                pair = piece, lit_cells(piece, response, step)
                shown.append(under(f"unit {channel}", *(to_side(one, SIDE) for one in pair)))
            if not of_layer:
                continue
            mean = np.mean(shares)
            effective, numbers = f"{100 * mean:.0f} %", len(of_layer)
            spread = f"{100 * min(shares):.0f}–{100 * max(shares):.0f} %"
            line = f"of {size} by {size} px, {effective} hold {100 * PART:.0f} % of the response"
            yield Panel(layer, [line], grid(shown, SHOWN)), [
                layer, f"{size} px", f"{numbers}", f"{square} px, every {step}",
                f"{effective} ({spread})", f"{size * mean**0.5:.0f} px",
            ]  # fmt: skip


def passes(
    top: TopPatches,
    units: dict[str, list[int]],
    examples: list[Example],
    covered: dict[str, list[Example]],
) -> list[Passes]:
    """Return what the panels of these take: views, controls, speckle, occlusions."""
    strongest = {
        layer: sum(len(top.patches(layer, channel)[:STRONGEST]) for channel in channels)
        for layer, channels in units.items()
    }
    deepest = list(units)[-1]
    cells = {layer: -(-top.fields[layer].size // square_and_step(top.fields[layer].size)[1])
             for layer in covered}  # fmt: skip
    return [
        *(Passes(layer, 2 * count) for layer, count in strongest.items()),
        *(Passes(example.layer, CONTROL_PASSES) for example in examples),
        Passes(deepest, 2 * strongest[deepest]),
        *(Passes(layer, len(of) * cells[layer] ** 2) for layer, of in covered.items()),
    ]
