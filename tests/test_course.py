"""Published results for the course's files; collected only if these files exist."""

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.io import loadmat, savemat

from sknn3 import ThreeLayerNNClassifier
from sknn3.datasets import read_digits, read_weights
from sknn3.network import cost_gradient, forward, pack


@pytest.fixture(scope="module")
def weights(course):
    return read_weights(course / "data/ex4weights.mat")


@pytest.mark.parametrize(
    ("alpha", "cost"), [(0, 0.287629165161319), (1, 0.383769859090924)]
)
def test_cost_equals_published_cost(digits, weights, alpha, cost):
    actual, _ = cost_gradient(
        pack(*weights), digits.data, digits.target, hidden_layer_size=25, alpha=alpha
    )
    assert_allclose(actual, cost, atol=5e-16)


def test_forward_has_published_accuracy(digits, weights):
    _, output = forward(digits.data, *weights)
    assert (output.argmax(axis=1) == digits.target).mean() == 0.9752


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_classifier_with_given_weights_has_published_accuracy(digits, weights):
    theta1, theta2 = weights
    clf = ThreeLayerNNClassifier(25, alpha=1, max_iter=1).fit(
        digits.data,
        digits.target,
        coefs_init=[theta1[:, 1:].T, theta2[:, 1:].T],
        intercepts_init=[theta1[:, 0], theta2[:, 0]],
    )
    assert clf.score(digits.data, digits.target) == 0.9752
    assert_allclose(clf.loss_, 0.383769859090924, atol=1e-14)


def test_cost_gradient_equals_reference_cases(digits, course):
    reference = json.loads(
        (course / "reference/ex4_reference.json").read_text(encoding="utf-8")
    )
    file = loadmat(course / "data/ex4weights.mat")
    thetas = {
        "theta_sin": np.sin(np.arange(10285) + 1) / 10,
        "ex4weights.mat": pack(file["Theta1"], file["Theta2"]),
    }
    assert len(reference["cases"]) == 6
    for case in reference["cases"]:
        cost, gradient = cost_gradient(
            thetas[case["theta"]],
            digits.data,
            (digits.target - 1) % 10,  # in the course's order of labels, 1..10
            hidden_layer_size=25,
            alpha=case["lambda"],
        )
        entries = {int(i): value for i, value in case["gradient"].items()}
        assert_allclose(
            [cost, np.linalg.norm(gradient), gradient.sum(), *gradient[list(entries)]],
            [
                case["cost"],
                case["gradient_norm"],
                case["gradient_sum"],
                *entries.values(),
            ],
            rtol=1e-12,
        )


def test_packaged_images_are_from_mnist(course, digits):
    mnist = np.load(course / "data/mnist.npz")
    rows = np.concatenate(
        [np.flatnonzero(mnist["y_train"] == k)[:500] for k in range(10)]
    )
    from sknn3.datasets import _data_file

    shipped = np.load(_data_file())["images"]
    assert_array_equal(shipped, mnist["X_train"][rows])


def test_read_digits_equals_load_digits20(digits, tmp_path):
    labels = np.where(digits.target == 0, 10, digits.target)[:, np.newaxis]
    savemat(tmp_path / "ex4data1.mat", {"X": digits.data, "y": labels.astype(np.uint8)})
    X, y = read_digits(tmp_path / "ex4data1.mat")
    assert_allclose(X, digits.data, atol=1e-12)
    assert_array_equal(y, digits.target)
