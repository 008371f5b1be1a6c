"""Invalid input raises an error that names the input, and changes nothing."""

import pickle
import warnings
from functools import cache

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from sknn3 import ThreeLayerNNClassifier, ThreeLayerNNClassifierCV
from sknn3.network import ACTIVATIONS, OUTPUTS, forward, pack, unpack
from strategies import fitted, networks, one_in, problems

WORDS = st.text("ablnorty _é", max_size=8)
NO_COUNTS = st.integers(max_value=0) | st.floats() | WORDS | st.none()
BELOW_ZERO = st.floats(max_value=0, exclude_max=True) | st.just(np.nan) | WORDS
NOT_ABOVE_ZERO = st.floats(max_value=0) | st.just(np.nan) | WORDS
INVALID_PARAMETERS = {
    "hidden_layer_size": NO_COUNTS,
    "max_iter": NO_COUNTS,
    "n_iter_no_change": NO_COUNTS,
    "alpha": BELOW_ZERO | st.none() | st.just(np.inf),
    "tol": BELOW_ZERO | st.none(),
    "max_time": NOT_ABOVE_ZERO,
    "init_epsilon": NOT_ABOVE_ZERO | st.just(np.inf),
    "validation_fraction": NOT_ABOVE_ZERO | st.floats(min_value=1) | st.none(),
    "early_stopping": WORDS | st.none() | st.floats(),
    "warm_start": WORDS | st.none() | st.floats(),
    "class_weight": WORDS
    | st.floats()
    | st.sampled_from([{0: -1}, {0: np.nan}, {0: np.inf}, {0: 0, 1: 0}, {0: ""}, [{}]]),
    "random_state": WORDS | st.integers(max_value=-1),
    "activation": WORDS.filter(lambda v: v not in ACTIVATIONS),
    "output_activation": WORDS.filter(lambda v: v not in OUTPUTS),
    "solver": WORDS | st.none(),
    "conditioning": WORDS,
    "verbose": WORDS | st.none() | st.integers(max_value=-1),
}
INVALID_SEARCH_PARAMETERS = {
    **{
        n: INVALID_PARAMETERS[n]
        for n in INVALID_PARAMETERS.keys() - {"alpha", "max_iter", "warm_start"}
    },
    "alphas": st.lists(BELOW_ZERO | st.none()) | st.floats() | st.none(),
    "max_iters": st.lists(NO_COUNTS) | st.integers() | st.none(),
    "cv": st.integers(max_value=1) | st.floats() | WORDS,
    "scoring": WORDS | st.floats(),
    "n_jobs": WORDS | st.floats() | st.just(0),
}
DATA = np.arange(6.0)[:, np.newaxis], np.arange(6) % 2
SEARCH = {"alphas": [1.0], "max_iters": [1], "cv": 2, "hidden_layer_size": 2}


def assert_fit_raises(estimator, match, *data, **options):
    """Check that `fit` raises an error and changes nothing."""
    before = pickle.dumps(estimator), np.geterr(), list(warnings.filters)
    with pytest.raises((ValueError, TypeError), match=match):
        estimator.fit(*data, **options)
    assert (pickle.dumps(estimator), np.geterr(), list(warnings.filters)) == before


@cache
def stored(search, fit_before):
    clf = ThreeLayerNNClassifier(2, max_iter=1)
    if search:
        clf = ThreeLayerNNClassifierCV(**SEARCH)
    return pickle.dumps(fitted(clf, *DATA) if fit_before else clf)


def estimator(search, fit_before):
    """Return an unfitted or a fitted estimator, cached since fits are slow."""
    return pickle.loads(stored(search, fit_before))


@pytest.mark.parametrize("search", [False, True])
@given(st.booleans(), st.data())
def test_invalid_parameters_raise(search, fit_before, data):
    invalid = INVALID_SEARCH_PARAMETERS if search else INVALID_PARAMETERS
    name = data.draw(st.sampled_from(sorted(invalid)))
    clf = estimator(search, fit_before).set_params(**{name: data.draw(invalid[name])})
    assert_fit_raises(clf, name, *DATA)


NOT_FINITE = [np.nan, np.inf, -np.inf]


def with_one(array, value, rng):
    array = np.array(array, float)
    array.flat[rng.randint(array.size)] = value
    return array


