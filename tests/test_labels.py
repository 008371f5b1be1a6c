import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import DataConversionWarning
from sklearn.utils.class_weight import compute_sample_weight

from sknn3._dataset import Dataset
from sknn3._labels import (
    LabelEncoding,
    as_labels,
    draw_stratified_holdout,
)


def encode(y):
    """Return the encoding of the labels, and their codes."""
    labels = as_labels(y)
    encoding = LabelEncoding.from_labels(labels)
    return encoding, encoding.encode(labels)


# ------------------------------------------------------------- classes and codes


@pytest.mark.parametrize(
    ("y", "classes"),
    [
        ([2, 5, 2, 9], [2, 5, 9]),
        (["b", "a", "b", "c"], ["a", "b", "c"]),
        ([True, False, True, True], [False, True]),
        ([1.0, 3.0, 1.0, 1.0], [1.0, 3.0]),
    ],
)
def test_classes_are_sorted_and_codes_are_their_indices(y, classes):
    encoding, codes = encode(np.array(y))
    assert encoding.classes.tolist() == classes
    assert encoding.classes[codes].tolist() == y
    assert not encoding.multilabel


def test_uint8_indicator_matrix_is_not_copied(rng):
    labels = rng.randint(0, 2, (20, 3)).astype(np.uint8)
    assert LabelEncoding.from_labels(labels).encode(labels) is labels


def test_codes_have_smallest_unsigned_dtype():
    assert encode(np.arange(256).repeat(2))[1].dtype == np.uint8
    assert encode(np.arange(257).repeat(2))[1].dtype == np.uint16
    assert encode(np.eye(3, dtype=int))[1].dtype == np.uint8


def test_targets_of_three_classes_are_indices():
    encoding, codes = encode(np.array(["x", "z", "y"]))
    assert encoding.n_outputs == 3
    assert encoding.targets(codes).tolist() == [0, 2, 1]


def test_targets_of_two_classes_are_one_column():
    encoding, codes = encode(np.array([7, 3, 7]))
    assert encoding.n_outputs == 1
    assert encoding.targets(codes).tolist() == [[1], [0], [1]]


def test_targets_of_single_class_are_one():
    encoding, codes = encode(np.array([4, 4]))
    assert encoding.n_outputs == 1
    assert encoding.targets(codes).tolist() == [[1], [1]]


@pytest.mark.parametrize("container", [np.array, sp.csr_array, sp.csr_matrix])
def test_indicator_matrix_is_multilabel(container):
    encoding, codes = encode(container([[0, 1], [1, 1], [0, 0]]))
    assert encoding.multilabel
    assert encoding.n_outputs == 2
    assert encoding.classes.tolist() == [0, 1]
    assert encoding.targets(codes).tolist() == [[0, 1], [1, 1], [0, 0]]


def test_union_has_classes_of_all_parts():
    parts = [encode(np.array(y))[0] for y in (["b", "a"], ["c", "a"])]
    assert LabelEncoding.union(parts).classes.tolist() == ["a", "b", "c"]
    multilabel, _ = encode(np.eye(3, dtype=int))
    assert LabelEncoding.union([multilabel, multilabel]) is multilabel


def test_column_of_labels_is_raveled_with_warning():
    with pytest.warns(DataConversionWarning, match="column-vector"):
        _, codes = encode(np.array([[1], [2]]))
    assert codes.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (
            [[1, 2], [3, 1]],
            r"several columns, of int64 values such as \[1, 2, 3\]",
        ),
        ([[1, 2], [2, 1]], "expected one column of classes, or an indicator"),
        ([0.5, 1.5], "Unknown label type: continuous"),
        ([1.0, 1.5], "Unknown label type: continuous"),
        ([[0.5, 1.5], [1.0, 1.0]], "several columns, of float64 values"),
        (np.array([0, 1], object), "Unknown label type: unknown"),
        (np.array([[0, 1], [1, 1]], object), "several columns, of object values"),
    ],
)
def test_continuous_and_multioutput_targets_raise(y, message):
    with pytest.raises(ValueError, match=message):
        encode(np.array(y))


