"""Checks of features before scikit-learn converts them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

# Code in errors, which encodes `columns`; `numbers` transforms the other columns.
ENCODE_COLUMNS = (
    'make_pipeline(make_column_transformer((OneHotEncoder(handle_unknown="ignore"), '
    "{columns}), remainder={numbers}), clf)"
)
ENCODE_DASK_COLUMNS = (
    "dask.dataframe.get_dummies(X.categorize({names}), columns={names})"
)


def as_numbers(X: Any, encode: str = ENCODE_COLUMNS) -> Any:
    """Return X so that `check_array` can convert it; errors name invalid columns.

    `check_array` converts dates to microseconds, and its errors name no column.  If
    columns have text, the error shows the code `encode`, or refers to `fit` if `encode`
    is empty.
    """
    if isinstance(X, list | tuple):
        X = np.asarray(X)
    if isinstance(X, np.ndarray):
        if X.dtype.kind in "biufc" or X.ndim != 2:
            return X
        columns: dict[Any, Any] = dict(enumerate(X.T))
        names = list(columns)
    elif hasattr(type(X), "columns") and hasattr(type(X), "__array__"):
        X = _convertible_sparse(X)
        columns, names = dict(_not_numeric(X)), _column_names(X)
    else:
        return X
    errors = {name: conversion_error(column) for name, column in columns.items()}
    listed = [f"{name!r} ({error})" for name, error in errors.items() if error]
    if not listed:
        return X
    is_type_error = any(isinstance(error, TypeError) for error in errors.values())
    more = f" and {len(listed) - 10} more" if len(listed) > 10 else ""
    advice = ["convert dates, for example to days since a date"] * is_type_error
    encoded = [n for n, error in errors.items() if _is_text(columns[n], error)]
    expected = "numbers"
    if encoded and not encode:
        expected = "numbers, as in fit"
    elif encoded:
        others = [i for i, name in enumerate(names) if name not in encoded]
        line = encode.format(
            names=_short_list(encoded),
            columns=_selection(X, encoded),
            numbers=_scaler(_column(X, i) for i in others),
        )
        advice = [f"first {dates}, then" for dates in advice]
        advice.append(f"encode text and categories, for example by\n{line}")
    raise (TypeError if is_type_error else ValueError)(
        f"X has columns that are not numbers: {', '.join(listed[:10])}{more}. Expected "
        f"{expected}{': ' if advice else '.'}{' '.join(advice)}"
    )


def _scaler(columns: Iterable[Any]) -> str:
    """Return the code of a transformer of columns of numbers."""
    if any(map(_has_missing, columns)):
        return "make_pipeline(SimpleImputer(), StandardScaler())"
    return "StandardScaler()"


def _selection(frame: Any, names: list[Any]) -> str:
    """Return the code of columns for `ColumnTransformer`: names or positions."""
    if hasattr(frame, "columns") and not all(isinstance(name, str) for name in names):
        names = [list(frame.columns).index(name) for name in names]
    return _short_list(names)


def _short_list(values: list[Any]) -> str:
    """Return the code of a list with at most ten of its values."""
    code = repr(values[:10])
    return code if len(values) <= 10 else f"{code[:-1]}, ...]"


def _convertible_sparse(frame: Any) -> Any:
    """Convert a frame of sparse columns so that `check_array` can read it.

    `check_array` fails on sparse columns of bool, and on fill values other than 0.
    """
    dtypes = list(getattr(frame, "dtypes", ()))
    if not dtypes or not all(hasattr(dtype, "fill_value") for dtype in dtypes):
        return frame
    if any(dtype.kind not in "biufc" or dtype.fill_value != 0 for dtype in dtypes):
        return frame.sparse.to_dense()
    if all(dtype.kind != "b" for dtype in dtypes):
        return frame
    return frame.astype(type(dtypes[0])(np.float64, 0))


def _column_names(frame: Any) -> list[Any]:
    """Return the names of the columns; `columns` of a pyarrow table has none."""
    is_table = hasattr(type(frame), "column_names")
    return list(frame.column_names if is_table else frame.columns)


def _not_numeric(frame: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the name and the column for each column without a numeric dtype."""
    names = _column_names(frame)
    dtypes = getattr(frame, "dtypes", names)  # a pyarrow table has none
    for i, (name, dtype) in enumerate(zip(names, dtypes, strict=True)):
        if hasattr(dtype, "is_numeric"):  # polars
            is_numeric = dtype.is_numeric()
        else:
            is_numeric = getattr(dtype, "kind", "O") in "biufc"
        if not is_numeric:
            yield name, _column(frame, i)


def _column(X: Any, i: int) -> Any:
    """Return a column of an array or of a frame, by its position."""
    if isinstance(X, np.ndarray):
        return X[:, i]
    if hasattr(X, "iloc"):
        # Partitions of a dask frame share an Index, and lookups of names in it are not
        # safe in several threads: the first one makes its hash table.
        return X.iloc[:, i]
    return X[_column_names(X)[i]]


def conversion_error(column: Any) -> Exception | None:
    """Return why an array or a column cannot be converted to numbers, or None."""
    values = np.asarray(column)
    for dtype in (getattr(column, "dtype", None), values.dtype):
        if getattr(dtype, "kind", "O") in "mM":
            return TypeError(dtype)
    if values.dtype.kind in "biufc":
        return None
    values = values.astype(object).ravel()
    for value in values:
        if isinstance(value, np.datetime64 | np.timedelta64):
            return TypeError(value.dtype)  # `float` would convert it
    is_known = [type(value).__name__ != "NAType" for value in values]
    try:
        values[is_known].astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        return error
    if all(is_known):
        return None
    return ValueError("pandas.NA in place of NaN")


def _has_missing(column: Any) -> bool:
    """Return whether a column has NaN, None, NaT or pandas.NA, also as text."""
    values = np.asarray(column)
    if values.dtype.kind in "OSU":
        missing = {"nan", "None", "NaT", "<NA>"}
        return any(str(value) in missing for value in values.ravel())
    return bool(np.isnan(values).any())


def _is_text(column: Any, error: Exception | None) -> bool:
    """Return whether a column has text or categories."""
    if error:
        values = np.asarray(column).astype(object).ravel()
        return any(isinstance(value, str | bytes) for value in values)
    dtype = getattr(column, "dtype", getattr(column, "type", ""))  # pyarrow: `type`
    return str(dtype).lower().startswith(("categor", "enum", "dictionary"))
