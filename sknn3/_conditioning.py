r"""The linear change of variables in which the solver works, and the initial weights.

Features of different scale, correlated features and activations far from zero make
narrow valleys.  The solver therefore works with (U, c, V, e) instead of the weights::

    W1 = U P,    b1 = c - W1 mu,      W2 = V,    b2 = e - V a0

    dJ/dU = (dJ/dW1 - dJ/db1 mu') P',            dJ/dc = dJ/db1
    dJ/dV = dJ/dW2 - dJ/db2 a0 1',               dJ/de = dJ/db2

with mu the column means, P'P = M^-1, and a0 the value of the hidden activation at 0::

    M = Cov(X) + 0.3 diag(Var(X)) + 20 alpha/S I

That is the network on whitened features and centred activations.  The cost, its penalty
and its minima stay the same, and the path to a minimum is shorter.  M resembles the
curvature of the cost by the weights of a hidden unit, which comes from the data and
from the penalty.  P is a triangular factor of M^-1; a rotation would make no
difference to the solvers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.linalg.blas import dtrmm
from scipy.sparse import issparse
from scipy.special import logit
from sklearn.utils import check_array

from sknn3._array_api import to_numpy
from sknn3._dataset import Dataset
from sknn3._kernel import ACTIVATIONS, Network, pack_weights, split_layers
from sknn3._rounding import MOMENT_BITS, round_to_bits, round_to_multiple

# Full conditioning costs two products of h d^2 a pass and a factor of d^2.  Up to this
# many features that is little beside the pass itself, or little altogether.
MAX_FEATURES_FULL = 1024

# Means and covariances change the path only.  They come from all rows up to this number
# of products; beyond that from evenly spaced rows, of which there are at least so many.
MAX_PRODUCTS = 2 * 10**9
ROWS_PER_FEATURE = 10

# What M adds to the covariance.  The curvature by the penalty is alpha/S.  That by the
# data is the covariance times the mean squared derivative by a hidden unit's input,
# about 1/20.  Chosen on eight data sets, scaled and not: ridges of 0.1 to 1 and factors
# of 20 to 100 do about equally well on all of them.
RIDGE = 0.3
PENALTY_FACTOR = 20.0

# The initial inputs of hidden units have a deviation of 1 + START_SPREAD / sqrt(d),
# divided by 1 + RIDGE, for d independent features.  With few features, smaller weights
# leave the units nearly linear, and the solver ends at the minimum of a linear model.
# With many features, larger weights end at higher costs.
START_SPREAD = 2.0

# A class that nearly all or no samples have would start at an infinite bias.
_SMALLEST_PRIOR = 1e-6


@dataclass(frozen=True, eq=False)
class Preconditioner:
    """Maps between the weights and the variables of the solver.

    `centre` is a0, `mean` are the means of the features, `scale` is the root of the
    diagonal of M, `initial_scale` maps initial weights for standardised features to
    weights for these.  `factor` is P and `inverse` its inverse: lower triangular (d, d)
    arrays, (d,) diagonals, or scalars.  `output_scale`, (K,), compares the variance of
    each target with that of classes of equal shares.  `effective_features` is the
    number of features that vary, or 12 times their total variance if that is less:
    features uniform in [0, 1] have a variance of 1/12 and count in full.
    """

    n_features: int
    hidden_layer_size: int
    centre: float
    mean: np.ndarray
    scale: np.ndarray
    initial_scale: np.ndarray
    factor: np.ndarray
    inverse: np.ndarray
    output_scale: np.ndarray
    effective_features: float

    def to_weights(self, variables: np.ndarray) -> np.ndarray:
        """Return the packed weights for the variables."""
        params = variables.copy()
        theta1, _ = self._split(params)
        theta1[:, 1:] = triangular_product(theta1[:, 1:], self.factor)
        return self._shift_biases(params, -1)

    def from_weights(self, params: np.ndarray) -> np.ndarray:
        """Return the variables for the packed weights."""
        variables = self._shift_biases(params.copy(), +1)
        theta1, _ = self._split(variables)
        theta1[:, 1:] = triangular_product(theta1[:, 1:], self.inverse)
        return variables

    def transform_gradient(self, gradient: np.ndarray) -> np.ndarray:
        """Return the gradient by the variables from the gradient by the weights."""
        transformed = gradient.copy()
        slope1, slope2 = self._split(transformed)
        slope1[:, 1:] -= slope1[:, :1] * self.mean
        slope1[:, 1:] = triangular_product(slope1[:, 1:], self.factor, transposed=True)
        slope2[:, 1:] -= self.centre * slope2[:, :1]
        return transformed

    def gradient_scale(self, params: np.ndarray) -> np.ndarray:
        """Return the divisor, at most 1, of each component in the test against `tol`.

        Gradients by the weights of a feature are proportional to its scale, and those
        by the weights of an output to the variance of its target.
        """
        scale = np.ones_like(params)
        theta1, theta2 = self._split(scale)
        theta1[:, 1:] = np.minimum(self.scale, 1)
        theta1 *= self.output_scale.max()
        theta2 *= self.output_scale[:, np.newaxis]
        return scale

    def rescale_initial_weights(self, params: np.ndarray) -> np.ndarray:
        """Map weights drawn for standardised features to these features, in place.

        Hidden units are centred on the mean sample, and each feature counts in units
        of its deviation.  Weights with a large penalty shrink.
        """
        theta1, _ = self._split(params)
        theta1[:, 1:] *= self.initial_scale
        return self._shift_biases(params, -1)

    def _shift_biases(self, params: np.ndarray, sign: int) -> np.ndarray:
        """Refer biases to the mean sample and activation (+1), or to zero (-1)."""
        theta1, theta2 = self._split(params)
        theta1[:, 0] += sign * (theta1[:, 1:] @ self.mean)
        theta2[:, 0] += sign * self.centre * theta2[:, 1:].sum(axis=1)
        return params

    def _split(self, params: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return split_layers(params, self.n_features, self.hidden_layer_size)


def triangular_product(
    W: np.ndarray, P: np.ndarray, *, transposed: bool = False
) -> np.ndarray:
    """Return W P or W P' for a lower triangular matrix, a diagonal or a scalar P."""
    if P.ndim < 2:
        return W * P
    return dtrmm(1.0, P.T, W.T, trans_a=transposed).T


