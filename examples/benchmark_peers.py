"""Compare sknn3 with scikit-learn's MLPClassifier and, if installed, PyTorch.

All peers run in this process.  Short runs alternate, and each figure is the median of
several runs.  Compare only figures of one run of the script, on an idle machine.  The
script prints a table for each section, draws the races, and writes all figures, the
machine and the versions to a file::

    python examples/benchmark_peers.py --quick
    python examples/benchmark_peers.py --mnist mnist.npz --json benchmarks.json

The MNIST file holds `X_train`, `y_train`, `X_test` and `y_test`; without one, the
script downloads the data from OpenML.  `--quick` takes a minute, and skips MNIST unless
a file is given.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from time import perf_counter
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from joblib.externals.loky import get_reusable_executor
from sklearn import config_context
from sklearn.datasets import fetch_openml, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import scale
from threadpoolctl import threadpool_limits

from sknn3 import ThreeLayerNNClassifier, ThreeLayerNNClassifierCV
from sknn3._dataset import Dataset, row_blocks
from sknn3._kernel import Network
from sknn3._minimize import Objective
from sknn3.datasets import load_digits20

try:
    import torch
except ImportError:
    torch = None

Row = dict[str, Any]
SOLVERS = ("tnc", "lbfgs")
DTYPES = (np.float32, np.float64)
N_CLASSES = 10


def main() -> None:
    """Run the chosen sections."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer and smaller runs")
    parser.add_argument("--mnist", type=Path, help="npz file with MNIST")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "output")
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, default=[*SECTIONS])
    arguments = parser.parse_args()
    if arguments.mnist and not arguments.mnist.is_file():
        parser.error(f"--mnist: there is no file {arguments.mnist}")
    for folder in filter(
        None, [arguments.output, arguments.json and arguments.json.parent]
    ):
        folder.mkdir(parents=True, exist_ok=True)
    # max_iter ends most of these fits before they converge, by design.
    warnings.simplefilter("ignore", ConvergenceWarning)
    os.environ["PYTHONWARNINGS"] = "ignore"  # for the workers of a grid search

    report: dict[str, Any] = {"about": about(), "quick": arguments.quick}
    print(", ".join(f"{name}: {value}" for name, value in report["about"].items()))
    for name in arguments.sections:
        if name == "mnist" and arguments.quick and not arguments.mnist:
            continue
        rows = []
        print(f"\n{name}: {SECTIONS[name].__doc__.splitlines()[0]}")
        for row in SECTIONS[name](arguments):
            rows.append(row)
            shown = {k: v for k, v in row.items() if k != "curve"}
            print("  " + "  ".join(f"{k} {tidy(v)}" for k, v in shown.items()))
        report[name] = rows
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1), encoding="utf-8")
    draw(report, arguments.output / "benchmark_peers.png")


def about() -> dict[str, str]:
    """Return the machine and the versions of the packages."""
    facts = {
        "machine": platform.machine(),
        "cpus": str(os.cpu_count()),
        "python": platform.python_version(),
    }
    for package in ("sknn3", "numpy", "scipy", "scikit-learn", "torch"):
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            facts[package] = "not installed"
    if torch and torch.cuda.is_available():
        facts["gpu"] = torch.cuda.get_device_name()
    return facts


