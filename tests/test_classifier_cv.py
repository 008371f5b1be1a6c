"""ThreeLayerNNClassifierCV, compared with GridSearchCV over the same candidates."""

import gc
import pickle
import re
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import (
    ConvergenceWarning,
    DataConversionWarning,
    NotFittedError,
)
from sklearn.metrics import get_scorer, log_loss, make_scorer
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, ShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import check_estimator

from sknn3 import ThreeLayerNNClassifier, ThreeLayerNNClassifierCV
from sknn3._minimize import Minimizer

ALPHAS, MAX_ITERS = [0.1, 1, 10], (3, 11, 30)
SMALL = {"hidden_layer_size": 4, "random_state": 0}


def grid_search(
    X,
    y,
    *,
    cv=3,
    scoring=None,
    n_jobs=None,
    weights=None,
    request=True,
    groups=None,
    alphas=ALPHAS,
    max_iters=MAX_ITERS,
    **options,
):
    """Return a fitted GridSearchCV over both parameters."""
    network = ThreeLayerNNClassifier(**(SMALL | options))
    grid = {"alpha": alphas, "max_iter": max_iters}
    search = GridSearchCV(network, grid, cv=cv, scoring=scoring, n_jobs=n_jobs)
    with warnings.catch_warnings():  # for max_iter that ends a fit
        warnings.simplefilter("ignore", ConvergenceWarning)
        if weights is None:
            return search.fit(X, y, groups=groups)
        if request:
            network.set_fit_request(sample_weight=True)
        return search.fit(X, y, sample_weight=weights)


def path_search(X, y, *, weights=None, **options):
    clf = ThreeLayerNNClassifierCV(
        **({"alphas": ALPHAS, "max_iters": MAX_ITERS, "cv": 3} | SMALL | options)
    )
    return clf.fit(X, y, weights)


def assert_equal_searches(ours, theirs):
    table, expected = ours.cv_results_, theirs.cv_results_
    timed = {key for key in expected if key.endswith("_time")}
    assert table.keys() == expected.keys() - timed
    assert table["params"] == expected["params"]
    for key in table.keys() - {"params"}:
        assert_array_equal(table[key], expected[key], strict=True)
        assert type(table[key]) is type(expected[key])
    assert ours.best_index_ == theirs.best_index_
    assert ours.best_params_ == theirs.best_params_
    assert ours.best_score_ == theirs.best_score_
    assert ours.n_splits_ == theirs.n_splits_
    assert (ours.alpha_, ours.max_iter_) == tuple(theirs.best_params_.values())
    best = theirs.best_estimator_
    assert_array_equal(ours.theta1_, best.theta1_)
    assert_array_equal(ours.theta2_, best.theta2_)
    assert ours.loss_curve_ == best.loss_curve_
    assert ours.stop_reason_ == best.stop_reason_


# --------------------------------------------------------- equal to the bit

# Older versions take SciPy's logarithm, whose last bit may differ.
equal_log_loss = pytest.mark.needs_sklearn("1.9", "a log loss by NumPy's logarithm")


@pytest.mark.parametrize("solver", ["tnc", "lbfgs"])
@pytest.mark.parametrize(
    "scoring",
    [
        pytest.param(None, marks=equal_log_loss),
        pytest.param("neg_log_loss", marks=equal_log_loss),
        "accuracy",
        "roc_auc_ovr",
    ],
)
def test_results_equal_grid_search(iris, solver, scoring):
    options = {"solver": solver, "scoring": scoring or "neg_log_loss"}
    ours = path_search(*iris, solver=solver, scoring=scoring)
    assert_equal_searches(ours, grid_search(*iris, **options))


@equal_log_loss
@pytest.mark.parametrize(
    "options",
    [
        {"early_stopping": True, "n_iter_no_change": 4},
        {"early_stopping": True, "n_iter_no_change": 40, "validation_fraction": 0.3},
        {"tol": 0.02},  # converges before max_iter
        {"output_activation": "softmax", "activation": "relu", "conditioning": None},
        {"class_weight": "balanced"},
        {"random_state": np.random.RandomState(5)},
        {"cv": ShuffleSplit(4, random_state=1)},
        {"n_jobs": 2},
    ],
    ids="-".join,
)
def test_results_equal_grid_search_with_other_parameters(iris, options):
    options = {"scoring": "neg_log_loss"} | options
    ours = path_search(*iris, **options)
    assert_equal_searches(ours, grid_search(*iris, **options))


