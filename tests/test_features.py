"""Features that are converted to numbers, and errors that name other columns.

test_dask_input.py has the same tests for partitions of dask.
"""

import datetime as dt
import re
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sp
from numpy.testing import assert_array_equal
from sklearn.compose import make_column_transformer
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sknn3 import ThreeLayerNNClassifier, ThreeLayerNNClassifierCV
from sknn3._features import as_numbers

ROWS = 40
TOWNS = np.array(["Ulm", "Bern", "Graz", "Ulm"] * 10)
DUMMIES = pd.get_dummies(pd.DataFrame({"town": TOWNS, "tier": list("abab") * 10}))
COUNTS = np.arange(4 * ROWS).reshape(ROWS, 4) % 3
DAYS = pd.date_range("2020-01-01", periods=ROWS)
HALVES = np.arange(ROWS) / 2
y = np.array([0, 1, 1, 0] * 10)


def net():
    return ThreeLayerNNClassifier(3, max_iter=5, random_state=0)


def search():
    options = {"alphas": [0.1], "max_iters": [5], "cv": 2, "random_state": 0}
    return ThreeLayerNNClassifierCV(hidden_layer_size=3, **options)


def fitted(clf, X):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return clf.fit(X, y)


# ------------------------------------------------------------------------ accepted


def sparse_frame(*kinds):
    """Return a frame of sparse columns, each of a dtype and a fill value."""
    return pd.DataFrame(
        {
            f"column {i}": pd.arrays.SparseArray(
                COUNTS[:, i].astype(dtype), fill_value=v
            )
            for i, (dtype, v) in enumerate(kinds)
        }
    )


SPARSE_FRAMES = {
    "dummies": (DUMMIES.astype(pd.SparseDtype(bool)), sp.csr_array),
    "integers": (sparse_frame((int, 0), ("uint8", 0)), sp.csr_array),
    "bool and numbers": (
        sparse_frame((bool, False), ("int8", 0), (bool, False), ("float32", 0)),
        sp.csr_array,
    ),
    "filled with true": (sparse_frame((bool, True), (bool, True)), np.asarray),
    "filled with NaN": (sparse_frame((float, np.nan), (float, np.nan)), np.asarray),
    "filled with one": (sparse_frame((int, 1), (int, 1)), np.asarray),
}


@pytest.mark.parametrize("make", [net, search])
@pytest.mark.parametrize("case", SPARSE_FRAMES)
def test_frames_of_sparse_columns_equal_float_matrices(case, make):
    frame, container = SPARSE_FRAMES[case]
    before = frame.copy()
    X = container(frame.to_numpy(dtype=float))
    clf, expected = fitted(make(), frame), fitted(make(), X)
    assert_array_equal(clf.theta1_, expected.theta1_)
    assert_array_equal(clf.predict_proba(frame), expected.predict_proba(X))
    assert clf.score(frame, y) == expected.score(X, y)
    assert clf.feature_names_in_.tolist() == frame.columns.tolist()
    pd.testing.assert_frame_equal(frame, before)


@pytest.mark.parametrize("make", [net, search])
@pytest.mark.filterwarnings("ignore:pandas.DataFrame with sparse columns found")
def test_frame_of_sparse_and_dense_columns_equals_floats(make):
    frame = DUMMIES.astype(pd.SparseDtype(bool)).assign(half=HALVES)
    X = frame.to_numpy(dtype=float)
    clf, expected = fitted(make(), frame), fitted(make(), X)
    assert_array_equal(clf.theta1_, expected.theta1_)
    assert_array_equal(clf.predict_proba(frame), expected.predict_proba(X))


