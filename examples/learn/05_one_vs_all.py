"""
5. One-versus-all, and a given network
======================================

Train ten classifiers by logistic regression, one for each digit, as many courses do
before the network. Train them in a few lines of NumPy and by scikit-learn. Then predict
with the given weights of a network, and compare both models on unseen digits.
"""

import tempfile
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.io import savemat
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from sknn3 import ThreeLayerNNClassifier
from sknn3.datasets import load_digits20, read_weights
from sknn3.display import HiddenUnitsDisplay, ImageGridDisplay
from sknn3.network import forward, sigmoid

# On this page, max_iter ends training before it converges, by design.
warnings.simplefilter("ignore", ConvergenceWarning)

X, y = load_digits20(return_X_y=True)
n = len(X)
X1 = np.hstack([np.ones((n, 1)), X])

# %%
# Logistic regression
# -------------------
#
# A classifier for one digit, say 3, answers one question: is this a 3? It has a bias
# and a weight for each pixel, 401 numbers :math:`\theta`. The classifier is a network
# without a hidden layer, and its output is one sigmoid, :math:`p = g(X_1 \theta)`. The
# cost is that of :doc:`02_cost`, for one output:
#
# .. math::
#
#    J(\theta) &= -\frac{1}{n} \sum_i \left( y_i \log p_i + (1 - y_i) \log (1 - p_i)
#       \right) + \frac{\lambda}{2n} \sum_{j \ge 1} \theta_j^2,
#    \\ \nabla J &= \frac{1}{n} \left( X_1^T (p - y)
#       + \lambda \, (0, \theta_1, \dots, \theta_{400}) \right) .
#
# The bias has no penalty. If :math:`z = X_1 \theta` is far from 0, :math:`p` is rounded
# to 0 or 1, and one of the logarithms is infinite. Therefore write the loss with z: it
# is the mean of :math:`\log(1 + e^z) - y z`. ``np.logaddexp(0, z)`` computes the first
# term for all z.


def cost_and_gradient(
    theta: np.ndarray, X1: np.ndarray, t: np.ndarray, alpha: float
) -> tuple[float, np.ndarray]:
    """Compute the cost of logistic regression and its gradient."""
    z = X1 @ theta
    weights = np.append(0, theta[1:])
    cost = np.mean(np.logaddexp(0, z) - t * z) + alpha / 2 / len(t) * weights @ weights
    return cost, (X1.T @ (sigmoid(z) - t) + alpha * weights) / len(t)


# %%
# If all weights are zero, each output is 1/2, and the cost is log 2 = 0.693147. The
# norm of the gradient is 1.725663 for the digit 3.

J, gradient = cost_and_gradient(np.zeros(401), X1, y == 3, 1)
print(f"{J:.6f} {np.linalg.norm(gradient):.6f}")

# %%
# One against all others
# ----------------------
#
# Train ten such classifiers. The target of classifier *k* is 1 for the digit *k*, and 0
# for all others. To predict, ask all ten, and take the digit with the largest output.


def one_vs_all(X1: np.ndarray, y: np.ndarray, alpha: float, **options) -> np.ndarray:
    """Train a classifier for each digit; return their weights in rows."""
    rows = []
    for k in range(10):
        found = minimize(
            cost_and_gradient,
            np.zeros(X1.shape[1]),
            (X1, y == k, alpha),
            jac=True,
            method="L-BFGS-B",
            options=options,
        )
        rows.append(found.x)
    return np.array(rows)


def accuracy(Theta: np.ndarray, X1: np.ndarray, y: np.ndarray) -> float:
    """Compute the share of digits that are recognised."""
    return np.mean((X1 @ Theta.T).argmax(axis=1) == y)


# %%
# In Andrew Ng's course :math:`\lambda` is 0.1. The course reports 94.9% of the training
# digits after 50 iterations for each classifier. SciPy's L-BFGS gets further in 50
# iterations: about 96%.

