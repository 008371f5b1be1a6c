"""The estimator that chooses its penalty and its budget by cross-validation."""

from __future__ import annotations

from itertools import product
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from scipy.stats import rankdata
from sklearn.base import _fit_context, clone
from sklearn.metrics import check_scoring, get_scorer_names
from sklearn.model_selection import ParameterGrid, check_cv
from sklearn.utils import _safe_indexing, indexable
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_is_fitted, validate_data

from sknn3._arrays import accepted
from sknn3._callbacks import AtBudgets, about_task, task
from sknn3._fitted import undone_on_failure
from sknn3.classifier import ThreeLayerNNClassifier


class ThreeLayerNNClassifierCV(ThreeLayerNNClassifier):
    """Network that chooses `alpha` and `max_iter` by cross-validation.

    A fit with a small budget of passes is the beginning of one with a larger budget.
    So each alpha is trained once in each fold, with the largest budget, and scored with
    what the smaller ones would have given.  The scores are those of `GridSearchCV` over
    both parameters, to the bit, at the price of the largest budget alone.  The best
    candidate is then fitted to all the data.

    Parameters
    ----------
    alphas : array-like of float, default=(0.01, 0.1, 1.0, 10.0)
        Strengths of the penalty to try.
    max_iters : array-like of int, default=(25, 50, 100, 200)
        Budgets of passes to try.
    cv : int, cross-validation generator or iterable, default=None
        How to split the data: a number of folds, stratified by class unless targets are
        multilabel, a splitter, or pairs of training and test rows.  None is 5 folds.
    scoring : str or callable, default=None
        What to compare candidates by, as in scikit-learn; None is the accuracy.
    n_jobs : int, default=None
        Number of paths, one for each alpha and fold, to train at the same time.
    hidden_layer_size : int, default=25
        Number of hidden units.
    activation : {'identity', 'logistic', 'tanh', 'relu'}, default='logistic'
        Activation of the hidden units.
    output_activation : {'logistic', 'softmax'}, default='logistic'
        Activation of the outputs for more than two classes.
    solver : {'tnc', 'lbfgs'}, default='tnc'
        SciPy's truncated Newton, or its limited-memory BFGS.
    max_time : float, default=None
        If given, seconds after which the training of each path ends too.
    tol : float, default=1e-4
        Bound for the gradient at which training has converged.
    conditioning : {'auto', 'full', 'diagonal'} or None, default='auto'
        The coordinates in which the solver works.
    init_epsilon : float, default=None
        If given, all weights start uniformly in (-init_epsilon, init_epsilon).
    class_weight : dict, list of dict or 'balanced', default=None
        Weights of the classes.
    early_stopping : bool, default=False
        Whether to hold out part of the samples and keep the weights that were best on
        them.
    validation_fraction : float, default=0.1
        Share of the samples that early stopping holds out.
    n_iter_no_change : int, default=10
        Number of steps without a better validation score after which early stopping
        ends training.
    random_state : int, RandomState instance or None, default=None
        Draws the initial weights and the validation part.  Pass an int for
        reproducible results.
    verbose : bool, default=False
        Whether to print the progress of training now and then.

    Attributes
    ----------
    alpha_ : float
        The penalty chosen.
    max_iter_ : int
        The budget chosen.
    best_params_ : dict
        Both of them, by the names of `ThreeLayerNNClassifier`.
    best_score_ : float
        Their mean score over the folds.
    best_index_ : int
        Their place in `cv_results_`.
    cv_results_ : dict of lists and arrays
        The candidates with their scores, under the keys of `GridSearchCV`:
        'params', 'param_alpha', 'param_max_iter', 'split0_test_score', ...,
        'mean_test_score', 'std_test_score' and 'rank_test_score'.  Times are not
        among them: candidates of one alpha share theirs.
    n_splits_ : int
        Number of folds.
    scorer_ : callable
        What candidates were compared by.
    theta1_ : ndarray of shape (hidden_layer_size, n_features_in_ + 1)
        Weights of the hidden layer, bias in column 0.
    theta2_ : ndarray of shape (n_outputs_, hidden_layer_size + 1)
        Weights of the output layer, bias in column 0.

    See Also
    --------
    ThreeLayerNNClassifier : The network itself, with all other fitted attributes, which
        here are those of the fit to all the data.
    sklearn.model_selection.GridSearchCV : Searches any parameters, pipelines too.

    Notes
    -----
    With `sample_weight`, test folds are scored by weight too, which `GridSearchCV`
    does where metadata routing tells it to.  The budget is searched, so no warning
    says that it ended a fit.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sknn3 import ThreeLayerNNClassifierCV
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = ThreeLayerNNClassifierCV(
    ...     alphas=[0.1, 1, 10], max_iters=[10, 20, 40], random_state=0
    ... ).fit(X, y)
    >>> clf.best_params_
    {'alpha': 0.1, 'max_iter': 20}
    >>> round(clf.best_score_, 2)
    0.98
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
        hidden_layer_size: int = 25,
        activation: str = "logistic",
        output_activation: str = "logistic",
        solver: str = "tnc",
        max_time: float | None = None,
        tol: float = 1e-4,
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

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None
    ) -> ThreeLayerNNClassifierCV:
        """Score all candidates by cross-validation, and fit the best to all the data.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Classes, or an indicator matrix of 0 and 1 for multilabel targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples, in training and in scores; None weighs all equally.
        groups : array-like of shape (n_samples,), default=None
            Groups of the samples, for splitters that keep groups together.

        Returns
        -------
        ThreeLayerNNClassifierCV
            The fitted estimator itself.

        Raises
        ------
        ValueError
            If a parameter or the data is not what is described here.  The estimator is
            then as it was before.
        """
        with undone_on_failure(self):
            alphas, max_iters = self._values("alpha"), self._values("max_iter")
            X, y, sample_weight, groups = indexable(X, y, sample_weight, groups)
            validate_data(self, X, y, multi_output=True, **accepted(X))
            check_classification_targets(y)
            splits = list(check_cv(self.cv, y, classifier=True).split(X, y, groups))
            n_paths = len(alphas) * len(splits)
            context = self._init_callback_context(
                max_subtasks=n_paths + 1, sequential_subtasks=False
            )
            data = {"X": X, "y": y, "sample_weight": sample_weight}
            about = about_task(self, **data)
            with task(context, at_end=dict, **about):
                contexts = [context.subcontext("path", i) for i in range(n_paths)]
                table = self._score_paths(data, alphas, splits, max_iters, contexts)
                grid = ParameterGrid({"alpha": alphas, "max_iter": max_iters})
                self._choose(list(grid), table)
                best = self._network(**self.best_params_)
                refit = context.subcontext("refit", n_paths)
                with refit.propagate_callback_context(best), task(refit, **about):
                    best._fit(**data)  # noqa: SLF001 (`fit`, but warns not)
                fitted = {k: v for k, v in vars(best).items() if k.endswith("_")}
                self.__dict__.update(fitted)
        return self

    def _score_paths(
        self,
        data: dict[str, Any],
        alphas: list[Any],
        splits: list[Any],
        max_iters: list[Any],
        contexts: list[Any],
    ) -> np.ndarray:
        """Make the table of scores, candidates by folds."""
        scores = Parallel(n_jobs=self.n_jobs)(
            delayed(_scores_of_path)(
                self._network(alpha=alpha, max_iter=max(max_iters)),
                data,
                *split,
                budgets=max_iters,
                scorer=self.scorer_,
                context=context,
                caller=self,
            )
            for (alpha, split), context in zip(
                product(alphas, splits), contexts, strict=True
            )
        )
        # The budgets, which come last, go with the alphas.
        table = np.reshape(scores, (len(alphas), len(splits), len(max_iters)))
        return table.transpose(0, 2, 1).reshape(-1, len(splits))

    @property
    def scorer_(self) -> Any:
        """What candidates are compared by."""
        return check_scoring(self, self.scoring or "accuracy")

    def _values(self, param: str) -> list[Any]:
        """Check and list the values to try of a parameter."""
        name, (constraint,) = f"{param}s", super()._parameter_constraints[param]
        values = list(getattr(self, name))
        if not values or not all(map(constraint.is_satisfied_by, values)):
            raise ValueError(f"{name}={values!r}, expected a list of {constraint}.")
        return values

    def _network(self, **params: Any) -> ThreeLayerNNClassifier:
        shared = ThreeLayerNNClassifier().get_params().keys() & self.get_params().keys()
        # A random state that is a generator starts anew for each network.
        params |= {name: getattr(self, name) for name in shared}
        return clone(ThreeLayerNNClassifier(**params))

    def _choose(self, candidates: list[dict[str, Any]], table: np.ndarray) -> None:
        """Make `cv_results_` and what follows from it."""
        self.n_splits_ = table.shape[1]
        results: dict[str, Any] = {"params": candidates}
        for name in ("alpha", "max_iter"):
            values = np.array([params[name] for params in candidates])
            results[f"param_{name}"] = np.ma.MaskedArray(values, mask=False)
        for i, scores in enumerate(table.T):
            results[f"split{i}_test_score"] = scores
        mean = np.average(table, axis=1)
        variance = np.average((table - mean[:, np.newaxis]) ** 2, axis=1)
        if np.isnan(mean).all():
            raise ValueError(f"scoring={self.scoring!r} gave NaN for all candidates.")
        ranked = np.nan_to_num(mean, nan=np.nanmin(mean) - 1)  # NaN is worse than all
        rank = rankdata(-ranked, method="min").astype(np.int32)
        results["mean_test_score"] = mean
        results["std_test_score"] = np.sqrt(variance)
        results["rank_test_score"] = rank
        self.cv_results_ = results
        self.best_index_ = int(rank.argmin())
        self.best_params_ = candidates[self.best_index_]
        self.best_score_ = float(mean[self.best_index_])
        self.alpha_ = self.best_params_["alpha"]
        self.max_iter_ = self.best_params_["max_iter"]

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Score predictions by `scoring`.

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
            The score.
        """
        check_is_fitted(self)
        return float(_score(self.scorer_, self, X, y, sample_weight))