@pytest.mark.parametrize("dtype", "?bBhHiIlLqQ")
@pytest.mark.parametrize("container", [sp.csr_array, sp.coo_matrix, sp.lil_array])
def test_sparse_matrices_of_integers_equal_floats(container, dtype):
    X = container(COUNTS.astype(dtype))
    floats = sp.csr_array(COUNTS.astype(dtype).astype(float))
    clf, expected = fitted(net(), X), fitted(net(), floats)
    assert_array_equal(clf.theta1_, expected.theta1_)
    assert_array_equal(clf.predict_proba(X), expected.predict_proba(floats))


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(COUNTS[:, 0], dtype=object),
        pd.Series(COUNTS[:, 0], dtype="category"),
        pd.Series(COUNTS[:, 0].astype(str)),
        pd.Series(COUNTS[:, 0], dtype="Int64"),
        pl.Series(COUNTS[:, 0].astype(str)),
        pl.Series(COUNTS[:, 0] > 0),
    ],
    ids=lambda column: f"{type(column).__module__.split('.')[0]} {column.dtype}",
)
def test_columns_that_convert_to_numbers_are_accepted(column):
    module = pl if isinstance(column, pl.Series) else pd
    frame = module.DataFrame({"half": HALVES, "other": column})
    X = np.stack([HALVES, np.asarray(column).astype(float)], axis=1)
    clf, expected = fitted(net(), frame), fitted(net(), X)
    assert_array_equal(clf.theta1_, expected.theta1_)
    assert_array_equal(clf.predict(frame), expected.predict(X))
    assert_array_equal(clf.predict(frame), expected.predict(X.astype(object)))
    assert_array_equal(clf.predict(frame), expected.predict(X.tolist()))


def test_numeric_array_is_returned_unchanged():
    for X in (HALVES[:, np.newaxis], COUNTS, COUNTS > 0, sp.csr_array(COUNTS)):
        assert as_numbers(X) is X


# ------------------------------------------------------------------------ rejected


HOURS = pd.to_timedelta(np.arange(ROWS), unit="h")
DATE_TIMES = {
    "dates": DAYS,
    "dates with a time zone": DAYS.tz_localize("Europe/Berlin"),
    "durations": HOURS,
    "periods": DAYS.to_period("D"),
    "intervals": pd.interval_range(DAYS[0], periods=ROWS),
    "categories": pd.Categorical(DAYS),
    "sparse": pd.arrays.SparseArray(HOURS),
    "objects": pd.Series(list(DAYS.date), dtype=object),
    "NumPy scalars": pd.Series(list(DAYS.to_numpy()), dtype=object),
    "NumPy durations": pd.Series(list(HOURS.to_numpy()), dtype=object),
}


FRAMES = {
    name: pd.DataFrame({"half": HALVES, "when": v}) for name, v in DATE_TIMES.items()
}
FRAMES |= {f"{name} alone": pd.DataFrame({"when": v}) for name, v in DATE_TIMES.items()}
for _name in ("dates", "dates with a time zone", "durations"):
    FRAMES[f"polars {_name}"] = pl.from_pandas(FRAMES[_name])
    FRAMES[f"polars {_name} alone"] = pl.from_pandas(FRAMES[f"{_name} alone"])
FRAMES["polars days"] = pl.DataFrame({"half": HALVES, "when": list(DAYS.date)})
FRAMES["polars times"] = pl.DataFrame({"when": [dt.time(i % 24) for i in range(ROWS)]})


METHODS = ["predict", "predict_proba", "predict_log_proba", "decision_function"]
METHODS += ["input_gradients"]


def assert_raises_in_fit_and_predictions(X, error, words):
    """Check the error of all methods that take X; a fit keeps the previous state."""
    numbers = np.stack([HALVES] * np.shape(X)[1], axis=1)
    if hasattr(X, "columns"):
        numbers = type(X)(dict(zip(X.columns, numbers.T, strict=True)))
    for make in (net, search):
        clf = fitted(make(), numbers)
        before = vars(clf).copy()
        with pytest.raises(error, match=words):
            clf.fit(X, y)
        for method in METHODS:
            with pytest.raises(error, match=words):
                getattr(clf, method)(X)
        with pytest.raises(error, match=words):
            clf.score(X, y)
        assert vars(clf) == before
        clf = make()
        with pytest.raises(error, match=words):
            clf.fit(X, y)
        assert not hasattr(clf, "n_features_in_")


@pytest.mark.parametrize("case", FRAMES)
def test_columns_of_dates_and_times_raise_type_error(case):
    words = r"^X has columns that are not numbers: 'when' \(.*\)\. Expected numbers"
    assert_raises_in_fit_and_predictions(FRAMES[case], TypeError, words)


