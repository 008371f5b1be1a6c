"""Lines of text that report the progress of training."""

from __future__ import annotations

from sknn3._minimize import Iterate, Minimizer, MinimizeResult


def print_pass(minimizer: Minimizer) -> None:
    """Print a line at passes 1, 2, 5, 10, 20, 50 and so on."""
    n_done = len(minimizer.evaluations)
    if n_done / 10 ** (len(str(n_done)) - 1) in (1, 2, 5):
        what = f"pass {n_done:>5d}/{minimizer.max_iter}"
        _print(what, minimizer.lowest, minimizer.evaluations[-1].score)


def print_result(result: MinimizeResult) -> None:
    """Print why training ended, and the cost of the weights that are kept."""
    what = f"{result.stop_reason} after {len(result.evaluations)} passes"
    _print(what, result.best, result.best_score)


def print_path(alpha: float, budgets: list[int], scores: list[float]) -> None:
    """Print the scores of one path of a search."""
    pairs = zip(scores, budgets, strict=True)
    by_budget = ", ".join(f"{score:.4f} after {n}" for score, n in pairs)
    print(f"alpha {alpha:g}   scores {by_budget}", flush=True)


def _print(what: str, point: Iterate, score: float | None) -> None:
    validation = "" if score is None else f"   validation score {score:.4f}"
    print(
        f"{what}   cost {point.cost:.6f}   "
        f"largest gradient {point.max_gradient:.1e}{validation}",
        flush=True,
    )
