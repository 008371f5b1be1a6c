import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import DataConversionWarning
from sklearn.model_selection import KFold, cross_val_score
from sklearn.utils.class_weight import compute_sample_weight

from sknn3 import ThreeLayerNNClassifier, ThreeLayerNNClassifierCV
from sknn3._dataset import Dataset
from sknn3._labels import (
    LabelEncoding,
    as_labels,
    draw_stratified_holdout,
)

# Most labels here are independent of the rows.
pytestmark = pytest.mark.filterwarnings(
    "ignore:The fitted network is no better:sklearn.exceptions.ConvergenceWarning"
)


def encode(y):
    """Return the encoding of the labels, and their codes."""
    labels = as_labels(y)
    encoding = LabelEncoding.from_labels(labels)
    return encoding, encoding.encode(labels)


# ------------------------------------------------------- labels as users give them

ROWS = np.arange(8.0)[:, np.newaxis]
WORDS = ["yes", "no"] * 4
NUMBERS = [0, 1] * 4
FRAME = pd.DataFrame({"urgent": [True, False] * 4, "refund": [1, 1, 0, 0] * 2})


def with_label(values, label, row=3):
    return [*values[:row], label, *values[row + 1 :]]


ACCEPTED = {
    "strings": (WORDS, "U"),
    "tuple of strings": (tuple(WORDS), "U"),
    "strings as objects": (np.array(WORDS, object), "O"),
    "pandas' strings": (pd.Series(WORDS), "O"),
    "pandas' strings as objects": (pd.Series(WORDS, dtype=object), "O"),
    "pandas' string dtype": (pd.Series(WORDS, dtype="string"), "O"),
    "categories": (pd.Series(WORDS, dtype="category"), "O"),
    "polars' strings": (pl.Series(WORDS), "U"),
    "polars' categories": (pl.Series(WORDS, dtype=pl.Categorical), "O"),
    "integers": (NUMBERS, "i"),
    "integers as objects": (np.array(NUMBERS, object), "i"),
    "pandas' integers as objects": (pd.Series(NUMBERS, dtype=object), "i"),
    "polars' objects": (pl.Series(NUMBERS, dtype=pl.Object), "i"),
    "nullable integers": (pd.Series(NUMBERS, dtype="Int64"), "i"),
    "whole floats as objects": (np.array(NUMBERS, float).astype(object), "f"),
    "truth values as objects": (np.array([True, False] * 4, object), "b"),
    "nullable truth values": (pd.Series([True, False] * 4, dtype="boolean"), "b"),
    "categories of truth values": (pd.Series([True, False] * 4, dtype="category"), "b"),
    "polars' truth values": (pl.Series([True, False] * 4), "b"),
    "intervals as strings": (
        pd.Series(pd.cut(ROWS[:, 0], [-1, 3, 9])).astype(str),
        "O",
    ),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_numbers_in_objects_and_frames_have_classes_of_their_own_dtype(case):
    y, kind = ACCEPTED[case]
    for clf in (
        ThreeLayerNNClassifier(2, tol=0.1, random_state=0),
        ThreeLayerNNClassifierCV(
            alphas=[1], max_iters=[9], cv=2, tol=0.1, scoring="accuracy"
        ),
    ):
        clf.fit(ROWS, y)
        assert clf.classes_.dtype.kind == kind
        assert clf.classes_.tolist() == sorted(set(y))
        assert clf.score(ROWS, y) == np.mean(clf.predict(ROWS) == np.array(y))


FRAMES = {
    "bool and int": FRAME,
    "boolean": FRAME.astype("boolean"),
    "Int64": FRAME.astype("Int64"),
    "boolean and int": FRAME.astype({"urgent": "boolean"}),
    "Int8 and float": FRAME.astype({"urgent": "Int8", "refund": float}),
    "objects": FRAME.astype(object),
    "polars": pl.from_pandas(FRAME),
    "lists": FRAME.to_numpy().tolist(),
    "sparse columns": FRAME.astype(pd.SparseDtype(int, 0)),
}


@pytest.mark.parametrize("case", FRAMES)
def test_indicator_frames_of_several_dtypes_give_fit_and_scores_of_the_array(case):
    Y, array = FRAMES[case], FRAME.to_numpy().astype(int)
    for clf in (
        ThreeLayerNNClassifier(2, tol=0.1, random_state=0),
        ThreeLayerNNClassifierCV(
            alphas=[1], max_iters=[9], cv=2, tol=0.1, random_state=0
        ),
    ):
        expected = clone(clf).fit(ROWS, array)
        clf.fit(ROWS, Y)
        assert clf.multilabel_
        assert_array_equal(clf.theta1_, expected.theta1_)
        assert clf.score(ROWS, Y) == expected.score(ROWS, array)
        assert_array_equal(
            cross_val_score(clf, ROWS, Y, cv=KFold(2), error_score="raise"),
            cross_val_score(clf, ROWS, array, cv=KFold(2)),
        )


DATES = pd.date_range("2020-01-01", periods=8)
REJECTED = {
    "None": (with_label(WORDS, None), "contains None in row 3: expected a label"),
    "None first": (with_label(WORDS, None, 0), "contains None in row 0"),
    "None in a tuple": (tuple(with_label(WORDS, None)), "contains None in row 3"),
    "None, objects": (
        pd.Series(with_label(WORDS, None), dtype=object),
        "None in row 3",
    ),
    "None, numbers": (with_label(NUMBERS, None), "contains None in row 3"),
    "None, polars": (pl.Series(with_label(WORDS, None)), "contains None in row 3"),
    "None, polars' bool": (pl.Series([True, None] * 4), "contains None in row 1"),
    "null, polars' int": (pl.Series([0, None] * 4), "contains NaN in row 1"),
    "NaN among strings": (with_label(WORDS, np.nan), "contains NaN in row 3"),
    "NaN as object": (np.array([0, 1, np.nan], object), "contains NaN in row 2"),
    "NaN": (with_label(NUMBERS, np.nan), "contains NaN in row 3"),
    "infinity": (with_label(NUMBERS, -np.inf), "contains infinity in row 3"),
    "missing str": (
        pd.Series(with_label(WORDS, None)),
        "contains (NaN|None) in row 3",  # None before pandas 3
    ),
    "missing string": (
        pd.Series(with_label(WORDS, None), dtype="string"),
        "contains <NA> in row 3",
    ),
    "missing category": (
        pd.Series(with_label(WORDS, None), dtype="category"),
        "contains NaN in row 3",
    ),
    "missing Int64": (
        pd.Series(with_label(NUMBERS, None), dtype="Int64"),
        "contains NaN in row 3",
    ),
    "missing boolean": (
        pd.Series([True, None] * 4, dtype="boolean"),
        "contains <NA> in row 1",
    ),
    "NaT": (DATES.where(DATES.day != 4).to_series(), "contains NaT in row 3"),
    "NaT with a time zone": (
        DATES.where(DATES.day != 1).tz_localize("UTC").to_series(),
        "contains NaT in row 0",
    ),
    "missing in a frame": (
        FRAME.astype("boolean").mask(FRAME.index.to_series() == 3),
        "contains <NA> in row 3",
    ),
    "number among strings": (
        with_label(WORDS, 3),
        "a string in row 0, 'yes', and a number in row 3, 3: expected either",
    ),
    "string among numbers": (
        np.array(with_label(NUMBERS, "no"), object),
        "a number in row 0, 0, and a string in row 3, 'no'",
    ),
    "bool among strings": (
        pd.Series(with_label(WORDS, True), dtype=object),
        "a number in row 3, True",
    ),
    "number in polars' objects": (
        pl.Series(with_label(WORDS, 3), dtype=pl.Object),
        "a number in row 3, 3",
    ),
    "strings and numbers in a frame": (
        FRAME.assign(urgent=WORDS),
        "a string in row 0, 'yes', and a number in row 0, 1",
    ),
    "intervals": (
        pd.cut(pd.Series(ROWS[:, 0]), [-1, 3, 9]),
        "a value of type Interval in row 0, Interval.*y.astype.str",
    ),
    "periods": (pd.Series(DATES.to_period("D")), "a value of type Period in row 0"),
    "lists": (pd.Series([[0, 1]] * 8), "a value of type list in row 0"),
    "lists of unequal length": ([[0], [0, 1]] * 4, "a value of type list in row 0"),
    "bytes as objects": (np.array([b"a", b"b"] * 4, object), "type bytes in row 0"),
    "None among strings": (
        np.array(["nan"] * 3 + [None], object),
        "contains None in row 3",
    ),
}


@pytest.mark.parametrize("case", REJECTED)
def test_missing_and_mixed_labels_raise_with_the_first_row(case):
    y, message = REJECTED[case]
    X = ROWS[: len(y)]
    classifier = ThreeLayerNNClassifier(2, tol=0.1, random_state=0)
    classifier.fit(ROWS, sorted(NUMBERS))
    search = ThreeLayerNNClassifierCV(alphas=[1], max_iters=[9], cv=2, tol=0.1)
    for function in (classifier.fit, classifier.score, search.fit):
        with pytest.raises(ValueError, match=r"\by\b.*" + message):
            function(X, y)


def test_array_of_labels_is_not_copied():
    for y in (np.array(NUMBERS), np.array(WORDS), np.array(WORDS, object)):
        assert as_labels(y) is y


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


@pytest.mark.parametrize("container", [np.array, sp.csr_array, sp.lil_matrix])
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
        ([0.5, 1.5], r"^y has float64 .* \[0.5, 1.5\], exp.* Unknown label type: cont"),
        (
            [1.0, 1.5],
            r"^y has float64 values such as \[1.0, 1.5\], expected classes: str",
        ),
        ([[0.5, 1.5], [1.0, 1.0]], "several columns, of float64 values"),
        (np.array([["a", "b"], ["b", "b"]], object), "several columns, of object"),
    ],
)
def test_continuous_and_multioutput_targets_raise(y, message):
    with pytest.raises(ValueError, match=message):
        encode(np.array(y))


