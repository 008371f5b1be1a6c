"""The private parts of scikit-learn that the package uses, each with its reason.

A new release of scikit-learn may move any of them.  Then this module changes, and no
other.
"""

from inspect import signature
from typing import Any

# Checks parameters against `_parameter_constraints` before a fit.  There is no public
# equivalent, and `check_estimator` expects its error.
from sklearn.base import _fit_context as fit_context

# Rows of arrays, frames, sparse matrices and lists, as `cross_val_score` takes them.
from sklearn.utils import _safe_indexing as safe_indexing

# Namespace and device of an array, and the move of an array to another namespace: the
# array API support of scikit-learn has no public module.
# `check_same_namespace` raises the error that `check_estimator` expects where data and
# fitted attributes are in different namespaces.
from sklearn.utils._array_api import (
    check_same_namespace,
    get_namespace_and_device,
    move_to,
)

# The vocabulary of `_parameter_constraints`.
from sklearn.utils._param_validation import Interval, StrOptions


def accepts_sample_weight(scorer: Any) -> bool:
    """Return whether a scorer takes sample weights.

    The signature of scikit-learn's scorers has them also where their metric lacks them.
    """
    if hasattr(scorer, "_accept_sample_weight"):
        return bool(scorer._accept_sample_weight())  # noqa: SLF001
    return "sample_weight" in signature(scorer).parameters


__all__ = [
    "Interval",
    "StrOptions",
    "accepts_sample_weight",
    "check_same_namespace",
    "fit_context",
    "get_namespace_and_device",
    "move_to",
    "safe_indexing",
]
