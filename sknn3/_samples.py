"""Samples as the network learns from them: rows, encoded labels and weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import _safe_indexing, column_or_1d, compute_class_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from sknn3._arrays import cast


def decide(O: Any, xp: Any, *, n_classes: int, multilabel: bool) -> Any:
    """Turn raw outputs, shape (K, n), into codes: (n,), or (K, n) if multilabel."""
    index = xp.asarray(0).dtype
    if multilabel:
        return cast(O > 0, index, xp)
    if O.shape[0] > 1:
        return xp.argmax(O, axis=0)
    return cast(O[0, :] > 0, index, xp) * int(n_classes == 2)


@dataclass(frozen=True, eq=False)
class Labels:
    """Encoded labels.

    `codes` are indices into `classes`, shape (n,), or for multilabel targets an
    indicator matrix of 0 and 1, shape (n, K), with `classes` numbering its columns.
    """

    classes: np.ndarray
    codes: np.ndarray

    @classmethod
    def encode(cls, y: Any) -> Labels:
        """Encode the target of a classification problem."""
        check_classification_targets(y)
        kind = type_of_target(y, input_name="y")
        if kind == "multilabel-indicator":
            codes = (y.toarray() if issparse(y) else y).astype(np.intp)
            return cls(np.arange(codes.shape[1]), codes)
        if kind == "multiclass-multioutput":
            raise ValueError(
                "y has several columns with more than two values, expected one column "
                "of classes, or an indicator matrix of 0 and 1 for multilabel targets."
            )
        return cls(*np.unique(column_or_1d(y, warn=True), return_inverse=True))

    def __getitem__(self, rows: Any) -> Labels:
        return Labels(self.classes, self.codes[rows])

    @property
    def multilabel(self) -> bool:
        """Whether a sample may have several labels, or none."""
        return self.codes.ndim == 2

    @property
    def n_outputs(self) -> int:
        """Units that tell the classes apart: one is enough for two classes."""
        n_classes = len(self.classes)
        return n_classes if self.multilabel or n_classes > 2 else 1

    def targets(self) -> np.ndarray:
        """Y of `sknn3.network`."""
        if self.multilabel or self.n_outputs > 1:
            return self.codes
        # A single class is what its one unit says yes to.
        return (self.codes == len(self.classes) - 1)[:, np.newaxis]

    def priors(self, sample_weight: np.ndarray | None) -> np.ndarray:
        """Weighted share of the samples that each output is to say yes to."""
        indicator = self.targets()
        if indicator.ndim == 2:
            return np.average(indicator, axis=0, weights=sample_weight)
        counts = np.bincount(indicator, sample_weight, minlength=self.n_outputs)
        return counts / counts.sum()

    def class_weights(
        self, class_weight: Any, sample_weight: np.ndarray | None
    ) -> np.ndarray:
        """Weight of each sample by its class; of several labels, the product."""
        if not self.multilabel:
            if isinstance(class_weight, list):
                raise ValueError(
                    "a list goes with multilabel targets only, expected "
                    "{class: weight} or 'balanced'."
                )
            columns = [(class_weight, self.classes, self.codes)]
        elif isinstance(class_weight, dict):
            raise ValueError(
                "one dict, but y is multilabel: expected 'balanced' or a list of "
                "dicts, one for each label."
            )
        else:
            per_label = (
                class_weight
                if isinstance(class_weight, list)
                else [class_weight] * self.n_outputs
            )
            if len(per_label) != self.n_outputs or not all(
                weight == "balanced" or isinstance(weight, dict) for weight in per_label
            ):
                raise ValueError(
                    f"y has {self.n_outputs} labels, expected a list of as many dicts."
                )
            columns = [
                (weight, *np.unique(column, return_inverse=True))
                for weight, column in zip(per_label, self.codes.T, strict=True)
            ]
        product = np.ones(len(self.codes))
        for weight, classes, codes in columns:
            product *= compute_class_weight(
                weight, classes=classes, y=classes[codes], sample_weight=sample_weight
            )[codes]
        return product

    def split(
        self, fraction: float, rng: np.random.RandomState
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rows to train on and rows held out, each class (if single-label) in share.

        Every class keeps at least one row to train on, which scikit-learn's
        stratified splitters do not promise: they refuse classes of one row.
        """
        strata = np.zeros(len(self.codes), int) if self.multilabel else self.codes
        counts = np.bincount(strata)
        quotas = fraction * counts
        n_held_out = np.floor(quotas).astype(int)
        n_missing = max(1, round(fraction * len(strata))) - n_held_out.sum()
        by_remainder = np.lexsort((rng.uniform(size=len(counts)), n_held_out - quotas))
        n_held_out[by_remainder[:n_missing]] += 1
        n_held_out = np.clip(n_held_out, 0, np.maximum(counts - 1, 0))
        held_out = np.zeros(len(strata), bool)
        for stratum, n_rows in enumerate(n_held_out):
            rows = rng.permutation(np.flatnonzero(strata == stratum))
            held_out[rows[:n_rows]] = True
        if not held_out.any():
            raise ValueError(
                f"early_stopping=True holds out samples of classes with two or more, "
                f"but with n_samples = {len(strata)} there is no such class."
            )
        return np.flatnonzero(~held_out), np.flatnonzero(held_out)


@dataclass(frozen=True, eq=False)
class Samples:
    """Validated rows with their labels and positive weights (None: all weigh 1).

    Labels and weights are the host's, wherever the rows live.
    """

    X: Any
    labels: Labels
    weight: np.ndarray | None

    @classmethod
    def present(
        cls, X: Any, y: Any, sample_weight: np.ndarray | None, class_weight: Any
    ) -> Samples:
        """Encode the labels of all samples that have a weight at all."""
        if sample_weight is not None and not sample_weight.all():
            rows = np.flatnonzero(sample_weight)
            X, y, sample_weight = _safe_indexing(X, rows), y[rows], sample_weight[rows]
        labels = Labels.encode(y)
        if class_weight is None:
            return cls(X, labels, sample_weight)
        try:
            weight = labels.class_weights(class_weight, sample_weight)
        except ValueError as error:
            raise ValueError(f"class_weight={class_weight!r}: {error}") from error
        if sample_weight is not None:
            weight *= sample_weight
        if not np.isfinite(weight).all() or weight.min() < 0 or not weight.any():
            raise ValueError(
                f"class_weight={class_weight!r}: the weights must be finite and not "
                "negative, nor 0 for all samples."
            )
        samples = cls(X, labels, weight)
        # A class of weight 0 keeps its name, but its rows have nothing to say.
        return samples if weight.all() else samples[np.flatnonzero(weight)]

    def __getitem__(self, rows: np.ndarray) -> Samples:
        return Samples(
            _safe_indexing(self.X, rows),
            self.labels[rows],
            None if self.weight is None else self.weight[rows],
        )

    def split(
        self, fraction: float, rng: np.random.RandomState
    ) -> tuple[Samples, Samples]:
        """Part off a share of the samples, of each class unless multilabel."""
        train, held_out = self.labels.split(fraction, rng)
        return self[train], self[held_out]

    def accuracy(self, codes: np.ndarray) -> float:
        """Weighted share of the samples whose labels are all as predicted."""
        hits = codes == self.labels.codes
        if self.labels.multilabel:
            hits = hits.all(axis=1)
        return float(np.average(hits, weights=self.weight))
