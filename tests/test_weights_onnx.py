"""ONNX's files: the initialisers are read, of any type of float, and files that lie are refused."""

import struct

import numpy as np
import pytest
from hostile_weights import (
    assert_harmless,
    assert_mutants_do_no_harm,
    everything,
    linux,
    slightly,
)

from scratchnet.files.weights import onnx as reader
from scratchnet.files.weights.bounded import BLOCK

try:
    import onnx
except ImportError:
    onnx = None
needs_onnx = pytest.mark.skipif(onnx is None, reason="onnx is not installed")

# ---------------------------------------------------------------- files made by hand

KERNEL = "functional_1/block1_conv1_1/convolution/ReadVariableOp:0"  # what embed_weights reads
BIAS = "functional_1/block1_conv1_1/Squeeze:0"
rng = np.random.default_rng(0)
NUMBERS = {
    KERNEL: rng.standard_normal((4, 3, 3, 3)).astype("<f4"),
    BIAS: rng.standard_normal(4).astype("<f4"),
}
FLOAT, HALF, DOUBLE, BFLOAT16, INT64 = 1, 10, 11, 16, 7


def whole(value):
    """Return a whole number in groups of 7 bits; a negative one as of 64 bits."""
    value, data = value % 2**64, b""
    while value > 127:
        data, value = data + bytes([value & 127 | 128]), value >> 7
    return data + bytes([value])


def part(number, value):
    """Return a field: a whole number, or bytes."""
    if isinstance(value, int):
        return whole(number << 3) + whole(value)
    return whole(number << 3 | 2) + whole(len(value)) + value


def tensor(name, shape, kind, *data):
    """Return an initialiser's field; ``data``: its fields of numbers."""
    inside = b"".join(part(reader.DIMS, n) for n in shape) + part(reader.TYPE, kind)
    return part(reader.INITIALIZER, inside + b"".join(data) + part(reader.NAME, name.encode()))


def raw(data):
    return part(reader.RAW_DATA, bytes(data))


def node():
    return part(1, part(1, b"x") + part(2, b"y") + part(4, b"Conv"))


def model(*initialisers, after=b""):
    graph = node() + part(2, b"graph") + b"".join(initialisers) + part(11, part(1, b"x"))
    return part(1, 8) + part(2, b"by hand") + part(7, graph) + part(8, part(2, 18)) + after


def good():
    return model(*(tensor(name, a.shape, FLOAT, raw(a.tobytes())) for name, a in NUMBERS.items()))


def read(path, data, wanted=everything):
    path.write_bytes(data)
    assert reader.recognises(data[:512], path)
    return reader.read(path, wanted)


def test_a_file_made_by_hand_is_read(tmp_path):
    tensors = read(tmp_path / "x.onnx", good())
    assert list(tensors) == list(NUMBERS)
    for name, array in NUMBERS.items():
        assert tensors[name].dtype == np.float32 and np.array_equal(tensors[name], array)


def test_only_what_is_wanted_is_read(tmp_path):
    asked = {}

    def wanted(name, shape):
        asked[name] = shape
        return name == BIAS

    elsewhere = part(reader.LOCATION, 1)  # which nobody minds who does not read it
    data = model(
        tensor("a", (9,), FLOAT, elsewhere), tensor(BIAS, (4,), FLOAT, raw(NUMBERS[BIAS].tobytes()))
    )
    assert list(read(tmp_path / "x.onnx", data, wanted)) == [BIAS]
    assert asked == {"a": (9,), BIAS: (4,)}


def test_dimensions_in_one_field(tmp_path):
    inside = part(reader.DIMS, whole(2) + whole(300)) + part(reader.TYPE, FLOAT)
    inside += raw(np.arange(600, dtype="<f4").tobytes()) + part(reader.NAME, b"a")
    tensors = read(tmp_path / "x.onnx", model(part(reader.INITIALIZER, inside)))
    assert np.array_equal(tensors["a"], np.arange(600).reshape(2, 300))


def test_what_is_no_tensor_of_floats_is_left_out(tmp_path):
    data = model(
        tensor("whole", (1,), INT64, raw(bytes(8))),
        tensor("five", (1,) * 5, FLOAT, raw(bytes(4))),
        tensor("one", (), FLOAT, raw(struct.pack("<f", 7))),
        tensor("none", (0, 3), FLOAT),
    )
    tensors = read(tmp_path / "x.onnx", data)
    assert list(tensors) == ["one", "none"] and tensors["one"] == 7
    assert tensors["none"].shape == (0, 3) and tensors["one"].shape == ()


