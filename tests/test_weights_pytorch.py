"""PyTorch's files: what torch.save wrote is read, and nothing in a pickle is ever run."""

import io
import os
import pickle
import struct
import subprocess
import sys
import zipfile
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

from scratchnet.files.weights import pytorch
from scratchnet.files.weights.pickles import MOST_INSTRUCTIONS, read_pickle

try:
    import torch
except ImportError:
    torch = None
needs_torch = pytest.mark.skipif(torch is None, reason="PyTorch is not installed")
LAYOUTS = pytest.mark.parametrize("is_zip", [True, False], ids=["zip", "older"])

# ---------------------------------------------------------------- files made by hand
# PyTorch 2.14 writes the same instructions, but for those that only remember.

SHAPES = {"features.0.weight": (2, 3, 3, 3), "features.0.bias": (2,)}
NUMBERS = {
    name: np.random.default_rng(0).standard_normal(shape).astype("<f4")
    for name, shape in SHAPES.items()
}


def text(value):
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def whole(value):
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    data = value.to_bytes(16, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def several(*values):
    return b"(" + b"".join(map(whole, values)) + b"t"


def storage(key="0", count=54, kind="Float", view=b""):
    named = f"ctorch\n{kind}Storage\n".encode()
    return b"(" + text("storage") + named + text(key) + text("cpu") + whole(count) + view + b"tQ"


DICT = b"ccollections\nOrderedDict\n)R"


def tensor(stored=None, offset=0, shape=(2, 3, 3, 3), strides=(27, 9, 3, 1)):
    arguments = (stored or storage()) + whole(offset) + several(*shape) + several(*strides)
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + arguments + b"\x89" + DICT + b"tR"


def program(items):
    """Return the pickle of a dict of what instructions make, by name."""
    inside = b"".join(text(name) + made for name, made in items.items())
    return b"\x80\x02" + DICT + b"(" + inside + b"u."


GOOD = program(
    {
        "features.0.weight": tensor(),
        "features.0.bias": tensor(storage("1", 2), 0, (2,), (1,)),
    }
)


def archive(state=GOOD, entries=(), **options):
    """Return a file in the zip layout; ``entries``: more of them, name and bytes."""
    file = io.BytesIO()
    data = [array.tobytes() for array in NUMBERS.values()]
    with zipfile.ZipFile(file, "w", **options) as made:
        made.writestr("archive/data.pkl", state)
        for n, part in enumerate(data):
            made.writestr(f"archive/data/{n}", part)
        for name, part in entries:
            made.writestr(name, part)
    return file.getvalue()


def older(state=GOOD, keys=("0", "1"), counts=(54, 2), magic=pytorch.MAGIC, little=b"\x88"):
    """Return a file in the older layout."""
    listed = b"\x80\x02](" + b"".join(map(text, keys)) + b"e."
    system = b"\x80\x02}" + text("little_endian") + little + b"s."
    start = pickle.dumps(magic, 2) + pickle.dumps(1001, 2) + system + state + listed
    return start + b"".join(
        struct.pack("<q", count) + array.tobytes()
        for count, array in zip(counts, NUMBERS.values(), strict=True)
    )


def read(path, data=None, wanted=everything):
    if data is not None:
        path.write_bytes(data)
    assert pytorch.recognises(path.read_bytes()[:512], path)
    return pytorch.read(path, wanted)


@pytest.mark.parametrize("made", [archive, older])
def test_files_made_by_hand_are_read(tmp_path, made):
    tensors = read(tmp_path / "x", made())
    assert list(tensors) == list(NUMBERS)
    for name, array in NUMBERS.items():
        assert tensors[name].dtype == np.float32 and np.array_equal(tensors[name], array)


def test_only_what_is_wanted_is_read(tmp_path):
    asked = {}

    def wanted(name, shape):
        asked[name] = shape
        return name.endswith("bias")

    # The kernel's numbers are damaged, which nobody sees who does not read them.
    data = archive().replace(NUMBERS["features.0.weight"].tobytes(), bytes(216))
    assert list(read(tmp_path / "x", data, wanted)) == ["features.0.bias"]
    assert asked == SHAPES
    with pytest.raises(ValueError, match="not those whose checksum is recorded"):
        read(tmp_path / "x")


def test_a_dict_of_python_2(tmp_path):
    """Texts of bytes, pairs in lists, an older function, and a type of the GPU."""
    made = tensor(storage(kind="Float").replace(b"ctorch\n", b"ctorch.cuda\n"))
    made = made.replace(b"_v2", b"").replace(b"\x89" + DICT + b"tR", b"tR")
    pairs = b"(](U\x01w" + made + b"eltR"
    state = (
        b"\x80\x02ccollections\nOrderedDict\n"
        + pairs.replace(b"(](", b"(](](").replace(b"eltR", b"eetR")
        + b"."
    )
    assert np.array_equal(read(tmp_path / "x", archive(state))["w"], NUMBERS["features.0.weight"])


def test_dicts_in_a_dict_and_what_is_no_tensor(tmp_path):
    inner = b"}" + text("w") + tensor() + b"s"
    state = program({"state_dict": inner, "epoch": whole(7), "loss": b"G" + bytes(8), "l": b"]"})
    assert list(read(tmp_path / "x", archive(state))) == ["state_dict.w"]
    other = program({"w": tensor(storage("1", 1, "Long"), 0, (1,), (1,)), "v": tensor()})
    assert list(read(tmp_path / "x", archive(other))) == ["v"]


def test_a_damaged_archive_is_still_recognised(tmp_path):
    with pytest.raises(ValueError, match="damaged or cut off: File is not a zip file"):
        read(tmp_path / "x", archive()[:-30])


def test_other_files_are_not_recognised(tmp_path):
    for head in (b"", b"PK\3\4", b"PK\3\4" + bytes(22) + b"x.npy", b"\x89HDF\r\n\x1a\n", b"\x80"):
        assert not pytorch.recognises(head, tmp_path / "none")


# ---------------------------------------------------------------- files by PyTorch


def state_dict():
    """Return tensors of every kind that a state dict has."""
    generator = torch.Generator().manual_seed(0)
    random = partial(torch.randn, generator=generator)
    flat = random(100)
    state = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)).state_dict()
    assert state._metadata  # which is pickled as an attribute of the dict
    return state | {
        "parameter": torch.nn.Parameter(random(4, 3, 3, 3)),
        "half": random(4).half(),
        "bfloat16": random(5).bfloat16(),
        "double": random(3, 3).double(),
        "transposed": random(6, 5).t()[::2],
        "channels last": random(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "first of two": flat[:50].view(5, 10),
        "second of two": flat[50:],
        "the same": flat[50:],
        "none": torch.zeros(0),
        "one": torch.tensor(3.0),
        "five": random(1, 1, 1, 1, 1),
    }


@needs_torch
@LAYOUTS
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_what_pytorch_writes_is_read(tmp_path, is_zip, protocol):
    state = state_dict()
    torch.save(
        state, tmp_path / "x", pickle_protocol=protocol, _use_new_zipfile_serialization=is_zip
    )
    tensors = read(tmp_path / "x")
    floats = [name for name in state if name not in ("five", "1.num_batches_tracked")]
    assert list(tensors) == floats
    for name in floats:
        values = state[name].detach()
        values = (values.float() if values.dtype == torch.bfloat16 else values).numpy()
        assert tensors[name].dtype == values.dtype and tensors[name].flags.c_contiguous
        assert np.array_equal(tensors[name], values), name


@needs_torch
@LAYOUTS
def test_what_pytorch_writes_of_other_things_is_refused(tmp_path, is_zip):
    for value, words in [
        (torch.nn.Linear(2, 2), "holds 'torch.nn.modules.linear.Linear', which Python"),
        (torch.zeros(2), "holds no dict of tensors; save model.state_dict()"),
        ({"a": torch.zeros(2).to_sparse()}, "holds 'torch._utils._rebuild_sparse_tensor'"),
        ({"a": torch.randn(3).expand(4, 3)}, "a tensor that repeats its numbers"),
    ]:
        torch.save(value, tmp_path / "x", _use_new_zipfile_serialization=is_zip)
        with pytest.raises(ValueError, match=words):
            read(tmp_path / "x")


# ---------------------------------------------------------------- harm


class Trick:
    """What a pickle makes of this is a call."""

    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


COMMAND = "touch sentinel"
CREATE = "open('sentinel', 'w')"
TRICKS = {
    "os.system": (os.system, (COMMAND,)),
    "eval": (eval, (CREATE,)),
    "exec": (exec, (CREATE,)),
    "__import__": (__import__, ("this",)),
    "getattr": (getattr, ("", "format")),
    "subprocess": (subprocess.check_output, (["touch", "sentinel"],)),
}

PARTIAL = b"\x80\x02cfunctools\npartial\n(cos\nsystem\n" + text(COMMAND) + b"tR)R."


def tricks():
    """Return the pickles of the tricks in several protocols, alone and in a list in a dict."""
    for name, made in TRICKS.items():
        for protocol in (0, 2, 4):
            yield f"{name} {protocol}", pickle.dumps(Trick(*made), protocol)
        yield f"{name} nested", pickle.dumps({"a": [1, [Trick(*made)]]}, 2)
    yield "partial", PARTIAL


def test_the_tricks_work_on_pythons_own_machine(tmp_path):
    """Else it would prove nothing that they do not work on ours."""
    alone = [pickle.dumps(Trick(*TRICKS[name]), 2) for name in ("os.system", "eval", "subprocess")]
    for data in [*alone, PARTIAL]:
        (tmp_path / "x").write_bytes(data)
        code = "import pickle; pickle.load(open('x', 'rb'))"
        subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
        assert (tmp_path / "sentinel").exists()
        (tmp_path / "sentinel").unlink()


def short(value):
    return b"\x8c" + bytes([len(value.encode())]) + value.encode()


def nested(count, start, again):
    return b"\x80\x02" + start + again * count + b"."


def hostile_pickles():
    """Return pickle and words of the refusal, by name."""
    layers = b"".join(b"q" + bytes([n]) + b"h" + bytes([n]) + b"\x86" for n in range(60))
    lists = b"]" + b"".join(
        b"q" + bytes([n]) + b"](" + (b"h" + bytes([n])) * 9 + b"e" for n in range(60)
    )
    dicts = b"}" + b"".join(
        b"q" + bytes([n]) + b"}" + text("a") + b"h" + bytes([n]) + b"s" + text("b") + b"h"
        + bytes([n]) + b"s" for n in range(60)
    )  # fmt: skip
    many = b"}q\0" + b"(" + b"".join(text(str(n)) + b"N" for n in range(600)) + b"u"
    names = b"}(" + b"".join(text(str(n)) + b"h\0" for n in range(600)) + b"u"
    alike = "t\u043erch._utils"  # a Cyrillic o
    return {
        "alike": (b"\x80\x04" + short(alike) + short("_rebuild_tensor_v2") + b"\x93.",
                  r"holds 't\u043erch._utils._rebuild_tensor_v2', which Python would have to run"),
        "alike, in bytes": (f"c{alike}\n_rebuild_tensor_v2\n.".encode(), "can't be read ('ascii'"),
        "a name of names": (b"\x80\x04" + DICT + b")\x93.", "holds '', which Python"),
        "an attribute of a name": (b"\x80\x04" + short("torch._utils")
                                   + short("_rebuild_tensor_v2.__globals__") + b"\x93.",
                                   "_rebuild_tensor_v2.__globals__"),
        "instance": (b"(ios\nsystem\n.", "its pickle has a INST"),
        "object": (b"\x80\x02(ccollections\nOrderedDict\no.", "its pickle has a OBJ"),
        "new object": (b"\x80\x02ccollections\nOrderedDict\n)\x81.", "its pickle has a NEWOBJ"),
        "extension": (b"\x80\x02\x82\x01.", "its pickle has a EXT1"),
        "buffer": (b"\x80\x05\x97.", "its pickle has a NEXT_BUFFER"),
        "built tensor": (b"\x80\x02" + tensor() + b"}b.", "would give attributes to something"),
        "built name": (b"\x80\x02ccollections\nOrderedDict\n}b.", "would give attributes to"),
        "built of a tuple": (b"\x80\x02}N}\x86b.", "would give attributes to something"),
        "called dict": (b"\x80\x02})R.", "would call something as PyTorch does not"),
        "called storage": (b"\x80\x02ctorch\nFloatStorage\n(K\x09tR.",
                           "would call torch.FloatStorage as PyTorch does not"),
        "called with others": (b"\x80\x02ctorch._utils\n_rebuild_parameter\n(K\x09tR.",
                               "would call torch._utils._rebuild_parameter as PyTorch does not"),
        "bomb of tuples": (program({"a": b")" + layers}), ""),
        "bomb of lists": (program({"a": b"(" + lists + b"t"}), ""),
        "bomb of dicts": (b"\x80\x02" + dicts + b".", ""),
        "bomb of names": (b"\x80\x02" + many + names + b".", "under too many names"),
        "tuple as key": (b"\x80\x02})" + layers + b"Ns.", "a key that is there twice, or is no"),
        "key twice": (program({"a": b"N"})[:-2] + text("a") + b"Nu.", "a key that is there twice"),
        "dict in itself": (b"\x80\x02}q\0" + text("a") + b"h\0s.", ""),
        "list in itself": (program({"a": b"]q\0h\0a"}), ""),
        "deep": (nested(MOST_INSTRUCTIONS - 5, b")", b"\x85"), "holds no dict of tensors"),
        "long": (nested(MOST_INSTRUCTIONS, b")", b"\x85"), "more than 200,000 instructions"),
        "huge number": (b"\x80\x02\x8b" + struct.pack("<i", 3 * 2**20) + b"\xff" * 3 * 2**20 + b".",
                        "its pickle has a LONG4"),
        "huge claim": (b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1) + b"\1.", "can't be read"),
        "huge text": (b"\x80\x02X" + struct.pack("<I", 2**32 - 1) + b"x.", "can't be read"),
        "huge text 8": (b"\x80\x04\x8d" + struct.pack("<Q", 2**64 - 1) + b"x.", "can't be read"),
        "many digits": (b"I" + b"9" * 10**5 + b"\n.", "pickle"),
        "huge memo": (b"\x80\x02}r" + b"\xff" * 4 + b"0.", "its pickle has a POP"),
        "nothing": (b"\x80\x02.", "takes values that it never made"),
        "below the mark": (b"\x80\x02}(\x85.", "takes values that it never made"),
        "never remembered": (b"\x80\x02h\x07.", "takes values that it never made"),
        "without an end": (b"\x80\x02}", "exhausted before seeing STOP"),
        **hostile_tensors(),
    }  # fmt: skip


