"""The public names of the package."""

import importlib
import inspect
import re
from email.message import Message
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from sklearn.utils import estimator_html_repr

import sknn3
from sknn3 import ThreeLayerNNClassifier, ThreeLayerNNClassifierCV
from sknn3.dask import DaskThreeLayerNNClassifier

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
    lines = {line.strip() for line in API_PAGE.read_text(encoding="utf-8").splitlines()}
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


ESTIMATORS = [
    ThreeLayerNNClassifier,
    ThreeLayerNNClassifierCV,
    DaskThreeLayerNNClassifier,
]


@pytest.fixture
def metadata(monkeypatch):
    """Return the metadata that the estimators read, without addresses at first."""
    message = Message()
    monkeypatch.setattr("importlib.metadata.metadata", {"sknn3": message}.__getitem__)
    return message


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_html_repr_has_no_link_without_address_of_documentation(cls, metadata):
    metadata["Project-URL"] = "Source, https://code.invalid/sknn3"
    assert "href=" not in estimator_html_repr(cls())


def test_html_repr_has_no_link_if_package_is_not_installed(monkeypatch):
    def not_found(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.metadata", not_found)
    assert "href=" not in estimator_html_repr(ThreeLayerNNClassifier())


@pytest.mark.parametrize("cls", ESTIMATORS)
@pytest.mark.parametrize("end", ["", "/"])
def test_html_repr_links_to_api_page(cls, end, metadata):
    metadata["Project-URL"] = "Source, https://code.invalid/sknn3"
    metadata["Project-URL"] = f"Documentation, https://docs.invalid/sknn3{end}"
    html = estimator_html_repr(cls())
    start = "https://docs.invalid/sknn3/api/generated/"
    (name,) = set(re.findall(rf'href="{start}([\w.]+)\.html["#]', html))
    assert name.endswith(f".{cls.__name__}")
    assert f"   {name}\n" in API_PAGE.read_text(encoding="utf-8")


def test_html_repr_of_subclass_elsewhere_has_no_link(metadata):
    metadata["Project-URL"] = "Documentation, https://docs.invalid/sknn3"
    theirs = type("Theirs", (ThreeLayerNNClassifier,), {"__module__": "theirs"})
    assert "href=" not in estimator_html_repr(theirs())