def tidy(value: Any) -> str:
    """Return a float with four digits, and other values as text."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


# ------------------------------------------------------------------ how to measure


def seconds(function: Callable[[], Any]) -> float:
    """Return the seconds of one call."""
    start = perf_counter()
    function()
    return perf_counter() - start


def by_turns(n_turns: int, **functions: Callable[[], Any]) -> dict[str, float]:
    """Call the functions in turn; return median seconds after one turn of warm-up."""
    turns = [[seconds(f) for f in functions.values()] for _ in range(n_turns + 1)]
    medians = np.median(turns[1:], axis=0)
    return dict(zip(functions, medians.tolist(), strict=True))


def net(**params: Any) -> ThreeLayerNNClassifier:
    """Make a ThreeLayerNNClassifier with the objective of MLPClassifier.

    Its fits end by `max_iter`, not by `tol`.
    """
    params = {"hidden_layer_size": 25, "alpha": 1.0} | params
    return ThreeLayerNNClassifier(
        output_activation="softmax", tol=0, random_state=0, **params
    )


def mnist(arguments: argparse.Namespace) -> tuple[np.ndarray, ...]:
    """Load MNIST in float32, scaled to [0, 1]."""
    if arguments.mnist:
        with np.load(arguments.mnist) as file:
            X = np.concatenate([file["X_train"], file["X_test"]])
            y = np.concatenate([file["y_train"], file["y_test"]])
    else:
        X, y = fetch_openml("mnist_784", return_X_y=True, as_frame=False)
    X = X.reshape(len(X), -1).astype(np.float32) / np.float32(255)
    y = y.astype(int)
    n_train = 10000 if arguments.quick else 60000
    return X[:n_train], X[60000:], y[:n_train], y[60000:]


# ------------------------------------------------------------------------ sections


def measure_pass(arguments: argparse.Namespace) -> Iterator[Row]:
    """Time of cost and gradient relative to their two products, X W1' and D1' X.

    NumPy computes the products with as many threads: of whole matrices, and in the
    blocks of rows that the package uses.
    """
    X, y = load_digits20(return_X_y=True)
    problems = [(X, y, 25)]
    if not arguments.quick or arguments.mnist:
        X, _, y, _ = mnist(arguments)
        problems.append((X, y, 100))
    for X64, y, n_hidden in problems:
        for dtype in DTYPES:
            X = np.ascontiguousarray(X64, dtype=dtype)
            for output_activation in ("logistic", "softmax"):
                yield time_of_pass(X, y, n_hidden, output_activation, arguments.quick)


def time_of_pass(
    X: np.ndarray, y: np.ndarray, n_hidden: int, output_activation: str, quick: bool
) -> Row:
    """Time evaluations and their products alternately."""
    rng = np.random.default_rng(0)
    n_features = X.shape[1]
    W = rng.standard_normal((n_hidden, n_features)).astype(X.dtype)
    D = rng.standard_normal((len(X), n_hidden)).astype(X.dtype)
    params = (
        rng.standard_normal(n_hidden * (n_features + 1) + N_CLASSES * (n_hidden + 1))
        / 10
    )

    def products(chunk: list[slice]) -> list[tuple[np.ndarray, np.ndarray]]:
        return [(X[rows] @ W.T, D[rows].T @ X[rows]) for rows in chunk]

    def evaluate_and_multiply(n_turns: int) -> dict[str, float]:
        with objective_on(X, y, n_hidden, output_activation) as objective:
            dataset, blocks = objective.dataset, iter(row_blocks(len(X)))
            chunks = [[next(blocks) for _ in chunk] for chunk in dataset.chunks]
            return by_turns(
                n_turns,
                evaluation=lambda: objective(params),
                blocks=lambda: list(dataset.map_chunks(products, chunks)),
            )

    n_turns = 3 if len(X) >= 10000 else 10 if quick else 60
    rounds = [
        evaluate_and_multiply(n_turns)
        | by_turns(n_turns, products=lambda: products([slice(None)]))
        for _ in range(2 if quick else 6)
    ]
    medians = {name: np.median([r[name] for r in rounds]) for name in rounds[0]}
    return {
        "problem": f"{len(X)} x {n_features} x {n_hidden}",
        "dtype": X.dtype.name,
        "output": output_activation,
        "ms": 1e3 * medians["evaluation"],
        "over products": medians["evaluation"] / medians["products"],
        "over products in blocks": medians["evaluation"] / medians["blocks"],
    }


def fit_iris(arguments: argparse.Namespace) -> Iterator[Row]:
    """Milliseconds of a fit of 100 passes on Iris, 150 x 4.

    MLPClassifier's L-BFGS has a maximum of 100 evaluations.  With 25 logistic units
    the objective is the same; the others are the networks by default.
    """
    X, y = load_iris(return_X_y=True)
    X = scale(X)
    peer = {"solver": "lbfgs", "max_iter": 100, "max_fun": 100, "tol": 0}
    fits = {
        "MLPClassifier lbfgs": MLPClassifier(25, activation="logistic", alpha=1, **peer)
    }
    fits |= {f"sknn3 {solver}": net(solver=solver, max_iter=100) for solver in SOLVERS}
    fits["MLPClassifier lbfgs, default network"] = MLPClassifier(**peer)
    for solver in SOLVERS:
        default = ThreeLayerNNClassifier(solver=solver, max_iter=100, tol=0)
        fits[f"sknn3 {solver}, default network"] = default
    times = by_turns(
        5 if arguments.quick else 100,
        **{
            who: lambda clf=clf: clf.set_params(random_state=0).fit(X, y)
            for who, clf in fits.items()
        },
    )
    for who, spent in times.items():
        yield {"who": who, "ms": 1e3 * spent}


def race_on_digits(arguments: argparse.Namespace) -> Iterator[Row]:
    """Seconds to the objective that MLPClassifier's L-BFGS has after 100 iterations.

    `speed-up` is relative to MLPClassifier with the default BLAS threads; `over its
    best` is relative to the faster of that and MLPClassifier with one BLAS thread.
    """
    X64, y = load_digits20(return_X_y=True)
    for dtype in DTYPES:
        X = X64.astype(dtype)
        peer = MLPClassifier(
            (25,),
            activation="logistic",
            solver="lbfgs",
            alpha=1.0,
            max_iter=10 if arguments.quick else 100,
            random_state=0,
        )
        goal = peer.fit(X, y).loss_

        def alone(peer: Any = peer, X: Any = X) -> None:
            with threadpool_limits(1, user_api="blas"):
                peer.fit(X, y)

        racers = {
            "default threads": lambda p=peer, X=X: p.fit(X, y),
            "one thread": alone,
        }
        n_passes = {}
        enough = 60 if arguments.quick else 400
        for solver in SOLVERS:
            curve = net(solver=solver, max_iter=enough).fit(X, y).loss_curve_
            n_passes[solver] = next(i for i, J in enumerate(curve, 1) if goal >= J)
            ours = net(solver=solver, max_iter=n_passes[solver])
            racers[solver] = lambda ours=ours, X=X: ours.fit(X, y)
        times = by_turns(1 if arguments.quick else 3, **racers)
        best = min(times["default threads"], times["one thread"])
        for name in ("default threads", "one thread"):
            yield {
                "who": f"MLPClassifier lbfgs, {name}",
                "dtype": X.dtype.name,
                "objective": goal,
                "steps": peer.n_iter_,
                "seconds": times[name],
            }
        for solver in SOLVERS:
            yield {
                "who": f"sknn3 {solver}",
                "dtype": X.dtype.name,
                "steps": n_passes[solver],
                "seconds": times[solver],
                "speed-up": times["default threads"] / times[solver],
                "over its best": best / times[solver],
            }
        limit = 2 if arguments.quick else 60
        yield adam_of_mlp(X, y, goal, limit)
        if torch:
            yield from torch_on_digits(X, y, goal, limit)


def adam_of_mlp(X: np.ndarray, y: np.ndarray, goal: float, limit: float) -> Row:
    """Train MLPClassifier with Adam at its defaults until it reaches the goal."""
    # Adam divides the penalty by the batch size, 200, not by the number of samples.
    alpha = 200 / len(X)
    adam = MLPClassifier((25,), activation="logistic", alpha=alpha, random_state=0)
    spent, n_epochs, cost = 0.0, 0, np.inf
    while cost > goal and spent < limit:
        spent += seconds(lambda: adam.partial_fit(X, y, classes=np.arange(N_CLASSES)))
        n_epochs += 1
        cost = objective_of(adam.coefs_, adam.predict_proba(X), y)
    return race_row("MLPClassifier adam", X, n_epochs, spent, cost, goal)


def objective_of(weights: Any, P: np.ndarray, y: np.ndarray) -> float:
    """Return the mean cross-entropy plus the penalty with alpha 1."""
    squares = sum(float((W * W).sum()) for W in weights)
    return float(-np.log(P[np.arange(len(y)), y]).mean() + squares / 2 / len(y))


def race_row(
    who: str, X: np.ndarray, n_passes: int, spent: float, cost: float, goal: float
) -> Row:
    """Return the seconds to the goal, or the objective at the time limit."""
    return {
        "who": who,
        "dtype": X.dtype.name,
        "steps": n_passes,
        "seconds": spent,
        "stood at": "goal" if cost <= goal else cost,
    }


def torch_net(n_features: int, n_hidden: int, like: Any) -> Any:
    """Build the same network in PyTorch, with PyTorch's initial weights."""
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Linear(n_features, n_hidden),
        torch.nn.Sigmoid(),
        torch.nn.Linear(n_hidden, N_CLASSES),
    ).to(like)


