"""Fits and predictions of files larger than the memory that the process may use.

RLIMIT_DATA counts what a process writes to: heaps, stacks of threads, private mappings.
Shared maps of files do not count.  On systems other than Linux the limit counts other
memory or has no effect.
"""

import ctypes
import gc
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from threadpoolctl import threadpool_info, threadpool_limits

from sknn3 import ThreeLayerNNClassifier
from sknn3.network import cost_gradient, pack

resource = pytest.importorskip("resource", reason="Windows has no limits of memory")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        sys.platform != "linux",
        reason="RLIMIT_DATA excludes shared maps of files on Linux only",
    ),
    pytest.mark.filterwarnings(
        "ignore::sklearn.exceptions.ConvergenceWarning"  # max_iter is small
    ),
]

BUDGET = 40 * 2**20
SIZE = 192 * 2**20
BLOCK_ROWS = 4000
N_FEATURES = 400

# Settings, targets, and whether samples have weights, some of them zero.
CASES = {
    "tnc": ({}, "multiclass", False),
    "lbfgs-weights": ({"solver": "lbfgs"}, "multiclass", True),
    "softmax-early-stopping-weights": (
        {
            "output_activation": "softmax",
            "early_stopping": True,
            "class_weight": {0: 1.0, 1: 0.0, 2: 2.0},
        },
        "multiclass",
        True,
    ),
    "binary-diagonal-early-stopping": (
        {"conditioning": "diagonal", "early_stopping": True},
        "binary",
        False,
    ),
    "binary-lbfgs-balanced": (
        {"solver": "lbfgs", "class_weight": "balanced"},
        "binary",
        False,
    ),
    "multilabel-balanced": ({"class_weight": "balanced"}, "multilabel", False),
    "multilabel-lbfgs-early-stopping-weights": (
        {"solver": "lbfgs", "early_stopping": True, "conditioning": "diagonal"},
        "multilabel",
        True,
    ),
}


def open_by_memmap(path, mode):
    X = np.load(path, mmap_mode="r")
    return np.memmap(path, X.dtype, mode, offset=X.offset, shape=X.shape)


WAYS = {
    "load": lambda path: np.load(path, mmap_mode="r"),
    "memmap-r": lambda path: open_by_memmap(path, "r"),
    "memmap-r+": lambda path: open_by_memmap(path, "r+"),
}


def block_of(dtype, n_features=N_FEATURES):
    rng = np.random.RandomState(0)
    return rng.standard_normal((BLOCK_ROWS, n_features)).astype(dtype)


def targets_of(block, kind):
    outputs = block[:, :3] @ np.array([[1.0, 1, 0], [-1, 1, 1], [0, -1, 1]])
    return {
        "multiclass": outputs.argmax(axis=1).astype(np.uint8),
        "binary": np.where(outputs[:, 0] > 0, "yes", "no"),
        "multilabel": (outputs > 0).astype(np.uint8),
    }[kind]


WEIGHTS = np.resize([1.0, 0.0, 0.5, 2.0, 0.0, 1.0, 1.0], BLOCK_ROWS)


def repeated(array, n):
    return np.resize(array, (n, *array.shape[1:]))


def write(path, blocks, shape, dtype):
    """Write a .npy file block by block."""
    header = {
        "descr": np.lib.format.dtype_to_descr(np.dtype(dtype)),
        "fortran_order": False,
        "shape": shape,
    }
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for block in blocks:
            file.write(block)


def private_memory():
    status = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    line = next(line for line in status if line.startswith("VmData"))
    return int(line.split()[1]) * 1024


