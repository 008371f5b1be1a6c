"""
6. Bias, variance, and the choice of lambda
===========================================

A network that errs on unseen digits is too simple, or it has learnt the training digits
by heart. A learning curve shows which, and a validation curve shows the best lambda.
This page draws both with scikit-learn. Then :class:`~sknn3.ThreeLayerNNClassifierCV`
chooses lambda.
"""

import warnings

import matplotlib.pyplot as plt
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import (
    LearningCurveDisplay,
    StratifiedKFold,
    ValidationCurveDisplay,
    train_test_split,
)

from sknn3 import ThreeLayerNNClassifier, ThreeLayerNNClassifierCV
from sknn3.datasets import load_digits20

# With a large lambda a network is no better than constant outputs, and warns.
warnings.simplefilter("ignore", ConvergenceWarning)

# %%
# Three parts of the data
# -----------------------
#
# The accuracy on training digits is too good, because the network has seen them. So
# courses split the data into three parts:
#
# - the **training set**: the weights are fitted to it,
# - the **validation set**: it chooses :math:`\lambda`, the number of units, the budget,
# - the **test set**: it is used once, at the end, for the figure that you report.
#
# Why is a validation set not a test set? Of many values of :math:`\lambda` you choose
# the one with the best score on the validation set, and the best score is partly luck.
#
# We take 1000 digits to learn from, and keep 4000 for the test. With so few digits, one
# validation set would be small. So cut the 1000 into three *folds*. Each is the
# validation set once, while the other two train, and the three scores are averaged:
# cross-validation.

X, y = load_digits20(return_X_y=True)
X_learn, X_test, y_learn, y_test = train_test_split(
    X, y, train_size=1000, stratify=y, random_state=0
)
folds = StratifiedKFold(3, shuffle=True, random_state=0)

# %%
# Learning curves
# ---------------
#
# A *learning curve* shows the accuracy over the number of training digits: on those
# digits, and on the validation fold. Here are three networks:

settings = {
    "2 hidden units": {"hidden_layer_size": 2, "alpha": 1},
    "25 units, lambda 0.001": {"hidden_layer_size": 25, "alpha": 0.001},
    "25 units, lambda 1": {"hidden_layer_size": 25, "alpha": 1},
}
common = {"solver": "lbfgs", "tol": 1e-3, "random_state": 0}

fig, axes = plt.subplots(1, 3, figsize=(9, 3.4), sharey=True, layout="constrained")
fig.suptitle("Learning curves of three networks")
curves = {}
for ax, (name, options) in zip(axes, settings.items(), strict=True):
    curves[name] = LearningCurveDisplay.from_estimator(
        ThreeLayerNNClassifier(**options, **common),
        X_learn,
        y_learn,
        train_sizes=[50, 100, 200, 400, 666],
        cv=folds,
        shuffle=True,
        random_state=0,
        score_name="accuracy",
        line_kw={"marker": "o"},
        ax=ax,
    )
    ax.set(title=name, xlabel="training digits", xscale="linear", ylim=(0.2, 1.02))
    ax.get_legend().remove()
    ax.label_outer()
axes[-1].legend(["training", "validation"], loc="lower right")
plt.show()

for name, curve in curves.items():
    train, validation = curve.train_scores.mean(1), curve.test_scores.mean(1)
    print(f"{name:22}  training {train[-1]:6.1%}  validation {validation[-1]:6.1%}")

# %%
# **High bias: underfitting.** Two hidden units are too few for ten digits. Even of the
# training digits, the network recognises only about 59%. With more digits the two
# curves approach each other. Validation can hardly rise above the training curve, so
# *more data helps little*. What helps: more hidden units, more features, a smaller
# :math:`\lambda`, more passes.
#
# **High variance: overfitting.** With 25 units and hardly any penalty the network
# recognises 100% of the training digits, but about 81% of the others. The curves are
# far apart, and the lower one still rises. *More data helps*, and so do a larger
# :math:`\lambda`, fewer features, or fewer passes.
#
# **Between the two.** With :math:`\lambda = 1` validation reaches about 88%. The curves
# are still apart, and the lower one still rises, so this network profits from more
# digits too: trained on 2500, it recognises about 92% of the others
# (:doc:`04_training`).
#
# The names come from statistics. Imagine networks trained on many draws of the data.
# *Bias* is the error that all of them share; *variance* is how much they differ.
#
# The validation curve
# --------------------
#
# A *validation curve* shows the score over a parameter. Here that is the log loss over
# :math:`\lambda`. The log loss is minus the mean logarithm of the probability of the
# right digit, so smaller is better. It has no penalty: with the penalty, networks of
# different :math:`\lambda` could not be compared.

