import subprocess
import sys

import numpy as np
import onnx
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from onnxruntime import InferenceSession
from skl2onnx import get_latest_tested_opset_version, to_onnx
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.ensemble import StackingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import sknn3.onnx
from activations import HIDDEN
from sknn3 import ThreeLayerNNClassifier, ThreeLayerNNClassifierCV

NAMES = np.array(["setosa", "versicolor", "virginica"])
PROBLEMS = {
    "three classes": lambda y: y,
    "two classes": lambda y: np.minimum(y, 1),
    "one class": np.zeros_like,
    "strings": lambda y: NAMES[y],
    "two strings": lambda y: NAMES[np.minimum(y, 1)],
    "objects": lambda y: NAMES[y].astype(object),
    "booleans": lambda y: y == 1,
    "floats": lambda y: y - 1.0,
    "unsigned": lambda y: (y + 250).astype(np.uint8),
    "large": lambda y: 2**40 + y,
    "labels": lambda y: np.stack([y == 0, y != 1, y == 2], axis=1).astype(int),
    "two labels": lambda y: np.stack([y == 0, y > 0], axis=1).astype(int),
}
TOLERANCE = {np.float32: 1e-6, np.float64: 1e-12}


@pytest.fixture(autouse=True)
def _registered():
    sknn3.onnx.register()


def fit(X, y, **parameters):
    clf = ThreeLayerNNClassifier(6, alpha=0.1, tol=1e-2, random_state=0)
    return clf.set_params(**parameters).fit(X, y)


def session(estimator, X, options=None, **settings):
    model = to_onnx(estimator, X[:1], options=options, **settings)
    if not isinstance(
        estimator, MLPClassifier
    ):  # skl2onnx declares multilabel outputs as (n,)
        onnx.checker.check_model(model, full_check=True)
    return InferenceSession(model.SerializeToString())


def run(estimator, X, **options):
    """Return labels and probabilities as arrays."""
    options = {"zipmap": False} | options
    return session(estimator, X, {id(estimator): options}).run(None, {"X": X})


def assert_agrees(estimator, X, atol=None):
    label, probabilities = run(estimator, X)
    assert_array_equal(label, estimator.predict(X))
    assert probabilities.dtype == X.dtype
    assert_allclose(
        probabilities,
        estimator.predict_proba(X),
        rtol=0,
        atol=TOLERANCE[X.dtype.type] if atol is None else atol,
    )


# ------------------------------------------------------- labels and probabilities


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("output_activation", ["logistic", "softmax"])
@pytest.mark.parametrize("problem", PROBLEMS)
def test_graph_predicts_like_classifier(problem, output_activation, dtype, iris):
    if "labels" in problem:
        output_activation = "logistic"
    X, y = iris[0].astype(dtype), PROBLEMS[problem](iris[1])
    assert_agrees(fit(X, y, output_activation=output_activation), X)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("activation", HIDDEN)
def test_hidden_activation_is_exported(activation, dtype, iris):
    X = iris[0].astype(dtype)
    assert_agrees(fit(X, iris[1], activation=activation), X)


def test_activation_is_fitted_activation_not_parameter(iris):
    X, y = iris
    clf = fit(X, y)
    for activation in ["relu", "identity"]:
        clf.set_params(activation=activation, output_activation="softmax")
        assert_agrees(clf, X)


def test_graph_computes_in_dtype_of_input(iris):
    X, y = iris
    clf = fit(X, y)
    assert_agrees(clf, X.astype(np.float32))
    clf = fit(X.astype(np.float32), y)
    assert_agrees(clf, X)


@pytest.mark.parametrize("kind", [np.int64, bool])
def test_integer_and_bool_input(kind, iris):
    X = np.round(iris[0]).astype(kind)
    clf = fit(X, iris[1])
    label, probabilities = run(clf, X)
    assert_array_equal(label, clf.predict(X))
    assert_allclose(probabilities, clf.predict_proba(X), rtol=0, atol=1e-6)


def with_outputs(clf, biases):
    """Set the weights so that the outputs equal the biases for every sample."""
    clf.theta2_[:] = 0
    clf.theta2_[:, 0] = biases
    return clf


EXTREMES = [-1000, -500, -100, -87.5, -20, 0, 20, 100, 1000]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("output_activation", ["logistic", "softmax"])
def test_probabilities_of_extreme_outputs_sum_to_1(output_activation, dtype, iris):
    X, y = iris[0].astype(dtype), iris[1]
    clf = fit(X, y, output_activation=output_activation)
    x = X[:1]
    for outputs in [
        *([o, o, o] for o in EXTREMES),
        *([o, o - 1, o + 1] for o in EXTREMES),
        *([-1000, o, 0] for o in EXTREMES),
        *([1000, o, 0] for o in EXTREMES),
    ]:
        with_outputs(clf, outputs)
        assert_agrees(clf, x)
        _, probabilities = run(clf, x)
        assert probabilities.min() >= np.finfo(dtype).tiny
        assert_allclose(probabilities.sum(), 1, rtol=0, atol=1e-6)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("problem", ["two classes", "one class", "labels"])
