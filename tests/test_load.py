"""Many fits and predictions, in parallel and one after another."""

import gc
import io
import re
import sys
import threading
import tracemalloc
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import numpy as np
import pytest
import scipy.sparse as sp
from joblib import parallel_config
from numpy.testing import assert_array_equal
from threadpoolctl import threadpool_limits

from sknn3 import ThreeLayerNNClassifier, ThreeLayerNNClassifierCV, _dataset, _parallel
from sknn3._dataset import SINGLE_BLOCK_ROWS

# Training ends after a few passes, before it converges.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

METHODS = ("predict", "predict_proba", "decision_function")
MAX_MULTIPLYING = 64


def in_threads(n_threads, function):
    """Return function(0), function(1), ..., computed in threads that start together."""

    def begin(i):
        together.wait()
        return function(i)

    together = threading.Barrier(n_threads, timeout=30)
    with ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(begin, range(n_threads)))


# ----------------------------------------------------------------------- in parallel


@pytest.mark.slow
def test_predictions_in_200_threads_equal_predictions_in_one(digits, capfd):
    fitted = [
        ThreeLayerNNClassifier(max_iter=2, random_state=0).fit(X, digits.target)
        for X in (digits.data, digits.data.astype(np.float32))
    ]

    def predictions(i):
        clf, method = fitted[i % 2], METHODS[i % 3]
        X = digits.data[i % 6 * 300 :].astype(clf.theta1_.dtype)
        # BLAS uses one thread for 1 and for 20 rows, and all threads for 100.
        return [getattr(clf, method)(X[:n_rows]) for n_rows in (1, 20, 100)]

    expected = [predictions(i) for i in range(6)]
    for i, found in enumerate(in_threads(200, predictions)):
        for at_once, alone in zip(found, expected[i % 6], strict=True):
            assert_array_equal(at_once, alone)
    assert capfd.readouterr() == ("", "")  # OpenBLAS prints if it lacks buffers


