import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import DataConversionWarning
from sklearn.utils.class_weight import compute_sample_weight

from sknn3._arrays import HOST
from sknn3._samples import Labels, Samples, decide


@pytest.mark.parametrize(
    ("y", "classes"),
    [
        ([2, 5, 2, 9], [2, 5, 9]),
        (["b", "a", "b", "c"], ["a", "b", "c"]),
        ([True, False, True, True], [False, True]),
        ([1.0, 3.0, 1.0, 1.0], [1.0, 3.0]),
    ],
)
def test_classes_are_sorted_and_codes_point_at_them(y, classes):
    labels = Labels.encode(np.array(y))
    assert labels.classes.tolist() == classes
    assert labels.classes[labels.codes].tolist() == y
    assert not labels.multilabel


def test_targets_of_three_classes_are_indices():
    labels = Labels.encode(np.array(["x", "z", "y"]))
    assert labels.n_outputs == 3
    assert labels.targets().tolist() == [0, 2, 1]


def test_targets_of_two_classes_are_one_column():
    labels = Labels.encode(np.array([7, 3, 7]))
    assert labels.n_outputs == 1
    assert labels.targets().tolist() == [[1], [0], [1]]


def test_the_only_class_is_what_its_unit_says_yes_to():
    labels = Labels.encode(np.array([4, 4]))
    assert labels.n_outputs == 1
    assert labels.targets().tolist() == [[1], [1]]


@pytest.mark.parametrize("container", [np.array, sp.csr_array, sp.csr_matrix])
def test_an_indicator_matrix_is_multilabel(container):
    labels = Labels.encode(container([[0, 1], [1, 1], [0, 0]]))
    assert labels.multilabel
    assert labels.n_outputs == 2
    assert labels.classes.tolist() == [0, 1]
    assert labels.targets().tolist() == [[0, 1], [1, 1], [0, 0]]


def test_a_column_is_taken_with_a_warning():
    with pytest.warns(DataConversionWarning, match="column-vector"):
        labels = Labels.encode(np.array([[1], [2]]))
    assert labels.codes.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("y", "message"),
    [([[1, 2], [3, 1]], "several columns"), ([0.5, 1.5], "Unknown label type")],
)
def test_what_is_no_classification_is_refused(y, message):
    with pytest.raises(ValueError, match=message):
        Labels.encode(np.array(y))


def test_priors_are_weighted_shares(rng):
    y, w = rng.randint(0, 3, 30), rng.uniform(0, 2, 30)
    labels = Labels.encode(y)
    assert_allclose(labels.priors(None), [(y == k).mean() for k in range(3)])
    assert_allclose(labels.priors(w), [w[y == k].sum() / w.sum() for k in range(3)])
    assert_allclose(Labels.encode(y > 0).priors(w), [w[y > 0].sum() / w.sum()])
    indicator = np.column_stack([y > 0, y > 1]).astype(int)
    assert_allclose(Labels.encode(indicator).priors(None), indicator.mean(axis=0))


@pytest.mark.parametrize("class_weight", ["balanced", {0: 2.0, 1: 0.5, 2: 1.0}])
def test_class_weights_are_scikit_learns(class_weight, rng):
    y = rng.randint(0, 3, 40)
    assert_allclose(
        Labels.encode(y).class_weights(class_weight, None),
        compute_sample_weight(class_weight, y),
    )


@pytest.mark.parametrize(
    "class_weight", ["balanced", [{0: 1.0, 1: 3.0}, {0: 2.0, 1: 1.0}]]
)
def test_class_weights_of_labels_multiply(class_weight, rng):
    Y = rng.randint(0, 2, (40, 2))
    assert_allclose(
        Labels.encode(Y).class_weights(class_weight, None),
        compute_sample_weight(class_weight, Y),
    )


def test_balanced_class_weights_see_the_sample_weights(rng):
    y, counts = rng.randint(0, 3, 20), rng.randint(1, 5, 20)
    weighted = Labels.encode(y).class_weights("balanced", counts.astype(float))
    repeated = Labels.encode(y.repeat(counts)).class_weights("balanced", None)
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
        Labels.encode(np.array([[0, 1], [1, 0]])).class_weights(class_weight, None)


