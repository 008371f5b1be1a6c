"""Features as users give them, checked before scikit-learn converts them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np


def as_numbers(X: Any) -> Any:
    """Return X as `check_array` can convert it; errors name columns without numbers.

    `check_array` converts dates to microseconds, and its errors name no column.
    """
    if isinstance(X, list | tuple):
        X = np.asarray(X)
    if isinstance(X, np.ndarray):
        if X.dtype.kind in "biufc" or X.ndim != 2:
            return X
        columns: Iterable[tuple[Any, Any]] = enumerate(X.T)
    elif hasattr(type(X), "columns") and hasattr(type(X), "__array__"):
        X = _convertible_sparse(X)
        columns = _not_numeric(X)
    else:
        return X
    errors = {name: _conversion_error(column) for name, column in columns}
    listed = [f"{name!r} ({error})" for name, error in errors.items() if error]
    if not listed:
        return X
    is_type_error = any(isinstance(error, TypeError) for error in errors.values())
    more = f" and {len(listed) - 10} more" if len(listed) > 10 else ""
    raise (TypeError if is_type_error else ValueError)(
        f"X has columns that are not numbers: {', '.join(listed[:10])}{more}. Expected "
        "numbers: convert dates, for example to days since a date, and encode text, "
        "for example with sklearn.preprocessing.OneHotEncoder."
    )


def _convertible_sparse(frame: Any) -> Any:
    """Return a frame; if all columns are sparse, with floats in place of bool.

    `check_array` fails on bool, and on fill values other than 0.
    """
    dtypes = list(getattr(frame, "dtypes", ()))
    if not dtypes or not all(hasattr(dtype, "fill_value") for dtype in dtypes):
        return frame
    if any(dtype.kind not in "biufc" or dtype.fill_value != 0 for dtype in dtypes):
        return frame.sparse.to_dense()
    if all(dtype.kind != "b" for dtype in dtypes):
        return frame
    return frame.astype(type(dtypes[0])(np.float64, 0))


def _not_numeric(frame: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the columns, with their names, whose dtype is not known to be numeric."""
    # A pyarrow table has no dtypes, and its `columns` are not the names.
    is_table = hasattr(type(frame), "column_names")
    names = frame.column_names if is_table else frame.columns
    dtypes = names if is_table else frame.dtypes
    for name, dtype in zip(names, dtypes, strict=True):
        if hasattr(dtype, "is_numeric"):  # polars
            is_numeric = dtype.is_numeric()
        else:
            is_numeric = getattr(dtype, "kind", "O") in "biufc"
        if not is_numeric:
            yield name, frame[name]


def _conversion_error(column: Any) -> Exception | None:
    """Return why a column cannot be converted to numbers, or None."""
    values = np.asarray(column)
    for dtype in (getattr(column, "dtype", None), values.dtype):
        if getattr(dtype, "kind", "O") in "mM":
            return TypeError(dtype)
    if values.dtype.kind in "biufc":
        return None
    values = values.astype(object)
    for value in values.ravel():
        if isinstance(value, np.datetime64 | np.timedelta64):
            return TypeError(value.dtype)  # `float` would take it as a number
    try:
        values.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        return error
    return None
