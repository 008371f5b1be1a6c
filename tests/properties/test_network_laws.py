"""Properties of the functions of `network` and of `check_gradient`."""

from importlib.util import find_spec

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.testing import assert_allclose, assert_array_equal

from activations import HIDDEN
from sknn3 import check_gradient
from sknn3.network import (
    cost_gradient,
    forward,
    pack,
    random_weights,
    sigmoid,
    sigmoid_gradient,
    unpack,
)
from strategies import assert_near, coarse, fitted, matrices, networks, one_in, plain

FLOATS = st.floats(allow_nan=False, width=64)
ARRAYS = npst.arrays(
    float, npst.array_shapes(min_dims=0, max_dims=3, max_side=4), elements=FLOATS
)

# ---------------------------------------------------------------- cost and gradient


@given(networks())
def test_gradient_equals_central_differences(network):
    rng = network.problem.rng
    along1 = rng.uniform(-1, 1, network.theta1.shape)
    along1[:, 1:] /= np.abs(network.problem.X).max()
    along2 = rng.uniform(-1, 1, network.theta2.shape)
    step = 1e-5
    ends = [
        (network.theta1 + s * along1, network.theta2 + s * along2)
        for s in (-step, step)
    ]
    if not HIDDEN[
        network.problem.options["activation"]
    ].smooth:  # no kink between the points
        X1 = np.column_stack([np.ones(len(network.problem.X)), network.problem.X])
        inputs = [X1 @ theta1.T for theta1, _ in ends]
        assume(((inputs[0] > 0) == (inputs[1] > 0)).all())
    low, high = (network(*end)[0] for end in ends)
    _, slope1, slope2 = network()
    slope = (slope1 * along1).sum() + (slope2 * along2).sum()
    # The third derivative along the line is in the thousands at most.
    assert_allclose((high - low) / (2 * step), slope, rtol=1e-6, atol=1e-6)


if find_spec("torch"):
    import torch
    from torch.nn import functional

    @given(networks())
    def test_cost_and_gradient_equal_torch(network):
        problem, options = network.problem, network.problem.options
        theta1, theta2 = (
            torch.tensor(theta, requires_grad=True)
            for theta in (network.theta1, network.theta2)
        )
        Z = functional.linear(torch.tensor(problem.X), theta1[:, 1:], theta1[:, 0])
        A = HIDDEN[options["activation"]].in_torch(torch, Z)
        O = functional.linear(A, theta2[:, 1:], theta2[:, 0])
        codes = torch.tensor(problem.codes)
        if options["output_activation"] == "softmax":
            losses = functional.cross_entropy(O, codes, reduction="none")
        else:
            n_outputs = theta2.shape[0]
            Y = (
                functional.one_hot(codes, n_outputs)
                if n_outputs > 1
                else codes[:, None]
            )
            losses = functional.binary_cross_entropy_with_logits(
                O, Y.to(O.dtype), reduction="none"
            ).sum(dim=1)
        weight = torch.tensor(problem.weight, dtype=O.dtype)
        squares = (theta1[:, 1:] ** 2).sum() + (theta2[:, 1:] ** 2).sum()
        cost = ((weight * losses).sum() + options["alpha"] / 2 * squares) / weight.sum()
        cost.backward()
        expected = cost.item(), theta1.grad.numpy(), theta2.grad.numpy()
        assert_near(network(), expected)


@given(networks())
def test_costs_of_parts_of_data_add_up(network):
    X, codes = network.problem.X, network.problem.codes
    weight = 1.0 + network.problem.weight
    n = network.problem.rng.randint(len(X) + 1)
    sums = [
        [
            part.sum() * value
            for value in network(X=X_, Y=Y_, sample_weight=part, alpha=0)
        ]
        for X_, Y_, part in [
            (X[:n], codes[:n], weight[:n]),
            (X[n:], codes[n:], weight[n:]),
        ]
        if len(part)
    ]
    expected = [sum(parts) / weight.sum() for parts in zip(*sums, strict=True)]
    assert_near(network(sample_weight=weight, alpha=0), expected)


@given(networks(), st.floats(1e-3, 1e3))
def test_scaling_sample_weight_and_alpha_keeps_cost(network, c):
    scaled = network(
        sample_weight=c * network.problem.weight,
        alpha=c * network.problem.options["alpha"],
    )
    assert_near(scaled, network())


@given(networks())
def test_integer_sample_weight_equals_repeated_rows(network):
    rows = np.repeat(np.arange(len(network.problem.X)), network.problem.weight)
    repeated = network(
        X=network.problem.X[rows], Y=network.problem.codes[rows], sample_weight=None
    )
    assert_near(network(), repeated)


