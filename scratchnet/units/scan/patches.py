"""What a scan found: for every channel of some layers, its strongest patches in many pictures.

`run.scan` makes it, the figures are drawn from it, and between the two it is one HDF5 file:

====================== ================= ====================================================
attributes             str, int, float   ``network`` (SHA-256 of its weights), and the settings
``pictures/name``      bytes, (N,)       path within the folder, in alphabetical order
``pictures/hash``      uint8, (N, 32)    SHA-256 of the file
``pictures/size``      int32, (N, 2)     height and width at scale 1; 0 if not readable, or a copy;
                                         −1 if it has not been looked at
LAYER attributes       int               ``size``, ``jump``, ``start`` of the receptive field
``LAYER/value``        float32, (C, K)   a_ijk, in falling order along K
``LAYER/picture``      int32, (C, K)     row of ``pictures``; −1 where there is none
``LAYER/scale``        float64, (C, K)   which of the scales
``LAYER/position``     int32, (C, K, 2)  row i, column j in the layer's map
``LAYER/box``          int32, (C, K, 4)  top, left, bottom, right of the field, not clipped, in
                                         pixels of the picture at that scale
====================== ================= ====================================================

N is the number of pictures, and K that of patches of a channel (``k`` of the settings). As every
HDF5 file here, it begins with a hash of all that follows (`files.hdf5`).
"""

import os
import re
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from scratchnet.files.hdf5 import (
    new_hdf5,
    open_hdf5,
    read_attribute,
    read_dataset,
    write_attribute,
    write_dataset,
)
from scratchnet.files.images import MAX_PIXELS
from scratchnet.files.names import printable
from scratchnet.units.receptive_field import ReceptiveField
from scratchnet.units.scan.settings import (
    LARGEST,
    LONGEST,
    ScanSettings,
    scanned_picture,
)
from scratchnet.units.strongest import NONE, Strongest

NOT_YET, UNREADABLE = -1, 0  # sizes
GROUP = "pictures"
KIND = ("patches", "file of patches", "delete it and scan again")
LONGEST_SIDE = LARGEST * LONGEST  # px


class Patch(NamedTuple):
    """One of a channel's strongest patches; the names are those of the file."""

    value: float
    picture: int
    scale: float
    position: tuple[int, int]
    box: tuple[int, int, int, int]


@dataclass
class TopPatches:
    """The strongest patches of every channel of some layers.

    Attributes
    ----------
    settings : ScanSettings
    network : str
        SHA-256 of the network's weights.
    names : list of str
        The pictures' paths within their folder, sorted.
    hashes : ndarray of uint8, (N, 32)
    sizes : ndarray of int32, (N, 2)
    fields : dict
        Layer → `ReceptiveField`.
    strongest : dict
        Layer → `Strongest`.
    """

    settings: ScanSettings
    network: str
    names: list[str]
    hashes: np.ndarray
    sizes: np.ndarray
    fields: dict[str, ReceptiveField]
    strongest: dict[str, Strongest]

    @property
    def scanned(self) -> np.ndarray:
        """Which pictures have been looked at, bool (N,)."""
        return self.sizes[:, 0] != NOT_YET

    @property
    def unreadable(self) -> list[str]:
        """The pictures that could not be read, or are copies."""
        return [self.names[n] for n in np.flatnonzero(self.sizes[:, 0] == UNREADABLE)]

    def of(self, layer: str) -> Strongest:
        """Return the strongest positions of a layer; ValueError if it was not scanned."""
        if layer not in self.strongest:
            raise ValueError(
                f"layer {layer!r} was not scanned; there are {', '.join(self.strongest)}"
            )
        return self.strongest[layer]

    def patches(self, layer: str, channel: int) -> list[Patch]:
        """Return a channel's patches, the strongest first; none if it never fires.

        Raises ValueError for a layer that was not scanned or a channel that it has not.
        """
        found = self.of(layer)
        if not 0 <= channel < len(found.value):
            raise ValueError(f"{layer} has the channels 0 to {len(found.value) - 1}, not {channel}")
        return [
            Patch(
                float(found.value[channel, n]),
                int(found.picture[channel, n]),
                float(found.scale[channel, n]),
                (position := tuple(map(int, found.position[channel, n]))),
                self.fields[layer].box(*position),
            )
            for n in np.flatnonzero(found.picture[channel] != NONE)
        ]

    def picture(
        self,
        folder: str | os.PathLike,
        number: int,
        scale: float = 1.0,
        max_pixels: int = MAX_PIXELS,
    ) -> np.ndarray:
        """Read a picture again as it was scanned.

        Raises
        ------
        FileNotFoundError, ValueError
            If the file is gone, or is not the one that was scanned.
        """
        sha256, size = self.hashes[number].tobytes(), self.settings.size
        return scanned_picture(folder, self.names[number], sha256, size, scale, max_pixels)

    def is_whole(self, patch: Patch) -> bool:
        """Tell whether a patch lies wholly inside its picture."""
        height, width = np.round(self.sizes[patch.picture] * patch.scale)
        top, left, bottom, right = patch.box
        return bool(min(top, left) >= 0 and bottom <= height and right <= width)

    def same_scan(self, other: "TopPatches") -> str | None:
        """Return None if both are of the same pictures, network and settings; else what differs.

        Pictures are compared by name.
        """
        for name in (field.name for field in fields(ScanSettings)):
            ours, theirs = getattr(self.settings, name), getattr(other.settings, name)
            if ours != theirs:
                return f"its {name} is {ours}, not {theirs}"
        if self.network != other.network:
            return "its network has other weights"
        channels = {layer: len(found.value) for layer, found in self.strongest.items()}
        others = {layer: len(found.value) for layer, found in other.strongest.items()}
        if (self.fields, channels) != (other.fields, others):
            return "its layers are those of another network"
        odd = sorted(set(self.names) ^ set(other.names))
        return f"it is of other pictures ({printable(odd[0])} is not in both)" if odd else None

    def save(self, path: str | os.PathLike) -> None:
        """Write the file described above; equal contents give equal bytes."""
        with new_hdf5(path, KIND[0]) as file:
            for name, value in {"network": self.network, **_plain(self.settings)}.items():
                write_attribute(file, name, value)
            pictures = file.create_group(GROUP)
            names = np.array([os.fsencode(name) for name in self.names])
            write_dataset(pictures, "name", names)
            write_dataset(pictures, "hash", self.hashes)
            write_dataset(pictures, "size", self.sizes)
            for layer, found in self.strongest.items():
                group, field = file.create_group(layer), self.fields[layer]
                for part in ("size", "jump", "start"):
                    write_attribute(group, part, getattr(field, part))
                for name in ("value", "picture", "scale", "position"):
                    write_dataset(group, name, getattr(found, name))
                write_dataset(group, "box", found.boxes(field))

    @classmethod
    def load(cls, path: str | os.PathLike) -> "TopPatches":
        """Read a file that `save` wrote.

        Raises
        ------
        FileNotFoundError, ValueError
            If there is no such file, or something in it is missing or not as described above.
        """
        with open_hdf5(path, *KIND) as file:
            settings = _read_settings(file)
            names = read_dataset(file, GROUP, "name", (None,), ("bytes",))
            N = len(names)
            loaded = cls(
                settings,
                read_attribute(file, "network"),
                [_checked_name(os.fsdecode(name)) for name in names.tolist()],
                read_dataset(file, GROUP, "hash", (N, 32), ("uint8",)),
                read_dataset(file, GROUP, "size", (N, 2), ("int32",)),
                {},
                {},
            )
            if not ((loaded.sizes >= NOT_YET) & (loaded.sizes <= LONGEST_SIDE)).all():
                raise ValueError(f"{GROUP}/size: wanted sizes of pictures")
            for layer in settings.layers:
                found = loaded.strongest[layer] = _strongest(file, layer, settings.k)
                _check_ranges(layer, found, settings, N)
                group = file[layer]
                parts = (read_attribute(group, part, int) for part in ("size", "jump", "start"))
                size, jump, start = parts
                if not (1 <= size <= LONGEST_SIDE and 1 <= jump <= size and -size < start <= 0):
                    raise ValueError(f"{layer}: wanted a receptive field")
                loaded.fields[layer] = ReceptiveField(size, jump, start)
        return loaded


