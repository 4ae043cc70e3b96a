"""Masks: where which style goes, and that it goes nowhere else."""

import hashlib
from functools import partial

import numpy as np
import pytest
from conftest import IMAGES, ROOT, make_tiny_network

from scratchnet import (
    Gram,
    Network,
    Style,
    StyleTransferObjective,
    check_term,
    gatys_terms,
    load_image,
    receptive_field,
    save_image,
    style_loss,
    style_target,
    style_transfer,
)
from scratchnet.checks.catalogue import check_gram, random_convolution
from scratchnet.files.masks import load_mask
from scratchnet.style.layers import STYLE_LAYERS
from scratchnet.style.masks import (
    MaskedGram,
    check_mask,
    coverage,
    layer_weights,
    masked_grams,
    places,
    vanishing,
)
from scratchnet.style.shares import blend_shares

LAYERS = {"relu1_1": 0.5, "relu2_1": 0.5}
SIZE = (24, 30)


@pytest.fixture
def mask(rng):
    """Return a mask of 0, 1 and what is between them, of the size of the pictures here."""
    mask = np.zeros(SIZE)
    mask[:, :14] = rng.integers(0, 256, (SIZE[0], 14)) / 255
    mask[4:16, 2:12] = 1
    return mask


# ---------------------------------------------------------------- the Gram matrix


def test_a_weighted_gram_matrix_is_the_sum_in_the_docstring(rng):
    a, t = rng.standard_normal((4, 5, 3)), rng.uniform(0, 1, (4, 5))
    expected = np.zeros((3, 3))
    for i in range(4):
        for j in range(5):
            expected += t[i, j] ** 2 * np.outer(a[i, j], a[i, j])
    expected /= np.sum(t**2)
    assert np.allclose(style_target(a, MaskedGram(t=t)), expected, rtol=1e-13)


def test_its_derivative_by_hand(rng):
    """DA = 2 T² A dGram for a symmetric dGram, with the scaled t."""
    a, t = rng.standard_normal((4, 5, 3)), rng.uniform(0, 1, (4, 5))
    dgram = rng.standard_normal((3, 3))
    dgram += dgram.T
    gram = MaskedGram(t=t)
    T = np.diag(t.ravel() * np.sqrt(t.size / np.sum(t**2)))
    da = gram.backward(dgram, gram.forward(a)[1])
    assert np.allclose(da.reshape(-1, 3), 2 * T**2 @ a.reshape(-1, 3) @ dgram, rtol=1e-13)


class Unweighted(MaskedGram):
    """Forgets t on the way back."""

    def backward(self, dgram, cache):
        return self.gram.backward(dgram, cache)


class Thousandth(MaskedGram):
    """Wrong by a thousandth."""

    def backward(self, dgram, cache):
        return 1.001 * super().backward(dgram, cache)


@pytest.mark.parametrize("kind", [MaskedGram, Unweighted, Thousandth])
def test_its_derivative_is_measured_and_wrong_ones_fail(kind, rng):
    reports = list(check_gram(kind(t=rng.integers(0, 3, (3, 4)) / 2), rng))
    assert all(report.passed for report in reports) == (kind is MaskedGram)


def test_only_where_the_mask_is_does_a_map_count(rng):
    a, t = rng.standard_normal((4, 5, 3)), np.zeros((4, 5))
    t[1:3, 2:4] = 0.7
    gram = MaskedGram(t=t)
    assert np.allclose(style_target(a, gram), style_target(a[1:3, 2:4]), rtol=1e-13)
    da = gram.backward(np.eye(3), gram.forward(a)[1])
    assert not da[t == 0].any() and da[t > 0].all()


def test_through_the_network_a_masked_style_has_the_right_derivative(mask, rng):
    image, style = rng.uniform(0, 255, (2, *SIZE, 3))
    term = Style(style, LAYERS, 1.0, "masked", mask, mask[::-1])
    report = check_term(term, make_tiny_network(), image)
    assert report.passed, report


