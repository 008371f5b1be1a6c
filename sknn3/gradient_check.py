"""Analytic gradients against central differences of the cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sknn3._validation import as_float, finite, numbers_in
from sknn3.network import cost_gradient

__all__ = ["GradientCheck", "check_gradient"]

# Rows that the repr of a check prints, at most.
_ROWS_SHOWN = 10


@dataclass(frozen=True, repr=False, eq=False)
class GradientCheck:
    """Analytic and numeric gradient, side by side.

    Parameters
    ----------
    analytic : ndarray of shape (n_params,)
        Gradient that the cost function returns.
    numeric : ndarray of shape (n_params,)
        Central differences of its cost.
    rounding : float, default=None
        Error of these differences that rounding of the cost to float64 leaves.

    See Also
    --------
    check_gradient : Makes one.
    sknn3.display.GradientCheckDisplay : Draws one.

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
        """Largest difference of any component, as an absolute value."""
        return float(np.abs(self.difference).max())

    @property
    def relative_difference(self) -> float:
        """Norm of the difference over the norm of the sum (0 if both are 0)."""
        # In units of the largest component, lest squares overflow.
        unit = float(np.abs([self.analytic, self.numeric]).max(initial=0)) or 1.0
        analytic, numeric = self.analytic / unit, self.numeric / unit
        total = float(np.linalg.norm(analytic + numeric))
        return float(np.linalg.norm(analytic - numeric)) / total if total else 0.0

    def __repr__(self) -> str:
        n_params = len(self.analytic)
        lines = [
            f"GradientCheck of {n_params} parameters",
            f"  largest difference   {self.max_difference:.2e}",
            f"  relative difference  {self.relative_difference:.2e}",
            "  " + "".join(f"{h:>15}" for h in ("analytic", "numeric", "difference")),
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
    cost_function: Callable[[np.ndarray], tuple[float, np.ndarray]] | None = None,
    params: Any = None,
    *,
    alpha: float = 0.0,
    epsilon: float = 1e-4,
) -> GradientCheck:
    """Compare an analytic gradient with central differences of the cost.

    Parameters
    ----------
    cost_function : callable, default=None
        ``cost_function(params) -> (cost, gradient)``.  None takes the cost of
        :func:`sknn3.network.cost_gradient` on a small network to debug with: 3
        features, 5 hidden units, 3 classes, 5 samples, weights and samples from a
        sine, 38 parameters.
    params : array-like of shape (n_params,), default=None
        Where to compare; needed with a `cost_function`, refused without.
    alpha : float, default=0.0
        Strength of the penalty in the small network; goes with no `cost_function`,
        which knows its own.
    epsilon : float, default=1e-4
        Half the distance of the two points of a difference.

    Returns
    -------
    GradientCheck
        The two gradients and their differences.  An analytic gradient that is right
        differs by about ``epsilon**2`` and the rounding error of the cost over
        `epsilon`: with the small network by less than 1e-9.

    Raises
    ------
    ValueError
        If arguments do not go together, `epsilon` is not positive or too small to
        change `params`, the gradient has not the shape of `params`, or numbers are not
        finite.

    Examples
    --------
    >>> from sknn3 import check_gradient
    >>> check = check_gradient(alpha=3)
    >>> check.analytic.shape
    (38,)
    >>> check.max_difference < 1e-9
    True

    A gradient that forgets a factor shows:

    >>> wrong = check_gradient(lambda p: (float(p @ p), p), [1.0, 2.0])
    >>> wrong.relative_difference.__round__(3)
    0.333
    """
    if not 0 < as_float(epsilon) < np.inf:
        raise ValueError(f"epsilon={epsilon!r} must be positive and finite.")
    if cost_function is not None and not callable(cost_function):
        raise TypeError(f"cost_function={cost_function!r}, expected a function.")
    if cost_function is None:
        if params is not None:
            raise ValueError("params were given without a cost_function to check.")
        cost_function, params = _debugging_network(alpha)
    elif params is None:
        raise ValueError("cost_function was given without params to check it at.")
    elif alpha:
        raise ValueError("alpha goes with the small network, not a cost_function.")
    return _compare(cost_function, params, float(epsilon))


def _compare(
    cost_function: Callable[[np.ndarray], tuple[float, np.ndarray]],
    params: Any,
    epsilon: float,
) -> GradientCheck:
    params = finite("params", numbers_in("params", params)).astype(np.float64)
    if params.ndim != 1 or not params.size:
        raise ValueError(f"params has shape {params.shape}, expected a vector.")
    result = cost_function(params)
    if not isinstance(result, tuple) or len(result) != 2:
        raise ValueError("cost_function must return (cost, gradient), a tuple.")
    name = "The gradient from cost_function"
    # A copy: the function may write its next gradient to the same place.
    analytic = finite(name, np.array(numbers_in(name, result[1])))
    if analytic.shape != params.shape:
        raise ValueError(
            f"params has shape {params.shape} and its gradient {analytic.shape}: "
            "expected two vectors of one length."
        )
    steps = [_stepped(params, step) for step in (epsilon, -epsilon)]
    above, below = np.empty_like(params), np.empty_like(params)
    for i in range(len(params)):
        for costs, stepped in zip((above, below), steps, strict=True):
            shifted = params.copy()
            shifted[i] = stepped[i]
            costs[i] = _cost(cost_function(shifted)[0])
    with np.errstate(over="ignore"):
        numeric = (above - below) / epsilon / 2
        # Each of two costs is off by half a unit in the last place, or some more.
        largest = np.abs([above, below]).max(initial=0)
        rounding = float(np.finfo(np.float64).eps * largest / epsilon)
    if not np.isfinite([*numeric, rounding]).all():
        raise ValueError(
            f"Costs up to {largest:.1e} over epsilon={epsilon!r} overflow."
        )
    return GradientCheck(analytic, numeric, rounding)


def _stepped(params: np.ndarray, step: float) -> np.ndarray:
    """Move every parameter, each of which must notice."""
    with np.errstate(over="ignore"):
        stepped = params + step
    if not np.isfinite(stepped).all() or (stepped == params).any():
        raise ValueError(
            f"epsilon={abs(step)!r} is lost beside params of up to "
            f"{np.abs(params).max():.1e}, or takes them out of range."
        )
    return stepped


def _cost(value: Any) -> float:
    """Take a cost as a number."""
    try:
        cost = float(numbers_in("cost", value))
    except (TypeError, ValueError):
        cost = np.nan
    if not np.isfinite(cost):
        raise ValueError(
            f"cost_function returned the cost {value!r}, expected a finite number."
        )
    return cost


def _debugging_network(
    alpha: float,
) -> tuple[Callable[[np.ndarray], tuple[float, np.ndarray]], np.ndarray]:
    """Make a cost small enough for differences by each weight, and weights for it."""
    n_features, hidden_layer_size, n_classes, n_samples = 3, 5, 3, 5

    def sines(n_rows: int, n_columns: int) -> np.ndarray:
        # Down the columns first, as the practical's own figures have it.
        values = np.sin(np.arange(1, n_rows * n_columns + 1)) / 10
        return values.reshape(n_rows, n_columns, order="F")

    params = np.concatenate(
        [
            sines(hidden_layer_size, n_features + 1).ravel(),
            sines(n_classes, hidden_layer_size + 1).ravel(),
        ]
    )
    X = sines(n_samples, n_features)
    Y = np.arange(1, n_samples + 1) % n_classes

    def cost_function(p: np.ndarray) -> tuple[float, np.ndarray]:
        return cost_gradient(p, X, Y, hidden_layer_size=hidden_layer_size, alpha=alpha)

    return cost_function, params
