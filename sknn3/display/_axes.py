"""Base class, axes, names, ticks and checks of arrays that the displays share."""

from __future__ import annotations

from math import ceil
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.pipeline import Pipeline
from sklearn.utils import assert_all_finite
from sklearn.utils.validation import check_is_fitted

# Smallest font size that can be read, in points.
SMALLEST_FONT = 5

# Height of a line and width of a bold character, relative to the font size.
LINE_HEIGHT, CHARACTER_WIDTH = 1.2, 0.65


class Display:
    """Base of the displays, which plot in `_plot` and set `ax_` there."""

    ax_: Any

    def plot(self, ax: Any = None, **kwargs: Any) -> Any:
        """Plot the display.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to plot on; None creates a figure.  `GradientCheckDisplay` also takes a
            pair of axes, for its two sides.
        **kwargs : dict
            Passed to matplotlib, as in `from_data`.

        Returns
        -------
        Display
            The display itself.
        """
        self._plot(ax, kwargs)
        self.figure_ = self.ax_.figure
        return self

    def _plot(self, ax: Any, kwargs: dict[str, Any]) -> None:
        raise NotImplementedError


def axes_for(ax: Any, **options: Any) -> Any:
    """Return `ax`, or the axes of a new figure if it is None."""
    if ax is not None:
        return ax
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "Displays need matplotlib: python -m pip install 'sknn3[plot]'"
        ) from error
    return plt.subplots(layout="constrained", **options)[1]


def check_values(values: Any, name: str, *ndims: int) -> np.ndarray:
    """Return finite values as a float64 array, not empty, with one of the `ndims`."""
    values = np.asarray(values.toarray() if issparse(values) else values, dtype=float)
    if values.ndim not in ndims or values.size == 0:
        expected = " or ".join(str(ndim) for ndim in ndims)
        raise ValueError(
            f"{name} has shape {values.shape}, expected {expected} dimensions, "
            "none of them empty."
        )
    assert_all_finite(values, input_name=name)
    return values


def fitted_network(estimator: Any) -> Any:
    """Return the estimator, or the last step of a pipeline."""
    check_is_fitted(estimator)
    network = estimator[-1] if isinstance(estimator, Pipeline) else estimator
    if hasattr(network, "best_estimator_"):
        raise TypeError(
            f"The estimator is a {type(network).__name__}, expected a network or a "
            "pipeline that ends in one: pass its best_estimator_."
        )
    return network


def fitted_names(estimator: Any) -> Any:
    """Return the names of the features of the network, or None."""
    network = fitted_network(estimator)
    if hasattr(network, "feature_names_in_"):
        return network.feature_names_in_
    if not hasattr(estimator, "feature_names_in_"):
        return None  # a pipeline would return numbered names
    try:
        return estimator[:-1].get_feature_names_out()
    except AttributeError:  # a step without get_feature_names_out
        return None


def check_names(feature_names: Any, n_features: int) -> list[str] | None:
    """Return one string for each feature, or None; raise if the number is wrong."""
    if feature_names is None:
        return None
    names = [str(name) for name in feature_names]
    if len(names) != n_features:
        raise ValueError(
            f"feature_names has {len(names)} entries, expected {n_features}."
        )
    return names


def axes_size(ax: Any) -> tuple[float, float]:
    """Return width and height of the axes in points, before the layout."""
    box, dpi = ax.get_window_extent(), ax.figure.dpi
    return box.width * 72 / dpi, box.height * 72 / dpi


def font_size(fitting: float) -> float:
    """Limit a font size to the range from legible to the default."""
    import matplotlib as mpl

    return max(SMALLEST_FONT, min(mpl.rcParams["font.size"], fitting))


def name_rows(ax: Any, names: list[str]) -> None:
    """Put names at rows 0, 1, ..., or at fewer rows if rows are too low for text."""
    row_height = axes_size(ax)[1] / len(names)
    step = ceil(LINE_HEIGHT * SMALLEST_FONT / row_height)
    size = font_size(step * row_height / LINE_HEIGHT)
    ticks = range(0, len(names), step)
    ax.set_yticks(ticks, names[::step], size=size, parse_math=False)


def use_integer_ticks(axis: Any) -> None:
    """Put ticks at whole numbers only."""
    axis.get_major_locator().set_params(integer=True, min_n_ticks=1)


def use_plain_log_scale(ax: Any) -> None:
    """Use ticks at 0.1, 0.2, 0.5, 1 and so on, without powers of ten."""
    from matplotlib.ticker import LogLocator, NullFormatter

    ax.set_yscale("log")
    low, high = ax.yaxis.get_view_interval()
    subs = (1, 2, 5) if high / low < 1e4 else (1,)
    ax.yaxis.set_major_locator(LogLocator(subs=subs))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_formatter(NullFormatter())
