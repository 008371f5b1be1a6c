"""The reader of .mat files, with SciPy's writer and reader for oracles."""

import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.io import loadmat, savemat

from sknn3._matlab import read_matrices

SHAPE = {"A": ("rows", "columns")}
REAL = ["f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"]
FORMS = {
    "plain": {},
    "compressed": {"do_compression": True},
    "version 4": {"format": "4"},
}


def numbers(dtype):
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return np.array([[0.1, -1e30, 3.0], [np.pi, -0.0, 1e-30]], dtype)
    ends = np.iinfo(dtype)
    return np.array([[0, 1, ends.max], [ends.min, 7, 100]], dtype)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", REAL)
def test_numbers_are_those_that_scipy_wrote(dtype, form, tmp_path):
    A, path = numbers(dtype), tmp_path / "file.mat"
    if form == "version 4" and dtype not in {"f8", "f4", "i4", "i2", "u2", "u1"}:
        A = A.astype(float)  # all that it has for the others
    others = (
        {}
        if form == "version 4"
        else {"cells": np.array([1, "a"], object), "s": {"t": 1}}
    )
    others |= {"B": A[:1], "text": "some text", "complex": A * 1j}
    savemat(path, others | {"A": A} | {"C": A[:, :1]}, **FORMS[form])
    found = read_matrices(path, SHAPE | {"B": (1, 3), "C": (2, 1)})
    oracle = loadmat(path)
    for name, array in found.items():
        assert array.dtype == oracle[name].dtype
        assert_array_equal(array, oracle[name])
    assert_array_equal(found["A"], A)


# Files by hand, for what SciPy does not write.


def element(order, kind, content):
    """Part of a file of version 5, padded to 8 bytes."""
    tag = struct.pack(f"{order}II", kind, len(content))
    return tag + content + b"\0" * (-len(content) % 8)


def header(order):
    return b"MATLAB 5.0".ljust(124) + struct.pack(f"{order}HH", 0x0100, 0x4D49)


def variable(
    order, *, flags=6, shape=(2, 2), stored=9, values=None, name=b"A", parts=1
):
    values = np.array([1.0, 2, 3, 4]) if values is None else values
    content = values.astype(values.dtype.newbyteorder(order)).tobytes()
    head = element(order, 6, struct.pack(f"{order}II", flags, 0))
    head += element(order, 5, struct.pack(f"{order}{len(shape)}i", *shape))
    head += element(order, 1, name)
    return element(order, 14, head + parts * element(order, stored, content))


@pytest.mark.parametrize("order", "<>")
def test_both_orders_of_bytes(order, tmp_path):
    path = tmp_path / "file.mat"
    path.write_bytes(header(order) + variable(order))
    expected = [[1.0, 3.0], [2.0, 4.0]]
    assert_array_equal(loadmat(path)["A"], expected)
    assert_array_equal(read_matrices(path, SHAPE)["A"], expected)
    codes = 0 if order == "<" else 1000
    values = np.array([1.0, 2, 3, 4], f"{order}f8").tobytes()
    path.write_bytes(struct.pack(f"{order}5I", codes, 2, 2, 0, 2) + b"A\0" + values)
    assert_array_equal(loadmat(path)["A"], expected)
    assert_array_equal(read_matrices(path, SHAPE)["A"], expected)


def test_numbers_may_be_stored_as_smaller_ones(tmp_path):
    path = tmp_path / "file.mat"
    small = variable("<", stored=2, values=np.array([1, 2, 3, 250], np.uint8))
    path.write_bytes(header("<") + small)
    found = read_matrices(path, SHAPE)["A"]
    assert found.dtype == np.float64
    assert_array_equal(found, loadmat(path)["A"])
    assert_array_equal(found, [[1, 3], [2, 250]])


