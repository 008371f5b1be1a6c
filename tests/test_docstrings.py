"""Docstrings follow numpydoc and state the defaults of the signatures."""

import ast
import importlib
import inspect
import re

import pytest
from numpydoc.docscrape import NumpyDocString

from sknn3 import ThreeLayerNNClassifier
from sknn3.network import ACTIVATIONS

PUBLIC = ["sknn3", "sknn3.network", "sknn3.gradient_check", "sknn3.datasets"]
PUBLIC += ["sknn3.display", "sknn3.onnx", "sknn3.dask"]


def public_module(value):
    """Return the public module of a function or class that a private one defines."""
    return re.sub(r"\._\w+$", "", value.__module__)


def documented():
    """Return public functions, classes and their methods by name."""
    found = {}
    for module in PUBLIC:
        for name in importlib.import_module(module).__all__:
            value = getattr(importlib.import_module(module), name)
            if not callable(value):
                continue
            found[f"{public_module(value)}.{name}"] = value
            if inspect.isclass(value):
                for method, function in inspect.getmembers(value):
                    function = getattr(function, "__func__", function)
                    if (
                        not method.startswith("_")
                        and inspect.isfunction(function)
                        and function.__module__.startswith("sknn3.")
                    ):
                        found[f"{public_module(value)}.{name}.{method}"] = function
    return found


DOCUMENTED = documented()


@pytest.mark.parametrize("name", DOCUMENTED)
def test_defaults_in_docstrings_equal_signatures(name):
    documented = DOCUMENTED[name]
    signature = {
        ("**" * (p.kind is p.VAR_KEYWORD)) + n: p
        for n, p in inspect.signature(documented).parameters.items()
        if n not in ("self", "cls")
    }
    if inspect.isclass(documented) and "__init__" not in vars(documented):
        signature = {}  # the base class documents its parameters
    docstring = NumpyDocString(inspect.getdoc(documented))
    parameters = docstring["Parameters"]
    types = {name: p.type for p in parameters for name in p.name.split(", ")}
    assert list(types) == list(signature)
    for parameter, text in types.items():
        default = signature[parameter].default
        stated = re.search(r"default=(.+)$", text)
        if default is inspect.Parameter.empty:
            assert stated is None, f"{parameter}: {text}"
        else:
            assert stated is not None, f"{parameter}: no default in {text!r}"
            value = ast.literal_eval(stated[1])
            assert (value, type(value)) == (default, type(default)), parameter


def test_docstring_lists_every_activation():
    docstring = NumpyDocString(inspect.getdoc(ThreeLayerNNClassifier))
    description = {p.name: " ".join(p.desc) for p in docstring["Parameters"]}
    listed = re.findall(r"'(\w+)'", description["activation"])
    assert listed == list(ACTIVATIONS)


@pytest.mark.parametrize("name", [n for n in DOCUMENTED if n.count(".") == 2])
def test_functions_and_classes_have_an_example(name):
    assert ">>> " in DOCUMENTED[name].__doc__
