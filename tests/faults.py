"""Faults at any point of a fit: errors, files that are cut, Ctrl-C.

Each leaves all beside the fit as it was.  `test_faults.py` runs this module in a
process of its own: one that hangs can be ended, and no thread of other tests opens or
closes the files that are compared.
"""

import contextlib
import gc
import mmap
import os
import signal
import sys
import threading
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_array_equal
from sklearn.base import clone
from threadpoolctl import threadpool_info, threadpool_limits

import sknn3
from sknn3 import ThreeLayerNNClassifier, ThreeLayerNNClassifierCV, _objective
from sknn3._parallel import multiplying

pytestmark = [
    # Budgets are small here.
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("pythons_own_handler"),
]


def open_files():
    """What each descriptor leads to, where the system tells."""
    files = []
    for descriptor in list(Path("/proc/self/fd").glob("*")):
        with contextlib.suppress(FileNotFoundError):  # of the look itself, or another's
            files.append(f"{descriptor.name}: {descriptor.readlink()}")
    return sorted(files)


def surroundings():
    return {
        "threads of libraries": [lib["num_threads"] for lib in threadpool_info()],
        "Ctrl-C": signal.getsignal(signal.SIGINT),
        "threads": threading.enumerate(),
        "files": open_files(),
        "numpy": np.geterr(),
        "warnings": warnings.filters.copy(),
        "random": np.random.get_state()[1].tolist(),
    }


def quick(**params):
    defaults = {"hidden_layer_size": 4, "max_iter": 8, "random_state": 0}
    return ThreeLayerNNClassifier(**defaults | params)


def of_fit(estimator):
    return {k: v for k, v in vars(estimator).items() if k.endswith("_")}


@pytest.fixture(autouse=True)
def two_threads():
    """On any machine."""
    with threadpool_limits(2, user_api="blas"):
        yield


@pytest.fixture(autouse=True)
def no_garbage():
    """Close files that the test before has left open, without use."""
    gc.collect()


# ------------------------------------------------------------- errors in a fit


class AtPass:
    """A callback that does something at the end of each pass."""

    def __init__(self, action):
        self.action = action

    def setup(self, estimator, context): ...

    def teardown(self, estimator, context): ...

    def on_fit_task_begin(self, estimator, context): ...

    def on_fit_task_end(self, estimator, context):
        if context.task_name == "pass":
            self.action(context.task_id)


class Fault(Exception):  # noqa: N818 (a word of these tests)
    pass


