"""Ctrl-C during a fit: held back until it can do no harm.

Raised anywhere, it may hit a queue or a lock between threads, which then wait for
ever, or what gives BLAS its limits and the estimator its attributes back.
"""

from __future__ import annotations

import math
import signal
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any


class Interrupts:
    """Those of a fit, from when they come until one is delivered."""

    def __init__(self) -> None:
        self._n_pending = 0
        self._n_held: float = math.inf
        self._raised = False
        self._over = False

    @contextmanager
    def held(self) -> Iterator[Interrupts]:
        """Hold them back; one that is not delivered comes at the end."""
        if (
            threading.current_thread() is not threading.main_thread()
            or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        ):  # none will come here, or one that is somebody else's to handle
            yield self
            return
        signal.signal(signal.SIGINT, self._receive)
        try:
            yield self
        finally:
            self._over = True
            if signal.getsignal(signal.SIGINT) == self._receive:  # nobody changed it
                signal.signal(signal.SIGINT, signal.default_int_handler)
        self.deliver()

    @contextmanager
    def raised_after(self, n_held: float) -> Iterator[None]:
        """Raise one wherever it comes, after so many that are held back."""
        before, self._n_held = self._n_held, n_held
        try:
            yield
        finally:
            self._n_held = before

    def undisturbed(self) -> AbstractContextManager[None]:
        """Hold back all, whichever fit they are told to: one may run inside another."""
        told = getattr(signal.getsignal(signal.SIGINT), "__self__", self)
        one = told if isinstance(told, Interrupts) else self
        return one.raised_after(math.inf)

    def deliver(self) -> None:
        """Raise one here, if any has come."""
        if self._n_pending:
            self._n_pending = 0
            raise KeyboardInterrupt

    def _receive(self, signum: int, frame: Any) -> None:
        if self._over:  # somebody has put back the handler of that time
            signal.default_int_handler(signum, frame)
        self._n_pending += 1
        # One alone: what it sets off is not to be disturbed.
        if self._n_pending > self._n_held and not self._raised:
            self._raised = True
            signal.default_int_handler(signum, frame)
