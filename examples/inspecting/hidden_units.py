"""
Plot the weights of hidden units
================================

A hidden unit applies its activation to a weighted sum of the features. The weights show
which features it responds to. They form an image if the features are pixels, and a
column of a heat map if the features are columns of a table.
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
# unrolled column by column, hence ``order="F"`` for the display.

X, y = load_digits20(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, test_size=0.5, stratify=y, random_state=0
)
net = ThreeLayerNNClassifier(25, alpha=3, random_state=0).fit(X_train, y_train)
print(f"accuracy on held-out digits: {net.score(X_test, y_test):.2%}")

HiddenUnitsDisplay.from_estimator(net, order="F")
plt.show()

# %%
# There is a tile for each of the 25 units, scaled to its largest weight. Ink on a red
# pixel increases the activation of the unit; ink on a blue pixel decreases it. The
# pixels at the edges are nearly empty in all digits, and the penalty keeps their
# weights small.
#
# :class:`~sknn3.display.ImageGridDisplay` shows predictions for held-out digits:
# mistakes are red, with the true class in parentheses. Here we pass only the mistakes.

wrong = net.predict(X_test) != y_test
ImageGridDisplay.from_estimator(
    net, X_test[wrong], y_test[wrong], order="F", random_state=0
)
plt.show()

# %%
# Columns of a table
# ------------------
# Features with names give a heat map: a row for each feature, a column for each unit.
# The network takes the names from a data frame. Standardise the features first:
# otherwise the size of a weight depends on the unit of its feature.

wine = load_wine(as_frame=True)
net = ThreeLayerNNClassifier(8, random_state=0)
pipe = make_pipeline(StandardScaler(), net).fit(wine.data, wine.target)

HiddenUnitsDisplay.from_estimator(pipe)
plt.show()

# %%
# A pale row is a feature with little influence on the hidden units. Two similar columns
# are two units that respond to the same features.
