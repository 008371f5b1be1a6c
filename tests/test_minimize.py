import math
import time

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import rosen, rosen_der

from sknn3._conditioning import draw_initial_weights, make_preconditioner
from sknn3._dataset import Dataset
from sknn3._kernel import Network
from sknn3._minimize import (
    CONVERGENCE_MESSAGES,
    RELAXED_PASSES,
    RELAXED_PENALTY,
    SOLVERS,
    Iterate,
    Minimizer,
    Objective,
    Validation,
)
from sknn3.network import cost_gradient, unpack


class Identity:
    """A preconditioner whose variables are the weights."""

    def to_weights(self, variables):
        return variables.copy()

    def from_weights(self, params):
        return params.copy()

    def transform_gradient(self, gradient):
        return gradient

    def gradient_scale(self, params):
        return np.ones_like(params)


class Reversed(Identity):
    """A preconditioner that reverses and doubles the weights."""

    def to_weights(self, variables):
        return variables[::-1] / 2

    def from_weights(self, params):
        return params[::-1] * 2

    def transform_gradient(self, gradient):
        return gradient[::-1] / 2


class Scaled(Identity):
    """A preconditioner with components of the gradient in smaller units."""

    def gradient_scale(self, params):
        return np.array([1.0, 0.5, 1e-3])


START = np.array([-1.2, 1.0, 0.5])  # with three variables there is one minimum


class Rosenbrock:
    """Rosenbrock's function, which records the points of its calls."""

    def __init__(self):
        self.points = []

    def __call__(self, params):
        self.points.append(params.copy())
        return rosen(params), rosen_der(params)


class Score(Validation):
    """Validation by a function of the weights, with a loss of 7."""

    def __init__(self, function, n_iter_no_change=50):
        super().__init__(None, None, n_iter_no_change)
        self.function = function
        self.scored = []  # the weights and their scores

    def score_and_loss(self, point):
        score = self.function(point.params)
        self.scored.append((point.params, score))
        return score, 7.0


def run(
    function=None,
    *,
    start=START,
    preconditioner=None,
    solver="lbfgs",
    max_iter=500,
    tol=1e-6,
    deadline=math.inf,
    validation=None,
    start_kind="given",
    **hooks,
):
    function = function or Rosenbrock()
    function.alpha = 0.0
    minimizer = Minimizer(
        function,
        preconditioner or Identity(),
        solver=solver,
        max_iter=max_iter,
        tol=tol,
        deadline=deadline,
        validation=validation,
        start=start_kind,
        **hooks,
    )
    return minimizer.run(start)


KINDS = ["random", "given", "previous"]


def costs_of(result):
    return [evaluation.cost for evaluation in result.evaluations]


# ------------------------------------------------------------------ the objective


@pytest.mark.parametrize("mean_weight", [None, 1e-3, 1, 40])
@pytest.mark.parametrize("container", [np.asarray, np.asfortranarray, sp.csr_array])
def test_objective_equals_cost_gradient(large, rng, mean_weight, container):
    X, y = large
    weight = None
    if mean_weight is not None:
        weight = rng.uniform(0, 2, len(X))
        weight *= mean_weight / weight.mean()
    network = Network(4, "tanh", "softmax")
    dataset = Dataset.from_arrays(container(X), y, weight, None)
    objective = Objective(dataset, network, alpha=70)
    params = rng.standard_normal(4 * 13 + 3 * 5) / 3
    cost, gradient = objective(params)
    if mean_weight == 1e-3:  # a mean below 1 is scaled to 1
        weight /= 1e-3
    expected = cost_gradient(
        params, X, y, sample_weight=weight, alpha=70, **network._asdict()
    )
    assert_allclose(cost, expected[0], rtol=1e-14)
    assert_allclose(gradient, expected[1], atol=1e-14)
    total_weight = len(X) if weight is None else weight.sum()
    assert objective.penalty == pytest.approx(70 / total_weight, rel=1e-14)
    assert objective.sum_of_weights == pytest.approx(total_weight, rel=1e-14)


