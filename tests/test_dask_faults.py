"""Fits on clusters whose parts die, each in a process of its own with a limit of time.

A hang fails its test: nothing here waits for ever.
"""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.cluster

# Seconds, of which a scenario needs up to ten, on a busy machine thirty.
LIMIT = 120

ENVIRONMENT = {
    "OMP_NUM_THREADS": "2",
    # Workers, and those that replace them, are forked from a process that has imported
    # what they need: see below.
    "DASK_DISTRIBUTED__WORKER__MULTIPROCESSING_METHOD": "forkserver",
    # A cluster gives a place up if nobody is there so long after a worker was lost:
    # even if another came meanwhile, and was lost a moment ago.
    "DASK_DISTRIBUTED__DEPLOY__LOST_WORKER_TIMEOUT": "1h",
}

BEGINNING = """

import contextlib, os, pathlib, re, signal, subprocess, sys, threading, time, warnings

import dask.array as da
import numpy as np
from distributed import Client, KilledWorker, LocalCluster
from distributed.utils import get_mp_context
from numpy.testing import assert_array_equal
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_info

from sknn3 import ThreeLayerNNClassifier
from sknn3.dask import DaskThreeLayerNNClassifier

# In place of dask's own list, which it sets once, in the function.
get_mp_context().set_forkserver_preload(["sknn3.dask"])
warnings.simplefilter("ignore", ConvergenceWarning)
rng = np.random.RandomState(0)
X_here = rng.standard_normal((1500, 5))
y_here = (X_here[:, 0] > 0).astype(int) + (X_here[:, 1] * X_here[:, 2] > 0)


def array(a):
    return da.from_array(a, chunks=(300, *a.shape[1:]))


def again(block):
    return np.sqrt(block) ** 2


SOURCES = {
    "array": lambda client: array(X_here),
    "graph": lambda client: array(X_here * X_here).map_blocks(again),
    "persisted": lambda client: client.persist(array(X_here).map_blocks(abs)),
}


class At:
    '''Have something done once, at the end of a pass.'''

    def __init__(self, n, action):
        self.n, self.action = n, action

    def setup(self, estimator, context): ...

    def teardown(self, estimator, context): ...

    def on_fit_task_begin(self, estimator, context): ...

    def on_fit_task_end(self, estimator, context):
        if context.task_name == "pass":
            self.n -= 1
            if self.n == 0:
                self.action()


def net(**params):
    defaults = {"hidden_layer_size": 4, "max_iter": 12, "tol": 1e-4, "random_state": 0}
    return DaskThreeLayerNNClassifier(**defaults | params)


def disturbed(action, **params):
    return net(**params).set_callbacks(At(5, action))


def assert_same(a, b):
    assert_array_equal(a.theta1_, b.theta1_)
    assert_array_equal(a.theta2_, b.theta2_)
    assert a.loss_curve_ == b.loss_curve_


def cluster(n_workers=2, **params):
    return LocalCluster(
        n_workers=n_workers, threads_per_worker=1, dashboard_address=":0", **params
    )


def pids(client):
    return client.run(os.getpid)


def kill(pid):
    os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def command(*words):
    '''A process of dask's own, until it is killed here.'''
    process = subprocess.Popen(
        [sys.executable, "-m", "dask", *words],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def scheduler():
    words = "scheduler", "--host", "127.0.0.1", "--port", "0"
    with command(*words, "--dashboard-address", ":0") as process:
        for line in process.stderr:
            found = re.search("Scheduler at: *(tcp://.*)", line)
            if found:
                break
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield process, found[1]


def worker(address):
    limits = "--nthreads", "1", "--dashboard-address", ":0"
    return command("worker", address, "--no-nanny", *limits)


def fitted(clf):
    return {name: value for name, value in vars(clf).items() if name.endswith("_")}


def assert_fails(clf, X, y, error, words):
    '''It leaves the estimator as it was, no thread of ours, and BLAS its threads.'''
    before = fitted(clf)
    try:
        clf.fit(X, y)
    except error as raised:
        assert re.search(words, str(raised)), str(raised)
    else:
        raise AssertionError("nothing was raised")
    assert fitted(clf).keys() == before.keys()
    assert all(value is before[name] for name, value in fitted(clf).items())
    assert "sknn3" not in [thread.name for thread in threading.enumerate()]
    assert [pool["num_threads"] for pool in threadpool_info()] == POOLS


POOLS = [pool["num_threads"] for pool in threadpool_info()]
"""


