r"""The mathematics of the three-layer network, as pure functions.

Conventions of these functions, and of packed weights in all modules, for n samples, d
features, h hidden units and K outputs:

=========  ============  =====================================================
``X``      (n, d)        samples, dense or sparse
``Y``      (n,)          class indices 0..K-1, or
           (n, K)        an indicator matrix (binary: one column; multilabel)
``theta1`` (h, d + 1)    hidden layer, bias in column 0:  ``[b1 | W1]``
``theta2`` (K, h + 1)    output layer, bias in column 0:  ``[b2 | W2]``
``params`` (P,)          ``concat(theta1.ravel(), theta2.ravel())``, row-major,
                         P = h (d + 1) + K (h + 1)
=========  ============  =====================================================

The network and its cost, with sample weights s_i, S = sum_i s_i::

    a_i = g(W1 x_i + b1),     o_i = W2 a_i + b2
    J   = 1/S sum_i s_i loss(o_i, y_i)  +  alpha/(2 S) (||W1||^2 + ||W2||^2)

    loss "logistic": sum_k softplus(o_k) - y_k o_k      (one sigmoid per class)
    loss "softmax":  logsumexp(o) - o_y                 (one softmax over all)

Biases are not penalised.  For both losses the derivative by o is the output
activation minus the target, so backpropagation reads::

    D2 = s (f(O) - Y),     dJ/dW2 = (D2' A  + alpha W2) / S,    dJ/db2 = D2' 1 / S
    D1 = (D2 W2) g'(Z),    dJ/dW1 = (D1' X  + alpha W1) / S,    dJ/db1 = D1' 1 / S

All of these are sums over rows.  A fit therefore adds the sums of blocks of rows, and
then divides by S and adds the penalty once.  The arithmetic is done in the dtype of
``X``.
"""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy.sparse import issparse
from scipy.special import expit
from sklearn.utils import check_array, check_random_state, check_scalar

from sknn3._array_api import (
    all_finite,
    float_dtypes,
    namespace_of,
    to_device,
    to_numpy,
)
from sknn3._dataset import check_sample_weight
from sknn3._kernel import (
    ACTIVATIONS,
    OUTPUTS,
    Network,
    block_cost_gradient,
    hidden_inputs,
    outputs_from_hidden,
    pack_weights,
    penalised_mean,
    split_layers,
    weights_like,
)

__all__ = [
    "cost_gradient",
    "forward",
    "pack",
    "random_weights",
    "sigmoid",
    "sigmoid_gradient",
    "unpack",
]


# ---------------------------------------------------------------- activations


def sigmoid(z: Any) -> Any:
    """Compute the logistic sigmoid, 1 / (1 + exp(-z)).

    Parameters
    ----------
    z : array-like or float
        Any shape.

    Returns
    -------
    ndarray or float
        Values in [0, 1], of the shape of `z`.

    Examples
    --------
    >>> from sknn3.network import sigmoid
    >>> sigmoid([-1.0, 0.0, 1.0]).round(4)
    array([0.2689, 0.5   , 0.7311])
    """
    return expit(np.asarray(z) * 1.0)  # integers become float64


def sigmoid_gradient(z: Any) -> Any:
    """Compute the derivative of the sigmoid, g(z) (1 - g(z)).

    Parameters
    ----------
    z : array-like or float
        Any shape.

    Returns
    -------
    ndarray or float
        Values in [0, 1/4], of the shape of `z`.

    Examples
    --------
    >>> from sknn3.network import sigmoid_gradient
    >>> sigmoid_gradient([-1.0, 0.0, 1.0]).round(4)
    array([0.1966, 0.25  , 0.1966])
    """
    z = np.asarray(z) * 1.0
    return expit(z) * expit(-z)  # 1 - g(z) = g(-z), without cancellation


# ---------------------------------------------------------- weights and layout


