"""
Weigh classes that are rare
===========================

If one class is rare, a network that nearly always predicts the other class has a low
cost. Weights shift the boundary towards the common class. The recall of the rare class
increases, and its precision decreases. The best choice depends on the costs of a miss
and of a false alarm.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_blobs
from sklearn.inspection import DecisionBoundaryDisplay
from sklearn.metrics import precision_score, recall_score
from sklearn.model_selection import train_test_split

from sknn3 import ThreeLayerNNClassifier

# %%
# Of 4000 points, one in twenty is of class 1, and the classes overlap. We train on a
# quarter of them.

X, y = make_blobs(
    [3800, 200], centers=[(0, 0), (2.2, 0.8)], cluster_std=[1.2, 0.8], random_state=0
)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, train_size=0.25, stratify=y, random_state=0
)

# %%
# We compare three weightings of the samples:
#
# - no weights: each sample has the weight 1;
# - ``class_weight="balanced"``: all classes have the same total weight; a dict would
#   give a weight for each class;
# - ``sample_weight`` of ``fit``: a weight for each sample. Here a miss costs four times
#   as much as a false alarm.

settings = {
    "unweighted": ({}, None),
    "miss costs 4 (sample_weight)": ({}, np.where(y_train == 1, 4.0, 1.0)),
    "balanced (class_weight)": ({"class_weight": "balanced"}, None),
}
figure, axes = plt.subplots(
    1, 3, figsize=(10, 4), layout="constrained", sharex=True, sharey=True
)
print("weights                       recall  precision  misses  false alarms")
for ax, (name, (parameters, weights)) in zip(axes, settings.items(), strict=True):
    net = ThreeLayerNNClassifier(10, random_state=0, **parameters)
    net.fit(X_train, y_train, sample_weight=weights)
    predicted = net.predict(X_test)
    recall = recall_score(y_test, predicted)
    precision = precision_score(y_test, predicted)
    misses = np.sum((y_test == 1) & (predicted == 0))
    alarms = np.sum((y_test == 0) & (predicted == 1))
    print(f"{name:<28}  {recall:>6.1%}  {precision:>9.1%}  {misses:>6}  {alarms:>12}")
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
    ax.scatter(
        *X_train.T, c=y_train, cmap="PuOr", edgecolors="white", s=22, linewidths=0.5
    )
    ax.set(
        title=f"{name}\nrecall {recall:.0%}, precision {precision:.0%}",
        xlabel="",
        ylabel="",
    )
figure.colorbar(shades.surface_, ax=axes, label="Probability of class 1", shrink=0.8)
plt.show()

# %%
# Weights change the probabilities too: a weighted network estimates probabilities for a
# population in which the classes have the weighted frequencies. If you need
# probabilities for the original frequencies, train without weights and change the
# threshold instead:

net = ThreeLayerNNClassifier(10, random_state=0)
rare = net.fit(X_train, y_train).predict_proba(X_test)[:, 1]
print(f"share of class 1: {y_test.mean():.1%}, mean probability: {rare.mean():.1%}")
for threshold in [0.5, 0.2, 0.05]:
    found = rare > threshold
    print(
        f"above {threshold:<4}  recall {recall_score(y_test, found):.1%}, "
        f"precision {precision_score(y_test, found):.1%}"
    )

# %%
# If a miss costs as much as four false alarms, the best threshold is 1 / (1 + 4):
# compare it with the network in the middle.
