"""The reader of .mat files, with SciPy's writer and reader for oracles."""

import struct

import numpy as np
import pytest
import scipy.sparse as sp
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


@pytest.mark.parametrize("form", ["plain", "compressed"])
@pytest.mark.parametrize("n_entries", [0, 1, 5])
def test_sparse_matrices_are_read_as_dense_ones(n_entries, form, tmp_path, rng):
    A = np.zeros((4, 3))
    A.flat[rng.choice(12, n_entries, replace=False)] = 1.5
    savemat(tmp_path / "file.mat", {"A": sp.csc_array(A)}, **FORMS[form])
    assert_array_equal(read_matrices(tmp_path / "file.mat", SHAPE)["A"], A)


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
    "a code of numbers that there is not": (variable("<", stored=8), "type 8"),
    "a code far out": (variable("<", stored=45065), "type 45065"),
    "a matrix among numbers": (variable("<", stored=14), "type 14"),
    "a class that there is not": (variable("<", flags=99), "class 99"),
    "too few numbers": (variable("<", shape=(2, 3)), "4 numbers are no array"),
    "no side": (variable("<", shape=(-2, -2)), "4 numbers are no array"),
    "no numbers": (variable("<", parts=0), "not enough values"),
    "more than there should be": (variable("<", parts=2), "too many values"),
    "the end is missing": (variable("<")[:-1], "longer than what holds it"),
    "a tag is missing": (variable("<") + b"1234", "requires a buffer"),
    "an element in its tag that has no room there": (
        element("<", 14, struct.pack("<II", 5 << 16 | 6, 0)),
        "longer than what holds it",
    ),
    "numbers for a variable": (element("<", 9, bytes(8)), "type 9, which is none"),
    "compression that is none": (NOT_COMPRESSED, "decompressing"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_files_are_refused(case, tmp_path):
    content, message = BROKEN[case]
    path = tmp_path / "file.mat"
    path.write_bytes(header("<") + content)
    words = rf"file\.mat: cannot be read as a \.mat file of version 7 .*{message}"
    with pytest.raises(ValueError, match=words):
        read_matrices(path, SHAPE)


def test_rows_of_sparse_matrices_are_within_them(tmp_path):
    path = tmp_path / "file.mat"
    savemat(path, {"A": sp.csc_array(np.eye(3))})
    content = bytearray(path.read_bytes())
    place = content.index(struct.pack("<3i", 0, 1, 2))
    content[place : place + 4] = struct.pack("<i", 10**6)
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"cannot be read .* indices must be <"):
        read_matrices(path, SHAPE)


@pytest.mark.parametrize(
    ("flags", "kind"),
    [
        (0x806, "complex"),
        (1, "cells"),
        (2, "a structure"),
        (3, "an object"),
        (4, "text"),
        (16, "a function"),
    ],
)
def test_what_is_no_numbers_is_named(flags, kind, tmp_path):
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
    ("options", "kind"), [({"kind": 1}, "text"), ({"kind": 2}, "sparse")]
)
def test_what_is_no_numbers_in_version_4_is_named(options, kind, tmp_path):
    path = tmp_path / "file.mat"
    head = struct.pack("<5I", options["kind"], 2, 2, 0, 2)
    path.write_bytes(head + b"A\0" + bytes(32))
    with pytest.raises(ValueError, match=f"A is {kind}, expected finite numbers"):
        read_matrices(path, SHAPE)
    path.write_bytes(head + b"A\0" + bytes(31))
    with pytest.raises(ValueError, match="a variable is longer than the file"):
        read_matrices(path, SHAPE)
