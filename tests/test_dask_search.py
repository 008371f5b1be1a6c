"""A search on a cluster, and what scikit-learn does with the estimator for clusters."""

import contextlib
import io

import dask.array as da
import joblib
import pytest
from distributed import Client, LocalCluster
from numpy.testing import assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.callback import ProgressBar
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

from sknn3 import ThreeLayerNNClassifier
from sknn3.dask import DaskThreeLayerNNClassifier

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.filterwarnings(
        "ignore::sklearn.exceptions.ConvergenceWarning"  # budgets are small here
    ),
]


@pytest.fixture(scope="module", autouse=True)
def client():
    with (
        LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, dashboard_address=":0"
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


@pytest.fixture
def parts(iris):
    return [da.from_array(a, chunks=(50, *a.shape[1:])) for a in iris]


def quick(**params):
    defaults = {"hidden_layer_size": 4, "max_iter": 8, "random_state": 0}
    return DaskThreeLayerNNClassifier(**defaults | params)


def test_a_search_on_the_cluster_is_that_of_one_process(iris):
    net = ThreeLayerNNClassifier(random_state=0, max_iter=10)
    grid = {"alpha": [0.1, 1.0], "hidden_layer_size": [2, 4]}
    here = GridSearchCV(net, grid, cv=2, n_jobs=1).fit(*iris)
    with joblib.parallel_config(backend="dask"):
        there = GridSearchCV(net, grid, cv=2).fit(*iris)
    assert_array_equal(
        there.cv_results_["mean_test_score"], here.cv_results_["mean_test_score"]
    )
    assert there.best_params_ == here.best_params_
    assert_array_equal(there.best_estimator_.theta1_, here.best_estimator_.theta1_)


class Stop:
    """Stop after some passes, looking at the network meanwhile."""

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


def test_callbacks_see_the_passes_and_stop_them(parts):
    stop = Stop(3)
    net = quick().set_callbacks(stop).fit(*parts)
    assert (net.stop_reason_, net.n_iter_, len(stop.scores)) == ("callback", 3, 3)
    assert stop.scores[-1] == net.score(*parts)


def test_progress_bar(parts):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        quick().set_callbacks(ProgressBar()).fit(*parts)
    assert "DaskThreeLayerNNClassifier - fit" in out.getvalue()


def test_verbose(parts, capsys):
    quick(verbose=True).fit(*parts)
    printed = capsys.readouterr().out
    assert "pass     5/8" in printed
    assert "max_iter after 8 passes" in printed


def test_max_time(parts):
    with pytest.warns(ConvergenceWarning, match="max_time=1e-09 seconds ended"):
        net = quick(max_time=1e-9).fit(*parts)
    assert net.stop_reason_ == "max_time"


def test_metadata_routing():
    with config_context(enable_metadata_routing=True):
        net = quick().set_fit_request(sample_weight=True)
        net.set_score_request(sample_weight=False)
        requests = net.get_metadata_routing()
    assert requests.fit.requests["sample_weight"] is True
    assert requests.score.requests["sample_weight"] is False
    assert set(requests.fit.requests) == set(
        ThreeLayerNNClassifier().get_metadata_routing().fit.requests
    )


def test_parameters_are_those_of_the_plain_estimator_and_the_client(client):
    net = quick(client=client, alpha=0.5)
    params = net.get_params()
    assert params.pop("client") is client
    assert params == net.to_local().get_params()
    copied = clone(net)
    assert copied.get_params() == net.get_params()
    assert copied is not net


def test_a_diagram_describes_parameters_and_attributes(client, parts):
    net = quick(client=client).fit(*parts)
    diagram = net._repr_html_()
    assert "DaskThreeLayerNNClassifier" in diagram
    assert "The connection to the cluster" in diagram
    assert "theta1_" in diagram
    assert "client=<Client" in repr(net)
