"""Pictures: matplotlib Displays in scikit-learn's manner.

Matplotlib is imported when something is drawn, not before: ``pip install
sknn3[plot]`` brings it.
"""

from sknn3.display._gradient_check import GradientCheckDisplay
from sknn3.display._hidden_units import HiddenUnitsDisplay
from sknn3.display._images import ImageGridDisplay
from sknn3.display._loss_curve import LossCurveDisplay

__all__ = [
    "GradientCheckDisplay",
    "HiddenUnitsDisplay",
    "ImageGridDisplay",
    "LossCurveDisplay",
]
