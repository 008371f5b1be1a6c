"""The network over a whole data set, block by block: its cost, and its outputs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.utils import assert_all_finite

from sknn3._arrays import Home, total
from sknn3._blocks import (
    DEVICE_BLOCK_ROWS,
    ROUND_ROWS,
    BlockMap,
    row_blocks,
    take_rows,
)
from sknn3.network import (
    block_cost_gradient,
    hidden_inputs,
    outputs,
    penalised_mean,
    weights_beside,
)


class Objective:
    """J and its gradient, evaluated block by block.

    Blocks return sums, which are added in the order of the rows whoever computed
    them: the result does not depend on `map_blocks`.
    """

    def __init__(
        self,
        X: Any,
        Y: np.ndarray,
        sample_weight: np.ndarray | None,
        *,
        hidden_layer_size: int,
        alpha: float,
        activation: str,
        output_activation: str,
        map_blocks: BlockMap = map,
    ) -> None:
        n_samples = X.shape[0]
        self.X, self.home = X, Home.of(X)
        self.alpha, self.total_weight = alpha, float(n_samples)
        if sample_weight is not None:
            # In a unit near their mean, lest losses leave the range of float32; a
            # power of 2, so that nothing is rounded.
            unit = 2.0 ** np.floor(np.log2(sample_weight.mean()))
            sample_weight = sample_weight / unit
            self.alpha = alpha / unit
            self.total_weight = float(sample_weight.sum())
            sample_weight = self.home.take_in(sample_weight, X.dtype)
        Y = self.home.take_in(Y, X.dtype if Y.ndim == 2 else None)
        self.blocks = [
            (
                take_rows(X, rows),
                Y[rows, ...],
                None if sample_weight is None else sample_weight[rows],
            )
            for rows in row_blocks(n_samples, on_host=self.home.is_host)
        ]
        self.hidden_layer_size = hidden_layer_size
        self.activation = activation
        self.output_activation = output_activation
        self.map_blocks = map_blocks

    @property
    def penalty(self) -> float:
        """Strength of the penalty on a weight, alpha / S."""
        return self.alpha / self.total_weight

    def __call__(self, params: np.ndarray) -> tuple[float, np.ndarray]:
        """Compute cost and gradient, in float64 whatever the dtype of X."""
        theta1, theta2 = weights_beside(
            self.X, params, self.hidden_layer_size, self.home
        )

        def evaluate(block: tuple[Any, ...]) -> tuple[float, np.ndarray]:
            return block_cost_gradient(
                *block,
                theta1=theta1,
                theta2=theta2,
                activation=self.activation,
                output_activation=self.output_activation,
                home=self.home,
            )

        sums = self.map_blocks(evaluate, self.blocks)
        cost, gradient = next(sums)
        for block_cost, block_gradient in sums:
            cost += block_cost
            gradient += block_gradient
        return penalised_mean(
            cost,
            gradient,
            params,
            n_features=self.X.shape[1],
            hidden_layer_size=self.hidden_layer_size,
            alpha=self.alpha,
            total_weight=self.total_weight,
        )


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
    n_samples, home = X.shape[0], Home.of(X)
    xp = home.xp
    # The threads are BLAS's here, which takes some rows to get going.
    n_rows = ROUND_ROWS if home.is_host else DEVICE_BLOCK_ROWS
    result = None
    for start in range(0, n_samples, n_rows):
        rows = slice(start, min(start + n_rows, n_samples))
        block = take_rows(X, rows)
        with np.errstate(over="ignore", invalid="ignore"):
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
            shape = n_samples, *wanted.shape[1:]
            result = xp.empty(shape, dtype=wanted.dtype, device=home.device)
        result[rows, ...] = wanted
    return result
