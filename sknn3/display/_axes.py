"""Axes to draw on: those given, or a figure of our own."""

from __future__ import annotations

from typing import Any

import numpy as np


def axes_for(ax: Any, shape: tuple[int, ...] | None = None) -> Any:
    """Take the axes given, or make a figure that fits a grid of the shape."""
    if ax is not None:
        return ax
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "Drawing needs matplotlib: python -m pip install 'sknn3[plot]'"
        ) from error
    size = None
    if shape is not None:
        height, width = shape
        size = 6 * np.array([width, height]) / max(height, width)
    return plt.subplots(figsize=size, layout="constrained")[1]


def count_in_integers(axis: Any) -> None:
    """Put no ticks between whole numbers, if there be one tick only."""
    axis.get_major_locator().set_params(integer=True, min_n_ticks=1)


def label_plainly(axis: Any) -> None:
    """Tick a logarithmic axis at 0.1, 0.2, 0.5, 1 and so on, in these words."""
    from matplotlib.ticker import LogLocator, NullFormatter

    low, high = axis.get_view_interval()
    few_decades = high / low < 1e4
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if few_decades else (1.0,)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())
