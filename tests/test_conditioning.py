import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal

from sknn3 import _conditioning
from sknn3._blocks import select_rows
from sknn3._conditioning import column_sums, conditioning_for, scatter_sums
from sknn3._samples import Classes, Samples
from sknn3.gradient_check import check_gradient
from sknn3.network import ACTIVATIONS, cost_gradient, unpack

KINDS = ["auto", "full", "diagonal", None]


@pytest.fixture(name="X")
def correlated(rng):
    """Correlated columns of unlike size, one of them constant."""
    X = rng.standard_normal((40, 5)) @ rng.standard_normal((5, 5)) + 3
    X[:, 1] *= 10
    X[:, 4] = 2
    return X


def make(X, kind, activation="logistic", sample_weight=None, penalty=0.01):
    codes = np.zeros(X.shape[0], np.uint8)
    return conditioning_for(
        Samples(X, Classes(np.arange(1)), codes, sample_weight),
        kind=kind,
        penalty=penalty,
        activation=activation,
        hidden_layer_size=3,
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_maps_are_inverse_and_gradients_follow_them(X, kind, activation, rng):
    variables = make(X, kind, activation)
    params = rng.standard_normal(3 * 6 + 2 * 4) / 2
    v = variables.from_weights(params)
    assert_allclose(variables.to_weights(v), params, atol=1e-12)

    y = rng.randint(0, 2, len(X))

    def cost_by_variables(v):
        cost, gradient = cost_gradient(
            variables.to_weights(v), X, y, hidden_layer_size=3, alpha=0.5
        )
        return cost, variables.pull_gradient(gradient)

    assert check_gradient(cost_by_variables, v).max_difference < 1e-7


@pytest.mark.parametrize("kind", KINDS)
def test_maps_leave_their_argument_alone(X, kind, rng):
    variables = make(X, kind)
    params = rng.standard_normal(26)
    before = params.copy()
    variables.to_weights(params)
    variables.from_weights(params)
    variables.pull_gradient(params)
    assert_array_equal(params, before)


def test_none_changes_nothing(X, rng):
    variables = make(X, None)
    params = rng.standard_normal(26)
    for function in (
        variables.to_weights,
        variables.from_weights,
        variables.pull_gradient,
    ):
        assert_array_equal(function(params), params)


@pytest.mark.parametrize("penalty", [0.0, 0.01, 10.0])
def test_factors_are_those_of_covariance_and_penalty(X, penalty):
    covariance = np.cov(X.T, bias=True)
    variance = np.diag(covariance)
    M = covariance + np.diag(0.3 * variance + 20 * penalty)
    if penalty == 0:
        M[4, 4] = 1  # a constant feature without a penalty has no scale
    full, diagonal = (make(X, kind, penalty=penalty) for kind in ("full", "diagonal"))
    P = full.factor
    assert P.flags.c_contiguous  # or each product would copy it
    assert full.inverse.flags.c_contiguous
    assert_allclose(P.T @ P @ M, np.eye(5), atol=1e-5)
    assert_allclose(diagonal.factor, 1 / np.sqrt(np.diag(M)), rtol=1e-6)
    for variables in (full, diagonal):
        assert_allclose(variables.mean, X.mean(axis=0), rtol=1e-6)
        assert_allclose(variables.scale, np.sqrt(np.diag(M)), rtol=1e-6)


@pytest.mark.parametrize("kind", ["full", "diagonal"])
def test_a_start_is_placed_at_the_mean_and_sees_features_in_their_units(kind, rng):
    Z = rng.standard_normal((500, 3))
    Z = (Z - Z.mean(axis=0)) / Z.std(axis=0)
    X = Z * [1e6, 1.0, 1e-3] + [1e7, 5, 0]
    start = rng.standard_normal(3 * 4 + 2 * 4)
    variables = make(X, kind, penalty=0.0)
    theta1, theta2 = unpack(variables.place(start.copy()), 3, 3)
    drawn1, drawn2 = unpack(start, 3, 3)
    expected = Z @ drawn1[:, 1:].T * 0.75 / 1.3 + drawn1[:, 0]
    assert_allclose(X @ theta1[:, 1:].T + theta1[:, 0], expected, atol=1e-5)
    assert_allclose(theta2[:, 0], drawn2[:, 0] - drawn2[:, 1:].sum(axis=1) / 2)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_by_weights_of_small_features_are_resolved_finer(kind, rng):
    X = rng.standard_normal((500, 3)) * [1e3, 1.0, 1e-6]
    variables = make(X, kind, penalty=0.0)
    resolution1, resolution2 = unpack(variables.resolution(np.zeros(20)), 3, 3)
    small = 1 if kind is None else np.sqrt(1.3) * X[:, 2].std()
    assert_allclose(resolution1, np.tile([1, 1, 1, small], (3, 1)), rtol=1e-6)
    assert_array_equal(resolution2, 1)


def test_no_conditioning_leaves_a_start_alone(X, rng):
    start = rng.standard_normal(26)
    assert_array_equal(make(X, None).place(start.copy()), start)


def test_biases_at_the_mean_stay_there(X):
    # A unit whose variable c is 0 gives a0 at the mean sample, whatever its weights.
    variables = make(X, "full")
    v = np.zeros(26)
    U, V = unpack(v, 5, 3)
    U[:, 1:], V[:, 1:] = 0.3, 0.7
    theta1, theta2 = unpack(variables.to_weights(v), 5, 3)
    at_mean = theta1[:, 0] + theta1[:, 1:] @ X.mean(axis=0)
    assert_allclose(at_mean, 0, atol=1e-5)
    assert_allclose(theta2[:, 0] + theta2[:, 1:].sum(axis=1) / 2, 0, atol=1e-12)


@pytest.mark.parametrize("kind", ["full", "diagonal"])
@pytest.mark.parametrize("container", [np.asarray, sp.csr_array, sp.csr_matrix])
def test_weights_stand_for_repeated_rows_to_the_bit(X, kind, container, rng):
    counts = rng.randint(1, 5, len(X))
    weighted = make(container(X), kind, sample_weight=counts.astype(float))
    repeated = make(container(np.repeat(X, counts, axis=0)[::-1].copy()), kind)
    assert_array_equal(weighted.mean, repeated.mean)
    assert_array_equal(weighted.factor, repeated.factor)


def test_entries_in_several_parts_are_summed_and_left_alone(X):
    n_rows, n_features = X.shape
    parts = np.hstack([X / 2, X / 2]).ravel()
    columns = np.tile(np.arange(n_features), 2 * n_rows)
    indptr = np.arange(0, parts.size + 1, 2 * n_features)
    in_parts = sp.csr_array((parts, columns, indptr), X.shape)
    summed = make(sp.csr_array(X), "diagonal")
    assert_array_equal(make(in_parts, "diagonal").factor, summed.factor)
    assert in_parts.nnz == 2 * X.size
    assert_array_equal(in_parts.toarray(), X)


def test_auto_is_full_for_few_dense_columns_only(rng, monkeypatch):
    assert make(sp.csr_array(np.eye(4)), "auto").factor.ndim == 1
    monkeypatch.setattr(_conditioning, "MAX_FEATURES_FULL", 4)
    assert make(rng.standard_normal((9, 4)), "auto").factor.ndim == 2
    assert make(rng.standard_normal((9, 5)), "auto").factor.ndim == 1


@pytest.mark.parametrize("kind", ["full", "diagonal"])
def test_constant_columns_are_no_obstacle(kind):
    variables = make(np.ones((4, 3)), kind)
    assert np.isfinite(variables.factor).all()


@pytest.mark.parametrize("kind", ["full", "diagonal"])
@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("other", [-1e300, 3e300])
def test_values_whose_squares_overflow_are_refused(kind, container, other):
    with pytest.raises(ValueError, match="Scale the features"):
        make(container([[1e300], [other]]), kind)


def test_a_penalty_that_overflows_is_named(X):
    with pytest.raises(ValueError, match="alpha over the sum of sample_weight"):
        make(X, "full", penalty=1e308)


@pytest.mark.parametrize("kind", ["full", "diagonal"])
@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
def test_more_rows_than_worth_their_products_are_sampled(
    kind, container, rng, monkeypatch
):
    monkeypatch.setattr(_conditioning, "MAX_PRODUCTS", 900)
    X = rng.standard_normal((1000, 3))
    before = X.copy()
    n_rows = 100 if kind == "full" else 300
    sample = X[:: -(-1000 // n_rows)]
    variables = make(container(X), kind, penalty=0.0)
    assert_allclose(variables.mean, sample.mean(axis=0), atol=1e-7)
    assert_allclose(variables.scale, np.sqrt(1.3) * sample.std(axis=0), rtol=1e-6)
    assert_array_equal(X, before)


@pytest.mark.parametrize("kind", ["full", "diagonal"])
@pytest.mark.parametrize(("n_rows", "step"), [(50, 1), (100, 2), (1000, 20)])
def test_each_feature_has_rows_whatever_the_products(
    kind, n_rows, step, rng, monkeypatch
):
    monkeypatch.setattr(_conditioning, "MAX_PRODUCTS", 1)
    X, weights = rng.standard_normal((n_rows, 5)), rng.uniform(0, 2, n_rows)
    mean = make(X, kind, sample_weight=weights).mean
    expected = np.average(X[::step], axis=0, weights=weights[::step])
    assert_allclose(mean, expected, atol=1e-7)


@pytest.mark.parametrize("step", [1, 2, 7])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("container", [np.asarray, sp.csr_array, sp.csr_matrix])
def test_rows_are_numbered_through_all_parts(step, full, container, rng):
    X, weights = rng.standard_normal((30, 3)), rng.uniform(0, 2, 30)
    numbers, mean = np.arange(100, 130), rng.standard_normal(3)
    total, sums = 0.0, np.zeros(3)
    spread = np.zeros((3, 3) if full else 3)
    for rows in (slice(0, 9), slice(9, 10), slice(10, 30)):
        part = Samples(
            container(X[rows]),
            Classes(np.arange(1)),
            np.zeros(30, np.uint8)[rows],
            weights[rows],
            first_row=100 + rows.start,
        )
        part_total, part_sums = column_sums(part, step)
        total, sums = total + part_total, sums + part_sums
        spread += scatter_sums(part, step, mean, full)[0]
    chosen = numbers % step == 0
    D, w = X[chosen], weights[chosen]
    assert_allclose(total, w.sum(), rtol=1e-12)
    assert_allclose(sums, w @ D, rtol=1e-12)
    if container is np.asarray:  # what is sparse is centred after the sum
        D = D - mean
    outer = np.einsum("i,ij,ik->jk", w, D, D)
    assert_allclose(spread, outer if full else np.diag(outer), rtol=1e-10)


@pytest.mark.parametrize("kind", ["full", "diagonal"])
def test_rows_of_a_map_are_sampled_as_those_of_an_array(
    kind, rng, monkeypatch, tmp_path
):
    monkeypatch.setattr(_conditioning, "MAX_PRODUCTS", 1)
    X, rows = rng.standard_normal((400, 3)), rng.permutation(400)[:300]
    np.save(tmp_path / "X.npy", X)
    mapped = select_rows(np.load(tmp_path / "X.npy", mmap_mode="r"), rows)
    here, there = make(X[rows], kind), make(mapped, kind)
    assert_array_equal(there.mean, here.mean)
    assert_array_equal(there.factor, here.factor)


@pytest.mark.parametrize("kind", ["full", "diagonal"])
@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("weighted", [False, True])
def test_moments_add_up_over_blocks(kind, container, weighted, rng):
    X = np.cumsum(rng.standard_normal((3000, 4)), axis=1) + np.arange(3000)[:, None]
    weights = rng.uniform(0, 2, 3000) if weighted else None
    variables = make(container(X), kind, sample_weight=weights, penalty=0.0)
    M = np.cov(X.T, aweights=weights, bias=True)
    M[np.diag_indices(4)] *= 1.3
    assert_allclose(variables.mean, np.average(X, axis=0, weights=weights), rtol=1e-6)
    assert_allclose(variables.scale, np.sqrt(np.diag(M)), rtol=1e-6)
    if kind == "full":
        inverse = variables.inverse
        assert_allclose(inverse @ inverse.T, M, rtol=1e-6)


@pytest.mark.parametrize("kind", ["full", "diagonal"])
@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("unit", [1e-8, 1.0, 1e8])
@pytest.mark.parametrize("n_rows", [29, 3000])
def test_a_constant_column_shows_no_more_than_rounding(
    kind, container, unit, n_rows, rng
):
    X = np.tile([0.1 * unit, 0.7 * unit, 1.3 * unit, 0], (n_rows, 1))
    X[:, 3] = rng.standard_normal(n_rows)
    for weights in (None, rng.uniform(0, 1, n_rows)):
        variables = make(container(X), kind, sample_weight=weights, penalty=0.0)
        assert_array_equal(variables.scale[:3], 1)
        diagonal = variables.scale if kind == "diagonal" else np.diag(variables.scale)
        assert_array_equal(variables.inverse, diagonal)


@pytest.mark.parametrize("kind", ["full", "diagonal"])
def test_little_variation_beside_a_large_mean_is_seen(kind, rng):
    X = 1e10 + rng.standard_normal((300, 2))
    scale = make(X, kind, penalty=0.0).scale
    assert_allclose(scale, np.sqrt(1.3) * (X - 1e10).std(axis=0), rtol=1e-6)


@pytest.mark.parametrize("kind", ["full", "diagonal"])
@pytest.mark.parametrize("container", [np.asarray, sp.csr_array])
def test_moments_take_the_memory_of_a_block(kind, container, rng):
    X = container(rng.standard_normal((60_000, 100)).astype(np.float32))
    tracemalloc.start()
    make(X, kind)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12e6  # X in float64 would be 48 MB


def test_moments_of_many_features_take_no_more_memory(rng, monkeypatch):
    monkeypatch.setattr(_conditioning, "MAX_ENTRIES", 2**17)
    X = rng.standard_normal((3000, 1500))
    tracemalloc.start()
    variables = make(X, "diagonal", penalty=0.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5e6  # a block of X is 19 MB
    assert_allclose(variables.mean, X.mean(axis=0), atol=1e-7)
    assert_allclose(variables.scale, np.sqrt(1.3) * X.std(axis=0), rtol=1e-6)


def test_large_means_are_no_obstacle(rng):
    X = rng.standard_normal((3000, 3))
    near, far = make(X, "full"), make(X + 1e7, "full")
    assert_allclose(far.factor, near.factor, rtol=1e-5, atol=1e-6)
