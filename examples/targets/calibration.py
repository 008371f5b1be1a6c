"""
Know when to trust probabilities
================================

A network that says 80% should be right in 80 of 100 such cases. Whether it is, depends
on the penalty: one trained with hardly any is too sure, one with too much is too
modest. This example chooses ``alpha`` by log loss, which asks for honest probabilities,
and looks at what comes of it on held-out digits, beside other classifiers.
"""

import warnings

import matplotlib.pyplot as plt
from sklearn.calibration import CalibrationDisplay
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from sknn3 import ThreeLayerNNClassifierCV
from sknn3.datasets import load_digits20

# The refit of a search ends with the budget that was chosen, MLPClassifier's with its
# default.
warnings.simplefilter("ignore", ConvergenceWarning)

# %%
# We train on 1000 digits, so that one in ten is mistaken, and judge by 4000.

X, y = load_digits20(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, train_size=1000, stratify=y, random_state=0
)


def searched(output_activation: str) -> ThreeLayerNNClassifierCV:
    """Make a network that chooses its penalty and budget by log loss."""
    return ThreeLayerNNClassifierCV(
        alphas=[0.1, 0.5, 2],
        max_iters=[20, 60],
        cv=3,
        scoring="neg_log_loss",
        solver="lbfgs",
        output_activation=output_activation,
        random_state=0,
    )


classifiers = {
    "sknn3, logistic": searched("logistic"),
    "sknn3, softmax": searched("softmax"),
    "MLPClassifier()": MLPClassifier(random_state=0),
    "LogisticRegression()": LogisticRegression(max_iter=1000),
}

# %%
# Confidence against accuracy
# ---------------------------
# The highest probability of a digit is how sure a classifier is of its answer. We sort
# digits by it into eight bins of equal size, and compare with the share of right
# answers in each. Points below the diagonal: too sure. Above it: too modest.

figure, ax = plt.subplots(figsize=(6.4, 6), layout="constrained")
print("classifier            log loss  Brier score  accuracy  mean confidence")
for (name, classifier), marker in zip(classifiers.items(), "osD^", strict=True):
    with threadpool_limits(1):  # on data so small, threads of BLAS wait for each other
        probabilities = classifier.fit(X_train, y_train).predict_proba(X_test)
    confidence = probabilities.max(axis=1)
    right = classifier.classes_[probabilities.argmax(axis=1)] == y_test
    print(
        f"{name:<20}  {log_loss(y_test, probabilities):>8.3f}  "
        f"{brier_score_loss(y_test, probabilities):>11.3f}  {right.mean():>8.1%}  "
        f"{confidence.mean():>15.1%}"
    )
    CalibrationDisplay.from_predictions(
        right,
        confidence,
        n_bins=8,
        strategy="quantile",
        name=name,
        ax=ax,
        marker=marker,
    )
ax.set(
    xlabel="Confidence: mean of the highest probability",
    ylabel="Share of right answers",
    xlim=(0.4, 1.01),
    ylim=(0.4, 1.01),
    aspect="equal",
)
plt.show()

# %%
for name in ["sknn3, logistic", "sknn3, softmax"]:
    print(name, classifiers[name].best_params_)

# %%
# What to take from it
# --------------------
# - ``MLPClassifier``, whose default ``alpha`` is next to none, is the surest, more so
#   than it is right. That costs it log loss, though it errs no more often than the
#   others.
# - With ``alpha`` chosen by log loss, softmax comes near the diagonal.
# - A sigmoid for each class, our default, divided by their sum, is a little modest:
#   what each of the ten leaves over for its class adds up.
# - The penalty that is best for accuracy need not be the best for probabilities. If you
#   use them, search with ``scoring="neg_log_loss"``, and draw this picture on data that
#   the search has not seen.
