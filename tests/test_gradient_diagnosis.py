"""The diagnosis of each usual mistake in a student's function.

Right functions have no diagnosis.

The student's function is written with loops over samples, as in the practical, and
independent of the package.
"""

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from sknn3 import check_gradient
from sknn3._gradient_diagnosis import Problem, diagnose
from sknn3.network import cost_gradient


def g(z):
    return 1 / (1 + np.exp(-z))


def one_hot(y, n_out, bugs):
    """Encode labels 1 to n_out; a matrix is one-hot already."""
    if np.ndim(y) == 2:
        return np.array(y)
    Y = np.zeros((len(y), n_out))
    for i, label in enumerate(y):
        if "label 10 is 0" in bugs:
            Y[i, 0 if label == n_out else label] = 1
        elif "label 10 is lost" in bugs:
            if label < n_out:
                Y[i, label] = 1
        elif "labels too small" in bugs:
            Y[i, label - 2] = 1  # 1 - 2 is the last column
        else:
            Y[i, label - 1] = 1
    return Y


def read(params, n_in, n_hidden, n_out, bugs):
    """Return theta1 and theta2."""
    first = params[: n_hidden * (n_in + 1)]
    second = params[n_hidden * (n_in + 1) :]
    if "all by columns" in bugs or "read by columns" in bugs:
        theta1 = first.reshape(n_in + 1, n_hidden).T
        theta2 = second.reshape((n_out, n_hidden + 1), order="F")
    else:
        theta1 = first.reshape(n_hidden, n_in + 1)
        theta2 = second.reshape(n_out, n_hidden + 1)
    if "biases zeroed" in bugs:
        theta1[:, 0] = 0
        theta2[:, 0] = 0
    if "biases last" in bugs:
        theta1 = np.column_stack([theta1[:, -1], theta1[:, :-1]])
        theta2 = np.column_stack([theta2[:, -1], theta2[:, :-1]])
    return theta1, theta2


def write(grad1, grad2, bugs):
    """Unroll the gradient."""
    if "biases last" in bugs:
        grad1 = np.column_stack([grad1[:, 1:], grad1[:, 0]])
        grad2 = np.column_stack([grad2[:, 1:], grad2[:, 0]])
    if "all by columns" in bugs or "gradient by columns" in bugs:
        grad1, grad2 = grad1.T, grad2.T
    if "first gradient by columns" in bugs:
        grad1 = grad1.T
    if "second gradient by columns" in bugs:
        grad2 = grad2.T
    if "second gradient first" in bugs:
        grad1, grad2 = grad2, grad1
    return np.concatenate([grad1.ravel(), grad2.ravel()])


def loss_of(h, y, bugs):
    """Return the loss of an output."""
    if "logarithms swapped" in bugs:
        return -y * np.log(1 - h) - (1 - y) * np.log(h)
    if "squared error" in bugs:
        return (h - y) ** 2 / 2
    loss = 0.0
    if "only 1 - y" not in bugs:
        loss -= y * np.log(h)
    if "only y" not in bugs:
        loss -= (1 - y) * np.log(1 - h)
    return -loss if {"cost negative", "cost and penalty negative"} & bugs else loss


def backpropagate(a2, h, y, theta2, bugs):
    """Return the errors of the hidden units and of the outputs for a sample."""
    delta3 = y - h if "error negative" in bugs else h - y
    if "slope of outputs" in bugs:
        delta3 = delta3 * h * (1 - h)
    slope = a2 * (1 - a2)
    if "no slope" in bugs:
        slope = np.ones_like(a2)
    if "slope of a" in bugs:
        slope = g(a2) * (1 - g(a2))
    return (theta2.T @ delta3 * slope)[1:], delta3


def divided(part, total, m, bugs):
    """Return the mean over the samples."""
    if {f"{part} undivided", f"{part} and penalty undivided"} & bugs:
        return total
    return total / m**2 if f"{part} divided twice" in bugs else total / m


