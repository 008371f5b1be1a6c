"""Numbers at the edges of their range: an answer that is right, or an error that names.

Warnings are errors here as everywhere, so that none comes from inside NumPy or SciPy.
"""

import warnings
from decimal import Decimal
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning

from sknn3 import ThreeLayerNNClassifier, ThreeLayerNNClassifierCV
from sknn3._samples import Samples
from sknn3.network import (
    ACTIVATIONS,
    cost_gradient,
    forward,
    pack,
    random_weights,
    sigmoid,
    sigmoid_gradient,
    unpack,
)

SOLVERS = ["tnc", "lbfgs"]
MAX = float(np.finfo(np.float64).max)
TINIEST = 5e-324
HUGE_INT = 10**400  # no float holds it
WIDE = np.finfo(np.longdouble).max > MAX  # not so on every platform

rng = np.random.RandomState(7)
X = rng.standard_normal((12, 4))
TWO, THREE = np.arange(12) % 2, np.arange(12) % 3
SEVERAL = (X[:, :3] > 0).astype(int)


def fitted(X, y, sample_weight=None, *, initial=(None, None), **options):
    """Fit, whether or not it converges, and see that nothing else was touched."""
    defaults = {"hidden_layer_size": 3, "max_iter": 20, "random_state": 0}
    clf = ThreeLayerNNClassifier(**defaults | options)
    before = np.geterr()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        clf.fit(X, y, sample_weight, *initial)
    assert np.geterr() == before
    return clf


def assert_sound(clf, X):
    """What any fit and its predictions have to be."""
    assert np.isfinite(clf.theta1_).all()
    assert np.isfinite(clf.theta2_).all()
    assert np.isfinite(clf.loss_curve_).all()
    assert (np.diff(clf.loss_curve_) <= 0).all()
    P, D = clf.predict_proba(X), clf.decision_function(X)
    assert np.isfinite(D).all()
    assert ((P > 0) & (P <= 1)).all()
    assert_allclose(clf.predict_log_proba(X), np.log(P))
    if not clf.multilabel_:
        assert_allclose(P.sum(axis=1), 1, rtol=1e-6)
        codes = D.argmax(axis=1) if D.ndim == 2 else (D > 0).astype(int)
        if len(clf.classes_) > 1:
            assert_array_equal(clf.predict(X), clf.classes_[codes])


def assert_same_path(first, second):
    assert first.loss_curve_ == second.loss_curve_
    assert_array_equal(first.theta1_, second.theta1_)
    assert_array_equal(first.theta2_, second.theta2_)


