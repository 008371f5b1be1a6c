"""The classifier: fits, predictions, weights, early stopping and errors."""

import gc
import pickle
import time
import tracemalloc
import warnings
import weakref
from importlib.util import find_spec
from types import SimpleNamespace

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, logit, softmax
from sklearn.base import clone
from sklearn.datasets import (
    load_breast_cancer,
    load_iris,
    load_wine,
    make_circles,
    make_classification,
    make_moons,
)
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, minmax_scale, scale

from activations import HIDDEN
from sknn3 import ThreeLayerNNClassifier, ThreeLayerNNClassifierCV
from sknn3._dataset import Dataset
from sknn3._minimize import Evaluation, Iterate, MinimizeResult
from sknn3._progress import print_pass, print_result
from sknn3.network import ACTIVATIONS, cost_gradient, pack

SOLVERS = ["tnc", "lbfgs"]
Net = ThreeLayerNNClassifier


def quick(**params):
    """Return a network that converges in a few dozen passes."""
    return Net(**{"hidden_layer_size": 6, "tol": 3e-3, "random_state": 0} | params)


def weights_of(clf):
    return pack(clf.theta1_, clf.theta2_)


def assert_same_fit(first, second):
    assert_array_equal(weights_of(first), weights_of(second))
    assert first.loss_curve_ == second.loss_curve_


def rows_of_split(y, fraction, rng):
    """Return the indices of the rows that early stopping trains on and holds out."""
    dataset = Dataset.from_arrays(np.arange(len(y))[:, np.newaxis], y, None, None)
    return [part.X[:, 0] for part in dataset.holdout_split(fraction, rng)]


# ------------------------------------------------------------------- accuracy


def test_digits_accuracy_after_10_and_70_passes(digits):
    X, y = digits.data, digits.target
    accuracy = {}
    for passes in (10, 70):
        with pytest.warns(ConvergenceWarning):
            accuracy[passes] = [
                Net(25, alpha=1.0, max_iter=passes, random_state=seed)
                .fit(X, y)
                .score(X, y)
                for seed in range(5)
            ]
    # The practical's own figures: 0.9386 after 70 evaluations, 0.1 after 10.
    assert np.mean(accuracy[70]) >= 0.985
    assert np.mean(accuracy[10]) >= 0.65


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("output_activation", ["logistic", "softmax"])
@pytest.mark.parametrize("activation", HIDDEN)
def test_every_solver_and_activation_learns_iris(
    solver, activation, output_activation, iris
):
    clf = quick(
        solver=solver, activation=activation, output_activation=output_activation
    ).fit(*iris)
    assert clf.score(*iris) > 0.95
    assert clf.stop_reason_ == "converged"


# ----------------------------------------------------------- the fitted attributes


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("conditioning", ["full", "diagonal", None])
def test_loss_equals_cost_at_fitted_weights_and_gradient_is_below_tol(
    solver, conditioning, iris
):
    X, y = iris
    weights = np.linspace(0.5, 2, len(y))
    clf = quick(solver=solver, conditioning=conditioning, alpha=0.7)
    clf.fit(X, y, sample_weight=weights)
    cost, gradient = cost_gradient(
        weights_of(clf), X, y, hidden_layer_size=6, alpha=0.7, sample_weight=weights
    )
    assert_allclose(clf.loss_, cost, rtol=1e-13)
    assert np.abs(gradient).max() <= clf.tol
    assert clf.loss_curve_[-1] == clf.loss_


def test_fitted_attributes(iris):
    X, y = iris
    clf = quick(alpha=1.0).fit(X, y)
    assert clf.theta1_.shape == (6, 5)
    assert clf.theta2_.shape == (3, 7)
    assert [W.shape for W in clf.coefs_] == [(4, 6), (6, 3)]
    assert [b.shape for b in clf.intercepts_] == [(6,), (3,)]
    assert_array_equal(clf.coefs_[0].T, clf.theta1_[:, 1:])
    assert_array_equal(clf.intercepts_[1], clf.theta2_[:, 0])
    assert clf.classes_.tolist() == [0, 1, 2]
    assert len(clf.loss_curve_) == clf.n_iter_
    assert clf.loss_curve_ == sorted(clf.loss_curve_, reverse=True)
    assert (clf.n_layers_, clf.n_outputs_, clf.n_features_in_) == (3, 3, 4)
    assert clf.out_activation_ == "logistic"
    assert clf.alpha_ == 1.0
    assert clf.validation_scores_ is clf.best_validation_score_ is None


def test_coefs_and_intercepts_are_views_of_theta(iris):
    clf = quick().fit(*iris)
    clf.coefs_[0][2, 1] = 7
    clf.intercepts_[1][0] = -7
    assert clf.theta1_[1, 3] == 7
    assert clf.theta2_[0, 0] == -7


@pytest.mark.parametrize("activation", ["logistic", "tanh", "relu"])
@pytest.mark.parametrize("data", ["iris", "binary"])
def test_predictions_equal_mlpclassifier_with_same_weights(activation, data, request):
    X, y = request.getfixturevalue(data)
    clf = quick(activation=activation, output_activation="softmax").fit(X, y)
    mlp = MLPClassifier(6, activation=activation, solver="lbfgs", max_iter=1)
    with pytest.warns(ConvergenceWarning):
        mlp.fit(X, y)
    mlp.coefs_ = [np.ascontiguousarray(W) for W in clf.coefs_]
    mlp.intercepts_ = clf.intercepts_
    assert_allclose(clf.predict_proba(X), mlp.predict_proba(X), rtol=1e-10, atol=1e-15)
    assert_array_equal(clf.predict(X), mlp.predict(X))
    assert clf.out_activation_ == mlp.out_activation_
    assert clf.n_outputs_ == mlp.n_outputs_


# ---------------------------------------------------------------------- the budget


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("max_iter", [1, 7, 30])
def test_max_iter_is_exact_number_of_passes_and_warns(solver, max_iter, iris):
    with pytest.warns(ConvergenceWarning, match=f"max_iter={max_iter} passes.*tol"):
        clf = Net(solver=solver, max_iter=max_iter, tol=0, random_state=0).fit(*iris)
    assert clf.n_iter_ == max_iter
    assert clf.stop_reason_ == "max_iter"


@pytest.mark.parametrize("solver", SOLVERS)
def test_exhausted_precision_stalls_and_warns(solver, iris):
    X, y = iris
    clf = quick(solver=solver, tol=1e-12, max_iter=20000, conditioning=None)
    with pytest.warns(ConvergenceWarning, match="precision of the dtype is exhausted"):
        clf.fit(X.astype(np.float32), y)
    assert clf.stop_reason_ == "stalled"
    assert clf.score(X, y) > 0.95


@pytest.mark.parametrize("solver", SOLVERS)
def test_random_start_at_a_minimum_stalls_and_warns_of_its_gradient(solver):
    clf = Net(3, activation="identity", alpha=0, solver=solver, random_state=0)
    with (
        pytest.warns(ConvergenceWarning, match="no better than constant outputs"),
        pytest.warns(ConvergenceWarning, match=r"is 0\.0e\+00, and tol=5\.0e-04"),
    ):
        clf.fit(np.zeros((20, 2)), np.tile([0, 1], 10))
    assert clf.stop_reason_ == "stalled"


@pytest.mark.parametrize("solver", SOLVERS)
def test_kink_of_relu_stalls_and_warns(solver, rng):
    X = rng.standard_normal((30, 2))
    y = X[:, 0] + rng.logistic(size=30) > 0
    clf = Net(2, activation="relu", solver=solver, alpha=0.1, max_iter=5000)
    with pytest.warns(ConvergenceWarning, match="a kink of activation='relu' stops"):
        clf.set_params(random_state=3).fit(X, y)
    assert clf.stop_reason_ == "stalled"
    inputs = np.abs(X @ clf.coefs_[0] + clf.intercepts_[0])
    _, unit = np.unravel_index(inputs.argmin(), inputs.shape)
    assert inputs.min() < 1e-9
    # Not a lack of precision: the gradient differs on the two sides of the kink.
    slopes = []
    for nudge in (-1e-8, 1e-8):
        clf.intercepts_[0][unit] += nudge
        _, slope = cost_gradient(
            weights_of(clf), X, y, hidden_layer_size=2, alpha=0.1, activation="relu"
        )
        clf.intercepts_[0][unit] -= nudge
        slopes.append(slope)
    assert np.abs(slopes[0] - slopes[1]).max() > 100 * clf.tol


# ------------------------------------------------- low minima and constant outputs

