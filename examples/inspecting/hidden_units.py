"""
See what hidden units look for
==============================

A hidden unit weighs the features, adds them up and squashes the sum. Its weights say
what it responds to: as an image where features are pixels, as a column of a heat map
where they are columns of a table.
:class:`~sknn3.display.HiddenUnitsDisplay` draws both.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknn3 import ThreeLayerNNClassifier
from sknn3.datasets import load_digits20
from sknn3.display import HiddenUnitsDisplay, ImageGridDisplay

# %%
# Pixels
# ------
# We train on half of the 5000 digits that come with the package. Their pixels are
# unrolled column by column, which ``order="F"`` tells the display.

X, y = load_digits20(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.5, stratify=y, random_state=0
)
net = ThreeLayerNNClassifier(alpha=3, tol=1e-3, random_state=0).fit(X_train, y_train)
print(f"accuracy on held-out digits: {net.score(X_test, y_test):.2%}")

HiddenUnitsDisplay.from_estimator(net, order="F")
plt.show()

# %%
# There is a tile for each of the 25 units, scaled to its own largest weight. Where it
# is red, ink drives the unit up; where it is blue, ink drives it down. The edges of the
# images are nearly empty in all digits, and the penalty keeps their weights small.
#
# :class:`~sknn3.display.ImageGridDisplay` shows what the network makes of digits that
# it has not seen: its mistakes in red, with the true class in parentheses. To see only
# mistakes, pass only mistakes.

wrong = net.predict(X_test) != y_test
ImageGridDisplay.from_estimator(
    net, X_test[wrong], y_test[wrong], order="F", random_state=0
)
plt.show()

# %%
# Columns of a table
# ------------------
# Features with names give a heat map: a row for each feature, a column for each unit.
# From a data frame the names come by themselves. Standardise the features first, lest
# the units in which they were measured decide how large the weights are.

wine = load_wine(as_frame=True)
net = ThreeLayerNNClassifier(8, random_state=0)
pipe = make_pipeline(StandardScaler(), net).fit(wine.data, wine.target)

HiddenUnitsDisplay.from_estimator(pipe)
plt.show()

# %%
# A row that is pale throughout is a feature that the network hardly uses; two columns
# that look alike are two units that do the same work.
