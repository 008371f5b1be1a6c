import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from sknn3 import _parallel
from sknn3._parallel import chunk_map, single_blas_thread


def blas_threads():
    return [
        lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"
    ]


pytestmark = pytest.mark.skipif(
    not blas_threads(), reason="threadpoolctl cannot limit BLAS: Accelerate on macOS"
)


@pytest.fixture(params=[1, 2, 3])
def n_allowed(request):
    """Number of threads that BLAS is allowed to use outside of the context."""
    with threadpool_limits(request.param, user_api="blas"):
        yield request.param


# ------------------------------------------------------------------ limits of BLAS


def test_blas_has_one_thread_inside_and_its_limit_restored(n_allowed):
    before = blas_threads()
    with single_blas_thread() as n_threads:
        assert n_threads == n_allowed
        assert set(blas_threads()) == {1}
    assert blas_threads() == before


@pytest.mark.parametrize("context", [single_blas_thread, lambda: chunk_map(4)])
def test_limit_is_restored_after_an_error(context, n_allowed):
    before = blas_threads()
    with pytest.raises(ZeroDivisionError), context():
        raise ZeroDivisionError
    assert blas_threads() == before


def test_overlapping_fits_share_threads_and_restore_the_first_limit():
    with threadpool_limits(4, user_api="blas"):
        before = blas_threads()
        fits = [single_blas_thread() for _ in range(6)]
        assert [fit.__enter__() for fit in fits] == [4, 2, 1, 1, 1, 1]
        for fit in fits:
            assert set(blas_threads()) == {1}
            fit.__exit__(None, None, None)
        assert blas_threads() == before


def test_last_of_overlapping_fits_may_end_in_another_thread():
    def fit():
        with single_blas_thread():
            inside.set()
            assert may_end.wait(timeout=30)

    inside, may_end = threading.Event(), threading.Event()
    with threadpool_limits(3, user_api="blas"):
        before = blas_threads()
        with ThreadPoolExecutor(1) as pool:
            with single_blas_thread():
                other = pool.submit(fit)
                assert inside.wait(timeout=30)
            assert set(blas_threads()) == {1}
            may_end.set()
            other.result()
        assert blas_threads() == before


def test_limit_of_another_thread_is_kept():
    def fit():
        with chunk_map(4) as map_chunks:
            return list(map_chunks(abs, [-1, 2]))

    with threadpool_limits(2, user_api="blas"), ThreadPoolExecutor(1) as pool:
        before = blas_threads()
        assert pool.submit(fit).result() == [1, 2]
        assert blas_threads() == before
        with threadpool_limits(1, user_api="blas"):  # and the user can change it
            assert set(blas_threads()) == {1}
        assert blas_threads() == before


def test_limit_of_another_thread_may_end_during_a_fit():
    def fit():
        with single_blas_thread() as n_threads:
            inside.set()
            assert may_end.wait(timeout=30)
            return n_threads

    inside, may_end = threading.Event(), threading.Event()
    with threadpool_limits(3, user_api="blas"), ThreadPoolExecutor(1) as pool:
        before = blas_threads()
        with threadpool_limits(2, user_api="blas"):
            other = pool.submit(fit)
            assert inside.wait(timeout=30)
        assert blas_threads() == before
        may_end.set()
        assert other.result() == 1
        assert blas_threads() == before


def test_fits_that_start_together_set_and_restore_one_limit(monkeypatch):
    def limit_slowly():
        time.sleep(0.002)  # other threads start a fit meanwhile
        return limit()

    def fits(_):
        for _ in range(10):
            with single_blas_thread():
                assert set(blas_threads()) == {1}

    limit = _parallel._limit_blas
    monkeypatch.setattr(_parallel, "_limit_blas", limit_slowly)
    with threadpool_limits(3, user_api="blas"), ThreadPoolExecutor(8) as pool:
        _parallel._clear_controlling_thread()
        before = blas_threads()
        list(pool.map(fits, range(8)))
        assert blas_threads() == before


def test_other_threads_can_set_limits_after_a_fit():
    def fit():
        with single_blas_thread():
            pass

    with ThreadPoolExecutor(1) as pool:
        pool.submit(fit).result()
        before = blas_threads()
        with threadpool_limits(1, user_api="blas"):  # while the other thread is alive
            assert set(blas_threads()) == {1}
        assert blas_threads() == before


# ------------------------------------------------------------- the threads of a fit


def test_chunks_use_as_many_threads_as_blas_was_allowed(n_allowed):
    barrier = threading.Barrier(n_allowed, timeout=30)

    def meet(_):
        barrier.wait()  # passes only if `n_allowed` chunks run at once
        return threading.current_thread()

    with chunk_map(n_allowed) as map_chunks:
        threads = set(map_chunks(meet, range(n_allowed)))
    assert len(threads) == n_allowed
    threads.discard(threading.main_thread())
    assert not any(thread.is_alive() for thread in threads)


def test_results_are_in_the_order_of_chunks():
    def produce(i):
        time.sleep(0.01 * (i % 3 == 0))
        return i

    with threadpool_limits(3, user_api="blas"), chunk_map(16) as map_chunks:
        for _ in range(3):
            assert list(map_chunks(produce, range(16))) == list(range(16))


def test_single_chunk_runs_in_the_calling_thread():
    with threadpool_limits(2, user_api="blas"), chunk_map(1) as map_chunks:
        assert map_chunks is map


@pytest.mark.parametrize("bad", [0, 1, 15])
def test_error_in_a_chunk_is_raised_and_the_next_pass_runs(bad):
    def fail(i):
        if i == bad:
            raise ZeroDivisionError(i)

    with threadpool_limits(3, user_api="blas"), chunk_map(16) as map_chunks:
        for _ in range(2):
            with pytest.raises(ZeroDivisionError, match=str(bad)):
                list(map_chunks(fail, range(16)))
        assert list(map_chunks(abs, range(16))) == list(range(16))


@pytest.mark.parametrize("who", ["calling", "other"])
def test_error_in_a_thread_stops_the_others(who):
    started, both, failed = [], threading.Barrier(2, timeout=30), threading.Event()
    caller = threading.current_thread()

    def fail(i):
        started.append(i)
        both.wait()
        if (threading.current_thread() is caller) == (who == "calling"):
            failed.set()
            raise ZeroDivisionError
        assert failed.wait(timeout=30)
        time.sleep(0.1)  # the failing thread clears the rest meanwhile

    with (
        threadpool_limits(2, user_api="blas"),
        chunk_map(16) as map_chunks,
        pytest.raises(ZeroDivisionError),
    ):
        map_chunks(fail, range(16))
    assert sorted(started) == [0, 1]


@pytest.mark.parametrize("n_that_start", [0, 1, 2])
def test_chunks_run_if_no_thread_can_start(n_that_start, monkeypatch):
    start, attempts = threading.Thread.start, []

    def fail_after(thread):
        attempts.append(thread)
        if len(attempts) > n_that_start:
            raise RuntimeError("can't start new thread")
        start(thread)

    with threadpool_limits(4, user_api="blas"):
        before = blas_threads()
        monkeypatch.setattr(threading.Thread, "start", fail_after)
        with chunk_map(9) as map_chunks:
            for _ in range(3):
                assert list(map_chunks(abs, range(9))) == list(range(9))
        assert blas_threads() == before
    assert len(attempts) <= n_that_start + 1  # one attempt fails, not one in each pass
    assert not any(thread.is_alive() for thread in attempts)
