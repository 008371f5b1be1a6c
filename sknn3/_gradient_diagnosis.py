"""Diagnosis of usual mistakes in backpropagation, from a cost and its gradient.

`_cost` and `_gradient` compute the practical's values with the formulas of `_RIGHT`.
Each mistake replaces some of these formulas by wrong ones.  Mistakes explain the values
of a student if the wrong formulas give the same values.
"""
# ruff: noqa: ARG005 - wrong formulas ignore some arguments

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import chain, combinations, product
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

# Relative tolerance for right values.  Students may add 1e-9 inside logarithms.
_RIGHT_TOLERANCE = 1e-6
# Relative tolerance for values of a mistake.  It is far below _RIGHT_TOLERANCE, so that
# wrong values close to the right ones match no mistake by chance.
_MISTAKE_TOLERANCE = 1e-8
# Largest number of mistakes in the cost, and in the gradient.
_MAX_MISTAKES = 2
# A diagnosis with more alternatives would not help.
_MAX_ALTERNATIVES = 3

# The sentence that describes each mistake, and its wrong formulas by name.
_Mistakes = dict[str, dict[str, Any]]


class Problem(NamedTuple):
    """Arguments of the practical's function, with a one-hot matrix Y."""

    params: np.ndarray
    n_in: int
    n_hidden: int
    n_out: int
    X: np.ndarray
    Y: np.ndarray
    reg: float


def _log_g(z: np.ndarray) -> np.ndarray:
    """Return the logarithm of the sigmoid g; log(1-g(z)) is log(g(-z))."""
    return -np.logaddexp(0, -z)


def _g(z: np.ndarray) -> np.ndarray:
    """Return the sigmoid."""
    return np.exp(_log_g(z))


def _zero_biases(theta: np.ndarray) -> np.ndarray:
    """Return a copy of the matrix with column 0 set to 0."""
    return np.hstack([np.zeros((len(theta), 1)), theta[:, 1:]])


# Each matrix has the biases in column 0.  a and h are the outputs of the hidden and the
# output layer, h = g(z), y is the one-hot matrix, and m is the number of samples.
_RIGHT: dict[str, Any] = {
    "read": np.reshape,
    "one_hot": lambda Y: Y,
    "loss": lambda z, y: -y * _log_g(z) - (1 - y) * _log_g(-z),
    "cost_divisor": lambda m: m,
    "outputs_divisor": lambda n_out: 1,
    "cost_penalty": 1,  # a factor of reg/(2*m)
    "cost_penalty_divisor": lambda m: m,
    "cost_penalised1": _zero_biases,
    "cost_penalised2": _zero_biases,
    "error": lambda h, y: h - y,
    "output_slope": lambda h: 1,
    "slope": lambda a: a * (1 - a),
    "sum": lambda delta, inputs: delta.T @ inputs,
    "gradient_divisor": lambda m: m,
    "gradient_biases": lambda gradient: gradient,
    "gradient_penalty": 1,  # a factor of reg/m
    "gradient_penalty_divisor": lambda m: m,
    "gradient_penalised1": _zero_biases,
    "gradient_penalised2": _zero_biases,
    "arrange": lambda gradient: gradient,
    "unroll1": np.ravel,
    "unroll2": np.ravel,
    "order": lambda gradient1, gradient2: (gradient1, gradient2),
    "sign": lambda gradient: gradient,
}


def _forward(problem: Problem, f: SimpleNamespace) -> tuple[Any, ...]:
    """Return both matrices, the inputs of both layers, z and y."""
    params, n_in, n_hidden, n_out, X, Y, _ = problem
    cut = n_hidden * (n_in + 1)
    theta1 = f.read(params[:cut], (n_hidden, n_in + 1))
    theta2 = f.read(params[cut:], (n_out, n_hidden + 1))
    ones = np.ones((len(X), 1))
    inputs1 = np.hstack([ones, X])
    inputs2 = np.hstack([ones, _g(inputs1 @ theta1.T)])
    z = inputs2 @ theta2.T
    return theta1, theta2, inputs1, inputs2, z, f.one_hot(Y)


def _cost(problem: Problem, f: SimpleNamespace) -> Any:
    """Return the cost."""
    theta1, theta2, _, _, z, y = _forward(problem, f)
    m, n_out = y.shape
    cost = f.loss(z, y).sum() / f.cost_divisor(m) / f.outputs_divisor(n_out)
    W1, W2 = f.cost_penalised1(theta1), f.cost_penalised2(theta2)
    strength = f.cost_penalty * problem.reg / (2 * f.cost_penalty_divisor(m))
    return cost + strength * ((W1**2).sum() + (W2**2).sum())


