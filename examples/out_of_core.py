"""
Train on a file larger than memory
==================================

This script opens a file as a memory map, and training takes less memory than the size
of the file. On Linux the script limits its memory to check this: a copy of the data
would fail. It writes the file to a temporary folder, or to ``--output``, and deletes it
at the end::

    python examples/out_of_core.py
    python examples/out_of_core.py --gib 3 --features 784 --hidden 100
"""

import argparse
import ctypes
import os
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sknn3 import ThreeLayerNNClassifier
from sknn3.datasets import load_digits20

parser = argparse.ArgumentParser(description="Train on a file larger than memory.")
parser.add_argument("--output", type=Path, help="folder; by default a temporary one")
parser.add_argument("--gib", type=float, default=0.25, help="size of the file")
parser.add_argument("--features", type=int, default=400)
parser.add_argument("--hidden", type=int, default=25, help="number of hidden units")
parser.add_argument("--passes", type=int, default=15, help="budget of training")
parser.add_argument("--spare", type=int, default=128, help="MiB of memory left")
arguments = parser.parse_args()
# max_iter ends these fits before they converge, by design.
warnings.simplefilter("ignore", ConvergenceWarning)

# %%
# The data
# --------
# A generator makes digits with noise, block by block. If ``--features`` is not 400, the
# features are random linear combinations of the 400 pixels.

BLOCK_ROWS = 5000


def noisy_digits(n: int, d: int, seed: int = 0) -> Iterator[list[np.ndarray]]:
    """Yield samples and labels, block by block."""
    X, y = load_digits20(return_X_y=True)
    if d != X.shape[1]:
        X = X @ np.random.default_rng(0).normal(0, 0.05, (X.shape[1], d))
    X, y, rng = X.astype(np.float32), y.astype(np.uint8), np.random.default_rng(seed)
    deviation = 0.5 * X.std()
    for start in range(0, n, BLOCK_ROWS):
        rows = rng.integers(0, len(X), min(BLOCK_ROWS, n - start))
        noise = rng.standard_normal((len(rows), d), np.float32)
        yield [X[rows] + deviation * noise, y[rows]]


n, d = int(arguments.gib * 2**28) // arguments.features, arguments.features
temporary = TemporaryDirectory()
folder = arguments.output or Path(temporary.name)
folder.mkdir(parents=True, exist_ok=True)
path = folder / "samples.float32"
with path.open("wb") as file:
    labels = [y for X, y in noisy_digits(n, d) if file.write(X)]
X, y = np.memmap(path, np.float32, "r", shape=(n, d)), np.concatenate(labels)
print(f"{X.nbytes / 2**30:.2f} GiB, {n} x {d}, float32")

# %%
# The limit
# ---------
# The limit applies to private memory. The pages of a memory map do not count, because
# the system can drop them and read them from the file again. The limit is removed after
# training and prediction.

STATUS = Path("/proc/self/status")


def status(name: str) -> int:
    """Return a memory count of Linux in bytes; RssAnon is anonymous memory."""
    lines = STATUS.read_text(encoding="utf-8").splitlines() if STATUS.exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if name in line), 0)


@contextmanager
def memory_limited(spare: int) -> Iterator[None]:
    """Limit private memory to `spare` MiB more than is in use, on Linux."""
    if not STATUS.exists():
        print("limit             none, since this is not Linux")
        yield
        return
    import resource

    stacks = 8 * (os.cpu_count() or 1)  # Linux counts all of a stack
    limit = status("VmData") + (spare + stacks) * 2**20
    before = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, before[1]))
    print(f"limit             {spare} MiB more, and {stacks} for threads' stacks")
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def measured(
    function: Callable[..., object], *args: object
) -> tuple[float, list[tuple[float, float]]]:
    """Return the seconds of a call, and samples of private memory in MiB."""
    series, done, start = [], threading.Event(), perf_counter()

    def watch() -> None:
        while not done.wait(0.01):
            series.append((perf_counter() - start, status("RssAnon") / 2**20))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        function(*args)
        return perf_counter() - start, series
    finally:
        done.set()
        watcher.join()


# %%
# Train and predict
# -----------------
# A fit of one pass measures the time before the first pass. The time of a pass is the
# remaining time of the long fit, divided by the number of further passes.

once = ThreeLayerNNClassifier(arguments.hidden, alpha=1, max_iter=1, random_state=0)
clf = ThreeLayerNNClassifier(
    arguments.hidden, alpha=1, max_iter=arguments.passes, random_state=0
)
# Return freed memory to the system, since training could use it without being counted.
if STATUS.exists() and hasattr(ctypes.CDLL(None), "malloc_trim"):
    ctypes.CDLL(None).malloc_trim(0)
before = status("RssAnon") / 2**20
with memory_limited(arguments.spare):
    first, _ = measured(once.fit, X, y)
    training, of_training = measured(clf.fit, X, y)
    predicting, of_predicting = measured(clf.predict, X)


def peak(series: list[tuple[float, float]]) -> float:
    """Return the largest increase of private memory in MiB."""
    return max((mib for _, mib in series), default=before) - before


a_pass = (training - first) / max(clf.n_iter_ - 1, 1)
print(f"private memory    {before:.0f} MiB before,")
print(f"                  in training up to {peak(of_training):.0f} MiB more,")
print(f"                  in predicting all up to {peak(of_predicting):.0f} MiB more")
print(f"training          {training:.2f} s, {clf.n_iter_} passes")
print(f"a pass            {a_pass:.3f} s, {X.nbytes / a_pass / 1e9:.2f} GB/s")
print(f"predicting all    {predicting:.2f} s")
fresh, digits = next(noisy_digits(BLOCK_ROWS, d, seed=1))
print(f"accuracy          {clf.score(fresh, digits):.2%} of fresh samples")

# %%
figure, ax = plt.subplots(layout="constrained")
for name, series, start in [
    ("training", of_training, 0),
    ("predicting all", of_predicting, training),
]:
    seconds, mib = np.reshape(series, (-1, 2)).T
    ax.plot(start + seconds, mib - before, label=name)
for name, mib in [
    ("size of the file", X.nbytes / 2**20),
    ("limit", arguments.spare),
]:
    ax.axhline(mib, color="black", linestyle=":")
    ax.text(0, mib, name, verticalalignment="bottom")
ax.set(xlabel="Seconds", ylabel="Private memory taken (MiB)", ylim=0)
ax.margins(y=0.1)
ax.legend(loc="center right")
plt.show()

# %%
# Training takes the memory of a few blocks of rows, and some bytes for each sample.
# Predicting takes the memory of the outputs of all rows. The matrix products limit the
# speed of a pass. If the file is not in the page cache, the disk may limit it. This is
# the speed of reading the file:


def read(path: Path) -> None:
    """Read the file in pieces of 8 MiB."""
    piece = bytearray(2**23)
    with path.open("rb", buffering=0) as file:
        while file.readinto(piece):
            pass


seconds = np.median([measured(read, path)[0] for _ in range(3)])
print(f"reading alone     {X.nbytes / seconds / 1e9:.2f} GB/s")
del X  # Windows deletes no file that is open
path.unlink()
temporary.cleanup()