def _plain(settings: ScanSettings) -> dict[str, str | int | float]:
    """Return the settings as attributes: numbers, and lists as text."""
    plain = {field.name: getattr(settings, field.name) for field in fields(settings)}
    plain["layers"] = ",".join(settings.layers)
    plain["scales"] = ",".join(map(repr, settings.scales))
    return plain


def load_settings(path: str | os.PathLike) -> ScanSettings:
    """Read only the settings of a file that `TopPatches.save` wrote; raises as its `load` does."""
    with open_hdf5(path, *KIND) as file:
        return _read_settings(file)


def _read_settings(file) -> ScanSettings:
    """Return the settings from a file's attributes."""
    read = {
        name: read_attribute(file, name, type(value))
        for name, value in _plain(ScanSettings()).items()
    }
    read["layers"] = tuple(read["layers"].split(","))
    if not all(re.fullmatch(r"\w+", layer) and layer != GROUP for layer in read["layers"]):
        raise ValueError("layers: wanted names of layers")
    read["scales"] = tuple(map(float, read["scales"].split(",")))
    return ScanSettings(**read)


def _checked_name(name: str) -> str:
    """Return a picture's path within its folder; raise ValueError if it could lead out of it."""
    parts = name.split("/")
    if not name or "\0" in name or os.path.isabs(name) or {"", ".", ".."} & set(parts):
        raise ValueError(f"{printable(name)!r} is no path within a folder")
    return name


def _check_ranges(layer: str, found: Strongest, settings: ScanSettings, pictures: int) -> None:
    """Raise ValueError unless a layer's numbers are such as a scan can find."""
    there = found.picture != NONE
    scales = [*settings.scales, 0.0]
    for name, right, wanted in [
        (
            "picture",
            (found.picture >= NONE) & (found.picture < pictures),
            "rows of pictures, or −1",
        ),
        ("value", np.where(there, found.value > 0, found.value == 0), "more than 0, or none"),
        ("value", np.diff(found.value, axis=1) <= 0, "falling numbers"),
        ("scale", np.isin(found.scale, scales) & ((found.scale > 0) == there), "one of the scales"),
        ("position", (found.position >= 0) & (found.position < LONGEST_SIDE), "places in a map"),
    ]:
        if not right.all():
            raise ValueError(f"{layer}/{name}: wanted {wanted}")


def _strongest(file, layer: str, k: int) -> Strongest:
    """Read a layer's group; the boxes in it follow from the positions."""
    value = read_dataset(file, layer, "value", (None, k), ("float32",))
    shape = value.shape
    return Strongest(
        value,
        read_dataset(file, layer, "picture", shape, ("int32",)),
        read_dataset(file, layer, "scale", shape, ("float64",)),
        read_dataset(file, layer, "position", (*shape, 2), ("int32",)),
    )