def _gradient(problem: Problem, f: SimpleNamespace) -> np.ndarray:
    """Return the gradient in one vector."""
    theta1, theta2, inputs1, inputs2, z, y = _forward(problem, f)
    m = len(y)
    h, a = _g(z), inputs2[:, 1:]
    delta2 = f.error(h, y) * f.output_slope(h)
    delta1 = delta2 @ theta2[:, 1:] * f.slope(a)
    strength = f.gradient_penalty * problem.reg / f.gradient_penalty_divisor(m)
    W1, W2 = f.gradient_penalised1(theta1), f.gradient_penalised2(theta2)
    gradients = []
    for W, delta, inputs in (W1, delta1, inputs1), (W2, delta2, inputs2):
        mean = f.gradient_biases(f.sum(delta, inputs) / f.gradient_divisor(m))
        gradients.append(f.arrange(mean + strength * W))
    unrolled = f.order(f.unroll1(gradients[0]), f.unroll2(gradients[1]))
    return f.sign(np.concatenate(unrolled))


_read_by_columns = partial(np.reshape, order="F")
_unroll_by_columns = partial(np.ravel, order="F")

# Mistakes that change both the cost and the gradient.
_SHARED: _Mistakes = {
    "theta1 and theta2 are unrolled by columns, or transposed: params has them by "
    "rows, as reshape and ravel do without order='F'.": {
        "read": _read_by_columns,
        "unroll1": _unroll_by_columns,
        "unroll2": _unroll_by_columns,
    },
    "theta1 and theta2 are read from params by columns, or transposed: use "
    "reshape(rows, columns) without order='F'.": {"read": _read_by_columns},
    "The biases are in the last column of theta1 and theta2: the practical has them in "
    "column 0.": {
        "read": lambda values, shape: np.roll(values.reshape(shape), 1, axis=1),
        "arrange": lambda gradient: np.roll(gradient, -1, axis=1),
    },
    "The forward pass has no biases: theta1 and theta2 are views of params, so copy "
    "them before you set column 0 to 0.": {
        "read": lambda values, shape: _zero_biases(values.reshape(shape))
    },
    "The one-hot matrix is shifted by a column to the right, and the last label (10, "
    "for the digit 0) is in column 0: label 1 has column 0, and label 10 the last.": {
        "one_hot": lambda Y: np.roll(Y, 1, axis=1)
    },
    "The last label (10, for the digit 0) is missing from the one-hot matrix, and the "
    "others are shifted by a column to the right: label 1 has column 0, and label 10 "
    "the last.": {"one_hot": lambda Y: _zero_biases(np.roll(Y, 1, axis=1))},
    "The one-hot matrix is shifted by a column to the left, and the first label is in "
    "the last column.": {"one_hot": lambda Y: np.roll(Y, -1, axis=1)},
}


def _mistakes_of_mean_and_penalty(part: str, term: str) -> _Mistakes:
    """Return mistakes that the cost and the gradient may have alike."""
    divisor, penalty = f"{part}_divisor", f"{part}_penalty"
    penalty_divisor = f"{part}_penalty_divisor"
    its = f"The penalty in the {part}"
    return {
        f"The {part} is not divided by m, the number of samples.": {
            divisor: lambda m: 1
        },
        f"The {part} and its penalty are not divided by m, the number of samples.": {
            divisor: lambda m: 1,
            penalty_divisor: lambda m: 1,
        },
        f"The {part} penalises the biases: leave out column 0 of theta1 and theta2.": {
            f"{part}_penalised1": lambda theta: theta,
            f"{part}_penalised2": lambda theta: theta,
        },
        f"The {part} lacks the penalty of theta1.": {
            f"{part}_penalised1": np.zeros_like
        },
        f"The {part} lacks the penalty of theta2.": {
            f"{part}_penalised2": np.zeros_like
        },
        f"The {part} lacks the penalty, {term}.": {
            penalty: 0,
            penalty_divisor: lambda m: m,  # no other divisor has an effect
        },
        f"{its} is doubled: the right term is {term}.": {penalty: 2},
        f"{its} is halved: the right term is {term}.": {penalty: 0.5},
        f"{its} has the wrong sign.": {penalty: -1},
        f"{its} is not divided by m.": {penalty_divisor: lambda m: 1},
        f"{its} is divided by m twice.": {penalty_divisor: lambda m: m**2},
    }


