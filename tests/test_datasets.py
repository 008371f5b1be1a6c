import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from scipy.io import savemat
from sklearn.utils import Bunch

from sknn3.datasets import load_digits20, read_digits, read_weights


def test_digits_have_published_statistics(digits):
    X = digits.data
    assert X.shape == (5000, 400)
    assert X.dtype == np.float64
    assert_allclose(X.min(), -0.13196323019852385, rtol=1e-14)
    assert_allclose(X.max(), 1.127688299158888, rtol=1e-14)
    assert_allclose(X.sum(), 262678.26015968184, rtol=1e-13)
    assert round((X != 0).mean(), 3) == 0.482
    assert_array_equal(digits.target, np.repeat(range(10), 500))


def test_resized_pixels_match_cubic_convolution(digits):
    # One pixel of one image by the definition: cubic kernel of a = -1/2, widened by
    # 28 / 20, the border repeated, weights normalised, columns unrolled first.
    from sknn3.datasets import _data_file

    image = np.load(_data_file())["images"][1234] / 255

    def kernel(t, a=-0.5):
        t = abs(t)
        if t <= 1:
            return (a + 2) * t**3 - (a + 3) * t**2 + 1
        return a * (t**3 - 5 * t**2 + 8 * t - 4) if t < 2 else 0.0

    def pixel(row, column):
        total = weight = 0.0
        for i in range(-9, 37):
            for j in range(-9, 37):
                w = kernel((i - (row + 0.5) * 1.4 + 0.5) / 1.4)
                w *= kernel((j - (column + 0.5) * 1.4 + 0.5) / 1.4)
                total += w * image[np.clip(i, 0, 27), np.clip(j, 0, 27)]
                weight += w
        return total / weight

    for row, column in [(0, 0), (9, 11), (10, 10), (19, 3), (7, 14)]:
        expected = pixel(row, column)
        assert_allclose(digits.images[1234, row, column], expected, atol=1e-14)
        assert digits.data[1234, 20 * column + row] == digits.images[1234, row, column]
        assert digits.feature_names[20 * column + row] == f"pixel_{row}_{column}"


def test_load_digits20_returns_bunch_tuple_or_frames(digits):
    assert isinstance(digits, Bunch)
    assert digits.frame is None
    assert "CC BY-SA 3.0" in digits.DESCR
    X, y = load_digits20(return_X_y=True)
    assert_array_equal(X, digits.data)
    assert_array_equal(y, digits.target)
    framed = load_digits20(as_frame=True)
    assert framed.frame.shape == (5000, 401)
    assert framed.data.columns.tolist() == digits.feature_names
    assert_array_equal(framed.data.to_numpy(), digits.data)
    assert framed.target.name == "target"
    X, y = load_digits20(return_X_y=True, as_frame=True)
    assert_array_equal(y.to_numpy(), digits.target)


@pytest.fixture
def mat(tmp_path):
    """Return a function that writes variables to a .mat file."""

    def write(variables, **options):
        path = tmp_path / "file.mat"
        savemat(path, variables, **options)
        return path

    return write


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint8, np.int16])
@pytest.mark.parametrize(
    "options", [{}, {"do_compression": True}, {"format": "4"}], ids=str
)
def test_read_digits_reads_mat_versions_4_to_7(options, dtype, mat, rng):
    X, y = rng.randint(0, 99, (3, 400)).astype(dtype), np.array([[1], [2], [3]], dtype)
    others = {"text": "some text", "complex": X * 1j}
    if "format" not in options:
        others |= {"cells": np.array([1, "a"], object), "struct": {"a": 1}}
    data, target = read_digits(mat(others | {"X": X, "y": y}, **options))
    assert data.dtype == dtype
    assert_array_equal(data, X)
    assert target.tolist() == [1, 2, 3]


def test_read_digits_maps_label_10_to_digit_0(mat, rng):
    X, y = rng.standard_normal((3, 400)), np.array([[10], [1], [9]], np.uint8)
    data, target = read_digits(mat({"X": X, "y": y}))
    assert_array_equal(data, X)
    assert target.tolist() == [0, 1, 9]