after_50 = one_vs_all(X1, y, 0.1, maxiter=50)
print(f"{accuracy(after_50, X1, y):.2%}")

# %%
# The same by scikit-learn
# ------------------------
#
# ``OneVsRestClassifier`` trains a copy of a classifier for each class. Set the ``C`` of
# ``LogisticRegression`` to :math:`1 / \lambda`. Then its objective is our cost times
# :math:`n / \lambda`. With :math:`\lambda = 1` both programs have the accuracy 94.46%.
#
# The costs agree to six digits, and the weights to 0.001. This cost is convex, so it
# has one minimum, and every minimiser finds it. The cost of a network with hidden units
# has many minima.

Theta = one_vs_all(X1, y, alpha=1, gtol=1e-6, ftol=1e-12)
theirs = OneVsRestClassifier(LogisticRegression(C=1, tol=1e-6, max_iter=1000)).fit(X, y)
Theta_theirs = np.array(
    [np.append(one.intercept_, one.coef_) for one in theirs.estimators_]
)
costs, costs_theirs = (
    [cost_and_gradient(weights[k], X1, y == k, 1)[0] for k in range(10)]
    for weights in (Theta, Theta_theirs)
)
print(f"{accuracy(Theta, X1, y):.2%} {theirs.score(X, y):.2%}")
print(np.allclose(costs, costs_theirs, rtol=1e-6))
print(f"largest difference of weights {abs(Theta - Theta_theirs).max():.0e}")

# %%
# The weights of a classifier, without the bias, are an image. Ink on red pixels
# increases the output, and ink on blue pixels decreases it. The image of the 0 has a
# blue centre, where a 0 has no ink. Each classifier compares all digits with this one
# image.

display = HiddenUnitsDisplay.from_data(Theta[:, 1:], order="F")
display.ax_.set_title("Weights of the ten classifiers, for the digits 0 to 9")
plt.show()

# %%
# A given network
# ---------------
#
# The next practical of many courses hands out the weights of a trained network, and
# asks for its predictions. A file ``ex3weights.mat`` or ``ex4weights.mat`` has the
# matrices ``Theta1``, shape (25, 401), and ``Theta2``, shape (10, 26). If you have the
# file, replace the next cell by ``theta1, theta2 = read_weights("ex4weights.mat")``.
# That network recognises 97.52% of the digits.
#
# We may not distribute the file, so the next cell makes a similar one. It trains a
# network with 70 passes, and writes the weights in the order of the course: the digit 0
# has the label 10, and its row is the last of ``Theta2``.
# :func:`~sknn3.datasets.read_weights` puts this row first again. Then output *k*
# belongs to the digit *k*.

trained = ThreeLayerNNClassifier(25, alpha=1, max_iter=70, random_state=0).fit(X, y)
Theta2 = np.roll(trained.theta2_, -1, axis=0)  # rows for the digits 1 to 9, 0
with tempfile.TemporaryDirectory() as folder:
    weights_file = Path(folder) / "weights.mat"
    savemat(weights_file, {"Theta1": trained.theta1_, "Theta2": Theta2})
    theta1, theta2 = read_weights(weights_file)

# %%
# Forward propagation is that of :doc:`01_forward`: two matrix products and two
# sigmoids. The network of this page recognises about 99% of the digits.

A1 = np.hstack([np.ones((n, 1)), sigmoid(X1 @ theta1.T)])
by_hand = sigmoid(A1 @ theta2.T)
_, P = forward(X, theta1, theta2)
print(f"{np.mean(by_hand.argmax(axis=1) == y):.2%}", np.allclose(by_hand, P))

# %%
# To make an estimator of the network, pass its weights to ``fit``, with ``max_iter=1``.
# The only pass evaluates the given weights and does not change them. ``coefs_init`` and
# ``intercepts_init`` have the shapes of scikit-learn's ``MLPClassifier``: the weights
# are transposed, and the biases are separate. Any rows of X will do if each digit is
# among them.

