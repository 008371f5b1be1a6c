"""Arrays of namespaces other than NumPy.

scikit-learn needs SCIPY_ARRAY_API=1 before SciPy is imported: without it these tests
are skipped.  array-api-strict has a second device.  As on a GPU, NumPy cannot read its
arrays.  PyTorch is tested if it is installed, CUDA if there is a device.
"""

import importlib
import os
import pickle
from importlib.util import find_spec
from unittest import SkipTest

import matplotlib.pyplot as plt
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.utils import estimator_checks
from sklearn.utils._array_api import get_namespace_and_device
from sklearn.utils._testing import _array_api_for_tests

import sknn3._conditioning
import sknn3._dataset
from activations import HIDDEN
from sknn3 import ThreeLayerNNClassifier, ThreeLayerNNClassifierCV
from sknn3.display import (
    FeatureEffectsDisplay,
    HiddenUnitsDisplay,
    ImageGridDisplay,
)
from sknn3.network import cost_gradient, forward, random_weights

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.environ.get("SCIPY_ARRAY_API") != "1", reason="needs SCIPY_ARRAY_API=1"
    ),
    pytest.mark.filterwarnings(
        "ignore::sklearn.exceptions.ConvergenceWarning"  # max_iter is small
    ),
]

BACKENDS = [("array_api_strict", None), ("array_api_strict", "device1")]
if find_spec("torch"):
    import torch

    BACKENDS += [("torch", "cpu")]
    BACKENDS += [("torch", "cuda")] if torch.cuda.is_available() else []

scores = pytest.mark.needs_sklearn("1.8", "these scores for arrays of other libraries")
indexing = pytest.mark.needs_sklearn("1.8", "rows of array-api-strict by NumPy indices")

VARIANTS = {
    "default": {},
    "lbfgs-softmax-relu": {
        "solver": "lbfgs",
        "output_activation": "softmax",
        "activation": "relu",
    },
    "tanh-diagonal": {"activation": "tanh", "conditioning": "diagonal"},
    "identity-balanced": {"activation": "identity", "class_weight": "balanced"},
    "early-stopping": {"early_stopping": True, "n_iter_no_change": 3},
    "unconditioned": {"conditioning": None},
}


@pytest.fixture(autouse=True)
def dispatch():
    with config_context(array_api_dispatch=True):
        yield


@pytest.fixture(params=BACKENDS, ids=lambda place: "-".join(filter(None, place)))
def send(request):
    """Return a function that converts NumPy arrays to the namespace and device."""
    name, device = request.param
    xp = importlib.import_module(name)
    if device == "device1":
        device = xp.Device(device)

    def send(array):
        return xp.asarray(array, device=device)

    return send


def fetch(array):
    if type(array).__module__.startswith("torch"):
        return array.cpu().numpy()
    xp, _, _ = get_namespace_and_device(array)
    if xp.__name__ == "array_api_strict":
        return np.asarray(xp.asarray(array, device=xp.Device("CPU_DEVICE")))
    return np.asarray(array)


def same_backend(a, b):
    return get_namespace_and_device(a)[::2] == get_namespace_and_device(b)[::2]


# ------------------------------------------------------------ scikit-learn's checks


def is_available(check):
    """Return whether the libraries and devices of a check are installed."""
    options = check.keywords
    places = [options[key] for key in options if key.endswith("ns_and_device")]
    if not places:
        places = [(options["array_namespace"], options.get("device_name"))]
    try:
        for name, device in places:
            _array_api_for_tests(name, device)
    except SkipTest:
        return False
    return True


def checks_to_run():
    every = estimator_checks._yield_array_api_checks(ThreeLayerNNClassifier())
    return [check for check in every if is_available(check)]


@pytest.mark.needs_sklearn("1.9", "checks that accept `classes_` of NumPy")
@pytest.mark.parametrize("params", VARIANTS.values(), ids=VARIANTS)
@pytest.mark.parametrize(
    "check", checks_to_run(), ids=lambda check: str(check.keywords)
)
def test_classifier_passes_array_api_checks(check, params):
    check("ThreeLayerNNClassifier", ThreeLayerNNClassifier(max_iter=30, **params))


