"""Paint a photograph in the manner of a painting.

Without arguments: a street of old houses in the manner of The Starry Night, from white noise,
256 px. Saves the picture and, beside it, a strip content | style | result (…_strip.png) and the
curve of the loss (…_loss.png). No file is replaced unasked. Ctrl-C, or another request to end,
stops early and saves the best picture so far.

Exit codes: 0 all is well; 1 an error on the way, not all saved in its place, or of a folder not all
painted; 2 something to mend on the command line; 3 the descent failed (the best picture, if there
is one, is saved); 128 + n after signal n, 130 after Ctrl-C.
"""

# ruff: noqa: E402 (signals are seen to before the imports, which take a second)

from interrupts import Interrupts

INTERRUPTS = Interrupts("transfer")
if __name__ == "__main__":
    INTERRUPTS.install()

import argparse
import sys
import time
import warnings
from collections.abc import Callable

from command_line import leave
from transfer_finish import Finish
from transfer_flags import OPTIMIZERS, parse_arguments
from transfer_folder import run_folder
from transfer_inputs import announce, at_size, levels_at, looked_at, read_pictures
from transfer_masks import stretched
from transfer_memory import checked_memory, working_sizes
from transfer_progress import Progress, say
from transfer_saving import Frames, check_extra, checked_places, save_all

from scratchnet import VGG, PixelDescent, style_transfer
from scratchnet.files.images import resize_image
from scratchnet.style.course import TransferInterrupted, TransferResult


def optimizer_of(arguments: argparse.Namespace):
    """Return the optimizer asked for."""
    kind = OPTIMIZERS[arguments.optimizer]
    options = {"momentum": arguments.momentum} if kind is PixelDescent else {}
    if arguments.learning_rate is not None:
        options["learning_rate"] = arguments.learning_rate
    return kind(**options)


def paint(content, styles, progress: Progress, watching: list[Callable], **options):
    """Return what a transfer gives, also if it is interrupted or fails, and the exit code."""

    def callback(step):
        for see in (progress, *watching):
            see(step)

    try:
        result = style_transfer(content, styles, callback=callback, **options)
        INTERRUPTS.hold()
        return result, 3 if result.stopped else 0
    except TransferInterrupted as interrupt:
        INTERRUPTS.hold()
        return interrupt.result, 130
    except (OSError, ValueError, MemoryError) as error:
        INTERRUPTS.hold()
        if progress.last is None:
            raise
        image = resize_image(progress.best.image, content.shape[:2])
        why = f"{str(error) or 'memory ran out'}, at iteration {progress.last.iteration}"
        return TransferResult(image, progress.history, why), 1
    finally:
        progress.close()


def run(arguments: argparse.Namespace) -> int:
    """Paint one picture, as the command line asks for."""
    pictures = read_pictures(arguments)
    shapes = pictures.shapes
    start_shape = () if isinstance(pictures.init, str) else pictures.init.shape
    network = VGG.load(
        arguments.weights,
        pool=arguments.pooling,
        partial_windows=True,
        threads=arguments.threads,
    )
    sizes = working_sizes(shapes, arguments.image_size, arguments)
    memory = checked_memory(network, shapes, looked_at(arguments), arguments)
    evaluations = sum(n + 1 for _, n in levels_at(sizes[0], arguments))
    places = checked_places(arguments, evaluations)
    for line in stretched(pictures.masks, shapes, arguments):
        say(f"mask     {line}")
    pictures = at_size(pictures, sizes, arguments)
    announce(network, pictures, start_shape, memory, arguments)

    names = (
        "iterations seed checkpoint save_every resume content_weight style_weight tv_weight "
        "content_layers style_layers style_distance"
    )
    given = {name: getattr(arguments, name) for name in names.split()}
    options = {name: value for name, value in given.items() if value is not None}
    masks = pictures.masks
    options |= {"blend_weights": arguments.style_blend_weights, "network": network}
    options |= {"masks": masks.styles, "style_image_masks": masks.images}
    watching, recorder = [Frames(places.frames, Finish(arguments, pictures))], None
    optimizer = optimizer_of(arguments)
    if places.extras:
        # Not before it is wanted: without these flags, nothing is to take longer.
        from transfer_report import Recorder, Run

        about = Run(arguments, pictures, network, optimizer, options)
        recorder = Recorder(about, places.extras)
        watching.append(recorder.timeline)
    start, progress = time.perf_counter(), Progress(INTERRUPTS, arguments.quiet)
    result, code = paint(
        pictures.content,
        pictures.styles,
        progress,
        watching,
        init=pictures.init,
        optimizer=optimizer,
        **options,
    )
    if not result.history:
        say(f"transfer: {result.stopped}: use smaller weights; nothing to save", sys.stderr)
        return code
    whole = save_all(result, pictures, places, arguments)
    if recorder is not None:
        whole &= recorder.save(result)
    if result.stopped:
        say(f"transfer: {result.stopped}; saved the best picture until then", sys.stderr)
    else:
        size = result.image.shape[:2]
        lowest = min(record.loss for record in result.history if record.size == size)
        say(f"J        {lowest:.6g} after {(time.perf_counter() - start) / 60:.1f} minutes")
    if INTERRUPTS.received:
        return 128 + INTERRUPTS.received
    return code or (0 if whole else 1)


def main() -> int:
    """Run, and turn what a user can mend into one line and exit code 2."""
    arguments = parse_arguments(description=__doc__)
    warnings.formatwarning = lambda message, *_: f"transfer: {message}\n"
    try:
        check_extra()
        if arguments.content.is_dir():
            return run_folder(arguments, run, INTERRUPTS)
        return run(arguments)
    except KeyboardInterrupt:
        say("transfer: interrupted while nothing was to be saved", sys.stderr)
        return 130
    except MemoryError:
        say("transfer: memory ran out; use a smaller --image-size, or smaller pictures", sys.stderr)
        return 2
    except (OSError, ValueError) as error:
        say(f"transfer: {error}", sys.stderr)
        return 2


if __name__ == "__main__":
    leave(main(), INTERRUPTS)
