"""Arrays of the namespaces that scikit-learn supports.

The matrix products of a fit use the namespace `xp` and the device of X.  Labels, sample
weights and the minimiser use NumPy.  Without scikit-learn's `array_api_dispatch`, all
arrays are NumPy arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn import get_config

from sknn3._sklearn_compat import convert_to_numpy, get_namespace_and_device


def namespace_of(X: Any) -> tuple[Any, Any]:
    """Return the namespace and the device of an array; NumPy's device is None."""
    if (
        isinstance(X, np.ndarray)
        or not hasattr(X, "__dlpack__")  # lists, frames and sparse matrices
        or not get_config()["array_api_dispatch"]
    ):
        return np, None
    xp, _, device = get_namespace_and_device(X)
    # scikit-learn wraps NumPy, and the wrapper is slow on small arrays.
    return (np, None) if xp.__name__.endswith("numpy") else (xp, device)


def float_dtypes(xp: Any, device: Any) -> list[Any]:
    """Return the dtypes that the network can compute in, the widest first."""
    if xp is np:
        return [np.float64, np.float32]
    available = xp.__array_namespace_info__().dtypes(
        device=device, kind="real floating"
    )
    return [available[name] for name in ("float64", "float32") if name in available]


def to_device(array: Any, xp: Any, device: Any, dtype: Any = None) -> Any:
    """Move a NumPy array to a namespace and device, without a copy where possible."""
    if xp is np:
        return np.asarray(array, dtype=dtype)
    return xp.asarray(array, dtype=dtype, device=device)


def to_numpy(array: Any) -> Any:
    """Move an array of another namespace to NumPy; return anything else unchanged."""
    xp, _ = namespace_of(array)
    return array if xp is np else convert_to_numpy(array, xp)


def astype(array: Any, dtype: Any, xp: Any) -> Any:
    """Convert to a dtype; make no copy if the array already has it."""
    if xp is np:  # `xp.astype` would reject sparse matrices
        return array.astype(dtype, copy=False)
    return xp.astype(array, dtype, copy=False)


def apply_into(out: Any, function: Callable[..., Any], *arrays: Any) -> None:
    """Store ``function(*arrays)`` in `out`; NumPy makes no temporary array."""
    if isinstance(out, np.ndarray):
        function(*arrays, out=out)
    else:
        out[...] = function(*arrays)


def all_finite(values: Any, xp: Any) -> bool:
    """Return whether all entries of an array or sparse matrix are finite."""
    return bool(xp.all(xp.isfinite(values.data if issparse(values) else values)))
