"""Cutting the rows of a data set into blocks, without copying them."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.sparse import csr_array, issparse
from sklearn.utils import _safe_indexing, assert_all_finite

# Up to so many rows are one block: not worth a second thread.
SINGLE_BLOCK_ROWS = 1280

# More are cut into rounds of up to so many rows, and a round into blocks of these
# relative sizes.  They are small enough for a block's activations to stay in the cache
# between the products, and large enough for what comes between: many short operations,
# for each of which Python hands its lock on.  Threads that reach them together wait for
# each other longer than they work, as they would if their blocks were equal.  Two
# threads that share a round stay out of step, and have as much to do: one the first and
# the last block, the other the second.
ROUND_ROWS = 5120
RELATIVE_SIZES = (0.8, 2.2, 1.4)

# Devices other than the host have threads and caches of their own: blocks are for
# bounded memory only.
DEVICE_BLOCK_ROWS = 65536

BlockMap = Callable[[Callable[..., Any], Iterable[Any]], Iterator[Any]]


def row_blocks(n_samples: int, *, on_host: bool = True) -> list[slice]:
    """Cut rows into blocks; the cut depends on nothing but their number, and where."""
    if not on_host:
        edges = range(0, n_samples, DEVICE_BLOCK_ROWS)
        return [slice(a, min(a + DEVICE_BLOCK_ROWS, n_samples)) for a in edges]
    if n_samples <= SINGLE_BLOCK_ROWS:
        return [slice(0, n_samples)]
    sizes = np.tile(RELATIVE_SIZES, -(-n_samples // ROUND_ROWS))
    cuts = np.rint(np.cumsum([0, *sizes]) * (n_samples / sizes.sum())).astype(int)
    return [slice(a, b) for a, b in pairwise(cuts.tolist())]


@dataclass(frozen=True, eq=False)
class Selection:
    """Some rows of a matrix, by their numbers, in memory only when `in_memory`."""

    X: Any
    rows: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows selected, and of columns."""
        return len(self.rows), self.X.shape[1]

    @property
    def dtype(self) -> Any:
        """That of the matrix."""
        return self.X.dtype

    def __getitem__(self, rows: Any) -> Selection:
        return Selection(self.X, self.rows[rows])


def select_rows(X: Any, rows: np.ndarray) -> Any:
    """Copy rows; where they are in a file, only note which."""
    if isinstance(X, Selection):
        return X[rows]
    return Selection(X, rows) if _is_memory_map(X) else _safe_indexing(X, rows)


def _is_memory_map(X: Any) -> bool:
    return _map_of(X)[0] is not None


def _map_of(X: Any) -> tuple[mmap.mmap | None, int]:
    """Give the memory map that an array lies in, and its place in the file."""
    place = 0
    while X is not None and not isinstance(X, mmap.mmap):
        if isinstance(X, np.memmap) and X.offset:
            place = X.offset - X.offset % mmap.ALLOCATIONGRANULARITY
        X = getattr(X, "base", getattr(X, "obj", None))  # of arrays, of memoryviews
    return X, place


def refuse_cut_files(**arrays: Any) -> None:
    """Raise where reading would have the system end the process: past a file's end."""
    for name, array in arrays.items():
        parts = [array]
        if issparse(array):
            parts = [getattr(array, key, None) for key in ("data", "indices", "indptr")]
        for part in parts:
            if isinstance(part, np.ndarray):
                _refuse_a_cut_file(name, part)


def _refuse_a_cut_file(name: str, array: np.ndarray) -> None:
    mapped, place = _map_of(array)
    if mapped is None:
        return
    try:
        size = mapped.size()
    except (OSError, ValueError):  # no file, or none that is known
        return
    begin = np.frombuffer(mapped, np.uint8, 1).ctypes.data
    end = place + np.lib.array_utils.byte_bounds(array)[1] - begin
    if size < end:
        raise OSError(
            f"{name} is mapped up to byte {end} of a file that has {size} by now: it "
            "was cut, or is being written again."
        )


def take_rows(X: Any, rows: slice) -> Any:
    """Rows of a dense or CSR matrix, without copying their entries."""
    if isinstance(X, Selection):
        return X[rows]
    if not issparse(X):
        return X[rows, ...]
    indptr = X.indptr[rows.start : rows.stop + 1]
    entries = slice(indptr[0], indptr[-1])
    block = csr_array((rows.stop - rows.start, X.shape[1]), dtype=X.dtype)
    # Attribute by attribute: the constructor copies parts of larger arrays.
    block.data, block.indices = X.data[entries], X.indices[entries]
    block.indptr = indptr - indptr[0]
    return block


def refuse_unless_finite(X: Any, estimator_name: str, *, on_host: bool = True) -> None:
    """Refuse NaN and infinity, in the memory of a block."""
    # Large values may overflow in the sum by which scikit-learn looks for them.
    with np.errstate(over="ignore", invalid="ignore"):
        for rows in row_blocks(X.shape[0], on_host=on_host):
            block = in_memory(take_rows(X, rows))
            assert_all_finite(block, estimator_name=estimator_name, input_name="X")


def in_memory(block: Any) -> Any:
    """Read the rows of a block, where they are only noted; to be called in each pass.

    Rows of a file are the system's to read, if they are there.
    """
    if isinstance(block, Selection):
        refuse_cut_files(X=block.X)
        return _safe_indexing(block.X, block.rows)
    refuse_cut_files(X=block)
    return block
