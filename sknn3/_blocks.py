"""Cutting the rows of a data set into blocks, without copying them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.sparse import csr_array, issparse

# Rows of a block.  Small enough for its activations to stay in the cache between
# the products, large enough for the products to run at full speed.
BLOCK_ROWS = 1280

# Between the products come many short operations, for each of which Python hands its
# lock on.  Threads that reach them together wait for each other longer than they
# work, as they would if their blocks were equal; these are out of step, and any two
# threads have as much to do.
RELATIVE_SIZES = (0.8, 1.2, 1.2, 0.8)

BlockMap = Callable[[Callable[..., Any], Iterable[Any]], Iterator[Any]]


def row_blocks(n_samples: int) -> list[slice]:
    """Cut rows into blocks; the cut depends on nothing but their number."""
    if n_samples <= BLOCK_ROWS:
        return [slice(0, n_samples)]
    n_rounds = -(-n_samples // (BLOCK_ROWS * len(RELATIVE_SIZES)))
    sizes = np.tile(RELATIVE_SIZES, n_rounds)
    edges = np.rint(np.cumsum([0, *sizes]) * (n_samples / sizes.sum())).astype(int)
    return [slice(a, b) for a, b in pairwise(edges.tolist())]


def take_rows(X: Any, rows: slice) -> Any:
    """Rows of a dense or CSR matrix, without copying their entries."""
    if not issparse(X):
        return X[rows]
    indptr = X.indptr[rows.start : rows.stop + 1]
    entries = slice(indptr[0], indptr[-1])
    block = csr_array((rows.stop - rows.start, X.shape[1]), dtype=X.dtype)
    # Attribute by attribute: the constructor copies parts of larger arrays.
    block.data, block.indices = X.data[entries], X.indices[entries]
    block.indptr = indptr - indptr[0]
    return block
