"""Scores of networks by scikit-learn's scorers."""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import copy
from numbers import Real
from typing import Any

from sklearn.metrics import check_scoring
from sklearn.utils.metadata_routing import get_routing_for_object

from sknn3._dataset import Dataset, load_rows
from sknn3._minimize import Iterate, MinimizeResult
from sknn3._sklearn_compat import accepts_sample_weight


def point_scorer(
    estimator: Any,
    dataset: Dataset,
    make_attributes: Callable[[MinimizeResult], dict[str, Any]],
) -> Callable[[Iterate], float]:
    """Return a function that scores points by the estimator's `scoring`.

    `make_attributes` returns the fitted attributes for the columns of the data set.
    """
    scorer, X = check_scoring(estimator, estimator.scoring), load_rows(dataset.X)
    y = dataset.labels.decode(dataset.codes)
    clf = copy(estimator)
    # X has no names, and of sparse data perhaps not all columns.
    clf.__dict__.pop("feature_names_in_", None)
    clf.n_features_in_ = X.shape[1]

    def score_point(point: Iterate) -> float:
        result = MinimizeResult(point, [], "max_iter", None, point.max_gradient)
        clf.__dict__.update(make_attributes(result))
        score = score_network(scorer, clf, X, y, dataset.sample_weight)
        if not math.isfinite(score):
            raise ValueError(
                f"scoring={estimator.scoring!r} gave {score} for the validation "
                "samples, expected a finite number."
            )
        return score

    return score_point


def score_network(scorer: Any, clf: Any, X: Any, y: Any, sample_weight: Any) -> float:
    """Return the score, with weights where the scorer takes them."""
    weighted = sample_weight is not None and accepts_sample_weight(scorer)
    if weighted:  # unless the user has requested that they are not passed
        requests = get_routing_for_object(scorer).score.requests
        weighted = requests.get("sample_weight") is not False
    score = scorer(clf, X, y, **({"sample_weight": sample_weight} if weighted else {}))
    if not isinstance(score, Real):
        raise ValueError(f"scoring must return a number, got {score!r}.")
    return float(score)
