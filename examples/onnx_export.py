"""
Export to ONNX
==============

An ONNX file of a trained pipeline runs without scikit-learn. This script trains a
pipeline on the digits, converts it with skl2onnx and runs the file in onnxruntime. Then
it compares probabilities and times with those of ``predict_proba``. It needs the extra
``onnx``, and writes the file to a temporary folder, or to ``--output``::

    python -m pip install -e ".[onnx,plot]"
    python examples/onnx_export.py --output models
"""

import argparse
import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
from onnxruntime import InferenceSession, SessionOptions
from skl2onnx import to_onnx
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from threadpoolctl import threadpool_limits

import sknn3.onnx
from sknn3 import ThreeLayerNNClassifier
from sknn3.datasets import load_digits20

parser = argparse.ArgumentParser(description="Export a trained network to ONNX.")
parser.add_argument("--output", type=Path, help="folder; by default a temporary one")
arguments = parser.parse_args()
# max_iter ends these fits before they converge, by design.
warnings.simplefilter("ignore", ConvergenceWarning)

# %%
# Train
# -----
# The input of the file has the dtype of the sample that is passed to ``to_onnx``: here
# float32.

X, y = load_digits20(return_X_y=True)
X = X.astype(np.float32)
pipe = make_pipeline(
    MinMaxScaler(), ThreeLayerNNClassifier(max_iter=40, random_state=0)
).fit(X, y)
print(f"accuracy on {len(X)} digits: {pipe.score(X, y):.2%}")

# %%
# Convert
# -------
# :func:`sknn3.onnx.register` registers the converter with skl2onnx. With
# ``zipmap=False`` the probabilities are one array, not a dict for each sample.

sknn3.onnx.register()
model = to_onnx(pipe, X[:1], options={"zipmap": False})
with TemporaryDirectory() as temporary:
    path = (arguments.output or Path(temporary)) / "digits.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())
    print(f"{path.name}: {path.stat().st_size / 1024:.1f} KiB")

    settings = SessionOptions()
    settings.intra_op_num_threads = 1  # more would disturb the timing below
    session = InferenceSession(path, settings, providers=["CPUExecutionProvider"])

# %%
# Run and compare
# ---------------

label, probabilities = session.run(None, {"X": X})
difference = np.abs(probabilities - pipe.predict_proba(X)).max()
print(f"largest difference of probabilities: {difference:.1e}")
print(f"labels that differ: {np.sum(label != pipe.predict(X))}")

# %%
# Here are the times on one thread, for different numbers of rows in a call.


def medians(*calls: Callable[[], object], n_times: int) -> np.ndarray:
    """Return the median seconds of each call, alternating between the calls."""
    seconds = np.empty((n_times, len(calls)))
    for turn in seconds:
        for number, call in enumerate(calls):
            start = perf_counter()
            call()
            turn[number] = perf_counter() - start
    return np.median(seconds, axis=0)


times = {}
for n_rows, n_times in [(1, 1000), (10, 500), (100, 200), (1000, 100)]:
    rows = X[:n_rows]
    with threadpool_limits(1):
        seconds = medians(
            lambda rows=rows: session.run(["probabilities"], {"X": rows}),
            lambda rows=rows: pipe.predict_proba(rows),
            n_times=n_times,
        )
    times[n_rows] = 1e6 * seconds / n_rows

print("microseconds a row")
print("rows at a time  onnxruntime  predict_proba")
for n_rows, (onnx, sklearn) in times.items():
    print(f"{n_rows:>14}  {onnx:>11.2f}  {sklearn:>13.2f}")

figure, ax = plt.subplots(layout="constrained")
names = ["onnxruntime", "predict_proba"]
ax.plot(list(times), list(times.values()), marker="o", label=names)
ax.set(xscale="log", yscale="log", xlabel="Rows at a time", ylabel="Microseconds a row")
ax.legend()
plt.show()

# %%
# The ONNX file is much faster for single rows: ``predict_proba`` spends most of that
# time on input validation, once in each call.
