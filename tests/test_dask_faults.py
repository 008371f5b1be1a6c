"""Fits on clusters that lose workers, data or the scheduler."""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import threading

import dask
import dask.array as da
import numpy as np
import pytest
from distributed import Client, Event, KilledWorker, LocalCluster
from distributed.utils import get_mp_context
from numpy.testing import assert_allclose, assert_array_equal

from sknn3.dask import DaskThreeLayerNNClassifier, _partitions
from sknn3.dask._client import cluster_errors, sync
from sknn3.dask._partitions import Partitions

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(
        sys.platform == "win32", reason="needs SIGALRM, SIGKILL and a forkserver"
    ),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

RNG = np.random.RandomState(0)
X_LOCAL = RNG.standard_normal((1500, 5))
Y_LOCAL = (X_LOCAL[:, 0] > 0).astype(int) + (X_LOCAL[:, 1] * X_LOCAL[:, 2] > 0)


@pytest.fixture(autouse=True)
def time_limit():
    """Fail a test that hangs; each takes a few seconds."""

    def fail(*_args):
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module", autouse=True)
def quick_start_of_workers():
    """Fork workers from a process that has imported what they need."""
    get_mp_context().set_forkserver_preload(["pytest", "sknn3.dask"])
    settings = {
        "distributed.worker.multiprocessing-method": "forkserver",
        # After this time a cluster removes the place of a lost worker if it is empty,
        # even if a new worker was there in between.
        "distributed.deploy.lost-worker-timeout": "1h",
    }
    with dask.config.set(settings):
        yield


@contextlib.contextmanager
def local_cluster(n_workers):
    with (
        LocalCluster(
            n_workers=n_workers, threads_per_worker=1, dashboard_address=":0"
        ) as cluster,
        Client(cluster) as client,
    ):
        yield cluster, client


@pytest.fixture(scope="module")
def shared_cluster():
    with local_cluster(2) as (cluster, _):
        yield cluster


@pytest.fixture
def client(shared_cluster):
    """Connect to two workers; restart workers that an earlier test killed."""
    with Client(shared_cluster) as client:
        client.wait_for_workers(2)
        yield client


@pytest.fixture(scope="module")
def expected():
    """Return the estimator that each undisturbed fit gives."""
    with local_cluster(1):
        return net().fit(array(X_LOCAL), array(Y_LOCAL))


def array(values):
    # Tasks of a new name: dask would share the failed tasks of equal data.
    return da.from_array(values, chunks=(300, *values.shape[1:]), name=False)


def net():
    return DaskThreeLayerNNClassifier(4, max_iter=12, random_state=0)


class AfterPass:
    """A callback that calls a function once, after the n-th pass."""

    def __init__(self, function, n=5):
        self.function, self.n = function, n

    def setup(self, estimator, context): ...

    def teardown(self, estimator, context): ...

    def on_fit_task_begin(self, estimator, context): ...

    def on_fit_task_end(self, estimator, context):
        if context.task_name == "pass":
            self.n -= 1
            if self.n == 0:
                self.function()


def kill_worker(client):
    os.kill(min(client.run(os.getpid).values()), signal.SIGKILL)


def kill_all_workers(client):
    for pid in client.run(os.getpid).values():
        os.kill(pid, signal.SIGKILL)


def assert_same(a, b):
    assert_array_equal(a.theta1_, b.theta1_)
    assert_array_equal(a.theta2_, b.theta2_)
    assert a.loss_curve_ == b.loss_curve_


def attributes(clf):
    return {name: value for name, value in vars(clf).items() if name.endswith("_")}


def assert_fails(clf, X, y, error, message):
    """Check the error, and that the estimator is unchanged."""
    before = attributes(clf)
    with pytest.raises(error) as raised:
        clf.fit(X, y)
    assert re.search(message, str(raised.value)), raised.value
    assert attributes(clf).keys() == before.keys()
    assert all(value is before[name] for name, value in attributes(clf).items())


# ------------------------------------------------------------------- lost workers


@pytest.mark.needs_sklearn("1.9", "callbacks")
@pytest.mark.parametrize("stage", ["validation", "conditioning", "pass"])
def test_killed_worker_does_not_change_the_fit(client, expected, monkeypatch, stage):
    X, clf = client.persist(array(X_LOCAL)), net()
    workers = set(client.run(os.getpid).values())
    if stage == "pass":
        clf.set_callbacks(AfterPass(lambda: kill_worker(client)))
    else:
        owner, name = {
            "validation": (_partitions, "persist_partitions"),
            "conditioning": (Partitions, "column_sums"),
        }[stage]
        original, killed = getattr(owner, name), []

        def kill_and_call(*args):
            if not killed:
                killed.append(kill_worker(client))
            return original(*args)

        monkeypatch.setattr(owner, name, kill_and_call)
    assert_same(clf.fit(X, array(Y_LOCAL)), expected)
    assert len(workers & set(client.run(os.getpid).values())) == 1


@pytest.mark.needs_sklearn("1.9", "callbacks")
def test_fit_waits_for_restart_of_the_only_worker(expected):
    with local_cluster(1) as (_, client):
        clf = net().set_callbacks(AfterPass(lambda: kill_worker(client)))
        assert_same(clf.fit(array(X_LOCAL), array(Y_LOCAL)), expected)


@pytest.mark.needs_sklearn("1.9", "callbacks")
def test_fit_waits_for_a_first_worker_and_uses_a_second(expected):
    with local_cluster(0) as (cluster, client):
        X = client.persist(array(X_LOCAL))

        def add_worker():
            cluster.scale(2)
            client.wait_for_workers(2)
            client.replicate(X)
            assert all(client.has_what().values())

        threading.Timer(0.5, cluster.scale, [1]).start()
        clf = net().set_callbacks(AfterPass(add_worker))
        assert_same(clf.fit(X, array(Y_LOCAL)), expected)


