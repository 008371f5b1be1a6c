"""
Calibration of probabilities
============================

Of the samples that get a probability of 80%, about 80% should belong to the predicted
class. The penalty decides: with a small one a network is overconfident, with a large
one underconfident. This example chooses ``alpha`` by log loss, which punishes both
faults, and compares the network with other classifiers on held-out digits.
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

# The refit of a search ends after the chosen number of passes, and MLPClassifier after
# its default number of iterations.
warnings.simplefilter("ignore", ConvergenceWarning)

# %%
# We train on 1000 digits, so that the error is about one in ten, and test on 4000.

X, y = load_digits20(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, train_size=1000, stratify=y, random_state=0
)


def searched(output_activation: str) -> ThreeLayerNNClassifierCV:
    """Return a search over penalty and number of passes by log loss."""
    return ThreeLayerNNClassifierCV(
        alphas=[0.1, 0.5, 2],
        max_iters=[20, 60],
        cv=3,
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
# The confidence of a prediction is its highest probability. We sort the digits by
# confidence into eight bins of equal size, and compare the mean confidence of each bin
# with its share of right answers. Points below the diagonal are overconfident, points
# above it underconfident.

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
# Conclusions
# -----------
# - ``MLPClassifier`` has a very small default ``alpha``, and is the most overconfident.
#   This increases its log loss, although its accuracy is no lower than that of the
#   others.
# - With ``alpha`` chosen by log loss, softmax is close to the diagonal.
# - Logistic outputs, our default, are divided by their sum and are a little
#   underconfident: the small outputs of the nine other classes add up.
# - The penalty that is best for accuracy need not be the best for probabilities. If you
#   use probabilities, search by log loss, the default, and draw this figure on
#   data that the search has not used.
