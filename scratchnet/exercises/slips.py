"""More mistakes that learners make, as whole bodies for the hole.

`mistakes` are small edits of the real code. These are other ways of writing it, each wrong in its
own way. `diagnosis` runs them as it runs those.
"""

from scratchnet.exercises import slips_convolution, slips_layers, slips_style

SLIPS = slips_layers.SLIPS | slips_convolution.SLIPS | slips_style.SLIPS
