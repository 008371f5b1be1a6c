"""The regularised cost over a whole data set, as a function of the packed weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from sknn3._blocks import BlockMap, row_blocks, take_rows
from sknn3.network import block_cost_gradient, layers, penalised_mean, unpack


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


def raw_outputs(
    X: Any, theta1: np.ndarray, theta2: np.ndarray, activation: str
) -> np.ndarray:
    """Compute outputs before their activation, (n, K), in the memory of few blocks."""
    O = np.empty((X.shape[0], len(theta2)), np.result_type(X.dtype, theta1.dtype))
    with np.errstate(over="ignore", invalid="ignore"):
        for rows in row_blocks(X.shape[0]):
            O[rows] = layers(take_rows(X, rows), theta1, theta2, activation)[1].T
    if not np.isfinite(O).all():
        raise ValueError(
            f"The outputs are not finite: the values in X are too large for {X.dtype}."
        )
    return O
