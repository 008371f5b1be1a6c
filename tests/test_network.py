"""The formulas, compared with loops, differences, scikit-learn and published values."""

import itertools
import math

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, log_softmax, softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier

from activations import HIDDEN
from sknn3._kernel import ACTIVATIONS, OUTPUTS, predict_codes
from sknn3.gradient_check import check_gradient
from sknn3.network import (
    cost_gradient,
    forward,
    pack,
    random_weights,
    sigmoid,
    sigmoid_gradient,
    unpack,
)


def loop_forward(x, theta1, theta2, activation):
    a = [
        HIDDEN[activation].formula(
            row[0] + sum(w * v for w, v in zip(row[1:], x, strict=True))
        )
        for row in theta1
    ]
    o = [row[0] + sum(w * v for w, v in zip(row[1:], a, strict=True)) for row in theta2]
    return a, o


def loop_cost(theta1, theta2, X, Y, alpha, activation, output_activation, weights):
    """The cost, sample by sample and class by class, in Python's own floats."""
    total = 0.0
    for x, y, weight in zip(X, Y, weights, strict=True):
        _, o = loop_forward(x, theta1, theta2, activation)
        if output_activation == "softmax":
            p = [math.exp(v) / sum(math.exp(u) for u in o) for v in o]
            loss = -sum(t * math.log(q) for t, q in zip(y, p, strict=True))
        else:
            p = [1 / (1 + math.exp(-v)) for v in o]
            loss = -sum(
                t * math.log(q) + (1 - t) * math.log(1 - q)
                for t, q in zip(y, p, strict=True)
            )
        total += weight * loss
    penalty = sum(w * w for theta in (theta1, theta2) for row in theta for w in row[1:])
    return (total + alpha / 2 * penalty) / sum(weights)


def problem(n_classes, rng, n=13, d=4, h=3):
    X = rng.standard_normal((n, d))
    theta1 = random_weights(d, h, 0.7, rng)
    theta2 = random_weights(h, n_classes, 0.7, rng)
    y = rng.randint(0, max(n_classes, 2), n)
    Y = np.eye(n_classes)[y] if n_classes > 1 else y[:, np.newaxis].astype(float)
    return X, y, Y, theta1, theta2


CASES = [
    (activation, output_activation, n_classes, weighted)
    for activation, output_activation, n_classes, weighted in itertools.product(
        ACTIVATIONS, OUTPUTS, (1, 2, 4), (False, True)
    )
    if not (output_activation == "softmax" and n_classes == 1)
]


@pytest.mark.parametrize(
    ("activation", "output_activation", "n_classes", "weighted"), CASES
)
def test_cost_equals_loops_and_gradient_equals_differences(
    activation, output_activation, n_classes, weighted, rng
):
    X, y, Y, theta1, theta2 = problem(n_classes, rng)
    weights = rng.uniform(0.1, 3, len(X)) if weighted else None
    options = {
        "hidden_layer_size": len(theta1),
        "alpha": 0.8,
        "activation": activation,
        "output_activation": output_activation,
        "sample_weight": weights,
    }
    params = pack(theta1, theta2)
    cost, gradient = cost_gradient(params, X, y, **options)
    expected = loop_cost(
        theta1,
        theta2,
        X,
        Y,
        0.8,
        activation,
        output_activation,
        np.ones(len(X)) if weights is None else weights,
    )
    assert_allclose(cost, expected, rtol=1e-13)

    cost_by_indicator, gradient_by_indicator = cost_gradient(params, X, Y, **options)
    assert_allclose(cost_by_indicator, cost, rtol=1e-14)
    assert_allclose(gradient_by_indicator, gradient, atol=1e-15)

    check = check_gradient(lambda p: cost_gradient(p, X, y, **options), params)
    assert check.max_difference < 1e-8


@pytest.mark.parametrize("output_activation", OUTPUTS)
def test_cost_of_multilabel_targets_equals_loops(output_activation, rng):
    X, _, _, theta1, theta2 = problem(3, rng)
    Y = rng.randint(0, 2, (len(X), 3))
    if output_activation == "softmax":  # cross-entropy allows soft targets
        Y = Y + 0.5
        Y = Y / Y.sum(axis=1, keepdims=True)
    options = {"hidden_layer_size": 3, "output_activation": output_activation}
    cost, _ = cost_gradient(pack(theta1, theta2), X, Y, **options)
    expected = loop_cost(
        theta1, theta2, X, Y, 0, "logistic", output_activation, np.ones(len(X))
    )
    assert_allclose(cost, expected, rtol=1e-13)


