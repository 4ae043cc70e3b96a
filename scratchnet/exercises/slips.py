"""More mistakes that learners make, as whole bodies for the hole.

`mistakes` are small edits of the real code. These are other ways of writing it, each wrong in its
own way. `diagnosis` runs them as it runs those.
"""

from scratchnet.exercises import slips_network, slips_style

SLIPS = slips_network.SLIPS | slips_style.SLIPS