def test_results_equal_grid_search_with_multilabel_targets(multilabel):
    ours = path_search(*multilabel, scoring="accuracy")
    assert_equal_searches(ours, grid_search(*multilabel))


@equal_log_loss
@pytest.mark.parametrize(
    "container", [sp.csr_array, pd.DataFrame, np.asfortranarray, np.ndarray.tolist]
)
def test_results_equal_grid_search_with_other_containers(iris, container):
    X, y = container(iris[0]), iris[1]
    names = np.array(["a", "b", "c"])[y]
    ours = path_search(X, names, scoring="neg_log_loss")
    assert_equal_searches(ours, grid_search(X, names, scoring="neg_log_loss"))


@equal_log_loss
def test_results_equal_grid_search_with_empty_columns_of_sparse_data(iris):
    X, y = sp.csr_array(np.hstack([iris[0], np.zeros((150, 2))])), iris[1]
    X.resize(150, 9)
    X = X.tolil()
    X[:4, 6] = 1  # empty in some of the folds
    X = X.tocsr()
    ours = path_search(X, y, scoring="neg_log_loss")
    assert_equal_searches(ours, grid_search(X, y, scoring="neg_log_loss"))
    assert_array_equal(ours.coefs_[0][[4, 5, 7, 8]], 0)


@equal_log_loss
def test_results_equal_grid_search_with_routed_sample_weight(iris, rng):
    X, y = iris
    weights = rng.uniform(0, 3, len(y))
    weights[::10] = 0
    ours = path_search(X, y, weights=weights, scoring="neg_log_loss")
    with config_context(enable_metadata_routing=True):
        scorer = get_scorer("neg_log_loss").set_score_request(sample_weight=True)
        theirs = grid_search(X, y, weights=weights, scoring=scorer)
    assert_equal_searches(ours, theirs)


@equal_log_loss
def test_results_equal_grid_search_with_sample_weight(iris, rng):
    X, y = iris
    weights = rng.uniform(0, 3, len(y))
    options = {"weights": weights, "scoring": "neg_log_loss"}
    theirs = grid_search(X, y, request=False, **options)
    assert_equal_searches(path_search(X, y, **options), theirs)


def share_of_the_first(clf, X, y):
    return clf.predict_proba(X)[:, 0].sum()


@pytest.mark.parametrize(
    "scoring",
    [share_of_the_first, "rand_score", make_scorer(lambda y, p: np.mean(y == p))],
    ids=["function", "name", "make_scorer"],
)
def test_scorer_without_sample_weight_warns(scoring, iris, rng):
    X, y = iris
    options = {"weights": rng.uniform(0, 3, len(y)), "scoring": scoring}
    with pytest.warns(UserWarning, match="does not support sample_weight"):
        theirs = grid_search(X, y, request=False, **options)
    with pytest.warns(UserWarning, match="takes no sample_weight: all samples of the"):
        ours = path_search(X, y, **options)
    assert_equal_searches(ours, theirs)


def test_scorer_that_requests_no_sample_weight_gets_none(iris, rng):
    X, y = iris
    weights = rng.uniform(0, 3, len(y))
    with config_context(enable_metadata_routing=True):
        scorer = get_scorer("neg_log_loss").set_score_request(sample_weight=False)
        ours = path_search(X, y, weights=weights, scoring=scorer)
        theirs = grid_search(X, y, weights=weights, scoring=scorer)
    assert_equal_searches(ours, theirs)


def test_scorer_gets_max_iter_and_alpha_of_candidate(iris):
    def frugal(clf, X, y):
        return clf.score(X, y) - clf.max_iter / 100 - clf.alpha / 50

    ours = path_search(*iris, scoring=frugal)
    assert_equal_searches(ours, grid_search(*iris, scoring=frugal))


