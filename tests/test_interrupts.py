import signal
import subprocess
import sys
import threading

import pytest

from sknn3._interrupts import Interrupts

pytestmark = pytest.mark.usefixtures("pythons_own_handler")


def interrupt(n_times=1):
    for _ in range(n_times):
        signal.raise_signal(signal.SIGINT)


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
