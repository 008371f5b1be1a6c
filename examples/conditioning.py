"""
Conditioning: two paths to the same minimum
===========================================

The minimiser works in coordinates that whiten the features and centre the activations
(``conditioning="auto"``). The cost and its minima stay the same. Only the path changes.
Two figures show by how much: for a network with one hidden unit, and for the digits.
"""

# %%
# A network with one hidden unit
# ------------------------------
#
# The network has two correlated features with means far from zero, and one hidden unit:
# five weights in all. The figure shows the cost as a function of the two hidden
# weights, minimised over the other three. A callback keeps the weights after each pass.
import warnings

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning

from sknn3 import ThreeLayerNNClassifier
from sknn3.datasets import load_digits20
from sknn3.network import cost_gradient, pack

# We compare fits after a given number of passes, so some end before they converge.
warnings.simplefilter("ignore", ConvergenceWarning)

rng = np.random.default_rng(0)
X = rng.normal(size=(300, 2)) @ [[1, 1], [0, 0.3]] + 3
y = (X @ [-1, 2] + rng.normal(0, 0.6, 300) > 3).astype(int)
ALPHA = 0.3


class Path:
    """Keep the two hidden weights after each pass."""

    def __init__(self):
        self.points = []

    def setup(self, estimator, context): ...

    def teardown(self, estimator, context): ...

    def on_fit_task_begin(self, estimator, context): ...

    def on_fit_task_end(self, estimator, context, *, fitted_estimator):
        if context.task_name == "pass":
            self.points.append(fitted_estimator.theta1_[0, 1:])


def path(conditioning):
    """Train from the same initial weights; return the path and the network."""
    seen = Path()
    clf = ThreeLayerNNClassifier(
        1, alpha=ALPHA, solver="lbfgs", conditioning=conditioning, tol=1e-4
    ).set_callbacks(seen)
    start = np.array([[3.0], [2.0]]), np.array([[3.0]])
    clf.fit(X, y, coefs_init=start, intercepts_init=[np.array([-15.0]), np.zeros(1)])
    return np.array(seen.points), clf


def lowest_cost(w, others):
    """Return the cost for two hidden weights, minimised over the other three."""

    def cost(others):
        b1, b2, v = others
        params = pack(np.array([[b1, *w]]), np.array([[b2, v]]))
        value, gradient = cost_gradient(params, X, y, hidden_layer_size=1, alpha=ALPHA)
        return value, gradient[[0, 3, 4]]

    return minimize(cost, others, jac=True, method="L-BFGS-B").fun


paths = {conditioning: path(conditioning) for conditioning in (None, "full")}
best = paths["full"][1]
others = best.theta1_[0, 0], *best.theta2_[0]
horizontal, vertical = np.linspace(-5, 4, 28), np.linspace(0, 8, 25)
landscape = np.array(
    [[lowest_cost((w1, w2), others) for w1 in horizontal] for w2 in vertical]
)

# %%
# The digits
# ----------
#
# There are 400 pixels. Adjacent pixels are correlated, and pixels at the border are
# nearly constant. The network has 25 units and ``alpha=1``, as in the practical.
digits, labels = load_digits20(return_X_y=True)
curves = {
    (solver, conditioning): ThreeLayerNNClassifier(
        25,
        alpha=1,
        solver=solver,
        conditioning=conditioning,
        max_iter=70,
        tol=0,
        random_state=0,
    )
    .fit(digits, labels)
    .loss_curve_
    for solver in ("tnc", "lbfgs")
    for conditioning in (None, "full")
}

# %%
# Both pictures
# -------------
NAMES = {None: "the weights themselves", "full": "conditioned"}
COLORS = {None: "tab:orange", "full": "tab:blue"}
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.8), layout="constrained")
levels = landscape.min() * 1.04 ** np.arange(0.5, 16)
left.contour(horizontal, vertical, landscape, levels, colors="0.75", linewidths=0.8)
for conditioning, (points, clf) in paths.items():
    name = NAMES[conditioning]
    left.plot(*points.T, "o-", ms=4, lw=1.2, color=COLORS[conditioning], label=name)
    print(f"{name}: {clf.n_iter_} passes, cost {clf.loss_:.6f}")
left.plot(*points[-1], "*", color="tab:red", ms=15, label="minimum")
left.plot(*points[0], "k.", ms=12, label="start")
left.set(xlabel="weight of feature 1", ylabel="weight of feature 2")
left.set_title("One hidden unit: the points of L-BFGS")
left.legend(loc="lower right")
for (solver, conditioning), curve in curves.items():
    style = "-" if solver == "lbfgs" else "--"
    label = f"{'L-BFGS' if solver == 'lbfgs' else 'TNC'}, {NAMES[conditioning]}"
    right.plot(range(1, 71), curve, style, color=COLORS[conditioning], label=label)
right.set(yscale="log", xlabel="passes over the data", ylabel="cost")
right.set_title("The digits, 400-25-10")
right.legend()
plt.show()

# %%
# In the left figure the conditioned path takes little more than half of the passes. For
# the digits, count the passes with conditioning until the cost is as low as after 70
# passes without it:
for solver in ("tnc", "lbfgs"):
    goal = curves[solver, None][-1]
    n_passes = 1 + np.argmax(np.array(curves[solver, "full"]) <= goal)
    print(f"{solver}: {n_passes}")
