"""Conversion of dask arrays and data frames to arrays with equal partitions."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
from dask.base import is_dask_collection
from dask.core import flatten
from distributed import Client, Future, futures_of
from sklearn.utils import check_array

from sknn3._features import ENCODE_DASK_COLUMNS, as_numbers


def as_row_array(X: Any) -> da.Array:
    """Return an array or data frame as an array with one chunk along the columns."""
    if hasattr(type(X), "to_dask_array") and X.ndim == 2:
        # Without `meta`, dask calls the function on a sample with text.
        X = X.map_partitions(_frame_to_rows, meta=np.empty((0, len(X.columns))))
    X = _as_array(X, "X")
    if X.ndim != 2 or np.isnan(X.shape[1]):
        raise ValueError(
            f"X has the shape {X.shape}, expected (n_samples, n_features), where only "
            "n_samples may be unknown."
        )
    if X.numblocks[1] > 1:
        raise ValueError(
            f"X has {X.numblocks[1]} chunks along its columns, expected one: "
            "X.rechunk({1: -1})."
        )
    return X


def align_chunks(X: da.Array, y: Any, name: str, ndims: tuple[int, ...]) -> da.Array:
    """Return labels or weights as an array with the partitions of X."""
    y = _as_array(y, name)
    if y.ndim not in ndims:
        expected = " or ".join(map(str, ndims))
        raise ValueError(f"{name} has {y.ndim} dimension(s), expected {expected}.")
    if y.ndim == 2 and y.numblocks[1] > 1:
        y = y.rechunk({1: -1})
    sizes_are_known = not np.isnan([X.shape[0], y.shape[0]]).any()
    if sizes_are_known and X.shape[0] != y.shape[0]:
        raise ValueError(f"X has {X.shape[0]} rows, but {name} has {y.shape[0]} rows.")
    if sizes_are_known and X.chunks[0] != y.chunks[0]:
        return y.rechunk({0: X.chunks[0]})
    if X.numblocks[0] != y.numblocks[0]:
        raise ValueError(
            f"X has {X.numblocks[0]} partitions, but {name} has {y.numblocks[0]}, and "
            "their sizes are unknown. Call compute_chunk_sizes() on both arrays, or "
            "to_dask_array(lengths=True) on both data frames."
        )
    return y


def persist_partitions(client: Client, arrays: list[da.Array]) -> list[list[Future]]:
    """Compute partitions on the workers, and return their futures in order."""
    columns = []
    for array in client.persist(arrays):
        by_key = {future.key: future for future in futures_of(array)}
        columns.append([by_key[key] for key in flatten(array.__dask_keys__())])
    return columns


def _as_array(values: Any, name: str) -> da.Array:
    if isinstance(values, da.Array):
        return values
    if is_dask_collection(values) and hasattr(type(values), "to_dask_array"):
        # `as_labels` converts y: `check_array` would convert nullable dtypes to float.
        return values.map_partitions(np.asarray if name == "y" else _frame_to_numpy)
    raise TypeError(
        f"{name} is of type {type(values).__name__}, expected a dask array, DataFrame "
        "or Series: see dask.array.from_array and dask.dataframe.from_pandas. For data "
        "in memory use to_local()."
    )


def _frame_to_rows(partition: Any) -> Any:
    """Return rows of a pandas frame as an array or CSR matrix."""
    return _frame_to_numpy(as_numbers(partition, ENCODE_DASK_COLUMNS))


def _frame_to_numpy(partition: Any) -> Any:
    """Return a pandas object as an array, with NaN for missing numbers."""
    return check_array(
        partition,
        accept_sparse="csr",
        dtype=None,
        ensure_2d=False,
        ensure_all_finite=False,
        ensure_min_samples=0,
        ensure_min_features=0,
    )
