"""What users hand in: dask's arrays and data frames, partition by partition."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
from dask.base import is_dask_collection
from dask.core import flatten
from distributed import Client, Future, futures_of


def rows_of(X: Any) -> da.Array:
    """Take an array or a data frame as an array cut by rows only."""
    _refuse_words(X)
    X = _as_array(X, "X")
    if X.ndim != 2 or np.isnan(X.shape[1]):
        raise ValueError(
            f"X has the shape {X.shape}, expected (n, d), of which only n may be "
            "unknown."
        )
    if X.numblocks[1] > 1:
        raise ValueError(
            f"X has its columns in {X.numblocks[1]} chunks, expected rows in one piece:"
            " X.rechunk({1: -1})."
        )
    return X


def beside(X: da.Array, y: Any, name: str, ndims: tuple[int, ...]) -> da.Array:
    """Take labels or weights in the partitions of X."""
    y = _as_array(y, name)
    if y.ndim not in ndims:
        expected = " or ".join(map(str, ndims))
        raise ValueError(f"{name} has {y.ndim} dimension(s), expected {expected}.")
    if y.ndim == 2 and y.numblocks[1] > 1:
        y = y.rechunk({1: -1})
    known = not np.isnan([X.shape[0], y.shape[0]]).any()  # dask's word for unknown
    if known and X.shape[0] != y.shape[0]:
        raise ValueError(
            f"X has {X.shape[0]} rows and {name} {y.shape[0]}, expected as many."
        )
    if known and X.chunks[0] != y.chunks[0]:
        return y.rechunk({0: X.chunks[0]})
    if X.numblocks[0] != y.numblocks[0]:
        raise ValueError(
            f"X has {X.numblocks[0]} partitions and {name} {y.numblocks[0]}, of unknown"
            " numbers of rows: expected as many, or arrays that know them; call "
            "compute_chunk_sizes() on both (to_dask_array(lengths=True) on data "
            "frames)."
        )
    return y


def persisted(client: Client, arrays: list[da.Array]) -> list[list[Future]]:
    """Have partitions computed and kept on the workers; those that are, stay."""
    return [_in_order(array) for array in client.persist(arrays)]


def _in_order(array: da.Array) -> list[Future]:
    by_key = {future.key: future for future in futures_of(array)}
    return [by_key[key] for key in flatten(array.__dask_keys__())]


def _as_array(values: Any, name: str) -> da.Array:
    if isinstance(values, da.Array):
        return values
    if is_dask_collection(values) and hasattr(type(values), "to_dask_array"):
        return _without_missing_numbers(values).map_partitions(np.asarray)
    raise TypeError(
        f"{name} is of type {type(values).__name__}, expected a dask array or a dask "
        "DataFrame or Series: see dask.array.from_array and dask.dataframe.from_pandas;"
        " for data on this machine there is to_local()."
    )


def _refuse_words(X: Any) -> None:
    """Refuse columns of a data frame that are no numbers, before any is read."""
    if not hasattr(type(X), "dtypes"):
        return
    words = {
        name: str(dtype)
        for name, dtype in X.dtypes.items()
        # NumPy's objects may be numbers; pandas' own strings and categories say so too.
        if dtype.kind not in ("biufO" if isinstance(dtype, np.dtype) else "biuf")
    }
    if words:
        raise ValueError(
            f"X has columns that are no numbers: {words}. Leave them out, or encode "
            "them."
        )


def _without_missing_numbers(values: Any) -> Any:
    """Take columns of pandas' own numbers as floats, which say NaN and not NA."""
    dtypes = values.to_frame().dtypes if values.ndim == 1 else values.dtypes
    own = [
        name
        for name, dtype in dtypes.items()
        if not isinstance(dtype, np.dtype) and dtype.kind in "biuf"
    ]
    if values.ndim == 1:
        return values.astype(float) if own else values
    return values.astype(dict.fromkeys(own, float)) if own else values
