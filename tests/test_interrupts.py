import contextlib
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import sknn3
from sknn3 import ThreeLayerNNClassifier
from sknn3._interrupts import Interrupts
from sknn3._parallel import multiplying

# What a fit may be at, with what keeps its books behind the scenes.
PLACES = str(Path(sknn3.__file__).parent), contextlib.__file__, threading.__file__


def interrupt(n_times=1):
    for _ in range(n_times):
        signal.raise_signal(signal.SIGINT)


@pytest.fixture(autouse=True)
def pythons_own_handler():
    """What a shell may have told processes in the background to ignore."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.signal(signal.SIGINT, before) is signal.default_int_handler


def test_one_waits_for_its_delivery():
    with Interrupts().held() as interrupts:
        interrupts.deliver()
        interrupt()
        with pytest.raises(KeyboardInterrupt):
            interrupts.deliver()
        interrupts.deliver()


def test_one_that_nobody_asked_for_comes_at_the_end():
    with pytest.raises(KeyboardInterrupt), Interrupts().held():
        interrupt()


def test_an_error_goes_before_one_that_waits():
    def fail():
        interrupt()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), Interrupts().held():
        fail()


@pytest.mark.parametrize("n_held", [0, 1, 3])
def test_so_many_are_held_back_and_the_next_comes_at_once(n_held):
    with Interrupts().held() as interrupts:
        with interrupts.raised_after(n_held):
            interrupt(n_held)
            with pytest.raises(KeyboardInterrupt):
                interrupt()
        with pytest.raises(KeyboardInterrupt):
            interrupts.deliver()


def test_what_one_sets_off_is_not_disturbed_by_others():
    with Interrupts().held() as interrupts, interrupts.raised_after(0):
        with pytest.raises(KeyboardInterrupt):
            interrupt()
        interrupt(3)
        with pytest.raises(KeyboardInterrupt):
            interrupts.deliver()


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_somebody_elses_handler_is_left_alone(when):
    def handler(signum, frame):
        pass

    if when == "before":
        signal.signal(signal.SIGINT, handler)
    with Interrupts().held() as interrupts:
        signal.signal(signal.SIGINT, handler)
        interrupt()
        interrupts.deliver()
    assert signal.signal(signal.SIGINT, signal.default_int_handler) is handler


def test_a_handler_that_somebody_puts_back_after_its_time_raises():
    with Interrupts().held():
        saved = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, saved)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            interrupt()
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_other_threads_get_none():
    handlers = []

    def hold():
        with Interrupts().held():
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=hold)
    thread.start()
    thread.join()
    assert handlers == [signal.default_int_handler]


# -------------------------------------------------------------- at any point of a fit


class Mashing:
    """Ctrl-C where Python looks for signals in a fit, and after it.

    These are beginnings of functions and ends of those in C, and are counted in the
    thread of the fit.  The first comes at point `first`, the others each `every` points
    later; and one that is raised goes on with the next functions that begin, of which
    `n_while_raised` bring others.
    """

    def __init__(self, first=None, every=10, n_while_raised=0):
        self.first, self.every = first, every
        self.n_while_raised = n_while_raised
        self.n_points, self.is_raised = 0, False

    def __enter__(self):
        sys.settrace(self.trace)
        sys.setprofile(self.profile)
        return self

    def __exit__(self, *_):
        sys.setprofile(None)
        sys.settrace(None)

    def profile(self, frame, event, arg):
        if event in ("call", "c_return") and frame.f_code.co_filename.startswith(
            PLACES
        ):
            self.n_points += 1
            after = self.n_points - (self.first or np.inf)
            if after >= 0 and after % self.every == 0:
                self.is_raised = True  # from here on, if it is, Python profiles no more
                interrupt()
                self.is_raised = False

    def trace(self, frame, event, arg):
        is_here = frame.f_code.co_filename.startswith(PLACES)
        if self.is_raised and self.n_while_raised and is_here:
            self.n_while_raised -= 1
            interrupt()


def fitted_attributes(clf):
    return {name: id(value) for name, value in vars(clf).items() if name.endswith("_")}


@pytest.mark.parametrize("n_while_raised", [0, 40], ids=["two", "many"])
@pytest.mark.parametrize("again", [False, True], ids=["first fit", "second fit"])
def test_at_any_point_of_a_fit_leave_all_or_nothing(
    n_while_raised, again, surroundings
):
    rng = np.random.RandomState(0)
    X, X_before = rng.standard_normal((1500, 3)), rng.standard_normal((60, 5))
    y, y_before = X[:, 0] > 0, rng.randint(3, size=60)
    clf = ThreeLayerNNClassifier(3, max_iter=2, random_state=0, early_stopping=True)
    came, kept = 0, 0
    with threadpool_limits(2, user_api="blas"), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        with Mashing() as undisturbed:
            clf.fit(X, y)
        before = surroundings()
        for first in range(1, undisturbed.n_points + 1, 19):
            clf = ThreeLayerNNClassifier(**clf.get_params())
            if again:
                clf.fit(X_before, y_before)
            attributes = fitted_attributes(clf)
            try:
                with Mashing(first, n_while_raised=n_while_raised):
                    clf.fit(X, y)
            except KeyboardInterrupt:
                came += 1
            else:
                kept += clf.stop_reason_ == "interrupted"
            for _ in range(50):  # others' threads may open and close files
                if surroundings() == before:
                    break
                time.sleep(0.1)
            assert surroundings() == before
            if fitted_attributes(clf) != attributes:
                assert clf.n_iter_ == len(clf.loss_curve_)
                assert set(clf.predict(X)) <= {False, True}
    assert came
    assert kept or n_while_raised  # many end what calls the fit too


class Fit:
    """A fit beside each pass, which hears of no interrupt of its own."""

    def __init__(self, X, y):
        self.data = X, y

    def setup(self, estimator, context): ...

    def teardown(self, estimator, context): ...

    def on_fit_task_begin(self, estimator, context): ...

    def on_fit_task_end(self, estimator, context):
        if context.task_name == "pass":
            ThreeLayerNNClassifier(2, tol=10, random_state=0).fit(*self.data)


@pytest.mark.parametrize("nested", [False, True], ids=["a fit", "a fit within another"])
def test_none_is_raised_where_a_thread_starts(nested, monkeypatch, surroundings):
    # There it could leave a lock closed for which all threads wait.
    X = np.random.RandomState(0).standard_normal((1500, 3))
    y = X[:, 0] > 0
    clf = ThreeLayerNNClassifier(2, max_iter=9, tol=0, random_state=0)
    if nested:
        clf.set_callbacks(Fit(X, y))
    outcomes, start = [], threading.Thread.start

    def start_disturbed(thread):
        try:
            if len(outcomes) == nested:  # the last: of the fit or of that within
                interrupt(2)
        except KeyboardInterrupt:
            outcomes.append("raised")
            raise
        outcomes.append("held back")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_disturbed)
    before = surroundings()
    with (
        threadpool_limits(4, user_api="blas"),  # two helpers, and one within
        pytest.warns(UserWarning, match="interrupted after 1 passes"),
    ):
        clf.fit(X, y)
    assert outcomes == ["held back"] * (2 + nested)
    assert surroundings() == before


def test_at_any_point_of_a_prediction_leave_all_turns_to_others():
    X = np.ones((3, 2))
    clf = ThreeLayerNNClassifier(2, tol=10, random_state=0).fit(X, [0, 1, 0])
    clf.predict(X)
    before = multiplying._free.qsize()
    with Mashing() as undisturbed:
        clf.predict(X)
    for first in range(1, undisturbed.n_points + 1):
        with contextlib.suppress(KeyboardInterrupt), Mashing(first):
            clf.predict(X)
    clf.predict(X)
    assert multiplying._free.qsize() >= before


def test_at_random_never_hang_nor_fail():
    # In a process of its own, which a hang ends.
    script = r"""