def test_dates_are_classes():
    dates = np.array(["2021", "2020", "2021"], dtype="datetime64[D]")
    encoding, codes = encode(dates)
    assert codes.tolist() == [1, 0, 1]
    assert_array_equal(encoding.decode(codes), dates)


@pytest.mark.needs_sklearn("1.8", "this warning of many classes")
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
    ("y", "class_weight", "weights"),
    [
        ([0, 1, 2, 1], {1: 5, 7: 50}, [1, 5, 1, 5]),
        ([0, 1, 2, 1], {}, [1, 1, 1, 1]),
        (["a", "b"], {"b": 3, "c": 2}, [1, 3]),
        ([True, False], {True: 3, "other": 2}, [3, 1]),
        ([1.0, 2.0], {2: 3, 4: 2}, [1, 3]),
        ([[0, 1], [0, 0]], [{1: 3}, {1: 5, 2: 7}], [5, 1]),
    ],
)
def test_classes_without_class_weight_weigh_1(y, class_weight, weights):
    assert weights_by_class(np.array(y), class_weight).tolist() == weights


@pytest.mark.parametrize(
    ("y", "class_weight", "message"),
    [
        ([3, 4], {7: 50}, r"class_weight={7: 50} names none.*y, \[3, 4\]"),
        (["a", "b"], {"A": 0}, r"class_weight={'A': 0} names none.*\['a', 'b'\]"),
        ([[0, 1], [1, 0]], [{1: 1.0}, {2: 9}], r"class_weight={2: 9} .* \[0, 1\]"),
    ],
)
def test_class_weight_that_names_no_class_of_y_warns(y, class_weight, message):
    assert weights_by_class(np.array(y), class_weight).tolist() == [1, 1]
    labels = LabelEncoding.from_labels(np.array(y))
    with pytest.warns(UserWarning, match=message) as caught:
        labels.warn_of_unnamed_classes(class_weight, stacklevel=1)
    assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.parametrize(
    "clf",
    [
        ThreeLayerNNClassifier(2, tol=0.1),
        ThreeLayerNNClassifierCV(alphas=[1], max_iters=[5], cv=2, tol=0.1),
    ],
)
def test_warning_of_class_weight_is_emitted_once_at_the_call_of_fit(clf):
    clf.set_params(class_weight={7: 50})
    with pytest.warns(UserWarning, match="names none of the classes") as caught:
        clf.fit(ROWS, NUMBERS)
    unnamed = [w for w in caught if "names none" in str(w.message)]
    assert [warning.filename for warning in unnamed] == [__file__]