def torch_on_digits(
    X: np.ndarray,
    y: np.ndarray,
    goal: float,
    limit: float,
    n_hidden: int = 25,
    device: str = "cpu",
) -> Iterator[Row]:
    """Train with PyTorch's L-BFGS on all data, and its Adam on batches of 128."""
    features = torch.asarray(X, device=device)
    labels = torch.asarray(y.astype(np.int64), device=device)
    loss = torch.nn.CrossEntropyLoss()

    def cost_of(model: Any, features: Any, labels: Any) -> Any:
        squares = sum((model[i].weight ** 2).sum() for i in (0, 2))
        return loss(model(features), labels) + squares / 2 / len(X)

    model = torch_net(X.shape[1], n_hidden, features)
    spent, n_passes, cost = 0.0, 0, np.inf
    lbfgs = torch.optim.LBFGS(
        model.parameters(), max_iter=5, history_size=10, line_search_fn="strong_wolfe"
    )

    def closure() -> Any:
        nonlocal n_passes
        n_passes += 1
        lbfgs.zero_grad()
        cost = cost_of(model, features, labels)
        cost.backward()
        return cost

    while cost > goal and spent < limit:
        spent += seconds(lambda: lbfgs.step(closure))
        with torch.no_grad():
            cost = float(cost_of(model, features, labels))
    yield race_row("PyTorch L-BFGS", X, n_passes, spent, cost, goal)

    model = torch_net(X.shape[1], n_hidden, features)
    adam = torch.optim.Adam(model.parameters())
    spent, n_epochs, cost = 0.0, 0, np.inf
    while cost > goal and spent < limit:
        spent += seconds(lambda: torch_epoch(model, adam, features, labels, cost_of))
        n_epochs += 1
        with torch.no_grad():
            cost = float(cost_of(model, features, labels))
    yield race_row("PyTorch Adam, batches of 128", X, n_epochs, spent, cost, goal)


