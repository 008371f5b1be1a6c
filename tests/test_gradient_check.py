from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sknn3.gradient_check import GradientCheck, check_gradient
from sknn3.network import cost_gradient


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
    # Only the last place of the cost varies.
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
        ({"epsilon": 1e-300}, "epsilon=1e-300 must be .* large enough to change par"),
        ({"params": [1e20]}, "epsilon=0.0001 must be .* large enough"),
        ({"params": [-1.0], "epsilon": 1e-16}, "epsilon=1e-16 must be"),
        ({"params": [[1.0]]}, r"params has shape \(1, 1\), expected \(n_params,\)"),
        ({"params": [np.nan]}, "params contains NaN"),
        ({"alpha": 1}, "alpha and targets are for"),
        ({"targets": "labels"}, "alpha and targets are for"),
        ({"cost_function": lambda p: (np.nan, p)}, "returned the cost nan, expected a"),
        ({"cost_function": lambda p: (np.inf, p)}, "the cost inf, expected a finite"),
        ({"cost_function": lambda p: (None, p)}, "returned the cost None, expected a"),
        ({"cost_function": lambda p: ([1.0, 2.0], p)}, r"the cost \[1.0, 2.0\], expec"),
        ({"cost_function": lambda p: (1.0, [p])}, r"gradient has shape \(1, 1\)"),
        ({"cost_function": lambda p: (1.0, [1.0, 2.0])}, r"\(2,\), expected \(1,\)"),
        ({"cost_function": lambda p: (1.0, [np.nan])}, "gradient contains NaN"),
        ({"cost_function": lambda p: (1.0, [np.inf])}, "gradient contains infinity"),
    ],
)
def test_check_gradient_raises_value_error(arguments, message):
    defaults = {"cost_function": lambda p: (float(p @ p), 2 * p), "params": [1.0]}
    with pytest.raises(ValueError, match=message):
        check_gradient(**defaults | arguments)


@pytest.mark.parametrize(
    "cost_function",
    [
        None,
        (1.0, [1.0]),
        lambda p, X: (1.0, p),
        lambda p: None,
        lambda p: 1.0,
        lambda p: (1.0, p, p),
        lambda p: (1.0, ([p], [p, p])),
    ],
)
def test_error_of_wrong_cost_function_names_expected_function(cost_function):
    with pytest.raises((TypeError, ValueError)) as info:
        check_gradient(cost_function, [1.0])
    (note,) = info.value.__notes__
    assert "cost_function was called as cost_function(params)" in note
    assert "It must return (cost, gradient)" in note
    assert "(params, n_in, n_hidden, n_out, X, y, reg) requires args too" in note


# ------------------------------------------------------- the practical's arguments


def backprop(params, n_in, n_hidden, n_out, X, y, reg):
    Y = np.reshape(y, (len(X), n_out)) if np.size(y) == len(X) * n_out else y
    return cost_gradient(params, X, Y, hidden_layer_size=n_hidden, alpha=reg)


PARAMS = np.ones(17)
ARGS = {
    "n_in": 2,
    "n_hidden": 3,
    "n_out": 2,
    "X": np.ones((4, 2)),
    "y": np.eye(2)[[0, 1, 1, 0]],
    "reg": 1,
}


@pytest.mark.parametrize("alpha", [0, 3, None])
def test_function_of_practical_is_checked_on_small_network(alpha):
    theirs = check_gradient(alpha=alpha)
    ours = check_gradient(backprop, alpha=alpha)
    assert_array_equal(ours.analytic, theirs.analytic)
    assert_array_equal(ours.numeric, theirs.numeric)
    assert ours.cost == theirs.cost
    costs = {0: 2.100951, 3: 2.146360}  # published with the practical
    assert_allclose(ours.cost, costs.get(alpha, check_gradient(alpha=1).cost), 1e-6)


def test_small_network_has_penalty_1_by_default():
    assert_array_equal(check_gradient().analytic, check_gradient(alpha=1).analytic)
    assert (check_gradient().analytic != check_gradient(alpha=0).analytic).any()


