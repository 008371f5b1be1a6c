"""scikit-learn's callbacks during a fit."""

import re

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknn3 import ThreeLayerNNClassifier
from sknn3 import classifier as classifier_module

pytestmark = pytest.mark.needs_sklearn("1.9", "callbacks")

SOLVERS = ["tnc", "lbfgs"]
CONVERGING = {"tol": 5e-3, "random_state": 0}


class Recorder:
    """Records the hooks that are called; may stop the fit, or fail, at a pass."""

    def __init__(self, stop_at=None, fail_in=None, fail_at=None):
        self.stop_at, self.fail_in, self.fail_at = stop_at, fail_in, fail_at
        self.calls, self.estimators = [], []

    def note(self, hook, context):
        self.calls.append((hook, context.task_name, context.task_id))
        if hook == self.fail_in and (context.task_id, context.task_name) == (
            self.fail_at,
            "pass",
        ):
            raise RuntimeError("error of the callback")

    def setup(self, estimator, context):
        self.calls.append("setup")

    def teardown(self, estimator, context):
        self.calls.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None, metadata=None):
        self.data = X, y, metadata
        self.n_features = estimator.n_features_in_
        self.note("begin", context)

    def on_fit_task_end(
        self, estimator, context, *, X=None, fitted_estimator=None, metadata=None
    ):
        self.estimators.append(fitted_estimator)
        self.max_subtasks = context.max_subtasks
        self.note("end", context)
        return context.task_name == "pass" and context.task_id + 1 == self.stop_at


class Indifferent(Recorder):
    """Requests no argument of its hooks."""

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        pass


@pytest.fixture
def recorder():
    return Recorder()


# ------------------------------------------------------------------ tasks of a fit


@pytest.mark.parametrize("solver", SOLVERS)
def test_fit_is_a_task_with_a_task_for_each_pass(iris, recorder, solver):
    clf = ThreeLayerNNClassifier(4, solver=solver, **CONVERGING)
    clf.set_callbacks(recorder).fit(*iris)
    passes = [
        (hook, "pass", i) for i in range(clf.n_iter_) for hook in ("begin", "end")
    ]
    assert recorder.calls == [
        "setup",
        ("begin", "fit", 0),
        *passes,
        ("end", "fit", 0),
        "teardown",
    ]
    assert recorder.max_subtasks == clf.max_iter


@pytest.mark.parametrize("max_iter", [1, 2, 3])
@pytest.mark.parametrize("solver", SOLVERS)
def test_passes_of_warm_start_beyond_max_iter_are_tasks(iris, solver, max_iter):
    recorder = Recorder()
    clf = ThreeLayerNNClassifier(4, solver=solver, max_iter=max_iter, warm_start=True)
    clf.set_params(random_state=0).set_callbacks(recorder)
    losses, n_passes = [], []
    for _ in range(5):
        recorder.calls.clear()
        with pytest.warns(ConvergenceWarning, match=f"max_iter={max_iter} passes"):
            losses.append(clf.fit(*iris).loss_)
        ends = [call[2] for call in recorder.calls if call[:2] == ("end", "pass")]
        assert ends == list(range(clf.n_iter_))
        assert recorder.max_subtasks is None  # the number of passes is not known before
        n_passes.append(clf.n_iter_)
    assert (np.diff(losses) < 0).all()
    assert n_passes[0] == max_iter
    assert min(n_passes[1:]) >= max(max_iter, 2)