def test_penalty_and_its_gradient_equal_loops_over_weights(rng):
    dataset = Dataset.from_arrays(rng.standard_normal((9, 4)), np.arange(9), None, None)
    objective = Objective(dataset, Network(3, "tanh", "softmax"), alpha=2)
    params = rng.standard_normal(3 * 5 + 9 * 4)
    half_square, expected = 0.0, np.zeros_like(params)
    for i in range(params.size):
        width = 5 if i < 15 else 4
        if (i if i < 15 else i - 15) % width > 0:  # column 0 has the biases
            half_square += params[i] ** 2 / 2
            expected[i] = params[i]
    cost, gradient = objective.l2_penalty(params)
    assert cost == pytest.approx(half_square, rel=1e-14)
    assert_array_equal(gradient, expected)
    # Alpha adds this to the cost.
    without = Objective(dataset, objective.network, alpha=0)(params)
    with_penalty = objective(params)
    assert with_penalty[0] - without[0] == pytest.approx(2 / 9 * cost, rel=1e-12)
    assert_allclose(with_penalty[1] - without[1], 2 / 9 * gradient, atol=1e-14)


def loss_of(targets, outputs, output_activation):
    """Return the cross-entropy of a sample, by the definition."""
    if output_activation == "softmax":
        p = [math.exp(o) / sum(math.exp(u) for u in outputs) for o in outputs]
        return -sum(t * math.log(q) for t, q in zip(targets, p, strict=True))
    p = [1 / (1 + math.exp(-o)) for o in outputs]
    return -sum(math.log(q if t else 1 - q) for t, q in zip(targets, p, strict=True))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("outputs", ["one", "softmax", "sigmoids", "labels"])
def test_gain_over_best_constants_equals_loops_over_samples(outputs, weighted, rng):
    X, codes = rng.standard_normal((40, 2)), rng.randint(0, 3, 40)
    y, Y = codes, np.eye(3)[codes]
    if outputs == "one":
        y, Y = codes > 0, (codes > 0)[:, np.newaxis]
    elif outputs == "labels":
        y = Y = rng.randint(0, 2, (40, 3))
    weight = rng.uniform(0, 5, 40) if weighted else np.ones(40)
    output_activation = "softmax" if outputs == "softmax" else "logistic"
    dataset = Dataset.from_arrays(X, y, weight if weighted else None, None)
    network = Network(2, "tanh", output_activation)
    objective = Objective(dataset, network, alpha=3)
    params = rng.standard_normal(2 * 3 + Y.shape[1] * 3)
    theta1, theta2 = unpack(params, 2, 2)

    shares = (weight @ Y) / weight.sum()
    softmax = output_activation == "softmax"
    constants = np.log(shares) if softmax else np.log(shares / (1 - shares))
    loss = best = 0.0
    for x, targets, w in zip(X, Y, weight, strict=True):
        activations = [math.tanh(row[0] + row[1:] @ x) for row in theta1]
        of_sample = [row[0] + row[1:] @ activations for row in theta2]
        loss += w * loss_of(targets, of_sample, output_activation)
        best += w * loss_of(targets, constants, output_activation)
    cost, _ = objective(params)
    gain = objective.gain(Iterate(params, cost))
    assert gain == pytest.approx(1 - loss / best, rel=1e-10)
    # The gain of the best constants is 0.
    at_best = np.zeros_like(params)
    unpack(at_best, 2, 2)[1][:, 0] = constants
    cost, _ = objective(at_best)
    assert objective.gain(Iterate(at_best, cost)) == pytest.approx(0, abs=1e-13)


def test_gain_of_a_single_class_is_1():
    dataset = Dataset.from_arrays(np.eye(3), np.zeros(3), None, None)
    objective = Objective(dataset, Network(2, "tanh", "logistic"), alpha=1)
    params = np.ones(2 * 4 + 3)
    assert objective.gain(Iterate(params, *objective(params))) == 1


