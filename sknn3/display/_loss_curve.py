"""Loss curve of a fit, with validation scores."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from sknn3.display._axes import (
    Display,
    axes_for,
    fitted_network,
    use_integer_ticks,
    use_plain_log_scale,
)

# Label of the axes of scores.  A second display finds these axes by it.
_SCORES = "validation score"


@dataclass(eq=False, repr=False)
class LossCurveDisplay(Display):  # numpydoc ignore=PR02
    """Cost after each pass over the data.

    Use :meth:`from_estimator` or :meth:`from_data` to create a display.  To compare
    fits, plot their displays on the same axes.  The validation loss is dashed, and its
    dot is at the pass with the fitted weights.  It has no penalty, unlike the cost.
    Other scores, such as accuracies, have their own axis on the right.

    Parameters
    ----------
    loss_curve : array-like of shape (n_passes,)
        Cost after each pass.
    validation_scores : array-like of shape (n_passes,), default=None
        Score on held-out samples after each pass.  If no score is positive, scores are
        plotted as losses with the opposite sign.
    best : int, default=None
        Index of the score to mark with a dot; None marks the highest.
    name : str, default=None
        Label of the curve.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the loss curve.
    figure_ : matplotlib Figure
        Figure of the axes.
    line_ : matplotlib Line2D
        The loss curve.
    validation_ax_ : matplotlib Axes or None
        Axes of the validation scores, or `ax_` for losses.  Displays on the same `ax_`
        share these axes.
    validation_line_ : matplotlib Line2D or None
        The validation losses or scores.

    Examples
    --------
    >>> from sknn3.display import LossCurveDisplay
    >>> display = LossCurveDisplay.from_data([2.3, 1.1, 0.6], name="lbfgs")
    >>> display.line_.get_label()
    'lbfgs'
    """

    loss_curve: Any
    _: KW_ONLY
    validation_scores: Any = None
    best: int | None = None
    name: str | None = None

    @classmethod
    def from_data(
        cls,
        loss_curve: Any,
        *,
        validation_scores: Any = None,
        best: int | None = None,
        name: str | None = None,
        ax: Any = None,
        **line_kwargs: Any,
    ) -> LossCurveDisplay:
        """Plot costs and scores.

        Parameters
        ----------
        loss_curve : array-like of shape (n_passes,)
            Cost after each pass.
        validation_scores : array-like of shape (n_passes,), default=None
            Score on held-out samples after each pass.
        best : int, default=None
            Index of the score to mark with a dot; None marks the highest.
        name : str, default=None
            Label of the curve.
        ax : matplotlib Axes, default=None
            Axes to plot on; None creates a figure.
        **line_kwargs : dict
            Passed to `matplotlib.axes.Axes.plot` for the loss curve.

        Returns
        -------
        LossCurveDisplay
            The display.
        """
        display = cls(
            loss_curve, validation_scores=validation_scores, best=best, name=name
        )
        return display.plot(ax, **line_kwargs)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        name: str | None = None,
        ax: Any = None,
        **line_kwargs: Any,
    ) -> LossCurveDisplay:
        """Plot the loss curve of a fitted network, and its validation loss.

        Parameters
        ----------
        estimator : fitted network, or pipeline that ends in one
            A ThreeLayerNNClassifier, or another estimator with a `loss_curve_`.
            Without a `validation_loss_curve_`, the display shows `validation_scores_`,
            if there are any.  A dot marks the pass of `best_validation_score_`, if
            there is one, else the best pass.
        name : str, default=None
            Label of the curve; None for the name of the class.
        ax : matplotlib Axes, default=None
            As in `from_data`.
        **line_kwargs : dict
            As in `from_data`.

        Returns
        -------
        LossCurveDisplay
            The display.
        """
        network = fitted_network(estimator)
        scores: Any = getattr(network, "validation_scores_", None)
        losses: Any = getattr(network, "validation_loss_curve_", None)
        shown = scores if losses is None else np.negative(losses)
        best_score = getattr(network, "best_validation_score_", None)
        best = None
        if best_score is not None:
            # Of equal scores, networks keep the latest.  Its loss may be repeated.
            latest = np.flatnonzero(np.equal(scores, best_score))[-1]
            best = int(np.argmax(np.equal(shown, shown[latest])))
        return cls.from_data(
            network.loss_curve_,
            validation_scores=shown,
            best=best,
            name=type(network).__name__ if name is None else name,
            ax=ax,
            **line_kwargs,
        )

    def _plot(self, ax: Any, line_kwargs: dict[str, Any]) -> None:
        self.ax_ = ax = axes_for(ax)
        passes = np.arange(1, len(self.loss_curve) + 1)
        # A line through one point would be invisible.
        marker = "o" if len(passes) == 1 else None
        options = {"label": self.name, "marker": marker} | line_kwargs
        (self.line_,) = ax.plot(passes, self.loss_curve, **options)
        ax.set(xlabel="Passes over the data")
        if not ax.get_ylabel():  # another display may have set it
            ax.set_ylabel("Cost")
        use_integer_ticks(ax.xaxis)
        if np.greater(self.loss_curve, 0).any():
            use_plain_log_scale(ax)
        self.validation_ax_: Any = None
        self.validation_line_: Any = None
        if self.validation_scores is not None:
            self._plot_validation_scores(passes)
        if ax.get_legend_handles_labels()[1]:
            # Scores rise to the upper right and costs fall to the lower right.
            ax.legend(loc="best" if _find_score_axes(ax) is None else "center right")

    def _plot_validation_scores(self, passes: np.ndarray) -> None:
        """Plot losses on the axes of the costs, and other scores on their own."""
        shown, best = self.validation_scores, self.best
        if best is None:
            best = int(np.argmax(shown))
        if np.greater(shown, 0).any():
            self.validation_ax_ = _find_score_axes(self.ax_) or _score_axes(self.ax_)
        else:
            self.validation_ax_, shown = self.ax_, np.negative(shown)
            self.ax_.set(ylabel="Cost (dashed: validation loss; dot: best)")
        (self.validation_line_,) = self.validation_ax_.plot(
            passes, shown, "o--", color=self.line_.get_color(), markevery=[best]
        )


def _find_score_axes(ax: Any) -> Any:
    """Return the axes of scores that another display put on `ax`, or None."""
    for other in ax.figure.axes:
        if other.get_label() == _SCORES and other.bbox.bounds == ax.bbox.bounds:
            return other
    return None


def _score_axes(ax: Any) -> Any:
    """Return new axes of scores below `ax`, where scores do not cross its legend."""
    scores = ax.twinx()
    scores.set(label=_SCORES, ylabel="Validation score (dashed; dot: best)")
    scores.set(zorder=ax.get_zorder() - 1, facecolor=ax.get_facecolor())
    scores.patch.set_visible(True)
    ax.patch.set_visible(False)
    return scores
