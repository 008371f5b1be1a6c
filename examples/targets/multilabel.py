"""
Give a sample several labels
============================

A sample may have several labels, or none: a film of two genres, an image of three
objects. Targets are then a matrix with a row for each sample, a column for each label
and 1 where it applies. Nothing else changes.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_multilabel_classification
from sklearn.metrics import f1_score, precision_recall_curve
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknn3 import ThreeLayerNNClassifier

# %%
# The data are like short texts, as counts of 30 words, with some of five topics each.

X, Y = make_multilabel_classification(
    2000, n_features=30, n_classes=5, n_labels=2, random_state=0
)
X_train, X_test, Y_train, Y_test = train_test_split(X, Y, random_state=0)
print("labels of the first samples:", *Y[:3], sep="\n")

# %%
# Each label has an output of its own, a sigmoid, and its probability says nothing of
# the others': rows need not add up to 1. ``predict`` takes what is above one half.

pipe = make_pipeline(
    StandardScaler(), ThreeLayerNNClassifier(alpha=10, tol=1e-3, random_state=0)
)
pipe.fit(X_train, Y_train)
probabilities = pipe.predict_proba(X_test)
with np.printoptions(precision=2, suppress=True):
    print(
        "probabilities:",
        probabilities[:3],
        "predicted:",
        pipe.predict(X_test)[:3],
        sep="\n",
    )
print(f"labels that are right: {np.mean(pipe.predict(X_test) == Y_test):.1%}")
print(
    f"samples with all labels right, which is score(): {pipe.score(X_test, Y_test):.1%}"
)

# %%
# Accuracy of a multilabel network is strict: a sample counts where every label is
# right.
#
# Thresholds
# ----------
# Probabilities let you choose for each label how much to report. Each curve runs from
# reporting little (left) to all (right); the dot is what ``predict`` reports.

figure, ax = plt.subplots(layout="constrained")
for label, (true, probability) in enumerate(
    zip(Y_test.T, probabilities.T, strict=True)
):
    precision, recall, thresholds = precision_recall_curve(true, probability)
    half = int(np.searchsorted(thresholds, 0.5))
    share = f"label {label}, in {Y_train[:, label].mean():.0%} of samples"
    ax.plot(recall, precision, marker="o", markevery=[half], label=share)
ax.set(xlabel="Recall", ylabel="Precision", xlim=(0, 1.02), ylim=(0, 1.02))
ax.legend(loc="lower left")
plt.show()

# %%
# Choose them on other data than you judge by: here on the training part, by F1.

grid = np.linspace(0.05, 0.95, 19)
training = pipe.predict_proba(X_train)
thresholds = [
    grid[np.argmax([f1_score(true, p > t) for t in grid])]
    for true, p in zip(Y_train.T, training.T, strict=True)
]
for name, t in [("one half", 0.5), ("of their own", np.array(thresholds))]:
    scores = f1_score(Y_test, probabilities > t, average=None)
    print(f"{name:<12} F1 of the labels", *(f"{score:.2f}" for score in scores))
