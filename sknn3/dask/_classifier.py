"""The estimator for dask arrays and data frames."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial, wraps
from typing import Any, ClassVar

import dask.array as da
import numpy as np
from dask import is_dask_collection
from distributed import get_client
from sklearn.utils.validation import check_is_fitted, validate_data

from sknn3._features import ENCODE_DASK_COLUMNS
from sknn3._minimize import MinimizeResult, Objective
from sknn3._sklearn_compat import StrOptions
from sknn3.classifier import ThreeLayerNNClassifier
from sknn3.dask._client import cluster_errors
from sknn3.dask._partitions import Partitions
from sknn3.dask._tasks import as_rows, predict_partition, score_partition


def _lazy(method: str) -> Any:
    """Return a lazy version of a method for dask collections, with its docstring."""

    @wraps(getattr(ThreeLayerNNClassifier, method))
    def predict_lazily(self: Any, X: Any, **options: Any) -> da.Array:
        network = self._nameless_network()
        rows = self._check_rows(X, reset=False)
        predict = partial(getattr(network, method), **options)
        sample = np.zeros((1, self.n_features_in_), self.theta1_.dtype)
        empty = predict(sample)[:0]
        return rows.map_blocks(
            predict_partition,
            predict,
            empty,
            meta=empty,
            drop_axis=1,
            new_axis=list(range(1, empty.ndim)),
            chunks=(rows.chunks[0], *((size,) for size in empty.shape[1:])),
        )

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
            Samples.  Partitions that are float64 or float32 arrays or CSR matrices are
            not copied.  Several chunks along the columns are joined.
        y : dask array, Series or DataFrame of shape (n_samples,) or (n_samples, n_labels)
            Classes, or an indicator matrix of 0 and 1 for multilabel targets, in the
            partitions of X or in chunks of known sizes.
        sample_weight : dask array or Series of shape (n_samples,), default=None
            Weights of the samples, not negative; None weighs all equally.
        coefs_init, intercepts_init : list of 2 array-likes, default=None
            Initial weights and biases in the shapes of `coefs_` and `intercepts_`.
        X_val, y_val, sample_weight_val : dask collection or array-like, default=None
            Validation data, see `ThreeLayerNNClassifier.fit`.  Dask collections stay on
            the cluster, and arrays stay in the memory of the client.

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
        with cluster_errors(get_client()):
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
        arrays = self._check_dask_arrays(X, y, sample_weight, reset=reset)
        data = Partitions.from_arrays(get_client(), arrays, self.class_weight)
        self._check_labels(data.labels)
        return data

    def _validation_rows(self, data: Any, X: Any, y: Any, sample_weight: Any) -> Any:
        if not is_dask_collection(X):
            return super()._validation_rows(data, X, y, sample_weight)
        arrays = self._check_dask_arrays(X, y, sample_weight, reset=False)
        return Partitions.from_arrays(data.client, arrays, self.class_weight, data)

    def _check_dask_arrays(
        self, X: Any, y: Any, sample_weight: Any, *, reset: bool
    ) -> list[da.Array]:
        """Return X, y and, if given, sample_weight as arrays with equal partitions."""
        rows = self._check_rows(X, reset=reset)
        arrays = [rows, _align_chunks(rows, y, "y", 2)]
        if sample_weight is not None:
            arrays.append(_align_chunks(rows, sample_weight, "sample_weight", 1))
        return arrays

    def _check_rows(self, X: Any, *, reset: bool) -> da.Array:
        """Check X and its feature names, and return it as an array."""
        rows = _as_row_array(X, ENCODE_DASK_COLUMNS if reset else "")
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

    def _nameless_network(self) -> ThreeLayerNNClassifier:
        """Return the local network without feature names, as partitions have none."""
        check_is_fitted(self)
        network = self.to_local()
        network.__dict__.pop("feature_names_in_", None)
        return network

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Compute the accuracy on the cluster.

        Parameters
        ----------
        X : dask array or DataFrame of shape (n_samples, n_features)
            Samples.
        y : dask array, Series or DataFrame of shape (n_samples,) or (n_samples, n_labels)
            True classes or labels.
        sample_weight : dask array or Series of shape (n_samples,), default=None
            Weights of the samples; None weighs all equally.

        Returns
        -------
        float
            Share of the samples, by weight, with all labels predicted correctly.
        """  # noqa: E501 (numpydoc wants a type in a line)
        network = self._nameless_network()
        arrays = self._check_dask_arrays(X, y, sample_weight, reset=False)
        sums = da.map_blocks(
            score_partition,
            *(array if array.ndim == 2 else array[:, np.newaxis] for array in arrays),
            network=network,
            chunks=((1,) * arrays[0].numblocks[0], (2,)),
            meta=np.empty((0, 2)),
        )
        correct, total = sums.compute().sum(axis=0)
        if not total:
            raise ValueError("X has no samples with a weight, expected at least one.")
        return float(correct / total)


def _as_row_array(X: Any, encode: str) -> da.Array:
    """Return an array or data frame as an array; `as_numbers` describes `encode`."""
    if hasattr(type(X), "to_dask_array") and X.ndim == 2:
        # Without `meta`, dask calls the function on a sample with text.
        meta = np.empty((0, len(X.columns)))
        X = X.map_partitions(as_rows, encode, ensure_all_finite=False, meta=meta)
    X = _as_array(X, "X")
    if X.ndim != 2 or np.isnan(X.shape[1]):
        raise ValueError(
            f"X has the shape {X.shape}, expected (n_samples, n_features), where only "
            "n_samples may be unknown."
        )
    return X


def _align_chunks(X: da.Array, y: Any, name: str, max_ndim: int) -> da.Array:
    """Return labels or weights as an array with the partitions of X."""
    y = _as_array(y, name)
    if not 1 <= y.ndim <= max_ndim:
        expected = "1 or 2" if max_ndim == 2 else "1"
        raise ValueError(f"{name} has {y.ndim} dimension(s), expected {expected}.")
    sizes_are_known = not np.isnan([X.shape[0], y.shape[0]]).any()
    if sizes_are_known and X.shape[0] != y.shape[0]:
        raise ValueError(f"X has {X.shape[0]} rows, but {name} has {y.shape[0]} rows.")
    if sizes_are_known and X.chunks[0] != y.chunks[0]:
        return y.rechunk({0: X.chunks[0]})
    if X.numblocks[0] != y.numblocks[0]:
        raise ValueError(
            f"X has {X.numblocks[0]} partitions, but {name} has {y.numblocks[0]}, and "
            "their sizes are unknown. Call compute_chunk_sizes() on both arrays, or "
            "to_dask_array(lengths=True) on both data frames."
        )
    return y


def _as_array(values: Any, name: str) -> da.Array:
    """Return a collection as an array with one chunk along the columns."""
    if hasattr(type(values), "to_dask_array"):
        return values.map_partitions(np.asarray)
    if not isinstance(values, da.Array):
        raise TypeError(
            f"{name} is of type {type(values).__name__}, expected a dask array, "
            "DataFrame or Series: see dask.array.from_array and "
            "dask.dataframe.from_pandas. For data in memory use to_local()."
        )
    has_column_chunks = values.ndim == 2 and values.numblocks[1] > 1
    return values.rechunk({1: -1}) if has_column_chunks else values
