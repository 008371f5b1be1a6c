"""What the workers of a cluster do: all with a partition or some, nothing with others.

A partition is its rows as the user has them, its labels as they came, for a moment, and
the codes and weights that they become.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse
from sklearn.metrics import accuracy_score
from sklearn.utils import check_array
from sklearn.utils.validation import _check_sample_weight

from sknn3._blocks import Selection, refuse_unless_finite
from sknn3._parallel import block_map
from sknn3._samples import Classes, Samples
from sknn3.dask._sums import Pairs, Sums, add, pairs_of


class Received(NamedTuple):
    """Labels and weights of the rows that have a weight, and which these are (all)."""

    labels: Any
    weight: np.ndarray | None
    rows: np.ndarray | None


class Summary(NamedTuple):
    """What is to be known of a partition before all are known."""

    n_samples: int
    n_features: int
    n_columns_of_y: int
    dtype: Any
    is_sparse: bool
    as_it_is: bool  # whether the network can read the rows as they are
    classes: Classes | None  # none without rows


class Part(NamedTuple):
    """Codes and weights, and the rows they belong to (all)."""

    classes: Classes
    codes: np.ndarray
    weight: np.ndarray | None
    rows: np.ndarray | None

    def take(self, rows: np.ndarray) -> Part:
        """Select samples."""
        return Part(
            self.classes,
            self.codes[rows],
            None if self.weight is None else self.weight[rows],
            rows if self.rows is None else self.rows[rows],
        )


def as_rows(X: Any, dtype: Any = None) -> Any:
    """Rows as the network reads them."""
    X = check_array(
        X,
        accept_sparse="csr",
        dtype=dtype or [np.float64, np.float32],
        ensure_all_finite=False,
        ensure_min_samples=0,
        input_name="X",
    )
    # What came by the network may start at any byte, and NumPy would copy it for each
    # product.
    if issparse(X):
        aligned = X.data.flags.aligned and X.indices.flags.aligned
        return X if aligned else X.copy()
    return np.require(X, requirements="A")


def receive(
    X: Any, y: Any, sample_weight: Any, number: int, name: str
) -> tuple[Received, Summary]:
    """Validate a partition; samples of weight zero count as absent."""
    _check_lengths(number, X, y, sample_weight)
    rows = as_rows(X)
    refuse_unless_finite(rows, name)
    labels, weight, present = _labels(y), sample_weight, None
    if weight is not None and len(weight):
        weight = _check_sample_weight(
            weight,
            labels,
            dtype=np.float64,
            ensure_non_negative=True,
            allow_all_zero_weights=True,
        )
        if not weight.all():
            present = np.flatnonzero(weight)
            labels, weight = labels[present], weight[present]
    n_samples = labels.shape[0]
    summary = Summary(
        n_samples,
        rows.shape[1],
        labels.shape[1] if labels.ndim == 2 else 1,
        rows.dtype,
        issparse(rows),
        rows is X,
        Classes.of(labels) if n_samples else None,
    )
    return Received(labels, weight, present), summary


def _check_lengths(number: int, X: Any, y: Any, sample_weight: Any) -> None:
    for what, rows in (("y", y), ("sample_weight", sample_weight)):
        if rows is not None and rows.shape[0] != X.shape[0]:
            raise ValueError(
                f"Partition {number} has {X.shape[0]} rows in X and {rows.shape[0]} in "
                f"{what}: rechunk one like the other."
            )


def count_right(
    X: Any, y: Any, sample_weight: Any, number: np.ndarray, network: Any
) -> np.ndarray:
    """Sum the weights of samples that a network is right about, and of all."""
    X, y = _the_block(X), _the_block(y)
    _check_lengths(number.item(), X, y, sample_weight)
    total = X.shape[0] if sample_weight is None else sample_weight.sum()
    if not total:  # of which accuracy_score says nothing
        return np.zeros((1, 2))
    right = accuracy_score(
        y, network.predict(X), normalize=False, sample_weight=sample_weight
    )
    return np.array([[right, total]])


def _the_block(blocks: Any) -> Any:
    """Take the one block there is along the columns from dask's list of them."""
    return blocks[0] if isinstance(blocks, list) else blocks


def _labels(y: Any) -> Any:
    y = check_array(
        y,
        accept_sparse="csr",
        ensure_2d=False,
        dtype=None,
        ensure_min_samples=0,
        input_name="y",
    )
    return y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y


def first(pair: tuple[Any, Any]) -> Any:
    return pair[0]


def second(pair: tuple[Any, Any]) -> Any:
    return pair[1]


def encode(received: Received, classes: Classes) -> Part:
    labels, weight, rows = received
    return Part(classes, classes.encode(labels), weight, rows)


def weigh(part: Part, class_weights: np.ndarray) -> Part:
    """Multiply by the weights of classes, and drop samples that lose all of theirs."""
    numbered = Samples(np.arange(len(part.codes)), part.classes, part.codes)
    weighed = replace(numbered, weight=part.weight).times(class_weights)
    return part.take(weighed.X)._replace(weight=weighed.weight)


def stratum_counts(part: Part) -> np.ndarray:
    strata, n_strata = part.classes.strata(part.codes)
    return np.bincount(strata, minlength=n_strata)


def select(part: Part, places: list[np.ndarray], held_out: bool) -> Part:
    """Take the samples that are held out, by their places in strata, or the others."""
    strata, _ = part.classes.strata(part.codes)
    selected = np.full(len(part.codes), not held_out)
    for stratum, of_stratum in enumerate(places):
        selected[np.flatnonzero(strata == stratum)[of_stratum]] = held_out
    return part.take(np.flatnonzero(selected))


def sum_parts(
    function: Callable[..., Sums],
    args: tuple[Any, ...],
    first_rows: list[int],
    rows: list[Any],
    parts: list[Part],
    unit: float,
) -> Pairs:
    """Add what the function says of some partitions."""

    def say(first_row: int, X: Any, part: Part) -> Pairs:
        samples = Samples(
            X if part.rows is None else Selection(X, part.rows),
            part.classes,
            part.codes,
            part.weight,
            first_row=first_row,
        )
        return pairs_of(function(samples.in_unit(unit), *args))

    # One thread of BLAS each: the cluster's threads are enough, and sums the same.
    with block_map(1), np.errstate(over="ignore", invalid="ignore"):
        return reduce(add, map(say, first_rows, rows, parts))


def count_sums(samples: Samples) -> tuple[np.ndarray, float]:
    """Count classes, and sum weights."""
    return samples.counts, samples.total_weight


def size_of(part: Part) -> int:
    return len(part.codes)
