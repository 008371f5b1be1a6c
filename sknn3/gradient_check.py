"""Comparison of an analytic gradient with central differences of the cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature
from numbers import Integral, Real
from textwrap import fill
from typing import Any

import numpy as np
from sklearn.utils import check_array

from sknn3._gradient_diagnosis import Problem, diagnose, right_cost
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
        scale = float(np.abs([self.analytic, self.numeric]).max()) or 1.0
        analytic, numeric = self.analytic / scale, self.numeric / scale
        total = np.linalg.norm(analytic + numeric)
        return float(np.linalg.norm(analytic - numeric) / total) if total else 0.0

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

    Three calls check three kinds of function:

    - ``check_gradient(backprop)`` checks a function of the practical,
      ``backprop(params, n_in, n_hidden, n_out, X, y, reg) -> (cost, gradient)``, on a
      small network of 38 parameters: 3 features, 5 hidden units, 3 classes and 5
      samples.  If the cost or the gradient is wrong, and a usual mistake explains it,
      the `diagnosis` of the result names the mistake.
    - ``check_gradient(backprop, params, args=(n_in, n_hidden, n_out, X, y, reg))``
      checks such a function on your network and data.  `args` is as in
      :func:`scipy.optimize.minimize`.
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
        If an argument is missing or invalid, if the function has another signature or
        result, or if `epsilon` is too small to change `params`.  An error in a function
        of the practical gets a note with the arguments of the call.

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
    if not isinstance(epsilon, Real) or not 0 < epsilon < np.inf:
        raise ValueError(f"epsilon={epsilon!r} must be positive and finite.")
    small = params is None and args is None
    if cost_function is None and small:
        cost_function = _backprop
    _check_cost_function(cost_function, practical=small or args is not None)
    if small:
        params, args = _small_network(targets, 1.0 if alpha is None else alpha)
    elif params is None:
        raise ValueError("args requires params.")
    elif alpha is not None or targets != "one-hot":
        raise ValueError(
            "alpha and targets are for the small network: leave them out if params is "
            "given."
        )
    params = _finite_vector("params", params).astype(np.float64)
    if (np.abs(params) + epsilon == np.abs(params)).any():
        raise ValueError(f"epsilon={epsilon!r} is too small to change params.")
    if args is None:
        return GradientCheck(*_gradients(cost_function, params, epsilon))
    return _check_practical(cost_function, params, args, epsilon)


def _check_practical(
    backprop: Any, params: np.ndarray, args: tuple[Any, ...], epsilon: float
) -> GradientCheck:
    """Check a function of the practical, and diagnose its mistakes."""
    problem = _problem(params, args)
    try:
        analytic, numeric, rounding, cost = _gradients(
            lambda params: backprop(params, *args), params, epsilon
        )
    except Exception as error:
        error.add_note(_describe_call(args))
        raise
    text = diagnose(problem, cost, analytic)
    return GradientCheck(analytic, numeric, rounding, cost, right_cost(problem), text)


def _check_cost_function(cost_function: Any, practical: bool) -> None:
    """Raise unless the function takes the practical's arguments, or params only."""
    if not callable(cost_function):
        raise TypeError(f"cost_function={cost_function!r} must be callable.")
    try:
        parameters = signature(cost_function)
    except ValueError:  # some functions in C have no signature
        return
    try:
        parameters.bind(*range(7 if practical else 1))
    except TypeError:
        raise ValueError(
            f"cost_function takes {parameters}, expected {_PRACTICAL}; a function "
            "(params) requires params."
            if practical
            else f"cost_function takes {parameters}, expected (params); a function "
            f"{_PRACTICAL} requires args if params is given."
        ) from None