@contextmanager
def fault_in_block(n, monkeypatch, error):
    """Have the n-th block of a fit fail, on whichever thread it is."""
    real, blocks = _objective.block_cost_gradient, iter(range(10**9))

    def block_cost_gradient(*args, **kwargs):
        if next(blocks) == n:
            raise error
        return real(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(_objective, "block_cost_gradient", block_cost_gradient)
        yield


@pytest.mark.parametrize("error", [MemoryError("no room"), Fault("a fault")])
@pytest.mark.parametrize("n", [0, 1, 2, 3, 7, 11])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_an_error_in_a_block_leaves_all_as_it_was(
    n, error, early_stopping, large, monkeypatch
):
    before = surroundings()
    clf = quick(early_stopping=early_stopping)
    with (
        fault_in_block(n, monkeypatch, error),
        pytest.raises(type(error), match=str(error)),
    ):
        clf.fit(*large)
    assert not of_fit(clf)
    fitted = of_fit(clf.fit(*large))
    with (
        fault_in_block(n, monkeypatch, error),
        pytest.raises(type(error), match=str(error)),
    ):
        clf.fit(large[0][:4000, :5], large[1][:4000] + 1)
    assert of_fit(clf).keys() == fitted.keys()
    assert all(value is fitted[name] for name, value in of_fit(clf).items())
    assert surroundings() == before


@pytest.mark.parametrize("n", [0, 5])
def test_an_error_in_a_callback_leaves_all_as_it_was(n, large):
    def fail(i):
        if i == n:
            raise Fault

    before = surroundings()
    clf = quick().set_callbacks(AtPass(fail))
    with pytest.raises(Fault):
        clf.fit(*large)
    assert not of_fit(clf)
    assert surroundings() == before


def test_an_error_in_a_search_leaves_all_as_it_was(iris, monkeypatch):
    before = surroundings()
    search = ThreeLayerNNClassifierCV(max_iters=[2, 4], cv=2, random_state=0)
    with fault_in_block(9, monkeypatch, Fault("a fault")), pytest.raises(Fault):
        search.fit(*iris)
    assert not of_fit(search)
    assert surroundings() == before


@pytest.mark.parametrize(
    ("scale", "params"),
    [
        (1, {"activation": "relu", "alpha": 0}),
        (1, {"output_activation": "softmax", "solver": "lbfgs"}),
        (1, {"alpha": 1e300, "conditioning": "diagonal", "early_stopping": True}),
        (1e-160, {"activation": "tanh", "conditioning": "full"}),
        (1e-300, {"solver": "lbfgs", "conditioning": None}),
    ],
)
def test_settings_of_numpy_make_no_difference(scale, params, large, rng):
    X = scale * large[0] * 10.0 ** rng.randint(-3, 4, size=12)
    clf = quick(**params, max_iter=30).fit(X, large[1])
    with np.errstate(all="raise"):
        same = quick(**params, max_iter=30).fit(X, large[1])
        assert_array_equal(same.theta1_, clf.theta1_)
        assert_array_equal(same.predict_proba(X * 100), clf.predict_proba(X * 100))


def frombuffer(path):
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return np.frombuffer(mapped, offset=128).reshape(-1, 12)


MAPS = {
    "load": lambda path: np.load(path, mmap_mode="r"),
    "far into the file": lambda path: np.memmap(path, float, "r", 2**18, (5000, 12)),
    "frombuffer": frombuffer,
}


@pytest.fixture(params=MAPS)
def mapped(request, large, tmp_path):
    path = tmp_path / "X.npy"
    np.save(path, np.repeat(large[0], 2, axis=0))  # more than goes before the map
    return path, MAPS[request.param](path)[:5000]


@pytest.mark.parametrize("when", ["before", 0, 3])
@pytest.mark.parametrize("early_stopping", [False, True])  # copies no rows of maps
def test_a_file_that_is_cut_meanwhile_is_an_error(when, early_stopping, mapped, large):
    def cut(i="before"):
        if i == when:
            os.truncate(path, 5000 * 12 * 8)

    path, X = mapped
    before = surroundings()
    clf = quick(early_stopping=early_stopping).fit(large[0][:100], large[1][:100])
    fitted = of_fit(clf.set_callbacks(AtPass(cut)))
    assert len(clf.predict(X)) == 5000
    cut()
    with pytest.raises(OSError, match="X is mapped up to byte"):
        clf.fit(X, large[1])
    assert all(value is fitted[name] for name, value in of_fit(clf).items())
    with pytest.raises(OSError, match="X is mapped up to byte"):
        clf.predict(X)
    assert surroundings() == before


def of_ints(path):
    np.save(path, np.ones((5000, 12), np.int32))
    return {"X": np.load(path, mmap_mode="r")}


def of_sparse(path):
    X = sp.csr_array(np.ones((5000, 12)))
    np.save(path, X.data)
    X.data = np.load(path, mmap_mode="r")
    return {"X": X}


def of_weights(path):
    np.save(path, np.ones(5000))
    return {"sample_weight": np.load(path, mmap_mode="r")}


def of_labels(path):
    np.save(path, np.arange(5000) % 2)
    return {"y": np.load(path, mmap_mode="r")}


@pytest.mark.parametrize("of", [of_ints, of_sparse, of_weights, of_labels])
@pytest.mark.parametrize("estimator", [quick(), ThreeLayerNNClassifierCV(cv=2)])
def test_whatever_lies_in_a_file_that_was_cut_is_named(of, estimator, large, tmp_path):
    path = tmp_path / "data.npy"
    data = {"X": large[0], "y": large[1], "sample_weight": None} | of(path)
    os.truncate(path, 1000)
    with pytest.raises(OSError, match=f"{of(tmp_path / 'other.npy').popitem()[0]} is"):
        clone(estimator).fit(**data)


def test_rows_before_the_cut_are_read(mapped, large):
    path, X = mapped
    os.truncate(path, 2**18 + 100 * 12 * 8)  # the map that begins last has 100 rows
    labels = large[1][:100]
    assert_array_equal(
        quick().fit(X[:100], labels).theta1_,
        quick().fit(np.array(X[:100]), labels).theta1_,
    )


def test_a_map_without_a_file_is_an_array(large):
    anonymous = np.frombuffer(mmap.mmap(-1, large[0].nbytes)).reshape(large[0].shape)
    anonymous[:] = large[0]
    theta1 = quick().fit(anonymous, large[1]).theta1_
    assert_array_equal(theta1, quick().fit(*large).theta1_)


# -------------------------------------------------------------------------- Ctrl-C

# What a fit may be at, with what keeps its books behind the scenes.
PLACES = str(Path(sknn3.__file__).parent), contextlib.__file__, threading.__file__


class Mashing:
    """Ctrl-C where Python looks for signals in a fit, and after it.

    These are beginnings of functions and ends of those in C, and are counted in the
    thread of the fit.  The first comes at point `first`, the others each `every` points
    later; and one that is raised goes on with the next functions that begin, of which
    `n_while_raised` bring others.
    """

    def __init__(self, first=None, every=10, n_while_raised=0):
        self.first, self.every = first, every
        self.n_while_raised = n_while_raised
        self.n_points, self.is_raised = 0, False

    def __enter__(self):
        sys.settrace(self.trace)
        sys.setprofile(self.profile)
        return self

    def __exit__(self, *_):
        sys.setprofile(None)
        sys.settrace(None)

    def profile(self, frame, event, arg):
        if event in ("call", "c_return") and frame.f_code.co_filename.startswith(
            PLACES
        ):
            self.n_points += 1
            after = self.n_points - (self.first or np.inf)
            if after >= 0 and after % self.every == 0:
                self.is_raised = True  # from here on, if it is, Python profiles no more
                signal.raise_signal(signal.SIGINT)
                self.is_raised = False

    def trace(self, frame, event, arg):
        is_here = frame.f_code.co_filename.startswith(PLACES)
        if self.is_raised and self.n_while_raised and is_here:
            self.n_while_raised -= 1
            signal.raise_signal(signal.SIGINT)


def fitted_attributes(clf):
    return {name: id(value) for name, value in vars(clf).items() if name.endswith("_")}


@pytest.mark.parametrize("n_while_raised", [0, 40], ids=["two", "many"])
@pytest.mark.parametrize("again", [False, True], ids=["first fit", "second fit"])
def test_at_any_point_of_a_fit_leave_all_or_nothing(n_while_raised, again):
    rng = np.random.RandomState(0)
    X, X_before = rng.standard_normal((1500, 3)), rng.standard_normal((60, 5))
    y, y_before = X[:, 0] > 0, rng.randint(3, size=60)
    clf = ThreeLayerNNClassifier(3, max_iter=2, random_state=0, early_stopping=True)
    came, kept = 0, 0
    with threadpool_limits(2, user_api="blas"), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        with Mashing() as undisturbed:
            clf.fit(X, y)
        before = surroundings()
        for first in range(1, undisturbed.n_points + 1, 19):
            clf = ThreeLayerNNClassifier(**clf.get_params())
            if again:
                clf.fit(X_before, y_before)
            attributes = fitted_attributes(clf)
            try:
                with Mashing(first, n_while_raised=n_while_raised):
                    clf.fit(X, y)
            except KeyboardInterrupt:
                came += 1
            else:
                kept += clf.stop_reason_ == "interrupted"
            assert surroundings() == before
            if fitted_attributes(clf) != attributes:
                assert clf.n_iter_ == len(clf.loss_curve_)
                assert set(clf.predict(X)) <= {False, True}
    assert came
    assert kept or n_while_raised  # many end what calls the fit too


class Fit:
    """A fit beside each pass, which hears of no interrupt of its own."""

    def __init__(self, X, y):
        self.data = X, y

    def setup(self, estimator, context): ...

    def teardown(self, estimator, context): ...

    def on_fit_task_begin(self, estimator, context): ...

    def on_fit_task_end(self, estimator, context):
        if context.task_name == "pass":
            ThreeLayerNNClassifier(2, tol=10, random_state=0).fit(*self.data)


@pytest.mark.parametrize("nested", [False, True], ids=["a fit", "a fit within another"])
def test_none_is_raised_where_a_thread_starts(nested, monkeypatch):
    # There it could leave a lock closed for which all threads wait.
    X = np.random.RandomState(0).standard_normal((1500, 3))
    y = X[:, 0] > 0
    clf = ThreeLayerNNClassifier(2, max_iter=9, tol=0, random_state=0)
    if nested:
        clf.set_callbacks(Fit(X, y))
    outcomes, start = [], threading.Thread.start

    def start_disturbed(thread):
        try:
            if len(outcomes) == nested:  # the last: of the fit or of that within
                signal.raise_signal(signal.SIGINT)
                signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            outcomes.append("raised")
            raise
        outcomes.append("held back")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_disturbed)
    before = surroundings()
    with (
        threadpool_limits(4, user_api="blas"),  # two helpers, and one within
        pytest.warns(UserWarning, match="interrupted after 1 passes"),
    ):
        clf.fit(X, y)
    assert outcomes == ["held back"] * (2 + nested)
    assert surroundings() == before


def test_at_any_point_of_a_prediction_leave_all_turns_to_others():
    X = np.ones((3, 2))
    clf = ThreeLayerNNClassifier(2, tol=10, random_state=0).fit(X, [0, 1, 0])
    clf.predict(X)
    before = multiplying._free.qsize()
    with Mashing() as undisturbed:
        clf.predict(X)
    for first in range(1, undisturbed.n_points + 1):
        with contextlib.suppress(KeyboardInterrupt), Mashing(first):
            clf.predict(X)
    clf.predict(X)
    assert multiplying._free.qsize() >= before