def _scores_of_path(
    network: ThreeLayerNNClassifier,
    data: dict[str, Any],
    train: np.ndarray,
    test: np.ndarray,
    *,
    budgets: list[int],
    scorer: Any,
    context: Any,
    caller: Any,
) -> list[float]:
    """Train once with the largest budget, and score the network of each."""
    train_data, test_data = (
        {
            name: None if values is None else _safe_indexing(values, rows)
            for name, values in data.items()
        }
        for rows in (train, test)
    )
    at_budgets = AtBudgets(budgets)
    network.set_callbacks(at_budgets)
    about = about_task(caller, **train_data)
    with context.propagate_callback_context(network), task(context, **about):
        network._fit(**train_data)  # noqa: SLF001 (`fit`, but warns not)
    if network.stop_reason_ == "interrupted":  # the whole search is meant
        raise KeyboardInterrupt
    # A budget that training did not need gives what it came to.
    return [
        _score(scorer, at_budgets.fitted.get(budget, network), **test_data)
        for budget in budgets
    ]


def _score(scorer: Any, clf: Any, X: Any, y: Any, sample_weight: Any) -> float:
    weights = {} if sample_weight is None else {"sample_weight": sample_weight}
    score = scorer(clf, X, y, **weights)
    if not isinstance(score, Real):
        raise ValueError(f"scoring must return a number, got {score!r}.")
    return float(score)
