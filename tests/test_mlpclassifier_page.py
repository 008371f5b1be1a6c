"""Statements of docs/mlpclassifier.md, checked with the installed MLPClassifier."""

import ast
import inspect
import re
import warnings
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_wine, make_circles
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import cross_val_score
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from sknn3 import ThreeLayerNNClassifier
from sknn3.network import cost_gradient, pack

PAGE = (Path(__file__).parents[1] / "docs" / "mlpclassifier.md").read_text(
    encoding="utf-8"
)
# All words in inline code and in code blocks of the page.
WORDS = set(re.findall(r"\w+", " ".join(re.findall(r"`+[^`]+`+", PAGE))))

# Adam and SGD train for few epochs only and do not converge.
pytestmark = [
    pytest.mark.docs,
    pytest.mark.filterwarnings(
        "ignore:Stochastic Optimizer:sklearn.exceptions.ConvergenceWarning"
    ),
]


def pairs(mlp):
    return zip(mlp.coefs_, mlp.intercepts_, strict=True)


def our_cost(mlp, X, Y, alpha, sample_weight=None):
    """Return the cost and gradient of sknn3 at the weights of an MLPClassifier."""
    return cost_gradient(
        pack(*(np.column_stack([b, W.T]) for W, b in pairs(mlp))),
        X,
        Y,
        hidden_layer_size=mlp.coefs_[0].shape[1],
        alpha=alpha,
        activation=mlp.activation,
        output_activation=mlp.out_activation_,
        sample_weight=sample_weight,
    )


def unmoved(X, y, sample_weight=None, **settings):
    """Return an MLPClassifier after an epoch of steps too small to change a weight."""
    mlp = MLPClassifier(
        6, solver="sgd", momentum=0, learning_rate_init=1e-300, random_state=0
    )
    mlp.set_params(max_iter=1, **settings)
    return mlp.fit(X, y, sample_weight=sample_weight)


def fitted_attributes(estimator):
    properties = inspect.getmembers(type(estimator), lambda m: isinstance(m, property))
    names = vars(estimator).keys() | {name for name, _ in properties}
    return {name for name in names if re.fullmatch(r"[a-z]\w*_", name)}


def public_methods(cls):
    names = {name for name in dir(cls) if not name.startswith("_")}
    return {name for name in names if callable(getattr(cls, name))}


# --------------------------------------------------- parameters, attributes, methods


@pytest.mark.parametrize("cls", [MLPClassifier, ThreeLayerNNClassifier])
def test_page_names_every_parameter(cls):
    assert set(inspect.signature(cls).parameters) <= WORDS


@pytest.mark.parametrize(
    ("cls", "missing", "which"),
    [(MLPClassifier, "Only here", 0), (ThreeLayerNNClassifier, "Not here", -1)],
)
def test_page_has_row_with_default_of_every_parameter(cls, missing, which):
    chapter = PAGE.split("\n## Parameters\n")[1].split("\n## ")[0]
    sections = [s for s in chapter.split("\n### ") if not s.startswith(missing)]
    row = r"(?m)^\| `(\w+)` \| (`[^|]+`) \|"
    stated = {
        name: ast.literal_eval(defaults.split("`, `")[which].strip("`"))
        for name, defaults in re.findall(row, "\n".join(sections))
    }
    if which:
        stated["hidden_layer_size"] = stated.pop("hidden_layer_sizes")
    parameters = inspect.signature(cls).parameters.values()
    assert stated == {p.name: p.default for p in parameters}


