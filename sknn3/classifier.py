"""The estimator: a network with one hidden layer, trained on all the data at once."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Sequence
from copy import copy
from functools import partial
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, _fit_context, clone
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils._array_api import check_same_namespace
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    validate_data,
)

from sknn3._arrays import Home, constant, overwrite, to_host
from sknn3._blocks import refuse_cut_files, refuse_unless_finite
from sknn3._callbacks import FitTasks, print_end, print_progress
from sknn3._conditioning import Conditioning, conditioning_for
from sknn3._diagram import DescribedMixin
from sknn3._fitted import undone_on_failure
from sknn3._initial_weights import drawn_weights, given_weights
from sknn3._interrupts import Interrupts
from sknn3._minimize import ADVICE, SOLVERS, Outcome, Run, Validation, minimize
from sknn3._objective import Architecture, Objective, hit_sums, outputs_of
from sknn3._samples import Classes, Data, Samples, decide
from sknn3._validation import MAX_UNITS, Amount, Count, accepted, looked_through
from sknn3.network import (
    ACTIVATIONS,
    LARGEST_EPSILON,
    OUTPUTS,
    pack,
    weights_beside,
)

# Address of the documentation in diagrams, with the fields {estimator_module} and
# {estimator_name}.  None is public yet: no link.
DOC_LINK_TEMPLATE = ""

# What scikit-learn's callbacks leave in an estimator, and a saved model does without.
_OF_CALLBACKS = (
    "_skl_callbacks",
    "_skl_callbacks_to_teardown",
    "_callback_fit_ctx",
    "_parent_callback_ctx",
)


class ThreeLayerNNClassifier(
    DescribedMixin, CallbackSupportMixin, ClassifierMixin, BaseEstimator
):
    r"""Neural network with one hidden layer, trained on the whole data set.

    Cost and gradient come from vectorised backpropagation over all samples, and
    SciPy's truncated Newton (TNC) or L-BFGS minimiser does the rest: no learning
    rate, no batches, and the same fit every time for the same `random_state`.

    It minimises, with sample weights :math:`s_i` and :math:`S = \sum_i s_i`,

    .. math::

        J = \frac{1}{S} \sum_i s_i \, \mathrm{loss}(o_i, y_i)
            + \frac{\alpha}{2 S} \left(\|W_1\|^2 + \|W_2\|^2\right)

    of the outputs :math:`o_i = W_2 \, g(W_1 x_i + b_1) + b_2`.

    Parameters
    ----------
    hidden_layer_size : int, default=25
        Number of hidden units.
    activation : {'identity', 'logistic', 'tanh', 'relu'}, default='logistic'
        Activation g of the hidden units.
    output_activation : {'logistic', 'softmax'}, default='logistic'
        For more than two classes: 'logistic' gives each class a sigmoid of its own
        and the sum of their cross-entropies, 'softmax' gives one softmax over all
        and the multinomial cross-entropy of `MLPClassifier`.  Two classes share one
        sigmoid either way.  Multilabel targets need 'logistic'.
    alpha : float, default=1.0
        Strength of the L2 penalty on the weights; biases are free.  The same scale
        as in `MLPClassifier`, and the lambda of many courses.
    solver : {'tnc', 'lbfgs'}, default='tnc'
        SciPy's truncated Newton, or its limited-memory BFGS.
    max_iter : int, default=200
        Number of passes: evaluations of cost and gradient over the training data,
        for either solver.
    max_time : float, default=None
        If given, seconds after which training ends too, with the pass in which they do.
        Fits that it ended are not reproducible.
    tol : float, default=1e-4
        Training has converged when no component of the gradient by the weights is
        larger than this.  With conditioning, components by the weights of features
        that deviate by less than about 1 are multiplied up to where they would be
        for a deviation of 1.
    conditioning : {'auto', 'full', 'diagonal'} or None, default='auto'
        The coordinates in which the solver works; they change the path, not the
        minimum.  'full' whitens the features, 'diagonal' scales them, both centre
        features and hidden activations; None leaves the weights as they are.
        'auto' is 'full' for dense data of up to 1024 features, else 'diagonal'.
    init_epsilon : float, default=None
        If given, all weights start uniformly in (-init_epsilon, init_epsilon).
        None starts from Glorot-uniform weights, hidden biases uniformly in (-1, 1)
        for 'logistic', in (-0.5, 0.5) for 'tanh' and else at 0, and output biases at
        the log-odds of the classes' share of the samples.  With conditioning, the
        biases refer to the mean sample and activation, and the hidden weights to
        standardised features.
    class_weight : dict, list of dict or 'balanced', default=None
        Weights of the classes, as ``{class: weight}``; they multiply
        `sample_weight`.  'balanced' makes all classes weigh the same.  For
        multilabel targets a list with one dict for each label.
    early_stopping : bool, default=False
        Whether to hold out part of the samples, stop when the accuracy on them no
        longer improves, and keep the weights that were best on them.
    validation_fraction : float, default=0.1
        Share of the samples that early stopping holds out, stratified by class unless
        targets are multilabel.
    n_iter_no_change : int, default=10
        Number of steps of the solver in a row (each one or more passes) without a
        better validation score after which early stopping ends training.
    warm_start : bool, default=False
        Whether `fit` continues from the weights of the previous call, which must
        have seen the same features and classes, with the same size and activations
        of the network.
    random_state : int, RandomState instance or None, default=None
        Draws the initial weights and the validation part.  Pass an int for
        reproducible results.
    verbose : bool, default=False
        Whether to print the progress of training now and then.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels; for multilabel targets the numbers of the columns.
    theta1_ : ndarray of shape (hidden_layer_size, `n_features_in_` + 1)
        Weights of the hidden layer, bias in column 0.
    theta2_ : ndarray of shape (`n_outputs_`, hidden_layer_size + 1)
        Weights of the output layer, bias in column 0.
    coefs_ : list of 2 ndarrays
        The same weights without biases and in the shapes of `MLPClassifier`,
        (`n_features_in_`, hidden_layer_size) and (hidden_layer_size, `n_outputs_`):
        views of `theta1_` and `theta2_`.
    intercepts_ : list of 2 ndarrays
        Their biases, (hidden_layer_size,) and (`n_outputs_`,), as views.
    loss_ : float
        Cost J at the fitted weights.
    loss_curve_ : list of float
        Lowest cost so far, one entry a pass.
    validation_scores_ : list of float or None
        With early stopping, accuracy on the held-out samples at the last step of the
        solver, one entry a pass.
    best_validation_score_ : float or None
        With early stopping, the highest of these, which the fitted weights reach.
    n_iter_ : int
        Number of passes.
    stop_reason_ : str
        Why training ended: 'converged', 'max_iter', 'max_time', 'early_stopping',
        'callback', 'stalled' (no lower cost can be found in this precision) or
        'interrupted'.
    hidden_activation_ : str
        Activation of the hidden units.
    multilabel_ : bool
        Whether a sample may have several labels, or none.
    n_layers_ : int
        3: input, hidden and output layer.
    n_outputs_ : int
        Number of output units: 1 for up to two classes, else one for each class.
    out_activation_ : str
        Activation of the outputs: 'logistic' or 'softmax'.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where all are strings.

    See Also
    --------
    sklearn.neural_network.MLPClassifier : Any number of layers, trained by
        stochastic gradient descent, Adam or L-BFGS.
    sknn3.network.cost_gradient : The cost function itself.

    Notes
    -----
    Samples of weight zero count as absent, and are dropped before training.
    `alpha` is measured against the sum of the weights: where that is 1, as in
    `AdaBoostClassifier`, an `alpha` divided by the number of samples penalises as much.
    With both `warm_start` and `early_stopping`, let `random_state` be an int, lest
    another part of the samples be held out each time.
    float32 data is multiplied in float32 and gives float32 weights; the minimiser
    works in float64 throughout.

    References
    ----------
    .. [1] S. G. Nash, "Newton-type minimization via the Lanczos method", SIAM
       Journal on Numerical Analysis 21 (1984), 770-788.

    .. [2] X. Glorot and Y. Bengio, "Understanding the difficulty of training deep
       feedforward neural networks", AISTATS 2010.

    Examples
    --------
    >>> from sklearn.model_selection import train_test_split
    >>> from sknn3 import ThreeLayerNNClassifier
    >>> from sknn3.datasets import load_digits20
    >>> X, y = load_digits20(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(
    ...     X, y, stratify=y, random_state=0
    ... )
    >>> clf = ThreeLayerNNClassifier(tol=1e-3, random_state=0).fit(X_train, y_train)
    >>> clf.stop_reason_
    'converged'
    >>> round(clf.score(X_test, y_test), 2)
    0.93
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "hidden_layer_size": [Count(MAX_UNITS)],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "output_activation": [StrOptions(set(OUTPUTS))],
        "alpha": [Amount(0, None, closed="left")],
        "solver": [StrOptions(set(SOLVERS))],
        "max_iter": [Count()],
        "max_time": [Amount(0, None, closed="neither"), None],
        "tol": [Amount(0, None, closed="left")],
        "conditioning": [StrOptions({"auto", "full", "diagonal"}), None],
        "init_epsilon": [Amount(0, LARGEST_EPSILON, closed="right"), None],
        "class_weight": [dict, list, StrOptions({"balanced"}), None],
        "early_stopping": ["boolean"],
        "validation_fraction": [Amount(0, 1, closed="neither")],
        "n_iter_no_change": [Count()],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    _doc_link_module = "sknn3"
    _doc_link_template = DOC_LINK_TEMPLATE

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
    ) -> None:
        self.hidden_layer_size = hidden_layer_size
        self.activation = activation
        self.output_activation = output_activation
        self.alpha = alpha
        self.solver = solver
        self.max_iter = max_iter
        self.max_time = max_time
        self.tol = tol
        self.conditioning = conditioning
        self.init_epsilon = init_epsilon
        self.class_weight = class_weight
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.array_api_support = True
        tags.input_tags.sparse = True
        tags.classifier_tags.multi_label = self.output_activation != "softmax"
        return tags

    # ------------------------------------------------------------------ training

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        coefs_init: Sequence[Any] | None = None,
        intercepts_init: Sequence[Any] | None = None,
    ) -> ThreeLayerNNClassifier:
        """Train the network.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.  C- or Fortran-ordered float64 and float32 arrays and CSR
            matrices are read as they are.  Where some samples have weight zero, and
            for early stopping, the rows to train on are copied; those of a memory map
            are looked up in each pass instead, so that the file may be larger than
            the memory.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Classes, or an indicator matrix of 0 and 1 for multilabel targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples, not negative; None weighs all equally.
        coefs_init : list of 2 array-likes, default=None
            Initial weights in the shapes of `coefs_`, those of another network or of
            an `MLPClassifier` for example; they go before `warm_start` and
            `init_epsilon`.
        intercepts_init : list of 2 array-likes, default=None
            Initial biases in the shapes of `intercepts_`; given with `coefs_init`.

        Returns
        -------
        ThreeLayerNNClassifier
            The fitted estimator itself.

        Raises
        ------
        ValueError
            If the data is not what is described here, or with `warm_start` not what
            the previous call was given.  The estimator is then as it was before.

        Warns
        -----
        ConvergenceWarning
            If training ended before it converged; the text says what to do.
        """
        run, outcome = self._fit(X, y, sample_weight, coefs_init, intercepts_init)
        self._warn_of(run, outcome)
        return self

    def _warn_of(self, run: Run, outcome: Outcome) -> None:
        """Warn of an end that is none to wish for."""
        advice = ADVICE[outcome.stop_reason]
        if advice is not None:
            interrupted = outcome.stop_reason == "interrupted"
            warnings.warn(
                advice.format(
                    max_iter=self.max_iter,
                    max_time=self.max_time,
                    n_iter=len(outcome.passes),
                    max_gradient=run.best.max_gradient,
                    tol=float(self.tol),
                ),
                UserWarning if interrupted else ConvergenceWarning,
                stacklevel=4,  # past this method, `fit` and its wrapper
            )

    @with_callbacks
    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        coefs_init: Sequence[Any] | None = None,
        intercepts_init: Sequence[Any] | None = None,
        after_pass: Callable[[Run], None] | None = None,
    ) -> tuple[Run, Outcome]:
        """Train without a word on how it ended."""
        deadline = time.perf_counter() + float(self.max_time or math.inf)
        with (
            Interrupts().held() as interrupts,
            undone_on_failure(self),
            interrupts.raised_after(0),
            np.errstate(under="ignore"),  # as NumPy has it unless told otherwise
        ):
            samples = self._validate(X, y, sample_weight)
            sizes = self._sizes(samples)
            start = given_weights(sizes, coefs_init, intercepts_init)
            if start is None and self._continues():
                start = pack(to_host(self.theta1_), to_host(self.theta2_))
            self._keep_shape(samples.classes)
            attributes = partial(
                self._weights_and_books, like=samples.template, home=samples.home
            )
            tasks = FitTasks(
                self,
                attributes,
                X=X,
                y=y,
                sample_weight=sample_weight,
            )
            with tasks.whole_fit():
                run, outcome = self._minimize(
                    samples, start, tasks, interrupts, deadline, after_pass
                )
                if self.verbose:
                    print_end(outcome)
                # At one stroke: an interrupt finds all or nothing.
                self.__dict__.update(attributes(outcome))
        return run, outcome

    def _validate(self, X: Any, y: Any, sample_weight: Any) -> Data:
        y, sample_weight = to_host(y), to_host(sample_weight)
        refuse_cut_files(X=X, y=y, sample_weight=sample_weight)
        with looked_through("X", "y"):
            X, y = validate_data(
                self,
                X,
                y,
                multi_output=True,
                reset=not self._continues(),
                ensure_all_finite=False,
                **accepted(X),
            )
        refuse_unless_finite(X, type(self).__name__, on_host=Home.of(X).is_host)
        if sample_weight is not None:
            with looked_through("sample_weight"):
                sample_weight = _check_sample_weight(
                    sample_weight, y, dtype=np.float64, ensure_non_negative=True
                )
        samples = Samples.present(X, y, sample_weight, self.class_weight)
        self._check_classes(samples.classes)
        return samples

    def _check_classes(self, classes: Classes) -> None:
        if classes.multilabel and self.output_activation == "softmax":
            raise ValueError(
                "output_activation='softmax' chooses one class, but y is multilabel: "
                "expected output_activation='logistic'."
            )
        if self._continues():
            self._check_same_problem(classes)

    def _continues(self) -> bool:
        return self.warm_start and hasattr(self, "theta1_")

    def _check_same_problem(self, classes: Classes) -> None:
        for name, before, now in [
            ("kind of y", self.multilabel_, classes.multilabel),
            ("classes in y", self.classes_.tolist(), classes.values.tolist()),
            ("hidden_layer_size", self.theta1_.shape[0], self.hidden_layer_size),
            ("activation", self.hidden_activation_, self.activation),
            (
                "output_activation",
                self.out_activation_,
                self._output_activation(classes),
            ),
        ]:
            if before != now:
                raise ValueError(
                    f"warm_start=True continues with the same {name} only: "
                    f"previously {before!r}, now {now!r}."
                )

    def _validation(self, held_out: Data) -> Validation:
        architecture = self._architecture(held_out.classes)

        def score(params: np.ndarray) -> float:
            right, total_weight = held_out.sum(hit_sums, params, architecture)
            # Rounded, so that the order of the sums leaves no trace in which is best.
            return round(float(right / total_weight), 12)

        return Validation(score, self.n_iter_no_change)

    def _minimize(
        self,
        samples: Data,
        start: np.ndarray | None,
        tasks: FitTasks,
        interrupts: Interrupts,
        deadline: float,
        after_pass: Callable[[Run], None] | None,
    ) -> tuple[Run, Outcome]:
        rng = check_random_state(self.random_state)
        validation = None
        if self.early_stopping:
            fraction = float(self.validation_fraction)
            samples, held_out = samples.split(fraction, rng)
            validation = self._validation(held_out)
        with (
            interrupts.raised_after(math.inf),
            samples.on_threads(interrupts.undisturbed) as samples,
            # A pass may take long: whoever asks twice does not wait for its end.
            interrupts.raised_after(1),
        ):
            objective = Objective(
                samples, self._architecture(samples.classes), self.alpha
            )
            variables = conditioning_for(
                samples,
                kind=self.conditioning,
                penalty=objective.penalty,
                activation=self.activation,
                hidden_layer_size=int(self.hidden_layer_size),
            )
            if start is None:
                start = self._draw(samples, variables, rng)

            def at_end_of_pass(run: Run) -> None:
                if after_pass:
                    after_pass(run)
                if self.verbose:
                    print_progress(run)
                interrupts.deliver()

            run = Run(
                objective,
                start.astype(np.float64),
                variables=variables,
                max_iter=self.max_iter,
                tol=float(self.tol),
                deadline=deadline,
                validation=validation,
                around_pass=tasks.one_pass,
                after_pass=at_end_of_pass,
            )
            outcome = minimize(run, self.solver)
            try:
                interrupts.deliver()
            except KeyboardInterrupt:  # too late for a pass, but heard
                outcome = outcome._replace(stop_reason="interrupted")
            return run, outcome

    def _draw(
        self, samples: Data, variables: Conditioning, rng: np.random.RandomState
    ) -> np.ndarray:
        return drawn_weights(
            self._sizes(samples),
            rng,
            init_epsilon=self.init_epsilon,
            activation=self.activation,
            output_activation=self._output_activation(samples.classes),
            priors=samples.classes.priors(samples.counts),
            variables=variables,
        )

    def _sizes(self, samples: Data) -> tuple[int, int, int]:
        return (
            samples.template.shape[1],
            int(self.hidden_layer_size),
            samples.classes.n_outputs,
        )

    def _architecture(self, classes: Classes) -> Architecture:
        return Architecture(
            int(self.hidden_layer_size),
            self.activation,
            self._output_activation(classes),
        )

    def _output_activation(self, classes: Classes) -> str:
        # Two classes are one decision: their softmax is the sigmoid of the difference.
        return self.output_activation if classes.n_outputs > 1 else "logistic"

    def _keep_shape(self, classes: Classes) -> None:
        """Take the fitted attributes that are known before training."""
        self.__dict__.update(
            classes_=classes.values,
            multilabel_=classes.multilabel,
            hidden_activation_=self.activation,
            out_activation_=self._output_activation(classes),
            n_layers_=3,
            n_outputs_=classes.n_outputs,
        )

    def _ended_by(self, outcome: Outcome, max_iter: int) -> ThreeLayerNNClassifier:
        """Make a copy that is fitted as by a smaller budget."""
        ended = copy(self)
        ended.max_iter = max_iter
        W1 = self.theta1_[:, 1:]  # of the shape, dtype and home of a row of X
        ended.__dict__.update(self._weights_and_books(outcome, W1, Home.of(W1)))
        return ended

    def _weights_and_books(
        self, outcome: Outcome, like: Any, home: Home
    ) -> dict[str, Any]:
        """Make the other fitted attributes, with weights in the dtype of X, at home."""
        validated = outcome.best_score is not None
        theta1, theta2 = weights_beside(
            like, outcome.kept.params.copy(), self.hidden_layer_size, home
        )
        scores = [p.score for p in outcome.passes]
        return {
            "theta1_": theta1,
            "theta2_": theta2,
            "loss_": outcome.kept.cost,
            "loss_curve_": [p.cost for p in outcome.passes],
            "n_iter_": len(outcome.passes),
            "stop_reason_": outcome.stop_reason,
            "validation_scores_": scores if validated else None,
            "best_validation_score_": outcome.best_score,
        }

    # ------------------------------------------------------------- fitted weights

    def __getstate__(self) -> dict[str, Any]:
        # Callbacks watch a fit: with a fitted model they have nothing to do, and
        # may hold what cannot be sent or should not be kept.
        state: dict[str, Any] = super().__getstate__()
        if "theta1_" in state:
            return {k: v for k, v in state.items() if k not in _OF_CALLBACKS}
        return state

    def __sklearn_array_api_convert__(self, converter: Callable[[Any], Any]) -> Any:
        # For scikit-learn's `move_estimator_to`: the weights move, the classes stay.
        moved, weights = clone(self), {"theta1_", "theta2_"} & vars(self).keys()
        moved.__dict__.update(
            vars(self) | {name: converter(getattr(self, name)) for name in weights}
        )
        return moved

    @property
    def coefs_(self) -> list[np.ndarray]:
        """Weights without biases, in the shapes of MLPClassifier, as views."""
        return [self.theta1_[:, 1:].T, self.theta2_[:, 1:].T]

    @property
    def intercepts_(self) -> list[np.ndarray]:
        """Biases of both layers, as views."""
        return [self.theta1_[:, 0], self.theta2_[:, 0]]

    # ----------------------------------------------------------------- prediction

    def predict(self, X: Any) -> np.ndarray:
        """Predict the class, or the labels, of each sample.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_labels)
            The class of the largest output; for multilabel targets an indicator
            matrix of the labels with a probability over 1/2.
        """
        return self._outputs_of(X, self._labels, "predict")

    def decision_function(self, X: Any) -> np.ndarray:
        """Compute the outputs before their activation.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, `n_outputs_`)
            One value for two classes, positive for ``classes_[1]``; else one for
            each class, the largest being the predicted one, or for each label,
            positive where the label is predicted.
        """
        O = self._outputs_of(X, lambda O, _xp: O, "decision_function")
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
            Rows sum to 1 (sigmoids of more than two classes are divided by their
            sum); for multilabel targets each label has a probability of its own.
            Always positive.
        """
        return self._outputs_of(X, self._probabilities, "predict_proba")

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Estimate the logarithm of the probability of each class, or label.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            The logarithm of what `predict_proba` returns, and so finite.
        """
        return self._outputs_of(
            X, lambda O, xp: xp.log(self._probabilities(O, xp)), "predict_log_proba"
        )

    def _labels(self, O: Any, xp: Any) -> Any:
        n_classes = len(self.classes_)
        codes = decide(O, xp, n_classes=n_classes, multilabel=self.multilabel_)
        if self.multilabel_:
            return codes
        labels = self.classes_[to_host(codes)]
        # Strings are NumPy's alone.
        return labels if labels.dtype.kind in "OSU" else Home.of(codes).take_in(labels)

    def _probabilities(self, O: Any, xp: Any) -> Any:
        if len(self.classes_) == 1:
            return xp.ones_like(O)
        output = OUTPUTS[self.out_activation_]
        if self.multilabel_:
            P = output.activate(O, xp)
        elif self.n_outputs_ == 1:
            P = output.activate(xp.concat([-O, O]), xp)
        else:
            P = output.class_probabilities(O, xp)
        # Never quite 0, nor a label's quite 1: nothing is that certain.
        limits = xp.finfo(P.dtype)
        if self.multilabel_:
            overwrite(P, xp.minimum, P, constant(1 - limits.eps / 2, P, xp))
        overwrite(P, xp.maximum, P, constant(limits.smallest_normal, P, xp))
        return P

    def _outputs_of(
        self, X: Any, finish: Callable[[Any, Any], Any], method: str
    ) -> Any:
        if not hasattr(self, "theta1_"):
            check_is_fitted(self)  # which takes its time also where all is well
        check_same_namespace(X, self, attribute="theta1_", method=method)
        if Home.of(X).is_host and not isinstance(self.theta1_, np.ndarray):
            raise ValueError(
                f"{type(self).__name__} was fitted to arrays of "
                f"{type(self.theta1_).__module__} and predicts for such arrays only, "
                "with array_api_dispatch=True; see move_estimator_to in scikit-learn."
            )
        refuse_cut_files(X=X)
        with looked_through("X"):
            X = validate_data(
                self, X, reset=False, ensure_all_finite=False, **accepted(X)
            )
        return outputs_of(
            X,
            self.theta1_,
            self.theta2_,
            self.hidden_activation_,
            finish=finish,
            estimator_name=type(self).__name__,
        )
