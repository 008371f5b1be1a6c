"""The estimator on a cluster of two processes, against the one on this machine."""

import functools
import gc
import math
import pickle
import time
import warnings
from copy import copy

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from distributed import Client, LocalCluster
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from sknn3 import ThreeLayerNNClassifier
from sknn3.dask import DaskThreeLayerNNClassifier
from sknn3.dask._sums import add, pairs_of, rounded

pytestmark = pytest.mark.cluster

Local, Net = ThreeLayerNNClassifier, DaskThreeLayerNNClassifier


@pytest.fixture(scope="module")
def client():
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as of,
        Client(of) as client,
    ):
        yield client


def cut(array, rows=700):
    """A dask array of chunks of so many rows."""
    return da.from_array(array, chunks=(rows, *array.shape[1:]))


def quick(cls=Net, **params):
    """A network for a few passes, however they end."""
    defaults = {"hidden_layer_size": 6, "max_iter": 12, "tol": 1e-3, "random_state": 0}
    return cls(**defaults | params)


def fitted(clf, *args):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return clf.fit(*args)


def assert_same_fit(distributed, local):
    assert_allclose(distributed.theta1_, local.theta1_, rtol=0, atol=1e-10)
    assert_allclose(distributed.theta2_, local.theta2_, rtol=0, atol=1e-10)
    assert_allclose(distributed.loss_curve_, local.loss_curve_, rtol=1e-10)
    assert distributed.stop_reason_ == local.stop_reason_
    assert distributed.validation_scores_ == local.validation_scores_
    assert_array_equal(distributed.classes_, local.classes_)


# ------------------------------------------------------------------- equal results


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"solver": "lbfgs", "max_iter": 25},
        {"activation": "tanh", "output_activation": "softmax"},
        {"conditioning": "diagonal", "alpha": 0.01},
        {"conditioning": None, "init_epsilon": 0.12},
        {"class_weight": "balanced"},
        {"class_weight": {0: 2.0, 1: 0.0, 2: 0.5}},
        {"early_stopping": True, "validation_fraction": 0.3, "n_iter_no_change": 3},
    ],
)
@pytest.mark.parametrize("weighted", [False, True])
def test_a_fit_is_that_of_all_rows_on_one_machine(client, large, rng, params, weighted):
    arrays = [*large] + [rng.randint(0, 4, len(large[0])) / 3] * weighted
    local = fitted(quick(Local, **params), *arrays)
    assert_same_fit(fitted(quick(**params), *map(cut, arrays)), local)


@pytest.mark.parametrize("case", ["two", "strings", "several", "one"])
def test_targets_of_every_kind(client, large, case):
    X, y = large
    y = {
        "two": y > 0,
        "strings": np.array(["a", "bcd", "c"])[y],
        "several": np.column_stack([y > 0, y > 1]).astype(int),
        "one": np.zeros(len(y)),
    }[case]
    local, net = fitted(quick(Local), X, y), fitted(quick(), cut(X), cut(y))
    assert_same_fit(net, local)
    for method in (
        "predict",
        "predict_proba",
        "predict_log_proba",
        "decision_function",
    ):
        expected = getattr(local, method)(X)
        lazy = getattr(net, method)(cut(X))
        assert isinstance(lazy, da.Array)
        assert lazy.shape == expected.shape
        assert lazy.dtype == expected.dtype
        if expected.dtype.kind == "f":
            assert_allclose(lazy.compute(), expected, rtol=1e-9, atol=1e-12)
        else:
            assert_array_equal(lazy.compute(), expected)
    assert net.score(cut(X), cut(y)) == pytest.approx(local.score(X, y), abs=1e-12)


def test_class_weights_and_early_stopping_of_labels(client, multilabel):
    X, Y = multilabel
    params = {"class_weight": "balanced", "early_stopping": True}
    local = fitted(quick(Local, **params), X, Y)
    assert_same_fit(fitted(quick(**params), cut(X, 40), cut(Y, 40)), local)


@pytest.mark.parametrize("kind", [sp.csr_array, sp.csr_matrix, sp.csc_matrix])
def test_blocks_of_sparse_matrices(client, large, kind):
    X, y = large
    X = np.where(abs(X) > 1, X, 0)
    local = fitted(quick(Local), kind(X), y)
    blocks = cut(X).map_blocks(kind)
    net = fitted(quick(), blocks, cut(y))
    assert_same_fit(net, local)
    assert_allclose(
        net.predict_proba(blocks).compute(), local.predict_proba(X), rtol=1e-9
    )


