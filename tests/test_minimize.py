import math
import time
from contextlib import contextmanager

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import rosen, rosen_der

from sknn3._minimize import ADVICE, SOLVERS, Point, Run, Stop, Validation, minimize


class Identity:
    """Variables that are the weights."""

    def to_weights(self, variables):
        return variables.copy()

    def from_weights(self, params):
        return params.copy()

    def pull_gradient(self, gradient):
        return gradient

    def resolution(self, params):
        return np.ones_like(params)


class Reversed(Identity):
    """Variables that are the weights, backwards and doubled."""

    def to_weights(self, variables):
        return variables[::-1] / 2

    def from_weights(self, params):
        return params[::-1] * 2

    def pull_gradient(self, gradient):
        return gradient[::-1] / 2


START = np.array([-1.2, 1.0, 0.5])  # of three variables, for one minimum only


class Fine(Identity):
    """Variables that want the gradient by some weights finer."""

    def resolution(self, params):
        return np.array([1.0, 0.5, 1e-3])


class Rosenbrock:
    """Rosenbrock's function, noting what it was asked for."""

    def __init__(self):
        self.points = []

    def __call__(self, params):
        self.points.append(params.copy())
        return rosen(params), rosen_der(params)


def run(function=None, *, max_iter=500, tol=1e-6, solver="lbfgs", **options):
    options = {"variables": Identity()} | options
    function = function or Rosenbrock()
    return minimize(Run(function, START, max_iter=max_iter, tol=tol, **options), solver)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("variables", [Identity(), Reversed()])
def test_finds_the_minimum_to_tol(solver, variables):
    result = run(solver=solver, variables=variables)
    assert result.stop_reason == "converged"
    assert np.abs(rosen_der(result.kept.params)).max() <= 1e-6
    assert result.kept.max_gradient == np.abs(rosen_der(result.kept.params)).max()
    assert_allclose(result.kept.params, np.ones(3), atol=1e-5)


@pytest.mark.parametrize("solver", SOLVERS)
def test_gradients_count_in_units_of_their_resolution(solver):
    result = run(solver=solver, variables=Fine(), tol=1e-2)
    told = np.abs(rosen_der(result.kept.params)) / [1.0, 0.5, 1e-3]
    assert result.stop_reason == "converged"
    assert result.kept.max_gradient == told.max() <= 1e-2


@pytest.mark.parametrize("solver", SOLVERS)
def test_without_tol_precision_is_what_ends_a_run(solver):
    result = run(solver=solver, tol=0.0, max_iter=2000)
    assert result.stop_reason in ("stalled", "converged")
    assert_allclose(result.kept.params, np.ones(3), atol=1e-6)


@pytest.mark.parametrize("tol", [0.0, 2.0])
def test_a_gradient_of_just_tol_will_do(tol):
    result = run(lambda params: (1.0, np.array([0.0, tol, -tol])), tol=tol)
    assert (result.stop_reason, len(result.passes)) == ("converged", 1)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("max_iter", [1, 2, 3, 7, 20, 31])
def test_the_budget_is_exact(solver, max_iter):
    function = Rosenbrock()
    result = run(function, max_iter=max_iter, solver=solver)
    assert len(function.points) == len(result.passes) == max_iter
    assert result.stop_reason == "max_iter"


@pytest.mark.parametrize("solver", SOLVERS)
def test_keeps_the_best_of_all_points(solver):
    function = Rosenbrock()
    result = run(function, max_iter=25, solver=solver)
    costs = [rosen(p) for p in function.points]
    assert result.kept.cost == min(costs)
    assert_array_equal(result.kept.params, function.points[np.argmin(costs)])
    assert [p.cost for p in result.passes] == list(np.minimum.accumulate(costs))


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_smaller_budget_is_the_beginning_of_a_larger_one(solver):
    short, long = Rosenbrock(), Rosenbrock()
    run(short, max_iter=20, solver=solver)
    run(long, max_iter=40, solver=solver)
    assert_array_equal(short.points, long.points[:20])


@pytest.mark.parametrize("solver", SOLVERS)
def test_noise_far_below_tol_leaves_no_trace(solver):
    noise = np.random.RandomState(0)

    def noisy(params):
        factor = 1 + 1e-16 * noise.uniform(-4, 4, 4)
        return rosen(params) * factor[0], rosen_der(params) * factor[1:]

    first, second = (
        run(noisy, solver=solver, tol=1e-2, max_iter=300) for _ in range(2)
    )
    assert first.stop_reason == "converged"
    assert_array_equal(first.kept.params, second.kept.params)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_function_without_lower_points_stalls(solver):
    # The gradient promises a descent that the cost denies.
    result = run(lambda p: (1.0, np.ones(3)), solver=solver)
    assert result.stop_reason == "stalled"
    assert_array_equal(result.kept.params, START)


