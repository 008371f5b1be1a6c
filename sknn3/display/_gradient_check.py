"""Whether an analytic gradient is right, and where it is not."""

from __future__ import annotations

from typing import Any

import numpy as np

from sknn3._validation import as_float, finite
from sknn3.display._axes import (
    LARGEST,
    SMALLEST,
    count_in_integers,
    drawable,
    new_axes,
)

# A component is right up to this share of the largest.  Central differences come as
# near with features of some hundreds, and a bug is seldom as small.
_SHARE_FORGIVEN = 1e-5
# Near a minimum the largest component is next to nothing.  There, the step of the
# differences leaves an error of some ten to some hundred times that of rounding.
_ROUNDINGS_FORGIVEN = 1000

# Components named in the title, at most.
_N_NAMED = 8

_STYLES = {"tolerance": "--", "rounding": ":"}


class GradientCheckDisplay:
    """Analytic against numeric gradient: whether it is right, and where it is not.

    Use :meth:`from_check` or :meth:`from_data` to make one.  On the left, components
    as both gradients have them: on the diagonal where they agree.  On the right, how
    much they differ, one after the other.  A component that differs by more than the
    tolerance is a red cross on both sides, and named above.

    Parameters
    ----------
    analytic : ndarray of shape (n_params,)
        Gradient to check.
    numeric : ndarray of shape (n_params,)
        Central differences of the cost.
    rounding : float, default=None
        Error of the central differences that rounding of the cost leaves: what may be
        hoped for, and drawn as a line.
    tolerance : float, default=None
        Difference up to which a component is right; None takes 1e-5 of the largest
        component, or 1000 times `rounding` where that is more.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes of the differences.
    diagonal_ax_ : matplotlib Axes or None
        The axes of the diagonal.
    figure_ : matplotlib Figure
        Their figure.
    lines_ : list of 2 matplotlib Line2D
        Differences of the components that are right, and of those that are wrong.
        Differences next to nothing stand at the foot of the axis.
    diagonal_lines_ : list of 2 matplotlib Line2D, or None
        Both on the left.
    levels_ : dict of str to matplotlib Line2D
        Lines at the 'tolerance' and, if it is known, the 'rounding'.

    See Also
    --------
    sknn3.gradient_check.check_gradient : Makes what is drawn.

    Examples
    --------
    >>> from sknn3 import check_gradient
    >>> from sknn3.display import GradientCheckDisplay
    >>> display = GradientCheckDisplay.from_check(check_gradient(alpha=3))
    >>> display.ax_.get_title()
    'All 38 components are right'

    A gradient that forgets a factor in one component:

    >>> display = GradientCheckDisplay.from_data([2.0, 4.0, 3.0], [2.0, 4.0, 6.0])
    >>> display.ax_.get_title()
    '1 of 3 components is wrong: 2'
    """

    ax_: Any
    diagonal_ax_: Any
    figure_: Any
    lines_: list[Any]
    diagonal_lines_: list[Any] | None
    levels_: dict[str, Any]

    def __init__(
        self,
        analytic: np.ndarray,
        numeric: np.ndarray,
        *,
        rounding: float | None = None,
        tolerance: float | None = None,
    ) -> None:
        self.analytic = analytic
        self.numeric = numeric
        self.rounding = rounding
        self.tolerance = tolerance

    @classmethod
    def from_data(
        cls,
        analytic: Any,
        numeric: Any,
        *,
        rounding: float | None = None,
        tolerance: float | None = None,
        ax: Any = None,
        **line_kwargs: Any,
    ) -> GradientCheckDisplay:
        """Draw gradients given as numbers.

        Parameters
        ----------
        analytic : array-like of shape (n_params,)
            Gradient to check.
        numeric : array-like of shape (n_params,)
            Central differences of the cost.
        rounding : float, default=None
            Error of the central differences that rounding of the cost leaves.
        tolerance : float, default=None
            Difference up to which a component is right; None takes 1e-5 of the
            largest component, or 1000 times `rounding` where that is more.
        ax : matplotlib Axes or pair of them, default=None
            Axes for the differences alone, or for the diagonal and the differences;
            None makes a figure of both.
        **line_kwargs : dict
            Passed to `matplotlib.axes.Axes.plot` for the components that are right.

        Returns
        -------
        GradientCheckDisplay
            The display, drawn.
        """
        analytic = _checked("analytic", analytic)
        numeric = _checked("numeric", numeric)
        if analytic.shape != numeric.shape:
            raise ValueError(
                f"analytic has {len(analytic)} components, but numeric has "
                f"{len(numeric)}."
            )
        for name, value in [("rounding", rounding), ("tolerance", tolerance)]:
            if value is not None and not SMALLEST <= as_float(value) <= LARGEST:
                raise ValueError(
                    f"{name}={value!r} must be positive, from {SMALLEST:g} to "
                    f"{LARGEST:g}."
                )
        display = cls(analytic, numeric, rounding=rounding, tolerance=tolerance)
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
        """Draw what `check_gradient` returned.

        Parameters
        ----------
        check : GradientCheck
            The check.
        tolerance : float, default=None
            Difference up to which a component is right; None takes 1e-5 of the
            largest component, or 1000 times the rounding error where that is more.
        ax : matplotlib Axes or pair of them, default=None
            Axes for the differences alone, or for the diagonal and the differences;
            None makes a figure of both.
        **line_kwargs : dict
            Passed to `matplotlib.axes.Axes.plot` for the components that are right.

        Returns
        -------
        GradientCheckDisplay
            The display, drawn.
        """
        return cls.from_data(
            check.analytic,
            check.numeric,
            # 0 for a cost of 0: no line at 0.
            rounding=check.rounding if (check.rounding or 0) >= SMALLEST else None,
            tolerance=tolerance,
            ax=ax,
            **line_kwargs,
        )

    def plot(self, ax: Any = None, **line_kwargs: Any) -> GradientCheckDisplay:
        """Draw both gradients, and their difference.

        Parameters
        ----------
        ax : matplotlib Axes or pair of them, default=None
            Axes for the differences alone, or for the diagonal and the differences;
            None makes a figure of both.
        **line_kwargs : dict
            Passed to `matplotlib.axes.Axes.plot` for the components that are right.

        Returns
        -------
        GradientCheckDisplay
            The display itself.
        """
        if ax is None:
            ax = new_axes(figsize=(9.5, 4), ncols=2, width_ratios=(4, 5))
        axes = np.ravel(ax)
        if len(axes) > 2:
            raise ValueError(f"ax has {len(axes)} Axes, expected one or two.")
        self.ax_ = axes[-1]
        self.figure_ = self.ax_.figure
        differences = np.abs(self.analytic - self.numeric)
        tolerance = self._tolerance()
        wrong = differences > tolerance
        self._draw_differences(differences, wrong, tolerance, line_kwargs)
        self.diagonal_ax_ = self.diagonal_lines_ = None
        if len(axes) == 2:
            self.diagonal_ax_ = axes[0]
            self._draw_diagonal(wrong, line_kwargs)
        return self

    def _tolerance(self) -> float:
        if self.tolerance is not None:
            return self.tolerance
        largest = float(np.abs([self.analytic, self.numeric]).max())
        return max(
            _SHARE_FORGIVEN * largest, _ROUNDINGS_FORGIVEN * (self.rounding or 0)
        )

    def _draw_differences(
        self,
        differences: np.ndarray,
        wrong: np.ndarray,
        tolerance: float,
        line_kwargs: dict[str, Any],
    ) -> None:
        ax = self.ax_
        ax.set(xlabel="Component", ylabel="|analytic - numeric|", yscale="log")
        count_in_integers(ax.xaxis)
        foot = max(_foot(differences, self.rounding, tolerance), SMALLEST)
        heights = np.maximum(differences, foot)
        known = [("tolerance", tolerance), ("rounding", self.rounding)]
        levels = [(name, level) for name, level in known if (level or 0) >= SMALLEST]
        drawn = [*heights, *(level for _, level in levels)]
        ax.set_ylim(min(drawn) / 3, max(drawn) * 3)
        self.lines_ = _plot(ax, np.arange(len(wrong)), heights, wrong, line_kwargs)
        self.levels_ = {
            name: ax.axhline(
                level, label=name, color="gray", linestyle=_STYLES[name], zorder=1
            )
            for name, level in levels
        }
        if levels:
            ax.legend(loc="best")
        ax.set_title(
            _verdict(differences, wrong),
            **({"color": "tab:red"} if wrong.any() else {}),
        )

    def _draw_diagonal(self, wrong: np.ndarray, line_kwargs: dict[str, Any]) -> None:
        ax = self.diagonal_ax_
        ax.axline((0, 0), slope=1, color="gray", linewidth=1, zorder=1)
        x, y = self.numeric, self.analytic
        self.diagonal_lines_ = _plot(ax, x, y, wrong, line_kwargs)
        low, high = np.min([x, y]), np.max([x, y])
        margin = 0.05 * (high - low) or max(1.0, 0.05 * abs(high))
        limits = low - margin, high + margin
        ax.set(xlabel="Numeric gradient", ylabel="Analytic gradient")
        ax.set(xlim=limits, ylim=limits, aspect="equal")


