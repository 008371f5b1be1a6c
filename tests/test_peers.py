"""Properties that scikit-learn tests for MLPClassifier and LogisticRegression."""

from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from joblib import Parallel, delayed
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, softmax
from sklearn.base import clone
from sklearn.datasets import make_circles
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, LeaveOneGroupOut

from activations import HIDDEN
from sknn3 import ThreeLayerNNClassifier, ThreeLayerNNClassifierCV
from sknn3.network import ACTIVATIONS, cost_gradient, pack

SOLVERS = ["tnc", "lbfgs"]
CONDITIONINGS = ["full", "diagonal", None]
SMOOTH = [name for name in HIDDEN if HIDDEN[name].smooth]  # others may end on a kink
OUTPUTS = ["softmax", "sigmoids", "labels"]
ENDED_BY_BUDGET = pytest.mark.filterwarnings(
    r"ignore:max_iter=\d+ passes ended:sklearn.exceptions.ConvergenceWarning"
)


def net(hidden_layer_size=4, **options):
    return ThreeLayerNNClassifier(hidden_layer_size, **({"random_state": 0} | options))


def linear(X, y, weights=None, **options):
    """Return a network with identity activation, fitted until it converged."""
    options = {"activation": "identity", "tol": 1e-7, "max_iter": 3000} | options
    return net(**options).fit(X, y, weights)


def linear_coefficients(clf):
    """Return coefficients and intercepts of the outputs of a linear network."""
    (W1, W2), (b1, b2) = clf.coefs_, clf.intercepts_
    return W1 @ W2, b1 @ W2 + b2


def output_probabilities(clf, X):
    """Return the activations of the outputs, which need not sum to 1."""
    O = clf.decision_function(X).reshape(len(X), -1)
    return softmax(O, axis=1) if clf.out_activation_ == "softmax" else expit(O)


def expected_weights(y, class_weight, weights):
    """Return sample weights times class weights, by the definition."""
    result = weights
    for column, given in zip(np.atleast_2d(y.T), class_weight, strict=True):
        if given == "balanced":
            sums = {c: weights[column == c].sum() for c in np.unique(column)}
            given = {c: weights.sum() / len(sums) / w for c, w in sums.items()}
        result = result * [given.get(c, 1.0) for c in column.tolist()]
    return result


def assert_same_fit(first, second):
    assert_array_equal(first.theta1_, second.theta1_)
    assert_array_equal(first.theta2_, second.theta2_)
    assert first.loss_curve_ == second.loss_curve_
    assert first.validation_scores_ == second.validation_scores_


class Clouds:
    """Data whose classes overlap, so that all weights stay finite."""

    def __init__(self, rng):
        self.X = rng.standard_normal((120, 4))
        O = self.X @ rng.standard_normal((4, 3))
        self.y = (O + rng.gumbel(size=O.shape)).argmax(axis=1)
        self.labels = (O + rng.logistic(size=O.shape) > 0.5).astype(int)
        self.weights = rng.uniform(0.2, 3, 120)

    def targets(self, outputs):
        """Return the targets, the same as an indicator matrix, and parameters."""
        if outputs == "labels":
            return self.labels, self.labels, {}
        kind = {"sigmoids": "logistic"}.get(outputs, outputs)
        return self.y, np.eye(3)[self.y], {"output_activation": kind}


@pytest.fixture
def clouds(rng):
    return Clouds(rng)


# --------------------------------------- identity activation: logistic regression


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("conditioning", CONDITIONINGS)
@pytest.mark.parametrize("alpha", [0, 3, 20])
def test_linear_network_equals_logistic_regression(solver, conditioning, alpha, clouds):
    X, y, weights = clouds.X, clouds.y > 0, clouds.weights
    clf = linear(X, y, weights, alpha=alpha, solver=solver, conditioning=conditioning)
    v, b = linear_coefficients(clf)
    # Of all layers with the product v the smallest have (||W1||^2 + ||W2||^2) / 2 =
    # ||v||.  There alpha ||v|| has the slope of ||v||^2 / (2 C), C = ||v|| / alpha.
    C = np.linalg.norm(v) / alpha if alpha else np.inf
    peer = LogisticRegression(C=C, tol=1e-10, solver="newton-cholesky")
    peer.fit(X, y, weights)
    assert np.abs(peer.coef_).max() > 0.1
    assert_allclose(v.T, peer.coef_, atol=1e-5)
    assert_allclose(b, peer.intercept_, atol=1e-5)
    assert_allclose(clf.predict_proba(X), peer.predict_proba(X), atol=1e-5)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("outputs", OUTPUTS)
