"""Laws that hold for any data: hypothesis looks for some that breaks them."""

import pickle
import warnings
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from sknn3 import ThreeLayerNNClassifier
from sknn3.network import ACTIVATIONS, OUTPUTS, cost_gradient, forward, pack, unpack

LABELS = {
    "numbers": lambda codes: codes,
    "negative": lambda codes: -3 - 2 * codes,
    "floats": lambda codes: codes + 1.0,
    "strings": lambda codes: np.array(["no", "yes", "perhaps", "äö"])[codes],
    "objects": lambda codes: np.array(["b", "a", "", "c"], dtype=object)[codes],
    "truth": lambda codes: codes > 0,
    "several": lambda codes: np.column_stack([codes > 0, codes % 2 == 0]).astype(int),
}


@dataclass(frozen=True)
class Problem:
    """A data set and a network for it."""

    X: np.ndarray
    codes: np.ndarray
    weight: np.ndarray
    options: dict
    rng: np.random.RandomState

    @property
    def classifier(self):
        return ThreeLayerNNClassifier(**self.options, random_state=0)


@st.composite
def problems(draw, max_rows=30):
    """Small problems of any shape, whose numbers come from a seed."""
    rng = np.random.RandomState(draw(st.integers(0, 2**32 - 1)))
    n_classes = draw(st.integers(1, 4))
    n_rows = draw(st.integers(n_classes, max_rows))
    X = rng.standard_normal((n_rows, draw(st.integers(1, 6))))
    X *= 10.0 ** draw(st.integers(-3, 3))
    codes = rng.permutation(np.arange(n_rows) % n_classes)
    weight = rng.randint(0, 4, n_rows)
    weight[:n_classes] += 1
    options = {
        "hidden_layer_size": draw(st.integers(1, 5)),
        "activation": draw(st.sampled_from(sorted(ACTIVATIONS))),
        "output_activation": draw(st.sampled_from(sorted(OUTPUTS))),
        "alpha": draw(st.sampled_from([0.0, 1e-6, 0.1, 1.0, 30.0])),
    }
    return Problem(X, codes, weight, options, rng)


TRAINING = st.fixed_dictionaries(
    {
        "solver": st.sampled_from(["tnc", "lbfgs"]),
        "max_iter": st.integers(1, 12),
        "tol": st.sampled_from([0.0, 1e-4, 0.1]),
        "conditioning": st.sampled_from(["auto", "full", "diagonal", None]),
    }
)


