"""Properties of every fit of the classifier, and changes that do not change a fit."""

import pickle

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from threadpoolctl import ThreadpoolController, threadpool_limits

from strategies import (
    LABELS,
    TRAINING,
    assert_near,
    assert_same_fit,
    fits,
    fitted,
    networks,
    one_in,
    problems,
    start_from,
)

BLAS = ThreadpoolController().select(user_api="blas")


# ----------------------------------------------------------- properties of each fit


@one_in(2)
@given(fits())
def test_fit_is_finite_consistent_and_repeatable(fit):
    problem, y, classifier = fit
    X, weight = problem.X, problem.weight
    clf = fitted(clone(classifier), X, y, sample_weight=weight)

    # Weights are finite, and the cost never rises.
    for theta in (clf.theta1_, clf.theta2_):
        assert np.isfinite(theta).all()
    assert len(clf.loss_curve_) == clf.n_iter_ <= classifier.max_iter
    assert (np.diff(clf.loss_curve_) <= 0).all()
    if classifier.early_stopping:
        assert max(clf.validation_scores_) == clf.best_validation_score_
        assert clf.loss_ >= clf.loss_curve_[-1]
        # The first passes from random weights minimise a smaller penalty.
        if clf.init_epsilon is not None or clf.alpha == 0:
            assert clf.loss_ in clf.loss_curve_
    else:
        assert clf.loss_ == clf.loss_curve_[-1]

    # Predictions are consistent.
    P, D = clf.predict_proba(X), clf.decision_function(X)
    predicted = clf.predict(X)
    assert ((P > 0) & (P <= 1)).all()
    assert_allclose(np.exp(clf.predict_log_proba(X)), P, rtol=1e-12)
    hits = predicted == y
    if y.ndim == 2:
        assert (P < 1).all()
        assert_array_equal(predicted, D > 0)
        assert_array_equal(predicted, P > 0.5)
        hits = hits.all(axis=1)
    else:
        assert_allclose(P.sum(axis=1), 1, rtol=1e-14)
        assert_array_equal(clf.classes_, np.unique(y))
        assert_array_equal(P.max(axis=1), P[clf.classes_ == predicted[:, None]])
        codes = D.argmax(axis=1) if D.ndim == 2 else (D > 0).astype(int)
        if len(clf.classes_) > 1:
            assert_array_equal(clf.classes_[codes], predicted)
    assert_allclose(clf.score(X, y, weight), np.average(hits, weights=weight))

    # A clone gives the same fit, and a pickle the same predictions.
    same = clone(clf)
    assert same.get_params() == classifier.get_params() == clf.get_params()
    same.set_params(**clf.get_params())
    assert same.get_params() == clf.get_params()
    same.set_params(random_state=np.random.RandomState(classifier.random_state))
    assert_same_fit(fitted(same, X, y, sample_weight=weight), clf)
    restored = pickle.loads(pickle.dumps(clf))
    assert restored.get_params() == clf.get_params()
    assert_array_equal(restored.predict_proba(X), P)


def training(**fixed):
    return st.fixed_dictionaries(TRAINING | {k: st.just(v) for k, v in fixed.items()})


FEW_PASSES = st.fixed_dictionaries(TRAINING | {"max_iter": st.integers(1, 4)})


@one_in(2)
@given(networks(), training(), st.sampled_from([None, "balanced", {0: 0.25}]))
def test_loss_equals_cost_and_falls_from_initial_weights(
    network, training, class_weight
):
    problem = network.problem
    classifier = problem.classifier.set_params(class_weight=class_weight, **training)
    clf = fitted(
        classifier,
        problem.X,
        problem.codes,
        sample_weight=problem.weight,
        **network.start,
    )
    counts = np.bincount(problem.codes, problem.weight)
    of_classes = np.ones(len(counts))
    if class_weight == "balanced":
        of_classes = counts.sum() / (len(counts) * counts)
    elif class_weight:
        of_classes[0] = 0.25
    weight = problem.weight * of_classes[problem.codes]
    weight = weight / min(weight[weight > 0].mean(), 1)  # scaled up to a mean of 1
    Y = problem.codes if len(counts) > 1 else np.ones_like(problem.codes)
    costs = [
        network(*thetas, sample_weight=weight, Y=Y)[0]
        for thetas in [(None, None), (clf.theta1_, clf.theta2_)]
    ]
    assert_allclose([clf.loss_curve_[0], clf.loss_], costs, rtol=1e-7, atol=1e-12)
    assert clf.loss_ <= clf.loss_curve_[0]


@one_in(2)
@given(networks(), training())
def test_warm_start_continues_at_previous_loss(network, training):
    problem = network.problem
    classifier = problem.classifier.set_params(warm_start=True, **training)
    clf = fitted(classifier, problem.X, problem.codes, sample_weight=problem.weight)
    before = clf.loss_
    fitted(clf, problem.X, problem.codes, sample_weight=problem.weight)
    assert_allclose(clf.loss_curve_[0], before, rtol=1e-7, atol=1e-12)
    assert clf.loss_ <= clf.loss_curve_[0]