@pytest.mark.parametrize("alpha", [2, 10])
def test_linear_network_minimises_loss_with_trace_norm_penalty(
    solver, outputs, alpha, clouds
):
    X, weights = clouds.X, clouds.weights[:, np.newaxis]
    y, Y, options = clouds.targets(outputs)
    clf = linear(X, y, clouds.weights, alpha=alpha, solver=solver, **options)
    # The penalty equals the sum of the singular values of V = W1 W2.  The next two
    # conditions hold at the minimum of the convex cost, and only there.
    V, _ = linear_coefficients(clf)
    slope = X.T @ (weights * (output_probabilities(clf, X) - Y))
    assert np.linalg.norm(slope, 2) <= alpha * (1 + 1e-4)
    assert_allclose((slope * V).sum(), -alpha * np.linalg.norm(V, "nuc"), rtol=1e-4)
    # The weights into a hidden unit have the norm of the weights out of it.
    W1, W2 = clf.coefs_
    assert_allclose((W1**2).sum(axis=0), (W2**2).sum(axis=1), atol=1e-4)
    assert (W1**2).sum() > 0.1


@pytest.mark.parametrize("solver", SOLVERS)
def test_linear_network_without_penalty_equals_logistic_regressions(solver, clouds):
    X, weights = clouds.X, clouds.weights
    peer = LogisticRegression(C=np.inf, tol=1e-10, solver="newton-cholesky")

    def of_each(columns):
        fits = [clone(peer).fit(X, column, weights) for column in columns.T]
        return np.column_stack([fit.predict_proba(X)[:, 1] for fit in fits])

    expected = {
        "softmax": peer.fit(X, clouds.y, weights).predict_proba(X),
        "sigmoids": of_each(np.eye(3)[clouds.y]),
        "labels": of_each(clouds.labels),
    }
    for outputs, P in expected.items():
        y, _, options = clouds.targets(outputs)
        clf = linear(X, y, weights, alpha=0, solver=solver, **options)
        assert_allclose(output_probabilities(clf, X), P, atol=1e-5)
        each = P if outputs == "labels" else P / P.sum(axis=1, keepdims=True)
        assert_allclose(clf.predict_proba(X), each, atol=1e-5)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("outputs", OUTPUTS)
def test_penalty_above_gradient_at_zero_gives_class_shares(solver, outputs, clouds):
    X, weights = clouds.X, clouds.weights
    y, Y, options = clouds.targets(outputs)
    shares = np.average(Y, axis=0, weights=weights)
    limit = np.linalg.norm(X.T @ (weights[:, np.newaxis] * (shares - Y)), 2)
    options |= {"solver": solver}
    below = linear(X, y, weights, alpha=0.9 * limit, **options)
    with pytest.warns(ConvergenceWarning, match="no better than constant outputs"):
        above = linear(X, y, weights, alpha=1.1 * limit, **options)
    assert max(np.abs(W).max() for W in above.coefs_) < 1e-4
    assert_allclose(output_probabilities(above, X), [shares] * len(X), atol=1e-5)
    assert min(np.abs(W).max() for W in below.coefs_) > 0.05


@pytest.mark.parametrize("solver", SOLVERS)
def test_repeated_labels_equal_one_label(solver, clouds):
    X, y = clouds.X, (clouds.y > 0).astype(int)
    for columns in ([y, y], [y, 1 - y], [y, y, 1 - y, y]):
        several = linear(X, np.column_stack(columns), alpha=6, solver=solver)
        # K outputs share W1: W1 grows and W2 shrinks by K^(1/4), and the penalty weighs
        # 1 / sqrt(K) against K times the loss.
        one = linear(X, y, alpha=6 / np.sqrt(len(columns)), solver=solver)
        p = one.predict_proba(X)[:, 1]
        expected = [p if column is y else 1 - p for column in columns]
        assert_allclose(several.predict_proba(X).T, expected, atol=1e-5)
        assert several.loss_ == pytest.approx(len(columns) * one.loss_, rel=1e-6)