def _checked(name: str, values: Any) -> np.ndarray:
    values = drawable(name, values)
    if values.ndim != 1 or len(values) == 0:
        raise ValueError(f"{name} has shape {values.shape}, expected (n_params,).")
    return finite(name, values)


def _foot(differences: np.ndarray, rounding: float | None, tolerance: float) -> float:
    """Choose the lowest height: nothing has no logarithm, and next to it no meaning."""
    if rounding is not None:
        return rounding / 100
    if differences.any():
        return min(float(differences[differences > 0].min() / 10), tolerance / 100)
    return 1e-6 * tolerance or 1e-16


def _plot(
    ax: Any,
    x: np.ndarray,
    y: np.ndarray,
    wrong: np.ndarray,
    line_kwargs: dict[str, Any],
) -> list[Any]:
    """Draw what is right as dots, and what is wrong over them as crosses."""
    size = float(np.clip(40 / np.sqrt(len(x)), 2, 6))
    dots = {"linestyle": "none", "marker": "o", "markersize": size} | line_kwargs
    crosses = {"linestyle": "none", "marker": "X", "markersize": max(size, 5)}
    return [
        *ax.plot(x[~wrong], y[~wrong], **dots),
        *ax.plot(x[wrong], y[wrong], color="tab:red", **crosses),
    ]


def _verdict(differences: np.ndarray, wrong: np.ndarray) -> str:
    n_wrong, n_params = int(wrong.sum()), len(wrong)
    if n_wrong == 0:
        return f"All {n_params} components are right"
    worst = np.argsort(-differences, kind="stable")[: min(n_wrong, _N_NAMED)]
    named = ", ".join(str(i) for i in np.sort(worst))
    if n_wrong == 1:
        return f"1 of {n_params} components is wrong: {named}"
    most = ", most of all" if n_wrong > _N_NAMED else ""
    return f"{n_wrong} of {n_params} components are wrong{most}:\n{named}"