def test_numbers_of_16_bits_as_whole_numbers(tmp_path):
    """All of them, which take 1, 2 and 3 bytes, and more than are read at a time."""
    halves = np.arange(2**16, dtype=np.uint16)
    times = BLOCK // len(halves)
    field = part(reader.INT32_DATA, b"".join(whole(int(n)) for n in halves) * times)
    data = model(
        tensor("half", (times, 2**16), HALF, field), tensor("b", (times, 2**16), BFLOAT16, field)
    )
    tensors = read(tmp_path / "x.onnx", data)
    assert tensors["half"].dtype == np.float16 and tensors["b"].dtype == np.float32
    for row in range(times):
        assert np.array_equal(tensors["half"][row].view(np.uint16), halves)
        assert np.array_equal(tensors["b"][row].view(np.uint32), halves.astype(np.uint32) << 16)


def test_other_files_are_not_recognised(tmp_path):
    for head in (
        b"",
        b"\x08",
        b"\x08\x08",
        b"PK\3\4",
        b"\x89HDF\r\n\x1a\n",
        b"\x08\x08{}",
        b"\x80\2",
    ):
        assert not reader.recognises(head, tmp_path / "none")


# ---------------------------------------------------------------- files by ONNX


def made_by_onnx(kind, as_raw):
    """Return a model's initialiser of a type, and the numbers in it."""
    values = np.random.default_rng(1).standard_normal((4, 3, 3, 3))
    made = onnx.helper.make_tensor(KERNEL, kind, values.shape, values.ravel().tolist())
    stored = onnx.numpy_helper.to_array(made)
    if as_raw:
        made = onnx.TensorProto(name=KERNEL, data_type=kind, dims=values.shape)
        made.raw_data = stored.tobytes()
    return made, np.asarray(stored, np.float32) if kind == BFLOAT16 else stored


def saved(path, *initialisers, **options):
    edges = [onnx.helper.make_tensor_value_info(name, FLOAT, [1, 3, 8, 8]) for name in "xy"]
    nodes = [onnx.helper.make_node("Conv", ["x", KERNEL], ["y"])]
    graph = onnx.helper.make_graph(nodes, "graph", edges[:1], edges[1:], list(initialisers))
    onnx.save_model(onnx.helper.make_model(graph, producer_name="test"), str(path), **options)
    assert reader.recognises(path.read_bytes()[:512], path)
    return path


@needs_onnx
@pytest.mark.parametrize("as_raw", [False, True])
@pytest.mark.parametrize("kind", [FLOAT, HALF, DOUBLE, BFLOAT16])
def test_what_onnx_writes_is_read(tmp_path, kind, as_raw):
    made, values = made_by_onnx(kind, as_raw)
    path = saved(tmp_path / "x.onnx", made, onnx.numpy_helper.from_array(np.arange(3), "n"))
    tensors = reader.read(path, everything)
    assert list(tensors) == [KERNEL] and tensors[KERNEL].dtype == values.dtype
    assert np.array_equal(tensors[KERNEL], values)


@needs_onnx
def test_what_onnx_writes_into_another_file_is_refused_and_that_is_not_opened(tmp_path):
    made, _ = made_by_onnx(FLOAT, True)
    path = saved(
        tmp_path / "x.onnx", made, save_as_external_data=True, location="x.bin", size_threshold=0
    )
    assert (tmp_path / "x.bin").exists()
    with pytest.raises(ValueError, match="is in another file, which is not opened: save the model"):
        reader.read(path, everything)


# ---------------------------------------------------------------- harm


def located(location):
    entry = part(1, b"location") + part(2, location)
    return tensor("a", (9,), FLOAT, part(13, entry), part(reader.LOCATION, 1))


def cut(data, place):
    return data[:place]