def torch_epoch(
    model: Any, optimizer: Any, features: Any, labels: Any, cost_of: Any
) -> None:
    """Train for one epoch, in batches."""
    for batch in torch.randperm(len(features)).split(128):
        optimizer.zero_grad()
        cost_of(model, features[batch], labels[batch]).backward()
        optimizer.step()


def race_on_mnist(arguments: argparse.Namespace) -> Iterator[Row]:
    """Seconds to 97.5% accuracy on the test digits of MNIST.

    100 logistic units, float32.  For sknn3 these are complete fits with increasing
    `max_iter` (alpha 5); the others train by epochs, and scoring is not timed.
    """
    X, X_test, y, y_test = mnist(arguments)
    goal = 0.94 if arguments.quick else 0.975
    for solver in SOLVERS:
        curve = []
        for max_iter in np.geomspace(12, 240, 22).round().astype(int).tolist():
            ours = net(hidden_layer_size=100, alpha=5, solver=solver, max_iter=max_iter)
            spent = seconds(lambda ours=ours: ours.fit(X, y))
            curve.append((spent, ours.score(X_test, y_test)))
            if curve[-1][1] >= goal:
                break
        yield accuracy_row(f"sknn3 {solver}", max_iter, curve)

    limit = 10 if arguments.quick else 240
    mlp = MLPClassifier((100,), activation="logistic", random_state=0)
    yield accuracy_race(
        "MLPClassifier adam",
        lambda: mlp.partial_fit(X, y, classes=np.arange(N_CLASSES)),
        lambda: mlp.score(X_test, y_test),
        goal,
        limit,
    )
    if torch:
        model = torch_net(X.shape[1], 100, torch.float32)
        adam = torch.optim.Adam(model.parameters())
        loss = torch.nn.CrossEntropyLoss()
        features, labels = torch.from_numpy(X), torch.from_numpy(y)

        def score() -> float:
            with torch.no_grad():
                found = model(torch.from_numpy(X_test)).argmax(axis=1).numpy()
            return float((found == y_test).mean())

        yield accuracy_race(
            "PyTorch Adam, batches of 128",
            lambda: torch_epoch(
                model, adam, features, labels, lambda m, x, y: loss(m(x), y)
            ),
            score,
            goal,
            limit,
        )


