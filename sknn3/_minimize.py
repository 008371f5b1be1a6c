"""SciPy's truncated Newton and L-BFGS-B behind one face, with a budget of passes.

The two solvers count differently, keep stopping rules of their own and may return
a point that is not their best.  So all that a user sees is kept here, by the one
wrapper around the objective: the number of passes, the best point so far, the loss
curve, the validation scores, and the reason for the end.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple, Protocol

import numpy as np
import scipy.optimize

CostFunction = Callable[[np.ndarray], tuple[float, np.ndarray]]


class Variables(Protocol):
    """The coordinates in which a solver works."""

    def to_weights(self, variables: np.ndarray, /) -> np.ndarray:
        """Packed weights that belong to the variables."""

    def from_weights(self, params: np.ndarray, /) -> np.ndarray:
        """Variables that belong to the packed weights."""

    def pull_gradient(self, gradient: np.ndarray, /) -> np.ndarray:
        """Gradient by the variables, from the gradient by the weights."""

    def resolution(self, params: np.ndarray, /) -> np.ndarray:
        """How fine the gradient by each weight has to be, 1 at most."""


# Why a run ended, and what the user may do about it (None: all is well).
ADVICE: dict[str, str | None] = {
    "converged": None,
    "early_stopping": None,
    "callback": None,
    "max_iter": (
        "max_iter={max_iter} passes ended before the largest gradient component, now "
        "{max_gradient:.1e}, fell to tol={tol:.1e}. Increase max_iter, scale the "
        "features, or increase tol if the fit is good enough as it is."
    ),
    "max_time": (
        "max_time={max_time} seconds ended after {n_iter} passes, before the largest "
        "gradient component, now {max_gradient:.1e}, fell to tol={tol:.1e}. Increase "
        "max_time, scale the features, or increase tol if the fit is good enough as it "
        "is."
    ),
    "stalled": (
        "The solver found no lower cost after {n_iter} passes, with the largest "
        "gradient component at {max_gradient:.1e}, above tol={tol:.1e}: the precision "
        "of the numbers is spent, or a kink of activation='relu' is in the way. "
        "Increase tol, scale the features, or use float64."
    ),
    "interrupted": (
        "Training was interrupted after {n_iter} passes; the best weights so far are "
        "kept."
    ),
}

# The solvers' own limits and tests of precision are out of the way: tol and
# max_iter decide, in `Run`.  (TNC knows no "maxiter"; given one, it runs on.)
_UNLIMITED = 2**31 - 1


def _tnc_options(n_variables: int) -> dict[str, Any]:
    return {
        "maxfun": _UNLIMITED,
        "ftol": 0.0,
        "xtol": 0.0,
        "gtol": 0.0,
        # By default each variable is scaled by 1 + |x|, which undoes conditioning.
        # 3 to 10 reaches lower costs than 1 from the 20th pass on.
        "scale": np.full(n_variables, 5.0),
        "offset": np.zeros(n_variables),
        # Passes spent on the direction of a step; by default up to 50, a whole budget.
        # 3 is equal in the end, but a tenth behind after 20 passes.
        "maxCGit": 2,
        # A line search may end at a point where the slope is still half of what it
        # was (by default a quarter): the next step does more than a better end.
        "eta": 0.5,
        # Relative step of the differences of gradients that stand for products with
        # the Hessian.  The default, 1.5e-8, amplifies rounding: in float32 all that
        # is left of the products is noise.  1e-3 to 1e-2 do about equally well.
        "accuracy": 3e-3,
    }


def _lbfgs_options(_n_variables: int) -> dict[str, Any]:
    return {"maxfun": _UNLIMITED, "maxiter": _UNLIMITED, "ftol": 0.0, "gtol": 0.0}


SOLVERS = {"tnc": ("TNC", _tnc_options), "lbfgs": ("L-BFGS-B", _lbfgs_options)}

# Grids for cost and gradient, in units of tol.  Far above the rounding of a mean in
# float64, about 1e-16, and far below what a line search or a difference of
# gradients has to resolve on the way to tol.
_COST_GRID = 2.0**-20
_GRADIENT_GRID = 2.0**-13

# Cost of a point where it overflows, in units of the lowest so far.
_WALL = 1e3


def _round_number(value: float, grid: float) -> float:
    """Round to a multiple of the grid; what is out of its reach stays as it is."""
    steps = value / grid if grid else math.inf
    rounded = round(steps) * grid if math.isfinite(steps) else math.inf
    return rounded if math.isfinite(rounded) else value


def _round_to(values: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Do so for each of an array."""
    rounded = np.round(values / grid) * grid
    if np.isfinite(rounded).all():
        return rounded
    return np.where(np.isfinite(rounded), rounded, values)


class Point(NamedTuple):
    """Packed weights, their cost, and the largest component of its gradient.

    Components are divided by their resolution: those by weights of small features are
    small, however much there is to learn.
    """

    params: np.ndarray
    cost: float = np.inf
    max_gradient: float = np.inf


class Validation:
    """Early stopping: keeps the point with the best score on held-out rows."""

    def __init__(
        self, score: Callable[[np.ndarray], float], n_iter_no_change: int
    ) -> None:
        self.score = score
        self.n_iter_no_change = n_iter_no_change
        self.best: Point | None = None
        self.best_score = -np.inf
        self.n_unimproved = 0

    def look_at(self, point: Point) -> float:
        """Score a point, and count how often in a row none was better."""
        score = self.score(point.params)
        if score > self.best_score:
            self.best, self.best_score, self.n_unimproved = point, score, 0
        else:
            self.n_unimproved += 1
        return score


class Pass(NamedTuple):
    """What is on record of a pass."""

    cost: float  # the lowest so far
    score: float | None  # the last on the held-out rows, with early stopping


