"""
Handwritten digits from start to end
====================================

This script trains a scikit-learn pipeline with a network of 25 hidden units on 4000
digits, and tests it on 1000 others. Then it repeats the experiments of a well-known
practical on backpropagation, with the settings of the practical and with the start and
the conditioning of this package.
"""

# %%
# The data
# --------
#
# The package contains 5000 images of 20 x 20 pixels, 500 of each digit. A row of
# ``data`` holds the pixels column by column, hence ``order="F"`` in the figures below.
import os
import sys
import warnings
from pathlib import Path
from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import ConfusionMatrixDisplay
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from sknn3 import ThreeLayerNNClassifier, check_gradient
from sknn3.datasets import load_digits20
from sknn3.display import HiddenUnitsDisplay, ImageGridDisplay, LossCurveDisplay

output = Path(sys.argv[0]).parent / "output"  # for the figures
output.mkdir(exist_ok=True)

digits = load_digits20()
print(f"{len(digits.data)} digits of 20 x 20 pixels")
ImageGridDisplay.from_data(digits.images, random_state=0)
plt.savefig(output / "digits.png")
plt.show()

# %%
# Training
# --------
#
# First compare the gradient with differences of the cost:
check = check_gradient(alpha=3)
print(f"largest difference of the gradients: {check.max_difference:.0e}")

# %%
# Four fifths of the digits are for training. A pass is one evaluation of cost and
# gradient over all of them. The practical trains 25 hidden units with lambda 1, here
# ``alpha=1``, and uses 70 passes. With ``tol=0`` training uses all of them, and warns
# that it has not converged. We ignore this warning.
warnings.simplefilter("ignore", ConvergenceWarning)

X_train, X_test, y_train, y_test = train_test_split(
    digits.data, digits.target, test_size=0.2, stratify=digits.target, random_state=0
)
net = ThreeLayerNNClassifier(
    25, alpha=1, max_iter=70, tol=0, random_state=0, verbose=True
)
pipe = make_pipeline(MinMaxScaler(), net)
start = perf_counter()
pipe.fit(X_train, y_train)
print(f"trained on {len(X_train)} digits in {perf_counter() - start:.2f} s")

# %%
# The lowest cost after each pass:
print(f"cost {net.loss_:.4f}")
LossCurveDisplay.from_estimator(net)
plt.savefig(output / "loss_curve.png")
plt.show()

# %%
# Accuracy
# --------
print(f"accuracy on digits it was trained on  {pipe.score(X_train, y_train):.2%}")
print(f"accuracy on others                    {pipe.score(X_test, y_test):.2%}")
_, ax = plt.subplots(figsize=(6, 5.5), layout="constrained")
ConfusionMatrixDisplay.from_estimator(
    pipe, X_test, y_test, cmap="Blues", colorbar=False, ax=ax
)
plt.savefig(output / "confusions.png")
plt.show()

# %%
# Twelve wrong predictions, in red, and twelve right ones:
right = pipe.predict(X_test) == y_test
some = np.r_[np.flatnonzero(~right)[:12], np.flatnonzero(right)[:12]]
ImageGridDisplay.from_estimator(
    pipe, X_test[some], y_test[some], order="F", random_state=0
)
plt.savefig(output / "predictions.png", dpi=120)
plt.show()

# %%
# The weights of the hidden units. Ink on a red pixel increases the activation of the
# unit. Ink on a blue pixel decreases it.

# sphinx_gallery_thumbnail_number = 5
HiddenUnitsDisplay.from_estimator(net, order="F")
plt.savefig(output / "hidden_units.png", dpi=120)
plt.show()

# %%
# The practical's experiments
# ---------------------------
#
# The practical reports the training accuracy on all digits from one random start, for
# values of lambda (``alpha``) and numbers of evaluations of the cost. Its settings are
# 25 hidden units, initial weights between -0.12 and 0.12, and TNC without conditioning.
# The last two columns of the table are means over three random starts: with the
# settings of the practical, and with the start and the conditioning of this package.
experiment = {"hidden_layer_size": 25, "solver": "tnc", "tol": 0}
start_of_practical = {"init_epsilon": 0.12, "conditioning": None}
print("training accuracy: reported, ours with the practical's settings, ours")
print("lambda  evaluations  the practical  its settings   ours")
for alpha, n_passes, reported in [
    (1, 70, 0.9386),
    (1, 10, 0.1000),
    (0, 10, 0.6384),
    (20, 70, 0.8936),
]:
    means = [
        np.mean(
            [
                ThreeLayerNNClassifier(
                    alpha=alpha,
                    max_iter=n_passes,
                    random_state=seed,
                    **experiment,
                    **start,
                )
                .fit(digits.data, digits.target)
                .score(digits.data, digits.target)
                for seed in range(3)
            ]
        )
        for start in (start_of_practical, {})
    ]
    print(
        f"{alpha:>6}  {n_passes:>11}  {reported:>13.2%}  "
        f"{means[0]:>12.2%}  {means[1]:>6.2%}"
    )

print(f"Pictures are in {os.path.relpath(output)}")
