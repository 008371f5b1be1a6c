"""
Explain predictions by derivatives
==================================

How does the probability of a class change if a feature changes a little? The answer is
a derivative. :meth:`~sknn3.ThreeLayerNNClassifier.input_gradients` computes it exactly.
:class:`~sknn3.display.FeatureEffectsDisplay` draws its mean and its spread over the
samples. We look at three kinds of wine, and compare with permutation importance and
partial dependence.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_wine
from sklearn.inspection import PartialDependenceDisplay, permutation_importance
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknn3 import ThreeLayerNNClassifier
from sknn3.display import FeatureEffectsDisplay

X, y = load_wine(return_X_y=True, as_frame=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
pipe = make_pipeline(StandardScaler(), ThreeLayerNNClassifier(alpha=1, random_state=0))
pipe.fit(X_train, y_train)
print(f"accuracy on held-out wines: {pipe.score(X_test, y_test):.2%}")

# %%
# Effects of the features
# -----------------------
# Each dot is the mean over the held-out wines, and each line contains 90% of them.
# Derivatives are per standard deviation of the feature. You can therefore compare
# proline, in hundreds, with hue, near 1.

FeatureEffectsDisplay.from_estimator(pipe, X_test, target=0)
plt.show()

# %%
# More proline, more alcohol and less alkaline ash make class 0 more likely. Most of the
# lines begin near 0: derivatives are small if the class of a wine is certain, and large
# if it is in doubt. Proanthocyanins hardly matter.
#
# One wine
# --------
# The display scales the samples first. To do so by hand, call the steps before the
# network. The derivatives are then per standard deviation of each feature. Divide them
# by the scales to get derivatives per unit of the raw feature.

scaler, net = pipe[:-1], pipe[-1]
names = scaler.get_feature_names_out()
gradients = net.input_gradients(scaler.transform(X_test))
print("samples, classes, features:", gradients.shape)

doubtful = np.argmin(pipe.predict_proba(X_test).max(axis=1))
print("probabilities:", pipe.predict_proba(X_test)[doubtful].round(2))
per_unit = gradients[doubtful] / scaler[-1].scale_
for i in np.argsort(-np.abs(gradients[doubtful, 0]))[:3]:
    print(f"{names[i]}: {per_unit[0, i]:+.4f} per unit for class 0")

# %%
# Beside permutation importance and partial dependence
# ----------------------------------------------------
# Permutation importance measures how much the log loss rises if a feature is shuffled.
# It has no direction and no spread over the samples, and needs the classes. Partial
# dependence is the mean prediction over the whole range of a feature.

importance = permutation_importance(
    pipe, X_test, y_test, scoring="neg_log_loss", n_repeats=10, random_state=0
).importances_mean
size = np.abs(gradients).mean(axis=(0, 1))

_, ax = plt.subplots(layout="constrained")
ax.scatter(size, importance)
for i in np.argsort(-size)[:4]:
    ax.text(size[i], importance[i], f"{X.columns[i]}  ", ha="right", va="center")
ax.set(xlabel="Mean absolute derivative, all classes", ylabel="Rise of the log loss")
plt.show()

# %%
# Here the two methods mostly agree. The thin lines of a partial dependence are single
# wines: steep where the wine is in doubt, flat where it is certain. The derivative is
# the slope of such a line at the wine's own value.

PartialDependenceDisplay.from_estimator(
    pipe, X_test, ["proline", "alcohol"], target=0, kind="both"
)
plt.show()

# %%
# :doc:`The user guide </user_guide/explanations>` says what each method is good for,
# and computes values close to SHAP values from derivatives.