def ways():
    """Solvers, activations and outputs, each with another dtype and container."""
    conditionings = ["full", "diagonal", None, "auto"]
    for i, (solver, activation) in enumerate(product(SOLVERS, ACTIVATIONS)):
        yield {
            "solver": solver,
            "activation": activation,
            "output_activation": ["logistic", "softmax"][i // 2 % 2],
            "conditioning": conditionings[(i + i // 4) % 4],
        }


# ------------------------------------------------------------------------- features

SCALES = np.logspace(-300, 300, 12)[:, np.newaxis]
ANSWERED = {
    **{f"1e{e}": X * float(f"1e{e}") for e in (100, 30, 8, -8, -30, -100, -150)},
    "squares below the normal range": X * 1e-160,
    "squares of nothing": X * 1e-300,
    "subnormal": X * 1e-310,
    "the least there is": np.sign(X) * TINIEST,
    "columns of 1e-300 beside 1e100": X * [1e-300, 1e100, 1, 1],
    "columns of 1e-8 beside 1e8": X * [1e-8, 1e8, 1, 1],
    "rows from 1e-30 to 1e30": X * SCALES**0.1,
    "a constant": np.full((12, 4), 1e8),
    "zeros": np.zeros((12, 4)),
    "a column of zeros": X * [0, 1, 1, 1],
    "columns five times": np.tile(X, 5),
    "collinear": np.column_stack([X, X @ rng.standard_normal((4, 6))]),
    "nearly collinear": np.column_stack([X, X + 1e-12 * X[::-1]]),
    "powers": np.vander(np.linspace(0.9, 1, 12), 12),
    "1e8 and next to nothing": 1e8 + 1e-8 * X,
    "1e15 and 1": 1e15 + X,
    "1e16 and 10": 1e16 + 10 * X,
    "1e100, all but equal": 1e100 * (1 + 1e-10 * X),
    "one column": X[:, :1],
    "more columns than rows": rng.standard_normal((12, 50)),
}


@pytest.mark.parametrize("kind", ANSWERED)
@pytest.mark.parametrize("y", [TWO, THREE, SEVERAL], ids=["two", "three", "several"])
def test_features_of_any_scale_are_answered(kind, y):
    for i, options in enumerate(ways()):
        X = ANSWERED[kind]
        if options["conditioning"] is None and X.max() > 1e90:
            continue  # weights of the usual size then overflow in the cost's slope
        if y.ndim == 2:
            options["output_activation"] = "logistic"
        clf = fitted(X, y, alpha=float(i % 3 > 0), max_iter=6, **options)
        assert_sound(clf, X)
    with np.errstate(over="ignore"):
        narrow = X.astype(np.float32)
    if np.isfinite(narrow).all() and np.abs(narrow).max() < 1e10:
        assert_sound(fitted(narrow, y, max_iter=6), narrow)
    sparse = sp.csr_array(X)
    assert_sound(fitted(sparse, y, conditioning="full", max_iter=6), sparse)


REFUSED = {
    "1e300": (X * 1e300, "squares of the values in X overflow"),
    "rows from 1e-300 to 1e300": (X * SCALES, "squares of the values in X overflow"),
    "one row of 1e300": (
        np.vstack([X[1:], np.full((1, 4), 1e300)]),
        "squares of the values in X overflow",
    ),
    "complex": (X + 0j, "X( or y)?: Complex data not supported"),
    "ints that overflow": (
        np.full((12, 4), HUGE_INT, object),
        "^X( or y)? has numbers too",
    ),
    "float32 that overflows": (
        np.sign(X) * np.finfo(np.float32).max,
        None,  # as float64
    ),
}
if WIDE:
    REFUSED["wider floats"] = (
        X.astype(np.longdouble) * np.longdouble("1e4000"),
        "Input X contains infinity",
    )


@pytest.mark.parametrize("kind", REFUSED)
def test_features_that_overflow_are_refused(kind):
    features, message = REFUSED[kind]
    if message is None:
        assert_sound(fitted(features, TWO), features)
        return
    clf = ThreeLayerNNClassifier()
    with pytest.raises(ValueError, match=message):
        clf.fit(features, TWO)
    assert not hasattr(clf, "classes_")
    if message.startswith(("^X", "Input", "X(")):
        with pytest.raises(ValueError, match=message):
            fitted(X, TWO).predict_proba(features)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("solver", SOLVERS)
def test_the_unit_of_features_leaves_no_trace(solver, activation):
    # Powers of 2 round nothing.
    options = {"solver": solver, "activation": activation, "alpha": 0.0, "tol": 0.0}
    for conditioning, power in product(["full", "diagonal"], [-500, -30, 30, 500]):
        plain = fitted(X, THREE, conditioning=conditioning, **options)
        other = fitted(X * 2.0**power, THREE, conditioning=conditioning, **options)
        other.theta1_[:, 1:] *= 2.0**power
        assert_same_path(plain, other)


def test_equal_columns_share_one_weight():
    # x w1 + x w2 with a penalty on each costs as sqrt(2) x w with one.
    W1, W2 = rng.uniform(-1, 1, (4, 3)), rng.uniform(-1, 1, (3, 3))
    biases = [rng.uniform(-1, 1, 3), rng.uniform(-1, 1, 3)]
    # L-BFGS does not notice a rotation, TNC's differences do.
    options = {"solver": "lbfgs", "conditioning": None, "max_iter": 10, "tol": 0.0}
    single = fitted(np.sqrt(2) * X, THREE, initial=([W1, W2], biases), **options)
    halves = [np.tile(W1, (2, 1)) / np.sqrt(2), W2]
    double = fitted(np.tile(X, 2), THREE, initial=(halves, biases), **options)
    assert_allclose(double.loss_curve_, single.loss_curve_, rtol=1e-6)
    W = double.coefs_[0]
    assert_allclose(W[:4], W[4:], rtol=1e-6, atol=1e-6)
    assert_allclose(np.sqrt(2) * W[:4], single.coefs_[0], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("constant", [3.3, 1e8])
def test_a_constant_column_is_a_bias(constant, solver):
    # Its weight starts at 0 and gains nothing: the bias does it without a penalty.
    rng = np.random.RandomState(0)
    W1, b1 = rng.standard_normal((4, 3)), rng.standard_normal(3)
    W2, b2 = rng.standard_normal((3, 1)), np.zeros(1)
    options = {"solver": solver, "tol": 0.0}
    plain = fitted(X, TWO, initial=([W1, W2], [b1, b2]), **options)
    wide = np.column_stack([X, np.full(12, constant)])
    initial = ([np.vstack([W1, np.zeros(3)]), W2], [b1, b2])
    clf = fitted(wide, TWO, initial=initial, **options)
    assert_sound(clf, wide)
    # Slopes by that weight are 0 up to the rounding of sums of 12 rows, in 20 passes.
    atol = 20 * 12 * constant * np.finfo(float).eps
    assert_allclose(clf.loss_curve_, plain.loss_curve_, rtol=1e-12, atol=atol)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_constant_column_whose_sums_are_all_rounding_does_no_harm(solver):
    wide = np.column_stack([X, np.full(12, 1e15)])
    clf = fitted(wide, TWO, solver=solver, tol=0.0)
    assert_sound(clf, wide)
    assert clf.loss_ < clf.loss_curve_[0] - 0.01


INTEGERS = {
    "bool": X > 0,
    "int8": np.where(X > 0, 127, -128).astype(np.int8),
    "uint64": np.where(X > 0, np.uint64(2**64 - 1), np.uint64(0)),
    "int64": np.where(X > 0, 2**63 - 1, -(2**63)),
    "beyond int64": 2**70 * np.where(X > 0, 1, -1).astype(object),
    "fractions": np.vectorize(lambda x: Fraction(int(8 * x), 7), otypes=[object])(X),
    "strings of numbers": X.round(3).astype(str),
    "float16": (np.sign(X) * 65504).astype(np.float16),
    "longdouble": X.astype(np.longdouble),
}


@pytest.mark.parametrize("kind", INTEGERS)
def test_other_numbers_count_as_the_floats_they_are(kind):
    given = INTEGERS[kind]
    floats = given.astype(np.float64)
    clf = fitted(given, TWO)
    assert_same_path(clf, fitted(floats, TWO))
    assert_array_equal(clf.predict_proba(given), clf.predict_proba(floats))


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_samples_far_outside_are_predicted_or_refused(activation, dtype):
    clf = fitted(X.astype(dtype), THREE, activation=activation)
    far = float(np.finfo(dtype).max)
    bounded = activation in ("logistic", "tanh")
    for value in (far, -far, far / 2, 1e30, float(np.finfo(dtype).smallest_subnormal)):
        rows = np.full((2, 4), value, dtype)
        if not bounded and abs(value) >= far / 2:
            continue
        assert_sound(clf, rows)
    if not bounded:
        clf.theta2_[:, 1:] = 10
        clf.theta1_[:, 1:] = 10
        with pytest.raises(ValueError, match="values in X are too large"):
            clf.predict(np.full((1, 4), far, dtype))
    for value in (np.nan, np.inf, -np.inf):
        with pytest.raises(ValueError, match="Input X contains"):
            clf.decision_function(np.full((1, 4), value, dtype))


# ----------------------------------------------------------------------- long training


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("solver", SOLVERS)
def test_separable_classes_without_a_penalty_have_no_minimum_but_an_end(
    solver, activation
):
    # The weights grow for ever; with relu, units die on the way.
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


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    ("rows", "labels"),
    [
        (X[:1], [3]),
        (X[:1, :1], ["a"]),
        (X, np.zeros(12)),
        (X, np.arange(12)),
        (np.zeros((12, 1)), np.arange(12)),
        (X[:2], [0, 1]),
        (X, np.column_stack([np.ones(12, int), np.zeros(12, int), X[:, 0] > 0])),
    ],
    ids=["a row", "a number", "a class", "own classes", "nothing", "two rows", "sure"],
)
def test_hardly_any_data_is_answered(solver, rows, labels):
    for activation, alpha in product(ACTIVATIONS, [0.0, 1.0]):
        clf = fitted(rows, labels, solver=solver, activation=activation, alpha=alpha)
        assert_sound(clf, rows)
        assert_array_equal(
            clf.classes_, np.unique(labels) if np.ndim(labels) == 1 else np.arange(3)
        )


# ----------------------------------------------------------------------------- weights


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("value", [TINIEST, 2.0**-1050, 2.0**-200, 2.0**200, 2.0**1015])
def test_equal_weights_are_none(value, dtype):
    features = X.astype(dtype)
    for solver, early_stopping in product(SOLVERS, [False, True]):
        options = {"solver": solver, "alpha": 0.0, "early_stopping": early_stopping}
        plain = fitted(features, THREE, **options)
        weighted = fitted(features, THREE, np.full(12, value), **options)
        assert_same_path(plain, weighted)


@pytest.mark.parametrize("power", [-1000, -500, 500, 1000])
def test_the_unit_of_weights_and_alpha_leaves_no_trace(power):
    weight, unit = rng.randint(1, 5, 12), 2.0**power
    for solver, early_stopping in product(SOLVERS, [False, True]):
        options = {"solver": solver, "early_stopping": early_stopping}
        assert_same_path(
            fitted(X, THREE, weight, alpha=0.5, **options),
            fitted(X, THREE, weight * unit, alpha=0.5 * unit, **options),
        )


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_weights_beside_which_others_are_nothing_leave_the_others_out(dtype):
    features, heavy = X.astype(dtype), np.arange(12) < 9
    for solver in SOLVERS:
        options = {"solver": solver, "alpha": 0.0, "max_iter": 4}
        clf = fitted(features, THREE, np.where(heavy, 1e300, 1e-300), **options)
        alone = fitted(features[heavy], THREE[heavy], **options)
        assert_allclose(clf.loss_curve_, alone.loss_curve_, rtol=1e-4)


WEIGHTS = {
    "1e-300 to 1e300": np.logspace(-300, 300, 12),
    "1e-30 to 1e30": np.logspace(-30, 30, 12),
    "1e300 among ones": np.where(np.arange(12) == 0, 1e300, 1.0),
    "the least among ones": np.where(np.arange(12) == 0, TINIEST, 1.0),
    "one that is positive": np.where(np.arange(12) == 3, 1.0, 0.0),
    "one that is next to nothing": np.where(np.arange(12) == 3, 1e-320, 0.0),
    "two": np.where(np.arange(12) < 2, 1e200, 0.0),
}


@pytest.mark.parametrize("kind", WEIGHTS)
def test_weights_of_any_ratio_are_answered(kind):
    weight = WEIGHTS[kind]
    n_present = np.count_nonzero(weight)
    for options, early_stopping in product(ways(), [False, True]):
        if early_stopping and n_present < 3:
            continue  # no class has two
        for dtype in (np.float64, np.float32):
            rows = X.astype(dtype)
            clf = fitted(
                rows, TWO, weight, alpha=0.0, early_stopping=early_stopping, **options
            )
            assert_sound(clf, rows)
            assert 0 <= clf.score(rows, TWO, weight) <= 1


def test_what_is_left_without_heavy_samples_is_told_in_a_unit_of_its_own():
    weight = np.where(np.arange(40) % 10 == 0, 2.0**900, 3.0)
    samples = Samples.present(np.zeros((40, 1)), np.arange(40) % 2, weight, None)
    found = set()
    for seed in range(20):
        for part in samples.split(0.1, np.random.RandomState(seed)):
            assert 1 <= part.weight.mean() < 2
            found.add(part.unit)
    assert found >= {2.0}  # parts without any of the heavy samples


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.full(12, 1e308), "sum of sample_weight times class_weight overflows"),
        (np.full(12, MAX), "sum of sample_weight times class_weight overflows"),
        (np.zeros(12), "Sample weights must contain at least one non-zero"),
        (np.full(12, -1e-300), "Negative values in data passed to `?sample_weight"),
        (np.full(12, np.nan), "sample_weight contains NaN"),
        (np.full(12, np.inf), "sample_weight contains infinity"),
        ([HUGE_INT] * 12, "^sample_weight has numbers too large"),
        *(
            [(np.full(12, np.longdouble("1e4000")), "sample_weight contains infinity")]
            if WIDE
            else []
        ),
    ],
)
def test_weights_that_are_none_are_refused(weight, message):
    for estimator in (ThreeLayerNNClassifier(), ThreeLayerNNClassifierCV(cv=2)):
        with pytest.raises(ValueError, match=message):
            estimator.fit(X, TWO, sample_weight=weight)
        assert not hasattr(estimator, "classes_")


