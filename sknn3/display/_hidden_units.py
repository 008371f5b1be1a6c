"""What the hidden units look for."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, isqrt
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from sknn3.display._axes import (
    LOWEST_LINE,
    axes_for,
    count_in_integers,
    drawable,
    points,
    text_size,
)
from sknn3.display._images import as_images, mosaic, mosaic_size

# Characters of a feature's name, at most: the heat map needs room too.
_LONGEST_NAME = 40


class HiddenUnitsDisplay:
    """What each hidden unit looks for: its weights, as an image or in a heat map.

    Use :meth:`from_estimator` or :meth:`from_data` to make one.  Red weights excite
    the unit, blue ones inhibit it.  Images, for pixels, are scaled each by its largest
    weight, so that faint units show as well as strong ones.  The heat map, for tables,
    has a column for each unit, a row for each feature, and one scale for all.

    Parameters
    ----------
    weights : ndarray of shape (n_units, height, width) or (n_units, n_features)
        Weights of each unit, without its bias: as images, or for a heat map.
    feature_names : sequence of n_features str, default=None
        Names of the rows of the heat map; None numbers them.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        Its figure.
    im_ : matplotlib AxesImage
        The grid, one image; or the heat map.
    colorbar_ : matplotlib Colorbar or None
        The scale of the heat map.

    See Also
    --------
    ImageGridDisplay : The data itself.

    Notes
    -----
    Weights are drawn as they are, for features as they reach the network.  Behind a
    `StandardScaler` they are weights per standard deviation, and rows can be compared.
    Those of raw features in unlike units cannot: a weight per gram is a thousandth of
    the same weight per kilogram.  Multiply them by the deviations first:
    ``from_data(clf.theta1_[:, 1:] * np.std(X, axis=0), kind="heatmap")``.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn3.display import HiddenUnitsDisplay
    >>> display = HiddenUnitsDisplay.from_data(np.eye(4))
    >>> display.weights.shape
    (4, 2, 2)

    A table, with names:

    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import MinMaxScaler
    >>> from sknn3 import ThreeLayerNNClassifier
    >>> pipe = make_pipeline(MinMaxScaler(), ThreeLayerNNClassifier(3, random_state=0))
    >>> pipe = pipe.fit(*load_iris(return_X_y=True, as_frame=True))
    >>> display = HiddenUnitsDisplay.from_estimator(pipe)
    >>> display.weights.shape
    (3, 4)
    >>> display.feature_names[3]
    'petal width (cm)'
    """

    ax_: Any
    figure_: Any
    im_: Any
    colorbar_: Any

    def __init__(
        self, weights: np.ndarray, *, feature_names: Sequence[str] | None = None
    ) -> None:
        self.weights = weights
        self.feature_names = feature_names

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
        """Draw weights given as an array.

        Parameters
        ----------
        weights : array-like of shape (n_units, n_features)
            Weights of each unit, without biases: ``theta1[:, 1:]``.
        kind : {'auto', 'images', 'heatmap'}, default='auto'
            What to draw.  'auto' draws images if there is an `image_shape`, or if
            features have no names and their number is a square; else a heat map.
        image_shape : tuple of (height, width), default=None
            Shape of an image; None takes it for square.
        order : {'C', 'F'}, default='C'
            Whether features are pixels unrolled row by row or column by column.
        feature_names : sequence of n_features str, default=None
            Names of the rows of the heat map; None numbers them.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        **imshow_kwargs : dict
            Passed to `matplotlib.axes.Axes.imshow`.

        Returns
        -------
        HiddenUnitsDisplay
            The display, drawn.
        """
        weights = drawable("weights", weights)
        if weights.ndim != 2 or weights.size == 0:
            raise ValueError(
                f"weights has shape {weights.shape}, expected (n_units, n_features)."
            )
        if not np.isfinite(weights).all():
            raise ValueError("weights has values that are not finite.")
        if _are_images(weights.shape[1], kind, image_shape, feature_names):
            display = cls(as_images(weights, image_shape, order, name="weights"))
        else:
            names = _names(feature_names, weights.shape[1])
            display = cls(weights, feature_names=names)
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
        """Draw the first layer of a fitted network.

        Parameters
        ----------
        estimator : fitted network, or pipeline that ends in one
            A ThreeLayerNNClassifier, or anything with the `coefs_` of MLPClassifier.
        kind : {'auto', 'images', 'heatmap'}, default='auto'
            What to draw.  'auto' draws images if there is an `image_shape`, or if
            features have no names and their number is a square; else a heat map.
        image_shape : tuple of (height, width), default=None
            Shape of an image; None takes it for square.
        order : {'C', 'F'}, default='C'
            Whether features are pixels unrolled row by row or column by column.
        feature_names : sequence of n_features str, default=None
            Names of the rows of the heat map.  None takes those that the network was
            fitted with, or that the pipeline makes of those it was fitted with; where
            there are none, rows are numbered.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        **imshow_kwargs : dict
            Passed to `matplotlib.axes.Axes.imshow`.

        Returns
        -------
        HiddenUnitsDisplay
            The display, drawn.
        """
        check_is_fitted(estimator)
        network = estimator[-1] if isinstance(estimator, Pipeline) else estimator
        if feature_names is None and image_shape is None and kind != "images":
            feature_names = _names_from(network, estimator)
        return cls.from_data(
            network.coefs_[0].T,
            kind=kind,
            image_shape=image_shape,
            order=order,
            feature_names=feature_names,
            ax=ax,
            **imshow_kwargs,
        )

    def plot(self, ax: Any = None, **imshow_kwargs: Any) -> HiddenUnitsDisplay:
        """Draw the images, or the heat map.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        **imshow_kwargs : dict
            Passed to `matplotlib.axes.Axes.imshow`; `cmap` is 'RdBu_r' by default.

        Returns
        -------
        HiddenUnitsDisplay
            The display itself.
        """
        draw = self._draw_images if self.weights.ndim == 3 else self._draw_heat_map
        draw(ax, {"cmap": "RdBu_r"} | imshow_kwargs)
        return self

    def _draw_images(self, ax: Any, options: dict[str, Any]) -> None:
        largest = np.abs(self.weights).max(axis=(1, 2), keepdims=True)
        grid, _ = mosaic(self.weights / np.where(largest > 0, largest, 1))
        self.ax_ = axes_for(ax, mosaic_size(grid))
        self.figure_ = self.ax_.figure
        self.im_ = self.ax_.imshow(grid, **(_around_0(1.0, options) | options))
        self.colorbar_ = None
        self.ax_.set_axis_off()

    def _draw_heat_map(self, ax: Any, options: dict[str, Any]) -> None:
        n_units, n_features = self.weights.shape
        names = [_shortened(name) for name in self.feature_names or ()]
        self.ax_ = axes_for(ax, _heat_map_size(n_units, n_features, names))
        self.figure_ = self.ax_.figure
        largest = np.abs(self.weights).max() or 1.0
        # Colours between those of two cells would be weights that nobody has.
        cells = {"aspect": "auto", "interpolation": "nearest"}
        defaults = cells | _around_0(largest, options)
        self.im_ = self.ax_.imshow(self.weights.T, **(defaults | options))
        self.colorbar_ = self.figure_.colorbar(self.im_, ax=self.ax_, label="Weight")
        self.ax_.set_xlabel("Hidden unit")
        count_in_integers(self.ax_.xaxis)
        if names:
            _name_rows(self.ax_, names)
        else:
            self.ax_.set_ylabel("Feature")
            count_in_integers(self.ax_.yaxis)


def _around_0(largest: float, options: dict[str, Any]) -> dict[str, float]:
    """Limits of the colours, unless a norm of somebody's own sets them."""
    return {} if "norm" in options else {"vmin": -largest, "vmax": largest}


