"""
3. Backpropagation
==================

The gradient has the derivative of the cost with respect to each of the 10285 weights.
You derive it, and add it to the cost in four lines. You check it against differences of
the cost, and against :func:`sknn3.network.cost_gradient`. Then the page shows three
common bugs, and what the check reports for each.
"""

from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np

from sknn3 import check_gradient
from sknn3.datasets import load_digits20
from sknn3.display import GradientCheckDisplay, HiddenUnitsDisplay
from sknn3.network import cost_gradient, pack, sigmoid, unpack

# sphinx_gallery_thumbnail_number = 3

X, y = load_digits20(return_X_y=True)
Y = np.eye(10)[y]
params = np.sin(np.arange(1, 10286)) / 10

# %%
# The error of an output
# ----------------------
#
# Follow one digit. Its raw output *o* becomes :math:`p = g(o)`, and costs
# :math:`\ell = -y \log p - (1 - y) \log(1 - p)`. The slope of the sigmoid is
# :math:`p\,(1 - p)`, so by the chain rule
#
# .. math::
#
#    \frac{\partial \ell}{\partial o}
#      &= \left(-\frac{y}{p} + \frac{1 - y}{1 - p}\right) p\,(1 - p)
#      \\ &= -y\,(1 - p) + (1 - y)\,p
#      \\ &= p - y .
#
# The slope of the sigmoid cancels. What remains is the error, prediction minus target.
# It does not vanish when the output is near 0 or 1 and wrong. For all digits at once,
#
# .. math:: D_2 = P - Y, \qquad \text{shape } (5000, 10).
#
# The error of a hidden unit
# --------------------------
#
# Hidden unit *j* feeds all ten outputs, :math:`o_k = b_{2k} + \sum_j W_{2,kj}\, a_j`.
# Its error is the sum of their errors, weighted by the same weights, times the slope
# :math:`a_j (1 - a_j)` of the unit's sigmoid:
#
# .. math::
#
#    \frac{\partial \ell}{\partial z_j}
#      &= \Big(\sum_k d_{2k}\, W_{2,kj}\Big)\, a_j (1 - a_j),
#    \\ D_1 &= (D_2\, W_2) \circ A \circ (1 - A),
#
# with the shape (5000, 25); :math:`\circ` multiplies number by number, ``*`` in NumPy.
#
# Here :math:`W_2`, shape (10, 25), is ``theta2`` *without* its column 0. That column
# belongs to the constant 1, which has no inputs and needs no error.
#
# From errors to gradients
# ------------------------
#
# A weight multiplies its input, so its derivative is the error at its end times the
# input at its start, and the mean over the digits is one product for each layer:
#
# .. math::
#
#    G_2 &= \tfrac{1}{n} D_2^T A_1 + \tfrac{\lambda}{n} [0 \mid W_2],
#    \\ G_1 &= \tfrac{1}{n} D_1^T X_1 + \tfrac{\lambda}{n} [0 \mid W_1] .
#
# The shapes: (10, 5000) by (5000, 26) makes (10, 26), and (25, 5000) by (5000, 401)
# makes (25, 401). A gradient has the shape of its matrix of weights. If yours has
# another shape, transpose it. The second terms are the derivatives of the penalty: the
# derivative of :math:`\lambda w^2 / 2n` is :math:`\lambda w / n`. Column 0 has no
# penalty.


def cost_and_gradient(
    params: np.ndarray, X: np.ndarray, Y: np.ndarray, h: int, alpha: float
) -> tuple[float, np.ndarray]:
    """Compute the cost and its packed gradient, by hand."""
    n, d = X.shape
    theta1, theta2 = unpack(params, d, h)
    X1 = np.hstack([np.ones((n, 1)), X])
    A = sigmoid(X1 @ theta1.T)
    A1 = np.hstack([np.ones((n, 1)), A])
    P = sigmoid(A1 @ theta2.T)
    V1, V2 = theta1.copy(), theta2.copy()  # what is penalised
    V1[:, 0] = V2[:, 0] = 0
    J = np.sum(-Y * np.log(P) - (1 - Y) * np.log(1 - P)) / n
    J += alpha / (2 * n) * (np.sum(V1**2) + np.sum(V2**2))

    D2 = P - Y
    D1 = D2 @ theta2[:, 1:] * A * (1 - A)
    G2 = (D2.T @ A1 + alpha * V2) / n
    G1 = (D1.T @ X1 + alpha * V1) / n
    return J, pack(G1, G2)