@pytest.mark.parametrize(("solver", "limit"), [("tnc", "maxfun"), ("lbfgs", "maxiter")])
def test_a_solver_that_gives_up_is_started_again(solver, limit, monkeypatch):
    method, options_for = SOLVERS[solver]
    monkeypatch.setitem(
        SOLVERS, solver, (method, lambda n: options_for(n) | {limit: 25})
    )
    result = run(solver=solver)
    assert result.stop_reason == "converged"
    assert len(result.passes) > 30


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("broken", ["cost", "gradient"])
def test_not_finite_at_the_start_is_refused(solver, broken):
    cost = np.nan if broken == "cost" else 1.0
    gradient = np.full(3, np.inf if broken == "gradient" else 1.0)
    with pytest.raises(ValueError, match="not finite at the initial weights"):
        run(lambda p: (cost, gradient), solver=solver)


BEYOND = {
    "both": (np.inf, np.full(3, np.nan)),
    "cost": (np.nan, np.ones(3)),
    "gradient": (-1e20, np.array([0.0, np.inf, 0.0])),
}


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("scale", [1.0, 1e6])
@pytest.mark.parametrize("broken", BEYOND)
def test_a_run_turns_back_where_the_cost_overflows(solver, scale, broken):
    beyond = []

    def barrier(params):
        if params.min() <= 0:
            beyond.append(params)
            return BEYOND[broken]
        cost = float((params - np.log(params)).sum())
        return scale * cost, scale * (1 - 1 / params)

    start = np.array([5.0, 6.0, 8.0])
    run = Run(barrier, start, variables=Identity(), max_iter=100, tol=1e-6 * scale)
    result = minimize(run, solver)
    assert beyond
    assert result.stop_reason == "converged"
    assert_allclose(result.kept.params, np.ones(3), atol=1e-5)


@pytest.mark.parametrize("operation", [np.add, np.subtract])
def test_an_overflow_on_the_way_is_no_warning(operation):
    def overflows(params):
        if np.array_equal(params, START):
            return 1.0, np.ones(3)
        huge = np.full(3, np.finfo(float).max if operation is np.add else np.inf)
        return float(operation(huge, huge).sum()), np.ones(3)

    assert run(overflows).stop_reason == "stalled"


@pytest.mark.parametrize("solver", SOLVERS)
def test_not_finite_all_around_ends_with_the_start(solver):
    def explodes(params):
        if np.array_equal(params, START):
            return rosen(params), rosen_der(params)
        return np.nan, rosen_der(params)

    result = run(explodes, solver=solver)
    assert result.stop_reason == "stalled"
    assert_array_equal(result.kept.params, START)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("at", [2, 5, 11])
def test_an_interrupt_keeps_the_best_so_far(solver, at):
    function = Rosenbrock()

    def interrupted(params):
        if len(function.points) == at:
            raise KeyboardInterrupt
        return function(params)

    result = run(interrupted, solver=solver)
    assert result.stop_reason == "interrupted"
    assert len(result.passes) == at
    assert result.kept.cost == min(rosen(p) for p in function.points)


def test_an_interrupt_leaves_the_last_step_unscored():
    # It may be one that the solver would not have accepted.
    function, looks, looks_before = Rosenbrock(), [], []

    def interrupted(params):
        if len(function.points) == 12:
            looks_before.extend(looks)
            raise KeyboardInterrupt
        return function(params)

    def score(params):
        looks.append(params)
        return float(len(looks))

    result = run(interrupted, validation=Validation(score, n_iter_no_change=50))
    assert result.stop_reason == "interrupted"
    assert len(looks) == len(looks_before)
    assert result.best_score == len(looks) == result.passes[-1].score
    assert_array_equal(result.kept.params, looks[-1])


def test_an_interrupt_before_the_first_pass_goes_through():
    def interrupted(params):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(interrupted)


@pytest.mark.parametrize("solver", SOLVERS)
def test_errors_of_the_objective_go_through(solver):
    def fails(params):
        raise MemoryError("no room")

    with pytest.raises(MemoryError, match="no room"):
        run(fails, solver=solver)


@pytest.mark.parametrize("solver", SOLVERS)
def test_each_pass_is_announced(solver):
    seen = []

    @contextmanager
    def around_pass(run):
        seen.append(("begin", len(run.passes)))
        yield
        seen.append(("end", len(run.passes)))

    def after_pass(run):
        seen.append(("after", len(run.passes)))

    run(max_iter=9, solver=solver, around_pass=around_pass, after_pass=after_pass)
    assert seen == [
        told
        for i in range(9)
        for told in (("begin", i), ("end", i + 1), ("after", i + 1))
    ]


