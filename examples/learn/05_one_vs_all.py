"""
5. One-versus-all, and a given network
======================================

Many courses classify the digits by logistic regression first: one classifier for each
digit. This page trains the ten classifiers in ten lines of NumPy, and by scikit-learn.
Then it predicts with a network whose weights are given, and compares both on digits
that they have not seen.
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

# On this page, budgets of passes end training by design.
warnings.simplefilter("ignore", ConvergenceWarning)

X, y = load_digits20(return_X_y=True)
n = len(X)
X1 = np.hstack([np.ones((n, 1)), X])

# %%
# Logistic regression
# -------------------
#
# A classifier for one digit, say 3, answers one question: is this a 3? It has a bias
# and a weight for each pixel, 401 numbers :math:`\theta`. Its output is one sigmoid,
# :math:`p = g(X_1 \theta)`: it is a network without a hidden layer. The cost is that of
# :doc:`02_cost`, for one output:
#
# .. math::
#
#    J(\theta) &= -\frac{1}{n} \sum_i \left( y_i \log p_i + (1 - y_i) \log (1 - p_i)
#       \right) + \frac{\lambda}{2n} \sum_{j \ge 1} \theta_j^2,
#    \\ \nabla J &= \frac{1}{n} \left( X_1^T (p - y)
#       + \lambda \, (0, \theta_1, \dots, \theta_{400}) \right) .
#
# The bias has no penalty. Far from 0, :math:`p` is rounded to 0 or 1, and its logarithm
# is infinite. So write the cost with :math:`z = X_1 \theta`: the mean of
# :math:`\log(1 + e^z) - y z`. ``np.logaddexp(0, z)`` computes the first term for all z.


def cost_and_gradient(
    theta: np.ndarray, X1: np.ndarray, t: np.ndarray, alpha: float
) -> tuple[float, np.ndarray]:
    """Compute the cost of logistic regression and its gradient."""
    z = X1 @ theta
    weights = np.append(0, theta[1:])
    cost = np.mean(np.logaddexp(0, z) - t * z) + alpha / 2 / len(t) * weights @ weights
    return cost, (X1.T @ (sigmoid(z) - t) + alpha * weights) / len(t)


# %%
# With all weights zero each output is 1/2, so the cost is log 2 = 0.693147. The norm of
# the gradient is 1.725663 for the digit 3.

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
# In Andrew Ng's course :math:`\lambda` is 0.1. After 50 iterations for each classifier,
# it reports 94.9% of the training digits. SciPy's L-BFGS gets further in 50 iterations:
# about 96%.

after_50 = one_vs_all(X1, y, 0.1, maxiter=50)
print(f"{accuracy(after_50, X1, y):.2%}")

# %%
# The same by scikit-learn
# ------------------------
#
# ``OneVsRestClassifier`` trains a copy of a classifier for each class. The ``C`` of
# ``LogisticRegression`` is :math:`1 / \lambda`: its objective is ours times
# :math:`n / \lambda`. With :math:`\lambda = 1` both have the accuracy 94.46%.
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
# The weights of a classifier, without the bias, are an image. Ink on red pixels speaks
# for the digit, and ink on blue pixels against it. The 0 has a blue centre, where a 0
# has no ink. Each classifier has only this one image to compare a digit with.

display = HiddenUnitsDisplay.from_data(Theta[:, 1:], order="F")
display.ax_.set_title("Weights of the ten classifiers, for the digits 0 to 9")
plt.show()

# %%
# A given network
# ---------------
#
# The next practical of many courses hands out the weights of a trained network, and
# asks for its predictions. A file ``ex3weights.mat`` or ``ex4weights.mat`` has the
# matrices ``Theta1``, shape (25, 401), and ``Theta2``, shape (10, 26). If you have it,
# replace the next cell by ``theta1, theta2 = read_weights("ex4weights.mat")``. That
# network recognises 97.52% of the digits.
#
# We may not distribute it, so this page makes such a file. It trains a network with 70
# passes, and writes its weights in the order of the course: the digit 0 is called "10"
# and comes last. :func:`~sknn3.datasets.read_weights` puts it first again, so that
# output *k* belongs to the digit *k*.

trained = ThreeLayerNNClassifier(25, alpha=1, max_iter=70, random_state=0).fit(X, y)
Theta2 = np.roll(trained.theta2_, -1, axis=0)  # rows for the digits 1 to 9, 0
with tempfile.TemporaryDirectory() as folder:
    weights_file = Path(folder) / "weights.mat"
    savemat(weights_file, {"Theta1": trained.theta1_, "Theta2": Theta2})
    theta1, theta2 = read_weights(weights_file)

# %%
# Forward propagation is that of :doc:`01_forward`, two products and two sigmoids. The
# network of this page recognises about 99% of the digits.

A1 = np.hstack([np.ones((n, 1)), sigmoid(X1 @ theta1.T)])
by_hand = sigmoid(A1 @ theta2.T)
_, P = forward(X, theta1, theta2)
print(f"{np.mean(by_hand.argmax(axis=1) == y):.2%}", np.allclose(by_hand, P))

# %%
# To have the network as an estimator, give its weights to ``fit``, with a budget of one
# pass. That pass evaluates the given weights and changes none. ``coefs_init`` and
# ``intercepts_init`` have the shapes of scikit-learn's ``MLPClassifier``: no biases
# among the weights, and the transpose. The rows of X do not matter as long as each
# digit is among them.

net = ThreeLayerNNClassifier(25, alpha=1, max_iter=1).fit(
    X[::500],
    y[::500],
    coefs_init=[theta1[:, 1:].T, theta2[:, 1:].T],
    intercepts_init=[theta1[:, 0], theta2[:, 0]],
)
print(np.allclose(net.theta1_, theta1), np.allclose(net.theta2_, theta2))
print(f"{net.score(X, y):.2%}", np.array_equal(net.predict(X), P.argmax(axis=1)))

# %%
# Now it has ``predict_proba`` and ``score``, works in pipelines, and can be saved. With
# a larger ``max_iter`` the same call continues the training from these weights.
#
# Which is better?
# ----------------
#
# The accuracy on training digits does not answer that. So train both on every other
# digit, and test them on the rest: the ten classifiers recognise about 89% of the
# unseen digits, and the network with 25 hidden units about 92%.

seen, unseen = slice(0, None, 2), slice(1, None, 2)
linear = OneVsRestClassifier(LogisticRegression(C=1, max_iter=1000))
linear.fit(X[seen], y[seen])
net = ThreeLayerNNClassifier(25, alpha=1, random_state=0).fit(X[seen], y[seen])
for name, model in {"one-versus-all": linear, "network": net}.items():
    scores = [model.score(X[part], y[part]) for part in (seen, unseen)]
    print("{:14}  seen {:5.1%}  unseen {:5.1%}".format(name, *scores))

# %%
# The network gains little on the 0, the 1 and the 6, which one image can describe. It
# gains several per cent on the 2, the 5, the 8 and the 9, whose shapes vary more. Its
# hidden units respond to parts of digits, and an output combines them.

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
# These are digits that the ten classifiers get wrong, with the predictions of the
# network. Wrong ones are in red, with the true digit in brackets. Some are hard for
# people too.

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
# **1.** How many weights have the ten classifiers, and how many has the network?
#
# .. dropdown:: Answer
#
#    10 * 401 = 4010, and 10285.
#
# **2.** Can a network with ``activation="identity"`` recognise more than the ten
# classifiers?
#
# .. dropdown:: Answer
#
#    Hardly. Its outputs are linear in the pixels too: two matrix products are one. Only
#    the penalty differs.
#
# **3.** You train with the labels of the course's file, 1 to 10, in the file's order,
# and compare ``argmax`` with them. What accuracy do you get?
#
# .. dropdown:: Answer
#
#    About 0%: ``argmax`` counts from 0, so each right prediction is one too small. Add
#    1, or call the digit 0 "0".
#
# Next: :doc:`06_bias_variance`.
