from copy import copy

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler, scale

from sknn3 import (
    ThreeLayerNNClassifier,
    ThreeLayerNNClassifierCV,
    check_gradient,
)
from sknn3.display import (
    FeatureEffectsDisplay,
    GradientCheckDisplay,
    HiddenUnitsDisplay,
    ImageGridDisplay,
    LossCurveDisplay,
)
from sknn3.network import cost_gradient, unpack


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def fitted(digits):
    clf = ThreeLayerNNClassifier(8, tol=3e-2, random_state=0)
    return clf.fit(digits.data[::10], digits.target[::10])


def tiles(display, height=20, width=20):
    """Return the images that the grid contains."""
    grid = np.ma.filled(display.im_.get_array().astype(float), np.nan)
    rows = np.flatnonzero(np.isfinite(grid).any(axis=1))
    columns = np.flatnonzero(np.isfinite(grid).any(axis=0))
    return [
        grid[np.ix_(r, c)]
        for r in rows.reshape(-1, height)
        for c in columns.reshape(-1, width)
        if np.isfinite(grid[np.ix_(r, c)]).all()
    ]


def texts(artists):
    return [artist.get_text() for artist in artists]


def overlap(artists):
    artists[0].figure.canvas.draw()
    boxes = [artist.get_window_extent() for artist in artists]
    return any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[i + 1 :])


def tick_labels(axis):
    """Return the labels within the limits of an axis."""
    axis.figure.canvas.draw()
    low, high = sorted(axis.get_view_interval())
    ticks = axis.get_major_ticks()
    return [t.label1.get_text() for t in ticks if low <= t.get_loc() <= high]


def are_integers(labels):
    return len(labels) > 0 and all(float(label).is_integer() for label in labels)


# -------------------------------------------------------------------- ImageGridDisplay


def test_image_grid_contains_random_images(digits):
    display = ImageGridDisplay.from_data(
        digits.data, n_images=12, order="F", random_state=0
    )
    chosen = np.random.RandomState(0).permutation(5000)[:12]
    assert_array_equal(tiles(display), digits.images[chosen])
    assert display.text_ == []


def test_image_grid_uses_image_shape_and_order(rng):
    images = rng.standard_normal((5, 3, 4))
    chosen = np.random.RandomState(1).permutation(5)
    for X, order in [
        (images, "C"),
        (images.reshape(5, 12), "C"),
        (images.transpose(0, 2, 1).reshape(5, 12), "F"),
    ]:
        display = ImageGridDisplay.from_data(
            X, image_shape=(3, 4), order=order, random_state=1
        )
        assert_array_equal(display.images, images[chosen])
        assert_array_equal(tiles(display, 3, 4), images[chosen])


def test_image_grid_titles_match_images(digits):
    display = ImageGridDisplay.from_data(
        digits.images, titles=digits.target, n_images=9, random_state=0
    )
    chosen = np.random.RandomState(0).permutation(5000)[:9]
    assert texts(display.text_) == [str(d) for d in digits.target[chosen]]


def test_image_grid_highlights_wrong_predictions(digits, fitted):
    clf = make_pipeline("passthrough", fitted)
    X = digits.data[:40]
    y = clf.predict(X)
    y[:3] = (y[:3] + 1) % 10  # three predictions are wrong now
    display = ImageGridDisplay.from_estimator(
        clf, X, y, n_images=40, order="F", random_state=0
    )
    bold = [t.get_weight() == "bold" for t in display.text_]
    assert sum(bold) == 3
    assert ["(" in text for text in texts(display.text_)] == bold

    without_y = ImageGridDisplay.from_estimator(clf, X, order="F")
    assert all(t.get_weight() == "normal" for t in without_y.text_)


@pytest.mark.parametrize("n_images", [1, 20, 100])
def test_image_grid_long_titles_do_not_overlap(digits, n_images):
    words = np.array(["no-one", "digit two"] * 5)[digits.target]
    display = ImageGridDisplay.from_data(
        digits.images, titles=words, n_images=n_images, random_state=0
    )
    assert not overlap(display.text_)


def test_image_grid_titles_are_not_mathtext(digits):
    display = ImageGridDisplay.from_data(digits.images[:1], titles=["$1 (^$2)"])
    display.figure_.canvas.draw()
    assert texts(display.text_) == ["$1 (^$2)"]
    assert not display.text_[0].get_parse_math()


@pytest.mark.parametrize(
    "container", [pd.DataFrame, pl.DataFrame, sp.csr_array, sp.coo_array, np.ndarray]
)
def test_image_grid_accepts_frames_sparse_matrices_and_lists(container, digits):
    X, y = digits.data[::50], digits.target[::50]
    clf = ThreeLayerNNClassifier(4, tol=0.1, random_state=0)
    if container in (pd.DataFrame, pl.DataFrame):
        X = container(dict(zip(digits.feature_names, X.T, strict=True)))
    else:
        X = X.tolist() if container is np.ndarray else container(X)
    display = ImageGridDisplay.from_estimator(
        clf.fit(X, y), X, y, n_images=4, order="F", random_state=0
    )
    chosen = np.random.RandomState(0).permutation(100)[:4]
    assert_array_equal(display.images, digits.images[::50][chosen])
    assert len(display.text_) == 4


@pytest.mark.parametrize(
    ("X", "options", "message"),
    [
        (np.ones((2, 12)), {}, r"image_shape=\(3, 3\) does not fit 12 features"),
        (np.ones((1, 4)), {"image_shape": (2,)}, r"image_shape=\(2,\)"),
        (np.ones((1, 4)), {"image_shape": (0, 4)}, r"image_shape=\(0, 4\)"),
        (np.ones((1, 16)), {"image_shape": 4}, "image_shape=4"),
        (np.ones(4), {}, r"X has shape \(4,\)"),
        (np.ones((0, 4)), {}, r"X has shape \(0, 4\)"),
        (np.ones((2, 4)), {"order": "B"}, "order must be one of 'C', 'F'"),
        (np.ones((2, 4)), {"titles": ["a"]}, r"numbers of samples: \[2, 1\]"),
    ],
)
def test_image_grid_invalid_parameter_raises(X, options, message):
    with pytest.raises(ValueError, match=message):
        ImageGridDisplay.from_data(X, **options)