def test_read_weights_orders_rows_by_digit(mat, rng):
    theta1, theta2 = rng.standard_normal((4, 8)), rng.standard_normal((10, 5))
    first, second = read_weights(mat({"Theta1": theta1, "Theta2": theta2}))
    assert_array_equal(first, theta1)
    assert_array_equal(second[0], theta2[9])  # label 10 is the digit 0
    assert_array_equal(second[1:], theta2[:9])


X, Y = np.zeros((3, 400)), np.ones((3, 1))


# SciPy 1.18 warns of a change of the sparse variables that it reads.
@pytest.mark.filterwarnings("ignore:The default value for `spmatrix`")
@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"X": X}, r"file\.mat cannot be read .* matrices X and y: .*'y'"),
        ({"y": Y}, r"matrices X and y: .*'X'"),
        ({"X": X[:, 1:], "y": Y}, r"file\.mat: X has shape \(3, 399\) .* \(n, 400\)"),
        ({"X": X, "y": Y.T}, r"y has shape \(1, 3\), expected .* \(n, 1\)"),
        ({"X": X, "y": Y[1:]}, r"y has shape \(2, 1\)"),
        ({"X": X, "y": 11 * Y}, r"labels \[11\.\], expected 1 to 10"),
        ({"X": X, "y": Y + 0.5}, r"labels \[1\.5\], expected 1 to 10"),
        ({"X": "text", "y": Y}, "Expected 2D array, got 1D array .*text"),
        ({"X": X * 1j, "y": Y}, "Complex data not supported"),
        ({"X": X * np.nan, "y": Y}, "Input X contains NaN"),
        ({"X": sp.csc_array(X), "y": Y}, "Sparse data was passed for X"),
        ({"X": X[:0], "y": Y[:0]}, r"0 sample.* \(shape=\(0, 400\)\)"),
        ({"X": np.ones((2, 2, 2)), "y": Y}, "Found array with dim 3"),
    ],
)
def test_read_digits_rejects_invalid_variables(variables, message, mat):
    with pytest.raises(ValueError, match=message):
        read_digits(mat(variables))


MAT_7_3 = b"MATLAB 7.3".ljust(124) + b"\x00\x02IM"


@pytest.mark.parametrize("read", [read_digits, read_weights])
@pytest.mark.parametrize(
    "content", [b"", b"no such format", b"MATLAB 5.0" * 20, MAT_7_3]
)
def test_read_rejects_file_that_is_not_mat(content, read, tmp_path):
    path = tmp_path / "broken.mat"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"broken\.mat cannot be read as a \.mat file"):
        read(path)


@pytest.mark.parametrize("read", [read_digits, read_weights])
def test_read_raises_file_not_found_error(read, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.mat"):
        read(tmp_path / "absent.mat")


class Loud:
    """Fails the test when it is unpickled."""

    def __reduce__(self):
        return pytest.fail, ("unpickled",)


def test_load_digits20_does_not_unpickle(tmp_path, monkeypatch):
    path = tmp_path / "digits.npz"
    np.savez(path, images=np.array([Loud()]))
    monkeypatch.setattr("sknn3.datasets._data_file", lambda: path)
    with pytest.raises(ValueError, match="allow_pickle=False"):
        load_digits20()
    with pytest.raises(pytest.fail.Exception, match="unpickled"):
        np.load(path, allow_pickle=True)["images"]


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"Theta1": np.ones((4, 8))}, "matrices Theta1 and Theta2: .*'Theta2'"),
        ({"Theta2": np.ones((10, 5))}, "matrices Theta1 and Theta2: .*'Theta1'"),
        ({"Theta1": np.ones((4, 8)), "Theta2": np.ones((9, 5))}, r"\(10, h \+ 1\)"),
        ({"Theta1": np.ones((4, 8)), "Theta2": np.ones((10, 6))}, r"\(10, 6\), exp"),
    ],
)
def test_read_weights_rejects_invalid_variables(variables, message, mat):
    with pytest.raises(ValueError, match=message):
        read_weights(mat(variables))