@equal_log_loss
def test_results_equal_grid_search_with_groups(iris):
    X, y = iris
    groups = np.arange(len(y)) % 7
    clf = ThreeLayerNNClassifierCV(
        alphas=ALPHAS, max_iters=MAX_ITERS, cv=GroupKFold(3), **SMALL
    )
    ours = clf.fit(X, y, groups=groups)
    options = {"cv": GroupKFold(3), "groups": groups, "scoring": "neg_log_loss"}
    assert_equal_searches(ours, grid_search(X, y, **options))


@equal_log_loss
@pytest.mark.parametrize("solver", ["tnc", "lbfgs"])
def test_results_equal_grid_search_with_strong_alphas_and_small_budgets(solver, iris):
    # The first passes have a smaller penalty, and some fits end with constant outputs.
    grid = {"alphas": [3, 30, 300], "max_iters": (1, 2, 9, 10, 11, 12, 13, 25)}
    for early_stopping in (False, True):
        options = {"solver": solver, "early_stopping": early_stopping}
        options |= grid | {"scoring": "neg_log_loss", "cv": 2}
        ours = path_search(*iris, **options)
        assert_equal_searches(ours, grid_search(*iris, **options))


def test_scale_of_small_sample_weights_does_not_change_results(iris, rng):
    X, y = iris
    weights = rng.uniform(0.2, 3, 150) * 2.0**-10
    ours = path_search(X, y, weights=weights, scoring="neg_log_loss")
    other = path_search(X, y, weights=weights * 2.0**-20, scoring="neg_log_loss")
    for key, scores in ours.cv_results_.items():
        if key.endswith("_score"):
            assert_array_equal(other.cv_results_[key], scores)
    assert_array_equal(other.theta1_, ours.theta1_)


@pytest.mark.parametrize("order", [(30, 3, 11), (11, 11, 3)])
def test_order_of_max_iters_does_not_change_scores(iris, order):
    in_order = path_search(*iris, scoring="neg_log_loss")
    ours = path_search(*iris, scoring="neg_log_loss", max_iters=order)
    mean = dict(
        zip(
            map(str, in_order.cv_results_["params"]),
            in_order.cv_results_["mean_test_score"],
            strict=True,
        )
    )
    for params, score in zip(
        ours.cv_results_["params"], ours.cv_results_["mean_test_score"], strict=True
    ):
        assert score == mean[str(params)]


def test_each_path_is_trained_once_with_largest_budget(iris, monkeypatch):
    passes, run = [], Minimizer.run

    def spy(self, params):
        result = run(self, params)
        passes.append(len(result.evaluations))
        return result

    monkeypatch.setattr(Minimizer, "run", spy)
    clf = path_search(*iris)
    assert passes == [30] * 9 + [clf.max_iter_]


# ------------------------------------------------------------ as an estimator


@equal_log_loss
def test_score_uses_scoring(iris):
    X, y = iris
    clf = path_search(X, y, scoring="neg_log_loss")
    assert clf.score(X, y) == -log_loss(y, clf.predict_proba(X))
    weights = np.arange(150.0)
    expected = -log_loss(y, clf.predict_proba(X), sample_weight=weights)
    assert clf.score(X, y, sample_weight=weights) == expected
    by_accuracy = path_search(X, y, scoring="accuracy")
    assert by_accuracy.score(X, y) == np.mean(by_accuracy.predict(X) == y)
    by_default = path_search(X, y)
    assert by_default.scoring_ == "neg_log_loss"
    assert by_default.score(X, y) == -log_loss(y, by_default.predict_proba(X))


# ---------------------------------------------------------------- the log loss


def binary_log_losses(Y, P):
    """Return the log loss of each label, by the definition."""
    return -np.where(Y == 1, np.log(P), np.log(1 - P))