@pytest.mark.needs_sklearn("1.9", "checks that accept `classes_` of NumPy")
@pytest.mark.parametrize(
    "check", checks_to_run(), ids=lambda check: str(check.keywords)
)
def test_search_passes_array_api_checks(check):
    search = ThreeLayerNNClassifierCV(alphas=[0.1, 1], max_iters=[3, 9], cv=3)
    check("ThreeLayerNNClassifierCV", search)


# ------------------------------------------------------------ results equal NumPy's


@pytest.mark.parametrize(
    "scoring",
    [
        "loss",
        "accuracy",
        pytest.param("neg_log_loss", marks=scores),
        pytest.param("balanced_accuracy", marks=scores),
    ],
)
@pytest.mark.parametrize("given", ["X_val", "split"])
@pytest.mark.parametrize("multilabel", [False, True])
def test_validation_equals_numpy(send, scoring, given, multilabel):
    X, y = load_iris(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    if multilabel:
        y = np.stack([y > 0, y > 1, y == 1], axis=1).astype(int)
        scoring = {"accuracy": "f1_macro"}.get(scoring, "loss")
    options = {"early_stopping": True, "scoring": scoring, "max_iter": 20}
    clf = ThreeLayerNNClassifier(**options, random_state=0)
    train, weight = slice(0, 150, 2), np.arange(75) % 3
    arrays = {"X_val": X[1::2], "y_val": y[1::2], "sample_weight_val": weight}
    if given == "split":
        arrays, train = {}, slice(None)
    expected = clone(clf).fit(X[train], y[train], **arrays)
    sent = {name: send(array) for name, array in arrays.items()}
    clf.fit(send(X[train]), send(y[train]), **sent)
    losses, scores = expected.validation_loss_curve_, expected.validation_scores_
    assert_allclose(clf.validation_loss_curve_, losses, rtol=1e-7)
    assert_allclose(clf.validation_scores_, scores, rtol=1e-7)


def test_validation_samples_in_another_namespace_raise(send):
    X, y = load_iris(return_X_y=True)
    clf = ThreeLayerNNClassifier()
    with pytest.raises(ValueError, match=r"X_val.*namespace"):
        clf.fit(send(X), send(y), X_val=X, y_val=y)
    with pytest.raises(ValueError, match=r"X_val.*namespace"):
        clf.fit(X, y, X_val=send(X), y_val=send(y))


@pytest.mark.parametrize("params", VARIANTS.values(), ids=VARIANTS)
@pytest.mark.parametrize("kind", ["binary", "multiclass", "multilabel"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fit_and_predictions_equal_numpy(send, params, kind, dtype, rng):
    X, y = load_iris(return_X_y=True)
    X = StandardScaler().fit_transform(X).astype(dtype)
    if kind == "binary":
        X, y = X[50:], y[50:]
    elif kind == "multilabel":
        y = np.stack([y > 0, y > 1, y == 1], axis=1).astype(int)
        params = {k: v for k, v in params.items() if k != "output_activation"}
    weights = rng.uniform(0.5, 2, len(X))
    weights[::7] = 0
    # In float32 rounding makes the paths differ after some passes.
    max_iter, tolerance = (5, 1e-3) if dtype == np.float32 else (25, 1e-9)
    clf = ThreeLayerNNClassifier(3, max_iter=max_iter, random_state=0, **params)
    here = clf.fit(X, y, weights)
    P, classes, outputs = here.predict_proba(X), here.predict(X), here.loss_curve_
    raw, logs = here.decision_function(X), here.predict_log_proba(X)
    of_outputs = {"response_method": "decision_function"}
    gradients = here.input_gradients(X), here.input_gradients(X, **of_outputs)
    there = ThreeLayerNNClassifier(**clf.get_params())
    X_sent = send(X)
    there.fit(X_sent, send(y), send(weights))
    assert_allclose(there.loss_curve_, outputs, rtol=tolerance)
    assert there.stop_reason_ == here.stop_reason_
    for theirs, ours in [
        (there.theta1_, here.theta1_),
        (there.theta2_, here.theta2_),
        (there.predict_proba(X_sent), P),
        (there.predict_log_proba(X_sent), logs),
        (there.decision_function(X_sent), raw),
        (there.input_gradients(X_sent), gradients[0]),
        (there.input_gradients(X_sent, **of_outputs), gradients[1]),
    ]:
        assert same_backend(theirs, X_sent)
        assert theirs.dtype == X_sent.dtype
        assert_allclose(fetch(theirs), ours, rtol=10 * tolerance, atol=10 * tolerance)
    predicted = there.predict(X_sent)
    assert same_backend(predicted, X_sent)
    assert_array_equal(fetch(predicted), classes)


def test_several_blocks_on_device_give_fit_of_one_block(send, large, monkeypatch):
    X, y = large
    clf = ThreeLayerNNClassifier(5, max_iter=10, random_state=0)
    whole = fetch(clf.fit(send(X), y).predict_proba(send(X)))
    monkeypatch.setattr(sknn3._dataset, "DEVICE_BLOCK_ROWS", 999)
    assert len(sknn3._dataset.row_blocks(5000, on_cpu=False)) == 6
    blocks = fetch(clf.fit(send(X), y).predict_proba(send(X)))
    assert_allclose(blocks, whole, atol=1e-7)


def test_conditioning_on_device_from_sampled_rows_equals_numpy(
    send, large, monkeypatch
):
    X, y = large
    monkeypatch.setattr(sknn3._conditioning, "MAX_PRODUCTS", 1)
    clf = ThreeLayerNNClassifier(5, max_iter=5, random_state=0)
    here = clf.fit(X, y).loss_curve_
    assert_allclose(clf.fit(send(X), y).loss_curve_, here, rtol=1e-9)


@pytest.mark.parametrize("activation", HIDDEN)
@pytest.mark.parametrize("Y", ["indices", "indicator"])
@pytest.mark.parametrize("output", ["logistic", "softmax"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cost_gradient_and_forward_equal_numpy(
    send, iris, activation, Y, output, dtype
):
    X, y = iris[0].astype(dtype), iris[1]
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    y = np.eye(3)[y] if Y == "indicator" else y
    theta1, theta2 = random_weights(4, 5, 1.0, 0), random_weights(5, 3, 1.0, 1)
    params = np.concatenate([theta1.ravel(), theta2.ravel()])
    activations = {"activation": activation, "output_activation": output}
    options = {"hidden_layer_size": 5, "alpha": 0.5, **activations}
    weights = np.linspace(0.5, 2, 150)
    cost, gradient = cost_gradient(params, X, y, sample_weight=weights, **options)
    there = cost_gradient(
        params, send(X), send(y), sample_weight=send(weights), **options
    )
    assert_allclose(there[0], cost, rtol=tolerance)
    assert isinstance(there[1], np.ndarray)
    assert_allclose(there[1], gradient, atol=tolerance)
    for theirs, ours in zip(
        forward(send(X), send(theta1), theta2, **activations),
        forward(X, theta1, theta2, **activations),
        strict=True,
    ):
        assert_allclose(fetch(theirs), ours, atol=tolerance)
        assert same_backend(theirs, send(X))


def test_integers_are_converted_to_float64(send):
    X = send(np.arange(40).reshape(20, 2))
    clf = ThreeLayerNNClassifier(2, max_iter=5, random_state=0)
    assert "float64" in str(clf.fit(X, np.arange(20) % 2).theta1_.dtype)


# ------------------------------------------------ inputs and outputs, moves, errors


def test_predicted_strings_are_numpy_arrays(send, iris):
    X, y = iris
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    X = send(X)
    clf = ThreeLayerNNClassifier(4, max_iter=30, random_state=0).fit(X, names)
    assert clf.predict(X).dtype == names.dtype
    assert np.mean(clf.predict(X) == names) > 0.95


def test_y_as_list_gives_same_fit(send, iris):
    X, y = iris
    clf = ThreeLayerNNClassifier(4, max_iter=5, random_state=0)
    of_list = clf.fit(send(X), y.tolist()).loss_curve_
    assert clf.fit(send(X), send(y)).loss_curve_ == of_list


def test_predict_in_other_namespace_raises(send, iris):
    X, y = iris
    clf = ThreeLayerNNClassifier(4, max_iter=5).fit(send(X), y)
    for method in ("predict", "predict_proba", "predict_log_proba"):
        error = rf"{method}\(\) must use the same namespace"
        for values in (X, X.tolist()):
            with pytest.raises(ValueError, match=error):
                getattr(clf, method)(values)
    clf.fit(X, y)
    with pytest.raises(ValueError, match="must use the same namespace"):
        clf.decision_function(send(X))


def test_predict_without_dispatch_raises(send, iris):
    clf = ThreeLayerNNClassifier(4, max_iter=5).fit(send(iris[0]), iris[1])
    with config_context(array_api_dispatch=False):
        for X in (iris[0], send(iris[0])):
            with pytest.raises(ValueError, match="with array_api_dispatch=True"):
                clf.predict(X)


@pytest.mark.parametrize("fitted", [np.float32, np.float64])
@pytest.mark.parametrize("asked", [np.float32, np.float64, np.int64])
def test_predictions_for_other_dtype_than_fitted_equal_numpy(send, iris, fitted, asked):
    X, y = iris
    clf = ThreeLayerNNClassifier(4, max_iter=5, random_state=0)
    there = (
        clone(clf).fit(send(X.astype(fitted)), y).predict_proba(send(X.astype(asked)))
    )
    here = clf.fit(X.astype(fitted), y).predict_proba(X.astype(asked))
    assert_allclose(fetch(there), here, rtol=1e-3)
    assert fetch(there).dtype == here.dtype


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, bool, np.float32])
def test_labels_of_any_dtype_are_predicted(send, iris, dtype):
    X, y = send(iris[0]), (iris[1] > 0).astype(dtype)
    clf = ThreeLayerNNClassifier(4, max_iter=20, random_state=0).fit(X, y)
    assert np.mean(fetch(clf.predict(X)) == y) > 0.95


@indexing
@pytest.mark.parametrize("multilabel", [False, True])
def test_search_by_log_loss_equals_numpy(multilabel, iris, send, rng):
    X, y = iris
    y = np.stack([y > 0, y == 1], axis=1).astype(int) if multilabel else y
    weights = rng.uniform(0.1, 1, len(y))
    search = ThreeLayerNNClassifierCV(
        alphas=[1], max_iters=[5], cv=2, hidden_layer_size=4, random_state=0
    )
    expected = clone(search).fit(X, y, weights)
    search.fit(send(X), send(y), send(weights))
    assert_allclose(search.best_score_, expected.best_score_, rtol=1e-6)
    score = search.score(send(X), send(y), send(weights))
    assert_allclose(score, expected.score(X, y, weights), rtol=1e-6)
    error = "y has several columns" if multilabel else "Unknown label type: continuous"
    with pytest.raises(ValueError, match=error):
        search.score(send(X), send(y + 0.5))


@pytest.mark.needs_sklearn("1.9", "move_estimator_to")
def test_move_estimator_to_moves_search_to_numpy(iris, send):
    from sklearn.utils._array_api import move_estimator_to

    X, y = iris
    search = ThreeLayerNNClassifierCV(
        alphas=[1], max_iters=[5], cv=2, hidden_layer_size=4
    )
    moved = move_estimator_to(search.fit(send(X), y), np, "cpu")
    assert moved.best_params_ == search.best_params_
    assert isinstance(moved.theta1_, np.ndarray)
    unfitted = move_estimator_to(ThreeLayerNNClassifier(7), np, "cpu")
    assert unfitted.hidden_layer_size == 7


def test_nan_in_fit_or_predict_raises(send, iris):
    X, y = iris
    bad = X.copy()
    bad[3, 1] = np.nan
    clf = ThreeLayerNNClassifier(4, max_iter=5)
    with pytest.raises(ValueError, match="NaN"):
        clf.fit(send(bad), y)
    assert not hasattr(clf, "theta1_")
    with pytest.raises(ValueError, match="NaN"):
        clf.fit(send(X), y).predict(send(bad))


def test_warm_start_continues_on_device(send, iris):
    X, y = iris
    X = send(X)
    clf = ThreeLayerNNClassifier(4, max_iter=10, warm_start=True, random_state=0)
    first = clf.fit(X, y).loss_
    assert clf.fit(X, y).loss_curve_[0] == pytest.approx(first, rel=1e-12)
    assert clf.loss_ < first


def test_initial_weights_from_device_give_same_loss(send, iris):
    X, y = iris
    clf = ThreeLayerNNClassifier(4, max_iter=10, random_state=0).fit(send(X), y)
    weights = {"coefs_init": clf.coefs_, "intercepts_init": clf.intercepts_}
    again = ThreeLayerNNClassifier(4, max_iter=1).fit(send(X), y, **weights)
    assert again.loss_ == pytest.approx(clf.loss_, rel=1e-9)


@pytest.mark.needs_sklearn("1.9", "move_estimator_to")
@pytest.mark.parametrize("labels", ["numbers", "strings"])
def test_pipeline_moves_to_numpy_and_back(send, iris, labels):
    from sklearn.utils._array_api import move_estimator_to

    X, y = iris
    y = y.astype(str) if labels == "strings" else y
    X_sent = send(X)
    there = make_pipeline(
        MinMaxScaler(), ThreeLayerNNClassifier(4, max_iter=10, random_state=0)
    ).fit(X_sent, y)
    here = move_estimator_to(there, np, "cpu")
    assert isinstance(here[-1].theta1_, np.ndarray)
    assert isinstance(here[-1].coefs_[0], np.ndarray)
    expected = fetch(there.predict_proba(X_sent))
    assert_allclose(here.predict_proba(X), expected, atol=1e-12)
    assert_array_equal(here.predict(X), fetch(there.predict(X_sent)))
    assert here[-1].stop_reason_ == there[-1].stop_reason_
    xp, _, device = get_namespace_and_device(X_sent)
    back = move_estimator_to(here, xp, device)
    assert same_backend(back[-1].theta2_, X_sent)
    assert_allclose(fetch(back.predict_proba(X_sent)), expected, atol=1e-12)


def test_pickle_keeps_namespace_and_device(send, iris):
    X, y = iris
    X = send(X)
    clf = ThreeLayerNNClassifier(4, max_iter=5).fit(X, y)
    loaded = pickle.loads(pickle.dumps(clf))
    assert same_backend(loaded.theta1_, X)
    assert_array_equal(fetch(loaded.predict(X)), fetch(clf.predict(X)))


@indexing
@pytest.mark.parametrize("name", ["array_api_strict", "torch"])
def test_displays_plot_numpy_arrays(name, iris):
    xp = pytest.importorskip(name)
    X, y = xp.asarray(iris[0]), iris[1]
    clf = ThreeLayerNNClassifier(4, max_iter=5, random_state=0).fit(X, y)
    weights = HiddenUnitsDisplay.from_estimator(clf).weights
    assert_array_equal(weights, np.asarray(clf.theta1_[:, 1:]).reshape(-1, 2, 2))
    grid = ImageGridDisplay.from_estimator(clf, X, y, random_state=0)
    assert len(grid.text_) == 25
    effects = FeatureEffectsDisplay.from_estimator(clf, X, target=1).effects
    gradients = np.asarray(clf.input_gradients(X))[:, 1]
    assert_allclose(effects, gradients * iris[0].std(axis=0), rtol=1e-6)
    plt.close("all")


def test_max_iter_warns(send, iris):
    X, y = iris
    with pytest.warns(ConvergenceWarning, match="max_iter=2 passes"):
        ThreeLayerNNClassifier(4, max_iter=2).fit(send(X), y)


if find_spec("torch"):

    @pytest.fixture(params=[p for p in BACKENDS if p[0] == "torch"], ids="-".join)
    def send_tensor(request):
        """Return a function that converts NumPy arrays to tensors."""
        return lambda array: torch.asarray(array, device=request.param[1])

    def test_grid_search_over_alpha_equals_numpy(send_tensor, iris):
        X, y = iris
        grid = {"alpha": [0.1, 100]}
        clf = ThreeLayerNNClassifier(4, max_iter=10, random_state=0)
        here = GridSearchCV(clf, grid, cv=3).fit(X, y).cv_results_["mean_test_score"]
        there = GridSearchCV(clf, grid, cv=3).fit(send_tensor(X), send_tensor(y))
        assert_allclose(there.cv_results_["mean_test_score"], here, atol=1e-6)

    def test_tensors_without_dispatch_give_numpy_fit(iris):
        X, y = iris
        with config_context(array_api_dispatch=False):
            clf = ThreeLayerNNClassifier(4, max_iter=5, random_state=0)
            expected = clf.fit(X, y).theta1_
            assert_array_equal(
                clf.fit(torch.asarray(X), torch.asarray(y)).theta1_, expected
            )