import faulthandler, os, random, signal, threading, time, warnings
from sklearn.datasets import make_classification
from threadpoolctl import threadpool_info, threadpool_limits
from sknn3 import ThreeLayerNNClassifier

def interrupt(waits, go, sent):
    go.wait()
    for wait in waits:
        time.sleep(wait)
        os.kill(os.getpid(), signal.SIGINT)
    sent.append(True)

warnings.simplefilter("ignore")
signal.signal(signal.SIGINT, signal.default_int_handler)
X, y = make_classification(3000, 20, random_state=0)
random.seed(0)
with threadpool_limits(2, user_api="blas"):
    before = [lib["num_threads"] for lib in threadpool_info()]
    for i in range(60):
        faulthandler.dump_traceback_later(30, exit=True)
        clf = ThreeLayerNNClassifier(
            solver=("tnc", "lbfgs")[i % 2], max_iter=10**6, tol=0, random_state=0
        )
        waits = [random.uniform(0.01, 0.05)]
        waits += [random.expovariate(1e3) for _ in range(i % 4)]
        came, go, sent = 0, threading.Event(), []
        thread = threading.Thread(target=interrupt, args=(waits, go, sent))
        thread.start()
        while not sent:
            try:
                if not go.is_set():
                    go.set()
                    clf.fit(X, y)
                time.sleep(0.001)
            except KeyboardInterrupt:
                came += 1
        thread.join()
        assert came or clf.stop_reason_ == "interrupted"
        if hasattr(clf, "theta1_"):
            assert clf.n_iter_ == len(clf.loss_curve_)
            assert set(clf.predict(X)) <= {0, 1}
        else:
            assert not [name for name in vars(clf) if name.endswith("_")]
        assert [lib["num_threads"] for lib in threadpool_info()] == before
        assert threading.enumerate() == [threading.main_thread()]
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)
