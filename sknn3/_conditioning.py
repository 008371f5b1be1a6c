r"""The linear change of variables in which the minimiser works.

Features of unlike scale, correlated features and activations far from zero make
narrow valleys.  The minimiser therefore sees (U, c, V, e) instead of the weights::

    W1 = U P,    b1 = c - W1 mu,      W2 = V,    b2 = e - V a0

    dJ/dU = (dJ/dW1 - dJ/db1 mu') P',            dJ/dc = dJ/db1
    dJ/dV = dJ/dW2 - dJ/db2 a0 1',               dJ/de = dJ/db2

with mu the column means, P'P = M^-1, and a0 the value of the hidden activation at 0::

    M = Cov(X) + 0.3 diag(Var(X)) + 20 alpha/S I

That is the network on whitened features and centred activations, with the cost, its
penalty and its minima as they were: only the path there is shorter.  M resembles the
curvature of the cost by the weights of a hidden unit: the data's, and the penalty's,
which is all there is for features that hardly vary.  A Cholesky factor of M^-1 serves
as P, since neither solver notices a rotation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.linalg.blas import dtrmm
from scipy.sparse import diags_array, issparse

from sknn3._arrays import cast, to_host, total
from sknn3._blocks import in_memory, row_blocks, take_rows
from sknn3._samples import Data, Samples
from sknn3.network import ACTIVATIONS, split_layers

# Full conditioning costs two products of h d^2 a pass and a factor of d^2; up to
# this many features that is little beside the pass itself, or little altogether.
MAX_FEATURES_FULL = 1024

# Means and covariances shape the path only.  They come from all rows, as long as that
# takes no more products than this; else from evenly spaced rows, at least so many.
MAX_PRODUCTS = 2 * 10**9
ROWS_PER_FEATURE = 10

# Of a block that is centred: a copy, in float64.
MAX_ENTRIES = 2**20

# What M adds to the covariance.  The penalty has a curvature of its own, alpha/S, and
# the cost that of the covariance times the squared slope by a hidden unit's input, on
# average about 1/20.  Chosen on eight data sets, scaled and not, of which none minds
# much: ridges of 0.1 to 1 and factors of 20 to 100 do about as well.
RIDGE = 0.3
PENALTY_FACTOR = 20.0

# Of the initial weights, in units of Glorot's for features of deviation 1.  On seven
# data sets and three activations 0.75 was better than 0.5 by up to 5% of the cost
# after 10 passes, and never much worse.
START_FACTOR = 0.75

# Of means and correlations, in units of the features' scale: that of float32.  Adding
# rows in another order then leaves no trace: see `Run` on what becomes of one.
_PRECISION = 2.0**-24


# Weights on the way to nowhere: whoever minimises looks at their cost.
_may_overflow = np.errstate(over="ignore", under="ignore", invalid="ignore")


@dataclass(frozen=True, eq=False)
class Conditioning:
    """Maps between the weights and the minimiser's variables.

    `centre` is a0, `mean` is of the features, `scale` is the root of the diagonal of M,
    `start_factor` what takes initial weights for standardised features to these,
    `factor` is P and `inverse` its inverse: lower triangular (d, d) arrays, (d,)
    diagonals, or scalars.
    """

    n_features: int
    hidden_layer_size: int
    centre: float
    mean: np.ndarray
    scale: np.ndarray
    start_factor: np.ndarray
    factor: np.ndarray
    inverse: np.ndarray

    def to_weights(self, variables: np.ndarray) -> np.ndarray:
        """Packed weights that belong to the variables."""
        params = variables.copy()
        theta1, _ = self._unpack(params)
        theta1[:, 1:] = _times(theta1[:, 1:], self.factor)
        return self._shift_biases(params, -1)

    @_may_overflow
    def from_weights(self, params: np.ndarray) -> np.ndarray:
        """Variables that belong to the packed weights."""
        variables = self._shift_biases(params.copy(), +1)
        theta1, _ = self._unpack(variables)
        theta1[:, 1:] = _times(theta1[:, 1:], self.inverse)
        return variables

    def pull_gradient(self, gradient: np.ndarray) -> np.ndarray:
        """Gradient by the variables, from the gradient by the weights."""
        pulled = gradient.copy()
        slope1, slope2 = self._unpack(pulled)
        slope1[:, 1:] -= np.outer(slope1[:, 0], self.mean)
        slope1[:, 1:] = _times(slope1[:, 1:], self.factor, transposed=True)
        slope2[:, 1:] -= self.centre * slope2[:, :1]
        return pulled

    def resolution(self, params: np.ndarray) -> np.ndarray:
        """Tell how fine the gradient by each weight has to be, for all to count alike.

        In the solver's coordinates the gradients by weights of small features are
        enlarged, and so would be their errors.
        """
        resolution = np.ones_like(params)
        theta1, _ = self._unpack(resolution)
        theta1[:, 1:] = np.minimum(self.scale, 1)
        return resolution

    @_may_overflow
    def place(self, params: np.ndarray) -> np.ndarray:
        """Fit a start that was drawn for standardised features to these, in place.

        Units are centred on the mean sample, and see each feature in its own unit:
        neither do large ones saturate them, nor are small ones lost.  Weights that
        would cost more penalty than they are worth shrink; all are a little smaller,
        since features are correlated where Glorot takes them for independent.
        """
        theta1, _ = self._unpack(params)
        theta1[:, 1:] *= self.start_factor
        return self._shift_biases(params, -1)

    def _shift_biases(self, params: np.ndarray, sign: int) -> np.ndarray:
        """Move biases to (+1) or from (-1) the mean sample and activation, in place."""
        theta1, theta2 = self._unpack(params)
        theta1[:, 0] += sign * (theta1[:, 1:] @ self.mean)
        theta2[:, 0] += sign * self.centre * theta2[:, 1:].sum(axis=1)
        return params

    def _unpack(self, params: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return split_layers(params, self.n_features, self.hidden_layer_size)


def _times(W: np.ndarray, P: np.ndarray, *, transposed: bool = False) -> np.ndarray:
    """Multiply by a lower triangular matrix, or its transpose; or by a diagonal."""
    if P.ndim < 2:
        return W * P
    return dtrmm(1.0, P.T, W.T, trans_a=transposed).T


@_may_overflow  # where it matters, it is looked at
def conditioning_for(
    data: Data,
    *,
    kind: str | None,
    penalty: float,
    activation: str,
    hidden_layer_size: int,
) -> Conditioning:
    """Choose the variables for the data: `kind` as the estimator's, penalty alpha/S."""
    n_features = data.template.shape[1]
    if kind is None:
        one = np.ones(())
        moments, centre = (np.zeros(n_features), one, one, one, one), 0.0
    else:
        if kind == "auto":
            small = n_features <= MAX_FEATURES_FULL and not data.is_sparse
            kind = "full" if small else "diagonal"
        centre = ACTIVATIONS[activation].at_zero
        mean, spread = _moments(data, full=kind == "full")
        moments = _factors(mean, spread, penalty)
    return Conditioning(n_features, hidden_layer_size, centre, *moments)


