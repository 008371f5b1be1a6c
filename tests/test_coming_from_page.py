"""Statements of docs/coming_from.md."""

import ast
import inspect
import re
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.io import savemat
from scipy.special import log_softmax
from sklearn.exceptions import ConvergenceWarning

from sknn3 import ThreeLayerNNClassifier
from sknn3.network import cost_gradient, pack, unpack

PAGE = (Path(__file__).parents[1] / "docs" / "coming_from.md").read_text(
    encoding="utf-8"
)
PARAMETERS = inspect.signature(ThreeLayerNNClassifier).parameters

pytestmark = pytest.mark.docs


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_stated_defaults_equal_signature():
    row = r"`(\w+)(?:=[^`]+)?` \(`([^`]+)`\)"
    stated = re.findall(row, PAGE)
    assert len(stated) > 25
    for name, default in stated:
        assert PARAMETERS[name].default == ast.literal_eval(default), name


def test_tables_name_every_parameter_of_nnet():
    # The parameters of nnet.formula and nnet.default in nnet 7.3-18.
    expected = "formula data weights subset na.action contrasts size Wts mask linout "
    expected += "entropy softmax censored skip rang decay maxit Hess trace MaxNWts "
    expected += "abstol reltol"
    section = PAGE.split("## R: nnet")[1].split("\n## ")[0]
    table = section.split("### Parameters")[1].split("### Results")[0]
    first = re.findall(r"(?m)^\| (.*?) \|", table)
    assert set(expected.split()) <= set(re.findall(r"`([\w.]+)`", " ".join(first)))


def test_decay_of_nnet_is_half_of_alpha_at_any_weights(iris, rng):
    X, y = iris
    theta1, theta2 = unpack(np.sin(np.arange(1, 44)) / 2, 4, 5)
    weight = rng.uniform(1, 3, len(X))
    A = 1 / (1 + np.exp(-theta1[:, 0] - X @ theta1[:, 1:].T))
    losses = -log_softmax(theta2[:, 0] + A @ theta2[:, 1:].T, axis=1)
    squares = (theta1[:, 1:] ** 2).sum() + (theta2[:, 1:] ** 2).sum()
    expected = weight @ losses[np.arange(len(y)), y] + 0.5 * squares
    cost, _ = cost_gradient(
        pack(theta1, theta2),
        X,
        y,
        hidden_layer_size=5,
        alpha=1,
        output_activation="softmax",
        sample_weight=weight,
    )
    assert_allclose(weight.sum() * cost, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("levels", "weights", "output_activation", "value"),
    [
        # Values of nnet() with R 4.2.2 for initial weights sin(1:n) / 2, maxit = 0,
        # 5 units, and a decay of 0.5, but 0 for the biases.
        (3, None, "softmax", 164.841083176556),
        (3, (2, 0.5, 1), "softmax", 188.237517049486),
        (3, None, "logistic", 329.154641831168),  # entropy = TRUE, y = class.ind(...)
        (2, None, "logistic", 75.4654392798468),  # versicolor and virginica
    ],
)
def test_cost_equals_value_of_nnet(iris, levels, weights, output_activation, value):
    X, y = iris
    rows = y >= 3 - levels
    X, y = X[rows], y[rows] - (3 - levels)
    X = (X - X.mean(axis=0)) / X.std(axis=0, ddof=1)
    sample_weight = np.ones(len(y)) if weights is None else np.take(weights, y)
    n_params = 5 * 5 + 6 * (levels if levels > 2 else 1)
    cost, _ = cost_gradient(
        np.sin(np.arange(1, n_params + 1)) / 2,
        X,
        y,
        hidden_layer_size=5,
        alpha=1,
        output_activation=output_activation,
        sample_weight=sample_weight,
    )
    assert_allclose(sample_weight.sum() * cost, value, rtol=1e-13)


def test_alpha_is_scaled_for_weights_with_mean_below_1(iris):
    X, y = iris
    weight = np.linspace(0.1, 0.5, len(y))
    decay = 0.05
    clf = ThreeLayerNNClassifier(
        2,
        alpha=2 * decay / weight.mean(),
        output_activation="softmax",
        tol=1e-2,
        random_state=0,
    ).fit(X, y, sample_weight=weight)
    losses = -clf.predict_log_proba(X)[np.arange(len(y)), y]
    squares = sum((W**2).sum() for W in clf.coefs_)
    value = weight @ losses + decay * squares
    assert_allclose(clf.loss_ * weight.sum(), value, rtol=1e-10)


@pytest.mark.parametrize("share", [0.01, 0.3])
def test_alpha_of_patternnet_share_gives_same_objective(iris, share):
    X, y = iris
    n, K, h = len(X), 3, 10
    theta1, theta2 = unpack(np.sin(np.arange(1, 84)), 4, h)
    theta1[:, 0] = theta2[:, 0] = 0  # biases have a penalty in MATLAB only
    params = pack(theta1, theta2)
    P = len(params)
    logs = log_softmax(np.tanh(X @ theta1[:, 1:].T) @ theta2[:, 1:].T, axis=1)
    entropies = -np.eye(K)[y] * logs
    perf = (1 - share) * entropies.mean() + share * (params**2).mean()
    cost, _ = cost_gradient(
        params,
        X,
        y,
        hidden_layer_size=h,
        alpha=2 * share * n * K / ((1 - share) * P),
        activation="tanh",
        output_activation="softmax",
    )
    assert_allclose(cost * (1 - share) / K, perf, rtol=1e-12)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_weights_of_matlab_give_predictions_of_matlab(iris, rng, tmp_path, n_classes):
    X, y = iris
    X, y = X[y < n_classes], y[y < n_classes]
    W1, b1 = rng.standard_normal((6, 4)), rng.standard_normal((6, 1))
    W2, b2 = rng.standard_normal((n_classes, 6)), rng.standard_normal((n_classes, 1))
    scores = np.exp(log_softmax(W2 @ np.tanh(W1 @ X.T + b1) + b2, axis=0)).T
    if n_classes == 2:
        W2, b2 = W2[1:] - W2[:1], b2[1:] - b2[:1]
    savemat(tmp_path / "net.mat", {"W1": W1, "b1": b1, "W2": W2, "b2": b2})
    names = {"ThreeLayerNNClassifier": ThreeLayerNNClassifier}
    exec(blocks("python")[-1], names)  # noqa: S102 (the function of the page)
    with pytest.warns(ConvergenceWarning):
        net = names["read_network"](tmp_path / "net.mat", X, y, "tanh")
    assert_allclose(net.predict_proba(X), scores, rtol=1e-9)
