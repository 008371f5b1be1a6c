"""
Compare solvers by their loss curves
====================================

Both solvers count passes over the data, so their loss curves can share an axis.
:class:`~sknn3.display.LossCurveDisplay` draws ``loss_curve_`` and, with early stopping,
the loss of the validation samples.
"""

import matplotlib.pyplot as plt

from sknn3 import ThreeLayerNNClassifier
from sknn3.datasets import load_digits20
from sknn3.display import LossCurveDisplay

X, y = load_digits20(return_X_y=True)

# %%
# Cost
# ----
# Pass the axes of the first display to the second. By default the first 20 passes have
# another ``alpha`` than the later ones, so the costs of the two parts cannot be
# compared. With ``alpha=1`` all passes have the same cost.

fits = {
    solver: ThreeLayerNNClassifier(alpha=1, solver=solver, random_state=0).fit(X, y)
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
# A step of TNC, the default, takes several passes, most of them for its direction. Its
# curve therefore has stairs. A step of L-BFGS mostly takes one pass. Both stop when no
# component of the gradient exceeds ``tol``; their costs can differ.
#
# Validation loss
# ---------------
# With ``early_stopping=True`` a tenth of the samples is held out. The dashed line is
# the loss on them after each step of the solver. The dot marks the lowest loss. The fit
# keeps the weights of this pass. ``validation_scores_`` has minus the loss: higher is
# better.

ax = None
for solver in ("tnc", "lbfgs"):
    net = ThreeLayerNNClassifier(
        alpha=0.1, solver=solver, early_stopping=True, random_state=0
    ).fit(X, y)
    lowest = -net.best_validation_score_
    print(f"{solver:<5}  {net.n_iter_} passes, lowest validation loss {lowest:.3f}")
    ax = LossCurveDisplay.from_estimator(net, name=solver, ax=ax).ax_
plt.show()

# %%
# The cost still decreases when the validation loss no longer does.
# :ref:`Another example <sphx_glr_examples_choosing_early_stopping.py>` compares early
# stopping with a penalty.
