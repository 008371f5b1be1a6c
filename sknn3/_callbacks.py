"""What others see of a fit while it runs: scikit-learn's callbacks, lines of text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import (
    AbstractContextManager,
    contextmanager,
    nullcontext,
    suppress,
)
from functools import cache
from types import SimpleNamespace
from typing import Any

from sknn3._minimize import Outcome, Point, Run, Stop


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
    # Made once, however many callbacks ask.
    at_begin, at_end = at_begin and cache(at_begin), at_end and cache(at_end)
    begun = []
    try:
        for callback in context._callbacks:  # noqa: SLF001 (see `_told`)
            begun.append(callback)
            with _told(context, callback):
                context.call_on_fit_task_begin(
                    **about, reconstruction_attributes=at_begin
                )
        yield verdict
    except BaseException:
        with suppress(BaseException):  # the first error is the one to hear of
            _end(context, begun, estimator=about["estimator"])
        raise
    verdict.stop = _end(context, begun, **about, reconstruction_attributes=at_end)


def _end(context: Any, callbacks: list[Any], **about: Any) -> bool:
    """End the task for each callback, whatever the others do; raise what failed first.

    What is returned is true if a callback said stop.
    """
    stop, errors = False, []
    for callback in callbacks:
        try:
            with _told(context, callback):
                stop |= bool(context.call_on_fit_task_end(**about))
        except BaseException as error:
            errors.append(error)
    try:
        if errors:
            raise errors[0]
    finally:
        # An error's traceback holds this frame: held by it, the error and all the data
        # of the fit would stay until the garbage collector comes.
        errors.clear()
    return stop


@contextmanager
def _told(context: Any, callback: Any) -> Iterator[None]:
    """Let one callback alone hear: all together, the first fault deafens the others."""
    everybody = context._callbacks  # noqa: SLF001
    context._callbacks = [callback]  # noqa: SLF001
    try:
        yield
    finally:
        context._callbacks = everybody  # noqa: SLF001


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


def print_progress(run: Run) -> None:
    """Print a line at passes 1, 2, 5, 10, 20, 50, ...: more would only scroll."""
    n_done = len(run.passes)
    if n_done / 10 ** (len(str(n_done)) - 1) in (1, 2, 5):
        _print(f"pass {n_done:>5d}/{run.max_iter}", run.best, run.passes[-1].score)


def print_end(outcome: Outcome) -> None:
    """Print why training ended, and what is kept."""
    what = f"{outcome.stop_reason} after {len(outcome.passes)} passes"
    _print(what, outcome.kept, outcome.best_score)


def print_path(alpha: float, budgets: list[int], scores: list[float]) -> None:
    """Print what came of a path of a search."""
    of_budgets = zip(budgets, scores, strict=True)
    told = ", ".join(f"{score:.4f} after {n}" for n, score in of_budgets)
    print(f"alpha {alpha:g}   scores {told}", flush=True)


def _print(what: str, point: Point, score: float | None) -> None:
    cost, gradient = point.cost, point.max_gradient
    validation = "" if score is None else f"   validation score {score:.4f}"
    print(
        f"{what}   cost {cost:.6f}   largest gradient {gradient:.1e}{validation}",
        flush=True,
    )