CONSTANT = r"no better than constant outputs.*alpha={} is too large for a sum .* {},"
XOR = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("solver", SOLVERS)
def test_default_fit_reaches_low_minima_of_rings_and_moons(solver, seed):
    clf = Net(solver=solver, random_state=seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "max_iter=", ConvergenceWarning)
        X, y = make_circles(200, noise=0.1, factor=0.5, random_state=0)
        assert clf.fit(X, y).score(X, y) >= 0.95
        X, y = make_moons(1000, noise=0.2, random_state=0)
        assert clf.fit(X, y).loss_ <= 0.24
        assert clf.score(X, y) > 0.94


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("seed", range(4))
def test_constant_outputs_of_default_fit_warn_and_name_alpha(solver, seed):
    clf = Net(solver=solver, random_state=seed)
    with pytest.warns(
        ConvergenceWarning, match=CONSTANT.format("0.333333", 4)
    ) as caught:
        clf.fit(*XOR)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert clf.stop_reason_ == "converged"
    assert np.ptp(clf.predict_proba(XOR[0])) < 1e-3
    clf.set_params(alpha=1e-3).fit(*XOR)  # no warning
    assert clf.score(*XOR) == 1


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("alpha", [0, 1e-3, 1.0])
@pytest.mark.parametrize("outputs", ["one", "sigmoids", "softmax", "labels"])
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("tol", [5e-4, 0.01, 0.1])
def test_constant_features_warn_of_constant_outputs(
    solver, alpha, outputs, early_stopping, tol
):
    X = np.full((40, 3), 2.0)
    codes = np.arange(40) % 4
    y = {
        "one": codes > 0,
        "labels": np.column_stack([codes > 0, codes > 2, codes == 1]).astype(int),
    }.get(outputs, codes)
    clf = Net(solver=solver, alpha=alpha, tol=tol, random_state=0)
    clf.set_params(early_stopping=early_stopping)
    clf.set_params(output_activation="softmax" if outputs == "softmax" else "logistic")
    with pytest.warns(ConvergenceWarning, match="or X has no information about y"):
        clf.fit(X, y)


def test_warning_of_constant_outputs_has_the_sum_of_weights(iris):
    X, y = iris
    for unit, total in ((3, 450), (1e-3, 150)):  # a mean below 1 is scaled to 1
        clf = quick(alpha=1000.0 * max(1, unit))
        with pytest.warns(ConvergenceWarning, match=CONSTANT.format(".*", total)):
            clf.fit(X, y, np.full(150, unit))


@pytest.mark.parametrize("name", ["iris", "wine", "cancer", "moons", "circles"])
@pytest.mark.parametrize("solver", SOLVERS)
def test_only_constant_outputs_warn_of_them(solver, name):
    X, y = {
        "iris": lambda: load_iris(return_X_y=True),
        "wine": lambda: load_wine(return_X_y=True),
        "cancer": lambda: load_breast_cancer(return_X_y=True),
        "moons": lambda: make_moons(200, noise=0.2, random_state=0),
        "circles": lambda: make_circles(200, noise=0.1, factor=0.5, random_state=0),
    }[name]()
    X = StandardScaler().fit_transform(X)
    shares = np.bincount(y) / len(y)
    constant = []
    for alpha in (1e-3, 0.1, 1, 3, 10, 30, 100, 300, 1000):
        clf = Net(8, alpha=alpha, solver=solver, random_state=0)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            P = clf.fit(X, y).predict_proba(X)
        constant.append(any("than constant outputs" in str(w.message) for w in caught))
        if constant[-1]:
            assert_allclose(P, np.tile(shares, (len(y), 1)), atol=3e-3)
        else:  # P ranks the samples
            Y = np.eye(len(shares))[y]
            assert roc_auc_score(Y, P, average="macro") > 0.8
    assert constant == sorted(constant)
    assert not any(constant[:3])
    assert constant[-1]


def test_fits_that_end_before_they_learn_do_not_warn_of_constant_outputs(iris):
    X, y = iris
    for max_iter in range(1, 30):
        with pytest.warns(ConvergenceWarning) as caught:
            quick(max_iter=max_iter, tol=0).fit(X, y)
        assert all("passes ended before" in str(w.message) for w in caught)


def test_convergence_warning_points_at_caller_of_fit(iris):
    with pytest.warns(ConvergenceWarning) as caught:
        Net(max_iter=1).fit(*iris)
    assert caught[0].filename == __file__


# ------------------------------------------------------------ initial weights drawn


def initial_fit(X, y, **params):
    """Return a network with its initial weights, from a fit of one pass."""
    with pytest.warns(ConvergenceWarning):
        return Net(max_iter=1, tol=0, random_state=0, **params).fit(X, y)


def test_initial_weights_fill_their_intervals_and_output_biases_are_log_odds(iris):
    X, _ = iris
    y = np.repeat([0, 1, 2], [100, 30, 20])
    clf = initial_fit(X, y, hidden_layer_size=200, conditioning=None)
    hidden = np.sqrt(3 / 4) * (1 + 2 / np.sqrt(4))  # inputs of this deviation
    glorot = np.sqrt(6 / (200 + 3))
    for W, bound in zip(clf.coefs_, [hidden, glorot], strict=True):
        assert bound * 0.98 < np.abs(W).max() < bound
    assert 0.98 < np.abs(clf.intercepts_[0]).max() < 1
    shares = np.array([100, 30, 20]) / 150
    # The shares are rounded to 12 decimals.
    assert_allclose(clf.intercepts_[1], logit(shares), rtol=1e-11)
    softmax = initial_fit(X, y, conditioning=None, output_activation="softmax")
    assert_allclose(softmax.intercepts_[1], np.log(shares), rtol=1e-11)


def test_conditioned_initial_biases_refer_to_mean_sample(iris):
    X, y = iris
    X = X + 5
    clf = initial_fit(X, y)
    mean = X.mean(axis=0, keepdims=True)
    drawn = initial_fit(X, y, conditioning=None).intercepts_[0]
    assert_allclose((mean @ clf.coefs_[0] + clf.intercepts_[0])[0], drawn, atol=1e-5)
    at_centre = np.full((1, 50), 0.5) @ clf.coefs_[1] + clf.intercepts_[1]
    assert_allclose(at_centre[0], np.full(3, logit(1 / 3)), rtol=1e-6)


@pytest.mark.parametrize("activation", HIDDEN)
def test_initial_hidden_biases_fill_interval_of_activation(iris, activation):
    bound = HIDDEN[activation].initial_bias
    clf = initial_fit(
        *iris, activation=activation, hidden_layer_size=200, conditioning=None
    )
    assert 0.98 * bound <= np.abs(clf.intercepts_[0]).max() <= bound


def test_init_epsilon_bounds_all_initial_weights(iris):
    clf = initial_fit(*iris, init_epsilon=0.12, hidden_layer_size=100)
    assert 0.11 < np.abs(weights_of(clf)).max() < 0.12
    assert np.abs(clf.intercepts_[0]).max() > 0.1


@pytest.mark.parametrize(
    ("params", "start", "relaxed"),
    [
        ({}, None, True),
        ({"early_stopping": True}, None, True),
        ({"warm_start": True}, None, True),  # in the first call
        ({"alpha": 0.01}, None, False),  # a weak penalty is not relaxed
        ({"init_epsilon": 0.5}, None, False),
        ({}, "coefs_init", False),
        ({"warm_start": True}, "warm_start", False),
    ],
)
def test_first_passes_of_strong_penalty_are_lbfgs_from_random_weights_only(
    iris, params, start, relaxed
):
    X, y = iris
    first = initial_fit(X, y)
    curves = []
    for solver in SOLVERS:
        params = {"alpha": 1.0, **params}
        clf = Net(solver=solver, max_iter=9, tol=0, random_state=0, **params)
        given = (None, first.coefs_, first.intercepts_) * (start == "coefs_init")
        if start == "warm_start":
            with pytest.warns(ConvergenceWarning):
                clf.set_params(max_iter=1).fit(X, y)
        with pytest.warns(ConvergenceWarning):
            clf.set_params(max_iter=9).fit(X, y, *given)
        curves.append(clf.loss_curve_)
    tnc, lbfgs = curves
    assert tnc[0] == lbfgs[0]
    assert (tnc == lbfgs) == relaxed


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("alpha", [0, 1, 30])
def test_fit_of_few_passes_is_the_beginning_of_a_longer_fit(
    solver, early_stopping, alpha, iris
):
    clf = quick(solver=solver, early_stopping=early_stopping, alpha=alpha, tol=0)

    def fit(max_iter):
        with pytest.warns(ConvergenceWarning, match="max_iter="):
            return clone(clf).set_params(max_iter=max_iter).fit(*iris)

    clf.set_params(n_iter_no_change=1000)
    longest = fit(33)
    for max_iter in (1, 2, 5, 9, 10, 11, 12, 15, 20, 21, 22, 30):
        short = fit(max_iter)
        assert short.n_iter_ == max_iter
        assert short.loss_curve_ == longest.loss_curve_[:max_iter]
        if early_stopping:  # the last step of a budget is scored when it ends
            scores = longest.validation_scores_[: max_iter - 1]
            assert short.validation_scores_[:-1] == scores
        else:
            assert short.loss_ == short.loss_curve_[-1]
            cost, _ = cost_gradient(
                weights_of(short), *iris, hidden_layer_size=6, alpha=alpha
            )
            assert short.loss_ == pytest.approx(cost, rel=1e-12)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("conditioning", ["full", "diagonal"])
