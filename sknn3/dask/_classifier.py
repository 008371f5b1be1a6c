"""The estimator for dask arrays and data frames."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial, wraps
from typing import Any, ClassVar

import dask.array as da
import numpy as np
from dask.base import is_dask_collection
from sklearn.utils import column_or_1d
from sklearn.utils.validation import check_is_fitted, validate_data

from sknn3._minimize import MinimizeResult, Objective
from sknn3._sklearn_compat import StrOptions
from sknn3.classifier import ThreeLayerNNClassifier
from sknn3.dask._client import cluster_errors, current_client
from sknn3.dask._collections import align_chunks, as_row_array
from sknn3.dask._partitions import Partitions
from sknn3.dask._tasks import predict_partition, score_partition


def _lazy(method: str) -> Any:
    """Return a lazy version of a method for dask collections, with its docstring."""

    @wraps(getattr(ThreeLayerNNClassifier, method))
    def predict_lazily(self: Any, X: Any, **options: Any) -> da.Array:
        return self._predict_lazily(X, method, **options)

    return predict_lazily


class DaskThreeLayerNNClassifier(ThreeLayerNNClassifier):
    """Neural network with one hidden layer, for data on a dask cluster.

    The data stays on the workers of the current `distributed.Client`.  Each pass sends
    the weights of the network to the workers, and adds the sums of cost and gradient
    over the partitions.  The result equals a fit of `ThreeLayerNNClassifier` to all
    rows, up to rounding.  It is equal to the bit on any number of workers.

    `ThreeLayerNNClassifier` describes the parameters and the fitted attributes.
    `scoring` must be 'loss', and attributes are NumPy arrays.  Methods that predict
    take a dask array or DataFrame and return a lazy dask array.

    Notes
    -----
    A fit computes all partitions once, and keeps them on the workers until it ends.
    Threads of a worker compute different partitions, so each worker needs as many
    partitions as threads.  Early stopping takes 8 bytes for each sample on the client.

    Examples
    --------
    >>> import dask.array as da
    >>> from distributed import Client
    >>> from sknn3.dask import DaskThreeLayerNNClassifier
    >>> from sknn3.datasets import load_digits20
    >>> X, y = load_digits20(return_X_y=True)
    >>> X = da.from_array(X.astype("float32"), chunks=(1250, -1))
    >>> y = da.from_array(y, chunks=1250)
    >>> with Client(processes=False, dashboard_address=":0") as client:
    ...     clf = DaskThreeLayerNNClassifier(random_state=0).fit(X, y)
    ...     accuracy = clf.score(X, y)
    >>> round(accuracy, 2)
    1.0
    >>> clf.to_local()
    ThreeLayerNNClassifier(random_state=0)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **ThreeLayerNNClassifier._parameter_constraints,  # noqa: SLF001 (the package's)
        "scoring": [StrOptions({"loss"})],
    }

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.array_api_support = False
        return tags

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        coefs_init: Sequence[Any] | None = None,
        intercepts_init: Sequence[Any] | None = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> DaskThreeLayerNNClassifier:
        """Train the network on the cluster.

        Parameters
        ----------
        X : dask array or DataFrame of shape (n_samples, n_features)
            Samples, in one chunk along the columns.  Partitions that are float64 or
            float32 arrays or CSR matrices are not copied.
        y : dask array, Series or DataFrame of shape (n_samples,) or (n_samples, n_labels)
            Classes, or an indicator matrix of 0 and 1 for multilabel targets, in the
            partitions of X or in chunks of known sizes.
        sample_weight : dask array or Series of shape (n_samples,), default=None
            Weights of the samples, not negative; None weighs all equally.
        coefs_init : list of 2 array-likes, default=None
            Initial weights in the shapes of `coefs_`.
        intercepts_init : list of 2 array-likes, default=None
            Initial biases in the shapes of `intercepts_`; given with `coefs_init`.
        X_val : dask array, DataFrame or array-like of shape (n_val, n_features), default=None
            Validation samples, see `ThreeLayerNNClassifier.fit`.  A dask collection
            stays on the cluster, and an array stays in the memory of the client.
        y_val : of the kind of `X_val`, shape (n_val,) or (n_val, n_labels), default=None
            Classes or labels of the samples in X_val.
        sample_weight_val : of the kind of `X_val`, shape (n_val,), default=None
            Weights of the samples in X_val; None weighs all equally.

        Returns
        -------
        DaskThreeLayerNNClassifier
            The fitted estimator itself.

        Raises
        ------
        ConnectionError
            If the connection to the scheduler is lost.
        RuntimeError
            If data is lost that dask cannot compute again.
        """  # noqa: E501 (numpydoc wants a type in a line)
        with cluster_errors(current_client()):
            super().fit(
                X,
                y,
                sample_weight,
                coefs_init,
                intercepts_init,
                X_val=X_val,
                y_val=y_val,
                sample_weight_val=sample_weight_val,
            )
        return self

    def _warn(
        self, result: MinimizeResult, objective: Objective, stacklevel: int = 7
    ) -> None:
        # Two frames more than in the base class: this method and `fit`.
        super()._warn(result, objective, stacklevel)

    def _validate(  # type: ignore[override] # the interface of a Dataset
        self, X: Any, y: Any, sample_weight: Any
    ) -> Partitions:
        reset = not self._continues()
        data = self._partitions(X, y, sample_weight, reset=reset)
        self._check_labels(data.labels)
        return data

    def _validation_rows(self, data: Any, X: Any, y: Any, sample_weight: Any) -> Any:
        if is_dask_collection(X):
            return self._partitions(X, y, sample_weight, reset=False, training=data)
        return super()._validation_rows(data, X, y, sample_weight)

    def _partitions(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        *,
        reset: bool,
        training: Partitions | None = None,
    ) -> Partitions:
        """Return validated samples on the workers."""
        rows = self._check_rows(X, reset=reset)
        arrays = [rows, align_chunks(rows, y, "y", (1, 2))]
        if sample_weight is not None:
            arrays.append(align_chunks(rows, sample_weight, "sample_weight", (1,)))
        client, name = current_client(), type(self).__name__
        data = Partitions.from_arrays(client, arrays, self.class_weight, name, training)
        if arrays[1].shape[1:] == (1,):
            column_or_1d(np.empty((0, 1)), warn=True)  # warns that y is a column
        return data

    def _check_rows(self, X: Any, *, reset: bool) -> da.Array:
        """Check X and its feature names, and return it as an array."""
        rows = as_row_array(X)
        # scikit-learn reads the names from a pandas frame; one row is enough.
        named = X.columns.to_frame().T if hasattr(X, "columns") else rows
        validate_data(self, named, reset=reset, skip_check_array=True)
        return rows

    def to_local(self) -> ThreeLayerNNClassifier:
        """Return the same network for arrays in memory.

        Returns
        -------
        ThreeLayerNNClassifier
            Estimator with the same parameters and the same fitted attributes.
        """
        local = ThreeLayerNNClassifier(**self.get_params(deep=False))
        fitted = {k: v for k, v in vars(self).items() if k.endswith("_")}
        local.__dict__.update(fitted)
        return local

    predict = _lazy("predict")
    decision_function = _lazy("decision_function")
    predict_proba = _lazy("predict_proba")
    predict_log_proba = _lazy("predict_log_proba")
    input_gradients = _lazy("input_gradients")

    def _predict_lazily(self, X: Any, method: str, **options: Any) -> da.Array:
        check_is_fitted(self)
        rows = self._check_rows(X, reset=False)
        predict = partial(getattr(self._nameless_network(), method), **options)
        sample = np.zeros((1, self.n_features_in_), self.theta1_.dtype)
        empty = predict(sample)[:0]
        layout: dict[str, Any] = {"drop_axis": 1}
        if empty.ndim > 1:
            sizes = [(size,) for size in empty.shape[1:]]
            layout = {"chunks": (rows.chunks[0], *sizes)}
            layout |= {"new_axis": list(range(2, empty.ndim))}
        return rows.map_blocks(predict_partition, predict, empty, meta=empty, **layout)

    def _nameless_network(self) -> ThreeLayerNNClassifier:
        """Return the local network without feature names, as partitions have none."""
        network = self.to_local()
        network.__dict__.pop("feature_names_in_", None)
        return network

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Compute the accuracy on the cluster.

        Parameters
        ----------
        X : dask array or DataFrame of shape (n_samples, n_features)
            Samples, in one chunk along the columns.
        y : dask array, Series or DataFrame of shape (n_samples,) or (n_samples, n_labels)
            True classes or labels.
        sample_weight : dask array or Series of shape (n_samples,), default=None
            Weights of the samples; None weighs all equally.

        Returns
        -------
        float
            Share of the samples, by weight, with all labels predicted correctly.
        """  # noqa: E501 (numpydoc wants a type in a line)
        check_is_fitted(self)
        rows = self._check_rows(X, reset=False)
        y = align_chunks(rows, y, "y", (1, 2))
        if sample_weight is not None:
            sample_weight = align_chunks(rows, sample_weight, "sample_weight", (1,))
            sample_weight = sample_weight[:, np.newaxis]
        sums = da.map_blocks(
            score_partition,
            rows,
            y if y.ndim == 2 else y[:, np.newaxis],
            sample_weight,
            self._nameless_network(),
            chunks=((1,) * rows.numblocks[0], (2,)),
            meta=np.empty((0, 2)),
        )
        correct, total = sums.compute().sum(axis=0)
        if not total:
            raise ValueError("X has no samples with a weight, expected at least one.")
        return float(correct / total)
