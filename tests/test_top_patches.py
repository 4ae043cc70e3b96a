"""The file of patches: what is read is what was written, and files that lie are refused."""

import os

import h5py
import numpy as np
import pytest
from conftest import IMAGES, lying

from scratchnet import ReceptiveField
from scratchnet.files.hdf5 import write_attribute
from scratchnet.units.scan.patches import Patch, TopPatches
from scratchnet.units.scan.settings import ScanSettings, file_hash, working_picture
from scratchnet.units.strongest import Strongest

SETTINGS = ScanSettings(layers=("relu1_1", "relu2_1"), k=2, size=24, scales=(1.0, 0.5))


@pytest.fixture
def top():
    """Return two pictures, of which one was not readable, and two layers of three channels."""
    strongest = Strongest(
        np.array([[5, 3], [7, 0], [0, 0]], np.float32),
        np.array([[0, 0], [0, -1], [-1, -1]], np.int32),
        np.array([[1, 0.5], [1, 0], [0, 0]]),
        np.array([[[0, 4], [3, 1]], [[2, 2], [0, 0]], [[0, 0], [0, 0]]], np.int32),
    )
    hashes = np.zeros((2, 32), np.uint8)
    hashes[0] = np.frombuffer(file_hash(IMAGES / "cat.jpg"), np.uint8)
    fields = {"relu1_1": ReceptiveField(3, 1, -1), "relu2_1": ReceptiveField(10, 2, -4)}
    return TopPatches(
        SETTINGS, "1f" * 32, ["cat.jpg", "no/ü.png"], hashes,
        np.array([[24, 36], [0, 0]], np.int32), fields, dict.fromkeys(fields, strongest),
    )  # fmt: skip


@pytest.fixture
def file(top, tmp_path):
    top.save(tmp_path / "patches.h5")
    return tmp_path / "patches.h5"


def test_what_is_read_is_what_was_written(top, file):
    read = TopPatches.load(file)
    assert read.same_scan(top) is None and read.fields == top.fields and read.names == top.names
    for layer, strongest in top.strongest.items():
        for name, part in vars(strongest).items():
            got = getattr(read.strongest[layer], name)
            assert np.array_equal(got, part) and got.dtype == part.dtype
    assert np.array_equal(read.hashes, top.hashes) and np.array_equal(read.sizes, top.sizes)
    read.save(file.with_name("again.h5"))
    assert file.with_name("again.h5").read_bytes() == file.read_bytes()


def test_the_file_is_as_described(file):
    with h5py.File(file) as opened:
        group = opened["relu2_1"]
        assert {name: (part.shape, part.dtype.name) for name, part in group.items()} == {
            "value": ((3, 2), "float32"),
            "picture": ((3, 2), "int32"),
            "scale": ((3, 2), "float64"),
            "position": ((3, 2, 2), "int32"),
            "box": ((3, 2, 4), "int32"),
        }
        # row 0, column 4 with jump 2 and start −4; then row 3, column 1; none is 0
        assert group["box"][0].tolist() == [[-4, 4, 6, 14], [2, -2, 12, 8]]
        assert group["box"][2].tolist() == [[0] * 4] * 2
        assert dict(group.attrs) == {"size": 10, "jump": 2, "start": -4}
        assert opened.attrs["network"] == b"1f" * 32 and opened.attrs["scales"] == b"0.5,1.0"
        assert os.fsdecode(opened["pictures/name"][1]) == "no/ü.png"


def test_patches_of_a_channel(top):
    first, second = top.patches("relu2_1", 0)
    assert first == (5.0, 0, 1.0, (0, 4), (-4, 4, 6, 14))
    assert second.scale == 0.5
    assert len(top.patches("relu2_1", 1)) == 1 and top.patches("relu2_1", 2) == []
    with pytest.raises(ValueError, match="relu2_1 has the channels 0 to 2, not 3"):
        top.patches("relu2_1", 3)
    with pytest.raises(ValueError, match="'relu3_1' was not scanned; there are relu1_1, relu2_1"):
        top.patches("relu3_1", 0)


def test_a_picture_is_read_as_it_was_scanned_or_not_at_all(top, tmp_path):
    image = top.picture(IMAGES, 0, 0.5)
    assert np.array_equal(image, working_picture(IMAGES / "cat.jpg", 12))
    with pytest.raises(FileNotFoundError, match=r"cat\.jpg: no such picture; is .* the folder"):
        top.picture(tmp_path, 0)
    (tmp_path / "cat.jpg").write_bytes((IMAGES / "dog.jpg").read_bytes())
    with pytest.raises(ValueError, match=r"cat\.jpg: is not the picture that was scanned"):
        top.picture(tmp_path, 0)


