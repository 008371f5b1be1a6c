"""Labels as users give them, and the codes that the network is trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import column_or_1d, compute_class_weight
from sklearn.utils.multiclass import check_classification_targets


@dataclass(frozen=True, eq=False)
class LabelEncoding:
    """The classes of a problem and the codes that stand for them.

    Codes are indices into `classes`, shape (n,).  For multilabel targets they are an
    indicator matrix, shape (n, K), and `classes` numbers its columns.
    """

    classes: np.ndarray
    multilabel: bool = False

    @classmethod
    def from_labels(cls, labels: Any) -> LabelEncoding:
        """Return the encoding for labels of shape (n,) or an indicator matrix."""
        if labels.ndim == 1:
            with np.errstate(invalid="ignore"):  # of floats too large for integers
                check_classification_targets(labels)
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
        return cls(np.unique(np.concatenate([part.classes for part in encodings])))

    def encode(self, labels: Any) -> np.ndarray:
        """Return the codes of labels, in the smallest unsigned dtype."""
        if self.multilabel:
            codes = labels.astype(np.uint8, copy=False)
            return codes.toarray() if issparse(codes) else codes
        dtype = np.min_scalar_type(len(self.classes) - 1)
        return np.searchsorted(self.classes, labels).astype(dtype)

    @property
    def n_outputs(self) -> int:
        """Number of output units; two classes share one."""
        n_classes = len(self.classes)
        return n_classes if self.multilabel or n_classes > 2 else 1

    def targets(self, codes: np.ndarray) -> np.ndarray:
        """Return the matrix or the indices Y of `sknn3.network`."""
        if self.multilabel or self.n_outputs > 1:
            return codes
        # The one output is the probability of the last class.
        return (codes if len(self.classes) == 2 else codes == 0)[:, np.newaxis]

    def class_counts(
        self, codes: np.ndarray, sample_weight: np.ndarray | None
    ) -> np.ndarray:
        """Return the sum of the weights of each class, shape (1, K).

        For multilabel targets: of samples without and with each label, shape (K, 2).
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
        weights = np.ones_like(counts)
        columns = self._class_weight_of_columns(class_weight)
        classes = np.arange(2) if self.multilabel else self.classes
        try:
            for column, count, row in zip(columns, counts, weights, strict=True):
                present = count > 0
                # One sample for each class, with the weight of all of its samples.
                row[present] = compute_class_weight(
                    column,
                    classes=classes[present],
                    y=classes[present],
                    sample_weight=count[present],
                )
        except ValueError as error:
            raise ValueError(f"class_weight={class_weight!r}: {error}") from error
        if not (np.isfinite(weights).all() and weights.min() >= 0):
            raise class_weight_error(class_weight)
        return weights

    def _class_weight_of_columns(self, class_weight: Any) -> Sequence[Any]:
        """Return the class weights of each column of the labels."""
        columns, is_valid = [class_weight], not isinstance(class_weight, list)
        expected = "{class: weight}"
        if self.multilabel:
            columns = [class_weight] * self.n_outputs if is_valid else class_weight
            is_valid = (
                len(columns) == self.n_outputs
                and not isinstance(class_weight, dict)
                and all(w == "balanced" or isinstance(w, dict) for w in columns)
            )
            expected = f"a list of {self.n_outputs} dicts, one for each label,"
        if not is_valid:
            raise ValueError(
                f"class_weight={class_weight!r}: expected {expected} or 'balanced'."
            )
        return columns

    def strata(self, codes: np.ndarray) -> tuple[np.ndarray, int]:
        """Return the stratum of each sample and the number of strata.

        Classes are strata.  The samples of multilabel targets are one stratum.
        """
        if self.multilabel:
            return np.zeros(len(codes), np.uint8), 1
        return codes, len(self.classes)


def as_labels(y: Any) -> Any:
    """Return a column as shape (n,), and an indicator matrix as it is."""
    return y if y.ndim == 2 and y.shape[1] != 1 else column_or_1d(y, warn=True)


def class_weight_error(class_weight: Any) -> ValueError:
    """Return the error for class weights that leave no samples to train on."""
    return ValueError(
        f"class_weight={class_weight!r}: the weights must be finite and not negative, "
        "nor 0 for all samples."
    )


def draw_stratified_holdout(
    counts: np.ndarray, fraction: float, rng: np.random.RandomState
) -> list[np.ndarray]:
    """Return the samples to hold out, as positions within each stratum.

    `counts` are the sizes of the strata.  Each stratum keeps a sample for training;
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
            f"early_stopping=True holds out samples of classes with two or more, "
            f"but with n_samples = {counts.sum()} there is no such class."
        )
    return [
        np.sort(rng.permutation(count)[:n])
        for count, n in zip(counts, n_held_out, strict=True)
    ]
