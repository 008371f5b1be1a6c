"""Comparison of an analytic gradient with central differences of the cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils import check_array

from sknn3.network import cost_gradient, pack

__all__ = ["GradientCheck", "check_gradient"]

CostFunction = Callable[[np.ndarray], tuple[float, np.ndarray]]

# Largest number of rows in the repr of a check.
_ROWS_SHOWN = 10


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
        Error of these differences that comes from rounding the cost to float64.

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
            f"  {'analytic':>15}{'numeric':>15}{'difference':>15}",
        ]
        worst = np.argsort(-np.abs(self.difference), kind="stable")[:_ROWS_SHOWN]
        lines += [
            f"  {self.analytic[i]:15.9f}{self.numeric[i]:15.9f}"
            f"{self.difference[i]:15.2e}   [{i}]"
            for i in np.sort(worst)
        ]
        if n_params > _ROWS_SHOWN:
            lines.append(f"  ({_ROWS_SHOWN} largest differences of {n_params})")
        return "\n".join(lines)


def check_gradient(
    cost_function: CostFunction | None = None,
    params: Any = None,
    *,
    alpha: float = 0.0,
    epsilon: float = 1e-4,
) -> GradientCheck:
    """Compare an analytic gradient with central differences of the cost.

    Parameters
    ----------
    cost_function : callable, default=None
        ``cost_function(params) -> (cost, gradient)``.  None checks
        :func:`sknn3.network.cost_gradient` on a small network of 38 parameters: 3
        features, 5 hidden units, 3 classes and 5 samples.
    params : array-like of shape (n_params,), default=None
        Point to check the gradient at; required with a `cost_function`.
    alpha : float, default=0.0
        Strength of the penalty in the small network; only without `cost_function`.
    epsilon : float, default=1e-4
        Each parameter is moved by this much up and down.

    Returns
    -------
    GradientCheck
        Both gradients and their difference.  A correct gradient differs by about
        ``epsilon**2`` plus the rounding error of the cost over `epsilon`: in the
        small network by less than 1e-9.

    Raises
    ------
    ValueError
        If `params` is missing, the gradient has another shape than `params`, a number
        is not finite, or `epsilon` is not positive or too small to change `params`.

    Examples
    --------
    >>> from sknn3 import check_gradient
    >>> check = check_gradient(alpha=3)
    >>> check.analytic.shape
    (38,)
    >>> check.max_difference < 1e-9
    True
    """
    if not isinstance(epsilon, Real) or not 0 < epsilon < np.inf:
        raise ValueError(f"epsilon={epsilon!r} must be positive and finite.")
    if cost_function is None and params is None:
        cost_function, params = _small_network(alpha)
    elif not callable(cost_function):
        raise TypeError(f"cost_function={cost_function!r} must be callable.")
    elif params is None or alpha:
        raise ValueError("A cost_function requires params and takes no alpha.")
    params = _finite_vector("params", params).astype(np.float64)
    if (np.abs(params) + epsilon == np.abs(params)).any():
        raise ValueError(f"epsilon={epsilon!r} is too small to change params.")
    result = cost_function(params)
    if not isinstance(result, tuple) or len(result) != 2:
        raise ValueError("cost_function must return a tuple (cost, gradient).")
    # A copy, because the function may reuse the memory of its gradient.
    analytic = _finite_vector("gradient", np.array(result[1]))
    if len(analytic) != len(params):
        raise ValueError(
            f"gradient has {len(analytic)} components, but params has {len(params)}."
        )
    numeric, rounding = _central_differences(cost_function, params, epsilon)
    return GradientCheck(analytic, numeric, rounding)


def _central_differences(
    cost_function: CostFunction, params: np.ndarray, epsilon: float
) -> tuple[np.ndarray, float]:
    """Return the numeric gradient, and its error from rounding of the cost."""
    costs = np.empty((2, len(params)))
    for i in range(len(params)):
        for k, step in enumerate((epsilon, -epsilon)):
            shifted = params.copy()
            shifted[i] += step
            costs[k, i] = cost_function(shifted)[0]
    if not np.isfinite(costs).all():
        raise ValueError("cost_function returned a cost that is not finite.")
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


def _small_network(alpha: float) -> tuple[CostFunction, np.ndarray]:
    """Return the practical's cost function to debug with, and its parameters."""
    theta1, theta2 = _sines(5, 4), _sines(3, 6)
    cost_function = partial(
        cost_gradient,
        X=_sines(5, 3),
        Y=np.arange(1, 6) % 3,
        hidden_layer_size=5,
        alpha=alpha,
    )
    return cost_function, pack(theta1, theta2)


def _sines(n_rows: int, n_columns: int) -> np.ndarray:
    """Return a matrix of sines, filled column by column as in the practical."""
    values = np.sin(np.arange(1, n_rows * n_columns + 1)) / 10
    return values.reshape(n_rows, n_columns, order="F")
