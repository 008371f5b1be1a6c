"""
2. The cost
===========

The cost is one number that measures how wrong the network is, and a penalty keeps its
weights small. At the end, your function and :func:`sknn3.network.cost_gradient` return
the same cost. A list of wrong costs names the mistake behind each.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.preprocessing import LabelBinarizer

from sknn3.datasets import load_digits20
from sknn3.network import cost_gradient, forward, sigmoid, unpack

digits = load_digits20()
X, y = digits.data, digits.target
n = len(X)
params = np.sin(np.arange(1, 10286)) / 10
theta1, theta2 = unpack(params, n_features=400, hidden_layer_size=25)

# %%
# Targets of the outputs
# ----------------------
#
# Ten outputs need ten targets. Row *i* of *Y*, shape (5000, 10), is 1 in the column of
# its digit and 0 elsewhere: a row of the identity matrix. scikit-learn's
# ``LabelBinarizer`` makes the same.

Y = np.eye(10)[y]
print(Y[2500])
print(np.array_equal(Y, LabelBinarizer().fit_transform(y)))

# %%
# The cost of one output
# ----------------------
#
# An output *p* is the network's probability that the answer is yes. If it is yes (*y* =
# 1), the cost is :math:`-\log p`. If it is no (*y* = 0), the cost is :math:`-\log(1 -
# p)`. A certain right answer costs 0, an output of 1/2 costs log 2, and the cost of a
# wrong answer has no upper bound. In one formula:
#
# .. math:: \ell(p, y) = -y \log p - (1 - y) \log(1 - p).

p = np.linspace(0.005, 0.995, 199)
fig, ax = plt.subplots(figsize=(6, 3.2), layout="constrained")
ax.plot(p, -np.log(p), label="the answer is yes (y = 1)")
ax.plot(p, -np.log(1 - p), "--", label="the answer is no (y = 0)")
ax.set_xlabel("output p")
ax.set_ylabel("cost")
ax.legend()
plt.show()

# %%
# The cost of the network
# -----------------------
#
# Add up the ten outputs of each digit, and take the mean over the digits:
#
# .. math::
#
#    J = \frac{1}{n} \sum_{i=1}^{n} \sum_{k=1}^{10} \ell(p_{ik}, y_{ik}),
#    \qquad n = 5000.


def cost_by_hand(
    X: np.ndarray, Y: np.ndarray, theta1: np.ndarray, theta2: np.ndarray
) -> float:
    """Compute the mean cost of a sample, without penalty."""
    ones = np.ones((len(X), 1))
    A = sigmoid(np.hstack([ones, X]) @ theta1.T)
    P = sigmoid(np.hstack([ones, A]) @ theta2.T)
    return np.sum(-Y * np.log(P) - (1 - Y) * np.log(1 - P)) / len(X)


# %%
# You can compute one figure without a computer: with all weights zero each output is
# 1/2, so the cost is 10 log 2 = 6.931472. The sine of the last page costs 6.865120.
# With the practical's ``ex4weights.mat`` it is 0.287629.

J = cost_by_hand(X, Y, theta1, theta2)
print(f"{cost_by_hand(X, Y, 0 * theta1, 0 * theta2):.6f} {J:.6f}")

# %%
# :func:`~sknn3.network.cost_gradient` returns the cost and its gradient, which is the
# subject of the next page. It takes the digits or *Y*.

for target in (y, Y):
    J_theirs, _ = cost_gradient(params, X, target, hidden_layer_size=25)
    print(f"{J_theirs:.6f}", np.isclose(J, J_theirs, rtol=1e-12))

# %%
# The penalty
# -----------
#
# A network with 10285 weights can overfit 5000 digits. To prevent that, add the squares
# of the weights to the cost, times a factor :math:`\lambda`, which the package calls
# ``alpha`` as scikit-learn does:
#
# .. math::
#
#    J_\lambda = J + \frac{\lambda}{2n}
#       \left(\lVert W_1 \rVert^2 + \lVert W_2 \rVert^2\right).
#
# :math:`W_1` and :math:`W_2` are ``theta1`` and ``theta2`` without column 0, the
# biases, which have no penalty. Large weights make the output change sharply with the
# inputs. A bias only shifts the place of the change. Even a network without inputs
# needs its biases: set each output to 1/10, the share of its digit, and the cost is
# :math:`-10\,(0.1 \log 0.1 + 0.9 \log 0.9)` = 3.250830 instead of 6.931472.


def penalty_by_hand(alpha: float, theta1: np.ndarray, theta2: np.ndarray) -> float:
    """Compute the penalty of the weights without the biases."""
    squares = np.sum(theta1[:, 1:] ** 2) + np.sum(theta2[:, 1:] ** 2)
    return alpha / (2 * n) * squares


# %%
# For the sine and :math:`\lambda = 1` the penalty is 0.005125, and the cost 6.870245.
# For :math:`\lambda = 3` the cost is 6.880496. With ``ex4weights.mat`` it is 0.383770
# for :math:`\lambda = 1` and 0.576051 for :math:`\lambda = 3`: those weights are
# larger.

for alpha in (1, 3):
    penalty = penalty_by_hand(alpha, theta1, theta2)
    J_theirs, _ = cost_gradient(params, X, y, hidden_layer_size=25, alpha=alpha)
    print(f"{penalty:.6f} {J + penalty:.6f}", np.isclose(J_theirs, J + penalty))

# %%
# What goes wrong
# ---------------
#
# Did you not get 6.865120, or 6.870245 with the penalty? Look for your cost in this
# list. It has the costs of the most common mistakes.

_, P = forward(X, theta1, theta2)
ones = np.ones((n, 1))
yes, no = -Y * np.log(P), -(1 - Y) * np.log(1 - P)
penalty = penalty_by_hand(1, theta1, theta2)


def cost_of(P: np.ndarray, Y: np.ndarray = Y) -> float:
    """Compute the cost of outputs."""
    return -np.sum(Y * np.log(P) + (1 - Y) * np.log(1 - P)) / n


ones_last = np.hstack([sigmoid(np.hstack([X, ones]) @ theta1.T), ones])
no_biases = sigmoid(X @ theta1[:, 1:].T)
no_sigmoid = np.hstack([ones, np.hstack([ones, X]) @ theta1.T])
row_by_row = digits.images.reshape(n, 400)
column_by_column = (
    params[:10025].reshape(25, 401, order="F"),
    params[10025:].reshape(10, 26, order="F"),
)

mistakes = {
    "not divided by n": np.sum(yes + no),
    "np.mean, over the outputs too": np.mean(yes + no),
    "no charge where y = 0": np.sum(yes) / n,
    "ones on the right": cost_of(sigmoid(ones_last @ theta2.T)),
    "no biases": cost_of(sigmoid(no_biases @ theta2[:, 1:].T)),
    "no sigmoid in the hidden layer": cost_of(sigmoid(no_sigmoid @ theta2.T)),
    "weights column by column": cost_of(forward(X, *column_by_column)[1]),
    "images row by row": cost_of(forward(row_by_row, theta1, theta2)[1]),
    "labels 1 to 9, 0": cost_of(P, np.eye(10)[(y - 1) % 10]),
}
mistakes_of_penalty = {
    "biases penalised": J + np.sum(params**2) / (2 * n),
    "the half forgotten": J + 2 * penalty,
    "penalty not divided by n": J + n * penalty,
}
for right, wrong in ((J, mistakes), (J + penalty, mistakes_of_penalty)):
    print(f"\n{right:12.6f}  right")
    for name, cost in wrong.items():
        print(f"{cost:12.6f}  {name}")

# %%
# Three remarks:
#
# - Penalised biases are hard to see, 6.870263 beside 6.870245: 35 numbers among 10285.
#   The check of the gradient on the next page finds them at once.
# - "Labels 1 to 9, 0" is no mistake if you intend it: it is the order of the
#   practical's file, which calls the digit 0 "10". In that order the cost is 6.871914,
#   and with the penalty 6.877039. But with untrained weights the cost hardly depends on
#   the labels, so it does not show wrong labels well. :doc:`04_training` has a better
#   check.
# - The error *index 10 is out of bounds for axis 0 with size 10* means that labels 1 to
#   10 were used as columns 0 to 9. If you subtract 1 from the *digits* 0 to 9, there is
#   no error: -1 is the last column, and output *k* belongs to the digit *k* + 1.
#
# Exercises
# ---------
#
# **1.** Which of the ten outputs of the sine's network costs the most, and how much?
#
# .. dropdown:: Answer
#
#    ``np.sum(yes + no, axis=0) / n`` sums to the cost, 6.865120. The largest entry is
#    0.7264, for the digit 4.
#
# **2.** A raw output (before the sigmoid) is 40, and the answer is no. What should that
# cost, and what does your formula give?
#
# .. dropdown:: Answer
#
#    About 40. But in floating point g(40) is 1, and log(1 - 1) is minus infinity. For
#    raw outputs *o* the same cost is :math:`\log(1 + e^o) - y\,o`: in NumPy,
#    ``np.logaddexp(0, o) - y * o``, which is 40. The package computes it that way.
#
# **3.** Multiply all the sine's weights, without the biases, by 10. How does the
# penalty for :math:`\lambda = 1` change?
#
# .. dropdown:: Answer
#
#    It grows by the square, from 0.005125 to 0.5125.
#
# Next: :doc:`03_backpropagation`.
