"""Blocks over threads of our own, with one BLAS thread each; and how many at once.

NumPy and SciPy bring a BLAS each, and L-BFGS calls SciPy's between our products:
two pools of spinning threads on the same cores cost more than the products.  So
BLAS is limited to one thread while a fit runs, and the blocks are spread over as
many threads as BLAS was allowed before, which keeps within limits set by the user or
by joblib.  Fits at the same time share them.  It also makes sums independent of the
number of threads.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from itertools import islice
from queue import SimpleQueue
from typing import Any

# Comes with scikit-learn, which depends on it.
from threadpoolctl import OpenBLASController, ThreadpoolController

from sknn3._blocks import BlockMap


@cache
def _blas() -> Any:
    """Handle of the BLAS libraries; finding them takes milliseconds, so once."""
    return ThreadpoolController().select(user_api="blas")


def _n_blas_threads() -> int:
    return max((library["num_threads"] for library in _blas().info()), default=1)


def _limit_blas() -> Any:
    return _blas().limit(limits=1)


def _release_control() -> None:
    """Let any thread set limits again, after this process's fits have set one.

    From version 3.8 on, threadpoolctl listens only to the thread that first set a
    limit of OpenBLAS, but fits that overlap begin and end in any thread.
    """
    release = getattr(OpenBLASController, "clear_controlling_thread", None)
    if release is not None:
        release(force=True)


class _SingleThreadedBlas:
    """Limit BLAS to one thread for as long as any fit of the process runs.

    The limit is global to the process, so fits that overlap share one: the first
    sets it, the last restores what was there before.  Where another thread of the
    user's holds limits of its own, these stay, and fits use BLAS as it is.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fits: list[int] = []  # the threads that they run in
        self._limiter: Any = None
        self._n_threads = 1

    def __enter__(self) -> None:
        with self._lock:
            if not self._fits:
                self._limit()
            self._fits.append(threading.get_ident())

    def __exit__(self, *exc_info: object) -> None:
        with self._lock:
            self._fits.remove(threading.get_ident())
            if not self._fits:
                self._restore()

    def threads_for_each(self) -> int:
        """Tell how many threads in place of BLAS's each of the fits may use."""
        return max(1, self._n_threads // max(1, len(self._fits)))

    def _limit(self) -> None:
        self._n_threads = _n_blas_threads()
        if self._n_threads > 1:
            self._limiter = _limit_blas()
            if _n_blas_threads() > 1:
                self._limiter, self._n_threads = None, 1

    def _restore(self) -> None:
        if self._limiter is not None:
            _release_control()
            self._limiter.restore_original_limits()
            _release_control()
            self._limiter = None

    def hold_still(self) -> None:
        """Let no thread be half through with limits while another forks."""
        self._lock.acquire()

    def go_on(self) -> None:
        """Let threads set limits again."""
        self._lock.release()

    def forget_other_threads(self) -> None:
        """Go on in a child, without the fits of threads that a fork has left behind."""
        self.go_on()
        me = threading.get_ident()
        self._fits = [thread for thread in self._fits if thread == me]
        if not self._fits:
            self._restore()


_single_threaded_blas = _SingleThreadedBlas()


# So many threads, of fits and of what predicts, may be at the products at once.  Each
# takes one of OpenBLAS's buffers, while it waits for its turn too; the wheels' OpenBLAS
# has 128, less one for each of its own threads, of which there are up to 63.  With more
# it warns, and may corrupt memory; for want of 640 it ends the process.
MAX_MULTIPLYING = 64


class _Turns:
    """A semaphore, in a fifth of the time of Python's, that no Ctrl-C empties."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        self._free: SimpleQueue[None] = SimpleQueue()
        for _ in range(MAX_MULTIPLYING):
            self._free.put(None)
        self._of_thread = threading.local()

    def __enter__(self) -> None:
        mine = self._of_thread.__dict__.setdefault("turns", [])
        if not mine:  # else an interrupt came where the turn was taken, and it is there
            # Taken and noted by C alone, between which no interrupt comes.
            mine.extend(islice(iter(self._free.get, self), 1))

    def __exit__(self, *exc_info: object) -> None:
        self._free.put(None)  # first: an interrupt makes them more, not fewer
        self._of_thread.turns.clear()


multiplying = _Turns()


def _renew() -> None:
    """Begin anew in a process that a fork has left without the other threads."""
    _single_threaded_blas.forget_other_threads()
    multiplying.renew()


if hasattr(os, "register_at_fork"):  # Windows has no forks
    os.register_at_fork(
        before=_single_threaded_blas.hold_still,
        after_in_parent=_single_threaded_blas.go_on,
        after_in_child=_renew,
    )


# Where a block takes long, since its rows are on a disk for example, the others go on
# until so many results for each thread wait for its.
WAITING_PER_THREAD = 8


class _Share:
    """The blocks of a pass: whoever is free takes the next, results come in order."""

    def __init__(
        self, function: Callable[[Any], Any], blocks: Iterable[Any], n_threads: int
    ) -> None:
        self.function = function
        self.max_waiting = WAITING_PER_THREAD * n_threads
        self.todo = deque(enumerate(blocks))
        self.done: dict[int, Any] = {}
        self.n_taken = 0
        self.n_asked = 0  # times that a helper was asked to join, and reports that come
        self.left: deque[None] = deque()  # an entry for each who found it full
        self.reports: SimpleQueue[BaseException | None] = SimpleQueue()

    def work(self) -> Iterator[None]:
        """Do block after block until none is left; any number of threads may."""
        while True:
            try:
                i, block = self.todo.popleft()
            except IndexError:
                return
            try:
                self.done[i] = self.function(block)
            except BaseException:
                self.todo.clear()  # nobody needs the other results now
                raise
            yield

    def is_full(self) -> bool:
        """Tell whether enough results wait for their turn."""
        return len(self.done) >= self.max_waiting

    def await_turn(self) -> None:
        """Wait for the result of a helper that all others wait for."""
        while self.is_full() and self.n_taken not in self.done and self.todo:
            time.sleep(1e-3)

    def take_results(self) -> Iterator[Any]:
        """Take out the results whose turn it is."""
        while self.n_taken in self.done:
            yield self.done.pop(self.n_taken)
            self.n_taken += 1


# Makes contexts in which no Ctrl-C is raised.
Undisturbed = Callable[[], AbstractContextManager[Any]]


class _Crew:
    """Threads that map over blocks together with the thread that asks.

    An executor's `map` makes a task of each block instead, and its bookkeeping takes
    a tenth of a small data set's pass.
    """

    def __init__(self, max_helpers: int, undisturbed: Undisturbed) -> None:
        self._max_helpers = max_helpers
        self._undisturbed = undisturbed
        self._process = os.getpid()
        self._shares: SimpleQueue[_Share | None] = SimpleQueue()
        self._helpers: list[threading.Thread] = []

    def _n_helpers(self) -> int:
        """Tell how many may help now, and start those that are missing."""
        if os.getpid() != self._process:  # forked from a callback, without them
            return 0
        n_helpers = min(_single_threaded_blas.threads_for_each() - 1, self._max_helpers)
        if len(self._helpers) < n_helpers:
            with self._undisturbed():
                self._hire(n_helpers)
        return min(n_helpers, len(self._helpers))

    def _hire(self, n_helpers: int) -> None:
        while len(self._helpers) < n_helpers:
            helper = threading.Thread(target=self._help, name="sknn3", daemon=True)
            self._helpers.append(helper)  # first: whatever comes, it is dismissed
            try:
                helper.start()
            except RuntimeError:  # as many as the system has, whose results are equal
                self._helpers.pop()
                self._max_helpers = len(self._helpers)
                break

    def _help(self) -> None:
        limited = False
        for share in iter(self._shares.get, None):
            try:
                if not limited:  # some BLAS libraries count threads for each caller
                    _limit_blas()
                    limited = True
                for _ in share.work():
                    if share.is_full():
                        share.left.append(None)
                        break
            except BaseException as error:  # it belongs to the thread that asked
                share.reports.put(error)
            else:
                share.reports.put(None)

    def map(
        self, function: Callable[[Any], Any], blocks: Iterable[Any]
    ) -> Iterator[Any]:
        """Map over blocks in order; only results out of turn stay in memory."""
        n_helpers = self._n_helpers()
        share = _Share(function, blocks, 1 + n_helpers)
        try:
            self._ask_to_join(share, n_helpers)
            for _ in share.work():
                share.await_turn()
                yield from share.take_results()
                while share.left:
                    share.left.pop()
                    self._ask_to_join(share, 1)
        finally:  # also where a block failed, or nobody wants the rest
            share.todo.clear()
            errors = [share.reports.get() for _ in range(share.n_asked)]
        failures = [error for error in errors if error is not None]
        if failures:
            try:
                raise failures[0]
            finally:  # lest an error keep itself, and by its frames the data
                del errors, failures
        yield from share.take_results()

    def _ask_to_join(self, share: _Share, n_helpers: int) -> None:
        for _ in range(n_helpers):
            self._shares.put(share)
            share.n_asked += 1  # then only: an interrupt leaves no report to wait for

    def dismiss(self) -> None:
        """End the threads, and wait until they have."""
        for _ in self._helpers:
            self._shares.put(None)
        for helper in self._helpers:
            if helper.ident is not None:  # else an interrupt came before it began
                helper.join()


@contextmanager
def block_map(
    n_blocks: int, undisturbed: Undisturbed = nullcontext
) -> Iterator[BlockMap]:
    """Give a `map` over blocks that uses the threads BLAS was allowed to use.

    A Ctrl-C where a thread starts may leave one of `threading`'s locks closed, at which
    all wait for ever: `undisturbed` is to hold it back.
    """
    with _single_threaded_blas:
        if n_blocks == 1:
            yield map
            return
        crew = _Crew(n_blocks - 1, undisturbed)
        try:
            yield crew.map
        finally:
            crew.dismiss()