@pytest.mark.parametrize("alpha", [0, 1, 3])
def test_cost_at_sine_weights_equals_published_values(digits, alpha):
    # Computed with per-sample loops on the 5000 digits, classes in the order 1..9, 0.
    params = np.sin(np.arange(10285) + 1) / 10
    published = {
        0: (6.871914018731947, 3.373879997575055, -0.0005246258350378266),
        1: (6.8770390776174235, 3.373884109960392, -0.0005445395188329886),
        3: (6.887289195388377, 3.373894157556948, -0.0005843668864233128),
    }[alpha]
    cost, gradient = cost_gradient(
        params, digits.data, (digits.target - 1) % 10, hidden_layer_size=25, alpha=alpha
    )
    assert_allclose(
        (cost, np.linalg.norm(gradient), gradient[230]), published, rtol=1e-12
    )


@pytest.mark.parametrize(
    ("activation", "n_classes"), [("logistic", 3), ("tanh", 3), ("relu", 2)]
)
def test_cost_and_output_equal_mlpclassifier(activation, n_classes, rng):
    X, y, _, _, _ = problem(n_classes, rng, n=60)
    mlp = MLPClassifier(
        5, activation=activation, solver="lbfgs", alpha=0.3, max_iter=20, random_state=0
    )
    with pytest.warns(ConvergenceWarning):
        mlp.fit(X, y)
    theta1, theta2 = (
        np.column_stack([b, W.T])
        for W, b in zip(mlp.coefs_, mlp.intercepts_, strict=True)
    )
    output_activation = "softmax" if n_classes > 2 else "logistic"
    cost, _ = cost_gradient(
        pack(theta1, theta2),
        X,
        y,
        hidden_layer_size=5,
        alpha=0.3,
        activation=activation,
        output_activation=output_activation,
    )
    assert_allclose(cost, mlp.loss_, rtol=1e-12)

    _, output = forward(
        X, theta1, theta2, activation=activation, output_activation=output_activation
    )
    if n_classes == 2:
        output = np.hstack([1 - output, output])
    assert_allclose(output, mlp.predict_proba(X), rtol=1e-12)
    penalty = 0.3 / 2 / len(X) * sum((W**2).sum() for W in mlp.coefs_)
    assert_allclose(cost, log_loss(y, output) + penalty, rtol=1e-12)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("output_activation", OUTPUTS)
def test_forward_equals_loops(activation, output_activation, rng):
    X, _, _, theta1, theta2 = problem(4, rng)
    hidden, output = forward(
        X, theta1, theta2, activation=activation, output_activation=output_activation
    )
    for x, a, p in zip(X, hidden, output, strict=True):
        expected_a, o = loop_forward(x, theta1, theta2, activation)
        assert_allclose(a, expected_a, rtol=1e-13, atol=1e-15)
        if output_activation == "softmax":
            expected_p = np.exp(o) / np.exp(o).sum()
        else:
            expected_p = 1 / (1 + np.exp(-np.array(o)))
        assert_allclose(p, expected_p, rtol=1e-13)


def test_sigmoid_and_sigmoid_gradient():
    z = np.array([-800.0, -2.0, 0.0, 3.0, 800.0])
    with np.errstate(over="ignore"):
        assert_allclose(sigmoid(z), 1 / (1 + np.exp(-z)), rtol=1e-15)
    assert sigmoid(0) == 0.5
    assert sigmoid_gradient(0) == 0.25
    assert_allclose(sigmoid_gradient(30.0), math.exp(-30), rtol=1e-12)
    inner = z[1:-1]
    differences = (sigmoid(inner + 1e-5) - sigmoid(inner - 1e-5)) / 2e-5
    assert_allclose(sigmoid_gradient(inner), differences, rtol=1e-8)


@pytest.mark.parametrize("output_activation", OUTPUTS)
def test_cost_of_saturated_outputs_is_linear(output_activation):
    # The outputs are 1000 and -1000.
    theta1, theta2 = np.zeros((1, 2)), np.array([[1000.0, 0.0], [-1000.0, 0.0]])
    cost, gradient = cost_gradient(
        pack(theta1, theta2),
        [[0.0]],
        np.array([1]),
        hidden_layer_size=1,
        output_activation=output_activation,
    )
    assert cost == 2000
    assert np.isfinite(gradient).all()


