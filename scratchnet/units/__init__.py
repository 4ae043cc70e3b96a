"""Chapter 3: what the network has learned (Zeiler & Fergus 2013).

A *unit* is one entry a_ijk of a layer's map. The units of a channel share one kernel and differ
only in where they look. So where the place does not matter the channel is called a unit, too, as in
the paper: unit 168 of relu4_3 is its channel 168, wherever that fires most. The notes
(`scratchnet`) ask for the nine patches that excite a unit most, in each of layers 1 to 5, and
conclude that units of later layers see larger regions. (Zeiler and Fergus's network has five
convolutional layers. VGG has five blocks of them, and so "layer 4" means a layer of block 4 here,
such as relu4_3.) Read, in this order:

- `receptive_field`: what a unit sees, for windows of size n and stride s::

      r ← r + (n − 1)·jump        jump ← jump·s

- `unit_part`: which part of each map a unit takes, and a network that computes no more;
- `strongest`: the K largest a_ijk of a channel over many pictures, apart from each other, and
  `scan`, the same for a folder of any size, by any number of workers;
- `choice`: which units to show: not those that look at borders, and each of something else;
- `deconvnet`: which pixels make a unit fire, by a walk back under one of three rules, g·1[x>0],
  max(g, 0) or max(g, 0)·1[x>0];
- `occlusion`: the same, measured: |a − a_covered|;
- `attribution`: the same, asked at many pictures: the mean of gradients under noise, and
  (x − x′) · ∫ ∂a/∂x dt on the way from x′ to x;
- `display`: how such a signal is shown, in colours or as the photograph lit by it;
- `maximise`: a picture made for a unit, x ← x + a step along ∂a_ijk/∂x; with `goals`, what it is
  made for, and `sampling`, a look at it through B, and back through Bᵀ;
- `correlation`: which channels fire together: Gram_kk′ / √(Gram_kk Gram_k′k′);
- `maxima`: which ones do in the same pictures, and what is usual for a channel: (m_k − μ_k) / σ_k;
- `incoming`: what a channel reads of the layer below: √Σ_uv w_uvkk′².
"""

from scratchnet.units.attribution import integrated_gradients, smoothgrad
from scratchnet.units.correlation import gram_matrix, pair_strength
from scratchnet.units.deconvnet import explain, explain_patch
from scratchnet.units.maximise import maximise
from scratchnet.units.occlusion import occlusion_map
from scratchnet.units.receptive_field import ReceptiveField, receptive_field
from scratchnet.units.strongest import Strongest, strongest_positions
from scratchnet.units.unit_part import unit_part

__all__ = [
    "ReceptiveField",
    "Strongest",
    "explain",
    "explain_patch",
    "gram_matrix",
    "integrated_gradients",
    "maximise",
    "occlusion_map",
    "pair_strength",
    "receptive_field",
    "smoothgrad",
    "strongest_positions",
    "unit_part",
]
