import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal

from sknn3._blocks import BLOCK_ROWS, RELATIVE_SIZES, row_blocks, take_rows


@pytest.mark.parametrize("n", [1, 7, BLOCK_ROWS, BLOCK_ROWS + 1, 5000, 60000])
def test_blocks_cover_all_rows_and_are_of_two_sizes(n):
    blocks = row_blocks(n)
    assert_array_equal(
        np.concatenate([np.arange(n)[rows] for rows in blocks]), range(n)
    )
    sizes = np.array([rows.stop - rows.start for rows in blocks])
    if n <= BLOCK_ROWS:
        assert sizes == [n]
    else:
        assert sizes.max() <= 1.2 * BLOCK_ROWS + 1
        expected = np.resize(RELATIVE_SIZES, len(sizes)) * n / len(sizes)
        assert_allclose(sizes, expected, atol=1)


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
