"""Diagnosis of usual mistakes in backpropagation, from a cost and its gradient.

Each mistake is a set of options of `_Network`.  It explains a student's values if
`_Network` with these options computes the same values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations, product
from typing import Any, NamedTuple

import numpy as np

from sknn3.network import sigmoid

# Relative tolerance for right values.  Students may add 1e-9 inside logarithms.
_RIGHT_TOLERANCE = 1e-6
# Relative tolerance for values of a mistake.  It is far below _RIGHT_TOLERANCE, so that
# wrong values close to the right ones match no mistake by chance.
_MISTAKE_TOLERANCE = 1e-8
# Largest number of mistakes in the cost, and in the gradient; fewer with a shared one.
_MAX_MISTAKES, _MAX_WITH_SHARED = 2, 1
# A diagnosis with more alternatives would not help.
_MAX_ALTERNATIVES = 3


class Problem(NamedTuple):
    """Parameters and data of a network, and the one-hot matrix of its labels."""

    params: np.ndarray
    n_in: int
    n_hidden: int
    n_out: int
    X: np.ndarray
    Y: np.ndarray
    reg: float


class _Mistake(NamedTuple):
    """Options that make a mistake, and the sentence that describes it."""

    options: dict[str, Any]
    sentence: str


class _Network:
    """Forward pass, cost and gradient; each option makes a mistake."""

    def __init__(
        self,
        problem: Problem,
        *,
        read: str = "C",
        write: str = "C",
        bias_column: int = 0,
        zero_biases: bool = False,
        shift: int = 0,
        lose_last_label: bool = False,
    ) -> None:
        params, n_in, n_hidden, n_out, X, Y, self.reg = problem
        self.write, self.bias_column = write, bias_column
        cut = n_hidden * (n_in + 1)
        self.thetas = []
        for values, shape in (
            (params[:cut], (n_hidden, n_in + 1)),
            (params[cut:], (n_out, n_hidden + 1)),
        ):
            theta = values.reshape(shape, order=read)  # type: ignore[call-overload]
            theta = np.roll(theta, -bias_column, axis=1)
            theta[:, 0] *= not zero_biases
            self.thetas.append(theta)
        self.Y = np.roll(Y, shift, axis=1)
        if lose_last_label:
            self.Y[:, 0] = 0
        ones = np.ones((len(X), 1))
        self.X1 = np.hstack([ones, X])
        self.A = sigmoid(self.X1 @ self.thetas[0].T)
        self.A1 = np.hstack([ones, self.A])
        self.O = self.A1 @ self.thetas[1].T
        self.P = sigmoid(self.O)

    def _penalised(self, biases: bool) -> list[np.ndarray]:
        """Return theta1 and theta2, with biases of 0 unless `biases` is True."""
        first = 0 if biases else 1
        return [theta * (np.arange(theta.shape[1]) >= first) for theta in self.thetas]

    def cost(
        self,
        *,
        loss: str = "right",
        divided: int = 1,
        mean_of_outputs: bool = False,
        penalty: float = 1,
        penalty_divided: int = 1,
        biases: bool = False,
    ) -> float:
        """Return the cost."""
        n, n_out = self.Y.shape
        on, off = np.logaddexp(0, -self.O), np.logaddexp(0, self.O)  # -log p, -log(1-p)
        losses = {
            "right": self.Y * on + (1 - self.Y) * off,
            "swapped": self.Y * off + (1 - self.Y) * on,
            "negative": -self.Y * on - (1 - self.Y) * off,
            "first": self.Y * on,
            "second": (1 - self.Y) * off,
            "squares": (self.P - self.Y) ** 2 / 2,
        }
        cost = losses[loss].sum() / n**divided
        if mean_of_outputs:
            cost /= n_out
        squares = sum((theta**2).sum() for theta in self._penalised(biases))
        return float(cost + penalty * self.reg / 2 / n**penalty_divided * squares)

    def gradient(
        self,
        *,
        sign: int = 1,
        error_sign: int = 1,
        output_slope: bool = False,
        slope: str = "right",
        last_sample: bool = False,
        divided: int = 1,
        zero_bias_gradient: bool = False,
        penalty: float = 1,
        penalty_divided: int = 1,
        biases: bool = False,
        by_columns: tuple[int, ...] = (),
        theta2_first: bool = False,
    ) -> np.ndarray:
        """Return the packed gradient."""
        n = len(self.Y)
        D2 = error_sign * (self.P - self.Y)
        if output_slope:
            D2 *= self.P * (1 - self.P)
        a = sigmoid(self.A) if slope == "of a" else self.A
        slopes = np.ones_like(a) if slope == "missing" else a * (1 - a)
        D1 = D2 @ self.thetas[1][:, 1:] * slopes
        if last_sample:
            D1[:-1] = D2[:-1] = 0
        parts = []
        for k, (D, inputs, theta) in enumerate(
            zip((D1, D2), (self.X1, self.A1), self._penalised(biases), strict=True)
        ):
            part = D.T @ inputs / n**divided
            part[:, 0] *= not zero_bias_gradient
            part += penalty * self.reg / n**penalty_divided * theta
            part = np.roll(part, self.bias_column, axis=1)
            order: Any = "F" if k in by_columns else self.write
            parts.append(sign * part.ravel(order))
        return np.concatenate(parts[::-1] if theta2_first else parts)


def _penalty_mistakes(part: str, term: str) -> list[_Mistake]:
    """Return the mistakes in the penalty of the cost, or of the gradient."""
    penalty = f"The penalty in the {part}"
    return [
        _Mistake(
            {"divided": 0, "penalty_divided": 0},
            f"The {part} and its penalty are not divided by m, the number of samples.",
        ),
        _Mistake(
            {"biases": True},
            f"The {part} penalises the biases: leave out column 0 of theta1 and "
            "theta2.",
        ),
        _Mistake({"penalty": 0}, f"The {part} lacks the penalty, {term}."),
        _Mistake({"penalty": 2}, f"{penalty} is doubled: the right term is {term}."),
        _Mistake({"penalty": 0.5}, f"{penalty} is halved: the right term is {term}."),
        _Mistake({"penalty": -1}, f"{penalty} has the wrong sign."),
        _Mistake({"penalty_divided": 0}, f"{penalty} is not divided by m."),
        _Mistake({"penalty_divided": 2}, f"{penalty} is divided by m twice."),
    ]


# Mistakes that change both the cost and the gradient.
_SHARED = [
    _Mistake({}, ""),
    _Mistake(
        {"read": "F", "write": "F"},
        "theta1 and theta2 are unrolled by columns, or transposed: params has them by "
        "rows, as reshape and ravel do without order='F'.",
    ),
    _Mistake(
        {"read": "F"},
        "theta1 and theta2 are read from params by columns, or transposed: use "
        "reshape(rows, columns) without order='F'.",
    ),
    _Mistake(
        {"bias_column": -1},
        "The biases are in the last column of theta1 and theta2: the practical has "
        "them in column 0.",
    ),
    _Mistake(
        {"zero_biases": True},
        "The forward pass has no biases: theta1 and theta2 are views of params, so "
        "copy them before you set column 0 to 0.",
    ),
    _Mistake(
        {"shift": 1},
        "The one-hot matrix is shifted by a column to the right, and the last label "
        "(10, for the digit 0) is in column 0: label 1 has column 0, and label 10 the "
        "last.",
    ),
    _Mistake(
        {"shift": 1, "lose_last_label": True},
        "The last label (10, for the digit 0) is missing from the one-hot matrix, and "
        "the others are shifted by a column to the right: label 1 has column 0, and "
        "label 10 the last.",
    ),
    _Mistake(
        {"shift": -1},
        "The one-hot matrix is shifted by a column to the left, and the first label "
        "is in the last column.",
    ),
]

_COST = [
    _Mistake({"divided": 0}, "The cost is not divided by m, the number of samples."),
    _Mistake(
        {"mean_of_outputs": True},
        "The cost is divided by the number of outputs too: divide the sum by m alone.",
    ),
    _Mistake(
        {"loss": "swapped"},
        "The logarithms in the cost are swapped: y belongs to log(h), and 1-y to "
        "log(1-h).",
    ),
    _Mistake({"loss": "negative"}, "The cost has the wrong sign, except its penalty."),
    _Mistake({"loss": "negative", "penalty": -1}, "The whole cost has the wrong sign."),
    _Mistake({"loss": "first"}, "The cost lacks the term (1-y)*log(1-h)."),
    _Mistake({"loss": "second"}, "The cost lacks the term y*log(h)."),
    _Mistake(
        {"loss": "squares"},
        "The cost is the squared error: the practical has the cross-entropy, with "
        "log(h) and log(1-h).",
    ),
    *_penalty_mistakes("cost", "reg/(2*m) times the sum of squares"),
    _Mistake(
        {"penalty_divided": -1},
        "The penalty in the cost is multiplied by m: write reg/(2*m), not reg/2*m.",
    ),
]

_GRADIENT = [
    _Mistake({"sign": -1}, "The whole gradient has the wrong sign."),
    _Mistake(
        {"error_sign": -1},
        "The error of the outputs has the wrong sign: the right error is h-y.",
    ),
    _Mistake(
        {"divided": 0}, "The gradient is not divided by m, the number of samples."
    ),
    _Mistake({"divided": 2}, "The gradient is divided by m twice."),
    _Mistake(
        {"slope": "missing"},
        "The error of the hidden units lacks the derivative of the sigmoid, a*(1-a).",
    ),
    _Mistake(
        {"slope": "of a"},
        "The error of the hidden units has the derivative of the sigmoid at a instead "
        "of z: the right factor is a*(1-a).",
    ),
    _Mistake(
        {"output_slope": True},
        "The error of the outputs has the derivative of the sigmoid as a factor: with "
        "this cost, the error is h-y alone.",
    ),
    _Mistake(
        {"last_sample": True},
        "The gradient has the last sample only: add the samples up, with +=.",
    ),
    _Mistake({"zero_bias_gradient": True}, "The gradient of the biases is 0."),
    _Mistake(
        {"by_columns": (0, 1)},
        "The gradient is unrolled by columns, or transposed: each matrix has the shape "
        "of its theta, and ravel() unrolls it by rows.",
    ),
    _Mistake(
        {"by_columns": (0,)},
        "The gradient of theta1 is unrolled by columns, or transposed.",
    ),
    _Mistake(
        {"by_columns": (1,)},
        "The gradient of theta2 is unrolled by columns, or transposed.",
    ),
    _Mistake(
        {"theta2_first": True},
        "The gradient of theta2 comes first: put the gradient of theta1 first.",
    ),
    *_penalty_mistakes("gradient", "reg/m*theta[:,1:]"),
]


def right_cost(problem: Problem) -> float:
    """Return the cost without mistakes."""
    return _Network(problem).cost()


def diagnose(problem: Problem, cost: float, gradient: np.ndarray) -> str | None:
    """Return the fewest mistakes that explain cost and gradient, or None.

    If different mistakes give the same values, the text has all of them.
    """
    best: tuple[int, int] = (0, 0)
    texts: list[str] = []
    with np.errstate(all="ignore"):
        for rank, mistakes in _explanations(problem, cost, gradient):
            if rank > best:
                best, texts = rank, []
            if rank == best:
                texts.append(" ".join(m.sentence for m in mistakes))
    if len(texts) > _MAX_ALTERNATIVES:
        return None
    return " Or: ".join(texts) or None


def _explanations(
    problem: Problem, cost: float, gradient: np.ndarray
) -> Iterator[tuple[tuple[int, int], list[_Mistake]]]:
    """Yield ranked mistakes; a rank counts explained parts, then minus mistakes."""
    for shared in _SHARED:
        network = _Network(problem, **shared.options)
        limits = _RIGHT_TOLERANCE, _MAX_MISTAKES
        if shared.options:
            limits = _MISTAKE_TOLERANCE, _MAX_WITH_SHARED
        in_cost = _fewest(cost, network.cost, _COST, *limits)
        if shared.options and not in_cost:
            continue  # each of these mistakes changes the cost
        in_gradient = _fewest(gradient, network.gradient, _GRADIENT, *limits)
        explained = bool(in_cost) + bool(in_gradient)
        start = [shared] if shared.options else []
        for c, g in product(in_cost or [()], in_gradient or [()]):
            mistakes = [*start, *c, *g]
            yield (explained, -len(mistakes)), mistakes
        if not shared.options and in_cost == [()]:
            return  # the cost is right


def _fewest(
    value: Any,
    compute: Callable[..., Any],
    mistakes: list[_Mistake],
    right_tolerance: float,
    max_mistakes: int,
) -> list[tuple[_Mistake, ...]]:
    """Return the smallest sets of mistakes with which `compute` gives the value."""
    for size in range(max_mistakes + 1):
        tolerance = _MISTAKE_TOLERANCE if size else right_tolerance
        found = [
            chosen
            for chosen in combinations(mistakes, size)
            if _compatible(chosen)
            and _is_close(value, compute(**_options(chosen)), tolerance)
        ]
        if found:
            # An option has no effect if the others alone give the same value.
            return [c for c in found if not any(_is_subset(o, c) for o in found)]
    return []


def _is_subset(other: tuple[_Mistake, ...], mistakes: tuple[_Mistake, ...]) -> bool:
    """Return whether `other` has only some of the options of `mistakes`."""
    return _options(other).items() < _options(mistakes).items()


def _options(mistakes: tuple[_Mistake, ...]) -> dict[str, Any]:
    """Return the options of all mistakes."""
    return {name: value for m in mistakes for name, value in m.options.items()}


def _compatible(mistakes: tuple[_Mistake, ...]) -> bool:
    """Return whether no two mistakes set the same option."""
    return len(_options(mistakes)) == sum(len(m.options) for m in mistakes)


def _is_close(value: Any, expected: Any, tolerance: float) -> bool:
    """Return whether the norm of the difference is within a relative tolerance."""
    difference = np.linalg.norm(np.subtract(value, expected))
    return bool(difference <= tolerance * np.linalg.norm(expected))
