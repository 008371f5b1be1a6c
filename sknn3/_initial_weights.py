"""Weights before training: drawn at random, or as somebody gives them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.special import logit

from sknn3._arrays import to_host
from sknn3._conditioning import Conditioning
from sknn3.network import ACTIVATIONS, pack, random_weights

# A class that (nearly) all or none of the samples have would start at infinity.
_SMALLEST_PRIOR = 1e-6


def drawn_weights(
    sizes: tuple[int, int, int],
    rng: np.random.RandomState,
    *,
    init_epsilon: float | None,
    activation: str,
    output_activation: str,
    priors: np.ndarray,
    variables: Conditioning,
) -> np.ndarray:
    """Draw packed weights for layers of these sizes.

    Uniformly as `init_epsilon` says; or, without, where the solver had best start from
    with these data.  `priors` are the shares of the samples that each output is to say
    yes to.
    """
    theta1, theta2 = (
        random_weights(
            n_in, n_out, init_epsilon or np.sqrt(6 / (n_in + n_out)), random_state=rng
        )
        for n_in, n_out in pairwise(sizes)
    )
    if init_epsilon is not None:
        return pack(theta1, theta2)
    # Rounded, so that the order of the rows leaves no trace in their sums.
    priors = priors.round(12).clip(_SMALLEST_PRIOR, 1 - _SMALLEST_PRIOR)
    initial_bias = ACTIVATIONS[activation].initial_bias
    theta1[:, 0] = rng.uniform(-initial_bias, initial_bias, len(theta1))
    theta2[:, 0] = np.log(priors) if output_activation == "softmax" else logit(priors)
    return variables.place(pack(theta1, theta2))


def given_weights(
    sizes: tuple[int, int, int],
    coefs_init: Sequence[Any] | None,
    intercepts_init: Sequence[Any] | None,
) -> np.ndarray | None:
    """Pack weights in the shapes of `MLPClassifier`; None if there are none."""
    if coefs_init is None and intercepts_init is None:
        return None
    n_features, h, n_outputs = sizes
    W1, W2 = _checked("coefs_init", coefs_init, [(n_features, h), (h, n_outputs)])
    b1, b2 = _checked("intercepts_init", intercepts_init, [(h,), (n_outputs,)])
    return pack(np.column_stack([b1, W1.T]), np.column_stack([b2, W2.T]))


def _checked(
    name: str, given: Sequence[Any] | None, shapes: list[tuple[int, ...]]
) -> list[np.ndarray]:
    if given is None:
        raise ValueError(
            f"{name} is missing: coefs_init and intercepts_init go together."
        )
    try:
        arrays = [np.asarray(to_host(array)) for array in given]
    except (TypeError, ValueError):
        arrays = []
    if not arrays or any(array.dtype.kind not in "buif" for array in arrays):
        raise ValueError(f"{name} must be a list of 2 arrays of numbers.")
    if [array.shape for array in arrays] != shapes:
        raise ValueError(
            f"{name} has shapes {[array.shape for array in arrays]}, expected {shapes}."
        )
    with np.errstate(over="ignore"):
        arrays = [array.astype(np.float64) for array in arrays]
    if not all(np.isfinite(array).all() for array in arrays):
        raise ValueError(f"{name} must be finite.")
    return arrays