def random_weights(
    n_in: int,
    n_out: int,
    epsilon: float = 0.12,
    random_state: int | np.random.RandomState | None = None,
) -> np.ndarray:
    """Draw the weights of one layer uniformly from (-epsilon, epsilon).

    Hidden units with equal weights would always have equal gradients.  Random weights
    break this symmetry.

    Parameters
    ----------
    n_in : int
        Number of inputs of the layer, bias not counted.
    n_out : int
        Number of units of the layer.
    epsilon : float, default=0.12
        Half the width of the interval.
    random_state : int, RandomState instance or None, default=None
        Pass an int for reproducible weights.

    Returns
    -------
    ndarray of shape (n_out, n_in + 1)
        Weights, bias in column 0.

    Raises
    ------
    ValueError
        If a size is not positive, or `epsilon` is not positive and finite.

    Examples
    --------
    >>> from sknn3.network import random_weights
    >>> random_weights(400, 25, random_state=0).shape
    (25, 401)
    """
    for name, size in (("n_in", n_in), ("n_out", n_out)):
        check_scalar(size, name, Integral, min_val=1)
    n_in, n_out = int(n_in), int(n_out)  # small integers of NumPy may overflow
    if not 0 < epsilon < np.inf:
        raise ValueError(f"epsilon={epsilon!r}, expected a positive finite number.")
    rng = check_random_state(random_state)
    return rng.uniform(-epsilon, epsilon, (n_out, n_in + 1))


def pack(theta1: Any, theta2: Any) -> np.ndarray:
    """Join the weights of both layers into one vector.

    Parameters
    ----------
    theta1 : array-like of shape (h, d + 1)
        Weights of the hidden layer, bias in column 0.
    theta2 : array-like of shape (K, h + 1)
        Weights of the output layer, bias in column 0.

    Returns
    -------
    ndarray of shape (h (d + 1) + K (h + 1),)
        Row-major, `theta1` first.

    Examples
    --------
    >>> from sknn3.network import pack
    >>> pack([[1, 2], [3, 4]], [[5, 6, 7]])
    array([1, 2, 3, 4, 5, 6, 7])
    """
    return pack_weights(np.asarray(theta1), np.asarray(theta2))