@pytest.mark.parametrize(
    ("cls", "settings"),
    [
        (MLPClassifier, {"solver": "adam"}),
        (MLPClassifier, {"solver": "adam", "early_stopping": True}),
        (MLPClassifier, {"solver": "lbfgs"}),
        (ThreeLayerNNClassifier, {"tol": 0.1}),
    ],
)
def test_page_names_every_fitted_attribute(cls, settings):
    X, y = load_wine(return_X_y=True, as_frame=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = cls(max_iter=3, random_state=0, **settings).fit(X, y)
    attributes = fitted_attributes(fitted)
    assert {"coefs_", "feature_names_in_", "n_iter_"} <= attributes
    assert attributes <= WORDS


@pytest.mark.parametrize("cls", [MLPClassifier, ThreeLayerNNClassifier])
def test_page_names_every_method(cls):
    methods = public_methods(cls)
    assert {"fit", "predict_proba", "get_params"} <= methods
    assert methods <= WORDS


# ---------------------------------------------------------------------- the objective


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize("targets", ["classes", "two classes", "labels"])
@pytest.mark.parametrize("weighted", [False, True])
def test_cost_equals_loss_of_mlpclassifier(iris, rng, activation, targets, weighted):
    X, y = iris
    Y = {
        "classes": y,
        "two classes": (y == 1).astype(int),
        "labels": np.column_stack([y == 0, X[:, 0] > 0, X[:, 1] > 0]).astype(int),
    }[targets]
    weight = rng.uniform(size=len(X)) if weighted else None
    mlp = MLPClassifier(
        6, activation, solver="lbfgs", alpha=0.7, max_iter=20, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mlp.fit(X, Y, sample_weight=weight)
    cost, gradient = our_cost(mlp, X, Y, 0.7, weight)
    assert cost == pytest.approx(mlp.loss_, rel=0, abs=1e-12)
    # After 20 passes the weights are large enough for the penalty to matter.
    assert np.abs(gradient).max() < 0.1
    assert cost != pytest.approx(our_cost(mlp, X, Y, 0, weight)[0])


@pytest.mark.parametrize("n_batches", [1, 3, 5])
def test_mlpclassifier_divides_penalty_by_batch_size(iris, n_batches):
    X, y = iris
    batch_size = len(X) // n_batches
    mlp = unmoved(X, y, alpha=0.7, batch_size=batch_size)
    our_alpha = 0.7 * len(X) / batch_size
    assert mlp.loss_ == pytest.approx(our_cost(mlp, X, y, our_alpha)[0], abs=1e-12)


@pytest.mark.parametrize(("dtype", "limit"), [(np.float64, 36), (np.float32, 16)])
def test_mlpclassifier_loss_of_a_sample_is_bounded(dtype, limit):
    X, y = np.array([[-1e4], [1e4]], dtype=dtype), np.array([0, 1])
    mlp = unmoved(X, y, alpha=0.0, activation="identity")
    right_way_round = mlp.predict(X)[0] == 0
    y = 1 - y if right_way_round else y  # now both are misclassified by a large margin
    mlp = unmoved(X, y, alpha=0.0, activation="identity")
    assert limit - 1 < mlp.loss_ < limit + 1
    assert our_cost(mlp, X, y, 0.0)[0] > 100


def test_negative_sample_weight_raises_unlike_mlpclassifier(iris):
    X, y = iris
    weight = np.where(np.arange(len(X)) == 0, -1.0, 1.0)
    unmoved(X, y, sample_weight=weight)
    with pytest.raises(ValueError, match="negative values"):
        ThreeLayerNNClassifier().fit(X, y, sample_weight=weight)


# ------------------------------------------------------------------ outputs, budgets


def test_probabilities_are_positive_unlike_mlpclassifier(iris):
    X, y = iris
    mlp = MLPClassifier(6, solver="lbfgs", alpha=0.1, max_iter=1000, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mlp.fit(X, y)
    net = ThreeLayerNNClassifier(
        6, activation="relu", output_activation="softmax", max_iter=1, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        net.fit(X, y, coefs_init=mlp.coefs_, intercepts_init=mlp.intercepts_)
    far = 1000 * X
    assert (mlp.predict_proba(far) == 0).any()
    with np.errstate(divide="ignore"):
        assert np.isneginf(mlp.predict_log_proba(far)).any()
    assert (net.predict_proba(far) > 0).all()
    assert np.isfinite(net.predict_log_proba(far)).all()


def test_multilabel_needs_logistic_output(multilabel):
    assert unmoved(*multilabel).out_activation_ == "logistic"
    with pytest.raises(ValueError, match="multilabel"):
        ThreeLayerNNClassifier(output_activation="softmax").fit(*multilabel)


def test_mlpclassifier_lbfgs_stops_at_gradient_below_tol(iris):
    X, y = iris
    for tol in (1e-2, 1e-3):
        mlp = MLPClassifier(
            6, "tanh", solver="lbfgs", alpha=1, tol=tol, max_iter=1000, random_state=0
        ).fit(X, y)
        _, gradient = our_cost(mlp, X, y, 1)
        assert tol / 10 < np.abs(gradient).max() <= tol


def test_adam_stops_one_epoch_after_n_iter_no_change(iris):
    mlp = MLPClassifier(6, tol=10.0, n_iter_no_change=4, random_state=0).fit(*iris)
    assert mlp.n_iter_ == 6  # the first epoch always improves the loss
    assert mlp.t_ == 6 * len(iris[0])


def test_adam_keeps_last_weights_instead_of_best(iris):
    X, y = iris
    mlp = MLPClassifier(
        6,
        alpha=0,
        learning_rate_init=0.5,
        batch_size=len(X),
        max_iter=11,
        random_state=0,
    )
    mlp.fit(X, y)
    last = mlp.loss_
    mlp.set_params(max_iter=1, warm_start=True, learning_rate_init=1e-300).fit(X, y)
    assert mlp.loss_ != last  # it was the loss before the last step
    assert mlp.loss_ > mlp.best_loss_


@pytest.mark.parametrize("solver", ["tnc", "lbfgs"])
def test_stall_at_relu_kink_warns_unlike_mlpclassifier(rng, solver):
    X = rng.standard_normal((30, 2))
    y = (X[:, 0] + rng.logistic(size=30) > 0).astype(int)
    settings = {"alpha": 0.1, "max_iter": 5000, "random_state": 0}
    mlp = MLPClassifier(2, "relu", solver="lbfgs", **settings).fit(X, y)
    assert np.abs(our_cost(mlp, X, y, 0.1)[1]).max() > 10 * mlp.tol
    net = ThreeLayerNNClassifier(
        2, activation="relu", solver=solver, tol=mlp.tol, **settings
    )
    with pytest.warns(ConvergenceWarning, match="kink"):
        net.fit(X, y)
    assert net.stop_reason_ == "stalled"


# ------------------------------------------------- early stopping, warm start, threads


def test_mlpclassifier_lbfgs_ignores_early_stopping(iris):
    settings = {"solver": "lbfgs", "alpha": 1, "max_iter": 1000, "random_state": 0}
    plain, early = (
        MLPClassifier(6, "tanh", early_stopping=early, **settings).fit(*iris)
        for early in (False, True)
    )
    np.testing.assert_array_equal(plain.coefs_[0], early.coefs_[0])
    for name in ("loss_curve_", "best_loss_", "validation_scores_"):
        assert not hasattr(early, name)
    assert early.t_ == 0


@pytest.mark.filterwarnings("ignore:max_iter:sklearn.exceptions.ConvergenceWarning")
def test_mlpclassifier_stratifies_holdout_of_two_classes_only(iris):
    X, y = iris
    alone = np.where(np.arange(len(y)) == 7, 3, y)  # a class of one sample
    settings = {"early_stopping": True, "max_iter": 2, "random_state": 0}
    with pytest.raises(ValueError, match="least populated class"):
        MLPClassifier(6, **settings).fit(X, alone == 3)
    MLPClassifier(6, **settings).fit(X, alone)
    for target in (alone == 3, alone):
        net = ThreeLayerNNClassifier(6, **settings).fit(X, target)
        assert len(net.classes_) == len(set(target))


def test_infinite_n_iter_no_change_raises_unlike_mlpclassifier(iris):
    settings = {"n_iter_no_change": np.inf, "early_stopping": True, "max_iter": 2}
    MLPClassifier(6, **settings).fit(*iris)
    with pytest.raises(ValueError, match="n_iter_no_change"):
        ThreeLayerNNClassifier(6, **settings).fit(*iris)


def test_early_stopping_loss_is_of_best_weights_unlike_mlpclassifier(iris):
    X, y = iris
    mlp = MLPClassifier(6, early_stopping=True, random_state=0).fit(X, y)
    assert mlp.loss_ == mlp.loss_curve_[-1]
    assert mlp.best_loss_ is None
    net = ThreeLayerNNClassifier(6, alpha=1e-3, early_stopping=True, random_state=0)
    net.fit(X, y)
    assert net.stop_reason_ == "early_stopping"
    assert net.loss_ > net.loss_curve_[-1]  # it is the loss of the best weights


def test_warm_start_resets_loss_curve_unlike_mlpclassifier(iris):
    X, y = iris
    mlp = MLPClassifier(6, warm_start=True, max_iter=4, random_state=0).fit(X, y)
    mlp.fit(X, y)
    assert (mlp.n_iter_, len(mlp.loss_curve_), mlp.t_) == (4, 8, 8 * len(X))
    net = ThreeLayerNNClassifier(6, warm_start=True, tol=0.01, random_state=0)
    n_first = net.fit(X, y).n_iter_
    net.fit(X, y)
    assert len(net.loss_curve_) == net.n_iter_ < n_first


def test_warm_start_with_other_size_raises_unlike_mlpclassifier(iris):
    X, y = iris
    mlp = MLPClassifier(6, warm_start=True, max_iter=4, random_state=0).fit(X, y)
    mlp.set_params(hidden_layer_sizes=9).fit(X, y)
    assert mlp.coefs_[0].shape == (4, 6)
    net = ThreeLayerNNClassifier(6, warm_start=True, tol=0.1).fit(X, y)
    with pytest.raises(ValueError, match="hidden_layer_size"):
        net.set_params(hidden_layer_size=9).fit(X, y)


def test_integer_sample_weight_equals_repeated_samples(iris, rng):
    X, y = iris
    weight = rng.randint(0, 4, len(X))
    net = ThreeLayerNNClassifier(6, tol=1e-3, random_state=0)
    weighted = net.fit(X, y, sample_weight=weight).theta1_
    repeated = net.fit(X.repeat(weight, axis=0), y.repeat(weight)).theta1_
    np.testing.assert_array_equal(weighted, repeated)


def test_number_of_threads_does_not_change_fit(digits):
    X, y = digits.data[::5], digits.target[::5]
    net = ThreeLayerNNClassifier(output_activation="softmax", tol=1e-2, random_state=0)
    thetas = []
    for n_threads in (1, 2):
        with threadpool_limits(n_threads):
            thetas.append(net.fit(X, y).theta1_)
    np.testing.assert_array_equal(*thetas)


def test_partial_fit_with_integer_random_state_repeats_shuffle(iris):
    X, y = iris
    number = MLPClassifier(6, batch_size=10, random_state=0)
    number.partial_fit(X, y, classes=np.unique(y))
    generator = deepcopy(number).set_params(random_state=np.random.RandomState(0))
    for mlp in (number, generator):
        mlp.partial_fit(X, y)
    np.testing.assert_array_equal(number.coefs_[0], generator.coefs_[0])
    anew = deepcopy(generator).set_params(random_state=np.random.RandomState(0))
    for mlp in (number, generator, anew):
        mlp.partial_fit(X, y)
    np.testing.assert_array_equal(number.coefs_[0], anew.coefs_[0])
    assert (number.coefs_[0] != generator.coefs_[0]).any()


def test_adam_warm_start_changes_coefs_in_place(iris):
    X, y = iris
    mlp = MLPClassifier(6, max_iter=1, warm_start=True, random_state=0).fit(X, y)
    given = mlp.coefs_[0]
    before = given.copy()
    mlp.fit(X, y)
    assert mlp.coefs_[0] is given
    assert (given != before).any()


@pytest.mark.parametrize("solver", ["tnc", "lbfgs"])
def test_few_samples_need_smaller_alpha_than_1_which_default_chooses(solver):
    X, y = make_circles(100, noise=0.08, factor=0.4, random_state=0)
    assert MLPClassifier(random_state=0).fit(X, y).score(X, y) == 1
    net = ThreeLayerNNClassifier(alpha=1, solver=solver, random_state=0)
    with pytest.warns(ConvergenceWarning, match=r"alpha=1 is too large"):
        net.fit(X, y)
    assert len(set(net.predict(X))) == 1
    assert net.set_params(alpha=0.1).fit(X, y).score(X, y) == 1
    assert net.set_params(alpha="auto").fit(X, y).score(X, y) == 1
    X, y = make_circles(200, noise=0.08, factor=0.4, random_state=0)
    assert net.set_params(alpha=1).fit(X, y).score(X, y) == 1


@pytest.mark.filterwarnings("ignore:max_iter:sklearn.exceptions.ConvergenceWarning")
def test_unscaled_features_are_learnt_unlike_mlpclassifier():
    X, y = load_wine(return_X_y=True)
    theirs, ours = (
        [cross_val_score(cls(random_state=seed), X, y).mean() for seed in range(5)]
        for cls in (MLPClassifier, ThreeLayerNNClassifier)
    )
    assert max(theirs) < 0.91
    assert min(ours) > 0.94
