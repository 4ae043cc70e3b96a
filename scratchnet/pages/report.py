"""The report of a transfer: what went in, what came out, and how it got there, on one page.

The page (``report.html`` beside this module) has a slider between photograph and result, frames of
the run on a timeline, J and its terms as curves, ∂J/∂G term by term at some steps, all settings,
the command that makes the picture again, and hashes of the files that were read. Frames come as
JPEG files, as they are kept while a transfer runs. Until the page fits in its limit, frames and
panels are stored at lower and lower quality, then in fewer pixels than they are shown with, and
at last the large pictures too.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from scratchnet.files.images import fit, resize_image
from scratchnet.files.names import printable
from scratchnet.pages.page import data_uri, decode, encode, fill_template
from scratchnet.style.checkpoint import Record

LIMIT = 5_000_000  # bytes
FRAME_QUALITY = 88
LARGE = 1024  # px: long side at which photograph, styles and result are stored, at most
FRAME = 512  # and a frame
PANEL = 208  # and a panel
# The first that fits: quality of frames and panels, how many times smaller; the large pictures'.
QUALITIES = (
    ((None, 1), (92, 1)),
    ((75, 1), (90, 1)),
    ((60, 1), (88, 1)),
    ((50, 2), (85, 1)),
    ((40, 2), (75, 2)),
    ((30, 4), (60, 4)),
)


class Shown(NamedTuple):
    """A picture with what it is, such as "photograph", and the name of its file."""

    role: str
    name: str
    image: np.ndarray


class Frame(NamedTuple):
    """The picture so far: at which evaluation of J, and as `jpeg` stores it."""

    iteration: int
    data: bytes


class Panel(NamedTuple):
    """What a term wants to change: its name, −∂J_term/∂G as a picture, and in numbers."""

    name: str
    image: np.ndarray
    rms: float
    cosine: float  # with the sum of all terms


class Gradients(NamedTuple):
    """The panels of one step; G first, without numbers, is ``image``."""

    iteration: int
    loss: float
    image: np.ndarray
    panels: list[Panel]


class Report(NamedTuple):
    """All that the page tells.

    Attributes
    ----------
    title : str
    inputs : list of Shown
        The photograph first, then the style pictures.
    result : ndarray, (H, W, 3)
    history : list of Record
    frames : list of Frame
        At least one.
    gradients : list of Gradients
    settings : mapping
        Name → value.
    command : str
        That makes the picture again.
    hashes : list of (what, name, SHA-256)
        Of the files that were read.
    stopped : str or None
        Why the transfer ended early, if it did.
    """

    title: str
    inputs: Sequence[Shown]
    result: np.ndarray
    history: Sequence[Record]
    frames: Sequence[Frame]
    gradients: Sequence[Gradients]
    settings: Mapping[str, str]
    command: str
    hashes: Sequence[tuple[str, str, str]]
    stopped: str | None = None


def jpeg(image: np.ndarray) -> bytes:
    """Return a picture of the run as it is kept: a JPEG file, at most `FRAME` px."""
    return encode(within(image, FRAME), FRAME_QUALITY)


def within(image: np.ndarray, most: int) -> np.ndarray:
    """Return a picture whose long side is at most so many pixels."""
    return resize_image(image, fit(image.shape, most)) if max(image.shape[:2]) > most else image


def report_html(report: Report, *, limit: int = LIMIT) -> str:
    """Return the report as one HTML page.

    Parameters
    ----------
    report : Report
    limit : int, default 5 million
        Bytes that the file may have.

    Raises
    ------
    ValueError
        If there is no record or no frame, or the page is over the limit even with its pictures at
        the lowest quality.
    """
    if not (report.history and report.frames):
        raise ValueError("a report needs at least one record of J and one frame")
    for small, large in QUALITIES:
        page = fill_template("report.html", _text(report.title), _record(report, small, large))
        size = len(page.encode())
        if size <= limit:
            return page
    raise ValueError(
        f"the report has {size:,} bytes with its pictures as small as they get, over the limit of "
        f"{limit:,}"
    )


def _record(report: Report, small: tuple, large: tuple) -> dict:
    """Return what the page is built from, with pictures at these qualities."""
    height, width = report.result.shape[:2]
    result = Shown("result", f"{width}×{height} px", report.result)
    return {
        "pictures": [
            {
                "role": role,
                "name": _text(name),
                "size": [image.shape[1], image.shape[0]],
                "image": _stored(image, LARGE, *large),
            }
            for role, name, image in [*report.inputs, result]
        ],
        "frames": [
            {"iteration": frame.iteration, "image": _stored_frame(frame.data, *small)}
            for frame in report.frames
        ],
        "curves": _curves(report.history),
        "gradients": [_gradients(step, small) for step in report.gradients],
        "settings": [[_text(name), _text(value)] for name, value in report.settings.items()],
        "command": report.command,
        "hashes": [[_text(part) for part in row] for row in report.hashes],
        "stopped": report.stopped and _text(report.stopped),
    }


def _curves(history: Sequence[Record]) -> dict:
    """Return J and its terms as columns, null where a term is not there, and the sizes' starts."""
    names = sorted({name for record in history for name in record.terms})
    columns = {"J": [_number(record.loss) for record in history]}
    for name in names:
        columns[name] = [_number(record.terms.get(name)) for record in history]
    starts = [
        history[0],
        *(after for before, after in pairwise(history) if before.size != after.size),
    ]
    return {
        "iterations": [record.iteration for record in history],
        "columns": [[_text(name), values] for name, values in columns.items()],
        "sizes": [[record.iteration, record.size[1], record.size[0]] for record in starts],
    }


def _gradients(step: Gradients, small: tuple) -> dict:
    """Return a row of panels."""
    quality, smaller = small
    quality = FRAME_QUALITY if quality is None else quality
    return {
        "iteration": step.iteration,
        "loss": _number(step.loss),
        "image": _stored(step.image, PANEL, quality, smaller),
        "panels": [
            {
                "name": _text(panel.name),
                "image": _stored(panel.image, PANEL, quality, smaller),
                "rms": float(f"{panel.rms:.2g}"),
                "cosine": panel.cosine,
            }
            for panel in step.panels
        ],
    }


def _stored_frame(data: bytes, quality: int | None, smaller: int) -> str:
    """Return a frame as a data URI: as it is, or with less quality."""
    return data_uri(data) if quality is None else _stored(decode(data), FRAME, quality, smaller)


def _stored(image: np.ndarray, most: int, quality: int, smaller: int) -> str:
    """Return a picture as a data URI."""
    most = min(most, max(image.shape[:2]))
    return data_uri(encode(within(image, max(1, most // smaller)), quality))


def _number(value: float | None) -> float | None:
    """Return a number to five digits, which is what curves and tables show."""
    return None if value is None else float(f"{value:.5g}")


def _text(text: str) -> str:
    """Return a text that any page can hold, such as a name that is no Unicode."""
    return printable(text, 2000)
