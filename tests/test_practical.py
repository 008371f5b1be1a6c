"""The practical, cell by cell: two languages, and the same code and figures.

The cells run here once more, so that the student's functions can be compared
with the package at other weights than those of the page.
"""

import doctest
import re
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from threadpoolctl import threadpool_limits

from sknn3.network import cost_gradient, forward, sigmoid, sigmoid_gradient, unpack

pytestmark = pytest.mark.docs

DOCS = Path(__file__).parents[1] / "docs"
SPANISH, ENGLISH = (
    (DOCS / name).read_text(encoding="utf-8")
    for name in ("practica.md", "practical.md")
)
CELL = re.compile(r"^```(?:python|py)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
IF_YOU_HAVE_WEIGHTS = "ex4weights.mat"
# A number with a decimal point, or a percentage.
FIGURE = re.compile(r"(?<![\w.])\d+(?:\.\d+(?:\s?%)?|\s?%)")


def cells(page):
    return CELL.findall(page)


def prose(page):
    return CELL.sub("", page)


def figures(page):
    return [re.sub(r"\s", "", figure) for figure in FIGURE.findall(prose(page))]


def table(page, n_columns):
    """Return the rows of numbers of the first table with this many columns."""
    rows = re.findall(r"^\| (\d.*) \|$", page, re.MULTILINE)
    split = [re.sub(r"[\s%]", "", row).split("|") for row in rows]
    return [[float(x) for x in row] for row in split if len(row) == n_columns]


def source(cell):
    """Return the code of a cell, without prompts and outputs."""
    if ">>> " not in cell:
        return cell
    return "".join(e.source for e in doctest.DocTestParser().get_examples(cell))


def run(folder, *, omit=(), until=None):
    """Run the cells in a folder, and return their variables."""
    namespace = {}
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.chdir(folder)
        for cell in cells(SPANISH):
            if until is not None and until in cell:
                break
            if not any(text in cell for text in omit):
                exec(source(cell), namespace)  # noqa: S102
    plt.close("all")
    return namespace


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with threadpool_limits(1):
        return run(tmp_path_factory.mktemp("page"), omit=[IF_YOU_HAVE_WEIGHTS])


# ------------------------------------------------------------------ two languages


def test_both_languages_have_equal_cells():
    assert len(cells(SPANISH)) > 20
    assert cells(SPANISH) == cells(ENGLISH)


def test_both_languages_have_equal_figures_and_links():
    assert len(figures(SPANISH)) > 20
    assert figures(SPANISH) == figures(ENGLISH)
    for pattern in (r"^#+ ", r"\]\(([^)]+\.(?:rst|png))\)", r"\{(?:func|class)\}`\S+`"):
        spanish, english = (
            re.findall(pattern, page, re.MULTILINE) for page in (SPANISH, ENGLISH)
        )
        assert spanish == english, pattern


def test_spanish_page_states_its_language():
    assert SPANISH.startswith("---\nlanguage: es\n---\n")


def test_each_language_links_the_other():
    assert "(practical.md)" in SPANISH
    assert "(practica.md)" in ENGLISH


# ---------------------------------------------------------------- code and package


@pytest.mark.parametrize("scale", [0.1, 1])
@pytest.mark.parametrize("reg", [0, 1, 20])
def test_functions_of_page_equal_package(page, rng, scale, reg):
    X, y, Y = (page[name] for name in "XyY")
    params = rng.uniform(-scale, scale, 10285)
    thetas = unpack(params, 400, 25)
    _, z2, a2, z3, h = page["propagar"](X, *thetas)
    hidden, output = forward(X, *thetas)
    assert_allclose(a2[:, 1:], hidden, rtol=0, atol=1e-14)
    assert_allclose(h, output, rtol=0, atol=1e-14)
    assert_allclose(page["sigmoide"](z3), sigmoid(z3), rtol=1e-14)
    assert_allclose(page["derivada_sigmoide"](z2), sigmoid_gradient(z2), atol=1e-15)
    cost, gradient = cost_gradient(params, X, y - 1, hidden_layer_size=25, alpha=reg)
    actual = page["backprop"](params, 400, 25, 10, X, Y, reg)
    assert_allclose(actual[0], cost, rtol=1e-12)
    assert_allclose(actual[1], gradient, rtol=0, atol=1e-13 * np.abs(gradient).max())
    assert_allclose(page["coste"](h, Y, *thetas, reg), cost, rtol=1e-12)


def test_numeric_gradient_of_page_equals_package(page):
    assert_allclose(page["numerico"], page["tuya"].numeric, rtol=0, atol=1e-11)
    assert page["tuya"].max_difference < 1e-9
    assert_allclose(page["tuya"].analytic, page["la_de_sknn3"].analytic, atol=1e-15)


def test_training_of_page_starts_at_same_weights_as_package(page):
    net, args = page["red"], page["args"]
    assert_array_equal(net.classes_, np.arange(1, 11))
    assert net.n_iter_ == len(net.loss_curve_) == 70
    start, end = (
        page["backprop"](p, *args)[0] for p in (page["inicio"], page["pesos_sknn3"])
    )
    assert_allclose(net.loss_curve_[0], start, rtol=1e-12)
    assert_allclose(net.loss_, end, rtol=1e-12)


def test_file_that_page_writes_has_form_of_practical(page):
    variables = page["datos"]
    assert variables["X"].shape == (5000, 400)
    assert variables["y"].shape == (5000, 1)
    assert_array_equal(np.unique(variables["y"]), np.arange(1, 11))
    assert_array_equal(variables["y"][:500], 10)
    assert_array_equal(page["digitos"][:501:500], [0, 1])


# ------------------------------------------------------------------------- figures


def test_figures_of_page_are_correct(page):
    exact = {"0.25": sigmoid_gradient(0.0), "0.12": 0.12}
    params = np.sin(np.arange(1, 10286)) / 10
    for text, reg in (("6.871914", 0), ("6.877039", 1)):
        exact[text], _ = page["backprop"](params, *page["args"][:-1], reg)
    # Published; test_weights_of_practical_have_published_cost computes the first three.
    exact |= {"0.287629": 0.287629165161319, "0.383770": 0.383769859090924}
    exact |= {"97.52%": 0.9752, "93.86%": 0.9386, "10.00%": 0.1}
    exact |= {"63.84%": 0.6384, "89.36%": 0.8936}
    # Results of training depend on rounding, so they have bounds.
    rough = {"0.56": (page["res"].fun, 0.1), "0.49": (page["red"].loss_, 0.05)}
    rough["96%"] = page["red"].score(page["X"], page["y"]), 0.02
    yours, theirs = page["tus_aciertos"], page["sus_aciertos"]
    rows = table(SPANISH, 5)
    assert [tuple(row[:2]) for row in rows] == page["casos"]
    for row, *scores in zip(rows, yours, theirs, strict=True):
        assert_allclose(np.array(row[3:]) / 100, scores, atol=0.03)
    versions = {"1.4", "1.5", "1.8", "1.9", "1.10", "1.11"}
    in_table = {f"{value:.0f}%" for row in rows for value in row[3:]}
    assert set(figures(SPANISH)) == {*exact, *rough, *versions, *in_table}
    for text, value in exact.items():
        assert abs(number(text) - value) <= 0.501 * unit(text), (text, value)
    for text, (value, bound) in rough.items():
        assert abs(number(text) - value) <= bound, (text, value)


def number(text):
    return float(text[:-1]) / 100 if text.endswith("%") else float(text)


def unit(text):
    """Return one unit in the last digit of the text."""
    decimals = len(text.rstrip("%").partition(".")[2]) + 2 * text.endswith("%")
    return 10.0**-decimals


def test_weights_of_practical_have_published_cost(course, tmp_path):
    file = course / "data/ex4weights.mat"
    if not file.exists():
        pytest.skip("the practical's weights are not here")
    (tmp_path / file.name).symlink_to(file)
    with threadpool_limits(1):
        page = run(tmp_path, until="def gradiente_numerico")
    args = 400, 25, 10, page["X"], page["Y"]
    for reg, cost in ((0, 0.287629165161319), (1, 0.383769859090924)):
        actual, _ = page["backprop"](page["params_rn"], *args, reg)
        assert_allclose(actual, cost, rtol=1e-13)
    assert page["tasa_de_acierto"](page["h"], page["y"]) == 0.9752