def test_hooks_get_data_as_given(iris, recorder):
    X, y = iris[0].tolist(), iris[1].tolist()
    clf = ThreeLayerNNClassifier(4, **CONVERGING).set_callbacks(recorder)
    clf.fit(X, y)
    assert recorder.data[0] is X
    assert recorder.data[1] is y
    assert recorder.data[2] is None
    assert recorder.n_features == 4
    weights = [1.0] * 150
    clf.fit(X, y, weights)
    assert recorder.data[2] == {"sample_weight": weights}


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_fitted_estimator_of_pass_equals_fit_of_smaller_max_iter(
    iris, recorder, solver, early_stopping
):
    X, y = iris
    options = {"solver": solver, "random_state": 0, "early_stopping": early_stopping}
    clf = ThreeLayerNNClassifier(4, max_iter=8, **options).set_callbacks(recorder)
    clf.fit(X, y)
    *of_passes, of_fit = recorder.estimators
    assert len(of_passes) == 8
    for n, then in enumerate(of_passes, 1):
        expected = ThreeLayerNNClassifier(4, max_iter=n, **options).fit(X, y)
        assert_array_equal(then.predict_proba(X), expected.predict_proba(X))
        assert then.loss_curve_ == expected.loss_curve_
        assert then.validation_scores_ == expected.validation_scores_
        assert then.n_iter_ == n
    assert_array_equal(of_fit.theta1_, clf.theta1_)


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_fitted_estimator_at_begin_of_pass_equals_end_of_previous_pass(
    iris, early_stopping
):
    class Begins(Recorder):
        begun = ()

        def on_fit_task_begin(self, estimator, context, *, fitted_estimator=None):
            self.begun = (*self.begun, fitted_estimator)

    X, y = iris
    callback = Begins()
    clf = ThreeLayerNNClassifier(
        4, max_iter=6, early_stopping=early_stopping, random_state=0
    )
    clf.set_callbacks(callback).fit(X, y)
    of_fit, first, *others = callback.begun
    assert of_fit is None
    assert (first.n_iter_, first.loss_curve_) == (0, [])
    for before, after in zip(callback.estimators[:5], others, strict=True):
        assert_array_equal(before.predict_proba(X), after.predict_proba(X))
    one_pass = clone(clf).set_callbacks().set_params(max_iter=1).fit(X, y)
    # Through the solver's coordinates and back, short of rounding.
    assert_allclose(first.predict_proba(X), one_pass.predict_proba(X), rtol=1e-12)


def test_callbacks_do_not_change_fit(iris, recorder):
    clf = ThreeLayerNNClassifier(4, **CONVERGING)
    expected = clone(clf).fit(*iris)
    clf.set_callbacks(recorder).fit(*iris)
    assert_array_equal(clf.theta1_, expected.theta1_)
    assert vars(clf).keys() - vars(expected).keys() == {"_skl_callbacks"}


def test_fitted_estimator_is_made_only_on_request(iris, monkeypatch):
    made, make = [], classifier_module.fitted_attributes

    def spy(*args):
        made.append(args)
        return make(*args)

    monkeypatch.setattr(classifier_module, "fitted_attributes", spy)
    clf = ThreeLayerNNClassifier(4, **CONVERGING).set_callbacks(Indifferent())
    clf.fit(*iris)
    assert len(made) == 1  # its fitted estimator


# --------------------------------------------------------------------------- stops


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("at", [1, 6])
def test_true_at_end_of_pass_stops_fit_with_best_weights(iris, solver, at):
    recorder = Recorder(stop_at=at)
    clf = ThreeLayerNNClassifier(4, solver=solver, random_state=0)
    clf.set_callbacks(recorder).fit(*iris)
    assert clf.stop_reason_ == "callback"
    assert clf.n_iter_ == at
    short = ThreeLayerNNClassifier(4, solver=solver, random_state=0, max_iter=at)
    with pytest.warns(ConvergenceWarning):
        short.fit(*iris)
    assert_array_equal(clf.theta1_, short.theta1_)
    assert clf.loss_ == min(clf.loss_curve_)
    assert recorder.calls[-2:] == [("end", "fit", 0), "teardown"]


def test_any_of_several_callbacks_stops_fit(iris):
    first, second, third = Recorder(), Recorder(stop_at=3), Recorder()
    clf = ThreeLayerNNClassifier(4, random_state=0)
    clf.set_callbacks(first, second, third).fit(*iris)
    assert clf.n_iter_ == 3
    assert first.calls == second.calls == third.calls


@pytest.mark.parametrize("hook", ["begin", "end"])
@pytest.mark.parametrize("at", [0, 4])
@pytest.mark.parametrize("fitted", [False, True])
def test_error_in_callback_is_raised_and_restores_estimator(iris, hook, at, fitted):
    clf = ThreeLayerNNClassifier(4, **CONVERGING)
    if fitted:
        clf.fit(iris[0][50:], iris[1][50:])
    before = {k: v for k, v in vars(clf).items() if k.endswith("_")}
    clf.set_callbacks(Recorder(fail_in=hook, fail_at=at))
    with pytest.raises(RuntimeError, match="error of the callback"):
        clf.fit(*iris)
    after = {k: v for k, v in vars(clf).items() if k.endswith("_")}
    assert after.keys() == before.keys()
    assert all(after[k] is before[k] for k in before)
    clf.set_callbacks().fit(*iris)
    assert clf.n_outputs_ == 3


