import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal

from sknn3 import _conditioning, _dataset
from sknn3._conditioning import (
    draw_initial_weights,
    make_preconditioner,
    pack_initial_weights,
)
from sknn3._dataset import Dataset, select_rows
from sknn3._kernel import ACTIVATIONS, Network
from sknn3._labels import LabelEncoding
from sknn3.gradient_check import check_gradient
from sknn3.network import cost_gradient, unpack

KINDS = ["auto", "full", "diagonal", None]


@pytest.fixture(name="X")
def correlated(rng):
    """Correlated columns of different scales, one of them constant."""
    X = rng.standard_normal((40, 5)) @ rng.standard_normal((5, 5)) + 3
    X[:, 1] *= 10
    X[:, 4] = 2
    return X


def make(X, kind, activation="logistic", sample_weight=None, penalty=0.01):
    """Return the preconditioner of a network with 3 hidden units."""
    codes = np.zeros(X.shape[0], np.uint8)
    return make_preconditioner(
        Dataset(X, LabelEncoding(np.arange(1)), codes, sample_weight),
        Network(3, activation, "logistic"),
        conditioning=kind,
        penalty=penalty,
    )


def mean_of(preconditioner):
    """Return the column means."""
    inverse = preconditioner.inverses[0]
    return inverse[1:, 0] if isinstance(inverse, np.ndarray) else inverse.column


def factor_of(preconditioner, maps="factors"):
    """Return the part of a map of the first layer that concerns the features."""
    T = getattr(preconditioner, maps)[0]
    return T[1:, 1:] if isinstance(T, np.ndarray) else T.diagonal[1:]


# ------------------------------------------------------------------------ the maps


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_maps_are_inverse_and_gradient_equals_differences(X, kind, activation, rng):
    preconditioner = make(X, kind, activation)
    params = rng.standard_normal(3 * 6 + 2 * 4) / 2
    v = preconditioner.from_weights(params)
    assert_allclose(preconditioner.to_weights(v), params, atol=1e-12)

    y = rng.randint(0, 2, len(X))

    def cost_by_variables(v):
        cost, gradient = cost_gradient(
            preconditioner.to_weights(v), X, y, hidden_layer_size=3, alpha=0.5
        )
        return cost, preconditioner.transform_gradient(gradient)

    assert check_gradient(cost_by_variables, v).max_difference < 1e-7


@pytest.mark.parametrize("kind", KINDS)
def test_maps_do_not_change_their_argument(X, kind, rng):
    preconditioner = make(X, kind)
    params = rng.standard_normal(26)
    before = params.copy()
    preconditioner.to_weights(params)
    preconditioner.from_weights(params)
    preconditioner.transform_gradient(params)
    assert_array_equal(params, before)


def test_maps_without_conditioning_are_identity(X, rng):
    preconditioner = make(X, None)
    params = rng.standard_normal(26)
    for function in (
        preconditioner.to_weights,
        preconditioner.from_weights,
        preconditioner.transform_gradient,
    ):
        assert_array_equal(function(params), params)


@pytest.mark.parametrize("penalty", [0.0, 0.01, 10.0])
def test_factor_comes_from_covariance_and_penalty(X, penalty):
    covariance = np.cov(X.T, bias=True)
    variance = np.diag(covariance)
    M = covariance + np.diag(0.3 * variance + 20 * penalty)
    if penalty == 0:
        M[4, 4] = 1  # a constant feature without a penalty has no scale
    full, diagonal = (make(X, kind, penalty=penalty) for kind in ("full", "diagonal"))
    P = factor_of(full)
    for maps in (full.factors, full.inverses):
        assert maps[0].flags.c_contiguous  # products would copy another order
    assert_allclose(P.T @ P @ M, np.eye(5), atol=1e-5)
    assert_allclose(factor_of(diagonal), 1 / np.sqrt(np.diag(M)), rtol=1e-6)
    for preconditioner in (full, diagonal):
        assert_allclose(mean_of(preconditioner), X.mean(axis=0), rtol=1e-6)
        assert_allclose(preconditioner.scale, np.sqrt(np.diag(M)), rtol=1e-6)


