"""Ctrl-C at any point of fits and predictions.

`test_interrupts.py` runs this module in a process of its own: one that hangs can be
ended, and no thread of other tests opens or closes the files that are counted.
"""

import contextlib
import signal
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import sknn3
from sknn3 import ThreeLayerNNClassifier
from sknn3._parallel import multiplying

# What a fit may be at, with what keeps its books behind the scenes.
PLACES = str(Path(sknn3.__file__).parent), contextlib.__file__, threading.__file__

pytestmark = pytest.mark.usefixtures("pythons_own_handler")


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
                signal.raise_signal(signal.SIGINT)
                self.is_raised = False

    def trace(self, frame, event, arg):
        is_here = frame.f_code.co_filename.startswith(PLACES)
        if self.is_raised and self.n_while_raised and is_here:
            self.n_while_raised -= 1
            signal.raise_signal(signal.SIGINT)


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
                signal.raise_signal(signal.SIGINT)
                signal.raise_signal(signal.SIGINT)
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
