"""The hidden activations as the tests know them, one entry for each.

The tests of an activation in all files are parametrised over these names.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Hidden:
    """What the tests expect of a hidden activation.

    `formula` takes a float.  `in_torch` takes the module torch, which may be missing,
    and a tensor.
    """

    formula: Callable[[float], float]
    in_torch: Callable[[Any, Any], Any]
    initial_bias: float = 0.0
    bounded: bool = False
    smooth: bool = True


HIDDEN = {
    "identity": Hidden(lambda z: z, lambda torch, Z: Z),
    "logistic": Hidden(
        lambda z: 1 / (1 + math.exp(-z)),
        lambda torch, Z: torch.sigmoid(Z),
        initial_bias=1.0,
        bounded=True,
    ),
    "tanh": Hidden(
        math.tanh, lambda torch, Z: torch.tanh(Z), initial_bias=0.5, bounded=True
    ),
    "relu": Hidden(lambda z: max(z, 0.0), lambda torch, Z: torch.relu(Z), smooth=False),
}