def test_conditioning_trains_unscaled_features_like_scaled_ones(solver, conditioning):
    X, y = make_classification(
        600, 12, n_informative=6, n_classes=3, class_sep=2, random_state=0
    )
    units = 10.0 ** np.linspace(-6, 6, 12)
    losses = []
    for data in (X, X * units + 3 * units):
        # Without a penalty the minimum is the same.  Units would change the penalty.
        clf = quick(
            solver=solver, conditioning=conditioning, alpha=0, tol=1e-6, max_iter=60
        )
        with pytest.warns(ConvergenceWarning):
            clf.fit(data, y)
        assert clf.score(data, y) > 0.93
        losses.append(clf.loss_)
    assert losses[1] < 1.3 * losses[0]


# ---------------------------------------------------------------- kinds of data


def test_sparse_data_is_not_densified(rng):
    # Dense, these rows would fill 16 GB.
    n, d = 200_000, 10_000
    X = sp.csr_array((np.ones(n), rng.randint(0, d, n), np.arange(n + 1)), (n, d))
    y = X.indices < d / 2
    tracemalloc.start()
    with pytest.warns(ConvergenceWarning):
        clf = Net(2, max_iter=3, tol=0, random_state=0).fit(X, y)
    clf.predict(X)
    assert tracemalloc.get_traced_memory()[1] < 64e6
    tracemalloc.stop()


@pytest.fixture
def words(rng):
    """Sparse counts of 40 words, all in some row, and classes that depend on them."""
    X = rng.poisson(0.2, (200, 40)).astype(float)
    X[np.arange(40), np.arange(40)] += 1
    return sp.csr_array(X), (X[:, :20].sum(axis=1) > X[:, 20:].sum(axis=1)).astype(int)


USED = np.setdiff1d(np.arange(43), [0, 17, 42])


def with_empty_columns(X, index_dtype=np.int32):
    """Insert three empty columns into sparse data: the first, a middle, the last."""
    wide = sp.csr_array((X.shape[0], 43), dtype=X.dtype)
    wide.data, wide.indptr = X.data, X.indptr.astype(index_dtype)
    wide.indices = USED.astype(index_dtype)[X.indices]
    return wide


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    ("dtype", "index_dtype"), [(np.float64, np.int64), (np.float32, np.int32)]
)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"conditioning": "full"},
        {"conditioning": None, "init_epsilon": 0.12, "alpha": 0},
        {"early_stopping": True},
    ],
    ids=["default", "full", "unconditioned", "early stopping"],
)
def test_empty_columns_of_sparse_data_are_not_used(
    solver, dtype, index_dtype, options, words
):
    X, y = words[0].astype(dtype), words[1]
    wide = with_empty_columns(X, index_dtype)
    before = {name: vars(wide)[name].copy() for name in ("data", "indices", "indptr")}
    options = {"solver": solver, "max_iter": 40, "tol": 0.01} | options
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        clf, narrow = quick(**options).fit(wide, y), quick(**options).fit(X, y)
    assert clf.theta1_.shape == (6, 44)
    assert clf.theta1_.dtype == dtype
    assert clf.n_features_in_ == 43
    assert_array_equal(clf.coefs_[0][USED], narrow.coefs_[0])
    assert_array_equal(clf.coefs_[0][[0, 17, 42]], 0)
    assert_array_equal(clf.intercepts_[0], narrow.intercepts_[0])
    assert_array_equal(clf.theta2_, narrow.theta2_)
    assert clf.loss_curve_ == narrow.loss_curve_
    assert clf.validation_scores_ == narrow.validation_scores_
    assert_array_equal(clf.predict_proba(wide), narrow.predict_proba(X))
    for name, unchanged in before.items():
        assert_array_equal(getattr(wide, name), unchanged)


def test_columns_with_entries_only_in_rows_of_weight_zero_are_empty(words):
    X, y = words
    wide = with_empty_columns(X).tolil()
    wide[:20, 17] = 1
    wide, weight = wide.tocsr(), (np.arange(len(y)) >= 20).astype(float)
    clf = quick().fit(wide, y, sample_weight=weight)
    assert_array_equal(clf.coefs_[0][17], 0)
    assert_array_equal(
        clf.coefs_[0][USED], quick().fit(X, y, sample_weight=weight).coefs_[0]
    )


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("alpha", [0, 1])
@pytest.mark.parametrize("start", ["coefs_init", "warm_start"])
def test_given_weights_of_empty_columns_stay_without_penalty(start, alpha, words, rng):
    X, y = words
    wide = with_empty_columns(X)
    coefs = [rng.standard_normal((43, 6)), rng.standard_normal((6, 1))]
    biases = [np.zeros(6), np.zeros(1)]
    clf = quick(alpha=alpha, max_iter=5)
    narrow = clone(clf).fit(
        X, y, coefs_init=[coefs[0][USED], coefs[1]], intercepts_init=biases
    )
    if start == "warm_start":
        clf.fit(sp.csr_array(np.ones((2, 43))), [0, 1])
        clf.theta1_ = np.column_stack([biases[0], coefs[0].T])
        clf.theta2_ = np.column_stack([biases[1], coefs[1].T])
        clf.set_params(warm_start=True).fit(wide, y)
    else:
        clf.fit(wide, y, coefs_init=coefs, intercepts_init=biases)
    of_empty_columns = clf.coefs_[0][[0, 17, 42]]
    if alpha:
        assert_array_equal(of_empty_columns, 0)
        assert_array_equal(clf.coefs_[0][USED], narrow.coefs_[0])
        assert clf.loss_curve_ == narrow.loss_curve_
    else:
        assert_allclose(of_empty_columns, coefs[0][[0, 17, 42]], rtol=1e-12)
        assert clf.loss_ < clf.loss_curve_[0] == narrow.loss_curve_[0]


def test_sparse_data_without_any_entry_predicts_the_larger_class():
    X, y = sp.csr_array((6, 5)), [0, 1, 1, 1, 1, 1]
    with pytest.warns(ConvergenceWarning, match="no better than constant outputs"):
        clf = quick().fit(X, y)
    assert_array_equal(clf.coefs_[0], 0)
    assert_array_equal(clf.predict(X), 1)


@pytest.mark.parametrize("solver", SOLVERS)
def test_empty_columns_need_memory_only_for_weights(solver, rng):
    n, d = 1000, 2**20  # the default of HashingVectorizer
    columns = rng.randint(0, d, 20 * n, dtype=np.int32)
    indptr = np.arange(0, 20 * n + 1, 20, dtype=np.int32)
    X = sp.csr_array((rng.uniform(size=20 * n), columns, indptr), shape=(n, d))
    X.sum_duplicates()
    y = rng.randint(0, 2, n)
    weights = 8 * 2 * d
    tracemalloc.start()
    with pytest.warns(ConvergenceWarning):
        clf = Net(2, solver=solver, max_iter=3, tol=0, random_state=0).fit(X, y)
    assert tracemalloc.get_traced_memory()[1] < weights + 2**24
    tracemalloc.reset_peak()
    clf.predict(X)
    assert tracemalloc.get_traced_memory()[1] < weights + 2**23
    tracemalloc.stop()


def test_float32_weights_predict_float64_rows_in_float64(iris):
    X, y = iris
    clf = quick().fit(X.astype(np.float32), y)
    wide = quick().fit(X, y)
    wide.theta1_, wide.theta2_ = clf.theta1_.astype(float), clf.theta2_.astype(float)
    assert clf.predict_proba(X).dtype == np.float64
    assert_array_equal(clf.predict_proba(X), wide.predict_proba(X))


@pytest.mark.parametrize("solver", SOLVERS)
def test_float32_fit_stays_float32_and_near_float64(solver, iris):
    X, y = iris
    wide = quick(solver=solver, tol=1e-3).fit(X, y)
    narrow = quick(solver=solver, tol=1e-3).fit(X.astype(np.float32), y)
    assert narrow.theta1_.dtype == narrow.coefs_[1].dtype == np.float32
    assert narrow.predict_proba(X.astype(np.float32)).dtype == np.float32
    assert_allclose(narrow.loss_, wide.loss_, rtol=1e-2)
    assert_allclose(narrow.predict_proba(X), wide.predict_proba(X), atol=0.05)


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_frames_give_feature_names_and_same_fit(frame, iris):
    X, y = iris
    names = ["a", "b", "c", "d"]
    data = frame({name: X[:, i] for i, name in enumerate(names)})
    series = pd.Series(y) if frame is pd.DataFrame else pl.Series(y)
    clf = quick().fit(data, series)
    assert clf.feature_names_in_.tolist() == names
    assert_same_fit(clf, quick().fit(X, y))
    assert_array_equal(clf.predict(data), clf.predict(data[names]))
    with pytest.raises(ValueError, match="feature names"):
        clf.predict(data[names[::-1]])


