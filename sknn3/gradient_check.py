"""Comparison of an analytic gradient with central differences of the cost."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from textwrap import fill
from typing import Any

import numpy as np
from sklearn.utils import check_array

from sknn3._gradient_diagnosis import Problem, diagnose
from sknn3.network import cost_gradient, pack

__all__ = ["GradientCheck", "check_gradient"]

# Largest number of rows in the repr of a check.
_ROWS_SHOWN = 10

_PRACTICAL = "(params, n_in, n_hidden, n_out, X, y, reg)"


@dataclass(frozen=True, repr=False, eq=False)
class GradientCheck:
    """Analytic and numeric gradient, side by side.

    Parameters
    ----------
    analytic : ndarray of shape (n_params,)
        Gradient that the cost function returns.
    numeric : ndarray of shape (n_params,)
        Central differences of the cost.
    rounding : float, default=None
        Error of the central differences from rounding the cost to float64.
    cost : float, default=None
        Cost that the cost function returns.
    right_cost : float, default=None
        Right cost for a function of the practical; None for other functions.
    diagnosis : str, default=None
        Mistakes that explain cost and gradient.  None if both are right, or if no known
        mistake explains them.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn3.gradient_check import GradientCheck
    >>> GradientCheck(np.array([1.0, 2.0]), np.array([1.0, 2.5]))
    GradientCheck of 2 parameters
      largest difference   5.00e-01
      relative difference  1.02e-01
             analytic        numeric     difference
          1.000000000    1.000000000       0.00e+00   [0]
          2.000000000    2.500000000      -5.00e-01   [1]
    """

    analytic: np.ndarray
    numeric: np.ndarray
    rounding: float | None = None
    cost: float | None = None
    right_cost: float | None = None
    diagnosis: str | None = None

    @property
    def difference(self) -> np.ndarray:
        """Analytic minus numeric gradient."""
        return self.analytic - self.numeric

    @property
    def max_difference(self) -> float:
        """Largest absolute difference of a component."""
        return float(np.abs(self.difference).max())

    @property
    def relative_difference(self) -> float:
        """Norm of the difference over the norm of the sum (0 if both are 0)."""
        total = np.linalg.norm(self.analytic + self.numeric)
        return float(np.linalg.norm(self.difference) / total) if total else 0.0

    def __repr__(self) -> str:
        n_params = len(self.analytic)
        lines = [
            f"GradientCheck of {n_params} parameters",
            f"  largest difference   {self.max_difference:.2e}",
            f"  relative difference  {self.relative_difference:.2e}",
        ]
        if self.right_cost is not None:
            lines.append(
                f"  cost                 {self.cost:.6f} (right: {self.right_cost:.6f})"
            )
        lines.append(f"  {'analytic':>15}{'numeric':>15}{'difference':>15}")
        worst = np.argsort(-np.abs(self.difference), kind="stable")[:_ROWS_SHOWN]
        lines += [
            f"  {self.analytic[i]:15.9f}{self.numeric[i]:15.9f}"
            f"{self.difference[i]:15.2e}   [{i}]"
            for i in np.sort(worst)
        ]
        if n_params > _ROWS_SHOWN:
            lines.append(f"  ({_ROWS_SHOWN} largest differences of {n_params})")
        if self.diagnosis is not None:
            text = f"Diagnosis: {self.diagnosis}"
            lines.append(fill(text, 78, initial_indent="  ", subsequent_indent="    "))
        return "\n".join(lines)


def check_gradient(
    cost_function: Callable[..., Any] | None = None,
    params: Any = None,
    *,
    args: tuple[Any, ...] | None = None,
    targets: str = "one-hot",
    alpha: float | None = None,
    epsilon: float = 1e-4,
) -> GradientCheck:
    """Compare an analytic gradient with central differences of the cost.

    - ``check_gradient(backprop)`` checks a function of the practical,
      ``backprop(params, n_in, n_hidden, n_out, X, y, reg) -> (cost, gradient)``, on a
      small network of 38 parameters: 3 features, 5 hidden units, 3 classes and 5
      samples.  If usual mistakes explain a wrong cost or gradient, the `diagnosis` of
      the result names them.  A function that is right there is also checked with
      four different sizes, because equal sizes can be confused.
    - ``check_gradient(backprop, params, args=(n_in, n_hidden, n_out, X, y, reg))``
      checks such a function on your network and data.
    - ``check_gradient(cost_function, params)`` checks any
      ``cost_function(params) -> (cost, gradient)``, without a diagnosis.

    Parameters
    ----------
    cost_function : callable, default=None
        Function to check.  None checks :func:`sknn3.network.cost_gradient` on the small
        network.
    params : array-like of shape (n_params,), default=None
        Point at which to check the gradient.  In the practical, theta1 of shape
        (n_hidden, n_in + 1) and theta2 of shape (n_out, n_hidden + 1), each unrolled by
        rows, with the biases in column 0.
    args : tuple of (n_in, n_hidden, n_out, X, y, reg), default=None
        Arguments of the practical's function after `params`.  `y` is a one-hot matrix
        of shape (m, n_out), or has the labels 1 to `n_out` or 0 to ``n_out - 1``.
    targets : {'one-hot', 'labels'}, default='one-hot'
        `y` of the small network: a one-hot matrix of shape (5, 3), or the labels 1 to 3
        in a vector of shape (5,).  Column 0 is for the label 1, as in the practical.
    alpha : float, default=None
        Strength of the penalty in the small network, `reg` in the practical.  None is
        1, so that the penalty is checked too.
    epsilon : float, default=1e-4
        Step of the central differences in each parameter.

    Returns
    -------
    GradientCheck
        Both gradients, their difference and the diagnosis.  The difference of a right
        gradient is about ``epsilon**2`` plus the rounding error of the cost divided by
        `epsilon`.  In the small network it is below 1e-9.

    Raises
    ------
    ValueError
        If an argument is missing or does not fit the others, `epsilon` is too small to
        change `params`, or cost or gradient are not finite.  An error in the function
        itself gets a note with the arguments of the call.

    Notes
    -----
    The differences do not show a mistake that cost and gradient share, such as a
    penalty on the biases in both.  So the cost of a function of the practical is also
    compared with the right cost.

    Examples
    --------
    >>> from sknn3 import check_gradient
    >>> check = check_gradient(alpha=3)
    >>> check.analytic.shape
    (38,)
    >>> check.max_difference < 1e-9
    True

    A function of the practical that does not divide the gradient by m:

    >>> from sknn3.network import cost_gradient
    >>> def backprop(params, n_in, n_hidden, n_out, X, y, reg):
    ...     cost, gradient = cost_gradient(
    ...         params, X, y, hidden_layer_size=n_hidden, alpha=reg
    ...     )
    ...     return cost, len(X) * gradient
    >>> check_gradient(backprop, alpha=0).diagnosis
    'The gradient is not divided by m, the number of samples.'
    """
    if params is None:
        if args is not None:
            raise ValueError("args requires params.")
        function = _backprop if cost_function is None else cost_function
        return _check_small_network(
            function, targets, 1.0 if alpha is None else alpha, epsilon
        )
    if alpha is not None or targets != "one-hot":
        raise ValueError(
            "alpha and targets are for the small network: leave them out if params is "
            "given."
        )
    return _check(cost_function, params, args, epsilon)


def _check_small_network(
    backprop: Any, targets: str, reg: float, epsilon: float
) -> GradientCheck:
    """Check a function of the practical on the small network, and on other sizes."""
    check = _check(backprop, *_small_network(targets, reg), epsilon)
    if not _is_right(check):
        return check
    different = _small_network(targets, reg, n_in=2, n_hidden=5, n_out=4, n_samples=7)
    if _is_right(_check(backprop, *different, epsilon)):
        return check
    return replace(
        check,
        diagnosis="Cost and gradient are right for n_in=3, n_hidden=5, n_out=3 and 5 "
        "samples, and wrong for n_in=2, n_hidden=5, n_out=4 and 7 samples: the "
        "function confuses two of these numbers.",
    )


def _is_right(check: GradientCheck) -> bool:
    # Students may add 1e-9 inside logarithms.
    cost_is_right = math.isclose(check.cost or 0, check.right_cost or 0, rel_tol=1e-6)
    return cost_is_right and check.relative_difference < 1e-6


def _check(
    cost_function: Any, params: Any, args: tuple[Any, ...] | None, epsilon: float
) -> GradientCheck:
    """Check a function at a point, with a diagnosis if there are `args`."""
    params = _check_vector("params", params)
    if not (np.abs(params) + epsilon > np.abs(params)).all():
        raise ValueError(
            f"epsilon={epsilon!r} must be positive, and large enough to change params."
        )
    # The data as they are before the function can write into them.
    problem = None if args is None else _check_args(params, args)
    right_cost = None if problem is None else _backprop(*problem)[0]
    try:
        analytic, numeric, rounding, cost = _gradients(
            cost_function, params, args or (), epsilon
        )
    except Exception as error:
        error.add_note(_describe_call(args))
        raise
    diagnosis = problem and diagnose(problem, cost, analytic)
    return GradientCheck(analytic, numeric, rounding, cost, right_cost, diagnosis)


def _gradients(
    cost_function: Any, params: np.ndarray, args: tuple[Any, ...], epsilon: float
) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Return the analytic and the numeric gradient, the rounding error and the cost."""

    def evaluate(params: np.ndarray) -> tuple[float, Any]:
        cost, gradient = cost_function(params, *args)
        value = np.asarray(cost, dtype=np.float64)
        if value.size != 1 or not np.isfinite(value).all():
            raise ValueError(
                f"cost_function returned the cost {cost!r}, expected a finite number."
            )
        return float(value.item()), gradient

    # Copies, because the function may write into its params, or reuse its gradient.
    cost, gradient = evaluate(params.copy())
    analytic = _check_vector("gradient", gradient, len(params))
    costs = np.empty((2, len(params)))
    for i in range(len(params)):
        for k, step in enumerate((epsilon, -epsilon)):
            shifted = params.copy()
            shifted[i] += step
            costs[k, i], _ = evaluate(shifted)
    numeric = (costs[0] - costs[1]) / epsilon / 2
    # Each of the two costs is off by half a unit in the last place or more.
    rounding = np.finfo(np.float64).eps * np.abs(costs).max() / epsilon
    return analytic, numeric, float(rounding), cost


