"""
Estimate the time of a pass on a cluster
========================================

How many workers are worth their cost? This example computes the model of
:doc:`the user guide </user_guide/scaling>` for a billion samples. The model was
measured with two workers on one machine, so all curves for more workers are
extrapolated.
"""

import matplotlib.pyplot as plt
import numpy as np

# %%
# The model
# ---------
# Replace the numbers by those of your data and your network. ``row_seconds`` is the
# time of one row on one core. Measure it with ``ThreeLayerNNClassifier`` on a sample.


def pass_seconds(
    n_workers: np.ndarray,
    *,
    n_rows: float,
    n_weights: int,
    n_partitions: int,
    row_seconds: float,
    task_seconds: float,  # 0.6 to 3.9 ms
    delay: float = 0.1e-3,  # seconds in one direction
    bandwidth: float = 1.25e9,  # bytes a second
) -> tuple[np.ndarray, np.ndarray]:
    """Return the seconds of computation and the seconds of overhead."""
    sent = 24 * n_weights * n_workers  # bytes
    added = n_weights * (n_partitions / n_workers + n_workers)
    overhead = 4 * delay + sent / bandwidth
    overhead += 8e-3 + task_seconds * n_workers + 0.036e-3 * n_partitions
    overhead += 2.1e-9 * sent + 14e-9 * added
    return n_rows / n_workers * row_seconds, overhead


# %%
# Seconds for each number of workers
# ----------------------------------
# The data is float32, in partitions of 100 MB. A band is between the two estimates of
# the cost of a task.

workers = np.arange(1, 3001)
figure, ax = plt.subplots(layout="constrained")
for (d, h), row_seconds, color in [
    ((400, 100), 2.5e-6, "tab:blue"),
    ((100, 25), 0.39e-6, "tab:orange"),
]:
    problem = {
        "n_rows": 1e9,
        "n_weights": (d + 1) * h + (h + 1) * 10,
        "n_partitions": 40 * d,
        "row_seconds": row_seconds,
    }
    computation, fast = pass_seconds(workers, **problem, task_seconds=0.6e-3)
    _, slow = pass_seconds(workers, **problem, task_seconds=3.9e-3)
    fast, slow = computation + fast, computation + slow
    ax.plot(workers, computation, ":", color=color)
    label = f"{d} features, {h} units"
    ax.fill_between(workers, fast, slow, color=color, alpha=0.4, label=label)
    ends = (np.interp(100, workers, seconds) for seconds in (fast, slow))
    print(f"{label}, 100 workers: {next(ends):.1f} to {next(ends):.1f} s a pass")
ax.set(xscale="log", yscale="log", xlabel="Workers", ylabel="Seconds a pass")
ax.legend()
plt.show()

# %%
# The dotted lines are the computation alone. Up to about a hundred workers a pass takes
# nearly that time. With many more workers the overhead dominates, because each further
# worker adds the cost of a task, and of the weights and sums that it exchanges.