@pytest.mark.parametrize("beyond", [1e39, np.inf, np.nan])
def test_weights_beyond_the_dtype_cost_infinity(beyond):
    dataset = Dataset.from_arrays(np.eye(2, dtype=np.float32), np.arange(2), None, None)
    objective = Objective(dataset, Network(2, "tanh", "logistic"), alpha=1)
    params = np.zeros(9)
    assert np.isfinite(objective(params)[0])
    params[3] = beyond
    assert objective(params)[0] == np.inf


# ---------------------------------------------------------- the point that is kept


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("preconditioner", [Identity(), Reversed()])
def test_minimum_is_found_to_tol(solver, preconditioner):
    result = run(solver=solver, preconditioner=preconditioner)
    assert result.stop_reason == "converged"
    assert np.abs(rosen_der(result.best.params)).max() <= 1e-6
    assert result.best.max_gradient == np.abs(rosen_der(result.best.params)).max()
    assert_allclose(result.best.params, np.ones(3), atol=1e-5)


@pytest.mark.parametrize("solver", SOLVERS)
def test_max_gradient_is_in_units_of_gradient_scale(solver):
    result = run(solver=solver, preconditioner=Scaled(), tol=1e-2)
    scaled = np.abs(rosen_der(result.best.params)) / [1.0, 0.5, 1e-3]
    assert result.stop_reason == "converged"
    assert result.best.max_gradient == scaled.max() <= 1e-2


@pytest.mark.parametrize("solver", SOLVERS)
def test_tol_0_runs_to_the_precision_of_floats(solver):
    result = run(solver=solver, tol=0.0, max_iter=2000)
    assert result.stop_reason in ("stalled", "converged")
    assert_allclose(result.best.params, np.ones(3), atol=1e-6)


@pytest.mark.parametrize("tol", [0.0, 2.0])
def test_gradient_equal_to_tol_has_converged(tol):
    result = run(lambda params: (1.0, np.array([0.0, tol, -tol])), tol=tol)
    assert (result.stop_reason, len(result.evaluations)) == ("converged", 1)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("max_iter", [1, 2, 3, 7, 20, 31])
def test_number_of_passes_is_exactly_max_iter(solver, max_iter):
    function = Rosenbrock()
    result = run(function, max_iter=max_iter, solver=solver)
    assert len(function.points) == len(result.evaluations) == max_iter
    assert result.stop_reason == "max_iter"


@pytest.mark.parametrize("solver", SOLVERS)
def test_point_of_lowest_cost_is_kept(solver):
    function = Rosenbrock()
    result = run(function, max_iter=25, solver=solver)
    costs = [rosen(p) for p in function.points]
    assert result.best.cost == min(costs)
    assert_array_equal(result.best.params, function.points[np.argmin(costs)])
    assert [p.cost for p in result.evaluations] == list(np.minimum.accumulate(costs))


@pytest.mark.parametrize("solver", SOLVERS)
def test_smaller_max_iter_evaluates_the_same_points_first(solver):
    short, long = Rosenbrock(), Rosenbrock()
    run(short, max_iter=20, solver=solver)
    run(long, max_iter=40, solver=solver)
    assert_array_equal(short.points, long.points[:20])


@pytest.mark.parametrize("solver", SOLVERS)
def test_noise_far_below_tol_changes_no_bit(solver):
    noise = np.random.RandomState(0)

    def noisy(params):
        factor = 1 + 1e-16 * noise.uniform(-4, 4, 4)
        return rosen(params) * factor[0], rosen_der(params) * factor[1:]

    first, second = (
        run(noisy, solver=solver, tol=1e-2, max_iter=300) for _ in range(2)
    )
    assert first.stop_reason == "converged"
    assert_array_equal(first.best.params, second.best.params)


