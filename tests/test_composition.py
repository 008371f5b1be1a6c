"""The classifier inside scikit-learn's meta-estimators, compared with plain loops."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.optimize
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, log_softmax, softmax
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV, CalibrationDisplay
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris, make_classification
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.exceptions import ConvergenceWarning, UnsetMetadataPassedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 (its import is the switch)
from sklearn.feature_selection import RFE, SelectFromModel
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import DecisionBoundaryDisplay, permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, log_loss
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    HalvingGridSearchCV,
    StratifiedKFold,
    TunedThresholdClassifierCV,
    ValidationCurveDisplay,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, StandardScaler

from sknn3 import ThreeLayerNNClassifier
from sknn3.network import pack


def quick(**params):
    """Return a network that converges in a few dozen passes."""
    small = {"hidden_layer_size": 5, "tol": 3e-3, "random_state": 0}
    return ThreeLayerNNClassifier(**small | params)


def weights_of(clf):
    return pack(clf.theta1_, clf.theta2_)


def assert_same_weights(first, second):
    assert_array_equal(weights_of(first), weights_of(second))


def probabilities(clf, X):
    """Return class probabilities of a fitted network with logistic hidden units."""
    A = expit(X @ clf.coefs_[0] + clf.intercepts_[0])
    O = A @ clf.coefs_[1] + clf.intercepts_[1]
    if O.shape[1] == 1:
        return np.hstack([expit(-O), expit(O)])
    if clf.out_activation_ == "softmax":
        return softmax(O, axis=1)
    return expit(O) / expit(O).sum(axis=1, keepdims=True)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture
def weighted(binary, rng):
    """Some rows of `binary`, with sample weights that change the fit."""
    X, y = binary[0][:200, :6], binary[1][:200]
    w = rng.uniform(0.1, 3, 200) * np.where(y == 1, 1, 3)
    difference = weights_of(quick().fit(X, y, w)) - weights_of(quick().fit(X, y))
    assert np.abs(difference).max() > 0.1
    return X, y, w


@pytest.fixture
def noisy():
    """A logistic problem: a strong feature, one half as strong, and two of noise."""
    rng = np.random.RandomState(1)
    X = rng.standard_normal((900, 4))
    return X, (rng.uniform(size=900) < expit(2 * X[:, 0] - X[:, 1])).astype(int)


# ------------------------------------------------------------------------- weights


@pytest.mark.parametrize("scaler_asks", [True, False])
def test_sample_weight_is_routed_through_pipeline(scaler_asks, weighted):
    X, y, w = weighted
    with config_context(enable_metadata_routing=True):
        pipe = make_pipeline(
            StandardScaler().set_fit_request(sample_weight=scaler_asks),
            quick().set_fit_request(sample_weight=True),
        ).fit(X, y, sample_weight=w)
    Z = StandardScaler().fit_transform(X, sample_weight=w if scaler_asks else None)
    assert_same_weights(pipe[-1], quick().fit(Z, y, w))


def test_sample_weight_is_routed_under_alias_or_not_at_all(weighted):
    X, y, w = weighted
    with config_context(enable_metadata_routing=True):
        pipe = make_pipeline(
            StandardScaler().set_fit_request(sample_weight="rows"),
            quick().set_fit_request(sample_weight="costs"),
        ).fit(X, y, costs=w, rows=1 / w)
        Z = StandardScaler().fit_transform(X, sample_weight=1 / w)
        assert_same_weights(pipe[-1], quick().fit(Z, y, w))
        pipe = make_pipeline(
            StandardScaler().set_fit_request(sample_weight=True),
            quick().set_fit_request(sample_weight=False),
        ).fit(X, y, sample_weight=1 / w)
        assert_same_weights(pipe[-1], quick().fit(Z, y))


@pytest.mark.needs_sklearn("1.8", "sample weights for the score of a pipeline")
def test_sample_weight_is_routed_through_search_over_pipeline(weighted):
    X, y, w = weighted
    grid = {"threelayernnclassifier__alpha": [0.1, 10]}
    with config_context(enable_metadata_routing=True):
        net = quick().set_fit_request(sample_weight=True)
        net.set_score_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=True)
        search = GridSearchCV(make_pipeline(scaler, net), grid, cv=3)
        search.fit(X, y, sample_weight=w)

    def by_hand(alpha, train):
        scaler = StandardScaler().fit(X[train], sample_weight=w[train])
        Z = scaler.transform(X)
        return quick(alpha=alpha).fit(Z[train], y[train], w[train]), Z

    for fold, (train, test) in enumerate(StratifiedKFold(3).split(X, y)):
        for candidate, alpha in enumerate([0.1, 10]):
            clf, Z = by_hand(alpha, train)
            accuracy = np.average(clf.predict(Z[test]) == y[test], weights=w[test])
            scores = search.cv_results_[f"split{fold}_test_score"]
            assert_allclose(scores[candidate], accuracy, rtol=1e-12)
    best = search.best_params_["threelayernnclassifier__alpha"]
    clf, _ = by_hand(best, slice(None))
    assert_same_weights(search.best_estimator_[-1], clf)


def test_sample_weight_without_request_raises(weighted):
    X, y, w = weighted
    with config_context(enable_metadata_routing=True):
        pipe = make_pipeline(quick())
        with pytest.raises(UnsetMetadataPassedError, match=r"ThreeLayer.*\.fit"):
            pipe.fit(X, y, sample_weight=w)
        net = quick().set_fit_request(sample_weight=True)
        with pytest.raises(UnsetMetadataPassedError, match=r"ThreeLayer.*\.score"):
            GridSearchCV(net, {"alpha": [1]}).fit(X, y, sample_weight=w)


def test_sample_weight_is_passed_by_name_of_step(weighted):
    X, y, w = weighted
    pipe = make_pipeline(StandardScaler(), quick())
    pipe.fit(X, y, threelayernnclassifier__sample_weight=w)
    assert_same_weights(pipe[-1], quick().fit(pipe[0].transform(X), y, w))


# -------------------------------------------------------------------------- frames


def framed(kind, X):
    frame = pd.DataFrame if kind == "pandas" else pl.DataFrame
    return frame({name: X[:, i] for i, name in enumerate("abcd")})


@pytest.mark.parametrize("given", ["pandas", "polars"])
@pytest.mark.parametrize("between", ["pandas", "polars"])
def test_frames_between_steps_of_pipeline(given, between, iris):
    X, y = iris
    pipe = make_pipeline(
        StandardScaler(), PolynomialFeatures(interaction_only=True), quick()
    ).set_output(transform=between)
    pipe.fit(framed(given, X), y)
    plain = clone(pipe).set_output(transform="default").fit(X, y)
    names = ["1", *"abcd", "a b", "a c", "a d", "b c", "b d", "c d"]
    assert pipe[-1].feature_names_in_.tolist() == names
    assert not hasattr(plain[-1], "feature_names_in_")
    assert_same_weights(pipe[-1], plain[-1])
    data = framed(given, X)
    P = pipe.predict_proba(data)
    assert_allclose(
        P, plain.predict_proba(X), rtol=1e-12
    )  # frames are in Fortran order
    assert_array_equal(pipe.predict(data), plain.predict(X))

    Z = pipe[:-1].transform(data)
    assert_array_equal(pipe[-1].predict_proba(Z), P)
    for wrong in (Z[names[::-1]], Z[names[:-1]]):
        with pytest.raises(ValueError, match="feature names should match"):
            pipe[-1].predict(wrong)


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_column_transformer_with_numbers_and_strings(kind, iris):
    X, y = iris
    data = framed(kind, X)
    colours = np.array(["red", "green", "blue"])[(X[:, :2] > 0).sum(axis=1)]
    data = (
        data.assign(colour=colours)
        if kind == "pandas"
        else data.with_columns(colour=pl.Series(colours))
    )
    transformer = make_column_transformer(
        (StandardScaler(), ["d", "b"]),
        (OneHotEncoder(sparse_output=False), ["colour"]),
        verbose_feature_names_out=False,
    ).set_output(transform=kind)
    pipe = make_pipeline(transformer, quick()).fit(data, y)
    shades = ["blue", "green", "red"]
    names = ["d", "b", *[f"colour_{shade}" for shade in shades]]
    assert pipe[-1].feature_names_in_.tolist() == names
    by_hand = np.column_stack([X[:, 3], X[:, 1], *[colours == s for s in shades]])
    by_hand[:, :2] = StandardScaler().fit_transform(by_hand[:, :2])
    assert_same_weights(pipe[-1], quick().fit(by_hand, y))


# ---------------------------------------------------------------------- inspection


@pytest.mark.parametrize("response_method", ["predict_proba", "decision_function"])
def test_decision_boundary_display_of_two_classes(response_method, binary):
    X, y = binary[0][:, :2], binary[1]
    clf = quick().fit(X, y)
    display = DecisionBoundaryDisplay.from_estimator(
        clf, X, grid_resolution=20, eps=0.5, response_method=response_method
    )
    axes = [np.linspace(x.min() - 0.5, x.max() + 0.5, 20) for x in X.T]
    for i, j in np.ndindex(20, 20):
        P = probabilities(clf, np.array([[axes[0][j], axes[1][i]]]))[0, 1]
        expected = P if response_method == "predict_proba" else np.log(P / (1 - P))
        assert_allclose(display.response[i, j], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("output_activation", ["logistic", "softmax"])
@pytest.mark.parametrize("class_of_interest", [None, 2])
def test_decision_boundary_display_of_three_classes(
    output_activation, class_of_interest, iris
):
    X, y = iris[0][:, 2:], iris[1]
    clf = quick(output_activation=output_activation).fit(X, y)
    display = DecisionBoundaryDisplay.from_estimator(
        clf,
        X,
        grid_resolution=20,
        response_method="predict_proba",
        class_of_interest=class_of_interest,
    )
    grid = np.column_stack([display.xx0.ravel(), display.xx1.ravel()])
    P = probabilities(clf, grid).reshape(20, 20, 3)
    expected = P if class_of_interest is None else P[..., class_of_interest]
    assert_allclose(display.response, expected, rtol=1e-9, atol=1e-12)


def test_permutation_importance_ranks_strong_weak_and_noise_features(noisy):
    X, y = noisy
    X = np.column_stack([X, np.ones(len(X))])
    clf = quick().fit(X[:450], y[:450])
    result = permutation_importance(clf, X[450:], y[450:], n_repeats=20, random_state=0)
    strong, weak, *noise, constant = result.importances_mean
    assert strong > 2 * weak
    assert weak > 0.03
    assert np.abs(noise).max() < 0.01
    assert constant == 0


def weights_by_feature(clf):
    return np.linalg.norm(clf.coefs_[0], axis=1)


def test_feature_selection_by_importance_getter(noisy):
    X, y = noisy
    clf = quick(tol=5e-4)  # with a larger tol, initial weights decide
    select = SelectFromModel(clf, importance_getter=weights_by_feature).fit(X, y)
    norms = np.sqrt((clone(clf).fit(X, y).theta1_[:, 1:] ** 2).sum(axis=0))
    assert_array_equal(select.get_support(), norms >= norms.mean())
    rfe = RFE(clf, n_features_to_select=1, importance_getter=weights_by_feature)
    rfe.fit(X, y)
    kept = [0, 1, 2, 3]
    for rank in (4, 3, 2):
        norms = weights_by_feature(clone(clf).fit(X[:, kept], y))
        assert rfe.ranking_[kept.pop(norms.argmin())] == rank
    assert kept == [0]
    assert rfe.ranking_[1] == 2


# ------------------------------------------------------------------- probabilities


@pytest.fixture
def overfitted():
    """An overfitted network, with data to calibrate and data to test it."""
    X, y = make_classification(
        1400,
        8,
        n_informative=5,
        n_classes=3,
        class_sep=0.8,
        flip_y=0.2,
        random_state=0,
    )
    clf = quick(
        hidden_layer_size=15,
        alpha=1e-3,
        tol=3e-3,
        max_iter=1000,
        output_activation="softmax",
    ).fit(X[:200], y[:200])
    assert clf.score(X[:200], y[:200]) > clf.score(X[200:], y[200:]) + 0.2
    return clf, (X[200:600], y[200:600]), (X[600:], y[600:])


@pytest.mark.parametrize(
    "method",
    [
        "sigmoid",
        "isotonic",
        pytest.param(
            "temperature",
            marks=pytest.mark.needs_sklearn("1.8", "temperature scaling"),
        ),
    ],
)
def test_calibration_lowers_log_loss_of_overfitted_network(method, overfitted):
    clf, calibration, (X, y) = overfitted
    calibrated = CalibratedClassifierCV(FrozenEstimator(clf), method=method)
    P = calibrated.fit(*calibration).predict_proba(X)
    assert_allclose(P.sum(axis=1), 1)
    assert log_loss(y, P) < 0.6 * log_loss(y, clf.predict_proba(X))


@pytest.mark.needs_sklearn("1.8", "temperature scaling")
def test_temperature_scaling_minimises_log_loss(overfitted):
    clf, (X, y), (X_test, _) = overfitted
    calibrated = CalibratedClassifierCV(FrozenEstimator(clf), method="temperature")
    calibrated.fit(X, y)

    def cost(beta):
        L = log_softmax(beta * np.log(probabilities(clf, X)), axis=1)
        return -L[np.arange(len(y)), y].mean()

    beta = scipy.optimize.minimize_scalar(cost, bracket=(0.1, 1), tol=1e-12).x
    assert beta < 0.5
    P = softmax(beta * np.log(probabilities(clf, X_test)), axis=1)
    assert_allclose(calibrated.predict_proba(X_test), P, rtol=1e-5)


def test_sigmoid_calibration_is_platt_scaling(noisy):
    X, y = noisy
    clf = quick(hidden_layer_size=15, alpha=0.01).fit(X[:100], y[:100])
    calibrated = CalibratedClassifierCV(FrozenEstimator(clf), method="sigmoid")
    calibrated.fit(X[100:500], y[100:500])
    counts = np.bincount(y[100:500])
    targets = np.where(y == 1, (counts[1] + 1) / (counts[1] + 2), 1 / (counts[0] + 2))
    o = np.log(probabilities(clf, X)) @ [-1, 1]
    # A logistic regression on soft targets is a weighted one on both classes.
    platt = LogisticRegression(C=np.inf, tol=1e-10).fit(
        np.tile(o[100:500], 2)[:, np.newaxis],
        np.repeat([1, 0], 400),
        np.concatenate([targets[100:500], 1 - targets[100:500]]),
    )
    P = platt.predict_proba(o[500:, np.newaxis])
    assert_allclose(calibrated.predict_proba(X[500:]), P, rtol=1e-4)
    assert log_loss(y[500:], P) < log_loss(y[500:], clf.predict_proba(X[500:]))


@pytest.mark.needs_sklearn("1.8", "temperature scaling")
def test_calibration_with_cv_averages_folds(overfitted):
    clf, (X, y), (X_test, y_test) = overfitted
    calibrated = CalibratedClassifierCV(clone(clf), cv=3, method="temperature")
    calibrated.fit(X, y)
    members = calibrated.calibrated_classifiers_
    for (train, _), member in zip(StratifiedKFold(3).split(X, y), members, strict=True):
        assert_same_weights(member.estimator, clone(clf).fit(X[train], y[train]))
    P = np.mean([member.predict_proba(X_test) for member in members], axis=0)
    assert_allclose(calibrated.predict_proba(X_test), P)
    plain = clone(clf).fit(X, y).predict_proba(X_test)
    assert log_loss(y_test, P) < 0.95 * log_loss(y_test, plain)


def calibration_error(hits, confidence):
    """Return the expected calibration error over ten bins, and its value by chance."""
    bins = np.minimum((confidence * 10).astype(int), 9)
    error = chance = 0.0
    for b in np.unique(bins):
        p, n = confidence[bins == b], (bins == b).sum()
        error += n * abs(hits[bins == b].mean() - p.mean())
        # The mean deviation of a normal variable is sqrt(2 / pi) of its standard's.
        chance += np.sqrt(2 / np.pi * (p * (1 - p)).sum())
    return error / len(hits), chance / len(hits)


def test_probabilities_of_logistic_problem_are_calibrated():
    rng = np.random.RandomState(0)
    X = rng.standard_normal((10000, 2))
    y = (rng.uniform(size=10000) < expit(X @ [2, -1] + 0.5)).astype(int)
    clf = quick().fit(X[:6000], y[:6000])
    X, y = X[6000:], y[6000:]
    display = CalibrationDisplay.from_estimator(clf, X, y, n_bins=10)
    P = probabilities(clf, X)[:, 1]
    bins = (P * 10).astype(int)
    for b in range(10):
        assert_allclose(display.prob_pred[b], P[bins == b].mean())
        assert_allclose(display.prob_true[b], y[bins == b].mean())
    error, chance = calibration_error(y, P)
    assert error < 2 * chance
    sharper = expit(2 * np.log(P / (1 - P)))
    assert calibration_error(y, sharper)[0] > 4 * chance


def test_probabilities_of_softmax_problem_are_calibrated():
    rng = np.random.RandomState(0)
    X = rng.standard_normal((10000, 2))
    true = softmax(X @ [[2, -1, 0], [0, 1, -2]], axis=1)
    y = (rng.uniform(size=(10000, 1)) > true.cumsum(axis=1)).sum(axis=1)
    clf = quick(output_activation="softmax", tol=1e-3).fit(X[:6000], y[:6000])
    X, y = X[6000:], y[6000:]
    P = clf.predict_proba(X)
    for k in range(3):
        error, chance = calibration_error(y == k, P[:, k])
        assert error < 2 * chance
    hits = P.argmax(axis=1) == y
    error, chance = calibration_error(hits, P.max(axis=1))
    assert error < 2 * chance
    sharper = softmax(2 * np.log(P), axis=1)
    assert calibration_error(hits, sharper.max(axis=1))[0] > 4 * chance


def test_tuned_threshold_has_best_balanced_accuracy():
    X, y = make_classification(
        900, 6, weights=[0.85], class_sep=0.6, flip_y=0.05, random_state=0
    )
    clf = quick().fit(X[:300], y[:300])
    X, y = X[300:], y[300:]
    P = probabilities(clf, X)[:, 1]
    thresholds = np.linspace(0.01, 0.99, 99)
    scores = [
        ((P[y == 1] >= t).mean() + (P[y == 0] < t).mean()) / 2 for t in thresholds
    ]
    tuned = TunedThresholdClassifierCV(
        clf, cv="prefit", refit=False, thresholds=thresholds
    ).fit(X, y)
    assert tuned.best_threshold_ == thresholds[np.argmax(scores)] < 0.5
    assert_allclose(tuned.best_score_, max(scores))
    assert_array_equal(tuned.predict(X), tuned.best_threshold_ <= P)
    assert max(scores) > balanced_accuracy_score(y, clf.predict(X)) + 0.1
    fixed = FixedThresholdClassifier(FrozenEstimator(clf), threshold=0.2).fit(X, y)
    assert_array_equal(fixed.predict(X), P >= 0.2)


# ------------------------------------------------------- several networks from one


def test_one_vs_rest_fits_a_network_for_each_class(iris):
    X, y = iris
    P = np.column_stack(
        [probabilities(quick().fit(X, y == k), X)[:, 1] for k in range(3)]
    )
    ovr = OneVsRestClassifier(quick()).fit(X, y)
    assert_allclose(ovr.predict_proba(X), P / P.sum(axis=1, keepdims=True))
    assert_array_equal(ovr.predict(X), P.argmax(axis=1))


def test_one_vs_one_fits_a_network_for_each_pair(iris):
    X, y = iris
    ovo = OneVsOneClassifier(quick()).fit(X, y)
    votes = np.zeros((len(y), 3))
    for member, (a, b) in zip(ovo.estimators_, [(0, 1), (0, 2), (1, 2)], strict=True):
        rows = (y == a) | (y == b)
        pair = quick().fit(X[rows], y[rows] == b)
        assert_same_weights(member, pair)
        votes[np.arange(len(y)), np.where(pair.predict(X), b, a)] += 1
    clear = votes.max(axis=1) == 2
    assert clear.mean() > 0.95
    assert_array_equal(ovo.predict(X)[clear], votes[clear].argmax(axis=1))


def test_multi_output_classifier_fits_a_network_for_each_target(multilabel):
    X, Y = multilabel
    multi = MultiOutputClassifier(quick(alpha=0.1)).fit(X, Y)
    for k, P in enumerate(multi.predict_proba(X)):
        clf = quick(alpha=0.1).fit(X, Y[:, k])
        assert_same_weights(multi.estimators_[k], clf)
        assert_allclose(P, probabilities(clf, X))
        assert_array_equal(multi.predict(X)[:, k], P[:, 1] > 0.5)


def test_classifier_chain_passes_predictions_to_next_network(rng):
    X = rng.standard_normal((200, 4))
    first = X[:, 0] + 0.5 * rng.standard_normal(200) > 0
    second = first ^ (X[:, 1] > 0)
    Y = np.column_stack([second, first]).astype(int)
    chain = ClassifierChain(quick(alpha=0.1), order=[1, 0]).fit(X, Y)
    head = quick(alpha=0.1).fit(X, Y[:, 1])
    tail = quick(alpha=0.1).fit(np.column_stack([X, Y[:, 1]]), Y[:, 0])
    P_head = probabilities(head, X)[:, 1]
    P_tail = probabilities(tail, np.column_stack([X, P_head > 0.5]))[:, 1]
    P = np.column_stack([P_tail, P_head])
    assert_allclose(chain.predict_proba(X), P)
    assert_array_equal(chain.predict(X), P > 0.5)


def test_bagging_averages_networks_on_drawn_rows_and_features(iris):
    X, y = iris
    bagging = BaggingClassifier(
        quick(), n_estimators=5, max_samples=0.5, max_features=2, random_state=0
    ).fit(X, y)
    P = np.zeros((len(y), 3))
    for member, rows, columns in zip(
        bagging.estimators_,
        bagging.estimators_samples_,
        bagging.estimators_features_,
        strict=True,
    ):
        # scikit-learn passes the number of times that each row was drawn as weights.
        seed = member.random_state
        clf = quick(random_state=seed).fit(X[rows][:, columns], y[rows])
        assert_same_weights(member, clf)
        P += probabilities(clf, X[:, columns]) / 5
    assert len(np.unique([m.random_state for m in bagging.estimators_])) == 5
    assert_allclose(bagging.predict_proba(X), P)


def test_bagging_without_bootstrap_averages_seeds_on_all_rows(iris):
    X, y = iris
    bagging = BaggingClassifier(
        quick(), n_estimators=3, bootstrap=False, random_state=0
    ).fit(X, y)
    fits = [quick(random_state=m.random_state).fit(X, y) for m in bagging.estimators_]
    for member, clf in zip(bagging.estimators_, fits, strict=True):
        assert_same_weights(member, clf)
    assert len({m.random_state for m in bagging.estimators_}) == 3
    each = [probabilities(clf, X) for clf in fits]
    P = bagging.predict_proba(X)
    assert_allclose(P, np.mean(each, axis=0))
    assert log_loss(y, P) <= np.mean([log_loss(y, P_one) for P_one in each])


def test_voting_of_seeds_takes_sample_and_class_weights_in_pipeline(noisy):
    X, y = noisy
    weight = np.arange(len(y)) % 3
    nets = [(f"net{i}", quick(random_state=i, class_weight="balanced")) for i in (0, 1)]
    pipe = make_pipeline(StandardScaler(), VotingClassifier(nets, voting="soft"))
    pipe.fit(X, y, votingclassifier__sample_weight=weight)
    X_scaled = pipe[0].transform(X)
    fits = [clone(net).fit(X_scaled, y, sample_weight=weight) for _, net in nets]
    for member, clf in zip(pipe[-1].estimators_, fits, strict=True):
        assert_same_weights(member, clf)
    P = np.mean([probabilities(clf, X_scaled) for clf in fits], axis=0)
    assert_allclose(pipe.predict_proba(X), P)


def test_bags_without_some_classes_have_the_signs_and_shapes_of_all_classes():
    X, y = make_classification(
        600, 6, weights=[0.97], flip_y=0, class_sep=1.5, random_state=0
    )
    bagging = BaggingClassifier(
        quick(alpha=0.1), n_estimators=20, max_samples=25, random_state=0
    ).fit(X, y)
    n_classes = [len(np.unique(y[rows])) for rows in bagging.estimators_samples_]
    assert set(n_classes) == {1, 2}
    for member, n in zip(bagging.estimators_, n_classes, strict=True):
        assert_array_equal(member.classes_, [0, 1])
        assert n == 2 or (member.decision_function(X) < 0).all()
    X, y = np.vstack([X, X[:300] + 3]), np.append(y, np.full(300, 2))
    bagging = BaggingClassifier(quick(), max_samples=30, random_state=0).fit(X, y)
    assert {len(np.unique(y[rows])) for rows in bagging.estimators_samples_} == {2, 3}
    assert bagging.decision_function(X).shape == (900, 3)
    assert bagging.score(X, y) > 0.9


# The weights of a member may leave nothing that one hidden unit can learn.
@pytest.mark.filterwarnings(
    "ignore:The fitted network is no better:sklearn.exceptions.ConvergenceWarning"
)
def test_adaboost_raises_weights_of_misclassified_samples(noisy):
    X, _ = noisy
    X = X[:300]
    y = (X[:, 0] ** 2 + X[:, 1] ** 2 > 1.4).astype(int)  # too hard for one hidden unit
    # AdaBoost scales the weights to a sum of 1; the penalty counts them as 300 samples.
    params = {"hidden_layer_size": 1, "alpha": 0.1}
    boosting = AdaBoostClassifier(quick(**params), n_estimators=6, random_state=0)
    boosting.fit(X, y)
    w = np.full(300, 1 / 300)
    votes = np.zeros(300)
    for t, member in enumerate(boosting.estimators_):
        clf = quick(**params, random_state=member.random_state).fit(X, y, w)
        assert_allclose(weights_of(member), weights_of(clf), rtol=1e-6, atol=1e-9)
        wrong = clf.predict(X) != y
        error = w[wrong].sum() / w.sum()
        assert_allclose(boosting.estimator_errors_[t], error, rtol=1e-9)
        strength = np.log((1 - error) / error)
        assert_allclose(boosting.estimator_weights_[t], strength, rtol=1e-9)
        votes += strength * (2 * clf.predict(X) - 1)
        w = w * np.exp(strength * wrong)
        w /= w.sum()
    assert t == 5
    first = boosting.estimators_[0]
    same = quick(**params, random_state=first.random_state).fit(X, y)
    assert_allclose(weights_of(first), weights_of(same), rtol=1e-6)
    assert_array_equal(boosting.predict(X), votes > 0)
    unboosted = quick(**params).fit(X, y)
    assert boosting.score(X, y) > unboosted.score(X, y) + 0.05


@pytest.mark.parametrize("solver", ["tnc", "lbfgs"])
def test_adaboost_of_default_networks_learns(solver):
    X, y = load_iris(return_X_y=True)
    clf = ThreeLayerNNClassifier(solver=solver, max_iter=1000, random_state=0)
    boosting = AdaBoostClassifier(clf, n_estimators=5, random_state=0).fit(X, y)
    assert boosting.score(X, y) >= 0.95  # no warning; LogisticRegression has 0.86
    # The first member, of equal weights, is the network itself.
    seed = boosting.estimators_[0].random_state
    alone = clone(clf).set_params(random_state=seed).fit(X, y)
    assert_allclose(
        boosting.estimators_[0].predict_proba(X), alone.predict_proba(X), atol=1e-6
    )


def test_voting_is_weighted_mean_of_probabilities(iris):
    X, y = iris
    members = [("net", quick()), ("bayes", GaussianNB())]
    voting = VotingClassifier(members, voting="soft", weights=[3, 1]).fit(X, y)
    P = 0.75 * probabilities(quick().fit(X, y), X)
    P += 0.25 * GaussianNB().fit(X, y).predict_proba(X)
    assert_allclose(voting.predict_proba(X), P)
    assert_array_equal(voting.predict(X), P.argmax(axis=1))


def test_voting_of_weights_without_a_class_has_all_classes(iris):
    X, y = iris
    members = [("net", quick()), ("bayes", LogisticRegression())]
    voting = VotingClassifier(members, voting="soft").fit(X, y, sample_weight=y != 1)
    P = voting.predict_proba(X)
    assert P.shape == (150, 3)
    assert P[:, 1].max() < 0.05


@pytest.mark.parametrize("data", ["iris", "binary"])
def test_stacking_is_fitted_to_cross_validated_probabilities(data, request):
    X, y = request.getfixturevalue(data)
    X = X[:, :4]
    cv = StratifiedKFold(3, shuffle=True, random_state=0)
    members = [("net", quick()), ("bayes", GaussianNB())]
    stacking = StackingClassifier(members, LogisticRegression(), cv=cv).fit(X, y)
    first = 1 if y.max() == 1 else 0  # the second column only for two classes
    left_out, at_end = [], []
    for model in (quick(), GaussianNB()):
        P = np.empty((len(y), y.max() + 1))
        for train, test in cv.split(X, y):
            P[test] = clone(model).fit(X[train], y[train]).predict_proba(X[test])
        left_out.append(P[:, first:])
        at_end.append(model.fit(X, y).predict_proba(X)[:, first:])
    final = LogisticRegression().fit(np.hstack(left_out), y)
    assert_allclose(stacking.final_estimator_.coef_, final.coef_, rtol=1e-9)
    P = final.predict_proba(np.hstack(at_end))
    assert_allclose(stacking.predict_proba(X), P, rtol=1e-9)


def test_frozen_network_does_not_change(iris):
    X, y = iris
    clf = quick().fit(X[::2], y[::2])
    before = weights_of(clf).copy()
    frozen = FrozenEstimator(clf)
    assert frozen.fit(-X, y[::-1]) is frozen
    assert_array_equal(weights_of(clone(frozen)), before)
    scores = cross_val_score(frozen, X, y, cv=3)
    hits = probabilities(clf, X).argmax(axis=1) == y
    folds = [test for _, test in StratifiedKFold(3).split(X, y)]
    assert_allclose(scores, [hits[test].mean() for test in folds])


# ----------------------------------------------------------------- model selection


def test_cross_validation_equals_loop_over_folds(iris):
    X, y = iris
    P = cross_val_predict(quick(), X, y, cv=3, method="predict_proba")
    results = cross_validate(
        quick(), X, y, cv=3, scoring="neg_log_loss", return_estimator=True
    )
    for fold, (train, test) in enumerate(StratifiedKFold(3).split(X, y)):
        clf = quick().fit(X[train], y[train])
        assert_same_weights(results["estimator"][fold], clf)
        by_hand = probabilities(clf, X[test])
        assert_allclose(P[test], by_hand)
        loss = -np.log(by_hand[np.arange(len(test)), y[test]]).mean()
        assert_allclose(results["test_score"][fold], -loss)


def test_learning_curve_trains_on_first_rows_of_each_fold(binary):
    X, y = binary[0][:300, :5], binary[1][:300]
    sizes, train_scores, test_scores = learning_curve(
        quick(alpha=0.1), X, y, cv=3, train_sizes=[20, 60, 200]
    )
    for fold, (train, test) in enumerate(StratifiedKFold(3).split(X, y)):
        for i, size in enumerate(sizes):
            rows = train[:size]
            clf = quick(alpha=0.1).fit(X[rows], y[rows])
            assert train_scores[i, fold] == (clf.predict(X[rows]) == y[rows]).mean()
            assert test_scores[i, fold] == (clf.predict(X[test]) == y[test]).mean()
    assert test_scores[-1].mean() > test_scores[0].mean()


def test_validation_curve_over_alpha_ends_at_regression_and_class_shares(noisy):
    X, y = noisy[0][:300], noisy[1][:300]
    alphas = [1e-6, 1, 10, 100, 1e6]
    cv = StratifiedKFold(3)
    with pytest.warns(ConvergenceWarning, match="is too large for a sum of") as caught:
        display = ValidationCurveDisplay.from_estimator(
            quick(activation="identity", tol=1e-5),
            X,
            y,
            param_name="alpha",
            param_range=alphas,
            scoring="neg_log_loss",
            cv=cv,
        )
    assert len(caught) == 6  # three folds, with each of the two largest penalties
    # A larger penalty fits the training data less well.
    assert (np.diff(display.train_scores, axis=0) < 0).all()
    for fold, (train, _) in enumerate(cv.split(X, y)):
        p = y[train].mean()
        shares = p * np.log(p) + (1 - p) * np.log(1 - p)
        assert_allclose(display.train_scores[-1, fold], shares, rtol=1e-4)
        regression = LogisticRegression(C=np.inf, tol=1e-8).fit(X[train], y[train])
        loss = log_loss(y[train], regression.predict_proba(X[train]))
        assert_allclose(display.train_scores[0, fold], -loss, rtol=1e-4)


# The search tries small budgets, which end fits before they converge, and penalties for
# which all outputs are constant.
@pytest.mark.filterwarnings(
    r"ignore:max_iter=\d+ passes ended:sklearn.exceptions.ConvergenceWarning",
    "ignore:The fitted network is no better:sklearn.exceptions.ConvergenceWarning",
)
def test_halving_search_over_max_iter_finds_best_of_whole_grid(noisy):
    X, y = noisy[0][:300], noisy[1][:300]
    alphas = np.logspace(-3, 5, 9)
    net = quick(solver="lbfgs", tol=1e-3)
    params = {"cv": StratifiedKFold(3), "scoring": "neg_log_loss"}
    halving = HalvingGridSearchCV(
        net,
        {"alpha": alphas},
        resource="max_iter",
        min_resources=10,
        max_resources=90,
        **params,
    ).fit(X, y)
    assert halving.n_resources_ == [10, 30, 90]
    assert halving.n_candidates_ == [9, 3, 1]
    results = halving.cv_results_
    for alpha, passes, score in zip(
        results["param_alpha"],
        results["n_resources"],
        results["mean_test_score"],
        strict=True,
    ):
        net.set_params(alpha=alpha, max_iter=passes)
        assert_allclose(score, cross_val_score(net, X, y, **params).mean())
    whole = GridSearchCV(net, {"alpha": alphas, "max_iter": [90]}, **params).fit(X, y)
    assert halving.best_params_ == whole.best_params_
    assert halving.best_score_ == whole.best_score_
    assert_same_weights(halving.best_estimator_, whole.best_estimator_)