@pytest.mark.parametrize("solver", SOLVERS)
def test_early_stopping_keeps_the_best_score(solver):
    # A score that peaks on the way to the minimum at (1, 1, 1).
    peak = np.array([0.2, 0.1, 0.1])
    scores = []

    def score(params):
        scores.append(-float(np.abs(params - peak).sum()))
        return scores[-1]

    validation = Validation(score, n_iter_no_change=4)
    result = run(solver=solver, validation=validation)
    assert result.stop_reason == "early_stopping"
    assert result.best_score == max(scores)
    assert -np.abs(result.kept.params - peak).sum() == max(scores)
    assert result.kept.cost == rosen(result.kept.params)
    assert result.kept.cost > result.passes[-1].cost
    assert all(s <= max(scores) for s in scores[-4:])
    assert validation.n_unimproved >= 4
    recorded = [p.score for p in result.passes]
    assert len(recorded) == len(result.passes)
    assert max(recorded) == max(scores)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_pass_goes_down_with_the_last_score_before_the_next(solver):
    events = []

    def function(params):
        events.append(("pass", rosen(params)))
        return rosen(params), rosen_der(params)

    def score(params):
        events.append(("score", -float(np.abs(params - 0.1).sum())))
        return events[-1][1]

    result = run(function, solver=solver, max_iter=30, validation=Validation(score, 50))
    costs, scores = [], []
    for kind, value in events:
        if kind == "pass":
            costs.append(min([value, *costs]))
            scores.append(scores[-1] if scores else None)
        else:
            scores[-1] = value
    assert result.passes == list(zip(costs, scores, strict=True))


def test_the_last_point_of_a_budget_is_scored_too():
    def bowl(params):
        return float(params @ params), 2 * params

    validation = Validation(lambda params: -float(params @ params), n_iter_no_change=3)
    result = run(bowl, max_iter=2, validation=validation)
    assert result.stop_reason == "max_iter"
    assert result.passes[1].cost < result.passes[0].cost
    assert result.passes[1].score == result.best_score == -result.passes[1].cost
    assert result.kept.cost == result.passes[1].cost


def test_of_equal_scores_the_first_counts():
    looks = []

    def score(params):
        looks.append(params)
        return 0.5

    result = run(validation=Validation(score, n_iter_no_change=3))
    assert result.stop_reason == "early_stopping"
    assert_array_equal(result.kept.params, START)
    assert len(looks) == 1 + 3 + 1  # the first, those without a better, the outcome


def test_patience_is_with_looks_in_a_row():
    scores = [0.5, 0.5, 0.4, 0.6, 0.1, 0.6, 0.5, 0.7]
    following = iter(scores)
    validation = Validation(lambda params: next(following), n_iter_no_change=9)
    counted = []
    for _ in scores:
        validation.look_at(Point(START))
        counted.append(validation.n_unimproved)
    assert counted == [0, 1, 2, 0, 1, 2, 3, 0]


@pytest.mark.parametrize("solver", SOLVERS)
def test_unlike_scales_are_left_to_the_variables(solver):
    # Far from the origin a solver that scales by 1 + |x| would undo conditioning.
    far = np.array([1e4, 1.0, -1e4])

    def bowl(params):
        return float((params - far) @ (params - far)) / 2, params - far

    start = far + np.array([1.0, 2.0, 3.0])
    ended = minimize(
        Run(bowl, start, variables=Identity(), max_iter=100, tol=1e-6), solver
    )
    assert ended.stop_reason == "converged"
    assert len(ended.passes) <= 6


def test_advice_fills_in():
    values = {"max_iter": 3, "n_iter": 3, "max_gradient": 0.5, "tol": 0.1}
    values |= {"max_time": 2.5}
    for advice in filter(None, ADVICE.values()):
        assert "{" not in advice.format(**values)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_pass_may_be_the_last_by_order(solver):
    function = Rosenbrock()

    @contextmanager
    def around_pass(run):
        yield
        if len(run.passes) == 7:
            raise Stop("callback")

    result = run(function, solver=solver, around_pass=around_pass)
    assert result.stop_reason == "callback"
    assert len(function.points) == len(result.passes) == 7
    assert result.kept.cost == min(rosen(p) for p in function.points)


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_deadline_ends_with_the_pass_in_which_it_comes(solver):
    function = Rosenbrock()
    late = time.perf_counter()
    result = run(function, solver=solver, deadline=late)
    assert (result.stop_reason, len(result.passes)) == ("max_time", 1)
    assert_array_equal(result.kept.params, START)
    assert run(solver=solver, deadline=math.inf).stop_reason == "converged"


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("validated", [False, True])
def test_an_outcome_on_the_way_is_that_of_a_smaller_budget(solver, validated):
    def score(params):
        return -float(np.abs(params - 0.1).sum())

    def validation():
        return Validation(score, n_iter_no_change=50) if validated else None

    on_the_way = []

    @contextmanager
    def around_pass(run):
        yield
        on_the_way.append(run.outcome("max_iter"))

    options = {"solver": solver, "max_iter": 20}
    whole = run(around_pass=around_pass, validation=validation(), **options)
    unseen = run(validation=validation(), **options)
    assert_array_equal(whole.kept.params, unseen.kept.params)
    assert len(on_the_way) == 20
    for n, outcome in enumerate(on_the_way, 1):
        expected = run(solver=solver, max_iter=n, validation=validation())
        assert_array_equal(outcome.kept.params, expected.kept.params)
        assert outcome.passes == expected.passes
        assert outcome.best_score == expected.best_score
        assert outcome.stop_reason == expected.stop_reason
