"""Fits with interrupts, errors, several threads and limits of threads."""

import contextlib
import itertools
import signal
import subprocess
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import joblib
import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_array_equal
from threadpoolctl import threadpool_info, threadpool_limits

from sknn3 import ThreeLayerNNClassifier, ThreeLayerNNClassifierCV, _dataset, _parallel

# Training ends after a few passes, before it converges.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


needs_limits_of_blas = pytest.mark.skipif(
    all(lib["user_api"] != "blas" for lib in threadpool_info()),
    reason="threadpoolctl cannot limit BLAS: Accelerate on macOS",
)


def net(**params):
    defaults = {"hidden_layer_size": 4, "max_iter": 8, "random_state": 0}
    return ThreeLayerNNClassifier(**defaults | params)


def search(**params):
    defaults = {"hidden_layer_size": 4, "max_iters": [2, 4], "random_state": 0}
    return ThreeLayerNNClassifierCV(alphas=[0.1, 1], cv=2, **defaults | params)


def fitted(estimator):
    return {k: v for k, v in vars(estimator).items() if k.endswith("_")}


def assert_unchanged(estimator, before):
    after = fitted(estimator)
    assert after.keys() == before.keys()
    assert all(after[name] is before[name] for name in before)


def threads_of_fits():
    """Return the threads of fits that do not end."""
    threads = [t for t in threading.enumerate() if t.name.startswith("sknn3")]
    for thread in threads:
        if thread.ident is not None:  # None if an interrupt came before its start
            thread.join(timeout=10)
    return [thread for thread in threads if thread.is_alive()]


def surroundings():
    return {
        "threads": threads_of_fits(),
        "limits of BLAS": [lib["num_threads"] for lib in threadpool_info()],
        "handler of Ctrl-C": signal.getsignal(signal.SIGINT),
        "errors of NumPy": np.geterr(),
        "filters of warnings": warnings.filters.copy(),
        "random numbers": np.random.get_state()[1].tolist(),
    }


@pytest.fixture
def same_surroundings():
    before = surroundings()
    yield
    assert surroundings() == before


@pytest.fixture(params=[1, 2], ids=["one thread", "two threads"])
def n_threads(request):
    with threadpool_limits(request.param, user_api="blas"):
        yield request.param


@pytest.fixture
def at_block(monkeypatch):
    """Return a function that does something before the n-th block of the fits."""

    def patch(n, action):
        real, numbers = _dataset.block_cost_gradient, itertools.count()

        def block_cost_gradient(*args, **kwargs):
            if next(numbers) == n:
                action()
            return real(*args, **kwargs)

        monkeypatch.setattr(_dataset, "block_cost_gradient", block_cost_gradient)

    return patch


class AtHook:
    """A callback that does something at a hook of a task."""

    def __init__(self, hook, task_name, task_id, action):
        self.at = hook, task_name, task_id
        self.action = action

    def setup(self, estimator, context): ...

    def teardown(self, estimator, context): ...

    def on_fit_task_begin(self, estimator, context):
        self.act("begin", context)

    def on_fit_task_end(self, estimator, context):
        self.act("end", context)

    def act(self, hook, context):
        if (hook, context.task_name, context.task_id) == self.at:
            self.action()


def raises(error):
    def action(*_):
        raise error

    return action


# -------------------------------------------------------------------------- Ctrl-C


