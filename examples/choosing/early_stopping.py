"""
Stop early, or penalise
=======================

A network that trains for too long overfits: it learns the noise of its training data.
Either you stop training when the loss on held-out data no longer decreases, or you
increase ``alpha`` until further training does no harm. This example measures both on
digits. A fifth of their labels are wrong.
"""

import warnings
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from sknn3 import ThreeLayerNNClassifier
from sknn3.datasets import load_digits20
from sknn3.display import LossCurveDisplay

# Some fits here have tol=0, so that max_iter ends them.
warnings.simplefilter("ignore", ConvergenceWarning)

X, y = load_digits20(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, train_size=2000, stratify=y, random_state=0
)
rng = np.random.default_rng(0)
mislabelled = rng.random(len(y_train)) < 0.2
y_train[mislabelled] = rng.integers(0, 10, mislabelled.sum())

# %%
# Observe overfitting
# -------------------
# ``fit`` takes validation data, and ``validation_loss_curve_`` has the loss on it after
# each pass. Here these samples are the test digits. Their labels are right, and the
# network is not trained on them.


def network(**settings: Any) -> ThreeLayerNNClassifier:
    """Make a network with the parameters that all fits here share."""
    return ThreeLayerNNClassifier(
        solver="lbfgs", output_activation="softmax", random_state=0, **settings
    )


fits: dict[str, ThreeLayerNNClassifier] = {}
ax = None
for name, alpha in [("hardly a penalty", 0.01), ("penalised", 3)]:
    net = network(alpha=alpha, max_iter=100, tol=0)
    fits[name] = net.fit(X_train, y_train, X_val=X_test, y_val=y_test)
    label = f"{name}, alpha {alpha}"
    ax = LossCurveDisplay.from_estimator(net, name=label, ax=ax).ax_
    on_test = net.validation_loss_curve_
    lowest = int(np.argmin(on_test))
    print(
        f"{name:<17} lowest on test digits after {lowest + 1:>3} passes: "
        f"{on_test[lowest]:.3f}, after 100: {on_test[-1]:.3f}"
    )
plt.show()

# %%
# With a small penalty, the test loss is lowest after a few passes (the dot). Later
# passes fit the wrong labels. With a larger penalty, later passes do no harm.
#
# Early stopping
# --------------
# ``early_stopping=True`` holds out a part of the training data and computes the
# loss on it after each step of the solver. Training stops when this loss has not
# decreased for ``n_iter_no_change`` steps. The network **keeps the weights with the
# lowest loss**, not the last ones. The dot marks them.

fits["stopped early"] = network(
    alpha=0.01, early_stopping=True, validation_fraction=0.2
).fit(X_train, y_train)
LossCurveDisplay.from_estimator(fits["stopped early"], name="alpha 0.01")
plt.show()

fits["the default"] = network().fit(X_train, y_train)
print(f"alpha='auto' chose {fits['the default'].alpha_:.2f}")

# %%
# Results
# -------

print("network            passes  log loss  accuracy on test digits")
for name, net in fits.items():
    loss = log_loss(y_test, net.predict_proba(X_test))
    print(
        f"{name:<17}  {net.n_iter_:>6}  {loss:>8.3f}  {net.score(X_test, y_test):.2%}"
    )

# %%
# Early stopping improves a fit whose ``alpha`` is too small, and takes the fewest
# passes. But it cannot train on the held-out digits. A suitable penalty does better
# here and uses all data. The default, ``alpha="auto"``, chooses one by the data. A
# :ref:`search <sphx_glr_examples_choosing_grid_search.py>` may find a better one.
