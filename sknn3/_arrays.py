"""Arrays of any namespace that scikit-learn supports: where they live, ways to and fro.

Everything follows X: products are done in its namespace and on its device, labels,
weights of samples and the minimiser are the host's, in NumPy.  A namespace is what the
array API standard calls one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from sklearn import get_config
from sklearn.utils._array_api import (
    _is_numpy_namespace,
    _max_precision_float_dtype,
    get_namespace_and_device,
    move_to,
)

# NumPy's own functions: scikit-learn's wrapper of them takes its time on small arrays.
HOST = np


class Home(NamedTuple):
    """Where an array lives: its namespace and device."""

    xp: Any
    device: Any

    @classmethod
    def of(cls, X: Any) -> Home:
        """Tell where X lives; without `array_api_dispatch` all is NumPy's."""
        if not get_config()["array_api_dispatch"]:
            return cls(HOST, None)
        xp, _, device = get_namespace_and_device(X)
        return cls(HOST, None) if _is_numpy_namespace(xp) else cls(xp, device)

    @property
    def is_host(self) -> bool:
        """Whether this is NumPy (or SciPy's sparse matrices)."""
        return self.xp is HOST

    @property
    def dtypes(self) -> list[Any]:
        """Dtypes that the network computes in, the widest first."""
        float64, float32 = self.xp.float64, self.xp.float32
        widest = _max_precision_float_dtype(self.xp, self.device)
        return [float64, float32] if widest == float64 else [float32]

    def take_in(self, array: np.ndarray, dtype: Any = None) -> Any:
        """Bring an array of the host here; as it is, where it is here already."""
        if self.is_host:
            return np.asarray(array, dtype=dtype)
        return self.xp.asarray(array, dtype=dtype, device=self.device)


def to_host(array: Any) -> Any:
    """Bring an array to NumPy; what is no array of another namespace stays as it is."""
    if isinstance(array, np.ndarray) or not hasattr(array, "__dlpack__"):
        return array
    if Home.of(array).is_host:
        return array
    return move_to(array, xp=HOST, device="cpu")


def overwrite(out: Any, function: Callable[..., Any], *arrays: Any) -> None:
    """Store what the function makes of the arrays in `out`.

    NumPy's functions do so without memory of their own; the standard has no such
    argument.
    """
    if isinstance(out, np.ndarray):
        function(*arrays, out=out)
    else:
        out[...] = function(*arrays)


def cast(array: Any, dtype: Any, xp: Any) -> Any:
    """Convert to a dtype, without a copy where it is that already."""
    if xp is HOST:  # its `astype` came with NumPy 2.1; sparse matrices have none
        return array.astype(dtype, copy=False)
    return xp.astype(array, dtype, copy=False)


# NumPy's functions for these two go through a dispatcher in Python, its methods do not:
# a microsecond each, of the hundred that a single prediction takes.


def total(array: Any, xp: Any, axis: int | None = None) -> Any:
    """Sum."""
    return array.sum(axis=axis) if xp is HOST else xp.sum(array, axis=axis)


def largest(array: Any, xp: Any, axis: int | None = None) -> Any:
    """Maximum."""
    return array.max(axis=axis) if xp is HOST else xp.max(array, axis=axis)


def constant(value: float, like: Any, xp: Any) -> Any:
    """Make an array of no dimensions, for functions that take arrays only."""
    if isinstance(like, np.ndarray):
        return like.dtype.type(value)
    return xp.asarray(value, dtype=like.dtype, device=like.device)


def unit_near(value: float) -> float:
    """Choose a unit for numbers near this: a power of 2, which rounds nothing."""
    return 2.0 ** math.floor(math.log2(value))