def shifted(X, by=1):
    return X + by * np.array([3, -1, 0, 5])


def with_constant(X):
    return np.column_stack([X, np.full(len(X), 2.0)])


def rotated(X):
    return X @ np.linalg.qr(np.random.RandomState(1).standard_normal((4, 4)))[0]


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("conditioning", ["full", None])
def test_shift_rotation_constant_and_twin_features_keep_predictions(
    solver, conditioning, clouds
):
    X, y, weights = clouds.X, clouds.y, clouds.weights
    options = {"alpha": 3, "solver": solver, "conditioning": conditioning}
    options |= {"output_activation": "softmax"}

    def predictions(X, y):
        return linear(X, y, weights, **options).predict_proba(X)

    P = predictions(X, y)
    # The penalty excludes biases, and a rotation of the weights does not change it.
    # The weight of a constant feature is 0, since a bias does the same without penalty.
    for change in (shifted, rotated, with_constant):
        assert_allclose(predictions(change(X), y), P, atol=1e-5)
    assert_allclose(predictions(X, 2 - y)[:, ::-1], P, atol=1e-5)
    # Two equal features have weights w / 2 each, which halves the penalty.
    twins, larger = np.column_stack([X, X]), np.sqrt(2) * X
    assert_allclose(predictions(twins, y), predictions(larger, y), atol=1e-5)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("conditioning", ["full", "diagonal"])
@pytest.mark.parametrize("activation", ["logistic", "tanh"])
def test_shifted_features_give_same_weights_with_conditioning(
    solver, conditioning, activation, clouds
):
    X, y = clouds.X, clouds.y
    options = {"solver": solver, "conditioning": conditioning, "activation": activation}
    here, there = (
        net(alpha=1, tol=1e-6, max_iter=1000, **options).fit(data, y)
        for data in (X, shifted(X, 20))
    )
    assert_allclose(here.coefs_[0], there.coefs_[0], atol=1e-3)
    P = there.predict_proba(shifted(X, 20))
    assert_allclose(here.predict_proba(X), P, atol=1e-4)


# ------------------------------------------------------- what holds at any minimum


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("output_activation", ["logistic", "softmax"])
def test_probabilities_of_groups_are_their_weighted_class_shares(
    solver, activation, output_activation, rng
):
    groups, y = np.repeat(np.arange(4), 40), rng.randint(0, 3, 160)
    weights = rng.uniform(0.2, 3, 160)
    factors = np.array([1.0, 3.0, 0.5])
    clf = net(
        6,
        solver=solver,
        activation=activation,
        output_activation=output_activation,
        alpha=0,
        class_weight=dict(enumerate(factors)),
        tol=1e-7,
        max_iter=1000,
    ).fit(np.eye(4)[groups], y, weights)
    table = np.zeros((4, 3))
    np.add.at(table, (groups, y), weights * factors[y])
    shares = table / table.sum(axis=1, keepdims=True)
    assert_allclose(output_probabilities(clf, np.eye(4)), shares, atol=1e-5)
    assert_allclose(clf.predict_proba(np.eye(4)), shares, atol=1e-5)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("activation", SMOOTH)
@pytest.mark.parametrize("outputs", OUTPUTS)
@pytest.mark.parametrize("balanced", [False, True])
def test_mean_probabilities_are_class_shares(
    solver, activation, outputs, balanced, clouds
):
    X, weights = clouds.X, clouds.weights
    y, Y, options = clouds.targets(outputs)
    clf = net(solver=solver, activation=activation, tol=1e-3, max_iter=1000, **options)
    clf.set_params(class_weight="balanced" if balanced else None)
    P = output_probabilities(clf.fit(X, y, weights), X)
    if balanced:
        weights = expected_weights(
            y, ["balanced"] * np.atleast_2d(y.T).shape[0], weights
        )
    # Biases have no penalty, so this difference is the gradient by output biases.
    difference = np.average(P - Y, axis=0, weights=weights)
    assert np.abs(difference).max() <= 1e-3 + 1e-12
    if balanced and outputs != "labels":
        assert_allclose(np.average(P, axis=0, weights=weights), 1 / 3, atol=1.1e-3)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("activation", SMOOTH)
