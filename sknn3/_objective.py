"""The network over a whole data set, block by block: its cost, and its outputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.utils import assert_all_finite

from sknn3._blocks import ROUND_ROWS, BlockMap, row_blocks, take_rows
from sknn3.network import (
    block_cost_gradient,
    hidden_inputs,
    outputs,
    penalised_mean,
    unpack,
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
        n_samples, self.n_features = X.shape
        self.dtype = X.dtype
        self.alpha, self.total_weight = alpha, float(n_samples)
        if sample_weight is not None:
            # In a unit near their mean, lest losses leave the range of float32; a
            # power of 2, so that nothing is rounded.
            unit = 2.0 ** np.floor(np.log2(sample_weight.mean()))
            sample_weight = sample_weight / unit
            self.alpha = alpha / unit
            self.total_weight = float(sample_weight.sum())
        self.blocks = [
            (
                take_rows(X, rows),
                Y[rows],
                None if sample_weight is None else sample_weight[rows],
            )
            for rows in row_blocks(n_samples)
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
        theta1, theta2 = unpack(
            params.astype(self.dtype), self.n_features, self.hidden_layer_size
        )

        def evaluate(block: tuple[Any, ...]) -> tuple[float, np.ndarray]:
            return block_cost_gradient(
                *block,
                theta1=theta1,
                theta2=theta2,
                activation=self.activation,
                output_activation=self.output_activation,
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
            n_features=self.n_features,
            hidden_layer_size=self.hidden_layer_size,
            alpha=self.alpha,
            total_weight=self.total_weight,
        )


def outputs_of(
    X: Any,
    theta1: np.ndarray,
    theta2: np.ndarray,
    activation: str,
    *,
    finish: Callable[[np.ndarray], np.ndarray],
    estimator_name: str | None = None,
) -> np.ndarray:
    """Compute outputs of all rows, (n, K), in the memory of few blocks.

    `finish` takes the outputs of a block before their activation, (K, n), and makes
    of them what is wanted: (n,) or (any, n).  Values that are not finite are refused
    here, where they show in the inputs of the hidden units: looking for them in X is
    a sweep over all of it.
    """
    n_samples = X.shape[0]
    result = np.empty(0)
    # The threads are BLAS's here, which takes some rows to get going.
    for start in range(0, n_samples, ROUND_ROWS):
        rows = slice(start, min(start + ROUND_ROWS, n_samples))
        block = take_rows(X, rows)
        with np.errstate(over="ignore", invalid="ignore"):
            A = hidden_inputs(block, theta1)
            if not np.isfinite(A.sum()):
                assert_all_finite(block, estimator_name=estimator_name, input_name="X")
            O = outputs(A, theta2, activation)
        if not np.isfinite(O).all():
            raise ValueError(
                "The outputs are not finite: the values in X are too large for "
                f"{X.dtype}."
            )
        wanted = finish(O)
        if start == 0:
            result = np.empty((n_samples, *wanted.shape[:-1]), wanted.dtype)
        result[rows] = wanted.T
    return result
