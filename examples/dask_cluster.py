"""
Train on a cluster
==================

Two worker processes make shifted, noisy copies of the shipped digits, and keep them in
their memory: no process holds all the data. The network is trained on the workers, and
then predicts for arrays in memory. The example needs the extra ``dask``::

    python -m pip install -e ".[dask,plot]"
    python examples/dask_cluster.py --copies 40

``--scheduler tcp://address:8786`` uses the workers of another scheduler, which need
sknn3 too.
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
# The functions that make a partition run on the workers. Each partition has a seed, so
# that another worker can make it again if its worker is lost.


def copy_of_digits(block_info: Any, first_seed: int) -> np.ndarray:
    """Return the digits, shifted by up to a pixel in each direction, with noise."""
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
    """Return the labels, which are the same for each copy."""
    return load_digits20(return_X_y=True)[1].astype(int)


def copies_of_digits(n_copies: int, *, first_seed: int) -> tuple[da.Array, da.Array]:
    """Return copies of the digits as lazy dask arrays, one partition each."""
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
# In each pass :class:`~sknn3.dask.DaskThreeLayerNNClassifier` sends the weights to the
# workers, and each of them returns a cost and a gradient. ``to_local`` returns a
# :class:`~sknn3.ThreeLayerNNClassifier`, which needs no cluster.


def train(client: Client, n_copies: int, max_iter: int) -> ThreeLayerNNClassifier:
    """Fit the network to copies, and score it on new ones."""
    X, y = client.persist(copies_of_digits(n_copies, first_seed=0))
    wait([X, y])
    print(f"{X.shape[0]} x {X.shape[1]} {X.dtype}, {X.nbytes / 2**20:.0f} MiB,")
    print(f"in {X.npartitions} partitions on {len(client.nthreads())} workers")

    clf = DaskThreeLayerNNClassifier(
        alpha=1.0, solver="lbfgs", max_iter=max_iter, random_state=0
    )
    start = perf_counter()
    clf.fit(X, y)
    seconds = perf_counter() - start
    print(f"{clf.n_iter_} passes, {seconds / clf.n_iter_:.3f} s each")

    X_new, y_new = copies_of_digits(2, first_seed=n_copies)
    print(f"accuracy on {X_new.shape[0]} new copies: {clf.score(X_new, y_new):.2%}")

    local = clf.to_local()
    X, y = load_digits20(return_X_y=True)
    print(f"{local}\npredicts for the first digit of each class")
    print(local.predict(X[np.unique(y, return_index=True)[1]].astype(np.float32)))
    return local


# %%
# The cluster
# -----------
# Worker processes import this file, and must not start workers themselves. So the code
# that starts them is below ``if __name__ == "__main__"``.

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Train on a cluster.")
    parser.add_argument("--copies", type=int, default=10, help="of the 5000 digits")
    parser.add_argument("--max-iter", type=int, default=30, help="passes")
    parser.add_argument("--scheduler", help="address; by default two processes here")
    arguments = parser.parse_args()
    # The number of passes ends training before it has converged.
    warnings.simplefilter("ignore", ConvergenceWarning)

    with ExitStack() as stack:
        address = arguments.scheduler or stack.enter_context(
            LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0")
        )
        client = stack.enter_context(Client(address))
        local = train(client, arguments.copies, arguments.max_iter)

    LossCurveDisplay.from_estimator(local, name="DaskThreeLayerNNClassifier")
    plt.show()
