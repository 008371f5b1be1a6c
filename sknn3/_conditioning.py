r"""The linear change of variables of the solver, and the initial weights.

Features of different scale, correlated features and activations far from zero give the
cost narrow valleys.  So the solver has variables v1 and v2 in place of the weights::

    theta1 = v1 F1,    F1 = [   1    0 ]        theta2 = v2 F2,    F2 = [   1   0 ]
                            [ -P mu  P ]                                [ -a0 1 I ]

    dJ/dv1 = dJ/dtheta1 F1',                    dJ/dv2 = dJ/dtheta2 F2'

with mu the column means, P'P = M^-1, and a0 the value of the hidden activation at 0::

    M = Cov(X) + 0.3 diag(Var(X)) + 20 alpha/S I

The variables are the weights of a network on whitened features and centred activations.
The cost, its penalty and its minima do not change, but the path to a minimum is
shorter.  M approximates the curvature of the cost by the weights of a hidden unit, from
the data and from the penalty.  P is a triangular factor of M^-1; a rotation of P would
make no difference to the solvers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, NamedTuple

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

# Full conditioning takes two products of h d^2 in each pass, and stores d^2 numbers.
# Up to this many features, both are small beside the pass itself or in absolute terms.
MAX_FEATURES_FULL = 1024

# Means and covariances change only the path.  If all rows take more than MAX_PRODUCTS,
# evenly spaced rows are used, at least ROWS_PER_FEATURE for each feature.
MAX_PRODUCTS = 2 * 10**9
ROWS_PER_FEATURE = 10

# Terms that M adds to the covariance.  The curvature from the penalty is alpha/S.  The
# curvature from the data is the covariance times the mean squared derivative by a
# hidden unit's input, about 1/20.  On eight data sets, scaled and unscaled, ridges of
# 0.1 to 1 and factors of 20 to 100 work about equally well.
RIDGE = 0.3
PENALTY_FACTOR = 20.0

# For d independent features, the initial inputs of hidden units have a standard
# deviation of 1 + START_SPREAD / sqrt(d), divided by 1 + RIDGE.  With few features,
# smaller weights leave the units nearly linear, and the solver ends at the minimum of a
# linear model.  With many features, larger weights end at higher costs.
START_SPREAD = 2.0

# The initial bias of a class that nearly all or no samples have would be infinite.
_SMALLEST_PRIOR = 1e-6


class ArrowMatrix(NamedTuple):
    """A lower triangular matrix with a first column and a diagonal only."""

    column: np.ndarray  # below the diagonal
    diagonal: np.ndarray


Triangular = np.ndarray | ArrowMatrix


class FeatureMaps(NamedTuple):
    """The matrices of the first layer, see `Preconditioner`."""

    factor: Triangular
    inverse: Triangular
    initial: Triangular


@dataclass(frozen=True, eq=False)
class Preconditioner:
    """Maps between the weights and the variables of the solver.

    Each map has a lower triangular matrix for each layer, whose first row and column
    belong to the biases: `factors` map variables to weights, `inverses` map weights to
    variables, and `initial` maps initial weights for standardised features and centred
    activations to weights.  `scale` is the square root of the diagonal of M.
    `output_scale`, (K,), is the variance of each target divided by the variance for
    equal classes.  `effective_features` is the number of features that vary, or 12
    times their total variance if that is less: a feature uniform in [0, 1] has a
    variance of 1/12 and counts as 1.
    """

    n_features: int
    hidden_layer_size: int
    factors: tuple[Triangular, Triangular]
    inverses: tuple[Triangular, Triangular]
    initial: tuple[Triangular, Triangular]
    scale: np.ndarray
    output_scale: np.ndarray
    effective_features: float

    def to_weights(self, variables: np.ndarray) -> np.ndarray:
        """Return the packed weights for the variables."""
        return self._multiply(variables, self.factors)

    def from_weights(self, params: np.ndarray) -> np.ndarray:
        """Return the variables for the packed weights."""
        return self._multiply(params, self.inverses)

    def transform_gradient(self, gradient: np.ndarray) -> np.ndarray:
        """Return the gradient by the variables from the gradient by the weights."""
        return self._multiply(gradient, self.factors, transposed=True)

    def rescale_initial_weights(self, params: np.ndarray) -> np.ndarray:
        """Convert weights for standardised features to weights for X.

        The biases refer to the mean sample.  A large penalty makes the weights smaller.
        """
        return self._multiply(params, self.initial)

    def gradient_scale(self, params: np.ndarray) -> np.ndarray:
        """Return a divisor, at most 1, of each gradient component for the test of tol.

        The gradient by the weights of a feature is proportional to the feature's scale,
        and the gradient by the weights of an output to the variance of the target.
        """
        scale = np.ones_like(params)
        theta1, theta2 = self._split(scale)
        theta1[:, 1:] = np.minimum(self.scale, 1)
        theta1 *= self.output_scale.max()
        theta2 *= self.output_scale[:, np.newaxis]
        return scale

    def _multiply(
        self,
        params: np.ndarray,
        matrices: tuple[Triangular, Triangular],
        *,
        transposed: bool = False,
    ) -> np.ndarray:
        theta1, theta2 = self._split(params)
        return pack_weights(
            triangular_product(theta1, matrices[0], transposed=transposed),
            triangular_product(theta2, matrices[1], transposed=transposed),
        )

    def _split(self, params: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return split_layers(params, self.n_features, self.hidden_layer_size)


def triangular_product(
    theta: np.ndarray, T: Triangular, *, transposed: bool = False
) -> np.ndarray:
    """Return theta T or theta T' for a lower triangular matrix T."""
    if isinstance(T, np.ndarray):
        return dtrmm(1.0, T.T, theta.T, trans_a=transposed).T
    product = theta * T.diagonal
    if transposed:
        product[:, 1:] += theta[:, :1] * T.column
    else:
        product[:, 0] += theta[:, 1:] @ T.column
    return product