@pytest.mark.parametrize(
    ("class_weight", "refused"),
    [
        ({0: 1e300, 1: 1e-300}, False),
        ({0: 1e-300, 1: 1.0}, False),
        ({0: 1e-320, 1: 1e-320}, False),
        ({0: 0, 1: 1}, False),
        ({0: 0, 1: 0}, True),
        ({0: -1, 1: 1}, True),
        ({0: np.nan, 1: 1}, True),
        ({0: np.inf, 1: 1}, True),
        ({0: 1e308, 1: 1e308}, True),
    ],
)
def test_weights_of_classes_are_answered_or_refused(class_weight, refused):
    for options in ways():
        options |= {"class_weight": class_weight, "alpha": 0.0}
        if refused:
            clf = ThreeLayerNNClassifier(**options)
            with pytest.raises(ValueError, match="class_weight"):
                clf.fit(X, TWO)
            assert not hasattr(clf, "classes_")
        else:
            assert_sound(fitted(X, TWO, **options), X)
            narrow = X.astype(np.float32)
            assert_sound(fitted(narrow, TWO, early_stopping=True, **options), narrow)


# ------------------------------------------------------------- parameters and the start


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("alpha", [TINIEST, 1e-300, 1e12, 1e100, 1e300])
def test_penalties_of_any_strength_are_answered(solver, alpha):
    for activation, conditioning in product(ACTIVATIONS, ["full", "diagonal"]):
        clf = fitted(
            X,
            THREE,
            solver=solver,
            activation=activation,
            conditioning=conditioning,
            alpha=alpha,
        )
        assert_sound(clf, X)
        if alpha < 1:  # next to none
            none = fitted(
                X,
                THREE,
                solver=solver,
                activation=activation,
                conditioning=conditioning,
                alpha=0.0,
            )
            assert_same_path(clf, none)