@pytest.mark.parametrize(
    "container",
    [
        np.ndarray.tolist,
        pd.Series,
        pl.Series,
        lambda y: y[:, np.newaxis],  # as loadmat returns it
        lambda y: y[:, np.newaxis].tolist(),
        lambda y: pd.DataFrame({"digit": y}),
        lambda y: pl.DataFrame({"digit": y}),
        lambda y: sp.csr_array(y[:, np.newaxis]),
    ],
)
def test_image_grid_accepts_y_and_titles_of_any_container(container, digits, fitted):
    X, y = digits.data[::100], digits.target[::100]
    plot = ImageGridDisplay.from_estimator
    display, expected = (
        plot(fitted, X, target, order="F", random_state=0)
        for target in (container(y), y)
    )
    assert texts(display.text_) == texts(expected.text_)
    assert_array_equal(display.highlight, expected.highlight)
    display = ImageGridDisplay.from_data(X, titles=container(y), random_state=0)
    assert texts(display.text_) == [
        str(digit) for digit in y[np.random.RandomState(0).permutation(50)]
    ]


@pytest.mark.parametrize("container", [np.asarray, sp.csr_array, pd.DataFrame])
def test_image_grid_titles_are_the_labels_of_multilabel_targets(container, rng):
    X = rng.uniform(-1, 1, (30, 4))
    Y = (X[:, :3] > 0).astype(int)
    clf = ThreeLayerNNClassifier(4, alpha=0, tol=1e-2, random_state=0).fit(X, Y)
    true = clf.predict(X)
    names = [", ".join(np.flatnonzero(row).astype(str)) or "none" for row in true]
    assert {"none", "0", "0, 1, 2"} <= set(names)
    true[0, 0] = 1 - true[0, 0]
    display = ImageGridDisplay.from_estimator(
        clf, X, container(true), n_images=30, random_state=0
    )
    chosen = np.random.RandomState(0).permutation(30)
    assert_array_equal(display.highlight, chosen == 0)
    wrong = names[0] + " (" + ", ".join(np.flatnonzero(true[0]).astype(str)) + ")"
    assert texts(display.text_) == [wrong if i == 0 else names[i] for i in chosen]
    without_y = ImageGridDisplay.from_estimator(clf, X, n_images=30, random_state=0)
    assert texts(without_y.text_) == [names[i] for i in chosen]
    from_data = ImageGridDisplay.from_data(
        X, titles=container(clf.predict(X)), random_state=0
    )
    assert texts(from_data.text_) == [names[i] for i in chosen]


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (lambda y: y[:10], r"numbers of samples: \[5000, 10\]"),
        (lambda y: y[:10, np.newaxis], r"numbers of samples: \[5000, 10\]"),
        (lambda y: np.eye(10)[y], r"y .* has shape \(25, 10\), .* \(25,\)"),
        (lambda y: y[:, None, None], r"y .* has shape \(25, 1, 1\), .* \(25,\)"),
    ],
)
def test_image_grid_invalid_y_raises(y, message, fitted, digits):
    with pytest.raises(ValueError, match=message):
        ImageGridDisplay.from_estimator(fitted, digits.data, y(digits.target))


def test_image_grid_one_label_of_multilabel_estimator_raises(rng):
    X = rng.uniform(-1, 1, (30, 4))
    clf = ThreeLayerNNClassifier(4, tol=0.1, random_state=0).fit(X, (X > 0).astype(int))
    with pytest.raises(ValueError, match=r"y .* has shape \(25,\), .* \(25, 4\)"):
        ImageGridDisplay.from_estimator(clf, X, np.arange(30))


# ------------------------------------------------------------------ HiddenUnitsDisplay


def test_hidden_units_images_are_scaled_weights(fitted):
    display = HiddenUnitsDisplay.from_estimator(fitted, order="F")
    assert display.weights.shape == (8, 20, 20)
    unit = fitted.theta1_[3, 1:].reshape(20, 20, order="F")
    assert_array_equal(display.weights[3], unit)
    assert_allclose(tiles(display)[3], unit / np.abs(unit).max())
    assert display.im_.get_clim() == (-1, 1)


@pytest.mark.parametrize("container", [np.ndarray.tolist, pd.DataFrame, sp.csr_array])
def test_hidden_units_accept_frames_sparse_matrices_and_lists(container):
    display = HiddenUnitsDisplay.from_data(container(np.eye(4)))
    assert_array_equal(display.weights, np.eye(4).reshape(4, 2, 2))


def test_hidden_units_with_weights_of_zero():
    display = HiddenUnitsDisplay.from_data(np.zeros((1, 4)))
    assert_array_equal(tiles(display, 2, 2), np.zeros((1, 2, 2)))
    display = HiddenUnitsDisplay.from_data(np.zeros((2, 3)))
    assert display.im_.get_clim() == (-1, 1)


@pytest.fixture(scope="module")
def wine():
    return load_wine(return_X_y=True, as_frame=True)


def wine_pipeline(wine, *steps, frame=pd.DataFrame):
    X, y = wine
    X = X.to_numpy() if frame is np.array else frame(dict(X))
    clf = ThreeLayerNNClassifier(3, tol=0.1, random_state=0)
    return make_pipeline(*steps, clf).fit(X, y)


def row_names(display):
    display.figure_.canvas.draw()
    return texts(display.ax_.get_yticklabels())


def test_heat_map_shows_weights_of_features_by_name(wine):
    pipe = wine_pipeline(wine, StandardScaler())
    display = HiddenUnitsDisplay.from_estimator(pipe)
    weights = pipe[-1].theta1_[:, 1:]
    assert_array_equal(display.weights, weights)
    assert_array_equal(display.im_.get_array(), weights.T)
    assert row_names(display) == list(wine[0].columns)
    assert_array_equal(display.ax_.get_yticks(), range(13))
    assert display.ax_.get_xlabel() == "Hidden unit"
    assert tick_labels(display.ax_.xaxis) == ["0", "1", "2"]
    assert display.colorbar_.mappable is display.im_
    assert display.colorbar_.ax.get_ylabel() == "Weight"