def test_read_only_memory_map_gives_same_fit(tmp_path, iris):
    X, y = iris
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    assert_same_fit(quick().fit(mapped, y), quick().fit(X, y))


@pytest.mark.parametrize(
    "names", [["x", "y", "z"], [10, 30, 20], [-1.0, 0.0, 7.0], ["é", "ø", "å"]]
)
def test_classes_of_strings_integers_and_floats(names, iris):
    X, y = iris
    names = np.array(names)
    clf = quick().fit(X, names[y])
    assert_array_equal(clf.classes_, np.sort(names))
    assert set(clf.predict(X)) <= set(names)
    assert clf.score(X, names[y]) > 0.95


def test_column_vector_y_warns_and_gives_same_fit(iris):
    X, y = iris
    with pytest.warns(DataConversionWarning):
        clf = quick().fit(X, y[:, np.newaxis])
    assert_same_fit(clf, quick().fit(X, y))


def test_single_class_has_probability_one(rng):
    X = rng.standard_normal((20, 3))
    clf = quick().fit(X, np.full(20, "only"))
    assert clf.predict(X).tolist() == ["only"] * 20
    assert_array_equal(clf.predict_proba(X), np.ones((20, 1)))
    assert_array_equal(clf.predict_log_proba(X), np.zeros((20, 1)))
    assert clf.decision_function(X).shape == (20,)


def test_multilabel_predictions_are_consistent(multilabel):
    X, Y = multilabel
    clf = quick(alpha=0.1).fit(X, Y)
    assert clf.predict(X).shape == clf.predict_proba(X).shape == Y.shape
    assert clf.score(X, Y) > 0.8
    assert clf.classes_.tolist() == [0, 1, 2, 3]
    assert_array_equal(clf.predict(X), clf.predict_proba(X) > 0.5)
    assert_array_equal(clf.predict(X), clf.decision_function(X) > 0)
    assert_allclose(clf.predict_proba(X), expit(clf.decision_function(X)))
    assert_same_fit(clf, quick(alpha=0.1).fit(X, sp.csr_array(Y)))


# -------------------------------------------------------------------- predictions


@pytest.mark.parametrize("output_activation", ["logistic", "softmax"])
def test_multiclass_predictions_are_consistent(output_activation, iris):
    X, y = iris
    clf = quick(output_activation=output_activation).fit(X, y)
    P = clf.predict_proba(X)
    assert_allclose(P.sum(axis=1), 1)
    assert_array_equal(clf.predict(X), clf.decision_function(X).argmax(axis=1))
    assert_array_equal(clf.predict(X), P.argmax(axis=1))
    assert_allclose(np.exp(clf.predict_log_proba(X)), P)
    O = clf.decision_function(X)
    F = np.exp(O) if output_activation == "softmax" else expit(O)
    assert_allclose(P, F / F.sum(axis=1, keepdims=True))


def test_binary_predictions_are_consistent(binary):
    X, y = binary
    clf = quick().fit(X, y)
    o, P = clf.decision_function(X), clf.predict_proba(X)
    assert o.shape == (len(X),)
    assert_array_equal(clf.predict(X), o > 0)
    assert_allclose(P, np.column_stack([1 - expit(o), expit(o)]), atol=1e-15)
    assert_array_equal(clf.predict(X), P[:, 1] > 0.5)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("container", [np.asarray, np.asfortranarray, sp.csr_array])
def test_predict_raises_for_nan_and_infinity(activation, value, container, iris):
    clf = quick(activation=activation).fit(*iris)
    clf.theta1_[:, 2] = 0  # even if all weights of a feature are 0
    X = np.ones((6000, 4))
    X[-1, 1] = value
    for predict in (clf.predict, clf.predict_proba, clf.decision_function):
        with pytest.raises(ValueError, match="Input X contains NaN or infinity"):
            predict(container(X))


@pytest.mark.parametrize("output_activation", ["logistic", "softmax"])
@pytest.mark.parametrize("data", ["iris", "binary"])
def test_probabilities_of_extreme_outputs_are_positive(
    output_activation, data, request
):
    X, y = request.getfixturevalue(data)
    clf = quick(output_activation=output_activation, activation="identity").fit(X, y)
    far = 1e6 * np.vstack([X, -X])
    assert np.abs(clf.decision_function(far)).max() > 1000
    L, P = clf.predict_log_proba(far), clf.predict_proba(far)
    assert_allclose(L.min(), np.log(np.finfo(float).tiny))
    assert P.min() > 0
    assert_array_equal(np.log(P), L)
    assert_allclose(clf.predict_proba(far).sum(axis=1), 1)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, ">f8", np.int64, object])
def test_predictions_check_shape_of_arrays_of_each_dtype(dtype, iris):
    X = iris[0].round().astype(dtype)
    clf = quick().fit(*iris)
    expected = clf.predict_proba(X.astype(np.float64))
    assert_allclose(clf.predict_proba(X), expected, rtol=1e-5)
    for wrong, message in [
        (X[0], "Expected 2D array"),
        (X[np.newaxis], "dim 3"),
        (X[:0], r"0 sample\(s\)"),
        (X[:, :0], r"0 feature\(s\)"),
        (X[:, :3], "expecting 4 features"),
    ]:
        with pytest.raises(ValueError, match=message):
            clf.predict(wrong)


def test_predict_raises_for_matrix(iris):
    X, y = iris
    with pytest.raises(TypeError, match=r"np.matrix is not supported"):
        quick().fit(X, y).predict(X.view(np.matrix))


def test_predict_needs_memory_for_labels_only(rng):
    X = rng.standard_normal((1_000_000, 1)).astype(np.float32)
    clf = quick(hidden_layer_size=50, tol=0.1).fit(X[:100], X[:100, 0] > 0)
    tracemalloc.start()
    y = clf.predict(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert y.dtype == bool
    assert peak < 5 * y.nbytes  # indices of the classes would take eight


def test_set_params_after_fit_does_not_change_predictions(iris):
    X, y = iris
    clf = quick().fit(X, y)
    before = clf.predict_proba(X)
    clf.set_params(activation="relu", output_activation="softmax", hidden_layer_size=9)
    assert_array_equal(clf.predict_proba(X), before)


def test_probabilities_of_labels_are_below_one_and_logs_finite(multilabel):
    X, Y = multilabel
    far = 1e6 * X
    for y in (Y, Y[:, 0], Y[:, 0] + Y[:, 1]):
        clf = quick(alpha=1e-3, activation="identity").fit(X, y)
        P = clf.predict_proba(far)
        assert 0 < P.min() < 1e-100
        assert P.max() < 1 if y.ndim == 2 else P.max() == 1
        assert np.isfinite(np.log(P)).all()


def test_predict_before_fit_raises_not_fitted_error():
    with pytest.raises(NotFittedError):
        Net().predict([[0.0]])


# ------------------------------------------------------------------------ weights


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 2.0}])
def test_integer_sample_weight_equals_repeated_samples_bit_for_bit(
    solver, class_weight, iris, rng
):
    X, y = iris
    counts = rng.randint(0, 4, len(y))
    order = rng.permutation(counts.sum())
    params = {"solver": solver, "class_weight": class_weight}
    weighted = quick(**params).fit(X, y, sample_weight=counts)
    repeated = quick(**params).fit(
        X.repeat(counts, axis=0)[order], y.repeat(counts)[order]
    )
    assert_array_equal(weights_of(weighted), weights_of(repeated))


@pytest.mark.parametrize("solver", SOLVERS)
def test_order_of_samples_gives_same_fit_bit_for_bit(solver, large, rng):
    X, y = large
    order = rng.permutation(len(y))
    first = quick(solver=solver).fit(X, y)
    second = quick(solver=solver).fit(np.asfortranarray(X[order]), y[order])
    assert_array_equal(weights_of(first), weights_of(second))


@pytest.mark.parametrize("scale", [2.0**-17, 2.0**-10, 2.0**13, 2.0**133])
@pytest.mark.parametrize("solver", SOLVERS)
def test_scale_of_all_features_does_not_change_predictions(solver, scale, iris):
    # Without a penalty the problem is the same, and a power of two rounds nothing.
    X, y = iris
    clf = quick(solver=solver, alpha=0, max_iter=25, tol=0)
    with pytest.warns(ConvergenceWarning):
        expected = clf.fit(X, y).predict_proba(X)
    with pytest.warns(ConvergenceWarning):
        scaled = clf.fit(X * scale, y).predict_proba(X * scale)
    assert_array_equal(scaled, expected)