@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("scoring", [None, "neg_log_loss"])
def test_log_loss_of_multilabel_targets_is_mean_over_labels(
    container, scoring, multilabel, rng
):
    X, Y = multilabel
    weights = rng.uniform(0.1, 3, len(Y))
    cv = [(np.arange(len(Y)) % 3 != 0, np.arange(len(Y)) % 3 == 0)]
    cv = [tuple(map(np.flatnonzero, fold)) for fold in cv]
    options = {"alphas": [1], "max_iters": [11], "cv": cv, "scoring": scoring}
    clf = path_search(X, container(Y), weights=weights, **options)
    network = ThreeLayerNNClassifier(**SMALL, alpha=1, max_iter=11)
    ((train, test),) = cv
    with pytest.warns(ConvergenceWarning):
        network.fit(X[train], Y[train], weights[train])
    losses = binary_log_losses(Y[test], network.predict_proba(X[test]))
    expected = -np.average(losses.mean(axis=1), weights=weights[test])
    assert_allclose(clf.best_score_, expected, rtol=1e-12)
    losses = binary_log_losses(Y, clf.predict_proba(X)).mean(axis=1)
    assert_allclose(clf.score(X, container(Y)), -losses.mean(), rtol=1e-12)
    expected = -np.average(losses, weights=weights)
    assert_allclose(clf.score(X, container(Y), weights), expected, rtol=1e-12)


@equal_log_loss
@pytest.mark.parametrize("scoring", [None, "neg_log_loss"])
@pytest.mark.parametrize("names", [[0, 1, 2], ["b", "c", "a"]])
def test_test_part_of_a_fold_may_lack_a_class(scoring, names, iris):
    X, y = iris[0], np.array(names)[iris[1]]
    test = np.flatnonzero((iris[1] != 1) & (np.arange(150) % 2 == 0))
    train = np.setdiff1d(np.arange(150), test)
    options = {"alphas": [0.1, 1], "max_iters": [11], "cv": [(train, test)]}
    clf = path_search(X, y, scoring=scoring, **options)

    def log_loss_with_all_classes(clf, X, y):
        return -log_loss(y, clf.predict_proba(X), labels=clf.classes_)

    theirs = grid_search(X, y, scoring=log_loss_with_all_classes, **options)
    assert_equal_searches(clf, theirs)
    # scikit-learn's scorer fails, even for the search.
    with pytest.raises(ValueError, match="different number of classes"):
        path_search(X, y, scoring=get_scorer("neg_log_loss"), **options)


@equal_log_loss
@pytest.mark.parametrize("n_train_classes", [1, 2])
def test_class_that_training_part_lacks_has_probability_zero(n_train_classes, iris):
    X, y = iris
    train = np.flatnonzero(y < n_train_classes)[::2]
    test = np.setdiff1d(np.arange(150), train)
    clf = path_search(X, y, alphas=[0.1, 1], max_iters=[11], cv=[(train, test)])
    assert np.isfinite(clf.cv_results_["mean_test_score"]).all()
    for i, alpha in enumerate([0.1, 1]):
        network = ThreeLayerNNClassifier(**SMALL, alpha=alpha, max_iter=11)
        with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):
            network.fit(X[train], y[train])
        P = np.zeros((len(test), 3))
        P[:, :n_train_classes] = network.predict_proba(X[test])
        expected = -log_loss(y[test], P, labels=[0, 1, 2])
        assert clf.cv_results_["mean_test_score"][i] == expected


def test_log_loss_of_a_rare_class_leaves_default_folds_comparable(iris):
    X, y = iris[0], iris[1].copy()
    y[0] = 3  # the training part of one of the folds lacks this class
    with pytest.warns(UserWarning, match="least populated class"):
        clf = path_search(X, y, cv=None)
    assert len(np.unique(clf.cv_results_["mean_test_score"])) == 9
    assert clf.best_score_ > -1


def test_log_loss_of_one_class_is_zero(iris):
    X = iris[0]
    clf = path_search(X, np.full(150, "a"), alphas=[1], max_iters=[2])
    assert_allclose(clf.best_score_, 0, atol=1e-12)
    assert_allclose(clf.score(X, np.full(150, "a")), 0, atol=1e-12)


def test_score_of_unknown_class_is_low_but_finite(iris):
    X, y = iris
    clf = path_search(X, y)
    assert_allclose(clf.score(X[:1], [7]), np.log(np.finfo(float).eps))