def test_heat_map_colors_diverge_from_zero():
    display = HiddenUnitsDisplay.from_data([[-1.0, 0.0, 4.0]], feature_names="abc")
    assert display.im_.get_clim() == (-4, 4)
    (negative,), (zero,), (positive,) = display.im_.to_rgba(np.c_[[-4.0, 0.0, 4.0]])
    assert negative[2] > 2 * negative[0]
    assert positive[0] > 2 * positive[2]
    assert min(zero) > 0.95


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_feature_names_come_from_network(wine, frame):
    pipe = wine_pipeline(wine, frame=frame)
    for estimator in (pipe, pipe[-1]):
        display = HiddenUnitsDisplay.from_estimator(estimator)
        assert display.feature_names == list(wine[0].columns)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([StandardScaler(), PCA(2)], ["pca0", "pca1"]),
        ([StandardScaler().set_output(transform="pandas")], "columns"),
        (["passthrough", StandardScaler()], None),
        ([FunctionTransformer(np.sqrt)], "columns"),
        ([FunctionTransformer(np.asarray)], None),
    ],
)
def test_feature_names_come_from_pipeline(wine, steps, expected):
    display = HiddenUnitsDisplay.from_estimator(wine_pipeline(wine, *steps))
    if expected == "columns":
        expected = list(wine[0].columns)
    assert display.feature_names == expected


def test_features_without_names_are_numbered(wine):
    pipe = wine_pipeline(wine, StandardScaler(), frame=np.array)
    display = HiddenUnitsDisplay.from_estimator(pipe)
    assert display.feature_names is None
    assert display.ax_.get_ylabel() == "Feature"
    assert are_integers(tick_labels(display.ax_.yaxis))


@pytest.mark.parametrize("frame", [np.array, pd.DataFrame])
def test_feature_names_can_be_given(wine, frame):
    names = [f"feature {i}" for i in range(13)]
    pipe = wine_pipeline(wine, StandardScaler(), frame=frame)
    display = HiddenUnitsDisplay.from_estimator(pipe, feature_names=names)
    assert row_names(display) == names


@pytest.mark.parametrize(
    ("n_features", "options", "shape"),
    [
        (9, {}, (2, 3, 3)),
        (6, {}, (2, 6)),
        (9, {"feature_names": list("abcdefghi")}, (2, 9)),
        (9, {"kind": "heatmap"}, (2, 9)),
        (6, {"image_shape": (2, 3)}, (2, 2, 3)),
        (9, {"kind": "images"}, (2, 3, 3)),
    ],
)
def test_hidden_units_kind_and_shape_of_weights(n_features, options, shape):
    display = HiddenUnitsDisplay.from_data(np.ones((2, n_features)), **options)
    assert display.weights.shape == shape
    assert (display.colorbar_ is None) == (len(shape) == 3)


@pytest.mark.parametrize("options", [{"kind": "images"}, {"image_shape": (2, 2)}])
def test_hidden_units_images_of_features_with_names(rng, options):
    X = pd.DataFrame(rng.standard_normal((20, 4)), columns=list("abcd"))
    net = ThreeLayerNNClassifier(2, random_state=0).fit(X, X["a"] > 0)
    assert HiddenUnitsDisplay.from_estimator(net, **options).weights.ndim == 3
    assert HiddenUnitsDisplay.from_estimator(net).weights.ndim == 2


@pytest.mark.parametrize("n_units", [2, 100])
@pytest.mark.parametrize("n_features", [4, 30, 60])
def test_feature_names_are_legible(n_features, n_units):
    names = [f"the name of feature {i}" for i in range(n_features)]
    display = HiddenUnitsDisplay.from_data(
        np.ones((n_units, n_features)), feature_names=names
    )
    labels = display.ax_.get_yticklabels()
    assert row_names(display) == names
    assert not overlap(labels)
    assert labels[0].get_size() >= 8
    width, height = display.figure_.get_size_inches() * display.figure_.dpi
    for box in (label.get_window_extent() for label in labels):
        assert 0 <= box.x0 < box.x1 < width
        assert 0 <= box.y0 < box.y1 < height
    assert display.ax_.get_window_extent().width > width / 3


def test_some_of_many_feature_names_are_shown_at_their_rows():
    _, ax = plt.subplots(figsize=(4, 3))
    names = [f"feature {i}" for i in range(200)]
    display = HiddenUnitsDisplay.from_data(
        np.ones((2, 200)), feature_names=names, ax=ax
    )
    shown = row_names(display)
    assert 10 < len(shown) < 100
    assert shown == [names[int(row)] for row in ax.get_yticks()]
    assert not overlap(ax.get_yticklabels())


def test_feature_names_are_not_mathtext():
    names = ["a" * 60, "$x^$", "c"]
    assert row_names(HiddenUnitsDisplay.from_data(np.eye(3), feature_names=names)) == (
        names
    )


@pytest.mark.parametrize("kind", ["images", "heatmap"])
def test_hidden_units_norm_can_be_given(kind):
    norm = mpl.colors.SymLogNorm(0.1)
    display = HiddenUnitsDisplay.from_data(np.eye(4), kind=kind, norm=norm)
    assert display.im_.norm is norm


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint64, np.float16])
def test_hidden_units_convert_weights_to_float(dtype):
    values = np.array([[0, 1], [1, 0]]).astype(dtype)
    display = HiddenUnitsDisplay.from_data(values)
    assert_array_equal(display.weights, values.astype(float))
    display.figure_.canvas.draw()


@pytest.mark.parametrize(
    ("weights", "options", "message"),
    [
        (np.ones(4), {}, r"weights has shape \(4,\)"),
        (np.ones((0, 4)), {}, r"weights has shape \(0, 4\)"),
        (np.full((1, 4), np.nan), {}, "weights contains NaN"),
        (np.eye(4), {"kind": "image"}, "kind='image' is unknown"),
        (np.ones((2, 6)), {"kind": "images"}, "does not fit 6 features"),
        (
            np.ones((2, 6)),
            {"image_shape": (2, 2)},
            r"image_shape=\(2, 2\) does not fit",
        ),
        (
            np.eye(3),
            {"feature_names": ["a"]},
            "feature_names has 1 entries, expected 3",
        ),
    ],
)
def test_hidden_units_invalid_parameter_raises(weights, options, message):
    with pytest.raises(ValueError, match=message):
        HiddenUnitsDisplay.from_data(weights, **options)


# --------------------------------------------------------------- FeatureEffectsDisplay


