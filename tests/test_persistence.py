"""Loaded models predict like saved models, and skops must trust only one type."""

import copy
import pickle

import cloudpickle
import joblib
import numpy as np
import pytest
import skops.io
from numpy.testing import assert_array_equal
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sknn3
from sknn3 import ThreeLayerNNClassifier, ThreeLayerNNClassifierCV


def by_joblib(estimator, folder):
    joblib.dump(estimator, folder / "model.joblib")
    return joblib.load(folder / "model.joblib")


def by_memory_map(estimator, folder):
    joblib.dump(estimator, folder / "model.joblib")
    return joblib.load(folder / "model.joblib", mmap_mode="r")


def by_skops(estimator, folder):
    skops.io.dump(estimator, folder / "model.skops")
    return skops.io.load(folder / "model.skops", trusted=sknn3.TRUSTED_TYPES)


WAYS = {
    "pickle": lambda estimator, _: pickle.loads(pickle.dumps(estimator)),
    "cloudpickle": lambda estimator, _: pickle.loads(cloudpickle.dumps(estimator)),
    "joblib": by_joblib,
    "joblib, mapped": by_memory_map,
    "skops": by_skops,
    "deepcopy": lambda estimator, _: copy.deepcopy(estimator),
}

NAMES = np.array(["setosa", "versicolor", "virginica"])
CASES = {
    "strings": ({}, lambda y: NAMES[y]),
    "two classes": ({"solver": "lbfgs"}, lambda y: y > 0),
    "labels": ({}, lambda y: np.stack([y == 0, y > 0], axis=1).astype(int)),
    "validated": ({"early_stopping": True, "random_state": 0}, lambda y: y),
    "weighted": ({"class_weight": {0: 1, 1: 2.5, 2: 1}}, lambda y: y),
}


@pytest.fixture(params=CASES.values(), ids=CASES)
def fitted(request, iris):
    params, encode = request.param
    clf = ThreeLayerNNClassifier(4, tol=1e-2, **({"random_state": 0} | params))
    return clf.fit(iris[0].astype(np.float32), encode(iris[1]))


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_loaded_model_equals_saved_one(fitted, way, iris, tmp_path):
    X = iris[0].astype(np.float32)
    loaded = way(fitted, tmp_path)
    for method in ("predict", "predict_proba", "decision_function"):
        assert_array_equal(getattr(loaded, method)(X), getattr(fitted, method)(X))
    assert loaded.theta1_.dtype == np.float32
    assert str(loaded.get_params()) == str(fitted.get_params())
    assert loaded.loss_curve_ == fitted.loss_curve_
    assert loaded.validation_scores_ == fitted.validation_scores_


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_loaded_search_in_pipeline_equals_saved_one(way, iris, tmp_path):
    search = ThreeLayerNNClassifierCV(
        alphas=[0.1, 1], max_iters=[5, 10], cv=2, scoring="neg_log_loss"
    )
    pipe = make_pipeline(StandardScaler(), search).fit(*iris)
    loaded = way(pipe, tmp_path)
    assert_array_equal(loaded.predict_proba(iris[0]), pipe.predict_proba(iris[0]))
    assert loaded[-1].best_params_ == search.best_params_
    scores = search.cv_results_["mean_test_score"]
    assert_array_equal(loaded[-1].cv_results_["mean_test_score"], scores)
    assert loaded.score(*iris) == pipe.score(*iris)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_loaded_model_continues_by_warm_start(way, iris, tmp_path):
    clf = ThreeLayerNNClassifier(4, tol=0.1, warm_start=True, random_state=0).fit(*iris)
    loaded = way(clf, tmp_path).set_params(tol=1e-2).fit(*iris)
    expected = clf.set_params(tol=1e-2).fit(*iris)
    assert_array_equal(loaded.theta1_, expected.theta1_)


def test_skops_file_of_classifier_needs_one_trusted_type(fitted):
    (untrusted,) = skops.io.get_untrusted_types(data=skops.io.dumps(fitted))
    assert untrusted == "sknn3.classifier.ThreeLayerNNClassifier"
    assert untrusted in sknn3.TRUSTED_TYPES


def test_skops_file_of_search_needs_one_trusted_type(iris):
    search = ThreeLayerNNClassifierCV(alphas=[1], max_iters=[5], cv=2).fit(*iris)
    (untrusted,) = skops.io.get_untrusted_types(data=skops.io.dumps(search))
    assert untrusted in sknn3.TRUSTED_TYPES
