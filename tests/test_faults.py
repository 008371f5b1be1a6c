"""Faults in the middle of a fit, and forks and processes beside it."""

import os
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def test_faults_at_any_point_of_a_fit(in_a_process_of_its_own):
    in_a_process_of_its_own("faults.py")


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