@given(networks())
def test_permuted_rows_keep_cost(network):
    problem = network.problem
    rows = problem.rng.permutation(len(problem.X))
    permuted = network(
        X=problem.X[rows], Y=problem.codes[rows], sample_weight=problem.weight[rows]
    )
    assert_near(permuted, network())


@given(networks())
def test_permuted_hidden_units_keep_cost(network):
    units = network.problem.rng.permutation(len(network.theta1))
    columns = np.append(0, 1 + units)
    cost, slope1, slope2 = network()
    permuted = network(network.theta1[units], network.theta2[:, columns])
    assert_near(permuted, (cost, slope1[units], slope2[:, columns]))


@given(networks())
def test_permuted_classes_keep_cost(network):
    cost, slope1, slope2 = network()
    if len(slope2) == 1:  # the output is the logit of the last class
        swapped = network(theta2=-network.theta2, Y=1 - network.problem.codes)
        assert_near(swapped, (cost, slope1, -slope2))
        return
    classes = network.problem.rng.permutation(len(slope2))
    permuted = network(
        theta2=network.theta2[classes], Y=np.argsort(classes)[network.problem.codes]
    )
    assert_near(permuted, (cost, slope1, slope2[classes]))


@given(networks())
def test_float32_is_near_float64(network):
    X = network.problem.X.astype(np.float32)
    if not HIDDEN[
        network.problem.options["activation"]
    ].smooth:  # no sample near a kink
        X1 = np.column_stack([np.ones(len(X)), X])
        assume((np.abs(X1 @ network.theta1.T) > 1e-5).all())
    # The terms of a gradient are as large as X and may cancel.  The error is that of
    # the terms.  In 46,000 examples it was 2 epsilons at most.
    unit = max(1.0, np.abs(X).max())
    cost, slope1, slope2 = network(X=X)
    expected = network(X=X.astype(np.float64))
    rtol = 20 * np.finfo(np.float32).eps
    assert_near((cost, slope2), expected[::2], rtol=rtol)
    assert_near([slope1 / unit], [expected[1] / unit], rtol=rtol)


@one_in(2)
@given(networks())
def test_forward_equals_predictions_of_classifier(network):
    problem = network.problem
    clf = fitted(problem.classifier.set_params(max_iter=2), problem.X, problem.codes)
    _, outputs = forward(
        problem.X,
        clf.theta1_,
        clf.theta2_,
        activation=clf.hidden_activation_,
        output_activation=clf.out_activation_,
    )
    if clf.n_outputs_ > 1:
        expected = outputs / outputs.sum(axis=1, keepdims=True)
        assert_allclose(clf.predict_proba(problem.X), expected, rtol=1e-9, atol=1e-15)
    elif len(clf.classes_) == 2:
        positive = clf.predict_proba(problem.X)[:, 1]
        assert_allclose(positive, outputs[:, 0], rtol=1e-9, atol=1e-15)


@given(networks(), st.data())
def test_container_and_dtype_of_samples_keep_cost(network, data):
    problem = network.problem
    X = data.draw(matrices(problem.X))
    network.theta1[:, 1:] *= np.abs(problem.X).max() / 8
    before = plain(X)
    dtype = (
        X.dtype if sp.issparse(X) else np.asarray(X).dtype
    )  # the common dtype of the columns
    rtol = 1e-5 if dtype == np.float32 else 1e-11
    assert_near(network(X=X), network(X=before), rtol)
    thetas, options = (network.theta1, network.theta2), network.activations
    assert_near(
        forward(X, *thetas, **options), forward(before, *thetas, **options), rtol
    )
    assert_array_equal(plain(X), before)


@given(networks(), st.sampled_from("?bBhHiIlLqQfde"))
def test_dtype_of_targets_and_sample_weight_keeps_cost(network, dtype):
    problem, expected = network.problem, network()
    weight = problem.weight.astype(dtype)
    if dtype == "?":
        expected = network(sample_weight=weight.astype(float))
    assert_near(network(sample_weight=weight), expected)
    assert_near(network(sample_weight=weight.tolist()), expected)
    codes = problem.codes.astype("i" if dtype in "?fde" else dtype)
    assert_near(network(Y=codes), network())
    indicator, n_outputs = problem.codes[:, np.newaxis], len(network.theta2)
    if n_outputs > 1:
        indicator = indicator == np.arange(n_outputs)
    for Y in (indicator, indicator.astype(dtype), indicator.tolist()):
        assert_near(network(Y=Y), network())


