r"""The mathematics of the three-layer network, as pure functions.

Conventions that every module of the package keeps to, for n samples, d features,
h hidden units and K outputs:

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

Rows only ever meet in sums, so :func:`block_cost_gradient` returns sums over its
rows and knows nothing of S and alpha; :func:`penalised_mean` divides and
penalises once.  The arithmetic is done in the dtype of ``X``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse
from scipy.special import expit
from sklearn.utils import check_random_state
from sklearn.utils._array_api import _expit

from sknn3._arrays import (
    Home,
    cast,
    constant,
    largest,
    overwrite,
    to_host,
    total,
    unit_near,
)
from sknn3._validation import as_float, numbers_in

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

    See Also
    --------
    sigmoid_gradient : Its derivative.

    Examples
    --------
    >>> from sknn3.network import sigmoid
    >>> sigmoid([-1.0, 0.0, 1.0]).round(4)
    array([0.2689, 0.5   , 0.7311])
    """
    return expit(_as_floats("z", z))


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

    See Also
    --------
    sigmoid : The function itself.

    Examples
    --------
    >>> from sknn3.network import sigmoid_gradient
    >>> sigmoid_gradient([-1.0, 0.0, 1.0]).round(4)
    array([0.1966, 0.25  , 0.1966])
    """
    z = _as_floats("z", z)
    return expit(z) * expit(-z)  # 1 - g(z) = g(-z), without cancellation


# From here on arrays may be of any namespace, which is handed down as xp.


class Activation(NamedTuple):
    """A hidden activation: applied in place, and its slope in terms of its value.

    `multiply_by_slope` takes derivatives and activations, and overwrites both.
    """

    apply: Callable[[Any, Any], None]
    multiply_by_slope: Callable[[Any, Any, Any], None]
    at_zero: float
    initial_bias: float  # half the width of the interval that biases are drawn from


def _nothing(*_arrays: Any) -> None:
    pass


def _logistic(Z: Any, xp: Any) -> None:
    # 1 / (1 + exp(-z)) = (1 + tanh(z / 2)) / 2: a third of the time of `expit`, to
    # full absolute (not relative) precision, which is what the next layer sees.
    Z *= 0.5
    _tanh(Z, xp)
    Z *= 0.5
    Z += 0.5


def _logistic_slope(D: Any, A: Any, xp: Any) -> None:
    D *= A
    overwrite(A, xp.subtract, 1, A)
    D *= A


def _tanh(Z: Any, xp: Any) -> None:
    overwrite(Z, xp.tanh, Z)


def _tanh_slope(D: Any, A: Any, xp: Any) -> None:
    A *= A
    overwrite(A, xp.subtract, 1, A)
    D *= A


def _relu(Z: Any, xp: Any) -> None:
    overwrite(Z, xp.maximum, Z, constant(0, Z, xp))


def _relu_slope(D: Any, A: Any, xp: Any) -> None:
    overwrite(A, xp.sign, A)  # 0 or 1: no activation is negative
    D *= A


# Sigmoid units that start at unlike places of their bend end a little lower on average;
# the bend of logistic units is twice as wide as that of tanh units.
ACTIVATIONS = {
    "identity": Activation(_nothing, _nothing, 0.0, 0.0),
    "logistic": Activation(_logistic, _logistic_slope, 0.5, 1.0),
    "tanh": Activation(_tanh, _tanh_slope, 0.0, 0.5),
    "relu": Activation(_relu, _relu_slope, 0.0, 0.0),
}


# ------------------------------------------------------------------- outputs
# All functions here take the outputs before activation, shape (K, n).  A loss also
# takes the targets: an indicator matrix of that shape, or the positions of its ones in
# flat order, shape (n,).  It returns the loss of each sample, shape (n,), and its
# derivative by the outputs, shape (K, n), and overwrites the outputs.


def _at_target(F: Any, target: Any, xp: Any) -> Any:
    if target.ndim == 1:
        return F.reshape(-1)[target]
    return total(F * target, xp, axis=0)


def _subtract_target(D: Any, target: Any) -> None:
    if target.ndim == 1:
        D.reshape(-1)[target] -= 1
    else:
        D -= target


# Beyond this, softplus(o) = o, g(o) = 1 and g(-o) = exp(-o) in any dtype, and exp(o)
# still is finite.
_SATURATED = 80


def _logistic_loss(O: Any, target: Any, xp: Any) -> tuple[Any, Any]:
    # softplus(o) = log(1 + t) and g(o) = t / (1 + t) share t = exp(o).
    at_target = _at_target(O, target, xp)
    D = xp.minimum(O, constant(_SATURATED, O, xp))
    O -= D
    overwrite(D, xp.exp, D)
    T = xp.log1p(D)
    O += T
    loss = total(O, xp, axis=0)
    loss -= at_target
    overwrite(T, xp.add, D, 1)
    D /= T
    _subtract_target(D, target)
    return loss, D


def _softmax_loss(O: Any, target: Any, xp: Any) -> tuple[Any, Any]:
    O -= largest(O, xp, axis=0)
    at_target = _at_target(O, target, xp)
    overwrite(O, xp.exp, O)
    loss = total(O, xp, axis=0)
    O /= loss
    _subtract_target(O, target)
    overwrite(loss, xp.log, loss)
    loss -= at_target
    return loss, O


def _sigmoids(O: Any, xp: Any) -> Any:
    return _expit(O, xp=xp)


def _softmax(O: Any, xp: Any) -> Any:
    P = O - largest(O, xp, axis=0)
    overwrite(P, xp.exp, P)
    P /= total(P, xp, axis=0)
    return P


def _sigmoids_made_to_sum_to_1(O: Any, xp: Any) -> Any:
    # All sigmoids of a sample may be too small for a sum; but where g(o) = exp(o),
    # outputs may be shifted as in a softmax.
    zero = constant(0, O, xp)
    P = _expit(O - xp.minimum(largest(O, xp, axis=0) + _SATURATED, zero), xp=xp)
    P /= total(P, xp, axis=0)
    return P


class Output(NamedTuple):
    """An output activation, the loss that belongs to it, and what it says of classes.

    `class_probabilities` are activations made to sum to 1, if there are more than two
    classes.
    """

    activate: Callable[[Any, Any], Any]
    loss: Callable[[Any, Any, Any], tuple[Any, Any]]
    class_probabilities: Callable[[Any, Any], Any]


OUTPUTS = {
    "logistic": Output(_sigmoids, _logistic_loss, _sigmoids_made_to_sum_to_1),
    "softmax": Output(_softmax, _softmax_loss, _softmax),
}


# ---------------------------------------------------------- weights and layout


# The width of the interval is a number still.
LARGEST_EPSILON = float(np.finfo(np.float64).max) / 2


def random_weights(
    n_in: int,
    n_out: int,
    epsilon: float = 0.12,
    random_state: int | np.random.RandomState | None = None,
) -> np.ndarray:
    """Draw the weights of one layer uniformly from (-epsilon, epsilon).

    Equal weights would get equal gradients for ever; random ones break the
    symmetry between the hidden units.

    Parameters
    ----------
    n_in : int
        Number of inputs of the layer, bias not counted.
    n_out : int
        Number of its units.
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
        If a size is no positive int or `epsilon` no positive number, or the width of
        the interval overflows.

    Examples
    --------
    >>> from sknn3.network import random_weights
    >>> random_weights(400, 25, random_state=0).shape
    (25, 401)
    """
    sizes_fit = all(isinstance(n, Integral) and n >= 1 for n in (n_in, n_out))
    width = as_float(epsilon)
    if not sizes_fit or not 0 < width <= LARGEST_EPSILON:
        raise ValueError(
            f"n_in={n_in!r}, n_out={n_out!r}, epsilon={epsilon!r}: expected positive "
            f"numbers, sizes as ints and epsilon up to {LARGEST_EPSILON:.1e}."
        )
    rng = check_random_state(random_state)
    return rng.uniform(-width, width, (int(n_out), int(n_in) + 1))


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

    See Also
    --------
    unpack : The way back.

    Examples
    --------
    >>> from sknn3.network import pack
    >>> pack([[1, 2], [3, 4]], [[5, 6, 7]])
    array([1, 2, 3, 4, 5, 6, 7])
    """
    thetas = numbers_in("theta1", theta1), numbers_in("theta2", theta2)
    return np.concatenate([np.ravel(theta) for theta in thetas])


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
        If the length of `params` fits no number of outputs, or a number of features
        or units is none.

    See Also
    --------
    pack : The way there.

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
    is_count = isinstance(hidden_layer_size, Integral) and hidden_layer_size >= 1
    if not is_count or isinstance(hidden_layer_size, bool):
        raise ValueError(
            f"hidden_layer_size={hidden_layer_size!r}, expected a positive int."
        )
    if not isinstance(n_features, Integral) or n_features < 0:
        raise ValueError(f"n_features={n_features!r}, expected a number of features.")
    # NumPy's integers of few bits would overflow.
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


