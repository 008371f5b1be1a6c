import dataclasses
import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal

from sknn3._dataset import (
    RELATIVE_SIZES,
    ROUND_ROWS,
    SINGLE_BLOCK_ROWS,
    Dataset,
    RowSelection,
    _is_memory_map,
    check_sample_weight,
    concat_rows,
    load_rows,
    output_blocks,
    row_blocks,
    select_rows,
    slice_rows,
)
from sknn3._kernel import Network
from sknn3._labels import LabelEncoding
from sknn3.network import cost_gradient, forward, random_weights

# ---------------------------------------------------------------- rows and blocks


@pytest.mark.parametrize(
    "n", [1, 7, SINGLE_BLOCK_ROWS, SINGLE_BLOCK_ROWS + 1, 5000, 60000]
)
def test_blocks_cover_all_rows_in_relative_sizes(n):
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


def test_blocks_of_a_round_are_equal_work_for_two_threads():
    first, second, third = RELATIVE_SIZES
    assert first + third == pytest.approx(second)


@pytest.mark.parametrize("container", [np.asarray, np.asfortranarray, sp.csr_matrix])
def test_blocks_are_views(large, container):
    X = container(large[0])
    for rows in row_blocks(X.shape[0]):
        block = slice_rows(X, rows)
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
    ],
)
def test_views_of_memory_maps_are_recognised(path, mode, view):
    assert _is_memory_map(np.memmap(path, mode=mode))
    assert _is_memory_map(view(np.load(path, mmap_mode=mode)))


@pytest.mark.parametrize(
    "copy", [np.array, sp.csr_array, lambda X: X + 0, lambda X: X[[0]]]
)
def test_copies_of_memory_maps_are_not_memory_maps(mapped, copy):
    assert not _is_memory_map(copy(mapped))


def test_selected_rows_of_memory_map_are_read_block_by_block(mapped):
    rows = np.array([1, 2, 3, 5, 7, 11])
    selection = select_rows(mapped, rows)
    assert isinstance(selection, RowSelection)
    assert selection.X is mapped
    assert selection.shape == (6, 5)
    assert selection.dtype == np.float64
    block = slice_rows(selection, slice(2, 5))
    assert isinstance(block, RowSelection)
    assert_array_equal(load_rows(block), mapped[[3, 5, 7]])
    every_second = slice_rows(selection, slice(1, None, 2))
    assert_array_equal(load_rows(every_second), mapped[[2, 5, 11]])


def test_rows_of_a_row_selection_are_rows_of_the_memory_map(mapped):
    selection = select_rows(
        select_rows(mapped, np.array([1, 4, 6, 9])), np.array([1, 3])
    )
    assert selection.X is mapped
    assert_array_equal(load_rows(selection), mapped[[4, 9]])


@pytest.mark.parametrize("container", [np.array, sp.csr_array])
def test_selected_rows_in_memory_are_copied(mapped, container):
    X = container(mapped)
    selected = select_rows(X, np.array([1, 3]))
    assert type(selected) is type(X)
    assert load_rows(selected) is selected
    assert (selected != X[[1, 3]]).sum() == 0


# ------------------------------------------------------------- weights of samples


@pytest.mark.parametrize(
    ("sample_weight", "message"),
    [
        ([0, 0, 0], "sample_weight is zero for all samples"),
        ([1, -2, 1], "sample_weight has negative values, the lowest is -2"),
        ([1, np.inf, 1], "Input sample_weight contains infinity"),
        ([1, np.nan, 1], "Input sample_weight contains NaN"),
        ([1, 1, 1, 1], r"sample_weight has shape \(4,\), expected \(3,\)"),
        ([[1, 1, 1]], r"sample_weight has shape \(1, 3\), expected \(3,\)"),
    ],
)
def test_invalid_sample_weights_raise(sample_weight, message):
    with pytest.raises(ValueError, match=message):
        check_sample_weight(sample_weight, 3)


def test_samples_of_weight_zero_are_dropped():
    X, y = np.arange(8.0).reshape(4, 2), np.array(["a", "b", "c", "a"])
    dataset = Dataset.from_arrays(X, y, np.array([1.0, 2.0, 0.0, 0.5]), None)
    assert dataset.labels.classes.tolist() == ["a", "b", "c"]
    assert_array_equal(dataset.X, X[[0, 1, 3]])
    assert_array_equal(dataset.codes, [0, 1, 0])
    assert_allclose(dataset.sample_weight * dataset.mean_weight, [1, 2, 0.5])


