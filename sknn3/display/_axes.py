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