_IN_COST: _Mistakes = {
    **_mistakes_of_mean_and_penalty("cost", "reg/(2*m) times the sum of squares"),
    "The penalty in the cost is multiplied by m: write reg/(2*m), not reg/2*m.": {
        "cost_penalty_divisor": lambda m: 1 / m
    },
    "The cost is divided by the number of outputs too: divide the sum by m alone.": {
        "outputs_divisor": lambda n_out: n_out
    },
    "The logarithms in the cost are swapped: y belongs to log(h), and 1-y to "
    "log(1-h).": {"loss": lambda z, y: -y * _log_g(-z) - (1 - y) * _log_g(z)},
    "The cost has the wrong sign, except its penalty.": {
        "loss": lambda z, y: y * _log_g(z) + (1 - y) * _log_g(-z)
    },
    "The whole cost has the wrong sign.": {
        "loss": lambda z, y: y * _log_g(z) + (1 - y) * _log_g(-z),
        "cost_penalty": -1,
    },
    "The cost lacks the term (1-y)*log(1-h).": {"loss": lambda z, y: -y * _log_g(z)},
    "The cost lacks the term y*log(h).": {"loss": lambda z, y: -(1 - y) * _log_g(-z)},
    "The cost is the squared error: the practical has the cross-entropy, with log(h) "
    "and log(1-h).": {"loss": lambda z, y: (_g(z) - y) ** 2 / 2},
}

_IN_GRADIENT: _Mistakes = {
    "The whole gradient has the wrong sign.": {"sign": lambda gradient: -gradient},
    "The error of the outputs has the wrong sign: the right error is h-y.": {
        "error": lambda h, y: y - h
    },
    "The error of the outputs has the derivative of the sigmoid as a factor: with this "
    "cost, the error is h-y alone.": {"output_slope": lambda h: h * (1 - h)},
    "The error of the hidden units lacks the derivative of the sigmoid, a*(1-a).": {
        "slope": lambda a: 1
    },
    "The error of the hidden units has the derivative of the sigmoid at a instead of "
    "z: the right factor is a*(1-a).": {"slope": lambda a: _g(a) * (1 - _g(a))},
    "The gradient has the last sample only: add the samples up, with +=.": {
        "sum": lambda delta, inputs: np.outer(delta[-1], inputs[-1])
    },
    **_mistakes_of_mean_and_penalty("gradient", "reg/m*theta[:,1:]"),
    "The gradient is divided by m twice.": {"gradient_divisor": lambda m: m**2},
    "The gradient of the biases is 0.": {"gradient_biases": _zero_biases},
    "The gradient is unrolled by columns, or transposed: each matrix has the shape of "
    "its theta, and ravel() unrolls it by rows.": {
        "unroll1": _unroll_by_columns,
        "unroll2": _unroll_by_columns,
    },
    "The gradient of theta1 is unrolled by columns, or transposed.": {
        "unroll1": _unroll_by_columns
    },
    "The gradient of theta2 is unrolled by columns, or transposed.": {
        "unroll2": _unroll_by_columns
    },
    "The gradient of theta2 comes first: put the gradient of theta1 first.": {
        "order": lambda gradient1, gradient2: (gradient2, gradient1)
    },
}


def diagnose(problem: Problem, cost: float, gradient: np.ndarray) -> str | None:
    """Return the fewest mistakes that explain cost and gradient, or None.

    If different mistakes give the same values, the text has all of them.
    """
    explanations = []
    with np.errstate(all="ignore"):
        for shared in [(), *combinations(_SHARED, 1)]:
            in_cost = _explain(problem, _cost, cost, shared, _IN_COST)
            if shared and not in_cost:
                continue  # each shared mistake changes the cost
            in_gradient = _explain(problem, _gradient, gradient, shared, _IN_GRADIENT)
            unexplained = (not in_cost) + (not in_gradient)
            for c, g in product(in_cost or [()], in_gradient or [()]):
                mistakes = [*shared, *c, *g]
                explanations.append(((unexplained, len(mistakes)), " ".join(mistakes)))
            if not shared and in_cost == [()]:
                break  # the cost is right
    fewest = min(explanations)[0]
    texts = [text for number, text in explanations if number == fewest]
    if len(texts) > _MAX_ALTERNATIVES:
        return None
    return " Or: ".join(texts) or None


def _explain(
    problem: Problem,
    compute: Callable[[Problem, SimpleNamespace], Any],
    value: Any,
    shared: tuple[str, ...],
    mistakes: _Mistakes,
) -> list[tuple[str, ...]]:
    """Return the smallest sets of mistakes with which `compute` gives the value."""
    if problem.reg == 0:  # then the penalty has no effect
        mistakes = {
            m: wrong
            for m, wrong in mistakes.items()
            if not any("penal" in name for name in wrong)
        }
    for size in range(_MAX_MISTAKES - len(shared) + 1):
        found = []
        for chosen in combinations(mistakes, size):
            changes = [*(_SHARED[m] for m in shared), *(mistakes[m] for m in chosen)]
            wrong = dict(chain.from_iterable(change.items() for change in changes))
            if len(wrong) < sum(map(len, changes)):
                continue  # two mistakes replace the same formula
            expected = compute(problem, SimpleNamespace(**_RIGHT | wrong))
            difference = np.linalg.norm(np.subtract(value, expected))
            tolerance = _MISTAKE_TOLERANCE if wrong else _RIGHT_TOLERANCE
            if difference <= tolerance * np.linalg.norm(expected):
                found.append(chosen)
        if found:
            return found
    return []
