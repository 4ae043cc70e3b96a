"""MatConvNet's files: layers in every layout, and files of MATLAB's that lie.

No copy of MatConvNet's own files is here; what SciPy writes stands for MATLAB. (Of the 96 files
of versions 5 to 7 that SciPy has of MATLAB itself, `matlab` refuses only those that hold objects,
functions or sparse arrays, that are damaged, or in which names or numbers are of another type than
MATLAB writes; the others' numbers and texts are those that SciPy reads.)
"""

import io
import struct
import zlib
from functools import partial

import numpy as np
import pytest
from hostile_weights import (
    assert_harmless,
    assert_mutants_do_no_harm,
    everything,
    linux,
    slightly,
)
from scipy.io import savemat

from scratchnet.files.weights import matconvnet, matlab
from scratchnet.files.weights.bounded import BLOCK

LAYOUTS = ("old", "older", "new", "in a struct")


def network():
    """Return name → (kernel, bias), and a mean picture."""
    rng = np.random.default_rng(0)
    normal = partial(rng.standard_normal, dtype=np.float32)
    weights = {
        "conv1_1": (normal((3, 3, 3, 4)), normal((1, 4))),
        "conv1_2": (normal((3, 3, 4, 5)), normal((1, 5))),
        "fc6": (normal((7, 7, 5, 6)), normal((1, 6))),
    }
    return weights, normal((4, 4, 3))


def cell(values):
    """Return a row of MATLAB's cells."""
    cells = np.empty((1, len(values)), object)
    for n, value in enumerate(values):
        cells[0, n] = value
    return cells


def made(layout="new", compress=False):
    """Return a file of MatConvNet's."""
    weights, mean = network()
    layers = []
    for name, (kernel, bias) in weights.items():
        pair = {"filters": kernel, "biases": bias} if layout == "older" else {
            "weights": cell([kernel, bias])}  # fmt: skip
        layers += [{"type": "conv", "name": name, "pad": np.ones(4), **pair},
                   {"type": "relu", "name": name.replace("conv", "relu")}]  # fmt: skip
    normalization = {"imageSize": np.array([4.0, 4, 3]), "averageImage": mean}
    classes = {"name": cell(["tench"]), "description": cell(["a fish", "Bäume"])}
    network_ = {"layers": cell(layers)}
    if layout in ("old", "older"):
        network_ |= {"normalization": normalization, "classes": classes}
    else:
        network_ |= {"meta": {"normalization": normalization, "classes": classes}}
    file = io.BytesIO()
    network_ = {"net": network_} if layout == "in a struct" else network_
    savemat(file, {"other": np.arange(9)} | network_, do_compression=compress)
    return file.getvalue()


def read(path, data, wanted=everything):
    path.write_bytes(data)
    assert matconvnet.recognises(data[:512], path)
    return matconvnet.read(path, wanted)


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_read(tmp_path, layout, compress):
    tensors = read(tmp_path / "x.mat", made(layout, compress))
    weights, mean = network()
    expected = {
        f"{name}/weights{n}": part for name, pair in weights.items() for n, part in enumerate(pair)
    }
    assert tensors.keys() == {*expected, "averageImage"}
    for name, array in {**expected, "averageImage": mean}.items():
        assert tensors[name].dtype == np.float32 and np.array_equal(tensors[name], array), name


def test_only_what_is_wanted_is_returned(tmp_path):
    asked = {}

    def wanted(name, shape):
        asked[name] = shape
        return name == "conv1_2/weights0"

    assert list(read(tmp_path / "x.mat", made(), wanted)) == ["conv1_2/weights0"]
    assert asked["fc6/weights0"] == (7, 7, 5, 6) and asked["averageImage"] == (4, 4, 3)


