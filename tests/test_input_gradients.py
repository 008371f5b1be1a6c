"""Derivatives of the predictions by the features."""

import tracemalloc
from importlib.util import find_spec

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit
from sklearn.exceptions import NotFittedError

import sknn3._dataset
from activations import HIDDEN
from sknn3 import ThreeLayerNNClassifier, ThreeLayerNNClassifierCV

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning"  # max_iter is small
)

METHODS = ["predict_proba", "decision_function"]
KINDS = ["binary", "multiclass", "multilabel"]


def network(**params):
    return ThreeLayerNNClassifier(
        **{"hidden_layer_size": 6, "max_iter": 20, "alpha": 0.1, "random_state": 0}
        | params
    )


def fitted(iris, kind, **params):
    """Return a network, and samples that are not in its training data."""
    X, y = iris
    if kind == "binary":
        y = y == 1
    elif kind == "multilabel":
        y = np.stack([y > 0, y > 1, y == 1], axis=1).astype(int)
        params.pop("output_activation", None)
    clf = network(**params).fit(X, y)
    return clf, np.random.RandomState(0).uniform(-2, 2, (40, 4))


def central_differences(function, X, step=1e-5):
    """Return the derivatives by each feature in a last axis."""
    return np.stack(
        [
            (function(X + along) - function(X - along)) / (2 * step)
            for along in step * np.eye(X.shape[1])
        ],
        axis=-1,
    )


# ------------------------------------------------------------------------ oracles


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("output_activation", ["logistic", "softmax"])
@pytest.mark.parametrize("activation", HIDDEN)
def test_input_gradients_equal_central_differences(
    activation, output_activation, kind, method, iris
):
    clf, X = fitted(
        iris, kind, activation=activation, output_activation=output_activation
    )
    gradients = clf.input_gradients(X, response_method=method)
    predict = getattr(clf, method)
    assert gradients.shape == (*predict(X).shape, 4)
    assert gradients.dtype == np.float64
    expected = central_differences(predict, X)
    assert np.abs(expected).max() > 0.1
    assert_allclose(gradients, expected, atol=1e-8, rtol=1e-7)


def test_input_gradients_of_one_hidden_unit_equal_formula():
    X, y = np.array([[0.0, 1.0], [2.0, -1.0], [1.0, 3.0]]), [0, 1, 1]
    clf = network(hidden_layer_size=1).fit(X, y)
    clf.theta1_[...] = [[0.5, 2.0, -1.0]]
    clf.theta2_[...] = [[0.25, 3.0]]
    a = expit(0.5 + 2 * X[:, 0] - X[:, 1])
    p = expit(0.25 + 3 * a)
    of_output = (3 * a * (1 - a))[:, np.newaxis] * [2, -1]
    of_probability = (p * (1 - p))[:, np.newaxis] * of_output
    assert_allclose(
        clf.input_gradients(X, response_method="decision_function"), of_output
    )
    assert_allclose(
        clf.input_gradients(X), np.stack([-of_probability, of_probability], axis=1)
    )


if find_spec("torch"):
    import torch

    def torch_prediction(clf, method):
        """Return the prediction for one sample as a function of tensors."""
        (W1, W2), (b1, b2) = (
            map(torch.tensor, weights) for weights in (clf.coefs_, clf.intercepts_)
        )

        def predict(x):
            a = HIDDEN[clf.hidden_activation_].in_torch(torch, x @ W1 + b1)
            o = a @ W2 + b2
            one_output = clf.n_outputs_ == 1
            if method == "decision_function":
                return o[0] if one_output else o
            if clf.out_activation_ == "softmax":
                return torch.softmax(o, 0)
            p = torch.sigmoid(torch.cat([-o, o]) if one_output else o)
            return p if one_output or clf.multilabel_ else p / p.sum()

        return predict

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize("method", METHODS)
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("output_activation", ["logistic", "softmax"])
    @pytest.mark.parametrize("activation", HIDDEN)
    def test_input_gradients_equal_torch_autograd(
        activation, output_activation, kind, method, dtype, iris
    ):
        X, y = iris
        clf, rows = fitted(
            (X.astype(dtype), y),
            kind,
            activation=activation,
            output_activation=output_activation,
        )
        rows = rows.astype(dtype)
        predict = torch_prediction(clf, method)
        expected = torch.stack(
            [torch.autograd.functional.jacobian(predict, x) for x in torch.tensor(rows)]
        )
        gradients = clf.input_gradients(rows, response_method=method)
        assert gradients.dtype == dtype
        tolerance = 1e-5 if dtype == np.float32 else 1e-12
        scale = float(expected.abs().max())
        assert_allclose(gradients, expected, rtol=tolerance, atol=tolerance * scale)


# ------------------------------------------------------------------- extreme outputs


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("output_activation", ["logistic", "softmax"])
def test_input_gradients_of_saturated_probabilities_are_zero(
    output_activation, kind, dtype, iris
):
    clf, X = fitted(
        iris, kind, activation="identity", output_activation=output_activation
    )
    far = (1e9 * X).astype(dtype)
    clf.theta1_, clf.theta2_ = clf.theta1_.astype(dtype), clf.theta2_.astype(dtype)
    gradients = clf.input_gradients(far)
    assert gradients.dtype == dtype
    outputs = clf.decision_function(far).reshape(len(X), -1)
    assert np.abs(outputs).min() > 1e3
    assert_allclose(gradients, 0, atol=1e-30)


