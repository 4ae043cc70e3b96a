"""The notes' claims as figures: every one is drawn, its numbers mean what they say, and hold."""

import csv

import numpy as np
import pytest
from conftest import files, load_script
from PIL import Image

from scratchnet import StyleTransferObjective, load_image

pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra 'viz')")
pytest.importorskip("tqdm", reason="tqdm is not installed (extra 'viz')")

import claims
import claims_descent
import claims_layers
import claims_sheet

LAYERS = ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]
TABLES = {  # name: columns, number of rows with 2 steps at 32 px
    "content": (
        ["picture", "layer", "sees, px", "J", "rms, grey levels", "likeness",
         *(f"distance relu{n}_2" for n in range(1, 6)), "style distance"], 10,
    ),
    "style": (
        ["layers", "sees, px", "grain, px", *(f"style distance {layer}" for layer in LAYERS),
         "mean style distance", "J"], 10,
    ),
    "weights": (
        ["content layer", "style_weight", "α/β", "J", "content distance", "style distance",
         "likeness"], 15,
    ),
    "starts": (
        ["style_weight", "start", "J", "J / lowest", "rms to the one from content",
         "likeness to the photograph", "mean rms between results"], 15,
    ),
    "pooling": (
        ["content", "style", "pooling", "roughness", "likeness", "distance relu4_2",
         "style distance"], 4,
    ),
    "optimizers": (["start", "optimizer", "evaluation", "second", "J"], 2 * 4 * 3),
    "film": (["evaluation", "long side", "J", "tv", "style", "content"], 3),
}  # fmt: skip


MANY = {"content", "style", "weights", "starts", "pooling", "optimizers"}  # transfers


def table(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def small():
    return claims.Bench(64, 30)


# ------------------------------------------------------------------------ the script


def test_every_figure_is_in_this_file():
    assert list(load_script("figures").FIGURES) == list(TABLES)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in MANY else ()) for name in TABLES]
)
def test_every_name_draws_a_figure_with_its_numbers_beside_it(name, run, tmp_path, monkeypatch):
    monkeypatch.setattr(claims_descent, "best_learning_rate", lambda *_: 0.1)  # 100 evaluations
    code, out, error = run("figures", name, "--size", 32, "--iterations", 2)
    assert code == 0, error
    picture = f"outputs/claim_{name}.{'gif' if name == 'film' else 'png'}"
    assert files(tmp_path) == sorted([f"outputs/claim_{name}.csv", picture])
    assert np.ptp(load_image(picture)) > 100
    rows, (columns, count) = table(f"outputs/claim_{name}.csv"), TABLES[name]
    assert list(rows[0]) == columns and len(rows) == count
    assert all(np.isfinite(float(row["J"])) for row in rows if "J" in row)
    assert f"saved    {picture}" in out


def test_a_figure_and_its_table_are_numbered_together(run, tmp_path):
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs" / "claim_film.csv").write_text("mine")
    assert run("figures", "film", "--size", 32, "--iterations", 1)[0] == 0
    names = ["claim_film-2.csv", "claim_film-2.gif", "claim_film.csv"]
    assert files(tmp_path) == [f"outputs/{name}" for name in names]
    assert (tmp_path / "outputs" / "claim_film.csv").read_text() == "mine"
    arguments = "--size", 32, "--iterations", 1, "--overwrite"
    assert run("figures", "film", *arguments)[0] == 0
    assert table("outputs/claim_film.csv")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none"], "invalid choice: 'none'"),
        (["film", "--size", "0"], "--size: 0 is not a whole number of at least 1"),
        (["film", "--folder", "nowhere"], "there is no folder nowhere"),
        ([], "the following arguments are required: NAME"),
    ],
)
def test_a_mistake_gives_one_line_and_no_file(arguments, message, run, tmp_path):
    code, _, error = run("figures", *arguments)
    assert code == 2 and message in error and error.count("\n") == 1
    assert files(tmp_path) == []


def test_a_signal_while_a_figure_is_saved_ends_the_script_after_it(run, tmp_path, monkeypatch):
    """The second of two figures is not begun."""
    from interrupts import Interrupts

    hold = Interrupts.hold

    def struck(self):
        hold(self)
        self._handle(2, None)

    monkeypatch.setattr(Interrupts, "hold", struck)
    code, _, _ = run("figures", "film", "pooling", "--size", 32, "--iterations", 1)
    assert code == 130
    assert files(tmp_path) == ["outputs/claim_film.csv", "outputs/claim_film.gif"]


# ---------------------------------------------------------- what the numbers mean


def test_relative_terms_are_half_the_squared_distances_in_the_tables(small):
    C, S = small.picture("leuven_street"), small.picture("starry_night")
    G, network = small.noise(C), small.network
    for terms, expected in [
        (
            claims.relative_content(network, C, "relu3_2"),
            claims.layer_distances(network, G, C)["relu3_2"] ** 2 / 2,
        ),
        (
            claims.relative_style(network, S, LAYERS),
            np.mean([d**2 / 2 for d in claims.style_distances(network, G, S).values()]),
        ),
    ]:
        J = StyleTransferObjective(network, [terms], G.shape[:2])(G)[0]
        assert J == pytest.approx(expected, rel=1e-3)