@pytest.mark.parametrize("scale", [1e-5, 1e-3])
@pytest.mark.parametrize("solver", SOLVERS)
def test_small_features_do_not_converge_at_once(solver, scale, iris):
    X, y = iris
    for alpha in (0, 1e-12, 1e-3 * scale**2):
        clf = Net(8, solver=solver, alpha=alpha, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            clf.fit(X * scale, y)
        assert clf.score(X * scale, y) > 0.95
    default = Net(8, alpha=1.0, solver=solver, max_iter=1000, random_state=0)
    with pytest.warns(ConvergenceWarning, match="no better than constant outputs"):
        default.fit(X * scale, y)
    assert default.stop_reason_ == "converged"
    assert default.n_iter_ < 100  # the penalty leaves little to learn


def test_class_of_weight_zero_stays_in_classes(iris):
    X, y = iris
    clf = quick(class_weight={1: 0.0}).fit(X, y)
    assert clf.classes_.tolist() == [0, 1, 2]
    assert 1 not in clf.predict(X)
    many = np.tile([0, 1], 2000)
    clf = quick(class_weight={0: 0.0, 1: 1.0})
    assert set(clf.fit(X[np.arange(4000) % 150], many).predict(X)) == {1}


def rare_problem(targets):
    """Return training and test data; class 2, or label 2, has a share of 2%."""
    rng = np.random.RandomState(0)
    X = rng.standard_normal((11000, 5))
    O = X @ np.array([[0, 0, 0, 0, 0], [2, -1, 0, 0, 0], [0, 1.5, 1, 0, 0]]).T
    P = softmax(O - [0, 0, 5], axis=1)
    y = (rng.uniform(size=(11000, 1)) > P.cumsum(axis=1)).sum(axis=1)
    if targets == "two":
        y = (y == 2).astype(int)
    elif targets == "labels":
        y = np.eye(3, dtype=int)[y]
    return X[:1000], y[:1000], X[1000:], y[1000:]


RARE = ["two", "sigmoids", "softmax", "labels"]


@pytest.mark.parametrize("targets", RARE)
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("tol", [1e-3, 1e-2, 0.1, 10])
def test_rare_class_never_converges_at_the_random_start(tol, solver, targets):
    X, y, *_ = rare_problem(targets)
    for seed in range(4):
        clf = quick(tol=tol, solver=solver, random_state=seed)
        clf.set_params(
            output_activation="softmax" if targets == "softmax" else "logistic"
        )
        clf.fit(X, y)
        assert clf.stop_reason_ == "converged"
        assert clf.n_iter_ > 1
        assert clf.loss_ < clf.loss_curve_[0]


@pytest.mark.parametrize("targets", RARE)
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("tol", [1e-3, 1e-2])
def test_rare_class_is_ranked_as_by_logistic_regression_of_equal_tol(
    tol, solver, targets
):
    X, y, X_test, y_test = rare_problem(targets)
    is_rare = (y_test[:, 2] if y.ndim == 2 else y_test == y.max()).astype(int)
    peer = LogisticRegression(tol=tol).fit(X, y[:, 2] if y.ndim == 2 else y)
    expected = roc_auc_score(is_rare, peer.predict_proba(X_test)[:, -1])
    assert expected > 0.85
    for seed in range(2):
        clf = Net(tol=tol, solver=solver, random_state=seed)
        clf.set_params(
            output_activation="softmax" if targets == "softmax" else "logistic"
        )
        P = clf.fit(X, y).predict_proba(X_test)
        assert roc_auc_score(is_rare, P[:, -1]) > expected - 0.03


@pytest.mark.parametrize("output_activation", ["logistic", "softmax"])
@pytest.mark.parametrize("absent", [[0], [2], [0, 1], [1, 2]])
@pytest.mark.parametrize("alpha", [0, 1])
def test_classes_without_sample_weight_are_improbable(
    output_activation, absent, alpha, iris
):
    X, y = iris
    weight = ~np.isin(y, absent) * 1.0
    clf = quick(output_activation=output_activation, alpha=alpha, max_iter=30)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        clf.fit(X, y, weight)
    assert clf.classes_.tolist() == [0, 1, 2]
    assert np.abs(weights_of(clf)).max() < 100
    P = clf.predict_proba(X)
    assert P.shape == (150, 3)
    assert P[:, absent].max() < 0.05
    assert not np.isin(clf.predict(X), absent).any()


@pytest.mark.parametrize("present", [0, 1])
def test_single_class_with_weight_has_its_sign(present, binary):
    X, y = binary
    clf = quick().fit(X, y, y == present)
    assert clf.classes_.tolist() == [0, 1]
    assert (np.sign(clf.decision_function(X)) == 2 * present - 1).all()
    assert clf.predict_proba(X)[:, present].min() > 0.95
    assert np.abs(weights_of(clf)).max() < 100


def test_sample_weight_below_range_of_float32(iris):
    X, y = iris
    weights = np.where(y == 0, 1e-50, 1e-45)
    clf = quick(alpha=0.1).fit(X.astype(np.float32), y, weights)
    assert clf.classes_.tolist() == [0, 1, 2]
    for unit in (2.0**100, 2.0**150, 2.0**152):  # mean weights below and above 1
        mean = weights.mean() * unit
        same = quick(alpha=0.1 * max(mean, 1))
        assert_same_fit(clf, same.fit(X.astype(np.float32), y, weights * unit))


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("alpha", [1.0, "auto"])
def test_weights_with_a_mean_below_1_are_scaled_to_it(
    solver, early_stopping, alpha, iris
):
    X, y = iris
    weights = np.random.RandomState(0).uniform(0.2, 3, 150)
    weights /= weights.mean()
    clf = quick(solver=solver, early_stopping=early_stopping, alpha=alpha)
    expected = clone(clf).fit(X, y, weights)
    for unit in (0.9, 1 / 150, 1e-12):
        scaled = clone(clf).fit(X, y, weights * unit)
        assert_allclose(weights_of(scaled), weights_of(expected), rtol=0, atol=1e-6)
        assert_allclose(scaled.loss_, expected.loss_, rtol=1e-10)
    # Weights with a mean above 1 count as so many samples.
    expected = clone(clf).set_params(alpha=1.0).fit(X, y, weights)
    larger = clone(clf).set_params(alpha=2.0).fit(X, y, weights * 2)
    assert_allclose(weights_of(larger), weights_of(expected), rtol=0, atol=1e-6)


@pytest.mark.parametrize("solver", SOLVERS)
def test_class_weight_of_one_over_count_equals_balanced(solver, iris):
    X, y = iris[0][:120], iris[1][:120]  # the last class has 20 samples
    clf = quick(solver=solver, class_weight=dict(enumerate(1 / np.bincount(y))))
    balanced = quick(solver=solver, class_weight="balanced").fit(X, y)
    assert_allclose(weights_of(clf.fit(X, y)), weights_of(balanced), atol=1e-6)


def test_balanced_class_weight_raises_recall_of_rare_class(rng):
    X, y = make_classification(
        600, 6, weights=[0.95], class_sep=0.5, flip_y=0, random_state=0
    )
    plain, balanced = quick().fit(X, y), quick(class_weight="balanced").fit(X, y)
    recall = [clf.score(X[y == 1], y[y == 1]) for clf in (plain, balanced)]
    assert recall[1] > recall[0] + 0.2
    assert_allclose(balanced.predict_proba(X)[:, 1].mean(), 0.3, atol=0.2)


# ----------------------------------------------------------------- early stopping


@pytest.mark.parametrize("solver", SOLVERS)
def test_early_stopping_keeps_weights_of_best_validation_score(solver):
    X, y = make_classification(
        400, 20, n_informative=4, flip_y=0.3, class_sep=0.5, random_state=0
    )
    params = {"solver": solver, "alpha": 1e-3, "max_iter": 500, "tol": 1e-5}
    clf = quick(**params, early_stopping=True, n_iter_no_change=5).fit(X, y)
    assert clf.stop_reason_ == "early_stopping"
    assert clf.n_iter_ < 500
    assert len(clf.validation_scores_) == clf.n_iter_ == len(clf.loss_curve_)
    assert max(clf.validation_scores_) == clf.best_validation_score_
    assert clf.loss_ > clf.loss_curve_[-1]

    # The rows to hold out are drawn first, so the same generator draws them again.
    train, held_out = rows_of_split(y, 0.1, np.random.RandomState(0))
    loss = log_loss(y[held_out], clf.predict_proba(X[held_out]))
    assert_allclose(clf.best_validation_score_, -loss, rtol=1e-11)
    cost, _ = cost_gradient(
        weights_of(clf), X[train], y[train], hidden_layer_size=6, alpha=1e-3
    )
    assert_allclose(clf.loss_, cost, rtol=1e-12)


def by_class(y, weights, class_weight):
    """Return sample weights times class weights, by the definition."""
    if class_weight == "balanced":
        share = {c: weights[y == c].sum() / weights.sum() for c in np.unique(y)}
        class_weight = {c: 1 / (len(share) * share[c]) for c in share}
    return weights * np.array([class_weight.get(c, 1.0) for c in y])


@pytest.mark.parametrize("class_weight", [{0: 3.0, 2: 0.2}, "balanced", "labels"])
def test_validation_score_uses_sample_and_class_weights(class_weight, rng):
    X = rng.standard_normal((200, 5))
    y = np.digitize(X[:, 0] + rng.standard_normal(200), [0.3, 1])
    weights = rng.uniform(0.1, 3, 200)
    if class_weight == "labels":
        y = np.column_stack([y > 0, X[:, 1] + rng.standard_normal(200) > 0.8])
        y = y.astype(int)
        class_weight = [{0: 1.0, 1: 4.0}, {1: 0.3}]
        total = by_class(y[:, 0], weights, class_weight[0])
        total = by_class(y[:, 1], total, class_weight[1])
    else:
        total = by_class(y, weights, class_weight)
    params = {"early_stopping": True, "validation_fraction": 0.3, "alpha": 0.1}
    clf = quick(class_weight=class_weight, **params).fit(X, y, weights)

    train, held_out = rows_of_split(y, 0.3, np.random.RandomState(0))
    expit_outputs = expit(clf.decision_function(X[held_out]))
    targets = y[held_out] if y.ndim == 2 else np.eye(3)[y[held_out]]
    losses = -np.log(np.abs(1 - targets - expit_outputs)).sum(axis=1)
    score = -np.average(losses, weights=total[held_out])
    assert_allclose(clf.best_validation_score_, score, rtol=1e-11)
    for others in (None, weights[held_out], (total / weights)[held_out]):
        assert abs(np.average(losses, weights=others) + score) > 1e-3
    cost, _ = cost_gradient(
        weights_of(clf),
        X[train],
        y[train],
        hidden_layer_size=6,
        alpha=0.1,
        sample_weight=total[train],
    )
    assert_allclose(clf.loss_, cost, rtol=1e-12)


def test_early_stopping_with_multilabel_targets(multilabel):
    clf = quick(early_stopping=True, alpha=0.1).fit(*multilabel)
    assert clf.validation_scores_[0] < clf.best_validation_score_ < 0
    assert clf.score(*multilabel) > 0.5


@pytest.mark.filterwarnings("ignore:max_iter:sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("class_weight", [None, "balanced", {False: 1, True: 5}])
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(("intercept", "n"), [(-1.5, 1000), (-3, 2000)])
def test_early_stopping_learns_overlapping_unequal_classes(
    intercept, n, solver, class_weight
):
    # The rarer the class, the more rows it takes to hold out some of its samples.  The
    # initial accuracy is the share of the larger class, and hard to exceed here.
    rng = np.random.default_rng(3)
    X = rng.normal(size=(6000, 10))
    odds = intercept + X[:, 0] - 0.7 * X[:, 1] + 0.5 * X[:, 2] * X[:, 3]
    y = rng.uniform(size=6000) < expit(odds)
    plain = Net(solver=solver, class_weight=class_weight)
    for seed in range(4):
        plain.set_params(random_state=seed)
        early = clone(plain).set_params(early_stopping=True)
        auc, early_auc = (
            roc_auc_score(y[n:], clf.decision_function(X[n:]))
            for clf in (plain.fit(X[:n], y[:n]), early.fit(X[:n], y[:n]))
        )
        assert early_auc > auc - 0.02
        assert early.best_validation_score_ == max(early.validation_scores_[20:])
        assert early.loss_ < early.loss_curve_[0]


def test_held_out_rows_that_overflow_at_the_start_raise(rng):
    y = np.arange(40) % 2
    X = rng.standard_normal((40, 1)).astype(np.float32)
    _, held_out = rows_of_split(y, 0.1, np.random.RandomState(0))
    X[held_out] = 1e30
    clf = quick(hidden_layer_size=1, activation="identity", early_stopping=True)
    with pytest.raises(ValueError, match="early_stopping=True holds out is not finite"):
        clf.fit(X, y, None, [[[1e20]], [[1.0]]], [[0.0], [0.0]])
    assert not hasattr(clf, "classes_")


def test_validation_loss_is_finite_where_holdout_lacks_a_class(rng):
    X = rng.standard_normal((60, 3))
    y = np.where(np.arange(60) < 4, np.arange(60), 4)  # four classes of one sample
    clf = quick(early_stopping=True).fit(X, y)
    assert np.isfinite(clf.validation_scores_).all()


def test_early_stopping_without_class_of_two_samples_raises():
    with pytest.raises(ValueError, match="n_samples = 2"):
        quick(early_stopping=True).fit([[0.0], [1.0]], [0, 1])


# --------------------------------------------------------------------- warm start


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("max_iter", [1, 2, 3])
@pytest.mark.parametrize("alpha", [0, 1])
def test_each_warm_start_of_few_passes_lowers_the_loss(solver, max_iter, alpha, iris):
    X, y = iris
    clf = Net(solver=solver, max_iter=max_iter, alpha=alpha, warm_start=True)
    clf.set_params(random_state=0)
    losses = []
    for call in range(30):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            clf.fit(X, y)
        losses.append(clf.loss_)
        assert len(clf.loss_curve_) == clf.n_iter_
        if clf.stop_reason_ in ("converged", "stalled"):
            break
        assert clf.stop_reason_ == "max_iter"
        assert clf.n_iter_ == max_iter if call == 0 else clf.n_iter_ >= max_iter
        if call > 0:
            assert clf.loss_curve_[0] == pytest.approx(losses[-2], rel=1e-12)
            assert losses[-1] < clf.loss_curve_[0]
            # The fit ends with the first pass that lowers the loss.
            beyond = clf.loss_curve_[max_iter - 1 : -1]
            assert beyond == [clf.loss_curve_[0]] * len(beyond)
    assert (np.diff(losses) < 0).all()
    assert losses[-1] < 0.95 * losses[0]


@pytest.mark.parametrize("solver", SOLVERS)
def test_warm_start_at_a_minimum_ends(solver, iris):
    X, y = iris
    clf = quick(solver=solver, warm_start=True, alpha=1.0).fit(X, y)
    before = weights_of(clf)
    clf.fit(X, y)
    assert (clf.stop_reason_, clf.n_iter_) == ("converged", 1)
    assert_allclose(weights_of(clf), before, rtol=1e-12)
    with pytest.warns(ConvergenceWarning):
        clf.set_params(tol=0, max_iter=100_000).fit(X, y)
    assert clf.stop_reason_ == "stalled"
    for _ in range(3):  # the cost may still fall by a rounding error
        with pytest.warns(ConvergenceWarning):
            clf.set_params(max_iter=1).fit(X, y)
        assert clf.n_iter_ < 20


@pytest.mark.parametrize("solver", SOLVERS)
def test_warm_start_continues_until_convergence(solver, iris):
    clf = Net(solver=solver, max_iter=15, tol=1e-3, warm_start=True, random_state=0)
    losses = []
    for _ in range(40):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            clf.fit(*iris)
        assert not losses or clf.loss_curve_[0] == pytest.approx(losses[-1], rel=1e-12)
        losses.append(clf.loss_)
        if clf.stop_reason_ == "converged":
            break
    assert clf.stop_reason_ == "converged"
    assert len(losses) > 1
    assert clf.fit(*iris).n_iter_ == 1  # starts at the minimum


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c, X, y: c.fit(X[y > 0], y[y > 0]), "same classes in y only"),
        (lambda c, X, y: c.fit(X, y + 1), "same classes in y only"),
        (lambda c, X, y: c.fit(X, np.eye(3, dtype=int)[y]), "same multilabel_ only"),
        (
            lambda c, X, y: c.set_params(activation="tanh").fit(X, y),
            "same activation only: previously 'logistic', now 'tanh'",
        ),
        (
            lambda c, X, y: c.set_params(output_activation="softmax").fit(X, y),
            "same output_activation only: previously 'logistic', now 'softmax'",
        ),
        (lambda c, X, y: c.fit(X[:, 1:], y), "3 features, but.*expecting 4"),
        (
            lambda c, X, y: c.set_params(hidden_layer_size=7).fit(X, y),
            "same hidden_layer_size only: previously 6, now 7",
        ),
    ],
)
def test_warm_start_with_different_problem_raises(change, message, iris):
    X, y = iris
    clf = quick(warm_start=True).fit(X, y)
    before = joblib.hash(vars(clf))
    with pytest.raises(ValueError, match=message):
        change(clf, X, y)
    clf.set_params(
        hidden_layer_size=6, activation="logistic", output_activation="logistic"
    )
    assert joblib.hash(vars(clf)) == before