# %%
# For the sine and :math:`\lambda = 0` you must get, beside the cost 6.865120, a
# gradient of norm 3.374197 whose entries sum to 53.3122. Its first entry (a bias) is
# -0.003642 and its last (a weight) 0.189204. With :math:`\lambda = 1` the norm is
# 3.374200, the first entry the same, and the last 0.189193.

for alpha in (0, 1):
    J, gradient = cost_and_gradient(params, X, Y, h=25, alpha=alpha)
    norm = np.linalg.norm(gradient)
    print(f"cost {J:.6f}  norm {norm:.6f}  sum {gradient.sum():.4f}")
    print(f"  first {gradient[0]:.6f}  last {gradient[-1]:.6f}")
    theirs = cost_gradient(params, X, y, hidden_layer_size=25, alpha=alpha)
    print("  cost agrees:", np.isclose(J, theirs[0]))
    print("  gradient agrees:", np.allclose(gradient, theirs[1]))

# %%
# You can check one entry by hand. The derivative with respect to the bias of output *k*
# is the mean of its errors: the mean output minus the share of the digit, 1/10. For the
# digit 0 that is 0.383800, entry 10025.
#
# If you number the labels 1 to 9, 0 as the practical's file does, your norm for
# :math:`\lambda = 0` is 3.373880, the sum 53.3168, the first entry -0.003414 and the
# last 0.187212.
#
# The gradient of a hidden unit has an entry for each pixel, so you can draw it as an
# image. A step of training goes against the gradient. It decreases the weights of the
# red pixels and increases the weights of the blue ones.

G1, G2 = unpack(gradient, 400, 25)
HiddenUnitsDisplay.from_data(G1[:, 1:], order="F")
plt.show()

# %%
# The gradient check
# ------------------
#
# A derivation can be wrong, and so can code. So compare the gradient with the
# definition of a derivative: change one weight in both directions, and compute the
# costs,
#
# .. math::
#
#    \frac{\partial J}{\partial \theta_i} \approx
#    \frac{J(\theta_i + \varepsilon) - J(\theta_i - \varepsilon)}{2 \varepsilon},
#
# with :math:`\varepsilon = 10^{-4}`. This takes two costs for each weight, so use a
# small network: 3 inputs, 5 hidden units, 3 outputs, 5 samples and 38 weights, all made
# of sines. The matrices are filled column by column, as in the practical, so you get
# the figures that it prints.


def sines(n_rows: int, n_columns: int) -> np.ndarray:
    """Make a matrix that looks random and is not."""
    values = np.sin(np.arange(1, n_rows * n_columns + 1)) / 10
    return values.reshape(n_rows, n_columns, order="F")


small_params = pack(sines(5, 4), sines(3, 6))
samples, targets = sines(5, 3), np.eye(3)[[1, 2, 0, 1, 2]]


def differences(
    cost: Callable[[np.ndarray], float],
    params: np.ndarray,
    epsilon: float = 1e-4,
) -> np.ndarray:
    """Estimate the gradient from costs alone."""
    gradient = np.empty_like(params)
    for i in range(len(params)):
        nudge = np.zeros_like(params)
        nudge[i] = epsilon
        change = cost(params + nudge) - cost(params - nudge)
        gradient[i] = change / (2 * epsilon)
    return gradient


# %%
# The small network's cost is 2.100951 for :math:`\lambda = 0` and 2.146360 for
# :math:`\lambda = 3`; in both, entries 0 and 4 of the gradient are -0.009278 and
# 0.008899. The two gradients must differ by less than 1e-9.