@pytest.fixture
def run(tmp_path):
    """Run a scenario in a process of its own, and have its output."""

    def run(scenario):
        file = tmp_path / "scenario.py"
        body = textwrap.indent(textwrap.dedent(scenario), "    ")
        file.write_text(f"{BEGINNING}\n\nif __name__ == '__main__':\n{body}")
        process = subprocess.Popen(
            [sys.executable, file],
            env=os.environ | ENVIRONMENT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # a group, of which none is to be left
        )
        try:
            _, log = process.communicate(timeout=LIMIT)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        assert process.returncode == 0, log

    return run


def test_a_worker_that_its_nanny_restarts_leaves_no_trace(run):
    run("""
        with cluster() as of, Client(of) as client:
            for source in SOURCES.values():
                calm = net().fit(source(client), array(y_here))

                def kill_first():
                    kill(min(pids(client).values()))

                X = source(client)
                assert_same(disturbed(kill_first).fit(X, array(y_here)), calm)
                client.wait_for_workers(2)
    """)


def test_another_worker_takes_over_from_one_that_is_gone(run):
    run("""
        with (
            scheduler() as (_, address),
            worker(address),
            worker(address),
            worker(address),
            Client(address) as client,
        ):
            client.wait_for_workers(3)
            for source in (SOURCES["graph"], SOURCES["persisted"]):
                X = source(client)
                calm = net().fit(X, array(y_here))
                n_workers = len(pids(client))
                clf = disturbed(lambda: kill(min(pids(client).values())))
                assert_same(clf.fit(X, array(y_here)), calm)
                assert len(pids(client)) == n_workers - 1
    """)


def test_a_worker_that_joins_late_changes_nothing(run):
    run("""
        with cluster(1) as of, Client(of) as client:
            X = client.persist(array(X_here))
            calm = net().fit(X, array(y_here))

            def join():
                of.scale(2)
                client.wait_for_workers(2)

            def join_and_share():
                join()
                client.rebalance()  # which moves little where there is little
                client.replicate(X)
                assert all(client.has_what().values())

            assert_same(disturbed(join).fit(X, array(y_here)), calm)
            of.scale(1)
            while len(client.nthreads()) > 1:
                time.sleep(0.05)
            assert_same(disturbed(join_and_share).fit(X, array(y_here)), calm)
    """)


# By itself dask would try to reconnect for longer than a scenario may take.
PATIENT = """
import asyncio
import dask
from sknn3.dask._connection import asked, connected, settled
dask.config.set({"distributed.comm.timeouts.connect": "600s"})
"""


def test_a_scheduler_that_dies_ends_the_fit(run):
    run(
        f"{PATIENT}"
        """
with (
    scheduler() as (process, address),
    worker(address),
    Client(address) as client,
):
    X, y = array(X_here), array(y_here)
    old = net().fit(X, y)
    words = "connection to the dask scheduler at tcp://127.0.0.1.* was lost"
    new = disturbed(lambda: kill(process.pid))
    assert_fails(new, X, y, ConnectionError, words)
    # The client that could not send is told a little later that nothing comes either.
    while client.status == "running":
        time.sleep(0.01)
    assert client.status == "connecting"
    # Whatever is asked from now on.
    assert_fails(old, X, y, ConnectionError, "is connecting, expected one that is")
    try:
        old.score(X, y)
    except ConnectionError:
        pass
    else:
        raise AssertionError("nothing was raised")
    """
    )


def test_no_answer_is_awaited_longer_than_the_connection_lasts(run):
    run(
        f"{PATIENT}"
        """
for wait in (
    lambda client: asked(client, asyncio.sleep, 1000),
    lambda client: asked(
        client, client.who_has, settled(client, [client.submit(time.sleep, 1000)])
    ),
):
    with scheduler() as (process, address), Client(address) as client:
        threading.Timer(0.5, process.kill).start()
        try:
            with connected(client):
                wait(client)
        except ConnectionError as raised:
            assert "was lost" in str(raised)
        else:
            raise AssertionError("nothing was raised")
    """
    )


