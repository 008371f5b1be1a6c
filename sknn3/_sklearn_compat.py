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

# Namespace and device of an array, and its conversion to NumPy: the array API support
# of scikit-learn has no public module.
from sklearn.utils._array_api import _convert_to_numpy as convert_to_numpy
from sklearn.utils._array_api import get_namespace_and_device

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
    "convert_to_numpy",
    "fit_context",
    "get_namespace_and_device",
    "safe_indexing",
]
