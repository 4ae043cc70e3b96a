"""The strongest patches of every channel in a folder of pictures, ten or a million of them.

`settings` says what is looked for; `patches` is the result and its file; `worker` is what a worker
does with a few pictures; `work` hands the pictures out and merges what comes back; `growth` says
what a scan that is there lacks; `run` begins a scan, goes on with it or lets it grow. `maxima` is
another pass over the pictures: each channel's largest value in each, for `units.maxima`.
"""

from scratchnet.units.scan.patches import TopPatches
from scratchnet.units.scan.run import scan
from scratchnet.units.scan.settings import ScanSettings
from scratchnet.units.scan.work import ScanProgress

__all__ = ["ScanProgress", "ScanSettings", "TopPatches", "scan"]
