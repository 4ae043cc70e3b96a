"""The strongest patches of every channel in a folder of pictures, ten or a million of them.

`settings` says what is looked for; `patches` is the result and its file; `worker` is what a worker
does with a few pictures; `run` hands the pictures out and merges what comes back.
"""

from scratchnet.units.scan.patches import TopPatches
from scratchnet.units.scan.run import ScanProgress, scan
from scratchnet.units.scan.settings import ScanSettings

__all__ = ["ScanProgress", "ScanSettings", "TopPatches", "scan"]
