"""Weights of the hidden units: as images, or in a heat map."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from math import isqrt
from typing import Any

import numpy as np

from sknn3.display._axes import (
    Display,
    axes_for,
    check_names,
    check_values,
    fitted_names,
    fitted_network,
    name_rows,
    use_integer_ticks,
)
from sknn3.display._images import as_images, plot_mosaic


@dataclass(eq=False, repr=False)
class HiddenUnitsDisplay(Display):  # numpydoc ignore=PR02
    """Weights of each hidden unit, as an image or in a heat map.

    Use :meth:`from_estimator` or :meth:`from_data` to create a display.  Positive
    weights are red and negative weights are blue.  Images are for pixels: each image
    is scaled by the largest weight of its unit.  The heat map is for tables: it has a
    column for each unit, a row for each feature, and one scale for all weights.

    Parameters
    ----------
    weights : ndarray of shape (n_units, height, width) or (n_units, n_features)
        Weights without biases, as images or for a heat map.
    feature_names : sequence of n_features str, default=None
        Names of the rows of the heat map; None for numbers.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the images or the heat map.
    figure_ : matplotlib Figure
        Figure of the axes.
    im_ : matplotlib AxesImage
        All images in one grid, or the heat map.
    colorbar_ : matplotlib Colorbar or None
        The scale of the heat map.

    Notes
    -----
    Weights belong to features as the network receives them.  After a `StandardScaler`
    they are weights per standard deviation, and rows can be compared.  Weights of raw
    features depend on the units of the features.  To compare them, multiply them by
    the standard deviations:
    ``from_data(clf.theta1_[:, 1:] * np.std(X, axis=0), kind="heatmap")``.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn3.display import HiddenUnitsDisplay
    >>> display = HiddenUnitsDisplay.from_data(np.eye(4))
    >>> display.weights.shape
    (4, 2, 2)
    """

    weights: np.ndarray
    _: KW_ONLY
    feature_names: Any = None

    @classmethod
    def from_data(
        cls,
        weights: Any,
        *,
        kind: str = "auto",
        image_shape: tuple[int, int] | None = None,
        order: str = "C",
        feature_names: Any = None,
        ax: Any = None,
        **imshow_kwargs: Any,
    ) -> HiddenUnitsDisplay:
        """Plot an array of weights.

        Parameters
        ----------
        weights : array-like of shape (n_units, n_features)
            Weights of each unit, without biases: ``theta1[:, 1:]``.
        kind : {'auto', 'images', 'heatmap'}, default='auto'
            'auto' plots images if `image_shape` is given, or if the number of features
            is a square and features have no names.  Otherwise it plots a heat map.
        image_shape : tuple of (height, width), default=None
            Shape of the images; None for square images.
        order : {'C', 'F'}, default='C'
            Pixels are features row by row ('C') or column by column ('F').
        feature_names : sequence of n_features str, default=None
            Names of the rows of the heat map; None for numbers.
        ax : matplotlib Axes, default=None
            Axes to plot on; None creates a figure.
        **imshow_kwargs : dict
            Passed to `matplotlib.axes.Axes.imshow`.

        Returns
        -------
        HiddenUnitsDisplay
            The display.
        """
        weights = check_values(weights, "weights", 2)
        n_features = weights.shape[1]
        if kind == "auto":
            is_square = isqrt(n_features) ** 2 == n_features
            is_image = image_shape is not None or (feature_names is None and is_square)
            kind = "images" if is_image else "heatmap"
        if kind == "images":
            display = cls(as_images(weights, image_shape, order))
        elif kind == "heatmap":
            display = cls(weights, feature_names=check_names(feature_names, n_features))
        else:
            raise ValueError(
                f"kind={kind!r} is unknown, expected 'auto', 'images' or 'heatmap'."
            )
        return display.plot(ax, **imshow_kwargs)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        kind: str = "auto",
        image_shape: tuple[int, int] | None = None,
        order: str = "C",
        feature_names: Any = None,
        ax: Any = None,
        **imshow_kwargs: Any,
    ) -> HiddenUnitsDisplay:
        """Plot the first layer of a fitted network.

        Parameters
        ----------
        estimator : fitted network, or pipeline that ends in one
            A ThreeLayerNNClassifier, or another estimator with `coefs_`.
        kind : {'auto', 'images', 'heatmap'}, default='auto'
            As in `from_data`.
        image_shape : tuple of (height, width), default=None
            As in `from_data`.
        order : {'C', 'F'}, default='C'
            As in `from_data`.
        feature_names : sequence of n_features str, default=None
            Names of the rows of the heat map; None for the names that the network was
            fitted with, or that the pipeline derives from its input.
        ax : matplotlib Axes, default=None
            Axes to plot on; None creates a figure.
        **imshow_kwargs : dict
            Passed to `matplotlib.axes.Axes.imshow`.

        Returns
        -------
        HiddenUnitsDisplay
            The display.
        """
        if feature_names is None:
            feature_names = fitted_names(estimator)
        return cls.from_data(
            fitted_network(estimator).coefs_[0].T,
            kind=kind,
            image_shape=image_shape,
            order=order,
            feature_names=feature_names,
            ax=ax,
            **imshow_kwargs,
        )

    def _plot(self, ax: Any, imshow_kwargs: dict[str, Any]) -> None:
        if self.weights.ndim == 3:
            self._plot_images(ax, imshow_kwargs)
        else:
            self._plot_heat_map(ax, imshow_kwargs)

    def _plot_images(self, ax: Any, imshow_kwargs: dict[str, Any]) -> None:
        """Plot one image for each unit."""
        largest = np.abs(self.weights).max(axis=(1, 2), keepdims=True)
        scaled = self.weights / np.where(largest > 0, largest, 1)
        self.im_, _ = plot_mosaic(scaled, ax, **_color_options(1, imshow_kwargs))
        self.ax_, self.colorbar_ = self.im_.axes, None

    def _plot_heat_map(self, ax: Any, imshow_kwargs: dict[str, Any]) -> None:
        """Plot one column for each unit and one row for each feature."""
        n_units, n_features = self.weights.shape
        names = self.feature_names
        longest = max(map(len, names or [""]))
        width = 1.5 + 0.08 * longest + np.clip(0.2 * n_units, 2.5, 8)
        height = 1 + np.clip(0.19 * n_features, 2, 11)
        self.ax_ = ax = axes_for(ax, figsize=(width, height))
        # Interpolated colours would be weights that do not exist.
        options = {"aspect": "auto", "interpolation": "nearest"}
        options |= _color_options(np.abs(self.weights).max() or 1, imshow_kwargs)
        self.im_ = ax.imshow(self.weights.T, **options)
        self.colorbar_ = ax.figure.colorbar(self.im_, ax=ax, label="Weight")
        ax.set_xlabel("Hidden unit")
        use_integer_ticks(ax.xaxis)
        if names:
            name_rows(ax, names)
        else:
            ax.set_ylabel("Feature")
            use_integer_ticks(ax.yaxis)


def _color_options(limit: float, imshow_kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return options for colours that diverge from 0; a given norm is kept."""
    limits = {} if "norm" in imshow_kwargs else {"vmin": -limit, "vmax": limit}
    return {"cmap": "RdBu_r"} | limits | imshow_kwargs
