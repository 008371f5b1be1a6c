"""Each claim of .github/SECURITY.md has a test that fails if the claim is false."""

import os
import pickle
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import cloudpickle
import joblib
import numpy as np
import pytest
import skops.io
from scipy.io import savemat
from skops.io.exceptions import UntrustedTypesFoundException

import sknn3
from sknn3 import ThreeLayerNNClassifier, ThreeLayerNNClassifierCV
from sknn3.datasets import read_digits, read_weights

PROMISES = (Path(__file__).parents[1] / ".github/SECURITY.md").read_text(
    encoding="utf-8"
)


def run_hostile_code():
    raise AssertionError("code from the file was run")


class Hostile:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return run_hostile_code, ()


# ---------------------------------------------------------------------- saved models


@pytest.fixture
def clf():
    return ThreeLayerNNClassifier(2, tol=0.1, random_state=0).fit(
        np.eye(4, 3), [0, 1, 0, 1]
    )


def test_trusted_types_are_the_two_estimators():
    assert "trusted=sknn3.TRUSTED_TYPES" in PROMISES
    ours = ThreeLayerNNClassifier, ThreeLayerNNClassifierCV
    names = {f"{each.__module__}.{each.__qualname__}" for each in ours}
    assert set(sknn3.TRUSTED_TYPES) == names
    # These classes define no method that loading would call.
    assert not any({"__reduce__", "__setstate__"} & vars(each).keys() for each in ours)


class Ordinary:
    """A type that skops does not trust."""


@pytest.mark.parametrize(
    "extra", [os.system, run_hostile_code, Ordinary(), {"deep": [Ordinary()]}, Ordinary]
)
def test_skops_file_with_untrusted_type_is_rejected(clf, extra):
    clf.extra_ = extra
    data = skops.io.dumps(clf)
    with pytest.raises(UntrustedTypesFoundException):
        skops.io.loads(data, trusted=sknn3.TRUSTED_TYPES)


def reload_with_joblib(model):
    file = BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    return joblib.load(file)


@pytest.mark.parametrize(
    "reload_model",
    [
        lambda model: pickle.loads(pickle.dumps(model)),
        lambda model: pickle.loads(cloudpickle.dumps(model)),
        reload_with_joblib,
    ],
    ids=["pickle", "cloudpickle", "joblib"],
)
def test_pickle_cloudpickle_and_joblib_files_run_code(clf, reload_model):
    assert "pickle, cloudpickle and joblib files run code" in PROMISES
    clf.extra_ = Hostile()
    with pytest.raises(AssertionError, match="code from the file was run"):
        reload_model(clf)


# ------------------------------------------------------------------------------ data

READERS = {read_digits: ("X", "y"), read_weights: ("Theta1", "Theta2")}


def write_pickle(path):
    path.write_bytes(pickle.dumps(Hostile()))


def write_npy(path):
    with path.open("wb") as file:
        np.save(file, np.array([Hostile()], object), allow_pickle=True)


def write_npz(path):
    with path.open("wb") as file:
        np.savez(file, **{name: np.array([Hostile()]) for name in ("X", "y", "Theta1")})


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("write", [write_pickle, write_npy, write_npz])
def test_read_rejects_pickles_without_running_them(read, write, tmp_path):
    write(tmp_path / "file.mat")
    with pytest.raises(ValueError, match=r"cannot be read as a \.mat file"):
        read(tmp_path / "file.mat")


CELLS = np.empty((3, 400), object)
CELLS[:] = 1.0
STRUCTURE = np.zeros((3, 400), [("a", float)])


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("value", [CELLS, STRUCTURE], ids=["cells", "structure"])
def test_read_rejects_cells_and_structures(read, value, tmp_path):
    first, second = READERS[read]
    savemat(tmp_path / "file.mat", {first: value, second: np.ones((3, 1))})
    with pytest.raises(ValueError, match=r"cannot be read as a \.mat file"):
        read(tmp_path / "file.mat")


# ----------------------------------------------------------------------- the network

# Python reports every connection, process and opened file to audit hooks.
AUDIT_HOOK = """
import sys

import numpy.testing  # NumPy 2.0 runs lscpu when it is imported

def raise_on(event, args):
    name, _, _ = event.partition(".")
    if name == "socket" and event != "socket.__new__":
        raise AssertionError(event, args)
    if event in ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn"):
        raise AssertionError(event, args)
    if event == "open" and set(args[1] or "") & set("wax+"):
        raise AssertionError(event, args)

sys.addaudithook(raise_on)
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


def run_with_audit_hook(code):
    command = [sys.executable, "-B", "-W", "ignore", "-c", AUDIT_HOOK + code]
    return subprocess.run(
        command, capture_output=True, encoding="utf-8", timeout=120, check=False
    )


def test_import_and_fit_open_no_socket_process_or_file():
    promise = "open no connection, start no program and write no file"
    assert promise in " ".join(PROMISES.split())
    done = run_with_audit_hook(USE)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "code",
    [
        "import socket; socket.create_connection(('127.0.0.1', 9))",
        "import subprocess; subprocess.run(['true'])",
        "import os; os.system('true')",
        "open('/dev/null', 'w')",
    ],
)
def test_audit_hook_detects_socket_process_and_file(code):
    assert "AssertionError" in run_with_audit_hook(code).stderr