def test_a_list_of_class_weights_is_for_labels():
    with pytest.raises(ValueError, match="a list goes with multilabel"):
        Labels.encode(np.array([0, 1])).class_weights([{0: 1.0}], None)


def test_samples_of_weight_zero_are_absent():
    X, y = np.arange(8.0).reshape(4, 2), np.array(["a", "b", "c", "a"])
    samples = Samples.present(X, y, np.array([1.0, 2.0, 0.0, 0.5]), None)
    assert samples.labels.classes.tolist() == ["a", "b"]
    assert_array_equal(samples.X, X[[0, 1, 3]])
    assert samples.weight.tolist() == [1, 2, 0.5]


def test_class_weights_multiply_sample_weights():
    samples = Samples.present(
        np.ones((3, 1), np.float32),
        np.array([0, 1, 1]),
        np.array([1.0, 2, 3]),
        {1: 2.0},
    )
    assert samples.weight.tolist() == [1, 4, 6]


@pytest.mark.parametrize(
    "class_weight", [{0: -1.0}, {0: 0.0, 1: 0.0}, {0: np.nan}, {1: np.inf}]
)
def test_class_weights_that_leave_nothing_are_refused(class_weight):
    with pytest.raises(ValueError, match="finite and not negative, nor 0"):
        Samples.present(np.ones((2, 1)), np.array([0, 1]), None, class_weight)


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5])
def test_a_split_is_stratified(fraction, rng):
    counts = np.array([100, 60, 40])
    labels = Labels.encode(rng.permutation(np.repeat([0, 1, 2], counts)))
    train, held_out = labels.split(fraction, rng)
    assert_array_equal(np.sort(np.r_[train, held_out]), range(200))
    assert_array_equal(np.bincount(labels.codes[held_out]), fraction * counts)


def test_a_split_takes_the_share_of_all_where_classes_are_small(rng):
    labels = Labels.encode(np.repeat(np.arange(10), 3))
    train, held_out = labels.split(0.1, rng)
    assert len(held_out) == 3
    assert set(labels.codes[train]) == set(range(10))


def test_a_split_leaves_a_row_of_each_class_to_train_on(rng):
    labels = Labels.encode(np.array([0, 0, 1]))
    train, held_out = labels.split(0.9, rng)
    assert labels.codes[train].tolist() == [0, 1]
    assert labels.codes[held_out].tolist() == [0]


def test_a_split_of_single_rows_is_refused(rng):
    with pytest.raises(ValueError, match="n_samples = 2 there is no such class"):
        Labels.encode(np.array([0, 1])).split(0.5, rng)


def test_weights_whose_products_vanish_are_refused():
    with pytest.raises(ValueError, match="nor 0 for all samples"):
        Samples.present(
            np.ones((2, 1)), np.array([0, 1]), np.full(2, 1e-300), {0: 1e-300, 1: 0.0}
        )


def test_a_split_parts_rows_labels_and_weights_alike(rng):
    X = np.arange(20.0).reshape(-1, 1)
    samples = Samples(X, Labels.encode(np.repeat([0, 1], 10)), np.arange(1.0, 21))
    for part in samples.split(0.3, rng):
        rows = part.X[:, 0].astype(int)
        assert_array_equal(part.weight, rows + 1)
        assert_array_equal(part.labels.codes, rows // 10)


def test_class_weights_that_are_no_numbers_are_named():
    with pytest.raises(ValueError, match=r"class_weight=.0: 'x'.: could not"):
        Samples.present(np.ones((2, 1)), np.array([0, 1]), None, {0: "x"})


def test_accuracy_is_weighted():
    labels = Labels.encode(np.array([0, 1, 2]))
    samples = Samples(np.ones((3, 1)), labels, np.array([1.0, 2.0, 5.0]))
    assert samples.accuracy(np.array([0, 0, 2])) == 6 / 8


def test_accuracy_of_labels_wants_all_of_them():
    labels = Labels.encode(np.array([[0, 1], [1, 1]]))
    assert Samples(np.ones((2, 1)), labels, None).accuracy(
        np.array([[0, 1], [1, 0]])
    ) == pytest.approx(0.5)


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