def test_input_gradients_of_tiny_sigmoids_equal_softmax(iris):
    clf, X = fitted(iris, "multiclass")
    clf.theta2_[:, 0] -= 1000  # all sigmoids underflow
    of_sigmoids = clf.input_gradients(X)
    clf.out_activation_ = "softmax"
    assert np.abs(of_sigmoids).max() > 0.1
    assert_allclose(of_sigmoids, clf.input_gradients(X), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("output_activation", ["logistic", "softmax"])
def test_input_gradients_of_class_probabilities_sum_to_zero(output_activation, iris):
    clf, X = fitted(iris, "multiclass", output_activation=output_activation)
    assert_allclose(clf.input_gradients(X).sum(axis=1), 0, atol=1e-14)


def test_input_gradients_of_single_class_are_zero(rng):
    X = rng.standard_normal((20, 3))
    clf = network().fit(X, np.zeros(20))
    assert_array_equal(clf.input_gradients(X), np.zeros((20, 1, 3)))
    of_output = clf.input_gradients(X, response_method="decision_function")
    assert of_output.shape == (20, 3)


# ------------------------------------------------------------------ input and memory


def as_frame(X):
    return pd.DataFrame(X, columns=list("abcd"))


@pytest.mark.parametrize(
    "container",
    [
        sp.csr_array,
        sp.csc_matrix,
        np.asfortranarray,
        np.ndarray.tolist,
        as_frame,
        pl.from_numpy,
    ],
)
@pytest.mark.parametrize("method", METHODS)
def test_input_gradients_of_any_container_are_equal(container, method, iris):
    X = np.where(np.abs(iris[0]) > 0.5, iris[0], 0)
    clf = network().fit(X, iris[1])
    expected = clf.input_gradients(X, response_method=method)
    same = network().fit(container(X), iris[1])  # fitted with names of columns
    same.theta1_, same.theta2_ = clf.theta1_, clf.theta2_
    gradients = same.input_gradients(container(X), response_method=method)
    assert isinstance(gradients, np.ndarray)
    assert_allclose(gradients, expected, rtol=1e-12, atol=1e-14)


def test_input_gradients_of_sparse_rows_have_all_columns(rng):
    X = sp.csr_array(np.where(rng.uniform(size=(40, 300)) < 0.01, 1.5, 0))
    clf = network(hidden_layer_size=3).fit(X, np.arange(40) % 2)
    clf.theta1_ = rng.standard_normal((3, 301))
    row = X[:1]
    assert row.nnz < 300
    assert_allclose(clf.input_gradients(row), clf.input_gradients(row.toarray()))


@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
def test_input_gradients_of_blocks_equal_single_rows(container, iris, monkeypatch):
    clf, X = fitted(iris, "multiclass")
    whole = clf.input_gradients(container(X))
    monkeypatch.setattr(sknn3._dataset, "ROUND_ROWS", 7)
    assert_allclose(clf.input_gradients(container(X)), whole, rtol=1e-12, atol=1e-15)


def test_input_gradients_of_memory_map_equal_array(tmp_path, iris):
    clf, X = fitted(iris, "multiclass")
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    assert_array_equal(clf.input_gradients(mapped), clf.input_gradients(X))


@pytest.mark.parametrize("d", [1, 1000])
def test_input_gradients_need_memory_of_result_and_one_block(d, rng):
    X = rng.standard_normal((20_000, 1)) * np.ones(d)
    clf = network(max_iter=1).fit(X[:30], np.arange(30) % 3)
    tracemalloc.start()
    gradients = clf.input_gradients(X)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < gradients.nbytes + 2**25


def test_input_gradients_leave_input_and_weights_unchanged(iris):
    clf, X = fitted(iris, "multiclass")
    before = X.copy(), clf.theta1_.copy(), clf.theta2_.copy()
    for method in METHODS:
        clf.input_gradients(X, response_method=method)
    for array, copy in zip((X, clf.theta1_, clf.theta2_), before, strict=True):
        assert_array_equal(array, copy)


@pytest.mark.parametrize("dtype", [np.float32, np.int64])
def test_input_gradients_have_dtype_of_decision_function(dtype, iris):
    clf, X = fitted(iris, "binary")
    for method in METHODS:
        gradients = clf.input_gradients(X.astype(dtype), response_method=method)
        assert gradients.dtype == clf.decision_function(X.astype(dtype)).dtype


def test_search_has_input_gradients_of_best_network(iris):
    X, y = iris
    search = ThreeLayerNNClassifierCV(
        hidden_layer_size=6, alphas=[0.1, 1], max_iters=[9], cv=3, random_state=0
    ).fit(X, y)
    expected = central_differences(search.predict_proba, X)
    assert_allclose(search.input_gradients(X), expected, atol=1e-8)


@pytest.mark.parametrize("method", ["predict", "auto", None, ["predict_proba"]])
def test_input_gradients_of_unknown_response_method_raise(method, iris):
    clf, X = fitted(iris, "binary")
    with pytest.raises(ValueError, match=r"response_method=.* expected 'predict"):
        clf.input_gradients(X, response_method=method)


def test_input_gradients_before_fit_raise(iris):
    with pytest.raises(NotFittedError):
        network().input_gradients(iris[0])


def test_input_gradients_of_nan_and_other_features_raise(iris):
    clf, X = fitted(iris, "binary")
    X[3, 2] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN or infinity"):
        clf.input_gradients(X)
    with pytest.raises(ValueError, match="X has 3 features, but"):
        clf.input_gradients(X[:, :3])