def make_preconditioner(
    dataset: Dataset, network: Network, *, conditioning: str | None, penalty: float
) -> Preconditioner:
    """Return the change of variables for the data; `penalty` is alpha/S."""
    n_features, h = dataset.X_like.shape[1], network.hidden_layer_size
    if conditioning is None:
        scale, centre, effective_features = np.ones(n_features), 0.0, float(n_features)
        identity = ArrowMatrix(np.zeros(n_features), np.ones(n_features + 1))
        maps = FeatureMaps(identity, identity, identity)
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
        scale, maps = _feature_maps(mean, spread, penalty)
    from_centred, to_centred = (
        ArrowMatrix(np.full(h, shift), np.ones(h + 1)) for shift in (-centre, centre)
    )
    return Preconditioner(
        n_features,
        h,
        factors=(maps.factor, from_centred),
        inverses=(maps.inverse, to_centred),
        initial=(maps.initial, from_centred),
        scale=scale,
        output_scale=_output_scale(dataset),
        effective_features=effective_features,
    )


def _output_scale(dataset: Dataset) -> np.ndarray:
    """Return the variance of each target over the variance for equal classes.

    The variance is the larger one of the weighted and the unweighted targets: a class
    of many samples with tiny weights is not rare.  The result is at most 1, and 1 for a
    class that no sample or each sample has.
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
    # A variance below its rounding error counts as 0.  For sparse rows it is a
    # difference of sums, and the error of the sums grows with the number of rows.
    error = 1e-15 * (dataset.n_samples / step) if is_sparse else 1e-28
    is_constant = (np.diagonal(spread) if full else spread) < error * mean**2
    spread[is_constant] = 0
    if full:
        spread[:, is_constant] = 0
    return mean, spread


def _feature_maps(
    mean: np.ndarray, spread: np.ndarray, penalty: float
) -> tuple[np.ndarray, FeatureMaps]:
    """Return the scale, and the matrices of the first layer."""
    variance = np.diagonal(spread) if spread.ndim == 2 else spread
    diagonal = (1 + RIDGE) * variance + PENALTY_FACTOR * penalty
    if not np.isfinite(diagonal).all():
        raise ValueError(
            "The squares of the values in X, or alpha over the sum of sample_weight, "
            "overflow. Scale the features."
        )
    # A constant feature without a penalty has no scale, and any value is valid.
    scale = round_to_bits(np.sqrt(np.where(diagonal > 0, diagonal, 1)), MOMENT_BITS)
    mean = round_to_multiple(mean / scale, MOMENT_BITS) * scale
    initial_scale = round_to_bits(np.sqrt(variance), MOMENT_BITS) / scale**2
    initial = ArrowMatrix(-initial_scale * mean, np.append(1, initial_scale))
    if spread.ndim == 1:
        factor = ArrowMatrix(-mean / scale, np.append(1, 1 / scale))
        inverse = ArrowMatrix(mean, np.append(1, scale))
        return scale, FeatureMaps(factor, inverse, initial)
    correlation = spread / scale / scale[:, np.newaxis]
    correlation = round_to_multiple(correlation, MOMENT_BITS)
    np.fill_diagonal(correlation, 1)  # `scale` includes the ridge and the penalty
    root = cholesky(correlation, lower=True)
    P = solve_triangular(root, np.eye(len(root)), lower=True) / scale
    return scale, FeatureMaps(
        _with_biases(-(P @ mean), P),
        _with_biases(mean, root * scale[:, np.newaxis]),
        initial,
    )


def _with_biases(column: np.ndarray, P: np.ndarray) -> np.ndarray:
    """Return P with a first row and a first column for the biases, in C order."""
    T = np.zeros((len(P) + 1, len(P) + 1))
    T[0, 0], T[1:, 0], T[1:, 1:] = 1, column, P
    return T


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
    """Pack initial weights that have the shapes of `MLPClassifier`."""
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
            f"{name} is missing: give both coefs_init and intercepts_init."
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