def hostile():
    """Return files that lie, and the words of the refusal, by name."""
    whole_file, eight = good(), raw(bytes(8))
    ints = part(reader.INT32_DATA, bytes(2))

    def one(shape, kind, *data, name="a"):
        return model(tensor(name, shape, kind, *data))

    short = part(1, 8) + b"\x3a"
    return {
        "external": (model(located(b"../../../etc/passwd")), "which is not opened"),
        "external, absolute": (model(located(b"/etc/passwd")), "which is not opened"),
        "external, and here": (one((2,), FLOAT, eight, part(reader.LOCATION, 1)), "is not opened"),
        "cut off": (cut(whole_file, -1), "a field ends behind what it is in"),
        "cut off within": (cut(whole_file, 300), "a field ends behind what it is in"),
        "no graph": (part(1, 8) + part(2, b"x"), "has 0 graphs, wanted one"),
        "two graphs": (whole_file + part(7, b""), "has 2 graphs, wanted one"),
        "fewer numbers": (one((3,), FLOAT, eight), "'a' has 8 bytes, wanted 12"),
        "more numbers": (one((1,), FLOAT, eight), "'a' has 8 bytes, wanted 4"),
        "no numbers": (one((1,), FLOAT), "'a' has 0 bytes, wanted 4"),
        "huge": (one((2**30, 2**30, 2**30), FLOAT, eight), "'a' has 8 bytes, wanted"),
        "huge side": (one((2**62,), FLOAT, eight), "'a' would be of shape (4611"),
        "negative sides": (one((-1, -2), FLOAT, eight), "'a' would be of shape"),
        "many sides": (one((1,) * 10**5, FLOAT, eight), ""),
        "too many sides": (one((1,) * 2 * 10**5, FLOAT, eight), "more than 200,000 fields"),
        "long sides": (model(part(5, part(1, bytes(10**6)))), "more than 4096 bytes"),
        "a side cut off": (model(part(5, part(1, b"\x80") + part(2, 1))), "ends too early"),
        "raw and floats": (one((2,), FLOAT, eight, part(reader.FLOAT_DATA, bytes(8))), "several"),
        "floats of doubles": (one((2,), DOUBLE, part(reader.FLOAT_DATA, bytes(8))), "several"),
        "raw twice": (one((2,), FLOAT, eight, eight), "not in one piece"),
        "floats one by one": (one((1,), FLOAT, whole(4 << 3 | 5) + bytes(4)), "not in one piece"),
        "fewer halves": (one((3,), HALF, ints), "other numbers than its shape has places"),
        "more halves": (one((1,), HALF, ints), "that are no 16 bits"),
        "large halves": (one((1,), HALF, part(5, whole(2**16))), "that are no 16 bits"),
        "long halves": (one((2,), HALF, part(5, b"\x81\x80\x80\x00")), "that are no 16 bits"),
        "endless halves": (one((2,), HALF, part(5, b"\x81" * 4)), "other numbers than its"),
        "negative halves": (one((4,), HALF, part(5, whole(-1))), "that are no 16 bits"),
        "twice": (model(tensor("a", (2,), FLOAT, eight) * 2), "has two tensors called 'a'"),
        "long name": (one((2,), FLOAT, eight, name="a" * 5000), "more than 4096 bytes"),
        "no name in UTF-8": (model(tensor("a", (2,), FLOAT, eight).replace(b"Ba", b"B\xff")
                                   .replace(b"\x42\x01a", b"\x42\x01\xff")), "can't decode byte"),
        "many fields": (part(1, 8) + part(7, b"\x2a\x00" * 10**6), "more than 200,000 fields"),
        "many fields outside": (part(1, 8) + part(14, b"") * 10**6, "more than 200,000 fields"),
        "halves, and more": (one((2,), HALF, part(5, b"\0\0\x81")), "other numbers than its shape"),
        "two for three halves": (one((3,), HALF, part(5, b"\0\x81\0")), "other numbers than its"),
        "huge halves": (one((2**30, 2**30), HALF, ints), "other numbers than its shape"),
        "no end of a number": (short + b"\xff" * 20, "a number of more than 10 bytes"),
        "huge length": (short + whole(2**63), "a field ends behind what it is in"),
        "group": (part(1, 8) + b"\x3b\x3c", "a field is written in way 3"),
        "deep": (part(1, 8) + part(7, nested(2000)), ""),
    }  # fmt: skip


def nested(depth):
    """Return graphs in nodes' attributes in graphs."""
    inside = b""
    for _ in range(depth):
        inside = part(1, part(5, part(6, inside)))
    return inside


@linux
def test_hostile_files_are_refused_in_one_line_and_nothing_is_run(tmp_path):
    assert_harmless("onnx", hostile(), good(), tmp_path)


def changed(n, data, rng):
    return slightly(data, rng), False


@linux
@pytest.mark.slow
def test_mutants_are_read_or_refused_in_one_line(tmp_path):
    field = part(reader.INT32_DATA, b"".join(map(whole, range(0, 2**16, 999))))
    halves = model(tensor("a", (2, 33), HALF, field), tensor("b", (33, 2), BFLOAT16, field))
    assert_mutants_do_no_harm("onnx", [good(), halves], "test_weights_onnx.changed", tmp_path)
