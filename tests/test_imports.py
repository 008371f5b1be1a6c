"""The allowed imports between modules.  A new import needs a new entry in this file."""

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

# The script that draws the modules for the documentation reads their imports.
_path = Path(__file__).parents[1] / "docs" / "module_drawing.py"
_spec = importlib.util.spec_from_file_location(_path.stem, _path)
module_drawing = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(module_drawing)

IMPORTS = {
    "__init__": {"classifier", "classifier_cv", "gradient_check"},
    # A fit, from the bottom up.
    "_sklearn_compat": set(),
    "_rounding": set(),
    "_parallel": set(),
    "_features": set(),
    "_array_api": {"_sklearn_compat"},
    "_labels": {"_array_api"},
    "_kernel": {"_array_api"},
    "_dataset": {"_array_api", "_features", "_kernel", "_labels", "_parallel"},
    "_conditioning": {"_array_api", "_dataset", "_kernel", "_rounding"},
    "_minimize": {"_array_api", "_conditioning", "_dataset", "_kernel", "_rounding"},
    "_progress": {"_minimize", "_sklearn_compat"},
    "_prediction": {
        "_array_api",
        "_dataset",
        "_features",
        "_kernel",
        "_labels",
    },
    "_fitted": {"_array_api", "_dataset", "_kernel", "_minimize", "_sklearn_compat"},
    "classifier": {
        "_array_api",
        "_conditioning",
        "_dataset",
        "_features",
        "_fitted",
        "_kernel",
        "_labels",
        "_minimize",
        "_prediction",
        "_progress",
        "_sklearn_compat",
    },
    "classifier_cv": {
        "_array_api",
        "_dataset",
        "_features",
        "_fitted",
        "_labels",
        "_minimize",
        "_prediction",
        "_progress",
        "_sklearn_compat",
        "classifier",
    },
    # Public functions and classes besides the estimators.
    "network": {"_array_api", "_dataset", "_kernel"},
    "_gradient_diagnosis": set(),
    "gradient_check": {"_gradient_diagnosis", "network"},
    "datasets": set(),
    "onnx": {"_kernel", "classifier", "classifier_cv"},
    "display": {
        "display._feature_effects",
        "display._gradient_check",
        "display._hidden_units",
        "display._images",
        "display._loss_curve",
    },
    "display._axes": set(),
    "display._feature_effects": {"display._axes"},
    "display._gradient_check": {"display._axes"},
    "display._images": {"display._axes"},
    "display._hidden_units": {"display._axes", "display._images"},
    "display._loss_curve": {"display._axes"},
    "dask": {"dask._classifier"},
    "dask._client": set(),
    "dask._tasks": {"_dataset", "_features", "_labels", "_parallel"},
    "dask._partitions": {
        "_dataset",
        "_labels",
        "_parallel",
        "dask._client",
        "dask._tasks",
    },
    "dask._classifier": {
        "_features",
        "_minimize",
        "_sklearn_compat",
        "classifier",
        "dask._client",
        "dask._partitions",
        "dask._tasks",
    },
}

ALLOWED_OUTSIDE = {"numpy", "scipy", "sklearn", "threadpoolctl"}
OPTIONAL = {
    "datasets": {"pandas"},
    "display._axes": {"matplotlib"},
    "onnx": {"onnx", "skl2onnx"},
    "dask._client": {"distributed"},
    "dask._partitions": {"dask", "distributed"},
    "dask._classifier": {"dask", "distributed"},
}

FILES = module_drawing.module_files()
FOUND = {module: module_drawing.imports_of(path) for module, path in FILES.items()}


def test_modules_import_each_other_as_designed():
    assert {module: inside for module, (inside, _) in FOUND.items()} == IMPORTS


def test_packages_imported_are_dependencies():
    for module in FOUND:
        outside = FOUND[module][1] - set(sys.stdlib_module_names)
        assert outside <= ALLOWED_OUTSIDE | OPTIONAL.get(module, set())


def test_private_names_of_other_packages_are_in_one_module():
    # Ruff finds private attributes; these are imports.
    private = set()
    for module, path in FILES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                source = getattr(node, "module", "")
                for alias in node.names:
                    top, *others = f"{source}.{alias.name}".strip(".").split(".")
                    if top != "sknn3" and any(name[0] == "_" for name in others):
                        private.add(module)
    assert private == {"_sklearn_compat"}


def loaded_by(statement):
    """Return the modules that a fresh process has loaded after an import."""
    code = f"{statement}; import sys; print(*sys.modules)"
    return set(subprocess.check_output([sys.executable, "-c", code]).decode().split())


@pytest.fixture(scope="module")
def loaded_by_sklearn():
    return loaded_by("import sklearn.neural_network")


def test_import_loads_nothing_that_sklearn_neural_network_does_not(loaded_by_sklearn):
    # So `import sknn3` takes about as long.
    beyond = loaded_by("import sknn3") - loaded_by_sklearn
    own = {name for name in beyond if name.split(".")[0] == "sknn3"}
    assert beyond - own <= {"concurrent.futures.thread"}


def test_import_of_all_but_dask_loads_no_optional_package(loaded_by_sklearn):
    # scikit-learn imports pandas if it is installed.
    statement = "import sknn3.datasets, sknn3.display, sknn3.gradient_check, sknn3.onnx"
    beyond = loaded_by(statement) - loaded_by_sklearn
    packages = {name.split(".")[0] for name in beyond}
    assert packages - set(sys.stdlib_module_names) <= {"sknn3", "sklearn", "scipy"}


@pytest.mark.parametrize(
    ("package", "use", "install"),
    [
        (
            "matplotlib",
            "sknn3.display.LossCurveDisplay.from_data([1])",
            "'sknn3[plot]'",
        ),
        ("pandas", "sknn3.datasets.load_digits20(as_frame=True)", "pandas"),
        ("skl2onnx", "sknn3.onnx.register()", "'sknn3[onnx]'"),
        ("onnx", "sknn3.onnx.register()", "'sknn3[onnx]'"),
        ("dask", "import sknn3.dask", "'sknn3[dask]'"),
        ("distributed", "import sknn3.dask", "'sknn3[dask]'"),
    ],
)
def test_missing_optional_package_raises_error_with_command(package, use, install):
    code = f"""
import sys
sys.modules[{package!r}] = None
import sknn3.datasets, sknn3.display, sknn3.onnx
try:
    {use}
except ImportError as error:
    assert str(error).endswith(": python -m pip install {install}"), error
else:
    raise AssertionError
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_import_and_load_digits20_use_no_network():
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


def test_imports_have_no_cycle():
    done = set()
    while done != set(IMPORTS):
        ready = {m for m, needs in IMPORTS.items() if needs <= done} - done
        assert ready, f"a circle among {set(IMPORTS) - done}"
        done |= ready


def test_drawing_has_modules_above_what_they_import():
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
    centres = module_drawing.positions(graph)
    assert len(set(centres.values())) == len(FILES)


def test_docstrings_of_modules_begin_with_a_sentence():
    lines = module_drawing.table().splitlines()[2:]
    assert [line.split("`")[1] for line in lines] == list(FILES)
    assert all(line.split("|")[2].strip().endswith(".") for line in lines)