def test_score_of_labels_of_another_shape_raises(iris, multilabel):
    for X, y in iris, multilabel:
        clf = path_search(X, y, alphas=[1], max_iters=[2])
        for wrong in (y[1:], np.column_stack([y, y])):
            with pytest.raises(ValueError, match=r"y has shape .*, expected"):
                clf.score(X, wrong)


def test_score_of_labels_of_another_kind_raises(iris, multilabel):
    X, y = iris
    clf = path_search(X, y, alphas=[1], max_iters=[2])
    named = path_search(X, np.array(list("abc"))[y], alphas=[1], max_iters=[2])
    several = path_search(*multilabel, alphas=[1], max_iters=[2])
    for net, features, wrong, message in [
        (clf, X, y.astype(str), "y has shape .* dtype <U"),
        (clf, X, y.astype(str).astype(object), "y has shape .* dtype object"),
        (clf, X, y + 0.5, "y has float64"),
        (clf, X, None, "y has shape"),
        (named, X, y, "y has shape .* dtype int"),
        (several, multilabel[0], multilabel[1] * 2, "y has several col"),
    ]:
        with pytest.raises(ValueError, match=message):
            net.score(features, wrong)


@pytest.mark.parametrize(
    ("sample_weight", "message"),
    [
        ([1.0], "has shape"),
        (2.0, "has shape"),
        (["a"] * 150, "not numbers"),
        (np.full(150, np.nan), "NaN"),
        (-np.ones(150), "negative"),
        (np.zeros(150), "zero for all"),
    ],
)
def test_score_with_faulty_sample_weight_raises(iris, sample_weight, message):
    clf = path_search(*iris, alphas=[1], max_iters=[2])
    with pytest.raises(ValueError, match=f"sample_weight.*{message}"):
        clf.score(*iris, sample_weight=sample_weight)


def test_test_fold_of_weight_zero_raises(iris):
    X, y = iris
    clf = ThreeLayerNNClassifierCV(alphas=[1], max_iters=[2], cv=KFold(3), **SMALL)
    with pytest.raises(ValueError, match="sample_weight is zero for all"):
        clf.fit(X, y, np.repeat([0.0, 1, 1], 50))


def test_search_in_pipeline_with_frames(iris):
    X, y = load_iris(return_X_y=True, as_frame=True)
    clf = ThreeLayerNNClassifierCV(
        alphas=[1], max_iters=[40], scoring="accuracy", **SMALL
    )
    pipe = make_pipeline(StandardScaler().set_output(transform="pandas"), clf)
    assert pipe.fit(X, y).score(X, y) > 0.9
    assert_array_equal(pipe[-1].feature_names_in_, X.columns)


def test_pickle_and_clone_keep_predictions_and_parameters(iris):
    clf = path_search(*iris)
    loaded = pickle.loads(pickle.dumps(clf))
    assert_array_equal(loaded.predict_proba(iris[0]), clf.predict_proba(iris[0]))
    assert loaded.score(*iris) == clf.score(*iris)
    assert clone(clf).get_params() == clf.get_params()


def test_score_before_fit_raises_not_fitted_error(iris):
    with pytest.raises(NotFittedError):
        ThreeLayerNNClassifierCV().score(*iris)


def test_parameters_equal_classifier_except_searched_ones():
    ours = ThreeLayerNNClassifierCV().get_params()
    theirs = ThreeLayerNNClassifier().get_params()
    assert theirs.keys() - ours.keys() == {"alpha", "max_iter", "warm_start"}
    # `scoring` scores candidates here, and passes in the classifier.
    common = (ours.keys() & theirs.keys()) - {"scoring"}
    assert all(ours[name] == theirs[name] for name in common)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"alphas": []}, r"alphas=\[\], expected one or more values, each a float in"),
        ({"alphas": [1, -1]}, r"alphas=\[1, -1\], .* a float in the range \[0"),
        ({"alphas": ["auto", 1]}, r"alphas=\['auto', 1\], .* a float in the range"),
        ({"alphas": ["1"]}, r"alphas=\['1'\]"),
        ({"alphas": 1.0}, "'alphas' parameter of ThreeLayerNNClassifierCV"),
        (
            {"max_iters": [10, 0]},
            r"max_iters=\[10, 0\], .* each an int in the range \[1, inf\)\.",
        ),
        ({"max_iters": [1.5]}, r"max_iters=\[1.5\]"),
        ({"scoring": "beauty"}, "'scoring' parameter"),
        ({"cv": 1}, "'cv' parameter of ThreeLayerNNClassifierCV"),
        ({"cv": []}, r"cv=\[\] gives no training and test rows"),
        ({"tol": -1}, "'tol' parameter"),
    ],
)
def test_invalid_parameters_raise(iris, params, message):
    clf = ThreeLayerNNClassifierCV(**params)
    with pytest.raises(ValueError, match=message):
        clf.fit(*iris)
    assert not [name for name in vars(clf) if name.endswith("_")]


