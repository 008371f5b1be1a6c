import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal

from sknn3._blocks import (
    RELATIVE_SIZES,
    ROUND_ROWS,
    SINGLE_BLOCK_ROWS,
    row_blocks,
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