def test_data_frames(client, large):
    X, y = large
    frame = pd.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])])
    local = fitted(quick(Local), frame, y)
    parts = dd.from_pandas(frame, npartitions=5)
    labels = dd.from_pandas(pd.Series(y), npartitions=5)
    weight = dd.from_pandas(pd.Series(np.ones(len(y))), npartitions=5)
    net = fitted(quick(), parts, labels, weight)
    assert_same_fit(net, local)
    assert_array_equal(net.feature_names_in_, frame.columns)
    assert_allclose(
        net.predict_proba(parts).compute(), local.predict_proba(frame), rtol=1e-9
    )
    assert net.score(parts, labels) == pytest.approx(local.score(frame, y))
    with pytest.raises(ValueError, match="feature names should match"):
        net.predict(parts.rename(columns={"x0": "z"}))


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_other_dtypes(client, large, dtype):
    X, y = (8 * large[0]).astype(dtype), large[1]
    local, net = fitted(quick(Local), X, y), fitted(quick(), cut(X), cut(y))
    assert net.theta1_.dtype == local.theta1_.dtype
    # In float32 other blocks of rows are other sums.
    assert_allclose(net.loss_, local.loss_, rtol=1e-10 if dtype == np.int32 else 1e-3)


def test_statistics_may_come_from_some_rows(client, large, monkeypatch):
    from sknn3 import _conditioning

    monkeypatch.setattr(_conditioning, "MAX_PRODUCTS", 12**2 * 700)
    X, y = large
    net, local = fitted(quick(), cut(X, 613), cut(y, 613)), fitted(quick(Local), X, y)
    assert_same_fit(net, local)


def test_initial_weights_and_warm_start(client, large):
    X, y = large
    start = fitted(quick(Local, max_iter=3), X, y)
    for cls, arrays in ((Local, (X, y)), (Net, (cut(X), cut(y)))):
        given = fitted(quick(cls), *arrays, None, start.coefs_, start.intercepts_)
        clf = quick(cls, warm_start=True, max_iter=3)
        warm = fitted(fitted(clf, *arrays), *arrays)
        if cls is Local:
            expected = given, warm
    assert_same_fit(given, expected[0])
    assert_same_fit(warm, expected[1])


def test_the_sum_is_the_same_to_the_bit_wherever_partitions_are(client, large):
    X, y = map(cut, large)
    X, y = client.persist([X, y])
    spread = fitted(quick(), X, y)
    with (
        LocalCluster(
            n_workers=3, threads_per_worker=2, processes=False, dashboard_address=":0"
        ) as cluster,
        Client(cluster, set_as_default=False) as other,
    ):
        elsewhere = fitted(quick(client=other), *map(cut, large))
    assert_array_equal(spread.theta1_, elsewhere.theta1_)
    assert spread.loss_curve_ == elsewhere.loss_curve_


@pytest.mark.parametrize("n_terms", [1, 2, 13, 200])
def test_sums_are_those_of_exact_numbers_in_any_order(n_terms, rng):
    terms = rng.standard_normal((n_terms, 50)) * 10.0 ** rng.randint(
        -6, 6, (n_terms, 1)
    )
    expected = [math.fsum(column) for column in terms.T]
    assert n_terms < 13 or (terms.sum(axis=0) != expected).any()
    for n_shares in (1, 2, 3, n_terms):
        shares = [
            functools.reduce(add, [pairs_of((term,)) for term in share])
            for share in np.array_split(rng.permutation(terms), min(n_shares, n_terms))
        ]
        assert_array_equal(rounded(shares)[0], expected)


# ------------------------------------------------------------------ what comes back


def test_attributes_are_numpys_and_give_a_local_network(client, large):
    X, y = large
    net = fitted(quick(), cut(X), cut(y))
    local = net.to_local()
    assert type(local) is Local
    assert isinstance(net.theta1_, np.ndarray)
    assert_array_equal(local.predict(X), net.predict(cut(X)).compute())
    expected = fitted(quick(Local), X, y)
    assert vars(local).keys() == vars(expected).keys()
    assert not hasattr(Net().to_local(), "theta1_")


