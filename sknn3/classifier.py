"""The estimator: a network with one hidden layer, trained on all the data at once."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Sequence
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import get_scorer_names
from sklearn.utils import check_random_state
from sklearn.utils.validation import validate_data

from sknn3._array_api import float_dtypes, namespace_of, to_numpy
from sknn3._conditioning import (
    draw_initial_weights,
    layer_sizes,
    make_preconditioner,
    pack_initial_weights,
)
from sknn3._dataset import Dataset, check_sample_weight, without_empty_columns
from sknn3._features import as_numbers
from sknn3._fitted import fitted_attributes, make_validation, restore_on_error
from sknn3._kernel import (
    ACTIVATIONS,
    OUTPUTS,
    Network,
    narrow_weights,
    pack_weights,
)
from sknn3._labels import LabelEncoding, as_labels
from sknn3._minimize import (
    CONSTANT_GAIN,
    CONSTANT_MESSAGE,
    CONVERGENCE_MESSAGES,
    SOLVERS,
    Minimizer,
    MinimizeResult,
    Objective,
)
from sknn3._prediction import NetworkPredictionMixin
from sknn3._progress import Callbacks, print_pass, print_result
from sknn3._sklearn_compat import (
    CallbackSupportMixin,
    Interval,
    StrOptions,
    fit_context,
    with_callbacks,
)


class ThreeLayerNNClassifier(
    NetworkPredictionMixin, CallbackSupportMixin, BaseEstimator
):
    r"""Neural network with one hidden layer, trained on the whole data set.

    Vectorised backpropagation computes the cost and its gradient over all samples, and
    SciPy's truncated Newton (TNC) or L-BFGS minimises the cost.  There is no learning
    rate and there are no batches.  The same `random_state` gives the same fit.

    With sample weights :math:`s_i` and their sum :math:`S`, the cost is

    .. math::

        J = \frac{1}{S} \sum_i s_i \, \mathrm{loss}(o_i, y_i)
            + \frac{\alpha}{2 S} \left(\|W_1\|^2 + \|W_2\|^2\right)

    of the outputs :math:`o_i = W_2 \, g(W_1 x_i + b_1) + b_2`.

    Parameters
    ----------
    hidden_layer_size : int, default=50
        Number of hidden units.
    activation : str, default='logistic'
        Activation g of the hidden units: 'identity', 'logistic', 'tanh' or 'relu'.
    output_activation : {'logistic', 'softmax'}, default='logistic'
        For more than two classes, 'logistic' is one sigmoid for each class, with the
        sum of the binary cross-entropies.  'softmax' is one softmax over all classes,
        with the multinomial cross-entropy of `MLPClassifier`.  Two classes share one
        sigmoid in both cases.  Multilabel targets need 'logistic'.
    alpha : float or 'auto', default='auto'
        Strength of the L2 penalty on the weights; biases are not penalised.  It has the
        scale of alpha in `MLPClassifier` and of lambda in many courses.  'auto' chooses
        alpha after 20 passes of L-BFGS with an alpha of 1 (d/10 for d < 10 features).
        If r is the loss at that point divided by the loss of constant outputs, alpha is
        min(sqrt(d)/2, d/6) * min(r + d/(2 S), 1), which is larger for noisy data.  For
        features with variances below 1/12, d is 12 times the sum of the variances.
        With `warm_start`, 'auto' keeps the previous alpha.  :doc:`/user_guide/penalty`
        explains the rule and its limits.
    solver : {'tnc', 'lbfgs'}, default='tnc'
        SciPy's truncated Newton, or its limited-memory BFGS.
    max_iter : int, default=300
        Largest number of passes, which are evaluations of cost and gradient over the
        training data, for either solver.  With `warm_start`, `fit` does more passes if
        the cost is not yet below the cost of the previous weights.
    max_time : float, default=None
        If given, training ends with the first pass that ends after this many seconds.
        Such a fit is not reproducible.
    tol : float, default=5e-4
        Training has converged when no component of the gradient is larger than this.
        With conditioning, components by the weights of a feature with a standard
        deviation below about 1 are divided by this deviation.  If classes have unequal
        shares p, components by the weights of an output are divided by p (1 - p),
        relative to equal shares.  Here p is the share of the samples or of the weights,
        and the larger p (1 - p) counts.
    conditioning : {'auto', 'full', 'diagonal'} or None, default='auto'
        Change of variables for the solver.  It changes the path, not the minimum.
        'full' whitens the features and 'diagonal' scales them.  Both centre features
        and hidden activations.  None changes nothing.  'auto' is 'full' for dense data
        of up to 1024 features, else 'diagonal'.
    init_epsilon : float, default=None
        If given, all initial weights are uniform in (-init_epsilon, init_epsilon).  If
        None, hidden weights are uniform and give the inputs of the hidden units a
        standard deviation of about 0.8 + 1.5 / sqrt(d) for d independent features.
        Output weights are Glorot-uniform.  Hidden biases are uniform in (-1, 1) for
        'logistic', in (-0.5, 0.5) for 'tanh', and 0 for the others.  Output biases are
        the log-odds of the class frequencies.  With conditioning, the biases refer to
        the mean sample and activation, and the hidden weights to standardised features.
        If alpha/S is larger than 5e-4, the first 10 passes use L-BFGS with an alpha/S
        of 5e-4: a strong penalty from the start leads to constant outputs more often.
    class_weight : dict, list of dict or 'balanced', default=None
        Weights of the classes, as ``{class: weight}``, which multiply `sample_weight`.
        Classes that the dict lacks have weight 1.  Classes that y lacks are ignored.
        'balanced' gives all classes the same total weight.  For multilabel targets, a
        list with one dict for each label.
    early_stopping : bool, default=False
        Whether to hold out part of the samples, to stop when the loss of the held-out
        samples no longer falls, and to keep the weights with the lowest such loss.  If
        `fit` gets `X_val`, it uses these samples and holds out none.
    validation_fraction : float, default=0.1
        Share of the samples that early stopping holds out, stratified by class unless
        targets are multilabel.
    scoring : str or callable, default='loss'
        Score for early stopping: 'loss', the name of a scikit-learn scorer, or a
        callable ``scorer(estimator, X, y)``.  A scorer that takes sample weights gets
        the weights of the loss.
    n_iter_no_change : int, default=10
        Early stopping ends training after this many steps of the solver in a row
        without a better validation score.  A step has one or more passes.
    warm_start : bool, default=False
        Whether `fit` continues from the weights of the previous call.  The features,
        the classes and the size and activations of the network must be the same.
    random_state : int, RandomState instance or None, default=None
        Source of random initial weights and samples to hold out.  Pass an int for
        reproducible results.
    verbose : bool, default=False
        Whether to print the progress at passes 1, 2, 5, 10, 20, 50 and so on.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels; for multilabel targets the numbers of the columns.
    alpha_ : float
        The `alpha` of the fitted network and of `loss_`.
    theta1_ : ndarray of shape (hidden_layer_size, `n_features_in_` + 1)
        Weights of the hidden layer, bias in column 0.
    theta2_ : ndarray of shape (`n_outputs_`, hidden_layer_size + 1)
        Weights of the output layer, bias in column 0.
    coefs_ : list of 2 ndarrays
        The weights without biases, in the shapes of `MLPClassifier`, (`n_features_in_`,
        hidden_layer_size) and (hidden_layer_size, `n_outputs_`): views of `theta1_` and
        `theta2_`.
    intercepts_ : list of 2 ndarrays
        The biases, (hidden_layer_size,) and (`n_outputs_`,), as views.
    loss_ : float
        Cost J at the fitted weights.
    loss_curve_ : list of float
        Lowest cost so far, one entry for each pass.  With ``alpha='auto'``, the first
        20 entries are costs with the alpha of these passes.
    validation_loss_curve_ : list of float or None
        Mean loss of the validation samples after each pass: at the lowest cost so far
        or, with early stopping, at the last step of the solver.  Samples are weighted
        as in the cost, and there is no penalty.  Infinite if the loss overflows.
    validation_scores_ : list of float or None
        With early stopping, the score of the validation samples at the last step of the
        solver; higher is better.  With ``scoring='loss'``, minus
        `validation_loss_curve_`.
    best_validation_score_ : float or None
        With early stopping, the validation score of the fitted weights: the highest
        score or, with ``alpha='auto'``, the highest since the choice of alpha.
    n_iter_ : int
        Number of passes.
    stop_reason_ : str
        Why training ended: 'converged', 'max_iter', 'max_time', 'early_stopping',
        'callback', 'stalled' (no lower cost can be found in this precision) or
        'interrupted'.
    hidden_activation_ : str
        Activation of the hidden units.
    multilabel_ : bool
        Whether the targets are multilabel, so a sample may have several labels or none.
    n_layers_ : int
        3: input, hidden and output layer.
    n_outputs_ : int
        Number of output units: 1 for up to two classes, else one for each class.
    out_activation_ : str
        Activation of the outputs: 'logistic' or 'softmax'.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if all names are strings.

    See Also
    --------
    sklearn.neural_network.MLPClassifier : Any number of layers, trained by
        stochastic gradient descent, Adam or L-BFGS.
    sknn3.network.cost_gradient : The cost function itself.

    Notes
    -----
    Samples of weight zero are dropped before training.  Their classes stay in
    `classes_`.

    The penalty is relative to the sum of the sample weights, so that a weight of 2
    counts as two samples.  Weights with a mean below 1 are scaled to a mean of 1; for
    example, the weights of `AdaBoostClassifier` sum to 1.

    With both `warm_start` and `early_stopping`, pass an int as `random_state`.
    Otherwise each call of `fit` holds out different samples.

    With float32 data, matrix products and fitted weights are in float32.  The minimiser
    works in float64.

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
    >>> clf = ThreeLayerNNClassifier(random_state=0).fit(X_train, y_train)
    >>> clf.stop_reason_
    'converged'
    >>> round(clf.score(X_test, y_test), 2)
    0.95
    >>> round(clf.alpha_, 2)
    0.76

    Stop when the loss of validation samples no longer falls:

    >>> clf = ThreeLayerNNClassifier(early_stopping=True, random_state=0)
    >>> clf = clf.fit(X_train, y_train, X_val=X_test, y_val=y_test)
    >>> round(min(clf.validation_loss_curve_), 2)
    0.36
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "hidden_layer_size": [Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "output_activation": [StrOptions(set(OUTPUTS))],
        "alpha": [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})],
        "solver": [StrOptions(set(SOLVERS))],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "max_time": [Interval(Real, 0, None, closed="neither"), None],
        "tol": [Interval(Real, 0, None, closed="left")],
        "conditioning": [StrOptions({"auto", "full", "diagonal"}), None],
        "init_epsilon": [Interval(Real, 0, None, closed="neither"), None],
        "class_weight": [dict, list, StrOptions({"balanced"}), None],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "scoring": [StrOptions({"loss", *get_scorer_names()}), callable],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    # Stop reasons that need no warning.
    _expected_stops: tuple[str, ...] = ()

    def __init__(
        self,
        hidden_layer_size: int = 50,
        *,
        activation: str = "logistic",
        output_activation: str = "logistic",
        alpha: float | str = "auto",
        solver: str = "tnc",
        max_iter: int = 300,
        max_time: float | None = None,
        tol: float = 5e-4,
        conditioning: str | None = "auto",
        init_epsilon: float | None = None,
        class_weight: Any = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        scoring: Any = "loss",
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
        self.scoring = scoring
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

    @fit_context(prefer_skip_nested_validation=True)
    @with_callbacks
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
    ) -> ThreeLayerNNClassifier:
        """Train the network.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples.  C- or Fortran-ordered float64 and float32 arrays and CSR matrices
            are not copied.  The training rows are copied if some samples have weight
            zero, and for early stopping.  Rows of a memory map are read in each pass
            instead, so the file may be larger than the memory.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Classes, numbers or strings, or an indicator matrix of 0 and 1 for
            multilabel targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples, not negative; None weighs all equally.
        coefs_init : list of 2 array-likes, default=None
            Initial weights in the shapes of `coefs_`, for example from another network
            or an `MLPClassifier`.  They replace the initial weights of `warm_start` and
            `init_epsilon`.
        intercepts_init : list of 2 array-likes, default=None
            Initial biases in the shapes of `intercepts_`; given with `coefs_init`.
        X_val : {array-like, sparse matrix} of shape (n_val, n_features), default=None
            Validation samples for `validation_loss_curve_` and for early stopping.  The
            network is not trained on them.  In a pipeline,
            ``Pipeline(..., transform_input=["X_val"])`` transforms them like X.
        y_val : array-like of shape (n_val,) or (n_val, n_labels), default=None
            Classes or labels of the samples in X_val.  Each class must also be in y.
        sample_weight_val : array-like of shape (n_val,), default=None
            Weights of the samples in X_val, not negative; None weighs all equally.

        Returns
        -------
        ThreeLayerNNClassifier
            The fitted estimator itself.

        Raises
        ------
        TypeError
            If X has columns of dates, durations or other objects that are not numbers.
        ValueError
            If the data does not fit this description or, with `warm_start`, does not
            fit the previous call.  The estimator keeps its previous state.

        Warns
        -----
        ConvergenceWarning
            If training ended before it converged, or if the network is no better than
            constant outputs.  The usual reason is that `alpha` is too large.
        UserWarning
            If Ctrl-C ended training after the first pass, or if `class_weight` names
            none of the classes.
        """
        deadline = time.perf_counter() + float(self.max_time or math.inf)
        # Trial points of a line search may overflow.
        with restore_on_error(self), np.errstate(all="ignore"):
            data = self._validate(X, y, sample_weight)
            rows = self._validate_val(data, X_val, y_val, sample_weight_val)
            network = self._network(data.labels)
            given = self._given_weights(data, network, coefs_init, intercepts_init)
            start = "previous" if coefs_init is None else "given"
            if given is None:
                start = "random"
            alpha = self._initial_alpha(start)
            used = None
            if alpha or given is None:  # else weights of empty columns stay as given
                data, used = without_empty_columns(data)
            params = narrow_weights(given, used, network.hidden_layer_size)
            make_attributes = partial(fitted_attributes, data, network, used)
            callbacks = Callbacks(self, X, y, sample_weight, make_attributes)
            callbacks.begin_fit()
            rng = check_random_state(self.random_state)
            train = data
            if self.early_stopping and rows is None:
                train, rows = data.holdout_split(float(self.validation_fraction), rng)
            with train.with_threads() as train:
                objective = Objective(train, network, alpha)
                preconditioner = make_preconditioner(
                    train,
                    network,
                    conditioning=self.conditioning,
                    penalty=objective.penalty,
                )
                if params is None:
                    params = draw_initial_weights(
                        train, network, preconditioner, rng, self.init_epsilon
                    )
                validation = make_validation(self, train, rows, network, used)
                minimizer = Minimizer(
                    objective,
                    preconditioner,
                    solver=self.solver,
                    max_iter=self.max_iter,
                    tol=float(self.tol),
                    start=start,
                    relax=start == "random" and self.init_epsilon is None,
                    auto_alpha=self.alpha == "auto" and start != "previous",
                    deadline=deadline,
                    validation=validation,
                    before_pass=callbacks.begin_pass,
                    after_pass=partial(self._end_pass, callbacks),
                )
                result = minimizer.run(params)
            self.__dict__.update(make_attributes(result))
            callbacks.end_fit()
        if self.verbose:
            print_result(result)
        self._warn(result, objective)
        return self

    def _validate(self, X: Any, y: Any, sample_weight: Any) -> Dataset:
        """Return the validated samples with their labels and weights."""
        dtype, reset = float_dtypes(*namespace_of(X)), not self._continues()
        arrays = self._check_arrays(X, y, sample_weight, reset=reset, dtype=dtype)
        dataset = Dataset.from_arrays(*arrays, self.class_weight)
        self._check_labels(dataset.labels)
        return dataset

    def _validate_val(
        self, data: Dataset, X: Any, y: Any, sample_weight: Any
    ) -> Dataset | None:
        """Return the validated validation samples; errors name the parameters."""
        if X is y is sample_weight is None:
            return None
        for name, values, other in (("X_val", X, "y_val"), ("y_val", y, "X_val")):
            if values is None:
                given = other if sample_weight is None else "sample_weight_val"
                raise ValueError(f"{given} is provided, but {name} was not provided.")
        try:
            return self._validation_rows(data, X, y, sample_weight)
        except (TypeError, ValueError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            weights = "" if sample_weight is None else ", sample_weight_val"
            raise kind(f"Validation data (X_val, y_val{weights}): {error}") from error

    def _validation_rows(
        self, data: Dataset, X: Any, y: Any, sample_weight: Any
    ) -> Dataset:
        """Return the validated validation samples in the dtype of the training data."""
        if namespace_of(X) != namespace_of(data.X_like):
            raise ValueError("X has another namespace or device than the training X.")
        arrays = self._check_arrays(
            X, y, sample_weight, reset=False, dtype=data.X_like.dtype
        )
        return Dataset.for_validation(data, *arrays)

    def _check_arrays(
        self, X: Any, y: Any, sample_weight: Any, *, reset: bool, dtype: Any
    ) -> tuple[Any, Any, np.ndarray | None]:
        """Return validated samples, labels and weights."""
        X, y = validate_data(
            self,
            as_numbers(X) if reset else as_numbers(X, encode=""),
            as_labels(to_numpy(y)),
            multi_output=True,
            reset=reset,
            accept_sparse="csr",
            dtype=dtype,
        )
        if sample_weight is not None:
            sample_weight = check_sample_weight(sample_weight, X.shape[0])
        return X, y, sample_weight

    def _check_labels(self, labels: LabelEncoding) -> None:
        if labels.multilabel and self.output_activation == "softmax":
            raise ValueError(
                "output_activation='softmax' chooses one class, but y is multilabel: "
                "expected output_activation='logistic', or one column of classes, "
                "which is y.argmax(axis=1) for a one-hot y."
            )
        if not self._continues():
            return
        network = self._network(labels)
        before_and_now = {
            "multilabel_": (self.multilabel_, labels.multilabel),
            "classes in y": (self.classes_.tolist(), labels.classes.tolist()),
            "hidden_layer_size": (self.theta1_.shape[0], self.hidden_layer_size),
            "activation": (self.hidden_activation_, self.activation),
            "output_activation": (self.out_activation_, network.output_activation),
        }
        for name, (before, now) in before_and_now.items():
            if before != now:
                raise ValueError(
                    f"warm_start=True continues with the same {name} only: "
                    f"previously {before!r}, now {now!r}."
                )

    def _continues(self) -> bool:
        return self.warm_start and hasattr(self, "theta1_")

    def _network(self, labels: LabelEncoding) -> Network:
        # The softmax of two classes is the sigmoid of one difference.
        output = self.output_activation if labels.n_outputs > 1 else "logistic"
        return Network(int(self.hidden_layer_size), self.activation, output)

    def _initial_alpha(self, start: str) -> float:
        """Return alpha; 'auto' is the previous alpha, or 1 for the conditioning."""
        if self.alpha != "auto":
            return float(self.alpha)
        return self.alpha_ if start == "previous" else 1.0

    def _given_weights(
        self, dataset: Dataset, network: Network, coefs_init: Any, intercepts_init: Any
    ) -> np.ndarray | None:
        """Return the given initial weights, packed, or None if there are none."""
        if coefs_init is not None or intercepts_init is not None:
            sizes = layer_sizes(dataset, network)
            return pack_initial_weights(sizes, coefs_init, intercepts_init)
        if self._continues():
            params = pack_weights(to_numpy(self.theta1_), to_numpy(self.theta2_))
            return params.astype(np.float64)
        return None

    def _end_pass(self, callbacks: Callbacks, minimizer: Minimizer) -> bool:
        """Report a pass, and return whether a callback ends the fit."""
        if self.verbose:
            print_pass(minimizer)
        return callbacks.end_pass(minimizer)

    def _warn(
        self, result: MinimizeResult, objective: Objective, stacklevel: int = 5
    ) -> None:
        """Warn of class weights without effect, an early end or constant outputs."""
        labels = objective.dataset.labels
        labels.warn_of_unnamed_classes(self.class_weight, stacklevel)
        message = CONVERGENCE_MESSAGES[result.stop_reason]
        if message is not None and result.stop_reason not in self._expected_stops:
            interrupted = result.stop_reason == "interrupted"
            warnings.warn(
                message.format(
                    max_iter=self.max_iter,
                    max_time=self.max_time,
                    n_iter=len(result.evaluations),
                    max_gradient=result.max_gradient,
                    tol=float(self.tol),
                ),
                UserWarning if interrupted else ConvergenceWarning,
                stacklevel=stacklevel,  # by default the caller of `fit`
            )
        gain = objective.gain(result.best)
        # Before training, random weights are worse than constant outputs.
        is_trained = result.stop_reason in ("converged", "early_stopping")
        if gain < CONSTANT_GAIN and (is_trained or gain > -CONSTANT_GAIN):
            warnings.warn(
                CONSTANT_MESSAGE.format(
                    alpha=f"{result.alpha:g}",
                    sum_of_weights=objective.sum_of_weights,
                    tol=float(self.tol),
                ),
                ConvergenceWarning,
                stacklevel=stacklevel,
            )