net = ThreeLayerNNClassifier(25, alpha=1, max_iter=1).fit(
    X[::500],
    y[::500],
    coefs_init=[theta1[:, 1:].T, theta2[:, 1:].T],
    intercepts_init=[theta1[:, 0], theta2[:, 0]],
)
print(np.allclose(net.theta1_, theta1), np.allclose(net.theta2_, theta2))
print(f"{net.score(X, y):.2%}", np.array_equal(net.predict(X), P.argmax(axis=1)))

# %%
# This estimator has ``predict_proba`` and ``score``, works in pipelines, and can be
# saved. With a larger ``max_iter`` the same call continues the training from these
# weights.
#
# Which is better?
# ----------------
#
# The network: it recognises about 92% of unseen digits, and the ten classifiers about
# 89%. The accuracy on training digits would not answer the question. Therefore train
# both models on every other digit, and test them on the rest.

seen, unseen = slice(0, None, 2), slice(1, None, 2)
linear = OneVsRestClassifier(LogisticRegression(C=1, max_iter=1000))
linear.fit(X[seen], y[seen])
net = ThreeLayerNNClassifier(25, alpha=1, random_state=0).fit(X[seen], y[seen])
for name, model in {"one-versus-all": linear, "network": net}.items():
    scores = [model.score(X[part], y[part]) for part in (seen, unseen)]
    print("{:14}  seen {:5.1%}  unseen {:5.1%}".format(name, *scores))

# %%
# The network gains several percentage points on the 2, the 5, the 8 and the 9. Their
# shapes vary most. It gains little on the 0, the 1 and the 6, which one image can
# describe. The hidden units respond to parts of digits, and an output combines the
# parts.

errors = {
    name: [1 - model.score(X[unseen][y[unseen] == k], [k] * 250) for k in range(10)]
    for name, model in {"one-versus-all": linear, "network": net}.items()
}
fig, ax = plt.subplots(figsize=(7, 3.4), layout="constrained")
for shift, (name, shares) in zip((-0.2, 0.2), errors.items(), strict=True):
    ax.bar(np.arange(10) + shift, shares, width=0.4, label=name)
ax.set(
    title="Share of wrong predictions on unseen digits, for each digit",
    xlabel="digit",
    ylabel="share",
    xticks=range(10),
)
ax.legend()
plt.show()

# %%
# The ten classifiers get these digits wrong. The titles are the predictions of the
# network. Wrong predictions are in red, with the true digit in brackets. Some of these
# digits are hard for people too.

wrong = np.flatnonzero(linear.predict(X[unseen]) != y[unseen])[::11]
display = ImageGridDisplay.from_estimator(
    net, X[unseen][wrong], y[unseen][wrong], order="F", random_state=0
)
display.figure_.suptitle("Predictions of the network where one-versus-all is wrong")
plt.show()

# %%
# Exercises
# ---------
#
# **1.** How many weights do the ten classifiers have, and how many does the network
# have?
#
# .. dropdown:: Answer
#
#    10 * 401 = 4010, and 10285.
#
# **2.** Can a network with ``activation="identity"`` recognise more unseen digits than
# the ten classifiers?
#
# .. dropdown:: Answer
#
#    Hardly. Its outputs are linear in the pixels too, because the product of the two
#    matrices of weights is one matrix. Only the penalty differs. With
#    :math:`\lambda = 1` the network recognises more of the seen digits, and fewer of
#    the unseen.
#
# **3.** You train with the labels of the course's file, 1 to 10, in the file's order.
# Then you compare the labels with ``argmax``. What accuracy do you get?
#
# .. dropdown:: Answer
#
#    About 0%: ``argmax`` counts from 0, so each right prediction is one too small. Add
#    1, or give the digit 0 the label 0.
#
# Next: :doc:`06_bias_variance`.