def hostile_tensors():
    """Return the pickles of tensors and storages that lie."""
    ids = {
        "outside": storage("../../../etc/passwd"),
        "absolute": storage("/etc/passwd"),
        "the pickle": storage("../data.pkl"),
        "too long": storage(count=55),
        "of another type": storage(kind="Double"),
    }
    malformed = {
        "negative": storage(count=-1),
        "a view": storage(view=whole(3)),
        "a module": b"(" + text("module") + b"NNNtQ",
        "no tuple": text("0") + b"Q",
    }
    outside = {
        "offset": tensor(offset=1),
        "shape": tensor(shape=(3, 3, 3, 3)),
        "strides": tensor(strides=(28, 9, 3, 1)),
        "huge strides": tensor(strides=(2**62, 9, 3, 1)),
        "negative offset": tensor(offset=-1),
        "negative strides": tensor(offset=53, strides=(-27, -9, -3, -1)),
        "huge offset": tensor(offset=2**63),
    }
    damaged = {
        "negative shape": tensor(shape=(-2, 3, 3, 3)),
        "huge shape": tensor(shape=(0, 2**62), strides=(1, 1)),
        "fewer strides": tensor(strides=(1,)),
        "a text": tensor().replace(whole(27), text("a")),
    }
    shared = {f"a{n}": tensor(storage("2", 2**18), 0, (2**18,), (1,)) for n in range(200)}
    refused = {
        "is not in the file": {name: tensor(stored) for name, stored in ids.items()},
        "not in a storage as PyTorch": {name: tensor(made) for name, made in malformed.items()},
        "are outside its storage": outside,
        "damaged: ": damaged,
    }
    cases = {
        **{name: (made, words) for words, group in refused.items() for name, made in group.items()},
        "repeated": (tensor(shape=(2**10, 2**10, 2**8), strides=(0, 0, 0)), "repeats its numbers"),
        "two types": (b"(" + storage() + storage(kind="Double") + b"t", "two storages are called"),
    }  # fmt: skip
    return {
        **{name: (program({"a": made}), words) for name, (made, words) in cases.items()},
        "shared": (program(shared), "far more numbers than the file"),
        "twice": (program({"a.b": tensor(), "a": b"}" + text("b") + tensor() + b"s"}),
                  "two tensors called 'a.b'"),
    }  # fmt: skip