def test_fit_of_one_partition_on_two_workers_equals_other_fits(expected):
    with local_cluster(2) as (_, client):
        X, y = client.persist([array(X_LOCAL).rechunk(-1), array(Y_LOCAL).rechunk(-1)])
        client.replicate(X)
        clf = net().fit(X, y)
        assert_allclose(clf.loss_curve_, expected.loss_curve_)


@pytest.mark.needs_sklearn("1.9", "callbacks")
def test_lost_scattered_data_raises(client):
    futures = client.scatter([X_LOCAL[:900], X_LOCAL[900:]])
    blocks = [
        da.from_delayed(dask.delayed(future), (n, 5), float)
        for future, n in zip(futures, (900, 600), strict=True)
    ]
    X, y = da.concatenate(blocks), array(Y_LOCAL)
    fitted = net().fit(X, y)
    clf = net().set_callbacks(AfterPass(lambda: kill_all_workers(client)))
    message = "lost data of X, y or sample_weight"
    assert_fails(clf, X, y, RuntimeError, message)
    assert_fails(fitted, X, y, RuntimeError, message)


def test_error_in_a_partition_is_raised(client, shared_cluster, expected, monkeypatch):
    monkeypatch.setattr(shared_cluster.scheduler, "allowed_failures", 0)

    def third_block(function):
        def of_block(block, block_info):
            if block_info[0]["chunk-location"][0] == 2:
                function()
            return block

        return array(X_LOCAL).map_blocks(of_block, dtype=float, meta=X_LOCAL[:0])

    def fail():
        raise OSError("no such file")

    y = array(Y_LOCAL)
    fitted = net().fit(array(X_LOCAL), y)
    for clf in (net(), fitted):
        assert_fails(clf, third_block(fail), y, OSError, "no such file")
    assert_fails(net(), third_block(lambda: os._exit(1)), y, KilledWorker, "die")
    assert_same(net().fit(array(X_LOCAL), y), expected)


# ---------------------------------------------------------------- lost connections


@contextlib.contextmanager
def dask_process(*arguments):
    process = subprocess.Popen(
        [sys.executable, "-m", "dask", *arguments, "--dashboard-address", ":0"],
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.needs_sklearn("1.9", "callbacks")
def test_lost_scheduler_raises():
    # dask would wait for longer than the test's time limit.
    patience = dask.config.set({"distributed.comm.timeouts.connect": "600s"})
    with (
        patience,
        dask_process("scheduler", "--host", "127.0.0.1", "--port", "0") as scheduler,
    ):
        lines = iter(scheduler.stderr.readline, "")
        address = next(line for line in lines if "Scheduler at" in line).split()[-1]
        with (
            dask_process("worker", address, "--no-nanny", "--nthreads", "1"),
            Client(address) as client,
        ):
            X, y = array(X_LOCAL), array(Y_LOCAL)
            fitted = net().fit(X, y)
            clf = net().set_callbacks(AfterPass(scheduler.kill))
            message = "connection to the dask scheduler at tcp://127.0.0.1.* was lost"
            assert_fails(clf, X, y, ConnectionError, message)
            # A part of the client detects this a little later.
            while client.status == "running":
                threading.Event().wait(0.01)
            assert_fails(fitted, X, y, ConnectionError, message)


@pytest.mark.needs_sklearn("1.9", "callbacks")
def test_broken_connection_raises(client, expected):
    X, y = array(X_LOCAL), array(Y_LOCAL)

    def reconnect():
        before = client.scheduler_comm
        client.loop.add_callback(before.comm.abort)
        while client.scheduler_comm in (None, before):
            threading.Event().wait(0.01)

    for clf in (net(), net().fit(X, y)):
        clf.set_callbacks(AfterPass(reconnect))
        assert_fails(clf, X, y, ConnectionError, "scheduler at .* was lost")
    assert_same(net().fit(X, y), expected)
    clf = net().set_callbacks(AfterPass(client.close))
    assert_fails(clf, X, y, ConnectionError, "at tcp.* was lost")


def test_sync_raises_when_connection_is_lost(client):
    threading.Timer(0.3, client.close).start()
    with pytest.raises(ConnectionError, match="was lost"), cluster_errors(client):
        sync(client, asyncio.sleep, 1000)


# ---------------------------------------------------------------------- interrupts


@pytest.mark.needs_sklearn("1.9", "callbacks")
def test_interrupt_during_a_pass_keeps_best_weights(client, expected):
    X, y = array(X_LOCAL), array(Y_LOCAL)
    release, workers = Event("release"), client.run(os.getpid)
    waiting = []

    def interrupt_next_pass():
        # Both workers wait for the event, and the pass waits for them.
        tasks = client.map(lambda _: Event("release").wait(), range(2), pure=False)
        waiting.extend(tasks)
        threading.Timer(0.5, os.kill, [os.getpid(), signal.SIGINT]).start()

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        clf = net().set_callbacks(AfterPass(interrupt_next_pass))
        with pytest.warns(UserWarning, match="interrupted after 5 passes"):
            clf.fit(X, y)
    finally:
        signal.signal(signal.SIGINT, before)
        release.set()
    assert (clf.stop_reason_, clf.n_iter_) == ("interrupted", 5)
    assert clf.loss_ == expected.loss_curve_[4]
    assert client.run(os.getpid) == workers
    assert_same(net().fit(X, y), expected)
