"""The network over a whole data set, block by block: its cost, and its outputs."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import assert_all_finite

from sknn3._arrays import Home, to_host, total
from sknn3._blocks import DEVICE_BLOCK_ROWS, ROUND_ROWS, in_memory, take_rows
from sknn3._parallel import multiplying
from sknn3._samples import Data, Samples, decide
from sknn3.network import (
    block_cost_gradient,
    hidden_inputs,
    outputs,
    penalised_mean,
    weights_beside,
)


class Architecture(NamedTuple):
    """What a network is, but for the sizes that the data gives it."""

    hidden_layer_size: int
    activation: str
    output_activation: str


def loss_sums(
    samples: Samples, params: np.ndarray, architecture: Architecture
) -> tuple[float, np.ndarray]:
    """Sum loss and gradient over samples, in float64 whatever the dtype of X.

    Blocks return sums, which are added in the order of the rows whoever computed
    them: the result does not depend on `samples.map_blocks`.
    """
    home = samples.home
    theta1, theta2 = weights_beside(
        samples.X, params, architecture.hidden_layer_size, home
    )

    def evaluate(block: tuple[Any, ...]) -> tuple[float, np.ndarray]:
        X, Y, weight = block
        with multiplying:
            return block_cost_gradient(
                in_memory(X),
                Y,
                weight,
                theta1=theta1,
                theta2=theta2,
                activation=architecture.activation,
                output_activation=architecture.output_activation,
                home=home,
            )

    sums = samples.map_blocks(evaluate, samples.blocks)
    cost, gradient = next(sums)
    for block_cost, block_gradient in sums:
        cost += block_cost
        gradient += block_gradient
    return cost, gradient


class Objective:
    """J and its gradient over all samples, wherever their parts are."""

    def __init__(self, data: Data, architecture: Architecture, alpha: float) -> None:
        self.data = data
        self.architecture = architecture
        # Weights are told in this unit.  A float overflows silently, and is looked at.
        self.alpha = float(alpha) / data.unit
        self.total_weight = float(data.total_weight)
        xp, dtype = data.home.xp, data.template.dtype
        self.largest_weight = float(xp.finfo(dtype).max)

    @property
    def penalty(self) -> float:
        """Strength of the penalty on a weight, alpha / S."""
        return self.alpha / self.total_weight

    def __call__(self, params: np.ndarray) -> tuple[float, np.ndarray]:
        """Compute cost and gradient; weights that overflow the dtype have none."""
        if not (np.abs(params) <= self.largest_weight).all():
            return np.inf, np.full_like(params, np.nan)
        cost, gradient = self.data.sum(loss_sums, params, self.architecture)
        return penalised_mean(
            cost,
            gradient,
            params,
            n_features=self.data.template.shape[1],
            hidden_layer_size=self.architecture.hidden_layer_size,
            alpha=self.alpha,
            total_weight=self.total_weight,
        )


def hit_sums(
    samples: Samples, params: np.ndarray, architecture: Architecture
) -> tuple[float, float]:
    """Sum weights over samples whose labels are all as predicted, and over all."""
    classes = samples.classes
    thetas = weights_beside(
        samples.X, params, architecture.hidden_layer_size, samples.home
    )
    finish = partial(
        decide, n_classes=len(classes.values), multilabel=classes.multilabel
    )
    codes = outputs_of(samples.X, *thetas, architecture.activation, finish=finish)
    hits = to_host(codes) == samples.codes
    if classes.multilabel:
        hits = hits.all(axis=1)
    right = hits.sum() if samples.weight is None else samples.weight[hits].sum()
    return float(right), samples.total_weight


def outputs_of(
    X: Any,
    theta1: Any,
    theta2: Any,
    activation: str,
    *,
    finish: Callable[[Any, Any], Any],
    estimator_name: str | None = None,
) -> Any:
    """Compute outputs of all rows, (n, K), in the memory of few blocks.

    `finish` takes the outputs of a block before their activation, (K, n), and their
    namespace, and makes of them what is wanted: (n,) or (any, n).  Values that are not
    finite are refused here, where they show in the inputs of the hidden units: looking
    for them in X is a sweep over all of it.
    """
    n_samples, home = X.shape[0], Home.of(theta1)
    xp = home.xp
    # The threads are BLAS's here, which takes some rows to get going.
    n_rows = ROUND_ROWS if home.is_host else DEVICE_BLOCK_ROWS
    result = None
    for start in range(0, n_samples, n_rows):
        rows = slice(start, min(start + n_rows, n_samples))
        block = in_memory(take_rows(X, rows))
        with multiplying, np.errstate(over="ignore", under="ignore", invalid="ignore"):
            A = hidden_inputs(block, theta1, xp)
            if not math.isfinite(float(total(A, xp))):
                assert_all_finite(block, estimator_name=estimator_name, input_name="X")
            O = outputs(A, theta2, activation, xp)
            if not xp.all(xp.isfinite(O)):
                raise ValueError(
                    "The outputs are not finite: the values in X are too large for "
                    f"{X.dtype}."
                )
            wanted = finish(O, xp)
        wanted = wanted.T if wanted.ndim == 2 else wanted
        if result is None:
            shape, there = (n_samples, *wanted.shape[1:]), Home.of(wanted)
            result = there.xp.empty(shape, dtype=wanted.dtype, device=there.device)
        result[rows, ...] = wanted
    return result