def test_unpack_inverts_pack_and_returns_views(rng):
    theta1, theta2 = rng.standard_normal((3, 5)), rng.standard_normal((2, 4))
    params = pack(theta1, theta2)
    assert_array_equal(params, np.r_[theta1.ravel(), theta2.ravel()])
    first, second = unpack(params, 4, 3)
    assert_array_equal(first, theta1)
    assert_array_equal(second, theta2)
    first[0, 0] = second[1, 3] = 7
    assert params[0] == params[-1] == 7


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 2), "n_in == 0, must be >= 1"),
        ((2, -1), "n_out == -1, must be >= 1"),
        ((2, 1.5), "n_out must be an instance of int, not float"),
        ((2, 2, -0.1), "epsilon=-0.1, expected a positive finite number"),
        ((2, 2, np.inf), "epsilon=inf, expected a positive finite number"),
    ],
)
def test_random_weights_of_invalid_size_raise(arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        random_weights(*arguments)


def test_functions_take_small_integers_of_numpy_as_sizes(rng):
    assert random_weights(np.uint8(255), np.int8(2), random_state=0).shape == (2, 256)
    theta1, theta2 = unpack(np.zeros(200 * 201 + 201), np.uint8(200), np.uint8(200))
    assert theta1.shape == (200, 201)
    assert theta2.shape == (1, 201)
    X, Y, params = rng.standard_normal((7, 9)), np.arange(7) % 3, np.zeros(328)
    cost, _ = cost_gradient(params, X, Y, hidden_layer_size=np.int8(25))
    assert_allclose(cost, 3 * np.log(2))


@pytest.mark.parametrize(("arguments", "epsilon"), [((), 0.12), ((3.0,), 3.0)])
def test_random_weights_fill_their_interval(arguments, epsilon, rng):
    weights = random_weights(400, 25, *arguments, random_state=rng)
    assert weights.shape == (25, 401)
    assert -epsilon < weights.min() < -0.99 * epsilon
    assert 0.99 * epsilon < weights.max() < epsilon
    assert_array_equal(
        random_weights(3, 2, random_state=1), random_weights(3, 2, random_state=1)
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros(8), 1, 2), r"params has shape \(8,\), which fits no network of 1"),
        ((np.zeros(4), 1, 2), "expected length 4 \\+ K \\* 3 for K >= 1 outputs"),
        ((np.zeros((7, 1)), 1, 2), r"params has shape \(7, 1\)"),
        ((np.zeros(7), -1, 2), "n_features == -1, must be >= 1"),
        ((np.zeros(7), 1.0, 2), "n_features must be an instance of int, not float"),
        ((np.zeros(7), 1, 0), "hidden_layer_size == 0, must be >= 1"),
    ],
)
def test_unpack_of_invalid_sizes_raises(arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        unpack(*arguments)


@pytest.mark.parametrize("container", [sp.csr_array, sp.csc_matrix, sp.coo_array])
def test_sparse_rows_equal_dense_rows(container, rng):
    X, y, _, theta1, theta2 = problem(3, rng)
    X[X < 0.5] = 0
    options = {"hidden_layer_size": 3, "alpha": 1.0}
    params = pack(theta1, theta2)
    cost, gradient = cost_gradient(params, X, y, **options)
    sparse_cost, sparse_gradient = cost_gradient(params, container(X), y, **options)
    assert_allclose(sparse_cost, cost, rtol=1e-14)
    assert_allclose(sparse_gradient, gradient, atol=1e-15)
    assert_allclose(
        forward(container(X), theta1, theta2)[1], forward(X, theta1, theta2)[1]
    )


def test_float32_rows_are_computed_in_float32(rng):
    X, y, _, theta1, theta2 = problem(3, rng)
    params = pack(theta1, theta2)
    cost, gradient = cost_gradient(params, X, y, hidden_layer_size=3)
    cost32, gradient32 = cost_gradient(
        params, X.astype(np.float32), y, hidden_layer_size=3
    )
    assert gradient32.dtype == np.float64
    assert 0 < abs(cost32 - cost) < 1e-6
    assert_allclose(gradient32, gradient, atol=1e-6)
    hidden, _ = forward(
        X.astype(np.float32), theta1.astype(np.float32), theta2.astype(np.float32)
    )
    assert hidden.dtype == np.float32


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float16, ">f8"])
def test_rows_of_other_dtypes_are_computed_in_float64(dtype, rng):
    X, y, _, theta1, theta2 = problem(3, rng)
    X = (X > 0).astype(dtype)
    params = pack(theta1, theta2)
    cost, gradient = cost_gradient(params, X, y, hidden_layer_size=3)
    expected = cost_gradient(params, X.astype(float), y, hidden_layer_size=3)
    assert cost == expected[0]
    assert_array_equal(gradient, expected[1])
    hidden, output = forward(X, theta1, theta2)
    assert hidden.dtype == output.dtype == np.float64
    assert_array_equal(output, forward(X.astype(float), theta1, theta2)[1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"params": np.zeros(5)}, "params has shape"),
        ({"params": np.zeros((23, 1))}, "params has shape"),
        ({"X": np.zeros(3)}, "Expected 2D array, got 1D array"),
        ({"X": np.full((3, 2), np.nan)}, "Input X contains NaN"),
        ({"params": np.full(17, np.inf)}, "Input params contains infinity"),
        ({"Y": np.zeros((3, 3))}, "Y has shape"),
        ({"Y": np.array([0, 1, 2])}, "class indices 0..1"),
        ({"Y": np.array([0, -1, 1])}, "class indices 0..1"),
        ({"Y": np.array([0.0, 1.0, 1.0])}, "integer class indices"),
        ({"activation": "swish"}, "activation='swish' is unknown"),
        ({"output_activation": "relu"}, "output_activation='relu' is unknown"),
        ({"Y": np.array([[0, 1], [2, 0], [0, 1]])}, "numbers from 0 to 1"),
        ({"Y": np.array([[0, 1], [np.nan, 0], [0, 1]])}, "numbers from 0 to 1"),
        ({"alpha": -1}, "alpha=-1 must be finite and not negative"),
        ({"alpha": np.inf}, "alpha=inf must be finite and not negative"),
        ({"alpha": np.nan}, "alpha=nan must be finite and not negative"),
        ({"hidden_layer_size": 0}, "hidden_layer_size == 0, must be >= 1"),
        ({"hidden_layer_size": "3"}, "hidden_layer_size must be an instance of int"),
        ({"sample_weight": np.zeros(3)}, "sample_weight is zero for all samples"),
        ({"sample_weight": [1, -1, 1]}, "sample_weight has negative values"),
        ({"sample_weight": [1, np.inf, 1]}, "sample_weight contains infinity"),
        ({"sample_weight": np.ones(4)}, r"has shape \(4,\), expected \(3,\)"),
        (
            {"Y": np.array([[0, 1], [1, 1], [1, 0]]), "output_activation": "softmax"},
            "each row of Y must sum to 1",
        ),
    ],
)
def test_cost_gradient_of_invalid_arguments_raises(change, message):
    arguments = {
        "params": np.zeros(3 * 3 + 2 * 4),
        "X": np.zeros((3, 2)),
        "Y": np.array([0, 1, 1]),
        "hidden_layer_size": 3,
    }
    cost_gradient(**arguments)
    with pytest.raises((TypeError, ValueError), match=message):
        cost_gradient(**arguments | change)


