"""
6. Bias, variance, and the choice of lambda
===========================================

Find out why a network errs on unseen digits: it is too simple, or it has learnt the
training digits by heart. A learning curve shows which of the two, and a validation
curve shows the best lambda. Draw both with scikit-learn. Then let
:class:`~sknn3.ThreeLayerNNClassifierCV` choose lambda.
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
# The accuracy on training digits is too good, because the network has seen them.
# Therefore courses split the data into three parts:
#
# - the **training set**: the weights are fitted to it,
# - the **validation set**: it serves to choose :math:`\lambda`, the number of units and
#   the number of passes,
# - the **test set**: it is used once, at the end, for the figure that you report.
#
# Do not report the score on the validation set. Of many values of :math:`\lambda` you
# choose the one with the best score, and the best score is partly luck.
#
# Learn from 1000 digits, and keep 4000 for the test. With so few digits, one validation
# set would be small. Therefore cut the 1000 digits into three *folds*. Each fold is the
# validation set once, and the other two are the training set. The mean of the three
# scores counts. This is *cross-validation*.

X, y = load_digits20(return_X_y=True)
X_learn, X_test, y_learn, y_test = train_test_split(
    X, y, train_size=1000, stratify=y, random_state=0
)
folds = StratifiedKFold(3, shuffle=True, random_state=0)

# %%
# Learning curves
# ---------------
#
# A *learning curve* shows how the accuracy depends on the number of training digits.
# One curve is the accuracy on these digits, the other that on the validation fold. Here
# are three networks:

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
# **High bias: underfitting.** Two hidden units are too few for ten digits. The network
# recognises only about 59% even of the training digits. With more digits the two curves
# approach each other. The validation curve can hardly rise above the training curve, so
# *more data helps little*. Use more hidden units, more features, a smaller
# :math:`\lambda` or more passes instead.
#
# **High variance: overfitting.** With 25 units and hardly any penalty, the network
# recognises 100% of the training digits, but about 81% of the others. The curves are
# far apart, and the validation curve still rises. *More data helps*. A larger
# :math:`\lambda`, fewer features or fewer passes help too.
#
# **Between the two.** With :math:`\lambda = 1` the validation curve reaches about 88%.
# The curves are still apart, and the validation curve still rises. Therefore more
# digits help this network too: trained on 2500 digits, it recognises about 92% of the
# others (:doc:`04_training`).
#
# The names come from statistics. Imagine that you train a network on each of many
# samples of the data. *Bias* is the error that all these networks share. *Variance* is
# how much they differ. This bias is not the bias of a unit.
#
# The validation curve
# --------------------
#
# A *validation curve* shows how a score depends on a parameter. Here the score is the
# log loss, and the parameter is :math:`\lambda`. The log loss is minus the mean
# logarithm of the probability of the right digit, so smaller is better. The log loss
# has no penalty. You could not compare networks of different :math:`\lambda` by a cost
# with the penalty.

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
#   is high, about 1.0 at 0.001: overfitting. The wrong predictions have high
#   probabilities.
# - At 1 the validation loss is lowest, about 0.47.
# - With a large :math:`\lambda` both losses are equally high: underfitting. At 100 all
#   weights are nearly 0. The network predicts 1/10 for each digit, and the loss is
#   log 10 = 2.303, the loss of a guess.
#
# Choose lambda
# -------------
#
# One call finds the best :math:`\lambda` of a grid. Around the minimum, take values
# that differ by factors of about 3. The second parameter is the number of passes. Few
# passes keep the weights small, so they act like a penalty.
# :class:`~sknn3.ThreeLayerNNClassifierCV` trains once for each :math:`\lambda` and
# fold, and scores the network after 10, 30 and 100 passes on the way.

search = ThreeLayerNNClassifierCV(
    alphas=[0.1, 0.3, 1, 3, 10],
    max_iters=[10, 30, 100],
    hidden_layer_size=25,
    cv=folds,
    **common,
).fit(X_learn, y_learn)
print(search.best_params_, f"log loss {-search.best_score_:.3f}")

# %%
# The search also trained the best network on all 1000 digits. Only now use the test
# set: the network recognises about 89% of its 4000 digits. The default,
# ``alpha="auto"``, is as good here. It chooses :math:`\lambda` without a grid or folds
# (:doc:`how </user_guide/penalty>`). With :math:`\lambda` = 0.001 the network
# recognises only about 84%.

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
# - **The validation curve falls up to the end of the grid.** The best :math:`\lambda`
#   is outside the grid. Extend the grid.
# - **The score of the search is better than the score on the test set.** A small
#   difference is normal, because the search reports the best of its scores.
# - **The features were scaled before the split.** The scaler has seen the validation
#   folds. Put the scaler and the network into a pipeline, and search the pipeline.
#
# Exercises
# ---------
#
# **1.** Does the default network of 50 units have a high bias or a high variance on
# 1000 digits? What would you try?
#
# .. dropdown:: Answer
#
#    A high variance: it recognises about 99% of its training digits, and about 89% of
#    the others. More digits help most.
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
