"""Comparison of an analytic gradient with a numeric gradient."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from textwrap import fill
from typing import Any

import numpy as np
from sklearn.utils import check_consistent_length

from sknn3.display._axes import Display, axes_for, check_values, use_integer_ticks

# Default tolerance, relative to the largest component.  With some hundred features,
# central differences are as accurate as this, and most bugs cause larger differences.
_RELATIVE_TOLERANCE = 1e-5
# The largest component is nearly 0 at a minimum.  The step of the differences then
# causes an error of about 10 to some 100 times the rounding error.
_TOLERATED_ROUNDINGS = 1000

# Largest number of components, and of characters in a line, in the title.
_MAX_NAMED = 8
_TITLE_WIDTH = 50


@dataclass(eq=False, repr=False)
class GradientCheckDisplay(Display):  # numpydoc ignore=PR02
    """Analytic and numeric gradient, and their difference in each component.

    Use :meth:`from_check` or :meth:`from_data` to create a display.  On the left,
    components that agree are on the diagonal.  The right side shows the differences.  A
    component is a red cross on both sides if its difference exceeds the tolerance.  The
    title has the indices of these components, above the diagnosis.

    Parameters
    ----------
    analytic : ndarray of shape (n_params,)
        Gradient to check.
    numeric : ndarray of shape (n_params,)
        Central differences of the cost.
    rounding : float, default=None
        Rounding error of the central differences.
    tolerance : float, default=None
        Largest difference of components that are right.  None is 1e-5 times the largest
        component, or 1000 times `rounding` if that is larger.
    diagnosis : str, default=None
        Mistakes that explain the gradient.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the differences.
    diagonal_ax_ : matplotlib Axes or None
        Axes of the diagonal.
    figure_ : matplotlib Figure
        Figure of the axes.
    lines_ : list of 2 matplotlib Line2D
        Differences of the right components, and of the wrong components.  Differences
        near 0 are at the lower end of the axis.
    diagonal_lines_ : list of 2 matplotlib Line2D, or None
        The same components on the left.
    levels_ : dict of str to matplotlib Line2D
        Lines at the 'tolerance' and, if it is given, the 'rounding'.

    Examples
    --------
    >>> from sknn3 import check_gradient
    >>> from sknn3.display import GradientCheckDisplay
    >>> display = GradientCheckDisplay.from_check(check_gradient(alpha=3))
    >>> display.ax_.get_title()
    'All 38 components are right'

    A gradient that lacks a factor in one component:

    >>> display = GradientCheckDisplay.from_data([2.0, 4.0, 3.0], [2.0, 4.0, 6.0])
    >>> display.ax_.get_title()
    '1 of 3 components is wrong: 2'
    """

    analytic: np.ndarray
    numeric: np.ndarray
    _: KW_ONLY
    rounding: float | None = None
    tolerance: float | None = None
    diagnosis: str | None = None

    @classmethod
    def from_data(
        cls,
        analytic: Any,
        numeric: Any,
        *,
        rounding: float | None = None,
        tolerance: float | None = None,
        diagnosis: str | None = None,
        ax: Any = None,
        **line_kwargs: Any,
    ) -> GradientCheckDisplay:
        """Plot two gradients.

        Parameters
        ----------
        analytic : array-like of shape (n_params,)
            Gradient to check.
        numeric : array-like of shape (n_params,)
            Central differences of the cost.
        rounding : float, default=None
            Rounding error of the central differences.
        tolerance : float, default=None
            As in the class.
        diagnosis : str, default=None
            As in the class.
        ax : matplotlib Axes or pair of them, default=None
            Axes of the differences, or of the diagonal and the differences; None
            creates a figure of both.
        **line_kwargs : dict
            Passed to `matplotlib.axes.Axes.plot` for the components that are right.

        Returns
        -------
        GradientCheckDisplay
            The display.
        """
        analytic = check_values(analytic, "analytic", 1)
        numeric = check_values(numeric, "numeric", 1)
        check_consistent_length(analytic, numeric)
        display = cls(
            analytic,
            numeric,
            rounding=rounding,
            tolerance=tolerance,
            diagnosis=diagnosis,
        )
        return display.plot(ax, **line_kwargs)

    @classmethod
    def from_check(
        cls,
        check: Any,
        *,
        tolerance: float | None = None,
        ax: Any = None,
        **line_kwargs: Any,
    ) -> GradientCheckDisplay:
        """Plot the result of `check_gradient`.

        Parameters
        ----------
        check : GradientCheck
            Result of `check_gradient`.
        tolerance : float, default=None
            As in the class.
        ax : matplotlib Axes or pair of them, default=None
            As in `from_data`.
        **line_kwargs : dict
            Passed to `matplotlib.axes.Axes.plot` for the components that are right.

        Returns
        -------
        GradientCheckDisplay
            The display.
        """
        return cls.from_data(
            check.analytic,
            check.numeric,
            rounding=check.rounding,
            tolerance=tolerance,
            diagnosis=check.diagnosis,
            ax=ax,
            **line_kwargs,
        )

    def _plot(self, ax: Any, line_kwargs: dict[str, Any]) -> None:
        axes = axes_for(ax, figsize=(9.5, 4), ncols=2, width_ratios=(4, 5))
        *diagonal, self.ax_ = np.ravel(axes)
        differences = np.abs(self.analytic - self.numeric)
        tolerance = self.tolerance
        if tolerance is None:
            largest = np.abs([self.analytic, self.numeric]).max()
            rounding = _TOLERATED_ROUNDINGS * (self.rounding or 0)
            # A tolerance of 0 has no place on a logarithmic axis.
            tolerance = max(_RELATIVE_TOLERANCE * largest, rounding) or 1e-16
        wrong = differences > tolerance
        self._plot_differences(differences, wrong, tolerance, line_kwargs)
        self.diagonal_ax_: Any = None
        self.diagonal_lines_: Any = None
        if diagonal:
            self.diagonal_ax_ = diagonal[0]
            self._plot_diagonal(wrong, line_kwargs)

    def _plot_differences(
        self,
        differences: np.ndarray,
        wrong: np.ndarray,
        tolerance: float,
        line_kwargs: dict[str, Any],
    ) -> None:
        """Plot the differences on a logarithmic axis."""
        ax = self.ax_
        ax.set(xlabel="Component", ylabel="|analytic - numeric|", yscale="log")
        use_integer_ticks(ax.xaxis)
        levels = [("tolerance", tolerance, "--")]
        if self.rounding:
            levels.append(("rounding", self.rounding, ":"))
        # A difference of 0 has no logarithm.
        lowest = self.rounding / 100 if self.rounding else 1e-8 * tolerance
        heights = np.maximum(differences, lowest)
        shown = [*heights, *(level for _, level, _ in levels)]
        ax.set_ylim(min(shown) / 3, max(shown) * 3)
        indices = np.arange(len(wrong))
        self.lines_ = _plot_components(ax, indices, heights, wrong, line_kwargs)
        self.levels_ = {
            name: ax.axhline(level, label=name, color="gray", ls=style, zorder=1)
            for name, level, style in levels
        }
        ax.legend()
        title = _title(differences, wrong)
        if self.diagnosis:
            title += "\n" + fill(self.diagnosis, _TITLE_WIDTH, break_on_hyphens=False)
        ax.set_title(title)
        if wrong.any() or self.diagnosis:
            ax.title.set_color("tab:red")

    def _plot_diagonal(self, wrong: np.ndarray, line_kwargs: dict[str, Any]) -> None:
        """Plot the analytic over the numeric gradient."""
        ax = self.diagonal_ax_
        ax.axline((0, 0), slope=1, color="gray", linewidth=1, zorder=1)
        x, y = self.numeric, self.analytic
        self.diagonal_lines_ = _plot_components(ax, x, y, wrong, line_kwargs)
        low, high = np.min([x, y]), np.max([x, y])
        margin = (high - low) / 20 or 1
        limits = low - margin, high + margin
        ax.set(xlabel="Numeric gradient", ylabel="Analytic gradient")
        ax.set(xlim=limits, ylim=limits, aspect="equal")


def _plot_components(
    ax: Any,
    x: np.ndarray,
    y: np.ndarray,
    wrong: np.ndarray,
    line_kwargs: dict[str, Any],
) -> list[Any]:
    """Plot components that are right as dots, and wrong ones as red crosses."""
    size = float(np.clip(40 / np.sqrt(len(x)), 2, 6))
    dots = {"linestyle": "none", "marker": "o", "markersize": size} | line_kwargs
    crosses = {"color": "tab:red", "markersize": max(size, 5)}
    return [
        *ax.plot(x[~wrong], y[~wrong], **dots),
        *ax.plot(x[wrong], y[wrong], "X", **crosses),
    ]


def _title(differences: np.ndarray, wrong: np.ndarray) -> str:
    """Return how many components are wrong, and the indices of the worst."""
    n_wrong, n_params = int(wrong.sum()), len(wrong)
    if n_wrong == 0:
        return f"All {n_params} components are right"
    worst = np.argsort(-differences, kind="stable")[: min(n_wrong, _MAX_NAMED)]
    named = ", ".join(str(i) for i in np.sort(worst))
    if n_wrong == 1:
        return f"1 of {n_params} components is wrong: {named}"
    most = ", most of all" if n_wrong > _MAX_NAMED else ""
    return f"{n_wrong} of {n_params} components are wrong{most}:\n{named}"
