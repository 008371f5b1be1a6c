"""Effects of the features on the probability of a class."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils import check_scalar

from sknn3.display._axes import (
    Display,
    axes_for,
    check_names,
    check_values,
    fitted_names,
    fitted_network,
    name_rows,
)


@dataclass(eq=False, repr=False)
class FeatureEffectsDisplay(Display):  # numpydoc ignore=PR02
    """Mean and spread of the effect of each feature on a prediction.

    Use :meth:`from_estimator` or :meth:`from_data` to create a display.  The effect of
    a feature at a sample is a derivative by the feature: of a class's probability, or
    of a class's output before activation.  A dot is the mean over the samples, and a
    line contains 90% of the effects, from the 5th to the 95th percentile.  Features are
    sorted by mean absolute effect.

    Parameters
    ----------
    effects : ndarray of shape (n_samples, n_features)
        Effect of each feature at each sample.
    feature_names : sequence of n_features str, default=None
        Names of the features; None for x0, x1 and so on.
    max_features : int, default=20
        Number of features to plot, with the largest effects; None plots all.
    name : str, default=None
        Label of the axis of effects.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the effects.
    figure_ : matplotlib Figure
        Figure of the axes.
    features_ : ndarray of shape (n_plotted,)
        Indices of the plotted features, from top to bottom.
    line_ : matplotlib Line2D
        The mean effects.
    ranges_ : matplotlib LineCollection
        The ranges of 90% of the effects.

    See Also
    --------
    sklearn.inspection.permutation_importance : The loss of accuracy without a feature.
    sklearn.inspection.PartialDependenceDisplay : The mean prediction for each value of
        a feature.

    Notes
    -----
    A derivative is the effect of a small change.  It says little about a feature that
    jumps, such as an indicator of a category.  The derivative of a probability near 0
    or 1 is small.  If an effect changes its sign, its mean may be near 0, and its line
    is long.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sknn3 import ThreeLayerNNClassifier
    >>> from sknn3.display import FeatureEffectsDisplay
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> pipe = make_pipeline(StandardScaler(), ThreeLayerNNClassifier(random_state=0))
    >>> pipe = pipe.fit(X, y)
    >>> display = FeatureEffectsDisplay.from_estimator(pipe, X, target=2)
    >>> display.feature_names[display.features_[0]]
    'petal length (cm)'
    """

    effects: np.ndarray
    _: KW_ONLY
    feature_names: Any = None
    max_features: int | None = 20
    name: str | None = None

    @classmethod
    def from_data(
        cls,
        effects: Any,
        *,
        feature_names: Any = None,
        max_features: int | None = 20,
        name: str | None = None,
        ax: Any = None,
        **line_kwargs: Any,
    ) -> FeatureEffectsDisplay:
        """Plot an array of effects, or of other values of features at samples.

        Parameters
        ----------
        effects : array-like of shape (n_samples, n_features)
            Effect of each feature at each sample, for example derivatives of the
            decision function or SHAP values.
        feature_names : sequence of n_features str, default=None
            Names of the features; None for x0, x1 and so on.
        max_features : int, default=20
            Number of features to plot; None plots all.
        name : str, default=None
            Label of the axis of effects.
        ax : matplotlib Axes, default=None
            Axes to plot on; None creates a figure.
        **line_kwargs : dict
            Passed to `matplotlib.axes.Axes.plot` for the means.

        Returns
        -------
        FeatureEffectsDisplay
            The display.
        """
        effects = check_values(effects, "effects", 2)
        feature_names = check_names(feature_names, effects.shape[1])
        if max_features is not None:
            check_scalar(max_features, "max_features", Integral, min_val=1)
        display = cls(
            effects, feature_names=feature_names, max_features=max_features, name=name
        )
        return display.plot(ax, **line_kwargs)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        target: Any = None,
        response_method: str = "predict_proba",
        per_std: bool = True,
        feature_names: Any = None,
        max_features: int | None = 20,
        ax: Any = None,
        **line_kwargs: Any,
    ) -> FeatureEffectsDisplay:
        """Plot derivatives of the probability or the output of a class.

        Parameters
        ----------
        estimator : fitted network, or pipeline that ends in one
            A ThreeLayerNNClassifier or ThreeLayerNNClassifierCV.  In a pipeline, the
            features are the result of the steps before the network.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples at which to compute the derivatives: some hundreds are enough.
        target : class, default=None
            The class, or the number of the label, to explain.  For two classes, None is
            ``classes_[1]``.
        response_method : {'predict_proba', 'decision_function'}, \
                default='predict_proba'
            What to differentiate: the probability, or the output before activation.
            Derivatives of the output are not small for probabilities near 0 or 1.
        per_std : bool, default=True
            Whether to multiply each derivative by the feature's standard deviation in
            X, so that features in different units can be compared.
        feature_names : sequence of n_features str, default=None
            Names of the network's features; None for the names that the network was
            fitted with, or that the pipeline derives from its input.
        max_features : int, default=20
            Number of features to plot; None plots all.
        ax : matplotlib Axes, default=None
            Axes to plot on; None creates a figure.
        **line_kwargs : dict
            Passed to `matplotlib.axes.Axes.plot` for the means.

        Returns
        -------
        FeatureEffectsDisplay
            The display.
        """
        network = fitted_network(estimator)
        if network is not estimator and len(estimator) > 1:
            X = estimator[:-1].transform(X)
        if feature_names is None:
            feature_names = fitted_names(estimator)
        index = _class_index(network, target)
        gradients = np.asarray(
            network.input_gradients(X, response_method=response_method)
        )
        if gradients.ndim == 3:
            effects = gradients[:, index, :]
        else:  # two classes: the output of the second
            effects = gradients if index == len(network.classes_) - 1 else -gradients
        result = "P({})"
        if response_method == "decision_function":
            result = "the decision function of {}"
        label = str(network.classes_[index]).replace("$", r"\$")  # no mathtext
        name = f"Derivative of {result.format(label)}"
        if per_std:
            effects = effects * check_values(X, "X", 2).std(axis=0)
            name += " per standard deviation"
        return cls.from_data(
            effects,
            feature_names=feature_names,
            max_features=max_features,
            name=name,
            ax=ax,
            **line_kwargs,
        )

    def _plot(self, ax: Any, line_kwargs: dict[str, Any]) -> None:
        size = np.abs(self.effects).mean(axis=0)
        self.features_ = np.argsort(-size, kind="stable")[: self.max_features]
        effects = self.effects[:, self.features_]
        names = self.feature_names
        shown = [f"x{i}" if names is None else names[i] for i in self.features_]
        width = 5 + 0.08 * max(map(len, shown))
        height = 1 + np.clip(0.25 * len(shown), 1, 11)
        self.ax_ = ax = axes_for(ax, figsize=(width, height))
        rows = np.arange(len(shown))
        ax.axvline(0, color="gray", linewidth=1, zorder=1)
        options = {"linestyle": "none", "marker": "o"} | line_kwargs
        (self.line_,) = ax.plot(effects.mean(axis=0), rows, **options)
        low, high = np.percentile(effects, [5, 95], axis=0)
        self.ranges_ = ax.hlines(
            rows, low, high, color=self.line_.get_color(), linewidth=3, alpha=0.5
        )
        ax.set(ylim=(len(shown) - 0.5, -0.5), xlabel=self.name or "Effect")
        name_rows(ax, shown)


def _class_index(network: Any, target: Any) -> int:
    """Return the index of the class; None is the second of two classes."""
    classes = network.classes_.tolist()
    if target is None and len(classes) < 3 and not network.multilabel_:
        return len(classes) - 1
    if target not in classes:
        raise ValueError(f"target={target!r}, expected one of the classes {classes}.")
    return int(classes.index(target))
