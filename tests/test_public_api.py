"""The public names of the package."""

import importlib
import inspect
import re
from importlib.metadata import version
from pathlib import Path

import pytest
from sklearn.utils import estimator_html_repr

import sknn3
from sknn3 import ThreeLayerNNClassifier

PUBLIC = ["sknn3", "sknn3.network", "sknn3.gradient_check", "sknn3.datasets"]
PUBLIC += ["sknn3.display", "sknn3.onnx", "sknn3.dask"]
API_PAGE = Path(__file__).parents[1] / "docs" / "api" / "index.rst"


def public_names(module):
    """Return names of functions and classes that a module or package defines."""
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isfunction(value) or inspect.isclass(value))
        and f"{value.__module__}.".startswith(f"{module.__name__}.")
    }


@pytest.mark.parametrize("name", PUBLIC)
def test_all_is_sorted_and_has_every_public_name(name):
    module = importlib.import_module(name)
    assert module.__all__ == sorted(module.__all__)
    for public in module.__all__:
        getattr(module, public)
    if name != "sknn3":
        assert set(module.__all__) == public_names(module)


def test_api_page_lists_exactly_the_public_names():
    lines = {line.strip() for line in API_PAGE.read_text().splitlines()}
    listed = {line for line in lines if re.fullmatch(r"sknn3(\.\w+)+", line)}
    listed |= {
        line.removeprefix(".. py:data:: ") for line in lines if "py:data" in line
    }
    # Two modules export check_gradient, and one page documents it.
    public = {
        "sknn3.gradient_check.check_gradient"
        if name == "check_gradient"
        else f"{module}.{name}"
        for module in PUBLIC
        for name in importlib.import_module(module).__all__
    }
    assert listed == public


def test_version_equals_version_of_installed_package():
    assert sknn3.__version__ == version("sknn3")


def test_html_repr_has_no_link_to_scikit_learn():
    assert "href=" not in estimator_html_repr(ThreeLayerNNClassifier())


def test_html_repr_links_to_page_of_template(monkeypatch):
    monkeypatch.setattr(
        ThreeLayerNNClassifier,
        "_doc_link_template",
        "https://docs.invalid/{estimator_module}.{estimator_name}.html",
    )
    page = "https://docs.invalid/sknn3.classifier.ThreeLayerNNClassifier.html"
    assert f'href="{page}"' in estimator_html_repr(ThreeLayerNNClassifier())