def _gradients(
    cost_function: Callable[..., Any], params: np.ndarray, epsilon: float
) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Return the analytic and the numeric gradient, the rounding error and the cost."""
    cost, gradient = _evaluate(cost_function, params)
    try:
        # A copy, because the function may reuse the memory of its gradient.
        gradient = np.array(gradient)
    except ValueError:  # matrices of several shapes
        gradient = np.array(None)
    if gradient.dtype == object:
        raise ValueError(
            "gradient must be a vector of numbers: unroll its matrices into one vector."
        )
    analytic = _finite_vector("gradient", gradient)
    if len(analytic) != len(params):
        raise ValueError(
            f"gradient has {len(analytic)} components, but params has {len(params)}."
        )
    numeric, rounding = _central_differences(cost_function, params, epsilon)
    return analytic, numeric, rounding, cost


def _evaluate(
    cost_function: Callable[..., Any], params: np.ndarray
) -> tuple[float, Any]:
    """Return the cost, which is checked, and the gradient, which is not."""
    # A copy, because the function may write into its params.
    result = cost_function(params.copy())
    if not isinstance(result, tuple) or len(result) != 2:
        got = f"tuple of {len(result)}" if isinstance(result, tuple) else type(result)
        raise ValueError(
            f"cost_function must return a tuple (cost, gradient), but returned {got}."
        )
    cost = np.asarray(result[0])
    if cost.size != 1 or cost.dtype.kind not in "fiu":
        raise ValueError(
            f"cost_function returned the cost {result[0]!r}, expected a real number."
        )
    if not np.isfinite(cost).all():
        raise ValueError("cost_function returned a cost that is not finite.")
    return float(cost.item()), result[1]


def _central_differences(
    cost_function: Callable[..., Any], params: np.ndarray, epsilon: float
) -> tuple[np.ndarray, float]:
    """Return the numeric gradient, and its error from rounding of the cost."""
    costs = np.empty((2, len(params)))
    for i in range(len(params)):
        for k, step in enumerate((epsilon, -epsilon)):
            shifted = params.copy()
            shifted[i] += step
            costs[k, i], _ = _evaluate(cost_function, shifted)
    # Each of the two costs is off by half a unit in the last place or more.
    rounding = np.finfo(np.float64).eps * np.abs(costs).max() / epsilon
    return (costs[0] - costs[1]) / epsilon / 2, float(rounding)


def _finite_vector(name: str, values: Any) -> np.ndarray:
    """Return the values as a vector of finite floats."""
    vector = check_array(
        values,
        dtype=[np.float64, np.float32],
        ensure_2d=False,
        ensure_min_samples=0,
        input_name=name,
    )
    if vector.ndim != 1 or vector.size == 0:
        raise ValueError(f"{name} has shape {vector.shape}, expected (n_params,).")
    return vector


def _problem(params: np.ndarray, args: tuple[Any, ...]) -> Problem:
    """Check the arguments of the practical's function, and encode the labels."""
    if not isinstance(args, tuple) or len(args) != 6:
        raise ValueError(
            f"args={args!r}, expected a tuple (n_in, n_hidden, n_out, X, y, reg)."
        )
    n_in, n_hidden, n_out, X, y, reg = args
    for name, size in [("n_in", n_in), ("n_hidden", n_hidden), ("n_out", n_out)]:
        if not isinstance(size, Integral) or isinstance(size, bool) or size < 1:
            raise ValueError(f"args has {name}={size!r}, expected a positive int.")
    if not isinstance(reg, Real) or not 0 <= float(reg) < np.inf:
        raise ValueError(f"reg={reg!r} (alpha) must be finite and not negative.")
    X = check_array(X, dtype=np.float64, input_name="X")
    if X.shape[1] != n_in:
        raise ValueError(f"X has {X.shape[1]} columns, but n_in={n_in}.")
    n_params = n_hidden * (n_in + 1) + n_out * (n_hidden + 1)
    if len(params) != n_params:
        raise ValueError(
            f"params has shape {params.shape}, expected ({n_params},) for n_in={n_in}, "
            f"n_hidden={n_hidden} and n_out={n_out}."
        )
    Y = _one_hot(y, len(X), n_out)
    # Copies, because the function may write into its X and y.
    return Problem(params, n_in, n_hidden, n_out, X.copy(), Y.copy(), float(reg))


def _one_hot(y: Any, n_samples: int, n_out: int) -> np.ndarray:
    """Return labels as a one-hot matrix, or check a given one-hot matrix."""
    Y = check_array(y, dtype=np.float64, ensure_2d=False, input_name="y")
    if n_out == 1 and Y.ndim == 1:
        Y = Y[:, np.newaxis]
    if Y.shape == (n_samples, n_out):
        if not np.isin(Y, [0, 1]).all():
            raise ValueError(
                "y has the shape of a one-hot matrix: expected the values 0 and 1 only."
            )
        return Y
    if Y.shape not in [(n_samples,), (n_samples, 1)]:
        raise ValueError(
            f"y has shape {Y.shape}, expected labels of shape ({n_samples},) or a "
            f"one-hot matrix of shape {(n_samples, n_out)}."
        )
    Y = Y.reshape(-1, 1)
    first = Y.max() == n_out  # labels from 1, else from 0
    if not first and Y.min() != 0:
        raise ValueError(
            f"y must have the label 0 or {n_out}, or be a one-hot matrix: otherwise it "
            "is not clear whether labels count from 0 or from 1."
        )
    columns = np.arange(n_out) + first
    if not np.isin(Y, columns).all():
        raise ValueError(
            f"y has labels {np.unique(Y)}, expected {columns[0]} to {columns[-1]}."
        )
    return np.equal(Y, columns).astype(np.float64)


def _describe_call(args: tuple[Any, ...]) -> str:
    """Describe the arguments that the function got, and what it must return."""
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
    """Return the cost and gradient of `cost_gradient` for the practical's arguments."""
    _, n_hidden, n_out, X, y, reg = args
    Y = _one_hot(y, len(X), n_out)
    return cost_gradient(params, X, Y, hidden_layer_size=n_hidden, alpha=reg)


def _small_network(targets: str, reg: float) -> tuple[np.ndarray, tuple[Any, ...]]:
    """Return params and args of the small network that the practical checks."""
    if targets not in ("one-hot", "labels"):
        raise ValueError(f"targets={targets!r}, expected 'one-hot' or 'labels'.")
    labels = 1 + np.arange(1, 6) % 3
    y = labels if targets == "labels" else np.eye(3)[labels - 1]
    params = pack(_sines(5, 4), _sines(3, 6))
    return params, (3, 5, 3, _sines(5, 3), y, reg)


def _sines(n_rows: int, n_columns: int) -> np.ndarray:
    """Return a matrix of sines, filled column by column as in the practical."""
    values = np.sin(np.arange(1, n_rows * n_columns + 1)) / 10
    return values.reshape(n_rows, n_columns, order="F")