@pytest.mark.parametrize("kind", ["full", "diagonal"])
def test_initial_weights_refer_to_standardised_features(kind, rng):
    Z = rng.standard_normal((500, 3))
    Z = (Z - Z.mean(axis=0)) / Z.std(axis=0)
    X = Z * [1e6, 1.0, 1e-3] + [1e7, 5, 0]
    drawn = rng.standard_normal(3 * 4 + 2 * 4)
    preconditioner = make(X, kind, penalty=0.0)
    theta1, theta2 = unpack(preconditioner.rescale_initial_weights(drawn.copy()), 3, 3)
    drawn1, drawn2 = unpack(drawn, 3, 3)
    expected = Z @ drawn1[:, 1:].T / 1.3 + drawn1[:, 0]
    assert_allclose(X @ theta1[:, 1:].T + theta1[:, 0], expected, atol=1e-5)
    assert_allclose(theta2[:, 0], drawn2[:, 0] - drawn2[:, 1:].sum(axis=1) / 2)


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_scale_of_small_features_is_their_deviation(kind, rng):
    X = rng.standard_normal((500, 3)) * [1e3, 1.0, 1e-6]
    preconditioner = make(X, kind, penalty=0.0)
    scale1, scale2 = unpack(preconditioner.gradient_scale(np.zeros(20)), 3, 3)
    small = 1 if kind is None else np.sqrt(1.3) * X[:, 2].std()
    assert_allclose(scale1, np.tile([1, 1, 1, small], (3, 1)), rtol=1e-6)
    assert_array_equal(scale2, 1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("y", "weight", "expected"),
    [
        ([0, 1], [1, 1], [1]),
        ([0] + 9 * [1], 10 * [1], [0.09 / 0.25]),
        # The shares of the weights or of the samples, with the larger variance:
        ([0] + 9 * [1], [4] + 9 * [1], [4 * 9 / 13**2 / 0.25]),
        ([0, 1], [1, 9], [1]),
        ([0, 0], [1, 9], [1]),  # all samples have the class
        ([0, 1, 2], [1, 1, 1], [1, 1, 1]),
        # Shares of 0.05, 0.25 and 0.7 have variances of at most 2/9; a third has 2/9.
        (
            [0] + 5 * [1] + 14 * [2],
            20 * [2],
            [0.0475 * 4.5, 0.1875 * 4.5, 0.21 * 4.5],
        ),
        # No sample of class 1 has a weight.
        ([0, 1] + 9 * [2], [1, 0] + 9 * [1], [0.09 * 4.5, 1, 0.09 * 4.5]),
        (2 * [[0, 1]] + 5 * [[1, 0]] + 3 * [[0, 0]], 10 * [1], [1, 0.16 / 0.25]),
    ],
)
def test_gradient_scale_of_outputs_is_variance_of_their_targets(
    kind, y, weight, expected, rng
):
    dataset = Dataset.from_arrays(
        rng.standard_normal((len(y), 2)), np.array(y), np.array(weight, float), None
    )
    # A sample of weight 0 is dropped, and its class stays.
    preconditioner = make_preconditioner(
        dataset, Network(3, "logistic", "logistic"), conditioning=kind, penalty=1.0
    )
    n_outputs = len(expected)
    scale = preconditioner.gradient_scale(np.zeros(3 * 3 + n_outputs * 4))
    scale1, scale2 = unpack(scale, 2, 3)
    assert_allclose(scale2, np.tile(np.c_[expected], 4), rtol=1e-12)
    assert_allclose(scale1, max(expected), rtol=1e-12)  # no feature is small


def test_initial_weights_without_conditioning_are_not_rescaled(X, rng):
    drawn = rng.standard_normal(26)
    assert_array_equal(make(X, None).rescale_initial_weights(drawn.copy()), drawn)


def test_biases_refer_to_mean_sample_and_activation(X):
    # A unit whose variable c is 0 has the activation a0 at the mean sample.
    preconditioner = make(X, "full")
    v = np.zeros(26)
    U, V = unpack(v, 5, 3)
    U[:, 1:], V[:, 1:] = 0.3, 0.7
    theta1, theta2 = unpack(preconditioner.to_weights(v), 5, 3)
    at_mean = theta1[:, 0] + theta1[:, 1:] @ X.mean(axis=0)
    assert_allclose(at_mean, 0, atol=1e-5)
    assert_allclose(theta2[:, 0] + theta2[:, 1:].sum(axis=1) / 2, 0, atol=1e-12)