# Changes that make data invalid, with the pattern of the error as key.
INVALID_DATA = {
    "Input X contains (NaN|infinity)": [
        lambda X, y, w, rng: (with_one(X, rng.choice(NOT_FINITE), rng), y, w),
        lambda X, y, w, rng: (sp.csr_array(with_one(X, np.nan, rng)), y, w),
    ],
    "y contains (NaN|infinity)": [
        lambda X, y, w, rng: (X, with_one(y, rng.choice(NOT_FINITE), rng), w),
    ],
    "[Ss]ample.weight": [
        lambda X, y, w, rng: (X, y, with_one(w, rng.choice(NOT_FINITE), rng)),
        lambda X, y, w, rng: (X, y, with_one(w, -1e-300, rng)),
        lambda X, y, w, rng: (X, y, 0 * w),
        lambda X, y, w, rng: (X, y, np.append(w, 1)),
        lambda X, y, w, rng: (X, y, w[:, np.newaxis]),
    ],
    "Found .* inconsistent numbers of samples": [
        lambda X, y, w, rng: (X, np.append(y, 0), w),
        lambda X, y, w, rng: (X[1:], y, w),
    ],
    "Found array with 0 sample": [lambda X, y, w, rng: (X[:0], y[:0], w[:0])],
    "Found array with 0 feature": [lambda X, y, w, rng: (X[:, :0], y, w)],
    "2D array|dim 3|valid collection|scalar|float": [
        lambda X, y, w, rng: (X[:, 0], y, w),
        lambda X, y, w, rng: (X[:, :, np.newaxis], y, w),
        lambda X, y, w, rng: (7.0, y, w),
    ],
    "Complex data": [lambda X, y, w, rng: (X * 1j, y, w)],
    "could not convert|dtype='numeric'": [
        lambda X, y, w, rng: (X.astype(str).astype(object) + "?", y, w),
    ],
    "[Uu]nknown label type": [
        lambda X, y, w, rng: (X, y + rng.uniform(0.1, 0.9), w),
        lambda X, y, w, rng: (X, (y + 0.5).astype(object), w),
    ],
    "requires y": [lambda X, y, w, rng: (X, None, w)],
    "y has several columns|multioutput": [
        lambda X, y, w, rng: (X, np.column_stack([y + 1, y + 2, y + 3]), w),
    ],
}
# Changes that make initial weights, lists of two arrays, invalid.
INVALID_INITIAL_WEIGHTS = {
    "is missing": [lambda arrays, rng: None],
    "has shapes": [
        lambda arrays, rng: arrays[:1],
        lambda arrays, rng: [array[..., :-1] for array in arrays],
    ],
    "must be a list of 2 arrays of finite numbers": [
        lambda arrays, rng: [with_one(a, rng.choice(NOT_FINITE), rng) for a in arrays],
    ],
    "must be a list of 2 arrays": [
        lambda arrays, rng: 7,
        lambda arrays, rng: "no",
        lambda arrays, rng: [1j * array for array in arrays],
        lambda arrays, rng: [array.astype(str) for array in arrays],
    ],
}


@pytest.mark.parametrize("search", [False, True])
@given(problems(rows_per_class=2), st.booleans(), st.data())
def test_invalid_data_raises(search, problem, fit_before, data):
    clf, rng = estimator(search, fit_before), problem.rng
    X, y, weight = problem.X, problem.codes, problem.weight + 1.0
    pattern = data.draw(st.sampled_from(sorted(INVALID_DATA)))
    X, y, weight = data.draw(st.sampled_from(INVALID_DATA[pattern]))(X, y, weight, rng)
    assert_fit_raises(clf, pattern, X, y, sample_weight=weight)


@one_in(2)
@given(networks(), st.booleans(), st.data())
def test_invalid_initial_weights_raise(network, fit_before, data):
    problem, start = network.problem, network.start
    clf = estimator(False, fit_before).set_params(**problem.options)
    name = data.draw(st.sampled_from(sorted(start)))
    pattern = data.draw(st.sampled_from(sorted(INVALID_INITIAL_WEIGHTS)))
    wrong = data.draw(st.sampled_from(INVALID_INITIAL_WEIGHTS[pattern]))(
        start[name], problem.rng
    )
    assert_fit_raises(
        clf, f"{name} {pattern}", problem.X, problem.codes, **(start | {name: wrong})
    )


@given(
    problems(),
    st.sampled_from(
        ["predict", "predict_proba", "predict_log_proba", "decision_function"]
    ),
)
def test_invalid_samples_raise_in_predictions(problem, method):
    X, rng = problem.X, problem.rng
    clf = fitted(problem.classifier.set_params(max_iter=1), X, problem.codes)
    before = pickle.dumps(clf)
    for wrong, match in [
        (with_one(X, rng.choice(NOT_FINITE), rng), "Input X contains"),
        (np.column_stack([X, X]), f"expecting {X.shape[1]} features"),
        (X[0], "Expected 2D array"),
        (X[:0], "Found array with 0 sample"),
    ]:
        with pytest.raises(ValueError, match=match):
            getattr(clf, method)(wrong)
    assert pickle.dumps(clf) == before


def invalid_arguments(problem, rng):
    """Return invalid arguments of `cost_gradient` by name."""
    y, n = problem.codes, len(problem.X)
    return {
        "X": [problem.X[0], np.zeros((n, 1000))],
        "Y": [
            *(
                y - 5,
                y + 5,
                y + 0.5,
                y.astype(str),
                y[1:],
                y[np.newaxis, :, np.newaxis],
            ),
            np.repeat(y[:, np.newaxis], 5, axis=1),
        ],
        "sample_weight": [
            *(np.ones(n + 1), np.ones((n, 1)), np.zeros(n)),
            *(with_one(np.ones(n), value, rng) for value in (-1e-9, *NOT_FINITE)),
        ],
        "alpha": [-1e-300, *NOT_FINITE],
        "hidden_layer_size": [0, -1, 1.5, 1000],
        "activation": ["", "Tanh", "softmax"],
        "output_activation": ["", "Logistic", "tanh"],
    }


@given(networks(), st.data())
def test_invalid_arguments_of_network_functions_raise(network, data):
    problem, theta1, theta2 = network.problem, network.theta1, network.theta2
    h, d = len(theta1), theta1.shape[1] - 1
    given = invalid_arguments(problem, problem.rng)
    name = data.draw(st.sampled_from(sorted(given)))
    wrong = given[name][data.draw(st.integers(0, len(given[name]) - 1))]
    match = f"{name}|params" if name in ("X", "hidden_layer_size") else name
    if name == "X":  # scikit-learn's error for one dimension names no argument
        match += "|Expected 2D array"
    with pytest.raises((ValueError, TypeError), match=match):
        network(**{name: wrong})
    for thetas in [
        (theta1[1:], theta2),
        (theta1[:, 1:], theta2),
        (theta1, theta2[:, 1:]),
    ]:
        with pytest.raises(ValueError, match=r"theta1|array with 0 sample"):
            forward(problem.X, *thetas)
    with pytest.raises(ValueError, match="params"):
        unpack(pack(theta1, theta2)[1:], d, h)
