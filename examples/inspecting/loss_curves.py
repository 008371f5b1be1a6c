"""
Compare solvers by their loss curves
====================================

Both solvers count their budget in passes over the data, so that their curves can be
laid over each other: same axis, same price.
:class:`~sknn3.display.LossCurveDisplay` draws ``loss_curve_``, and with early stopping
the validation scores too.
"""

import matplotlib.pyplot as plt

from sknn3 import ThreeLayerNNClassifier
from sknn3.datasets import load_digits20
from sknn3.display import LossCurveDisplay

X, y = load_digits20(return_X_y=True)

# %%
# Cost
# ----
# Give the second display the axes of the first.

fits = {
    solver: ThreeLayerNNClassifier(solver=solver, tol=1e-3, random_state=0).fit(X, y)
    for solver in ("tnc", "lbfgs")
}
ax = None
for solver, net in fits.items():
    print(
        f"{solver:<5}  {net.stop_reason_} after {net.n_iter_} passes at {net.loss_:.4f}"
    )
    ax = LossCurveDisplay.from_estimator(net, name=solver, ax=ax).ax_
plt.show()

# %%
# TNC, the default, moves in steps of several passes each, which look around before they
# move: hence the stairs. L-BFGS moves in almost every pass. Both end where no component
# of the gradient is above ``tol``, which need not be at the same cost.
#
# Validation scores
# -----------------
# With ``early_stopping=True`` a tenth of the samples is held out, and their accuracy is
# taken after each step of the solver. Its scale is on the right. The dot marks the best
# score, whose weights are kept.

ax = None
for solver in ("tnc", "lbfgs"):
    net = ThreeLayerNNClassifier(
        alpha=0.1, solver=solver, early_stopping=True, random_state=0
    ).fit(X, y)
    print(f"{solver:<5}  {net.n_iter_} passes, best {net.best_validation_score_:.2%}")
    ax = LossCurveDisplay.from_estimator(net, name=solver, ax=ax).ax_
plt.show()

# %%
# The cost still falls where the score has long been level. :ref:`This example
# <sphx_glr_examples_choosing_early_stopping.py>` says what that is worth.
