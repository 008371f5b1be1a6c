"""
Give a sample several labels
============================

A film has two genres, an image shows three objects: a sample may have several labels,
or none. Pass the targets as a matrix with a row for each sample and a column for each
label. An entry is 1 if the sample has the label. Nothing else changes.
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
# Each label has a separate output, a sigmoid. The probabilities of a sample need not
# sum to 1. ``predict`` returns the labels with a probability above one half.

pipe = make_pipeline(StandardScaler(), ThreeLayerNNClassifier(alpha=10, random_state=0))
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
# The accuracy of a multilabel classifier is strict: a sample counts as right only if
# all its labels are right.
#
# Thresholds
# ----------
# With probabilities you can choose a threshold for each label. Each curve runs from
# high thresholds (left) to low ones (right). The dot is the threshold 0.5 of
# ``predict``.

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
# Do not choose thresholds on the test data. Here we choose them on the training data,
# by F1.

grid = np.linspace(0.05, 0.95, 19)
training = pipe.predict_proba(X_train)
thresholds = [
    grid[np.argmax([f1_score(true, p > t) for t in grid])]
    for true, p in zip(Y_train.T, training.T, strict=True)
]
for name, t in [("one half", 0.5), ("per label", np.array(thresholds))]:
    scores = f1_score(Y_test, probabilities > t, average=None)
    print(f"{name:<12} F1 of the labels", *(f"{score:.2f}" for score in scores))
