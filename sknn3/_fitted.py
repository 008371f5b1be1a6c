"""Fitted attributes of a network, and scores of networks during and after a fit."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from functools import partial
from numbers import Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.metrics import check_scoring
from sklearn.utils.metadata_routing import get_routing_for_object

from sknn3._array_api import namespace_of, to_device
from sknn3._dataset import Dataset, load_rows
from sknn3._kernel import Network, weights_like, widen_theta1
from sknn3._minimize import Iterate, MinimizeResult, Validation
from sknn3._sklearn_compat import accepts_sample_weight


def fitted_attributes(
    dataset: Dataset,
    network: Network,
    used: np.ndarray | None,
    result: MinimizeResult,
) -> dict[str, Any]:
    """Return the fitted attributes that `validate_data` does not set.

    The weights have the dtype and the device of X.  `used` is a mask of the columns of
    X in the fit; None is all.
    """
    theta1, theta2 = weights_like(
        dataset.X_like, result.best.params.copy(), network.hidden_layer_size
    )
    if used is not None:
        theta1 = widen_theta1(theta1, used)
    scores = [evaluation.score for evaluation in result.evaluations]
    losses = [evaluation.validation_loss for evaluation in result.evaluations]
    return {
        "classes_": dataset.labels.classes,
        "multilabel_": dataset.labels.multilabel,
        "hidden_activation_": network.activation,
        "out_activation_": network.output_activation,
        "n_layers_": 3,
        "n_outputs_": dataset.labels.n_outputs,
        "alpha_": result.alpha,
        "theta1_": theta1,
        "theta2_": theta2,
        "loss_": result.best.cost,
        "loss_curve_": [evaluation.cost for evaluation in result.evaluations],
        "n_iter_": len(result.evaluations),
        "stop_reason_": result.stop_reason,
        "validation_loss_curve_": None if None in losses else losses,
        "validation_scores_": None if result.best_score is None else scores,
        "best_validation_score_": result.best_score,
    }


@contextmanager
def restore_on_error(estimator: BaseEstimator) -> Iterator[None]:
    """Restore the fitted attributes of an estimator if its fit fails."""
    before = vars(estimator).copy()
    try:
        yield
    except BaseException:
        others = {k: v for k, v in vars(estimator).items() if not k.endswith("_")}
        fitted = {k: v for k, v in before.items() if k.endswith("_")}
        estimator.__dict__ = others | fitted
        raise


def make_validation(
    estimator: Any,
    train: Any,
    rows: Any | None,
    network: Network,
    used: np.ndarray | None,
) -> Validation | None:
    """Return the validation of a fit, or None without validation rows.

    `fitted_attributes` describes `used`.
    """
    if rows is None:
        return None
    if used is not None and rows.X_like.shape[1] > train.X_like.shape[1]:
        rows = rows.select_columns(used)
    rows, patience, scorer = train.share_threads(rows), math.inf, None
    if estimator.early_stopping:
        patience = estimator.n_iter_no_change
        if estimator.scoring != "loss":
            scorer = point_scorer(estimator, rows, network)
    return Validation(rows, network, patience, scorer)


def point_scorer(
    estimator: Any, dataset: Dataset, network: Network
) -> Callable[[Iterate], float]:
    """Return a function that scores points on a data set by `estimator.scoring`."""
    scorer, X = check_scoring(estimator, estimator.scoring), load_rows(dataset.X)
    y, weight = dataset.labels.decode(dataset.codes), dataset.sample_weight
    xp, device = namespace_of(dataset.X_like)
    if xp is not np and y.dtype.kind not in "OSU":  # as `predict` returns labels
        y = to_device(y, xp, device)
        if weight is not None:
            weight = to_device(weight, xp, device, dataset.X_like.dtype)
    clf = copy(estimator)
    # X has no feature names, and may lack empty columns of sparse data.
    clf.__dict__.pop("feature_names_in_", None)
    clf.n_features_in_ = X.shape[1]
    make_attributes = partial(fitted_attributes, dataset, network, None)

    def score_point(point: Iterate) -> float:
        gradient, alpha = point.max_gradient, math.nan  # alpha may change later
        result = MinimizeResult(point, [], "max_iter", None, gradient, alpha)
        clf.__dict__.update(make_attributes(result))
        try:
            score = score_network(scorer, clf, X, y, weight)
        except Exception as error:
            error.add_note(
                f"scoring={estimator.scoring!r} failed on the validation samples."
            )
            raise
        if not math.isfinite(score):
            raise ValueError(
                f"scoring={estimator.scoring!r} gave {score} for the validation "
                "samples, expected a finite number."
            )
        return score

    return score_point


def score_network(scorer: Any, clf: Any, X: Any, y: Any, sample_weight: Any) -> float:
    """Return the score, with sample weights if the scorer takes them."""
    weighted = sample_weight is not None and accepts_sample_weight(scorer)
    if weighted:  # unless the user's metadata request is False
        requests = get_routing_for_object(scorer).score.requests
        weighted = requests.get("sample_weight") is not False
    score = scorer(clf, X, y, **({"sample_weight": sample_weight} if weighted else {}))
    if not isinstance(score, Real):
        raise ValueError(f"scoring must return a number, got {score!r}.")
    return float(score)
