"""Extreme features, weights and parameters give a sound fit or raise an error.

Warnings are errors in all tests, so NumPy and SciPy must not warn either.
"""

import warnings
from itertools import product

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning

from activations import HIDDEN
from sknn3 import ThreeLayerNNClassifier, ThreeLayerNNClassifierCV
from sknn3.network import ACTIVATIONS

SOLVERS = ["tnc", "lbfgs"]

rng = np.random.RandomState(7)
X = rng.standard_normal((12, 4))
TWO, THREE = np.arange(12) % 2, np.arange(12) % 3
MULTILABEL = (X[:, :3] > 0).astype(int)


def fitted(X, y, sample_weight=None, *, initial=(None, None), **options):
    """Fit without the warning that training has not converged."""
    defaults = {"hidden_layer_size": 3, "max_iter": 20, "random_state": 0}
    clf = ThreeLayerNNClassifier(**defaults | options)
    before = np.geterr()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        clf.fit(X, y, sample_weight, *initial)
    assert np.geterr() == before
    return clf


def assert_sound(clf, X):
    """Check what holds for every fit and its predictions."""
    assert np.isfinite(clf.theta1_).all()
    assert np.isfinite(clf.theta2_).all()
    assert np.isfinite(clf.loss_curve_).all()
    # The costs before and after the choice of an alpha have different penalties.
    assert (np.diff(clf.loss_curve_) > 0).sum() <= (clf.alpha == "auto")
    P, D = clf.predict_proba(X), clf.decision_function(X)
    assert np.isfinite(D).all()
    assert ((P > 0) & (P <= 1)).all()
    assert_allclose(clf.predict_log_proba(X), np.log(P))
    if not clf.multilabel_:
        assert_allclose(P.sum(axis=1), 1, rtol=1e-6)
        codes = D.argmax(axis=1) if D.ndim == 2 else (D > 0).astype(int)
        if len(clf.classes_) > 1:
            assert_array_equal(clf.predict(X), clf.classes_[codes])


def assert_same_fit(first, second):
    assert first.loss_curve_ == second.loss_curve_
    assert_array_equal(first.theta1_, second.theta1_)
    assert_array_equal(first.theta2_, second.theta2_)