@pytest.mark.parametrize("solver", SOLVERS)
def test_no_lower_cost_stalls(solver):
    # The cost does not fall along the negative gradient.
    result = run(lambda p: (1.0, np.ones(3)), solver=solver)
    assert result.stop_reason == "stalled"
    assert_array_equal(result.best.params, START)


@pytest.mark.parametrize(("solver", "limit"), [("tnc", "maxfun"), ("lbfgs", "maxiter")])
def test_solver_that_ends_early_is_restarted(solver, limit, monkeypatch):
    method, options_for = SOLVERS[solver]
    monkeypatch.setitem(
        SOLVERS, solver, (method, lambda n: options_for(n) | {limit: 25})
    )
    result = run(solver=solver)
    assert result.stop_reason == "converged"
    assert len(result.evaluations) > 30


@pytest.mark.parametrize("solver", SOLVERS)
def test_solver_requests_gradient_at_point_of_last_cost(solver, monkeypatch):
    minimize, points, n_gradients = scipy.optimize.minimize, [], []

    def spy(cost, *args, jac, **kwargs):
        def record(variables):
            points.append(variables.copy())
            return cost(variables)

        def compare(variables):
            n_gradients.append(len(points))
            assert_array_equal(variables, points[-1], strict=True)
            return jac(variables)

        return minimize(record, *args, jac=compare, **kwargs)

    monkeypatch.setattr(scipy.optimize, "minimize", spy)
    result = run(solver=solver)
    n_passes = len(result.evaluations)
    assert n_gradients == list(range(1, n_passes))  # the last pass ends the solver


@pytest.mark.parametrize("solver", SOLVERS)
def test_restart_uses_lbfgs(solver, monkeypatch):
    methods, minimize = [], scipy.optimize.minimize

    def spy(*args, method, options, **kwargs):
        methods.append(method)
        if len(methods) == 1:
            options |= {"maxfun": 25}  # ends the first run early
        return minimize(*args, method=method, options=options, **kwargs)

    monkeypatch.setattr(scipy.optimize, "minimize", spy)
    assert run(solver=solver).stop_reason == "converged"
    assert methods == [SOLVERS[solver][0], "L-BFGS-B"]


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("broken", ["cost", "gradient"])
def test_cost_not_finite_at_initial_weights_raises(solver, broken):
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
def test_line_search_backtracks_where_cost_overflows(solver, scale, broken):
    beyond = []

    def barrier(params):
        if params.min() <= 0:
            beyond.append(params)
            return BEYOND[broken]
        cost = float((params - np.log(params)).sum())
        return scale * cost, scale * (1 - 1 / params)

    start = np.array([5.0, 6.0, 8.0])
    result = run(barrier, start=start, solver=solver, max_iter=100, tol=1e-6 * scale)
    assert beyond
    assert result.stop_reason == "converged"
    assert_allclose(result.best.params, np.ones(3), atol=1e-5)


@pytest.mark.parametrize("solver", SOLVERS)
def test_overflow_around_initial_weights_keeps_them(solver):
    def explodes(params):
        if np.array_equal(params, START):
            return rosen(params), rosen_der(params)
        return np.nan, rosen_der(params)

    result = run(explodes, solver=solver)
    assert result.stop_reason == "stalled"
    assert_array_equal(result.best.params, START)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("at", [2, 5, 11])
def test_interrupt_keeps_lowest_cost_so_far(solver, at):
    function = Rosenbrock()

    def interrupted(params):
        if len(function.points) == at:
            raise KeyboardInterrupt
        return function(params)

    result = run(interrupted, solver=solver)
    assert result.stop_reason == "interrupted"
    assert len(result.evaluations) == at
    assert result.best.cost == min(rosen(p) for p in function.points)