def accuracy_race(
    who: str,
    epoch: Callable[[], Any],
    score: Callable[[], float],
    goal: float,
    limit: float,
) -> Row:
    """Train by epochs until the goal or the time limit is reached."""
    curve = [(0.0, 0.0)]
    while curve[-1][1] < goal and curve[-1][0] < limit:
        spent = curve[-1][0] + seconds(epoch)
        curve.append((spent, score()))
    return accuracy_row(who, len(curve) - 1, curve[1:])


def accuracy_row(who: str, n_passes: int, curve: list[tuple[float, float]]) -> Row:
    """Return the final figures of a run and its curve of seconds and accuracy."""
    spent, accuracy = curve[-1]
    return {
        "who": who,
        "steps": n_passes,
        "seconds": spent,
        "accuracy": accuracy,
        "curve": curve,
    }


def measure_predictions(arguments: argparse.Namespace) -> Iterator[Row]:
    """Microseconds of predict_proba, on many rows, on 100 and on one."""
    X64, y = load_digits20(return_X_y=True)
    for dtype in DTYPES:
        X = X64.astype(dtype)
        peer = MLPClassifier((25,), activation="logistic", solver="lbfgs", max_iter=5)
        peer.fit(X, y)
        ours = {
            output: net(max_iter=5).set_params(output_activation=output).fit(X, y)
            for output in ("logistic", "softmax")
        }
        for n_rows, n_turns in ((len(X), 60), (100, 500), (1, 1000)):
            rows = X[:n_rows]
            times = by_turns(
                n_turns // 5 if arguments.quick else n_turns,
                peer=lambda peer=peer, rows=rows: peer.predict_proba(rows),
                **{
                    output: lambda clf=clf, rows=rows: clf.predict_proba(rows)
                    for output, clf in ours.items()
                },
            )
            yield {
                "rows": n_rows,
                "dtype": X.dtype.name,
                "MLPClassifier": 1e6 * times["peer"],
                "sknn3 softmax": 1e6 * times["softmax"],
                "speed-up": times["peer"] / times["softmax"],
                "sknn3 logistic": 1e6 * times["logistic"],
                "its speed-up": times["peer"] / times["logistic"],
            }


def measure_growth(arguments: argparse.Namespace) -> Iterator[Row]:
    """Time of a pass, and memory without the data, for a memory map of float32."""
    digits, labels = load_digits20(return_X_y=True)
    # Windows deletes and overwrites no file that is open as a memory map.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        for n_samples in (5000, 20000) if arguments.quick else (5000, 50000, 500000):
            path = Path(folder) / f"{n_samples}.bin"
            shape = n_samples, digits.shape[1]
            X = np.memmap(path, np.float32, "w+", shape=shape)
            rng = np.random.default_rng(0)
            for start in range(0, n_samples, 5000):
                X[start : start + 5000] = digits + rng.normal(0, 0.1, digits.shape)
            X.flush()
            X = np.memmap(path, np.float32, "r", shape=shape)
            y = np.resize(labels, n_samples)

            def fit(max_iter: int, X: Any = X, y: Any = y) -> None:
                net(solver="lbfgs", max_iter=max_iter).fit(X, y)

            times = by_turns(
                1, few=lambda fit=fit: fit(2), many=lambda fit=fit: fit(22)
            )
            tracemalloc.start()
            fit(3)
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            per_pass = (times["many"] - times["few"]) / 20
            yield {
                "rows": n_samples,
                "ms a pass": 1e3 * per_pass,
                "ns a pass and row": 1e9 * per_pass / n_samples,
                "MiB beside X": peak / 2**20,
                "MiB of X": X.nbytes / 2**20,
            }


