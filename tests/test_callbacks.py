import pickle
import re
from types import SimpleNamespace

import cloudpickle
import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.callback import CallbackContext, ProgressBar, ScoringMonitor
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknn3 import ThreeLayerNNClassifier
from sknn3._callbacks import print_end, print_progress
from sknn3._minimize import Outcome, Pass, Point

SOLVERS = ["tnc", "lbfgs"]
CONVERGING = {"tol": 5e-3, "random_state": 0}


class Recorder:
    """Notes what it is told; may stop the fit, or fail, at a pass."""

    def __init__(self, stop_at=None, fail_in=None, fail_at=None):
        self.stop_at, self.fail_in, self.fail_at = stop_at, fail_in, fail_at
        self.heard, self.estimators = [], []

    def note(self, hook, context):
        self.heard.append((hook, context.task_name, context.task_id))
        if hook == self.fail_in and (context.task_id, context.task_name) == (
            self.fail_at,
            "pass",
        ):
            raise RuntimeError("a fault of the callback")

    def setup(self, estimator, context):
        self.heard.append("setup")

    def teardown(self, estimator, context):
        self.heard.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None, metadata=None):
        self.data = X, y, metadata
        self.classes = estimator.classes_, estimator.n_features_in_
        self.note("begin", context)

    def on_fit_task_end(
        self, estimator, context, *, X=None, fitted_estimator=None, metadata=None
    ):
        self.estimators.append(fitted_estimator)
        self.max_subtasks = context.max_subtasks
        self.note("end", context)
        return context.task_name == "pass" and context.task_id + 1 == self.stop_at

    def open_tasks(self):
        tasks = []
        for what in self.heard:
            if what[0] == "begin":
                tasks.append(what[1:])
            elif what[0] == "end":
                assert tasks.pop() == what[1:], "tasks end in the order they began"
        return tasks


class Deaf(Recorder):
    """Asks for nothing."""

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        pass


@pytest.fixture
def recorder():
    return Recorder()


# ------------------------------------------------------------------ tasks of a fit


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_fit_has_a_task_for_each_pass(iris, recorder, solver):
    clf = ThreeLayerNNClassifier(4, solver=solver, **CONVERGING)
    clf.set_callbacks(recorder).fit(*iris)
    passes = [
        (hook, "pass", i) for i in range(clf.n_iter_) for hook in ("begin", "end")
    ]
    assert recorder.heard == [
        "setup",
        ("begin", "fit", 0),
        *passes,
        ("end", "fit", 0),
        "teardown",
    ]
    assert recorder.max_subtasks == clf.max_iter


