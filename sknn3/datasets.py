"""The handwritten digits of the practical, and readers for the practical's files."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import loadmat
from sklearn.utils import Bunch, check_array

__all__ = ["load_digits20", "read_digits", "read_weights"]

_FILE = "mnist5000.npz"
_SIDE, _MNIST_SIDE = 20, 28

_DESCR = """\
5000 handwritten digits of 20 x 20 pixels
-----------------------------------------

:Samples: 5000, 500 of each digit, in the order of the digits 0..9
:Features: 400 grey values, about 0 (background) to 1 (ink); the images are unrolled
    column by column, so feature 20 c + r is the pixel in row r, column c
:Targets: the digits 0..9

The first 500 training images of each digit in the MNIST database of handwritten digits
(Y. LeCun, C. Cortes, C. J. C. Burges), reduced from 28 x 28 to 20 x 20 pixels by
antialiased cubic interpolation, which overshoots at edges: values lie between -0.132
and 1.128.  A well-known course practical uses the same data, up to rounding.

Licence of the images: Creative Commons Attribution-ShareAlike 3.0 (CC BY-SA 3.0).
"""


def load_digits20(*, return_X_y: bool = False, as_frame: bool = False) -> Any:
    """Load 5000 handwritten digits of 20 x 20 pixels.

    The images come with the package; nothing is downloaded.

    Parameters
    ----------
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Whether data and target are a pandas DataFrame and Series.

    Returns
    -------
    Bunch or tuple
        ``(data, target)`` with `return_X_y`, else a Bunch with the attributes

        data : ndarray of shape (5000, 400), or DataFrame
            Grey values, about 0 to 1; each image unrolled column by column.
        target : ndarray of shape (5000,), or Series
            The digits 0..9.
        images : ndarray of shape (5000, 20, 20)
            The images, row by row.
        feature_names : list of str
            ``pixel_r_c`` for row r and column c.
        target_names : ndarray of shape (10,)
            The digits.
        frame : DataFrame or None
            With `as_frame`, data and target in one DataFrame.
        DESCR : str
            Description, source and licence.

    Examples
    --------
    >>> from sknn3.datasets import load_digits20
    >>> digits = load_digits20()
    >>> digits.data.shape, digits.images.shape, digits.target[::500]
    ((5000, 400), (5000, 20, 20), array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]))
    """
    R = _resizing_matrix()
    with np.load(_data_file(), allow_pickle=False) as file:
        images = R @ (file["images"] / 255) @ R.T
    data: Any = images.transpose(0, 2, 1).reshape(len(images), _SIDE**2)
    target: Any = np.repeat(np.arange(10), 500)
    feature_names = [f"pixel_{r}_{c}" for c in range(_SIDE) for r in range(_SIDE)]
    frame = None
    if as_frame:
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError(
                "as_frame=True requires pandas: python -m pip install pandas"
            ) from error

        data = pd.DataFrame(data, columns=feature_names)
        target = pd.Series(target, name="target")
        frame = pd.concat([data, target], axis=1)
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        images=images,
        feature_names=feature_names,
        target_names=np.arange(10),
        frame=frame,
        DESCR=_DESCR,
    )


def read_digits(path: str | PathLike[str]) -> tuple[np.ndarray, np.ndarray]:
    """Read digits from a .mat file with the variables `X` and `y`.

    Parameters
    ----------
    path : str or path-like
        A file like the practical's ``ex4data1.mat``.

    Returns
    -------
    data : ndarray of shape (n, 400)
        Grey values, each image unrolled column by column.
    target : ndarray of shape (n,)
        The digits 0..9; the label 10 of the file is the digit 0.

    Raises
    ------
    ValueError
        If the file is not a .mat file of version 7 or older with such variables.

    Examples
    --------
    A file in the practical's form, with a 0 (label 10) and a 1:

    >>> import tempfile
    >>> import numpy as np
    >>> from scipy.io import savemat
    >>> from sknn3.datasets import read_digits
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     savemat(f"{folder}/digits.mat", {"X": np.ones((2, 400)), "y": [[10], [1]]})
    ...     X, y = read_digits(f"{folder}/digits.mat")
    >>> X.shape, y
    ((2, 400), array([0, 1]))
    """
    X, y = _read_matrices(path, "X", "y")
    if X.shape[1] != _SIDE**2 or y.shape != (len(X), 1):
        raise ValueError(
            f"{path}: X has shape {X.shape} and y has shape {y.shape}, expected "
            f"(n, {_SIDE**2}) and (n, 1)."
        )
    if not np.isin(y, np.arange(1, 11)).all():
        raise ValueError(
            f"{path}: y has labels {np.unique(y)}, expected 1 to 10, where 10 is the "
            "digit 0."
        )
    return X, y[:, 0].astype(int) % 10


def read_weights(path: str | PathLike[str]) -> tuple[np.ndarray, np.ndarray]:
    """Read the weights of a network from a .mat file.

    Parameters
    ----------
    path : str or path-like
        A file like the practical's ``ex4weights.mat``, which has `Theta1` and `Theta2`
        of a 400-25-10 network.  Other networks must also have ten outputs.

    Returns
    -------
    theta1 : ndarray of shape (h, d + 1)
        Weights of the hidden layer, bias in column 0.
    theta2 : ndarray of shape (10, h + 1)
        Weights of the output layer, bias in column 0.  Rows are for the digits 0..9.
        In the file, rows are for the labels 1..10, and 10 is the digit 0.

    Raises
    ------
    ValueError
        If the file is not a .mat file of version 7 or older with such variables.

    Examples
    --------
    A file in the practical's form, where the last row is for the digit 0:

    >>> import tempfile
    >>> import numpy as np
    >>> from scipy.io import savemat
    >>> from sknn3.datasets import read_weights
    >>> weights = {"Theta1": np.ones((1, 3)), "Theta2": np.arange(20).reshape(10, 2)}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     savemat(f"{folder}/weights.mat", weights)
    ...     theta1, theta2 = read_weights(f"{folder}/weights.mat")
    >>> theta1.shape, theta2.shape, theta2[0]
    ((1, 3), (10, 2), array([18, 19]))
    """
    theta1, theta2 = _read_matrices(path, "Theta1", "Theta2")
    if theta2.shape != (10, len(theta1) + 1):
        raise ValueError(
            f"{path}: Theta1 has shape {theta1.shape} and Theta2 has shape "
            f"{theta2.shape}, expected (h, d + 1) and (10, h + 1)."
        )
    return theta1, np.roll(theta2, 1, axis=0)


def _read_matrices(path: str | PathLike[str], *names: str) -> list[np.ndarray]:
    """Return the numeric matrices of these names from a .mat file."""
    with Path(path).open("rb") as file:
        try:
            content = loadmat(file, variable_names=names)
            return [check_array(content[name], input_name=name) for name in names]
        except Exception as error:  # SciPy raises many types for broken files
            raise ValueError(
                f"{path} cannot be read as a .mat file of version 7 or older with the "
                f"matrices {' and '.join(names)}: {error!r}"
            ) from error


def _data_file() -> Path:
    """Return the path of the images: in the package, or next to it in a clone."""
    package = Path(__file__).parent
    path = package / "data" / _FILE
    return path if path.is_file() else package.parent / "data" / _FILE


def _resizing_matrix() -> np.ndarray:
    """Return R of ``small = R @ image @ R.T``, shape (20, 28).

    R is a cubic convolution with a = -1/2.  It is widened by the scale against
    aliasing, its weights sum to 1, and pixels at the border are repeated.  See R. G.
    Keys, "Cubic convolution interpolation for digital image processing", IEEE
    Transactions on Acoustics, Speech, and Signal Processing 29 (1981), 1153-1160.
    """
    scale = _MNIST_SIDE / _SIDE
    R = np.zeros((_SIDE, _MNIST_SIDE))
    for k in range(_SIDE):
        centre = (k + 0.5) * scale - 0.5
        inputs = np.arange(
            np.floor(centre - 2 * scale), np.ceil(centre + 2 * scale) + 1
        )
        weights = _cubic((inputs - centre) / scale)
        columns = np.clip(inputs, 0, _MNIST_SIDE - 1).astype(int)
        np.add.at(R[k], columns, weights / weights.sum())
    return R


def _cubic(t: np.ndarray) -> np.ndarray:
    """Return Keys' kernel for a = -1/2, which is zero from |t| = 2 on."""
    t = np.abs(t)
    near = 1.5 * t**3 - 2.5 * t**2 + 1
    far = -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    return np.where(t <= 1, near, np.where(t < 2, far, 0))