def test_softmax_output_weights_sum_to_zero_over_classes(solver, activation, clouds):
    tol, alpha = 1e-4, 2
    clf = net(solver=solver, activation=activation, tol=tol, max_iter=1000, alpha=alpha)
    clf.set_params(output_activation="softmax").fit(clouds.X, clouds.y)
    # Only differences of outputs count, so the penalty alone moves their sum.
    sums = np.abs(clf.coefs_[1].sum(axis=1))
    assert sums.max() <= 3 * tol * len(clouds.y) / alpha + 1e-12
    assert np.abs(clf.coefs_[1]).max() > 10 * sums.max()


@ENDED_BY_BUDGET
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_larger_alpha_gives_smaller_weights(solver, activation, clouds):
    clf = net(solver=solver, activation=activation, tol=1e-3)
    norms, losses = [], []
    for alpha in (0.1, 1, 10, 1000):
        is_constant = pytest.warns(ConvergenceWarning, match="alpha=1000 is too large")
        with is_constant if alpha == 1000 else nullcontext():
            clf.set_params(alpha=alpha).fit(clouds.X, clouds.y)
        norms.append([np.linalg.norm(theta) for theta in clf.coefs_])
        losses.append(clf.loss_)
    assert (np.diff(np.sum(norms, axis=1)) < 0).all()
    assert (np.diff(losses) > 0).all()
    assert np.max(norms[-1]) < 0.01


# ------------------------------------------------------------------------- weights


@pytest.mark.parametrize(
    ("kind", "class_weight"),
    [
        ("two", {0: 1, 1: 2}),
        ("three", {2: 7.5}),
        ("names", {"b": 0.3, "c": 4}),
        ("three", "balanced"),
        ("labels", [{0: 1, 1: 5}, {1: 0.2}, {0: 3.0}]),
        ("labels", "balanced"),
    ],
)
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_class_weight_equals_sample_weight(
    kind, class_weight, early_stopping, weighted, clouds
):
    X = sp.csr_array(clouds.X) if kind == "names" else clouds.X
    y = {
        "two": (clouds.y > 0).astype(int),
        "three": clouds.y,
        "names": np.array(["a", "b", "c"])[clouds.y],
        "labels": clouds.labels,
    }[kind]
    weights = clouds.weights if weighted else np.ones(len(y))
    n_columns = y.shape[1] if y.ndim == 2 else 1
    each = (
        class_weight if isinstance(class_weight, list) else [class_weight] * n_columns
    )
    plain = net(tol=1e-3, solver="lbfgs", early_stopping=early_stopping)
    by_class = clone(plain).set_params(class_weight=class_weight)
    by_class.fit(X, y, weights if weighted else None)
    expected = clone(plain).fit(X, y, expected_weights(y, each, weights))
    assert_allclose(by_class.loss_curve_, expected.loss_curve_, rtol=1e-12)
    assert_allclose(by_class.predict_proba(X), expected.predict_proba(X), rtol=1e-9)
    assert by_class.validation_scores_ == expected.validation_scores_
    other = plain.fit(X, y, weights).predict_proba(X)
    assert np.abs(by_class.predict_proba(X) - other).max() > 0.01


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("outputs", OUTPUTS)
def test_unit_sample_weight_equals_none(solver, early_stopping, outputs, clouds):
    y, _, options = clouds.targets(outputs)
    clf = net(solver=solver, early_stopping=early_stopping, tol=1e-3, **options)
    expected = clone(clf).fit(clouds.X, y)
    for ones in (np.ones(len(y)), np.ones(len(y), int)):
        assert_same_fit(clf.fit(clouds.X, y, ones), expected)


# -------------------------------------------------------------------------- labels


