"""What a fit leaves in an estimator: all of it, or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sklearn.base import BaseEstimator


@contextmanager
def undone_on_failure(estimator: BaseEstimator) -> Iterator[None]:
    """Give a failed fit's estimator its fitted attributes back, or none."""
    before = vars(estimator).copy()
    try:
        yield
    except BaseException:
        others = {k: v for k, v in vars(estimator).items() if not k.endswith("_")}
        fitted = {k: v for k, v in before.items() if k.endswith("_")}
        estimator.__dict__ = others | fitted  # at one stroke, whatever else may come
        raise