EFFECTS = np.stack([np.linspace(-1, 1, 101), np.full(101, 3.0), np.zeros(101)], axis=1)


def ranges_of(display):
    """Return rows, lower and upper ends of the ranges."""
    return np.array(
        [[y, x0, x1] for (x0, y), (x1, _) in display.ranges_.get_segments()]
    )


def test_feature_effects_are_means_and_ranges_of_sorted_features():
    display = FeatureEffectsDisplay.from_data(EFFECTS, feature_names="abc")
    assert_array_equal(display.features_, [1, 0, 2])
    assert row_names(display) == ["b", "a", "c"]
    assert_allclose(display.line_.get_xdata(), [3, 0, 0], atol=1e-15)
    assert_array_equal(display.line_.get_ydata(), [0, 1, 2])
    assert_allclose(ranges_of(display), [[0, 3, 3], [1, -0.9, 0.9], [2, 0, 0]])
    assert display.ax_.get_ylim() == (2.5, -0.5)  # the largest effect is at the top
    assert display.ax_.get_xlabel() == "Effect"


def test_feature_effects_plot_features_of_largest_effects():
    effects = np.arange(50.0) * np.ones((3, 1))
    for options, n_plotted in [({}, 20), ({"max_features": 4}, 4)]:
        display = FeatureEffectsDisplay.from_data(effects, **options)
        assert_array_equal(display.features_, range(49, 49 - n_plotted, -1))
        assert row_names(display) == [f"x{i}" for i in display.features_]
    display = FeatureEffectsDisplay.from_data(effects, max_features=None)
    assert len(display.features_) == 50


def test_feature_effects_of_class_with_dollars_are_drawn(rng):
    X = rng.standard_normal((20, 2))
    y = np.where(X[:, 0] > 0, "$\\no$", "yes")
    net = ThreeLayerNNClassifier(3, alpha=1, random_state=0).fit(X, y)
    display = FeatureEffectsDisplay.from_estimator(net, X, target="$\\no$")
    display.figure_.canvas.draw()
    assert r"P(\$\no\$)" in display.ax_.get_xlabel()


@pytest.mark.parametrize("target", [0, 1, 2])
@pytest.mark.parametrize("frame", [pd.DataFrame, np.array])
def test_feature_effects_of_pipeline_equal_central_differences(wine, frame, target):
    pipe = wine_pipeline(wine, StandardScaler(), frame=frame)
    X = wine[0].to_numpy()
    X = X if frame is np.array else wine[0]
    display = FeatureEffectsDisplay.from_estimator(pipe, X, target=target)
    values, std = np.asarray(X), np.std(np.asarray(X), axis=0)
    changes = [
        pipe.predict_proba(frame(values + step, **columns_of(X)))[:, target]
        for step in (*np.diag(1e-4 * std), *np.diag(-1e-4 * std))
    ]
    expected = (np.array(changes[:13]) - changes[13:]).T / 2e-4
    assert_allclose(display.effects, expected, atol=1e-6)
    assert (
        display.ax_.get_xlabel() == f"Derivative of P({target}) per standard deviation"
    )
    names = [f"x{i}" for i in range(13)] if frame is np.array else X.columns
    assert row_names(display) == [names[i] for i in display.features_]


def columns_of(X):
    return {"columns": X.columns} if hasattr(X, "columns") else {}


def test_feature_effects_per_std_do_not_depend_on_units(wine):
    X, y = wine[0].to_numpy(), wine[1]
    scaler = StandardScaler().fit(X)
    scaled = ThreeLayerNNClassifier(3, tol=0.1, random_state=0)
    scaled.fit(scaler.transform(X), y)
    raw = copy(scaled)
    W1 = scaled.theta1_[:, 1:] / scaler.scale_
    raw.theta1_ = np.column_stack([scaled.theta1_[:, 0] - W1 @ scaler.mean_, W1])
    for options in ({}, {"per_std": False}):
        of_raw, of_scaled = (
            FeatureEffectsDisplay.from_estimator(net, rows, target=1, **options).effects
            for net, rows in [(raw, X), (scaled, scaler.transform(X))]
        )
        factor = scaler.scale_ if options else 1
        assert_allclose(of_raw * factor, of_scaled, rtol=1e-6, atol=1e-12)
    assert_allclose(of_scaled, scaled.input_gradients(scaler.transform(X))[:, 1])


@pytest.mark.parametrize("classes", [["no", "yes"], [0, 1], [False, True]])
def test_feature_effects_of_two_classes_are_of_second_class(rng, classes):
    X = rng.standard_normal((60, 3))
    net = ThreeLayerNNClassifier(3, random_state=0)
    net.fit(X, np.array(classes)[(X[:, 0] > 0).astype(int)])
    display = FeatureEffectsDisplay.from_estimator(net, X)
    assert display.features_[0] == 0
    assert display.line_.get_xdata()[0] > 0.1
    assert f"P({classes[1]})" in display.ax_.get_xlabel()
    other = FeatureEffectsDisplay.from_estimator(net, X, target=classes[0])
    assert_array_equal(other.effects, -display.effects)


@pytest.mark.parametrize("target", [0, 1, 2])
def test_feature_effects_of_decision_function_of_class(wine, target):
    pipe = wine_pipeline(wine, StandardScaler())
    display = FeatureEffectsDisplay.from_estimator(
        pipe,
        wine[0],
        target=target,
        response_method="decision_function",
        per_std=False,
    )
    assert (
        display.ax_.get_xlabel() == f"Derivative of the decision function of {target}"
    )
    Z = pipe[:-1].transform(wine[0])
    expected = pipe[-1].input_gradients(Z, response_method="decision_function")
    assert_array_equal(display.effects, expected[:, target])


def test_feature_effects_of_decision_function_of_two_classes(rng):
    X = rng.standard_normal((60, 3))
    net = ThreeLayerNNClassifier(3, random_state=0).fit(X, X[:, 0] > 0)
    options = {"response_method": "decision_function", "per_std": False}
    display = FeatureEffectsDisplay.from_estimator(net, X, **options)
    steps = np.vstack([np.eye(3), -np.eye(3)])[:, np.newaxis] * 1e-4
    changes = np.array([net.decision_function(X + step) for step in steps])
    assert_allclose(display.effects.T, (changes[:3] - changes[3:]) / 2e-4, atol=1e-5)
    assert display.line_.get_xdata()[0] > 0.1
    other = FeatureEffectsDisplay.from_estimator(net, X, target=False, **options)
    assert_array_equal(other.effects, -display.effects)
    with pytest.raises(ValueError, match="response_method='predict' is unknown"):
        FeatureEffectsDisplay.from_estimator(net, X, response_method="predict")