@pytest.mark.parametrize("solver", SOLVERS)
def test_tolerances_below_what_rounding_leaves_are_none(solver):
    none = fitted(X, THREE, solver=solver, tol=0.0)
    assert_same_path(fitted(X, THREE, solver=solver, tol=TINIEST), none)
    for tol in (1e-308, 1e-300):
        clf = fitted(X, THREE, solver=solver, tol=tol)
        assert_allclose(clf.loss_curve_[:5], none.loss_curve_[:5], rtol=1e-6)
    for tol in (1e300, MAX):
        assert fitted(X, THREE, solver=solver, tol=tol).n_iter_ == 1


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("activation", ["logistic", "tanh", "relu", "identity"])
def test_saturated_units_are_answered(solver, activation):
    for init_epsilon in (TINIEST, 1e-300, 1e6):
        options = {"activation": activation, "init_epsilon": init_epsilon}
        clf = fitted(X, THREE, solver=solver, **options)
        assert_sound(clf, X)
        assert clf.loss_ <= clf.loss_curve_[0]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (1e200, "not finite at the initial weights: .*coefs_init"),
        (MAX, "not finite at the initial weights: .*coefs_init"),
        (np.nan, "coefs_init must be finite"),
        (np.inf, "coefs_init must be finite"),
        ("a", "coefs_init must be a list of 2 arrays of numbers"),
        (1j, "coefs_init must be a list of 2 arrays of numbers"),
        *([(np.longdouble("1e4000"), "coefs_init must be finite")] if WIDE else []),
    ],
)
@pytest.mark.parametrize("conditioning", ["full", "diagonal", None])
def test_starts_that_overflow_are_refused(value, message, conditioning):
    initial = [np.full((4, 3), value), np.full((3, 1), value)], [np.zeros(3), [0.0]]
    for dtype, activation in product([np.float64, np.float32], ACTIVATIONS):
        clf = ThreeLayerNNClassifier(
            3, activation=activation, conditioning=conditioning
        )
        with pytest.raises(ValueError, match=message):
            clf.fit(
                1e150 * X if dtype is np.float64 else X.astype(dtype),
                TWO,
                None,
                *initial,
            )
        assert not hasattr(clf, "classes_")