# -------------------------------------------------------------- the other functions


@given(ARRAYS)
def test_sigmoid_is_monotonic_and_symmetric(z):
    g = sigmoid(z)
    assert np.shape(g) == z.shape
    assert ((g >= 0) & (g <= 1)).all()
    assert_allclose(g + sigmoid(-z), 1, rtol=1e-15)
    ordered = np.sort(z, axis=None)
    assert (np.diff(sigmoid(ordered)) >= 0).all()
    near = np.clip(z, -700, 700)
    assert_allclose(sigmoid(near), 1 / (1 + np.exp(-near)), rtol=1e-13)
    assert_allclose(sigmoid_gradient(z), g * sigmoid(-z), rtol=1e-13)
    assert_allclose(sigmoid_gradient(z), sigmoid_gradient(-z), rtol=1e-13)
    assert_array_equal(sigmoid(z.tolist()), g)


@given(npst.arrays(npst.integer_dtypes() | npst.boolean_dtypes(), 3))
def test_sigmoid_of_integers_equals_sigmoid_of_floats(z):
    for function in (sigmoid, sigmoid_gradient):
        assert_array_equal(function(z), function(z.astype(float)))
        assert function(z).dtype == float


@given(ARRAYS)
def test_sigmoid_gradient_equals_differences(z):
    z = np.clip(z, -20, 20)
    slope = (sigmoid(z + 1e-5) - sigmoid(z - 1e-5)) / 2e-5
    assert_allclose(sigmoid_gradient(z), slope, atol=1e-10)


@given(networks())
def test_unpack_inverts_pack(network):
    h, d = network.theta1.shape[0], network.theta1.shape[1] - 1
    params = pack(network.theta1, network.theta2)
    for vector in (params, params[::-1].copy()[::-1], params.astype(np.float32)):
        theta1, theta2 = unpack(vector, d, h)
        assert np.shares_memory(theta1, vector)
        assert np.shares_memory(theta2, vector)
        assert_array_equal(theta1, network.theta1.astype(vector.dtype))
        assert_array_equal(theta2, network.theta2.astype(vector.dtype))
        assert_array_equal(pack(theta1, theta2), vector)
    assert_array_equal(pack(network.theta1.tolist(), network.theta2.tolist()), params)
    for n_wrong in range(1, h + 1):
        with pytest.raises(ValueError, match="params has shape"):
            unpack(np.append(params, params[:n_wrong]), d, h)


@given(
    st.integers(1, 9),
    st.integers(1, 9),
    st.floats(1e-300, 1e300),
    st.integers(0, 2**32 - 1),
)
def test_random_weights_are_within_epsilon(n_in, n_out, epsilon, seed):
    before = np.random.get_state()[1].copy()
    weights = random_weights(n_in, n_out, epsilon, seed)
    assert weights.shape == (n_out, n_in + 1)
    assert (np.abs(weights) <= epsilon).all()
    assert_array_equal(random_weights(n_in, n_out, epsilon, seed), weights)
    rng = np.random.RandomState(seed)
    assert_array_equal(random_weights(n_in, n_out, epsilon, rng), weights)
    assert len(np.unique(weights)) == weights.size
    assert_array_equal(np.random.get_state()[1], before)


@given(networks(), st.data())
def test_check_gradient_finds_wrong_component(network, data):
    problem = network.problem
    options = problem.options | {"sample_weight": problem.weight}
    X = coarse(problem.X, float)
    network.theta1[:, 1:] *= np.abs(problem.X).max() / 8
    params = pack(network.theta1, network.theta2)
    if not HIDDEN[options["activation"]].smooth:  # no kink near the weights
        inputs = network.theta1[:, :1] + network.theta1[:, 1:] @ X.T
        assume((np.abs(inputs) > 1e-3).all())

    def cost(params):
        return cost_gradient(params, X, problem.codes, **options)

    before = params.copy()
    right = check_gradient(cost, params)
    assert right.max_difference < 1e-6
    assert_array_equal(params, before)
    assert_array_equal(right.analytic, cost(params)[1])

    k, error = data.draw(st.integers(0, len(params) - 1)), data.draw(st.floats(0.01, 9))

    def wrong_cost(params):
        value, gradient = cost(params)
        gradient[k] += error
        return value, gradient

    wrong = check_gradient(wrong_cost, params)
    assert np.abs(wrong.difference).argmax() == k
    assert_allclose(wrong.max_difference, error, atol=1e-6)
    assert f"[{k}]" in repr(wrong)