def test_interrupt_leaves_last_step_without_score():
    # The solver may not accept this step.
    function, n_scored = Rosenbrock(), []

    def interrupted(params):
        if len(function.points) == 12:
            n_scored.append(len(scores.scored))
            raise KeyboardInterrupt
        return function(params)

    scores = Score(lambda _: float(len(scores.scored)))
    result = run(interrupted, validation=scores)
    assert result.stop_reason == "interrupted"
    assert n_scored == [len(scores.scored)]
    best, best_score = scores.scored[-1]
    assert result.best_score == best_score == result.evaluations[-1].score
    assert_array_equal(result.best.params, best)


@pytest.mark.parametrize("n_iter_no_change", [50, math.inf])
def test_interrupt_of_validation_keeps_records_of_earlier_passes(n_iter_no_change):
    n_left = 6

    def score(_):
        nonlocal n_left
        n_left -= 1
        if not n_left:
            raise KeyboardInterrupt
        return 0.5

    function = Rosenbrock()
    result = run(function, validation=Score(score, n_iter_no_change))
    assert result.stop_reason == "interrupted"
    costs = [rosen(point) for point in function.points[: len(result.evaluations)]]
    assert result.evaluations[-1].cost == min(costs)
    if n_iter_no_change == math.inf:
        assert result.best.cost == min(costs)
        assert len(function.points) == len(costs) + 1
    n_left = 1
    with pytest.raises(KeyboardInterrupt):
        run(validation=Score(score, n_iter_no_change))


def test_points_without_early_stopping_are_scored_when_lowest_cost_changes():
    validation = Score(lambda _: 0.5, math.inf)
    result = run(validation=validation, solver="tnc")
    costs = costs_of(result)
    assert [rosen(params) for params, _ in validation.scored] == sorted(
        set(costs), reverse=True
    )
    assert result.stop_reason == "converged"
    assert result.best_score is None


def test_interrupt_in_first_pass_is_raised():
    def interrupted(params):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(interrupted)


@pytest.mark.parametrize("solver", SOLVERS)
def test_errors_of_objective_are_raised(solver):
    def fails(params):
        raise MemoryError("no room")

    with pytest.raises(MemoryError, match="no room"):
        run(fails, solver=solver)


@pytest.mark.parametrize("solver", SOLVERS)
def test_hooks_are_called_before_and_after_each_pass(solver):
    calls = []

    def before_pass(minimizer):
        calls.append(("before", len(minimizer.evaluations)))

    def after_pass(minimizer):
        calls.append(("after", len(minimizer.evaluations)))
        return False

    run(max_iter=9, solver=solver, before_pass=before_pass, after_pass=after_pass)
    assert calls == [
        call for i in range(9) for call in (("before", i), ("after", i + 1))
    ]


@pytest.mark.parametrize("solver", SOLVERS)
def test_early_stopping_keeps_point_of_best_score(solver):
    # A score with its maximum on the path to the minimum at (1, 1, 1).
    peak = np.array([0.2, 0.1, 0.1])
    early_stopping = Score(lambda params: -float(np.abs(params - peak).sum()), 4)
    result = run(solver=solver, validation=early_stopping)
    scores = [score for _, score in early_stopping.scored]
    assert result.stop_reason == "early_stopping"
    assert result.best_score == max(scores)
    assert -np.abs(result.best.params - peak).sum() == max(scores)
    assert result.best.cost == rosen(result.best.params)
    assert result.best.cost > result.evaluations[-1].cost
    assert all(s <= max(scores) for s in scores[-4:])
    assert early_stopping.n_unimproved >= 4
    recorded = [p.score for p in result.evaluations]
    assert len(recorded) == len(result.evaluations)
    assert max(recorded) == max(scores)


@pytest.mark.parametrize("solver", SOLVERS)
def test_evaluations_have_latest_score_before_next_pass(solver):
    events = []

    def function(params):
        events.append(("pass", rosen(params)))
        return rosen(params), rosen_der(params)

    def score(params):
        events.append(("score", -float(np.abs(params - 0.1).sum())))
        return events[-1][1]

    early_stopping = Score(score)
    result = run(function, solver=solver, max_iter=30, validation=early_stopping)
    costs, scores = [], []
    for kind, value in events:
        if kind == "pass":
            costs.append(min([value, *costs]))
            scores.append(scores[-1] if scores else None)
        else:
            scores[-1] = value
    assert [e[:2] for e in result.evaluations] == list(zip(costs, scores, strict=True))
    assert {e.validation_loss for e in result.evaluations} == {7.0}


