"""The penalised cost of a data set, and SciPy's solvers that minimise it.

The two solvers count evaluations differently, have their own stopping rules and may
return a point that is not their best.  So `Minimizer` wraps the objective: it counts
passes, keeps the best point, the loss curve and the validation scores, and stops the
solver.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from itertools import chain, repeat
from typing import Any, NamedTuple

import numpy as np
import scipy.optimize
from scipy.special import entr

from sknn3._array_api import namespace_of
from sknn3._conditioning import Preconditioner
from sknn3._dataset import Dataset
from sknn3._kernel import Network, l2_penalty, penalised_mean
from sknn3._rounding import (
    COST_BITS,
    GRADIENT_BITS,
    MOMENT_BITS,
    round_number,
    round_to_largest,
)


class Objective:
    """J and its gradient over all samples, as a function of the packed weights."""

    def __init__(self, dataset: Dataset, network: Network, alpha: float) -> None:
        self.dataset = dataset
        self.network = network
        self.n_features = dataset.X_like.shape[1]
        # The sample weights are divided by their mean, so alpha is divided too.
        # Weights with a mean below 1 are shares: their sum is not a number of samples.
        self.unit = max(dataset.mean_weight, 1.0)
        self.total_weight = dataset.total_weight
        self.sum_of_weights = dataset.total_weight * self.unit
        self.alpha = float(alpha)
        xp, _ = namespace_of(dataset.X_like)
        self.dtype_max = float(xp.finfo(dataset.X_like.dtype).max)

    @property
    def penalty(self) -> float:
        """The penalty's factor alpha/S."""
        return self.alpha / self.sum_of_weights

    def __call__(self, params: np.ndarray) -> tuple[float, np.ndarray]:
        """Return cost and gradient; the cost is infinite if the dtype overflows."""
        if not np.abs(params).max() <= self.dtype_max:  # or NaN
            return np.inf, np.full_like(params, np.nan)
        cost, gradient = self.dataset.loss_gradient_sums(params, self.network)
        return penalised_mean(
            cost,
            gradient,
            params,
            self.n_features,
            self.network.hidden_layer_size,
            alpha=self.alpha / self.unit,
            total_weight=self.total_weight,
        )

    def l2_penalty(self, params: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the penalty and its gradient for alpha/S = 1."""
        return l2_penalty(params, self.n_features, self.network.hidden_layer_size)

    @np.errstate(all="ignore")
    def gain(self, point: Iterate) -> float:
        """Return 1 - (mean loss) / (mean loss of the best constant outputs)."""
        loss = point.cost - self.penalty * self.l2_penalty(point.params)[0]
        priors = self.dataset.labels.priors(self.dataset.class_counts)
        constant_loss = float(entr(priors).sum())
        if self.network.output_activation == "logistic":
            constant_loss += float(entr(1 - priors).sum())
        # With almost all weight on one class, there is nothing to learn.
        return 1 - loss / constant_loss if constant_loss > 1e-5 else 1.0


# The solvers' own limits are off: `Minimizer` stops them.  (TNC ignores "maxiter".)
_UNLIMITED = 2**31 - 1


def _tnc_options(n_variables: int) -> dict[str, Any]:
    return {
        "maxfun": _UNLIMITED,
        "ftol": 0.0,
        "xtol": 0.0,
        "gtol": 0.0,
        # By default each variable is scaled by 1 + |x|, which undoes conditioning.
        # Scales of 3 to 10 reach lower costs than 1 from the 20th pass on.
        "scale": np.full(n_variables, 5.0),
        "offset": np.zeros(n_variables),
        # Passes for the direction of a step; the default is up to 50.  With 3, the
        # final cost is equal, but the cost after 20 passes is a tenth higher.
        "maxCGit": 2,
        # A line search may end at half of its initial slope; the default is a quarter.
        # The next step gains more than a longer search.
        "eta": 0.5,
        # Relative step of the differences of gradients that approximate products with
        # the Hessian.  The default, 1.5e-8, amplifies rounding: in float32 the products
        # become noise.  Steps of 1e-3 to 1e-2 work about equally well.
        "accuracy": 3e-3,
    }


def _lbfgs_options(_n_variables: int) -> dict[str, Any]:
    return {"maxfun": _UNLIMITED, "maxiter": _UNLIMITED, "ftol": 0.0, "gtol": 0.0}


SOLVERS = {"tnc": ("TNC", _tnc_options), "lbfgs": ("L-BFGS-B", _lbfgs_options)}

# A strong penalty shrinks random weights before they fit the data.  The solver then
# ends at constant outputs, even if a lower minimum exists.  So the penalty alpha/S is
# at most this in the first passes.  L-BFGS reaches lower costs there than TNC.
RELAXED_PENALTY = 5e-4
RELAXED_PASSES = 10

# Number of passes before alpha='auto' chooses alpha.
AUTO_ALPHA_PASSES = 20


def reference_alpha(n_features: float) -> float:
    """Return the alpha of the passes before alpha is chosen."""
    return min(1.0, n_features / 10)


def choose_alpha(n_features: float, gain: float, sum_of_weights: float) -> float:
    """Return the alpha for a network with this gain over constant outputs.

    In ridge regression the best penalty is the variance of the noise divided by the
    expected square of a weight.  Here the noise is the remaining share of the loss plus
    the share that the weights of the features explain by chance.  Factors and powers
    were chosen on 43 tables and, for few features, on moons, rings and XOR; see the
    user guide.
    """
    noise = min(1 - gain + n_features / (2 * sum_of_weights), 1.0)
    largest = min(math.sqrt(n_features) / 2, n_features / 6)
    return round_number(largest * noise, MOMENT_BITS)


# After an overflow the solver gets this multiple of the lowest cost, and backtracks.
OVERFLOW_COST = 1e3

# Why a run ended, and what the user can do about it; None needs no warning.
CONVERGENCE_MESSAGES: dict[str, str | None] = {
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
        "The solver found no lower cost after {n_iter} passes; the largest gradient "
        "component is {max_gradient:.1e}, and tol={tol:.1e}. The precision of the "
        "dtype is exhausted, a kink of activation='relu' stops the line search, or the "
        "initial weights are a minimum. Increase tol, scale the features, or use "
        "float64."
    ),
    "interrupted": (
        "Training was interrupted after {n_iter} passes; the best weights so far are "
        "kept."
    ),
}


# A network with a smaller gain is no better than constant outputs.
CONSTANT_GAIN = 1e-4

CONSTANT_MESSAGE = (
    "The fitted network is no better than constant outputs on the training data. "
    "Either alpha={alpha} is too large for a sum of sample weights of "
    "{sum_of_weights:g}, tol={tol:.1e} is too large, early stopping kept the weights "
    "of an early pass, or X has no information about y. Decrease alpha or tol, or "
    "train without early stopping."
)


class Iterate(NamedTuple):
    """Packed weights, their cost, and the largest component of the scaled gradient."""

    params: np.ndarray
    cost: float = np.inf
    max_gradient: float = np.inf


class Evaluation(NamedTuple):
    """Record of a pass."""

    cost: float  # the lowest so far
    score: float | None = None  # the latest; None without validation samples
    validation_loss: float | None = None  # as `score`


class MinimizeResult(NamedTuple):
    """The result of a run, or of its first passes."""

    best: Iterate  # with the best score if early stopping is on, else the lowest cost
    evaluations: list[Evaluation]
    stop_reason: str  # a key of `CONVERGENCE_MESSAGES`
    best_score: float | None
    max_gradient: float  # at the lowest cost
    alpha: float


@dataclass(eq=False)
class Validation:
    """Scores points on validation samples, and keeps the best point.

    `scorer` computes the score; None is minus the loss.  Of equal scores the latest is
    the best, because its cost is lower.  Without early stopping, `n_iter_no_change` is
    infinite.
    """

    dataset: Dataset
    network: Network
    n_iter_no_change: float = math.inf
    scorer: Callable[[Iterate], float] | None = None
    best: Iterate = field(init=False)
    best_score: float = field(init=False, default=-math.inf)
    n_unimproved: int = field(init=False, default=0)

    def loss(self, point: Iterate) -> float:
        """Return the mean loss of the samples, without a penalty."""
        loss, total_weight = self.dataset.loss_sums(point.params, self.network)
        if not math.isfinite(loss):  # validation rows may overflow alone
            return math.inf
        # Rounded, so that the best point does not depend on the order of the samples.
        return round_number(loss / total_weight, COST_BITS)

    def score_and_loss(self, point: Iterate) -> tuple[float, float]:
        """Return the score and the loss of a point."""
        loss = self.loss(point)
        return self.scorer(point) if self.scorer else -loss, loss

    def update(self, point: Iterate) -> tuple[float, float]:
        """Score a point, keep the best one, and count points without a better score."""
        score, loss = self.score_and_loss(point)
        self.n_unimproved = 0 if score > self.best_score else self.n_unimproved + 1
        if score >= self.best_score:
            self.best, self.best_score = point, score
        return score, loss


class _Stop(Exception):  # noqa: N818 (it is not an error)
    """Ends the solver from inside the objective; its argument is the stop reason."""


@dataclass(eq=False)
class Minimizer:
    """One run of a solver, with a budget of passes.

    `start` is the kind of initial weights: "random", "given", or "previous" for a warm
    start, which exceeds `max_iter` until the cost falls.  `relax` allows a smaller
    penalty in the first passes; the records have the costs of the full penalty.  With
    `auto_alpha`, alpha is chosen after the first passes.  `before_pass` and
    `after_pass` are called with the minimizer, and the run ends if `after_pass` returns
    True.  `deadline` is a time of `time.perf_counter`.  `lowest` is the point with the
    lowest cost so far, and `evaluations` has an entry for each pass.
    """

    objective: Objective
    preconditioner: Preconditioner
    _: KW_ONLY
    solver: str
    max_iter: int
    tol: float
    start: str = "given"
    relax: bool = False
    auto_alpha: bool = False
    deadline: float = math.inf
    validation: Validation | None = None
    before_pass: Callable[[Minimizer], None] = lambda _: None
    after_pass: Callable[[Minimizer], bool] = lambda _: False
    first: Iterate = field(init=False)
    lowest: Iterate = field(init=False)
    recent: Iterate = field(init=False)  # the lowest since the last start of a solver
    evaluations: list[Evaluation] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        if self.auto_alpha:
            n_features = self.preconditioner.effective_features
            self.objective.alpha = reference_alpha(n_features)

    def run(self, params: np.ndarray) -> MinimizeResult:
        """Run the solver until a stopping rule fires, and return the result.

        A KeyboardInterrupt after the first pass also ends the run with a result.
        """
        self.lowest = Iterate(params)
        self.gradient_scale = self.preconditioner.gradient_scale(params)
        variables = self.preconditioner.from_weights(params)
        cost_before = math.inf
        try:
            if self.relax and self.objective.penalty > RELAXED_PENALTY:
                variables = self._relaxed_passes(variables)
            if self.auto_alpha:
                variables = self._choose_alpha(variables)
            # A line search that fails ends the solver.  A restart from the lowest point
            # clears the solver's memory, and often finds a lower cost.  Restarts use
            # L-BFGS: at each start of TNC, SciPy loops over all variables in Python.
            for solver in chain([self.solver], repeat("lbfgs")):
                self._run_solver(solver, variables, callback=self._end_step)
                if self.lowest.cost == cost_before:
                    break
                cost_before = self.lowest.cost
                variables = self.preconditioner.from_weights(self.lowest.params)
            return self.result("stalled")
        except _Stop as stop:
            return self.result(*stop.args)
        except KeyboardInterrupt:
            if not self.evaluations:
                raise
            return self.result("interrupted")

    @property
    def early_stopping(self) -> Validation | None:
        """The validation, if early stopping is on; else None."""
        stops = self.validation and self.validation.n_iter_no_change < math.inf
        return self.validation if stops else None

    def result(self, stop_reason: str) -> MinimizeResult:
        """Return the result so far; the run may continue afterwards."""
        best, best_score = self.lowest, None
        evaluations = self.evaluations.copy()
        if self.early_stopping and evaluations:
            best, best_score = self.early_stopping.best, self.early_stopping.best_score
            if stop_reason != "interrupted":  # the last step may have no score yet
                score, loss = self.early_stopping.score_and_loss(self.recent)
                evaluations[-1] = Evaluation(self.lowest.cost, score, loss)
                if score >= best_score:
                    best, best_score = self.recent, score
        return MinimizeResult(
            best,
            evaluations,
            stop_reason,
            best_score,
            self.lowest.max_gradient,
            self.objective.alpha,
        )

    def _relaxed_passes(self, variables: np.ndarray) -> np.ndarray:
        """Do the first passes with a smaller penalty, and return the variables."""
        variables = self._run_solver(
            "lbfgs",
            variables,
            max_passes=RELAXED_PASSES,
            penalty_cut=self.objective.penalty - RELAXED_PENALTY,
            callback=self._score_step,
        )
        if self.early_stopping:
            self.early_stopping.n_unimproved = 0
        return variables

    def _choose_alpha(self, variables: np.ndarray) -> np.ndarray:
        """Train with the reference alpha, choose alpha, and return the variables."""
        variables = self._run_solver(
            "lbfgs",
            variables,
            max_passes=max(AUTO_ALPHA_PASSES - len(self.evaluations), 1),
            callback=self._score_step,
        )
        before = self.objective.penalty
        self.objective.alpha = choose_alpha(
            self.preconditioner.effective_features,
            self.objective.gain(self.recent),
            self.objective.sum_of_weights,
        )
        rise = self.objective.penalty - before
        self.first, self.recent = (
            point._replace(
                cost=point.cost + rise * self.objective.l2_penalty(point.params)[0],
                max_gradient=math.inf,
            )
            for point in (self.first, self.recent)
        )
        self.lowest, self.auto_alpha = self.recent, False
        if self.early_stopping:  # earlier scores were for another alpha
            self.early_stopping.best_score = -math.inf
            self._score_step(variables)
        return variables

    def _run_solver(
        self,
        solver: str,
        variables: np.ndarray,
        *,
        callback: Callable[[np.ndarray], None],
        max_passes: int = _UNLIMITED,
        penalty_cut: float = 0.0,
    ) -> np.ndarray:
        """Run one of SciPy's solvers, and return its final variables.

        L-BFGS ends with the step that reaches `max_passes`.
        """
        method, options_for = SOLVERS[solver]
        self.solver_cost = math.inf
        # SciPy needs each gradient right after the cost at the same point.  With
        # jac=True it also compares the points, which takes a tenth of a small fit.
        return scipy.optimize.minimize(
            partial(self._evaluate, penalty_cut=penalty_cut),
            variables,
            jac=lambda _: self.solver_gradient,
            method=method,
            options=options_for(variables.size) | {"maxfun": max_passes - 1},
            callback=callback,
        ).x

    def _evaluate(self, variables: np.ndarray, penalty_cut: float) -> float:
        """Do one pass, return the solver's cost, and set `solver_gradient`.

        The solver's penalty alpha/S is smaller by `penalty_cut`.
        """
        self.before_pass(self)
        params = self.preconditioner.to_weights(variables)
        cost, gradient = self.objective(params)
        max_gradient = float(np.abs(gradient / self.gradient_scale).max())
        if not math.isfinite(cost + max_gradient):
            cost = math.inf
        solver_cost = cost
        if penalty_cut:
            half_square, W = self.objective.l2_penalty(params)
            solver_cost -= penalty_cut * half_square
            gradient = gradient - penalty_cut * W
        self._record(Iterate(params, cost, max_gradient), solver_cost)
        self._stop_if_done()
        if not math.isfinite(cost):
            overflow_cost = OVERFLOW_COST * (1 + abs(self.lowest.cost))
            self.solver_gradient = np.zeros_like(variables)
            return overflow_cost
        gradient = self.preconditioner.transform_gradient(gradient)
        self.solver_gradient = round_to_largest(gradient, GRADIENT_BITS)
        return round_number(solver_cost, COST_BITS)

    def _record(self, point: Iterate, solver_cost: float) -> None:
        """Record a pass; the cost is infinite after an overflow."""
        if point.cost == math.inf and not self.evaluations:
            raise ValueError(
                "The cost or its gradient is not finite at the initial weights: X, "
                "alpha, init_epsilon, coefs_init or intercepts_init are too large, or "
                "sample_weight too small, for the dtype. Scale the features."
            )
        if not self.evaluations:
            self.first = point
        if solver_cost < self.solver_cost:
            self.recent, self.solver_cost = point, solver_cost
        # The first pass with the chosen alpha repeats this point for its gradient.
        is_lowest = point.cost < self.lowest.cost or self.lowest.max_gradient == np.inf
        lowest = point if is_lowest else self.lowest
        evaluation = self._evaluation(point, lowest)  # a Ctrl-C here discards the pass
        self.lowest = lowest
        self.evaluations.append(evaluation)

    def _evaluation(self, point: Iterate, lowest: Iterate) -> Evaluation:
        """Return the record of a pass; `_score_step` adds scores for early stopping."""
        is_first, is_lowest = not self.evaluations, point is lowest
        if self.validation and (is_first or (is_lowest and not self.early_stopping)):
            score, loss = self.validation.update(point)
            if is_first and score == -math.inf:
                raise ValueError(
                    "The loss of X_val or of the samples that early_stopping=True "
                    "holds out is not finite at the initial weights: their features "
                    "are too large for the dtype. Scale the features."
                )
            return Evaluation(lowest.cost, score, loss)
        latest = Evaluation(lowest.cost) if is_first else self.evaluations[-1]
        return Evaluation(lowest.cost, latest.score, latest.validation_loss)

    def _stop_if_done(self) -> None:
        """End the solver if a stopping rule fires."""
        if self.after_pass(self):
            raise _Stop("callback")
        has_improved = self.lowest.cost < self.first.cost
        if (
            self.lowest.max_gradient <= self.tol
            and (has_improved or self.start != "random")
            and not self.auto_alpha
        ):
            raise _Stop("converged")
        if len(self.evaluations) >= self.max_iter and (
            has_improved or self.start != "previous"
        ):
            raise _Stop("max_iter")
        if time.perf_counter() >= self.deadline:
            raise _Stop("max_time")

    def _score_step(self, _variables: np.ndarray) -> None:
        """Score the point that the solver has accepted as a step."""
        if self.early_stopping:
            score, loss = self.early_stopping.update(self.recent)
            self.evaluations[-1] = Evaluation(self.evaluations[-1].cost, score, loss)

    def _end_step(self, variables: np.ndarray) -> None:
        """Score a step, and stop if too many steps have not improved the score."""
        self._score_step(variables)
        early = self.early_stopping
        if early and early.n_unimproved >= early.n_iter_no_change:
            raise _Stop("early_stopping")
