"""Laws of the search, the displays and the ONNX export."""

import operator

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from onnxruntime import InferenceSession
from skl2onnx import to_onnx
from sklearn.metrics import f1_score, log_loss
from sklearn.model_selection import GridSearchCV

import sknn3.onnx
from sknn3 import ThreeLayerNNClassifier, ThreeLayerNNClassifierCV
from sknn3.display import (
    GradientCheckDisplay,
    HiddenUnitsDisplay,
    ImageGridDisplay,
    LossCurveDisplay,
)
from strategies import LABELS, TRAINING, fitted, one_in, problems

# ----------------------------------------------------------------------- the search


def f1_macro(estimator, X, y):
    """Return the macro F1 score, without warnings about labels that no sample has."""
    return f1_score(y, estimator.predict(X), average="macro", zero_division=0)


def neg_log_loss(estimator, X, y):
    """Return minus the mean log loss; each label of a sample is a binary target."""
    P = estimator.predict_proba(X)
    if y.ndim == 2:
        eps = np.finfo(P.dtype).eps
        losses = -np.log(np.where(y, P, 1 - P).clip(eps, 1 - eps))
        return -np.mean(losses.mean(axis=1))
    if len(estimator.classes_) == 1:  # log_loss needs two
        return -log_loss(np.zeros(len(y)), np.hstack([P, 0 * P]), labels=[0, 1])
    return -log_loss(y, P, labels=estimator.classes_)


@pytest.mark.needs_sklearn("1.9", "a log loss by NumPy's logarithm")
@one_in(20)
@given(
    problems(rows_per_class=3),
    st.fixed_dictionaries({k: v for k, v in TRAINING.items() if k != "max_iter"}),
    st.lists(st.sampled_from([0.0, 1e-3, 1.0, 10]), min_size=1, max_size=3),
    st.lists(st.integers(1, 8), min_size=1, max_size=3),
    st.sampled_from(["numbers", "strings", "truth", "several"]),
    st.sampled_from([None, "accuracy", f1_macro]),
    st.sampled_from([2, 3]),
)
def test_search_equals_grid_search(
    problem, training, alphas, max_iters, labels, scoring, cv
):
    X, y = problem.X, LABELS[labels](problem.codes)
    options = problem.options | training | {"random_state": 0}
    del options["alpha"]
    if labels == "several":
        options["output_activation"] = "logistic"
    grid = {"alpha": alphas, "max_iter": max_iters}
    network = ThreeLayerNNClassifier(**options)
    theirs = GridSearchCV(network, grid, cv=cv, scoring=scoring or neg_log_loss)
    fitted(theirs, X, y)
    ours = fitted(
        ThreeLayerNNClassifierCV(
            alphas=alphas, max_iters=max_iters, cv=cv, scoring=scoring, **options
        ),
        X,
        y,
    )
    for key, expected in theirs.cv_results_.items():
        if not key.endswith("_time"):
            assert_array_equal(ours.cv_results_[key], expected)
    assert ours.best_params_ == theirs.best_params_
    assert ours.best_score_ == theirs.best_score_
    assert_array_equal(ours.theta1_, theirs.best_estimator_.theta1_)
    assert_array_equal(ours.theta2_, theirs.best_estimator_.theta2_)
    assert ours.loss_curve_ == theirs.best_estimator_.loss_curve_


# --------------------------------------------------------------------------- displays

VALUES = st.floats(-1e9, 1e9, allow_subnormal=False)
COSTS = st.floats(1e-9, 1e9) | st.just(0.0)


def drawn(display):
    """Render the display, close its figure, and return the display."""
    display.figure_.draw_without_rendering()
    plt.close(display.figure_)
    return display