def _are_images(
    n_features: int,
    kind: str,
    image_shape: tuple[int, int] | None,
    feature_names: Any,
) -> bool:
    """Decide what to draw, and refuse what does not go with it."""
    if kind not in ("auto", "images", "heatmap"):
        raise ValueError(
            f"kind={kind!r} is unknown, expected 'auto', 'images' or 'heatmap'."
        )
    if kind == "auto":
        square = isqrt(n_features) ** 2 == n_features
        unnamed = feature_names is None and square
        kind = "images" if image_shape is not None or unnamed else "heatmap"
    if kind == "images" and feature_names is not None:
        raise ValueError("feature_names go with a heat map, not with images.")
    if kind == "heatmap" and image_shape is not None:
        raise ValueError("image_shape goes with images, not with a heat map.")
    return kind == "images"


def _names(feature_names: Any, n_features: int) -> list[str] | None:
    if feature_names is None:
        return None
    if len(feature_names) != n_features:
        raise ValueError(
            f"feature_names has {len(feature_names)} entries, but weights has "
            f"{n_features} features."
        )
    return [str(name) for name in feature_names]


def _names_from(network: Any, estimator: Any) -> Any:
    """Names of the network's features, or None."""
    if hasattr(network, "feature_names_in_"):
        return network.feature_names_in_
    if not hasattr(estimator, "feature_names_in_"):
        return None  # a pipeline would number its features
    try:
        return estimator[:-1].get_feature_names_out()
    except AttributeError:  # a step that does not say what it makes
        return None


def _heat_map_size(
    n_units: int, n_features: int, names: Sequence[str]
) -> tuple[float, float]:
    """Width and height, in inches, of a figure that fits a heat map."""
    longest = max(map(len, names), default=0)
    width = 1.5 + 0.08 * longest + np.clip(0.2 * n_units, 2.5, 8)
    return width, 1 + np.clip(0.19 * n_features, 2, 11)


def _name_rows(ax: Any, names: Sequence[str]) -> None:
    """Put a name beside each row, or each few where rows are too low for text."""
    row = points(ax)[1] / len(names)
    step = ceil(LOWEST_LINE / row)
    ax.set_yticks(
        range(0, len(names), step),
        names[::step],
        size=text_size(row * step),
        parse_math=False,
    )


def _shortened(name: str) -> str:
    """Cut the middle out of a long name: a prefix or an ending often tells most."""
    if len(name) <= _LONGEST_NAME:
        return name
    kept = (_LONGEST_NAME - 1) // 2
    return f"{name[:kept]}\u2026{name[-kept:]}"