@pytest.mark.parametrize(
    "names",
    [
        np.array(["bar", "baz", "foo"]),
        np.array(["", "b", "ß"], dtype=object),
        np.array([-7, 0, 3]),
        np.array([-1.0, 2.0, 7.0], dtype=np.float32),
        np.array([0, 2**60, 2**61]),
    ],
    ids=str,
)
@pytest.mark.parametrize("early_stopping", [False, True])
def test_names_of_classes_do_not_change_fit(names, early_stopping, clouds):
    X, y = clouds.X, clouds.y
    clf = net(tol=1e-3, solver="lbfgs", early_stopping=early_stopping)
    numbered = clone(clf).set_params(class_weight={0: 2.0, 2: 0.5}).fit(X, y)
    clf.set_params(class_weight={names[0]: 2.0, names[2]: 0.5}).fit(X, names[y])
    assert_same_fit(clf, numbered)
    assert_array_equal(clf.classes_, names)
    assert_array_equal(clf.predict(X), names[numbered.predict(X)])
    assert clf.predict(X).dtype == names.dtype


def test_names_of_classes_do_not_change_search(clouds):
    names = np.array(["bar", "baz", "foo"])
    search = ThreeLayerNNClassifierCV(
        alphas=[1, 10], max_iters=[5, 10], hidden_layer_size=3, cv=3, random_state=0
    )
    named = clone(search).fit(clouds.X, names[clouds.y])
    assert_same_fit(named, search.fit(clouds.X, clouds.y))
    assert_array_equal(named.predict(clouds.X), names[search.predict(clouds.X)])


def test_first_class_is_predicted_when_outputs_are_equal(clouds):
    X, y = clouds.X[:5], clouds.y
    for outputs, n_classes, output_activation in [
        (y > 0, 2, "logistic"),
        (y, 3, "logistic"),
        (y, 3, "softmax"),
        (clouds.labels, 2, "logistic"),
    ]:
        clf = net(tol=0.1, output_activation=output_activation).fit(clouds.X, outputs)
        for array in clf.coefs_ + clf.intercepts_:
            array[:] = 0
        assert not clf.decision_function(X).any()
        assert_allclose(clf.predict_proba(X), 1 / n_classes)
        assert not clf.predict(X).any()  # for multilabel targets: no label


# ---------------------------------------------------------------- warm and cold starts


def initial_weights_from(clf):
    return {"coefs_init": clf.coefs_, "intercepts_init": clf.intercepts_}


@ENDED_BY_BUDGET
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("conditioning", CONDITIONINGS)
def test_warm_start_equals_initial_weights_given(solver, conditioning, clouds):
    X, y = clouds.X, clouds.y
    clf = net(solver=solver, conditioning=conditioning, alpha=1, tol=1e-6, max_iter=9)
    first = clone(clf).fit(X[:80], y[:80])
    clf.set_params(warm_start=True).fit(X[:80], y[:80])
    # The second fit has more rows, with the same classes in another order.
    given = net(**first.get_params() | {"max_iter": 20})
    given.fit(X, y, **initial_weights_from(first))
    assert_same_fit(clf.set_params(max_iter=20).fit(X, y), given)
    assert len(clf.loss_curve_) == clf.n_iter_ == 20
    cost, _ = cost_gradient(
        pack(first.theta1_, first.theta2_), X, y, hidden_layer_size=4, alpha=1
    )
    assert clf.loss_curve_[0] == pytest.approx(cost, rel=1e-12)


@ENDED_BY_BUDGET
@pytest.mark.parametrize("solver", SOLVERS)
def test_warm_start_continues_from_best_validated_weights(solver, clouds):
    X, y = clouds.X, clouds.y
    clf = net(solver=solver, early_stopping=True, n_iter_no_change=3, warm_start=True)
    first = clone(clf).fit(X, y)
    clf.fit(X, y).fit(X, y)
    # An int for random_state holds out the same rows again.
    assert clf.validation_scores_[0] == first.best_validation_score_
    assert clf.best_validation_score_ >= first.best_validation_score_
    assert clf.loss_curve_[0] == pytest.approx(first.loss_, rel=1e-12)


