"""What .github/SECURITY.md claims: for each claim a test that fails if it is false."""

import os
import pickle
import struct
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import cloudpickle
import joblib
import numpy as np
import pytest
import skops.io
from scipy.io import loadmat, savemat
from skops.io.exceptions import UntrustedTypesFoundException

import sknn3
from sknn3 import ThreeLayerNNClassifier, ThreeLayerNNClassifierCV
from sknn3.datasets import read_digits, read_weights

PROMISES = (Path(__file__).parents[1] / ".github/SECURITY.md").read_text()


def of_strangers():
    raise AssertionError("code of the file's was run")


class Loud:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return of_strangers, ()


# ---------------------------------------------------------------------- saved models


@pytest.fixture
def clf():
    return ThreeLayerNNClassifier(2, tol=0.1, random_state=0).fit(
        np.eye(4, 3), [0, 1, 0, 1]
    )


def test_the_types_to_trust_are_this_package_s_two_estimators():
    assert "trusted=sknn3.TRUSTED_TYPES" in PROMISES
    ours = ThreeLayerNNClassifier, ThreeLayerNNClassifierCV
    names = {f"{each.__module__}.{each.__qualname__}" for each in ours}
    assert set(sknn3.TRUSTED_TYPES) == names
    # What would run of theirs is scikit-learn's.
    assert not any({"__reduce__", "__setstate__"} & vars(each).keys() for each in ours)


class Ordinary:
    """A type that skops does not know."""


@pytest.mark.parametrize(
    "extra", [os.system, of_strangers, Ordinary(), {"deep": [Ordinary()]}, Ordinary]
)
def test_a_skops_file_with_another_type_is_refused(clf, extra):
    clf.extra_ = extra
    data = skops.io.dumps(clf)
    with pytest.raises(UntrustedTypesFoundException):
        skops.io.loads(data, trusted=sknn3.TRUSTED_TYPES)


def by_joblib(model):
    file = BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    return joblib.load(file)


@pytest.mark.parametrize(
    "come_back",
    [
        lambda model: pickle.loads(pickle.dumps(model)),
        lambda model: pickle.loads(cloudpickle.dumps(model)),
        by_joblib,
    ],
    ids=["pickle", "cloudpickle", "joblib"],
)
def test_other_files_of_models_run_code_as_is_said(clf, come_back):
    assert "pickle, cloudpickle and joblib files run code" in PROMISES
    clf.extra_ = Loud()
    with pytest.raises(AssertionError, match="code of the file's was run"):
        come_back(clf)


# ------------------------------------------------------------------------------ data

READERS = {read_digits: ("X", "y"), read_weights: ("Theta1", "Theta2")}


def pickled(path):
    path.write_bytes(pickle.dumps(Loud()))


def npy(path):
    with path.open("wb") as file:
        np.save(file, np.array([Loud()], object), allow_pickle=True)


def npz(path):
    with path.open("wb") as file:
        np.savez(file, **{name: np.array([Loud()]) for name in ("X", "y", "Theta1")})


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("write", [pickled, npy, npz])
def test_files_of_pickles_are_refused_and_not_run(read, write, tmp_path):
    write(tmp_path / "file.mat")
    with pytest.raises(ValueError, match=r"cannot be read as a \.mat file"):
        read(tmp_path / "file.mat")


CELLS = np.empty((3, 400), object)
CELLS[:] = 1.0
RECORDS = np.zeros((3, 400), [("a", float)])


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("value", [CELLS, RECORDS], ids=["cells", "records"])
def test_variables_that_are_no_numbers_are_refused(read, value, tmp_path):
    first, second = READERS[read]
    savemat(tmp_path / "file.mat", {first: value, second: np.ones((3, 1))})
    with pytest.raises(ValueError, match="expected finite numbers"):
        read(tmp_path / "file.mat")


def element(kind, content):
    """Part of a .mat file of version 5, padded to 8 bytes."""
    return (
        struct.pack("<II", kind, len(content)) + content + b"\0" * (-len(content) % 8)
    )


def matrix(class_number, name, content, shape=(1, 1)):
    flags = element(6, struct.pack("<II", class_number, 0))
    dims = element(5, struct.pack("<ii", *shape))
    return element(14, flags + dims + element(1, name) + content)


MATLAB_FUNCTION = 16


def test_a_matlab_function_is_no_matrix_though_it_holds_one(tmp_path):
    numbers = np.ones((3, 400))
    held = matrix(6, b"", element(9, numbers.tobytes()), numbers.shape)
    labels = matrix(6, b"y", element(9, np.ones(3).tobytes()), (3, 1))
    header = b"MATLAB 5.0".ljust(124) + struct.pack("<HH", 0x0100, 0x4D49)
    path = tmp_path / "file.mat"
    path.write_bytes(header + matrix(MATLAB_FUNCTION, b"X", held) + labels)
    assert type(loadmat(path)["X"]).__name__ == "MatlabFunction"
    with pytest.raises(ValueError, match="X is a function, expected finite num"):
        read_digits(path)


# ----------------------------------------------------------------------- the network

# Events of Python's that a process cannot do without notice of.
REFUSE = """
import sys

import numpy.testing  # which in NumPy 2.0 asks lscpu about the processor

def refuse(event, args):
    name, _, _ = event.partition(".")
    if name == "socket" and event != "socket.__new__":
        raise AssertionError(event, args)
    if event in ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn"):
        raise AssertionError(event, args)
    if event == "open" and set(args[1] or "") & set("wax+"):
        raise AssertionError(event, args)

sys.addaudithook(refuse)
"""
USE = """
import numpy as np
import sknn3, sknn3.datasets, sknn3.display, sknn3.onnx

X, y = sknn3.datasets.load_digits20(return_X_y=True)
X, y = X[::50], y[::50]
for params in ({}, {"solver": "lbfgs"}, {"early_stopping": True}):
    clf = sknn3.ThreeLayerNNClassifier(3, max_iter=3, **params).fit(X, y)
clf.predict_proba(X)
sknn3.ThreeLayerNNClassifierCV(
    hidden_layer_size=3, alphas=[1], max_iters=[3], cv=2
).fit(X, y)
"""


def run_refusing(code):
    command = [sys.executable, "-B", "-W", "ignore", "-c", REFUSE + code]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False
    )


def test_importing_and_fitting_touch_no_network_no_program_and_write_no_file():
    assert "neither importing sknn3 nor fitting opens a connection" in " ".join(
        PROMISES.split()
    )
    done = run_refusing(USE)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "deed",
    [
        "import socket; socket.create_connection(('127.0.0.1', 9))",
        "import subprocess; subprocess.run(['true'])",
        "import os; os.system('true')",
        "open('/dev/null', 'w')",
    ],
)
def test_what_is_refused_there_would_be_seen(deed):
    assert "AssertionError" in run_refusing(deed).stderr