@one_in(100)
@given(st.lists(COSTS, min_size=1, max_size=9), st.booleans(), st.data())
def test_loss_curve_display_plots_given_values(costs, with_scores, data):
    scores = None
    if with_scores:
        n = len(costs)
        kind = data.draw(st.sampled_from([st.floats(0, 1), COSTS.map(operator.neg)]))
        scores = data.draw(st.lists(kind, min_size=n, max_size=n))
    display = drawn(LossCurveDisplay.from_data(costs, validation_scores=scores))
    assert_array_equal(display.line_.get_ydata(), costs)
    assert_array_equal(display.line_.get_xdata(), 1 + np.arange(len(costs)))
    if with_scores:
        sign = 1 if max(scores) > 0 else -1  # scores are minus losses
        assert_array_equal(sign * display.validation_line_.get_ydata(), scores)


@one_in(100)
@given(st.lists(st.tuples(VALUES, VALUES | st.none()), min_size=1, max_size=9))
def test_gradient_check_display_separates_wrong_components(pairs):
    analytic = np.array([a for a, _ in pairs])
    numeric = np.array([a if n is None else n for a, n in pairs])
    display = drawn(GradientCheckDisplay.from_data(analytic, numeric))
    largest = max(np.abs(analytic).max(), np.abs(numeric).max())
    wrong = np.abs(analytic - numeric) > 1e-5 * largest
    assert_array_equal(display.lines_[0].get_xdata(), np.flatnonzero(~wrong))
    assert_array_equal(display.lines_[1].get_xdata(), np.flatnonzero(wrong))
    assert ("right" in display.ax_.get_title()) == (not wrong.any())


@st.composite
def matrices(draw):
    shape = draw(st.integers(1, 6)), draw(st.integers(1, 9))
    rng = np.random.RandomState(draw(st.integers(0, 2**32 - 1)))
    return rng.standard_normal(shape) * 10.0 ** draw(st.integers(-9, 9))


@one_in(100)
@given(matrices(), st.sampled_from(["C", "F"]))
def test_hidden_units_and_image_grid_show_given_values(weights, order):
    n, n_pixels = weights.shape
    table = drawn(HiddenUnitsDisplay.from_data(weights, kind="heatmap"))
    assert_array_equal(table.im_.get_array(), weights.T)
    side = 3 if n_pixels == 9 else 1
    shape = (side, n_pixels // side)
    units = drawn(HiddenUnitsDisplay.from_data(weights, image_shape=shape, order=order))
    images = weights.reshape(n, *shape, order=order)
    if order == "F":
        images = np.stack([w.reshape(shape, order="F") for w in weights])
    assert_array_equal(units.weights, images)
    shown = np.asarray(units.im_.get_array().filled(0))
    scaled = np.abs(images / np.abs(images).max(axis=(1, 2), keepdims=True))
    assert_allclose(np.abs(shown).sum(), scaled.sum(), rtol=1e-12)
    grid = drawn(ImageGridDisplay.from_data(images, n_images=n, random_state=0))
    assert_allclose(
        np.sort(np.asarray(grid.im_.get_array().compressed())),
        np.sort(images, axis=None),
    )


# ----------------------------------------------------------------------------- export


@one_in(50)
@given(
    problems(),
    st.sampled_from(["numbers", "strings", "objects", "truth", "negative", "several"]),
    st.fixed_dictionaries(TRAINING),
    st.sampled_from([np.float32, np.float64]),
)
def test_onnx_graph_predicts_like_classifier(problem, labels, training, dtype):
    sknn3.onnx.register()
    X, y = problem.X.astype(dtype), LABELS[labels](problem.codes)
    clf = problem.classifier.set_params(**training)
    if labels == "several":
        clf.set_params(output_activation="logistic")
    fitted(clf, X, y)
    model = to_onnx(clf, X[:1], options={"zipmap": False})
    session = InferenceSession(model.SerializeToString())
    label, probabilities = session.run(None, {"X": X})
    P = clf.predict_proba(X)
    assert_allclose(
        probabilities, P, rtol=0, atol=1e-5 if dtype == np.float32 else 1e-12
    )
    # Rounding may decide between two nearly equal probabilities.
    certain = np.sort(P, axis=1)
    sure = np.abs(P - 0.5).min(axis=1) > 1e-4
    if labels != "several" and P.shape[1] > 1:
        sure = certain[:, -1] - certain[:, -2] > 1e-4
    assert_array_equal(label[sure], clf.predict(X)[sure])
