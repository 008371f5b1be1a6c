"""The arithmetic of a pass over one block of rows, in the namespace of X.

`sknn3.network` has the formulas and the shapes.  Here units are rows and samples are
columns, so that biases, sums over units and sums over samples are contiguous in memory.
The functions compute in the dtype of X and overwrite their temporary arrays.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.special import expit

from sknn3._array_api import (
    all_finite,
    apply_into,
    astype,
    float_dtypes,
    namespace_of,
    to_device,
    to_numpy,
)


class Network(NamedTuple):
    """Size and activations of a network."""

    hidden_layer_size: int
    activation: str
    output_activation: str


# ---------------------------------------------------------------- activations


class Activation(NamedTuple):
    """A hidden activation, applied in place, and its derivative.

    `multiply_by_derivative` takes an array to multiply and the activations.  It
    computes the derivative from the activations, and overwrites both arrays.
    `add_nodes` adds the activation to the graph of `sknn3.onnx`, and returns the name
    of the output.
    """

    apply: Callable[[Any, Any], None]
    multiply_by_derivative: Callable[[Any, Any, Any], None]
    add_nodes: Callable[[Any, str], str]
    at_zero: float
    initial_bias: float  # largest initial hidden bias


def _identity(*_arrays: Any) -> None:
    pass


def _logistic(Z: Any, xp: Any) -> None:
    # 1 / (1 + exp(-z)) = (1 + tanh(z / 2)) / 2 takes a third of the time of `expit`.
    # Its absolute error is small, and only this matters to the next layer.
    Z *= 0.5
    _tanh(Z, xp)
    Z *= 0.5
    Z += 0.5


def _logistic_derivative(D: Any, A: Any, xp: Any) -> None:
    D *= A
    apply_into(A, xp.subtract, 1, A)
    D *= A


def _tanh(Z: Any, xp: Any) -> None:
    apply_into(Z, xp.tanh, Z)


def _tanh_derivative(D: Any, A: Any, xp: Any) -> None:
    A *= A
    apply_into(A, xp.subtract, 1, A)
    D *= A


def _relu(Z: Any, xp: Any) -> None:
    apply_into(Z, xp.clip, Z, 0, None)


def _relu_derivative(D: Any, A: Any, xp: Any) -> None:
    apply_into(A, xp.sign, A)  # 0 or 1, since no activation is negative
    D *= A


def _node(operator: str) -> Callable[[Any, str], str]:
    """Return an `add_nodes` that adds one ONNX operator."""
    return lambda graph, Z: graph.add(operator, Z)


# Random hidden biases lower the final cost of sigmoid units a little on average.  The
# bend of a logistic unit is twice as wide as the bend of a tanh unit.
ACTIVATIONS = {
    "identity": Activation(_identity, _identity, lambda _graph, Z: Z, 0.0, 0.0),
    "logistic": Activation(_logistic, _logistic_derivative, _node("Sigmoid"), 0.5, 1.0),
    "tanh": Activation(_tanh, _tanh_derivative, _node("Tanh"), 0.0, 0.5),
    "relu": Activation(_relu, _relu_derivative, _node("Relu"), 0.0, 0.0),
}


# ------------------------------------------------------------------- outputs
# All functions here take the outputs before activation, shape (K, n).  A loss also
# takes the targets: an indicator matrix of the same shape, or the positions of its ones
# in flat order, shape (n,).  It returns the loss of each sample, shape (n,), and the
# derivative by the outputs, shape (K, n), and overwrites the outputs.


def _at_target(F: Any, target: Any, xp: Any) -> Any:
    if target.ndim == 1:
        return F.reshape(-1)[target]
    return xp.sum(F * target, axis=0)


def _subtract_target(D: Any, target: Any) -> None:
    if target.ndim == 1:
        D.reshape(-1)[target] -= 1
    else:
        D -= target


# Beyond this softplus(o) = o, g(o) = 1, g(-o) = exp(-o) in any dtype; exp(o) is finite.
_SATURATED = 80


def _logistic_loss(O: Any, target: Any, xp: Any) -> tuple[Any, Any]:
    # softplus(o) = log(1 + t) and g(o) = t / (1 + t) share t = exp(o).
    at_target = _at_target(O, target, xp)
    limit = xp.asarray(_SATURATED, dtype=O.dtype, device=O.device)
    D = xp.minimum(O, limit)  # faster than clip
    O -= D  # the excess over the limit is added to log1p(exp(D))
    apply_into(D, xp.exp, D)
    T = xp.log1p(D)
    O += T
    loss = xp.sum(O, axis=0)
    loss -= at_target
    apply_into(T, xp.add, D, 1)
    D /= T
    _subtract_target(D, target)
    return loss, D


def _softmax_loss(O: Any, target: Any, xp: Any) -> tuple[Any, Any]:
    O -= xp.max(O, axis=0)
    at_target = _at_target(O, target, xp)
    apply_into(O, xp.exp, O)
    loss = xp.sum(O, axis=0)
    O /= loss
    _subtract_target(O, target)
    apply_into(loss, xp.log, loss)
    loss -= at_target
    return loss, O


def _sigmoids(O: Any, xp: Any) -> Any:
    if xp is np:
        return expit(O)
    return 1 / (1 + xp.exp(-O))


def _softmax(O: Any, xp: Any) -> Any:
    P = O - xp.max(O, axis=0)
    apply_into(P, xp.exp, P)
    P /= xp.sum(P, axis=0)
    return P


def _normalised_sigmoids(O: Any, xp: Any) -> Any:
    # All sigmoids of a sample may underflow.  There g(o) = exp(o), so a shift of all
    # outputs of the sample changes no quotient, as in a softmax.
    P = _sigmoids(O - xp.clip(xp.max(O, axis=0) + _SATURATED, None, 0), xp)
    P /= xp.sum(P, axis=0)
    return P


class Output(NamedTuple):
    """An output activation, its loss, and the probabilities of exclusive classes."""

    activate: Callable[[Any, Any], Any]
    loss: Callable[[Any, Any, Any], tuple[Any, Any]]
    class_probabilities: Callable[[Any, Any], Any]


OUTPUTS = {
    "logistic": Output(_sigmoids, _logistic_loss, _normalised_sigmoids),
    "softmax": Output(_softmax, _softmax_loss, _softmax),
}


# ------------------------------------------------------------- packed weights


def pack_weights(theta1: np.ndarray, theta2: np.ndarray) -> np.ndarray:
    """Return the weights of both layers in one vector."""
    return np.concatenate([theta1.ravel(), theta2.ravel()])


def split_layers(
    params: np.ndarray, n_features: int, hidden_layer_size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return views of the weights of both layers in a packed vector."""
    n_hidden_weights = hidden_layer_size * (n_features + 1)
    return (
        params[:n_hidden_weights].reshape(hidden_layer_size, n_features + 1),
        params[n_hidden_weights:].reshape(-1, hidden_layer_size + 1),
    )