def student(bugs=()):
    """Return the practical's function with the given bugs."""
    bugs = {bugs} if isinstance(bugs, str) else set(bugs)

    def backprop(params, n_in, n_hidden, n_out, X, y, reg):
        m = len(X)
        Y = one_hot(y, n_out, bugs)
        theta1, theta2 = read(params, n_in, n_hidden, n_out, bugs)
        cost = 0.0
        grad1, grad2 = np.zeros_like(theta1), np.zeros_like(theta2)
        for t in range(m):
            a1 = np.append(1, X[t])
            a2 = np.append(1, g(theta1 @ a1))
            h = g(theta2 @ a2)
            for k in range(n_out):
                cost += loss_of(h[k], Y[t, k], bugs)
            delta2, delta3 = backpropagate(a2, h, Y[t], theta2, bugs)
            kept = "last sample" not in bugs
            grad1 = kept * grad1 + np.outer(delta2, a1)
            grad2 = kept * grad2 + np.outer(delta3, a2)
        cost = divided("cost", cost, m, bugs)
        if "cost divided by outputs" in bugs:
            cost /= n_out
        for name, grad, theta in ("theta1", grad1, theta1), ("theta2", grad2, theta2):
            first = 0 if "cost penalises biases" in bugs else 1
            strength = penalty("cost", reg / 2, m, bugs, name)
            cost += strength * np.sum(theta[:, first:] ** 2)
            grad[:] = divided("gradient", grad, m, bugs)
            if "no gradient of biases" in bugs:
                grad[:, 0] = 0
            first = 0 if "gradient penalises biases" in bugs else 1
            strength = penalty("gradient", reg, m, bugs, name)
            grad[:, first:] += strength * theta[:, first:]
            if "gradient negative" in bugs:
                grad *= -1
        return cost, write(grad1, grad2, bugs)

    return backprop


def penalty(part, strength, m, bugs, layer):
    """Return the factor of the penalty of a layer, with the bugs of the part."""
    if not {f"{part} penalty undivided", f"{part} and penalty undivided"} & bugs:
        strength = strength / m
    if f"{part} penalty divided twice" in bugs:
        strength = strength / m
    if {f"{part} penalty missing", f"{part} penalty of {layer} missing"} & bugs:
        return 0
    if f"{part} penalty doubled" in bugs:
        return 2 * strength
    if f"{part} penalty halved" in bugs:
        return strength / 2
    if f"{part} penalty times m" in bugs:
        return strength * m**2
    negative = {f"{part} penalty negative", f"{part} and penalty negative"}
    return -strength if negative & bugs else strength


# Each bug, and how its diagnosis starts.
BUGS = {
    "gradient penalises biases": "The gradient penalises the biases",
    "gradient undivided": "The gradient is not divided by m",
    "gradient and penalty undivided": "The gradient and its penalty are not divided",
    "gradient divided twice": "The gradient is divided by m twice",
    "gradient by columns": "The gradient is unrolled by columns, or transposed",
    "first gradient by columns": "The gradient of theta1 is unrolled by columns",
    "second gradient by columns": "The gradient of theta2 is unrolled by columns",
    "second gradient first": "The gradient of theta2 comes first",
    "all by columns": "theta1 and theta2 are unrolled by columns, or transposed",
    "read by columns": "theta1 and theta2 are read from params by columns",
    "biases last": "The biases are in the last column",
    "biases zeroed": "The forward pass has no biases",
    "no slope": "The error of the hidden units lacks the derivative of the sigmoid",
    "slope of a": "The error of the hidden units has the derivative of the sigmoid at",
    "slope of outputs": "The error of the outputs has the derivative of the sigmoid",
    "gradient negative": "The whole gradient has the wrong sign",
    "error negative": "The error of the outputs has the wrong sign",
    "last sample": "The gradient has the last sample only",
    "no gradient of biases": "The gradient of the biases is 0",
    "gradient penalty missing": "The gradient lacks the penalty",
    "gradient penalty of theta1 missing": "The gradient lacks the penalty of theta1",
    "gradient penalty of theta2 missing": "The gradient lacks the penalty of theta2",
    "gradient penalty doubled": "The penalty in the gradient is doubled",
    "gradient penalty halved": "The penalty in the gradient is halved",
    "gradient penalty negative": "The penalty in the gradient has the wrong sign",
    "gradient penalty undivided": "The penalty in the gradient is not divided by m",
    "gradient penalty divided twice": "The penalty in the gradient is divided by m twi",
    "cost undivided": "The cost is not divided by m",
    "cost and penalty undivided": "The cost and its penalty are not divided by m",
    "cost divided by outputs": "The cost is divided by the number of outputs too",
    "logarithms swapped": "The logarithms in the cost are swapped",
    "squared error": "The cost is the squared error",
    "only y": "The cost lacks the term (1-y)*log(1-h)",
    "only 1 - y": "The cost lacks the term y*log(h)",
    "cost negative": "The cost has the wrong sign",
    "cost and penalty negative": "The whole cost has the wrong sign",
    "cost penalises biases": "The cost penalises the biases",
    "cost penalty missing": "The cost lacks the penalty",
    "cost penalty of theta1 missing": "The cost lacks the penalty of theta1",
    "cost penalty of theta2 missing": "The cost lacks the penalty of theta2",
    "cost penalty doubled": "The penalty in the cost is doubled",
    "cost penalty halved": "The penalty in the cost is halved",
    "cost penalty negative": "The penalty in the cost has the wrong sign",
    "cost penalty undivided": "The penalty in the cost is not divided by m",
    "cost penalty divided twice": "The penalty in the cost is divided by m twice",
    "cost penalty times m": "The penalty in the cost is multiplied by m",
}
LABEL_BUGS = {
    "label 10 is 0": "The one-hot matrix is shifted by a column to the right, and the",
    "label 10 is lost": "The last label (10, for the digit 0) is missing",
    "labels too small": "The one-hot matrix is shifted by a column to the left",
}