# -------------------------------------------------------- interrupts and failures


@pytest.mark.parametrize("warm_start", [False, True])
def test_failed_fit_restores_estimator(warm_start, iris, monkeypatch):
    X, y = iris
    clf = quick(warm_start=warm_start)

    def fail(*args):
        raise MemoryError

    monkeypatch.setattr(Dataset, "loss_gradient_sums", fail)
    with pytest.raises(MemoryError):
        clf.fit(pd.DataFrame(X, columns=list("abcd")), y)
    assert not [name for name in vars(clf) if name.endswith("_")]

    monkeypatch.undo()
    state = joblib.hash(vars(clf.fit(X, y)))
    for bad_X, bad_y in [(X[:, :3], y[:5]), (X * np.nan, y), (X[:, :2], y + 0.5)]:
        with pytest.raises(ValueError, match=r"."):
            clf.fit(bad_X, bad_y)
        assert joblib.hash(vars(clf)) == state


@pytest.mark.parametrize("solver", SOLVERS)
def test_fit_frees_its_copies_of_data(solver, iris, monkeypatch):
    copies, split = [], Dataset.holdout_split

    def spy(*args):
        parts = split(*args)
        copies.extend(weakref.ref(part.X) for part in parts)
        return parts

    monkeypatch.setattr(Dataset, "holdout_split", spy)
    gc.disable()
    try:
        quick(solver=solver, early_stopping=True).fit(*iris)
        assert [copy() for copy in copies] == [None, None]
    finally:
        gc.enable()


