"""The masks of transfer.py: where which style goes."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from scratchnet import VGG
from scratchnet.files.decoding import Picture
from scratchnet.files.masks import decode_mask, mask_array
from scratchnet.style.layers import Size
from scratchnet.style.levels import coarse_to_fine_sizes, scaled_style
from scratchnet.style.masks import check_mask, coverage, vanishing

PROPORTIONS = 0.01  # a mask whose proportions differ by more is not its picture's


class Masks(NamedTuple):
    """For each style, where in the content picture it goes, and where it is taken from.

    ``alpha`` is the content's opacity, if it is to be kept. Each is None if it was not asked for.
    """

    styles: list | None
    images: list | None
    alpha: Picture | np.ndarray | None


def check_mask_files(arguments: argparse.Namespace) -> None:
    """Raise ValueError for masks that can't be meant."""
    for flag, paths in mask_files(arguments).items():
        if paths and len(paths) != len(arguments.style):
            wanted = f"one for each --style, {len(arguments.style)}"
            raise ValueError(f"{flag}: got {len(paths)}, wanted {wanted}")
    if arguments.style_mask and arguments.content.is_dir():
        raise ValueError("--style-mask: is for one picture, not for a folder of them")


def mask_files(arguments: argparse.Namespace) -> dict[str, list[Path] | None]:
    """Return the files of masks, by the flag that names them."""
    return {
        "--style-mask": arguments.style_mask,
        "--style-image-mask": arguments.style_image_mask,
    }


def read_masks(arguments: argparse.Namespace, content: Picture) -> Masks:
    """Read the files of masks, as they are in them, and the opacity of the content picture."""
    styles, images = (
        [decode_mask(path, max_pixels=arguments.max_pixels) for path in paths] if paths else None
        for paths in mask_files(arguments).values()
    )
    return Masks(styles, images, content.opacity() if arguments.keep_transparent else None)


def masks_at_size(masks: Masks, sizes: list[Size], arguments: argparse.Namespace) -> Masks:
    """Return the masks as arrays, of the sizes of the content and the style pictures.

    What is transparent and stays so takes no style. Raises ValueError for a mask without a pixel.
    """
    size, *of_styles = sizes
    alpha = masks.alpha and check_mask(
        f"--keep-transparent: {arguments.content}", mask_array(masks.alpha, size)
    )
    styles = images = None
    if masks.styles:
        pairs = zip(arguments.style_mask, masks.styles, strict=True)
        styles = [mask_at_size("--style-mask", path, mask, size, alpha) for path, mask in pairs]
    elif alpha is not None:
        styles = [alpha] * len(of_styles)
    if masks.images:
        triples = zip(arguments.style_image_mask, masks.images, of_styles, strict=True)
        images = [mask_at_size("--style-image-mask", *each) for each in triples]
    return Masks(styles, images, alpha)


def mask_at_size(
    flag: str, path: Path, mask: Picture, size: Size, alpha: np.ndarray | None = None
) -> np.ndarray:
    """Return a mask as an array, 0 where the picture is transparent."""
    array = check_mask(f"{flag} {path}", mask_array(mask, size))
    if alpha is None:
        return array
    return check_mask(f"{flag} {path}, where the content is opaque", array * alpha)


def stretched(masks: Masks, shapes: Sequence[tuple], arguments: argparse.Namespace) -> list[str]:
    """Return a line for each mask with other proportions than its picture, both as read."""
    content, *styles = shapes
    lines = []
    for paths, read, pictures in [
        (arguments.style_mask, masks.styles, [content] * len(styles)),
        (arguments.style_image_mask, masks.images, styles),
    ]:
        for path, mask, picture in zip(paths or [], read or [], pictures, strict=False):
            (h, w), (height, width) = mask.shape[:2], picture[:2]
            if abs(w * height / (h * width) - 1) > PROPORTIONS:
                lines.append(f"{path}, {w}×{h} px, is stretched to fit {width}×{height} px")
    return lines


def announced(masks: Masks, network: VGG, sizes: list[Size], arguments) -> list[str]:
    """Return what is to be known of masks before the run: coverage, overlap, and what vanishes."""
    lines = []
    if masks.styles:
        each, any_of_them, twice = coverage(masks.styles)
        names = arguments.style_mask or ["opaque"] * len(each)
        covered = ", ".join(f"{name} {c:.1%}" for name, c in zip(names, each, strict=True))
        lines.append(f"{covered}; overlap {twice:.1%}, without a style {1 - any_of_them:.1%}")
    size, *of_styles = sizes
    for flag, arrays, at in [
        ("style_mask", masks.styles, [size] * len(of_styles)),
        ("style_image_mask", masks.images, of_styles),
    ]:
        names = getattr(arguments, flag) or [arguments.content] * len(of_styles)
        for name, mask, its_size in zip(names, arrays or [], at, strict=False):
            lost = vanishing(network, mask, its_size, arguments.style_layers)
            if lost:
                lines.append(f"{name} is too small for {', '.join(lost)}, which is left out there")
            first = first_size(its_size, size, arguments)
            left = [layer for layer in arguments.style_layers if layer not in lost]
            if first != its_size and (lost := vanishing(network, mask, first, left)):
                lines.append(
                    f"{name} is too small for {', '.join(lost)} where the transfer begins, at "
                    f"{first[1]}×{first[0]} px"
                )
    return lines


def first_size(size: Size, content: Size, arguments: argparse.Namespace) -> Size:
    """Return the size at which a picture is used first, where the content's last is ``content``."""
    if arguments.init != "random":
        return size
    first, *_ = coarse_to_fine_sizes(content)
    return first if size == content else scaled_style(size, first[0] / content[0])