@pytest.mark.parametrize(
    "X",
    [
        DAYS.to_numpy()[:, np.newaxis],
        HOURS.to_numpy()[:, np.newaxis],
        FRAMES["dates alone"].to_numpy(dtype=object),
        FRAMES["NumPy scalars alone"].to_numpy(),
        [[day] for day in DAYS],
        [[day] for day in DAYS.to_numpy()],
        [(day,) for day in DAYS.date],
    ],
    ids=str,
)
def test_arrays_and_lists_of_dates_raise_type_error(X):
    words = r"^X has columns that are not numbers: 0 \("
    assert_raises_in_fit_and_predictions(X, TypeError, words)


def encoding_line(columns):
    """Return the line, in errors, that encodes these columns."""
    numbers = "make_pipeline(SimpleImputer(), StandardScaler())"
    return (
        "Expected numbers: encode text and categories, for example by\n"
        'make_pipeline(make_column_transformer((OneHotEncoder(handle_unknown="ignore"),'
        f" {columns}), remainder={numbers}), clf)"
    )


def pipeline_of_line(line, clf):
    """Return the pipeline that a line in an error makes."""
    names = {
        "make_pipeline": make_pipeline,
        "make_column_transformer": make_column_transformer,
        "OneHotEncoder": OneHotEncoder,
        "SimpleImputer": SimpleImputer,
        "StandardScaler": StandardScaler,
        "clf": clf,
    }
    return eval(line, names)  # noqa: S307 (a line of our own)


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_columns_of_text_are_named(frame):
    X = frame({"half": HALVES, "town": TOWNS.tolist(), "number": ["1"] * ROWS})
    words = "not numbers: 'town' (could not convert string to float: 'Ulm'). "
    assert_raises_in_fit_and_predictions(X, ValueError, re.escape(words))
    with pytest.raises(ValueError, match=re.escape(encoding_line(["town"])) + "$"):
        net().fit(X, y)


@pytest.mark.parametrize("make", [net, search])
def test_errors_of_text_after_fit_have_no_line_that_encodes(make):
    numbers = pd.DataFrame({"half": HALVES, "town": HALVES})
    X = numbers.assign(town=TOWNS)
    words = r"not numbers: 'town' \(.*'Ulm'\)\. Expected numbers, as in fit\.$"
    clf = fitted(make(), numbers)
    for method in METHODS:
        with pytest.raises(ValueError, match=words):
            getattr(clf, method)(X)
    for other in (make(), clf):
        with pytest.raises(ValueError, match=words):
            other.fit(numbers, y, X_val=X, y_val=y)
    with pytest.raises(ValueError, match=re.escape(encoding_line(["town"]))):
        clf.fit(X, y)


NUMBERS_WITH_GAPS = [np.nan, *HALVES[1:]]
GAPS = {
    "pandas": pd.DataFrame({"n": NUMBERS_WITH_GAPS, "town": TOWNS}),
    "pandas Int64": pd.DataFrame(
        {"n": pd.Series([pd.NA, *COUNTS[1:, 0]], dtype="Int64"), "town": TOWNS}
    ),
    "pandas objects": pd.DataFrame(
        {"n": pd.Series([None, *HALVES[1:]], dtype=object), "town": TOWNS}
    ),
    "polars": pl.DataFrame({"n": [None, *HALVES[1:].tolist()], "town": TOWNS.tolist()}),
    "polars with NaN": pl.DataFrame({"n": NUMBERS_WITH_GAPS, "town": TOWNS.tolist()}),
    "pyarrow": pa.table({"n": [None, *HALVES[1:].tolist()], "town": TOWNS}),
    "objects": np.array([*zip([None, *HALVES[1:]], TOWNS, strict=True)], dtype=object),
    "lists": [*zip(NUMBERS_WITH_GAPS, TOWNS.astype(object), strict=True)],
}


@pytest.mark.parametrize("case", GAPS)
def test_line_in_error_fills_missing_numbers(case):
    X = GAPS[case]
    with pytest.raises(ValueError, match="encode text and categories") as caught:
        net().fit(X, y)
    line = str(caught.value).split("\n")[1]
    columns = ["town"] if hasattr(X, "columns") else [1]
    assert line in encoding_line(columns)
    pipe = fitted(pipeline_of_line(line, net()), X)
    assert pipe.predict(X).shape == y.shape


