"""Grid of images: samples of the data, or predictions of a classifier."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from math import ceil, isqrt, sqrt
from numbers import Integral
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_scalar, shuffle
from sklearn.utils.validation import check_is_fitted

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
        rows, titles = _sample(X, titles, "titles", n_images, random_state)
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
        check_is_fitted(estimator)
        rows, true = _sample(X, y, "y", n_images, random_state)
        images = as_images(rows, image_shape, order)
        predicted = _as_labels(estimator.predict(rows), "The prediction")
        titles = [_as_title(label) for label in predicted]
        wrong = None
        if true is not None:
            if true.shape[1:] != predicted.shape[1:]:
                given, expected = (
                    f"{labels.shape[1]} labels" if labels.ndim == 2 else "one class"
                    for labels in (true, predicted)
                )
                raise ValueError(
                    f"y has {given} for each sample, but the estimator predicts "
                    f"{expected}."
                )
            wrong = (predicted != true).reshape(len(true), -1).any(axis=1)
            titles = [
                f"{title} ({_as_title(label)})" if is_wrong else title
                for title, label, is_wrong in zip(titles, true, wrong, strict=True)
            ]
        display = cls(images, titles=titles, highlight=wrong)
        return display.plot(ax, **imshow_kwargs)

    def _plot(self, ax: Any, imshow_kwargs: dict[str, Any]) -> None:
        n, height, width = self.images.shape
        titles = [] if self.titles is None else [str(title) for title in self.titles]
        highlight = [False] * n if self.highlight is None else self.highlight
        n_title_rows = max(height // 2, 1) if titles else 0
        grid, corners = mosaic(self.images, n_title_rows)
        self.ax_ = axes_for(ax, figsize=mosaic_size(grid))
        self.figure_ = self.ax_.figure
        self.im_ = self.ax_.imshow(grid, **({"cmap": "gray"} | imshow_kwargs))
        self.ax_.set_axis_off()
        tile_width = width * min(np.divide(axes_size(self.ax_), grid.shape[::-1]))
        n_characters = max(map(len, titles), default=0) or 1
        size = font_size(tile_width / n_characters / CHARACTER_WIDTH)
        self.text_ = [
            self.ax_.text(
                left + (width - 1) / 2,
                top - n_title_rows / 2,
                title,
                ha="center",
                va="center",
                size=size,
                parse_math=False,
                **({"color": "tab:red", "weight": "bold"} if highlighted else {}),
            )
            for (top, left), title, highlighted in zip(
                corners, titles, highlight, strict=False
            )
        ]


def as_images(
    X: Any, image_shape: tuple[int, int] | None, order: str, name: str = "X"
) -> np.ndarray:
    """Return the samples as images, shape (n, height, width)."""
    if order not in ("C", "F"):
        raise ValueError(f"order={order!r} is unknown, expected 'C' or 'F'.")
    X = check_values(X, name, 2, 3, finite=False)
    if X.ndim == 3:
        return X
    n_pixels = X.shape[1]
    if image_shape is None:
        image_shape = isqrt(n_pixels), isqrt(n_pixels)
    if np.shape(image_shape) != (2,) or np.prod(image_shape) != n_pixels:
        raise ValueError(
            f"{name} has {n_pixels} features, which do not fit "
            f"image_shape={image_shape!r}, expected (height, width)."
        )
    height, width = image_shape
    if order == "C":
        return X.reshape(-1, height, width)
    return X.reshape(-1, width, height).transpose(0, 2, 1)


def _sample(
    X: Any, labels: Any, name: str, n_images: int, random_state: Any
) -> tuple[Any, Any]:
    """Return random rows of X, and the labels of these rows or None."""
    check_scalar(n_images, "n_images", Integral, min_val=1)
    n = X.shape[0] if hasattr(X, "shape") else len(X)
    labels = None if labels is None else _as_labels(labels, name)
    if labels is not None and len(labels) != n:
        raise ValueError(f"{name} has {len(labels)} entries, but X has {n} samples.")
    n_samples = n_images if n_images < n else None  # None: all
    rows, chosen = shuffle(
        X, np.arange(n), n_samples=n_samples, random_state=random_state
    )
    return rows, None if labels is None else labels[chosen]


def _as_labels(labels: Any, name: str) -> np.ndarray:
    """Return labels of shape (n,) or (n, 1) as (n,), or an indicator matrix."""
    labels = labels.toarray() if issparse(labels) else np.asarray(labels)
    if labels.ndim == 2 and labels.shape[1] == 1:
        return labels[:, 0]
    if labels.ndim == 1 or (labels.ndim == 2 and np.isin(labels, (0, 1)).all()):
        return labels
    raise ValueError(
        f"{name} has shape {labels.shape}, expected (n,), (n, 1) or an indicator "
        "matrix of 0 and 1."
    )


def _as_title(label: Any) -> str:
    """Return a class, or the numbers of the labels in a row of an indicator matrix."""
    if np.ndim(label) == 0:
        return str(label)
    return ", ".join(str(number) for number in np.flatnonzero(label)) or "none"


def mosaic(
    images: np.ndarray, n_title_rows: int = 0
) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Return the images in one grid, and the top left corner of each image.

    Margins are NaN: one pixel, and `n_title_rows` more above each image.
    """
    n, height, width = images.shape
    n_columns = min(n, ceil(sqrt(n * (height + n_title_rows) / width)))
    row_step, column_step = height + n_title_rows + 1, width + 1
    grid = np.full(
        (ceil(n / n_columns) * row_step + 1, n_columns * column_step + 1), np.nan
    )
    corners = [
        (i // n_columns * row_step + n_title_rows + 1, i % n_columns * column_step + 1)
        for i in range(n)
    ]
    for image, (top, left) in zip(images, corners, strict=True):
        grid[top : top + height, left : left + width] = image
    return grid, corners


def mosaic_size(grid: np.ndarray) -> tuple[float, float]:
    """Return width and height of a figure for the grid, in inches."""
    height, width = grid.shape
    inches = 6 / max(height, width)
    return width * inches, height * inches