@ENDED_BY_BUDGET
@pytest.mark.parametrize("solver", SOLVERS)
def test_repeated_warm_starts_never_raise_loss(solver, clouds):
    X, y = clouds.X, clouds.y

    def losses(*budgets, alpha=0.02):
        clf = net(solver=solver, alpha=alpha, warm_start=True, tol=1e-6)
        curves = []
        for budget in budgets:
            curve = clf.set_params(max_iter=budget).fit(X, y).loss_curve_
            assert clf.n_iter_ == len(curve)
            # From the last pass of the budget on, a warm start ends at the first pass
            # with a lower loss.
            lower = np.flatnonzero(np.less(curve, curve[0])) + 1
            assert clf.n_iter_ == (max(budget, lower[0]) if curves else budget)
            curves.append(curve)
        return curves

    # After a single pass the solver has no memory yet, so the path is the same.  (A
    # strong penalty is smaller in the first passes from random weights.)
    (whole,), (start, rest) = losses(15), losses(1, 15)
    assert start == whole[:1]
    assert_allclose(rest, whole, rtol=1e-9)
    # Later the solver loses its memory, and continues from the last weights.
    for alpha in (0.02, 1):
        (whole,) = losses(15, alpha=alpha)
        flat = np.concatenate(losses(6, 4, 5, 1, 9, alpha=alpha))
        assert (np.diff(flat) < 1e-12).all()
        assert flat[-1] < whole[5]


@ENDED_BY_BUDGET
@pytest.mark.parametrize("solver", SOLVERS)
def test_repeated_warm_starts_end_at_same_minimum(solver, clouds):
    X, y = clouds.X, clouds.y > 0
    whole = linear(X, y, solver=solver)
    parts = net(activation="identity", solver=solver, tol=1e-7, warm_start=True)
    parts.set_params(alpha=whole.alpha_)
    for budget in (5, 11, 3, 3000):
        parts.set_params(max_iter=budget).fit(X, y)
    assert parts.stop_reason_ == "converged"
    assert_allclose(parts.predict_proba(X), whole.predict_proba(X), atol=1e-5)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("early_stopping", [False, True])
def test_refit_without_warm_start_equals_new_fit(solver, early_stopping, clouds):
    clf = net(solver=solver, early_stopping=early_stopping, tol=1e-2)
    new = clone(clf).fit(clouds.X, clouds.y)
    frame = pd.DataFrame(clouds.X[:, :2], columns=["u", "v"])
    clf.set_params(hidden_layer_size=2).fit(frame, clouds.labels)
    clf.set_params(hidden_layer_size=4).fit(clouds.X, clouds.y)
    assert_same_fit(clf, new)
    assert vars(clf).keys() == vars(new).keys()
    assert clf.classes_.tolist() == [0, 1, 2]
    assert not clf.multilabel_


