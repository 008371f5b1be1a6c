"""A three-layer neural network classifier for scikit-learn."""

from sknn3.classifier import ThreeLayerNNClassifier
from sknn3.classifier_cv import ThreeLayerNNClassifierCV
from sknn3.gradient_check import check_gradient

__all__ = [
    "TRUSTED_TYPES",
    "ThreeLayerNNClassifier",
    "ThreeLayerNNClassifierCV",
    "__version__",
    "check_gradient",
]

# Types that skops must trust to load these estimators.  A splitter, a scorer or a
# callback is another type; everything else is arrays, numbers and strings.
TRUSTED_TYPES = [
    f"{cls.__module__}.{cls.__qualname__}"
    for cls in (ThreeLayerNNClassifier, ThreeLayerNNClassifierCV)
]

__version__ = "0.1.0.dev0"