# ----------------------------------------------------------------- invalid input


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"hidden_layer_size": 0}, "hidden_layer_size"),
        ({"hidden_layer_size": 2.5}, "hidden_layer_size"),
        ({"activation": "swish"}, "activation"),
        ({"output_activation": "tanh"}, "output_activation"),
        ({"alpha": -1}, "alpha"),
        ({"alpha": np.inf}, "alpha"),
        ({"alpha": np.nan}, "alpha"),
        ({"solver": "adam"}, "solver"),
        ({"max_iter": 0}, "max_iter"),
        ({"max_time": 0}, "max_time"),
        ({"max_time": -1}, "max_time"),
        ({"max_time": "1"}, "max_time"),
        ({"tol": -1e-4}, "tol"),
        ({"conditioning": "none"}, "conditioning"),
        ({"init_epsilon": 0}, "init_epsilon"),
        ({"class_weight": "auto"}, "class_weight"),
        ({"validation_fraction": 1.0}, "validation_fraction"),
        ({"n_iter_no_change": 0}, "n_iter_no_change"),
        ({"early_stopping": "yes"}, "early_stopping"),
    ],
)
def test_invalid_parameters_raise_in_fit(params, message, iris):
    with pytest.raises(ValueError, match=f"'{message}' parameter"):
        Net(**params).fit(*iris)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda X, y: (np.where(X > 2, np.nan, X), y, None), "Input X contains NaN"),
        (lambda X, y: (np.where(X > 2, np.inf, X), y, None), "Input X contains inf"),
        (lambda X, y: (X, y[:-1], None), "inconsistent numbers of samples"),
        (
            lambda X, y: (X, y + 0.5 * (y > 1), None),
            "Unknown label type: continuous. Maybe you are trying to fit a classifier",
        ),
        (lambda X, y: (X, np.column_stack([y, y]), None), "several columns"),
        (lambda X, y: (X, y, -np.ones(len(y))), "sample_weight has negative values"),
        (lambda X, y: (X, y, np.zeros(len(y))), "sample_weight is zero"),
        (lambda X, y: (X, y, np.ones(3)), r"sample_weight has shape \(3,\), expected"),
        (lambda X, y: (X, y, 2.0), r"sample_weight has shape \(\), expected \(150,\)"),
        (lambda X, y: (X, y, np.full(len(y), np.nan)), "sample_weight contains NaN"),
        *[
            (
                lambda X, y, w=w: (X, y, w),
                f"^sample_weight has .* numbers.*{error}.*, exp",
            )
            for w, error in [
                (["a"] * 150, "could not convert string to float: 'a'"),
                (np.array(["a"] * 150), "could not convert string to float: 'a'"),
                (pd.Series(["a"] * 150), "could not convert string to float: 'a'"),
                ("balanced", "could not convert string to float: 'balanced'"),
                (pd.Series(pd.Timestamp(0), range(150)), "datetime64"),
            ]
        ],
        (lambda X, y: (X[:0], y[:0], None), "0 sample"),
        (lambda X, y: (X[:, :0], y, None), "0 feature"),
        (lambda X, y: (X[:, 0], y, None), "Expected 2D array"),
    ],
)
def test_invalid_data_raises(spoil, message, iris):
    X, y, sample_weight = spoil(*iris)
    for clf in (quick(), ThreeLayerNNClassifierCV(cv=2)):
        with pytest.raises(ValueError, match=message):
            clf.fit(X, y, sample_weight)
        assert not hasattr(clf, "n_features_in_")


def test_softmax_with_multilabel_targets_raises(multilabel):
    with pytest.raises(ValueError, match="'softmax' chooses one class"):
        quick(output_activation="softmax").fit(*multilabel)


@pytest.mark.parametrize("solver", SOLVERS)
def test_features_too_large_for_dtype_raise(solver, iris):
    X, y = iris
    with pytest.raises(ValueError, match=r"X, alpha, init_epsilon, .* are too large"):
        quick(solver=solver, activation="identity", conditioning=None).fit(
            (X * 1e38).astype(np.float32), y
        )


# ----------------------------------------------- reproducibility, searches, verbose


def test_same_random_state_gives_same_fit(iris):
    first = quick().fit(*iris)
    assert_same_fit(first, clone(first).fit(*iris))
    assert_same_fit(first, pickle.loads(pickle.dumps(first)))
    other = quick(random_state=1).fit(*iris)
    assert np.abs(weights_of(other) - weights_of(first)).max() > 0.1


def test_grid_search_over_pipeline_is_equal_with_n_jobs(binary):
    X, y = binary
    pipe = make_pipeline(StandardScaler(), quick())
    grid = {
        "threelayernnclassifier__alpha": [0.1, 10],
        "threelayernnclassifier__max_iter": [50, 60],
    }
    search = GridSearchCV(pipe, grid, cv=3).fit(X, y)
    assert search.best_score_ > 0.95
    serial = search.cv_results_["mean_test_score"]
    parallel = GridSearchCV(pipe, grid, cv=3, n_jobs=2).fit(X, y)
    assert_array_equal(parallel.cv_results_["mean_test_score"], serial)
    assert cross_val_score(pipe, X, y, cv=3).mean() > 0.95


def test_verbose_prints_progress_and_result(iris, capsys):
    with pytest.warns(ConvergenceWarning):
        Net(max_iter=40, verbose=True, random_state=0).fit(*iris)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6
    assert lines[0].startswith("pass     1/40   cost ")
    assert lines[-1].startswith("max_iter after 40 passes   cost ")
    quick().fit(*iris)
    assert capsys.readouterr().out == ""


def printed(n_passes, capsys, score=None):
    evaluations = []
    point = Iterate(np.zeros(1), 0.25, 0.5)
    minimizer = SimpleNamespace(evaluations=evaluations, max_iter=200, lowest=point)
    for _ in range(n_passes):
        evaluations.append(Evaluation(0.25, score))
        print_pass(minimizer)
    print_result(MinimizeResult(point, evaluations, "converged", score, 0.5, 1.0))
    return capsys.readouterr().out.splitlines()


