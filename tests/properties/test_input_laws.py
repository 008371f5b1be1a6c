"""Every container and dtype of the input gives the same fit and is not changed."""

import copy
import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import ThreadpoolController

from strategies import (
    LABELS,
    TRAINING,
    assert_same_fit,
    fits,
    fitted,
    matrices,
    one_in,
    plain,
    problems,
    read_only,
    unaligned,
)

BLAS = ThreadpoolController().select(user_api="blas")


@one_in(2)
@given(problems(), st.sampled_from(["full", "diagonal", None]), st.data())
def test_container_and_dtype_of_samples_give_same_fit(problem, conditioning, data):
    X = data.draw(matrices(problem.X))
    before, y = plain(X), LABELS["strings"](problem.codes)
    # The solver magnifies rounding errors in later passes.
    classifier = problem.classifier.set_params(conditioning=conditioning, max_iter=3)
    clf = fitted(clone(classifier), X, y, sample_weight=problem.weight)
    assert_array_equal(plain(X), before)

    dtype = clf.theta1_.dtype
    assert dtype == np.float64 or getattr(X, "dtype", dtype) == dtype
    expected = before.astype(dtype)
    other = fitted(classifier, expected, y, sample_weight=problem.weight)
    exact = dtype == np.float64
    assert_allclose(clf.loss_curve_, other.loss_curve_, rtol=1e-8 if exact else 1e-4)
    if not hasattr(X, "columns"):  # the array would lack the feature names of a frame
        assert_allclose(
            clf.predict_proba(X),
            clf.predict_proba(expected),
            rtol=1e-10 if exact else 1e-4,
        )
    assert_array_equal(plain(X), before)


# Fits are bit-identical, since each of these is converted to a NumPy array first.
VECTORS = {
    "a list": np.ndarray.tolist,
    "a tuple": lambda v: tuple(v.tolist()),
    "objects": lambda v: v.astype(object if v.dtype.kind == "U" else v.dtype),
    "strided": lambda v: np.repeat(v, 3, axis=0)[::3],
    "backwards": lambda v: v[::-1].copy()[::-1],
    "read-only": read_only,
    "unaligned": unaligned,
    "a series": lambda v: pd.Series(v, index=np.arange(len(v))[::-1]),
    "a series of polars": lambda v: pl.Series(v.tolist()),
}
KINDS_OF_LABELS = VECTORS | {
    "categories": lambda v: pd.Series(pd.Categorical(v)),
}
KINDS_OF_NUMBERS = VECTORS | {
    "nullable": lambda v: pd.Series(v, dtype="Int64"),
    "nullable and unsigned": lambda v: pd.Series(v, dtype="UInt8"),
    **{d: lambda v, d=d: v.astype(d) for d in "bBhHiIlLqQefdg"},
    **{d: lambda v, d=d: v.astype(d) for d in (">i4", ">f8", ">f4")},
}
KINDS_OF_INDICATORS = {
    **{d: lambda Y, d=d: Y.astype(d) for d in "?bBhHiIlLqQefd"},
    "a list": np.ndarray.tolist,
    "a frame": pd.DataFrame,
    "a frame of polars": lambda Y: pl.DataFrame(Y, schema=["a", "b"]),
    "read-only": read_only,
    "Fortran-ordered": np.asfortranarray,
    "CSR": sp.csr_array,
    "CSR of bool": lambda Y: sp.csr_matrix(Y.astype(bool)),
    "CSC": sp.csc_matrix,
    "COO": sp.coo_array,
    "LIL": sp.lil_matrix,
}


def one_of(kinds):
    return st.sampled_from(sorted(kinds)).map(kinds.get)


@one_in(2)
@given(problems(), st.fixed_dictionaries(TRAINING), st.data())
def test_container_and_dtype_of_labels_and_weights_give_same_fit(
    problem, training, data
):
    of_labels = data.draw(st.sampled_from(sorted(LABELS)))
    kinds = KINDS_OF_LABELS
    if of_labels == "numbers":
        kinds = kinds | KINDS_OF_NUMBERS
    if of_labels == "several":
        problem.options["output_activation"] = "logistic"
        kinds = KINDS_OF_INDICATORS
    expected = LABELS[of_labels](problem.codes)
    y = data.draw(one_of(kinds))(expected)
    weight = data.draw(one_of(KINDS_OF_NUMBERS))(problem.weight)
    classifier = problem.classifier.set_params(**training)
    clf = fitted(clone(classifier), problem.X, y, sample_weight=weight)
    other = fitted(
        classifier, problem.X, expected, sample_weight=problem.weight.astype(float)
    )
    assert_same_fit(clf, other)
    assert_array_equal(clf.predict(problem.X), other.predict(problem.X))


def contents(X):
    """Return the contents of a matrix without its cached flags."""
    if hasattr(X, "columns"):
        return list(X.dtypes), plain(X).tolist()
    if sp.issparse(X):
        arrays = [v for v in vars(X).values() if isinstance(v, np.ndarray)]
        return pickle.dumps(arrays), plain(X).tolist()
    return pickle.dumps(X)


@one_in(2)
@given(fits(), st.data())
def test_fit_leaves_arguments_and_global_state_unchanged(fit, data):
    problem, y, classifier = fit
    X = data.draw(matrices(problem.X))
    d, h = problem.X.shape[1], classifier.hidden_layer_size
    n_outputs = 2 if y.ndim == 2 else len(np.unique(y))
    n_outputs = n_outputs if n_outputs > 2 or y.ndim == 2 else 1
    given = {
        "y": y,
        "sample_weight": problem.weight,
        "coefs_init": [np.full((d, h), 0.1), np.full((h, n_outputs), 0.1)],
        "intercepts_init": [np.zeros(h), np.zeros(n_outputs)],
    }
    if not data.draw(st.booleans()):
        given["coefs_init"] = given["intercepts_init"] = None
    parameters = copy.deepcopy(classifier.get_params())
    before = pickle.dumps(given), contents(X)

    def around():
        state = np.random.get_state()
        return [
            np.geterr(),
            list(warnings.filters),
            (state[0], state[1].tobytes(), *state[2:]),
            BLAS.info(),
        ]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        surroundings = around()
        clf = classifier.fit(X, **given)
        for predict in (clf.predict, clf.predict_proba, clf.decision_function):
            predict(X)
        assert around() == surroundings
    assert (pickle.dumps(given), contents(X)) == before
    assert clf.get_params() == parameters