alphas = [0.001, 0.01, 0.1, 1, 10, 100]
fig, ax = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
validation_curve = ValidationCurveDisplay.from_estimator(
    ThreeLayerNNClassifier(25, **common),
    X_learn,
    y_learn,
    param_name="alpha",
    param_range=alphas,
    cv=folds,
    scoring="neg_log_loss",
    negate_score=True,
    score_name="log loss",
    line_kw={"marker": "o"},
    ax=ax,
)
ax.set(title="Validation curve: log loss over lambda", xlabel="lambda", xscale="log")
ax.legend(["training", "validation"])
plt.show()

losses = -validation_curve.test_scores.mean(axis=1)
for alpha, loss in zip(alphas, losses, strict=True):
    print(f"lambda {alpha:7}  validation {loss:.3f}")

# %%
# Read the curve from left to right:
#
# - With a small :math:`\lambda` the training loss is near 0, and the validation loss
#   high, about 1.0 at 0.001: overfitting. The network is certain of its wrong
#   predictions.
# - At 1 the validation loss is lowest, about 0.47.
# - With a large :math:`\lambda` both losses are equally high: underfitting. At 100 the
#   penalty leaves nothing but the shares of the digits, and the loss is log 10 = 2.303,
#   that of guessing.
#
# Choose lambda
# -------------
#
# The best :math:`\lambda` of a grid is one line of code. Take factors of 3 now, around
# the minimum. A second parameter is the budget of passes: stopping early is a kind of
# penalty too, as few passes cannot make large weights.
# :class:`~sknn3.ThreeLayerNNClassifierCV` trains once for each :math:`\lambda` and
# fold, and looks at the network after 10, 30 and 100 passes on the way.

search = ThreeLayerNNClassifierCV(
    alphas=[0.1, 0.3, 1, 3, 10],
    max_iters=[10, 30, 100],
    hidden_layer_size=25,
    cv=folds,
    **common,
).fit(X_learn, y_learn)
print(search.best_params_, f"log loss {-search.best_score_:.3f}")

# %%
# It has then trained the best network on all 1000 digits. Only now use the test set:
# about 89% of the 4000 digits. The default, ``alpha="auto"``, chooses :math:`\lambda`
# by the training data alone (:doc:`how </user_guide/penalty>`), without a grid or
# folds, and is as good here. With :math:`\lambda` = 0.001 it is about 84%.

nets = {"of the search": search}
for alpha in ("auto", 0.001):
    net = ThreeLayerNNClassifier(25, alpha=alpha, **common)
    nets[f"alpha={alpha!r}"] = net.fit(X_learn, y_learn)
on_test = {name: (net.predict(X_test) == y_test).mean() for name, net in nets.items()}
for name, share in on_test.items():
    print(f"{name:13}  lambda {nets[name].alpha_:.3g}  test {share:.1%}")

# %%
# What goes wrong
# ---------------
#
# - **The learning curve begins at 100% for training and 10% for validation.** The
#   digits are loaded in order, so the first 50 are all zeros, and the network knows no
#   other digit. Shuffle them, as ``train_test_split`` did above, or set
#   ``shuffle=True``.
# - **The validation curve falls up to the end of the grid.** Then the best
#   :math:`\lambda` is outside. Extend the grid.
# - **The score of the search is better than that on the test set.** A little is normal:
#   the search reports the best of its scores.
# - **The features were scaled before the split.** Then the validation folds took part
#   in the fit. Put the scaler and the network into a pipeline, and search the pipeline.
#
# Exercises
# ---------
#
# **1.** Is the default network of 50 units rather biased or rather variable on 1000
# digits? What would you try?
#
# .. dropdown:: Answer
#
#    Variable: it recognises about 99% of its training digits, and about 89% of the
#    others. More digits help most.
#
# **2.** Draw the validation curve of ``hidden_layer_size`` for 1, 2, 5, 10, 25 and 50
# units, with ``alpha=1``.
#
# .. dropdown:: Answer
#
#    ``param_name="hidden_layer_size"`` and ``param_range=[1, 2, 5, 10, 25, 50]``. The
#    validation loss falls with the number of units, fast at first and then slowly: with
#    this penalty, more units do not overfit.
#
# **3.** Why does the training accuracy of an overfitting network not fall with more
# digits?
#
# .. dropdown:: Answer
#
#    It has 10285 weights, enough to learn 666 digits by heart.
#
# Next: :doc:`/pytorch`, the same network in PyTorch, or back to the
# :doc:`overview </learn>`.
