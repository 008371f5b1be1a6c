import numpy as np
import pytest
from numpy.testing import assert_allclose

from sknn3.gradient_check import GradientCheck, check_gradient


@pytest.mark.parametrize("alpha", [0, 1, 3])
def test_small_network_has_correct_gradient(alpha):
    check = check_gradient(alpha=alpha)
    assert check.analytic.shape == (38,)
    assert check.max_difference < 1e-9
    assert check.relative_difference < 1e-9


def test_small_network_has_published_gradient():
    # Solutions of the practical print the hidden biases for lambda 0 with five digits.
    analytic = check_gradient().analytic
    theta1 = analytic[:20].reshape(5, 4)
    assert_allclose(
        theta1[:, 0],
        [-9.2783e-3, 8.8991e-3, -8.3601e-3, 7.6281e-3, -6.7480e-3],
        atol=5e-8,
    )


def test_quadratic_cost_has_linear_gradient():
    A = np.array([[2.0, 0.5], [0.5, 1.0]])
    check = check_gradient(lambda p: (p @ A @ p / 2, A @ p), [1.0, -3.0])
    assert_allclose(check.numeric, A @ [1.0, -3.0], rtol=1e-9)
    assert check.max_difference < 1e-9


def test_gradient_off_by_factor_2_is_detected():
    check = check_gradient(lambda p: (float(p @ p), p), [1.0, 2.0])
    assert_allclose(check.difference, [-1.0, -2.0], rtol=1e-8)
    assert_allclose(check.max_difference, 2, rtol=1e-8)
    assert_allclose(check.relative_difference, 1 / 3, rtol=1e-8)
    assert "3.33e-01" in repr(check)


def test_cost_function_may_reuse_gradient_memory():
    buffer = np.empty(2)

    def cost_function(p):
        np.multiply(2, p, out=buffer)
        return float(p @ p), buffer

    assert check_gradient(cost_function, [1.0, 2.0]).max_difference < 1e-9


def test_equality_is_identity():
    check = check_gradient()
    assert check == check
    assert check != check_gradient()


def test_params_are_not_modified():
    params = np.array([1.0, 2.0])
    check_gradient(lambda p: (float(p @ p), 2 * p), params)
    assert params.tolist() == [1, 2]


def test_repr_shows_largest_differences():
    difference = np.zeros(50)
    difference[[7, 33]] = 1e-3, 2e-3
    text = repr(GradientCheck(difference, np.zeros(50)))
    assert "50 parameters" in text
    assert "[7]" in text
    assert "[33]" in text
    assert len(text.splitlines()) == 15


@pytest.mark.parametrize(("cost", "epsilon"), [(1.0, 1e-4), (1e6, 1e-4), (1.0, 1e-2)])
def test_rounding_matches_noise_in_last_place(cost, epsilon, rng):
    # The cost is constant except for its last place.
    def cost_function(p):
        return rng.choice(np.nextafter(cost, [0, np.inf])), np.zeros_like(p)

    check = check_gradient(cost_function, np.zeros(100), epsilon=epsilon)
    assert_allclose(check.max_difference, check.rounding, rtol=0.6)
    assert check.max_difference > 0


def test_zero_gradients_have_relative_difference_0():
    assert GradientCheck(np.zeros(2), np.zeros(2)).relative_difference == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"epsilon": 0}, "epsilon=0 must be positive"),
        ({"epsilon": -1}, "epsilon=-1 must be positive"),
        ({"epsilon": np.nan}, "epsilon=nan must be positive"),
        ({"epsilon": np.inf}, "epsilon=inf must be positive and finite"),
        ({"epsilon": 1e-300}, "epsilon=1e-300 is too small"),
        ({"params": [1e20]}, "epsilon=0.0001 is too small"),
        ({"params": [-1.0], "epsilon": 1e-16}, "epsilon=1e-16 is too small"),
        ({"params": None}, "requires params"),
        ({"params": 1.0}, r"params has shape \(\)"),
        ({"params": []}, r"params has shape \(0,\)"),
        ({"params": [[1.0]]}, r"params has shape \(1, 1\), expected \(n_params,\)"),
        ({"params": [np.nan]}, "params contains NaN"),
        ({"params": np.array([1j])}, "Complex data not supported"),
        ({"alpha": 1}, "no alpha"),
        ({"cost_function": lambda p: p @ p}, r"must return a tuple \(cost, gradient\)"),
        ({"cost_function": lambda p: (1.0, p, p)}, "must return a tuple"),
        (
            {"cost_function": lambda p: (np.nan, p)},
            "returned a cost that is not finite",
        ),
        (
            {"cost_function": lambda p: (np.inf, p)},
            "returned a cost that is not finite",
        ),
        ({"cost_function": lambda p: (1.0, 1.0)}, r"gradient has shape \(\)"),
        ({"cost_function": lambda p: (1.0, [1.0, 2.0])}, "gradient has 2 .* has 1"),
        ({"cost_function": lambda p: (1.0, [np.nan])}, "gradient contains NaN"),
        ({"cost_function": lambda p: (1.0, [np.inf])}, "gradient contains infinity"),
        ({"cost_function": lambda p: (1.0, [1j])}, "Complex data not supported"),
    ],
)
def test_check_gradient_raises_value_error(arguments, message):
    defaults = {"cost_function": lambda p: (float(p @ p), 2 * p), "params": [1.0]}
    with pytest.raises(ValueError, match=message):
        check_gradient(**defaults | arguments)


@pytest.mark.parametrize("cost_function", [None, 3])
def test_cost_function_must_be_callable(cost_function):
    with pytest.raises(TypeError, match=f"cost_function={cost_function} must be call"):
        check_gradient(cost_function, [1.0])


@pytest.mark.parametrize("scale", [2.0**-500, 2.0**500])
def test_relative_difference_does_not_depend_on_scale(scale):
    analytic, numeric = np.array([3.0, -1.0, 2.0]), np.array([3.0, -1.5, 2.0])
    check = GradientCheck(analytic, numeric)
    scaled = GradientCheck(analytic * scale, numeric * scale)
    expected = 0.5 / np.linalg.norm([6, -2.5, 4])
    assert_allclose(check.relative_difference, expected, rtol=1e-15)
    assert scaled.relative_difference == check.relative_difference
    assert scaled.max_difference == scale / 2
