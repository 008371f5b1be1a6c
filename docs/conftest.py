"""Code in the pages runs as it stands, and prints what they say.

Blocks marked as ``python`` run; those marked as ``py`` need what a test has not: a
cluster, a GPU.
"""

from pathlib import Path

import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

# Pages only: neither Sphinx's settings nor what it makes.
collect_ignore_glob = ["*.py", "_build", "api", "examples", "generated"]

pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser()], patterns=["*.md"]
).pytest()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the code of the pages as `docs`."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.docs)
