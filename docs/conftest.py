"""Run the code of the pages as tests.

Blocks marked as ``python`` run.  Blocks marked as ``py`` do not: they need a cluster or
a GPU.
"""

from importlib.util import find_spec
from pathlib import Path

import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

# Only pages have tests: Sphinx's settings and the files that it makes have none.
collect_ignore_glob = ["*.py", "_build", "api", "examples", "generated"]
# .ci/run tests this page in the step that installs PyTorch.
collect_ignore = [] if find_spec("torch") else ["pytorch.md"]

pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser()], patterns=["*.md"]
).pytest()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the code of the pages as `docs`."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.docs)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip code with callbacks where scikit-learn has none."""
    code = f"{item.path.name} {item.example.parsed}"
    if "callback" in code and not find_spec("sklearn.callback"):
        pytest.skip("scikit-learn has callbacks from 1.9 on")