def test_the_content_layer_of_a_transfer_is_the_usual_one_at_relu4_2(small):
    C, S = small.picture("leuven_street"), small.picture("starry_night")
    content, *_ = claims_layers.transfer_terms(small, C, S, "relu4_2", 1e-3)
    assert content.layers == {"relu4_2": pytest.approx(1)}


def test_distances_by_hand():
    C = np.random.default_rng(0).uniform(0, 255, (8, 9, 3))
    assert claims.pixel_distance(C + 3, C) == pytest.approx(3)
    assert claims.likeness(255 - C, C) == pytest.approx(-1)
    assert claims.likeness(C / 2 + 9, C) == pytest.approx(1)


def test_the_grain_of_squares_is_half_their_side():
    # two neighbours are in the same square with probability 1 − d/side: ½ at side/2
    rng = np.random.default_rng(0)
    for side in (4, 8):
        squares = rng.uniform(0, 255, (256 // side, 256 // side, 1))
        picture = squares.repeat(side, 0).repeat(side, 1).repeat(3, 2)
        assert claims.grain_length(picture) == pytest.approx(side / 2, rel=0.1)


def test_the_noise_is_that_of_a_transfer(small):
    from scratchnet.style.transfer import _initial_image

    C = small.picture("leuven_street")
    same = _initial_image("random", C, C.shape[:2], 3, small.network)
    np.testing.assert_array_equal(small.noise(C, 3), same)


def test_a_film_moves_and_ends_with_its_last_picture(tmp_path):
    pictures = [np.full((24, 32, 3), shade, np.float32) for shade in (30, 120, 220)]
    J = claims_sheet.Curves("J", "evaluation", "J", {"J": ([0, 1, 2], [9.0, 4.0, 1.0])})
    film = claims_sheet.Film([("", p, n) for n, p in enumerate(pictures)], J)
    film.save(tmp_path / "film.gif")
    with Image.open(tmp_path / "film.gif") as moving:
        assert moving.n_frames == 3
        for n, shade in enumerate((30, 120, 220)):
            moving.seek(n)
            frame = np.asarray(moving.convert("RGB"))
            H, W, _ = frame.shape
            assert abs(int(frame[H // 2, W // 4, 0]) - shade) <= 4  # a palette has 255 colours


def test_a_sheet_keeps_one_scale(tmp_path):
    wide, narrow = np.zeros((20, 40, 3)), np.zeros((20, 30, 3))
    cells = {"": [claims_sheet.Cell(wide), claims_sheet.Cell(narrow), None]}
    claims_sheet.Sheet("", "", [], cells).save(tmp_path / "sheet.png")
    black = load_image(tmp_path / "sheet.png").sum(axis=2) == 0
    ends = np.flatnonzero(np.diff(black.any(axis=0).astype(int)))
    widths = np.diff(ends)[::2]
    assert widths[1] / widths[0] == pytest.approx(30 / 40, abs=0.02)


# ------------------------------------------------------------------- the claims hold


@pytest.mark.slow
def test_deeper_keeps_less(small, monkeypatch):
    monkeypatch.setattr(claims_layers, "CONTENT_AT", ("relu1_2", "relu3_2", "relu5_2"))
    _, rows = claims_layers.content(small)
    rebuilt, painted = (
        [row for row in rows if row["picture"] == kind] for kind in ("rebuilt", "painted")
    )
    far = [row["rms, grey levels"] for row in rebuilt]
    assert far == sorted(far) and far[-1] > 2 * far[0]
    # too shallow: close to the photograph, far from the painting
    assert painted[0]["likeness"] > painted[-1]["likeness"]
    assert painted[0]["style distance"] > painted[-1]["style distance"]


@pytest.mark.slow
def test_several_style_layers_beat_one(small):
    _, rows = claims_layers.style(small)
    far = {row["layers"]: row["mean style distance"] for row in rows}
    assert far["relu1_1 … relu5_1"] < min(far[layer] for layer in LAYERS)
    assert far["the painting"] == 0


@pytest.mark.slow
def test_weights_trade_content_for_style(small, monkeypatch):
    monkeypatch.setattr(claims_layers, "STYLE_WEIGHTS", (1e-5, 1e-4, 1e-3))
    monkeypatch.setattr(claims_layers, "CONTENT_THREE", ("relu3_2",))
    _, rows = claims_layers.weights(small)
    content, style = ([row[f"{kind} distance"] for row in rows] for kind in ("content", "style"))
    assert content == sorted(content) and style == sorted(style, reverse=True)
    assert rows[0]["α/β"] == pytest.approx(10 * rows[1]["α/β"])


@pytest.mark.slow
def test_starts_agree_where_content_counts(small, monkeypatch):
    monkeypatch.setattr(claims_descent, "START_WEIGHTS", (1e-5, 1e-1))
    _, rows = claims_descent.starts(small)
    apart = {row["style_weight"]: row["mean rms between results"] for row in rows}
    assert apart[1e-5] < apart[1e-1] / 1.5


@pytest.mark.slow
def test_the_notes_descent_is_the_slowest(small):
    _, rows = claims_descent.optimizers(small)
    for start in {row["start"] for row in rows}:
        least = {}
        for row in rows:
            if row["start"] == start:
                way = row["optimizer"]
                least[way] = min(least.get(way, np.inf), row["J"])
        assert min(least, key=least.get) == "LBFGS"
        assert max(least, key=least.get) == "the notes' descent"
