import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from threadpoolctl import threadpool_info, threadpool_limits

from sknn3 import ThreeLayerNNClassifier, _parallel
from sknn3._parallel import block_map


def blas_threads():
    return [
        lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"
    ]


@pytest.fixture(params=[1, 2, 3])
def allowed(request):
    """Threads that BLAS is allowed to use outside."""
    with threadpool_limits(request.param, user_api="blas"):
        yield request.param


def test_blas_has_one_thread_inside_and_its_own_again_after(allowed):
    before = blas_threads()
    with block_map(4):
        assert set(blas_threads()) == {1}
    assert blas_threads() == before


def test_limits_are_restored_after_an_error(allowed):
    before = blas_threads()
    with pytest.raises(RuntimeError), block_map(4):
        raise RuntimeError
    assert blas_threads() == before


def test_uses_as_many_threads_as_blas_was_allowed(allowed):
    barrier = threading.Barrier(allowed, timeout=10)

    def meet(_):
        barrier.wait()  # passes only if `allowed` tasks run at once
        return threading.current_thread()

    with block_map(allowed) as map_blocks:
        threads = set(map_blocks(meet, range(allowed)))
    assert len(threads) == allowed
    threads.remove(threading.main_thread())  # which does its share
    assert not any(thread.is_alive() for thread in threads)


def test_results_come_in_order_and_as_soon_as_it_is_their_turn():
    taken = threading.Event()

    def produce(i):
        if i == 299:
            assert taken.wait(timeout=10)
        return i

    with threadpool_limits(3, user_api="blas"), block_map(3) as map_blocks:
        results = map_blocks(produce, range(300))
        first = next(results)
        taken.set()
        assert [first, *results] == list(range(300))


@pytest.mark.parametrize("by_whom", ["the thread that asks", "a helper"])
def test_few_results_wait_for_a_slow_block(by_whom):
    expected = 2 * _parallel.WAITING_PER_THREAD
    asks, both = threading.current_thread(), threading.Barrier(2, timeout=30)
    came, went_on = set(), set()
    done, taken, waiting = [], [], []

    def meet(those):
        if threading.current_thread() not in those:
            those.add(threading.current_thread())
            both.wait()

    def be_slow():
        deadline = time.monotonic() + 30
        while len(done) - len(taken) < expected and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.1)  # in which none may come
        waiting.append(len(done) - len(taken))

    def produce(i):
        meet(came)
        is_asked = threading.current_thread() is not asks
        if waiting:
            meet(went_on)
        elif is_asked == (by_whom == "a helper"):
            be_slow()
        done.append(i)
        return i

    with threadpool_limits(2, user_api="blas"), block_map(2) as map_blocks:
        # one by one: what was taken counts
        taken.extend(map_blocks(produce, range(300)))
    assert taken == list(range(300))
    assert len(waiting) == 1
    assert expected <= waiting[0] <= expected + 1
    assert len(went_on) == 2


def test_maps_may_overlap_or_be_given_up():
    with threadpool_limits(3, user_api="blas"), block_map(3) as map_blocks:
        first, given_up = map_blocks(abs, range(100)), map_blocks(abs, range(100))
        next(given_up)
        assert next(first) == 0
        assert list(map_blocks(abs, range(50))) == list(range(50))
        assert [0, *first] == list(range(100))
        del given_up
        assert list(map_blocks(abs, range(50))) == list(range(50))


@pytest.mark.parametrize("n_that_start", [0, 1])
def test_a_fit_goes_on_with_the_threads_that_can_start(n_that_start, monkeypatch):
    start, started, asked = threading.Thread.start, [], []

    def fail_if_there_are_more(thread):
        asked.append(thread)
        if len(started) == n_that_start:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    before = blas_threads()
    with monkeypatch.context() as patch, threadpool_limits(4, user_api="blas"):
        patch.setattr(threading.Thread, "start", fail_if_there_are_more)
        with block_map(9) as map_blocks:
            for _ in range(3):
                assert list(map_blocks(abs, range(9))) == list(range(9))
    assert len(started) == n_that_start
    assert len(asked) == n_that_start + 1  # in vain once only
    assert not any(thread.is_alive() for thread in started)
    assert blas_threads() == before


