"""The estimator that chooses penalty and number of passes by cross-validation."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from copy import copy
from functools import partial
from itertools import product
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from scipy.sparse import issparse
from scipy.stats import rankdata
from sklearn.base import BaseEstimator, clone
from sklearn.metrics import check_scoring, get_scorer_names
from sklearn.model_selection import ParameterGrid, check_cv
from sklearn.utils import indexable
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_is_fitted, validate_data

from sknn3._array_api import float_dtypes, namespace_of, to_numpy
from sknn3._dataset import check_sample_weight
from sknn3._features import as_numbers
from sknn3._fitted import restore_on_error, score_network
from sknn3._labels import LabelEncoding, as_labels
from sknn3._minimize import Minimizer, MinimizeResult, Objective
from sknn3._prediction import NetworkPredictionMixin
from sknn3._progress import print_path, task_kwargs
from sknn3._sklearn_compat import (
    CallbackSupportMixin,
    StrOptions,
    accepts_sample_weight,
    fit_context,
    safe_indexing,
    with_callbacks,
)
from sknn3.classifier import ThreeLayerNNClassifier


class ThreeLayerNNClassifierCV(
    NetworkPredictionMixin, CallbackSupportMixin, BaseEstimator
):
    """Network that chooses `alpha` and `max_iter` by cross-validation.

    A fit with a small budget of passes is the beginning of a fit with a large budget.
    So the search trains each alpha once in each fold, with the largest budget, and also
    scores the weights after each smaller budget.  The scores equal the scores of
    `GridSearchCV` over both parameters, to the bit, in the time of the largest budget
    alone.  The best candidate is then fitted to all the data.

    By default candidates are compared by log loss, and `score` returns minus the log
    loss, not the accuracy.

    Parameters
    ----------
    alphas : array-like of float, default=(0.01, 0.1, 1.0, 10.0)
        Strengths of the penalty to try.
    max_iters : array-like of int, default=(25, 50, 100, 200)
        Budgets of passes to try.
    cv : int, cross-validation generator or iterable, default=None
        Number of folds (stratified by class unless targets are multilabel), a splitter,
        or pairs of training and test rows.  None is 5 folds.
    scoring : str or callable, default=None
        Score of the candidates, as in scikit-learn; None is 'neg_log_loss', as in
        `LogisticRegressionCV` from scikit-learn 1.11 on.  It is minus the mean log loss
        of the samples or, for multilabel targets, of the samples and labels.
    n_jobs : int, default=None
        Number of paths to train in parallel; a path is an alpha in a fold.
    hidden_layer_size : int, default=50
        Number of hidden units.  `ThreeLayerNNClassifier` describes this and the
        following parameters in full.
    activation : str, default='logistic'
        Activation of the hidden units.
    output_activation : {'logistic', 'softmax'}, default='logistic'
        Activation of the outputs for more than two classes.
    solver : {'tnc', 'lbfgs'}, default='tnc'
        SciPy's truncated Newton, or its limited-memory BFGS.
    max_time : float, default=None
        If given, training of each path also ends after this many seconds.  Larger
        budgets then have the score of the last pass.
    tol : float, default=5e-4
        Largest component of the gradient at which training has converged.
    conditioning : {'auto', 'full', 'diagonal'} or None, default='auto'
        Change of variables for the solver.
    init_epsilon : float, default=None
        If given, all weights start uniformly in (-init_epsilon, init_epsilon).
    class_weight : dict, list of dict or 'balanced', default=None
        Weights of the classes.
    early_stopping : bool, default=False
        Whether to hold out part of the samples and keep the weights with the lowest
        loss of these samples.
    validation_fraction : float, default=0.1
        Share of the samples that early stopping holds out.
    n_iter_no_change : int, default=10
        Early stopping ends training after this many steps without a better score.
    random_state : int, RandomState instance or None, default=None
        Source of random initial weights and samples to hold out.  Pass an int for
        reproducible results.
    verbose : bool, default=False
        Whether to print the scores of each path when it is done.

    Attributes
    ----------
    alpha_ : float
        The best alpha.
    max_iter_ : int
        The best budget of passes.
    best_params_ : dict
        The best candidate: `alpha` and `max_iter` of `ThreeLayerNNClassifier`.
    best_score_ : float
        Mean score of the best candidate over the folds.
    best_index_ : int
        Index of the best candidate in `cv_results_`.
    cv_results_ : dict of lists and arrays
        The candidates with their scores, under the keys of `GridSearchCV`: 'params',
        'param_alpha', 'param_max_iter', 'split0_test_score', ..., 'mean_test_score',
        'std_test_score' and 'rank_test_score'.  There are no times, because all
        candidates with the same alpha share a fit.
    n_splits_ : int
        Number of folds.
    scoring_ : str or callable
        The score that was used: `scoring`, or 'neg_log_loss' for None.
    classes_ : ndarray of shape (n_classes,)
        Class labels.  The search also has all other fitted attributes of
        `ThreeLayerNNClassifier`, from the fit of the best candidate to all the data.

    Notes
    -----
    With `sample_weight`, the scores of the test folds are weighted too, if `scoring`
    takes weights.  If a fit or a score fails, the search fails.  Folds are copied, even
    from a memory map.  If they do not fit into memory, score `ThreeLayerNNClassifier`
    on held-out samples instead.

    'neg_log_loss' equals the score of `GridSearchCV` where it is defined: to the bit
    with scikit-learn 1.9, up to rounding with 1.7 and 1.8.  The test part of a fold may
    lack a class.  A class that the training part lacks has probability 0, which
    `sklearn.metrics.log_loss` clips, so all candidates lose the same.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sknn3 import ThreeLayerNNClassifierCV
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = ThreeLayerNNClassifierCV(
    ...     alphas=[0.1, 1, 10], max_iters=[10, 20, 40], random_state=0
    ... ).fit(X, y)
    >>> clf.alpha_
    0.1
    >>> round(clf.best_score_, 2)
    -0.06
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **{
            name: constraint
            for name, constraint in (
                ThreeLayerNNClassifier._parameter_constraints.items()  # noqa: SLF001 (its own)
            )
            if name not in ("alpha", "max_iter", "warm_start")
        },
        "alphas": ["array-like"],
        "max_iters": ["array-like"],
        "cv": ["cv_object"],
        "scoring": [StrOptions(set(get_scorer_names())), callable, None],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        *,
        alphas: Any = (0.01, 0.1, 1.0, 10.0),
        max_iters: Any = (25, 50, 100, 200),
        cv: Any = None,
        scoring: Any = None,
        n_jobs: int | None = None,
        hidden_layer_size: int = 50,
        activation: str = "logistic",
        output_activation: str = "logistic",
        solver: str = "tnc",
        max_time: float | None = None,
        tol: float = 5e-4,
        conditioning: str | None = "auto",
        init_epsilon: float | None = None,
        class_weight: Any = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.alphas = alphas
        self.max_iters = max_iters
        self.cv = cv
        self.scoring = scoring
        self.n_jobs = n_jobs
        self.hidden_layer_size = hidden_layer_size
        self.activation = activation
        self.output_activation = output_activation
        self.solver = solver
        self.max_time = max_time
        self.tol = tol
        self.conditioning = conditioning
        self.init_epsilon = init_epsilon
        self.class_weight = class_weight
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self) -> Any:
        network = ThreeLayerNNClassifier(output_activation=self.output_activation)
        return network.__sklearn_tags__()

    @fit_context(prefer_skip_nested_validation=True)
    @with_callbacks
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        groups: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> ThreeLayerNNClassifierCV:
        """Score all candidates by cross-validation, and fit the best to all the data.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Classes, numbers or strings, or an indicator matrix of 0 and 1 for
            multilabel targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples, in training and in scores; None weighs all equally.
        groups : array-like of shape (n_samples,), default=None
            Groups of the samples, for splitters that keep groups together.
        X_val, y_val, sample_weight_val : array-like, default=None
            Validation data for all fits, see `ThreeLayerNNClassifier.fit`.

        Returns
        -------
        ThreeLayerNNClassifierCV
            The fitted estimator itself.

        Raises
        ------
        TypeError
            If X has columns of dates, durations or other objects that are not numbers.
        ValueError
            If a parameter or the data does not fit this description.  The estimator
            keeps its previous state.
        """
        with restore_on_error(self):
            alphas, max_iters = self._values("alpha"), self._values("max_iter")
            self.scoring_ = self.scoring or "neg_log_loss"
            X, y, groups = indexable(X, y, groups)
            y, sample_weight = self._validate(X, y, sample_weight)
            splits = list(check_cv(self.cv, y, classifier=True).split(X, y, groups))
            if not splits:
                raise ValueError(f"cv={self.cv!r} gives no training and test rows.")
            data = {"X": X, "y": y, "sample_weight": sample_weight}
            validation = {
                "X_val": X_val,
                "y_val": y_val,
                "sample_weight_val": sample_weight_val,
            }
            paths = list(product(alphas, splits))
            context = self._init_callback_context(
                max_subtasks=len(paths) + 1, sequential_subtasks=False
            )
            task = task_kwargs(self, **data)
            context.call_on_fit_task_begin(**task)
            scores = Parallel(n_jobs=self.n_jobs)(
                delayed(self._score_path)(
                    alpha, *split, data, validation, context.subcontext("path", i)
                )
                for i, (alpha, split) in enumerate(paths)
            )
            self._choose(alphas, max_iters, scores)
            best = self._unfitted(**self.best_params_)
            refit = context.subcontext("refit", len(paths))
            self._fit_network(best, data, validation, refit)
            fitted = {k: v for k, v in vars(best).items() if k.endswith("_")}
            self.__dict__.update(fitted)
            context.call_on_fit_task_end(**task, reconstruction_attributes=dict)
        return self

    def _validate(self, X: Any, y: Any, sample_weight: Any) -> tuple[Any, Any]:
        """Check the data; return the labels and the weights."""
        y = as_labels(y)
        _, y_checked = validate_data(
            self,
            as_numbers(X),
            to_numpy(y),
            multi_output=True,
            accept_sparse="csr",
            dtype=float_dtypes(*namespace_of(X)),
        )
        LabelEncoding.from_labels(y_checked)  # raises unless they are classes
        if sample_weight is not None:
            sample_weight = check_sample_weight(sample_weight, y_checked.shape[0])
            if not accepts_sample_weight(self._scorer()):
                warnings.warn(
                    f"scoring={self.scoring_!r} takes no sample_weight: all samples of "
                    "the test folds have equal weight.",
                    stacklevel=5,  # of the caller of `fit`, past its two decorators
                )
        return y, sample_weight

    def _score_path(
        self,
        alpha: float,
        train: np.ndarray,
        test: np.ndarray,
        data: dict[str, Any],
        validation: dict[str, Any],
        context: Any,
    ) -> list[float]:
        """Train with the largest budget, and return the scores of all budgets."""
        train_data, test_data = (
            {
                name: None if values is None else safe_indexing(values, rows)
                for name, values in data.items()
            }
            for rows in (train, test)
        )
        budgets, scorer = list(self.max_iters), self._scorer()
        network = self._unfitted(alpha=alpha, max_iter=max(budgets))
        network.budgets, network.results_ = budgets, {}
        self._fit_network(network, train_data, validation, context)
        scores = [
            score_network(scorer, network.truncated_copy(budget), **test_data)
            for budget in budgets
        ]
        if self.verbose:
            print_path(network.alpha_, budgets, scores)
        return scores

    def _fit_network(
        self,
        network: _SearchNetwork,
        data: dict[str, Any],
        validation: dict[str, Any],
        context: Any,
    ) -> None:
        """Fit as a subtask of the search; a Ctrl-C ends the whole search."""
        task = task_kwargs(self, **data)
        with context.propagate_callback_context(network):
            context.call_on_fit_task_begin(**task)
            network.fit(**data, **validation)
            context.call_on_fit_task_end(**task)
        if network.stop_reason_ == "interrupted":
            raise KeyboardInterrupt

    def _scorer(self) -> Any:
        """Return the scorer for `scoring_`."""
        if self.scoring_ == "neg_log_loss":
            return _neg_log_loss
        return check_scoring(self, self.scoring_)

    def _values(self, param: str) -> list[Any]:
        """Return the values of a parameter to try."""
        values = list(getattr(self, f"{param}s"))
        constraint = ThreeLayerNNClassifier._parameter_constraints[param][0]  # noqa: SLF001 (the package's)
        if not values or not all(map(constraint.is_satisfied_by, values)):
            raise ValueError(
                f"{param}s={values!r}, expected one or more values, each {constraint}."
            )
        return values

    def _unfitted(self, **params: Any) -> _SearchNetwork:
        """Return an unfitted network with the parameters that both estimators have."""
        shared = ThreeLayerNNClassifier().get_params().keys() & self.get_params().keys()
        others = {"verbose", "scoring"}  # paths stop by the loss
        params |= {name: getattr(self, name) for name in shared - others}
        # `clone` copies a generator that is given as `random_state`.
        return clone(_SearchNetwork(**params))

    def _choose(
        self, alphas: list[Any], max_iters: list[Any], scores: list[list[float]]
    ) -> None:
        """Set `cv_results_` and the attributes of the best candidate."""
        # A candidate is an alpha with a budget, in the order of `ParameterGrid`.
        grid = {"alpha": alphas, "max_iter": max_iters}
        candidates = list(ParameterGrid(grid))
        by_path = np.reshape(scores, (len(alphas), -1, len(max_iters)))
        table = by_path.transpose(0, 2, 1).reshape(len(candidates), -1)
        results: dict[str, Any] = {"params": candidates}
        for name in grid:
            values = np.array([params[name] for params in candidates])
            results[f"param_{name}"] = np.ma.MaskedArray(values, mask=False)
        for i, split_scores in enumerate(table.T):
            results[f"split{i}_test_score"] = split_scores
        with np.errstate(over="ignore", invalid="ignore"):  # of infinite scores
            mean, std = table.mean(axis=1), table.std(axis=1)
        if np.isnan(mean).all():
            raise ValueError(f"scoring={self.scoring!r} gave NaN for all candidates.")
        ranked = np.nan_to_num(mean, nan=np.nanmin(mean) - 1)  # NaN is the worst
        rank = rankdata(-ranked, method="min").astype(np.int32)
        results["mean_test_score"] = mean
        results["std_test_score"] = std
        results["rank_test_score"] = rank
        self.cv_results_ = results
        self.n_splits_ = table.shape[1]
        self.best_index_ = int(rank.argmin())
        self.best_params_ = candidates[self.best_index_]
        self.best_score_ = float(mean[self.best_index_])
        self.alpha_ = self.best_params_["alpha"]
        self.max_iter_ = self.best_params_["max_iter"]

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Score predictions by `scoring`, by default minus the log loss.

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
            Score of the predictions; higher is better.
        """
        check_is_fitted(self)
        y = as_labels(y, warn=False)
        if np.ndim(y) == 1 + self.multilabel_:  # the scorer raises for other dimensions
            LabelEncoding.from_labels(to_numpy(y))  # raises unless they are classes
        return score_network(self._scorer(), self, X, y, sample_weight)


class _SearchNetwork(ThreeLayerNNClassifier):
    """Network of a search, which records the weights at smaller budgets.

    A network with budgets does not warn.  The best candidate has no budgets.  It does
    not warn if `max_iter` ends its fit, because the search chose `max_iter`.
    """

    budgets: Sequence[int] = ()
    _expected_stops = ("max_iter", "interrupted")

    def _end_pass(self, callbacks: Any, minimizer: Minimizer) -> bool:
        n_done = len(minimizer.evaluations)
        if n_done in self.budgets:
            result = minimizer.result("max_iter")
            self.results_[n_done] = partial(callbacks.attributes, result)
        return super()._end_pass(callbacks, minimizer)

    def _warn(
        self,
        result: MinimizeResult,
        objective: Objective,
        stacklevel: int = 10,  # the caller of the search's `fit`
    ) -> None:
        if not self.budgets:
            super()._warn(result, objective, stacklevel)

    def truncated_copy(self, budget: int) -> ThreeLayerNNClassifier:
        """Return a network that equals a fit with a smaller budget.

        If this fit ended before the budget, the copy has the final weights.
        """
        truncated = copy(self)
        truncated.max_iter = budget
        if budget in self.results_:
            truncated.__dict__.update(self.results_[budget]())
        return truncated


# Callbacks and errors show this name.
_SearchNetwork.__name__ = ThreeLayerNNClassifier.__name__


def _neg_log_loss(clf: Any, X: Any, y: Any, sample_weight: Any = None) -> float:
    """Return minus the mean log loss of samples, or of samples and labels.

    It equals `log_loss` of scikit-learn 1.9, to the bit.  The checks of `log_loss` take
    a third of a search on small data.  Unknown classes have probability 0.
    """
    P, y, sample_weight = map(to_numpy, (clf.predict_proba(X), y, sample_weight))
    y = y.toarray() if issparse(y) else np.asarray(y)
    shape = P.shape if clf.multilabel_ else P.shape[:1]
    has_strings = y.dtype.kind in "OSU"
    if y.shape != shape or has_strings != (clf.classes_.dtype.kind in "OSU"):
        raise ValueError(
            f"y has shape {y.shape} and dtype {y.dtype}, expected shape {shape} and "
            f"classes like {clf.classes_[:3].tolist()}."
        )
    if sample_weight is not None:
        sample_weight = check_sample_weight(sample_weight, len(P))
    if clf.multilabel_:
        P = np.where(y, P, 1 - P)
    else:
        codes = np.searchsorted(clf.classes_[:-1], y)
        P = np.where(clf.classes_[codes] == y, P[np.arange(len(P)), codes], 0)
    eps = np.finfo(P.dtype).eps
    losses = -np.log(np.clip(P, eps, 1 - eps))
    if clf.multilabel_:
        losses = losses.mean(axis=1)
    return -float(np.average(losses, weights=sample_weight))
