"""Calls of a dask client, and errors after its connection is lost.

Without these functions, dask would try for 30 seconds to connect to a lost scheduler.
A new connection would not restore the data.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from traceback import clear_frames
from typing import Any

from distributed import CancelledError, Client, Future
from distributed.comm import CommClosedError

# Seconds between two checks of the connection during a wait.
_POLL_INTERVAL = 0.2


@contextmanager
def cluster_errors(client: Client) -> Iterator[None]:
    """Raise ConnectionError for a lost connection and RuntimeError for lost data."""
    address = client.scheduler.address  # a closed client has no scheduler
    try:
        yield
    except Exception as error:
        # The client keeps the error, and frames of its traceback keep data on workers.
        clear_frames(error.__traceback__)
        # The client may have a new connection already.
        is_lost = isinstance(error, CommClosedError) or "connection-lost" in str(error)
        if is_lost or client.status != "running":
            raise ConnectionError(
                f"The connection to the dask scheduler at {address} was lost. The "
                "estimator is unchanged. Make a new client, and fit again."
            ) from error
        if isinstance(error, CancelledError):
            raise RuntimeError(
                "The cluster has lost data of X, y or sample_weight and cannot compute "
                "it again, because it came from client.scatter or was cancelled. The "
                "estimator is unchanged."
            ) from error
        raise


def sync(client: Client, method: Callable[..., Any], *args: Any) -> Any:
    """Return the result of a client's method; raise if the connection is lost."""

    async def result() -> Any:
        pending = asyncio.ensure_future(method(*args))
        while not (await asyncio.wait([pending], timeout=_POLL_INTERVAL))[0]:
            if client.status != "running":
                pending.cancel()
                raise CommClosedError(f"The client is {client.status}.")
        return pending.result()

    return client.sync(result)


def gather(client: Client, futures: list[Future]) -> list[Any]:
    """Return the results of futures."""
    return sync(client, client.gather, futures)
