"""The tasks that run on the workers of a cluster, each on one partition or a few."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse
from sklearn.metrics import accuracy_score
from sklearn.utils import check_array

from sknn3._dataset import Dataset, RowSelection, as_weights
from sknn3._features import ENCODE_DASK_COLUMNS, as_numbers
from sknn3._labels import LabelEncoding, as_labels
from sknn3._parallel import single_blas_thread
from sknn3.dask._sums import CompensatedSums, Sums, add, compensated


class RowsSummary(NamedTuple):
    """Facts about the rows of a partition, for the client."""

    n_rows: int
    template: Any  # no rows; columns, dtype and type of the partition
    is_readable: bool  # whether the network can read the rows without a conversion


def as_rows(X: Any, dtype: Any = None, **checks: Any) -> Any:
    """Return rows as a float array or CSR matrix, without a copy where possible."""
    X = check_array(
        as_numbers(X, ENCODE_DASK_COLUMNS),
        accept_sparse="csr",
        dtype=dtype or [np.float64, np.float32],
        ensure_min_samples=0,
        input_name="X",
        **checks,
    )
    # Arrays from the network may be unaligned, and each product would copy them.
    return X if issparse(X) else np.require(X, requirements="A")


def check_rows(index: int, X: Any, n_features: int, estimator_name: str) -> RowsSummary:
    """Check the rows of a partition.

    X is the only argument from another task, so the task runs on the worker of X.
    """
    if X.shape[1] != n_features:
        raise ValueError(
            f"Partition {index} of X has {X.shape[1]} columns, but X has {n_features} "
            "according to its metadata."
        )
    rows = as_rows(X, estimator=estimator_name)
    return RowsSummary(X.shape[0], rows[:0].copy(), rows is X)


def encode_labels(
    index: int, n_rows: int, y: Any, sample_weight: Any = None
) -> Dataset | None:
    """Return the samples of a partition, or None if it has no rows.

    Samples of weight 0 are dropped.  Instead of X the data set has the row numbers.
    """
    _check_lengths(index, n_rows, y, sample_weight)
    if not n_rows:
        return None
    y = as_labels(y, warn=False, partition=index)
    if sample_weight is not None:
        sample_weight = as_weights(sample_weight, ensure_non_negative=True)
    labels = LabelEncoding.from_labels(y)
    rows = np.arange(n_rows)
    return Dataset(rows, labels, labels.encode(y), sample_weight).with_weight()


def _check_lengths(index: int, n_rows: int, y: Any, sample_weight: Any) -> None:
    for name, values in (("y", y), ("sample_weight", sample_weight)):
        if values is not None and values.shape[0] != n_rows:
            raise ValueError(
                f"Partition {index} has {n_rows} rows in X, but {values.shape[0]} rows "
                f"in {name}."
            )


def labels_of(part: Dataset | None) -> LabelEncoding | None:
    """Return the classes of a partition, or None if it has no rows."""
    return part.labels if part else None


def with_labels(part: Dataset, labels: LabelEncoding) -> Dataset:
    """Return a partition with codes for the classes of all partitions."""
    codes = part.codes
    if not labels.multilabel:
        codes = labels.encode(part.labels.classes)[codes]
    return replace(part, labels=labels, codes=codes)


def divide_weights(part: Dataset, mean: float) -> Dataset:
    """Divide the sample weights by their mean over all partitions."""
    weight = part.sample_weight
    if weight is None:
        return part
    return replace(part, sample_weight=weight / mean, mean_weight=mean)


def count_samples(part: Dataset) -> tuple[int, float, np.ndarray, np.ndarray]:
    """Return number and weight of all samples, and weight and number of each class."""
    with np.errstate(over="ignore"):  # the client raises if the total is infinite
        weights = part.total_weight, part.class_counts
        return part.n_samples, *weights, part.class_sizes


def sum_partitions(
    function: Callable[[Dataset], Sums],
    first_rows: list[int],
    rows: list[Any],
    parts: list[Dataset],
) -> CompensatedSums:
    """Add the sums that a function returns for some partitions."""

    def sum_partition(first_row: int, X: Any, part: Dataset) -> CompensatedSums:
        if part.n_samples < X.shape[0]:
            X = RowSelection(X, part.X)
        return compensated(function(replace(part, X=X, first_row=first_row)))

    # With one BLAS thread, sums do not depend on the number of threads of the worker.
    with single_blas_thread(), np.errstate(all="ignore"):
        return reduce(add, map(sum_partition, first_rows, rows, parts))


# ------------------------------------------------------------------- prediction


def predict_partition(
    X: Any, predict: Callable[[Any], np.ndarray], empty: np.ndarray
) -> np.ndarray:
    """Return the predictions for a partition, or `empty` if it has no rows."""
    return predict(X) if X.shape[0] else empty


def score_partition(
    X: Any, y: Any, sample_weight: Any, network: Any, block_id: tuple[int, ...]
) -> np.ndarray:
    """Return the weights of correctly predicted and of all samples, shape (1, 2)."""
    _check_lengths(block_id[0], X.shape[0], y, sample_weight)
    total = X.shape[0] if sample_weight is None else sample_weight.sum()
    if not total:  # accuracy_score would divide by it
        return np.zeros((1, 2))
    weight = None if sample_weight is None else sample_weight[:, 0]
    predicted = network.predict(X)
    correct = accuracy_score(
        as_labels(y, warn=False, partition=block_id[0]),
        predicted,
        normalize=False,
        sample_weight=weight,
    )
    return np.array([[correct, total]])
