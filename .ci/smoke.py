"""What an installed sknn3 does without extras: load its digits, and train."""

import sknn3
from sknn3.datasets import load_digits20

assert "site-packages" in sknn3.__file__, sknn3.__file__
X, y = load_digits20(return_X_y=True)
assert X.shape == (5000, 400)
assert abs(X.sum() - 262678.26015968184) < 1e-6
clf = sknn3.ThreeLayerNNClassifier(tol=1e-3, random_state=0).fit(X, y)
accuracy = clf.score(X, y)
assert accuracy > 0.95, accuracy
print(f"sknn3 {sknn3.__version__} loads its digits and trains: accuracy {accuracy}")