def test_feature_effects_of_decision_function_of_one_class(rng):
    X = rng.standard_normal((20, 3))
    net = ThreeLayerNNClassifier(3, random_state=0).fit(X, np.ones(20))
    for response_method in ("predict_proba", "decision_function"):
        display = FeatureEffectsDisplay.from_estimator(
            net, X, response_method=response_method
        )
        expected = net.input_gradients(X, response_method=response_method)
        assert_allclose(display.effects, expected.reshape(20, 3) * X.std(axis=0))


def test_feature_effects_of_labels_sparse_rows_and_search(multilabel):
    X, Y = multilabel
    X = np.where(X > 0, X, 0)
    X[:, 2] = 0
    search = ThreeLayerNNClassifierCV(alphas=[1], max_iters=[5], cv=2, random_state=0)
    search.fit(sp.csr_array(X), Y)
    display = FeatureEffectsDisplay.from_estimator(search, sp.csr_array(X), target=3)
    assert_allclose(display.effects, search.input_gradients(X)[:, 3] * X.std(axis=0))
    assert not display.effects[:, 2].any()


def test_feature_effects_of_pipeline_without_other_steps(wine):
    pipe = wine_pipeline(wine)
    display = FeatureEffectsDisplay.from_estimator(pipe, wine[0], target=0)
    assert display.feature_names == list(wine[0].columns)


@pytest.mark.parametrize("n_features", [1, 4, 60])
def test_names_of_effects_are_legible(n_features):
    names = [f"the name of feature {i}" for i in range(n_features)]
    display = FeatureEffectsDisplay.from_data(
        np.ones((2, n_features)), feature_names=names, max_features=None
    )
    labels = display.ax_.get_yticklabels()
    assert row_names(display) == names
    assert not overlap(labels) or n_features == 1
    width, _ = display.figure_.get_size_inches() * display.figure_.dpi
    for box in (label.get_window_extent() for label in labels):
        assert 0 <= box.x0 < box.x1 < width
    assert display.ax_.get_window_extent().width > width / 2


@pytest.mark.parametrize(
    ("effects", "options", "message"),
    [
        (np.ones(4), {}, r"effects has shape \(4,\)"),
        (np.full((1, 4), np.nan), {}, "effects contains NaN"),
        (EFFECTS, {"feature_names": ["a"]}, "feature_names has 1 entries"),
    ],
)
def test_feature_effects_invalid_parameter_raises(effects, options, message):
    with pytest.raises(ValueError, match=message):
        FeatureEffectsDisplay.from_data(effects, **options)


@pytest.mark.parametrize("target", [None, 3, "x"])
def test_feature_effects_of_unknown_class_raise(wine, target):
    pipe = wine_pipeline(wine, StandardScaler())
    with pytest.raises(
        ValueError, match=r"target=.* expected one of the classes \[0, 1, 2\]"
    ):
        FeatureEffectsDisplay.from_estimator(pipe, wine[0], target=target)


def test_feature_effects_of_two_labels_need_target(multilabel):
    X, Y = multilabel
    net = ThreeLayerNNClassifier(3, random_state=0).fit(X, Y[:, :2])
    with pytest.raises(
        ValueError, match=r"target=None, expected one of the classes \[0, 1\]"
    ):
        FeatureEffectsDisplay.from_estimator(net, X)


# -------------------------------------------------------------------- LossCurveDisplay


def test_loss_curve_of_estimator(fitted):
    display = LossCurveDisplay.from_estimator(fitted, color="green")
    passes, cost = display.line_.get_data()
    assert_array_equal(passes, range(1, fitted.n_iter_ + 1))
    assert_array_equal(cost, fitted.loss_curve_)
    assert display.line_.get_color() == "green"
    assert display.validation_ax_ is None
    assert texts(display.ax_.get_legend().get_texts()) == ["ThreeLayerNNClassifier"]


def test_loss_curve_of_pipeline(fitted):
    display = LossCurveDisplay.from_estimator(make_pipeline("passthrough", fitted))
    assert display.line_.get_ydata().tolist() == fitted.loss_curve_
    assert display.line_.get_label() == "ThreeLayerNNClassifier"


def test_loss_curve_has_validation_loss(iris):
    clf = ThreeLayerNNClassifier(
        alpha=1.0, early_stopping=True, tol=1e-2, random_state=0
    )
    clf.fit(*iris)
    display = LossCurveDisplay.from_estimator(clf, name="net")
    _, losses = display.validation_line_.get_data()
    assert_array_equal(-losses, clf.validation_scores_)
    assert display.validation_ax_ is display.ax_
    assert display.ax_.get_ylabel() == "Cost (dashed: validation loss; dot: best)"
    (best,) = display.validation_line_.get_markevery()
    assert losses[best] == -clf.best_validation_score_
    assert (losses[:best] > losses[best]).all()


def test_cost_axis_keeps_label_with_validation_loss():
    display = LossCurveDisplay.from_data([2.0], validation_scores=[-2.0], name="early")
    LossCurveDisplay.from_data([3.0], name="plain", ax=display.ax_)
    assert display.ax_.get_ylabel() == "Cost (dashed: validation loss; dot: best)"
    assert texts(display.ax_.get_legend().get_texts()) == ["early", "plain"]


def test_validation_loss_that_overflows_is_left_out():
    display = LossCurveDisplay.from_data([2.0, 1.0], validation_scores=[-np.inf, -2.0])
    display.figure_.canvas.draw()
    assert np.isfinite(display.ax_.get_ylim()).all()
    assert display.validation_line_.get_markevery() == [1]


