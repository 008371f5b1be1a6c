"""Private parts of scikit-learn, and differences between versions, with reasons.

If a new release of scikit-learn moves a private part, only this module changes.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
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

# Callbacks are new in scikit-learn 1.9.  Before, estimators have no `set_callbacks`,
# and a fit calls the hooks of a context that does nothing.
try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ModuleNotFoundError:

    class _NoCallbacks:
        def subcontext(self, *_: Any) -> "_NoCallbacks":
            return self

        def call_on_fit_task_begin(self, **_: Any) -> None:
            pass

        def call_on_fit_task_end(self, **_: Any) -> None:
            pass

        def propagate_callback_context(self, _: Any) -> AbstractContextManager[None]:
            return nullcontext()

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Gives the fit of an estimator a context without callbacks."""

        def _init_callback_context(self, **_: Any) -> _NoCallbacks:
            return _NoCallbacks()

    def with_callbacks(fit: Callable[..., Any]) -> Callable[..., Any]:
        """Add a stack frame, as 1.9 does, for the `stacklevel` of warnings."""

        @wraps(fit)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return fit(*args, **kwargs)

        return wrapper


def has_callbacks(estimator: Any) -> bool:
    """Return whether a fit has callbacks, its own or those of a meta-estimator.

    Contexts of scikit-learn have no public attribute for this.
    """
    return bool(getattr(estimator, "_skl_callbacks", ()))


def accepts_sample_weight(scorer: Any) -> bool:
    """Return whether a scorer takes sample weights.

    Signatures of scikit-learn's scorers always have them, even if the metric has not.
    """
    if hasattr(scorer, "_accept_sample_weight"):
        return bool(scorer._accept_sample_weight())  # noqa: SLF001
    return "sample_weight" in signature(scorer).parameters


__all__ = [
    "CallbackSupportMixin",
    "Interval",
    "StrOptions",
    "accepts_sample_weight",
    "convert_to_numpy",
    "fit_context",
    "get_namespace_and_device",
    "has_callbacks",
    "safe_indexing",
    "with_callbacks",
]