def test_small_probabilities_have_small_relative_error(problem, dtype, iris):
    X, y = iris[0].astype(dtype), PROBLEMS[problem](iris[1])
    clf = fit(X, y)
    x, rtol = X[:1], {np.float32: 2e-5, np.float64: 1e-12}[dtype]
    for output in [*EXTREMES, *np.negative(EXTREMES)]:
        with_outputs(clf, output)
        assert_agrees(clf, x)
        _, probabilities = run(clf, x)
        assert_allclose(probabilities, clf.predict_proba(x), rtol=rtol)
        assert probabilities.max() < 1 or problem != "labels"


def test_label_has_largest_output_if_probabilities_are_equal(iris):
    X, y = iris[0].astype(np.float32), iris[1]
    clf = with_outputs(fit(X, y), [100, 101, 102])
    assert_array_equal(clf.predict_proba(X[:1])[0], np.float32(1) / 3)
    assert_agrees(clf, X[:1])
    clf = with_outputs(fit(X, np.minimum(y, 1)), 1e-12)
    assert_array_equal(clf.predict_proba(X[:1])[0], 0.5)
    assert_agrees(clf, X[:1])


def test_output_of_zero_predicts_negative_class(iris):
    X, y = iris
    for problem in ["two classes", "labels"]:
        clf = with_outputs(fit(X, PROBLEMS[problem](y)), 0)
        assert not np.any(clf.predict(X[:1]))
        assert_agrees(clf, X[:1])


# ----------------------------------------------------------------------- options


def describe_outputs(estimator, X, options):
    """Return name, type, shape and value of each output, but no value of scores."""
    run_time = session(estimator, X, options)
    found = []
    for output, value in zip(
        run_time.get_outputs(), run_time.run(None, {"X": X}), strict=True
    ):
        if isinstance(value, list):
            value = [list(row) for row in value]
        elif value.dtype == X.dtype:
            value = value.shape
        else:
            value = value.tolist()
        found.append((output.name, output.type, output.shape, value))
    return found


OPTIONS = [
    {"zipmap": zipmap} | others
    for zipmap in [True, False, "columns"]
    for others in [{}, {"nocl": True}, {"raw_scores": True}]
]
OPTIONS.remove({"zipmap": "columns", "nocl": True})  # skl2onnx does not support it
OPTIONS.append({"zipmap": False, "output_class_labels": True})


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("problem", ["three classes", "two strings", "strings"])
def test_options_match_logistic_regression(problem, options, iris):
    X, y = iris[0][::10].astype(np.float32), PROBLEMS[problem](iris[1][::10])
    regression, clf = LogisticRegression(C=1e3).fit(X, y), fit(X, y)
    assert_array_equal(clf.predict(X), regression.predict(X))
    assert describe_outputs(clf, X, options) == describe_outputs(regression, X, options)


@pytest.mark.parametrize(
    "options", [o for o in OPTIONS if "raw_scores" not in o], ids=str
)
def test_multilabel_options_match_mlpclassifier(options, iris):
    X, setosa = iris[0][::10].astype(np.float32), iris[1][::10] == 0
    Y = np.stack([setosa, ~setosa, setosa], axis=1).astype(int)
    mlp = MLPClassifier((6,), solver="lbfgs", random_state=0).fit(X, Y)
    clf = fit(X, Y)
    assert_array_equal(clf.predict(X), mlp.predict(X))
    assert describe_outputs(clf, X, options) == describe_outputs(mlp, X, options)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("problem", PROBLEMS)
def test_raw_scores_equal_decision_function(problem, dtype, iris):
    X, y = iris[0].astype(dtype), PROBLEMS[problem](iris[1])
    clf = fit(X, y)
    label, scores = run(clf, X, raw_scores=True)
    assert_array_equal(label, clf.predict(X))
    expected = clf.decision_function(X)
    if len(clf.classes_) == 2 and expected.ndim == 1:
        expected = np.stack([-expected, expected], axis=1)
    rtol = 10 * TOLERANCE[dtype]
    assert_allclose(scores, expected.reshape(len(X), -1), rtol=rtol, atol=rtol)


def test_output_class_labels(iris):
    for problem in ["large", "strings", "labels"]:
        clf = fit(iris[0], PROBLEMS[problem](iris[1]))
        *_, classes = run(clf, iris[0], output_class_labels=True)
        assert_array_equal(classes, clf.classes_)


def test_unknown_option_raises_name_error(iris):
    clf = fit(*iris)
    with pytest.raises(NameError, match="ThreeLayerNNClassifier"):
        run(clf, iris[0], scores=True)


# ------------------------------------------------------------ the model as a whole