@pytest.fixture
def press_ctrl_c():
    """Return a function that interrupts the main thread, from any thread."""
    if not hasattr(signal, "pthread_kill"):
        pytest.skip("Windows cannot interrupt a thread that waits")
    received = threading.Event()

    def handler(signum, frame):
        received.set()
        raise KeyboardInterrupt

    def press():
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        assert received.wait(timeout=30)

    before = signal.signal(signal.SIGINT, handler)
    yield press
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("solver", ["tnc", "lbfgs"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_interrupt_keeps_best_weights_so_far(
    solver, early_stopping, large, n_threads, press_ctrl_c, at_block, same_surroundings
):
    params = {"solver": solver, "early_stopping": early_stopping, "max_iter": 99}
    expected = net(**params | {"max_iter": 4}).fit(*large)
    at_block(4 * 3 + 1, press_ctrl_c)  # in the fifth pass, of three blocks
    clf = net(**params)
    with pytest.warns(UserWarning, match="interrupted after 4 passes"):
        clf.fit(*large)
    assert clf.stop_reason_ == "interrupted"
    assert clf.n_iter_ == 4
    assert clf.loss_curve_ == expected.loss_curve_
    if not early_stopping:  # the last step may have no score yet
        assert_array_equal(clf.theta1_, expected.theta1_)
        assert_array_equal(clf.theta2_, expected.theta2_)


@pytest.mark.parametrize("again", [False, True], ids=["first fit", "second fit"])
@pytest.mark.parametrize("n", [0, 1])
def test_interrupt_in_first_pass_raises_and_restores_the_estimator(
    n, again, large, n_threads, press_ctrl_c, at_block, same_surroundings
):
    clf = net()
    if again:
        clf.fit(large[0][:500, :5], large[1][:500] + 1)
    before = fitted(clf)
    at_block(n, press_ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        clf.fit(*large)
    assert_unchanged(clf, before)
    assert clf.fit(*large).n_iter_ == 8


@contextmanager
def interrupt_at_call(n):
    """Raise KeyboardInterrupt at the n-th call of or in the package's functions."""
    places = str(Path(_dataset.__file__).parent), contextlib.__file__
    numbers = itertools.count()

    def profile(frame, event, arg):
        is_here = frame.f_code.co_filename.startswith(places)
        if is_here and event in ("call", "c_return") and next(numbers) == n:
            sys.setprofile(None)
            raise KeyboardInterrupt

    sys.setprofile(profile)
    try:
        yield numbers
    finally:
        sys.setprofile(None)


# Python reports an interrupt of a generator that is closed, and goes on.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("method", ["fit", "predict"])
def test_interrupt_at_any_call_leaves_a_usable_estimator(
    method, iris, same_surroundings
):
    X, y = iris
    clf = net(max_iter=2).fit(X, y)
    expected = clf.predict(X)
    args = (X, y) if method == "fit" else (X,)
    with threadpool_limits(2, user_api="blas"):
        before = surroundings()
        with interrupt_at_call(-1) as numbers:
            getattr(clf, method)(*args)
        for n in range(0, next(numbers), 3):
            with contextlib.suppress(KeyboardInterrupt), warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                with interrupt_at_call(n):
                    getattr(clf, method)(*args)
            assert surroundings() == before
    assert_array_equal(clf.fit(X, y).predict(X), expected)
    assert _parallel.blas_tokens.qsize() == 64


# -------------------------------------------------------------------- failed fits


@pytest.mark.parametrize("error", [MemoryError("no room"), RuntimeError("a fault")])
@pytest.mark.parametrize("n", [0, 1, 3, 11])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_error_in_a_block_restores_estimator_and_global_state(
    n, error, early_stopping, large, n_threads, at_block, same_surroundings
):
    clf = net(early_stopping=early_stopping)
    at_block(n, raises(error))
    with pytest.raises(type(error), match=str(error)):
        clf.fit(*large)
    assert not fitted(clf)
    before = fitted(clf.fit(*large))
    at_block(n, raises(error))
    with pytest.raises(type(error), match=str(error)):
        clf.fit(large[0][:4000, :5], large[1][:4000] + 1)
    assert_unchanged(clf, before)


@pytest.mark.needs_sklearn("1.9", "callbacks")
@pytest.mark.parametrize(
    "at",
    [
        ("begin", "fit", 0),
        ("begin", "pass", 0),
        ("end", "pass", 0),
        ("begin", "pass", 5),
        ("end", "pass", 5),
        ("end", "fit", 0),
    ],
)
def test_error_in_a_callback_restores_estimator_and_global_state(
    at, large, n_threads, same_surroundings
):
    clf = net().fit(large[0][:500, :5], large[1][:500] + 1)
    before = fitted(clf)
    clf.set_callbacks(AtHook(*at, raises(ZeroDivisionError)))
    with pytest.raises(ZeroDivisionError):
        clf.fit(*large)
    assert_unchanged(clf, before)


def test_error_in_a_search_restores_estimator_and_global_state(
    iris, at_block, same_surroundings
):
    clf = search()
    at_block(9, raises(MemoryError))
    with pytest.raises(MemoryError):
        clf.fit(*iris)
    assert not fitted(clf)


# ------------------------------------------------------------- settings of NumPy


@pytest.mark.parametrize(
    ("scale", "params"),
    [
        (1, {"activation": "relu", "alpha": 0}),
        (1, {"output_activation": "softmax", "solver": "lbfgs"}),
        (1, {"alpha": 1e300, "conditioning": "diagonal", "early_stopping": True}),
        (1e-160, {"activation": "tanh", "conditioning": "full"}),
        (1e-300, {"solver": "lbfgs", "conditioning": None}),
    ],
)
def test_numpy_error_settings_do_not_change_fit(
    scale, params, large, rng, n_threads, same_surroundings
):
    X = scale * large[0] * 10.0 ** rng.randint(-3, 4, size=12)
    clf = net(**params, max_iter=30).fit(X, large[1])
    with np.errstate(all="raise"):
        same = net(**params, max_iter=30).fit(X, large[1])
        assert_array_equal(same.theta1_, clf.theta1_)
        assert_array_equal(same.predict_proba(X * 100), clf.predict_proba(X * 100))


# ------------------------------------------------------------------------ threads


@pytest.mark.parametrize("solver", ["tnc", "lbfgs"])
@pytest.mark.parametrize("container", [np.float64, np.float32, sp.csr_array])
@pytest.mark.parametrize("n_rows", [5000, 20_000])
def test_fits_are_bit_identical_on_any_number_of_threads(
    n_rows, container, solver, large, same_surroundings
):
    X, y = (np.resize(array, (n_rows, *array.shape[1:])) for array in large)
    X = container(X)
    weights = []
    for limit in (1, 2, 3, 7):
        with threadpool_limits(limit, user_api="blas"):
            weights.append(net(solver=solver).fit(X, y).theta1_)
    for theta1 in weights[1:]:
        assert_array_equal(theta1, weights[0])


def test_fits_in_several_threads_at_once_equal_fits_one_by_one(
    large, same_surroundings
):
    def fit(i):
        options = [{}, {"solver": "lbfgs"}, {"early_stopping": True}][i % 3]
        return net(**options, random_state=i % 3).fit(*large).theta1_

    one_by_one = [fit(i) for i in range(3)]
    with threadpool_limits(4, user_api="blas"), ThreadPoolExecutor(8) as pool:
        # Without this, only the thread of the test could set limits.
        _parallel._clear_controlling_thread()
        for i, theta1 in enumerate(pool.map(fit, range(16))):
            assert_array_equal(theta1, one_by_one[i % 3])


def n_threads_of_a_fit(X, y):
    """Return the limit of BLAS before a fit, and the number of threads in a pass."""
    seen = set()
    real = _dataset.block_cost_gradient

    def block_cost_gradient(*args, **kwargs):
        seen.add(threading.current_thread())
        time.sleep(0.02)  # so that other threads take the other blocks
        return real(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setattr(_dataset, "block_cost_gradient", block_cost_gradient)
        limit = max(lib["num_threads"] for lib in threadpool_info())
        net(max_iter=2).fit(X, y)
    return limit, len(seen)


@needs_limits_of_blas
@pytest.mark.parametrize("limit", [1, 2, 3])
def test_fit_uses_as_many_threads_as_threadpoolctl_allows(limit, large):
    with threadpool_limits(limit):
        assert n_threads_of_a_fit(*large) == (limit, limit)


@needs_limits_of_blas
@pytest.mark.slow
def test_fit_uses_as_many_threads_as_joblib_allows(large):
    with joblib.parallel_config(backend="loky", inner_max_num_threads=2):
        fits = [joblib.delayed(n_threads_of_a_fit)(*large) for _ in range(2)]
        results = joblib.Parallel(n_jobs=2)(fits)
    limit = min(2, joblib.cpu_count())
    assert results == [(limit, limit)] * 2


# No thread can start in a browser's Python, not even while packages are imported.
WITHOUT_THREADS = """
import _thread

def no_thread(*_args, **_options):
    raise RuntimeError("can't start new thread")

for name in ("start_new_thread", "start_new", "start_joinable_thread"):
    if hasattr(_thread, name):
        setattr(_thread, name, no_thread)
"""
FIT_AND_PREDICT = """
import warnings
from hashlib import sha256

import numpy as np
from sklearn.datasets import make_classification
from threadpoolctl import threadpool_limits

import sknn3.datasets, sknn3.display, sknn3.network, sknn3.onnx
from sknn3 import ThreeLayerNNClassifier, ThreeLayerNNClassifierCV

warnings.simplefilter("ignore")
results = []
for n_rows in (300, 5000):
    X, y = make_classification(n_rows, 12, n_informative=8, n_classes=3, random_state=0)
    with threadpool_limits(3, user_api="blas"):
        for solver in ("tnc", "lbfgs"):
            for early_stopping in (False, True):
                params = {"solver": solver, "early_stopping": early_stopping}
                clf = ThreeLayerNNClassifier(4, max_iter=8, random_state=0, **params)
                results += [clf.fit(X, y).theta1_, clf.predict_proba(X)]
            search = ThreeLayerNNClassifierCV(
                alphas=[0.1, 1], max_iters=[2, 4], cv=2, hidden_layer_size=4,
                solver=solver, random_state=0,
            )
            results += [search.fit(X, y).theta1_, search.predict(X)]
for array in results:
    print(sha256(np.ascontiguousarray(array)).hexdigest())
"""


@pytest.mark.slow
def test_import_fit_predict_and_search_without_threads_are_bit_identical():
    outputs = [
        subprocess.run(
            [sys.executable, "-c", code],
            check=True,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            timeout=120,
        ).stdout.splitlines()
        for code in (WITHOUT_THREADS + FIT_AND_PREDICT, FIT_AND_PREDICT)
    ]
    assert len(outputs[0]) == 24
    assert outputs[0] == outputs[1]


@needs_limits_of_blas
@pytest.mark.parametrize("n_that_start", [0, 1])
@pytest.mark.parametrize("solver", ["tnc", "lbfgs"])
@pytest.mark.parametrize("n_rows", [300, 5000])
def test_fits_without_new_threads_are_bit_identical(
    n_rows, solver, n_that_start, large, monkeypatch, same_surroundings
):
    X, y = (array[:n_rows] for array in large)
    start, numbers = threading.Thread.start, itertools.count()

    def fail_after(thread):
        if next(numbers) >= n_that_start:
            raise RuntimeError("can't start new thread")
        start(thread)

    def fits():
        clf, early = net(solver=solver), net(solver=solver, early_stopping=True)
        best = search(solver=solver, n_jobs=1)
        for estimator in (clf, early, best):
            estimator.fit(X, y)
            yield estimator.theta1_
            yield estimator.predict_proba(X)

    with threadpool_limits(3, user_api="blas"):
        expected = [*fits()]
        monkeypatch.setattr(threading.Thread, "start", fail_after)
        for found, array in zip(fits(), expected, strict=True):
            assert_array_equal(found, array)
    assert (next(numbers) > 0) == (n_rows == 5000)  # large data would have threads
