"""Sums that come out the same in any order.

A floating-point sum depends on who is added to whom, and so on who holds what.  Here
what rounding loses is kept and added too: the sum in twice the precision, rounded once.
An order leaves a trace only where that sum is within its own error, 1e-32 or so of the
terms, of the middle between two numbers.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

Sums = tuple[Any, ...]  # what a function says of a part: numbers, arrays
Pairs = list[tuple[Any, Any]]  # of each a sum, and what rounding has lost of it


def pairs_of(sums: Sums) -> Pairs:
    """Begin a sum with the terms of a part."""
    return [(term, 0.0) for term in sums]


def add(sums: Pairs, others: Pairs) -> Pairs:
    """Add sums of some parts and of others."""
    return [_add(*a, *b) for a, b in zip(sums, others, strict=True)]


def _add(a: Any, lost_of_a: Any, b: Any, lost_of_b: Any) -> tuple[Any, Any]:
    total = a + b
    b_added = total - a
    lost = (a - (total - b_added)) + (b - b_added)  # exactly
    return total, lost_of_a + lost_of_b + lost


def rounded(shares: list[Pairs]) -> Sums:
    """Add all shares, and round."""
    return tuple(total + lost for total, lost in reduce(add, shares))
