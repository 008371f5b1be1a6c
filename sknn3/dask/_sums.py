"""Sums that do not depend on the order of their terms.

The order of a floating-point sum depends on which worker holds which partition.  Here
the rounding errors are added up too, and the sum is rounded once, at the end.  The
result depends on the order only where the exact sum is within 1e-32 or so, relative to
the terms, of the middle between two floating-point numbers.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

Sums = tuple[Any, ...]  # numbers and arrays
CompensatedSums = list[tuple[Any, Any]]  # rounded sums and their rounding errors


def compensated(sums: Sums) -> CompensatedSums:
    """Return the sums of a partition, with rounding errors of zero."""
    return [(term, 0.0) for term in sums]


def add(first: CompensatedSums, second: CompensatedSums) -> CompensatedSums:
    """Add two sums and their rounding errors."""
    return [_add(*a, *b) for a, b in zip(first, second, strict=True)]


def _add(a: Any, error_of_a: Any, b: Any, error_of_b: Any) -> tuple[Any, Any]:
    total = a + b
    b_added = total - a
    error = (a - (total - b_added)) + (b - b_added)  # exact
    return total, error_of_a + error_of_b + error


def rounded_total(sums: list[CompensatedSums]) -> Sums:
    """Return the total of all sums, rounded once."""
    return tuple(total + error for total, error in reduce(add, sums))
