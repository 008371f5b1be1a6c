"""Conversion between labels and the codes that the network is trained on."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from sknn3._array_api import namespace_of


@dataclass(frozen=True, eq=False)
class LabelEncoding:
    """The classes of a problem, and conversion between labels and codes.

    Codes are indices into `classes`, shape (n,).  For multilabel targets, codes are an
    indicator matrix, shape (n, K), and `classes` are the numbers of its columns.
    """

    classes: np.ndarray
    multilabel: bool = False

    @classmethod
    def from_labels(cls, labels: Any) -> LabelEncoding:
        """Return the encoding for labels of shape (n,) or an indicator matrix."""
        if labels.ndim == 1:
            try:
                with np.errstate(invalid="ignore"):  # floats too large for integers
                    check_classification_targets(labels)
            except ValueError as error:
                raise ValueError(
                    f"y has {labels.dtype} values such as {labels[:3].tolist()}, "
                    f"expected classes: strings or integers. {error}"
                ) from error
            return cls(np.unique(labels))
        values = np.unique(labels.data if issparse(labels) else labels)
        if labels.dtype.kind not in "biuf" or not np.isin(values, (0, 1)).all():
            raise ValueError(
                f"y has several columns, of {labels.dtype} values such as "
                f"{values[:3].tolist()}: expected one column of classes, or an "
                "indicator matrix with 0 where a sample lacks the label and 1 where it "
                "has it."
            )
        return cls(np.arange(labels.shape[1]), multilabel=True)

    @classmethod
    def union(cls, encodings: Sequence[LabelEncoding]) -> LabelEncoding:
        """Return the encoding for the classes of all parts of a data set."""
        if encodings[0].multilabel:
            return encodings[0]
        if len({part.classes.dtype.kind in "OU" for part in encodings}) > 1:
            raise ValueError(
                "y has strings in some partitions and numbers in others: expected "
                "either strings or numbers."
            )
        return cls(np.unique(np.concatenate([part.classes for part in encodings])))

    def encode(self, labels: Any) -> np.ndarray:
        """Return the codes of labels, in the smallest unsigned dtype."""
        if self.multilabel:
            codes = labels.astype(np.uint8, copy=False)
            return codes.toarray() if issparse(codes) else codes
        dtype = np.min_scalar_type(len(self.classes) - 1)
        return np.searchsorted(self.classes, labels).astype(dtype)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Return the labels of codes."""
        return codes.astype(np.int64) if self.multilabel else self.classes[codes]

    def check_known(self, others: LabelEncoding) -> None:
        """Raise if other samples have classes that this encoding lacks."""
        kinds = ["one column of classes", "an indicator matrix of {} labels"]
        kind, other = (
            kinds[e.multilabel].format(len(e.classes)) for e in (self, others)
        )
        if kind != other:
            raise ValueError(f"y has {other}, but y of the training data has {kind}.")
        unknown = set(others.classes.tolist()).difference(self.classes.tolist())
        if unknown:
            raise ValueError(
                f"y has classes that the training data lacks, such as "
                f"{min(unknown, key=str)!r}: expected some of {self.classes.tolist()}."
            )

    @property
    def n_outputs(self) -> int:
        """Number of output units; two classes share one."""
        n_classes = len(self.classes)
        return n_classes if self.multilabel or n_classes > 2 else 1

    def targets(self, codes: np.ndarray) -> np.ndarray:
        """Return codes in the form of Y in `sknn3.network`: indices or a matrix."""
        if self.multilabel or self.n_outputs > 1:
            return codes
        # The one output is the probability of the last class.
        return (codes if len(self.classes) == 2 else codes == 0)[:, np.newaxis]

    def class_counts(
        self, codes: np.ndarray, sample_weight: np.ndarray | None
    ) -> np.ndarray:
        """Return the sum of the weights of each class, shape (1, K).

        For multilabel targets, shape (K, 2): samples without and with each label.
        """
        weight = np.ones(len(codes)) if sample_weight is None else sample_weight
        if self.multilabel:
            with_label = weight @ codes
            return np.stack([weight @ (1 - codes), with_label], axis=1)
        return np.bincount(codes, weight, minlength=len(self.classes))[np.newaxis]

    def priors(self, counts: np.ndarray) -> np.ndarray:
        """Return the share of the positive samples for each output."""
        shares = counts / counts.sum(axis=1, keepdims=True)
        if self.multilabel:
            return shares[:, 1]
        return shares[0] if self.n_outputs > 1 else shares[0, -1:]

    def class_weights(self, class_weight: Any, counts: np.ndarray) -> np.ndarray:
        """Return the weight of each class, in the shape of `counts`."""
        columns = class_weight if self.multilabel else [class_weight]
        if class_weight == "balanced":
            columns = [class_weight] * len(counts)
        is_valid = (
            isinstance(columns, list)
            and len(columns) == len(counts)
            and all(w == "balanced" or isinstance(w, dict) for w in columns)
        )
        if not is_valid:
            expected = "{class: weight}"
            if self.multilabel:
                expected = f"a list of {len(counts)} dicts, one for each label,"
            raise ValueError(
                f"class_weight={class_weight!r}: expected {expected} or 'balanced'."
            )
        classes = np.arange(2) if self.multilabel else self.classes
        weights = np.ones_like(counts)
        for column, count, row in zip(columns, counts, weights, strict=True):
            if column == "balanced":
                present = count > 0
                row[present] = count[present].sum() / (present.sum() * count[present])
                continue
            for weight in column.values():
                if not (isinstance(weight, Real) and 0 <= float(weight) < np.inf):
                    raise ValueError(
                        f"class_weight={class_weight!r}: the weights must be finite "
                        "and not negative."
                    )
            row[:] = [column.get(label, 1.0) for label in classes]
        return weights

    def warn_of_unnamed_classes(self, class_weight: Any, stacklevel: int) -> None:
        """Warn if a dict of class weights names no class in y."""
        columns = class_weight if isinstance(class_weight, list) else [class_weight]
        classes = [0, 1] if self.multilabel else self.classes.tolist()
        for column in columns:
            named = column.keys() if isinstance(column, dict) else ()
            if named and named.isdisjoint(classes):
                warnings.warn(
                    f"class_weight={column!r} names none of the classes in y, "
                    f"{classes}: all of them have weight 1.",
                    stacklevel=stacklevel + 1,
                )

    def strata(self, codes: np.ndarray) -> tuple[np.ndarray, int]:
        """Return the stratum of each sample and the number of strata.

        Each class is a stratum.  With multilabel targets, all samples are one stratum.
        """
        if self.multilabel:
            return np.zeros(len(codes), np.uint8), 1
        return codes, len(self.classes)