@one_in(2)
@given(networks(), FEW_PASSES)
def test_float32_is_near_float64(network, training):
    problem = network.problem
    X = problem.X.astype(np.float32)
    classifier = problem.classifier.set_params(**training)
    clf = fitted(classifier, X, problem.codes, sample_weight=problem.weight)
    assert clf.theta1_.dtype == clf.predict_proba(X).dtype == np.float32
    Y = problem.codes if len(clf.classes_) > 1 else np.ones_like(problem.codes)
    wide = [theta.astype(float) for theta in (clf.theta1_, clf.theta2_)]
    cost, *_ = network(*wide, X=X.astype(float), Y=Y)
    assert_allclose(clf.loss_, cost, rtol=1e-4, atol=1e-5)
    clf.set_params(max_iter=1)
    starts = [
        fitted(clone(clf), X_, problem.codes, sample_weight=problem.weight)
        for X_ in (X, X.astype(float))
    ]
    assert_allclose(starts[0].loss_, starts[1].loss_, rtol=1e-4, atol=1e-5)


@one_in(2)
@given(fits(), st.sampled_from([1, 2, 5121]))
def test_predictions_do_not_depend_on_other_rows(fit, n_rows):
    problem, y, classifier = fit
    clf = fitted(classifier, problem.X, y, sample_weight=problem.weight)
    rows = problem.rng.randint(0, len(problem.X), n_rows)
    for predict in (clf.decision_function, clf.predict_proba):
        together = predict(problem.X)
        atol = 1e-13 * max(1, np.abs(together).max())
        assert_allclose(predict(problem.X[rows]), together[rows], rtol=1e-9, atol=atol)


# ------------------------------------------------- changes that do not change a fit


@one_in(2)
@given(fits(), st.integers(0, 30))
def test_scaling_large_sample_weight_and_alpha_gives_same_fit(fit, exponent):
    problem, y, classifier = fit
    X = problem.X
    weight = problem.weight * 2.0**12  # a mean above 1 with any class weights
    clf = fitted(clone(classifier), X, y, sample_weight=weight)
    classifier.alpha *= 2.0**exponent
    scaled = fitted(classifier, X, y, sample_weight=weight * 2.0**exponent)
    assert_same_fit(scaled, clf)


@one_in(2)
@given(fits(), st.integers(0, 30))
def test_scaling_small_sample_weight_gives_same_fit(fit, exponent):
    problem, y, classifier = fit
    X = problem.X
    weight = problem.weight * 2.0**-12  # a mean below 1 with any class weights
    clf = fitted(clone(classifier), X, y, sample_weight=weight)
    scaled = fitted(classifier, X, y, sample_weight=weight * 2.0**-exponent)
    assert_same_fit(scaled, clf)


@one_in(2)
@given(fits(), st.integers(1, 3))
def test_samples_of_weight_zero_are_dropped(fit, n_rows):
    problem, y, classifier = fit
    X, weight = problem.X, problem.weight
    present = weight > 0
    clf = fitted(
        clone(classifier), X[present], y[present], sample_weight=weight[present]
    )
    places = problem.rng.randint(0, len(X) + 1, n_rows)
    X = np.insert(X, places, 1e6, axis=0)
    y = np.insert(y, places, y[0], axis=0)
    weight = np.insert(weight, places, 0)
    assert_same_fit(fitted(classifier, X, y, sample_weight=weight), clf)
    assert_array_equal(classifier.classes_, clf.classes_)


@one_in(2)
@given(fits(), st.integers(1, 3), st.booleans())
def test_class_without_sample_weight_equals_class_weight_of_0(fit, n_rows, first):
    problem, y, classifier = fit
    assume(y.dtype.kind in "iU" and y.ndim == 1)
    absent = ("", "zz") if y.dtype.kind == "U" else (y.min() - 1, y.max() + 1)
    y = np.append(y, np.repeat(absent[0 if first else 1], n_rows))
    X = np.vstack([problem.X, np.full((n_rows, problem.X.shape[1]), 1e6)])
    each = classifier.class_weight
    each = each if isinstance(each, dict) else {}
    by_sample, by_class = (
        fitted(
            clone(classifier).set_params(class_weight=each | of_absent),
            X,
            y,
            sample_weight=np.append(problem.weight, np.repeat(weight, n_rows)),
        )
        for weight, of_absent in [(0, {}), (1, {y[-1]: 0})]
    )
    assert_same_fit(by_sample, by_class)
    assert_array_equal(by_sample.classes_, np.unique(y))
    assert by_sample.predict_proba(problem.X).shape[1] == len(np.unique(y))
    assert np.isfinite(by_sample.theta2_).all()