def test_loss_curve_has_validation_accuracy_of_mlpclassifier(iris):
    mlp = MLPClassifier(early_stopping=True, random_state=0).fit(*iris)
    display = LossCurveDisplay.from_estimator(mlp)
    _, scores = display.validation_line_.get_data()
    assert_array_equal(scores, mlp.validation_scores_)
    assert display.validation_ax_.get_ylabel().startswith("Validation score")
    assert display.validation_ax_.get_xlim() == display.ax_.get_xlim()
    (best,) = display.validation_line_.get_markevery()
    assert scores[best] == mlp.best_validation_score_
    assert (scores[:best] < scores[best]).all()


def test_loss_curves_on_the_same_axes_share_validation_axes():
    first = LossCurveDisplay.from_data(
        [3.0, 2.0, 1.0], validation_scores=[0.1, 0.5, 0.4], name="tnc", color="green"
    )
    first.figure_.canvas.draw()  # the layout moves axes
    second = LossCurveDisplay.from_data(
        [2.0, 0.5], validation_scores=[0.7, 0.9], name="lbfgs", ax=first.ax_
    )
    without = LossCurveDisplay.from_data([2.0, 0.4], name="none", ax=first.ax_)
    assert without.validation_ax_ is None
    assert second.validation_ax_ is first.validation_ax_
    assert first.figure_.axes == [first.ax_, first.validation_ax_]
    low, high = first.validation_ax_.get_ylim()
    assert low < 0.1 < 0.9 < high
    colors = [d.line_.get_color() for d in (first, second)]
    assert colors[0] != colors[1]
    assert [d.validation_line_.get_color() for d in (first, second)] == colors
    assert first.validation_line_.get_linestyle() != first.line_.get_linestyle()
    assert texts(first.ax_.get_legend().get_texts()) == ["tnc", "lbfgs", "none"]


def test_validation_axes_are_below_legend_and_keep_background():
    _, ax = plt.subplots()
    ax.set_facecolor("gray")
    display = LossCurveDisplay.from_data(
        [2.0, 1.0], validation_scores=[0.1, 0.2], name="net", ax=ax
    )
    below = display.validation_ax_
    assert below.get_zorder() < ax.get_zorder()
    assert not ax.patch.get_visible()
    assert below.patch.get_visible()
    assert below.get_facecolor() == ax.get_facecolor()


@pytest.mark.parametrize("share", [False, True])
def test_subplots_do_not_share_validation_axes(share):
    _, axes = plt.subplots(1, 2, sharex=share, sharey=share)
    left, right = (
        LossCurveDisplay.from_data([2.0, 1.0], validation_scores=[0.1, 0.2], ax=ax)
        for ax in axes
    )
    assert left.validation_ax_ is not right.validation_ax_


@pytest.mark.parametrize(
    ("curve", "expected"),
    [
        ([3.0, 1.0, 0.4], ["0.5", "1", "2"]),
        ([0.29, 0.26, 0.21], [f"0.{n}" for n in range(21, 30)]),
        ([1.0, 1e-4], ["0.0001", "0.001", "0.01", "0.1", "1"]),
    ],
)
def test_cost_tick_labels_are_plain_numbers(curve, expected):
    display = LossCurveDisplay.from_data(curve)
    assert tick_labels(display.ax_.yaxis) == expected


def test_cost_axis_over_many_decades_has_ticks():
    display = LossCurveDisplay.from_data(10.0 ** -np.arange(14))
    assert len(tick_labels(display.ax_.yaxis)) >= 5


@pytest.mark.parametrize("n_passes", [1, 2, 3, 7, 40])
def test_pass_tick_labels_are_integers(n_passes):
    display = LossCurveDisplay.from_data(np.linspace(3, 2, n_passes))
    assert are_integers(tick_labels(display.ax_.xaxis))


def test_costs_of_zero_use_linear_axis():
    display = LossCurveDisplay.from_data([0.0, 0.0])
    assert display.line_.get_ydata().tolist() == [0, 0]
    assert display.ax_.get_yscale() == "linear"
    LossCurveDisplay.from_data([2.0, 0.0], ax=display.ax_)
    assert display.ax_.get_yscale() == "log"


def test_loss_curve_of_one_pass_is_a_dot():
    assert LossCurveDisplay.from_data([1.0]).line_.get_marker() == "o"
    assert LossCurveDisplay.from_data([1.0, 0.5]).line_.get_marker() == "None"


def test_loss_curve_without_name_has_no_legend():
    assert LossCurveDisplay.from_data([2.0, 1.0]).ax_.get_legend() is None


def test_loss_curve_of_other_length_than_scores_raises():
    with pytest.raises(ValueError, match=r"same first dimension, but .* \(2,\) and"):
        LossCurveDisplay.from_data([1.0, 0.5], validation_scores=[0.5])


# ---------------------------------------------------------------- GradientCheckDisplay


def network_cost(penalise_biases=False):
    """Return the cost of a network, with a right or a wrong gradient, and weights."""
    rng = np.random.RandomState(0)
    X, Y, params = rng.standard_normal((9, 4)), np.arange(9) % 2, rng.uniform(size=23)

    def cost_function(p):
        cost, gradient = cost_gradient(p, X, Y, hidden_layer_size=3, alpha=1.0)
        if penalise_biases:
            gradient = gradient.copy()
            parts = zip(unpack(gradient, 4, 3), unpack(p, 4, 3), strict=True)
            for part, theta in parts:
                part[:, 0] += theta[:, 0] / len(X)
        return cost, gradient

    return cost_function, params


def data(line):
    return np.transpose(line.get_data())


def test_gradient_check_of_right_gradient_plots_no_wrong_component():
    check = check_gradient(*network_cost())
    display = GradientCheckDisplay.from_check(check)
    right, wrong = display.lines_
    heights = np.maximum(np.abs(check.difference), check.rounding / 100)
    assert_array_equal(data(right), np.c_[np.arange(23), heights])
    assert len(data(wrong)) == 0
    right, wrong = display.diagonal_lines_
    assert_array_equal(data(right), np.c_[check.numeric, check.analytic])
    assert len(data(wrong)) == 0
    assert display.ax_.get_title() == "All 23 components are right"
    assert display.ax_.title.get_color() == plt.rcParams["text.color"]
    levels = {name: line.get_ydata()[0] for name, line in display.levels_.items()}
    assert levels["rounding"] == check.rounding
    assert levels["rounding"] / 100 < heights.max() < levels["tolerance"] / 100


