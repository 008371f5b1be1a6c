"""Dask collections that the estimator for clusters accepts or rejects."""

import re
import warnings
from itertools import pairwise

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from distributed import Client, LocalCluster
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning

from sknn3 import ThreeLayerNNClassifier
from sknn3.dask import DaskThreeLayerNNClassifier

pytestmark = pytest.mark.cluster

ROWS = 300

RNG = np.random.RandomState(0)
X = RNG.standard_normal((ROWS, 4))
y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)
LABELS = (X > 0).astype(int)
FRAME = pd.DataFrame(X, columns=list("abcd"))
MIXED = pd.DataFrame({"urgent": X[:, 0] > 0, "refund": (X[:, 1] > 0).astype(int)})


@pytest.fixture(scope="module", autouse=True)
def client():
    with (
        LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, dashboard_address=":0"
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


def cut(array, rows=100):
    return da.from_array(array, chunks=(rows, *array.shape[1:]))


def unknown(array, rows=100, kept=None):
    """Return partitions of some rows, with sizes that dask does not know."""
    kept = np.ones(len(array), bool) if kept is None else kept
    return cut(array, rows)[cut(kept, rows)]


def pieces(array, sizes):
    """Return partitions of the given sizes, which may be 0."""
    edges = np.cumsum([0, *sizes])
    return da.concatenate(
        [
            da.from_array(array[a:b], chunks=(-1,) * array.ndim)
            for a, b in pairwise(edges)
        ]
    )


def in_second(array, function, **kwargs):
    """Apply a function to the second partition."""

    def of_block(block, block_info):
        return function(block) if block_info[0]["chunk-location"][0] == 1 else block

    return array.map_blocks(of_block, dtype=array.dtype, meta=array._meta, **kwargs)


def frame(values, n=3):
    return dd.from_pandas(values, npartitions=n)


def make(cls=DaskThreeLayerNNClassifier, **params):
    defaults = {"hidden_layer_size": 3, "max_iter": 4, "random_state": 0}
    return cls(**defaults | params)


def local(*args, **params):
    return fitted(make(ThreeLayerNNClassifier, **params), *args)


def net(*args, **params):
    return fitted(make(**params), *args)


def fitted(clf, *args):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return clf.fit(*args)


def assert_same(a, b):
    assert_allclose(a.theta1_, b.theta1_, rtol=0, atol=1e-10)
    assert_allclose(a.loss_curve_, b.loss_curve_, rtol=1e-10)
    assert_array_equal(a.classes_, b.classes_)


def attributes(clf):
    return {name: value for name, value in vars(clf).items() if name.endswith("_")}


# ------------------------------------------------------------------------ accepted


BY_CLASS = np.argsort(y, kind="stable")
LAST = np.arange(ROWS) >= 100
WEIGHT = np.where(LAST, 1.0, 0.0)

ACCEPTED = {
    "unknown": lambda: (unknown(X), unknown(y)),
    "unknown X": lambda: (unknown(X), cut(y)),
    "unknown y": lambda: (cut(X), unknown(y)),
    "column chunks": lambda: (da.from_array(X, chunks=(100, 2)), cut(y)),
    "unknown column chunks": lambda: (
        da.from_array(X, chunks=(100, 2))[cut(np.ones(ROWS, bool))],
        unknown(y),
    ),
    "other chunks of y": lambda: (cut(X), cut(y, 77)),
    "empty first": lambda: (pieces(X, [0, 0, 300]), pieces(y, [0, 0, 300])),
    "empty middle": lambda: (pieces(X, [150, 0, 150]), pieces(y, [150, 0, 150])),
    "empty last": lambda: (pieces(X, [150, 150, 0]), pieces(y, [150, 150, 0])),
    "bool": lambda: (cut(X), cut(y > 0)),
    "float": lambda: (cut(X), cut(y.astype(float))),
    "labels": lambda: (cut(X), cut(LABELS)),
    "sparse labels": lambda: (cut(X), cut(LABELS).map_blocks(sp.csr_matrix)),
    "frame": lambda: (frame(FRAME), frame(pd.Series(y))),
    "strings": lambda: (frame(FRAME), frame(pd.Series(np.array(["a", "b", "c"])[y]))),
    "categories": lambda: (frame(FRAME), frame(pd.Series(y, dtype="category"))),
    "objects": lambda: (cut(X), cut(y.astype(object))),
    "pandas' truth values": lambda: (
        frame(FRAME),
        frame(pd.Series(y > 0, dtype="boolean")),
    ),
    "bool and int columns": lambda: (frame(FRAME), frame(MIXED)),
    "boolean and Int64 columns": lambda: (
        frame(FRAME),
        frame(MIXED.astype({"urgent": "boolean", "refund": "Int64"})),
    ),
    "columns of objects": lambda: (cut(X), cut(MIXED.to_numpy())),
    "pandas' integers": lambda: (frame(FRAME), frame(pd.Series(y, dtype="Int64"))),
    "pandas' floats": lambda: (frame(FRAME.astype("Float64")), frame(pd.Series(y))),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_accepted_collections_equal_fit_in_memory(case):
    X_parts, y_parts = ACCEPTED[case]()
    y_here = np.concatenate([np.asarray(_dense(b)) for b in _blocks(y_parts)])
    expected, fit = local(X, y_here), net(X_parts, y_parts)
    assert_same(fit, expected)
    assert fit.classes_.dtype == expected.classes_.dtype
    assert_array_equal(fit.predict(X_parts).compute(), expected.predict(X))
    assert fit.score(X_parts, y_parts) == pytest.approx(expected.score(X, y_here))


def _blocks(collection):
    blocks = collection.to_delayed() if hasattr(collection, "to_delayed") else []
    return dask.compute(*np.ravel(blocks))


def _dense(block):
    return block.toarray() if sp.issparse(block) else block


def test_partitions_with_missing_classes_equal_fit_in_memory():
    by_class = X[BY_CLASS], y[BY_CLASS]
    assert_same(net(*map(cut, by_class)), local(*by_class))


@pytest.mark.parametrize(
    ("params", "weight"),
    [
        ({}, WEIGHT),
        ({"class_weight": {0: 0, 1: 1, 2: 2}}, None),
        ({"early_stopping": True, "validation_fraction": 0.8}, None),
    ],
)
def test_partitions_with_only_zero_weights_equal_fit_in_memory(params, weight):
    arrays = [X[BY_CLASS], y[BY_CLASS]] + [weight] * (weight is not None)
    expected = local(*arrays, **params)
    fit = net(*(cut(array, 10) for array in arrays), **params)
    assert_same(fit, expected)
    assert fit.score(*(cut(array, 10) for array in arrays)) == pytest.approx(
        expected.score(*arrays)
    )


def test_classes_of_all_partitions_stay_without_weights():
    arrays = X[BY_CLASS], y[BY_CLASS], (y[BY_CLASS] != 2) * 1.0
    expected, fit = local(*arrays), net(*(cut(array, 10) for array in arrays))
    assert_same(fit, expected)
    assert fit.classes_.tolist() == [0, 1, 2]
    assert fit.predict_proba(cut(X)).compute()[:, 2].max() < 0.05


def test_collections_of_unknown_length_equal_fit_in_memory():
    fit = net(unknown(X, kept=LAST), unknown(y, kept=LAST))
    assert_same(fit, local(X[LAST], y[LAST]))
    nothing = np.zeros(ROWS, bool)
    for method in ("predict", "predict_proba"):
        lazy = getattr(fit, method)(unknown(X, kept=nothing)).compute()
        assert_array_equal(lazy, getattr(fit, method)(cut(X)).compute()[:0])
    assert_array_equal(
        fit.predict(unknown(X, kept=LAST)).compute(),
        fit.predict(cut(X)).compute()[LAST],
    )


def test_mixed_float32_and_float64_partitions_become_float64():
    mixed = in_second(cut(X), lambda block: block.astype(np.float32))
    rounded = np.where((np.arange(ROWS) // 100 == 1)[:, None], X.astype(np.float32), X)
    fit = net(mixed, cut(y))
    assert fit.theta1_.dtype == np.float64
    assert_same(fit, local(rounded, y))


SPARSE_FRAME = pd.DataFrame(X.round() > 0).set_axis(list("abcd"), axis=1)
SPARSE_FRAMES = {
    "bool": SPARSE_FRAME.astype(pd.SparseDtype(bool)),
    "integers": SPARSE_FRAME.astype(pd.SparseDtype(int)),
    "bool and floats": SPARSE_FRAME.astype(pd.SparseDtype(bool)).assign(
        e=pd.arrays.SparseArray(X[:, 0], fill_value=0.0)
    ),
    "sparse and dense": SPARSE_FRAME.astype(pd.SparseDtype(bool)).assign(e=X[:, 0]),
}


@pytest.mark.parametrize("case", SPARSE_FRAMES)
@pytest.mark.filterwarnings("ignore:pandas.DataFrame with sparse columns found")
def test_frames_of_sparse_columns_equal_fit_in_memory(case):
    in_memory = SPARSE_FRAMES[case]
    parts, expected = frame(in_memory), local(in_memory, y)
    fit = net(parts, frame(pd.Series(y)))
    assert_same(fit, expected)
    assert_array_equal(fit.predict(parts).compute(), expected.predict(in_memory))
    assert fit.score(parts, frame(pd.Series(y))) == expected.score(in_memory, y)


def test_column_chunks_of_labels_equal_fit_in_memory():
    assert_same(net(cut(X), da.from_array(LABELS, chunks=(100, 2))), local(X, LABELS))


def test_column_vector_y_equals_vector():
    fit = net(cut(X), cut(y[:, np.newaxis]))
    assert_same(fit, local(X, y))
    assert fit.score(cut(X), cut(y[:, np.newaxis])) == fit.score(cut(X), cut(y))


# ------------------------------------------------------------------------ rejected


def _with(value, row=150):
    changed = X.copy()
    changed[row, 1] = value
    return cut(changed)


WORDS = np.array(["a", "b", "c"], dtype=object)[y]
PRESENT = np.arange(ROWS) != 150
LENGTHS = np.arange(ROWS) // 10 != 15  # ten rows are missing in the second
STRINGS = FRAME.assign(a="u")
MISSING = FRAME.assign(a=pd.array([1, None] * 150, dtype="Int64"))


DATES = FRAME.assign(
    b=pd.date_range("2020-01-01", periods=ROWS),
    c=pd.date_range("2020-01-01", periods=ROWS, tz="UTC"),
    d=pd.timedelta_range("1h", periods=ROWS),
)


def _with_a_string(block):
    return np.where(block == block[0, 0], "u", block)


REJECTED = {
    "NumPy X": (lambda: (X, cut(y)), TypeError, "X is of type ndarray, expected a da"),
    "NumPy y": (lambda: (cut(X), y), TypeError, "y is of type ndarray, expected a da"),
    "NumPy weight": (
        lambda: (cut(X), cut(y), WEIGHT),
        TypeError,
        "sample_weight is of type ndarray",
    ),
    "no y": (lambda: (cut(X), None), TypeError, "y is of type NoneType, expected"),
    "delayed": (lambda: (dask.delayed(X), cut(y)), TypeError, "X is of type Delayed"),
    "1-D": (lambda: (cut(X[:, 0]), cut(y)), ValueError, r"X has the shape \(300,\)"),
    "series": (
        lambda: (frame(FRAME["a"]), frame(pd.Series(y))),
        ValueError,
        r"X has the shape \(nan,\)",
    ),
    "3-D y": (
        lambda: (cut(X), cut(y[:, None, None])),
        ValueError,
        r"y has 3 dimension\(s\), expected 1 or 2",
    ),
    "unknown columns": (
        lambda: (da.from_delayed(dask.delayed(X), (300, np.nan), float), cut(y)),
        ValueError,
        r"X has the shape .*nan.*only n_samples may be unknown",
    ),
    "unknown numbers": (
        lambda: (unknown(X), unknown(y, 150)),
        ValueError,
        r"3 partitions, but y has 2.*unknown.*compute_chunk_sizes",
    ),
    "frames": (
        lambda: (frame(FRAME), frame(pd.Series(y), 2)),
        ValueError,
        r"3 partitions, but y has 2.*to_dask_array\(lengths=True\)",
    ),
    "unknown lengths": (
        lambda: (unknown(X), unknown(y, kept=LENGTHS)),
        ValueError,
        "Partition 1 has 100 rows in X, but 90 rows in y",
    ),
    "unknown lengths of weights": (
        lambda: (unknown(X), unknown(y), unknown(WEIGHT, kept=LENGTHS)),
        ValueError,
        "Partition 1 has 100 rows in X, but 90 rows in sample_weight",
    ),
    "length of weights": (
        lambda: (cut(X), cut(y), cut(WEIGHT[:200])),
        ValueError,
        "X has 300 rows, but sample_weight has 200 rows",
    ),
    "2-D weights": (
        lambda: (cut(X), cut(y), cut(X)),
        ValueError,
        r"sample_weight has 2 dimension\(s\), expected 1",
    ),
    "negative weights": (
        lambda: (cut(X), cut(y), cut(-WEIGHT)),
        ValueError,
        "Negative values in data passed to sample_weight",
    ),
    "no weights": (
        lambda: (cut(X), cut(y), cut(0 * WEIGHT)),
        ValueError,
        "X has no rows with a weight, expected at least one",
    ),
    "NaN weights": (
        lambda: (cut(X), cut(y), cut(WEIGHT * np.nan)),
        ValueError,
        "Input sample_weight contains NaN",
    ),
    "text weights": (
        lambda: (cut(X), cut(y), cut(WORDS)),
        ValueError,
        r"sample_weight has values that are not numbers \(.* '[abc]'\), expected a",
    ),
    "a series of text weights": (
        lambda: (frame(FRAME), frame(pd.Series(y)), frame(pd.Series(WORDS))),
        ValueError,
        r"sample_weight has values that are not numbers \(.* '[abc]'\), expected a",
    ),
    "no rows": (
        lambda: (unknown(X, kept=y > 9), unknown(y, kept=y > 9)),
        ValueError,
        "X has no rows, expected at least one",
    ),
    "NaN": (
        lambda: (_with(np.nan), cut(y)),
        ValueError,
        "Input X contains NaN.\nDaskThreeLayerNNClassifier does not accept",
    ),
    "inf": (lambda: (_with(np.inf), cut(y)), ValueError, "Input X contains infinity"),
    "NA": (
        lambda: (frame(MISSING), frame(pd.Series(y))),
        ValueError,
        "Input X contains NaN",
    ),
    "dates": (
        lambda: (frame(DATES), frame(pd.Series(y))),
        TypeError,
        r"^X has .* not numbers: 'b' \(date.*\), 'c' \(.*[tT]ime.*\), 'd' \(time.*\)\.",
    ),
    "dates alone": (
        lambda: (frame(DATES[["b"]]), frame(pd.Series(y))),
        TypeError,
        r"X has columns that are not numbers: 'b' \(datetime64.*\)\.",
    ),
    "array of dates": (
        lambda: (cut(DATES[["b"]].to_numpy()), cut(y)),
        TypeError,
        r"X has columns that are not numbers: 0 \(datetime64.*\)\.",
    ),
    "strings": (
        lambda: (frame(STRINGS), frame(pd.Series(y))),
        ValueError,
        r"^X has columns that are not numbers: 'a' .could not convert .* float: 'u'.*\n"
        r"dask.dataframe.get_dummies\(X.categorize\(\['a'\]\), columns=\['a'\]\)$",
    ),
    "strings in a column with a number as its name": (
        lambda: (frame(pd.DataFrame({0: y, 7: "u"})), frame(pd.Series(y))),
        ValueError,
        r"columns that are not numbers: 7 .*\n.*X.categorize\(\[7\]\), columns=\[7\]\)",
    ),
    "categories": (
        lambda: (frame(STRINGS.astype({"a": "category"})), frame(pd.Series(y))),
        ValueError,
        "^X has columns that are not numbers: 'a' .could not convert .* float: 'u'",
    ),
    "strings in an object array": (
        lambda: (cut(X.astype(object)).map_blocks(_with_a_string), cut(y)),
        ValueError,
        "could not convert string to float: 'u'",
    ),
    "weights that overflow": (
        lambda: (cut(X), cut(y), cut(np.full(len(y), 1e308))),
        ValueError,
        "The sum of sample_weight times class_weight overflows",
    ),
    "NaN in y": (
        lambda: (cut(X), cut(np.where(LENGTHS, y, np.nan))),
        ValueError,
        "Input y contains NaN",
    ),
    "NA in y": (
        lambda: (frame(FRAME), frame(pd.Series(MISSING["a"]))),
        ValueError,
        "Input y contains NaN",
    ),
    "None among strings": (
        lambda: (frame(FRAME), frame(pd.Series(WORDS).where(PRESENT, None))),
        ValueError,
        "Input y contains (NaN|<NA>) in row 50 of partition 1: expected a label",
    ),
    "None among objects": (
        lambda: (cut(X), cut(np.where(PRESENT, WORDS, None))),
        ValueError,
        "Input y contains None in row 50 of partition 1",
    ),
    "missing category": (
        lambda: (
            frame(FRAME),
            frame(pd.Series(WORDS).where(PRESENT, None).astype("category")),
        ),
        ValueError,
        "Input y contains (NaN|<NA>) in row 50 of partition 1",
    ),
    "missing boolean": (
        lambda: (
            frame(FRAME),
            frame(MIXED.astype("boolean").mask(MIXED.index.to_series() == 150)),
        ),
        ValueError,
        "Input y contains <NA> in row 50 of partition 1",
    ),
    "number among strings": (
        lambda: (cut(X), cut(np.where(PRESENT, WORDS, 3).astype(object))),
        ValueError,
        "y has a string in row 0, '.', and a number in row 50 of partition 1, 3",
    ),
    "strings and numbers in partitions": (
        lambda: (cut(X), in_second(cut(WORDS), lambda block: np.ones(100, int))),
        ValueError,
        "y has strings in some partitions and numbers in others",
    ),
    "continuous y": (
        lambda: (cut(X), cut(X[:, 0])),
        ValueError,
        r"y has float64 values such as \[.*\], exp.*Unknown label type: continuous",
    ),
    "columns of classes": (
        lambda: (cut(X), cut(np.stack([y, y], axis=1))),
        ValueError,
        "y has several columns",
    ),
    "columns of a partition": (
        lambda: (in_second(cut(X), lambda block: block[:, :2]), cut(y)),
        ValueError,
        r"Partitions of X have \[2, 4\] columns, expected 4 according to the metadata",
    ),
    "sparse and dense": (
        lambda: (in_second(cut(X), sp.csr_array), cut(y)),
        ValueError,
        "X has sparse and dense partitions, expected one kind",
    ),
    "a number as y": (
        lambda: (cut(X), cut(y).sum()),
        ValueError,
        r"y has 0 dimension\(s\), expected 1 or 2",
    ),
}


def test_line_in_error_encodes_columns_of_text():
    text = frame(FRAME.assign(town=WORDS))
    with pytest.raises(ValueError, match="encode text and categories") as caught:
        make().fit(text, frame(pd.Series(y)))
    line = str(caught.value).split("\n")[1]
    encoded = eval(line, {"X": text, "dask": dask})  # noqa: S307 (a line of our own)
    clf = net(encoded, frame(pd.Series(y)))
    assert clf.feature_names_in_.tolist() == [*FRAME, "town_a", "town_b", "town_c"]
    assert clf.score(encoded, frame(pd.Series(y))) > 0.9


@pytest.mark.parametrize("case", REJECTED)
def test_rejected_collections_leave_estimator_unchanged(case):
    arrays, error, words = REJECTED[case]
    before = net(cut(X), cut(y))
    for clf in (make(), before):
        left = attributes(clf)
        with pytest.raises(error) as raised:
            clf.fit(*arrays())
        assert re.search(words, str(raised.value)), raised.value
        assert attributes(clf).keys() == left.keys()
        assert all(value is left[name] for name, value in attributes(clf).items())


@pytest.mark.parametrize(
    ("params", "arrays", "words"),
    [
        ({"output_activation": "softmax"}, (X, LABELS), "softmax.*y is multilabel"),
        (
            {"class_weight": {0: 0, 1: 0, 2: 0}},
            (X, y),
            "class_weight is 0 for the classes of all",
        ),
        ({"class_weight": {1: "x"}}, (X, y), "class_weight={1: 'x'}: the"),
    ],
)
def test_parameters_that_contradict_data_raise(params, arrays, words):
    clf = make(**params)
    with pytest.raises(ValueError, match=words):
        clf.fit(*map(cut, arrays))
    assert not attributes(clf)


def test_class_weight_may_name_classes_that_y_lacks():
    class_weight = {1: 5, 7: 50}
    assert_same(
        net(cut(X), cut(y), class_weight=class_weight),
        local(X, y, class_weight=class_weight),
    )
    with pytest.warns(UserWarning, match="class_weight={7: 50} names none") as caught:
        net(cut(X), cut(y), class_weight={7: 50})
    assert caught[0].filename == __file__


def test_warm_start_with_other_classes_or_features_raises():
    clf = net(cut(X), cut(y), warm_start=True)
    before = attributes(clf)
    with pytest.raises(ValueError, match="continues with the same classes"):
        clf.fit(cut(X), cut(y + 1))
    with pytest.raises(ValueError, match="X has 3 features"):
        clf.fit(cut(X[:, :3]), cut(y))
    assert all(value is before[name] for name, value in attributes(clf).items())


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        (lambda: (unknown(X), unknown(y, 150)), "3 partitions, but y has 2"),
        (lambda: (unknown(X), unknown(y, kept=LENGTHS)), "Partition 1 has 100 rows"),
        (lambda: (cut(X[:, :3]), cut(y)), "X has 3 features"),
        (lambda: (cut(X), cut(LABELS)), "mix of multilabel-indicator and"),
        (lambda: (cut(X[:0]), cut(y[:0])), "no samples with a weight"),
        (lambda: (_with(np.nan), cut(y)), "Input X contains NaN"),
        (
            lambda: (cut(X), cut(np.where(PRESENT, y, None))),
            "Input y contains None in row 50 of partition 1",
        ),
    ],
)
def test_score_rejects_other_data(arrays, words):
    clf = net(cut(X), cut(y))
    with pytest.raises(ValueError, match=words):
        clf.score(*arrays())


@pytest.mark.parametrize(
    ("in_memory", "words"),
    [
        (DATES, "X has columns that are not numbers: 'b' "),
        (STRINGS, r"not numbers: 'a' .*Expected numbers, as in fit\.$"),
    ],
)
def test_predict_and_score_name_columns_without_numbers(in_memory, words):
    clf = net(frame(FRAME), frame(pd.Series(y)))
    for method in ("predict", "predict_proba", "decision_function"):
        lazy = getattr(clf, method)(frame(in_memory))
        with pytest.raises((TypeError, ValueError), match=words):
            lazy.compute()
    with pytest.raises((TypeError, ValueError), match=words):
        clf.score(frame(in_memory), frame(pd.Series(y)))


def test_predict_rejects_other_columns():
    clf = net(frame(FRAME), frame(pd.Series(y)))
    with pytest.raises(ValueError, match="must be in the same order"):
        clf.predict(frame(FRAME[list("dcba")]))
    with pytest.raises(TypeError, match="X is of type ndarray"):
        clf.predict(X)
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        assert clf.predict(cut(X)).compute().shape == (ROWS,)


# ------------------------------------------------------------------------- clients


def test_fit_without_client_raises_and_score_does_not(monkeypatch):
    fit, expected = net(cut(X), cut(y)), local(X, y)

    def raise_no_client():
        raise ValueError("No global client found and no address provided")

    monkeypatch.setattr("sknn3.dask._classifier.get_client", raise_no_client)
    with pytest.raises(ValueError, match="No global client found"):
        make().fit(cut(X), cut(y))
    assert fit.score(cut(X), cut(y)) == expected.score(X, y)


def test_fit_uses_current_client(client):
    with Client(client.cluster, set_as_default=False) as other, other.as_current():
        fit = net(cut(X), cut(y))
        assert_same(fit, local(X, y))
        assert fit.score(cut(X), cut(y)) == local(X, y).score(X, y)
