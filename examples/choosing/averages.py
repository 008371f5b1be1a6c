"""
Average several networks
========================

Networks from different random weights end at different minima. The mean of their
probabilities has a log loss that is never above the mean of their log losses. This
example draws five networks and their average, for a small penalty and for the default.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_moons
from sklearn.ensemble import BaggingClassifier
from sklearn.inspection import DecisionBoundaryDisplay
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from sknn3 import ThreeLayerNNClassifier

# %%
# Two half moons overlap. We train on 200 points and test on 5000.

X, y = make_moons(5200, noise=0.35, random_state=0)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, train_size=200, stratify=y, random_state=0
)

# %%
# ``BaggingClassifier`` with ``bootstrap=False`` trains each network on all rows, from
# another seed. The thin lines are the boundaries of the networks, and the thick line is
# the boundary of the average. The titles have the log loss on the held-out points,
# for the networks as a mean.

figure, axes = plt.subplots(
    1, 2, figsize=(7, 4), layout="constrained", sharex=True, sharey=True
)
for ax, alpha in zip(axes, [0.001, "auto"], strict=True):
    average = BaggingClassifier(
        ThreeLayerNNClassifier(alpha=alpha, max_iter=5000, tol=1e-3),
        n_estimators=5,
        bootstrap=False,
        random_state=0,
    ).fit(X_train, y_train)
    for model, color, width in [
        *((net, "tab:blue", 0.8) for net in average.estimators_),
        (average, "black", 2.5),
    ]:
        DecisionBoundaryDisplay.from_estimator(
            model,
            X_train,
            response_method="predict_proba",
            class_of_interest=1,
            ax=ax,
            plot_method="contour",
            levels=[0.5],
            colors=color,
            linewidths=width,
        )
    ax.scatter(*X_train.T, c=y_train, cmap="PuOr", edgecolors="white", s=22)
    losses = [log_loss(y_test, n.predict_proba(X_test)) for n in average.estimators_]
    of_average = log_loss(y_test, average.predict_proba(X_test))
    ax.set(title=f"{alpha=}\nnetworks {np.mean(losses):.3f}, average {of_average:.3f}")
    print(f"{alpha=}: networks {np.round(losses, 3)}, average {of_average:.3f}")
plt.show()

# %%
# With the small penalty each network fits the noise in another way, and the average has
# a much lower log loss. With the default penalty the networks are nearly equal, and the
# average gains little here. Still, one network with the default penalty is better than
# the average with the small penalty. So choose the penalty first, then average:
# :doc:`the user guide </user_guide/averages>` shows how, and what it gains.