def test_line_in_error_runs_after_dates_are_converted():
    days = pd.Series([pd.NaT, *DAYS[1:]])
    X = pd.DataFrame({"half": HALVES, "day": days, "town": TOWNS})
    with pytest.raises(TypeError, match=r"convert dates, .*, and encode") as caught:
        net().fit(X, y)
    line = str(caught.value).split("\n")[1]
    X["day"] = (X["day"] - pd.Timestamp("2024-01-01")).dt.days
    assert fitted(pipeline_of_line(line, net()), X).predict(X).shape == y.shape


MISSING = [None, *TOWNS[1:].tolist()]
TEXT_COLUMNS = {
    "pandas": pd.Series(TOWNS),
    "pandas with NaN": pd.Series(MISSING),
    "pandas objects": pd.Series(MISSING, dtype=object),
    "pandas arrow": pd.Series(TOWNS, dtype=pd.ArrowDtype(pa.string())),
    "pandas string": pd.Series(TOWNS, dtype="string"),
    "pandas categories": pd.Series(MISSING, dtype="category"),
    "polars": pl.Series(TOWNS.tolist()),
    "polars with null": pl.Series(MISSING),
    "polars categories": pl.Series(MISSING, dtype=pl.Categorical),
    "polars enum": pl.Series(TOWNS.tolist(), dtype=pl.Enum(["Bern", "Graz", "Ulm"])),
    "pyarrow": pa.array(MISSING),
    "pyarrow dictionary": pa.array(TOWNS).dictionary_encode(),
}
TEXT = {}
for _name, _column in TEXT_COLUMNS.items():
    _library = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table}
    TEXT[_name] = _library[_name.split()[0]]({"half": HALVES, "town": _column}), "town"
TEXT |= {
    "objects": (np.array([*zip(HALVES, MISSING, strict=True)], dtype=object), 1),
    "strings": (np.stack([HALVES.astype(str), TOWNS], axis=1), 1),
    "lists": ([*zip(HALVES.tolist(), TOWNS.tolist(), strict=True)], 1),
    "columns with numbers as names": (pd.DataFrame({3: HALVES, 7: TOWNS}), 1),
}


@pytest.mark.parametrize("case", TEXT)
def test_line_in_error_encodes_columns_of_text(case):
    X, column = TEXT[case]
    for clf in (net(), search()):
        with pytest.raises(ValueError, match="encode text and categories") as caught:
            clf.fit(X, y)
        message, line = str(caught.value).split("\n")
        assert re.search(r"not numbers: ('town'|1|7) \(could not convert", message)
        assert line in encoding_line([column])
        pipe = fitted(pipeline_of_line(line, clf), X)
        names = ("Bern", "Graz", "Ulm")
        assert [n for n in pipe[0].get_feature_names_out() if n.endswith(names)]
        assert pipe.predict(X).shape == y.shape


def test_errors_of_columns_without_text_have_no_line_that_encodes():
    X = pd.DataFrame({"half": HALVES, "when": DAYS, "tier": pd.Categorical(DAYS)})
    with pytest.raises(TypeError, match=r"convert dates, .* since a date$"):
        net().fit(X, y)
    lists = pd.DataFrame({"lists": pd.Series([[1, 2]] * ROWS)})
    with pytest.raises(ValueError, match=r"'lists' \(.*\)\. Expected numbers\.$"):
        net().fit(lists, y)


@pytest.mark.parametrize("first", [pd.NA, "Ulm"])
def test_errors_of_text_with_pandas_na_show_the_text(first):
    town = pd.Series([first, "Ulm", pd.NA] + ["Ulm"] * (ROWS - 3))
    for dtype in (object, "string"):
        X = pd.DataFrame({"half": HALVES, "town": town.astype(dtype)})
        with pytest.raises(ValueError, match=r"'town' \(could not .*'Ulm'\)\. Exp"):
            net().fit(X, y)


# ---------------------------------------------------------------------- missing values