def test_interrupt_in_callback_keeps_weights(iris):
    class Interrupts(Recorder):
        def on_fit_task_end(self, estimator, context):
            self.note("end", context)
            if context.task_id == 4:
                raise KeyboardInterrupt

    callback = Interrupts()
    clf = ThreeLayerNNClassifier(4, random_state=0).set_callbacks(callback)
    with pytest.warns(UserWarning, match="interrupted after 5 passes"):
        clf.fit(*iris)
    assert clf.predict(iris[0]).shape == (150,)


# ------------------------------------------------------- scikit-learn's own callbacks


@pytest.mark.parametrize("weighted", [False, True])
def test_scoring_monitor_scores_each_pass(iris, weighted, rng):
    from sklearn.callback import ScoringMonitor

    X, y = iris
    weights = rng.uniform(size=150) if weighted else None
    monitor = ScoringMonitor(scoring="neg_log_loss")
    clf = ThreeLayerNNClassifier(4, **CONVERGING).set_callbacks(monitor)
    clf.fit(X, y, weights)
    rows = monitor.get_logs().data
    of_passes = [row["neg_log_loss"] for row in rows if row["task_name"] == "pass"]
    assert len(of_passes) == clf.n_iter_
    expected = get_scorer("neg_log_loss")(clf, X, y, sample_weight=weights)
    assert of_passes[-1] == pytest.approx(expected, rel=1e-12)
    (of_fit,) = (row["neg_log_loss"] for row in rows if row["task_name"] == "fit")
    assert of_fit == of_passes[-1]
    assert of_passes[-1] > of_passes[0]


def test_scoring_monitor_in_pipeline(iris):
    from sklearn.callback import ScoringMonitor

    monitor = ScoringMonitor(scoring="accuracy")
    clf = ThreeLayerNNClassifier(4, **CONVERGING).set_callbacks(monitor)
    pipe = make_pipeline(StandardScaler(), clf).fit(*iris)
    rows = monitor.get_logs().data
    assert rows[-1]["accuracy"] == pipe.score(*iris)
    assert sum(row["task_name"] == "pass" for row in rows) == pipe[-1].n_iter_


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_scoring_monitor_in_search(iris, n_jobs):
    from sklearn.callback import ScoringMonitor

    monitor = ScoringMonitor(scoring="accuracy")
    clf = ThreeLayerNNClassifier(4, **CONVERGING).set_callbacks(monitor)
    pipe = make_pipeline(StandardScaler(), clf)
    grid = {"threelayernnclassifier__alpha": [1, 10]}
    search = GridSearchCV(pipe, grid, cv=2, n_jobs=n_jobs).fit(*iris)
    rows = monitor.get_logs().data
    fits = {row["parent_task_id_path"] for row in rows if row["task_name"] == "pass"}
    assert len(fits) == 2 * 2 + 1
    assert search.score(*iris) > 0.9


def bars(text):
    """Return the printed lines of progress bars."""
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    return [line.rstrip() for line in re.split(r"[\r\n]+", text) if "%" in line]


def test_progress_bar_reaches_100_percent_when_fit_converges_early(iris, capsys):
    from sklearn.callback import ProgressBar

    clf = ThreeLayerNNClassifier(4, **CONVERGING).set_callbacks(ProgressBar())
    clf.fit(*iris)
    assert clf.n_iter_ < clf.max_iter
    last = bars(capsys.readouterr().out)[-1]
    assert last.startswith("ThreeLayerNNClassifier - fit")
    assert "100%" in last


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_progress_bars_of_search_over_pipeline(iris, capsys, n_jobs):
    from sklearn.callback import ProgressBar

    pipe = make_pipeline(StandardScaler(), ThreeLayerNNClassifier(4, **CONVERGING))
    grid = {"threelayernnclassifier__alpha": [1, 10]}
    search = GridSearchCV(pipe, grid, cv=2, n_jobs=n_jobs)
    search.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(*iris)
    lines = bars(capsys.readouterr().out)
    of_nets = [line for line in lines if "ThreeLayerNNClassifier" in line]
    assert len(of_nets) >= 5
    assert all("100%" in line for line in of_nets[-5:])
