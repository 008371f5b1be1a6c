import mmap
import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal

from sknn3._blocks import (
    RELATIVE_SIZES,
    ROUND_ROWS,
    SINGLE_BLOCK_ROWS,
    Selection,
    _is_memory_map,
    in_memory,
    refuse_unless_finite,
    row_blocks,
    select_rows,
    take_rows,
)


@pytest.mark.parametrize(
    "n", [1, 7, SINGLE_BLOCK_ROWS, SINGLE_BLOCK_ROWS + 1, 5000, 60000]
)
def test_blocks_cover_all_rows_in_the_sizes_told(n):
    blocks = row_blocks(n)
    assert_array_equal(
        np.concatenate([np.arange(n)[rows] for rows in blocks]), range(n)
    )
    sizes = np.array([rows.stop - rows.start for rows in blocks])
    if n <= SINGLE_BLOCK_ROWS:
        assert sizes == [n]
    else:
        relative = np.resize(RELATIVE_SIZES, len(sizes))
        assert_allclose(sizes, relative * n / relative.sum(), atol=1)
        assert n / relative.sum() <= ROUND_ROWS / sum(RELATIVE_SIZES)


def test_two_threads_have_as_much_to_do():
    first, second, third = RELATIVE_SIZES
    assert first + third == pytest.approx(second)


@pytest.mark.parametrize("container", [np.asarray, np.asfortranarray, sp.csr_matrix])
def test_blocks_share_the_memory_of_the_data(large, container):
    X = container(large[0])
    for rows in row_blocks(X.shape[0]):
        block = take_rows(X, rows)
        if sp.issparse(X):
            assert np.shares_memory(block.data, X.data)
            assert_array_equal(block.toarray(), X[rows].toarray())
        else:
            assert np.shares_memory(block, X)


@pytest.fixture
def path(tmp_path):
    np.save(tmp_path / "X.npy", np.arange(60.0).reshape(12, 5))
    return tmp_path / "X.npy"


@pytest.fixture
def mapped(path):
    return np.load(path, mmap_mode="r")


def frombuffer(path):
    with path.open("rb") as file:
        buffer = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return np.frombuffer(buffer, offset=128).reshape(12, 5)


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
@pytest.mark.parametrize(
    "view",
    [
        np.asarray,
        lambda X: X[2:],
        lambda X: X[::-2, 1:],
        lambda X: X.T,
        lambda X: X.reshape(5, 12).view(np.int64),
        lambda X: np.asarray(X)[1:].view(np.memmap),
        lambda X: np.lib.stride_tricks.sliding_window_view(X[:, 0], 3),
        lambda X: np.frombuffer(memoryview(X)),
    ],
)
def test_maps_and_their_views_are_told_apart_from_memory(path, mode, view):
    assert _is_memory_map(np.memmap(path, mode=mode))
    assert _is_memory_map(view(np.load(path, mmap_mode=mode)))
    assert not _is_memory_map(view(np.load(path)))


def test_maps_need_not_be_made_by_numpy(path):
    assert _is_memory_map(frombuffer(path))
    assert not _is_memory_map(np.frombuffer(path.read_bytes(), offset=128))


@pytest.mark.parametrize(
    "of", [np.array, sp.csr_array, lambda X: X + 0, lambda X: X[[0]]]
)
def test_copies_of_maps_are_memory(mapped, of):
    assert not _is_memory_map(of(mapped))


def test_rows_of_a_map_are_noted_and_read_block_by_block(mapped):
    rows = np.array([1, 2, 3, 5, 7, 11])
    selection = select_rows(mapped, rows)
    assert isinstance(selection, Selection)
    assert selection.X is mapped
    assert selection.shape == (6, 5)
    assert selection.dtype == np.float64
    block = take_rows(selection, slice(2, 5))
    assert isinstance(block, Selection)
    assert_array_equal(in_memory(block), mapped[[3, 5, 7]])
    every_second = take_rows(selection, slice(1, None, 2))
    assert_array_equal(in_memory(every_second), mapped[[2, 5, 11]])


def test_rows_of_a_selection_are_those_of_the_map(mapped):
    selection = select_rows(
        select_rows(mapped, np.array([1, 4, 6, 9])), np.array([1, 3])
    )
    assert selection.X is mapped
    assert_array_equal(in_memory(selection), mapped[[4, 9]])


@pytest.mark.parametrize("container", [np.array, sp.csr_array])
def test_rows_in_memory_are_copied(mapped, container):
    X = container(mapped)
    selected = select_rows(X, np.array([1, 3]))
    assert type(selected) is type(X)
    assert in_memory(selected) is selected
    assert (selected != X[[1, 3]]).sum() == 0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("row", [0, -1])
@pytest.mark.parametrize("container", [np.asarray, np.asfortranarray, sp.csr_array])
def test_values_that_are_not_finite_are_refused_wherever_they_are(
    large, value, row, container
):
    X = large[0]
    X[row, 3] = value
    with pytest.raises(ValueError, match=r"Input X contains (NaN|infinity)"):
        refuse_unless_finite(container(X), "Network")


def test_values_whose_sum_overflows_are_finite():
    refuse_unless_finite(np.full((3000, 2), 1e308), "Network")
    refuse_unless_finite(np.full((3000, 2), 3e38, np.float32), "Network")


def test_looking_for_what_is_not_finite_takes_the_memory_of_a_block():
    X = np.full((200_000, 10), 3e38, np.float32)
    for array in (X, X[:, 1:], np.asfortranarray(X)):
        tracemalloc.start()
        refuse_unless_finite(array, "Network")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < X.nbytes / 20
