"""
Choose the penalty alpha
========================

``alpha`` is the strength of the penalty on the weights. With a small ``alpha`` the
network overfits. With a large ``alpha`` its decision boundary is nearly linear. This
example draws both cases in two dimensions, and chooses ``alpha`` on held-out data.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_moons
from sklearn.exceptions import ConvergenceWarning
from sklearn.inspection import DecisionBoundaryDisplay
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from sknn3 import ThreeLayerNNClassifier

# %%
# Two half moons overlap, so no boundary separates them. We train on 200 points and test
# on 2000.

X, y = make_moons(2200, noise=0.35, random_state=0)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, train_size=200, stratify=y, random_state=0
)


def fitted(alpha: float | str) -> ThreeLayerNNClassifier:
    """Train a network until it converges, with this penalty."""
    net = ThreeLayerNNClassifier(alpha=alpha, max_iter=5000, tol=1e-3, random_state=0)
    return net.fit(X_train, y_train)


# %%
# Boundaries
# ----------
# The colour shows the probability of class 1. On the line it is one half. The
# percentage is the accuracy on the held-out points.

figure, axes = plt.subplots(
    2, 2, figsize=(7, 6), layout="constrained", sharex=True, sharey=True
)
for ax, alpha in zip(axes.flat, [0.001, 0.1, 1, 10], strict=True):
    net = fitted(alpha)
    shades = DecisionBoundaryDisplay.from_estimator(
        net,
        X_train,
        response_method="predict_proba",
        class_of_interest=1,
        ax=ax,
        plot_method="pcolormesh",
        cmap="PuOr",
        vmin=0,
        vmax=1,
        alpha=0.7,
    )
    ax.contour(shades.xx0, shades.xx1, shades.response, [0.5], colors="black")
    ax.scatter(*X_train.T, c=y_train, cmap="PuOr", edgecolors="white", s=22)
    ax.set(
        title=f"alpha {alpha:g}: {net.score(X_test, y_test):.1%}", xlabel="", ylabel=""
    )
figure.colorbar(shades.surface_, ax=axes, label="Probability of class 1", shrink=0.7)
plt.show()

# %%
# With a small penalty the boundary curves around single points, and the probabilities
# are near 0 or 1 even close to it. With a large penalty the boundary is straight, and
# no probability is near 0 or 1.
#
# Log loss over alpha
# -------------------
# Accuracy depends only on the side of the boundary on which a point lies. Log loss
# depends on the probabilities, and is more sensitive to ``alpha``. With an ``alpha``
# above 20, the outputs are the same for all points. Such a fit emits a
# ConvergenceWarning, which we ignore here.

warnings.simplefilter("ignore", ConvergenceWarning)
alphas = np.logspace(-3, 2, 16)
nets = [fitted(alpha) for alpha in alphas]
train = [log_loss(y_train, net.predict_proba(X_train)) for net in nets]
test = [log_loss(y_test, net.predict_proba(X_test)) for net in nets]
best = int(np.argmin(test))
print(
    f"lowest log loss on held-out points: {test[best]:.3f} at alpha {alphas[best]:.2g}"
)
print(f"at alpha 0.001: {test[0]:.3f}, though {train[0]:.3f} on training points")
auto = fitted("auto")
auto_loss = log_loss(y_test, auto.predict_proba(X_test))
print(f"alpha='auto' chooses {auto.alpha_:.2g}: {auto_loss:.3f}")

figure, ax = plt.subplots(layout="constrained")
ax.plot(alphas, train, label="training points")
ax.plot(alphas, test, label="held-out points", marker="o", markevery=[best])
ax.plot(auto.alpha_, auto_loss, "kx", label="alpha='auto'")
ax.set(xscale="log", xlabel="alpha", ylabel="Log loss", ylim=0)
ax.legend()
plt.show()

# %%
# The gap between the curves is a measure of overfitting. The dot marks the best
# ``alpha``. The default, ``alpha="auto"``, chooses one by the training data alone
# (:doc:`how </user_guide/penalty>`), here with nearly as low a loss. Cross-validation
# finds a good one without a test set: :class:`~sknn3.ThreeLayerNNClassifierCV` tries a
# range of ``alphas``. Begin with factors of 10, and continue with factors of 3 around
# the best.
