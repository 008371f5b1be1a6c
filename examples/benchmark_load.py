"""Measure sknn3 under load: many threads at once, and many calls in a row.

The script compares predictions of 200 threads on one fitted estimator, and concurrent
fits in many threads, with those of one thread to the bit.  It also measures whether ten
thousand fits and a million predictions in a row change the memory, threads, open files
and Python objects of the process.  The peer is scikit-learn's MLPClassifier; short
measurements alternate between the two.  The script prints a table for each section and
writes all figures, the machine and the versions to a file::

    python examples/benchmark_load.py --quick
    python examples/benchmark_load.py --json docs/benchmarks_load.json

It takes twelve minutes, with `--quick` one.  It reads memory and files from /proc, so
it needs Linux.  Run it on an idle machine: other processes distort the times.
"""

import argparse
import gc
import json
import os
import platform
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from importlib.metadata import version
from itertools import product
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

import sknn3
from sknn3 import ThreeLayerNNClassifier
from sknn3.datasets import load_digits20

Row = dict[str, Any]
METHODS = ("predict", "predict_proba", "decision_function")
DTYPES = (np.float32, np.float64)


def main() -> None:
    """Run the chosen sections."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer and smaller runs")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=[*SECTIONS])
    arguments = parser.parse_args()
    # max_iter ends these fits before they converge, by design.
    warnings.simplefilter("ignore", ConvergenceWarning)
    report: dict[str, Any] = {"about": about(), "quick": arguments.quick}
    print(", ".join(f"{name}: {value}" for name, value in report["about"].items()))
    for name in arguments.sections:
        print(f"\n{name}: {SECTIONS[name].__doc__.splitlines()[0]}")
        report[name] = []
        for row in SECTIONS[name](arguments.quick):
            report[name].append(row)
            shown = {k: v for k, v in row.items() if k != "course"}
            print("  " + "  ".join(f"{k} {tidy(v)}" for k, v in shown.items()))
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1), encoding="utf-8")


def about() -> dict[str, str]:
    """Return the machine and the versions of the packages."""
    packages = ("numpy", "scipy", "scikit-learn", "threadpoolctl")
    return {
        "machine": platform.machine(),
        "cpus": str(os.cpu_count()),
        "load": f"{os.getloadavg()[0]:.2f}",
        "python": platform.python_version(),
        "sknn3": sknn3.__version__,
        **{package: version(package) for package in packages},
    }


def tidy(value: Any) -> str:
    """Return a float with four digits, and other values as text."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


# ------------------------------------------------------------------ how to measure


def resources() -> Row:
    """Count the memory, threads, open files and objects of this process."""
    gc.collect()
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    anonymous = status.partition("RssAnon:")[2].split()[0]  # not of files
    return {
        "memory": 1024 * int(anonymous),
        "threads": len([*Path("/proc/self/task").iterdir()]),  # and those of BLAS
        "files": len([*Path("/proc/self/fd").iterdir()]),
        "objects": len(gc.get_objects()),
    }


def in_threads(n_threads: int, function: Callable[[int], Any]) -> tuple[float, list]:
    """Run function(0), function(1), ... at once; return seconds and results."""
    results: list[Any] = [None] * n_threads
    together = threading.Barrier(n_threads + 1)

    def work(i: int) -> None:
        together.wait()
        results[i] = function(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(n_threads)]
    for thread in threads:
        thread.start()
    together.wait()
    start = perf_counter()
    for thread in threads:
        thread.join()
    return perf_counter() - start, results