def test_weights_that_their_dtype_cannot_hold_are_no_answer():
    # Saturated units forgive an infinite weight; a model with one forgives nothing.
    initial = [np.full((4, 3), 1e100), np.zeros((3, 1))], [np.zeros(3), np.zeros(1)]
    narrow = X.astype(np.float32)
    for activation in ("logistic", "tanh"):
        options = {"alpha": 0.0, "activation": activation, "conditioning": None}
        with pytest.raises(ValueError, match="not finite at the initial weights"):
            fitted(narrow, TWO, initial=initial, **options)
        clf = fitted(X, TWO, initial=initial, **options)
        assert_sound(clf, X)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_warm_start_from_weights_that_overflow_is_refused(dtype):
    rows = X.astype(dtype)
    clf = fitted(rows, THREE, warm_start=True)
    clf.theta1_[:], clf.theta2_[:] = np.finfo(dtype).max, -np.finfo(dtype).max
    before = {k: np.copy(v) for k, v in vars(clf).items() if k.endswith("_")}
    with pytest.raises(ValueError, match="not finite at the initial weights"):
        clf.fit(rows, THREE)
    for name, value in before.items():
        assert_array_equal(getattr(clf, name), value)


BELOW, ABOVE, NO_NUMBER = [-1, -TINIEST], [np.inf, HUGE_INT], [np.nan, "1", 1j, None]
PARAMETERS = {
    "alpha": [*BELOW, *ABOVE, *NO_NUMBER, Decimal(1)],
    "tol": [*BELOW, *ABOVE, *NO_NUMBER, Fraction(HUGE_INT)],
    "max_time": [0, *BELOW, *ABOVE, *NO_NUMBER[:-1]],
    "init_epsilon": [0, *BELOW, *ABOVE, MAX, Fraction(1, HUGE_INT), *NO_NUMBER[:-1]],
    "validation_fraction": [0, 1, *BELOW, *ABOVE, *NO_NUMBER],
    "hidden_layer_size": [0, 2.0, 2**31, HUGE_INT, np.uint64(2**64 - 1), *NO_NUMBER],
    "max_iter": [0, 2.0, *NO_NUMBER],
    "n_iter_no_change": [0, 2.0, *NO_NUMBER],
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_that_no_float_holds_are_refused_by_name(name):
    for value in PARAMETERS[name]:
        clf = ThreeLayerNNClassifier(**{name: value}, early_stopping=True)
        with pytest.raises(ValueError, match=f"'{name}' parameter"):
            clf.fit(X, TWO)
        assert not hasattr(clf, "classes_")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("alpha", [0.5, np.float16(0.5), np.float32(0.5), Fraction(1, 2)]),
        ("alpha", [3.0, 3, np.int8(3), np.longdouble(3)]),
        ("tol", [2.0**-12, np.float16(2.0**-12), Fraction(1, 2**12)]),
        ("init_epsilon", [0.5, np.float16(0.5), np.float32(0.5), Fraction(1, 2)]),
        ("init_epsilon", [200.0, 200, np.uint8(200)]),
        ("validation_fraction", [0.5, np.float16(0.5), Fraction(1, 2)]),
        ("hidden_layer_size", [25, np.int8(25), np.uint64(25)]),
        ("max_iter", [9, np.int8(9), np.uint64(9)]),
        ("max_iter", [10**18, HUGE_INT]),
        ("max_time", [1e300, Fraction(10**300), MAX]),
    ],
)
def test_numbers_of_any_type_count_alike(name, values):
    features = np.tile(X, 50)  # whose number no int8 holds
    first, *others = (
        fitted(features, THREE, early_stopping=True, **{name: value})
        for value in values
    )
    for other in others:
        assert_same_path(first, other)