def fitted(classifier, X, y, **options):
    """Fit, whether or not the passes suffice."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return classifier.fit(X, y, **options)


def assert_same_fit(first, second):
    assert_array_equal(first.theta1_, second.theta1_)
    assert_array_equal(first.theta2_, second.theta2_)
    assert first.loss_curve_ == second.loss_curve_
    assert first.stop_reason_ == second.stop_reason_


# ------------------------------------------------------------------ cost and gradient


@dataclass(frozen=True)
class Network:
    """A problem with weights, as `cost_gradient` takes them."""

    problem: Problem
    theta1: np.ndarray
    theta2: np.ndarray

    def __call__(self, theta1=None, theta2=None, **changes):
        """Cost, and gradients by both layers, with some arguments changed."""
        problem = self.problem
        options = {"sample_weight": problem.weight} | problem.options | changes
        X, Y = options.pop("X", problem.X), options.pop("Y", problem.codes)
        theta1 = self.theta1 if theta1 is None else theta1
        theta2 = self.theta2 if theta2 is None else theta2
        cost, gradient = cost_gradient(pack(theta1, theta2), X, Y, **options)
        return cost, *unpack(gradient, theta1.shape[1] - 1, theta1.shape[0])


@st.composite
def networks(draw):
    """Problems with weights that saturate no unit."""
    problem = draw(problems())
    n_classes = problem.codes.max() + 1
    n_outputs = n_classes if n_classes > 2 else 1
    if n_outputs == 1:  # as the estimator: two classes share one sigmoid
        problem.options["output_activation"] = "logistic"
    n_hidden = problem.options["hidden_layer_size"]
    theta1 = problem.rng.uniform(-1, 1, (n_hidden, problem.X.shape[1] + 1))
    theta1[:, 1:] /= np.abs(problem.X).max()
    return Network(
        problem, theta1, problem.rng.uniform(-1, 1, (n_outputs, n_hidden + 1))
    )


def assert_near(actual, expected, rtol=1e-11):
    """Compare all entries by the largest: sums in another order round otherwise."""
    for a, e in zip(actual, expected, strict=True):
        assert_allclose(a, e, rtol=0, atol=rtol * max(1.0, np.abs(e).max()))


@given(networks())
def test_the_gradient_is_that_of_central_differences(network):
    rng = network.problem.rng
    along1 = rng.uniform(-1, 1, network.theta1.shape)
    along1[:, 1:] /= np.abs(network.problem.X).max()
    along2 = rng.uniform(-1, 1, network.theta2.shape)
    step = 1e-5
    ends = [
        (network.theta1 + s * along1, network.theta2 + s * along2)
        for s in (-step, step)
    ]
    if network.problem.options["activation"] == "relu":  # no kink between
        X1 = np.column_stack([np.ones(len(network.problem.X)), network.problem.X])
        inputs = [X1 @ theta1.T for theta1, _ in ends]
        assume(((inputs[0] > 0) == (inputs[1] > 0)).all())
    low, high = (network(*end)[0] for end in ends)
    _, slope1, slope2 = network()
    slope = (slope1 * along1).sum() + (slope2 * along2).sum()
    # The third derivative along the line is in the thousands at most.
    assert_allclose((high - low) / (2 * step), slope, rtol=1e-6, atol=1e-6)


if find_spec("torch"):
    import torch
    from torch.nn import functional

    @given(networks())
    def test_cost_and_gradient_are_those_of_torch(network):
        problem, options = network.problem, network.problem.options
        theta1, theta2 = (
            torch.tensor(theta, requires_grad=True)
            for theta in (network.theta1, network.theta2)
        )
        activate = {
            "identity": lambda Z: Z,
            "logistic": torch.sigmoid,
            "tanh": torch.tanh,
            "relu": torch.relu,
        }[options["activation"]]
        A = activate(
            functional.linear(torch.tensor(problem.X), theta1[:, 1:], theta1[:, 0])
        )
        O = functional.linear(A, theta2[:, 1:], theta2[:, 0])
        codes = torch.tensor(problem.codes)
        if options["output_activation"] == "softmax":
            losses = functional.cross_entropy(O, codes, reduction="none")
        else:
            n_outputs = theta2.shape[0]
            Y = (
                functional.one_hot(codes, n_outputs)
                if n_outputs > 1
                else codes[:, None]
            )
            losses = functional.binary_cross_entropy_with_logits(
                O, Y.to(O.dtype), reduction="none"
            ).sum(dim=1)
        weight = torch.tensor(problem.weight, dtype=O.dtype)
        squares = (theta1[:, 1:] ** 2).sum() + (theta2[:, 1:] ** 2).sum()
        cost = ((weight * losses).sum() + options["alpha"] / 2 * squares) / weight.sum()
        cost.backward()
        expected = cost.item(), theta1.grad.numpy(), theta2.grad.numpy()
        assert_near(network(), expected)


@given(networks())
def test_costs_of_parts_add_up(network):
    X, codes = network.problem.X, network.problem.codes
    weight = 1.0 + network.problem.weight
    n = network.problem.rng.randint(len(X) + 1)
    sums = [
        [
            part.sum() * value
            for value in network(X=X_, Y=Y_, sample_weight=part, alpha=0)
        ]
        for X_, Y_, part in [
            (X[:n], codes[:n], weight[:n]),
            (X[n:], codes[n:], weight[n:]),
        ]
        if len(part)
    ]
    expected = [sum(parts) / weight.sum() for parts in zip(*sums, strict=True)]
    assert_near(network(sample_weight=weight, alpha=0), expected)


@given(networks(), st.floats(1e-3, 1e3))
def test_weights_and_alpha_times_a_constant_change_nothing(network, c):
    scaled = network(
        sample_weight=c * network.problem.weight,
        alpha=c * network.problem.options["alpha"],
    )
    assert_near(scaled, network())


@given(networks())
def test_repeated_rows_are_integer_weights(network):
    rows = np.repeat(np.arange(len(network.problem.X)), network.problem.weight)
    repeated = network(
        X=network.problem.X[rows], Y=network.problem.codes[rows], sample_weight=None
    )
    assert_near(network(), repeated)


@given(networks())
def test_rows_have_no_order(network):
    problem = network.problem
    rows = problem.rng.permutation(len(problem.X))
    permuted = network(
        X=problem.X[rows], Y=problem.codes[rows], sample_weight=problem.weight[rows]
    )
    assert_near(permuted, network())


@given(networks())
def test_hidden_units_have_no_order(network):
    units = network.problem.rng.permutation(len(network.theta1))
    columns = np.append(0, 1 + units)
    cost, slope1, slope2 = network()
    permuted = network(network.theta1[units], network.theta2[:, columns])
    assert_near(permuted, (cost, slope1[units], slope2[:, columns]))


@given(networks())
def test_classes_have_no_order(network):
    cost, slope1, slope2 = network()
    if len(slope2) == 1:  # the other class is what the output denies
        swapped = network(theta2=-network.theta2, Y=1 - network.problem.codes)
        assert_near(swapped, (cost, slope1, -slope2))
        return
    classes = network.problem.rng.permutation(len(slope2))
    permuted = network(
        theta2=network.theta2[classes], Y=np.argsort(classes)[network.problem.codes]
    )
    assert_near(permuted, (cost, slope1, slope2[classes]))


@given(networks())
def test_float32_is_near_float64(network):
    X = network.problem.X.astype(np.float32)
    if network.problem.options["activation"] == "relu":  # none on either side of a kink
        X1 = np.column_stack([np.ones(len(X)), X])
        assume((np.abs(X1 @ network.theta1.T) > 1e-5).all())
    # Outputs are up to about 40, to half an epsilon each way, and slopes as X.
    rtol = 200 * np.finfo(np.float32).eps
    assert_near(network(X=X), network(X=X.astype(np.float64)), rtol=rtol)


# --------------------------------------------------------------------- the estimator


def with_explicit_zeros(X):
    n_rows, n_features = X.shape
    indices = np.tile(np.arange(n_features, dtype=np.int64), n_rows)
    indptr = np.arange(0, X.size + 1, n_features, dtype=np.int64)
    result = sp.csr_array(X.shape)
    result.data, result.indices, result.indptr = X.ravel().copy(), indices, indptr
    return result


CONTAINERS = {
    "Fortran-ordered": np.asfortranarray,
    "strided": lambda X: np.repeat(np.repeat(X, 2, axis=0), 3, axis=1)[::2, ::3],
    "backwards": lambda X: X[::-1, ::-1].copy()[::-1, ::-1],
    "read-only": lambda X: np.frombuffer(X.tobytes(), X.dtype).reshape(X.shape),
    "big-endian": lambda X: X.astype(">f8"),
    "a list": lambda X: X.tolist(),
    "a frame": lambda X: pd.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])]),
    "CSR": sp.csr_array,
    "CSC": sp.csc_matrix,
    "COO": sp.coo_array,
    "int64 indices and explicit zeros": with_explicit_zeros,
}


@given(problems(), st.sampled_from(sorted(CONTAINERS)), st.data())
def test_how_the_data_is_held_makes_no_difference(problem, container, data):
    X = problem.X.copy()
    X[problem.rng.uniform(size=X.shape) < 0.3] = 0
    held = CONTAINERS[container](X)
    y = LABELS["strings"](problem.codes)
    # One pass, lest the path magnify what another order of sums rounds otherwise.
    classifier = clone(problem.classifier).set_params(
        conditioning=data.draw(st.sampled_from(["full", "diagonal", None])), max_iter=1
    )
    plain = fitted(clone(classifier), X, y, sample_weight=problem.weight)
    other = fitted(clone(classifier), held, y, sample_weight=problem.weight)
    assert_allclose(other.loss_, plain.loss_, rtol=1e-6)
    assert_allclose(plain.predict_proba(X), other.predict_proba(held), atol=1e-6)
    if container != "a frame":  # which has names that an array has not
        assert_allclose(plain.predict_proba(held), plain.predict_proba(X), rtol=1e-9)


@given(problems(), st.sampled_from(sorted(LABELS)), TRAINING)
def test_what_a_fit_promises(problem, labels, training):
    y = LABELS[labels](problem.codes)
    classifier = problem.classifier.set_params(**training)
    if labels == "several":
        classifier.set_params(output_activation="logistic")
    clf = fitted(classifier, problem.X, y, sample_weight=problem.weight)

    # Numbers are finite, and training does no harm.
    for theta in (clf.theta1_, clf.theta2_):
        assert np.isfinite(theta).all()
    assert len(clf.loss_curve_) == clf.n_iter_ <= training["max_iter"]
    assert clf.loss_ == min(clf.loss_curve_) == clf.loss_curve_[-1]
    assert (np.diff(clf.loss_curve_) <= 0).all()

    # Predictions agree with each other.
    P, D = clf.predict_proba(problem.X), clf.decision_function(problem.X)
    predicted = clf.predict(problem.X)
    assert ((P >= 0) & (P <= 1)).all()
    assert_allclose(np.exp(clf.predict_log_proba(problem.X)), P, rtol=1e-12)
    if labels == "several":
        assert_array_equal(predicted, D > 0)
        assert_array_equal(predicted, P > 0.5)
    else:
        assert_allclose(P.sum(axis=1), 1, rtol=1e-14)
        assert_array_equal(clf.classes_, np.unique(y[problem.weight > 0]))
        assert_array_equal(P.max(axis=1), P[clf.classes_ == predicted[:, None]])
        codes = D.argmax(axis=1) if D.ndim == 2 else (D > 0).astype(int)
        if len(clf.classes_) > 1:
            assert_array_equal(clf.classes_[codes], predicted)

    # It can be repeated, copied and stored.
    again = fitted(clone(clf), problem.X, y, sample_weight=problem.weight)
    assert again.get_params() == clf.get_params()
    assert_same_fit(again, clf)
    restored = pickle.loads(pickle.dumps(clf))
    assert restored.get_params() == clf.get_params()
    assert_array_equal(restored.predict_proba(problem.X), P)


@given(problems(), TRAINING, st.integers(1281, 4000))
def test_threads_leave_no_trace(problem, training, n_rows):
    rows = np.arange(n_rows) % len(problem.X)
    X = problem.X[rows] + problem.rng.standard_normal((n_rows, 1))
    classifier = problem.classifier.set_params(**training)
    fits = []
    for n_threads in (1, 2, 3):
        with threadpool_limits(n_threads, user_api="blas"):
            fits.append(fitted(clone(classifier), X, problem.codes[rows]))
    assert_same_fit(fits[1], fits[0])
    assert_same_fit(fits[2], fits[0])


# -------------------------------------------------------------------- what is refused

NO_COUNTS = (
    st.integers(max_value=0) | st.floats() | st.booleans() | st.text() | st.none()
)
NAMES = {
    "activation": set(ACTIVATIONS),
    "output_activation": set(OUTPUTS),
    "solver": {"tnc", "lbfgs"},
    "conditioning": {"auto", "full", "diagonal"},
}
BELOW_ZERO = st.floats(max_value=0, exclude_max=True) | st.just(np.nan) | st.text()
NOT_ABOVE_ZERO = st.floats(max_value=0) | st.just(np.nan) | st.text()
REFUSED = {
    "hidden_layer_size": NO_COUNTS,
    "max_iter": NO_COUNTS,
    "n_iter_no_change": NO_COUNTS,
    "alpha": BELOW_ZERO | st.none(),
    "tol": BELOW_ZERO | st.none(),
    "max_time": NOT_ABOVE_ZERO,
    "init_epsilon": NOT_ABOVE_ZERO,
    "validation_fraction": NOT_ABOVE_ZERO | st.floats(min_value=1) | st.none(),
    "early_stopping": st.text() | st.none() | st.floats(),
    "warm_start": st.text() | st.none() | st.floats(),
    "class_weight": st.text() | st.floats(),
    "random_state": st.text() | st.integers(max_value=-1),
}


@given(st.data())
def test_parameters_outside_their_range_are_refused_by_name(data):
    name = data.draw(st.sampled_from(sorted(REFUSED | NAMES)))
    if name in NAMES:
        value = data.draw(st.text().filter(lambda v: v not in NAMES[name]))
    else:
        value = data.draw(REFUSED[name])
    assume(not (name == "class_weight" and value == "balanced"))
    clf = ThreeLayerNNClassifier(**{name: value})
    with pytest.raises((ValueError, TypeError), match=name):
        clf.fit([[0.0], [1.0]], [0, 1])
    assert not hasattr(clf, "classes_")


@given(problems(), st.sampled_from([np.nan, np.inf, -np.inf]), st.data())
def test_numbers_that_are_none_are_refused(problem, value, data):
    where = data.draw(st.sampled_from(["X", "y", "sample_weight"]))
    X, y = problem.X.copy(), problem.codes.astype(float)
    weight = problem.weight.astype(float)
    array = {"X": X, "y": y, "sample_weight": weight}[where]
    array.ravel()[problem.rng.randint(array.size)] = value
    classifier = problem.classifier
    with pytest.raises(ValueError, match=f"[Ii]nput {where} contains|{where} contains"):
        classifier.fit(X, y, sample_weight=weight)
    assert not hasattr(classifier, "classes_")
    if where == "X":
        clf = fitted(
            problem.classifier.set_params(max_iter=1), problem.X, problem.codes
        )
        with pytest.raises(ValueError, match="Input X contains"):
            clf.predict(X)


@given(problems())
def test_lengths_that_do_not_fit_are_refused(problem):
    X, y, weight = problem.X, problem.codes, problem.weight
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        problem.classifier.fit(X, np.append(y, 0))
    with pytest.raises(ValueError, match="sample_weight"):
        problem.classifier.fit(X, y, sample_weight=np.append(weight, 1))
    clf = fitted(problem.classifier.set_params(max_iter=1), X, y)
    with pytest.raises(ValueError, match=f"expecting {X.shape[1]} features"):
        clf.predict(np.column_stack([X, X]))


@given(networks())
def test_forward_is_what_the_estimator_predicts(network):
    problem = network.problem
    clf = fitted(problem.classifier.set_params(max_iter=2), problem.X, problem.codes)
    _, outputs = forward(
        problem.X,
        clf.theta1_,
        clf.theta2_,
        activation=clf.hidden_activation_,
        output_activation=clf.out_activation_,
    )
    if clf.n_outputs_ > 1:
        expected = outputs / outputs.sum(axis=1, keepdims=True)
        assert_allclose(clf.predict_proba(problem.X), expected, rtol=1e-9, atol=1e-15)
    elif len(clf.classes_) == 2:
        positive = clf.predict_proba(problem.X)[:, 1]
        assert_allclose(positive, outputs[:, 0], rtol=1e-9, atol=1e-15)
