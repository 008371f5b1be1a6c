"""What the hidden units look for."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sknn3.display._axes import axes_for
from sknn3.display._images import as_images, mosaic, mosaic_size


class HiddenUnitsDisplay:
    """What each hidden unit looks for: its weights as an image.

    Use :meth:`from_estimator` or :meth:`from_data` to make one.  Each image is
    scaled by its largest weight, so that faint units show as well as strong ones:
    red pixels excite the unit, blue ones inhibit it.

    Parameters
    ----------
    weights : ndarray of shape (n_units, height, width)
        Weights of each unit, without its bias.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        Its figure.
    im_ : matplotlib AxesImage
        The grid, one image.

    See Also
    --------
    ImageGridDisplay : The data itself.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn3.display import HiddenUnitsDisplay
    >>> display = HiddenUnitsDisplay.from_data(np.eye(4))
    >>> display.weights.shape
    (4, 2, 2)
    """

    ax_: Any
    figure_: Any
    im_: Any

    def __init__(self, weights: np.ndarray) -> None:
        self.weights = weights

    @classmethod
    def from_data(
        cls,
        weights: Any,
        *,
        image_shape: tuple[int, int] | None = None,
        order: str = "C",
        ax: Any = None,
        **imshow_kwargs: Any,
    ) -> HiddenUnitsDisplay:
        """Draw weights given as an array.

        Parameters
        ----------
        weights : array-like of shape (n_units, n_features)
            Weights of each unit, without biases: ``theta1[:, 1:]``.
        image_shape : tuple of (height, width), default=None
            Shape of an image; None takes it for square.
        order : {'C', 'F'}, default='C'
            Whether features are pixels unrolled row by row or column by column.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        **imshow_kwargs : dict
            Passed to `matplotlib.axes.Axes.imshow`.

        Returns
        -------
        HiddenUnitsDisplay
            The display, drawn.
        """
        return cls(as_images(weights, image_shape, order)).plot(ax, **imshow_kwargs)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        image_shape: tuple[int, int] | None = None,
        order: str = "C",
        ax: Any = None,
        **imshow_kwargs: Any,
    ) -> HiddenUnitsDisplay:
        """Draw the first layer of a fitted network.

        Parameters
        ----------
        estimator : fitted network
            A ThreeLayerNNClassifier, or anything with the `coefs_` of MLPClassifier.
        image_shape : tuple of (height, width), default=None
            Shape of an image; None takes it for square.
        order : {'C', 'F'}, default='C'
            Whether features are pixels unrolled row by row or column by column.
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
        return cls.from_data(
            estimator.coefs_[0].T,
            image_shape=image_shape,
            order=order,
            ax=ax,
            **imshow_kwargs,
        )

    def plot(self, ax: Any = None, **imshow_kwargs: Any) -> HiddenUnitsDisplay:
        """Draw the grid.

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
        largest = np.abs(self.weights).max(axis=(1, 2), keepdims=True)
        scaled = self.weights / np.where(largest > 0, largest, 1)
        grid, _ = mosaic(scaled)
        self.ax_ = axes_for(ax, mosaic_size(grid))
        self.figure_ = self.ax_.figure
        options = {"cmap": "RdBu_r", "vmin": -1, "vmax": 1} | imshow_kwargs
        self.im_ = self.ax_.imshow(grid, **options)
        self.ax_.set_axis_off()
        return self
