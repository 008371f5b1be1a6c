"""Waiting for a cluster, for as long as it can be reached.

By itself dask tries for 30 seconds to have a lost scheduler back, and with it comes
nothing of what it knew.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from traceback import clear_frames
from typing import Any

from distributed import CancelledError, Client, Future
from distributed.comm import CommClosedError

# Seconds between looks at the connection while something is awaited.
_LOOK_EVERY = 0.2


@contextmanager
def connected(client: Client) -> Iterator[None]:
    """Say so if the connection, or data, is what has been lost."""
    address = client.scheduler.address  # which a closed client has forgotten
    try:
        yield
    except Exception as error:
        # The client keeps errors, which keep the frames they went through, which would
        # keep the futures of the fit, and so its data on the workers.
        clear_frames(error.__traceback__)
        if _is_disconnection(client, error):
            raise ConnectionError(
                f"The connection to the dask scheduler at {address} was lost: the "
                "estimator is as it was before. Connect a new client, and fit again."
            ) from error
        if isinstance(error, CancelledError):
            raise RuntimeError(
                "The cluster has lost data of X, y or sample_weight and cannot compute "
                "it again, or was told to forget it: the estimator is as it was "
                "before. What client.scatter sends is gone with the worker that has "
                "it, unless several have (broadcast=True); of what is made by "
                "dask.array.from_array or by any function, dask knows how."
            ) from error
        raise


def _is_disconnection(client: Client, error: Exception) -> bool:
    return (
        client.status != "running"
        or isinstance(error, CommClosedError)
        # dask may have reconnected meanwhile, to a scheduler that knows nothing.
        or (isinstance(error, CancelledError) and "connection-lost" in str(error))
    )


def asked(client: Client, method: Callable[..., Any], *args: Any) -> Any:
    """Wait for what a method of the client answers."""

    async def answer() -> Any:
        pending = asyncio.ensure_future(method(*args))
        while not (await asyncio.wait([pending], timeout=_LOOK_EVERY))[0]:
            if client.status != "running":
                pending.cancel()
                raise CommClosedError(f"The client is {client.status}.")
        return pending.result()

    return client.sync(answer)


def settled(client: Client, futures: list[Future]) -> list[Future]:
    """Wait until all are computed, or one has failed."""
    while not all(future.done() for future in futures):
        if client.status != "running":
            raise CommClosedError(f"The client is {client.status}.")
        if any(future.status == "error" for future in futures):
            break
        time.sleep(_LOOK_EVERY / 20)
    return futures
