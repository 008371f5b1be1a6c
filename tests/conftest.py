"""Settings and fixtures that several test modules use."""

import os
from pathlib import Path

# The workers of pytest-xdist share the cores.  With one BLAS thread each they do not
# wait for each other.  BLAS reads these variables when NumPy is imported.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import matplotlib as mpl
import numpy as np
import pytest
import sklearn
from hypothesis import settings
from packaging.version import Version
from sklearn.datasets import load_breast_cancer, load_iris, make_classification
from sklearn.preprocessing import StandardScaler

mpl.use("Agg")  # plot without windows

# Each run draws the same examples, without a time limit, since timings vary, and
# without a database.  The long profile is for changes of the formulas.
settings.register_profile(
    "quick", max_examples=20, deadline=None, derandomize=True, database=None
)
settings.register_profile("long", max_examples=10_000, deadline=None, database=None)
settings.load_profile("quick")

# The files of the course may not be redistributed.  Where they exist next to the
# repository, test_course.py compares the package with them.
COURSE = Path(__file__).parents[2] / "shared"
collect_ignore = [] if COURSE.is_dir() else ["test_course.py"]


def pytest_runtest_setup(item):
    """Skip tests of features that the installed scikit-learn does not have yet."""
    for marker in item.iter_markers("needs_sklearn"):
        version, feature = marker.args
        if Version(sklearn.__version__) < Version(version):
            pytest.skip(f"scikit-learn has {feature} from {version} on")


@pytest.fixture(scope="session")
def course() -> Path:
    return COURSE


@pytest.fixture(scope="session")
def digits():
    from sknn3.datasets import load_digits20

    return load_digits20()


@pytest.fixture
def iris():
    X, y = load_iris(return_X_y=True)
    return StandardScaler().fit_transform(X), y


@pytest.fixture
def binary():
    X, y = load_breast_cancer(return_X_y=True)
    return StandardScaler().fit_transform(X), y


@pytest.fixture
def large():
    """Return a problem with more rows than one block has."""
    return make_classification(
        5000, 12, n_informative=8, n_classes=3, random_state=0, class_sep=0.5
    )


@pytest.fixture
def multilabel():
    rng = np.random.RandomState(0)
    X = rng.standard_normal((150, 6))
    return X, (X @ rng.standard_normal((6, 4)) > 0.3).astype(int)


@pytest.fixture
def rng():
    return np.random.RandomState(0)
