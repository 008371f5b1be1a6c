"""Matrices in MATLAB's files of versions 4 to 7.

SciPy's reader of versions 5 to 7 takes codes and flags on trust: a file that is broken,
or made to, has it read at wild addresses, which ends the process.  Numbers are all that
is needed here of what such files may hold.  See The MathWorks, "MAT-File Format".
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from os import PathLike
from pathlib import Path

import numpy as np
from scipy.sparse import csc_array

# A variable: its name, and its numbers or what it is instead.
Variable = tuple[str, np.ndarray | str]


def read_matrices(
    path: str | PathLike[str], expected: dict[str, tuple[int | str, ...]]
) -> dict[str, np.ndarray]:
    """Read numeric matrices; an int in an expected shape is exact, a name is free."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: there is no such file.")
    try:
        file = dict(_variables(Path(path).read_bytes()))
    except Exception as error:  # of many kinds, each for its own way to be broken
        raise ValueError(
            f"{path}: cannot be read as a .mat file of version 7 or older: {error}"
        ) from error
    return {name: _checked(f"{path}", file, name, expected[name]) for name in expected}


def _checked(
    path: str,
    file: dict[str, np.ndarray | str],
    name: str,
    shape: tuple[int | str, ...],
) -> np.ndarray:
    if name not in file:
        raise ValueError(f"{path}: has no variable {name}, only {sorted(file)}.")
    value = file[name]
    wanted = f"expected finite numbers of shape ({', '.join(map(str, shape))})"
    if isinstance(value, str):
        raise ValueError(f"{path}: {name} is {value}, {wanted}.")
    fits = value.ndim == len(shape) and all(
        a > 0 if isinstance(e, str) else a == e
        for a, e in zip(value.shape, shape, strict=True)
    )
    if not fits or not np.isfinite(value).all():
        raise ValueError(
            f"{path}: {name} is {value.dtype} of shape {value.shape}, {wanted}."
        )
    return value


def _variables(content: bytes) -> Iterator[Variable]:
    if len(content) >= 4 and 0 in content[:4]:  # newer ones begin with text
        return _variables_of_version_4(content)
    orders = {b"\0\1IM": "<", b"\1\0MI": ">"}
    if content[124:128] not in orders:
        raise ValueError("it does not begin as one.")
    return _variables_of_version_5(content, orders[content[124:128]])


# ---------------------------------------------------------------- versions 5 to 7

_HEADER = 128  # bytes before the first element

# Types of elements: those of numbers, and two that hold other elements.
_NUMBERS = dict(
    zip(
        (1, 2, 3, 4, 5, 6, 7, 9, 12, 13),
        ("i1", "u1", "i2", "u2", "i4", "u4", "f4", "f8", "i8", "u8"),
        strict=True,
    )
)
_MATRIX, _COMPRESSED = 14, 15

# Classes of variables, whose numbers may be stored as smaller ones.
_DENSE = dict(
    zip(
        range(6, 16),
        ("f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"),
        strict=True,
    )
)
_OTHERS = {1: "cells", 2: "a structure", 3: "an object", 4: "text", 16: "a function"}
_SPARSE, _OPAQUE = 5, 17
_IS_COMPLEX = 0x800


def _variables_of_version_5(content: bytes, order: str) -> Iterator[Variable]:
    for code, inside in _elements(memoryview(content)[_HEADER:], order):
        matrix = code, inside
        if code == _COMPRESSED:
            (matrix,) = _elements(memoryview(zlib.decompress(inside)), order)
        if matrix[0] != _MATRIX:
            raise ValueError(f"a variable is of type {matrix[0]}, which is none.")
        yield _variable(matrix[1], order)


def _elements(content: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """Types of elements, and what they hold."""
    begin = 0
    while begin < len(content):
        code, length = struct.unpack_from(f"{order}II", content, begin)
        begin += 8
        padding = 0 if code == _COMPRESSED else -length % 8
        if code >> 16:  # up to 4 bytes are in the tag itself
            code, length = code & 0xFFFF, code >> 16
            begin, padding = begin - 4, 4 - length
        end = begin + length
        if end > len(content) or padding < 0:
            raise ValueError("an element is longer than what holds it.")
        yield code, content[begin:end]
        begin = end + padding


def _variable(content: memoryview, order: str) -> Variable:
    first, second, *rest = _elements(content, order)
    flags = int(_numbers(first, order)[0])
    kind = flags & 0xFF
    if kind == _OPAQUE:  # has no dimensions
        return _text(second), _OTHERS[3]
    third, *rest = rest
    name, shape = _text(third), _numbers(second, order).tolist()
    if kind in _OTHERS:
        return name, _OTHERS[kind]
    if flags & _IS_COMPLEX:
        return name, "complex"
    arrays = [_numbers(element, order) for element in rest]
    if kind == _SPARSE:
        rows, ends, values = arrays
        n_entries = int(ends[-1])
        matrix = csc_array((values[:n_entries], rows[:n_entries], ends), shape)
        matrix.check_format(full_check=True)
        return name, matrix.toarray()
    if kind not in _DENSE:
        raise ValueError(f"a variable is of class {kind}, which is none.")
    (values,) = arrays
    with np.errstate(over="ignore", invalid="ignore"):  # infinity is looked for later
        values = values.astype(_DENSE[kind])
    return name, _matrix(values, shape)


def _numbers(element: tuple[int, memoryview], order: str) -> np.ndarray:
    code, content = element
    if code not in _NUMBERS:
        raise ValueError(f"numbers are of type {code}, which is none of numbers.")
    values = np.frombuffer(content, order + _NUMBERS[code])
    return values.astype(_NUMBERS[code], copy=False)


def _matrix(values: np.ndarray, shape: list[int]) -> np.ndarray:
    if math.prod(shape) != len(values) or min(shape) < 0:
        raise ValueError(f"{len(values)} numbers are no array of shape {shape}.")
    return values.reshape(shape, order="F")


def _text(element: tuple[int, memoryview]) -> str:
    return bytes(element[1]).decode("latin-1")


# ----------------------------------------------------------------------- version 4

_NUMBERS_4 = ("f8", "f4", "i4", "i2", "u2", "u1")
_FULL, _TEXT = 0, 1


def _variables_of_version_4(content: bytes) -> Iterator[Variable]:
    order = "<" if struct.unpack_from("<I", content)[0] < 1000 else ">"
    begin = 0
    while begin < len(content):
        codes, n_rows, n_columns, is_complex, n_letters = struct.unpack_from(
            f"{order}5I", content, begin
        )
        begin += 20
        name = content[begin : begin + n_letters].partition(b"\0")[0].decode("latin-1")
        begin += n_letters
        dtype = np.dtype(order + _NUMBERS_4[codes // 10 % 10])
        count = n_rows * n_columns
        size = count * dtype.itemsize * (2 if is_complex else 1)
        if begin + size > len(content):
            raise ValueError("a variable is longer than the file.")
        kind = codes % 10
        if is_complex:
            yield name, "complex"
        elif kind == _FULL:
            values = np.frombuffer(content, dtype, count, begin)
            yield (
                name,
                _matrix(values.astype(dtype.newbyteorder("=")), [n_rows, n_columns]),
            )
        else:
            yield name, "text" if kind == _TEXT else "sparse"
        begin += size
