"""How the cost fell."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from sknn3.display._axes import (
    SMALLEST,
    axes_for,
    count_in_integers,
    drawable,
    label_plainly,
)

# By this label the axes of the scores are found again.
_VALIDATION = "validation score"


class LossCurveDisplay:
    """Lowest cost so far after each pass over the data.

    Use :meth:`from_estimator` or :meth:`from_data` to make one, and draw others on its
    `ax_` to compare them.  Validation scores are dashed, in the colour of their curve
    and on a scale of their own, with a dot where the best was first reached.

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
        Axes of the validation scores, on the right; all curves on `ax_` share them.
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
        loss_curve = _checked("loss_curve", loss_curve)
        if validation_scores is not None:
            validation_scores = _checked("validation_scores", validation_scores)
            if len(validation_scores) != len(loss_curve):
                raise ValueError(
                    f"validation_scores has {len(validation_scores)} entries, but "
                    f"loss_curve has {len(loss_curve)}."
                )
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
        estimator : fitted network, or pipeline that ends in one
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
        network = estimator[-1] if isinstance(estimator, Pipeline) else estimator
        return cls.from_data(
            network.loss_curve_,
            validation_scores=getattr(network, "validation_scores_", None),
            name=type(network).__name__ if name is None else name,
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
        # One point makes no line.
        marker = {"marker": "o"} if len(passes) == 1 else {}
        options = {"label": self.name} | marker | line_kwargs
        (self.line_,) = self.ax_.plot(passes, self.loss_curve, **options)
        self.ax_.set(xlabel="Passes over the data", ylabel="Cost")
        count_in_integers(self.ax_.xaxis)
        if np.nanmax(self.loss_curve) >= SMALLEST:  # else there is no logarithm
            self.ax_.set_yscale("log")
            label_plainly(self.ax_.yaxis)
        self.validation_ax_ = self.validation_line_ = None
        if self.validation_scores is not None:
            self.validation_ax_ = _validation_axes(self.ax_) or _add_axes(self.ax_)
            (self.validation_line_,) = self.validation_ax_.plot(
                passes,
                self.validation_scores,
                color=self.line_.get_color(),
                linestyle="--",
                marker="o",
                markevery=[int(np.argmax(self.validation_scores))],
                label=_VALIDATION,
            )
        if self.line_.get_label() and not self.line_.get_label().startswith("_"):
            # With scores: between them, which rise, and the cost, which falls.
            has_scores = _validation_axes(self.ax_) is not None
            self.ax_.legend(loc="center right" if has_scores else "best")
        return self


def _checked(name: str, values: Any) -> Any:
    values = drawable(name, values)
    if values.ndim != 1 or len(values) == 0:
        raise ValueError(f"{name} has shape {values.shape}, expected one value a pass.")
    return values


def _validation_axes(ax: Any) -> Any:
    """Find the axes of scores that lie on these, if there are any."""
    place = ax.get_position(original=True).bounds
    for other in ax.figure.axes:
        if (
            other.get_label() == _VALIDATION
            and other.get_position(original=True).bounds == place
        ):
            return other
    return None


def _add_axes(ax: Any) -> Any:
    """Lay axes of scores under these: scores then do not cross the legend."""
    scores = ax.twinx()
    scores.set(label=_VALIDATION, ylabel="Validation score (dashed; dot: best)")
    scores.set(zorder=ax.get_zorder() - 1, facecolor=ax.get_facecolor())
    scores.patch.set_visible(True)
    ax.patch.set_visible(False)
    return scores
