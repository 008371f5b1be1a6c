"""Rounding that makes a fit independent of the order of the samples.

Adding the same numbers in another order changes the last bits of a sum, and the path of
a solver is chaotic: within 50 passes it turns a difference of 1e-16 into one of 1e-3.
Sums that are rounded far above their error are equal to the bit, except where the error
crosses the middle between two rounded values.
"""

from __future__ import annotations

import math

import numpy as np

# Bits of the cost and, relative to its largest component, of the gradient.  Of 40 fits
# to permuted rows all were equal to the bit with 18 to 22 bits of the gradient; with 30
# a quarter were not.  A line search compares nearly equal costs, and with 36 bits for
# them a tol of 1e-6 takes up to five times the passes.
COST_BITS = 42
GRADIENT_BITS = 22

# Means and covariances shape the path only, so the precision of float32 is enough.
MOMENT_BITS = 24


def round_to_multiple(values: np.ndarray, n_bits: int) -> np.ndarray:
    """Round each value to a multiple of 2^-n_bits."""
    return np.round(values * 2.0**n_bits) * 2.0**-n_bits


def round_to_bits(values: np.ndarray, n_bits: int) -> np.ndarray:
    """Round each value to this many significant bits."""
    mantissa, exponent = np.frexp(values)
    return np.ldexp(np.round(mantissa * 2.0**n_bits), exponent - n_bits)


def round_number(value: float, n_bits: int) -> float:
    """Round a number to this many significant bits, in a tenth of NumPy's time."""
    mantissa, exponent = math.frexp(value)
    return math.ldexp(round(mantissa * 2.0**n_bits), exponent - n_bits)


def round_to_largest(values: np.ndarray, n_bits: int) -> np.ndarray:
    """Round all values to the multiple that has n_bits of the largest of them."""
    _, exponent = math.frexp(np.abs(values).max())
    grid = math.ldexp(1.0, exponent - n_bits)
    return np.rint(values / grid) * grid