def unpack(
    params: Any, n_features: int, hidden_layer_size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Split a packed vector into the weights of the two layers, as views.

    Parameters
    ----------
    params : ndarray of shape (h (d + 1) + K (h + 1),)
        Packed weights, or a packed gradient.
    n_features : int
        Number of features, d.
    hidden_layer_size : int
        Number of hidden units, h.  The number of outputs K follows from the
        length of `params`.

    Returns
    -------
    theta1 : ndarray of shape (h, d + 1)
        Weights of the hidden layer, bias in column 0.
    theta2 : ndarray of shape (K, h + 1)
        Weights of the output layer, bias in column 0.

    Raises
    ------
    ValueError
        If the length of `params` fits no number of outputs, or a size is not positive.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn3.network import unpack
    >>> theta1, theta2 = unpack(np.arange(7), n_features=1, hidden_layer_size=2)
    >>> theta1
    array([[0, 1],
           [2, 3]])
    >>> theta2
    array([[4, 5, 6]])
    """
    params = np.asarray(params)
    check_scalar(n_features, "n_features", Integral, min_val=1)
    check_scalar(hidden_layer_size, "hidden_layer_size", Integral, min_val=1)
    # Small integers of NumPy, as in .mat files, may overflow.
    n_features, hidden_layer_size = int(n_features), int(hidden_layer_size)
    n_hidden_weights = hidden_layer_size * (n_features + 1)
    n_outputs, rest = divmod(params.size - n_hidden_weights, hidden_layer_size + 1)
    if params.ndim != 1 or n_outputs < 1 or rest:
        raise ValueError(
            f"params has shape {params.shape}, which fits no network of {n_features} "
            f"features and {hidden_layer_size} hidden units: expected length "
            f"{n_hidden_weights} + K * {hidden_layer_size + 1} for K >= 1 outputs."
        )
    return split_layers(params, n_features, hidden_layer_size)


# ------------------------------------------------------ forward and backpropagation


def forward(
    X: Any,
    theta1: np.ndarray,
    theta2: np.ndarray,
    *,
    activation: str = "logistic",
    output_activation: str = "logistic",
) -> tuple[np.ndarray, np.ndarray]:
    """Propagate samples through the network.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n, d)
        Samples.
    theta1 : ndarray of shape (h, d + 1)
        Weights of the hidden layer, bias in column 0.
    theta2 : ndarray of shape (K, h + 1)
        Weights of the output layer, bias in column 0.
    activation : str, default='logistic'
        Activation of the hidden units, as in `ThreeLayerNNClassifier`.
    output_activation : {'logistic', 'softmax'}, default='logistic'
        Activation of the outputs.

    Returns
    -------
    hidden : ndarray of shape (n, h)
        Activations of the hidden units.
    output : ndarray of shape (n, K)
        Activations of the outputs.

    Raises
    ------
    ValueError
        If an activation is unknown, the shapes do not fit each other, or values are not
        finite.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn3.network import forward
    >>> hidden, output = forward(
    ...     [[1.0, 2.0]], np.zeros((3, 3)), np.zeros((2, 4))
    ... )
    >>> hidden
    array([[0.5, 0.5, 0.5]])
    >>> output
    array([[0.5, 0.5]])
    """
    _check_activations(activation, output_activation)
    X, xp, device = _check_rows(X)
    theta1, theta2 = (
        to_device(check_array(theta, input_name=name), xp, device)
        for name, theta in [("theta1", theta1), ("theta2", theta2)]
    )
    h, K = theta1.shape[0], theta2.shape[0]
    expected = (h, X.shape[1] + 1), (K, h + 1)
    if (theta1.shape, theta2.shape) != expected:
        raise ValueError(
            f"theta1 {tuple(theta1.shape)} and theta2 {tuple(theta2.shape)} do not fit "
            f"X {tuple(X.shape)}: expected {expected[0]} and {expected[1]}."
        )
    with np.errstate(over="ignore", invalid="ignore"):
        A = hidden_inputs(X, theta1, xp)
        O = outputs_from_hidden(A, theta2, activation, xp)
        if not (all_finite(A, xp) and all_finite(O, xp)):
            raise ValueError(
                "The outputs are not finite: X, theta1 or theta2 are too large for "
                f"{O.dtype}."
            )
        return A[1:, :].T, OUTPUTS[output_activation].activate(O, xp).T


def cost_gradient(
    params: np.ndarray,
    X: Any,
    Y: Any,
    *,
    hidden_layer_size: int,
    alpha: float = 0.0,
    activation: str = "logistic",
    output_activation: str = "logistic",
    sample_weight: Any = None,
) -> tuple[float, np.ndarray]:
    """Compute the regularised cost and its gradient by backpropagation.

    Parameters
    ----------
    params : array-like of shape (h (d + 1) + K (h + 1),)
        Packed weights, see :func:`pack`.
    X : {array-like, sparse matrix} of shape (n, d)
        Samples.
    Y : array-like of shape (n,) or (n, K)
        Class indices 0..K-1 (with a single output: 0 or 1), or an indicator
        matrix of zeros and ones; with softmax each row must sum to 1.
    hidden_layer_size : int
        Number of hidden units, h.
    alpha : float, default=0.0
        Strength of the L2 penalty on all weights but the biases: the lambda of
        many courses.
    activation : str, default='logistic'
        Activation of the hidden units, as in `ThreeLayerNNClassifier`.
    output_activation : {'logistic', 'softmax'}, default='logistic'
        Activation of the outputs, which determines the loss.
    sample_weight : array-like of shape (n,), default=None
        Weights of the samples; None weighs all equally.

    Returns
    -------
    cost : float
        Mean loss of the samples plus penalty.
    gradient : ndarray of the shape of `params`
        Derivative of the cost by each weight.

    Raises
    ------
    ValueError
        If an activation is unknown, the shapes do not fit each other, values are out of
        range or not finite, or the cost or the gradient is not finite.

    Examples
    --------
    With all weights zero, each output is 1/2 and its loss is log 2:

    >>> import numpy as np
    >>> from sknn3.network import cost_gradient
    >>> X, Y = np.eye(3), np.array([0, 1, 1])
    >>> cost, gradient = cost_gradient(np.zeros(14), X, Y, hidden_layer_size=2)
    >>> print(round(cost / np.log(2), 12), gradient.shape)
    2.0 (14,)
    """
    _check_activations(activation, output_activation)
    if not isinstance(alpha, Real) or not 0 <= alpha < np.inf:
        raise ValueError(f"alpha={alpha!r} must be finite and not negative.")
    X, xp, device = _check_rows(X)
    params = check_array(to_numpy(params), ensure_2d=False, input_name="params")
    n_samples, n_features = X.shape
    _, theta2 = unpack(params, n_features, hidden_layer_size)
    hidden_layer_size = int(hidden_layer_size)
    Y = _check_targets(Y, n_samples, len(theta2), output_activation)
    total_weight = float(n_samples)
    with np.errstate(over="ignore", invalid="ignore"):
        if sample_weight is not None:
            sample_weight = check_sample_weight(sample_weight, n_samples)
            total_weight = float(sample_weight.sum())
            sample_weight = to_device(sample_weight, xp, device, X.dtype)
        cost, gradient = block_cost_gradient(
            X,
            to_device(Y, xp, device, X.dtype if Y.ndim == 2 else None),
            sample_weight,
            *weights_like(X, params, hidden_layer_size),
            Network(hidden_layer_size, activation, output_activation),
            xp,
        )
        cost, gradient = penalised_mean(
            cost,
            gradient,
            params,
            n_features,
            hidden_layer_size,
            alpha=float(alpha),
            total_weight=total_weight,
        )
    if not (np.isfinite(cost) and np.isfinite(gradient).all()):
        raise ValueError(
            "The cost or its gradient is not finite: X, params, alpha or sample_weight "
            f"are too large for {X.dtype}."
        )
    return cost, gradient


# ------------------------------------------------------------ checks of arguments


def _check_activations(activation: str, output_activation: str) -> None:
    for name, value, table in (
        ("activation", activation, ACTIVATIONS),
        ("output_activation", output_activation, OUTPUTS),
    ):
        if value not in table:
            raise ValueError(
                f"{name}={value!r} is unknown, expected one of {list(table)}."
            )


def _check_rows(X: Any) -> tuple[Any, Any, Any]:
    """Return X in a dtype that the network computes in, its namespace and device."""
    xp, device = namespace_of(X)
    dtypes = float_dtypes(xp, device)
    X = check_array(X, accept_sparse="csr", dtype=dtypes, input_name="X")
    return X, xp, device


def _check_targets(
    Y: Any, n_samples: int, n_outputs: int, output_activation: str
) -> np.ndarray:
    """Return class indices, (n,), or an indicator matrix, (n, K)."""
    Y = np.asarray(Y.toarray() if issparse(Y) else to_numpy(Y))
    if Y.shape == (n_samples,):
        n_classes = max(n_outputs, 2)
        if Y.dtype.kind not in "bui" or Y.min() < 0 or Y.max() >= n_classes:
            raise ValueError(f"Y must hold integer class indices 0..{n_classes - 1}.")
        if n_outputs > 1:
            return Y.astype(np.intp)
        Y = Y[:, np.newaxis]
    elif Y.shape != (n_samples, n_outputs):
        raise ValueError(
            f"Y has shape {Y.shape}, expected ({n_samples},) class indices or a "
            f"({n_samples}, {n_outputs}) indicator matrix."
        )
    elif not ((Y >= 0) & (Y <= 1)).all():
        raise ValueError("An indicator matrix Y must hold numbers from 0 to 1.")
    if output_activation == "softmax" and not np.allclose(Y.sum(axis=1), 1):
        raise ValueError(
            "output_activation='softmax' chooses one class, so each row of Y must sum "
            "to 1."
        )
    return Y
