import numpy as np
import pytest
from numpy.testing import assert_allclose

from sknn3.gradient_check import GradientCheck, check_gradient


@pytest.mark.parametrize("alpha", [0, 1, 3])
def test_practicals_network_agrees(alpha):
    check = check_gradient(alpha=alpha)
    assert check.analytic.shape == (38,)
    assert check.max_difference < 1e-9
    assert check.relative_difference < 1e-9


def test_practicals_network_has_its_published_gradient():
    # The biases of the hidden layer for lambda 0, in the five digits that solutions of
    # the practical print.
    analytic = check_gradient().analytic
    theta1 = analytic[:20].reshape(5, 4)
    assert_allclose(
        theta1[:, 0],
        [-9.2783e-3, 8.8991e-3, -8.3601e-3, 7.6281e-3, -6.7480e-3],
        atol=5e-8,
    )


def test_any_cost_function():
    A = np.array([[2.0, 0.5], [0.5, 1.0]])
    check = check_gradient(lambda p: (p @ A @ p / 2, A @ p), [1.0, -3.0])
    assert_allclose(check.numeric, A @ [1.0, -3.0], rtol=1e-9)
    assert check.max_difference < 1e-9


def test_a_wrong_gradient_shows():
    check = check_gradient(lambda p: (float(p @ p), p), [1.0, 2.0])
    assert_allclose(check.difference, [-1.0, -2.0], rtol=1e-8)
    assert_allclose(check.max_difference, 2, rtol=1e-8)
    assert_allclose(check.relative_difference, 1 / 3, rtol=1e-8)
    assert "3.33e-01" in repr(check)


def test_a_cost_function_may_reuse_its_buffer():
    buffer = np.empty(2)

    def cost_function(p):
        np.multiply(2, p, out=buffer)
        return float(p @ p), buffer

    assert check_gradient(cost_function, [1.0, 2.0]).max_difference < 1e-9


def test_checks_compare_by_identity():
    check = check_gradient()
    assert check == check
    assert check != check_gradient()


def test_params_are_left_alone():
    params = np.array([1.0, 2.0])
    check_gradient(lambda p: (float(p @ p), 2 * p), params)
    assert params.tolist() == [1, 2]


def test_repr_shows_the_largest_differences_only():
    difference = np.zeros(50)
    difference[[7, 33]] = 1e-3, 2e-3
    text = repr(GradientCheck(difference, np.zeros(50)))
    assert "50 parameters" in text
    assert "[7]" in text
    assert "[33]" in text
    assert len(text.splitlines()) == 15


@pytest.mark.parametrize(("cost", "epsilon"), [(1.0, 1e-4), (1e6, 1e-4), (1.0, 1e-2)])
def test_rounding_is_what_a_constant_cost_would_show(cost, epsilon, rng):
    # Costs that differ by nothing but the last place, up or down.
    def cost_function(p):
        return rng.choice(np.nextafter(cost, [0, np.inf])), np.zeros_like(p)

    check = check_gradient(cost_function, np.zeros(100), epsilon=epsilon)
    assert_allclose(check.max_difference, check.rounding, rtol=0.6)
    assert check.max_difference > 0


def test_zero_gradients_do_not_differ():
    assert GradientCheck(np.zeros(2), np.zeros(2)).relative_difference == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"epsilon": 0}, "epsilon=0 must be positive"),
        ({"params": [1.0]}, "without a cost_function"),
        (
            {"cost_function": lambda p: p @ p, "params": [1.0]},
            "must return .cost, grad",
        ),
        ({"cost_function": lambda p: (0.0, p)}, "without params"),
        (
            {"cost_function": lambda p: (0.0, p), "params": [1.0], "alpha": 1},
            "alpha goes with",
        ),
        (
            {"cost_function": lambda p: (0.0, p[:1]), "params": [1.0, 2.0]},
            "expected two vectors",
        ),
    ],
)
def test_names_what_does_not_fit(arguments, message):
    with pytest.raises(ValueError, match=message):
        check_gradient(**arguments)
