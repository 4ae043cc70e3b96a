"""Files in and out: pictures, HDF5, weights. What is read may come from anywhere.

`images`: files ↔ float32 arrays (H, W, 3), RGB in 0–255; `masks`: files → weights in 0–1;
`decoding` reads them, `colours` converts by colour profiles, `arrays` checks what a caller passes,
`animation` makes moving pictures. `saving`: files that are never half-written; `names`: what may be
printed of theirs. `hdf5`: checked before it is read. `weights`: the network's parameters, in
our own files, with a hash of all numbers, and in those of others.
"""

from scratchnet.files.images import find_pictures, load_image, resize_image, save_image
from scratchnet.files.masks import load_mask
from scratchnet.files.weights import load_weights, random_parameters, save_weights

__all__ = [
    "find_pictures",
    "load_image",
    "load_mask",
    "load_weights",
    "random_parameters",
    "resize_image",
    "save_image",
    "save_weights",
]
