"""What is taken for a number, an array or a parameter, and what is said of the rest."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils._param_validation import Interval

from sknn3._arrays import Home

# SciPy's solvers count variables in 32 bits.
MAX_UNITS = 2**31 - 1


class Amount(Interval):
    """Numbers as float64 holds them: `Interval` itself takes ints that overflow."""

    def __init__(self, low: float, high: float | None, *, closed: str) -> None:
        super().__init__(Real, low, high, closed=closed)

    def is_satisfied_by(self, val: Any) -> bool:
        """Tell a number within from any other, and from what is none."""
        return super().is_satisfied_by(as_float(val))


class Count(Interval):
    """1, 2, 3, ..., as ints: `Interval` itself takes True for 1."""

    def __init__(self, largest: int | None = None) -> None:
        closed = "left" if largest is None else "both"
        super().__init__(Integral, 1, largest, closed=closed)

    def is_satisfied_by(self, val: Any) -> bool:
        """Tell a number from an answer of yes."""
        return not isinstance(val, bool) and super().is_satisfied_by(val)


def as_float(value: Any) -> float:
    """Take a number as a float; as NaN what is none, or too large for one."""
    try:
        return float(value) if isinstance(value, Real) else math.nan
    except OverflowError:
        return math.nan


def numbers_in(name: str, values: Any) -> Any:
    """Take an array of real numbers as it is, and Python's own numbers as floats."""
    if not issparse(values):
        try:
            values = np.asarray(values)
            if values.dtype.kind == "O":
                values = values.astype(np.float64)
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(
                f"{name} must be an array of real numbers: {error}"
            ) from error
    if values.dtype.kind not in "buif":
        raise ValueError(
            f"{name} has dtype {values.dtype}, expected an array of real numbers."
        )
    return values


def finite(name: str, values: np.ndarray) -> np.ndarray:
    """Give a vector back, or tell which of its components are NaN or infinite."""
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise ValueError(
            f"{name} has values that are not finite: {len(bad)}, the first of them "
            f"component {bad[0]}."
        )
    return values


@contextmanager
def looked_through(*names: str) -> Iterator[None]:
    """Have scikit-learn convert and look through arrays, and name them in its errors.

    Wider floats overflow to infinity and sums to NaN, both of which it sees.
    """
    what = " or ".join(names)
    with np.errstate(over="ignore", invalid="ignore"):
        try:
            yield
        except OverflowError as error:
            raise ValueError(f"{what} has numbers too large for float64.") from error
        except (TypeError, ValueError) as error:
            names_them = rf"\b({'|'.join(names)})\b"
            is_plain = type(error) in (TypeError, ValueError)
            if is_plain and not re.search(names_them, str(error)):
                error.args = (f"{what}: {error}",)
            raise


def accepted(X: Any) -> dict[str, Any]:
    """Tell `validate_data` what may come as X."""
    if getattr(X, "requires_grad", False):
        raise ValueError(
            "X is a tensor that requires a gradient, expected one that does not: "
            "X.detach()."
        )
    return {"accept_sparse": "csr", "dtype": Home.of(X).dtypes}
