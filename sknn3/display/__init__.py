"""Displays: plots of images, hidden units, effects, losses and gradient checks.

Displays follow scikit-learn's Display API.  They import matplotlib when they plot.
``pip install sknn3[plot]`` installs matplotlib.
"""

from sknn3.display._feature_effects import FeatureEffectsDisplay
from sknn3.display._gradient_check import GradientCheckDisplay
from sknn3.display._hidden_units import HiddenUnitsDisplay
from sknn3.display._images import ImageGridDisplay
from sknn3.display._loss_curve import LossCurveDisplay

__all__ = [
    "FeatureEffectsDisplay",
    "GradientCheckDisplay",
    "HiddenUnitsDisplay",
    "ImageGridDisplay",
    "LossCurveDisplay",
]