def test_last_point_of_max_iter_is_scored():
    def bowl(params):
        return float(params @ params), 2 * params

    early_stopping = Score(lambda params: -float(params @ params))
    result = run(bowl, max_iter=2, validation=early_stopping)
    assert result.stop_reason == "max_iter"
    first, last = result.evaluations
    assert last.cost < first.cost
    assert last.score == result.best_score == -last.cost
    assert result.best.cost == last.cost


def test_last_of_equal_scores_is_kept_without_counting_as_improvement():
    early_stopping = Score(lambda _: 0.5, n_iter_no_change=3)
    result = run(validation=early_stopping)
    assert result.stop_reason == "early_stopping"
    assert result.best.cost == result.evaluations[-1].cost < rosen(START)
    assert result.best_score == 0.5
    n_scored = len(early_stopping.scored)
    assert n_scored == 1 + 3 + 1  # scores of the start, the steps and the result


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_score_is_minus_mean_loss_of_held_out_samples(dtype, large, rng):
    X, y = large
    weight = rng.uniform(0, 2, len(X))
    network = Network(4, "tanh", "softmax")
    held_out = Dataset.from_arrays(X.astype(dtype), y, weight, None)
    params = rng.standard_normal(4 * 13 + 3 * 5)
    score, same_loss = Validation(held_out, network, 10).score_and_loss(Iterate(params))
    assert same_loss == -score
    loss, _ = cost_gradient(
        params, X, y, alpha=0, sample_weight=weight, **network._asdict()
    )
    assert_allclose(score, -loss, rtol=1e-11 if dtype is np.float64 else 1e-5)
    order = rng.permutation(len(X))
    permuted = Dataset.from_arrays(X[order], y[order], weight[order], None)
    if dtype is np.float64:
        validation = Validation(permuted, network, 10)
        assert validation.score_and_loss(Iterate(params))[0] == score


@np.errstate(all="ignore")  # as in `fit`
def test_held_out_rows_that_overflow_after_the_start_score_lowest():
    X = np.array([[1e30]], np.float32)
    held_out = Dataset.from_arrays(X, np.array([0]), None, None)
    early_stopping = Validation(held_out, Network(1, "identity", "logistic"), 10)
    start, far = np.zeros(4), np.array([0.0, 1e20, 0.0, 1.0])
    first, _ = early_stopping.update(Iterate(start))
    assert first == pytest.approx(-math.log(2))
    assert early_stopping.update(Iterate(far)) == (-math.inf, math.inf)
    assert early_stopping.best.params is start
    assert (early_stopping.best_score, early_stopping.n_unimproved) == (first, 1)


def test_unimproved_scores_are_counted_in_a_row():
    scores = [0.5, 0.5, 0.4, 0.6, 0.1, 0.6, 0.5, 0.7]
    following = iter(scores)
    early_stopping = Score(lambda _: next(following), n_iter_no_change=3)
    counted, best = [], []
    for i in range(len(scores)):
        early_stopping.update(Iterate(START, cost=-i))
        counted.append(early_stopping.n_unimproved)
        best.append(-early_stopping.best.cost)
    assert counted == [0, 1, 2, 0, 1, 2, 3, 0]
    assert best == [0, 1, 1, 3, 3, 5, 5, 7]


@pytest.mark.parametrize("solver", SOLVERS)
def test_solver_does_not_rescale_variables(solver):
    # Far from the origin a solver that scales by 1 + |x| would undo conditioning.
    far = np.array([1e4, 1.0, -1e4])

    def bowl(params):
        return float((params - far) @ (params - far)) / 2, params - far

    start = far + np.array([1.0, 2.0, 3.0])
    result = run(bowl, start=start, solver=solver, max_iter=100)
    assert result.stop_reason == "converged"
    assert len(result.evaluations) <= 6


