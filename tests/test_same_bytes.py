"""The same bytes from any number of threads, ours and BLAS's, on each kind of processor."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import ROOT

CHILD = """
import ctypes, hashlib, json, sys
from pathlib import Path
import numpy as np
from scratchnet import LBFGS, VGG, PixelDescent, StyleTransferObjective, gatys_terms
from scratchnet import load_image, style_transfer
from scratchnet.files import load_weights, resize_image
from scratchnet.units.scan import ScanSettings, scan

folder, images = Path(sys.argv[1]), Path(sys.argv[2])
architecture, parameters, _ = load_weights()

def digest(data):
    return hashlib.sha256(data).hexdigest()[:16]

def picture(name, *size):
    return resize_image(load_image(images / f"{name}.jpg"), size)

content, style = picture("leuven_street", 89, 97), picture("starry_night", 60, 70)
small = content[:40, :32].copy(), style[:32, :40].copy()
layers = ["relu1_1", "relu1_2", "conv2_2", "relu3_3", "pool3", "relu4_2", "relu5_1"]

def found(**options):
    network = VGG.build(parameters, **options)
    activations, _ = network.forward(content, layers)
    J = StyleTransferObjective(network, gatys_terms(content, style), content.shape[:2])
    arrays = activations | {"gradient": J(content[:, ::-1].copy())[1]}
    for optimizer in (PixelDescent(), LBFGS()):
        result = style_transfer(*small, network=network, iterations=10, optimizer=optimizer)
        arrays[f"ten steps of {optimizer}"] = result.image
    return {name: digest(a.tobytes()) for name, a in arrays.items()}

results = {"plain": found(fast=False)}
for threads in (1, 2, 3):
    results[f"fast, {threads}"] = found(threads=threads)
    output = folder / f"{threads}.h5"
    settings = ScanSettings(layers=("relu2_2", "relu4_3"), size=40)
    scan(images, ["cat.jpg"], settings, output, threads=threads)
    results[f"scan, {threads}"] = digest(output.read_bytes())

library = ctypes.CDLL(np._core._multiarray_umath.__file__)
core = library.scipy_openblas_get_corename64_
core.restype = ctypes.c_char_p
results["core"] = core().decode()
print(json.dumps(results))
"""


def openblas():
    """Tell whether NumPy's BLAS is the OpenBLAS of its wheels."""
    import numpy as np

    return "openblas" in np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"]


@pytest.mark.skipif(not openblas(), reason="NumPy has another BLAS")
@pytest.mark.parametrize(
    "core",
    [
        pytest.param("Haswell", marks=pytest.mark.slow),
        pytest.param("SkylakeX", marks=pytest.mark.slow),
        pytest.param("Zen", marks=pytest.mark.slow),
        pytest.param("Sandybridge", marks=pytest.mark.slow),
    ],
)
def test_the_same_bytes(core, tmp_path):
    def child(blas_threads):
        environment = {k: v for k, v in os.environ.items() if k != "OPENBLAS_NUM_THREADS"}
        environment |= {"OPENBLAS_CORETYPE": core, "PYTHONPATH": str(ROOT)}
        if blas_threads:
            environment["OPENBLAS_NUM_THREADS"] = blas_threads
        folder = tmp_path / (blas_threads or "unset")
        folder.mkdir()
        command = [sys.executable, "-c", CHILD, str(folder), str(ROOT / "scripts" / "images")]
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        # A core type that the processor has not ends the child with an illegal instruction.
        return json.loads(run.stdout) if run.returncode == 0 else {"core": run.stderr[-300:]}

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(child, ("", "1")))  # "": as many as there are cores
    if results[0]["core"] != core:
        pytest.skip(f"this processor or OpenBLAS has no {core}: {results[0]['core']}")
    first = results[0]
    for other in results:
        assert other["plain"] == first["plain"]
        for threads in (1, 2, 3):
            assert other[f"fast, {threads}"] == first["fast, 1"], threads
            assert other[f"scan, {threads}"] == first["scan, 1"], threads