def test_a_connection_that_breaks_ends_the_fit(run):
    run("""
        with cluster(1) as of, Client(of) as client:
            X, y = array(X_here), array(y_here)
            calm, old = net().fit(X, y), net().fit(X, y)

            def drop():
                stream = client.scheduler_comm
                client.loop.add_callback(stream.comm.abort)
                while client.scheduler_comm in (None, stream):  # until there is another
                    time.sleep(0.01)

            for clf in (net(), old):
                clf.set_callbacks(At(5, drop))
                assert_fails(clf, X, y, ConnectionError, "scheduler at .* was lost")
            assert_same(net().fit(X, y), calm)
            restart = disturbed(lambda: client.restart(wait_for_workers=False))
            assert_fails(restart, X, y, RuntimeError, "told to forget")
            assert_fails(
                disturbed(client.close), X, y, ConnectionError, "at tcp.* was lost"
            )
            assert_fails(net(client=client), X, y, ConnectionError, "is closed")
    """)


def test_data_that_was_scattered_by_hand_cannot_be_had_back(run):
    run("""
        from dask import delayed

        with cluster() as of, Client(of) as client:
            futures = client.scatter([X_here[:900], X_here[900:]])
            blocks = [
                da.from_delayed(delayed(f), (n, 5), float)
                for f, n in zip(futures, (900, 600), strict=True)
            ]
            X, y = da.concatenate(blocks), array(y_here)
            old = net().fit(X, y)

            def kill_all():
                for pid in pids(client).values():
                    kill(pid)

            words = "lost data of X, y or sample_weight"
            assert_fails(disturbed(kill_all), X, y, RuntimeError, words)
            assert_fails(old, X, y, RuntimeError, words)
    """)


def test_a_partition_that_fails_ends_the_fit(run):
    run("""
        import dask

        dask.config.set({"distributed.scheduler.allowed-failures": 1})

        def third(action):
            def of_block(block, block_info):
                if block_info[0]["chunk-location"][0] == 2:
                    action()
                return block

            return array(X_here).map_blocks(of_block, dtype=float, meta=X_here[:0])

        def fail():
            raise ValueError("a fault of mine")

        with cluster() as of, Client(of) as client:
            y = array(y_here)
            old = net().fit(array(X_here), y)
            for clf in (net(), old):
                assert_fails(clf, third(fail), y, ValueError, "a fault of mine")
            assert_fails(net(), third(lambda: os._exit(1)), y, KilledWorker, "die")
            assert_same(net().fit(array(X_here), y), old)
    """)


def test_an_interrupt_keeps_the_best_weights_and_the_cluster(run):
    run("""
        with cluster() as of, Client(of) as client:
            X, y = array(X_here), array(y_here)
            local = ThreeLayerNNClassifier(**net(max_iter=5).to_local().get_params())
            expected = local.fit(X_here, y_here)
            workers = pids(client)
            clf = disturbed(lambda: os.kill(os.getpid(), signal.SIGINT))
            with warnings.catch_warnings(record=True) as record:
                warnings.simplefilter("always")
                clf.fit(X, y)
            assert "interrupted after 5 passes" in str(record[-1].message)
            assert (clf.stop_reason_, clf.n_iter_) == ("interrupted", 5)
            assert abs(clf.loss_ - expected.loss_) < 1e-12
            assert pids(client) == workers
            assert net().fit(X, y).n_iter_ == 12
    """)


def test_an_interrupt_that_ends_the_workers_too_is_not_the_end_of_the_fit(run):
    """From a terminal it reaches the whole group, and a second one is heard at once."""
    run("""
        from sknn3.dask._partitions import Partitions

        with cluster() as of, Client(of) as client:
            X, y = array(X_here), array(y_here)
            n_sums, add = 0, Partitions.sum

            def interrupted_sum(*args):
                global n_sums
                n_sums += 1
                if n_sums == 10:
                    os.killpg(0, signal.SIGINT)
                    while client.nthreads():
                        time.sleep(0.05)
                    interrupt = lambda: os.kill(os.getpid(), signal.SIGINT)
                    threading.Timer(1, interrupt).start()
                return add(*args)

            Partitions.sum = interrupted_sum
            with warnings.catch_warnings(record=True) as record:
                warnings.simplefilter("always")
                clf = net().fit(X, y)
            assert "was interrupted after" in str(record[-1].message)
            assert 0 < clf.n_iter_ < 10
            assert clf.stop_reason_ == "interrupted"
    """)