def test_a_network_without_a_mean_and_layers_without_weights(tmp_path):
    file = io.BytesIO()
    layers = [{"name": "a", "weights": cell([np.ones((3, 3))])}, {"name": "b", "weights": cell([])},
              {"type": "softmax"}, np.ones(3)]  # fmt: skip
    savemat(file, {"layers": cell(layers)})
    assert list(read(tmp_path / "x.mat", file.getvalue())) == ["a/weights0"]


def test_whole_numbers_among_floats_are_floats(tmp_path):
    """As MATLAB stores zeros of type double: class 6, written as uint8 (type 2)."""
    file = io.BytesIO()
    savemat(file, {"layers": cell([{"name": "a", "weights": cell([np.zeros(8)])}])})
    old, new = struct.pack("<II", 9, 64) + bytes(64), struct.pack("<II", 2, 8) + bytes(8)
    data = shortened(file.getvalue(), old, new)
    tensors = read(tmp_path / "x.mat", data)
    assert tensors["a/weights0"].dtype == np.float64 and tensors["a/weights0"].shape == (1, 8)


def shortened(data, old, new):
    """Replace an element, and make all that it is in as much shorter."""
    place = data.index(old)
    data = bytearray(data.replace(old, new, 1))
    for at in range(128, place, 4):
        kind, length = struct.unpack("<II", data[at : at + 8])
        if kind == matlab.MATRIX and at + 8 < place < at + 8 + length:
            data[at + 4 : at + 8] = struct.pack("<I", length - len(old) + len(new))
    return bytes(data)


def test_other_files_are_not_recognised(tmp_path):
    for head in (b"", b"MATLAB", b"\x89HDF\r\n\x1a\n", b"PK\3\4"):
        assert not matconvnet.recognises(head, tmp_path / "none")


# ---------------------------------------------------------------- harm


def element(kind, data):
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)


def array(kind, sides=(1, 1), name="", *, body=b"", flags=0):
    """Return an array's element, as MATLAB has it."""
    header = element(matlab.UINT32, struct.pack("<II", kind | flags, 0))
    header += element(matlab.INT32, struct.pack(f"<{len(sides)}i", *sides))
    return element(matlab.MATRIX, header + element(matlab.INT8, name.encode()) + body)


def numbers(count, sides=None, kind=7, name=""):
    return array(kind, sides or (1, count), name, body=element(7, bytes(4 * count)))


def mat(*variables, order=b"\0\1IM"):
    return b"MATLAB 5.0 MAT-file, made by hand".ljust(124) + order + b"".join(variables)


def packed(data, more=b""):
    data = zlib.compress(data) + more
    return struct.pack("<II", matlab.COMPRESSED, len(data)) + data


def layers(body, sides=(1, 1)):
    return array(matlab.CELL, sides, "layers", body=body)


def struct_of(fields, sides=(1, 1), length=8, names=None):
    names = b"".join(name.encode().ljust(8, b"\0") for name in fields) if names is None else names
    start = element(matlab.INT32, struct.pack("<i", length)) + element(matlab.INT8, names)
    return array(matlab.STRUCT, sides, body=start + b"".join(fields.values()))


def text(value, sides=None):
    return array(matlab.TEXT, sides or (1, len(value)), body=element(16, value.encode()))