# ---------------------------------------------------------------- from the picture to a layer


def test_the_weights_by_hand():
    """Jump 2: unit u has the pixels 2u, 2u + 1."""
    mask = np.array([[1, 1, 1, 1, 0.5, 1, 1, 1, 0, 0]] * 8)
    weights = layer_weights(make_tiny_network(), mask, mask.shape, ["relu1_1", "pool1"])
    assert np.array_equal(weights["relu1_1"], mask)
    assert weights["pool1"].tolist() == [[1, 1, 0.5, 1, 0]] * 4


@pytest.mark.parametrize("layer", ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"])
def test_what_counts_lies_in_the_middle_of_the_field(layer, vgg64):
    """Change one pixel of a mask of ones: the units that notice are in whose middle it is."""
    mask = np.ones((150, 170))
    mask[70, 90] = 0
    t = layer_weights(vgg64, mask, mask.shape, [layer])[layer]
    assert t.shape == vgg64.output_shapes(150, 170)[layer][:2]
    field, jump = receptive_field(vgg64, layer), places(vgg64, layer)[1]
    assert jump == field.jump
    for row, column in np.ndindex(t.shape):
        middle = field.middle(row), field.middle(column)
        distance = max(abs(middle[0] - 70.5), abs(middle[1] - 90.5))
        assert t[row, column] == (distance > jump / 2), (row, column)
        if t[row, column] == 0:
            top, left, bottom, right = field.box(row, column)
            assert top <= 70 < bottom and left <= 90 < right


def test_places_of_other_windows(rng):
    """Without padding, unit 0 is one pixel further in; with a stride of 2 there are two each."""
    layers = [
        random_convolution(rng, (3, 3, 3, 2), padding=0, name="valid"),
        random_convolution(rng, (3, 3, 2, 2), stride=2, padding=1, name="strided"),
    ]
    network = Network(layers, dtype="float64")
    assert places(network, "valid") == (1, 1)
    mask = np.zeros((9, 9))
    mask[1:-1, 1:-1] = 1
    assert layer_weights(network, mask, (9, 9), ["valid"])["valid"].all()


def test_a_small_mask_vanishes_in_deep_layers_and_is_left_out_there(vgg32, rng):
    mask = np.zeros((64, 64), np.float32)
    mask[20:36, 20:36] = 1  # of relu4_1's units, of 8 px each, one is within these 16 px
    assert vanishing(vgg32, mask, (64, 64), STYLE_LAYERS) == ["relu5_1"]
    picture = rng.uniform(0, 255, (64, 64, 3)).astype(np.float32)
    for masks in [(mask, None), (None, mask)]:
        term = Style(picture, STYLE_LAYERS, 1.0, "style", *masks)
        assert list(term.prepare(vgg32, (64, 64), 1.0)) == list(STYLE_LAYERS)[:-1]


def test_masks_shrink_with_the_picture():
    mask = np.zeros((40, 60), np.float32)
    mask[:, :30] = 1
    t = layer_weights(make_tiny_network(), mask, (20, 30), ["relu1_1"])["relu1_1"]
    assert t.shape == (20, 30) and (t[:, :13] == 1).all() and (t[:, 17:] == 0).all()


# ---------------------------------------------------------------- J and the transfer


@pytest.mark.parametrize("fast", [True, False])
def test_masks_of_ones_are_no_masks_bit_for_bit(fast, fast32, vgg32, rng):
    network = fast32 if fast else vgg32
    content, one, other = rng.uniform(0, 255, (3, 34, 40, 3)).astype(np.float32)
    other = other[:32, :33]
    options = {"network": network, "iterations": 2, "coarse_to_fine": True}
    options |= {"blend_weights": [0.3, 0.5]}
    plain = style_transfer(content, [one, other], **options)
    ones = [np.ones(image.shape[:2], np.uint8) for image in (content, content, one, other)]
    masked = style_transfer(
        content, [one, other], masks=ones[:2], style_image_masks=ones[2:], **options
    )
    assert masked.image.tobytes() == plain.image.tobytes()
    assert [step.loss for step in masked.history] == [step.loss for step in plain.history]


def test_a_style_leaves_what_is_far_from_its_mask_alone(vgg64, pictures):
    """Further away than a field reaches, its gradient is 0."""
    _, style = pictures
    image = np.random.default_rng(0).uniform(0, 255, (64, 96, 3))
    mask = np.zeros((64, 96))
    mask[:, :40] = 1
    layers = {"relu1_1": 1.0, "relu2_1": 1.0}
    J = StyleTransferObjective(vgg64, [Style(style, layers, 1.0, mask=mask)], (64, 96))
    gradient = np.abs(J(image)[1]).max(axis=(0, 2))
    reach = receptive_field(vgg64, "relu2_1").size // 2
    assert gradient[:40].all() and not gradient[40 + reach :].any()


def test_of_a_real_mask_little_leaves_it(fast32):
    """As the module's docstring says, at 192 px."""
    size = (144, 192)
    content = load_image(IMAGES / "leuven_street.jpg", size=size)
    style = load_image(IMAGES / "starry_night.jpg", size=size)
    mask = load_mask(ROOT / "scripts" / "masks" / "leuven_sky.png", size=size)
    term = Style(style, STYLE_LAYERS, mask=mask)
    squared = StyleTransferObjective(fast32, [term], size)(content)[1].astype(float) ** 2
    outside = np.sum(squared * (1 - mask)[:, :, None]) / np.sum(squared)
    assert outside == pytest.approx(0.14, abs=0.01)


def test_each_half_takes_its_own_style(rng):
    """From an even picture, the Gram matrix of each half goes to its own style, not the other."""
    network, content = make_tiny_network(), np.full((32, 64, 3), 128.0)
    styles = [rng.uniform(low, low + 60, (32, 32, 3)) for low in (0, 190)]
    left = np.zeros((32, 64))
    left[:, :32] = 1
    masks, layers = [left, 1 - left], {"relu1_1": 1.0}
    image = style_transfer(
        content, styles, masks=masks, network=network, init="content", iterations=20,
        style_layers=layers, content_layers=layers, content_weight=0, tv_weight=0, style_weight=1.0,
    ).image  # fmt: skip
    a = network.forward(image, layers)[0]["relu1_1"]
    targets = [style_target(network.forward(style, layers)[0]["relu1_1"]) for style in styles]
    losses = [
        [style_loss(style_target(a, MaskedGram(t=mask)), target)[0] for target in targets]
        for mask in masks
    ]
    assert 50 * losses[0][0] < losses[0][1] and 50 * losses[1][1] < losses[1][0]


def test_a_masked_style_picture_is_its_part(rng):
    """Of an even picture beside another: at relu1_1, away from the border, as the part alone."""
    network, style = make_tiny_network(), np.full((24, 40, 3), 60.0)
    style[:, 20:] = 200
    mask = np.zeros((24, 40))
    mask[4:-4, 4:16] = 1
    grams = masked_grams(network, mask, (24, 40), ["relu1_1"])
    a, _ = network.forward(style, ["relu1_1"])
    alone, _ = network.forward(style[:, :16], ["relu1_1"])
    expected = style_target(alone["relu1_1"][4:-4, 4:-4])
    assert np.allclose(style_target(a["relu1_1"], grams["relu1_1"]), expected, rtol=1e-12)


# ---------------------------------------------------------------- shares and coverage


def test_coverage_by_hand():
    sky, houses = np.array([[1, 1, 0.5, 0]]), np.array([[0, 1, 0.5, 0]])
    assert coverage([sky, houses]) == ([0.625, 0.375], 0.625, 0.375)
    assert coverage([None, houses]) == ([1.0, 0.375], 1.0, 0.375)
    assert coverage([None, None]) == ([1.0, 1.0], 1.0, 1.0) and coverage([sky])[2] == 0


def test_where_a_style_is_it_counts_as_much_as_everywhere():
    quarter = np.zeros((4, 4))
    quarter[:2, :2] = 1
    assert blend_shares(1, masks=[quarter]) == [0.25]
    assert blend_shares(2, masks=[quarter, 1 - quarter]) == [0.25, 0.75]
    assert blend_shares(2, [3, 1], [quarter, quarter]) == [0.1875, 0.0625]
    assert blend_shares(2, [3, 1], [None, None]) == blend_shares(2, [3, 1])


# ---------------------------------------------------------------- what is no mask


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros(SIZE), "the mask is 0 everywhere, and so takes in no pixel"),
        (np.ones((*SIZE, 3)), r"got an array of float64, shape \(24, 30, 3\), wanted numbers"),
        (np.full(SIZE, 255), "got weights from 255 to 255, wanted 0 to 1"),
        (np.full(SIZE, -0.5), "got weights from -0.5 to"),
        (np.full(SIZE, np.nan), "got weights from nan to nan"),
        (np.ones(SIZE[::-1]), r"got a mask of \(30, 24\), wanted the picture's \(24, 30\)"),
    ],
)
def test_masks_that_are_wrong(mask, message, rng):
    content, style = rng.uniform(0, 255, (2, *SIZE, 3))
    for name in ("masks", "style_image_masks"):
        with pytest.raises(ValueError, match=rf"^{name}\[1\]: {message}"):
            gatys_terms(content, [style, style], **{name: [None, mask]})
    with pytest.raises(ValueError, match=r"^masks: got 1, wanted one for each style, 2"):
        gatys_terms(content, [style, style], masks=[None])