def test_class_weights_multiply_sample_weights():
    dataset = Dataset.from_arrays(
        np.ones((4, 1), np.float32),
        np.array([0, 1, 1, 2]),
        np.array([1.0, 2, 3, 4]),
        {1: 2.0, 2: 0.0},
    )
    assert_allclose(dataset.sample_weight * dataset.mean_weight, [1, 4, 6])
    assert dataset.n_samples == len(dataset.X) == 3
    assert dataset.labels.classes.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ({0: -1.0}, "finite and not negative"),
        ({0: np.nan}, "finite and not negative"),
        ({1: np.inf}, "finite and not negative"),
        ({0: 0.0, 1: 0.0}, "class_weight is 0 for the classes of all samples"),
    ],
)
def test_class_weights_without_positive_weights_raise(class_weight, message):
    with pytest.raises(ValueError, match=message):
        Dataset.from_arrays(np.ones((2, 1)), np.array([0, 1]), None, class_weight)


def test_weights_whose_products_underflow_raise():
    with pytest.raises(ValueError, match="class_weight is 0 for the classes of all"):
        Dataset.from_arrays(
            np.ones((2, 1)), np.array([0, 1]), np.full(2, 1e-300), {0: 1e-300, 1: 0.0}
        )


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")  # `fit` ignores it
@pytest.mark.parametrize(
    ("weight", "class_weight"), [(1e308, None), (1e200, {1: 1e200}), (None, {1: 1e308})]
)
def test_weights_whose_sum_overflows_raise(weight, class_weight):
    weight = None if weight is None else np.full(4, weight)
    with pytest.raises(ValueError, match="sample_weight times class_weight overflows"):
        Dataset.from_arrays(
            np.ones((4, 1)), np.array([0, 1, 1, 1]), weight, class_weight
        )


# ------------------------------------------------------------------------ holdout


@pytest.mark.parametrize("kind", ["classes", "multilabel"])
def test_holdout_split_keeps_rows_labels_and_weights_together(kind, rng):
    y = rng.permutation(np.repeat([0, 1], 10))
    Y = y if kind == "classes" else np.column_stack([y, 1 - y])
    X, weight = np.arange(20.0).reshape(-1, 1), np.arange(1.0, 21)
    parts = Dataset.from_arrays(X, Y, weight, None).holdout_split(0.3, rng)
    rows_of_parts = [part.X[:, 0].astype(int) for part in parts]
    assert [len(rows) for rows in rows_of_parts] == [14, 6]
    assert_array_equal(np.sort(np.concatenate(rows_of_parts)), range(20))
    for part, rows in zip(parts, rows_of_parts, strict=True):
        assert_allclose(part.sample_weight * part.mean_weight, rows + 1)
        assert_array_equal(part.codes, Y[rows])
        if kind == "classes":
            assert_array_equal(np.bincount(part.codes), len(rows) / 2)


# ----------------------------------------------------------- sums over the samples

NETWORK = Network(4, "tanh", "softmax")


@pytest.fixture
def params(rng):
    return rng.standard_normal(4 * 13 + 3 * 5) / 3


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("container", [np.asarray, np.asfortranarray, sp.csr_array])
def test_sums_of_blocks_equal_cost_gradient(large, params, rng, weighted, container):
    X, y = large
    weight = rng.uniform(0, 2, len(X)) if weighted else None
    dataset = Dataset.from_arrays(container(X), y, weight, None)
    assert sum(len(chunk) for chunk in dataset.chunks) == 3
    cost, gradient = dataset.loss_gradient_sums(params, NETWORK)
    expected = cost_gradient(params, X, y, sample_weight=weight, **NETWORK._asdict())
    assert_allclose(cost / dataset.total_weight, expected[0], rtol=1e-14)
    assert_allclose(gradient / dataset.total_weight, expected[1], atol=1e-14)


def test_sums_do_not_depend_on_order_of_evaluation(large, params):
    def backwards(function, chunks):
        return reversed([function(chunk) for chunk in reversed(chunks)])

    dataset = Dataset.from_arrays(*large, None, None)
    other = dataclasses.replace(dataset, map_chunks=backwards)
    cost, gradient = dataset.loss_gradient_sums(params, NETWORK)
    other_cost, other_gradient = other.loss_gradient_sums(params, NETWORK)
    assert cost == other_cost
    assert_array_equal(gradient, other_gradient)


def test_float32_rows_give_float64_sums(large, params):
    X, y = large
    cost, gradient = (
        sums / len(X)
        for sums in Dataset.from_arrays(
            X.astype(np.float32), y, None, None
        ).loss_gradient_sums(params, NETWORK)
    )
    expected = cost_gradient(params, X, y, **NETWORK._asdict())
    assert gradient.dtype == np.float64
    assert_allclose(cost, expected[0], rtol=1e-6)
    assert_allclose(gradient, expected[1], atol=1e-6)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("output", ["logistic", "softmax"])
