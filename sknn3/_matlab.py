"""Matrices of numbers in MATLAB's files of versions 4 to 7.

SciPy's reader of versions 5 to 7 takes codes and flags on trust: a file that is broken,
or made to be, has it read at wild addresses, which ends the process.  Of what such
files may hold, dense numbers are all that is needed here, and of variables that nobody
asked for no more than the names.  See The MathWorks, "MAT-File Format".
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from os import PathLike
from pathlib import Path

import numpy as np


@dataclass(frozen=True, eq=False)
class _Variable:
    """What a file says of a variable; `kind` is its dtype, or what it is instead."""

    name: str
    kind: str
    shape: tuple[int, ...] = ()
    stored: Callable[[], np.ndarray] | None = None  # gives the numbers


def read_matrices(
    path: str | PathLike[str], expected: dict[str, tuple[int | str, ...]]
) -> dict[str, np.ndarray]:
    """Read numeric matrices; an int in an expected shape is exact, a name is free."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: there is no such file.")
    try:
        found = {v.name: v for v in _variables(Path(path).read_bytes()) if v.name}
    except Exception as error:  # of many kinds, each for its own way to be broken
        raise ValueError(
            f"{path}: cannot be read as a .mat file of version 7 or older: {error}"
        ) from error
    for name in expected:
        if name not in found:
            raise ValueError(f"{path}: has no variable {name}, only {sorted(found)}.")
    return {name: _read(path, found[name], expected[name]) for name in expected}


def _read(
    path: str | PathLike[str], variable: _Variable, expected: tuple[int | str, ...]
) -> np.ndarray:
    what, shape = f"{path}: {variable.name}", variable.shape
    wanted = f"expected finite numbers of shape ({', '.join(map(str, expected))})"
    if variable.stored is None:
        raise ValueError(f"{what} is {variable.kind}, {wanted}.")
    dtype = np.dtype(variable.kind)
    if len(shape) != len(expected) or not all(
        a > 0 if isinstance(e, str) else a == e
        for a, e in zip(shape, expected, strict=True)
    ):
        raise ValueError(f"{what} is {dtype} of shape {shape}, {wanted}.")
    try:
        stored = variable.stored()
    except Exception as error:  # as above
        raise ValueError(f"{what} cannot be read: {error}") from error
    if len(stored) != math.prod(shape):
        raise ValueError(f"{what} has {len(stored)} numbers, {wanted}.")
    with np.errstate(over="ignore", invalid="ignore"):  # which is looked for here
        values = stored.astype(dtype)
    if not np.isfinite(values).all():
        raise ValueError(f"{what} has numbers that are not finite, {wanted}.")
    if dtype.kind in "iu" and not (values == stored).all():
        raise ValueError(f"{what} has numbers that are none of {dtype}.")
    return values.reshape(shape, order="F")


def _variables(content: bytes) -> Iterator[_Variable]:
    if len(content) >= 4 and 0 in content[:4]:  # newer ones begin with text
        return _variables_of_version_4(content)
    mark = content[126:128]
    if mark not in _ORDERS:
        raise ValueError("it does not begin as one.")
    (version,) = struct.unpack(f"{_ORDERS[mark]}H", content[124:126])
    if version >> 8 == 2:
        raise ValueError("it is of version 7.3, which is HDF5; save it with -v7.")
    if version >> 8 != 1:
        raise ValueError(f"it is of version {version:#06x}, which there is not.")
    return _variables_of_version_5(content, _ORDERS[mark])


# ---------------------------------------------------------------- versions 5 to 7

_HEADER = 128  # bytes before the first variable
_ORDERS = {b"IM": "<", b"MI": ">"}
_TAG = 8  # bytes
_LONGEST_HEAD = 4096  # of a variable: flags, dimensions and name

# Types of elements: those of numbers, and two that hold other elements.
_NUMBERS = dict(
    zip(
        (1, 2, 3, 4, 5, 6, 7, 9, 12, 13),
        ("i1", "u1", "i2", "u2", "i4", "u4", "f4", "f8", "i8", "u8"),
        strict=True,
    )
)
_MATRIX, _COMPRESSED = 14, 15

# Classes of variables, whose numbers may be stored as those of another type.
_DENSE = dict(
    zip(
        range(6, 16),
        ("f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"),
        strict=True,
    )
)
_OTHERS = {
    1: "cells",
    2: "a structure",
    3: "an object",
    4: "text",
    5: "sparse",
    16: "a function",
}
_OPAQUE = 17
_IS_COMPLEX = 0x800


def _variables_of_version_5(content: bytes, order: str) -> Iterator[_Variable]:
    view = memoryview(content)[_HEADER:]
    begin = 0
    while begin < len(view):
        code, length = _tag(view[begin:], order)
        begin += _TAG
        inside = view[begin : begin + length]
        if len(inside) < length:
            raise ValueError("a variable is longer than the file.")
        if code == _COMPRESSED:
            yield _compressed(inside, order)
        elif code == _MATRIX:
            yield _variable(inside, inside, order)
        else:
            raise ValueError(f"a variable is of type {code}, which is none.")
        begin += length