def test_the_client_is_shared_by_copies_and_not_saved(client, iris):
    net = fitted(quick(client=client), *map(cut, iris))
    assert clone(net).client is client
    assert copy(net).client is client
    again = pickle.loads(pickle.dumps(net))
    assert again.client is None
    assert_array_equal(
        again.predict(cut(iris[0])).compute(), net.predict(cut(iris[0])).compute()
    )
    assert "client" in net.get_params()


def test_nothing_is_left_on_the_cluster(client, large):
    def wanted():
        return client.run_on_scheduler(
            lambda dask_scheduler: {
                key for key, task in dask_scheduler.tasks.items() if task.who_wants
            }
        )

    before = wanted()
    gc.disable()  # nor does it take a garbage collector to let go
    try:
        fitted(quick(early_stopping=True), *map(cut, large))
        deadline = time.monotonic() + 10
        while wanted() - before and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        gc.enable()
    assert not wanted() - before


def test_a_fit_that_fails_leaves_no_data_on_the_cluster(client, large):
    def fail_at_the_last(block):
        if len(block) < 700:
            raise OSError("no such block")
        return block

    def bytes_wanted():
        return client.run_on_scheduler(
            lambda dask_scheduler: sum(
                max(0, task.nbytes)
                for task in dask_scheduler.tasks.values()
                if task.who_wants and task.state == "memory"
            )
        )

    before = bytes_wanted()
    X, y = map(cut, large)
    with pytest.raises(OSError, match="no such block"):
        quick().fit(X.map_blocks(fail_at_the_last, meta=np.empty((0, 0))), y)
    block = 700 * 12 * 8
    deadline = time.monotonic() + 10
    while bytes_wanted() - before > block / 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert bytes_wanted() - before < block / 2  # summaries, which errors still hold


def test_persisted_data_is_read_as_it_is(client, large):
    """No second copy of X is on the workers."""
    X, y = client.persist(
        [da.random.random((5000, 12), chunks=(700, 12)), cut(large[1])]
    )
    from sknn3.dask._partitions import Partitions

    seen = []
    present = Partitions.present.__func__

    def spy(cls, client, X, *args, **kwargs):
        data = present(cls, client, X, *args, **kwargs)
        seen.extend([X, data.rows])
        return data

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Partitions, "present", classmethod(spy))
        fitted(quick(), X, y)
    assert [f.key for f in seen[0]] == [f.key for f in seen[1]]


def test_partitions_that_are_still_computed_are_not_brought_together(client, large):
    """Nor does it leave copies of them on other workers."""
    from sknn3.dask import _partitions

    def slowly(X, dtype=None):
        time.sleep(0.3)
        return as_rows(X, dtype)

    as_rows, lengths = _partitions.as_rows, []
    sum_ = _partitions.Partitions.sum

    def spy(self, *args):
        shares = self._shares()
        lengths.extend(len(leaves) for worker, leaves in shares if worker is None)
        return sum_(self, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_partitions, "as_rows", slowly)
        patch.setattr(_partitions.Partitions, "sum", spy)
        fitted(quick(), cut(large[0].astype(int)), cut(large[1]))
    assert set(lengths) == {1}


@pytest.mark.parametrize("method", ["fit", "score"])
def test_what_x_and_y_have_in_common_is_read_once(
    client, large, tmp_path, caplog, method
):
    def read(i):
        (tmp_path / f"{method}-{i}-{time.monotonic_ns()}").touch()
        return np.column_stack(large)[i::4]

    shape = len(large[0]) // 4, large[0].shape[1] + 1
    table = da.concatenate(
        [
            da.from_delayed(dask.delayed(read)(i), shape, dtype=np.float64)
            for i in range(4)
        ]
    )
    X, y = table[:, :-1], table[:, -1]
    net = fitted(quick(), *map(cut, large))
    if method == "fit":
        fitted(net, X, y)
    else:
        assert net.score(X, y) > 0.3
    assert len(list(tmp_path.iterdir())) == 4
    assert not [r for r in caplog.records if r.levelname in ("WARNING", "ERROR")]


def test_not_fitted(client, iris):
    with pytest.raises(NotFittedError):
        Net().predict(cut(iris[0]))


def test_a_budget_that_ends_a_fit_is_told(client, iris):
    with pytest.warns(ConvergenceWarning, match="max_iter=2 passes") as record:
        quick(max_iter=2).fit(*map(cut, iris))
    assert record[0].filename == __file__
