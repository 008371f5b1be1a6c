"""Rounding that makes a fit independent of the order of the samples.

Adding the same numbers in another order changes the last bits of a sum, and the path of
a solver is chaotic: within 50 passes it turns a difference of 1e-16 into one of 1e-3.
Sums that are rounded far above their error are equal to the bit, except where the error
crosses the middle between two rounded values.
"""

from __future__ import annotations

import math

import numpy as np


def round_to_multiple(values: np.ndarray, grid: np.ndarray | float) -> np.ndarray:
    """Round each value to a multiple of its grid; keep it if that overflows."""
    rounded = np.round(values / grid) * grid
    return np.where(np.isfinite(rounded), rounded, values)


def round_number(value: float, grid: float) -> float:
    """Round a number to a multiple of the grid; keep it if that overflows."""
    steps = value / grid if grid else math.inf
    rounded = round(steps) * grid if math.isfinite(steps) else math.inf
    return rounded if math.isfinite(rounded) else value


def round_to_float32(values: np.ndarray) -> np.ndarray:
    """Round to the precision of float32, but not to its range."""
    mantissa, exponent = np.frexp(values)
    return np.ldexp(np.round(mantissa * 2.0**24) * 2.0**-24, exponent)
