"""
Search alpha and the number of passes
=====================================

The budget of passes, ``max_iter``, is a parameter to search like any other: a short one
is a second way to keep weights small. ``GridSearchCV`` searches any parameters of any
pipeline. :class:`~sknn3.ThreeLayerNNClassifierCV` searches these two in less time,
since a short path is the beginning of a long one.
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

# The budget is what is searched: that it ends a fit needs no warning.
warnings.simplefilter("ignore", ConvergenceWarning)

ALPHAS = [0.1, 1, 10]
PASSES = [10, 30, 70]
X, y = load_digits20(return_X_y=True)
X, y = X[::4], y[::4]  # a quarter of the digits will do here

# %%
# Any parameters of a pipeline
# ----------------------------
# ``n_jobs=-1`` would spread the fits over all cores. A fit uses them itself, so that on
# a small machine there is little to gain.

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
# The heat map shows whether the best candidate stands at an edge of the grid, which
# would say to search further, and whether its neighbours do as well, which would say
# that the choice is not critical.

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
# The score of the best candidate won a race, which may flatter it. Score it on other
# folds.

folds = StratifiedKFold(3, shuffle=True, random_state=0)
scores = cross_val_score(search.best_estimator_, X, y, cv=folds)
print(f"cross_val_score of the best: {scores.mean():.2%} +- {scores.std():.2%}")

# %%
# These two parameters alone
# --------------------------
# :class:`~sknn3.ThreeLayerNNClassifierCV` trains each alpha once in each fold, with the
# largest budget, and scores what the smaller ones would have given. It is a network
# itself, fitted with the best of them.

along_paths = ThreeLayerNNClassifierCV(
    alphas=ALPHAS, max_iters=PASSES, cv=3, random_state=0
)
start = perf_counter()
along_paths.fit(X, y)
print(f"the same candidates: {perf_counter() - start:.1f} s")
print(f"best: {along_paths.best_params_}, accuracy {along_paths.best_score_:.2%}")

# %%
# Its scores are those of a ``GridSearchCV`` over the network, to the bit. Those above
# are a little different since the pipeline scales the digits within each fold. Where
# what comes before the network matters, search the pipeline.
