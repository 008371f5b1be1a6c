"""Checks of features before scikit-learn converts them."""

from __future__ import annotations

from typing import Any

import numpy as np

# Code in errors that encodes columns of text.
ENCODE_COLUMNS = (
    'make_pipeline(make_column_transformer((OneHotEncoder(handle_unknown="ignore"), '
    "{columns}), remainder=make_pipeline(SimpleImputer(), StandardScaler())), clf)"
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
        names = list(getattr(X, "column_names", X.columns))  # pyarrow: `column_names`
        columns = _not_numeric(X, names)
    else:
        return X
    errors = {
        name: error
        for name, column in columns.items()
        if (error := conversion_error(column))
    }
    if not errors:
        return X
    is_type_error = any(isinstance(error, TypeError) for error in errors.values())
    listed = [f"{name!r} ({error})" for name, error in errors.items()]
    more = f" and {len(listed) - 10} more" if len(listed) > 10 else ""
    raise (TypeError if is_type_error else ValueError)(
        f"X has columns that are not numbers: {', '.join(listed[:10])}{more}. Expected "
        f"numbers{_advice(errors, names, encode)}"
    )


def _advice(errors: dict[Any, Exception], names: list[Any], encode: str) -> str:
    """Return how to convert the columns with errors; `names` are all columns."""
    if not encode:
        return ", as in fit."
    advice = []
    if any(isinstance(error, TypeError) for error in errors.values()):
        advice.append("convert dates, for example to days since a date")
    text = [name for name, error in errors.items() if "convert string" in str(error)]
    if text:
        # `ColumnTransformer` takes integers as positions.
        are_strings = all(isinstance(name, str) for name in text)
        columns = text if are_strings else [names.index(name) for name in text]
        line = encode.format(names=text, columns=columns)
        advice.append(f"encode text and categories, for example by\n{line}")
    return f": {', and '.join(advice)}" if advice else "."


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


def _not_numeric(frame: Any, names: list[Any]) -> dict[Any, Any]:
    """Return the columns without a numeric dtype, by their names."""
    columns = {}
    dtypes = getattr(frame, "dtypes", names)  # a pyarrow table has none
    for i, (name, dtype) in enumerate(zip(names, dtypes, strict=True)):
        if hasattr(dtype, "is_numeric"):  # polars
            is_numeric = dtype.is_numeric()
        else:
            is_numeric = getattr(dtype, "kind", "O") in "biufc"
        if not is_numeric:
            # Partitions of a dask frame share an Index, and lookups of names in it are
            # not safe in several threads: the first one makes its hash table.
            columns[name] = frame.iloc[:, i] if hasattr(frame, "iloc") else frame[name]
    return columns


def conversion_error(column: Any) -> Exception | None:
    """Return why an array or a column cannot be converted to numbers, or None."""
    values = np.asarray(column)
    if values.dtype.kind in "biufc":
        return None
    if values.dtype.kind in "mM":
        return TypeError(values.dtype)
    values = values.astype(object).ravel()
    for value in values:
        if isinstance(value, np.datetime64 | np.timedelta64):
            return TypeError(value.dtype)  # `float` would convert it
    is_known = [type(value).__name__ != "NAType" for value in values]
    try:
        values[is_known].astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        return error
    return None if all(is_known) else ValueError("pandas.NA in place of NaN")