def test_nearly_as_many_classes_as_samples_warn_of_regression():
    with pytest.warns(UserWarning, match="could represent a regression problem"):
        encode(np.arange(21))
    encode(np.arange(20))
    encode(np.arange(40) // 2)


# -------------------------------------------------------- priors and class weights


def priors(y, sample_weight=None):
    encoding, codes = encode(y)
    return encoding.priors(encoding.class_counts(codes, sample_weight))


def test_priors_are_weighted_shares_of_classes(rng):
    y, w = rng.randint(0, 3, 30), rng.uniform(0, 2, 30)
    assert_allclose(priors(y), [(y == k).mean() for k in range(3)])
    assert_allclose(priors(y, w), [w[y == k].sum() / w.sum() for k in range(3)])
    assert_allclose(priors(y > 0, w), [w[y > 0].sum() / w.sum()])
    assert_allclose(priors(np.ones(3)), [1])
    indicator = np.column_stack([y > 0, y > 1]).astype(int)
    assert_allclose(priors(indicator), indicator.mean(axis=0))
    assert_allclose(priors(indicator, w), np.average(indicator, 0, w))


def weights_by_class(y, class_weight, sample_weight=None):
    """Return the weight of each sample by its class or labels."""
    encoding, codes = encode(y)
    counts = encoding.class_counts(codes, sample_weight)
    dataset = Dataset(np.empty((len(y), 1)), encoding, codes)
    weights = encoding.class_weights(class_weight, counts)
    return dataset.with_class_weights(weights).sample_weight


@pytest.mark.parametrize("class_weight", ["balanced", {0: 2.0, 1: 0.5, 2: 1.0}])
def test_class_weights_equal_compute_sample_weight(class_weight, rng):
    y = rng.randint(0, 3, 40)
    assert_allclose(
        weights_by_class(y, class_weight), compute_sample_weight(class_weight, y)
    )


@pytest.mark.parametrize(
    "class_weight", ["balanced", [{0: 1.0, 1: 3.0}, {0: 2.0, 1: 1.0}]]
)
@pytest.mark.parametrize("constant_label", [False, True])
def test_class_weights_of_labels_multiply(class_weight, constant_label, rng):
    Y = rng.randint(0, 2, (40, 2))
    if constant_label:
        Y[:, 1] = 1
    assert_allclose(
        weights_by_class(Y, class_weight), compute_sample_weight(class_weight, Y)
    )


def test_balanced_class_weights_count_sample_weights(rng):
    y, counts = rng.randint(0, 3, 20), rng.randint(1, 5, 20)
    weighted = weights_by_class(y, "balanced", counts.astype(float))
    repeated = weights_by_class(y.repeat(counts), "balanced")
    assert_allclose(weighted.repeat(counts), repeated)


@pytest.mark.parametrize(
    ("y", "class_weight", "message"),
    [
        ([[0, 1], [1, 0]], {0: 1.0}, "expected a list of 2 dicts"),
        ([[0, 1], [1, 0]], [{0: 1.0}], "expected a list of 2 dicts"),
        ([[0, 1], [1, 0]], [1.0, 2.0], "expected a list of 2 dicts"),
        ([0, 1], [{0: 1.0}], "expected {class: weight} or"),
        ([0, 1], {0: "x"}, r"class_weight=.0: 'x'.: could not"),
    ],
)
def test_class_weights_of_wrong_type_raise(y, class_weight, message):
    with pytest.raises(ValueError, match=message):
        weights_by_class(np.array(y), class_weight)


# ------------------------------------------------------------------------ holdout


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5])
def test_holdout_is_stratified(fraction, rng):
    counts = np.array([100, 60, 40])
    held_out = draw_stratified_holdout(counts, fraction, rng)
    assert_array_equal([len(positions) for positions in held_out], fraction * counts)
    for positions, count in zip(held_out, counts, strict=True):
        assert_array_equal(positions, np.unique(positions))
        assert 0 <= positions[0] <= positions[-1] < count


def test_holdout_has_fraction_of_all_samples_where_classes_are_small(rng):
    held_out = draw_stratified_holdout(np.full(10, 3), 0.1, rng)
    assert sorted(map(len, held_out)) == [0] * 7 + [1] * 3


def test_holdout_leaves_a_sample_of_each_class_for_training(rng):
    held_out = draw_stratified_holdout(np.array([2, 1]), 0.9, rng)
    assert [len(positions) for positions in held_out] == [1, 0]


def test_holdout_of_classes_of_one_sample_raises(rng):
    with pytest.raises(ValueError, match="n_samples = 2 there is no such class"):
        draw_stratified_holdout(np.array([1, 1]), 0.5, rng)