# ------------------------------------------------------------------------ learning


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_only_nonlinear_activations_separate_circles(solver, dtype):
    X, y = make_circles(400, noise=0.08, factor=0.4, random_state=0)
    X = X.astype(dtype)
    accuracy = {}
    for activation in ACTIVATIONS:
        clf = net(12, activation=activation, solver=solver, alpha=0.1, tol=1e-3)
        predicted = clf.fit(X[::2], y[::2]).predict(X[1::2])
        assert predicted.dtype == y.dtype
        accuracy[activation] = (predicted == y[1::2]).mean()
    assert accuracy.pop("identity") < 0.65
    assert min(accuracy.values()) > 0.97


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("container", [np.array, sp.csr_array])
@pytest.mark.parametrize("y", [[0, 1, 1], [2, 1, 0], ["b", "a", "c"]], ids=str)
def test_three_points_are_classified(solver, container, y):
    X = container([[-1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    clf = net(solver=solver, alpha=0.01, tol=1e-3).fit(X, y)
    assert clf.predict(X).tolist() == y
    assert_array_equal(clf.classes_[clf.predict_proba(X).argmax(axis=1)], y)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("container", [np.array, sp.csr_array, sp.csc_matrix])
@pytest.mark.parametrize("outputs", ["two", *OUTPUTS])
def test_weights_and_predictions_have_dtype_of_data(dtype, container, outputs, clouds):
    X = container(clouds.X.astype(dtype))
    y, options = (
        (clouds.y > 0, {}) if outputs == "two" else clouds.targets(outputs)[::2]
    )
    clf = net(tol=0.1, **options).fit(X, y)
    methods = clf.predict_proba, clf.predict_log_proba, clf.decision_function
    arrays = [*clf.coefs_, *clf.intercepts_, *(method(X) for method in methods)]
    assert {array.dtype for array in arrays} == {np.dtype(dtype)}
    assert isinstance(clf.loss_, float)


# ------------------------------------------------------------- early stopping, search


@pytest.mark.needs_sklearn("1.9", "callbacks")
@pytest.mark.parametrize("n_classes", [1, 2])
def test_feature_names_with_early_stopping_and_scoring_monitor(n_classes, rng):
    from sklearn.callback import ScoringMonitor

    X = pd.DataFrame(rng.standard_normal((20, 2)), columns=["u", "v"])
    y = pd.Series(np.arange(20) % n_classes, name="w")
    monitor = ScoringMonitor(scoring="accuracy")
    clf = net(early_stopping=True, validation_fraction=0.2, warm_start=True, tol=0.1)
    clf.set_callbacks(monitor)
    for _ in range(2):  # any warning would be an error
        assert clf.fit(X, y).score(X, y) == monitor.get_logs().data[-1]["accuracy"]
    assert clf.feature_names_in_.tolist() == ["u", "v"]


@pytest.mark.parametrize("scoring", ["accuracy", "neg_log_loss"])
def test_search_with_integer_sample_weight_equals_repeated_samples(
    scoring, clouds, rng
):
    counts, groups = rng.randint(0, 4, 120), np.arange(120) % 3
    rows = np.repeat(np.arange(120), counts)
    search = ThreeLayerNNClassifierCV(
        alphas=[0.1, 10],
        max_iters=[5, 15],
        hidden_layer_size=3,
        cv=LeaveOneGroupOut(),
        scoring=scoring,
        random_state=0,
    )
    weighted = clone(search).fit(clouds.X, clouds.y, counts, groups=groups)
    repeated = search.fit(clouds.X[rows], clouds.y[rows], groups=groups[rows])
    for table in ("split0", "split1", "split2"):
        assert_allclose(
            weighted.cv_results_[f"{table}_test_score"],
            repeated.cv_results_[f"{table}_test_score"],
            rtol=1e-12,
        )
    assert_array_equal(weighted.theta1_, repeated.theta1_)
    assert weighted.best_params_ == repeated.best_params_


@pytest.mark.parametrize(
    ("scoring", "lowest"), [("accuracy", 0.0), (None, np.log(np.finfo(float).eps))]
)
def test_search_gives_lowest_score_for_classes_missing_in_training_folds(
    scoring, lowest, clouds
):
    # The folds are sorted by class, so the class of a test fold is never trained.
    order = np.argsort(clouds.y, kind="stable")
    X, y = clouds.X[order], np.repeat([0, 1, 2], 40)
    search = ThreeLayerNNClassifierCV(
        alphas=[0.1, 10],
        max_iters=[5],
        hidden_layer_size=3,
        cv=KFold(3),
        scoring=scoring,
    ).fit(X, y)
    assert_allclose(search.cv_results_["mean_test_score"], [lowest, lowest])
    assert search.classes_.tolist() == [0, 1, 2]


# ----------------------------------------------------------------------- callbacks


@pytest.mark.needs_sklearn("1.9", "callbacks")
def test_clones_in_threads_share_one_callback(clouds):
    from sklearn.callback import ScoringMonitor

    monitor = ScoringMonitor(scoring="neg_log_loss")
    clf = net(tol=0.02).set_callbacks(monitor)

    def fit(classifier):
        return classifier.fit(clouds.X, clouds.y)

    fits = [fit(clf), fit(clone(clf))]
    fits += Parallel(n_jobs=2, backend="threading")(
        delayed(fit)(clone(clf)) for _ in range(3)
    )
    logs = [log.data for log in monitor.get_logs(select="all")]
    assert logs == [logs[0]] * 5
    assert len(logs[0]) == fits[0].n_iter_ + 1
    for other in fits[1:]:
        assert_same_fit(other, fits[0])
