"""Hypothesis strategies for problems, networks and containers of data.

Hypothesis draws a seed instead of each number, and shapes are small.  So an example
takes milliseconds, and ten thousand examples take a minute.
"""

import warnings
from dataclasses import dataclass, replace
from itertools import cycle

import numpy as np
import pandas as pd
import polars as pl
import scipy.sparse as sp
from hypothesis import settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning

from sknn3 import ThreeLayerNNClassifier
from sknn3.network import ACTIVATIONS, OUTPUTS, cost_gradient, pack, unpack


def one_in(n):
    """Return settings with 1/n of the examples of the profile, for slow tests."""
    return settings(max_examples=max(3, settings().max_examples // n))


# ------------------------------------------------------------------------- problems


@dataclass(frozen=True)
class Problem:
    """A data set and a network for it."""

    X: np.ndarray
    codes: np.ndarray
    weight: np.ndarray
    options: dict
    rng: np.random.RandomState

    @property
    def classifier(self):
        return ThreeLayerNNClassifier(**self.options, random_state=0)


@st.composite
def problems(draw, max_rows=30, rows_per_class=1):
    """Return small problems of any shape, with sample weights, some of them zero."""
    rng = np.random.RandomState(draw(st.integers(0, 2**32 - 1)))
    n_classes = draw(st.integers(1, 4))
    n_rows = draw(st.integers(n_classes * rows_per_class, max_rows))
    X = rng.standard_normal((n_rows, draw(st.integers(1, 6))))
    X *= 10.0 ** draw(st.integers(-3, 3))
    codes = rng.permutation(np.arange(n_rows) % n_classes)
    weight = rng.randint(0, 4, n_rows)
    weight[np.unique(codes, return_index=True)[1]] += 1  # all classes are present
    options = {
        "hidden_layer_size": draw(st.integers(1, 5)),
        "activation": draw(st.sampled_from(sorted(ACTIVATIONS))),
        "output_activation": draw(st.sampled_from(sorted(OUTPUTS))),
        "alpha": draw(st.sampled_from([0.0, 1e-6, 0.1, 1.0, 30.0])),
    }
    return Problem(X, codes, weight, options, rng)


TRAINING = {
    "solver": st.sampled_from(["tnc", "lbfgs"]),
    "max_iter": st.integers(1, 8),
    "tol": st.sampled_from([0.0, 1e-4, 0.1]),
    "conditioning": st.sampled_from(["auto", "full", "diagonal", None]),
}
# Parameters of the initial weights and of the end of a fit.
WHOLE_FIT = {
    "init_epsilon": st.sampled_from([None, 1e-3, 0.12, 2.0]),
    "max_time": st.sampled_from(
        [None, 1e-9, 1e9]
    ),  # results for other values depend on the machine
    "early_stopping": st.booleans(),
    "validation_fraction": st.sampled_from([0.01, 0.1, 0.5, 0.99]),
    "n_iter_no_change": st.integers(1, 5),
    "warm_start": st.booleans(),
    "random_state": st.integers(0, 2**32 - 1),
}

LABELS = {
    "numbers": lambda codes: codes,
    "negative": lambda codes: -3 - 2 * codes,
    "floats": lambda codes: codes + 1.0,
    "strings": lambda codes: np.array(["no", "yes", "perhaps", "äö"])[codes],
    "objects": lambda codes: np.array(["b", "a", "", "c"], dtype=object)[codes],
    "truth": lambda codes: codes > 0,
    "large": lambda codes: 2**62 + codes,
    "unsigned": lambda codes: (252 + codes).astype(np.uint8),
    "several": lambda codes: np.column_stack([codes > 0, codes % 2 == 0]).astype(int),
}


@st.composite
def fits(draw):
    """Return problems with labels of any kind and all parameters."""
    problem, labels = draw(problems()), draw(st.sampled_from(sorted(LABELS)))
    y = LABELS[labels](problem.codes)
    parameters = draw(st.fixed_dictionaries(TRAINING | WHOLE_FIT))
    if labels == "several":
        parameters["output_activation"] = "logistic"
    weight = problem.weight.astype(float)
    if parameters["early_stopping"]:  # a holdout needs a class with two samples
        problem = replace(
            problem,
            X=np.vstack([problem.X, problem.X[:1]]),
            codes=np.append(problem.codes, problem.codes[0]),
        )
        y, weight = LABELS[labels](problem.codes), np.append(weight, 0) + 1
    kind = draw(st.sampled_from([None, "balanced", "given"]))
    if kind == "given":
        kind = (
            [{0: 0.5, 1: 3}, {1: 7.0}]
            if labels == "several"
            else {label: 0.5 + i for i, label in enumerate(np.unique(y[weight > 0]))}
        )
    classifier = problem.classifier.set_params(class_weight=kind, **parameters)
    return replace(problem, weight=weight), y, classifier


def fitted(classifier, X, y, **options):
    """Fit without a ConvergenceWarning and return the estimator."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return classifier.fit(X, y, **options)


def assert_same_fit(first, second):
    assert_array_equal(first.theta1_, second.theta1_)
    assert_array_equal(first.theta2_, second.theta2_)
    assert first.loss_curve_ == second.loss_curve_
    assert first.stop_reason_ == second.stop_reason_
    assert first.validation_scores_ == second.validation_scores_


# ------------------------------------------------------------------------- networks


@dataclass(frozen=True)
class Network:
    """A problem and the weights of both layers."""

    problem: Problem
    theta1: np.ndarray
    theta2: np.ndarray

    def __call__(self, theta1=None, theta2=None, **changes):
        """Return the cost and the gradient of each layer, with changed arguments."""
        problem = self.problem
        options = {"sample_weight": problem.weight} | problem.options | changes
        X, Y = options.pop("X", problem.X), options.pop("Y", problem.codes)
        theta1 = self.theta1 if theta1 is None else theta1
        theta2 = self.theta2 if theta2 is None else theta2
        cost, gradient = cost_gradient(pack(theta1, theta2), X, Y, **options)
        return cost, *unpack(gradient, theta1.shape[1] - 1, theta1.shape[0])

    @property
    def activations(self):
        """Return both activations as keyword arguments of `forward`."""
        names = "activation", "output_activation"
        return {name: self.problem.options[name] for name in names}

    @property
    def start(self):
        """Return the weights as keyword arguments of `fit`."""
        return start_from(self.theta1, self.theta2)


def start_from(theta1, theta2):
    thetas = theta1, theta2
    return {
        "coefs_init": [theta[:, 1:].T for theta in thetas],
        "intercepts_init": [theta[:, 0] for theta in thetas],
    }


@st.composite
def networks(draw):
    """Return networks whose weights do not saturate any unit."""
    problem = draw(problems())
    n_classes = problem.codes.max() + 1
    n_outputs = n_classes if n_classes > 2 else 1
    if n_outputs == 1:  # like the estimator, with one sigmoid for two classes
        problem.options["output_activation"] = "logistic"
    n_hidden = problem.options["hidden_layer_size"]
    theta1 = problem.rng.uniform(-1, 1, (n_hidden, problem.X.shape[1] + 1))
    theta1[:, 1:] /= np.abs(problem.X).max()
    return Network(
        problem, theta1, problem.rng.uniform(-1, 1, (n_outputs, n_hidden + 1))
    )


def assert_near(actual, expected, rtol=1e-11):
    """Check that arrays are equal within a tolerance relative to the largest entry."""
    for a, e in zip(actual, expected, strict=True):
        assert_allclose(a, e, rtol=0, atol=rtol * max(1.0, np.abs(e).max()))


# -------------------------------------------------------------- containers of data


def unaligned(X):
    if X.dtype.kind == "O":  # arrays of objects are always aligned
        return X
    buffer = np.zeros(X.nbytes + 1, np.uint8)
    result = buffer[1:].view(X.dtype).reshape(X.shape)
    result[...] = X
    return result


def read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def in_two(X):
    """Return two matrices with the sum X."""
    if X.dtype.kind == "b":
        X = X.astype(np.int8)
    part = X // 2 if X.dtype.kind in "iu" else X / 2
    return part, X - part


def coordinates_twice(X):
    """Return an unsorted COO array that stores each entry, also 0, as two summands."""
    rows, columns = np.indices(X.shape).reshape(2, -1)[:, ::-1]
    values = np.concatenate([part[rows, columns] for part in in_two(X)])
    return sp.coo_array((values, (np.tile(rows, 2), np.tile(columns, 2))), X.shape)


def compressed(*parts, step=1):
    """Return a CSR array that stores all entries of each part, with int64 indices."""
    n_rows, n_features = parts[0].shape
    columns = np.tile(np.arange(n_features)[::step], len(parts))
    values = np.hstack([part[:, ::step] for part in parts])
    indptr = np.arange(0, values.size + 1, len(columns))
    indices = np.tile(columns, n_rows)
    result = sp.csr_array((values.ravel(), indices, indptr), (n_rows, n_features))
    result.indices, result.indptr = indices, indptr  # the constructor uses int32
    return result


def sealed(X):
    for array in (X.data, X.indices, X.indptr):
        array.flags.writeable = False
    return X


def frame_of(make):
    return lambda X: make({f"x{i}": column for i, column in enumerate(X.T)})


DENSE = {
    "C-ordered": np.ascontiguousarray,
    "Fortran-ordered": np.asfortranarray,
    "strided": lambda X: np.repeat(np.repeat(X, 2, axis=0), 3, axis=1)[::2, ::3],
    "backwards": lambda X: X[::-1, ::-1].copy()[::-1, ::-1],
    "read-only": read_only,
    "unaligned": unaligned,
    "one row many times": lambda X: np.broadcast_to(X[0], X.shape),
    "one column many times": lambda X: np.broadcast_to(X[:, :1], X.shape),
}
LISTS_AND_FRAMES = {
    "a list": np.ndarray.tolist,
    "a tuple of arrays": tuple,
    "a frame of pandas": frame_of(pd.DataFrame),
    "a frame of polars": frame_of(pl.DataFrame),
}
SPARSE = {
    **{
        f"{name}_{kind}": getattr(sp, f"{name}_{kind}")
        for name in ("bsr", "coo", "csc", "csr", "dia", "dok", "lil")
        for kind in ("array", "matrix")
    },
    "explicit zeros": compressed,
    "unsorted indices": lambda X: compressed(X, step=-1),
    "coordinates twice": coordinates_twice,
    "columns twice": lambda X: compressed(*in_two(X)),
    "columns twice, read-only": lambda X: sealed(compressed(*in_two(X))),
}
SPARSE_DTYPES = [*"?bBhHiIlLqQfdg"]
DTYPES = [*SPARSE_DTYPES, "e", ">f4", ">f8", ">i4", "O"]


def coarse(X, dtype):
    """Return X rounded to a few multiples of a step that are exact in the dtype."""
    kind = np.dtype(dtype).kind
    X = np.clip(np.rint(8 * X / np.abs(X).max()), -8, 8)
    X = {"b": X > 0, "u": np.abs(X)}.get(kind, X / 4 if kind in "fO" else X)
    return X.astype(dtype)


COLUMNS = {
    pd: [
        lambda x: pd.Series(x.astype("b")),
        lambda x: pd.Series(x, dtype="Int64"),
        lambda x: pd.Series(x > 0, dtype="boolean"),
        lambda x: pd.Series(x / 2, dtype="Float32"),
        lambda x: pd.Series(x / 4),
    ],
    pl: [
        lambda x: pl.Series(x.astype("b")),
        lambda x: pl.Series(x > 0),
        lambda x: pl.Series(x / 2, dtype=pl.Float32),
        lambda x: pl.Series(x / 4),
    ],
}


def mixed(X, library):
    """Return a frame whose columns have different dtypes."""
    kinds = cycle(COLUMNS[library])
    columns = coarse(X, "i").T
    return library.DataFrame(
        {f"x{i}": kind(x) for i, (x, kind) in enumerate(zip(columns, kinds))}  # noqa: B905
    )


@st.composite
def matrices(draw, X):
    """Return a matrix like X in any container and dtype."""
    how = draw(st.sampled_from([*sorted(DENSE | LISTS_AND_FRAMES | SPARSE), pd, pl]))
    if how in COLUMNS:
        return mixed(X, how)
    if how in SPARSE:
        return SPARSE[how](coarse(X, draw(st.sampled_from(SPARSE_DTYPES))))
    dtypes = SPARSE_DTYPES[:-1] if how in LISTS_AND_FRAMES else DTYPES
    return (DENSE | LISTS_AND_FRAMES)[how](coarse(X, draw(st.sampled_from(dtypes))))


def plain(X):
    """Return the matrix as a C-ordered array of float64."""
    if isinstance(X, pd.DataFrame):
        X = X.to_numpy(float)
    dense = X.toarray() if sp.issparse(X) else np.array(X)
    return np.ascontiguousarray(dense.astype(float))