def test_a_term_names_its_mask(rng):
    style = rng.uniform(0, 255, (*SIZE, 3))
    with pytest.raises(ValueError, match=r"^sky, mask: the mask is 0 everywhere"):
        Style(style, LAYERS, name="sky", mask=np.zeros(SIZE))
    with pytest.raises(ValueError, match=r"^sky, image_mask: got a mask of \(2, 2\)"):
        Style(style, LAYERS, name="sky", image_mask=np.ones((2, 2)))


def test_whole_numbers_and_truth_values_are_masks():
    for kind in (bool, np.uint8):
        mask = check_mask("mask", np.ones((2, 3), kind))
        assert mask.dtype == np.float32 and mask.all()


def test_a_checkpoint_of_another_mask_is_refused(tmp_path, rng):
    content, style = rng.uniform(0, 255, (2, *SIZE, 3))
    half = np.zeros(SIZE)
    half[:12] = 1
    run = partial(
        style_transfer, content, [style], network=make_tiny_network(), iterations=2,
        content_layers={"relu2_1": 1.0}, style_layers=LAYERS,
    )  # fmt: skip
    run(masks=[half], checkpoint=tmp_path / "c.npz")
    run(masks=[half], resume=tmp_path / "c.npz")
    with pytest.raises(ValueError, match="another transfer: style mask is"):
        run(masks=[np.roll(half, 1, axis=0)], resume=tmp_path / "c.npz")
    with pytest.raises(ValueError, match="another transfer: style image_mask is"):
        run(masks=[half], style_image_masks=[half], resume=tmp_path / "c.npz")


