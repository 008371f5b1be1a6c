"""
Monitor a fit, and stop it by a callback
========================================

scikit-learn calls the methods of a callback at each pass of a fit, with a fitted
network. If a callback returns True, the fit ends and keeps the best weights so far.
scikit-learn has callbacks such as the progress bar ``sklearn.callback.ProgressBar``.
This example writes one.
"""

import warnings
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from sknn3 import ThreeLayerNNClassifier
from sknn3.datasets import load_digits20

# %%
# A callback is any object with these four methods. This one computes log loss, accuracy
# and mean confidence on held-out digits, and stops the fit when the log loss has not
# decreased for ``patience`` passes. ``context`` describes the task: a pass or the whole
# fit.


class StopOnLogLoss:
    """Stops a fit when the log loss on held-out samples no longer decreases."""

    def __init__(self, X: np.ndarray, y: np.ndarray, patience: int = 20) -> None:
        self.X, self.y, self.patience = X, y, patience
        self.losses, self.accuracies, self.confidences = [], [], []

    def setup(self, estimator: Any, context: Any) -> None:
        """Clear the lists, since clones of the network share this callback."""
        self.losses, self.accuracies, self.confidences = [], [], []

    def teardown(self, estimator: Any, context: Any) -> None:
        """Do nothing."""

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Do nothing."""

    def on_fit_task_end(
        self,
        estimator: Any,
        context: Any,
        *,
        fitted_estimator: Any,
    ) -> bool:
        """Keep the scores, and return True to stop."""
        if context.task_name != "pass":
            return False
        probabilities = fitted_estimator.predict_proba(self.X)
        right = fitted_estimator.classes_[probabilities.argmax(axis=1)] == self.y
        self.losses.append(log_loss(self.y, probabilities))
        self.accuracies.append(right.mean())
        self.confidences.append(probabilities.max(axis=1).mean())
        return len(self.losses) - np.argmin(self.losses) > self.patience


# %%
# ``on_fit_task_end`` gets the arguments that it names, here ``fitted_estimator``. It
# may also name ``X``, ``y`` and ``metadata``. Call ``set_callbacks`` before the fit.

X, y = load_digits20(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.6, stratify=y, random_state=0
)
watcher = StopOnLogLoss(X_test, y_test)
net = ThreeLayerNNClassifier(alpha=0.01, solver="lbfgs", random_state=0)
net.set_callbacks(watcher).fit(X_train, y_train)
best = int(np.argmin(watcher.losses))
print(f"ended by {net.stop_reason_} after {net.n_iter_} passes")
print(f"lowest log loss {watcher.losses[best]:.3f}, after {best + 1} passes")

# %%
figure, (upper, lower) = plt.subplots(
    2, figsize=(6.4, 5.5), layout="constrained", sharex=True
)
passes = np.arange(1, net.n_iter_ + 1)
upper.plot(passes, watcher.losses, marker="o", markevery=[best])
upper.set(ylabel="Log loss")
lower.plot(passes, watcher.accuracies, label="accuracy")
lower.plot(passes, watcher.confidences, "--", label="mean of the highest probability")
lower.set(xlabel="Passes over the data", ylabel="On held-out digits", ylim=(0, 1))
lower.legend()
plt.show()

# %%
# The log loss increases where the network becomes overconfident. Its accuracy still
# increases a little, so accuracy alone does not show this.
#
# A stopped fit keeps the weights with the lowest *training* cost so far. For the
# weights at the dot, fit again with that number of passes. The path is the same, since
# ``random_state`` is fixed.

# max_iter ends these fits before they converge, by design.
warnings.simplefilter("ignore", ConvergenceWarning)

again = clone(net).set_params(max_iter=best + 1).fit(X_train, y_train)
for name, fit in [("stopped", net), ("of the dot", again)]:
    loss = log_loss(y_test, fit.predict_proba(X_test))
    print(f"{name:<10}  log loss {loss:.3f}, accuracy {fit.score(X_test, y_test):.2%}")
