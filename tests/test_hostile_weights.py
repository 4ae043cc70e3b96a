"""Npz, safetensors and Keras files that were damaged, or made to do harm: one line, no harm."""

import io
import json
import os
import pickle
import struct
import tracemalloc
import zipfile
import zlib

import h5py
import numpy as np
import pytest
from hostile_weights import assert_harmless, assert_mutants_do_no_harm, everything, linux, slightly

from scratchnet.files.weights import keras, load_weights, npz, safetensors

KERNEL = np.arange(3 * 3 * 3 * 4, dtype=np.float32).reshape(3, 3, 3, 4)
BIAS = np.arange(4, dtype=np.float32)


# ---------------------------------------------------------------- npz


def archive(entries=None, method=zipfile.ZIP_STORED) -> bytes:
    """Return a zip archive of (name, bytes)."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as made:
        for name, data in entries or [("conv1_1/kernel.npy", array(KERNEL)), ("b.npy", array())]:
            made.writestr(zipfile.ZipInfo(name), data, method)
    return file.getvalue()


def array(values=BIAS) -> bytes:
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


def line(text: str, numbers: bytes = bytes(16), length: int | None = None) -> bytes:
    """Return an array's bytes with another line before its numbers."""
    size = len(text) if length is None else length
    return b"\x93NUMPY\1\0" + struct.pack("<H", size) + text.encode() + numbers


def header(descr="'<f4'", order="False", shape="(4,)") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n"


class Harmful:
    def __reduce__(self):
        return os.system, ("touch harm",)


def one(data: bytes) -> bytes:
    return archive([("a.npy", data)])


def patched(data: bytes, at: int, new: bytes) -> bytes:
    at %= len(data)
    return data[:at] + new + data[at + len(new) :]


def encrypted(data: bytes) -> bytes:
    """Set the flag in the entry and in the directory."""
    directory = data.index(b"PK\1\2")
    return patched(patched(data, 6, b"\1"), directory + 8, b"\1")


def twins() -> bytes:
    with pytest.warns(UserWarning, match="Duplicate name"):
        return archive([("a.npy", array()), ("a.npy", array())])


@linux
def test_hostile_npz(tmp_path):
    good, objects = archive(), np.array([Harmful()], dtype=object)
    directory = good.index(b"PK\1\2")
    numbers = good.index(array()[:80]) + 130
    wrong = {
        "an object that runs a command": (one(array(objects)), ""),
        "a bare pickle": (one(pickle.dumps(Harmful())), "no array of NumPy's"),
        "an expression": (one(line(header("__import__('os').system('touch harm')"))), "not an arr"),
        "a deep one": (one(line("(" * 9000)), "not an array of numbers"),
        "a long line": (one(line(header(), length=2**16 - 1)), "not an array of numbers"),
        "negative": (one(line(header(shape="(-4,)"))), "not an array of numbers"),
        "more numbers": (one(line(header(shape="(5,)"))), "16 bytes do not hold shape (5,)"),
        "far more": (one(line(header(shape=f"({10**17},)"))), "do not hold shape"),
        "huge": (one(line(header(shape=f"({10**30},)"))), "not an array of numbers"),
        "fewer": (one(line(header(shape="(3,)"))), "do not hold shape (3,)"),
        "twins": (twins(), "a: is there twice"),
        "another method": (archive(method=zipfile.ZIP_BZIP2), "not compressed as NumPy does"),
        "encrypted": (encrypted(good), "encrypted"),
        "other numbers": (patched(good, numbers, b"xx"), "Bad CRC-32"),
        "a comment": (patched(good, -2, b"\1") + b"x", "does not end as a zip archive does"),
        "cut off": (good[:-30], "does not end as a zip archive does"),
        "a long directory": (patched(good, -10, struct.pack("<L", 2**31)), "a table of contents"),
        "elsewhere": (patched(good, -6, struct.pack("<L", 10)), "a table of contents"),
        "zip64": (good[:-22] + b"PK\6\7" + bytes(16) + good[-22:], "does not end as"),
        "a larger entry": (
            patched(good, directory + 24, struct.pack("<L", 2**30)),
            "bytes do not hold shape (3, 3, 3, 4)",
        ),
        "nothing to read": (one(array(np.arange(3))), ""),
    }
    assert_harmless("npz", wrong, good, tmp_path)