@pytest.fixture
def frequent_switches():
    """Set the longest time that a thread runs alone to 1 us instead of 5 ms."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.parametrize("container", [np.float64, np.float32, sp.csr_array])
def test_concurrent_fits_searches_and_predictions_equal_sequential_ones(
    container, large, frequent_switches, monkeypatch
):
    # joblib's threads change the warning filters, which are those of the process: fits
    # in other threads would warn in spite of the filter of this file.
    monkeypatch.setattr(ThreeLayerNNClassifier, "_warn", lambda *_: None)
    X, y = container(large[0]), large[1]
    shared = ThreeLayerNNClassifier(5, max_iter=3, random_state=0).fit(X, y)
    generator = np.random.RandomState(0)  # a search draws from copies

    def fit(**params):
        clf = ThreeLayerNNClassifier(4, max_iter=4, random_state=0, **params)
        return clf.fit(X, y).theta1_

    def search():
        clf = ThreeLayerNNClassifierCV(
            alphas=[0.1, 1],
            max_iters=[1, 3],
            cv=2,
            hidden_layer_size=3,
            random_state=generator,
        )
        with parallel_config("threading", n_jobs=2):
            return clf.fit(X[:1500], y[:1500]).theta1_

    tasks = [
        # BLAS uses one thread for so few rows, with and without fits in other threads.
        lambda: [shared.predict_proba(X[i : i + 20]) for i in range(100)],
        lambda: [shared.predict(X[i : i + 1]) for i in range(50)],
        lambda: fit(early_stopping=True),
        lambda: shared.input_gradients(X[:20]),
        lambda: fit(solver="lbfgs", activation="tanh"),
        search,
    ]
    expected = [task() for task in tasks]
    with threadpool_limits(2, user_api="blas"):
        _parallel._clear_controlling_thread()
        for i, found in enumerate(in_threads(12, lambda i: tasks[i % 6]())):
            assert_array_equal(found, expected[i % 6])
    assert _parallel.blas_tokens.qsize() == MAX_MULTIPLYING
    assert not _parallel._blas_limit._fits


def test_verbose_fits_at_once_print_whole_lines(monkeypatch):
    class Output(io.StringIO):
        def write(self, text):
            written = super().write(text)
            threading.Event().wait(0.001)  # other threads print meanwhile
            return written

    def fit(i):
        clf = ThreeLayerNNClassifier(2, max_iter=9, random_state=i, verbose=True)
        return clf.fit(np.eye(4, 3), [0, 1, 0, 1])

    output = Output()
    monkeypatch.setattr(sys, "stdout", output)
    in_threads(4, fit)
    lines = output.getvalue().splitlines()
    whole = r"(pass +\d+/9|[a-z_]+ after \d passes)   cost \S+   largest gradient \S+"
    assert lines
    assert all(re.fullmatch(whole, line) for line in lines), lines


def small_net():
    clf = ThreeLayerNNClassifier(2, max_iter=1, random_state=0)
    return clf.fit(np.eye(4, 3), [0, 1, 0, 1])


@pytest.mark.parametrize(
    ("step", "act"),
    [
        ("block_outputs", lambda clf: clf.predict(np.eye(2, 3))),
        ("block_cost_gradient", lambda clf: clf.fit(np.eye(2, 3), [0, 1])),
    ],
    ids=["predict", "fit"],
)
def test_at_most_64_threads_multiply_at_once(step, act, monkeypatch):
    full = threading.Barrier(MAX_MULTIPLYING, timeout=30)
    n_inside, most = [], []

    def meet(*args, **kwargs):
        n_inside.append(None)
        most.append(len(n_inside))
        full.wait()  # passes only if 64 threads are inside at once
        n_inside.pop()
        return multiply(*args, **kwargs)

    multiply = getattr(_dataset, step)
    nets = [small_net() for _ in range(2 * MAX_MULTIPLYING)]
    monkeypatch.setattr(_dataset, step, meet)
    in_threads(len(nets), lambda i: act(nets[i]))
    assert max(most) == MAX_MULTIPLYING


def test_failed_predictions_release_their_buffer():
    clf = small_net()
    for _ in range(MAX_MULTIPLYING + 1):
        with pytest.raises(ValueError, match="NaN"):
            clf.predict([[np.nan] * 3])


# ----------------------------------------------------------------- one after another


class Silent:
    """A callback that does nothing."""

    def setup(self, estimator, context): ...

    def teardown(self, estimator, context): ...

    def on_fit_task_begin(self, estimator, context): ...

    def on_fit_task_end(self, estimator, context): ...


class Raises(Silent):
    """A callback that fails at the end of a task."""

    def on_fit_task_end(self, estimator, context):
        raise RuntimeError


# All fits share one of each, since scikit-learn stores each callback that it calls.
SILENT, RAISES = Silent(), Raises()


def net(**params):
    return ThreeLayerNNClassifier(3, **{"max_iter": 3, "random_state": 0} | params)


def search():
    return ThreeLayerNNClassifierCV(
        hidden_layer_size=3, alphas=[1], max_iters=[2, 3], cv=2, random_state=0
    )


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


KINDS = {
    "tnc": (net, data),
    "lbfgs": (lambda: net(solver="lbfgs"), data),
    "threads": (net, two_blocks),
    "early stopping": (lambda: net(early_stopping=True), data),
    "sparse": (net, sparse),
    "multilabel": (net, multilabel),
    "failing: NaN": (net, with_nan),
    "failing: NaN, threads": (net, lambda: with_nan(two_blocks)),
    "failing: parameter": (lambda: net(alpha=-1), data),
    "failing: lengths": (net, lambda: (data()[0], data()[1][1:])),
}
if hasattr(ThreeLayerNNClassifier, "set_callbacks"):  # from scikit-learn 1.9 on
    KINDS |= {
        "callback": (lambda: net().set_callbacks(SILENT), data),
        "failing: callback": (lambda: net().set_callbacks(RAISES), data),
    }


@contextmanager
def no_garbage_collection():
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@pytest.mark.parametrize("kind", [*KINDS, "search"])
def test_fit_releases_data(kind):
    # The garbage collector counts objects, not bytes, and would free large arrays late.
    estimator, make = (KINDS | {"search": (search, data)})[kind]
    X, y = make()
    buffer = weakref.ref(X.data if sp.issparse(X) else X)
    with no_garbage_collection(), threadpool_limits(2, user_api="blas"):
        with suppress(ValueError, RuntimeError):
            estimator().fit(X, y)
        del X, y
        assert buffer() is None


@pytest.mark.parametrize("n_threads", [1, 2])
def test_fit_releases_data_after_error_in_a_pass(n_threads, monkeypatch):
    def fail(*args, **kwargs):
        raise MemoryError

    X, y = two_blocks()
    buffer = weakref.ref(X)
    with no_garbage_collection(), threadpool_limits(n_threads, user_api="blas"):
        monkeypatch.setattr(_dataset, "block_cost_gradient", fail)
        with pytest.raises(MemoryError):
            net().fit(X, y)
        del X, y
        assert buffer() is None


def fits(n_rounds):
    for _ in range(n_rounds):
        for estimator, make in KINDS.values():
            with suppress(ValueError, RuntimeError):
                estimator().fit(*make())
    gc.collect()


def test_repeated_fits_leak_no_threads_objects_or_memory():
    n_rounds = 4
    bytes_of_a_round = data()[0].nbytes
    with threadpool_limits(2, user_api="blas"):
        tracemalloc.start()
        try:
            fits(2)  # Python and NumPy fill their caches
            n_threads, n_objects = threading.active_count(), len(gc.get_objects())
            before, _ = tracemalloc.get_traced_memory()
            fits(n_rounds)
            after, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert threading.active_count() <= n_threads  # threads of other tests may end
    assert len(gc.get_objects()) - n_objects < n_rounds  # a leak adds one a round
    assert after - before < n_rounds * bytes_of_a_round