def test_convergence_messages_can_be_formatted():
    values = {"max_iter": 3, "n_iter": 3, "max_gradient": 0.5, "tol": 0.1}
    values |= {"max_time": 2.5}
    for message in filter(None, CONVERGENCE_MESSAGES.values()):
        assert "{" not in message.format(**values)


# ------------------------------------------------------------- the kinds of start


@pytest.mark.parametrize("solver", SOLVERS)
def test_random_start_converges_only_after_the_cost_has_fallen(solver):
    random, given = (run(solver=solver, tol=1e9, start_kind=kind) for kind in KINDS[:2])
    assert random.stop_reason == given.stop_reason == "converged"
    assert len(given.evaluations) == 1
    *before, last = [evaluation.cost for evaluation in random.evaluations]
    assert last < before[0] == before[-1]
    assert random.best.cost == last


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("solver", SOLVERS)
def test_only_gradient_0_at_given_weights_has_converged(solver, kind):
    result = run(start=np.ones(3), solver=solver, start_kind=kind)
    assert result.stop_reason == ("stalled" if kind == "random" else "converged")
    assert_array_equal(result.best.params, np.ones(3))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("solver", SOLVERS)
def test_previous_start_exceeds_max_iter_until_cost_falls(solver, kind):
    n_first = 1 + np.argmax(np.diff(costs_of(run(solver=solver))) < 0) + 1
    assert n_first >= 2
    for max_iter in (1, 2, n_first, n_first + 3):
        result = run(solver=solver, max_iter=max_iter, start_kind=kind)
        beyond = kind == "previous"
        n = max(max_iter, n_first) if beyond else max_iter
        assert len(result.evaluations) == n
        assert result.stop_reason == "max_iter"


@pytest.mark.parametrize("solver", SOLVERS)
def test_previous_start_without_a_lower_cost_stalls(solver):
    def flat(params):
        return 1.0, np.ones(3)  # a wrong gradient, so no step is accepted

    assert run(flat, solver=solver, max_iter=1, start_kind="previous").stop_reason == (
        "stalled"
    )


# ------------------------------------------------------------- the relaxed penalty


class RecordedObjective(Objective):
    """The cost of a network, which records the points of its calls."""

    def __call__(self, params):
        self.__dict__.setdefault("points", []).append(params.copy())
        return super().__call__(params)


def relaxed_run(alpha, solver, max_iter, *, relax=True, start=None, **options):
    """Return the objective with its points, and the result."""
    rng = np.random.RandomState(0)
    X = rng.standard_normal((60, 3))
    y = (X[:, 0] * X[:, 1] > 0).astype(int)
    dataset = Dataset.from_arrays(X, y, None, None)
    network = Network(4, "tanh", "logistic")
    objective = RecordedObjective(dataset, network, alpha)
    preconditioner = make_preconditioner(
        dataset, network, conditioning=None, penalty=objective.penalty
    )
    if start is None:
        start = draw_initial_weights(dataset, network, preconditioner, rng, None)
    options |= {"solver": solver, "max_iter": max_iter, "relax": relax, "tol": 0}
    result = Minimizer(objective, preconditioner, **options).run(start)
    return objective, result


@pytest.mark.parametrize("alpha", [0.5, 5, 500])
@pytest.mark.parametrize("solver", SOLVERS)
def test_costs_of_relaxed_passes_have_full_penalty(solver, alpha):
    objective, result = relaxed_run(alpha, solver, 40)
    costs = [Objective.__call__(objective, point)[0] for point in objective.points]
    assert_array_equal(costs_of(result), np.minimum.accumulate(costs))
    assert result.best.cost == min(costs)
    assert_array_equal(result.best.params, objective.points[np.argmin(costs)])