def test_hooks_get_the_data_as_they_came(iris, recorder):
    X, y = iris[0].tolist(), iris[1].tolist()
    clf = ThreeLayerNNClassifier(4, **CONVERGING).set_callbacks(recorder)
    clf.fit(X, y)
    assert recorder.data[0] is X
    assert recorder.data[1] is y
    assert recorder.data[2] is None
    assert_array_equal(recorder.classes[0], [0, 1, 2])
    assert recorder.classes[1] == 4
    weights = [1.0] * 150
    clf.fit(X, y, weights)
    assert recorder.data[2] == {"sample_weight": weights}


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_estimator_of_a_pass_is_that_of_a_smaller_budget(
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
def test_a_pass_begins_where_the_one_before_ended(iris, early_stopping):
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


def test_callbacks_change_nothing(iris, recorder):
    clf = ThreeLayerNNClassifier(4, **CONVERGING)
    expected = clone(clf).fit(*iris)
    clf.set_callbacks(recorder).fit(*iris)
    assert_array_equal(clf.theta1_, expected.theta1_)
    assert vars(clf).keys() - vars(expected).keys() == {"_skl_callbacks"}


def test_without_callbacks_no_task_is_made(iris, monkeypatch):
    def unwanted(*args, **kwargs):
        raise AssertionError

    monkeypatch.setattr(CallbackContext, "subcontext", unwanted)
    monkeypatch.setattr(CallbackContext, "_call_hooks", unwanted)
    ThreeLayerNNClassifier(4, **CONVERGING).fit(*iris)


def test_an_estimator_is_made_only_for_who_asks(iris, monkeypatch):
    clf = ThreeLayerNNClassifier(4, **CONVERGING).set_callbacks(Deaf())
    made = []
    make = ThreeLayerNNClassifier._weights_and_books
    monkeypatch.setattr(
        ThreeLayerNNClassifier,
        "_weights_and_books",
        lambda self, *args, **kwargs: made.append(1) or make(self, *args, **kwargs),
    )
    clf.fit(*iris)
    assert made == [1]


def test_an_estimator_is_made_once_however_many_ask(iris, monkeypatch):
    class Asks(Recorder):
        def on_fit_task_begin(self, estimator, context, *, fitted_estimator=None):
            pass

    clf = ThreeLayerNNClassifier(4, **CONVERGING)
    clf.set_callbacks(*(Asks() for _ in range(3)))
    made = []
    make = ThreeLayerNNClassifier._weights_and_books
    monkeypatch.setattr(
        ThreeLayerNNClassifier,
        "_weights_and_books",
        lambda self, *args, **kwargs: made.append(1) or make(self, *args, **kwargs),
    )
    clf.fit(*iris)
    assert len(made) == 2 * clf.n_iter_ + 1  # at begin and end of each pass


# --------------------------------------------------------------------------- stops


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("at", [1, 6])
def test_true_stops_at_that_pass_with_the_best_weights(iris, solver, at):
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
    assert not recorder.open_tasks()
    assert recorder.heard[-1] == "teardown"


def test_any_of_several_callbacks_may_stop(iris):
    first, second, third = Recorder(), Recorder(stop_at=3), Recorder()
    clf = ThreeLayerNNClassifier(4, random_state=0)
    clf.set_callbacks(first, second, third).fit(*iris)
    assert clf.n_iter_ == 3
    assert first.heard == second.heard == third.heard


@pytest.mark.parametrize("hook", ["begin", "end"])
@pytest.mark.parametrize("at", [0, 4])
@pytest.mark.parametrize("fitted", [False, True])
@pytest.mark.parametrize("first", [False, True])
def test_a_fault_of_a_callback_leaves_the_estimator_as_it_was(
    iris, hook, at, fitted, first
):
    clf = ThreeLayerNNClassifier(4, **CONVERGING)
    if fitted:
        clf.fit(iris[0][50:], iris[1][50:])
    before = {k: v for k, v in vars(clf).items() if k.endswith("_")}
    other, failing = Recorder(), Recorder(fail_in=hook, fail_at=at)
    clf.set_callbacks(*([failing, other] if first else [other, failing]))
    with pytest.raises(RuntimeError, match="a fault of the callback"):
        clf.fit(*iris)
    after = {k: v for k, v in vars(clf).items() if k.endswith("_")}
    assert after.keys() == before.keys()
    assert all(after[k] is before[k] for k in before)
    assert not other.open_tasks()
    assert not failing.open_tasks()
    assert other.heard[-1] == "teardown"
    clf.set_callbacks().fit(*iris)
    assert clf.n_outputs_ == 3


@pytest.mark.parametrize("hook", ["begin", "end"])
def test_progress_bars_outlive_the_fault_of_another(iris, hook, capsys):
    clf = ThreeLayerNNClassifier(4, random_state=0)
    clf.set_callbacks(Recorder(fail_in=hook, fail_at=2), ProgressBar())
    with pytest.raises(RuntimeError, match="a fault of the callback"):
        clf.fit(*iris)
    assert "100%" in bars(capsys.readouterr().out)[-1]


def test_tasks_end_when_the_data_are_at_fault(iris, recorder):
    X, y = iris
    clf = ThreeLayerNNClassifier(4).set_callbacks(recorder)
    with pytest.raises(ValueError, match="squares of the values in X overflow"):
        clf.fit(X * 1e200, y)
    assert not recorder.open_tasks()
    assert recorder.heard[-1] == "teardown"


def test_an_interrupt_ends_the_task_and_keeps_the_weights(iris):
    class Interrupts(Recorder):
        def on_fit_task_end(self, estimator, context):
            self.note("end", context)
            if context.task_id == 4:
                raise KeyboardInterrupt

    callback = Interrupts()
    clf = ThreeLayerNNClassifier(4, random_state=0).set_callbacks(callback)
    with pytest.warns(UserWarning, match="interrupted after 5 passes"):
        clf.fit(*iris)
    assert not callback.open_tasks()
    assert clf.predict(iris[0]).shape == (150,)


# ------------------------------------------------------- scikit-learn's own callbacks


@pytest.mark.parametrize("weighted", [False, True])
def test_scoring_monitor_scores_each_pass(iris, weighted, rng):
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


def test_scoring_monitor_in_a_pipeline(iris):
    monitor = ScoringMonitor(scoring="accuracy")
    clf = ThreeLayerNNClassifier(4, **CONVERGING).set_callbacks(monitor)
    pipe = make_pipeline(StandardScaler(), clf).fit(*iris)
    rows = monitor.get_logs().data
    assert rows[-1]["accuracy"] == pipe.score(*iris)
    assert sum(row["task_name"] == "pass" for row in rows) == pipe[-1].n_iter_


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_scoring_monitor_in_a_search(iris, n_jobs):
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
    """What the last picture of the progress bars says."""
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    return [line.rstrip() for line in re.split(r"[\r\n]+", text) if "%" in line]


def test_progress_bar_fills_up_where_the_fit_ends_early(iris, capsys):
    clf = ThreeLayerNNClassifier(4, **CONVERGING).set_callbacks(ProgressBar())
    clf.fit(*iris)
    assert clf.n_iter_ < clf.max_iter
    last = bars(capsys.readouterr().out)[-1]
    assert last.startswith("ThreeLayerNNClassifier - fit")
    assert "100%" in last


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_progress_bars_of_a_search_over_a_pipeline(iris, capsys, n_jobs):
    pipe = make_pipeline(StandardScaler(), ThreeLayerNNClassifier(4, **CONVERGING))
    grid = {"threelayernnclassifier__alpha": [1, 10]}
    search = GridSearchCV(pipe, grid, cv=2, n_jobs=n_jobs)
    search.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(*iris)
    lines = bars(capsys.readouterr().out)
    of_nets = [line for line in lines if "ThreeLayerNNClassifier" in line]
    assert len(of_nets) >= 5
    assert all("100%" in line for line in of_nets[-5:])


# -------------------------------------------------------------------- saved models


@pytest.mark.parametrize("dumps", [pickle.dumps, cloudpickle.dumps])
def test_callbacks_do_not_travel_with_a_fitted_model(iris, recorder, dumps):
    recorder.unpicklable = (i for i in range(3))
    clf = ThreeLayerNNClassifier(4, **CONVERGING).set_callbacks(recorder).fit(*iris)
    loaded = pickle.loads(dumps(clf))
    assert not any("callback" in name for name in vars(loaded))
    assert_array_equal(loaded.predict_proba(iris[0]), clf.predict_proba(iris[0]))
    assert clf._skl_callbacks == [recorder]


def test_nor_with_one_that_is_pickled_on_the_way(iris, tmp_path):
    class Saves(Recorder):
        def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
            joblib.dump(fitted_estimator, tmp_path / f"{context.task_name}.joblib")

    clf = ThreeLayerNNClassifier(4, **CONVERGING).set_callbacks(Saves()).fit(*iris)
    for name in ("pass", "fit"):
        loaded = joblib.load(tmp_path / f"{name}.joblib")
        assert not any("callback" in attribute for attribute in vars(loaded))
        assert_array_equal(loaded.predict(iris[0]), clf.predict(iris[0]))


def test_callbacks_travel_with_what_is_yet_to_be_fitted(recorder):
    clf = ThreeLayerNNClassifier().set_callbacks(recorder)
    assert len(pickle.loads(pickle.dumps(clf))._skl_callbacks) == 1


# ------------------------------------------------------------------- lines of text


def printed(n_done, capsys, score=None):
    run = SimpleNamespace(passes=[], max_iter=200, best=Point(np.zeros(1), 0.25, 0.5))
    for _ in range(n_done):
        run.passes.append(Pass(0.25, score))
        print_progress(run)
    print_end(Outcome(run.best, run.passes, "converged", score))
    return capsys.readouterr().out.splitlines()


def test_lines_grow_rarer(capsys):
    lines = printed(1234, capsys)[:-1]
    assert [int(line.split("/")[0].split()[1]) for line in lines] == [
        *(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
    ]
    assert lines[0] == "pass     1/200   cost 0.250000   largest gradient 5.0e-01"


def test_the_last_line_tells_the_end(capsys):
    assert printed(33, capsys)[-1].startswith("converged after 33 passes   cost")


def test_the_validation_score_is_shown(capsys):
    assert printed(1, capsys, score=0.5)[0].endswith("   validation score 0.5000")
