"""Prediction methods that the estimators share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin, clone
from sklearn.utils.validation import check_is_fitted, validate_data

from sknn3._array_api import float_dtypes, namespace_of, to_device, to_numpy
from sknn3._dataset import concat_rows, output_blocks
from sknn3._features import as_numbers
from sknn3._kernel import (
    OUTPUTS,
    block_input_gradients,
    output_jacobian,
    predict_codes,
    probability_jacobian,
)
from sknn3._labels import as_labels


def _documentation_address() -> str:
    """Return the address in `[project.urls]`, or "" if it or the metadata is absent."""
    # Here, because it loads twenty modules, which are not needed to import the package.
    from importlib.metadata import PackageNotFoundError, metadata

    try:
        urls = metadata("sknn3").get_all("Project-URL") or []
    except PackageNotFoundError:  # the package is not installed
        return ""
    addresses = dict(url.split(", ", 1) for url in urls)
    return addresses.get("Documentation", "").rstrip("/")


class NetworkPredictionMixin(ClassifierMixin):
    """Prediction methods for estimators with the fitted attributes of a network."""

    # scikit-learn's diagrams link to this address for classes of this module.
    _doc_link_module = "sknn3"

    @property
    def _doc_link_template(self) -> str:
        """Address of the API page; empty if the documentation has no address."""
        package = type(self).__module__.rpartition(".")[0]
        page = f"/api/generated/{package}.{type(self).__name__}.html"
        address = _documentation_address()
        return address and address + page

    @property
    def coefs_(self) -> list[np.ndarray]:
        """Weights without biases, in the shapes of MLPClassifier, as views."""
        return [self.theta1_[:, 1:].T, self.theta2_[:, 1:].T]

    @property
    def intercepts_(self) -> list[np.ndarray]:
        """Biases of both layers, as views."""
        return [self.theta1_[:, 0], self.theta2_[:, 0]]

    def __sklearn_array_api_convert__(self, converter: Callable[[Any], Any]) -> Any:
        # scikit-learn's `move_estimator_to` calls this.  `classes_` stays in NumPy.
        moved, weights = clone(self), {"theta1_", "theta2_"} & vars(self).keys()
        moved.__dict__.update(
            vars(self) | {name: converter(getattr(self, name)) for name in weights}
        )
        return moved

    def predict(self, X: Any) -> np.ndarray:
        """Predict the class, or the labels, of each sample.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_labels)
            The class with the largest output.  For multilabel targets, an indicator
            matrix with 1 for labels of a probability above 1/2.
        """
        blocks, n_samples, xp = self._output_blocks(X, "predict")
        n_classes, multilabel = len(self.classes_), self.multilabel_
        codes = (predict_codes(O, xp, n_classes, multilabel) for O in blocks)
        if multilabel:
            return concat_rows(codes, n_samples)
        labels = concat_rows((self.classes_[to_numpy(c)] for c in codes), n_samples)
        if labels.dtype.kind in "OSU":  # only NumPy has strings
            return labels
        return to_device(labels, *namespace_of(self.theta1_))

    def decision_function(self, X: Any) -> np.ndarray:
        """Compute the outputs before their activation.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, `n_outputs_`)
            For two classes, one value: it is positive for ``classes_[1]``.  For more
            classes, one value for each: the predicted class has the largest.  For
            multilabel targets, one value for each label: it is positive if the label is
            predicted.
        """
        blocks, n_samples, _ = self._output_blocks(X, "decision_function")
        O = concat_rows((O.T for O in blocks), n_samples)
        return O if self.multilabel_ or self.n_outputs_ > 1 else O[:, 0]

    def predict_proba(self, X: Any) -> np.ndarray:
        """Estimate the probability of each class, or of each label.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Positive probabilities.  The probabilities of classes sum to 1: sigmoids of
            more than two classes are divided by their sum.  For multilabel targets, the
            probabilities of the labels are independent.
        """
        blocks, n_samples, xp = self._output_blocks(X, "predict_proba")
        return concat_rows((self._probabilities(O, xp) for O in blocks), n_samples)

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Estimate the logarithm of the probability of each class, or label.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Finite logarithms of the probabilities of `predict_proba`.
        """
        blocks, n_samples, xp = self._output_blocks(X, "predict_log_proba")
        P = (self._probabilities(O, xp) for O in blocks)
        return concat_rows((xp.log(block) for block in P), n_samples)

    def input_gradients(
        self, X: Any, *, response_method: str = "predict_proba"
    ) -> np.ndarray:
        """Compute the exact derivatives of the predictions by the features.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples at which to compute the derivatives.
        response_method : {'predict_proba', 'decision_function'}, \
                default='predict_proba'
            What to differentiate: the probabilities, or the outputs before activation.

        Returns
        -------
        ndarray of shape (n_samples, n_classes, n_features)
            The shape is (n_samples, n_features) for the decision function of two
            classes.  The array is dense even for sparse X.  The derivative of a 'relu'
            unit at its kink is 0.
        """
        if response_method not in ("predict_proba", "decision_function"):
            raise ValueError(
                f"response_method={response_method!r} is unknown, expected "
                "'predict_proba' or 'decision_function'."
            )
        check_is_fitted(self, "theta1_")
        of_outputs = response_method == "decision_function"
        jacobian = output_jacobian if of_outputs else self._probability_jacobian
        W1, n_results = self.theta1_[:, 1:], max(len(self.classes_), self.n_outputs_)
        blocks, n_samples, _ = self._output_blocks(
            X,
            "input_gradients",
            compute=partial(block_input_gradients, W1=W1, jacobian=jacobian),
            entries_per_row=n_results * max(*W1.shape, n_results),
        )
        G = concat_rows(blocks, n_samples)
        is_single = of_outputs and self.n_outputs_ == 1 and not self.multilabel_
        return G[:, 0, :] if is_single else G

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Compute the accuracy.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            True classes or labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples; None weighs all equally.

        Returns
        -------
        float
            Share of the samples, by weight, with all labels predicted correctly.
        """
        return float(super().score(X, as_labels(y, warn=False), sample_weight))

    def _output_blocks(
        self, X: Any, method: str, **options: Any
    ) -> tuple[Iterator[Any], int, Any]:
        """Return blocks of outputs, (K, rows), the number of rows and the namespace.

        The outputs are before activation.  `output_blocks` describes the options.
        """
        check_is_fitted(self, "theta1_")
        xp, device = namespace_of(X)
        # Without dispatch, NumPy is the namespace of weights of other libraries too.
        same_kind = (xp is np) == isinstance(self.theta1_, np.ndarray)
        if not same_kind or namespace_of(self.theta1_) != (xp, device):
            raise ValueError(
                f"Inputs passed to {type(self).__name__}.{method}() must use the same "
                "namespace and the same device as those passed to fit(), with "
                "array_api_dispatch=True. scikit-learn 1.9 or newer can move an "
                "estimator: see move_estimator_to."
            )
        X, dtypes = as_numbers(X, encode=""), float_dtypes(xp, device)
        is_checked = type(X) is np.ndarray and X.ndim == 2 and X.size > 0
        X = validate_data(
            self,
            X,
            reset=False,
            accept_sparse="csr",
            dtype=dtypes,
            ensure_all_finite=False,  # the kernel checks the hidden inputs
            # `check_array` would return X itself, in a third of the time of one row.
            skip_check_array=is_checked and X.dtype in dtypes,
        )
        thetas = self.theta1_, self.theta2_
        blocks = output_blocks(X, *thetas, self.hidden_activation_, **options)
        return blocks, X.shape[0], xp

    def _probabilities(self, O: Any, xp: Any) -> Any:
        """Return the probabilities, (n, n_classes), from the outputs, (K, n)."""
        if len(self.classes_) == 1:
            return xp.ones_like(O).T
        output = OUTPUTS[self.out_activation_]
        if self.multilabel_:
            P = output.activate(O, xp)
        elif self.n_outputs_ == 1:
            P = output.activate(xp.concat([-O, O]), xp)
        else:
            P = output.class_probabilities(O, xp)
        # Limits that keep logarithms of P and, for labels, of 1 - P finite.
        limits = xp.finfo(P.dtype)
        highest = 1 - float(limits.eps) / 2 if self.multilabel_ else None
        return xp.clip(P, float(limits.smallest_normal), highest).T

    def _probability_jacobian(self, O: Any, xp: Any) -> Any:
        """Return the derivatives of the probabilities by the outputs, (n, C, K)."""
        if len(self.classes_) == 1:
            return xp.zeros_like(O).T[:, :, None]
        exclusive = self.n_outputs_ > 1 and not self.multilabel_
        J = probability_jacobian(O, xp, self.out_activation_, exclusive=exclusive)
        return J if self.n_outputs_ > 1 else xp.concat([-J, J], axis=1)
