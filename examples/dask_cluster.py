"""
Train on a cluster
==================

Two worker processes make shifted, noisy copies of the shipped digits and keep them: no
process holds the data as a whole. The network is trained where they are, and comes back
for arrays on this machine. It needs the extra ``dask``::

    python -m pip install -e ".[dask,plot]"
    python examples/dask_cluster.py --copies 40

With a scheduler elsewhere, ``--scheduler tcp://address:8786`` takes its workers; they
need sknn3 too.
"""

import argparse
import warnings
from contextlib import ExitStack
from time import perf_counter
from typing import Any

import dask.array as da
import matplotlib.pyplot as plt
import numpy as np
from distributed import Client, LocalCluster, wait
from sklearn.exceptions import ConvergenceWarning

from sknn3 import ThreeLayerNNClassifier
from sknn3.dask import DaskThreeLayerNNClassifier
from sknn3.datasets import load_digits20
from sknn3.display import LossCurveDisplay

N_DIGITS, N_PIXELS, SIDE = 5000, 400, 20

# %%
# The data
# --------
# What a worker does for a partition: each has a seed of its own, so that it can be made
# again where a worker is lost.


def copy_of_digits(block_info: Any, first_seed: int) -> np.ndarray:
    """Shift each digit by up to a pixel either way, and add noise."""
    rng = np.random.default_rng(first_seed + block_info[None]["chunk-location"][0])
    X, _ = load_digits20(return_X_y=True)
    images = X.astype(np.float32).reshape(-1, SIDE, SIDE)
    shifts = rng.integers(-1, 2, size=(len(X), 2))
    for shift in np.unique(shifts, axis=0):
        of_shift = (shifts == shift).all(axis=1)
        images[of_shift] = np.roll(images[of_shift], shift, axis=(1, 2))
    rows = images.reshape(len(X), -1)
    return rows + rng.normal(0, 0.1, rows.shape).astype(np.float32)


def labels_of_digits(block_info: Any) -> np.ndarray:
    """Tell the labels of a copy, which are those of any."""
    return load_digits20(return_X_y=True)[1].astype(int)


def copies_of_digits(n_copies: int, *, first_seed: int) -> tuple[da.Array, da.Array]:
    """Describe copies of the digits, a partition each: nothing is made here."""
    sizes = (N_DIGITS,) * n_copies
    X = da.map_blocks(
        copy_of_digits,
        first_seed=first_seed,
        chunks=(sizes, (N_PIXELS,)),
        meta=np.empty((0, N_PIXELS), np.float32),
    )
    y = da.map_blocks(
        labels_of_digits, chunks=(sizes,), meta=np.empty(0, np.dtype(int))
    )
    return X, y


# %%
# The fit
# -------
# :class:`~sknn3.dask.DaskThreeLayerNNClassifier` sends the weights out in each pass,
# and a cost and a gradient come back from each worker. ``to_local`` gives a
# :class:`~sknn3.ThreeLayerNNClassifier`, which needs no cluster.


def train(client: Client, n_copies: int, max_iter: int) -> ThreeLayerNNClassifier:
    """Fit on so many copies, and try the network on fresh ones."""
    X, y = client.persist(copies_of_digits(n_copies, first_seed=0))
    wait([X, y])
    print(f"{X.shape[0]} x {X.shape[1]} {X.dtype}, {X.nbytes / 2**20:.0f} MiB,")
    print(f"in {X.npartitions} partitions on {len(client.nthreads())} workers")

    clf = DaskThreeLayerNNClassifier(
        alpha=1.0, solver="lbfgs", max_iter=max_iter, random_state=0, client=client
    )
    start = perf_counter()
    clf.fit(X, y)
    seconds = perf_counter() - start
    print(f"{clf.n_iter_} passes, {seconds / clf.n_iter_:.3f} s each")

    fresh, true = copies_of_digits(2, first_seed=n_copies)
    print(f"accuracy on {fresh.shape[0]} fresh copies: {clf.score(fresh, true):.2%}")

    local = clf.to_local()
    X, y = load_digits20(return_X_y=True)
    print(f"{local}\ntakes the first of each class, as they are, for")
    print(local.predict(X[np.unique(y, return_index=True)[1]].astype(np.float32)))
    return local


# %%
# The cluster
# -----------
# Workers are processes that import this file, and must not start workers themselves: so
# what starts them stands under ``if __name__ == "__main__"``.

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Train on a cluster.")
    parser.add_argument("--copies", type=int, default=10, help="of the 5000 digits")
    parser.add_argument("--max-iter", type=int, default=30, help="passes")
    parser.add_argument("--scheduler", help="address; by default two processes here")
    arguments = parser.parse_args()
    # The budget is meant to end training.
    warnings.simplefilter("ignore", ConvergenceWarning)

    with ExitStack() as stack:
        address = arguments.scheduler or stack.enter_context(
            LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0")
        )
        client = stack.enter_context(Client(address))
        local = train(client, arguments.copies, arguments.max_iter)

    LossCurveDisplay.from_estimator(local, name="DaskThreeLayerNNClassifier")
    plt.show()
