import dataclasses

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import accuracy_score

from sknn3 import ThreeLayerNNClassifier
from sknn3._objective import Architecture, Objective, hit_sums, outputs_of
from sknn3._samples import Samples
from sknn3.network import cost_gradient, forward, pack, random_weights

ARCHITECTURE = Architecture(4, "tanh", "softmax")
OPTIONS = {**ARCHITECTURE._asdict(), "alpha": 0.7}


def objective_of(X, y, weights=None, map_blocks=map):
    samples = Samples.present(X, y, weights, None)
    samples = dataclasses.replace(samples, map_blocks=map_blocks)
    return Objective(samples, ARCHITECTURE, OPTIONS["alpha"])


def as_they_are(O, xp):
    return O


@pytest.fixture
def params(rng):
    return rng.standard_normal(4 * 13 + 3 * 5) / 3


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("container", [np.asarray, np.asfortranarray, sp.csr_array])
def test_sum_of_blocks_equals_the_cost_of_all_rows(
    large, params, rng, weighted, container
):
    X, y = large
    weights = rng.uniform(0, 2, len(X)) if weighted else None
    objective = objective_of(container(X), y, weights)
    assert len(objective.data.blocks) == 3
    cost, gradient = objective(params)
    expected = cost_gradient(params, X, y, sample_weight=weights, **OPTIONS)
    assert_allclose(cost, expected[0], rtol=1e-14)
    assert_allclose(gradient, expected[1], atol=1e-14)


def test_order_of_evaluation_leaves_no_trace(large, params):
    def backwards(function, blocks):
        return reversed([function(block) for block in reversed(blocks)])

    plain = objective_of(*large)(params)
    other = objective_of(*large, map_blocks=backwards)(params)
    assert plain[0] == other[0]
    assert_array_equal(plain[1], other[1])


def test_float32_data_gives_a_float64_gradient(large, params):
    X, y = large
    cost, gradient = objective_of(X.astype(np.float32), y)(params)
    expected = objective_of(X, y)(params)
    assert gradient.dtype == np.float64
    assert_allclose(cost, expected[0], rtol=1e-6)
    assert_allclose(gradient, expected[1], atol=1e-6)


@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
def test_outputs_in_blocks_equal_outputs_at_once(large, container):
    theta1, theta2 = random_weights(12, 4, 1.0, 0), random_weights(4, 3, 1.0, 1)
    O = outputs_of(container(large[0]), theta1, theta2, "tanh", finish=as_they_are)
    _, expected = forward(large[0], theta1, theta2, activation="tanh")
    assert_allclose(1 / (1 + np.exp(-O)), expected, rtol=1e-13)


def test_outputs_that_overflow_are_refused():
    huge = np.full((2, 1), 1e38, np.float32)
    theta1, theta2 = np.full((2, 2), 9, np.float32), np.ones((1, 3), np.float32)
    theta2[0, 1] = -1
    with pytest.raises(ValueError, match="too large for float32"):
        outputs_of(huge, theta1, theta2, "identity", finish=as_they_are)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("labels", ["classes", "two", "several"])
def test_hits_are_those_of_scikit_learns_accuracy(large, rng, weighted, labels):
    X, y = large
    y = {
        "classes": y,
        "two": y > 0,
        "several": np.column_stack([y > 0, y > 1]).astype(int),
    }[labels]
    weights = rng.uniform(0, 2, len(X)) if weighted else None
    clf = ThreeLayerNNClassifier(4, max_iter=3, tol=1e3).fit(X, y)
    samples = Samples.present(X, y, weights, None)
    architecture = Architecture(4, "logistic", "logistic")
    right, total = hit_sums(samples, pack(clf.theta1_, clf.theta2_), architecture)
    expected = accuracy_score(y, clf.predict(X), sample_weight=weights)
    assert right / total == pytest.approx(expected, rel=1e-12)