NOT_COMPRESSED = element("<", 15, b"these are not compressed")
BROKEN = {
    "a class that there is not": (variable("<", flags=99), "class 99"),
    "the end is missing": (variable("<")[:-1], "longer than the file"),
    "a tag is missing": (variable("<") + b"1234", "cut off"),
    "an element in its tag that has no room there": (
        element("<", 14, struct.pack("<II", 5 << 16 | 6, 0)),
        "longer than what holds it",
    ),
    "an element beyond its variable": (
        element("<", 14, struct.pack("<II", 6, 9) + bytes(8)),
        "longer than what holds it",
    ),
    "no name": (element("<", 14, variable("<")[8:40]), "has no name"),
    "text for flags": (element("<", 14, 3 * element("<", 1, b"")), "out of bounds"),
    "more sides than there are": (
        variable("<", shape=(1,) * 5000),
        "too long a head",
    ),
    "numbers for a variable": (element("<", 9, bytes(8)), "type 9, which is none"),
    "zeros": (bytes(1000), "type 0, which is none"),
    "compression that is none": (NOT_COMPRESSED, "decompressing"),
    "compression of none": (
        element("<", 15, zlib.compress(element("<", 9, bytes(8)))),
        "type 9, which is none",
    ),
    "compression that is cut off": (
        element("<", 15, zlib.compress(variable("<"))[:9]),
        "has no name|cut off|longer than what holds it",
    ),
}
UNREADABLE = {
    "a code of numbers that there is not": (variable("<", stored=8), "type 8"),
    "a code far out": (variable("<", stored=45065), "type 45065"),
    "a matrix among numbers": (variable("<", stored=14), "type 14"),
    "too few numbers": (variable("<", shape=(2, 3)), "4 numbers, expected"),
    "no side": (variable("<", shape=(-2, -2)), r"shape \(-2, -2\), expected"),
    "three sides": (variable("<", shape=(2, 2, 1)), r"shape \(2, 2, 1\), expected"),
    "no numbers": (variable("<", parts=0), "0 parts"),
    "more than there should be": (variable("<", parts=2), "2 parts or more"),
    "not a whole number of them": (
        variable("<", values=np.zeros(31, np.uint8)),
        "must be a multiple",
    ),
    "no number": (variable("<", values=np.full(4, np.nan)), "not finite"),
    "none of its class": (
        variable("<", flags=8, values=np.array([1, 2, 3, 300.0])),
        "are none of int8",
    ),
    "no number of its class": (
        variable("<", flags=8, values=np.array([1, 2, 3, np.nan])),
        "are none of int8",
    ),
    "wider than its class": (
        variable("<", flags=7, values=np.array([1, 2, 3, 1e300])),
        "not finite",
    ),
}
BROKEN_4 = {
    "codes of other machines": (struct.pack(">5I", 2000, 1, 1, 0, 2), "code 2000"),
    "a digit that must be 0": (struct.pack("<5I", 100, 1, 1, 0, 2), "code 100"),
    "a type that there is not": (struct.pack("<5I", 60, 1, 1, 0, 2), "code 60"),
    "a kind that there is not": (struct.pack("<5I", 3, 1, 1, 0, 2), "code 3"),
    "a header that is cut off": (struct.pack("<4I", 0, 1, 1, 0), "cut off"),
    "too few numbers": (struct.pack("<5I", 0, 1, 1, 0, 2) + b"A\0", "longer than"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_files_are_refused(case, tmp_path):
    content, message = BROKEN[case]
    path = tmp_path / "file.mat"
    path.write_bytes(header("<") + content)
    words = rf"file\.mat: cannot be read as a \.mat file of version 7 .*({message})"
    with pytest.raises(ValueError, match=words):
        read_matrices(path, SHAPE)


@pytest.mark.parametrize("case", BROKEN_4)
def test_broken_files_of_version_4_are_refused(case, tmp_path):
    content, message = BROKEN_4[case]
    path = tmp_path / "file.mat"
    path.write_bytes(content)
    words = rf"file\.mat: cannot be read as a \.mat file of version 7 .*({message})"
    with pytest.raises(ValueError, match=words):
        read_matrices(path, SHAPE)


@pytest.mark.parametrize("case", UNREADABLE)
@pytest.mark.parametrize("is_compressed", [False, True])
def test_broken_variables_are_refused_where_asked_for(is_compressed, case, tmp_path):
    broken, message = UNREADABLE[case]
    path = tmp_path / "file.mat"
    other = variable("<", name=b"B")
    if is_compressed:
        broken = compressed(broken)
    path.write_bytes(header("<") + broken + other)
    with pytest.raises(ValueError, match=rf"file\.mat: A .*{message}"):
        read_matrices(path, SHAPE)
    assert_array_equal(read_matrices(path, {"B": (2, 2)})["B"], [[1, 3], [2, 4]])


@pytest.mark.parametrize(
    ("version", "message"), [(0x0200, "version 7.3"), (0x0300, "version 0x0300")]
)
def test_versions_that_cannot_be_read_are_named(version, message, tmp_path):
    path = tmp_path / "file.mat"
    path.write_bytes(b"MATLAB".ljust(124) + struct.pack("<HH", version, 0x4D49))
    with pytest.raises(ValueError, match=message):
        read_matrices(path, SHAPE)


def compressed(content):
    data = zlib.compress(content)
    return struct.pack("<II", 15, len(data)) + data


@pytest.mark.parametrize("flags", [1, 6], ids=["cells", "numbers"])
def test_what_is_not_of_the_shape_asked_for_takes_no_memory(flags, tmp_path):
    path = tmp_path / "file.mat"
    bomb = compressed(variable("<", flags=flags, name=b"bomb", values=np.zeros(10**6)))
    path.write_bytes(header("<") + bomb + variable("<"))
    assert path.stat().st_size < 10**5
    tracemalloc.start()
    try:
        read_matrices(path, SHAPE)
        with pytest.raises(ValueError, match=r"bomb (is cells|.* longer than its num)"):
            read_matrices(path, {"bomb": (2, 2)})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10**6


@pytest.mark.parametrize(
    "broken",
    [
        lambda content: content[:-4],  # the checksum
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),
        lambda content: content + b"more",
    ],
    ids=["without checksum", "with another", "with more"],
)
def test_compression_has_to_end_where_it_should(broken, tmp_path):
    path = tmp_path / "file.mat"
    data = broken(zlib.compress(variable("<")))
    path.write_bytes(header("<") + struct.pack("<II", 15, len(data)) + data)
    with pytest.raises(ValueError, match="cannot be read"):
        read_matrices(path, SHAPE)


@pytest.mark.parametrize(
    ("flags", "kind"),
    [
        (0x806, "complex"),
        (1, "cells"),
        (2, "a structure"),
        (3, "an object"),
        (4, "text"),
        (5, "sparse"),
        (16, "a function"),
    ],
)
def test_what_is_no_dense_numbers_is_named(flags, kind, tmp_path):
    path = tmp_path / "file.mat"
    path.write_bytes(header("<") + variable("<", flags=flags, parts=2))
    with pytest.raises(ValueError, match=f"A is {kind}, expected finite numbers"):
        read_matrices(path, SHAPE)


def test_objects_without_dimensions_are_named(tmp_path):
    flags = element("<", 6, struct.pack("<II", 17, 0))
    opaque = flags + element("<", 1, b"A") + element("<", 1, b"MCOS")
    path = tmp_path / "file.mat"
    path.write_bytes(header("<") + element("<", 14, opaque))
    with pytest.raises(ValueError, match="A is an object, expected finite numbers"):
        read_matrices(path, SHAPE)


@pytest.mark.parametrize(
    ("codes", "is_complex", "kind"),
    [(1, 0, "text"), (2, 0, "sparse"), (0, 1, "complex")],
)
def test_what_is_no_dense_numbers_in_version_4_is_named(
    codes, is_complex, kind, tmp_path
):
    path = tmp_path / "file.mat"
    head = struct.pack("<5I", codes, 2, 2, is_complex, 2)
    path.write_bytes(head + b"A\0" + bytes(64 if is_complex else 32))
    with pytest.raises(ValueError, match=f"A is {kind}, expected finite numbers"):
        read_matrices(path, SHAPE)