def test_an_interval_that_is_too_wide_is_refused():
    for epsilon in (MAX, 1e308, HUGE_INT, np.inf, np.nan, "1", None, 1j):
        with pytest.raises(ValueError, match="epsilon="):
            random_weights(2, 2, epsilon)
    for size in (0, 2.5, np.nan, "2", None):
        with pytest.raises(ValueError, match="n_in=2, n_out="):
            random_weights(2, size)
        with pytest.raises(ValueError, match="n_out=2"):
            random_weights(size, 2)
    for epsilon in (MAX / 2, 1e-300, np.float16(0.1), np.uint64(2**64 - 1)):
        drawn = random_weights(np.int8(100), np.uint8(200), epsilon, random_state=0)
        assert drawn.shape == (200, 101)
        assert (np.abs(drawn) <= float(epsilon)).all()
        assert len(np.unique(drawn)) > 1


# ----------------------------------------------------------------------------- labels


@pytest.mark.parametrize(
    "labels",
    [[0, 2**63 - 1], [-(2**63), 2**63 - 1], [2.0**53, 2.0**53 + 2], [-5, 2**40]],
)
def test_whole_numbers_of_any_size_are_classes(labels):
    y = np.array(labels)[TWO]
    clf = fitted(X, y, max_iter=100, alpha=0.01)
    assert_array_equal(clf.classes_, np.unique(labels))
    assert clf.score(X, y) > 0.5


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0.0, 1e300], "y|label type"),
        ([0.0, np.nan], "y contains NaN"),
        ([0.0, np.inf], "y contains infinity"),
        ([0.0, 1e-300], "label type"),
        ([0.0, 0.5], "label type"),
    ],
)
def test_numbers_that_are_no_classes_are_refused(labels, message):
    y = np.array(labels)[TWO]
    for estimator in (ThreeLayerNNClassifier(), ThreeLayerNNClassifierCV(cv=2)):
        with pytest.raises(ValueError, match=message):
            estimator.fit(X, y)
        assert not hasattr(estimator, "classes_")