def zeros(count, name="layers"):
    """Return a variable of very many zeros, which is very short."""
    whole, part = numbers(0, (1, count), name=name), 2**20
    whole = bytearray(whole[:-8] + struct.pack("<II", 7, 4 * count))
    whole[4:8] = struct.pack("<I", len(whole) - 8 + 4 * count)
    deflate = zlib.compressobj(1)
    data = deflate.compress(bytes(whole))
    for _ in range(4 * count // part):
        data += deflate.compress(bytes(part))
    data += deflate.flush()
    return struct.pack("<II", matlab.COMPRESSED, len(data)) + data


def deep(depth):
    inside = numbers(1)
    for _ in range(depth):
        inside = array(matlab.CELL, body=inside)
    return layers(inside)


def many(count):
    empty = struct.pack("<II", matlab.MATRIX, 0)
    return layers(empty * count, (1, count))


def hostile():
    """Return files that lie, or that hold other things, and the words of the refusal, by name."""
    good = layers(struct_of({"name": text("a"), "weights": array(1, body=numbers(3))}))
    short = struct.pack("<HH", 7, 5)
    block = layers(numbers((BLOCK - len(layers(numbers(0)))) // 4))
    assert len(block) == BLOCK
    return {
        "version 7.3": (b"MATLAB 7.3 MAT-file".ljust(512) + b"\x89HDF\r\n\x1a\n", "with -v7"),
        "nothing": (mat(), "has no cell array 'layers'"),
        "other names": (mat(numbers(3, name="x")), "has no cell array 'layers'"),
        "no cell": (mat(numbers(3, name="layers")), "has no cell array 'layers'"),
        "no order": (mat(good, order=b"\0\1XX"), "in which order bytes are"),
        "cut off": (mat(good)[:-1], "damaged or cut off: no whole variable at byte 128"),
        "only a header": (mat()[:100], "damaged or cut off"),
        "longer": (mat(good) + b"\0", "damaged or cut off"),
        "object": (mat(array(3, name="layers")), "holds an object"),
        "function": (mat(layers(array(16))), "holds a function handle"),
        "opaque": (mat(layers(struct_of({"a": array(17)}))), "holds an object"),
        "sparse": (mat(array(5, (2**20, 2**20), "layers")), "holds a sparse array"),
        "unknown class": (mat(array(99, name="layers")), "of class 99, which there is not"),
        "function, compressed": (mat(packed(layers(array(16)))), "holds a function handle"),
        "bomb": (mat(zeros(2**25)), "unpacks to far more than weights do"),
        "bomb elsewhere": (mat(zeros(2**25, "x"), good), ""),
        "long text": (mat(layers(text("a" * 2**17))), "has a text of type 16, 131072 bytes"),
        "bomb without numbers": (mat(packed(layers(numbers(1)) + bytes(2**24))), "not as long"),
        "bomb of small ones": (mat(packed(layers(numbers(2**18) * 100, (1, 100)))), "far more"),
        "bomb of names": (mat(packed(array(1, name="a" * 2**24))), "an element of type 1"),
        "double zeros": (mat(packed(array(6, (1, 2**24), "layers",
                                          body=element(2, bytes(2**24))))), "far more numbers"),
        "huge cell": (mat(layers(b"", (2**31 - 1, 2**31 - 1))), "more than 50,000 arrays"),
        "huge struct": (mat(array(2, (2**16, 2**10), "layers", body=element(
            5, struct.pack("<i", 8)) + element(1, b"weights\0"))), "more than 50,000 arrays"),
        "huge numbers": (mat(numbers(1, (2**31 - 1,) * 4, name="layers")), "has other numbers"),
        "wide struct": (mat(layers(struct_of({f"a{n}": b"" for n in range(5000)}, (20, 1)))),
                        "more than 50,000 arrays"),
        "empty cell of many": (mat(layers(b"", (0, 2**31 - 1))), ""),
        "many": (mat(many(50_001)), "more than 50,000 arrays"),
        "many in many": (mat(layers(struct_of({"a": array(1, (1, 40_000), body=bytes(
            struct.pack("<II", 14, 0) * 40_000))}) * 2, (1, 2))), "more than 50,000 arrays"),
        "fewer": (mat(layers(numbers(1), (1, 2))), "a variable ends within an array"),
        "more": (mat(layers(numbers(1) * 2)), "not as long as it says"),
        "deep": (mat(deep(17)), "more than 16 deep"),
        "very deep": (mat(deep(5000)), "more than 16 deep"),
        "negative side": (mat(layers(b"", (-1, 1))), "an array's flags or sides are none"),
        "negative sides": (mat(layers(b"", (-1, -1))), "an array's flags or sides are none"),
        "no sides": (mat(layers(b"", ())), "an array's flags or sides are none"),
        "many sides": (mat(layers(b"", (1,) * 33)), "an element of type 5, 132 bytes"),
        "other count": (mat(layers(numbers(3, (1, 4)))), "has other numbers than its sides say"),
        "other type": (mat(layers(array(7, body=element(14, bytes(4))))), "has other numbers than"),
        "short and long": (mat(layers(array(7, body=short + bytes(8)))), "short element of more"),
        "imaginary": (mat(layers(array(7, body=element(7, bytes(4)), flags=0x800))), "damaged"),
        "nameless": (mat(layers(struct_of({}, length=0))), "a struct's fields have no names"),
        "negative names": (mat(layers(struct_of({}, length=-8, names=b"a" * 8))), "have no names"),
        "odd names": (mat(layers(struct_of({}, names=b"a" * 9))), "have no names"),
        "same names": (mat(layers(struct_of({"a": numbers(1), "b": numbers(1)}, names=bytes(16)))),
                       "two fields of one name"),
        "another count of letters": (mat(layers(text("a", (1, 9)))), ""),
        # SciPy 1.17.1 crashes at a type of letters that there is not.
        "no letters": (mat(layers(array(4, body=element(0x7610, b"a")))), "a text of type 30224"),
        "no UTF-8": (mat(layers(array(4, (1, 1), body=element(16, b"\xff")))), ""),
        "twice": (mat(good, good), "has two variables 'layers'"),
        "the same name twice": (mat(layers(struct_of(
            {"name": text("a"), "weights": array(1, body=numbers(3))}) * 2, (1, 2))),
            "has two arrays called 'a/weights0'"),
        "many variables": (mat(numbers(1, name="x") * 101), "more than 100 variables"),
        "no zlib": (mat(struct.pack("<II", 15, 8) + b"no zlib!"), "damaged: Error -3"),
        "zlib cut off": (mat(struct.pack("<II", 15, 40) + packed(good)[8:48]), "is cut off"),
        "wrong checksum": (mat(packed(good)[:-1] + b"\0"), "incorrect data check"),
        "packed twice": (mat(packed(packed(good))), "an element of type 15, wanted 14"),
        "packed, and more": (mat(packed(good + b"\0" * 8)), "not as long as it says"),
        "packed nothing": (mat(packed(b"")), "a variable ends within an array"),
        "longer within": (mat(layers(element(14, numbers(1)[8:] + bytes(8)))),
                          "an array is not as long as it says"),
        "wrong checksum behind a block": (mat(packed(block)[:-1] + b"\0"), "incorrect data check"),
        "more behind a block": (mat(packed(block + bytes(8))), "not as long as it says"),
        "many elsewhere": (mat(packed(numbers(2**18, name="x")) * 80, good), ""),
    }  # fmt: skip


@linux
def test_hostile_files_are_refused_in_one_line_and_nothing_is_run(tmp_path):
    assert_harmless("matconvnet", hostile(), made(compress=True), tmp_path)


def changed_within(n, data, rng):
    """Change a file anywhere, or what is compressed in it.

    Compressed, numbers have a checksum; of the others, and of texts, none.
    """
    if n == 0 or rng.random() < 0.5:
        return slightly(data, rng), False
    variables, at = [], 128
    while at < len(data):
        end = at + 8 + int.from_bytes(data[at + 4 : at + 8], "little")
        variables.append(zlib.decompress(data[at + 8 : end]))
        at = end
    n = int(rng.integers(len(variables)))
    variables[n] = slightly(variables[n], rng)
    return data[:128] + b"".join(map(packed, variables)), False


@linux
@pytest.mark.slow
def test_mutants_are_read_or_refused_in_one_line(tmp_path):
    change = "test_weights_matconvnet.changed_within"
    files = [made(), made(compress=True), made("older", compress=True)]
    assert_mutants_do_no_harm("matconvnet", files, change, tmp_path)
