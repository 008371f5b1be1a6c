"""Validation samples that `fit` gets, and the scores for early stopping."""

import copy
import pickle
import warnings
from itertools import pairwise

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    log_loss,
    make_scorer,
)
from sklearn.model_selection import GridSearchCV, ShuffleSplit, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sknn3 import ThreeLayerNNClassifier, ThreeLayerNNClassifierCV
from sknn3._dataset import Dataset
from sknn3.display import LossCurveDisplay
from sknn3.network import cost_gradient, pack

Net = ThreeLayerNNClassifier
SOLVERS = ["tnc", "lbfgs"]


def net(**params):
    defaults = {"hidden_layer_size": 4, "alpha": 0.1, "tol": 0, "random_state": 0}
    return Net(**defaults | params)


def fit(clf, *args, **kwargs):
    """Fit without the warning that training did not converge."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return clf.fit(*args, **kwargs)


def assert_same_fit(first, second):
    assert_array_equal(first.theta1_, second.theta1_)
    assert_array_equal(first.theta2_, second.theta2_)
    assert first.loss_curve_ == second.loss_curve_
    assert first.stop_reason_ == second.stop_reason_


def halves(n_classes, n=240, seed=0):
    """Return rows to train on and to validate with: X, y, X_val, y_val."""
    X, y = make_classification(
        n, 8, n_informative=5, n_classes=n_classes, flip_y=0.2, random_state=seed
    )
    X, X_val, y, y_val = train_test_split(X, y, random_state=0, stratify=y)
    return X, y, X_val, y_val


@pytest.fixture
def three():
    return halves(3)


def rows_of_split(y, fraction, rng):
    """Return the indices of the rows that early stopping trains on and holds out."""
    dataset = Dataset.from_arrays(np.arange(len(y))[:, np.newaxis], y, None, None)
    return [part.X[:, 0] for part in dataset.holdout_split(fraction, rng)]


def mean_loss(clf, X, y, weight=None):
    """Return the mean loss without a penalty, from the outputs."""
    if clf.out_activation_ == "softmax" or (clf.n_outputs_ == 1):
        P = clf.predict_proba(X)
        return log_loss(y, P, sample_weight=weight, labels=clf.classes_)
    Y = y if clf.multilabel_ else y[:, np.newaxis] == clf.classes_
    P = expit(clf.decision_function(X))
    losses = -np.log(np.where(Y, P, 1 - P)).sum(axis=1)
    return np.average(losses, weights=weight)


# ------------------------------------------------------------------------- the curve


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    ("n_classes", "output_activation"),
    [(2, "logistic"), (3, "softmax"), (3, "logistic")],
)
def test_validation_loss_curve_of_each_budget_equals_fit(
    n_classes, output_activation, solver
):
    X, y, X_val, y_val = halves(n_classes)
    clf = net(solver=solver, output_activation=output_activation)
    fit(clf.set_params(max_iter=25), X, y, X_val=X_val, y_val=y_val)
    assert len(clf.validation_loss_curve_) == len(clf.loss_curve_) == 25
    for k, loss in enumerate(clf.validation_loss_curve_, 1):
        short = fit(clone(clf).set_params(max_iter=k), X, y)
        assert_allclose(loss, mean_loss(short, X_val, y_val), rtol=1e-9)
    assert clf.validation_scores_ is clf.best_validation_score_ is None


def test_validation_loss_of_multilabel_targets(multilabel):
    X, Y = multilabel
    clf = fit(net(max_iter=9), X[:90], Y[:90], X_val=X[90:], y_val=Y[90:])
    assert_allclose(clf.validation_loss_curve_[-1], mean_loss(clf, X[90:], Y[90:]))
    sparse = fit(
        net(max_iter=9),
        sp.csr_array(X[:90]),
        sp.csr_array(Y[:90]),
        X_val=X[90:],
        y_val=sp.csr_array(Y[90:]),
    )
    assert_allclose(
        sparse.validation_loss_curve_[-1], mean_loss(sparse, X[90:], Y[90:])
    )


@pytest.mark.parametrize("alpha", [0.1, 30])
@pytest.mark.parametrize("solver", SOLVERS)
def test_validation_samples_without_early_stopping_do_not_change_fit(
    three, solver, alpha
):
    X, y, X_val, y_val = three
    clf = net(solver=solver, alpha=alpha, max_iter=40, class_weight="balanced")
    plain = fit(clf, X, y)
    watched = fit(clone(clf), X, y, X_val=X_val, y_val=y_val)
    assert_same_fit(watched, plain)
    assert plain.validation_loss_curve_ is None


def test_loss_of_training_samples_as_validation_is_cost_without_penalty(three):
    X, y, _, _ = three
    weight = np.random.RandomState(0).uniform(0, 3, len(y))
    options = {"alpha": 0, "class_weight": {0: 3.0, 2: 0.5}, "max_iter": 20}
    validation = {"X_val": X, "y_val": y, "sample_weight_val": weight}
    clf = fit(net(**options), X, y, weight, **validation)
    assert_allclose(clf.validation_loss_curve_, clf.loss_curve_, rtol=1e-10)


@pytest.mark.parametrize("class_weight", ["balanced", {0: 3.0, 2: 0.2}])
def test_validation_loss_uses_sample_weights_and_class_weights_of_training(
    three, class_weight
):
    X, y, X_val, y_val = three
    X, y = X[: len(y) - 40], y[: len(y) - 40]
    X_val, y_val = (
        X_val[y_val < 2],
        y_val[y_val < 2],
    )  # other class shares
    weight = np.random.RandomState(0).randint(0, 4, len(y_val)) / 2
    clf = net(class_weight=class_weight, max_iter=6)
    fit(clf, X, y, X_val=X_val, y_val=y_val, sample_weight_val=weight)
    if class_weight == "balanced":
        class_weight = dict(enumerate(len(y) / (3 * np.bincount(y))))
    weight = weight * [class_weight.get(c, 1.0) for c in y_val]
    expected = mean_loss(clf, X_val, y_val, weight)
    assert_allclose(clf.validation_loss_curve_[-1], expected, rtol=1e-9)
    assert abs(mean_loss(clf, X_val, y_val) - expected) > 1e-3


def test_validation_loss_takes_at_most_one_forward_pass_a_pass(three, monkeypatch):
    X, y, X_val, y_val = three
    calls = []
    loss_sums = Dataset.loss_sums

    def counted(self, params, network):
        calls.append(self.n_samples)
        return loss_sums(self, params, network)

    monkeypatch.setattr(Dataset, "loss_sums", counted)
    clf = fit(net(max_iter=60), X, y, X_val=X_val, y_val=y_val)
    costs = clf.loss_curve_
    n_lowest = 1 + sum(b < a for a, b in pairwise(costs))
    assert calls == [len(X_val)] * n_lowest
    assert n_lowest < 60


@pytest.mark.parametrize(
    "container",
    [
        np.asfortranarray,
        np.ndarray.tolist,
        sp.csr_array,
        sp.csc_matrix,
        lambda X: pd.DataFrame(X, columns=list("abcdefgh")),
        lambda X: pl.DataFrame(X, schema=list("abcdefgh")),
    ],
)
@pytest.mark.parametrize("early_stopping", [False, True])
def test_validation_samples_in_each_container(three, container, early_stopping):
    X, y, X_val, y_val = three
    clf = net(conditioning="diagonal", max_iter=12, early_stopping=early_stopping)
    expected = fit(clone(clf), X, y, X_val=X_val, y_val=y_val).validation_loss_curve_
    fit(clf, container(X), y, X_val=container(X_val), y_val=y_val.tolist())
    if sp.issparse(container(X)):  # not centred
        expected = [mean_loss(clf, X_val, y_val)]
        clf.validation_loss_curve_ = clf.validation_loss_curve_[-1:]
        clf.set_params(early_stopping=False)
        if early_stopping:
            return
    assert_allclose(clf.validation_loss_curve_, expected, rtol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_validation_samples_take_dtype_of_training_samples(three, dtype):
    X, y, X_val, y_val = three
    clf = net(max_iter=5)
    curves = [
        fit(clf, X.astype(dtype), y, X_val=rows, y_val=y_val).validation_loss_curve_
        for rows in (X_val.astype(dtype), X_val.astype(dtype).astype(float))
    ]
    assert curves[0] == curves[1]
    assert clf.theta1_.dtype == dtype


def test_string_classes_of_validation_samples(three):
    X, y, X_val, y_val = three
    names = np.array(["ab", "c", "def"])
    clf, named = net(max_iter=5), net(max_iter=5)
    fit(clf, X, y, X_val=X_val, y_val=y_val)
    some = y_val > 0  # a shorter dtype of strings than in training would be cut
    for labels in (names[y_val], names[y_val].astype(object), list(names[y_val])):
        fit(named, X, names[y], X_val=X_val, y_val=labels)
        assert named.validation_loss_curve_ == clf.validation_loss_curve_
    fit(clf, X, y, X_val=X_val[some], y_val=y_val[some])
    fit(named, X, names[y], X_val=X_val[some], y_val=names[y_val[some]])
    assert named.validation_loss_curve_ == clf.validation_loss_curve_


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("alpha", [0, 0.1])
def test_validation_loss_with_columns_that_only_validation_samples_have(alpha, given):
    rng = np.random.RandomState(0)
    X, y, X_val, y_val = halves(2)
    X[:, [0, 5]] = 0
    X_val *= rng.uniform(size=X_val.shape) < 0.5
    init = {}
    if given:
        coefs = [rng.standard_normal(shape) for shape in ((8, 4), (4, 1))]
        init = {"coefs_init": coefs, "intercepts_init": [np.ones(4), np.ones(1)]}
    clf = net(alpha=alpha, max_iter=15, conditioning="diagonal")
    for rows in (sp.csr_array(X_val), X_val):
        fit(clf, sp.csr_array(X), y, X_val=rows, y_val=y_val, **init)
        expected = mean_loss(clf, X_val, y_val)
        assert_allclose(clf.validation_loss_curve_[-1], expected, rtol=1e-9)
        assert_same_fit(clf, fit(clone(clf), sp.csr_array(X), y, **init))
        early = clone(clf).set_params(early_stopping=True, scoring="neg_log_loss")
        fit(early, sp.csr_array(X), y, X_val=rows, y_val=y_val, **init)
        expected = -log_loss(y_val, early.predict_proba(X_val))
        assert_allclose(early.best_validation_score_, expected, rtol=1e-9)
    assert clf.theta1_[:, [1, 6]].any() == (given and alpha == 0)


def test_validation_loss_that_overflows_is_infinite(three):
    X, y, X_val, y_val = three
    X, X_val = X.astype(np.float32), X_val.astype(np.float32)
    X[:, 0], X_val[:, 0] = 0, 1e38
    coefs = [np.zeros((8, 4)), np.zeros((4, 3))]
    clf = net(activation="identity", conditioning=None, max_iter=5)
    with pytest.raises(ValueError, match=r"X_val or of .* is not finite"):
        fit(clf, X, y, X_val=X_val * 3, y_val=y_val)
    assert not hasattr(clf, "theta1_")
    fit(clf, X, y, None, coefs, [np.zeros(4), np.zeros(3)], X_val=X_val, y_val=y_val)
    assert clf.validation_loss_curve_[0] == pytest.approx(3 * np.log(2))


@pytest.mark.parametrize("alpha", [0.1, "auto"])
def test_validation_loss_that_overflows_after_the_first_pass_is_infinite(alpha):
    X, y, X_val, y_val = halves(2)
    X, X_val = X.astype(np.float32), (np.sign(X_val) * 3e38).astype(np.float32)
    clf = net(alpha=alpha, activation="identity", early_stopping=True)
    start = [np.full((8, 4), 1e-3), np.full((4, 1), 1e-3)], [np.zeros(4), np.zeros(1)]
    fit(clf, X, y, None, *start, X_val=X_val, y_val=y_val)
    assert np.isfinite(clf.validation_loss_curve_[0])
    assert clf.validation_loss_curve_[-1] == np.inf
    assert clf.stop_reason_ == "early_stopping"


def test_warm_start_continues_validation_loss(three):
    X, y, X_val, y_val = three
    clf = net(warm_start=True, max_iter=20)
    first = fit(clf, X, y, X_val=X_val, y_val=y_val).validation_loss_curve_
    second = fit(clf, X, y, X_val=X_val, y_val=y_val).validation_loss_curve_
    assert second[0] == pytest.approx(first[-1], rel=1e-9)


def test_fitted_estimator_with_validation_samples_is_pickled_and_copied(three):
    X, y, X_val, y_val = three
    clf = net(max_iter=5, early_stopping=True, scoring=make_scorer(accuracy_score))
    fit(clf, X, y, X_val=X_val, y_val=y_val)
    for other in (pickle.loads(pickle.dumps(clf)), copy.deepcopy(clf)):
        assert other.validation_loss_curve_ == clf.validation_loss_curve_


# ------------------------------------------------------------------- early stopping


@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("scoring", ["loss", "accuracy", "roc_auc_ovr"])
def test_early_stopping_by_rows_of_the_split_equals_split(
    n_classes, solver, container, scoring
):
    X, y = make_classification(
        300, 8, n_informative=5, n_classes=n_classes, flip_y=0.2, random_state=0
    )
    options = {"solver": solver, "early_stopping": True, "scoring": scoring}
    options |= {"n_iter_no_change": 4}
    split = fit(net(**options), container(X), y)
    # The split is drawn before the initial weights, from the same generator.
    rng = np.random.RandomState(0)
    train, held_out = rows_of_split(y, 0.1, rng)
    given = fit(
        net(**options | {"random_state": rng}),
        container(X[train]),
        y[train],
        X_val=container(X[held_out]),
        y_val=y[held_out],
    )
    assert_same_fit(given, split)
    assert given.validation_scores_ == split.validation_scores_
    assert given.best_validation_score_ == split.best_validation_score_
    assert given.validation_loss_curve_ == split.validation_loss_curve_
    losses = np.array(split.validation_loss_curve_)
    if scoring == "loss":
        assert_array_equal(-losses, split.validation_scores_)
        expected = mean_loss(split, X[held_out], y[held_out])
        assert_allclose(losses.min(), expected, rtol=1e-9)


def test_early_stopping_with_validation_samples_trains_on_all_samples(three):
    X, y, X_val, y_val = three
    clf = net(early_stopping=True, max_iter=30, validation_fraction=0.5)
    fit(clf, X, y, X_val=X_val, y_val=y_val)
    cost, _ = cost_gradient(
        pack(clf.theta1_, clf.theta2_), X, y, hidden_layer_size=4, alpha=0.1
    )
    assert_allclose(clf.loss_, cost, rtol=1e-12)
    assert_allclose(clf.best_validation_score_, -mean_loss(clf, X_val, y_val))


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("scoring", ["balanced_accuracy", "neg_log_loss"])
def test_early_stopping_by_scorer_keeps_weights_of_best_score(three, solver, scoring):
    X, y, X_val, y_val = three
    clf = net(
        solver=solver, early_stopping=True, scoring=scoring, output_activation="softmax"
    )
    fit(clf, X, y, X_val=X_val, y_val=y_val)
    assert clf.stop_reason_ == "early_stopping"
    assert clf.best_validation_score_ == max(clf.validation_scores_)
    if scoring == "balanced_accuracy":
        expected = balanced_accuracy_score(y_val, clf.predict(X_val))
    else:
        expected = -log_loss(y_val, clf.predict_proba(X_val))
        assert_allclose(clf.validation_loss_curve_, -np.array(clf.validation_scores_))
    assert clf.best_validation_score_ == pytest.approx(expected, rel=1e-12)


class Recorder:
    """Accuracy, which records its arguments."""

    def __init__(self):
        self.calls = []

    def __call__(self, estimator, X, y, sample_weight=None):
        self.calls.append((copy.copy(estimator), X, y, sample_weight))
        return accuracy_score(y, estimator.predict(X), sample_weight=sample_weight)


def test_scorer_gets_fitted_estimator_and_weights_of_the_loss(three):
    X, y, X_val, y_val = three
    names = np.array(["a", "b", "c"])
    weight = np.random.RandomState(0).randint(0, 3, len(y_val))
    recorder = Recorder()
    clf = net(
        early_stopping=True, scoring=recorder, class_weight={"a": 4.0}, max_iter=8
    )
    frame = pd.DataFrame(X, columns=list("abcdefgh"))
    fit(
        clf,
        frame,
        names[y],
        X_val=pd.DataFrame(X_val, columns=frame.columns),
        y_val=names[y_val],
        sample_weight_val=weight,
    )
    with_weight = weight > 0
    total = (weight * np.where(y_val == 0, 4, 1))[with_weight]
    for estimator, rows, labels, weights in recorder.calls:
        assert isinstance(estimator, Net)
        assert estimator is not clf
        assert_array_equal(rows, X_val[with_weight])
        assert_array_equal(labels, names[y_val][with_weight])
        assert_allclose(weights, total / total.mean())
        assert estimator.loss_ <= clf.loss_curve_[0]
    right = clf.predict(pd.DataFrame(X_val, columns=frame.columns)) == names[y_val]
    expected = np.average(right[with_weight], weights=total)
    assert clf.best_validation_score_ == pytest.approx(expected)


def test_scorer_without_sample_weight(three):
    X, y, X_val, y_val = three

    def half_right(estimator, X, y):
        return float(np.mean(estimator.predict(X) == y))

    clf = net(early_stopping=True, scoring=half_right, max_iter=8)
    weight = np.ones(len(y_val))
    fit(clf, X, y, X_val=X_val, y_val=y_val, sample_weight_val=weight)
    assert clf.best_validation_score_ == clf.score(X_val, y_val)


def test_scorer_gets_split_of_sparse_data_with_empty_columns_and_memory_map(tmp_path):
    X, y, _, _ = halves(2)
    X[:, 3] = 0
    clf = net(early_stopping=True, scoring="accuracy", conditioning="diagonal")
    sparse = fit(clone(clf), sp.csr_array(X), y)
    held_out = rows_of_split(y, 0.1, np.random.RandomState(0))[1]
    score = sparse.score(X[held_out], y[held_out])
    assert sparse.best_validation_score_ == score
    np.save(tmp_path / "X.npy", X)
    mapped = fit(clone(clf), np.load(tmp_path / "X.npy", mmap_mode="r"), y)
    in_memory = fit(clone(clf), X, y)
    assert_same_fit(mapped, in_memory)
    assert mapped.validation_scores_ == in_memory.validation_scores_


def test_scorer_of_multilabel_targets(multilabel):
    X, Y = multilabel
    clf = net(early_stopping=True, scoring="f1_micro", max_iter=20)
    fit(clf, X[:90], Y[:90], X_val=X[90:], y_val=Y[90:])
    assert clf.best_validation_score_ == max(clf.validation_scores_) > 0.5


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_score_that_is_not_finite_raises(three, value):
    X, y, X_val, y_val = three
    clf = net(early_stopping=True, scoring=lambda *_: value)
    with pytest.raises(ValueError, match=f"scoring=.* gave {value} for the validation"):
        fit(clf, X, y, X_val=X_val, y_val=y_val)


@pytest.mark.parametrize("scoring", ["accurcy", 3, None])
def test_unknown_scoring_raises(three, scoring):
    with pytest.raises(ValueError, match="'scoring' parameter of ThreeLayerNNClass"):
        net(scoring=scoring).fit(*three[:2])


def test_scoring_without_early_stopping_has_no_effect(three):
    X, y, X_val, y_val = three
    scored = fit(net(scoring="accuracy", max_iter=5), X, y, X_val=X_val, y_val=y_val)
    plain = fit(net(max_iter=5), X, y, X_val=X_val, y_val=y_val)
    assert_same_fit(scored, plain)
    assert scored.validation_loss_curve_ == plain.validation_loss_curve_


# --------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"y_val": None}, ValueError, "X_val is provided, but y_val was not provided"),
        ({"X_val": None}, ValueError, "y_val is provided, but X_val was not provided"),
        (
            {"X_val": None, "y_val": None, "sample_weight_val": [1.0]},
            ValueError,
            "sample_weight_val is provided, but X_val was not",
        ),
        ({"X_val": np.ones((60, 7))}, ValueError, r"X_val.*X has 7 features"),
        ({"X_val": np.ones(60)}, ValueError, r"X_val.*1D array"),
        ({"X_val": np.ones((59, 8))}, ValueError, r"X_val.*inconsistent.*59, 60"),
        ({"X_val": np.full((60, 8), np.nan)}, ValueError, r"X_val.*X contains NaN"),
        ({"X_val": np.full((60, 8), "a")}, ValueError, r"X_val.*not numbers"),
        (
            {"X_val": np.full((60, 8), "2020-01-01", "datetime64[D]")},
            TypeError,
            r"X_val.*not numbers",
        ),
        ({"y_val": np.zeros(59)}, ValueError, r"y_val.*inconsistent.*60, 59"),
        ({"y_val": np.full(60, np.nan)}, ValueError, r"y_val.*y contains NaN"),
        ({"y_val": np.arange(60) % 4}, ValueError, r"y_val.*classes that.*as 3.*0, 1"),
        ({"y_val": np.full(60, "0")}, ValueError, r"y_val.*classes that.*as '0'"),
        (
            {"y_val": np.ones((60, 3), int)},
            ValueError,
            r"y_val.*an indicator matrix of 3 labels, but .* one column of classes",
        ),
        (
            {"sample_weight_val": np.ones(59)},
            ValueError,
            r"sample_weight_val.*has shape \(59,\), expected \(60,\)",
        ),
        (
            {"sample_weight_val": np.full(60, -1.0)},
            ValueError,
            r"sample_weight_val.*negative",
        ),
        (
            {"sample_weight_val": np.full(60, np.nan)},
            ValueError,
            r"sample_weight_val.*contains NaN",
        ),
        ({"sample_weight_val": np.zeros(60)}, ValueError, "sample_weight_val.*is zero"),
    ],
)
@pytest.mark.parametrize("early_stopping", [False, True])
def test_faulty_validation_samples_raise(three, early_stopping, change, error, message):
    X, y, X_val, y_val = three
    clf = fit(net(max_iter=2, early_stopping=early_stopping), X, y)
    before = dict(vars(clf))
    with pytest.raises(error, match=message):
        clf.fit(X, y, **{"X_val": X_val, "y_val": y_val} | change)
    assert vars(clf) == before


def test_validation_frame_of_other_columns_raises(three):
    X, y, X_val, y_val = three
    X, X_val = (pd.DataFrame(rows, columns=list("abcdefgh")) for rows in (X, X_val))
    with pytest.raises(ValueError, match=r"X_val(.|\n)*feature names"):
        net().fit(X, y, X_val=X_val.rename(columns={"a": "z"}), y_val=y_val)


def test_other_number_of_labels_of_validation_samples_raises(multilabel):
    X, Y = multilabel
    with pytest.raises(ValueError, match=r"y_val.*matrix of 3 labels, but .* 4 labels"):
        net().fit(X, Y, X_val=X, y_val=Y[:, :3])
    with pytest.raises(ValueError, match=r"y_val.*one column of classes, but .* 4 lab"):
        net().fit(X, Y, X_val=X, y_val=Y[:, 0])


def test_validation_samples_whose_classes_weigh_0_raise(three):
    X, y, X_val, y_val = three
    rows = y_val == 1
    clf = net(class_weight={1: 0.0})
    with pytest.raises(ValueError, match=r"y_val.*class_weight is 0"):
        clf.fit(X, y, X_val=X_val[rows], y_val=y_val[rows])


# ------------------------------------------------- pipelines, searches and displays


def scaled_pipeline(clf):
    return Pipeline(
        [("scale", StandardScaler()), ("net", clf)], transform_input=["X_val"]
    )


@pytest.mark.parametrize("early_stopping", [False, True])
def test_pipeline_transforms_validation_samples(three, early_stopping):
    X, y, X_val, y_val = three
    X, X_val = X * 100 + 7, X_val * 100 + 7
    clf = net(early_stopping=early_stopping, max_iter=20)
    scaler = StandardScaler().fit(X)
    scaled = {"X_val": scaler.transform(X_val), "y_val": y_val}
    expected = fit(clone(clf), scaler.transform(X), y, **scaled)
    with config_context(enable_metadata_routing=True):
        clf.set_fit_request(X_val=True, y_val=True)
        pipe = fit(scaled_pipeline(clf), X, y, X_val=X_val, y_val=y_val)
    assert_same_fit(pipe[-1], expected)
    assert pipe[-1].validation_loss_curve_ == expected.validation_loss_curve_


def test_grid_search_of_pipeline_with_validation_samples(three):
    X, y, X_val, y_val = three
    grid = {"net__alpha": [0.01, 1.0]}
    cv = ShuffleSplit(2, random_state=0)
    with config_context(enable_metadata_routing=True):
        clf = net(early_stopping=True, max_iter=20)
        clf.set_fit_request(X_val=True, y_val=True)
        search = GridSearchCV(scaled_pipeline(clf), grid, cv=cv)
        fit(search, X, y, X_val=X_val, y_val=y_val)
        best = clone(clf).set_params(alpha=search.best_params_["net__alpha"])
        pipe = fit(scaled_pipeline(best), X, y, X_val=X_val, y_val=y_val)
        rows, test = next(iter(cv.split(X)))
        one = scaled_pipeline(clone(clf).set_params(alpha=0.01))
        score = fit(one, X[rows], y[rows], X_val=X_val, y_val=y_val).score(
            X[test], y[test]
        )
    assert_same_fit(search.best_estimator_[-1], pipe[-1])
    assert search.cv_results_["split0_test_score"][0] == score


@pytest.mark.parametrize("early_stopping", [False, True])
def test_each_path_uses_validation_samples(three, early_stopping):
    X, y, X_val, y_val = three
    validation = {"X_val": X_val, "y_val": y_val}
    validation["sample_weight_val"] = np.arange(len(y_val)) % 3
    options = {"early_stopping": early_stopping, "n_iter_no_change": 3}
    cv = ShuffleSplit(2, random_state=0)
    search = ThreeLayerNNClassifierCV(
        alphas=[0.01, 1.0],
        max_iters=[5, 30],
        hidden_layer_size=4,
        tol=0,
        cv=cv,
        scoring="neg_log_loss",
        random_state=0,
        **options,
    )
    fit(search, X, y, **validation)
    for i, params in enumerate(search.cv_results_["params"]):
        for k, (rows, test) in enumerate(cv.split(X)):
            clf = fit(net(**options | params), X[rows], y[rows], **validation)
            score = -log_loss(y[test], clf.predict_proba(X[test]))
            found = search.cv_results_[f"split{k}_test_score"][i]
            assert found == pytest.approx(score, rel=1e-12)
    refit = fit(net(**options | search.best_params_), X, y, **validation)
    assert_same_fit(search, refit)
    assert search.validation_loss_curve_ == refit.validation_loss_curve_


def test_search_with_faulty_validation_samples_raises(three):
    X, y, X_val, _ = three
    search = ThreeLayerNNClassifierCV(alphas=[1.0], max_iters=[3])
    with pytest.raises(ValueError, match="X_val is provided, but y_val was not"):
        search.fit(X, y, X_val=X_val)
    assert not hasattr(search, "classes_")


@pytest.mark.parametrize(
    "options", [{}, {"early_stopping": True}, {"early_stopping": True, "scoring": "f1"}]
)
def test_loss_curve_display_has_validation_loss(options):
    X, y, X_val, y_val = halves(2)
    clf = fit(net(max_iter=20, **options), X, y, X_val=X_val, y_val=y_val)
    display = LossCurveDisplay.from_estimator(clf)
    assert_array_equal(display.line_.get_ydata(), clf.loss_curve_)
    assert display.validation_ax_ is display.ax_
    assert_array_equal(display.validation_line_.get_ydata(), clf.validation_loss_curve_)
    (best,) = display.validation_line_.get_markevery()
    losses = clf.validation_loss_curve_
    if "scoring" in options:  # the loss of the kept weights
        assert clf.validation_scores_.index(clf.best_validation_score_) < best
        assert losses[best] == pytest.approx(mean_loss(clf, X_val, y_val), rel=1e-9)
    else:
        assert best == int(np.argmin(losses))


@pytest.mark.parametrize("early_stopping", [False, True])
def test_large_validation_samples_share_threads_of_fit(large, early_stopping):
    X, y = large
    clf = net(max_iter=5, early_stopping=early_stopping)
    fit(clf, X[:3000], y[:3000], X_val=X[3000:], y_val=y[3000:])
    assert_allclose(clf.validation_loss_curve_[-1], mean_loss(clf, X[3000:], y[3000:]))


@pytest.mark.parametrize("scoring", ["f1", "roc_auc"])
def test_error_of_a_scorer_names_scoring(three, scoring):
    X, y, X_val, y_val = three
    clf = net(early_stopping=True, scoring=scoring)
    with pytest.raises(ValueError, match="multi") as info:
        clf.fit(X, y, X_val=X_val, y_val=y_val)
    note = f"scoring='{scoring}' failed on the validation samples."
    assert info.value.__notes__ == [note]
    assert not hasattr(clf, "theta1_")
