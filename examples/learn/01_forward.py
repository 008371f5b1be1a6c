"""
1. The network, forwards
========================

This page builds the network from two matrix products. At the end, your own four lines
and :func:`sknn3.network.forward` give the same outputs for 5000 digits.

Read a cell, write it yourself, run it, and compare. You must get each figure in the
text too.
"""

import matplotlib.pyplot as plt
import numpy as np

from sknn3.datasets import load_digits20
from sknn3.display import ImageGridDisplay
from sknn3.network import forward, pack, sigmoid, sigmoid_gradient, unpack

# %%
# The data
# --------
#
# :func:`~sknn3.datasets.load_digits20` returns 5000 handwritten digits, 500 of each, in
# the order 0 to 9. ``X`` has a row for each image and a column for each of its 20 x 20
# pixels: shape (5000, 400). ``y`` holds the digits themselves, shape (5000,). Grey
# values run from -0.132 to 1.128, background to ink, and their sum is 262678.26.

digits = load_digits20()
X, y = digits.data, digits.target
print(X.shape, y.shape, np.bincount(y))
print(f"{X.min():.3f} to {X.max():.3f}, sum {X.sum():.2f}")

ImageGridDisplay.from_data(X, n_images=64, order="F", random_state=0)
plt.show()

# %%
# Why ``order="F"``? A row of ``X`` holds the image *column by column*: the first 20
# numbers are its left edge, from top to bottom. NumPy reshapes row by row by default.
# In the wrong order each digit is mirrored at its diagonal, and upright strokes are
# horizontal.

five = X[2500]
fig, axes = plt.subplots(1, 2, figsize=(6, 3), layout="constrained")
for ax, order in zip(axes, "FC", strict=True):
    ax.imshow(five.reshape(20, 20, order=order), cmap="gray")
    ax.set_title(f'order="{order}"')
    ax.set_axis_off()
plt.show()

# %%
# The order makes no difference to training: the network does not use the positions of
# the pixels. But the images to predict must be unrolled like the training images. A
# network trained on these rows recognises 99% of them. Of the same images, unrolled row
# by row, it recognises 19%.
#
# The sigmoid
# -----------
#
# Each unit computes a weighted sum of its inputs. Its output is the sigmoid of this
# sum:
#
# .. math:: g(z) = \frac{1}{1 + e^{-z}}, \qquad g'(z) = g(z)\,(1 - g(z)).
#
# The slope follows from the quotient rule. It is largest at 0, where it is 1/4, and
# falls towards 0 on both sides: large sums hardly change the output.


def g(z: np.ndarray) -> np.ndarray:
    """Compute the sigmoid, by hand."""
    return 1 / (1 + np.exp(-z))


def slope(z: np.ndarray) -> np.ndarray:
    """Compute its derivative, by hand."""
    return g(z) * (1 - g(z))


# %%
# At -1, -1/2, 0, 1/2 and 1 the sigmoid is 0.2689, 0.3775, 0.5, 0.6225 and 0.7311, its
# slope 0.1966, 0.2350, 0.25, 0.2350 and 0.1966. The package has both, as
# :func:`~sknn3.network.sigmoid` and :func:`~sknn3.network.sigmoid_gradient`.

z = np.array([-1, -0.5, 0, 0.5, 1])
print(g(z).round(4), slope(z).round(4))
print(np.allclose(g(z), sigmoid(z)))
print(np.allclose(slope(z), sigmoid_gradient(z)))

t = np.linspace(-8, 8, 200)
fig, ax = plt.subplots(figsize=(6, 3), layout="constrained")
ax.plot(t, g(t), label="g(z)")
ax.plot(t, slope(t), "--", label="g'(z)")
ax.set_xlabel("z")
ax.legend()
plt.show()

# %%
# Weights that you can reproduce
# ------------------------------
#
# The network has 400 inputs, 25 hidden units and 10 outputs, one for each digit. All
# weights are in one long vector, because a minimiser works on a vector. Each layer is a
# matrix with a row for each of its units, and the unit's bias in column 0:
#
# - ``theta1``, shape (25, 401): 25 units, each with a bias and 400 weights;
# - ``theta2``, shape (10, 26): 10 units, each with a bias and 25 weights.
#
# These are 25 * 401 + 10 * 26 = 10285 numbers. Take a sine for them. It needs no file
# and no random numbers, so you get the figures of this page.

params = np.sin(np.arange(1, 10286)) / 10
theta1 = params[: 25 * 401].reshape(25, 401)
theta2 = params[25 * 401 :].reshape(10, 26)