def changed(data, old, new, times=-1):
    assert old in data
    return data.replace(old, new, times)


def hostile_archives():
    """Return archives that lie, and the words of the refusal, by name."""
    good, name = archive(), b"archive/data/0"
    entry = good.rindex(name) - 46  # where the directory speaks of it
    other = good.rindex(b"archive/data/1") - 46
    first = struct.unpack("<I", good[entry + 42 : entry + 46])[0]
    tail = len(good) - 22

    def put(*places):
        data = bytearray(good)
        for place, form, value in places:
            data[place : place + struct.calcsize(form)] = struct.pack(form, value)
        return bytes(data)

    huge = struct.pack("<HHQQ", 1, 16, 2**60, 2**60)  # zip64's sizes
    longer = good[: entry + 46 + len(name)] + huge + good[entry + 46 + len(name) :]
    zip64 = bytearray(longer)
    zip64[entry + 20 : entry + 28] = b"\xff" * 8
    zip64[entry + 30 : entry + 32] = struct.pack("<H", len(huge))
    zip64[-10:-6] = struct.pack("<I", struct.unpack("<I", good[-10:-6])[0] + len(huge))
    bomb = archive(entries=[("archive/data/2", bytes(10**8))], compression=zipfile.ZIP_DEFLATED)
    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = archive(entries=[("archive/data/0", bytes(216))])
    empty = b"PK\1\2" + bytes(42)
    return {
        "dots": (archive(entries=[("archive/../../x", b"")]), "has an entry 'archive/../../x'"),
        "absolute": (archive(entries=[("/etc/passwd", b"")]), "has an entry '/etc/passwd'"),
        "a null": (changed(good, name, b"archive\0data/0"), "has an entry 'archive?data/0'"),
        "twice": (twice, "has two entries 'archive/data/0'"),
        "zip64 bomb": (bytes(zip64), "is in the next one"),
        "bomb": (bomb, "has a compressed entry"),
        "overlapping": (put((other + 42, "<I", first)), "is not where the directory says"),
        "overlapping, alike": (changed(put((other + 42, "<I", first)), b"data/1", b"data/0"),
                               "has two entries"),
        "longer": (put((entry + 20, "<I", 400), (entry + 24, "<I", 400)), "is in the next one"),
        "other sizes": (put((entry + 20, "<I", 8)), "has a compressed entry"),
        "elsewhere": (put((entry + 42, "<I", 2**31)), "damaged or cut off"),
        "another name there": (changed(good, name, b"archive/data/9", 1), "is not where the"),
        "encrypted": (put((entry + 8, "<H", 1)), "is not where the directory says"),
        "another method": (put((entry + 10, "<H", 8)), "has a compressed entry"),
        "a checksum": (put((entry + 16, "<I", 7)), "not those whose checksum is recorded"),
        "a large directory": (
            b"PK\3\4" + bytes(26) + empty * 10**5 + b"PK\5\6" + bytes(8)
            + struct.pack("<IIH", len(empty) * 10**5, 30, 0), "a directory of too many entries"),
        "a huge directory": (put((tail + 12, "<I", 2**32 - 1)), "damaged or cut off"),
        "many entries": (archive(entries=[(f"archive/{n}", b"") for n in range(10_001)]),
                         "has 10004 entries, and may have 10000"),
        "a long pickle": (archive(bytes(pytorch.PICKLES + 1)), "its pickle has 4194305 bytes"),
        "two pickles": (archive(entries=[("a/data.pkl", GOOD)]), "with 2 entries NAME/data.pkl"),
        "the highest byte first": (archive(entries=[("archive/byteorder", b"big")]),
                                   "with the highest byte first"),
    }  # fmt: skip


