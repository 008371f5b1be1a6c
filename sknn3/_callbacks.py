"""What others see of a fit while it runs: scikit-learn's callbacks, lines of text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

from sknn3._minimize import Outcome, Run, Stop


@contextmanager
def task(
    context: Any,
    *,
    at_begin: Callable[[], dict[str, Any]] | None = None,
    at_end: Callable[[], dict[str, Any]] | None = None,
    **about: Any,
) -> Iterator[SimpleNamespace]:
    """Announce begin and end of a task, in a pair whatever happens in between.

    `at_begin` and `at_end` make the fitted attributes of the estimator as it is then;
    only callbacks that ask for them have them made.  What is yielded has a `stop` that
    is true in the end if a callback said so.
    """
    verdict = SimpleNamespace(stop=False)
    try:
        context.call_on_fit_task_begin(**about, reconstruction_attributes=at_begin)
        yield verdict
    except BaseException:
        context.call_on_fit_task_end(estimator=about["estimator"])
        raise
    verdict.stop = context.call_on_fit_task_end(
        **about, reconstruction_attributes=at_end
    )


def about_task(estimator: Any, X: Any, y: Any, sample_weight: Any) -> dict[str, Any]:
    """Put what a task is about as callbacks expect it."""
    metadata = None if sample_weight is None else {"sample_weight": sample_weight}
    return {"estimator": estimator, "X": X, "y": y, "metadata": metadata}


class FitTasks:
    """The tasks of a fit as scikit-learn's callbacks know them: itself, and each pass.

    `attributes` makes the fitted attributes of an outcome.
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
        self.about = about_task(estimator, X, y, sample_weight)

    def whole_fit(self) -> AbstractContextManager[Any]:
        """Announce the fit; at its end the estimator itself is ready to predict."""
        if not self.heard:
            return nullcontext()
        return task(self.context, at_end=dict, **self.about)

    def one_pass(self, run: Run) -> AbstractContextManager[Any]:
        """Announce a pass, and stop the run after it where a callback says so."""
        return self._heard_pass(run) if self.heard else nullcontext()

    @contextmanager
    def _heard_pass(self, run: Run) -> Iterator[None]:
        def attributes() -> dict[str, Any]:
            return self.attributes(run.outcome("callback"))

        context = self.context.subcontext("pass")
        with task(
            context, at_begin=attributes, at_end=attributes, **self.about
        ) as verdict:
            yield
        if verdict.stop:
            raise Stop("callback")


class AtBudgets:
    """Callback that keeps what a fit would give with smaller budgets of passes."""

    def __init__(self, budgets: Iterable[int]) -> None:
        self.budgets = set(budgets)
        self.fitted: dict[int, Any] = {}

    def setup(self, estimator: Any, context: Any) -> None:
        """Nothing to prepare."""

    def teardown(self, estimator: Any, context: Any) -> None:
        """Nothing to clear away."""

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Nothing to note."""

    def on_fit_task_end(
        self, _estimator: Any, context: Any, *, fitted_estimator: Any = None
    ) -> None:
        """Keep the estimator of a pass whose number is a budget."""
        n_done = context.task_id + 1
        if context.task_name == "pass" and n_done in self.budgets:
            self.fitted[n_done] = fitted_estimator


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