def _moments(data: Data, *, full: bool) -> tuple[np.ndarray, np.ndarray]:
    """Column means, and covariances (`full`) or variances."""
    n_features = data.template.shape[1]
    per_row = n_features**2 if full else n_features
    n_rows = max(ROWS_PER_FEATURE * n_features, MAX_PRODUCTS // per_row)
    step = -(-data.n_samples // n_rows)
    total_weight, mean = data.sum(column_sums, step)
    mean /= total_weight
    (spread,) = data.sum(scatter_sums, step, mean, full)
    spread /= total_weight
    if data.is_sparse:  # centred after the sum, so that zeros stay zeros
        spread -= np.outer(mean, mean) if full else mean**2
    # A difference of sums has their rounding, which grows with the number of rows.
    rounding = 1e-15 * (data.n_samples / step) if data.is_sparse else 1e-28
    variance = np.diagonal(spread) if full else spread
    constant = variance < rounding * mean**2
    spread[constant] = 0
    if full:
        spread[:, constant] = 0
    return mean, spread


def column_sums(samples: Samples, step: int) -> tuple[float, np.ndarray]:
    """Sum weights, and columns times weights, over every `step`-th row."""
    total_weight, sums = 0.0, np.zeros(samples.X.shape[1])
    for B, w in _sampled_blocks(samples, step):
        total_weight += float(total(w, samples.home.xp))
        sums += to_host(w @ B)
    return total_weight, sums


def scatter_sums(
    samples: Samples, step: int, mean: np.ndarray, full: bool
) -> tuple[np.ndarray]:
    """Sum outer products (`full`) or squares of deviations, times weights."""
    home, n_features = samples.home, len(mean)
    spread = np.zeros((n_features, n_features) if full else n_features)
    centre = home.take_in(mean, home.dtypes[0])
    for B, w in _sampled_blocks(samples, step):
        deviations = B if issparse(B) else B - centre
        spread += to_host(_scatter(deviations, w, home.xp, full=full))
    return (spread,)


def _sampled_blocks(samples: Samples, step: int) -> Iterator[tuple[Any, Any]]:
    """Blocks of every `step`-th row and their weights, in the widest dtype.

    Rows are numbered through all parts.
    """
    home = samples.home
    xp, dtype = home.xp, home.dtypes[0]
    X, weight = samples.X, samples.weight
    if step > 1:
        rows = slice(-samples.first_row % step, None, step)
        X = X[rows, :] if issparse(X) else take_rows(X, rows)
        weight = None if weight is None else weight[rows]
    for rows in _moment_blocks(X, on_host=home.is_host):
        n_rows = rows.stop - rows.start
        w = np.ones(n_rows) if weight is None else weight[rows]
        yield cast(in_memory(take_rows(X, rows)), dtype, xp), home.take_in(w, dtype)


def _moment_blocks(X: Any, *, on_host: bool) -> Iterator[slice]:
    """Cut rows into blocks, and those of many features further."""
    step = max(1, MAX_ENTRIES // X.shape[1])
    for rows in row_blocks(X.shape[0], on_host=on_host):
        if issparse(X) or not on_host:
            yield rows
            continue
        for start in range(rows.start, rows.stop, step):
            yield slice(start, min(start + step, rows.stop))


def _scatter(B: Any, w: Any, xp: Any, *, full: bool) -> Any:
    """Weighted sum of the rows' outer products, or of their squares."""
    if issparse(B):
        return (B.T @ diags_array(w) @ B).toarray() if full else w @ _squares(B)
    if not full:
        B *= B
        return w @ B
    B *= xp.sqrt(w)[:, None]
    return B.T @ B


def _squares(B: Any) -> Any:
    """Square the entries of a sparse matrix, which may come in several parts."""
    B = B.copy()  # parts are added in place, and these are X's own
    B.sum_duplicates()
    B.data *= B.data
    return B


def _factors(
    mean: np.ndarray, spread: np.ndarray, penalty: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Mean, scale, factor of the start, P and its inverse; rounded on the way."""
    variance = np.diagonal(spread) if spread.ndim == 2 else spread
    if not np.isfinite(PENALTY_FACTOR * penalty):
        raise ValueError("alpha over the sum of sample_weight overflows.")
    squared = (1 + RIDGE) * variance + PENALTY_FACTOR * penalty
    if not np.isfinite(squared).all():
        raise ValueError("The squares of the values in X overflow. Scale the features.")
    # Constant features without a penalty have no scale: any will do.
    scale = _as_float32(np.sqrt(np.where(squared > 0, squared, 1)))
    start_factor = START_FACTOR * _as_float32(np.sqrt(variance)) / scale**2
    mean = np.round(mean / scale / _PRECISION) * _PRECISION * scale
    if spread.ndim == 1:
        return mean, scale, start_factor, 1 / scale, scale
    correlation = spread / scale / scale[:, np.newaxis]
    correlation = np.round(correlation / _PRECISION) * _PRECISION
    np.fill_diagonal(correlation, 1)
    root = cholesky(correlation, lower=True)
    inverse_root = solve_triangular(root, np.eye(len(root)), lower=True)
    # C-ordered, as `_times` needs them if they are not to be copied for each product.
    factor = np.divide(inverse_root, scale, order="C")
    inverse = np.multiply(root, scale[:, np.newaxis], order="C")
    return mean, scale, start_factor, factor, inverse


def _as_float32(values: np.ndarray) -> np.ndarray:
    """Round to the precision of float32, but not to its range."""
    mantissa, exponent = np.frexp(values)
    return np.ldexp(np.round(mantissa / _PRECISION) * _PRECISION, exponent)