@pytest.mark.parametrize("labels", ["classes", "two", "several"])
def test_loss_sums_equal_loss_gradient_sums(large, rng, weighted, output, labels):
    X, y = large
    y = {
        "classes": y,
        "two": y > 0,
        "several": np.column_stack([y > 0, y > 1]).astype(int),
    }[labels]
    weight = rng.uniform(0, 2, len(X)) if weighted else None
    dataset = Dataset.from_arrays(X, y, weight, None)
    network = Network(4, "tanh", output)
    params = rng.standard_normal(4 * (X.shape[1] + 1) + dataset.labels.n_outputs * 5)
    loss, total = dataset.loss_sums(params, network)
    assert loss == dataset.loss_gradient_sums(params, network)[0]
    assert total == dataset.total_weight


@pytest.mark.parametrize("step", [1, 2, 7])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("container", [np.asarray, sp.csr_array, sp.csr_matrix])
def test_every_nth_row_is_counted_through_all_partitions(step, full, container, rng):
    X, weights = rng.standard_normal((30, 3)), rng.uniform(0, 2, 30)
    numbers, mean = np.arange(100, 130), rng.standard_normal(3)
    total, sums = 0.0, np.zeros(3)
    spread = np.zeros((3, 3) if full else 3)
    for rows in (slice(0, 9), slice(9, 10), slice(10, 30)):
        part = Dataset(
            container(X[rows]),
            LabelEncoding(np.arange(1)),
            np.zeros(30, np.uint8)[rows],
            weights[rows],
            first_row=100 + rows.start,
        )
        part_total, part_sums = part.column_sums(step)
        total, sums = total + part_total, sums + part_sums
        spread += part.scatter_sums(step, mean, full=full)[0]
    chosen = numbers % step == 0
    D, w = X[chosen], weights[chosen]
    assert_allclose(total, w.sum(), rtol=1e-12)
    assert_allclose(sums, w @ D, rtol=1e-12)
    if container is np.asarray:  # sparse rows are centred after the sum
        D = D - mean
    outer = np.einsum("i,ij,ik->jk", w, D, D)
    assert_allclose(spread, outer if full else np.diag(outer), rtol=1e-10)


# --------------------------------------------------------------------- prediction


def predict_outputs(X, *network):
    """Return the outputs of all rows, (n, K)."""
    return concat_rows((O.T for O in output_blocks(X, *network)), X.shape[0])


@pytest.mark.parametrize("container", [np.asarray, np.asfortranarray, sp.csr_array])
def test_outputs_of_blocks_equal_forward(rng, container):
    X = rng.standard_normal((ROUND_ROWS + 500, 12))
    theta1, theta2 = random_weights(12, 4, 1.0, 0), random_weights(4, 3, 1.0, 1)
    O = predict_outputs(container(X), theta1, theta2, "tanh")
    _, expected = forward(X, theta1, theta2, activation="tanh")
    assert_allclose(1 / (1 + np.exp(-O)), expected, rtol=1e-13)


def test_outputs_that_overflow_raise():
    huge = np.full((2, 1), 1e38, np.float32)
    theta1, theta2 = np.full((2, 2), 9, np.float32), np.ones((1, 3), np.float32)
    theta2[0, 1] = -1
    with pytest.raises(ValueError, match="too large for float32"):
        predict_outputs(huge, theta1, theta2, "identity")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("row", [0, -1])
@pytest.mark.parametrize("container", [np.asarray, np.asfortranarray, sp.csr_array])
def test_outputs_of_rows_that_are_not_finite_raise(rng, value, row, container):
    X = rng.standard_normal((ROUND_ROWS + 500, 3))
    X[row, 2] = value
    theta1, theta2 = random_weights(3, 4, 1.0, 0), random_weights(4, 3, 1.0, 1)
    with pytest.raises(ValueError, match="Input X contains NaN or infinity"):
        predict_outputs(container(X), theta1, theta2, "logistic")


@pytest.mark.parametrize(("value", "dtype"), [(1e308, float), (3e38, np.float32)])
def test_outputs_are_finite_where_sums_of_finite_values_overflow(value, dtype):
    X = np.full((3000, 2), value, dtype)
    theta1, theta2 = np.full((2, 3), 0.3, dtype), np.full((1, 3), 1e-3, dtype)
    assert np.isfinite(predict_outputs(X, theta1, theta2, "identity")).all()
    assert_array_equal(predict_outputs(X, theta1, theta2 * 0, "identity"), 0)


@pytest.mark.parametrize(
    "make", [np.asarray, lambda X: X[:, 1:], np.asfortranarray], ids=["C", "view", "F"]
)
def test_outputs_take_the_memory_of_a_block(make):
    X = make(np.full((200_000, 11), 1e38, np.float32))
    theta1 = np.full((2, X.shape[1] + 1), 1e-38, np.float32)
    theta2 = np.ones((1, 3), np.float32)
    tracemalloc.start()
    O = predict_outputs(X, theta1, theta2, "logistic")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < O.nbytes + X.nbytes / 20