def test_gradient_check_of_wrong_gradient_marks_wrong_components():
    check = check_gradient(*network_cost(penalise_biases=True))
    display = GradientCheckDisplay.from_check(check)
    biases = [0, 5, 10, 15, 19]
    right, wrong = display.lines_
    assert_array_equal(data(wrong)[:, 0], biases)
    assert_array_equal(data(wrong)[:, 1], np.abs(check.difference[biases]))
    assert_array_equal(data(right)[:, 0], np.delete(np.arange(23), biases))
    _, wrong_on_diagonal = display.diagonal_lines_
    assert_array_equal(
        data(wrong_on_diagonal), np.c_[check.numeric, check.analytic][biases]
    )
    for line in (wrong, wrong_on_diagonal):
        assert line.get_color() == "tab:red" != right.get_color()
        assert line.get_marker() != right.get_marker()
    title = display.ax_.get_title()
    assert title == "5 of 23 components are wrong:\n0, 5, 10, 15, 19"
    assert display.ax_.title.get_color() == "tab:red"
    tolerance = display.levels_["tolerance"].get_ydata()[0]
    assert data(right)[:, 1].max() < tolerance < data(wrong)[:, 1].min()


def test_gradient_check_title_has_the_diagnosis():
    def backprop(params, n_in, n_hidden, n_out, X, y, reg):
        cost, gradient = cost_gradient(
            params, X, y, hidden_layer_size=n_hidden, alpha=reg
        )
        return cost, len(X) * gradient

    check = check_gradient(backprop, alpha=0)
    display = GradientCheckDisplay.from_check(check)
    title = display.ax_.get_title().splitlines()
    assert title[0] == "37 of 38 components are wrong, most of all:"
    assert " ".join(title[2:]) == display.diagnosis == check.diagnosis
    assert max(map(len, title)) <= 50
    # Both gradients are right, but for the wrong cost.
    display = GradientCheckDisplay.from_data([1.0], [1.0], diagnosis="Wrong cost.")
    assert display.ax_.get_title() == "All 1 components are right\nWrong cost."
    assert display.ax_.title.get_color() == "tab:red"


def test_gradient_check_diagonal_has_equal_axes():
    display = GradientCheckDisplay.from_data([1.0, -2.0, 30.0], [1.0, 5.0, 30.0])
    ax = display.diagonal_ax_
    assert ax.get_xlim() == ax.get_ylim()
    assert ax.get_aspect() == 1
    assert min(ax.get_xlim()) < -2 < 30 < max(ax.get_xlim())
    (diagonal,) = set(ax.lines) - set(display.diagonal_lines_)
    assert (diagonal.get_xy1(), diagonal.get_slope()) == ((0, 0), 1)
    assert ax.get_xlabel() == "Numeric gradient"
    assert ax.get_ylabel() == "Analytic gradient"


@pytest.mark.parametrize(
    ("analytic", "numeric", "options", "n_wrong", "tolerance"),
    [
        ([1.0, 100.0], [1.0009, 100.0], {}, 0, 1e-3),
        ([1.0, 100.0], [1.0011, 100.0], {}, 1, 1e-3),
        ([1.0, 100.0], [1.0011, 100.0], {"tolerance": 0.1}, 0, 0.1),
        ([0.0, 0.0], [1e-9, 1e-9], {}, 2, 1e-14),
        ([0.0, 0.0], [1e-9, 1e-9], {"rounding": 1e-11}, 0, 1e-8),
        ([1.0, 100.0], [1.0011, 100.0], {"rounding": 1e-11}, 1, 1e-3),
        ([2.0, 4.0, 3.0], [2.0, 4.0, 6.0], {}, 1, 6e-5),
    ],
)
def test_gradient_check_tolerance_separates_wrong_components(
    analytic, numeric, options, n_wrong, tolerance
):
    display = GradientCheckDisplay.from_data(analytic, numeric, **options)
    right, wrong = (data(line)[:, 1] for line in display.lines_)
    assert len(wrong) == n_wrong
    assert (right < tolerance).all()
    assert (wrong > tolerance).all()
    assert set(display.levels_) == {"tolerance"} | ({"rounding"} & set(options))
    assert_allclose(display.levels_["tolerance"].get_ydata(), tolerance)
    if "rounding" in options:
        assert_array_equal(display.levels_["rounding"].get_ydata(), 1e-11)
    assert texts(display.ax_.get_legend().get_texts()) == list(display.levels_)


def test_gradient_check_at_minimum_allows_rounding():
    # Relative to a gradient of 0, any difference is large.
    check = check_gradient(lambda p: (1 + np.cosh(p).sum(), np.sinh(p)), np.zeros(3))
    check.numeric[:] += 20 * check.rounding
    display = GradientCheckDisplay.from_check(check)
    assert display.ax_.get_title() == "All 3 components are right"


def test_gradient_check_of_cost_zero_is_right():
    check = check_gradient(lambda p: (0.0, np.zeros(2)), np.ones(2))
    display = GradientCheckDisplay.from_check(check)
    assert display.ax_.get_title() == "All 2 components are right"


@pytest.mark.parametrize("rounding", [None, 1e-9])
def test_gradient_check_differences_of_zero_are_lowest(rounding):
    display = GradientCheckDisplay.from_data(
        [1.0, 2.0, 3.0], [1.0, 2.0 + 1e-6, 3.0], rounding=rounding
    )
    heights = data(display.lines_[0])[:, 1]
    low, high = display.ax_.get_ylim()
    assert 0 < low < heights[0] == heights[2] < heights[1] < high
    assert display.ax_.get_yscale() == "log"


@pytest.mark.parametrize("value", [0.0, 1.0, -1e3])
def test_gradient_check_of_equal_gradients(value):
    display = GradientCheckDisplay.from_data([value], [value])
    assert display.ax_.get_title() == "All 1 components are right"
    display.figure_.canvas.draw()
    assert (data(display.lines_[0])[:, 1] < 1e-9 * max(1, abs(value))).all()
    low, high = display.diagonal_ax_.get_xlim()
    assert low < value < high


def test_gradient_check_title_has_the_worst_of_many_components():
    numeric = np.zeros(30)
    analytic = np.where(np.arange(30) % 3 == 0, np.arange(1, 31), 0.0)
    display = GradientCheckDisplay.from_data(analytic, numeric)
    assert display.ax_.get_title() == (
        "10 of 30 components are wrong, most of all:\n6, 9, 12, 15, 18, 21, 24, 27"
    )