# ---------------------------------------------------------------------- the search


def test_a_search_refuses_what_it_cannot_try():
    for options, message in [
        ({"alphas": [1.0, HUGE_INT]}, "alphas="),
        ({"alphas": [np.nan]}, "alphas="),
        ({"alphas": [np.inf]}, "alphas="),
        ({"alphas": [MAX]}, "alpha"),
        ({"max_iters": [2.0]}, "max_iters="),
        ({"cv": []}, r"cv=\[\] gives no pair"),
    ]:
        clf = ThreeLayerNNClassifierCV(**{"cv": 2, "max_iters": [2]} | options)
        with pytest.raises(ValueError, match=message):
            clf.fit(X, TWO)
        assert not hasattr(clf, "classes_")
    with pytest.raises(ValueError, match="values in X overflow"):
        ThreeLayerNNClassifierCV(cv=2).fit(np.sign(X) * MAX, TWO)


@pytest.mark.parametrize("score", [np.inf, -np.inf, 1e308, -1e308])
def test_a_search_takes_any_scores(score):
    def scoring(clf, X, y):
        return score if clf.alpha == 1 else 0.0

    clf = ThreeLayerNNClassifierCV(
        alphas=[1.0, 0.5], max_iters=[2], cv=2, scoring=scoring
    ).fit(X, TWO)
    assert clf.alpha_ == (1 if score > 0 else 0.5)


# ------------------------------------------------------------------ public functions

THETA1, THETA2 = rng.uniform(-1, 1, (3, 5)), rng.uniform(-1, 1, (3, 4))
PARAMS = pack(THETA1, THETA2)


def cost(params=PARAMS, X=X, Y=THREE, **options):
    return cost_gradient(params, X, Y, **{"hidden_layer_size": 3} | options)


def test_sigmoids_of_whole_numbers_are_those_of_floats():
    for values in (
        np.array([0, 3, 255], np.uint8),
        np.array([-128, 0, 127], np.int8),
        np.array([False, True]),
        np.array([2**63], np.uint64),
        [10**20, -(10**20)],
    ):
        for function in (sigmoid, sigmoid_gradient):
            floats = np.array(values, np.float64)
            assert_array_equal(function(values), function(floats))
            assert function(values).dtype == np.float64
            assert np.isfinite(function(values)).all()


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_unit_of_weights_leaves_no_trace_in_the_cost(activation):
    weight = rng.uniform(1, 2, 12)
    for dtype, power in product([np.float64, np.float32], [-1000, -500, 500, 1000]):
        options = {"X": X.astype(dtype), "activation": activation}
        plain = cost(sample_weight=weight, alpha=0.5, **options)
        unit = 2.0**power
        other = cost(sample_weight=weight * unit, alpha=0.5 * unit, **options)
        assert other[0] == plain[0]
        assert_array_equal(other[1], plain[1])
    tiniest = cost(X=X, sample_weight=np.full(12, TINIEST), activation=activation)
    assert_array_equal(tiniest[1], cost(X=X, activation=activation)[1])


