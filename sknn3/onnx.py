"""Export to ONNX: a converter for skl2onnx.

skl2onnx is an optional dependency (``pip install sknn3[onnx]``), so it is imported
inside the functions.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sknn3._kernel import ACTIVATIONS
from sknn3.classifier import ThreeLayerNNClassifier
from sknn3.classifier_cv import ThreeLayerNNClassifierCV

__all__ = ["register"]

# The options of LogisticRegression.  Because of `zipmap`, skl2onnx uses its parser for
# classifiers, which implements `zipmap` and `output_class_labels`.
_OPTIONS = {
    "zipmap": [True, False, "columns"],
    "nocl": [True, False],
    "output_class_labels": [False, True],
    "raw_scores": [True, False],
}


def register() -> None:
    """Register the package's classifiers with skl2onnx.

    Afterwards ``skl2onnx.to_onnx`` and ``skl2onnx.convert_sklearn`` convert fitted
    classifiers, alone and in pipelines.  The options are those of scikit-learn's
    classifiers: `zipmap`, `nocl`, `output_class_labels` and `raw_scores`.

    Raises
    ------
    ImportError
        If skl2onnx is not installed.

    Notes
    -----
    The graph computes in float64 if its input is float64 and in float32 otherwise.
    ONNX has no `zipmap` for float64: set it to False or 'columns'.  Unlike `predict`,
    the graph accepts values that are not finite.

    For multilabel targets the label is an indicator matrix.  For two classes,
    `raw_scores` gives two columns: the negative of `decision_function`, and
    `decision_function`.

    Examples
    --------
    >>> import numpy as np
    >>> from onnxruntime import InferenceSession
    >>> from skl2onnx import to_onnx
    >>> import sknn3.onnx
    >>> from sknn3 import ThreeLayerNNClassifier
    >>> from sknn3.datasets import load_digits20
    >>> X, y = load_digits20(return_X_y=True)
    >>> clf = ThreeLayerNNClassifier(tol=0.01, random_state=0).fit(X, y)
    >>> sknn3.onnx.register()
    >>> model = to_onnx(clf, X[:1], options={"zipmap": False})
    >>> session = InferenceSession(model.SerializeToString())
    >>> label, probabilities = session.run(None, {"X": X[::1000]})
    >>> label.tolist()
    [0, 2, 4, 6, 8]
    >>> bool(np.allclose(probabilities, clf.predict_proba(X[::1000])))
    True
    """
    try:
        from skl2onnx import update_registered_converter
    except ImportError as error:
        raise ImportError(
            "Export to ONNX requires skl2onnx: python -m pip install 'sknn3[onnx]'"
        ) from error
    for estimator in (ThreeLayerNNClassifier, ThreeLayerNNClassifierCV):
        update_registered_converter(
            estimator,
            f"Sknn3{estimator.__name__}",
            _declare_outputs,
            _convert,
            options=_OPTIONS,
        )


# skl2onnx calls these functions.


def _declare_outputs(operator: Any) -> None:
    """Set the types and shapes of the outputs."""
    from skl2onnx.common.data_types import Int64TensorType
    from skl2onnx.common.shape_calculator import (
        calculate_linear_classifier_output_shapes,
    )

    check_is_fitted(operator.raw_operator)
    calculate_linear_classifier_output_shapes(operator)
    if operator.raw_operator.multilabel_:
        labels, scores = operator.outputs
        labels.set_type(Int64TensorType(list(scores.type.shape)))


def _convert(scope: Any, operator: Any, container: Any) -> None:
    """Add the nodes of a classifier to the graph."""
    from skl2onnx.common.utils_classifier import get_label_classes

    clf = operator.raw_operator
    labels, scores = (output.full_name for output in operator.outputs)
    graph = _Graph(scope, container, operator.inputs[0].type)

    raw = container.get_options(clf, {"raw_scores": False})["raw_scores"]
    X = operator.inputs[0].full_name
    O = _add_network(graph, clf, X, into=scores if raw else None)
    if clf.multilabel_:
        positive = graph.add("Greater", O, graph.zero)
        graph.cast(positive, graph.types.INT64, into=labels)
    else:
        _add_class(graph, O, get_label_classes(scope, clf), into=labels)
    if not raw:
        _add_probabilities(graph, O, clf, into=scores)


class _Graph:
    """Adds nodes to the graph, which computes in `dtype`."""

    def __init__(self, scope: Any, container: Any, input_type: Any) -> None:
        from onnx import TensorProto
        from skl2onnx.common.data_types import guess_proto_type

        self.scope, self.container, self.types = scope, container, TensorProto
        self.input_type = guess_proto_type(input_type)
        double = self.input_type == TensorProto.DOUBLE
        self.dtype = TensorProto.DOUBLE if double else TensorProto.FLOAT
        self.limits: Any = np.finfo(np.float64 if double else np.float32)

    def add(
        self, operator: str, *inputs: str, into: str | None = None, **attributes: Any
    ) -> str:
        """Add a node and return the name of its output."""
        into = into or self.scope.get_unique_variable_name(operator.lower())
        name = self.scope.get_unique_operator_name(operator)
        self.container.add_node(operator, list(inputs), into, name=name, **attributes)
        return into

    @cached_property
    def zero(self) -> str:
        """Add the constant 0 once and return its name."""
        # For an equal constant skl2onnx adds an Identity node of the latest opset.
        return self.constant(0)

    def cast(self, value: str, dtype: int, into: str | None = None) -> str:
        """Add a cast and return the name of its output."""
        # Later versions support more types, but require newer runtimes.
        return self.add("Cast", value, into=into, to=dtype, op_version=9)

    def constant(self, values: Any, dtype: int | None = None) -> str:
        """Add a constant, of the type of the graph by default, and return its name."""
        name = self.scope.get_unique_variable_name("constant")
        shape, flat = np.shape(values), np.ravel(values).tolist()
        self.container.add_initializer(name, dtype or self.dtype, shape, flat)
        return name


def _add_network(
    graph: _Graph, clf: ThreeLayerNNClassifier, X: str, *, into: str | None
) -> str:
    """Add the layers, and return the outputs before activation, one per class."""
    theta2 = clf.theta2_
    if len(theta2) < len(clf.classes_):  # binary: one output
        theta2 = np.vstack([-theta2, theta2])
    if graph.input_type != graph.dtype:
        X = graph.cast(X, graph.dtype)
    Z = _add_layer(graph, X, clf.theta1_)
    A = ACTIVATIONS[clf.hidden_activation_].add_nodes(graph, Z)
    return _add_layer(graph, A, theta2, into)


def _add_layer(
    graph: _Graph, A: str, theta: np.ndarray, into: str | None = None
) -> str:
    """Add the affine map of a layer."""
    W, b = graph.constant(theta[:, 1:]), graph.constant(theta[:, 0])
    return graph.add("Gemm", A, W, b, into=into, transB=1)


def _add_class(graph: _Graph, O: str, classes: np.ndarray, *, into: str) -> None:
    """Add the class with the largest output."""
    # Not with the largest probability: rounding may make probabilities equal.
    if isinstance(classes[0], str):
        names = graph.constant([c.encode() for c in classes], graph.types.STRING)
    else:
        names = graph.constant([int(c) for c in classes], graph.types.INT64)
    code = graph.add("ArgMax", O, axis=1, keepdims=0)
    graph.add("Gather", names, code, into=into)


def _add_probabilities(
    graph: _Graph, O: str, clf: ThreeLayerNNClassifier, *, into: str
) -> None:
    """Add the probabilities."""
    if clf.out_activation_ == "logistic":
        # The logarithm of the sigmoid, min(o, 0) - log(1 + exp(-|o|)).  In onnxruntime,
        # Sigmoid is 0 below -18 in float32, and Softplus lacks float64.
        decay = graph.add("Exp", graph.add("Neg", graph.add("Abs", O)))
        excess = graph.add("Log", graph.add("Add", decay, graph.constant(1)))
        O = graph.add("Sub", graph.add("Min", O, graph.zero), excess)
    if clf.multilabel_:
        highest = graph.constant(1 - graph.limits.epsneg)
        P = graph.add("Min", graph.add("Exp", O), highest)
    else:
        # A softmax of their logarithms normalises the sigmoids of the classes, and does
        # not underflow.  For two classes and for one class, the sum is 1, too.
        P = graph.add("Softmax", O, axis=1)
    graph.add("Max", P, graph.constant(graph.limits.tiny), into=into)