@pytest.mark.parametrize(("size", "count"), [((512, 512, 3, 3), 20), ((300, 300, 3, 3), 40)])
def test_a_bomb_of_zeros_is_not_unpacked(tmp_path, size, count):
    """One that is small on the disk, of arrays that VGG could have, and far too many of them."""
    text = header(shape=str(size)).encode()
    body = b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + bytes(4 * np.prod(size))
    packed = [(f"layer{n}.npy", body) for n in range(count)]
    (tmp_path / "w.npz").write_bytes(archive(packed, zipfile.ZIP_DEFLATED))
    assert (tmp_path / "w.npz").stat().st_size < 2e6
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"w\.npz: over 25,000,000 numbers in 3×3 kernels"):
        load_weights(tmp_path / "w.npz")
    assert tracemalloc.get_traced_memory()[1] < 150e6
    tracemalloc.stop()


def changed_npz(n: int, data: bytes, rng: np.random.Generator) -> tuple[bytes, bool]:
    """Change an archive anywhere, or in an array, whose check sum is then right."""
    if rng.random() < 0.5:
        return slightly(data, rng), True
    with zipfile.ZipFile(io.BytesIO(data)) as archived:
        entries = [(entry.filename, archived.read(entry)) for entry in archived.infolist()]
    name, inside = entries[0]
    return archive([(name, slightly(inside, rng)), *entries[1:]], zipfile.ZIP_DEFLATED), False


# ---------------------------------------------------------------- safetensors


def tensors(header: object, numbers: bytes = bytes(16), length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + numbers


def entry(begin=0, end=16, shape=(4,), dtype="F32", **more) -> dict:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end], **more}


@linux
def test_hostile_safetensors(tmp_path):
    good = tensors({"a": entry(0, 8, (2,)), "b": entry(8, 16, (2,)), "__metadata__": {"x": "y"}})
    wrong = {
        "a long header": (tensors({}, length=2**63), "a header of 9223372036854775808 bytes"),
        "longer than the file": (tensors({}, length=1000), "and the file has"),
        "no JSON": (tensors(b"{'a': 1}"), "its header is not JSON"),
        "no text": (tensors(b'{"\xff": 1}'), "its header is not UTF-8"),
        "deep": (tensors(b'{"a":' + b"[" * 200_000), "its header is nested too deep"),
        "a list": (tensors([entry()]), "its header does not begin with {"),
        "blank": (tensors(b" {}", b""), "its header does not begin with {"),
        "twins": (tensors(b'{"a": 1, "a": 2}'), "its header has a name twice"),
        "no entry": (tensors({"a": 5}), "a: wanted dtype, shape and data_offsets alone"),
        "more": (tensors({"a": entry(x=1)}), "a: wanted dtype, shape and data_offsets alone"),
        "unknown": (tensors({"a": entry(dtype="O")}), "a: of the unknown type O"),
        "no type": (tensors({"a": entry(dtype=["F32"])}), "a: of the unknown type"),
        "negative": (tensors({"a": entry(shape=(-2, -2))}), "a: its shape or place is no list"),
        "truth": (tensors({"a": entry(begin=False)}), "a: its shape or place is no list"),
        "no whole number": (tensors({"a": entry(end=16.0)}), "a: its shape or place is no list"),
        "not a number": (tensors(b'{"a": {"dtype": "F32", "shape": [NaN], '
                                 b'"data_offsets": [0, 16]}}'), "a: its shape or place is no"),
        "huge": (tensors({"a": entry(shape=(2**62, 2**62))}), "16 bytes do not hold its shape"),
        "digits": (tensors(b'{"a": ' + b"9" * 10_000 + b"}"), "a number of 10000 digits"),
        "backwards": (tensors({"a": entry(16, 0)}), "-16 bytes do not hold its shape"),
        "another size": (tensors({"a": entry(shape=(3,))}), "16 bytes do not hold its shape"),
        "overlapping": (tensors({"a": entry(), "b": entry(8, 24)}, bytes(24)), "b: begins at 8"),
        "the same": (tensors({"a": entry(), "b": entry()}), "b: begins at 0, and overlaps"),
        "a hole": (tensors({"a": entry(8, 24)}, bytes(24)), "leaves a hole of 8 bytes"),
        "outside": (tensors({"a": entry(0, 32, (8,))}), "its tensors end at 32 of 16 bytes"),
        "bytes behind": (tensors({"a": entry()}, bytes(17)), "its tensors end at 16 of 17 bytes"),
        "far outside": (tensors({"a": entry(2**62, 2**62 + 16)}), "leaves a hole"),
        "cut off": (good[:-1], "damaged or cut off: its tensors end at 16 of 15"),
        "cut off early": (good[:5], "a header of"),
        "other types": (tensors({"a": entry(dtype="I32"), "b": entry(16, 16, (0,), "BOOL")}), ""),
    }  # fmt: skip
    assert_harmless("safetensors", wrong, good, tmp_path)


