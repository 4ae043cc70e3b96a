"""The page computes what the package does, and nothing but the four packages is needed for it."""

import ast

import numpy as np
import pytest
from conftest import ROOT, load_script, make_objective

from scratchnet import VGG
from scratchnet.files.weights import load_weights
from scratchnet.style.layers import CONTENT_LAYERS

PAGE = ROOT / "scripts" / "one_page.py"


@pytest.fixture(scope="module")
def page():
    return load_script("one_page")


@pytest.fixture(scope="module")
def weights():
    parameters = load_weights(None).parameters
    return {name: [np.float64(part) for part in pair] for name, pair in parameters.items()}


def test_it_is_one_page():
    assert len(PAGE.read_text(encoding="utf-8").splitlines()) <= 150


def test_it_imports_neither_the_package_nor_a_framework():
    tree = ast.parse(PAGE.read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import)
                for alias in node.names}  # fmt: skip
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported == {"h5py", "numpy", "PIL", "pathlib", "sys"}


def test_J_and_its_gradient_are_the_packages(page, weights, pictures):  # noqa: N802
    content, style = pictures[0][:-1, :-3], pictures[1]  # odd sides: windows are cut
    assert content.shape[0] % 2 == content.shape[1] % 2 == 1
    network = VGG.load(dtype="float64", partial_windows=True)
    rng = np.random.default_rng(0)
    G = rng.uniform(0, 255, content.shape)
    expected, dG = make_objective(
        network, content, style, tv_weight=0, content_layers=CONTENT_LAYERS
    )(G)
    a_C = page.forward(content, weights)[0]["relu4_2"]
    a_S, _ = page.forward(style, weights)
    gram_S = {layer: page.gram(a_S[layer]) for layer in page.STYLE_LAYERS}
    J, gradient = page.cost(G, a_C, gram_S, weights)
    assert abs(J - expected) <= 1e-12 * expected
    assert np.abs(gradient - dG).max() <= 1e-12 * np.abs(dG).max()


def test_it_paints(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(page, "SIZE", 40)
    monkeypatch.setattr(page, "STEPS", 5)
    page.main()
    assert page.read("outputs/one_page.png").shape[1] == 40
    costs = [float(line.split()[0]) for line in capsys.readouterr().out.split("J = ")[1:]]
    assert len(costs) == 5 and costs[-1] < costs[0] / 2
