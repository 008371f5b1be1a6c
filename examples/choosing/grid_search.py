"""
Search alpha and the number of passes
=====================================

Search ``alpha`` and ``max_iter`` together. A small number of passes keeps the weights
small, as a large ``alpha`` does. ``GridSearchCV`` searches any parameters of any
pipeline. :class:`~sknn3.ThreeLayerNNClassifierCV` searches only these two, in less
time, because a fit with few passes is the beginning of a fit with more passes.
"""

import warnings
from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler

from sknn3 import ThreeLayerNNClassifier, ThreeLayerNNClassifierCV
from sknn3.datasets import load_digits20

# max_iter ends these fits before they converge, by design.
warnings.simplefilter("ignore", ConvergenceWarning)

ALPHAS = [0.1, 1, 10]
PASSES = [20, 40, 70]
X, y = load_digits20(return_X_y=True)
X, y = X[::4], y[::4]  # a quarter of the digits will do here

# %%
# Any parameters of a pipeline
# ----------------------------
# ``n_jobs=-1`` would run the fits on all cores. A single fit already uses several
# threads, so on a small machine this saves little time.

pipe = Pipeline(
    [("scale", MinMaxScaler()), ("net", ThreeLayerNNClassifier(random_state=0))]
)
search = GridSearchCV(pipe, {"net__alpha": ALPHAS, "net__max_iter": PASSES}, cv=3)
start = perf_counter()
search.fit(X, y)
print(
    f"{len(ALPHAS) * len(PASSES)} candidates, 3 folds: {perf_counter() - start:.1f} s"
)
print(f"best: {search.best_params_}, accuracy {search.best_score_:.2%}")

# %%
# The best candidate is at the edge of 70 passes: a larger grid may have a better one.
# Its neighbours have similar scores, so the choice is not critical.

scores = search.cv_results_["mean_test_score"].reshape(len(ALPHAS), len(PASSES))
figure, ax = plt.subplots(figsize=(5, 4), layout="constrained")
image = ax.imshow(scores, cmap="viridis")
ax.set_xticks(range(len(PASSES)), PASSES)
ax.set_yticks(range(len(ALPHAS)), ALPHAS)
ax.set(xlabel="max_iter (passes)", ylabel="alpha", title="Accuracy, 3-fold")
middle = (scores.min() + scores.max()) / 2
for (row, column), score in np.ndenumerate(scores):
    color = "black" if score > middle else "white"
    ax.text(column, row, f"{score:.1%}", ha="center", va="center", color=color)
figure.colorbar(image, format="{x:.0%}")
plt.show()

# %%
# The best score of a search is optimistic, because it is the maximum over candidates.
# Score the best candidate on other folds:

folds = StratifiedKFold(3, shuffle=True, random_state=0)
scores = cross_val_score(search.best_estimator_, X, y, cv=folds)
print(f"cross_val_score of the best: {scores.mean():.2%} +- {scores.std():.2%}")

# %%
# These two parameters alone
# --------------------------
# :class:`~sknn3.ThreeLayerNNClassifierCV` trains each alpha once in each fold, with the
# largest number of passes, and scores the weights after each smaller number. It then
# fits the best candidate to all data, and predicts as a network does. Its default
# ``scoring`` is minus the log loss. The default of ``GridSearchCV`` is the accuracy.

along_paths = ThreeLayerNNClassifierCV(
    alphas=ALPHAS, max_iters=PASSES, cv=3, scoring="accuracy", random_state=0
)
start = perf_counter()
along_paths.fit(X, y)
print(f"the same candidates: {perf_counter() - start:.1f} s")
print(f"best: {along_paths.best_params_}, accuracy {along_paths.best_score_:.2%}")

# %%
# Its scores are equal to those of a ``GridSearchCV`` over the network, to the bit. The
# scores above are a little different, since the pipeline scales the digits within each
# fold. If preprocessing must be fitted within each fold, search the pipeline.
