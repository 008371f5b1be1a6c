"""The tasks that run on the workers of a cluster, each on one partition or a few."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.metrics import accuracy_score
from sklearn.utils import check_array

from sknn3._dataset import Dataset, RowSelection, as_weights
from sknn3._features import ENCODE_DASK_COLUMNS, as_numbers
from sknn3._labels import LabelEncoding, as_labels
from sknn3._parallel import single_blas_thread


def as_rows(
    X: Any,
    encode: str = ENCODE_DASK_COLUMNS,
    dtype: Any = (np.float64, np.float32),
    **checks: Any,
) -> Any:
    """Return rows as a float array or CSR matrix, without a copy where possible."""
    X = check_array(
        as_numbers(X, encode),
        accept_sparse="csr",
        dtype=dtype,
        ensure_min_samples=0,
        input_name="X",
        estimator="DaskThreeLayerNNClassifier",
        **checks,
    )
    # Arrays from the network may be unaligned, and each product would copy them.
    return X if issparse(X) else np.require(X, requirements="A")


def check_rows(X: Any) -> tuple[int, Any, bool]:
    """Check the rows of a partition, and return facts for the client.

    They are the number of rows, an empty array in their dtype, and whether the network
    can read them without a conversion.
    """
    rows = as_rows(X)
    return X.shape[0], rows[:0].copy(), rows is X


def find_classes(index: int, y: Any) -> LabelEncoding:
    """Return the classes of a partition."""
    return LabelEncoding.from_labels(as_labels(y, warn=False, partition=index))


def encode_partition(
    index: int, n_rows: int, y: Any, sample_weight: Any = None, *, labels: LabelEncoding
) -> Dataset:
    """Return the samples of a partition, without samples of weight 0.

    Instead of X the data set has the row numbers.
    """
    _check_lengths(index, n_rows, y, sample_weight)
    if sample_weight is not None:
        sample_weight = as_weights(sample_weight, ensure_non_negative=True)
    codes = labels.encode(as_labels(y, warn=False))
    return Dataset(np.arange(n_rows), labels, codes, sample_weight).with_weight()


def _check_lengths(index: int, n_rows: int, y: Any, sample_weight: Any) -> None:
    for name, values in (("y", y), ("sample_weight", sample_weight)):
        if values is not None and values.shape[0] != n_rows:
            raise ValueError(
                f"Partition {index} has {n_rows} rows in X, but {values.shape[0]} rows "
                f"in {name}."
            )


def divide_weights(part: Dataset, mean: float) -> Dataset:
    """Divide the sample weights by their mean over all partitions."""
    if part.sample_weight is None:
        return part
    return replace(part, sample_weight=part.sample_weight / mean, mean_weight=mean)


def count_samples(part: Dataset) -> tuple[int, float, np.ndarray, np.ndarray]:
    """Return number and weight of all samples, and weight and number of each class."""
    with np.errstate(over="ignore"):  # the client raises if the total is infinite
        return part.n_samples, part.total_weight, part.class_counts, part.class_sizes


# ------------------------------------------------------------------------- sums

# The order of a floating-point sum depends on which worker holds which partition.  So
# the rounding errors are added up too, and the sum is rounded once, at the end.  The
# result depends on the order only where the exact sum is within 1e-32 or so, relative
# to the terms, of the middle between two floating-point numbers.
Sums = tuple[Any, ...]  # numbers and arrays
CompensatedSums = list[tuple[Any, Any]]  # rounded sums and their rounding errors


def compensated(sums: Sums) -> CompensatedSums:
    """Return the sums of a partition, with rounding errors of zero."""
    return [(term, 0.0) for term in sums]


def add(first: CompensatedSums, second: CompensatedSums) -> CompensatedSums:
    """Add two sums and their rounding errors."""
    return [_add(*a, *b) for a, b in zip(first, second, strict=True)]


def _add(a: Any, error_of_a: Any, b: Any, error_of_b: Any) -> tuple[Any, Any]:
    total = a + b
    b_added = total - a
    error = (a - (total - b_added)) + (b - b_added)  # exact
    return total, error_of_a + error_of_b + error


def rounded_total(sums: list[CompensatedSums]) -> Sums:
    """Return the total of all sums, rounded once."""
    return tuple(total + error for total, error in reduce(add, sums))


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
    X: Any,
    y: Any,
    sample_weight: Any = None,
    *,
    network: Any,
    block_id: tuple[int, ...],
) -> np.ndarray:
    """Return the weights of correctly predicted and of all samples, shape (1, 2)."""
    _check_lengths(block_id[0], X.shape[0], y, sample_weight)
    weight = np.ones(X.shape[0]) if sample_weight is None else sample_weight[:, 0]
    total = weight.sum()
    if not total:  # accuracy_score would divide by it
        return np.zeros((1, 2))
    y = as_labels(y, warn=False, partition=block_id[0])
    correct = accuracy_score(
        y, network.predict(X), normalize=False, sample_weight=weight
    )
    return np.array([[correct, total]])
