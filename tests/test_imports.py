"""The architecture: who imports whom.  Another arrow is a decision, made here."""

import ast
import subprocess
import sys
from pathlib import Path

import sknn3

PACKAGE = Path(sknn3.__file__).parent

IMPORTS = {
    "__init__": {"classifier", "classifier_cv", "gradient_check"},
    "_arrays": set(),
    "network": {"_arrays"},
    "gradient_check": {"network"},
    "datasets": set(),
    "display": {
        "display._gradient_check",
        "display._hidden_units",
        "display._images",
        "display._loss_curve",
    },
    "display._axes": set(),
    "display._gradient_check": {"display._axes"},
    "display._images": {"display._axes"},
    "display._hidden_units": {"display._axes", "display._images"},
    "display._loss_curve": {"display._axes"},
    "classifier_cv": {
        "_arrays",
        "_callbacks",
        "_fitted",
        "_minimize",
        "classifier",
    },
    "dask": {"dask._classifier"},
    "dask._sums": set(),
    "dask._collections": set(),
    "dask._connection": set(),
    "dask._work": {"_blocks", "_parallel", "_samples", "dask._sums"},
    "dask._partitions": {
        "_arrays",
        "_parallel",
        "_samples",
        "dask._connection",
        "dask._sums",
        "dask._work",
    },
    "dask._classifier": {
        "_samples",
        "classifier",
        "dask._collections",
        "dask._connection",
        "dask._partitions",
        "dask._work",
    },
    "onnx": {"classifier", "classifier_cv"},
    "_blocks": set(),
    "_objective": {"network", "_arrays", "_blocks", "_samples"},
    "_conditioning": {"network", "_arrays", "_blocks", "_samples"},
    "_minimize": set(),
    "_parallel": {"_blocks"},
    "_samples": {"_arrays", "_blocks", "_parallel"},
    "_callbacks": {"_minimize"},
    "_fitted": set(),
    "_initial_weights": {"_arrays", "_conditioning", "network"},
    "_diagram": set(),
    "classifier": {
        "network",
        "_arrays",
        "_blocks",
        "_objective",
        "_conditioning",
        "_minimize",
        "_parallel",
        "_samples",
        "_callbacks",
        "_fitted",
        "_initial_weights",
        "_diagram",
    },
}

ALLOWED_OUTSIDE = {"numpy", "scipy", "sklearn", "threadpoolctl"}
WHEN_USED = {
    "datasets": {"pandas"},
    "display._axes": {"matplotlib"},
    "onnx": {"onnx", "skl2onnx"},
    "dask._collections": {"dask", "distributed"},
    "dask._connection": {"distributed"},
    "dask._partitions": {"distributed"},
    "dask._classifier": {"dask", "distributed"},
}


def files():
    """Each module's file, by its name within the package."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        *folders, name = path.relative_to(PACKAGE).with_suffix("").parts
        package_itself = name == "__init__" and folders
        found[".".join(folders if package_itself else [*folders, name])] = path
    return found


FILES = files()


def imports_of(module):
    """Modules of the package, and packages outside, that a module imports."""
    inside, outside = set(), set()
    for node in ast.walk(ast.parse(FILES[module].read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names = [node.module]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            top, _, rest = name.partition(".")
            inside.add(rest) if top == "sknn3" else outside.add(top)
    return inside, outside


def test_modules_import_each_other_as_designed():
    assert {m: imports_of(m)[0] for m in FILES} == IMPORTS


def test_the_outside_is_numpy_scipy_and_scikit_learn():
    for module in IMPORTS:
        outside = imports_of(module)[1] - set(sys.stdlib_module_names)
        assert outside <= ALLOWED_OUTSIDE | WHEN_USED.get(module, set())


def test_import_brings_no_optional_package():
    # (scikit-learn itself imports pandas where there is one.)
    code = """
import sys, sknn3, sknn3.datasets, sknn3.display, sknn3.onnx
optional = {"matplotlib", "polars", "dask", "onnx", "onnxruntime", "skl2onnx", "torch"}
loaded = optional & set(sys.modules)
assert not loaded, loaded
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_imports_form_a_tree():
    done = set()
    while done != set(IMPORTS):
        ready = {m for m, needs in IMPORTS.items() if needs <= done} - done
        assert ready, f"a circle among {set(IMPORTS) - done}"
        done |= ready
