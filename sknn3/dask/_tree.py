"""Sums up a binary tree whose leaves are partitions.

Floating-point sums depend on who is added to whom.  Here the tree says so, which
depends on the number of leaves only: whoever holds siblings may add them.
"""

from __future__ import annotations

from typing import Any

Sums = tuple[Any, ...]
Node = tuple[int, int]  # its height, and its place among the nodes of that height


def add_up(sums: dict[Node, Sums], n_leaves: int) -> None:
    """Add siblings as far as both are there, and put the sum in their place."""
    for height in range((n_leaves - 1).bit_length()):
        for place in sorted(p for h, p in sums if h == height and p % 2 == 0):
            left, right = (height, place), (height, place + 1)
            if right in sums:
                pairs = zip(sums.pop(left), sums.pop(right), strict=True)
                sums[height + 1, place // 2] = tuple(a + b for a, b in pairs)
            elif right[1] << height >= n_leaves:  # an only child
                sums[height + 1, place // 2] = sums.pop(left)


def root(n_leaves: int) -> Node:
    """Tell which node is the sum of all."""
    return (n_leaves - 1).bit_length(), 0