@pytest.mark.parametrize("opset", range(15, get_latest_tested_opset_version() + 1))
def test_default_options_at_each_opset(opset, iris):
    X = iris[0].astype(np.float32)
    for problem in ["two classes", "strings", "labels"]:
        clf = fit(X, PROBLEMS[problem](iris[1]))
        run_time = session(clf, X, target_opset=opset)
        label, maps = run_time.run(None, {"X": X})
        assert_array_equal(label, clf.predict(X))
        P = clf.predict_proba(X)
        assert [list(row) for row in maps] == [clf.classes_.tolist()] * len(X)
        assert_allclose([list(row.values()) for row in maps], P, rtol=0, atol=1e-6)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_opset_is_14_or_older_by_default(problem, iris):
    X = np.round(10 * iris[0]).astype(np.int64)
    for raw in [True, False]:
        clf = fit(X, PROBLEMS[problem](iris[1]))
        options = {"zipmap": False, "raw_scores": raw}
        model = to_onnx(clf, X[:1], options={id(clf): options})
        assert [(o.domain, o.version <= 14) for o in model.opset_import] == [("", True)]


def test_float64_graph_has_no_float32_constant(iris):
    X, y = iris
    for problem in PROBLEMS.values():
        model = to_onnx(fit(X, problem(y)), X[:1], options={"zipmap": False})
        types = {constant.data_type for constant in model.graph.initializer}
        assert onnx.TensorProto.FLOAT not in types
        assert onnx.TensorProto.DOUBLE in types


# ------------------------------------------------------------- in larger estimators


@pytest.mark.parametrize("problem", ["strings", "two classes", "labels"])
def test_classifier_cv_is_converted(problem, iris):
    X, y = iris[0], PROBLEMS[problem](iris[1])
    clf = ThreeLayerNNClassifierCV(alphas=[1], max_iters=[9], cv=2, random_state=0)
    labels, P = run(clf.fit(X, y), X)
    assert_array_equal(labels, clf.predict(X))
    assert_allclose(P, clf.predict_proba(X), atol=TOLERANCE[np.float64])


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("problem", ["strings", "two classes", "labels"])
def test_pipeline_is_converted(problem, dtype, iris):
    X, y = 10 + 3 * iris[0].astype(dtype), PROBLEMS[problem](iris[1])
    clf = ThreeLayerNNClassifier(6, alpha=0.1, tol=1e-2, random_state=0)
    assert_agrees(make_pipeline(StandardScaler(), clf).fit(X, y), X)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_column_transformer_is_converted(dtype, iris):
    X, y = iris
    columns = [f"x{column}" for column in range(4)]
    frame = pd.DataFrame(X.astype(dtype), columns=columns)
    frame["site"] = np.array(["meadow", "shore"])[np.arange(len(X)) % 2].astype(object)
    pipe = make_pipeline(
        make_column_transformer(
            (StandardScaler(), columns), (OneHotEncoder(), ["site"])
        ),
        ThreeLayerNNClassifier(6, alpha=0.1, tol=1e-2, random_state=0),
    ).fit(frame, y)
    run_time = session(pipe, frame, {"zipmap": False})
    feeds = {name: frame[[name]].to_numpy() for name in frame}
    label, probabilities = run_time.run(None, feeds)
    assert_array_equal(label, pipe.predict(frame))
    assert_allclose(probabilities, pipe.predict_proba(frame), rtol=0, atol=1e-6)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("problem", ["strings", "two classes"])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda clf: GridSearchCV(clf, {"alpha": [0.1, 1]}, cv=2),
        lambda clf: CalibratedClassifierCV(clf, cv=2),
        lambda clf: StackingClassifier([("net", clf)], cv=2),
    ],
    ids=["GridSearchCV", "CalibratedClassifierCV", "StackingClassifier"],
)
def test_meta_estimators_are_converted(wrap, problem, dtype, iris):
    X, y = iris[0].astype(dtype), PROBLEMS[problem](iris[1])
    clf = ThreeLayerNNClassifier(6, tol=1e-2, random_state=0)
    assert_agrees(wrap(clf).fit(X, y), X)


# ------------------------------------------------------------------- registration


def test_unfitted_estimator_raises_error(iris):
    clf = ThreeLayerNNClassifier()
    options = {id(clf): {"zipmap": False}}
    for estimator in [clf, make_pipeline(StandardScaler().fit(iris[0]), clf)]:
        with pytest.raises(NotFittedError, match="ThreeLayerNNClassifier"):
            to_onnx(estimator, iris[0][:1], options=options)
        # With a zipmap, skl2onnx reads `classes_` before it calls the converter.
        with pytest.raises(RuntimeError, match=r"classes .*ThreeLayerNNClassifier"):
            to_onnx(estimator, iris[0][:1])


def test_register_is_explicit_and_idempotent():
    code = """
import sknn3.onnx
from skl2onnx import supported_converters
before = supported_converters()
sknn3.onnx.register()
after = supported_converters()
sknn3.onnx.register()
names = ("ThreeLayerNNClassifier", "ThreeLayerNNClassifierCV")
assert set(after) - set(before) == {f"Sknn3{name}" for name in names}
assert supported_converters() == after
"""
    subprocess.run([sys.executable, "-c", code], check=True)