# Bugs in both the cost and the gradient.
SHARED = ("all by columns", "read by columns", "biases last", "biases zeroed")
IN_COST = [bug for bug in BUGS if "cost" in BUGS[bug]]
IN_GRADIENT = [bug for bug in BUGS if bug not in (*IN_COST, *SHARED)]

# n_in, n_hidden, n_out and m
SIZES = [
    (3, 5, 3, 5),
    (4, 4, 4, 4),
    (4, 3, 4, 7),
    (3, 2, 1, 6),
    (1, 1, 2, 3),
    (5, 2, 3, 1),
    (2, 3, 2, 2),
]


def problem(sizes, reg, seed, scale=1.0):
    """Return random params and args, with the label n_out in y."""
    n_in, n_hidden, n_out, m = sizes
    rng = np.random.RandomState(seed)
    params = rng.uniform(-1, 1, n_hidden * (n_in + 1) + n_out * (n_hidden + 1))
    X = scale * rng.standard_normal((m, n_in))
    y = 1 + (rng.permutation(m) - 1) % n_out
    if n_out == 1:
        y = rng.randint(0, 2, (m, 1))
    return params, (n_in, n_hidden, n_out, X, y, reg)


def diagnosis(backprop, params, args):
    """Return the diagnosis of a function, and whether its values are right."""
    *n, X, y, reg = args
    Y = one_hot(y, n[-1], ())
    cost, gradient = backprop(params.copy(), *args)
    right = cost_gradient(params, X, Y, hidden_layer_size=n[1], alpha=reg)
    is_right = np.isclose(cost, right[0], rtol=1e-9) and np.allclose(
        gradient, right[1], rtol=1e-9, atol=1e-12
    )
    return diagnose(Problem(params, *n, X, Y, reg), cost, gradient), is_right


# --------------------------------------------------------------------- right functions


@pytest.mark.parametrize("targets", ["one-hot", "labels"])
@pytest.mark.parametrize("alpha", [0, None, 30])
def test_right_function_has_no_diagnosis(targets, alpha):
    check = check_gradient(student(), targets=targets, alpha=alpha)
    assert check.diagnosis is None
    assert check.max_difference < 1e-8
    assert_allclose(check.cost, check.right_cost, rtol=1e-14)


def with_logarithms_of_more(params, n_in, n_hidden, n_out, X, y, reg):
    """Add 1e-9 to the arguments of logarithms, without loops."""
    m, Y = len(X), one_hot(y, n_out, ())
    theta1, theta2 = read(params, n_in, n_hidden, n_out, ())
    A1 = np.hstack([np.ones((m, 1)), X])
    A2 = np.hstack([np.ones((m, 1)), g(A1 @ theta1.T)])
    H = g(A2 @ theta2.T)
    cost = -np.sum(Y * np.log(H + 1e-9) + (1 - Y) * np.log(1 - H + 1e-9)) / m
    cost += reg / (2 * m) * (np.sum(theta1[:, 1:] ** 2) + np.sum(theta2[:, 1:] ** 2))
    D2 = (H - Y) @ theta2[:, 1:] * A2[:, 1:] * (1 - A2[:, 1:])
    grad1, grad2 = D2.T @ A1 / m, (H - Y).T @ A2 / m
    grad1[:, 1:] += reg / m * theta1[:, 1:]
    grad2[:, 1:] += reg / m * theta2[:, 1:]
    return cost, np.append(grad1, grad2)