# ---------------------------------------------------------------- files


@pytest.mark.parametrize("mode", ["L", "1", "RGB", "RGBA", "LA", "P", "I;16"])
def test_a_mask_is_grey_or_alpha(mode, tmp_path):
    from PIL import Image

    weights = np.zeros((5, 7), np.uint8)
    weights[1:3, 2:6] = 255
    picture = Image.fromarray(weights)
    if mode in ("RGBA", "LA"):  # a picture that is erased where it does not count
        picture = Image.new(mode, (7, 5), "black")
        picture.putalpha(Image.fromarray(weights))
    elif mode == "I;16":
        picture = Image.fromarray(weights.astype(np.uint16) * 257)
    else:
        picture = picture.convert(mode)
    picture.save(tmp_path / "m.png")
    mask = load_mask(tmp_path / "m.png")
    assert mask.dtype == np.float32 and np.array_equal(mask, weights / 255)


def test_an_opaque_alpha_is_none(tmp_path):
    from PIL import Image

    grey = np.array([[0, 51], [102, 255]], np.uint8)
    picture = Image.fromarray(grey).convert("RGBA")
    picture.save(tmp_path / "m.png")
    assert np.allclose(load_mask(tmp_path / "m.png"), [[0, 0.2], [0.4, 1]])
    assert load_mask(tmp_path / "m.png", size=(4, 6)).shape == (4, 6)


