"""
Train on features of different units
====================================

The wines of scikit-learn have features with standard deviations from 0.1 to 314. Most
solvers converge slowly on such features. The solvers of this package work in
coordinates that adapt to the scales, so training on raw features takes the same path as
on standardised ones. But the penalty depends on the units of the features. Standardise
them if ``alpha`` is large.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import cross_val_score
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknn3 import ThreeLayerNNClassifier

# max_iter ends these fits before they converge, by design.
warnings.simplefilter("ignore", ConvergenceWarning)

wine = load_wine()
X, y = wine.data, wine.target
for place in np.argsort(X.std(axis=0))[[0, 1, -2, -1]]:
    print(f"{wine.feature_names[place]:<22} {X[:, place].std():>6.2f}")

# %%
# The path does not depend on units
# ---------------------------------
# Both estimators minimise the same cost here, with L-BFGS: 25 logistic units, softmax,
# and a small ``alpha``. ``max_fun`` of ``MLPClassifier`` and ``max_iter`` of
# ``ThreeLayerNNClassifier`` both limit the evaluations of cost and gradient.

ALPHA = 0.1
budgets = np.unique(np.geomspace(1, 300, 20).astype(int))


def cost_of_ours(X: np.ndarray, n_passes: int) -> float:
    """Return the cost of ThreeLayerNNClassifier after `n_passes` passes."""
    net = ThreeLayerNNClassifier(
        25,
        output_activation="softmax",
        alpha=ALPHA,
        solver="lbfgs",
        max_iter=n_passes,
        tol=0,
        random_state=0,
    )
    return net.fit(X, y).loss_


def cost_of_mlp(X: np.ndarray, n_passes: int) -> float:
    """Return the cost of MLPClassifier after `n_passes` evaluations."""
    net = MLPClassifier(
        25,
        activation="logistic",
        alpha=ALPHA,
        solver="lbfgs",
        max_fun=n_passes,
        max_iter=n_passes,
        tol=0,
        random_state=0,
    )
    return net.fit(X, y).loss_


Z = StandardScaler().fit_transform(X)
figure, ax = plt.subplots(layout="constrained")
for color, cost in [("C0", cost_of_ours), ("C1", cost_of_mlp)]:
    name = {cost_of_ours: "ThreeLayerNNClassifier", cost_of_mlp: "MLPClassifier"}[cost]
    for features, data, style in [("raw", X, "-"), ("standardised", Z, "--")]:
        costs = [cost(data, int(n)) for n in budgets]
        ax.plot(
            budgets, costs, color=color, linestyle=style, label=f"{name}, {features}"
        )
        print(f"{name:<22} {features:<12} after {budgets[-1]} passes: {costs[-1]:.3f}")
ax.set(xscale="log", yscale="log", xlabel="Passes over the data", ylabel="Cost")
ax.legend()
plt.show()

# %%
# The cost of ``ThreeLayerNNClassifier`` decreases at about the same rate for raw and
# standardised features. The cost of ``MLPClassifier`` on raw features is much higher
# even after hundreds of passes.
#
# The penalty depends on units
# ----------------------------
# A feature with a standard deviation of 314 needs only a tiny weight, with a small
# penalty. One with a standard deviation of 0.1 needs a large weight, with a large
# penalty. The figure shows the contribution of each feature for a large ``alpha``: the
# norm of its weights times its standard deviation.

nets = {
    name: ThreeLayerNNClassifier(alpha=10, tol=1e-3, random_state=0).fit(data, y)
    for name, data in [("raw", X), ("standardised", Z)]
}
used = {
    "raw": np.linalg.norm(nets["raw"].coefs_[0], axis=1) * X.std(axis=0),
    "standardised": np.linalg.norm(nets["standardised"].coefs_[0], axis=1),
}
order = np.argsort(X.std(axis=0))
figure, axes = plt.subplots(
    1, 2, figsize=(8, 4), layout="constrained", sharex=True, sharey=True
)
for ax, (name, lengths) in zip(axes, used.items(), strict=True):
    ax.barh(range(len(order)), (lengths / lengths.sum())[order])
    ax.set(title=name, xlabel="Share of the weights")
axes[0].set_yticks(range(len(order)), [wine.feature_names[j] for j in order])
figure.suptitle("Features by standard deviation, largest on top")
plt.show()

# %%
# The network on raw features mainly uses the features with large values, whether or not
# they are the most informative. This also affects the accuracy on held-out wines:

print("alpha    raw  in a pipeline with StandardScaler")
for alpha in [0.1, 1, 10, 30]:
    net = ThreeLayerNNClassifier(alpha=alpha, max_iter=500, tol=1e-3, random_state=0)
    raw = cross_val_score(net, X, y).mean()
    scaled = cross_val_score(make_pipeline(StandardScaler(), net), X, y).mean()
    print(f"{alpha:>5}  {raw:.1%}  {scaled:.1%}")

# %%
# With a far too large penalty, raw features give a higher accuracy, since the penalty
# hardly affects the features with large values.
#
# Put ``StandardScaler()`` before the network. Then ``alpha`` has the same effect on
# each feature.
