"""Samples as the network learns from them: rows, encoded labels and weights."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import column_or_1d, compute_class_weight
from sklearn.utils.multiclass import type_of_target

from sknn3._arrays import Home, cast, unit_near
from sknn3._blocks import BlockMap, row_blocks, select_rows, take_rows
from sknn3._parallel import Undisturbed, block_map

# Labels are looked at in pieces of so many, counted in all columns.
_PIECE = 2**20

_SMALLEST_WEIGHT = np.finfo(np.float64).smallest_subnormal


def decide(O: Any, xp: Any, *, n_classes: int, multilabel: bool) -> Any:
    """Turn raw outputs, shape (K, n), into codes: (n,), or (K, n) if multilabel."""
    index = xp.asarray(0).dtype
    if multilabel:
        return cast(O > 0, index, xp)
    if O.shape[0] > 1:
        return xp.argmax(O, axis=0)
    return cast(O[0, :] > 0, index, xp) * int(n_classes == 2)


def labels_of(y: Any) -> Any:
    """Take labels as (n,), or as the (n, K) matrix of several for each sample."""
    several = y.ndim == 2 and y.shape[1] != 1
    return y if several else column_or_1d(y, warn=True)


def _pieces(labels: np.ndarray) -> Iterator[slice]:
    n_rows = max(1, _PIECE // max(1, math.prod(labels.shape[1:])))
    for start in range(0, len(labels), n_rows):
        yield slice(start, start + n_rows)


def _unique(values: np.ndarray) -> np.ndarray:
    """Tell the values there are, in the memory of a piece."""
    found = [np.unique(values[rows]) for rows in _pieces(values)]
    return np.unique(np.concatenate(found)) if found else values[:0]


@dataclass(frozen=True, eq=False)
class Classes:
    """What labels there are, and the codes that stand for them.

    Codes are indices into `values`, shape (n,), or for multilabel targets an indicator
    matrix of 0 and 1, shape (n, K), with `values` numbering its columns.
    """

    values: np.ndarray
    multilabel: bool = False

    @classmethod
    def of(cls, labels: Any) -> Classes:
        """Tell the classes in the labels of a classification problem."""
        if labels.ndim == 2:
            values = _unique(labels.data if issparse(labels) else labels)
            if labels.dtype.kind not in "biuf" or not np.isin(values, (0, 1)).all():
                _refuse_unless_classes(labels)
                raise ValueError(
                    f"y is a matrix of the values {values.tolist()}, expected 0 and 1 "
                    "for labels that a sample has not, and has."
                )
            return cls(np.arange(labels.shape[1]), multilabel=True)
        _refuse_unless_classes(labels[:1])
        values = _unique(labels)
        _refuse_unless_classes(values)
        return cls(values)

    @classmethod
    def union(cls, several: Sequence[Classes]) -> Classes:
        """Tell the classes of all parts together."""
        if several[0].multilabel:
            return several[0]
        return cls(np.unique(np.concatenate([part.values for part in several])))

    def encode(self, labels: Any) -> np.ndarray:
        """Turn labels into codes, in as few bytes as will do."""
        if self.multilabel:
            codes = labels.astype(np.uint8, copy=False)
            return codes.toarray() if issparse(codes) else codes
        codes = np.empty(len(labels), np.min_scalar_type(len(self.values) - 1))
        for rows in _pieces(labels):
            codes[rows] = np.searchsorted(self.values, labels[rows])
        return codes

    @property
    def n_outputs(self) -> int:
        """Units that tell the classes apart: one is enough for two classes."""
        n_classes = len(self.values)
        return n_classes if self.multilabel or n_classes > 2 else 1

    def targets(self, codes: np.ndarray) -> np.ndarray:
        """Y of `sknn3.network`."""
        if self.multilabel or self.n_outputs > 1:
            return codes
        # A single class is what its one unit says yes to.
        return (codes if len(self.values) == 2 else codes == 0)[:, np.newaxis]

    def count(self, codes: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
        """Sum weights class by class, (1, K); of labels those without and with, (K, 2).

        A row for each column of the labels.
        """
        shape = (len(self.values), 2) if self.multilabel else (1, len(self.values))
        counts = np.zeros(shape)
        for rows in _pieces(codes):
            piece = codes[rows]
            w = np.ones(len(piece)) if weight is None else weight[rows]
            if self.multilabel:
                counts += np.stack([w @ (1 - piece), w @ piece], axis=1)
            else:
                counts += np.bincount(piece, w, minlength=shape[1])
        return counts

    def priors(self, counts: np.ndarray) -> np.ndarray:
        """Share of the weight of the samples that each output is to say yes to."""
        shares = counts / counts.sum(axis=1, keepdims=True)
        if self.multilabel:
            return shares[:, 1]
        return shares[0] if self.n_outputs > 1 else shares[0, -1:]

    def weights(self, class_weight: Any, counts: np.ndarray) -> np.ndarray:
        """Weights of classes, in the shape of their `counts`."""
        weights = np.ones_like(counts)
        each = self._for_each_column(class_weight)
        values = np.arange(2) if self.multilabel else self.values
        try:
            for w, count, row in zip(each, counts, weights, strict=True):
                present = count > 0
                # One sample of each class that weighs as all of them.
                row[present] = compute_class_weight(
                    w,
                    classes=values[present],
                    y=values[present],
                    sample_weight=count[present],
                )
        except ValueError as error:
            raise ValueError(f"class_weight={class_weight!r}: {error}") from error
        if not (np.isfinite(weights).all() and weights.min() >= 0):
            raise_no_class_weight(class_weight)
        return weights

    def _for_each_column(self, class_weight: Any) -> Sequence[Any]:
        """Class weights for each column of the labels."""
        if not self.multilabel:
            if isinstance(class_weight, list):
                raise ValueError(
                    f"class_weight={class_weight!r}: a list goes with multilabel "
                    "targets only, expected {class: weight} or 'balanced'."
                )
            return [class_weight]
        if isinstance(class_weight, dict):
            raise ValueError(
                f"class_weight={class_weight!r}: one dict, but y is multilabel: "
                "expected 'balanced' or a list of dicts, one for each label."
            )
        if not isinstance(class_weight, list):
            return [class_weight] * self.n_outputs
        if len(class_weight) != self.n_outputs or not all(
            weight == "balanced" or isinstance(weight, dict) for weight in class_weight
        ):
            raise ValueError(
                f"class_weight={class_weight!r}: y has {self.n_outputs} labels, "
                "expected a list of as many dicts."
            )
        return class_weight

    def strata(self, codes: np.ndarray) -> tuple[np.ndarray, int]:
        """Tell the stratum of each sample, and how many: classes, or one for labels."""
        if self.multilabel:
            return np.zeros(len(codes), np.uint8), 1
        return codes, len(self.values)


def raise_no_class_weight(class_weight: Any) -> None:
    """Refuse class weights that leave nothing to train on."""
    raise ValueError(
        f"class_weight={class_weight!r}: the weights must be finite and not negative, "
        "nor 0 for all samples."
    )


def _refuse_unless_classes(labels: Any) -> None:
    with np.errstate(invalid="ignore"):  # of numbers that are no whole ones by far
        kind = type_of_target(labels, input_name="y")
    if kind == "multiclass-multioutput":
        raise ValueError(
            "y has several columns with more than two values, expected one column "
            "of classes, or an indicator matrix of 0 and 1 for multilabel targets."
        )
    if kind not in ("binary", "multiclass", "multilabel-indicator"):
        raise ValueError(
            f"Unknown label type: {kind}. Expected classes in y, such as whole numbers "
            "or strings."
        )


def warn_of_many_classes(n_classes: int, n_samples: int) -> None:
    """Warn of a y that looks measured."""
    if n_samples > 20 and n_classes > n_samples / 2:
        warnings.warn(
            f"y has {n_classes} classes, and no more than {n_samples} samples: is this "
            "a regression problem?",
            UserWarning,
            stacklevel=2,
        )


def draw_held_out(
    counts: np.ndarray, fraction: float, rng: np.random.RandomState
) -> list[np.ndarray]:
    """Draw samples to hold out, by their places within each stratum of so many.

    Every stratum of classes keeps at least one sample to train on, which
    scikit-learn's stratified splitters do not promise: they refuse classes of one.
    """
    quotas = fraction * counts
    n_held_out = np.floor(quotas).astype(int)
    n_missing = max(1, round(fraction * counts.sum())) - n_held_out.sum()
    by_remainder = np.lexsort((rng.uniform(size=len(counts)), n_held_out - quotas))
    n_held_out[by_remainder[:n_missing]] += 1
    n_held_out = np.clip(n_held_out, 0, np.maximum(counts - 1, 0))
    if not n_held_out.any():
        raise ValueError(
            f"early_stopping=True holds out samples of classes with two or more, "
            f"but with n_samples = {counts.sum()} there is no such class."
        )
    return [
        np.sort(rng.permutation(count)[:n])
        for count, n in zip(counts, n_held_out, strict=True)
    ]


def unit_of(mean_weight: float) -> float:
    """Choose a unit for weights near their mean, lest losses overflow in float32."""
    if not math.isfinite(mean_weight):
        raise ValueError("The sum of sample_weight times class_weight overflows.")
    return unit_near(mean_weight)


class Data(Protocol):
    """Samples as a fit sees them, here or in parts elsewhere.

    What it has to know of them comes by sums over the parts.
    """

    @property
    def classes(self) -> Classes:
        """What their labels tell apart."""

    @property
    def unit(self) -> float:
        """What weights are told in, in all sums."""

    @property
    def template(self) -> Any:
        """Some array with the dtype and the number of columns of X."""

    @property
    def home(self) -> Home:
        """Where the products are done."""

    @property
    def is_sparse(self) -> bool:
        """Whether X is a sparse matrix."""

    @property
    def n_samples(self) -> int:
        """Number of samples with a weight."""

    @property
    def counts(self) -> np.ndarray:
        """Weights of the classes, see `Classes.count`."""

    @property
    def total_weight(self) -> float:
        """Sum of all weights."""

    def sum(self, function: Callable[..., Any], *args: Any) -> tuple[Any, ...]:
        """Add what the function, of `Samples` and these arguments, says of each part.

        It returns a tuple, which is added entry by entry.
        """

    def split(self, fraction: float, rng: np.random.RandomState) -> tuple[Data, Data]:
        """Part off a share of the samples, of each class unless multilabel."""

    def on_threads(self, undisturbed: Undisturbed) -> AbstractContextManager[Data]:
        """Give the same samples with threads to work on them: see `block_map`."""


@dataclass(frozen=True, eq=False)
class Samples:
    """Validated rows with their codes and positive weights (None: all weigh 1).

    Codes and weights are the host's, wherever the rows live.  `first_row` is how many
    rows come before these, where they are a part.
    """

    X: Any
    classes: Classes
    codes: np.ndarray
    weight: np.ndarray | None = None
    unit: float = 1.0
    first_row: int = 0
    map_blocks: BlockMap = map

    @classmethod
    @np.errstate(over="ignore")  # which `unit_of` sees
    def present(
        cls, X: Any, y: Any, sample_weight: np.ndarray | None, class_weight: Any
    ) -> Samples:
        """Encode the labels of all samples that have a weight at all."""
        labels = labels_of(y)
        if sample_weight is not None and not sample_weight.all():
            rows = np.flatnonzero(sample_weight)
            X, labels = select_rows(X, rows), labels[rows]
            sample_weight = sample_weight[rows]
        classes = Classes.of(labels)
        samples = cls(X, classes, classes.encode(labels), sample_weight)
        warn_of_many_classes(len(classes.values), samples.n_samples)
        if class_weight is not None:
            weights = classes.weights(class_weight, samples.counts)
            samples = samples.times(weights)
            if not samples.n_samples:
                raise_no_class_weight(class_weight)
        return samples.in_own_unit()

    def times(self, class_weights: np.ndarray) -> Samples:
        """Multiply weights by those of the classes; of several labels, by all."""
        codes = self.codes if self.classes.multilabel else self.codes[:, np.newaxis]
        weight = np.ones(len(codes)) if self.weight is None else self.weight.copy()
        for of_values, column in zip(class_weights, codes.T, strict=True):
            weight *= of_values[column]
        samples = replace(self, weight=weight)
        # A class of weight 0 keeps its name, but its rows have nothing to say.
        return samples if weight.all() else samples[np.flatnonzero(weight)]

    def in_own_unit(self) -> Samples:
        """Tell weights in a unit near their mean."""
        if self.weight is None:
            return self
        return self.in_unit(unit_of(self.weight.mean()))

    def in_unit(self, unit: float) -> Samples:
        """Tell weights in another unit; none gets too small to count at all."""
        if self.weight is None:
            return replace(self, unit=unit)
        weight = np.maximum(self.weight / unit, _SMALLEST_WEIGHT)
        return replace(self, weight=weight, unit=self.unit * unit)

    def __getitem__(self, rows: np.ndarray) -> Samples:
        return replace(
            self,
            X=select_rows(self.X, rows),
            codes=self.codes[rows],
            weight=None if self.weight is None else self.weight[rows],
        )

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return len(self.codes)

    @property
    def counts(self) -> np.ndarray:
        """Weights of the classes, see `Classes.count`."""
        return self.classes.count(self.codes, self.weight)

    @property
    def total_weight(self) -> float:
        """Sum of all weights."""
        return float(self.n_samples if self.weight is None else self.weight.sum())

    @property
    def template(self) -> Any:
        """An array with the dtype and the number of columns of X."""
        return self.X

    @property
    def is_sparse(self) -> bool:
        """Whether the rows are a sparse matrix."""
        return issparse(self.X)

    @cached_property
    def home(self) -> Home:
        """Where the rows live."""
        return Home.of(self.X)

    @cached_property
    def blocks(self) -> list[tuple[Any, Any, Any]]:
        """Rows, targets and weights, block by block, as the network takes them."""
        home, dtype = self.home, self.X.dtype
        Y = self.classes.targets(self.codes)
        weight = None if self.weight is None else home.take_in(self.weight, dtype)
        if not home.is_host:
            Y = home.take_in(Y.astype(np.int64))
        return [
            (
                take_rows(self.X, rows),
                Y[rows, ...],
                None if weight is None else weight[rows],
            )
            for rows in row_blocks(self.n_samples, on_host=home.is_host)
        ]

    def sum(self, function: Callable[..., Any], *args: Any) -> tuple[Any, ...]:
        """Tell what the function says of the samples."""
        result: tuple[Any, ...] = function(self, *args)
        return result

    @contextmanager
    def on_threads(self, undisturbed: Undisturbed) -> Iterator[Samples]:
        """Give the same samples with threads to work on their blocks."""
        # Blocks of other devices are one after the other; the minimiser is here.
        n_blocks = len(row_blocks(self.n_samples)) if self.home.is_host else 1
        with block_map(n_blocks, undisturbed) as map_blocks:
            yield replace(self, map_blocks=map_blocks)

    def split(
        self, fraction: float, rng: np.random.RandomState
    ) -> tuple[Samples, Samples]:
        """Part off a share of the samples, of each class unless multilabel."""
        strata, n_strata = self.classes.strata(self.codes)
        counts = np.bincount(strata, minlength=n_strata)
        held_out = np.zeros(self.n_samples, bool)
        for stratum, places in enumerate(draw_held_out(counts, fraction, rng)):
            held_out[np.flatnonzero(strata == stratum)[places]] = True
        # Without the others, all that is left may be next to nothing in their unit.
        rest, held_out_rows = np.flatnonzero(~held_out), np.flatnonzero(held_out)
        return self[rest].in_own_unit(), self[held_out_rows].in_own_unit()