def test_class_that_a_fold_lacks_has_scores():
    y = np.append(NUMBERS, [0, 1, 0, 7])  # one sample of a rare class
    X, class_weight = np.arange(12.0)[:, np.newaxis], {1: 5, 7: 50}
    clf = ThreeLayerNNClassifier(2, tol=0.1, class_weight=class_weight)
    scores = cross_val_score(clf, X, y, cv=KFold(3), error_score="raise")
    assert np.isfinite(scores).all()
    search = ThreeLayerNNClassifierCV(
        alphas=[1], max_iters=[9], cv=KFold(3), tol=0.1, class_weight=class_weight
    )
    assert np.isfinite(search.fit(X, y).best_score_)


@pytest.mark.parametrize(
    ("y", "class_weight", "message"),
    [
        ([[0, 1], [1, 0]], {0: 1.0}, "expected a list of 2 dicts"),
        ([[0, 1], [1, 0]], [{0: 1.0}], "expected a list of 2 dicts"),
        ([[0, 1], [1, 0]], [1.0, 2.0], "expected a list of 2 dicts"),
        ([0, 1], [{0: 1.0}], "expected {class: weight} or"),
        ([0, 1], {0: "x"}, "class_weight={0: 'x'}: the weights must be finite"),
        ([0, 1], {0: -1.0}, "class_weight={0: -1.0}: the weights must be finite"),
        ([0, 1], {0: np.nan}, "class_weight={0: nan}: the weights must be finite"),
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
    with pytest.raises(ValueError, match="n_samples = 2 has no such class"):
        draw_stratified_holdout(np.array([1, 1]), 0.5, rng)