@given(
    st.tuples(*[st.integers(1, 5)] * 3, st.integers(1, 8)),
    st.just(0.0) | st.floats(1e-9, 1e6),
    st.integers(0, 2**32 - 1),
    st.floats(-6, 1).map(lambda power: 10**power),
    st.floats(-3, 1).map(lambda power: 10**power),
    st.sampled_from([student(), with_logarithms_of_more]),
)
def test_right_functions_never_have_a_diagnosis(
    sizes, reg, seed, X_scale, params_scale, backprop
):
    params, args = problem(sizes, reg, seed, X_scale)
    assert diagnosis(backprop, params_scale * params, args)[0] is None


def test_function_that_writes_into_params_is_right():
    def backprop(params, *args):
        result = student()(params, *args)
        params[:] = 0
        return result

    check = check_gradient(backprop)
    assert check.diagnosis is None
    assert check.max_difference < 1e-9


# ------------------------------------------------------------------------ usual bugs


@pytest.mark.parametrize("bug", BUGS)
def test_bug_is_the_only_diagnosis_on_small_network(bug):
    check = check_gradient(student(bug))
    assert check.diagnosis.startswith(BUGS[bug])
    assert "Or:" not in check.diagnosis
    assert "The " not in check.diagnosis[4:]  # another sentence


@pytest.mark.parametrize("bug", LABEL_BUGS)
def test_wrong_column_of_label_is_diagnosed(bug):
    check = check_gradient(student(bug), targets="labels")
    assert check.max_difference < 1e-9  # consistent, and yet wrong
    assert check.diagnosis.startswith(LABEL_BUGS[bug])
    assert "Or:" not in check.diagnosis


@pytest.mark.parametrize(
    "bug", [" penalises biases", " penalty missing", " and penalty undivided"]
)
def test_same_bug_in_cost_and_gradient_is_diagnosed(bug):
    bugs = f"cost{bug}", f"gradient{bug}"
    check = check_gradient(student(bugs))
    assert check.max_difference < 1e-8  # consistent, and yet wrong
    for bug in bugs:
        assert BUGS[bug] in check.diagnosis


@pytest.mark.parametrize("reg", [0, 0.3])
@pytest.mark.parametrize("sizes", SIZES)
def test_each_bug_is_diagnosed_for_each_size(sizes, reg):
    for seed, (bug, start) in enumerate((BUGS | LABEL_BUGS).items()):
        text, is_right = diagnosis(student(bug), *problem(sizes, reg, seed))
        if reg == 0:  # then the penalty has no effect
            start = start.replace("and its penalty are", "is")
            start = start.replace("The whole cost", "The cost")
        if is_right:  # the bug has no effect
            assert text is None
        else:
            assert start in text


def test_pairs_of_bugs_in_cost_and_gradient_are_diagnosed():
    for seed, (first, second) in enumerate(product(IN_COST, IN_GRADIENT)):
        if seed % 5 == 0:
            text, _ = diagnosis(student([first, second]), *problem(SIZES[0], 2, seed))
            assert text.startswith(BUGS[first])
            assert BUGS[second] in text


# Bugs of one line exclude or undo each other.
SAME_LINE = [
    {bug for bug in IN_GRADIENT if "divided" in bug},
    {bug for bug in IN_GRADIENT if "by columns" in bug},
    {bug for bug in IN_GRADIENT if "penalty" in bug} | {"gradient penalises biases"},
    {"no slope", "slope of a"},
    {"gradient negative", "error negative", "gradient penalty negative"},
]


def test_pairs_of_bugs_in_gradient_are_diagnosed():
    for seed, pair in enumerate(combinations(IN_GRADIENT, 2)):
        if seed % 2 == 0 and not any(set(pair) <= line for line in SAME_LINE):
            text, _ = diagnosis(student(pair), *problem(SIZES[0], 2, seed))
            for bug in pair:
                assert BUGS[bug] in text


