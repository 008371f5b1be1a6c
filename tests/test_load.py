"""Many at once and many in a row: answers stay the same, and nothing stays behind."""

import gc
import subprocess
import sys
import threading
import tracemalloc
import weakref
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_array_equal
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from sknn3 import ThreeLayerNNClassifier, ThreeLayerNNClassifierCV, _objective
from sknn3._blocks import SINGLE_BLOCK_ROWS
from sknn3._parallel import MAX_MULTIPLYING, multiplying

pytestmark = [
    pytest.mark.slow,
    # Budgets end these fits, and in threads nobody can say that they may.
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("without_workers"),  # threads and files are counted
]

METHODS = ("predict", "predict_proba", "decision_function")


def in_threads(n_threads, function):
    """Results of function(0), function(1), ..., begun together."""
    results, together = [None] * n_threads, threading.Barrier(n_threads)

    def work(i):
        together.wait(timeout=30)
        results[i] = function(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(n_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


# --------------------------------------------------------------------- many at once


def test_200_threads_get_the_answers_that_one_gets(digits, capfd):
    fitted = [
        ThreeLayerNNClassifier(max_iter=2, random_state=0).fit(X, digits.target)
        for X in (digits.data, digits.data.astype(np.float32))
    ]

    def answers(i):
        clf, method = fitted[i % 2], METHODS[i % 3]
        X = digits.data[i % 6 * 300 :].astype(clf.theta1_.dtype)
        # One row, few, and enough for BLAS to multiply on all of its threads.
        return [getattr(clf, method)(X[:n_rows]) for n_rows in (1, 20, 100)]

    expected = [answers(i) for i in range(6)]
    for i, found in enumerate(in_threads(200, answers)):
        for at_once, alone in zip(found, expected[i % 6], strict=True):
            assert_array_equal(at_once, alone)
    assert capfd.readouterr() == ("", "")  # not a word from OpenBLAS


@pytest.mark.parametrize(
    ("step", "act"),
    [
        ("hidden_inputs", lambda clf: clf.predict(np.eye(2, 3))),
        ("block_cost_gradient", lambda clf: clf.fit(np.eye(2, 3), [0, 1])),
    ],
    ids=["predict", "fit"],
)
def test_no_more_threads_multiply_at_once_than_openblas_has_buffers_for(
    step, act, monkeypatch
):
    multiplying.renew()  # an interrupt, in other tests, may have left one more
    all_that_may = threading.Barrier(MAX_MULTIPLYING, timeout=30)
    n_inside, most = [], []

    def meet(*args, **kwargs):
        n_inside.append(None)
        most.append(len(n_inside))
        all_that_may.wait()  # passes only if so many are inside at once
        n_inside.pop()
        return multiply(*args, **kwargs)

    multiply = getattr(_objective, step)
    nets = [fitted_by_hand() for _ in range(3 * MAX_MULTIPLYING)]
    monkeypatch.setattr(_objective, step, meet)
    in_threads(len(nets), lambda i: act(nets[i]))
    assert max(most) == MAX_MULTIPLYING == 64


def fitted_by_hand():
    """A classifier that took no BLAS to train."""
    clf = ThreeLayerNNClassifier(2, max_iter=1, random_state=0)
    return clf.fit(np.eye(4, 3), [0, 1, 0, 1])


def test_predictions_that_fail_make_room_for_others():
    clf = fitted_by_hand()
    for _ in range(MAX_MULTIPLYING + 1):
        with pytest.raises(ValueError, match="NaN"):
            clf.predict([[np.nan] * 3])


def test_a_fork_predicts_while_the_threads_that_it_left_behind_did():
    script = """
import os, signal
import numpy as np
from sknn3 import ThreeLayerNNClassifier, _parallel

clf = ThreeLayerNNClassifier(2, max_iter=5, random_state=0)
clf.fit(np.eye(4, 3), [0, 1, 0, 1])
for _ in range(_parallel.MAX_MULTIPLYING):
    _parallel.multiplying.__enter__()
child = os.fork()
if child == 0:
    signal.alarm(50)
    os._exit(len(clf.predict(np.eye(4, 3))))
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 4
"""
    command = [sys.executable, "-W", "ignore", "-c", script]
    subprocess.run(command, check=True, timeout=60)


def test_fits_at_once_are_those_one_after_the_other(large):
    def fit(i):
        options = [{}, {"solver": "lbfgs"}, {"early_stopping": True}][i % 3]
        clf = ThreeLayerNNClassifier(8, max_iter=8, random_state=i % 3, **options)
        return clf.fit(*large).theta1_

    n_threads = threading.active_count()
    alone = [fit(i) for i in range(3)]
    for i, theta1 in enumerate(in_threads(32, fit)):
        assert_array_equal(theta1, alone[i % 3])
    assert threading.active_count() == n_threads


# -------------------------------------------------------------------- many in a row


class Silent:
    """A callback that does nothing: each ScoringMonitor opens a socket and a thread."""

    def setup(self, estimator, context):
        pass

    teardown = on_fit_task_begin = on_fit_task_end = setup


class Raises(Silent):
    def on_fit_task_end(self, estimator, context):
        raise RuntimeError("of the callback")


# One of each for all fits: scikit-learn remembers the callbacks that it has called.
SILENT, RAISES = Silent(), Raises()


def net(**params):
    return ThreeLayerNNClassifier(3, **{"max_iter": 3, "random_state": 0} | params)


def data(n_samples=200):
    X = np.random.RandomState(0).standard_normal((n_samples, 10))
    return X, (X[:, 0] > 0).astype(int)


def two_blocks():
    return data(SINGLE_BLOCK_ROWS + 20)


def sparse():
    X, y = data()
    return sp.csr_array(X), y


def multilabel():
    X, y = data()
    return X, np.stack([y, 1 - y], axis=1)


def with_nan(make=data):
    X, y = make()
    X[3, 3] = np.nan
    return X, y


SUCCEED = {
    "tnc": (net, data),
    "lbfgs": (lambda: net(solver="lbfgs"), data),
    "on threads": (net, two_blocks),
    "early stopping": (lambda: net(early_stopping=True), data),
    "sparse": (net, sparse),
    "multilabel": (net, multilabel),
    "callback": (lambda: net().set_callbacks(SILENT), data),
}
FAIL = {
    "NaN": (net, with_nan),
    "NaN on threads": (net, lambda: with_nan(two_blocks)),
    "parameter": (lambda: net(alpha=-1), data),
    "lengths": (net, lambda: (data()[0], data()[1][1:])),
    "callback": (lambda: net().set_callbacks(RAISES), data),
}
SEARCH = ThreeLayerNNClassifierCV(
    hidden_layer_size=3, alphas=[1], max_iters=[2, 3], cv=2, random_state=0
)
KINDS = [*SUCCEED.values(), *FAIL.values()]
IDS = [*SUCCEED, *(f"failing: {name}" for name in FAIL)]


def fit(kind):
    estimator, make = kind
    with suppress(ValueError, RuntimeError):
        estimator().fit(*make())


@contextmanager
def no_garbage_collection():
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@pytest.mark.parametrize(
    "kind", [*KINDS, (lambda: clone(SEARCH), data)], ids=[*IDS, "search"]
)
def test_data_is_free_when_the_fit_is_over(kind):
    # At once: the garbage collector counts objects, not their size, and comes late.
    estimator, make = kind
    X, y = make()
    buffer = weakref.ref(X.data if sp.issparse(X) else X)
    with no_garbage_collection(), threadpool_limits(2, user_api="blas"):
        with suppress(ValueError, RuntimeError):
            estimator().fit(X, y)
        del X, y
        assert buffer() is None


@pytest.mark.parametrize("by_whom", ["the thread of the fit", "a helper"])
def test_an_error_in_a_pass_frees_the_data_too(by_whom, monkeypatch):
    both, met = threading.Barrier(2, timeout=30), set()

    def fail(*args, **kwargs):
        thread = threading.current_thread()
        if thread not in met:  # it may come again, after the other has raised
            met.add(thread)
            both.wait()
        of_fit = thread is threading.main_thread()
        if of_fit == (by_whom == "the thread of the fit"):
            raise MemoryError
        return real(*args, **kwargs)

    real = _objective.block_cost_gradient
    X, y = two_blocks()
    buffer = weakref.ref(X)
    with no_garbage_collection(), threadpool_limits(2, user_api="blas"):
        monkeypatch.setattr(_objective, "block_cost_gradient", fail)
        with pytest.raises(MemoryError):
            net().fit(X, y)
        del X, y
        assert buffer() is None


def files():
    """Open files of the process, where the system lists them."""
    listed = Path("/proc/self/fd")
    return len([*listed.iterdir()]) if listed.is_dir() else 0


def fits(n_rounds):
    for _ in range(n_rounds):
        for kind in KINDS:
            fit(kind)
    gc.collect()


def test_300_fits_in_a_row_leave_everything_as_it_was():
    def left():
        return threading.active_count(), files(), len(gc.get_objects())

    with threadpool_limits(2, user_api="blas"):
        fits(2)
        *counts, n_objects = left()
        fits(25)
        *counts_after, n_objects_after = left()
    assert counts_after == counts
    assert n_objects_after - n_objects < 25  # one in each round would be a leak


def test_fits_in_a_row_leave_no_arrays():
    n_rounds, one_of_a_round = 5, data()[0].nbytes
    with threadpool_limits(2, user_api="blas"):
        tracemalloc.start()
        try:
            fits(3)  # what the interpreter keeps of names and the like
            before, _ = tracemalloc.get_traced_memory()
            fits(n_rounds)
            after, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert after - before < n_rounds * one_of_a_round
