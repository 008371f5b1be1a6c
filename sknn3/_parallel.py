"""Blocks over threads of our own, with one BLAS thread each; and Ctrl-C meanwhile.

NumPy and SciPy bring a BLAS each, and L-BFGS calls SciPy's between our products:
two pools of spinning threads on the same cores cost more than the products.  So
BLAS is limited to one thread while a fit runs, and the blocks are spread over as
many threads as BLAS was allowed before, which keeps within limits set by the user or
by joblib.  It also makes sums independent of the number of threads.
"""

from __future__ import annotations

import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
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
        self._users = 0
        self._limiter: Any = None
        self._n_threads = 1

    def __enter__(self) -> int:
        """Set the limit, return how many threads of our own may take its place."""
        with self._lock:
            self._users += 1
            if self._users == 1:
                self._n_threads = _n_blas_threads()
                if self._n_threads > 1:
                    limiter = _limit_blas()
                    if _n_blas_threads() == 1:
                        self._limiter = limiter
                    else:
                        self._n_threads = 1
            return self._n_threads

    def __exit__(self, *exc_info: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0 and self._limiter is not None:
                _release_control()
                self._limiter.restore_original_limits()
                _release_control()
                self._limiter = None


_single_threaded_blas = _SingleThreadedBlas()


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


class _Crew:
    """Threads that map over blocks together with the thread that asks.

    An executor's `map` makes a task of each block instead, and its bookkeeping takes
    a tenth of a small data set's pass.
    """

    def __init__(self) -> None:
        self._shares: SimpleQueue[_Share | None] = SimpleQueue()
        self._helpers: list[threading.Thread] = []

    def hire(self, n_helpers: int) -> None:
        """Start so many threads."""
        for _ in range(n_helpers):
            helper = threading.Thread(target=self._help, name="sknn3", daemon=True)
            helper.start()
            self._helpers.append(helper)

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
        share = _Share(function, blocks, 1 + len(self._helpers))
        self._ask_to_join(share, len(self._helpers))
        try:
            for _ in share.work():
                share.await_turn()
                yield from share.take_results()
                while share.left:
                    share.left.pop()
                    self._ask_to_join(share, 1)
        finally:  # also where a block failed, or nobody wants the rest
            share.todo.clear()
            errors = [share.reports.get() for _ in range(share.n_asked)]
        for error in filter(None, errors):
            raise error
        yield from share.take_results()

    def _ask_to_join(self, share: _Share, n_helpers: int) -> None:
        for _ in range(n_helpers):
            share.n_asked += 1
            self._shares.put(share)

    def dismiss(self) -> None:
        """End the threads, and wait until they have."""
        for _ in self._helpers:
            self._shares.put(None)
        for helper in self._helpers:
            helper.join()


@contextmanager
def block_map(n_blocks: int) -> Iterator[BlockMap]:
    """Give a `map` over blocks that uses the threads BLAS was allowed to use."""
    with _single_threaded_blas as n_allowed:
        n_threads = min(n_blocks, n_allowed)
        if n_threads == 1:
            yield map
            return
        crew = _Crew()
        try:
            crew.hire(n_threads - 1)
            yield crew.map
        finally:
            crew.dismiss()


@contextmanager
def deferred_interrupt() -> Iterator[Callable[[], None]]:
    """Hold a Ctrl-C back until the function given is called, which raises it.

    Raised anywhere, it may hit a queue or a lock between the threads, and all of them
    would wait for ever.  A second Ctrl-C is not held back.
    """
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    ):  # none will come here, or one that is somebody else's to handle
        yield lambda: None
        return

    pending = False

    def hold(signum: int, frame: Any) -> None:
        nonlocal pending
        if pending:
            signal.default_int_handler(signum, frame)
        pending = True

    def deliver() -> None:
        nonlocal pending
        if pending:
            pending = False
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, hold)
    try:
        yield deliver
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    deliver()