@pytest.mark.parametrize(("n_fits", "n_each"), [(1, 4), (2, 2), (3, 1), (6, 1)])
def test_fits_at_the_same_time_share_the_threads(n_fits, n_each, monkeypatch):
    monkeypatch.setattr(
        _parallel._single_threaded_blas,
        "_limit",
        lambda: vars(_parallel._single_threaded_blas).update(_n_threads=4),
    )
    all_fits = threading.Barrier(n_fits, timeout=30)

    def fit(_):
        team, working = threading.Barrier(n_each, timeout=30), set()

        def work(i):
            if threading.current_thread() not in working:
                working.add(threading.current_thread())
                team.wait()  # passes only if so many come
            return i

        with block_map(200) as map_blocks:
            all_fits.wait()
            assert list(map_blocks(work, range(200))) == list(range(200))
            all_fits.wait()
        return len(working)

    with ThreadPoolExecutor(n_fits) as pool:
        assert list(pool.map(fit, range(n_fits))) == [n_each] * n_fits


def test_limits_that_a_thread_cannot_set_are_an_error_and_no_hang(monkeypatch):
    def fail():
        if threading.current_thread() is not threading.main_thread():
            raise OSError("no limits")
        return limit()

    limit = _parallel._limit_blas
    monkeypatch.setattr(_parallel, "_limit_blas", fail)
    with (
        threadpool_limits(2, user_api="blas"),
        block_map(2) as map_blocks,
        pytest.raises(OSError, match="no limits"),
    ):
        list(map_blocks(abs, range(4)))


@pytest.mark.parametrize("bad", [0, 1, 50])
def test_an_error_in_a_block_comes_out_and_ends_the_pass(bad):
    seen = []

    def fail(i):
        seen.append(i)
        if i == bad:
            raise ZeroDivisionError(i)
        if i > bad:
            time.sleep(0.01)

    with threadpool_limits(3, user_api="blas"), block_map(3) as map_blocks:
        for _ in range(2):  # the threads survive it
            seen.clear()
            with pytest.raises(ZeroDivisionError, match=str(bad)):
                list(map_blocks(fail, range(100)))
            assert max(seen) < 99
        assert list(map_blocks(abs, range(5))) == [*range(5)]


def test_one_block_needs_no_pool():
    with threadpool_limits(2, user_api="blas"), block_map(1) as map_blocks:
        assert map_blocks is map


def test_overlapping_fits_restore_what_the_first_one_found():
    with threadpool_limits(3, user_api="blas"):
        before = blas_threads()
        first, second = block_map(1), block_map(1)
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert set(blas_threads()) == {1}
        second.__exit__(None, None, None)
        assert blas_threads() == before


def test_limits_that_another_thread_holds_are_left_alone():
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        inside = []

        def fit():
            with block_map(4) as map_blocks:
                inside.append(list(map_blocks(abs, [-1, 2])))

        thread = threading.Thread(target=fit)
        thread.start()
        thread.join()
        assert inside == [[1, 2]]
        assert blas_threads() == before
        with threadpool_limits(1, user_api="blas"):  # and are the user's to change
            assert set(blas_threads()) == {1}
        assert blas_threads() == before


def test_limits_are_free_for_others_after_a_fit():
    def fit():
        with block_map(1):
            pass

    with ThreadPoolExecutor(1) as pool:
        pool.submit(fit).result()
        before = blas_threads()
        with threadpool_limits(1, user_api="blas"):  # with the other thread alive
            assert set(blas_threads()) == {1}
        assert blas_threads() == before


@pytest.mark.parametrize("solver", ["tnc", "lbfgs"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_fits_are_bit_identical_on_any_number_of_threads(large, solver, dtype):
    X, y = large
    weights = []
    for n_threads in (1, 2, 3):
        clf = ThreeLayerNNClassifier(solver=solver, tol=1e-2, random_state=0)
        with threadpool_limits(n_threads, user_api="blas"):
            weights.append(clf.fit(X.astype(dtype), y).theta1_)
    assert_array_equal(weights[0], weights[1])
    assert_array_equal(weights[0], weights[2])


def test_fits_in_several_threads_at_once(large):
    before = blas_threads()

    def fit(_):
        return ThreeLayerNNClassifier(tol=3e-2, random_state=0).fit(*large).theta1_

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(fit, range(8)))
    for theta1 in results[1:]:
        assert_array_equal(theta1, results[0])
    assert blas_threads() == before