def _check_vector(name: str, values: Any, length: int | None = None) -> np.ndarray:
    """Return a copy of the values as a vector of finite floats."""
    vector = check_array(
        values, dtype=np.float64, ensure_2d=False, copy=True, input_name=name
    )
    if vector.ndim != 1 or length not in (None, len(vector)):
        expected = f"({length or 'n_params'},)"
        raise ValueError(f"{name} has shape {vector.shape}, expected {expected}.")
    return vector


def _check_args(params: np.ndarray, args: tuple[Any, ...]) -> Problem:
    """Return copies of the arguments of the practical's function."""
    if len(args) != 6:
        raise ValueError(
            f"args has {len(args)} values, expected (n_in, n_hidden, n_out, X, y, reg)."
        )
    n_in, n_hidden, n_out, X, y, reg = args
    X = check_array(X, dtype=np.float64, copy=True, input_name="X")
    n_params = n_hidden * (n_in + 1) + n_out * (n_hidden + 1)
    if X.shape[1] != n_in or len(params) != n_params:
        raise ValueError(
            f"X has {X.shape[1]} columns and params has shape {params.shape}, expected "
            f"{n_in} columns and shape ({n_params},) for n_in={n_in}, "
            f"n_hidden={n_hidden} and n_out={n_out}."
        )
    return Problem(params, n_in, n_hidden, n_out, X, _one_hot(y, len(X), n_out), reg)


