"""The architecture: who imports whom.  Another arrow is a decision, made here."""

import importlib.util
import subprocess
import sys
from pathlib import Path

# What draws the modules for the documentation reads their imports for us too.
_path = Path(__file__).parents[1] / "docs" / "module_drawing.py"
_spec = importlib.util.spec_from_file_location(_path.stem, _path)
module_drawing = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(module_drawing)

IMPORTS = {
    "__init__": {"classifier", "classifier_cv", "gradient_check"},
    "_arrays": set(),
    "_validation": {"_arrays"},
    "network": {"_arrays", "_validation"},
    "gradient_check": {"_validation", "network"},
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
        "_blocks",
        "_callbacks",
        "_fitted",
        "_minimize",
        "_validation",
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
    "_objective": {"network", "_arrays", "_blocks", "_parallel", "_samples"},
    "_conditioning": {"network", "_arrays", "_blocks", "_samples"},
    "_minimize": set(),
    "_interrupts": set(),
    "_parallel": {"_blocks"},
    "_samples": {"_arrays", "_blocks", "_parallel"},
    "_callbacks": {"_minimize"},
    "_fitted": set(),
    "_initial_weights": {"_arrays", "_conditioning", "network"},
    "classifier": {
        "network",
        "_arrays",
        "_blocks",
        "_objective",
        "_conditioning",
        "_minimize",
        "_interrupts",
        "_samples",
        "_callbacks",
        "_fitted",
        "_initial_weights",
        "_validation",
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


FILES = module_drawing.module_files()
FOUND = {module: module_drawing.imports_of(path) for module, path in FILES.items()}


def test_modules_import_each_other_as_designed():
    assert {module: inside for module, (inside, _) in FOUND.items()} == IMPORTS


def test_the_outside_is_numpy_scipy_and_scikit_learn():
    for module in IMPORTS:
        outside = FOUND[module][1] - set(sys.stdlib_module_names)
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


def test_import_and_digits_ask_nothing_of_the_network():
    code = """
import sys

def refuse(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        raise AssertionError(event, args)

sys.addaudithook(refuse)
import sknn3, sknn3.datasets, sknn3.display, sknn3.onnx, sknn3.dask
sknn3.datasets.load_digits20()
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_imports_form_a_tree():
    done = set()
    while done != set(IMPORTS):
        ready = {m for m, needs in IMPORTS.items() if needs <= done} - done
        assert ready, f"a circle among {set(IMPORTS) - done}"
        done |= ready


def test_the_drawing_shows_every_module_above_what_it_imports():
    graph = module_drawing.direct_only(IMPORTS)
    assert {m: module_drawing.needed(graph, m) for m in graph} == {
        m: module_drawing.needed(IMPORTS, m) for m in IMPORTS
    }
    rows = {
        module: row
        for row, modules in enumerate(module_drawing.levels(graph))
        for module in modules
    }
    assert set(rows) == set(FILES)
    assert all(rows[m] < rows[other] for m in graph for other in graph[m])
    places = module_drawing.places(graph)
    assert len(set(places.values())) == len(FILES)


def test_every_module_says_what_it_does_in_a_line():
    lines = module_drawing.table().splitlines()[2:]
    assert [line.split("`")[1] for line in lines] == list(FILES)
    assert all(line.split("|")[2].strip().endswith(".") for line in lines)
