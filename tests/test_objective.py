import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal

from sknn3._objective import Objective, outputs_of
from sknn3.network import cost_gradient, forward, random_weights

OPTIONS = {
    "hidden_layer_size": 4,
    "alpha": 0.7,
    "activation": "tanh",
    "output_activation": "softmax",
}


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
    objective = Objective(container(X), y, weights, **OPTIONS)
    assert len(objective.blocks) == 3
    cost, gradient = objective(params)
    expected = cost_gradient(params, X, y, sample_weight=weights, **OPTIONS)
    assert_allclose(cost, expected[0], rtol=1e-14)
    assert_allclose(gradient, expected[1], atol=1e-14)


def test_order_of_evaluation_leaves_no_trace(large, params):
    def backwards(function, blocks):
        return reversed([function(block) for block in reversed(blocks)])

    plain = Objective(*large, None, **OPTIONS)(params)
    other = Objective(*large, None, **OPTIONS, map_blocks=backwards)(params)
    assert plain[0] == other[0]
    assert_array_equal(plain[1], other[1])


def test_float32_data_gives_a_float64_gradient(large, params):
    X, y = large
    cost, gradient = Objective(X.astype(np.float32), y, None, **OPTIONS)(params)
    expected = Objective(X, y, None, **OPTIONS)(params)
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