def test_forward_of_invalid_arguments_raises():
    X, theta1, theta2 = np.zeros((2, 3)), np.zeros((4, 4)), np.zeros((2, 5))
    with pytest.raises(ValueError, match=r"expected \(4, 4\) and \(2, 5\)"):
        forward(X, theta1[:, 1:], theta2)
    with pytest.raises(ValueError, match="Input theta2 contains NaN"):
        forward(X, theta1, theta2 * np.nan)
    for name in ("activation", "output_activation"):
        with pytest.raises(ValueError, match=f"^{name}='step' is unknown"):
            forward(X, theta1, theta2, **{name: "step"})


# ------------------------------------------------- large outputs and other numbers


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_logistic_loss_of_large_outputs(dtype):
    o = np.array([0, 1e-3, 1, 20, 79, 81, 300, 1e4], dtype)
    O = np.stack([o, -o])
    target = np.zeros(len(o), int) * len(o) + np.arange(len(o))  # the first output
    loss, D = OUTPUTS["logistic"].loss(O.copy(), target, np)
    exact = np.stack([o, -o]).astype(float)
    expected = np.logaddexp(0, exact).sum(axis=0) - exact[0]
    eps = np.finfo(dtype).eps
    # A loss is a difference of numbers as large as the output.
    assert (np.abs(loss - expected) <= 2 * eps * np.maximum(expected, o)).all()
    slopes = expit(exact) - [[1], [0]]
    assert_allclose(D, slopes, rtol=1e-6, atol=eps)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_of_large_outputs(dtype):
    # The largest outputs of the samples differ so much that each needs its own shift.
    O = np.array([[1e4, -1e4, 0, 3], [1e4 - 2, -1e4 + 1, 80, 3]], dtype)
    exact = O.astype(float)
    loss, D = OUTPUTS["softmax"].loss(O.copy(), np.arange(4), np)  # the first output
    assert_allclose(loss, -log_softmax(exact, axis=0)[0], rtol=1e-6)
    eps = np.finfo(dtype).eps
    assert_allclose(D, softmax(exact, axis=0) - [[1], [0]], rtol=1e-6, atol=eps)
    for function in (
        OUTPUTS["softmax"].activate,
        OUTPUTS["softmax"].class_probabilities,
    ):
        assert_allclose(function(O, np), softmax(exact, axis=0), rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_class_probabilities_of_tiny_sigmoids_sum_to_1(dtype):
    O = np.array([[1, -3, 50, -90, -1e4], [0, -4, 90, -91, -1e4 - 1]], dtype)
    P = OUTPUTS["logistic"].class_probabilities(O, np)
    assert P.dtype == dtype
    assert_allclose(P.sum(axis=0), 1, rtol=1e-6)
    F = expit(O[:, :3].astype(float))
    assert_allclose(P[:, :3], F / F.sum(axis=0), rtol=1e-5)
    # Tiny sigmoids are exponentials, and divided by their sum they are a softmax.
    assert_allclose(P[1, 3:], expit(-1), rtol=1e-5)


@pytest.mark.parametrize("output_activation", OUTPUTS)
@pytest.mark.parametrize("sign", [1, -1])
def test_overflow_raises_without_warning(output_activation, sign):
    # Hidden units of 1e308 times 10, whose infinities add up or cancel to NaN.
    theta1, theta2 = np.zeros((2, 2)), np.full((2, 3), 10.0)
    theta1[:, 1], theta2[0, 2] = 1, sign * 10
    with pytest.raises(ValueError, match="not finite"):
        cost_gradient(
            pack(theta1, theta2),
            [[1e308]],
            np.array([1]),
            hidden_layer_size=2,
            activation="identity",
            output_activation=output_activation,
        )


def test_params_may_be_integers_or_lists():
    X, Y = np.eye(3), np.array([0, 1, 1])
    params = np.arange(14) % 3 - 1
    for given in (params, params.tolist(), params.astype(np.float32)):
        cost, gradient = cost_gradient(given, X, Y, hidden_layer_size=2, alpha=0.3)
        expected = cost_gradient(params * 1.0, X, Y, hidden_layer_size=2, alpha=0.3)
        assert_allclose(cost, expected[0], rtol=1e-12)
        assert_allclose(gradient, expected[1], rtol=1e-12)


@pytest.mark.parametrize("weight", [np.float16(100), 1e300, 1e-300], ids=str)
def test_scale_of_sample_weights_does_not_change_cost(weight):
    X, Y = np.eye(3)[np.arange(900) % 3], np.arange(900) % 2
    options = {"hidden_layer_size": 2}
    sample_weight = np.full(900, weight)  # the sum of 100 is beyond float16
    weighed = cost_gradient(
        np.ones(14) / 3, X, Y, sample_weight=sample_weight, **options
    )
    expected = cost_gradient(np.ones(14) / 3, X, Y, **options)
    assert_allclose(weighed[0], expected[0], rtol=1e-12)
    assert_allclose(weighed[1], expected[1], atol=1e-12)


# ----------------------------------------------------------------------- prediction


def test_decoded_labels_are_largest_or_positive_outputs():
    several = np.array([[0.1, -1], [0.3, -2], [0.2, -3]])
    assert predict_codes(several, np, 3, False).tolist() == [1, 0]
    assert predict_codes(several, np, 3, True).T.tolist() == [
        [1, 0],
        [1, 0],
        [1, 0],
    ]
    one = np.array([[-0.1, 0.1]])
    assert predict_codes(one, np, 2, False).tolist() == [0, 1]
    assert predict_codes(one, np, 1, False).tolist() == [0, 0]


def test_cost_gradient_of_params_beyond_float32_raises_without_a_warning():
    X = np.eye(3, dtype=np.float32)
    with pytest.raises(ValueError, match="not finite"):
        cost_gradient(np.full(14, 1e39), X, np.array([0, 1, 1]), hidden_layer_size=2)
