"""
The same objective as MLPClassifier
===================================

With ``output_activation="softmax"`` a :class:`~sknn3.ThreeLayerNNClassifier` has the
objective of scikit-learn's :class:`~sklearn.neural_network.MLPClassifier`.  This
example evaluates both at equal weights, times the training of both, and passes the
weights of one to the other.
"""

import warnings
from time import perf_counter
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import FixedLocator, NullLocator
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from sknn3 import ThreeLayerNNClassifier
from sknn3.datasets import load_digits20
from sknn3.network import cost_gradient, pack

# max_iter ends most fits before they converge, by design.
warnings.filterwarnings("ignore", category=ConvergenceWarning)

X, y = load_digits20(return_X_y=True)
X, y = X[::2], y[::2]  # 2500 digits, for a short run

ALPHA = 1.0
NETWORK = {"activation": "logistic", "alpha": ALPHA, "random_state": 0}


# %%
# Equal weights, equal objective
# ------------------------------
#
# With L-BFGS, ``loss_`` of MLPClassifier is the objective at its final weights.
# :func:`~sknn3.network.cost_gradient` takes the same weights, packed: a row for each
# unit, biases in column 0.


def objective(coefs: list[np.ndarray], intercepts: list[np.ndarray]) -> float:
    """Evaluate our objective at weights in MLPClassifier's shapes."""
    thetas = [np.column_stack([b, W.T]) for W, b in zip(coefs, intercepts, strict=True)]
    cost, _ = cost_gradient(
        pack(*thetas),
        X,
        y,
        hidden_layer_size=len(thetas[0]),
        alpha=ALPHA,
        output_activation="softmax",
    )
    return cost


with threadpool_limits(1):
    mlp = MLPClassifier(25, solver="lbfgs", max_iter=30, **NETWORK).fit(X, y)

print(f"MLPClassifier: {mlp.loss_:.15f}")
print(f"sknn3:         {objective(mlp.coefs_, mlp.intercepts_):.15f}")

# %%
# Convergence
# -----------
#
# We compare the objective after a given number of passes over the data, and after a
# given time.  All fits use one thread: with two, the threads of NumPy's BLAS and of
# SciPy's BLAS compete for the cores in MLPClassifier's L-BFGS.
#
# - For the solvers of sknn3 and for MLPClassifier's L-BFGS, there is one fit for each
#   number of passes, and we time the whole fit.  ``max_fun`` limits the evaluations of
#   MLPClassifier's L-BFGS; it finishes the step that reaches the limit.
# - Adam continues from epoch to epoch.  It divides the penalty by the batch size, 200,
#   and the others by the number of samples; a smaller ``alpha`` compensates for this.
#   Its ``loss_`` is a mean over the batches of an epoch, so we evaluate the objective
#   afterwards.  ``random_state`` is a generator: with an int, each call of
#   ``partial_fit`` would shuffle the samples in the same way.

BUDGETS = [5, 10, 20, 40, 80, 160]


def by_budgets(nets: list[Any]) -> tuple[list[float], list[float]]:
    """Train each network; return seconds and objectives."""
    seconds, costs = [], []
    nets[0].fit(X, y)  # the first fit of a process takes longer
    for net in nets:
        start = perf_counter()
        net.fit(X, y)
        seconds.append(perf_counter() - start)
        costs.append(net.loss_)
    return seconds, costs


def ours(solver: str) -> list[Any]:
    """Make a network of sknn3 for each budget."""
    settings = NETWORK | {"output_activation": "softmax", "solver": solver, "tol": 0}
    return [ThreeLayerNNClassifier(25, max_iter=n, **settings) for n in BUDGETS]


def its_lbfgs() -> list[Any]:
    """Make MLPClassifier, with each budget."""
    settings = NETWORK | {"solver": "lbfgs", "tol": 0, "max_iter": 1000}
    return [MLPClassifier(25, max_fun=n, **settings) for n in BUDGETS]


def its_adam() -> tuple[list[float], list[float]]:
    """Train epoch by epoch; return seconds and objectives at the budgets."""
    settings = NETWORK | {
        "alpha": ALPHA * 200 / len(X),
        "random_state": np.random.RandomState(0),
    }
    net = MLPClassifier(25, **settings)
    seconds, costs, spent = [], [], 0.0
    for epoch in range(1, BUDGETS[-1] + 1):
        start = perf_counter()
        net.partial_fit(X, y, classes=np.unique(y))
        spent += perf_counter() - start
        if epoch in BUDGETS:
            seconds.append(spent)
            costs.append(objective(net.coefs_, net.intercepts_))
    return seconds, costs


with threadpool_limits(1):
    runs = {
        "MLPClassifier, adam": its_adam(),
        "MLPClassifier, lbfgs": by_budgets(its_lbfgs()),
        "sknn3, tnc": by_budgets(ours("tnc")),
        "sknn3, lbfgs": by_budgets(ours("lbfgs")),
    }

fig, axes = plt.subplots(1, 2, figsize=(8, 3.6), sharey=True, layout="constrained")
for (name, (seconds, costs)), style in zip(runs.items(), "v^so", strict=True):
    for ax, along in zip(axes, (BUDGETS, seconds), strict=True):
        ax.loglog(along, costs, marker=style, label=name)
axes[0].set(xlabel="passes over the data (Adam: epochs)", ylabel="objective")
axes[1].set(xlabel="seconds, one thread")
for ax in axes:
    ax.grid(alpha=0.3)
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_formatter("{x:g}")
axes[0].xaxis.set_major_locator(FixedLocator(BUDGETS))
axes[0].xaxis.set_minor_locator(NullLocator())
axes[0].xaxis.set_major_formatter("{x:g}")
axes[0].legend()
plt.show()

# %%
# The same in figures, and the seconds of the largest budget:

print(f"{'passes':<20} " + "".join(f"{n:>6}" for n in BUDGETS) + "  seconds")
for name, (seconds, costs) in runs.items():
    line = "".join(f"{cost:>6.2f}" for cost in costs)
    print(f"{name:<20} {line}  {seconds[-1]:.2f}")

# %%
# Continuing from the weights of MLPClassifier
# --------------------------------------------
#
# ``fit`` takes weights in MLPClassifier's shapes.  The first entry of the loss curve is
# the final objective of MLPClassifier, and training continues from there:

net = ThreeLayerNNClassifier(
    25, output_activation="softmax", solver="lbfgs", max_iter=50, **NETWORK
)
net.fit(X, y, coefs_init=mlp.coefs_, intercepts_init=mlp.intercepts_)
print(f"MLPClassifier ended with {mlp.loss_:.6f}")
print(f"sknn3 starts with        {net.loss_curve_[0]:.6f}")
print(f"and ends with            {net.loss_:.6f}, after {net.n_iter_} passes")