def test_gradient_check_on_one_or_two_axes():
    figure, axes = plt.subplots(1, 2)
    display = GradientCheckDisplay.from_data([1.0], [2.0], ax=axes, marker="s")
    assert (display.diagonal_ax_, display.ax_) == tuple(axes)
    assert display.figure_ is figure
    assert display.lines_[0].get_marker() == "s"
    assert display.plot(axes[0]).ax_ is axes[0]
    assert display.diagonal_ax_ is display.diagonal_lines_ is None
    assert display.plot().figure_ is not figure


def test_gradient_check_legend_is_inside_axes():
    _, ax = plt.subplots()
    GradientCheckDisplay.from_check(check_gradient(alpha=3), ax=ax)
    ax.figure.canvas.draw()
    frame = ax.get_window_extent()
    for text in ax.get_legend().get_texts():
        box = text.get_window_extent()
        assert frame.x0 < box.x0 < box.x1 < frame.x1


@pytest.mark.parametrize(
    ("analytic", "numeric", "message"),
    [
        ([1.0] * 3, [1.0] * 2, r"inconsistent numbers of samples: \[3, 2\]"),
        ([[1.0]], [1.0], r"analytic has shape \(1, 1\)"),
        ([1.0], [], r"numeric has shape \(0,\)"),
        ([1.0, np.nan], [1.0, 2.0], "analytic contains NaN"),
        ([1.0], [np.inf], "numeric contains infinity"),
    ],
)
def test_gradient_check_invalid_parameter_raises(analytic, numeric, message):
    with pytest.raises(ValueError, match=message):
        GradientCheckDisplay.from_data(analytic, numeric)


# ------------------------------------------------------------------------ all displays


PLOTS = {
    "images": lambda: ImageGridDisplay.from_data(np.eye(4)[None], titles=["one"]),
    "hidden units": lambda: HiddenUnitsDisplay.from_data(np.eye(4)),
    "heat map": lambda: HiddenUnitsDisplay.from_data(np.eye(3), feature_names="abc"),
    "effects": lambda: FeatureEffectsDisplay.from_data([[1.0, -2.0], [3.0, 0.0]]),
    "curve": lambda: LossCurveDisplay.from_data(
        [2.0, 1.0], validation_scores=[0.1, 0.2], name="net"
    ),
    "curve with validation loss": lambda: LossCurveDisplay.from_data(
        [2.0, 1.0], validation_scores=[-2.0, -1.2], name="net"
    ),
    "gradients": lambda: GradientCheckDisplay.from_data(
        [1.0, 2.0], [1.0, 3.0], rounding=1e-9
    ),
}


def contrast(color, background):
    """Return the largest difference of two colours in a channel, at most 1."""
    a, b = (np.array(mpl.colors.to_rgb(c)) for c in (color, background))
    return np.abs(a - b).max()


@pytest.mark.parametrize("style", ["default", "dark_background"])
@pytest.mark.parametrize("plot", PLOTS)
def test_texts_and_lines_contrast_with_background(style, plot):
    with plt.style.context(style):
        figure = PLOTS[plot]().figure_
        figure.canvas.draw()
        labels = [t for t in figure.findobj(mpl.text.Text) if t.get_text()]
        lines = [line for ax in figure.axes for line in ax.lines]
        assert labels or plot == "hidden units"
        for artist in labels + lines:
            assert contrast(artist.get_color(), figure.get_facecolor()) > 0.4


def test_displays_use_given_axes(fitted, digits):
    figure, axes = plt.subplots(1, 3)
    displays = [
        ImageGridDisplay.from_data(digits.images, n_images=4, ax=axes[0]),
        HiddenUnitsDisplay.from_estimator(fitted, ax=axes[1]),
        LossCurveDisplay.from_estimator(fitted, ax=axes[2]),
    ]
    for display, ax in zip(displays, axes, strict=True):
        assert display.ax_ is ax
        assert display.figure_ is figure
    assert displays[2].plot().figure_ is not figure


def test_displays_of_mlpclassifier(digits):
    mlp = MLPClassifier(4, tol=1, n_iter_no_change=1, random_state=0)
    mlp.fit(digits.data[::50], digits.target[::50])
    HiddenUnitsDisplay.from_estimator(mlp, order="F")
    display = LossCurveDisplay.from_estimator(mlp)
    assert display.line_.get_label() == "MLPClassifier"


@pytest.mark.parametrize("display", [HiddenUnitsDisplay, LossCurveDisplay])
def test_displays_of_unfitted_estimator_raise(display):
    with pytest.raises(NotFittedError):
        display.from_estimator(ThreeLayerNNClassifier())
    with pytest.raises(NotFittedError):
        FeatureEffectsDisplay.from_estimator(ThreeLayerNNClassifier(), np.eye(3))


def test_loss_curve_marks_the_pass_of_the_fitted_weights():
    X, y = load_breast_cancer(return_X_y=True)
    clf = ThreeLayerNNClassifier(early_stopping=True, random_state=0)
    clf.fit(scale(X), y)  # the passes before alpha is chosen do not count
    line = LossCurveDisplay.from_estimator(clf).validation_line_
    (marked,) = line.get_markevery()
    assert line.get_ydata()[marked] == -clf.best_validation_score_
    display = LossCurveDisplay.from_data([3, 2], validation_scores=[-2, -1], best=0)
    assert display.validation_line_.get_markevery() == [0]


@pytest.mark.parametrize("in_pipeline", [False, True])
def test_displays_of_a_search_ask_for_best_estimator(in_pipeline):
    X, y = load_iris(return_X_y=True)
    net = ThreeLayerNNClassifier(2, tol=0.1, random_state=0)
    search = GridSearchCV(net, {"alpha": [1]}, cv=2)
    search = (make_pipeline(search) if in_pipeline else search).fit(X, y)
    for show in (
        LossCurveDisplay.from_estimator,
        HiddenUnitsDisplay.from_estimator,
        lambda search: FeatureEffectsDisplay.from_estimator(search, X, target=0),
    ):
        with pytest.raises(TypeError, match=r"GridSearchCV, .* pass its best_estimat"):
            show(search)
