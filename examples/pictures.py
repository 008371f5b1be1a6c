"""Draw every display once: digits, hidden units, loss curves and gradient checks.

Hidden units are drawn twice, as images for the digits and as a heat map for a table of
wines, whose features have names; gradients are checked twice, right and with a bug.
Pictures are written beside this script, or where ``--output`` says::

    python examples/pictures.py
    python examples/pictures.py --output pictures --style dark_background
"""

import argparse
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_wine
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknn3 import ThreeLayerNNClassifier, check_gradient
from sknn3.datasets import load_digits20
from sknn3.display import (
    GradientCheckDisplay,
    HiddenUnitsDisplay,
    ImageGridDisplay,
    LossCurveDisplay,
)
from sknn3.network import cost_gradient, pack, random_weights, unpack

# Of the network whose gradient is checked: a penalty that one can see.
ALPHA = 30
HIDDEN_LAYER_SIZE = 4


def main() -> None:
    """Draw all of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "output")
    parser.add_argument("--style", default="default", help="of matplotlib")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    plt.style.use(arguments.style)
    for draw in (draw_digits, draw_wines, draw_loss_curves, draw_gradient_checks):
        for name, display in draw().items():
            path = arguments.output / f"{name}.png"
            display.figure_.savefig(path, dpi=100)
            plt.close(display.figure_)
            print(f"wrote {path}")


def draw_digits() -> dict[str, Any]:
    """Draw images: what a network takes digits for, and what its units look for."""
    digits = load_digits20()
    train, rest = slice(0, None, 2), slice(1, None, 2)
    net = ThreeLayerNNClassifier(alpha=3, tol=1e-3, random_state=0)
    net.fit(digits.data[train], digits.target[train])
    return {
        "images": ImageGridDisplay.from_estimator(
            net, digits.data[rest], digits.target[rest], order="F", random_state=0
        ),
        "hidden_units_images": HiddenUnitsDisplay.from_estimator(net, order="F"),
    }


def draw_wines() -> dict[str, Any]:
    """Draw a table: the weights of standardised features, by name."""
    wine = load_wine()
    net = ThreeLayerNNClassifier(8, random_state=0)
    pipe = make_pipeline(StandardScaler(), net).fit(wine.data, wine.target)
    # Trained on a frame, the pipeline would know the names by itself.
    display = HiddenUnitsDisplay.from_estimator(pipe, feature_names=wine.feature_names)
    return {"hidden_units_table": display}


def draw_loss_curves() -> dict[str, Any]:
    """Draw both solvers on the same axes, with the scores that stopped them."""
    X, y = load_digits20(return_X_y=True)
    ax = None
    for solver in ("tnc", "lbfgs"):
        net = ThreeLayerNNClassifier(
            alpha=0.1, solver=solver, early_stopping=True, random_state=0
        )
        display = LossCurveDisplay.from_estimator(net.fit(X, y), name=solver, ax=ax)
        ax = display.ax_
    return {"loss_curves": display}


def draw_gradient_checks() -> dict[str, Any]:
    """Draw a gradient that is right, and one that penalises the biases too."""
    X, Y = load_wine(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    sizes = X.shape[1], HIDDEN_LAYER_SIZE

    def right(params: np.ndarray) -> tuple[float, np.ndarray]:
        return cost_gradient(
            params, X, Y, hidden_layer_size=HIDDEN_LAYER_SIZE, alpha=ALPHA
        )

    def wrong(params: np.ndarray) -> tuple[float, np.ndarray]:
        cost, gradient = right(params)
        gradient = gradient.copy()
        for part, theta in zip(
            unpack(gradient, *sizes), unpack(params, *sizes), strict=True
        ):
            part[:, 0] += ALPHA / len(X) * theta[:, 0]  # column 0 should go free
        return cost, gradient

    params = pack(
        random_weights(*sizes, random_state=0),
        random_weights(HIDDEN_LAYER_SIZE, 3, random_state=1),
    )
    displays = {}
    for cost_function in (right, wrong):
        check = check_gradient(cost_function, params)
        name = cost_function.__name__
        print(f"gradient that is {name}: off by {check.max_difference:.0e} at most")
        displays[f"gradient_{name}"] = GradientCheckDisplay.from_check(check)
    return displays


if __name__ == "__main__":
    main()
