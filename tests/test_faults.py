"""Faults in the middle of a fit, and what goes on beside it."""

import mmap
import os
import subprocess
import sys
import tempfile
import textwrap
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_array_equal
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from sknn3 import ThreeLayerNNClassifier, ThreeLayerNNClassifierCV, _objective

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning"  # budgets are small here
)


def quick(**params):
    defaults = {"hidden_layer_size": 4, "max_iter": 8, "random_state": 0}
    return ThreeLayerNNClassifier(**defaults | params)


def of_fit(estimator):
    return {k: v for k, v in vars(estimator).items() if k.endswith("_")}


@pytest.fixture(autouse=True)
def two_threads():
    """On any machine."""
    with threadpool_limits(2, user_api="blas"):
        yield


# ------------------------------------------------------------- errors in a fit


class AtPass:
    """A callback that does something at the end of each pass."""

    def __init__(self, action):
        self.action = action

    def setup(self, estimator, context): ...

    def teardown(self, estimator, context): ...

    def on_fit_task_begin(self, estimator, context): ...

    def on_fit_task_end(self, estimator, context):
        if context.task_name == "pass":
            self.action(context.task_id)


class Fault(Exception):  # noqa: N818 (a word of these tests)
    pass


@contextmanager
def fault_in_block(n, monkeypatch, error):
    """Have the n-th block of a fit fail, on whichever thread it is."""
    real, blocks = _objective.block_cost_gradient, iter(range(10**9))

    def block_cost_gradient(*args, **kwargs):
        if next(blocks) == n:
            raise error
        return real(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(_objective, "block_cost_gradient", block_cost_gradient)
        yield


@pytest.mark.parametrize("error", [MemoryError("no room"), Fault("a fault")])
@pytest.mark.parametrize("n", [0, 1, 2, 3, 7, 11])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_an_error_in_a_block_leaves_all_as_it_was(
    n, error, early_stopping, large, surroundings, monkeypatch
):
    before = surroundings()
    clf = quick(early_stopping=early_stopping)
    with (
        fault_in_block(n, monkeypatch, error),
        pytest.raises(type(error), match=str(error)),
    ):
        clf.fit(*large)
    assert not of_fit(clf)
    fitted = of_fit(clf.fit(*large))
    with (
        fault_in_block(n, monkeypatch, error),
        pytest.raises(type(error), match=str(error)),
    ):
        clf.fit(large[0][:4000, :5], large[1][:4000] + 1)
    assert of_fit(clf).keys() == fitted.keys()
    assert all(value is fitted[name] for name, value in of_fit(clf).items())
    assert surroundings() == before


@pytest.mark.parametrize("n", [0, 5])
def test_an_error_in_a_callback_leaves_all_as_it_was(n, large, surroundings):
    def fail(i):
        if i == n:
            raise Fault

    before = surroundings()
    clf = quick().set_callbacks(AtPass(fail))
    with pytest.raises(Fault):
        clf.fit(*large)
    assert not of_fit(clf)
    assert surroundings() == before


def test_an_error_in_a_search_leaves_all_as_it_was(iris, surroundings, monkeypatch):
    before = surroundings()
    search = ThreeLayerNNClassifierCV(max_iters=[2, 4], cv=2, random_state=0)
    with fault_in_block(9, monkeypatch, Fault("a fault")), pytest.raises(Fault):
        search.fit(*iris)
    assert not of_fit(search)
    assert surroundings() == before


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
def test_settings_of_numpy_make_no_difference(scale, params, large, rng):
    X = scale * large[0] * 10.0 ** rng.randint(-3, 4, size=12)
    clf = quick(**params, max_iter=30).fit(X, large[1])
    with np.errstate(all="raise"):
        same = quick(**params, max_iter=30).fit(X, large[1])
        assert_array_equal(same.theta1_, clf.theta1_)
        assert_array_equal(same.predict_proba(X * 100), clf.predict_proba(X * 100))


def frombuffer(path):
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return np.frombuffer(mapped, offset=128).reshape(-1, 12)


MAPS = {
    "load": lambda path: np.load(path, mmap_mode="r"),
    "far into the file": lambda path: np.memmap(path, float, "r", 2**18, (5000, 12)),
    "frombuffer": frombuffer,
}


@pytest.fixture(params=MAPS)
def mapped(request, large, tmp_path):
    path = tmp_path / "X.npy"
    np.save(path, np.repeat(large[0], 2, axis=0))  # more than goes before the map
    return path, MAPS[request.param](path)[:5000]


@pytest.mark.parametrize("when", ["before", 0, 3])
@pytest.mark.parametrize("early_stopping", [False, True])  # copies no rows of maps
def test_a_file_that_is_cut_meanwhile_is_an_error(
    when, early_stopping, mapped, large, surroundings
):
    def cut(i="before"):
        if i == when:
            os.truncate(path, 5000 * 12 * 8)

    path, X = mapped
    before = surroundings()
    clf = quick(early_stopping=early_stopping).fit(large[0][:100], large[1][:100])
    fitted = of_fit(clf.set_callbacks(AtPass(cut)))
    assert len(clf.predict(X)) == 5000
    cut()
    with pytest.raises(OSError, match="X is mapped up to byte"):
        clf.fit(X, large[1])
    assert all(value is fitted[name] for name, value in of_fit(clf).items())
    with pytest.raises(OSError, match="X is mapped up to byte"):
        clf.predict(X)
    assert surroundings() == before


def of_ints(path):
    np.save(path, np.ones((5000, 12), np.int32))
    return {"X": np.load(path, mmap_mode="r")}


def of_sparse(path):
    X = sp.csr_array(np.ones((5000, 12)))
    np.save(path, X.data)
    X.data = np.load(path, mmap_mode="r")
    return {"X": X}


def of_weights(path):
    np.save(path, np.ones(5000))
    return {"sample_weight": np.load(path, mmap_mode="r")}


def of_labels(path):
    np.save(path, np.arange(5000) % 2)
    return {"y": np.load(path, mmap_mode="r")}


@pytest.mark.parametrize("of", [of_ints, of_sparse, of_weights, of_labels])
@pytest.mark.parametrize("estimator", [quick(), ThreeLayerNNClassifierCV(cv=2)])
def test_whatever_lies_in_a_file_that_was_cut_is_named(of, estimator, large, tmp_path):
    path = tmp_path / "data.npy"
    data = {"X": large[0], "y": large[1], "sample_weight": None} | of(path)
    os.truncate(path, 1000)
    with pytest.raises(OSError, match=f"{of(tmp_path / 'other.npy').popitem()[0]} is"):
        clone(estimator).fit(**data)


def test_rows_before_the_cut_are_read(mapped, large):
    path, X = mapped
    os.truncate(path, 2**18 + 100 * 12 * 8)  # the map that begins last has 100 rows
    labels = large[1][:100]
    assert_array_equal(
        quick().fit(X[:100], labels).theta1_,
        quick().fit(np.array(X[:100]), labels).theta1_,
    )


def test_a_map_without_a_file_is_an_array(large):
    anonymous = np.frombuffer(mmap.mmap(-1, large[0].nbytes)).reshape(large[0].shape)
    anonymous[:] = large[0]
    theta1 = quick().fit(anonymous, large[1]).theta1_
    assert_array_equal(theta1, quick().fit(*large).theta1_)


# ------------------------------------------------------------ forks and processes


def run(script):
    """Run in a process of its own, which a hang ends, and in which forks do no harm."""
    beginning = """
import multiprocessing, os, signal, sys, threading, time, warnings

import numpy as np
from sklearn.datasets import make_classification
from threadpoolctl import threadpool_info

from sknn3 import ThreeLayerNNClassifier

X, y = make_classification(3000, 8, random_state=0)


def fit(*callbacks):
    clf = ThreeLayerNNClassifier(4, max_iter=5, random_state=0)
    return clf.set_callbacks(*callbacks).fit(X, y).theta1_.tolist()


def blas():
    libraries = threadpool_info()
    return [lib["num_threads"] for lib in libraries if lib["user_api"] == "blas"]


class AtPass:
    def __init__(self, n, action):
        self.n, self.action = n, action

    def setup(self, estimator, context): ...

    def teardown(self, estimator, context): ...

    def on_fit_task_begin(self, estimator, context):
        if (context.task_name, context.task_id) == ("pass", self.n):
            self.action()

    def on_fit_task_end(self, estimator, context): ...


def ended(process):
    _, status = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(status)


def in_child(action):
    process = os.fork()
    if process:
        return process
    signal.alarm(60)
    code = 1
    try:
        action()
        code = 0
    except BaseException as error:
        print(repr(error), file=sys.stderr, flush=True)
    finally:
        os._exit(code)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    before = blas()
    expected = fit()
"""
    source = beginning + textwrap.indent(textwrap.dedent(script), "    ")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "script.py"  # which spawned processes read again
        path.write_text(source)
        two_threads = os.environ | {"OPENBLAS_NUM_THREADS": "2"}
        subprocess.run([sys.executable, path], check=True, timeout=120, env=two_threads)


def test_processes_after_a_fit_on_threads_fit_alike():
    run("""
    for method in ("fork", "spawn"):
        with multiprocessing.get_context(method).Pool(1) as pool:
            assert pool.apply_async(fit).get(timeout=100) == expected
    """)


def test_a_fork_during_a_fit_gives_the_child_its_blas_back():
    # The fit waits in another thread, which the child has not.
    run("""
    waiting, go_on = threading.Event(), threading.Event()
    results = []

    def fit_slowly():
        results.append(fit(AtPass(2, lambda: (waiting.set(), go_on.wait(60)))))

    def in_the_child():
        assert blas() == before
        assert fit() == expected
        assert blas() == before
        assert threading.active_count() == 1

    thread = threading.Thread(target=fit_slowly)
    thread.start()
    assert waiting.wait(60)
    assert set(blas()) == {1}
    child = in_child(in_the_child)
    assert ended(child) == 0
    go_on.set()
    thread.join()
    assert results == [expected]
    assert blas() == before
    """)


def test_a_fork_waits_while_another_thread_limits_blas():
    run("""
    from sknn3 import _parallel

    half_through = threading.Event()
    limit = _parallel._limit_blas

    def limit_slowly():
        limiter = limit()
        half_through.set()
        time.sleep(0.5)  # in which a fork would leave limits that nobody knows
        return limiter

    def in_the_child():
        assert blas() == before
        assert fit() == expected

    _parallel._limit_blas = limit_slowly
    thread = threading.Thread(target=fit)
    thread.start()
    assert half_through.wait(60)
    assert ended(in_child(in_the_child)) == 0
    thread.join()
    assert blas() == before
    """)


def test_a_fork_by_a_callback_gives_two_fits():
    # The child goes on with the same fit, without the threads that helped.
    run("""
    children = []
    result = fit(AtPass(2, lambda: children.append(os.fork())))
    if children == [0]:
        os._exit(not (result == expected and fit() == expected and blas() == before))
    assert ended(*children) == 0
    assert result == expected
    assert blas() == before
    """)


@pytest.mark.parametrize("backend", ["loky", "threading", "dask"])
def test_fits_in_workers_are_alike_and_share_the_cores(backend):
    run(f"""
    import contextlib
    from joblib import Parallel, delayed, parallel_config

    backend = {backend!r}
    together = threading.Barrier(2, timeout=60)

    def fit_here():
        def meet():
            if backend != "loky":  # two threads of one process
                sys.modules["__main__"].together.wait()

        def look():
            meet()
            names = [thread.name for thread in threading.enumerate()]
            seen.append(names.count("sknn3"))
            meet()

        seen, before = [], blas()
        theta1 = fit(AtPass(0, meet), AtPass(2, look))
        return theta1, seen[0], before, blas()

    with contextlib.ExitStack() as stack:
        if backend == "dask":
            from distributed import Client, LocalCluster

            one_process = {{"n_workers": 1, "processes": False}}
            cluster = LocalCluster(
                **one_process, threads_per_worker=2, dashboard_address=":0"
            )
            stack.enter_context(cluster)
            stack.enter_context(Client(cluster))
        stack.enter_context(parallel_config(backend=backend, n_jobs=2))
        results = Parallel()(delayed(fit_here)() for _ in range(2))
    for theta1, n_helpers, blas_before, blas_after in results:
        assert theta1 == expected
        # Where the process has two threads for them, two fits have no helpers.
        n_allowed = blas_before[0] if backend == "loky" else 1
        assert n_helpers == min(n_allowed, 3) - 1
        if backend == "loky":
            assert blas_after == blas_before
    assert blas() == before
    assert not [thread for thread in threading.enumerate() if thread.name == "sknn3"]
    """)
