import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import DataConversionWarning
from sklearn.utils.class_weight import compute_sample_weight

from sknn3 import _samples
from sknn3._arrays import HOST
from sknn3._samples import Classes, Samples, decide, labels_of


def coded(y):
    """Classes of the labels, and their codes."""
    labels = labels_of(y)
    classes = Classes.of(labels)
    return classes, classes.encode(labels)


@pytest.mark.parametrize(
    ("y", "values"),
    [
        ([2, 5, 2, 9], [2, 5, 9]),
        (["b", "a", "b", "c"], ["a", "b", "c"]),
        ([True, False, True, True], [False, True]),
        ([1.0, 3.0, 1.0, 1.0], [1.0, 3.0]),
    ],
)
@pytest.mark.parametrize("piece", [2, 2**20])
def test_classes_are_sorted_and_codes_point_at_them(y, values, piece, monkeypatch):
    monkeypatch.setattr(_samples, "_PIECE", piece)
    classes, codes = coded(np.array(y))
    assert classes.values.tolist() == values
    assert classes.values[codes].tolist() == y
    assert not classes.multilabel


@pytest.mark.parametrize("shape", [(200_000,), (2000, 100)])
def test_labels_are_looked_at_in_the_memory_of_a_piece(shape, rng, monkeypatch):
    monkeypatch.setattr(_samples, "_PIECE", 2**12)
    labels, weight = rng.randint(0, 2, shape), np.ones(shape[0])
    tracemalloc.start()
    classes = Classes.of(labels)
    codes = classes.encode(labels)
    classes.count(codes, weight)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < codes.nbytes + 2**19


def test_labels_that_are_codes_already_are_not_copied(rng):
    labels = rng.randint(0, 2, (20, 3)).astype(np.uint8)
    assert Classes.of(labels).encode(labels) is labels


def test_codes_take_no_more_bytes_than_they_need():
    assert coded(np.arange(256).repeat(2))[1].dtype == np.uint8
    assert coded(np.arange(257).repeat(2))[1].dtype == np.uint16
    assert coded(np.eye(3, dtype=int))[1].dtype == np.uint8


def test_targets_of_three_classes_are_indices():
    classes, codes = coded(np.array(["x", "z", "y"]))
    assert classes.n_outputs == 3
    assert classes.targets(codes).tolist() == [0, 2, 1]


def test_targets_of_two_classes_are_one_column():
    classes, codes = coded(np.array([7, 3, 7]))
    assert classes.n_outputs == 1
    assert classes.targets(codes).tolist() == [[1], [0], [1]]


def test_the_only_class_is_what_its_unit_says_yes_to():
    classes, codes = coded(np.array([4, 4]))
    assert classes.n_outputs == 1
    assert classes.targets(codes).tolist() == [[1], [1]]


@pytest.mark.parametrize("container", [np.array, sp.csr_array, sp.csr_matrix])
def test_an_indicator_matrix_is_multilabel(container):
    classes, codes = coded(container([[0, 1], [1, 1], [0, 0]]))
    assert classes.multilabel
    assert classes.n_outputs == 2
    assert classes.values.tolist() == [0, 1]
    assert classes.targets(codes).tolist() == [[0, 1], [1, 1], [0, 0]]


def test_a_column_is_taken_with_a_warning():
    with pytest.warns(DataConversionWarning, match="column-vector"):
        _, codes = coded(np.array([[1], [2]]))
    assert codes.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([[1, 2], [3, 1]], "several columns"),
        ([[1, 2], [2, 1]], r"matrix of the values \[1, 2\], expected 0 and 1"),
        ([0.5, 1.5], "Unknown label type: continuous"),
        ([1.0, 1.5], "Unknown label type: continuous"),
        ([[0.5, 1.5], [1.0, 1.0]], "Unknown label type: continuous"),
        (np.array([0, 1], object), "Unknown label type: unknown"),
        (np.array([[0, 1], [1, 1]], object), "Unknown label type: unknown"),
    ],
)
def test_what_is_no_classification_is_refused(y, message):
    with pytest.raises(ValueError, match=message):
        coded(np.array(y))