def test_failed_search_restores_estimator(iris):
    X, y = iris
    clf = path_search(X, y)
    before = clf.predict_proba(X)
    for bad, message in [(X * np.nan, "NaN"), (X * 1e200, "squares of the values")]:
        with pytest.raises(ValueError, match=message):
            clf.fit(bad, y)
    assert_array_equal(clf.predict_proba(X), before)
    assert clf.cv_results_["mean_test_score"].shape == (9,)


def test_score_that_is_not_a_number_raises(iris):
    clf = ThreeLayerNNClassifierCV(
        alphas=[1], max_iters=[5], scoring=lambda *_: {"a": 1.0, "b": 2.0}
    )
    with pytest.raises(ValueError, match="scoring must return a number, got "):
        clf.fit(*iris)


def test_nan_is_worst_score(iris):
    def of_small_budgets(clf, X, y):
        return clf.n_iter_ if clf.n_iter_ < 30 else np.nan

    clf = path_search(*iris, scoring=of_small_budgets)
    assert clf.best_params_ == {"alpha": 0.1, "max_iter": 11}
    ranks = clf.cv_results_["rank_test_score"].reshape(3, 3)
    assert_array_equal(ranks, [[4, 1, 7]] * 3)
    with pytest.raises(ValueError, match="gave NaN for all candidates"):
        path_search(*iris, scoring=lambda *_: np.nan)


@pytest.mark.parametrize("score", [np.inf, -np.inf, 1e308, -1e308])
def test_infinite_and_huge_scores_are_ranked(iris, score):
    def scoring(clf, X, y):
        return score if clf.alpha == 1 else 0.0

    clf = path_search(*iris, alphas=[1.0, 0.5], max_iters=[2], scoring=scoring)
    assert clf.alpha_ == (1 if score > 0 else 0.5)


def test_search_keeps_no_scored_networks(iris):
    def count():
        gc.collect()
        # `isinstance` would import the modules behind lazy objects of other packages.
        types = map(type, gc.get_objects())
        return sum(issubclass(t, ThreeLayerNNClassifier) for t in types)

    before = count()
    clf = path_search(*iris)
    assert count() == before
    assert clf.n_splits_ == 3


def test_column_vector_y_warns_once(iris):
    X, y = iris
    with pytest.warns(DataConversionWarning) as warned:
        ours = path_search(X, y[:, np.newaxis])
    assert len(warned) == 1
    assert_array_equal(ours.theta1_, path_search(X, y).theta1_)


def test_max_time_warns_of_refit(iris):
    clf = ThreeLayerNNClassifierCV(
        alphas=[1, 10], max_iters=[2, 50], cv=2, max_time=1e-9, **SMALL
    )
    with pytest.warns(ConvergenceWarning) as warned:
        clf.fit(*iris)
    (of_refit,) = warned
    assert str(of_refit.message).startswith("max_time=1e-09 seconds ended after 1 pas")
    assert of_refit.filename == __file__