def split_layers(
    params: np.ndarray, n_features: int, hidden_layer_size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Unpack what is known to fit: in each pass several times."""
    n_hidden_weights = hidden_layer_size * (n_features + 1)
    return (
        params[:n_hidden_weights].reshape(hidden_layer_size, n_features + 1),
        params[n_hidden_weights:].reshape(-1, hidden_layer_size + 1),
    )


def weights_beside(
    X: Any, params: np.ndarray, hidden_layer_size: int, home: Home
) -> tuple[Any, Any]:
    """Unpack weights in the dtype and at the home of X."""
    theta1, theta2 = unpack(params, X.shape[1], hidden_layer_size)
    return home.take_in(theta1, X.dtype), home.take_in(theta2, X.dtype)


# ------------------------------------------------------ forward and backpropagation


# Units are rows and samples columns here, so that biases, sums over units and sums
# over samples all run along memory.


def hidden_inputs(X: Any, theta1: Any, xp: Any) -> Any:
    """Compute what hidden units see, (h + 1, n), with the bias unit's 1 in row 0."""
    W1 = theta1[:, 1:]
    if X.dtype != W1.dtype:
        dtype = xp.result_type(X.dtype, W1.dtype)
        X, W1 = cast(X, dtype, xp), cast(W1, dtype, xp)
    A = xp.empty((W1.shape[0] + 1, X.shape[0]), dtype=W1.dtype, device=W1.device)
    A[0, :] = 1
    if isinstance(X, np.ndarray) and X.dtype == np.float64:
        # In float32 OpenBLAS takes a third longer for W1 @ X.T where the processor has
        # AVX-512; in float64 it is the other way round; elsewhere they are equal.
        np.matmul(W1, X.T, out=A[1:])
    else:
        A[1:, :] = (X @ W1.T).T
    A[1:, :] += theta1[:, :1]
    return A


def outputs(A: Any, theta2: Any, activation: str, xp: Any) -> Any:
    """Activate the hidden units, in place, and compute raw outputs, (K, n)."""
    ACTIVATIONS[activation].apply(A[1:, :], xp)
    return cast(theta2, A.dtype, xp) @ A


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
    activation : {'identity', 'logistic', 'tanh', 'relu'}, default='logistic'
        Activation of the hidden units.
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
        If an activation is unknown, the shapes do not fit each other, or values are
        not finite or so large that outputs would not be.

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
    X, home = _as_float_rows(X)
    if home.is_host:
        theta1, theta2 = numbers_in("theta1", theta1), numbers_in("theta2", theta2)
    theta1, theta2 = home.take_in(theta1), home.take_in(theta2)
    _check_option("activation", activation, ACTIVATIONS)
    _check_option("output_activation", output_activation, OUTPUTS)
    h, K = ([*theta.shape, 0][0] for theta in (theta1, theta2))
    expected = (h, X.shape[1] + 1), (K, h + 1)
    if (tuple(theta1.shape), tuple(theta2.shape)) != expected or not h * K:
        raise ValueError(
            f"theta1 {tuple(theta1.shape)} and theta2 {tuple(theta2.shape)} do not fit "
            f"X {tuple(X.shape)}: expected {expected[0]} and {expected[1]}, with at "
            "least one hidden unit and one output."
        )
    xp = home.xp
    with np.errstate(over="ignore", invalid="ignore"):
        A = hidden_inputs(X, theta1, xp)
        if not math.isfinite(float(total(A, xp))):
            _refuse_unless_finite("theta1", theta1, home)
            _refuse_unless_finite("X", X, home)
        O = outputs(A, theta2, activation, xp)
        if not (xp.all(xp.isfinite(A)) and xp.all(xp.isfinite(O))):
            _refuse_unless_finite("theta2", theta2, home)
            raise ValueError(
                "The outputs are not finite: X, theta1 or theta2 are too large for "
                f"{O.dtype}."
            )
        return A[1:, :].T, OUTPUTS[output_activation].activate(O, xp).T


def block_cost_gradient(
    X: Any,
    Y: Any,
    sample_weight: Any,
    *,
    theta1: Any,
    theta2: Any,
    activation: str,
    output_activation: str,
    home: Home,
) -> tuple[float, np.ndarray]:
    """Sum loss and packed gradient over a block of rows: no mean, no penalty.

    All arrays are at home with X; the sums are the host's.
    """
    xp = home.xp
    (h, n_inputs), n_outputs = theta1.shape, theta2.shape[0]
    # Weights on the way to nowhere may overflow; whoever minimises looks at the
    # cost for that, and must not be bothered by a warning for each product.  Small
    # numbers become 0, whatever NumPy has been told to say of it.
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        A = hidden_inputs(X, theta1, xp)
        O = outputs(A, theta2, activation, xp)
        target = _target(Y, n_outputs, home, X.dtype)
        loss, D2 = OUTPUTS[output_activation].loss(O, target, xp)
        if sample_weight is not None:
            loss *= sample_weight
            D2 *= sample_weight
        D1 = theta2[:, 1:].T @ D2

        gradient = np.empty(h * n_inputs + n_outputs * (h + 1))
        gradient1, gradient2 = split_layers(gradient, n_inputs - 1, h)
        gradient2[...] = to_host(D2 @ A.T)
        ACTIVATIONS[activation].multiply_by_slope(D1, A[1:, :], xp)
        gradient1[:, 0] = to_host(D1 @ A[0, :])
        gradient1[:, 1:] = to_host(D1 @ X)
        return float(total(cast(loss, home.dtypes[0], xp), xp)), gradient


def _target(Y: Any, n_outputs: int, home: Home, dtype: Any) -> Any:
    """Targets as the losses take them."""
    xp = home.xp
    if Y.ndim == 2:
        return cast(Y.T, dtype, xp)
    if home.is_host:  # class indices need no matrix: they tell where its ones would be
        return Y * np.intp(Y.shape[0]) + np.arange(Y.shape[0])
    classes = xp.arange(n_outputs, dtype=Y.dtype, device=home.device)
    return xp.astype(Y[None, :] == classes[:, None], dtype)


def penalised_mean(
    cost: float,
    gradient: np.ndarray,
    params: np.ndarray,
    *,
    n_features: int,
    hidden_layer_size: int,
    alpha: float,
    total_weight: float,
) -> tuple[float, np.ndarray]:
    """Turn sums over all rows into J and dJ/dparams; `gradient` is overwritten."""
    if alpha > 0:  # else weights may be of any size: 0 times their squares is 0
        W = params.astype(np.float64)
        for theta in split_layers(W, n_features, hidden_layer_size):
            theta[:, 0] = 0
        cost += 0.5 * alpha * float(W @ W)
        W *= alpha
        gradient += W
    gradient *= 1 / total_weight
    return cost / total_weight, gradient


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
    activation : {'identity', 'logistic', 'tanh', 'relu'}, default='logistic'
        Activation of the hidden units.
    output_activation : {'logistic', 'softmax'}, default='logistic'
        Activation of the outputs, and with it the loss.
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
        If shapes do not fit each other, an activation is unknown, or values are out
        of range, not finite, or so large that cost or gradient would not be.

    Examples
    --------
    With all weights zero each output says 1/2, and costs log 2:

    >>> import numpy as np
    >>> from sknn3.network import cost_gradient
    >>> X, Y = np.eye(3), np.array([0, 1, 1])
    >>> cost, gradient = cost_gradient(np.zeros(14), X, Y, hidden_layer_size=2)
    >>> print(round(cost / np.log(2), 12), gradient.shape)
    2.0 (14,)
    """
    X, home = _as_float_rows(X)
    params = numbers_in("params", to_host(params))
    _refuse_unless_finite("params", params)
    _check_option("activation", activation, ACTIVATIONS)
    _check_option("output_activation", output_activation, OUTPUTS)
    if X.shape[0] == 0:
        raise ValueError(f"X has shape {X.shape}, expected at least one sample.")
    with np.errstate(over="ignore"):
        theta1, theta2 = weights_beside(X, params, hidden_layer_size, home)
    Y = _as_targets(to_host(Y), theta2.shape[0], X.shape[0])
    if output_activation == "softmax" and Y.ndim == 2:
        sums = Y.sum(axis=1)
        if not np.allclose(sums, 1):
            raise ValueError(
                "output_activation='softmax' chooses one class, so each row of Y must "
                f"sum to 1; sums are {sums.min():g} to {sums.max():g}."
            )
    total_weight = float(X.shape[0])
    if not 0 <= as_float(alpha) < np.inf:
        raise ValueError(f"alpha={alpha!r} must be finite and not negative.")
    alpha = float(alpha)
    if sample_weight is not None:
        sample_weight = _as_weights(to_host(sample_weight), X.shape[0])
        # As the estimator does, lest weights overflow in float32.
        unit = unit_near(float(sample_weight.max()))
        sample_weight, alpha = sample_weight / unit, alpha / unit
        total_weight = float(sample_weight.sum())
    cost, gradient = block_cost_gradient(
        X,
        home.take_in(Y, X.dtype if Y.ndim == 2 else None),
        None if sample_weight is None else home.take_in(sample_weight, X.dtype),
        theta1=theta1,
        theta2=theta2,
        activation=activation,
        output_activation=output_activation,
        home=home,
    )
    with np.errstate(over="ignore", invalid="ignore"):
        cost, gradient = penalised_mean(
            cost,
            gradient,
            params,
            n_features=X.shape[1],
            hidden_layer_size=hidden_layer_size,
            alpha=alpha,
            total_weight=total_weight,
        )
    if not (math.isfinite(cost) and np.isfinite(gradient).all()):
        _refuse_unless_finite("X", X, home)
        raise ValueError(
            "The cost or its gradient is not finite: X, params or alpha (beside "
            f"sample_weight) are too large for {X.dtype}."
        )
    return cost, gradient


# --------------------------------------------- what people hand in, made plain


def _as_float_rows(X: Any) -> tuple[Any, Home]:
    home = Home.of(X)
    X = numbers_in("X", X) if home.is_host else X
    if X.ndim != 2:
        raise ValueError(f"X has {X.ndim} dimension(s), expected (n, d).")
    with np.errstate(over="ignore"):  # of what is wider; the result is looked at
        return X if X.dtype in home.dtypes else cast(X, home.dtypes[0], home.xp), home


def _as_floats(name: str, values: Any) -> Any:
    """Take an array of floats, and whole numbers in double precision."""
    values = numbers_in(name, values)
    return values if values.dtype.kind == "f" else values.astype(np.float64)


def _refuse_unless_finite(name: str, values: Any, home: Home | None = None) -> None:
    xp = np if home is None else home.xp
    if not xp.all(xp.isfinite(values.data if issparse(values) else values)):
        raise ValueError(f"{name} has values that are not finite.")


def _as_weights(sample_weight: Any, n_samples: int) -> np.ndarray:
    weight = _as_floats("sample_weight", sample_weight).astype(np.float64)
    if weight.shape != (n_samples,):
        raise ValueError(
            f"sample_weight has shape {weight.shape}, expected ({n_samples},)."
        )
    with np.errstate(over="ignore"):
        if not (weight >= 0).all() or not 0 < weight.sum() < np.inf:
            raise ValueError(
                "sample_weight must not be negative, and its sum positive and finite."
            )
    return weight


def _as_targets(Y: Any, n_outputs: int, n_samples: int) -> np.ndarray:
    Y = numbers_in("Y", Y.toarray() if issparse(Y) else Y)
    if Y.shape == (n_samples, n_outputs):
        if not ((Y >= 0) & (Y <= 1)).all():
            raise ValueError("An indicator matrix Y must hold numbers from 0 to 1.")
        return Y
    if Y.shape != (n_samples,):
        raise ValueError(
            f"Y has shape {Y.shape}, expected ({n_samples},) class indices or a "
            f"({n_samples}, {n_outputs}) indicator matrix."
        )
    n_classes = max(n_outputs, 2)
    if Y.dtype.kind not in "bui" or Y.min() < 0 or Y.max() >= n_classes:
        raise ValueError(f"Y must hold integer class indices 0..{n_classes - 1}.")
    if n_outputs == 1:
        return Y[:, np.newaxis]
    return Y.astype(np.intp)


def _check_option(name: str, value: str, table: dict[str, Any]) -> None:
    if not isinstance(value, str) or value not in table:
        raise ValueError(f"{name}={value!r} is unknown, expected one of {list(table)}.")