def hostile_older():
    """Return files in the older layout that lie, and the words of the refusal, by name."""
    return {
        "tar": (b"x".ljust(257, b"\0") + b"ustar".ljust(300, b"\0"), "a tar archive"),
        "magic": (older(magic=7), "a pickle, but not of torch.save; nothing in it was run"),
        "order": (older(little=b"\x89"), "with the highest byte first"),
        "missing key": (older(keys=("0",)), "its keys are not those of its storages"),
        "other key": (older(keys=("0", "2")), "its keys are not those of its storages"),
        "key twice": (older(keys=("0", "0", "1")), "its keys are not those of its storages"),
        "negative": (older(counts=(-1, 2)), "a storage is not as long as it should be"),
        "longer": (older(counts=(2**62, 2)), "a storage is not as long as it should be"),
        "huge": (
            older(program({"a": tensor(storage(count=2**60))}), ("0",), (2**60, 2)),
            "cut off",
        ),
        "cut off": (older()[:-1], "damaged or cut off"),
        "cut off early": (older()[:60], "can't be read"),
    }


@linux
def test_hostile_files_are_refused_in_one_line_and_nothing_is_run(tmp_path):
    big = [("archive/data/2", bytes(2**20))]
    pickles = hostile_pickles()
    cases = {
        **{f"zip: {name}": (archive(made), "run") for name, made in tricks()},
        **{f"bare: {name}": (made, "run") for name, made in tricks() if not name.endswith("0")},
        **{f"older: {name}": (older(made), "run") for name, made in tricks()},
        **{name: (archive(made, big), words) for name, (made, words) in pickles.items()},
        **{f"archive: {name}": case for name, case in hostile_archives().items()},
        **{f"older: {name}": case for name, case in hostile_older().items()},
    }
    assert len(cases) > 100
    assert_harmless("pytorch", cases, archive(), tmp_path)


def test_a_pickle_is_read_up_to_its_end_only():
    file = io.BytesIO(b"\x80\x02}.\x80\x02].")
    assert [read_pickle(file)[0] for _ in range(2)] == [{}, []]


def changed_within(n, data, rng):
    """Change a file anywhere, or its pickle, whose checksum is then right again.

    Only the first are told from the original, and only in the zip layout.
    """
    if rng.random() < 0.6:
        return slightly(data, rng), n == 0
    return (archive if n == 0 else older)(slightly(GOOD, rng)), False


@linux
@pytest.mark.slow
def test_mutants_are_read_or_refused_in_one_line(tmp_path):
    change = "test_weights_pytorch.changed_within"
    assert_mutants_do_no_harm("pytorch", [archive(), older()], change, tmp_path)
