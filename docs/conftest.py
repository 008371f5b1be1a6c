"""Code in the pages runs as it stands, and prints what they say.

Blocks marked as ``python`` run; those marked as ``py`` need what a test has not: a
cluster, a GPU.
"""

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser()], patterns=["*.md"]
).pytest()
