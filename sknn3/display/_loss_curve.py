"""How the cost fell."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sknn3.display._axes import axes_for


class LossCurveDisplay:
    """Lowest cost so far after each pass over the data.

    Use :meth:`from_estimator` or :meth:`from_data` to make one.

    Parameters
    ----------
    loss_curve : array-like of shape (n_passes,)
        Cost after each pass.
    validation_scores : array-like of shape (n_passes,), default=None
        Score on held-out samples after each pass.
    name : str, default=None
        Label of the curve.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        Its figure.
    line_ : matplotlib Line2D
        The loss curve.
    validation_ax_ : matplotlib Axes or None
        Axes of the validation scores, on the right.
    validation_line_ : matplotlib Line2D or None
        The validation scores.

    Examples
    --------
    >>> from sknn3.display import LossCurveDisplay
    >>> display = LossCurveDisplay.from_data([2.3, 1.1, 0.6], name="lbfgs")
    >>> display.line_.get_label()
    'lbfgs'
    """

    ax_: Any
    figure_: Any
    line_: Any
    validation_ax_: Any
    validation_line_: Any

    def __init__(
        self,
        loss_curve: Any,
        *,
        validation_scores: Any = None,
        name: str | None = None,
    ) -> None:
        self.loss_curve = loss_curve
        self.validation_scores = validation_scores
        self.name = name

    @classmethod
    def from_data(
        cls,
        loss_curve: Any,
        *,
        validation_scores: Any = None,
        name: str | None = None,
        ax: Any = None,
        **line_kwargs: Any,
    ) -> LossCurveDisplay:
        """Draw a curve given as numbers.

        Parameters
        ----------
        loss_curve : array-like of shape (n_passes,)
            Cost after each pass.
        validation_scores : array-like of shape (n_passes,), default=None
            Score on held-out samples after each pass.
        name : str, default=None
            Label of the curve.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        **line_kwargs : dict
            Passed to `matplotlib.axes.Axes.plot` for the loss curve.

        Returns
        -------
        LossCurveDisplay
            The display, drawn.
        """
        display = cls(loss_curve, validation_scores=validation_scores, name=name)
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
        """Draw the curve of a fitted network.

        Parameters
        ----------
        estimator : fitted network
            A ThreeLayerNNClassifier, or anything with a `loss_curve_`.
        name : str, default=None
            Label of the curve; None takes the name of the class.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        **line_kwargs : dict
            Passed to `matplotlib.axes.Axes.plot` for the loss curve.

        Returns
        -------
        LossCurveDisplay
            The display, drawn.
        """
        check_is_fitted(estimator)
        return cls.from_data(
            estimator.loss_curve_,
            validation_scores=getattr(estimator, "validation_scores_", None),
            name=type(estimator).__name__ if name is None else name,
            ax=ax,
            **line_kwargs,
        )

    def plot(self, ax: Any = None, **line_kwargs: Any) -> LossCurveDisplay:
        """Draw the curve, and the validation scores where there are any.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        **line_kwargs : dict
            Passed to `matplotlib.axes.Axes.plot` for the loss curve.

        Returns
        -------
        LossCurveDisplay
            The display itself.
        """
        passes = np.arange(1, len(self.loss_curve) + 1)
        self.ax_ = axes_for(ax)
        self.figure_ = self.ax_.figure
        options = {"label": self.name} | line_kwargs
        (self.line_,) = self.ax_.plot(passes, self.loss_curve, **options)
        self.ax_.set(xlabel="Passes over the data", ylabel="Cost", yscale="log")
        self.validation_ax_ = self.validation_line_ = None
        if self.validation_scores is not None:
            self.validation_ax_ = self.ax_.twinx()
            (self.validation_line_,) = self.validation_ax_.plot(
                passes,
                self.validation_scores,
                color=self.line_.get_color(),
                linestyle="--",
                label="validation score",
            )
            self.validation_ax_.set_ylabel("Validation score (dashed)")
        if self.line_.get_label() and not self.line_.get_label().startswith("_"):
            # With scores: between them, which rise, and the cost, which falls.
            self.ax_.legend(
                loc="best" if self.validation_ax_ is None else "center right"
            )
        return self