def changed_safetensors(n: int, data: bytes, rng: np.random.Generator) -> tuple[bytes, bool]:
    """Change a file anywhere, or in its header, whose length is then right."""
    if rng.random() < 0.5:
        return slightly(data, rng), False
    length = int.from_bytes(data[:8], "little")
    return tensors(slightly(data[8 : 8 + length], rng), data[8 + length :]), False


# ---------------------------------------------------------------- Keras


def hdf5(fill=None, **options) -> bytes:
    """Return an HDF5 file as Keras writes it, and what ``fill`` puts into it."""
    file = io.BytesIO()
    with h5py.File(file, "w", **options) as made:
        made["conv1_1/conv1_1/kernel:0"] = KERNEL
        made["conv1_1/conv1_1/bias:0"] = BIAS
        made.attrs["layer_names"] = [b"conv1_1"]
        if fill:
            fill(made)
    return file.getvalue()


def chunked(**options):
    return hdf5(lambda file: file.create_dataset("a", data=BIAS, **options))


def deep(file):
    for _ in range(40):
        file = file.create_group("a")


def wide(file):
    for n in range(20_000):
        file.create_group(f"{n}")


@linux
def test_hostile_hdf5_of_others(tmp_path, tmp_path_factory):
    secret = tmp_path_factory.mktemp("other") / "secret"
    secret.write_bytes(bytes(16))
    other = str(secret)
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource(other, "a", (4,))
    good, nowhere = hdf5(), b"\xff" * 8
    tree, names, leaf = (good.index(sign) for sign in (b"TREE", b"HEAP", b"SNOD"))
    wrong = {
        "chunks": (chunked(chunks=(2,)), "a: in chunks, wanted in one piece"),
        "compressed": (chunked(compression="gzip"), "a: compressed or in another file"),
        "summed": (chunked(fletcher32=True), "a: compressed or in another file"),
        "outside": (
            hdf5(lambda f: f.create_dataset("a", (4,), "f4", external=[(other, 0, 16)])),
            "a: compressed or in another file",
        ),
        "virtual": (hdf5(lambda f: f.create_virtual_dataset("a", layout)), "a: in chunks"),
        "without numbers": (hdf5(lambda f: f.create_dataset("a", (4,), "f4")), "a: 16 bytes"),
        "a link": (hdf5(lambda f: f.update(a=h5py.SoftLink("/conv1_1"))), "a: a link"),
        "out of the file": (hdf5(lambda f: f.update(a=h5py.ExternalLink(other, "a"))), "newer lay"),
        "two names": (
            hdf5(lambda f: f.update(a=f["conv1_1/conv1_1/bias:0"])),
            "has more than one name in this file",
        ),
        "a circle": (hdf5(lambda f: f.update(a=f["/"])), "a: has more than one name"),
        "a circle below": (hdf5(lambda f: f["conv1_1"].update(a=f["conv1_1"])), "more than one"),
        "too deep": (hdf5(deep), "groups too deep"),
        "too many": (hdf5(wide), "too many groups, wanted a network's"),
        "newer": (hdf5(libver="latest"), "of a newer layout of HDF5 than Keras writes"),
        "newer groups": (
            hdf5(lambda f: f.create_group("a", track_order=True)),
            "of a newer layout of HDF5 than Keras writes",
        ),
        "behind other bytes": (patched(good, 24, b"\1"), "does not begin at the file's beginning"),
        "cut off": (good[: len(good) // 2], "damaged: "),
        "only its beginning": (good[:50], "damaged: 96 bytes at 0, of 50"),
        "its tree": (patched(good, tree, b"x"), "damaged: its entries' tree is none"),
        "its names": (patched(good, names, b"x"), "damaged: a group's names are missing"),
        "its entries": (patched(good, leaf, b"x"), "damaged: its entries are none"),
        "nowhere": (patched(good, tree + 32, nowhere), "damaged: "),
        "names outside": (patched(good, names + 8, nowhere), "damaged: "),
        "far below": (patched(good, tree + 5, b"\xff"), "damaged: its entries' tree is none"),
        "a name outside": (patched(good, leaf + 8, b"\xff\xff"), "damaged: 0 bytes at"),
        "texts beside": (hdf5(lambda f: f.update(a=["x", "y"], b=np.arange(4))), None),
    }
    assert wrong.pop("texts beside") and read(hdf5(lambda f: f.update(a=["x"])), tmp_path) == 2
    assert_harmless("keras", wrong, good, tmp_path)


def read(data, folder):
    path = folder.parent / "read.h5"
    path.write_bytes(data)
    return len(keras.read(path, everything))


def changed_keras(n: int, data: bytes, rng: np.random.Generator) -> tuple[bytes, bool]:
    """Change a file anywhere, or near one of its structures."""
    if rng.random() < 0.3:
        return slightly(data, rng), False
    signs = [b"TREE", b"HEAP", b"SNOD", b"\x89HDF", b"\1\0\x04\0", b"conv1_1"]
    places = [at for sign in signs if (at := data.find(sign)) >= 0]
    at = min(len(data) - 1, int(rng.choice(places)) + int(rng.integers(80)))
    return patched(data, at, rng.bytes(1)), False


# ---------------------------------------------------------------- mutants


def originals(form: str) -> list[bytes]:
    """Return a file or two of a format."""
    if form == "npz":
        return [archive(), archive(method=zipfile.ZIP_DEFLATED)]
    if form == "safetensors":
        header = {"conv1_1/kernel": entry(0, KERNEL.nbytes, KERNEL.shape)}
        header["conv1_1/bias"] = entry(KERNEL.nbytes, KERNEL.nbytes + 8, (4,), "BF16")
        return [tensors(header, KERNEL.tobytes() + bytes(8))]
    return [hdf5()]


@pytest.mark.slow
@linux
@pytest.mark.parametrize("form", ["npz", "safetensors", "keras"])
def test_mutants_are_read_or_refused_in_one_line(form, tmp_path):
    change = f"test_hostile_weights.changed_{form}"
    assert_mutants_do_no_harm(form, originals(form), change, tmp_path)


def test_formats_are_told_by_content_alone(tmp_path):
    readers = {"npz": npz, "safetensors": safetensors, "keras": keras}
    for form in readers:
        path = tmp_path / f"{form}.anything"
        path.write_bytes(originals(form)[0])
        head = path.read_bytes()[:512]
        assert [name for name, reader in readers.items() if reader.recognises(head, path)] == [form]
        for damaged in (b"", head[:4], b"\xff" * 512, zlib.compress(head)):
            assert not any(reader.recognises(damaged, path) for reader in readers.values())