def _compressed(content: memoryview, order: str) -> _Variable:
    start = zlib.decompressobj().decompress(content, _TAG + _LONGEST_HEAD)
    code, length = _tag(memoryview(start), order)
    if code != _MATRIX:
        raise ValueError(f"a variable is of type {code}, which is none.")

    return _variable(memoryview(start)[_TAG:], content, order, length)


def _variable(
    start: memoryview, content: memoryview, order: str, length: int | None = None
) -> _Variable:
    """Read flags, dimensions and name; numbers follow in the content, when asked for.

    The content may be compressed, and is then of a length.
    """
    head = [*islice(_elements(start, order), 3)]
    if len(head) < 3:
        raise ValueError("a variable has no name.")
    if sum(len(inside) for _, inside in head) > _LONGEST_HEAD:
        raise ValueError("a variable has too long a head.")
    flags = int(_numbers(head[0], order)[0])
    kind = flags & 0xFF
    if kind == _OPAQUE:  # has no dimensions
        return _Variable(_text(head[1]), _OTHERS[3])
    name, shape = _text(head[2]), tuple(map(int, _numbers(head[1], order)))
    if kind in _OTHERS:
        return _Variable(name, _OTHERS[kind])
    if kind not in _DENSE:
        raise ValueError(f"a variable is of class {kind}, which there is not.")
    if flags & _IS_COMPLEX:
        return _Variable(name, "complex")
    stored = partial(_stored, content, order, math.prod(shape), length)
    return _Variable(name, _DENSE[kind], shape, stored)


def _stored(
    content: memoryview, order: str, count: int, length: int | None
) -> np.ndarray:
    """Read so many numbers."""
    if length is not None:
        if length > _LONGEST_HEAD + 8 * count:
            raise ValueError("it is longer than its numbers.")
        inflater = zlib.decompressobj()
        inside = inflater.decompress(content, _TAG + length + 1)
        ends = inflater.eof and not inflater.unused_data
        if not ends or len(inside) != _TAG + length:
            raise ValueError("its compression does not end where it should.")
        content = memoryview(inside)[_TAG:]
    parts = [*islice(_elements(content, order), 3, 5)]
    if len(parts) != 1:
        raise ValueError(f"it has {len(parts)} parts or more, expected 1.")
    return _numbers(parts[0], order)


def _elements(content: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """Types of elements, and what they hold."""
    begin = 0
    while begin < len(content):
        code, length = _tag(content[begin:], order)
        begin, padding = begin + _TAG, -length % _TAG
        if code >> 16:  # up to 4 bytes are in the tag itself
            code, length = code & 0xFFFF, code >> 16
            begin, padding = begin - 4, 4 - length
        end = begin + length
        if end > len(content) or padding < 0:
            raise ValueError("an element is longer than what holds it.")
        yield code, content[begin:end]
        begin = end + padding


def _tag(content: memoryview, order: str) -> tuple[int, int]:
    """Type and length of an element."""
    if len(content) < _TAG:
        raise ValueError("an element is cut off.")
    code, length = struct.unpack_from(f"{order}II", content)
    return code, length


def _numbers(element: tuple[int, memoryview], order: str) -> np.ndarray:
    code, content = element
    if code not in _NUMBERS:
        raise ValueError(f"numbers are of type {code}, which is none of numbers.")
    return np.frombuffer(content, order + _NUMBERS[code])


def _text(element: tuple[int, memoryview]) -> str:
    return bytes(element[1]).decode("latin-1")


# ----------------------------------------------------------------------- version 4

_NUMBERS_4 = ("f8", "f4", "i4", "i2", "u2", "u1")
_KINDS_4 = ("full", "text", "sparse")


def _variables_of_version_4(content: bytes) -> Iterator[_Variable]:
    # A code of four digits: of the order of bytes, 0, of the type, and of the kind.
    order = "<" if struct.unpack_from("<I", content)[0] < 1000 else ">"
    begin = 0
    while begin < len(content):
        if begin + 20 > len(content):
            raise ValueError("a variable is cut off.")
        codes, n_rows, n_columns, is_complex, n_letters = struct.unpack_from(
            f"{order}5I", content, begin
        )
        number, kind = divmod(codes - (order == ">") * 1000, 10)
        if not 0 <= number < len(_NUMBERS_4) or kind >= len(_KINDS_4):
            raise ValueError(f"a variable has the code {codes}, which there is not.")
        begin += 20 + n_letters
        name = content[begin - n_letters : begin].partition(b"\0")[0].decode("latin-1")
        dtype = np.dtype(order + _NUMBERS_4[number])
        count = n_rows * n_columns
        end = begin + count * dtype.itemsize * (2 if is_complex else 1)
        if end > len(content):
            raise ValueError("a variable is longer than the file.")
        if is_complex or kind:
            yield _Variable(name, "complex" if is_complex else _KINDS_4[kind])
        else:
            numbers = memoryview(content)[begin:end]
            yield _Variable(
                name,
                _NUMBERS_4[number],
                (n_rows, n_columns),
                partial(np.frombuffer, numbers, dtype),
            )
        begin = end