def _one_hot(y: Any, n_samples: int, n_out: int) -> np.ndarray:
    """Return a copy of a one-hot matrix, or labels as a one-hot matrix."""
    Y = check_array(y, dtype=np.float64, ensure_2d=False, copy=True, input_name="y")
    if Y.shape == (n_samples, n_out):
        return Y
    if n_out == 1 and Y.shape == (n_samples,):
        return Y[:, np.newaxis]
    if Y.size == n_samples:
        first = 1 if Y.max() == n_out else 0
        one_hot = np.equal(Y.reshape(-1, 1), np.arange(first, first + n_out))
        # Labels with neither n_out nor 0 may count from 0 or from 1.
        if one_hot.any(axis=1).all() and (first or Y.min() == 0):
            return one_hot.astype(np.float64)
    raise ValueError(
        f"y must be a one-hot matrix of shape {(n_samples, n_out)}, or {n_samples} "
        f"labels: 1 to {n_out} with the label {n_out}, or 0 to {n_out - 1} with the "
        f"label 0.  Got y of shape {Y.shape} with values {np.unique(Y)}."
    )


def _describe_call(args: tuple[Any, ...] | None) -> str:
    """Describe the arguments that the function got, and what it must return."""
    if args is None:
        return (
            "cost_function was called as cost_function(params).  It must return (cost, "
            "gradient): a number, and a vector of the length of params.  A function "
            f"{_PRACTICAL} requires args too."
        )
    n_in, n_hidden, n_out, X, y, reg = args
    kind, hint = "labels", ""
    if np.ndim(y) == 2:
        kind = "one-hot"
        hint = "  If it takes labels, pass targets='labels', or labels in args."
    return (
        f"cost_function was called as cost_function{_PRACTICAL} with n_in={n_in}, "
        f"n_hidden={n_hidden}, n_out={n_out}, X of shape {np.shape(X)}, y of shape "
        f"{np.shape(y)} ({kind}) and reg={reg}.  It must return (cost, gradient): a "
        f"number, and the gradients of theta1, {(n_hidden, n_in + 1)}, and theta2, "
        f"{(n_out, n_hidden + 1)}, unrolled by rows into one vector.{hint}"
    )


