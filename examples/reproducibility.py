"""
Compare fits to rows in another order
=====================================

Adding the same numbers in another order changes the last bits of a sum, and a solver
amplifies the difference. In float64 the package rounds the sums before the solver gets
them, so most fits are equal to the bit. This example compares float64 and float32.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sknn3 import ThreeLayerNNClassifier
from sknn3.datasets import load_digits20

# max_iter ends these fits before they converge, by design.
warnings.simplefilter("ignore", ConvergenceWarning)

# %%
# A fit with few passes is the beginning of a fit with more passes. So we train with
# several budgets, once with the digits in their order and once backwards.

X, y = load_digits20(return_X_y=True)
X, y = X[::4], y[::4]  # a quarter of the digits will do here
budgets = [1, 2, 5, 10, 20, 35, 50, 70, 100]


def differences(X: np.ndarray) -> list[float]:
    """Return the largest difference of the hidden weights after each budget."""
    found = []
    for budget in budgets:
        net = ThreeLayerNNClassifier(
            25, alpha=1, solver="lbfgs", max_iter=budget, tol=0, random_state=0
        )
        forwards = net.fit(X, y).theta1_
        backwards = net.fit(X[::-1].copy(), y[::-1]).theta1_
        found.append(float(np.abs(forwards - backwards).max()))
    return found


figure, ax = plt.subplots(layout="constrained")
for dtype, line in [("float32", "o-"), ("float64", "s--")]:
    found = differences(X.astype(dtype))
    print(dtype, *(f"{difference:.0e}" for difference in found))
    ax.plot(budgets, found, line, label=dtype)
ax.set_yscale("symlog", linthresh=1e-9)
ax.set(xlabel="Passes over the data", ylabel="Largest difference of a weight")
ax.legend()
plt.show()

# %%
# In float32 a difference of the last bits grows with the passes. In float64 the fits
# are equal to the bit. :doc:`The user guide </user_guide/reproducibility>` lists what
# else may change the bits. The accuracy in float32 hardly depends on the order:

X = X.astype("float32")
net = ThreeLayerNNClassifier(25, alpha=1, solver="lbfgs", random_state=0)
forwards = net.fit(X, y).score(X, y)
backwards = net.fit(X[::-1].copy(), y[::-1]).score(X, y)
print(f"accuracy on training digits: {forwards:.2%} and {backwards:.2%}")
