"""The estimator for dask's arrays and data frames."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any, ClassVar

import dask.array as da
import distributed
import numpy as np
from sklearn.base import _clone_parametrized, _fit_context
from sklearn.utils.validation import (
    _check_feature_names,
    _check_n_features,
    check_is_fitted,
)

from sknn3._samples import labels_of
from sknn3.classifier import ThreeLayerNNClassifier
from sknn3.dask._collections import beside, persisted, rows_of
from sknn3.dask._connection import asked, connected
from sknn3.dask._partitions import Partitions
from sknn3.dask._work import count_right


class DaskThreeLayerNNClassifier(ThreeLayerNNClassifier):
    """The network on dask arrays and data frames that are cut by rows.

    Each pass sends the weights to the workers of a cluster, and adds the sums of cost
    and gradient over the partitions that they hold; the minimiser is here, and the data
    stays there.  Fits are those of `ThreeLayerNNClassifier` on all rows together, up to
    rounding, and the same to the bit on any number of workers.

    Parameters
    ----------
    hidden_layer_size : int, default=25
        Number of hidden units.  All parameters but `client` are those of
        `ThreeLayerNNClassifier`, which says more of them.
    activation : {'identity', 'logistic', 'tanh', 'relu'}, default='logistic'
        Activation of the hidden units.
    output_activation : {'logistic', 'softmax'}, default='logistic'
        A sigmoid for each class, or one softmax over more than two classes.
    alpha : float, default=1.0
        Strength of the L2 penalty on the weights.
    solver : {'tnc', 'lbfgs'}, default='tnc'
        SciPy's truncated Newton, or its limited-memory BFGS.
    max_iter : int, default=200
        Number of passes over the training data.
    max_time : float, default=None
        If given, seconds after which training ends too.
    tol : float, default=1e-4
        Largest component of the gradient with which training has converged.
    conditioning : {'auto', 'full', 'diagonal'} or None, default='auto'
        The coordinates in which the solver works.
    init_epsilon : float, default=None
        If given, all weights start uniformly in (-init_epsilon, init_epsilon).
    class_weight : dict, list of dict or 'balanced', default=None
        Weights of the classes.
    early_stopping : bool, default=False
        Whether to hold out part of the samples and keep the weights that were best on
        them.  Which ones is drawn here, with 8 bytes for each sample of a class at a
        time.
    validation_fraction : float, default=0.1
        Share of the samples that early stopping holds out.
    n_iter_no_change : int, default=10
        Number of steps without a better validation score that end training.
    warm_start : bool, default=False
        Whether `fit` continues from the weights of the previous call.
    random_state : int, RandomState instance or None, default=None
        Draws the initial weights and the validation part.
    verbose : bool, default=False
        Whether to print the progress of training now and then.
    client : distributed.Client, default=None
        The connection to the cluster; None takes the current one.  Copies of the
        estimator share it, and saved ones have none.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels; for multilabel targets the numbers of the columns.  All
        attributes are those of `ThreeLayerNNClassifier`, in NumPy.

    See Also
    --------
    sknn3.ThreeLayerNNClassifier : The same for what one machine can hold, or map
        from a file.

    Notes
    -----
    Workers need `sknn3` installed.  Data that is not persisted yet is computed once and
    kept until the end of the fit.  A worker that is lost takes its partitions with it:
    dask computes them again if it knows how, so data that was scattered by hand cannot
    be had back.  One that joins takes part as soon as it holds partitions, which
    ``client.rebalance()`` sees to.  While there are no workers a fit waits for some; a
    second Ctrl-C does not wait for the end of the pass.

    Each thread of a worker takes a share of its partitions, so there should be at least
    as many as threads.  In float32 blocks of rows are rounded, which another cut of the
    rows does differently.

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
    ...     clf = DaskThreeLayerNNClassifier(tol=1e-3, random_state=0).fit(X, y)
    ...     accuracy = clf.score(X, y)
    >>> round(accuracy, 2)
    0.99
    >>> clf.to_local()
    ThreeLayerNNClassifier(random_state=0, tol=0.001)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        **ThreeLayerNNClassifier._parameter_constraints,  # noqa: SLF001 (inherited)
        "client": [distributed.Client, None],
    }

    def __init__(
        self,
        hidden_layer_size: int = 25,
        *,
        activation: str = "logistic",
        output_activation: str = "logistic",
        alpha: float = 1.0,
        solver: str = "tnc",
        max_iter: int = 200,
        max_time: float | None = None,
        tol: float = 1e-4,
        conditioning: str | None = "auto",
        init_epsilon: float | None = None,
        class_weight: Any = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        warm_start: bool = False,
        random_state: Any = None,
        verbose: bool = False,
        client: distributed.Client | None = None,
    ) -> None:
        super().__init__(
            hidden_layer_size,
            activation=activation,
            output_activation=output_activation,
            alpha=alpha,
            solver=solver,
            max_iter=max_iter,
            max_time=max_time,
            tol=tol,
            conditioning=conditioning,
            init_epsilon=init_epsilon,
            class_weight=class_weight,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            warm_start=warm_start,
            random_state=random_state,
            verbose=verbose,
        )
        self.client = client

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.array_api_support = False
        return tags

    def __sklearn_clone__(self) -> DaskThreeLayerNNClassifier:
        # A connection is nothing to copy.
        unconnected = copy(self)
        unconnected.client = None
        cloned: DaskThreeLayerNNClassifier = _clone_parametrized(unconnected)
        cloned.client = self.client
        return cloned

    def __copy__(self) -> DaskThreeLayerNNClassifier:
        # By default by way of what is saved, which has no client.
        copied = type(self).__new__(type(self))
        copied.__dict__.update(self.__dict__)
        return copied

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"client": None}

    # ------------------------------------------------------------------ training

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        coefs_init: Sequence[Any] | None = None,
        intercepts_init: Sequence[Any] | None = None,
    ) -> DaskThreeLayerNNClassifier:
        """Train the network on the cluster.

        Parameters
        ----------
        X : dask array or DataFrame of shape (n_samples, n_features)
            Samples, cut by rows only.  Partitions that are float64 or float32 arrays
            or CSR matrices are read as they are.
        y : dask array, Series or DataFrame of shape (n_samples,) or (n_samples, n_labels)
            Classes, or an indicator matrix of 0 and 1 for multilabel targets, in the
            partitions of X or with chunks of known sizes.
        sample_weight : dask array or Series of shape (n_samples,), default=None
            Weights of the samples, not negative; None weighs all equally.
        coefs_init : list of 2 array-likes, default=None
            Initial weights in the shapes of `coefs_`.
        intercepts_init : list of 2 array-likes, default=None
            Initial biases in the shapes of `intercepts_`; given with `coefs_init`.

        Returns
        -------
        DaskThreeLayerNNClassifier
            The fitted estimator itself.

        Raises
        ------
        TypeError
            If X, y or sample_weight is no dask collection.
        ValueError
            If the data is not what is described here, or there is no client.  The
            estimator is then as it was before.
        ConnectionError
            If the connection to the scheduler is lost.
        RuntimeError
            If data is lost that cannot be computed again.

        Warns
        -----
        ConvergenceWarning
            If training ended before it converged; the text says what to do.
        """  # noqa: E501 (numpydoc wants a type in a line)
        with connected(self._connection()):
            run, outcome = self._fit(X, y, sample_weight, coefs_init, intercepts_init)
        self._warn_of(run, outcome)
        return self

    def _validate(self, X: Any, y: Any, sample_weight: Any) -> Partitions:
        client = self._connection()
        rows = rows_of(X)
        self._check_columns(X, rows, reset=not self._continues())
        columns = [rows, beside(rows, y, "y", (1, 2))]
        if sample_weight is not None:
            columns.append(beside(rows, sample_weight, "sample_weight", (1,)))
        data = Partitions.present(
            client,
            *persisted(client, columns),
            class_weight=self.class_weight,
            name=type(self).__name__,
        )
        if data.template.shape[1] != self.n_features_in_:
            raise ValueError(
                f"X is said to have {self.n_features_in_} columns, but its partitions "
                f"have {data.template.shape[1]}."
            )
        self._check_classes(data.classes)
        if columns[1].shape[1:] == (1,):
            labels_of(np.empty((0, 1)))  # which warns of it
        return data

    def _connection(self) -> distributed.Client:
        client = self.client
        if client is None:
            try:
                client = distributed.get_client()
            except ValueError as error:
                raise ValueError(
                    "client=None takes the current dask client, and there is none: "
                    "make one with distributed.Client(), or give it as client."
                ) from error
        if client.asynchronous:
            raise TypeError(
                f"client={client!r} is asynchronous, expected one that waits for "
                "results."
            )
        if client.status != "running":
            raise ConnectionError(
                f"client={client!r} is {client.status}, expected one that is connected."
            )
        return client

    def _check_columns(self, X: Any, rows: da.Array, *, reset: bool) -> None:
        names = X._meta if hasattr(X, "columns") else rows._meta  # noqa: SLF001 (dask's word for an empty one of the kind)
        _check_feature_names(self, names, reset=reset)
        _check_n_features(self, rows, reset=reset)

    def to_local(self) -> ThreeLayerNNClassifier:
        """Give the same network for arrays on this machine.

        Returns
        -------
        ThreeLayerNNClassifier
            With the same parameters, and fitted if this one is.
        """
        parameters = self.get_params(deep=False)
        del parameters["client"]
        local = ThreeLayerNNClassifier(**parameters)
        fitted = {k: v for k, v in vars(self).items() if k.endswith("_")}
        local.__dict__.update(fitted)
        return local

    def _network(self) -> ThreeLayerNNClassifier:
        """Give what partitions are asked of, which have no names."""
        local = self.to_local()
        local.__dict__.pop("feature_names_in_", None)
        return local

    # ---------------------------------------------------------------- prediction

    def predict(self, X: Any) -> da.Array:
        """Predict the class, or the labels, of each sample.

        Parameters
        ----------
        X : dask array or DataFrame of shape (n_samples, n_features)
            Samples, cut by rows only.

        Returns
        -------
        dask array of shape (n_samples,) or (n_samples, n_labels)
            What `ThreeLayerNNClassifier.predict` says, when it is computed.
        """
        return self._lazily(X, "predict")

    def decision_function(self, X: Any) -> da.Array:
        """Compute the outputs before their activation.

        Parameters
        ----------
        X : dask array or DataFrame of shape (n_samples, n_features)
            Samples, cut by rows only.

        Returns
        -------
        dask array of shape (n_samples,) or (n_samples, `n_outputs_`)
            What `ThreeLayerNNClassifier.decision_function` says, when it is computed.
        """
        return self._lazily(X, "decision_function")

    def predict_proba(self, X: Any) -> da.Array:
        """Estimate the probability of each class, or of each label.

        Parameters
        ----------
        X : dask array or DataFrame of shape (n_samples, n_features)
            Samples, cut by rows only.

        Returns
        -------
        dask array of shape (n_samples, n_classes)
            What `ThreeLayerNNClassifier.predict_proba` says, when it is computed.
        """
        return self._lazily(X, "predict_proba")

    def predict_log_proba(self, X: Any) -> da.Array:
        """Estimate the logarithm of the probability of each class, or label.

        Parameters
        ----------
        X : dask array or DataFrame of shape (n_samples, n_features)
            Samples, cut by rows only.

        Returns
        -------
        dask array of shape (n_samples, n_classes)
            The logarithm of what `predict_proba` returns, and so finite.
        """
        return self._lazily(X, "predict_log_proba")

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Compute the accuracy on the cluster.

        Parameters
        ----------
        X : dask array or DataFrame of shape (n_samples, n_features)
            Samples, cut by rows only.
        y : dask array, Series or DataFrame of shape (n_samples,) or (n_samples, n_labels)
            True classes or labels.
        sample_weight : dask array or Series of shape (n_samples,), default=None
            Weights of the samples; None weighs all equally.

        Returns
        -------
        float
            Share of the samples, by weight, whose labels are all as predicted.
        """  # noqa: E501 (numpydoc wants a type in a line)
        check_is_fitted(self)
        rows = rows_of(X)
        self._check_columns(X, rows, reset=False)
        y = beside(rows, y, "y", (1, 2))
        weight: tuple[Any, Any] = (None, None)
        if sample_weight is not None:
            weight = beside(rows, sample_weight, "sample_weight", (1,)), "i"
        sums = da.blockwise(
            count_right,
            "is",
            *(rows, "ij"),
            *(y, "ik"[: y.ndim]),
            *weight,
            *(da.arange(rows.numblocks[0], chunks=1), "i"),
            network=self._network(),
            new_axes={"s": 2},
            adjust_chunks={"i": 1},
            align_arrays=False,
            meta=np.empty((0, 2)),
        )
        right, total = self._computed(sums).sum(axis=0)
        if not total:
            raise ValueError("X has no samples with a weight, expected at least one.")
        return float(right / total)

    def _computed(self, array: da.Array) -> np.ndarray:
        try:
            client = self._connection()
        except ValueError:  # there is none: by what else computes dask's collections
            return array.compute()
        with connected(client):
            return asked(client, client.gather, client.compute(array))

    def _lazily(self, X: Any, method: str) -> da.Array:
        check_is_fitted(self)
        rows = rows_of(X)
        self._check_columns(X, rows, reset=False)
        local = self._network()
        example = np.zeros((1, self.n_features_in_), local.theta1_.dtype)
        nothing = getattr(local, method)(example)[:0]
        return rows.map_blocks(
            _said_of,
            local,
            method,
            nothing,
            dtype=nothing.dtype,
            meta=nothing,
            **(
                {"drop_axis": 1}
                if nothing.ndim == 1
                else {"chunks": (rows.chunks[0], nothing.shape[1:])}
            ),
        )


def _said_of(X: Any, network: Any, method: str, nothing: np.ndarray) -> np.ndarray:
    """Ask the network about a partition, which may be empty."""
    return getattr(network, method)(X) if X.shape[0] else nothing