# %%
# :func:`~sknn3.network.unpack` splits the vector, and :func:`~sknn3.network.pack` joins
# the matrices. NumPy fills a matrix row by row. MATLAB and Octave fill it column by
# column, which gives another network.

theirs = unpack(params, n_features=400, hidden_layer_size=25)
print(np.array_equal(theta1, theirs[0]))
print(np.array_equal(theta2, theirs[1]))
print(np.array_equal(params, pack(theta1, theta2)))

# %%
# Forward propagation
# -------------------
#
# A bias is the weight of an input that is always 1. So put a column of ones in front,
# and a layer is one product. :math:`X_1 = [1 \mid X]` has a row for each digit:
#
# .. math::
#
#    A &= g(X_1 \, \Theta_1^T),
#    \\ P &= g(A_1 \, \Theta_2^T), \quad A_1 = [1 \mid A] .
#
# The shapes: (5000, 401) by (401, 25) makes (5000, 25), and (5000, 26) by (26, 10)
# makes (5000, 10).
#
# Row *i* of *P* has ten numbers between 0 and 1: how much digit *i* looks like a 0,
# like a 1, and so on. Each output is a separate yes or no, so the ten outputs need not
# sum to 1. The digit with the largest output is the prediction.


def forward_by_hand(
    X: np.ndarray, theta1: np.ndarray, theta2: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Propagate samples through the network."""
    ones = np.ones((len(X), 1))
    A = g(np.hstack([ones, X]) @ theta1.T)
    P = g(np.hstack([ones, A]) @ theta2.T)
    return A, P


# %%
# For the first digit you must get 0.4004, 0.3789 and 0.4942 from the first three hidden
# units, and 0.5068, 0.4999 and 0.4931 from the first three outputs.

A, P = forward_by_hand(X, theta1, theta2)
print(A[0, :3].round(4), P[0, :3].round(4))

A_theirs, P_theirs = forward(X, theta1, theta2)
print(np.allclose(A, A_theirs, rtol=1e-12))
print(np.allclose(P, P_theirs, rtol=1e-12))

# %%
# How many are right?
# -------------------
#
# The network has learnt nothing yet, so expect about one in ten. With the sine, 656 of
# 5000 are right, or 13.12%.

predicted = P.argmax(axis=1)
n_right = np.sum(predicted == y)
print(n_right, f"{n_right / len(y):.2%}")

# %%
# The practical has trained weights in ``ex4weights.mat``. Read them by
# ``theta1, theta2 = read_weights("ex4weights.mat")``, and 97.52% are right
# (:func:`sknn3.datasets.read_weights`). That file, like ``ex4data1.mat``
# (:func:`~sknn3.datasets.read_digits`), calls the digit 0 "10" and puts it last. The
# readers put it first, so that output *k* belongs to the digit *k*.
#
# What goes wrong
# ---------------
#
# - *matmul: ... size 401 is different from 400*. The column of ones is missing. Add it:
#   if you remove column 0 of the weights instead, the network has no biases.
# - All shapes fit, yet the first hidden unit is not 0.4004. The ones are on the right
#   instead of the left, so each pixel is multiplied by the weight of its neighbour. Or
#   the weights were filled in column by column.
# - Hidden units agree, outputs do not. The second layer has biases too, and a sigmoid.
#
# Exercises
# ---------
#
# **1.** Compute the first hidden unit of the first digit with a loop over its pixels.
#
# .. dropdown:: Answer
#
#    Start from ``z = theta1[0, 0]``, add ``theta1[0, 1 + j] * X[0, j]`` for each of the
#    400 pixels *j*, and take ``g(z)``: 0.4004 again.
#
# **2.** How many weights has a network with 50 hidden units? What does ``unpack`` do
# with a vector with one weight more?
#
# .. dropdown:: Answer
#
#    50 * 401 + 10 * 51 = 20560. A vector with one weight more fits no number of
#    outputs. ``unpack`` raises a ``ValueError`` with the lengths that fit.
#
# **3.** Set all weights to zero. What are the outputs, and how many digits are right?
#
# .. dropdown:: Answer
#
#    Every output is 1/2. ``argmax`` returns the first of equal values, so the
#    prediction is always 0, which is right for 10% of the digits.
#
# **4.** What do your functions and the package's return for the sigmoid at -1000, and
# for the slope at 40?
#
# .. dropdown:: Answer
#
#    ``np.exp(1000)`` overflows, with a warning, but 1 / (1 + inf) is the right 0; the
#    package's sigmoid returns 0 without a warning. Your slope at 40 is 0, because
#    1 - g(40) cancels to 0. The package computes g(40) g(-40), and gets 4.2e-18.
#
# Next: :doc:`02_cost`.
