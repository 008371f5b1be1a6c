"""Train on a file that is larger than the memory which the process may use.

A generator writes noisy digits to a file, block by block; where they are to have more
or fewer than 400 features, these are random mixtures of the pixels.  The file is opened
as a memory map, and on Linux the process limits its own memory before it trains.  The
file is written beside this script, or where ``--output`` says, and deleted in the end::

    python examples/out_of_core.py
    python examples/out_of_core.py --gib 3 --features 784 --hidden 100
"""

import argparse
import os
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sknn3 import ThreeLayerNNClassifier
from sknn3.datasets import load_digits20

STATUS = Path("/proc/self/status")
BLOCK_ROWS = 5000


def main() -> None:
    """Write the file, train, and go away without it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "output")
    parser.add_argument("--gib", type=float, default=0.25, help="size of the file")
    parser.add_argument("--features", type=int, default=400)
    parser.add_argument("--hidden", type=int, default=25, help="number of hidden units")
    parser.add_argument("--passes", type=int, default=20, help="budget of training")
    parser.add_argument("--spare", type=int, default=128, help="MiB of memory left")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    # The budget is meant to end training.
    warnings.simplefilter("ignore", ConvergenceWarning)

    n, d = int(arguments.gib * 2**28) // arguments.features, arguments.features
    path = arguments.output / "samples.float32"
    try:
        with path.open("wb") as file:
            labels = [y for X, y in noisy_digits(n, d) if file.write(X)]
        X, y = np.memmap(path, np.float32, "r", shape=(n, d)), np.concatenate(labels)
        print(f"file              {X.nbytes / 2**30:.2f} GiB, {n} x {d}, float32")
        limit_memory(arguments.spare)
        train(X, y, arguments.hidden, arguments.passes)
        seconds = np.median([measured(read, path)[0] for _ in range(3)])
        print(f"reading alone     {X.nbytes / seconds / 1e9:.2f} GB/s")
    finally:
        path.unlink()


def noisy_digits(n: int, d: int, seed: int = 0) -> Iterator[list[np.ndarray]]:
    """Give samples and labels, block by block."""
    X, y = load_digits20(return_X_y=True)
    if d != X.shape[1]:
        X = X @ np.random.default_rng(0).normal(0, 0.05, (X.shape[1], d))
    X, y, rng = X.astype(np.float32), y.astype(np.uint8), np.random.default_rng(seed)
    deviation = 0.5 * X.std()
    for start in range(0, n, BLOCK_ROWS):
        rows = rng.integers(0, len(X), min(BLOCK_ROWS, n - start))
        noise = rng.standard_normal((len(rows), d), np.float32)
        yield [X[rows] + deviation * noise, y[rows]]


def train(X: np.ndarray, y: np.ndarray, n_hidden: int, n_passes: int) -> None:
    """Train and predict, and tell what it took."""
    before = status("RssAnon") / 2**20
    once = ThreeLayerNNClassifier(n_hidden, max_iter=1, random_state=0)
    clf = ThreeLayerNNClassifier(n_hidden, max_iter=n_passes, random_state=0)
    first, _ = measured(once.fit, X, y)
    seconds, peak = measured(clf.fit, X, y)
    of_prediction, peak_of_prediction = measured(clf.predict, X)
    a_pass = (seconds - first) / (n_passes - 1)
    print(f"private memory    {before:.0f} MiB, in training up to {peak:.0f} MiB,")
    print(f"                  in predicting all up to {peak_of_prediction:.0f} MiB")
    print(f"training          {seconds:.2f} s, {n_passes} passes")
    print(f"a pass            {a_pass:.3f} s, {X.nbytes / a_pass / 1e9:.2f} GB/s")
    print(f"predicting all    {of_prediction:.2f} s")
    fresh, digits = next(noisy_digits(BLOCK_ROWS, X.shape[1], seed=1))
    print(f"accuracy          {clf.score(fresh, digits):.2%} of fresh samples")


def limit_memory(spare: int) -> None:
    """Leave so many MiB beside what is in use, where the system can."""
    if not STATUS.exists():
        print("limit             none, since this is not Linux")
        return
    import resource

    stacks = 8 * (os.cpu_count() or 1)  # of threads count as if they were in use
    limit = status("VmData") + (spare + stacks) * 2**20
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
    print(f"limit             {spare} MiB more, and {stacks} for threads' stacks")


def status(name: str) -> int:
    """Read one of Linux's counts of memory, in bytes; RssAnon is what no file holds."""
    lines = STATUS.read_text().splitlines() if STATUS.exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if name in line), 0)


def measured(function: Callable[..., object], *args: object) -> tuple[float, float]:
    """Tell the seconds of a call, and the peak of private memory meanwhile in MiB."""
    peak, done = [status("RssAnon")], threading.Event()

    def watch() -> None:
        while not done.wait(0.01):
            peak.append(max(peak.pop(), status("RssAnon")))

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = perf_counter()
    try:
        function(*args)
    finally:
        seconds = perf_counter() - start
        done.set()
        watcher.join()
    return seconds, peak[0] / 2**20


def read(path: Path) -> None:
    """Read the file in pieces of 8 MiB."""
    piece = bytearray(2**23)
    with path.open("rb", buffering=0) as file:
        while file.readinto(piece):
            pass


if __name__ == "__main__":
    main()
