"""Threads of a fit: one BLAS thread, and a pool of threads over chunks of rows.

NumPy and SciPy each have a BLAS library with a pool of threads.  L-BFGS calls SciPy's
BLAS between the products of two passes.  Two pools of spinning threads on the same
cores take longer than the products.  During a fit BLAS therefore has one thread, and
the fit has as many threads as BLAS had before.  Limits of joblib and the user are kept.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from queue import SimpleQueue
from typing import Any

import numpy as np

# scikit-learn depends on threadpoolctl.
from threadpoolctl import OpenBLASController, ThreadpoolController

MapChunks = Callable[[Callable[[Any], Any], Sequence[Any]], Iterable[Any]]


# Each thread in a BLAS product occupies a buffer of OpenBLAS, even while it waits.  The
# OpenBLAS in wheels has 128 buffers, and its own threads occupy up to 63.  With more
# threads OpenBLAS warns and may corrupt memory; 640 threads end the process.  So each
# product takes a token.  (A Ctrl-C may leave semaphores of `threading` locked.)
blas_tokens: SimpleQueue[None] = SimpleQueue()
for _ in range(64):
    blas_tokens.put(None)


@cache
def _blas() -> Any:
    """Return the controller of the BLAS libraries; a search for them is slow."""
    return ThreadpoolController().select(user_api="blas")


def _n_blas_threads() -> int:
    return max((library["num_threads"] for library in _blas().info()), default=1)


def _limit_blas() -> Any:
    return _blas().limit(limits=1)


def _clear_controlling_thread() -> None:
    """Allow the calling thread to set and restore the limits of BLAS."""
    # From version 3.8 on, only the first thread that sets a limit can set others.
    clear = getattr(OpenBLASController, "clear_controlling_thread", None)
    if clear is not None:
        clear(force=True)


class _BlasLimit:
    """The limit of one BLAS thread: the first fit sets it, the last one restores it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fits: set[object] = set()
        self._n_threads = 1
        self._limiter: Any = None

    @contextmanager
    def single_thread(self) -> Iterator[int]:
        """Limit BLAS to one thread, and yield the number of threads to use instead."""
        fit = object()
        try:
            with self._lock:
                if not self._fits:
                    self._n_threads = _n_blas_threads()
                    self._limiter = _limit_blas()
                    if _n_blas_threads() > 1:  # another thread holds a limit
                        self._n_threads, self._limiter = 1, None
                self._fits.add(fit)
                n_threads = max(1, self._n_threads // len(self._fits))
            yield n_threads
        finally:
            try:
                self._release(fit)
            except KeyboardInterrupt:
                self._release(fit)
                raise

    def _release(self, fit: object) -> None:
        """Restore the limits if no other fit runs; a repeated call changes nothing."""
        with self._lock:
            if self._limiter is not None and self._fits <= {fit}:
                _clear_controlling_thread()
                self._limiter.restore_original_limits()
                _clear_controlling_thread()
                self._limiter = None
            self._fits.discard(fit)

    def limit_calling_thread(self) -> None:
        """Limit BLAS libraries that have a separate limit for each thread."""
        with self._lock:
            if self._fits:  # after a Ctrl-C, a thread may start after its fit
                _limit_blas()


_blas_limit = _BlasLimit()
single_blas_thread = _blas_limit.single_thread


def _start_thread() -> None:
    _blas_limit.limit_calling_thread()
    # A thread does not inherit NumPy's error state, which ignores overflow in a fit:
    # trial points of a line search may overflow.
    np.seterr(all="ignore")


@contextmanager
def chunk_map(n_chunks: int) -> Iterator[MapChunks]:
    """Yield a `map` over chunks that uses as many threads as BLAS was allowed."""
    with single_blas_thread() as n_threads:
        n_helpers = min(n_threads, n_chunks) - 1
        if n_helpers == 0:
            yield map
            return
        pool = ThreadPoolExecutor(n_helpers, "sknn3", initializer=_start_thread)
        try:
            yield _PoolMap(pool, n_helpers)
        finally:
            pool.shutdown(cancel_futures=True)


class _PoolMap:
    """A `map` over chunks in the calling thread and in the threads of a pool."""

    def __init__(self, pool: ThreadPoolExecutor, n_helpers: int) -> None:
        self._pool = pool
        self._n_helpers = n_helpers

    def __call__(
        self, function: Callable[[Any], Any], chunks: Sequence[Any]
    ) -> list[Any]:
        todo, results = deque(enumerate(chunks)), {}

        def work() -> None:
            while todo:
                try:
                    i, chunk = todo.popleft()
                except IndexError:  # another thread took the last chunk
                    return
                try:
                    results[i] = function(chunk)
                except BaseException:
                    todo.clear()  # the other threads stop too
                    raise

        helpers: list[Future[None]] = []
        try:
            try:
                helpers.extend(self._pool.submit(work) for _ in range(self._n_helpers))
            except RuntimeError:  # no thread can start, as in a browser's Python
                self._n_helpers = 0
            work()
        finally:
            deque(map(Future.exception, helpers), maxlen=0)  # waits until all are done
        while helpers:  # the traceback of an error refers to this list, so empty it
            helpers.pop().result()
        return [results[i] for i in range(len(chunks))]