OVERFLOWING = [(HUGE_INT, "numbers"), ("a", "numbers"), (1j, "numbers")]
NOT_FINITE = [(np.nan, "finite"), (np.inf, "finite"), (-np.inf, "finite")]
TOO_LARGE = [(1e300, "too large"), (MAX, "too large")]


def replaced(array, value):
    """The array with one entry that is another number, or none."""
    kind = object if isinstance(value, (int, str)) else np.result_type(array, value)
    changed = np.array(array, dtype=kind)
    changed.ravel()[1] = value
    return changed


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("output_activation", ["logistic", "softmax"])
def test_functions_name_what_is_no_number(activation, output_activation):
    options = {"activation": activation, "output_activation": output_activation}
    for value, message in OVERFLOWING + NOT_FINITE:
        for container in (np.asarray, sp.csr_array):
            if container is sp.csr_array and isinstance(value, (int, str)):
                continue
            spoilt = container(replaced(X, value))
            with pytest.raises(ValueError, match=f"^X .*{message}"):
                cost(X=spoilt, **options)
            with pytest.raises(ValueError, match=f"^X .*{message}"):
                forward(spoilt, THETA1, THETA2, **options)
        with pytest.raises(ValueError, match=f"^params .*{message}"):
            cost(replaced(PARAMS, value), **options)
        with pytest.raises(ValueError, match=f"^theta1 .*{message}"):
            forward(X, replaced(THETA1, value), THETA2, **options)
        with pytest.raises(ValueError, match=f"^theta2 .*{message}"):
            forward(X, THETA1, replaced(THETA2, value), **options)
    with pytest.raises(ValueError, match=r"X, params or alpha .* too large"):
        cost(PARAMS * 1e200, X, alpha=1.0, **options)
    if activation in ("identity", "relu"):
        with pytest.raises(ValueError, match="X, theta1 or theta2 are too large"):
            forward(np.abs(X) * 1e300, np.abs(THETA1) * 1e300, THETA2, **options)
    else:
        for outputs in forward(X * 1e300, THETA1 * 1e300, THETA2, **options):
            assert ((outputs >= -1) & (outputs <= 1)).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"alpha": np.nan}, "alpha="),
        ({"alpha": np.inf}, "alpha="),
        ({"alpha": HUGE_INT}, "alpha="),
        ({"alpha": "1"}, "alpha="),
        ({"alpha": MAX, "params": 10 * PARAMS}, "alpha .* too large"),
        ({"sample_weight": np.full(12, 1e308)}, "sample_weight must not be"),
        ({"sample_weight": np.full(12, np.nan)}, "sample_weight must not be"),
        ({"sample_weight": [HUGE_INT] * 12}, "sample_weight must be"),
        ({"sample_weight": ["a"] * 12}, "sample_weight has dtype"),
        ({"sample_weight": np.full(12, 1e-300), "alpha": 1e300}, "beside sample_wei"),
        ({"X": X[:0], "Y": THREE[:0]}, "X has shape .0, 4., expected at least one"),
        ({"Y": np.full((12, 3), np.nan)}, "Y must hold numbers"),
        ({"Y": [HUGE_INT] * 12}, "Y must be an array of real numbers"),
        ({"Y": ["a"] * 12}, "Y has dtype"),
        ({"Y": np.full(12, 2**63, np.uint64)}, "Y must hold integer"),
        ({"activation": ["tanh"]}, "activation="),
        ({"hidden_layer_size": HUGE_INT}, "params has shape"),
    ],
)
def test_the_cost_names_what_is_out_of_range(changes, message):
    with pytest.raises(ValueError, match=message):
        cost(**changes)


def test_the_layout_names_what_is_no_number():
    for value in (-100, 4.0, np.nan, "4", None):
        with pytest.raises(ValueError, match="n_features="):
            unpack(PARAMS, value, 3)
    for value in ([[1], [1, 2]], [["a"]], [[HUGE_INT]]):
        with pytest.raises(ValueError, match="theta2"):
            pack(THETA1, value)
    theta1, theta2 = unpack(np.zeros(100 * 301 + 101), np.int16(300), np.int8(100))
    assert (theta1.shape, theta2.shape) == ((100, 301), (1, 101))
    for theta in (1.0, None, [1.0], THETA2[:0]):
        with pytest.raises(ValueError, match="theta2"):
            forward(X, THETA1, theta)
