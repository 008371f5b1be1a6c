"""What others see of a fit while it runs: scikit-learn's callbacks, lines of text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sknn3._minimize import Outcome, Run, Stop


class FitTasks:
    """The tasks of a fit as scikit-learn's callbacks know them: itself, and each pass.

    Begin and end of a task come in pairs, whatever happens in between.  `attributes`
    makes the fitted attributes of an outcome.
    """

    def __init__(
        self,
        estimator: Any,
        attributes: Callable[[Outcome], dict[str, Any]],
        *,
        X: Any,
        y: Any,
        sample_weight: Any,
    ) -> None:
        self.context = estimator._init_callback_context(max_subtasks=estimator.max_iter)  # noqa: SLF001 (documented for authors of estimators)
        # Tasks of which nobody hears cost nothing.
        self.heard = hasattr(estimator, "_skl_callbacks")
        self.attributes = attributes
        weights = None if sample_weight is None else {"sample_weight": sample_weight}
        self.about = {"estimator": estimator, "X": X, "y": y, "metadata": weights}

    @contextmanager
    def whole_fit(self) -> Iterator[None]:
        """Announce the fit; at its end the estimator itself is ready to predict."""
        if not self.heard:
            yield
            return
        with self._paired(self.context):
            yield
        self._end(self.context, dict)

    @contextmanager
    def one_pass(self, run: Run) -> Iterator[None]:
        """Announce a pass, and stop the run after it where a callback says so."""
        if not self.heard:
            yield
            return
        context = self.context.subcontext("pass")
        with self._paired(context):
            yield
        # Made for those callbacks only that ask for a fitted estimator.
        if self._end(context, lambda: self.attributes(run.outcome("callback"))):
            raise Stop("callback")

    @contextmanager
    def _paired(self, context: Any) -> Iterator[None]:
        """Begin a task, and end it here if it fails."""
        try:
            context.call_on_fit_task_begin(**self.about)
            yield
        except BaseException:
            context.call_on_fit_task_end(estimator=self.about["estimator"])
            raise

    def _end(self, context: Any, attributes: Callable[[], dict[str, Any]]) -> bool:
        return bool(
            context.call_on_fit_task_end(
                **self.about, reconstruction_attributes=attributes
            )
        )


def print_progress(run: Run) -> None:
    """Print a line at passes 1, 2, 5, 10, 20, 50, ...: more would only scroll."""
    n_done = len(run.passes)
    if n_done / 10 ** (len(str(n_done)) - 1) in (1, 2, 5):
        _print(f"pass {n_done:>5d}/{run.max_iter}", run, run.passes[-1].score)


def print_end(run: Run, outcome: Outcome) -> None:
    """Print why training ended, and where."""
    what = f"{outcome.stop_reason} after {len(outcome.passes)} passes"
    _print(what, run, outcome.passes[-1].score)


def _print(what: str, run: Run, score: float | None) -> None:
    cost, gradient = run.best.cost, run.best.max_gradient
    validation = "" if score is None else f"   validation score {score:.4f}"
    print(
        f"{what}   cost {cost:.6f}   largest gradient {gradient:.1e}{validation}",
        flush=True,
    )