def as_labels(y: Any, *, warn: bool = True, partition: int | None = None) -> Any:
    """Return the user's labels as an array of numbers or of strings.

    The shape is (n,), or (n, K) for an indicator matrix, which may be sparse.  None and
    arrays of namespaces other than NumPy keep their type.
    """
    if issparse(y):
        y = y.tocsr()
    elif y is not None and namespace_of(y)[0] is np:
        where = "" if partition is None else f" of partition {partition}"
        if isinstance(y, list | tuple):
            # NumPy would convert numbers and NaN in a list of strings to strings.
            _check_values(np.asarray(y, dtype=object), where)
        y = _check_values(np.asarray(y), where)
    is_column = getattr(y, "shape", ())[1:] == (1,)
    return column_or_1d(y, warn=warn) if is_column else y


def _check_values(y: np.ndarray, where: str) -> np.ndarray:
    """Check labels, and give objects that are numbers a numeric dtype."""
    kinds = set()
    if y.dtype == object:
        kinds = set(map(_kind, set(map(type, y.flat))))
    is_valid = kinds in (set(), {"string"}, {"number"})
    if kinds == {"number"}:
        y = np.array(y.tolist())
    if y.dtype.kind in "fmM":
        is_valid = bool(np.isfinite(y).all())
    if not is_valid:
        _raise_for_label(y, where)
    return y


def _raise_for_label(y: np.ndarray, where: str) -> None:
    """Raise for the first label that is missing, or of another kind than the first."""
    n_columns, first = y.shape[1] if y.ndim == 2 else 1, y.flat[0]
    names = {"nan": "NaN", "inf": "infinity", "-inf": "infinity", "NaT": "NaT"}
    for i, value in enumerate(y.flat):
        kind, row = _kind(type(value)), f"row {i // n_columns}{where}"
        if kind == "missing" or (kind != "string" and str(value) in names):
            given = names.get(str(value), value)
            raise ValueError(
                f"Input y contains {given} in {row}: expected a label for each sample."
            )
        if kind == "unknown" and y.dtype == object:  # not dates
            raise ValueError(
                f"y has a value of type {type(value).__name__} in {row}, {value!r}: "
                "expected numbers or strings, for example y.astype(str)."
            )
        if kind != _kind(type(first)):
            raise ValueError(
                f"y has a {_kind(type(first))} in row 0, {first!r}, and a {kind} in "
                f"{row}, {value!r}: expected either numbers or strings."
            )


def _kind(type_: type) -> str:
    """Return the kind of the values of a type: string, number, missing or unknown."""
    if issubclass(type_, str):
        return "string"
    if issubclass(type_, Integral | float | np.bool_ | np.floating):
        return "number"
    is_missing = type_.__name__ in ("NoneType", "NAType", "NaTType")  # also of pandas
    return "missing" if is_missing else "unknown"


def draw_stratified_holdout(
    counts: np.ndarray, fraction: float, rng: np.random.RandomState
) -> list[np.ndarray]:
    """Return the samples to hold out, as positions within each stratum.

    `counts` are the sizes of the strata.  Each stratum keeps a training sample;
    scikit-learn's splitters raise an error for classes of one sample.
    """
    quotas = fraction * counts
    n_held_out = np.floor(quotas).astype(int)
    n_missing = max(1, round(fraction * counts.sum())) - n_held_out.sum()
    by_remainder = np.lexsort((rng.uniform(size=len(counts)), n_held_out - quotas))
    n_held_out[by_remainder[:n_missing]] += 1
    n_held_out = np.clip(n_held_out, 0, np.maximum(counts - 1, 0))
    if not n_held_out.any():
        raise ValueError(
            f"early_stopping=True holds out samples of classes that have at least two, "
            f"but y with n_samples = {counts.sum()} has no such class."
        )
    return [
        np.sort(rng.permutation(count)[:n])
        for count, n in zip(counts, n_held_out, strict=True)
    ]
