"""
Check a gradient, right and wrong
=================================

Backpropagation is easy to get nearly right.
:func:`~sknn3.gradient_check.check_gradient` compares a gradient with central
differences of the cost, component by component, and
:class:`~sknn3.display.GradientCheckDisplay` shows where they disagree.

We check the gradient of the package, and then a gradient with a common bug: it
penalises the biases along with the weights.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_wine
from sklearn.preprocessing import StandardScaler

from sknn3 import check_gradient
from sknn3.display import GradientCheckDisplay
from sknn3.network import cost_gradient, pack, random_weights, unpack

# %%
# A network with 13 inputs, 4 hidden units and 3 outputs is enough, at random weights. A
# large ``alpha`` makes errors in the penalty visible.

ALPHA = 30
X, y = load_wine(return_X_y=True)
X = StandardScaler().fit_transform(X)
sizes = n_features, n_hidden = X.shape[1], 4
params = pack(
    random_weights(n_features, n_hidden, random_state=0),
    random_weights(n_hidden, 3, random_state=1),
)


def right(params: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the cost and gradient that the estimator minimises."""
    return cost_gradient(params, X, y, hidden_layer_size=n_hidden, alpha=ALPHA)


check = check_gradient(right, params)
print(f"largest difference: {check.max_difference:.0e}")
GradientCheckDisplay.from_check(check)
plt.show()

# %%
# All points lie on the diagonal: the gradients agree but for rounding errors in the
# differences. A bug would cause differences larger by orders of magnitude.
#
# Now the gradient with the bug. Column 0 of each matrix holds the biases, which have no
# penalty.


def wrong(params: np.ndarray) -> tuple[float, np.ndarray]:
    """Penalise the biases as well."""
    cost, gradient = right(params)
    gradient = gradient.copy()
    for part, theta in zip(
        unpack(gradient, *sizes), unpack(params, *sizes), strict=True
    ):
        part[:, 0] += ALPHA / len(X) * theta[:, 0]
    return cost, gradient


check = check_gradient(wrong, params)
print(f"largest difference: {check.max_difference:.0e}")
GradientCheckDisplay.from_check(check)
plt.show()

# %%
# Some points are off the diagonal. They belong to the biases of both layers, so the bug
# is there. You can check any function that returns the cost and its gradient for a flat
# vector of parameters.
#
# The check also names the mistake if your function has the arguments of a course's
# practical: ``backprop(params, n_in, n_hidden, n_out, X, y, reg)``. Pass the arguments
# after ``params`` as ``args``, as you do to :func:`scipy.optimize.minimize`.


def backprop(params, n_in, n_hidden, n_out, X, y, reg):
    """Penalise the biases, and forget to divide by the number of samples."""
    cost, gradient = wrong(params)
    return cost, len(X) * gradient


Y = np.eye(3)[y]
check = check_gradient(backprop, params, args=(*sizes, 3, X, Y, ALPHA))
print(check)

# %%
# The diagnosis names the mistakes that give the same values. If the cost and the
# gradient have the same mistake, the differences do not show it. The check therefore
# compares the cost with the right cost too.
