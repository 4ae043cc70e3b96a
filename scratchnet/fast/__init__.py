"""Chapter 4: the same numbers up to rounding, faster. For whoever wants to know how.

`network.FastNetwork` takes a plain network and computes what it computes, up to rounding. Read, in
this order: `memory` (memory that is used again) and `workspace` (threads), `strips` (rows in, rows
out), `transforms` and `winograd` (a quarter of the multiplications)::

    Y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A

`products` (matrix products in pieces), `planes` (the first layer), `fastest` (which of them when),
`relu`, `pooling` and `gram` (the plain layers by several threads), `stage` (a convolution with what
is behind it, in one pass), `network`, `prediction` (how much memory that takes) and `proofs` (the
checks of `checks`, on these layers).

What saves memory: work arrays the size of a strip; maps that nobody asked for are never written;
masks have one bit per entry; memory is used again; gradients of J's terms are made only when the
walk back reaches their layer (`style.objective`).

It imports chapter 1, and chapter 1 does not know of it. No result depends on the number of threads.
"""

from scratchnet.fast.network import FastNetwork
from scratchnet.fast.prediction import predicted_memory
from scratchnet.fast.workspace import Workspace, available_cores

__all__ = ["FastNetwork", "Workspace", "available_cores", "predicted_memory"]