def small_cost(params: np.ndarray, alpha: float = 3) -> tuple[float, np.ndarray]:
    """Compute the cost and gradient of the small network."""
    return cost_and_gradient(params, samples, targets, h=5, alpha=alpha)


for alpha in (0, 3):
    J, analytic = small_cost(small_params, alpha)
    numeric = differences(lambda p, a=alpha: small_cost(p, a)[0], small_params)
    print(f"cost {J:.6f}  entries {analytic[[0, 4]].round(6)}")
    print(f"  largest difference {np.abs(analytic - numeric).max():.0e}")

# %%
# :func:`~sknn3.gradient_check.check_gradient` does the same. Without a function, it
# checks the gradient of the package on this network. With a function, it checks yours.

check = check_gradient(alpha=3)
print(np.allclose(check.analytic, analytic))
print(np.allclose(check.numeric, numeric))

check = check_gradient(small_cost, small_params)
print(check)

# %%
# :class:`~sknn3.display.GradientCheckDisplay` draws it. On the left all components lie
# on the diagonal, analytic equals numeric. On the right their differences are far below
# the tolerance, near what rounding allows.

GradientCheckDisplay.from_check(check)
plt.show()

# %%
# Three bugs
# ----------
#
# **The biases are penalised in the gradient.** Most components are right. The wrong
# ones are 0, 4, 8, 12, 16 and 20, 26, 32: the column 0 of both matrices, 4 and 6
# numbers wide.


def biases_penalised(params: np.ndarray) -> tuple[float, np.ndarray]:
    """Make the bug."""
    J, gradient = small_cost(params)
    G1, G2 = unpack(gradient, 3, 5)  # views
    theta1, theta2 = unpack(params, 3, 5)
    G1[:, 0] += 3 / len(samples) * theta1[:, 0]
    G2[:, 0] += 3 / len(samples) * theta2[:, 0]
    return J, gradient


GradientCheckDisplay.from_check(check_gradient(biases_penalised, small_params))
plt.show()

# %%
# If the cost penalises the biases as well, the check passes: the gradient is then right
# for the wrong cost. Only the cost itself shows the bug: 2.160166 instead of 2.146360.
#
# **The 1/n is missing.** All components are wrong, but they lie on a straight line:
# each is the right one times the number of samples, 5.


def not_divided(params: np.ndarray) -> tuple[float, np.ndarray]:
    """Make the bug."""
    J, gradient = small_cost(params)
    return J, len(samples) * gradient


GradientCheckDisplay.from_check(check_gradient(not_divided, small_params))
plt.show()

# %%
# **The slope of the hidden units is missing.** Components 20 to 37, those of the output
# layer, are right; all of the hidden layer are wrong. They are too large by a factor of
# about 4, because the slope near 0 is 1/4. (Here :math:`\lambda` is 0, to show this bug
# alone.)


def no_slope(params: np.ndarray) -> tuple[float, np.ndarray]:
    """Make the bug."""
    J, gradient = small_cost(params, alpha=0)
    theta1, theta2 = unpack(params, 3, 5)
    ones = np.ones((len(samples), 1))
    X1 = np.hstack([ones, samples])
    A1 = np.hstack([ones, sigmoid(X1 @ theta1.T)])
    D2 = sigmoid(A1 @ theta2.T) - targets
    gradient[:20] = (D2 @ theta2[:, 1:]).T.dot(X1).ravel() / len(samples)
    return J, gradient


GradientCheckDisplay.from_check(check_gradient(no_slope, small_params))
plt.show()

# %%
# Let the check name the bug
# --------------------------
#
# If your function has the arguments of the practical, pass only the function. The check
# knows the right cost and gradient of its small network, and the values that some forty
# usual mistakes give. Here is the function of this page with two bugs: it penalises the
# biases in the gradient, and forgets the slope of the hidden units.


