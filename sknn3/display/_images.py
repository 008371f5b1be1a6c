"""Grid of images: samples of the data, or predictions of a classifier."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from math import ceil, isqrt, sqrt
from numbers import Integral
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_scalar, shuffle

from sknn3.display._axes import (
    CHARACTER_WIDTH,
    Display,
    axes_for,
    axes_size,
    check_values,
    font_size,
)


@dataclass(eq=False, repr=False)
class ImageGridDisplay(Display):  # numpydoc ignore=PR02
    """Images in a grid, with titles.

    Use :meth:`from_data` or :meth:`from_estimator` to create a display.

    Parameters
    ----------
    images : ndarray of shape (n, height, width)
        The images.
    titles : sequence of length n, default=None
        Titles of the images.
    highlight : ndarray of shape (n,) of bool, default=None
        Whether the title of an image is bold and red.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes of the grid.
    figure_ : matplotlib Figure
        Figure of the axes.
    im_ : matplotlib AxesImage
        The whole grid.  Margins are NaN, which matplotlib leaves transparent.
    text_ : list of matplotlib Text
        The titles.

    Examples
    --------
    >>> from sknn3.datasets import load_digits20
    >>> from sknn3.display import ImageGridDisplay
    >>> digits = load_digits20()
    >>> display = ImageGridDisplay.from_data(digits.images, random_state=0)
    >>> display.im_.get_array().shape
    (211, 211)
    """

    images: np.ndarray
    _: KW_ONLY
    titles: Any = None
    highlight: Any = None

    @classmethod
    def from_data(
        cls,
        X: Any,
        *,
        titles: Any = None,
        n_images: int = 100,
        image_shape: tuple[int, int] | None = None,
        order: str = "C",
        random_state: Any = None,
        ax: Any = None,
        **imshow_kwargs: Any,
    ) -> ImageGridDisplay:
        """Plot a random sample of images.

        Parameters
        ----------
        X : array-like of shape (n, height, width) or (n, height * width)
            Images, or their pixels as features.
        titles : sequence of length n, default=None
            Titles of the images, for example their classes, in the shape of y in
            `from_estimator`.
        n_images : int, default=100
            Number of images to plot; all if there are fewer.
        image_shape : tuple of (height, width), default=None
            Shape of the images if pixels are features; None for square images.
        order : {'C', 'F'}, default='C'
            Pixels are features row by row ('C') or column by column ('F').
        random_state : int, RandomState instance or None, default=None
            Determines which images are plotted.
        ax : matplotlib Axes, default=None
            Axes to plot on; None creates a figure.
        **imshow_kwargs : dict
            Passed to `matplotlib.axes.Axes.imshow`.

        Returns
        -------
        ImageGridDisplay
            The display.
        """
        rows, titles = _sample(X, titles, n_images, random_state)
        images = as_images(rows, image_shape, order)
        if titles is not None:
            titles = [_as_title(title) for title in titles]
        return cls(images, titles=titles).plot(ax, **imshow_kwargs)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any = None,
        *,
        n_images: int = 25,
        image_shape: tuple[int, int] | None = None,
        order: str = "C",
        random_state: Any = None,
        ax: Any = None,
        **imshow_kwargs: Any,
    ) -> ImageGridDisplay:
        """Plot a random sample of images with their predicted classes.

        Parameters
        ----------
        estimator : fitted classifier
            Any classifier, or a pipeline that ends in one.
        X : array-like or sparse matrix of shape (n, height * width)
            Pixels as features.
        y : array-like of shape (n,), (n, 1) or (n, n_labels), default=None
            True classes, or an indicator matrix of 0 and 1 for multilabel targets.
            Titles of multilabel targets are the numbers of the labels.  The title of a
            wrong prediction is "predicted (true)".
        n_images : int, default=25
            As in `from_data`.
        image_shape : tuple of (height, width), default=None
            As in `from_data`.
        order : {'C', 'F'}, default='C'
            As in `from_data`.
        random_state : int, RandomState instance or None, default=None
            As in `from_data`.
        ax : matplotlib Axes, default=None
            Axes to plot on; None creates a figure.
        **imshow_kwargs : dict
            Passed to `matplotlib.axes.Axes.imshow`.

        Returns
        -------
        ImageGridDisplay
            The display.
        """
        rows, true = _sample(X, y, n_images, random_state)
        images = as_images(rows, image_shape, order)
        predicted = _as_labels(estimator.predict(rows))
        titles = [_as_title(label) for label in predicted]
        wrong = None
        if true is not None:
            if true.shape != predicted.shape:
                raise ValueError(
                    f"y of {len(true)} samples has shape {true.shape}, but their "
                    f"predictions have shape {predicted.shape}."
                )
            wrong = (true != predicted).reshape(len(true), -1).any(axis=1)
            for i in np.flatnonzero(wrong):
                titles[i] += f" ({_as_title(true[i])})"
        return cls(images, titles=titles, highlight=wrong).plot(ax, **imshow_kwargs)

    def _plot(self, ax: Any, imshow_kwargs: dict[str, Any]) -> None:
        _, height, width = self.images.shape
        titles = [] if self.titles is None else [str(title) for title in self.titles]
        title_height = max(height // 2, 1) if titles else 0
        options = {"cmap": "gray"} | imshow_kwargs
        self.im_, corners = plot_mosaic(self.images, ax, title_height, **options)
        self.ax_ = ax = self.im_.axes
        grid_height, grid_width = self.im_.get_size()
        points_per_pixel = min(np.divide(axes_size(ax), (grid_width, grid_height)))
        characters = max([1, *map(len, titles)]) * CHARACTER_WIDTH
        size = font_size(points_per_pixel * width / characters)
        style = {"ha": "center", "va": "center", "size": size, "parse_math": False}
        self.text_ = [
            ax.text(left + (width - 1) / 2, top - title_height / 2, title, **style)
            for title, (top, left) in zip(titles, corners, strict=False)
        ]
        if self.highlight is not None:
            for i in np.flatnonzero(self.highlight):
                self.text_[i].set(color="tab:red", weight="bold")


def as_images(X: Any, image_shape: tuple[int, int] | None, order: Any) -> np.ndarray:
    """Return the samples as images, shape (n, height, width)."""
    X = check_values(X, "X", 2, 3)
    if X.ndim == 3:
        return X
    n_pixels = X.shape[1]
    if image_shape is None:
        image_shape = isqrt(n_pixels), isqrt(n_pixels)
    if np.shape(image_shape) != (2,) or np.prod(image_shape) != n_pixels:
        raise ValueError(
            f"image_shape={image_shape!r} does not fit {n_pixels} features, expected "
            "(height, width)."
        )
    return np.stack([pixels.reshape(image_shape, order=order) for pixels in X])


def _sample(X: Any, labels: Any, n_images: int, random_state: Any) -> tuple[Any, Any]:
    """Return random rows of X, and the labels of these rows or None."""
    n = X.shape[0] if hasattr(X, "shape") else len(X)
    check_scalar(n_images, "n_images", Integral, min_val=1)
    n_samples = n_images if n_images < n else None  # None: all
    options = {"n_samples": n_samples, "random_state": random_state}
    if labels is None:
        return shuffle(X, **options), None
    rows, labels = shuffle(X, _as_labels(labels), **options)
    return rows, labels


def _as_labels(labels: Any) -> np.ndarray:
    """Return labels as an array; a column, shape (n, 1), as an array of shape (n,)."""
    labels = labels.toarray() if issparse(labels) else np.asarray(labels)
    return labels[:, 0] if labels.shape[1:] == (1,) else labels


def _as_title(label: Any) -> str:
    """Return a class, or the numbers of the labels in a row of an indicator matrix."""
    if np.ndim(label) == 0:
        return str(label)
    return ", ".join(str(number) for number in np.flatnonzero(label)) or "none"


def plot_mosaic(
    images: np.ndarray, ax: Any, title_height: int = 0, **imshow_kwargs: Any
) -> tuple[Any, list[tuple[int, int]]]:
    """Plot one grid of images; return it, and the top left corner of each image.

    Margins are NaN: one pixel, and `title_height` more above each image.
    """
    n, height, width = images.shape
    row_step, column_step = height + title_height + 1, width + 1
    n_columns = min(n, ceil(sqrt(n * (row_step - 1) / width)))
    n_rows = ceil(n / n_columns)
    grid = np.full((n_rows * row_step + 1, n_columns * column_step + 1), np.nan)
    corners = []
    for i, image in enumerate(images):
        row, column = divmod(i, n_columns)
        top, left = row * row_step + title_height + 1, column * column_step + 1
        grid[top : top + height, left : left + width] = image
        corners.append((top, left))
    inches = 6 * np.divide(grid.shape, max(grid.shape))
    ax = axes_for(ax, figsize=inches[::-1])
    ax.set_axis_off()
    return ax.imshow(grid, **imshow_kwargs), corners