def test_a_hidden_grey_of_16_bits_is_transparent(tmp_path):
    from PIL import Image

    grey = np.array([[1000, 2000, 1000]], np.uint16)
    Image.fromarray(grey).save(tmp_path / "m.png", transparency=1000)
    assert load_mask(tmp_path / "m.png").tolist() == [[0, 1, 0]]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_mask_is_turned_upright_as_its_picture_is(orientation, tmp_path):
    from PIL import Image

    from scratchnet.files.decoding import decode_image

    values = np.random.default_rng(0).integers(0, 256, (3, 5, 4)).astype(np.uint8)
    picture = Image.fromarray(values)
    exif = picture.getexif()
    exif[0x0112] = orientation
    picture.save(tmp_path / "m.png", exif=exif)
    decoded = decode_image(tmp_path / "m.png", background=(0, 0, 0))
    only_red = Image.fromarray(np.dstack([values[:, :, 3], values[:, :, :2]]))
    only_red.save(tmp_path / "r.png", exif=exif)
    expected = decode_image(tmp_path / "r.png").array()[:, :, 0]
    assert np.array_equal(decoded.opacity().array()[:, :, 0], expected)


def test_white_stays_white_at_any_size(tmp_path):
    save_image(tmp_path / "m.png", np.full((37, 53, 3), 255.0))
    assert (load_mask(tmp_path / "m.png", size=(100, 91)) == 1).all()


def test_a_damaged_mask_is_one_line(tmp_path):
    path = tmp_path / "m.png"
    path.write_bytes((ROOT / "scripts" / "masks" / "leuven_sky.png").read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"m\.png: damaged or cut off"):
        load_mask(path)


@pytest.mark.parametrize("ending", ["png", "webp"])
def test_transparency_is_saved_and_read(ending, tmp_path, rng):
    from scratchnet.files.decoding import decode_image

    image, alpha = rng.uniform(0, 255, (6, 9, 3)), rng.integers(0, 256, (6, 9)) / 255
    path = tmp_path / f"a.{ending}"
    save_image(path, image, alpha=alpha)
    assert np.array_equal(decode_image(path).opacity().array()[:, :, 0], np.rint(alpha * 255))
    with pytest.raises(ValueError, match="JPEG is not written with transparency"):
        save_image(tmp_path / "a.jpg", image, alpha=alpha)


def test_the_networks_own_gram_is_used_without_a_mask(fast32):
    assert masked_grams(fast32, None, (32, 32), ["relu1_1"])["relu1_1"] is fast32.gram
    gram = masked_grams(fast32, np.ones((32, 32)), (32, 32), ["relu1_1"])["relu1_1"]
    assert gram.gram is fast32.gram and isinstance(gram, Gram)


def test_shipped_masks_are_in_the_table_with_their_hashes():
    table = (IMAGES / "README.md").read_text(encoding="utf-8")
    masks = sorted((ROOT / "scripts" / "masks").iterdir())
    assert len(masks) == 2
    for path in masks:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        assert f"| `{path.name}` |" in table and f"`{digest}`" in table
    assert np.allclose(load_mask(masks[0]) + load_mask(masks[1]), 1, atol=1e-6)