def backprop(params, n_in, n_hidden, n_out, X, y, reg):
    """Make two bugs; y is a one-hot matrix."""
    n = len(X)
    theta1, theta2 = unpack(params, n_in, n_hidden)
    X1 = np.hstack([np.ones((n, 1)), X])
    A1 = np.hstack([np.ones((n, 1)), sigmoid(X1 @ theta1.T)])
    P = sigmoid(A1 @ theta2.T)
    J = np.sum(-y * np.log(P) - (1 - y) * np.log(1 - P)) / n
    J += reg / (2 * n) * (np.sum(theta1[:, 1:] ** 2) + np.sum(theta2[:, 1:] ** 2))

    D2 = P - y
    D1 = D2 @ theta2[:, 1:]
    G1, G2 = D1.T @ X1 / n, D2.T @ A1 / n
    return J, pack(G1 + reg / n * theta1, G2 + reg / n * theta2)


check = check_gradient(backprop)
print(check.diagnosis)

# %%
# Fix both, and the check names no mistake:


def mended(params, n_in, n_hidden, n_out, X, y, reg):
    """Pass the practical's arguments to the function of this page."""
    return cost_and_gradient(params, X, y, n_hidden, reg)


check = check_gradient(mended)
print(check.diagnosis, check.max_difference < 1e-9)

# %%
# If your function takes labels from 1 in place of a one-hot matrix, add
# ``targets="labels"``. To check it on other data, pass what the minimiser gets:
# ``check_gradient(backprop, params, args=(n_in, n_hidden, n_out, X, y, reg))``.
#
# Other bugs raise an error instead. *Operands could not be broadcast together with
# shapes (5,6) (5,5)* comes from passing errors back through the whole of ``theta2``:
# leave out column 0.
#
# What the check does not find
# ----------------------------
#
# The differences compare the gradient with the cost. They do not find a wrong cost:
# labels off by one, transposed images, ones on the wrong side, or a sum instead of a
# mean in *both* all pass. With the practical's function the check prints the right cost
# beside yours, and names such a bug in the function. It cannot see a bug in your data.
# Compare your figures with the figures on these pages.
#
# The gradient is a sum over rows
# -------------------------------
#
# :math:`D^T X_1` is a sum over digits, and no other step combines different digits. So
# you can compute the gradients of two halves separately, and add them. The package cuts
# the data into blocks that way, for several threads, for files larger than memory, and
# for a cluster.

_, whole = cost_and_gradient(params, X, Y, h=25, alpha=0)
_, first = cost_and_gradient(params, X[:2000], Y[:2000], h=25, alpha=0)
_, rest = cost_and_gradient(params, X[2000:], Y[2000:], h=25, alpha=0)
print(np.allclose(whole, (2000 * first + 3000 * rest) / 5000))

# %%
# Exercises
# ---------
#
# **1.** Check your gradient with 10 digits (``X[::500]``), 2 hidden units and the
# weights ``np.sin(np.arange(1, 833)) / 10``. How many costs does that take?
#
# .. dropdown:: Answer
#
#    ``check_gradient(lambda p: cost_and_gradient(p, X[::500], Y[::500], 2, 1), ...)``
#    computes 2 * 832 = 1664 costs, and one for the gradient itself. The largest
#    difference is far below 1e-8, with the cost 7.162897.
#
# **2.** Why not a smaller :math:`\varepsilon`? Try 1e-2, 1e-4, ... 1e-12 with
# ``differences``.
#
# .. dropdown:: Answer
#
#    The formula is off by about :math:`\varepsilon^2`, so at first smaller is better.
#    But costs are rounded to about 1e-16 of themselves, and that error is divided by
#    :math:`\varepsilon`: at 1e-12 only some three places of the gradient are left. The
#    best is near 1e-5.
#
# **3.** Let the hidden units be :math:`\tanh`. Which two lines change?
#
# .. dropdown:: Answer
#
#    ``A = np.tanh(X1 @ theta1.T)``, and its slope: ``A * (1 - A)`` becomes ``1 -
#    A**2``. Compare with ``cost_gradient(..., activation="tanh")``.
#
# Next: :doc:`04_training`.