def test_verbose_prints_passes_1_2_5_10_and_so_on(capsys):
    *lines, last = printed(1234, capsys)
    assert [int(line.split("/")[0].split()[1]) for line in lines] == [
        *(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
    ]
    assert lines[0] == "pass     1/200   cost 0.250000   largest gradient 5.0e-01"
    assert last.startswith("converged after 1234 passes   cost")


def test_verbose_prints_validation_score(capsys):
    assert printed(1, capsys, score=0.5)[0].endswith("   validation score 0.5000")


@pytest.mark.parametrize("estimator", [Net, ThreeLayerNNClassifierCV])
def test_set_callbacks_exists_where_scikit_learn_has_callbacks(estimator):
    has_callbacks = find_spec("sklearn.callback") is not None
    assert hasattr(estimator, "set_callbacks") == has_callbacks


# ------------------------------------------------------------ initial weights given


@pytest.fixture
def mlp(iris):
    mlp = MLPClassifier((7,), activation="tanh", alpha=0.3, max_iter=30, random_state=1)
    with pytest.warns(ConvergenceWarning):
        return mlp.fit(*iris)


def softmax_net(**options):
    options = {"alpha": 0.3, "random_state": 0} | options
    return Net(7, activation="tanh", output_activation="softmax", **options)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("conditioning", ["full", "diagonal", None])
def test_fit_starts_from_weights_of_mlpclassifier(iris, mlp, solver, conditioning):
    X, y = iris
    clf = softmax_net(solver=solver, conditioning=conditioning, max_iter=1)
    weights = {"coefs_init": mlp.coefs_, "intercepts_init": mlp.intercepts_}
    with pytest.warns(ConvergenceWarning):
        clf.fit(X, y, **weights)
    expected = mlp.predict_proba(X)
    assert_allclose(clf.predict_proba(X), expected, rtol=1e-9)
    penalty = sum((W**2).sum() for W in mlp.coefs_) * 0.3 / 2 / len(X)
    assert clf.loss_ == pytest.approx(log_loss(y, expected) + penalty, rel=1e-12)
    clf.set_params(max_iter=500).fit(X, y, **weights)
    assert clf.loss_ < clf.loss_curve_[0]


def test_initial_weights_override_warm_start_and_stay_unchanged(iris, mlp):
    copies = [W.copy() for W in mlp.coefs_]
    clf = softmax_net(warm_start=True).fit(*iris)
    clf.fit(*iris, coefs_init=mlp.coefs_, intercepts_init=mlp.intercepts_)
    penalty = sum((W**2).sum() for W in mlp.coefs_) * 0.3 / 2 / len(iris[0])
    first = log_loss(iris[1], mlp.predict_proba(iris[0])) + penalty
    assert clf.loss_curve_[0] == pytest.approx(first, rel=1e-12)
    for before, after in zip(copies, mlp.coefs_, strict=True):
        assert_array_equal(before, after)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (
            {"coefs_init": [np.ones((4, 7)), np.ones((7, 3))]},
            "intercepts_init is missing",
        ),
        ({"intercepts_init": [np.ones(7), np.ones(3)]}, "coefs_init is missing"),
        ({"coefs_init": [np.ones((4, 7))] * 2}, r"coefs_init has shapes .*\(7, 3\)"),
        ({"coefs_init": 3}, "coefs_init must be a list of 2 arrays of finite numbers"),
        (
            {"coefs_init": ["a", "b"]},
            "coefs_init must be a list of 2 arrays of finite numbers",
        ),
        (
            {"coefs_init": [np.full((4, 7), np.nan), np.ones((7, 3))]},
            "must be a list of 2 arrays of finite numbers",
        ),
    ],
)
def test_invalid_initial_weights_raise(iris, weights, message):
    if "miss" not in message:
        weights = weights | {"intercepts_init": [np.ones(7), np.ones(3)]}
    clf = softmax_net()
    with pytest.raises(ValueError, match=message):
        clf.fit(*iris, **weights)
    assert not hasattr(clf, "classes_")


# --------------------------------------------------------------------- time limit


@pytest.mark.parametrize("solver", SOLVERS)
def test_max_time_ends_fit_after_a_pass(iris, solver):
    clf = ThreeLayerNNClassifier(4, solver=solver, max_time=1e-9, random_state=0)
    with pytest.warns(ConvergenceWarning, match="max_time=1e-09 seconds"):
        clf.fit(*iris)
    assert (clf.stop_reason_, clf.n_iter_) == ("max_time", 1)
    clf.set_params(max_time=1e6).fit(*iris)
    assert clf.stop_reason_ == "converged"


def test_max_time_includes_validation(iris):
    class Sleeper(ThreeLayerNNClassifier):
        def _validate(self, *args):
            time.sleep(0.05)
            return super()._validate(*args)

    clf = Sleeper(4, max_time=0.05)
    with pytest.warns(ConvergenceWarning, match=r"max_time=0.05 seconds"):
        clf.fit(*iris)
    assert clf.n_iter_ == 1


# ------------------------------------------------------------------ alpha='auto'


def expected_alpha(X, y, features, sample_weight=None, **params):
    """Return the alpha by the formula of the docstring, from a fit of 20 passes."""
    first = quick(
        solver="lbfgs", alpha=min(1, features / 10), max_iter=20, tol=0, **params
    )
    with pytest.warns(ConvergenceWarning):
        first.fit(X, y, sample_weight)
    P, shares = first.predict_proba(X), np.full((len(y), 2), 0.5)
    shares[:] = np.average(y == np.c_[[0, 1]], axis=1, weights=sample_weight)
    losses = [log_loss(y, p, sample_weight=sample_weight) for p in (P, shares)]
    n = len(y) if sample_weight is None else sample_weight.sum()
    largest = min(np.sqrt(features) / 2, features / 6)
    return largest * min(1, losses[0] / losses[1] + features / (2 * n))


@pytest.mark.parametrize("solver", SOLVERS)
def test_auto_alpha_is_the_formula_of_the_docstring(solver):
    X, y = load_breast_cancer(return_X_y=True)
    # With fewer than 10 features, the first 20 passes of a fit with the alpha of these
    # passes are slightly different, because alpha changes the conditioning.
    for data, features, rtol in [
        (scale(X), 30, 1e-6),
        (minmax_scale(X), 12 * minmax_scale(X).var(axis=0).sum(), 0.02),
        (scale(X)[:, :4], 4, 0.02),
    ]:
        clf = quick(solver=solver).fit(data, y)
        expected = expected_alpha(data, y, features)
        assert clf.alpha_ == pytest.approx(expected, rel=rtol)
        cost, _ = cost_gradient(
            weights_of(clf), data, y, hidden_layer_size=6, alpha=clf.alpha_
        )
        assert clf.loss_ == pytest.approx(cost, rel=1e-9)
    assert quick(alpha=3).fit(data, y).alpha_ == 3


@pytest.mark.parametrize("solver", SOLVERS)
def test_auto_alpha_grows_with_the_noise_and_shrinks_as_data_repeats(solver, rng):
    X = rng.standard_normal((500, 10))
    noise = rng.standard_normal(500)
    alphas = [
        quick(solver=solver, tol=1e-2).fit(X, X[:, 0] + level * noise > 0).alpha_
        for level in (0, 1, 3)
    ]
    assert alphas == sorted(alphas)
    assert alphas[0] < alphas[-1] / 3
    y = X[:, 0] + noise > 0
    twice = quick(solver=solver).fit(X, y, np.full(500, 2.0))
    repeated = quick(solver=solver).fit(np.tile(X, (2, 1)), np.tile(y, 2))
    assert twice.alpha_ == pytest.approx(repeated.alpha_, rel=1e-5)
    assert twice.alpha_ < quick(solver=solver).fit(X, y).alpha_


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("solver", SOLVERS)
def test_auto_alpha_is_chosen_after_20_passes(solver, early_stopping):
    X, y = load_breast_cancer(return_X_y=True)
    X = scale(X)
    clf = quick(solver=solver, early_stopping=early_stopping)
    short = clone(clf).set_params(max_iter=20, tol=0)
    with pytest.warns(ConvergenceWarning):
        assert short.fit(X, y).alpha_ == 1
    clf.fit(X, y)
    assert clf.alpha_ < 0.5
    assert clf.loss_curve_[:20] == short.loss_curve_
    if early_stopping:  # the weights are from a later point
        assert clf.best_validation_score_ in clf.validation_scores_[19:]
        assert clf.best_validation_score_ == max(clf.validation_scores_[20:])


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("solver", SOLVERS)
def test_auto_alpha_converges_where_first_passes_reached_minimum(
    solver, early_stopping
):
    clf = quick(solver=solver, early_stopping=early_stopping)
    with pytest.warns(ConvergenceWarning, match="constant outputs"):
        clf.fit(np.ones((20, 3)), np.arange(20) % 2)
    assert clf.stop_reason_ == "converged"


def test_auto_alpha_stays_with_warm_start(iris):
    X, y = iris
    clf = quick(warm_start=True).fit(X, y)
    alpha = clf.alpha_
    clf.fit(X[::2], y[::2])
    assert clf.alpha_ == alpha
    assert clf.set_params(alpha=2).fit(X, y).alpha_ == 2
    assert clf.set_params(alpha="auto").fit(X, y).alpha_ == 2
    given = clf.fit(X, y, None, clf.coefs_, clf.intercepts_)  # starts anew
    assert given.alpha_ != 2


def test_auto_alpha_that_is_0_keeps_previous_weights_of_empty_columns(iris):
    X, y = iris
    clf = quick(warm_start=True, alpha=0, tol=1e-2).fit(sp.csr_array(X), y)
    before = clf.theta1_[:, 3].copy()
    X = X.copy()
    X[:, 2] = 0
    for alpha in (0, "auto"):
        clf.set_params(alpha=alpha).fit(sp.csr_array(X), y)
        assert_allclose(clf.theta1_[:, 3], before, rtol=1e-12)


def test_auto_alpha_separates_rings_and_xor_that_alpha_1_does_not(rng):
    rings = make_circles(100, noise=0.1, factor=0.5, random_state=0)
    points = rng.standard_normal((300, 2))
    for X, y in (rings, (points, points.prod(axis=1) > 0)):
        assert Net(random_state=0).fit(X, y).score(X, y) > 0.95


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("solver", SOLVERS)
def test_auto_alpha_warns_with_finite_gradient_in_the_next_pass(solver, early_stopping):
    X, y = load_breast_cancer(return_X_y=True)
    clf = Net(solver=solver, max_iter=21, early_stopping=early_stopping, random_state=0)
    with pytest.warns(ConvergenceWarning, match=r"component, now \d\.\de-0\d, fell"):
        clf.fit(scale(X), y)