def parameters():
    """Yield each solver with each activation, and the other options in turn."""
    conditionings = ["full", "diagonal", None, "auto"]
    for i, (solver, activation) in enumerate(product(SOLVERS, ACTIVATIONS)):
        yield {
            "solver": solver,
            "activation": activation,
            "output_activation": ["logistic", "softmax"][i // 2 % 2],
            "conditioning": conditionings[(i + i // 4) % 4],
        }


# ------------------------------------------------------------------------- features

FEATURES = {
    **{f"1e{e}": X * float(f"1e{e}") for e in (100, 30, 8, -8, -30, -100)},
    "largest of float32": np.sign(X) * np.finfo(np.float32).max,
    "columns of 1e-8 beside 1e8": X * [1e-8, 1e8, 1, 1],
    "columns of 1e-30 beside 1e30": X * [1e-30, 1e30, 1, 1],
    "rows from 1e-30 to 1e30": X * np.logspace(-30, 30, 12)[:, np.newaxis],
    "constant": np.full((12, 4), 1e8),
    "zeros": np.zeros((12, 4)),
    "column of zeros": X * [0, 1, 1, 1],
    "repeated columns": np.tile(X, 5),
    "collinear": np.column_stack([X, X @ rng.standard_normal((4, 6))]),
    "nearly collinear": np.column_stack([X, X + 1e-12 * X[::-1]]),
    "1e8 plus 1e-8": 1e8 + 1e-8 * X,
    "1e15 plus 1": 1e15 + X,
    "one column": X[:, :1],
    "more columns than rows": rng.standard_normal((12, 50)),
}


@pytest.mark.parametrize("kind", FEATURES)
@pytest.mark.parametrize("y", [TWO, THREE, MULTILABEL], ids=["two", "three", "labels"])
def test_features_of_any_scale_give_sound_fit(kind, y):
    X = FEATURES[kind]
    for i, options in enumerate(parameters()):
        if options["conditioning"] is None and X.max() > 1e90:
            continue  # the gradient overflows at initial weights of the usual size
        if y.ndim == 2:
            options["output_activation"] = "logistic"
        clf = fitted(X, y, alpha=float(i % 3 > 0), max_iter=6, **options)
        assert_sound(clf, X)
    if np.abs(X).max() < 1e10:
        narrow = X.astype(np.float32)
        assert_sound(fitted(narrow, y, max_iter=6), narrow)
    sparse = sp.csr_array(X)
    assert_sound(fitted(sparse, y, conditioning="full", max_iter=6), sparse)


@pytest.mark.parametrize("rows", [slice(None), slice(1)], ids=["all", "one row"])
def test_features_of_1e200_raise(rows):
    features = X.copy()
    features[rows] *= 1e200
    for estimator in (ThreeLayerNNClassifier(), ThreeLayerNNClassifierCV(cv=2)):
        with pytest.raises(ValueError, match="squares of the values in X"):
            estimator.fit(features, TWO)
        assert not hasattr(estimator, "classes_")


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("solver", SOLVERS)
def test_scale_of_features_by_power_of_two_gives_same_fit(solver, activation):
    options = {"solver": solver, "activation": activation, "alpha": 0.0, "tol": 0.0}
    for conditioning, power in product(["full", "diagonal"], [-100, 100]):
        plain = fitted(X, THREE, conditioning=conditioning, **options)
        scaled = fitted(X * 2.0**power, THREE, conditioning=conditioning, **options)
        scaled.theta1_[:, 1:] *= 2.0**power
        assert_same_fit(plain, scaled)


def test_equal_columns_share_one_weight():
    # x w1 + x w2 with a penalty on each costs as much as sqrt(2) x w with one.
    W1, W2 = rng.uniform(-1, 1, (4, 3)), rng.uniform(-1, 1, (3, 3))
    biases = [rng.uniform(-1, 1, 3), rng.uniform(-1, 1, 3)]
    # A rotation of the variables does not change the path of L-BFGS.
    options = {"solver": "lbfgs", "conditioning": None, "max_iter": 10, "tol": 0.0}
    options["alpha"] = 1.0
    single = fitted(np.sqrt(2) * X, THREE, initial=([W1, W2], biases), **options)
    halves = [np.tile(W1, (2, 1)) / np.sqrt(2), W2]
    double = fitted(np.tile(X, 2), THREE, initial=(halves, biases), **options)
    assert_allclose(double.loss_curve_, single.loss_curve_, rtol=1e-6)
    W = double.coefs_[0]
    assert_allclose(W[:4], W[4:], rtol=1e-6, atol=1e-6)
    assert_allclose(np.sqrt(2) * W[:4], single.coefs_[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("constant", [3.3, 1e8])
def test_constant_column_changes_nothing(constant, solver):
    # Its weight starts at 0 and stays there, since the bias has no penalty.
    rng = np.random.RandomState(0)
    W1, b1 = rng.standard_normal((4, 3)), rng.standard_normal(3)
    W2, b2 = rng.standard_normal((3, 1)), np.zeros(1)
    options = {"solver": solver, "tol": 0.0}
    plain = fitted(X, TWO, initial=([W1, W2], [b1, b2]), **options)
    wide = np.column_stack([X, np.full(12, constant)])
    initial = ([np.vstack([W1, np.zeros(3)]), W2], [b1, b2])
    clf = fitted(wide, TWO, initial=initial, **options)
    assert_sound(clf, wide)
    # Its gradient is 0 up to the rounding of sums of 12 rows, in 20 passes.
    atol = 20 * 12 * constant * np.finfo(float).eps
    assert_allclose(clf.loss_curve_, plain.loss_curve_, rtol=1e-12, atol=atol)


OTHER_TYPES = {
    "bool": X > 0,
    "int8": np.where(X > 0, 127, -128).astype(np.int8),
    "uint64": np.where(X > 0, np.uint64(2**64 - 1), np.uint64(0)),
    "objects": np.where(X > 0, 1, -2).astype(object),
    "float16": X.astype(np.float16),
    "longdouble": X.astype(np.longdouble),
}


@pytest.mark.parametrize("given", OTHER_TYPES.values(), ids=OTHER_TYPES)
def test_numbers_of_other_types_give_same_fit_as_floats(given):
    floats = given.astype(np.float64)
    clf = fitted(given, TWO)
    assert_same_fit(clf, fitted(floats, TWO))
    assert_array_equal(clf.predict_proba(given), clf.predict_proba(floats))


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_extreme_samples_are_predicted_or_raise(activation, dtype):
    clf = fitted(X.astype(dtype), THREE, activation=activation)
    far = float(np.finfo(dtype).max)
    assert_sound(clf, np.full((2, 4), 1e30, dtype))
    if HIDDEN[activation].bounded:
        assert_sound(clf, np.array([[far] * 4, [-far] * 4], dtype))
    else:
        clf.theta1_[:, 1:] = clf.theta2_[:, 1:] = 10
        with pytest.raises(ValueError, match="values in X are too large"):
            clf.predict(np.full((1, 4), far, dtype))


# --------------------------------------------------------------- few or separable rows


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("solver", SOLVERS)
def test_fit_of_separable_classes_without_penalty_ends(solver, activation):
    # There is no minimum: the weights grow without bound.
    rows = np.array([[-3.0, 1], [-2, 0], [-1, 2], [1, 1], [2, -1], [3, 0]])
    for output_activation, labels in (
        ("logistic", [0, 0, 0, 1, 1, 1]),
        ("softmax", [0, 0, 1, 1, 2, 2]),
    ):
        clf = fitted(
            rows,
            labels,
            hidden_layer_size=6,
            solver=solver,
            activation=activation,
            output_activation=output_activation,
            alpha=0.0,
            tol=0.0,
            max_iter=5000,
        )
        assert_sound(clf, rows)
        assert clf.score(rows, labels) == 1
        assert clf.loss_ < 1e-9
        assert clf.stop_reason_ in ("stalled", "max_iter", "converged")


TINY = {
    "one row": (X[:1], [3]),
    "one number": (X[:1, :1], ["a"]),
    "one class": (X, np.zeros(12)),
    "a class for each row": (X, np.arange(12)),
    "equal rows": (np.zeros((12, 1)), np.arange(12)),
    "two rows": (X[:2], [0, 1]),
    "constant labels": (X, np.column_stack([0 * TWO + 1, 0 * TWO, TWO])),
}


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(("rows", "labels"), TINY.values(), ids=TINY)
def test_tiny_data_gives_sound_fit(solver, rows, labels):
    for activation, alpha in product(ACTIVATIONS, [0.0, 1.0]):
        clf = fitted(rows, labels, solver=solver, activation=activation, alpha=alpha)
        assert_sound(clf, rows)
        expected = np.unique(labels) if np.ndim(labels) == 1 else np.arange(3)
        assert_array_equal(clf.classes_, expected)


# ----------------------------------------------------------------------------- weights


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_samples_of_negligible_weight_do_not_count(dtype):
    features, heavy = X.astype(dtype), np.arange(12) < 9
    for solver in SOLVERS:
        options = {"solver": solver, "alpha": 0.0, "max_iter": 4}
        clf = fitted(features, THREE, np.where(heavy, 1e30, 1e-30), **options)
        alone = fitted(features[heavy], THREE[heavy], **options)
        assert_allclose(clf.loss_curve_, alone.loss_curve_, rtol=1e-4)


WEIGHTS = {
    "1e-30 to 1e30": np.logspace(-30, 30, 12),
    "one large": np.where(np.arange(12) == 0, 1e30, 1.0),
    "one small": np.where(np.arange(12) == 0, 1e-30, 1.0),
    "one positive": np.where(np.arange(12) == 3, 1.0, 0.0),
    "two positive": np.where(np.arange(12) < 2, 1e30, 0.0),
}


@pytest.mark.parametrize("weight", WEIGHTS.values(), ids=WEIGHTS)
def test_sample_weights_of_any_ratio_give_sound_fit(weight):
    n_present = np.count_nonzero(weight)
    for options, early_stopping in product(parameters(), [False, True]):
        if early_stopping and n_present < 3:
            continue  # no class has two samples
        for dtype in (np.float64, np.float32):
            rows = X.astype(dtype)
            clf = fitted(
                rows, TWO, weight, alpha=0.0, early_stopping=early_stopping, **options
            )
            assert_sound(clf, rows)
            assert 0 <= clf.score(rows, TWO, weight) <= 1


def test_sample_weights_whose_sum_overflows_raise():
    for estimator in (ThreeLayerNNClassifier(), ThreeLayerNNClassifierCV(cv=2)):
        with pytest.raises(ValueError, match="sum of sample_weight times"):
            estimator.fit(X, TWO, sample_weight=np.full(12, 1e308))
        assert not hasattr(estimator, "classes_")


@pytest.mark.parametrize("class_weight", [{0: 1e30, 1: 1e-30}, {0: 0, 1: 1}])
def test_class_weights_of_any_ratio_give_sound_fit(class_weight):
    for options in parameters():
        options |= {"class_weight": class_weight, "alpha": 0.0}
        assert_sound(fitted(X, TWO, **options), X)
        narrow = X.astype(np.float32)
        assert_sound(fitted(narrow, TWO, early_stopping=True, **options), narrow)


@pytest.mark.parametrize(
    "weights", [(0, 0), (-1, 1), (np.nan, 1), (np.inf, 1), (1e308, 1e308)]
)
def test_invalid_class_weights_raise(weights):
    clf = ThreeLayerNNClassifier(class_weight=dict(enumerate(weights)))
    with pytest.raises(ValueError, match="class_weight"):
        clf.fit(X, TWO)
    assert not hasattr(clf, "classes_")


# ------------------------------------------------------ parameters and initial weights


@pytest.mark.parametrize("alpha", [1e-30, 1e12, 1e100])
def test_penalties_of_any_strength_give_sound_fit(alpha):
    for options in parameters():
        if options["conditioning"] is None and alpha > 1e30:
            continue  # the cost overflows at initial weights of the usual size
        clf = fitted(X, THREE, alpha=alpha, **options)
        assert_sound(clf, X)
        if alpha < 1:
            assert_same_fit(clf, fitted(X, THREE, alpha=0.0, **options))


@pytest.mark.parametrize("init_epsilon", [1e-30, 1e6])
def test_tiny_and_huge_init_epsilon_give_sound_fit(init_epsilon):
    for options in parameters():
        clf = fitted(X, THREE, init_epsilon=init_epsilon, **options)
        assert_sound(clf, X)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("conditioning", ["full", "diagonal", None])
@pytest.mark.parametrize(("value", "dtype"), [(1e200, float), (1e100, np.float32)])
def test_initial_weights_that_overflow_raise(value, dtype, activation, conditioning):
    initial = [np.full((4, 3), value), np.full((3, 1), value)], [np.zeros(3), [0.0]]
    clf = ThreeLayerNNClassifier(3, activation=activation, conditioning=conditioning)
    rows = (1e150 * X if dtype is float else X).astype(dtype)
    with pytest.raises(ValueError, match="not finite at the initial weights"):
        clf.fit(rows, TWO, None, *initial)
    assert not hasattr(clf, "classes_")


def test_parameters_of_numpy_types_give_same_fit():
    features = np.tile(X, 50)  # more of them than np.int8 holds
    params = {"alpha": 0.5, "tol": 2.0**-12, "validation_fraction": 0.25}
    numbers = {"hidden_layer_size": 25, "max_iter": 9, "n_iter_no_change": 5}
    plain = fitted(features, THREE, early_stopping=True, **params, **numbers)
    for real, integer in product((np.float16, np.float32), (np.int8, np.uint64)):
        options = {name: real(value) for name, value in params.items()}
        options |= {name: integer(value) for name, value in numbers.items()}
        clf = fitted(features, THREE, early_stopping=True, **options)
        assert_same_fit(clf, plain)
