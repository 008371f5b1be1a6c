"""Compare the fits of two versions of the package, to the bit.

A refactoring must not change any number.  Store the fits of the version before it, and
compare those of the version after it; each takes about half a minute::

    PYTHONPATH=before python tests/compare_fits.py store fits.npz
    PYTHONPATH=after python tests/compare_fits.py compare fits.npz

`compare` prints a line for each case, and exits with status 1 if any bit differs.  Both
runs need the same machine and the same versions of the dependencies.
"""

import logging
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array
from sklearn.datasets import load_breast_cancer, load_iris, make_classification
from threadpoolctl import threadpool_limits

import sknn3
from sknn3 import ThreeLayerNNClassifier, ThreeLayerNNClassifierCV
from sknn3.datasets import load_digits20

RESULTS = ["theta1_", "theta2_", "classes_", "loss_", "loss_curve_", "n_iter_"]
RESULTS += ["stop_reason_", "validation_scores_"]
PREDICTIONS = ["predict", "predict_proba", "decision_function"]
# The data type, the solver, and the number of BLAS threads.
VARIANTS = [("float64", "tnc", 1), ("float32", "tnc", 2)]
VARIANTS += [("float64", "lbfgs", 2), ("float32", "lbfgs", 1)]


def record(model, X):
    """Return the fitted attributes and the predictions, as arrays by name."""
    values = {name: getattr(model, name) for name in RESULTS}
    values |= {name: getattr(model, name)(X) for name in PREDICTIONS}
    scores = getattr(model, "cv_results_", {})
    values |= {name: v for name, v in scores.items() if name.endswith("_score")}
    return {k: np.asarray(v) for k, v in values.items() if v is not None}


def fit(X, y, weights=None, *, fit_params=None, **params):
    model = ThreeLayerNNClassifier(**{"max_iter": 20, "random_state": 0} | params)
    for _ in range(1 + model.warm_start):
        model.fit(X, y, weights, **fit_params or {})
    return record(model, X)


def search(X, y, weights=None, **params):
    grid = {"alphas": [0.1, 1, 10], "max_iters": [5, 15], "cv": 3, "random_state": 0}
    return record(ThreeLayerNNClassifierCV(**grid | params).fit(X, y, weights), X)


def fit_memory_map(X, *args, **params):
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "X.npy", X)
        return fit(np.load(Path(folder) / "X.npy", mmap_mode="r"), *args, **params)


def fit_on_cluster(*args, max_iter=20, **params):
    from dask.array import from_array
    from distributed import Client

    from sknn3.dask import DaskThreeLayerNNClassifier

    data = [from_array(array, chunks=(700, *array.shape[1:])) for array in args]
    with Client(processes=False, dashboard_address=None):
        model = DaskThreeLayerNNClassifier(max_iter=max_iter, random_state=0, **params)
        return record(model.fit(*data), data[0])


