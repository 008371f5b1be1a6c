"""Fits on a cluster of two worker processes, compared with fits in memory."""

import contextlib
import functools
import gc
import io
import math
import pickle
import time
import warnings
from dataclasses import replace

import dask
import dask.array as da
import dask.dataframe as dd
import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from distributed import Client, LocalCluster, futures_of, secede
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV

from sknn3 import ThreeLayerNNClassifier
from sknn3.dask import DaskThreeLayerNNClassifier
from sknn3.dask._partitions import Partitions
from sknn3.dask._tasks import add, compensated, rounded_total

pytestmark = pytest.mark.cluster

Local, Net = ThreeLayerNNClassifier, DaskThreeLayerNNClassifier


@pytest.fixture(scope="module")
def client():
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0"
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


def cut(array, rows=700):
    """Return a dask array with chunks of `rows` rows."""
    return da.from_array(array, chunks=(rows, *array.shape[1:]))


def quick(cls=Net, **params):
    """Return an estimator for a few passes."""
    defaults = {"hidden_layer_size": 6, "max_iter": 12, "tol": 1e-3, "random_state": 0}
    return cls(**defaults | params)


def fitted(clf, *args, **kwargs):
    """Fit without the warning that training did not converge."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return clf.fit(*args, **kwargs)


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
def test_fit_equals_fit_in_memory(client, large, rng, params, weighted):
    arrays = [*large] + [rng.randint(0, 4, len(large[0])) / 3] * weighted
    local = fitted(quick(Local, **params), *arrays)
    assert_same_fit(fitted(quick(**params), *map(cut, arrays)), local)


VALIDATION = ["X_val", "y_val", "sample_weight_val"]


@pytest.mark.parametrize("as_given", [cut, np.asarray])
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"early_stopping": True, "n_iter_no_change": 2},
        {"class_weight": "balanced"},
        {"class_weight": {0: 2.0, 1: 0.0}, "early_stopping": True},
    ],
)
def test_fit_with_validation_samples_equals_fit_in_memory(
    client, large, rng, params, as_given
):
    X, y = large
    weight = rng.randint(0, 4, len(y)) / 3
    train, others = slice(3000), slice(3000, None)
    arrays = [X[others], y[others], weight[others]]
    local = quick(Local, **params)
    fitted(local, X[train], y[train], **dict(zip(VALIDATION, arrays, strict=True)))
    given = dict(zip(VALIDATION, map(as_given, arrays), strict=True))
    net = fitted(quick(**params), cut(X[train]), cut(y[train]), **given)
    assert_same_fit(net, local)
    assert_allclose(net.validation_loss_curve_, local.validation_loss_curve_)
    assert net.best_validation_score_ == local.best_validation_score_


def test_validation_frames_and_strings(client, large):
    X, y = large
    names = np.array(["a", "bcd", "c"])[y]
    frame = pd.DataFrame(X, columns=list("abcdefghijkl"))
    train, others = frame[:3000], frame[3000:]
    pairs = (train, names[:3000]), (others, names[3000:])
    (X, y), (X_val, y_val) = pairs
    local = fitted(quick(Local), X, y, X_val=X_val, y_val=y_val)
    X, y, lazy_X, lazy_y = (
        dd.from_pandas(values, npartitions=3)
        for values in (X, pd.Series(y), X_val, pd.Series(y_val))
    )
    for rows, labels in ((lazy_X, lazy_y), (X_val, y_val)):
        net = fitted(quick(), X, y, X_val=rows, y_val=labels)
        assert_allclose(net.validation_loss_curve_, local.validation_loss_curve_)


def test_sparse_validation_samples_with_columns_that_training_lacks(client, rng):
    X = sp.random_array((600, 30), density=0.2, format="csr", random_state=rng)
    y = (X[:, :15].sum(axis=1) > X[:, 15:].sum(axis=1)).astype(int)
    X_val, y_val = X, y
    X = X @ sp.diags_array((np.arange(30) % 7 > 0).astype(float))
    X.eliminate_zeros()
    X = sp.csr_array(X)
    local = fitted(quick(Local), X, y, X_val=X_val, y_val=y_val)
    lazy = (da.from_array(rows, chunks=(200, -1), asarray=False) for rows in (X, X_val))
    X, lazy_X = (rows.map_blocks(sp.csr_array) for rows in lazy)
    for rows, labels in ((lazy_X, cut(y_val, 200)), (X_val, y_val)):
        net = fitted(quick(), X, cut(y, 200), X_val=rows, y_val=labels)
        assert_same_fit(net, local)
        assert_allclose(net.validation_loss_curve_, local.validation_loss_curve_)


def test_float32_validation_samples_take_dtype_of_training(client, large):
    X, y = large[0].astype(np.float32), large[1]
    X_val = X[3000:].astype(float)
    arrays = cut(X[:3000]), cut(y[:3000])
    curves = [
        fitted(quick(), *arrays, X_val=rows, y_val=cut(y[3000:])).validation_loss_curve_
        for rows in (cut(X_val), cut(X[3000:]))
    ]
    assert curves[0] == curves[1]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"X_val": None}, ValueError, "y_val is provided, but X_val was not provided"),
        ({"X_val": cut(np.ones((900, 3)))}, ValueError, "X_val.*has 3 features"),
        (
            {"y_val": cut(np.zeros(800))},
            ValueError,
            "y_val.*X has 900 rows, but y",
        ),
        ({"y_val": np.zeros(900)}, TypeError, "y_val.*y is of type ndarray"),
        ({"y_val": cut(np.full(900, 7))}, ValueError, "y_val.*lacks, such as 7"),
        ({"X_val": cut(np.full((900, 12), np.nan))}, ValueError, "X_val.*NaN"),
        (
            {"sample_weight_val": cut(np.zeros(900))},
            ValueError,
            "sample_weight_val.*no rows with a weight",
        ),
    ],
)
def test_faulty_validation_samples_raise(client, large, change, error, message):
    X, y = large
    validation = {"X_val": cut(X[:900]), "y_val": cut(y[:900])} | change
    clf = quick()
    with pytest.raises(error, match=message):
        clf.fit(cut(X), cut(y), **validation)
    assert not hasattr(clf, "n_features_in_")


def test_scorer_for_early_stopping_raises(client, large):
    with pytest.raises(ValueError, match=r"'scoring' parameter of DaskThree.*{'loss'}"):
        quick(early_stopping=True, scoring="accuracy").fit(*map(cut, large))


@pytest.mark.parametrize("case", ["two", "strings", "several", "one"])
def test_predictions_and_scores_equal_local_estimator(client, large, case):
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
        "input_gradients",
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
    of_outputs = {"response_method": "decision_function"}
    lazy = net.input_gradients(cut(X), **of_outputs)
    expected = local.input_gradients(X, **of_outputs)
    assert lazy.shape == expected.shape
    assert_allclose(lazy.compute(), expected, rtol=1e-9, atol=1e-12)
    assert net.score(cut(X), cut(y)) == pytest.approx(local.score(X, y), abs=1e-12)


def test_multilabel_class_weight_and_early_stopping_equal_fit_in_memory(
    client, multilabel
):
    X, Y = multilabel
    params = {"class_weight": "balanced", "early_stopping": True}
    local = fitted(quick(Local, **params), X, Y)
    assert_same_fit(fitted(quick(**params), cut(X, 40), cut(Y, 40)), local)


@pytest.mark.parametrize("kind", [sp.csr_array, sp.csr_matrix, sp.csc_matrix])
def test_sparse_partitions_equal_fit_in_memory(client, large, kind):
    X, y = large
    X = np.where(abs(X) > 1, X, 0)
    local = fitted(quick(Local), kind(X), y)
    blocks = cut(X).map_blocks(kind)
    net = fitted(quick(), blocks, cut(y))
    assert_same_fit(net, local)
    assert_allclose(
        net.predict_proba(blocks).compute(), local.predict_proba(X), rtol=1e-9
    )


def test_empty_columns_of_sparse_partitions_are_not_used(client, large):
    X, y = large
    X = np.where(abs(X) > 1, X, 0)
    X[:, 5] = 0
    X[:1000, 7] = 0  # empty in the first partitions only
    X[200:, 8] = 0  # has entries only in rows of weight 0
    weight = (np.arange(len(y)) >= 200).astype(float)
    for params in ({}, {"early_stopping": True}):
        local = fitted(quick(Local, **params), sp.csr_array(X), y, weight)
        blocks = cut(X).map_blocks(sp.csr_array)
        net = fitted(quick(**params), blocks, cut(y), cut(weight))
        assert_same_fit(net, local)
        assert_array_equal(net.coefs_[0][[5, 8]], 0)


def test_data_frames_equal_fit_in_memory_and_keep_feature_names(client, large):
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
def test_float32_and_integers_give_dtype_and_loss_of_fit_in_memory(
    client, large, dtype
):
    X, y = (8 * large[0]).astype(dtype), large[1]
    local, net = fitted(quick(Local), X, y), fitted(quick(), cut(X), cut(y))
    assert net.theta1_.dtype == local.theta1_.dtype
    # In float32 the sums depend on the blocks of rows.
    assert_allclose(net.loss_, local.loss_, rtol=1e-10 if dtype == np.int32 else 1e-3)


def test_conditioning_from_every_nth_row_equals_fit_in_memory(
    client, large, monkeypatch
):
    from sknn3 import _conditioning

    monkeypatch.setattr(_conditioning, "MAX_PRODUCTS", 12**2 * 700)
    X, y = large
    net, local = fitted(quick(), cut(X, 613), cut(y, 613)), fitted(quick(Local), X, y)
    assert_same_fit(net, local)


def test_initial_weights_and_warm_start_equal_fit_in_memory(client, large):
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


def test_fit_is_bit_identical_on_another_cluster(client, large):
    X, y = map(cut, large)
    X, y = client.persist([X, y])
    on_two = fitted(quick(), X, y)
    with (
        LocalCluster(
            n_workers=3, threads_per_worker=2, processes=False, dashboard_address=":0"
        ) as cluster,
        Client(cluster, set_as_default=False) as other,
        other.as_current(),
    ):
        on_other = fitted(quick(), *map(cut, large))
    assert_array_equal(on_two.theta1_, on_other.theta1_)
    assert on_two.loss_curve_ == on_other.loss_curve_


@pytest.mark.parametrize("n_terms", [1, 2, 13, 200])
def test_compensated_sum_is_exact_in_any_order(n_terms, rng):
    terms = rng.standard_normal((n_terms, 50)) * 10.0 ** rng.randint(
        -6, 6, (n_terms, 1)
    )
    expected = [math.fsum(column) for column in terms.T]
    assert n_terms < 13 or (terms.sum(axis=0) != expected).any()
    for n_shares in (1, 2, 3, n_terms):
        shares = [
            functools.reduce(add, [compensated((term,)) for term in share])
            for share in np.array_split(rng.permutation(terms), min(n_shares, n_terms))
        ]
        assert_array_equal(rounded_total(shares)[0], expected)


# ------------------------------------------------------- the fitted estimator


def test_to_local_predicts_the_same_from_numpy_attributes(client, large):
    X, y = large
    net = fitted(quick(), cut(X), cut(y))
    local = net.to_local()
    assert type(local) is Local
    assert isinstance(net.theta1_, np.ndarray)
    assert_array_equal(local.predict(X), net.predict(cut(X)).compute())
    expected = fitted(quick(Local), X, y)
    assert vars(local).keys() == vars(expected).keys()
    assert not hasattr(Net().to_local(), "theta1_")


def test_pickled_estimator_predicts_the_same(client, iris):
    net = fitted(quick(), *map(cut, iris))
    unpickled = pickle.loads(pickle.dumps(net))
    assert_array_equal(
        unpickled.predict(cut(iris[0])).compute(), net.predict(cut(iris[0])).compute()
    )


def test_parameters_equal_local_estimator():
    net = quick(alpha=0.5)
    assert net.get_params() == net.to_local().get_params()
    assert clone(net).get_params() == net.get_params()


def test_predict_before_fit_raises_not_fitted_error(client, iris):
    with pytest.raises(NotFittedError):
        Net().predict(cut(iris[0]))


def test_convergence_warning_points_to_the_call_of_fit(client, iris):
    with pytest.warns(ConvergenceWarning, match="max_iter=2 passes") as record:
        quick(max_iter=2).fit(*map(cut, iris))
    assert record[0].filename == __file__


def test_constant_outputs_warn_and_name_alpha(client, iris):
    message = r"alpha=1000 is too large for a sum of sample weights of 150,"
    with pytest.warns(ConvergenceWarning, match=message) as record:
        quick(alpha=1000, max_iter=60).fit(*map(cut, iris))
    assert [warning.filename for warning in record] == [__file__]


def test_weights_with_a_mean_below_1_equal_fit_in_memory(client, iris, rng):
    X, y = iris[0][:120], iris[1][:120]
    weights = rng.uniform(1e-7, 3e-6, 120)
    for params, arrays in (
        ({}, (X, y, weights)),
        ({"class_weight": dict(enumerate(1 / np.bincount(y)))}, (X, y)),
    ):
        net = fitted(quick(**params), *map(functools.partial(cut, rows=50), arrays))
        assert_same_fit(net, fitted(quick(Local, **params), *arrays))


def test_warm_starts_of_one_pass_lower_the_loss(client, iris):
    net, local = (quick(cls, max_iter=1, warm_start=True) for cls in (Net, Local))
    X, y = map(cut, iris)
    losses = [fitted(net, X, y).loss_ for _ in range(4)]
    assert (np.diff(losses) < 0).all()
    assert_allclose(losses, [fitted(local, *iris).loss_ for _ in range(4)], rtol=1e-9)


def test_max_time_ends_fit_and_warns(client, iris):
    with pytest.warns(ConvergenceWarning, match="max_time=1e-09 seconds ended"):
        net = quick(max_time=1e-9).fit(*map(cut, iris))
    assert net.stop_reason_ == "max_time"


# ------------------------------------------------------------ memory of the cluster


def test_fit_releases_all_futures(client, large):
    def wanted_keys():
        return client.run_on_scheduler(
            lambda dask_scheduler: {
                key for key, task in dask_scheduler.tasks.items() if task.who_wants
            }
        )

    before = wanted_keys()
    gc.disable()  # reference counts alone release the futures
    try:
        fitted(quick(early_stopping=True), *map(cut, large))
        deadline = time.monotonic() + 10
        while wanted_keys() - before and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        gc.enable()
    assert not wanted_keys() - before


def test_failed_fit_releases_data(client, large):
    def fail_for_last_block(block):
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
        quick().fit(X.map_blocks(fail_for_last_block, meta=np.empty((0, 0))), y)
    block = 700 * 12 * 8
    deadline = time.monotonic() + 10
    while bytes_wanted() - before > block / 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert bytes_wanted() - before < block / 2  # small results may stay with the error


def test_persisted_float_partitions_are_not_copied(client, large):
    X, y = client.persist(
        [da.random.random((5000, 12), chunks=(700, 12)), cut(large[1])]
    )
    data = Partitions.from_arrays(client, [X, y], None)
    assert {future.key for future in data.rows} == {f.key for f in futures_of(X)}


def test_unfinished_partitions_are_separate_tasks(client, large):
    """A task for several unfinished partitions would move them to one worker."""

    def copy_slowly(rows):
        time.sleep(0.3)
        return rows.copy()

    data = Partitions.from_arrays(client, [*map(cut, large)], None)
    data = replace(data, rows=client.map(copy_slowly, data.rows, pure=False))
    shares = [share for worker, share in data._shares() if worker is None]
    assert shares
    assert {len(share) for share in shares} == {1}


@pytest.mark.parametrize("method", ["fit", "score"])
def test_common_source_of_x_and_y_is_read_once(client, large, tmp_path, caplog, method):
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


# --------------------------------------------------- callbacks, searches and routing


class StopAfter:
    """A callback that records scores, and stops training after `n` passes."""

    def __init__(self, n):
        self.n, self.scores = n, []

    def setup(self, estimator, context): ...

    def teardown(self, estimator, context): ...

    def on_fit_task_begin(self, estimator, context): ...

    def on_fit_task_end(self, estimator, context, *, X, y, fitted_estimator):
        if context.task_name == "pass":
            self.scores.append(fitted_estimator.score(X, y))
            return len(self.scores) == self.n
        return False


@pytest.mark.needs_sklearn("1.9", "callbacks")
def test_callback_scores_passes_and_stops_training(client, iris):
    X, y = map(cut, iris)
    stop = StopAfter(3)
    net = quick().set_callbacks(stop).fit(X, y)
    assert (net.stop_reason_, net.n_iter_, len(stop.scores)) == ("callback", 3, 3)
    assert stop.scores[-1] == net.score(X, y)


@pytest.mark.needs_sklearn("1.9", "callbacks")
def test_progress_bar_names_estimator(client, iris):
    from sklearn.callback import ProgressBar

    with contextlib.redirect_stdout(io.StringIO()) as out:
        fitted(quick().set_callbacks(ProgressBar()), *map(cut, iris))
    assert "DaskThreeLayerNNClassifier - fit" in out.getvalue()


def test_verbose_prints_passes_and_result(client, iris, capsys):
    fitted(quick(verbose=True, max_iter=8), *map(cut, iris))
    printed = capsys.readouterr().out
    assert "pass     5/8" in printed
    assert "max_iter after 8 passes" in printed


def test_metadata_requests_include_sample_weight():
    with config_context(enable_metadata_routing=True):
        net = quick().set_fit_request(sample_weight=True)
        net.set_score_request(sample_weight=False)
        requests = net.get_metadata_routing()
    assert requests.fit.requests["sample_weight"] is True
    assert requests.score.requests["sample_weight"] is False
    assert set(requests.fit.requests) == set(
        Local().get_metadata_routing().fit.requests
    )


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_grid_search_with_dask_backend_equals_search_in_one_process(client, iris):
    net = Local(random_state=0, max_iter=10)
    grid = {"alpha": [0.1, 1.0], "hidden_layer_size": [2, 4]}
    local = GridSearchCV(net, grid, cv=2, n_jobs=1).fit(*iris)
    with joblib.parallel_config(backend="dask"):
        search = GridSearchCV(net, grid, cv=2).fit(*iris)
    assert_array_equal(
        search.cv_results_["mean_test_score"], local.cv_results_["mean_test_score"]
    )
    assert search.best_params_ == local.best_params_
    assert_array_equal(search.best_estimator_.theta1_, local.best_estimator_.theta1_)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_fit_in_a_task_uses_the_client_of_the_worker(client, iris):
    X, y = iris
    clf, local = quick(), quick(Local).fit(X, y)

    def fit_in_task(X, y, clf):
        secede()  # the worker has one thread
        return clf.fit(da.from_array(X), da.from_array(y)).loss_

    assert client.submit(fit_in_task, X, y, clf).result() == local.loss_