def test_nearly_as_many_classes_as_samples_look_measured():
    with pytest.warns(UserWarning, match="21 classes, and no more than 21 samples"):
        Samples.present(np.ones((21, 1)), np.arange(21), None, None)


def priors(y, weight=None):
    classes, codes = coded(y)
    return classes.priors(classes.count(codes, weight))


@pytest.mark.parametrize("piece", [7, 2**20])
def test_priors_are_weighted_shares(rng, piece, monkeypatch):
    monkeypatch.setattr(_samples, "_PIECE", piece)
    y, w = rng.randint(0, 3, 30), rng.uniform(0, 2, 30)
    assert_allclose(priors(y), [(y == k).mean() for k in range(3)])
    assert_allclose(priors(y, w), [w[y == k].sum() / w.sum() for k in range(3)])
    assert_allclose(priors(y > 0, w), [w[y > 0].sum() / w.sum()])
    assert_allclose(priors(np.ones(3)), [1])
    indicator = np.column_stack([y > 0, y > 1]).astype(int)
    assert_allclose(priors(indicator), indicator.mean(axis=0))
    assert_allclose(priors(indicator, w), np.average(indicator, 0, w))


def weights_by_class(y, class_weight, sample_weight=None):
    classes, codes = coded(y)
    counts = classes.count(codes, sample_weight)
    samples = Samples(np.empty((len(y), 1)), classes, codes)
    return samples.times(classes.weights(class_weight, counts)).weight


@pytest.mark.parametrize("class_weight", ["balanced", {0: 2.0, 1: 0.5, 2: 1.0}])
def test_class_weights_are_scikit_learns(class_weight, rng):
    y = rng.randint(0, 3, 40)
    assert_allclose(
        weights_by_class(y, class_weight), compute_sample_weight(class_weight, y)
    )


@pytest.mark.parametrize(
    "class_weight", ["balanced", [{0: 1.0, 1: 3.0}, {0: 2.0, 1: 1.0}]]
)
@pytest.mark.parametrize("one_sided", [False, True])
def test_class_weights_of_labels_multiply(class_weight, one_sided, rng):
    Y = rng.randint(0, 2, (40, 2))
    if one_sided:
        Y[:, 1] = 1
    assert_allclose(
        weights_by_class(Y, class_weight), compute_sample_weight(class_weight, Y)
    )


def test_balanced_class_weights_see_the_sample_weights(rng):
    y, counts = rng.randint(0, 3, 20), rng.randint(1, 5, 20)
    weighted = weights_by_class(y, "balanced", counts.astype(float))
    repeated = weights_by_class(y.repeat(counts), "balanced")
    assert_allclose(weighted.repeat(counts), repeated)


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ({0: 1.0}, "one dict, but y is multilabel"),
        ([{0: 1.0}], "y has 2 labels, expected a list"),
        ([1.0, 2.0], "expected a list of as many dicts"),
    ],
)
def test_class_weights_that_fit_no_labels_are_refused(class_weight, message):
    with pytest.raises(ValueError, match=message):
        weights_by_class(np.array([[0, 1], [1, 0]]), class_weight)


def test_a_list_of_class_weights_is_for_labels():
    with pytest.raises(ValueError, match="a list goes with multilabel"):
        weights_by_class(np.array([0, 1]), [{0: 1.0}])


def test_samples_of_weight_zero_are_absent():
    X, y = np.arange(8.0).reshape(4, 2), np.array(["a", "b", "c", "a"])
    samples = Samples.present(X, y, np.array([1.0, 2.0, 0.0, 0.5]), None)
    assert samples.classes.values.tolist() == ["a", "b"]
    assert_array_equal(samples.X, X[[0, 1, 3]])
    assert samples.weight.tolist() == [1, 2, 0.5]


def test_class_weights_multiply_sample_weights():
    samples = Samples.present(
        np.ones((3, 1), np.float32),
        np.array([0, 1, 1]),
        np.array([1.0, 2, 3]),
        {1: 2.0},
    )
    assert (samples.weight * samples.unit).tolist() == [1, 4, 6]
    assert samples.unit == 2  # the power of 2 below their mean