@pytest.mark.parametrize(
    "X",
    [
        pd.DataFrame({"half": HALVES, "n": [np.nan, *HALVES[1:]]}),
        pd.DataFrame({"n": pd.Series([pd.NA, *COUNTS[1:, 0]], dtype="Int64")}),
        pd.DataFrame({"n": pd.Series([None, *COUNTS[1:, 0]], dtype=object)}),
        pd.DataFrame({"n": pd.Categorical([None, *COUNTS[1:, 0]])}),
        pl.DataFrame({"n": [None, *COUNTS[1:, 0].tolist()]}),
        np.array([[None], *COUNTS[1:, :1]], dtype=object),
    ],
    ids=lambda X: type(X).__module__.split(".")[0],
)
def test_missing_numbers_raise_in_fit_and_predictions(X):
    assert_raises_in_fit_and_predictions(X, ValueError, "^Input X contains NaN")
    with pytest.raises(ValueError, match="using an imputer transformer in a pipeline"):
        net().fit(X, y)


def test_missing_numbers_of_pyarrow_tables_raise():
    for clf in (net(), search()):
        with pytest.raises(ValueError, match=r"^Input X contains NaN"):
            clf.fit(pa.table({"n": [None, *COUNTS[1:, 0].tolist()]}), y)


def test_pandas_na_among_objects_is_named():
    X = pd.DataFrame({"n": pd.Series([pd.NA, *COUNTS[1:, 0]], dtype=object)})
    words = r" \(pandas.NA in place of NaN\)\. Expected numbers(, as in fit)?\.$"
    assert_raises_in_fit_and_predictions(X, ValueError, "'n'" + words)
    assert_raises_in_fit_and_predictions(X.to_numpy(), ValueError, "0" + words)


def test_all_columns_without_numbers_are_named():
    X = pd.DataFrame({"half": HALVES, "day": DAYS, "town": pd.Categorical(TOWNS)})
    words = r"'day' \(datetime64.*\), 'town' \(could not convert .*'Ulm'\)\. Expected"
    assert_raises_in_fit_and_predictions(X, TypeError, words)
    with pytest.raises(TypeError) as caught:
        net().fit(X, y)
    advice = ["convert dates, for example to days since a date, and encode text"]
    assert encoding_line(["town"]).replace("encode text", *advice) in str(caught.value)
    many = pd.DataFrame({f"town {i}": TOWNS for i in range(12)})
    with pytest.raises(ValueError, match=r"'town 9' \([^)]*\) and 2 more\. Expected"):
        net().fit(many, y)
    with pytest.raises(ValueError, match=r"'town 10', 'town 11'\]\), remainder"):
        net().fit(many, y)
    with pytest.raises(ValueError, match=r"not numbers: 1 \(could not .*'Ulm'\)\. Exp"):
        net().fit(np.stack([HALVES, TOWNS], axis=1), y)
    large = pd.Series([10**400] * ROWS, dtype=object)
    with pytest.raises(ValueError, match=r"not numbers: 'large' \(int too large"):
        net().fit(pd.DataFrame({"large": large}), y)
    with pytest.raises(ValueError, match=re.escape("('town', 'of birth') (could")):
        net().fit(pd.DataFrame({("town", "of birth"): TOWNS}), y)


def test_columns_of_pyarrow_tables_are_named():
    frame = pd.DataFrame({"half": HALVES, "other": COUNTS[:, 0]})
    table = pa.Table.from_pandas(frame)
    assert_array_equal(fitted(net(), table).theta1_, fitted(net(), frame).theta1_)
    table = pa.Table.from_pandas(frame.assign(when=DAYS, town=TOWNS))
    with pytest.raises(TypeError, match=r"'when' \(datetime64.*\), 'town' \(could not"):
        net().fit(table, y)


def test_text_beside_columns_of_equal_names_is_named():
    numbers = pd.Series(COUNTS[:, 0], dtype=object)
    X = pd.concat([numbers, numbers, pd.Series(TOWNS)], axis=1, keys=["n", "n", "town"])
    with pytest.raises(ValueError, match=r"not numbers: 'town' \(could not"):
        net().fit(X, y)


def test_columns_of_pandas_frames_are_read_by_position(monkeypatch):
    # The first lookup of a name makes a hash table, which is not safe in threads, and
    # partitions of dask share the index.
    frame = pd.DataFrame({0: COUNTS[:, 0], 7: TOWNS})
    monkeypatch.delattr(pd.DataFrame, "__getitem__")
    with pytest.raises(ValueError, match=r"not numbers: 7 .*\n.*\[1\]"):
        as_numbers(frame)