@contextmanager
def limited(budget=BUDGET):
    """Limit the memory that the process may allocate from now on."""
    before = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (private_memory() + budget, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def network(**settings):
    settings = {"hidden_layer_size": 4, "max_iter": 3, "random_state": 0} | settings
    return ThreeLayerNNClassifier(**settings)


@pytest.fixture(scope="module", autouse=True)
def no_free_memory():
    """Return freed memory to the system, since the limit does not count it."""
    libc, M_MMAP_THRESHOLD = ctypes.CDLL(None), -3
    gc.collect()
    if hasattr(libc, "mallopt"):  # the C library is glibc
        libc.mallopt(M_MMAP_THRESHOLD, 2**20)
        libc.malloc_trim(0)


@pytest.fixture(scope="module", autouse=True)
def two_threads(no_free_memory):
    """Allocate the stacks and BLAS buffers of two threads before the limit applies."""
    with threadpool_limits(2, user_api="blas"):
        block = block_of(np.float64)
        network().fit(block, targets_of(block, "binary")).predict(block)
        yield


@pytest.fixture(scope="module", params=["float32", "float64"])
def path(request, tmp_path_factory):
    """The path of a file of equal blocks."""
    block = block_of(request.param)
    n_blocks = SIZE // block.nbytes
    path = tmp_path_factory.mktemp("large") / "X.npy"
    shape = n_blocks * BLOCK_ROWS, N_FEATURES
    write(path, (block for _ in range(n_blocks)), shape, request.param)
    yield path
    path.unlink()


def test_limit_raises_for_copy_of_a_third_of_data(path):
    X = np.load(path, mmap_mode="r")
    with limited(), pytest.raises(MemoryError):
        np.array(X[: len(X) // 3])


@pytest.mark.parametrize("case", CASES)
def test_fit_of_file_within_memory_limit(path, case):
    settings, kind, weighted = CASES[case]
    X = np.load(path, mmap_mode="r")
    y = repeated(targets_of(block_of(X.dtype), kind), len(X))
    weight = repeated(WEIGHTS, len(X)) if weighted else None
    with limited():
        clf = network(**settings).fit(X, y, weight)
    assert clf.n_iter_ == 3
    assert clf.loss_curve_[-1] < clf.loss_curve_[0]


@pytest.mark.parametrize("way", WAYS)
def test_loss_equals_cost_of_all_rows_for_each_way_to_open_file(path, way):
    X = WAYS[way](path)
    block = block_of(X.dtype)
    y = targets_of(block, "multiclass")
    with limited():
        clf = network(max_iter=1).fit(X, repeated(y, len(X)))
    cost, _ = cost_gradient(
        pack(clf.theta1_, clf.theta2_),
        block,
        y,
        hidden_layer_size=4,
        alpha=BLOCK_ROWS / len(X),
    )
    assert_allclose(clf.loss_, cost, rtol=1e-6)


@pytest.mark.parametrize("kind", ["multiclass", "binary", "multilabel"])
def test_predictions_of_file_within_memory_limit(path, kind):
    X = np.load(path, mmap_mode="r")
    block = block_of(X.dtype)
    y = targets_of(block, kind)
    clf = network().fit(block, y)
    y_of_file, weight = repeated(y, len(X)), repeated(WEIGHTS, len(X))
    rtol = 1e-4 if X.dtype == np.float32 else 1e-12
    with limited():
        weighted = clf.score(X, y_of_file, weight)
        assert_allclose(weighted, clf.score(block, y, WEIGHTS))
        for method in ("decision_function", "predict_proba"):
            result, of_block = getattr(clf, method)(X), getattr(clf, method)(block)
            last = result[-BLOCK_ROWS:]
            assert_allclose(last, of_block, rtol=rtol, atol=rtol)
        labels = clf.predict(X)
    assert_array_equal(labels, repeated(clf.predict(block), len(X)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES)
def test_memory_map_equals_array_in_memory_bit_for_bit(case, dtype, tmp_path):
    settings, kind, weighted = CASES[case]
    X = block_of(dtype, n_features=20)
    y, weight = targets_of(X, kind), WEIGHTS if weighted else None
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    settings = settings | {"max_iter": 12}
    of_memory = network(**settings).fit(X, y, weight)
    of_file = network(**settings).fit(mapped, y, weight)
    assert of_file.loss_curve_ == of_memory.loss_curve_
    assert of_file.validation_scores_ == of_memory.validation_scores_
    assert_array_equal(of_file.theta1_, of_memory.theta1_)
    assert_array_equal(of_file.theta2_, of_memory.theta2_)
    for method in ("predict", "predict_proba", "decision_function"):
        assert_array_equal(
            getattr(of_file, method)(mapped), getattr(of_memory, method)(X)
        )
    assert of_file.score(mapped, y, weight) == of_memory.score(X, y, weight)


class Shrink:
    """A callback that leaves too little memory for the activations of the next pass."""

    def setup(self, estimator, context): ...

    def teardown(self, estimator, context): ...

    def on_fit_task_begin(self, estimator, context): ...

    def on_fit_task_end(self, estimator, context):
        if (context.task_name, context.task_id) == ("pass", 1):
            little = private_memory() + 8 * 2**20
            _, hard = resource.getrlimit(resource.RLIMIT_DATA)
            resource.setrlimit(resource.RLIMIT_DATA, (little, hard))


@pytest.mark.needs_sklearn("1.9", "callbacks")
@pytest.mark.parametrize("solver", ["tnc", "lbfgs"])
def test_memory_error_in_fit_restores_estimator(solver):
    # With 4000 units the activations do not fit into memory that was freed before.
    X = block_of(np.float64, n_features=3)
    y = targets_of(X, "binary")
    clf = network(hidden_layer_size=4, solver=solver).fit(X, y)
    fitted = {k: v for k, v in vars(clf).items() if k.endswith("_")}
    threads = threading.enumerate()
    with limited(2**30), pytest.raises(MemoryError):
        clf.set_params(hidden_layer_size=4000).set_callbacks(Shrink()).fit(X, y)
    assert {k: v for k, v in vars(clf).items() if k.endswith("_")} == fitted
    assert len(clf.predict(X)) == len(X)
    assert threading.enumerate() == threads
    blas = [lib for lib in threadpool_info() if lib["user_api"] == "blas"]
    assert {lib["num_threads"] for lib in blas} == {2}
    assert clf.set_callbacks().fit(X, y).n_iter_ == 3