class Outcome(NamedTuple):
    """What a run comes to.

    `kept` is the point to keep: of the best score with early stopping, else of the
    lowest cost.
    """

    kept: Point
    passes: list[Pass]
    stop_reason: str  # a key of `ADVICE`
    best_score: float | None


class Stop(Exception):  # noqa: N818 (it is no error)
    """Ends the solver from inside the objective; its argument is the reason."""


class Run:
    """One minimisation: the objective as the solver sees it, and the books.

    Attributes
    ----------
    best : Point
        The point of the lowest cost so far.
    passes : list of Pass
        One entry an evaluation of cost and gradient.
    """

    def __init__(
        self,
        objective: CostFunction,
        start: np.ndarray,
        *,
        variables: Variables,
        max_iter: int,
        tol: float,
        deadline: float = math.inf,
        validation: Validation | None = None,
        around_pass: Callable[[Run], AbstractContextManager[Any]] = nullcontext,
        after_pass: Callable[[Run], None] | None = None,
    ) -> None:
        self.objective = objective
        self.variables = variables
        self.max_iter = max_iter
        self.tol = tol
        self.deadline = deadline  # of time.perf_counter
        self.validation = validation
        self.around_pass = around_pass
        self.after_pass = after_pass
        self.resolution = variables.resolution(start)
        self.best = Point(start)
        self.passes: list[Pass] = []

    def outcome(self, stop_reason: str) -> Outcome:
        """Tell what the run comes to if it ends here; it may as well go on."""
        passes = self.passes.copy()
        if not self.validation or not passes:
            return Outcome(self.best, passes, stop_reason, None)
        kept, best_score = self.validation.best, self.validation.best_score
        if stop_reason != "interrupted":  # the last step may not be accepted
            score = self.validation.score(self.best.params)
            passes[-1] = passes[-1]._replace(score=score)
            if score > best_score:
                kept, best_score = self.best, score
        return Outcome(kept or self.best, passes, stop_reason, best_score)

    def evaluate(self, variables: np.ndarray) -> tuple[float, np.ndarray]:
        """Do one pass: cost and gradient for the solver."""
        with self.around_pass(self):
            cost, gradient = self._do_pass(variables)
        if self.after_pass:
            self.after_pass(self)
        if self.best.max_gradient <= self.tol:
            raise Stop("converged")
        if len(self.passes) >= self.max_iter:
            raise Stop("max_iter")
        if time.perf_counter() >= self.deadline:
            raise Stop("max_time")
        if not np.isfinite(cost):  # a step too far: a wall, from which searches turn
            return _WALL * (1 + abs(self.best.cost)), np.zeros_like(variables)
        return self._for_solver(cost, gradient)

    def _do_pass(self, variables: np.ndarray) -> tuple[float, np.ndarray]:
        """Evaluate and keep the books; the cost is infinite where anything is."""
        with np.errstate(over="ignore", invalid="ignore"):
            params = self.variables.to_weights(variables)
            cost, gradient = self.objective(params)
            max_gradient = float(np.abs(gradient / self.resolution).max())
        finite = np.isfinite(cost + max_gradient)
        if not finite and not self.passes:
            raise ValueError(
                "The cost or its gradient is not finite at the initial weights: X, "
                "alpha, init_epsilon, coefs_init or intercepts_init are too large, or "
                "the sum of sample_weight is too small, for the dtype. Scale the "
                "features."
            )
        if finite and cost < self.best.cost:
            self.best = Point(params, cost, max_gradient)
        self.passes.append(Pass(self.best.cost, self._last_score()))
        return cost if finite else math.inf, gradient

    def end_iteration(self, _variables: np.ndarray) -> None:
        """Validate the best point; the solver has accepted a step."""
        if self.validation:
            score = self.validation.look_at(self.best)
            self.passes[-1] = self.passes[-1]._replace(score=score)
            if self.validation.n_unimproved >= self.validation.n_iter_no_change:
                raise Stop("early_stopping")

    def _for_solver(
        self, cost: float, gradient: np.ndarray
    ) -> tuple[float, np.ndarray]:
        """Round both to what tol can tell apart, and change to the variables.

        Adding rows in another order changes the last bits of a sum, and a solver
        makes of 1e-16 a difference of 1e-3 within 50 passes: its path is chaotic.
        Rounded, sums in float64 are equal to the bit (short of an unlucky tie), and
        so are the paths: in any order of the rows, and with weights in place of
        repeated rows.
        """
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            if self.tol > 0:
                cost = _round_number(cost, self.tol * _COST_GRID)
                grid = self.tol * _GRADIENT_GRID * self.resolution
                gradient = _round_to(gradient, grid)
            return cost, self.variables.pull_gradient(gradient)

    def _last_score(self) -> float | None:
        if not self.validation:
            return None
        if not self.passes:
            return self.validation.look_at(self.best)
        return self.passes[-1].score


def minimize(run: Run, solver: str) -> Outcome:
    """Let a solver loose on the run until it ends, and tell what came of it.

    A Ctrl-C after the first pass ends the run like any other reason.
    """
    method, options_for = SOLVERS[solver]
    options = options_for(run.best.params.size)
    try:
        before = np.inf
        # A line search that fails ends the solver.  From the best point, with its
        # memory cleared, it often finds a way on; if not, that is the end.
        while run.best.cost < before or not run.passes:
            before = run.best.cost
            scipy.optimize.minimize(
                run.evaluate,
                run.variables.from_weights(run.best.params),
                jac=True,
                method=method,
                options=options,
                callback=run.end_iteration,
            )
    except Stop as stop:
        return run.outcome(*stop.args)
    except KeyboardInterrupt:
        if not run.passes:
            raise
        return run.outcome("interrupted")
    return run.outcome("stalled")