@pytest.mark.parametrize("shared", SHARED)
@pytest.mark.parametrize("bug", ["no slope", "gradient undivided", "cost undivided"])
def test_another_bug_besides_one_in_cost_and_gradient_is_diagnosed(shared, bug):
    text, _ = diagnosis(student([shared, bug]), *problem(SIZES[0], 2, 0))
    assert text.startswith(BUGS[shared])
    assert BUGS[bug] in text


def test_more_than_three_alternatives_are_no_diagnosis():
    # For two samples, each doubled penalty equals one without division by m.
    bugs = "cost penalty doubled", "gradient penalty doubled"
    assert diagnosis(student(bugs), *problem((3, 5, 3, 2), 1, 0))[0] is None


def test_bugs_that_set_one_option_are_no_alternatives():
    # "The gradient and its penalty are not divided" sets the divisor of both.
    bugs = "gradient undivided", "gradient penalty divided twice"
    text, _ = diagnosis(student(bugs), *problem(SIZES[0], 2, 0))
    assert text.startswith(BUGS[bugs[0]])
    assert BUGS[bugs[1]] in text
    assert "Or:" not in text


@pytest.mark.parametrize("sizes", [(3, 5, 3, 2), (2, 2, 2, 2)])
def test_bugs_with_equal_values_are_alternatives(sizes):
    # For two samples, a doubled penalty equals one without division by m.
    text, _ = diagnosis(student("gradient penalty doubled"), *problem(sizes, 1, 0))
    doubled, undivided = text.split(" Or: ")
    assert doubled.startswith(BUGS["gradient penalty doubled"])
    assert undivided.startswith(BUGS["gradient penalty undivided"])


# ------------------------------------------------------------------------ other bugs


def other_network(hidden, output):
    """Return the function of another network, from the package."""

    def backprop(params, n_in, n_hidden, n_out, X, y, reg):
        return cost_gradient(
            params,
            X,
            one_hot(y, n_out, ()).argmax(axis=1),
            hidden_layer_size=n_hidden,
            alpha=reg,
            activation=hidden,
            output_activation=output,
        )

    return backprop


def changed(change):
    """Return the right function with its cost and gradient changed at random."""

    def backprop(params, *args):
        rng = np.random.RandomState(len(params))
        return change(*student()(params, *args), rng)

    return backprop


def one_component(cost, gradient, rng):
    gradient[rng.randint(len(gradient))] += 0.1
    return cost, gradient


OTHER_BUGS = {
    "tanh": other_network("tanh", "logistic"),
    "relu": other_network("relu", "logistic"),
    "softmax": other_network("logistic", "softmax"),
    "noise": changed(lambda c, g, rng: (c, g + 1e-5 * rng.standard_normal(len(g)))),
    "random": changed(lambda c, g, rng: (rng.rand(), rng.standard_normal(len(g)))),
    "factor": changed(lambda c, g, rng: (c, 1.3 * g)),
    "cost": changed(lambda c, g, rng: (c + rng.rand(), g)),
    "order": changed(lambda c, g, rng: (c, rng.permutation(g))),
    "reversed": changed(lambda c, g, rng: (c, g[::-1])),
    "zero": changed(lambda c, g, rng: (0.0, 0 * g)),
    "one component": changed(one_component),
    "three bugs": student(["no slope", "last sample", "gradient penalises biases"]),
}


@pytest.mark.parametrize("bug", OTHER_BUGS)
def test_other_bug_has_no_diagnosis(bug):
    for seed, sizes in enumerate([*SIZES[:3], (8, 6, 4, 9)]):
        for reg in (0, 1) if bug != "three bugs" else (1,):
            params, args = problem(sizes, reg, seed)
            text, is_right = diagnosis(OTHER_BUGS[bug], params, args)
            assert text is None
            assert not is_right


def test_repr_shows_right_cost_without_diagnosis():
    check = check_gradient(OTHER_BUGS["tanh"])
    assert check.diagnosis is None
    assert f"cost                 {check.cost:.6f} (right: 2.1" in repr(check)
    assert_allclose(check.right_cost, check_gradient(student()).cost, rtol=1e-14)
