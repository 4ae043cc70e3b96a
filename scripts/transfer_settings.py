"""What a report says of how its picture was made: settings, command, hashes of what was read."""

import argparse
import hashlib
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import scipy
from transfer_flags import add_results

import scratchnet
from scratchnet.network.network import Network
from scratchnet.style.layers import Size, content_layers_at
from scratchnet.style.optimizers import Optimizer

CHUNK = 2**20  # bytes


def hashes_of(files: Mapping[str, Path]) -> list[tuple[str, str, str]]:
    """Return (flag, name, SHA-256) of each file that is read."""
    return [(flag, path.name, _sha256(path)) for flag, path in files.items()]


def _sha256(path: Path) -> str:
    sha = hashlib.sha256()
    with open(path, "rb") as file:
        while part := file.read(CHUNK):
            sha.update(part)
    return sha.hexdigest()


def command_of(arguments: argparse.Namespace) -> str:
    """Return the command that makes the same picture: as it was typed, but for where things go.

    A run that went on from a checkpoint ends as one that was never stopped, so that the checkpoint
    is not needed; and of a folder of pictures only this one is named.
    """
    places = argparse.ArgumentParser(add_help=False)
    add_results(places)
    places.add_argument("--content")
    known, typed = places.parse_known_args(sys.argv[1:])
    content = ["--content", str(arguments.content)] if known.content else []
    return shlex.join(["python", sys.argv[0], *content, *typed])


def shown_settings(
    arguments: argparse.Namespace,
    network: Network,
    optimizer: Optimizer,
    levels: Sequence[tuple[Size, int]],
) -> dict[str, str]:
    """Return all settings, name → value: the flags, and what they come to."""
    size, _ = levels[-1]
    flags = {f"--{name.replace('_', '-')}": _text(value) for name, value in vars(arguments).items()}
    own = arguments.content_layers is None
    return {
        "sizes and steps": ", ".join(f"{w}×{h} px {steps}" for (h, w), steps in levels),
        **flags,
        **({"--content-layers": f"{_text(content_layers_at(size))} at full size"} if own else {}),
        "optimizer": repr(optimizer),
        "network": f"{len(network.layers)} layers, {network.dtype}",
        "made with": f"scratchnet {scratchnet.__version__}, NumPy {np.__version__}, "
        f"SciPy {scipy.__version__}, Python {platform.python_version()}, {platform.machine()}",
    }


def _text(value) -> str:
    """Return a flag's value; of a file only its name: the command has the folders."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Path):
        return value.name
    if isinstance(value, Mapping):
        return ", ".join(f"{name}:{weight:.4g}" for name, weight in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
