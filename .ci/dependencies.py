"""Versions, as pyproject.toml has them and as they are installed.

`floors` prints the oldest version of each dependency, as constraints for pip; `pythons`
prints the versions of Python; `scikit-learn VERSION` prints an older scikit-learn with
what it supports, as constraints; `installed` prints the installed versions;
`interpreter VERSION` prints the path of this interpreter, and fails if it has another
version.
"""

import platform
import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PROJECT = tomllib.loads(
    (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
)["project"]
FLOOR = re.compile(r"([\w.-]+)(?:\[[\w,]+\])?>=([\w.]+)")
PYTHON = re.compile(r"Programming Language :: Python :: (3\.\d+)")


def floors():
    """Oldest versions of what the package, its extras and its tests need, by name."""
    extras = PROJECT["optional-dependencies"]
    chosen = [extras[name] for name in extras if name != "dev"]
    found = {}
    for requirement in sum(chosen, PROJECT["dependencies"]):
        if not requirement.startswith("sknn3["):
            name, oldest = FLOOR.fullmatch(requirement).groups()
            assert found.setdefault(name, oldest) == oldest, f"two floors of {name}"
    return found


def with_sklearn(version):
    """Constraints for an older scikit-learn.

    Up to 1.8 it sets the shape of an array, which NumPy 2.5 deprecates, and reads the
    names of columns by a protocol that polars 1.40 deprecates and polars 2 lacks.
    """
    return [f"scikit-learn=={version}.*", "numpy<2.5", "polars<1.40"]


def pythons():
    """Versions of Python, the oldest first."""
    matches = (PYTHON.fullmatch(text) for text in PROJECT["classifiers"])
    return [match[1] for match in matches if match]


def installed():
    """Versions of Python and of the dependencies, torch among them."""
    found = [f"Python {platform.python_version()}"]
    for name in [*floors(), "torch"]:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return found


if __name__ == "__main__":
    match sys.argv[1]:
        case "floors":
            print(*(f"{name}=={oldest}" for name, oldest in floors().items()), sep="\n")
        case "scikit-learn":
            print(*with_sklearn(sys.argv[2]), sep="\n")
        case "pythons":
            print(*pythons())
        case "interpreter":
            assert "{}.{}".format(*sys.version_info) == sys.argv[2]
            print(sys.executable)
        case "installed":
            print(*installed(), sep=", ")
