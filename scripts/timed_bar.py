"""A bar over work whose pieces take very different times, with the time left from its beginning.

A piece is a number of passes over what a unit of some layer sees. How long they take is predicted
by one such pass for each layer, timed before; it takes a second.
"""

import sys
import time
from typing import NamedTuple

import numpy as np
from scanning import tqdm

from scratchnet import Network, receptive_field
from scratchnet.units.unit_part import middle_part

TRUST = 0.05  # of the time predicted: so long it counts for as much as what has been seen


class Passes(NamedTuple):
    """So many passes, forward or back, over what a unit of a layer sees."""

    layer: str
    count: int


class TimedBar:
    """The bar; ``done`` moves it on. Says first about how long all will take."""

    def __init__(self, name: str, network: Network, passes: list[Passes]):
        layers = {layer for layer, count in passes if count}
        self.seconds = {layer: seconds_of_a_pass(network, layer) for layer in layers}
        total = sum(self.seconds[layer] * count for layer, count in passes if count)
        print(f"{name}: about {said(total)}", file=sys.stderr, flush=True)
        form = "{desc} {percentage:3.0f}%|{bar}| {elapsed}{postfix}"
        self.bar = tqdm(total=total, bar_format=form, disable=not total)
        self.bar.set_postfix_str(f"{said(total)} left")

    def __enter__(self) -> "TimedBar":
        return self

    def __exit__(self, *_) -> None:
        self.bar.close()

    def done(self, layer: str, count: int = 1) -> None:
        """Say that so many passes are done."""
        bar, done = self.bar, self.bar.n + self.seconds[layer] * count
        left = seconds_left(bar.total, done, bar.format_dict["elapsed"])
        bar.set_description_str(layer, refresh=False)
        bar.set_postfix_str(f"{said(left)} left", refresh=False)
        bar.update(done - bar.n)


def seconds_of_a_pass(network: Network, layer: str) -> float:
    """Return how long a forward pass takes: the least of three, for others may use the machine."""
    side = 2 * receptive_field(network, layer).size
    part, picture = middle_part(network, layer, side), np.zeros((side, side, 3), network.dtype)
    seconds = []
    for _ in range(3):
        begin = time.perf_counter()
        part.forward(picture, [layer])
        seconds.append(time.perf_counter() - begin)
    return min(seconds)


def seconds_left(total: float, done: float, elapsed: float) -> float:
    """Return how long the rest takes, if ``done`` of a predicted ``total`` took ``elapsed``.

    >>> seconds_left(100, 0, 0), seconds_left(100, 50, 50), round(seconds_left(100, 20, 40))
    (100.0, 50.0, 144)
    """
    trust = TRUST * total
    return (total - done) * (elapsed + trust) / (done + trust)


def said(seconds: float) -> str:
    """Return a time in words.

    Examples
    --------
    >>> said(3.2), said(100), said(1000)
    ('4 seconds', '2 minutes', '17 minutes')
    """
    if seconds < 90:
        return f"{int(seconds) + 1} seconds"
    return f"{round(seconds / 60)} minutes"