def make_preconditioner(
    dataset: Dataset, network: Network, *, conditioning: str | None, penalty: float
) -> Preconditioner:
    """Return the change of variables for the data; `penalty` is alpha/S."""
    n_features = dataset.X_like.shape[1]
    if conditioning is None:
        one = np.ones(())
        maps, centre = (np.zeros(n_features), one, one, one, one), 0.0
        effective_features = float(n_features)
    else:
        if conditioning == "auto":
            use_full = n_features <= MAX_FEATURES_FULL and not issparse(dataset.X_like)
            conditioning = "full" if use_full else "diagonal"
        centre = ACTIVATIONS[network.activation].at_zero
        mean, spread = _moments(dataset, full=conditioning == "full")
        variance = np.diagonal(spread) if spread.ndim == 2 else spread
        effective_features = min(
            float(np.count_nonzero(variance)), 12 * float(variance.sum())
        )
        maps = _factors(mean, spread, penalty)
    output_scale = _output_scale(dataset)
    return Preconditioner(
        n_features,
        network.hidden_layer_size,
        centre,
        *maps,
        output_scale,
        effective_features,
    )


def _output_scale(dataset: Dataset) -> np.ndarray:
    """Return the variance of each target over that of equal shares, at most 1.

    It is the larger variance of the weighted and unweighted targets: a class of many
    samples with tiny weights is not rare.  It is 1 for classes without samples, and for
    those of all samples.
    """
    labels = dataset.labels
    shares = np.stack(
        [labels.priors(dataset.class_counts), labels.priors(dataset.class_sizes)]
    )
    equal = 1 / max(2, 1 if labels.multilabel else shares.shape[1])
    scale = (shares * (1 - shares)).max(axis=0) / (equal * (1 - equal))
    return np.where(scale > 0, np.minimum(scale, 1), 1)