@one_in(2)
@given(fits())
def test_class_weight_equals_sample_weight(fit):
    problem, y, classifier = fit
    X, weight = problem.X, problem.weight
    if y.ndim == 2:
        each = [{0: 0.5, 1: 3}, {1: 7.0}]
        of_samples = np.array([0.5, 3])[y[:, 0]] * np.array([1, 7.0])[y[:, 1]]
    else:
        each = {label: 0.3 + i for i, label in enumerate(np.unique(y))}
        of_samples = np.array([each[label] for label in y])
    by_class = fitted(
        clone(classifier).set_params(class_weight=each), X, y, sample_weight=weight
    )
    classifier.set_params(class_weight=None)
    by_sample = fitted(classifier, X, y, sample_weight=weight * of_samples)
    assert_same_fit(by_class, by_sample)


@one_in(20)
@given(problems(), training(), st.integers(1281, 4000))
def test_number_of_threads_gives_same_fit(problem, training, n_rows):
    rows = np.arange(n_rows) % len(problem.X)
    X = problem.X[rows] + problem.rng.standard_normal((n_rows, 1))
    classifier = problem.classifier.set_params(**training)
    found = []
    for n_threads in (1, 2, 3):
        with threadpool_limits(n_threads, user_api="blas"):
            limits = BLAS.info()
            found.append(fitted(clone(classifier), X, problem.codes[rows]))
            assert BLAS.info() == limits
    assert_same_fit(found[1], found[0])
    assert_same_fit(found[2], found[0])


# ------------------------------------------------------------------------ symmetries
# Each returns two functions, which change the data and options, and the weights.


def same(*arguments):
    return arguments


def permuted_samples(rng, X, y):
    rows = rng.permutation(len(X))
    return lambda X, y, s, options: (X[rows], y[rows], s[rows], options), same


def repeated_samples(rng, X, y):
    def repeat(X, y, s, options):
        return X.repeat(s, axis=0), y.repeat(s, axis=0), None, options

    return repeat, same


def scaled_sample_weight_and_alpha(rng, X, y):
    c = np.exp(rng.uniform(-5, 5))

    def scale(X, y, s, options):
        return X, y, c * s, options | {"alpha": c * options["alpha"]}

    return scale, same


def permuted_features(rng, X, y):
    features = rng.permutation(X.shape[1])
    columns = np.append(0, 1 + features)
    return (
        lambda X, *rest: (X[:, features], *rest),
        lambda theta1, theta2: (theta1[:, columns], theta2),
    )


def features_of_changed_sign(rng, X, y):
    signs = rng.choice([-1, 1], X.shape[1])
    return (
        lambda X, *rest: (signs * X, *rest),
        lambda theta1, theta2: (np.append(1, signs) * theta1, theta2),
    )


def reversed_hidden_units(rng, X, y):
    return same, lambda theta1, theta2: (
        theta1[::-1],
        np.column_stack([theta2[:, 0], theta2[:, :0:-1]]),
    )


def permuted_classes(rng, X, y):
    if y.ndim == 2:  # multilabel targets
        return (
            lambda X, y, *rest: (X, y[:, ::-1], *rest),
            lambda theta1, theta2: (theta1, theta2[::-1]),
        )
    names = rng.permutation(y.max() + 1)
    if len(names) > 2:
        order = np.argsort(names)
        weights = lambda theta1, theta2: (theta1, theta2[order])  # noqa: E731
    else:  # the output is the logit of the last class
        sign = 1 if names[0] == 0 else -1
        weights = lambda theta1, theta2: (theta1, sign * theta2)  # noqa: E731
    return lambda X, y, *rest: (X, names[y], *rest), weights


SYMMETRIES = [
    permuted_samples,
    repeated_samples,
    scaled_sample_weight_and_alpha,
    permuted_features,
    features_of_changed_sign,
    reversed_hidden_units,
    permuted_classes,
]


@one_in(2)
@given(networks(), st.booleans(), st.sampled_from(SYMMETRIES), FEW_PASSES)
def test_fit_follows_symmetry(network, multilabel, symmetry, training):
    problem, thetas = network.problem, (network.theta1, network.theta2)
    X, y, options = problem.X, problem.codes, problem.options | training
    if multilabel:
        y = LABELS["several"](y)
        options["output_activation"] = "logistic"
        shape = 2, thetas[1].shape[1]
        thetas = thetas[0], problem.rng.uniform(-1, 1, shape)
    data, weights = symmetry(problem.rng, X, y)

    def fit(thetas, X, y, sample_weight, options):
        classifier = problem.classifier.set_params(**options)
        start = start_from(*thetas)
        return fitted(classifier, X, y, sample_weight=sample_weight, **start)

    clf = fit(thetas, X, y, problem.weight, options)
    other = fit(weights(*thetas), *data(X, y, problem.weight, options))
    assert_allclose(other.loss_curve_, clf.loss_curve_, rtol=1e-7)
    expected = weights(clf.theta1_, clf.theta2_)
    assert_near((other.theta1_, other.theta2_), expected, 1e-6)