@pytest.mark.parametrize("kind", ["full", "diagonal"])
@pytest.mark.parametrize("container", [np.asarray, sp.csr_array, sp.csr_matrix])
def test_sample_weights_equal_repeated_rows_to_the_bit(X, kind, container, rng):
    counts = rng.randint(1, 5, len(X))
    weighted = make(container(X), kind, sample_weight=counts.astype(float))
    repeated = make(container(np.repeat(X, counts, axis=0)[::-1].copy()), kind)
    assert_array_equal(mean_of(weighted), mean_of(repeated))
    assert_array_equal(factor_of(weighted), factor_of(repeated))


def test_duplicate_sparse_entries_are_added_and_not_changed(X):
    n_rows, n_features = X.shape
    parts = np.hstack([X / 2, X / 2]).ravel()
    columns = np.tile(np.arange(n_features), 2 * n_rows)
    indptr = np.arange(0, parts.size + 1, 2 * n_features)
    duplicates = sp.csr_array((parts, columns, indptr), X.shape)
    summed = make(sp.csr_array(X), "diagonal")
    assert_array_equal(factor_of(make(duplicates, "diagonal")), factor_of(summed))
    assert duplicates.nnz == 2 * X.size
    assert_array_equal(duplicates.toarray(), X)


def test_auto_is_full_for_few_dense_features(rng, monkeypatch):
    assert factor_of(make(sp.csr_array(np.eye(4)), "auto")).ndim == 1
    monkeypatch.setattr(_conditioning, "MAX_FEATURES_FULL", 4)
    assert factor_of(make(rng.standard_normal((9, 4)), "auto")).ndim == 2
    assert factor_of(make(rng.standard_normal((9, 5)), "auto")).ndim == 1


@pytest.mark.parametrize("kind", ["full", "diagonal"])
def test_constant_features_give_finite_factor(kind):
    preconditioner = make(np.ones((4, 3)), kind)
    assert np.isfinite(factor_of(preconditioner)).all()


@pytest.mark.parametrize("kind", ["full", "diagonal"])
@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("other", [-1e300, 3e300])
def test_values_whose_squares_overflow_raise(kind, container, other):
    with np.errstate(all="ignore"), pytest.raises(ValueError, match="Scale the feat"):
        make(container([[1e300], [other]]), kind)


def test_penalty_that_overflows_raises(X):
    with pytest.raises(ValueError, match="alpha over the sum of sample_weight"):
        make(X, "full", penalty=1e308)