def search_a_grid(arguments: argparse.Namespace) -> Iterator[Row]:
    """Seconds of GridSearchCV: 4 alphas, 3 budgets, 5 folds on the digits.

    `cores` is the processor time over the wall time.
    """
    X, y = load_digits20(return_X_y=True)
    grid = {"alpha": [0.1, 0.3, 1.0, 3.0], "max_iter": [10, 30, 70]}
    if arguments.quick:
        X, y, grid = X[::5], y[::5], {"alpha": [1.0], "max_iter": [10]}
    peer = MLPClassifier((25,), activation="logistic", solver="lbfgs", random_state=0)
    for n_jobs in (1,) if arguments.quick else (1, 2):
        walls = {}
        for who, estimator in (
            ("sknn3 tnc", net()),
            ("sknn3 lbfgs", net(solver="lbfgs")),
            ("MLPClassifier lbfgs", peer),
        ):
            search = GridSearchCV(estimator, grid, cv=5, n_jobs=n_jobs)
            before = processor_seconds()
            walls[who] = seconds(lambda search=search: search.fit(X, y))
            get_reusable_executor().shutdown(wait=True)  # counts their time
            yield {
                "who": who,
                "n_jobs": n_jobs,
                "seconds": walls[who],
                "cores": (processor_seconds() - before) / walls[who],
                "accuracy": search.best_score_,
            }
        for who in ("sknn3 tnc", "sknn3 lbfgs"):
            speed_up = walls["MLPClassifier lbfgs"] / walls[who]
            yield {"who": who, "n_jobs": n_jobs, "speed-up": speed_up}


def search_paths(arguments: argparse.Namespace) -> Iterator[Row]:
    """Seconds of ThreeLayerNNClassifierCV and GridSearchCV, whose scores are equal.

    4 alphas, 3 budgets, 5 folds on the digits.
    """
    X, y = load_digits20(return_X_y=True)
    alphas, max_iters = [0.1, 0.3, 1.0, 3.0], (10, 30, 70)
    if arguments.quick:
        X, y, alphas, max_iters = X[::5], y[::5], [1.0], (5, 10)
    for n_jobs in (1,) if arguments.quick else (1, 2):
        for solver in SOLVERS:
            grid = GridSearchCV(
                net(solver=solver),
                {"alpha": alphas, "max_iter": max_iters},
                cv=5,
                n_jobs=n_jobs,
                scoring="neg_log_loss",
            )
            paths = ThreeLayerNNClassifierCV(
                alphas=alphas,
                max_iters=max_iters,
                cv=5,
                n_jobs=n_jobs,
                scoring="neg_log_loss",
                hidden_layer_size=25,
                solver=solver,
                output_activation="softmax",
                tol=0,
                random_state=0,
            )
            times = by_turns(
                1 if arguments.quick else 2,
                grid=lambda grid=grid: grid.fit(X, y),
                paths=lambda paths=paths: paths.fit(X, y),
            )
            scores = [s.cv_results_["mean_test_score"] for s in (grid, paths)]
            yield {
                "solver": solver,
                "n_jobs": n_jobs,
                "GridSearchCV s": times["grid"],
                "ThreeLayerNNClassifierCV s": times["paths"],
                "times as fast": times["grid"] / times["paths"],
                "tables equal": bool(np.array_equal(*scores)),
            }


def measure_arrays(arguments: argparse.Namespace) -> Iterator[Row]:
    """Time of passes and fits on tensors, on NumPy arrays and in PyTorch's solvers.

    L-BFGS, float32.  PyTorch's solvers train until they reach the objective of sknn3.
    """
    if os.environ.get("SCIPY_ARRAY_API") != "1":  # SciPy reads it at import
        yield from again_with_scipys_array_api(arguments)
        return
    X, y = load_digits20(return_X_y=True)
    problems = [(X.astype(np.float32), y.astype(int), 25)]
    if arguments.mnist:
        X_train, _, y_train, _ = mnist(arguments)
        problems.append((X_train, y_train, 100))
    places = ["cpu"] + ["cuda"] * torch.cuda.is_available() if torch else []
    limit = 5 if arguments.quick else 120
    for X, y, h in problems:
        clf = net(hidden_layer_size=h, solver="lbfgs", max_iter=100)
        problem = {"problem": " x ".join(map(str, (*X.shape, h)))}
        ms = 1e3 * time_of_one_pass(X, y, h)
        spent = seconds(lambda clf=clf, X=X, y=y: clf.fit(X, y))
        goal = clf.loss_ * 1.001
        yield problem | {"who": "sknn3, NumPy", "ms": ms, "seconds": spent}
        for place in places:
            features = torch.asarray(X, device=place)
            with config_context(array_api_dispatch=True):
                ms = 1e3 * time_of_one_pass(features, y, h)
                spent = seconds(lambda clf=clf, y=y, at=features: clf.fit(at, y))
            who = f"sknn3, PyTorch tensors, {place}"
            yield problem | {"who": who, "ms": ms, "seconds": spent}
            for row in torch_on_digits(X, y, goal, limit, h, place):
                yield problem | row | {"who": f"{row['who']}, {place}"}