def peers(X: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    """Fit the same network with sknn3 and with MLPClassifier."""
    ours = ThreeLayerNNClassifier(25, alpha=1, max_iter=5, random_state=0)
    peer = MLPClassifier(
        (25,), activation="logistic", solver="lbfgs", max_iter=5, random_state=0
    )
    return {"sknn3": ours.fit(X, y), "MLPClassifier": peer.fit(X, y)}


def blas_threads(n_threads: int | None) -> AbstractContextManager[Any]:
    """Return a context that limits the threads of BLAS, unless given None."""
    if n_threads is None:
        return nullcontext()
    return threadpool_limits(n_threads, user_api="blas")


# ------------------------------------------------------------------------ sections


def predict_at_once(quick: bool) -> Iterator[Row]:
    """Microseconds of a prediction by 200 threads on one estimator, and by one thread.

    `different` counts the results that differ from those of one thread by a bit or
    more.  Each line is from a new process, because OpenBLAS warns once per process.
    """
    for n_rows, n_calls in ((1, 10 if quick else 100), (100, 1 if quick else 5)):
        for limit in (None, 1):
            times = {}
            for who in ("sknn3", "MLPClassifier"):
                row = in_a_process("threads_predict", who, n_rows, n_calls, limit)
                times[who] = row.get("us in 200 threads", np.nan)
                yield {
                    "who": who,
                    "rows": n_rows,
                    "BLAS": "default threads" if limit is None else "one thread",
                } | row
            yield {"times as fast": times["MLPClassifier"] / times["sknn3"]}


def in_a_process(function: str, *arguments: Any) -> Row:
    """Call a function of this file in a new process; return its row and stderr."""
    code = (
        "import json, runpy; "
        f"functions = runpy.run_path({__file__!r}); "
        f"print(json.dumps(functions[{function!r}](*{arguments!r})))"
    )
    done = subprocess.run(  # noqa: S603 (this script)
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        encoding="utf-8",
        check=False,  # the exit status is reported
    )
    said = {"stderr": " ".join(done.stderr.split())[:60]}
    if done.returncode:  # OpenBLAS ran out of buffers
        return said | {"ended by": done.returncode}
    return json.loads(done.stdout) | said


def threads_predict(who: str, n_rows: int, n_calls: int, limit: int | None) -> Row:
    """Time each method in 200 threads, and in one thread for comparison."""
    digits, y = load_digits20(return_X_y=True)
    fitted = {dtype: peers(digits.astype(dtype), y)[who] for dtype in DTYPES}
    different, alone, together = 0, [], []

    def answers(i: int, predict: Any, X: np.ndarray) -> list[np.ndarray]:
        starts = range(i % 10 * 400, i % 10 * 400 + n_calls)
        return [predict(X[start : start + n_rows]) for start in starts]

    with blas_threads(limit):
        before = None
        for dtype, method in product(DTYPES, METHODS):
            predict = getattr(fitted[dtype], method, None)
            if predict is None:  # the peer has no decision_function
                continue
            answer = partial(answers, predict=predict, X=digits.astype(dtype))
            start = perf_counter()
            expected = [answer(i) for i in range(10)]
            alone.append(1e6 * (perf_counter() - start) / 10 / n_calls)
            before = before or resources()
            spent, found = in_threads(200, answer)
            together.append(1e6 * spent / 200 / n_calls)
            different += sum(
                not np.array_equal(a, b)
                for i, each in enumerate(found)
                for a, b in zip(each, expected[i % 10], strict=True)
            )
        del expected, found
        after = resources()
    return {
        "calls": 200 * n_calls * len(together),
        "different": different,
        "us alone": float(np.mean(alone)),
        "us in 200 threads": float(np.mean(together)),
        "a second": 1e6 / float(np.mean(together)),
        "MiB more": (after["memory"] - before["memory"]) / 2**20,
        "threads more": after["threads"] - before["threads"],
        "files more": after["files"] - before["files"],
    }


class Silent:
    """A callback that does nothing: each ScoringMonitor opens a socket and a thread."""

    def setup(self, estimator: Any, context: Any) -> None:
        """Do nothing."""

    teardown = on_fit_task_begin = on_fit_task_end = setup


def kinds_of_fits() -> list[tuple[Any, Any, Any]]:
    """Return estimators and their data, one tuple for each kind of fit."""
    rng = np.random.default_rng(0)
    X, many = rng.standard_normal((150, 8)), rng.standard_normal((1500, 8))
    y, labels = X[:, 0] > 0, X[:, :3] > 0
    net = partial(ThreeLayerNNClassifier, 8, max_iter=5, random_state=0)
    bad = X.copy()
    bad[3, 3] = np.nan
    return [
        (net(), X, y),
        (net(solver="lbfgs"), X, y),
        (net(), many, many[:, 0] > 0),  # two blocks, on threads
        (net(early_stopping=True), X, y),
        (net(), sp.csr_array(X), y),
        (net().set_callbacks(Silent()), X, y),
        (net(), X, labels.astype(int)),
        (net(output_activation="softmax"), X.astype(np.float32), labels.sum(axis=1)),
        (net(warm_start=True), X, y),
        (net(), bad, y),  # fails
    ]


def fit_in_a_row(quick: bool) -> Iterator[Row]:
    """Memory, threads, files and objects before and after 10,000 fits of ten kinds."""
    kinds = kinds_of_fits()
    n_fits = 600 if quick else 10_000
    per_interval, course = n_fits // 10, []
    for interval in range(11):  # the first warms up
        start = perf_counter()
        for i in range(per_interval):
            estimator, X, y = kinds[i % len(kinds)]
            with suppress(ValueError):
                estimator.fit(X, y)
        ms = 1e3 * (perf_counter() - start) / per_interval
        course.append({"fits": (interval + 1) * per_interval, "ms": ms} | resources())
    yield slopes(course, "fits")


def slopes(course: list[Row], what: str) -> Row:
    """Return the growth of each resource from the first reading to the last."""
    first, last = course[0], course[-1]
    done = [row[what] for row in course]
    memory = np.polyfit(done, [row["memory"] for row in course], 1)[0]
    return {
        what: last[what] - first[what],
        "bytes each": float(memory),
        "MiB before": first["memory"] / 2**20,
        "MiB after": last["memory"] / 2**20,
        **{f"{k} more": last[k] - first[k] for k in ("threads", "files", "objects")},
        "ms at the start": course[1]["ms"],
        "ms at the end": last["ms"],
        "course": course,
    }


def predict_in_a_row(quick: bool) -> Iterator[Row]:
    """Microseconds of a prediction of one row, and growth over a million of them.

    The peer alternates with sknn3 and makes a tenth as many predictions.
    """
    digits, y = load_digits20(return_X_y=True)
    n_calls, n_turns = 2_000 if quick else 25_000, 11
    for dtype, method in product(DTYPES, ("predict", "predict_proba")):
        X = digits.astype(dtype)
        both, course, times = peers(X, y), [], {"sknn3": [], "MLPClassifier": []}
        for turn in range(n_turns):  # the first warms up
            for who, estimator in both.items():
                n = n_calls if who == "sknn3" else n_calls // 10
                predict = getattr(estimator, method)
                start = perf_counter()
                for i in range(n):
                    row = i % len(X)
                    predict(X[row : row + 1])
                times[who].append(1e6 * (perf_counter() - start) / n)
            ms = times["sknn3"][-1] / 1e3
            calls = (turn + 1) * n_calls
            course.append({"predictions": calls, "ms": ms} | resources())
        us = {who: float(np.median(each[1:])) for who, each in times.items()}
        yield {
            "method": method,
            "dtype": X.dtype.name,
            "sknn3 us": us["sknn3"],
            "MLPClassifier us": us["MLPClassifier"],
            "times as fast": us["MLPClassifier"] / us["sknn3"],
        } | slopes(course, "predictions")


def fit_at_once(quick: bool) -> Iterator[Row]:
    """Seconds of 32 fits in 32 threads at once, and of the same fits in sequence."""
    digits, y = load_digits20(return_X_y=True)
    for n_rows in (500, 5000):
        rows = slice(0, None, len(y) // n_rows)
        X, labels = digits[rows], y[rows]
        peer = partial(MLPClassifier, (25,), activation="logistic", max_iter=10)
        net = partial(ThreeLayerNNClassifier, 25, alpha=1, max_iter=10)
        makers = {
            "sknn3 tnc": net,
            "sknn3 lbfgs": partial(net, solver="lbfgs"),
            "MLPClassifier lbfgs": partial(peer, solver="lbfgs"),
        }
        for who, make in makers.items():

            def fit(seed: int, make: Any = make, X: Any = X, y: Any = labels) -> Any:
                clf = make(random_state=seed).fit(X, y)
                return [*clf.coefs_, *clf.intercepts_]

            n_fits = 8 if quick else 32
            fit(0)
            before = resources()
            start = perf_counter()
            alone = [fit(seed) for seed in range(n_fits)]
            in_a_row = perf_counter() - start
            at_once, found = in_threads(n_fits, fit)
            equal = all(
                np.array_equal(a, b)
                for one, other in zip(alone, found, strict=True)
                for a, b in zip(one, other, strict=True)
            )
            del alone, found
            after = resources()
            yield {
                "who": who,
                "rows": n_rows,
                "fits": n_fits,
                "s in a row": in_a_row,
                "s at once": at_once,
                "times as fast": in_a_row / at_once,
                "equal to the bit": equal,
                "threads more": after["threads"] - before["threads"],
            }


SECTIONS: dict[str, Callable[[bool], Iterator[Row]]] = {
    "threads": predict_at_once,
    "fits": fit_in_a_row,
    "predictions": predict_in_a_row,
    "fits at once": fit_at_once,
}


if __name__ == "__main__":
    main()