def narrow_theta1(theta1: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Return a copy with only the biases and the weights of used columns of X."""
    return theta1[:, np.append(True, used)]


def narrow_weights(
    params: np.ndarray | None, used: np.ndarray | None, hidden_layer_size: int
) -> np.ndarray | None:
    """Return packed weights of only the used columns of X; None uses all columns."""
    if params is None or used is None:
        return params
    theta1, theta2 = split_layers(params, len(used), hidden_layer_size)
    return pack_weights(narrow_theta1(theta1, used), theta2)


def widen_theta1(theta1: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Return weights of all columns of X, which are 0 for unused columns."""
    wide = np.zeros((len(theta1), len(used) + 1), theta1.dtype)
    wide[:, np.append(True, used)] = theta1
    return wide


def weights_like(X: Any, params: np.ndarray, hidden_layer_size: int) -> tuple[Any, Any]:
    """Return the weights of both layers in the namespace, device and dtype of X."""
    xp, device = namespace_of(X)
    theta1, theta2 = split_layers(params, X.shape[1], hidden_layer_size)
    return (
        to_device(theta1, xp, device, X.dtype),
        to_device(theta2, xp, device, X.dtype),
    )


# ------------------------------------------------------ forward and backpropagation


def hidden_inputs(X: Any, theta1: Any, xp: Any) -> Any:
    """Return W1 X' + b1 below a row of ones for the bias, shape (h + 1, n)."""
    W1 = theta1[:, 1:]
    if X.dtype != W1.dtype:
        dtype = xp.result_type(X.dtype, W1.dtype)
        X, W1 = astype(X, dtype, xp), astype(W1, dtype, xp)
    A = xp.empty((W1.shape[0] + 1, X.shape[0]), dtype=W1.dtype, device=W1.device)
    A[0, :] = 1
    if isinstance(X, np.ndarray) and X.dtype == np.float64:
        # With AVX-512, OpenBLAS takes a third longer for W1 @ X.T than for X @ W1.T in
        # float32, and less time in float64.  On other processors both are equal.
        np.matmul(W1, X.T, out=A[1:])
    else:
        A[1:, :] = (X @ W1.T).T
    A[1:, :] += theta1[:, :1]
    return A


def outputs_from_hidden(A: Any, theta2: Any, activation: str, xp: Any) -> Any:
    """Activate hidden inputs in place; return outputs before activation, (K, n)."""
    ACTIVATIONS[activation].apply(A[1:, :], xp)
    return astype(theta2, A.dtype, xp) @ A


def block_cost_gradient(
    X: Any,
    Y: Any,
    sample_weight: Any,
    theta1: Any,
    theta2: Any,
    network: Network,
    xp: Any,
) -> tuple[float, np.ndarray]:
    """Return the sums of loss and packed gradient over a block of rows.

    The sums are not divided, and have no penalty.  They may overflow, so the caller
    sets NumPy's error state.  All arrays are in the namespace and on the device of X,
    except the gradient, which is a NumPy array.
    """
    (h, n_inputs), n_outputs = theta1.shape, theta2.shape[0]
    A = hidden_inputs(X, theta1, xp)
    O = outputs_from_hidden(A, theta2, network.activation, xp)
    loss, D2 = _loss(O, Y, sample_weight, network.output_activation, xp)
    D1 = theta2[:, 1:].T @ D2

    gradient = np.empty(h * n_inputs + n_outputs * (h + 1))
    gradient1, gradient2 = split_layers(gradient, n_inputs - 1, h)
    gradient2[...] = to_numpy(D2 @ A.T)
    ACTIVATIONS[network.activation].multiply_by_derivative(D1, A[1:, :], xp)
    gradient1[:, 0] = to_numpy(D1 @ A[0, :])
    gradient1[:, 1:] = to_numpy(D1 @ X)
    return loss, gradient


def block_loss(
    X: Any,
    Y: Any,
    sample_weight: Any,
    theta1: Any,
    theta2: Any,
    network: Network,
    xp: Any,
) -> tuple[float]:
    """Return the sum of the loss over a block of rows, without a gradient."""
    A = hidden_inputs(X, theta1, xp)
    O = outputs_from_hidden(A, theta2, network.activation, xp)
    return _loss(O, Y, sample_weight, network.output_activation, xp)[:1]


def _loss(
    O: Any, Y: Any, sample_weight: Any, output_activation: str, xp: Any
) -> tuple[float, Any]:
    """Return the sum of the loss and its derivative by the outputs; overwrite them."""
    target = _target(Y, O.shape[0], O.dtype, xp)
    loss, D = OUTPUTS[output_activation].loss(O, target, xp)
    if sample_weight is not None:
        loss *= sample_weight
        D *= sample_weight
    widest = float_dtypes(xp, loss.device)[0]
    return float(xp.sum(astype(loss, widest, xp))), D


def _target(Y: Any, n_outputs: int, dtype: Any, xp: Any) -> Any:
    """Return the targets in the form that the losses need."""
    if Y.ndim == 2:
        return astype(Y.T, dtype, xp)
    if xp is np:  # positions in the flat (K, n) matrix, which need less memory
        return Y * np.intp(Y.shape[0]) + np.arange(Y.shape[0])
    classes = xp.arange(n_outputs, dtype=Y.dtype, device=Y.device)
    return xp.astype(Y[None, :] == classes[:, None], dtype)


def penalised_mean(
    cost: float,
    gradient: np.ndarray,
    params: np.ndarray,
    n_features: int,
    hidden_layer_size: int,
    *,
    alpha: float,
    total_weight: float,
) -> tuple[float, np.ndarray]:
    """Return J and dJ/dparams from the sums over all rows; overwrite `gradient`."""
    if alpha > 0:  # without a penalty, the squares of the weights may overflow
        half_square, W = l2_penalty(params, n_features, hidden_layer_size)
        cost += alpha * half_square
        W *= alpha
        gradient += W
    gradient *= 1 / total_weight
    return cost / total_weight, gradient


def l2_penalty(
    params: np.ndarray, n_features: int, hidden_layer_size: int
) -> tuple[float, np.ndarray]:
    """Return half the sum of the squared weights without biases, and its gradient."""
    W = params.astype(np.float64)
    for theta in split_layers(W, n_features, hidden_layer_size):
        theta[:, 0] = 0
    return 0.5 * float(W @ W), W


@np.errstate(over="ignore", under="ignore", invalid="ignore")
def _activations_and_outputs(
    X: Any, theta1: Any, theta2: Any, activation: str, xp: Any
) -> tuple[Any, Any]:
    """Return hidden activations, (h + 1, n), and finite outputs before activation."""
    A = hidden_inputs(X, theta1, xp)
    # If a value of X is not finite, no hidden input of the sample is finite.
    if not math.isfinite(float(xp.sum(A))) and not all_finite(X, xp):
        raise ValueError("Input X contains NaN or infinity.")
    O = outputs_from_hidden(A, theta2, activation, xp)
    if not all_finite(O, xp):
        raise ValueError(
            f"The outputs are not finite: the values in X are too large for {X.dtype}."
        )
    return A, O


def block_outputs(X: Any, theta1: Any, theta2: Any, activation: str, xp: Any) -> Any:
    """Return outputs before activation, (K, n); raise if one is not finite."""
    return _activations_and_outputs(X, theta1, theta2, activation, xp)[1]


def block_input_gradients(
    X: Any,
    theta1: Any,
    theta2: Any,
    activation: str,
    xp: Any,
    *,
    W1: Any,
    jacobian: Callable[[Any, Any], Any],
) -> Any:
    """Return the derivatives of C functions of the outputs by the features, (n, C, d).

    `jacobian` returns the derivatives of the functions by the outputs, (n, C, K).  X
    and theta1 may lack columns that are empty in X; W1 has all columns.
    """
    A, O = _activations_and_outputs(X, theta1, theta2, activation, xp)
    D = xp.ones_like(A[1:, :])
    ACTIVATIONS[activation].multiply_by_derivative(D, A[1:, :], xp)
    W1, W2 = (astype(W, O.dtype, xp) for W in (W1, theta2[:, 1:]))
    (h, d), (K, n) = W1.shape, O.shape
    # Two-dimensional products: NumPy is slow on stacks of small matrices.
    H = xp.reshape(jacobian(O, xp), (-1, K)) @ W2
    H = xp.reshape(H, (n, -1, h)) * D.T[:, None, :]
    return xp.reshape(xp.reshape(H, (-1, h)) @ W1, (n, -1, d))


def output_jacobian(O: Any, xp: Any) -> Any:
    """Return the derivatives of the outputs by themselves, (n, K, K)."""
    K, n = O.shape
    unit = xp.eye(K, dtype=O.dtype, device=O.device)
    return xp.broadcast_to(unit, (n, K, K))


def probability_jacobian(
    O: Any, xp: Any, output_activation: str, *, exclusive: bool
) -> Any:
    """Return the derivatives of K probabilities by the outputs, (n, K, K).

    Probabilities of exclusive classes are f(o) divided by the sum of f over the
    outputs: f is the exponential for softmax, else the sigmoid.  Probabilities of
    labels are sigmoids.
    """
    output = OUTPUTS[output_activation]
    P = (output.class_probabilities if exclusive else output.activate)(O, xp)
    # p times the derivative of log f(o)
    S = P if output_activation == "softmax" else P * _sigmoids(-O, xp)
    J = S.T[:, :, None] * output_jacobian(O, xp)
    return J - P.T[:, :, None] * S.T[:, None, :] if exclusive else J


def predict_codes(O: Any, xp: Any, n_classes: int, multilabel: bool) -> Any:
    """Return class indices, (n,), or for multilabel an indicator matrix, (n, K)."""
    index_dtype = xp.asarray(0).dtype
    if multilabel:
        return astype(O > 0, index_dtype, xp).T
    if O.shape[0] > 1:
        return xp.argmax(O, axis=0)
    positive = astype(O[0, :] > 0, index_dtype, xp)
    return positive if n_classes == 2 else 0 * positive