@pytest.mark.parametrize("solver", ["tnc", "lbfgs"])
def test_constant_outputs_of_refit_warn_and_name_alpha(solver, iris):
    X, y = iris
    clf = ThreeLayerNNClassifierCV(
        alphas=[1000], max_iters=[60], cv=3, solver=solver, **SMALL
    )
    message = "alpha=1000 is too large for a sum of sample weights of 150,"
    with pytest.warns(ConvergenceWarning, match=message) as caught:
        clf.fit(X, y)
    assert [warning.filename for warning in caught] == [__file__]
    # Constant outputs of other candidates give no warning.
    clf.set_params(alphas=[0.1, 1000], scoring="neg_log_loss").fit(X, y)
    assert clf.alpha_ == 0.1


def test_verbose_prints_a_line_for_each_path(iris, capsys):
    path_search(*iris, verbose=True, cv=2)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6
    pattern = r"alpha 10   scores -\d\.\d+ after 3, -0\.\d+ after 11, -0\.\d+ after 30"
    assert re.fullmatch(pattern, lines[-1])


@pytest.mark.needs_sklearn("1.9", "callbacks")
@pytest.mark.parametrize("fit", [0, 10])
def test_interrupt_in_any_fit_ends_search(iris, fit):
    class Interrupts:
        max_propagation_depth = None
        n_fits = 0

        def setup(self, estimator, context):
            pass

        teardown = on_fit_task_begin = setup

        def on_fit_task_end(self, estimator, context):
            if context.task_name == "pass" and context.task_id == 2:
                self.n_fits += 1
                if self.n_fits == fit + 1:
                    raise KeyboardInterrupt

    callback = Interrupts()
    clf = ThreeLayerNNClassifierCV(alphas=[1, 10], max_iters=[5])
    with pytest.raises(KeyboardInterrupt):
        clf.set_callbacks(callback).fit(*iris)
    assert callback.n_fits == fit + 1
    assert not [name for name in vars(clf) if name.endswith("_")]


@pytest.mark.needs_sklearn("1.9", "callbacks")
def test_progress_bar_shows_paths_and_refit(iris, capsys):
    from sklearn.callback import ProgressBar

    clf = ThreeLayerNNClassifierCV(alphas=[1, 10], max_iters=[5, 20], cv=2, **SMALL)
    clf.set_callbacks(ProgressBar()).fit(*iris)
    text = capsys.readouterr().out
    assert "ThreeLayerNNClassifierCV - fit" in text
    assert text.count("100%") >= 1 + 4 + 1


VARIANTS = {
    "default": {"alphas": [0.01, 0.1], "max_iters": [5, 20], "cv": 2},
    "softmax": {
        "alphas": [1],
        "max_iters": [5, 10],
        "cv": 2,
        "output_activation": "softmax",
        "solver": "lbfgs",
    },
}
# Tested in `test_array_api.py`: they need SCIPY_ARRAY_API before SciPy is imported.
ELSEWHERE = {
    "check_array_api_input",
    "check_array_api_mixed_inputs",
    "check_array_api_same_namespace",
}


@pytest.mark.parametrize("params", VARIANTS.values(), ids=VARIANTS)
def test_check_estimator(params):
    results = check_estimator(
        ThreeLayerNNClassifierCV(**params), on_fail=None, on_skip=None
    )
    failed = [r for r in results if r["status"] == "failed"]
    assert not [(r["check_name"], r["exception"]) for r in failed]
    skipped = {r["check_name"] for r in results if r["status"] == "skipped"}
    assert skipped <= ELSEWHERE
    assert sum(r["status"] == "passed" for r in results) >= 60


@pytest.mark.parametrize(
    "check",
    [
        estimator_checks.check_param_validation,
        estimator_checks.check_dataframe_column_names_consistency,
    ],
    ids=lambda check: check.__name__,
)
def test_scikit_learn_checks_outside_check_estimator(check):
    clf = ThreeLayerNNClassifierCV(alphas=[1], max_iters=[5])
    check("ThreeLayerNNClassifierCV", clf)


def test_class_without_sample_weight_stays_in_classes(iris):
    X, y = iris
    search = ThreeLayerNNClassifierCV(
        alphas=[1], max_iters=[9], cv=3, tol=0.01, random_state=0
    ).fit(X, y, sample_weight=y != 1)
    assert search.classes_.tolist() == [0, 1, 2]
    assert search.predict_proba(X)[:, 1].max() < 0.05
