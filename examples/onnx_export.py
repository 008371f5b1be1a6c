"""Export a trained network to ONNX, and run it without scikit-learn.

A pipeline is trained on the digits with a small budget, converted by skl2onnx, written
to a file and run in onnxruntime.  Its probabilities and times are compared with those
of `predict_proba`.  The file is written beside this script, or where ``--output``
says::

    python -m pip install -e ".[onnx]"
    python examples/onnx_export.py --output models
"""

import argparse
import warnings
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

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


def main() -> None:
    """Train, export, run and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "output")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    # The budget is meant to end training.
    warnings.simplefilter("ignore", ConvergenceWarning)

    X, y = load_digits20(return_X_y=True)
    X = X.astype(np.float32)
    pipe = make_pipeline(
        MinMaxScaler(), ThreeLayerNNClassifier(max_iter=40, random_state=0)
    ).fit(X, y)
    print(f"accuracy on {len(X)} digits: {pipe.score(X, y):.2%}")

    sknn3.onnx.register()
    model = to_onnx(pipe, X[:1], options={"zipmap": False})
    path = arguments.output / "digits.onnx"
    path.write_bytes(model.SerializeToString())
    print(f"{path}: {path.stat().st_size / 1024:.1f} KiB")

    settings = SessionOptions()
    settings.intra_op_num_threads = 1  # more would disturb the other's turn below
    session = InferenceSession(path, settings, providers=["CPUExecutionProvider"])
    label, probabilities = session.run(None, {"X": X})
    difference = np.abs(probabilities - pipe.predict_proba(X)).max()
    print(f"largest difference of probabilities: {difference:.1e}")
    print(f"labels that differ: {np.sum(label != pipe.predict(X))}\n")

    print("one thread, microseconds a row  onnxruntime  predict_proba")
    for n_rows, n_times in [(1, 1000), (1000, 200)]:
        rows = X[:n_rows]
        with threadpool_limits(1):
            seconds = medians(
                lambda rows=rows: session.run(["probabilities"], {"X": rows}),
                lambda rows=rows: pipe.predict_proba(rows),
                n_times=n_times,
            )
        onnx, sklearn = 1e6 * seconds / n_rows
        print(f"{n_rows:>16} rows at a time  {onnx:>11.2f}  {sklearn:>13.2f}")


def medians(*calls: Callable[[], object], n_times: int) -> np.ndarray:
    """Median time of each call, in turns, so that all see the same machine."""
    seconds = np.empty((n_times, len(calls)))
    for turn in seconds:
        for number, call in enumerate(calls):
            start = perf_counter()
            call()
            turn[number] = perf_counter() - start
    return np.median(seconds, axis=0)


if __name__ == "__main__":
    main()