def test_small_network_has_labels_from_1():
    labels = {(3, 5, 3): [2, 3, 1, 2, 3], (2, 5, 4): [2, 3, 4, 1, 2, 3, 4]}

    def spy(params, n_in, n_hidden, n_out, X, y, reg):
        assert y.tolist() == labels[n_in, n_hidden, n_out]
        assert reg == 2
        return backprop(params, n_in, n_hidden, n_out, X, y - 1, reg)

    check = check_gradient(spy, targets="labels", alpha=2)
    assert check.diagnosis is None
    assert check.cost == check_gradient(backprop, alpha=2).cost


def test_confused_sizes_have_a_diagnosis():
    def divide_by_hidden_units(params, n_in, n_hidden, n_out, X, y, reg):
        cost, gradient = backprop(params, n_in, n_hidden, n_out, X, y, reg)
        return cost * len(X) / n_hidden, gradient * len(X) / n_hidden

    check = check_gradient(divide_by_hidden_units)
    assert check.max_difference < 1e-9
    assert check.diagnosis.startswith("Cost and gradient are right for n_in=3")
    assert "confuses two of these numbers" in check.diagnosis


@pytest.mark.parametrize(
    "swap",
    [
        lambda n_in, n_hidden, n_out, X: (n_out, n_hidden, n_in),
        lambda n_in, n_hidden, n_out, X: (n_in, len(X), n_out),
        lambda n_in, n_hidden, n_out, X: (n_in, n_hidden, X.shape[1]),
    ],
)
def test_confused_sizes_that_do_not_fit_raise_with_all_sizes(swap):
    def confused(params, n_in, n_hidden, n_out, X, y, reg):
        sizes = n_in, n_hidden, n_out = swap(n_in, n_hidden, n_out, X)
        cut = n_hidden * (n_in + 1)
        params[:cut].reshape(n_hidden, n_in + 1)
        params[cut:].reshape(n_out, n_hidden + 1)
        return backprop(params, *sizes, X, y, reg)

    with pytest.raises(ValueError, match="reshape") as info:
        check_gradient(confused)
    assert "n_in=2, n_hidden=5, n_out=4, X of shape (7, 2)" in info.value.__notes__[0]


@pytest.mark.parametrize(
    "y", [[1, 2, 2, 1], np.array([[1], [2], [2], [1]], np.uint8), [0, 1, 1, 0]]
)
def test_labels_count_from_0_or_1(y):
    def of_labels(params, n_in, n_hidden, n_out, X, y, reg):
        Y = np.ravel(y).astype(int) - np.max(y) + 1
        return cost_gradient(params, X, Y, hidden_layer_size=n_hidden, alpha=reg)

    args = tuple((ARGS | {"y": y}).values())
    check = check_gradient(of_labels, PARAMS, args=args)
    assert check.diagnosis is None
    assert_allclose(check.cost, check.right_cost)
    assert_allclose(check.cost, backprop(PARAMS, *ARGS.values())[0], rtol=1e-14)


def test_one_output_has_labels_0_and_1():
    args = tuple((ARGS | {"n_out": 1, "y": [0, 1, 1, 0]}).values())
    assert check_gradient(backprop, PARAMS[:13], args=args).diagnosis is None


class Student:
    def backprop(self, *args, verbose=False):
        return backprop(*args)