@pytest.mark.parametrize(
    "class_weight", [{0: -1.0}, {0: 0.0, 1: 0.0}, {0: np.nan}, {1: np.inf}]
)
def test_class_weights_that_leave_nothing_are_refused(class_weight):
    with pytest.raises(ValueError, match="finite and not negative, nor 0"):
        Samples.present(np.ones((2, 1)), np.array([0, 1]), None, class_weight)


def split(y, fraction, rng):
    """Codes to train on and held out, and the numbers of their rows."""
    classes, codes = coded(y)
    rows = np.arange(len(y)).reshape(-1, 1)
    parts = Samples(rows, classes, codes).split(fraction, rng)
    return [(part.codes, part.X[:, 0]) for part in parts]


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5])
def test_a_split_is_stratified(fraction, rng):
    counts = np.array([100, 60, 40])
    y = rng.permutation(np.repeat([0, 1, 2], counts))
    (_, train), (codes, held_out) = split(y, fraction, rng)
    assert_array_equal(np.sort(np.r_[train, held_out]), range(200))
    assert_array_equal(np.bincount(codes), fraction * counts)


def test_a_split_takes_the_share_of_all_where_classes_are_small(rng):
    (train, _), (held_out, _) = split(np.repeat(np.arange(10), 3), 0.1, rng)
    assert len(held_out) == 3
    assert set(train) == set(range(10))


def test_a_split_leaves_a_row_of_each_class_to_train_on(rng):
    (train, _), (held_out, _) = split(np.array([0, 0, 1]), 0.9, rng)
    assert train.tolist() == [0, 1]
    assert held_out.tolist() == [0]


def test_a_split_of_single_rows_is_refused(rng):
    with pytest.raises(ValueError, match="n_samples = 2 there is no such class"):
        split(np.array([0, 1]), 0.5, rng)


def test_weights_whose_products_vanish_are_refused():
    with pytest.raises(ValueError, match="nor 0 for all samples"):
        Samples.present(
            np.ones((2, 1)), np.array([0, 1]), np.full(2, 1e-300), {0: 1e-300, 1: 0.0}
        )


@pytest.mark.parametrize(
    ("weight", "class_weight"), [(1e308, None), (1e200, {1: 1e200}), (None, {1: 1e308})]
)
def test_weights_whose_sum_overflows_are_refused(weight, class_weight):
    weight = None if weight is None else np.full(4, weight)
    with pytest.raises(ValueError, match="sample_weight times class_weight overflows"):
        Samples.present(np.ones((4, 1)), np.array([0, 1, 1, 1]), weight, class_weight)


def test_a_split_parts_rows_labels_and_weights_alike(rng):
    X = np.arange(20.0).reshape(-1, 1)
    samples = Samples(X, *coded(np.repeat([0, 1], 10)), np.arange(1.0, 21))
    for part in samples.split(0.3, rng):
        rows = part.X[:, 0].astype(int)
        assert_array_equal(part.weight * part.unit, rows + 1)
        assert_array_equal(part.codes, rows // 10)


def test_class_weights_that_are_no_numbers_are_named():
    with pytest.raises(ValueError, match=r"class_weight=.0: 'x'.: could not"):
        Samples.present(np.ones((2, 1)), np.array([0, 1]), None, {0: "x"})


def test_decisions():
    several = np.array([[0.1, -1], [0.3, -2], [0.2, -3]])
    assert decide(several, HOST, n_classes=3, multilabel=False).tolist() == [1, 0]
    assert decide(several, HOST, n_classes=3, multilabel=True).tolist() == [
        [1, 0],
        [1, 0],
        [1, 0],
    ]
    one = np.array([[-0.1, 0.1]])
    assert decide(one, HOST, n_classes=2, multilabel=False).tolist() == [0, 1]
    assert decide(one, HOST, n_classes=1, multilabel=False).tolist() == [0, 0]