def time_of_one_pass(X: Any, y: np.ndarray, h: int) -> float:
    """Return the median seconds of a pass over an array or a tensor."""
    n_params = h * (X.shape[1] + 1) + N_CLASSES * (h + 1)
    params = np.random.RandomState(0).uniform(-0.12, 0.12, n_params)
    with objective_on(X, y, h, "softmax") as objective:
        return by_turns(20, one_pass=lambda: objective(params))["one_pass"]


@contextmanager
def objective_on(
    X: Any, y: np.ndarray, n_hidden: int, output_activation: str
) -> Iterator[Objective]:
    """Yield the function that a solver minimises, on the threads of a fit."""
    network = Network(n_hidden, "logistic", output_activation)
    with Dataset.from_arrays(X, y, None, None).with_threads() as dataset:
        yield Objective(dataset, network, alpha=1.0)


def again_with_scipys_array_api(arguments: argparse.Namespace) -> Iterator[Row]:
    """Run the section in a process with SCIPY_ARRAY_API=1, which SciPy needs."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, __file__, "--sections", "arrays", "--json", report]
        command += ["--output", folder]
        command += ["--quick"] if arguments.quick else []
        command += ["--mnist", arguments.mnist] if arguments.mnist else []
        subprocess.run(  # noqa: S603 (this script)
            command,
            env=os.environ | {"SCIPY_ARRAY_API": "1"},
            check=True,
            stdout=subprocess.DEVNULL,
        )
        yield from json.loads(report.read_text(encoding="utf-8"))["arrays"]


def processor_seconds() -> float:
    """Return the user time of this process and of its finished children."""
    times = os.times()
    return times.user + times.children_user


SECTIONS: dict[str, Callable[[argparse.Namespace], Iterator[Row]]] = {
    "pass": measure_pass,
    "iris": fit_iris,
    "digits": race_on_digits,
    "mnist": race_on_mnist,
    "predict": measure_predictions,
    "growth": measure_growth,
    "grid": search_a_grid,
    "search": search_paths,
    "arrays": measure_arrays,
}


# ------------------------------------------------------------------------- picture


def draw(report: dict[str, Any], path: Path) -> None:
    """Draw the races of the report."""
    races = {"digits": draw_digits, "mnist": draw_mnist}
    shown = [name for name in races if report.get(name)]
    if not shown:
        return
    figure, axes = plt.subplots(
        1,
        len(shown),
        figsize=(5.5 * len(shown), 4),
        layout="constrained",
        squeeze=False,
    )
    for ax, name in zip(axes[0], shown, strict=True):
        races[name](ax, report[name])
    figure.savefig(path, dpi=120)
    plt.close(figure)


def draw_digits(ax: Any, rows: list[Row]) -> None:
    """Draw the seconds of each estimator."""
    racers = [row for row in rows if row["dtype"] == "float32"]
    names = [row["who"] for row in racers]
    times = [row["seconds"] for row in racers]
    colors = ["C0" if name.startswith("sknn3") else "C7" for name in names]
    ax.barh(names, times, color=colors)
    for i, row in enumerate(racers):
        text = f" {row['seconds']:.2g} s"
        if row.get("stood at", "goal") != "goal":
            text += ", goal not reached"
        ax.text(row["seconds"], i, text, va="center")
    ax.set(xscale="log", xlabel="seconds", title="5000 digits, float32: one objective")
    ax.set_xlim(min(times) / 5, max(times) * 8)
    ax.invert_yaxis()


def draw_mnist(ax: Any, rows: list[Row]) -> None:
    """Draw test accuracy over time."""
    for row in rows:
        spent, accuracy = zip(*row["curve"], strict=True)
        ax.plot(spent, accuracy, ".-", label=row["who"])
    ax.set(xlabel="seconds", ylabel="test accuracy", title="MNIST, 100 units, float32")
    ax.set_ylim(bottom=0.9)
    ax.legend()


if __name__ == "__main__":
    main()