@pytest.mark.parametrize("kind", ["full", "diagonal"])
@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
def test_many_rows_are_sampled(kind, container, rng, monkeypatch):
    monkeypatch.setattr(_conditioning, "MAX_PRODUCTS", 900)
    X = rng.standard_normal((1000, 3))
    before = X.copy()
    n_rows = 100 if kind == "full" else 300
    sample = X[:: -(-1000 // n_rows)]
    preconditioner = make(container(X), kind, penalty=0.0)
    assert_allclose(mean_of(preconditioner), sample.mean(axis=0), atol=1e-7)
    assert_allclose(preconditioner.scale, np.sqrt(1.3) * sample.std(axis=0), rtol=1e-6)
    assert_array_equal(X, before)


@pytest.mark.parametrize("kind", ["full", "diagonal"])
@pytest.mark.parametrize(("n_rows", "step"), [(50, 1), (100, 2), (1000, 20)])
def test_sample_has_ten_rows_for_each_feature(kind, n_rows, step, rng, monkeypatch):
    monkeypatch.setattr(_conditioning, "MAX_PRODUCTS", 1)
    X, weights = rng.standard_normal((n_rows, 5)), rng.uniform(0, 2, n_rows)
    mean = mean_of(make(X, kind, sample_weight=weights))
    expected = np.average(X[::step], axis=0, weights=weights[::step])
    assert_allclose(mean, expected, atol=1e-7)


@pytest.mark.parametrize("kind", ["full", "diagonal"])
def test_rows_of_memory_map_are_sampled_like_rows_of_array(
    kind, rng, monkeypatch, tmp_path
):
    monkeypatch.setattr(_conditioning, "MAX_PRODUCTS", 1)
    X, rows = rng.standard_normal((400, 3)), rng.permutation(400)[:300]
    np.save(tmp_path / "X.npy", X)
    mapped = select_rows(np.load(tmp_path / "X.npy", mmap_mode="r"), rows)
    in_memory, in_file = make(X[rows], kind), make(mapped, kind)
    assert_array_equal(mean_of(in_file), mean_of(in_memory))
    assert_array_equal(factor_of(in_file), factor_of(in_memory))


@pytest.mark.parametrize("kind", ["full", "diagonal"])
@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("weighted", [False, True])
def test_moments_of_several_blocks_equal_numpy(kind, container, weighted, rng):
    X = np.cumsum(rng.standard_normal((3000, 4)), axis=1) + np.arange(3000)[:, None]
    weights = rng.uniform(0, 2, 3000) if weighted else None
    preconditioner = make(container(X), kind, sample_weight=weights, penalty=0.0)
    M = np.cov(X.T, aweights=weights, bias=True)
    M[np.diag_indices(4)] *= 1.3
    assert_allclose(
        mean_of(preconditioner), np.average(X, axis=0, weights=weights), rtol=1e-6
    )
    assert_allclose(preconditioner.scale, np.sqrt(np.diag(M)), rtol=1e-6)
    if kind == "full":
        inverse = factor_of(preconditioner, "inverses")
        assert_allclose(inverse @ inverse.T, M, rtol=1e-6)


@pytest.mark.parametrize("kind", ["full", "diagonal"])
@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("unit", [1e-8, 1.0, 1e8])
@pytest.mark.parametrize("n_rows", [29, 3000])
def test_rounding_error_of_constant_features_is_zero_variance(
    kind, container, unit, n_rows, rng
):
    X = np.tile([0.1 * unit, 0.7 * unit, 1.3 * unit, 0], (n_rows, 1))
    X[:, 3] = rng.standard_normal(n_rows)
    for weights in (None, rng.uniform(0, 1, n_rows)):
        preconditioner = make(container(X), kind, sample_weight=weights, penalty=0.0)
        assert_array_equal(preconditioner.scale[:3], 1)
        diagonal = (
            preconditioner.scale
            if kind == "diagonal"
            else np.diag(preconditioner.scale)
        )
        assert_array_equal(factor_of(preconditioner, "inverses"), diagonal)


@pytest.mark.parametrize("kind", ["full", "diagonal"])
def test_small_variance_beside_large_mean_is_kept(kind, rng):
    X = 1e10 + rng.standard_normal((300, 2))
    scale = make(X, kind, penalty=0.0).scale
    assert_allclose(scale, np.sqrt(1.3) * (X - 1e10).std(axis=0), rtol=1e-6)


@pytest.mark.parametrize("kind", ["full", "diagonal"])
@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
def test_moments_need_memory_of_one_block(kind, container, rng):
    X = container(rng.standard_normal((30_000, 100)).astype(np.float32))
    tracemalloc.start()
    make(X, kind)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12e6  # X in float64 would be 24 MB


def test_moments_of_many_features_need_memory_of_part_of_a_block(rng, monkeypatch):
    monkeypatch.setattr(_dataset, "CENTRED_ENTRIES", 2**17)
    X = rng.standard_normal((3000, 1500))
    tracemalloc.start()
    preconditioner = make(X, "diagonal", penalty=0.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5e6  # a block of X is 19 MB
    assert_allclose(mean_of(preconditioner), X.mean(axis=0), atol=1e-7)
    assert_allclose(preconditioner.scale, np.sqrt(1.3) * X.std(axis=0), rtol=1e-6)


def test_large_means_do_not_change_factor(rng):
    X = rng.standard_normal((3000, 3))
    near, far = make(X, "full"), make(X + 1e7, "full")
    assert_allclose(factor_of(far), factor_of(near), rtol=1e-5, atol=1e-6)


# ----------------------------------------------------------------- initial weights


def draw(output_activation="logistic", init_epsilon=None, conditioning=None, y=None):
    """Return features, labels, and initial weights of both layers."""
    rng = np.random.RandomState(0)
    X = rng.standard_normal((60, 4)) * [1, 10, 0.1, 1] + 5
    y = np.repeat([0, 1, 2], [10, 20, 30]) if y is None else y
    dataset = Dataset.from_arrays(X, y, None, None)
    network = Network(200, "logistic", output_activation)
    preconditioner = make_preconditioner(
        dataset, network, conditioning=conditioning, penalty=0.0
    )
    params = draw_initial_weights(dataset, network, preconditioner, rng, init_epsilon)
    return X, *unpack(params, 4, 200)


def test_initial_weights_fill_the_interval_of_init_epsilon():
    _, *thetas = draw(init_epsilon=0.3, conditioning="full")
    for theta in thetas:
        assert -0.3 < theta.min() < -0.29
        assert 0.29 < theta.max() < 0.3


def test_initial_output_weights_are_glorot_uniform():
    _, _, theta2 = draw()
    epsilon = np.sqrt(6 / (200 + 3))
    assert 0.98 * epsilon < np.abs(theta2[:, 1:]).max() < epsilon


@pytest.mark.parametrize("n_features", [1, 2, 4, 100])
def test_initial_inputs_of_hidden_units_have_deviation_of_few_features(n_features, rng):
    X = rng.standard_normal((1000, n_features))
    dataset = Dataset.from_arrays(X, np.arange(1000) % 2, None, None)
    network = Network(500, "logistic", "logistic")
    preconditioner = make_preconditioner(
        dataset, network, conditioning=None, penalty=0.0
    )
    params = draw_initial_weights(dataset, network, preconditioner, rng, None)
    theta1, _ = unpack(params, n_features, 500)
    deviation = 1 + 2 / np.sqrt(n_features)
    epsilon = np.sqrt(3 / n_features) * deviation
    assert 0.98 * epsilon < np.abs(theta1[:, 1:]).max() < epsilon
    assert (X @ theta1[:, 1:].T).std() == pytest.approx(deviation, rel=0.05)
    assert 0.95 < np.abs(theta1[:, 0]).max() < 1


@pytest.mark.parametrize("conditioning", [None, "diagonal", "full"])
@pytest.mark.parametrize(
    ("output_activation", "y", "expected"),
    [
        ("logistic", None, np.log([1 / 5, 1 / 2, 1])),
        ("softmax", None, np.log([1 / 6, 1 / 3, 1 / 2])),
        ("logistic", np.arange(60) < 45, [np.log(3)]),
        ("logistic", np.zeros(60), [np.log(1e6)]),
        ("logistic", np.eye(60, 2, dtype=int), [np.log(1 / 59)] * 2),
    ],
)
def test_initial_output_biases_are_log_odds_of_classes(
    conditioning, output_activation, y, expected
):
    _, _, theta2 = draw(output_activation, conditioning=conditioning, y=y)
    at_mean = theta2[:, 0]
    if conditioning:  # biases refer to the activation 1/2
        at_mean = at_mean + theta2[:, 1:].sum(axis=1) / 2
    assert_allclose(at_mean, expected, rtol=1e-5, atol=1e-12)


def test_initial_hidden_biases_refer_to_the_mean_sample():
    X, theta1, _ = draw(conditioning="diagonal")
    at_mean = theta1[:, 0] + theta1[:, 1:] @ X.mean(axis=0)
    assert 0.95 < np.abs(at_mean).max() < 1


def test_given_weights_are_packed_from_shapes_of_mlpclassifier(rng):
    W1, b1 = rng.standard_normal((2, 3)), rng.standard_normal(3)
    W2, b2 = rng.standard_normal((3, 4)), rng.standard_normal(4)
    params = pack_initial_weights((2, 3, 4), [W1, W2], [b1.tolist(), b2])
    theta1, theta2 = unpack(params, 2, 3)
    assert_array_equal(theta1, np.column_stack([b1, W1.T]))
    assert_array_equal(theta2, np.column_stack([b2, W2.T]))


@pytest.mark.parametrize(
    ("coefs", "intercepts", "message"),
    [
        (None, [np.zeros(3), np.zeros(4)], "coefs_init is missing"),
        ([np.zeros((2, 3)), np.zeros((3, 4))], None, "intercepts_init is missing"),
        ([np.zeros((2, 3))], [np.zeros(3), np.zeros(4)], "coefs_init has shapes"),
        (
            [np.zeros((3, 2)), np.zeros((3, 4))],
            [np.zeros(3), np.zeros(4)],
            r"coefs_init has shapes \[\(3, 2\), \(3, 4\)\], expected \[\(2, 3\), ",
        ),
        (
            [np.full((2, 3), np.nan), np.zeros((3, 4))],
            [np.zeros(3), np.zeros(4)],
            "coefs_init must be a list of 2 arrays of finite numbers",
        ),
        (
            [np.zeros((2, 3)), np.zeros((3, 4))],
            ["abc", np.zeros(4)],
            "intercepts_init must be a list of 2 arrays of finite numbers",
        ),
        (
            7,
            [np.zeros(3), np.zeros(4)],
            "coefs_init must be a list of 2 arrays of finite numbers",
        ),
    ],
)
def test_given_weights_of_wrong_shape_or_values_raise(coefs, intercepts, message):
    with pytest.raises(ValueError, match=message):
        pack_initial_weights((2, 3, 4), coefs, intercepts)