def test_whole_patches_lie_inside_their_picture_at_their_scale(top):
    """The picture is 24×36, and 12×18 at scale ½."""
    for scale, box, whole in [
        (1.0, (0, 0, 24, 36), True), (1.0, (-1, 0, 9, 9), False), (1.0, (15, 0, 25, 9), False),
        (1.0, (0, 27, 9, 37), False), (0.5, (0, 0, 12, 18), True), (0.5, (4, 4, 13, 9), False),
    ]:  # fmt: skip
        assert top.is_whole(Patch(1.0, 0, scale, (0, 0), box)) is whole


def test_what_differs_between_scans(top):
    for name, value in {"k": 3, "size": 32, "spacing": 1.0, "layers": ("relu1_1",)}.items():
        settings = ScanSettings(**{**vars(SETTINGS), name: value})
        other = TopPatches(settings, *list(vars(top).values())[1:])
        assert other.same_scan(top) == f"its {name} is {value}, not {getattr(SETTINGS, name)}"
    other = TopPatches(SETTINGS, "", *list(vars(top).values())[2:])
    assert other.same_scan(top) == "its network has other weights"
    fields = {**top.fields, "relu1_1": ReceptiveField(5, 1, -2)}
    other = TopPatches(*list(vars(top).values())[:5], fields, top.strongest)
    assert other.same_scan(top) == "its layers are those of another network"


# ------------------------------------------------------------- files that lie


def test_no_file_and_no_hdf5(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.h5: no such file of patches"):
        TopPatches.load(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("hello")
    with pytest.raises(ValueError, match=r"text\.h5: not a file of patches"):
        TopPatches.load(tmp_path / "text.h5")


@pytest.mark.parametrize(
    ("place", "replacement", "message"),
    [
        ("relu1_1", None, "relu1_1/value: missing"),
        ("pictures/hash", np.zeros((1, 32), "u1"), r"got uint8 \(1, 32\), wanted uint8 \(2, 32\)"),
        ("pictures/name", np.zeros(2), "got float64 .*, wanted bytes"),
        ("relu1_1/value", np.full((3, 2), np.nan, "f4"), "entries that are not finite"),
        ("relu1_1/value", np.zeros((3, 5), "f4"), r"got float32 \(3, 5\), wanted float32 .*2\)"),
        ("relu1_1/picture", np.full((3, 2), 2, "i4"), "relu1_1/picture: wanted rows of pictures"),
        ("relu1_1/picture", np.full((3, 2), -2, "i4"), "relu1_1/picture: wanted rows of pictures"),
        ("relu1_1/position", np.full((3, 2, 2), 10**9, "i4"), "position: wanted places in a map"),
        ("relu1_1/position", np.full((3, 2, 2), -1, "i4"), "position: wanted places in a map"),
        ("relu1_1/scale", np.full((3, 2), 1e4), "scale: wanted one of the scales"),
        ("relu1_1/value", np.full((3, 2), -1, "f4"), "value: wanted more than 0"),
        ("relu1_1/value", np.array([[1, 2]] * 3, "f4"), "value: wanted"),
        ("pictures/size", np.full((2, 2), 10**9, "i4"), "pictures/size: wanted sizes"),
        ("pictures/name", np.array([b"a.png", b"../b.png"]), "is no path within a folder"),
        ("pictures/name", np.array([b"/a.png", b"b.png"]), "is no path within a folder"),
        ("relu1_1/value", np.zeros((3, 2), ">f4"), "wanted float32"),
        ("relu1_1/position", h5py.ExternalLink("x.h5", "/x"), "is a link out of its place"),
        ("relu1_1/scale", h5py.SoftLink("/relu1_1/value"), "is a link out of its place"),
    ],
)
def test_files_that_lie_are_refused(file, place, replacement, message):
    with lying(file, "patches") as opened:
        del opened[place]
        if replacement is not None:
            opened[place] = replacement
    with pytest.raises(ValueError, match=message):
        TopPatches.load(file)


def test_a_declared_size_is_not_believed(file):
    with lying(file, "patches") as opened:
        del opened["pictures/name"]
        opened.create_dataset("pictures/name", (10**12,), "S10")
    with pytest.raises(ValueError, match="declares 1000000000000 entries, more than the file"):
        TopPatches.load(file)


@pytest.mark.parametrize(
    ("place", "name", "value", "message"),
    [
        ("/", "k", 0, "k: got 0"),
        ("/", "k", "nine", "its attribute 'k' is missing or not of type int"),
        ("/", "scales", "1,x", r"patches\.h5: could not convert"),
        ("/", "network", 5, "its attribute 'network'"),
        ("/", "network", "x" * 60_000, "its attribute 'network'"),
        ("/", "layers", "relu1_1,a/b", "layers: wanted names of layers"),
        ("relu1_1", "start", 1, "relu1_1: wanted a receptive field"),
        ("relu1_1", "jump", 2.5, "relu1_1: its attribute 'jump'"),
    ],
)
def test_attributes_that_lie_are_refused(file, place, name, value, message):
    with lying(file, "patches") as opened:
        write_attribute(opened[place], name, value)
    with pytest.raises(ValueError, match=message):
        TopPatches.load(file)
