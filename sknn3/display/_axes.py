"""Axes to draw on: those given, or a figure of our own."""

from __future__ import annotations

from typing import Any

import numpy as np

from sknn3._validation import numbers_in

# Beyond these, margins overflow, and ticks of logarithmic axes.
LARGEST, SMALLEST = 1e200, 1e-200

# Height of a line and width of a character, in bold, as shares of the size of text.
_LINE, _CHARACTER = 1.2, 0.65

# What can still be read, in points, and the height of its line.
_SMALLEST_TEXT = 5
LOWEST_LINE = _LINE * _SMALLEST_TEXT


def axes_for(ax: Any, size: tuple[float, float] | None = None) -> Any:
    """Take the axes given, or make a figure of the size, in inches."""
    return new_axes(figsize=size) if ax is None else ax


def new_axes(**options: Any) -> Any:
    """Make a figure with axes."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "Drawing needs matplotlib: python -m pip install 'sknn3[plot]'"
        ) from error
    return plt.subplots(layout="constrained", **options)[1]


def drawable(name: str, values: Any) -> np.ndarray:
    """Take numbers that axes have room for, as floats; NaN and infinity pass."""
    with np.errstate(over="ignore"):
        values = numbers_in(name, values).astype(np.float64)
    if (np.isfinite(values) & (np.abs(values) > LARGEST)).any():
        raise ValueError(f"{name} has values beyond {LARGEST:g}, too large to draw.")
    return values


def points(ax: Any) -> tuple[float, float]:
    """Tell how wide and how high axes are, in the unit of text, short of layout."""
    box, dpi = ax.get_window_extent(), ax.figure.dpi
    return box.width * 72 / dpi, box.height * 72 / dpi


def text_size(
    height: float, width: float = float("inf"), n_characters: int = 1
) -> float:
    """Choose a size at which so many characters fit, at most the usual one."""
    import matplotlib as mpl

    fitting = min(height / _LINE, width / (_CHARACTER * max(n_characters, 1)))
    return max(_SMALLEST_TEXT, min(mpl.rcParams["font.size"], fitting))


def count_in_integers(axis: Any) -> None:
    """Put no ticks between whole numbers, if there be one tick only."""
    axis.get_major_locator().set_params(integer=True, min_n_ticks=1)


def label_plainly(axis: Any) -> None:
    """Tick a logarithmic axis at 0.1, 0.2, 0.5, 1 and so on, in these words."""
    from matplotlib.ticker import LogLocator, NullFormatter

    low, high = axis.get_view_interval()
    few_decades = np.log10(high) - np.log10(low) < 4
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if few_decades else (1.0,)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())