def _backprop(params: np.ndarray, *args: Any) -> tuple[float, np.ndarray]:
    """Return the right cost and gradient for the practical's arguments."""
    _, n_hidden, n_out, X, y, reg = args
    Y = _one_hot(y, len(X), n_out)
    return cost_gradient(params, X, Y, hidden_layer_size=n_hidden, alpha=reg)


def _small_network(
    targets: str,
    reg: float,
    *,
    n_in: int = 3,
    n_hidden: int = 5,
    n_out: int = 3,
    n_samples: int = 5,
) -> tuple[np.ndarray, tuple[Any, ...]]:
    """Return params and args of a small network; the practical checks the default."""
    if targets not in ("one-hot", "labels"):
        raise ValueError(f"targets={targets!r}, expected 'one-hot' or 'labels'.")
    labels = 1 + np.arange(1, n_samples + 1) % n_out
    y = labels if targets == "labels" else np.eye(n_out)[labels - 1]
    params = pack(_sines(n_hidden, n_in + 1), _sines(n_out, n_hidden + 1))
    return params, (n_in, n_hidden, n_out, _sines(n_samples, n_in), y, reg)


def _sines(n_rows: int, n_columns: int) -> np.ndarray:
    """Return a matrix of sines, filled column by column as in the practical."""
    values = np.sin(np.arange(1, n_rows * n_columns + 1)) / 10
    return values.reshape(n_rows, n_columns, order="F")
