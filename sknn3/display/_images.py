"""Images side by side: the data, and what a classifier takes it for."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import _safe_indexing, check_random_state
from sklearn.utils.validation import _num_samples, check_is_fitted

from sknn3.display._axes import axes_for, drawable, points, text_size


class ImageGridDisplay:
    """A grid of images, for a look at the data.

    Use :meth:`from_data` or :meth:`from_estimator` to make one.

    Parameters
    ----------
    images : ndarray of shape (n, height, width)
        The images.
    titles : sequence of n str, default=None
        A line of text above each image.
    highlight : ndarray of shape (n,) of bool, default=None
        Images whose titles stand out.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes drawn on.
    figure_ : matplotlib Figure
        Its figure.
    im_ : matplotlib AxesImage
        The grid, one image.
    text_ : list of matplotlib Text
        The titles.

    See Also
    --------
    HiddenUnitsDisplay : What the hidden units look for.

    Examples
    --------
    >>> from sknn3.datasets import load_digits20
    >>> from sknn3.display import ImageGridDisplay
    >>> digits = load_digits20()
    >>> display = ImageGridDisplay.from_data(digits.images, random_state=0)
    >>> display.im_.get_array().shape
    (211, 211)
    """

    ax_: Any
    figure_: Any
    im_: Any
    text_: list[Any]

    def __init__(
        self,
        images: np.ndarray,
        *,
        titles: Sequence[Any] | None = None,
        highlight: np.ndarray | None = None,
    ) -> None:
        self.images = images
        self.titles = titles
        self.highlight = highlight

    @classmethod
    def from_data(
        cls,
        X: Any,
        *,
        titles: Sequence[Any] | None = None,
        n_images: int = 100,
        image_shape: tuple[int, int] | None = None,
        order: str = "C",
        random_state: Any = None,
        ax: Any = None,
        **imshow_kwargs: Any,
    ) -> ImageGridDisplay:
        """Draw random samples of the data.

        Parameters
        ----------
        X : array-like of shape (n, height, width) or (n, height * width)
            Images, or their unrolled pixels.
        titles : sequence of n values, default=None
            What to print above each image, its class for example.
        n_images : int, default=100
            Number of images to draw, at most n.
        image_shape : tuple of (height, width), default=None
            Shape of an image whose pixels are unrolled; None takes it for square.
        order : {'C', 'F'}, default='C'
            Whether pixels are unrolled row by row or column by column.
        random_state : int, RandomState instance or None, default=None
            Chooses the images.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        **imshow_kwargs : dict
            Passed to `matplotlib.axes.Axes.imshow`.

        Returns
        -------
        ImageGridDisplay
            The display, drawn.
        """
        n = _num_samples(X)
        chosen = _choose(n, n_images, random_state)
        if titles is not None:
            if len(titles) != n:
                raise ValueError(
                    f"titles has {len(titles)} entries, but X has {n} images."
                )
            titles = [str(t) for t in np.asarray(titles)[chosen]]
        images = as_images(_safe_indexing(X, chosen), image_shape, order)
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
        """Draw random samples with what a classifier takes them for.

        Parameters
        ----------
        estimator : fitted classifier
            Any classifier, a pipeline among them.
        X : array-like of shape (n, height * width)
            Unrolled pixels, as the classifier takes them.
        y : array-like of shape (n,), default=None
            True classes; titles of images that are taken for another stand out, as
            "predicted (true)".
        n_images : int, default=25
            Number of images to draw, at most n.
        image_shape : tuple of (height, width), default=None
            Shape of an image; None takes it for square.
        order : {'C', 'F'}, default='C'
            Whether pixels are unrolled row by row or column by column.
        random_state : int, RandomState instance or None, default=None
            Chooses the images.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        **imshow_kwargs : dict
            Passed to `matplotlib.axes.Axes.imshow`.

        Returns
        -------
        ImageGridDisplay
            The display, drawn.
        """
        check_is_fitted(estimator)
        if y is not None and len(y) != _num_samples(X):
            raise ValueError(
                f"y has {len(y)} classes, but X has {_num_samples(X)} samples."
            )
        chosen = _choose(_num_samples(X), n_images, random_state)
        rows = _safe_indexing(X, chosen)
        images = as_images(rows, image_shape, order)
        predicted = estimator.predict(rows)
        titles, highlight = [str(p) for p in predicted], None
        if y is not None:
            true = np.asarray(_safe_indexing(y, chosen))
            highlight = predicted != true
            titles = [
                f"{p} ({t})" if wrong else f"{p}"
                for p, t, wrong in zip(predicted, true, highlight, strict=True)
            ]
        display = cls(images, titles=titles, highlight=highlight)
        return display.plot(ax, **imshow_kwargs)

    def plot(self, ax: Any = None, **imshow_kwargs: Any) -> ImageGridDisplay:
        """Draw the grid.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes a figure.
        **imshow_kwargs : dict
            Passed to `matplotlib.axes.Axes.imshow`; `cmap` is 'gray' by default.

        Returns
        -------
        ImageGridDisplay
            The display itself.
        """
        n_title_rows = 0 if self.titles is None else self.images.shape[1] // 2
        grid, corners = mosaic(self.images, n_title_rows)
        self.ax_ = axes_for(ax, mosaic_size(grid))
        self.figure_ = self.ax_.figure
        self.im_ = self.ax_.imshow(grid, **({"cmap": "gray"} | imshow_kwargs))
        self.ax_.set_axis_off()
        titles = [str(t) for t in (() if self.titles is None else self.titles)]
        highlight = [False] * len(titles) if self.highlight is None else self.highlight
        # In a figure of our own, the layout will leave nothing but the grid.
        room = np.multiply(72, mosaic_size(grid)) if ax is None else points(self.ax_)
        pixel = min(room / np.array(grid.shape[::-1]))
        size = text_size(
            pixel * n_title_rows,
            pixel * self.images.shape[2],
            max(map(len, titles), default=0),
        )
        self.text_ = [
            self.ax_.text(
                left + (self.images.shape[2] - 1) / 2,
                top - n_title_rows / 2,
                title,
                ha="center",
                va="center",
                size=size,
                parse_math=False,
                **({"color": "tab:red", "weight": "bold"} if stands_out else {}),
            )
            for (top, left), title, stands_out in zip(
                corners, titles, highlight, strict=False
            )
        ]
        return self


def as_images(
    X: Any, image_shape: tuple[int, int] | None, order: str, name: str = "X"
) -> np.ndarray:
    """Roll samples up into images, shape (n, height, width)."""
    if order not in ("C", "F"):
        raise ValueError(f"order={order!r} is unknown, expected 'C' or 'F'.")
    X = drawable(name, X.toarray() if issparse(X) else X)
    if X.size == 0:
        raise ValueError(f"{name} has shape {X.shape}, expected at least one pixel.")
    if X.ndim == 3:
        return X
    if X.ndim != 2:
        raise ValueError(
            f"{name} has shape {X.shape}, expected (n, height, width) or "
            "(n, height * width)."
        )
    n_pixels = X.shape[1]
    if image_shape is None:
        side = round(n_pixels**0.5)
        image_shape = (side, side)
    height, width = _checked_shape(image_shape)
    if height * width != n_pixels:
        raise ValueError(
            f"{name} has {n_pixels} features, which are no image of {height} x {width} "
            "pixels; give its (height, width) as image_shape."
        )
    if order == "C":
        return X.reshape(-1, height, width)
    return X.reshape(-1, width, height).transpose(0, 2, 1)


def _checked_shape(image_shape: Any) -> tuple[int, int]:
    if np.shape(image_shape) != (2,) or not all(
        isinstance(side, Integral) and int(side) > 0 for side in image_shape
    ):
        raise ValueError(
            f"image_shape={image_shape!r}, expected (height, width) as positive ints."
        )
    height, width = map(int, image_shape)
    return height, width


def _choose(n: int, n_wanted: int, random_state: Any) -> np.ndarray:
    if not isinstance(n_wanted, Integral) or int(n_wanted) < 1:
        raise ValueError(f"n_images={n_wanted!r}, expected at least 1.")
    return check_random_state(random_state).permutation(n)[:n_wanted]


def mosaic(
    images: np.ndarray, n_title_rows: int = 0
) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Lay images out in a grid, and tell each one's top left corner.

    Margins of a pixel, and of `n_title_rows` more above each image, are NaN, which is
    drawn as nothing: the background shows, be it light or dark.
    """
    n, height, width = images.shape
    n_columns = min(n, int(np.ceil(np.sqrt(n * (height + n_title_rows) / width))))
    n_rows = -(-n // n_columns)
    step, stride = height + n_title_rows + 1, width + 1
    grid = np.full((n_rows * step + 1, n_columns * stride + 1), np.nan)
    corners = [
        ((i // n_columns) * step + n_title_rows + 1, (i % n_columns) * stride + 1)
        for i in range(n)
    ]
    for image, (top, left) in zip(images, corners, strict=True):
        grid[top : top + height, left : left + width] = image
    return grid, corners


def mosaic_size(grid: np.ndarray) -> tuple[float, float]:
    """Width and height, in inches, of a figure that fits a grid of images."""
    height, width = grid.shape
    inches = 6 / max(height, width)
    return width * inches, height * inches