def cases():
    """Yield the name, the function, its data and its parameters, for each case."""
    D, digit = load_digits20(return_X_y=True)
    many, ink = np.hstack([D, D[::-1] * D]), csr_array(D * (D > 0.3))
    iris, cancer = load_iris(return_X_y=True), load_breast_cancer(return_X_y=True)
    X, y = make_classification(20_000, 12, n_informative=6, random_state=0)
    rng = np.random.default_rng(0)
    w = rng.integers(0, 4, 20_000) * rng.random(20_000)
    labels = np.stack([digit % 2, digit > 5, digit == 3], axis=1).astype(int)
    early = {"early_stopping": True, "n_iter_no_change": 3, "max_iter": 60}
    coefs = [rng.normal(0, 0.3, (4, 50)), rng.normal(0, 0.3, (50, 3))]
    start = {"coefs_init": coefs, "intercepts_init": [rng.random(50), rng.random(3)]}
    yield "logistic", fit, [D, digit], {}
    yield "softmax", fit, [D, digit], {"output_activation": "softmax"}
    for name in ["tanh", "relu", "identity"]:
        yield name, fit, [D, digit], {"activation": name}
    for kind in ["full", "diagonal", None]:
        yield f"{kind}", fit, [D, digit], {"conditioning": kind}
        yield f"{kind}, sparse", fit, [ink, digit], {"conditioning": kind}
    for tol in [0, 1e-12, 1e-4, 1e-2]:
        yield f"tol {tol}", fit, [*iris], {"tol": tol, "max_iter": 2000}
    yield "columns", fit, [np.asfortranarray(many), digit], {"hidden_layer_size": 50}
    yield "init_epsilon", fit, [*iris], {"init_epsilon": 0.12, "alpha": 0}
    yield "coefs_init", fit, [*iris], {"fit_params": start, "max_iter": 1}
    yield "unlike columns", fit, [*cancer], {}
    yield "one class", fit, [X, np.full(20_000, 7)], {}
    yield "strings", fit, [X, np.array(["no", "yes"])[y]], {"class_weight": "balanced"}
    yield "class_weight", fit, [*iris], {"class_weight": {0: 1, 1: 5, 2: 0.2}}
    yield "weights", fit, [X, y, w], {}
    yield "tiny weights", fit, [X, y, w * 1e-9], {}
    yield "sparse weights", fit, [csr_array(X * (X > 1)), y, w], {}
    yield "labels", fit, [D, labels, w[:5000]], {"class_weight": "balanced"}
    yield "early stopping", fit, [D, digit], early
    yield "early stopping, labels", fit, [ink, labels], early
    yield "warm start", fit, [*cancer], {"warm_start": True}
    yield "memory map", fit_memory_map, [X, y, w], early
    yield "search", search, [*iris], {"scoring": "neg_log_loss"}
    options = {"early_stopping": True, "scoring": "accuracy"}
    yield "search, weights", search, [*cancer, w[:569]], options
    yield "cluster", fit_on_cluster, [many, digit], {}
    yield "cluster, labels", fit_on_cluster, [D, labels, w[:5000]], early


def results():
    """Yield the name and the arrays of each case, in each variant."""
    for name, function, (X, *rest), params in cases():
        for dtype, solver, n_threads in VARIANTS:
            data = [X.astype(dtype) if X.dtype.kind == "f" else X, *rest]
            with threadpool_limits(n_threads, user_api="blas"):
                arrays = function(*data, solver=solver, **params)
            yield f"{name}, {dtype}, {solver}", arrays


def difference(before, after):
    """Return "" if two arrays are equal to the bit, else how they differ."""
    alike = (before.dtype, before.shape) == (after.dtype, after.shape)
    if alike and before.tobytes() == after.tobytes():
        return ""
    if alike and before.dtype.kind == "f":
        return f"by {np.abs(before - after).max():.1e}"
    return "differs" if before.ndim or after.ndim else f"{before}, now {after}"


def main(command, path):
    """Store the results, or compare them; return the exit status."""
    found = {f"{case}: {k}": v for case, values in results() for k, v in values.items()}
    if command == "store":
        np.savez(path, **found)
        return 0
    with np.load(path) as stored:
        before = dict(stored)
    lines, none = {}, np.asarray("none")
    for key in before | found:
        case, name = key.split(": ")
        differs = difference(before.get(key, none), found.get(key, none))
        lines[case] = lines.get(case, "") + (f"  {name} {differs}" if differs else "")
    for case, differences in lines.items():
        sys.stdout.write(f"{case:45}{differences or '  equal'}\n")
    n_equal = list(lines.values()).count("")
    sys.stdout.write(f"{n_equal} of {len(lines)} equal, {sknn3.__file__}\n")
    return int(n_equal < len(lines))


if __name__ == "__main__":
    logging.disable()  # what clusters log when they close
    warnings.simplefilter("ignore")
    sys.exit(main(*sys.argv[1:]))