@pytest.mark.parametrize("function", [partial(backprop), Student().backprop])
def test_partial_and_method_are_accepted(function):
    assert check_gradient(function).diagnosis is None


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"n_in": 3}, r"X has 2 columns .* expected 3 columns"),
        ({"n_hidden": 0}, r"params has shape \(17,\), .* \(2,\) for .* n_hidden=0"),
        ({"n_hidden": 4}, r"params has shape \(17,\), .* \(22,\) for"),
        ({"n_out": 3}, r"\(17,\), expected .* \(21,\) .* n_out=3"),
        ({"X": [[1.0, np.nan]]}, "X contains NaN"),
        ({"X": np.ones(3)}, "Expected 2D array"),
        ({"y": np.ones(5)}, r"4 labels: 1 to 2 .* Got y of shape \(5,\)"),
        ({"y": np.ones((4, 3))}, r"one-hot matrix of shape \(4, 2\)"),
        ({"y": [1, 1, 1, 1]}, "with the label 2, or 0 to 1 with the label 0"),
        ({"y": [0, 1, 2, 1]}, r"with values \[0. 1. 2.\]"),
        ({"y": [0, 0.5, 1, 1]}, r"with values \[0.  0.5 1. \]"),
        ({"y": [np.nan] * 4}, "y contains NaN"),
    ],
)
def test_wrong_args_raise_value_error(args, message):
    with pytest.raises(ValueError, match=message):
        check_gradient(backprop, PARAMS, args=tuple((ARGS | args).values()))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"args": tuple(ARGS.values())}, "args requires params"),
        ({"args": (1, 2), "params": PARAMS}, r"args has 2 values, expected \(n_in"),
        ({"targets": "digits"}, "targets='digits', expected 'one-hot' or 'labels'"),
    ],
)
def test_wrong_arguments_for_practical_raise_value_error(arguments, message):
    with pytest.raises(ValueError, match=message):
        check_gradient(backprop, **arguments)


def test_right_cost_is_that_of_data_before_function_writes_into_it():
    def writes(params, n_in, n_hidden, n_out, X, y, reg):
        result = backprop(params, n_in, n_hidden, n_out, X, y, reg)
        X[:], y[:] = 0, 1 - y
        return result

    args = tuple((ARGS | {"X": np.ones((4, 2)), "y": np.eye(2)[[0, 1, 1, 1]]}).values())
    right = check_gradient(backprop, PARAMS, args=args).cost
    check = check_gradient(writes, PARAMS, args=args)
    assert check.cost == right
    assert_allclose(check.right_cost, right, rtol=1e-14)
    assert check.max_difference > 1e-3  # the differences are those of other data


def test_error_of_practical_names_its_arguments():
    def of_labels(params, n_in, n_hidden, n_out, X, y, reg):
        return np.eye(n_out)[y - 1]

    with pytest.raises(IndexError) as info:
        check_gradient(of_labels)
    (note,) = info.value.__notes__
    for text in (
        "n_in=3, n_hidden=5, n_out=3, X of shape (5, 3), y of shape (5, 3) (one-hot)",
        "gradients of theta1, (5, 4), and theta2, (3, 6), unrolled by rows",
        "If it takes labels, pass targets='labels'",
    ):
        assert text in note


def test_error_of_function_of_params_only_names_arguments_of_practical():
    with pytest.raises(TypeError) as info:
        check_gradient(lambda p: (float(p @ p), 2 * p))
    assert "called as cost_function(params, n_in, n_hidd" in info.value.__notes__[0]


def test_wrong_result_of_practical_names_expected_shapes():
    def without_biases(params, n_in, n_hidden, n_out, X, y, reg):
        return 1.0, np.zeros(n_hidden * n_in + n_out * n_hidden)

    with pytest.raises(ValueError, match=r"shape \(30,\), expected \(38,\)") as info:
        check_gradient(without_biases)
    assert "theta1, (5, 4), and theta2, (3, 6)" in info.value.__notes__[0]


def test_repr_shows_costs_and_diagnosis():
    def undivided(params, n_in, n_hidden, n_out, X, y, reg):
        cost, gradient = backprop(params, n_in, n_hidden, n_out, X, y, reg)
        return 5 * cost, 5 * gradient

    lines = repr(check_gradient(undivided, alpha=0)).splitlines()
    assert lines[3] == "  cost                 10.504753 (right: 2.100951)"
    assert lines[-2].startswith("  Diagnosis: The cost is not divided by m, the numb")
    assert lines[-1] == "    is not divided by m, the number of samples."