@pytest.mark.parametrize("alpha", [0.5, 5, 500])
@pytest.mark.parametrize("solver", SOLVERS)
def test_relaxed_passes_are_lbfgs_with_a_smaller_penalty(solver, alpha):
    relaxed, _ = relaxed_run(alpha, solver, 40)
    weak, _ = relaxed_run(RELAXED_PENALTY * 60, "lbfgs", RELAXED_PASSES, relax=False)
    first = relaxed.points[:RELAXED_PASSES]
    assert_allclose(first, weak.points, rtol=1e-4, atol=1e-4)
    # The last relaxed step may take more than one pass.  The solver then starts at a
    # point that has been evaluated, and minimises the whole cost.
    n = next(
        i
        for i in range(RELAXED_PASSES, 40)
        if any((relaxed.points[i] == point).all() for point in relaxed.points[:i])
    )
    assert n - RELAXED_PASSES < 5
    rest, _ = relaxed_run(alpha, solver, 40 - n, relax=False, start=relaxed.points[n])
    assert_array_equal(relaxed.points[n:], rest.points)


@pytest.mark.parametrize("solver", SOLVERS)
def test_penalty_up_to_the_relaxed_one_is_not_relaxed(solver):
    for alpha in (0, RELAXED_PENALTY * 60):
        objectives = [
            relaxed_run(alpha, solver, 25, relax=relax)[0] for relax in (False, True)
        ]
        assert_array_equal(*(objective.points for objective in objectives))


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("max_iter", [1, 2, 9, 10, 11, 12, 13, 25])
def test_smaller_max_iter_is_the_beginning_of_a_relaxed_run(solver, max_iter):
    results = {}

    def keep(minimizer):
        results[len(minimizer.evaluations)] = minimizer.result("max_iter")

    long, _ = relaxed_run(5, solver, 40, after_pass=keep)
    short, result = relaxed_run(5, solver, max_iter)
    assert_array_equal(short.points, long.points[:max_iter])
    assert_array_equal(result.best.params, results[max_iter].best.params)
    assert result.evaluations == results[max_iter].evaluations


# ----------------------------------------------------------- callbacks and deadlines


@pytest.mark.parametrize("solver", SOLVERS)
def test_callback_ends_run_after_pass(solver):
    function = Rosenbrock()
    result = run(
        function,
        solver=solver,
        after_pass=lambda minimizer: len(minimizer.evaluations) == 7,
    )
    assert result.stop_reason == "callback"
    assert len(function.points) == len(result.evaluations) == 7
    assert result.best.cost == min(rosen(p) for p in function.points)


@pytest.mark.parametrize("solver", SOLVERS)
def test_deadline_ends_run_after_pass(solver):
    function = Rosenbrock()
    late = time.perf_counter()
    result = run(function, solver=solver, deadline=late)
    assert (result.stop_reason, len(result.evaluations)) == ("max_time", 1)
    assert_array_equal(result.best.params, START)
    assert run(solver=solver, deadline=math.inf).stop_reason == "converged"


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("scored", [False, True])
def test_result_after_each_pass_equals_smaller_max_iter(solver, scored):
    def early_stopping():
        if scored:
            return Score(lambda params: -float(np.abs(params - 0.1).sum()))
        return None

    def after_pass(minimizer):
        results.append(minimizer.result("max_iter"))
        return False

    results = []
    options = {"solver": solver, "max_iter": 20}
    observed = run(after_pass=after_pass, validation=early_stopping(), **options)
    unobserved = run(validation=early_stopping(), **options)
    assert_array_equal(observed.best.params, unobserved.best.params)
    assert len(results) == 20
    for n, result in enumerate(results, 1):
        expected = run(solver=solver, max_iter=n, validation=early_stopping())
        assert_array_equal(result.best.params, expected.best.params)
        assert result.evaluations == expected.evaluations
        assert result.best_score == expected.best_score
        assert result.stop_reason == expected.stop_reason
