"""Reports on the progress of training: printed lines and scikit-learn's callbacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sknn3._minimize import Iterate, Minimizer, MinimizeResult
from sknn3._sklearn_compat import has_callbacks


def print_pass(minimizer: Minimizer) -> None:
    """Print a line at passes 1, 2, 5, 10, 20, 50 and so on."""
    n_done = len(minimizer.evaluations)
    if n_done / 10 ** (len(str(n_done)) - 1) in (1, 2, 5):
        what = f"pass {n_done:>5d}/{minimizer.max_iter}"
        _print(what, minimizer.lowest, minimizer.evaluations[-1].score)


def print_result(result: MinimizeResult) -> None:
    """Print why training ended, and the cost of the fitted weights."""
    what = f"{result.stop_reason} after {len(result.evaluations)} passes"
    _print(what, result.best, result.best_score)


def print_path(alpha: float, budgets: list[int], scores: list[float]) -> None:
    """Print the scores of all budgets for an alpha in a fold."""
    pairs = zip(scores, budgets, strict=True)
    by_budget = ", ".join(f"{score:.4f} after {n}" for score, n in pairs)
    _print_line(f"alpha {alpha:g}   scores {by_budget}")


def _print(what: str, point: Iterate, score: float | None) -> None:
    validation = "" if score is None else f"   validation score {score:.4f}"
    _print_line(
        f"{what}   cost {point.cost:.6f}   "
        f"largest gradient {point.max_gradient:.1e}{validation}"
    )


def _print_line(line: str) -> None:
    """Print a line in one piece, since other threads may print too."""
    print(f"{line}\n", end="", flush=True)


class Callbacks:
    """Calls the hooks of scikit-learn's callbacks for a fit and for its passes."""

    def __init__(
        self,
        estimator: Any,
        X: Any,
        y: Any,
        sample_weight: Any,
        attributes: Callable[[MinimizeResult], dict[str, Any]],
    ) -> None:
        # A warm start may need more passes than `max_iter`.
        max_passes = None if estimator.warm_start else estimator.max_iter
        # scikit-learn documents this method for authors of estimators.
        self.context = estimator._init_callback_context(max_subtasks=max_passes)  # noqa: SLF001
        self.kwargs = task_kwargs(estimator, X, y, sample_weight)
        self.attributes = attributes
        # Contexts of passes that no callback sees take 6% of a fit on 150 rows.
        self.has_callbacks = has_callbacks(estimator)

    def begin_fit(self) -> None:
        self.context.call_on_fit_task_begin(**self.kwargs)

    def end_fit(self) -> None:
        self.context.call_on_fit_task_end(**self.kwargs, reconstruction_attributes=dict)

    def begin_pass(self, minimizer: Minimizer) -> None:
        if not self.has_callbacks:
            return
        self.current_pass = self.context.subcontext("pass")
        self.current_pass.call_on_fit_task_begin(
            **self.kwargs, reconstruction_attributes=self._attributes_of(minimizer)
        )

    def end_pass(self, minimizer: Minimizer) -> bool:
        """Return whether a callback ends the fit."""
        return self.has_callbacks and bool(
            self.current_pass.call_on_fit_task_end(
                **self.kwargs, reconstruction_attributes=self._attributes_of(minimizer)
            )
        )

    def _attributes_of(self, minimizer: Minimizer) -> Callable[[], dict[str, Any]]:
        """Return a function, since few callbacks need the fitted attributes."""
        return lambda: self.attributes(minimizer.result("callback"))


def task_kwargs(estimator: Any, X: Any, y: Any, sample_weight: Any) -> dict[str, Any]:
    """Return the arguments that callbacks get for each task of a fit."""
    metadata = None if sample_weight is None else {"sample_weight": sample_weight}
    return {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