def _moments(dataset: Dataset, *, full: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return column means, and covariances (`full`) or variances."""
    n_features = dataset.X_like.shape[1]
    per_row = n_features**2 if full else n_features
    n_rows = max(ROWS_PER_FEATURE * n_features, MAX_PRODUCTS // per_row)
    step = ceil(dataset.n_samples / n_rows)
    total_weight, mean = dataset.column_sums(step)
    mean /= total_weight
    (spread,) = dataset.scatter_sums(step, mean, full=full)
    spread /= total_weight
    is_sparse = issparse(dataset.X_like)
    if is_sparse:  # centred after the sum, so that zeros stay zeros
        spread -= np.outer(mean, mean) if full else mean**2
    # Below its rounding error a variance counts as 0.  A difference of sums has the
    # error of the sums, which grows with the number of rows.
    error = 1e-15 * (dataset.n_samples / step) if is_sparse else 1e-28
    is_constant = (np.diagonal(spread) if full else spread) < error * mean**2
    spread[is_constant] = 0
    if full:
        spread[:, is_constant] = 0
    return mean, spread


def _factors(
    mean: np.ndarray, spread: np.ndarray, penalty: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return mean, scale, initial scale, P and its inverse."""
    variance = np.diagonal(spread) if spread.ndim == 2 else spread
    diagonal = (1 + RIDGE) * variance + PENALTY_FACTOR * penalty
    if not np.isfinite(diagonal).all():
        raise ValueError(
            "The squares of the values in X, or alpha over the sum of sample_weight, "
            "overflow. Scale the features."
        )
    # Constant features without a penalty have no scale: any will do.
    scale = round_to_bits(np.sqrt(np.where(diagonal > 0, diagonal, 1)), MOMENT_BITS)
    deviation = round_to_bits(np.sqrt(variance), MOMENT_BITS)
    initial_scale = deviation / scale**2
    mean = round_to_multiple(mean / scale, MOMENT_BITS) * scale
    if spread.ndim == 1:
        return mean, scale, initial_scale, 1 / scale, scale
    correlation = spread / scale / scale[:, np.newaxis]
    correlation = round_to_multiple(correlation, MOMENT_BITS)
    np.fill_diagonal(correlation, 1)  # `scale` has the ridge and the penalty
    root = cholesky(correlation, lower=True)
    inverse_root = solve_triangular(root, np.eye(len(root)), lower=True)
    # C-ordered, so that `triangular_product` copies neither of them.
    factor = np.divide(inverse_root, scale, order="C")
    inverse = np.multiply(root, scale[:, np.newaxis], order="C")
    return mean, scale, initial_scale, factor, inverse


# -------------------------------------------------------------- initial weights


def draw_initial_weights(
    dataset: Dataset,
    network: Network,
    preconditioner: Preconditioner,
    rng: np.random.RandomState,
    init_epsilon: float | None,
) -> np.ndarray:
    """Return random packed weights, as the parameter `init_epsilon` describes."""
    d, h, n_outputs = layer_sizes(dataset, network)
    epsilon1 = init_epsilon or np.sqrt(3 / d) * (1 + START_SPREAD / np.sqrt(d))
    epsilon2 = init_epsilon or np.sqrt(6 / (h + n_outputs))
    theta1 = rng.uniform(-epsilon1, epsilon1, (h, d + 1))
    theta2 = rng.uniform(-epsilon2, epsilon2, (n_outputs, h + 1))
    if init_epsilon is not None:
        return pack_weights(theta1, theta2)
    priors = dataset.labels.priors(dataset.class_counts).round(12)
    priors = priors.clip(_SMALLEST_PRIOR, 1 - _SMALLEST_PRIOR)
    initial_bias = ACTIVATIONS[network.activation].initial_bias
    theta1[:, 0] = rng.uniform(-initial_bias, initial_bias, len(theta1))
    softmax = network.output_activation == "softmax"
    theta2[:, 0] = np.log(priors) if softmax else logit(priors)
    return preconditioner.rescale_initial_weights(pack_weights(theta1, theta2))


def layer_sizes(dataset: Dataset, network: Network) -> tuple[int, int, int]:
    """Return the numbers of features, hidden units and outputs."""
    return dataset.X_like.shape[1], network.hidden_layer_size, dataset.labels.n_outputs


def pack_initial_weights(
    sizes: tuple[int, int, int], coefs_init: Any, intercepts_init: Any
) -> np.ndarray:
    """Return packed weights from weights in the shapes of `MLPClassifier`."""
    n_features, h, n_outputs = sizes
    W1, W2 = _check_layers("coefs_init", coefs_init, [(n_features, h), (h, n_outputs)])
    b1, b2 = _check_layers("intercepts_init", intercepts_init, [(h,), (n_outputs,)])
    return pack_weights(np.column_stack([b1, W1.T]), np.column_stack([b2, W2.T]))


def _check_layers(
    name: str, given: Sequence[Any] | None, shapes: list[tuple[int, ...]]
) -> list[np.ndarray]:
    """Return two arrays of the expected shapes, in float64."""
    if given is None:
        raise ValueError(
            f"{name} is missing: coefs_init and intercepts_init go together."
        )
    try:
        arrays = [
            check_array(
                to_numpy(array),
                ensure_2d=False,
                ensure_min_samples=0,
                ensure_min_features=0,
                input_name=name,
            )
            for array in given
        ]
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name} must be a list of 2 arrays of finite numbers: {error}"
        ) from error
    if [array.shape for array in arrays] != shapes:
        raise ValueError(
            f"{name} has shapes {[array.shape for array in arrays]}, expected {shapes}."
        )
    return [array.astype(np.float64) for array in arrays]
